//! Estimates with their intervals, and tests: pure functions of numbers, checked against SciPy.

mod bootstrap;
mod equivalence;
mod holm;
mod levels;
mod power;
mod proportion;
mod student;
mod wilcoxon;

pub use bootstrap::{bootstrap_t, studentized_interval};
pub use equivalence::equivalence_p;
pub use holm::holm;
pub use levels::Levels;
pub use power::{needed, power};
pub use proportion::{Proportion, probability_of_improvement, wilson};
pub use student::{Estimate, t_quantile};
pub use wilcoxon::wilcoxon_p;

/// The two ends of an interval. An infinite end says that the data cannot bound the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The whole line: nothing is known.
    pub const UNKNOWN: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// The smallest interval that holds both.
    pub fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The interval moved by `by`.
    pub fn shifted(self, by: f64) -> Self {
        Self { low: self.low + by, high: self.high + by }
    }
}

/// Arithmetic mean of at least one value.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation with n − 1; 0 for a single value.
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    (squares(values) / (values.len() - 1) as f64).sqrt()
}

/// Sum of squared distances from the mean.
fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Quantile by linear interpolation between order statistics (NumPy's default).
pub fn quantile(sorted: &[f64], at: f64) -> f64 {
    let position = at.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    let (low, high) = (sorted[below], sorted[above]);
    // Also where both are infinite, whose difference is no number.
    if low == high { low } else { low + (position - below as f64) * (high - low) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&values), 5.0);
        // numpy.std(values, ddof=1)
        assert!((standard_deviation(&values) - 2.138089935299395).abs() < 1e-12);
        // numpy.quantile(values, .3)
        assert!((quantile(&values, 0.3) - 4.0).abs() < 1e-12);
        assert!((quantile(&values, 0.9) - 7.6).abs() < 1e-12);
        assert_eq!(quantile(&[0.0, f64::INFINITY, f64::INFINITY], 0.9), f64::INFINITY);
    }
}
