//! The flags that all experiment binaries share.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{count, positive_rate};
use crate::data::{Augmentation, Choice};
use crate::device::DeviceKind;
use crate::train::{DecayMode, Method, Schedule};

/// How much work an experiment does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// A first answer within minutes.
    #[default]
    Quick,
    /// Firmer evidence: half an hour to two hours on 2 cores.
    Standard,
    /// The whole data set, for a report: half a day to days.
    Full,
}

/// The name under which a flag takes `value`.
pub fn value_name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Data, net, optimiser, machine and output: common to all experiments.
#[derive(Clone, Debug, Args)]
pub struct CommonFlags {
    /// Images to learn from: `cifar10`, `synthetic`, or `auto`: CIFAR-10 where it is found, else
    /// synthetic. Example: --dataset cifar10
    #[arg(long, default_value = "auto", help_heading = "Data")]
    pub dataset: Choice,
    /// Folder with CIFAR-10's binary files [default: data]. Example: --data-dir ~/cifar-10-batches-bin
    #[arg(long, value_name = "DIR", env = "STRATA_DATA", help_heading = "Data")]
    pub data_dir: Option<PathBuf>,
    /// Download CIFAR-10 (170 MB) into the data folder first, unless it is there. Example: --download
    #[arg(long, help_heading = "Data")]
    pub download: bool,
    /// Download from here instead of the official site; the checksum stays the official one.
    /// Example: --download-url `http://mirror.example/cifar-10-binary.tar.gz`
    #[arg(long, value_name = "URL", help_heading = "Data")]
    pub download_url: Option<String>,
    /// Images to train on. Example: --train-images 8000
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Data")]
    pub train_images: Option<usize>,
    /// Images to validate on; tuning looks at nothing else. Example: --validation-images 2000
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Data")]
    pub validation_images: Option<usize>,
    /// Augmentation of the training images: `none` or `pad-crop-flip`. Example: --augment pad-crop-flip
    #[arg(long, value_name = "KIND", default_value = "none", help_heading = "Data")]
    pub augment: Augmentation,

    /// Net: tutorial, vgg, vgg-bn, resnet20, mlp, or alike, a control whose layers are all the same. Example: --net vgg-bn
    #[arg(long, default_value = "tutorial", help_heading = "Training")]
    pub net: String,
    /// Units of the tutorial net's first hidden layer. Example: --l1 64
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = count, help_heading = "Training")]
    pub l1: usize,
    /// Units of the tutorial net's second hidden layer. Example: --l2 64
    #[arg(long, value_name = "N", default_value_t = 84, value_parser = count, help_heading = "Training")]
    pub l2: usize,
    /// Passes over the training images. Example: --epochs 10
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Training")]
    pub epochs: Option<usize>,
    /// Images a step [default: 64, or as the preset says]. Example: --batch-size 128
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Optimiser. Example: --optimizer adamw
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub optimizer: Method,
    /// Momentum of SGD. Example: --momentum 0.8
    #[arg(long, value_name = "MU", default_value_t = 0.9, value_parser = momentum, help_heading = "Training")]
    pub momentum: f64,
    /// Nesterov's form of momentum. Example: --nesterov
    #[arg(long, help_heading = "Training")]
    pub nesterov: bool,
    /// Weight decay λ [default: 5e-4 with SGD, 1e-2 with AdamW]. Example: --weight-decay 0
    #[arg(long, value_name = "LAMBDA", value_parser = not_negative, help_heading = "Training")]
    pub weight_decay: Option<f64>,
    /// What a layer's rate does to its weight decay: `coupled` (λ the same in every layer),
    /// `rate-decay-fixed` (rate × λ the same), or `decay-fixed` (each step shrinks all weights alike,
    /// whatever rates and schedule do). Example: --decay-mode rate-decay-fixed
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub decay_mode: DecayMode,
    /// How all rates fall during a run. Example: --schedule constant
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    pub schedule: Schedule,
    /// Multiply a layer's initial weights and biases by a factor and divide the next layer's weights
    /// by it: the net computes the same, but the two layers want rates of factor² and 1/factor² times
    /// what they were. Example: --plant conv1=2
    #[arg(long, value_name = "LAYER=FACTOR,…", help_heading = "Training")]
    pub plant: Option<LayerValues>,
    /// Steps between two rows of layers.csv [default: 50, or 3,200 images if that is more].
    /// Example: --diagnostics-every 10
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Training")]
    pub diagnostics_every: Option<usize>,
    /// Seed of every random draw. Example: --seed 7
    #[arg(long, default_value_t = 0, help_heading = "Training")]
    pub seed: u64,

    /// Where to compute. Example: --device cuda
    #[arg(long, value_enum, ignore_case = true, default_value_t, help_heading = "Machine")]
    pub device: DeviceKind,
    /// Trials at a time, one thread each [default: the number of cores]. Example: --workers 2
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Machine")]
    pub workers: Option<usize>,

    /// How much work to do; single flags override parts of it. Example: --preset full
    #[arg(long, value_enum, help_heading = "Run")]
    pub preset: Option<Preset>,
    /// Read flags from a TOML file (`epochs = 5`); flags on the command line win. Example:
    /// --config run.toml
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub config: Option<PathBuf>,
    /// Folder for tables and figures [default: results/EXPERIMENT]. Example: --out results/mine
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub out: Option<PathBuf>,
    /// Go on with the run in --out. Example: --out results/mine --resume
    #[arg(long, help_heading = "Run")]
    pub resume: bool,
    /// No progress. Example: --quiet
    #[arg(long, help_heading = "Run")]
    pub quiet: bool,
}

