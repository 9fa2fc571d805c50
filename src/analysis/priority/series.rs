//! Regret against budget, and what it comes to.

use rand::RngExt;

use super::{Landscape, Replay};
use crate::analysis::statistics::{mean, quantile};
use crate::random::{Purpose, derived_seed, stream};

/// Turns losses into regret: 0 is the best there is, 1 what a random configuration comes to (the median
/// over the box).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The lowest expected loss: the known minimum, else the lowest that was met.
    pub best: f64,
    /// Median of the expected loss over the box.
    pub typical: f64,
}

impl Scale {
    /// The scale of a landscape, from `points` random configurations and the replays on it. None if the
    /// landscape is flat.
    pub fn of<'a>(
        landscape: &Landscape,
        points: u64,
        seed: u64,
        replays: impl IntoIterator<Item = &'a Replay>,
    ) -> Option<Self> {
        let seed = derived_seed(seed, Purpose::Probe, 0);
        let truth = |index| {
            let mut draws = stream(seed, Purpose::Configuration, index);
            (landscape.truth)(&landscape.space.draw(&mut draws))
        };
        let mut truths: Vec<f64> = (0..points).map(truth).filter(|t| t.is_finite()).collect();
        truths.sort_by(f64::total_cmp);
        if truths.is_empty() {
            return None;
        }
        let typical = quantile(&truths, 0.5);
        let met = replays.into_iter().flat_map(|replay| replay.truths.iter().copied());
        let met = met.chain([truths[0]]).fold(f64::INFINITY, f64::min);
        let best = landscape.minimum.unwrap_or(met);
        (typical > best).then_some(Self { best, typical })
    }

    /// The regret of a loss.
    pub fn regret(&self, loss: f64) -> f64 {
        (loss - self.best) / (self.typical - self.best)
    }
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Mean regret over the budget: the normalised area under its curve.
    pub area: f64,
    /// Regret at a quarter of the budget, a half, and all of it.
    pub regrets: [f64; 3],
    /// Evaluations until the regret was at most the target; none if it never was.
    pub to_target: Option<u64>,
}

/// Regret curves of an arm, one a replicate, over everyone's budget.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves(Vec<Vec<f64>>);

impl Curves {
    /// The curves of replays. An arm with a multiple of the budget is read at the same share of its own.
    pub fn of(replays: &[Replay], scale: &Scale, budget: u64) -> Self {
        let budget = budget as usize;
        let curve = |replay: &Replay| {
            let times = (replay.truths.len() / budget.max(1)).max(1);
            // A design that came to an end keeps what it has.
            let last = replay.truths.len().saturating_sub(1);
            let at = |step: usize| replay.truths.get((times * (step + 1) - 1).min(last));
            (0..budget)
                .map(|step| at(step).map_or(f64::NAN, |truth| scale.regret(*truth)))
                .collect()
        };
        Self(replays.iter().map(curve).collect())
    }

    /// Quartiles of the regret after each evaluation.
    pub fn quartiles(&self) -> Vec<[f64; 3]> {
        let steps = self.0.first().map_or(0, Vec::len);
        let at = |step: usize| {
            let mut regrets: Vec<f64> = self.0.iter().map(|curve| curve[step]).collect();
            regrets.sort_by(f64::total_cmp);
            [0.25, 0.5, 0.75].map(|share| quantile(&regrets, share))
        };
        (0..steps).map(at).collect()
    }

    /// Mean regret over the budget, one a replicate.
    pub fn areas(&self) -> Vec<f64> {
        self.0.iter().map(|curve| mean(curve)).collect()
    }

    /// What each search came to, by a `target` of regret.
    pub fn outcomes(&self, target: f64) -> Vec<Outcome> {
        let outcome = |curve: &Vec<f64>| {
            let at = |share: f64| curve[((curve.len() as f64 * share).ceil() as usize).max(1) - 1];
            let reached = curve.iter().position(|regret| *regret <= target);
            Outcome {
                area: mean(curve),
                regrets: [0.25, 0.5, 1.0].map(at),
                to_target: reached.map(|step| step as u64 + 1),
            }
        };
        self.0.iter().map(outcome).collect()
    }
}

/// The mean rank of each arm over the replicates, 1 for the smallest value, ties sharing theirs, with
/// the ends of a 95 % bootstrap interval over replicates. `values` has an entry for each arm.
pub fn mean_ranks(values: &[Vec<f64>], seed: u64) -> Vec<[f64; 3]> {
    const RESAMPLES: usize = 1_000;
    let replicates = values.iter().map(Vec::len).min().unwrap_or(0);
    if replicates == 0 {
        return Vec::new();
    }
    let ranks: Vec<Vec<f64>> = (0..replicates)
        .map(|replicate| {
            let rank = |value: f64| {
                let others = values.iter().map(|arm| arm[replicate]);
                let (below, equal) = others.fold((0, 0), |(below, equal), other| {
                    (below + usize::from(other < value), equal + usize::from(other == value))
                });
                below as f64 + (equal as f64 + 1.0) / 2.0
            };
            values.iter().map(|arm| rank(arm[replicate])).collect()
        })
        .collect();
    let mut draws = stream(seed, Purpose::Bootstrap, 7);
    let resampled: Vec<Vec<f64>> = (0..RESAMPLES)
        .map(|_| {
            let mut sums = vec![0.0; values.len()];
            for _ in 0..replicates {
                let drawn = &ranks[draws.random_range(0..replicates)];
                sums.iter_mut().zip(drawn).for_each(|(sum, rank)| *sum += rank);
            }
            sums.into_iter().map(|sum| sum / replicates as f64).collect()
        })
        .collect();
    (0..values.len())
        .map(|arm| {
            let all: Vec<f64> = ranks.iter().map(|ranks| ranks[arm]).collect();
            let mut means: Vec<f64> = resampled.iter().map(|means| means[arm]).collect();
            means.sort_by(f64::total_cmp);
            [mean(&all), quantile(&means, 0.025), quantile(&means, 0.975)]
        })
        .collect()
}
