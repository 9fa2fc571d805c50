//! Analytic functions as objectives of a search.

use std::time::Instant;

use rand::RngExt;

use super::DUMMY;
use super::function::{Function, UnknownFunction, function};
use crate::random::{self, Purpose, stream};
use crate::search::space::{Choice, Configuration, Parameter, Space};
use crate::search::{Command, Direction, Ending, Objective, ObjectiveError, Step, Task};

/// Height of the learning curves at their start.
const CURVE: f64 = 1.0;

/// An analytic function, perhaps with noise and with learning curves.
///
/// At step t of T it reports `f(x) + h (e^{−3t/T} − e^{−3}) + noise`: the height h in [0, 1) and the
/// normal noise of each step come from the trial's seed, so that schedulers have something to decide
/// on. With one step and without noise it reports f(x).
#[derive(Debug)]
pub struct FunctionObjective {
    function: Function,
    steps: u64,
    noise: f64,
}

impl FunctionObjective {
    /// What a function reports.
    pub const METRICS: &[(&str, Direction)] = &[("value", Direction::Minimize)];

    /// The function called `name`, reporting `steps` times, with noise of this standard deviation.
    ///
    /// # Errors
    /// When there is no such function (the message lists those that there are).
    pub fn new(name: &str, steps: u64, noise: f64) -> Result<Self, UnknownFunction> {
        Ok(Self { function: function(name)?, steps, noise })
    }

    /// The function's own space.
    pub fn space(&self) -> Space {
        self.function.space()
    }

    /// Checks that `space` has the function's arguments and, but for dummies, no others.
    ///
    /// # Errors
    /// When it does not; the message names the hyperparameter.
    pub fn check_space(&self, space: &Space) -> Result<(), ObjectiveError> {
        let own = self.space();
        let names: Vec<_> = own.parameters.iter().map(|p| p.name.clone()).collect();
        let is_strange =
            |p: &&Parameter| own.parameter(&p.name).is_none() && !p.name.starts_with(DUMMY);
        let stranger = space.parameters.iter().find(is_strange);
        if let Some(stranger) = stranger {
            let name = &stranger.name;
            let known = names.join(", ");
            return Err(format!("the function has no argument {name:?}; it has {known}").into());
        }
        for name in &names {
            let found = space.parameter(name).filter(|found| found.conditions.is_empty());
            if found.is_none() {
                return Err(format!("the function needs {name} in every configuration").into());
            }
        }
        Ok(())
    }

    /// The smallest value within the function's own bounds.
    pub fn minimum(&self) -> f64 {
        self.function.minimum()
    }

    /// The function's value under these arguments, without noise.
    ///
    /// # Errors
    /// When an argument is missing or outside the bounds.
    pub fn truth(&self, values: &[(String, Choice)]) -> Result<f64, ObjectiveError> {
        let own = self.space();
        let argument = |parameter: &Parameter| {
            let (_, value) = values.iter().find(|(known, _)| *known == parameter.name)?;
            Some((parameter.name.clone(), parameter.distribution.internal(value)?))
        };
        let at: Configuration = own.parameters.iter().filter_map(argument).collect();
        let value = self.function.at(&at);
        value.ok_or_else(|| "an argument is missing or outside the function's bounds".into())
    }
}

impl Objective for FunctionObjective {
    fn metrics(&self) -> &[(&'static str, Direction)] {
        Self::METRICS
    }

    fn evaluate(
        &self,
        task: &Task,
        report: &mut dyn FnMut(&Step) -> Command,
    ) -> Result<Ending, ObjectiveError> {
        let started = Instant::now();
        let value = self.truth(task.values)?;
        let height: f64 = stream(task.seed, Purpose::Noise, 0).random_range(0.0..CURVE);
        let first = match task.resume {
            Some(checkpoint) => std::fs::read_to_string(checkpoint)?.trim().parse::<u64>()?,
            None => 0,
        };
        for step in first + 1..=self.steps {
            let progress = step as f64 / self.steps as f64;
            let curve = height * ((-3.0 * progress).exp() - (-3.0f64).exp());
            let value = value + curve + self.noise * normal(task.seed, step);
            if !value.is_finite() {
                return Ok(Ending::Diverged);
            }
            let command = report(&Step {
                step,
                metrics: vec![("value", value)],
                images_trained: 0,
                seconds: started.elapsed().as_secs_f64(),
            });
            match command {
                Command::Continue => {}
                _ if step == self.steps => {}
                Command::Stop => return Ok(Ending::Stopped),
                Command::Pause => {
                    std::fs::write(task.checkpoint(step), step.to_string())?;
                    return Ok(Ending::Paused);
                }
            }
        }
        Ok(Ending::Complete)
    }
}

/// A standard normal number for a step of a trial.
fn normal(seed: u64, step: u64) -> f64 {
    let mut draws = stream(seed, Purpose::Noise, step);
    random::normal(draws.random(), draws.random())
}
