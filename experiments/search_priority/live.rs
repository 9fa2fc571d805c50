//! Confirmation: whole searches on the net itself, with seeds that no replay has used.
//!
//! A search is a chain of trainings. What it would have chosen after a quarter, half and all of its budget
//! is trained once more on a fresh seed, shared by the arms of a replicate, and tested once.

use anyhow::Context;
use serde_json::{Value, json};
use strata::analysis::priority::{Arm, Search};
use strata::analysis::statistics::mean;
use strata::analysis::{Comparison, compare_all};
use strata::cli::{self, CommonFlags, Setup, Stopped};
use strata::net::Architecture;
use strata::objective::{Base, CnnTrial, TrialError, TrialFiles, TrialTables, run_cnn_trial};
use strata::random::{Purpose, derived_seed};
use strata::record::{RunFolder, TrialRow};
use strata::search::space::{Configuration, Space};
use strata::search::{Chain, Direction, ObjectiveError, Reporter, try_chains};
use strata::train::RunInputs;

use super::EXPERIMENT;

/// Name of the subfolder.
pub const FOLDER: &str = "live";
/// Shares of the budget after which the choice is trained again and tested.
pub const SHARES: [f64; 3] = [0.25, 0.5, 1.0];
/// Column that says what a training was for.
const PHASE: &str = "phase";
/// Replays count from 0: these are other start points and seeds.
const FRESH: u64 = 1 << 32;

/// What is confirmed.
pub struct Confirmation<'a> {
    pub common: &'a CommonFlags,
    pub setup: &'a Setup,
    pub base: &'a Base,
    pub space: &'a Space,
    pub arms: Vec<Arm>,
    pub replicates: u64,
    pub budget: u64,
    pub direction: Direction,
    pub metric: &'a str,
}

/// A finished search.
pub struct LiveSearch {
    pub arm: String,
    pub replicate: u64,
    /// Test accuracy of what was chosen after each of [`SHARES`]; none where that diverged.
    pub tests: [Option<f64>; 3],
    /// Best value observed after each evaluation.
    pub best: Vec<Option<f64>>,
}

/// A training of a chain, with the net that its widths make.
type Job = Result<(CnnTrial, Box<dyn Architecture>), ObjectiveError>;

/// A search of an arm on the net.
struct LiveChain<'a> {
    of: &'a Confirmation<'a>,
    arm: usize,
    replicate: u64,
    search: Search,
    /// Number of its first trial.
    first: u64,
    /// Trainings so far.
    done: u64,
    asked: Option<Configuration>,
    /// What it would choose after each share.
    chosen: Vec<Configuration>,
}

impl<'a> LiveChain<'a> {
    fn new(of: &'a Confirmation, arm: usize, replicate: u64) -> anyhow::Result<Self> {
        let chosen = &of.arms[arm];
        let evaluations = of.budget * chosen.times;
        let seed = of.common.seed;
        let search = Search::new(of.space, chosen, seed, FRESH + replicate, evaluations)?;
        // Numbers leave room for more replicates.
        let widest = of.arms.iter().map(|arm| of.trainings(arm)).max().unwrap_or(0);
        let first = (replicate * of.arms.len() as u64 + arm as u64) * widest;
        Ok(Self { of, arm, replicate, search, first, done: 0, asked: None, chosen: Vec::new() })
    }

    fn arm(&self) -> &Arm {
        &self.of.arms[self.arm]
    }

    /// Seed of a model that is trained to be tested: the same for the arms of a replicate.
    fn test_seed(&self, share: usize) -> u64 {
        let replicate = FRESH + self.replicate * SHARES.len() as u64 + share as u64;
        derived_seed(self.of.common.seed, Purpose::Probe, replicate)
    }

    fn plan(&self, at: &Configuration, seed: u64, phase: String, test: bool) -> Job {
        let values = self.of.space.values(at);
        let (net, settings) = self.of.base.resolve(&values, seed)?;
        let mut hyperparameters = vec![(PHASE.to_owned(), phase)];
        hyperparameters
            .extend(values.iter().map(|(name, value)| (name.clone(), value.to_string())));
        let (arm, replicate) = (self.arm().name.clone(), self.replicate);
        let trial = self.first + self.done;
        Ok((CnnTrial { trial, arm, replicate, hyperparameters, settings, test }, net))
    }
}

