//! The first half of question 2: which hyperparameters matter?
//!
//! The protocol:
//!
//! 1. Hyperparameters, their boxes and the metric are fixed before the first run. Importance is a
//!    property of the box; log hyperparameters are spread evenly in their logarithm, and so measured.
//! 2. A method lays out a design: one at a time, Morris' trajectories, Sobol' or eFAST samples,
//!    permutations for Shapley effects. Each of its points is a trial of a study, so a sweep can be
//!    killed, resumed and shared, and its journal opens in Optuna.
//! 3. Each run has a seed of its own (`--seeds fresh`). Training is chaotic: a common seed would hide
//!    its noise from the dummy, not from the indices. The pairs of runs that differ in the dummy alone
//!    give the variance of that noise, which is then taken out of the indices.
//! 4. Diverged runs count as the worst result that was seen (or are dropped), and what makes runs
//!    diverge is analysed beside it.
//! 5. Every index gets a bootstrap interval, and is given again for the first quarter, half and three
//!    quarters of the design: to see whether more runs would change the ranking.

#[path = "sensitivity/outcome.rs"]
mod outcome;
#[path = "sensitivity/problem.rs"]
mod problem;
#[path = "sensitivity/rate_map.rs"]
mod rate_map;
#[path = "sensitivity/space.rs"]
mod space;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, ValueEnum};
use serde_json::{Value, json};
use strata::analysis::sensitivity::{Method, method};
use strata::cli::{
    self, CommonFlags, GroupsFlag, Preset, PresetImages, Setup, StudyOutcome, StudyPlan, StudyRun,
    value_name,
};
use strata::data::Order;
use strata::net::Layer;
use strata::objective::{Base, CnnObjective, FunctionObjective, LayerGroups, check_space};
use strata::rates::LayerRates;
use strata::search::space::Space;
use strata::search::{Direction, Objective};

use problem::{Design, Problem};

const EXPERIMENT: &str = "sensitivity";

/// Rate where the space searches none.
const RATE: f64 = 0.02;

/// Which hyperparameters matter? Sweeps them by a design and measures their share in the result.
///
/// Trains the CNN, or evaluates an analytic function with known answers; writes the trials, the
/// indices with intervals, and figures.
///
/// Example: sensitivity --method morris --preset standard --out results/mine
#[derive(Debug, Parser)]
#[command(name = EXPERIMENT, version)]
struct Flags {
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    sweep: SweepFlags,
}

/// Which seeds runs have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Seeds {
    /// Each its own.
    #[default]
    Fresh,
    /// The same along a trajectory or sample.
    Common,
}

/// What a diverged run counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Diverged {
    /// The worst value of all complete runs.
    #[default]
    Worst,
    /// Nothing: it is left out, with the sample or trajectory that needs it.
    Drop,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sweep")]
struct SweepFlags {
    /// Design and estimator: oat (one at a time), morris, sobol, efast, shapley; or rate-map, accuracy
    /// by each layer's rate. Example: --method sobol
    #[arg(long, value_name = "NAME", default_value = "morris")]
    method: String,
    /// What runs evaluate: `cnn`, or an analytic function. Example: --objective ishigami
    #[arg(long, value_name = "NAME", default_value = "cnn")]
    objective: String,
    /// Hyperparameters and their boxes [default: experiments/spaces/sensitivity.toml and a factor on
    /// each layer's rate]. Example: --space experiments/spaces/layer_rates.toml
    #[arg(long, value_name = "FILE")]
    space: Option<PathBuf>,
    /// Metric to analyse [default: accuracy on the validation images]. Example: --metric loss
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Size of the design: trajectories (morris), base samples (sobol, shapley), points of a
    /// hyperparameter's search curves (efast), levels (oat), seeds (rate-map) [default: as the preset says]. Example: --samples 64
    #[arg(long, value_name = "N", value_parser = cli::count)]
    samples: Option<usize>,
    /// Levels of the grid of `morris`. Example: --levels 8
    #[arg(long, value_name = "P", default_value_t = 4, value_parser = cli::count)]
    levels: usize,
    /// Hyperparameters that move together and get one index (morris, sobol, shapley); `*` stands for
    /// any ending. Example: --groups "rates=lr,ratio.*;widths=l1,l2"
    #[arg(long, value_name = "NAME=A,B;…", default_value = "")]
    groups: GroupsFlag,
    /// Also estimate interactions of pairs (sobol): twice the runs. Example: --second-order
    #[arg(long)]
    second_order: bool,
    /// Sobol' points without scrambling, as SALib's. Example: --unscrambled
    #[arg(long)]
    unscrambled: bool,
    /// Seeds of runs. Example: --seeds common
    #[arg(long, value_enum, default_value_t)]
    seeds: Seeds,
    /// What diverged runs count as. Example: --diverged drop
    #[arg(long, value_enum, default_value_t)]
    diverged: Diverged,
    /// Variance of the metric between runs that differ in their seed alone, if it is known [default:
    /// from the runs that differ in a dummy alone]. Example: --noise-variance 1e-5
    #[arg(long, value_name = "V", value_parser = cli::positive_rate, allow_negative_numbers = true)]
    noise_variance: Option<f64>,
    /// Standard deviation of noise on an analytic function. Example: --objective ishigami --noise 1
    #[arg(long, value_name = "SD", default_value_t = 0.0, value_parser = cli::not_negative, allow_negative_numbers = true)]
    noise: f64,
    /// Bootstrap resamples for intervals. Example: --resamples 4000
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = cli::count)]
    resamples: usize,
    /// Overall rate around which `rate-map` is drawn: a tuned one. Example: --method rate-map --rate .04
    #[arg(long, value_name = "RATE", default_value_t = RATE, value_parser = cli::positive_rate)]
    rate: f64,
    /// Print what the sweep would cost, and end. Example: --preset full --dry-run
    #[arg(long)]
    dry_run: bool,
}

