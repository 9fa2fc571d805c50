//! Regression trees: splits that lower the squared error the most (Breiman et al. 1984, CART).

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::table::{Axis, Table};

/// Gains that differ by less than this share of the squared error are equal: sums in another order
/// differ by rounding.
const SAME_GAIN: f64 = 1e-10;

/// A split or a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Node {
    /// Mean target of its rows.
    pub value: f64,
    /// What parts the rows; none for a leaf.
    pub split: Option<Split>,
}

/// What parts the rows of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Split {
    /// The column looked at.
    pub column: u32,
    /// Node of the rows that the rule holds for, and of the others.
    pub children: [u32; 2],
    /// The rule.
    pub rule: Rule,
}

/// Which coordinates go to the first child.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Rule {
    /// Those up to this one.
    UpTo(f64),
    /// The choices in this set of bits.
    Among(u64),
}

impl Rule {
    fn holds(self, coordinate: f64) -> bool {
        match self {
            Self::UpTo(threshold) => coordinate <= threshold,
            Self::Among(choices) => choices >> (coordinate as u32) & 1 == 1,
        }
    }
}

/// A regression tree; the root is node 0.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Tree {
    /// Its nodes.
    pub nodes: Vec<Node>,
}

impl Tree {
    /// The prediction at a point.
    pub(in super::super) fn predict(&self, point: &[f64]) -> f64 {
        let mut node = &self.nodes[0];
        while let Some(split) = node.split {
            let other = !split.rule.holds(point[split.column as usize]);
            node = &self.nodes[split.children[usize::from(other)] as usize];
        }
        node.value
    }

    /// Grows a tree to its full depth from the rows with a weight above 0.
    ///
    /// Every column is looked at in every node, in a random order: the first of equal gains is taken,
    /// and in a node of two rows all gains are equal. Choices are split into sets, in the order of
    /// their mean targets, which finds the best of all splits (Fisher 1958; Breiman et al., section
    /// 4.2.2); a choice that no row of the node has goes with the heavier child.
    pub(super) fn grow(table: &Table, weights: &[f64], draws: &mut ChaCha8Rng) -> Self {
        Grower::new(table, weights).grow(draws)
    }
}

/// The best split of a node so far.
#[derive(Clone, Copy, Debug)]
struct Best {
    gain: f64,
    column: usize,
    rule: Rule,
}

struct Grower<'a> {
    table: &'a Table,
    weights: &'a [f64],
    /// Rows in the order of each column; a node has the same range of all of them.
    orders: Vec<Vec<u32>>,
    /// Whether a row goes to the first child.
    first: Vec<bool>,
    spare: Vec<u32>,
    /// Order in which columns are looked at.
    looked_at: Vec<usize>,
}

impl<'a> Grower<'a> {
    fn new(table: &'a Table, weights: &'a [f64]) -> Self {
        let present = |order: &Vec<u32>| {
            order.iter().copied().filter(|row| weights[*row as usize] > 0.0).collect()
        };
        Self {
            table,
            weights,
            orders: table.orders.iter().map(present).collect(),
            first: vec![false; table.len()],
            spare: Vec::new(),
            looked_at: (0..table.axes.len()).collect(),
        }
    }

    fn grow(mut self, draws: &mut ChaCha8Rng) -> Tree {
        let rows = self.orders.first().map_or(0, Vec::len);
        let mut nodes = vec![Node { value: 0.0, split: None }];
        let mut open = vec![(0_usize, 0_usize, rows)];
        while let Some((node, start, end)) = open.pop() {
            let (mean, weight, same) = self.summary(start, end);
            nodes[node].value = mean;
            if same {
                continue;
            }
            self.looked_at.shuffle(draws);
            let Some(best) = self.best(start, end, mean, weight) else { continue };
            let middle = start + self.part(best, start, end);
            let children = [nodes.len() as u32, nodes.len() as u32 + 1];
            nodes[node].split =
                Some(Split { column: best.column as u32, children, rule: best.rule });
            nodes.extend([Node { value: 0.0, split: None }; 2]);
            open.push((children[1] as usize, middle, end));
            open.push((children[0] as usize, start, middle));
        }
        Tree { nodes }
    }

