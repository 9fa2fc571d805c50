//! Reading the rates that a run realised from its `layers.csv`.

use std::path::{Path, PathBuf};

use crate::net::Layer;
use crate::rates::{RateLog, RatesError};

/// A table that gives no rates to replay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RateLogError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// It lacks a column, or a cell is no number.
    #[error("{}: {reason}; it must be the layers.csv of a run", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The trial is not there.
    #[error(
        "{}: it has no rows of trial {trial} for the layers {layers}; choose another trial, or train with \
         the net of that run",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The trial.
        trial: u64,
        /// The layers of the net.
        layers: String,
    },
    /// The rates make no sense.
    #[error("{}: trial {trial}: {source}", path.display())]
    Rates {
        /// The file.
        path: PathBuf,
        /// The trial.
        trial: u64,
        /// Why.
        source: RatesError,
    },
}

/// The rates of `layers` in the steps of `trial` that the table at `path` has.
///
/// # Errors
/// When the table cannot be read, or has no rows of the trial for each layer.
pub fn read_rate_log(path: &Path, trial: u64, layers: &[Layer]) -> Result<RateLog, RateLogError> {
    let failed = |source| RateLogError::Read { path: path.to_owned(), source };
    let broken = |reason: String| RateLogError::Table { path: path.to_owned(), reason };
    let mut reader = csv::Reader::from_path(path).map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    let column = |name: &str| {
        let position = header.iter().position(|known| known == name);
        position.ok_or_else(|| broken(format!("it has no column {name}")))
    };
    let (trials, steps) = (column("trial")?, column("step")?);
    let (names, rates) = (column("layer")?, column("rate")?);
    let missing = || RateLogError::Missing {
        path: path.to_owned(),
        trial,
        layers: layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>().join(", "),
    };
    let mut points: Vec<(u64, Vec<f64>)> = Vec::new();
    for row in reader.records() {
        let row = row.map_err(failed)?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |column: usize| row.get(column).unwrap_or_default();
        let odd = |column: usize| {
            let name = header.get(column).unwrap_or_default();
            broken(format!("line {line}: {name} is {:?}, no number", cell(column)))
        };
        if cell(trials).parse::<u64>().map_err(|_| odd(trials))? != trial {
            continue;
        }
        // The table counts steps from 1.
        let step = cell(steps).parse::<u64>().map_err(|_| odd(steps))?.saturating_sub(1);
        let rate = cell(rates).parse::<f64>().map_err(|_| odd(rates))?;
        let layer = layers.iter().position(|layer| layer.name == cell(names));
        let layer = layer.ok_or_else(missing)?;
        if points.last().is_none_or(|(last, _)| *last != step) {
            points.push((step, vec![f64::NAN; layers.len()]));
        }
        if let Some((_, slot)) = points.last_mut() {
            slot[layer] = rate;
        }
    }
    if points.is_empty() {
        return Err(missing());
    }
    let names = layers.iter().map(|layer| layer.name.clone()).collect();
    RateLog::new(names, points).map_err(|source| RateLogError::Rates {
        path: path.to_owned(),
        trial,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, trial: u64) -> Result<RateLog, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layers.csv");
        std::fs::write(&path, text).unwrap();
        let layers = [Layer::linear("fc1", [4, 4]), Layer::linear("fc2", [4, 2])];
        read_rate_log(&path, trial, &layers).map_err(|error| error.to_string())
    }

    #[test]
    fn rates_of_one_trial_are_read() {
        let text = "trial,step,layer,rate\n0,1,fc1,0.1\n0,1,fc2,0.2\n1,1,fc1,9\n0,11,fc1,0.4\n0,11,fc2,0.2\n";
        let log = read(text, 0).unwrap();
        assert_eq!(log.at(0), [0.1, 0.2]);
        assert_eq!(log.at(10), [0.4, 0.2]);
    }

    #[test]
    fn mistakes_name_file_line_and_trial() {
        let head = "trial,step,layer,rate\n";
        assert!(
            read(&format!("{head}0,1,fc1,x\n"), 0).unwrap_err().contains("line 2: rate is \"x\"")
        );
        assert!(read("trial,step\n", 0).unwrap_err().contains("no column layer"));
        assert!(read(&format!("{head}0,1,fc1,1\n"), 3).unwrap_err().contains("trial 3"));
        assert!(read(&format!("{head}0,1,conv9,1\n"), 0).unwrap_err().contains("fc1, fc2"));
        assert!(read(&format!("{head}0,1,fc1,1\n"), 0).unwrap_err().contains("NaN"));
    }
}
