//! Gradients of a convolution block.

use super::conv_block::{ConvBlock, Gradients, Saved};
use super::conv_strips::{self, Cut, STRIP, Strips};
use super::pack::{self, Direction, Mask, PadImage};
use super::parallel::{CHUNK, run_all};
use super::scratch::Scratch;
use super::shape::{ConvShape, Layout};
use super::transpose::Transpose;
use super::width::{Kernel, Vectors};
use super::{conv_dense, conv_plain, conv_slide, conv_sparse, conv_wide};

/// Computes what [`ConvBlock::backward`] documents; lengths are checked there.
pub(super) fn backward(block: &ConvBlock, saved: Saved, gradient: &[f32], to: Gradients) {
    let shape = &block.shape;
    let vectors = Vectors::current();
    let saved_is_finite = saved.finite || vectors.run(pack::AllFinite([saved.input, saved.weight]));
    if !(saved_is_finite && vectors.run(pack::AllFinite([gradient]))) {
        return conv_plain::backward(block, saved, gradient, to);
    }
    if block.out_len() == 0 {
        to.weight.fill(0.0);
        to.bias.into_iter().for_each(|to| to.fill(0.0));
        to.input.into_iter().for_each(|to| to.fill(0.0));
        return;
    }
    let lanes = vectors.lanes();
    let packed_len = match transposed(block) {
        Some(shape) => pack::weights_len(lanes, shape.out_channels, shape.patch_len()),
        None => pack::patches_len(lanes, shape),
    };
    let gradient_lanes = lanes.min(STRIP);
    let gradient_len = if block.pool {
        pack::patches_len(gradient_lanes, shape)
    } else {
        shape.patch_len() * pack::column_len(lanes, shape.out_channels)
    };
    let mut packed = Scratch::take(if to.input.is_some() { packed_len } else { 0 });
    if to.input.is_some() {
        match transposed(block) {
            Some(_) => {
                pack::pack_weights(lanes, shape, Direction::Backward, saved.weight, &mut packed)
            }
            None => pack::pack_patches(lanes, shape, saved.weight, &mut packed),
        }
    }
    let packed = &*packed;

    // Each chunk sums its own weight gradient; chunks are added in their order.
    let partial_len = gradient_len + shape.out_channels;
    let mut total = Scratch::zeroed(partial_len);
    let chunks = Chunks { block, saved, gradient, input: to.input };
    let compute = |(chunk, partial): (Chunk, &mut [f32])| {
        partial.fill(0.0);
        backward_chunk(block, vectors, packed, chunk, partial);
    };
    if block.threads <= 1 {
        let mut partial = Scratch::take(partial_len);
        for chunk in chunks {
            compute((chunk, &mut partial));
            vectors.run(Add { to: &mut total, from: &partial });
        }
    } else {
        let mut partials = Scratch::take(partial_len * shape.batch.div_ceil(CHUNK));
        run_all(block.threads, chunks.zip(partials.chunks_exact_mut(partial_len)), compute);
        for partial in partials.chunks_exact(partial_len) {
            vectors.run(Add { to: &mut total, from: partial });
        }
    }
    if block.pool {
        pack::unpack_patches(gradient_lanes, shape, &total[..gradient_len], to.weight);
    } else {
        pack::unpack_columns(lanes, shape, &total[..gradient_len], to.weight);
    }
    if let Some(bias) = to.bias {
        bias.copy_from_slice(&total[gradient_len..]);
    }
}

/// The convolution that turns the output's gradient into the input's, if there is one.
fn transposed(block: &ConvBlock) -> Option<ConvShape> {
    let shape = &block.shape;
    let fits = (0..2).all(|axis| shape.padding[axis] < shape.kernel[axis]);
    (!block.pool && shape.stride == [1, 1] && fits).then(|| ConvShape {
        in_channels: shape.out_channels,
        in_size: shape.conv_size(),
        out_channels: shape.in_channels,
        padding: std::array::from_fn(|axis| shape.kernel[axis] - 1 - shape.padding[axis]),
        ..*shape
    })
}

