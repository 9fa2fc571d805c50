//! The signed-rank test of Wilcoxon (1945).

use statrs::distribution::{ContinuousCDF, Normal};

/// Most values for an exact p.
const EXACT: usize = 50;
/// Most values for an exact p where some are tied or zero.
const EXACT_TIED: usize = 13;
/// Differences of shares that are equal as decimals differ in their last bits; they are tied.
const GRAIN: f64 = 1e-12;

/// Two-sided p of "the differences are symmetric around 0"; 1 if all are 0 or there are none.
///
/// As SciPy 1.17's `wilcoxon(method="auto")`: zeros are dropped; exact for up to 50 differences
/// without ties and zeros, and for up to 13 (zeros counted) with them, given their mid-ranks; else
/// the normal approximation, corrected for ties and not for continuity. Differences are compared at
/// a grain of 10⁻¹².
pub fn wilcoxon_p(differences: &[f64]) -> f64 {
    let ranks = signed_ranks(differences);
    if ranks.is_empty() {
        return 1.0;
    }
    let mut sizes: Vec<u64> = ranks.iter().map(|(rank, _)| *rank).collect();
    let positive: u64 = ranks.iter().filter(|(_, above)| *above).map(|(rank, _)| rank).sum();
    sizes.dedup();
    let plain = sizes.len() == differences.len();
    if differences.len() <= if plain { EXACT } else { EXACT_TIED } {
        exact(&ranks, positive)
    } else {
        approximate(&ranks, positive)
    }
}

/// Twice the mid-rank of each value that is not 0, and whether the value is positive; by rank.
fn signed_ranks(differences: &[f64]) -> Vec<(u64, bool)> {
    let mut values: Vec<f64> = differences.iter().map(|d| (d / GRAIN).round()).collect();
    values.retain(|value| *value != 0.0);
    values.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let mut before = 0;
    let mut ranks = Vec::with_capacity(values.len());
    for tied in values.chunk_by(|a, b| a.abs() == b.abs()) {
        // Ranks before + 1 … before + length: twice their mean.
        let rank = (2 * before + tied.len() + 1) as u64;
        ranks.extend(tied.iter().map(|value| (rank, *value > 0.0)));
        before += tied.len();
    }
    ranks
}

/// Over all signs, by counting the ways to each sum.
fn exact(ranks: &[(u64, bool)], positive: u64) -> f64 {
    let total: u64 = ranks.iter().map(|(rank, _)| rank).sum();
    let mut shares = vec![0.0; total as usize + 1];
    shares[0] = 1.0;
    let mut reached = 0;
    for (rank, _) in ranks {
        let rank = *rank as usize;
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = (shares[sum] + with) / 2.0;
        }
    }
    // Symmetric: the smaller tail is that of the smaller sum.
    let smaller = positive.min(total - positive) as usize;
    (2.0 * shares[..=smaller].iter().sum::<f64>()).min(1.0)
}

fn approximate(ranks: &[(u64, bool)], positive: u64) -> f64 {
    let n = ranks.len() as f64;
    let ties: f64 = ranks
        .chunk_by(|a, b| a.0 == b.0)
        .map(|tied| tied.len() as f64)
        .map(|tied| tied.powi(3) - tied)
        .sum();
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0;
    let z = (positive as f64 / 2.0 - n * (n + 1.0) / 4.0) / variance.sqrt();
    (2.0 * Normal::standard().sf(z.abs())).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_small_cases() {
        assert_eq!(wilcoxon_p(&[0.1, 0.2, 0.3, 0.4, 0.5]), 0.0625);
        assert_eq!(wilcoxon_p(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), 0.03125);
        assert_eq!(wilcoxon_p(&[-1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 0.0625);
        assert_eq!(wilcoxon_p(&[0.02; 6]), 0.03125);
        assert_eq!((wilcoxon_p(&[]), wilcoxon_p(&[0.0, 0.0])), (1.0, 1.0));
    }

    #[test]
    fn shares_that_are_equal_as_decimals_are_tied() {
        let (a, b) = (0.6532 - 0.6512, 0.6265 - 0.6245);
        assert_ne!(a, b);
        assert_eq!(wilcoxon_p(&[a, -b, 0.01]), wilcoxon_p(&[0.002, -0.002, 0.01]));
    }

    /// The slow reference: all signs, one by one.
    #[test]
    fn counting_ways_agrees_with_trying_all_signs() {
        for values in [
            vec![0.3, -0.1, 0.7, 0.2, 0.9, -0.4],
            vec![1.0, 1.0, -1.0, 2.0, 2.0, 3.0, -3.0, 5.0],
            vec![0.0, 1.0, 2.0, 2.0, -3.0, 0.0, 4.0, 4.0, 4.0, -5.0, 6.0],
        ] {
            let ranks = signed_ranks(&values);
            let total: u64 = ranks.iter().map(|(rank, _)| rank).sum();
            let observed: u64 = ranks.iter().filter(|rank| rank.1).map(|rank| rank.0).sum();
            let smaller = observed.min(total - observed);
            let all = 1_u32 << ranks.len();
            let hits = (0..all)
                .filter(|signs| {
                    let chosen = (0..ranks.len()).filter(|i| signs >> i & 1 == 1);
                    chosen.map(|i| ranks[i].0).sum::<u64>() <= smaller
                })
                .count();
            let p = (2.0 * hits as f64 / f64::from(all)).min(1.0);
            assert!((wilcoxon_p(&values) - p).abs() < 1e-12, "{values:?}");
        }
    }
}
