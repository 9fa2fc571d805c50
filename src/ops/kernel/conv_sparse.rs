//! Convolution backward through sparse gradients.
//!
//! Behind a 2x2 max-pool only one in four of the convolution's gradients is non-zero. Each of
//! them, a *unit*, meets one patch of the image: `weight gradient += unit * patch` and
//! `input gradient[patch] += unit * weights`. A patch is `kernel rows` contiguous runs of an NHWC
//! image, so both are a few vector operations, a quarter of the dense work.
//!
//! The weight gradient reads patches from an image in strips (`conv_strips.rs`). The input gradient
//! here serves any stride, without a pool too, where every output is a unit; behind a pool with
//! neighbouring outputs `conv_slide.rs` is faster.

use super::conv_strips::{LINE, STRIP, Strips};
use super::lanes::{add_scaled, load_all, load_unchecked};
use super::shape::ConvShape;
use super::width::Kernel;

/// The units of one image.
#[derive(Clone, Copy)]
pub(super) struct Units<'a> {
    pub shape: &'a ConvShape,
    /// Gradient of the block's output, NHWC, zero where ReLU was.
    pub gradient: &'a [f32],
    /// Values of `gradient` for each pixel: the channels, and with them what fills a vector.
    pub unit_len: usize,
    /// Place of each unit in its pooling window; `None` without a pool.
    pub places: Option<&'a [u8]>,
}

impl Units<'_> {
    /// Rows and columns of units.
    pub fn size(&self) -> [usize; 2] {
        self.shape.conv_size().map(|size| if self.places.is_some() { size / 2 } else { size })
    }

    /// Distance from one unit's patch to the next, down and across, in values of the image.
    fn steps(&self) -> [usize; 2] {
        let [down, across] = self.patch_steps();
        if self.places.is_some() { [2 * down, 2 * across] } else { [down, across] }
    }

    /// The same for neighbouring outputs of the convolution.
    fn patch_steps(&self) -> [usize; 2] {
        [
            self.shape.stride[0] * self.shape.padded_row(),
            self.shape.stride[1] * self.shape.in_channels,
        ]
    }

    /// Start of the patch for each place in a window, relative to its first.
    fn place_starts(&self) -> [usize; 4] {
        let [down, across] = self.patch_steps();
        if self.places.is_some() { [0, across, down, down + across] } else { [0; 4] }
    }
}

/// Values beyond an image that its last vectors touch.
pub(super) const SLACK: usize = 64;

/// Splits `kernel rows x vectors` into register blocks and calls `$block::<ROWS, VECTORS>`.
macro_rules! for_each_block {
    ($lanes:expr, $rows:expr, $vectors:expr, |$row:ident, $vector:ident| $block:ident::<N, FMA> $arguments:tt) => {
        let (rows, vectors): (usize, usize) = ($rows, $vectors);
        let mut $row = 0;
        while $row < rows {
            let height = match rows - $row {
                5.. => 5,
                3.. => 3,
                _ => 1,
            };
            let widest = if $lanes == 16 || height < 5 { 4 } else { 2 };
            let mut $vector = 0;
            while $vector < vectors {
                let width = (vectors - $vector).min(widest);
                match (height, width) {
                    (5, 4) => $block::<N, FMA, 5, 4> $arguments,
                    (5, 2..) => $block::<N, FMA, 5, 2> $arguments,
                    (5, _) => $block::<N, FMA, 5, 1> $arguments,
                    (3, 4) => $block::<N, FMA, 3, 4> $arguments,
                    (3, 2..) => $block::<N, FMA, 3, 2> $arguments,
                    (3, _) => $block::<N, FMA, 3, 1> $arguments,
                    (_, 4) => $block::<N, FMA, 1, 4> $arguments,
                    (_, 2..) => $block::<N, FMA, 1, 2> $arguments,
                    _ => $block::<N, FMA, 1, 1> $arguments,
                }
                $vector += if width == 3 { 2 } else { width };
            }
            $row += height;
        }
    };
}

/// Finds where the patch of each unit behind a pool starts: once for all kernel rows and vectors,
/// and in whole vectors, which a table for each unit would prevent.
pub(super) struct FindPatches<'a> {
    pub units: Units<'a>,
    /// From [`first_row`].
    pub first_row: &'a [f32],
    /// For every unit the start of its patch in the image in strips, an integer kept as bits.
    pub to: &'a mut [f32],
}

