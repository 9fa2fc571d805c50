//! How certain a ranking is: ranks over resamples, and agreement of rankings.

use crate::analysis::statistics::{Interval, quantile};

/// Probability of each rank: parameters by ranks, over several rankings. Equal importances share
/// the ranks that they take up.
pub(super) fn rank_probabilities(rankings: &[Vec<f64>], count: usize) -> Vec<Vec<f64>> {
    let mut shares = vec![vec![0.0; count]; count];
    for importances in rankings {
        for (parameter, (first, last)) in spans(importances).into_iter().enumerate() {
            for share in &mut shares[parameter][first..last] {
                *share += 1.0 / (last - first) as f64;
            }
        }
    }
    // Divided last: counts are whole numbers but for ties, so a sure rank has just 1.
    for share in shares.iter_mut().flatten() {
        *share = (*share / rankings.len().max(1) as f64).min(1.0);
    }
    shares
}

/// First rank, and the one after the last, that each importance can claim.
fn spans(importances: &[f64]) -> Vec<(usize, usize)> {
    let span = |value: &f64| {
        let above = importances.iter().filter(|other| *other > value).count();
        let same = importances.iter().filter(|other| *other == value).count();
        (above, above + same)
    };
    importances.iter().map(span).collect()
}

/// Kendall's coefficient of concordance of several rankings, with its correction for ties: 1 where
/// all agree, about 1 / rankings where they are random (Kendall & Babington Smith 1939). 0 where it
/// has no value: fewer than two rankings or parameters, or nothing but ties.
pub(super) fn kendall_w(rankings: &[Vec<f64>]) -> f64 {
    let count = rankings.first().map_or(0, Vec::len);
    if rankings.len() < 2 || count < 2 {
        return 0.0;
    }
    let (mut sums, mut ties) = (vec![0.0; count], 0.0);
    for importances in rankings {
        for (sum, (first, last)) in sums.iter_mut().zip(spans(importances)) {
            *sum += (first + last + 1) as f64 / 2.0;
            // Σ t³ − t over groups of ties, as a sum over their members.
            ties += ((last - first) as f64).powi(2) - 1.0;
        }
    }
    let (m, n) = (rankings.len() as f64, count as f64);
    let mean = m * (n + 1.0) / 2.0;
    let squares: f64 = sums.iter().map(|sum| (sum - mean).powi(2)).sum();
    let most = m * m * (n * n * n - n) - m * ties;
    if most > 0.0 { (12.0 * squares / most).min(1.0) } else { 0.0 }
}

/// Kendall's τ-b of two rankings; 0 where one of them has nothing but ties.
pub(super) fn kendall_tau(first: &[f64], second: &[f64]) -> f64 {
    let (mut concordance, mut one, mut other) = (0.0, 0.0, 0.0);
    for i in 0..first.len() {
        for j in 0..i {
            let a = sign(first[i] - first[j]);
            let b = sign(second[i] - second[j]);
            concordance += a * b;
            one += a.abs();
            other += b.abs();
        }
    }
    let scale = f64::sqrt(one * other);
    if scale > 0.0 { concordance / scale } else { 0.0 }
}

fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

/// Percentile interval of resampled values, wide enough to hold the estimate: resamples have fewer
/// different trials, and forests of fewer trees, so both may lie to one side of it.
pub(super) fn interval(estimate: f64, mut resampled: Vec<f64>, confidence: f64) -> Interval {
    let point = Interval { low: estimate, high: estimate };
    if resampled.is_empty() {
        return point;
    }
    resampled.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let (low, high) = (quantile(&resampled, tail), quantile(&resampled, 1.0 - tail));
    point.hull(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concordance_by_hand() {
        let same = vec![vec![3.0, 2.0, 1.0]; 4];
        assert_eq!(kendall_w(&same), 1.0);
        let opposed = [vec![3.0, 2.0, 1.0], vec![1.0, 2.0, 3.0]];
        assert_eq!(kendall_w(&opposed), 0.0);
        // Ranks 1 2 3, 1 3 2, 2 1 3: sums 4 6 8, S = 8, W = 12 · 8 / (9 · 24).
        let mixed = [vec![3.0, 2.0, 1.0], vec![3.0, 1.0, 2.0], vec![2.0, 3.0, 1.0]];
        assert!((kendall_w(&mixed) - 96.0 / 216.0).abs() < 1e-15);
        // Ranks 1 2.5 2.5 twice: S = 13.5 · … by hand 12 · 6 / (4 · 24 − 2 · 6) with ties.
        let tied = vec![vec![3.0, 1.0, 1.0]; 2];
        assert!((kendall_w(&tied) - 1.0).abs() < 1e-15, "{}", kendall_w(&tied));
        assert_eq!(kendall_w(&[vec![0.0, 0.0], vec![0.0, 0.0]]), 0.0);
        assert_eq!(kendall_w(&[vec![1.0]]), 0.0);
    }

    #[test]
    fn tau_is_that_of_scipy() {
        // scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0])
        let tau = kendall_tau(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]);
        assert!((tau + 0.4714045207910316).abs() < 1e-12, "{tau}");
        assert_eq!(kendall_tau(&[1.0, 2.0], &[5.0, 9.0]), 1.0);
        assert_eq!(kendall_tau(&[1.0, 1.0], &[5.0, 9.0]), 0.0);
    }

    #[test]
    fn ties_share_their_ranks() {
        let shares = rank_probabilities(&[vec![0.5, 0.0, 0.0], vec![0.5, 0.6, 0.0]], 3);
        assert_eq!(shares[0], [0.5, 0.5, 0.0]);
        assert_eq!(shares[1], [0.5, 0.25, 0.25]);
        assert_eq!(shares[2], [0.0, 0.25, 0.75]);
    }

    #[test]
    fn intervals_hold_the_estimate() {
        let found = interval(0.9, vec![0.1, 0.2, 0.3], 0.95);
        assert!(found.high == 0.9 && (found.low - 0.105).abs() < 1e-12, "{found:?}");
        assert_eq!(interval(0.5, vec![], 0.95), Interval { low: 0.5, high: 0.5 });
    }
}
