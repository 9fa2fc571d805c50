//! A hyperparameter as one axis of a Parzen estimator.
//!
//! Ordered values lie on [0, 1], in the logarithm where the distribution is logarithmic; a value
//! of a stepped distribution stands for its cell, half a step to both sides, so that the axis is
//! covered by cells of all values.

use crate::search::space::Distribution;

/// Cells narrower than this share of the narrowest kernel's width count by the density in their
/// middle: the mass differs from that by less than 0.3 % where kernels weigh anything.
const FINE_CELL: f64 = 0.25;
/// The narrowest kernel is this share of the prior's width.
pub(super) const NARROWEST: f64 = 0.01;

/// How values map to the estimator.
#[derive(Clone, Debug)]
pub(super) enum Axis {
    /// Values with an order.
    Ordered(Scale),
    /// So many choices.
    Choices(usize),
}

/// The scale of an ordered axis.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    distribution: Distribution,
    log: bool,
    /// Ends of the axis, in the logarithm if `log`.
    from: f64,
    to: f64,
    /// Lowest value and step, if the distribution has one.
    step: Option<(f64, f64)>,
    /// So many of the lowest levels have cells too wide for their density to stand for them.
    pub(super) coarse: usize,
    /// Mean and width of the prior kernel.
    pub(super) prior: (f64, f64),
    /// Width of the widest kernel of an observation.
    pub(super) widest: f64,
}

impl Axis {
    /// The axis of a distribution; none where there is only one value.
    pub(super) fn new(distribution: &Distribution) -> Option<Self> {
        if distribution.levels() == Some(1) {
            return None;
        }
        let levels = distribution.levels().unwrap_or(0) as f64;
        let (mut prior, mut widest) = ((0.5, 1.0), 1.0);
        let (from, to, log, step) = match *distribution {
            Distribution::Categorical { ref choices } => return Some(Self::Choices(choices.len())),
            Distribution::Float { low, high, log: true, .. } => (low.ln(), high.ln(), true, None),
            Distribution::Float { low, high, step: None, .. } => (low, high, false, None),
            Distribution::Float { low, step: Some(step), .. } => {
                (low - step / 2.0, low + (levels - 0.5) * step, false, Some((low, step)))
            }
            Distribution::Int { low, high, log: true, .. } => {
                let (low, high) = (low as f64, high as f64);
                ((low - 0.5).ln(), (high + 0.5).ln(), true, Some((low, 1.0)))
            }
            Distribution::Int { low, step, .. } => {
                let (low, step) = (low as f64, step.max(1) as f64);
                (low - step / 2.0, low + (levels - 0.5) * step, false, Some((low, step)))
            }
            Distribution::Normal { mean, sd } => {
                // The prior is the distribution itself. Kernels go by its middle four standard
                // deviations: by all ten they would be too wide for where the values are.
                let reach = Distribution::NORMAL_CUT * sd;
                prior.1 = 0.5 / Distribution::NORMAL_CUT;
                widest = 4.0 * prior.1;
                (mean - reach, mean + reach, false, None)
            }
        };
        let distribution = distribution.clone();
        let mut scale = Scale { distribution, log, from, to, step, coarse: 0, prior, widest };
        if step.is_some() {
            // Cells never widen from level to level.
            let is_coarse = |level: &usize| {
                let (low, high) = scale.cell(*level);
                high - low > FINE_CELL * NARROWEST * widest
            };
            scale.coarse = (0..levels as usize).take_while(is_coarse).count();
        }
        // A standard deviation of zero, or ends that are one number to the computer.
        (from < to).then_some(Self::Ordered(scale))
    }

    /// Where an observed value lies: its place on the scale, or the number of the choice. `None`
    /// where it does not belong to the distribution.
    pub(super) fn coordinate(&self, value: f64) -> Option<f64> {
        match self {
            Self::Choices(count) => {
                let known = value.fract() == 0.0 && (0.0..*count as f64).contains(&value);
                known.then_some(value)
            }
            Self::Ordered(scale) => {
                scale.distribution.contains(value).then(|| scale.coordinate(value))
            }
        }
    }
}

impl Scale {
    /// Where a value lies on the axis.
    pub(super) fn coordinate(&self, value: f64) -> f64 {
        let value = if self.log { value.ln() } else { value };
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// The value nearest to a place on the axis.
    pub(super) fn value(&self, coordinate: f64) -> f64 {
        let value = self.from + coordinate * (self.to - self.from);
        let value = if self.log { value.exp() } else { value };
        match self.distribution {
            Distribution::Float { low, high, .. } if self.step.is_none() => value.clamp(low, high),
            _ => match self.step {
                None => value.clamp(self.from, self.to),
                Some((low, step)) => {
                    let last = self.distribution.levels().unwrap_or(1) as f64 - 1.0;
                    low + ((value - low) / step).round().clamp(0.0, last) * step
                }
            },
        }
    }

    /// The level of a value whose cell is too wide for its density to stand for it.
    pub(super) fn coarse_level(&self, value: f64) -> Option<usize> {
        let (low, step) = self.step?;
        let level = ((value - low) / step).round() as usize;
        (level < self.coarse).then_some(level)
    }

    /// The ends of a level's cell on the axis.
    pub(super) fn cell(&self, level: usize) -> (f64, f64) {
        let (low, step) = self.step.unwrap_or((self.from, self.to - self.from));
        let edge = |level: f64| self.coordinate(low + level * step);
        (edge(level as f64 - 0.5), edge(level as f64 + 0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(distribution: &Distribution) -> Scale {
        match Axis::new(distribution) {
            Some(Axis::Ordered(scale)) => scale,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_come_back_and_every_place_has_a_value_of_the_distribution() {
        let float = |low, high, log, step| Distribution::Float { low, high, log, step };
        let int = |low, high, log, step| Distribution::Int { low, high, log, step };
        for distribution in [
            float(-1.0, 3.0, false, None),
            float(1e-5, 0.1, true, None),
            float(0.1, 0.9, false, Some(0.1)),
            float(0.0, 1.0, false, Some(0.3)),
            int(-2, 7, false, 3),
            int(1, 1000, true, 1),
            int(0, 1_000_000_000, false, 1),
            Distribution::Normal { mean: 2.0, sd: 0.5 },
        ] {
            let scale = scale(&distribution);
            for i in 0..=1000 {
                let value = scale.value(f64::from(i) / 1000.0);
                assert!(distribution.contains(value), "{distribution:?} {value}");
                let back = scale.value(scale.coordinate(value));
                assert!((back - value).abs() <= 1e-12 * value.abs(), "{distribution:?} {value}");
            }
        }
    }

    #[test]
    fn cells_cover_the_axis() {
        let int = |low, high, log, step| Distribution::Int { low, high, log, step };
        for distribution in [int(1, 30, true, 1), int(-3, 90, false, 3)] {
            let scale = scale(&distribution);
            let levels = distribution.levels().expect("has levels") as usize;
            assert_eq!(scale.coarse, levels);
            assert_eq!((scale.cell(0).0, scale.cell(levels - 1).1), (0.0, 1.0));
            for level in 1..levels {
                assert_eq!(scale.cell(level - 1).1, scale.cell(level).0);
            }
        }
        let wide = scale(&int(1, 100_000, true, 1));
        assert!(wide.coarse > 20 && wide.coarse < 100, "{}", wide.coarse);
        assert_eq!(wide.coarse_level(3.0), Some(2));
        assert_eq!(wide.coarse_level(50_000.0), None);
        assert_eq!(scale(&int(0, 1_000_000_000, false, 1)).coarse, 0);
    }
}
