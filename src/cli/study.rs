//! The flags of a search, and sampler and scheduler made from them.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::flags::not_negative;
use super::{GroupsFlag, count, value_name};
use crate::analysis::priority::{RANKERS, ranker, screening};
use crate::objective::SHAPING;
use crate::search::Direction;
use crate::search::replay::ReplayTime;
use crate::search::sampler::{Order, SamplerOptions};
use crate::search::scheduler::{AshaMode, QUANTILE, RESAMPLE_PROBABILITY, SchedulerOptions};
use crate::search::space::Space;

/// The names of metrics, for messages.
pub fn metric_names(metrics: &[(&str, Direction)]) -> String {
    metrics.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The metric that `--metric` names, or the first, with its direction.
///
/// # Errors
/// When there is none of that name; the message lists those that there are.
pub fn metric(
    wanted: Option<&str>,
    metrics: &[(&str, Direction)],
) -> anyhow::Result<(String, Direction)> {
    let wanted = wanted.unwrap_or(metrics[0].0);
    let found = metrics.iter().find(|(name, _)| *name == wanted);
    let (name, direction) =
        found.with_context(|| format!("--metric {wanted}: there is {}", metric_names(metrics)))?;
    Ok(((*name).to_owned(), *direction))
}

/// Which decisions asynchronous successive halving takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// As Ray Tune's `ASHAScheduler` (stops trials below a quantile of a rung).
    #[default]
    Ray,
    /// As Optuna's `SuccessiveHalvingPruner`.
    Optuna,
    /// As the paper (Li et al., MLSys 2020): pauses trials at a rung and promotes the best.
    Promotion,
}

/// What counts as time in a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Time {
    /// The column `step`.
    #[default]
    Step,
    /// The number of the trial's reports so far.
    Report,
}

