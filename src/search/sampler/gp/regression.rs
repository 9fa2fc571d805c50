//! The process as a regression: what a loss is likely to be at a configuration, from others.

use super::features::Features;
use super::fit;
use super::kernel::Posterior;
use crate::search::space::{Configuration, Space};

/// A Gaussian process fitted to losses; Matérn-5/2, a length scale for each hyperparameter, and noise
/// of one variance, by the most probable values.
pub struct Regression {
    space: Space,
    posterior: Posterior,
    mean: f64,
    deviation: f64,
    left_out: Vec<(f64, f64)>,
}

impl Regression {
    /// Fits trials, given as configurations with finite losses. None where a configuration does not fit
    /// the space, losses are all alike, or the covariance cannot be factored.
    ///
    /// Its cost grows with the third power of their number: seconds for 500, a minute for 1,500.
    pub fn fit(space: &Space, trials: &[(Configuration, f64)]) -> Option<Self> {
        let features = Features::new(space);
        let points: Vec<_> =
            trials.iter().map(|(at, _)| features.encode(at)).collect::<Option<_>>()?;
        let n = trials.len() as f64;
        let mean = trials.iter().map(|(_, loss)| loss).sum::<f64>() / n;
        let variance = trials.iter().map(|(_, loss)| (loss - mean).powi(2)).sum::<f64>() / n;
        let deviation = variance.sqrt();
        if !(deviation.is_finite() && deviation > 0.0) {
            return None;
        }
        let values: Vec<_> = trials.iter().map(|(_, loss)| (loss - mean) / deviation).collect();
        let kernel = fit::fit(&points, features.ordered(), &values);
        let posterior = Posterior::new(kernel, &points, &values, &[])?;
        let left_out = posterior.leave_one_out(&values);
        let back = |(value, sd): (f64, f64)| (mean + deviation * value, deviation * sd);
        let left_out = left_out.into_iter().map(back).collect();
        Some(Self { space: space.clone(), posterior, mean, deviation, left_out })
    }

    /// The expected loss at a configuration, and the standard deviation of what is not known of it,
    /// noise left out. None where the configuration does not fit the space.
    pub fn predict(&self, at: &Configuration) -> Option<(f64, f64)> {
        let point = Features::new(&self.space).encode(at)?;
        let (value, variance) = self.posterior.at(&point);
        Some((self.mean + self.deviation * value, self.deviation * variance.sqrt()))
    }

    /// The expected loss alone: much faster.
    pub fn mean(&self, at: &Configuration) -> Option<f64> {
        let point = Features::new(&self.space).encode(at)?;
        Some(self.mean + self.deviation * self.posterior.mean_at(&point))
    }

    /// Mean and standard deviation, noise included, of each trial's loss as the others predict it, under
    /// the length scales of all (Rasmussen and Williams 2006, equations 5.10 to 5.12).
    pub fn left_out(&self) -> &[(f64, f64)] {
        &self.left_out
    }

    /// Standard deviation of the noise that was fitted.
    pub fn noise(&self) -> f64 {
        self.deviation * self.posterior.kernel().noise.sqrt()
    }

    /// Mean loss of all trials.
    pub fn overall(&self) -> f64 {
        self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Kernel;
    use super::*;
    use crate::search::space::{Distribution, Parameter};

    fn space() -> Space {
        let float = |name: &str| Parameter {
            name: name.into(),
            distribution: Distribution::Float { low: 0.0, high: 1.0, log: false, step: None },
            conditions: Vec::new(),
            default: None,
        };
        Space { parameters: vec![float("x"), float("y")], ..Space::default() }
    }

    fn trials(count: usize) -> Vec<(Configuration, f64)> {
        let at = |i: usize| {
            let (x, y) = ((i as f64 * 0.618) % 1.0, (i as f64 * 0.3247) % 1.0);
            (space().at(&[x, y]), 10.0 + 3.0 * (x - 0.4).powi(2) + 0.2 * y)
        };
        (0..count).map(at).collect()
    }

    #[test]
    fn a_smooth_function_is_found_again() {
        let known = trials(40);
        let regression = Regression::fit(&space(), &known).expect("fits");
        for (x, y) in [(0.1, 0.2), (0.5, 0.9), (0.77, 0.33)] {
            let truth = 10.0 + 3.0 * (x - 0.4_f64).powi(2) + 0.2 * y;
            let at = space().at(&[x, y]);
            let (mean, sd) = regression.predict(&at).expect("fits the space");
            assert!((mean - truth).abs() < 0.02, "{mean} {truth}");
            assert!((0.0..0.1).contains(&sd));
            assert!((regression.mean(&at).expect("fits") - mean).abs() < 1e-9);
        }
        assert!(regression.predict(&Configuration::default()).is_none());
        assert!(Regression::fit(&space(), &known[..1]).is_none(), "one value has no spread");
    }

    /// Against fits with the trial truly left out, under the same length scales.
    #[test]
    fn what_is_left_out_is_predicted_by_the_others() {
        let known = trials(20);
        let regression = Regression::fit(&space(), &known).expect("fits");
        let features_space = space();
        let features = Features::new(&features_space);
        let points: Vec<_> =
            known.iter().map(|(at, _)| features.encode(at).expect("fits")).collect();
        for out in [0, 7, 19] {
            let keep = |i: &usize| *i != out;
            let others: Vec<_> = (0..20).filter(keep).map(|i| points[i].clone()).collect();
            let values: Vec<_> = (0..20)
                .filter(keep)
                .map(|i| (known[i].1 - regression.mean) / regression.deviation)
                .collect();
            let kernel = regression.posterior.kernel();
            let noise = kernel.noise;
            let copy = Kernel {
                inverse_squares: kernel.inverse_squares.clone(),
                ordered: kernel.ordered,
                scale: kernel.scale,
                noise,
            };
            let posterior = Posterior::new(copy, &others, &values, &[]).expect("factors");
            let (mean, variance) = posterior.at(&points[out]);
            let (fast, sd) = regression.left_out()[out];
            let slow = regression.mean + regression.deviation * mean;
            assert!((fast - slow).abs() < 1e-6, "{fast} {slow}");
            let slow = regression.deviation * (variance + noise).sqrt();
            assert!((sd - slow).abs() < 1e-6, "{sd} {slow}");
        }
    }
}
