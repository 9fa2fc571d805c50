//! `layer_lr compare`: the arms, searched, retrained, tested and compared.

use std::sync::Mutex;

use anyhow::Context;
use serde_json::json;
use strata::analysis::{
    Answer, ArmInWords, Calibration, Simulations, arms as tables_of, calibrate, compare_all,
    percent,
};
use strata::cli::{self, Setup, Stopped};
use strata::data::Order;
use strata::figure;
use strata::net::Layer;
use strata::objective::arm::{Arm, Protocol, Repetition, TrialOutcome, column};
use strata::objective::{
    Base, CnnTrial, ProbeTable, TrialFiles, TrialTables, read_rate_log, run_cnn_trial,
};
use strata::rates::{LayerRates, RateLog};
use strata::record::{Manifest, RunFolder, TrialRow, replace_file, write_table};
use strata::search::space::Distribution;
use strata::search::{ObjectiveError, Reporter, try_chains};
use strata::train::{EpochEnd, EpochReport, ProbeKind, RunSettings, RunStatus, TrainingRun};

use super::cost::Cost;
use super::{ArmText, Budget, EXPERIMENT, Flags, TREATMENT, arms, preset};

/// A winner nearer than this share of the box to one of its ends is "on the border".
const BORDER: f64 = 0.05;

/// Runs of one epoch in which headroom is measured before the search; their numbers and seeds start
/// at `PREDICTION`, far from those of trials.
const PREDICTIONS: u64 = 3;
const PREDICTION: u64 = 3_000_000;

/// Experiments simulated to see how often the verdict errs.
const SIMULATIONS: usize = 1_000;

/// Runs the whole protocol, or what is left of it.
pub fn run(flags: &Flags) -> anyhow::Result<()> {
    match Experiment::prepare(flags)? {
        Some(experiment) => experiment.run(),
        None => Ok(()),
    }
}

/// Everything that is fixed before the first trial.
struct Experiment<'a> {
    flags: &'a Flags,
    budget: Budget,
    texts: Vec<&'static ArmText>,
    base: Base,
    setup: Setup,
    layers: Vec<Layer>,
    arms: Vec<Arm>,
    protocol: Protocol,
    folder: RunFolder,
    manifest: Manifest,
    reporter: Reporter,
    seconds_before: f64,
}

impl<'a> Experiment<'a> {
    /// None for a dry run.
    fn prepare(flags: &'a Flags) -> anyhow::Result<Option<Self>> {
        let common = &flags.common;
        let mut budget = preset(common.preset.unwrap_or_default());
        budget.epochs = common.epochs.unwrap_or(budget.epochs);
        budget.batch_size = common.batch_size.unwrap_or(budget.batch_size);
        budget.searches = flags.searches.unwrap_or(budget.searches);
        budget.trials = flags.trials.unwrap_or(budget.trials);
        budget.retrains = flags.retrains.unwrap_or(budget.retrains);
        let texts = arms::chosen(flags, &budget)?;

        let setup = Setup::new(common, budget.images, Order::Shuffled)?;
        let batches = strata::data::Batches::new(
            &setup.dataset.train,
            &setup.split.train,
            budget.batch_size,
        )?;
        let layers = setup.net.layers();
        let base = arms::base(&setup, common, &budget)?;
        let arms = arms::build(&texts, flags, &layers, &base)?;
        let protocol = Protocol {
            sampler: flags.sampler.clone(),
            trials: budget.trials,
            retrains: budget.retrains,
            seed: common.seed,
            steps: (budget.epochs * batches.batches()) as u64,
            diagnostics_every: common.diagnostics_every(budget.batch_size),
        };
        for arm in &arms {
            Repetition::new(arm, &protocol, 0, 0).context("--sampler")?;
        }
        let mut settings = setup.settings(common);
        settings["mode"] = json!("compare");
        settings["epochs"] = json!(budget.epochs);
        settings["batch_size"] = json!(budget.batch_size);
        settings["diagnostics_every"] = json!(protocol.diagnostics_every);
        settings["sampler"] = json!(protocol.sampler);
        settings["trials"] = json!(budget.trials);
        settings["retrains"] = json!(budget.retrains);
        if flags.no_follow_ups {
            settings["follow_ups"] = json!(false);
        }
        settings["smallest_effect"] = json!(flags.smallest_effect);
        settings["arms"] = arms
            .iter()
            .map(|arm| json!({"arm": arm.name, "space": arm.space.settings()}))
            .collect();
        if flags.dry_run {
            announce(&setup, &budget, &arms, &protocol, &base, 0)?;
            return Ok(None);
        }
        let out = common.out(EXPERIMENT);
        let folder = RunFolder::claim(&out, common.resume, &settings)?;
        let seconds_before = folder.seconds_before()?;
        let mut manifest = setup.manifest(EXPERIMENT, common, &settings);
        manifest.preset = Some(cli::value_name(common.preset.unwrap_or_default()));
        manifest.wall_seconds = seconds_before;
        folder.write_manifest(&json!(manifest))?;
        Ok(Some(Self {
            reporter: Reporter::new(common.quiet),
            flags,
            budget,
            texts,
            base,
            setup,
            layers,
            arms,
            protocol,
            folder,
            manifest,
            seconds_before,
        }))
    }

