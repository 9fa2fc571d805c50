//! A trial that an engine from outside drives: the same values as in [`CnnObjective`](super::CnnObjective), and
//! checkpoints after every so many epochs, from which a killed one goes on elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::cnn::train;
use super::{Base, TrialError};
use crate::rates::LayerRates;
use crate::search::space::Choice;
use crate::search::{Command, Ending, ObjectiveError};
use crate::train::{EpochReport, Evaluation, Progress, RunInputs, TrainError, TrainingRun};

/// Checkpoints of a trial that are kept: the last, and the one before in case a disk loses it.
const KEPT: usize = 2;

/// A trial to evaluate.
#[derive(Clone, Debug)]
pub struct ExternalTrial {
    /// Its active hyperparameters.
    pub values: Vec<(String, Choice)>,
    /// Seed of all its draws.
    pub seed: u64,
    /// Where it is saved, if anywhere.
    pub checkpoints: Option<Checkpoints>,
    /// What it goes on from.
    pub resume: Resume,
    /// Whether its model is tested at the end.
    pub test: bool,
}

/// What a trial goes on from.
#[derive(Clone, Debug, PartialEq)]
pub enum Resume {
    /// Nothing: it begins.
    Never,
    /// Its own last checkpoint that can be read; where there is none it begins.
    Last,
    /// This file, or an error.
    File(PathBuf),
}

/// Where and how often a trial is saved.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    /// Folder; several trials may share it.
    pub folder: PathBuf,
    /// How its files begin. Other trials, and the same one under other settings, have other names.
    pub name: String,
    /// Epochs between two checkpoints.
    pub every: u64,
}

impl Checkpoints {
    fn file(&self, epochs: u64) -> PathBuf {
        self.folder.join(format!("{}-epoch-{epochs}.checkpoint", self.name))
    }

    /// Saved states, the last first.
    fn found(&self) -> Vec<(u64, PathBuf)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let epochs = |name: &str| {
            let rest = name.strip_prefix(&self.name)?.strip_prefix("-epoch-")?;
            rest.strip_suffix(".checkpoint")?.parse::<u64>().ok()
        };
        let mut found: Vec<_> = entries
            .flatten()
            .filter_map(|entry| Some((epochs(&entry.file_name().to_string_lossy())?, entry.path())))
            .collect();
        found.sort_by_key(|(epochs, _)| std::cmp::Reverse(*epochs));
        found
    }

    /// Saves a run, and removes what is older than the last but one.
    fn save(&self, run: &TrainingRun) -> Result<PathBuf, TrainError> {
        let path = self.file(run.progress().epochs);
        run.save_checkpoint(&path)?;
        for (_, old) in self.found().into_iter().skip(KEPT) {
            // One that stays is only litter.
            let _ = fs::remove_file(old);
        }
        Ok(path)
    }
}

/// What is known of a trial before its first epoch.
#[derive(Clone, Copy, Debug)]
pub struct TrialStart<'a> {
    /// Rate of each layer.
    pub rates: &'a LayerRates,
    /// Epochs that it has in all.
    pub epochs: u64,
    /// Where it goes on from.
    pub progress: &'a Progress,
    /// Checkpoint that it goes on from.
    pub resumed: Option<&'a Path>,
}

/// What an engine hears of a trial.
#[derive(Clone, Copy, Debug)]
pub enum TrialEvent<'a> {
    /// It is about to run; nothing can be commanded yet.
    Start(&'a TrialStart<'a>),
    /// After an epoch, with the last checkpoint.
    Epoch(&'a EpochReport, Option<&'a Path>),
}

/// What a trial came to.
#[derive(Clone, Debug)]
pub struct TrialOutcome {
    /// How it ended.
    pub ending: Ending,
    /// How far it came.
    pub progress: Progress,
    /// Last checkpoint.
    pub checkpoint: Option<PathBuf>,
    /// On the test images, where that was asked for and the trial is complete.
    pub test: Option<Evaluation>,
}

/// Trials that are not saved after each epoch end between epochs only, where they can be.
static NEVER: AtomicBool = AtomicBool::new(false);

impl ExternalTrial {
    /// Runs the trial until it ends, `observe` says so, or the stop of `inputs` is raised: it is
    /// paused then, and goes on from its last checkpoint. A trial that is saved after each epoch
    /// stops at its next step; others end their epoch first.
    ///
    /// # Errors
    /// When it cannot start, go on, or be saved.
    pub fn run(
        &self,
        base: &Base,
        inputs: RunInputs,
        mut observe: impl FnMut(TrialEvent) -> Command,
    ) -> Result<TrialOutcome, ObjectiveError> {
        let (net, settings) = base.resolve(&self.values, self.seed)?;
        let (rates, epochs) = (settings.rates.clone(), settings.epochs);
        let stop = inputs.stop;
        let is_saved_always = self.checkpoints.as_ref().is_none_or(|c| c.every == 1);
        let at_step = if is_saved_always { stop } else { &NEVER };
        let inputs = RunInputs { net: net.as_ref(), stop: at_step, ..inputs };
        let mut run = TrainingRun::new(inputs, settings)?;
        let mut checkpoint = self.resume(&mut run)?;
        let resumed = checkpoint.as_deref();
        let start = TrialStart { rates: &rates, epochs, progress: run.progress(), resumed };
        observe(TrialEvent::Start(&start));
        let ending = train(&mut run, |run, report| -> Result<Command, TrialError> {
            let told_to_stop = stop.load(Ordering::Relaxed);
            let is_alive = report.validation.is_some();
            if let Some(checkpoints) = self.checkpoints.as_ref().filter(|_| is_alive) {
                let due = report.progress.epochs % checkpoints.every == 0;
                if due || told_to_stop || report.progress.epochs == epochs {
                    checkpoint = Some(checkpoints.save(run)?);
                }
            }
            let mut command = observe(TrialEvent::Epoch(report, checkpoint.as_deref()));
            if command == Command::Continue && stop.load(Ordering::Relaxed) {
                command = Command::Pause;
            }
            if let Some(checkpoints) = self.checkpoints.as_ref().filter(|_| is_alive)
                && command == Command::Pause
                && checkpoint.as_ref() != Some(&checkpoints.file(report.progress.epochs))
            {
                checkpoint = Some(checkpoints.save(run)?);
            }
            Ok(command)
        })?;
        let test = (self.test && ending == Ending::Complete).then(|| run.test());
        Ok(TrialOutcome { ending, progress: run.progress().clone(), checkpoint, test })
    }

    /// Loads what the trial goes on from; gives the file.
    fn resume(&self, run: &mut TrainingRun) -> Result<Option<PathBuf>, TrainError> {
        match &self.resume {
            Resume::Never => Ok(None),
            Resume::File(path) => run.resume(path).map(|()| Some(path.clone())),
            Resume::Last => {
                let found = self.checkpoints.as_ref().map(Checkpoints::found).unwrap_or_default();
                // A file that a dying disk damaged is passed over: the one before gives the same.
                Ok(found.into_iter().map(|(_, path)| path).find(|path| run.resume(path).is_ok()))
            }
        }
    }
}
