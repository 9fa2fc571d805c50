//! What can go wrong between a folder of tables and its figures.

use std::path::PathBuf;

use thiserror::Error;

/// Why the figures of a run could not be drawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FigureError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create`, `rename`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A table is no well-formed CSV; the cause names the line.
    #[error("{} is not a readable table: {source}", path.display())]
    Csv {
        /// The table.
        path: PathBuf,
        /// The cause, with its line.
        source: Box<csv::Error>,
    },
    /// A table lacks a column.
    #[error(
        "{}, line 1: column `{column}` is missing{hint}",
        path.display()
    )]
    Column {
        /// The table.
        path: PathBuf,
        /// The column that the figures need.
        column: String,
        /// What it may be instead, and what to do.
        hint: &'static str,
    },
    /// A cell does not hold what its column promises.
    #[error(
        "{}, line {line}, column `{column}`: expected {expected}, found `{value}`",
        path.display()
    )]
    Cell {
        /// The table.
        path: PathBuf,
        /// Line in the file, the header being line 1.
        line: u64,
        /// Name of the column.
        column: String,
        /// What the column holds.
        expected: &'static str,
        /// What was found.
        value: String,
    },
    /// `verdict.json` or `manifest.json` cannot be understood; the cause names the line.
    #[error("{} is not valid: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause, with line and column.
        source: serde_json::Error,
    },
    /// The embedded fonts were refused: a fault of the build, not of the tables.
    #[error("the embedded font `{0}` cannot be used")]
    Font(&'static str),
    /// The drawing backend failed.
    #[error("cannot draw figure `{figure}`: {source}")]
    Draw {
        /// Name of the figure.
        figure: &'static str,
        /// The backend's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