impl CommonFlags {
    /// The folder that a run of `experiment` writes to.
    pub fn out(&self, experiment: &str) -> PathBuf {
        self.out.clone().unwrap_or_else(|| PathBuf::from(format!("results/{experiment}")))
    }

    /// Layers to rescale before training, with their factors.
    pub fn planted(&self) -> Vec<(String, f64)> {
        self.plant.clone().unwrap_or_default().0
    }

    /// Steps between two rows of `layers.csv` at this batch size.
    pub fn diagnostics_every(&self, batch_size: usize) -> u64 {
        let given = self.diagnostics_every.map(|steps| steps as u64);
        given.unwrap_or_else(|| crate::train::default_diagnostics_every(batch_size))
    }
}

/// A list like `conv1=.001,fc3=.02`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerValues(pub Vec<(String, f64)>);

impl FromStr for LayerValues {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut values: Vec<(String, f64)> = Vec::new();
        for part in text.split(',') {
            let wanted = "write NAME=VALUE,NAME=VALUE, as in conv1=0.001,fc3=0.02";
            let (name, value) =
                part.split_once('=').ok_or_else(|| format!("{part:?} has no '=': {wanted}"))?;
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() {
                return Err(format!("{part:?} names nothing: {wanted}"));
            }
            if values.iter().any(|(known, _)| known == name) {
                return Err(format!("{name} is given twice"));
            }
            let value = positive_rate(value).map_err(|error| format!("{name}: {error}"))?;
            values.push((name.to_owned(), value));
        }
        Ok(Self(values))
    }
}

fn momentum(text: &str) -> Result<f64, String> {
    let value = not_negative(text)?;
    if value < 1.0 { Ok(value) } else { Err("momentum must be below 1".into()) }
}

/// Parses a number that is not negative.
///
/// # Errors
/// When the text is no finite number from 0 up.
pub fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        Ok(value) => Err(format!("{value} is not zero or a positive finite number")),
        Err(_) => Err("not a number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_values_are_read_or_explained() {
        let values: LayerValues = "conv1=.001, fc3=2e-2".parse().unwrap();
        assert_eq!(values.0, [("conv1".into(), 0.001), ("fc3".into(), 0.02)]);
        for (text, wanted) in [
            ("conv1", "no '='"),
            ("=0.1", "names nothing"),
            ("a=1,a=2", "twice"),
            ("a=x", "not a number"),
            ("a=0", "positive"),
            ("a=-1", "positive"),
            ("a=NaN", "positive"),
            ("a=inf", "positive"),
            ("", "no '='"),
            ("a=1,", "no '='"),
        ] {
            let error = text.parse::<LayerValues>().unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
