//! A search for good hyperparameters, as in Ray Tune's CIFAR example.
//!
//! 1. A sampler proposes configurations from a space; each trial trains a net (or evaluates an
//!    analytic function) and reports after each epoch.
//! 2. A scheduler looks at the reports and stops weak trials early.
//! 3. Everything goes to a journal that Optuna opens too. The study can be killed at any moment,
//!    resumed, or shared by several processes that have the same folder.
//! 4. The best configuration is trained once more, to the same weights, and tested once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use serde_json::{Value, json};
use strata::cli::{self, CommonFlags, Preset, PresetImages, Setup, Stopped, StudyFlags};
use strata::data::Order;
use strata::figure;
use strata::objective::{
    Base, CnnObjective, EpochTables, FunctionObjective, LayerGroups, check_space,
};
use strata::rates::LayerRates;
use strata::record::{Manifest, RunFolder, replace_file};
use strata::search::journal::{Journal, read_studies};
use strata::search::replay::{ReplayOptions, replay_reports};
use strata::search::sampler::sampler;
use strata::search::scheduler::scheduler;
use strata::search::space::Space;
use strata::search::{
    Board, Direction, Lives, Objective, State, Study, StudyEnd, StudyOptions, StudySummary,
    Workers, write_decisions, write_tables,
};
use strata::train::RunSettings;

const EXPERIMENT: &str = "tune";

/// Name of the journal's file, and of the study in it unless told otherwise.
const JOURNAL: &str = "study.journal";
const STUDY: &str = "strata";

/// Time between two writings of the tables while trials run.
const REWRITE: Duration = Duration::from_secs(2);

/// Rate where the space searches none.
const RATE: f64 = 0.03;

/// Searches for good hyperparameters: the classic CIFAR example of Ray Tune by default.
///
/// Writes a journal that Optuna opens, tables, figures and the best configuration.
///
/// Example: tune --sampler tpe --trials 50 --epochs 10 --scheduler asha --out results/mine
#[derive(Debug, Parser)]
#[command(name = EXPERIMENT, version)]
struct Flags {
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    study: StudyFlags,
}

/// The sizes of a search.
#[derive(Clone, Copy)]
struct Budget {
    images: PresetImages,
    epochs: usize,
    trials: usize,
}

fn preset(preset: Preset) -> Budget {
    let images = |train, validation| PresetImages { train, validation };
    match preset {
        // The classic example's epochs and, nearly, its images.
        Preset::Quick => Budget { images: images(8_000, 2_000), epochs: 10, trials: 20 },
        Preset::Standard => Budget { images: images(20_000, 5_000), epochs: 10, trials: 100 },
        Preset::Full => Budget { images: images(45_000, 5_000), epochs: 20, trials: 200 },
    }
}

/// The space that is searched unless `--space` names a file.
fn default_space(net: &str) -> &'static str {
    match net {
        "tutorial" => include_str!("spaces/classic.toml"),
        _ => include_str!("spaces/training.toml"),
    }
}

fn main() -> ExitCode {
    cli::run(|| {
        let flags: Flags = cli::parse_with_config()?;
        match (&flags.study.replay, flags.study.objective.as_str()) {
            (Some(recorded), _) => replay_recorded(&flags, recorded),
            (None, "cnn") => search_net(&flags),
            (None, name) => search_function(&flags, name),
        }
    })
}

