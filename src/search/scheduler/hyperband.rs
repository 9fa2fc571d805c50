//! Hyperband (Li et al., JMLR 2018) with the asynchronous brackets of Optuna 5's `HyperbandPruner`.
//!
//! There are ⌊log_η(max/min)⌋ + 1 brackets; bracket b halves as `asha` does in Optuna's mode with
//! early-stopping rate b, among its own trials. Of n brackets, bracket b gets its trials in
//! proportion to ⌈n·η^s / (s + 1)⌉ with s = n − 1 − b. Which trial goes where is drawn from the
//! trial's own stream (Optuna hashes the study's name with the trial's number).

use super::asha::Halving;
use super::{Context, Decision, Report, Scheduler, SchedulerError, SchedulerOptions};
use crate::random::{Purpose, derived_seed};

struct Hyperband {
    max_t: u64,
    brackets: Vec<Halving>,
    /// Share of each bracket, in trials of one round.
    shares: Vec<u64>,
}

pub(super) fn build(options: &SchedulerOptions) -> Result<Box<dyn Scheduler>, SchedulerError> {
    let shares = shares(options);
    let brackets = (0..shares.len() as u64).map(|rate| Halving::new(options, rate)).collect();
    Ok(Box::new(Hyperband { max_t: options.max_t, brackets, shares }))
}

/// Trials of each bracket in one round. The quotient of logarithms is Optuna's: it may fall short of
/// a whole number (243 = 3⁵ gives 5 brackets), and parity is worth more than the sixth.
fn shares(options: &SchedulerOptions) -> Vec<u64> {
    let ratio = options.max_t as f64 / options.grace_period as f64;
    let count = (ratio.ln() / options.reduction_factor.ln()).floor() as u64 + 1;
    let share = |s: u64| {
        let trials = count as f64 * options.reduction_factor.powf(s as f64);
        (trials / (s + 1) as f64).ceil() as u64
    };
    (0..count).rev().map(share).collect()
}

impl Hyperband {
    fn bracket_of(&self, context: Context, trial: u64) -> usize {
        let total: u128 = self.shares.iter().map(|share| u128::from(*share)).sum();
        let mut place = u128::from(derived_seed(context.seed, Purpose::Scheduler, trial)) % total;
        for (bracket, share) in self.shares.iter().enumerate() {
            let share = u128::from(*share);
            if place < share {
                return bracket;
            }
            place -= share;
        }
        self.shares.len() - 1
    }
}

impl Scheduler for Hyperband {
    fn report(&mut self, context: Context, report: &Report) -> Decision {
        let bracket = self.bracket_of(context, report.trial);
        self.brackets[bracket].decide_until(report, self.max_t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::scheduler::Verdict;
    use crate::search::space::Space;

    fn options(max_t: u64, grace_period: u64, reduction_factor: f64) -> SchedulerOptions {
        SchedulerOptions { max_t, grace_period, reduction_factor, ..SchedulerOptions::default() }
    }

    /// Budgets that Optuna's `HyperbandPruner` computes.
    #[test]
    fn brackets_have_the_shares_of_optuna() {
        assert_eq!(shares(&options(100, 1, 3.0)), [81, 34, 15, 8, 5]);
        assert_eq!(shares(&options(243, 1, 3.0)), [81, 34, 15, 8, 5]);
        assert_eq!(shares(&options(16, 4, 2.0)), [4, 3, 3]);
        assert_eq!(shares(&options(5, 5, 2.0)), [1]);
    }

    #[test]
    fn trials_spread_over_brackets_by_their_shares() {
        let space = Space::default();
        let context = Context { space: &space, seed: 3 };
        let options = options(100, 1, 3.0);
        let shares = shares(&options);
        let total: u64 = shares.iter().sum();
        let brackets = shares.iter().map(|_| Halving::new(&options, 0)).collect();
        let hyperband = Hyperband { max_t: 100, brackets, shares: shares.clone() };
        let mut counts = vec![0_u64; shares.len()];
        let n = 20_000;
        (0..n).for_each(|trial| counts[hyperband.bracket_of(context, trial)] += 1);
        for (count, share) in counts.iter().zip(shares) {
            let expected = (n * share) as f64 / total as f64;
            assert!((*count as f64 - expected).abs() < 5.0 * expected.sqrt(), "{counts:?}");
        }
    }

    #[test]
    fn later_brackets_stop_nobody_early() {
        let space = Space::default();
        let context = Context { space: &space, seed: 0 };
        let options = options(9, 1, 3.0);
        let shares = shares(&options);
        let brackets = (0..shares.len() as u64).map(|rate| Halving::new(&options, rate)).collect();
        let mut hyperband = Hyperband { max_t: 9, brackets, shares };
        let mut first_stop = vec![u64::MAX; 3];
        for trial in 0..200 {
            let bracket = hyperband.bracket_of(context, trial);
            for step in 1..=9 {
                let loss = Some(trial as f64);
                let decision = hyperband.report(context, &Report { trial, step, loss });
                if decision.verdict == Verdict::Stop {
                    first_stop[bracket] = first_stop[bracket].min(step);
                    break;
                }
            }
        }
        assert_eq!(first_stop, [1, 3, 9]);
    }
}
