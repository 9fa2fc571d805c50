//! Rows of `decisions.csv`: what a scheduler decided, and why.

use super::scheduler::{Decision, Verdict};
use super::trial::Direction;

/// Columns of `decisions.csv`.
pub const DECISION_COLUMNS: [&str; 7] =
    ["trial", "step", "value", "rung", "cutoff", "competitors", "decision"];

/// One decision. Values are in the metric's own sign.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionRow {
    /// The trial.
    pub trial: u64,
    /// Step of its report; of its last one where it was promoted.
    pub step: u64,
    /// What it reported; none where the metric was missing.
    pub value: Option<f64>,
    /// The rung that was decided at, in steps.
    pub rung: Option<f64>,
    /// The value that had to be reached.
    pub cutoff: Option<f64>,
    /// How many recorded values the cutoff comes from.
    pub competitors: usize,
    /// `continue`, `stop`, `finish`, `pause` or `promote`.
    pub decision: &'static str,
}

impl DecisionRow {
    /// The row for a decision on a report.
    pub fn new(
        trial: u64,
        step: u64,
        value: Option<f64>,
        decision: &Decision,
        direction: Direction,
    ) -> Self {
        Self {
            trial,
            step,
            value,
            rung: decision.rung,
            // Losses turn into values as values turn into losses. No one wants to read −0.
            cutoff: decision.cutoff.map(|cutoff| direction.loss(cutoff) + 0.0),
            competitors: decision.competitors,
            decision: match decision.verdict {
                Verdict::Continue => "continue",
                Verdict::Stop => "stop",
                Verdict::Finish => "finish",
                Verdict::Pause => "pause",
            },
        }
    }

    /// The row for a paused trial that goes on; step and value are those of its last report.
    pub fn promotion(
        trial: u64,
        step: u64,
        value: Option<f64>,
        grounds: &Decision,
        direction: Direction,
    ) -> Self {
        Self { decision: "promote", ..Self::new(trial, step, value, grounds, direction) }
    }

    /// The row's fields under [`DECISION_COLUMNS`]. What is missing is empty; what is not finite is
    /// `NaN`, `inf` or `-inf`.
    pub fn fields(&self) -> Vec<String> {
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        vec![
            self.trial.to_string(),
            self.step.to_string(),
            number(self.value),
            number(self.rung),
            number(self.cutoff),
            self.competitors.to_string(),
            self.decision.to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_sign_of_the_metric() {
        let decision = Decision {
            verdict: Verdict::Stop,
            rung: Some(2.5),
            cutoff: Some(-0.75),
            competitors: 3,
        };
        let row = DecisionRow::new(7, 3, Some(f64::NAN), &decision, Direction::Maximize);
        assert_eq!(row.fields(), ["7", "3", "NaN", "2.5", "0.75", "3", "stop"]);
        assert_eq!(row.fields().len(), DECISION_COLUMNS.len());
        let missing = DecisionRow::new(7, 3, None, &Decision::CONTINUE, Direction::Minimize);
        assert_eq!(missing.fields(), ["7", "3", "", "", "", "0", "continue"]);
        let row = DecisionRow::promotion(7, 3, Some(1.0), &decision, Direction::Minimize);
        assert_eq!(row.fields(), ["7", "3", "1", "2.5", "-0.75", "3", "promote"]);
    }
}
