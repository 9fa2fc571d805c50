//! Batch normalisation of one image: the loops. The lanes are channels, and a tile of channels
//! passes over all pixels; channels that do not fill a vector are done one by one.
//!
//! Loops and small functions rather than closures: a closure that is not inlined would be compiled
//! without the wide instructions.

use super::lanes::{load, multiply_add, relu, store, window_max};
use super::width::Kernel;

/// Sizes that every loop needs.
#[derive(Clone, Copy)]
pub(super) struct Image {
    /// Rows and columns.
    pub size: [usize; 2],
    pub channels: usize,
    pub relu: bool,
    pub pool: bool,
}

impl Image {
    /// Rows and columns of the output.
    pub(super) fn out_size(&self) -> [usize; 2] {
        self.size.map(|size| if self.pool { size / 2 } else { size })
    }

    /// Starts of the four pixels of a pooling window.
    #[inline(always)]
    fn window(&self, y: usize, x: usize) -> [usize; 4] {
        let (row, pixel) = (self.size[1] * self.channels, self.channels);
        let start = 2 * y * row + 2 * x * pixel;
        [start, start + pixel, start + row, start + row + pixel]
    }
}

/// Calls `$part::<LANES, FMA>($self, first channel)` for each group of channels.
macro_rules! for_each_group {
    ($channels:expr, $part:ident($argument:expr)) => {{
        let channels = $channels;
        let whole = channels / N * N;
        for first in (0..whole).step_by(N) {
            $part::<N, FMA>($argument, first);
        }
        for channel in whole..channels {
            $part::<1, FMA>($argument, channel);
        }
    }};
}

/// Mean of each channel, and sum of squared deviations from it.
pub(super) struct Moments<'a> {
    pub image: Image,
    pub input: &'a [f32],
    pub mean: &'a mut [f32],
    pub squares: &'a mut [f32],
}

impl Kernel for Moments<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(mut self) {
        for_each_group!(self.image.channels, moments(&mut self));
    }
}

#[inline(always)]
fn moments<const L: usize, const FMA: bool>(image: &mut Moments, first: usize) {
    let channels = image.image.channels;
    let mut mean = [0.0; L];
    for pixel in image.input.chunks_exact(channels) {
        let pixel: [f32; L] = load(&pixel[first..]);
        for lane in 0..L {
            mean[lane] += pixel[lane];
        }
    }
    let count = (image.image.size[0] * image.image.size[1]) as f32;
    for lane in 0..L {
        mean[lane] /= count;
    }
    let mut squares = [0.0; L];
    for pixel in image.input.chunks_exact(channels) {
        let pixel: [f32; L] = load(&pixel[first..]);
        for lane in 0..L {
            let deviation = pixel[lane] - mean[lane];
            squares[lane] = multiply_add::<FMA>(deviation, deviation, squares[lane]);
        }
    }
    store(&mut image.mean[first..], &mean);
    store(&mut image.squares[first..], &squares);
}

/// `output = input * scale + shift`, then ReLU and pool.
pub(super) struct Normalise<'a> {
    pub image: Image,
    pub input: &'a [f32],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub output: &'a mut [f32],
    /// With a pool, receives where in its window each maximum was.
    pub places: &'a mut [u8],
}

impl Kernel for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(mut self) {
        if self.image.pool {
            for_each_group!(self.image.channels, normalise_windows(&mut self));
        } else {
            for_each_group!(self.image.channels, normalise_pixels(&mut self));
        }
    }
}

#[inline(always)]
fn affine<const L: usize, const FMA: bool>(
    input: &[f32],
    scale: &[f32; L],
    shift: &[f32; L],
) -> [f32; L] {
    let mut result = load(input);
    for lane in 0..L {
        result[lane] = multiply_add::<FMA>(result[lane], scale[lane], shift[lane]);
    }
    result
}

#[inline(always)]
fn normalise_pixels<const L: usize, const FMA: bool>(image: &mut Normalise, first: usize) {
    let (scale, shift) = (load(&image.scale[first..]), load(&image.shift[first..]));
    let channels = image.image.channels;
    for (input, output) in
        image.input.chunks_exact(channels).zip(image.output.chunks_exact_mut(channels))
    {
        let mut value = affine::<L, FMA>(&input[first..], &scale, &shift);
        if image.image.relu {
            relu(&mut value);
        }
        store(&mut output[first..], &value);
    }
}

#[inline(always)]
fn normalise_windows<const L: usize, const FMA: bool>(image: &mut Normalise, first: usize) {
    let (scale, shift) = (load(&image.scale[first..]), load(&image.shift[first..]));
    let [height, width] = image.image.out_size();
    let mut at = first;
    for y in 0..height {
        for x in 0..width {
            let [a, b, c, d] = image.image.window(y, x);
            let a = affine::<L, FMA>(&image.input[a + first..], &scale, &shift);
            let b = affine::<L, FMA>(&image.input[b + first..], &scale, &shift);
            let c = affine::<L, FMA>(&image.input[c + first..], &scale, &shift);
            let d = affine::<L, FMA>(&image.input[d + first..], &scale, &shift);
            let (mut best, place) = window_max([&a, &b, &c, &d]);
            if image.image.relu {
                relu(&mut best);
            }
            store(&mut image.output[at..], &best);
            let places: &mut [u8; L] = image.places[at..].first_chunk_mut().expect("a full vector");
            for lane in 0..L {
                places[lane] = place[lane] as u8;
            }
            at += image.image.channels;
        }
    }
}

