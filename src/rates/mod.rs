//! Learning rates per layer: which rate each layer gets.
//!
//! A [`Scheme`] turns a few coefficients into [`LayerRates`]; it is searched from outside. A
//! [`rule::Rule`] changes rates during training. Rates
//! are always set, never emulated by scaling gradients: under momentum, coupled decay and Adam the
//! two differ.

mod error;
mod replay;
pub mod rule;
mod scheme;

pub use error::RatesError;
pub use replay::{RateLog, Replay};
pub use rule::{RULES, Rule, RuleKind, rule};
pub use scheme::{Coefficient, SCHEMES, Scale, Scheme, scheme};

use crate::net::Layer;

/// The learning rate of every layer: positive and finite, or 0 where a layer is frozen.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRates {
    base: f64,
    rates: Vec<(String, f64)>,
    bias_factor: f64,
}

impl LayerRates {
    /// The rates of `layers` in their order; `base` is the overall rate that weight decay with
    /// fixed product refers to.
    ///
    /// # Errors
    /// When a rate is not positive and finite, or a layer is named twice.
    pub fn new(base: f64, rates: Vec<(String, f64)>) -> Result<Self, RatesError> {
        check("the base rate", base)?;
        for (index, (layer, rate)) in rates.iter().enumerate() {
            check(&format!("layer {layer}"), *rate)?;
            if rates[..index].iter().any(|(other, _)| other == layer) {
                return Err(RatesError::Repeated { layer: layer.clone() });
            }
        }
        Ok(Self { base, rates, bias_factor: 1.0 })
    }

    /// One rate for all layers.
    ///
    /// # Errors
    /// When it is not positive and finite.
    pub fn uniform(rate: f64, layers: &[Layer]) -> Result<Self, RatesError> {
        Self::new(rate, layers.iter().map(|layer| (layer.name.clone(), rate)).collect())
    }

    /// Replaces the rates of the layers named in `overrides`.
    ///
    /// # Errors
    /// When a layer is unknown (the message lists the known ones) or a rate is not valid.
    pub fn with_overrides(mut self, overrides: &[(String, f64)]) -> Result<Self, RatesError> {
        for (layer, rate) in overrides {
            check(&format!("layer {layer}"), *rate)?;
            self.slot(layer)?.1 = *rate;
        }
        Ok(self)
    }

    /// Multiplies the rates of the layers named in `factors`.
    ///
    /// # Errors
    /// When a layer is unknown (the message lists the known ones) or a rate is not valid.
    pub fn with_factors(mut self, factors: &[(String, f64)]) -> Result<Self, RatesError> {
        for (layer, factor) in factors {
            let rate = self.slot(layer)?.1 * factor;
            check(&format!("layer {layer}"), rate)?;
            self.slot(layer)?.1 = rate;
        }
        Ok(self)
    }

    fn slot(&mut self, layer: &str) -> Result<&mut (String, f64), RatesError> {
        let position = self.rates.iter().position(|(known, _)| known == layer);
        match position {
            Some(position) => Ok(&mut self.rates[position]),
            None => {
                let known = self.rates.iter().map(|(layer, _)| layer.clone()).collect();
                Err(RatesError::UnknownLayer { layer: layer.to_owned(), known })
            }
        }
    }

    /// Biases, and shifts of batch norms, learn at `factor` times the rate of their layer.
    ///
    /// # Errors
    /// When it is not positive and finite.
    pub fn with_bias_factor(mut self, factor: f64) -> Result<Self, RatesError> {
        check("the factor of biases", factor)?;
        self.bias_factor = factor;
        Ok(self)
    }

    /// The layers named keep the weights they have: their rate is 0.
    ///
    /// # Errors
    /// When a layer is unknown (the message lists the known ones) or no layer would learn.
    pub fn with_frozen(mut self, layers: &[String]) -> Result<Self, RatesError> {
        for layer in layers {
            self.slot(layer)?.1 = 0.0;
        }
        if self.rates.iter().all(|(_, rate)| *rate == 0.0) {
            return Err(RatesError::AllFrozen);
        }
        Ok(self)
    }

    /// Moves all rates by one factor, so that their geometric mean is `mean`.
    ///
    /// # Errors
    /// When a rate leaves the positive finite numbers.
    pub fn with_geometric_mean(self, mean: f64) -> Result<Self, RatesError> {
        let factor = mean / self.geometric_mean();
        let rates = self.rates.into_iter().map(|(layer, rate)| (layer, rate * factor)).collect();
        Self::new(mean, rates)?.with_bias_factor(self.bias_factor)
    }

    /// What multiplies the rate of a layer for its bias.
    pub fn bias_factor(&self) -> f64 {
        self.bias_factor
    }

    /// The overall rate that the layer rates were made from.
    pub fn base(&self) -> f64 {
        self.base
    }

