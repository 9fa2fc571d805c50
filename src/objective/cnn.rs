//! The objective that trains a CNN: one trial from its settings to its row.

use std::path::Path;

use super::{ProbeTable, TrialTables};
use crate::record::{RecordError, TrialRow, TrialStatus};
use crate::search::{Command, Ending};
use crate::train::{
    EpochEnd, EpochReport, ProbeKind, RunInputs, RunSettings, RunStatus, TrainError, TrainingRun,
};

/// A trial to run.
#[derive(Clone, Debug)]
pub struct CnnTrial {
    /// Number within the run.
    pub trial: u64,
    /// Arm that it belongs to.
    pub arm: String,
    /// Number within the arm and phase.
    pub replicate: u64,
    /// Hyperparameters for the columns `hp.<name>`.
    pub hyperparameters: Vec<(String, String)>,
    /// What to train.
    pub settings: RunSettings,
    /// Whether this is a final model, to be tested once.
    pub test: bool,
}

/// Files that a trial reads and writes besides the tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrialFiles<'a> {
    /// Weights to start from.
    pub import_weights: Option<&'a Path>,
    /// Where the final weights go.
    pub export_weights: Option<&'a Path>,
    /// Folder for `last.safetensors` and `best.safetensors`; a run goes on from the former.
    pub checkpoints: Option<&'a Path>,
    /// What is probed, if anything is.
    pub probing: Option<Probing<'a>>,
}

/// Probes of a trial: headroom and loss slices before its first epoch, these and others after each,
/// robustness at its end.
#[derive(Clone, Copy, Debug)]
pub struct Probing<'a> {
    /// Which.
    pub kinds: &'a [ProbeKind],
    /// Where their rows go.
    pub table: &'a ProbeTable,
}

impl Probing<'_> {
    /// Probes the kinds that `wanted` takes.
    fn probe(
        &self,
        trial: u64,
        run: &mut TrainingRun,
        wanted: impl Fn(ProbeKind) -> bool,
    ) -> Result<(), TrialError> {
        let kinds: Vec<_> = self.kinds.iter().copied().filter(|kind| wanted(*kind)).collect();
        Ok(self.table.append(trial, &run.probe(&kinds)?)?)
    }
}

/// A trial that cannot run or be recorded.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It cannot run.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// It cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Runs epochs until the run ends or `after_epoch` says so. A run that is told to stop within an
/// epoch counts as paused: that epoch can be run again.
///
/// # Errors
/// Those of `after_epoch`.
pub(super) fn train(
    run: &mut TrainingRun,
    mut after_epoch: impl FnMut(&mut TrainingRun, &EpochReport) -> Result<Command, TrialError>,
) -> Result<Ending, TrialError> {
    while run.progress().status == RunStatus::Running {
        let EpochEnd::Done(report) = run.epoch() else { return Ok(Ending::Paused) };
        match after_epoch(run, &report)? {
            Command::Continue => {}
            // What ended by itself has nothing left to stop or pause.
            _ if run.progress().status != RunStatus::Running => {}
            Command::Stop => return Ok(Ending::Stopped),
            Command::Pause => return Ok(Ending::Paused),
        }
    }
    Ok(match run.progress().status {
        RunStatus::Diverged => Ending::Diverged,
        _ => Ending::Complete,
    })
}

/// Runs a trial and records it; `on_epoch` hears of each epoch. Gives none if the trial was told to
/// stop before its end: it can be run again.
///
/// # Errors
/// When it cannot start, or a file cannot be read or written.
pub fn run_cnn_trial(
    plan: &CnnTrial,
    inputs: RunInputs,
    tables: &TrialTables,
    files: TrialFiles,
    mut on_epoch: impl FnMut(&EpochReport),
) -> Result<Option<TrialRow>, TrialError> {
    let mut run = TrainingRun::new(inputs, plan.settings.clone())?;
    if let Some(path) = files.import_weights {
        run.import_weights(path)?;
    }
    let last = files.checkpoints.map(|folder| folder.join("last.safetensors"));
    let best = files.checkpoints.map(|folder| folder.join("best.safetensors"));
    if let Some(last) = last.as_ref().filter(|path| path.exists()) {
        run.resume(last)?;
    }
    let last = last.as_deref();
    if let Some(probing) = files.probing.filter(|_| run.progress().steps == 0) {
        let ahead = |kind: ProbeKind| matches!(kind, ProbeKind::Headroom | ProbeKind::LossSlices);
        probing.probe(plan.trial, &mut run, ahead)?;
    }
    let end = train(&mut run, |run, report| {
        tables.epochs.epoch(plan.trial, report)?;
        let is_alive = report.progress.status != RunStatus::Diverged;
        if let Some(probing) = files.probing.filter(|_| is_alive) {
            probing.probe(plan.trial, run, |kind| kind != ProbeKind::Robustness)?;
        }
        if report.progress.status != RunStatus::Diverged {
            if let Some(best) = best.as_ref().filter(|_| report.is_best) {
                run.save_checkpoint(best)?;
            }
            if let Some(last) = last {
                run.save_checkpoint(last)?;
            }
        }
        on_epoch(report);
        Ok(Command::Continue)
    })?;
    if end == Ending::Paused {
        return Ok(None);
    }

    let complete = end == Ending::Complete;
    if let Some(probing) = files.probing.filter(|_| complete) {
        probing.probe(plan.trial, &mut run, |kind| kind == ProbeKind::Robustness)?;
    }
    let progress = run.progress().clone();
    let test = (plan.test && complete).then(|| run.test());
    if let Some(test) = &test {
        tables.epochs.test(plan.trial, test, &progress)?;
    }
    if let Some(path) = files.export_weights.filter(|_| complete) {
        run.export_weights(path)?;
    }
    let validation = progress.validation;
    let row = TrialRow {
        trial: plan.trial,
        arm: plan.arm.clone(),
        replicate: plan.replicate,
        seed: plan.settings.seed,
        status: if complete { TrialStatus::Complete } else { TrialStatus::Diverged },
        error: String::new(),
        epochs_run: progress.epochs,
        images_trained: progress.images_trained + progress.probe_images,
        seconds: progress.seconds,
        value: validation.map(|validation| validation.accuracy),
        validation_loss: validation.map(|validation| validation.loss),
        validation_accuracy: validation.map(|validation| validation.accuracy),
        test_loss: test.map(|test| test.loss),
        test_accuracy: test.map(|test| test.accuracy),
        hyperparameters: plan.hyperparameters.clone(),
        rates: plan.settings.rates.iter().map(|(layer, rate)| (layer.to_owned(), rate)).collect(),
    };
    tables.finish(&row)?;
    Ok(Some(row))
}
