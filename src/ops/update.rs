//! Optimiser updates of one flat parameter, with PyTorch's semantics.

use burn::tensor::Tensor;

/// One SGD step (`torch/optim/sgd.py`, dampening 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub rate: f64,
    /// λ of the L2 term that is added to the gradient.
    pub weight_decay: f64,
    /// μ; 0 keeps no velocity.
    pub momentum: f64,
    /// Looks ahead along the velocity.
    pub nesterov: bool,
}

impl SgdStep {
    /// Moves `value` against `gradient` and returns it; `velocity` starts as the first gradient.
    pub fn apply(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        velocity: &mut Option<Tensor<1>>,
    ) -> Tensor<1> {
        #[cfg(feature = "flex")]
        if super::kernels_wanted() && super::flex::takes(&value) {
            return super::flex::sgd(self, value, gradient, velocity);
        }
        let gradient = if self.weight_decay == 0.0 {
            gradient
        } else {
            gradient + value.clone().mul_scalar(self.weight_decay)
        };
        let direction = if self.momentum == 0.0 {
            gradient
        } else {
            let next = match velocity.take() {
                None => gradient.clone(),
                Some(velocity) => velocity.mul_scalar(self.momentum) + gradient.clone(),
            };
            *velocity = Some(next.clone());
            if self.nesterov { gradient + next.mul_scalar(self.momentum) } else { next }
        };
        value - direction.mul_scalar(self.rate)
    }
}

/// One AdamW step (`torch/optim/adamw.py`; Loshchilov & Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub rate: f64,
    /// λ; the value shrinks by rate · λ.
    pub weight_decay: f64,
    /// β₁ and β₂.
    pub betas: (f64, f64),
    /// ε, added to the root of the second moment.
    pub epsilon: f64,
    /// Steps including this one, from 1.
    pub step: u64,
}

impl AdamWStep {
    /// Moves `value` and returns it; `moments` start at zero.
    pub fn apply(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        moments: &mut Option<(Tensor<1>, Tensor<1>)>,
    ) -> Tensor<1> {
        #[cfg(feature = "flex")]
        if super::kernels_wanted() && super::flex::takes(&value) {
            return super::flex::adamw(self, value, gradient, moments);
        }
        let (beta1, beta2) = self.betas;
        let (first, second) =
            moments.take().unwrap_or_else(|| (gradient.zeros_like(), gradient.zeros_like()));
        let first = first.mul_scalar(beta1) + gradient.clone().mul_scalar(1.0 - beta1);
        let second =
            second.mul_scalar(beta2) + gradient.clone().mul(gradient).mul_scalar(1.0 - beta2);
        *moments = Some((first.clone(), second.clone()));

        let steps = self.step as i32;
        let correction1 = 1.0 - beta1.powi(steps);
        let correction2 = 1.0 - beta2.powi(steps);
        let scale = second.sqrt().div_scalar(correction2.sqrt()).add_scalar(self.epsilon);
        value.mul_scalar(1.0 - self.rate * self.weight_decay)
            - first.div(scale).mul_scalar(self.rate / correction1)
    }
}
