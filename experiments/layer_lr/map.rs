//! `layer_lr map`: how accuracy changes with the rate of one layer.
//!
//! 1. One search of a global rate, `--trials` long, as in `compare`.
//! 2. On `--retrains` fresh seeds, each layer's rate times ¼, ½, 1, 2, 4: with the other layers at the
//!    rate found, and re-tuned ([`strata::analysis::rate_map`]).
//!
//! Everything is validation accuracy; the test images are not touched.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use strata::analysis::arms as tables_of;
use strata::analysis::rate_map::{self, Point};
use strata::cli::{self, Setup, Stopped};
use strata::data::Order;
use strata::figure;
use strata::objective::arm::{Arm, Protocol, Repetition, TrialOutcome, column};
use strata::objective::{Base, CnnTrial, TrialError, TrialFiles, TrialTables, run_cnn_trial};
use strata::rates::LayerRates;
use strata::record::{Manifest, RunFolder, TrialRow, write_table};
use strata::search::{ObjectiveError, Reporter, run_parallel, try_chains};
use strata::train::RunSettings;

use super::cost::Cost;
use super::{ARMS, Budget, EXPERIMENT, Flags, arms, preset};

/// The phase of the map's trials.
const MAP: &str = "map";
/// Seeds of the map's trials start here, far from those of the search.
const FIRST_SEED: u64 = 2_000_000;

/// Runs the map, or what is left of it.
pub fn run(flags: &Flags) -> anyhow::Result<()> {
    match Map::plan(flags)? {
        Some(map) => map.run(),
        None => Ok(()),
    }
}

/// A map that has its folder.
struct Map {
    seed: u64,
    budget: Budget,
    setup: Setup,
    /// Names of the layers.
    names: Vec<String>,
    /// The global rate.
    arm: Arm,
    protocol: Protocol,
    base: Base,
    points: Vec<Point>,
    folder: RunFolder,
    manifest: Manifest,
    /// Wall-clock seconds of earlier processes.
    seconds_before: f64,
    reporter: Reporter,
}

impl Map {
    /// Reads the flags and claims the folder; none if the cost was all that was asked for.
    fn plan(flags: &Flags) -> anyhow::Result<Option<Self>> {
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
        if flags.dry_run {
            announce(&setup, &budget, &base, &names, &points, 0)?;
            return Ok(None);
        }
        let folder = RunFolder::claim(&common.out(EXPERIMENT), common.resume, &settings)?;
        let seconds_before = folder.seconds_before()?;
        let mut manifest = setup.manifest(EXPERIMENT, common, &settings);
        manifest.wall_seconds = seconds_before;
        folder.write_manifest(&json!(manifest))?;
        let reporter = Reporter::new(common.quiet);
        Ok(Some(Self {
            seed: common.seed,
            budget,
            setup,
            names,
            arm,
            protocol,
            base,
            points,
            folder,
            manifest,
            seconds_before,
            reporter,
        }))
    }

    fn run(mut self) -> anyhow::Result<()> {
        let columns =
            ["phase", "search", "rate", "layer", "multiplier", "factor"].map(str::to_owned);
        let tables = TrialTables::open(&self.folder, &columns, &self.names, |_| 0)?;
        let mut rows = tables.finished().to_vec();
        let Self { setup, budget, base, names, points, .. } = &self;
        let total = announce(setup, budget, base, names, points, rows.len())? as u64;
        let epochs = self.base.settings.epochs;
        self.reporter.expect(total, total * epochs);
        rows.iter().for_each(|row| self.reporter.trial_known(epochs, row.value));

        let ended = self.execute(&tables, &mut rows, cli::stop_on_interrupt());
        self.reporter.finish();
        let status = if matches!(ended, Ok(Some(_))) { "complete" } else { "stopped" };
        let images = rows.iter().map(|row| row.images_trained).sum();
        let seconds = self.seconds_before + self.setup.started.elapsed().as_secs_f64();
        self.manifest.update(status, seconds, rows.len() as u64, images);
        self.folder.write_manifest(&json!(self.manifest))?;
        let Some(rate) = ended? else { return Err(Stopped.into()) };

        tables.sort()?;
        write_map(&self.folder, &rows, &self.names, self.budget.retrains)?;
        figure::draw_all(self.folder.path())?;
        cli::say(format_args!(
            "tuned global rate {rate:.4}; map.csv and figures: {}",
            self.folder.path().display()
        ));
        Ok(())
    }

