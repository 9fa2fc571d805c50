//! Ablation: which changes lead from the default to the best trial (Fawcett & Hoos 2016, "Analysing
//! differences between algorithm configurations through ablation"; on a surrogate: Biedenkapp et al.
//! 2017).
//!
//! From the default configuration, one hyperparameter after the other is set as in the trial with the
//! lowest loss, always the one that lowers the forest's prediction the most. The importance is the
//! share of all that was gained; steps that gain nothing count 0. Without given defaults the path
//! begins in the middle of every range and at the first choice.

use super::sample::Sample;
use super::{ImportanceError, Method, Options, normalised};

/// Ablation; see the head of this file.
#[derive(Clone, Copy, Debug)]
pub struct Ablation;

/// A step from the default to the best trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What was changed; none for the start, the default itself.
    pub parameter: Option<String>,
    /// Its setting before, as a person would write it.
    pub from: String,
    /// Its setting as in the best trial.
    pub to: String,
    /// Predicted loss after the step.
    pub value: f64,
}

impl Method for Ablation {
    fn name(&self) -> &'static str {
        "ablation"
    }

    fn about(&self) -> &'static str {
        "share of the predicted gain from the default to the best trial, changing the most rewarding \
         hyperparameter first (random forest)"
    }

    fn importance(
        &self,
        sample: &Sample,
        options: &Options,
        seed: u64,
    ) -> Result<Vec<f64>, ImportanceError> {
        let mut gains = vec![0.0; sample.parameters().len()];
        if let Some((start, steps)) = walk(sample, options, seed) {
            let mut before = start;
            for (parameter, _, _, value) in steps {
                gains[parameter] = (before - value).max(0.0);
                before = value;
            }
        }
        Ok(normalised(gains))
    }
}

/// The path in words; empty where all trials are alike.
pub(super) fn path(sample: &Sample, options: &Options, seed: u64) -> Vec<Step> {
    let Some((start, steps)) = walk(sample, options, seed) else { return Vec::new() };
    let first = Step { parameter: None, from: String::new(), to: String::new(), value: start };
    let words = |(parameter, from, to, value): (usize, f64, f64, f64)| Step {
        parameter: Some(sample.parameters()[parameter].name.clone()),
        from: sample.setting(parameter, from),
        to: sample.setting(parameter, to),
        value,
    };
    std::iter::once(first).chain(steps.into_iter().map(words)).collect()
}

/// The prediction at the default, and for each step the hyperparameter, its coordinates before and
/// after, and the prediction.
type Walk = (f64, Vec<(usize, f64, f64, f64)>);

fn walk(sample: &Sample, options: &Options, seed: u64) -> Option<Walk> {
    let (whole, view) = sample.whole();
    let forest = sample.forest(whole, options, seed)?;
    let target = sample.point(sample.incumbent());
    let mut point: Vec<f64> =
        view.columns.iter().map(|parameter| sample.start()[*parameter]).collect();
    let differs = |column: &usize| point[*column] != target[view.columns[*column]];
    let mut open: Vec<usize> = (0..point.len()).filter(differs).collect();
    let start = forest.predict(&point);
    let mut steps = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let mut tried = open.iter().enumerate().map(|(place, &column)| {
            let mut point = point.clone();
            point[column] = target[view.columns[column]];
            (place, forest.predict(&point))
        });
        let first = tried.next()?;
        let (place, value) =
            tried.fold(first, |best, other| if other.1 < best.1 { other } else { best });
        let column = open.remove(place);
        let parameter = view.columns[column];
        steps.push((parameter, point[column], target[parameter], value));
        point[column] = target[parameter];
    }
    Some((start, steps))
}
