//! `layer_lr map`: how accuracy changes with the rate of one layer.
//!
//! 1. One search of a global rate, `--trials` long, as in `compare`.
//! 2. On `--retrains` fresh seeds, each layer's rate times ¼, ½, 1, 2, 4: with the other layers at the
//!    rate found, and re-tuned ([`strata::analysis::rate_map`]).
//!
//! Everything is validation accuracy; the test images are not touched.

use std::sync::atomic::Ordering;

use serde_json::json;
use strata::analysis::arms as tables_of;
use strata::analysis::rate_map::{self, Point};
use strata::cli::{self, Setup, Stopped};
use strata::data::Order;
use strata::figure;
use strata::objective::arm::{Protocol, Repetition, TrialOutcome, column};
use strata::objective::{CnnTrial, TrialError, TrialFiles, TrialTables, run_cnn_trial};
use strata::rates::LayerRates;
use strata::record::{RunFolder, TrialRow, write_table};
use strata::search::{ObjectiveError, Reporter, run_chains, run_parallel};
use strata::train::RunSettings;

use super::cost::Cost;
use super::{ARMS, EXPERIMENT, Flags, arms, preset};

/// The phase of the map's trials.
const MAP: &str = "map";
/// Seeds of the map's trials start here, far from those of the search.
const FIRST_SEED: u64 = 2_000_000;

