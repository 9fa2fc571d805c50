//! Parzen estimators: mixtures of product kernels, one kernel an observation and one for the prior.
//!
//! Kernels on ordered axes are normal distributions cut off at the ends of the axis; a kernel is as
//! wide as the larger gap to its neighbours, which at either end of the observations is the only
//! gap, and between a hundredth of the axis (more while there are few) and all of it. Kernels on
//! choices favour the observed one. The numbers are those of Optuna 5.0 (`_ParzenEstimator`), which
//! follow Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011) and Falkner, Klein
//! and Hutter, "BOHB" (2018).
//!
//! Densities are up to a factor that depends on the candidate alone, so only ratios of two
//! estimators on the same axes mean anything. What is computed here is kept in [`Column`]s and
//! reused where its inputs are the same, bit for bit.

use std::collections::HashMap;
use std::f64::consts::{LN_2, LOG2_E, PI, SQRT_2};

use rand::{Rng, RngExt};

use super::axis::{Axis, NARROWEST, Scale};

/// Above so many stored cell masses an axis begins anew: 16 MiB.
const MOST_MASSES: usize = 1 << 21;

/// What is known of all observations on one axis.
#[derive(Debug, Default)]
pub(super) struct Column {
    /// Values as they were observed, as bits; what follows belongs to them.
    raw: Vec<Option<u64>>,
    /// Their places on the axis; NaN where there is none.
    coordinates: Vec<f64>,
    /// Observations in the order of their places.
    order: Vec<usize>,
    /// The kernel each observation had last.
    kernels: Vec<Kernel>,
    masses: Masses,
}

/// A kernel on one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kernel {
    mean: f64,
    width: f64,
    /// Logarithm of what makes the density integrate to one.
    log_norm: f64,
    /// Its place among the stored masses of coarse cells.
    row: usize,
}

impl Kernel {
    const NONE: Self = Self { mean: f64::NAN, width: f64::NAN, log_norm: 0.0, row: 0 };
}

/// Logarithms of kernels' masses on coarse cells, filled as they are needed.
#[derive(Debug, Default)]
struct Masses {
    rows: HashMap<(u64, u64), usize>,
    masses: Vec<f64>,
}

