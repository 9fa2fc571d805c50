//! What a trial evaluates.

mod analytic;
pub mod arm;
mod cnn;
mod external;
pub mod function;
mod rate_log;
mod search;
mod settings;
mod tables;

pub use analytic::FunctionObjective;
pub use cnn::{CnnTrial, Probing, TrialError, TrialFiles, run_cnn_trial};
pub use external::{Checkpoints, ExternalTrial, Resume, TrialEvent, TrialOutcome, TrialStart};
pub use rate_log::{RateLogError, read_rate_log};
pub use search::{CnnObjective, check_space};
pub use settings::{Base, DUMMY, LayerGroups, SHAPING};
pub(crate) use tables::layer_row;
pub use tables::{EpochTables, ProbeTable, TrialTables};
