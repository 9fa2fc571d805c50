//! Searching: what is tried, what is stopped, and how trials are executed, recorded and shown.
//!
//! Knows the objective only by its trait, and nothing of Burn.

mod board;
mod chains;
mod decisions;
pub mod journal;
mod lives;
mod objective;
pub mod replay;
mod reporter;
mod runner;
pub mod sampler;
pub mod scheduler;
pub mod space;
mod study;
mod summary;
mod tables;
mod trial;
mod workers;

pub use board::Board;
pub use chains::{Chain, try_chains};
pub use decisions::{DECISION_COLUMNS, DecisionRow};
pub use lives::Lives;
pub use objective::{Command, Ending, Objective, ObjectiveError, Step, Task};
pub use reporter::Reporter;
pub use runner::run_parallel;
pub(crate) use study::RESUMED;
pub use study::{Progress, State, Study, StudyError, StudyOptions, StudyTrial};
pub use summary::StudySummary;
pub use tables::{write_decisions, write_tables};
pub use trial::{Direction, Observation, TrialState};
pub use workers::{StudyEnd, Workers};
