//! Random forests of regression trees, as Optuna's fANOVA grows them: full depth, all columns in
//! every node, one bootstrap sample a tree (Breiman 2001).

mod table;
mod tree;

pub(super) use table::{Axis, Table};
#[cfg(test)]
pub(super) use tree::{Node, Split};
pub(super) use tree::{Rule, Tree};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::random::{Purpose, derived_seed, stream};

/// A random forest: a mean of trees.
#[derive(Debug)]
pub(super) struct Forest {
    /// What each coordinate is.
    pub axes: Vec<Axis>,
    /// The trees.
    pub trees: Vec<Tree>,
    seed: u64,
}

impl Forest {
    /// Grows `trees` trees from rows of a table, which may be named several times.
    ///
    /// Every tree has draws of its own, so the threads that share the work change no bit.
    pub(super) fn fit(table: &Table, rows: &[u32], trees: usize, seed: u64) -> Self {
        let grow = |tree| {
            let (weights, mut draws) = bag(table, rows, seed, tree);
            Tree::grow(table, &weights, &mut draws)
        };
        let trees = (0..trees).into_par_iter().map(grow).collect();
        Self { axes: table.axes.clone(), trees, seed }
    }

    /// The prediction at a point: the mean over the trees.
    pub(super) fn predict(&self, point: &[f64]) -> f64 {
        let sum: f64 = self.trees.iter().map(|tree| tree.predict(point)).sum();
        sum / self.trees.len() as f64
    }

    /// R² on rows that trees have not seen: each row is predicted by the trees whose bootstrap
    /// sample lacks it. None where no row is left out or targets do not vary.
    pub(super) fn out_of_bag(&self, table: &Table, rows: &[u32]) -> Option<f64> {
        let predict = |tree: usize| -> Vec<Option<f64>> {
            let (weights, _) = bag(table, rows, self.seed, tree);
            let unseen = |row: usize| {
                (weights[row] == 0.0).then(|| self.trees[tree].predict(&table.row(row)))
            };
            (0..table.len()).map(unseen).collect()
        };
        let predictions: Vec<_> = (0..self.trees.len()).into_par_iter().map(predict).collect();
        let (mut errors, mut targets) = (0.0, Vec::new());
        for &row in rows {
            let row = row as usize;
            let seen = predictions.iter().filter_map(|tree| tree[row]);
            let (count, sum) = seen.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
            if count > 0 {
                errors += (table.targets[row] - sum / f64::from(count)).powi(2);
                targets.push(table.targets[row]);
            }
        }
        let mean = targets.iter().sum::<f64>() / targets.len().max(1) as f64;
        let squares: f64 = targets.iter().map(|target| (target - mean).powi(2)).sum();
        (squares > 0.0).then(|| 1.0 - errors / squares)
    }
}

/// How often each row of the table is in the bootstrap sample of a tree, and the draws that go on.
fn bag(table: &Table, rows: &[u32], seed: u64, tree: usize) -> (Vec<f64>, ChaCha8Rng) {
    let mut draws =
        stream(derived_seed(seed, Purpose::Bootstrap, 0), Purpose::Bootstrap, tree as u64);
    let mut weights = vec![0.0; table.len()];
    for _ in 0..rows.len() {
        weights[rows[draws.random_range(0..rows.len())] as usize] += 1.0;
    }
    (weights, draws)
}
