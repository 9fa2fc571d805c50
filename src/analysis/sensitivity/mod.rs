//! Global sensitivity analysis: which hyperparameters move the result, alone and through others.
//!
//! A [`Method`] lays out a design of points in the unit cube and reads indices from the values found
//! there. Positions are in the measure of each hyperparameter (a log-uniform one in its logarithm),
//! so every index is a property of the box and the measure as much as of the function. To add a
//! method, write one file beside these and add one line to [`METHODS`]; the contract suite in
//! `suite.rs` then tests it.
//!
//! Designs are laid out in blocks (a trajectory, a base sample, a set of search curves) that are run
//! one after the other, and more samples continue the same design: what has been cut off can be
//! analysed, and continued. A run without a value takes its block along with it, except where
//! less is lost (`morris`, `oat`).

#[cfg(test)]
mod coverage;
mod draft;
mod efast;
mod effects;
mod error;
mod estimate;
#[cfg(test)]
mod known;
mod morris;
mod oat;
mod pairs;
mod shapley;
mod sobol;
#[cfg(test)]
mod suite;
mod unit;

pub use error::SensitivityError;

use rand_chacha::ChaCha8Rng;

use super::statistics::Interval;
use crate::random::{Purpose, derived_seed, stream};
use crate::search::space::{Distribution, Parameter, Space};

/// A hyperparameter as a method sees it: a position in [0, 1].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Its name.
    pub name: String,
    /// Number of levels if it is discrete, each with an equal share of [0, 1]; none for a continuum,
    /// and for levels of unequal shares, such as whole numbers by the logarithm.
    pub levels: Option<u64>,
}

impl Factor {
    /// The hyperparameters of a space as factors, in its order.
    pub fn all(space: &Space) -> Vec<Self> {
        let factor = |parameter: &Parameter| Self {
            name: parameter.name.clone(),
            // The shares of whole numbers by the logarithm are unequal: a continuum is nearer.
            levels: match parameter.distribution {
                Distribution::Int { log: true, .. } => None,
                ref distribution => distribution.levels(),
            },
        };
        space.parameters.iter().map(factor).collect()
    }
}

/// Factors that move together and are judged as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Places of its factors.
    pub members: Vec<usize>,
}

/// What is known of the noise of the values, which every run draws anew.
///
/// Independent noise of variance σ² is a share of the variance that no factor has, and every total
/// index counts it: (ST + ρ) / (1 + ρ) with ρ = σ² / V is found instead of ST.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Noise {
    /// Nothing; indices are shares of the whole variance, the noise's included.
    #[default]
    None,
    /// Its variance, in squared units of the value; it is taken out of the indices.
    Variance(f64),
    /// The place of a factor that has no effect: runs that differ in it alone are replicates.
    Dummy(usize),
}

/// What can be set of methods; each takes what concerns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Base samples of `sobol` and `shapley`, points on the curves of a factor of `efast`,
    /// trajectories of `morris`, levels of an axis of `oat`.
    pub samples: usize,
    /// `morris`: levels of the grid, an even number.
    pub levels: usize,
    /// `sobol`, `shapley`: Owen-scrambled by the seed; without, the sequence as it is.
    pub scramble: bool,
    /// `sobol`: indices of pairs too, which nearly doubles the runs.
    pub second_order: bool,
    /// Factors to be moved together; a factor in no group is one by itself.
    pub groups: Vec<Group>,
    /// `oat`: where the other factors are while one moves; ½ each if empty.
    pub base: Vec<f64>,
    /// Seed of the design and of resamples.
    pub seed: u64,
    /// Bootstrap resamples behind an interval.
    pub resamples: usize,
    /// Level of the intervals, such as .95.
    pub confidence: f64,
    /// `efast`: harmonics that are summed (M).
    pub harmonics: usize,
    /// What is known of the noise.
    pub noise: Noise,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            samples: 256,
            levels: 4,
            scramble: true,
            second_order: false,
            groups: Vec::new(),
            base: Vec::new(),
            seed: 0,
            resamples: 1000,
            confidence: 0.95,
            harmonics: 4,
            noise: Noise::None,
        }
    }
}

