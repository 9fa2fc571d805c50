//! What probes report.

use clap::ValueEnum;
use serde::Serialize;

use super::interval::Interval;

/// A kind of probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// Gradient noise scale of each layer and of all.
    NoiseScale,
    /// Trace of the Hessian of each layer and of all.
    HessianTrace,
    /// What rates per layer could gain over a global one in the next step.
    Headroom,
    /// Loss along the next step of each layer and of all.
    LossSlices,
    /// Validation accuracy with one layer's training undone: for the end of a run.
    Robustness,
}

impl ProbeKind {
    /// Its name, as `--probes` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoiseScale => "noise-scale",
            Self::HessianTrace => "hessian-trace",
            Self::Headroom => "headroom",
            Self::LossSlices => "loss-slices",
            Self::Robustness => "robustness",
        }
    }
}

/// One row of `probes.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeRow {
    /// Optimiser steps done before.
    pub step: u64,
    /// What was measured: see [`crate::train::TrainingRun::probe`].
    pub probe: &'static str,
    /// The layer; none for all of them together.
    pub layer: Option<String>,
    /// Second layer, multiplier of a step, batch size, or kind of probe; may be empty.
    pub other: String,
    /// The figure; none where there is no such number.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval, where there is one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Collects rows of one step.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    step: u64,
    layers: &'a [String],
    pub rows: Vec<ProbeRow>,
}

impl<'a> Rows<'a> {
    /// Rows of step `step` in a net of these layers.
    pub fn new(step: u64, layers: &'a [String]) -> Self {
        Self { step, layers, rows: Vec::new() }
    }

    /// Adds a figure of `layer` (by its index; none: of all).
    pub fn add(
        &mut self,
        probe: &'static str,
        layer: impl Into<Option<usize>>,
        other: impl ToString,
        value: impl Into<Option<f64>>,
        Interval { low, high }: Interval,
    ) {
        let value = value.into().filter(|value| value.is_finite());
        // Without a figure there is nothing that an interval could be of.
        let (low, high) = if value.is_some() { (low, high) } else { (None, None) };
        let layer = layer.into().map(|layer| self.layers[layer].clone());
        let (step, other) = (self.step, other.to_string());
        self.rows.push(ProbeRow { step, probe, layer, other, value, low, high });
    }

    /// Name of a layer.
    pub fn name(&self, layer: usize) -> &'a str {
        &self.layers[layer]
    }
}
