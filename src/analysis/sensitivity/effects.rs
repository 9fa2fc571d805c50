//! What elementary effects say, with the noise of the runs taken out of them.
//!
//! Two runs with noise of variance σ² each make of an effect d what is found, d + e, where e has the
//! variance s² = 2σ² / step². The mean of d + e is that of d, and its variance is larger by s². The
//! mean size E|d| is not known from that of d + e: it lies between bounds, which are sharp unless
//! more is known of how effects are spread.
//!
//! - |d| is at least |d + e| − |e| in the mean, and at least the size of the mean effect.
//! - With g(x) = E|x + e|, which is convex, E|d + e| = E g(|d|) is at least g(E|d|): at most, E|d|
//!   is where g reaches E|d + e|. It is so where all effects are of one size.
//!
//! An interval goes from the lower to the upper bound, each with its error, so it holds for effects
//! of any kind; the value is that of normally spread effects, between the bounds.
//!
//! Trajectories of one cycle share out the start levels among them, so what interacts there goes
//! together: cycles are the independent blocks of all intervals, where there are enough of them.

use std::f64::consts::{PI, SQRT_2};

use super::estimate::{Estimated, mean_of, ratio_of};
use super::{Analysis, Effect, Options};
use crate::analysis::statistics::Interval;

/// An effect of a unit, with its sign; a group's sign is of no use, but does no harm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) trajectory: usize,
    /// Number of the cycle of start levels that the trajectory is in; they rise.
    pub(super) cycle: usize,
    /// Change of the value over change of the position.
    pub(super) effect: f64,
    /// Size of the change of the position.
    pub(super) step: f64,
}

/// What is known of the difference of two runs that differ by noise alone.
#[derive(Clone, Debug)]
pub(super) enum Differences {
    /// Nothing, or that there is no noise.
    None,
    /// The variance of its normal distribution, twice that of a run.
    Variance(f64),
    /// Differences that were seen, by trajectory; they stand beside the effects of the same one.
    Seen(Vec<(usize, f64)>),
}

/// Effects of one unit, with the noise beside each in its units.
struct Effects {
    cycles: Vec<usize>,
    values: Vec<f64>,
    /// Mean size and mean square of the noise; all 0 where it is not known.
    noise_sizes: Vec<f64>,
    noise_squares: Vec<f64>,
}

impl Differences {
    /// Their variance, if it is known.
    pub(super) fn variance(&self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Variance(variance) => Some(*variance),
            Self::Seen(seen) => {
                let squares = seen.iter().map(|(_, difference)| difference * difference);
                Some(squares.sum::<f64>() / seen.len() as f64)
            }
        }
    }

    /// The same with each difference beside the trajectory before its own: those of a dummy, taken off
    /// its own effects, would leave exactly nothing and no error.
    pub(super) fn shifted(&self) -> Self {
        match self {
            Self::Seen(seen) => {
                let next = seen.iter().cycle().skip(1);
                Self::Seen(seen.iter().zip(next).map(|(at, next)| (at.0, next.1)).collect())
            }
            other => other.clone(),
        }
    }

    /// The size and the square of the noise beside an effect; none if nothing is known of it.
    fn beside(&self, found: &Found) -> Option<(f64, f64)> {
        match self {
            Self::None => None,
            Self::Variance(variance) => {
                let square = variance / found.step.powi(2);
                Some(((square * 2.0 / PI).sqrt(), square))
            }
            Self::Seen(differences) => {
                let (_, seen) = differences.iter().find(|seen| seen.0 == found.trajectory)?;
                let noise = (seen / found.step).abs();
                Some((noise, noise * noise))
            }
        }
    }
}

impl Effects {
    /// The effects that have noise beside them, if there are such; else all, without.
    fn new(found: &[Found], noise: &Differences) -> (Self, bool) {
        let with: Vec<_> = found.iter().filter_map(|it| Some((it, noise.beside(it)?))).collect();
        let is_known = !with.is_empty();
        let with = if is_known { with } else { found.iter().map(|it| (it, (0.0, 0.0))).collect() };
        let effects = Self {
            cycles: with.iter().map(|(it, _)| it.cycle).collect(),
            values: with.iter().map(|(it, _)| it.effect).collect(),
            noise_sizes: with.iter().map(|(_, noise)| noise.0).collect(),
            noise_squares: with.iter().map(|(_, noise)| noise.1).collect(),
        };
        (effects, is_known)
    }

