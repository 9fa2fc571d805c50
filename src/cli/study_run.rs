//! Runs a study in a folder: checks, claims, workers, tables and manifest.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{CommonFlags, Setup, Stopped};
use crate::figure;
use crate::objective::{Base, CnnObjective, EpochTables};
use crate::record::{Manifest, RecordError, RunFolder, replace_file};
use crate::search::journal::{Journal, read_studies};
use crate::search::sampler::{SamplerOptions, sampler};
use crate::search::scheduler::{SchedulerOptions, scheduler};
use crate::search::space::Space;
use crate::search::{
    Board, Direction, Lives, Objective, State, Study, StudyEnd, StudyOptions, Workers, write_tables,
};

/// Name of the journal's file, and of the study in it unless told otherwise.
pub const JOURNAL: &str = "study.journal";
const STUDY: &str = "strata";

/// Time between two writings of the tables while trials run.
const REWRITE: Duration = Duration::from_secs(2);

/// What decides how a study goes.
#[derive(Clone, Debug)]
pub struct StudyPlan {
    /// Folder of the run.
    pub out: PathBuf,
    /// Whether to go on with what the folder holds.
    pub resume: bool,
    /// Whether to show nothing.
    pub quiet: bool,
    /// Seed of every draw.
    pub seed: u64,
    /// What is searched.
    pub space: Space,
    /// Who proposes.
    pub sampler: String,
    /// And how.
    pub sampler_options: SamplerOptions,
    /// Who stops trials.
    pub scheduler: String,
    /// And how.
    pub scheduler_options: SchedulerOptions,
    /// The metric that is searched.
    pub metric: String,
    /// Which way it is better.
    pub direction: Direction,
    /// Trials in all.
    pub trials: u64,
    /// How far a proposal looks back.
    pub parallel_asks: u64,
    /// Trials with the same number here have the same seed; each has its own if there are none.
    pub seed_blocks: Vec<u64>,
    /// How often a failed trial is tried again.
    pub retries: u64,
    /// Epochs after which the study stops.
    pub epoch_budget: Option<u64>,
    /// Trials at a time; as many as there are cores for, if not given.
    pub workers: Option<usize>,
    /// Threads that each may use.
    pub threads_per_trial: usize,
    /// Seconds after which the study stops.
    pub seconds: Option<f64>,
    /// Name of the study in the journal, if not the usual one.
    pub study_name: Option<String>,
    /// Hyperparameters that the board shows.
    pub columns: Vec<String>,
    /// Metrics that it shows; the first two if none are named.
    pub metrics: Vec<String>,
    /// What the manifest records and a resumption compares.
    pub settings: Value,
}

/// A study that is about to begin or to go on.
#[derive(Debug)]
pub struct StudyRun {
    /// What it does.
    pub plan: StudyPlan,
    /// Its folder.
    pub folder: RunFolder,
    /// Whether no other process works on it.
    pub alone: bool,
    started: Instant,
}

impl StudyRun {
    /// Checks sampler and scheduler, then claims the folder.
    ///
    /// # Errors
    /// When the sampler or the scheduler does not fit, or the folder cannot be had.
    pub fn prepare(plan: StudyPlan) -> anyhow::Result<Self> {
        // Both are built again later; here their flags are checked before anything is written.
        sampler(&plan.sampler, &plan.sampler_options, &plan.space)?;
        scheduler(&plan.scheduler, &plan.scheduler_options)?;
        let (folder, alone) =
            RunFolder::claim_shared(&plan.out, plan.resume, &plan.settings, &[JOURNAL])?;
        Ok(Self { plan, folder, alone, started: Instant::now() })
    }

    /// The tables of its epochs, for this process alone or beside others.
    ///
    /// # Errors
    /// When a table cannot be read or written.
    pub fn epoch_tables(&self) -> Result<EpochTables, RecordError> {
        match self.alone {
            true => EpochTables::open(&self.folder, |_, _| true),
            false => EpochTables::join(&self.folder),
        }
    }

