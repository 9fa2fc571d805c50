//! Orders compared on the net: recorded trials, replays on their surrogate, confirmation by searches of
//! the net itself.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use strata::analysis::importance::{Outcome, Row};
use strata::analysis::priority::{Arm, Surrogate};
use strata::analysis::recorded::{Recorded, read_journal};
use strata::cli::{self, Setup};
use strata::data::Order;
use strata::objective::{Base, CnnObjective, LayerGroups, check_space};
use strata::rates::LayerRates;
use strata::record::RunFolder;
use strata::search::space::{Choice, Space};
use strata::search::{Direction, Observation, TrialState};

use super::arms::{
    self, DEFAULT_START, IMPORTANCE, QUESTIONS, RANDOM, RANDOM_ORDER, REVERSE, Role,
};
use super::live::{self, Confirmation, LiveSearch};
use super::record::{self, Sample};
use super::replays::{self, Replays};
use super::tables::{Confirmed, Everything};
use super::{EXPERIMENT, Flags, cost, space};

/// Rate where the space searches none.
const RATE: f64 = 0.02;

/// Smallest difference in test accuracy that matters, live.
const LIVE_EFFECT: f64 = 0.005;

/// Compares orders on the net: recorded trials, replays, confirmation.
pub fn compare(flags: &Flags) -> anyhow::Result<()> {
    let (common, own) = (&flags.common, &flags.priority);
    let budget = super::preset(common.preset.unwrap_or_default());
    let metric = cli::metric(own.metric.as_deref().or(Some("accuracy")), CnnObjective::METRICS)?;
    anyhow::ensure!(
        ["accuracy", "loss"].contains(&metric.0.as_str()),
        "--metric {}: orders are compared by accuracy or loss on the validation images",
        metric.0
    );
    // Before an hour of recording, not after it.
    arms::check("--arms", &own.arms)?;
    arms::check("--confirm-arms", &own.confirm_arms)?;
    if let Some(path) = &own.journal {
        anyhow::ensure!(path.is_file(), "--journal {}: there is no such file", path.display());
    }
    let setup = Setup::new(common, budget.images, Order::Shuffled)?;
    let layers = setup.net.layers();
    let groups = LayerGroups(&layers);
    let default = space::for_training(&common.net, &layers);
    let space = Space::read_or(own.space.as_deref(), &default, &groups)?;
    let epochs = common.epochs.unwrap_or(budget.epochs);
    let rates = LayerRates::uniform(RATE, &layers)?;
    let run = setup.run_settings(common, epochs, common.batch_size.unwrap_or(64), rates);
    let base = setup.base(common, run, RATE, space.groups.clone());
    check_space(&base, &space).map_err(|error| anyhow::anyhow!("{error}")).context("--space")?;
    fits(&space, setup.split.train.len())?;
    let evaluations = replays::default_budget(space.parameters.len());
    let evaluations = own.budget.map_or(evaluations, |evaluations| evaluations as u64);
    let sample = Sample {
        points: own.points.unwrap_or(budget.sample.points),
        repeated: own.repeated.unwrap_or(budget.sample.repeated),
    };
    anyhow::ensure!(
        own.journal.is_some() || sample.points >= Surrogate::FEWEST,
        "--points {}: a surrogate takes {} points or more",
        sample.points,
        Surrogate::FEWEST
    );
    let plan = super::plan(flags, evaluations);
    replays::screening_of(&space, &plan)?;
    let confirm = own.confirm.unwrap_or(budget.confirm);
    announce(flags, &setup, &base, sample, confirm, evaluations)?;
    if own.dry_run {
        return Ok(());
    }

    let mut settings = setup.settings(common);
    settings["epochs"] = json!(epochs);
    settings["batch_size"] = json!(base.settings.batch_size);
    settings["metric"] = json!(metric.0);
    cli::merge(&mut settings, super::own_settings(flags, &space, evaluations));
    let folder = super::claim(flags, &settings)?;
    let seconds_before = earlier_seconds(&folder, &common.out(EXPERIMENT));
    let (trials, source) = trials(flags, &setup, &base, &space, sample, &metric)?;
    let surrogate = Surrogate::fit(&space, &trials).with_context(|| source.clone())?;
    let landscape = surrogate.landscape();
    let replays = replays::run(&landscape, &plan)?;
    // A flat neighbourhood has no order worth speaking of.
    let nearby = replays::nearby(&landscape, &replays, &plan).ok();

    let confirmation = Confirmation {
        common,
        setup: &setup,
        base: &base,
        space: &space,
        arms: confirmed_arms(&replays, &own.confirm_arms)?,
        replicates: confirm as u64,
        budget: evaluations,
        direction: metric.1,
        metric: &metric.0,
    };
    let live = if confirm > 0 { confirmation.run()? } else { Vec::new() };
    let confirmed = confirmed(&replays, &confirmation, &live, common.seed);
    let everything = Everything {
        replays: &replays,
        nearby: nearby.as_ref(),
        surrogate: Some(&surrogate),
        direction: metric.1,
        live: &live,
        confirmed: &confirmed,
        epochs: epochs as u64,
        images: (epochs * setup.split.train.len()) as u64,
    };
    let mut manifest = setup.manifest(EXPERIMENT, common, &settings);
    let trained = trials.len() as u64 + if confirm > 0 { confirmation.cost() } else { 0 };
    let images = trained * everything.images;
    let seconds = seconds_before + setup.started.elapsed().as_secs_f64();
    manifest.update("complete", seconds, trained, images);
    let protocol = format!(
        "Net `{}` on {}: {} images to train, {} to validate; epochs a training: {epochs}; {} on the validation \
         images, device {}. {}. {}.",
        common.net,
        setup.dataset.description,
        setup.split.train.len(),
        setup.split.validation.len(),
        metric.0,
        setup.device.kind,
        source,
        super::in_words(&space),
    );
    super::conclude(&folder, &everything, &manifest, &protocol)
}

