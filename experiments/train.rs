//! One training run under given layer rates.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use serde_json::json;
use strata::cli::{self, CommonFlags, LayerValues, Preset, PresetImages, Setup, Stopped};
use strata::data::Order;
use strata::figure;
use strata::net::Layer;
use strata::objective::{CnnTrial, TrialFiles, TrialTables, run_cnn_trial};
use strata::rates::{LayerRates, scheme};
use strata::record::{RunFolder, TrialRow, TrialStatus};
use strata::search::Reporter;
use strata::train::{EpochReport, RunInputs, RunSettings};

const EXPERIMENT: &str = "train";

/// Images a step unless told otherwise.
const BATCH_SIZE: usize = 64;

/// Train a CIFAR-10 CNN once, with a learning rate per layer.
///
/// Example: train --epochs 10 --lr .05 --layer-lr conv1=.01,fc3=.1
#[derive(Debug, Parser)]
#[command(name = EXPERIMENT, version)]
struct Flags {
    #[command(flatten)]
    common: CommonFlags,
    /// Overall learning rate [default: 0.03 with SGD, 0.001 with AdamW]. Example: --lr .01
    #[arg(long, value_name = "RATE", value_parser = cli::positive_rate, help_heading = "Rates")]
    lr: Option<f64>,
    /// Rates of single layers, instead of what the scheme gives them. Example: --layer-lr
    /// conv1=.001,fc3=.02
    #[arg(long, value_name = "LAYER=RATE,…", help_heading = "Rates")]
    layer_lr: Option<LayerValues>,
    /// Scheme that makes the layer rates from the overall one: global, free, depth-decay,
    /// type-groups. Example: --scheme depth-decay --decay .8
    #[arg(long, default_value = "global", help_heading = "Rates")]
    scheme: String,
    /// Coefficient of depth-decay: each layer's rate over that of the next. Example: --decay .8
    #[arg(long, value_name = "D", value_parser = cli::positive_rate, help_heading = "Rates")]
    decay: Option<f64>,
    /// Coefficients of the scheme; 1 (or 0 for a contrast) where not given. Example: --scheme
    /// type-groups --coefficients hidden=2,head=.5
    #[arg(long, value_name = "NAME=VALUE,…", help_heading = "Rates")]
    coefficients: Option<Coefficients>,
    /// Start from these weights (PyTorch's names and layouts). Example: --import-weights w.safetensors
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    import_weights: Option<PathBuf>,
    /// Write the final weights (PyTorch's names and layouts). Example: --export-weights w.safetensors
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    export_weights: Option<PathBuf>,
    /// Take the images in the order of their files: the first train, the next validate, and no
    /// epoch is shuffled. Example: --no-shuffle
    #[arg(long, help_heading = "Data")]
    no_shuffle: bool,
}

fn main() -> ExitCode {
    cli::run(|| train(&cli::parse_with_config()?))
}

fn train(flags: &Flags) -> anyhow::Result<()> {
    let Flags { common, .. } = flags;
    let (images, epochs) = match common.preset.unwrap_or(Preset::Full) {
        Preset::Quick => (PresetImages { train: 8_000, validation: 2_000 }, 5),
        Preset::Standard => (PresetImages { train: 20_000, validation: 5_000 }, 10),
        Preset::Full => (PresetImages { train: 45_000, validation: 5_000 }, 10),
    };
    let order = if flags.no_shuffle { Order::Sequential } else { Order::Shuffled };
    let setup = Setup::new(common, images, order)?;
    let rates = layer_rates(flags, &setup.net.layers())?;
    let batch_size = common.batch_size.unwrap_or(BATCH_SIZE);
    let run = RunSettings {
        epochs: common.epochs.unwrap_or(epochs) as u64,
        batch_size,
        optimizer: setup.optimizer.clone(),
        schedule: common.schedule,
        rates,
        seed: common.seed,
        order,
        augmentation: common.augment,
        diagnostics_every: Some(common.diagnostics_every(batch_size)),
    };
    // Before anything is written, so that a mistake leaves no half-made folder behind.
    let stop = cli::stop_on_interrupt();
    let inputs = setup.inputs(stop);
    let mut probe = strata::train::TrainingRun::new(inputs, run.clone())?;
    if let Some(path) = &flags.import_weights {
        probe.import_weights(path)?;
    }
    drop(probe);
    if let Some(path) = &flags.export_weights {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        anyhow::ensure!(
            folder.is_none_or(std::path::Path::is_dir) && !path.is_dir(),
            "--export-weights {}: this is no file in an existing folder; make the folder first",
            path.display()
        );
    }

    let mut settings = setup.settings(common);
    settings["epochs"] = json!(run.epochs);
    settings["batch_size"] = json!(run.batch_size);
    settings["diagnostics_every"] = json!(common.diagnostics_every(run.batch_size));
    settings["shuffle"] = json!(!flags.no_shuffle);
    settings["rates"] = run.rates.iter().map(|(l, r)| (l.to_owned(), json!(r))).collect();
    settings["import_weights"] = json!(flags.import_weights);
    let out = common.out.clone().unwrap_or_else(|| format!("results/{EXPERIMENT}").into());
    let folder = RunFolder::claim(&out, common.resume, &settings)?;
    let mut manifest = setup.manifest(EXPERIMENT, common, &settings);
    manifest.workers = 1;
    folder.write_manifest(&json!(manifest))?;
    let checkpoints = folder.subfolder("checkpoints")?;

    let plan = CnnTrial {
        trial: 0,
        arm: flags.scheme.clone(),
        replicate: 0,
        hyperparameters: vec![("rate".into(), run.rates.base().to_string())],
        settings: run,
        test: true,
    };
    let files = TrialFiles {
        import_weights: flags.import_weights.as_deref(),
        export_weights: flags.export_weights.as_deref(),
        checkpoints: Some(&checkpoints),
    };
    let reporter = Reporter::new(common.quiet);
    let row = run_or_reload(&plan, inputs, &folder, files, &reporter)?;
    reporter.finish();
    let Some(row) = row else {
        manifest.update("stopped", setup.started.elapsed().as_secs_f64(), 0, 0);
        folder.write_manifest(&json!(manifest))?;
        return Err(Stopped.into());
    };
    manifest.update("complete", setup.started.elapsed().as_secs_f64(), 1, row.images_trained);
    folder.write_manifest(&json!(manifest))?;
    figure::draw_all(folder.path())?;
    match (row.status, row.test_accuracy) {
        (TrialStatus::Complete, Some(accuracy)) => cli::say(format_args!(
            "test accuracy {:.2} % on {} ({} images)",
            100.0 * accuracy,
            setup.dataset.description,
            setup.dataset.test.len()
        )),
        _ => cli::say(format_args!("diverged in epoch {}: try lower rates", row.epochs_run + 1)),
    }
    cli::say(format_args!("tables and figures: {}", folder.path().display()));
    Ok(())
}

