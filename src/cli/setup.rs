//! From common flags to data, net and device.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use super::{CommonFlags, value_name};
use crate::data::{self, Dataset, Order, Split};
use crate::device::ComputeDevice;
use crate::net::{self, Architecture, NetOptions, Parameters};
use crate::objective::Base;
use crate::ops;
use crate::rates::LayerRates;
use crate::record::{DatasetRecord, Manifest, SourceRevision, machine};
use crate::search::space::Group;
use crate::train::{OptimizerSettings, RunInputs, RunSettings, Start};

/// What an experiment works with, made from its flags.
#[derive(Debug)]
pub struct Setup {
    /// The images.
    pub dataset: Dataset,
    /// Which of them train and which validate.
    pub split: Split,
    /// The net.
    pub net: Box<dyn Architecture>,
    /// Where it computes.
    pub device: ComputeDevice,
    /// Optimiser without its rates.
    pub optimizer: OptimizerSettings,
    /// Trials at a time.
    pub workers: usize,
    /// When the program started.
    pub started: Instant,
}

/// Image counts of a preset, for where no flag says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct PresetImages {
    /// Images to train on.
    pub train: usize,
    /// Images to validate on.
    pub validation: usize,
}

impl Setup {
    /// Loads and builds everything; says on standard error which data are used.
    ///
    /// A preset's image counts shrink in proportion where the data hold fewer; counts given by
    /// flags are taken literally. With `Order::Sequential` the first images train and the next
    /// validate.
    ///
    /// # Errors
    /// When anything that the flags name does not exist or does not fit.
    pub fn new(flags: &CommonFlags, preset: PresetImages, order: Order) -> anyhow::Result<Self> {
        let started = Instant::now();
        // Cheap checks first: no minute of loading before a misspelt name is reported.
        let device = ComputeDevice::open(flags.device)?;
        let options = Self::net_options(flags);
        let net = net::build(&flags.net, &options).context("--net")?;
        let start = Start::planted(flags.planted());
        if start != Start::default() {
            let mut parameters = Parameters::initialise(net.as_ref(), flags.seed, &device.device);
            start.apply(&mut parameters).context("--plant")?;
        }
        let dataset = load(flags)?;

        let available = dataset.train.len();
        let scale = (available as f64 / (preset.train + preset.validation) as f64).min(1.0);
        let shrunk = |images: usize| ((images as f64 * scale) as usize).max(1);
        let (train, validation) = match (flags.train_images, flags.validation_images) {
            (None, None) => (Some(shrunk(preset.train)), Some(shrunk(preset.validation))),
            (None, validation) => {
                let left = available.saturating_sub(validation.unwrap_or(0)).max(1);
                (Some(preset.train.min(left)), validation)
            }
            given => given,
        };
        let split = match order {
            Order::Shuffled => {
                Split::stratified(&dataset.train.labels, train, validation, flags.seed)?
            }
            Order::Sequential => Split::in_order(available, train, validation)?,
        };
        if !flags.quiet {
            super::exit::say_error(format_args!(
                "{}: {} images to train, {} to validate, {} to test; {}",
                dataset.description,
                split.train.len(),
                split.validation.len(),
                dataset.test.len(),
                ops::implementation(&device),
            ));
        }
        let optimizer = OptimizerSettings {
            method: flags.optimizer,
            momentum: flags.momentum,
            nesterov: flags.nesterov,
            weight_decay: flags.weight_decay.unwrap_or(flags.optimizer.default_weight_decay()),
            decay_mode: flags.decay_mode,
            ..OptimizerSettings::default()
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = flags.workers.unwrap_or(cores);
        Ok(Self { dataset, split, net, device, optimizer, workers, started })
    }

    /// What all runs of the experiment share; they stop when `stop` is raised.
    pub fn inputs<'a>(&'a self, stop: &'a AtomicBool) -> RunInputs<'a> {
        let Self { dataset, split, device, .. } = self;
        RunInputs { dataset, split, net: self.net.as_ref(), device, stop }
    }

    /// What the flags choose about the net besides its name.
    pub fn net_options(flags: &CommonFlags) -> NetOptions {
        NetOptions { l1: flags.l1, l2: flags.l2 }
    }

    /// A run with these rates, in shuffled order and without rows of diagnostics; an experiment changes
    /// what it wants otherwise.
    pub fn run_settings(
        &self,
        flags: &CommonFlags,
        epochs: usize,
        batch_size: usize,
        rates: LayerRates,
    ) -> RunSettings {
        RunSettings {
            epochs: epochs as u64,
            batch_size,
            optimizer: self.optimizer.clone(),
            schedule: flags.schedule,
            rates,
            rule: None,
            start: Start::planted(flags.planted()),
            seed: flags.seed,
            order: Order::Shuffled,
            augmentation: flags.augment,
            diagnostics_every: None,
        }
    }

    /// What a search starts from: this net, these settings, `rate` where the space searches none, and
    /// the space's groups.
    pub fn base(
        &self,
        flags: &CommonFlags,
        settings: RunSettings,
        rate: f64,
        groups: Vec<Group>,
    ) -> Base {
        Base {
            net: flags.net.clone(),
            options: Self::net_options(flags),
            settings,
            rate,
            weight_decay: flags.weight_decay,
            groups,
        }
    }

    /// Settings that results depend on; an experiment adds its own.
    pub fn settings(&self, flags: &CommonFlags) -> Value {
        json!({
            "dataset": self.dataset.digest,
            "split": self.split.digest(),
            "net": flags.net,
            "layers": self.net.layers().iter().map(|l| format!("{}: {}", l.name, l.kind)).collect::<Vec<_>>(),
            "augment": flags.augment.to_string(),
            "planted": flags.planted(),
            "optimizer": self.optimizer,
            "schedule": flags.schedule,
            "seed": flags.seed,
            "device": flags.device,
        })
    }

    /// A manifest for a run that begins.
    pub fn manifest(
        &self,
        experiment: &'static str,
        flags: &CommonFlags,
        settings: &Value,
    ) -> Manifest {
        let mut manifest = manifest_without_data(experiment, flags, settings);
        manifest.operations = ops::implementation(&self.device);
        manifest.workers = self.workers;
        manifest.dataset = Some(DatasetRecord {
            name: self.dataset.name.to_owned(),
            description: self.dataset.description.clone(),
            digest: self.dataset.digest.clone(),
            split_digest: self.split.digest(),
            train_images: self.split.train.len(),
            validation_images: self.split.validation.len(),
            test_images: self.dataset.test.len(),
        });
        manifest.net = Some(flags.net.clone());
        manifest
    }
}

/// Adds the keys of `more` to the object `settings`.
pub fn merge(settings: &mut Value, more: Value) {
    if let (Some(settings), Value::Object(more)) = (settings.as_object_mut(), more) {
        settings.extend(more);
    }
}

/// A manifest for a run that begins and needs no images.
pub fn manifest_without_data(
    experiment: &'static str,
    flags: &CommonFlags,
    settings: &Value,
) -> Manifest {
    Manifest {
        status: "running",
        command: command_line(),
        experiment,
        version: env!("CARGO_PKG_VERSION"),
        source: SourceRevision::current(),
        burn: Manifest::BURN,
        device: flags.device.to_string(),
        operations: "none".to_owned(),
        machine: machine(),
        workers: 1,
        threads_per_trial: 1,
        dataset: None,
        net: None,
        preset: flags.preset.map(value_name),
        seed: flags.seed,
        settings: settings.clone(),
        wall_seconds: 0.0,
        trials: 0,
        trials_per_hour: 0.0,
        images_per_second: 0.0,
    }
}

/// The command line, the program by its name alone.
fn command_line() -> String {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let name = std::path::Path::new(&program).file_stem().map(|name| name.to_string_lossy());
    let name = name.map_or(program.clone(), std::borrow::Cow::into_owned);
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn load(flags: &CommonFlags) -> anyhow::Result<Dataset> {
    let folder = flags.data_dir.as_deref();
    if flags.download {
        let mut archive = data::Archive::default();
        if let Some(url) = &flags.download_url {
            archive = data::Archive::from_url(url);
        }
        let target = folder.unwrap_or(std::path::Path::new(data::DEFAULT_FOLDER));
        let progress = if flags.quiet { data::Progress::Quiet } else { data::Progress::Shown };
        data::download(&archive, target, progress)?;
    }
    Ok(data::load(flags.dataset, folder, data::synthetic::Size::default())?)
}

/// Parses a number of things, at least one.
///
/// # Errors
/// When the text is no whole number or is 0.
pub fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a whole number from 1 up".into()),
    }
}

/// Parses a learning rate.
///
/// # Errors
/// When the text is no positive finite number.
pub fn positive_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        Ok(rate) => Err(format!("must be positive and finite, not {rate}")),
        Err(_) => Err("not a number".into()),
    }
}
