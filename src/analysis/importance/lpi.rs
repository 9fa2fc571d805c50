//! Local hyperparameter importance: what one hyperparameter alone would change around the best trial
//! (Biedenkapp, Marben, Lindauer & Hutter 2018, "CAVE", section 4.2).
//!
//! The variance of the forest's predictions over equally probable settings of one hyperparameter, all
//! others kept as in the trial with the lowest loss; normalised to sum 1. A hyperparameter that this
//! trial does not have gets 0.

use super::sample::Sample;
use super::{ImportanceError, Method, Options, normalised};

/// Local importance; see the head of this file.
#[derive(Clone, Copy, Debug)]
pub struct Local;

impl Method for Local {
    fn name(&self) -> &'static str {
        "lpi"
    }

    fn about(&self) -> &'static str {
        "variance of the predicted loss along one hyperparameter through the best trial, normalised \
         to sum 1 (random forest)"
    }

    fn importance(
        &self,
        sample: &Sample,
        options: &Options,
        seed: u64,
    ) -> Result<Vec<f64>, ImportanceError> {
        let mut variances = vec![0.0; sample.parameters().len()];
        let (whole, view) = sample.whole();
        let Some(forest) = sample.forest(whole, options, seed) else { return Ok(variances) };
        let incumbent = sample.incumbent();
        let point = sample.point(incumbent);
        let mut point: Vec<f64> = view.columns.iter().map(|parameter| point[*parameter]).collect();
        for (column, &parameter) in view.columns.iter().enumerate() {
            if incumbent[parameter].is_none() {
                continue;
            }
            let kept = point[column];
            let settings = sample.settings(parameter);
            let mut at = |setting: &f64| {
                point[column] = *setting;
                forest.predict(&point)
            };
            let values: Vec<f64> = settings.iter().map(&mut at).collect();
            point[column] = kept;
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            variances[parameter] = squares / values.len() as f64;
        }
        Ok(normalised(variances))
    }
}
