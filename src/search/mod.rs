//! Searching: what is tried, what is stopped, and how trials are executed, recorded and shown.
//!
//! Knows the objective only by its trait, and nothing of Burn.

mod decisions;
pub mod replay;
mod reporter;
mod runner;
pub mod sampler;
pub mod scheduler;
pub mod space;
mod trial;

pub use decisions::{DECISION_COLUMNS, DecisionRow};
pub use reporter::Reporter;
pub use runner::run_parallel;
pub use trial::{Direction, Observation, TrialState};
