//! The decisions of Ray Tune 2.60's `ASHAScheduler` (`schedulers/async_hyperband.py`).
//!
//! A report is compared at the highest rung that it has reached and where its trial is not recorded
//! yet; rungs that were skipped on the way are caught up with one by one, by later reports. The
//! trial stops if it is strictly worse than the (1 − 1/η) quantile of those recorded before it, and
//! is recorded either way. So the first at a rung always goes on; NaN goes on and is left out of
//! quantiles; a report without the metric changes nothing, even at the maximum.
//!
//! Ray's controller shows a stopped trial's last report to the scheduler once more, which records
//! it at one more rung if the trial has skipped some. That depends on how trials are executed, not
//! on the rule, and is left out here.

use std::collections::BTreeMap;

use rand::RngExt;

use super::super::{
    Context, Decision, Report, Scheduler, SchedulerError, SchedulerOptions, Verdict,
};
use super::rungs::{Rung, quantile};
use crate::random::{Purpose, stream};

pub(super) struct Ray {
    max_t: u64,
    /// 1 − 1/η, after the detour over a percentage that Ray takes.
    quantile: f64,
    /// Rungs of each bracket, highest first.
    brackets: Vec<Vec<Rung>>,
    /// Each trial's bracket.
    bracket_of: BTreeMap<u64, usize>,
}

impl Ray {
    /// # Errors
    /// When there are more brackets than rungs.
    pub(super) fn new(options: &SchedulerOptions) -> Result<Self, SchedulerError> {
        let rungs = count_rungs(options, 0);
        if options.brackets > rungs {
            return Err(SchedulerError::Brackets { brackets: options.brackets, rungs });
        }
        let bracket = |s: u64| {
            let exponents = (0..count_rungs(options, s)).rev().map(|k| k + s);
            let rung = |k| Rung::at(options.grace_period, options.reduction_factor, k);
            exponents.map(rung).collect()
        };
        Ok(Self {
            max_t: options.max_t,
            quantile: (1.0 - 1.0 / options.reduction_factor) * 100.0 / 100.0,
            brackets: (0..options.brackets).map(bracket).collect(),
            bracket_of: BTreeMap::new(),
        })
    }

    /// A bracket for a trial, with probabilities as Ray's: a softmax over the numbers of rungs.
    fn draw_bracket(&self, context: Context, trial: u64) -> usize {
        let most = self.brackets[0].len() as f64;
        let weights = self.brackets.iter().map(|rungs| (rungs.len() as f64 - most).exp());
        let total: f64 = weights.clone().sum();
        let draw: f64 = stream(context.seed, Purpose::Scheduler, trial).random();
        let mut left = draw * total;
        for (bracket, weight) in weights.enumerate() {
            left -= weight;
            if left < 0.0 {
                return bracket;
            }
        }
        self.brackets.len() - 1
    }
}

/// Rungs of bracket `s`. Truncation can lose the highest: with factor 3, ln 243 / ln 3 falls just
/// short of 5, and there are 5 rungs, not 6.
fn count_rungs(options: &SchedulerOptions, s: u64) -> u64 {
    let ratio = options.max_t as f64 / options.grace_period as f64;
    // A cast truncates, and what is negative becomes 0.
    (ratio.ln() / options.reduction_factor.ln() - s as f64 + 1.0) as u64
}

