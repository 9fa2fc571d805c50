//! No difference that matters: two one-sided tests.

use super::Estimate;

/// p of "the true value lies outside ± `bound`": the larger of two one-sided t-tests (Schuirmann
/// 1987). At most .05 exactly when the 90 % interval lies within ± `bound`.
pub fn equivalence_p(estimate: &Estimate, bound: f64) -> f64 {
    estimate.p_above(-bound).max(estimate.p_below(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_90_percent_interval_says() {
        for (mean, error, freedom) in
            [(0.0, 0.1, 1), (0.1, 0.1, 4), (-0.2, 0.15, 9), (0.28, 0.01, 2), (0.31, 0.001, 50)]
        {
            let estimate = Estimate { mean, error, freedom };
            let interval = estimate.interval(0.90);
            let inside = -0.3 < interval.low && interval.high < 0.3;
            assert_eq!(equivalence_p(&estimate, 0.3) < 0.05, inside, "{estimate:?}");
        }
        let sure = Estimate { mean: 0.1, error: 0.0, freedom: 5 };
        assert_eq!((equivalence_p(&sure, 0.3), equivalence_p(&sure, 0.1)), (0.0, 1.0));
        assert_eq!(equivalence_p(&Estimate::of(&[0.0]), 0.3), 1.0);
    }
}
