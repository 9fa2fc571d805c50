//! ASHA as the paper has it (Li et al., MLSys 2020, Algorithm 2): trials pause at a rung and are
//! promoted once they are among its best ⌊n/η⌋.
//!
//! Rungs lie at grace·η^k below the maximum. A trial that reaches its next rung is recorded and goes
//! on at once if it is among the best ⌊n/η⌋ at that moment (the paper would put it down and take it
//! up again, since it was the best choice when the worker came back); else it pauses with a
//! checkpoint. A free worker gets the best paused trial of the highest rung that has one among its
//! best ⌊n/η⌋, and a new trial if no rung has. A trial at the maximum finishes.
//!
//! NaN at a rung stops a trial; it counts among the n, in the last place. A report without the
//! metric is not compared: the next one is. Ties go to the smaller number.

use std::collections::BTreeMap;

use super::super::{Context, Decision, Report, Resumption, Scheduler, SchedulerOptions, Verdict};
use super::rungs::Rung;

pub(super) struct Promotion {
    max_t: u64,
    factor: f64,
    /// Lowest first.
    rungs: Vec<Rung>,
    trials: BTreeMap<u64, Climb>,
}

/// Where a trial stands.
#[derive(Default)]
struct Climb {
    /// The rung that it has to reach next.
    next: usize,
    /// It waits at the rung before.
    paused: bool,
}

impl Promotion {
    pub(super) fn new(options: &SchedulerOptions) -> Self {
        let &SchedulerOptions { grace_period, reduction_factor: factor, max_t, .. } = options;
        let rungs = (0..).map(|exponent| Rung::at(grace_period, factor, exponent));
        Self {
            max_t,
            factor,
            rungs: rungs.take_while(|rung| rung.step < max_t as f64).collect(),
            trials: BTreeMap::new(),
        }
    }
}

/// How many of a rung may go on.
fn places(rung: &Rung, factor: f64) -> usize {
    (rung.ranking().len() as f64 / factor).floor() as usize
}

/// A decision at a rung: who is in the last place that may go on sets the cutoff.
fn decision(rung: &Rung, factor: f64, verdict: Verdict) -> Decision {
    let last = places(rung, factor).checked_sub(1);
    Decision {
        verdict,
        rung: Some(rung.step),
        cutoff: last.map(|place| rung.ranking()[place].0),
        competitors: rung.ranking().len(),
    }
}

impl Scheduler for Promotion {
    fn report(&mut self, _: Context, report: &Report) -> Decision {
        let climb = self.trials.entry(report.trial).or_default();
        if report.step >= self.max_t {
            climb.paused = false;
            return Decision { verdict: Verdict::Finish, ..Decision::CONTINUE };
        }
        // It went on although it should not have, as when a worker died at the wrong moment.
        if climb.paused {
            return Decision { verdict: Verdict::Pause, ..Decision::CONTINUE };
        }
        let Some(loss) = report.loss else { return Decision::CONTINUE };
        let mut last = Decision::CONTINUE;
        while let Some(rung) = self.rungs.get_mut(climb.next) {
            if (report.step as f64) < rung.step {
                break;
            }
            climb.next += 1;
            if loss.is_nan() {
                rung.record(report.trial, f64::INFINITY);
                return decision(rung, self.factor, Verdict::Stop);
            }
            rung.record(report.trial, loss);
            if rung.place(report.trial, loss) >= places(rung, self.factor) {
                climb.paused = true;
                return decision(rung, self.factor, Verdict::Pause);
            }
            last = decision(rung, self.factor, Verdict::Continue);
        }
        last
    }

    fn end(&mut self, _: Context, trial: u64) {
        if let Some(climb) = self.trials.get_mut(&trial) {
            climb.paused = false;
        }
    }

    fn resume(&mut self, _: Context) -> Option<Resumption> {
        for (index, rung) in self.rungs.iter().enumerate().rev() {
            for &(_, trial) in &rung.ranking()[..places(rung, self.factor)] {
                let Some(climb) = self.trials.get_mut(&trial) else { continue };
                if climb.paused && climb.next == index + 1 {
                    climb.paused = false;
                    let grounds = Some(decision(rung, self.factor, Verdict::Continue));
                    return Some(Resumption { trial, exploit: None, grounds });
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::Space;
    use Verdict::{Continue, Finish, Pause, Stop};

    struct Bench {
        space: Space,
        asha: Promotion,
    }

    impl Bench {
        fn new(max_t: u64, factor: f64) -> Self {
            let options =
                SchedulerOptions { max_t, reduction_factor: factor, ..SchedulerOptions::default() };
            Self { space: Space::default(), asha: Promotion::new(&options) }
        }

        fn report(&mut self, trial: u64, step: u64, loss: f64) -> Verdict {
            let context = Context { space: &self.space, seed: 0 };
            self.asha.report(context, &Report { trial, step, loss: Some(loss) }).verdict
        }

        fn resume(&mut self) -> Option<u64> {
            let context = Context { space: &self.space, seed: 0 };
            self.asha.resume(context).map(|resumption| resumption.trial)
        }

        fn end(&mut self, trial: u64) {
            self.asha.end(Context { space: &self.space, seed: 0 }, trial);
        }
    }

    #[test]
    fn the_best_of_a_rung_are_promoted_highest_rung_first() {
        let mut bench = Bench::new(9, 3.0);
        let steps: Vec<_> = bench.asha.rungs.iter().map(|rung| rung.step).collect();
        assert_eq!(steps, [1.0, 3.0]);
        assert_eq!(bench.report(0, 1, 0.5), Pause, "one of three may go on, and there is one");
        assert_eq!(bench.report(1, 1, 0.6), Pause);
        assert_eq!(bench.resume(), None);
        assert_eq!(bench.report(2, 1, 0.7), Pause);
        assert_eq!(bench.resume(), Some(0));
        assert_eq!(bench.resume(), None, "once");
        assert_eq!(bench.report(0, 2, 0.5), Continue);
        assert_eq!(bench.report(0, 3, 0.5), Pause);
        assert_eq!(bench.report(3, 1, 0.1), Continue, "already the best of four");
        assert_eq!(bench.report(3, 3, 0.1), Pause);
        assert_eq!(bench.report(4, 1, f64::NAN), Stop);
        assert_eq!(bench.report(5, 1, 0.9), Pause);
        // Six at the first rung: two may go on, and both have.
        assert_eq!(bench.resume(), None);
        assert_eq!(bench.report(6, 1, 0.2), Continue);
        assert_eq!(bench.report(6, 3, 0.2), Pause);
        assert_eq!(bench.resume(), Some(3), "of the second rung, before any of the first");
        assert_eq!(bench.report(3, 9, 0.05), Finish);
    }

    #[test]
    fn what_has_ended_is_not_promoted() {
        let mut bench = Bench::new(4, 2.0);
        assert_eq!(bench.report(0, 1, 0.1), Pause);
        bench.end(0);
        assert_eq!(bench.report(1, 1, 0.2), Pause);
        assert_eq!(bench.resume(), None);
    }

    #[test]
    fn a_trial_that_went_on_by_mistake_pauses_again() {
        let mut bench = Bench::new(8, 2.0);
        assert_eq!(bench.report(0, 1, 0.1), Pause);
        assert_eq!(bench.report(0, 2, 0.1), Pause);
        assert_eq!(bench.report(1, 1, 0.2), Pause);
        assert_eq!(bench.resume(), Some(0));
        assert_eq!(bench.report(0, 3, 0.1), Pause, "recorded at the second rung now");
        assert_eq!(bench.asha.rungs[1].ranking(), [(0.1, 0)]);
    }
}
