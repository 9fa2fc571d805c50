//! What a Parzen estimator needs of all observations on one axis, kept from question to question.
//!
//! Everything here is a function of the observed values; what is kept is reused where its inputs
//! are the same, bit for bit, and so changes no answer.

use std::collections::HashMap;
use std::f64::consts::{PI, SQRT_2};

use super::axis::{Axis, Scale};

/// Above so many stored cell masses an axis begins anew: 16 MiB.
const MOST_MASSES: usize = 1 << 21;

/// What is known of all observations on one axis.
#[derive(Debug, Default)]
pub(super) struct Column {
    /// Values as they were observed, as bits; what follows belongs to them.
    raw: Vec<Option<u64>>,
    /// Their places on the axis; NaN where there is none.
    pub(super) coordinates: Vec<f64>,
    /// Observations in the order of their places.
    pub(super) order: Vec<usize>,
    /// The kernel each observation had last.
    kernels: Vec<Kernel>,
    pub(super) masses: Masses,
}

/// A kernel on one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kernel {
    pub(super) mean: f64,
    pub(super) width: f64,
    /// Logarithm of what makes the density integrate to one.
    pub(super) log_norm: f64,
    /// Its place among the stored masses of coarse cells.
    pub(super) row: usize,
}

impl Kernel {
    const NONE: Self = Self { mean: f64::NAN, width: f64::NAN, log_norm: 0.0, row: 0 };
}

/// Logarithms of kernels' masses on coarse cells, filled as they are needed.
#[derive(Debug, Default)]
pub(super) struct Masses {
    rows: HashMap<(u64, u64), usize>,
    masses: Vec<f64>,
}

impl Column {
    /// Number of observations.
    pub(super) fn len(&self) -> usize {
        self.raw.len()
    }

    /// Takes in the values of all observations.
    pub(super) fn update(&mut self, axis: &Axis, values: impl Iterator<Item = Option<f64>>) {
        let mut count = 0;
        for value in values {
            let raw = value.map(f64::to_bits);
            if self.raw.get(count) != Some(&raw) {
                let place = value.and_then(|value| axis.coordinate(value)).unwrap_or(f64::NAN);
                if count == self.raw.len() {
                    self.raw.push(raw);
                    self.coordinates.push(place);
                    self.kernels.push(Kernel::NONE);
                    self.order.push(count);
                } else {
                    (self.raw[count], self.coordinates[count]) = (raw, place);
                }
            }
            count += 1;
        }
        if count < self.raw.len() {
            self.raw.truncate(count);
            self.coordinates.truncate(count);
            self.kernels.truncate(count);
            self.order.retain(|place| *place < count);
        }
        if self.masses.masses.len() > MOST_MASSES {
            self.masses = Masses::default();
            self.kernels.fill(Kernel::NONE);
        }
        // From question to question little changes, and sorting what is nearly sorted is cheap.
        let coordinates = &self.coordinates;
        let place = |index: &usize| coordinates[*index];
        self.order.sort_by(|a, b| place(a).total_cmp(&place(b)).then(a.cmp(b)));
    }

    /// Whether an observation has a place on the axis.
    pub(super) fn knows(&self, observation: usize) -> bool {
        !self.coordinates[observation].is_nan()
    }

    /// The kernel of an observation.
    pub(super) fn kernel(&mut self, scale: &Scale, observation: usize, width: f64) -> Kernel {
        let mean = self.coordinates[observation];
        let last = self.kernels[observation];
        if (last.mean, last.width) == (mean, width) {
            return last;
        }
        let kernel = self.masses.kernel(scale, mean, width);
        self.kernels[observation] = kernel;
        kernel
    }
}

impl Masses {
    /// A kernel with this mean and width.
    pub(super) fn kernel(&mut self, scale: &Scale, mean: f64, width: f64) -> Kernel {
        let log_norm = -(normal_mass(-mean / width, (1.0 - mean) / width) * width).ln();
        let mut row = 0;
        if scale.coarse > 0 {
            let next = self.rows.len();
            row = *self.rows.entry((mean.to_bits(), width.to_bits())).or_insert(next);
            if row == next {
                self.masses.resize((next + 1) * scale.coarse, f64::NAN);
            }
        }
        Kernel { mean, width, log_norm, row }
    }

    /// Logarithm of the mass of a kernel on a coarse cell, before its norm.
    pub(super) fn mass(
        &mut self,
        scale: &Scale,
        level: usize,
        mean: f64,
        width: f64,
        row: usize,
    ) -> f64 {
        let place = row * scale.coarse + level;
        if self.masses[place].is_nan() {
            let (low, high) = scale.cell(level);
            let mass = normal_mass((low - mean) / width, (high - mean) / width);
            // Far away the mass rounds to zero; the prior's kernel is what counts there.
            self.masses[place] = (mass * width * (2.0 * PI).sqrt()).max(f64::MIN_POSITIVE).ln();
        }
        self.masses[place]
    }
}

/// Mass of the standard normal distribution on [a, b].
fn normal_mass(a: f64, b: f64) -> f64 {
    // In the left half, where differences keep their digits.
    let (a, b) = if a + b > 0.0 { (-b, -a) } else { (a, b) };
    0.5 * (libm::erfc(-b / SQRT_2) - libm::erfc(-a / SQRT_2))
}
