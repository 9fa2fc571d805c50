//! The few tensor operations that the nets are made of.
//!
//! A net calls these functions and nothing else, so which implementation runs is decided here.
//! Shapes follow PyTorch: images are `[batch, channels, height, width]`, convolution weights
//! `[out, in, kernel, kernel]`; linear weights are `[in, out]`, Burn's own layout.

mod update;

pub use update::{AdamWStep, SgdStep};

use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::module::{
    batch_norm as burn_batch_norm, batch_norm_train, conv2d, linear, max_pool2d,
};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Int, Tensor};

use crate::device::ComputeDevice;

/// What follows a convolution or a batch norm within one fused block: nothing, ReLU, or ReLU and a
/// 2×2 max-pool of stride 2 (an odd last row or column is dropped, as PyTorch does).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The output as it is.
    Linear,
    /// max(0, x).
    Relu,
    /// max(0, x), then the maximum of each 2×2 window.
    ReluMaxPool,
}

/// Stride and zero padding of a square convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Step between two windows, in pixels.
    pub stride: usize,
    /// Zeros added on each side, in pixels.
    pub padding: usize,
}

/// ε of batch norm: PyTorch's default.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Convolution, bias and activation.
///
/// Shapes: `x` `[n, c, h, w]`, `weight` `[o, c, k, k]`, `bias` `[o]`, output `[n, o, h', w']`.
pub fn conv_block(
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

/// Batch statistics as [`batch_norm_training`] measured them; both `[channels]`, off the graph.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// Mean of each channel over batch and pixels.
    pub mean: Tensor<1>,
    /// Biased variance of each channel.
    pub variance: Tensor<1>,
}

/// Batch norm by the statistics of the batch itself, and the activation.
///
/// Shapes: `x` `[n, c, h, w]`; `gamma`, `beta` `[c]`.
pub fn batch_norm_training(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    activation: Activation,
) -> (Tensor<4>, BatchStatistics) {
    let normed = batch_norm_train(x, gamma, beta, BATCH_NORM_EPSILON);
    let statistics =
        BatchStatistics { mean: normed.mean.inner(), variance: normed.variance.inner() };
    (activate(normed.output, activation), statistics)
}

/// Batch norm by given statistics (the running ones), and the activation.
pub fn batch_norm_inference(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    statistics: BatchStatistics,
    activation: Activation,
) -> Tensor<4> {
    let BatchStatistics { mean, variance } = statistics;
    activate(burn_batch_norm(x, gamma, beta, mean, variance, BATCH_NORM_EPSILON), activation)
}

/// A stack of linear layers with ReLU between them and none after the last.
///
/// Shapes: `x` `[n, in]`, each weight `[in, out]`, each bias `[out]`.
pub fn mlp(x: Tensor<2>, layers: Vec<(Tensor<2>, Tensor<1>)>) -> Tensor<2> {
    let last = layers.len().saturating_sub(1);
    layers.into_iter().enumerate().fold(x, |x, (index, (weight, bias))| {
        let y = linear(x, weight, Some(bias));
        if index < last { relu(y) } else { y }
    })
}

/// Mean cross-entropy of `logits` `[n, classes]` against class indices `labels` `[n]`, in nats.
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let log_probabilities = log_softmax(logits, 1);
    log_probabilities.gather(1, labels.unsqueeze_dim(1)).mean().neg()
}

/// Which implementation of the operations runs on `device`, for the manifest.
pub fn implementation(device: &ComputeDevice) -> String {
    format!("Burn's own operations on {}", device.kind)
}

fn activate(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::Linear => x,
        Activation::Relu => relu(x),
        Activation::ReluMaxPool => max_pool2d(relu(x), MaxPoolOptions::new([2, 2])),
    }
}
