//! Spaces in words.

use super::{Choice, Condition, Distribution, Space};

impl Space {
    /// The hyperparameters for people: a line each with name, distribution, default and
    /// condition, in columns.
    pub fn describe(&self) -> Vec<String> {
        let width = self.parameters.iter().map(|parameter| parameter.name.len()).max();
        let width = width.unwrap_or(0);
        let lines = self.parameters.iter().map(|parameter| {
            let mut line =
                format!("{:width$}  {}", parameter.name, parameter.distribution.describe());
            if let Some(default) = parameter.default {
                let default = parameter.distribution.external(default);
                line += &format!(", starts at {}", in_words(&default));
            }
            let conditions: Vec<_> =
                parameter.conditions.iter().map(|condition| self.condition(condition)).collect();
            if !conditions.is_empty() {
                line += &format!(", where {}", conditions.join(" and "));
            }
            line
        });
        lines.collect()
    }

    /// A condition in words.
    pub(super) fn condition(&self, condition: &Condition) -> String {
        let values =
            condition.values.iter().map(|&value| match self.parameter(&condition.parameter) {
                Some(parent) => in_words(&parent.distribution.external(value)),
                None => format!("{value:?}"),
            });
        let values: Vec<_> = values.collect();
        format!("{} is {}", condition.parameter, values.join(" or "))
    }
}

impl Distribution {
    /// The distribution for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Float { low, high, log: true, .. } => {
                format!("log-uniform in [{low:?}, {high:?}]")
            }
            Self::Float { low, high, step: Some(step), .. } => {
                format!("uniform in [{low:?}, {high:?}] in steps of {step:?}")
            }
            Self::Float { low, high, .. } => format!("uniform in [{low:?}, {high:?}]"),
            Self::Int { low, high, log: true, .. } => {
                format!("log-uniform whole numbers from {low} to {high}")
            }
            Self::Int { low, high, step: 1, .. } => format!("whole numbers from {low} to {high}"),
            Self::Int { low, high, step, .. } => {
                format!("whole numbers from {low} to {high} in steps of {step}")
            }
            Self::Normal { mean, sd } => {
                format!("normal with mean {mean:?} and standard deviation {sd:?}")
            }
            Self::Categorical { choices } => match &choices[..] {
                [only] => format!("always {}", in_words(only)),
                _ => {
                    let choices: Vec<_> = choices.iter().map(in_words).collect();
                    format!("one of {}", choices.join(", "))
                }
            },
        }
    }
}

/// A value as it stands in a space file.
pub(super) fn in_words(value: &Choice) -> String {
    match value {
        Choice::Text(text) => format!("{text:?}"),
        // With an exponent where that is shorter, unlike `Display`.
        Choice::Float(value) => format!("{value:?}"),
        other => other.to_string(),
    }
}
