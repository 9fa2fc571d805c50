//! Trials from a journal in Optuna's format.

use std::path::Path;

use super::hull::hull;
use super::{Recorded, RecordedError, manifest_beside, sampler};
use crate::analysis::importance::{Observations, Outcome, Parameter, Row};
use crate::search::journal::{JournalStudy, JournalTrial, read_studies};
use crate::search::space::Distribution;
use crate::search::{Direction, RESUMED, TrialState};

/// Reads the study called `study` (the only one, if none is named) from the journal at `path`;
/// `objective` is the number of the objective where there are several.
///
/// # Errors
/// When the journal cannot be read, does not have the study or the objective, or has no trials.
pub fn read_journal(
    path: &Path,
    study: Option<&str>,
    objective: Option<usize>,
) -> Result<Recorded, RecordedError> {
    let studies = read_studies(path)?;
    let study = chosen(path, &studies, study)?;
    let objectives = study.directions.len();
    let objective = match (objective, objectives) {
        (None, 1) => 0,
        (Some(wanted), _) if wanted < objectives => wanted,
        _ => return Err(RecordedError::Objective { path: path.to_owned(), objectives }),
    };
    if study.trials.is_empty() {
        return Err(RecordedError::NoTrials { path: path.to_owned() });
    }
    let direction = study.directions[objective];
    let mut notes = Vec::new();
    let parameters = parameters(study, &mut notes);
    if parameters.is_empty() {
        return Err(RecordedError::NoParameters { path: path.to_owned() });
    }
    let mut unfinished = 0;
    let mut rows = Vec::new();
    for trial in &study.trials {
        match outcome(trial, objective, direction) {
            Some(outcome) => rows.push(row(trial, outcome, &parameters, direction)),
            None => unfinished += 1,
        }
    }
    if unfinished > 0 {
        notes.push(format!("{unfinished} trials are waiting or running and are left out"));
    }
    let manifest = manifest_beside(path);
    let by_populations = manifest.as_ref().is_some_and(|m| m["settings"]["scheduler"] == "pbt");
    let is_exploit = |trial: &JournalTrial| {
        trial.user_attributes.get(RESUMED).is_some_and(serde_json::Value::is_object)
    };
    if by_populations || study.trials.iter().any(is_exploit) {
        notes.push(
            "population-based training changed hyperparameters while trials ran, and a journal has those that they began \
             with: results stand beside values that they are not owed to, so importances say little"
                .to_owned(),
        );
    }
    let target = match objectives {
        1 => manifest.as_ref().and_then(|m| m["settings"]["metric"].as_str()).unwrap_or("value"),
        _ => "value",
    };
    let target = match objectives {
        1 => target.to_owned(),
        _ => format!("objective {objective}"),
    };
    let (sampler, adaptive) = sampler(manifest.as_ref());
    Ok(Recorded {
        observations: Observations { parameters, rows },
        source: path.display().to_string(),
        target,
        direction,
        adaptive,
        sampler,
        manifest,
        notes,
    })
}

fn chosen<'a>(
    path: &Path,
    studies: &'a [JournalStudy],
    wanted: Option<&str>,
) -> Result<&'a JournalStudy, RecordedError> {
    let found = match (wanted, studies) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), _) => studies.iter().find(|study| study.name == name),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = studies.iter().map(|study| study.name.as_str()).collect();
        RecordedError::Study {
            path: path.to_owned(),
            wanted: wanted.unwrap_or("NAME").to_owned(),
            known: if names.is_empty() { "no study".to_owned() } else { names.join(", ") },
        }
    })
}

/// All hyperparameters in the order in which they first appear, each with a distribution that holds
/// those of all trials.
fn parameters(study: &JournalStudy, notes: &mut Vec<String>) -> Vec<Parameter> {
    let mut parameters: Vec<(Parameter, bool)> = Vec::new();
    let mut mixed: Vec<String> = Vec::new();
    for recorded in study.trials.iter().flat_map(|trial| &trial.parameters) {
        let distribution: &Distribution = &recorded.distribution;
        let known = parameters.iter_mut().find(|(known, _)| known.name == recorded.name);
        let Some((known, grew)) = known else {
            let (name, distribution) = (recorded.name.clone(), distribution.clone());
            parameters.push((Parameter { name, distribution }, false));
            continue;
        };
        if known.distribution == *distribution {
            continue;
        }
        match hull(&known.distribution, distribution) {
            Some(hull) => (known.distribution, *grew) = (hull, true),
            None if mixed.contains(&recorded.name) => {}
            None => mixed.push(recorded.name.clone()),
        }
    }
    for name in &mixed {
        notes.push(format!("{name} has distributions of different kinds and is left out"));
    }
    for (parameter, _) in parameters.iter().filter(|(_, grew)| *grew) {
        notes.push(format!(
            "{} was drawn from different boxes; importance is in the box that holds them all, {}",
            parameter.name,
            parameter.distribution.describe()
        ));
    }
    let kept = parameters.into_iter().filter(|(p, _)| !mixed.contains(&p.name));
    kept.map(|(parameter, _)| parameter).collect()
}

/// How a trial ended, as a loss; none while it has not.
fn outcome(trial: &JournalTrial, objective: usize, direction: Direction) -> Option<Outcome> {
    let finite = |value: f64| value.is_finite().then(|| direction.loss(value));
    Some(match trial.state? {
        TrialState::Running => return None,
        TrialState::Complete => match trial.values.get(objective).copied().and_then(finite) {
            Some(loss) => Outcome::Complete(loss),
            // Optuna lets a complete trial be infinite.
            None => Outcome::Diverged,
        },
        TrialState::Pruned => {
            let last = trial.last_report().map(|(_, value)| value);
            match last.or(trial.values.get(objective).copied()) {
                // A pruner stops what reports no number.
                Some(value) if !value.is_finite() => Outcome::Diverged,
                last => Outcome::Pruned(last.and_then(finite)),
            }
        }
        TrialState::Diverged => Outcome::Diverged,
        TrialState::Failed => Outcome::Failed,
    })
}

fn row(
    trial: &JournalTrial,
    outcome: Outcome,
    parameters: &[Parameter],
    direction: Direction,
) -> Row {
    let value = |parameter: &Parameter| {
        let recorded = trial.parameter(&parameter.name)?;
        // Choices may be listed in another order; numbers are themselves.
        match &parameter.distribution {
            Distribution::Categorical { .. } => {
                parameter.distribution.internal(&recorded.external())
            }
            _ => Some(recorded.value),
        }
    };
    let reports = trial.intermediate.iter().filter(|(_, value)| value.is_finite());
    Row {
        trial: trial.number,
        values: parameters.iter().map(value).collect(),
        outcome,
        reports: reports.map(|(step, value)| (*step, direction.loss(*value))).collect(),
    }
}
