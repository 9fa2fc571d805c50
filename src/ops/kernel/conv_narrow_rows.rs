//! [`super::conv_narrow`] with a pool and AVX-512, by the fast FIR algorithm: two columns at once as in
//! [`super::conv_narrow_fir`], and four rows ([`super::fast_rows`]).
//!
//! A tile is two rows of windows of two images. Everything that it needs (samples, weights, results)
//! has to stay in the first-level cache, and its sums in registers: 16 registers do not hold them, so
//! narrower vectors take `conv_narrow_fir.rs`, which is also the plain-loop version of this one.

use super::conv_narrow_rows_avx512 as avx512;
use super::conv_wide::Epilogue;
use super::fast_fir::{MOST_SAMPLES, PARTS, parts_taps};
use super::fast_rows::{self, OUTPUTS, PRODUCTS, Products, SAMPLES, Sums, TAPS, outputs};
use super::lanes::{add_scaled, load};
use super::scratch::Scratch;
use super::shape::ConvShape;
use super::width::{Kernel, Vectors};

/// Multiplications that a pooling window must save, over all output channels, to pay for the
/// additions.
const WORTH: usize = 60;

/// Lanes of a vector.
const N: usize = 16;

/// Whether this is the fastest way. Rows of windows must be whole vectors.
pub(super) fn pays(shape: &ConvShape, lanes: usize) -> bool {
    let [down, across] = shape.kernel;
    lanes == N
        && down == TAPS
        && across > 1
        && shape.conv_size()[0] >= 4
        && shape.padded_size()[1].is_multiple_of(2 * N)
        && (4 * TAPS * across - PRODUCTS * parts_taps(across) / 2) * shape.out_channels >= WORTH
        && PRODUCTS * 3 * shape.in_channels * row(shape).max(V * N) <= MOST_SAMPLES
}

/// Samples of a row: one for each window, and what its neighbours read beyond.
fn row(shape: &ConvShape) -> usize {
    shape.padded_size()[1] / 2
}

/// Values in the result of [`pack_weights`].
pub(super) fn weights_len(shape: &ConvShape) -> usize {
    PRODUCTS * parts_taps(shape.kernel[1]) * shape.in_channels * shape.out_channels
}

/// Transforms `[out, in, row, column]` weights into `[part across][product][in][column][out]`.
pub(super) fn pack_weights(shape: &ConvShape, weights: &[f32], to: &mut [f32]) {
    let width = shape.kernel[1];
    let (ins, outs) = (shape.in_channels, shape.out_channels);
    let mut to = to;
    for across in PARTS {
        let columns = across.taps(width);
        let part;
        (part, to) = to.split_at_mut(PRODUCTS * ins * columns * outs);
        for (number, kernel) in weights.chunks_exact(TAPS * width).enumerate() {
            let (out, input) = (number / ins, number % ins);
            for column in 0..columns {
                let sources = across.sources(column, width);
                let taps: [f32; TAPS] =
                    std::array::from_fn(|row| kernel[row * width..][sources.clone()].iter().sum());
                for (product, factors) in fast_rows::FACTORS.iter().enumerate() {
                    let factor = factors.iter().zip(taps).map(|(factor, tap)| factor * tap).sum();
                    part[((product * ins + input) * columns + column) * outs + out] = factor;
                }
            }
        }
    }
}

/// Images that are convolved together, so that pairs of rows fill the tiles.
pub(super) const GROUP: usize = V;

/// One image of a group.
#[derive(Default)]
pub(super) struct Image<'a> {
    /// NCHW with its border; every value is small enough for the algorithm.
    pub image: &'a [f32],
    /// Receives NHWC `[row, column, channel]`.
    pub output: &'a mut [f32],
    /// Receives in the same order where in its window each maximum was.
    pub places: &'a mut [u8],
}

/// Some images to convolve together.
pub(super) struct Group<'a, 'b> {
    pub shape: &'a ConvShape,
    pub images: &'a mut [Image<'b>],
    /// From [`pack_weights`].
    pub weights: &'a [f32],
    pub epilogue: Epilogue<'a>,
}

/// Vectors of windows in a tile.
const V: usize = 2;

/// Output channels of a tile at most.
const MOST_CHANNELS: usize = 6;