/// An estimated index of a factor, a group, or a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Name of the factor or group; "a:b" for a pair.
    pub parameter: String,
    /// Which index: S1, ST, S2, Sh, mu, mu_star, sigma, range, slope.
    pub index: &'static str,
    /// The estimate; always finite.
    pub value: f64,
    /// Where the true index is, at the level of the options; infinite ends where that is unknown.
    pub interval: Interval,
}

/// An elementary effect: what a step along a trajectory changed, per unit of position.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Name of the factor, or of the group, whose effects have no sign.
    pub parameter: String,
    /// Number of the trajectory, from 0.
    pub trajectory: usize,
    /// The effect, in units of the value.
    pub effect: f64,
}

/// What a design's values say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// The indices, factor by factor; those that cannot be known are left out.
    pub indices: Vec<Index>,
    /// The elementary effects (`morris`).
    pub effects: Vec<Effect>,
    /// Variance of the response over the design, without noise where that is known.
    pub variance: f64,
    /// Variance of the noise, as given or estimated; none if unknown.
    pub noise_variance: Option<f64>,
    /// How many of the given runs the indices rest on.
    pub used: usize,
    /// How many of the given runs do not count: those without a value, and those of their blocks.
    pub left_out: usize,
    /// What a reader has to know, in sentences.
    pub notes: Vec<String>,
}

/// A design and its estimator.
pub trait Method: Sync {
    /// Name, as `--method` takes it.
    fn name(&self) -> &'static str;

    /// What it finds and costs, in a few words.
    fn about(&self) -> &'static str;

    /// Number of runs of the design.
    fn runs(&self, factors: &[Factor], options: &Options) -> usize;

    /// The points in the order in which they are run, a position in [0, 1] for each factor.
    ///
    /// # Errors
    /// An option does not suit the method or the factors.
    fn design(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<Vec<f64>>, SensitivityError>;

    /// Which block each point of the design belongs to; numbers rise from 0.
    ///
    /// # Errors
    /// An option does not suit the method or the factors.
    fn blocks(&self, factors: &[Factor], options: &Options)
    -> Result<Vec<usize>, SensitivityError>;

    /// The indices from the values of the design's points, in its order: none where a run failed or
    /// diverged, and fewer values than points where the design was cut off.
    ///
    /// # Errors
    /// An option does not suit the method or the factors, or there are more values than points.
    fn analyse(
        &self,
        factors: &[Factor],
        options: &Options,
        values: &[Option<f64>],
    ) -> Result<Analysis, SensitivityError>;
}

/// All methods, by the names that `--method` takes.
pub const METHODS: &[&dyn Method] =
    &[&oat::Oat, &morris::Morris, &sobol::Sobol, &efast::Efast, &shapley::Shapley];

/// The method called `name`.
///
/// # Errors
/// There is none.
///
/// ```
/// use strata::analysis::sensitivity::{Factor, Options, method};
///
/// let factors = ["x", "y"].map(|name| Factor { name: name.to_owned(), levels: None });
/// let options = Options { samples: 256, ..Options::default() };
/// let sobol = method("sobol")?;
/// let values: Vec<_> =
///     sobol.design(&factors, &options)?.iter().map(|point| Some(3.0 * point[0] + point[1])).collect();
/// let analysis = sobol.analyse(&factors, &options, &values)?;
/// let first = &analysis.indices[0];
/// assert_eq!((first.parameter.as_str(), first.index), ("x", "S1"));
/// assert!((first.value - 0.9).abs() < 0.02);
/// # Ok::<(), strata::analysis::sensitivity::SensitivityError>(())
/// ```
pub fn method(name: &str) -> Result<&'static dyn Method, SensitivityError> {
    METHODS.iter().copied().find(|method| method.name() == name).ok_or_else(|| {
        let known: Vec<_> = METHODS.iter().map(|method| method.name()).collect();
        SensitivityError::Unknown { name: name.to_owned(), known: known.join(", ") }
    })
}

/// The draws of a design for one purpose, such as the order of steps, and its number.
fn draws(seed: u64, purpose: u64, number: u64) -> ChaCha8Rng {
    stream(derived_seed(seed, Purpose::Design, purpose), Purpose::Design, number)
}