/// Searches the hyperparameters of a net.
fn search_net(flags: &Flags) -> anyhow::Result<()> {
    let (common, study) = (&flags.common, &flags.study);
    let mut budget = preset(common.preset.unwrap_or_default());
    budget.epochs = common.epochs.unwrap_or(budget.epochs);
    budget.trials = study.trials.unwrap_or(budget.trials);
    // Cheap checks first: no minute of loading before a mistake in a flag is reported.
    scheduler(
        &study.scheduler,
        &study.scheduler_options(budget.epochs as u64, Some(budget.trials as u64)),
    )?;
    let setup = Setup::new(common, budget.images, Order::Shuffled)?;
    let layers = setup.net.layers();
    let space =
        read_space(study.space.as_deref(), default_space(&common.net), &LayerGroups(&layers))?;
    let batch_size = common.batch_size.unwrap_or(64);
    let base = Base {
        net: common.net.clone(),
        options: Setup::net_options(common),
        settings: RunSettings {
            epochs: budget.epochs as u64,
            batch_size,
            optimizer: setup.optimizer.clone(),
            schedule: common.schedule,
            rates: LayerRates::uniform(RATE, &layers)?,
            rule: None,
            planted: common.planted(),
            seed: common.seed,
            order: Order::Shuffled,
            augmentation: common.augment,
            diagnostics_every: Some(common.diagnostics_every(batch_size)),
        },
        rate: RATE,
        weight_decay: common.weight_decay,
        groups: space.groups.clone(),
    };
    check_space(&base, &space).map_err(|error| anyhow::anyhow!("{error}")).context("--space")?;

    let mut settings = setup.settings(common);
    settings["epochs"] = json!(budget.epochs);
    settings["batch_size"] = json!(batch_size);
    let search = Search::prepare(flags, space, budget, settings, CnnObjective::METRICS)?;
    let tables = match search.alone {
        true => EpochTables::open(&search.folder, |_, _| true)?,
        false => EpochTables::join(&search.folder)?,
    };
    let stop = cli::stop_on_interrupt();
    let objective = CnnObjective::new(setup.inputs(stop), base, &tables);
    let names: Vec<_> = layers.iter().map(|layer| layer.name.clone()).collect();
    let manifest = setup.manifest(EXPERIMENT, common, &search.settings);
    let test = |state: &State| {
        let Some(best) = state.best().filter(|_| !study.no_test) else { return Ok(None) };
        let go_on = || !stop.load(std::sync::atomic::Ordering::Relaxed);
        let tested = objective.test(&state.values(best), state.seed_of(best.number), go_on);
        let tested = tested.map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(tested.map(|at| json!({"loss": at.loss, "accuracy": at.accuracy})))
    };
    let end = search.run(&objective, &names, manifest, &setup.dataset.description, &test)?;
    if end.alone {
        tables.sort()?;
    }
    end.finish()
}

/// Searches the minimum of an analytic function.
fn search_function(flags: &Flags, name: &str) -> anyhow::Result<()> {
    let study = &flags.study;
    let objective =
        FunctionObjective::new(name, flags.common.epochs.unwrap_or(1) as u64, study.noise)
            .context("--objective")?;
    let mut budget = preset(flags.common.preset.unwrap_or_default());
    budget.epochs = flags.common.epochs.unwrap_or(1);
    budget.trials = study.trials.unwrap_or(100);
    let space = match &study.space {
        Some(path) => Space::read(path, &LayerGroups(&[]))?,
        None => objective.space(),
    };
    objective.check_space(&space).map_err(|error| anyhow::anyhow!("{error}")).context("--space")?;
    let settings = json!({"seed": flags.common.seed, "epochs": budget.epochs});
    let search = Search::prepare(flags, space, budget, settings, FunctionObjective::METRICS)?;
    let manifest = cli::manifest_without_data(EXPERIMENT, &flags.common, &search.settings);
    let description = format!("analytic function {name}");
    let end = search.run(&objective, &[], manifest, &description, &|_| Ok(None))?;
    end.finish()
}

fn read_space(path: Option<&Path>, default: &str, groups: &LayerGroups) -> anyhow::Result<Space> {
    match path {
        Some(path) => Ok(Space::read(path, groups)?),
        None => Ok(Space::parse(default, groups)?),
    }
}

/// A search that is about to begin or to go on.
struct Search<'a> {
    flags: &'a Flags,
    space: Space,
    budget: Budget,
    metric: String,
    direction: Direction,
    settings: Value,
    folder: RunFolder,
    /// Whether no other process works on it.
    alone: bool,
    started: Instant,
}

impl<'a> Search<'a> {
    /// Checks everything and claims the folder.
    fn prepare(
        flags: &'a Flags,
        space: Space,
        budget: Budget,
        mut settings: Value,
        metrics: &[(&str, Direction)],
    ) -> anyhow::Result<Self> {
        let study = &flags.study;
        let known = || metrics.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let wanted = study.metric.as_deref().unwrap_or(metrics[0].0);
        let found = metrics.iter().find(|(name, _)| *name == wanted);
        let (metric, direction) =
            found.with_context(|| format!("--metric {wanted}: there is {}", known()))?;
        for name in &study.metrics {
            let is_known = metrics.iter().any(|(known, _)| known == name);
            anyhow::ensure!(is_known, "--metrics {name}: there is {}", known());
        }
        for name in &study.columns {
            let names: Vec<_> = space.parameters.iter().map(|p| p.name.clone()).collect();
            anyhow::ensure!(
                space.parameter(name).is_some(),
                "--columns {name}: the space has {}",
                names.join(", ")
            );
        }
        // Both are built again later; here their flags are checked before anything is written.
        sampler(&study.sampler, &study.sampler_options(), &space)?;
        scheduler(
            &study.scheduler,
            &study.scheduler_options(budget.epochs as u64, Some(budget.trials as u64)),
        )?;
        merge(&mut settings, study.settings(metric, *direction));
        settings["space"] = space.settings();
        let out = flags.common.out.clone();
        let out = out.unwrap_or_else(|| PathBuf::from(format!("results/{EXPERIMENT}")));
        let (folder, alone) =
            RunFolder::claim_shared(&out, flags.common.resume, &settings, &[JOURNAL])?;
        let started = Instant::now();
        let (metric, direction) = ((*metric).to_owned(), *direction);
        Ok(Self { flags, space, budget, metric, direction, settings, folder, alone, started })
    }

