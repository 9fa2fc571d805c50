//! Convolution forward where output channels fill whole vectors: the lanes are channels.
//!
//! An implicit matrix product. A register tile holds `P` pixels times `V` vectors of channels;
//! every input value is broadcast to the `V` vectors, every weight vector serves `P` pixels.
//! In NHWC a row of the window is one contiguous run, so nothing is unfolded in memory.

use super::lanes::{add_scaled, load_all, relu, store, window_max};
use super::pack::block_vectors;
use super::shape::ConvShape;
use super::width::Kernel;

/// What follows the convolution before anything is written to memory.
#[derive(Clone, Copy)]
pub(super) struct Epilogue<'a> {
    /// One value for each output channel, filled up to whole vectors.
    pub bias: &'a [f32],
    pub relu: bool,
    pub pool: bool,
}

/// Strides of one tile's operands, in values.
#[derive(Clone, Copy)]
struct Walk {
    kernel_rows: usize,
    patch_row: usize,
    image_row: usize,
    pixel: usize,
    next_row: usize,
}

/// Convolves one image.
pub(super) struct ForwardImage<'a> {
    pub shape: &'a ConvShape,
    /// NHWC with its border.
    pub image: &'a [f32],
    /// Packed by [`super::pack::PackWeights`].
    pub weights: &'a [f32],
    pub epilogue: Epilogue<'a>,
    /// Receives NHWC `[row, column, channel]`.
    pub output: &'a mut [f32],
    /// With a pool, receives in the same order where in its window each maximum was.
    pub places: &'a mut [u8],
}

impl Kernel for ForwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let mut block = self;
        let mut weights = block.weights;
        let mut first = 0;
        while first < block.shape.out_channels {
            let vectors = block_vectors(N, block.shape.out_channels - first);
            let rest;
            (block.weights, rest) = weights.split_at(block.shape.patch_len() * vectors * N);
            match (vectors, block.epilogue.pool) {
                (1, false) => plain_block::<N, FMA, 1>(&mut block, first),
                (_, false) => plain_block::<N, FMA, 2>(&mut block, first),
                (1, true) => pooled_block::<N, FMA, 1>(&mut block, first),
                (_, true) => pooled_block::<N, FMA, 2>(&mut block, first),
            }
            weights = rest;
            first += vectors * N;
        }
    }
}

/// Accumulator vectors that fit the registers beside one broadcast value and the weights.
const fn budget(lanes: usize) -> usize {
    match lanes {
        16 => 24,
        8 => 12,
        _ => 8,
    }
}

#[inline(always)]
fn plain_block<const N: usize, const FMA: bool, const V: usize>(
    block: &mut ForwardImage,
    first: usize,
) {
    let ForwardImage { shape, image, weights, epilogue, .. } = *block;
    let [height, width] = shape.conv_size();
    let walk = walk(shape);
    let bias: [[f32; N]; V] = load_all(&epilogue.bias[first..]);
    for y in 0..height {
        let image = &image[y * walk.next_row..];
        let mut x = 0;
        while x < width {
            let image = &image[x * walk.pixel..];
            let output = &mut block.output[(y * width + x) * shape.out_channels..];
            let out = Target { relu: epilogue.relu, first, channels: shape.out_channels, output };
            // The guards are constants: a tile that does not fit the registers is not compiled.
            x += match width - x {
                12.. if const { budget(N) >= 12 * V } => {
                    out.pixels(tile::<N, FMA, 12, V, 1>(image, weights, walk, &bias))
                }
                8.. if const { budget(N) >= 8 * V } => {
                    out.pixels(tile::<N, FMA, 8, V, 1>(image, weights, walk, &bias))
                }
                6.. if const { budget(N) == 6 * V } => {
                    out.pixels(tile::<N, FMA, 6, V, 1>(image, weights, walk, &bias))
                }
                4.. => out.pixels(tile::<N, FMA, 4, V, 1>(image, weights, walk, &bias)),
                2.. => out.pixels(tile::<N, FMA, 2, V, 1>(image, weights, walk, &bias)),
                _ => out.pixels(tile::<N, FMA, 1, V, 1>(image, weights, walk, &bias)),
            };
        }
    }
}