    /// Runs a study of the net, which starts from `base`, until nothing is left to do.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn run_net(
        self,
        experiment: &'static str,
        common: &CommonFlags,
        setup: &Setup,
        base: Base,
    ) -> anyhow::Result<StudyOutcome> {
        let tables = self.epoch_tables()?;
        let inputs = setup.inputs(super::stop_on_interrupt());
        let objective = CnnObjective::new(inputs, base, &tables);
        let layers: Vec<_> = setup.net.layers().into_iter().map(|layer| layer.name).collect();
        let manifest = setup.manifest(experiment, common, &self.plan.settings);
        let end = self.run(&objective, &layers, manifest)?;
        if end.alone {
            tables.sort()?;
        }
        Ok(end)
    }

    /// Runs the study until nothing is left to do, and writes its tables and its manifest.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn run(
        self,
        objective: &dyn Objective,
        layers: &[String],
        mut manifest: Manifest,
    ) -> anyhow::Result<StudyOutcome> {
        let Self { plan, folder, .. } = &self;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = Workers {
            count: plan.workers.unwrap_or((cores / plan.threads_per_trial).max(1)),
            threads: plan.threads_per_trial,
            seconds: plan.seconds,
        };
        (manifest.workers, manifest.threads_per_trial) = (workers.count, workers.threads);
        let seconds_before = folder.seconds_before()?;
        manifest.wall_seconds = seconds_before;

        let lives = Lives::begin(&folder.subfolder("workers")?)?;
        let path = folder.file(JOURNAL);
        let name = study_name(plan.study_name.as_deref(), &path)?;
        let (journal, notices) = Journal::open(&path, &name, plan.direction, lives.name())?;
        if self.alone {
            folder.write_manifest(&json!(manifest))?;
        }
        let metrics = match plan.metrics.is_empty() {
            true => {
                objective.metrics().iter().take(2).map(|(name, _)| (*name).to_owned()).collect()
            }
            false => plan.metrics.clone(),
        };
        let board = Board::new(plan.quiet, plan.columns.clone(), metrics);
        for notice in notices {
            board.say(&notice);
        }
        let sampler = sampler(&plan.sampler, &plan.sampler_options, &plan.space)?;
        if sampler.looks_back() && workers.count as u64 > plan.parallel_asks {
            board.say(&format!(
                "{} has at most {} trials out at a time, so {} workers will idle: --parallel-asks {} uses all \
                 (another study comes out then)",
                plan.sampler,
                plan.parallel_asks,
                workers.count as u64 - plan.parallel_asks,
                workers.count
            ));
        }
        let scheduler = scheduler(&plan.scheduler, &plan.scheduler_options)?;
        let state = State::new(plan.options(folder)?, plan.space.clone(), sampler, scheduler);
        let study = Mutex::new(Study::new(journal, lives.clone(), state)?);
        if self.alone {
            folder.admit_others()?;
        }

        let written = Mutex::new(Instant::now());
        let observe = |study: &Study| {
            board.update(study.state());
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            if written.elapsed() >= REWRITE {
                // A table that cannot be written now is reported at the end.
                let _ = write_tables(folder.path(), study.state(), objective, layers);
                *written = Instant::now();
            }
        };
        let end = workers.run(&study, objective, super::stop_on_interrupt(), &observe)?;

        let alone = folder.try_alone()?;
        let mut study = study.into_inner().unwrap_or_else(PoisonError::into_inner);
        study.refresh()?;
        let state = study.state();
        board.finish(state);
        let complete = end == StudyEnd::Done && state.is_complete();
        write_tables(folder.path(), state, objective, layers)?;
        let seconds = seconds_before + self.started.elapsed().as_secs_f64();
        let images = state.trials().iter().map(|trial| trial.progress.images_trained).sum();
        let finished = state.trials().iter().filter(|trial| trial.state.is_finished()).count();
        let status = if complete { "complete" } else { "stopped" };
        manifest.update(status, seconds, finished as u64, images);
        folder.write_manifest(&json!(manifest))?;
        let stopped = end == StudyEnd::Stopped;
        Ok(StudyOutcome { folder: self.folder, alone, complete, stopped, study, manifest, lives })
    }
}