    /// The mean of values beside the effects, by cycles.
    fn mean(&self, values: &[f64], options: &Options, statistic: usize) -> Estimated {
        /// With fewer than the first, trajectories have to do; with fewer than the second, cycles
        /// are too few for the shape of their spread, and both are asked.
        const LEAST_CYCLES: usize = 4;
        const ENOUGH_CYCLES: usize = 10;
        let mut sums: Vec<(usize, f64, f64)> = Vec::new();
        for (&cycle, value) in self.cycles.iter().zip(values) {
            match sums.last_mut().filter(|sum| sum.0 == cycle) {
                Some((_, sum, count)) => {
                    *sum += value;
                    *count += 1.0;
                }
                None => sums.push((cycle, *value, 1.0)),
            }
        }
        let cycles = sums.len();
        if cycles < LEAST_CYCLES {
            return mean_of(values, options, statistic);
        }
        let (sums, counts): (Vec<_>, Vec<_>) = sums.into_iter().map(|it| (it.1, it.2)).unzip();
        let mut mean = ratio_of(&sums, &counts, options, statistic);
        if cycles < ENOUGH_CYCLES {
            let by_trajectory = mean_of(values, options, statistic).interval;
            mean.interval = mean.interval.hull(by_trajectory);
        }
        mean
    }
}

/// Mean, mean size and deviation of the effects of one unit go to the analysis; of a group, the mean
/// size.
pub(super) fn judge(
    analysis: &mut Analysis,
    (name, is_group, place): (&str, bool, usize),
    found: &[Found],
    noise: &Differences,
    options: &Options,
) {
    analysis.effects.extend(found.iter().map(|it| Effect {
        parameter: name.to_owned(),
        trajectory: it.trajectory,
        effect: if is_group { it.effect.abs() } else { it.effect },
    }));
    if found.is_empty() {
        analysis.note(format!("{name} has no effect with both its runs: it is left out"));
        return;
    }
    let (effects, has_noise) = Effects::new(found, noise);
    let statistic = 6 * place;
    let middle = effects.mean(&effects.values, options, statistic);
    let size = match has_noise {
        false => {
            let sizes: Vec<f64> = effects.values.iter().map(|effect| effect.abs()).collect();
            effects.mean(&sizes, options, statistic + 1).at_least_zero()
        }
        true => size_without_noise(&effects, middle, options, statistic + 1),
    };
    if !is_group {
        analysis.push(name, "mu", middle);
    }
    analysis.push(name, "mu_star", size);
    if !is_group && found.len() > 1 {
        let deviation = deviation(&effects, middle, options, statistic + 5);
        analysis.push(name, "sigma", deviation);
    }
}

/// Mean size of effects without their noise.
fn size_without_noise(
    effects: &Effects,
    middle: Estimated,
    options: &Options,
    statistic: usize,
) -> Estimated {
    let found: Vec<f64> = effects.values.iter().map(|effect| effect.abs()).collect();
    let less: Vec<f64> =
        found.iter().zip(&effects.noise_sizes).map(|(size, noise)| size - noise).collect();
    let square = effects.mean(&effects.noise_squares, options, statistic);
    let size = effects.mean(&found, options, statistic + 1);
    let least = effects.mean(&less, options, statistic + 2);

    let low = least.interval.low.max(away_from_zero(middle.interval)).max(0.0);
    // With as little noise as may be, so that it is at most too wide.
    let high = unfolded(size.interval.high, square.interval.low.max(0.0).sqrt());

    let variance = squares(effects, middle.value).sum::<f64>() / effects.values.len() as f64;
    let spread = (variance - square.value).max(0.0);
    let by_noise = folded(middle.value, spread + square.value) - folded(middle.value, spread);
    let at_most = unfolded(size.value, square.value.sqrt());
    let at_least = least.value.max(middle.value.abs()).clamp(0.0, at_most);
    // The size of the mean is no more than the mean size, whatever noise leaves of it.
    let value = (size.value - by_noise).clamp(at_least, at_most).max(middle.value.abs());
    // Noise that is said to be larger than what is seen leaves bounds that contradict each other.
    let interval = Interval { low: low.min(high), high: low.max(high) };
    Estimated { value, interval: interval.hull(Interval { low: value, high: value }) }
}

/// Deviation (n − 1) of effects without their noise.
///
/// The mean square about the mean that was found is less than that about the true mean by the square
/// of their distance, which is at most that to the end of the mean's interval.
fn deviation(
    effects: &Effects,
    middle: Estimated,
    options: &Options,
    statistic: usize,
) -> Estimated {
    let less = squares(effects, middle.value).zip(&effects.noise_squares).map(|(a, b)| a - b);
    let variance = effects.mean(&less.collect::<Vec<_>>(), options, statistic);
    let found: f64 = squares(effects, middle.value).sum();
    let n = effects.values.len() as f64;
    // Of one effect alone there is no deviation, and its interval is unbounded.
    let value = variance.value + found * (1.0 / (n - 1.0).max(1.0) - 1.0 / n);
    let Interval { low, high } = middle.interval;
    let distance = (middle.value - low).max(high - middle.value);
    let root = |square: f64| square.max(0.0).sqrt();
    let value = root(value);
    let interval = Interval {
        low: root(variance.interval.low),
        high: root(variance.interval.high + distance * distance),
    };
    Estimated { value, interval: interval.hull(Interval { low: value, high: value }) }
}

