//! The outcome of a study, for programs and for people.

use serde_json::{Map, Value, json};

use super::space::{Choice, short};
use super::study::{State, StudyTrial};
use super::trial::TrialState;

/// What a study came to.
#[derive(Clone, Copy)]
pub struct StudySummary<'a> {
    /// The study.
    pub state: &'a State,
    /// What was evaluated: the data set as captions name it, or the function.
    pub data: &'a str,
    /// The command that ran it.
    pub command: &'a str,
    /// Loss and accuracy on the test images of the best trial's model, if it was tested.
    pub test: Option<&'a Value>,
}

impl StudySummary<'_> {
    /// `best.json`.
    pub fn json(&self) -> Value {
        let Some(best) = self.state.best() else { return json!({"trial": null}) };
        let values: Map<_, _> =
            self.state.values(best).into_iter().map(|(name, value)| (name, json!(value))).collect();
        json!({
            "trial": best.number,
            "metric": self.state.options.metric,
            "value": best.value,
            "configuration": values,
            "epochs": best.progress.step,
            "metrics": best.progress.metrics.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "seed": self.state.seed_of(best.number),
            "test": self.test,
        })
    }

    /// One or two lines for the terminal.
    pub fn headline(&self) -> String {
        let Some(best) = self.state.best() else {
            return "no trial was completed: see status and error in trials.csv".to_owned();
        };
        let values: Vec<_> = self.state.values(best).iter().map(plain).collect();
        let mut text = format!(
            "best of {} trials: trial {}, {}\nconfiguration: {}",
            self.state.trials().len(),
            best.number,
            self.metrics(best),
            values.join(", ")
        );
        if let Some(test) = self.test {
            let percent = test["accuracy"].as_f64().unwrap_or(f64::NAN) * 100.0;
            text += &format!("\ntested once: accuracy {percent:.2} % on {}", self.data);
        }
        text
    }

    /// `summary.md`, without its figures.
    pub fn markdown(&self) -> String {
        let State { options, .. } = self.state;
        let count =
            |wanted| self.state.trials().iter().filter(|trial| trial.state == wanted).count();
        let mut text = format!(
            "# A search over {}\n\n{} on {}: {} trials ({} complete, {} pruned, {} diverged, {} failed), {} \
             epochs in all.\n\n```sh\n{}\n```\n",
            self.state
                .space
                .parameters
                .iter()
                .map(|p| p.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            options.metric,
            self.data,
            self.state.trials().len(),
            count(TrialState::Complete),
            count(TrialState::Pruned),
            count(TrialState::Diverged),
            count(TrialState::Failed),
            self.state.spent(),
            self.command,
        );
        let Some(best) = self.state.best() else {
            return text + "\nNo trial was completed: see status and error in trials.csv.\n";
        };
        text += &format!("\n## Best: trial {}\n\n{}.\n", best.number, self.metrics(best));
        if let Some(test) = self.test {
            let percent = test["accuracy"].as_f64().unwrap_or(f64::NAN) * 100.0;
            text += &format!(
                "Trained again to the same weights and tested once: accuracy {percent:.2} %. One \
                 model on one seed; the search has looked at its validation images.\n"
            );
        }
        text += "\n| hyperparameter | value |\n|---|---|\n";
        for (name, value) in self.state.values(best) {
            text += &format!("| {name} | {} |\n", value.short());
        }
        text
    }

    fn metrics(&self, trial: &StudyTrial) -> String {
        let value = trial.value.unwrap_or(f64::NAN);
        let mut text = format!("{} {}", self.state.options.metric, short(value));
        for (name, value) in &trial.progress.metrics {
            if *name != self.state.options.metric {
                text += &format!(", {name} {}", short(*value));
            }
        }
        text
    }
}

fn plain((name, value): &(String, Choice)) -> String {
    format!("{name} = {value}")
}
