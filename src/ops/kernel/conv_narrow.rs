//! Convolution forward with few output channels, stride 1: the lanes are pixels.
//!
//! Six channels would waste most of a 16-lane vector, so here a vector holds neighbouring
//! pixels of one channel. For pooling, the image is first split into its even and odd rows and
//! columns: the four pixels of a pooling window then lie in the same lane of four accumulators,
//! and the maximum needs no shuffling.

use super::conv_wide::Epilogue;
use super::lanes::{add_scaled, load, load_unchecked, relu, store, window_max};
use super::shape::{ConvShape, Layout};
use super::width::Kernel;

/// Accumulators of one channel: the corners of a pooling window, or four vectors in a row.
const CORNERS: usize = 4;

/// Output channels that the registers hold at once.
const fn channels_at_once(lanes: usize) -> usize {
    match lanes {
        16 => 6,
        8 => 2,
        _ => 2,
    }
}

/// Whether this path beats the other: its lanes are about 7/8 full whatever the channels.
pub(super) fn suits(shape: &ConvShape, lanes: usize) -> bool {
    let lanes = shape.out_channels.next_multiple_of(lanes);
    shape.stride == [1, 1] && shape.out_channels * 5 < lanes * 4 && shape.out_channels <= 12
}

/// Where the planes of one image lie in the buffer.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    /// 1 with pooling (every second row and column in a plane of its own), else 0.
    shift: usize,
    pub(super) row: usize,
    pub(super) plane: usize,
    pub(super) channels: usize,
}

impl Planes {
    pub(super) fn new(shape: &ConvShape, pool: bool) -> Self {
        let shift = usize::from(pool);
        let [height, width] = shape.padded_size().map(|size| size.div_ceil(1 << shift));
        Planes { shift, row: width, plane: height * width, channels: shape.in_channels }
    }

    /// Values to set aside: the planes, and what the last vectors read beyond them.
    pub(super) fn buffer_len(&self, lanes: usize) -> usize {
        ((self.channels * self.plane) << (2 * self.shift))
            + 4 * self.plane
            + self.row
            + (CORNERS + 1) * lanes
    }

    /// Start of the plane that holds row `y` and column `x` of a channel, plus their place in it.
    #[inline(always)]
    fn locate(&self, channel: usize, y: usize, x: usize) -> usize {
        let odd = (1 << self.shift) - 1;
        let plane = (((channel << self.shift) + (y & odd)) << self.shift) + (x & odd);
        plane * self.plane + (y >> self.shift) * self.row + (x >> self.shift)
    }
}

