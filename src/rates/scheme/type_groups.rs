//! Type groups: one rate for the convolutions and factors on it for the hidden linear layers, the
//! head (the last linear layer) and the batch norms, as far as the net has them.
//!
//! What tuned CIFAR recipes use: airbench94 (Jordan 2024) gives batch-norm biases 64 times the
//! base rate.

use super::{
    Coefficient, LayerRates, RatesError, Scheme, factor_coefficient, from_values, rate_coefficient,
};
use crate::net::{Layer, LayerKind};

pub(super) struct TypeGroups;

/// The factor that applies to a layer; convolutions have none.
fn group(layers: &[Layer], index: usize) -> Option<&'static str> {
    let is_linear = |layer: &Layer| matches!(layer.kind, LayerKind::Linear { .. });
    match layers[index].kind {
        LayerKind::Conv { .. } => None,
        LayerKind::BatchNorm { .. } => Some("norm"),
        LayerKind::Linear { .. } if layers[index + 1..].iter().any(is_linear) => Some("hidden"),
        LayerKind::Linear { .. } => Some("head"),
    }
}

/// The groups that the net has, in a fixed order.
fn groups(layers: &[Layer]) -> Vec<&'static str> {
    let present: Vec<_> = (0..layers.len()).filter_map(|index| group(layers, index)).collect();
    ["norm", "hidden", "head"].into_iter().filter(|name| present.contains(name)).collect()
}

impl Scheme for TypeGroups {
    fn name(&self) -> &'static str {
        "type-groups"
    }

    fn coefficients(&self, layers: &[Layer]) -> Vec<Coefficient> {
        let factors = groups(layers).into_iter().map(factor_coefficient);
        std::iter::once(rate_coefficient()).chain(factors).collect()
    }

    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError> {
        let groups = groups(layers);
        let rate = values[0];
        let factor = |index| match group(layers, index) {
            None => 1.0,
            Some(name) => values[1 + groups.iter().position(|g| *g == name).unwrap_or(0)],
        };
        from_values(rate, layers, (0..layers.len()).map(|index| rate * factor(index)))
    }

    fn coefficients_of(&self, layers: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        let values: Vec<_> = rates.iter().map(|(_, rate)| rate).collect();
        let first_of = |wanted: Option<&str>| {
            (0..layers.len()).find(|index| group(layers, *index) == wanted).map(|i| values[i])
        };
        let base = first_of(None)?;
        let factors = groups(layers).into_iter().map(|name| Some(first_of(Some(name))? / base));
        let coefficients: Vec<_> =
            std::iter::once(Some(base)).chain(factors).collect::<Option<_>>()?;
        let same = self.rates(layers, &coefficients).ok()?;
        let close = same.iter().zip(&values).all(|((_, a), b)| (a / b - 1.0).abs() < 1e-9);
        close.then_some(coefficients)
    }
}
