//! Trials from a CSV table: ours, or any with a column for each hyperparameter.

use std::path::Path;

use super::{Recorded, RecordedError, manifest_beside, sampler};
use crate::analysis::importance::{Observations, Outcome, Parameter, Row};
use crate::record::trial_columns;
use crate::search::Direction;
use crate::search::space::{Choice, Distribution, Space};

/// What a table does not say of itself.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// Column with the result.
    pub target: Option<String>,
    /// Columns of hyperparameters; those called `hp.NAME`, else all that are not known to be something
    /// else, if none are named.
    pub parameters: Vec<String>,
    /// Boxes and measures.
    pub space: Option<Space>,
    /// Hyperparameters that are measured by their logarithm, where no space says so.
    pub log: Vec<String>,
    /// Which way the target is better.
    pub direction: Option<Direction>,
}

/// Columns of other programs' tables that hold no hyperparameters; those of ours are known.
const OTHERS: [&str; 6] =
    ["state", "number", "datetime_start", "datetime_complete", "duration", ""];

/// Prefixes under which tables keep hyperparameters: ours, Optuna's and Ray's.
const PREFIXES: [&str; 3] = ["hp.", "params_", "config/"];

/// A positive column that spans so large a factor may have been searched by its logarithm.
const DECADES: f64 = 100.0;
/// And is taken to have been, if its mean lies so low in its range: that of an even spread is at ½.
const LOW_MEAN: f64 = 0.25;

/// Reads the trials in the table at `path`.
///
/// # Errors
/// When the file cannot be read, a column is missing, or a target is no number.
pub fn read_table(path: &Path, options: &TableOptions) -> Result<Recorded, RecordedError> {
    let unreadable = |reason: String| RecordedError::Unreadable { path: path.to_owned(), reason };
    let mut reader = csv::Reader::from_path(path).map_err(|error| unreadable(error.to_string()))?;
    let header = reader.headers().map_err(|error| unreadable(error.to_string()))?;
    let header: Vec<String> = header.iter().map(str::to_owned).collect();
    let records = reader.records().collect::<Result<Vec<_>, _>>();
    let records = records.map_err(|error| unreadable(error.to_string()))?;
    if records.is_empty() {
        return Err(RecordedError::NoTrials { path: path.to_owned() });
    }
    let find = |column: &str, flag| {
        header.iter().position(|known| known == column).ok_or_else(|| RecordedError::Column {
            path: path.to_owned(),
            column: column.to_owned(),
            flag,
            known: header.join(", "),
        })
    };
    let manifest = manifest_beside(path);
    let target = options.target.as_deref().unwrap_or("value");
    let target_column = find(target, "--target")?;
    let chosen = columns(&header, target, options, &find)?;
    if chosen.is_empty() {
        return Err(RecordedError::NoParameters { path: path.to_owned() });
    }
    let mut notes = Vec::new();
    let space = options.space.clone().or_else(|| space_of(manifest.as_ref()?));
    let mut parameters = Vec::new();
    for (name, column) in &chosen {
        let cells: Vec<_> = records.iter().map(|row| &row[*column]).collect();
        let known = space.as_ref().and_then(|space| space.parameter(name));
        let distribution = match known {
            Some(parameter) => parameter.distribution.clone(),
            None => guessed(name, &cells, options.log.contains(name), &mut notes),
        };
        parameters.push(Parameter { name: name.clone(), distribution });
    }
    for (name, column) in chosen.iter().filter(|(name, _)| options.log.contains(name)) {
        let lowest = records.iter().filter_map(|row| row[*column].trim().parse::<f64>().ok());
        if lowest.fold(f64::INFINITY, f64::min) <= 0.0 {
            return Err(unreadable(format!(
                "--log {name}: it has values of 0 or below, which have no logarithm"
            )));
        }
    }
    for name in &options.log {
        if !parameters.iter().any(|parameter| parameter.name == *name) {
            find(name, "--log")?;
        }
    }
    let (direction, said) = direction(target, options, manifest.as_ref());
    notes.extend(said);

    let status = header.iter().position(|column| column == "status" || column == "state");
    let number = header.iter().position(|column| column == "trial" || column == "number");
    let mut rows = Vec::new();
    let mut outside = 0;
    for (index, record) in records.iter().enumerate() {
        let cell = record[target_column].trim();
        let value = match cell {
            "" => None,
            cell => Some(cell.parse::<f64>().map_err(|_| RecordedError::Cell {
                path: path.to_owned(),
                line: record.position().map_or(index as u64 + 2, csv::Position::line),
                column: target.to_owned(),
                value: cell.to_owned(),
            })?),
        };
        let loss = value.filter(|value| value.is_finite()).map(|value| direction.loss(value));
        let status = status.map(|column| record[column].to_ascii_lowercase());
        let outcome = match (status.as_deref(), loss) {
            (Some("running" | "waiting"), _) => continue,
            (Some("diverged"), _) => Outcome::Diverged,
            (Some("failed" | "fail"), _) => Outcome::Failed,
            (Some("pruned"), loss) => Outcome::Pruned(loss),
            (_, Some(loss)) => Outcome::Complete(loss),
            (_, None) => Outcome::Diverged,
        };
        let values = parameters.iter().zip(&chosen).map(|(parameter, (_, column))| {
            let text = record[*column].trim();
            let value = internal(&parameter.distribution, text);
            outside += u64::from(value.is_none() && !text.is_empty());
            value
        });
        let values = values.collect();
        let trial = number.and_then(|column| record[column].parse().ok()).unwrap_or(index as u64);
        rows.push(Row { trial, values, outcome, reports: Vec::new() });
    }
    if outside > 0 {
        notes.push(format!("{outside} cells lie outside their box and count as missing"));
    }
    let (sampler, adaptive) = sampler(manifest.as_ref());
    Ok(Recorded {
        observations: Observations { parameters, rows },
        source: path.display().to_string(),
        target: target.to_owned(),
        direction,
        adaptive,
        sampler,
        manifest,
        notes,
    })
}

