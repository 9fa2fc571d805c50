//! What every sampler must hold, run over all of [`SAMPLERS`].

use super::{Question, SAMPLERS, Sampler, SamplerOptions, sampler};
use crate::search::space::{Choice, Condition, Configuration, Distribution, Parameter, Space};
use crate::search::trial::{Observation, TrialState};

/// Samplers whose proposals do not depend on the seed.
const SEEDLESS: &[&str] = &["grid"];
/// Samplers that come to an end.
const FINITE: &[&str] = &["grid"];

fn options() -> SamplerOptions {
    SamplerOptions { grid_levels: Some(3), ..SamplerOptions::default() }
}

fn build(name: &str, space: &Space) -> Box<dyn Sampler> {
    sampler(name, &options(), space).expect("can search the spaces of this suite")
}

fn parameter(name: &str, distribution: Distribution) -> Parameter {
    Parameter { name: name.into(), distribution, conditions: Vec::new(), default: None }
}

fn when(mut parameter: Parameter, parent: &str, values: &[f64]) -> Parameter {
    parameter.conditions.push(Condition { parameter: parent.into(), values: values.to_vec() });
    parameter
}

fn uniform() -> Distribution {
    Distribution::Float { low: -1.0, high: 3.0, log: false, step: None }
}

fn words(count: usize) -> Distribution {
    Distribution::Categorical {
        choices: (0..count).map(|i| Choice::Text(format!("word {i}"))).collect(),
    }
}

fn space(parameters: Vec<Parameter>) -> Space {
    Space { parameters, points: Vec::new() }
}

/// Every distribution, with and without logarithm and step.
fn everything() -> Space {
    let float = |low, high, log, step| Distribution::Float { low, high, log, step };
    let int = |low, high, log, step| Distribution::Int { low, high, log, step };
    space(vec![
        parameter("uniform", uniform()),
        parameter("log", float(1e-5, 0.1, true, None)),
        parameter("stepped", float(0.1, 0.9, false, Some(0.1))),
        parameter("int", int(-3, 9, false, 1)),
        parameter("stepped int", int(-2, 7, false, 3)),
        parameter("log int", int(1, 1000, true, 1)),
        parameter("large int", int(0, 1_000_000_000, false, 1)),
        parameter("normal", Distribution::Normal { mean: 2.0, sd: 0.5 }),
        parameter("choice", words(3)),
        parameter("constant", float(0.25, 0.25, false, None)),
        parameter("constant log", float(0.25, 0.25, true, None)),
        parameter("constant int", int(4, 4, false, 1)),
        parameter("constant log int", int(4, 4, true, 1)),
        parameter("constant choice", words(1)),
    ])
}

/// Conditions, and conditions on what has conditions.
fn conditional() -> Space {
    let fraction = || Distribution::Float { low: 0.0, high: 0.99, log: false, step: None };
    let log = || Distribution::Float { low: 1e-4, high: 1.0, log: true, step: None };
    space(vec![
        parameter("optimizer", words(3)),
        parameter("lr", log()),
        when(parameter("momentum", fraction()), "optimizer", &[0.0]),
        when(parameter("nesterov", words(2)), "optimizer", &[0.0]),
        when(parameter("damping", fraction()), "nesterov", &[1.0]),
        when(parameter("beta", fraction()), "optimizer", &[1.0, 2.0]),
        parameter("layers", Distribution::Int { low: 1, high: 3, log: false, step: 1 }),
        when(parameter("width", log()), "layers", &[2.0, 3.0]),
    ])
}

/// As many of one kind.
fn many(count: usize) -> Space {
    space((0..count).map(|i| parameter(&format!("x{i}"), uniform())).collect())
}

fn spaces() -> Vec<Space> {
    vec![everything(), conditional(), many(1), many(40)]
}

/// A loss, better near the middle of everything, or none where the trial diverges.
fn loss(space: &Space, configuration: &Configuration) -> f64 {
    let distance = |(name, value): (&str, f64)| {
        let position = space.parameter(name).map_or(0.0, |p| p.distribution.position(value));
        (position - 0.5).powi(2)
    };
    configuration.iter().map(distance).sum()
}

