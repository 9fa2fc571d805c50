//! Errors of a run's folder and files.

use std::path::PathBuf;

use thiserror::Error;

/// A run's files that cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The output folder cannot be made or written to.
    #[error("--out {}: cannot write there: {source}; name another folder", path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The output folder is in use by a finished or stopped run.
    #[error("--out {} already holds a run ({command}); nothing was changed. Add --resume to go on with it, or name another folder", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The command of that run.
        command: String,
    },
    /// The output folder holds files that no run wrote.
    #[error("--out {} is not empty and holds no run; nothing was changed. Name a new or an empty folder", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// Another process works in the folder.
    #[error("--out {} is in use by another process; wait for it or name another folder", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to resume.
    #[error("--resume: {} holds no run; leave --resume out to start one", path.display())]
    NothingToResume {
        /// The folder.
        path: PathBuf,
    },
    /// The run was started with other settings.
    #[error("--resume: the run in {} was started with {key} = {old}, not {new}; resume it with the same flags, or name another --out", path.display())]
    Changed {
        /// The folder.
        path: PathBuf,
        /// The setting.
        key: String,
        /// Its value then.
        old: String,
        /// Its value now.
        new: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is damaged.
    #[error("{} cannot be understood: {reason}; mend it, or start anew in another --out", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
