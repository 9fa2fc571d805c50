//! The tables that trials write, shared by all workers.

use std::sync::{Mutex, PoisonError};

use crate::record::{
    CURVE_COLUMNS, LAYER_COLUMNS, PROBE_COLUMNS, RecordError, RunFolder, Table, TrialRow, number,
    trial_columns,
};
use crate::train::{EpochReport, Evaluation, LayerRow, ProbeRow, Progress};

/// `curves.csv` and `layers.csv`: rows of running trials, epoch by epoch.
#[derive(Debug)]
pub struct EpochTables {
    curves: Mutex<Table>,
    layers: Mutex<Table>,
}

/// Columns by which two rows are the same.
const CURVE_KEY: &[&str] = &["trial", "step", "split"];
const LAYER_KEY: &[&str] = &["trial", "step", "layer"];
const PROBE_KEY: &[&str] = &["trial", "step", "probe", "layer", "other"];

impl EpochTables {
    /// Opens the tables in `folder`, keeping the rows that `keep` wants by trial and step.
    ///
    /// # Errors
    /// When a table cannot be read or written.
    pub fn open(folder: &RunFolder, keep: impl Fn(u64, u64) -> bool) -> Result<Self, RecordError> {
        let keep = by_trial_and_step(keep);
        let reopen = |name: &str, columns: &[&str]| {
            Table::reopen(&folder.file(name), owned(columns), &keep).map(Mutex::new)
        };
        Ok(Self {
            curves: reopen("curves.csv", CURVE_COLUMNS)?,
            layers: reopen("layers.csv", LAYER_COLUMNS)?,
        })
    }

    /// Joins the tables in `folder` beside another process that has them open.
    ///
    /// # Errors
    /// When a table cannot be opened.
    pub fn join(folder: &RunFolder) -> Result<Self, RecordError> {
        let join = |name: &str, columns: &[&str]| {
            Table::join(&folder.file(name), owned(columns)).map(Mutex::new)
        };
        Ok(Self {
            curves: join("curves.csv", CURVE_COLUMNS)?,
            layers: join("layers.csv", LAYER_COLUMNS)?,
        })
    }

    /// Records an epoch of a trial.
    ///
    /// # Errors
    /// When a table cannot be written.
    pub fn epoch(&self, trial: u64, report: &EpochReport) -> Result<(), RecordError> {
        let mut rows = vec![curve_row(trial, "train", &report.train, &report.progress)];
        if let Some(validation) = &report.validation {
            rows.push(curve_row(trial, "validation", validation, &report.progress));
        }
        lock(&self.curves).append_all(&rows)?;
        let rows: Vec<_> = report.layers.iter().map(|row| layer_row(trial, row)).collect();
        lock(&self.layers).append_all(&rows)
    }

    /// Records the test of a trial's final model.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn test(
        &self,
        trial: u64,
        test: &Evaluation,
        progress: &Progress,
    ) -> Result<(), RecordError> {
        lock(&self.curves).append(&curve_row(trial, "test", test, progress))
    }

    /// Sorts the tables by trial, so that the files do not depend on which worker was faster, and
    /// keeps the last of rows that were written again after an interruption.
    ///
    /// # Errors
    /// When a table cannot be written.
    pub fn sort(self) -> Result<(), RecordError> {
        for (table, key) in [(self.curves, CURVE_KEY), (self.layers, LAYER_KEY)] {
            table.into_inner().unwrap_or_else(PoisonError::into_inner).sort_unique(key)?;
        }
        Ok(())
    }
}

/// `probes.csv`: what probes found in running trials.
#[derive(Debug)]
pub struct ProbeTable(Mutex<Table>);

impl ProbeTable {
    /// Opens the table in `folder`, keeping the rows that `keep` wants by trial and step.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(folder: &RunFolder, keep: impl Fn(u64, u64) -> bool) -> Result<Self, RecordError> {
        let (path, columns) = (folder.file("probes.csv"), owned(PROBE_COLUMNS));
        Table::reopen(&path, columns, by_trial_and_step(keep)).map(|table| Self(Mutex::new(table)))
    }

    /// Records what probes found in a trial.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn append(&self, trial: u64, rows: &[ProbeRow]) -> Result<(), RecordError> {
        let rows: Vec<_> = rows.iter().map(|row| probe_row(trial, row)).collect();
        lock(&self.0).append_all(&rows)
    }

    /// Sorts the table by trial and keeps the last of rows that were written again after an
    /// interruption.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn sort(self) -> Result<(), RecordError> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).sort_unique(PROBE_KEY)
    }
}

