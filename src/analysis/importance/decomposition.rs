//! The variance of a tree, exactly, by sets of its inputs (Hutter, Hoos & Leyton-Brown 2014, "An
//! efficient approach for assessing hyperparameter importance", ICML, algorithm 2).
//!
//! A tree is constant on the boxes of its leaves, and those lie on the grid of its own thresholds.
//! Marginals of one and of two inputs are sums of leaves over that grid: each leaf is entered at the
//! corners of its box alone, and running sums do the rest, so a pair costs as much as there are
//! leaves and cells.

use rayon::prelude::*;

use super::forest::{Axis, Forest, Rule, Tree};

/// Shares of the variance of a forest, means over its trees.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shares {
    /// One a column.
    pub singles: Vec<f64>,
    /// Columns `first < second` and what they do only together.
    pub pairs: Vec<(usize, usize, f64)>,
}

/// Shares of all columns, and with `pairs` of all pairs. Trees that predict one value everywhere have
/// no shares and are left out; zeros if all are such.
pub(super) fn shares(forest: &Forest, pairs: bool) -> Shares {
    let decompose = |tree: &Tree| {
        let grid = Grid::new(tree, &forest.axes);
        (grid.variance > 0.0).then(|| {
            let singles = grid.singles();
            let pairs = if pairs { grid.pairs(&singles) } else { Vec::new() };
            (grid.variance, singles, pairs)
        })
    };
    let trees: Vec<_> = forest.trees.par_iter().filter_map(decompose).collect();
    let count = forest.axes.len();
    // Variance, and what of it is of singles and of pairs.
    type Parts = (f64, Vec<f64>, Vec<f64>);
    let mean = |share: &dyn Fn(&Parts) -> f64| {
        trees.iter().map(share).sum::<f64>() / trees.len().max(1) as f64
    };
    let names = (0..count).flat_map(|first| (first + 1..count).map(move |second| (first, second)));
    let pair = |(place, (first, second))| {
        (first, second, mean(&|(variance, _, pairs)| pairs[place] / variance))
    };
    Shares {
        singles: (0..count)
            .map(|j| mean(&|(variance, singles, _)| singles[j] / variance))
            .collect(),
        pairs: if pairs { names.enumerate().map(pair).collect() } else { Vec::new() },
    }
}

/// Marginal predictions of each tree at some coordinates of a column: averages over all the other
/// columns. Trees by coordinates.
pub(super) fn marginals(forest: &Forest, column: usize, at: &[f64]) -> Vec<Vec<f64>> {
    let marginal = |tree: &Tree| {
        let grid = Grid::new(tree, &forest.axes);
        let cells = grid.single(column);
        at.iter().map(|at| grid.mean + cells[grid.cell(column, *at)]).collect()
    };
    forest.trees.par_iter().map(marginal).collect()
}

/// The leaves of a tree on the grid of its thresholds.
#[derive(Debug)]
pub(super) struct Grid<'a> {
    axes: &'a [Axis],
    /// Ends of the cells of each column, from 0 to 1; for choices one cell each.
    edges: Vec<Vec<f64>>,
    /// Whether a column is split at all.
    split: Vec<bool>,
    /// For each leaf and column the first cell and the cell after the last, in the upper and lower
    /// half; for choices a set of bits.
    spans: Vec<u64>,
    /// Leaves: prediction less the mean, and volume.
    leaves: Vec<(f64, f64)>,
    /// Mean prediction over the box.
    pub mean: f64,
    /// Variance of the prediction over the box.
    pub variance: f64,
}

fn pack(start: usize, end: usize) -> u64 {
    (start as u64) << 32 | end as u64
}

fn unpack(span: u64) -> (usize, usize) {
    ((span >> 32) as usize, (span & 0xffff_ffff) as usize)
}

/// A leaf's part without the lengths of some columns; nothing where a box is too thin for numbers.
fn without(part: f64, lengths: f64) -> f64 {
    if part == 0.0 { 0.0 } else { part / lengths }
}

impl<'a> Grid<'a> {
    pub(super) fn new(tree: &Tree, axes: &'a [Axis]) -> Self {
        let mut edges: Vec<Vec<f64>> = axes
            .iter()
            .map(|axis| match axis {
                Axis::Choices(count) => (0..=*count).map(|i| i as f64 / *count as f64).collect(),
                _ => vec![0.0, 1.0],
            })
            .collect();
        let mut split = vec![false; axes.len()];
        for found in tree.nodes.iter().filter_map(|node| node.split) {
            split[found.column as usize] = true;
            if let Rule::UpTo(threshold) = found.rule {
                edges[found.column as usize].push(threshold);
            }
        }
        for edges in &mut edges {
            edges.sort_by(f64::total_cmp);
            edges.dedup();
        }
        let mut grid =
            Self { axes, edges, split, spans: vec![], leaves: vec![], mean: 0.0, variance: 0.0 };
        grid.walk(tree);
        grid.mean = grid.leaves.iter().map(|(value, volume)| value * volume).sum();
        for leaf in &mut grid.leaves {
            leaf.0 -= grid.mean;
        }
        grid.variance = grid.leaves.iter().map(|(value, volume)| value * value * volume).sum();
        grid
    }

