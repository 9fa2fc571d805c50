//! LARS: η · c‖w‖ / (‖g‖ + λ‖w‖ + ε), so that each layer's step is in proportion to its weights.
//!
//! You, Gitman & Ginsburg, "Large batch training of convolutional networks" (arXiv 1708.03888),
//! section 4, with c = .001 and ε = 1e-8 and the plain rate η where ‖w‖ or ‖g‖ is 0, as in timm's
//! `optim/lars.py`. timm leaves layers without weight decay alone unless `always_adapt`; here every
//! layer is adapted. The paper and timm scale the gradient that goes into the momentum; here the
//! rate is set, and what the momentum holds is scaled with it.

use super::{Coefficient, Layer, RatesError, Rule, RuleKind, RuleMemory, StepView, vector};
use crate::rates::Scale;

/// Trust coefficient c.
const TRUST: f64 = 1e-3;
const EPSILON: f64 = 1e-8;

#[derive(Debug)]
pub(super) struct Lars;

#[derive(Debug)]
struct Running;

impl RuleKind for Lars {
    fn name(&self) -> &'static str {
        "lars"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        // On the tutorial net SGD at .02 with momentum .9 moves its layers as this at 2 to 9.
        vec![Coefficient {
            name: "rate".into(),
            low: 0.3,
            high: 30.0,
            scale: Scale::Log,
            neutral: 3.0,
        }]
    }

    fn start(&self, _: &[Layer], _: &[f64]) -> Result<Box<dyn Rule>, RatesError> {
        Ok(Box::new(Running))
    }
}

impl Rule for Running {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        let layers = step.layers.iter().zip(step.decay).zip(step.base);
        layers
            .map(|((layer, decay), base)| {
                let (weights, gradient) =
                    (vector::norm(layer.weights), vector::norm(layer.gradient));
                let trust = if weights == 0.0 || gradient == 0.0 {
                    // Still NaN if the other is.
                    1.0 + weights * gradient
                } else {
                    TRUST * weights / (gradient + decay * weights + EPSILON)
                };
                base * step.factor * trust
            })
            .collect()
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
    fn a_known_answer() {
        // ‖w‖ = 5, ‖g‖ = .5, λ = .02: 2 · .001 · 5 / (.5 + .1).
        let mut example = Example::new(&[3.0, 4.0], &[0.3, -0.4]);
        example.base = vec![2.0];
        example.decay = vec![0.02];
        let mut rule = Lars.start(&[], &[2.0]).unwrap();
        let rate = example.rates(rule.as_mut())[0];
        assert!((rate - 0.01 / (0.6 + 1e-8)).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn without_weights_or_gradient_the_rate_is_plain() {
        let mut rule = Lars.start(&[], &[2.0]).unwrap();
        for (weights, gradient) in [([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0])] {
            let mut example = Example::new(&weights, &gradient);
            example.base = vec![2.0];
            assert_eq!(example.rates(rule.as_mut()), [2.0]);
        }
        let example = Example::new(&[0.0, 0.0], &[f32::NAN, 0.0]);
        assert!(example.rates(rule.as_mut())[0].is_nan());
    }
}
