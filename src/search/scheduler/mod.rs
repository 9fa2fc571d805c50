//! Schedulers look at reports and stop, pause or resume trials.
//!
//! To add one, write one file beside these and add one line to [`SCHEDULERS`]; the contract suite
//! in `suite.rs` then tests it.

mod asha;
mod guard;
mod hyperband;
mod median;
mod none;
mod options;
mod patience;
mod pbt;
#[cfg(test)]
mod suite;

use super::space::Space;

pub use options::{AshaMode, QUANTILE, RESAMPLE_PROBABILITY, SchedulerError, SchedulerOptions};

/// Makes a scheduler from options that [`SchedulerOptions::validate`] has passed.
pub type Build = fn(&SchedulerOptions) -> Result<Box<dyn Scheduler>, SchedulerError>;

/// All schedulers, by name.
pub const SCHEDULERS: &[(&str, Build)] = &[
    ("none", none::build),
    ("asha", asha::build),
    ("hyperband", hyperband::build),
    ("median", median::build),
    ("patience", patience::build),
    ("pbt", pbt::build),
];

/// The scheduler called `name`.
///
/// # Errors
/// When there is none of that name, or the options do not fit together; the error names the flags.
pub fn scheduler(
    name: &str,
    options: &SchedulerOptions,
) -> Result<Box<dyn Scheduler>, SchedulerError> {
    let Some((_, build)) = SCHEDULERS.iter().find(|(known, _)| *known == name) else {
        return Err(SchedulerError::Unknown { name: name.to_owned() });
    };
    options.validate()?;
    Ok(Box::new(guard::Guard::new(build(options)?)))
}

/// One report of a running trial. **The loss is to be small**, whatever the study's direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// The trial.
    pub trial: u64,
    /// Units of budget that it has used (epochs), from 1 up; rises within a trial, with gaps
    /// perhaps.
    pub step: u64,
    /// Its loss; may be NaN or infinite; `None` where the metric is missing from the report.
    pub loss: Option<f64>,
}

/// What becomes of a trial after a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It is stopped for good: pruned.
    Stop,
    /// It has used all the budget that the scheduler gives to any trial: complete.
    Finish,
    /// It is set aside with a checkpoint; [`Scheduler::resume`] may call it up again.
    Pause,
}

/// A decision with its grounds: a row of `decisions.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What becomes of the trial.
    pub verdict: Verdict,
    /// The rung that was decided at, in steps, whole or not; none where the report met no rung.
    pub rung: Option<f64>,
    /// The loss that had to be reached; none where nothing was compared.
    pub cutoff: Option<f64>,
    /// How many recorded losses the cutoff comes from.
    pub competitors: usize,
}

impl Decision {
    /// The trial goes on and nothing was compared.
    pub const CONTINUE: Self =
        Self { verdict: Verdict::Continue, rung: None, cutoff: None, competitors: 0 };

    /// Nothing was compared: the trial goes on, or has used up its budget of `max_t`.
    pub fn unless_spent(step: u64, max_t: u64) -> Self {
        let verdict = if step >= max_t { Verdict::Finish } else { Verdict::Continue };
        Self { verdict, ..Self::CONTINUE }
    }
}

/// A paused trial that goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumption {
    /// The trial.
    pub trial: u64,
    /// Population-based training: go on from the checkpoint of another trial, with other values.
    pub exploit: Option<Exploit>,
    /// Why: rung, cutoff and competitors; none where all paused trials go on.
    pub grounds: Option<Decision>,
}

/// Take over weights and hyperparameters from a better trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Exploit {
    /// The better trial, whose checkpoint at the same step is loaded.
    pub source: u64,
    /// New hyperparameters of the resumed trial.
    pub configuration: super::space::Configuration,
}

/// What a scheduler may ask about a trial.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What is searched.
    pub space: &'a Space,
    /// Seed of the study; draws come from `random::stream(seed, Purpose::Scheduler, …)`.
    pub seed: u64,
}

/// Stops, pauses and resumes trials.
///
/// Its state is a function of the calls so far, in their order; on resume the journal's reports
/// are given again in the order in which they were recorded, so nothing else needs saving.
pub trait Scheduler: Send {
    /// A trial starts, with these hyperparameters.
    fn start(&mut self, _context: Context, _trial: u64, _at: &super::space::Configuration) {}

    /// Decides on a trial after a report.
    fn report(&mut self, context: Context, report: &Report) -> Decision;

    /// A trial has ended, whoever decided so (complete, pruned, diverged, failed).
    fn end(&mut self, _context: Context, _trial: u64) {}

    /// The paused trial that shall go on next, if any. Called when a worker is free, before a new
    /// trial is started, but not while a trial that was told to pause has yet to save its checkpoint:
    /// it may be the one, or its checkpoint what another goes on from. The trial counts as running
    /// from then on. A call that is answered with `None` changes nothing.
    fn resume(&mut self, _context: Context) -> Option<Resumption> {
        None
    }

    /// How many trials may be running or paused at a time; more are not started. (A population
    /// has a size.)
    fn capacity(&self) -> Option<u64> {
        None
    }

    /// Whether decisions depend on the order in which the reports of different trials arrive, and
    /// so on the number of workers.
    fn depends_on_arrival(&self) -> bool {
        true
    }
}
