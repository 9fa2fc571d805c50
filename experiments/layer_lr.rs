//! Question 1: should the learning rate be the same in every layer?
//!
//! The protocol:
//!
//! 1. A stratified, seeded split; tuning looks at validation images only.
//! 2. Two arms, both tuned by random search with the same number of trials, epochs and images:
//!    `global` (one rate) and `free` (one rate and a multiplier per layer). Trial i of both arms
//!    shares its seed.
//! 3. The winner of each arm, by validation accuracy after the last epoch, is retrained on fresh
//!    seeds, the same for both arms, and each retrained model is tested once.
//! 4. The difference of test accuracies, paired by seed, gets a bootstrap interval and a verdict:
//!    better, worse, equivalent (within the smallest effect of interest) or inconclusive.

use std::process::ExitCode;

use clap::Parser;
use rand::RngExt;
use serde_json::json;
use strata::analysis::{Answer, arms, compare, percent};
use strata::cli::{self, CommonFlags, Preset, PresetImages, Setup, Stopped};
use strata::data::Order;
use strata::figure;
use strata::net::Layer;
use strata::objective::{CnnTrial, TrialError, TrialFiles, TrialTables, run_cnn_trial};
use strata::random::{Purpose, stream};
use strata::rates::{Coefficient, LayerRates, Scheme, scheme};
use strata::record::{Manifest, RunFolder, TrialRow, replace_file};
use strata::search::{Reporter, run_parallel};
use strata::train::{Method, RunSettings};

const EXPERIMENT: &str = "layer_lr";

/// The arms; each is a scheme, searched in its box. The first is the baseline.
const ARMS: [&str; 2] = ["global", "free"];

/// Seeds of retrained models start here, far from those of the search.
const RETRAIN_SEED: u64 = 1_000_000;

/// A winner nearer than this share of the box to one of its ends is "on the border".
const BORDER: f64 = 0.05;

/// Question 1: should the learning rate be the same in every layer?
///
/// Tunes one global rate and free rates per layer by random search at equal budget, retrains both
/// winners on fresh seeds, tests each model once, and writes tables, figures and a verdict.
///
/// Example: layer_lr --preset quick --dataset cifar10 --data-dir DIR --out results/mine
#[derive(Debug, Parser)]
#[command(name = EXPERIMENT, version)]
struct Flags {
    #[command(flatten)]
    common: CommonFlags,
    /// Search trials in each arm. Example: --trials 40
    #[arg(long, value_name = "N", value_parser = cli::count, help_heading = "Protocol")]
    trials: Option<usize>,
    /// Fresh seeds on which each winner is retrained; fewer than 6 allow no claim. Example:
    /// --retrains 10
    #[arg(long, value_name = "N", value_parser = cli::count, help_heading = "Protocol")]
    retrains: Option<usize>,
    /// Lowest overall rate searched [default: 0.002 with SGD, 0.0001 with AdamW]. Example:
    /// --rate-low .001
    #[arg(long, value_name = "RATE", value_parser = cli::positive_rate, help_heading = "Protocol")]
    rate_low: Option<f64>,
    /// Highest overall rate searched [default: 0.5 with SGD, 0.03 with AdamW]. Example:
    /// --rate-high .2
    #[arg(long, value_name = "RATE", value_parser = cli::positive_rate, help_heading = "Protocol")]
    rate_high: Option<f64>,
    /// Smallest difference in test accuracy that matters, in points; fixed before looking.
    /// Example: --smallest-effect .5
    #[arg(long, value_name = "POINTS", default_value_t = 0.3, value_parser = cli::positive_rate, help_heading = "Protocol")]
    smallest_effect: f64,
}

/// The sizes of a run.
#[derive(Clone, Copy)]
struct Budget {
    images: PresetImages,
    batch_size: usize,
    epochs: usize,
    trials: usize,
    retrains: usize,
}

fn preset(preset: Preset) -> Budget {
    let images = |train, validation| PresetImages { train, validation };
    match preset {
        Preset::Quick => Budget {
            images: images(4_000, 1_000),
            // Small batches: with few images, steps are what is scarce.
            batch_size: 16,
            epochs: 10,
            trials: 20,
            retrains: 10,
        },
        Preset::Standard => Budget {
            images: images(20_000, 5_000),
            batch_size: 64,
            epochs: 10,
            trials: 40,
            retrains: 15,
        },
        Preset::Full => Budget {
            images: images(45_000, 5_000),
            batch_size: 64,
            epochs: 20,
            trials: 80,
            retrains: 30,
        },
    }
}

