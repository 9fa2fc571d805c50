//! Errors of a training run.

use std::path::PathBuf;

use thiserror::Error;

use crate::data::DataError;
use crate::net::{NetError, WeightsError};
use crate::rates::RatesError;

/// A run that cannot start or go on. A run that diverges is no error but an outcome.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The data do not fit the settings.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The net cannot be built.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The rates do not fit the net.
    #[error(transparent)]
    Rates(#[from] RatesError),
    /// A weight file does not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A checkpoint cannot be read.
    #[error("cannot read checkpoint {}: {source}", path.display())]
    ReadCheckpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checkpoint cannot be written.
    #[error("cannot write checkpoint {}: {source}", path.display())]
    WriteCheckpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checkpoint is damaged or of another run.
    #[error("checkpoint {} is not usable: {reason}. Delete it to start this run again from its first epoch", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
