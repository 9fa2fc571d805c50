//! Reports from the files of runs alone: pages, tables for papers, sections of a README.
//!
//! Knows CSV, JSON and Markdown files, and figures by their functions. Nothing is measured here.

mod page;
mod splice;
mod table;
mod tensorboard;

use std::path::{Path, PathBuf};

pub use page::{Section, page, section};
pub use splice::{Spliced, splice};
pub use table::{Selection, Table};
pub use tensorboard::tensorboard;

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A table is no CSV.
    #[error("{}: {source}; a table is a CSV file with a header", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: csv::Error,
    },
    /// A table lacks a column that is asked for.
    #[error("{}: there is no column `{column}`; it has {known}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its columns.
        known: String,
    },
    /// A marker that cannot be understood.
    #[error("{}, line {line}: {fault}", path.display())]
    Marker {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong, and what to do.
        fault: String,
    },
    /// A figure cannot be drawn.
    #[error(transparent)]
    Figure(#[from] crate::figure::FigureError),
}

/// The CSV files of a folder by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn csv_files(folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let entries = std::fs::read_dir(folder).map_err(|source| ReportError::Io {
        action: "read",
        path: folder.to_owned(),
        source,
    })?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "csv"));
    paths.sort_unstable();
    Ok(paths)
}

/// Reads a text file.
fn read(path: &Path) -> Result<String, ReportError> {
    std::fs::read_to_string(path).map_err(|source| ReportError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })
}
