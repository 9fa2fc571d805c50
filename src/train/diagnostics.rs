//! What each layer does during training: norms, relative updates, rotations, dead units.
//!
//! A layer's vector is all its parameters, weight and bias, since one rate moves them all. The
//! figures are computed on the host in f64, so that they do not depend on the device.

use burn::tensor::Tensor;

use super::optimizer::Applied;
use crate::net::{HostTensor, Parameters, host};
use crate::rates::rule::vector::sums;

/// One row of `layers.csv`: a layer in one optimiser step.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRow {
    /// Number of the step, from 1.
    pub step: u64,
    /// Name of the layer.
    pub layer: String,
    /// Learning rate applied, schedule included.
    pub rate: f64,
    /// Weight decay λ applied.
    pub decay: f64,
    /// ‖w‖ before the step.
    pub weight_norm: f64,
    /// ‖g‖ of the loss without the decay term.
    pub gradient_norm: f64,
    /// ‖Δw‖/‖w‖.
    pub relative_update: f64,
    /// Angle between w before and after the step, in radians.
    pub rotation: f64,
    /// ‖w − w₀‖ after the step, w₀ the initial weights.
    pub distance_from_init: f64,
    /// cos(w, w₀) after the step.
    pub init_cosine: f64,
    /// ⟨g_t, g_{t−1}⟩; none where there is no `gradient_cosine`.
    pub gradient_product: Option<f64>,
    /// cos(g_t, g_{t−1}); none in the first step of a run.
    pub gradient_cosine: Option<f64>,
    /// Share of the layer's ReLU outputs (channel × position, after a pool) that are zero for
    /// every image of the batch; none where no ReLU follows the layer.
    pub dead_fraction: Option<f64>,
}

/// Looks at every `every`-th step of a run, and at the first.
#[derive(Debug)]
pub(super) struct Diagnostics {
    every: u64,
    initial: Vec<Vec<f32>>,
    previous_gradients: Option<(u64, Vec<Vec<f32>>)>,
    before: Option<Before>,
}

/// What is noted before the optimiser moves.
#[derive(Debug)]
struct Before {
    values: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    dead: Vec<(usize, f64)>,
}

impl Diagnostics {
    /// Every `every` steps, from the initial weights `initial` (trained tensors in order).
    pub(super) fn new(every: u64, initial: &[HostTensor]) -> Self {
        let initial = initial.iter().map(|tensor| tensor.values.clone()).collect();
        Self { every, initial, previous_gradients: None, before: None }
    }

    /// Gradients of step `step` that its successor will be compared with, if it is looked at.
    pub(super) fn noted(&self, step: u64) -> Option<&[Vec<f32>]> {
        let (at, gradients) = self.previous_gradients.as_ref()?;
        (*at == step).then_some(gradients)
    }

    /// Takes back what [`Self::noted`] gave before a pause.
    pub(super) fn restore(&mut self, step: u64, gradients: Vec<Vec<f32>>) {
        self.previous_gradients = Some((step, gradients));
    }

    /// Whether step `step` (from 1) is looked at.
    pub(super) fn wants(&self, step: u64) -> bool {
        step == 1 || step.is_multiple_of(self.every)
    }

    /// To be called before each optimiser step; `dead` is asked for only where it is wanted.
    pub(super) fn before_step(
        &mut self,
        step: u64,
        parameters: &Parameters,
        gradients: &[Option<Tensor<1>>],
        dead: impl FnOnce() -> Vec<(usize, Tensor<1>)>,
    ) {
        let wanted = self.wants(step);
        if !wanted && !self.wants(step + 1) {
            return;
        }
        let gradients = gradients
            .iter()
            .map(|gradient| gradient.as_ref().map(host).unwrap_or_default())
            .collect::<Vec<_>>();
        if !wanted {
            self.previous_gradients = Some((step, gradients));
            return;
        }
        let dead =
            dead().into_iter().map(|(layer, share)| (layer, f64::from(host(&share)[0]))).collect();
        let values = parameters.trained.iter().map(|p| host(&p.value)).collect();
        self.before = Some(Before { values, gradients, dead });
    }