impl Chain for LiveChain<'_> {
    type Job = Job;
    type Outcome = TrialRow;

    fn next(&mut self) -> Option<Job> {
        Some(match self.search.ask() {
            Some((configuration, seed)) => {
                let plan = self.plan(&configuration, seed, "search".into(), false);
                self.asked = Some(configuration);
                plan
            }
            None => {
                let share = (self.done - self.search.history().len() as u64) as usize;
                let chosen = self.chosen.get(share)?.clone();
                let phase = format!("chosen at {:.0} %", SHARES[share] * 100.0);
                self.plan(&chosen, self.test_seed(share), phase, true)
            }
        })
    }

    fn hear(&mut self, row: TrialRow) {
        self.done += 1;
        let Some(configuration) = self.asked.take() else { return };
        let loss = self.of.value(&row).map(|value| self.of.direction.loss(value));
        self.search.tell(configuration.clone(), loss);
        let evaluations = (self.of.budget * self.arm().times) as f64;
        let spent = self.search.history().len() as f64;
        let reached = SHARES.iter().filter(|share| spent >= (evaluations * **share).ceil()).count();
        while self.chosen.len() < reached {
            let best = self.search.best().map(|best| best.configuration.clone());
            self.chosen.push(best.unwrap_or_else(|| configuration.clone()));
        }
    }
}

impl Confirmation<'_> {
    fn trainings(&self, arm: &Arm) -> u64 {
        self.budget * arm.times + SHARES.len() as u64
    }

    /// Trainings in all.
    pub fn cost(&self) -> u64 {
        self.replicates * self.arms.iter().map(|arm| self.trainings(arm)).sum::<u64>()
    }

    fn value(&self, row: &TrialRow) -> Option<f64> {
        let value = if self.metric == "loss" { row.validation_loss } else { row.value };
        value.filter(|value| value.is_finite())
    }

    /// What cannot change when a confirmation goes on; more replicates may be added.
    fn settings(&self) -> Value {
        let mut settings = self.setup.settings(self.common);
        let arm = |arm: &Arm| {
            json!({
                "name": arm.name,
                "sampler": arm.sampler,
                "order": arm.options.order.in_words(),
                "stage_levels": arm.options.stage_levels,
                "groups": arm.options.groups,
                "start": format!("{:?}", arm.start).to_lowercase(),
                "evaluations": self.budget * arm.times,
            })
        };
        settings["epochs"] = json!(self.base.settings.epochs);
        settings["batch_size"] = json!(self.base.settings.batch_size);
        settings["metric"] = json!(self.metric);
        settings["space"] = self.space.settings();
        settings["arms"] = self.arms.iter().map(arm).collect();
        settings
    }

    /// Runs the searches, or goes on with them, in `OUT/live`.
    ///
    /// # Errors
    /// When the folder cannot be had, a training cannot start, or it was told to stop.
    pub fn run(&self) -> anyhow::Result<Vec<LiveSearch>> {
        let out = self.common.out(EXPERIMENT).join(FOLDER);
        let settings = self.settings();
        let resume = self.common.resume && RunFolder::is_begun(&out);
        let folder = RunFolder::claim(&out, resume, &settings)?;
        let layers = self.setup.net.layers();
        let layers: Vec<_> = layers.iter().map(|layer| layer.name.clone()).collect();
        let names = [PHASE.to_owned()].into_iter();
        let names: Vec<_> =
            names.chain(self.space.parameters.iter().map(|p| p.name.clone())).collect();
        let tables = TrialTables::open(&folder, &names, &layers, |_| 0)?;
        let mut rows = tables.finished().to_vec();
        let mut chains = Vec::new();
        for replicate in 0..self.replicates {
            for arm in 0..self.arms.len() {
                let mut chain = LiveChain::new(self, arm, replicate)?;
                let row_of =
                    |trial| rows.iter().find(|row: &&TrialRow| row.trial == trial).cloned();
                while let Some(row) = row_of(chain.first + chain.done) {
                    chain.next();
                    chain.hear(row);
                }
                chains.push(chain);
            }
        }
        let mut manifest = self.setup.manifest(EXPERIMENT, self.common, &settings);
        let before = folder.seconds_before()?;
        let started = std::time::Instant::now();
        let ended = self.train(chains, &tables, &mut rows);
        rows.sort_by_key(|row| row.trial);
        let images = rows.iter().map(|row| row.images_trained).sum();
        let status = if ended.is_ok() { "complete" } else { "stopped" };
        let seconds = before + started.elapsed().as_secs_f64();
        manifest.update(status, seconds, rows.len() as u64, images);
        folder.write_manifest(&json!(manifest))?;
        ended?;
        tables.sort()?;
        Ok(self.searches(&rows))
    }

    fn train(
        &self,
        chains: Vec<LiveChain>,
        tables: &TrialTables,
        rows: &mut Vec<TrialRow>,
    ) -> anyhow::Result<()> {
        let epochs = self.base.settings.epochs;
        let reporter = Reporter::new(self.common.quiet);
        reporter.expect(self.cost(), self.cost() * epochs);
        for row in &*rows {
            reporter.trial_known(epochs, row.value);
        }
        reporter.phase("confirmation");
        let stop = cli::stop_on_interrupt();
        let inputs = self.setup.inputs(stop);
        let work = |job: &Job| -> anyhow::Result<Option<TrialRow>> {
            let (plan, net) = job.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
            let inputs = RunInputs { net: net.as_ref(), ..inputs };
            let row = run_cnn_trial(plan, inputs, tables, TrialFiles::default(), |_| {
                reporter.epoch();
            });
            row.map_err(|error: TrialError| error.into())
        };
        let stopped = try_chains(chains, self.setup.workers, stop, work, |row: TrialRow| {
            let accuracy = row.value.map_or("diverged".into(), |a| format!("{:.1} %", 100.0 * a));
            let line = format!("trial {} ({}): {accuracy}", row.trial, row.arm);
            reporter.trial(&line, epochs - row.epochs_run, row.value);
            rows.push(row.clone());
            row
        });
        reporter.finish();
        if stopped.context("confirming arms live")? {
            return Err(Stopped.into());
        }
        Ok(())
    }

    fn searches(&self, rows: &[TrialRow]) -> Vec<LiveSearch> {
        let mut searches = Vec::new();
        for replicate in 0..self.replicates {
            for arm in &self.arms {
                let is_own = |row: &&TrialRow| row.replicate == replicate && row.arm == arm.name;
                let own: Vec<_> = rows.iter().filter(is_own).collect();
                let searched = (self.budget * arm.times) as usize;
                let (search, tests) = own.split_at(searched.min(own.len()));
                let mut best: Option<f64> = None;
                let loss = |value: f64| self.direction.loss(value);
                let observed = search.iter().map(|row| {
                    let value = self.value(row);
                    best = match (best, value) {
                        (Some(a), Some(b)) if loss(b) < loss(a) => Some(b),
                        (None, value) => value,
                        (best, _) => best,
                    };
                    best
                });
                let best = observed.collect();
                let test = |share: usize| tests.get(share).and_then(|row| row.test_accuracy);
                searches.push(LiveSearch {
                    arm: arm.name.clone(),
                    replicate,
                    tests: std::array::from_fn(test),
                    best,
                });
            }
        }
        searches
    }
}

