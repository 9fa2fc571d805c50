//! Reading the arms of an experiment off its trials.
//!
//! A trial's hyperparameter `phase` says what it was for, [`SEARCH`] or [`RETRAIN`], and `search` to
//! which of the arm's independent searches it belongs.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{TrialRow, TrialStatus};

/// Trials that looked for the arm's best configuration.
pub const SEARCH: &str = "search";
/// Trials that trained the winner anew on fresh seeds, to be tested once each.
pub const RETRAIN: &str = "retrain";
/// The hyperparameter that holds the phase.
pub const PHASE: &str = "phase";
/// The hyperparameter that holds the number of the search.
pub const REPETITION: &str = "search";

/// The trials of an arm in a phase.
pub fn trials<'r>(rows: &'r [TrialRow], arm: &str, phase: &str) -> Vec<&'r TrialRow> {
    let is_phase = |row: &TrialRow| hyperparameter(row, PHASE) == Some(phase);
    rows.iter().filter(|row| row.arm == arm && is_phase(row)).collect()
}

/// How many of an arm's search trials diverged.
pub fn diverged(rows: &[TrialRow], arm: &str) -> usize {
    let search = trials(rows, arm, SEARCH);
    search.iter().filter(|row| row.status == TrialStatus::Diverged).count()
}

/// Numbers of the independent searches that an arm has trials of, ascending.
pub fn searches(rows: &[TrialRow], arm: &str) -> Vec<u64> {
    let of_arm = rows.iter().filter(|row| row.arm == arm);
    of_arm.map(search_of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The number of the search that a trial belongs to; 0 where the experiment has but one.
pub fn search_of(row: &TrialRow) -> u64 {
    hyperparameter(row, REPETITION).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The best trial of each of an arm's searches by its value, in the order of the searches; the
/// earlier of equal ones.
pub fn winners<'r>(rows: &'r [TrialRow], arm: &str) -> Vec<(u64, &'r TrialRow)> {
    let mut found: BTreeMap<u64, &TrialRow> = BTreeMap::new();
    let mut search = trials(rows, arm, SEARCH);
    search.retain(|row| row.value.is_some());
    search.sort_by_key(|row| row.trial);
    for row in search {
        let best = found.entry(search_of(row)).or_insert(row);
        if row.value > best.value {
            *best = row;
        }
    }
    found.into_iter().collect()
}

/// Test accuracies of an arm's retrained models.
pub fn test_accuracies(rows: &[TrialRow], arm: &str) -> Vec<f64> {
    trials(rows, arm, RETRAIN).iter().filter_map(|row| row.test_accuracy).collect()
}

/// Test accuracies of baseline and treatment, paired by search and seed and grouped by search; a
/// pair with a lost model is left out.
pub fn paired_tests(rows: &[TrialRow], baseline: &str, treatment: &str) -> Vec<Vec<(f64, f64)>> {
    let treated = trials(rows, treatment, RETRAIN);
    let mut pairs: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for row in trials(rows, baseline, RETRAIN) {
        let search = search_of(row);
        let partner =
            treated.iter().find(|other| other.seed == row.seed && search_of(other) == search);
        let accuracies = partner.and_then(|other| Some((row.test_accuracy?, other.test_accuracy?)));
        pairs.entry(search).or_default().extend(accuracies);
    }
    pairs.into_values().filter(|pairs| !pairs.is_empty()).collect()
}

fn hyperparameter<'r>(row: &'r TrialRow, name: &str) -> Option<&'r str> {
    let found = row.hyperparameters.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
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
        let found = winners(&rows, "a");
        assert_eq!(
            found.iter().map(|(search, row)| (*search, row.trial)).collect::<Vec<_>>(),
            [(0, 1)]
        );
        assert_eq!(diverged(&rows, "a"), 1);
        assert!(winners(&rows[2..3], "a").is_empty());
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
        assert_eq!(paired_tests(&rows, "a", "b"), [[(0.7, 0.8)]]);
    }

    #[test]
    fn searches_are_kept_apart() {
        let of = |search: u64, mut row: TrialRow| {
            row.hyperparameters.push((REPETITION.into(), search.to_string()));
            row
        };
        let rows = [
            of(0, row(0, "a", SEARCH, 1, Some(0.5))),
            of(1, row(1, "a", SEARCH, 1, Some(0.9))),
            of(0, row(2, "a", RETRAIN, 7, Some(0.5))),
            of(1, row(3, "a", RETRAIN, 8, Some(0.6))),
            of(0, row(4, "b", RETRAIN, 7, Some(0.7))),
            of(0, row(5, "b", RETRAIN, 8, Some(0.1))),
            of(1, row(6, "b", RETRAIN, 8, Some(0.8))),
        ];
        assert_eq!(searches(&rows, "a"), [0, 1]);
        assert_eq!(
            winners(&rows, "a").iter().map(|(_, row)| row.trial).collect::<Vec<_>>(),
            [0, 1]
        );
        assert_eq!(paired_tests(&rows, "a", "b"), [[(0.5, 0.7)], [(0.6, 0.8)]]);
    }
}
