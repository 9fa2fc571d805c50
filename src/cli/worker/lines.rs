//! Lines to the engine.

use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Setup;
use super::request::Trial;
use crate::objective::{TrialOutcome, TrialStart, layer_row};
use crate::ops;
use crate::train::EpochReport;

/// Version of the protocol; it grows when an engine that knows the old one would go wrong.
pub(super) const PROTOCOL: u64 = 1;

/// Standard output, a line at a time.
#[derive(Debug, Default)]
pub(super) struct Lines {
    unread: bool,
}

impl Lines {
    /// Writes a line and flushes it.
    pub fn write(&mut self, line: &Value) {
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{line}").and_then(|()| out.flush());
        self.unread |= written.is_err();
    }

    /// Whether a line could not be written: the engine is gone.
    pub fn are_unread(&self) -> bool {
        self.unread
    }

    /// Before the first epoch.
    pub fn start(&mut self, trial: &Trial, setup: &Setup, start: &TrialStart) {
        let rates: Map<_, _> =
            start.rates.iter().map(|(layer, rate)| (layer.to_owned(), json!(rate))).collect();
        self.write(&json!({
            "type": "start",
            "protocol": PROTOCOL,
            "trial": trial.number,
            "epoch": start.progress.epochs,
            "epochs": start.epochs,
            "resumed": start.resumed,
            "rates": rates,
            "dataset": setup.dataset.description,
            "dataset_digest": setup.dataset.digest,
            "split_digest": setup.split.digest(),
            "operations": ops::implementation(&setup.device),
        }));
    }

    /// After an epoch. The one in which a trial diverges is reported without loss and accuracy.
    pub fn epoch(&mut self, trial: &Trial, report: &EpochReport, checkpoint: Option<&Path>) {
        let progress = &report.progress;
        let epoch = progress.epochs + u64::from(report.validation.is_none());
        let mut line = json!({
            "type": "epoch",
            "trial": trial.number,
            "epoch": epoch,
            "steps": progress.steps,
            "loss": report.validation.map(|at| at.loss),
            "accuracy": report.validation.map(|at| at.accuracy),
            "train_loss": report.train.loss,
            "train_accuracy": report.train.accuracy,
            "images_trained": progress.images_trained,
            "seconds": progress.seconds,
            "checkpoint": checkpoint,
        });
        if trial.report_layers {
            // Without the trial's number, which the line has.
            let fields = |row| json!(layer_row(trial.number, row)[1..]);
            line["layers"] = report.layers.iter().map(fields).collect();
        }
        self.write(&line);
    }

    /// At the end of a trial that was not prevented from running.
    pub fn end(&mut self, trial: &Trial, status: &str, outcome: &TrialOutcome) {
        let progress = &outcome.progress;
        let mut line = json!({
            "type": "end",
            "trial": trial.number,
            "status": status,
            "epoch": progress.epochs,
            "steps": progress.steps,
            "loss": progress.validation.map(|at| at.loss),
            "accuracy": progress.validation.map(|at| at.accuracy),
            "images_trained": progress.images_trained,
            "seconds": progress.seconds,
            "checkpoint": outcome.checkpoint,
        });
        if let Some(test) = outcome.test {
            line["test_loss"] = json!(test.loss);
            line["test_accuracy"] = json!(test.accuracy);
        }
        self.write(&line);
    }

    /// Instead of all that, where a line could not be understood or a trial not run.
    pub fn failed(&mut self, trial: Option<u64>, message: &str) {
        self.write(&json!({"type": "end", "trial": trial, "status": "failed", "message": message}));
    }
}
