//! Type groups: one rate for the convolutions and factors on it for the hidden linear layers, the
//! head (the last linear layer), the batch norms, as far as the net has them, and for biases of all
//! layers (shifts of batch norms among them) on top of their layer's.
//!
//! What tuned CIFAR recipes use: airbench94 (Jordan 2024) gives batch-norm biases 64 times the
//! base rate.

use super::{
    Coefficient, LayerRates, RatesError, Scheme, bias_coefficient, factor_coefficient, from_values,
    rate_coefficient,
};
use crate::net::{Layer, LayerKind};

pub(super) struct TypeGroups;

/// What kind of layer the one at `index` is.
fn group(layers: &[Layer], index: usize) -> &'static str {
    let is_linear = |layer: &Layer| matches!(layer.kind, LayerKind::Linear { .. });
    match layers[index].kind {
        LayerKind::Conv { .. } => "conv",
        LayerKind::BatchNorm { .. } => "norm",
        LayerKind::Linear { .. } if layers[index + 1..].iter().any(is_linear) => "hidden",
        LayerKind::Linear { .. } => "head",
    }
}

/// The groups that the net has, in a fixed order; the first learns at the overall rate.
fn groups(layers: &[Layer]) -> Vec<&'static str> {
    let present: Vec<_> = (0..layers.len()).map(|index| group(layers, index)).collect();
    ["conv", "norm", "hidden", "head"].into_iter().filter(|name| present.contains(name)).collect()
}

impl Scheme for TypeGroups {
    fn name(&self) -> &'static str {
        "type-groups"
    }

    fn coefficients(&self, layers: &[Layer]) -> Vec<Coefficient> {
        let factors = groups(layers).into_iter().skip(1).map(factor_coefficient);
        std::iter::once(rate_coefficient()).chain(factors).chain([bias_coefficient()]).collect()
    }

    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError> {
        let groups = groups(layers);
        let rate = values[0];
        let factor = |index| match groups.iter().position(|known| *known == group(layers, index)) {
            None | Some(0) => 1.0,
            Some(position) => values[position],
        };
        from_values(rate, layers, (0..layers.len()).map(|index| rate * factor(index)))?
            .with_bias_factor(values[groups.len()])
    }

    fn guess(&self, layers: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        let values: Vec<_> = rates.iter().map(|(_, rate)| rate).collect();
        let first_of = |wanted: &str| {
            (0..layers.len()).find(|index| group(layers, *index) == wanted).map(|i| values[i])
        };
        let groups = groups(layers);
        let base = first_of(groups.first()?)?;
        let factors = groups[1..].iter().map(|name| Some(first_of(name)? / base));
        let bias = Some(rates.bias_factor());
        std::iter::once(Some(base)).chain(factors).chain([bias]).collect()
    }
}
