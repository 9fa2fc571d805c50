//! A surrogate: what recorded trials say of configurations that nobody trained.

use super::Landscape;
use crate::analysis::statistics::mean;
use crate::search::sampler::Regression;
use crate::search::space::{Configuration, Space};
use crate::search::{Observation, TrialState};

/// A regression of recorded losses, with the noise of runs and the probability that they diverge.
///
/// The mean is a Gaussian process over all hyperparameters. The noise comes from points that were
/// recorded several times: their variances, weighted by how near their mean loss is, since runs that
/// learn nothing have no noise; without such points it is the process's own. Divergence is a process
/// over 0 and 1. It is judged by predicting each trial from the others.
pub struct Surrogate {
    space: Space,
    regression: Regression,
    divergence: Option<Regression>,
    share_diverged: f64,
    /// Mean, variance and degrees of freedom of each repeated point.
    repeated: Vec<(f64, f64, f64)>,
    bandwidth: f64,
    /// Loss of each complete trial that was recorded once, as observed, as predicted, and the standard
    /// deviation of that prediction, noise included.
    pub calibration: Vec<[f64; 3]>,
    /// Share of the variance that trials predict of one another, at points recorded once: R².
    pub r_squared: f64,
    /// The most that R² could be: 1 less the noise's share of the variance.
    pub ceiling: f64,
    /// Share of these trials within the central 50 % of their prediction.
    pub coverage_50: f64,
    /// Within the central 90 %.
    pub coverage_90: f64,
    /// Standard deviation of the noise, pooled.
    pub noise: f64,
    /// How many points were recorded several times.
    pub repeated_points: usize,
    /// Complete trials.
    pub complete: usize,
    /// Diverged trials.
    pub diverged: usize,
}

/// Why there is no surrogate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SurrogateError {
    /// Too few trials.
    #[error(
        "{complete} complete trials are too few for a surrogate: record {} or more",
        Surrogate::FEWEST
    )]
    TooFew {
        /// Complete trials.
        complete: usize,
    },
    /// Nothing to predict.
    #[error("the recorded losses are all alike, or a trial does not fit the space: no surrogate")]
    Unfit,
}

impl Surrogate {
    /// Fewest complete trials.
    pub const FEWEST: usize = 30;

