//! The recorded trials: a quasi-random sample of the space, and some of its points again.
//!
//! They are a study of their own in the subfolder `recorded`, so that `importance` and Optuna read them
//! too, and so that procedures are compared again without training anything.

use anyhow::Context;
use serde_json::json;
use strata::analysis::priority::sample;
use strata::cli::{self, CommonFlags, Setup, StudyOutcome, StudyPlan, StudyRun};
use strata::objective::Base;
use strata::record::RunFolder;
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
        let points = sample(space, seed, self.points as u64);
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
    let out = common.out(EXPERIMENT).join(FOLDER);
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
    cli::merge(&mut settings, own);
    let points = sample.configurations(space, common.seed);
    let space = Space { points, ..space.clone() };
    let run = StudyRun::prepare(StudyPlan {
        // The flag says to go on with what there is, which may not be this part.
        resume: common.resume && RunFolder::is_begun(&out),
        ..StudyPlan::of_points(common, out.clone(), space, metric.clone(), epochs, settings)
    })?;
    run.run_net(EXPERIMENT, common, setup, base.clone()).context("recording trials")
}