/// Runs the trial, unless a run that is being resumed has finished it already.
fn run_or_reload(
    plan: &CnnTrial,
    inputs: RunInputs,
    folder: &RunFolder,
    files: TrialFiles,
    reporter: &Reporter,
) -> anyhow::Result<Option<TrialRow>> {
    // Rows beyond the checkpoint will be written again.
    let steps = checkpointed_steps(plan, inputs, files)?;
    let names = plan.hyperparameters.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let layers = plan.settings.rates.iter().map(|(layer, _)| layer.to_owned()).collect::<Vec<_>>();
    let tables = TrialTables::open(folder, &names, &layers, |_| steps)?;
    if let Some(row) = tables.finished().first() {
        return Ok(Some(row.clone()));
    }
    let show = |report: &EpochReport| reporter.say(&epoch_line(report, plan.settings.epochs));
    Ok(run_cnn_trial(plan, inputs, &tables, files, show)?)
}

fn checkpointed_steps(
    plan: &CnnTrial,
    inputs: RunInputs,
    files: TrialFiles,
) -> anyhow::Result<u64> {
    let last = files.checkpoints.map(|folder| folder.join("last.safetensors"));
    let Some(last) = last.filter(|path| path.exists()) else { return Ok(0) };
    let mut run = strata::train::TrainingRun::new(inputs, plan.settings.clone())?;
    run.resume(&last)?;
    Ok(run.progress().steps)
}

fn epoch_line(report: &EpochReport, epochs: u64) -> String {
    let progress = &report.progress;
    let speed = progress.images_trained as f64 / progress.seconds.max(1e-9);
    let validation = match report.validation {
        Some(at) => format!("validation {:.4} {:.2} %", at.loss, 100.0 * at.accuracy),
        None => "diverged".to_owned(),
    };
    format!(
        "epoch {}/{epochs}: train {:.4} {:.2} %, {validation}, {speed:.0} images/s",
        progress.epochs,
        report.train.loss,
        100.0 * report.train.accuracy,
    )
}

/// Rates by the scheme, then those of single layers.
fn layer_rates(flags: &Flags, layers: &[Layer]) -> anyhow::Result<LayerRates> {
    let rate = flags.lr.unwrap_or(match flags.common.optimizer {
        strata::train::Method::Sgd => 0.03,
        strata::train::Method::AdamW => 0.001,
    });
    let scheme = scheme(&flags.scheme).context("--scheme")?;
    let mut given = flags.coefficients.clone().unwrap_or_default().0;
    given.extend(flags.decay.map(|decay| ("decay".to_owned(), decay)));
    let known = scheme.coefficients(layers);
    let mut values: Vec<f64> = known.iter().map(|coefficient| coefficient.neutral).collect();
    values[0] = rate;
    for (name, value) in given {
        let position = known.iter().skip(1).position(|coefficient| coefficient.name == name);
        let Some(position) = position else {
            let names: Vec<_> = known.iter().skip(1).map(|c| c.name.clone()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            anyhow::bail!(
                "--scheme {} has no coefficient {name:?}; beside --lr it has: {names}",
                flags.scheme
            );
        };
        values[position + 1] = value;
    }
    let rates = scheme.rates(layers, &values)?;
    let overrides = flags.layer_lr.clone().unwrap_or_default();
    rates.with_overrides(&overrides.0).context("--layer-lr")
}

/// A list like `hidden=2,contrast1=-.5`: any finite numbers.
#[derive(Clone, Debug, Default)]
struct Coefficients(Vec<(String, f64)>);

impl std::str::FromStr for Coefficients {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=')?;
            let value = value.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
            Some((name.trim().to_owned(), value))
        };
        let pairs = text.split(',').map(|part| {
            pair(part).ok_or_else(|| format!("{part:?} is not NAME=NUMBER, as in hidden=2,head=.5"))
        });
        Ok(Self(pairs.collect::<Result<_, _>>()?))
    }
}
