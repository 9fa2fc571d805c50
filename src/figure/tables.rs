//! The tables of one run, as far as figures need them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::FigureError;
use super::manifest::Manifest;
use super::orders::Orders;
use super::rankings::Rankings;
use super::rows;
use super::screening::Screening;
use super::study::Study;
use super::verdict::Verdict;

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not finished when the table was written.
    Running,
    /// Ran to its end.
    Complete,
    /// Became non-finite.
    Diverged,
    /// Stopped with an error.
    Failed,
    /// Stopped by a scheduler.
    Pruned,
}

/// Which images a point of a learning curve was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Training images.
    Train,
    /// Validation images.
    Validation,
    /// Test images.
    Test,
}

/// One row of `trials.csv`. Accuracies are fractions; cells without a finite number are none.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Number of the trial, the key of the other tables.
    pub trial: u64,
    /// The procedure that proposed it.
    pub arm: String,
    /// Repetition within the arm.
    pub replicate: Option<u64>,
    /// Seed of the run.
    pub seed: Option<u64>,
    /// How it ended.
    pub status: Status,
    /// Epochs run.
    pub epochs_run: Option<f64>,
    /// Images trained on, repeated ones counted again.
    pub images_trained: Option<f64>,
    /// What the search maximises or minimises; of a pruned trial its last report.
    pub value: Option<f64>,
    /// Accuracy on the validation images.
    pub validation_accuracy: Option<f64>,
    /// Accuracy on the test images; only final models have one.
    pub test_accuracy: Option<f64>,
    /// Hyperparameters as written, aligned with [`Run::hyperparameters`]; empty where inactive.
    pub settings: Vec<String>,
    /// `hp.phase`: `search`, `retrain` or `map`; empty where the run knows no phases.
    pub phase: String,
    /// `hp.search`: number of the arm's search that it belongs to, where there are several.
    pub search: Option<u64>,
    /// Rate of each layer, aligned with [`Run::layers`].
    pub rates: Vec<Option<f64>>,
}

impl Trial {
    /// Is this a final model, trained again on a fresh seed after the search?
    pub fn is_retrain(&self) -> bool {
        self.phase == "retrain"
    }

    /// Does it belong to a search (or to a run that knows no phases)?
    pub fn is_search(&self) -> bool {
        matches!(self.phase.as_str(), "" | "search")
    }

    /// Images of an epoch.
    pub fn images_per_epoch(&self) -> Option<f64> {
        let images = self.images_trained? / self.epochs_run?;
        (images.is_finite() && images > 0.0).then_some(images)
    }

    /// What the search saw: its value, or the validation accuracy where none was recorded.
    pub fn score(&self) -> Option<f64> {
        self.value.or(self.validation_accuracy)
    }
}

/// One row of `curves.csv`.
#[derive(Clone, Debug)]
pub struct CurvePoint {
    /// The trial.
    pub trial: u64,
    /// The images it was measured on.
    pub split: Split,
    /// Mean loss.
    pub loss: Option<f64>,
    /// Fraction of right answers.
    pub accuracy: Option<f64>,
    /// Images trained on so far.
    pub images_trained: Option<f64>,
}

/// One row of `layers.csv`.
#[derive(Clone, Debug)]
pub struct LayerPoint {
    /// The trial.
    pub trial: u64,
    /// Optimiser steps so far.
    pub step: u64,
    /// Index into [`Run::layers`].
    pub layer: usize,
    /// Norm of the step over the norm of the weights.
    pub relative_update: Option<f64>,
    /// Angle between the weights before and after the step, in radians.
    pub rotation: Option<f64>,
    /// Learning rate at this step.
    pub rate: Option<f64>,
    /// Weight decay at this step.
    pub decay: Option<f64>,
}

/// One row of `decisions.csv`: what a scheduler made of a report.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The trial.
    pub trial: u64,
    /// Budget used so far, in epochs (or steps of a function).
    pub step: u64,
    /// The metric as reported.
    pub value: Option<f64>,
    /// The rung that was decided at, in the unit of `step`; none where the report met no rung.
    pub rung: Option<f64>,
    /// The value that had to be reached, none where nothing was compared.
    pub cutoff: Option<f64>,
    /// Whether the trial went on, or had its whole budget.
    pub passed: bool,
}

