//! What holds for every method.

use super::super::{METHODS, Method, Observations, Options, Outcome, Sample, assess, method};
use super::{choices, drawn, float, int};

/// One that matters, one that matters less, one that exists only with a choice, and one that does
/// nothing; some trials did not end well.
fn mixed() -> Observations {
    let space = vec![
        float(1e-4, 1.0, true),
        int(1, 8, false),
        choices(2),
        float(0.0, 1.0, false),
        float(0.0, 1.0, false),
    ];
    let loss = |x: &[f64]| 3.0 * (x[0].log10() + 2.0).powi(2) + 0.3 * x[1] + x[2] * x[3];
    let mut observations = drawn(space, 160, 1, loss);
    for row in &mut observations.rows {
        if row.values[2] == Some(0.0) {
            row.values[3] = None;
        }
        row.outcome = match (row.trial % 16, row.outcome) {
            (3, Outcome::Complete(loss)) => Outcome::Pruned(Some(loss)),
            (5, _) => Outcome::Failed,
            (7, _) => Outcome::Diverged,
            (_, outcome) => outcome,
        };
    }
    observations
}

fn importance(method: &dyn Method, observations: &Observations, options: &Options) -> Vec<f64> {
    let (sample, _) = Sample::new(observations, options).unwrap();
    method.importance(&sample, options, 7).unwrap()
}

#[test]
fn methods_have_names_of_their_own() {
    for (place, one) in METHODS.iter().enumerate() {
        assert_eq!(method(one.name()).unwrap().about(), one.about());
        assert!(METHODS[..place].iter().all(|other| other.name() != one.name()));
    }
    let message = method("shap").err().unwrap().to_string();
    assert!(message.contains("shap") && message.contains("fanova"), "{message}");
}

#[test]
fn importances_are_finite_and_not_negative_and_the_same_each_time() {
    let observations = mixed();
    for survivors_only in [false, true] {
        let options = Options { trees: 16, survivors_only, ..Options::default() };
        for method in METHODS {
            let found = importance(*method, &observations, &options);
            assert_eq!(found.len(), 5, "{}", method.name());
            assert!(
                found.iter().all(|v| v.is_finite() && *v >= 0.0),
                "{} {found:?}",
                method.name()
            );
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let again = pool.install(|| importance(*method, &observations, &options));
                assert_eq!(found, again, "{} on {threads} threads", method.name());
            }
        }
    }
}

#[test]
fn what_matters_most_is_told_from_what_does_nothing() {
    let space = vec![float(0.0, 1.0, false), float(0.0, 1.0, false)];
    let observations = drawn(space, 300, 2, |x| 5.0 * (x[0] - 0.2).powi(2));
    // A default beside the best: in the middle nothing would be lost or won.
    let defaults = vec![Some(0.9), Some(0.9)];
    let options = Options { trees: 32, defaults, ..Options::default() };
    for method in METHODS {
        let found = importance(*method, &observations, &options);
        assert!(found[0] > 3.0 * found[1], "{} {found:?}", method.name());
    }
}

#[test]
fn a_hyperparameter_that_never_changed_has_no_importance() {
    let mut observations = drawn(vec![float(0.0, 1.0, false), int(1, 9, false)], 60, 3, |x| x[0]);
    observations.rows.iter_mut().for_each(|row| row.values[1] = Some(4.0));
    let options = Options { trees: 8, ..Options::default() };
    for method in METHODS {
        let found = importance(*method, &observations, &options)[1];
        // PED-ANOVA's kernels are wider for the fewer best trials, also around one value; so are
        // Optuna's, which it equals.
        let most = if method.uses_forest() { 0.0 } else { 0.02 };
        assert!(found <= most, "{}: {found}", method.name());
    }
}

#[test]
fn rankings_fall_and_their_probabilities_are_some() {
    let options = Options { trees: 16, resamples: 12, ..Options::default() };
    let found = assess(&mixed(), METHODS, &options).unwrap();
    assert_eq!(found.methods.len(), METHODS.len());
    for result in &found.methods {
        let ranked = &result.parameters;
        assert!(ranked.windows(2).all(|pair| pair[0].importance >= pair[1].importance));
        for (rank, one) in ranked.iter().enumerate() {
            assert!(one.interval.low <= one.importance && one.importance <= one.interval.high);
            assert_eq!(one.rank_probability, one.rank_probabilities[rank]);
            let sum: f64 = one.rank_probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-12, "{} {sum}", result.method);
        }
        assert!((0.0..=1.0).contains(&result.kendall_w) && !result.statement.is_empty());
    }
    // Every two methods, once.
    assert_eq!(found.agreement.len(), METHODS.len() * (METHODS.len() - 1) / 2);
    let within = |tau: f64| (-1.0..=1.0).contains(&tau);
    assert!(found.agreement.iter().all(|a| within(a.tau) && within(a.interval.low)));
    assert!(found.path.len() > 1 && found.path[0].parameter.is_none());
    assert_eq!(assess(&mixed(), METHODS, &options).unwrap(), found);
}
