//! Distributions as Optuna writes them: a JSON text of their own inside a record.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::number::{Real, as_real, number, parse};
use crate::search::space::{Choice, Distribution};

/// Distributions by their text: a study has few, and thousands of records name them.
pub(super) type Known = HashMap<String, Arc<Distribution>>;

#[derive(Deserialize)]
struct Named {
    name: String,
    attributes: Attributes,
}

/// The attributes of all kinds, those of older versions of Optuna included.
#[derive(Deserialize)]
struct Attributes {
    low: Option<Real>,
    high: Option<Real>,
    step: Option<Real>,
    q: Option<Real>,
    #[serde(default)]
    log: bool,
    choices: Option<Vec<Value>>,
}

/// The distribution that `text` describes.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn read(text: &str, known: &mut Known) -> Result<Arc<Distribution>, String> {
    if let Some(distribution) = known.get(text) {
        return Ok(distribution.clone());
    }
    let (named, _) =
        parse::<Named>(text.as_bytes()).map_err(|error| format!("distribution {text}: {error}"))?;
    let distribution = build(&named).map_err(|reason| format!("distribution {text}: {reason}"))?;
    let distribution = Arc::new(distribution);
    known.insert(text.to_owned(), distribution.clone());
    Ok(distribution)
}

fn build(Named { name, attributes }: &Named) -> Result<Distribution, String> {
    let real = |value: Option<Real>, name| {
        value.map(|value| value.0).ok_or_else(|| format!("it has no `{name}`"))
    };
    let bounds = || Ok::<_, String>((real(attributes.low, "low")?, real(attributes.high, "high")?));
    let whole = |value: f64| value as i64;
    match name.as_str() {
        "FloatDistribution"
        | "UniformDistribution"
        | "LogUniformDistribution"
        | "DiscreteUniformDistribution" => {
            let (low, high) = bounds()?;
            let log = attributes.log || name == "LogUniformDistribution";
            let step = attributes.step.or(attributes.q).map(|step| step.0);
            Ok(Distribution::Float { low, high, log, step })
        }
        "IntDistribution" | "IntUniformDistribution" | "IntLogUniformDistribution" => {
            let (low, high) = bounds()?;
            let log = attributes.log || name == "IntLogUniformDistribution";
            let step = attributes.step.map_or(1, |step| whole(step.0)).max(1);
            Ok(Distribution::Int { low: whole(low), high: whole(high), log, step })
        }
        "CategoricalDistribution" => {
            let choices = attributes.choices.as_ref().ok_or("it has no `choices`")?;
            Ok(Distribution::Categorical { choices: choices.iter().map(choice).collect() })
        }
        _ => Err("its name is unknown".to_owned()),
    }
}

/// A choice of Optuna's; its `None` becomes the word, as choices here are never nothing.
pub(super) fn choice(value: &Value) -> Choice {
    match value {
        Value::Null => Choice::Text("None".to_owned()),
        Value::Bool(value) => Choice::Bool(*value),
        Value::Number(number) if number.is_i64() => Choice::Int(number.as_i64().unwrap_or(0)),
        _ => match (as_real(value), value) {
            (Some(number), _) => Choice::Float(number),
            (None, Value::String(text)) => Choice::Text(text.clone()),
            (None, other) => Choice::Text(other.to_string()),
        },
    }
}

/// The text that Optuna reads as `distribution`. A normal one becomes the uniform one over its
/// range, as Optuna has none; the last level of a stepped one becomes its upper end, as in Optuna.
pub(super) fn write(distribution: &Distribution) -> String {
    let ends = |low: f64, high: f64, log: bool, step: Option<f64>| {
        let step = step.map_or("null".to_owned(), number);
        let (low, high) = (number(low), number(high));
        format!(
            r#"{{"name": "FloatDistribution", "attributes": {{"step": {step}, "low": {low}, "high": {high}, "log": {log}}}}}"#
        )
    };
    match distribution {
        Distribution::Float { low, high, log, step } => {
            let last = step.zip(distribution.levels()).map(|(step, levels)| {
                let last = low + (levels - 1) as f64 * step;
                if (last - high).abs() < 1e-9 * step {
                    return *high;
                }
                // Steps are decimal numbers: 0.1 + 3 · 0.1 means 0.4.
                format!("{last:.12e}").parse().unwrap_or(last)
            });
            ends(*low, last.unwrap_or(*high), *log, *step)
        }
        Distribution::Normal { mean, sd } => {
            let half = Distribution::NORMAL_CUT * sd;
            ends(mean - half, mean + half, false, None)
        }
        Distribution::Int { low, high, log, step } => {
            let high = high - (high - low) % (*step).max(1);
            format!(
                r#"{{"name": "IntDistribution", "attributes": {{"log": {log}, "step": {step}, "low": {low}, "high": {high}}}}}"#
            )
        }
        Distribution::Categorical { choices } => {
            let choices: Vec<String> = choices
                .iter()
                .map(|choice| match choice {
                    Choice::Float(value) => number(*value),
                    Choice::Text(text) => Value::from(text.as_str()).to_string(),
                    Choice::Bool(_) | Choice::Int(_) => choice.to_string(),
                })
                .collect();
            format!(
                r#"{{"name": "CategoricalDistribution", "attributes": {{"choices": [{}]}}}}"#,
                choices.join(", ")
            )
        }
    }
}