/// Images of the batch that one task of the backward pass takes.
struct Chunk<'a> {
    saved: Saved<'a>,
    gradient: &'a [f32],
    input: Option<&'a mut [f32]>,
}

/// Cuts a batch into chunks.
struct Chunks<'a, 'b> {
    block: &'b ConvBlock,
    saved: Saved<'a>,
    gradient: &'a [f32],
    input: Option<&'a mut [f32]>,
}

impl<'a> Iterator for Chunks<'a, '_> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        fn take<'a, T>(from: &mut &'a [T], len: usize) -> &'a [T] {
            from.split_off(..len.min(from.len())).unwrap_or_default()
        }
        let image = CHUNK * self.block.shape.image_len();
        let out = CHUNK * self.block.out_image_len();
        if self.saved.input.is_empty() {
            return None;
        }
        let saved = Saved {
            input: take(&mut self.saved.input, image),
            weight: self.saved.weight,
            output: take(&mut self.saved.output, out),
            places: take(&mut self.saved.places, out),
            finite: self.saved.finite,
        };
        let input =
            self.input.as_mut().and_then(|input| input.split_off_mut(..image.min(input.len())));
        Some(Chunk { saved, gradient: take(&mut self.gradient, out), input })
    }
}

struct Add<'a> {
    to: &'a mut [f32],
    from: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        self.to.iter_mut().zip(self.from).for_each(|(to, from)| *to += from);
    }
}