impl StudyPlan {
    /// A study that takes the points of `space`, one a trial, and trains each for `epochs`: a design.
    pub fn of_points(
        common: &CommonFlags,
        out: PathBuf,
        space: Space,
        (metric, direction): (String, Direction),
        epochs: u64,
        settings: Value,
    ) -> Self {
        Self {
            out,
            resume: common.resume,
            quiet: common.quiet,
            seed: common.seed,
            trials: space.points.len() as u64,
            space,
            // Never asked: every trial is a point of the space.
            sampler: "random".into(),
            sampler_options: SamplerOptions::default(),
            scheduler: "none".into(),
            scheduler_options: SchedulerOptions { max_t: epochs, ..SchedulerOptions::default() },
            metric,
            direction,
            parallel_asks: common.workers.unwrap_or(1).max(4) as u64,
            seed_blocks: Vec::new(),
            retries: 0,
            epoch_budget: None,
            workers: common.workers,
            threads_per_trial: 1,
            seconds: None,
            study_name: None,
            columns: Vec::new(),
            metrics: Vec::new(),
            settings,
        }
    }

    fn options(&self, folder: &RunFolder) -> anyhow::Result<StudyOptions> {
        Ok(StudyOptions {
            seed: self.seed,
            seed_blocks: self.seed_blocks.clone(),
            metric: self.metric.clone(),
            direction: self.direction,
            trials: self.trials,
            parallel_asks: self.parallel_asks,
            retries: self.retries,
            budget: self.epoch_budget,
            checkpoints: folder.subfolder("checkpoints")?,
        })
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

/// A study that has ended, whole or for now.
pub struct StudyOutcome {
    /// Its folder.
    pub folder: RunFolder,
    /// Whether no other process works on it.
    pub alone: bool,
    /// Whether all its trials have ended.
    pub complete: bool,
    /// Whether it was told to stop.
    pub stopped: bool,
    /// Its trials.
    pub study: Study,
    /// As written.
    pub manifest: Manifest,
    lives: Lives,
}

impl StudyOutcome {
    /// Removes what only a resumption would need, draws the figures, writes `page` with them as
    /// `summary.md`, and says how it went.
    ///
    /// # Errors
    /// When a figure or the page cannot be written, and where the study was told to stop.
    pub fn finish(self, mut page: String, headline: &str) -> anyhow::Result<()> {
        let Self { folder, alone, complete, stopped, study, lives, .. } = self;
        if alone && complete {
            lives.clear();
            // Nothing will be resumed from them any more.
            let _ = std::fs::remove_dir_all(&study.state().options.checkpoints);
        }
        if alone {
            page += &draw(folder.path())?;
            replace_file(&folder.file("summary.md"), page.as_bytes())?;
        }
        super::say(format_args!("{headline}"));
        super::say(format_args!("journal, tables and figures: {}", folder.path().display()));
        if stopped {
            return Err(Stopped.into());
        }
        if !complete {
            super::say(format_args!(
                "other processes still work on this study, or its budget is used up"
            ));
        }
        Ok(())
    }
}

/// Draws all figures of a run; gives the lines that show them on its page.
///
/// # Errors
/// When a table cannot be understood or a figure cannot be written.
pub fn draw(folder: &Path) -> anyhow::Result<String> {
    let drawn = figure::draw_all(folder)?;
    let pictures = drawn.iter().filter(|path| path.extension().is_some_and(|e| e == "png"));
    let names = pictures.filter_map(|path| path.file_name());
    Ok(names.map(|name| format!("\n![{0}](figures/{0})\n", name.to_string_lossy())).collect())
}
