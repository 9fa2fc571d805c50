//! Four rows at once: the fast FIR algorithm twice over, for kernels of five rows.
//!
//! [`super::fast_fir`] splits four rows of outputs into three convolutions of every second row, each
//! of which has two rows of outputs: `(H0 + H1) O`, `H0 (E - O)` and `H1 (E⁺ - O)`. Two outputs of
//! three taps take four multiplications, of two taps three:
//!
//! ```text
//! y0 = x0 g0 + x1 g1 + x2 g2 = a + b + c      a = (x1 + x2) (g0 + g1 + g2) / 2
//! y1 = x1 g0 + x2 g1 + x3 g2 = a - b + d      b = (x2 - x1) (g0 - g1 + g2) / 2
//!                                             c = (x0 - x2) g0      d = (x3 - x1) g2
//!
//! y0 = x0 g0 + x1 g1         = a + c          a = x1 (g0 + g1)
//! y1 = x1 g0 + x2 g1         = a + d          c = (x0 - x1) g0      d = (x2 - x1) g1
//! ```
//!
//! So four outputs of five taps take 4 + 4 + 3 = 11 multiplications instead of 20.
//!
//! Winograd, "Arithmetic Complexity of Computations" (1980), chapter IV, for the two short ones;
//! Parhi, "VLSI Digital Signal Processing Systems" (1999), chapter 9, for their nesting. Points other
//! than 0, 1, -1 and infinity, which would save more, would also lose digits.

use super::lanes::minus;

/// Rows of a kernel that the algorithm is for.
pub(super) const TAPS: usize = 5;

/// Rows of outputs.
pub(super) const OUTPUTS: usize = 4;

/// Rows of samples under them: even ones `E` and odd ones `O`, in turn.
pub(super) const SAMPLES: usize = OUTPUTS + TAPS - 1;

/// Multiplications. With `e = E - O` and `f = E⁺ - O`, their samples are
///
/// ```text
/// 0: O1 + O2   1: O2 - O1   2: e1 + e2   3: e2 - e1   4: f1
/// 5: O0 - O2   6: O3 - O1   7: e0 - e2   8: e3 - e1   9: f0 - f1   10: f2 - f1
/// ```
pub(super) const PRODUCTS: usize = 11;

/// What the taps of a column contribute to the factor of each product. Products that start from
/// nothing come first, so that none waits for the one before it.
pub(super) const FACTORS: [[f32; TAPS]; PRODUCTS] = [
    [0.5, 0.5, 0.5, 0.5, 0.5],
    [0.5, 0.5, -0.5, -0.5, 0.5],
    [0.5, 0.0, 0.5, 0.0, 0.5],
    [0.5, 0.0, -0.5, 0.0, 0.5],
    [0.0, 1.0, 0.0, 1.0, 0.0],
    [1.0, 1.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 1.0],
    [1.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 1.0],
    [0.0, 1.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 1.0, 0.0],
];

/// A register tile of sums.
pub(super) type Sums<const N: usize, const V: usize, const C: usize> = [[[f32; N]; V]; C];

/// Adds up products.
pub(super) trait Products<const N: usize, const V: usize, const C: usize> {
    /// Adds the next product, in the order of [`FACTORS`], to sums.
    fn add_next(&mut self, sums: Sums<N, V, C>) -> Sums<N, V, C>;
}

/// Where [`outputs`] leaves the four rows.
pub(super) const ROWS: [usize; OUTPUTS] = [1, 3, 2, 0];

/// Computes the four rows of outputs, each starting at `start`, and leaves them at [`ROWS`].
/// `others` is room for two more results.
#[inline(always)]
pub(super) fn outputs<const N: usize, const V: usize, const C: usize>(
    products: &mut impl Products<N, V, C>,
    start: [f32; C],
    rows: &mut [Sums<N, V, C>; OUTPUTS],
    others: &mut [Sums<N, V, C>; 2],
) {
    // One copy of the inner loop for all products: with eleven, the compiler spills its sums. Results
    // that are done with make room for others: together they must leave room in the first-level cache.
    for product in 0..PRODUCTS {
        let mut sums = [[[0.0; N]; V]; C];
        match product {
            0 => {
                for c in 0..C {
                    sums[c] = [[start[c]; N]; V];
                }
            }
            5 => combine(&mut sums, &rows[0], 1.0, &rows[1], None),
            6 => combine(&mut sums, &rows[0], -1.0, &rows[1], None),
            7 => combine(&mut sums, &rows[2], 1.0, &rows[3], Some(&others[1])),
            8 => combine(&mut sums, &rows[2], -1.0, &rows[3], Some(&rows[0])),
            9 => combine(&mut sums, &others[1], 1.0, &others[0], None),
            10 => combine(&mut sums, &rows[0], 1.0, &others[0], None),
            _ => {}
        }
        let sums = products.add_next(sums);
        match product {
            4 => others[0] = sums,
            5 => others[1] = sums,
            6 | 10 => rows[0] = sums,
            7..=9 => rows[product - 6] = sums,
            _ => rows[product] = sums,
        }
    }
}

/// `to = left + sign * right + more`.
#[inline(always)]
fn combine<const N: usize, const V: usize, const C: usize>(
    to: &mut Sums<N, V, C>,
    left: &Sums<N, V, C>,
    sign: f32,
    right: &Sums<N, V, C>,
    more: Option<&Sums<N, V, C>>,
) {
    for c in 0..C {
        for v in 0..V {
            let (left, right) = (&left[c][v], &right[c][v]);
            let sum = if sign > 0.0 { plus(left, right) } else { minus(left, right) };
            to[c][v] = match more {
                Some(more) => plus(&sum, &more[c][v]),
                None => sum,
            };
        }
    }
}

/// `left + right`.
#[inline(always)]
fn plus<const N: usize>(left: &[f32; N], right: &[f32; N]) -> [f32; N] {
    let mut sum = [0.0; N];
    for lane in 0..N {
        sum[lane] = left[lane] + right[lane];
    }
    sum
}
