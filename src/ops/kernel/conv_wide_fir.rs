//! [`super::conv_wide`] with a pool, by the fast FIR algorithm ([`super::fast_fir`]).
//!
//! A register tile holds one vector of channels, or two, for each of up to 25 pooling windows, and
//! a value of the image is an operand in memory. Pixels are records of eight channels, so that the
//! distance between neighbouring windows is a constant in the instruction.

use super::conv_wide::Epilogue;
use super::fast_fir::{self, MOST_SAMPLES, PARTS, PackParts, Part};
use super::lanes::{add_scaled, load_all, load_unchecked, minus, relu, store, window_max};
use super::pack::block_vectors;
use super::shape::ConvShape;
use super::width::{Kernel, Vectors};

/// Channels in a record.
const RECORD: usize = 8;

type Pixel = [f32; RECORD];

/// Where the samples of one image's parts lie: records as
/// `[part down][part across][eight channels][row, column]`.
#[derive(Clone, Copy)]
pub(super) struct PartRecords {
    rows: usize,
    row: usize,
    groups: usize,
}

impl PartRecords {
    pub(super) fn new(shape: &ConvShape) -> Self {
        let [rows, row] = shape.padded_size().map(|size| size / 2);
        PartRecords { rows, row, groups: shape.in_channels.div_ceil(RECORD) }
    }

    /// Records of one part.
    fn part_len(self) -> usize {
        self.groups * self.rows * self.row
    }

    /// Values to set aside.
    pub(super) fn buffer_len(self) -> usize {
        9 * self.part_len() * RECORD
    }
}

/// Forms the samples of all parts of one image.
pub(super) struct Differences<'a> {
    pub records: PartRecords,
    pub shape: &'a ConvShape,
    /// NHWC with its border.
    pub image: &'a [f32],
    /// Receives [`PartRecords::buffer_len`] values.
    pub to: &'a mut [f32],
}

impl Kernel for Differences<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let Differences { records, shape, image, to } = self;
        let PartRecords { rows, row, groups } = records;
        let channels = shape.in_channels;
        let [height, width] = shape.padded_size();
        let len = records.part_len();
        let to = &mut to.as_chunks_mut::<RECORD>().0[..9 * len];
        for y in 0..rows {
            // Beyond the last row or column there is nothing, and nothing is read of its
            // difference.
            let even = &image[2 * y * width * channels..];
            let odd = &image[(2 * y + 1) * width * channels..];
            let next = &image[(2 * y + 2).min(height - 1) * width * channels..];
            for group in 0..groups {
                for x in 0..row {
                    let start = 2 * x * channels + group * RECORD;
                    // `next` is the shortest. Behind the image's last pixels, a record is filled
                    // with zeros; no window reads the difference to a column that does not exist.
                    let whole = start + 2 * channels + RECORD <= next.len();
                    let [even, odd, next] = if whole {
                        // SAFETY: `next` holds the last of the three records, and the other two
                        // slices of the same image are no shorter.
                        unsafe {
                            [
                                across(even, start, channels),
                                across(odd, start, channels),
                                across(next, start, channels),
                            ]
                        }
                    } else {
                        [
                            last_across(even, start, channels),
                            last_across(odd, start, channels),
                            last_across(next, start, channels),
                        ]
                    };
                    let at = (group * rows + y) * row + x;
                    down(to, len, at, even[0], odd[0], next[0]);
                    down(to, len, at + len, even[1], odd[1], next[1]);
                    down(to, len, at + 2 * len, even[2], odd[2], next[2]);
                }
            }
        }
    }
}

/// The three parts across of a line.
///
/// # Safety
/// Three records at distances of `channels` must lie in `line` from `start` on.
#[inline(always)]
unsafe fn across(line: &[f32], start: usize, channels: usize) -> [Pixel; 3] {
    // SAFETY: the caller's promise.
    let [even, odd, next]: [Pixel; 3] = unsafe {
        [
            load_unchecked(line, start),
            load_unchecked(line, start + channels),
            load_unchecked(line, start + 2 * channels),
        ]
    };
    [odd, minus(&even, &odd), minus(&next, &odd)]
}

