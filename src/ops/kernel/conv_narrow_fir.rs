//! [`super::conv_narrow`] with a pool, by the fast FIR algorithm ([`super::fast_fir`]).

use super::conv_narrow::Target;
use super::conv_wide::Epilogue;
use super::fast_fir::{self, MOST_SAMPLES, PARTS, Part};
use super::lanes::{add_scaled, load, load_unchecked, relu, window_max};
use super::shape::ConvShape;
use super::width::Kernel;

/// Multiplications that a pooling window must save, over all output channels, to pay for the
/// differences: a 3x3 kernel saves 11 for each, a 5x5 kernel 36.
const fn worth(lanes: usize) -> usize {
    if lanes == 16 { 100 } else { 60 }
}

/// Whether this is faster than the direct way, measured with vectors of 4, 8 and 16 lanes. Rows of
/// windows must be whole vectors: what is left of them would be split value by value.
pub(super) fn pays(shape: &ConvShape, lanes: usize) -> bool {
    let planes = PartPlanes::new(shape, lanes);
    shape.kernel.iter().all(|&taps| taps > 1)
        && planes.row.is_multiple_of(lanes)
        && planes.row > 0
        && fast_fir::saved(shape) * shape.out_channels >= worth(lanes)
        && planes.buffer_len(lanes) <= MOST_SAMPLES
}

/// Where the samples of one image's parts lie: `[channel][part down][part across][row, column]`.
#[derive(Clone, Copy)]
pub(super) struct PartPlanes {
    rows: usize,
    row: usize,
    plane: usize,
    channels: usize,
}

impl PartPlanes {
    pub(super) fn new(shape: &ConvShape, lanes: usize) -> Self {
        let [rows, row] = shape.padded_size().map(|size| size / 2);
        // A line more, or all planes would compete for the same places in the cache.
        let plane = (rows * row + lanes).next_multiple_of(lanes);
        PartPlanes { rows, row, plane, channels: shape.in_channels }
    }

    /// Values to set aside: the planes, and what the last vectors read beyond them.
    pub(super) fn buffer_len(self, lanes: usize) -> usize {
        9 * self.channels * self.plane + 4 * lanes
    }
}

/// Forms the samples of all parts of one image.
pub(super) struct Differences<'a> {
    pub planes: PartPlanes,
    pub shape: &'a ConvShape,
    /// NCHW with its border.
    pub image: &'a [f32],
    /// Receives [`PartPlanes::buffer_len`] values.
    pub to: &'a mut [f32],
}

impl Kernel for Differences<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let Differences { planes: PartPlanes { rows, row, plane, .. }, shape, image, to } = self;
        let [height, width] = shape.padded_size();
        let channels = image.chunks_exact(height * width).zip(to.chunks_exact_mut(9 * plane));
        for (image, to) in channels {
            for y in 0..rows {
                let line = |y: usize| &image[y * width..][..width];
                // Below the last row there is nothing, and nothing is read of its difference.
                let lines = [line(2 * y), line(2 * y + 1), line((2 * y + 2).min(height - 1))];
                for x in (0..row).step_by(N) {
                    let [even, odd, next] = [
                        across::<N>(&lines[0][2 * x..]),
                        across::<N>(&lines[1][2 * x..]),
                        across::<N>(&lines[2][2 * x..]),
                    ];
                    let to = &mut to[y * row + x..];
                    difference(to, plane, 0, even[0], odd[0], next[0]);
                    difference(to, plane, 1, even[1], odd[1], next[1]);
                    difference(to, plane, 2, even[2], odd[2], next[2]);
                }
            }
        }
    }
}

/// The three parts down of one part across.
#[inline(always)]
fn difference<const N: usize>(
    to: &mut [f32],
    plane: usize,
    part: usize,
    even: [f32; N],
    odd: [f32; N],
    next: [f32; N],
) {
    let (mut above, mut below) = ([0.0; N], [0.0; N]);
    for lane in 0..N {
        above[lane] = even[lane] - odd[lane];
        below[lane] = next[lane] - odd[lane];
    }
    *to[part * plane..].first_chunk_mut().expect("a vector of the plane") = odd;
    *to[(3 + part) * plane..].first_chunk_mut().expect("a vector of the plane") = above;
    *to[(6 + part) * plane..].first_chunk_mut().expect("a vector of the plane") = below;
}