/// Asks `keep` about a row that begins with trial and step; a row without them is not kept.
fn by_trial_and_step(keep: impl Fn(u64, u64) -> bool) -> impl Fn(&csv::StringRecord) -> bool {
    move |row| {
        let field = |index: usize| row.get(index).and_then(|text| text.parse::<u64>().ok());
        matches!((field(0), field(1)), (Some(trial), Some(step)) if keep(trial, step))
    }
}

fn owned(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| (*name).to_owned()).collect()
}

/// `trials.csv`, `curves.csv` and `layers.csv` of a run.
///
/// Curves and layers grow by the epoch; the trial's own row comes last and says that the others
/// are whole.
#[derive(Debug)]
pub struct TrialTables {
    columns: Vec<String>,
    finished: Vec<TrialRow>,
    trials: Mutex<Table>,
    /// Rows of running trials.
    pub epochs: EpochTables,
}

impl TrialTables {
    /// Opens the tables in `folder`: new ones, or those of a resumed run. Rows of unfinished
    /// trials are kept up to the step that `kept_steps` gives for the trial.
    ///
    /// # Errors
    /// When a table cannot be read or written.
    pub fn open(
        folder: &RunFolder,
        hyperparameters: &[String],
        layers: &[String],
        kept_steps: impl Fn(u64) -> u64,
    ) -> Result<Self, RecordError> {
        let columns = trial_columns(hyperparameters, layers);
        let path = folder.file("trials.csv");
        let finished = TrialRow::read_all(&path, &columns)?;
        let trials = Table::reopen(&path, columns.clone(), |_| true)?;
        let epochs = EpochTables::open(folder, |trial, step| {
            finished.iter().any(|row| row.trial == trial) || step <= kept_steps(trial)
        })?;
        Ok(Self { columns, finished, trials: Mutex::new(trials), epochs })
    }

    /// Trials that had finished when the tables were opened.
    pub fn finished(&self) -> &[TrialRow] {
        &self.finished
    }

    /// Records the end of a trial.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn finish(&self, row: &TrialRow) -> Result<(), RecordError> {
        lock(&self.trials).append(&row.fields(&self.columns))
    }

    /// Sorts all tables by trial, so that the files do not depend on which worker was faster.
    ///
    /// # Errors
    /// When a table cannot be written.
    pub fn sort(self) -> Result<(), RecordError> {
        self.trials.into_inner().unwrap_or_else(PoisonError::into_inner).sort_unique(&["trial"])?;
        self.epochs.sort()
    }
}

/// A table whose other user panicked is still a sequence of whole rows.
fn lock(table: &Mutex<Table>) -> std::sync::MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

fn curve_row(trial: u64, split: &str, at: &Evaluation, progress: &Progress) -> Vec<String> {
    vec![
        trial.to_string(),
        progress.steps.to_string(),
        split.to_owned(),
        number(at.loss),
        number(at.accuracy),
        progress.images_trained.to_string(),
        format!("{:.3}", progress.seconds),
    ]
}

/// A row of `layers.csv`.
pub(crate) fn layer_row(trial: u64, row: &LayerRow) -> Vec<String> {
    vec![
        trial.to_string(),
        row.step.to_string(),
        row.layer.clone(),
        number(row.rate),
        number(row.decay),
        number(row.weight_norm),
        number(row.gradient_norm),
        number(row.relative_update),
        number(row.rotation),
        number(row.distance_from_init),
        number(row.gradient_cosine),
        number(row.dead_fraction),
        number(row.init_cosine),
        number(row.gradient_product),
    ]
}

fn probe_row(trial: u64, row: &ProbeRow) -> Vec<String> {
    vec![
        trial.to_string(),
        row.step.to_string(),
        row.probe.to_owned(),
        row.layer.clone().unwrap_or_default(),
        row.other.clone(),
        number(row.value),
        number(row.low),
        number(row.high),
    ]
}
