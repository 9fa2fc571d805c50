//! A study: what is known of its trials, what each worker does next, and what becomes of reports.
//!
//! The journal is the source of truth. A study's state follows from the journal's records alone:
//! the same records in the same order give the same state, whether they were written by this
//! process, by an earlier one that was killed, or by another that runs beside it. So a resumed
//! study goes on as if nothing had happened, and schedulers need no state of their own on disk.

mod history;
mod state;
mod trial;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::journal::{Attributes, Journal, JournalError, Transaction};
use super::lives::Lives;
use super::objective::{Command, Ending, Step};
use super::scheduler::{Resumption, Verdict};
use super::space::Choice;
use super::trial::{Direction, TrialState};

pub use state::State;
pub use trial::{Progress, StudyTrial, WORKER_PREFIX};

/// How a study is run; its space, sampler and scheduler come beside it.
#[derive(Clone, Debug)]
pub struct StudyOptions {
    /// Seed of every draw.
    pub seed: u64,
    /// Trials with the same number here share a seed; a trial beyond its end, and all where it is
    /// empty, have their own.
    pub seed_blocks: Vec<u64>,
    /// The metric that is searched.
    pub metric: String,
    /// Which way it is better.
    pub direction: Direction,
    /// Trials in all.
    pub trials: u64,
    /// Trial n is proposed from the results of trials up to n − this, whatever else has finished by
    /// then: so a study does not depend on the number of its workers.
    pub parallel_asks: u64,
    /// How often a failed trial is tried again.
    pub retries: u64,
    /// Units of budget (epochs) after which nothing more is started.
    pub budget: Option<u64>,
    /// Folder for the checkpoints of paused trials.
    pub checkpoints: PathBuf,
}

/// What a worker does next.
#[derive(Debug)]
pub enum Next {
    /// Evaluate a trial.
    Run(Job),
    /// Nothing now, but trials are running whose end may bring something.
    Wait,
    /// Nothing any more.
    Done,
}

/// A trial to evaluate.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number.
    pub trial: u64,
    /// Seed of all its draws.
    pub seed: u64,
    /// Its active hyperparameters.
    pub values: Vec<(String, Choice)>,
    /// Checkpoint to go on from.
    pub resume: Option<PathBuf>,
}

/// Why a study cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

pub(crate) use attribute::RESUMED;

/// Names of the journal's attributes that carry what Optuna's format has no field for.
pub(super) mod attribute {
    /// Worker that has the trial in hand, or null.
    pub const OWNER: &str = "strata:owner";
    /// Step at which the scheduler paused it.
    pub const PAUSED: &str = "strata:paused";
    /// Step at which an interruption saved it.
    pub const CHECKPOINT: &str = "strata:checkpoint";
    /// The scheduler called it up again; holds what population-based training changed.
    pub const RESUMED: &str = "strata:resumed";
    /// Budget and metrics of the last report.
    pub const PROGRESS: &str = "strata:progress";
    /// Failed attempts so far.
    pub const ATTEMPT: &str = "strata:attempt";
}

/// A study in progress: its state and the journal that it follows from.
pub struct Study {
    journal: Journal,
    state: State,
    lives: Lives,
}

