//! Records of a journal and the lines that hold them (Optuna 5, `storages/journal/_storage.py`).

use std::fmt::{self, Write};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::distribution::{self, Known};
use super::number::{Real, number, parse, unmark};
use super::time;
use super::trial::JournalParameter;
use crate::search::Direction;
use crate::search::space::Distribution;

/// Attributes by their names; numbers that JSON lacks stand there as the strings `NaN`, `Infinity`
/// and `-Infinity`.
pub type Attributes = Map<String, Value>;

/// How Optuna says that a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Running = 0,
    Complete = 1,
    Pruned = 2,
    Fail = 3,
    Waiting = 4,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Running, Self::Complete, Self::Pruned, Self::Fail, Self::Waiting];

    /// Whether nothing more will come of the trial.
    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Running | Self::Waiting)
    }
}

/// One change of a journal's studies. Studies and trials are named by their place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    CreateStudy {
        name: String,
        directions: Vec<Direction>,
    },
    DeleteStudy {
        study: usize,
    },
    StudyUserAttribute {
        study: usize,
        attributes: Attributes,
    },
    StudySystemAttribute {
        study: usize,
        attributes: Attributes,
    },
    CreateTrial(Box<NewTrial>),
    Parameter {
        trial: usize,
        parameter: JournalParameter,
    },
    Stage {
        trial: usize,
        stage: Stage,
        values: Option<Vec<f64>>,
        time: Option<i64>,
    },
    Intermediate {
        trial: usize,
        step: u64,
        value: f64,
    },
    UserAttribute {
        trial: usize,
        attributes: Attributes,
    },
    SystemAttribute {
        trial: usize,
        attributes: Attributes,
    },
    /// Known to Optuna, which does nothing on it.
    Nothing,
}

/// A trial as it is created: without anything, or with all that a finished one has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NewTrial {
    pub study: usize,
    pub stage: Stage,
    pub values: Vec<f64>,
    pub started: Option<i64>,
    pub completed: Option<i64>,
    pub parameters: Vec<JournalParameter>,
    pub user_attributes: Attributes,
    pub system_attributes: Attributes,
    pub intermediate: Vec<(u64, f64)>,
}

/// Why a line is no record.
#[derive(Debug, PartialEq)]
pub(super) enum LineError {
    Damaged(String),
    UnknownOperation(u64),
}

impl From<String> for LineError {
    fn from(reason: String) -> Self {
        Self::Damaged(reason)
    }
}

/// The fields of all records.
#[derive(Deserialize)]
struct Fields {
    op_code: u64,
    #[serde(default)]
    worker_id: String,
    study_name: Option<String>,
    directions: Option<Vec<u8>>,
    study_id: Option<usize>,
    trial_id: Option<usize>,
    state: Option<usize>,
    value: Option<Real>,
    values: Option<Vec<Real>>,
    datetime_start: Option<String>,
    datetime_complete: Option<String>,
    distributions: Option<Pairs<String>>,
    params: Option<Pairs<Real>>,
    param_name: Option<String>,
    param_value_internal: Option<Real>,
    distribution: Option<String>,
    user_attr: Option<Attributes>,
    system_attr: Option<Attributes>,
    user_attrs: Option<Attributes>,
    system_attrs: Option<Attributes>,
    intermediate_values: Option<Pairs<Real>>,
    step: Option<u64>,
    intermediate_value: Option<Real>,
}

/// Reads one line: who wrote it, and what.
///
/// # Errors
/// When it is no record, or one of an unknown kind.
pub(super) fn read(line: &[u8], known: &mut Known) -> Result<(String, Record), LineError> {
    let (mut fields, marked) =
        parse::<Fields>(line).map_err(|error| LineError::Damaged(error.to_string()))?;
    if marked {
        let attributes = [
            &mut fields.user_attr,
            &mut fields.system_attr,
            &mut fields.user_attrs,
            &mut fields.system_attrs,
        ];
        attributes.into_iter().flatten().flat_map(Map::values_mut).for_each(unmark);
    }
    let worker = std::mem::take(&mut fields.worker_id);
    Ok((worker, fields.record(known)?))
}

fn need<T>(field: Option<T>, name: &str) -> Result<T, LineError> {
    field.ok_or_else(|| LineError::Damaged(format!("it has no `{name}`")))
}

fn reals(values: Vec<Real>) -> Vec<f64> {
    values.into_iter().map(|value| value.0).collect()
}