/// Computes one chunk: its input gradient, and its sums of weight and bias gradients.
fn backward_chunk(
    block: &ConvBlock,
    vectors: Vectors,
    packed: &[f32],
    chunk: Chunk,
    partial: &mut [f32],
) {
    let Chunk { saved, gradient, input: mut input_gradient } = chunk;
    let shape = &block.shape;
    let (image_len, out_len, channels) =
        (shape.image_len(), block.out_image_len(), shape.out_channels);
    let (weights, bias) = partial.split_at_mut(partial.len() - channels);
    let lanes = if block.pool { channels } else { pack::column_len(vectors.lanes(), channels) };
    let pixels = out_len / channels;

    let mut image = Scratch::zeroed(shape.padded_len() + conv_sparse::SLACK);
    let as_it_is = block.input == Layout::Nhwc && shape.padding == [0, 0];
    let mut masked = Scratch::take(out_len);
    let mut units = Scratch::zeroed(pixels * lanes);
    let strips = Strips::new(shape);
    let mut cut = Scratch::take(if block.pool { strips.len() } else { 0 });
    let mut starts = Scratch::take(if block.pool { out_len } else { 0 });
    let mut first_row =
        Scratch::take(if block.pool { 2 * block.out_size()[1] * channels } else { 0 });
    let flipped = transposed(block);
    let mut padded_gradient = Scratch::take(flipped.map_or(0, |shape| shape.padded_len()));
    let mut nhwc = Scratch::take(shape.padded_len() + conv_sparse::SLACK);
    let no_bias = Scratch::zeroed(shape.in_channels + 2 * vectors.lanes());

    for (index, (input, gradient)) in
        saved.input.chunks_exact(image_len).zip(gradient.chunks_exact(out_len)).enumerate()
    {
        // What follows an image is read, but not used: only the last one must be copied for it.
        let rest = &saved.input[index * image_len..];
        let padded = if as_it_is && rest.len() >= image.len() {
            &rest[..image.len()]
        } else {
            vectors.run(PadImage { shape, layout: block.input, image: input, to: &mut image });
            &*image
        };
        if block.relu {
            let output = &saved.output[index * out_len..][..out_len];
            vectors.run(Mask { gradient, output, to: &mut masked });
        } else {
            masked.copy_from_slice(gradient);
        }
        // NHWC, each pixel filled up to `lanes`.
        match (block.output, lanes == channels) {
            (Layout::Nchw, true) => {
                let to = &mut *units;
                vectors.run(Transpose { from: &masked, rows: channels, columns: pixels, to });
            }
            (Layout::Nchw, false) => {
                for (pixel, to) in units.chunks_exact_mut(lanes).enumerate() {
                    let source = masked[pixel..].iter().step_by(pixels);
                    to.iter_mut().zip(source).for_each(|(to, &from)| *to = from);
                }
            }
            (Layout::Nhwc, true) => std::mem::swap(&mut masked, &mut units),
            (Layout::Nhwc, false) => {
                for (to, from) in units.chunks_exact_mut(lanes).zip(masked.chunks_exact(channels)) {
                    to[..channels].copy_from_slice(from);
                }
            }
        }

        let places = block.pool.then(|| &saved.places[index * out_len..][..out_len]);
        let sparse = conv_sparse::Units { shape, gradient: &units, unit_len: lanes, places };
        if block.pool {
            vectors.run(Cut { strips, image: padded, to: &mut cut });
            if index == 0 {
                conv_sparse::first_row(sparse, strips, &mut first_row);
            }
            vectors.run(conv_sparse::FindPatches {
                units: sparse,
                first_row: &first_row,
                to: &mut starts,
            });
            let add = conv_sparse::AddWeightGradient {
                units: sparse,
                starts: &starts,
                strips,
                image: &cut,
                patches: weights,
                bias,
            };
            conv_strips::run_narrow(vectors, add);
        } else {
            for pixel in units.chunks_exact(lanes) {
                bias.iter_mut().zip(pixel).for_each(|(bias, unit)| *bias += unit);
            }
            let outer = conv_dense::Outer {
                input: padded,
                gradient: &units,
                size: shape.conv_size(),
                steps: [shape.stride[0] * shape.padded_row(), shape.stride[1] * shape.in_channels],
                out_len: lanes,
            };
            let row = shape.patch_row();
            for (ky, sums) in weights.chunks_exact_mut(row * lanes).enumerate() {
                let first = ky * shape.padded_row();
                vectors.run(conv_dense::AddOuter { outer, first, count: row, sums });
            }
        }

        let Some(to) = &mut input_gradient else { continue };
        let to = &mut to[index * image_len..];
        if let Some(flipped) = &flipped {
            // The units' filling lanes are no channels of this convolution.
            let pixels = if lanes == channels { &units[..] } else { &masked[..] };
            let layout = if lanes == channels { Layout::Nhwc } else { block.output };
            let padded = &mut *padded_gradient;
            vectors.run(PadImage { shape: flipped, layout, image: pixels, to: padded });
            let epilogue = conv_wide::Epilogue { bias: &no_bias, relu: false, pool: false };
            let target = if block.input == Layout::Nhwc {
                &mut to[..image_len]
            } else {
                &mut nhwc[..image_len]
            };
            let (image, weights) = (&*padded_gradient, packed);
            vectors.run(conv_wide::ForwardImage {
                shape: flipped,
                image,
                weights,
                epilogue,
                output: target,
                places: &mut [],
            });
            if block.input == Layout::Nchw {
                let (from, columns) = (&nhwc[..image_len], shape.in_channels);
                let to = &mut to[..image_len];
                vectors.run(Transpose { from, rows: image_len / columns, columns, to });
            }
        } else {
            // Zeros are added to what follows an image: only the last one needs room of its own.
            let in_place = as_it_is && to.len() >= nhwc.len();
            let image = if in_place { &mut to[..nhwc.len()] } else { &mut *nhwc };
            image[..shape.padded_len()].fill(0.0);
            let weights = packed;
            if block.pool && conv_slide::suits(shape) {
                vectors.run(conv_slide::SlideInputGradient { units: sparse, weights, image });
            } else {
                vectors.run(conv_sparse::AddInputGradient { units: sparse, weights, image });
            }
            if !in_place {
                pack::crop_image(shape, block.input, &nhwc, &mut to[..image_len]);
            }
        }
    }
}