/// Whether two distributions may belong to one hyperparameter: Optuna drops records where the
/// kind, the logarithm or the choices differ from those of earlier trials.
pub(super) fn compatible(one: &Distribution, other: &Distribution) -> bool {
    use Distribution::{Categorical, Float, Int, Normal};
    match (one, other) {
        (Categorical { choices: one }, Categorical { choices: other }) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same_choice(a, b))
        }
        (Int { log: one, .. }, Int { log: other, .. }) => one == other,
        (Float { .. } | Normal { .. }, Float { .. } | Normal { .. }) => {
            let log = |distribution: &_| matches!(distribution, Float { log: true, .. });
            log(one) == log(other)
        }
        _ => false,
    }
}

/// Whether two choices are one value; numbers compare as numbers, whatever their kind.
pub(super) fn same_choice(one: &Choice, other: &Choice) -> bool {
    let number = |choice: &Choice| match choice {
        Choice::Int(value) => Some(*value as f64),
        Choice::Float(value) => Some(*value),
        _ => None,
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one == other || one.is_nan() && other.is_nan(),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_survive() {
        let choices = vec![
            Choice::Text("a \"NaN\" é".into()),
            Choice::Int(-4),
            Choice::Float(4.0),
            Choice::Float(f64::INFINITY),
            Choice::Bool(true),
        ];
        for distribution in [
            Distribution::Float { low: 1e-5, high: 0.1, log: true, step: None },
            Distribution::Float { low: 0.1, high: 0.9, log: false, step: Some(0.1) },
            Distribution::Float { low: -1.0, high: f64::INFINITY, log: false, step: None },
            Distribution::Int { low: 1, high: 1000, log: true, step: 1 },
            Distribution::Int { low: -2, high: 7, log: false, step: 3 },
            Distribution::Categorical { choices },
        ] {
            let mut known = Known::new();
            let text = write(&distribution);
            assert_eq!(*read(&text, &mut known).unwrap(), distribution, "{text}");
            assert_eq!(*read(&text, &mut known).unwrap(), distribution, "from the cache");
            assert!(compatible(&distribution, &distribution));
        }
    }

    #[test]
    fn ranges_end_where_the_values_do() {
        let read = |distribution: &Distribution| {
            (*read(&write(distribution), &mut Known::new()).unwrap()).clone()
        };
        let normal = Distribution::Normal { mean: 2.0, sd: 0.5 };
        let range = Distribution::Float { low: -0.5, high: 4.5, log: false, step: None };
        assert_eq!(read(&normal), range);
        assert!(compatible(&normal, &range));
        let stepped = Distribution::Float { low: 0.1, high: 0.45, log: false, step: Some(0.1) };
        let shorter = Distribution::Float { low: 0.1, high: 0.4, log: false, step: Some(0.1) };
        assert_eq!(read(&stepped), shorter);
        let stepped = Distribution::Int { low: 0, high: 10, log: false, step: 4 };
        assert_eq!(read(&stepped), Distribution::Int { low: 0, high: 8, log: false, step: 4 });
    }

    #[test]
    fn texts_of_old_and_new_versions() {
        let mut known = Known::new();
        let old = r#"{"name": "LogUniformDistribution", "attributes": {"low": 1, "high": 2}}"#;
        let float = Distribution::Float { low: 1.0, high: 2.0, log: true, step: None };
        assert_eq!(*read(old, &mut known).unwrap(), float);
        let old =
            r#"{"name": "DiscreteUniformDistribution", "attributes": {"low":0,"high":1,"q":0.5}}"#;
        let float = Distribution::Float { low: 0.0, high: 1.0, log: false, step: Some(0.5) };
        assert_eq!(*read(old, &mut known).unwrap(), float);
        for (text, word) in [
            (r#"{"name": "FloatDistribution", "attributes": {"low": 1}}"#, "high"),
            (r#"{"name": "CategoricalDistribution", "attributes": {}}"#, "choices"),
            (r#"{"name": "Cauchy", "attributes": {}}"#, "unknown"),
            ("{", "EOF"),
        ] {
            let error = read(text, &mut known).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let linear = Distribution::Float { low: 1.0, high: 2.0, log: false, step: None };
        let log = Distribution::Float { low: 1.0, high: 2.0, log: true, step: None };
        assert!(!compatible(&linear, &log));
        assert!(!compatible(&linear, &Distribution::Int { low: 1, high: 2, log: false, step: 1 }));
    }
}
