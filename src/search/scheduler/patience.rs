//! Stops a trial that has stopped improving; looks at no other trial.
//!
//! A trial is stopped at the first report that comes `patience` steps or more after its best one,
//! but not before the grace period. Only a strictly smaller loss is an improvement; NaN never is, so
//! a trial that reports nothing but NaN is stopped after `patience` steps.

use std::collections::BTreeMap;

use super::{Context, Decision, Report, Scheduler, SchedulerError, SchedulerOptions, Verdict};

struct Patience {
    max_t: u64,
    grace_period: u64,
    patience: u64,
    /// Best loss of each trial and the step where it was first reached; at first none, at step 0.
    best: BTreeMap<u64, (Option<f64>, u64)>,
}

pub(super) fn build(options: &SchedulerOptions) -> Result<Box<dyn Scheduler>, SchedulerError> {
    let &SchedulerOptions { max_t, grace_period, patience, .. } = options;
    Ok(Box::new(Patience { max_t, grace_period, patience, best: BTreeMap::new() }))
}

impl Scheduler for Patience {
    fn report(&mut self, _: Context, report: &Report) -> Decision {
        let otherwise = Decision::unless_spent(report.step, self.max_t);
        let Some(loss) = report.loss else { return otherwise };
        let (best, since) = self.best.entry(report.trial).or_default();
        if best.map_or(!loss.is_nan(), |best| loss < best) {
            (*best, *since) = (Some(loss), report.step);
            return otherwise;
        }
        let waited = report.step.saturating_sub(*since);
        if otherwise.verdict == Verdict::Finish
            || report.step < self.grace_period
            || waited < self.patience
        {
            return otherwise;
        }
        Decision { verdict: Verdict::Stop, cutoff: *best, ..Decision::CONTINUE }
    }

    fn end(&mut self, _: Context, trial: u64) {
        self.best.remove(&trial);
    }

    fn depends_on_arrival(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::scheduler::suite::verdicts;

    #[test]
    fn stops_when_the_best_is_too_long_ago() {
        use Verdict::{Continue, Finish, Stop};
        let options = SchedulerOptions { max_t: 6, patience: 2, ..SchedulerOptions::default() };
        let run = |losses: &[f64]| verdicts("patience", &options, losses);
        assert_eq!(
            run(&[3.0, 2.0, 2.0, 1.0, 1.5, 1.0]),
            [Continue, Continue, Continue, Continue, Continue, Finish]
        );
        assert_eq!(run(&[3.0, 2.0, 2.0, 2.0]), [Continue, Continue, Continue, Stop]);
        assert_eq!(run(&[3.0, f64::NAN, f64::NAN]), [Continue, Continue, Stop]);
        assert_eq!(run(&[f64::NAN, f64::NAN]), [Continue, Stop]);
        let patient = SchedulerOptions { grace_period: 5, ..options.clone() };
        let late = verdicts("patience", &patient, &[1.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(late, [Continue, Continue, Continue, Continue, Stop]);
    }
}
