//! Is one arm better than another? A pre-declared rule on paired test accuracies.

use serde::Serialize;

use super::statistics::{bootstrap_means, mean, percentile_interval, standard_deviation};

/// Bootstrap resamples.
const RESAMPLES: usize = 10_000;
/// Fewest pairs for a claim: with 5, even five wins of five have probability 1/16 two-sided under
/// no difference, with 6 it is 1/32 < .05.
const FEWEST_PAIRS: usize = 6;
/// z of 95 % two-sided plus z of 80 % power.
const POWER_Z: f64 = 1.959_964 + 0.841_621;

/// What the numbers say about "treatment against baseline".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// The 95 % interval lies above 0.
    Better,
    /// The 95 % interval lies below 0.
    Worse,
    /// The 90 % interval lies within ± the smallest effect of interest (two one-sided tests at 5 %).
    Equivalent,
    /// None of these.
    Inconclusive,
}

/// A paired comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Mean difference, treatment minus baseline.
    pub difference: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Pairs.
    pub n: usize,
    /// Standard deviation of the differences.
    pub standard_deviation: f64,
    /// Smallest effect of interest, fixed in advance.
    pub smallest_effect: f64,
    /// The judgement.
    pub verdict: Judgement,
    /// Pairs that would show the smallest effect with 80 % power, by this deviation.
    pub n_needed: Option<usize>,
}

/// Compares paired values (`pairs` = baseline, treatment); none without pairs.
pub fn compare(pairs: &[(f64, f64)], smallest_effect: f64, seed: u64) -> Option<Comparison> {
    if pairs.is_empty() {
        return None;
    }
    let differences: Vec<f64> = pairs.iter().map(|(base, treated)| treated - base).collect();
    let means = bootstrap_means(&differences, RESAMPLES, seed);
    let interval = percentile_interval(&means, 0.95);
    let inner = percentile_interval(&means, 0.90);
    let enough = pairs.len() >= FEWEST_PAIRS;
    let verdict = if enough && inner.low > -smallest_effect && inner.high < smallest_effect {
        Judgement::Equivalent
    } else if enough && interval.low > 0.0 {
        Judgement::Better
    } else if enough && interval.high < 0.0 {
        Judgement::Worse
    } else {
        Judgement::Inconclusive
    };
    let deviation = standard_deviation(&differences);
    let needed = (POWER_Z * deviation / smallest_effect).powi(2).ceil();
    Some(Comparison {
        difference: mean(&differences),
        low: interval.low,
        high: interval.high,
        n: pairs.len(),
        standard_deviation: deviation,
        smallest_effect,
        verdict,
        n_needed: (pairs.len() > 1).then(|| (needed as usize).max(FEWEST_PAIRS)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(differences: &[f64]) -> Judgement {
        let pairs: Vec<_> = differences.iter().map(|d| (0.6, 0.6 + d)).collect();
        compare(&pairs, 0.003, 0).unwrap().verdict
    }

    #[test]
    fn verdicts_on_clear_cases() {
        assert_eq!(judge(&[0.02, 0.021, 0.019, 0.022, 0.02, 0.018]), Judgement::Better);
        assert_eq!(judge(&[-0.02, -0.021, -0.019, -0.022, -0.02, -0.018]), Judgement::Worse);
        assert_eq!(judge(&[0.0005, -0.0004, 0.0002, -0.0006, 0.0, 0.0003]), Judgement::Equivalent);
        assert_eq!(judge(&[0.03, -0.04, 0.02, -0.01, 0.01, 0.0]), Judgement::Inconclusive);
    }

    #[test]
    fn five_pairs_are_too_few_for_any_claim() {
        assert_eq!(judge(&[0.02; 5]), Judgement::Inconclusive);
        assert!(compare(&[], 0.003, 0).is_none());
    }

    #[test]
    fn the_needed_number_follows_the_deviation() {
        // sd .005, effect .005: (2.8016)² = 7.85 → 8 pairs.
        let pairs: Vec<_> =
            [0.005, -0.005].iter().cycle().take(50).map(|d| (0.0, d * 0.9899495)).collect();
        let comparison = compare(&pairs, 0.005, 0).unwrap();
        assert!((comparison.standard_deviation - 0.005).abs() < 1e-6);
        assert_eq!(comparison.n_needed, Some(8));
    }
}