/// Names and places of the columns that hold hyperparameters.
fn columns(
    header: &[String],
    target: &str,
    options: &TableOptions,
    find: &dyn Fn(&str, &'static str) -> Result<usize, RecordedError>,
) -> Result<Vec<(String, usize)>, RecordedError> {
    if !options.parameters.is_empty() {
        let named = options.parameters.iter().map(|name| {
            let prefixed = PREFIXES.iter().map(|prefix| format!("{prefix}{name}"));
            let place = prefixed.filter_map(|column| header.iter().position(|h| *h == column));
            let place = place.chain(header.iter().position(|known| known == name)).next();
            Ok((name.clone(), place.map_or_else(|| find(name, "--parameters"), Ok)?))
        });
        return named.collect();
    }
    for prefix in PREFIXES {
        let found: Vec<_> = header
            .iter()
            .enumerate()
            .filter_map(|(place, column)| Some((column.strip_prefix(prefix)?.to_owned(), place)))
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let ours = trial_columns(&[], &[]);
    let is_other = |column: &str| {
        let column = column.to_ascii_lowercase();
        OTHERS.contains(&column.as_str())
            || ours.contains(&column)
            || column == target
            || column.starts_with("rate.")
    };
    let rest = header.iter().enumerate().filter(|(_, column)| !is_other(column));
    Ok(rest.map(|(place, column)| (column.clone(), place)).collect())
}

/// The space that a manifest of ours describes.
fn space_of(manifest: &serde_json::Value) -> Option<Space> {
    let described = manifest["settings"]["space"].as_object()?;
    let parameters = described.iter().filter_map(|(name, entry)| {
        Some(crate::search::space::Parameter {
            name: name.clone(),
            distribution: Distribution::from_settings(entry)?,
            conditions: Vec::new(),
            default: None,
        })
    });
    Some(Space { parameters: parameters.collect(), ..Space::default() })
}

/// What programs write where a number is missing or not finite.
const NO_NUMBER: [&str; 10] =
    ["nan", "na", "n/a", "none", "null", "inf", "-inf", "+inf", "infinity", "-infinity"];

/// A box for a column that nothing is known of: the range of its numbers, or its words as choices.
fn guessed(name: &str, cells: &[&str], log: bool, notes: &mut Vec<String>) -> Distribution {
    let filled: Vec<_> = cells.iter().map(|cell| cell.trim()).filter(|c| !c.is_empty()).collect();
    // Among numbers a cell that says that there is none is a missing one, no word of its own.
    let is_number = |cell: &&&str| cell.parse().is_ok_and(|n: f64| n.is_finite());
    let (known, strange): (Vec<&str>, Vec<&str>) = filled.iter().partition(|cell| is_number(cell));
    let absent = |cell: &&str| NO_NUMBER.contains(&cell.to_ascii_lowercase().as_str());
    let numbers: Option<Vec<f64>> = match strange.iter().all(absent) {
        true => known.iter().map(|cell| cell.parse().ok()).collect(),
        false => None,
    };
    if let Some(first) = strange.first().filter(|_| numbers.as_ref().is_some_and(|n| !n.is_empty()))
    {
        let count = strange.len();
        notes.push(format!(
            "{name}: {count} of its cells are no numbers (as {first:?}) and count as missing"
        ));
    }
    let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) else {
        let mut choices: Vec<Choice> = Vec::new();
        for cell in filled {
            let choice = Choice::Text(cell.to_owned());
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
        return Distribution::Categorical { choices };
    };
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let spread_by_log = high / low >= DECADES && (mean - low) / (high - low) < LOW_MEAN;
    let log = low > 0.0 && (log || spread_by_log);
    let measure = if log { "log" } else { "linear" };
    notes.push(format!(
        "{name}: its box is not recorded; taken as the range of the data, [{low}, {high}], in {measure} measure"
    ));
    Distribution::Float { low, high, log, step: None }
}

/// The internal value of a cell.
fn internal(distribution: &Distribution, text: &str) -> Option<f64> {
    if text.is_empty() {
        return None;
    }
    let value = match text.parse::<f64>() {
        Ok(number) => Choice::Float(number),
        Err(_) => match text {
            "true" | "True" => Choice::Bool(true),
            "false" | "False" => Choice::Bool(false),
            word => Choice::Text(word.to_owned()),
        },
    };
    distribution.internal(&value).or_else(|| distribution.internal(&Choice::Text(text.to_owned())))
}

/// Which way the target is better, and a note where that is a guess.
fn direction(
    target: &str,
    options: &TableOptions,
    manifest: Option<&serde_json::Value>,
) -> (Direction, Option<String>) {
    if let Some(direction) = options.direction {
        return (direction, None);
    }
    let recorded = manifest.and_then(|m| m["settings"]["direction"].as_str());
    match recorded.filter(|_| target == "value") {
        Some("maximize") => return (Direction::Maximize, None),
        Some("minimize") => return (Direction::Minimize, None),
        _ => {}
    }
    let large = ["accuracy", "auc", "f1", "score", "reward", "r2"];
    let name = target.to_ascii_lowercase();
    match large.iter().any(|word| name.contains(word)) {
        true => (
            Direction::Maximize,
            Some(format!(
                "{target} is taken to be better where it is large; --direction says otherwise"
            )),
        ),
        false => (
            Direction::Minimize,
            Some(format!(
                "{target} is taken to be better where it is small; --direction says otherwise"
            )),
        ),
    }
}