/// The same where the image may end.
#[cold]
fn last_across(line: &[f32], start: usize, channels: usize) -> [Pixel; 3] {
    let [even, odd, next] = [0, 1, 2].map(|column| {
        let mut record = [0.0; RECORD];
        let values = line.get(start + column * channels..).unwrap_or_default();
        record.iter_mut().zip(values).for_each(|(to, &from)| *to = from);
        record
    });
    [odd, minus(&even, &odd), minus(&next, &odd)]
}

/// The three parts down of one part across.
#[inline(always)]
fn down(to: &mut [Pixel], len: usize, at: usize, even: Pixel, odd: Pixel, next: Pixel) {
    to[at] = odd;
    to[3 * len + at] = minus(&even, &odd);
    to[6 * len + at] = minus(&next, &odd);
}

/// Values in the result of [`pack_parts`].
pub(super) fn weights_len(lanes: usize, shape: &ConvShape) -> usize {
    fast_fir::taps(shape) * shape.in_channels * shape.out_channels.next_multiple_of(lanes)
}

/// Transforms weights from [`super::pack::pack_weights`], block by block of output channels.
pub(super) fn pack_parts(vectors: Vectors, shape: &ConvShape, from: &[f32], to: &mut [f32]) {
    let lanes = vectors.lanes();
    let (mut from, mut to, mut first) = (from, to, 0);
    while first < shape.out_channels {
        let block = lanes * block_vectors(lanes, shape.out_channels - first);
        let (block_from, block_to);
        (block_from, from) = from.split_at(shape.patch_len() * block);
        (block_to, to) = to.split_at_mut(fast_fir::taps(shape) * shape.in_channels * block);
        let (kernel, tap) = (shape.kernel, shape.in_channels * block);
        vectors.run(PackParts { kernel, tap, from: block_from, to: block_to });
        first += block;
    }
}

/// Convolves one image.
pub(super) struct ForwardImage<'a> {
    pub shape: &'a ConvShape,
    pub records: PartRecords,
    /// The image, from [`Differences`].
    pub image: &'a [f32],
    /// From [`pack_parts`].
    pub weights: &'a [f32],
    pub epilogue: Epilogue<'a>,
    /// Receives NHWC `[row, column, channel]`.
    pub output: &'a mut [f32],
    /// Receives in the same order where in its window each maximum was.
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
            let len = fast_fir::taps(block.shape) * block.shape.in_channels * vectors * N;
            let rest;
            (block.weights, rest) = weights.split_at(len);
            match vectors {
                1 => windows::<N, FMA, 1>(&mut block, first),
                _ => windows::<N, FMA, 2>(&mut block, first),
            }
            weights = rest;
            first += vectors * N;
        }
    }
}

/// Rows of a tile with `across` windows of `vectors` vectors; 0 where none is faster than the
/// direct way.
const fn rows_at_once(lanes: usize, vectors: usize, across: usize) -> usize {
    match (lanes, vectors, across) {
        (16, 1, 5) => 5,
        (16, 1, 4) => 6,
        (16, 2, 5) => 2,
        (16, 2, 4) => 3,
        (16, 2, 3) => 4,
        (8, 2, 4 | 5) => 1,
        (8, 2, 3) => 2,
        (4, 1, 3..=5) => 2,
        (4, 2, 3..=5) => 1,
        _ => 0,
    }
}

/// Windows of the next tile of a row of which `left` are left: an even share, at most five.
const fn share(left: usize) -> usize {
    left.div_ceil(left.div_ceil(5))
}

/// Multiplications that a pooling window must save for each input channel, over all output
/// channels, to pay for the differences. Places in records that hold no channel cost as much.
const WORTH: usize = 300;

