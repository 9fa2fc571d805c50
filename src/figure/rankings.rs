//! Tables of what matters: indices of a sweep, importance from recorded trials.

use std::path::Path;

use super::FigureError;
use super::rows::{self, Row};

/// An estimate with its interval. Empty cells are none.
#[derive(Clone, Debug, Default)]
pub struct Estimate {
    /// The method that made it.
    pub method: String,
    /// The hyperparameter, group, or pair.
    pub parameter: String,
    /// Which index; empty in tables of importance.
    pub index: String,
    /// Runs, trials, or the epoch that it was made from, where there are several.
    pub at: Option<f64>,
    /// The estimate.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// One row of `sweep.csv`, or of `marginals.csv`: the response at a setting.
#[derive(Clone, Debug)]
pub struct Response {
    /// The hyperparameter.
    pub parameter: String,
    /// Where in its box, from 0 to 1.
    pub position: Option<f64>,
    /// The setting as a person writes it.
    pub setting: String,
    /// What was measured or predicted there.
    pub value: Option<f64>,
    /// Lower end of its band.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// One row of `ranks.csv`.
#[derive(Clone, Debug)]
pub struct RankChance {
    /// The method.
    pub method: String,
    /// The hyperparameter.
    pub parameter: String,
    /// The rank, from 1.
    pub rank: u64,
    /// Probability that it has this rank.
    pub probability: Option<f64>,
}

/// One row of `path.csv`: a step from the default to the best configuration.
#[derive(Clone, Debug)]
pub struct PathStep {
    /// What was changed; empty at the start.
    pub parameter: String,
    /// From this setting.
    pub from: String,
    /// To this one.
    pub to: String,
    /// The predicted value after it.
    pub value: Option<f64>,
}

/// The tables of a sweep or of recorded trials; each empty without its file.
#[derive(Clone, Debug, Default)]
pub struct Rankings {
    /// `indices.csv`.
    pub indices: Vec<Estimate>,
    /// `by_runs.csv`.
    pub by_runs: Vec<Estimate>,
    /// `sweep.csv`.
    pub sweep: Vec<Response>,
    /// `importance.csv`.
    pub importance: Vec<Estimate>,
    /// `stability.csv`.
    pub stability: Vec<Estimate>,
    /// `interactions.csv`; the parameter is `first:second`.
    pub interactions: Vec<Estimate>,
    /// `importance_by_epoch.csv`.
    pub by_epoch: Vec<Estimate>,
    /// `importance_by_trials.csv`.
    pub by_trials: Vec<Estimate>,
    /// `marginals.csv`.
    pub marginals: Vec<Response>,
    /// `ranks.csv`.
    pub ranks: Vec<RankChance>,
    /// `path.csv`.
    pub path: Vec<PathStep>,
    /// `agreement.csv`; the parameter is `first:second`, two methods.
    pub agreement: Vec<Estimate>,
}

impl Rankings {
    /// Reads what there is of the tables.
    pub(super) fn read(folder: &Path) -> Result<Self, FigureError> {
        let estimates = |name: &str, value: &str, at: &str| {
            let path = folder.join(format!("{name}.csv"));
            let required = ["method", "parameter", value];
            rows::read(&path, &required, |row| estimate(row, row.text("parameter"), value, at))
                .map(Option::unwrap_or_default)
        };
        let responses = |name: &str, value: &str| {
            let path = folder.join(format!("{name}.csv"));
            let required = ["parameter", "position", "setting", value];
            rows::read(&path, &required, |row| {
                Ok(Response {
                    parameter: row.text("parameter").to_owned(),
                    position: row.number("position")?,
                    setting: row.text("setting").to_owned(),
                    value: row.number(value)?,
                    low: row.number("low")?,
                    high: row.number("high")?,
                })
            })
            .map(Option::unwrap_or_default)
        };
        let pairs = ["method", "first", "second", "importance"];
        let interactions = rows::read(&folder.join("interactions.csv"), &pairs, |row| {
            let name = format!("{}:{}", row.text("first"), row.text("second"));
            estimate(row, &name, "importance", "")
        })?;
        let pairs = ["first", "second", "tau"];
        let agreement = rows::read(&folder.join("agreement.csv"), &pairs, |row| {
            let name = format!("{}:{}", row.text("first"), row.text("second"));
            estimate(row, &name, "tau", "")
        })?;
        let ranks = rows::read(
            &folder.join("ranks.csv"),
            &["method", "parameter", "rank", "probability"],
            |row| {
                Ok(RankChance {
                    method: row.text("method").to_owned(),
                    parameter: row.text("parameter").to_owned(),
                    rank: row.id("rank")?,
                    probability: row.number("probability")?,
                })
            },
        )?;
        let path = rows::read(&folder.join("path.csv"), &["parameter", "value"], |row| {
            let [parameter, from, to] =
                ["parameter", "from", "to"].map(|column| row.text(column).to_owned());
            Ok(PathStep { parameter, from, to, value: row.number("value")? })
        })?;
        Ok(Self {
            indices: estimates("indices", "value", "")?,
            by_runs: estimates("by_runs", "value", "runs")?,
            sweep: responses("sweep", "value")?,
            importance: estimates("importance", "importance", "")?,
            stability: estimates("stability", "importance", "")?,
            interactions: interactions.unwrap_or_default(),
            by_epoch: estimates("importance_by_epoch", "importance", "epoch")?,
            by_trials: estimates("importance_by_trials", "importance", "trials")?,
            marginals: responses("marginals", "mean")?,
            ranks: ranks.unwrap_or_default(),
            path: path.unwrap_or_default(),
            agreement: agreement.unwrap_or_default(),
        })
    }