    fn run(mut self) -> anyhow::Result<()> {
        let mut names = vec![tables_of::PHASE.to_owned(), tables_of::REPETITION.to_owned()];
        for parameter in self.arms.iter().flat_map(|arm| &arm.space.parameters) {
            let name = column(&parameter.name).to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.name.clone()).collect();
        let tables = TrialTables::open(&self.folder, &names, &layers, |_| 0)?;
        let mut rows = tables.finished().to_vec();
        self.predict()?;
        self.execute(&tables, &mut rows)?;

        tables.sort()?;
        rows.sort_by_key(|row| row.trial);
        self.book("complete", &rows)?;
        self.answer(&rows)
    }

    /// Measures headroom before any search, at the middle of the box of one global rate, after no and
    /// after one epoch: what rates per layer it predicts is later set beside what the searches found.
    fn predict(&self) -> anyhow::Result<()> {
        let path = self.folder.file("probes.csv");
        if std::fs::read_to_string(path).is_ok_and(|text| text.lines().count() > 1) {
            return Ok(());
        }
        let (low, high) = arms::rate_box(self.flags);
        let rates = LayerRates::uniform((low * high).sqrt(), &self.layers)?;
        let inputs = self.setup.inputs(cli::stop_on_interrupt());
        let mut measured = Vec::new();
        for number in PREDICTION..PREDICTION + PREDICTIONS {
            let settings = RunSettings {
                rates: rates.clone(),
                epochs: 1,
                seed: self.protocol.seed.wrapping_add(number),
                ..self.base.settings.clone()
            };
            let mut run = TrainingRun::new(inputs, settings)?;
            let mut rows = run.probe(&[ProbeKind::Headroom])?;
            match run.epoch() {
                EpochEnd::Stopped => return Err(Stopped.into()),
                EpochEnd::Done(report) if report.progress.status == RunStatus::Diverged => {}
                EpochEnd::Done(_) => rows.extend(run.probe(&[ProbeKind::Headroom])?),
            }
            measured.push((number, rows));
        }
        let table = ProbeTable::open(&self.folder, |_, _| false)?;
        for (number, rows) in &measured {
            table.append(*number, rows)?;
        }
        Ok(table.sort()?)
    }

    /// Every repetition of every arm, in the order of the searches; gone past the trials that have
    /// their row.
    fn repetitions(&self, rows: &[TrialRow]) -> anyhow::Result<(Vec<Repetition<'_>>, usize)> {
        let layers_table = self.folder.file("layers.csv");
        let known = |trial: u64| -> Result<Option<TrialOutcome>, ObjectiveError> {
            let Some(row) = rows.iter().find(|row| row.trial == trial) else { return Ok(None) };
            // Only the first retrained model of a search has rows of layers.
            let is_log = row.test_accuracy.is_some() && row.replicate == 0;
            let log = is_log.then(|| read_rate_log(&layers_table, trial, &self.layers));
            Ok(Some(TrialOutcome { row: row.clone(), realised: log.transpose()? }))
        };
        let mut repetitions = Vec::new();
        let (mut first, mut done) = (0, 0);
        for search in 0..self.budget.searches as u64 {
            for arm in &self.arms {
                let mut repetition = Repetition::new(arm, &self.protocol, search, first)?;
                done += repetition.recall(known).map_err(anyhow::Error::from_boxed)?;
                repetitions.push(repetition);
                first += arm.trials(&self.protocol) as u64;
            }
        }
        Ok((repetitions, done))
    }

