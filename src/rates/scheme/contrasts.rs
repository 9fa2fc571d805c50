//! Contrasts of log rates: orthonormal directions across layers that sum to zero.

use super::{Coefficient, Scale};

/// Half the edge of the searched cube: one contrast alone may change a ratio by a factor of 8.
pub(super) const REACH: f64 = 2.0794415416798357; // ln 8

/// Directions whose remainder is shorter than this are combinations of earlier ones.
const FAINT: f64 = 1e-9;

/// A contrast as it is searched.
pub(super) fn coefficient(name: String) -> Coefficient {
    Coefficient { name, low: -REACH, high: REACH, scale: Scale::Linear, neutral: 0.0 }
}

/// Named columns made orthonormal in their order of priority (Gram & Schmidt), the intercept before
/// all; columns that earlier ones already say are left out.
pub(super) fn orthonormal<N>(columns: Vec<(N, Vec<f64>)>) -> Vec<(N, Vec<f64>)> {
    let mut basis: Vec<(N, Vec<f64>)> = Vec::new();
    for (name, column) in columns {
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        let mut rest: Vec<f64> = column.iter().map(|value| value - mean).collect();
        // Twice, which is as exact as can be (Giraud et al. 2005).
        for _ in 0..2 {
            for (_, known) in &basis {
                let along = dot(&rest, known);
                rest.iter_mut().zip(known).for_each(|(value, unit)| *value -= along * unit);
            }
        }
        let norm = dot(&rest, &rest).sqrt();
        if norm > FAINT {
            rest.iter_mut().for_each(|value| *value /= norm);
            basis.push((name, rest));
        }
    }
    basis
}

/// Log ratios of layers from one number a direction.
pub(super) fn combine<'c>(
    layers: usize,
    parts: impl IntoIterator<Item = (f64, &'c [f64])>,
) -> Vec<f64> {
    let mut offsets = vec![0.0; layers];
    for (amount, direction) in parts {
        offsets.iter_mut().zip(direction).for_each(|(offset, unit)| *offset += amount * unit);
    }
    offsets
}

/// Scalar product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_orthonormal_and_sum_to_zero() {
        let columns = vec![
            ("slope", vec![-1.0, 0.0, 1.0, 2.0]),
            ("bend", vec![1.0, 0.0, 1.0, 4.0]),
            ("again", vec![-2.0, 0.0, 2.0, 4.0]),
            ("head", vec![0.0, 0.0, 0.0, 1.0]),
        ];
        let basis = orthonormal(columns);
        assert_eq!(
            basis.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["slope", "bend", "head"]
        );
        for (i, (_, a)) in basis.iter().enumerate() {
            assert!(a.iter().sum::<f64>().abs() < 1e-12);
            for (j, (_, b)) in basis.iter().enumerate() {
                let wanted = f64::from(u8::from(i == j));
                assert!((dot(a, b) - wanted).abs() < 1e-12);
            }
        }
    }
}