/// Splits one image into planes.
pub(super) struct Fill<'a> {
    pub planes: Planes,
    pub shape: &'a ConvShape,
    pub layout: Layout,
    pub image: &'a [f32],
    /// Receives [`Planes::buffer_len`] values, of which those that no output needs are left.
    pub to: &'a mut [f32],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let Fill { planes, shape, layout, image, to } = self;
        let [height, width] = shape.in_size;
        let [top, left] = shape.padding;
        let (pixel, channel) = match layout {
            Layout::Nchw => (1, height * width),
            Layout::Nhwc => (shape.in_channels, 1),
        };
        // Without a border every value that counts is written below.
        if top + left > 0 {
            to.fill(0.0);
        }
        for c in 0..planes.channels {
            for y in 0..height {
                let row = &image[c * channel + y * width * pixel..];
                if planes.shift == 1 && pixel == 1 && left == 0 && width.is_multiple_of(2) {
                    // The usual first layer: both planes in one pass.
                    let to = &mut to[planes.locate(c, y + top, 0)..];
                    let (even, odd) = to.split_at_mut(planes.plane);
                    split_pairs::<N>(&row[..width], even, odd);
                    continue;
                }
                for x in 0..(1 << planes.shift).min(width) {
                    let to = &mut to[planes.locate(c, y + top, left + x)..];
                    let count = (width - x).div_ceil(1 << planes.shift);
                    let values = row[x * pixel..].iter().step_by(pixel << planes.shift).take(count);
                    to.iter_mut().zip(values).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}

/// Sorts values by whether their index is even; whole vectors first.
#[inline(always)]
fn split_pairs<const N: usize>(from: &[f32], even: &mut [f32], odd: &mut [f32]) {
    let half = from.len() / 2;
    let whole = half / N * N;
    for at in (0..whole).step_by(N) {
        let (low, high): ([f32; N], [f32; N]) = (load(&from[2 * at..]), load(&from[2 * at + N..]));
        let (mut evens, mut odds) = ([0.0; N], [0.0; N]);
        for lane in 0..N / 2 {
            (evens[lane], evens[N / 2 + lane]) = (low[2 * lane], high[2 * lane]);
            (odds[lane], odds[N / 2 + lane]) = (low[2 * lane + 1], high[2 * lane + 1]);
        }
        store(&mut even[at..], &evens);
        store(&mut odd[at..], &odds);
    }
    for at in whole..half {
        (even[at], odd[at]) = (from[2 * at], from[2 * at + 1]);
    }
}

/// Packs `[out, in, row, column]` weights as `[in, row, column][out]`.
pub(super) fn pack_weights(shape: &ConvShape, weights: &[f32], to: &mut [f32]) {
    for (tap, to) in to.chunks_exact_mut(shape.out_channels).enumerate() {
        let source = weights[tap..].iter().step_by(shape.patch_len());
        to.iter_mut().zip(source).for_each(|(to, &from)| *to = from);
    }
}

/// Convolves one image.
pub(super) struct ForwardImage<'a> {
    pub shape: &'a ConvShape,
    pub planes: Planes,
    /// The image, from [`Fill`].
    pub image: &'a [f32],
    /// From [`pack_weights`].
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
    fn run<const N: usize, const FMA: bool>(mut self) {
        let mut first = 0;
        while first < self.shape.out_channels {
            let count = (self.shape.out_channels - first).min(channels_at_once(N));
            // The guards are constants: what does not fit the registers is not compiled.
            match count {
                6 if const { channels_at_once(N) >= 6 } => block::<N, FMA, 6>(&mut self, first),
                5 if const { channels_at_once(N) >= 5 } => block::<N, FMA, 5>(&mut self, first),
                4 if const { channels_at_once(N) >= 4 } => block::<N, FMA, 4>(&mut self, first),
                3 if const { channels_at_once(N) >= 3 } => block::<N, FMA, 3>(&mut self, first),
                2 => block::<N, FMA, 2>(&mut self, first),
                _ => block::<N, FMA, 1>(&mut self, first),
            }
            first += count;
        }
    }
}

#[inline(always)]
fn block<const N: usize, const FMA: bool, const C: usize>(
    operands: &mut ForwardImage,
    first: usize,
) {
    if operands.epilogue.pool {
        rows::<N, FMA, C, true>(operands, first);
    } else {
        rows::<N, FMA, C, false>(operands, first);
    }
}

#[inline(always)]
fn rows<const N: usize, const FMA: bool, const C: usize, const POOL: bool>(
    operands: &mut ForwardImage,
    first: usize,
) {
    let ForwardImage { shape, planes, epilogue, .. } = *operands;
    let [height, width] = shape.conv_size().map(|size| size >> planes.shift);
    let Some(above) = height.checked_sub(1) else { return };
    // Rows follow one another without a gap, so vectors may cross from one to the next; the few
    // lanes beyond the output's width are computed and dropped.
    let step = if POOL { N } else { CORNERS * N };
    for start in (0..above * planes.row + width).step_by(step) {
        let sums = tile::<N, FMA, C, POOL>(operands, first, start);
        let target = Target { row: planes.row, height, width, channels: shape.out_channels, first };
        if POOL {
            let (mut best, mut place) = ([[0.0; N]; C], [[0; N]; C]);
            for c in 0..C {
                (best[c], place[c]) =
                    window_max([&sums[c][0], &sums[c][1], &sums[c][2], &sums[c][3]]);
                if epilogue.relu {
                    relu(&mut best[c]);
                }
            }
            target.pooled(start, &best, &place, operands.output, operands.places);
        } else {
            for v in 0..CORNERS {
                let mut vectors = [[0.0; N]; C];
                for c in 0..C {
                    vectors[c] = sums[c][v];
                    if epilogue.relu {
                        relu(&mut vectors[c]);
                    }
                }
                target.scatter(start + v * N, &vectors, operands.output);
            }
        }
    }
}

/// The innermost loop: `C` channels times four vectors of pixels.
#[inline(always)]
fn tile<const N: usize, const FMA: bool, const C: usize, const POOL: bool>(
    operands: &ForwardImage,
    first: usize,
    start: usize,
) -> [[[f32; N]; CORNERS]; C] {
    let ForwardImage { shape, planes, image, weights, epilogue, .. } = *operands;
    let bias = epilogue.bias;
    let mut sums = [[[0.0; N]; CORNERS]; C];
    for c in 0..C {
        sums[c] = [[bias[first + c]; N]; CORNERS];
    }
    let [kernel_rows, kernel_columns] = shape.kernel;
    // The last tap of the last channel reads furthest.
    let extra = if POOL { [1, 1, 0] } else { [0, 0, (CORNERS - 1) * N] };
    let furthest = planes.locate(shape.in_channels - 1, kernel_rows - 1 + extra[0], 0)
        + 3 * planes.plane * planes.shift
        + (kernel_columns - 1 + extra[1])
        + extra[2];
    assert!(start + furthest + N <= image.len());
    let mut taps = weights.chunks_exact(shape.out_channels);
    for input in 0..shape.in_channels {
        for ky in 0..kernel_rows {
            // The next row is in another plane with a pool, and not wanted without.
            let rows =
                [planes.locate(input, ky, 0), planes.locate(input, ky + usize::from(POOL), 0)];
            // A constant where `locate` would have to shift by a variable.
            let column = |x: usize| if POOL { (x & 1) * planes.plane + (x >> 1) } else { x };
            for kx in 0..kernel_columns {
                let Some(tap) = taps.next() else { return sums };
                let tap: &[f32; C] = tap[first..].first_chunk().expect("channels of the block");
                let mut pixels = [[0.0; N]; CORNERS];
                for corner in 0..CORNERS {
                    let at = if POOL {
                        rows[corner / 2] + column(kx + corner % 2)
                    } else {
                        rows[0] + column(kx) + corner * N
                    };
                    // SAFETY: `at` is at most `furthest`, so the assertion above covers it.
                    // Checked here, bounds would cost a fifth of the time.
                    pixels[corner] = unsafe { load_unchecked(image, start + at) };
                }
                for c in 0..C {
                    for corner in 0..CORNERS {
                        add_scaled::<N, FMA>(&mut sums[c][corner], tap[c], &pixels[corner]);
                    }
                }
            }
        }
    }
    sums
}

/// Where vectors of pixels go in an NHWC output.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub row: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub first: usize,
}