impl Fields {
    fn record(self, known: &mut Known) -> Result<Record, LineError> {
        let study = || need(self.study_id, "study_id");
        let trial = || need(self.trial_id, "trial_id");
        Ok(match self.op_code {
            0 => Record::CreateStudy {
                name: need(self.study_name, "study_name")?,
                directions: directions(&need(self.directions, "directions")?)?,
            },
            1 => Record::DeleteStudy { study: study()? },
            2 => Record::StudyUserAttribute {
                study: study()?,
                attributes: need(self.user_attr, "user_attr")?,
            },
            3 => Record::StudySystemAttribute {
                study: study()?,
                attributes: need(self.system_attr, "system_attr")?,
            },
            4 => Record::CreateTrial(Box::new(self.new_trial(known)?)),
            5 => Record::Parameter {
                trial: trial()?,
                parameter: JournalParameter {
                    name: need(self.param_name, "param_name")?,
                    value: need(self.param_value_internal, "param_value_internal")?.0,
                    distribution: distribution::read(
                        &need(self.distribution, "distribution")?,
                        known,
                    )?,
                },
            },
            6 => Record::Stage {
                trial: trial()?,
                stage: stage(need(self.state, "state")?)?,
                values: self.values.map(reals),
                time: self.datetime_complete.or(self.datetime_start).and_then(|t| time::read(&t)),
            },
            7 => Record::Intermediate {
                trial: trial()?,
                step: need(self.step, "step")?,
                value: need(self.intermediate_value, "intermediate_value")?.0,
            },
            8 => Record::UserAttribute {
                trial: trial()?,
                attributes: need(self.user_attr, "user_attr")?,
            },
            9 => Record::SystemAttribute {
                trial: trial()?,
                attributes: need(self.system_attr, "system_attr")?,
            },
            10 => Record::Nothing,
            code => return Err(LineError::UnknownOperation(code)),
        })
    }

    fn new_trial(self, known: &mut Known) -> Result<NewTrial, LineError> {
        let texts = self.distributions.map_or(Vec::new(), |pairs| pairs.0);
        let mut parameters = Vec::with_capacity(texts.len());
        for (name, value) in self.params.map_or(Vec::new(), |pairs| pairs.0) {
            let text = texts.iter().find(|(known, _)| *known == name).map(|(_, text)| text);
            let distribution = distribution::read(need(text, "distributions")?, known)?;
            parameters.push(JournalParameter { name, value: value.0, distribution });
        }
        let step = |text: &str| {
            let step = text.parse::<u64>();
            step.map_err(|_| format!("the step {text:?} is no whole number"))
        };
        let values = match (self.values, self.value) {
            (Some(values), _) => reals(values),
            (None, value) => value.into_iter().map(|value| value.0).collect(),
        };
        Ok(NewTrial {
            study: need(self.study_id, "study_id")?,
            stage: self.state.map_or(Ok(Stage::Running), stage)?,
            values,
            started: self.datetime_start.and_then(|text| time::read(&text)),
            completed: self.datetime_complete.and_then(|text| time::read(&text)),
            parameters,
            user_attributes: self.user_attrs.unwrap_or_default(),
            system_attributes: self.system_attrs.unwrap_or_default(),
            intermediate: self
                .intermediate_values
                .map_or(Vec::new(), |pairs| pairs.0)
                .into_iter()
                .map(|(text, value)| Ok((step(&text)?, value.0)))
                .collect::<Result<_, String>>()?,
        })
    }
}

fn stage(code: usize) -> Result<Stage, LineError> {
    let stage = Stage::ALL.get(code).copied();
    stage.ok_or_else(|| LineError::Damaged(format!("a state has the unknown code {code}")))
}

fn directions(codes: &[u8]) -> Result<Vec<Direction>, LineError> {
    let direction = |code: &u8| match code {
        1 => Ok(Direction::Minimize),
        2 => Ok(Direction::Maximize),
        _ => Err(LineError::Damaged(format!("a direction has the unknown code {code}"))),
    };
    codes.iter().map(direction).collect()
}

/// An object's entries in the order of the file.
struct Pairs<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Reader<V> {
            type Value = Pairs<V>;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader(std::marker::PhantomData))
    }
}

impl Record {
    /// Appends the record's line to `out`, its end included.
    pub fn write(&self, worker: &str, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = self.write_fields(worker, out);
        out.push_str("}\n");
    }

