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
//! - The first [`START_UP`] trials with a loss are random.
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

use rand::RngExt;

use self::acquisition::Acquisition;
use self::features::Features;
use self::kernel::Posterior;
use super::{Question, Sampler};
use crate::random::{Purpose, derived_seed, stream};
use crate::search::space::Configuration;
use crate::search::trial::TrialState;

/// Trials with a loss that are awaited before the first model.
const START_UP: usize = 10;

/// Observations around which candidates are drawn.
const INCUMBENTS: usize = 5;

/// The sampler; it holds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct GaussianProcess;

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
}

impl Sampler for GaussianProcess {
    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let seed = derived_seed(question.seed, Purpose::Sampler, question.number);
        let features = Features::new(question.space);
        let data = Data::new(question, &features);
        let known = data.losses.iter().flatten().count();
        let model = (known >= START_UP && features.len() > 0).then(|| model(&data, &features));
        let Some((posterior, values)) = model.flatten() else {
            let mut generator = stream(seed, Purpose::Sampler, 0);
            return Some(
                question
                    .space
                    .configure(|parameter, _| parameter.distribution.at(generator.random::<f64>())),
            );
        };
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let incumbents: Vec<Vec<f64>> =
            order.iter().take(INCUMBENTS).map(|&index| data.points[index].clone()).collect();
        let means = data.points.iter().map(|point| posterior.at(point).0);
        let best = means.fold(f64::INFINITY, f64::min);
        let taken = [data.points, data.running].concat();
        let acquisition = Acquisition { features: &features, posterior: &posterior, best };
        let mut generator = stream(seed, Purpose::Sampler, 1);
        Some(features.decode(&acquisition.maximize(&incumbents, &taken, &mut generator)))
    }
}

/// The fitted process and the standardised losses.
fn model(data: &Data, features: &Features) -> Option<(Posterior, Vec<f64>)> {
    let values = losses::standardise(&data.losses);
    let kernel = fit::fit(&data.points, features.ordered(), &values);
    let posterior = Posterior::new(kernel, &data.points, &values, &data.running)?;
    Some((posterior, values))
}
