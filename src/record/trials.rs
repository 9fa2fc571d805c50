//! `trials.csv`: one row a finished trial.

use std::path::Path;

use csv::StringRecord;

use super::{RecordError, Table, number};

/// Columns before `hp.<name>` and `rate.<layer>`.
const FIXED: &[&str] = &[
    "trial",
    "arm",
    "replicate",
    "seed",
    "status",
    "error",
    "epochs_run",
    "images_trained",
    "seconds",
    "value",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
];

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialStatus {
    /// It ran to its end.
    Complete,
    /// A scheduler stopped it.
    Pruned,
    /// A loss turned NaN or infinite.
    Diverged,
    /// It could not run.
    Failed,
}

impl TrialStatus {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Complete, "complete"),
        (Self::Pruned, "pruned"),
        (Self::Diverged, "diverged"),
        (Self::Failed, "failed"),
    ];

    /// The word in the column `status`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("", |(_, name)| name)
    }
}

/// A finished trial.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialRow {
    /// Number of the trial within the run.
    pub trial: u64,
    /// Arm that it belongs to.
    pub arm: String,
    /// Number within the arm and phase.
    pub replicate: u64,
    /// Seed of weights, order and augmentation.
    pub seed: u64,
    /// How it ended.
    pub status: TrialStatus,
    /// What went wrong, if anything.
    pub error: String,
    /// Epochs completed.
    pub epochs_run: u64,
    /// Images trained on, repeats counted.
    pub images_trained: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What the search compares: validation accuracy after the last epoch.
    pub value: Option<f64>,
    /// Validation loss after the last epoch, in nats.
    pub validation_loss: Option<f64>,
    /// Validation accuracy after the last epoch.
    pub validation_accuracy: Option<f64>,
    /// Test loss of a final model.
    pub test_loss: Option<f64>,
    /// Test accuracy of a final model.
    pub test_accuracy: Option<f64>,
    /// Hyperparameters by name; those of other arms are absent.
    pub hyperparameters: Vec<(String, String)>,
    /// Learning rate of each layer.
    pub rates: Vec<(String, f64)>,
}

/// The header of `trials.csv` for a run with these hyperparameters and layers.
pub fn trial_columns(hyperparameters: &[String], layers: &[String]) -> Vec<String> {
    let fixed = FIXED.iter().map(|name| (*name).to_owned());
    let hyperparameters = hyperparameters.iter().map(|name| format!("hp.{name}"));
    fixed.chain(hyperparameters).chain(layers.iter().map(|layer| format!("rate.{layer}"))).collect()
}

impl TrialRow {
    /// The row's fields under `columns`.
    pub fn fields(&self, columns: &[String]) -> Vec<String> {
        let named = |column: &String| {
            if let Some(name) = column.strip_prefix("hp.") {
                let found = self.hyperparameters.iter().find(|(known, _)| known == name);
                return found.map(|(_, value)| value.clone()).unwrap_or_default();
            }
            let layer = column.strip_prefix("rate.").unwrap_or_default();
            number(self.rates.iter().find(|(known, _)| known == layer).map(|(_, rate)| *rate))
        };
        let fixed = [
            self.trial.to_string(),
            self.arm.clone(),
            self.replicate.to_string(),
            self.seed.to_string(),
            self.status.name().to_owned(),
            self.error.clone(),
            self.epochs_run.to_string(),
            self.images_trained.to_string(),
            format!("{:.3}", self.seconds),
            number(self.value),
            number(self.validation_loss),
            number(self.validation_accuracy),
            number(self.test_loss),
            number(self.test_accuracy),
        ];
        fixed.into_iter().chain(columns[FIXED.len()..].iter().map(named)).collect()
    }

    /// Reads the finished trials in `path`; a missing file holds none.
    ///
    /// # Errors
    /// When the file cannot be read or a row makes no sense (the message names its line).
    pub fn read_all(path: &Path, columns: &[String]) -> Result<Vec<Self>, RecordError> {
        if !path.exists() {
            return Ok(Vec::new());
        }
        let parse = |(index, row): (usize, StringRecord)| {
            Self::parse(&row, columns).map_err(|reason| RecordError::Damaged {
                path: path.to_owned(),
                reason: format!("row {}: {reason}", index + 1),
            })
        };
        Table::read(path, columns)?.into_iter().enumerate().map(parse).collect()
    }

    fn parse(row: &StringRecord, columns: &[String]) -> Result<Self, String> {
        let text = |name: &str| -> &str {
            columns.iter().position(|column| column == name).and_then(|i| row.get(i)).unwrap_or("")
        };
        let integer = |name: &str| {
            text(name).parse::<u64>().map_err(|_| format!("{name} is {:?}, no number", text(name)))
        };
        let real = |name: &str| match text(name) {
            "" => Ok(None),
            field => field.parse().map(Some).map_err(|_| format!("{name} is {field:?}, no number")),
        };
        let status = TrialStatus::ALL.iter().find(|(_, name)| *name == text("status"));
        let (status, _) = status.ok_or_else(|| format!("unknown status {:?}", text("status")))?;
        let with_prefix = |prefix: &'static str| {
            columns.iter().filter_map(move |column| Some((column, column.strip_prefix(prefix)?)))
        };
        let hyperparameters = with_prefix("hp.")
            .filter(|(column, _)| !text(column).is_empty())
            .map(|(column, name)| (name.to_owned(), text(column).to_owned()));
        let rates = with_prefix("rate.").filter_map(|(column, layer)| {
            Some(real(column).transpose()?.map(|r| (layer.to_owned(), r)))
        });
        Ok(Self {
            trial: integer("trial")?,
            arm: text("arm").to_owned(),
            replicate: integer("replicate")?,
            seed: integer("seed")?,
            status: *status,
            error: text("error").to_owned(),
            epochs_run: integer("epochs_run")?,
            images_trained: integer("images_trained")?,
            seconds: real("seconds")?.unwrap_or(0.0),
            value: real("value")?,
            validation_loss: real("validation_loss")?,
            validation_accuracy: real("validation_accuracy")?,
            test_loss: real("test_loss")?,
            test_accuracy: real("test_accuracy")?,
            hyperparameters: hyperparameters.collect(),
            rates: rates.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_the_file() {
        let columns =
            trial_columns(&["rate".into(), "contrast1".into()], &["conv1".into(), "fc".into()]);
        assert!(
            columns.join(",").ends_with("test_accuracy,hp.rate,hp.contrast1,rate.conv1,rate.fc")
        );
        let row = TrialRow {
            trial: 3,
            arm: "global".into(),
            replicate: 1,
            seed: 9,
            status: TrialStatus::Diverged,
            error: "a, b".into(),
            epochs_run: 2,
            images_trained: 64,
            seconds: 0.5,
            value: None,
            validation_loss: Some(0.1 + 0.2),
            validation_accuracy: Some(1.0 / 3.0),
            test_loss: None,
            test_accuracy: None,
            hyperparameters: vec![("rate".into(), "0.1".into())],
            rates: vec![("conv1".into(), 0.1), ("fc".into(), 0.2)],
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.csv");
        let mut table = Table::create(&path, columns.clone()).unwrap();
        table.append(&row.fields(&columns)).unwrap();
        assert_eq!(TrialRow::read_all(&path, &columns).unwrap(), [row]);
    }
}
