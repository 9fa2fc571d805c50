//! Nested contrasts in order of priority: overall rate, slope over depth, curvature over depth,
//! linear against convolutional layers, the head against the rest, biases.
//!
//! Each contrast is made orthogonal to those before it, so that the first k can be searched without
//! the others and keep their meaning when more are added: which of them pay answers in what order
//! rates should be searched. A contrast that earlier ones already say is left out.

use super::contrasts::{coefficient, combine, dot, orthonormal};
use super::depth_contrast::positions;
use super::{
    Coefficient, LayerRates, RatesError, Scheme, bias_coefficient, from_values, rate_coefficient,
};
use crate::net::{Layer, LayerKind};

pub(super) struct NestedContrasts;

fn directions(layers: &[Layer]) -> Vec<(&'static str, Vec<f64>)> {
    let slope = positions(layers.len());
    let curvature = slope.iter().map(|t| t * t).collect();
    let indicator = |is: &dyn Fn(usize, &Layer) -> bool| {
        layers.iter().enumerate().map(|(i, layer)| f64::from(u8::from(is(i, layer)))).collect()
    };
    let linear = indicator(&|_, layer| matches!(layer.kind, LayerKind::Linear { .. }));
    let head = indicator(&|index, _| index + 1 == layers.len());
    orthonormal(vec![
        ("slope", slope),
        ("curvature", curvature),
        ("linear", linear),
        ("head", head),
    ])
}

impl Scheme for NestedContrasts {
    fn name(&self) -> &'static str {
        "nested-contrasts"
    }

    fn coefficients(&self, layers: &[Layer]) -> Vec<Coefficient> {
        let contrasts = directions(layers).into_iter().map(|(name, _)| coefficient(name.into()));
        std::iter::once(rate_coefficient()).chain(contrasts).chain([bias_coefficient()]).collect()
    }

    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError> {
        let directions = directions(layers);
        let parts =
            values[1..].iter().zip(&directions).map(|(value, (_, d))| (*value, d.as_slice()));
        let offsets = combine(layers.len(), parts);
        let rates = offsets.iter().map(|offset| values[0] * offset.exp());
        from_values(values[0], layers, rates)?.with_bias_factor(values[1 + directions.len()])
    }

    fn guess(&self, layers: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        let mean = rates.geometric_mean();
        let logs: Vec<_> = rates.iter().map(|(_, rate)| (rate / mean).ln()).collect();
        let contrasts = directions(layers).into_iter().map(|(_, direction)| dot(&logs, &direction));
        let bias = rates.bias_factor();
        Some(std::iter::once(mean).chain(contrasts).chain([bias]).collect())
    }
}
