//! `--config FILE.toml`: the same keys as the flags; flags win.
//!
//! The file's keys become flags in front of those of the command line, where later ones override
//! earlier ones. So both go through the same parser and are checked alike.

use std::ffi::OsString;
use std::path::Path;
use std::{env, fs};

use anyhow::{Context, bail};
use clap::{ArgAction, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

/// Parses the command line of this process, with the file that `--config` names.
///
/// `--help` and usage errors end the process, as usual with clap.
///
/// # Errors
/// When the file cannot be read or holds a key or value that is no flag's.
pub fn parse_with_config<F: CommandFactory + FromArgMatches>() -> anyhow::Result<F> {
    let command = F::command().args_override_self(true);
    let arguments: Vec<OsString> = env::args_os().collect();
    let parse = |arguments: &[OsString]| command.clone().try_get_matches_from(arguments);

    let mut matches = parse(&arguments).unwrap_or_else(|error| error.exit());
    if let Some(path) = matches.get_one::<std::path::PathBuf>("config").cloned() {
        let mut all = vec![arguments[0].clone()];
        all.extend(read(&path, &command)?);
        // On its own first, so that an error in the file is not blamed on the command line.
        if let Err(error) = parse(&all) {
            let text = error.render().to_string();
            let reason = text.trim_start_matches("error: ").lines().next().unwrap_or_default();
            bail!("--config {}: {reason}", path.display());
        }
        all.extend_from_slice(&arguments[1..]);
        matches = parse(&all).unwrap_or_else(|error| error.exit());
    }
    Ok(F::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

/// Reads a file as flags.
fn read(path: &Path, command: &Command) -> anyhow::Result<Vec<OsString>> {
    let name = || format!("--config {}", path.display());
    let text = fs::read_to_string(path).with_context(|| format!("{}: cannot be read", name()))?;
    let table: Table = text.parse().with_context(|| format!("{}: is no valid TOML", name()))?;
    if let Some((written, _)) = table.iter().find(|(key, _)| !is_key(command, key)) {
        let keys = keys(command, "-").join(", ");
        bail!("{}: unknown key {written:?}; the keys are those of the flags: {keys}", name());
    }
    flags(&table, command).with_context(name)
}

/// Flags that no file or configuration gives.
const NOT_KEYS: [&str; 3] = ["config", "help", "version"];

/// Whether `key` names a flag; it may be written with underscores.
pub(super) fn is_key(command: &Command, key: &str) -> bool {
    keys(command, "-").contains(&key.replace('_', "-"))
}

/// The keys that name flags, their words joined by `joint`.
pub(super) fn keys(command: &Command, joint: &str) -> Vec<String> {
    let flags = command.get_arguments().filter_map(|argument| argument.get_long());
    flags.filter(|flag| !NOT_KEYS.contains(flag)).map(|flag| flag.replace('-', joint)).collect()
}

/// Keys and values as flags; all keys name some.
pub(super) fn flags(table: &Table, command: &Command) -> anyhow::Result<Vec<OsString>> {
    let known = |key: &str| {
        let mut flags = command.get_arguments().filter(|argument| argument.get_long().is_some());
        flags.find(|argument| argument.get_long() == Some(key))
    };
    let mut flags = Vec::new();
    for (key, value) in table {
        let key = key.replace('_', "-");
        let is_switch = known(&key).is_some_and(|f| matches!(f.get_action(), ArgAction::SetTrue));
        match (is_switch, value) {
            (true, Value::Boolean(true)) => flags.push(format!("--{key}")),
            (true, Value::Boolean(false)) => {}
            (true, _) => bail!("{key} is a switch: write true or false"),
            (false, value) => {
                let text =
                    plain(value).with_context(|| format!("{key} takes one value or a list"))?;
                flags.push(format!("--{key}={text}"));
            }
        }
    }
    Ok(flags.into_iter().map(OsString::from).collect())
}

/// A TOML value as a flag's text: lists joined by commas, tables as `key=value`.
fn plain(value: &Value) -> anyhow::Result<String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Array(values) => {
            values.iter().map(plain).collect::<anyhow::Result<Vec<_>>>()?.join(",")
        }
        Value::Table(table) => table
            .iter()
            .map(|(key, value)| Ok(format!("{key}={}", plain(value)?)))
            .collect::<anyhow::Result<Vec<_>>>()?
            .join(","),
        Value::Datetime(_) => bail!("a date is no value of any flag"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        common: crate::cli::CommonFlags,
    }

    fn flags(text: &str) -> anyhow::Result<Vec<OsString>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        fs::write(&path, text).unwrap();
        read(&path, &Flags::command())
    }

    #[test]
    fn keys_become_flags() {
        let flags = flags("epochs = 3\nquiet = true\nresume = false\nnet = \"vgg\"\n").unwrap();
        assert_eq!(flags, ["--epochs=3", "--net=vgg", "--quiet"]);
    }

    #[test]
    fn an_unknown_key_names_the_file_and_the_known_keys() {
        let error = format!("{:#}", flags("epoch = 3\n").unwrap_err());
        assert!(error.contains("run.toml") && error.contains("\"epoch\""), "{error}");
        assert!(error.contains("batch-size"), "{error}");
    }

    #[test]
    fn the_command_line_wins() {
        let command = Flags::command().args_override_self(true);
        let matches = command.try_get_matches_from(["x", "--epochs=3", "--epochs", "5"]).unwrap();
        assert_eq!(Flags::from_arg_matches(&matches).unwrap().common.epochs, Some(5));
    }
}