/// The three parts across of a row's first `2 N` values; of those that it lacks, zeros.
#[inline(always)]
fn across<const N: usize>(row: &[f32]) -> [[f32; N]; 3] {
    // Every row that `pays` admits is whole vectors. Without the other branch, though, the compiler
    // takes these vectors apart, and the whole convolution is a fifth slower.
    let [low, high]: [[f32; N]; 2] =
        if row.len() >= 2 * N { [load(row), load(&row[N..])] } else { filled(row) };
    let after = if row.len() > 2 * N { row[2 * N] } else { 0.0 };
    let (mut even, mut odd, mut next) = ([0.0; N], [0.0; N], [0.0; N]);
    for lane in 0..N / 2 {
        (even[lane], even[N / 2 + lane]) = (low[2 * lane], high[2 * lane]);
        (odd[lane], odd[N / 2 + lane]) = (low[2 * lane + 1], high[2 * lane + 1]);
    }
    next[..N - 1].copy_from_slice(&even[1..]);
    next[N - 1] = after;
    let (mut before, mut behind) = ([0.0; N], [0.0; N]);
    for lane in 0..N {
        before[lane] = even[lane] - odd[lane];
        behind[lane] = next[lane] - odd[lane];
    }
    [odd, before, behind]
}

/// Two vectors that start with these values.
#[cold]
fn filled<const N: usize>(values: &[f32]) -> [[f32; N]; 2] {
    let mut vectors = [[0.0; N]; 2];
    vectors.as_flattened_mut()[..values.len()].copy_from_slice(values);
    vectors
}

/// Convolves one image.
pub(super) struct ForwardImage<'a> {
    pub shape: &'a ConvShape,
    pub planes: PartPlanes,
    /// The image, from [`Differences`].
    pub image: &'a [f32],
    /// From [`super::conv_narrow::pack_weights`] and [`super::fast_fir::PackParts`].
    pub weights: &'a [f32],
    pub epilogue: Epilogue<'a>,
    /// Receives NHWC `[row, column, channel]`.
    pub output: &'a mut [f32],
    /// Receives in the same order where in its window each maximum was.
    pub places: &'a mut [u8],
}

/// Vectors of windows in a tile. Two beside six channels are twelve accumulators: enough to hide
/// the latency of the additions, and 16 registers hold them.
const V: usize = 2;

impl Kernel for ForwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(mut self) {
        let mut first = 0;
        while first < self.shape.out_channels {
            let count = (self.shape.out_channels - first).min(6);
            match count {
                6 => rows::<N, FMA, 6>(&mut self, first),
                5 => rows::<N, FMA, 5>(&mut self, first),
                4 => rows::<N, FMA, 4>(&mut self, first),
                3 => rows::<N, FMA, 3>(&mut self, first),
                2 => rows::<N, FMA, 2>(&mut self, first),
                _ => rows::<N, FMA, 1>(&mut self, first),
            }
            first += count;
        }
    }
}

#[inline(always)]
fn rows<const N: usize, const FMA: bool, const C: usize>(
    operands: &mut ForwardImage,
    first: usize,
) {
    let ForwardImage { shape, planes, .. } = *operands;
    let [height, width] = shape.conv_size().map(|size| size / 2);
    let Some(above) = height.checked_sub(1) else { return };
    // As in `conv_narrow`, vectors may cross from one row to the next.
    let end = above * planes.row + width;
    for start in (0..end).step_by(V * N) {
        tile::<N, FMA, C>(operands, first, start);
    }
}

