//! What figures take from `verdict.json`: differences between arms with their intervals.

use serde::Deserialize;

/// The parts of `verdict.json` that a figure shows; each may be missing.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Verdict {
    /// Test accuracy, free minus global, as a fraction.
    pub difference: Option<f64>,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
    /// Number of pairs.
    pub n: Option<u64>,
    /// `better`, `worse`, `equivalent` or `inconclusive`.
    pub verdict: Option<String>,
    /// Confidence of the interval, such as 0.95.
    pub confidence: Option<f64>,
    /// The arm that the others are compared with.
    pub baseline: Option<String>,
    /// Least difference of interest, a fraction, fixed before the experiment.
    pub smallest_effect: Option<f64>,
    /// Each other arm against the baseline.
    pub comparisons: Option<Vec<Comparison>>,
}

/// One arm against the baseline; accuracies are fractions.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Comparison {
    /// The arm.
    pub arm: String,
    /// What it is compared with.
    pub baseline: Option<String>,
    /// Mean test accuracy of the arm minus that of the baseline.
    pub difference: Option<f64>,
    /// Lower end of the interval over what `unit` names.
    pub low: Option<f64>,
    /// Upper end of that interval.
    pub high: Option<f64>,
    /// What was resampled for the interval: `search` or `pair`.
    pub unit: Option<String>,
    /// Number of pairs.
    pub n: Option<u64>,
    /// Number of independent searches of the arm.
    pub searches: Option<u64>,
    /// Lower end of the interval over pairs, which takes the searches' winners as given.
    pub pairs_low: Option<f64>,
    /// Upper end of the interval over pairs.
    pub pairs_high: Option<f64>,
    /// p-value after Holm's correction over the arms.
    pub holm_p: Option<f64>,
    /// `better`, `worse`, `equivalent` or `inconclusive`.
    pub verdict: Option<String>,
}

impl Verdict {
    /// The comparison of `arm` with the baseline.
    pub fn comparison(&self, arm: &str) -> Option<&Comparison> {
        self.comparisons.iter().flatten().find(|c| c.arm == arm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_verdicts_are_read() {
        let old: Verdict = serde_json::from_str(
            r#"{"arms":[{"arm":"free"}],"comparison":"free minus global","difference":0.1,"n":3}"#,
        )
        .unwrap();
        assert_eq!((old.difference, old.n), (Some(0.1), Some(3)));
        assert!(old.comparison("free").is_none());
        let new: Verdict = serde_json::from_str(
            r#"{"baseline":"global","comparisons":[{"arm":"free","low":null,"difference":0.2}]}"#,
        )
        .unwrap();
        assert_eq!(new.comparison("free").unwrap().difference, Some(0.2));
    }
}