impl Target {
    /// Writes the lanes that are pixels of the output; lane 0 is plane position `start`.
    #[inline(always)]
    fn scatter<const N: usize, const C: usize>(
        self,
        start: usize,
        vectors: &[[f32; N]; C],
        to: &mut [f32],
    ) {
        let pixels = interleave(vectors);
        let mut runs = Runs { target: self, start, lane: 0, lanes: N };
        while let Some(run) = runs.next() {
            self.copy(run, &pixels, to);
        }
    }

    /// The same for maxima and their places.
    #[inline(always)]
    pub(super) fn pooled<const N: usize, const C: usize>(
        self,
        start: usize,
        best: &[[f32; N]; C],
        place: &[[u32; N]; C],
        output: &mut [f32],
        places: &mut [u8],
    ) {
        if N < 8 {
            // For so few lanes it does not pay to turn anything in registers.
            return self.pooled_lanes(start, best, place, output, places);
        }
        let pixels = interleave(best);
        let bytes = interleave_bytes(place);
        let mut runs = Runs { target: self, start, lane: 0, lanes: N };
        while let Some(run) = runs.next() {
            self.copy(run, &pixels, output);
            let to = places[run.pixel * self.channels..].chunks_exact_mut(self.channels);
            for (to, from) in to.zip(&bytes[run.lane..run.lane + run.count]) {
                let to: &mut [u8; C] =
                    to[self.first..].first_chunk_mut().expect("channels of the block");
                to.copy_from_slice(&from[..C]);
            }
        }
    }