    /// Runs the trials that have no row yet and adds their rows.
    fn execute(&mut self, tables: &TrialTables, rows: &mut Vec<TrialRow>) -> anyhow::Result<()> {
        let (repetitions, done) = self.repetitions(rows)?;
        let Self { setup, budget, protocol, base, reporter, .. } = &*self;
        let total = announce(setup, budget, &self.arms, protocol, base, done)?;
        let epochs = budget.epochs as u64;
        reporter.expect(total as u64, total as u64 * epochs);
        for row in &*rows {
            reporter.trial_known(epochs, row.value);
        }
        reporter.phase("trials");
        let stop = cli::stop_on_interrupt();
        let inputs = setup.inputs(stop);
        let evaluate = |plan: &Result<CnnTrial, ObjectiveError>| -> anyhow::Result<_> {
            let plan = plan.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
            let log = Mutex::new(RateRows::default());
            let row = run_cnn_trial(plan, inputs, tables, TrialFiles::default(), |report| {
                reporter.epoch();
                log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(report);
            })?;
            let log = log.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            let realised = log.finish(&self.layers);
            Ok(row.map(|row| TrialOutcome { row, realised }))
        };
        let end =
            try_chains(repetitions, setup.workers, stop, evaluate, |outcome: TrialOutcome| {
                let row = &outcome.row;
                reporter.trial(&trial_line(row), epochs - row.epochs_run, row.value);
                rows.push(row.clone());
                Ok(outcome)
            });
        self.reporter.finish();
        if !matches!(end, Ok(false)) {
            self.book("stopped", rows)?;
        }
        if end? { Err(Stopped.into()) } else { Ok(()) }
    }