    /// Runs the trials that have no row yet and adds their rows; gives the rate found, none if told to stop.
    fn execute(
        &self,
        tables: &TrialTables,
        rows: &mut Vec<TrialRow>,
        stop: &AtomicBool,
    ) -> anyhow::Result<Option<f64>> {
        let inputs = self.setup.inputs(stop);
        let train = |plan: &CnnTrial| {
            let files = TrialFiles::default();
            run_cnn_trial(plan, inputs, tables, files, |_| self.reporter.epoch())
        };
        let book = |rows: &mut Vec<TrialRow>, row: TrialRow| {
            let line = format!("trial {}: {}", row.trial, row.status.name());
            let left = self.base.settings.epochs - row.epochs_run;
            self.reporter.trial(&line, left, row.value);
            rows.push(row);
        };

        self.reporter.phase("search");
        let mut search = Repetition::new(&self.arm, &self.protocol, 0, 0)?;
        let known = |trial: u64| -> Result<Option<TrialOutcome>, ObjectiveError> {
            let row = rows.iter().find(|row| row.trial == trial).cloned();
            Ok(row.map(|row| TrialOutcome { row, realised: None }))
        };
        search.recall(known).map_err(anyhow::Error::from_boxed)?;
        let evaluate = |plan: &Result<CnnTrial, ObjectiveError>| -> anyhow::Result<_> {
            let plan = plan.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
            Ok(train(plan)?)
        };
        let stopped = try_chains(vec![search], 1, stop, evaluate, |row: TrialRow| {
            book(rows, row.clone());
            Ok(TrialOutcome { row, realised: None })
        })?;
        if stopped {
            return Ok(None);
        }
        let winners = tables_of::winners(rows, &self.arm.name);
        let Some((_, winner)) = winners.first() else {
            anyhow::bail!("every trial of the search diverged: lower --rate-high");
        };
        let rate = winner.rates[0].1;

        self.reporter.phase("map");
        let plans = self.plans(rate, rows)?;
        let mut failure: Option<TrialError> = None;
        run_parallel(&plans, self.setup.workers, stop, train, |end| match end {
            Ok(Some(row)) => book(rows, row),
            Ok(None) => {}
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                failure.get_or_insert(error);
            }
        });
        match failure {
            Some(error) => Err(error.into()),
            None => Ok((!stop.load(Ordering::Relaxed)).then_some(rate)),
        }
    }

    /// The map's trials that have no row yet.
    fn plans(&self, rate: f64, rows: &[TrialRow]) -> anyhow::Result<Vec<CnnTrial>> {
        let mut plans = Vec::new();
        for replicate in 0..self.budget.retrains {
            for (index, point) in self.points.iter().enumerate() {
                let trial = (self.budget.trials + replicate * self.points.len() + index) as u64;
                if rows.iter().any(|row| row.trial == trial) {
                    continue;
                }
                let of_layer = |name: &String| (name.clone(), rate * point.of_layer(name));
                let rates = self.names.iter().map(of_layer).collect();
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
                    hyperparameters: hyperparameters
                        .map(|(n, v)| (column(n).to_owned(), v))
                        .to_vec(),
                    settings: RunSettings {
                        rates: LayerRates::new(rate, rates)?,
                        seed: self.seed.wrapping_add(FIRST_SEED + replicate as u64),
                        ..self.base.settings.clone()
                    },
                    test: false,
                });
            }
        }
        Ok(plans)
    }
}

/// Says the cost of the map; gives its number of trainings.
fn announce(
    setup: &Setup,
    budget: &Budget,
    base: &Base,
    names: &[String],
    points: &[Point],
    done: usize,
) -> anyhow::Result<usize> {
    let cost = Cost {
        trainings: budget.trials + points.len() * budget.retrains,
        done,
        images: budget.epochs * setup.split.train.len(),
    };
    let what = format!("rate × layer map of {} layers on {} seeds", names.len(), budget.retrains);
    cost.announce(&what, setup, &base.settings)?;
    Ok(cost.trainings)
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
