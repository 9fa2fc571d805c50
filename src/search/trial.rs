//! What is known of a trial while a study runs.

use super::space::Configuration;

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialState {
    /// It runs, is paused, or its worker died.
    Running,
    /// It ran to its end.
    Complete,
    /// A scheduler stopped it.
    Pruned,
    /// Its objective turned NaN or infinite.
    Diverged,
    /// It could not run.
    Failed,
}

impl TrialState {
    /// Whether nothing more will come of it.
    pub fn is_finished(self) -> bool {
        self != Self::Running
    }
}

/// Whether the objective is to be small or large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smaller is better.
    Minimize,
    /// Larger is better.
    Maximize,
}

impl Direction {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimize => "minimize",
            Self::Maximize => "maximize",
        }
    }

    /// `value` as a loss: smaller is better.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Self::Minimize => value,
            Self::Maximize => -value,
        }
    }
}

/// A trial of a study as samplers see it. **Values are losses: smaller is better**, whatever the
/// study's direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Number of the trial in the study.
    pub number: u64,
    /// How it stands.
    pub state: TrialState,
    /// What it tries. It may lack hyperparameters, or hold ones outside their bounds, where the
    /// study was begun by another program or with another space: use what fits.
    pub configuration: Configuration,
    /// Final loss of a complete trial; last reported loss of a pruned one. `None` while it runs,
    /// and where it diverged or failed. Never NaN or infinite.
    pub loss: Option<f64>,
    /// Step of the last report, of a pruned trial; 0 without.
    pub last_step: u64,
}

impl Observation {
    /// A trial that ran to its end with this loss, or diverged.
    pub fn ended(number: u64, configuration: Configuration, loss: Option<f64>) -> Self {
        let loss = loss.filter(|loss| loss.is_finite());
        let state = if loss.is_some() { TrialState::Complete } else { TrialState::Diverged };
        Self { number, state, configuration, loss, last_step: 0 }
    }
}
