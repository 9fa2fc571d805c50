//! Population-based training (Jaderberg et al., 2017), synchronous.
//!
//! Trials P·c … P·c + P − 1 are population c. Each pauses at every multiple of the perturbation
//! interval. Once the whole population has started and all of it that lives has paused, the worst
//! quarter takes over checkpoint and values of a random one of the best quarter and changes the
//! values ([`explore()`]); then all go on, lowest step first. What happens depends on losses and trial
//! numbers alone, never on who came first: Ray Tune's `PopulationBasedTraining(synch=True)` has the
//! same quantiles but draws from a running generator.
//!
//! NaN, infinite and missing losses rank last, and such a trial is never a source (Ray leaves it out
//! of both quarters; here it gets a second chance). Where steps differ, only trials paused at the
//! same step are sources, since that is the checkpoint that will be loaded.

mod explore;

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use super::options::below_maximum;
use super::{
    Context, Decision, Exploit, Report, Resumption, Scheduler, SchedulerError, SchedulerOptions,
    Verdict,
};
use crate::random::{Purpose, derived_seed, stream};
use crate::search::space::Configuration;
use explore::explore;

struct Pbt {
    max_t: u64,
    population: u64,
    trials: Option<u64>,
    interval: u64,
    quantile: f64,
    resample_probability: f64,
    /// Hyperparameters that are taken over unchanged.
    fixed: Vec<String>,
    members: BTreeMap<u64, Member>,
    /// Perturbations of each population so far.
    generations: BTreeMap<u64, u64>,
    /// Populations of which another trial has paused or ended.
    moved: BTreeSet<u64>,
    /// Those that may go on, by step and number.
    ready: BTreeMap<(u64, u64), Resumption>,
}

/// A trial.
#[derive(Default)]
struct Member {
    configuration: Configuration,
    step: u64,
    loss: Option<f64>,
    /// Where it pauses next.
    target: u64,
    state: Activity,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Activity {
    #[default]
    Running,
    /// It waits for the others.
    Waiting,
    /// It waits for a worker.
    Ready,
    Ended,
}

pub(super) fn build(options: &SchedulerOptions) -> Result<Box<dyn Scheduler>, SchedulerError> {
    below_maximum("--perturbation-interval", options.perturbation_interval, options.max_t)?;
    Ok(Box::new(Pbt {
        max_t: options.max_t,
        population: options.population,
        trials: options.trials,
        interval: options.perturbation_interval,
        quantile: options.quantile,
        resample_probability: options.resample_probability,
        fixed: options.fixed.clone(),
        members: BTreeMap::new(),
        generations: BTreeMap::new(),
        moved: BTreeSet::new(),
        ready: BTreeMap::new(),
    }))
}

impl Pbt {
    fn member(&mut self, trial: u64) -> &mut Member {
        let target = self.interval;
        self.members.entry(trial).or_insert_with(|| Member { target, ..Member::default() })
    }

    /// Perturbs a population if all of it that lives has paused.
    ///
    /// Only once a trial is asked for: one that fails while it saves its checkpoint has ended by
    /// then, and is nobody's source.
    fn perturb_if_all_wait(&mut self, context: Context, population: u64) {
        let first = population * self.population;
        let end = first.saturating_add(self.population).min(self.trials.unwrap_or(u64::MAX));
        let members = self.members.range(first..end.max(first));
        let (mut started, mut waiting, mut living) = (0, Vec::new(), 0);
        for (number, member) in members {
            started += 1;
            living += u64::from(member.state != Activity::Ended);
            if member.state == Activity::Waiting {
                waiting.push(*number);
            }
        }
        if waiting.is_empty() || started < end - first || (waiting.len() as u64) < living {
            return;
        }
        let generation = self.generations.entry(population).or_default();
        let seed = derived_seed(context.seed, Purpose::Scheduler, population);
        let seed = derived_seed(seed, Purpose::Scheduler, *generation);
        *generation += 1;
        let exploits = self.exploits(context, seed, &waiting);
        for (trial, exploit) in waiting.into_iter().zip(exploits) {
            let Some(member) = self.members.get_mut(&trial) else { continue };
            if let Some(exploit) = &exploit {
                member.configuration = exploit.configuration.clone();
            }
            member.state = Activity::Ready;
            member.target = (member.step / self.interval + 1).saturating_mul(self.interval);
            let resumption = Resumption { trial, exploit, grounds: None };
            self.ready.insert((member.step, trial), resumption);
        }
    }

