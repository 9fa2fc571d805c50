//! Optimiser updates in place.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexTensor};

use super::super::kernel::{AdamW, Sgd};
use super::super::{AdamWStep, SgdStep};
use super::reuse::give_tensor;
use super::{contiguous, tensor, values};

/// Whether the kernels apply: a plain f32 vector of Flex.
pub(in super::super) fn takes(vector: &Tensor<1>) -> bool {
    vector.dtype() == DType::F32
        && !vector.is_autodiff()
        && matches!(vector.device().as_dispatch(), DispatchDevice::Flex(_))
}

/// A plain vector, changed in place below if nothing else holds it.
fn take(vector: Tensor<1>) -> FlexTensor {
    contiguous(vector.try_into_primitive::<Flex>().expect("the caller asked whether it is of Flex"))
}

fn give(vector: FlexTensor) -> Tensor<1> {
    Tensor::from_primitive::<Flex>(vector)
}

/// See [`SgdStep::apply`]; all vectors are such as [`takes`] takes.
pub(in super::super) fn sgd(
    step: &SgdStep,
    value: Tensor<1>,
    gradient: Tensor<1>,
    velocity: &mut Option<Tensor<1>>,
) -> Tensor<1> {
    let (mut weight, gradient) = (take(value), take(gradient));
    let sgd = Sgd {
        rate: step.rate,
        momentum: step.momentum,
        nesterov: step.nesterov,
        decay: step.weight_decay,
    };
    let size = values(&gradient).len();
    if step.momentum == 0.0 {
        sgd.step(weight.storage_mut(), values(&gradient), &mut []);
        give_tensor(gradient);
        return give(weight);
    }
    // μ · 0 + g = g: a velocity of zeros makes the first step PyTorch's.
    let mut memory = velocity.take().map(take).unwrap_or_else(|| tensor(vec![0.0; size], &[size]));
    sgd.step(weight.storage_mut(), values(&gradient), memory.storage_mut());
    give_tensor(gradient);
    *velocity = Some(give(memory));
    give(weight)
}

/// See [`AdamWStep::apply`]; all vectors are such as [`takes`] takes.
pub(in super::super) fn adamw(
    step: &AdamWStep,
    value: Tensor<1>,
    gradient: Tensor<1>,
    moments: &mut Option<(Tensor<1>, Tensor<1>)>,
) -> Tensor<1> {
    let (mut weight, gradient) = (take(value), take(gradient));
    let adamw = AdamW {
        rate: step.rate,
        betas: [step.betas.0, step.betas.1],
        epsilon: step.epsilon,
        decay: step.weight_decay,
        time: u32::try_from(step.step).unwrap_or(u32::MAX),
    };
    let size = values(&gradient).len();
    let zeros = || tensor(vec![0.0; size], &[size]);
    let (mut first, mut second) = match moments.take() {
        Some((first, second)) => (take(first), take(second)),
        None => (zeros(), zeros()),
    };
    adamw.step(weight.storage_mut(), values(&gradient), first.storage_mut(), second.storage_mut());
    give_tensor(gradient);
    *moments = Some((give(first), give(second)));
    give(weight)
}
