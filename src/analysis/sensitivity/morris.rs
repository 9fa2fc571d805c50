//! Elementary effects: what a large step of one factor changes, from many places (Morris 1991).
//!
//! A trajectory starts at a random point of a grid of p levels and moves each factor once, in random
//! order, by Δ = p / (2(p − 1)) up or down. An effect is the change of the value over the change of
//! the position; mu is its mean, mu_star the mean of its size (Campolongo et al. 2007), sigma its
//! deviation (n − 1), which is large where the factor interacts or acts nonlinearly. Over the same
//! points they equal those of SALib.
//!
//! Few trajectories see each step equally often: the start levels of a factor are random
//! permutations of all p/2, one after the other. A discrete factor stands in the middle of the level
//! that is nearest to its place on the grid, and its effects are over the step really made between
//! its first and last level, so a factor of two levels has the difference between them as effect. A
//! group moves at once, each member in a direction of its own; its effects have sizes only.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::draft::{checked, equal_blocks};
use super::effects::{Differences, Found, judge};
use super::estimate::spread;
use super::unit::{Unit, check, count, dummy, units};
use super::{Analysis, Factor, Method, Noise, Options, SensitivityError, draws};

/// Numbers of draws: start levels by factor and cycle, the rest by trajectory.
const STARTS: u64 = 2 << 32;
const STEPS: u64 = 3 << 32;

/// Screening by elementary effects along trajectories.
pub(super) struct Morris;