/// Runs the map, or what is left of it.
pub fn run(flags: &Flags) -> anyhow::Result<()> {
    let common = &flags.common;
    let mut budget = preset(common.preset.unwrap_or_default());
    budget.epochs = common.epochs.unwrap_or(budget.epochs);
    budget.batch_size = common.batch_size.unwrap_or(budget.batch_size);
    budget.trials = flags.trials.unwrap_or(budget.trials);
    budget.retrains = flags.retrains.unwrap_or(budget.retrains.min(5));
    let setup = Setup::new(common, budget.images, Order::Shuffled)?;
    let layers = setup.net.layers();
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let base = arms::base(&setup, common, &budget)?;
    let arm = arms::build(&[&ARMS[0]], flags, &layers, &base)?.remove(0);
    let protocol = Protocol {
        sampler: flags.sampler.clone(),
        trials: budget.trials,
        retrains: 0,
        seed: common.seed,
        steps: 0,
        diagnostics_every: 1,
    };
    let mut settings = setup.settings(common);
    settings["mode"] = json!("map");
    settings["epochs"] = json!(budget.epochs);
    settings["batch_size"] = json!(budget.batch_size);
    settings["sampler"] = json!(protocol.sampler);
    settings["trials"] = json!(budget.trials);
    settings["retrains"] = json!(budget.retrains);
    settings["space"] = arm.space.settings();

    let points = rate_map::points(&names);
    let cost = |done| Cost {
        trainings: budget.trials + points.len() * budget.retrains,
        done,
        images: budget.epochs * setup.split.train.len(),
    };
    let what = format!("rate × layer map of {} layers on {} seeds", names.len(), budget.retrains);
    if flags.dry_run {
        return cost(0).announce(&what, &setup, &base.settings);
    }
    let out = common.out(EXPERIMENT);
    let folder = RunFolder::claim(&out, common.resume, &settings)?;
    let mut manifest = setup.manifest(EXPERIMENT, common, &settings);
    folder.write_manifest(&json!(manifest))?;
    let columns = ["phase", "search", "rate", "layer", "multiplier", "factor"].map(str::to_owned);
    let tables = TrialTables::open(&folder, &columns, &names, |_| 0)?;
    let mut rows = tables.finished().to_vec();
    cost(rows.len()).announce(&what, &setup, &base.settings)?;
    let reporter = Reporter::new(common.quiet);
    let epochs = budget.epochs as u64;
    reporter.expect(cost(0).trainings as u64, cost(0).trainings as u64 * epochs);
    rows.iter().for_each(|row| reporter.trial_known(epochs, row.value));

    let stop = cli::stop_on_interrupt();
    let inputs = setup.inputs(stop);
    let train = |plan: &CnnTrial| {
        run_cnn_trial(plan, inputs, &tables, TrialFiles::default(), |_| reporter.epoch())
    };
    let line = |row: &TrialRow| format!("trial {}: {}", row.trial, row.status.name());

    reporter.phase("search");
    let mut search = Repetition::new(&arm, &protocol, 0, 0)?;
    let known = |trial: u64| -> Result<Option<TrialOutcome>, ObjectiveError> {
        let row = rows.iter().find(|row| row.trial == trial).cloned();
        Ok(row.map(|row| TrialOutcome { row, realised: None }))
    };
    search.recall(known).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut failure: Option<TrialError> = None;
    let evaluate = |plan: &Result<CnnTrial, ObjectiveError>| plan.as_ref().ok().map(train);
    run_chains(vec![search], 1, stop, evaluate, |_, end| match end? {
        Ok(Some(row)) => {
            reporter.trial(&line(&row), epochs - row.epochs_run, row.value);
            rows.push(row.clone());
            Some(Ok(TrialOutcome { row, realised: None }))
        }
        Ok(None) => None,
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    if let Some(error) = failure.take() {
        return Err(error.into());
    }
    let winners = tables_of::winners(&rows, &arm.name);
    let found = winners.first().map(|(_, winner)| winner.rates[0].1);
    let stopped = || stop.load(Ordering::Relaxed);
    let rate = match found {
        Some(rate) if !stopped() => rate,
        None if !stopped() => {
            anyhow::bail!("every trial of the search diverged: lower --rate-high")
        }
        _ => {
            reporter.finish();
            return Err(Stopped.into());
        }
    };

    reporter.phase("map");
    let mut plans = Vec::new();
    for replicate in 0..budget.retrains {
        for (index, point) in points.iter().enumerate() {
            let trial = (budget.trials + replicate * points.len() + index) as u64;
            if rows.iter().any(|row| row.trial == trial) {
                continue;
            }
            let of_layer = |name: &String| (name.clone(), rate * point.of_layer(name));
            let rates = names.iter().map(of_layer).collect();
            let hyperparameters = [
                ("phase", MAP.to_owned()),
                ("rate", rate.to_string()),
                ("layer", point.layer.clone()),
                ("multiplier", point.multiplier.to_string()),
                ("factor", point.factor.to_string()),
            ];
            plans.push(CnnTrial {
                trial,
                arm: MAP.to_owned(),
                replicate: replicate as u64,
                hyperparameters: hyperparameters.map(|(n, v)| (column(n).to_owned(), v)).to_vec(),
                settings: RunSettings {
                    rates: LayerRates::new(rate, rates)?,
                    seed: common.seed.wrapping_add(FIRST_SEED + replicate as u64),
                    ..base.settings.clone()
                },
                test: false,
            });
        }
    }
    run_parallel(&plans, setup.workers, stop, train, |end| match end {
        Ok(Some(row)) => {
            reporter.trial(&line(&row), epochs - row.epochs_run, row.value);
            rows.push(row);
        }
        Ok(None) => {}
        Err(error) => {
            stop.store(true, Ordering::Relaxed);
            failure.get_or_insert(error);
        }
    });
    reporter.finish();
    if let Some(error) = failure {
        return Err(error.into());
    }
    let images = rows.iter().map(|row| row.images_trained).sum();
    let seconds = setup.started.elapsed().as_secs_f64();
    let status = if stopped() { "stopped" } else { "complete" };
    manifest.update(status, seconds, rows.len() as u64, images);
    folder.write_manifest(&json!(manifest))?;
    if stopped() {
        return Err(Stopped.into());
    }
    tables.sort()?;
    write_map(&folder, &rows, &names, budget.retrains)?;
    figure::draw_all(folder.path())?;
    cli::say(format_args!(
        "tuned global rate {rate:.4}; map.csv and figures: {}",
        folder.path().display()
    ));
    Ok(())
}

/// Writes `map.csv`: one row a layer, multiplier, base and seed.
fn write_map(
    folder: &RunFolder,
    rows: &[TrialRow],
    layers: &[String],
    seeds: usize,
) -> anyhow::Result<()> {
    let value = |point: &Point, seed: usize| {
        let has = |row: &TrialRow, name: &str, wanted: &str| {
            row.hyperparameters.iter().any(|(known, value)| known == name && value == wanted)
        };
        let row = rows.iter().find(|row| {
            has(row, "phase", MAP)
                && row.replicate == seed as u64
                && has(row, "layer", &point.layer)
                && has(row, "multiplier", &point.multiplier.to_string())
                && has(row, "factor", &point.factor.to_string())
        });
        row.and_then(|row| row.value)
    };
    let rows = rate_map::rows(layers, seeds, value);
    Ok(write_table(&folder.file("map.csv"), &rate_map::COLUMNS, &rows)?)
}
