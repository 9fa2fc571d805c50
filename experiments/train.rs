//! One training run under given layer rates.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use strata::cli::{self, CommonFlags, Preset, PresetImages, RateFlags, Setup, Stopped};
use strata::data::Order;
use strata::figure;
use strata::objective::{CnnTrial, ProbeTable, Probing, TrialFiles, TrialTables, run_cnn_trial};
use strata::record::{RunFolder, TrialRow, TrialStatus};
use strata::search::Reporter;
use strata::train::{EpochReport, ProbeKind, RunInputs, RunSettings};

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
    #[command(flatten)]
    rates: RateFlags,
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
    /// Probe the layers, to probes.csv: headroom and loss-slices before the first epoch; these,
    /// noise-scale and hessian-trace after each; robustness at the end. Their work counts as images
    /// trained on. Example: --probes noise-scale,headroom
    #[arg(
        long,
        value_name = "KIND,…",
        value_enum,
        value_delimiter = ',',
        help_heading = "Training"
    )]
    probes: Vec<ProbeKind>,
    /// Serve an engine from outside (Ray, Optuna, Slurm, Kubernetes): one JSON configuration a line on
    /// standard input, one JSON line an epoch on standard output; docs/worker.md has the protocol.
    /// Flags on the command line are what configurations start from. Example: echo
    /// '{"hyperparameters": {"lr": 0.05}, "epochs": 2}' | train --worker
    #[arg(long, help_heading = "Run")]
    worker: bool,
}

fn main() -> ExitCode {
    cli::run(|| {
        let flags: Flags = cli::parse_with_config()?;
        match flags.worker {
            true => cli::serve_worker(),
            false => train(&flags),
        }
    })
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
    let batch_size = common.batch_size.unwrap_or(BATCH_SIZE);
    let epochs = common.epochs.unwrap_or(epochs);
    let steps = (epochs * setup.split.train.len().div_ceil(batch_size)) as u64;
    let (rates, rule) = flags.rates.resolve(common, &setup.net.layers(), steps)?;
    let run = RunSettings {
        rule,
        order,
        diagnostics_every: Some(common.diagnostics_every(batch_size)),
        ..setup.run_settings(common, epochs, batch_size, rates)
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
    settings["bias_factor"] = json!(run.rates.bias_factor());
    settings["rule"] = flags.rates.rule_settings(&run);
    settings["import_weights"] = json!(flags.import_weights);
    if !flags.probes.is_empty() {
        settings["probes"] = json!(flags.probes);
    }
    let out = common.out(EXPERIMENT);
    let folder = RunFolder::claim(&out, common.resume, &settings)?;
    let mut manifest = setup.manifest(EXPERIMENT, common, &settings);
    manifest.workers = 1;
    let seconds_before = folder.seconds_before()?;
    manifest.wall_seconds = seconds_before;
    folder.write_manifest(&json!(manifest))?;
    let checkpoints = folder.subfolder("checkpoints")?;

    let plan = CnnTrial {
        trial: 0,
        arm: run.rule.as_ref().map_or(flags.rates.scheme.clone(), |rule| rule.name().to_owned()),
        replicate: 0,
        hyperparameters: vec![("rate".into(), run.rates.base().to_string())],
        settings: run,
        test: true,
    };
    let files = TrialFiles {
        import_weights: flags.import_weights.as_deref(),
        export_weights: flags.export_weights.as_deref(),
        checkpoints: Some(&checkpoints),
        probing: None,
    };
    let reporter = Reporter::new(common.quiet);
    let row = run_or_reload(&plan, inputs, &folder, files, &flags.probes, &reporter)?;
    reporter.finish();
    let seconds = || seconds_before + setup.started.elapsed().as_secs_f64();
    let Some(row) = row else {
        manifest.update("stopped", seconds(), 0, 0);
        folder.write_manifest(&json!(manifest))?;
        return Err(Stopped.into());
    };
    manifest.update("complete", seconds(), 1, row.images_trained);
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
    probes: &[ProbeKind],
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
    if probes.is_empty() {
        return Ok(run_cnn_trial(plan, inputs, &tables, files, show)?);
    }
    let table = ProbeTable::open(folder, |_, step| step <= steps)?;
    let files = TrialFiles { probing: Some(Probing { kinds: probes, table: &table }), ..files };
    let row = run_cnn_trial(plan, inputs, &tables, files, show)?;
    table.sort()?;
    Ok(row)
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
    let images = progress.images_trained + progress.probe_images;
    let speed = images as f64 / progress.seconds.max(1e-9);
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