    /// Collects the leaves.
    fn walk(&mut self, tree: &Tree) {
        let whole = |(axis, edges): (&Axis, &Vec<f64>)| match axis {
            Axis::Choices(64) => u64::MAX,
            Axis::Choices(count) => (1 << count) - 1,
            _ => pack(0, edges.len() - 1),
        };
        let root: Vec<u64> = self.axes.iter().zip(&self.edges).map(whole).collect();
        let mut open = vec![(0_usize, root)];
        while let Some((node, mut spans)) = open.pop() {
            let node = &tree.nodes[node];
            let Some(split) = node.split else {
                let volume: f64 = spans
                    .iter()
                    .enumerate()
                    .map(|(column, span)| self.width(column, *span))
                    .product();
                self.leaves.push((node.value, volume));
                self.spans.extend(spans);
                continue;
            };
            let column = split.column as usize;
            let span = spans[column];
            let (first, second) = match split.rule {
                Rule::Among(set) => (span & set, span & !set),
                Rule::UpTo(threshold) => {
                    let at = self.edges[column].partition_point(|edge| *edge < threshold);
                    let (start, end) = unpack(span);
                    (pack(start, at), pack(at, end))
                }
            };
            let mut other = spans.clone();
            other[column] = second;
            spans[column] = first;
            open.push((split.children[1] as usize, other));
            open.push((split.children[0] as usize, spans));
        }
    }

    fn width(&self, column: usize, span: u64) -> f64 {
        if let Axis::Choices(count) = self.axes[column] {
            return f64::from(span.count_ones()) / count as f64;
        }
        let (start, end) = unpack(span);
        self.edges[column][end] - self.edges[column][start]
    }

    /// The cells of a leaf in a column, in runs of neighbours.
    fn runs(&self, leaf: usize, column: usize, mut each: impl FnMut(usize, usize)) {
        let span = self.spans[leaf * self.axes.len() + column];
        if !matches!(self.axes[column], Axis::Choices(_)) {
            let (start, end) = unpack(span);
            return each(start, end);
        }
        let (mut rest, mut base) = (span, 0);
        while rest != 0 {
            let start = rest.trailing_zeros();
            rest >>= start;
            let length = rest.trailing_ones();
            base += start as usize;
            each(base, base + length as usize);
            base += length as usize;
            rest = rest.checked_shr(length).unwrap_or(0);
        }
    }

    fn cells(&self, column: usize) -> usize {
        self.edges[column].len() - 1
    }

    fn cell_width(&self, column: usize, cell: usize) -> f64 {
        self.edges[column][cell + 1] - self.edges[column][cell]
    }

    /// The cell that holds a coordinate; splits send what lies on an edge down.
    fn cell(&self, column: usize, coordinate: f64) -> usize {
        if let Axis::Choices(count) = self.axes[column] {
            return (coordinate as usize).min(count - 1);
        }
        let edges = &self.edges[column];
        edges[1..edges.len() - 1].partition_point(|edge| *edge < coordinate)
    }

    /// The marginal of a column in each of its cells, less the mean.
    pub(super) fn single(&self, column: usize) -> Vec<f64> {
        let cells = self.cells(column);
        let mut sums = vec![0.0; cells + 1];
        for (leaf, (value, volume)) in self.leaves.iter().enumerate() {
            let span = self.spans[leaf * self.axes.len() + column];
            let part = without(value * volume, self.width(column, span));
            self.runs(leaf, column, |start, end| {
                sums[start] += part;
                sums[end] -= part;
            });
        }
        let mut running = 0.0;
        for sum in &mut sums {
            running += *sum;
            *sum = running;
        }
        sums.truncate(cells);
        sums
    }

    /// The variance of each column's marginal.
    pub(super) fn singles(&self) -> Vec<f64> {
        let variance = |column: usize| -> f64 {
            if !self.split[column] {
                return 0.0;
            }
            let part = |(cell, value): (usize, f64)| self.cell_width(column, cell) * value * value;
            self.single(column).into_iter().enumerate().map(part).sum()
        };
        (0..self.axes.len()).map(variance).collect()
    }