fn main() -> ExitCode {
    cli::run(|| {
        let flags = cli::parse_with_config()?;
        Experiment::prepare(&flags)?.run()
    })
}

/// Everything that is fixed before the first trial.
struct Experiment<'a> {
    flags: &'a Flags,
    budget: Budget,
    setup: Setup,
    layers: Vec<Layer>,
    folder: RunFolder,
    manifest: Manifest,
    reporter: Reporter,
    seconds_before: f64,
}

impl<'a> Experiment<'a> {
    fn prepare(flags: &'a Flags) -> anyhow::Result<Self> {
        let common = &flags.common;
        let mut budget = preset(common.preset.unwrap_or_default());
        budget.epochs = common.epochs.unwrap_or(budget.epochs);
        budget.batch_size = common.batch_size.unwrap_or(budget.batch_size);
        budget.trials = flags.trials.unwrap_or(budget.trials);
        budget.retrains = flags.retrains.unwrap_or(budget.retrains);
        let (low, high) = rate_box(flags);
        anyhow::ensure!(low < high, "--rate-low {low} must be below --rate-high {high}");

        let setup = Setup::new(common, budget.images, Order::Shuffled)?;
        strata::data::Batches::new(&setup.dataset.train, &setup.split.train, budget.batch_size)?;
        let mut settings = setup.settings(common);
        settings["epochs"] = json!(budget.epochs);
        settings["batch_size"] = json!(budget.batch_size);
        settings["diagnostics_every"] = json!(common.diagnostics_every(budget.batch_size));
        settings["trials"] = json!(budget.trials);
        settings["retrains"] = json!(budget.retrains);
        settings["rate_box"] = json!([low, high]);
        settings["smallest_effect"] = json!(flags.smallest_effect);
        let out = common.out.clone().unwrap_or_else(|| format!("results/{EXPERIMENT}").into());
        let folder = RunFolder::claim(&out, common.resume, &settings)?;
        let before = folder.manifest()?;
        let seconds_before = before.and_then(|m| m["wall_seconds"].as_f64()).unwrap_or(0.0);
        let mut manifest = setup.manifest(EXPERIMENT, common, &settings);
        manifest.preset = Some(cli::value_name(common.preset.unwrap_or_default()));
        manifest.wall_seconds = seconds_before;
        folder.write_manifest(&json!(manifest))?;
        Ok(Self {
            layers: setup.net.layers(),
            reporter: Reporter::new(common.quiet),
            flags,
            budget,
            setup,
            folder,
            manifest,
            seconds_before,
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        let coefficients: Vec<_> = ARMS.iter().map(|arm| self.coefficients(arm)).collect();
        let mut names = vec![arms::PHASE.to_owned()];
        for coefficient in coefficients.iter().flatten() {
            if !names.contains(&coefficient.name) {
                names.push(coefficient.name.clone());
            }
        }
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.name.clone()).collect();
        let tables = TrialTables::open(&self.folder, &names, &layers, |_| 0)?;
        let mut rows = tables.finished().to_vec();
        let trials = (ARMS.len() * (self.budget.trials + self.budget.retrains)) as u64;
        self.reporter.expect(trials, trials * self.budget.epochs as u64);
        for row in &rows {
            self.reporter.trial_known(self.budget.epochs as u64, row.value);
        }

        self.reporter.phase("search");
        self.execute(&self.search_plans(&coefficients), &tables, &mut rows)?;
        let retrains: Vec<_> = ARMS
            .iter()
            .enumerate()
            .filter_map(|(index, arm)| Some(self.retrain_plans(index, arms::winner(&rows, arm)?)))
            .flatten()
            .collect();
        self.reporter.phase("retrain");
        self.execute(&retrains, &tables, &mut rows)?;
        self.reporter.finish();

        tables.sort()?;
        rows.sort_by_key(|row| row.trial);
        self.book("complete", &rows)?;
        let smallest_effect = self.flags.smallest_effect / 100.0;
        let pairs = arms::paired_tests(&rows, ARMS[0], ARMS[1]);
        let mut answer = Answer {
            arms: ARMS,
            rows: &rows,
            comparison: compare(&[pairs], smallest_effect, self.flags.common.seed),
            smallest_effect,
            dataset: &self.setup.dataset.description,
            protocol: self.protocol(),
            notes: self.notes(&coefficients, &rows),
            command: &self.manifest.command,
            figures: Vec::new(),
        };
        self.folder.write_json("verdict.json", &answer.json())?;
        // Figures read the verdict, the page shows the figures.
        let drawn = figure::draw_all(self.folder.path())?;
        let images = drawn.iter().filter(|path| path.extension().is_some_and(|e| e == "png"));
        let names =
            images.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
        answer.figures = names.collect();
        replace_file(&self.folder.file("summary.md"), answer.markdown().as_bytes())?;
        cli::say(format_args!("{}", answer.headline()));
        cli::say(format_args!("tables, figures and summary.md: {}", self.folder.path().display()));
        Ok(())
    }

    /// The coefficients of an arm in the box that is searched.
    fn coefficients(&self, arm: &str) -> Vec<Coefficient> {
        let mut coefficients = arm_scheme(arm).coefficients(&self.layers);
        (coefficients[0].low, coefficients[0].high) = rate_box(self.flags);
        coefficients
    }

    /// Random search: every arm's trials, drawn from the experiment's seed.
    fn search_plans(&self, coefficients: &[Vec<Coefficient>]) -> Vec<CnnTrial> {
        let plan = |arm: usize, replicate: usize| {
            let trial = (arm * self.budget.trials + replicate) as u64;
            let mut random = stream(self.flags.common.seed, Purpose::Configuration, trial);
            let values: Vec<f64> =
                coefficients[arm].iter().map(|c| c.at(random.random_range(0.0..1.0))).collect();
            let rates = arm_scheme(ARMS[arm])
                .rates(&self.layers, &values)
                .expect("the boxes hold usable coefficients only");
            let named = coefficients[arm].iter().zip(&values);
            let named = named.map(|(c, value)| (c.name.clone(), value.to_string()));
            let phase = [(arms::PHASE.to_owned(), arms::SEARCH.to_owned())];
            let seed = self.flags.common.seed.wrapping_add(1 + replicate as u64);
            let hyperparameters = phase.into_iter().chain(named).collect();
            self.plan(trial, ARMS[arm], replicate, hyperparameters, rates, seed)
        };
        let trials = 0..self.budget.trials;
        (0..ARMS.len())
            .flat_map(|arm| trials.clone().map(move |i| (arm, i)))
            .map(|(arm, replicate)| plan(arm, replicate))
            .collect()
    }

    /// The winner of an arm on fresh seeds.
    fn retrain_plans(&self, index: usize, winner: &TrialRow) -> Vec<CnnTrial> {
        let first = ARMS.len() * self.budget.trials + index * self.budget.retrains;
        let plan = |replicate: usize| {
            let mut hyperparameters = winner.hyperparameters.clone();
            hyperparameters[0].1 = arms::RETRAIN.to_owned();
            let base = winner.hyperparameters[1].1.parse().unwrap_or(f64::NAN);
            let rates = LayerRates::new(base, winner.rates.clone())
                .expect("a winner's rates were usable before");
            let offset = RETRAIN_SEED + replicate as u64;
            let seed = self.flags.common.seed.wrapping_add(offset);
            let trial = (first + replicate) as u64;
            let plan = self.plan(trial, &winner.arm, replicate, hyperparameters, rates, seed);
            CnnTrial { test: true, ..plan }
        };
        (0..self.budget.retrains).map(plan).collect()
    }

    fn plan(
        &self,
        trial: u64,
        arm: &str,
        replicate: usize,
        hyperparameters: Vec<(String, String)>,
        rates: LayerRates,
        seed: u64,
    ) -> CnnTrial {
        let common = &self.flags.common;
        let settings = RunSettings {
            epochs: self.budget.epochs as u64,
            batch_size: self.budget.batch_size,
            optimizer: self.setup.optimizer.clone(),
            schedule: common.schedule,
            rates,
            seed,
            order: Order::Shuffled,
            augmentation: common.augment,
            diagnostics_every: Some(common.diagnostics_every(self.budget.batch_size)),
        };
        let (arm, replicate) = (arm.to_owned(), replicate as u64);
        CnnTrial { trial, arm, replicate, hyperparameters, settings, test: false }
    }

    /// Runs those of `plans` that have no row yet and adds their rows.
    fn execute(
        &mut self,
        plans: &[CnnTrial],
        tables: &TrialTables,
        rows: &mut Vec<TrialRow>,
    ) -> anyhow::Result<()> {
        let open: Vec<_> =
            plans.iter().filter(|plan| rows.iter().all(|row| row.trial != plan.trial)).collect();
        let stop = cli::stop_on_interrupt();
        let Self { setup, reporter, .. } = &*self;
        let inputs = setup.inputs(stop);
        let evaluate = |plan: &&CnnTrial| {
            run_cnn_trial(plan, inputs, tables, TrialFiles::default(), |_| reporter.epoch())
        };
        let mut failure: Option<TrialError> = None;
        let mut stopped = false;
        run_parallel(&open, setup.workers, stop, evaluate, |end| match end {
            Ok(Some(row)) => {
                let skipped = self.budget.epochs as u64 - row.epochs_run;
                reporter.trial(&trial_line(&row), skipped, row.value);
                rows.push(row);
            }
            Ok(None) => stopped = true,
            Err(error) => {
                // The table cannot be written: no use in going on.
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                failure.get_or_insert(error);
            }
        });
        stopped |= stop.load(std::sync::atomic::Ordering::Relaxed);
        if failure.is_some() || stopped {
            self.reporter.finish();
            self.book("stopped", rows)?;
        }
        match failure {
            Some(error) => Err(error.into()),
            None if stopped => Err(Stopped.into()),
            None => Ok(()),
        }
    }

    /// Writes the state of the run to the manifest.
    fn book(&mut self, status: &'static str, rows: &[TrialRow]) -> anyhow::Result<()> {
        let seconds = self.seconds_before + self.setup.started.elapsed().as_secs_f64();
        let images = rows.iter().map(|row| row.images_trained).sum();
        self.manifest.update(status, seconds, rows.len() as u64, images);
        self.folder.write_manifest(&json!(self.manifest))?;
        Ok(())
    }

    /// What a reader must know beside the numbers.
    fn notes(&self, coefficients: &[Vec<Coefficient>], rows: &[TrialRow]) -> Vec<String> {
        let mut notes = Vec::new();
        for (arm, coefficients) in ARMS.iter().zip(coefficients) {
            let Some(winner) = arms::winner(rows, arm) else {
                notes.push(format!("Every search trial of arm {arm} diverged: lower --rate-high."));
                continue;
            };
            for coefficient in coefficients {
                let chosen = winner.hyperparameters.iter().find(|(n, _)| *n == coefficient.name);
                let Some(value) = chosen.and_then(|(_, value)| value.parse().ok()) else {
                    continue;
                };
                let position = coefficient.position(value);
                if !(BORDER..=1.0 - BORDER).contains(&position) {
                    notes.push(format!(
                        "The winner of arm {arm} lies on the border of its box: {} = {value:.4} in \
                         [{:.4}, {:.4}]. The optimum may lie outside; widen the box.",
                        coefficient.name, coefficient.low, coefficient.high
                    ));
                }
            }
        }
        let retrained = ARMS.iter().flat_map(|arm| arms::trials(rows, arm, arms::RETRAIN));
        let lost = retrained.filter(|row| row.test_accuracy.is_none()).count();
        if lost > 0 {
            notes.push(format!("{lost} retrained models diverged and are left out of the pairs."));
        }
        notes
    }

    /// Net, data, budget and device in one paragraph.
    fn protocol(&self) -> String {
        let Budget { batch_size, epochs, trials, retrains, .. } = self.budget;
        let Setup { dataset, split, device, .. } = &self.setup;
        let common = &self.flags.common;
        format!(
            "Net `{}` on {}: {} images to train, {} to validate, {} to test. {epochs} epochs, batch \
             {batch_size}, {}, {} schedule, device {}. Each arm was tuned by {trials} random trials on \
             validation accuracy; its winner was retrained on {retrains} fresh seeds and each model \
             tested once.",
            common.net,
            dataset.description,
            split.train.len(),
            split.validation.len(),
            dataset.test.len(),
            cli::value_name(common.optimizer),
            cli::value_name(common.schedule),
            device.kind,
        )
    }
}

fn arm_scheme(arm: &str) -> &'static dyn Scheme {
    scheme(arm).expect("every arm is a scheme")
}

fn rate_box(flags: &Flags) -> (f64, f64) {
    let (low, high) = match flags.common.optimizer {
        Method::Sgd => (0.002, 0.5),
        Method::AdamW => (1e-4, 0.03),
    };
    (flags.rate_low.unwrap_or(low), flags.rate_high.unwrap_or(high))
}

fn trial_line(row: &TrialRow) -> String {
    let outcome = row.value.map_or(row.status.name().to_owned(), percent);
    format!("trial {} ({}): {outcome} in {:.1} s", row.trial, row.arm, row.seconds)
}
