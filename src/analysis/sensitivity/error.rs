//! What can be wrong with the options of a sensitivity analysis, and what to do.

/// Why a method cannot lay out or analyse a design.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SensitivityError {
    /// No such method.
    #[error("no method is called `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The methods that exist.
        known: String,
    },
    /// Nothing to vary.
    #[error(
        "method {method}: the space has no hyperparameter to vary; give it one that is no constant"
    )]
    NoFactors {
        /// The method.
        method: &'static str,
    },
    /// Fewer samples than the method can work with, or more than there are.
    #[error(
        "method {method}: `--samples {given}` is out of range; it takes {least} to {most} {what}"
    )]
    Samples {
        /// The method.
        method: &'static str,
        /// What was asked for.
        given: usize,
        /// The fewest.
        least: usize,
        /// The most.
        most: u64,
        /// What a sample is.
        what: &'static str,
    },
    /// A grid on which steps of half of its levels do not fit.
    #[error("method {method}: `--levels {given}` is not an even number from 2 to 1000; 4 is usual")]
    Levels {
        /// The method.
        method: &'static str,
        /// What was asked for.
        given: usize,
    },
    /// More factors than the sequence has direction numbers.
    #[error(
        "method {method}: {factors} hyperparameters are more than the {most} that its points can \
         have; leave some out, or screen them with `--method morris` first"
    )]
    TooManyFactors {
        /// The method.
        method: &'static str,
        /// How many hyperparameters there are.
        factors: usize,
        /// How many there may be.
        most: usize,
    },
    /// A method that moves factors one by one.
    #[error(
        "method {method}: it cannot move `--groups`; leave them out, or use morris, sobol or shapley"
    )]
    NoGroups {
        /// The method.
        method: &'static str,
    },
    /// A group is not what it should be.
    #[error("`--groups`: {group}: {fault}")]
    Group {
        /// Its name.
        group: String,
        /// What is wrong and what to do.
        fault: String,
    },
    /// The dummy is no factor of its own.
    #[error("the dummy hyperparameter {fault}")]
    Dummy {
        /// What is wrong and what to do.
        fault: String,
    },
    /// The base point does not fit.
    #[error("method oat: the base point {fault}")]
    Base {
        /// What is wrong and what to do.
        fault: String,
    },
    /// A number that has no meaning.
    #[error("{what} is {given}; it takes {range}")]
    Number {
        /// Which number.
        what: &'static str,
        /// What was given.
        given: f64,
        /// What it may be.
        range: &'static str,
    },
    /// Values of another design.
    #[error(
        "method {method}: {values} values for a design of {runs} runs; they come from other \
         `--samples`, `--levels` or `--groups`, give the same as for the runs"
    )]
    Values {
        /// The method.
        method: &'static str,
        /// How many values were given.
        values: usize,
        /// How many points the design has.
        runs: usize,
    },
}