impl Group<'_, '_> {
    pub(super) fn forward(self, vectors: Vectors) {
        let Group { shape, images, weights, epilogue } = self;
        let (channels, outs) = (shape.in_channels, shape.out_channels);
        let row = row(shape);
        // Pairs of rows, image by image, that fill whole tiles together.
        let together = if (row / N).is_multiple_of(V) { 1 } else { V };
        let len = together * row;
        let part_len = PRODUCTS * channels * len;
        let mut samples = Scratch::take(3 * part_len + N);
        let mut results = Scratch::take(3 * OUTPUTS * MOST_CHANNELS * len);
        let mut others = Scratch::take(2 * MOST_CHANNELS * V * N);
        let rows = shape.conv_size()[0] / 2;
        let in_image = rows.div_ceil(2);
        let all = images.len() * in_image;
        for first in (0..all).step_by(together) {
            let mut pairs = [None; V];
            for one in 0..together.min(all - first) {
                let (image, pair) = ((first + one) / in_image, (first + one) % in_image);
                // The last pair of an odd number of rows overlaps with the one before.
                let row_of_windows = (2 * pair).min(rows - 2);
                pairs[one] = Some(Pair { image, row: row_of_windows });
                let to = &mut samples[one * row..];
                let (image, row) = (images[image].image, 2 * row_of_windows);
                vectors.run_widest(Fill { shape, image, row, to, len });
            }
            for channel in (0..outs).step_by(MOST_CHANNELS) {
                let count = MOST_CHANNELS.min(outs - channel);
                let mut weights = weights;
                let mut parts = results.chunks_exact_mut(OUTPUTS * MOST_CHANNELS * len);
                for (part, across) in PARTS.into_iter().enumerate() {
                    let taps = across.taps(shape.kernel[1]);
                    let these;
                    (these, weights) = weights.split_at(PRODUCTS * taps * channels * outs);
                    vectors.run_widest(AddPart {
                        samples: &samples[part * part_len..],
                        len,
                        channels,
                        taps,
                        weights: &these[channel..],
                        outs,
                        count,
                        bias: (part == 0).then_some(&epilogue.bias[channel..]),
                        results: parts.next().expect("room for three parts"),
                        others: &mut others,
                    });
                }
                let (images, results, relu) = (&mut *images, &*results, epilogue.relu);
                let pairs = &pairs;
                vectors.run_widest(Finish {
                    shape,
                    images,
                    pairs,
                    len,
                    channel,
                    count,
                    relu,
                    results,
                });
            }
        }
    }
}

/// Two rows of windows of one image.
#[derive(Clone, Copy)]
struct Pair {
    image: usize,
    /// Its first row of windows.
    row: usize,
}

/// Forms the samples of a pair: `[part across][product][channel]`, each `len` values.
struct Fill<'a> {
    shape: &'a ConvShape,
    image: &'a [f32],
    /// First row of the image.
    row: usize,
    to: &'a mut [f32],
    len: usize,
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const LANES: usize, const FMA: bool>(self) {
        let Fill { shape, image, row, to, len } = self;
        let [height, width] = shape.padded_size();
        let step = shape.in_channels * len;
        for (channel, plane) in image.chunks_exact(height * width).enumerate() {
            let lines = &plane[row * width..][..SAMPLES * width];
            // SAFETY: `run_widest` runs this only where the machine has AVX-512.
            unsafe { avx512::fill(lines, width, &mut to[channel * len..], step) };
        }
    }
}

/// Calls `compute` of an operation for its number of output channels.
macro_rules! for_channels {
    ($operation:ident) => {
        match $operation.count {
            6 => $operation.compute::<6>(),
            5 => $operation.compute::<5>(),
            4 => $operation.compute::<4>(),
            3 => $operation.compute::<3>(),
            2 => $operation.compute::<2>(),
            _ => $operation.compute::<1>(),
        }
    };
}

/// Computes the rows of one part across.
struct AddPart<'a> {
    /// From [`Fill`].
    samples: &'a [f32],
    /// Distance from the samples of one channel to the next.
    len: usize,
    channels: usize,
    /// Taps of the part.
    taps: usize,
    /// From the first output channel on.
    weights: &'a [f32],
    /// Distance from one tap to the next.
    outs: usize,
    /// Output channels.
    count: usize,
    /// What sums start from, if not from nothing.
    bias: Option<&'a [f32]>,
    /// Receives tiles of four rows.
    results: &'a mut [f32],
    /// Room for two more results.
    others: &'a mut [f32],
}

impl Kernel for AddPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const LANES: usize, const FMA: bool>(self) {
        for_channels!(self)
    }
}

/// The rows of `C` channels in a tile.
pub(super) type Rows<const C: usize> = [Sums<N, V, C>; OUTPUTS];

impl AddPart<'_> {
    #[inline(always)]
    fn compute<const C: usize>(self) {
        let AddPart { samples, len, channels, taps, weights, outs, bias, results, others, .. } =
            self;
        let mut start = [0.0; C];
        if let Some(bias) = bias {
            start = *bias.first_chunk().expect("a bias for each channel");
        }
        let tiles = results.as_chunks_mut::<N>().0.as_chunks_mut::<V>().0.as_chunks_mut::<C>().0;
        let tiles: &mut [Rows<C>] = tiles.as_chunks_mut().0;
        let others = others.as_chunks_mut::<N>().0.as_chunks_mut::<V>().0.as_chunks_mut::<C>().0;
        let others = others.first_chunk_mut().expect("room for two results");
        for (tile, first) in tiles.iter_mut().zip((0..len).step_by(V * N)) {
            let mut reader =
                Reader { samples: &samples[first..], weights, len, channels, outs, taps };
            outputs::<N, V, C>(&mut reader, start, tile, others);
        }
    }
}

