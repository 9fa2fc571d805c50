//! The second half of question 2: in what order should hyperparameters be searched?
//!
//! The protocol:
//!
//! 1. Hyperparameters, boxes, defaults, fidelity and metric are fixed, and so are the arms
//!    (`search_priority/arms.rs`) and the questions that are asked of them.
//! 2. A quasi-random sample of real trials is recorded once, with some points trained again.
//! 3. A surrogate is fitted to it: mean, noise and divergence. How well trials predict one another is
//!    said beside every result.
//! 4. Every arm is replayed on the surrogate some hundred times. Arms of a replicate share start point
//!    and seeds. A screening is paid for out of the arm's own budget.
//! 5. Arms are compared in pairs by their mean regret over the budget; all p-values are adjusted for each
//!    other, "equivalent" needs an equivalence test, and two controls must come out as they have to.
//! 6. The arms that the answer rests on search the net itself, with fresh seeds. What is not confirmed
//!    there is marked as the surrogate's word alone.
//!
//! An analytic function is its own surrogate: there the truth is known.

#[path = "search_priority/arms.rs"]
mod arms;
#[path = "layer_lr/cost.rs"]
mod cost;
#[path = "search_priority/live.rs"]
mod live;
#[path = "search_priority/net.rs"]
mod net;
#[path = "search_priority/page.rs"]
mod page;
#[path = "search_priority/record.rs"]
mod record;
#[path = "search_priority/replays.rs"]
mod replays;
#[path = "sensitivity/space.rs"]
mod space;
#[path = "search_priority/tables.rs"]
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Parser};
use serde_json::{Value, json};
use strata::analysis::priority::Landscape;
use strata::cli::{self, CommonFlags, Preset, PresetImages};
use strata::objective::{FunctionObjective, LayerGroups};
use strata::record::{Manifest, RunFolder, replace_file};
use strata::search::space::{Configuration, Space};
use strata::search::{Direction, Objective};

use record::Sample;
use replays::Plan;
use tables::Everything;

const EXPERIMENT: &str = "search_priority";

/// In what order should hyperparameters be searched, and is finding the order paid back?
///
/// Records trials of the CNN, replays orders and strategies on a surrogate of them at equal budget, and
/// confirms what the answer rests on by searches of the CNN itself; or compares them on an analytic
/// function. Writes tables, figures and the answer with intervals.
///
/// Example: search_priority --preset standard --dataset cifar10 --out results/mine
#[derive(Debug, Parser)]
#[command(name = EXPERIMENT, version)]
struct Flags {
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    priority: PriorityFlags,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Orders")]
struct PriorityFlags {
    /// What is searched: `cnn`, or an analytic function, which needs no recorded trials. Example:
    /// --objective steep-8
    #[arg(long, value_name = "NAME", default_value = "cnn")]
    objective: String,
    /// Hyperparameters, their boxes and defaults [default: experiments/spaces/sensitivity.toml and a factor
    /// on each layer's rate]. Example: --space experiments/spaces/training.toml
    #[arg(long, value_name = "FILE")]
    space: Option<PathBuf>,
    /// Metric that is searched: accuracy or loss on the validation images [default: accuracy]. Example:
    /// --metric loss
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Points to record [default: as the preset says]. Example: --points 1024
    #[arg(long, value_name = "N", value_parser = cli::count)]
    points: Option<usize>,
    /// So many of them are trained three times, for the noise [default: as the preset says]. Example:
    /// --repeated 64
    #[arg(long, value_name = "N")]
    repeated: Option<usize>,
    /// Record nothing: use the trials of this journal, of a study with a sampler that does not look at
    /// results. Example: --journal results/tune/study.journal
    #[arg(long, value_name = "FILE", conflicts_with_all = ["points", "repeated"])]
    journal: Option<PathBuf>,
    /// Evaluations of a search [default: twice the number of hyperparameters and 2, at least 20]. Example:
    /// --budget 48
    #[arg(long, value_name = "N", value_parser = cli::count)]
    budget: Option<usize>,
    /// Evaluations of a screening [default: what the estimators need, at most two thirds of the budget].
    /// Example: --screening 16
    #[arg(long, value_name = "N", value_parser = cli::count)]
    screening: Option<usize>,
    /// Searches of each arm. Example: --replays 1000
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = cli::count)]
    replays: usize,
    /// Arms [default: all]. Example: --arms importance-first,reverse,random
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    arms: Vec<String>,
    /// Smallest difference in mean regret that matters, as a share of a random configuration's regret.
    /// Example: --smallest-effect .1
    #[arg(long, value_name = "D", default_value_t = 0.05, value_parser = cli::positive_rate, allow_negative_numbers = true)]
    smallest_effect: f64,
    /// Searches of each confirmed arm on the net itself; 0 for none [default: as the preset says]. Example:
    /// --confirm 30
    #[arg(long, value_name = "N")]
    confirm: Option<usize>,
    /// Arms that are confirmed [default: importance-first, reverse, random-order, random, default-start, and
    /// the best of the others]. Example: --confirm-arms importance-first,reverse
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    confirm_arms: Vec<String>,
    /// Standard deviation of noise on an analytic function. Example: --objective steep-8 --noise .1
    #[arg(long, value_name = "SD", default_value_t = 0.0, value_parser = cli::not_negative, allow_negative_numbers = true)]
    noise: f64,
    /// Print what it would cost, and end. Example: --preset full --dry-run
    #[arg(long)]
    dry_run: bool,
}

/// The sizes of a run.
#[derive(Clone, Copy)]
struct Budget {
    images: PresetImages,
    epochs: usize,
    sample: Sample,
    /// Searches of each confirmed arm.
    confirm: usize,
}

