//! Layca: each layer's weights turn by the same small angle in every step and keep their norm.
//!
//! Carbonnelle & De Vleeschouwer, "Layer rotation: a surprisingly simple indicator of
//! generalization in deep networks?" (arXiv 1806.01603), algorithm 1, and the authors'
//! `layca_optimizers.py`: of a step d the part along the weights w is taken away,
//! p = d − (dᵀw / ‖w‖²) w, the step made is −η ‖w‖ p / ‖p‖, and the weights are scaled back to the
//! norm that they had before it. Their usual rate is 3⁻³.
//!
//! - The rate that is set is η ‖w‖ / ‖p‖, so the optimiser's own step is as long as it should be;
//!   [`Rule::correct`] then takes away the part along w and restores the norm.
//! - As in the authors' experiments only weights learn. Biases are put back, and batch norms have
//!   rate 0: they stay as they were initialised.
//! - Weights that are all 0 have no direction to turn from: rate 0.
//! - A step whose part across the weights is below a millionth of the whole is none but rounding,
//!   as where only decay acts: rate 0. (The authors cut at ‖p‖ ≤ 1e-7, whatever ‖d‖ is.)

use super::{Coefficient, Layer, RatesError, Rule, RuleKind, RuleMemory, StepView, vector};
use crate::net::LayerKind;
use crate::rates::Scale;

/// ‖p‖ / ‖d‖ from which on a step counts.
const LEAST: f64 = 1e-6;

#[derive(Debug)]
pub(super) struct Layca;

#[derive(Debug)]
struct Running {
    /// Values of each layer that turn: its weight; none of a batch norm.
    turning: Vec<usize>,
}

impl RuleKind for Layca {
    fn name(&self) -> &'static str {
        "layca"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        vec![Coefficient {
            name: "rate".into(),
            low: 3f64.powi(-7),
            high: 3f64.powi(-1),
            scale: Scale::Log,
            neutral: 3f64.powi(-3),
        }]
    }

    fn start(&self, layers: &[Layer], _: &[f64]) -> Result<Box<dyn Rule>, RatesError> {
        let turning = layers.iter().map(|layer| match layer.kind {
            LayerKind::BatchNorm { .. } => 0,
            LayerKind::Conv { .. } | LayerKind::Linear { .. } => {
                layer.parameters().first().map_or(0, |weight| weight.shape.iter().product())
            }
        });
        Ok(Box::new(Running { turning: turning.collect() }))
    }
}

/// Length of the part of `step` across `weights`, which have this squared norm.
fn across(step: &[f32], weights: &[f32], norm_squared: f64) -> f64 {
    let along = vector::dot(step, weights) / norm_squared;
    vector::sum_norm_squared(step, -along, weights).sqrt()
}

impl Rule for Running {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        let layers = step.layers.iter().zip(&self.turning).zip(step.base);
        layers
            .map(|((layer, turning), base)| {
                let checked = vector::norm(layer.weights) + vector::norm(layer.direction);
                if checked.is_nan() {
                    return f64::NAN;
                }
                let (weights, direction) =
                    (&layer.weights[..*turning], &layer.direction[..*turning]);
                let squared = vector::norm_squared(weights);
                if squared == 0.0 {
                    return 0.0;
                }
                let across = across(direction, weights, squared);
                if across <= LEAST * vector::norm(direction) {
                    return 0.0;
                }
                base * step.factor * squared.sqrt() / across
            })
            .collect()
    }

    fn wants_direction(&self) -> bool {
        true
    }

    fn correct(&mut self, layer: usize, before: &[f32], after: &mut [f32], rate: f64) -> bool {
        let turning = self.turning[layer];
        let (weights, biases) = before.split_at(turning);
        let (moved, moved_biases) = after.split_at_mut(turning);
        moved_biases.copy_from_slice(biases);
        let squared = vector::norm_squared(weights);
        if rate == 0.0 || squared == 0.0 {
            moved.copy_from_slice(weights);
            return true;
        }
        // after = before + step, so the part of `after` along `before` becomes exactly 1.
        let excess = vector::dot(moved, weights) / squared - 1.0;
        let turned = vector::sum_norm_squared(moved, -excess, weights);
        let scale = (squared / turned).sqrt();
        if !scale.is_finite() {
            // Left for the caller to find.
            return true;
        }
        for (moved, weight) in moved.iter_mut().zip(weights) {
            *moved = (scale * (f64::from(*moved) - excess * f64::from(*weight))) as f32;
        }
        true
    }

    fn memory(&self) -> RuleMemory {
        RuleMemory::default()
    }

    fn restore(&mut self, memory: &RuleMemory) -> bool {
        *memory == RuleMemory::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Example;
    use super::*;

    fn conv() -> Vec<Layer> {
        vec![Layer::conv("conv", [1, 2], 1, 1)]
    }

    /// One step of the optimiser and the rule.
    fn turn(layers: &[Layer], weights: &[f32], direction: &[f32], rate: f64) -> (f64, Vec<f32>) {
        let mut rule = Layca.start(layers, &[rate]).unwrap();
        let mut example = Example::new(weights, direction);
        example.base = vec![rate];
        let set = example.rates(rule.as_mut())[0];
        let mut after: Vec<f32> =
            weights.iter().zip(direction).map(|(w, d)| w - set as f32 * d).collect();
        rule.correct(0, weights, &mut after, set);
        (set, after)
    }

    #[test]
    fn weights_turn_by_the_rate_and_keep_their_norm() {
        // Across (0, 2) the step (1, 5) is (1, 0): the angle is atan(.5), the bias stays.
        let (set, after) = turn(&conv(), &[0.0, 2.0, 7.0, 8.0], &[1.0, 5.0, 1.0, 1.0], 0.5);
        assert!((set - 1.0).abs() < 1e-12, "{set}");
        let angle = 0.5_f32.atan();
        let expected = [-2.0 * angle.sin(), 2.0 * angle.cos(), 7.0, 8.0];
        assert!(after.iter().zip(&expected).all(|(a, e)| (a - e).abs() < 1e-6), "{after:?}");
    }

    #[test]
    fn nothing_moves_without_weights_or_a_step_across() {
        let still = |weights: [f32; 4], direction: [f32; 4]| {
            let (set, after) = turn(&conv(), &weights, &direction, 0.1);
            assert_eq!((set, after), (0.0, weights.to_vec()));
        };
        still([0.0, 0.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]);
        still([1.0, 3.0, 1.0, 1.0], [0.0, 0.0, 3.0, 4.0]);
        still([1.0, 3.0, 1.0, 1.0], [1e-4, 3e-4, 3.0, 4.0]);
        let (set, after) = turn(&[Layer::batch_norm("bn", 1, 1)], &[1.0, 0.5], &[3.0, 4.0], 0.1);
        assert_eq!((set, after), (0.0, vec![1.0, 0.5]));
    }

    #[test]
    fn what_is_not_finite_is_found() {
        for odd in [f32::NAN, f32::INFINITY] {
            assert!(turn(&conv(), &[1.0, 2.0, 0.0, 0.0], &[odd, 1.0, 1.0, 1.0], 0.1).0.is_nan());
            assert!(turn(&conv(), &[1.0, 2.0, 0.0, 0.0], &[1.0, 1.0, 1.0, odd], 0.1).0.is_nan());
            assert!(turn(&conv(), &[odd, 2.0, 0.0, 0.0], &[1.0, 1.0, 1.0, 1.0], 0.1).0.is_nan());
        }
    }
}