#[inline(always)]
fn pooled_block<const N: usize, const FMA: bool, const V: usize>(
    block: &mut ForwardImage,
    first: usize,
) {
    let ForwardImage { shape, image, weights, epilogue, .. } = *block;
    let [height, width] = shape.conv_size().map(|size| size / 2);
    let walk = walk(shape);
    let bias: [[f32; N]; V] = load_all(&epilogue.bias[first..]);
    // A window is four pixels. Of six windows by one vector the compiler makes gathers.
    let most = const { if budget(N) / V / 4 > 5 { 5 } else { budget(N) / V / 4 } };
    for y in 0..height {
        let image = &image[2 * y * walk.next_row..];
        let mut x = 0;
        while x < width {
            let image = &image[2 * x * walk.pixel..];
            let start = (y * width + x) * shape.out_channels;
            let (output, places) = (&mut block.output[start..], &mut block.places[start..]);
            let out = Target { relu: epilogue.relu, first, channels: shape.out_channels, output };
            // An even share for each tile of the row.
            let left = width - x;
            x += match left.div_ceil(left.div_ceil(most)) {
                5 if const { budget(N) >= 20 * V } => out.windows::<N, V, 20>(
                    tile::<N, FMA, 20, V, 2>(image, weights, walk, &bias),
                    places,
                ),
                4 if const { budget(N) >= 16 * V } => out.windows::<N, V, 16>(
                    tile::<N, FMA, 16, V, 2>(image, weights, walk, &bias),
                    places,
                ),
                3 if const { budget(N) >= 12 * V } => out.windows::<N, V, 12>(
                    tile::<N, FMA, 12, V, 2>(image, weights, walk, &bias),
                    places,
                ),
                2 if const { budget(N) >= 8 * V } => out.windows::<N, V, 8>(
                    tile::<N, FMA, 8, V, 2>(image, weights, walk, &bias),
                    places,
                ),
                _ => out.windows::<N, V, 4>(
                    tile::<N, FMA, 4, V, 2>(image, weights, walk, &bias),
                    places,
                ),
            };
        }
    }
}

fn walk(shape: &ConvShape) -> Walk {
    Walk {
        kernel_rows: shape.kernel[0],
        patch_row: shape.patch_row(),
        image_row: shape.padded_row(),
        pixel: shape.stride[1] * shape.in_channels,
        next_row: shape.stride[0] * shape.padded_row(),
    }
}

/// The innermost loop: `P` pixels in `ROWS` output rows, times `V` vectors of channels.
#[inline(always)]
fn tile<const N: usize, const FMA: bool, const P: usize, const V: usize, const ROWS: usize>(
    image: &[f32],
    weights: &[f32],
    walk: Walk,
    bias: &[[f32; N]; V],
) -> [[[f32; N]; V]; P] {
    let mut sums = [*bias; P];
    let across = P / ROWS;
    for (ky, weights) in
        weights.chunks_exact(walk.patch_row * V * N).enumerate().take(walk.kernel_rows)
    {
        let image = &image[ky * walk.image_row..];
        // Slices of exactly `patch_row` values: the inner loop needs no bounds checks.
        let pixels: [&[f32]; P] = std::array::from_fn(|p| {
            let start = p / across * walk.next_row + p % across * walk.pixel;
            &image[start..][..walk.patch_row]
        });
        for (k, weights) in weights.chunks_exact(V * N).enumerate() {
            let weights: [[f32; N]; V] = load_all(weights);
            for p in 0..P {
                for v in 0..V {
                    add_scaled::<N, FMA>(&mut sums[p][v], pixels[p][k], &weights[v]);
                }
            }
        }
    }
    sums
}

/// Where a tile's results go: a run of NHWC pixels, from channel `first`.
struct Target<'a> {
    relu: bool,
    first: usize,
    channels: usize,
    output: &'a mut [f32],
}

impl Target<'_> {
    /// Writes `P` pixels and returns their number.
    #[inline(always)]
    fn pixels<const N: usize, const V: usize, const P: usize>(
        self,
        mut sums: [[[f32; N]; V]; P],
    ) -> usize {
        for (p, sums) in sums.iter_mut().enumerate() {
            let pixel = &mut self.output[p * self.channels..(p + 1) * self.channels];
            for (v, sums) in sums.iter_mut().enumerate() {
                if self.relu {
                    relu(sums);
                }
                store(&mut pixel[self.first + v * N..], sums);
            }
        }
        P
    }

    /// Writes the maxima of `P / 4` windows whose pixels are `P / 2` from each of two rows, and
    /// returns their number.
    #[inline(always)]
    fn windows<const N: usize, const V: usize, const P: usize>(
        self,
        sums: [[[f32; N]; V]; P],
        places: &mut [u8],
    ) -> usize {
        for window in 0..P / 4 {
            let [left, below] = [2 * window, P / 2 + 2 * window];
            let pixel = window * self.channels..(window + 1) * self.channels;
            let (output, places) = (&mut self.output[pixel.clone()], &mut places[pixel]);
            for v in 0..V {
                let corners =
                    [&sums[left][v], &sums[left + 1][v], &sums[below][v], &sums[below + 1][v]];
                let (mut best, place) = window_max(corners);
                if self.relu {
                    relu(&mut best);
                }
                let channel = self.first + v * N;
                store(&mut output[channel..], &best);
                places[channel..].iter_mut().zip(place).for_each(|(to, place)| *to = place as u8);
            }
        }
        P / 4
    }
}