/// The sizes of a sweep.
#[derive(Clone, Copy)]
struct Budget {
    images: PresetImages,
    epochs: usize,
}

fn preset(preset: Preset) -> Budget {
    let images = |train, validation| PresetImages { train, validation };
    match preset {
        Preset::Quick => Budget { images: images(8_000, 2_000), epochs: 2 },
        Preset::Standard => Budget { images: images(45_000, 5_000), epochs: 3 },
        Preset::Full => Budget { images: images(45_000, 5_000), epochs: 10 },
    }
}

/// Size of the design unless `--samples` says otherwise: for nets by the preset, for analytic
/// functions so large that the answer is sharp.
fn default_samples(method: &str, preset: Option<Preset>) -> usize {
    let [quick, standard, full, function] = match method {
        rate_map::NAME => [2, 3, 5, 1],
        "oat" => [3, 7, 11, 21],
        "morris" => [4, 20, 40, 100],
        "efast" => [65, 65, 129, 1_000],
        _ => [8, 32, 128, 1_024],
    };
    match preset {
        None => function,
        Some(Preset::Quick) => quick,
        Some(Preset::Standard) => standard,
        Some(Preset::Full) => full,
    }
}

fn main() -> ExitCode {
    cli::run(|| {
        let flags: Flags = cli::parse_with_config()?;
        if flags.sweep.method == rate_map::NAME {
            return rate_map::run(&flags);
        }
        let method = method(&flags.sweep.method)
            .with_context(|| format!("--method (beside {}, a rate × layer map)", rate_map::NAME))?;
        match flags.sweep.objective.as_str() {
            "cnn" => sweep_net(&flags, method),
            name => sweep_function(&flags, method, name),
        }
    })
}

/// A net whose hyperparameters are swept.
struct Net<'a> {
    flags: &'a Flags,
    setup: Setup,
    layers: Vec<Layer>,
    epochs: usize,
    batch_size: usize,
    metric: (String, Direction),
}

impl<'a> Net<'a> {
    fn new(flags: &'a Flags) -> anyhow::Result<Self> {
        let (common, sweep) = (&flags.common, &flags.sweep);
        let budget = preset(common.preset.unwrap_or_default());
        let wanted = sweep.metric.as_deref().or(Some("accuracy"));
        let metric = cli::metric(wanted, CnnObjective::METRICS)?;
        let setup = Setup::new(common, budget.images, Order::Shuffled)?;
        Ok(Self {
            flags,
            layers: setup.net.layers(),
            setup,
            epochs: common.epochs.unwrap_or(budget.epochs),
            batch_size: common.batch_size.unwrap_or(64),
            metric,
        })
    }

    /// The space that `--space` names, or `default`.
    fn space(&self, default: &str) -> anyhow::Result<Space> {
        let groups = LayerGroups(&self.layers);
        Ok(Space::read_or(self.flags.sweep.space.as_deref(), default, &groups)?)
    }

    /// What runs start from.
    fn base(&self, space: &Space) -> anyhow::Result<Base> {
        let common = &self.flags.common;
        let rates = LayerRates::uniform(RATE, &self.layers)?;
        let run = self.setup.run_settings(common, self.epochs, self.batch_size, rates);
        let base = self.setup.base(common, run, RATE, space.groups.clone());
        check_space(&base, space).map_err(|error| anyhow::anyhow!("{error}")).context("--space")?;
        Ok(base)
    }

