//! Recorded trials, and which of them count with what value.

use super::{FEWEST_TRIALS, ImportanceError, Options};
use crate::analysis::statistics::quantile;
use crate::search::space::Distribution;

/// Most choices of a hyperparameter: sets of choices are kept in 64 bits.
pub const MOST_CHOICES: usize = 64;

/// Recorded trials of one study, with losses: smaller is better.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observations {
    /// The hyperparameters.
    pub parameters: Vec<Parameter>,
    /// The trials, in the order in which they were run.
    pub rows: Vec<Row>,
}

/// A hyperparameter and what it was drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Box and measure: importance is a property of both.
    pub distribution: Distribution,
}

/// A trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its number in the study.
    pub trial: u64,
    /// Internal values in the order of the parameters; none where one is inactive or not recorded.
    pub values: Vec<Option<f64>>,
    /// How it ended.
    pub outcome: Outcome,
    /// Losses on the way, by epoch.
    pub reports: Vec<(u64, f64)>,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// With this loss.
    Complete(f64),
    /// Stopped early; its last loss, if it reported any.
    Pruned(Option<f64>),
    /// Its loss left the finite numbers.
    Diverged,
    /// Something broke that says nothing about the configuration.
    Failed,
}

/// A trial that counts: its place among the rows, and its target.
pub(super) type Target = (usize, f64);

impl Observations {
    /// Whether every value has a place in its distribution.
    pub fn check(&self) -> Result<(), ImportanceError> {
        if self.rows.is_empty() {
            return Err(ImportanceError::NoTrials);
        }
        if self.parameters.is_empty() {
            return Err(ImportanceError::NoParameters);
        }
        for (place, parameter) in self.parameters.iter().enumerate() {
            parameter.check()?;
            if self.parameters[..place].iter().any(|other| other.name == parameter.name) {
                return Err(ImportanceError::SameName { parameter: parameter.name.clone() });
            }
        }
        for row in &self.rows {
            if row.values.len() != self.parameters.len() {
                return Err(ImportanceError::Row {
                    trial: row.trial,
                    values: row.values.len(),
                    parameters: self.parameters.len(),
                });
            }
            for (parameter, value) in self.parameters.iter().zip(&row.values) {
                let Some(value) = *value else { continue };
                if let Some(fault) = parameter.fault(value) {
                    return Err(ImportanceError::Value {
                        trial: row.trial,
                        parameter: parameter.name.clone(),
                        value,
                        fault,
                    });
                }
            }
        }
        Ok(())
    }

    /// Trials that count with their losses, and what was done about the others, in words.
    ///
    /// Completed trials count with their loss. With `survivors_only` (Optuna's convention) they
    /// alone do. Otherwise a diverged trial counts as the worst completed one, and a pruned trial
    /// with its last loss, but as no better than the median and no worse than the worst of the
    /// completed ones: a scheduler stopped it as one of the worse, while its loss is that of an
    /// earlier epoch. Failed trials never count.
    pub(super) fn targets(
        &self,
        options: &Options,
    ) -> Result<(Vec<Target>, Vec<String>), ImportanceError> {
        let mut notes = Vec::new();
        let mut complete: Vec<f64> = self.rows.iter().filter_map(Row::loss).collect();
        if complete.is_empty() {
            return Err(ImportanceError::NoneComplete { trials: self.rows.len() });
        }
        complete.sort_by(f64::total_cmp);
        let (median, worst) = (quantile(&complete, 0.5), complete[complete.len() - 1]);
        let (mut strange, mut pruned, mut silent, mut diverged, mut failed) =
            (Vec::new(), 0, 0, 0, 0);
        let mut targets = Vec::new();
        for (place, row) in self.rows.iter().enumerate() {
            let loss = match row.outcome {
                Outcome::Complete(loss) if loss.is_finite() => Some(loss),
                Outcome::Complete(_) => {
                    strange.push(row.trial.to_string());
                    None
                }
                Outcome::Pruned(Some(loss)) if !loss.is_nan() => {
                    pruned += 1;
                    Some(loss.max(median).min(worst)).filter(|_| !options.survivors_only)
                }
                Outcome::Pruned(_) => {
                    silent += 1;
                    None
                }
                Outcome::Diverged => {
                    diverged += 1;
                    Some(worst).filter(|_| !options.survivors_only)
                }
                Outcome::Failed => {
                    failed += 1;
                    None
                }
            };
            targets.extend(loss.map(|loss| (place, loss)));
        }
        let mut note = |count: usize, text: &str| {
            if count > 0 {
                notes.push(format!("{} {text}", trials(count)));
            }
        };
        if options.survivors_only {
            note(pruned + silent, "pruned: left out, as Optuna does");
            note(diverged, "diverged: left out, as Optuna does");
        } else {
            note(pruned, "pruned: counted with the last loss, between median and worst complete");
            note(silent, "pruned without a loss: left out");
            note(diverged, "diverged: counted as the worst complete trial");
        }
        note(failed, "failed: left out");
        if !strange.is_empty() {
            let shown = strange.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            let more = if strange.len() > 5 { " and others" } else { "" };
            note(strange.len(), &format!("without a finite value: left out ({shown}{more})"));
        }
        if targets.len() < FEWEST_TRIALS {
            return Err(ImportanceError::TooFew { usable: targets.len(), least: FEWEST_TRIALS });
        }
        Ok((targets, notes))
    }
}

