//! Rungs: steps at which trials are compared, with what has been recorded there.

use std::collections::BTreeSet;

/// One rung.
#[derive(Debug)]
pub(super) struct Rung {
    /// Where it lies, in steps; whole only if the reduction factor is.
    pub(super) step: f64,
    trials: BTreeSet<u64>,
    /// Losses with their trials, best first, ties by number; NaN has no place.
    ranking: Vec<(f64, u64)>,
}

impl Rung {
    pub(super) fn new(step: f64) -> Self {
        Self { step, trials: BTreeSet::new(), ranking: Vec::new() }
    }

    /// Rung `exponent` of those that begin at `first` and lie a factor apart.
    pub(super) fn at(first: u64, factor: f64, exponent: u64) -> Self {
        Self::new(first as f64 * factor.powf(exponent as f64))
    }

    /// Whether the trial has been recorded here.
    pub(super) fn holds(&self, trial: u64) -> bool {
        self.trials.contains(&trial)
    }

    /// Records a trial, once; one whose loss is NaN is recorded but not ranked.
    pub(super) fn record(&mut self, trial: u64, loss: f64) {
        if self.trials.insert(trial) && !loss.is_nan() {
            let place = self.place(trial, loss);
            self.ranking.insert(place, (loss, trial));
        }
    }

    /// How many are ranked before this trial, were its loss this.
    pub(super) fn place(&self, trial: u64, loss: f64) -> usize {
        self.ranking.partition_point(|(known, number)| {
            known.total_cmp(&loss).then(number.cmp(&trial)).is_lt()
        })
    }

    /// Losses with their trials, best first.
    pub(super) fn ranking(&self) -> &[(f64, u64)] {
        &self.ranking
    }
}

/// The quantile `q` of `count` values, `value(i)` being the i-th smallest, bit for bit as NumPy 2's
/// `percentile` interpolates by default: position (count − 1)·q, and between two values a and b the
/// form that is exact at the nearer end. Infinite neighbours make it NaN as they do there.
pub(in crate::search::scheduler) fn quantile(
    count: usize,
    value: impl Fn(usize) -> f64,
    q: f64,
) -> Option<f64> {
    let last = count.checked_sub(1)?;
    let position = last as f64 * q;
    let (a, b, t) = if position >= last as f64 {
        (value(last), value(last), 1.0)
    } else {
        let below = position.floor();
        (value(below as usize), value(below as usize + 1), position - below)
    };
    let difference = b - a;
    Some(if t >= 0.5 { b - difference * (1.0 - t) } else { a + difference * t })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], q: f64) -> f64 {
        quantile(values.len(), |index| values[index], q).unwrap()
    }

    /// What `numpy.nanpercentile(values, 100 * q)` of NumPy 2.4 gives.
    #[test]
    fn quantiles_are_those_of_numpy() {
        assert_eq!(quantile(0, |_| 0.0, 0.5), None);
        assert_eq!(of(&[3.0], 0.75), 3.0);
        assert_eq!(of(&[0.1, 0.2, 0.7], 0.75), 0.44999999999999996);
        assert_eq!(of(&[0.1, 0.3], 1.0 - 1.0 / 3.0), 0.23333333333333334);
        assert_eq!(of(&[0.1, 0.2, 0.4, 0.8], 0.5), 0.30000000000000004);
        assert!(of(&[f64::INFINITY], 0.5).is_nan());
        assert!(of(&[1.0, 2.0, f64::INFINITY], 0.5).is_nan());
        assert_eq!(of(&[f64::NEG_INFINITY, 5.0], 0.5), f64::NEG_INFINITY);
        assert!(of(&[f64::NEG_INFINITY, 5.0], 0.25).is_nan());
    }

    #[test]
    fn a_rung_ranks_each_trial_once_and_nan_never() {
        let mut rung = Rung::new(1.0);
        for (trial, loss) in [(4, 2.0), (1, f64::NAN), (2, 2.0), (3, f64::NEG_INFINITY), (4, 0.0)] {
            rung.record(trial, loss);
        }
        assert_eq!(rung.ranking(), [(f64::NEG_INFINITY, 3), (2.0, 2), (2.0, 4)]);
        assert!(rung.holds(1));
        assert_eq!(rung.place(9, 2.0), 3);
    }
}