    /// Says what the sweep costs, and runs it unless that was all.
    fn run(&self, design: &Design) -> anyhow::Result<Option<StudyOutcome>> {
        let Self { flags, setup, .. } = self;
        let common = &flags.common;
        let base = self.base(&design.space)?;
        let images = self.epochs * setup.split.train.len();
        cli::say(format_args!(
            "{} by {}: {} runs of {images} images, {:.1} M images in all",
            design.names().join(", "),
            flags.sweep.method,
            design.configurations.len(),
            (design.configurations.len() * images) as f64 / 1e6,
        ));
        if flags.sweep.dry_run {
            return Ok(None);
        }
        let mut settings = setup.settings(common);
        settings["epochs"] = json!(self.epochs);
        settings["batch_size"] = json!(self.batch_size);
        let run = claim(flags, design, settings, &self.metric, self.epochs)?;
        run.run_net(EXPERIMENT, common, setup, base).map(Some)
    }
}

/// Sweeps the hyperparameters of a net.
fn sweep_net(flags: &Flags, method: &'static dyn Method) -> anyhow::Result<()> {
    let net = Net::new(flags)?;
    let space = net.space(&space::for_training(&flags.common.net, &net.layers))?;
    let samples = default_samples(method.name(), Some(flags.common.preset.unwrap_or_default()));
    let samples = flags.sweep.samples.unwrap_or(samples);
    let problem = Problem::new(flags, method, space, samples)?;
    match net.run(&problem.design(flags))? {
        Some(end) => outcome::conclude(flags, &problem, end, &net.setup.dataset.description),
        None => Ok(()),
    }
}

/// Sweeps the arguments of an analytic function.
fn sweep_function(flags: &Flags, method: &'static dyn Method, name: &str) -> anyhow::Result<()> {
    let (common, sweep) = (&flags.common, &flags.sweep);
    let objective = FunctionObjective::new(name, common.epochs.unwrap_or(1) as u64, sweep.noise)
        .context("--objective")?;
    let metric = cli::metric(sweep.metric.as_deref(), objective.metrics())?;
    let space = match &sweep.space {
        Some(path) => Space::read(path, &LayerGroups(&[]))?,
        None => problem::with_dummy(objective.space(), sweep.noise > 0.0),
    };
    objective.check_space(&space).map_err(|error| anyhow::anyhow!("{error}")).context("--space")?;
    let samples = sweep.samples.unwrap_or(default_samples(method.name(), common.preset));
    let problem = Problem::new(flags, method, space, samples)?;
    let design = problem.design(flags);
    if sweep.dry_run {
        cli::say(format_args!("{} evaluations of {name}", design.configurations.len()));
        return Ok(());
    }
    let epochs = common.epochs.unwrap_or(1);
    let settings = json!({"seed": common.seed, "epochs": epochs, "noise": sweep.noise});
    let run = claim(flags, &design, settings, &metric, epochs)?;
    let manifest = cli::manifest_without_data(EXPERIMENT, common, &run.plan.settings);
    let end = run.run(&objective, &[], manifest)?;
    outcome::conclude(flags, &problem, end, &format!("analytic function {name}"))
}

/// Claims the folder for a study whose trials are the points of the design.
fn claim(
    flags: &Flags,
    design: &Design,
    mut settings: Value,
    (metric, direction): &(String, Direction),
    epochs: usize,
) -> anyhow::Result<StudyRun> {
    let (common, sweep) = (&flags.common, &flags.sweep);
    let own = json!({
        "objective": sweep.objective,
        "metric": metric,
        "direction": direction.name(),
        "method": sweep.method,
        "samples": design.samples,
        "levels": sweep.levels,
        "groups": sweep.groups.0,
        "second_order": sweep.second_order,
        "unscrambled": sweep.unscrambled,
        "seeds": value_name(sweep.seeds),
        "rate": (sweep.method == rate_map::NAME).then_some(sweep.rate),
        "space": design.space.settings(),
        "scheduler": "none",
    });
    cli::merge(&mut settings, own);
    let out = common.out(EXPERIMENT);
    let metric = (metric.clone(), *direction);
    let space = design.study_space();
    StudyRun::prepare(StudyPlan {
        seed_blocks: design.seed_blocks.clone(),
        ..StudyPlan::of_points(common, out, space, metric, epochs as u64, settings)
    })
}