/// All tables of one run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Rows of `trials.csv`.
    pub trials: Vec<Trial>,
    /// Names of the layers, input to output.
    pub layers: Vec<String>,
    /// Rows of `curves.csv`; empty without the file.
    pub curves: Vec<CurvePoint>,
    /// Rows of `layers.csv`; empty without the file.
    pub layer_points: Vec<LayerPoint>,
    /// Names of the hyperparameters, in the order of the columns.
    pub hyperparameters: Vec<String>,
    /// Rows of `decisions.csv`, in the order of the file; empty without it.
    pub decisions: Vec<Decision>,
    /// What was measured before or beside a search.
    pub screening: Screening,
    /// What a sweep or recorded trials say of hyperparameters.
    pub rankings: Rankings,
    /// What a comparison of search orders found.
    pub orders: Orders,
    /// `verdict.json`, where the experiment wrote one.
    pub verdict: Option<Verdict>,
    /// `manifest.json`.
    pub manifest: Manifest,
}

impl Run {
    /// Reads the tables of `folder`. Only `trials.csv` must exist, or `observations.csv`, which
    /// holds trials of another run; `finder.csv` is written before there are trials, and the tables of
    /// search orders need none.
    ///
    /// # Errors
    /// When a file cannot be read or understood; the message names file, line and column.
    pub fn read(folder: &Path) -> Result<Self, FigureError> {
        let mut layers = Vec::new();
        let layer_points = read_layers(&folder.join("layers.csv"), &mut layers)?;
        let mut hyperparameters = Vec::new();
        let screening = Screening::read(folder)?;
        let rankings = Rankings::read(folder)?;
        let orders = Orders::read(folder)?;
        let path = folder.join("trials.csv");
        let mut trials = read_trials(&path, TRIAL_COLUMNS, &mut layers, &mut hyperparameters)?;
        if trials.is_none() && !rankings.is_empty() {
            let path = folder.join("observations.csv");
            let required = &["trial", "status", "value"];
            trials = read_trials(&path, required, &mut layers, &mut hyperparameters)?;
        }
        let needs_none = !screening.finder.is_empty() || orders.are_there;
        let Some(trials) = trials.or(needs_none.then(Vec::new)) else {
            let cause = "there is no such file; figures are drawn of the output folder of an experiment \
                         (`importance --trials FILE --target COLUMN` reads any other table with a row a run)";
            let source = std::io::Error::new(ErrorKind::NotFound, cause);
            return Err(FigureError::Io { action: "read", path, source });
        };
        let curves = read_curves(&folder.join("curves.csv"))?;
        let decisions = read_decisions(&folder.join("decisions.csv"))?;
        let verdict = read_json(&folder.join("verdict.json"))?;
        let manifest: Option<Value> = read_json(&folder.join("manifest.json"))?;
        let manifest = Manifest::from_json(&manifest.unwrap_or_default());
        Ok(Self {
            trials,
            layers,
            curves,
            layer_points,
            hyperparameters,
            decisions,
            screening,
            rankings,
            orders,
            verdict,
            manifest,
        })
    }

    /// A hyperparameter of a trial as written; empty where it has none of that name.
    pub fn setting<'a>(&self, trial: &'a Trial, name: &str) -> &'a str {
        let at = self.hyperparameters.iter().position(|known| known == name);
        at.and_then(|i| trial.settings.get(i)).map_or("", String::as_str)
    }

    /// What was searched by, in words.
    pub(super) fn measure(&self) -> String {
        Study::of(self).measure()
    }

    /// The arms in order of first appearance.
    pub fn arms(&self) -> Vec<&str> {
        let mut arms: Vec<&str> = Vec::new();
        for trial in &self.trials {
            if !arms.contains(&trial.arm.as_str()) {
                arms.push(&trial.arm);
            }
        }
        arms
    }
}

/// The index of `name` in `layers`, which grows by a name not seen before.
fn layer_index(layers: &mut Vec<String>, name: &str) -> usize {
    layers.iter().position(|known| known == name).unwrap_or_else(|| {
        layers.push(name.to_owned());
        layers.len() - 1
    })
}

/// Columns without which `trials.csv` is none.
const TRIAL_COLUMNS: &[&str] =
    &["trial", "arm", "status", "value", "validation_accuracy", "test_accuracy"];

