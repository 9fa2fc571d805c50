//! The first half of question 2, from trials that exist already: which hyperparameters matter?
//!
//! The protocol:
//!
//! 1. Trials are read from a journal in Optuna's format, of ours or anyone's, or from a CSV table. The
//!    boxes and measures of the hyperparameters are those that the trials were drawn from.
//! 2. Each method ranks the hyperparameters, and again on bootstrap resamples of the trials: intervals,
//!    the probability of each rank, and whether there are enough trials to rank at all.
//! 3. The same from the first trials alone, after each reported epoch, and for whether a trial diverges.
//! 4. The page says what could mislead: an adaptive sampler, pruned or diverged trials, a forest that
//!    does not predict, boxes that were guessed.

#[path = "importance/page.rs"]
mod page;
#[path = "importance/tables.rs"]
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::{Args, Parser, ValueEnum};
use serde_json::{Map, json};
use strata::analysis::importance::{
    Method, Options, assess, by_epoch, by_trials, method, stability,
};
use strata::analysis::recorded::{Recorded, TableOptions, read_journal, read_table};
use strata::cli::{self, CommonFlags};
use strata::objective::LayerGroups;
use strata::record::{RunFolder, replace_file};
use strata::search::Direction;
use strata::search::space::Space;

const EXPERIMENT: &str = "importance";

/// Parts of the trials from which importance is estimated again.
const PARTS: [f64; 5] = [0.125, 0.25, 0.5, 0.75, 1.0];
/// Resamples for each of them, and for each epoch.
const FEWER: usize = 50;

/// Which hyperparameters matter, by trials that were recorded: ours, Optuna's, or a CSV table.
///
/// Several methods at once, with intervals, rank probabilities and their agreement; writes tables and
/// figures.
///
/// Example: importance --journal results/tune/study.journal --out results/mine
#[derive(Debug, Parser)]
#[command(name = EXPERIMENT, version)]
struct Flags {
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    trials: TrialFlags,
    #[command(flatten)]
    assessment: AssessmentFlags,
}

/// Which way the target is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Better {
    /// Smaller.
    Minimize,
    /// Larger.
    Maximize,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Trials")]
struct TrialFlags {
    /// Journal of a study, in Optuna's format. Example: --journal results/tune/study.journal
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Study in the journal, where there are several. Example: --study mine
    #[arg(long, value_name = "NAME", requires = "journal")]
    study: Option<String>,
    /// Table of trials. Example: --trials results/tune/trials.csv
    #[arg(long, value_name = "FILE.csv", conflicts_with = "journal")]
    trials: Option<PathBuf>,
    /// The result: a column of the table, or the number of an objective of the journal [default: value,
    /// or the only objective]. Example: --trials t.csv --target validation_accuracy
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Columns of hyperparameters [default: those called hp.NAME, params_NAME or config/NAME, else all
    /// that are nothing else]. Example: --parameters lr,depth
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', requires = "trials")]
    parameters: Vec<String>,
    /// Boxes and measures of a table's hyperparameters [default: the run's manifest, else the range of
    /// the data]; of a table and a journal alike, the defaults that `ablation` and `tuning-risk` start
    /// from. Example: --trials t.csv --space space.toml
    #[arg(long, value_name = "FILE")]
    space: Option<PathBuf>,
    /// Hyperparameters of a table to be measured by their logarithm. Example: --log lr,weight_decay
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', requires = "trials")]
    log: Vec<String>,
    /// Which way a table's target is better [default: by its name]. Example: --direction maximize
    #[arg(long, value_enum, requires = "trials")]
    direction: Option<Better>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Importance")]
struct AssessmentFlags {
    /// Methods: fanova, ped-anova, lpi, ablation, tuning-risk. Example: --method fanova,ped-anova
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_values_t = ["fanova".to_owned(), "ped-anova".to_owned()])]
    method: Vec<String>,
    /// Trees of the forest. Example: --trees 128
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = cli::count)]
    trees: usize,
    /// Bootstrap resamples of the trials. Example: --resamples 400
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = cli::count)]
    resamples: usize,
    /// Quantile of the best trials for ped-anova. Example: --gamma .2
    #[arg(long, value_name = "G", default_value_t = 0.1, value_parser = cli::positive_rate)]
    gamma: f64,
    /// Use complete trials only, as Optuna does. Example: --survivors-only
    #[arg(long)]
    survivors_only: bool,
}

fn main() -> ExitCode {
    cli::run(|| {
        let flags: Flags = cli::parse_with_config()?;
        run(&flags)
    })
}

