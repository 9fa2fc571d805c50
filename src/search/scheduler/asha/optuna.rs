//! The decisions of Optuna 5's `SuccessiveHalvingPruner`.
//!
//! Rung k lies at grace·η^(rate + k). A trial that has reached its next rung is recorded there and
//! passes if its loss is no worse than that of place ⌊n/η⌋ (at least the first) among the n
//! recorded so far, itself included; then the next rung is looked at, at once if it is reached
//! too. NaN at a rung stops. A report without the metric changes nothing.
//!
//! Optuna knows no maximum: a trial that passes at the maximum finishes, one that does not is
//! stopped.

use std::collections::BTreeMap;

use super::super::{Context, Decision, Report, Scheduler, SchedulerOptions, Verdict};
use super::rungs::Rung;

/// Successive halving among the trials that it is shown.
pub(in crate::search::scheduler) struct Halving {
    first: u64,
    factor: f64,
    rate: u64,
    bootstrap_count: u64,
    rungs: Vec<Rung>,
    /// How many rungs each trial has been recorded at.
    climbed: BTreeMap<u64, usize>,
}

impl Halving {
    /// Successive halving with an early-stopping rate of its own.
    pub(in crate::search::scheduler) fn new(options: &SchedulerOptions, rate: u64) -> Self {
        Self {
            first: options.grace_period,
            factor: options.reduction_factor,
            rate,
            bootstrap_count: options.bootstrap_count,
            rungs: Vec::new(),
            climbed: BTreeMap::new(),
        }
    }

    /// Decides on a report; trials that are not stopped finish at `max_t`.
    pub(in crate::search::scheduler) fn decide_until(
        &mut self,
        report: &Report,
        max_t: u64,
    ) -> Decision {
        let spent = Decision::unless_spent(report.step, max_t);
        let Some(loss) = report.loss else { return spent };
        let decision = self.decide(report.trial, report.step, loss);
        match decision.verdict {
            Verdict::Continue => Decision { verdict: spent.verdict, ..decision },
            _ => decision,
        }
    }

    fn decide(&mut self, trial: u64, step: u64, loss: f64) -> Decision {
        let climbed = self.climbed.entry(trial).or_default();
        let mut decision = Decision::CONTINUE;
        loop {
            if *climbed == self.rungs.len() {
                let exponent = self.rate.saturating_add(*climbed as u64);
                self.rungs.push(Rung::at(self.first, self.factor, exponent));
            }
            let rung = &mut self.rungs[*climbed];
            if (step as f64) < rung.step {
                return decision;
            }
            if loss.is_nan() {
                return Decision {
                    verdict: Verdict::Stop,
                    rung: Some(rung.step),
                    cutoff: None,
                    competitors: 0,
                };
            }
            rung.record(trial, loss);
            *climbed += 1;
            let competitors = rung.ranking().len();
            let places = (competitors as f64 / self.factor).floor() as usize;
            let cutoff = rung.ranking()[places.max(1) - 1].0;
            let passes = competitors as u64 > self.bootstrap_count && loss <= cutoff;
            decision = Decision {
                verdict: if passes { Verdict::Continue } else { Verdict::Stop },
                rung: Some(rung.step),
                cutoff: Some(cutoff),
                competitors,
            };
            if !passes {
                return decision;
            }
        }
    }
}

/// The pruner as a scheduler.
pub(super) struct Optuna {
    halving: Halving,
    max_t: u64,
}

impl Optuna {
    pub(super) fn new(options: &SchedulerOptions) -> Self {
        let halving = Halving::new(options, options.min_early_stopping_rate);
        Self { halving, max_t: options.max_t }
    }
}

impl Scheduler for Optuna {
    fn report(&mut self, _: Context, report: &Report) -> Decision {
        self.halving.decide_until(report, self.max_t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Continue, Finish, Stop};

    fn halving(factor: f64, rate: u64, bootstrap_count: u64) -> Halving {
        let options = SchedulerOptions {
            reduction_factor: factor,
            bootstrap_count,
            ..SchedulerOptions::default()
        };
        Halving::new(&options, rate)
    }

    #[test]
    fn the_best_share_passes_and_ties_pass() {
        let mut halving = halving(2.0, 0, 0);
        let losses = [0.5, 0.6, 0.4, 0.4, 0.45, 0.41, f64::NAN, f64::NEG_INFINITY];
        let decisions: Vec<_> =
            losses.iter().zip(0..).map(|(loss, trial)| halving.decide(trial, 1, *loss)).collect();
        let verdicts: Vec<_> = decisions.iter().map(|decision| decision.verdict).collect();
        assert_eq!(verdicts, [Continue, Stop, Continue, Continue, Stop, Continue, Stop, Continue]);
        assert_eq!((decisions[5].cutoff, decisions[5].competitors), (Some(0.41), 6));
    }

    #[test]
    fn a_report_beyond_several_rungs_is_looked_at_at_each() {
        let mut halving = halving(2.0, 0, 0);
        assert_eq!(halving.decide(0, 4, 1.0).rung, Some(4.0));
        assert_eq!(halving.rungs[2].ranking(), [(1.0, 0)]);
        assert_eq!(halving.decide(1, 4, 2.0).rung, Some(1.0));
        assert!(halving.rungs[1].ranking().len() == 1);
    }

    #[test]
    fn rate_and_bootstrap_move_the_first_stop() {
        let mut late = halving(3.0, 2, 0);
        assert_eq!(late.decide(0, 8, 1.0), Decision::CONTINUE);
        assert_eq!(late.decide(0, 9, 1.0).rung, Some(9.0));
        let mut filling = halving(3.0, 0, 2);
        let verdicts =
            [1.0, 0.9, 0.8].map(|loss| filling.decide((loss * 10.0) as u64, 1, loss).verdict);
        assert_eq!(verdicts, [Stop, Stop, Continue]);
    }

    #[test]
    fn the_maximum_finishes_what_passes() {
        let mut halving = halving(2.0, 0, 0);
        let mut at =
            |trial, loss| halving.decide_until(&Report { trial, step: 4, loss }, 4).verdict;
        assert_eq!(at(0, Some(1.0)), Finish);
        assert_eq!(at(1, Some(2.0)), Stop);
        assert_eq!(at(2, None), Finish);
    }
}
