//! Bayesian optimisation with a Gaussian process.
//!
//! - Model: Matérn-5/2 covariance with a length scale for every hyperparameter, over positions in
//!   [0, 1] (logarithms and rounding are the distribution's, see [`Distribution::position`]);
//!   categorical ones by whether they differ. Scales and noise maximise likelihood times prior,
//!   always from the same start, so an answer depends on nothing but the question.
//! - Proposal: log expected improvement below the lowest posterior mean among the observations,
//!   at rounded points (Garrido-Merchán and Hernández-Lobato 2020); running trials are believed
//!   to give the mean there.
//! - Hyperparameters that do not exist are put at 0.5, categorical ones at a level of their own.
//! - Pruned trials count with their last loss, diverged and failed ones with the worst known;
//!   losses far above the median are compressed.
//! - Trials are random until [`START_UP`] have a loss. Past [`MOST`] finished trials the model is
//!   given the best ones and some of the others.
//!
//! Crates weighed: `optimizer` 1.0.1 fits no length scales, ignores categorical hyperparameters and
//! keeps a running generator; `egobox-ego` and `friedrich` bring their own linear algebra stacks.
//!
//! [`Distribution::position`]: crate::search::space::Distribution::position

mod acquisition;
mod descent;
mod features;
mod fit;
mod kernel;
mod losses;
mod regression;

pub use self::regression::Regression;

use self::acquisition::Acquisition;
use self::features::Features;
use self::kernel::Posterior;
use super::{Question, Sampler, SamplerError, SamplerOptions, random};
use crate::search::space::{Configuration, Space};
use crate::search::trial::TrialState;

/// Trials with a loss that are awaited before the first model.
const START_UP: usize = 10;

/// Observations around which candidates are drawn.
const INCUMBENTS: usize = 5;

/// Most finished trials that the model is given: its cost grows with the third power.
const MOST: usize = 300;

struct GaussianProcess {
    start_up: usize,
}

/// Builds the sampler; it can search every space.
pub(super) fn build(options: &SamplerOptions, _: &Space) -> Result<Box<dyn Sampler>, SamplerError> {
    let start_up = options.startup_trials.map_or(START_UP, |trials| trials.max(1) as usize);
    Ok(Box::new(GaussianProcess { start_up }))
}

/// The trials of a question as points.
struct Data {
    /// Finished trials.
    points: Vec<Vec<f64>>,
    losses: Vec<Option<f64>>,
    running: Vec<Vec<f64>>,
}

impl Data {
    fn new(question: &Question, features: &Features) -> Self {
        let mut data = Self { points: Vec::new(), losses: Vec::new(), running: Vec::new() };
        for trial in question.history {
            let Some(point) = features.encode(&trial.configuration) else { continue };
            if trial.state == TrialState::Running {
                data.running.push(point);
            } else {
                data.points.push(point);
                data.losses.push(trial.loss.filter(|loss| loss.is_finite()));
            }
        }
        data
    }

    /// Leaves at most [`MOST`] finished trials: the better half of them the best of all, the others
    /// at equal intervals among the rest.
    fn thin(&mut self) {
        let n = self.points.len();
        if n <= MOST {
            return;
        }
        let mut order: Vec<usize> = (0..n).collect();
        let loss = |index: usize| self.losses[index].unwrap_or(f64::INFINITY);
        order.sort_by(|a, b| loss(*a).total_cmp(&loss(*b)));
        let mut rest = order.split_off(MOST / 2);
        rest.sort_unstable();
        let wanted = MOST - order.len();
        order.extend((0..wanted).map(|k| rest[k * rest.len() / wanted]));
        order.sort_unstable();
        self.points = order.iter().map(|&index| self.points[index].clone()).collect();
        self.losses = order.iter().map(|&index| self.losses[index]).collect();
    }
}