/// Space, sampler, scheduler, budget and display of a search.
#[derive(Clone, Debug, Args)]
pub struct StudyFlags {
    /// Search space [default: the classic one: l1, l2, lr, batch_size]. Example: --space
    /// experiments/spaces/layer_rates.toml
    #[arg(long, value_name = "FILE", help_heading = "Search")]
    pub space: Option<PathBuf>,
    /// What trials evaluate: `cnn`, or an analytic function: branin, hartmann3, hartmann6, rosenbrock,
    /// ackley-5, rastrigin, ishigami, sobol-g, sphere, mixed, bratley, linear, interaction,
    /// categorical-sum, log-check, steep-N, even-N, gated-N; -N gives the number of variables where it
    /// is free. Example: --objective ackley-5
    #[arg(long, value_name = "NAME", default_value = "cnn", help_heading = "Search")]
    pub objective: String,
    /// Who proposes configurations: grid, random, sobol, tpe, gp, cma-es; or a part of the
    /// hyperparameters at a time: coordinate, groups, grow, proportional. Example: --sampler tpe
    #[arg(long, value_name = "NAME", default_value = "random", help_heading = "Search")]
    pub sampler: String,
    /// Metric to search: `loss` or `accuracy` on the validation images [default: loss]. Example:
    /// --metric accuracy
    #[arg(long, value_name = "NAME", help_heading = "Search")]
    pub metric: Option<String>,
    /// Trials in all. Example: --trials 50
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Search")]
    pub trials: Option<usize>,
    /// Trial n is proposed from the results of trials up to n − N, however many workers there are:
    /// so these do not change the result. Example: --parallel-asks 8
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count, help_heading = "Search")]
    pub parallel_asks: usize,
    /// Levels of a continuous hyperparameter in a grid. Example: --sampler grid --grid-levels 5
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Search")]
    pub grid_levels: Option<usize>,
    /// Trials that TPE and GP draw at random first [default: 10], or that `median` lets run to their
    /// end first [default: 5]. Example: --startup-trials 20
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Search")]
    pub startup_trials: Option<usize>,
    /// Sobol' points without scrambling. Example: --sampler sobol --unscrambled
    #[arg(long, help_heading = "Search")]
    pub unscrambled: bool,
    /// In which order coordinate, groups, grow and proportional search: hyperparameters by name, or space
    /// (as listed), random, or an estimate from the first trials: morris, fanova, ped-anova (or chance, which
    /// runs them and does not look) [default: space]. Example: --sampler coordinate --order lr,momentum
    #[arg(long, value_name = "ORDER", value_delimiter = ',', help_heading = "Search")]
    pub order: Vec<String>,
    /// Trials that an estimated order rests on [default: what the estimators need]. Example: --order
    /// fanova --screening 20
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Search")]
    pub screening: Option<usize>,
    /// Trials of coordinate, groups and grow for each hyperparameter that a stage brings [default: 4].
    /// Example: --stage-levels 6
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Search")]
    pub stage_levels: Option<usize>,
    /// Groups of the sampler `groups`; `*` stands for any ending [default: three at a time in their
    /// order]. Example: --sampler groups --groups "rates=lr,ratio.*;widths=l1,l2"
    #[arg(long, value_name = "NAME=A,B;…", default_value = "", help_heading = "Search")]
    pub groups: GroupsFlag,
    /// Standard deviation of noise on an analytic function. Example: --objective branin --noise .1
    #[arg(long, value_name = "SD", default_value_t = 0.0, value_parser = not_negative, help_heading = "Search")]
    pub noise: f64,
    /// Do not train the best configuration again to test it. Example: --no-test
    #[arg(long, help_heading = "Search")]
    pub no_test: bool,

    /// Who stops trials: none, asha, hyperband, median, patience, pbt. Example: --scheduler asha
    #[arg(long, value_name = "NAME", default_value = "asha", help_heading = "Scheduler")]
    pub scheduler: String,
    /// Epochs at most [default: --epochs]. Example: --max-t 10
    #[arg(long, value_name = "N", help_heading = "Scheduler")]
    pub max_t: Option<u64>,
    /// Epochs that every trial gets. Example: --grace-period 2
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Scheduler")]
    pub grace_period: u64,
    /// One in so many trials goes on from rung to rung [default: 2; 3 with hyperband]. Example:
    /// --reduction-factor 4
    #[arg(long, value_name = "ETA", help_heading = "Scheduler")]
    pub reduction_factor: Option<f64>,
    /// Decisions of asha. Example: --scheduler asha --mode promotion
    #[arg(long, value_enum, default_value_t, help_heading = "Scheduler")]
    pub mode: Mode,
    /// Brackets of asha in Ray's mode. Example: --brackets 2
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Scheduler")]
    pub brackets: u64,
    /// First rung of asha in Optuna's mode, as a power of the reduction factor. Example:
    /// --min-early-stopping-rate 1
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Scheduler")]
    pub min_early_stopping_rate: u64,
    /// Trials that reach a rung before asha in Optuna's mode, or hyperband, lets any pass. Example:
    /// --bootstrap-count 3
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Scheduler")]
    pub bootstrap_count: u64,
    /// Epochs in which `median` stops no trial. Example: --scheduler median --warm-up 2
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Scheduler")]
    pub warm_up: u64,
    /// Epochs without improvement after which `patience` stops a trial. Example: --patience 3
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Scheduler")]
    pub patience: u64,
    /// Trials that the population of `pbt` has. Example: --scheduler pbt --population 8
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Scheduler")]
    pub population: u64,
    /// Epochs between two perturbations of `pbt`. Example: --perturbation-interval 2
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Scheduler")]
    pub perturbation_interval: u64,
    /// Share of the population of `pbt` that takes over from the best such share. Example: --quantile 0.5
    #[arg(long, value_name = "Q", default_value_t = QUANTILE, help_heading = "Scheduler")]
    pub quantile: f64,
    /// Probability that `pbt` draws a value anew instead of changing it. Example:
    /// --resample-probability 0.1
    #[arg(long, value_name = "P", default_value_t = RESAMPLE_PROBABILITY, help_heading = "Scheduler")]
    pub resample_probability: f64,

    /// Threads that each trial may use [workers default to cores ÷ this]. Example:
    /// --threads-per-trial 2
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count, help_heading = "Execution")]
    pub threads_per_trial: usize,
    /// How often a failed trial is tried again. Example: --retries 1
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Execution")]
    pub retries: u64,
    /// Seconds after which running trials are saved and the study stops; --resume goes on. Example:
    /// --time-budget 600
    #[arg(long, value_name = "SECONDS", value_parser = super::positive_rate, help_heading = "Execution")]
    pub time_budget: Option<f64>,
    /// Epochs of all trials together after which running trials are saved and the study stops.
    /// Example: --epoch-budget 200
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Execution")]
    pub epoch_budget: Option<usize>,
    /// Name of the study in the journal. Example: --study-name widths
    #[arg(long, value_name = "NAME", help_heading = "Execution")]
    pub study_name: Option<String>,

    /// Hyperparameters in the live table [default: all]. Example: --columns lr,batch_size
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Display")]
    pub columns: Vec<String>,
    /// Metrics in the live table [default: loss,accuracy]. Example: --metrics accuracy,train_loss
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Display")]
    pub metrics: Vec<String>,

    /// Run the scheduler over recorded reports in file order instead of training; needs no data.
    /// Example: --replay results/tune/curves.csv --scheduler asha --max-t 10
    #[arg(long, value_name = "FILE", help_heading = "Replay")]
    pub replay: Option<PathBuf>,
    /// What counts as time in a replay. Example: --replay-time report
    #[arg(long, value_enum, default_value_t, help_heading = "Replay")]
    pub replay_time: Time,
}

