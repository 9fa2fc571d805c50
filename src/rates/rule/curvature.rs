//! Curvature: each layer moves by η · ‖g‖² / gᵀHg, the step that is best along its gradient if the
//! loss is a parabola and the other layers stand still.
//!
//! The step is the layer-wise one of Bahamou & Goldfarb, "Layer-wise adaptive step-sizes for
//! stochastic first-order methods for deep learning" (arXiv 2305.13664), after their formula; damping,
//! smoothing and the treatment of negative curvature are this project's:
//!
//! - gᵀHg is looked at every 20th step. Both ‖g‖² and gᵀHg are smoothed over looks (weight .2 for
//!   the new one) before they are divided, and the damping δ, a curvature, is added:
//!   η · N / (C + δN), so no layer moves by more than η / δ.
//! - A look with gᵀHg ≤ 0 says nothing about a minimum: it is passed over for that layer, which
//!   keeps N and C, and so its rate, from its last look with gᵀHg > 0. So is a step without a look.
//! - A layer that has had no such look moves at the least rate over η of those that have; as long
//!   as no layer has, all move at .01 η.
//! - A gradient or gᵀHg that is not finite makes the layer's rate NaN, for good.
//!
//! The rate is about 1 for plain gradient steps; with momentum μ steps are 1/(1 − μ) times as long, so
//! the usual value here is .1, for μ = .9. Damping starts at 1: before a net has begun to learn, its
//! curvature is next to none, and undamped steps would be hundreds of times too long.

use super::{
    Coefficient, Layer, RatesError, Rule, RuleKind, RuleMemory, StepView, non_negative, vector,
};
use crate::rates::Scale;

/// Steps between two looks.
const EVERY: u64 = 20;
/// Weight of the newest look.
const NEW: f64 = 0.2;
/// Rate over η while no layer has had positive curvature.
const UNKNOWN: f64 = 0.01;

#[derive(Debug)]
pub(super) struct Curvature;

/// Smoothed ‖g‖² and gᵀHg; both 0 before the first look with positive curvature.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    gradient: f64,
    curvature: f64,
}

impl Looks {
    fn add(&mut self, gradient: f64, curvature: f64) {
        if !(gradient.is_finite() && curvature.is_finite()) {
            *self = Self { gradient: f64::NAN, curvature: f64::NAN };
        } else if curvature > 0.0 {
            // Weights that do not sum to one at first: the same on both, so the ratio is right.
            self.gradient += NEW * (gradient - self.gradient);
            self.curvature += NEW * (curvature - self.curvature);
        }
    }

    /// Rate over η, if it is known.
    fn rate(self, damping: f64) -> Option<f64> {
        let known = self.curvature != 0.0;
        known.then(|| self.gradient / (self.curvature + damping * self.gradient))
    }
}

#[derive(Debug)]
struct Running {
    damping: f64,
    looks: Vec<Looks>,
}

impl RuleKind for Curvature {
    fn name(&self) -> &'static str {
        "curvature"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        let coefficient = |name: &str, low, high, neutral| Coefficient {
            name: name.to_owned(),
            low,
            high,
            scale: Scale::Log,
            neutral,
        };
        // SGD at .02 with momentum .9 on the tutorial net: ‖g‖² / gᵀHg between .1 and 1 once it learns.
        vec![coefficient("rate", 0.01, 3.0, 0.1), coefficient("damping", 0.1, 10.0, 1.0)]
    }

    fn start(&self, layers: &[Layer], values: &[f64]) -> Result<Box<dyn Rule>, RatesError> {
        let damping = non_negative(self, layers, values, 1)?;
        Ok(Box::new(Running { damping, looks: vec![Looks::default(); layers.len()] }))
    }
}