    /// Runs the study until nothing is left to do, and writes what is known of it.
    fn run(
        self,
        objective: &dyn Objective,
        layers: &[String],
        mut manifest: Manifest,
        data: &str,
        test: &dyn Fn(&State) -> anyhow::Result<Option<Value>>,
    ) -> anyhow::Result<End> {
        let Self { flags, folder, .. } = &self;
        let (common, study) = (&flags.common, &flags.study);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = Workers {
            count: common.workers.unwrap_or((cores / study.threads_per_trial).max(1)),
            threads: study.threads_per_trial,
            seconds: study.time_budget,
        };
        (manifest.workers, manifest.threads_per_trial) = (workers.count, workers.threads);
        let before = folder.manifest()?;
        let seconds_before = before.and_then(|m| m["wall_seconds"].as_f64()).unwrap_or(0.0);
        manifest.wall_seconds = seconds_before;

        let lives = Lives::begin(&folder.subfolder("workers")?)?;
        let path = folder.file(JOURNAL);
        let name = study_name(study.study_name.as_deref(), &path)?;
        let (journal, notices) = Journal::open(&path, &name, self.direction, lives.name())?;
        if self.alone {
            folder.write_manifest(&json!(manifest))?;
        }
        let metrics = match study.metrics.is_empty() {
            true => {
                objective.metrics().iter().take(2).map(|(name, _)| (*name).to_owned()).collect()
            }
            false => study.metrics.clone(),
        };
        let board = Board::new(common.quiet, study.columns.clone(), metrics);
        for notice in notices {
            board.say(&notice);
        }
        let trials = self.budget.trials as u64;
        let options = StudyOptions {
            seed: common.seed,
            metric: self.metric.clone(),
            direction: self.direction,
            trials,
            parallel_asks: study.parallel_asks as u64,
            retries: study.retries,
            budget: study.epoch_budget.map(|epochs| epochs as u64),
            checkpoints: folder.subfolder("checkpoints")?,
        };
        let sampler = sampler(&study.sampler, &study.sampler_options(), &self.space)?;
        if sampler.looks_back() && workers.count > study.parallel_asks {
            board.say(&format!(
                "{} has at most {} trials out at a time, so {} workers will idle: --parallel-asks {} uses all \
                 (another study comes out then)",
                study.sampler,
                study.parallel_asks,
                workers.count - study.parallel_asks,
                workers.count
            ));
        }
        let epochs = self.budget.epochs as u64;
        let scheduler =
            scheduler(&study.scheduler, &study.scheduler_options(epochs, Some(trials)))?;
        let state = State::new(options, self.space.clone(), sampler, scheduler);
        let study = Mutex::new(Study::new(journal, lives.clone(), state)?);
        if self.alone {
            folder.admit_others()?;
        }

        let written = Mutex::new(Instant::now());
        let observe = |study: &Study| {
            board.update(study.state());
            let mut written = written.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if written.elapsed() >= REWRITE {
                // A table that cannot be written now is reported at the end.
                let _ = write_tables(folder.path(), study.state(), objective, layers);
                *written = Instant::now();
            }
        };
        let end = workers.run(&study, objective, cli::stop_on_interrupt(), &observe)?;

        let alone = folder.try_alone()?;
        let mut study = study.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        study.refresh()?;
        let state = study.state();
        board.finish(state);
        let complete = end == StudyEnd::Done && state.is_complete();
        let tested = if alone && complete { test(state)? } else { None };
        write_tables(folder.path(), state, objective, layers)?;
        let seconds = seconds_before + self.started.elapsed().as_secs_f64();
        let images = state.trials().iter().map(|trial| trial.progress.images_trained).sum();
        let finished = state.trials().iter().filter(|trial| trial.state.is_finished()).count();
        let status = if complete { "complete" } else { "stopped" };
        manifest.update(status, seconds, finished as u64, images);
        folder.write_manifest(&json!(manifest))?;
        let test = tested.as_ref();
        let summary = StudySummary { state, data, command: &manifest.command, test };
        folder.write_json("best.json", &summary.json())?;
        let summary = (summary.markdown(), summary.headline());
        if alone && complete {
            lives.clear();
            // Nothing will be resumed from them any more.
            let _ = std::fs::remove_dir_all(&study.state().options.checkpoints);
        }
        Ok(End { folder: self.folder, alone, complete, stopped: end == StudyEnd::Stopped, summary })
    }
}

