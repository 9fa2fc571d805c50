//! The operations by Burn's own functions: what runs on every device, and the reference that the
//! fast path is tested against.

use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::module::{batch_norm, batch_norm_train, conv2d, linear, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, TensorData};

use super::{Activation, BATCH_NORM_EPSILON, BatchStatistics, ConvGeometry};

pub(super) fn conv_block(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    geometry: ConvGeometry,
    activation: Activation,
) -> Tensor<4> {
    let ConvGeometry { stride, padding } = geometry;
    let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
    activate(conv2d(x, weight, bias, options), activation)
}

pub(super) fn batch_norm_training(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    activation: Activation,
) -> (Tensor<4>, BatchStatistics) {
    let normed = batch_norm_train(x, gamma, beta, BATCH_NORM_EPSILON);
    let (mean, variance) = (normed.mean.inner(), normed.variance.inner());
    (activate(normed.output, activation), BatchStatistics { mean, variance })
}

pub(super) fn batch_norm_inference(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    statistics: BatchStatistics,
    activation: Activation,
) -> Tensor<4> {
    let BatchStatistics { mean, variance } = statistics;
    activate(batch_norm(x, gamma, beta, mean, variance, BATCH_NORM_EPSILON), activation)
}

pub(super) fn classifier(x: Tensor<4>, layers: Vec<(Tensor<2>, Tensor<1>)>) -> Tensor<2> {
    let last = layers.len().saturating_sub(1);
    let layers = layers.into_iter().enumerate();
    layers.fold(x.flatten(1, 3), |x, (index, (weight, bias))| {
        let y = linear(x, weight, Some(bias));
        if index < last { relu(y) } else { y }
    })
}

pub(super) fn cross_entropy(logits: Tensor<2>, labels: &[i64]) -> Tensor<1> {
    let labels = TensorData::new(labels.to_vec(), [labels.len(), 1]);
    let labels = Tensor::from_data(labels, &logits.device());
    log_softmax(logits, 1).gather(1, labels).mean().neg()
}

fn activate(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::Linear => x,
        Activation::Relu => relu(x),
        Activation::ReluMaxPool => max_pool2d(relu(x), MaxPoolOptions::new([2, 2])),
    }
}
