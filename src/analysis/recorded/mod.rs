//! Reads recorded trials, ours or anyone's: a journal in Optuna's format, or a CSV table.

mod error;
mod hull;
mod journal;
mod table;

pub use error::RecordedError;
pub use journal::read_journal;
pub use table::{TableOptions, read_table};

use std::path::Path;

use serde_json::Value;

use super::importance::Observations;
use crate::search::Direction;

/// Trials as an analysis takes them, and where they came from.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The trials. Values are losses.
    pub observations: Observations,
    /// The file.
    pub source: String,
    /// What was read as the result of a trial.
    pub target: String,
    /// Which way it is better.
    pub direction: Direction,
    /// Whether the sampler looked at results, if that is known: then the sample is dense where results
    /// are good, and importance is of that region.
    pub adaptive: Option<bool>,
    /// The sampler by name, if it is known.
    pub sampler: Option<String>,
    /// What the trials were made with, if the run's manifest lies beside: data set, net and device.
    pub manifest: Option<Value>,
    /// What people should know about the reading.
    pub notes: Vec<String>,
}

/// Samplers that do not look at results.
const NOT_ADAPTIVE: [&str; 3] = ["random", "sobol", "grid"];

/// The manifest of the run whose file lies at `path`, if there is one.
fn manifest_beside(path: &Path) -> Option<Value> {
    let text = std::fs::read(path.parent()?.join("manifest.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The sampler that a manifest names, and whether it looks at results.
fn sampler(manifest: Option<&Value>) -> (Option<String>, Option<bool>) {
    let Some(manifest) = manifest else { return (None, None) };
    let settings = &manifest["settings"];
    if manifest["experiment"] == "sensitivity" {
        let method = settings["method"].as_str().unwrap_or_default();
        return (Some(format!("design of {method}")), Some(false));
    }
    let Some(sampler) = settings["sampler"].as_str() else { return (None, None) };
    let adaptive = !NOT_ADAPTIVE.contains(&sampler) || settings["scheduler"] == "pbt";
    (Some(sampler.to_owned()), Some(adaptive))
}
