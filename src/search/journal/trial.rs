//! A trial as a journal has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::distribution::{choice, same_choice};
use super::record::{Attributes, Stage};
use crate::search::space::{Choice, Configuration, Distribution, Space};
use crate::search::{Direction, Observation, TrialState};

/// Name of the user attribute that tells a diverged trial from one that failed: Optuna has one
/// state for both.
pub const STATUS: &str = "strata:status";
/// Name of the user attribute that says what went wrong.
pub const ERROR: &str = "strata:error";

/// A hyperparameter's value in a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalParameter {
    /// Its name.
    pub name: String,
    /// Its internal value; choices count in the order of `distribution`.
    pub value: f64,
    /// What it was drawn from at the time.
    pub distribution: Arc<Distribution>,
}

impl JournalParameter {
    /// The value as a person would write it.
    pub fn external(&self) -> Choice {
        self.distribution.external(self.value)
    }
}

/// A trial as a journal has it, whoever wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalTrial {
    /// Its number in the study, from 0.
    pub number: u64,
    /// How it stands; `None` while it waits for a worker to claim it (Optuna's `WAITING`).
    pub state: Option<TrialState>,
    /// Its values, one for each objective; empty without. A pruned one has its last report.
    pub values: Vec<f64>,
    /// What it tries, in the order of the file.
    pub parameters: Vec<JournalParameter>,
    /// Reports by step; may be NaN or infinite.
    pub intermediate: BTreeMap<u64, f64>,
    /// What people and objectives noted.
    pub user_attributes: Attributes,
    /// What programs noted.
    pub system_attributes: Attributes,
    /// Start, in microseconds since 1970.
    pub started: Option<i64>,
    /// End, in microseconds since 1970.
    pub completed: Option<i64>,
    /// Who runs it, or ran it.
    pub worker: String,
    /// Its place among the trials of the whole file.
    pub(super) id: usize,
    pub(super) stage: Stage,
}

impl JournalTrial {
    /// The value of the hyperparameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&JournalParameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// What it tries, as internal values of `space` and in its order. Hyperparameters and choices
    /// that the space lacks are left out; values outside its bounds are kept.
    pub fn configuration(&self, space: &Space) -> Configuration {
        let value = |name: &str, distribution: &Distribution| {
            let recorded = self.parameter(name)?;
            match (distribution, &*recorded.distribution) {
                (Distribution::Categorical { choices }, Distribution::Categorical { .. }) => {
                    index(choices, &recorded.external())
                }
                (Distribution::Categorical { .. }, _) => None,
                (_, Distribution::Categorical { .. }) => None,
                _ => Some(recorded.value),
            }
        };
        let parameters = space.parameters.iter();
        parameters
            .filter_map(|parameter| {
                let value = value(&parameter.name, &parameter.distribution)?;
                Some((parameter.name.clone(), value))
            })
            .collect()
    }

    /// What a waiting trial is to try, in whole or in part: values that Optuna's `enqueue_trial`
    /// fixed. Also names what the space has no place for (unknown hyperparameters, values outside
    /// their distributions), for a message to whoever enqueued it.
    pub fn enqueued(&self, space: &Space) -> (Configuration, Vec<String>) {
        let mut configuration = Configuration::default();
        let mut misfits = Vec::new();
        let empty = Attributes::new();
        let fixed = self.system_attributes.get("fixed_params").and_then(Value::as_object);
        let fixed = fixed.unwrap_or(&empty);
        for parameter in &space.parameters {
            let wanted = match (fixed.get(&parameter.name), self.parameter(&parameter.name)) {
                (Some(value), _) => choice(value),
                (None, Some(recorded)) => recorded.external(),
                (None, None) => continue,
            };
            let value = match (&parameter.distribution, &wanted) {
                (Distribution::Categorical { choices }, wanted) => index(choices, wanted),
                (_, Choice::Int(value)) => Some(*value as f64),
                (_, Choice::Float(value)) => Some(*value),
                _ => None,
            };
            match value.filter(|value| parameter.distribution.contains(*value)) {
                Some(value) => configuration.set(&parameter.name, value),
                None => misfits.push(format!("{} = {wanted}", parameter.name)),
            }
        }
        let unknown = fixed.iter().filter(|(name, _)| space.parameter(name).is_none());
        misfits.extend(unknown.map(|(name, value)| format!("{name} = {value}")));
        (configuration, misfits)
    }

    /// The last report: step and value.
    pub fn last_report(&self) -> Option<(u64, f64)> {
        self.intermediate.last_key_value().map(|(step, value)| (*step, *value))
    }

    /// The trial as samplers see it; `None` while it waits.
    pub fn observation(&self, space: &Space, direction: Direction) -> Option<Observation> {
        let state = self.state?;
        let value = match state {
            TrialState::Complete => self.values.first().copied(),
            TrialState::Pruned => {
                self.last_report().map(|(_, value)| value).or(self.values.first().copied())
            }
            _ => None,
        };
        let loss = value.filter(|value| value.is_finite()).map(|value| direction.loss(value));
        // Optuna lets a complete trial be infinite.
        let unusable = state == TrialState::Complete && loss.is_none();
        let last_step = match state {
            TrialState::Pruned => self.last_report().map_or(0, |(step, _)| step),
            _ => 0,
        };
        Some(Observation {
            number: self.number,
            state: if unusable { TrialState::Diverged } else { state },
            configuration: self.configuration(space),
            loss,
            last_step,
        })
    }

    /// How it stands, in a word.
    pub fn status(&self) -> &'static str {
        match self.state {
            None => "waiting",
            Some(TrialState::Running) => "running",
            Some(TrialState::Complete) => "complete",
            Some(TrialState::Pruned) => "pruned",
            Some(TrialState::Diverged) => "diverged",
            Some(TrialState::Failed) => "failed",
        }
    }

    /// Sets how it stands, from Optuna's state and our attribute.
    pub(super) fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
        self.state = match stage {
            Stage::Waiting => None,
            Stage::Running => Some(TrialState::Running),
            Stage::Complete => Some(TrialState::Complete),
            Stage::Pruned => Some(TrialState::Pruned),
            Stage::Fail if self.user_attributes.get(STATUS).is_some_and(|s| s == "diverged") => {
                Some(TrialState::Diverged)
            }
            Stage::Fail => Some(TrialState::Failed),
        };
    }
}

fn index(choices: &[Choice], wanted: &Choice) -> Option<f64> {
    choices.iter().position(|choice| same_choice(choice, wanted)).map(|index| index as f64)
}