/// The name asked for, else that of the only study in the journal, else our own.
fn study_name(asked: Option<&str>, path: &Path) -> anyhow::Result<String> {
    if let Some(asked) = asked {
        return Ok(asked.to_owned());
    }
    let studies = if path.exists() { read_studies(path)? } else { Vec::new() };
    Ok(match studies.as_slice() {
        [only] => only.name.clone(),
        _ => STUDY.to_owned(),
    })
}

/// A search that has ended, whole or for now.
struct End {
    folder: RunFolder,
    alone: bool,
    complete: bool,
    stopped: bool,
    /// For the page and for the terminal.
    summary: (String, String),
}

impl End {
    /// Draws the figures, writes the page and says how it went.
    fn finish(self) -> anyhow::Result<()> {
        let Self { folder, alone, complete, stopped, summary: (mut page, headline) } = self;
        if alone {
            for figure in figure::draw_all(folder.path())? {
                if let Some(name) =
                    figure.file_name().filter(|_| figure.extension().is_some_and(|e| e == "png"))
                {
                    page += &format!("\n![{0}](figures/{0})\n", name.to_string_lossy());
                }
            }
            replace_file(&folder.file("summary.md"), page.as_bytes())?;
        }
        cli::say(format_args!("{headline}"));
        cli::say(format_args!("journal, tables and figures: {}", folder.path().display()));
        if stopped {
            return Err(Stopped.into());
        }
        if !complete {
            cli::say(format_args!(
                "other processes still work on this study, or its budget is used up"
            ));
        }
        Ok(())
    }
}

/// Runs a scheduler over recorded reports: `decisions.csv` and a summary.
fn replay_recorded(flags: &Flags, recorded: &Path) -> anyhow::Result<()> {
    let (common, study) = (&flags.common, &flags.study);
    anyhow::ensure!(
        study.scheduler != "pbt",
        "--replay: recorded curves cannot show what pbt would have changed; name another --scheduler"
    );
    let metric = study.metric.as_deref().unwrap_or("loss");
    let options = ReplayOptions::for_metric(metric)
        .with_context(|| format!("--metric {metric}: recorded curves have loss, accuracy"))?;
    let options = ReplayOptions { time: study.replay_time(), seed: common.seed, ..options };
    let epochs = common.epochs.unwrap_or(preset(Preset::Quick).epochs) as u64;
    let mut scheduler = scheduler(&study.scheduler, &study.scheduler_options(epochs, None))?;
    let mut settings = study.settings(metric, options.direction);
    settings["replay"] = json!(recorded);
    let out = common.out.clone();
    let out = out.unwrap_or_else(|| PathBuf::from(format!("results/{EXPERIMENT}-replay")));
    let started = Instant::now();
    let replay = replay_reports(recorded, &options, scheduler.as_mut())?;
    let folder = RunFolder::claim(&out, common.resume, &settings)?;
    write_decisions(folder.path(), &replay.decisions)?;
    let mut manifest = cli::manifest_without_data(EXPERIMENT, common, &settings);
    manifest.update("complete", started.elapsed().as_secs_f64(), replay.summary.trials, 0);
    folder.write_manifest(&json!(manifest))?;
    cli::say(format_args!("{}", replay.summary));
    cli::say(format_args!("decisions: {}", folder.file("decisions.csv").display()));
    Ok(())
}

/// Adds the keys of `more` to the object `settings`.
fn merge(settings: &mut Value, more: Value) {
    if let (Some(settings), Value::Object(more)) = (settings.as_object_mut(), more) {
        settings.extend(more);
    }
}
