//! PED-ANOVA: how far the best trials are from all trials, one hyperparameter at a time (Watanabe,
//! Bansal & Hutter 2023, arXiv 2304.10255), with conditional hyperparameters by regimes (arXiv
//! 2601.20800). The numbers are those of Optuna 5.0's evaluator before it normalises them to sum 1.
//!
//! The best trials are those up to the γ′ quantile. For each hyperparameter two Parzen estimators
//! stand on a grid of at most 50 cells, one of the best trials and one of all; the importance is
//! (γ′/γ)² · α²/β · E[(p′/p − 1)²] with the realised share γ′/γ, and α and β the shares of the best
//! and of all trials that have the hyperparameter. Kernels are normal with Scott's bandwidth on the
//! grid, cut off at its ends; the prior is one more kernel. Cells come from the range's own scale.

use super::sample::Sample;
use super::{ImportanceError, Method, Options};
use crate::search::space::Distribution;

/// Most cells of the grid.
const CELLS: u64 = 50;
/// Weight of the prior beside a trial's 1.
const PRIOR: f64 = 1.0;
/// Trials that a regime must have.
const FEWEST_IN_REGIME: usize = 2;
/// Added to every density, so that none is 0.
const FLOOR: f64 = 1e-12;

/// PED-ANOVA; see the head of this file.
#[derive(Clone, Copy, Debug)]
pub struct PedAnova;

impl Method for PedAnova {
    fn name(&self) -> &'static str {
        "ped-anova"
    }

    fn about(&self) -> &'static str {
        "how far the best trials' settings are from all trials' (Pearson divergence, as Optuna, not \
         normalised)"
    }

    fn uses_forest(&self) -> bool {
        false
    }

    fn importance(
        &self,
        sample: &Sample,
        options: &Options,
        _: u64,
    ) -> Result<Vec<f64>, ImportanceError> {
        let trials: Vec<_> = sample.iter().collect();
        let best = best(&trials.iter().map(|(loss, _)| *loss).collect::<Vec<_>>(), options.gamma);
        let top = best.iter().filter(|best| **best).count() as f64;
        let all = trials.len() as f64;
        let importance = |(place, parameter): (usize, &super::Parameter)| {
            let values = |only_best: bool| -> Vec<f64> {
                let rows = trials.iter().zip(&best).filter(|(_, best)| !only_best || **best);
                rows.filter_map(|((_, values), _)| values[place]).collect()
            };
            let (active, chosen) = (values(false), values(true));
            let single = parameter.distribution.levels() == Some(1);
            if single || active.len() < FEWEST_IN_REGIME || chosen.is_empty() {
                return 0.0;
            }
            let grid = Scale::of(&parameter.distribution);
            let (p, q) = (grid.densities(&chosen), grid.densities(&active));
            let divergence: f64 = p.iter().zip(&q).map(|(p, q)| q * (p / q - 1.0).powi(2)).sum();
            let (alpha, beta) = (chosen.len() as f64 / top, active.len() as f64 / all);
            (top / all).powi(2) * alpha * alpha / beta * divergence
        };
        Ok(sample.parameters().iter().enumerate().map(importance).collect())
    }
}

/// Which losses are at most the γ quantile (an order statistic; ties are all in).
fn best(losses: &[f64], gamma: f64) -> Vec<bool> {
    let mut sorted = losses.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = ((gamma * losses.len() as f64).ceil() as usize).clamp(1, losses.len()) - 1;
    losses.iter().map(|loss| *loss <= sorted[place]).collect()
}

/// The grid of a hyperparameter.
#[derive(Clone, Copy, Debug)]
enum Scale {
    /// So many choices.
    Choices(usize),
    /// So many cells from one end to the other, in the logarithm if so.
    Ordered { cells: usize, low: f64, high: f64, log: bool },
    /// As many as there may be, by position: for normal distributions, which Optuna lacks.
    Position(fn(&Distribution, f64) -> f64),
}

/// A grid with what it is a grid of.
#[derive(Clone, Copy, Debug)]
struct Scaled<'a>(&'a Distribution, Scale);

impl Scale {
    fn of(distribution: &Distribution) -> Scaled<'_> {
        let ordered = |cells: u64, low: f64, high: f64, log: bool| {
            let (low, high) = if log { (low.ln(), high.ln()) } else { (low, high) };
            Self::Ordered { cells: cells.min(CELLS) as usize, low, high, log }
        };
        let scale = match *distribution {
            Distribution::Categorical { ref choices } => Self::Choices(choices.len()),
            Distribution::Float { low, high, log, step } => {
                let cells = step.and(distribution.levels()).unwrap_or(CELLS);
                // The last level, which a step that does not divide the range leaves below its end.
                let high = step.map_or(high, |step| low + (cells - 1) as f64 * step);
                ordered(cells, low, high, log)
            }
            Distribution::Int { low, high, log: true, .. } => {
                let doublings = (high.abs_diff(low) as f64 + 1.0).ln() / 2_f64.ln();
                ordered(doublings.ceil() as u64 + 1, low as f64, high as f64, true)
            }
            Distribution::Int { low, step, .. } => {
                let cells = distribution.levels().unwrap_or(1);
                let high = low as f64 + (cells - 1) as f64 * step as f64;
                ordered(cells, low as f64, high, false)
            }
            Distribution::Normal { .. } => Self::Position(Distribution::position),
        };
        Scaled(distribution, scale)
    }
}

