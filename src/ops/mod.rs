//! The few tensor operations that nets and optimisers are made of.
//!
//! A net calls these functions and nothing else, so which implementation runs is decided here: our
//! fused kernels (`kernel`, wrapped for Burn in `flex`) on the processor, Burn's own operations
//! (`burn`) everywhere else and for every shape that the kernels do not take. `STRATA_OPS=burn`
//! switches the kernels off.
//!
//! Shapes follow PyTorch: images are `[batch, channels, height, width]`, convolution weights
//! `[out, in, kernel, kernel]`; linear weights are `[in, out]`, Burn's own layout.

mod burn;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
#[cfg(all(test, feature = "flex"))]
mod tests;
mod update;

use ::burn::tensor::Tensor;

use crate::device::{ComputeDevice, DeviceKind};

#[cfg(feature = "flex")]
pub use kernel::Width;
pub use update::{AdamWStep, SgdStep};

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

/// Batch statistics as [`batch_norm_training`] measured them; both `[channels]`, off the graph.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// Mean of each channel over batch and pixels.
    pub mean: Tensor<1>,
    /// Biased variance of each channel.
    pub variance: Tensor<1>,
}

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
    #[cfg(feature = "flex")]
    if kernels_wanted()
        && let Some(y) = flex::conv_block(&x, &weight, bias.as_ref(), geometry, activation)
    {
        return y;
    }
    burn::conv_block(x, weight, bias, geometry, activation)
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
    #[cfg(feature = "flex")]
    if kernels_wanted()
        && let Some(normed) = flex::batch_norm_training(&x, &gamma, &beta, activation)
    {
        return normed;
    }
    burn::batch_norm_training(x, gamma, beta, activation)
}

/// Batch norm by given statistics (the running ones), and the activation.
pub fn batch_norm_inference(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    statistics: BatchStatistics,
    activation: Activation,
) -> Tensor<4> {
    burn::batch_norm_inference(x, gamma, beta, statistics, activation)
}

/// Feature maps flattened in PyTorch's order (channel, row, column), then a stack of linear layers
/// with ReLU between them and none after the last.
///
/// Shapes: `x` `[n, c, h, w]`, each weight `[in, out]`, each bias `[out]`.
pub fn classifier(x: Tensor<4>, layers: Vec<(Tensor<2>, Tensor<1>)>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if kernels_wanted()
        && let Some(logits) = flex::classifier(&x, &layers)
    {
        return logits;
    }
    burn::classifier(x, layers)
}

/// Mean cross-entropy of `logits` `[n, classes]` against the class of each image, in nats; `[1]`.
pub fn cross_entropy(logits: Tensor<2>, labels: &[i64]) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if kernels_wanted()
        && let Some(loss) = flex::cross_entropy(&logits, labels)
    {
        return loss;
    }
    burn::cross_entropy(logits, labels)
}

/// The memory of a plain tensor that is used no more, to be filled again: on Flex, if nothing else
/// holds the tensor, the vector it was made of; elsewhere an empty one.
pub fn reclaim<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    #[cfg(feature = "flex")]
    if let Some(memory) = flex::reclaim(tensor) {
        return memory;
    }
    #[cfg(not(feature = "flex"))]
    drop(tensor);
    Vec::new()
}

/// Which implementation of the operations runs on `device`, for the manifest.
pub fn implementation(device: &ComputeDevice) -> String {
    #[cfg(feature = "flex")]
    if device.kind == DeviceKind::Cpu && kernels_wanted() {
        return format!("fused kernels, {}", Width::current().name());
    }
    format!("Burn's own operations on {}", device.kind)
}

/// Whether the kernels may run: unless `STRATA_OPS=burn` was set when the process began.
#[cfg(feature = "flex")]
fn kernels_wanted() -> bool {
    static WANTED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *WANTED.get_or_init(|| std::env::var_os("STRATA_OPS").is_none_or(|value| value != "burn"))
}
