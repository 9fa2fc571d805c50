//! Free rates: log η_l = log η + δ_l with Σ_l δ_l = 0, so η is the geometric mean over layers and
//! the δ are pure ratios.
//!
//! The L offsets with their constraint are given by L−1 Helmert contrasts, an orthonormal basis
//! of the offsets that sum to zero. A draw of contrasts from a cube then treats all layers alike:
//! none of them takes up what the others leave, as a "last" layer would.

use super::contrasts::coefficient;
use super::{Coefficient, LayerRates, RatesError, Scheme, from_values, rate_coefficient};
use crate::net::Layer;

pub(super) struct Free;

/// Offsets δ of `depth` layers from `depth − 1` contrasts.
fn offsets(contrasts: &[f64], depth: usize) -> Vec<f64> {
    let mut offsets = vec![0.0; depth];
    for (k, contrast) in contrasts.iter().enumerate() {
        let size = (k + 1) as f64;
        let norm = (size * (size + 1.0)).sqrt();
        for offset in &mut offsets[..=k] {
            *offset += contrast / norm;
        }
        offsets[k + 1] -= contrast * size / norm;
    }
    offsets
}

/// The inverse of [`offsets`]: scalar products with the orthonormal basis.
fn contrasts(offsets: &[f64]) -> Vec<f64> {
    (0..offsets.len() - 1)
        .map(|k| {
            let size = (k + 1) as f64;
            let norm = (size * (size + 1.0)).sqrt();
            let before: f64 = offsets[..=k].iter().sum();
            (before - size * offsets[k + 1]) / norm
        })
        .collect()
}

impl Scheme for Free {
    fn name(&self) -> &'static str {
        "free"
    }

    fn coefficients(&self, layers: &[Layer]) -> Vec<Coefficient> {
        let contrast = |index| coefficient(format!("contrast{index}"));
        std::iter::once(rate_coefficient()).chain((1..layers.len()).map(contrast)).collect()
    }

    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError> {
        let rate = values[0];
        let offsets = offsets(&values[1..], layers.len());
        from_values(rate, layers, offsets.iter().map(|offset| rate * offset.exp()))
    }

    fn guess(&self, _: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        let mean = rates.geometric_mean();
        let offsets: Vec<_> = rates.iter().map(|(_, rate)| (rate / mean).ln()).collect();
        Some(std::iter::once(mean).chain(contrasts(&offsets)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_sum_to_zero_and_keep_lengths() {
        let contrasts_in = [0.7, -1.1, 0.4, 2.0];
        let offsets = offsets(&contrasts_in, 5);
        assert!(offsets.iter().sum::<f64>().abs() < 1e-12);
        let square = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
        assert!((square(&offsets) - square(&contrasts_in)).abs() < 1e-12);
    }
}
