//! Studies and trials as they follow from a journal's records, by Optuna's rules.

use std::collections::HashMap;
use std::sync::Arc;

use super::distribution::compatible;
use super::record::{Attributes, NewTrial, Record, Stage};
use super::trial::JournalTrial;
use crate::search::space::Distribution;
use crate::search::{Direction, TrialState};

/// A study in a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalStudy {
    /// Its name.
    pub name: String,
    /// Whether each of its objectives is to be small or large; studies of ours have one.
    pub directions: Vec<Direction>,
    /// What people and programs noted about it.
    pub user_attributes: Attributes,
    /// What Optuna noted about it.
    pub system_attributes: Attributes,
    /// Its trials by number.
    pub trials: Vec<JournalTrial>,
    /// The first distribution of each hyperparameter, which the others must resemble.
    pub(super) distributions: HashMap<String, Arc<Distribution>>,
    pub(super) deleted: bool,
}

/// A new record about a trial of the study.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A trial was enqueued and waits for a worker.
    Enqueued {
        /// Its number.
        number: u64,
    },
    /// A trial began: it was created, or claimed after it had waited.
    Started {
        /// Its number.
        number: u64,
    },
    /// A trial got a hyperparameter after it was created, as Optuna does it.
    Configured {
        /// Its number.
        number: u64,
    },
    /// A trial reported.
    Reported {
        /// Its number.
        number: u64,
        /// The step.
        step: u64,
        /// The value as recorded: large is good where the study maximises; may be NaN or infinite.
        value: f64,
    },
    /// Something was noted about a trial, such as a scheduler's decision.
    Noted {
        /// Its number.
        number: u64,
        /// What: attributes by name.
        attributes: Attributes,
    },
    /// A trial ended.
    Finished {
        /// Its number.
        number: u64,
        /// How.
        state: TrialState,
    },
}

/// All studies of a file.
#[derive(Debug, Default)]
pub(super) struct State {
    pub studies: Vec<JournalStudy>,
    /// Study and number of each trial of the file.
    trials: Vec<(usize, usize)>,
}

impl State {
    /// The study called `name`, unless it was deleted.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.studies.iter().position(|study| study.name == name && !study.deleted)
    }

    /// Applies a record; what that means for trials goes to `events`, with the study's place.
    /// Records about things that do not exist, or no longer change, mean nothing, as in Optuna.
    pub fn apply(&mut self, worker: String, record: Record, events: &mut Vec<(usize, Event)>) {
        match record {
            Record::CreateStudy { name, directions } => {
                if self.find(&name).is_none() {
                    self.studies.push(JournalStudy {
                        name,
                        directions,
                        user_attributes: Attributes::new(),
                        system_attributes: Attributes::new(),
                        trials: Vec::new(),
                        distributions: HashMap::new(),
                        deleted: false,
                    });
                }
            }
            Record::DeleteStudy { study } => {
                if let Some(study) = self.study(study) {
                    study.deleted = true;
                }
            }
            Record::StudyUserAttribute { study, attributes } => {
                if let Some(study) = self.study(study) {
                    study.user_attributes.extend(attributes);
                }
            }
            Record::StudySystemAttribute { study, attributes } => {
                if let Some(study) = self.study(study) {
                    study.system_attributes.extend(attributes);
                }
            }
            Record::CreateTrial(new) => self.create_trial(worker, *new, events),
            Record::Parameter { trial, parameter } => {
                let Some((study, number)) = self.open_trial(trial) else { return };
                let place = &mut self.studies[study];
                let first = place.distributions.get(&parameter.name);
                if first.is_some_and(|first| !compatible(first, &parameter.distribution)) {
                    return;
                }
                if first.is_none() {
                    let (name, distribution) = (&parameter.name, &parameter.distribution);
                    place.distributions.insert(name.clone(), distribution.clone());
                }
                let parameters = &mut place.trials[number].parameters;
                match parameters.iter_mut().find(|known| known.name == parameter.name) {
                    Some(known) => *known = parameter,
                    None => parameters.push(parameter),
                }
                events.push((study, Event::Configured { number: number as u64 }));
            }
            Record::Stage { trial, stage, values, time } => {
                let Some((study, number)) = self.open_trial(trial) else { return };
                let trial = &mut self.studies[study].trials[number];
                if stage == Stage::Running && trial.stage == Stage::Running {
                    // Another process was faster to claim it.
                    return;
                }
                if stage == Stage::Running {
                    trial.started = time;
                    trial.worker = worker;
                }
                if stage.is_finished() {
                    trial.completed = time;
                }
                trial.set_stage(stage);
                if let Some(values) = values {
                    trial.values = values;
                }
                events.extend(standing(trial).map(|event| (study, event)));
            }
            Record::Intermediate { trial, step, value } => {
                let Some((study, number)) = self.open_trial(trial) else { return };
                self.studies[study].trials[number].intermediate.insert(step, value);
                events.push((study, Event::Reported { number: number as u64, step, value }));
            }
            Record::UserAttribute { trial, attributes } => {
                let Some((study, number)) = self.open_trial(trial) else { return };
                let noted = attributes.clone();
                self.studies[study].trials[number].user_attributes.extend(noted);
                events.push((study, Event::Noted { number: number as u64, attributes }));
            }
            Record::SystemAttribute { trial, attributes } => {
                let Some((study, number)) = self.open_trial(trial) else { return };
                let noted = attributes.clone();
                self.studies[study].trials[number].system_attributes.extend(noted);
                events.push((study, Event::Noted { number: number as u64, attributes }));
            }
            Record::Nothing => {}
        }
    }

    fn create_trial(&mut self, worker: String, new: NewTrial, events: &mut Vec<(usize, Event)>) {
        let id = self.trials.len();
        let Some(study) = self.study(new.study) else { return };
        let number = study.trials.len();
        for parameter in &new.parameters {
            let first = study.distributions.entry(parameter.name.clone());
            first.or_insert_with(|| parameter.distribution.clone());
        }
        let mut trial = JournalTrial {
            number: number as u64,
            state: None,
            values: new.values,
            parameters: new.parameters,
            intermediate: new.intermediate.iter().copied().collect(),
            user_attributes: new.user_attributes,
            system_attributes: new.system_attributes,
            started: new.started,
            completed: new.completed,
            worker,
            id,
            stage: new.stage,
        };
        trial.set_stage(new.stage);
        let number = number as u64;
        if new.stage != Stage::Waiting {
            events.push((new.study, Event::Started { number }));
        }
        for (step, value) in new.intermediate {
            events.push((new.study, Event::Reported { number, step, value }));
        }
        if new.stage != Stage::Running {
            events.extend(standing(&trial).map(|event| (new.study, event)));
        }
        study.trials.push(trial);
        self.trials.push((new.study, number as usize));
    }

    fn study(&mut self, study: usize) -> Option<&mut JournalStudy> {
        self.studies.get_mut(study).filter(|study| !study.deleted)
    }

    /// Study and number of a trial that records may still change.
    fn open_trial(&self, trial: usize) -> Option<(usize, usize)> {
        let (study, number) = *self.trials.get(trial)?;
        let trial = &self.studies[study].trials[number];
        (!trial.stage.is_finished()).then_some((study, number))
    }
}

/// The event of a trial that has come to stand as it does.
fn standing(trial: &JournalTrial) -> Option<Event> {
    let number = trial.number;
    Some(match trial.state {
        None => Event::Enqueued { number },
        Some(TrialState::Running) => Event::Started { number },
        Some(state) => Event::Finished { number, state },
    })
}
