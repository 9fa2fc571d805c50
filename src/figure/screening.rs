//! Tables of what was measured before or beside a search: probes and the rate finder.

use std::path::Path;

use super::FigureError;
use super::rows;

/// One row of `probes.csv`.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The run that it was measured in.
    pub trial: u64,
    /// Optimiser steps so far.
    pub step: u64,
    /// What was measured, such as `best_scale`.
    pub probe: String,
    /// The layer, empty where it is none.
    pub layer: String,
    /// The measurement.
    pub value: Option<f64>,
}

/// One row of `finder.csv`: one step of a rate that grows.
#[derive(Clone, Debug)]
pub struct RangePoint {
    /// The layer whose rate grew; `all` of them, or none (`base`).
    pub layer: String,
    /// Its rate.
    pub rate: Option<f64>,
    /// Loss of the step's batch, in nats.
    pub loss: Option<f64>,
    /// The same, averaged over the steps before.
    pub smoothed_loss: Option<f64>,
}

/// One row of `suggestions.csv`: what the finder says of a layer.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// The layer.
    pub layer: String,
    /// The rate at which the loss fell fastest.
    pub steepest: Option<f64>,
    /// The rate of the least loss.
    pub minimum: Option<f64>,
    /// The rate to use.
    pub suggestion: Option<f64>,
}

/// One row of `map.csv`: validation accuracy with the rate of one layer multiplied.
#[derive(Clone, Debug)]
pub struct MapPoint {
    /// The layer; `all` of them together.
    pub layer: String,
    /// What its rate is multiplied by.
    pub multiplier: Option<f64>,
    /// What the other layers' rate is: `tuned` or `re-tuned`.
    pub base: String,
    /// The seed.
    pub seed: Option<u64>,
    /// Accuracy on the validation images; none where the run diverged.
    pub accuracy: Option<f64>,
}

/// The tables of screening; each empty without its file.
#[derive(Clone, Debug, Default)]
pub struct Screening {
    /// Rows of `probes.csv`.
    pub probes: Vec<Probe>,
    /// Rows of `finder.csv`.
    pub finder: Vec<RangePoint>,
    /// Rows of `suggestions.csv`.
    pub suggestions: Vec<Suggestion>,
    /// Rows of `map.csv`.
    pub map: Vec<MapPoint>,
}

impl Screening {
    /// Reads what there is of the tables.
    pub(super) fn read(folder: &Path) -> Result<Self, FigureError> {
        let probes = rows::read(&folder.join("probes.csv"), &["probe", "layer", "value"], |row| {
            let [probe, layer] = ["probe", "layer"].map(|c| row.text(c).to_owned());
            let [trial, step] = ["trial", "step"].map(|c| row.whole(c));
            let (trial, step) = (trial?.unwrap_or(0), step?.unwrap_or(0));
            Ok(Probe { trial, step, probe, layer, value: row.number("value")? })
        })?;
        let finder = rows::read(&folder.join("finder.csv"), &["layer", "rate", "loss"], |row| {
            Ok(RangePoint {
                layer: row.text("layer").to_owned(),
                rate: row.number("rate")?,
                loss: row.number("loss")?,
                smoothed_loss: row.number("smoothed_loss")?,
            })
        })?;
        let suggestions = rows::read(&folder.join("suggestions.csv"), &["layer"], |row| {
            Ok(Suggestion {
                layer: row.text("layer").to_owned(),
                steepest: row.number("steepest")?,
                minimum: row.number("minimum")?,
                suggestion: row.number("suggestion")?,
            })
        })?;
        let columns = ["layer", "multiplier", "base", "seed", "validation_accuracy"];
        let map = rows::read(&folder.join("map.csv"), &columns, |row| {
            Ok(MapPoint {
                layer: row.text("layer").to_owned(),
                multiplier: row.number("multiplier")?,
                base: row.text("base").to_owned(),
                seed: row.whole("seed")?,
                accuracy: row.number("validation_accuracy")?,
            })
        })?;
        Ok(Self {
            map: map.unwrap_or_default(),
            probes: probes.unwrap_or_default(),
            finder: finder.unwrap_or_default(),
            suggestions: suggestions.unwrap_or_default(),
        })
    }
}
