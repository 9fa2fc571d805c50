//! `layer_lr finder`: a range test for each layer.
//!
//! 1. A run at the base rate in all layers, without schedule.
//! 2. For each layer a run on the same batches in which that layer's rate is ramped exponentially
//!    from the lowest to the highest rate searched while the others stay at the base rate.
//! 3. A run in which all layers are ramped together.
//! 4. All of it on `--searches` seeds; losses are averaged over them.
//! 5. Read off: the rate at which each layer's loss falls fastest and is lowest against the first run,
//!    and whether the ramps of single layers add up to that of all (additivity).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use strata::analysis::range_test::{additivity, smoothed, suggest};
use strata::cli::{self, Setup, Stopped};
use strata::data::Order;
use strata::figure;
use strata::rates::{LayerRates, RateLog};
use strata::record::{RunFolder, Table, number};
use strata::search::run_parallel;
use strata::train::{Method, RuleChoice, RunSettings, Schedule, TrainingRun};

use super::{EXPERIMENT, Flags, arms, preset};

/// The run without a ramp, in the tables.
const BASE: &str = "base";
/// The run that ramps all layers.
const ALL: &str = "all";

/// Steps of a ramp: enough for the smoothed loss to follow, few enough for minutes.
const FEWEST_STEPS: u64 = 300;

/// One run of the test.
struct Ramp {
    /// Position among the names of ramps.
    of: usize,
    rule: Option<RuleChoice>,
    seed: u64,
}

