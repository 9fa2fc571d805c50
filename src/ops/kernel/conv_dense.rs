//! Weight gradient of a convolution without a pool, and of a linear layer.
//!
//! Over all pixels, `gradient[k, out] += patch[k] * unit[out]`: a register tile holds `P` values
//! of the patch, contiguous in NHWC, times `V` vectors of output channels, while the pixels of
//! the image pass by.

use super::lanes::{add_scaled, load_all};
use super::width::Kernel;

/// Adds the products of `count` contiguous patch values, from `first` on, to `sums`.
pub(super) struct AddOuter<'a> {
    pub outer: Outer<'a>,
    pub first: usize,
    pub count: usize,
    /// `[count][out_len]`.
    pub sums: &'a mut [f32],
}

/// One operand pair: rows of pixels, each with a patch and a gradient.
#[derive(Clone, Copy)]
pub(super) struct Outer<'a> {
    /// Values that the patches are part of.
    pub input: &'a [f32],
    /// Gradients `[pixel, out]`, `out` filled up to `out_len` values a pixel.
    pub gradient: &'a [f32],
    /// Rows and columns of pixels.
    pub size: [usize; 2],
    /// Distance between patches in `input`, down and across.
    pub steps: [usize; 2],
    /// Values in a gradient, from [`super::pack::column_len`].
    pub out_len: usize,
}

/// Patch values in a tile at most.
const fn most(lanes: usize) -> usize {
    match lanes {
        16 => 12,
        8 => 6,
        _ => 4,
    }
}

impl Kernel for AddOuter<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let AddOuter { outer, first, count, sums } = self;
        let mut k = 0;
        while k < count {
            let start = first + k;
            let sums = &mut sums[k * outer.out_len..];
            // The guards are constants: a tile that does not fit the registers is not compiled.
            k += match count - k {
                12.. if const { most(N) >= 12 } => blocks::<N, FMA, 12>(outer, start, sums),
                8.. if const { most(N) >= 8 } => blocks::<N, FMA, 8>(outer, start, sums),
                6.. if const { most(N) == 6 } => blocks::<N, FMA, 6>(outer, start, sums),
                4.. => blocks::<N, FMA, 4>(outer, start, sums),
                2.. => blocks::<N, FMA, 2>(outer, start, sums),
                _ => blocks::<N, FMA, 1>(outer, start, sums),
            };
        }
    }
}

#[inline(always)]
fn blocks<const N: usize, const FMA: bool, const P: usize>(
    outer: Outer,
    start: usize,
    sums: &mut [f32],
) -> usize {
    for out in (0..outer.out_len).step_by(2 * N) {
        tile::<N, FMA, P, 2>(outer, start, out, sums);
    }
    P
}

#[inline(always)]
fn tile<const N: usize, const FMA: bool, const P: usize, const V: usize>(
    outer: Outer,
    start: usize,
    out: usize,
    sums: &mut [f32],
) {
    let tile = sum::<N, FMA, P, V>(outer, start, out);
    for (p, tile) in tile.iter().enumerate() {
        let sums = &mut sums[p * outer.out_len + out..][..V * N];
        for (sum, value) in sums.iter_mut().zip(tile.as_flattened()) {
            *sum += value;
        }
    }
}

#[inline(always)]
fn sum<const N: usize, const FMA: bool, const P: usize, const V: usize>(
    outer: Outer,
    start: usize,
    out: usize,
) -> [[[f32; N]; V]; P] {
    let ([height, width], [down, across]) = (outer.size, outer.steps);
    let mut sums = [[[0.0; N]; V]; P];
    for y in 0..height {
        let gradients = &outer.gradient[y * width * outer.out_len..][..width * outer.out_len];
        let mut at = start + y * down;
        for gradient in gradients.chunks_exact(outer.out_len) {
            let patch: &[f32; P] = outer.input[at..].first_chunk().expect("values of the patch");
            let gradient: [[f32; N]; V] = load_all(&gradient[out..]);
            for p in 0..P {
                for v in 0..V {
                    add_scaled::<N, FMA>(&mut sums[p][v], patch[p], &gradient[v]);
                }
            }
            at += across;
        }
    }
    sums
}
