//! The order that somebody would take who knew the landscape.

use super::Landscape;
use crate::analysis::sensitivity::{self, Factor, SensitivityError};
use crate::analysis::statistics::Interval;

/// A hyperparameter with its share of the variance of the truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Its name.
    pub parameter: String,
    /// Sobol's total index: the share of the variance that it has a part in.
    pub total: f64,
    /// Its bootstrap interval.
    pub interval: Interval,
}

/// Total indices of the expected loss over the box, the largest first: a scrambled Sobol' design of
/// `samples` · (hyperparameters + 2) points. No search has that many trials: an oracle.
///
/// # Errors
/// When the space has nothing to vary, or more hyperparameters than the sequence has dimensions.
pub fn total_effects(
    landscape: &Landscape,
    samples: usize,
    seed: u64,
) -> Result<Vec<Effect>, SensitivityError> {
    let factors = Factor::all(&landscape.space);
    let options =
        sensitivity::Options { samples, seed, resamples: 200, ..sensitivity::Options::default() };
    let method = sensitivity::method("sobol")?;
    let points = method.design(&factors, &options)?;
    let values: Vec<_> =
        points.iter().map(|point| Some((landscape.truth)(&landscape.space.at(point)))).collect();
    let analysis = method.analyse(&factors, &options, &values)?;
    let total = |factor: &Factor| {
        let of = |i: &&sensitivity::Index| i.parameter == factor.name && i.index == "ST";
        let found = analysis.indices.iter().find(of);
        Effect {
            parameter: factor.name.clone(),
            total: found.map_or(0.0, |index| index.value),
            interval: found.map_or(Interval { low: 0.0, high: 0.0 }, |index| index.interval),
        }
    };
    let mut effects: Vec<_> = factors.iter().map(total).collect();
    // Stable: of equals the space's first comes first.
    effects.sort_by(|a, b| b.total.total_cmp(&a.total));
    Ok(effects)
}
