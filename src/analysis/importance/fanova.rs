//! Functional analysis of variance on a random forest (Hutter, Hoos & Leyton-Brown 2014).
//!
//! An importance is the share of the variance of the forest's predictions over the whole box that a
//! hyperparameter explains alone, all others averaged out; the mean over trees of V_j / V, as in the
//! paper. Lengths are in the declared measure: a log-uniform rate is averaged over its logarithm.
//! (Optuna's evaluator averages every number linearly.)
//!
//! Trees of full depth fit the noise of the trials too. What they fit of it is spread over all
//! hyperparameters and mostly over their interactions, so shares add up to less than they would
//! without noise, and one without any effect has a small share above 0.
//!
//! **Conditional hyperparameters** are judged among the trials that have them, by a forest of their
//! own over all that is active there, and count by the law of total variance: share among those
//! trials × P(active) × V(target | active) / V(target). Those that all trials have are judged without the
//! branches; where they then explain nothing, their share is 0 (see `View::explains`).

use super::decomposition::{marginals, shares};
use super::sample::Sample;
use super::{ImportanceError, Method, Options};

/// fANOVA; see the head of this file.
#[derive(Clone, Copy, Debug)]
pub struct Fanova;

impl Method for Fanova {
    fn name(&self) -> &'static str {
        "fanova"
    }

    fn about(&self) -> &'static str {
        "share of the variance over the whole box that a hyperparameter explains alone (random \
         forest, functional ANOVA)"
    }

    fn importance(
        &self,
        sample: &Sample,
        options: &Options,
        seed: u64,
    ) -> Result<Vec<f64>, ImportanceError> {
        Ok(variances(sample, options, seed, false).singles)
    }
}

/// Shares of the variance by hyperparameter.
#[derive(Clone, Debug, Default)]
pub(super) struct Variances {
    /// One a hyperparameter.
    pub singles: Vec<f64>,
    /// Hyperparameters and what they do only together; pairs that are active together in some view.
    pub pairs: Vec<(usize, usize, f64)>,
}

/// Shares of all hyperparameters, and with `pairs` of pairs.
pub(super) fn variances(sample: &Sample, options: &Options, seed: u64, pairs: bool) -> Variances {
    let mut all = Variances { singles: vec![0.0; sample.parameters().len()], pairs: Vec::new() };
    for (place, view) in sample.views().iter().enumerate() {
        let shares = match sample.forest(place, options, seed) {
            Some(forest) => shares(&forest, pairs),
            None => Default::default(),
        };
        let scale = if view.explains { sample.variance_share(place) } else { 0.0 };
        let own = |column: usize| view.members.contains(&view.columns[column]);
        for (column, share) in shares.singles.iter().enumerate().filter(|(c, _)| own(*c)) {
            all.singles[view.columns[column]] = scale * share;
        }
        if !pairs {
            continue;
        }
        // Pairs that a resample cannot judge are listed too, so that all have the same list.
        let count = view.columns.len();
        let mut known = shares.pairs.iter();
        for first in 0..count {
            for second in first + 1..count {
                let share = known.next().map_or(0.0, |(_, _, share)| *share);
                if own(first) || own(second) {
                    all.pairs.push((view.columns[first], view.columns[second], scale * share));
                }
            }
        }
    }
    all
}

/// The prediction at each setting of a hyperparameter, averaged over all others: coordinate, mean of
/// the trees, and the trees.
pub(super) fn curves(
    sample: &Sample,
    parameter: usize,
    at: &[f64],
    options: &Options,
    seed: u64,
) -> Vec<Vec<f64>> {
    let mut views = sample.views().iter().enumerate();
    let Some((place, view)) = views.find(|(_, view)| view.members.contains(&parameter)) else {
        return Vec::new();
    };
    let column = view.columns.iter().position(|column| *column == parameter);
    match (sample.forest(place, options, seed), column) {
        (Some(forest), Some(column)) => marginals(&forest, column, at),
        _ => Vec::new(),
    }
}
