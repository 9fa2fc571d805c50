//! Student's t: intervals and p-values of a mean with an estimated standard error.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Interval, mean, standard_deviation};

/// A mean with its standard error and the degrees of freedom behind the error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom; 0 = the error is not known.
    pub freedom: usize,
}

impl Estimate {
    /// The mean of independent values; n − 1 degrees of freedom.
    pub fn of(values: &[f64]) -> Self {
        let error = standard_deviation(values) / (values.len() as f64).sqrt();
        Self { mean: mean(values), error, freedom: values.len() - 1 }
    }

    /// The estimate moved by `by`.
    pub fn shifted(&self, by: f64) -> Self {
        Self { mean: self.mean + by, ..*self }
    }

    /// The central interval at `level` (such as .95).
    pub fn interval(&self, level: f64) -> Interval {
        if self.freedom == 0 {
            return Interval::UNKNOWN;
        }
        let half = t_quantile(0.5 + level / 2.0, self.freedom) * self.error;
        Interval { low: self.mean - half, high: self.mean + half }
    }

    /// p of "the true value is `null`" against "it is another" (two-sided).
    pub fn p(&self, null: f64) -> f64 {
        (2.0 * self.p_above(null).min(self.p_below(null))).min(1.0)
    }

    /// p of "the true value is at most `null`" against "it is above".
    pub fn p_above(&self, null: f64) -> f64 {
        self.tail(self.mean - null)
    }

    /// p of "the true value is at least `null`" against "it is below".
    pub fn p_below(&self, null: f64) -> f64 {
        self.tail(null - self.mean)
    }

    /// P(T ≥ excess / error). Without any spread every positive excess is certain.
    fn tail(&self, excess: f64) -> f64 {
        if self.freedom == 0 {
            return 1.0;
        }
        if self.error > 0.0 {
            return student(self.freedom).sf(excess / self.error);
        }
        if excess > 0.0 { 0.0 } else { 1.0 }
    }
}

/// The value that Student's t with `freedom` ≥ 1 degrees of freedom stays below with `probability`.
pub fn t_quantile(probability: f64, freedom: usize) -> f64 {
    student(freedom).inverse_cdf(probability)
}

fn student(freedom: usize) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom as f64).expect("degrees of freedom are positive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // scipy.stats.t.ppf
        for (probability, freedom, value) in [
            (0.975, 1, 12.706204736432095),
            (0.975, 2, 4.302652729696142),
            (0.975, 4, 2.7764451051977987),
            (0.95, 1, 6.313751514675043),
            (0.975, 9, 2.2621571627409915),
            (0.975, 270, 1.968789021834264),
        ] {
            let ours = t_quantile(probability, freedom);
            assert!((ours / value - 1.0).abs() < 1e-9, "{freedom}: {ours} {value}");
        }
    }

    #[test]
    fn without_spread_or_freedom_nothing_is_not_a_number() {
        let sure = Estimate { mean: 0.1, error: 0.0, freedom: 3 };
        assert_eq!((sure.p(0.0), sure.p(0.1)), (0.0, 1.0));
        assert_eq!(sure.interval(0.95), Interval { low: 0.1, high: 0.1 });
        let single = Estimate::of(&[0.1]);
        assert_eq!((single.p(0.0), single.interval(0.95)), (1.0, Interval::UNKNOWN));
    }
}