/// Checks that the largest batch of the space has enough images: no search should stop half-way.
fn fits(space: &Space, images: usize) -> anyhow::Result<()> {
    let Some(batch) = space.parameter("batch_size") else { return Ok(()) };
    let levels = batch.distribution.levels().unwrap_or(2);
    let size = |level: u64| {
        let value = batch.distribution.at(level as f64 / (levels.max(2) - 1) as f64);
        match batch.distribution.external(value) {
            Choice::Int(size) => usize::try_from(size).ok(),
            _ => None,
        }
    };
    let largest = (0..levels.min(1_000)).filter_map(size).max();
    anyhow::ensure!(
        largest.is_none_or(|largest| largest <= images),
        "--train-images {images}: the space has batch_size up to {}; give more images, or a --space with smaller \
         batches",
        largest.unwrap_or_default()
    );
    Ok(())
}

/// Seconds that parts of the run took in earlier processes, by their own manifests: to be read before this one goes on
/// with them.
fn earlier_seconds(folder: &RunFolder, out: &Path) -> f64 {
    if !folder.resumed {
        return 0.0;
    }
    let seconds = |part: &str| {
        let text = std::fs::read(out.join(part).join("manifest.json")).ok()?;
        serde_json::from_slice::<Value>(&text).ok()?["wall_seconds"].as_f64()
    };
    [record::FOLDER, live::FOLDER].iter().filter_map(|part| seconds(part)).sum()
}

