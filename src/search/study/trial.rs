//! A trial as a study knows it.

use serde::{Deserialize, Serialize};

use crate::search::objective::Step;
use crate::search::scheduler::Verdict;
use crate::search::space::Configuration;
use crate::search::trial::TrialState;

/// How the names of our workers begin in the journal.
pub const WORKER_PREFIX: &str = "strata-";

/// How far a trial has come, with its last report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Units of budget used: epochs.
    pub step: u64,
    /// Images trained on, repeats counted.
    pub images_trained: u64,
    /// Seconds spent.
    pub seconds: f64,
    /// Metrics of the last report, by name; those that are not finite are left out.
    pub metrics: Vec<(String, f64)>,
}

impl Progress {
    /// The progress that a report shows.
    pub fn of(step: &Step) -> Self {
        let finite = step.metrics.iter().filter(|(_, value)| value.is_finite());
        Self {
            step: step.step,
            images_trained: step.images_trained,
            seconds: step.seconds,
            metrics: finite.map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    }

    /// The metric called `name`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// A trial of a study.
#[derive(Clone, Debug)]
pub struct StudyTrial {
    /// Its number.
    pub number: u64,
    /// What it tries now; population-based training may change it.
    pub configuration: Configuration,
    /// How it stands.
    pub state: TrialState,
    /// Final value of a complete trial, last value of a pruned one; in the metric's own sign.
    pub value: Option<f64>,
    /// How far it has come.
    pub progress: Progress,
    /// What went wrong.
    pub error: String,
    /// The worker that runs it; none while it is paused.
    pub owner: Option<String>,
    /// The step at which the scheduler paused it.
    pub paused: Option<u64>,
    /// Trial and step of the checkpoint that it goes on from.
    pub checkpoint: Option<(u64, u64)>,
    /// Attempts so far, beyond the first.
    pub attempts: u64,
    /// What the scheduler said to its last report.
    pub verdict: Verdict,
    /// Step of the last report that the scheduler has heard of.
    pub reported: u64,
    /// Last reported step and value.
    pub last: Option<(u64, f64)>,
    /// Proposed by another program, not started yet.
    pub waiting: bool,
}

impl StudyTrial {
    pub(super) fn new(number: u64, configuration: Configuration, owner: Option<String>) -> Self {
        Self {
            number,
            configuration,
            state: TrialState::Running,
            value: None,
            progress: Progress::default(),
            error: String::new(),
            owner,
            paused: None,
            checkpoint: None,
            attempts: 0,
            verdict: Verdict::Continue,
            reported: 0,
            last: None,
            waiting: false,
        }
    }

    /// Whether some worker has it in hand, or had when it died.
    pub fn is_active(&self) -> bool {
        self.state == TrialState::Running && self.paused.is_none() && !self.waiting
    }

    /// Whether another program runs it: it is left alone, and nothing waits for it.
    pub fn is_foreign(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| !owner.starts_with(WORKER_PREFIX))
    }
}
