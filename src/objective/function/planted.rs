//! Functions whose hyperparameters matter in a known way; the tests of `analysis::priority` hold its
//! statements to them.

use super::{Dimension, Family};

/// Where the best value of a variable lies: anywhere but in the middle, which defaults are.
fn best(place: usize) -> f64 {
    0.2 + 0.6 * (place as f64 * 0.618_034 + 0.1).fract()
}

fn minimizer(dimension: usize) -> Vec<Vec<f64>> {
    vec![(0..dimension).map(best).collect()]
}

/// Squared distances from the best values.
fn squares(x: &[f64]) -> impl DoubleEndedIterator<Item = f64> {
    x.iter().enumerate().map(|(place, x)| (x - best(place)).powi(2))
}

/// Σ 3^−i (x_i − c_i)²: additive, each variable a third of the one before.
pub(super) const STEEP: Family = Family {
    name: "steep",
    description: "additive, each variable a third of the one before; for search orders",
    dimension: Dimension::From(1),
    minimum: 0.0,
    bounds: |dimension| vec![(0.0, 1.0); dimension],
    minimizers: minimizer,
    evaluate: |x| squares(x).rev().fold(0.0, |inner, square| square + inner / 3.0),
    space: None,
};

/// Σ (x_i − c)²: all alike, so that no order is better than another.
pub(super) const EVEN: Family = Family {
    name: "even",
    description: "additive, all variables alike; for search orders",
    dimension: Dimension::From(1),
    minimum: 0.0,
    bounds: |dimension| vec![(0.0, 1.0); dimension],
    minimizers: |dimension| vec![vec![best(0); dimension]],
    evaluate: |x| x.iter().map(|x| (x - best(0)).powi(2)).sum(),
    space: None,
};

/// 1 − Π (1 − s_i), s_i growing to 1 within half of the box from c_i: while one is far from its best
/// value, the others do not show.
pub(super) const GATED: Family = Family {
    name: "gated",
    description: "variables show only while the others are right; for search orders",
    dimension: Dimension::From(1),
    minimum: 0.0,
    bounds: |dimension| vec![(0.0, 1.0); dimension],
    minimizers: minimizer,
    evaluate: |x| {
        let open = squares(x).enumerate().map(|(place, square)| {
            // The first closes hardest.
            1.0 - (4.0 * square).min(1.0) * 0.9_f64.powi(place as i32)
        });
        1.0 - open.product::<f64>()
    },
    space: None,
};
