//! Schedulers look at reports and stop, pause or resume trials.
//!
//! To add one, write one file beside these and add one line to [`SCHEDULERS`]; the contract suite
//! in `suite.rs` then tests it.

use super::space::Space;

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
    /// The rung that was decided at, in steps; none where the report met no rung.
    pub rung: Option<u64>,
    /// The loss that had to be reached; none where nothing was compared.
    pub cutoff: Option<f64>,
    /// How many recorded losses the cutoff comes from.
    pub competitors: usize,
}

impl Decision {
    /// The trial goes on and nothing was compared.
    pub const CONTINUE: Self =
        Self { verdict: Verdict::Continue, rung: None, cutoff: None, competitors: 0 };
}

/// A paused trial that goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumption {
    /// The trial.
    pub trial: u64,
    /// Population-based training: go on from the checkpoint of another trial, with other values.
    pub exploit: Option<Exploit>,
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
    /// trial is started. The trial counts as running from then on.
    fn resume(&mut self, _context: Context) -> Option<Resumption> {
        None
    }

    /// How many trials may be running or paused at a time; more are not started. (A population
    /// has a size.)
    fn capacity(&self) -> Option<u64> {
        None
    }
}
