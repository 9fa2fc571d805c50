//! Question 2: in what order should hyperparameters be searched?
//!
//! An [`Arm`] is a procedure: a sampler with an order. A [`Search`] is one run of it, asked for
//! configurations and told losses, over a [`Landscape`] (an analytic function, or a [`Surrogate`] fitted
//! to recorded trials) or over the net itself. [`replay`] runs it on a landscape and follows what the
//! best observed configuration is truly worth; [`Curves`] turn that into normalised regret, and
//! [`compare_all`](super::compare_all) judges paired differences. What a screening costs is part of the
//! budget.
//!
//! To add a procedure, write a sampler; to add an estimator of the order, one line in [`RANKERS`].

mod landscape;
mod oracle;
mod ranker;
mod replay;
mod series;
mod surrogate;
#[cfg(test)]
mod tests;

pub use landscape::Landscape;
pub use oracle::{Effect, total_effects};
pub use ranker::{RANKERS, ranker, sample, screening};
pub use replay::{Arm, Replay, Search, Start, replay};
pub use series::{Curves, Outcome, Scale, mean_ranks};
pub use surrogate::{Surrogate, SurrogateError};