    fn write_fields(&self, worker: &str, out: &mut String) -> fmt::Result {
        let code = self.code();
        write!(out, r#"{{"op_code":{code},"worker_id":{}"#, text(worker))?;
        match self {
            Self::CreateStudy { name, directions } => {
                let code = |direction: &Direction| match direction {
                    Direction::Minimize => "1",
                    Direction::Maximize => "2",
                };
                let directions: Vec<&str> = directions.iter().map(code).collect();
                let directions = directions.join(",");
                write!(out, r#","study_name":{},"directions":[{directions}]"#, text(name))
            }
            Self::DeleteStudy { study } => write!(out, r#","study_id":{study}"#),
            Self::StudyUserAttribute { study, attributes } => {
                write!(out, r#","study_id":{study},"user_attr":{}"#, object(attributes))
            }
            Self::StudySystemAttribute { study, attributes } => {
                write!(out, r#","study_id":{study},"system_attr":{}"#, object(attributes))
            }
            Self::CreateTrial(trial) => trial.write_fields(out),
            Self::Parameter { trial, parameter } => write!(
                out,
                r#","trial_id":{trial},"param_name":{},"param_value_internal":{},"distribution":{}"#,
                text(&parameter.name),
                number(parameter.value),
                text(&distribution::write(&parameter.distribution))
            ),
            Self::Stage { trial, stage, values, time } => {
                let values = values.as_deref().map_or("null".to_owned(), list);
                write!(out, r#","trial_id":{trial},"state":{},"values":{values}"#, *stage as u8)?;
                let name = if stage.is_finished() { "complete" } else { "start" };
                write!(out, r#","datetime_{name}":{}"#, moment(*time))
            }
            Self::Intermediate { trial, step, value } => write!(
                out,
                r#","trial_id":{trial},"step":{step},"intermediate_value":{}"#,
                number(*value)
            ),
            Self::UserAttribute { trial, attributes } => {
                write!(out, r#","trial_id":{trial},"user_attr":{}"#, object(attributes))
            }
            Self::SystemAttribute { trial, attributes } => {
                write!(out, r#","trial_id":{trial},"system_attr":{}"#, object(attributes))
            }
            Self::Nothing => Ok(()),
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::CreateStudy { .. } => 0,
            Self::DeleteStudy { .. } => 1,
            Self::StudyUserAttribute { .. } => 2,
            Self::StudySystemAttribute { .. } => 3,
            Self::CreateTrial(_) => 4,
            Self::Parameter { .. } => 5,
            Self::Stage { .. } => 6,
            Self::Intermediate { .. } => 7,
            Self::UserAttribute { .. } => 8,
            Self::SystemAttribute { .. } => 9,
            Self::Nothing => 10,
        }
    }
}

impl NewTrial {
    fn write_fields(&self, out: &mut String) -> fmt::Result {
        let entries = |entries: Vec<String>| format!("{{{}}}", entries.join(","));
        let of = |value: &dyn Fn(&JournalParameter) -> String| {
            let entry = |p: &JournalParameter| format!("{}:{}", text(&p.name), value(p));
            entries(self.parameters.iter().map(entry).collect())
        };
        let values = if self.values.is_empty() { "null".to_owned() } else { list(&self.values) };
        write!(
            out,
            r#","study_id":{},"datetime_start":{},"state":{},"value":null,"values":{values}"#,
            self.study,
            moment(self.started),
            self.stage as u8
        )?;
        if self.completed.is_some() {
            write!(out, r#","datetime_complete":{}"#, moment(self.completed))?;
        }
        let reports = self.intermediate.iter();
        let reports = reports.map(|(step, value)| format!("\"{step}\":{}", number(*value)));
        write!(
            out,
            r#","distributions":{},"params":{},"user_attrs":{},"system_attrs":{},"intermediate_values":{}"#,
            of(&|parameter| text(&distribution::write(&parameter.distribution))),
            of(&|parameter| number(parameter.value)),
            object(&self.user_attributes),
            object(&self.system_attributes),
            entries(reports.collect())
        )
    }
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

fn object(attributes: &Attributes) -> String {
    Value::from(attributes.clone()).to_string()
}

fn list(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|value| number(*value)).collect();
    format!("[{}]", values.join(","))
}

fn moment(time: Option<i64>) -> String {
    time.map_or("null".to_owned(), |time| text(&time::write(time)))
}

/// A distribution as its record will be read again.
pub(super) fn as_recorded(distribution: &Distribution, known: &mut Known) -> Arc<Distribution> {
    let text = distribution::write(distribution);
    distribution::read(&text, known).unwrap_or_else(|_| Arc::new(distribution.clone()))
}
