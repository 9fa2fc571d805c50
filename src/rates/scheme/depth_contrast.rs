//! Depth contrasts: log η_l = log η + a·t_l + b·(t_l² − mean t²), t_l from −1 at the input to 1 at
//! the output. Slope and curvature of the rates over depth are separate questions; η is the
//! geometric mean.
//!
//! A net of two layers has no curvature, and one of a single layer no slope.

use super::contrasts::{coefficient, combine, dot};
use super::{Coefficient, LayerRates, RatesError, Scheme, from_values, rate_coefficient};
use crate::net::Layer;

pub(super) struct DepthContrast;

/// Positions of layers from −1 to 1.
pub(super) fn positions(layers: usize) -> Vec<f64> {
    let last = layers.saturating_sub(1).max(1) as f64;
    (0..layers).map(|l| if layers == 1 { 0.0 } else { 2.0 * l as f64 / last - 1.0 }).collect()
}

/// Slope and curvature, as far as the net is deep enough for them; they are orthogonal.
fn directions(layers: usize) -> Vec<(&'static str, Vec<f64>)> {
    let slope = positions(layers);
    let mean = dot(&slope, &slope) / layers as f64;
    let curvature = slope.iter().map(|t| t * t - mean).collect();
    let all = vec![("slope", slope), ("curvature", curvature)];
    all.into_iter().take(layers.saturating_sub(1)).collect()
}

impl Scheme for DepthContrast {
    fn name(&self) -> &'static str {
        "depth-contrast"
    }

    fn coefficients(&self, layers: &[Layer]) -> Vec<Coefficient> {
        let contrasts =
            directions(layers.len()).into_iter().map(|(name, _)| coefficient(name.into()));
        std::iter::once(rate_coefficient()).chain(contrasts).collect()
    }

    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError> {
        let directions = directions(layers.len());
        let parts =
            values[1..].iter().zip(&directions).map(|(value, (_, d))| (*value, d.as_slice()));
        let offsets = combine(layers.len(), parts);
        from_values(values[0], layers, offsets.iter().map(|offset| values[0] * offset.exp()))
    }

    fn guess(&self, layers: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        let mean = rates.geometric_mean();
        let logs: Vec<_> = rates.iter().map(|(_, rate)| (rate / mean).ln()).collect();
        let along = |(_, d): (_, Vec<f64>)| dot(&logs, &d) / dot(&d, &d);
        let contrasts = directions(layers.len()).into_iter().map(along);
        Some(std::iter::once(mean).chain(contrasts).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_and_curvature_are_what_the_formula_says() {
        let layers: Vec<_> = (0..3).map(|l| Layer::linear(&format!("fc{l}"), [4, 4])).collect();
        let rates = DepthContrast.rates(&layers, &[0.1, 0.5, 0.3]).unwrap();
        // t = −1, 0, 1; t² − 2/3 = 1/3, −2/3, 1/3.
        let wanted = [-0.5 + 0.1, -0.2, 0.5 + 0.1];
        for ((_, rate), log) in rates.iter().zip(wanted) {
            assert!((rate - 0.1 * f64::exp(log)).abs() < 1e-12);
        }
    }
}
