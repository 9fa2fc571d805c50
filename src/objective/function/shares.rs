//! Functions whose sensitivity indices are known exactly; the tests of
//! `analysis::sensitivity` hold the methods to them.

use super::{Dimension, Family};
use crate::search::space::{Choice, Distribution, Parameter, Space};

/// Bratley, Fox & Niederreiter, ACM TOMS 18 (1992): Σ (−1)^i x_1 ⋯ x_i.
pub(super) const BRATLEY: Family = Family {
    name: "bratley",
    description: "sum of alternating products; for sensitivity",
    dimension: Dimension::From(1),
    minimum: -1.0,
    bounds: |dimension| vec![(0.0, 1.0); dimension],
    // Whatever stands behind a 0 does not count.
    minimizers: |dimension| {
        let mut point = vec![0.5; dimension];
        point[0] = 1.0;
        point.iter_mut().skip(1).take(1).for_each(|x| *x = 0.0);
        vec![point]
    },
    evaluate: |x| x.iter().rev().fold(0.0, |inner, x| -x * (1.0 + inner)),
    space: None,
};

/// Σ 2^−i x_i: shares of the variance fall by 4 from one to the next.
pub(super) const LINEAR: Family = Family {
    name: "linear",
    description: "weighted sum, each weight half of the one before; for sensitivity",
    dimension: Dimension::From(1),
    minimum: 0.0,
    bounds: |dimension| vec![(0.0, 1.0); dimension],
    minimizers: |dimension| vec![vec![0.0; dimension]],
    evaluate: |x| x.iter().rev().fold(0.0, |inner, x| (x + inner) / 2.0),
    space: None,
};

/// (x_1 − ½)(x_2 − ½): neither has a share alone.
pub(super) const INTERACTION: Family = Family {
    name: "interaction",
    description: "two variables that act only together; for sensitivity",
    dimension: Dimension::Fixed(2),
    minimum: -0.25,
    bounds: |_| vec![(0.0, 1.0); 2],
    minimizers: |_| vec![vec![0.0, 1.0], vec![1.0, 0.0]],
    evaluate: |x| (x[0] - 0.5) * (x[1] - 0.5),
    space: None,
};

/// One of {0, 1, 3} plus a number in [0, 1].
pub(super) const CATEGORICAL_SUM: Family = Family {
    name: "categorical-sum",
    description: "a choice among three plus a number; for sensitivity",
    dimension: Dimension::Fixed(2),
    minimum: 0.0,
    bounds: |_| vec![(0.0, 2.0), (0.0, 1.0)],
    minimizers: |_| vec![vec![0.0, 0.0]],
    evaluate: |x| [0.0, 1.0, 3.0][(x[0].max(0.0) as usize).min(2)] + x[1],
    space: Some(|| {
        let choices = [0, 1, 3].map(Choice::Int).to_vec();
        space([("choice", Distribution::Categorical { choices }), ("x", UNIT)])
    }),
};

/// (log₁₀ lr + 3)² + 3v with lr log-uniform: what measures a learning rate linearly gets other shares.
pub(super) const LOG_CHECK: Family = Family {
    name: "log-check",
    description: "a log-uniform rate and a number; for sensitivity",
    dimension: Dimension::Fixed(2),
    minimum: 0.0,
    bounds: |_| vec![(1e-5, 1.0), (0.0, 1.0)],
    minimizers: |_| vec![vec![1e-3, 0.0]],
    evaluate: |x| (x[0].log10() + 3.0).powi(2) + 3.0 * x[1],
    space: Some(|| {
        let rate = Distribution::Float { low: 1e-5, high: 1.0, log: true, step: None };
        space([("lr", rate), ("v", UNIT)])
    }),
};

const UNIT: Distribution = Distribution::Float { low: 0.0, high: 1.0, log: false, step: None };

fn space(parameters: [(&str, Distribution); 2]) -> Space {
    let parameters = parameters.map(|(name, distribution)| Parameter {
        name: name.to_owned(),
        distribution,
        conditions: Vec::new(),
        default: None,
    });
    Space { parameters: parameters.to_vec(), ..Space::default() }
}