fn trials(count: usize) -> String {
    if count == 1 { "1 trial".into() } else { format!("{count} trials") }
}

impl Row {
    /// The loss of a completed trial, if it is a finite number.
    pub fn loss(&self) -> Option<f64> {
        match self.outcome {
            Outcome::Complete(loss) if loss.is_finite() => Some(loss),
            _ => None,
        }
    }

    /// The loss reported at an epoch; the last report counts where there are several.
    pub fn report(&self, epoch: u64) -> Option<f64> {
        self.reports.iter().rev().find(|(at, _)| *at == epoch).map(|(_, loss)| *loss)
    }
}

impl Parameter {
    /// Where an internal value lies in [0, 1]: in the declared measure, so that equal lengths are
    /// equally probable.
    pub fn position(&self, value: f64) -> f64 {
        self.distribution.position(value)
    }

    /// The value at a position, as a person would write it.
    pub fn setting(&self, position: f64) -> String {
        self.distribution.external(self.distribution.at(position)).short()
    }

    /// Whether the distribution has a measure at all.
    fn check(&self) -> Result<(), ImportanceError> {
        let fault = match &self.distribution {
            Distribution::Categorical { choices } if choices.len() > MOST_CHOICES => format!(
                "has {} choices, at most {MOST_CHOICES} can be told apart; join some of them, or \
                 search numbers as whole numbers",
                choices.len()
            ),
            Distribution::Categorical { choices } if choices.is_empty() => {
                "has no choices; give it some".into()
            }
            Distribution::Float { low, high, .. } if !(low <= high && (high - low).is_finite()) => {
                format!("has the range {low} to {high}; give a finite one, low to high")
            }
            Distribution::Float { low, log: true, .. } if *low <= 0.0 => {
                format!("has a logarithm from {low} up; let it begin above 0")
            }
            Distribution::Float { step: Some(step), .. } if step.is_nan() || *step <= 0.0 => {
                format!("has the step {step}; give one above 0")
            }
            Distribution::Int { low, high, .. } if low > high => {
                format!("has the range {low} to {high}; give it low to high")
            }
            Distribution::Int { low, log: true, .. } if *low < 1 => {
                format!("has a logarithm from {low} up; let it begin at 1 or above")
            }
            Distribution::Int { step, .. } if *step < 1 => {
                format!("has the step {step}; give one above 0")
            }
            Distribution::Normal { mean, sd } if !(mean.is_finite() && sd.is_finite()) => {
                "has no finite mean and deviation; give it some".into()
            }
            _ => return Ok(()),
        };
        Err(ImportanceError::Distribution { parameter: self.name.clone(), fault })
    }

    /// What is wrong with a value, if anything. Numbers outside the range are allowed: studies
    /// enqueue such, and ranges change; they count as its ends.
    fn fault(&self, value: f64) -> Option<&'static str> {
        match &self.distribution {
            _ if !value.is_finite() => Some("not a finite number"),
            Distribution::Categorical { choices }
                if value.fract() != 0.0 || !(0.0..choices.len() as f64).contains(&value) =>
            {
                Some("not the index of a choice")
            }
            Distribution::Float { log: true, .. } | Distribution::Int { log: true, .. }
                if value <= 0.0 =>
            {
                Some("not above 0, where its logarithm ends")
            }
            _ => None,
        }
    }
}