impl Kernel for FindPatches<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let FindPatches { units, first_row, to, .. } = self;
        let places = units.places.expect("units behind a pool");
        let row = units.size()[1] * units.unit_len;
        let (left, right) = first_row.split_at(row);
        let down = (units.shape.stride[0] * LINE) as u32;
        for (y, (to, places)) in to.chunks_exact_mut(row).zip(places.chunks_exact(row)).enumerate()
        {
            let top = 2 * y as u32 * down;
            let (to, places, left, right) =
                (&mut to[..row], &places[..row], &left[..row], &right[..row]);
            for i in 0..row {
                // Products, since the compiler makes branches of choices.
                let place = u32::from(places[i]);
                let column = left[i].to_bits() + (place & 1) * right[i].to_bits();
                to[i] = f32::from_bits(top + column + (place >> 1 & 1) * down);
            }
        }
    }
}

/// Fills in [`FindPatches::first_row`], two rows of units: where the patches of left places start,
/// and how much further those of right places.
pub(super) fn first_row(units: Units, strips: Strips, to: &mut [f32]) {
    let across = units.shape.stride[1] * units.shape.in_channels;
    let (left, right) = to.split_at_mut(units.size()[1] * units.unit_len);
    let pixels = left.chunks_exact_mut(units.unit_len).zip(right.chunks_exact_mut(units.unit_len));
    for (x, (left, right)) in pixels.enumerate() {
        let start = strips.place(2 * x * across);
        left.fill(f32::from_bits(start as u32));
        right.fill(f32::from_bits((strips.place((2 * x + 1) * across) - start) as u32));
    }
}

/// Units of one channel that are taken at once: few enough that the rows of the image that they
/// meet stay in the first-level cache for all channels.
const BAND: usize = 112;

/// Adds one image's weight gradient to sums, for units behind a pool.
pub(super) struct AddWeightGradient<'a> {
    pub units: Units<'a>,
    /// From [`FindPatches`].
    pub starts: &'a [f32],
    pub strips: Strips,
    /// The image in strips.
    pub image: &'a [f32],
    /// Sums in the order of [`super::pack::pack_patches`] for vectors of at most [`STRIP`].
    pub patches: &'a mut [f32],
    /// Sums of the bias gradient.
    pub bias: &'a mut [f32],
}

impl Kernel for AddWeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        // A constant: no code for wider vectors is compiled.
        assert!(STRIP.is_multiple_of(N), "see `run_narrow`");
        let AddWeightGradient { units, starts, strips, image, patches, bias } = self;
        let row = units.shape.patch_row().next_multiple_of(N);
        let kernel_rows = units.shape.kernel[0];
        let band = BAND * units.unit_len;
        for (gradient, starts) in units.gradient.chunks(band).zip(starts.chunks(band)) {
            for (channel, patch) in patches.chunks_exact_mut(kernel_rows * row).enumerate() {
                let units = Channel { gradient, starts, channel, unit_len: units.unit_len };
                let mut sum = 0.0;
                for_each_block!(N, kernel_rows, row / N, |ky, vector| weight_block::<N, FMA>(
                    units,
                    &image[strips.place(vector * N) + ky * LINE..],
                    strips.next,
                    &mut patch[ky * row + vector * N..],
                    row,
                    &mut sum
                ));
                bias[channel] += sum;
            }
        }
    }
}

/// Some units of one output channel.
#[derive(Clone, Copy)]
struct Channel<'a> {
    gradient: &'a [f32],
    starts: &'a [f32],
    channel: usize,
    unit_len: usize,
}

#[inline(always)]
fn weight_block<const N: usize, const FMA: bool, const ROWS: usize, const VECTORS: usize>(
    units: Channel,
    image: &[f32],
    next: usize,
    patch: &mut [f32],
    row: usize,
    sum: &mut f32,
) {
    let sums = sum_patches::<N, FMA, ROWS, VECTORS>(units, image, next, sum);
    for r in 0..ROWS {
        for v in 0..VECTORS {
            let patch = &mut patch[r * row + v * N..][..N];
            for lane in 0..N {
                patch[lane] += sums[r][v][lane];
            }
        }
    }
}