impl Scheduler for Ray {
    fn report(&mut self, context: Context, report: &Report) -> Decision {
        let Some(loss) = report.loss else { return Decision::CONTINUE };
        let spent = Decision::unless_spent(report.step, self.max_t);
        if spent.verdict == Verdict::Finish {
            return spent;
        }
        let bracket = match self.bracket_of.get(&report.trial) {
            Some(bracket) => *bracket,
            None if self.brackets.len() == 1 => 0,
            None => self.draw_bracket(context, report.trial),
        };
        self.bracket_of.insert(report.trial, bracket);
        let step = report.step as f64;
        let open = |rung: &&mut Rung| step >= rung.step && !rung.holds(report.trial);
        let Some(rung) = self.brackets[bracket].iter_mut().find(open) else {
            return Decision::CONTINUE;
        };
        // Ray ranks rewards, the larger the better. Its interpolation is not symmetric in its last
        // bits, so the quantile is taken of rewards here too, from the far end of the losses.
        let ranking = rung.ranking();
        let reward = |index: usize| -ranking[ranking.len() - 1 - index].0;
        let cutoff = quantile(ranking.len(), reward, self.quantile);
        let decision = Decision {
            verdict: match cutoff {
                Some(cutoff) if -loss < cutoff => Verdict::Stop,
                _ => Verdict::Continue,
            },
            rung: Some(rung.step),
            cutoff: cutoff.filter(|cutoff| !cutoff.is_nan()).map(|cutoff| -cutoff),
            competitors: ranking.len(),
        };
        rung.record(report.trial, loss);
        decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::Space;

    fn options(max_t: u64, grace_period: u64, reduction_factor: f64) -> SchedulerOptions {
        SchedulerOptions { max_t, grace_period, reduction_factor, ..SchedulerOptions::default() }
    }

    fn steps(bracket: &[Rung]) -> Vec<f64> {
        bracket.iter().rev().map(|rung| rung.step).collect()
    }

    /// Milestones that Ray 2.60 computes.
    #[test]
    fn rungs_are_truncated_as_ray_does() {
        let rungs = |max_t, grace, factor| {
            steps(&Ray::new(&options(max_t, grace, factor)).unwrap().brackets[0])
        };
        assert_eq!(rungs(243, 1, 3.0), [1.0, 3.0, 9.0, 27.0, 81.0]);
        assert_eq!(rungs(1000, 1, 10.0), [1.0, 10.0, 100.0]);
        assert_eq!(rungs(100, 1, 4.0), [1.0, 4.0, 16.0, 64.0]);
        assert_eq!(rungs(10, 1, 2.5), [1.0, 2.5, 6.25]);
        assert_eq!(rungs(3, 3, 4.0), [3.0]);
    }

    fn run(options: &SchedulerOptions, reports: &[(u64, u64, f64)]) -> Vec<Decision> {
        let space = Space::default();
        let context = Context { space: &space, seed: 0 };
        let mut ray = Ray::new(options).unwrap();
        let mut decide = |&(trial, step, loss): &(u64, u64, f64)| {
            ray.report(context, &Report { trial, step, loss: Some(loss) })
        };
        reports.iter().map(&mut decide).collect()
    }

    #[test]
    fn worse_than_the_quantile_of_those_before_stops() {
        let reports = [(0, 1, 0.5), (1, 1, 0.4), (2, 1, 0.45), (3, 1, 0.41), (4, 1, f64::NAN)];
        let decisions = run(&options(16, 1, 4.0), &reports);
        let verdicts: Vec<_> = decisions.iter().map(|decision| decision.verdict).collect();
        use Verdict::{Continue, Stop};
        assert_eq!(verdicts, [Continue, Continue, Stop, Continue, Continue]);
        assert_eq!(decisions[0].cutoff, None);
        assert_eq!(decisions[1].cutoff, Some(0.5));
        // What NumPy makes of the rewards; of the losses it would make 0.425.
        assert_eq!(decisions[2].cutoff, Some(0.42500000000000004));
        assert_eq!((decisions[3].rung, decisions[3].competitors), (Some(1.0), 3));
    }

    #[test]
    fn as_bad_as_the_quantile_goes_on() {
        let decisions = run(&options(16, 1, 2.0), &[(0, 1, 0.5), (1, 1, 0.5), (2, 1, 0.5)]);
        assert!(decisions.iter().all(|decision| decision.verdict == Verdict::Continue));
        assert_eq!(decisions[2].cutoff, Some(0.5));
    }

    #[test]
    fn skipped_rungs_are_caught_up_with_from_the_top() {
        let decisions =
            run(&options(16, 1, 2.0), &[(0, 5, 1.0), (0, 6, 1.0), (0, 7, 1.0), (0, 7, 1.0)]);
        let rungs: Vec<_> = decisions.iter().map(|decision| decision.rung).collect();
        assert_eq!(rungs, [Some(4.0), Some(2.0), Some(1.0), None]);
    }

    #[test]
    fn a_missing_metric_changes_nothing() {
        let space = Space::default();
        let context = Context { space: &space, seed: 0 };
        let mut ray = Ray::new(&options(16, 1, 2.0)).unwrap();
        let missing = Report { trial: 0, step: 16, loss: None };
        assert_eq!(ray.report(context, &missing), Decision::CONTINUE);
        assert!(ray.brackets[0].iter().all(|rung| !rung.holds(0)));
        let last = Report { loss: Some(f64::NAN), ..missing };
        assert_eq!(ray.report(context, &last).verdict, Verdict::Finish);
    }

    #[test]
    fn brackets_leave_out_first_rungs_and_are_drawn_by_softmax() {
        let options = SchedulerOptions { brackets: 3, ..options(16, 1, 2.0) };
        let ray = Ray::new(&options).unwrap();
        assert_eq!(steps(&ray.brackets[1]), [2.0, 4.0, 8.0, 16.0]);
        assert_eq!(steps(&ray.brackets[2]), [4.0, 8.0, 16.0]);
        let space = Space::default();
        let context = Context { space: &space, seed: 1 };
        let mut counts = [0.0; 3];
        (0..10_000).for_each(|trial| counts[ray.draw_bracket(context, trial)] += 1.0);
        for (count, share) in counts.into_iter().zip([0.6652, 0.2447, 0.0900_f64]) {
            assert!((count / 10_000.0 - share).abs() < 0.02, "{counts:?}");
        }
    }
}
