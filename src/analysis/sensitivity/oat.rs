//! One at a time: the value along the axis of each factor, the others at a base point.
//!
//! `range` is the largest less the smallest value along an axis, the base point's included, and
//! `slope` that of the line of least squares over the position, per length of the axis. Both hold at
//! the base point only: a factor that acts through another one is not seen. The axis of a dummy is
//! the base point run again, and shows what noise alone makes of a range.

use rand::RngExt;

use super::draft::checked;
use super::estimate::{Estimated, spread};
use super::unit::{check, without_groups};
use super::{Analysis, Factor, Method, Noise, Options, SensitivityError};
use crate::analysis::statistics::{Estimate, Interval, mean, quantile};
use crate::random::{Purpose, stream};
use statrs::distribution::{ContinuousCDF, Normal};

/// Sweeps along the axes.
pub(super) struct Oat;

impl Method for Oat {
    fn name(&self) -> &'static str {
        "oat"
    }

    fn about(&self) -> &'static str {
        "one at a time, the others at the base point; samples levels an axis and the base"
    }

    fn runs(&self, factors: &[Factor], options: &Options) -> usize {
        factors.iter().fold(1, |sum, factor| sum + levels(factor, options))
    }

    fn design(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<Vec<f64>>, SensitivityError> {
        let base = self.checked_base(factors, options)?;
        let mut points = vec![base.clone()];
        for (axis, factor) in factors.iter().enumerate() {
            points.extend(positions(factor, options).map(|position| {
                let mut point = base.clone();
                point[axis] = position;
                point
            }));
        }
        Ok(points)
    }

    /// The base point is the first block, each axis one.
    fn blocks(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<usize>, SensitivityError> {
        self.checked_base(factors, options)?;
        let axes = factors.iter().enumerate();
        let axes = axes.flat_map(|(axis, factor)| vec![axis + 1; levels(factor, options)]);
        Ok(std::iter::once(0).chain(axes).collect())
    }

    /// An axis is described by those of its runs that have a value, at least two.
    fn analyse(
        &self,
        factors: &[Factor],
        options: &Options,
        values: &[Option<f64>],
    ) -> Result<Analysis, SensitivityError> {
        let base = self.checked_base(factors, options)?;
        let values = checked(self, self.runs(factors, options), values)?;
        let centre = values.first().copied().flatten();
        let mut start = 1;
        let axes: Vec<Vec<(f64, f64)>> = factors
            .iter()
            .enumerate()
            .map(|(axis, factor)| {
                let runs = values.get(start..).unwrap_or_default();
                start += levels(factor, options);
                let own = positions(factor, options).zip(runs);
                let own = own.filter_map(|(position, value)| Some((position, (*value)?)));
                centre.map(|value| (base[axis], value)).into_iter().chain(own).collect()
            })
            .collect();
        let used = values.iter().flatten().count();
        let mut analysis = Analysis::of_runs(&values, used, "run");
        if used == 0 {
            return Ok(analysis);
        }
        analysis.variance = spread(values.iter().flatten().copied()).1;
        analysis.noise_variance = match options.noise {
            Noise::None => None,
            Noise::Variance(variance) => Some(variance),
            Noise::Dummy(axis) => {
                let again: Vec<f64> = axes[axis].iter().map(|(_, value)| *value).collect();
                let n = again.len() as f64;
                (n > 1.0).then(|| spread(again.into_iter()).1 * n / (n - 1.0))
            }
        };
        for (factor, axis) in factors.iter().zip(&axes) {
            judge(&mut analysis, factor, axis, options);
        }
        Ok(analysis)
    }
}

impl Oat {
    fn checked_base(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<f64>, SensitivityError> {
        check(self, factors, options, 2, "levels of an axis")?;
        without_groups(self, options)?;
        if options.base.is_empty() {
            return Ok(vec![0.5; factors.len()]);
        }
        let (given, wanted) = (options.base.len(), factors.len());
        if given != wanted {
            let fault =
                format!("has {given} positions for {wanted} hyperparameters; give each one");
            return Err(SensitivityError::Base { fault });
        }
        let outside = options.base.iter().zip(factors).find(|(at, _)| !(0.0..=1.0).contains(*at));
        match outside {
            Some((at, factor)) => {
                let fault = format!("has {} at {at}, outside its box; move it inside", factor.name);
                Err(SensitivityError::Base { fault })
            }
            None => Ok(options.base.clone()),
        }
    }
}

/// How many runs an axis has: no more than there are levels.
fn levels(factor: &Factor, options: &Options) -> usize {
    let there_are = factor.levels.and_then(|levels| usize::try_from(levels).ok());
    there_are.map_or(options.samples, |levels| levels.min(options.samples)).max(1)
}

/// Equal steps from end to end; levels of a discrete factor at their middle.
fn positions(factor: &Factor, options: &Options) -> impl Iterator<Item = f64> {
    let (count, discrete) = (levels(factor, options), factor.levels);
    (0..count).map(move |place| {
        let share = if count > 1 { place as f64 / (count - 1) as f64 } else { 0.5 };
        match discrete {
            Some(levels) if levels > 0 => {
                ((share * (levels - 1) as f64).round() + 0.5) / levels as f64
            }
            _ => share,
        }
    })
}

/// What the runs along an axis say: positions and values.
fn judge(analysis: &mut Analysis, factor: &Factor, axis: &[(f64, f64)], options: &Options) {
    if axis.len() < 2 {
        analysis.note(format!("{} has less than two values: it is left out", factor.name));
        return;
    }
    let values = axis.iter().map(|(_, value)| *value);
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let value = values.clone().fold(f64::NEG_INFINITY, f64::max) - low;
    let interval = match analysis.noise_variance {
        Some(noise) => {
            let half = noise.sqrt() * range_of_noise(axis.len(), options);
            Interval { low: value - half, high: value + half }
        }
        None => Interval::UNKNOWN,
    };
    analysis.push(&factor.name, "range", Estimated { value, interval }.at_least_zero());

    let n = axis.len() as f64;
    let position = mean(&axis.iter().map(|(position, _)| *position).collect::<Vec<_>>());
    let (middle, _) = spread(values);
    let squares: f64 = axis.iter().map(|(x, _)| (x - position).powi(2)).sum();
    if squares == 0.0 {
        return;
    }
    let slope = axis.iter().map(|(x, y)| (x - position) * (y - middle)).sum::<f64>() / squares;
    let rest: f64 = axis.iter().map(|(x, y)| (y - middle - slope * (x - position)).powi(2)).sum();
    let estimate = |variance: f64, freedom| Estimate {
        mean: slope,
        error: (variance / squares).sqrt(),
        freedom,
    };
    let interval = match analysis.noise_variance {
        Some(noise) => {
            let normal = Normal::standard().inverse_cdf(0.5 + options.confidence / 2.0);
            let half = normal * estimate(noise, 0).error;
            Interval { low: slope - half, high: slope + half }
        }
        None if axis.len() > 2 => {
            estimate(rest / (n - 2.0), axis.len() - 2).interval(options.confidence)
        }
        None => Interval::UNKNOWN,
    };
    analysis.push(&factor.name, "slope", Estimated { value: slope, interval });
}

/// What the range of `count` draws of standard normal noise stays below at the level of the options.
///
/// Noise moves a range by no more than its own range, so this half width holds for any response.
fn range_of_noise(count: usize, options: &Options) -> f64 {
    const DRAWS: u64 = 4000;
    let normal = Normal::standard();
    let mut random = stream(options.seed, Purpose::Bootstrap, 1 << 32 | count as u64);
    let mut ranges: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let (mut low, mut high) = (1.0_f64, 0.0_f64);
            for _ in 0..count {
                let level: f64 = random.random();
                (low, high) = (low.min(level), high.max(level));
            }
            // Monotone, so the ends of levels are those of the draws; 0 would be infinite.
            normal.inverse_cdf(high) - normal.inverse_cdf(low.max(f64::MIN_POSITIVE))
        })
        .collect();
    ranges.sort_by(f64::total_cmp);
    quantile(&ranges, options.confidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sensitivity::suite::Subject;
    use crate::random::Purpose;

    #[test]
    fn axes_go_through_the_base() {
        let subject = Subject::new("mixed");
        let base = vec![0.125, 0.3, 0.4, 0.9];
        let options = Options { samples: 5, base: base.clone(), ..Options::default() };
        let design = Oat.design(&subject.factors, &options).unwrap();
        assert_eq!(design[0], base);
        // Four optimisers, five levels each of the others.
        assert_eq!(design.len(), 1 + 4 + 3 * 5);
        assert_eq!(Oat.blocks(&subject.factors, &options).unwrap()[..6], [0, 1, 1, 1, 1, 2]);
        let optimisers: Vec<f64> = design[1..5].iter().map(|point| point[0]).collect();
        assert_eq!(optimisers, [0.125, 0.375, 0.625, 0.875]);
        let rates: Vec<f64> = design[5..10].iter().map(|point| point[1]).collect();
        assert_eq!(rates, [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert!(design[5..10].iter().all(|point| point[0] == 0.125 && point[2..] == base[2..]));
    }

    #[test]
    fn ranges_and_slopes_by_hand() {
        let subject = Subject::new("linear-2");
        let analysis = subject.analyse(&Oat, &Options { samples: 3, ..Options::default() });
        for (name, truth) in [("x1", 0.5), ("x2", 0.25)] {
            assert!((analysis.find(name, "range").value - truth).abs() < 1e-12);
            let slope = analysis.find(name, "slope");
            assert!((slope.value - truth).abs() < 1e-12);
            assert!((slope.interval.high - truth).abs() < 1e-9, "a line fits exactly");
            assert_eq!(analysis.find(name, "range").interval.high, f64::INFINITY);
        }
    }

    /// With the noise known, from the dummy's axis or given, ranges and slopes are covered.
    #[test]
    fn noise_bounds_the_range() {
        let subject = Subject::new("linear-2").with_dummy();
        let options = Options { samples: 9, noise: Noise::Variance(0.03), ..Options::default() };
        let exact = subject.values(&Oat, &options);
        let (mut range, mut slope) = (0, 0);
        for round in 0..400 {
            let mut random = stream(round, Purpose::Noise, 0);
            let noisy = exact.iter().map(|v| v.map(|v| v + random.random_range(-0.3..0.3)));
            let noisy: Vec<_> = noisy.collect();
            let analysis = Oat.analyse(&subject.factors, &options, &noisy).unwrap();
            let covers = |name, index, truth: f64| {
                let Interval { low, high } = analysis.find(name, index).interval;
                usize::from((low..=high).contains(&truth))
            };
            range += covers("dummy", "range", 0.0);
            slope += covers("x1", "slope", 0.5);
            if round == 0 {
                let options = Options { noise: Noise::Dummy(2), ..options.clone() };
                let analysis = Oat.analyse(&subject.factors, &options, &noisy).unwrap();
                let noise = analysis.noise_variance.unwrap();
                assert!((0.01..0.06).contains(&noise), "{noise}");
            }
        }
        assert!(range >= 367 && slope >= 367, "{range} {slope} of 400");
    }

    #[test]
    fn tables_of_the_studentized_range() {
        let options = Options::default();
        // Studentized range, 5 %, infinite degrees of freedom.
        for (count, table) in [(2, 2.772), (5, 3.858), (10, 4.474)] {
            let ours = range_of_noise(count, &options);
            assert!((ours - table).abs() < 0.1, "{count}: {ours} {table}");
        }
    }
}
