//! Matrix product for linear layers, fast from a batch of two up.
//!
//! A register tile holds `P` rows times two vectors of columns. The right factor is read where it
//! lies; only the columns that do not fill whole tiles are copied, with zeros beside them.

use super::lanes::{add_scaled, load_all, relu, store};
use super::parallel::run_all;
use super::scratch::Scratch;
use super::width::{Kernel, Vectors};

/// How the left factor `[rows, depth]` lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Row by row.
    Rows,
    /// Column by column: the transpose of a row-major `[depth, rows]` matrix.
    Columns,
}

/// `result = left x right + bias`, then ReLU if asked.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub order: Left,
    pub left: &'a [f32],
    /// Distance between the left factor's rows, or between its columns.
    pub step: usize,
    /// Row-major `[depth, columns]`.
    pub right: &'a [f32],
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    /// One value for each column.
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
}

impl Product<'_> {
    /// Computes all of the row-major `[rows, columns]` result.
    pub(super) fn compute(self, vectors: Vectors, result: &mut [f32]) {
        let [lines, len] = match self.order {
            Left::Rows => [self.rows, self.depth],
            Left::Columns => [self.depth, self.rows],
        };
        assert!(lines == 0 || self.left.len() >= (lines - 1) * self.step + len);
        assert_eq!(self.right.len(), self.depth * self.columns);
        assert_eq!(result.len(), self.rows * self.columns);
        let tail = self.columns % (V * vectors.lanes());
        let whole = self.columns - tail;
        let width = if tail > 0 { V * vectors.lanes() } else { 0 };
        let mut packed = Scratch::take(width * self.depth);
        if tail > 0 {
            let rows = self.right.chunks_exact(self.columns);
            for (to, from) in packed.chunks_exact_mut(width).zip(rows) {
                to[..tail].copy_from_slice(&from[whole..]);
                to[tail..].fill(0.0);
            }
        }
        let mut bias = Scratch::zeroed(self.columns + V * vectors.lanes());
        if let Some(from) = self.bias {
            bias[..self.columns].copy_from_slice(from);
        }
        vectors.run(Tiles { product: self, bias: &bias, whole, packed: &packed, result });
    }

    /// The same with the result's rows shared out among threads, if that pays. Every row is
    /// computed by one thread, so its bits do not depend on their number.
    pub(super) fn share(self, threads: usize, vectors: Vectors, result: &mut [f32]) {
        if threads <= 1 || self.rows * self.depth * self.columns < WORTH_SHARING {
            return self.compute(vectors, result);
        }
        let rows = self.rows.div_ceil(threads);
        let tasks = result.chunks_mut(rows * self.columns).enumerate();
        run_all(threads, tasks, |(index, result)| {
            let first = match self.order {
                Left::Rows => index * rows * self.step,
                Left::Columns => index * rows,
            };
            let rows = result.len() / self.columns;
            Product { left: &self.left[first..], rows, ..self }.compute(vectors, result);
        });
    }
}

/// Multiplications from which a second thread pays for its waking.
const WORTH_SHARING: usize = 1 << 20;

struct Tiles<'a> {
    product: Product<'a>,
    bias: &'a [f32],
    whole: usize,
    packed: &'a [f32],
    result: &'a mut [f32],
}

/// Vectors of columns in a tile. One would do for ten classes, but the compiler then interchanges
/// the loops and gathers.
const V: usize = 2;

/// Some columns of the right factor: rows of `step` values, of which `V` vectors count.
#[derive(Clone, Copy)]
struct Strip<'a> {
    right: &'a [f32],
    step: usize,
    first: usize,
    bias: &'a [f32],
}

impl Strip<'_> {
    /// Row `k`, as vectors.
    #[inline(always)]
    fn row<const N: usize>(&self, k: usize) -> [[f32; N]; V] {
        load_all(&self.right[k * self.step..])
    }
}

impl Kernel for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let Tiles { product, bias, whole, packed, result } = self;
        for first in (0..whole).step_by(V * N) {
            let (right, bias) = (&product.right[first..], &bias[first..]);
            strip::<N, FMA>(product, Strip { right, step: product.columns, first, bias }, result);
        }
        if product.columns > whole {
            let strip_of_rest =
                Strip { right: packed, step: V * N, first: whole, bias: &bias[whole..] };
            strip::<N, FMA>(product, strip_of_rest, result);
        }
    }
}

/// Rows in a tile at most.
const fn most(lanes: usize) -> usize {
    match lanes {
        16 => 12,
        8 => 6,
        _ => 4,
    }
}