impl LiveSearch {
    /// Mean test accuracy over the shares of the budget.
    pub fn mean_test(&self) -> Option<f64> {
        let tests: Option<Vec<f64>> = self.tests.iter().copied().collect();
        Some(mean(&tests?))
    }
}

/// Scores of the searches of an arm, with their replicates.
pub fn scores(
    searches: &[LiveSearch],
    arm: &str,
    score: impl Fn(&LiveSearch) -> Option<f64>,
) -> Vec<(u64, f64)> {
    let of_arm = searches.iter().filter(|search| search.arm == arm);
    of_arm.filter_map(|search| Some((search.replicate, score(search)?))).collect()
}

/// Compares arms live, by pairs (treatment, baseline) and the `score` of a search.
pub fn judge(
    searches: &[LiveSearch],
    questions: &[(String, String)],
    score: impl Fn(&LiveSearch) -> Option<f64>,
    smallest_effect: f64,
    seed: u64,
) -> Vec<Option<Comparison>> {
    let pairs = |(treatment, baseline): &(String, String)| {
        let baseline = scores(searches, baseline, &score);
        let treated = scores(searches, treatment, &score);
        let pair = |(replicate, score): &(u64, f64)| {
            let other = baseline.iter().find(|(other, _)| other == replicate)?;
            Some((other.1, *score))
        };
        vec![treated.iter().filter_map(pair).collect::<Vec<_>>()]
    };
    let grouped: Vec<_> = questions.iter().map(|q| (q.0.as_str(), pairs(q))).collect();
    compare_all(&grouped, smallest_effect, seed).into_iter().map(|(_, found)| found).collect()
}
