//! Samplers propose configurations.
//!
//! To add one, write one file beside these and add one line to [`SAMPLERS`]; the contract suite in
//! `suite.rs` then tests it.

mod axis;
mod cma_es;
mod column;
mod gp;
mod grid;
mod linear;
mod log_sum;
mod order;
mod parzen;
mod proportional;
mod random;
mod sobol;
mod staged;
#[cfg(test)]
mod suite;
mod tpe;

use rand_chacha::ChaCha8Rng;

pub use gp::Regression;
pub use order::{Order, Ranker};

use super::space::{Configuration, Space};
use super::trial::Observation;
use crate::random::{Purpose, derived_seed, stream};

/// What a sampler is asked with.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is searched.
    pub space: &'a Space,
    /// Seed of the study: every draw comes from
    /// `random::stream(derived_seed(seed, Purpose::Sampler, number), …)`.
    pub seed: u64,
    /// Number of the trial to propose for.
    pub number: u64,
    /// All trials with smaller numbers, in their order, running ones included.
    pub history: &'a [Observation],
}

impl Question<'_> {
    /// The stream of draws for one purpose of one sampler: a name for it, and mostly the name of a
    /// hyperparameter. Draws for other names, trials and seeds are independent of it, so another
    /// hyperparameter in the space leaves the draws for this one alone.
    fn draws(&self, purpose: &str, name: &str) -> ChaCha8Rng {
        let seed = derived_seed(self.seed, Purpose::Sampler, self.number);
        stream(seed, Purpose::Sampler, label(purpose, name))
    }

    /// Which point of a design that is laid out in advance the trial takes: those that begin with
    /// the points of the space come before the design.
    fn design_index(&self) -> u64 {
        self.number.saturating_sub(self.space.points.len() as u64)
    }
}

/// A number for two names (64-bit FNV-1a, with a byte between them that no text holds).
fn label(purpose: &str, name: &str) -> u64 {
    let bytes = purpose.bytes().chain([0xff]).chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Proposes configurations: ask and tell in one method, since the history tells.
///
/// The answer must be a function of the question alone: no state that a resumed process would lack.
/// Caches that only save time are welcome in `self`.
pub trait Sampler: Send {
    /// A configuration for trial `question.number`: a value for exactly the active
    /// hyperparameters, each inside its distribution. `None` once a finite design is used up.
    fn ask(&mut self, question: &Question) -> Option<Configuration>;

    /// Whether the answer depends on the results in the history. A study need not wait for results
    /// that nobody looks at.
    fn looks_back(&self) -> bool {
        true
    }
}

/// What can be set of samplers; each takes what concerns it.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerOptions {
    /// `grid`: how many levels a hyperparameter gets that has a continuum of values.
    pub grid_levels: Option<u64>,
    /// `sobol`: scrambled by the seed; without, the sequence that SciPy gives too.
    pub scramble: bool,
    /// Model-based samplers: how many trials must have finished before the model proposes, drawn at
    /// random until then; the sampler's own number if not given.
    pub startup_trials: Option<u64>,
    /// `coordinate`, `groups`, `grow`, `proportional`: which hyperparameters come first.
    pub order: Order,
    /// `coordinate`, `groups`, `grow`: trials of a stage for each hyperparameter that is new in it;
    /// [`Self::STAGE_LEVELS`] if not given.
    pub stage_levels: Option<u64>,
    /// `groups`: names and members; what is in none is a group by itself. Three at a time in their
    /// order if empty.
    pub groups: Vec<(String, Vec<String>)>,
}

impl SamplerOptions {
    /// Trials of a stage for each hyperparameter, unless told otherwise.
    pub const STAGE_LEVELS: u64 = 4;
}

impl Default for SamplerOptions {
    fn default() -> Self {
        Self {
            grid_levels: None,
            scramble: true,
            startup_trials: None,
            order: Order::default(),
            stage_levels: None,
            groups: Vec::new(),
        }
    }
}

/// Why a sampler cannot search a space.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    /// No such sampler.
    #[error("no sampler is called `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The samplers that exist.
        known: String,
    },
    /// A grid has no levels for a continuum.
    #[error(
        "sampler grid: `{parameter}` has a continuum of values; `--grid-levels N` gives N levels \
         to each such hyperparameter, or give it a step or choices in the space"
    )]
    NoLevels {
        /// The first hyperparameter without levels.
        parameter: String,
    },
    /// No level at all.
    #[error("sampler grid: `--grid-levels` is 0; it takes 1 or more")]
    ZeroLevels,
    /// There are not enough direction numbers.
    #[error(
        "sampler sobol: the space has {parameters} hyperparameters and the sequence {most} \
         dimensions; leave some out, or use `--sampler random`"
    )]
    TooManyDimensions {
        /// How many hyperparameters there are.
        parameters: usize,
        /// How many there may be.
        most: usize,
    },
    /// The sampler has no way to search such a space.
    #[error("sampler {sampler}: {reason}")]
    Unsupported {
        /// Its name.
        sampler: &'static str,
        /// What is in the way and what to do.
        reason: String,
    },
}

/// Builds a sampler, or says why it cannot search the space.
pub type Build = fn(&SamplerOptions, &Space) -> Result<Box<dyn Sampler>, SamplerError>;

/// All samplers, by the names that `--sampler` takes.
pub const SAMPLERS: &[(&str, Build)] = &[
    ("grid", grid::build),
    ("random", random::build),
    ("sobol", sobol::build),
    ("tpe", tpe::build),
    ("gp", gp::build),
    ("cma-es", cma_es::build),
    ("coordinate", staged::coordinate),
    ("groups", staged::groups),
    ("grow", staged::grow),
    ("proportional", proportional::build),
];

/// The sampler called `name` for `space`; the space's own points come first.
///
/// # Errors
/// There is no such sampler, or it cannot search this space.
pub fn sampler(
    name: &str,
    options: &SamplerOptions,
    space: &Space,
) -> Result<Box<dyn Sampler>, SamplerError> {
    let Some((_, build)) = SAMPLERS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<_> = SAMPLERS.iter().map(|(known, _)| *known).collect();
        return Err(SamplerError::Unknown { name: name.to_owned(), known: known.join(", ") });
    };
    Ok(Box::new(PointsFirst(build(options, space)?)))
}

/// Takes the points that the space names, one a trial, before it asks a sampler.
struct PointsFirst(Box<dyn Sampler>);

impl Sampler for PointsFirst {
    fn looks_back(&self) -> bool {
        self.0.looks_back()
    }

    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let point = usize::try_from(question.number).ok();
        let Some(point) = point.and_then(|number| question.space.points.get(number)) else {
            return self.0.ask(question);
        };
        // Values that do not fit are left open too: a proposal is inside the space whatever came in.
        Some(question.space.configure(|parameter, _| {
            let value = point.get(&parameter.name);
            let value = value.filter(|value| parameter.distribution.contains(*value));
            value.unwrap_or_else(|| random::draw(question, parameter))
        }))
    }
}
