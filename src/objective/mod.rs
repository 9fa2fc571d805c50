//! What a trial evaluates.

mod analytic;
mod cnn;
pub mod function;
mod search;
mod settings;
mod tables;

pub use analytic::FunctionObjective;
pub use cnn::{CnnTrial, TrialError, TrialFiles, run_cnn_trial};
pub use search::{CnnObjective, check_space};
pub use settings::{Base, LayerGroups};
pub use tables::{EpochTables, TrialTables};
