//! What a trial evaluates.

mod cnn;
pub mod function;
mod tables;

pub use cnn::{CnnTrial, TrialError, TrialFiles, run_cnn_trial};
pub use tables::TrialTables;