impl Column {
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
    fn kernel(&mut self, scale: &Scale, observation: usize, width: f64) -> Kernel {
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
    fn kernel(&mut self, scale: &Scale, mean: f64, width: f64) -> Kernel {
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
    fn mass(&mut self, scale: &Scale, level: usize, mean: f64, width: f64, row: usize) -> f64 {
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

/// Weights of observations in their order: the last 25 count in full, older ones less.
fn weights(count: usize) -> Vec<f64> {
    let ramp = count.saturating_sub(25);
    let weight = |place: usize| match ramp {
        _ if place >= ramp => 1.0,
        1 => 1.0 / count as f64,
        _ => {
            let first = 1.0 / count as f64;
            first + (1.0 - first) * place as f64 / (ramp - 1) as f64
        }
    };
    (0..count).map(weight).collect()
}

/// Kernels of one estimator on one axis, the prior's last.
#[derive(Debug)]
enum Factor {
    Ordered {
        means: Vec<f64>,
        widths: Vec<f64>,
        /// 1 / (√2 width).
        inverses: Vec<f64>,
        /// Places among the stored masses.
        rows: Vec<usize>,
    },
    Choices {
        /// The observed choice; NaN where none was observed.
        observed: Vec<f64>,
        /// Logarithms of the probabilities of the observed choice and of each other one.
        hit: f64,
        miss: f64,
    },
}

/// A mixture of product kernels.
#[derive(Debug)]
pub(super) struct Estimator {
    /// Cumulative weights.
    cumulative: Vec<f64>,
    /// Logarithm of each kernel's weight and norms.
    log_norms: Vec<f64>,
    factors: Vec<Factor>,
}

impl Estimator {
    /// The estimator of some observations, in their order.
    pub(super) fn new(axes: &[Axis], columns: &mut [Column], observations: &[usize]) -> Self {
        let mut weights = weights(observations.len());
        weights.push(1.0);
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let cumulate = |weight: &f64| {
            sum += weight / total;
            sum
        };
        let cumulative = weights.iter().map(cumulate).collect();
        let mut log_norms: Vec<f64> = weights.iter().map(|weight| (weight / total).ln()).collect();
        // Which kernel an observation has, if any.
        let known = columns.first().map_or(0, |column| column.raw.len());
        let mut slots = vec![usize::MAX; known];
        for (slot, observation) in observations.iter().enumerate() {
            slots[*observation] = slot;
        }
        let factors = axes.iter().zip(columns).map(|(axis, column)| match axis {
            Axis::Ordered(scale) => ordered(scale, column, &slots, &mut log_norms),
            Axis::Choices(count) => choices(*count, column, observations, &mut log_norms),
        });
        let factors = factors.collect();
        Self { cumulative, log_norms, factors }
    }

    /// Draws kernels, for candidates.
    pub(super) fn draw_kernels(&self, count: usize, draws: &mut impl Rng) -> Vec<usize> {
        let last = self.cumulative.len() - 1;
        let draw = |_| {
            let u: f64 = draws.random();
            self.cumulative.partition_point(|sum| *sum <= u).min(last)
        };
        (0..count).map(draw).collect()
    }

    /// Draws a value on one axis from each of the kernels.
    pub(super) fn draw_values(
        &self,
        place: usize,
        axis: &Axis,
        kernels: &[usize],
        draws: &mut impl Rng,
    ) -> Vec<f64> {
        let draw = |kernel: &usize| match (&self.factors[place], axis) {
            (Factor::Ordered { means, widths, .. }, Axis::Ordered(scale)) => {
                scale.value(truncated_normal(means[*kernel], widths[*kernel], draws))
            }
            (Factor::Choices { observed, hit, miss }, Axis::Choices(count)) => {
                // The observed choice has the difference for itself, and all share the rest.
                let (u, v): (f64, f64) = (draws.random(), draws.random());
                let any = (v * *count as f64).floor().min(*count as f64 - 1.0);
                let own = observed[*kernel];
                if !own.is_nan() && u < hit.exp() - miss.exp() { own } else { any }
            }
            _ => unreachable!("factors were made from the axes"),
        };
        kernels.iter().map(draw).collect()
    }

    /// Logarithms of the density at candidates, whose values are given axis by axis.
    pub(super) fn log_densities(
        &self,
        axes: &[Axis],
        columns: &mut [Column],
        candidates: &[Vec<f64>],
    ) -> Vec<f64> {
        let count = candidates.first().map_or(0, Vec::len);
        let mut logs = vec![0.0; self.log_norms.len()];
        let density = |candidate: usize| {
            logs.copy_from_slice(&self.log_norms);
            let axes = axes.iter().zip(columns.iter_mut()).zip(&self.factors).zip(candidates);
            for (((axis, column), factor), values) in axes {
                factor.add(axis, &mut column.masses, values[candidate], &mut logs);
            }
            log_sum_exp(&mut logs)
        };
        (0..count).map(density).collect()
    }
}

/// Kernels on an ordered axis.
fn ordered(scale: &Scale, column: &mut Column, slots: &[usize], log_norms: &mut [f64]) -> Factor {
    let size = log_norms.len();
    let prior = column.masses.kernel(scale, scale.prior.0, scale.prior.1);
    let mut kernels = vec![prior; size];
    let sorted: Vec<usize> = column.order.iter().copied().collect();
    let used = |index: &usize| slots[*index] != usize::MAX && column.knows(*index);
    let sorted: Vec<usize> = sorted.into_iter().filter(used).collect();
    let narrowest = scale.widest * NARROWEST.max(1.0 / (size + 1) as f64);
    for (place, index) in sorted.iter().enumerate() {
        let mean = column.coordinates[*index];
        let before = place.checked_sub(1).map(|place| mean - column.coordinates[sorted[place]]);
        let after = sorted.get(place + 1).map(|next| column.coordinates[*next] - mean);
        let width = match (before, after) {
            (Some(before), Some(after)) => before.max(after),
            (Some(gap), None) | (None, Some(gap)) => gap,
            (None, None) => mean.max(1.0 - mean),
        };
        let width = width.clamp(narrowest, scale.widest);
        kernels[slots[*index]] = column.kernel(scale, *index, width);
    }
    for (sum, kernel) in log_norms.iter_mut().zip(&kernels) {
        *sum += kernel.log_norm;
    }
    Factor::Ordered {
        means: kernels.iter().map(|kernel| kernel.mean).collect(),
        widths: kernels.iter().map(|kernel| kernel.width).collect(),
        inverses: kernels.iter().map(|kernel| 1.0 / (SQRT_2 * kernel.width)).collect(),
        rows: kernels.iter().map(|kernel| kernel.row).collect(),
    }
}

/// Kernels on choices.
fn choices(count: usize, column: &Column, observations: &[usize], log_norms: &mut [f64]) -> Factor {
    let (kernels, choices) = (log_norms.len() as f64, count as f64);
    let hit = ((kernels + 1.0) / (kernels + choices)).ln();
    let miss = (1.0 / (kernels + choices)).ln();
    let observed = observations.iter().map(|index| column.coordinates[*index]);
    let observed: Vec<f64> = observed.chain([f64::NAN]).collect();
    for (sum, observed) in log_norms.iter_mut().zip(&observed) {
        *sum += if observed.is_nan() { -choices.ln() } else { miss };
    }
    Factor::Choices { observed, hit, miss }
}

impl Factor {
    /// Adds the logarithms of the kernels' factors at a value.
    fn add(&self, axis: &Axis, masses: &mut Masses, value: f64, logs: &mut [f64]) {
        match (self, axis) {
            (Self::Choices { observed, hit, miss }, _) => {
                let gain = hit - miss;
                for (sum, observed) in logs.iter_mut().zip(observed) {
                    *sum += if *observed == value { gain } else { 0.0 };
                }
            }
            (Self::Ordered { means, widths, inverses, rows }, Axis::Ordered(scale)) => {
                if let Some(level) = scale.coarse_level(value) {
                    let kernels = means.iter().zip(widths).zip(rows);
                    for (sum, ((mean, width), row)) in logs.iter_mut().zip(kernels) {
                        *sum += masses.mass(scale, level, *mean, *width, *row);
                    }
                } else {
                    let x = scale.coordinate(value);
                    for (sum, (mean, inverse)) in logs.iter_mut().zip(means.iter().zip(inverses)) {
                        let z = (x - mean) * inverse;
                        *sum -= z * z;
                    }
                }
            }
            _ => unreachable!("factors were made from the axes"),
        }
    }
}

/// A draw from a normal distribution cut off at the ends of [0, 1], between which its mean lies.
fn truncated_normal(mean: f64, width: f64, draws: &mut impl Rng) -> f64 {
    // The mass inside is at least a third, as no kernel is wider than the axis.
    loop {
        let (u, v): (f64, f64) = (draws.random(), draws.random());
        // Box and Muller; 1 - u is never 0.
        let z = (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * PI * v).cos();
        let x = mean + width * z;
        if (0.0..=1.0).contains(&x) {
            return x;
        }
    }
}

/// Logarithm of a sum of exponentials; overwrites its terms. In eight lanes, which compilers turn
/// into vectors.
fn log_sum_exp(logs: &mut [f64]) -> f64 {
    let largest = logs.iter().fold(f64::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    for log in logs.iter_mut() {
        *log = exp(*log - largest);
    }
    let mut lanes = [0.0; 8];
    let chunks = logs.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, term) in lanes.iter_mut().zip(chunk) {
            *lane += term;
        }
    }
    largest + (lanes.iter().sum::<f64>() + rest).ln()
}

/// The exponential function without branches or tables, for loops that become vectors: to 1e-14
/// for arguments from -700 to 700, below which it stays at its value for -700.
fn exp(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52: adding it rounds to whole numbers
    let x = if x > -700.0 { x } else { -700.0 };
    let shifted = x * LOG2_E + SHIFT;
    // ln 2 in two parts, so that the product with the first is exact.
    const HIGH: f64 = 0.693_147_180_369_123_8;
    let whole = shifted - SHIFT;
    let r = (x - whole * HIGH) - whole * (LN_2 - HIGH);
    let mut sum = 1.0 / 39_916_800.0;
    for inverse in [
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * r + inverse;
    }
    sum * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}