/// What both backward passes read.
#[derive(Clone, Copy)]
pub(super) struct Backward<'a> {
    pub image: Image,
    pub input: &'a [f32],
    /// Not read without ReLU.
    pub output: &'a [f32],
    /// Not read without a pool.
    pub places: &'a [u8],
    /// Gradient of the output.
    pub gradient: &'a [f32],
    pub mean: &'a [f32],
}

impl Backward<'_> {
    /// The gradient behind ReLU.
    #[inline(always)]
    fn unit<const L: usize>(&self, at: usize) -> [f32; L] {
        let mut unit = load(&self.gradient[at..]);
        if self.image.relu {
            let output: [f32; L] = load(&self.output[at..]);
            for lane in 0..L {
                unit[lane] = if output[lane] <= 0.0 { 0.0 } else { unit[lane] };
            }
        }
        unit
    }

    #[inline(always)]
    fn place<const L: usize>(&self, at: usize) -> [u8; L] {
        *self.places[at..].first_chunk().expect("a full vector")
    }
}

/// Sums over the image of the gradient, and of its products with the input's deviation from the
/// mean.
pub(super) struct GradientSums<'a> {
    pub of: Backward<'a>,
    pub units: &'a mut [f32],
    pub products: &'a mut [f32],
}

impl Kernel for GradientSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(mut self) {
        for_each_group!(self.of.image.channels, gradient_sums(&mut self));
    }
}

#[inline(always)]
fn gradient_sums<const L: usize, const FMA: bool>(image: &mut GradientSums, first: usize) {
    let of = image.of;
    let mean: [f32; L] = load(&of.mean[first..]);
    let (mut units, mut products) = ([0.0; L], [0.0; L]);
    let [height, width] = of.image.out_size();
    let mut at = first;
    for y in 0..height {
        for x in 0..width {
            let unit = of.unit::<L>(at);
            let input: [f32; L] = if of.image.pool {
                let place = of.place::<L>(at);
                let window = of.image.window(y, x);
                let mut chosen: [f32; L] = load(&of.input[window[0] + first..]);
                for corner in 1..4 {
                    let input: [f32; L] = load(&of.input[window[corner] + first..]);
                    for lane in 0..L {
                        let here = place[lane] == corner as u8;
                        chosen[lane] = if here { input[lane] } else { chosen[lane] };
                    }
                }
                chosen
            } else {
                load(&of.input[at..])
            };
            for lane in 0..L {
                units[lane] += unit[lane];
                products[lane] =
                    multiply_add::<FMA>(unit[lane], input[lane] - mean[lane], products[lane]);
            }
            at += of.image.channels;
        }
    }
    store(&mut image.units[first..], &units);
    store(&mut image.products[first..], &products);
}

/// Input gradient: `scale * (unit - mean_unit - (input - mean) * slope)`.
pub(super) struct InputGradient<'a> {
    pub of: Backward<'a>,
    pub scale: &'a [f32],
    pub mean_unit: &'a [f32],
    pub slope: &'a [f32],
    pub to: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(mut self) {
        for_each_group!(self.of.image.channels, input_gradient(&mut self));
    }
}

#[inline(always)]
fn input_gradient<const L: usize, const FMA: bool>(image: &mut InputGradient, first: usize) {
    let of = image.of;
    let terms = Terms {
        scale: load(&image.scale[first..]),
        mean_unit: load(&image.mean_unit[first..]),
        slope: load(&image.slope[first..]),
        mean: load::<L>(&of.mean[first..]),
    };
    let [height, width] = of.image.size;
    if !of.image.pool {
        for pixel in 0..height * width {
            let at = pixel * of.image.channels + first;
            terms.write(&of.input[at..], &of.unit(at), &mut image.to[at..]);
        }
        return;
    }
    let [rows, columns] = of.image.out_size();
    let mut at = first;
    for y in 0..rows {
        for x in 0..columns {
            let (unit, place) = (of.unit::<L>(at), of.place::<L>(at));
            let window = of.image.window(y, x);
            for corner in 0..4 {
                let mut here = unit;
                for lane in 0..L {
                    here[lane] = if place[lane] == corner as u8 { unit[lane] } else { 0.0 };
                }
                let start = window[corner] + first;
                terms.write(&of.input[start..], &here, &mut image.to[start..]);
            }
            at += of.image.channels;
        }
    }
    // The last row and column of odd sizes, which no window holds.
    for y in 0..height {
        let from = if y < 2 * rows { 2 * columns } else { 0 };
        for x in from..width {
            let start = (y * width + x) * of.image.channels + first;
            terms.write(&of.input[start..], &[0.0; L], &mut image.to[start..]);
        }
    }
}

/// What [`InputGradient`] needs of a group of channels.
struct Terms<const L: usize> {
    scale: [f32; L],
    mean_unit: [f32; L],
    slope: [f32; L],
    mean: [f32; L],
}

impl<const L: usize> Terms<L> {
    #[inline(always)]
    fn write(&self, input: &[f32], unit: &[f32; L], to: &mut [f32]) {
        let mut value: [f32; L] = load(input);
        for lane in 0..L {
            let slope = (value[lane] - self.mean[lane]) * self.slope[lane];
            value[lane] = self.scale[lane] * (unit[lane] - self.mean_unit[lane] - slope);
        }
        store(to, &value);
    }
}
