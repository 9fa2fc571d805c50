//! An analysis in the making: the blocks that are complete, what noise is known, and notes.

use super::estimate::Estimated;
use super::{Analysis, Index, Method, SensitivityError};

/// Squares of larger values are no numbers any more; nothing that has not diverged comes near.
const LARGEST: f64 = 1e150;

/// The values as given; runs with values that are no number, or too large, are taken for failed.
///
/// # Errors
/// There are more of them than the design has points.
pub(super) fn checked(
    method: &dyn Method,
    runs: usize,
    values: &[Option<f64>],
) -> Result<Vec<Option<f64>>, SensitivityError> {
    if values.len() > runs {
        let (method, values) = (method.name(), values.len());
        return Err(SensitivityError::Values { method, values, runs });
    }
    Ok(values.iter().map(|value| value.filter(|value| value.abs() <= LARGEST)).collect())
}

/// The block of each of so many runs, in blocks of `size`.
pub(super) fn equal_blocks(runs: usize, size: usize) -> Vec<usize> {
    (0..runs).map(|run| run / size).collect()
}

/// The blocks of `size` runs that have all their values, with their numbers.
pub(super) fn whole_blocks(values: &[Option<f64>], size: usize) -> Vec<(usize, Vec<f64>)> {
    let blocks = values.chunks_exact(size).enumerate();
    blocks
        .filter_map(|(number, block)| Some((number, block.iter().copied().collect::<Option<_>>()?)))
        .collect()
}

impl Analysis {
    /// Nothing but how many of the given runs count; says so if some do not, or none.
    pub(super) fn of_runs(given: &[Option<f64>], used: usize, block: &str) -> Self {
        let left_out = given.len() - used;
        let failed = given.iter().filter(|value| value.is_none()).count();
        let mut analysis = Self { used, left_out, ..Self::default() };
        if used == 0 {
            analysis.notes.push(format!("no {block} is complete: no index can be estimated"));
        } else if failed > 0 {
            analysis.notes.push(format!(
                "{failed} runs have no value; with them {left_out} runs are left out. Indices \
                 describe the part of the box where runs succeed"
            ));
        }
        analysis
    }

    pub(super) fn push(&mut self, parameter: &str, index: &'static str, estimated: Estimated) {
        let Estimated { value, interval } = estimated;
        // An estimate beyond all numbers, of values near the largest, is as unknown as none.
        if value.is_finite() {
            self.indices.push(Index { parameter: parameter.to_owned(), index, value, interval });
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Says that intervals from so few blocks are a little short (`coverage.rs` measures it).
    pub(super) fn note_few(&mut self, blocks: usize, enough: usize, what: &str) {
        if blocks < enough {
            self.note(format!(
                "fewer than {enough} {what}: intervals are a little short; with 16, those of 95 % \
                 held the truth in 86 % or more of trials"
            ));
        }
    }

    /// Whether there is a variance of which indices can be shares; notes why not.
    pub(super) fn has_variance(&mut self) -> bool {
        if self.variance > 0.0 {
            return true;
        }
        self.note(match self.noise_variance {
            Some(noise) if noise > 0.0 => {
                "the noise has all of the variance: no share of a factor can be told; take more \
                 samples, or average several runs at each point"
            }
            _ => "all values are alike: indices are shares of a variance of 0 and unknown",
        });
        false
    }
}