impl Study {
    /// A study on an open journal; takes up what the journal holds.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn new(journal: Journal, lives: Lives, state: State) -> Result<Self, StudyError> {
        let mut study = Self { journal, state, lives };
        let mut transaction = study.journal.lock()?;
        study.state.follow(&mut transaction);
        drop(transaction);
        Ok(study)
    }

    /// What is known of the trials.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What a free worker does next.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn next_job(&mut self) -> Result<Next, StudyError> {
        let Self { journal, state, lives } = self;
        let worker = lives.name();
        let mut records = journal.lock()?;
        state.follow(&mut records);
        let mut job = None;
        while !state.is_spent() && job.is_none() {
            let Some(orphan) = state.orphan(lives) else { break };
            job = take_over(state, &mut records, orphan, worker)?;
        }
        if !state.is_spent() && job.is_none() {
            job = match state.ask_scheduler() {
                Some(resumption) => Some(call_up(state, &mut records, &resumption, worker)?),
                None => start(state, &mut records, worker)?,
            };
        }
        let next = match job {
            Some(job) => Next::Run(job),
            None if state.may_bring_more() => Next::Wait,
            None => {
                close_paused(state, &mut records)?;
                Next::Done
            }
        };
        records.commit(false)?;
        Ok(next)
    }

    /// Records a report and says what the trial shall do.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn report(&mut self, trial: u64, step: &Step) -> Result<Command, StudyError> {
        let Self { journal, state, .. } = self;
        let mut records = journal.lock()?;
        state.follow(&mut records);
        // A metric that an objective leaves out counts as NaN: a resumed study reads it as that.
        let value = step.metric(&state.options.metric).unwrap_or(f64::NAN);
        // A trial that runs again after its worker died reports the same once more: what was
        // decided on its last report still has to be done.
        match state.trial(trial) {
            Some(known) if known.reported > step.step => return Ok(Command::Continue),
            Some(known) if known.reported == step.step => return Ok(command(known.verdict)),
            _ => {}
        }
        let progress = Progress::of(step);
        records.report(trial, step.step, value)?;
        records.set_user_attribute(trial, attribute::PROGRESS, json!(progress))?;
        state.book_progress(trial, progress);
        let verdict = state.book_report(trial, step.step, value);
        records.commit(false)?;
        Ok(match command(verdict) {
            Command::Continue if state.is_spent() => Command::Pause,
            command => command,
        })
    }

    /// Records how an evaluation ended.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn end(&mut self, trial: u64, ending: Result<Ending, String>) -> Result<(), StudyError> {
        let Self { journal, state, .. } = self;
        let mut records = journal.lock()?;
        state.follow(&mut records);
        let Some(known) = state.trial(trial) else { return Ok(()) };
        let (verdict, step, last) = (known.verdict, known.progress.step, known.last);
        let attempts = known.attempts;
        let durable = match ending {
            Ok(Ending::Paused) if verdict == Verdict::Pause => {
                set(state, &mut records, trial, attribute::PAUSED, json!(step))?;
                false
            }
            // Saved by an interruption: whoever resumes the study goes on with it.
            Ok(Ending::Paused) => {
                set(state, &mut records, trial, attribute::CHECKPOINT, json!(step))?;
                set(state, &mut records, trial, attribute::OWNER, Value::Null)?;
                false
            }
            Ok(Ending::Stopped) if verdict == Verdict::Stop => {
                finish(
                    state,
                    &mut records,
                    trial,
                    TrialState::Pruned,
                    last.map(|(_, value)| value),
                )?;
                true
            }
            Ok(Ending::Complete | Ending::Stopped) => {
                let value = last.map(|(_, value)| value);
                match value.filter(|value| value.is_finite()) {
                    Some(_) => finish(state, &mut records, trial, TrialState::Complete, value)?,
                    None => fail(state, &mut records, trial, TrialState::Diverged, "")?,
                }
                true
            }
            Ok(Ending::Diverged) => {
                fail(state, &mut records, trial, TrialState::Diverged, "")?;
                true
            }
            Err(reason) if attempts < state.options.retries => {
                let attempt = json!({"attempt": attempts + 1, "error": reason});
                set(state, &mut records, trial, attribute::ATTEMPT, attempt)?;
                set(state, &mut records, trial, attribute::OWNER, Value::Null)?;
                false
            }
            Err(reason) => {
                fail(state, &mut records, trial, TrialState::Failed, &reason)?;
                true
            }
        };
        records.commit(durable)?;
        Ok(())
    }

    /// Reads what other processes have written.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn refresh(&mut self) -> Result<(), StudyError> {
        let mut records = self.journal.lock()?;
        self.state.follow(&mut records);
        Ok(())
    }
}

