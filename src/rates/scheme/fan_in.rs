//! A power of the fan-in: η · (fan_in_l / mean)^p, the mean over the layers of this net.
//!
//! Maximal-update parametrisation (Yang & Hu 2021) and Everett et al. (2024) predict p from the
//! optimiser; on one small net it cannot be told from depth. A net whose layers all have the same
//! fan-in has no power to choose.

use super::{Coefficient, LayerRates, RatesError, Scale, Scheme, from_values, rate_coefficient};
use crate::net::Layer;

pub(super) struct FanIn;

/// Whether layers differ in their fan-in.
fn differ(layers: &[Layer]) -> bool {
    layers.windows(2).any(|pair| pair[0].fan_in() != pair[1].fan_in())
}

/// Each layer's fan-in over the mean.
fn ratios(layers: &[Layer]) -> Vec<f64> {
    let fans: Vec<_> = layers.iter().map(|layer| layer.fan_in() as f64).collect();
    let mean = fans.iter().sum::<f64>() / fans.len() as f64;
    fans.into_iter().map(|fan| fan / mean).collect()
}

impl Scheme for FanIn {
    fn name(&self) -> &'static str {
        "fan-in"
    }

    fn coefficients(&self, layers: &[Layer]) -> Vec<Coefficient> {
        let power = Coefficient {
            name: "power".into(),
            low: -1.5,
            high: 1.5,
            scale: Scale::Linear,
            neutral: 0.0,
        };
        std::iter::once(rate_coefficient()).chain(differ(layers).then_some(power)).collect()
    }

    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError> {
        let (rate, power) = (values[0], values.get(1).copied().unwrap_or(0.0));
        from_values(rate, layers, ratios(layers).into_iter().map(|ratio| rate * ratio.powf(power)))
    }

    fn guess(&self, layers: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        // Least squares of log rate on log fan-in, which is exact where the rates are of this scheme.
        let x: Vec<_> = ratios(layers).into_iter().map(f64::ln).collect();
        let y: Vec<_> = rates.iter().map(|(_, rate)| rate.ln()).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (mean_x, mean_y) = (mean(&x), mean(&y));
        let square: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
        let product: f64 = x.iter().zip(&y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        if !differ(layers) {
            return Some(vec![mean_y.exp()]);
        }
        let power = product / square;
        Some(vec![(mean_y - power * mean_x).exp(), power])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_a_power_of_the_fan_in() {
        let layers = [Layer::linear("fc1", [100, 10]), Layer::linear("fc2", [300, 10])];
        let rates = FanIn.rates(&layers, &[0.1, -1.0]).unwrap();
        let values: Vec<_> = rates.iter().map(|(_, rate)| rate).collect();
        assert!((values[0] - 0.2).abs() < 1e-12 && (values[1] - 0.1 / 1.5).abs() < 1e-12);
    }
}