impl StudyFlags {
    /// What samplers are built with to search `space`.
    ///
    /// # Errors
    /// When `--order` or `--groups` names what the space does not have.
    pub fn sampler_options(&self, space: &Space) -> anyhow::Result<SamplerOptions> {
        let names: Vec<_> = space.parameters.iter().map(|p| p.name.as_str()).collect();
        self.check_order()?;
        let groups = self.groups.members(&names).context("--groups")?;
        let members = |places: Vec<usize>| places.iter().map(|p| names[*p].to_owned()).collect();
        Ok(SamplerOptions {
            grid_levels: self.grid_levels.map(|levels| levels as u64),
            scramble: !self.unscrambled,
            startup_trials: self.startup_trials.map(|trials| trials as u64),
            order: self.order(space)?,
            stage_levels: self.stage_levels.map(|levels| levels as u64),
            groups: groups.into_iter().map(|(name, places)| (name, members(places))).collect(),
        })
    }

    /// Refuses flags that the sampler would not look at.
    fn check_order(&self) -> anyhow::Result<()> {
        let sampler = &self.sampler;
        let given = [
            ("--order", !self.order.is_empty()),
            ("--screening", self.screening.is_some()),
            ("--stage-levels", self.stage_levels.is_some()),
            ("--groups", !self.groups.0.is_empty()),
        ];
        for (flag, is_given) in given {
            let takes: &[&str] = match flag {
                "--groups" => &["groups"],
                "--stage-levels" => &["coordinate", "groups", "grow"],
                _ => &["coordinate", "groups", "grow", "proportional"],
            };
            anyhow::ensure!(
                !is_given || takes.contains(&sampler.as_str()),
                "{flag}: sampler {sampler} does not look at it; {} do",
                takes.join(", ")
            );
        }
        let is_estimated = self.order.iter().any(|name| ranker(name).is_some());
        anyhow::ensure!(
            self.screening.is_none() || is_estimated,
            "--screening: only an estimated order has one; give --order morris, fanova or ped-anova"
        );
        for (place, name) in self.order.iter().enumerate() {
            anyhow::ensure!(!self.order[..place].contains(name), "--order: {name} is there twice");
        }
        Ok(())
    }

