//! Intervals of probes: bootstrap percentiles, Student's t, and Wilson's for shares.

use rand::{Rng, RngExt};

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1_000;
/// Resamples beyond either end of a 95 % interval.
const TAIL: usize = RESAMPLES / 40;
/// 97.5 % quantile of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;
/// 97.5 % quantiles of Student's t with 1, 2, … degrees of freedom.
const STUDENT: [f64; 9] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

/// Ends of a 95 % interval; none where it has no end, or where nothing can be said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Interval {
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Draws of units with replacement, the same for all statistics of them.
#[derive(Debug)]
pub(super) struct Resamples(Vec<Vec<usize>>);

impl Resamples {
    /// Resamples of `count` units; of one unit there are none.
    pub fn draw(count: usize, random: &mut impl Rng) -> Self {
        let mut one = || (0..count).map(|_| random.random_range(0..count)).collect();
        Self(if count < 2 { Vec::new() } else { (0..RESAMPLES).map(|_| one()).collect() })
    }

    /// `statistic` of the units of each resample.
    pub fn map<T>(&self, statistic: impl Fn(&[usize]) -> T) -> Vec<T> {
        self.0.iter().map(|units| statistic(units)).collect()
    }
}

/// Percentile interval of a statistic's values over [`Resamples`], which is somewhat too short where
/// these are of few units. A value that is none counts as larger than all others.
pub(super) fn percentiles(values: impl IntoIterator<Item = Option<f64>>) -> Interval {
    let unbounded = |value: Option<f64>| value.filter(|v| !v.is_nan()).unwrap_or(f64::INFINITY);
    let mut values: Vec<f64> = values.into_iter().map(unbounded).collect();
    values.sort_by(f64::total_cmp);
    let finite = |value: &f64| value.is_finite().then_some(*value);
    let high = values.len().checked_sub(TAIL + 1).and_then(|at| values.get(at));
    Interval { low: values.get(TAIL).and_then(finite), high: high.and_then(finite) }
}

/// Mean of `samples` and its interval by Student's t (for at most ten samples).
pub(super) fn mean(samples: &[f64]) -> (f64, Interval) {
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    let Some(quantile) = samples.len().checked_sub(2).and_then(|index| STUDENT.get(index)) else {
        return (mean, Interval::default());
    };
    let squares: f64 = samples.iter().map(|value| (value - mean) * (value - mean)).sum();
    let half = quantile * (squares / (count - 1.0) / count).sqrt();
    let finite = |value: f64| value.is_finite().then_some(value);
    (mean, Interval { low: finite(mean - half), high: finite(mean + half) })
}

/// Wilson's score interval of a share measured on `count` images (Wilson 1927).
pub(super) fn share(share: f64, count: usize) -> Interval {
    if count == 0 || !share.is_finite() {
        return Interval::default();
    }
    let count = count as f64;
    let squared = NORMAL * NORMAL;
    let centre = (share + squared / (2.0 * count)) / (1.0 + squared / count);
    let variance = share * (1.0 - share) / count + squared / (4.0 * count * count);
    let half = NORMAL * variance.sqrt() / (1.0 + squared / count);
    Interval { low: Some(centre - half), high: Some(centre + half) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn known_intervals() {
        // statsmodels, proportion_confint(50, 100, method="wilson"): .4038, .5962.
        let Interval { low, high } = share(0.5, 100);
        assert!((low.unwrap() - 0.403_831_5).abs() < 1e-6, "{low:?}");
        assert!((high.unwrap() - 0.596_168_5).abs() < 1e-6, "{high:?}");
        // 1, 2, 3: mean 2, standard error 1/√3, t 4.303.
        let (value, Interval { low, high }) = mean(&[1.0, 2.0, 3.0]);
        assert_eq!(value, 2.0);
        assert!((high.unwrap() - 2.0 - 4.303 / 3f64.sqrt()).abs() < 1e-12);
        assert!((low.unwrap() + high.unwrap() - 4.0).abs() < 1e-12);
        assert_eq!(mean(&[1.0]), (1.0, Interval::default()));
    }

    #[test]
    fn a_bootstrap_covers_the_mean_and_knows_no_bound_where_there_is_none() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        let resamples = Resamples::draw(10, &mut stream(1, Purpose::Probe, 0));
        let average = |units: &[usize]| units.iter().map(|&unit| values[unit]).sum::<f64>() / 10.0;
        let means = resamples.map(average);
        let Interval { low, high } = percentiles(means.iter().copied().map(Some));
        // 4.5 ± 1.96 · 2.87/√10.
        assert!((low.unwrap() - 2.7).abs() < 0.3 && (high.unwrap() - 6.3).abs() < 0.3);
        let open = percentiles(means.into_iter().map(|mean| Some(mean).filter(|mean| *mean < 5.5)));
        assert!(open.low.is_some() && open.high.is_none(), "{open:?}");
        let one = Resamples::draw(1, &mut stream(1, Purpose::Probe, 0));
        assert_eq!(percentiles(one.map(|_| Some(1.0))), Interval::default());
    }
}