impl Rule for Running {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        for (looks, layer) in self.looks.iter_mut().zip(step.layers) {
            if let Some(curvature) = layer.curvature {
                looks.add(vector::norm_squared(layer.gradient), curvature);
            }
        }
        let rates: Vec<_> = self.looks.iter().map(|looks| looks.rate(self.damping)).collect();
        let least = rates.iter().flatten().copied().reduce(f64::min).unwrap_or(UNKNOWN);
        let layers = rates.iter().zip(step.base);
        layers.map(|(rate, base)| base * step.factor * rate.unwrap_or(least)).collect()
    }

    fn looks_at(&self, step: u64) -> bool {
        step.is_multiple_of(EVERY)
    }

    fn curvature_every(&self) -> Option<u64> {
        Some(EVERY)
    }

    fn memory(&self) -> RuleMemory {
        let numbers = self.looks.iter().flat_map(|looks| [looks.gradient, looks.curvature]);
        RuleMemory { numbers: numbers.collect(), vectors: Vec::new() }
    }

    fn restore(&mut self, memory: &RuleMemory) -> bool {
        let (pairs, rest) = memory.numbers.as_chunks::<2>();
        let fits = pairs.len() == self.looks.len() && rest.is_empty() && memory.vectors.is_empty();
        if fits {
            let looks = pairs.iter().map(|&[gradient, curvature]| Looks { gradient, curvature });
            self.looks = looks.collect();
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Example, flat};
    use super::*;

    fn look(rule: &mut dyn Rule, gradients: &[f32], curvatures: &[f64]) -> Vec<f64> {
        let gradients: Vec<_> = gradients.iter().map(|g| vec![*g, 0.0]).collect();
        let mut example = Example::of(gradients.clone(), gradients);
        example.curvature = curvatures.iter().copied().map(Some).collect();
        example.rates(rule)
    }

    #[test]
    fn a_parabola_is_left_in_one_step() {
        // L = ½ h x²: g = hx, gᵀHg = h³x², the step x / g = 1 / h.
        let mut rule = Curvature.start(&flat(2), &[1.0, 0.0]).unwrap();
        let rates = look(rule.as_mut(), &[8.0 * 0.5, 0.25 * 3.0], &[128.0, 0.25_f64.powi(3) * 9.0]);
        assert!((rates[0] * 8.0 - 1.0).abs() < 1e-12 && (rates[1] / 4.0 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn looks_are_smoothed_and_damped() {
        let mut rule = Curvature.start(&flat(1), &[1.0, 0.5]).unwrap();
        assert!((look(rule.as_mut(), &[2.0], &[6.0])[0] - 4.0 / (6.0 + 2.0)).abs() < 1e-12);
        // N = .8 · .8 + .2 · 9, C = .8 · 1.2 + .2 · 1.
        let expected = 2.44 / (1.16 + 0.5 * 2.44);
        assert!((look(rule.as_mut(), &[3.0], &[1.0])[0] - expected).abs() < 1e-12);
    }

    #[test]
    fn curvature_that_is_not_positive_changes_nothing() {
        let mut rule = Curvature.start(&flat(2), &[1.0, 0.0]).unwrap();
        assert_eq!(look(rule.as_mut(), &[1.0, 1.0], &[-1.0, 0.0]), [UNKNOWN; 2]);
        assert_eq!(look(rule.as_mut(), &[1.0, 1.0], &[-1.0, 4.0]), [0.25; 2]);
        assert_eq!(look(rule.as_mut(), &[1.0, 9.0], &[2.0, -9.0]), [0.5, 0.25]);
        assert_eq!(look(rule.as_mut(), &[0.0, 0.0], &[0.0, 0.0]), [0.5, 0.25]);
        let mut between = Example::of(vec![vec![]; 2], vec![vec![]; 2]);
        between.step = 21;
        assert_eq!(between.rates(rule.as_mut()), [0.5, 0.25]);
    }

    #[test]
    fn what_is_not_finite_is_remembered() {
        for (gradient, curvature) in [(f32::NAN, 1.0), (1.0, f64::NAN), (1.0, f64::INFINITY)] {
            let mut rule = Curvature.start(&flat(1), &[1.0, 1.0]).unwrap();
            assert!(look(rule.as_mut(), &[gradient], &[curvature])[0].is_nan());
            assert!(look(rule.as_mut(), &[1.0], &[1.0])[0].is_nan());
        }
    }
}