/// Sums `unit * patch` over some units, and in passing the units themselves.
#[inline(always)]
fn sum_patches<const N: usize, const FMA: bool, const ROWS: usize, const VECTORS: usize>(
    units: Channel,
    image: &[f32],
    next: usize,
    sum: &mut f32,
) -> [[[f32; N]; VECTORS]; ROWS] {
    let Channel { gradient, starts, channel, unit_len } = units;
    assert_eq!(starts.len(), gradient.len());
    let len = (VECTORS - 1) * N / STRIP * next + (ROWS - 1) * LINE + (VECTORS - 1) * N % STRIP + N;
    let mut sums = [[[0.0; N]; VECTORS]; ROWS];
    let mut total = 0.0;
    let mut unit = channel;
    while unit < gradient.len() {
        let patch = &image[starts[unit].to_bits() as usize..][..len];
        let gradient = gradient[unit];
        for r in 0..ROWS {
            for v in 0..VECTORS {
                let at = v * N / STRIP * next + r * LINE + v * N % STRIP;
                // SAFETY: `at` is largest for the last row and vector, and `len` ends there.
                let run = unsafe { load_unchecked(patch, at) };
                add_scaled::<N, FMA>(&mut sums[r][v], gradient, &run);
            }
        }
        total += gradient;
        unit += unit_len;
    }
    *sum = total;
    sums
}

/// Output channels whose units are sorted at once.
const SORTED: usize = 64;

/// A unit's output channel and gradient.
type Unit = (u32, f32);

/// Adds one image's input gradient to sums.
pub(super) struct AddInputGradient<'a> {
    pub units: Units<'a>,
    /// In the order of [`super::pack::pack_patches`].
    pub weights: &'a [f32],
    /// Sums, padded NHWC and [`SLACK`].
    pub image: &'a mut [f32],
}

impl Kernel for AddInputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let AddInputGradient { units, weights, image } = self;
        let channels = units.shape.out_channels;
        let row = units.shape.patch_row().next_multiple_of(N);
        let kernel_rows = units.shape.kernel[0];
        let ([height, width], [down, across]) = (units.size(), units.steps());
        let starts = units.place_starts();
        // Units at the same place of a window add to the same patch: they are summed in registers
        // and the patch is read and written once.
        let mut sorted: [[Unit; SORTED]; 4] = [[(0, 0.0); SORTED]; 4];
        for position in 0..height * width {
            let start = position / width * down + position % width * across;
            let pixel = &units.gradient[position * units.unit_len..][..channels];
            for (group, gradients) in pixel.chunks(SORTED).enumerate() {
                let first = group * SORTED;
                let places = units
                    .places
                    .map(|places| &places[position * channels + first..][..gradients.len()]);
                let mut counts = [0; 4];
                for (index, &gradient) in gradients.iter().enumerate() {
                    let place = places.map_or(0, |places| usize::from(places[index] & 3));
                    // Always written, only sometimes kept: no branch to mispredict.
                    sorted[place][counts[place] & (SORTED - 1)] =
                        ((first + index) as u32, gradient);
                    counts[place] += usize::from(gradient != 0.0);
                }
                for place in 0..4 {
                    let units_here = &sorted[place][..counts[place]];
                    if units_here.is_empty() {
                        continue;
                    }
                    let patch = &mut image[start + starts[place]..];
                    for_each_block!(N, kernel_rows, row / N, |ky, vector| input_block::<N, FMA>(
                        units_here,
                        &weights[ky * row + vector * N..],
                        [kernel_rows * row, row],
                        &mut patch[ky * units.shape.padded_row() + vector * N..],
                        units.shape.padded_row()
                    ));
                }
            }
        }
    }
}

#[inline(always)]
fn input_block<const N: usize, const FMA: bool, const ROWS: usize, const VECTORS: usize>(
    units: &[Unit],
    weights: &[f32],
    steps: [usize; 2],
    patch: &mut [f32],
    image_row: usize,
) {
    let sums = sum_weights::<N, FMA, ROWS, VECTORS>(units, weights, steps);
    for (r, sums) in sums.iter().enumerate() {
        let run = &mut patch[r * image_row..][..VECTORS * N];
        for (value, sum) in run.iter_mut().zip(sums.as_flattened()) {
            *value += sum;
        }
    }
}

#[inline(always)]
fn sum_weights<const N: usize, const FMA: bool, const ROWS: usize, const VECTORS: usize>(
    units: &[Unit],
    weights: &[f32],
    [next_channel, next_row]: [usize; 2],
) -> [[[f32; N]; VECTORS]; ROWS] {
    let mut sums = [[[0.0; N]; VECTORS]; ROWS];
    for &(channel, gradient) in units {
        let weights = &weights[channel as usize * next_channel..];
        for r in 0..ROWS {
            let run: [[f32; N]; VECTORS] = load_all(&weights[r * next_row..]);
            for v in 0..VECTORS {
                add_scaled::<N, FMA>(&mut sums[r][v], gradient, &run[v]);
            }
        }
    }
    sums
}
