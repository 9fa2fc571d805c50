//! The tables of a comparison of search orders.

use std::path::Path;

use super::rankings::Estimate;
use super::rows::{self, Row};
use super::tables::Run;
use super::{FigureError, effects};

/// One row of `arms.csv`.
#[derive(Clone, Debug)]
pub struct ComparedArm {
    /// Its name.
    pub arm: String,
    /// `compared`, `unpaid` or `control`.
    pub role: String,
    /// Its sampler.
    pub sampler: String,
    /// Searches.
    pub replays: Option<u64>,
    /// Mean regret over the budget.
    pub area: Option<f64>,
}

/// One row of `regret.csv`.
#[derive(Clone, Debug)]
pub struct Regret {
    /// The arm.
    pub arm: String,
    /// Evaluations so far.
    pub evaluation: u64,
    /// Lower quartile, median and upper quartile of the regret.
    pub quartiles: [Option<f64>; 3],
}

/// One row of `comparisons.csv`.
#[derive(Clone, Debug)]
pub struct OrderComparison {
    /// The arm that is judged.
    pub treatment: String,
    /// Against this one.
    pub baseline: String,
    /// `surrogate`, `function` or `live`.
    pub source: String,
    /// Pairs.
    pub n: Option<u64>,
    /// Mean difference, positive where the treatment is better.
    pub difference: Option<f64>,
    /// Its interval.
    pub low: Option<f64>,
    /// Its interval.
    pub high: Option<f64>,
    /// Smallest difference that matters.
    pub smallest_effect: Option<f64>,
    /// What was found.
    pub verdict: String,
    /// What stands behind it.
    pub standing: String,
}

/// One row of `live.csv`.
#[derive(Clone, Debug)]
pub struct LiveTest {
    /// The arm.
    pub arm: String,
    /// Number of the search.
    pub replicate: u64,
    /// Share of the budget after which the configuration was chosen.
    pub share: Option<f64>,
    /// Test accuracy of the configuration, trained again.
    pub test_accuracy: Option<f64>,
}

/// The tables of a comparison of orders; each empty without its file.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// `arms.csv`.
    pub arms: Vec<ComparedArm>,
    /// `regret.csv`.
    pub regret: Vec<Regret>,
    /// `comparisons.csv`.
    pub comparisons: Vec<OrderComparison>,
    /// `mean_ranks.csv`; the parameter is the arm.
    pub ranks: Vec<Estimate>,
    /// `screening.csv`; the method is the ranker, the parameter what it is a part of.
    pub screening: Vec<Estimate>,
    /// `live.csv`.
    pub live: Vec<LiveTest>,
    /// `orders.csv`: hyperparameters, the most important first.
    pub importance: Vec<String>,
    /// `surrogate.csv`: observed and predicted value.
    pub surrogate: Vec<(f64, f64)>,
    /// Whether the folder holds such tables at all, with or without rows.
    pub are_there: bool,
}

impl Orders {
    /// Reads what there is of the tables.
    pub(super) fn read(folder: &Path) -> Result<Self, FigureError> {
        let path = |name: &str| folder.join(name);
        // Other experiments may have a table of this name: no column is asked for that they lack.
        let regret = rows::read(&path("regret.csv"), &["arm", "evaluation", "median"], |row| {
            Ok(Regret {
                arm: row.text("arm").to_owned(),
                evaluation: row.id("evaluation")?,
                quartiles: [row.number("q1")?, row.number("median")?, row.number("q3")?],
            })
        })?;
        let Some(regret) = regret else { return Ok(Self::default()) };
        let arms = rows::read(&path("arms.csv"), &["arm"], |row| {
            let [arm, role, sampler] = texts(row, ["arm", "role", "sampler"]);
            let (replays, area) = (row.whole("replays")?, row.number("area")?);
            Ok(ComparedArm { arm, role, sampler, replays, area })
        })?;
        let comparisons =
            rows::read(&path("comparisons.csv"), &["treatment", "baseline"], |row| {
                let [treatment, baseline, source, verdict, standing] =
                    texts(row, ["treatment", "baseline", "source", "verdict", "standing"]);
                Ok(OrderComparison {
                    treatment,
                    baseline,
                    source,
                    n: row.whole("n")?,
                    difference: row.number("difference")?,
                    low: row.number("low")?,
                    high: row.number("high")?,
                    smallest_effect: row.number("smallest_effect")?,
                    verdict,
                    standing,
                })
            })?;
        let ranks = rows::read(&path("mean_ranks.csv"), &["arm", "mean_rank"], |row| {
            estimate(row, "", "arm", "mean_rank")
        })?;
        let screening = rows::read(&path("screening.csv"), &["ranker", "part"], |row| {
            estimate(row, "ranker", "part", "difference")
        })?;
        let live = rows::read(&path("live.csv"), &["arm", "replicate", "share"], |row| {
            Ok(LiveTest {
                arm: row.text("arm").to_owned(),
                replicate: row.id("replicate")?,
                share: row.number("share")?,
                test_accuracy: row.number("test_accuracy")?,
            })
        })?;
        let surrogate = rows::read(&path("surrogate.csv"), &["observed", "predicted"], |row| {
            Ok(row.number("observed")?.zip(row.number("predicted")?))
        })?;
        let importance = rows::read(&path("orders.csv"), &["parameter"], |row| {
            Ok(row.text("parameter").to_owned())
        })?;
        Ok(Self {
            arms: arms.unwrap_or_default(),
            importance: importance.unwrap_or_default(),
            regret,
            comparisons: comparisons.unwrap_or_default(),
            ranks: ranks.unwrap_or_default(),
            screening: screening.unwrap_or_default(),
            live: live.unwrap_or_default(),
            surrogate: surrogate.unwrap_or_default().into_iter().flatten().collect(),
            are_there: true,
        })
    }

    /// The whole caption: n and budget, `what` is shown, the box, and what was searched.
    pub(super) fn caption(&self, run: &Run, what: &str) -> String {
        let source = match self.comparisons.iter().any(|c| c.source == "surrogate") {
            true => " replayed on a surrogate of recorded trials",
            false => "",
        };
        let n = format!(
            "n = {} searches of each arm{source}, {} evaluations each.",
            self.replays(),
            self.budget()
        );
        effects::caption(run, &[n, what.to_owned()])
    }

    /// Searches of each arm.
    pub(super) fn replays(&self) -> u64 {
        self.arms.iter().filter_map(|arm| arm.replays).max().unwrap_or(0)
    }

    /// Evaluations of a search.
    pub(super) fn budget(&self) -> u64 {
        self.regret.iter().map(|regret| regret.evaluation).max().unwrap_or(0)
    }
}

fn texts<const N: usize>(row: &Row, columns: [&str; N]) -> [String; N] {
    columns.map(|column| row.text(column).to_owned())
}

fn estimate(
    row: &Row,
    method: &str,
    parameter: &str,
    value: &str,
) -> Result<Estimate, FigureError> {
    Ok(Estimate {
        method: row.text(method).to_owned(),
        parameter: row.text(parameter).to_owned(),
        index: String::new(),
        at: None,
        value: row.number(value)?,
        low: row.number("low")?,
        high: row.number("high")?,
    })
}
