//! Sizes of a convolution and how its tensors lie in memory.

/// How the values of an image tensor follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[image, channel, row, column]`: PyTorch's and Burn's logical order.
    Nchw,
    /// `[image, row, column, channel]`: what the kernels work in; cheapest between two of them.
    Nhwc,
}

/// Sizes of a two-dimensional convolution (dilation 1, one group).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Rows and columns of the input.
    pub in_size: [usize; 2],
    /// Channels of the output.
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Distance between windows, down and across.
    pub stride: [usize; 2],
    /// Zeros added above and below, left and right.
    pub padding: [usize; 2],
}

impl ConvShape {
    /// Whether the kernels can compute this: nothing is empty and the kernel fits the input.
    pub fn supports(&self) -> bool {
        let padded = self.padded_size();
        let sizes = [self.batch, self.in_channels, self.out_channels];
        sizes
            .iter()
            .chain(&self.in_size)
            .chain(&self.kernel)
            .chain(&self.stride)
            .all(|&size| size > 0)
            && (0..2).all(|axis| padded[axis] >= self.kernel[axis])
    }

    /// Rows and columns of the convolution's output.
    pub fn conv_size(&self) -> [usize; 2] {
        let padded = self.padded_size();
        std::array::from_fn(|axis| (padded[axis] - self.kernel[axis]) / self.stride[axis] + 1)
    }

    /// Values in the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.image_len()
    }

    /// Values in the weights, `[out, in, row, column]`.
    pub fn weight_len(&self) -> usize {
        self.out_channels * self.patch_len()
    }

    /// Values in one image of the input.
    pub(super) fn image_len(&self) -> usize {
        self.in_channels * self.in_size[0] * self.in_size[1]
    }

    /// Values under the kernel.
    pub(super) fn patch_len(&self) -> usize {
        self.kernel[0] * self.patch_row()
    }

    /// Values under one row of the kernel; in NHWC they are contiguous.
    pub(super) fn patch_row(&self) -> usize {
        self.kernel[1] * self.in_channels
    }

    pub(super) fn padded_size(&self) -> [usize; 2] {
        std::array::from_fn(|axis| self.in_size[axis] + 2 * self.padding[axis])
    }

    /// Values in a row of a padded NHWC image.
    pub(super) fn padded_row(&self) -> usize {
        self.padded_size()[1] * self.in_channels
    }

    /// Values in a padded image.
    pub(super) fn padded_len(&self) -> usize {
        self.padded_size()[0] * self.padded_row()
    }
}
