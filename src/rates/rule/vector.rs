//! Sums over a layer's vector, in f64 and in a fixed order.

/// Sums run in so many lanes, which is what lets them run at the speed of memory.
const LANES: usize = 8;

/// Sums some terms of corresponding values.
pub(crate) fn sums<const K: usize, T: Copy + Into<f64>>(
    a: &[T],
    b: &[T],
    terms: impl Fn(f64, f64) -> [f64; K],
) -> [f64; K] {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [[0.0; LANES]; K];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let terms = terms(a[lane].into(), b[lane].into());
            for k in 0..K {
                lanes[k][lane] += terms[k];
            }
        }
    }
    let mut rest = [0.0; K];
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        let terms = terms(a.into(), b.into());
        for k in 0..K {
            rest[k] += terms[k];
        }
    }
    std::array::from_fn(|k| lanes[k].iter().sum::<f64>() + rest[k])
}

fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let [sum] = sums(a, b, |a, b| [term(a, b)]);
    sum
}

/// A number that is finite as it is, and NaN in the place of one that is not: an infinite norm in a
/// denominator would otherwise give a rate of 0, which looks like one that was meant.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::NAN }
}

/// aᵀb; NaN unless both are finite.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    finite(sum(a, b, |a, b| a * b))
}

/// ‖a‖²; NaN unless it is finite. (Squares of f32 do not overflow an f64.)
pub(super) fn norm_squared(a: &[f32]) -> f64 {
    dot(a, a)
}

/// ‖a‖; NaN unless it is finite.
pub(super) fn norm(a: &[f32]) -> f64 {
    norm_squared(a).sqrt()
}

/// ‖a − b‖; NaN unless it is finite.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f64 {
    finite(sum(a, b, |a, b| (a - b).powi(2))).sqrt()
}

/// ‖a + scale · b‖²; NaN unless it is finite.
pub(super) fn sum_norm_squared(a: &[f32], scale: f64, b: &[f32]) -> f64 {
    finite(sum(a, b, |a, b| (a + scale * b).powi(2)))
}

/// Whether `vectors` are as long as `sizes`, one after the other.
pub(super) fn fit<'a>(vectors: &[Vec<f32>], sizes: impl IntoIterator<Item = &'a usize>) -> bool {
    vectors.iter().map(Vec::len).eq(sizes.into_iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_plain_loops_at_every_length() {
        for length in 0..40_u8 {
            let a: Vec<f32> = (0..length).map(|i| f32::from(i) - 7.0).collect();
            let b: Vec<f32> = (0..length).map(|i| 2.0 * f32::from(i) + 1.0).collect();
            let pairs = || a.iter().zip(&b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
            assert_eq!(dot(&a, &b), pairs().map(|(a, b)| a * b).sum::<f64>());
            assert_eq!(norm(&a), pairs().map(|(a, _)| a * a).sum::<f64>().sqrt());
            assert_eq!(distance(&a, &b), pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt());
            assert_eq!(
                sum_norm_squared(&a, 0.5, &b),
                pairs().map(|(a, b)| (a + 0.5 * b).powi(2)).sum::<f64>()
            );
        }
    }

    #[test]
    fn what_is_not_finite_is_nan() {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let a = [1.0, odd, 2.0];
            assert!(norm(&a).is_nan() && dot(&a, &[0.0; 3]).is_nan());
            assert!(distance(&a, &a).is_nan() && sum_norm_squared(&[0.0; 3], 1.0, &a).is_nan());
        }
        assert!(norm(&[f32::MAX; 9]).is_finite() && norm(&[1e-45; 9]) > 0.0);
    }
}
