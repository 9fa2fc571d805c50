//! What a line of the engine asks for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Command, FromArgMatches};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::super::{CommonFlags, config};
use super::number_in;
use crate::net::Layer;
use crate::objective::{Checkpoints, ExternalTrial, LayerGroups, Resume};
use crate::random::{Purpose, derived_seed};
use crate::search::space::{Choice, Group, Groups};

/// A line that is no command for a running trial.
pub(super) enum Request {
    Describe(Box<Description>),
    Train(Box<Configuration>),
}

/// A trial, with all that it depends on.
pub(super) struct Configuration {
    pub trial: Trial,
    pub common: CommonFlags,
    /// The flags that data, net and device follow from.
    pub data_flags: Vec<OsString>,
    /// Begins the names of its checkpoints: trials that would give other values have others.
    pub identity: String,
}

/// A question for a space: what it holds, and what else a study needs to know of its worker.
pub(super) struct Description {
    pub question: Question,
    pub common: CommonFlags,
    pub data_flags: Vec<OsString>,
}

/// The fields of a question beside the flags.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Question {
    #[allow(dead_code)] // Read when the line was told apart from configurations.
    command: String,
    /// Space file; the classic space or that of the net, if none is named.
    pub space: Option<PathBuf>,
    /// Seed of the study.
    pub study_seed: u64,
    /// How many seeds of trials to list.
    pub trials: u64,
}

/// The fields of a configuration beside the flags.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Trial {
    /// Number in the study.
    #[serde(rename = "trial")]
    pub number: u64,
    /// By name as in the space.
    hyperparameters: Map<String, Value>,
    /// Rate by layer.
    layer_rates: BTreeMap<String, f64>,
    /// Scheme or rule by the group's name, as in the space.
    groups: BTreeMap<String, String>,
    /// Seed of weights, order and augmentation; that of the trial in the study, if not given.
    seed: Option<u64>,
    study_seed: u64,
    checkpoints: Option<PathBuf>,
    checkpoint_every: u64,
    resume: ResumeField,
    pub threads: usize,
    pub lockstep: bool,
    pub report_layers: bool,
    test: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ResumeField {
    Last(bool),
    File(PathBuf),
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            number: 0,
            hyperparameters: Map::new(),
            layer_rates: BTreeMap::new(),
            groups: BTreeMap::new(),
            seed: None,
            study_seed: 0,
            checkpoints: None,
            checkpoint_every: 1,
            resume: ResumeField::Last(false),
            threads: 1,
            lockstep: false,
            report_layers: false,
            test: false,
        }
    }
}

/// Fields of [`Trial`]: a field is one of these or a flag.
const TRIAL_FIELDS: &[&str] = &[
    "trial",
    "hyperparameters",
    "layer_rates",
    "groups",
    "seed",
    "study_seed",
    "checkpoints",
    "checkpoint_every",
    "resume",
    "threads",
    "lockstep",
    "report_layers",
    "test",
];
/// Fields of [`Question`].
const QUESTION_FIELDS: &[&str] = &["command", "space", "study_seed", "trials"];

/// Fields that change where or how a trial runs, but not its values.
const NOT_IDENTITY: &[&str] = &[
    "checkpoints",
    "checkpoint_every",
    "resume",
    "threads",
    "lockstep",
    "report_layers",
    "test",
    "data_dir",
    "download",
    "download_url",
    "diagnostics_every",
    "device",
];
/// Flags that a trial may change without new data, net or device.
const LIGHT_FLAGS: &[&str] = &["epochs", "batch-size", "schedule", "augment", "diagnostics-every"];
/// Flags that have no meaning here, or another name.
const NO_FLAGS: &[&str] = &["seed", "workers", "config", "out", "resume", "quiet"];

