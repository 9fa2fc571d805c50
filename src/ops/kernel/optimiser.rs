//! Optimiser steps in place, over one parameter at a time. Formulas and first step are PyTorch's.

use super::width::{Kernel, Vectors};

/// The value, and zero for one that is subnormal.
///
/// What an optimiser remembers of a weight whose gradient has become zero (a unit that is never active) shrinks by a
/// factor a step, and below 1.2e-38 many CPUs take a hundred cycles for each such vector, for the rest of the training.
/// No weight that differs from zero can tell.
#[inline(always)]
fn normal(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

/// Stochastic gradient descent (`torch.optim.SGD`, dampening 0).
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Learning rate.
    pub rate: f64,
    /// Share of the velocity that is kept; 0 needs no velocity.
    pub momentum: f64,
    /// Whether to look ahead (Nesterov).
    pub nesterov: bool,
    /// Coupled weight decay: added to the gradient as `decay * weight`.
    pub decay: f64,
}

impl Sgd {
    /// One step.
    ///
    /// `velocity` starts as zeros, so that the first velocity is the gradient, as in PyTorch;
    /// without momentum it may be empty.
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn step(&self, weight: &mut [f32], gradient: &[f32], velocity: &mut [f32]) {
        assert_eq!(weight.len(), gradient.len(), "gradient");
        assert!(self.momentum == 0.0 || velocity.len() == weight.len(), "velocity");
        Vectors::current().run(SgdStep { sgd: *self, weight, gradient, velocity });
    }
}

struct SgdStep<'a> {
    sgd: Sgd,
    weight: &'a mut [f32],
    gradient: &'a [f32],
    velocity: &'a mut [f32],
}

impl Kernel for SgdStep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let SgdStep { sgd: Sgd { rate, momentum, nesterov, decay }, weight, gradient, velocity } =
            self;
        let [rate, momentum, decay] = [rate, momentum, decay].map(|value| value as f32);
        if momentum == 0.0 {
            for (weight, gradient) in weight.iter_mut().zip(gradient) {
                *weight -= rate * (gradient + decay * *weight);
            }
        } else if nesterov {
            for ((weight, gradient), velocity) in weight.iter_mut().zip(gradient).zip(velocity) {
                let gradient = gradient + decay * *weight;
                *velocity = normal(momentum * *velocity + gradient);
                *weight -= rate * (gradient + momentum * *velocity);
            }
        } else {
            for ((weight, gradient), velocity) in weight.iter_mut().zip(gradient).zip(velocity) {
                *velocity = normal(momentum * *velocity + (gradient + decay * *weight));
                *weight -= rate * *velocity;
            }
        }
    }
}

/// Adam with decoupled weight decay (`torch.optim.AdamW`).
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Learning rate.
    pub rate: f64,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Added to the denominator.
    pub epsilon: f64,
    /// Weights shrink by `rate * decay` before the step.
    pub decay: f64,
    /// Number of this step, from 1 on: it corrects the moments' bias.
    pub time: u32,
}

impl AdamW {
    /// One step; both moments start as zeros.
    ///
    /// # Panics
    /// If a slice has the wrong length or `time` is 0.
    pub fn step(
        &self,
        weight: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        assert!(self.time > 0, "time counts from 1");
        assert_eq!(weight.len(), gradient.len(), "gradient");
        assert_eq!(weight.len(), first.len(), "first moment");
        assert_eq!(weight.len(), second.len(), "second moment");
        Vectors::current().run(AdamWStep { adam: *self, weight, gradient, first, second });
    }
}

