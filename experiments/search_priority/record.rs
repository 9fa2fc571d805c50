//! The recorded trials: a quasi-random sample of the space, and some of its points again.
//!
//! They are a study of their own in the subfolder `recorded`, so that `importance` and Optuna read them
//! too, and so that procedures are compared again without training anything.

use anyhow::Context;
use serde_json::{Value, json};
use strata::cli::{self, CommonFlags, Setup, StudyOutcome, StudyPlan, StudyRun};
use strata::objective::{Base, CnnObjective, EpochTables};
use strata::random::sobol::scrambled_sobol;
use strata::random::{Purpose, derived_seed};
use strata::search::Direction;
use strata::search::space::{Configuration, Space};

use super::EXPERIMENT;

/// Name of the subfolder.
pub const FOLDER: &str = "recorded";

/// How many trials are recorded.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Points of the scrambled Sobol' sequence.
    pub points: usize,
    /// The first so many of them are trained again, twice: their spread is the noise.
    pub repeated: usize,
}

/// How often a repeated point is trained again.
const AGAIN: usize = 2;

impl Sample {
    /// Trials in all.
    pub fn trials(self) -> usize {
        self.points + AGAIN * self.repeated.min(self.points)
    }

    /// The configuration of each trial.
    fn configurations(self, space: &Space, seed: u64) -> Vec<Configuration> {
        let seeds: Vec<_> = (0..space.parameters.len())
            .map(|dimension| derived_seed(seed, Purpose::Design, dimension as u64))
            .collect();
        let point = |index: usize| {
            let position =
                |(dimension, seed): (usize, &u64)| scrambled_sobol(index as u32, dimension, *seed);
            space.at(&seeds.iter().enumerate().map(position).collect::<Vec<_>>())
        };
        let points: Vec<_> = (0..self.points).map(point).collect();
        let again = std::iter::repeat_n(&points[..self.repeated.min(self.points)], AGAIN).flatten();
        points.iter().chain(again).cloned().collect()
    }
}

/// Records the trials, or goes on with it, in `OUT/recorded`.
///
/// # Errors
/// When the folder cannot be had or written.
pub fn record(
    common: &CommonFlags,
    setup: &Setup,
    base: &Base,
    space: &Space,
    sample: Sample,
    metric: &(String, Direction),
) -> anyhow::Result<StudyOutcome> {
    let out = super::out(common).join(FOLDER);
    let epochs = base.settings.epochs;
    let mut settings = setup.settings(common);
    let own = json!({
        "epochs": epochs,
        "batch_size": base.settings.batch_size,
        "metric": metric.0,
        "direction": metric.1.name(),
        "space": space.settings(),
        "points": sample.points,
        "repeated": sample.repeated,
        "sampler": "sobol",
        "scheduler": "none",
    });
    if let (Some(settings), Value::Object(own)) = (settings.as_object_mut(), own) {
        settings.extend(own);
    }
    // The flag says to go on with what there is, which may not be this part.
    let begun = out.join("manifest.json").exists();
    let points = sample.configurations(space, common.seed);
    let space = Space { points, ..space.clone() };
    let run = StudyRun::prepare(StudyPlan {
        resume: common.resume && begun,
        ..StudyPlan::of_points(common, out, space, metric.clone(), epochs, settings)
    })?;
    let tables = match run.alone {
        true => EpochTables::open(&run.folder, |_, _| true)?,
        false => EpochTables::join(&run.folder)?,
    };
    let objective =
        CnnObjective::new(setup.inputs(cli::stop_on_interrupt()), base.clone(), &tables);
    let layers: Vec<_> = setup.net.layers().iter().map(|layer| layer.name.clone()).collect();
    let manifest = setup.manifest(EXPERIMENT, common, &run.plan.settings);
    let end = run.run(&objective, &layers, manifest).context("recording trials")?;
    if end.alone {
        tables.sort()?;
    }
    Ok(end)
}