impl Request {
    /// Reads a line over the flags of the command line. An error comes with the trial's number, as
    /// far as it can be read.
    pub fn read(line: &str, defaults: &[OsString]) -> Result<Self, (Option<u64>, anyhow::Error)> {
        let value = serde_json::from_str(line).map_err(|error| {
            let start: String = line.chars().take(60).collect();
            (None, anyhow::anyhow!("this line is no JSON ({error}): {start}"))
        })?;
        let Value::Object(fields) = value else {
            return Err((None, anyhow::anyhow!("a line must be a JSON object, not {value}")));
        };
        let trial = number_in(&Value::Object(fields.clone()));
        Self::of(fields, defaults).map_err(|error| (trial, error))
    }

    fn of(fields: Map<String, Value>, defaults: &[OsString]) -> anyhow::Result<Self> {
        let is_question = fields.contains_key("command");
        if let Some(name) = fields.get("command").filter(|name| *name != "describe") {
            bail!("command {name}: there is continue, stop, pause and describe");
        }
        let own = if is_question { QUESTION_FIELDS } else { TRIAL_FIELDS };
        let command = command();
        let mut flags = Map::new();
        let mut ours = Map::new();
        for (key, value) in fields.clone() {
            if own.contains(&key.as_str()) {
                ours.insert(key, value);
            } else if config::is_key(&command, &key) && !NO_FLAGS.contains(&key.as_str()) {
                flags.insert(key, value);
            } else {
                let mut known = config::keys(&command, "_");
                known.retain(|key| !NO_FLAGS.contains(&key.as_str()));
                let (own, known) = (own.join(", "), known.join(", "));
                bail!(
                    "unknown field {key:?}; the fields are {own}, and those of the flags: {known}"
                );
            }
        }
        if let Some(seed) = ours.get("study_seed") {
            // `--seed` of a study decides the split; a trial's own seed all the rest.
            let seed = seed.as_u64().context("study_seed: must be a whole number from 0 up")?;
            flags.insert("seed".into(), seed.to_string().into());
        }
        let all = self::flags(defaults, &flags)?;
        let data_flags = data_flags(defaults, &flags)?;
        if is_question {
            let question: Question = fields_of(ours)?;
            return Ok(Self::Describe(Box::new(Description { question, common: all, data_flags })));
        }
        let trial: Trial = fields_of(ours)?;
        trial.check()?;
        let identity = identity(&fields, defaults);
        Ok(Self::Train(Box::new(Configuration { trial, common: all, data_flags, identity })))
    }
}

/// Reads the fields one by one first, so that a fault is told with the name of its field.
fn fields_of<T: DeserializeOwned>(fields: Map<String, Value>) -> anyhow::Result<T> {
    for (key, value) in &fields {
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        T::deserialize(alone).map_err(|error| anyhow::anyhow!("{key}: {error}"))?;
    }
    Ok(T::deserialize(Value::Object(fields))?)
}

