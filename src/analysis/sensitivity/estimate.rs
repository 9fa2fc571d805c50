//! Estimates with intervals from independent blocks: means, and ratios of means.
//!
//! An estimate that is smooth in block means has a pseudo-value for each block (Tukey's jackknife): n
//! times the estimate less n − 1 times that without the block. The estimate is about their mean, for
//! which the bootstrap-t of [`statistics`](crate::analysis::statistics) holds; blocks are resampled
//! whole, so all that belongs to one base sample stays together. Percentile intervals are too short
//! for the skewed squares that total indices average.

use super::Options;
use crate::analysis::statistics::{Interval, mean, studentized_interval};
use crate::random::{Purpose, derived_seed};

/// A value and where the true one is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimated {
    pub(super) value: f64,
    pub(super) interval: Interval,
}

impl Estimated {
    /// The same where the true value cannot be negative.
    pub(super) fn at_least_zero(mut self) -> Self {
        self.interval.low = self.interval.low.max(0.0);
        self
    }
}

/// Interval of the mean of independent values; `statistic` numbers the resamples.
pub(super) fn mean_of(values: &[f64], options: &Options, statistic: usize) -> Estimated {
    let seed = derived_seed(options.seed, Purpose::Bootstrap, statistic as u64);
    let values = [values.to_vec()];
    let interval = studentized_interval(&values, options.confidence, options.resamples, seed);
    let value = mean(&values[0]);
    // Where all values are alike, rounding of their mean is no reason to miss it.
    let leeway = 1e-12 * value.abs();
    Estimated {
        value,
        interval: Interval { low: interval.low - leeway, high: interval.high + leeway },
    }
}

/// The interval about the mean of pseudo-values, which may be beside an estimate without spread.
fn holding(interval: Interval, value: f64) -> Interval {
    interval.hull(Interval { low: value, high: value })
}

/// Mean of the numerators over mean of the denominators, which must not be 0.
pub(super) fn ratio_of(
    numerators: &[f64],
    denominators: &[f64],
    options: &Options,
    statistic: usize,
) -> Estimated {
    let whole: f64 = denominators.iter().sum();
    let value = numerators.iter().sum::<f64>() / whole;
    let others = (denominators.len() - 1) as f64;
    let pairs = numerators.iter().zip(denominators).map(|(numerator, denominator)| {
        // Noise that is taken out may leave a block with all there is; then it is not left out.
        let rest = if whole > *denominator { whole - denominator } else { whole };
        value + others * (numerator - value * denominator) / rest
    });
    let pseudo: Vec<f64> = pairs.collect();
    Estimated { value, interval: holding(mean_of(&pseudo, options, statistic).interval, value) }
}

/// Mean and variance (by n) of at least one value; the variance is exactly 0 where all values are
/// alike up to rounding.
pub(super) fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (count, sum, size) = values.clone().fold((0_u64, 0.0, 0.0_f64), |(n, sum, size), value| {
        (n + 1, sum + value, size.max(value.abs()))
    });
    let middle = sum / count as f64;
    let variance = values.map(|value| (value - middle).powi(2)).sum::<f64>() / count as f64;
    (middle, if variance <= (1e-12 * size).powi(2) { 0.0 } else { variance })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;
    use rand::RngExt;

    #[test]
    fn ratios_by_hand() {
        let options = Options::default();
        let ratio = ratio_of(&[1.0, 3.0], &[2.0, 2.0], &options, 0);
        assert_eq!(ratio.value, 1.0);
        // Student's t with one degree of freedom: 12.7062 · √(.5 / 2).
        assert!((ratio.interval.high - 1.0 - 12.706204736 * 0.5).abs() < 1e-6, "{ratio:?}");
        assert_eq!(mean_of(&[1.0], &options, 0).interval, Interval::UNKNOWN);
        assert_eq!(spread([0.1; 7].into_iter()).1, 0.0);
        assert_eq!(spread([1.0, 3.0].into_iter()), (2.0, 1.0));
    }

    /// A ratio whose numerator and denominator are skewed and go together.
    #[test]
    fn ratios_are_covered_as_often_as_said() {
        let options = Options { resamples: 400, ..Options::default() };
        let covered = (0..400)
            .filter(|&round| {
                let mut random = stream(round, Purpose::Probe, 1);
                let (mut above, mut below) = (Vec::new(), Vec::new());
                for _ in 0..60 {
                    let (x, y): (f64, f64) = (random.random(), random.random());
                    above.push(x.powi(4));
                    below.push(x.powi(4) + y.powi(2));
                }
                let Interval { low, high } = ratio_of(&above, &below, &options, 0).interval;
                (low..=high).contains(&0.375)
            })
            .count();
        assert!((367..=396).contains(&covered), "{covered} of 400");
    }
}
