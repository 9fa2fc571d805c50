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
