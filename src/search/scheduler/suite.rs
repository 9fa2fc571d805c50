//! What every scheduler promises, tested over all of [`SCHEDULERS`].

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::random::{Purpose, stream};
use crate::search::space::{Configuration, Distribution, Parameter};

/// The verdicts on one trial that reports these losses at steps 1, 2, …
pub(super) fn verdicts(name: &str, options: &SchedulerOptions, losses: &[f64]) -> Vec<Verdict> {
    let space = Space::default();
    let context = Context { space: &space, seed: 0 };
    let mut scheduler = scheduler(name, options).unwrap();
    scheduler.start(context, 0, &Configuration::default());
    let steps = losses.iter().zip(1..);
    let mut report = |(loss, step): (&f64, u64)| {
        scheduler.report(context, &Report { trial: 0, step, loss: Some(*loss) }).verdict
    };
    steps.map(&mut report).collect()
}

/// All schedulers in all their modes.
fn variants(base: &SchedulerOptions) -> Vec<(&'static str, SchedulerOptions)> {
    let mut variants: Vec<_> = SCHEDULERS.iter().map(|(name, _)| (*name, base.clone())).collect();
    for mode in [AshaMode::Optuna, AshaMode::Promotion] {
        variants.push(("asha", SchedulerOptions { mode, ..base.clone() }));
    }
    variants.push(("asha", SchedulerOptions { brackets: 2, ..base.clone() }));
    variants
}

/// A call and, written out, what came back (NaN is not equal to itself; its text is).
#[derive(Clone, Debug)]
enum Call {
    Start(u64),
    Report(Report, String),
    End(u64),
    Resume(String),
}

impl Call {
    /// What came back.
    fn answer(&self) -> &str {
        match self {
            Call::Start(_) | Call::End(_) => "",
            Call::Report(_, answer) | Call::Resume(answer) => answer,
        }
    }
}

/// Whether a fresh scheduler that hears these calls gives the same answers.
fn check_again(name: &str, options: &SchedulerOptions, seed: u64, calls: &[Call]) {
    let mut again = Simulation::new(name, options, seed);
    for call in calls {
        match call {
            Call::Start(trial) => again.start(*trial),
            Call::End(trial) => again.end(*trial),
            Call::Report(report, _) => drop(again.report(*report)),
            Call::Resume(_) => drop(again.resume()),
        }
        let answer = again.calls.last().map(Call::answer);
        assert_eq!(answer, Some(call.answer()), "{name}: {call:?}");
    }
}

/// A simulated study on a scheduler.
struct Simulation {
    scheduler: Box<dyn Scheduler>,
    space: Space,
    seed: u64,
    calls: Vec<Call>,
}

/// How rough the simulated trials are.
#[derive(Clone, Copy, Debug)]
struct Roughness {
    /// Largest step between two reports.
    gap: u64,
    /// Probability of NaN, of an infinity, of a missing metric, and of a trial that fails.
    odd: f64,
}

impl Simulation {
    fn new(name: &str, options: &SchedulerOptions, seed: u64) -> Self {
        let distribution = Distribution::Float { low: 0.1, high: 1.0, log: true, step: None };
        let rate =
            Parameter { name: "rate".into(), distribution, conditions: Vec::new(), default: None };
        let space = Space { parameters: vec![rate], ..Space::default() };
        let scheduler = scheduler(name, options).unwrap();
        Self { scheduler, space, seed, calls: Vec::new() }
    }

    fn start(&mut self, trial: u64) {
        let context = Context { space: &self.space, seed: self.seed };
        self.scheduler.start(context, trial, &self.space.configure(|_, _| 0.5));
        self.calls.push(Call::Start(trial));
    }

    fn report(&mut self, report: Report) -> Decision {
        let context = Context { space: &self.space, seed: self.seed };
        let decision = self.scheduler.report(context, &report);
        self.calls.push(Call::Report(report, format!("{decision:?}")));
        decision
    }

    fn end(&mut self, trial: u64) {
        let context = Context { space: &self.space, seed: self.seed };
        self.scheduler.end(context, trial);
        self.calls.push(Call::End(trial));
    }

