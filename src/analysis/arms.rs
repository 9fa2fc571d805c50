//! Reading the arms of an experiment off its trials.
//!
//! A trial's hyperparameter `phase` says what it was for: [`SEARCH`] or [`RETRAIN`].

use crate::record::{TrialRow, TrialStatus};

/// Trials that looked for the arm's best configuration.
pub const SEARCH: &str = "search";
/// Trials that trained the winner anew on fresh seeds, to be tested once each.
pub const RETRAIN: &str = "retrain";
/// The hyperparameter that holds the phase.
pub const PHASE: &str = "phase";

/// The trials of an arm in a phase.
pub fn trials<'r>(rows: &'r [TrialRow], arm: &str, phase: &str) -> Vec<&'r TrialRow> {
    let is_phase = |row: &TrialRow| {
        row.hyperparameters.iter().any(|(name, value)| name == PHASE && value == phase)
    };
    rows.iter().filter(|row| row.arm == arm && is_phase(row)).collect()
}

/// How many of an arm's search trials diverged.
pub fn diverged(rows: &[TrialRow], arm: &str) -> usize {
    let search = trials(rows, arm, SEARCH);
    search.iter().filter(|row| row.status == TrialStatus::Diverged).count()
}

/// The best search trial of an arm by its value; the earlier of equal ones, none if none finished.
pub fn winner<'r>(rows: &'r [TrialRow], arm: &str) -> Option<&'r TrialRow> {
    let mut search = trials(rows, arm, SEARCH);
    search.retain(|row| row.value.is_some());
    search.sort_by_key(|row| row.trial);
    search.into_iter().reduce(|best, row| if row.value > best.value { row } else { best })
}

/// Test accuracies of an arm's retrained models.
pub fn test_accuracies(rows: &[TrialRow], arm: &str) -> Vec<f64> {
    trials(rows, arm, RETRAIN).iter().filter_map(|row| row.test_accuracy).collect()
}

/// Test accuracies of baseline and treatment, paired by seed; a pair with a lost model is left out.
pub fn paired_tests(rows: &[TrialRow], baseline: &str, treatment: &str) -> Vec<(f64, f64)> {
    let treated = trials(rows, treatment, RETRAIN);
    let pair = |row: &TrialRow| {
        let partner = treated.iter().find(|other| other.seed == row.seed)?;
        Some((row.test_accuracy?, partner.test_accuracy?))
    };
    trials(rows, baseline, RETRAIN).into_iter().filter_map(pair).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn row(trial: u64, arm: &str, phase: &str, seed: u64, accuracy: Option<f64>) -> TrialRow {
        TrialRow {
            trial,
            arm: arm.into(),
            replicate: 0,
            seed,
            status: if accuracy.is_some() { TrialStatus::Complete } else { TrialStatus::Diverged },
            error: String::new(),
            epochs_run: 1,
            images_trained: 100,
            seconds: 1.0,
            value: accuracy,
            validation_loss: None,
            validation_accuracy: accuracy,
            test_loss: None,
            test_accuracy: accuracy.filter(|_| phase == RETRAIN),
            hyperparameters: vec![(PHASE.into(), phase.into()), ("rate".into(), "0.1".into())],
            rates: vec![("conv1".into(), 0.1), ("fc".into(), 0.2)],
        }
    }

    #[test]
    fn the_winner_is_the_earliest_of_the_best_and_never_a_retrain() {
        let rows = [
            row(3, "a", SEARCH, 1, Some(0.6)),
            row(1, "a", SEARCH, 1, Some(0.6)),
            row(2, "a", SEARCH, 1, None),
            row(4, "b", SEARCH, 1, Some(0.9)),
            row(5, "a", RETRAIN, 1, Some(0.9)),
        ];
        assert_eq!(winner(&rows, "a").unwrap().trial, 1);
        assert_eq!(diverged(&rows, "a"), 1);
        assert!(winner(&rows[2..3], "a").is_none());
    }

    #[test]
    fn pairs_share_a_seed() {
        let rows = [
            row(1, "a", RETRAIN, 7, Some(0.5)),
            row(2, "a", RETRAIN, 8, Some(0.6)),
            row(3, "a", RETRAIN, 9, Some(0.7)),
            row(4, "b", RETRAIN, 9, Some(0.8)),
            row(5, "b", RETRAIN, 7, None),
        ];
        assert_eq!(paired_tests(&rows, "a", "b"), [(0.7, 0.8)]);
    }
}