/// Runs the range test.
pub fn run(flags: &Flags) -> anyhow::Result<()> {
    let common = &flags.common;
    let mut budget = preset(common.preset.unwrap_or_default());
    budget.batch_size = common.batch_size.unwrap_or(budget.batch_size);
    budget.searches = flags.searches.unwrap_or(budget.searches);
    let setup = Setup::new(common, budget.images, Order::Shuffled)?;
    let layers = setup.net.layers();
    let (low, high) = arms::rate_box(flags);
    anyhow::ensure!(low < high, "--rate-low {low} must be below --rate-high {high}");
    let base_rate = match common.optimizer {
        Method::Sgd => 0.01,
        Method::AdamW => 0.001,
    };
    let batches =
        strata::data::Batches::new(&setup.dataset.train, &setup.split.train, budget.batch_size)?;
    let steps = (batches.batches() as u64).max(FEWEST_STEPS);

    let mut settings = setup.settings(common);
    settings["mode"] = json!("finder");
    settings["batch_size"] = json!(budget.batch_size);
    settings["steps"] = json!(steps);
    settings["repeats"] = json!(budget.searches);
    settings["base_rate"] = json!(base_rate);
    settings["rates"] = json!([low, high]);
    let count = (layers.len() + 2) * budget.searches;
    cli::say(format_args!(
        "range test of {} layers on {} seeds: {count} ramps of {steps} steps, {:.1} M images in all",
        layers.len(),
        budget.searches,
        (count * steps as usize * budget.batch_size) as f64 / 1e6,
    ));
    if flags.dry_run {
        return Ok(());
    }
    let out = common.out(EXPERIMENT);
    let folder = RunFolder::claim(&out, common.resume, &settings)?;
    let mut manifest = setup.manifest(EXPERIMENT, common, &settings);
    folder.write_manifest(&json!(manifest))?;

    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let ramps = |seed: u64| -> anyhow::Result<Vec<Ramp>> {
        let ramp = |of: usize, is_ramped: &dyn Fn(usize) -> bool| -> anyhow::Result<Ramp> {
            let at = |end: f64| {
                (0..names.len()).map(|l| if is_ramped(l) { end } else { base_rate }).collect()
            };
            let log = RateLog::new(names.clone(), vec![(0, at(low)), (steps - 1, at(high))])?;
            Ok(Ramp { of, rule: Some(RuleChoice::Replay(Arc::new(log))), seed })
        };
        let mut all = vec![Ramp { of: 0, rule: None, seed }];
        for layer in 0..names.len() {
            all.push(ramp(1 + layer, &|l| l == layer)?);
        }
        all.push(ramp(1 + names.len(), &|_| true)?);
        Ok(all)
    };
    let mut jobs = Vec::new();
    for repeat in 0..budget.searches as u64 {
        jobs.extend(ramps(common.seed.wrapping_add(1 + repeat))?);
    }

    let stop = cli::stop_on_interrupt();
    let inputs = setup.inputs(stop);
    let plan = RunSettings {
        schedule: Schedule::Constant,
        ..arms::base(&setup, common, &budget)?.settings
    };
    let plan = RunSettings { rates: LayerRates::uniform(base_rate, &layers)?, ..plan };
    let evaluate = |ramp: &Ramp| {
        let settings = RunSettings { rule: ramp.rule.clone(), seed: ramp.seed, ..plan.clone() };
        TrainingRun::new(inputs, settings).map(|run| (ramp.of, ramp.seed, run.losses(steps)))
    };
    let mut done = Vec::new();
    let mut failure = None;
    run_parallel(&jobs, setup.workers, stop, evaluate, |end| match end {
        Ok(found) => done.push(found),
        Err(error) => failure = failure.take().or(Some(error)),
    });
    if let Some(error) = failure {
        return Err(error.into());
    }
    if stop.load(Ordering::Relaxed) {
        return Err(Stopped.into());
    }
    done.sort_by_key(|(of, seed, _)| (*of, *seed));

    let mut curves: Vec<Vec<f64>> = Vec::new();
    for of in 0..names.len() + 2 {
        let runs: Vec<_> = done.iter().filter(|(ramp, ..)| *ramp == of).map(|(.., l)| l).collect();
        // A mean over the seeds that got so far would jump where one of them ends.
        let shortest = runs.iter().map(|losses| losses.len()).min().unwrap_or(0);
        let mean = |i| runs.iter().map(|losses| losses[i]).sum::<f64>() / runs.len() as f64;
        curves.push((0..shortest).map(mean).collect());
    }
    let ramp_rate = |step: usize| low * (high / low).powf(step as f64 / (steps - 1) as f64);
    let rates: Vec<f64> = (0..steps as usize).map(ramp_rate).collect();
    let smooth: Vec<Vec<f64>> = curves.iter().map(|losses| smoothed(losses)).collect();

    let labels = || [BASE.to_owned()].into_iter().chain(names.clone()).chain([ALL.to_owned()]);
    let mut table = Table::create(
        &folder.file("finder.csv"),
        ["layer", "step", "rate", "loss", "smoothed_loss"].map(str::to_owned).to_vec(),
    )?;
    for (of, label) in labels().enumerate() {
        let rows: Vec<Vec<String>> = (0..curves[of].len())
            .map(|i| {
                let rate = if of == 0 { base_rate } else { rates[i] };
                let step = (i + 1).to_string();
                vec![
                    label.clone(),
                    step,
                    number(rate),
                    number(curves[of][i]),
                    number(smooth[of][i]),
                ]
            })
            .collect();
        table.append_all(&rows)?;
    }
    let mut table = Table::create(
        &folder.file("suggestions.csv"),
        ["layer", "steepest", "minimum", "suggestion"].map(str::to_owned).to_vec(),
    )?;
    for (of, label) in labels().enumerate().skip(1) {
        let found = suggest(&smooth[0], &smooth[of], &rates);
        let cell = |value: Option<f64>| number(value);
        table.append(&[
            label.clone(),
            cell(found.map(|f| f.steepest)),
            cell(found.map(|f| f.minimum)),
            cell(found.map(|f| f.suggestion)),
        ])?;
        match found {
            Some(found) => cli::say(format_args!(
                "{label}: falls fastest at {:.4}, lowest at {:.4}; try {:.4}",
                found.steepest, found.minimum, found.suggestion
            )),
            None => cli::say(format_args!("{label}: no rate was better than the base {base_rate}")),
        }
    }
    let single = &smooth[1..=names.len()];
    let score = additivity(&smooth[0], single, &smooth[names.len() + 1]);
    folder.write_json("finder.json", &json!({"additivity": score, "base_rate": base_rate}))?;
    match score {
        Some(score) => cli::say(format_args!(
            "additivity {score:.2}: 1 where ramps of single layers add up to that of all"
        )),
        None => cli::say(format_args!("additivity: no step that all ramps share")),
    }
    let images = done.iter().map(|(.., losses)| (losses.len() * budget.batch_size) as u64).sum();
    let seconds = setup.started.elapsed().as_secs_f64();
    manifest.update("complete", seconds, jobs.len() as u64, images);
    folder.write_manifest(&json!(manifest))?;
    figure::draw_all(folder.path())?;
    cli::say(format_args!("tables and figures: {}", folder.path().display()));
    Ok(())
}