impl Method for Morris {
    fn name(&self) -> &'static str {
        "morris"
    }

    fn about(&self) -> &'static str {
        "screening by large steps of one factor at a time; samples · (factors + 1) runs"
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
        let mut points = Vec::with_capacity(self.runs(factors, options));
        for number in 0..options.samples {
            let trajectory = Trajectory::new(number, factors.len(), &units, options);
            let mut at = trajectory.from.clone();
            let point = |at: &[usize]| -> Vec<f64> {
                let placed = factors.iter().zip(at);
                placed.map(|(factor, &level)| position(factor, level, options.levels)).collect()
            };
            points.push(point(&at));
            for unit in trajectory.order {
                units[unit].members.iter().for_each(|&factor| at[factor] = trajectory.to[factor]);
                points.push(point(&at));
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

    /// A run without a value takes along only the two effects that it belongs to.
    fn analyse(
        &self,
        factors: &[Factor],
        options: &Options,
        values: &[Option<f64>],
    ) -> Result<Analysis, SensitivityError> {
        let units = self.checked_units(factors, options)?;
        let values = checked(self, self.runs(factors, options), values)?;
        let mut effects: Vec<Vec<Found>> = vec![Vec::new(); units.len()];
        let mut counts = vec![false; values.len()];
        for (number, block) in values.chunks(units.len() + 1).enumerate() {
            let trajectory = Trajectory::new(number, factors.len(), &units, options);
            for (step, (&unit, ends)) in trajectory.order.iter().zip(block.windows(2)).enumerate() {
                let &[Some(before), Some(after)] = ends else { continue };
                let run = number * (units.len() + 1) + step;
                counts[run..run + 2].fill(true);
                let over = trajectory.step(&units[unit], factors, options.levels);
                let effect = (after - before) / over;
                effects[unit].push(Found {
                    trajectory: number,
                    cycle: number / (options.levels / 2),
                    effect,
                    step: over.abs(),
                });
            }
        }
        let used = counts.iter().filter(|counts| **counts).count();
        let mut analysis = Analysis::of_runs(&values, used, "step of a trajectory");
        if used == 0 {
            return Ok(analysis);
        }
        analysis.variance = spread(values.iter().flatten().copied()).1;
        let differences = match (options.noise, dummy(&units, options)) {
            (Noise::Variance(variance), _) => Differences::Variance(2.0 * variance),
            (_, Some(unit)) if !effects[unit].is_empty() => {
                let of = |it: &Found| (it.trajectory, it.effect * it.step);
                Differences::Seen(effects[unit].iter().map(of).collect())
            }
            _ => Differences::None,
        };
        analysis.noise_variance = differences.variance().map(|variance| variance / 2.0);
        // Without noise, effects are as they are, to the bit.
        let has_noise = analysis.noise_variance.is_some_and(|variance| variance > 0.0);
        let differences = if has_noise { differences } else { Differences::None };
        for (place, (unit, effects)) in units.iter().zip(&effects).enumerate() {
            let of_dummy = (dummy(&units, options) == Some(place)).then(|| differences.shifted());
            let differences = of_dummy.as_ref().unwrap_or(&differences);
            let unit = (unit.name.as_str(), unit.is_group, unit.members[0]);
            judge(&mut analysis, unit, effects, differences, options);
        }
        if analysis.variance == 0.0 {
            analysis.note("all values are alike: no factor has an effect within this box");
        }
        if analysis.noise_variance.is_some_and(|noise| noise > analysis.variance) {
            analysis.note(
                "the noise has a larger variance than the values of all runs: nothing is left for the \
                 hyperparameters; was it given in the value's units, squared?",
            );
        }
        if has_noise {
            analysis.note(
                "noise makes effects larger and is taken out of mu_star and sigma. What it leaves \
                 open of mu_star is in the interval, which holds for effects of any kind; the value \
                 is that of normally spread effects",
            );
        }
        Ok(analysis)
    }
}

impl Morris {
    fn checked_units(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<Unit>, SensitivityError> {
        check(self, factors, options, 1, "trajectories")?;
        let (method, given) = (self.name(), options.levels);
        if given % 2 == 1 || !(2..=1000).contains(&given) {
            return Err(SensitivityError::Levels { method, given });
        }
        units(factors, options)
    }
}

/// A walk on the grid that takes each unit from one level to another.
struct Trajectory {
    /// Level of each factor at first, of `options.levels`.
    from: Vec<usize>,
    /// Level of each factor at last.
    to: Vec<usize>,
    /// Which unit moves at which step.
    order: Vec<usize>,
}

impl Trajectory {
    fn new(number: usize, factors: usize, units: &[Unit], options: &Options) -> Self {
        let half = options.levels / 2;
        let (cycle, place) = ((number / half) as u64, number % half);
        let mut random = draws(options.seed, STEPS, number as u64);
        let mut trajectory = Self {
            from: Vec::with_capacity(factors),
            to: Vec::with_capacity(factors),
            order: (0..units.len()).collect(),
        };
        trajectory.order.shuffle(&mut random);
        for factor in 0..factors as u64 {
            let mut starts: Vec<usize> = (0..half).collect();
            starts.shuffle(&mut draws(options.seed, STARTS + factor, cycle));
            let (low, high) = (starts[place], starts[place] + half);
            let (from, to) = if random.random() { (low, high) } else { (high, low) };
            trajectory.from.push(from);
            trajectory.to.push(to);
        }
        trajectory
    }

    /// By how much the position of a unit changes, with its sign; a group's Δ without.
    fn step(&self, unit: &Unit, factors: &[Factor], levels: usize) -> f64 {
        let grid = (levels / 2) as f64 / (levels - 1) as f64;
        if unit.is_group {
            return grid;
        }
        let factor = unit.members[0];
        let (from, to) = (self.from[factor], self.to[factor]);
        let grid = if to > from { grid } else { -grid };
        match factors[factor].levels {
            Some(count) if count > 1 => {
                let at = |level| nearest(count, level, levels) as f64;
                let moved = (at(to) - at(from)) / (count - 1) as f64;
                if moved == 0.0 { grid } else { moved }
            }
            _ => grid,
        }
    }
}

/// The level of `count` that is nearest to a place on a grid of `levels`.
fn nearest(count: u64, level: usize, levels: usize) -> u64 {
    // Halves away from the nearer end, so that a grid's mirror image is the mirror image.
    let (last, of) = (count - 1, levels as u64 - 1);
    let up = |level: u64| (2 * level * last + of) / (2 * of);
    let level = level as u64;
    if 2 * level <= of { up(level) } else { last - up(of - level) }
}

/// Where a level of the grid lies for a factor.
fn position(factor: &Factor, level: usize, levels: usize) -> f64 {
    match factor.levels {
        Some(count) if count > 0 => (nearest(count, level, levels) as f64 + 0.5) / count as f64,
        _ => level as f64 / (levels - 1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sensitivity::suite::Subject;
    use crate::analysis::statistics::{mean, standard_deviation};

    fn plain(samples: usize) -> Options {
        Options { samples, resamples: 50, ..Options::default() }
    }

    /// Slow reference: the points alone tell which factor moved and by how much.
    #[test]
    fn effects_are_changes_over_steps() {
        for name in ["ishigami", "mixed", "sobol-g"] {
            let subject = Subject::new(name);
            let design = Morris.design(&subject.factors, &plain(40)).unwrap();
            let k = subject.factors.len();
            let mut effects = vec![Vec::new(); k];
            for trajectory in design.chunks(k + 1) {
                let mut moved = Vec::new();
                for pair in trajectory.windows(2) {
                    let different: Vec<_> = (0..k).filter(|&j| pair[0][j] != pair[1][j]).collect();
                    let &[j] = different.as_slice() else { panic!("{different:?} move at once") };
                    moved.push(j);
                    // From the middle of the first to that of the last level is a whole.
                    let levels = subject.factors[j].levels.map(|count| count as f64);
                    let whole = levels.map_or(1.0, |count| (count - 1.0) / count);
                    let step = (pair[1][j] - pair[0][j]) / whole;
                    effects[j].push((subject.at(&pair[1]) - subject.at(&pair[0])) / step);
                }
                moved.sort_unstable();
                assert_eq!(moved, (0..k).collect::<Vec<_>>());
            }
            let analysis = subject.analyse(&Morris, &plain(40));
            for (factor, effects) in subject.factors.iter().zip(effects) {
                let sizes: Vec<f64> = effects.iter().map(|effect| effect.abs()).collect();
                for (index, truth) in [
                    ("mu", mean(&effects)),
                    ("mu_star", mean(&sizes)),
                    ("sigma", standard_deviation(&effects)),
                ] {
                    let ours = analysis.find(&factor.name, index).value;
                    assert!((ours - truth).abs() < 1e-9, "{name} {index}: {ours} {truth}");
                }
            }
        }
    }

    #[test]
    fn every_step_of_the_grid_is_taken_equally_often() {
        let factors = Subject::new("sobol-g").factors;
        let options = Options { levels: 6, ..plain(12) };
        let design = Morris.design(&factors, &options).unwrap();
        let ends = design.chunks(9).map(|trajectory| (&trajectory[0], &trajectory[8]));
        // Factors do not go through their steps together.
        let together = ends.clone().filter(|(from, to)| from[0].min(to[0]) == from[1].min(to[1]));
        assert!((1..10).contains(&together.count()));
        for j in 0..8 {
            let lows = ends.clone().map(|(from, to)| (5.0 * from[j].min(to[j])).round() as usize);
            let mut counts = [0; 3];
            lows.for_each(|low| counts[low] += 1);
            assert_eq!(counts, [4, 4, 4]);
            assert!(ends.clone().all(|(from, to)| ((to[j] - from[j]).abs() - 0.6).abs() < 1e-12));
        }
    }

    #[test]
    fn discrete_factors_stand_in_the_middle_of_levels() {
        let of =
            |count, levels| (0..levels).map(|it| nearest(count, it, levels)).collect::<Vec<_>>();
        assert_eq!(of(2, 4), [0, 0, 1, 1]);
        assert_eq!(of(3, 4), [0, 1, 1, 2]);
        assert_eq!(of(4, 4), [0, 1, 2, 3]);
        assert_eq!(of(5, 4), [0, 1, 3, 4]);
        assert_eq!(of(10, 4), [0, 3, 6, 9]);
        assert_eq!(of(2, 6), [0, 0, 0, 1, 1, 1]);
        assert_eq!(of(1, 4), [0; 4]);
        let binary = Factor { name: "b".to_owned(), levels: Some(2) };
        let analysis = Morris
            .analyse(std::slice::from_ref(&binary), &plain(1), &[Some(0.0), Some(5.0)])
            .unwrap();
        // The whole difference between the two, up or down.
        assert_eq!(analysis.find("b", "mu_star").value, 5.0);
        let design = Morris.design(&[binary], &plain(3)).unwrap();
        assert!(design.iter().all(|point| [0.25, 0.75].contains(&point[0])));
    }

    #[test]
    fn a_failed_run_costs_its_two_effects() {
        let subject = Subject::new("ishigami");
        let mut values = subject.values(&Morris, &plain(3));
        values[5] = None;
        let analysis = Morris.analyse(&subject.factors, &plain(3), &values).unwrap();
        assert_eq!(analysis.effects.len(), 7);
        // The first run of that trajectory is left without a neighbour.
        assert_eq!((analysis.used, analysis.left_out), (10, 2));
    }

    #[test]
    fn noise_is_known_from_the_dummy() {
        let subject = Subject::new("linear-2").with_dummy();
        let options = Options { noise: Noise::Dummy(2), ..plain(400) };
        let values = subject.values(&Morris, &options);
        let mut random = crate::random::stream(3, crate::random::Purpose::Noise, 0);
        let noisy: Vec<_> =
            values.iter().map(|v| v.map(|v| v + random.random_range(-0.3..0.3))).collect();
        let analysis = Morris.analyse(&subject.factors, &options, &noisy).unwrap();
        let noise = analysis.noise_variance.unwrap();
        assert!((noise / 0.03 - 1.0).abs() < 0.15, "{noise}");
    }
}