/// The trial as it ends: most are complete, some are pruned, diverged or failed.
fn told(space: &Space, number: u64, configuration: Configuration) -> Observation {
    let loss = loss(space, &configuration);
    let (state, loss, last_step) = match number % 10 {
        3 => (TrialState::Pruned, Some(loss), number % 4 + 1),
        5 => (TrialState::Diverged, None, 0),
        7 => (TrialState::Failed, None, 0),
        9 if number % 20 == 9 => (TrialState::Pruned, None, 0),
        _ => (TrialState::Complete, Some(loss), 0),
    };
    Observation { number, state, configuration, loss, last_step }
}

/// A study of `trials`, or of fewer where the sampler comes to an end.
fn study(sampler: &mut dyn Sampler, space: &Space, seed: u64, trials: u64) -> Vec<Observation> {
    let mut history = Vec::new();
    for number in 0..trials {
        let Some(answer) = sampler.ask(&Question { space, seed, number, history: &history }) else {
            break;
        };
        assert!(space.contains(&answer), "{answer:?}");
        history.push(told(space, number, answer));
    }
    history
}

fn for_all(mut check: impl FnMut(&str, &Space)) {
    for (name, _) in SAMPLERS {
        for space in spaces() {
            check(name, &space);
        }
    }
}

#[test]
fn proposals_are_in_the_space_and_only_finite_designs_end() {
    for_all(|name, space| {
        let history = study(&mut *build(name, space), space, 1, 60);
        assert!(!history.is_empty() && (history.len() == 60 || FINITE.contains(&name)), "{name}");
    });
}

#[test]
fn a_seed_gives_one_study_and_another_seed_another() {
    for_all(|name, space| {
        let run = |seed| study(&mut *build(name, space), space, seed, 30);
        assert_eq!(run(5), run(5), "{name}");
        assert_eq!(run(5) == run(6), SEEDLESS.contains(&name), "{name}");
    });
}

#[test]
fn the_answer_is_a_function_of_the_question() {
    for_all(|name, space| {
        let mut seasoned = build(name, space);
        let history = study(&mut *seasoned, space, 2, 45);
        // Another study in between, in another space, must be remembered no more than this one.
        let between = study(&mut *seasoned, &many(3), 9, 15);
        assert_eq!(between, study(&mut *build(name, &many(3)), &many(3), 9, 15), "{name}");
        for number in [0, 1, 9, 12, 30, 44] {
            let Some(recorded) = history.get(number) else { continue };
            let question =
                Question { space, seed: 2, number: number as u64, history: &history[..number] };
            let fresh = build(name, space).ask(&question).expect("was answered before");
            assert_eq!(fresh, recorded.configuration, "{name}, trial {number}");
            assert_eq!(seasoned.ask(&question), Some(fresh), "{name}, trial {number}");
        }
    });
}

#[test]
fn parallel_asks_are_not_all_alike() {
    for (name, _) in SAMPLERS {
        for (space, finished) in [(many(2), 0), (many(2), 8), (many(2), 40), (conditional(), 40)] {
            let mut sampler = build(name, &space);
            let mut history = study(&mut *sampler, &space, 3, finished);
            if (history.len() as u64) < finished {
                continue;
            }
            let mut answers: Vec<Configuration> = Vec::new();
            for number in finished..finished + 8 {
                let question = Question { space: &space, seed: 3, number, history: &history };
                let Some(configuration) = sampler.ask(&question) else { break };
                assert!(space.contains(&configuration), "{name}");
                answers.push(configuration.clone());
                let state = TrialState::Running;
                history.push(Observation {
                    number,
                    state,
                    configuration,
                    loss: None,
                    last_step: 0,
                });
            }
            let distinct = (0..answers.len()).filter(|&i| !answers[..i].contains(&answers[i]));
            assert!(2 * distinct.count() >= answers.len(), "{name}: {answers:?}");
        }
    }
}

#[test]
fn what_ended_without_a_loss_is_no_obstacle() {
    for_all(|name, space| {
        for state in [TrialState::Failed, TrialState::Diverged, TrialState::Pruned] {
            let mut sampler = build(name, space);
            let mut history: Vec<Observation> = Vec::new();
            for number in 0..25 {
                let question = Question { space, seed: 4, number, history: &history };
                let Some(configuration) = sampler.ask(&question) else { break };
                assert!(space.contains(&configuration), "{name}");
                history.push(Observation {
                    number,
                    state,
                    configuration,
                    loss: None,
                    last_step: 0,
                });
            }
        }
    });
}

