//! What the search knows of an objective.

use std::error::Error;
use std::path::{Path, PathBuf};

use super::space::Choice;
use super::trial::Direction;

/// One trial to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Number of the trial in the study.
    pub trial: u64,
    /// Seed of all its draws.
    pub seed: u64,
    /// The active hyperparameters.
    pub values: &'a [(String, Choice)],
    /// Checkpoint to go on from; none to start anew.
    pub resume: Option<&'a Path>,
    /// Folder that exists; [`Command::Pause`] saves there, to [`Self::checkpoint`].
    pub checkpoints: &'a Path,
}

impl Task<'_> {
    /// Where the trial saves when it pauses at `step`.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        checkpoint_path(self.checkpoints, self.trial, step)
    }
}

/// The checkpoint of a trial at a step.
pub(super) fn checkpoint_path(folder: &Path, trial: u64, step: u64) -> PathBuf {
    folder.join(format!("trial-{trial}-step-{step}.checkpoint"))
}

/// A report of a running trial, after each unit of budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Units of budget used: epochs for a net.
    pub step: u64,
    /// Values by name of the metric.
    pub metrics: Vec<(&'static str, f64)>,
    /// Images trained on so far, repeats counted.
    pub images_trained: u64,
    /// Seconds spent so far.
    pub seconds: f64,
}

impl Step {
    /// The metric called `name`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// What an objective shall do after a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Go on.
    Continue,
    /// End here.
    Stop,
    /// Save to [`Task::checkpoint`] of the reported step and end for now.
    Pause,
}

/// How an evaluation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All its budget is used.
    Complete,
    /// It was told to stop.
    Stopped,
    /// It was told to pause, and has saved.
    Paused,
    /// A loss turned NaN or infinite.
    Diverged,
}

/// Why a trial could not be evaluated; the text goes into its row.
pub type ObjectiveError = Box<dyn Error + Send + Sync>;

/// What trials evaluate. One objective serves all workers.
pub trait Objective: Sync {
    /// The metrics that every report holds, and which way each is better; the first is the default.
    fn metrics(&self) -> &[(&'static str, Direction)];

    /// The learning rate of each layer under these hyperparameters; empty where there are none.
    ///
    /// # Errors
    /// When a value makes no sense.
    fn rates(&self, _values: &[(String, Choice)]) -> Result<Vec<(String, f64)>, ObjectiveError> {
        Ok(Vec::new())
    }

    /// Evaluates a trial, calling `report` after each unit of budget and doing as it says. The same
    /// task gives the same reports, whatever runs beside it and however often it was paused.
    ///
    /// # Errors
    /// When the trial cannot start or go on.
    fn evaluate(
        &self,
        task: &Task,
        report: &mut dyn FnMut(&Step) -> Command,
    ) -> Result<Ending, ObjectiveError>;
}
