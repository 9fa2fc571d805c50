//! Input gradient behind a 2x2 max-pool.
//!
//! Each unit adds `unit * weights` to the patch that it came from. Windows below one another meet
//! overlapping rows of the image. Going down a column of windows, a register tile holds the rows
//! of the image that the current window meets; after each window its two upper rows are complete
//! and are added to the image, so that the image is read and written once for each column and row
//! instead of once for each unit or window.

use super::conv_sparse::Units;
use super::lanes::{add_scaled, load_unchecked};
use super::shape::ConvShape;
use super::width::Kernel;

/// Whether [`SlideInputGradient`] can compute a shape: windows below one another must be two rows
/// apart.
pub(super) fn suits(shape: &ConvShape) -> bool {
    shape.stride[0] == 1
}

/// Output channels whose units are taken at once, a bit each.
const GROUP: usize = 64;

/// Windows of a column that are taken at once.
const BAND: usize = 32;

/// For each place of a window, the channels that have a unit there.
type Places = [u64; 4];

/// Adds one image's input gradient to sums; see [`suits`].
pub(super) struct SlideInputGradient<'a> {
    pub units: Units<'a>,
    /// In the order of [`super::pack::pack_patches`].
    pub weights: &'a [f32],
    /// Sums, padded NHWC and [`super::conv_sparse::SLACK`].
    pub image: &'a mut [f32],
}

impl Kernel for SlideInputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let SlideInputGradient { units, weights, image } = self;
        let [height, width] = units.size();
        let (channels, kernel_rows) = (units.shape.out_channels, units.shape.kernel[0]);
        let row = units.shape.patch_row().next_multiple_of(N);
        let across = units.shape.stride[1] * units.shape.in_channels;
        let mut places = [[0; 4]; BAND];
        for first in (0..channels).step_by(GROUP) {
            let weights = &weights[first * kernel_rows * row..];
            for x in 0..width {
                for top in (0..height).step_by(BAND) {
                    let places = &mut places[..BAND.min(height - top)];
                    for (y, places) in places.iter_mut().enumerate() {
                        *places = find(units, (top + y) * width + x, first);
                    }
                    let column = Column {
                        places,
                        gradient: &units.gradient[(top * width + x) * channels + first..],
                        next_window: width * channels,
                        next_channel: kernel_rows * row,
                        row,
                        image_row: units.shape.padded_row(),
                    };
                    let start = 2 * top * column.image_row + 2 * x * across;
                    for side in 0..2 {
                        let image = &mut image[start + side * across..];
                        add_column::<N, FMA>(column, side, kernel_rows, weights, image);
                    }
                }
            }
        }
    }
}

/// Finds the units of one window in a group of channels.
#[inline(always)]
fn find(units: Units, window: usize, first: usize) -> Places {
    let places = units.places.expect("units behind a pool");
    let channels = units.shape.out_channels;
    let some = window * channels + first..window * channels + channels.min(first + GROUP);
    let (places, gradient) = (&places[some.clone()], &units.gradient[some]);
    // Two bits of place, and a third for zeros.
    let mut codes = [4; GROUP];
    for ((code, &place), &gradient) in codes.iter_mut().zip(places).zip(gradient) {
        *code = (place & 3) | (u8::from(gradient == 0.0) << 2);
    }
    let mut found = [0; 4];
    for (index, codes) in codes.as_chunks::<8>().0[..places.len().div_ceil(8)].iter().enumerate() {
        let codes = u64::from_le_bytes(*codes);
        let (low, high, live) = (bits(codes), bits(codes >> 1), !bits(codes >> 2) & 0xff);
        let both = [!high & !low, !high & low, high & !low, high & low];
        for place in 0..4 {
            found[place] |= (both[place] & live) << (8 * index);
        }
    }
    found
}