    /// Mean and weight of a node's rows, and whether their targets are all the same.
    fn summary(&self, start: usize, end: usize) -> (f64, f64, bool) {
        let Some(rows) = self.orders.first().map(|order| &order[start..end]) else {
            return (0.0, 0.0, true);
        };
        let (mut weight, mut sum) = (0.0, 0.0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for row in rows {
            let (w, y) = (self.weights[*row as usize], self.table.targets[*row as usize]);
            (weight, sum) = (weight + w, sum + w * y);
            (low, high) = (low.min(y), high.max(y));
        }
        // The mean of equal numbers is that number, whatever the rounding.
        let mean = if low >= high { low } else { sum / weight };
        (mean, weight, low >= high)
    }

    fn best(&self, start: usize, end: usize, mean: f64, weight: f64) -> Option<Best> {
        let mut best = None;
        let squares: f64 = self.orders[0][start..end]
            .iter()
            .map(|row| {
                let row = *row as usize;
                self.weights[row] * (self.table.targets[row] - mean).powi(2)
            })
            .sum();
        for &column in &self.looked_at {
            let bar = best.map_or(f64::NEG_INFINITY, |best: Best| best.gain + SAME_GAIN * squares);
            let found = match self.table.axes[column] {
                Axis::Choices(count) => self.sets(column, count, start, end, mean, weight, bar),
                _ => self.thresholds(column, start, end, mean, weight, bar),
            };
            best = found.or(best);
        }
        best
    }

    /// The best threshold of a column, if its gain is above `bar`.
    fn thresholds(
        &self,
        column: usize,
        start: usize,
        end: usize,
        mean: f64,
        weight: f64,
        bar: f64,
    ) -> Option<Best> {
        let (order, x) = (&self.orders[column][start..end], &self.table.columns[column]);
        let (mut sum, mut below) = (0.0, 0.0);
        let (mut best, mut place) = (bar, None);
        let mut here = x[order[0] as usize];
        for (index, pair) in order.windows(2).enumerate() {
            let row = pair[0] as usize;
            below += self.weights[row];
            sum += self.weights[row] * (self.table.targets[row] - mean);
            let next = x[pair[1] as usize];
            if next > here {
                // Deviations sum to 0 over both sides.
                let gain = sum * sum * weight / (below * (weight - below));
                if gain > best {
                    (best, place) = (gain, Some(index));
                }
            }
            here = next;
        }
        let place = place?;
        let (low, high) = (x[order[place] as usize], x[order[place + 1] as usize]);
        let rule = Rule::UpTo(self.table.axes[column].between(low, high));
        Some(Best { gain: best, column, rule })
    }

    /// The best set of choices of a column, if its gain is above `bar`.
    #[expect(clippy::too_many_arguments, reason = "the node, and what is known of it")]
    fn sets(
        &self,
        column: usize,
        count: usize,
        start: usize,
        end: usize,
        mean: f64,
        weight: f64,
        bar: f64,
    ) -> Option<Best> {
        let mut choices = [(0.0, 0.0, 0_u32); 64];
        for (index, choice) in choices.iter_mut().enumerate() {
            choice.2 = index as u32;
        }
        for row in &self.orders[column][start..end] {
            let row = *row as usize;
            let choice = &mut choices[self.table.columns[column][row] as usize];
            choice.0 += self.weights[row];
            choice.1 += self.weights[row] * (self.table.targets[row] - mean);
        }
        let mut present: Vec<_> =
            choices[..count].iter().copied().filter(|choice| choice.0 > 0.0).collect();
        present.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)).then(a.2.cmp(&b.2)));
        let (mut sum, mut below, mut set) = (0.0, 0.0, 0_u64);
        let (mut best, mut found) = (bar, None);
        for (w, s, index) in &present[..present.len().saturating_sub(1)] {
            (below, sum, set) = (below + w, sum + s, set | 1 << index);
            let gain = sum * sum * weight / (below * (weight - below));
            if gain > best {
                (best, found) = (gain, Some((set, below)));
            }
        }
        let (mut set, below) = found?;
        if 2.0 * below > weight {
            let seen = present.iter().fold(0, |seen, choice| seen | 1_u64 << choice.2);
            let all = if count == 64 { u64::MAX } else { (1 << count) - 1 };
            set |= all & !seen;
        }
        Some(Best { gain: best, column, rule: Rule::Among(set) })
    }

    /// Orders rows of the first child before those of the second; gives how many the first has.
    fn part(&mut self, best: Best, start: usize, end: usize) -> usize {
        let x = &self.table.columns[best.column];
        let mut count = 0;
        for row in &self.orders[best.column][start..end] {
            let holds = best.rule.holds(x[*row as usize]);
            self.first[*row as usize] = holds;
            count += usize::from(holds);
        }
        for order in &mut self.orders {
            self.spare.clear();
            let mut front = start;
            for place in start..end {
                let row = order[place];
                if self.first[row as usize] {
                    order[front] = row;
                    front += 1;
                } else {
                    self.spare.push(row);
                }
            }
            order[front..end].copy_from_slice(&self.spare);
        }
        count
    }
}
