//! Bringing images and weights into the order in which the inner loops read them.

use super::shape::{ConvShape, Layout};
use super::width::Kernel;

/// Copies one image into NHWC with its border of zeros. `to` may be longer: the rest is left.
pub(super) struct PadImage<'a> {
    pub shape: &'a ConvShape,
    pub layout: Layout,
    pub image: &'a [f32],
    pub to: &'a mut [f32],
}

impl Kernel for PadImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let PadImage { shape, layout, image, to } = self;
        let [height, width] = shape.in_size;
        let [top, left] = shape.padding;
        let channels = shape.in_channels;
        let row_len = shape.padded_row();
        if top + left > 0 {
            to[..shape.padded_len()].fill(0.0);
        } else if layout == Layout::Nhwc {
            return to[..image.len()].copy_from_slice(image);
        }
        for y in 0..height {
            let row = &mut to[(y + top) * row_len + left * channels..][..width * channels];
            match layout {
                Layout::Nhwc => {
                    row.copy_from_slice(&image[y * width * channels..][..width * channels]);
                }
                Layout::Nchw if channels == 3 => {
                    // The usual first layer; a fixed number of planes vectorises.
                    let plane = height * width;
                    let red = &image[y * width..][..width];
                    let green = &image[plane + y * width..][..width];
                    let blue = &image[2 * plane + y * width..][..width];
                    let pixels = row.as_chunks_mut::<3>().0;
                    for (((pixel, &red), &green), &blue) in
                        pixels.iter_mut().zip(red).zip(green).zip(blue)
                    {
                        *pixel = [red, green, blue];
                    }
                }
                Layout::Nchw => {
                    for c in 0..channels {
                        let plane_row = &image[(c * height + y) * width..][..width];
                        for (pixel, &value) in row.chunks_exact_mut(channels).zip(plane_row) {
                            pixel[c] = value;
                        }
                    }
                }
            }
        }
    }
}

/// The gradient behind ReLU: zero where the output was; a NaN output lets it pass, as in Burn.
pub(super) struct Mask<'a> {
    pub gradient: &'a [f32],
    pub output: &'a [f32],
    pub to: &'a mut [f32],
}

impl Kernel for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        for ((to, &gradient), &output) in self.to.iter_mut().zip(self.gradient).zip(self.output) {
            *to = if output <= 0.0 { 0.0 } else { gradient };
        }
    }
}

/// The inverse of [`PadImage`]: drops the border and restores the layout.
pub(super) fn crop_image(shape: &ConvShape, layout: Layout, padded: &[f32], image: &mut [f32]) {
    let [height, width] = shape.in_size;
    let [top, left] = shape.padding;
    let channels = shape.in_channels;
    for y in 0..height {
        let row = &padded[(y + top) * shape.padded_row() + left * channels..][..width * channels];
        match layout {
            Layout::Nhwc => image[y * width * channels..][..width * channels].copy_from_slice(row),
            Layout::Nchw => {
                for c in 0..channels {
                    let plane_row = &mut image[(c * height + y) * width..][..width];
                    for (value, pixel) in plane_row.iter_mut().zip(row.chunks_exact(channels)) {
                        *value = pixel[c];
                    }
                }
            }
        }
    }
}

/// Which matrix of a convolution's weights to pack.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    /// Output channels from input channels.
    Forward,
    /// Input channels from output channels, kernel turned by 180 degrees: the same convolution
    /// code then computes the input's gradient.
    Backward,
}

/// Vectors that a block of output channels spans: pairs, and one for what is left.
#[inline(always)]
pub(super) fn block_vectors(lanes: usize, channels_left: usize) -> usize {
    if channels_left > lanes { 2 } else { 1 }
}

/// Values in the result of [`pack_weights`] for vectors of `lanes`.
pub(super) fn weights_len(lanes: usize, outs: usize, patch_len: usize) -> usize {
    patch_len * outs.next_multiple_of(lanes)
}