    /// Lane by lane.
    #[inline(always)]
    fn pooled_lanes<const N: usize, const C: usize>(
        self,
        start: usize,
        best: &[[f32; N]; C],
        place: &[[u32; N]; C],
        output: &mut [f32],
        places: &mut [u8],
    ) {
        let mut runs = Runs { target: self, start, lane: 0, lanes: N };
        while let Some(run) = runs.next() {
            let first = run.pixel * self.channels;
            let output = output[first..].chunks_exact_mut(self.channels);
            let places = places[first..].chunks_exact_mut(self.channels);
            let lanes = run.lane..run.lane + run.count;
            for ((lane, output), places) in lanes.zip(output).zip(places) {
                for c in 0..C {
                    output[self.first + c] = best[c][lane & (N - 1)];
                    places[self.first + c] = place[c][lane & (N - 1)] as u8;
                }
            }
        }
    }

    /// Copies one run of pixels.
    #[inline(always)]
    fn copy<const N: usize, const C: usize>(
        self,
        run: Run,
        pixels: &[[f32; C]; N],
        to: &mut [f32],
    ) {
        let from = &pixels[run.lane..run.lane + run.count];
        let to = &mut to[run.pixel * self.channels..];
        if self.channels == C {
            return to[..run.count * C].copy_from_slice(from.as_flattened());
        }
        for (to, from) in to.chunks_exact_mut(self.channels).zip(from) {
            *to[self.first..].first_chunk_mut().expect("channels of the block") = *from;
        }
    }
}

/// Lanes `lane..lane + count` of a vector that are neighbouring pixels of the output.
#[derive(Clone, Copy)]
struct Run {
    lane: usize,
    count: usize,
    pixel: usize,
}

/// The runs of one vector: one in each row that it crosses.
struct Runs {
    target: Target,
    start: usize,
    lane: usize,
    lanes: usize,
}

impl Runs {
    #[inline(always)]
    fn next(&mut self) -> Option<Run> {
        let Target { row, height, width, .. } = self.target;
        while self.lane < self.lanes {
            let (y, x) = ((self.start + self.lane) / row, (self.start + self.lane) % row);
            if y >= height {
                return None;
            }
            let lane = self.lane;
            self.lane += row - x;
            if x < width {
                let count = (width - x).min(self.lanes - lane);
                return Some(Run { lane, count, pixel: y * width + x });
            }
        }
        None
    }
}

/// Pixel by pixel what is channel by channel.
#[inline(always)]
fn interleave<const N: usize, const C: usize>(channels: &[[f32; N]; C]) -> [[f32; C]; N] {
    let mut pixels = [[0.0; C]; N];
    for lane in 0..N {
        for c in 0..C {
            pixels[lane][c] = channels[c][lane];
        }
    }
    pixels
}

/// The same as bytes, in records of eight of which `C` count.
#[inline(always)]
fn interleave_bytes<const N: usize, const C: usize>(channels: &[[u32; N]; C]) -> [[u8; 8]; N] {
    let (mut low, mut high) = ([0; N], [0; N]);
    for c in 0..C {
        let half = if c < 4 { &mut low } else { &mut high };
        for lane in 0..N {
            half[lane] |= channels[c][lane] << (8 * (c % 4));
        }
    }
    let mut records = [[0; 8]; N];
    for lane in 0..N {
        records[lane] = (u64::from(low[lane]) | u64::from(high[lane]) << 32).to_le_bytes();
    }
    records
}
