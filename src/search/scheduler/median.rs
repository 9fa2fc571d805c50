//! The median rule, with the semantics of Optuna 5's `MedianPruner`.
//!
//! A trial is stopped when its best loss so far is worse than the median of what the complete trials
//! had reported **at the same step**. Nothing happens before `startup_trials` trials are complete,
//! within the first `warm_up` steps, or at a step that no complete trial has reported. A trial
//! whose every report is NaN is stopped. (Ray's `MedianStoppingRule` compares with the running means
//! of all trials instead, stopped ones included; Golovin et al., "Google Vizier", KDD 2017.)
//!
//! Complete is a trial that ended without being stopped here and whose last loss was finite. A trial
//! that reaches the maximum finishes, however it compares.

use std::collections::{BTreeMap, BTreeSet};

use super::asha::quantile;
use super::{Context, Decision, Report, Scheduler, SchedulerError, SchedulerOptions, Verdict};

struct Median {
    max_t: u64,
    startup_trials: u64,
    warm_up: u64,
    /// Losses of trials that have not ended, by step.
    running: BTreeMap<u64, BTreeMap<u64, f64>>,
    stopped: BTreeSet<u64>,
    complete: u64,
    /// Losses of complete trials by step, ascending, without NaN.
    reference: BTreeMap<u64, Vec<f64>>,
}

pub(super) fn build(options: &SchedulerOptions) -> Result<Box<dyn Scheduler>, SchedulerError> {
    Ok(Box::new(Median {
        max_t: options.max_t,
        startup_trials: options.startup_trials.max(1),
        warm_up: options.warm_up,
        running: BTreeMap::new(),
        stopped: BTreeSet::new(),
        complete: 0,
        reference: BTreeMap::new(),
    }))
}

impl Scheduler for Median {
    fn report(&mut self, _: Context, report: &Report) -> Decision {
        let otherwise = Decision::unless_spent(report.step, self.max_t);
        let Some(loss) = report.loss else { return otherwise };
        let losses = self.running.entry(report.trial).or_default();
        losses.insert(report.step, loss);
        if otherwise.verdict == Verdict::Finish
            || self.complete < self.startup_trials
            || report.step < self.warm_up
        {
            return otherwise;
        }
        let best = losses.values().copied().reduce(f64::min).unwrap_or(f64::NAN);
        let reference = self.reference.get(&report.step).map_or(&[][..], Vec::as_slice);
        let median = quantile(reference.len(), |index| reference[index], 0.5);
        let cutoff = median.filter(|median| !median.is_nan());
        let worse = best.is_nan() || cutoff.is_some_and(|median| best > median);
        if worse {
            self.stopped.insert(report.trial);
        }
        Decision {
            verdict: if worse { Verdict::Stop } else { Verdict::Continue },
            rung: cutoff.map(|_| report.step as f64),
            cutoff,
            competitors: reference.len(),
        }
    }

    fn end(&mut self, _: Context, trial: u64) {
        let Some(losses) = self.running.remove(&trial) else { return };
        let converged = losses.values().next_back().is_some_and(|loss| loss.is_finite());
        if self.stopped.contains(&trial) || !converged {
            return;
        }
        self.complete += 1;
        for (step, loss) in losses.into_iter().filter(|(_, loss)| !loss.is_nan()) {
            let reference = self.reference.entry(step).or_default();
            let at = reference.partition_point(|known| known.total_cmp(&loss).is_lt());
            reference.insert(at, loss);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::scheduler::scheduler;
    use crate::search::space::Space;

    #[test]
    fn compares_the_best_so_far_with_the_median_at_the_same_step() {
        let space = Space::default();
        let context = Context { space: &space, seed: 0 };
        let options =
            SchedulerOptions { startup_trials: 3, warm_up: 2, ..SchedulerOptions::default() };
        let mut median = scheduler("median", &options).unwrap();
        let mut report =
            |trial, step, loss| median.report(context, &Report { trial, step, loss: Some(loss) });
        for (trial, level) in [(0, 1.0), (1, 2.0), (2, 9.0)] {
            for step in 1..=3 {
                let decision = report(trial, step, level / step as f64);
                assert_eq!(decision, Decision::CONTINUE, "nothing is complete yet");
            }
        }
        (0..3).for_each(|trial| median.end(context, trial));
        let mut report =
            |trial, step, loss| median.report(context, &Report { trial, step, loss: Some(loss) });
        assert_eq!(report(3, 1, 50.0), Decision::CONTINUE, "warm-up");
        let stop = report(3, 2, 1.5);
        assert_eq!((stop.verdict, stop.cutoff, stop.competitors), (Verdict::Stop, Some(1.0), 3));
        assert_eq!(report(4, 2, 1.0).verdict, Verdict::Continue, "as good as the median");
        // Its best counts, not its last.
        assert_eq!(report(4, 3, 5.0).verdict, Verdict::Stop);
        assert_eq!(report(5, 1, 0.5).verdict, Verdict::Continue);
        assert_eq!(report(5, 3, 5.0).verdict, Verdict::Continue);
        assert_eq!(report(5, 4, 5.0).verdict, Verdict::Continue, "a step nobody has reported");
        assert_eq!(report(6, 3, f64::NAN).verdict, Verdict::Stop);
        assert_eq!(report(6, 100, 50.0).verdict, Verdict::Finish);
    }

    #[test]
    fn stopped_and_diverged_trials_are_no_measure() {
        let space = Space::default();
        let context = Context { space: &space, seed: 0 };
        let options = SchedulerOptions { startup_trials: 1, ..SchedulerOptions::default() };
        let mut median = scheduler("median", &options).unwrap();
        for (trial, loss) in [(0, 1.0), (1, 5.0), (2, 0.5), (3, f64::INFINITY)] {
            let stops =
                median.report(context, &Report { trial, step: 1, loss: Some(loss) }).verdict;
            assert_eq!(stops == Verdict::Stop, loss > 1.0);
            median.end(context, trial);
        }
        let decision = median.report(context, &Report { trial: 4, step: 1, loss: Some(1.0) });
        assert_eq!((decision.cutoff, decision.competitors), (Some(0.75), 2));
    }
}