fn run(flags: &Flags) -> anyhow::Result<()> {
    let started = Instant::now();
    let (common, wanted) = (&flags.common, &flags.assessment);
    let methods: Result<Vec<&dyn Method>, _> =
        wanted.method.iter().map(|name| method(name)).collect();
    let methods = methods.context("--method")?;
    for (place, name) in wanted.method.iter().enumerate() {
        anyhow::ensure!(!wanted.method[..place].contains(name), "--method: {name} is there twice");
    }
    anyhow::ensure!(wanted.gamma < 1.0, "--gamma {}: it is a share, below 1", wanted.gamma);
    let space = flags.trials.space.as_deref().map(|path| Space::read(path, &LayerGroups(&[])));
    let space = space.transpose().context("--space")?;
    let mut recorded = read(&flags.trials, space.clone())?;
    let parameters = &recorded.observations.parameters;
    let names = parameters.iter().map(|parameter| parameter.name.as_str());
    let default_of = |name: &str| space.as_ref()?.parameter(name)?.default;
    let defaults: Vec<_> = names.clone().map(default_of).collect();
    let unknown: Vec<_> = names.filter(|name| default_of(name).is_none()).collect();
    recorded.notes.extend(defaults_note(&wanted.method, &unknown));
    let options = Options {
        trees: wanted.trees,
        resamples: wanted.resamples,
        seed: common.seed,
        gamma: wanted.gamma,
        survivors_only: wanted.survivors_only,
        defaults,
        ..Options::default()
    };
    let observations = &recorded.observations;
    let assessment =
        assess(observations, &methods, &options).with_context(|| recorded.source.clone())?;
    // What can be judged of the values may not be judged of who diverges.
    let stability = stability(observations, &methods, &options).unwrap_or_else(|reason| {
        cli::say(format_args!("not judged: what makes runs diverge ({reason})"));
        None
    });

    let settings = json!({
        "source": recorded.source,
        "target": recorded.target,
        // By this name figures know what it is; what a foreign table means by it is not known.
        "metric": match (&flags.trials.journal, &recorded.manifest) {
            (None, None) => "value",
            _ => recorded.target.strip_prefix("validation_").unwrap_or(&recorded.target),
        },
        "direction": recorded.direction.name(),
        "measure": "log parameters in log measure; boxes as the trials were drawn from",
        "space": observations
            .parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), parameter.distribution.settings()))
            .collect::<Map<_, _>>(),
        "trials": observations.rows.len(),
        "sampler": recorded.sampler,
        "adaptive": recorded.adaptive,
        "methods": wanted.method,
        "trees": wanted.trees,
        "resamples": wanted.resamples,
        "gamma": wanted.gamma,
        "survivors_only": wanted.survivors_only,
        "seed": common.seed,
    });
    let out = common.out(EXPERIMENT);
    let folder = RunFolder::claim(&out, common.resume, &settings)?;
    // These repeat everything several times: intervals from fewer resamples will do.
    let fewer = Options { resamples: options.resamples.min(FEWER), ..options.clone() };
    let rows = observations.rows.len();
    let counts = PARTS.map(|part| (rows as f64 * part).ceil() as usize);
    let result = tables::Everything {
        recorded: &recorded,
        assessment: &assessment,
        by_epoch: by_epoch(observations, &methods, &fewer)?,
        by_trials: by_trials(observations, &methods, &fewer, &counts)?,
        stability,
    };
    result.write(&folder)?;
    let mut manifest = cli::manifest_without_data(EXPERIMENT, common, &settings);
    let trials = observations.rows.len() as u64;
    manifest.update("complete", started.elapsed().as_secs_f64(), trials, 0);
    let mut manifest = json!(manifest);
    // What the trials were made with, which is not what reads them.
    if recorded.manifest.is_none() {
        manifest["device"] = json!(null);
    }
    for key in ["dataset", "net", "device", "operations"] {
        if let Some(value) = recorded.manifest.as_ref().map(|m| &m[key]).filter(|v| !v.is_null()) {
            manifest[key] = value.clone();
        }
    }
    folder.write_manifest(&manifest)?;
    let command = manifest["command"].as_str().unwrap_or_default();
    let page = page::page(&result, command)? + &cli::draw(folder.path())?;
    replace_file(&folder.file("summary.md"), page.as_bytes())
        .with_context(|| format!("writing summary.md in {}", folder.path().display()))?;
    for line in page::headline(&assessment) {
        cli::say(format_args!("{line}"));
    }
    cli::say(format_args!("tables and figures: {}", folder.path().display()));
    Ok(())
}

/// Says of which parameters nobody has told the default, where a method starts from them.
fn defaults_note(methods: &[String], unknown: &[&str]) -> Option<String> {
    let starts = methods.iter().any(|name| ["ablation", "tuning-risk"].contains(&name.as_str()));
    (starts && !unknown.is_empty()).then(|| {
        format!(
            "ablation and tuning-risk start from the defaults, and nobody has told that of {}: the middle of its box \
             or its first choice stands in for it; --space FILE names better ones",
            unknown.join(", ")
        )
    })
}

/// Reads the trials that the flags name.
fn read(flags: &TrialFlags, space: Option<Space>) -> anyhow::Result<Recorded> {
    if let Some(path) = &flags.journal {
        let of_tables = [
            ("--parameters", !flags.parameters.is_empty()),
            ("--log", !flags.log.is_empty()),
            ("--direction", flags.direction.is_some()),
        ];
        for (flag, is_given) in of_tables {
            anyhow::ensure!(
                !is_given,
                "{flag}: a journal says itself what its hyperparameters and its direction are; the flag is for --trials"
            );
        }
        let objective = flags.target.as_deref().map(str::parse).transpose();
        let objective =
            objective.context("--target: with --journal it is an objective's number")?;
        return Ok(read_journal(path, flags.study.as_deref(), objective)?);
    }
    let path = flags.trials.as_deref().context(
        "which trials? --journal FILE reads a study of tune or Optuna, --trials FILE.csv a table",
    )?;
    let target = flags.target.as_deref().unwrap_or("value");
    anyhow::ensure!(
        !flags.parameters.iter().any(|name| name == target),
        "--parameters {target}: it is the --target too; a result does not explain itself"
    );
    Ok(read_table(
        path,
        &TableOptions {
            target: flags.target.clone(),
            parameters: flags.parameters.clone(),
            space,
            log: flags.log.clone(),
            direction: flags.direction.map(|direction| match direction {
                Better::Minimize => Direction::Minimize,
                Better::Maximize => Direction::Maximize,
            }),
        },
    )?)
}
