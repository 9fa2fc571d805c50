//! Tables of a sweep and of recorded trials for tests: plausible ones, and ugly ones.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::theme;

/// What the tables look like.
#[derive(Clone)]
pub(super) struct RankingFixture {
    /// `sensitivity` or `importance`.
    pub experiment: &'static str,
    pub names: Vec<String>,
    /// A value from a position in the ranking.
    pub value: fn(usize) -> f64,
    /// Ends of an interval around a value; empty cells where they are infinite.
    pub interval: fn(f64) -> (f64, f64),
    pub methods: Vec<&'static str>,
    /// Places of series: runs, trials, epochs.
    pub places: Vec<u64>,
    pub trials: usize,
    pub floor: Option<f64>,
}

/// Nothing but what is finite stands in a table.
fn cell(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

impl RankingFixture {
    pub fn new(experiment: &'static str) -> Self {
        Self {
            experiment,
            names: ["lr", "momentum", "optimizer", "dummy"].map(str::to_owned).to_vec(),
            value: |rank| 0.6 / (rank + 1) as f64,
            interval: |value| (value - 0.08, value + 0.1),
            methods: vec!["fanova", "ped-anova"],
            places: vec![10, 20, 40],
            trials: 40,
            floor: Some(0.1),
        }
    }

    fn space(&self) -> Value {
        let described = self.names.iter().map(|name| {
            let words = name.contains("optimizer");
            let entry = match words {
                true => json!({"kind": "categorical", "choices": ["sgd", "adam"]}),
                false => json!({"kind": "float", "low": 0.001, "high": 1.0, "log": true}),
            };
            (name.clone(), entry)
        });
        described.collect()
    }

    fn setting(&self, name: &str, position: f64) -> String {
        match name.contains("optimizer") {
            true => ["sgd", "adam"][usize::from(position > 0.5)].to_owned(),
            false => (0.001 * 1000f64.powf(position)).to_string(),
        }
    }

    /// Writes the folder.
    pub fn write(&self) -> TempDir {
        theme::load_fonts().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        let manifest = json!({
            "experiment": self.experiment,
            "dataset": {"description": "CIFAR-10 subset, 5,000 + 1,000 images"},
            "net": "tutorial",
            "device": "cpu",
            "settings": {"metric": "accuracy", "direction": "maximize", "objective": "cnn", "space": self.space()},
            "outcome": {"noise_floor": self.floor},
        });
        write("manifest.json", manifest.to_string());
        let is_sweep = self.experiment == "sensitivity";
        let mut trials = match is_sweep {
            true => "trial,arm,status,value,validation_accuracy,test_accuracy".to_owned(),
            false => "trial,status,value".to_owned(),
        };
        self.names.iter().for_each(|name| write!(trials, ",hp.{name}").unwrap());
        trials += "\n";
        for trial in 0..self.trials {
            let share = (trial as f64 * 0.618).fract();
            match is_sweep {
                true => write!(trials, "{trial},a,complete,{share},{share},").unwrap(),
                false => write!(trials, "{trial},complete,{share}").unwrap(),
            }
            for (i, name) in self.names.iter().enumerate() {
                let position = (share + i as f64 * 0.37).fract();
                write!(trials, ",{}", self.setting(name, position)).unwrap();
            }
            trials += "\n";
        }
        write(if is_sweep { "trials.csv" } else { "observations.csv" }, trials);
        if is_sweep {
            self.write_sweep(&write)
        } else {
            self.write_recorded(&write)
        }
        folder
    }

    /// Fields of an estimate: value, low, high.
    fn estimate(&self, rank: usize) -> String {
        let value = (self.value)(rank);
        let (low, high) = (self.interval)(value);
        [value, low, high].map(cell).join(",")
    }

    fn responses(&self, value: &str) -> String {
        let mut text = format!("parameter,position,setting,{value},low,high\n");
        for name in &self.names {
            for step in 0..5 {
                let position = f64::from(step) / 4.0;
                let (setting, value) = (self.setting(name, position), 0.3 + 0.2 * position);
                let (low, high) = (self.interval)(value);
                let [low, high] = [low, high].map(cell);
                writeln!(text, "{name},{position},{setting},{value},{low},{high}").unwrap();
            }
        }
        text
    }

    fn write_sweep(&self, write: &dyn Fn(&str, String)) {
        let mut indices = "method,parameter,index,value,low,high\n".to_owned();
        let mut by_runs = "method,runs,parameter,index,value,low,high\n".to_owned();
        for (rank, name) in self.names.iter().enumerate() {
            for index in ["S1", "ST", "mu_star", "sigma"] {
                let estimate = self.estimate(rank);
                writeln!(indices, "sobol,{name},{index},{estimate}").unwrap();
                for runs in &self.places {
                    writeln!(by_runs, "sobol,{runs},{name},{index},{estimate}").unwrap();
                }
            }
            for other in &self.names[rank + 1..] {
                writeln!(indices, "sobol,{name}:{other},S2,{}", self.estimate(rank + 1)).unwrap();
            }
        }
        write("indices.csv", indices);
        write("by_runs.csv", by_runs);
        write("sweep.csv", self.responses("value"));
        let mut map = "layer,multiplier,base,factor,seed,validation_accuracy\n".to_owned();
        for multiplier in [0.5, 1.0, 2.0] {
            writeln!(map, "all,{multiplier},tuned,1,0,{}", 0.5 + 0.01 * multiplier).unwrap();
        }
        write("map.csv", map);
    }

    fn write_recorded(&self, write: &dyn Fn(&str, String)) {
        let head = "method,parameter,importance,low,high,rank_probability\n";
        let (mut importance, mut ranks) =
            (head.to_owned(), "method,parameter,rank,probability\n".to_owned());
        let series = |at: &str| format!("method,{at},parameter,importance,low,high\n");
        let (mut by_epoch, mut by_trials) = (series("epoch"), series("trials"));
        let mut pairs = "method,first,second,importance,low,high\n".to_owned();
        for method in &self.methods {
            for (rank, name) in self.names.iter().enumerate() {
                let estimate = self.estimate(rank);
                writeln!(importance, "{method},{name},{estimate},0.9").unwrap();
                for at in &self.places {
                    writeln!(by_epoch, "{method},{at},{name},{estimate}").unwrap();
                    writeln!(by_trials, "{method},{at},{name},{estimate}").unwrap();
                }
                let count = self.names.len();
                for place in 1..=count {
                    let probability = if place == rank + 1 { 0.9 } else { 0.1 / count as f64 };
                    writeln!(ranks, "{method},{name},{place},{probability}").unwrap();
                }
            }
        }
        for (rank, name) in self.names.iter().enumerate() {
            for other in &self.names[rank + 1..] {
                writeln!(pairs, "fanova,{name},{other},{}", self.estimate(rank + 1)).unwrap();
            }
        }
        let mut agreement = "first,second,tau,low,high\n".to_owned();
        for (i, first) in self.methods.iter().enumerate() {
            for second in &self.methods[i + 1..] {
                writeln!(agreement, "{first},{second},{}", self.estimate(i)).unwrap();
            }
        }
        write("agreement.csv", agreement);
        write("stability.csv", importance.clone());
        write("importance.csv", importance);
        write("ranks.csv", ranks);
        write("importance_by_epoch.csv", by_epoch);
        write("importance_by_trials.csv", by_trials);
        write("interactions.csv", pairs);
        write("marginals.csv", self.responses("mean"));
        let mut path = "step,parameter,from,to,value\n0,,,,0.2\n".to_owned();
        for (step, name) in self.names.iter().enumerate() {
            writeln!(path, "{},{name},0.5,0.001234567,{}", step + 1, 0.3 + 0.01 * step as f64)
                .unwrap();
        }
        write("path.csv", path);
    }
}

/// Tables that one would rather not have to draw, with names for messages.
pub(super) fn ugly() -> Vec<(String, RankingFixture)> {
    let mut all = Vec::new();
    for experiment in ["sensitivity", "importance"] {
        let plain = || RankingFixture::new(experiment);
        let long =
            |i: usize| format!("model.encoder.stage{i}.block.a_hyperparameter_with_a_long_name");
        let cases = [
            ("plain", plain()),
            ("one parameter", RankingFixture { names: vec!["lr".into()], ..plain() }),
            (
                "40 parameters",
                RankingFixture { names: (0..40).map(|i| format!("x{i}")).collect(), ..plain() },
            ),
            ("long names", RankingFixture { names: (0..14).map(long).collect(), ..plain() }),
            ("negative", RankingFixture { value: |rank| 0.1 - 0.2 * rank as f64, ..plain() }),
            ("huge", RankingFixture { value: |rank| 1e12 / (rank + 1) as f64, ..plain() }),
            ("zero", RankingFixture { value: |_| 0.0, floor: Some(0.0), ..plain() }),
            ("empty cells", RankingFixture { value: |_| f64::NAN, ..plain() }),
            (
                "no intervals",
                RankingFixture { interval: |_| (f64::NEG_INFINITY, f64::INFINITY), ..plain() },
            ),
            ("one place", RankingFixture { places: vec![5], floor: None, ..plain() }),
            ("one method", RankingFixture { methods: vec!["fanova"], ..plain() }),
            (
                "five methods",
                RankingFixture {
                    methods: vec!["fanova", "ped-anova", "lpi", "ablation", "tuning-risk"],
                    ..plain()
                },
            ),
            ("no trials", RankingFixture { trials: 0, ..plain() }),
            ("5,000 trials", RankingFixture { trials: 5_000, ..plain() }),
        ];
        all.extend(cases.map(|(case, fixture)| (format!("{experiment}: {case}"), fixture)));
    }
    all
}