    /// To be called after each optimiser step; gives a row a layer if the step was looked at.
    pub(super) fn after_step(
        &mut self,
        step: u64,
        parameters: &Parameters,
        applied: impl Fn(usize) -> Applied,
    ) -> Vec<LayerRow> {
        let Some(Before { values, gradients, dead }) = self.before.take() else {
            return Vec::new();
        };
        let after: Vec<_> = parameters.trained.iter().map(|p| host(&p.value)).collect();
        let previous = self.previous_gradients.take().filter(|(at, _)| at + 1 == step);
        let rows = parameters.layers.iter().enumerate().map(|(layer, spec)| {
            let of_layer = |tensors: &[Vec<f32>]| -> Vec<f32> {
                let owned =
                    parameters.trained.iter().zip(tensors).filter(|(p, _)| p.layer == layer);
                owned.flat_map(|(_, values)| values).copied().collect()
            };
            let (old, new) = (of_layer(&values), of_layer(&after));
            let (initial, gradient) = (of_layer(&self.initial), of_layer(&gradients));
            let previous = previous.as_ref().map(|(_, gradients)| of_layer(gradients));
            let Applied { rate, decay } = applied(layer);
            let weight_norm = norm(&old);
            LayerRow {
                step,
                layer: spec.name.clone(),
                rate,
                decay,
                weight_norm,
                gradient_norm: norm(&gradient),
                relative_update: distance(&new, &old) / weight_norm,
                rotation: angle(&old, &new),
                distance_from_init: distance(&new, &initial),
                init_cosine: cosine(&new, &initial),
                gradient_product: previous.as_ref().map(|previous| dot(previous, &gradient)),
                gradient_cosine: previous.as_ref().map(|previous| cosine(previous, &gradient)),
                dead_fraction: dead.iter().find(|(at, _)| *at == layer).map(|(_, share)| *share),
            }
        });
        let rows = rows.collect();
        if self.wants(step + 1) {
            self.previous_gradients = Some((step, gradients));
        }
        rows
    }
}

fn dot<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> f64 {
    let [sum] = sums(a, b, |a, b| [a * b]);
    sum
}

fn norm<T: Copy + Into<f64>>(a: &[T]) -> f64 {
    dot(a, a).sqrt()
}

fn distance<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> f64 {
    let [sum] = sums(a, b, |a, b| [(a - b) * (a - b)]);
    sum.sqrt()
}

fn cosine<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> f64 {
    let [product, a, b] = sums(a, b, |a, b| [a * b, a * a, b * b]);
    product / (a.sqrt() * b.sqrt())
}

/// Angle in radians, exact also for small ones: 2·atan2(‖û − v̂‖, ‖û + v̂‖) (Kahan).
fn angle<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> f64 {
    let (norm_a, norm_b) = (norm(a), norm(b));
    let [difference, sum] = sums(a, b, |a, b| {
        let (a, b) = (a / norm_a, b / norm_b);
        [(a - b) * (a - b), (a + b) * (a + b)]
    });
    2.0 * difference.sqrt().atan2(sum.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_angles_are_exact() {
        let tiny = 1e-7f64;
        assert!((angle(&[1.0, 0.0], &[tiny.cos(), tiny.sin()]) - tiny).abs() < 1e-15);
        assert!((angle(&[1.0, 0.0], &[0.0, 3.0]) - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
        assert!((angle(&[1.0], &[-2.0]) - std::f64::consts::PI).abs() < 1e-12);
    }

    #[test]
    fn no_value_is_left_out() {
        let (a, b): (Vec<f64>, Vec<f64>) =
            (0..21).map(|i| (f64::from(i), f64::from(i % 5))).unzip();
        let exact: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        assert_eq!(dot(&a, &b), exact);
        assert_eq!(distance(&a, &[0.0; 21]), norm(&a));
    }

    #[test]
    fn cosine_of_opposite_vectors_is_minus_one() {
        assert!((cosine(&[1.0, 2.0], &[-2.0, -4.0]) + 1.0).abs() < 1e-12);
    }
}
