//! L-DoG: η · max_i ‖x_i − x_0‖ / √(Σ‖g_i‖² + ε) of each layer, with averaged parameters.
//!
//! Ivgi, Hinder & Carmon, "DoG is SGD's best friend: a parameter-free dynamic step size schedule"
//! (ICML 2023), and the authors' `formll/dog`, class `LDoG`. The distance starts at
//! r_ε = 1e-6 · (1 + ‖x_0‖), 1e-4 · (1 + ‖x_0‖) in nets with batch norm; ε = 1e-8; gradients
//! include the decay λx. The rate is 1 in the paper, which knows no momentum: with momentum μ steps are
//! 1/(1 − μ) times as long, so the usual value here is .1, for μ = .9.
//!
//! As rates do not fall, the averaged parameters are the ones to use: x̄_t = (1 − c) x̄_{t−1} + c x_t
//! with c = (1 + γ) / (t + γ), γ = 8, the polynomial decay of Shamir & Zhang (2013) as
//! in `PolynomialDecayAverager` there. That one also averages the running statistics of batch norms.

use super::{Coefficient, Layer, RatesError, Rule, RuleKind, RuleMemory, StepView, vector};
use crate::net::LayerKind;
use crate::rates::Scale;

const EPSILON: f64 = 1e-8;
/// γ of the average.
const AVERAGE_POWER: f64 = 8.0;

#[derive(Debug)]
pub(super) struct LDog;

#[derive(Debug)]
struct Running {
    /// r_ε / (1 + ‖x_0‖).
    reach: f64,
    /// Parameters of each layer.
    sizes: Vec<usize>,
    /// Largest distance from the start so far, a layer.
    distances: Vec<f64>,
    /// Σ‖g‖² + ε, a layer.
    gradients: Vec<f64>,
    /// x_0; empty before the first step.
    start: Vec<Vec<f32>>,
    /// x̄; empty before the first step is made.
    average: Vec<Vec<f32>>,
    /// Parameters averaged so far.
    averaged: f64,
}

impl RuleKind for LDog {
    fn name(&self) -> &'static str {
        "l-dog"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        // On the tutorial net SGD at .02 with momentum .9 moves its layers as this at .12 to .14.
        vec![Coefficient {
            name: "rate".into(),
            low: 0.01,
            high: 3.0,
            scale: Scale::Log,
            neutral: 0.1,
        }]
    }

    fn start(&self, layers: &[Layer], _: &[f64]) -> Result<Box<dyn Rule>, RatesError> {
        let normed = layers.iter().any(|layer| matches!(layer.kind, LayerKind::BatchNorm { .. }));
        Ok(Box::new(Running {
            reach: if normed { 1e-4 } else { 1e-6 },
            sizes: layers.iter().map(Layer::parameter_count).collect(),
            distances: Vec::new(),
            gradients: Vec::new(),
            start: Vec::new(),
            average: Vec::new(),
            averaged: 0.0,
        }))
    }
}

impl Running {
    fn begin(&mut self, step: &StepView) {
        let reach = self.reach;
        self.start = step.layers.iter().map(|layer| layer.weights.to_vec()).collect();
        self.distances =
            self.start.iter().map(|start| reach * (1.0 + vector::norm(start))).collect();
        self.gradients = vec![EPSILON; self.start.len()];
    }
}

