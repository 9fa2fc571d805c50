//! `trials.csv` and `decisions.csv` of a study, written from its state.

use std::path::Path;

use super::decisions::{DECISION_COLUMNS, DecisionRow};
use super::objective::Objective;
use super::study::{State, StudyTrial};
use super::trial::TrialState;
use crate::record::{RecordError, TrialRow, TrialStatus, trial_columns, write_table};

/// The arm of all trials of a single search.
const ARM: &str = "tune";

/// Writes both tables into `folder`, replacing them in one step each. `layers` are the columns
/// `rate.<layer>`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_tables(
    folder: &Path,
    state: &State,
    objective: &dyn Objective,
    layers: &[String],
) -> Result<(), RecordError> {
    let names: Vec<_> = state.space.parameters.iter().map(|p| p.name.clone()).collect();
    let columns = trial_columns(&names, layers);
    let finished = state.trials().iter().filter_map(|trial| row(state, objective, trial));
    let rows: Vec<_> = finished.map(|row| row.fields(&columns)).collect();
    write_table(&folder.join("trials.csv"), &columns, &rows)?;
    let mut decisions = state.decisions().to_vec();
    // Where they do not depend on who reported first, neither does their order.
    if !state.depends_on_arrival() {
        decisions.sort_by_key(|row| (row.trial, row.step));
    }
    write_decisions(folder, &decisions)
}

/// Writes `decisions.csv` into `folder`.
///
/// # Errors
/// When it cannot be written.
pub fn write_decisions(folder: &Path, decisions: &[DecisionRow]) -> Result<(), RecordError> {
    let columns: Vec<_> = DECISION_COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<_> = decisions.iter().map(DecisionRow::fields).collect();
    write_table(&folder.join("decisions.csv"), &columns, &rows)
}

/// The row of a finished trial.
pub fn row(state: &State, objective: &dyn Objective, trial: &StudyTrial) -> Option<TrialRow> {
    let values = state.values(trial);
    let progress = &trial.progress;
    Some(TrialRow {
        trial: trial.number,
        arm: ARM.to_owned(),
        replicate: trial.number,
        seed: state.seed_of(trial.number),
        status: match trial.state {
            TrialState::Running => return None,
            TrialState::Complete => TrialStatus::Complete,
            TrialState::Pruned => TrialStatus::Pruned,
            TrialState::Diverged => TrialStatus::Diverged,
            TrialState::Failed => TrialStatus::Failed,
        },
        error: trial.error.clone(),
        epochs_run: progress.step,
        images_trained: progress.images_trained,
        seconds: progress.seconds,
        value: trial.value,
        validation_loss: progress.metric("loss"),
        validation_accuracy: progress.metric("accuracy"),
        test_loss: None,
        test_accuracy: None,
        hyperparameters: values.iter().map(|(name, v)| (name.clone(), v.to_string())).collect(),
        // Hyperparameters that no net could be built from have no rates.
        rates: objective.rates(&values).unwrap_or_default(),
    })
}
