//! Two steps of [`super::conv_narrow_rows`] by AVX-512 intrinsics.
//!
//! From loops over arrays the compiler makes halves of vectors and single values: forming the samples
//! of an image of the tutorial net then takes 2.4 µs instead of .8, and the maxima 1.1 instead of .6.

use std::arch::x86_64::*;

use super::conv_narrow_rows::Rows;
use super::fast_rows::{PRODUCTS, ROWS, SAMPLES};

/// Values of a vector.
const N: usize = 16;

#[inline]
#[target_feature(enable = "avx512f")]
fn read(from: &[f32; N]) -> __m512 {
    // SAFETY: the array holds 16 values; no alignment is asked for.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn write(to: &mut [f32; N], vector: __m512) {
    // SAFETY: the array holds 16 values; no alignment is asked for.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), vector) }
}

/// Vectors of the lower and of the upper half of a row's piece.
type Halves = [__m512; 2];

#[inline]
#[target_feature(enable = "avx512f")]
fn plus(a: Halves, b: Halves) -> Halves {
    [_mm512_add_ps(a[0], b[0]), _mm512_add_ps(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn minus(a: Halves, b: Halves) -> Halves {
    [_mm512_sub_ps(a[0], b[0]), _mm512_sub_ps(a[1], b[1])]
}

/// Where the samples of one channel go: a place for each part across, of which [`fill`] has checked that
/// a vector of each product fits.
struct Samples<'a> {
    parts: [*mut f32; 3],
    /// Distance from one product to the next.
    step: usize,
    /// Even samples of the row's next piece, if rows have several.
    after: Option<&'a mut [__m512; PRODUCTS]>,
}

impl Samples<'_> {
    /// Splits the samples of one product into the parts across.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn put(&mut self, product: usize, [low, high]: Halves) {
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        let evens = _mm512_permutex2var_ps(low, even, high);
        let odds = _mm512_permutex2var_ps(low, odd, high);
        let after = match &mut self.after {
            Some(after) => std::mem::replace(&mut after[product], evens),
            None => evens,
        };
        let next = _mm512_castsi512_ps(_mm512_alignr_epi32::<1>(
            _mm512_castps_si512(after),
            _mm512_castps_si512(evens),
        ));
        let parts = [odds, _mm512_sub_ps(evens, odds), _mm512_sub_ps(next, odds)];
        for (part, vector) in self.parts.into_iter().zip(parts) {
            // SAFETY: see `Samples`; `product` is below their number.
            unsafe { _mm512_storeu_ps(part.add(product * self.step), vector) };
        }
    }
}

/// Forms the samples of one channel: those of the eleven products, and of each the parts across.
///
/// `lines` are its eight rows of `width` values, whole pairs of vectors. `to` receives half as many
/// values for each part across and product, `step` apart.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn fill(lines: &[f32], width: usize, to: &mut [f32], step: usize) {
    // Checked here once: checks at each of the 33 vectors would cost as much as all the rest.
    assert!(lines.len() >= SAMPLES * width && width.is_multiple_of(2 * N));
    assert!(to.len() >= (3 * PRODUCTS - 1) * step + width / 2);
    if width == 2 * N {
        // SAFETY: as asserted.
        return unsafe { fill_piece(lines.as_ptr(), width, to.as_mut_ptr(), step, None) };
    }
    // From right to left: a vector needs the first value of the one that follows it.
    let mut after = [_mm512_setzero_ps(); PRODUCTS];
    for x in (0..width / (2 * N)).rev() {
        // SAFETY: as asserted; `x` counts the pieces of a row.
        unsafe {
            let (lines, to) = (lines.as_ptr().add(2 * N * x), to.as_mut_ptr().add(N * x));
            fill_piece(lines, width, to, step, Some(&mut after));
        }
    }
}

/// Two vectors of each row become one of each product and part.
///
/// # Safety
/// They must lie behind the two pointers, at the distances that [`fill`] describes.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn fill_piece(
    lines: *const f32,
    width: usize,
    to: *mut f32,
    step: usize,
    after: Option<&mut [__m512; PRODUCTS]>,
) {
    // SAFETY: the caller's promise.
    let row = |y: usize| unsafe {
        let pixels = lines.add(y * width);
        [_mm512_loadu_ps(pixels), _mm512_loadu_ps(pixels.add(N))]
    };
    // SAFETY: the caller's promise.
    let parts = [0, 1, 2].map(|part| unsafe { to.add(part * PRODUCTS * step) });
    let mut samples = Samples { parts, step, after };
    let (o0, o1, o2, o3) = (row(1), row(3), row(5), row(7));
    samples.put(0, plus(o1, o2));
    samples.put(1, minus(o2, o1));
    samples.put(5, minus(o0, o2));
    samples.put(6, minus(o3, o1));
    let (e1, e2, e3) = (row(2), row(4), row(6));
    let below1 = minus(e2, o1);
    samples.put(4, below1);
    samples.put(9, minus(minus(e1, o0), below1));
    samples.put(10, minus(minus(e3, o2), below1));
    let (above1, above2) = (minus(e1, o1), minus(e2, o2));
    samples.put(2, plus(above1, above2));
    samples.put(3, minus(above2, above1));
    samples.put(7, minus(minus(row(0), o0), above2));
    samples.put(8, minus(minus(e3, o3), above1));
}