impl Rule for Running {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        if self.start.is_empty() {
            self.begin(step);
        }
        for (index, layer) in step.layers.iter().enumerate() {
            let distance = vector::distance(layer.weights, &self.start[index]);
            // A NaN, which `max` passes over, shows in the sum below: it has the weights in it too.
            self.distances[index] = self.distances[index].max(distance);
            self.gradients[index] +=
                vector::sum_norm_squared(layer.gradient, step.decay[index], layer.weights);
        }
        let layers = self.distances.iter().zip(&self.gradients).zip(step.base);
        layers
            .map(|((distance, gradients), base)| base * step.factor * distance / gradients.sqrt())
            .collect()
    }

    fn moved(&mut self, weights: &[&[f32]]) {
        self.averaged += 1.0;
        if self.average.is_empty() {
            self.average = weights.iter().map(|layer| layer.to_vec()).collect();
            return;
        }
        let share = (1.0 + AVERAGE_POWER) / (self.averaged + AVERAGE_POWER);
        for (average, layer) in self.average.iter_mut().zip(weights) {
            for (average, now) in average.iter_mut().zip(*layer) {
                let (before, now) = (f64::from(*average), f64::from(*now));
                *average = (before + share * (now - before)) as f32;
            }
        }
    }

    fn averages(&self) -> bool {
        true
    }

    fn averaged(&self) -> Option<&[Vec<f32>]> {
        (!self.average.is_empty()).then_some(&self.average)
    }

    fn memory(&self) -> RuleMemory {
        RuleMemory {
            numbers: [&[self.averaged], &*self.distances, &*self.gradients].concat(),
            vectors: self.start.iter().chain(&self.average).cloned().collect(),
        }
    }

    fn restore(&mut self, memory: &RuleMemory) -> bool {
        let layers = self.sizes.len();
        let Some((averaged, numbers)) = memory.numbers.split_first() else { return false };
        let begun = usize::from(!numbers.is_empty());
        let made = usize::from(*averaged > 0.0);
        let sizes = self.sizes.iter().cycle().take((begun + made) * layers);
        let fits = *averaged >= 0.0
            && averaged.fract() == 0.0
            && numbers.len() == 2 * layers * begun
            && made <= begun
            && vector::fit(&memory.vectors, sizes);
        if fits {
            self.averaged = *averaged;
            self.distances = numbers[..layers * begun].to_vec();
            self.gradients = numbers[layers * begun..].to_vec();
            self.start = memory.vectors[..layers * begun].to_vec();
            self.average = memory.vectors[layers * begun..].to_vec();
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Example, flat};
    use super::*;

    #[test]
    fn known_answers() {
        let mut rule = LDog.start(&flat(1), &[1.0]).unwrap();
        let mut rate = |weights: [f32; 2], gradient: [f32; 2]| {
            Example::new(&weights, &gradient).rates(rule.as_mut())[0]
        };
        // r_ε = 1e-6 · (1 + 5), ‖g‖ = 2.
        assert!((rate([3.0, 4.0], [0.0, 2.0]) / 3e-6 - 1.0).abs() < 1e-8);
        // As far as 1 from the start, Σ‖g‖² = 5; then nearer, Σ‖g‖² = 9.
        assert!((rate([3.0, 5.0], [1.0, 0.0]) / 0.2_f64.sqrt() - 1.0).abs() < 1e-8);
        assert!((rate([3.0, 4.5], [2.0, 0.0]) / (1.0 / 3.0) - 1.0).abs() < 1e-8);
    }

    #[test]
    fn decay_counts_as_gradient_and_batch_norm_starts_further() {
        let mut layers = flat(1);
        layers.push(Layer::batch_norm("bn0", 1, 1));
        let mut rule = LDog.start(&layers, &[1.0]).unwrap();
        let mut example = Example::of(vec![vec![3.0, 4.0]; 2], vec![vec![0.0, 0.0]; 2]);
        example.decay = vec![0.1, 0.2];
        let rates = example.rates(rule.as_mut());
        // r_ε = 6e-4; ‖λx‖ = .5 and 1.
        assert!((rates[0] / 12e-4 - 1.0).abs() < 1e-6, "{rates:?}");
        assert!((rates[1] / 6e-4 - 1.0).abs() < 1e-6, "{rates:?}");
    }

    #[test]
    fn broken_weights_are_found_without_decay() {
        for odd in [f32::NAN, f32::INFINITY] {
            let mut rule = LDog.start(&flat(1), &[1.0]).unwrap();
            Example::new(&[3.0, 4.0], &[1.0, 1.0]).rates(rule.as_mut());
            assert!(Example::new(&[3.0, odd], &[1.0, 1.0]).rates(rule.as_mut())[0].is_nan());
        }
    }

    #[test]
    fn an_average_without_a_start_is_refused() {
        let mut rule = LDog.start(&flat(1), &[1.0]).unwrap();
        let vectors = vec![vec![1.0, 2.0]];
        assert!(!rule.restore(&RuleMemory { numbers: vec![3.0], vectors: vectors.clone() }));
        assert!(!rule.restore(&RuleMemory { numbers: vec![0.0], vectors }));
        assert!(!rule.restore(&RuleMemory { numbers: vec![f64::NAN], vectors: Vec::new() }));
        assert!(rule.averaged().is_none());
    }

    #[test]
    fn the_average_weighs_parameters_by_a_polynomial_of_their_number() {
        let mut rule = LDog.start(&flat(1), &[1.0]).unwrap();
        Example::new(&[0.0, 0.0], &[1.0, 1.0]).rates(rule.as_mut());
        assert!(rule.averages() && rule.averaged().is_none());
        let steps = 40;
        let position = |t: usize| [t as f32, 1.0 - t as f32];
        for t in 1..=steps {
            rule.moved(&[&position(t)]);
        }
        // Unrolled: x_t weighs in proportion to (t + 1) … (t + 7) · t, a polynomial of degree 8.
        let weight = |t: usize| (0..8).map(|k| (t + k) as f64).product::<f64>();
        let total: f64 = (1..=steps).map(weight).sum();
        let mean: f64 = (1..=steps).map(|t| weight(t) * t as f64).sum::<f64>() / total;
        let average = &rule.averaged().unwrap()[0];
        assert!((f64::from(average[0]) - mean).abs() < 1e-4, "{average:?} {mean}");
        assert!((f64::from(average[1]) - (1.0 - mean)).abs() < 1e-4, "{average:?} {mean}");
    }
}