impl Sampler for GaussianProcess {
    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let features = Features::new(question.space);
        let mut data = Data::new(question, &features);
        let known = data.losses.iter().flatten().count();
        if known < self.start_up || features.len() == 0 {
            return Some(random::configuration(question));
        }
        let taken = [data.points.as_slice(), &data.running].concat();
        data.thin();
        let values = losses::standardise(&data.losses);
        let kernel = fit::fit(&data.points, features.ordered(), &values);
        let Some(posterior) = Posterior::new(kernel, &data.points, &values, &data.running) else {
            return Some(random::configuration(question));
        };
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let incumbents: Vec<Vec<f64>> =
            order.iter().take(INCUMBENTS).map(|&index| data.points[index].clone()).collect();
        let means = data.points.iter().map(|point| posterior.at(point).0);
        let best = means.fold(f64::INFINITY, f64::min);
        let acquisition = Acquisition { features: &features, posterior: &posterior, best };
        let mut generator = question.draws("gp", "candidates");
        Some(features.decode(&acquisition.maximize(&incumbents, &taken, &mut generator)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::{Choice, Distribution, Parameter};
    use crate::search::trial::Observation;

    fn space() -> Space {
        let choices = ["x", "y", "z"].map(|word| Choice::Text(word.into())).to_vec();
        let parameter = |name: &str, distribution| Parameter {
            name: name.into(),
            distribution,
            conditions: Vec::new(),
            default: None,
        };
        Space {
            parameters: vec![
                parameter(
                    "lr",
                    Distribution::Float { low: 1e-5, high: 1.0, log: true, step: None },
                ),
                parameter("choice", Distribution::Categorical { choices }),
                parameter("level", Distribution::Int { low: 1, high: 9, log: false, step: 1 }),
            ],
            ..Space::default()
        }
    }

    fn loss(configuration: &Configuration) -> f64 {
        let value = |name| configuration.get(name).unwrap_or(0.0);
        let rate = value("lr").log10() + 2.5;
        rate * rate
            + if value("choice") == 1.0 { 0.0 } else { 0.7 }
            + 0.2 * (value("level") - 6.0).abs()
    }

    fn study(
        trials: u64,
        seed: u64,
        loss: impl Fn(u64, &Configuration) -> f64,
    ) -> Vec<Observation> {
        let space = space();
        let mut sampler = GaussianProcess { start_up: START_UP };
        let mut history = Vec::new();
        for number in 0..trials {
            let question = Question { space: &space, seed, number, history: &history };
            let configuration = sampler.ask(&question).expect("never ends");
            let (state, loss) = (TrialState::Complete, Some(loss(number, &configuration)));
            history.push(Observation { number, state, configuration, loss, last_step: 0 });
        }
        history
    }

    #[test]
    fn finds_the_best_rate_choice_and_level() {
        for seed in 0..3 {
            let history = study(40, seed, |_, x| loss(x));
            let best = history.iter().map(|trial| loss(&trial.configuration));
            assert!(best.fold(f64::INFINITY, f64::min) < 1e-4, "seed {seed}");
        }
    }

    #[test]
    fn huge_losses_do_not_hide_the_rest() {
        for seed in 0..4 {
            let wild = |_, x: &Configuration| match x.get("lr") {
                Some(rate) if rate > 0.03 => 1e30,
                _ => loss(x),
            };
            let history = study(40, seed, wild);
            let best = history.iter().filter_map(|trial| trial.loss);
            let best = best.fold(f64::INFINITY, f64::min);
            assert!(best < 0.05, "seed {seed}: {best}");
        }
    }

    #[test]
    fn a_long_history_is_thinned_to_the_best_and_some_others() {
        let n = 3 * MOST;
        let mut data = Data {
            points: (0..n).map(|i| vec![i as f64]).collect(),
            losses: (0..n).map(|i| (i % 7 != 0).then_some(((i * 37) % n) as f64)).collect(),
            running: Vec::new(),
        };
        let all = data.losses.clone();
        data.thin();
        assert_eq!((data.points.len(), data.losses.len()), (MOST, MOST));
        assert!(data.points.is_sorted());
        for (point, loss) in data.points.iter().zip(&data.losses) {
            assert_eq!(all[point[0] as usize], *loss);
        }
        let mut best: Vec<f64> = all.iter().copied().flatten().collect();
        best.sort_by(f64::total_cmp);
        assert!(best[..MOST / 2].iter().all(|best| data.losses.contains(&Some(*best))));
        assert!(data.losses.contains(&None));
    }
}