    fn order(&self, space: &Space) -> anyhow::Result<Order> {
        if self.order.is_empty() {
            return Ok(Order::Space);
        }
        if let [only] = self.order.as_slice() {
            match only.as_str() {
                "space" => return Ok(Order::Space),
                "random" => return Ok(Order::Random),
                name => {
                    if let Some(ranker) = ranker(name) {
                        let trials = self.screening.map_or(screening(space), |n| n as u64);
                        let fewest = (ranker.fewest)(space);
                        anyhow::ensure!(
                            trials >= fewest,
                            "--screening {trials}: {name} needs {fewest} trials or more in this space"
                        );
                        return Ok(Order::Screened { ranker, trials });
                    }
                }
            }
        }
        for name in &self.order {
            let rankers: Vec<_> = RANKERS.iter().map(|ranker| ranker.name).collect();
            let names: Vec<_> = space.parameters.iter().map(|p| p.name.as_str()).collect();
            anyhow::ensure!(
                space.parameter(name).is_some(),
                "--order {name}: there is space, random, {}, or hyperparameters of the space: {}",
                rankers.join(", "),
                names.join(", ")
            );
        }
        Ok(Order::Given(self.order.clone()))
    }

    /// What schedulers are built with, for trials of at most `epochs` epochs.
    pub fn scheduler_options(&self, epochs: u64, trials: Option<u64>) -> SchedulerOptions {
        let factor = if self.scheduler == "hyperband" { 3.0 } else { 2.0 };
        SchedulerOptions {
            max_t: self.max_t.unwrap_or(epochs),
            grace_period: self.grace_period,
            reduction_factor: self.reduction_factor.unwrap_or(factor),
            mode: match self.mode {
                Mode::Ray => AshaMode::Ray,
                Mode::Optuna => AshaMode::Optuna,
                Mode::Promotion => AshaMode::Promotion,
            },
            brackets: self.brackets,
            min_early_stopping_rate: self.min_early_stopping_rate,
            patience: self.patience,
            population: self.population,
            trials,
            perturbation_interval: self.perturbation_interval,
            quantile: self.quantile,
            resample_probability: self.resample_probability,
            startup_trials: self.startup_trials.map_or(5, |trials| trials as u64),
            warm_up: self.warm_up,
            bootstrap_count: self.bootstrap_count,
            fixed: SHAPING.map(str::to_owned).to_vec(),
        }
    }

    /// What counts as time in a replay.
    pub fn replay_time(&self) -> ReplayTime {
        match self.replay_time {
            Time::Step => ReplayTime::Step,
            Time::Report => ReplayTime::Report,
        }
    }

    /// The settings that decide what a study finds, for its manifest.
    pub fn settings(&self, metric: &str, direction: Direction) -> Value {
        let mut settings = json!({
            "objective": self.objective,
            "metric": metric,
            "direction": direction.name(),
            "sampler": self.sampler,
            "parallel_asks": self.parallel_asks,
            "grid_levels": self.grid_levels,
            "startup_trials": self.startup_trials,
            "unscrambled": self.unscrambled,
            "noise": self.noise,
            "order": self.order,
            "screening": self.screening,
            "stage_levels": self.stage_levels,
            "groups": self.groups.0,
            "scheduler": self.scheduler,
            "max_t": self.max_t,
            "grace_period": self.grace_period,
            "reduction_factor": self.reduction_factor,
            "mode": value_name(self.mode),
            "brackets": self.brackets,
            "min_early_stopping_rate": self.min_early_stopping_rate,
            "bootstrap_count": self.bootstrap_count,
            "warm_up": self.warm_up,
            "patience": self.patience,
            "population": self.population,
            "perturbation_interval": self.perturbation_interval,
        });
        // Younger than the others: a study that has the defaults says what studies said before.
        if self.quantile != QUANTILE {
            settings["quantile"] = json!(self.quantile);
        }
        if self.resample_probability != RESAMPLE_PROBABILITY {
            settings["resample_probability"] = json!(self.resample_probability);
        }
        settings
    }
}
