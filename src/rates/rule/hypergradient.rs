//! Layer-wise hypergradient: each layer's log-rate rises by β · cos(g_t, g_{t−1}), so that a layer
//! whose gradients keep their direction learns faster, and one whose gradients swing back slower.
//!
//! The idea is that of Baydin et al., "Online learning rate adaptation with hypergradient descent"
//! (ICLR 2018), and the authors' `sgd_hd.py`. Their SGD-HD has one rate for the whole net and adds
//! β · ⟨g_t, g_{t−1}⟩ to it, a product of rate and loss that needs another β for every net; here
//! there is one rate a layer and the increment is the cosine, on the log-rate, which is free of
//! units and cannot turn a rate negative. Under momentum and Adam they take ⟨g_t, u_{t−1}⟩ with
//! the step u that was made; here gradients, without decay, are compared whatever the optimiser.
//! The rate used in step t has seen g_t, as theirs. Rates stay within 1/64 to 64 times the base.

use super::{
    Coefficient, Layer, RatesError, Rule, RuleKind, RuleMemory, StepView, non_negative,
    overall_rate, vector,
};
use crate::rates::Scale;

/// Rates stay within this factor of the base.
const RANGE: f64 = 64.0;

#[derive(Debug)]
pub(super) struct Hypergradient;

#[derive(Debug)]
struct Running {
    beta: f64,
    /// Logarithm of rate over base, a layer.
    logs: Vec<f64>,
    /// The gradients of the step before; zero at first, which leaves rates alone.
    previous: Vec<Vec<f32>>,
}

impl RuleKind for Hypergradient {
    fn name(&self) -> &'static str {
        "hypergradient"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        // Cosines on the tutorial net at batch 64 average .15 to .25: at .01 a rate doubles within
        // 350 steps, until it is too high for its layer.
        let beta = Coefficient {
            name: "beta".into(),
            low: 1e-5,
            high: 0.01,
            scale: Scale::Log,
            neutral: 1e-3,
        };
        vec![overall_rate(), beta]
    }

    fn has_plain_rate(&self) -> bool {
        true
    }

    fn start(&self, layers: &[Layer], values: &[f64]) -> Result<Box<dyn Rule>, RatesError> {
        let beta = non_negative(self, layers, values, 1)?;
        let previous = layers.iter().map(|layer| vec![0.0; layer.parameter_count()]).collect();
        Ok(Box::new(Running { beta, logs: vec![0.0; layers.len()], previous }))
    }
}

impl Rule for Running {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        let state = self.logs.iter_mut().zip(&mut self.previous);
        let layers = step.layers.iter().zip(step.base).zip(state);
        layers
            .map(|((layer, base), (log, previous))| {
                let norms = vector::norm(layer.gradient) * vector::norm(previous);
                let cosine =
                    if norms == 0.0 { 0.0 } else { vector::dot(layer.gradient, previous) / norms };
                // A clamped NaN is NaN.
                *log = (*log + self.beta * cosine).clamp(-RANGE.ln(), RANGE.ln());
                previous.copy_from_slice(layer.gradient);
                base * step.factor * log.exp()
            })
            .collect()
    }

    fn memory(&self) -> RuleMemory {
        RuleMemory { numbers: self.logs.clone(), vectors: self.previous.clone() }
    }

    fn restore(&mut self, memory: &RuleMemory) -> bool {
        let sizes: Vec<_> = self.previous.iter().map(Vec::len).collect();
        let fits = memory.numbers.len() == self.logs.len() && vector::fit(&memory.vectors, &sizes);
        if fits {
            self.logs.clone_from(&memory.numbers);
            self.previous.clone_from(&memory.vectors);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Example, flat};
    use super::*;

    #[test]
    fn rates_follow_the_cosine() {
        let mut rule = Hypergradient.start(&flat(1), &[0.1, 0.5]).unwrap();
        let mut rate = |gradient: [f32; 2]| {
            let mut example = Example::new(&[1.0, 1.0], &gradient);
            example.base = vec![0.1];
            example.rates(rule.as_mut())[0]
        };
        assert_eq!(rate([1.0, 0.0]), 0.1);
        // cos = .6, then −1, then 0.
        assert!((rate([3.0, 4.0]) / (0.1 * 0.3_f64.exp()) - 1.0).abs() < 1e-12);
        assert!((rate([-6.0, -8.0]) / (0.1 * (-0.2_f64).exp()) - 1.0).abs() < 1e-12);
        assert!((rate([8.0, -6.0]) / (0.1 * (-0.2_f64).exp()) - 1.0).abs() < 1e-12);
        // No gradient tells nothing.
        assert!((rate([0.0, 0.0]) / (0.1 * (-0.2_f64).exp()) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn rates_stay_in_their_range() {
        let mut rule = Hypergradient.start(&flat(1), &[1.0, 1.0]).unwrap();
        for (sign, end) in [(1.0, 64.0), (-1.0, 1.0 / 64.0)] {
            let mut last = 0.0;
            for step in 0..50 {
                let turn = if step % 2 == 0 { 1.0 } else { sign };
                last = Example::new(&[1.0, 1.0], &[turn, 0.0]).rates(rule.as_mut())[0];
            }
            assert!((last / end - 1.0).abs() < 1e-12, "{last}");
        }
    }

    #[test]
    fn a_negative_beta_is_refused() {
        let error = Hypergradient.start(&flat(1), &[0.1, -1.0]).unwrap_err().to_string();
        assert!(error.contains("beta") && error.contains("hypergradient"), "{error}");
    }
}