    fn resume(&mut self) -> Option<Resumption> {
        let context = Context { space: &self.space, seed: self.seed };
        let resumption = self.scheduler.resume(context);
        self.calls.push(Call::Resume(format!("{resumption:?}")));
        resumption
    }

    /// Runs `trials` trials, `workers` at a time, in an order drawn from the seed, and checks on
    /// the way what a study relies on. Returns the trials that are still paused.
    fn run(
        &mut self,
        options: &SchedulerOptions,
        trials: u64,
        workers: usize,
        rough: Roughness,
    ) -> BTreeSet<u64> {
        let mut draws = stream(self.seed, Purpose::Noise, 0);
        let mut steps: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut running, mut paused) = (Vec::new(), BTreeSet::new());
        let mut checkpoints = BTreeSet::new();
        loop {
            while running.len() < workers {
                if let Some(resumption) = self.resume() {
                    let trial = resumption.trial;
                    assert!(paused.remove(&trial), "trial {trial} was resumed but not paused");
                    if let Some(exploit) = resumption.exploit {
                        assert_ne!(exploit.source, trial);
                        assert!(checkpoints.contains(&(exploit.source, steps[&trial])));
                        assert!(self.space.contains(&exploit.configuration));
                    }
                    running.push(trial);
                    continue;
                }
                let live = (running.len() + paused.len()) as u64;
                let full = self.scheduler.capacity().is_some_and(|capacity| live >= capacity);
                if full || steps.len() as u64 >= trials {
                    break;
                }
                let trial = steps.len() as u64;
                self.start(trial);
                steps.insert(trial, 0);
                running.push(trial);
            }
            if running.is_empty() {
                assert_eq!(steps.len() as u64, trials, "nothing runs, and new trials are waiting");
                return paused;
            }
            let index = draws.random_range(0..running.len());
            let trial = running[index];
            let step = steps[&trial] + draws.random_range(1..=rough.gap);
            steps.insert(trial, step);
            let odd = draws.random::<f64>();
            let loss = match odd / rough.odd {
                kind if kind < 0.25 => Some(f64::NAN),
                kind if kind < 0.4 => Some(f64::INFINITY),
                kind if kind < 0.5 => Some(f64::NEG_INFINITY),
                kind if kind < 0.75 => None,
                // Ties are common.
                _ => Some(f64::from(draws.random_range(0..20_u8)) / 10.0),
            };
            let decision = self.report(Report { trial, step, loss });
            assert!(decision.cutoff.is_none_or(|cutoff| !cutoff.is_nan()));
            let failed = (0.75..0.8).contains(&(odd / rough.odd));
            match decision.verdict {
                Verdict::Continue if !failed => {
                    assert!(step < options.max_t || loss.is_none(), "goes on beyond the maximum");
                    assert!(step < 50 * options.max_t, "never ends");
                }
                Verdict::Pause if !failed => {
                    running.swap_remove(index);
                    paused.insert(trial);
                    checkpoints.insert((trial, step));
                }
                verdict => {
                    assert!(verdict != Verdict::Finish || step >= options.max_t);
                    running.swap_remove(index);
                    self.end(trial);
                }
            }
        }
    }
}

fn options() -> impl Strategy<Value = SchedulerOptions> {
    let sizes = (1_u64..4, 4_u64..40, prop::sample::select(vec![2.0, 2.5, 3.0]));
    (sizes, 1_u64..5, 1_u64..4, 1_u64..5, 0_u64..3).prop_map(
        |((grace_period, room, reduction_factor), patience, interval, population, small)| {
            SchedulerOptions {
                // Room for two brackets.
                max_t: grace_period * 3 + room,
                grace_period,
                reduction_factor,
                patience,
                perturbation_interval: interval,
                population,
                startup_trials: small,
                warm_up: small,
                bootstrap_count: small,
                min_early_stopping_rate: small,
                trials: Some(TRIALS),
                ..SchedulerOptions::default()
            }
        },
    )
}