    /// A trial is no part of its population any more.
    fn leave(&mut self, trial: u64) {
        let member = self.member(trial);
        member.state = Activity::Ended;
        let place = (member.step, trial);
        self.ready.remove(&place);
        self.moved.insert(trial / self.population);
    }

    /// What each of these trials takes over, in their order.
    fn exploits(&self, context: Context, seed: u64, trials: &[u64]) -> Vec<Option<Exploit>> {
        let finite = |trial: &u64| self.members[trial].loss.filter(|loss| loss.is_finite());
        let mut ranking = trials.to_vec();
        ranking.sort_by(|a, b| {
            let [x, y] = [a, b].map(|trial| finite(trial).unwrap_or(f64::INFINITY));
            x.total_cmp(&y).then(a.cmp(b))
        });
        let share = (ranking.len() as f64 * self.quantile).ceil() as usize;
        let share = share.min(ranking.len() / 2);
        let (best, worst) = (&ranking[..share], &ranking[ranking.len() - share..]);
        let take_over = |trial: &u64| {
            let step = self.members[trial].step;
            let fits =
                |source: &&u64| finite(source).is_some() && self.members[*source].step == step;
            let sources: Vec<u64> = best.iter().filter(fits).copied().collect();
            if !worst.contains(trial) || sources.is_empty() {
                return None;
            }
            let mut draws = stream(seed, Purpose::Scheduler, *trial);
            let source = sources[draws.random_range(0..sources.len())];
            let values = &self.members[&source].configuration;
            let (resample, fixed) = (self.resample_probability, &self.fixed);
            let configuration = explore(context.space, values, resample, fixed, &mut draws);
            Some(Exploit { source, configuration })
        };
        trials.iter().map(take_over).collect()
    }
}

impl Scheduler for Pbt {
    fn start(&mut self, _: Context, trial: u64, at: &Configuration) {
        self.member(trial).configuration = at.clone();
    }

    fn report(&mut self, _: Context, report: &Report) -> Decision {
        let max_t = self.max_t;
        let member = self.member(report.trial);
        let pause = Decision { verdict: Verdict::Pause, ..Decision::CONTINUE };
        if report.step >= max_t {
            self.leave(report.trial);
            return Decision { verdict: Verdict::Finish, ..Decision::CONTINUE };
        }
        // It went on although it should not have, as when a worker died at the wrong moment.
        match member.state {
            Activity::Running => {}
            Activity::Waiting | Activity::Ready => return pause,
            Activity::Ended => return Decision { verdict: Verdict::Stop, ..pause },
        }
        member.step = report.step;
        member.loss = report.loss;
        if report.step < member.target {
            return Decision::CONTINUE;
        }
        member.state = Activity::Waiting;
        let rung = Some(member.target as f64);
        self.moved.insert(report.trial / self.population);
        Decision { rung, ..pause }
    }

    fn end(&mut self, _: Context, trial: u64) {
        self.leave(trial);
    }

    fn resume(&mut self, context: Context) -> Option<Resumption> {
        for population in std::mem::take(&mut self.moved) {
            self.perturb_if_all_wait(context, population);
        }
        let ((_, trial), resumption) = self.ready.pop_first()?;
        self.member(trial).state = Activity::Running;
        Some(resumption)
    }

    fn capacity(&self) -> Option<u64> {
        Some(self.population)
    }

    fn depends_on_arrival(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
