//! Searching: what is tried, what is stopped, and how trials are executed, recorded and shown.
//!
//! Knows the objective only by its trait, and nothing of Burn.

pub mod journal;
mod reporter;
mod runner;
pub mod sampler;
pub mod scheduler;
pub mod space;
mod trial;

pub use reporter::Reporter;
pub use runner::run_parallel;
pub use trial::{Direction, Observation, TrialState};