/// Goes once through the samples and weights of a part.
struct Reader<'a> {
    samples: &'a [f32],
    weights: &'a [f32],
    len: usize,
    channels: usize,
    outs: usize,
    taps: usize,
}

impl<const C: usize> Products<N, V, C> for Reader<'_> {
    #[inline(always)]
    fn add_next(&mut self, mut sums: Sums<N, V, C>) -> Sums<N, V, C> {
        for _ in 0..self.channels {
            // Numbers of taps that unroll: those of a kernel of five columns.
            sums = match self.taps {
                3 => self.add_taps::<C, 3>(sums),
                2 => self.add_taps::<C, 2>(sums),
                taps => {
                    let samples = self.samples;
                    for x in 0..taps {
                        self.samples = &samples[x..];
                        sums = self.add_taps::<C, 1>(sums);
                    }
                    self.samples = samples;
                    sums
                }
            };
            self.samples = self.samples.get(self.len..).unwrap_or_default();
        }
        sums
    }
}

impl Reader<'_> {
    /// Adds `TAPS` neighbouring samples of a channel.
    #[inline(always)]
    fn add_taps<const C: usize, const TAPS: usize>(
        &mut self,
        mut sums: Sums<N, V, C>,
    ) -> Sums<N, V, C> {
        let samples = &self.samples[..TAPS - 1 + V * N];
        let weights = &self.weights[..(TAPS - 1) * self.outs + C];
        for x in 0..TAPS {
            let factors: &[f32; C] =
                weights[x * self.outs..].first_chunk().expect("channels of the tile");
            let mut lanes = [[0.0; N]; V];
            for v in 0..V {
                lanes[v] = load(&samples[x + v * N..]);
            }
            for c in 0..C {
                for v in 0..V {
                    add_scaled::<N, true>(&mut sums[c][v], factors[c], &lanes[v]);
                }
            }
        }
        self.weights = self.weights.get(TAPS * self.outs..).unwrap_or_default();
        sums
    }
}

/// Adds up the parts and writes the maxima.
struct Finish<'a, 'b> {
    shape: &'a ConvShape,
    images: &'a mut [Image<'b>],
    pairs: &'a [Option<Pair>],
    len: usize,
    /// First output channel, and how many.
    channel: usize,
    count: usize,
    relu: bool,
    /// From [`AddPart`], part by part.
    results: &'a [f32],
}

impl Kernel for Finish<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<const LANES: usize, const FMA: bool>(self) {
        for_channels!(self)
    }
}

impl Finish<'_, '_> {
    #[inline(always)]
    fn compute<const C: usize>(self) {
        let Finish { shape, images, pairs, len, channel, results, .. } = self;
        let (row, width) = (row(shape), shape.conv_size()[1] / 2);
        let outs = shape.out_channels;
        let mut parts = results.chunks_exact(OUTPUTS * MOST_CHANNELS * len).map(|part| {
            let tiles = part.as_chunks::<N>().0.as_chunks::<V>().0.as_chunks::<C>().0;
            tiles.as_chunks::<OUTPUTS>().0
        });
        let mut part = || -> &[Rows<C>] { parts.next().expect("three parts") };
        let (both, left, right) = (part(), part(), part());
        let least = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        for (number, first) in (0..len).step_by(N).enumerate() {
            let (tile, v) = (number / V, number % V);
            let Some(Some(pair)) = pairs.get(first / row) else { break };
            let column = first % row;
            let count = width.saturating_sub(column).min(N);
            let Image { output, places, .. } = &mut images[pair.image];
            for line in 0..2 {
                let parts = [&both[tile], &left[tile], &right[tile]];
                // SAFETY: `run_widest` runs this only where the machine has AVX-512.
                let found = unsafe { avx512::maxima(parts, v, line, least) };
                let first = ((pair.row + line) * width + column) * outs;
                let output = output[first..].chunks_exact_mut(outs);
                let places = places[first..].chunks_exact_mut(outs);
                for (lane, (output, places)) in output.zip(places).take(count).enumerate() {
                    *output[channel..].first_chunk_mut().expect("channels of the tile") =
                        found.pixel::<C>(lane);
                    *places[channel..].first_chunk_mut::<C>().expect("channels of the tile") =
                        *found.places[lane].first_chunk().expect("at most eight channels");
                }
            }
        }
    }
}
