//! `train --worker`: trials for an engine from outside, by lines of JSON.
//!
//! One configuration a line on standard input; a line an epoch and a last one on standard output.
//! The process stays until its input ends, so that data are loaded once. docs/worker.md has the
//! protocol, docs/worker.schema.json its lines.

mod describe;
mod inbox;
mod lines;
mod request;

use std::any::Any;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use serde_json::{Value, json};
use thiserror::Error;

use super::{SearchBudget, Setup, stop_on_interrupt};
use crate::data::Order;
use crate::objective::TrialEvent;
use crate::search::{Command, Ending};
use crate::train::RunStatus;

use inbox::{Control, Inbox};
use lines::Lines;
use request::{Configuration, Request, Trial};

/// The worker was told to stop by Ctrl-C or SIGTERM.
#[derive(Debug, Error)]
#[error("stopped; the trial goes on from its last checkpoint with \"resume\": true")]
pub struct WorkerStopped;

/// Serves standard input until it ends.
///
/// # Errors
/// When a configuration was refused or a trial failed (its line says why), when the worker was told
/// to stop, and when nobody reads its lines any more.
pub fn serve_worker() -> anyhow::Result<()> {
    let stop = stop_on_interrupt();
    let mut worker = Worker {
        defaults: std::env::args_os().skip(1).filter(|flag| flag != "--worker").collect(),
        inbox: Inbox::of_standard_input(),
        lines: Lines::default(),
        loaded: None,
        stop,
    };
    // A mistake on the command line is one of whoever wrote it, not of a configuration.
    request::flags(&worker.defaults, &serde_json::Map::new())?;
    let mut failures = 0;
    while let Some(line) = worker.inbox.next_request(stop) {
        let (trial, outcome) = worker.answer(&line);
        if let Err(error) = outcome {
            failures += 1;
            worker.lines.failed(trial, &super::exit::with_causes(&error));
        }
        if worker.lines.are_unread() {
            anyhow::bail!("nobody reads the worker's lines any more");
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    if stop.load(Ordering::Relaxed) {
        return Err(WorkerStopped.into());
    }
    failures += worker.inbox.strange_commands;
    anyhow::ensure!(failures == 0, "{failures} lines or trials failed: their lines say why");
    Ok(())
}

/// What a worker keeps from trial to trial.
struct Worker {
    /// Flags of the command line, which configurations override.
    defaults: Vec<OsString>,
    inbox: Inbox,
    lines: Lines,
    /// Data, net and device, with the flags that chose them.
    loaded: Option<(Vec<OsString>, Setup)>,
    stop: &'static AtomicBool,
}

impl Worker {
    /// Does what a line asks for; gives the number of its trial, as far as it can be read.
    fn answer(&mut self, line: &str) -> (Option<u64>, anyhow::Result<()>) {
        let request = match Request::read(line, &self.defaults) {
            Ok(request) => request,
            Err((trial, error)) => return (trial, Err(error)),
        };
        // A fault of ours must not take the engine's other trials with it.
        let (trial, answered) = match &request {
            Request::Describe(wanted) => {
                (None, catch_unwind(AssertUnwindSafe(|| self.describe(wanted))))
            }
            Request::Train(configuration) => {
                let run = AssertUnwindSafe(|| self.train(configuration));
                (Some(configuration.trial.number), catch_unwind(run))
            }
        };
        let outcome = answered.unwrap_or_else(|panic| {
            Err(anyhow::anyhow!("the trial panicked: {}", panic_text(panic.as_ref())))
        });
        (trial, outcome)
    }

    fn describe(&mut self, wanted: &request::Description) -> anyhow::Result<()> {
        let Self { loaded, lines, .. } = self;
        let setup = load(loaded, &wanted.common, &wanted.data_flags)?;
        lines.write(&describe::description(setup, wanted)?);
        Ok(())
    }

    fn train(&mut self, configuration: &Configuration) -> anyhow::Result<()> {
        let Self { loaded, lines, inbox, stop, .. } = self;
        let Configuration { common, trial, .. } = configuration;
        let setup = load(loaded, common, &configuration.data_flags)?;
        let budget = SearchBudget::new(common);
        let layers = setup.net.layers();
        let base = setup.search_base(common, budget.epochs, trial.groups(&layers)?)?;
        let plan = trial.plan(common.seed, &configuration.identity)?;
        let inputs = setup.inputs(stop);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(trial.threads).build();
        let pool = pool.context("threads")?;
        let outcome = pool.install(|| {
            plan.run(&base, inputs, |event| {
                let next = match event {
                    TrialEvent::Start(start) => {
                        lines.start(trial, setup, start);
                        Command::Continue
                    }
                    TrialEvent::Epoch(report, checkpoint) => {
                        lines.epoch(trial, report, checkpoint);
                        match report.progress.status {
                            RunStatus::Running => next_command(inbox, lines, trial, stop),
                            // What has ended has nothing left to be told.
                            RunStatus::Complete | RunStatus::Diverged => Command::Continue,
                        }
                    }
                };
                if lines.are_unread() { Command::Pause } else { next }
            })
        });
        let outcome = outcome.map_err(|error| anyhow::anyhow!("{error}"))?;
        let status = match outcome.ending {
            Ending::Complete => "complete",
            Ending::Stopped => "stopped",
            Ending::Paused => "paused",
            Ending::Diverged => "diverged",
        };
        lines.end(trial, status, &outcome);
        Ok(())
    }
}

/// What the engine wants after an epoch; in lockstep the worker waits for it.
fn next_command(inbox: &mut Inbox, lines: &mut Lines, trial: &Trial, stop: &AtomicBool) -> Command {
    let mut command = Command::Continue;
    loop {
        match inbox.next_control(trial.lockstep, stop) {
            // The engine is gone, or time is up: the trial is saved for whoever goes on with it.
            None if trial.lockstep => return Command::Pause,
            None => return command,
            Some(Err(reason)) => lines.write(&json!({"type": "error", "message": reason})),
            Some(Ok(Control { trial: Some(other), .. })) if other != trial.number => {}
            Some(Ok(control)) if trial.lockstep => return control.command,
            Some(Ok(control)) => command = control.command,
        }
    }
}

/// Loads data, net and device unless they are those of the trial before.
fn load<'a>(
    loaded: &'a mut Option<(Vec<OsString>, Setup)>,
    common: &super::CommonFlags,
    flags: &[OsString],
) -> anyhow::Result<&'a Setup> {
    if loaded.as_ref().is_none_or(|(known, _)| known != flags) {
        // First, so that two data sets are never in memory at once.
        *loaded = None;
        let images = SearchBudget::new(common).images;
        let setup = Setup::new(common, images, Order::Shuffled)?;
        *loaded = Some((flags.to_vec(), setup));
    }
    loaded.as_ref().map(|(_, setup)| setup).context("nothing is loaded")
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

/// The number of a trial in a line, as far as it can be read.
fn number_in(line: &Value) -> Option<u64> {
    line.get("trial").and_then(Value::as_u64)
}
