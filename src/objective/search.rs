//! The CNN as an objective of a search: hyperparameters in, a report each epoch out.

use std::sync::atomic::AtomicBool;

use super::cnn::train;
use super::{Base, EpochTables, TrialError};
use crate::search::space::{Choice, Distribution, Space};
use crate::search::{Command, Direction, Ending, Objective, ObjectiveError, Step, Task};
use crate::train::{RunInputs, TrainingRun};

/// Trains a CNN under the hyperparameters of a trial.
#[derive(Debug)]
pub struct CnnObjective<'a> {
    inputs: RunInputs<'a>,
    base: Base,
    tables: &'a EpochTables,
}

/// Trials end between epochs only, where they can be saved.
static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> CnnObjective<'a> {
    /// What it reports: loss and accuracy on the validation images, and means over the training
    /// batches.
    pub const METRICS: &'static [(&'static str, Direction)] = &[
        ("loss", Direction::Minimize),
        ("accuracy", Direction::Maximize),
        ("train_loss", Direction::Minimize),
        ("train_accuracy", Direction::Maximize),
    ];

    /// An objective that records its epochs in `tables`; `inputs` give the data and the device.
    pub fn new(inputs: RunInputs<'a>, base: Base, tables: &'a EpochTables) -> Self {
        Self { inputs, base, tables }
    }

    /// Loss and accuracy on the test images of a trial that is trained again to its end: the same
    /// seed gives the same model.
    ///
    /// # Errors
    /// When the trial cannot run.
    pub fn test(
        &self,
        values: &[(String, Choice)],
        seed: u64,
        go_on: impl Fn() -> bool,
    ) -> Result<Option<crate::train::Evaluation>, ObjectiveError> {
        let (net, settings) = self.base.resolve(values, seed)?;
        let mut run = TrainingRun::new(
            RunInputs { net: net.as_ref(), stop: &NEVER, ..self.inputs },
            settings,
        )?;
        let ending =
            train(&mut run, |_, _| Ok(if go_on() { Command::Continue } else { Command::Stop }))?;
        Ok((ending == Ending::Complete).then(|| run.test()))
    }
}

/// Checks that the net has every hyperparameter of `space` and takes its extreme values and one between.
///
/// # Errors
/// When it does not; the message names the hyperparameter.
pub fn check_space(base: &Base, space: &Space) -> Result<(), ObjectiveError> {
    let middle = space.start();
    for parameter in &space.parameters {
        let extremes: Vec<f64> = match &parameter.distribution {
            Distribution::Categorical { choices } => (0..choices.len()).map(|i| i as f64).collect(),
            // The one between shows whether a range of numbers has any that are not whole.
            distribution => [0.0, 0.37, 1.0].map(|at| distribution.at(at)).to_vec(),
        };
        for extreme in extremes {
            let mut values = space.values(&middle);
            let value = parameter.distribution.external(extreme);
            match values.iter_mut().find(|(name, _)| *name == parameter.name) {
                Some((_, slot)) => *slot = value,
                None => values.push((parameter.name.clone(), value)),
            }
            let (_, settings) = base.resolve(&values, 0)?;
            let [epochs, most] = [settings.epochs, base.settings.epochs];
            if epochs > most {
                return Err(format!(
                    "hyperparameter epochs goes up to {epochs}, and a trial gets {most} (--epochs): give more epochs, \
                     or a space with fewer"
                )
                .into());
            }
        }
    }
    Ok(())
}

impl Objective for CnnObjective<'_> {
    fn metrics(&self) -> &[(&'static str, Direction)] {
        Self::METRICS
    }

    fn rates(&self, values: &[(String, Choice)]) -> Result<Vec<(String, f64)>, ObjectiveError> {
        let (_, settings) = self.base.resolve(values, 0)?;
        Ok(settings.rates.iter().map(|(layer, rate)| (layer.to_owned(), rate)).collect())
    }

    fn evaluate(
        &self,
        task: &Task,
        report: &mut dyn FnMut(&Step) -> Command,
    ) -> Result<Ending, ObjectiveError> {
        let (net, settings) = self.base.resolve(task.values, task.seed)?;
        let inputs = RunInputs { net: net.as_ref(), stop: &NEVER, ..self.inputs };
        let mut run = TrainingRun::new(inputs, settings)?;
        if let Some(checkpoint) = task.resume {
            run.resume(checkpoint)?;
        }
        let ending = train(&mut run, |run, epoch| {
            self.tables.epoch(task.trial, epoch)?;
            let Some(validation) = epoch.validation.filter(|at| at.loss.is_finite()) else {
                return Ok(Command::Continue);
            };
            let command = report(&Step {
                step: epoch.progress.epochs,
                metrics: vec![
                    ("loss", validation.loss),
                    ("accuracy", validation.accuracy),
                    ("train_loss", epoch.train.loss),
                    ("train_accuracy", epoch.train.accuracy),
                ],
                images_trained: epoch.progress.images_trained,
                seconds: epoch.progress.seconds,
            });
            if command == Command::Pause {
                run.save_checkpoint(&task.checkpoint(epoch.progress.epochs))?;
            }
            Ok(command)
        });
        ending.map_err(|error: TrialError| error.into())
    }
}