/// `C` channels of `V` vectors of windows.
#[inline(always)]
fn tile<const N: usize, const FMA: bool, const C: usize>(
    operands: &mut ForwardImage,
    first: usize,
    start: usize,
) {
    let ForwardImage { shape, planes, image, weights, epilogue, .. } = *operands;
    let walk = Walk {
        kernel: shape.kernel,
        channels: shape.in_channels,
        outs: shape.out_channels,
        first,
        row: planes.row,
        plane: planes.plane,
    };
    let image = &image[start..];
    let mut bias = [[[0.0; N]; V]; C];
    for c in 0..C {
        bias[c] = [[epilogue.bias[first + c]; N]; V];
    }
    let mut reader = Reader { image, weights, walk };
    // The first part across is in both columns, so its sums are where those of the two start; the
    // first part down is in both rows.
    let [left, right] = reader.columns::<N, FMA, C>(Part::Both, bias);
    let zero = [[[0.0; N]; V]; C];
    let [upper_left, upper_right] = reader.columns::<N, FMA, C>(Part::Even, zero);
    let [lower_left, lower_right] = reader.columns::<N, FMA, C>(Part::Odd, zero);
    let [height, width] = shape.conv_size().map(|size| size / 2);
    let target = Target { row: planes.row, height, width, channels: shape.out_channels, first };
    for v in 0..V {
        let (mut best, mut place) = ([[0.0; N]; C], [[0; N]; C]);
        for c in 0..C {
            let mut corners = [[0.0; N]; 4];
            for lane in 0..N {
                corners[0][lane] = left[c][v][lane] + upper_left[c][v][lane];
                corners[1][lane] = right[c][v][lane] + upper_right[c][v][lane];
                corners[2][lane] = left[c][v][lane] + lower_left[c][v][lane];
                corners[3][lane] = right[c][v][lane] + lower_right[c][v][lane];
            }
            (best[c], place[c]) = window_max([&corners[0], &corners[1], &corners[2], &corners[3]]);
            if epilogue.relu {
                relu(&mut best[c]);
            }
        }
        target.pooled(start + v * N, &best, &place, operands.output, operands.places);
    }
}

#[derive(Clone, Copy)]
struct Walk {
    kernel: [usize; 2],
    channels: usize,
    outs: usize,
    first: usize,
    row: usize,
    plane: usize,
}

/// Goes once through all parts' samples and weights.
struct Reader<'a> {
    image: &'a [f32],
    weights: &'a [f32],
    walk: Walk,
}

impl Reader<'_> {
    /// Sums of the left and of the right column for one part down.
    #[inline(always)]
    fn columns<const N: usize, const FMA: bool, const C: usize>(
        &mut self,
        down: Part,
        start: [[[f32; N]; V]; C],
    ) -> [[[[f32; N]; V]; C]; 2] {
        let both = self.sums::<N, FMA, C>([down, PARTS[0]], start);
        let left = self.sums::<N, FMA, C>([down, PARTS[1]], both);
        let right = self.sums::<N, FMA, C>([down, PARTS[2]], both);
        [left, right]
    }

    /// The innermost loop: adds one part down and across to `sums`.
    #[inline(always)]
    fn sums<const N: usize, const FMA: bool, const C: usize>(
        &mut self,
        [down, across]: [Part; 2],
        mut sums: [[[f32; N]; V]; C],
    ) -> [[[f32; N]; V]; C] {
        let Reader { image, weights, walk } = *self;
        let [height, width] = [down.taps(walk.kernel[0]), across.taps(walk.kernel[1])];
        let (part, rest) = weights.split_at(walk.channels * height * width * walk.outs);
        self.weights = rest;
        self.image = image.get(walk.plane..).unwrap_or_default();
        let furthest = 9 * (walk.channels - 1) * walk.plane + (height - 1) * walk.row + width - 1;
        assert!(furthest + V * N <= image.len());
        let mut taps = part.chunks_exact(walk.outs);
        for channel in 0..walk.channels {
            for y in 0..height {
                let row = 9 * channel * walk.plane + y * walk.row;
                for x in 0..width {
                    let Some(tap) = taps.next() else { return sums };
                    let tap: &[f32; C] =
                        tap[walk.first..].first_chunk().expect("channels of the block");
                    let mut samples = [[0.0; N]; V];
                    for v in 0..V {
                        // SAFETY: `channel`, `y` and `x` are below the counts in the assertion
                        // above.
                        samples[v] = unsafe { load_unchecked(image, row + x + v * N) };
                    }
                    for c in 0..C {
                        for v in 0..V {
                            add_scaled::<N, FMA>(&mut sums[c][v], tap[c], &samples[v]);
                        }
                    }
                }
            }
        }
        sums
    }
}
