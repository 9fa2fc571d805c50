//! Trials as a forest sees them: coordinates, targets, and the order of the rows along each axis.

use crate::search::space::Distribution;

/// What a column of coordinates is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Axis {
    /// A position in [0, 1].
    Ordered,
    /// A position in [0, 1] of a whole number by its logarithm: ln(low − ½), ln(high + ½).
    WholeLog(f64, f64),
    /// The index of one of so many choices.
    Choices(usize),
}

impl Axis {
    /// The axis of a distribution.
    pub(in super::super) fn of(distribution: &Distribution) -> Self {
        match *distribution {
            Distribution::Categorical { ref choices } => Self::Choices(choices.len()),
            Distribution::Int { low, high, log: true, .. } => {
                Self::WholeLog((low as f64 - 0.5).ln(), (high as f64 + 0.5).ln())
            }
            _ => Self::Ordered,
        }
    }

    /// The coordinate of an internal value.
    pub(in super::super) fn coordinate(self, distribution: &Distribution, value: f64) -> f64 {
        if let Self::Choices(_) = self { value } else { distribution.position(value) }
    }

    /// Where to part two coordinates, so that `<=` tells them apart.
    ///
    /// Half-way in position: between neighbouring levels of equal shares that is where their shares
    /// meet. Shares of whole numbers by the logarithm meet half-way between the numbers instead.
    pub(super) fn between(self, low: f64, high: f64) -> f64 {
        let middle = match self {
            Self::WholeLog(from, to) if to > from => {
                let value = |at: f64| (from + at * (to - from)).exp();
                ((0.5 * (value(low) + value(high))).ln() - from) / (to - from)
            }
            _ => low + 0.5 * (high - low),
        };
        if (low..high).contains(&middle) { middle } else { low }
    }
}

/// Coordinates and targets of some trials.
#[derive(Debug)]
pub(in super::super) struct Table {
    /// What each column is.
    pub axes: Vec<Axis>,
    /// Coordinates by column.
    pub columns: Vec<Vec<f64>>,
    /// What is to be explained.
    pub targets: Vec<f64>,
    /// Rows by rising coordinate, for each column; rows as they come for choices.
    pub orders: Vec<Vec<u32>>,
}

impl Table {
    /// A table of columns as long as the targets.
    pub(in super::super) fn new(
        axes: Vec<Axis>,
        columns: Vec<Vec<f64>>,
        targets: Vec<f64>,
    ) -> Self {
        let order = |(axis, column): (&Axis, &Vec<f64>)| {
            let mut rows: Vec<u32> = (0..targets.len() as u32).collect();
            if !matches!(axis, Axis::Choices(_)) {
                rows.sort_by(|a, b| column[*a as usize].total_cmp(&column[*b as usize]));
            }
            rows
        };
        let orders = axes.iter().zip(&columns).map(order).collect();
        Self { axes, columns, targets, orders }
    }

    /// Number of rows.
    pub(in super::super) fn len(&self) -> usize {
        self.targets.len()
    }

    /// Coordinates of a row.
    pub(in super::super) fn row(&self, row: usize) -> Vec<f64> {
        self.columns.iter().map(|column| column[row]).collect()
    }
}