fn read_trials(
    path: &Path,
    required: &[&str],
    layers: &mut Vec<String>,
    names: &mut Vec<String>,
) -> Result<Option<Vec<Trial>>, FigureError> {
    rows::read(path, required, |row| {
        let status = match row.text("status") {
            "running" => Status::Running,
            "complete" => Status::Complete,
            "diverged" => Status::Diverged,
            "failed" => Status::Failed,
            "pruned" => Status::Pruned,
            _ => {
                let expected = "running, complete, diverged, failed or pruned";
                return Err(row.wrong("status", expected));
            }
        };
        if names.is_empty() {
            let hyperparameters = row.header().with_prefix("hp.").filter(|n| *n != "phase");
            names.extend(hyperparameters.map(str::to_owned));
        }
        let mut rates = vec![None; layers.len()];
        for name in row.header().with_prefix("rate.") {
            let at = layer_index(layers, name);
            rates.resize(layers.len(), None);
            rates[at] = row.number(&format!("rate.{name}"))?;
        }
        Ok(Trial {
            trial: row.id("trial")?,
            arm: row.text("arm").to_owned(),
            replicate: row.whole("replicate")?,
            seed: row.whole("seed")?,
            status,
            epochs_run: row.number("epochs_run")?,
            images_trained: row.number("images_trained")?,
            value: row.number("value")?,
            validation_accuracy: row.number("validation_accuracy")?,
            test_accuracy: row.number("test_accuracy")?,
            settings: names.iter().map(|n| row.text(&format!("hp.{n}")).to_owned()).collect(),
            phase: row.text("hp.phase").to_owned(),
            // Without phases, a hyperparameter of that name is the user's own.
            search: match row.text("hp.phase") {
                "" => None,
                _ => row.whole("hp.search")?,
            },
            rates,
        })
    })
}

fn read_curves(path: &Path) -> Result<Vec<CurvePoint>, FigureError> {
    let required = ["trial", "split", "loss", "accuracy", "images_trained"];
    let points = rows::read(path, &required, |row| {
        let split = match row.text("split") {
            "train" => Split::Train,
            "validation" => Split::Validation,
            "test" => Split::Test,
            _ => return Err(row.wrong("split", "train, validation or test")),
        };
        Ok(CurvePoint {
            trial: row.id("trial")?,
            split,
            loss: row.number("loss")?,
            accuracy: row.number("accuracy")?,
            images_trained: row.number("images_trained")?,
        })
    })?;
    Ok(points.unwrap_or_default())
}

fn read_layers(path: &Path, layers: &mut Vec<String>) -> Result<Vec<LayerPoint>, FigureError> {
    let required = ["trial", "step", "layer", "relative_update"];
    let points = rows::read(path, &required, |row| {
        Ok(LayerPoint {
            trial: row.id("trial")?,
            step: row.id("step")?,
            layer: layer_index(layers, row.text("layer")),
            relative_update: row.number("relative_update")?,
            rotation: row.number("rotation")?,
            rate: row.number("rate")?,
            decay: row.number("decay")?,
        })
    })?;
    Ok(points.unwrap_or_default())
}

fn read_decisions(path: &Path) -> Result<Vec<Decision>, FigureError> {
    let required = ["trial", "step", "value", "rung", "cutoff", "decision"];
    let decisions = rows::read(path, &required, |row| {
        let passed = match row.text("decision") {
            "continue" | "finish" | "promote" => true,
            "stop" | "pause" => false,
            _ => return Err(row.wrong("decision", "continue, stop, finish, pause or promote")),
        };
        Ok(Decision {
            trial: row.id("trial")?,
            step: row.id("step")?,
            value: row.number("value")?,
            rung: row.number("rung")?,
            cutoff: row.number("cutoff")?,
            passed,
        })
    })?;
    Ok(decisions.unwrap_or_default())
}