    /// The variance of each pair's marginal less those of its columns.
    pub(super) fn pairs(&self, singles: &[f64]) -> Vec<f64> {
        let count = self.axes.len();
        let mut sums = Vec::new();
        let mut variances = Vec::with_capacity(count * count.saturating_sub(1) / 2);
        for first in 0..count {
            for second in first + 1..count {
                let both = self.split[first] && self.split[second];
                let variance = if both { self.pair(first, second, &mut sums) } else { 0.0 };
                // Below 0 by rounding alone.
                variances.push((variance - singles[first] - singles[second]).max(0.0));
            }
        }
        variances
    }

    fn pair(&self, first: usize, second: usize, sums: &mut Vec<f64>) -> f64 {
        let (rows, columns) = (self.cells(first), self.cells(second));
        let stride = columns + 1;
        sums.clear();
        sums.resize((rows + 1) * stride, 0.0);
        for (leaf, (value, volume)) in self.leaves.iter().enumerate() {
            let spans = &self.spans[leaf * self.axes.len()..];
            let area = self.width(first, spans[first]) * self.width(second, spans[second]);
            let part = without(value * volume, area);
            self.runs(leaf, first, |top, bottom| {
                self.runs(leaf, second, |left, right| {
                    sums[top * stride + left] += part;
                    sums[top * stride + right] -= part;
                    sums[bottom * stride + left] -= part;
                    sums[bottom * stride + right] += part;
                });
            });
        }
        let mut variance = 0.0;
        for row in 0..rows {
            let (above, here) = sums[row.saturating_sub(1) * stride..].split_at_mut(if row == 0 {
                0
            } else {
                stride
            });
            let (mut running, mut squares) = (0.0, 0.0);
            for column in 0..columns {
                running += here[column];
                // Running sums down are left behind for the next row.
                let value = running + if row == 0 { 0.0 } else { above[column] };
                here[column] = value;
                squares += self.cell_width(second, column) * value * value;
            }
            variance += self.cell_width(first, row) * squares;
        }
        variance
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::RngExt;

    use super::super::forest::{Node, Split, Table};
    use super::*;
    use crate::random::{Purpose, stream};

    /// 1 where x0 ≤ .3; else 2 where x1 ≤ .6; else 5 for choices 0 and 2 of three, 7 for choice 1.
    fn by_hand() -> (Tree, Vec<Axis>) {
        let leaf = |value| Node { value, split: None };
        let split = |column, children, rule| Node {
            value: 0.0,
            split: Some(Split { column, children, rule }),
        };
        let nodes = vec![
            split(0, [1, 2], Rule::UpTo(0.3)),
            leaf(1.0),
            split(1, [3, 4], Rule::UpTo(0.6)),
            leaf(2.0),
            split(2, [5, 6], Rule::Among(0b101)),
            leaf(5.0),
            leaf(7.0),
        ];
        (Tree { nodes }, vec![Axis::Ordered, Axis::Ordered, Axis::Choices(3), Axis::Ordered])
    }

    #[test]
    fn a_tree_by_hand() {
        let (tree, axes) = by_hand();
        let grid = Grid::new(&tree, &axes);
        let late = 17.0 / 3.0;
        let mean = 0.3 + 0.7 * (0.6 * 2.0 + 0.4 * late);
        assert!((grid.mean - mean).abs() < 1e-12);
        let second = 0.7 * 0.4 * (25.0 * 2.0 + 49.0) / 3.0;
        let variance = 0.3 + 0.7 * 0.6 * 4.0 + second - mean * mean;
        assert!((grid.variance - variance).abs() < 1e-12);
        let singles = grid.singles();
        let x0 = 0.3 * 0.7 * (0.6 * 2.0 + 0.4 * late - 1.0_f64).powi(2);
        let x1 = 0.6 * 0.4 * (0.7 * (late - 2.0_f64)).powi(2);
        let x2 = 2.0 / 9.0 * (0.7 * 0.4 * 2.0_f64).powi(2);
        for (found, known) in singles.iter().zip([x0, x1, x2, 0.0]) {
            assert!((found - known).abs() < 1e-12, "{found} {known}");
        }
        let both = 0.3 + 0.7 * (0.6 * 4.0 + 0.4 * late * late) - mean * mean;
        let pairs = grid.pairs(&singles);
        assert!((pairs[0] - (both - x0 - x1)).abs() < 1e-12, "{pairs:?}");
        // x0 and x2: 1, or .6 · 2 + .4 · 5 in two thirds, .6 · 2 + .4 · 7 in one.
        let both = 0.3 + 0.7 * (2.0 * 3.2_f64.powi(2) + 4.0_f64.powi(2)) / 3.0 - mean * mean;
        assert!((pairs[1] - (both - x0 - x2)).abs() < 1e-12, "{pairs:?}");
        assert_eq!((pairs[2], pairs[4], pairs[5]), (0.0, 0.0, 0.0));
    }

    /// Marginals on the grid of all thresholds of all columns at once, from predictions alone.
    fn slow(tree: &Tree, axes: &[Axis]) -> (f64, Vec<f64>, Vec<f64>) {
        let mut edges = vec![vec![0.0, 1.0]; axes.len()];
        for split in tree.nodes.iter().filter_map(|node| node.split) {
            if let Rule::UpTo(threshold) = split.rule {
                edges[split.column as usize].push(threshold);
            }
        }
        let cells: Vec<Vec<(f64, f64)>> = edges
            .into_iter()
            .zip(axes)
            .map(|(mut edges, axis)| {
                if let Axis::Choices(count) = axis {
                    return (0..*count).map(|c| (c as f64, 1.0 / *count as f64)).collect();
                }
                edges.sort_by(f64::total_cmp);
                edges.dedup();
                edges.windows(2).map(|e| (0.5 * (e[0] + e[1]), e[1] - e[0])).collect()
            })
            .collect();
        let mut points = vec![(vec![], vec![], 1.0)];
        for cells in &cells {
            points = points
                .into_iter()
                .flat_map(|(place, at, weight): (Vec<usize>, Vec<f64>, f64)| {
                    cells.iter().enumerate().map(move |(cell, (middle, width))| {
                        let place = place.iter().copied().chain([cell]).collect();
                        (place, at.iter().copied().chain([*middle]).collect(), weight * width)
                    })
                })
                .collect();
        }
        let variance = |kept: &[usize]| {
            let mut sums = std::collections::BTreeMap::<Vec<usize>, (f64, f64)>::new();
            for (place, at, weight) in &points {
                let key = kept.iter().map(|column| place[*column]).collect();
                let sum = sums.entry(key).or_default();
                *sum = (sum.0 + weight * tree.predict(at), sum.1 + weight);
            }
            let mean: f64 = sums.values().map(|sum| sum.0).sum();
            sums.values().map(|sum| (sum.0 / sum.1 - mean).powi(2) * sum.1).sum::<f64>()
        };
        let count = axes.len();
        let singles: Vec<f64> = (0..count).map(|column| variance(&[column])).collect();
        let pairs = (0..count)
            .flat_map(|first| (first + 1..count).map(move |second| (first, second)))
            .map(|(i, j)| variance(&[i, j]) - singles[i] - singles[j])
            .collect();
        (variance(&(0..count).collect::<Vec<_>>()), singles, pairs)
    }

    proptest! {
        #[test]
        fn running_sums_are_the_plain_sums(seed in 0..1000_u64, rows in 2..14_usize) {
            let mut draws = stream(seed, Purpose::Probe, 0);
            let axes = [Axis::Ordered, Axis::Choices(5), Axis::Ordered, Axis::Choices(64)];
            let axes = axes[..3 + usize::from(seed % 4 == 0)].to_vec();
            let mut column = |axis: &Axis| -> Vec<f64> {
                let coordinate = |_| match axis {
                    Axis::Choices(count) => draws.random_range(0..*count) as f64,
                    _ => draws.random_range(0..20) as f64 / 20.0,
                };
                (0..rows).map(coordinate).collect()
            };
            let columns: Vec<_> = axes.iter().map(&mut column).collect();
            let targets = (0..rows).map(|row| 100.0 + (row * row % 7) as f64).collect();
            let table = Table::new(axes, columns, targets);
            let rows: Vec<u32> = (0..rows as u32).collect();
            let forest = Forest::fit(&table, &rows, 2, seed);
            for tree in &forest.trees {
                let grid = Grid::new(tree, &forest.axes);
                let (variance, singles, pairs) = slow(tree, &forest.axes);
                let ours = grid.singles();
                prop_assert!((grid.variance - variance).abs() < 1e-10);
                for (found, known) in grid.pairs(&ours).iter().zip(&pairs) {
                    prop_assert!((found - known).abs() < 1e-10, "{found} {known}");
                }
                for (found, known) in ours.iter().zip(&singles) {
                    prop_assert!((found - known).abs() < 1e-10, "{found} {known}");
                }
            }
        }
    }

    #[test]
    fn marginals_by_hand() {
        let (tree, axes) = by_hand();
        let grid = Grid::new(&tree, &axes);
        let at = |column: usize, at: f64| grid.mean + grid.single(column)[grid.cell(column, at)];
        for (x, known) in [(0.0, 1.0), (0.3, 1.0), (0.31, 1.2 + 0.4 * 17.0 / 3.0)] {
            assert!((at(0, x) - known).abs() < 1e-12, "{x}");
        }
        assert!((at(2, 1.0) - at(2, 0.0) - 0.7 * 0.4 * 2.0).abs() < 1e-12);
        assert!((at(2, 2.0) - at(2, 0.0)).abs() < 1e-12);
        assert!((at(3, 0.7) - grid.mean).abs() < 1e-12);
    }
}