impl Scaled<'_> {
    /// Densities of the Parzen estimator of some values on the cells.
    fn densities(&self, values: &[f64]) -> Vec<f64> {
        let counts = self.counts(values);
        let density = if matches!(self.1, Scale::Choices(_)) { choices } else { ordered };
        density(&counts).into_iter().map(|density| density + FLOOR).collect()
    }

    /// How many values each cell has.
    fn counts(&self, values: &[f64]) -> Vec<u64> {
        let (cells, low, high, log) = match self.1 {
            Scale::Choices(count) => (count, 0.0, (count - 1) as f64, false),
            Scale::Ordered { cells, low, high, log } => (cells, low, high, log),
            Scale::Position(_) => (CELLS as usize, 0.0, 1.0, false),
        };
        let width = (high - low) / (cells - 1) as f64;
        let mut counts = vec![0; cells];
        for value in values {
            let value = match self.1 {
                Scale::Position(position) => position(self.0, *value),
                _ if log => value.ln(),
                _ => *value,
            };
            // What lies half-way goes to the lower cell.
            let cell = ((value - low) / width - 0.5).ceil().clamp(0.0, (cells - 1) as f64);
            counts[cell as usize] += 1;
        }
        counts
    }
}

/// A kernel for each observed choice, which favours it the more the more kernels there are.
fn choices(counts: &[u64]) -> Vec<f64> {
    let kernels = counts.iter().filter(|count| **count > 0).count() as f64 + 1.0;
    let (share, sum) = (PRIOR / kernels, 1.0 + counts.len() as f64 * PRIOR / kernels);
    let trials: u64 = counts.iter().sum();
    let total = trials as f64 + PRIOR;
    let even = PRIOR / total / counts.len() as f64;
    let density = |count: &u64| {
        let count = *count as f64;
        even + (trials as f64 * share + count) / (sum * total)
    };
    counts.iter().map(density).collect()
}

/// A normal kernel on each cell that has values, and a wide one for the prior, all cut off half a
/// cell beyond the ends.
fn ordered(counts: &[u64]) -> Vec<f64> {
    let total: u64 = counts.iter().sum();
    let n = total as f64;
    let moment = |power: &dyn Fn(f64) -> f64| -> f64 {
        counts.iter().enumerate().map(|(cell, count)| *count as f64 * power(cell as f64)).sum()
    };
    let mean = moment(&|cell| cell) / n;
    let deviation = (moment(&|cell| (cell - mean).powi(2)) / (n - 1.0).max(1.0)).sqrt();
    let (mut sum, mut cumulative) = (0, Vec::new());
    for (cell, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        sum += count;
        cumulative.push((cell, sum));
    }
    let last = cumulative.len() - 1;
    let lower = cumulative.partition_point(|(_, sum)| *sum < total / 4);
    let upper = cumulative.partition_point(|(_, sum)| *sum <= total * 3 / 4).min(last);
    let quartiles = cumulative[upper].0 as f64 - cumulative[lower].0 as f64;
    // Scott's rule with the smaller of two deviations; 1.64 of the narrowest kernel's are half a cell.
    let bandwidth = 1.059 * deviation.min(quartiles / 1.34) * n.powf(-0.2);
    let bandwidth = bandwidth.max(0.5 / 1.64);
    let ends = (-0.5, counts.len() as f64 - 0.5);
    let mut densities = vec![0.0; counts.len()];
    let mut add = |mean: f64, deviation: f64, weight: f64| {
        let mass =
            |low: f64, high: f64| normal_mass((low - mean) / deviation, (high - mean) / deviation);
        let whole = mass(ends.0, ends.1);
        for (cell, density) in densities.iter_mut().enumerate() {
            *density += weight * mass(cell as f64 - 0.5, cell as f64 + 0.5) / whole;
        }
    };
    for (cell, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        add(cell as f64, bandwidth, *count as f64 / (n + PRIOR));
    }
    add((counts.len() - 1) as f64 / 2.0, counts.len() as f64, PRIOR / (n + PRIOR));
    densities
}

/// What a standard normal distribution has between two points, from the tail that keeps its digits.
fn normal_mass(low: f64, high: f64) -> f64 {
    let tail = |x: f64| 0.5 * libm::erfc(x / std::f64::consts::SQRT_2);
    if low > 0.0 { tail(low) - tail(high) } else { tail(-high) - tail(-low) }
}
