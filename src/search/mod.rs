//! Searching: what is tried, and how trials are executed and shown.
//!
//! Knows the objective only as a function from a job to a result, and nothing of Burn.

mod reporter;
mod runner;

pub use reporter::Reporter;
pub use runner::run_parallel;
