//! What can be wrong with a space file, and what to write instead.

use std::path::PathBuf;
use std::{fmt, io};

/// A fault of a space file and where it is: file, line, parameter and field.
#[derive(Debug)]
#[non_exhaustive]
pub struct SpaceError {
    /// The file, where the space was read from one.
    pub file: Option<PathBuf>,
    /// Number of the line, from 1; none where the file cannot be read at all.
    pub line: Option<usize>,
    /// The hyperparameter, or the key of a point.
    pub parameter: Option<String>,
    /// The key below it, such as `uniform` or `when`; for points, which point.
    pub field: Option<String>,
    /// What is wrong.
    pub fault: Box<SpaceFault>,
}

impl fmt::Display for SpaceError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let line = self.line.map(|line| format!("line {line}"));
        let parameter = self.parameter.as_ref().map(|name| format!("parameter {name}"));
        let places = [file, line, parameter, self.field.clone()];
        let places: Vec<_> = places.into_iter().flatten().collect();
        if !places.is_empty() {
            write!(out, "{}: ", places.join(", "))?;
        }
        self.fault.fmt(out)
    }
}

impl std::error::Error for SpaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.fault)
    }
}

/// What is wrong in a space file.
#[allow(missing_docs, reason = "fields are what the messages quote")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceFault {
    /// The file cannot be read.
    #[error("cannot be read: {0}; give the path of a space file")]
    Unreadable(#[source] io::Error),
    /// The file holds bytes that are no text.
    #[error("is not UTF-8 text; save the file as UTF-8")]
    NotUtf8,
    /// TOML's grammar is broken.
    #[error("not valid TOML: {message}")]
    Syntax { message: String },

    /// There is no table `space`.
    #[error(
        "there is no [space]; write it as a line, and the hyperparameters below it, such as lr = {{ loguniform = [1e-4, 1e-1] }}"
    )]
    NoSpace,
    /// `space` is no table.
    #[error("space is not a table; write [space] as a line, and the hyperparameters below it")]
    SpaceNotATable,
    /// `space` has nothing in it.
    #[error(
        "[space] is empty; write a hyperparameter below it, such as lr = {{ loguniform = [1e-4, 1e-1] }}"
    )]
    EmptySpace,
    /// A key beside `space` and `points`.
    #[error(
        "unknown key {key:?}{}; a space file has [space] and [[points]], and hyperparameters go below [space]",
        hint(nearest)
    )]
    UnknownSection { key: String, nearest: Option<String> },

    /// A name with unusual characters.
    #[error("the name {name:?} may only have letters A-Z and a-z, digits, and _ . -; rename it")]
    Name { name: String },
    /// A name that a group's coefficient has as well.
    #[error("the name is taken by a coefficient of the group {group}; rename one of them")]
    NameTaken { group: String },
    /// A list or date where a distribution should stand.
    #[error(
        "{written} is not a distribution; write {{ choice = [4, 8, 16] }} or another one of {known}, or a single value for a constant"
    )]
    NotAParameter { written: String, known: String },
    /// A table without a distribution.
    #[error("has no distribution; write one of {known}, such as {{ uniform = [0.0, 1.0] }}")]
    NoDistribution { known: String },
    /// A distribution that there is not.
    #[error("unknown distribution {key:?}{}; known are {known}", hint(nearest))]
    UnknownDistribution { key: String, nearest: Option<String>, known: String },
    /// A key that stands beside a distribution.
    #[error("unknown key {key:?}{}; beside the distribution may stand {known}", hint(nearest))]
    UnknownKey { key: String, nearest: Option<String>, known: String },
    /// A dotted key where the dot belongs to the name.
    #[error(
        "{key:?} is a table inside a hyperparameter; for a name with a dot write it in quotes: \"{parameter}.{key}\" = …; for a group of per-layer rates add scheme = \"…\""
    )]
    Nested { parameter: String, key: String },
    /// Two distributions for one hyperparameter.
    #[error("has two distributions, {first} and {second}; remove one")]
    TwoDistributions { first: String, second: String },

    /// Too few or too many arguments, or none at all.
    #[error("{written} has the wrong form; write {usage}")]
    Arguments { written: String, usage: &'static str },
    /// A word, list or table where a number should stand.
    #[error("{written} is not a number; write {usage}")]
    NotANumber { written: String, usage: &'static str },
    /// A fraction where a whole number should stand.
    #[error("{written} is not a whole number; write {usage}")]
    NotWhole { written: String, usage: &'static str },
    /// NaN, infinity, or a number that is too large for one.
    #[error("{written} is not a finite number; write one")]
    NotFinite { written: String },
    /// A list, table or date where a single value should stand.
    #[error("{written} is not a number, a word in quotes, true or false; write one of these")]
    NotAScalar { written: String },
    /// A whole number that floating point cannot hold.
    #[error("{written} is too large; write whole numbers between -2^53 and 2^53")]
    TooLarge { written: String },

    /// Lower end above the upper one.
    #[error("the lower end {low} is above the upper end {high}; write {instead}")]
    Inverted { low: String, high: String, instead: String },
    /// Nothing between the ends.
    #[error("both ends are {value}; write {parameter} = {value} for a constant, or a wider range")]
    Equal { parameter: String, value: String },
    /// Ends that are too far apart for arithmetic.
    #[error(
        "the range from {low} to {high} is too wide for floating point; write ends that are closer"
    )]
    TooWide { low: String, high: String },
    /// A logarithm of what has none.
    #[error(
        "the end {low} of a logarithmic range must be above 0; write a small positive number, or {linear} instead"
    )]
    LogOfNothing { low: String, linear: &'static str },
    /// A step that is not positive.
    #[error(
        "the step {step} must be above 0; write quniform = [low, high, step], such as [0.0, 0.5, 0.1]"
    )]
    Step { step: String },
    /// A step past the range.
    #[error("the step {step} is larger than the range from {low} to {high}; write a smaller step")]
    StepTooLarge { step: String, low: String, high: String },
    /// Steps that are lost in rounding.
    #[error(
        "the step {step} is too small beside the range from {low} to {high}; write a larger one, or uniform = [{low}, {high}]"
    )]
    StepTooSmall { step: String, low: String, high: String },
    /// Steps that do not end at the upper end.
    #[error(
        "steps of {step} from {low} reach {below}, not {high}; write {below} or {above} as the upper end"
    )]
    StepMisses { step: String, low: String, high: String, below: String, above: String },
    /// An empty range of whole numbers.
    #[error("there is no whole number from {low} up to and without {high}; the upper end is excluded, so write {name} = [{low}, {}] or higher", low + 1)]
    NoWholeNumbers { name: &'static str, low: i64, high: i64 },
    /// Exponents of two that are no `i64`.
    #[error(
        "the exponent {exponent} is outside 0..=62; write pow2 = [first, last], such as [2, 8] for 4, 8, …, 256"
    )]
    Exponent { exponent: i64 },
    /// A standard deviation that is not positive.
    #[error(
        "the standard deviation {sd} must be above 0; write normal = [mean, standard deviation]"
    )]
    Deviation { sd: String },
    /// A standard deviation that is lost in rounding.
    #[error(
        "the standard deviation {sd} is too small beside the mean {mean}; write a larger one, or {parameter} = {mean} for a constant"
    )]
    DeviationTooSmall { sd: String, mean: String, parameter: String },
    /// No choices.
    #[error("the list is empty; write the values to choose from, such as choice = [4, 8, 16]")]
    EmptyChoice,
    /// One value twice.
    #[error("{value} stands there twice; remove one")]
    Duplicate { value: String },
    /// A default that the distribution does not have.
    #[error(
        "the default {value} is not in the distribution ({distribution}); write a value inside"
    )]
    Default { value: String, distribution: String },

    /// `when` without conditions.
    #[error(
        "{written} is not a condition; write when = {{ optimizer = \"sgd\" }} or when = {{ optimizer = [\"sgd\", \"adam\"] }}"
    )]
    Condition { written: String },
    /// A condition on what there is not.
    #[error(
        "there is no hyperparameter {parent:?}{}; known above this one are {known}",
        hint(nearest)
    )]
    UnknownParent { parent: String, nearest: Option<String>, known: String },
    /// A condition on what comes later.
    #[error(
        "{parent} stands below; move it above, since a condition refers to an earlier hyperparameter"
    )]
    LaterParent { parent: String },
    /// A condition on itself.
    #[error("depends on itself; write another hyperparameter in `when`, or remove it")]
    SelfParent,
    /// Conditions in a ring.
    #[error("the conditions are cyclic: {}; remove one of them", ring.join(" needs "))]
    Cyclic { ring: Vec<String> },
    /// A condition on a value that the earlier hyperparameter never has.
    #[error("{parent} is never {value} ({distribution}); write a value that it can take")]
    ParentValue { parent: String, value: String, distribution: String },
    /// A condition on a single real number.
    #[error(
        "{parent} is continuous ({distribution}), and a condition needs single values; make {parent} a choice or whole numbers, or write a condition on another hyperparameter"
    )]
    ContinuousParent { parent: String, distribution: String },

    /// `scheme` is no word.
    #[error(
        "{written} is not the name of a scheme or rule; write it in quotes, such as scheme = \"free\""
    )]
    SchemeName { written: String },
    /// The scheme cannot be used.
    #[error("{0}")]
    Scheme(String),
    /// A coefficient that the scheme does not have.
    #[error(
        "the scheme {scheme} has no coefficient {key:?}{}; it has {known}; beside them may stand when",
        hint(nearest)
    )]
    UnknownCoefficient { scheme: String, key: String, nearest: Option<String>, known: String },
    /// A coefficient that is not a number.
    #[error("{value} is not a number, as a coefficient must be; write numbers")]
    CoefficientValue { value: String },
    /// `when` for one coefficient.
    #[error("when applies to all coefficients; write it beside scheme")]
    CoefficientCondition,

    /// `points` is no list of tables.
    #[error(
        "is not a list of points; write [[points]] as a line, and the values below it, such as lr = 0.01"
    )]
    Points,
    /// A point with nothing in it.
    #[error("is empty; write values below [[points]], such as lr = 0.01, or remove it")]
    EmptyPoint,
    /// A point has a value for what there is not.
    #[error("there is no such hyperparameter{}; known are {known}", hint(nearest))]
    UnknownInPoint { nearest: Option<String>, known: String },
    /// A point has a value that the distribution does not have.
    #[error("{value} is not in the distribution ({distribution}); write a value inside")]
    PointValue { value: String, distribution: String },
    /// A point has a value for what does not exist there.
    #[error(
        "exists only where {condition}, and here {parent} is {value}; remove it from the point"
    )]
    Inactive { condition: String, parent: String, value: String },
    /// A point has a value for what may not exist there.
    #[error("exists only where {condition}; write {parent} in the point as well")]
    ParentMissing { condition: String, parent: String },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}