struct AdamWStep<'a> {
    adam: AdamW,
    weight: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Kernel for AdamWStep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let AdamWStep {
            adam: AdamW { rate, betas, epsilon, decay, time },
            weight,
            gradient,
            first,
            second,
        } = self;
        // Scalars in double precision, as in PyTorch: 1 - beta and 1 - beta^t cancel.
        let corrections = betas.map(|beta| 1.0 - beta.powf(f64::from(time)));
        let step = (rate / corrections[0]) as f32;
        let root = (1.0 / corrections[1].sqrt()) as f32;
        let keep = (1.0 - rate * decay) as f32;
        let [new_first, new_second] = betas.map(|beta| (1.0 - beta) as f32);
        let (keep_second, epsilon) = (betas[1] as f32, epsilon as f32);
        let values = weight.iter_mut().zip(gradient).zip(first.iter_mut().zip(second));
        for ((weight, &gradient), (first, second)) in values {
            *first = normal(*first + new_first * (gradient - *first));
            *second = normal(keep_second * *second + new_second * gradient * gradient);
            *weight = *weight * keep - step * *first / (second.sqrt() * root + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, each_width};
    use super::*;

    /// Three steps from (1, -2, 1/2) with changing gradients; 20 copies, so that vectors and what
    /// is left over are both used.
    fn three_steps(mut step: impl FnMut(u32, &mut [f32], &[f32])) -> Vec<f32> {
        let mut weight = [1.0, -2.0, 0.5].repeat(20);
        for time in 0..3 {
            let gradient = [0.1 * (time as f32 + 1.0), -0.3, if time == 1 { -0.7 } else { 0.7 }];
            step(time + 1, &mut weight, &gradient.repeat(20));
        }
        weight
    }

    /// The expected values are PyTorch 2.15's, rate .1 and decay .01.
    #[test]
    fn three_steps_equal_pytorchs() {
        let cases = [
            (0.9, false, [0.8993528, -1.8206336, 0.3706934]),
            (0.9, true, [0.84655, -1.7428769, 0.3124202]),
            (0.0, false, [0.937043, -1.904096, 0.4285715]),
        ];
        each_width(|| {
            for (momentum, nesterov, expected) in cases {
                let sgd = Sgd { rate: 0.1, momentum, nesterov, decay: 0.01 };
                let mut velocity = vec![0.0; if momentum > 0.0 { 60 } else { 0 }];
                let found =
                    three_steps(|_, weight, gradient| sgd.step(weight, gradient, &mut velocity));
                assert_close("SGD", &found, &expected.repeat(20), 0);
            }
            let (mut first, mut second) = (vec![0.0; 60], vec![0.0; 60]);
            let found = three_steps(|time, weight, gradient| {
                let adam =
                    AdamW { rate: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, decay: 0.01, time };
                adam.step(weight, gradient, &mut first, &mut second);
            });
            assert_close("AdamW", &found, &[0.7049811, -1.6943059, 0.37038].repeat(20), 0);
        });
    }

    /// Nine tenths a step: 1 becomes subnormal after 829 steps.
    #[test]
    fn what_is_remembered_of_a_dead_weight_ends_at_zero() {
        each_width(|| {
            for nesterov in [false, true] {
                let sgd = Sgd { rate: 0.1, momentum: 0.9, nesterov, decay: 0.0 };
                let (mut weight, mut velocity) = (vec![1.0; 20], vec![1.0; 20]);
                for _ in 0..900 {
                    sgd.step(&mut weight, &[0.0; 20], &mut velocity);
                    assert!(velocity.iter().all(|velocity| !velocity.is_subnormal()));
                }
                assert_eq!(velocity, [0.0; 20]);
            }
            let (mut weight, mut first, mut second) = (vec![1.0; 20], vec![1.0; 20], vec![1.0; 20]);
            for time in 1..900 {
                let adam = AdamW { rate: 0.1, betas: [0.9, 0.9], epsilon: 1e-8, decay: 0.0, time };
                adam.step(&mut weight, &[0.0; 20], &mut first, &mut second);
            }
            assert_eq!([first, second], [[0.0; 20]; 2]);
        });
    }

    #[test]
    fn a_gradient_that_is_not_finite_spoils_its_weight_only() {
        let mut weight = vec![1.0; 40];
        let mut gradient = vec![1.0; 40];
        gradient[3] = f32::NAN;
        let sgd = Sgd { rate: 0.1, momentum: 0.9, nesterov: false, decay: 0.0 };
        sgd.step(&mut weight, &gradient, &mut [0.0; 40]);
        assert!(weight.iter().enumerate().all(|(index, weight)| weight.is_nan() == (index == 3)));
    }
}