/// What a verdict asks of the objective.
fn command(verdict: Verdict) -> Command {
    match verdict {
        Verdict::Stop | Verdict::Finish => Command::Stop,
        Verdict::Pause => Command::Pause,
        Verdict::Continue => Command::Continue,
    }
}

/// Writes an attribute of a trial and takes note of it.
fn set(
    state: &mut State,
    records: &mut Transaction,
    trial: u64,
    key: &str,
    value: Value,
) -> Result<(), StudyError> {
    records.set_user_attribute(trial, key, value.clone())?;
    state.book_attribute(trial, key, &value);
    Ok(())
}

fn finish(
    state: &mut State,
    records: &mut Transaction,
    trial: u64,
    ended: TrialState,
    value: Option<f64>,
) -> Result<(), StudyError> {
    records.finish(trial, ended, value, None)?;
    state.book_end(trial, ended, value, "");
    Ok(())
}

fn fail(
    state: &mut State,
    records: &mut Transaction,
    trial: u64,
    ended: TrialState,
    reason: &str,
) -> Result<(), StudyError> {
    records.finish(trial, ended, None, Some(reason).filter(|reason| !reason.is_empty()))?;
    state.book_end(trial, ended, None, reason);
    Ok(())
}

/// A trial whose worker is gone: it runs again from its last checkpoint, or, where the scheduler had
/// spoken before the worker died, it ends as it would have.
fn take_over(
    state: &mut State,
    records: &mut Transaction,
    number: u64,
    worker: &str,
) -> Result<Option<Job>, StudyError> {
    let Some(trial) = state.trial(number) else { return Ok(None) };
    let value = trial.last.map(|(_, value)| value);
    match trial.verdict {
        Verdict::Stop => {
            finish(state, records, number, TrialState::Pruned, value)?;
            Ok(None)
        }
        Verdict::Finish if value.is_some_and(f64::is_finite) => {
            finish(state, records, number, TrialState::Complete, value)?;
            Ok(None)
        }
        _ => {
            set(state, records, number, attribute::OWNER, json!(worker))?;
            Ok(state.job(number))
        }
    }
}

/// A paused trial that the scheduler wants to go on.
fn call_up(
    state: &mut State,
    records: &mut Transaction,
    resumption: &Resumption,
    worker: &str,
) -> Result<Job, StudyError> {
    let number = resumption.trial;
    let exploit = resumption.exploit.as_ref();
    let exploit = exploit.map(|e| json!({"source": e.source, "configuration": e.configuration}));
    set(state, records, number, attribute::RESUMED, json!(exploit))?;
    set(state, records, number, attribute::OWNER, json!(worker))?;
    Ok(state.job(number).expect("the scheduler resumes trials that it was told of"))
}

/// A new trial, or one that another program has queued.
fn start(
    state: &mut State,
    records: &mut Transaction,
    worker: &str,
) -> Result<Option<Job>, StudyError> {
    let Some(proposal) = state.propose() else { return Ok(None) };
    let number = match proposal.waiting {
        Some(number) => {
            records.claim(number, &proposal.configuration, &state.space)?;
            state.book_start(number, proposal.configuration, worker);
            number
        }
        None => {
            let none = Attributes::new;
            let at = &proposal.configuration;
            let number = records.create_trial(at, &state.space, none(), none())?;
            state.book_creation(number, proposal.configuration, worker);
            number
        }
    };
    Ok(state.job(number))
}

/// Ends the trials that were paused and will never be called up again.
fn close_paused(state: &mut State, records: &mut Transaction) -> Result<(), StudyError> {
    if !state.is_complete() || state.is_spent() {
        return Ok(());
    }
    for number in state.paused() {
        let last = state.trial(number).and_then(|trial| trial.last);
        finish(state, records, number, TrialState::Pruned, last.map(|(_, value)| value))?;
    }
    Ok(())
}
