//! What figures take from `manifest.json`: what was run, on what, and what was searched.

use serde_json::Value;

/// The parts of `manifest.json` that figures name; empty where not recorded.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The binary that wrote the tables.
    pub experiment: String,
    /// What the images are.
    pub dataset: String,
    /// The network.
    pub net: String,
    /// What it ran on.
    pub device: String,
    /// The preset of the experiment.
    pub preset: String,
    /// Momentum of plain SGD with momentum; none with another optimiser.
    pub momentum: Option<f64>,
    /// What was searched; of use where the run is one search.
    pub search: SearchSettings,
    /// The index of a sweep's dummy, by which what matters is told from noise.
    pub noise_floor: Option<f64>,
    /// Whether noise is taken out of the indices, so that 0 is within the interval of one without effect.
    pub noise_is_taken_out: bool,
}

/// The settings of one search.
#[derive(Clone, Debug, Default)]
pub struct SearchSettings {
    /// What is searched by.
    pub metric: Metric,
    /// Name of the value where it is none of ours, such as the column of a table.
    pub target: String,
    /// Whether greater values of the metric are better.
    pub maximize: bool,
    /// What proposed the configurations.
    pub sampler: String,
    /// What stopped trials early.
    pub scheduler: String,
    /// `cnn`, or the name of an analytic function.
    pub objective: String,
    /// The hyperparameters, in no order that matters.
    pub space: Vec<Parameter>,
}

/// The measure that a search minimises or maximises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// Mean loss on the validation images, in nats.
    Loss,
    /// Accuracy on the validation images, a fraction.
    Accuracy,
    /// The value of an objective without a data set.
    #[default]
    Value,
}

/// A hyperparameter of the space.
#[derive(Clone, Debug, Default)]
pub struct Parameter {
    /// Name, as in the column `hp.<name>`.
    pub name: String,
    /// `float`, `int`, `categorical` or `normal`.
    pub kind: String,
    /// Whether it is searched by its logarithm.
    pub log: bool,
    /// Ends of its box, where it has one.
    pub range: Option<(f64, f64)>,
    /// Choices as written in the tables.
    pub choices: Vec<String>,
}

impl Manifest {
    /// The manifest is another module's: any part may be missing, or a name instead of an object.
    pub(super) fn from_json(json: &Value) -> Self {
        let text = |key: &str, inner: &str| text(&json[key], inner);
        Self {
            experiment: text("experiment", "name"),
            dataset: text("dataset", "description"),
            net: text("net", "name"),
            device: text("device", "name"),
            preset: text("preset", "name"),
            momentum: momentum(&json["settings"]["optimizer"]),
            search: SearchSettings::from_json(&json["settings"]),
            noise_floor: json["outcome"]["noise_floor"].as_f64(),
            noise_is_taken_out: json["outcome"]["noise_is_taken_out"].as_bool() == Some(true),
        }
    }
}

impl SearchSettings {
    fn from_json(json: &Value) -> Self {
        let metric = match text(&json["metric"], "name").as_str() {
            "loss" => Metric::Loss,
            "accuracy" => Metric::Accuracy,
            _ => Metric::Value,
        };
        let maximize = match text(&json["direction"], "name").as_str() {
            "maximize" => true,
            "minimize" => false,
            _ => metric == Metric::Accuracy,
        };
        let space = json["space"].as_object();
        let parameters = space.into_iter().flatten();
        Self {
            metric,
            target: text(&json["target"], "name"),
            maximize,
            sampler: text(&json["sampler"], "name"),
            scheduler: text(&json["scheduler"], "name"),
            objective: text(&json["objective"], "name"),
            space: parameters.map(|(name, json)| Parameter::from_json(name, json)).collect(),
        }
    }
}

impl Parameter {
    fn from_json(name: &str, json: &Value) -> Self {
        let ends = json["low"].as_f64().zip(json["high"].as_f64());
        let choices = json["choices"].as_array();
        let words = |choice: &Value| match choice {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self {
            name: name.to_owned(),
            kind: text(&json["kind"], "name"),
            log: json["log"].as_bool().unwrap_or(false),
            range: ends.filter(|(low, high)| low.is_finite() && low <= high && high.is_finite()),
            choices: choices.into_iter().flatten().map(words).collect(),
        }
    }
}

/// The momentum of SGD, where `optimizer` describes that.
fn momentum(optimizer: &Value) -> Option<f64> {
    let is_sgd = optimizer["method"].as_str() == Some("sgd");
    optimizer["momentum"].as_f64().filter(|m| is_sgd && (0.0..1.0).contains(m))
}

/// A string, or the string called `inner` of an object; else empty.
fn text(value: &Value, inner: &str) -> String {
    value.as_str().or_else(|| value[inner].as_str()).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_part_may_be_missing_or_bare() {
        let bare = Manifest::from_json(&Value::Null);
        assert_eq!((bare.search.metric, bare.search.maximize), (Metric::Value, false));
        let manifest = Manifest::from_json(&json!({
            "experiment": "tune", "dataset": null,
            "settings": {
                "optimizer": {"method": "sgd", "momentum": 0.9},
                "metric": "accuracy", "sampler": {"name": "tpe"}, "scheduler": "asha",
                "space": {
                    "lr": {"kind": "float", "log": true, "low": 1e-4, "high": 0.1},
                    "l1": {"kind": "categorical", "choices": [4, 8.5, true, "a"]},
                    "odd": 7
                }
            }
        }));
        assert_eq!(manifest.momentum, Some(0.9));
        assert_eq!(momentum(&json!({"method": "adam", "momentum": 0.9})), None);
        let search = &manifest.search;
        assert!(search.maximize && manifest.dataset.is_empty());
        assert_eq!((search.sampler.as_str(), search.scheduler.as_str()), ("tpe", "asha"));
        let parameter = |name: &str| search.space.iter().find(|p| p.name == name).unwrap();
        assert_eq!(parameter("lr").range, Some((1e-4, 0.1)));
        assert_eq!(parameter("l1").choices, ["4", "8.5", "true", "a"]);
        assert_eq!(parameter("odd").range, None);
    }
}