#[test]
fn equal_and_extreme_losses_are_no_obstacle() {
    for_all(|name, space| {
        let losses: [fn(u64) -> f64; 3] = [
            |_| 1.0,
            |number| if number % 2 == 0 { f64::MAX } else { f64::MIN },
            |number| 1e-300 * number as f64,
        ];
        for loss in losses {
            let mut sampler = build(name, space);
            let mut history: Vec<Observation> = Vec::new();
            for number in 0..25 {
                let question = Question { space, seed: 4, number, history: &history };
                let Some(configuration) = sampler.ask(&question) else { break };
                assert!(space.contains(&configuration), "{name}");
                let (state, loss) = (TrialState::Complete, Some(loss(number)));
                history.push(Observation { number, state, configuration, loss, last_step: 0 });
            }
        }
    });
}

#[test]
fn trials_of_other_programs_and_spaces_are_no_obstacle() {
    for_all(|name, space| {
        let mut history = study(&mut *build("random", space), space, 6, 40);
        for observation in &mut history {
            let values = observation.configuration.iter().enumerate();
            let number = observation.number;
            observation.configuration = values
                .filter_map(|(i, (name, value))| match (number + i as u64) % 9 {
                    0 => None,
                    1 => Some((name.to_owned(), 1e300)),
                    2 => Some((name.to_owned(), -1e300)),
                    3 => Some((format!("{name} of old"), value)),
                    4 => Some((name.to_owned(), value + 1e-3)),
                    5 => Some((name.to_owned(), f64::NAN)),
                    _ => Some((name.to_owned(), value)),
                })
                .collect();
        }
        history[11].configuration = Configuration::default();
        let mut sampler = build(name, space);
        for number in 40..50 {
            let question = Question { space, seed: 6, number, history: &history };
            let Some(configuration) = sampler.ask(&question) else { break };
            assert!(space.contains(&configuration), "{name}");
            history.push(told(space, number, configuration));
        }
    });
}

#[test]
fn long_histories_are_no_obstacle() {
    for (name, _) in SAMPLERS {
        for space in [everything(), conditional()] {
            let history = study(&mut *build("random", &space), &space, 7, 1000);
            let question = Question { space: &space, seed: 7, number: 1000, history: &history };
            let answer = build(name, &space).ask(&question);
            assert!(answer.is_none_or(|answer| space.contains(&answer)), "{name}");
        }
    }
}

#[test]
fn the_points_of_the_space_come_first() {
    for (name, _) in SAMPLERS {
        let plain = conditional();
        let mut space = conditional();
        let point = |values: &[(&str, f64)]| {
            values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
        };
        space.points = vec![
            point(&[("optimizer", 0.0), ("momentum", 0.5), ("nesterov", 1.0), ("beta", 0.1)]),
            point(&[("optimizer", 1.0), ("lr", 0.5), ("momentum", 0.5)]),
            point(&[("lr", 77.0)]),
        ];
        let history = study(&mut *build(name, &space), &space, 8, 6);
        let value = |number: usize, name: &str| history[number].configuration.get(name);
        assert_eq!((value(0, "optimizer"), value(0, "momentum")), (Some(0.0), Some(0.5)), "{name}");
        assert_eq!((value(0, "nesterov"), value(0, "beta")), (Some(1.0), None), "{name}");
        assert_eq!((value(1, "lr"), value(1, "momentum")), (Some(0.5), None), "{name}");
        let drawn = study(&mut *build("random", &plain), &plain, 8, 3);
        let drawn = |number: usize, name: &str| drawn[number].configuration.get(name);
        assert_eq!(value(0, "lr"), drawn(0, "lr"), "{name}: left open");
        assert_eq!(value(2, "lr"), drawn(2, "lr"), "{name}: out of bounds");
    }
}

#[test]
fn a_space_without_hyperparameters_has_one_configuration() {
    for (name, _) in SAMPLERS {
        let history = study(&mut *build(name, &Space::default()), &Space::default(), 1, 20);
        assert_eq!(history.len(), if FINITE.contains(name) { 1 } else { 20 }, "{name}");
    }
}

#[test]
fn an_unknown_sampler_names_the_known_ones() {
    let error = sampler("tpee", &options(), &Space::default()).err().expect("is unknown");
    let error = error.to_string();
    assert!(SAMPLERS.iter().all(|(name, _)| error.contains(name)), "{error}");
}
