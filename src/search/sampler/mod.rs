//! Samplers propose configurations.
//!
//! To add one, write one file beside these and add one line to [`SAMPLERS`]; the contract suite in
//! `suite.rs` then tests it.

pub mod gp;
mod linear;

use super::space::{Configuration, Space};
use super::trial::Observation;

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

/// Proposes configurations: ask and tell in one method, since the history tells.
///
/// The answer must be a function of the question alone: no state that a resumed process would lack.
/// Caches that only save time are welcome in `self`.
pub trait Sampler: Send {
    /// A configuration for trial `question.number`: a value for exactly the active
    /// hyperparameters, each inside its distribution. `None` once a finite design is used up.
    fn ask(&mut self, question: &Question) -> Option<Configuration>;
}