/// Whether this is faster than the direct way, measured with vectors of 4, 8 and 16 lanes: counting
/// the windows that tiles compute in vain, a fifth of the multiplications must be saved.
pub(super) fn pays(shape: &ConvShape, lanes: usize) -> bool {
    let records = PartRecords::new(shape);
    let worth = fast_fir::saved(shape) * shape.out_channels * shape.in_channels;
    if shape.stride != [1, 1]
        || shape.kernel.iter().any(|&taps| taps < 2)
        || worth < WORTH * shape.in_channels.next_multiple_of(RECORD)
        || records.buffer_len() > MOST_SAMPLES
    {
        return false;
    }
    let [height, width] = shape.conv_size().map(|size| size / 2);
    let (mut plain, mut fast) = (0, 0);
    let mut first = 0;
    while first < shape.out_channels {
        let vectors = block_vectors(lanes, shape.out_channels - first);
        let mut x = 0;
        while x < width {
            let across = share(width - x);
            let rows = rows_at_once(lanes, vectors, across);
            if rows == 0 {
                return false;
            }
            plain += vectors * across * height * 4 * shape.kernel[0] * shape.kernel[1];
            fast += vectors * across * height.next_multiple_of(rows) * fast_fir::taps(shape);
            x += across;
        }
        first += vectors * lanes;
    }
    5 * fast <= 4 * plain
}

#[inline(always)]
fn windows<const N: usize, const FMA: bool, const V: usize>(
    block: &mut ForwardImage,
    first: usize,
) {
    let [height, width] = block.shape.conv_size().map(|size| size / 2);
    let mut x = 0;
    while x < width {
        let across = share(width - x);
        let mut y = 0;
        while y < height {
            let at = At { first, y, x };
            // The guards are constants: only the tiles of this width are compiled.
            y += match across {
                5 if const { rows_at_once(N, V, 5) == 5 } => tile::<N, FMA, V, 5, 5>(block, at),
                5 if const { rows_at_once(N, V, 5) == 2 } => tile::<N, FMA, V, 5, 2>(block, at),
                5 if const { rows_at_once(N, V, 5) == 1 } => tile::<N, FMA, V, 5, 1>(block, at),
                4 if const { rows_at_once(N, V, 4) == 6 } => tile::<N, FMA, V, 4, 6>(block, at),
                4 if const { rows_at_once(N, V, 4) == 3 } => tile::<N, FMA, V, 4, 3>(block, at),
                4 if const { rows_at_once(N, V, 4) == 2 } => tile::<N, FMA, V, 4, 2>(block, at),
                4 if const { rows_at_once(N, V, 4) == 1 } => tile::<N, FMA, V, 4, 1>(block, at),
                3 if const { rows_at_once(N, V, 3) == 4 } => tile::<N, FMA, V, 3, 4>(block, at),
                3 if const { rows_at_once(N, V, 3) == 2 } => tile::<N, FMA, V, 3, 2>(block, at),
                3 if const { rows_at_once(N, V, 3) == 1 } => tile::<N, FMA, V, 3, 1>(block, at),
                _ => unreachable!("`pays` refuses this shape"),
            };
        }
        x += across;
    }
}

/// First channel and window of a tile.
#[derive(Clone, Copy)]
struct At {
    first: usize,
    y: usize,
    x: usize,
}

/// Accumulators of `W` windows in each of `R` rows.
type Tile<const N: usize, const V: usize, const W: usize, const R: usize> = [[[[f32; N]; V]; W]; R];