    /// Layer and rate, from input to output.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.rates.iter().map(|(layer, rate)| (layer.as_str(), *rate))
    }

    /// Geometric mean of the rates over layers that learn.
    pub fn geometric_mean(&self) -> f64 {
        let learning: Vec<_> = self.iter().map(|(_, rate)| rate).filter(|r| *r > 0.0).collect();
        let logs: f64 = learning.iter().map(|rate| rate.ln()).sum();
        (logs / learning.len() as f64).exp()
    }

    /// For each parameter name `LAYER.weight` or `LAYER.bias`, the position of its layer in
    /// [`Self::iter`].
    ///
    /// # Errors
    /// When a parameter belongs to no layer: every parameter belongs to exactly one.
    pub fn assign<'a>(
        &self,
        parameters: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<usize>, RatesError> {
        parameters
            .into_iter()
            .map(|parameter| {
                // Up to the last dot, whole: `conv1` does not own `conv10.weight`.
                let layer = parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer);
                self.rates.iter().position(|(known, _)| known == layer).ok_or_else(|| {
                    RatesError::Unassigned {
                        parameter: parameter.to_owned(),
                        known: self.rates.iter().map(|(layer, _)| layer.clone()).collect(),
                    }
                })
            })
            .collect()
    }
}

fn check(what: &str, rate: f64) -> Result<(), RatesError> {
    if rate.is_finite() && rate > 0.0 {
        Ok(())
    } else {
        Err(RatesError::Invalid { what: what.to_owned(), rate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NETS, NetOptions};

    fn layers() -> Vec<Layer> {
        crate::net::build("tutorial", &NetOptions::default()).unwrap().layers()
    }

    #[test]
    fn overrides_touch_the_named_layers_only() {
        let rates = LayerRates::uniform(0.01, &layers()).unwrap();
        let rates = rates.with_overrides(&[("fc3".into(), 0.5)]).unwrap();
        let values: Vec<_> = rates.iter().map(|(_, rate)| rate).collect();
        assert_eq!(values, [0.01, 0.01, 0.01, 0.01, 0.5]);
    }

    #[test]
    fn an_unknown_layer_lists_the_known_ones() {
        let rates = LayerRates::uniform(0.01, &layers()).unwrap();
        let error = rates.with_overrides(&[("conv3".into(), 0.5)]).unwrap_err().to_string();
        assert!(
            error.contains("conv3") && error.contains("conv1, conv2, fc1, fc2, fc3"),
            "{error}"
        );
    }

    #[test]
    fn rates_are_positive_and_finite() {
        for rate in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(LayerRates::uniform(rate, &layers()).is_err(), "{rate}");
            let valid = LayerRates::uniform(0.1, &layers()).unwrap();
            assert!(valid.with_overrides(&[("fc1".into(), rate)]).is_err(), "{rate}");
        }
    }

    #[test]
    fn frozen_layers_have_rate_0_and_one_must_learn() {
        let rates = LayerRates::uniform(0.1, &layers()).unwrap();
        let names: Vec<_> = layers().into_iter().map(|layer| layer.name).collect();
        let frozen = rates.clone().with_frozen(&names[..2]).unwrap();
        let values: Vec<_> = frozen.iter().map(|(_, rate)| rate).collect();
        assert_eq!(values, [0.0, 0.0, 0.1, 0.1, 0.1]);
        assert!((frozen.geometric_mean() - 0.1).abs() < 1e-15);
        assert!(rates.clone().with_frozen(&names).is_err());
        assert!(rates.with_frozen(&["conv9".into()]).is_err());
    }

    #[test]
    fn the_geometric_mean_can_be_set() {
        let rates = LayerRates::uniform(0.1, &layers()).unwrap();
        let rates = rates.with_overrides(&[("fc3".into(), 0.4)]).unwrap();
        let moved = rates.with_geometric_mean(0.02).unwrap();
        assert!((moved.geometric_mean() - 0.02).abs() < 1e-15);
        let values: Vec<_> = moved.iter().map(|(_, rate)| rate).collect();
        assert!((values[4] / values[0] - 4.0).abs() < 1e-12);
    }

    #[test]
    fn every_parameter_of_every_net_belongs_to_exactly_one_layer() {
        for (name, build) in NETS {
            let layers = build(&NetOptions::default()).unwrap().layers();
            let rates = LayerRates::uniform(0.1, &layers).unwrap();
            for (index, layer) in layers.iter().enumerate() {
                let parameters = layer.parameters();
                let owners = rates.assign(parameters.iter().map(|p| p.name.as_str())).unwrap();
                assert!(owners.iter().all(|owner| *owner == index), "{name} {}", layer.name);
            }
            assert!(rates.assign(["conv99.weight"]).is_err());
            let twice = layers.iter().chain(&layers[..1]).cloned().collect::<Vec<_>>();
            assert!(LayerRates::uniform(0.1, &twice).is_err());
        }
    }
}
