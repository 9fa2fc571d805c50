//! Importance of hyperparameters from recorded trials, with how sure it is.
//!
//! [`assess`] gives every method's ranking with bootstrap intervals and says in plain words whether
//! the trials are enough to rank at all; [`by_epoch`], [`by_trials`] and [`stability`] ask the same at
//! other epochs, from fewer trials, and of whether a run diverges. To add a method, write one file
//! beside these and add one line to [`METHODS`]; the contract suite in `suite/` then tests it.
//!
//! Positions are in the declared measure of each hyperparameter (a log-uniform one in its logarithm),
//! so every figure is a property of the box and the measure as much as of what was trained. Trials of
//! an adaptive sampler crowd around good settings, and forests then say little about the rest of the
//! box: shares of the variance need trials drawn at random.

mod ablation;
mod assess;
mod decomposition;
mod error;
mod fanova;
mod forest;
mod lpi;
mod observations;
mod ped_anova;
mod ranks;
mod sample;
mod series;
#[cfg(test)]
mod suite;
mod tuning_risk;

pub use ablation::{Ablation, Step};
pub use assess::{
    Agreement, Assessment, Interaction, Marginal, MarginalPoint, MethodResult, Ranked, assess,
};
pub use error::ImportanceError;
pub use fanova::Fanova;
pub use lpi::Local;
pub use observations::{MOST_CHOICES, Observations, Outcome, Parameter, Row};
pub use ped_anova::PedAnova;
pub use sample::Sample;
pub use series::{Series, Slice, by_epoch, by_trials, stability};
pub use tuning_risk::TuningRisk;

/// Fewest usable trials: a forest on fewer is nothing but noise.
pub const FEWEST_TRIALS: usize = 10;

/// What can be set; each method takes what concerns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Trees of the forest.
    pub trees: usize,
    /// Trees of the forest in each resample.
    pub resample_trees: usize,
    /// Bootstrap resamples of the trials, for intervals and probabilities of ranks.
    pub resamples: usize,
    /// All draws come from it.
    pub seed: u64,
    /// Level of the intervals, between 0 and 1.
    pub confidence: f64,
    /// `ped-anova`: which quantile of the trials counts as the best.
    pub gamma: f64,
    /// Only completed trials count, as in Optuna; without, see [`Sample::new`]'s notes: diverged ones
    /// count as the worst completed one, pruned ones between the median and the worst.
    pub survivors_only: bool,
    /// `ablation`, `tuning-risk`: internal values to start from, in the order of the hyperparameters;
    /// the middle of a range or the first choice where there is none.
    pub defaults: Vec<Option<f64>>,
    /// How probable the leader's first rank must be for a ranking to be called one.
    pub sure: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trees: 64,
            resample_trees: 16,
            resamples: 100,
            seed: 0,
            confidence: 0.95,
            gamma: 0.1,
            survivors_only: false,
            defaults: Vec::new(),
            sure: 0.8,
        }
    }
}

impl Options {
    fn check(&self) -> Result<(), ImportanceError> {
        let count = |what, given: usize, least: usize, most: usize, takes| {
            let error = ImportanceError::Option { what, given: given as f64, takes };
            if (least..=most).contains(&given) { Ok(()) } else { Err(error) }
        };
        let share = |what, given: f64| {
            let error = ImportanceError::Option { what, given, takes: "a number between 0 and 1" };
            if given > 0.0 && given < 1.0 { Ok(()) } else { Err(error) }
        };
        count("the number of trees", self.trees, 1, 10_000, "1 to 10,000")?;
        count("the number of trees in a resample", self.resample_trees, 1, 10_000, "1 to 10,000")?;
        count("the number of resamples", self.resamples, 0, 100_000, "0 to 100,000")?;
        share("the confidence", self.confidence)?;
        share("the quantile of the best trials", self.gamma)?;
        share("the probability of a sure rank", self.sure)
    }
}

/// A method: importances from trials.
pub trait Method: Sync {
    /// Name as on the command line and in tables.
    fn name(&self) -> &'static str;

    /// What its figures are, in a line.
    fn about(&self) -> &'static str;

    /// Whether it reads its figures from a forest, and so is no better than its fit.
    fn uses_forest(&self) -> bool {
        true
    }

    /// An importance for each hyperparameter of the sample, in its order: finite and not below 0.
    /// All draws come from `seed`.
    fn importance(
        &self,
        sample: &Sample,
        options: &Options,
        seed: u64,
    ) -> Result<Vec<f64>, ImportanceError>;
}

/// Every method.
pub const METHODS: &[&dyn Method] = &[&Fanova, &PedAnova, &Local, &Ablation, &TuningRisk];

/// The method called `name`.
pub fn method(name: &str) -> Result<&'static dyn Method, ImportanceError> {
    let found = METHODS.iter().find(|method| method.name() == name);
    let unknown = || ImportanceError::Unknown { name: name.to_owned(), known: known() };
    found.copied().ok_or_else(unknown)
}

/// Names of all methods.
fn known() -> String {
    METHODS.iter().map(|method| method.name()).collect::<Vec<_>>().join(", ")
}

/// Scaled to sum 1; zeros stay zeros.
fn normalised(mut values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    if sum > 0.0 && sum.is_finite() {
        values.iter_mut().for_each(|value| *value /= sum);
    }
    values
}
