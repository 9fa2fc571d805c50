//! Shares of yes among yes and no.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Proportion {
    /// The share observed.
    pub share: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// `hits` of `n` ≥ 1 with the 95 % interval of Wilson (1927). `hits` may hold halves.
pub fn wilson(hits: f64, n: usize) -> Proportion {
    let (share, n) = (hits / n as f64, n as f64);
    let z = Normal::standard().inverse_cdf(0.975);
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + (z / (2.0 * n)).powi(2)).sqrt();
    let scale = 1.0 + z * z / n;
    // None and all are ends that rounding must not move.
    let low = if hits == 0.0 { 0.0 } else { (middle - half) / scale };
    let high = if share == 1.0 { 1.0 } else { (middle + half) / scale };
    Proportion { share, low, high }
}

/// Probability of improvement, P(treated > baseline) of winners that share a seed; ties count half.
/// At least one difference.
///
/// The interval is Wilson's and not a bootstrap's: six wins of six would give the bootstrap [1, 1].
/// Where winners of several searches differ it is a little too long, for the winners found.
pub fn probability_of_improvement(differences: &[f64]) -> Proportion {
    let wins = differences.iter().map(|difference| match difference {
        d if *d > 0.0 => 1.0,
        d if *d < 0.0 => 0.0,
        _ => 0.5,
    });
    wilson(wins.sum(), differences.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wins_and_ties_are_counted() {
        assert_eq!(probability_of_improvement(&[0.1, -0.1, 0.0, 0.2]).share, 0.625);
        let all = probability_of_improvement(&[0.1; 6]);
        assert_eq!((all.share, all.high), (1.0, 1.0));
        // scipy.stats.binomtest(6, 6).proportion_ci(method="wilson")
        assert!((all.low - 0.6096657).abs() < 1e-6, "{}", all.low);
        let none = wilson(0.0, 1000);
        assert_eq!((none.share, none.low), (0.0, 0.0));
        assert!((none.high - 0.0038268).abs() < 1e-6, "{}", none.high);
    }
}
