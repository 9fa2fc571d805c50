//! Means, deviations and bootstrap intervals.

use rand::RngExt;

use crate::random::{Purpose, stream};

/// An estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
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
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Sorted means of `resamples` bootstrap resamples of `values` (Efron & Tibshirani 1993, ch. 6).
///
/// For a paired comparison the values are the differences within pairs.
pub fn bootstrap_means(values: &[f64], resamples: usize, seed: u64) -> Vec<f64> {
    let mut random = stream(seed, Purpose::Bootstrap, 0);
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| {
            let draw = |_| values[random.random_range(0..values.len())];
            (0..values.len()).map(draw).sum::<f64>() / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    means
}

/// The central `level` (such as .95) of sorted bootstrap means: the percentile interval.
pub fn percentile_interval(sorted: &[f64], level: f64) -> Interval {
    let tail = (1.0 - level) / 2.0;
    Interval { low: quantile(sorted, tail), high: quantile(sorted, 1.0 - tail) }
}

/// Quantile by linear interpolation between order statistics (NumPy's default).
pub fn quantile(sorted: &[f64], at: f64) -> f64 {
    let position = at.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
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
    }

    #[test]
    fn intervals_cover_the_mean_about_as_often_as_they_say() {
        use rand::RngExt;
        let covered = (0..400)
            .filter(|round| {
                let mut random = stream(*round, Purpose::Probe, 0);
                let values: Vec<f64> = (0..30).map(|_| random.random_range(-1.0..1.0)).collect();
                let means = bootstrap_means(&values, 500, *round);
                let Interval { low, high } = percentile_interval(&means, 0.95);
                (low..=high).contains(&0.0)
            })
            .count();
        // .95 nominal; the percentile interval is a little short at n = 30. ±3 standard errors.
        assert!((360..=392).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values = [0.1, 0.4, -0.2, 0.3];
        assert_eq!(bootstrap_means(&values, 100, 1), bootstrap_means(&values, 100, 1));
    }
}
