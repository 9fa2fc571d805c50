//! A search for good hyperparameters, as in Ray Tune's CIFAR example.
//!
//! 1. A sampler proposes configurations from a space; each trial trains a net (or evaluates an
//!    analytic function) and reports after each epoch.
//! 2. A scheduler looks at the reports and stops weak trials early.
//! 3. Everything goes to a journal that Optuna opens too. The study can be killed at any moment,
//!    resumed, or shared by several processes that have the same folder.
//! 4. The best configuration is trained once more, to the same weights, and tested once.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use serde_json::{Value, json};
use strata::cli::{
    self, CommonFlags, SearchBudget, Setup, StudyFlags, StudyOutcome, StudyPlan, StudyRun,
};
use strata::data::Order;
use strata::objective::{CnnObjective, FunctionObjective, LayerGroups, check_space};
use strata::record::RunFolder;
use strata::search::replay::{ReplayOptions, replay_reports};
use strata::search::scheduler::scheduler;
use strata::search::space::Space;
use strata::search::{Direction, StudySummary, TrialState, write_decisions};

const EXPERIMENT: &str = "tune";

/// Epochs at most in a replay unless told otherwise.
const DEFAULT_EPOCHS: usize = 10;

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
    let mut budget = SearchBudget::new(common);
    budget.trials = study.trials.unwrap_or(budget.trials);
    // Cheap checks first: no minute of loading before a mistake in a flag is reported.
    scheduler(
        &study.scheduler,
        &study.scheduler_options(budget.epochs as u64, Some(budget.trials as u64)),
    )?;
    let setup = Setup::new(common, budget.images, Order::Shuffled)?;
    let layers = setup.net.layers();
    let space = Space::read_or(
        study.space.as_deref(),
        cli::default_space(&common.net),
        &LayerGroups(&layers),
    )?;
    let base = setup.search_base(common, budget.epochs, space.groups.clone())?;
    check_space(&base, &space).map_err(|error| anyhow::anyhow!("{error}")).context("--space")?;

    let settings = setup.search_settings(common, budget.epochs);
    let search = prepare(flags, space, budget, settings, CnnObjective::METRICS)?;
    let tables = search.epoch_tables()?;
    let stop = cli::stop_on_interrupt();
    let objective = CnnObjective::new(setup.inputs(stop), base, &tables);
    let names: Vec<_> = layers.iter().map(|layer| layer.name.clone()).collect();
    let manifest = setup.manifest(EXPERIMENT, common, &search.plan.settings);
    let end = search.run(&objective, &names, manifest)?;
    let state = end.study.state();
    let wanted = end.alone && end.complete && !study.no_test;
    let mut test = None;
    if let Some(best) = state.best().filter(|_| wanted) {
        let go_on = || !stop.load(std::sync::atomic::Ordering::Relaxed);
        let tested = objective.test(&state.values(best), state.seed_of(best.number), go_on);
        let tested = tested.map_err(|error| anyhow::anyhow!("{error}"))?;
        test = tested.map(|at| json!({"loss": at.loss, "accuracy": at.accuracy}));
    }
    if end.alone {
        tables.sort()?;
    }
    conclude(end, &setup.dataset.description, test)
}

/// Searches the minimum of an analytic function.
fn search_function(flags: &Flags, name: &str) -> anyhow::Result<()> {
    let study = &flags.study;
    let objective =
        FunctionObjective::new(name, flags.common.epochs.unwrap_or(1) as u64, study.noise)
            .context("--objective")?;
    let mut budget = SearchBudget::new(&flags.common);
    budget.epochs = flags.common.epochs.unwrap_or(1);
    budget.trials = study.trials.unwrap_or(100);
    let space = match &study.space {
        Some(path) => Space::read(path, &LayerGroups(&[]))?,
        None => objective.space(),
    };
    objective.check_space(&space).map_err(|error| anyhow::anyhow!("{error}")).context("--space")?;
    let settings = json!({"seed": flags.common.seed, "epochs": budget.epochs});
    let search = prepare(flags, space, budget, settings, FunctionObjective::METRICS)?;
    let manifest = cli::manifest_without_data(EXPERIMENT, &flags.common, &search.plan.settings);
    let end = search.run(&objective, &[], manifest)?;
    conclude(end, &format!("analytic function {name}"), None)
}

/// Checks everything and claims the folder.
fn prepare(
    flags: &Flags,
    space: Space,
    budget: SearchBudget,
    mut settings: Value,
    metrics: &[(&str, Direction)],
) -> anyhow::Result<StudyRun> {
    let (common, study) = (&flags.common, &flags.study);
    let (metric, direction) = cli::metric(study.metric.as_deref(), metrics)?;
    for name in &study.metrics {
        let is_known = metrics.iter().any(|(known, _)| known == name);
        anyhow::ensure!(is_known, "--metrics {name}: there is {}", cli::metric_names(metrics));
    }
    for name in &study.columns {
        let names: Vec<_> = space.parameters.iter().map(|p| p.name.clone()).collect();
        anyhow::ensure!(
            space.parameter(name).is_some(),
            "--columns {name}: the space has {}",
            names.join(", ")
        );
    }
    cli::merge(&mut settings, study.settings(&metric, direction));
    settings["space"] = space.settings();
    let trials = budget.trials as u64;
    let sampler_options = study.sampler_options(&space)?;
    let screening = sampler_options.order.screening();
    anyhow::ensure!(
        screening == 0 || screening < trials,
        "--trials {trials}: the screening of --order alone has {screening}; give more trials or a smaller --screening"
    );
    StudyRun::prepare(StudyPlan {
        out: common.out(EXPERIMENT),
        resume: common.resume,
        quiet: common.quiet,
        seed: common.seed,
        space,
        sampler: study.sampler.clone(),
        sampler_options,
        scheduler: study.scheduler.clone(),
        scheduler_options: study.scheduler_options(budget.epochs as u64, Some(trials)),
        metric,
        direction,
        trials,
        parallel_asks: study.parallel_asks as u64,
        seed_blocks: Vec::new(),
        retries: study.retries,
        epoch_budget: study.epoch_budget.map(|epochs| epochs as u64),
        workers: common.workers,
        threads_per_trial: study.threads_per_trial,
        seconds: study.time_budget,
        study_name: study.study_name.clone(),
        columns: study.columns.clone(),
        metrics: study.metrics.clone(),
        settings,
    })
}

/// Writes what the study found, with the best model's test where there was one.
fn conclude(end: StudyOutcome, data: &str, test: Option<Value>) -> anyhow::Result<()> {
    let state = end.study.state();
    let summary = StudySummary { state, data, command: &end.manifest.command, test: test.as_ref() };
    end.folder.write_json("best.json", &summary.json())?;
    let (page, headline) = (summary.markdown(), summary.headline());
    let trials = state.trials();
    let failed = trials.iter().all(|trial| trial.state == TrialState::Failed);
    let first = trials.first().filter(|_| failed).map(|trial| (trials.len(), trial.error.clone()));
    end.finish(page, &headline)?;
    if let Some((count, error)) = first {
        anyhow::bail!("every one of {count} trials failed, trial 0 by: {error}");
    }
    Ok(())
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
    let epochs = common.epochs.unwrap_or(DEFAULT_EPOCHS) as u64;
    let mut scheduler = scheduler(&study.scheduler, &study.scheduler_options(epochs, None))?;
    let mut settings = study.settings(metric, options.direction);
    settings["replay"] = json!(recorded);
    let out = common.out(&format!("{EXPERIMENT}-replay"));
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
