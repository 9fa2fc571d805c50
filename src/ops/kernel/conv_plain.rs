//! The convolution block as plain loops in double precision.
//!
//! The definition against which the fast kernels are tested, and what runs when values are not
//! finite: every product is computed, those with a zero included, so NaN and infinity spread as
//! they do in Burn and PyTorch.

use super::conv_block::{ConvBlock, Gradients, Saved};
use super::shape::Layout;

/// Index of a value in an image tensor of `[channels, rows, columns]`.
fn at(layout: Layout, [channels, height, width]: [usize; 3], [n, c, y, x]: [usize; 4]) -> usize {
    match layout {
        Layout::Nchw => ((n * channels + c) * height + y) * width + x,
        Layout::Nhwc => ((n * height + y) * width + x) * channels + c,
    }
}

impl ConvBlock {
    fn in_dims(&self) -> [usize; 3] {
        let [height, width] = self.shape.in_size;
        [self.shape.in_channels, height, width]
    }

    fn out_dims(&self) -> [usize; 3] {
        let [height, width] = self.out_size();
        [self.shape.out_channels, height, width]
    }

    /// Calls `visit(input index or None in the border, weight index)` for each product of the
    /// convolution's output `[n, out, y, x]`.
    fn products(&self, [n, out, y, x]: [usize; 4], mut visit: impl FnMut(Option<usize>, usize)) {
        let shape = &self.shape;
        for input in 0..shape.in_channels {
            for ky in 0..shape.kernel[0] {
                for kx in 0..shape.kernel[1] {
                    let row = (y * shape.stride[0] + ky).checked_sub(shape.padding[0]);
                    let column = (x * shape.stride[1] + kx).checked_sub(shape.padding[1]);
                    let inside = row
                        .filter(|&row| row < shape.in_size[0])
                        .zip(column.filter(|&x| x < shape.in_size[1]));
                    let weight = ((out * shape.in_channels + input) * shape.kernel[0] + ky)
                        * shape.kernel[1]
                        + kx;
                    visit(
                        inside.map(|(row, column)| {
                            at(self.input, self.in_dims(), [n, input, row, column])
                        }),
                        weight,
                    );
                }
            }
        }
    }

    /// Calls `visit([n, channel, row, column])` for each value of a tensor.
    fn each(&self, [channels, height, width]: [usize; 3], mut visit: impl FnMut([usize; 4])) {
        for n in 0..self.shape.batch {
            for c in 0..channels {
                for y in 0..height {
                    for x in 0..width {
                        visit([n, c, y, x]);
                    }
                }
            }
        }
    }
}

/// [`ConvBlock::forward`], as plain loops. Only the tests need it: the fast forward pass computes
/// every product, so it needs no other way for values that are not finite.
#[cfg(test)]
pub(super) fn forward(
    block: &ConvBlock,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    places: &mut [u8],
) {
    let value = |position: [usize; 4]| {
        let mut sum = bias.map_or(0.0, |bias| f64::from(bias[position[1]]));
        block.products(position, |from, tap| {
            sum += from.map_or(0.0, |from| f64::from(input[from])) * f64::from(weight[tap]);
        });
        sum as f32
    };
    let dims = block.out_dims();
    block.each(dims, |[n, c, y, x]| {
        let mut best = if block.pool { value([n, c, 2 * y, 2 * x]) } else { value([n, c, y, x]) };
        if block.pool {
            let mut best_place = 0;
            for place in 1..4 {
                let candidate = value([n, c, 2 * y + place / 2, 2 * x + place % 2]);
                if candidate > best || candidate.is_nan() {
                    (best, best_place) = (candidate, place);
                }
            }
            places[at(Layout::Nhwc, dims, [n, c, y, x])] = best_place as u8;
        }
        let dead = block.relu && best <= 0.0;
        output[at(block.output, dims, [n, c, y, x])] = if dead { 0.0 } else { best };
    });
}

/// [`ConvBlock::backward`], as plain loops.
pub(super) fn backward(block: &ConvBlock, saved: Saved, gradient: &[f32], to: Gradients) {
    let shape = &block.shape;
    let out = block.out_dims();
    let [height, width] = shape.conv_size();
    let conv = [shape.out_channels, height, width];
    // Gradient of the convolution itself, zeros included.
    let mut unpooled = vec![0.0; shape.batch * shape.out_channels * height * width];
    block.each(out, |[n, c, y, x]| {
        let from = at(block.output, out, [n, c, y, x]);
        let dead = block.relu && saved.output[from] <= 0.0;
        let value = if dead { 0.0 } else { f64::from(gradient[from]) };
        let place = if block.pool {
            usize::from(saved.places[at(Layout::Nhwc, out, [n, c, y, x])])
        } else {
            0
        };
        let scale = if block.pool { 2 } else { 1 };
        unpooled[at(Layout::Nchw, conv, [n, c, scale * y + place / 2, scale * x + place % 2])] =
            value;
    });

    let mut inputs = vec![0.0; shape.input_len()];
    let mut weights = vec![0.0; shape.weight_len()];
    let mut biases = vec![0.0; shape.out_channels];
    block.each(conv, |position| {
        let unit = unpooled[at(Layout::Nchw, conv, position)];
        biases[position[1]] += unit;
        block.products(position, |from, tap| {
            weights[tap] += unit * from.map_or(0.0, |from| f64::from(saved.input[from]));
            if let Some(from) = from {
                inputs[from] += unit * f64::from(saved.weight[tap]);
            }
        });
    });
    let copy = |to: &mut [f32], from: &[f64]| {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from as f32)
    };
    copy(to.weight, &weights);
    to.bias.into_iter().for_each(|to| copy(to, &biases));
    to.input.into_iter().for_each(|to| copy(to, &inputs));
}
