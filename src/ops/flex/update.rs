//! Optimiser updates in place.

use burn::tensor::Tensor;
use burn_flex::{Flex, FlexTensor};

use super::super::kernel::{AdamW, Sgd};
use super::super::{AdamWStep, SgdStep};
use super::{contiguous, open, tensor, values};

/// A vector off the graph, ready to be changed in place if nothing else holds it.
fn take(vector: Tensor<1>) -> Option<FlexTensor> {
    let opened = open(&vector);
    drop(vector);
    opened?.plain().map(contiguous)
}

fn give(vector: FlexTensor) -> Tensor<1> {
    Tensor::from_primitive::<Flex>(vector)
}

/// Whether all of these are plain vectors of Flex.
fn apply_to<const N: usize>(vectors: [&Tensor<1>; N]) -> bool {
    vectors.iter().all(|vector| open(vector).is_some_and(|opened| opened.plain().is_some()))
}

/// See [`SgdStep::apply`]; gives the value back where the kernels do not apply.
pub(in super::super) fn sgd(
    step: &SgdStep,
    value: Tensor<1>,
    gradient: &Tensor<1>,
    velocity: &mut Option<Tensor<1>>,
) -> Result<Tensor<1>, Tensor<1>> {
    if !apply_to([&value, gradient]) {
        return Err(value);
    }
    let (Some(mut weight), Some(gradient)) = (take(value), take(gradient.clone())) else {
        unreachable!("checked above");
    };
    let sgd = Sgd {
        rate: step.rate,
        momentum: step.momentum,
        nesterov: step.nesterov,
        decay: step.weight_decay,
    };
    let size = values(&gradient).len();
    if step.momentum == 0.0 {
        sgd.step(weight.storage_mut(), values(&gradient), &mut []);
        return Ok(give(weight));
    }
    // μ · 0 + g = g: a velocity of zeros makes the first step PyTorch's.
    let mut memory =
        velocity.take().and_then(take).unwrap_or_else(|| tensor(vec![0.0; size], &[size]));
    sgd.step(weight.storage_mut(), values(&gradient), memory.storage_mut());
    *velocity = Some(give(memory));
    Ok(give(weight))
}

/// See [`AdamWStep::apply`]; gives the value back where the kernels do not apply.
pub(in super::super) fn adamw(
    step: &AdamWStep,
    value: Tensor<1>,
    gradient: &Tensor<1>,
    moments: &mut Option<(Tensor<1>, Tensor<1>)>,
) -> Result<Tensor<1>, Tensor<1>> {
    if !apply_to([&value, gradient]) {
        return Err(value);
    }
    let (Some(mut weight), Some(gradient)) = (take(value), take(gradient.clone())) else {
        unreachable!("checked above");
    };
    let adamw = AdamW {
        rate: step.rate,
        betas: [step.betas.0, step.betas.1],
        epsilon: step.epsilon,
        decay: step.weight_decay,
        time: u32::try_from(step.step).unwrap_or(u32::MAX),
    };
    let size = values(&gradient).len();
    let zeros = || tensor(vec![0.0; size], &[size]);
    let (first, second) = match moments.take() {
        Some((first, second)) => (take(first), take(second)),
        None => (None, None),
    };
    let mut first = first.unwrap_or_else(zeros);
    let mut second = second.unwrap_or_else(zeros);
    adamw.step(weight.storage_mut(), values(&gradient), first.storage_mut(), second.storage_mut());
    *moments = Some((give(first), give(second)));
    Ok(give(weight))
}