fn preset(preset: Preset) -> Budget {
    let images = |train, validation| PresetImages { train, validation };
    match preset {
        Preset::Quick => Budget {
            images: images(4_000, 1_000),
            epochs: 1,
            sample: Sample { points: 96, repeated: 8 },
            confirm: 2,
        },
        Preset::Standard => Budget {
            images: images(45_000, 5_000),
            epochs: 2,
            sample: Sample { points: 512, repeated: 32 },
            confirm: 12,
        },
        Preset::Full => Budget {
            images: images(45_000, 5_000),
            epochs: 5,
            sample: Sample { points: 1_024, repeated: 64 },
            confirm: 30,
        },
    }
}

fn main() -> ExitCode {
    cli::run(|| {
        let flags: Flags = cli::parse_with_config()?;
        match flags.priority.objective.as_str() {
            "cnn" => net::compare(&flags),
            name => compare_function(&flags, name),
        }
    })
}

/// Claims the run's folder; going on is only asked of it where there is something.
fn claim(flags: &Flags, settings: &Value) -> anyhow::Result<RunFolder> {
    let out = flags.common.out(EXPERIMENT);
    let begun = RunFolder::is_begun(&out) || !out.join(record::FOLDER).exists();
    Ok(RunFolder::claim(&out, flags.common.resume && begun, settings)?)
}

/// What every comparison is told.
fn own_settings(flags: &Flags, space: &Space, budget: u64) -> Value {
    let own = &flags.priority;
    json!({
        "objective": own.objective,
        "space": space.settings(),
        "journal": own.journal,
        "budget": budget,
        "screening": own.screening,
        "replays": own.replays,
        "arms": own.arms,
        "smallest_effect": own.smallest_effect,
        "noise": own.noise,
        "seed": flags.common.seed,
    })
}

fn plan<'a>(flags: &'a Flags, budget: u64) -> Plan<'a> {
    let own = &flags.priority;
    Plan {
        budget,
        replays: own.replays as u64,
        screening: own.screening.map(|evaluations| evaluations as u64),
        arms: &own.arms,
        smallest_effect: own.smallest_effect,
        seed: flags.common.seed,
    }
}

/// Compares orders on an analytic function.
fn compare_function(flags: &Flags, name: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    let (common, own) = (&flags.common, &flags.priority);
    anyhow::ensure!(
        own.journal.is_none() && own.confirm.is_none() && own.confirm_arms.is_empty(),
        "--objective {name}: a function needs no --journal, --confirm or --confirm-arms; leave them out"
    );
    anyhow::ensure!(
        own.points.is_none() && own.repeated.is_none() && common.epochs.is_none(),
        "--objective {name}: nothing is recorded of a function; leave out --points, --repeated and --epochs"
    );
    arms::check("--arms", &own.arms)?;
    let objective = FunctionObjective::new(name, 1, own.noise).context("--objective")?;
    cli::metric(own.metric.as_deref(), objective.metrics())?;
    let space = match &own.space {
        Some(path) => Space::read(path, &LayerGroups(&[]))?,
        None => objective.space(),
    };
    objective.check_space(&space).map_err(|error| anyhow::anyhow!("{error}")).context("--space")?;
    let budget = own.budget.map_or(replays::default_budget(space.parameters.len()), |n| n as u64);
    cli::say(format_args!(
        "{name}, {} hyperparameters: {} searches of each arm with {budget} evaluations; seconds",
        space.parameters.len(),
        own.replays,
    ));
    if own.dry_run {
        return Ok(());
    }
    let plan = plan(flags, budget);
    replays::screening_of(&space, &plan)?;
    let truth = |at: &Configuration| objective.truth(&space.values(at)).unwrap_or(f64::INFINITY);
    // Another box may not hold the minimum.
    let minimum = own.space.is_none().then(|| objective.minimum());
    let landscape = Landscape::of_function(space.clone(), truth, own.noise, minimum);
    let settings = own_settings(flags, &space, budget);
    let folder = claim(flags, &settings)?;
    let replays = replays::run(&landscape, &plan)?;
    // A flat neighbourhood has no order worth speaking of.
    let nearby = replays::nearby(&landscape, &replays, &plan).ok();
    let everything = Everything {
        replays: &replays,
        nearby: nearby.as_ref(),
        surrogate: None,
        direction: Direction::Minimize,
        live: &[],
        confirmed: &[],
        epochs: 1,
        images: 0,
    };
    let mut manifest = cli::manifest_without_data(EXPERIMENT, common, &settings);
    let evaluations = replays.arms.len() as u64 * own.replays as u64 * budget;
    manifest.update("complete", started.elapsed().as_secs_f64(), evaluations, 0);
    let protocol = format!(
        "Analytic function `{name}`, noise of standard deviation {}. {}.",
        own.noise,
        in_words(&space)
    );
    conclude(&folder, &everything, &manifest, &protocol)
}

/// Hyperparameters with their boxes, in a line.
fn in_words(space: &Space) -> String {
    let lines = space.describe();
    let each = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    format!("Box: {}", each.collect::<Vec<_>>().join("; "))
}

/// Writes tables, manifest, figures and page, and says the answer.
fn conclude(
    folder: &RunFolder,
    everything: &Everything,
    manifest: &Manifest,
    protocol: &str,
) -> anyhow::Result<()> {
    everything.write(folder)?;
    folder.write_manifest(&json!(manifest))?;
    let page = everything.page(protocol, &manifest.command)? + &cli::draw(folder.path())?;
    replace_file(&folder.file("summary.md"), page.as_bytes())
        .with_context(|| format!("writing summary.md in {}", folder.path().display()))?;
    for line in everything.headline() {
        cli::say(format_args!("{line}"));
    }
    cli::say(format_args!("tables, figures and summary.md: {}", folder.path().display()));
    Ok(())
}