#[inline(always)]
fn strip<const N: usize, const FMA: bool>(product: Product, strip: Strip, result: &mut [f32]) {
    let mut row = 0;
    while row < product.rows {
        // The guards are constants: a tile that does not fit the registers is not compiled.
        row += match product.rows - row {
            12.. if const { most(N) >= 12 } => tile::<N, FMA, 12>(product, strip, row, result),
            6.. if const { most(N) == 6 } => tile::<N, FMA, 6>(product, strip, row, result),
            4.. => tile::<N, FMA, 4>(product, strip, row, result),
            2.. => tile::<N, FMA, 2>(product, strip, row, result),
            _ => tile::<N, FMA, 1>(product, strip, row, result),
        };
    }
}

#[inline(always)]
fn tile<const N: usize, const FMA: bool, const P: usize>(
    product: Product,
    strip: Strip,
    row: usize,
    result: &mut [f32],
) -> usize {
    let sums = match product.order {
        Left::Rows => sum_rows::<N, FMA, P>(product, strip, row),
        Left::Columns => sum_columns::<N, FMA, P>(product, strip, row),
    };
    for (p, sums) in sums.iter().enumerate() {
        let row = &mut result[(row + p) * product.columns..][..product.columns];
        for (v, sums) in sums.iter().enumerate() {
            let mut sums = *sums;
            if product.relu {
                relu(&mut sums);
            }
            if let Some(row) = row.get_mut(strip.first + v * N..) {
                store(row, &sums);
            }
        }
    }
    P
}

#[inline(always)]
fn sum_rows<const N: usize, const FMA: bool, const P: usize>(
    product: Product,
    strip: Strip,
    row: usize,
) -> [[[f32; N]; V]; P] {
    let depth = product.depth;
    let mut sums = [load_all::<N, V>(strip.bias); P];
    // Slices of exactly `depth` values: the inner loop needs no bounds checks.
    let left: [&[f32]; P] =
        std::array::from_fn(|p| &product.left[(row + p) * product.step..][..depth]);
    for k in 0..depth {
        let right = strip.row::<N>(k);
        for p in 0..P {
            for v in 0..V {
                add_scaled::<N, FMA>(&mut sums[p][v], left[p][k], &right[v]);
            }
        }
    }
    sums
}

#[inline(always)]
fn sum_columns<const N: usize, const FMA: bool, const P: usize>(
    product: Product,
    strip: Strip,
    row: usize,
) -> [[[f32; N]; V]; P] {
    let mut sums = [load_all::<N, V>(strip.bias); P];
    for k in 0..product.depth {
        let left: &[f32; P] =
            product.left[k * product.step + row..].first_chunk().expect("rows of the tile");
        let right = strip.row::<N>(k);
        for p in 0..P {
            for v in 0..V {
                add_scaled::<N, FMA>(&mut sums[p][v], left[p], &right[v]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Values, assert_same, each_width};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn equals_the_definition(
            (rows, depth, columns) in (1..40usize, 1..40usize, 1..80usize),
            seed in any::<u64>(),
            (columns_first, with_bias, relu) in any::<(bool, bool, bool)>(),
        ) {
            let mut values = Values::exact(seed);
            let (left, right) = (values.take(rows * depth), values.take(depth * columns));
            let bias = values.take(columns);
            let bias = with_bias.then_some(&bias[..]);
            let order = if columns_first { Left::Columns } else { Left::Rows };
            let mut expected = vec![0.0; rows * columns];
            for (index, to) in expected.iter_mut().enumerate() {
                let (row, column) = (index / columns, index % columns);
                let at = |k| if columns_first { k * rows + row } else { row * depth + k };
                let sum: f32 = (0..depth).map(|k| left[at(k)] * right[k * columns + column]).sum();
                let sum = sum + bias.map_or(0.0, |bias| bias[column]);
                *to = if relu { sum.max(0.0) } else { sum };
            }
            let step = if columns_first { rows } else { depth };
            let product = Product { order, left: &left, step, right: &right, rows, depth, columns, bias, relu };
            each_width(|| {
                let mut result = vec![0.5; rows * columns];
                product.compute(Vectors::current(), &mut result);
                assert_same("product", &result, &expected);
            });
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (rows, depth, columns) = (101, 130, 90);
        let mut values = Values::normal(3);
        let (left, right) = (values.take(rows * depth), values.take(depth * columns));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
        for (order, step) in [(Left::Rows, depth), (Left::Columns, rows)] {
            let (left, right) = (&left[..], &right[..]);
            let product =
                Product { order, left, step, right, rows, depth, columns, bias: None, relu: true };
            assert!(rows * depth * columns >= WORTH_SHARING);
            each_width(|| {
                let [one, two, three] = [1, 2, 3].map(|threads| {
                    let mut result = vec![0.5; rows * columns];
                    pool.install(|| product.share(threads, Vectors::current(), &mut result));
                    result
                });
                assert!(one == two && one == three);
            });
        }
    }
}
