//! Convolution, bias, ReLU and 2x2 max-pool as one operation, forward and backward.

use super::shape::{ConvShape, Layout};
use super::{conv_backward, conv_forward};

/// A convolution with what follows it.
#[derive(Clone, Copy, Debug)]
pub struct ConvBlock {
    /// Sizes of the convolution; ask [`ConvShape::supports`] first.
    pub shape: ConvShape,
    /// Whether ReLU follows.
    pub relu: bool,
    /// Whether a 2x2 max-pool with stride 2 follows; an odd last row or column is dropped.
    pub pool: bool,
    /// Layout of the input and of its gradient.
    pub input: Layout,
    /// Layout of the output and of its gradient.
    pub output: Layout,
    /// 1, or the number of shares for the current rayon pool. The result does not depend on it.
    pub threads: usize,
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    /// Input of the block.
    pub input: &'a [f32],
    /// Weights, `[out, in, row, column]`.
    pub weight: &'a [f32],
    /// Output of the block; it tells where ReLU was zero. Not read without ReLU.
    pub output: &'a [f32],
    /// Places of the maxima, as [`ConvBlock::forward`] wrote them. Not read without a pool.
    pub places: &'a [u8],
    /// Input and weights are known to be finite; else the backward pass looks.
    pub finite: bool,
}

/// Where the backward pass writes; nothing is accumulated.
pub struct Gradients<'a> {
    /// Gradient of the input, if wanted.
    pub input: Option<&'a mut [f32]>,
    /// Gradient of the weights, `[out, in, row, column]`.
    pub weight: &'a mut [f32],
    /// Gradient of the bias, if wanted.
    pub bias: Option<&'a mut [f32]>,
}

impl ConvBlock {
    /// Rows and columns of the output.
    pub fn out_size(&self) -> [usize; 2] {
        self.shape.conv_size().map(|size| if self.pool { size / 2 } else { size })
    }

    /// Values in the output, and bytes of `places` with a pool.
    pub fn out_len(&self) -> usize {
        self.shape.batch * self.out_image_len()
    }

    pub(super) fn out_image_len(&self) -> usize {
        self.shape.out_channels * self.out_size()[0] * self.out_size()[1]
    }

    /// Computes the block.
    ///
    /// `weight` is `[out, in, row, column]`, `bias` `[out]`. `output` receives
    /// [`ConvBlock::out_len`] values in the layout `self.output`. With a pool, `places` receives
    /// as many bytes, always NHWC: where in its window each maximum was (0 to 3, row by row). Gives
    /// whether input and weights were found to be finite: what [`Saved::finite`] asks for.
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn forward(
        &self,
        input: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        output: &mut [f32],
        places: &mut [u8],
    ) -> bool {
        let shape = &self.shape;
        assert!(shape.supports(), "{shape:?}");
        assert_eq!(input.len(), shape.input_len(), "input");
        assert_eq!(weight.len(), shape.weight_len(), "weight");
        assert!(bias.is_none_or(|bias| bias.len() == shape.out_channels), "bias");
        assert_eq!(output.len(), self.out_len(), "output");
        assert_eq!(places.len(), if self.pool { self.out_len() } else { 0 }, "places");
        self.out_len() > 0 && conv_forward::forward(self, input, weight, bias, output, places)
    }

    /// Computes the gradients from that of the output.
    ///
    /// Values that are not finite spread as in Burn and PyTorch: zero times infinity is NaN. The
    /// fast path skips zeros, so a plain loop takes over when the input, the weights or the
    /// gradient hold one.
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn backward(&self, saved: Saved, gradient: &[f32], to: Gradients) {
        let shape = &self.shape;
        assert!(shape.supports(), "{shape:?}");
        assert_eq!(saved.input.len(), shape.input_len(), "input");
        assert_eq!(saved.weight.len(), shape.weight_len(), "weight");
        assert_eq!(gradient.len(), self.out_len(), "gradient");
        assert!(!self.relu || saved.output.len() == self.out_len(), "output");
        assert!(!self.pool || saved.places.len() == self.out_len(), "places");
        assert!(to.input.as_ref().is_none_or(|to| to.len() == shape.input_len()), "input gradient");
        assert_eq!(to.weight.len(), shape.weight_len(), "weight gradient");
        assert!(to.bias.as_ref().is_none_or(|to| to.len() == shape.out_channels), "bias gradient");

        conv_backward::backward(self, saved, gradient, to);
    }
}