#[inline(always)]
fn tile<const N: usize, const FMA: bool, const V: usize, const W: usize, const R: usize>(
    block: &mut ForwardImage,
    At { first, y, x }: At,
) -> usize {
    let ForwardImage { shape, records, image, weights, epilogue, .. } = *block;
    let [height, width] = shape.conv_size().map(|size| size / 2);
    let mut starts = [0; R];
    for r in 0..R {
        // What is left of the rows may be fewer: the last one is then computed again.
        starts[r] = (y + r).min(height - 1) * records.row + x;
    }
    let image = image.as_chunks().0;
    let mut reader = Reader {
        image,
        weights,
        records,
        starts,
        kernel: shape.kernel,
        channels: shape.in_channels,
    };
    let bias: [[f32; N]; V] = load_all(&epilogue.bias[first..]);
    // One copy of the inner loop for all parts: the compiler would take minutes over nine.
    let mut sums = [[[[[[0.0; N]; V]; W]; R]; 3]; 3];
    sums[0][0] = [[bias; W]; R];
    for down in 0..3 {
        for across in 0..3 {
            // The first part is in both outputs, so its sums are where those of the others start.
            let start = sums[down][0];
            sums[down][across] = reader.sums::<N, FMA, V, W>([PARTS[down], PARTS[across]], start);
        }
    }
    let [[_, left, right], [_, upper_left, upper_right], [_, lower_left, lower_right]] = &sums;
    for r in 0..R.min(height - y) {
        for w in 0..W {
            let pixel = ((y + r) * width + x + w) * shape.out_channels;
            let pixel = pixel..pixel + shape.out_channels;
            let (output, places) = (&mut block.output[pixel.clone()], &mut block.places[pixel]);
            for v in 0..V {
                let mut corners = [[0.0; N]; 4];
                for lane in 0..N {
                    let (left, right) = (left[r][w][v][lane], right[r][w][v][lane]);
                    corners[0][lane] = left + upper_left[r][w][v][lane];
                    corners[1][lane] = right + upper_right[r][w][v][lane];
                    corners[2][lane] = left + lower_left[r][w][v][lane];
                    corners[3][lane] = right + lower_right[r][w][v][lane];
                }
                let (mut best, place) =
                    window_max([&corners[0], &corners[1], &corners[2], &corners[3]]);
                if epilogue.relu {
                    relu(&mut best);
                }
                let channel = first + v * N;
                store(&mut output[channel..], &best);
                places[channel..].iter_mut().zip(place).for_each(|(to, place)| *to = place as u8);
            }
        }
    }
    R
}

/// Goes once through all parts' samples and weights.
struct Reader<'a, const R: usize> {
    image: &'a [Pixel],
    weights: &'a [f32],
    records: PartRecords,
    /// Records from each row's first window back to the start of the plane.
    starts: [usize; R],
    kernel: [usize; 2],
    channels: usize,
}

impl<const R: usize> Reader<'_, R> {
    /// The innermost loop: adds one part down and across to `sums`.
    #[inline(always)]
    fn sums<const N: usize, const FMA: bool, const V: usize, const W: usize>(
        &mut self,
        [down, across]: [Part; 2],
        mut sums: Tile<N, V, W, R>,
    ) -> Tile<N, V, W, R> {
        let [height, width] = [down.taps(self.kernel[0]), across.taps(self.kernel[1])];
        let (weights, rest) = self.weights.split_at(height * width * self.channels * V * N);
        self.weights = rest;
        let (part, rest) = self.image.split_at(self.records.part_len());
        self.image = rest;
        let plane = self.records.rows * self.records.row;
        let mut weights = weights.chunks_exact(V * N);
        for y in 0..height {
            for x in 0..width {
                for group in 0..self.records.groups {
                    let at = group * plane + y * self.records.row + x;
                    let mut rows: [&[Pixel; W]; R] = [&[[0.0; RECORD]; W]; R];
                    for r in 0..R {
                        rows[r] = part[at + self.starts[r]..].first_chunk().expect("windows");
                    }
                    for channel in 0..RECORD.min(self.channels - group * RECORD) {
                        let Some(weights) = weights.next() else { return sums };
                        let weights: [[f32; N]; V] = load_all(weights);
                        for r in 0..R {
                            for w in 0..W {
                                for v in 0..V {
                                    add_scaled::<N, FMA>(
                                        &mut sums[r][w][v],
                                        rows[r][w][channel],
                                        &weights[v],
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
        sums
    }
}
