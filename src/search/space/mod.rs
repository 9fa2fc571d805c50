//! Search spaces: hyperparameters, the distributions they are drawn from, and when they exist.
//!
//! A hyperparameter's value is an `f64` inside the search: the number itself, or the index of a
//! choice. So samplers know one kind of value, the journal stores it as Optuna does, and only
//! [`Distribution::external`] knows what a person wrote.

mod argument;
mod condition;
mod describe;
mod distribution;
mod error;
mod group;
mod parse;
mod point;
mod source;
#[cfg(test)]
mod tests;
mod value;

pub use distribution::{Choice, Distribution, short};
pub use error::{SpaceError, SpaceFault};
pub use group::{Group, Groups, NoGroups};

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// A value for each active hyperparameter, in the order of the space.
///
/// Values are internal: numbers as they are, choices by their index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration(Vec<(String, f64)>);

impl Configuration {
    /// The value of the hyperparameter called `name`, if it is active.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Sets a value; a new name goes to the end.
    pub fn set(&mut self, name: &str, value: f64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Number of active hyperparameters.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no hyperparameter is active.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, f64)> for Configuration {
    fn from_iter<I: IntoIterator<Item = (String, f64)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// One searched quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name, unique in the space.
    pub name: String,
    /// What it is drawn from.
    pub distribution: Distribution,
    /// It exists only where all of these hold.
    pub conditions: Vec<Condition>,
    /// Internal value to start from, if the space names one.
    pub default: Option<f64>,
}

impl Parameter {
    /// One that is uniform in [0, 1], without conditions and default.
    pub fn unit(name: &str) -> Self {
        let distribution = Distribution::Float { low: 0.0, high: 1.0, log: false, step: None };
        Self { name: name.to_owned(), distribution, conditions: Vec::new(), default: None }
    }

    /// Where somebody would start: its default if it has one that fits, else the middle of its box.
    pub fn start(&self) -> f64 {
        let default = self.default.filter(|value| self.distribution.contains(*value));
        default.unwrap_or_else(|| self.distribution.at(0.5))
    }
}

/// A hyperparameter exists only while an earlier one has one of some values.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Name of the earlier hyperparameter.
    pub parameter: String,
    /// Its internal values that allow the later one.
    pub values: Vec<f64>,
}

/// What is searched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    /// Hyperparameters; conditions refer to earlier ones only.
    pub parameters: Vec<Parameter>,
    /// Configurations to try first, whole or in part: what they leave open the sampler fills in.
    pub points: Vec<Configuration>,
    /// Parameters that belong together: the coefficients of schemes of per-layer rates.
    pub groups: Vec<Group>,
}

impl Space {
    /// The hyperparameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Whether `parameter` exists beside the values that `configuration` has for earlier ones.
    pub fn is_active(&self, parameter: &Parameter, configuration: &Configuration) -> bool {
        parameter.conditions.iter().all(|condition| {
            let value = configuration.get(&condition.parameter);
            value.is_some_and(|value| condition.values.contains(&value))
        })
    }

    /// The values of a configuration as a person writes them; what the space does not know is left
    /// out.
    pub fn values(&self, configuration: &Configuration) -> Vec<(String, Choice)> {
        let external = |(name, value): (&str, f64)| {
            let distribution = &self.parameter(name)?.distribution;
            Some((name.to_owned(), distribution.external(value)))
        };
        configuration.iter().filter_map(external).collect()
    }

    /// The space as a run's manifest records it.
    pub fn settings(&self) -> serde_json::Value {
        let entry = |parameter: &Parameter| {
            let mut entry = parameter.distribution.settings();
            let conditions = parameter.conditions.iter().map(|condition| {
                let parent = self.parameter(&condition.parameter);
                let external = |value: &f64| parent.map(|p| p.distribution.external(*value));
                let values: Vec<_> = condition.values.iter().filter_map(external).collect();
                (condition.parameter.clone(), serde_json::json!(values))
            });
            if !parameter.conditions.is_empty() {
                entry["when"] = conditions.collect();
            }
            (parameter.name.clone(), entry)
        };
        self.parameters.iter().map(entry).collect()
    }

    /// Builds a configuration by asking `value` for every hyperparameter that is active, in order.
    pub fn configure(
        &self,
        mut value: impl FnMut(&Parameter, &Configuration) -> f64,
    ) -> Configuration {
        let mut configuration = Configuration::default();
        for parameter in &self.parameters {
            if self.is_active(parameter, &configuration) {
                let value = value(parameter, &configuration);
                configuration.set(&parameter.name, value);
            }
        }
        configuration
    }

    /// The configuration at `positions` in [0, 1], one for each hyperparameter in the order of the
    /// space; those of inactive ones are passed over, and missing ones are the middle.
    pub fn at(&self, positions: &[f64]) -> Configuration {
        let mut positions = self.parameters.iter().map(|p| p.name.as_str()).zip(positions);
        // Inactive hyperparameters are passed over: both run in the space's order.
        self.configure(|parameter, _| {
            let position = positions.find(|(name, _)| *name == parameter.name);
            parameter.distribution.at(position.map_or(0.5, |(_, position)| *position))
        })
    }

    /// A configuration drawn at random, a position for each hyperparameter.
    pub fn draw(&self, draws: &mut impl Rng) -> Configuration {
        let positions: Vec<f64> = self.parameters.iter().map(|_| draws.random()).collect();
        self.at(&positions)
    }

    /// Where somebody would start: see [`Parameter::start`].
    pub fn start(&self) -> Configuration {
        self.configure(|parameter, _| parameter.start())
    }

    /// Whether `configuration` has a value inside its distribution for exactly the active
    /// hyperparameters.
    pub fn contains(&self, configuration: &Configuration) -> bool {
        let mut active = 0;
        for parameter in &self.parameters {
            let value = configuration.get(&parameter.name);
            match (self.is_active(parameter, configuration), value) {
                (true, Some(value)) if parameter.distribution.contains(value) => active += 1,
                (false, None) => {}
                _ => return false,
            }
        }
        active == configuration.len()
    }
}