/// The lowest bits of eight bytes, together.
#[inline(always)]
fn bits(bytes: u64) -> u64 {
    (bytes & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Windows below one another, and what they lead to.
#[derive(Clone, Copy)]
struct Column<'a> {
    places: &'a [Places],
    /// From the first window and the group's first channel on.
    gradient: &'a [f32],
    /// Distance between windows in `gradient`.
    next_window: usize,
    /// Distance between channels and rows in the weights.
    next_channel: usize,
    row: usize,
    image_row: usize,
}

/// Adds the units on one side of their windows; splits the patch into register blocks.
#[inline(always)]
fn add_column<const N: usize, const FMA: bool>(
    column: Column,
    side: usize,
    kernel_rows: usize,
    weights: &[f32],
    image: &mut [f32],
) {
    let mut ky = 0;
    while ky < kernel_rows {
        let rows = match kernel_rows - ky {
            5.. => 5,
            3.. => 3,
            _ => 1,
        };
        let mut vector = 0;
        while vector < column.row {
            let weights = &weights[ky * column.row + vector..];
            let image = &mut image[ky * column.image_row + vector..];
            let pair = vector + 2 * N <= column.row;
            match (rows, pair) {
                (5, true) => slide::<N, FMA, 5, 6, 2>(column, side, weights, image),
                (5, false) => slide::<N, FMA, 5, 6, 1>(column, side, weights, image),
                (3, true) => slide::<N, FMA, 3, 4, 2>(column, side, weights, image),
                (3, false) => slide::<N, FMA, 3, 4, 1>(column, side, weights, image),
                (_, true) => slide::<N, FMA, 1, 2, 2>(column, side, weights, image),
                (_, false) => slide::<N, FMA, 1, 2, 1>(column, side, weights, image),
            }
            vector += if pair { 2 * N } else { N };
        }
        ky += rows;
    }
}

/// A register block: `ROWS` rows of the kernel, and `TALL`, one more, of the image.
#[inline(always)]
fn slide<
    const N: usize,
    const FMA: bool,
    const ROWS: usize,
    const TALL: usize,
    const VECTORS: usize,
>(
    column: Column,
    side: usize,
    weights: &[f32],
    image: &mut [f32],
) {
    const { assert!(TALL == ROWS + 1) };
    let image_row = column.image_row;
    let mut tile = [[[0.0; N]; VECTORS]; TALL];
    let mut gradient = column.gradient;
    let mut at = 0;
    for (window, places) in column.places.iter().enumerate() {
        if window > 0 {
            gradient = &gradient[column.next_window..];
        }
        tile = add_units::<N, FMA, ROWS, TALL, VECTORS, 0>(
            tile,
            column,
            places[side],
            gradient,
            weights,
        );
        tile = add_units::<N, FMA, ROWS, TALL, VECTORS, 1>(
            tile,
            column,
            places[2 + side],
            gradient,
            weights,
        );
        for r in 0..2 {
            add_row(&tile[r], &mut image[at..]);
            at += image_row;
        }
        for r in 0..TALL {
            tile[r] = if r + 2 < TALL { tile[r + 2] } else { [[0.0; N]; VECTORS] };
        }
    }
    for r in 0..TALL - 2 {
        add_row(&tile[r], &mut image[at..]);
        at += image_row;
    }
}

#[inline(always)]
fn add_row<const N: usize, const VECTORS: usize>(row: &[[f32; N]; VECTORS], image: &mut [f32]) {
    let image = &mut image[..VECTORS * N];
    for v in 0..VECTORS {
        for lane in 0..N {
            image[v * N + lane] += row[v][lane];
        }
    }
}

/// Adds one window's units at one place to the rows from `FIRST` on.
#[inline(always)]
fn add_units<
    const N: usize,
    const FMA: bool,
    const ROWS: usize,
    const TALL: usize,
    const VECTORS: usize,
    const FIRST: usize,
>(
    mut tile: [[[f32; N]; VECTORS]; TALL],
    column: Column,
    mut channels: u64,
    gradient: &[f32],
    weights: &[f32],
) -> [[[f32; N]; VECTORS]; TALL] {
    let row = column.row;
    while channels != 0 {
        let channel = channels.trailing_zeros() as usize;
        channels &= channels - 1;
        let gradient = gradient[channel];
        let weights = &weights[channel * column.next_channel..][..(ROWS - 1) * row + VECTORS * N];
        for r in 0..ROWS {
            for v in 0..VECTORS {
                // SAFETY: row and vector are below `ROWS` and `VECTORS`, so this vector ends
                // within the `(ROWS - 1) * row + VECTORS * N` values of the slice.
                let run = unsafe { load_unchecked(weights, r * row + v * N) };
                add_scaled::<N, FMA>(&mut tile[r + FIRST][v], gradient, &run);
            }
        }
    }
    tile
}
