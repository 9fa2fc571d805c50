//! Trials that say little or nothing: an error for people or an honest note, never NaN.

use super::super::{
    METHODS, Observations, Options, Outcome, assess, by_epoch, by_trials, stability,
};
use super::{choices, drawn, float};

fn small() -> Options {
    Options { trees: 8, resamples: 6, resample_trees: 4, ..Options::default() }
}

fn plain(count: u64) -> Observations {
    drawn(vec![float(0.0, 1.0, false), float(0.0, 1.0, false)], count, 1, |x| x[0])
}

fn refused(observations: &Observations, options: &Options) -> String {
    assess(observations, METHODS, options).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_judged_is_an_error_that_says_why() {
    let with = |change: fn(&mut Observations)| {
        let mut observations = plain(30);
        change(&mut observations);
        refused(&observations, &small())
    };
    for (message, wanted) in [
        (with(|o| o.rows.clear()), "no trials"),
        (with(|o| o.parameters.clear()), "hyperparameter"),
        (with(|o| o.rows.truncate(9)), "9 usable trials are too few"),
        (with(|o| o.rows.iter_mut().for_each(|r| r.outcome = Outcome::Diverged)), "30"),
        (
            with(|o| o.rows.iter_mut().for_each(|r| r.outcome = Outcome::Complete(2.0))),
            "same value",
        ),
        (with(|o| o.rows[4].values[1] = Some(f64::NAN)), "trial 4"),
        (with(|o| o.rows[4].values.truncate(1)), "trial 4"),
        (with(|o| o.parameters[1].name = "x0".into()), "x0"),
        (with(|o| o.parameters[1].distribution = choices(65)), "65 choices"),
        (with(|o| o.parameters[1].distribution = float(1.0, 0.0, false)), "x1"),
        (with(|o| o.parameters[1].distribution = float(0.0, 1.0, true)), "x1"),
        (with(|o| o.rows.iter_mut().for_each(|r| r.values = vec![None, None])), "hyperparameter"),
    ] {
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    for (options, wanted) in [
        (Options { trees: 0, ..small() }, "trees"),
        (Options { confidence: 1.0, ..small() }, "confidence"),
        (Options { gamma: f64::NAN, ..small() }, "quantile"),
        (Options { sure: 0.0, ..small() }, "sure"),
    ] {
        assert!(refused(&plain(30), &options).contains(wanted), "{wanted}");
    }
    assert!(assess(&plain(30), &[], &small()).unwrap_err().to_string().contains("fanova"));
}

/// What one trial lacks, or only a branch has, is not laid to what all trials have.
#[test]
fn a_useless_hyperparameter_stays_useless_beside_conditional_ones() {
    let whole = || float(0.0, 1.0, false);
    // x1 does nothing; x0, which does everything, is missing once.
    let mut hole = drawn(vec![whole(), whole()], 200, 1, |x| x[0]);
    hole.rows[7].values[0] = None;
    // x0 chooses which of x1 and x2 there is and does nothing itself, x3 neither.
    let gated = |x: &[f64]| if x[0] == 0.0 { x[1] } else { x[2] };
    let mut branches = drawn(vec![choices(2), whole(), whole(), whole()], 300, 2, gated);
    for row in &mut branches.rows {
        let absent = if row.values[0] == Some(0.0) { 2 } else { 1 };
        row.values[absent] = None;
    }
    for (observations, useless) in [(hole, vec!["x1"]), (branches, vec!["x0", "x3"])] {
        let found = assess(&observations, METHODS, &small()).unwrap();
        let fanova = found.methods.iter().find(|result| result.method == "fanova").unwrap();
        for ranked in &fanova.parameters {
            let is_useless = useless.contains(&ranked.parameter.as_str());
            assert_eq!(ranked.importance < 0.05, is_useless, "{ranked:?}");
        }
        let sum: f64 = fanova.parameters.iter().map(|ranked| ranked.importance).sum();
        assert!((0.8..=1.01).contains(&sum), "{sum}");
    }
}

#[test]
fn few_or_meaningless_trials_are_not_ranked() {
    let few = assess(&plain(12), METHODS, &small()).unwrap();
    let noise = drawn(vec![float(0.0, 1.0, false); 6], 40, 2, |x| (x[5] * 1e6).fract());
    let noise = assess(&noise, METHODS, &small()).unwrap();
    assert!(noise.fit < 0.1, "{}", noise.fit);
    for result in few.methods.iter().chain(&noise.methods) {
        let all = result.parameters.iter();
        let mut numbers = all.flat_map(|r| [r.importance, r.interval.low, r.interval.high]);
        assert!(numbers.all(f64::is_finite), "{}", result.method);
    }
    for result in noise.methods.iter().filter(|result| result.parameters[0].importance > 0.0) {
        assert!(!result.can_rank, "{}: {}", result.method, result.statement);
        assert!(result.statement.contains("not enough trials to rank"), "{}", result.statement);
    }
}

#[test]
fn one_hyperparameter_duplicates_and_strange_values_are_no_trouble() {
    let one = assess(&drawn(vec![float(0.0, 1.0, false)], 30, 3, |x| x[0]), METHODS, &small());
    let one = one.unwrap();
    assert!(one.methods.iter().all(|r| r.statement.contains("only hyperparameter")), "{one:?}");
    assert!(one.interactions.is_empty());

    let mut doubled = plain(20);
    let again = doubled.rows.clone();
    doubled.rows.extend(again);
    assert_eq!(assess(&doubled, METHODS, &small()).unwrap().trials, 40);

    let mut strange = plain(30);
    strange.rows[2].outcome = Outcome::Complete(f64::NAN);
    strange.rows[3].outcome = Outcome::Complete(f64::INFINITY);
    strange.rows[4].outcome = Outcome::Pruned(None);
    let found = assess(&strange, METHODS, &small()).unwrap();
    assert_eq!(found.trials, 27);
    assert!(
        found.notes.iter().any(|note| note.contains("without a finite value: left out (2, 3)"))
    );
    assert!(found.notes.iter().any(|note| note.contains("pruned without a loss")));
}

#[test]
fn diverged_and_pruned_trials_count_unless_survivors_alone_do() {
    let mut observations = plain(40);
    for row in &mut observations.rows[..8] {
        row.outcome = Outcome::Diverged;
    }
    observations.rows[8].outcome = Outcome::Pruned(Some(-5.0));
    let trials = |survivors_only| {
        assess(&observations, METHODS, &Options { survivors_only, ..small() }).unwrap().trials
    };
    assert_eq!((trials(false), trials(true)), (40, 31));
}

#[test]
fn series_say_what_they_could_not_judge() {
    let mut observations = plain(40);
    let none = by_epoch(&observations, METHODS, &small()).unwrap();
    assert!(none.slices.is_empty() && none.notes[0].contains("no trial reported"), "{none:?}");
    assert!(stability(&observations, METHODS, &small()).unwrap().is_none());

    let firsts = by_trials(&observations, METHODS, &small(), &[40, 5, 20, 99, 20]).unwrap();
    assert_eq!(firsts.slices.iter().map(|slice| slice.at).collect::<Vec<_>>(), [20, 40]);
    assert!(firsts.notes[0].contains("first trials 5") && firsts.notes[1].contains("only 40"));

    // What diverges is decided by x1, what is good by x0, and at first by x1 too.
    for row in &mut observations.rows {
        let [x0, x1] = [row.values[0].unwrap(), row.values[1].unwrap()];
        row.reports = vec![(1, x1), (2, x0)];
        if x1 > 0.8 {
            row.outcome = Outcome::Diverged;
        }
    }
    let fanova = &METHODS[..1];
    let cause = stability(&observations, fanova, &small()).unwrap().unwrap();
    assert_eq!(cause.methods[0].parameters[0].parameter, "x1");
    let epochs = by_epoch(&observations, fanova, &Options { survivors_only: true, ..small() });
    let leaders: Vec<_> = epochs
        .unwrap()
        .slices
        .iter()
        .map(|slice| (slice.at, slice.methods[0].parameters[0].parameter.clone()))
        .collect();
    assert_eq!(leaders, [(1, "x1".to_owned()), (2, "x0".to_owned())]);
}
