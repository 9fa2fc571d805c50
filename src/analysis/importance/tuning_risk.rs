//! Tuning risk: what is lost by leaving a hyperparameter at its default while all others are tuned
//! (van Rijn & Hutter 2018; Probst, Boulesteix & Bischl 2019, "Tunability").
//!
//! The lowest prediction of the forest with the hyperparameter at its default, less the lowest of
//! all; normalised to sum 1. The lowest is looked for among the best trials and among mixtures of two
//! trials that have the same hyperparameters, so never where no trial has been. Without given defaults
//! the default is the middle of a range and the first choice.

use rand::RngExt;

use super::sample::Sample;
use super::{ImportanceError, Method, Options, normalised};
use crate::random::{Purpose, derived_seed, stream};

/// Mixtures a tree of the forest, and as many of the best trials: fewer trees, as in resamples, get
/// fewer.
const CANDIDATES: usize = 16;

/// Tuning risk; see the head of this file.
#[derive(Clone, Copy, Debug)]
pub struct TuningRisk;

impl Method for TuningRisk {
    fn name(&self) -> &'static str {
        "tuning-risk"
    }

    fn about(&self) -> &'static str {
        "predicted loss of leaving a hyperparameter at its default while the others are tuned, \
         normalised to sum 1 (random forest)"
    }

    fn importance(
        &self,
        sample: &Sample,
        options: &Options,
        seed: u64,
    ) -> Result<Vec<f64>, ImportanceError> {
        let mut risks = vec![0.0; sample.parameters().len()];
        let (whole, view) = sample.whole();
        let Some(forest) = sample.forest(whole, options, seed) else { return Ok(risks) };
        let table = &view.table;
        let count = CANDIDATES * options.trees;
        let mut candidates = candidates(sample, count, seed);
        let value = |point: &Vec<f64>| forest.predict(point);
        let (mut lowest, mut fixed) = (f64::INFINITY, vec![f64::INFINITY; view.columns.len()]);
        let mut seen = sample.rows(whole);
        let target = |row: u32| table.targets[row as usize];
        seen.sort_unstable_by(|a, b| target(*a).total_cmp(&target(*b)).then(a.cmp(b)));
        seen.dedup();
        seen.truncate(count);
        candidates.extend(seen.into_iter().map(|row| table.row(row as usize)));
        for mut point in candidates {
            lowest = lowest.min(value(&point));
            for (column, best) in fixed.iter_mut().enumerate() {
                let kept = point[column];
                point[column] = sample.start()[view.columns[column]];
                *best = best.min(value(&point));
                point[column] = kept;
            }
        }
        // With a default the others may be luckier than any candidate.
        lowest = fixed.iter().copied().fold(lowest, f64::min);
        for (column, best) in fixed.into_iter().enumerate() {
            risks[view.columns[column]] = best - lowest;
        }
        Ok(normalised(risks))
    }
}

/// Mixtures of two trials that have the same hyperparameters: each coordinate is one's or the other's.
fn candidates(sample: &Sample, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let (_, view) = sample.whole();
    /// Which hyperparameters are active, and the trials where just these are.
    type Kind<'a> = (Vec<bool>, Vec<&'a [Option<f64>]>);
    let mut kinds: Vec<Kind> = Vec::new();
    for (_, values) in sample.iter() {
        let active: Vec<bool> = values.iter().map(Option::is_some).collect();
        match kinds.iter_mut().find(|(known, _)| *known == active) {
            Some((_, trials)) => trials.push(values),
            None => kinds.push((active, vec![values])),
        }
    }
    let mut draws = stream(derived_seed(seed, Purpose::Bootstrap, 3), Purpose::Bootstrap, 0);
    let mut mixtures = Vec::with_capacity(count);
    for _ in 0..count {
        // Kinds by their frequency: a place among all trials.
        let mut place = draws.random_range(0..sample.len());
        for (_, trials) in &kinds {
            if place >= trials.len() {
                place -= trials.len();
                continue;
            }
            let one = sample.point(trials[place]);
            let other = sample.point(trials[draws.random_range(0..trials.len())]);
            let pick = |parameter: &usize| {
                if draws.random::<bool>() { one[*parameter] } else { other[*parameter] }
            };
            mixtures.push(view.columns.iter().map(pick).collect());
            break;
        }
    }
    mixtures
}
