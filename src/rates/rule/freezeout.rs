//! FreezeOut: every layer's rate falls to 0 along a cosine of its own, early layers first, and stays
//! there: η_l(t) = ½ α_l (1 + cos(π t / t_l)) for t < t_l, α_l = α / t_l.
//!
//! Brock et al., "FreezeOut: accelerate training by progressively freezing layers" (arXiv
//! 1706.04983), and the authors' `densenet.py`. The time t runs from 0 to 1 over the run
//! and t_l = (t0 + (1 − t0) · l / last)³, the cubic spacing, so the last layer learns to the end;
//! with α_l = α / t_l all layers travel alike. Their default t0 = .8 (before the cube) freezes the
//! first layer after 51 % of the run. The rule is a schedule itself and ignores the run's.
//!
//! A batch norm is frozen with the layer before it. Frozen layers take no steps, but their
//! gradients are still computed: this rule shows what freezing does to accuracy and saves no time.

use super::{
    Coefficient, Layer, RatesError, Rule, RuleKind, RuleMemory, StepView, overall_rate, refused,
    value,
};
use crate::net::LayerKind;
use crate::rates::Scale;

#[derive(Debug)]
pub(super) struct FreezeOut;

#[derive(Debug)]
struct Running {
    /// When each layer is frozen, as a fraction of the run.
    ends: Vec<f64>,
}

/// Position of each layer among those that are not batch norms; these share that of the layer
/// before.
fn positions(layers: &[Layer]) -> Vec<usize> {
    let mut found = 0_usize;
    layers
        .iter()
        .map(|layer| {
            found += usize::from(!matches!(layer.kind, LayerKind::BatchNorm { .. }));
            found.saturating_sub(1)
        })
        .collect()
}

impl RuleKind for FreezeOut {
    fn name(&self) -> &'static str {
        "freezeout"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        let first = Coefficient {
            name: "t0".into(),
            low: 0.5,
            high: 1.0,
            scale: Scale::Linear,
            neutral: 0.8,
        };
        vec![overall_rate(), first]
    }

    fn has_plain_rate(&self) -> bool {
        true
    }

    fn start(&self, layers: &[Layer], values: &[f64]) -> Result<Box<dyn Rule>, RatesError> {
        let first = value(values, 1);
        if !(first > 0.0 && first <= 1.0) {
            return Err(refused(self, layers, 1, first, "above 0 and at most 1"));
        }
        let positions = positions(layers);
        let last = positions.iter().max().copied().unwrap_or(0);
        let ends = positions.iter().map(|position| {
            // Alone or last: to the end, whatever t0 is.
            if *position == last {
                return 1.0;
            }
            (first + (1.0 - first) * *position as f64 / last as f64).powi(3)
        });
        Ok(Box::new(Running { ends: ends.collect() }))
    }
}

impl Rule for Running {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        let time = step.step as f64 / step.total.max(1) as f64;
        let layers = self.ends.iter().zip(step.base);
        layers
            .map(|(end, base)| {
                if time >= *end {
                    return 0.0;
                }
                0.5 * base / end * (1.0 + (std::f64::consts::PI * time / end).cos())
            })
            .collect()
    }

    fn looks_at(&self, _: u64) -> bool {
        false
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
    use super::super::tests::{Example, flat};
    use super::*;

    fn rates_at(layers: &[Layer], t0: f64, step: u64) -> Vec<f64> {
        let mut rule = FreezeOut.start(layers, &[1.0, t0]).unwrap();
        let empty = vec![Vec::new(); layers.len()];
        let mut example = Example::of(empty.clone(), empty);
        (example.step, example.total) = (step, 1000);
        example.rates(rule.as_mut())
    }

    #[test]
    fn known_answers() {
        // t_l = .8³ = .512, .9³ = .729, 1.
        let layers = flat(3);
        assert_eq!(rates_at(&layers, 0.8, 0), [1.0 / 0.8_f64.powi(3), 1.0 / 0.9_f64.powi(3), 1.0]);
        let half = rates_at(&layers, 0.8, 256);
        assert!((half[0] - 0.5 / 0.512).abs() < 1e-9, "{half:?}");
        assert_eq!(rates_at(&layers, 0.8, 512)[0], 0.0);
        let late = rates_at(&layers, 0.8, 730);
        assert!(late[0] == 0.0 && late[1] == 0.0 && late[2] > 0.1, "{late:?}");
    }

    #[test]
    fn all_layers_travel_alike() {
        let layers = flat(4);
        let mut travelled = [0.0; 4];
        for step in 0..1000 {
            for (sum, rate) in travelled.iter_mut().zip(rates_at(&layers, 0.8, step)) {
                *sum += rate;
            }
        }
        assert!(travelled.iter().all(|sum| (sum / 500.0 - 1.0).abs() < 5e-3), "{travelled:?}");
    }

    #[test]
    fn a_net_of_one_layer_learns_to_the_end() {
        for step in 0..1000 {
            assert!(rates_at(&flat(1), 0.3, step)[0] > 0.0, "{step}");
        }
    }

    #[test]
    fn a_batch_norm_goes_with_the_layer_before_it() {
        let mut layers = flat(3);
        layers.insert(1, Layer::batch_norm("bn0", 2, 1));
        for step in [0, 300, 600] {
            let rates = rates_at(&layers, 0.8, step);
            assert_eq!(rates[0], rates[1]);
            assert_eq!([rates[0], rates[2], rates[3]], *rates_at(&flat(3), 0.8, step));
        }
    }

    #[test]
    fn a_start_outside_the_run_is_refused() {
        for t0 in [0.0, -0.5, 1.5, f64::NAN] {
            assert!(FreezeOut.start(&flat(2), &[0.1, t0]).is_err(), "{t0}");
        }
    }
}
