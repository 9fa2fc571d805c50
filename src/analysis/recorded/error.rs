//! Why recorded trials cannot be read.

use std::path::PathBuf;

use crate::search::journal::JournalError;

/// Why recorded trials cannot be read. Messages name file and line or column, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal has several studies, or none of that name.
    #[error("{}: --study {wanted}: the journal has {known}", path.display())]
    Study {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// The studies that there are.
        known: String,
    },
    /// The study has no such objective.
    #[error(
        "{}: the study has {objectives} objectives; --target N names one of them, from 0", path.display()
    )]
    Objective {
        /// The file.
        path: PathBuf,
        /// How many there are.
        objectives: usize,
    },
    /// The table cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The table has no such column.
    #[error("{}: there is no column `{column}` ({flag}); it has {known}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        column: String,
        /// The flag that named it.
        flag: &'static str,
        /// The columns that there are.
        known: String,
    },
    /// A cell is no number.
    #[error("{}, line {line}, column `{column}`: {value:?} is not a number", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
    },
    /// Nothing that could be important.
    #[error(
        "{}: no hyperparameters were found: a table's columns are named with --parameters A,B, or called hp.NAME; a \
         journal has those of its trials",
        path.display()
    )]
    NoParameters {
        /// The file.
        path: PathBuf,
    },
    /// There are no trials.
    #[error("{}: it has no trials", path.display())]
    NoTrials {
        /// The file.
        path: PathBuf,
    },
}
