//! What can be wrong with recorded trials, and what to do.

/// Why importance cannot be assessed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportanceError {
    /// No such method.
    #[error("no method is called `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The methods that exist.
        known: String,
    },
    /// No method at all.
    #[error("no method is given; `--method` takes one or more of {known}")]
    NoMethods {
        /// The methods that exist.
        known: String,
    },
    /// Nothing recorded.
    #[error("there are no trials; run a search first, `tune --sampler random` gives the best data")]
    NoTrials,
    /// Nothing searched.
    #[error("the trials have no hyperparameters; importance needs at least one that is searched")]
    NoParameters,
    /// Nothing finished.
    #[error("none of the {trials} trials is complete with a finite value; let some finish first")]
    NoneComplete {
        /// How many trials were recorded.
        trials: usize,
    },
    /// Not enough to say anything.
    #[error(
        "{usable} usable trials are too few, importance takes at least {least}; run more trials"
    )]
    TooFew {
        /// Trials with a usable value.
        usable: usize,
        /// The fewest.
        least: usize,
    },
    /// The target never changes.
    #[error("all {trials} usable trials have the same value: nothing can be important for it")]
    Constant {
        /// How many trials there are.
        trials: usize,
        /// Their value.
        value: f64,
    },
    /// No hyperparameter ever changes.
    #[error("every hyperparameter has one value in all usable trials; search over more values")]
    NothingVaries,
    /// Two hyperparameters of one name.
    #[error("two hyperparameters are called `{parameter}`; rename one")]
    SameName {
        /// The name.
        parameter: String,
    },
    /// A row of another table.
    #[error("trial {trial} has {values} values, but there are {parameters} hyperparameters")]
    Row {
        /// Number of the trial.
        trial: u64,
        /// How many values it has.
        values: usize,
        /// How many it should have.
        parameters: usize,
    },
    /// A value that its distribution cannot place.
    #[error(
        "trial {trial}: `{parameter}` is {value}, which is {fault}; mend or leave out the trial"
    )]
    Value {
        /// Number of the trial.
        trial: u64,
        /// The hyperparameter.
        parameter: String,
        /// The value.
        value: f64,
        /// What is wrong.
        fault: &'static str,
    },
    /// A distribution without a measure.
    #[error("`{parameter}`: {fault}")]
    Distribution {
        /// The hyperparameter.
        parameter: String,
        /// What is wrong and what to do.
        fault: String,
    },
    /// An option out of range.
    #[error("{what} is {given}; it takes {takes}")]
    Option {
        /// Which option.
        what: &'static str,
        /// What was given.
        given: f64,
        /// What it may be.
        takes: &'static str,
    },
    /// A start configuration that does not fit.
    #[error("the default of `{parameter}` is {value}, outside its range; give one inside")]
    Default {
        /// The hyperparameter.
        parameter: String,
        /// The value.
        value: f64,
    },
}
