//! Tables of one search for tests: a plausible one, and ugly ones.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fixture::Noise;
use super::{Run, theme};

/// What the tables of a made-up search look like. Rungs lie at 1, 3 and 9 of [`FULL`] epochs.
#[derive(Clone)]
pub(super) struct SearchFixture {
    pub trials: usize,
    /// Names and descriptions of the hyperparameters.
    pub space: Vec<(String, Value)>,
    /// Status of a trial and the epochs it ran.
    pub fate: fn(usize) -> (&'static str, usize),
    /// Final value of a trial, given a uniform number.
    pub value: fn(usize, f64) -> f64,
    pub metric: &'static str,
    pub objective: &'static str,
    /// Whether there are `decisions.csv` and `curves.csv`.
    pub reports: bool,
    pub dataset: String,
}

/// Epochs of a complete trial.
pub(super) const FULL: usize = 27;

/// Of ten trials one is complete, one diverges, one fails, seven are pruned.
fn mixed(trial: usize) -> (&'static str, usize) {
    match trial % 10 {
        3 => ("complete", FULL),
        6 => ("diverged", 2),
        8 => ("failed", 0),
        0 => ("pruned", 9),
        1 | 2 => ("pruned", 3),
        _ => ("pruned", 1),
    }
}

impl Default for SearchFixture {
    fn default() -> Self {
        let layer = json!({"kind": "categorical", "choices": [4, 8, 16, 32, 64, 128, 256]});
        Self {
            trials: 30,
            space: vec![
                ("l1".to_owned(), layer.clone()),
                ("lr".to_owned(), json!({"kind": "float", "log": true, "low": 1e-4, "high": 1e-1})),
                (
                    "optimizer".to_owned(),
                    json!({"kind": "categorical", "choices": ["sgd", "adam"]}),
                ),
                // Inactive in every third trial.
                ("momentum".to_owned(), json!({"kind": "float", "low": 0.0, "high": 0.99})),
                ("warmup".to_owned(), json!({"kind": "int", "low": 0, "high": 5})),
            ],
            fate: mixed,
            value: |_, noise| 1.1 + noise,
            metric: "loss",
            objective: "cnn",
            reports: true,
            dataset: "CIFAR-10 subset, 5,000 + 1,000 images".to_owned(),
        }
    }
}

/// A search that one would rather not have to draw, with a name for messages.
pub(super) fn ugly() -> Vec<(&'static str, SearchFixture)> {
    let plain = SearchFixture::default;
    let number = || json!({"kind": "float", "log": true, "low": 1e-6, "high": 1.0});
    let long = |i: usize| format!("model.encoder.stage{i}.block.a_hyperparameter_with_a_long_name");
    let words: Vec<String> =
        (0..60).map(|i| format!("a choice with many words in it, number {i}")).collect();
    let complete = |_| ("complete", FULL);
    vec![
        ("search", plain()),
        ("search: one trial", SearchFixture { trials: 1, ..plain() }),
        ("search: two trials", SearchFixture { trials: 2, ..plain() }),
        ("search: none", SearchFixture { trials: 0, ..plain() }),
        ("search: 10,000 trials", SearchFixture { trials: 10_000, ..plain() }),
        ("search: all diverged", SearchFixture { fate: |_| ("diverged", 2), ..plain() }),
        ("search: all failed", SearchFixture { fate: |_| ("failed", 0), ..plain() }),
        ("search: all pruned", SearchFixture { fate: |_| ("pruned", 1), ..plain() }),
        ("search: all running", SearchFixture { fate: |_| ("running", 3), ..plain() }),
        ("search: NaN", SearchFixture { value: |_, _| f64::NAN, fate: complete, ..plain() }),
        ("search: identical", SearchFixture { value: |_, _| 0.5, fate: complete, ..plain() }),
        (
            "search: one category",
            SearchFixture {
                space: vec![("only".to_owned(), json!({"kind": "categorical", "choices": ["a"]}))],
                ..plain()
            },
        ),
        (
            "search: 40 hyperparameters",
            SearchFixture {
                space: (0..40).map(|i| (format!("x{i}"), number())).collect(),
                ..plain()
            },
        ),
        (
            "search: long names",
            SearchFixture {
                space: (0..12).map(|i| (long(i), number())).collect(),
                objective: "a_function_with_a_very_long_name_that_no_axis_has_room_for_whatever",
                metric: "value",
                ..plain()
            },
        ),
        (
            "search: many long choices",
            SearchFixture {
                space: vec![
                    ("words".to_owned(), json!({"kind": "categorical", "choices": words})),
                    (long(1), json!({"kind": "categorical", "choices": &words[..3]})),
                ],
                dataset: "synthetic images, a subset; ".repeat(30),
                ..plain()
            },
        ),
        ("search: no decisions", SearchFixture { reports: false, ..plain() }),
        ("search: no space", SearchFixture { space: Vec::new(), ..plain() }),
        (
            "search: bare space",
            SearchFixture { space: vec![("x".to_owned(), json!(null))], ..plain() },
        ),
        ("search: accuracy", SearchFixture { metric: "accuracy", value: |_, x| x, ..plain() }),
        (
            "search: 1e-300 to 1e300",
            SearchFixture {
                value: |_, x| 10f64.powf(600.0 * x - 300.0),
                fate: complete,
                space: vec![(
                    "x".to_owned(),
                    json!({"kind": "float", "log": true, "low": 1e-300, "high": 1e300}),
                )],
                objective: "sphere",
                metric: "value",
                ..plain()
            },
        ),
        (
            "search: both signs",
            SearchFixture {
                value: |i, x| if i % 2 == 0 { -1e200 * x } else { 1e12 * x },
                objective: "odd",
                metric: "value",
                ..plain()
            },
        ),
    ]
}

impl SearchFixture {
    /// Writes the tables into a new temporary folder.
    pub fn write(&self) -> TempDir {
        let mut noise = Noise(1);
        let mut trials = "trial,arm,replicate,seed,status,error,epochs_run,images_trained,seconds,\
            value,validation_loss,validation_accuracy,test_loss,test_accuracy"
            .to_owned();
        self.space.iter().for_each(|(name, _)| write!(trials, ",hp.{name}").unwrap());
        trials.push_str(",rate.conv1\n");
        let mut curves = "trial,step,split,loss,accuracy,images_trained,seconds\n".to_owned();
        let mut decisions = "trial,step,value,rung,cutoff,competitors,decision\n".to_owned();
        for trial in 0..self.trials {
            let (status, epochs) = (self.fate)(trial);
            let end = (self.value)(trial, noise.next());
            let valued = matches!(status, "complete" | "pruned");
            let value = if valued { end.to_string() } else { String::new() };
            let images = epochs * 1000;
            write!(trials, "{trial},tune,,7,{status},,{epochs},{images},1.5,{value},,,,").unwrap();
            for (name, parameter) in &self.space {
                let cell = cell(parameter, noise.next());
                let inactive = name == "momentum" && trial % 3 == 0;
                write!(trials, ",{}", if inactive { "" } else { &cell }).unwrap();
            }
            trials.push_str(",0.01\n");
            for epoch in 1..=epochs {
                let last = epoch == epochs;
                let now =
                    if status == "diverged" && last { f64::NAN } else { end + 1.0 / epoch as f64 };
                let at = epoch * 1000;
                writeln!(curves, "{trial},{at},train,{now},{now},{at},1").unwrap();
                writeln!(curves, "{trial},{at},validation,{now},{now},{at},1").unwrap();
                let rung =
                    matches!(epoch, 1 | 3 | 9).then(|| epoch.to_string()).unwrap_or_default();
                let cutoff =
                    if rung.is_empty() || trial == 0 { String::new() } else { now.to_string() };
                let decision = match status {
                    "pruned" if last => "stop",
                    "complete" if last => "finish",
                    _ => "continue",
                };
                writeln!(decisions, "{trial},{epoch},{now},{rung},{cutoff},{trial},{decision}")
                    .unwrap();
            }
        }
        let space: serde_json::Map<String, Value> = self.space.iter().cloned().collect();
        let direction = if self.metric == "accuracy" { "maximize" } else { "minimize" };
        let manifest = json!({
            "experiment": "tune", "dataset": {"description": self.dataset}, "net": "tutorial",
            "device": "cpu", "preset": null,
            "settings": {
                "metric": self.metric, "direction": direction, "objective": self.objective,
                "sampler": "random", "scheduler": "asha", "space": space
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("trials.csv", trials),
            ("manifest.json", manifest.to_string()),
            ("curves.csv", curves),
            ("decisions.csv", decisions),
        ];
        for (name, text) in files.iter().take(if self.reports { 4 } else { 2 }) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    /// The tables, written and read back.
    pub fn run(&self) -> Run {
        theme::load_fonts().unwrap();
        Run::read(self.write().path()).unwrap()
    }
}

/// A value of `parameter`, quoted as a table holds it.
fn cell(parameter: &Value, noise: f64) -> String {
    if let Some(choices) = parameter["choices"].as_array() {
        let choice = &choices[(noise * choices.len() as f64) as usize];
        return format!(
            "\"{}\"",
            choice.as_str().map_or_else(|| choice.to_string(), str::to_owned)
        );
    }
    let low = parameter["low"].as_f64().unwrap_or(0.0);
    let high = parameter["high"].as_f64().unwrap_or(1.0);
    let value = match parameter["log"].as_bool() {
        Some(true) => 10f64.powf(low.log10() + noise * (high.log10() - low.log10())),
        _ => low + noise * (high - low),
    };
    if parameter["kind"] == "int" { value.round().to_string() } else { value.to_string() }
}