/// Maxima of a vector of windows, pixel by pixel.
pub(super) struct Maxima {
    /// Of pixel `4 i + j` the first four channels are values `4 i..4 i + 4` of `first[j]`, the
    /// others of `second[j]`.
    first: [[f32; N]; 4],
    second: [[f32; N]; 4],
    /// Places of the maxima of each pixel.
    pub places: [[u8; 8]; N],
}

impl Maxima {
    /// The channels of one pixel.
    #[inline(always)]
    pub(super) fn pixel<const C: usize>(&self, pixel: usize) -> [f32; C] {
        let mut channels = [0.0; C];
        let (row, at) = (pixel % 4, pixel / 4 * 4);
        let (first, second) = channels.split_at_mut(C.min(4));
        first.copy_from_slice(&self.first[row][at..][..first.len()]);
        second.copy_from_slice(&self.second[row][at..][..second.len()]);
        channels
    }
}

/// Adds up the parts of `C` channels in vector `v`, and finds the maxima of a row of windows.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn maxima<const C: usize>(
    [both, left, right]: [&Rows<C>; 3],
    v: usize,
    line: usize,
    least: f32,
) -> Maxima {
    let (upper, lower) = (ROWS[2 * line], ROWS[2 * line + 1]);
    let least = _mm512_set1_ps(least);
    let place = |place| _mm512_set1_epi32(place);
    let mut best = [_mm512_setzero_ps(); 8];
    let mut places = [_mm512_setzero_si512(); 2];
    for c in 0..C {
        let add = |sums: &Rows<C>, row: usize| {
            _mm512_add_ps(read(&both[row][c][v]), read(&sums[row][c][v]))
        };
        let (upper_left, upper_right) = (add(left, upper), add(right, upper));
        let (lower_left, lower_right) = (add(left, lower), add(right, lower));
        let over = _mm512_max_ps(upper_left, upper_right);
        let under = _mm512_max_ps(lower_left, lower_right);
        let right_over = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(upper_right, upper_left);
        let right_under = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(lower_right, lower_left);
        let below = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(under, over);
        let over_place = _mm512_mask_mov_epi32(place(0), right_over, place(1));
        let under_place = _mm512_mask_mov_epi32(place(2), right_under, place(3));
        let found = _mm512_mask_mov_epi32(over_place, below, under_place);
        best[c] = _mm512_max_ps(_mm512_max_ps(over, under), least);
        let shift = _mm512_set1_epi32(8 * (c % 4) as i32);
        places[c / 4] = _mm512_or_si512(places[c / 4], _mm512_sllv_epi32(found, shift));
    }
    let mut found = Maxima { first: [[0.0; N]; 4], second: [[0.0; N]; 4], places: [[0; 8]; N] };
    turn([best[0], best[1], best[2], best[3]], &mut found.first);
    if C > 4 {
        turn([best[4], best[5], best[6], best[7]], &mut found.second);
    }
    let (low, high) =
        (_mm512_unpacklo_epi32(places[0], places[1]), _mm512_unpackhi_epi32(places[0], places[1]));
    let (mut lows, mut highs) = ([[0_u8; 8]; 8], [[0_u8; 8]; 8]);
    // SAFETY: both arrays hold 64 bytes.
    unsafe {
        _mm512_storeu_si512(lows.as_mut_ptr().cast(), low);
        _mm512_storeu_si512(highs.as_mut_ptr().cast(), high);
    }
    for i in 0..4 {
        found.places[4 * i..][..2].copy_from_slice(&lows[2 * i..][..2]);
        found.places[4 * i + 2..][..2].copy_from_slice(&highs[2 * i..][..2]);
    }
    found
}

/// Transposes every four lanes of four vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn([a, b, c, d]: [__m512; 4], to: &mut [[f32; N]; 4]) {
    let pairs = |low, high| {
        let (low, high) = (_mm512_castps_pd(low), _mm512_castps_pd(high));
        (
            _mm512_castpd_ps(_mm512_unpacklo_pd(low, high)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(low, high)),
        )
    };
    let (first, second) = pairs(_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
    let (third, fourth) = pairs(_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
    for (to, vector) in to.iter_mut().zip([first, second, third, fourth]) {
        write(to, vector);
    }
}
