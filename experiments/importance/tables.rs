//! The tables of an assessment.

use strata::analysis::importance::{Assessment, MethodResult, Outcome, Series, Slice};
use strata::analysis::recorded::Recorded;
use strata::analysis::statistics::Interval;
use strata::record::{RunFolder, number, write_table};

/// Everything that was found.
pub struct Everything<'a> {
    pub recorded: &'a Recorded,
    pub assessment: &'a Assessment,
    pub by_epoch: Series,
    pub by_trials: Series,
    /// None where no trial diverged, or all did.
    pub stability: Option<Slice>,
}

impl Everything<'_> {
    /// Writes all tables; one that has no rows has its header.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &RunFolder) -> anyhow::Result<()> {
        let write = |name: &str, header: &[&str], rows: Vec<Vec<String>>| {
            write_table(&folder.file(name), header, &rows)
        };
        let Self { assessment, .. } = self;
        let importance = ["method", "parameter", "importance", "low", "high", "rank_probability"];
        write("importance.csv", &importance, rankings(&assessment.methods))?;
        if let Some(stability) = &self.stability {
            write("stability.csv", &importance, rankings(&stability.methods))?;
        }
        write("ranks.csv", &["method", "parameter", "rank", "probability"], self.ranks())?;
        let pairs = ["method", "first", "second", "importance", "low", "high"];
        write("interactions.csv", &pairs, self.interactions())?;
        let marginals = ["parameter", "position", "setting", "mean", "low", "high"];
        write("marginals.csv", &marginals, self.marginals())?;
        write("agreement.csv", &["first", "second", "tau", "low", "high"], self.agreement())?;
        if !assessment.path.is_empty() {
            write("path.csv", &["step", "parameter", "from", "to", "value"], self.path())?;
        }
        let series = |at| ["method", at, "parameter", "importance", "low", "high"];
        if !self.by_epoch.slices.is_empty() {
            write("importance_by_epoch.csv", &series("epoch"), sliced(&self.by_epoch))?;
        }
        if !self.by_trials.slices.is_empty() {
            write("importance_by_trials.csv", &series("trials"), sliced(&self.by_trials))?;
        }
        let names = self.recorded.observations.parameters.iter();
        let names = names.map(|parameter| format!("hp.{}", parameter.name));
        let header: Vec<String> =
            ["trial", "status", "value"].map(str::to_owned).into_iter().chain(names).collect();
        write_table(&folder.file("observations.csv"), &header, &self.observations())?;
        Ok(())
    }

    /// A loss in the target's own sign.
    pub fn value(&self, loss: f64) -> f64 {
        self.recorded.direction.loss(loss)
    }

    /// The ends of an interval of losses in the target's own sign.
    fn ends(&self, interval: Interval) -> Interval {
        let (a, b) = (self.value(interval.low), self.value(interval.high));
        Interval { low: a.min(b), high: a.max(b) }
    }

    fn ranks(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for result in &self.assessment.methods {
            for ranked in &result.parameters {
                rows.extend(ranked.rank_probabilities.iter().enumerate().map(|(place, p)| {
                    let rank = (place + 1).to_string();
                    vec![result.method.to_owned(), ranked.parameter.clone(), rank, number(*p)]
                }));
            }
        }
        rows
    }

    fn interactions(&self) -> Vec<Vec<String>> {
        let pairs = self.assessment.interactions.iter();
        pairs
            .map(|pair| {
                ["fanova".to_owned(), pair.first.clone(), pair.second.clone()]
                    .into_iter()
                    .chain(estimate(pair.importance, pair.interval))
                    .collect()
            })
            .collect()
    }

    fn marginals(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for marginal in &self.assessment.marginals {
            rows.extend(marginal.points.iter().map(|point| {
                let (name, setting) = (marginal.parameter.clone(), point.setting.clone());
                [name, number(point.position), setting]
                    .into_iter()
                    .chain(estimate(self.value(point.mean), self.ends(point.band)))
                    .collect()
            }));
        }
        rows
    }

    fn agreement(&self) -> Vec<Vec<String>> {
        let pairs = self.assessment.agreement.iter();
        pairs
            .map(|pair| {
                [pair.first.to_owned(), pair.second.to_owned()]
                    .into_iter()
                    .chain(estimate(pair.tau, pair.interval))
                    .collect()
            })
            .collect()
    }

    fn path(&self) -> Vec<Vec<String>> {
        let steps = self.assessment.path.iter().enumerate();
        steps
            .map(|(number_of, step)| {
                vec![
                    number_of.to_string(),
                    step.parameter.clone().unwrap_or_default(),
                    step.from.clone(),
                    step.to.clone(),
                    number(self.value(step.value)),
                ]
            })
            .collect()
    }

    fn observations(&self) -> Vec<Vec<String>> {
        let observations = &self.recorded.observations;
        let row = |row: &strata::analysis::importance::Row| {
            let (status, loss) = match row.outcome {
                Outcome::Complete(loss) => ("complete", Some(loss)),
                Outcome::Pruned(loss) => ("pruned", loss),
                Outcome::Diverged => ("diverged", None),
                Outcome::Failed => ("failed", None),
            };
            let fixed = [
                row.trial.to_string(),
                status.to_owned(),
                number(loss.map(|loss| self.value(loss))),
            ];
            let settings = observations.parameters.iter().zip(&row.values).map(|(p, value)| {
                value.map_or(String::new(), |value| p.distribution.external(value).to_string())
            });
            fixed.into_iter().chain(settings).collect()
        };
        observations.rows.iter().map(row).collect()
    }
}

/// The cells of an estimate: value, low, high.
fn estimate(value: f64, interval: Interval) -> [String; 3] {
    [value, interval.low, interval.high].map(number)
}

fn rankings(results: &[MethodResult]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for result in results {
        rows.extend(result.parameters.iter().map(|ranked| {
            let mut row = vec![result.method.to_owned(), ranked.parameter.clone()];
            row.extend(estimate(ranked.importance, ranked.interval));
            row.push(number(ranked.rank_probability));
            row
        }));
    }
    rows
}

fn sliced(series: &Series) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for slice in &series.slices {
        for mut row in rankings(&slice.methods) {
            row.insert(1, slice.at.to_string());
            row.pop();
            rows.push(row);
        }
    }
    rows
}