/// Squares of the distances to `middle`.
fn squares(effects: &Effects, middle: f64) -> impl Iterator<Item = f64> {
    effects.values.iter().map(move |effect| (effect - middle).powi(2))
}

/// How far an interval is from 0.
fn away_from_zero(interval: Interval) -> f64 {
    interval.low.max(-interval.high).max(0.0)
}

/// Mean size of a normal variable.
fn folded(mean: f64, variance: f64) -> f64 {
    let deviation = variance.sqrt();
    if deviation == 0.0 {
        return mean.abs();
    }
    let z = mean / deviation;
    deviation * (2.0 / PI).sqrt() * (-0.5 * z * z).exp() + mean * libm::erf(z / SQRT_2)
}

/// The mean of a normal variable of this deviation whose mean size is `size`; 0 if none is so small.
fn unfolded(size: f64, deviation: f64) -> f64 {
    let variance = deviation * deviation;
    if !size.is_finite() || deviation == 0.0 {
        return size;
    }
    if size <= folded(0.0, variance) {
        return 0.0;
    }
    // The size of the mean is at most the mean size. 60 halvings leave less than its rounding.
    let (mut low, mut high) = (0.0, size);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match folded(middle, variance) < size {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.foldnorm(c = mean / deviation, scale = deviation).mean()
    #[test]
    fn folded_means_are_scipys() {
        for (mean, deviation, truth) in
            [(0.0, 1.0, 0.7978845608), (1.0, 2.0, 1.7911862297), (-3.0, 0.5, 3.0000000001)]
        {
            let ours = folded(mean, deviation * deviation);
            assert!((ours - truth).abs() < 1e-9, "{mean} {deviation}: {ours}");
            assert!((unfolded(ours, deviation) - f64::abs(mean)).abs() < 1e-6);
        }
        assert_eq!((unfolded(0.5, 1.0), unfolded(0.5, 0.0)), (0.0, 0.5));
    }

    fn analysed(found: &[Found], noise: &Differences) -> Analysis {
        let mut analysis = Analysis::default();
        judge(&mut analysis, ("x", false, 0), found, noise, &Options::default());
        analysis
    }

    /// Effects of ±2 under noise of deviation 1, in pairs that leave no chance.
    #[test]
    fn bounds_by_hand() {
        let found: Vec<Found> = (0..40)
            .map(|trajectory| {
                let sign = if trajectory % 2 == 0 { 1.0 } else { -1.0 };
                let noise = if trajectory % 4 < 2 { 1.0 } else { -1.0 };
                Found { trajectory, cycle: trajectory / 2, effect: 2.0 * sign + noise, step: 0.5 }
            })
            .collect();
        let seen =
            found.iter().map(|it| (it.trajectory, if it.trajectory % 3 == 0 { 0.5 } else { -0.5 }));
        for noise in [Differences::Seen(seen.collect()), Differences::Variance(0.25)] {
            let analysis = analysed(&found, &noise);
            let size = analysis.find("x", "mu_star");
            // E|d + e| is 2: at most where g is 2, at least 2 less the noise's mean size.
            assert!(
                (0.99..1.21).contains(&size.interval.low)
                    && (1.9..2.5).contains(&size.interval.high),
                "{size:?}"
            );
            assert!((1.2..2.0).contains(&size.value), "{size:?}");
            let deviation = analysis.find("x", "sigma").value;
            // (4 + 1) n / (n − 1) − 1
            assert!((deviation - (5.0_f64 * 40.0 / 39.0 - 1.0).sqrt()).abs() < 1e-9, "{deviation}");
        }
    }

    #[test]
    fn noise_alone_is_no_effect() {
        let found: Vec<Found> = (0..12)
            .map(|trajectory| {
                let effect = (f64::from(trajectory as u32) - 5.5) / 3.0;
                Found { trajectory, cycle: trajectory / 2, effect, step: 0.5 }
            })
            .collect();
        let seen = found.iter().map(|it| (it.trajectory, it.effect * it.step)).collect();
        let analysis = analysed(&found, &Differences::Seen(seen).shifted());
        for index in ["mu_star", "sigma"] {
            let index = analysis.find("x", index);
            assert!(index.interval.low == 0.0 && index.value < 0.35, "{index:?}");
        }
        // No companion in the same trajectories: nothing is known.
        let apart = analysed(&found, &Differences::Seen(vec![(99, 1.0)]));
        assert_eq!(apart, analysed(&found, &Differences::None));
    }
}