/// Says what the run will cost before it begins.
fn announce(
    flags: &Flags,
    setup: &Setup,
    base: &Base,
    sample: Sample,
    confirm: usize,
    evaluations: u64,
) -> anyhow::Result<()> {
    let recorded = if flags.priority.journal.is_some() { 0 } else { sample.trials() };
    let (wanted, named) = (&flags.priority.arms, flags.priority.confirm_arms.len());
    let arms = match (named, wanted.len()) {
        (0, 0) => CONFIRMED.len() + 1,
        (0, all) => all.min(CONFIRMED.len() + 1),
        (named, _) => named,
    };
    let live = confirm * arms * (evaluations as usize + live::SHARES.len());
    let rows = |part: &str| {
        let text =
            std::fs::read_to_string(flags.common.out(EXPERIMENT).join(part).join("trials.csv"));
        text.map_or(0, |text| text.lines().count().saturating_sub(1))
    };
    let done = if flags.common.resume { rows(record::FOLDER) + rows(live::FOLDER) } else { 0 };
    let trainings = recorded + live;
    let cost = cost::Cost {
        trainings,
        done: done.min(trainings),
        images: base.settings.epochs as usize * setup.split.train.len(),
    };
    let what = format!(
        "{recorded} trials to record, {} replays of each arm in seconds, and {confirm} live searches of each of \
         {arms} arms with {evaluations} evaluations",
        flags.priority.replays
    );
    cost.announce(&what, setup, &base.settings)
}

/// The recorded trials: our own, or those of `--journal`; and what they are, in words.
fn trials(
    flags: &Flags,
    setup: &Setup,
    base: &Base,
    space: &Space,
    sample: Sample,
    metric: &(String, Direction),
) -> anyhow::Result<(Vec<Observation>, String)> {
    let path = match &flags.priority.journal {
        Some(path) => path.clone(),
        None => {
            let end = record::record(&flags.common, setup, base, space, sample, metric)?;
            let path = end.folder.file(cli::JOURNAL);
            let (complete, finished) = (end.complete, end.study.state().trials().len());
            let page = format!("# Recorded trials\n\n{finished} trials for `{EXPERIMENT}`.\n");
            end.finish(page, &format!("{finished} trials are recorded"))?;
            anyhow::ensure!(complete, "not all trials are recorded yet: --resume goes on");
            path
        }
    };
    let recorded = read_journal(&path, None, None)?;
    if flags.priority.journal.is_some() {
        same_runs(&recorded, setup, flags, base, &path)?;
    }
    anyhow::ensure!(
        recorded.adaptive != Some(true),
        "{}: its sampler looks at results, so the trials crowd where results are good: a surrogate of the whole \
         box needs a random or Sobol' sample",
        path.display()
    );
    anyhow::ensure!(
        recorded.direction == metric.1,
        "{}: the study's direction is {}, that of {} is {}; name the study's own --metric",
        path.display(),
        recorded.direction.name(),
        metric.0,
        metric.1.name()
    );
    let trials = observed(&recorded, space, &path)?;
    let source = match &flags.priority.journal {
        Some(_) => format!("Trials of {}", path.display()),
        None => format!(
            "{} trials recorded for this, {} points three times",
            trials.len(),
            sample.repeated
        ),
    };
    Ok((trials, source))
}

/// Checks that a journal's trials are what this command would train: else its surrogate would be confirmed on
/// something else, or take another name.
fn same_runs(
    recorded: &Recorded,
    setup: &Setup,
    flags: &Flags,
    base: &Base,
    path: &Path,
) -> anyhow::Result<()> {
    let Some(theirs) = recorded.manifest.as_ref().map(|manifest| &manifest["settings"]) else {
        return Ok(());
    };
    let mut ours = setup.settings(&flags.common);
    ours["epochs"] = json!(base.settings.epochs);
    for (key, flag) in [
        ("dataset", "--dataset and --data-dir"),
        ("split", "--train-images, --validation-images and --seed"),
        ("net", "--net"),
        ("epochs", "--epochs"),
    ] {
        let (theirs, ours) = (&theirs[key], &ours[key]);
        anyhow::ensure!(
            theirs.is_null() || theirs == ours,
            "{}: its trials were made with another {key} than this command's; give the same {flag} (or the same \
             --preset)",
            path.display()
        );
    }
    Ok(())
}