    /// Compares the arms and writes verdict, figures and page.
    fn answer(&self, rows: &[TrialRow]) -> anyhow::Result<()> {
        let in_words = self.in_words();
        let baseline = in_words[0].name.as_str();
        let others: Vec<_> = in_words[1..].iter().map(|arm| arm.name.as_str()).collect();
        let pairs = |arm: &str| tables_of::paired_tests(rows, baseline, arm);
        let compared: Vec<_> = others.iter().map(|arm| (*arm, pairs(arm))).collect();
        let smallest_effect = self.flags.smallest_effect / 100.0;
        let seed = self.flags.common.seed;
        let treatment = others.iter().copied().find(|arm| *arm == TREATMENT);
        let treatment = treatment.or(others.first().copied()).unwrap_or_default();
        let mut answer = Answer {
            arms: &in_words,
            rows,
            comparisons: compare_all(&compared, smallest_effect, seed),
            treatment,
            calibration: calibration(&pairs(treatment), smallest_effect, seed),
            smallest_effect,
            dataset: &self.setup.dataset.description,
            protocol: self.protocol_in_words(),
            notes: self.notes(rows),
            command: &self.manifest.command,
            figures: Vec::new(),
        };
        self.folder.write_json("verdict.json", &answer.json())?;
        let differences = self.folder.file("differences.csv");
        write_table(&differences, Answer::DIFFERENCES, &answer.differences())?;
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

    /// The arms with those that follow from them.
    fn in_words(&self) -> Vec<ArmInWords> {
        let of_arm = |(arm, text): (&Arm, &&ArmText)| {
            arm.labels()
                .into_iter()
                .enumerate()
                .map(|(index, name)| {
                    let (about, dimensions) = match name.rsplit('/').next() {
                        _ if index == 0 => (text.about.to_owned(), arm.space.parameters.len()),
                        Some("placebo") => {
                            (format!("ratios of `{}` on other layers, rate re-tuned", arm.name), 1)
                        }
                        Some("vector") => (format!("mean rates that `{}` realised", arm.name), 0),
                        _ => (format!("rates that `{}` realised, step by step", arm.name), 0),
                    };
                    ArmInWords { name, about, dimensions }
                })
                .collect::<Vec<_>>()
        };
        self.arms.iter().zip(&self.texts).flat_map(of_arm).collect()
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
    fn notes(&self, rows: &[TrialRow]) -> Vec<String> {
        let mut notes = Vec::new();
        for arm in &self.arms {
            let winners = tables_of::winners(rows, &arm.name);
            if winners.is_empty() {
                notes.push(format!(
                    "Every search trial of arm {} diverged: lower its rates.",
                    arm.name
                ));
            }
            for parameter in &arm.space.parameters {
                let Distribution::Float { low, high, log, .. } = parameter.distribution else {
                    continue;
                };
                let name = column(&parameter.name);
                let on_border = |(_, winner): &&(u64, &TrialRow)| {
                    let chosen = winner.hyperparameters.iter().find(|(known, _)| known == name);
                    let value = chosen.and_then(|(_, value)| value.parse::<f64>().ok());
                    value.is_some_and(|value| {
                        let scale = |v: f64| if log { v.ln() } else { v };
                        let at = (scale(value) - scale(low)) / (scale(high) - scale(low));
                        !(BORDER..=1.0 - BORDER).contains(&at)
                    })
                };
                let count = winners.iter().filter(on_border).count();
                if count > 0 {
                    notes.push(format!(
                        "{count} of {} winners of arm {} lie on the border of their box in {name}, \
                         [{low:.4}, {high:.4}]: the optimum may lie outside; widen the box.",
                        winners.len(),
                        arm.name,
                    ));
                }
            }
        }
        notes.push(format!(
            "Headroom was measured before the searches, on {PREDICTIONS} runs of one epoch and some \
             thousands of images more for the probes (probes.csv, `cost`); this is charged to no arm."
        ));
        let retrained = rows.iter().filter(|row| {
            row.hyperparameters
                .iter()
                .any(|(n, v)| n == tables_of::PHASE && v == tables_of::RETRAIN)
        });
        let lost = retrained.filter(|row| row.test_accuracy.is_none()).count();
        if lost > 0 {
            notes.push(format!("{lost} retrained models diverged and are left out of the pairs."));
        }
        notes
    }

    /// Net, data, budget and device in one paragraph.
    fn protocol_in_words(&self) -> String {
        let Budget { batch_size, epochs, searches, trials, retrains, .. } = self.budget;
        let Setup { dataset, split, device, .. } = &self.setup;
        let common = &self.flags.common;
        let planted = match common.planted().as_slice() {
            [] => String::new(),
            planted => {
                let each = planted.iter().map(|(layer, factor)| format!("{layer} × {factor}"));
                format!(" Planted: {}.", each.collect::<Vec<_>>().join(", "))
            }
        };
        format!(
            "Net `{}` on {}: {} images to train, {} to validate, {} to test. {epochs} epochs, batch \
             {batch_size}, {}, {} schedule, decay mode {}, device {}.{planted} Each arm was searched \
             {searches} times independently, {trials} trials of `{}` each, on validation accuracy; each \
             search's winner was retrained on {retrains} fresh seeds and each model tested once.",
            common.net,
            dataset.description,
            split.train.len(),
            split.validation.len(),
            dataset.test.len(),
            cli::value_name(common.optimizer),
            cli::value_name(common.schedule),
            cli::value_name(common.decay_mode),
            device.kind,
            self.protocol.sampler,
        )
    }
}

/// Says the cost of the run; gives its number of trainings.
fn announce(
    setup: &Setup,
    budget: &Budget,
    arms: &[Arm],
    protocol: &Protocol,
    base: &Base,
    done: usize,
) -> anyhow::Result<usize> {
    let round: usize = arms.iter().map(|arm| arm.trials(protocol)).sum();
    let arms: usize = arms.iter().map(|arm| arm.labels().len()).sum();
    let cost = Cost {
        trainings: budget.searches * round,
        done,
        images: budget.epochs * setup.split.train.len(),
    };
    let what = format!(
        "{arms} arms, {} searches of {} trials and {} retrained models each",
        budget.searches, budget.trials, budget.retrains
    );
    cost.announce(&what, setup, &base.settings)?;
    Ok(cost.trainings)
}

fn calibration(pairs: &[Vec<(f64, f64)>], effect: f64, seed: u64) -> Option<Calibration> {
    let of_search = |pairs: &Vec<(f64, f64)>| pairs.iter().map(|(a, b)| b - a).collect();
    let noise: Vec<Vec<f64>> = pairs.iter().map(of_search).collect();
    calibrate(&noise, effect, Simulations { experiments: SIMULATIONS, resamples: 500, seed })
}

/// Rates of layers as a run reports them.
#[derive(Default)]
struct RateRows(Vec<(u64, String, f64)>);

impl RateRows {
    fn add(&mut self, report: &EpochReport) {
        self.0.extend(report.layers.iter().map(|row| (row.step - 1, row.layer.clone(), row.rate)));
    }

    fn finish(self, layers: &[Layer]) -> Option<RateLog> {
        let mut points: Vec<(u64, Vec<f64>)> = Vec::new();
        for (step, layer, rate) in self.0 {
            if points.last().is_none_or(|(last, _)| *last != step) {
                points.push((step, vec![f64::NAN; layers.len()]));
            }
            let position = layers.iter().position(|known| known.name == layer)?;
            points.last_mut()?.1[position] = rate;
        }
        RateLog::new(layers.iter().map(|layer| layer.name.clone()).collect(), points).ok()
    }
}

fn trial_line(row: &TrialRow) -> String {
    let outcome = row.value.map_or(row.status.name().to_owned(), percent);
    format!("trial {} ({}): {outcome} in {:.1} s", row.trial, row.arm, row.seconds)
}