const TRIALS: u64 = 14;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_trial_ends_and_the_calls_alone_decide(
        base in options(),
        seed: u64,
        workers in 1_usize..6,
        gap in 1_u64..5,
        odd in prop::sample::select(vec![1e-9, 0.2, 0.9]),
    ) {
        for (name, options) in variants(&base) {
            let mut simulation = Simulation::new(name, &options, seed);
            let left = simulation.run(&options, TRIALS, workers, Roughness { gap, odd });
            if options.mode != AshaMode::Promotion {
                prop_assert!(left.is_empty(), "{name} leaves {left:?} paused");
            }
            // Giving up what is paused and late reports of what has ended bring nobody back.
            for trial in left.into_iter().chain([3, 3, TRIALS + 5]) {
                simulation.end(trial);
            }
            for step in [1, 2, options.max_t, options.max_t + 1] {
                let late = Report { trial: 3, step, loss: Some(0.0) };
                prop_assert_eq!(simulation.report(late).verdict, Verdict::Stop);
            }
            prop_assert_eq!(simulation.resume(), None);

            check_again(name, &options, seed, &simulation.calls);
        }
    }

    /// Only resumptions that were granted are in a journal.
    #[test]
    fn asking_for_a_trial_to_resume_in_vain_changes_nothing(base in options(), seed: u64) {
        for (name, options) in variants(&base) {
            let mut simulation = Simulation::new(name, &options, seed);
            simulation.run(&options, TRIALS, 3, Roughness { gap: 2, odd: 0.2 });
            let granted = |call: &Call| !matches!(call, Call::Resume(answer) if answer == "None");
            let calls: Vec<_> = simulation.calls.into_iter().filter(granted).collect();
            check_again(name, &options, seed, &calls);
        }
    }

    /// What does not depend on arrival must not depend on the number of workers.
    #[test]
    fn workers_do_not_matter_where_arrival_does_not(base in options(), seed: u64) {
        for (name, options) in variants(&base) {
            if Simulation::new(name, &options, seed).scheduler.depends_on_arrival() {
                continue;
            }
            let outcome = |workers: usize, order: u64| {
                let mut simulation = Simulation::new(name, &options, seed);
                run_by_trial(&mut simulation, workers, order)
            };
            prop_assert_eq!(outcome(1, 0), outcome(4, 1), "{}", name);
        }
    }
}

/// Runs trials whose losses depend on trial, step and configuration alone; returns for each trial
/// what was decided at each of its steps and what it took over.
fn run_by_trial(
    simulation: &mut Simulation,
    workers: usize,
    order: u64,
) -> BTreeMap<u64, Vec<String>> {
    let mut draws = stream(order, Purpose::Noise, 1);
    let (mut running, mut live) = (Vec::new(), 0_u64);
    let mut story: BTreeMap<u64, (u64, Vec<String>)> = BTreeMap::new();
    loop {
        while running.len() < workers {
            if let Some(resumption) = simulation.resume() {
                let (_, told) = story.get_mut(&resumption.trial).unwrap();
                told.push(format!("{:?}", resumption.exploit));
                running.push(resumption.trial);
                continue;
            }
            let full = simulation.scheduler.capacity().is_some_and(|capacity| live >= capacity);
            if full || story.len() as u64 >= TRIALS {
                break;
            }
            let trial = story.len() as u64;
            simulation.start(trial);
            story.insert(trial, (0, Vec::new()));
            running.push(trial);
            live += 1;
        }
        if running.is_empty() {
            return story.into_iter().map(|(trial, (_, told))| (trial, told)).collect();
        }
        let index = draws.random_range(0..running.len());
        let trial = running[index];
        let (step, told) = story.get_mut(&trial).unwrap();
        *step += 1;
        let loss = stream(trial, Purpose::Noise, *step).random_range(0..9_u8);
        let report = Report { trial, step: *step, loss: Some(f64::from(loss)) };
        let decision = simulation.report(report);
        told.push(format!("{decision:?}"));
        match decision.verdict {
            Verdict::Continue => {}
            Verdict::Pause => {
                running.swap_remove(index);
            }
            Verdict::Stop | Verdict::Finish => {
                running.swap_remove(index);
                simulation.end(trial);
                live -= 1;
            }
        }
    }
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<_> = SCHEDULERS.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), SCHEDULERS.len());
}
