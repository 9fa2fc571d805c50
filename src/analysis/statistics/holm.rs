//! Several comparisons at once.

/// p-values adjusted by Holm (1979): the smallest times their number, the next times one fewer …,
/// never falling, at most 1. Rejecting those at most α keeps the probability of any false rejection
/// at α, however the comparisons hang together (they share a baseline).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest: f64 = 0.0;
    for (place, index) in order.into_iter().enumerate() {
        largest = largest.max((p[index] * (p.len() - place) as f64).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(holm(&[0.01, 0.5, 0.0125, 0.25]), [0.04, 0.5, 0.0375 + 0.0025, 0.5]);
        assert_eq!(holm(&[0.03]), [0.03]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
