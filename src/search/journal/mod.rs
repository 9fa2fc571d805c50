//! The journal of a study: every trial, report and result, in the order in which they happened.
//!
//! The file has Optuna's journal format, so Optuna and its tools open our studies and go on with
//! them, and we go on with Optuna's. It is the source of truth for resuming. It is only ever
//! appended to; several processes may work on one study at once, under one lock. A record that a
//! crash cut off is set aside on the next opening, with a message.
//!
//! ```text
//! Journal::open ── lock ──▶ Transaction: sees what others wrote, adds records, commits them as one
//! ```
//!
//! What Optuna has no word for is kept in attributes: a diverged trial is a failed one with the
//! user attribute [`STATUS`], and [`ERROR`] says what went wrong.

mod distribution;
mod error;
#[cfg(test)]
mod foreign_tests;
mod lock;
mod number;
mod record;
mod repair;
mod state;
#[cfg(test)]
mod tests;
mod time;
mod transaction;
mod trial;

pub use error::JournalError;
pub use record::Attributes;
pub use state::{Event, JournalStudy};
pub use transaction::Transaction;
pub use trial::{ERROR, JournalParameter, JournalTrial, STATUS};

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Direction;
use distribution::Known;
use lock::FileLock;
use record::{LineError, Record};
use repair::Tail;
use state::State;

/// One study in a journal, opened for work.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    lock: FileLock,
    worker: String,
    replay: Replay,
    /// The study's place among those of the file.
    study: usize,
    events: Vec<Event>,
    notices: Vec<String>,
    /// The replayed state has records that the file lacks, or was left halfway.
    stale: bool,
}

/// What has been read of a file so far.
#[derive(Debug, Default)]
struct Replay {
    state: State,
    /// Bytes and lines.
    offset: u64,
    lines: usize,
    known: Known,
}

impl Replay {
    /// Applies the whole lines of `bytes`, which follow what has been read; gives the rest.
    fn apply<'a>(
        &mut self,
        path: &Path,
        bytes: &'a [u8],
        events: &mut Vec<(usize, Event)>,
    ) -> Result<&'a [u8], JournalError> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            self.apply_line(path, line, events)?;
            rest = after;
        }
        Ok(rest)
    }

    fn apply_line(
        &mut self,
        path: &Path,
        line: &[u8],
        events: &mut Vec<(usize, Event)>,
    ) -> Result<(), JournalError> {
        let number = self.lines + 1;
        let (worker, record) =
            record::read(line, &mut self.known).map_err(|error| match error {
                LineError::UnknownOperation(code) => {
                    JournalError::UnknownOperation { path: path.to_owned(), line: number, code }
                }
                LineError::Damaged(reason) if number == 1 && !line.starts_with(b"{\"op_code\"") => {
                    JournalError::Foreign { path: path.to_owned(), reason }
                }
                LineError::Damaged(reason) => {
                    JournalError::Damaged { path: path.to_owned(), line: number, reason }
                }
            })?;
        self.state.apply(worker, record, events);
        self.lines = number;
        self.offset += line.len() as u64;
        Ok(())
    }
}

/// Reads all studies of a journal without a lock and without changing anything; a record that is
/// being written, or was cut off, is left out.
///
/// # Errors
/// When the file cannot be read, is no journal, or has a damaged or unknown record.
pub fn read_studies(path: &Path) -> Result<Vec<JournalStudy>, JournalError> {
    let bytes = std::fs::read(path)
        .map_err(|source| JournalError::Read { path: path.to_owned(), source })?;
    let mut replay = Replay::default();
    let tail = replay.apply(path, &bytes, &mut Vec::new())?;
    match repair::examine(tail, replay.lines > 0) {
        Tail::Whole => replay.apply_line(path, tail, &mut Vec::new())?,
        Tail::Torn => {}
        Tail::Foreign => {
            let reason = "it does not begin with a record".to_owned();
            return Err(JournalError::Foreign { path: path.to_owned(), reason });
        }
    }
    Ok(replay.state.studies.into_iter().filter(|study| !study.deleted).collect())
}