    /// Fits recorded trials; failed ones are left out.
    ///
    /// # Errors
    /// When there are too few complete ones, or nothing varies.
    pub fn fit(space: &Space, trials: &[Observation]) -> Result<Self, SurrogateError> {
        let is_complete = |trial: &&Observation| trial.state == TrialState::Complete;
        let known: Vec<(Configuration, f64)> = trials
            .iter()
            .filter(is_complete)
            .filter_map(|trial| Some((trial.configuration.clone(), trial.loss?)))
            .collect();
        if known.len() < Self::FEWEST {
            return Err(SurrogateError::TooFew { complete: known.len() });
        }
        let regression = Regression::fit(space, &known).ok_or(SurrogateError::Unfit)?;
        let diverged = trials.iter().filter(|t| t.state == TrialState::Diverged).count();
        let fates: Vec<(Configuration, f64)> = trials
            .iter()
            .filter(|t| matches!(t.state, TrialState::Complete | TrialState::Diverged))
            .map(|t| (t.configuration.clone(), f64::from(t.state == TrialState::Diverged)))
            .collect();
        let divergence = if diverged > 0 { Regression::fit(space, &fates) } else { None };

        let mut groups: Vec<(&Configuration, Vec<f64>)> = Vec::new();
        let mut group_of = Vec::new();
        for (at, loss) in &known {
            let place = groups.iter().position(|(known, _)| *known == at);
            let place = place.unwrap_or_else(|| {
                groups.push((at, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(*loss);
            group_of.push(place);
        }
        let repeated: Vec<_> = groups
            .iter()
            .filter(|(_, losses)| losses.len() > 1)
            .map(|(_, losses)| {
                let (centre, freedom) = (mean(losses), losses.len() as f64 - 1.0);
                let squares: f64 = losses.iter().map(|loss| (loss - centre).powi(2)).sum();
                (centre, squares / freedom, freedom)
            })
            .collect();
        let losses: Vec<f64> = known.iter().map(|(_, loss)| *loss).collect();
        let variance = variance(&losses);
        let freedom: f64 = repeated.iter().map(|(_, _, freedom)| freedom).sum();
        let pooled: f64 = repeated.iter().map(|(_, variance, freedom)| variance * freedom).sum();
        let noise = if freedom > 0.0 { (pooled / freedom).sqrt() } else { regression.noise() };

        // A repeated point is no test: its twins know it.
        let once = (0..known.len()).filter(|&trial| groups[group_of[trial]].1.len() == 1);
        let calibration: Vec<[f64; 3]> = once
            .map(|trial| {
                let (mean, sd) = regression.left_out()[trial];
                [known[trial].1, mean, sd]
            })
            .collect();
        let within = |quantile: f64| {
            let inside =
                calibration.iter().filter(|[seen, mean, sd]| (seen - mean).abs() <= quantile * sd);
            inside.count() as f64 / calibration.len().max(1) as f64
        };
        let errors: f64 = calibration.iter().map(|[seen, mean, _]| (seen - mean).powi(2)).sum();
        let seen: Vec<f64> = calibration.iter().map(|[seen, ..]| *seen).collect();
        let r_squared = 1.0 - errors / (self::variance(&seen) * seen.len() as f64);
        Ok(Self {
            space: space.clone(),
            divergence,
            share_diverged: diverged as f64 / fates.len().max(1) as f64,
            bandwidth: 0.25 * variance.sqrt(),
            r_squared: if r_squared.is_finite() { r_squared } else { 0.0 },
            ceiling: (1.0 - noise * noise / variance).clamp(0.0, 1.0),
            coverage_50: within(0.674_489_750_196_082),
            coverage_90: within(1.644_853_626_951_472),
            noise,
            repeated_points: repeated.len(),
            complete: known.len(),
            diverged,
            regression,
            repeated,
            calibration,
        })
    }

    /// The expected loss of a configuration; the mean of all where it does not fit the space.
    pub fn truth(&self, at: &Configuration) -> f64 {
        self.regression.mean(at).unwrap_or_else(|| self.regression.overall())
    }

    /// Standard deviation of what a run shows around an expected loss.
    pub fn noise_at(&self, truth: f64) -> f64 {
        let weight = |centre: f64| (-0.5 * ((centre - truth) / self.bandwidth).powi(2)).exp();
        // The pooled variance has the weight of one point: far from all of them it is what is left.
        let start = (self.noise * self.noise, 1.0);
        let (sum, weights) =
            self.repeated.iter().fold(start, |(sum, weights), (centre, variance, freedom)| {
                let weight = weight(*centre) * freedom;
                (sum + weight * variance, weights + weight)
            });
        (sum / weights).sqrt()
    }

    /// Probability that a run diverges.
    pub fn divergence(&self, at: &Configuration) -> f64 {
        let share = if self.diverged > 0 { self.share_diverged } else { 0.0 };
        let modelled = self.divergence.as_ref().and_then(|model| model.mean(at));
        modelled.unwrap_or(share).clamp(0.0, 1.0)
    }

    /// The landscape that searches are replayed on.
    pub fn landscape(&self) -> Landscape<'_> {
        Landscape {
            space: self.space.clone(),
            truth: Box::new(|at| self.truth(at)),
            noise: Box::new(|truth| self.noise_at(truth)),
            divergence: Box::new(|at| self.divergence(at)),
            minimum: None,
        }
    }
}

/// Mean squared distance from the mean.
fn variance(values: &[f64]) -> f64 {
    let centre = mean(values);
    values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / values.len().max(1) as f64
}
