//! Records that enter a journal together.

use std::io::Write;

use serde_json::Value;

use super::distribution::compatible;
use super::record::{Attributes, NewTrial, Record, Stage, as_recorded};
use super::trial::{ERROR, JournalParameter, JournalTrial, STATUS};
use super::{Event, Journal, JournalError, JournalStudy, number, time};
use crate::search::TrialState;
use crate::search::space::{Configuration, Space};

/// A group of records under the journal's lock. The study shows them at once; the file gets them
/// with [`commit`](Self::commit), in one write. Without it they are forgotten.
#[derive(Debug)]
pub struct Transaction<'a> {
    journal: &'a mut Journal,
    lines: String,
    count: usize,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(journal: &'a mut Journal) -> Self {
        Self { journal, lines: String::new(), count: 0 }
    }

    /// The study, with what other processes wrote and what this transaction adds.
    pub fn study(&self) -> &JournalStudy {
        self.journal.study()
    }

    /// See [`Journal::take_events`].
    pub fn take_events(&mut self) -> Vec<Event> {
        self.journal.take_events()
    }

    /// Creates a running trial and gives its number. It is one record, with all hyperparameters:
    /// a crash never leaves half a configuration.
    ///
    /// # Errors
    /// When the configuration has a hyperparameter that the space lacks, or one that the journal
    /// knows with a distribution of another kind.
    pub fn create_trial(
        &mut self,
        configuration: &Configuration,
        space: &Space,
        user_attributes: Attributes,
        system_attributes: Attributes,
    ) -> Result<u64, JournalError> {
        let parameters = self.parameters(configuration, space)?;
        let number = self.study().trials.len() as u64;
        self.add(Record::CreateTrial(Box::new(NewTrial {
            study: self.journal.study,
            stage: Stage::Running,
            values: Vec::new(),
            started: Some(time::now()),
            completed: None,
            parameters,
            user_attributes,
            system_attributes,
            intermediate: Vec::new(),
        })));
        Ok(number)
    }

    /// Claims a waiting trial: it runs from now on, with this configuration.
    ///
    /// # Errors
    /// When it does not wait (any more), or as for [`create_trial`](Self::create_trial).
    pub fn claim(
        &mut self,
        number: u64,
        configuration: &Configuration,
        space: &Space,
    ) -> Result<(), JournalError> {
        let trial = self.trial(number)?;
        if trial.stage != Stage::Waiting {
            return Err(self.taken(number, "claimed"));
        }
        let trial = trial.id;
        let parameters = self.parameters(configuration, space)?;
        for parameter in parameters {
            self.add(Record::Parameter { trial, parameter });
        }
        // Last, so that a crash in between leaves a trial that still waits.
        let (stage, time) = (Stage::Running, Some(time::now()));
        self.add(Record::Stage { trial, stage, values: None, time });
        Ok(())
    }

    /// Records a report; the value may be NaN or infinite. It is in the study's direction: no loss.
    ///
    /// # Errors
    /// When there is no such trial, or it does not run.
    pub fn report(&mut self, number: u64, step: u64, value: f64) -> Result<(), JournalError> {
        let trial = self.open_trial(number, "reported on")?;
        self.add(Record::Intermediate { trial, step, value });
        Ok(())
    }

    /// Records how a trial ended. A complete one needs a finite value, in the study's direction;
    /// a pruned one without a value gets its last report; diverged and failed ones have none.
    /// `error` says what went wrong. Nothing about the trial can be recorded afterwards.
    ///
    /// # Errors
    /// When there is no such trial, it has ended, or the value is missing.
    pub fn finish(
        &mut self,
        number: u64,
        state: TrialState,
        value: Option<f64>,
        error: Option<&str>,
    ) -> Result<(), JournalError> {
        let trial = self.open_trial(number, "ended")?;
        let usable = |value: &f64| !value.is_nan();
        let (stage, value, status) = match state {
            TrialState::Complete if value.is_some_and(f64::is_finite) => {
                (Stage::Complete, value, None)
            }
            TrialState::Complete => {
                let value = value.map_or("none".to_owned(), number::number);
                return Err(JournalError::NoValue {
                    path: self.journal.path.clone(),
                    number,
                    value,
                });
            }
            TrialState::Pruned => {
                let last = self.trial(number)?.last_report().map(|(_, value)| value);
                (Stage::Pruned, value.or(last).filter(usable), None)
            }
            TrialState::Diverged => (Stage::Fail, None, Some("diverged")),
            TrialState::Failed => (Stage::Fail, None, Some("failed")),
            // It runs already.
            TrialState::Running => return Ok(()),
        };
        for (key, text) in [(STATUS, status), (ERROR, error)] {
            if let Some(text) = text {
                self.set_user_attribute(number, key, Value::from(text))?;
            }
        }
        let values = value.map(|value| vec![value]);
        self.add(Record::Stage { trial, stage, values, time: Some(time::now()) });
        Ok(())
    }

    /// Notes something about a trial.
    ///
    /// # Errors
    /// When there is no such trial, or it has ended.
    pub fn set_user_attribute(
        &mut self,
        number: u64,
        key: &str,
        value: Value,
    ) -> Result<(), JournalError> {
        let trial = self.open_trial(number, "noted on")?;
        let attributes = Attributes::from_iter([(key.to_owned(), value)]);
        self.add(Record::UserAttribute { trial, attributes });
        Ok(())
    }

    /// Notes something about a trial that is for programs.
    ///
    /// # Errors
    /// When there is no such trial, or it has ended.
    pub fn set_system_attribute(
        &mut self,
        number: u64,
        key: &str,
        value: Value,
    ) -> Result<(), JournalError> {
        let trial = self.open_trial(number, "noted on")?;
        let attributes = Attributes::from_iter([(key.to_owned(), value)]);
        self.add(Record::SystemAttribute { trial, attributes });
        Ok(())
    }

    /// Notes something about the study.
    pub fn set_study_user_attribute(&mut self, key: &str, value: Value) {
        let study = self.journal.study;
        let attributes = Attributes::from_iter([(key.to_owned(), value)]);
        self.add(Record::StudyUserAttribute { study, attributes });
    }

    /// Writes the records in one go and gives the lock back. `durable`: returns only once the disk
    /// has them, and everything before them; for the end of a trial.
    ///
    /// # Errors
    /// When they cannot be written (then none of them is in the file), or another process broke the
    /// lock.
    pub fn commit(mut self, durable: bool) -> Result<(), JournalError> {
        self.write()?;
        self.count = 0;
        self.journal.lock.release();
        if durable {
            // Others need not wait for the disk: what they write is made durable after this.
            self.journal.file.sync_data().map_err(|source| self.unwritable(source))?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), JournalError> {
        if self.count == 0 {
            return Ok(());
        }
        let length = self.journal.file.metadata().map_err(|source| self.unwritable(source))?.len();
        if !self.journal.lock.is_held() || length != self.journal.replay.offset {
            return Err(JournalError::LockLost { path: self.journal.path.clone() });
        }
        if let Err(source) = self.journal.file.write_all(self.lines.as_bytes()) {
            // On a full disk a part may have been written.
            let _ = self.journal.file.set_len(length);
            return Err(self.unwritable(source));
        }
        self.journal.replay.offset += self.lines.len() as u64;
        self.journal.replay.lines += self.count;
        Ok(())
    }

    fn unwritable(&self, source: std::io::Error) -> JournalError {
        JournalError::Write { path: self.journal.path.clone(), source }
    }

    /// Adds a record to the group and to the study.
    fn add(&mut self, record: Record) {
        record.write(&self.journal.worker, &mut self.lines);
        self.count += 1;
        let worker = self.journal.worker.clone();
        self.journal.replay.state.apply(worker, record, &mut Vec::new());
    }

    fn parameters(
        &mut self,
        configuration: &Configuration,
        space: &Space,
    ) -> Result<Vec<JournalParameter>, JournalError> {
        let path = self.journal.path.clone();
        let mut parameters = Vec::with_capacity(configuration.len());
        for (name, value) in configuration.iter() {
            let Some(parameter) = space.parameter(name) else {
                return Err(JournalError::NotInSpace { path, parameter: name.to_owned() });
            };
            let known = &mut self.journal.replay.known;
            let distribution = as_recorded(&parameter.distribution, known);
            let first = self.journal.study().distributions.get(name);
            if let Some(first) = first.filter(|first| !compatible(first, &distribution)) {
                return Err(JournalError::OtherDistribution {
                    path,
                    parameter: name.to_owned(),
                    recorded: format!("{first:?}"),
                    asked: format!("{:?}", parameter.distribution),
                });
            }
            parameters.push(JournalParameter { name: name.to_owned(), value, distribution });
        }
        Ok(parameters)
    }

    fn trial(&self, number: u64) -> Result<&JournalTrial, JournalError> {
        let trial = usize::try_from(number).ok().and_then(|index| self.study().trials.get(index));
        trial.ok_or_else(|| JournalError::NoTrial { path: self.journal.path.clone(), number })
    }

    /// The place in the file of a trial that can still change.
    fn open_trial(&self, number: u64, wish: &'static str) -> Result<usize, JournalError> {
        let trial = self.trial(number)?;
        if trial.stage.is_finished() { Err(self.taken(number, wish)) } else { Ok(trial.id) }
    }

    fn taken(&self, number: u64, wish: &'static str) -> JournalError {
        let state = self.trial(number).map_or("gone", JournalTrial::status);
        JournalError::Taken { path: self.journal.path.clone(), number, state, wish }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // The study has records that the file lacks: it is read anew next time.
        self.journal.stale |= self.count > 0;
        self.journal.lock.release();
    }
}
