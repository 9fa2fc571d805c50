//! Shapley effects: shares of the variance that sum to 1, each interaction split evenly among its
//! factors.
//!
//! Goda (Reliability Engineering and System Safety 213, 2021): from a point x, the factors are taken
//! over from a second point one by one in random order; the step that takes over j adds
//! (f₀ − (f_before + f_after) / 2) · (f_before − f_after) to the effect of j. The steps of a sample
//! sum to (f₀ − f_k)² / 2, so the effects sum to the variance, which they are divided by.
//!
//! Independent noise of variance σ² adds σ² to the expectation of a sample's first step and nothing
//! to the others (their halves cancel), so it is taken out just there.

use rand::seq::SliceRandom;

use super::draft::{checked, equal_blocks, whole_blocks};
use super::estimate::{ratio_of, spread};
use super::pairs::Pairs;
use super::unit::{Unit, check, count, dummy, units};
use super::{Analysis, Factor, Method, Noise, Options, SensitivityError, draws};
use crate::analysis::statistics::mean;

/// Number of the draws for the orders of units; dimensions of points have the small ones.
const ORDERS: u64 = 1 << 32;

/// Shapley effects along random permutations.
pub(super) struct Shapley;

impl Method for Shapley {
    fn name(&self) -> &'static str {
        "shapley"
    }

    fn about(&self) -> &'static str {
        "shares of the variance that sum to 1; samples · (factors + 1) runs"
    }

    fn runs(&self, factors: &[Factor], options: &Options) -> usize {
        options.samples.saturating_mul(count(factors, options) + 1)
    }

    fn design(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<Vec<f64>>, SensitivityError> {
        let units = self.checked_units(factors, options)?;
        let pairs = Pairs::new(self, factors.len(), options)?;
        let mut points = Vec::with_capacity(self.runs(factors, options));
        for number in 0..options.samples {
            let (mut point, other) = pairs.at(number);
            points.push(point.clone());
            for unit in order(number, units.len(), options) {
                units[unit].members.iter().for_each(|&member| point[member] = other[member]);
                points.push(point.clone());
            }
        }
        Ok(points)
    }

    fn blocks(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<usize>, SensitivityError> {
        let size = self.checked_units(factors, options)?.len() + 1;
        Ok(equal_blocks(self.runs(factors, options), size))
    }

    fn analyse(
        &self,
        factors: &[Factor],
        options: &Options,
        values: &[Option<f64>],
    ) -> Result<Analysis, SensitivityError> {
        let units = self.checked_units(factors, options)?;
        let values = checked(self, self.runs(factors, options), values)?;
        let blocks = whole_blocks(&values, units.len() + 1);
        let used = blocks.len() * (units.len() + 1);
        let mut analysis = Analysis::of_runs(&values, used, "permutation");
        if !blocks.is_empty() {
            estimate(&mut analysis, &blocks, &units, options);
        }
        Ok(analysis)
    }
}

impl Shapley {
    fn checked_units(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<Unit>, SensitivityError> {
        check(self, factors, options, 1, "permutations")?;
        Pairs::new(self, factors.len(), options)?;
        units(factors, options)
    }
}

/// In which order sample `number` takes units over.
fn order(number: usize, units: usize, options: &Options) -> Vec<usize> {
    let mut order: Vec<usize> = (0..units).collect();
    order.shuffle(&mut draws(options.seed, ORDERS, number as u64));
    order
}

/// The effects from whole samples, at least one.
fn estimate(
    analysis: &mut Analysis,
    blocks: &[(usize, Vec<f64>)],
    units: &[Unit],
    options: &Options,
) {
    let dummy = dummy(units, options);
    let mut effects = vec![Vec::with_capacity(blocks.len()); units.len()];
    let mut variances = Vec::with_capacity(blocks.len());
    let mut noises = Vec::with_capacity(blocks.len());
    let orders: Vec<_> =
        blocks.iter().map(|(number, _)| order(*number, units.len(), options)).collect();
    for ((_, values), order) in blocks.iter().zip(&orders) {
        let noise = match (options.noise, dummy) {
            (Noise::Variance(variance), _) => variance,
            (_, Some(dummy)) => {
                let step = order.iter().position(|unit| *unit == dummy).unwrap_or(0);
                (values[step] - values[step + 1]).powi(2) / 2.0
            }
            _ => 0.0,
        };
        for (step, &unit) in order.iter().enumerate() {
            let (before, after) = (values[step], values[step + 1]);
            let effect = (values[0] - f64::midpoint(before, after)) * (before - after);
            effects[unit].push(effect);
        }
        variances.push((values[0] - values[units.len()]).powi(2) / 2.0 - noise);
        noises.push(noise);
    }
    let noise = mean(&noises);
    for (unit, effects) in effects.iter_mut().enumerate() {
        let is_first: Vec<bool> = orders.iter().map(|order| order[0] == unit).collect();
        let often = is_first.iter().filter(|first| **first).count() as f64 / blocks.len() as f64;
        for ((effect, first), own) in effects.iter_mut().zip(is_first).zip(&noises) {
            // What the mean noise takes from first steps, and how far this block moved that mean.
            *effect -= if first { noise } else { 0.0 } + often * (own - noise);
        }
    }
    let (_, spread) = spread(blocks.iter().flat_map(|(_, values)| values.iter().copied()));
    analysis.noise_variance = (options.noise != Noise::None).then_some(noise);
    analysis.variance = if spread == 0.0 { 0.0 } else { mean(&variances).max(0.0) };
    if analysis.has_variance() {
        for (place, unit) in units.iter().enumerate() {
            let share = ratio_of(&effects[place], &variances, options, place);
            analysis.push(&unit.name, "Sh", share);
        }
        analysis.note_few(blocks.len(), 64, "permutations");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sensitivity::suite::Subject;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    #[test]
    fn each_step_takes_one_factor_over() {
        let factors = Subject::new("ishigami").factors;
        let options = Options { samples: 30, ..Options::default() };
        let mut orders = std::collections::BTreeSet::new();
        for path in Shapley.design(&factors, &options).unwrap().chunks(4) {
            let step = |pair: &[Vec<f64>]| {
                let moved: Vec<_> = (0..3).filter(|&j| pair[0][j] != pair[1][j]).collect();
                assert_eq!(moved.len(), 1);
                assert_eq!(pair[1][moved[0]], path[3][moved[0]]);
                moved[0]
            };
            orders.insert(path.windows(2).map(step).collect::<Vec<_>>());
        }
        assert_eq!(orders.len(), 6);
    }

    /// Noise is taken out of the effects as it is out of the variance, given or from a dummy.
    #[test]
    fn noise_is_taken_out() {
        let subject = Subject::new("ishigami").with_dummy();
        let plain = Options { samples: 8192, resamples: 10, ..Options::default() };
        let mut random = stream(1, Purpose::Noise, 0);
        let exact = subject.values(&Shapley, &plain);
        let noisy: Vec<_> =
            exact.iter().map(|v| v.map(|v| v + random.random_range(-3.0..3.0))).collect();
        let truth = [0.435747, 0.442411, 0.121842, 0.0];
        for noise in [Noise::Variance(3.0), Noise::Dummy(3)] {
            let options = Options { noise, ..plain.clone() };
            let analysis = Shapley.analyse(&subject.factors, &options, &noisy).unwrap();
            assert!((analysis.noise_variance.unwrap() - 3.0).abs() < 0.1);
            for (index, truth) in analysis.indices.iter().zip(truth) {
                assert!((index.value - truth).abs() < 0.025, "{index:?} {truth}");
            }
            let sum: f64 = analysis.indices.iter().map(|index| index.value).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        }
        // Left in, each gets an equal part of it.
        let raw = Shapley.analyse(&subject.factors, &plain, &noisy).unwrap();
        let part = 3.0 / (13.844588 + 3.0) / 4.0;
        assert!((raw.find("dummy", "Sh").value - part).abs() < 0.015);
    }
}
