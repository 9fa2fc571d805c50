//! LAMB: η · ‖w‖ / ‖u‖ for a step u per unit of rate, decay included, so that each layer moves by
//! the fraction η of its norm.
//!
//! You et al., "Large batch optimization for deep learning: training BERT in 76 minutes" (ICLR
//! 2020), algorithm 2 with φ the identity, and the plain rate η where ‖w‖ or ‖u‖ is 0, as in
//! timm's `optim/lamb.py` with `always_adapt`. There u is Adam's step with decoupled decay
//! (λ = .01): `--optimizer adamw`. Any other optimiser's step is taken alike. timm also clips the
//! gradient of the whole net to norm 1; here that is left to the optimiser.

use super::{Coefficient, Layer, RatesError, Rule, RuleKind, RuleMemory, StepView, vector};
use crate::rates::Scale;

#[derive(Debug)]
pub(super) struct Lamb;

#[derive(Debug)]
struct Running;

impl RuleKind for Lamb {
    fn name(&self) -> &'static str {
        "lamb"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        // On the tutorial net SGD at .02 with momentum .9 moves its layers by .005 to .015.
        vec![Coefficient {
            name: "rate".into(),
            low: 5e-4,
            high: 0.05,
            scale: Scale::Log,
            neutral: 5e-3,
        }]
    }

    fn start(&self, _: &[Layer], _: &[f64]) -> Result<Box<dyn Rule>, RatesError> {
        Ok(Box::new(Running))
    }
}

impl Rule for Running {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        let layers = step.layers.iter().zip(step.base);
        layers
            .map(|(layer, base)| {
                let (weights, moved) = (vector::norm(layer.weights), vector::norm(layer.direction));
                let trust = if weights == 0.0 || moved == 0.0 {
                    // Still NaN if the other is.
                    1.0 + weights * moved
                } else {
                    weights / moved
                };
                base * step.factor * trust
            })
            .collect()
    }

    fn wants_direction(&self) -> bool {
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

    #[test]
    fn each_layer_moves_by_the_same_fraction_of_its_norm() {
        let mut rule = Lamb.start(&[], &[0.01]).unwrap();
        for scale in [1e-3, 1.0, 1e3_f32] {
            let mut example = Example::new(&[3.0 * scale, 4.0 * scale], &[9.0, 9.0]);
            example.direction = vec![vec![0.6, 0.8]];
            example.base = vec![0.01];
            let rate = example.rates(rule.as_mut())[0];
            assert!((rate / (0.05 * f64::from(scale)) - 1.0).abs() < 1e-6, "{rate}");
        }
    }

    #[test]
    fn without_weights_or_step_the_rate_is_plain() {
        let mut rule = Lamb.start(&[], &[0.01]).unwrap();
        for (weights, direction) in [([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0])] {
            let mut example = Example::new(&weights, &[1.0, 1.0]);
            example.direction = vec![direction.to_vec()];
            example.base = vec![0.01];
            assert_eq!(example.rates(rule.as_mut()), [0.01]);
        }
    }
}
