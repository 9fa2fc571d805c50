//! Estimators of the order: importance from a few trials.

use crate::analysis::importance::{
    self, FEWEST_TRIALS, Fanova, Observations, Outcome, PedAnova, Row, Sample,
};
use crate::analysis::sensitivity::{self, Factor};
use crate::random::sobol::{MOST_DIMENSIONS, scrambled_sobol};
use crate::random::{Purpose, derived_seed, stream};
use crate::search::sampler::Ranker;
use crate::search::space::{Configuration, Space};
use crate::search::{Observation, TrialState};

use rand::RngExt;

/// All estimators, by the names that `--order` takes.
pub const RANKERS: &[Ranker] = &[
    Ranker {
        name: "morris",
        fewest: |space| space.parameters.len() as u64 + 1,
        design: trajectories,
        importance: elementary_effects,
    },
    Ranker {
        name: "fanova",
        fewest: |_| FEWEST_TRIALS as u64,
        design: sample,
        importance: |space, seed, trials| from_sample(&Fanova, space, seed, trials),
    },
    Ranker {
        name: "ped-anova",
        fewest: |_| FEWEST_TRIALS as u64,
        design: sample,
        importance: |space, seed, trials| from_sample(&PedAnova, space, seed, trials),
    },
    // A control: the sample is paid for and not read, and the order is drawn.
    Ranker {
        name: "chance",
        fewest: |_| 1,
        design: sample,
        importance: |space, seed, _| {
            let mut draws = stream(seed, Purpose::Permutation, 0);
            Some(space.parameters.iter().map(|_| draws.random()).collect())
        },
    },
];

/// The estimator called `name`.
pub fn ranker(name: &str) -> Option<Ranker> {
    RANKERS.iter().copied().find(|ranker| ranker.name == name)
}

/// A usual size of a screening: one trajectory of Morris, and no fewer trials than a forest takes.
pub fn screening(space: &Space) -> u64 {
    RANKERS.iter().map(|ranker| (ranker.fewest)(space)).max().unwrap_or(0)
}

fn morris(space: &Space, seed: u64, trials: u64) -> Option<sensitivity::Options> {
    let samples = usize::try_from(trials).ok()? / (space.parameters.len() + 1);
    // Intervals are not asked for.
    (samples > 0).then(|| sensitivity::Options {
        samples,
        seed,
        resamples: 1,
        ..sensitivity::Options::default()
    })
}

/// Morris' trajectories, as many as fit into the trials.
fn trajectories(space: &Space, seed: u64, trials: u64) -> Vec<Configuration> {
    let Some(options) = morris(space, seed, trials) else { return Vec::new() };
    let design =
        sensitivity::method("morris").map(|method| method.design(&Factor::all(space), &options));
    let points = design.and_then(|points| points).unwrap_or_default();
    points.iter().map(|point| space.at(point)).collect()
}

/// μ* of each hyperparameter; a diverged run counts as the worst that was seen.
fn elementary_effects(space: &Space, seed: u64, trials: &[Observation]) -> Option<Vec<f64>> {
    let options = morris(space, seed, trials.len() as u64)?;
    let factors = Factor::all(space);
    let method = sensitivity::method("morris").ok()?;
    let runs = method.runs(&factors, &options);
    let worst = trials.iter().filter_map(|trial| trial.loss).max_by(f64::total_cmp)?;
    let value = |trial: &Observation| match trial.state {
        TrialState::Diverged => Some(worst),
        _ => trial.loss,
    };
    let values: Vec<_> = trials.iter().take(runs).map(value).collect();
    let analysis = method.analyse(&factors, &options, &values).ok()?;
    let found = |factor: &Factor| {
        let of = |index: &&sensitivity::Index| {
            index.parameter == factor.name && index.index == "mu_star"
        };
        analysis.indices.iter().find(of).map_or(0.0, |index| index.value)
    };
    Some(factors.iter().map(found).collect())
}

/// Sobol' points, a new scramble for each seed.
pub fn sample(space: &Space, seed: u64, trials: u64) -> Vec<Configuration> {
    let position = |index: u64, dimension: usize| {
        let seed = derived_seed(seed, Purpose::Design, dimension as u64);
        match u32::try_from(index) {
            Ok(index) if dimension < MOST_DIMENSIONS => scrambled_sobol(index, dimension, seed),
            _ => stream(seed, Purpose::Design, index).random(),
        }
    };
    let point = |index| {
        let positions: Vec<_> =
            (0..space.parameters.len()).map(|dimension| position(index, dimension)).collect();
        space.at(&positions)
    };
    (0..trials).map(point).collect()
}

/// Trials as importance methods take them.
pub(super) fn observations(space: &Space, trials: &[Observation]) -> Observations {
    let parameters = space.parameters.iter().map(|parameter| importance::Parameter {
        name: parameter.name.clone(),
        distribution: parameter.distribution.clone(),
    });
    let row = |trial: &Observation| Row {
        trial: trial.number,
        values: space.parameters.iter().map(|p| trial.configuration.get(&p.name)).collect(),
        outcome: match (trial.state, trial.loss) {
            (TrialState::Complete, Some(loss)) => Outcome::Complete(loss),
            (TrialState::Pruned, loss) => Outcome::Pruned(loss),
            (TrialState::Diverged, _) => Outcome::Diverged,
            _ => Outcome::Failed,
        },
        reports: Vec::new(),
    };
    Observations { parameters: parameters.collect(), rows: trials.iter().map(row).collect() }
}

fn from_sample(
    method: &dyn importance::Method,
    space: &Space,
    seed: u64,
    trials: &[Observation],
) -> Option<Vec<f64>> {
    let options = importance::Options { resamples: 0, seed, ..importance::Options::default() };
    let (sample, _) = Sample::new(&observations(space, trials), &options).ok()?;
    method.importance(&sample, &options, seed).ok()
}