/// Packs `[out, in, row, column]` weights as blocks of output channels,
/// `[block][row][column, in][lane]`, lanes without a channel zero.
pub(super) fn pack_weights(
    vector: usize,
    shape: &ConvShape,
    direction: Direction,
    weights: &[f32],
    to: &mut [f32],
) {
    let [height, width] = shape.kernel;
    let area = height * width;
    let (outs, ins, out_step, in_step) = match direction {
        Direction::Forward => {
            (shape.out_channels, shape.in_channels, shape.in_channels * area, area)
        }
        Direction::Backward => {
            (shape.in_channels, shape.out_channels, area, shape.in_channels * area)
        }
    };
    let (mut first, mut to) = (0, to);
    while first < outs {
        let lanes = vector * block_vectors(vector, outs - first);
        let used = lanes.min(outs - first);
        let (block, rest) = to.split_at_mut(area * ins * lanes);
        for (index, to) in block.chunks_exact_mut(lanes).enumerate() {
            let (tap, input) = (index / ins, index % ins);
            let tap = match direction {
                Direction::Forward => tap,
                Direction::Backward => area - 1 - tap,
            };
            let source = &weights[first * out_step + input * in_step + tap..];
            for (lane, to) in to[..used].iter_mut().enumerate() {
                *to = source[lane * out_step];
            }
            to[used..].fill(0.0);
        }
        first += lanes;
        to = rest;
    }
}

/// Values in the result of [`pack_patches`] for vectors of `lanes`.
pub(super) fn patches_len(lanes: usize, shape: &ConvShape) -> usize {
    shape.out_channels * shape.kernel[0] * shape.patch_row().next_multiple_of(lanes)
}

/// Packs weights as `[out][row][column, in]`, each row filled up to whole vectors with zeros.
pub(super) fn pack_patches(lanes: usize, shape: &ConvShape, weights: &[f32], to: &mut [f32]) {
    let row = shape.patch_row().next_multiple_of(lanes);
    let ([height, width], ins) = (shape.kernel, shape.in_channels);
    for (out, to) in to.chunks_exact_mut(height * row).enumerate() {
        let weights = &weights[out * shape.patch_len()..];
        for (ky, to) in to.chunks_exact_mut(row).enumerate() {
            for (kx, to) in to[..width * ins].chunks_exact_mut(ins).enumerate() {
                let source = weights[ky * width + kx..].iter().step_by(height * width);
                to.iter_mut().zip(source).for_each(|(to, &from)| *to = from);
            }
            to[width * ins..].fill(0.0);
        }
    }
}

/// The inverse of [`pack_patches`].
pub(super) fn unpack_patches(lanes: usize, shape: &ConvShape, patches: &[f32], to: &mut [f32]) {
    let row = shape.patch_row().next_multiple_of(lanes);
    let ([height, width], ins) = (shape.kernel, shape.in_channels);
    for (out, patch) in patches.chunks_exact(height * row).enumerate() {
        let to = &mut to[out * shape.patch_len()..];
        for (ky, row) in patch.chunks_exact(row).enumerate() {
            for (kx, pixel) in row[..width * ins].chunks_exact(ins).enumerate() {
                let target = to[ky * width + kx..].iter_mut().step_by(height * width);
                target.zip(pixel).for_each(|(to, &from)| *to = from);
            }
        }
    }
}

/// Values of one row of gradients by output channel: whole pairs of vectors, since with a single
/// vector the compiler interchanges the loops of the product and scatters, fifty times slower.
pub(super) fn column_len(lanes: usize, channels: usize) -> usize {
    channels.next_multiple_of(2 * lanes)
}

/// Turns `[row][column, in][out]` gradients, `out` filled up to whole vectors, into
/// `[out, in, row, column]`.
pub(super) fn unpack_columns(lanes: usize, shape: &ConvShape, columns: &[f32], to: &mut [f32]) {
    let lanes = column_len(lanes, shape.out_channels);
    let (ins, area) = (shape.in_channels, shape.kernel[0] * shape.kernel[1]);
    for (out, to) in to.chunks_exact_mut(ins * area).enumerate() {
        for (input, to) in to.chunks_exact_mut(area).enumerate() {
            let source = columns[input * lanes + out..].iter().step_by(ins * lanes);
            to.iter_mut().zip(source).for_each(|(to, &from)| *to = from);
        }
    }
}

/// Whether every value of some slices is finite.
pub(super) struct AllFinite<'a, const COUNT: usize>(pub [&'a [f32]; COUNT]);

impl<const COUNT: usize> Kernel for AllFinite<'_, COUNT> {
    type Output = bool;

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) -> bool {
        const EXPONENT: u32 = 0x7f80_0000;
        let bad = |value: &f32| u32::from(value.to_bits() & EXPONENT == EXPONENT);
        // Blocks without an early exit vectorise; leaving between blocks is enough.
        let fine = |block: &[f32]| block.iter().fold(0, |found, value| found | bad(value)) == 0;
        self.0.iter().all(|values| values.chunks(1024).all(fine))
    }
}
