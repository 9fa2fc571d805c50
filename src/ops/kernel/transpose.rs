//! Transposition of matrices.

use super::lanes::{load, store};
use super::width::{Kernel, Vectors};

/// Rows and columns that are turned at once.
const SIDE: usize = 8;

/// Transposes a row-major `rows` x `columns` matrix: NHWC to NCHW with `rows` pixels and
/// `columns` channels, and back with the two exchanged.
pub(super) struct Transpose<'a> {
    pub from: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    pub to: &'a mut [f32],
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let Transpose { from, rows, columns, to } = self;
        assert_eq!(from.len(), rows * columns);
        assert_eq!(to.len(), rows * columns);
        for row in (0..rows).step_by(SIDE) {
            for column in (0..columns).step_by(SIDE) {
                if row + SIDE <= rows && column + SIDE <= columns {
                    let mut square = [[0.0; SIDE]; SIDE];
                    for r in 0..SIDE {
                        square[r] = load(&from[(row + r) * columns + column..]);
                    }
                    let turned = turned::<N>(square);
                    for c in 0..SIDE {
                        store(&mut to[(column + c) * rows + row..][..SIDE], &turned[c]);
                    }
                } else {
                    for c in column..columns.min(column + SIDE) {
                        for r in row..rows.min(row + SIDE) {
                            to[c * rows + r] = from[r * columns + c];
                        }
                    }
                }
            }
        }
    }
}

/// Transposes each image from `[rows, columns]` to `[columns, rows]`.
///
/// # Panics
/// If the lengths differ.
pub fn transpose_images(from: &[f32], rows: usize, columns: usize, to: &mut [f32]) {
    assert_eq!(from.len(), to.len());
    let size = rows * columns;
    if size > 0 {
        let vectors = Vectors::current();
        for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
            vectors.run(Transpose { from, rows, columns, to });
        }
    }
}

type Square = [[f32; SIDE]; SIDE];

#[inline(always)]
fn turned<const N: usize>(square: Square) -> Square {
    #[cfg(target_arch = "x86_64")]
    if N >= SIDE {
        // SAFETY: `N` is 8 or more only where the machine has AVX2.
        return unsafe { turned_by_avx(square) };
    }
    let mut turned = [[0.0; SIDE]; SIDE];
    for c in 0..SIDE {
        for r in 0..SIDE {
            turned[c][r] = square[r][c];
        }
    }
    turned
}

/// The same by shuffles, which the compiler does not find: a quarter of the time.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn turned_by_avx(square: Square) -> Square {
    use std::arch::x86_64::*;

    // SAFETY: arrays of eight `f32`, without any demand on their alignment.
    let rows = square.map(|row| unsafe { _mm256_loadu_ps(row.as_ptr()) });
    let mut pairs = [_mm256_setzero_ps(); SIDE];
    for i in 0..SIDE / 2 {
        pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
    let mut fours = [_mm256_setzero_ps(); SIDE];
    for half in 0..2 {
        for i in 0..2 {
            let (low, high) = (pairs[4 * half + i], pairs[4 * half + 2 + i]);
            fours[4 * half + 2 * i] = _mm256_shuffle_ps::<0x44>(low, high);
            fours[4 * half + 2 * i + 1] = _mm256_shuffle_ps::<0xee>(low, high);
        }
    }
    let mut turned = [[0.0; SIDE]; SIDE];
    for i in 0..SIDE / 2 {
        let (upper, lower) = (fours[i], fours[4 + i]);
        // SAFETY: as above.
        unsafe {
            _mm256_storeu_ps(turned[i].as_mut_ptr(), _mm256_permute2f128_ps::<0x20>(upper, lower));
            _mm256_storeu_ps(
                turned[4 + i].as_mut_ptr(),
                _mm256_permute2f128_ps::<0x31>(upper, lower),
            );
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::super::testing::each_width;
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (rows, columns) in [(1, 1), (8, 8), (25, 16), (16, 25), (40, 24), (7, 33), (0, 5)] {
            let from: Vec<f32> = (0..rows * columns).map(|value| value as f32).collect();
            each_width(|| {
                let mut to = vec![-1.0; from.len()];
                Vectors::current().run(Transpose { from: &from, rows, columns, to: &mut to });
                for (index, &value) in to.iter().enumerate() {
                    let (column, row) = (index / rows, index % rows);
                    assert_eq!(value, from[row * columns + column], "{rows} x {columns}");
                }
            });
        }
    }
}
