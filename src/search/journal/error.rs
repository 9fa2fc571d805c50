//! Errors of a study's journal.

use std::path::PathBuf;

use thiserror::Error;

/// A journal that cannot be used, or a record that does not belong into it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}; what was recorded before is kept: make room or name another --out", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The lock beside the file can be neither made nor removed.
    #[error("cannot lock {} through {}.lock: {source}; the folder must be writable", path.display(), path.display())]
    Lock {
        /// The journal.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process keeps the lock.
    #[error("{} has been locked for {seconds} seconds{holder}; let that process go on or end it, then --resume", path.display())]
    Busy {
        /// The journal.
        path: PathBuf,
        /// How long this process waited.
        seconds: u64,
        /// ` by process N`, where known.
        holder: String,
    },
    /// Another process took the lock away or wrote in spite of it; nothing was written.
    #[error("{}: another process broke this one's lock, for which a process must have stood still for half a minute; nothing was written: try again, or --resume", path.display())]
    LockLost {
        /// The journal.
        path: PathBuf,
    },
    /// The file is shorter than it was.
    #[error("{} became shorter while it was in use, so another program changed it; put it back and --resume", path.display())]
    Shrunk {
        /// The journal.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no study journal ({reason}); nothing was changed: name another file or --out", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A line that is not the last one is damaged.
    #[error("{}, line {line} is damaged ({reason}); the lines before it are sound and nothing was changed. Put a copy of the file back, or keep what is sound: head -n {} {} > mended.journal", path.display(), line - 1, path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A record of a kind that this version does not know.
    #[error("{}, line {line}: unknown op_code {code}; a newer program wrote the journal: go on with that program, or update this one", path.display())]
    UnknownOperation {
        /// The journal.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Its code.
        code: u64,
    },
    /// The journal belongs to other studies.
    #[error("{} holds the study {found}, not {name:?}; search under that name, or name another --out", path.display())]
    OtherStudy {
        /// The journal.
        path: PathBuf,
        /// Names of its studies.
        found: String,
        /// The name asked for.
        name: String,
    },
    /// The study was begun with the other direction.
    #[error("{}: the study {name:?} is to {recorded} its objective, not to {asked} it; search in its direction, or name another --out", path.display())]
    OtherDirection {
        /// The journal.
        path: PathBuf,
        /// The study.
        name: String,
        /// The direction in the journal.
        recorded: &'static str,
        /// The direction asked for.
        asked: &'static str,
    },
    /// The study has more than one objective.
    #[error("{}: the study {name:?} has {count} objectives, and only studies of one can be continued here; name another --out", path.display())]
    SeveralObjectives {
        /// The journal.
        path: PathBuf,
        /// The study.
        name: String,
        /// How many.
        count: usize,
    },
    /// The study was deleted while it ran.
    #[error("{}: another program deleted the study {name:?}; name another --out", path.display())]
    Deleted {
        /// The journal.
        path: PathBuf,
        /// The study.
        name: String,
    },
    /// A hyperparameter is recorded with a distribution of another kind, which no reader accepts.
    #[error("{}: {parameter} was recorded as {recorded}, and is now {asked}; kind, logarithm and choices must stay within a study: give the hyperparameter another name, or name another --out", path.display())]
    OtherDistribution {
        /// The journal.
        path: PathBuf,
        /// The hyperparameter.
        parameter: String,
        /// The recorded distribution.
        recorded: String,
        /// The new one.
        asked: String,
    },
    /// A configuration with a hyperparameter that the space lacks.
    #[error("{}: {parameter} is not in the search space", path.display())]
    NotInSpace {
        /// The journal.
        path: PathBuf,
        /// The hyperparameter.
        parameter: String,
    },
    /// There is no such trial.
    #[error("{}: there is no trial {number}", path.display())]
    NoTrial {
        /// The journal.
        path: PathBuf,
        /// Its number.
        number: u64,
    },
    /// The trial has ended, or has been claimed: another process was faster.
    #[error("{}: trial {number} is {state} and cannot be {wish}; another process was faster", path.display())]
    Taken {
        /// The journal.
        path: PathBuf,
        /// Its number.
        number: u64,
        /// How it stands.
        state: &'static str,
        /// What was to be done with it.
        wish: &'static str,
    },
    /// A trial cannot be complete without a finite value.
    #[error("{}: trial {number} is said to be complete with the value {value}; record it as diverged or failed", path.display())]
    NoValue {
        /// The journal.
        path: PathBuf,
        /// Its number.
        number: u64,
        /// The value.
        value: String,
    },
}
