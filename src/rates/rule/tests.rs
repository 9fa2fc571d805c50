//! What the unit tests of rules share, and the contract of every rule.

use super::*;

/// A step of a few layers, to be changed as a test needs it.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) step: u64,
    pub(super) total: u64,
    pub(super) per_epoch: u64,
    pub(super) factor: f64,
    pub(super) base: Vec<f64>,
    pub(super) decay: Vec<f64>,
    pub(super) weights: Vec<Vec<f32>>,
    pub(super) gradients: Vec<Vec<f32>>,
    pub(super) direction: Vec<Vec<f32>>,
    pub(super) curvature: Vec<Option<f64>>,
}

impl Example {
    /// Step 0 of one layer at base rate 1.
    pub(super) fn new(weights: &[f32], gradient: &[f32]) -> Self {
        Self::of(vec![weights.to_vec()], vec![gradient.to_vec()])
    }

    /// Step 0 of several layers at base rate 1.
    pub(super) fn of(weights: Vec<Vec<f32>>, gradients: Vec<Vec<f32>>) -> Self {
        let layers = weights.len();
        Self {
            step: 0,
            total: 100,
            per_epoch: 10,
            factor: 1.0,
            base: vec![1.0; layers],
            decay: vec![0.0; layers],
            direction: gradients.clone(),
            weights,
            gradients,
            curvature: vec![None; layers],
        }
    }

    pub(super) fn rates(&self, rule: &mut dyn Rule) -> Vec<f64> {
        let views: Vec<_> = (0..self.weights.len())
            .map(|layer| LayerView {
                weights: &self.weights[layer],
                gradient: &self.gradients[layer],
                direction: if rule.wants_direction() { &self.direction[layer] } else { &[] },
                curvature: self.curvature[layer],
            })
            .collect();
        rule.rates(&StepView {
            step: self.step,
            total: self.total,
            per_epoch: self.per_epoch,
            factor: self.factor,
            base: &self.base,
            decay: &self.decay,
            layers: if rule.looks_at(self.step) { &views } else { &[] },
        })
    }
}

/// So many layers of two parameters each, without bias or batch norm.
pub(super) fn flat(layers: usize) -> Vec<Layer> {
    (0..layers).map(|l| Layer::conv_without_bias(&format!("conv{l}"), [1, 2], 1, 1)).collect()
}