fn read_json<T: DeserializeOwned>(path: &PathBuf) -> Result<Option<T>, FigureError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FigureError::Io { action: "read", path: path.clone(), source }),
    };
    let json = serde_json::from_str(&text);
    json.map(Some).map_err(|source| FigureError::Json { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "trial,arm,replicate,seed,status,error,epochs_run,images_trained,seconds,\
        value,validation_loss,validation_accuracy,test_loss,test_accuracy,hp.phase,rate.conv1,rate.fc1";

    fn read(trials: &str) -> Result<Run, FigureError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("trials.csv"), trials).unwrap();
        Run::read(folder.path())
    }

    #[test]
    fn empty_and_non_finite_cells_are_none() {
        let run = read(&format!(
            "{HEAD}\n0,global,0,1,complete,,2,100,1,0.5,1.2,0.5,,,search,0.01,0.02\n\
             1,free,,,diverged,,,,,NaN,inf,,,,search,0.3,\n"
        ))
        .unwrap();
        assert_eq!(run.layers, ["conv1", "fc1"]);
        assert_eq!(run.arms(), ["global", "free"]);
        assert_eq!(run.trials[0].rates, [Some(0.01), Some(0.02)]);
        assert_eq!(run.trials[1].rates, [Some(0.3), None]);
        assert_eq!(run.trials[1].value, None);
        assert_eq!(run.trials[1].status, Status::Diverged);
    }

    #[test]
    fn errors_name_file_line_and_column() {
        let cases = [
            (format!("{HEAD}\n0,a,0,1,complete,,2,100,1,high,,,,,,,\n"), "line 2, column `value`"),
            (format!("{HEAD}\n0,a,0,1,done,,2,100,1,1,,,,,,,\n"), "line 2, column `status`"),
            (format!("{HEAD}\n,a,0,1,failed,,2,100,1,1,,,,,,,\n"), "line 2, column `trial`"),
            (format!("{HEAD}\n0,a,0,1,failed,,,,,,,,,,,1e-3,x\n"), "line 2, column `rate.fc1`"),
            (format!("{HEAD}\n0,a,0\n"), "line: 2"),
            ("trial,arm\n0,a\n".to_owned(), "column `status` is missing"),
        ];
        for (text, expected) in cases {
            let message = read(&text).unwrap_err().to_string();
            assert!(message.contains("trials.csv") && message.contains(expected), "{message}");
        }
        let folder = tempfile::tempdir().unwrap();
        let message = Run::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("trials.csv"), "{message}");
    }

    #[test]
    fn hyperparameters_and_decisions_are_read_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let head = HEAD.replace("hp.phase", "hp.l1,hp.phase,hp.kind");
        write("trials.csv", &format!("{head}\n0,tune,,1,pruned,,2,9,1,0.5,1,,,,16,,,0.1,0.2\n"));
        let head = "trial,step,value,rung,cutoff,competitors,decision";
        write("decisions.csv", &format!("{head}\n0,1,NaN,,,0,continue\n0,3,0.5,3,0.4,7,stop\n"));
        let run = Run::read(folder.path()).unwrap();
        assert_eq!(run.hyperparameters, ["l1", "kind"]);
        assert_eq!(run.trials[0].settings, ["16", ""]);
        let decisions: Vec<_> = run.decisions.iter().map(|d| (d.value, d.rung, d.passed)).collect();
        assert_eq!(decisions, [(None, None, true), (Some(0.5), Some(3.0), false)]);
        write("decisions.csv", &format!("{head}\n0,1,1,,,0,maybe\n"));
        let message = Run::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("decisions.csv, line 2, column `decision`"), "{message}");
    }

    #[test]
    fn a_finder_needs_no_trials() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("finder.csv", "layer,step,rate,loss,smoothed_loss\nall,0,0.1,2.3,\nfc,0,x,2,2\n");
        let message = Run::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("finder.csv, line 3, column `rate`"), "{message}");
        write("finder.csv", "layer,step,rate,loss,smoothed_loss\nall,0,0.1,2.3,\n");
        write("suggestions.csv", "layer,steepest,minimum,suggestion\nall,0.1,,0.05\n");
        write("probes.csv", "trial,step,probe,layer,other,value,low,high\n0,5,a,fc,,NaN,,\n");
        let run = Run::read(folder.path()).unwrap();
        assert!(run.trials.is_empty() && run.screening.finder[0].loss == Some(2.3));
        assert_eq!(run.screening.suggestions[0].suggestion, Some(0.05));
        let probe = &run.screening.probes[0];
        assert_eq!((probe.step, probe.value), (5, None));
    }

    #[test]
    fn a_broken_verdict_is_named_and_a_bare_manifest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("trials.csv"), format!("{HEAD}\n")).unwrap();
        fs::write(
            folder.path().join("manifest.json"),
            r#"{"dataset":{"description":"toy"},"net":"vgg"}"#,
        )
        .unwrap();
        let run = Run::read(folder.path()).unwrap();
        assert_eq!((run.manifest.dataset.as_str(), run.manifest.net.as_str()), ("toy", "vgg"));
        fs::write(folder.path().join("verdict.json"), r#"{"difference":"big"}"#).unwrap();
        let message = Run::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("verdict.json") && message.contains("line 1"), "{message}");
    }
}