    /// Hyperparameters, the most important first.
    pub(super) fn order(&self) -> impl Iterator<Item = &str> {
        let index = leading(&self.indices).map(|leading| leading.0);
        let indices = self.indices.iter().filter(move |e| Some(&*e.index) == index);
        let method = self.importance.first().map(|e| e.method.as_str());
        let importance = self.importance.iter().filter(move |e| Some(&*e.method) == method);
        sorted(indices).into_iter().chain(sorted(importance)).map(|e| e.parameter.as_str())
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.indices.is_empty() && self.importance.is_empty()
    }
}

fn estimate(row: &Row, parameter: &str, value: &str, at: &str) -> Result<Estimate, FigureError> {
    Ok(Estimate {
        method: row.text("method").to_owned(),
        parameter: parameter.to_owned(),
        index: row.text("index").to_owned(),
        at: if at.is_empty() { None } else { row.number(at)? },
        value: row.number(value)?,
        low: row.number("low")?,
        high: row.number("high")?,
    })
}

/// Indices that rank hyperparameters, and what they are called.
const LEADING: [(&str, &str); 4] = [
    ("ST", "total effect ST, share of the variance"),
    ("mu_star", "mean size of an elementary effect, μ*"),
    ("Sh", "Shapley effect, share of the variance"),
    ("range", "range of the response along the axis"),
];

/// The index by which a sweep ranks, and its name in words.
pub(super) fn leading(indices: &[Estimate]) -> Option<(&'static str, &'static str)> {
    let has = |name: &str| indices.iter().any(|estimate| estimate.index == name);
    LEADING.into_iter().find(|(name, _)| has(name))
}

/// Whether a hyperparameter is known to do nothing.
pub(super) fn is_dummy(parameter: &str) -> bool {
    parameter.starts_with("dummy")
}

/// Estimates with a value, the largest first; equal ones in their order.
pub(super) fn sorted<'a>(estimates: impl Iterator<Item = &'a Estimate>) -> Vec<&'a Estimate> {
    let mut sorted: Vec<&Estimate> = estimates.filter(|e| e.value.is_some()).collect();
    sorted.sort_by(|a, b| b.value.unwrap_or(0.0).total_cmp(&a.value.unwrap_or(0.0)));
    sorted
}

/// Different texts in the order of their first appearance.
pub(super) fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct: Vec<&str> = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct
}