impl Journal {
    /// Opens the journal of the study `name`, or begins it. An existing file must hold that study,
    /// with that direction. `worker` names this process in its records; no other may share it.
    ///
    /// Also gives messages for people, such as that the last record had been cut off.
    ///
    /// # Errors
    /// When the file cannot be read, written or locked, is no journal, is damaged other than at its
    /// end, or belongs to another study.
    pub fn open(
        path: &Path,
        name: &str,
        direction: Direction,
        worker: &str,
    ) -> Result<(Self, Vec<String>), JournalError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path);
        let file = file.map_err(|source| JournalError::Write { path: path.to_owned(), source })?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            lock: FileLock::new(path),
            worker: worker.to_owned(),
            replay: Replay::default(),
            study: 0,
            events: Vec::new(),
            notices: Vec::new(),
            stale: false,
        };
        journal.lock.acquire()?;
        journal.lock.sweep();
        // Until the study's place is known, events of all studies are kept.
        let mut events = Vec::new();
        let opened =
            journal.read_new(&mut events).and_then(|()| journal.find_or_create(name, direction));
        journal.lock.release();
        journal.study = opened?;
        journal.keep(events);
        let notices = journal.take_notices();
        Ok((journal, notices))
    }

    /// Takes the lock, reads what others wrote, and begins a group of records that become part of
    /// the journal together or not at all.
    ///
    /// # Errors
    /// When the lock cannot be had, or the file is damaged or was deleted.
    pub fn lock(&mut self) -> Result<Transaction<'_>, JournalError> {
        self.lock.acquire()?;
        let mut events = Vec::new();
        let read = if self.stale { self.reload(&mut events) } else { self.read_new(&mut events) };
        if let Err(error) = read {
            self.stale = true;
            self.lock.release();
            return Err(error);
        }
        self.keep(events);
        if self.study().deleted {
            self.lock.release();
            let name = self.study().name.clone();
            return Err(JournalError::Deleted { path: self.path.clone(), name });
        }
        Ok(Transaction::new(self))
    }

    /// The study as of the last look at the file.
    pub fn study(&self) -> &JournalStudy {
        &self.replay.state.studies[self.study]
    }

    /// What has happened to trials since the last call, in the order of the file: all of it after
    /// opening, later what other processes wrote. Records that this journal commits are left out.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Messages for people since the last call.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn keep(&mut self, events: Vec<(usize, Event)>) {
        let ours = events.into_iter().filter(|(study, _)| *study == self.study);
        self.events.extend(ours.map(|(_, event)| event));
    }

    /// Replays the file from its beginning; gives the events of what had not been read before.
    fn reload(&mut self, events: &mut Vec<(usize, Event)>) -> Result<(), JournalError> {
        let seen = self.replay.offset;
        let bytes = self.read_from(0)?;
        let mut replay = Replay::default();
        let shrunk = || JournalError::Shrunk { path: self.path.clone() };
        let old = usize::try_from(seen).ok().and_then(|seen| bytes.get(..seen));
        replay.apply(&self.path, old.ok_or_else(shrunk)?, &mut Vec::new())?;
        if replay.offset != seen || replay.state.studies.len() <= self.study {
            return Err(shrunk());
        }
        self.replay = replay;
        self.read_new(events)?;
        self.stale = false;
        Ok(())
    }

    /// Reads what was appended, and mends the end of the file. The lock must be held.
    fn read_new(&mut self, events: &mut Vec<(usize, Event)>) -> Result<(), JournalError> {
        let bytes = self.read_from(self.replay.offset)?;
        let before = (self.replay.offset, self.replay.lines);
        let tail = match self.replay.apply(&self.path, &bytes, events) {
            Ok(tail) => tail,
            Err(error) => {
                // Events of this part have not been given out; a reload starts from here.
                (self.replay.offset, self.replay.lines) = before;
                return Err(error);
            }
        };
        if tail.is_empty() {
            return Ok(());
        }
        let failed = |source| JournalError::Write { path: self.path.clone(), source };
        match repair::examine(tail, self.replay.lines > 0) {
            Tail::Whole => {
                let mut line = tail.to_vec();
                line.push(b'\n');
                self.replay.apply_line(&self.path, &line, events)?;
                self.file.write_all(b"\n").map_err(failed)?;
            }
            Tail::Torn => {
                let start = self.replay.offset;
                let notice = repair::set_aside(&self.path, &self.file, start, tail);
                self.notices.push(notice.map_err(failed)?);
            }
            Tail::Foreign => {
                let reason = "it does not begin with a record".to_owned();
                return Err(JournalError::Foreign { path: self.path.clone(), reason });
            }
        }
        Ok(())
    }

    fn read_from(&mut self, offset: u64) -> Result<Vec<u8>, JournalError> {
        let failed = |source| JournalError::Read { path: self.path.clone(), source };
        let length = self.file.metadata().map_err(failed)?.len();
        if length < offset {
            return Err(JournalError::Shrunk { path: self.path.clone() });
        }
        let mut bytes = Vec::new();
        if length > offset {
            self.file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            self.file.read_to_end(&mut bytes).map_err(failed)?;
        }
        Ok(bytes)
    }

    /// Finds the study, or creates it in an empty file. The lock must be held.
    fn find_or_create(&mut self, name: &str, direction: Direction) -> Result<usize, JournalError> {
        let path = || self.path.clone();
        let state = &self.replay.state;
        let Some(index) = state.find(name) else {
            let others: Vec<String> = state
                .studies
                .iter()
                .filter(|study| !study.deleted)
                .map(|study| format!("{:?}", study.name))
                .collect();
            if !others.is_empty() {
                let (found, name) = (others.join(", "), name.to_owned());
                return Err(JournalError::OtherStudy { path: path(), found, name });
            }
            let directions = vec![direction];
            let record = Record::CreateStudy { name: name.to_owned(), directions };
            let mut line = String::new();
            record.write(&self.worker, &mut line);
            let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_all());
            written.map_err(|source| JournalError::Write { path: path(), source })?;
            sync_folder(&self.path);
            self.replay.apply_line(&self.path, line.as_bytes(), &mut Vec::new())?;
            return Ok(self.replay.state.studies.len() - 1);
        };
        let study = &state.studies[index];
        let name = name.to_owned();
        match *study.directions {
            [recorded] if recorded == direction => Ok(index),
            [recorded] => Err(JournalError::OtherDirection {
                path: path(),
                name,
                recorded: recorded.name(),
                asked: direction.name(),
            }),
            ref several => {
                let count = several.len();
                Err(JournalError::SeveralObjectives { path: path(), name, count })
            }
        }
    }
}

/// Makes a new file's name durable, where the system can.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}