/// Recorded rows as trials of the space.
fn observed(recorded: &Recorded, space: &Space, path: &Path) -> anyhow::Result<Vec<Observation>> {
    let parameters = &recorded.observations.parameters;
    for parameter in &space.parameters {
        let known = parameters.iter().find(|known| known.name == parameter.name);
        let same = known.is_some_and(|known| known.distribution == parameter.distribution);
        anyhow::ensure!(
            same,
            "{}: {} {}; give the --space that the study was drawn from",
            path.display(),
            parameter.name,
            if known.is_some() { "has another box there" } else { "is not in it" }
        );
    }
    let trial = |row: &Row| {
        let values = parameters.iter().zip(&row.values);
        let values = values.filter_map(|(p, value)| Some((p.name.clone(), (*value)?)));
        let (state, loss) = match row.outcome {
            Outcome::Complete(loss) => (TrialState::Complete, Some(loss)),
            Outcome::Diverged => (TrialState::Diverged, None),
            // What was stopped early says nothing about its end.
            Outcome::Pruned(_) | Outcome::Failed => (TrialState::Failed, None),
        };
        Observation {
            number: row.trial,
            state,
            configuration: values.collect(),
            loss,
            last_step: 0,
        }
    };
    Ok(recorded.observations.rows.iter().map(trial).collect())
}

/// Arms that are confirmed unless others are named, and the best of the rest.
const CONFIRMED: [&str; 5] = [IMPORTANCE, REVERSE, RANDOM_ORDER, RANDOM, DEFAULT_START];

/// The arms that the answer rests on, and the best of the others.
fn confirmed_arms(replays: &Replays, wanted: &[String]) -> anyhow::Result<Vec<Arm>> {
    let names: Vec<String> = if wanted.is_empty() {
        let others = replays.ranks.iter().map(|(name, _)| name.as_str());
        let best = others.filter(|name| !CONFIRMED.contains(name)).take(1);
        CONFIRMED.into_iter().chain(best).map(str::to_owned).collect()
    } else {
        wanted.to_vec()
    };
    let mut arms = Vec::new();
    for name in &names {
        match replays.arm(name) {
            Some(compared) if compared.role != Role::Unpaid => arms.push(compared.arm.clone()),
            None if wanted.is_empty() => {}
            _ => {
                let known = replays.arms.iter().filter(|compared| compared.role != Role::Unpaid);
                let known: Vec<_> = known.map(|compared| compared.arm.name.as_str()).collect();
                anyhow::bail!("--confirm-arms {name}: there is {}", known.join(", "));
            }
        }
    }
    Ok(arms)
}

/// The questions that can be asked of the live searches.
fn confirmed(
    replays: &Replays,
    confirmation: &Confirmation,
    live: &[LiveSearch],
    seed: u64,
) -> Vec<Confirmed> {
    let is_live = |name: &str| confirmation.arms.iter().any(|arm| arm.name == name);
    let asked: Vec<(String, String)> = QUESTIONS
        .iter()
        .filter(|question| is_live(question.treatment) && is_live(question.baseline))
        .filter(|question| replays.answer(question.treatment, question.baseline).is_some())
        .map(|question| (question.treatment.to_owned(), question.baseline.to_owned()))
        .collect();
    let judged = live::judge(live, &asked, LiveSearch::mean_test, LIVE_EFFECT, seed);
    let by_share: [_; live::SHARES.len()] = std::array::from_fn(|share| {
        live::judge(live, &asked, |search| search.tests[share], LIVE_EFFECT, seed)
    });
    let confirmed = asked.into_iter().zip(judged).enumerate();
    confirmed
        .filter_map(|(index, ((treatment, baseline), comparison))| {
            let by_share = by_share.each_ref().map(|judged| judged[index].clone());
            Some(Confirmed { treatment, baseline, comparison: comparison?, by_share })
        })
        .collect()
}