impl Trial {
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.checkpoint_every > 0, "checkpoint_every: must be at least 1");
        anyhow::ensure!(self.threads > 0, "threads: must be at least 1");
        let is_last = matches!(self.resume, ResumeField::Last(true));
        anyhow::ensure!(
            !is_last || self.checkpoints.is_some(),
            "resume: there is no folder to look in: give checkpoints, or the file itself"
        );
        Ok(())
    }

    /// The groups of layer rates, for a net with these layers.
    pub fn groups(&self, layers: &[Layer]) -> anyhow::Result<Vec<Group>> {
        let group = |(name, scheme): (&String, &String)| {
            let coefficients = LayerGroups(layers).expand(scheme);
            let coefficients =
                coefficients.map_err(|reason| anyhow::anyhow!("groups: {name}: {reason}"))?;
            Ok(Group {
                name: name.clone(),
                scheme: scheme.clone(),
                coefficients: coefficients.into_iter().map(|(name, ..)| name).collect(),
            })
        };
        self.groups.iter().map(group).collect()
    }

    /// What to run; `study_seed` is that of the study.
    pub fn plan(&self, study_seed: u64, identity: &str) -> anyhow::Result<ExternalTrial> {
        let value = |(name, value): (&String, &Value)| {
            let choice = Choice::deserialize(value).map_err(|_| {
                anyhow::anyhow!(
                    "hyperparameters: {name} must be a number, a word, true or false, not {value}"
                )
            })?;
            Ok((name.clone(), choice))
        };
        let mut values =
            self.hyperparameters.iter().map(value).collect::<anyhow::Result<Vec<_>>>()?;
        for (layer, rate) in &self.layer_rates {
            values.push((format!("lr.{layer}"), Choice::Float(*rate)));
        }
        let checkpoints = self.checkpoints.as_ref().map(|folder| {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("checkpoints {}: cannot be made", folder.display()))?;
            let name = format!("trial-{}-{identity}", self.number);
            Ok::<_, anyhow::Error>(Checkpoints {
                folder: folder.clone(),
                name,
                every: self.checkpoint_every,
            })
        });
        Ok(ExternalTrial {
            values,
            seed: self.seed.unwrap_or_else(|| seed_of(study_seed, self.number)),
            checkpoints: checkpoints.transpose()?,
            resume: match &self.resume {
                ResumeField::Last(false) => Resume::Never,
                ResumeField::Last(true) => Resume::Last,
                ResumeField::File(path) => Resume::File(path.clone()),
            },
            test: self.test,
        })
    }
}

/// The seed that `tune` gives trial `number`.
pub(super) fn seed_of(study_seed: u64, number: u64) -> u64 {
    derived_seed(study_seed, Purpose::Trial, number)
}

/// The flags that all experiments share, as clap knows them.
fn command() -> Command {
    let command = CommonFlags::augment_args(Command::new("train --worker"));
    command.args_override_self(true)
}

/// The command line's flags, overridden by the fields of a line.
pub(super) fn flags(
    defaults: &[OsString],
    fields: &Map<String, Value>,
) -> anyhow::Result<CommonFlags> {
    let arguments = arguments(defaults, fields)?;
    let parsed = command().try_get_matches_from(arguments);
    let parsed = parsed.and_then(|matches| CommonFlags::from_arg_matches(&matches));
    parsed.map_err(|error| {
        // The reason and the possible values, without the usage that a person at a terminal gets.
        let text = error.render().to_string();
        let reason = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<_> = reason.trim_start_matches("error: ").split_whitespace().collect();
        anyhow::anyhow!("{}", words.join(" "))
    })
}

fn arguments(defaults: &[OsString], fields: &Map<String, Value>) -> anyhow::Result<Vec<OsString>> {
    if let Some((key, _)) = fields.iter().find(|(_, value)| value.is_null()) {
        bail!("{key}: null is no value; leave the field out");
    }
    let table = toml::Table::try_from(fields).context("the fields are no values of flags")?;
    let mut all = vec![OsString::from("train --worker")];
    all.extend_from_slice(defaults);
    all.extend(config::flags(&table, &command())?);
    Ok(all)
}

/// The flags that data, net and device follow from.
fn data_flags(defaults: &[OsString], fields: &Map<String, Value>) -> anyhow::Result<Vec<OsString>> {
    let mut heavy = fields.clone();
    heavy.retain(|key, _| !LIGHT_FLAGS.contains(&key.replace('_', "-").as_str()));
    arguments(defaults, &heavy)
}

/// A short name of everything that the values of a trial depend on.
fn identity(fields: &Map<String, Value>, defaults: &[OsString]) -> String {
    let mut fields = fields.clone();
    fields.retain(|key, _| !NOT_IDENTITY.contains(&key.as_str()));
    let mut hash = Sha256::new();
    // The keys of an object are sorted, so the order in which they were written does not matter.
    hash.update(Value::Object(fields).to_string());
    hash.update(format!("{defaults:?}"));
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
