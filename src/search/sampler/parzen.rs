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

use std::f64::consts::{PI, SQRT_2};

use rand::{Rng, RngExt};

use super::axis::{Axis, NARROWEST, Scale};
use super::column::{Column, Masses};
use super::log_sum::log_sum_exp;

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
        let known = columns.first().map_or(0, |column| column.len());
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
    let used = |index: &usize| slots[*index] != usize::MAX && column.knows(*index);
    let sorted: Vec<usize> = column.order.iter().copied().filter(used).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use crate::search::space::{Choice, Distribution};

    /// Axes of all kinds.
    fn axes() -> Vec<Axis> {
        let float = |low, high, log, step| Distribution::Float { low, high, log, step };
        let int = |low, high, log| Distribution::Int { low, high, log, step: 1 };
        [
            float(-1.0, 3.0, false, None),
            float(1e-5, 0.1, true, None),
            float(0.0, 1.0, false, Some(0.25)),
            int(1, 9, false),
            int(1, 20, true),
            Distribution::Categorical { choices: (0..3).map(Choice::Int).collect() },
        ]
        .iter()
        .map(|distribution| Axis::new(distribution).expect("has several values"))
        .collect()
    }

    /// An observation spread over the axes by its number.
    fn observation(number: usize) -> [f64; 6] {
        let k = number as f64;
        let log = (k * 0.7548776662 + 0.2) % 1.0;
        [
            -1.0 + 4.0 * ((k * 0.61803398875 + 0.1) % 1.0),
            1e-5 * 10.0_f64.powf(4.0 * log),
            (number * 3 % 5) as f64 * 0.25,
            1.0 + (number * 4 % 9) as f64,
            1.0 + (number * 7 % 20) as f64,
            (number * 2 % 3) as f64,
        ]
    }

    fn columns(axes: &[Axis], observations: &[[f64; 6]]) -> Vec<Column> {
        let mut columns: Vec<Column> = axes.iter().map(|_| Column::default()).collect();
        update(axes, &mut columns, observations);
        columns
    }

    fn update(axes: &[Axis], columns: &mut [Column], observations: &[[f64; 6]]) {
        for (place, (axis, column)) in axes.iter().zip(columns).enumerate() {
            column.update(axis, observations.iter().map(|values| Some(values[place])));
        }
    }

    fn candidates() -> Vec<Vec<f64>> {
        vec![
            vec![-1.0, 0.3, 2.9],
            vec![1e-5, 3e-3, 0.1],
            vec![0.0, 0.5, 1.0],
            vec![1.0, 4.0, 9.0],
            vec![1.0, 13.0, 20.0],
            vec![0.0, 1.0, 2.0],
        ]
    }

    /// Logarithm of the ratio of two estimators at the candidates.
    fn ratios(axes: &[Axis], columns: &mut [Column], below: &[usize], above: &[usize]) -> Vec<f64> {
        let [below, above] = [below, above].map(|observations| {
            let estimator = Estimator::new(axes, columns, observations);
            estimator.log_densities(axes, columns, &candidates())
        });
        below.iter().zip(&above).map(|(below, above)| below - above).collect()
    }

    /// The same observations in Optuna 5.0's `_ParzenEstimator`, with its default weights and a
    /// stable sort (with NumPy's own, which of several equal values gets which gap is arbitrary).
    #[test]
    fn ratios_equal_those_of_optuna() {
        let known = [
            (3, 7, [4.578346104160103, -1.189420607123262, 2.635706343552725]),
            (1, 30, [4.368684013799589, -0.3022378202444269, 2.8124864793991495]),
            (0, 2, [1.0817452180101306, -0.2939361885283436, 0.4788860132458552]),
            (5, 40, [6.429240465319371, 2.4134474576481217, 3.975170413417823]),
        ];
        let axes = axes();
        for (below, above, expected) in known {
            let numbers = (0..below).chain(100..100 + above);
            let observations: Vec<_> = numbers.map(observation).collect();
            let places: Vec<usize> = (0..observations.len()).collect();
            let (first, second) = places.split_at(below);
            let ratios = ratios(&axes, &mut columns(&axes, &observations), first, second);
            for (ratio, expected) in ratios.iter().zip(expected) {
                assert!((ratio - expected).abs() < 1e-9, "{below}, {above}: {ratio} {expected}");
            }
        }
    }

    #[test]
    fn what_is_kept_changes_no_answer() {
        let axes = axes();
        let mut kept = columns(&axes, &[]);
        let mut observations: Vec<_> = (0..150).map(observation).collect();
        for count in [3, 4, 5, 40, 41, 12, 150] {
            if count == 41 {
                observations[7] = observation(1000);
            }
            let (below, above): (Vec<usize>, Vec<usize>) = (0..count).partition(|i| i % 5 == 1);
            update(&axes, &mut kept, &observations[..count]);
            let mut fresh = columns(&axes, &observations[..count]);
            let answer = ratios(&axes, &mut fresh, &below, &above);
            assert_eq!(ratios(&axes, &mut kept, &below, &above), answer, "{count}");
        }
    }

    /// Cells too narrow for a mass of their own count by their density: a grid of 1,000 levels
    /// must hardly differ from one of 100 with the same observations.
    #[test]
    fn fine_and_coarse_cells_agree() {
        let axis = |step| {
            let distribution =
                Distribution::Float { low: 0.0, high: 1.0, log: false, step: Some(step) };
            Axis::new(&distribution).expect("has several values")
        };
        let ratios = [0.01, 0.001].map(|step| {
            let axes = [axis(step)];
            let mut columns = [Column::default()];
            let values = [0.2, 0.25, 0.31, 0.5, 0.7, 0.9];
            columns[0].update(&axes[0], values.into_iter().map(Some));
            let mut density = |observations: &[usize]| {
                let estimator = Estimator::new(&axes, &mut columns, observations);
                estimator.log_densities(&axes, &mut columns, &[vec![0.22, 0.4, 0.8]])
            };
            let (below, above) = (density(&[0, 1, 2]), density(&[3, 4, 5]));
            below.iter().zip(&above).map(|(below, above)| below - above).collect::<Vec<_>>()
        });
        for (coarse, fine) in ratios[0].iter().zip(&ratios[1]) {
            assert!((coarse - fine).abs() < 0.02, "{coarse} {fine}");
        }
    }

    /// Draws of one axis against the density of that axis, summed up over small steps.
    #[test]
    fn draws_follow_the_density() {
        let axes = axes();
        for (place, axis) in axes.iter().enumerate() {
            let axis = std::slice::from_ref(axis);
            let mut column = [Column::default()];
            let observations = (0..4).map(|number| Some(observation(number)[place]));
            column[0].update(&axis[0], observations);
            let estimator = Estimator::new(axis, &mut column, &[0, 1, 2, 3]);
            let mut draws = stream(3, Purpose::Sampler, place as u64);
            let kernels = estimator.draw_kernels(20_000, &mut draws);
            let drawn = estimator.draw_values(0, &axis[0], &kernels, &mut draws);
            let places: Vec<f64> = match &axis[0] {
                Axis::Choices(count) => (0..*count).map(|choice| choice as f64).collect(),
                Axis::Ordered(scale) if scale.coarse > 0 => {
                    let middle = |(low, high): (f64, f64)| scale.value((low + high) / 2.0);
                    (0..scale.coarse).map(|level| middle(scale.cell(level))).collect()
                }
                Axis::Ordered(scale) => {
                    (0..1000).map(|i| scale.value((f64::from(i) + 0.5) / 1000.0)).collect()
                }
            };
            let coordinate = |value: f64| axis[0].coordinate(value).expect("is a value");
            let logs = estimator.log_densities(axis, &mut column, std::slice::from_ref(&places));
            let total: f64 = logs.iter().map(|log| log.exp()).sum();
            for power in 1..4 {
                let terms = logs.iter().zip(&places);
                let expected = terms.map(|(log, value)| log.exp() * coordinate(*value).powi(power));
                let expected = expected.sum::<f64>() / total;
                let found = drawn.iter().map(|value| coordinate(*value).powi(power)).sum::<f64>();
                let found = found / drawn.len() as f64;
                assert!((found / expected - 1.0).abs() < 0.03, "{place}: {found} {expected}");
            }
        }
    }

    #[test]
    fn older_observations_count_less() {
        assert_eq!(weights(24), [1.0; 24]);
        assert_eq!(weights(26)[..2], [1.0 / 26.0, 1.0]);
        let weights = weights(28);
        assert!((weights[1] - 0.5178571428571429).abs() < 1e-15 && weights[2] == 1.0);
    }
}
