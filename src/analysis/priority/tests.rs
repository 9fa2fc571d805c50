//! What is true by construction must come out.

use super::*;
use crate::analysis::{Comparison, Judgement, compare};
use crate::objective::function::function;
use crate::search::sampler::{Order, SAMPLERS, SamplerOptions};
use crate::search::space::{Choice, Configuration, Distribution, Parameter, Space};
use crate::search::{Observation, TrialState};

const REPLAYS: u64 = 200;

fn landscape(name: &str, noise: f64) -> Landscape<'static> {
    let function = function(name).expect("is a function");
    let truth = move |at: &Configuration| function.at(at).expect("has all arguments");
    Landscape::of_function(function.space(), truth, noise, Some(function.minimum()))
}

fn arm(sampler: &str, order: Order) -> Arm {
    Arm::new("arm", "", sampler, order)
}

fn names(effects: &[Effect]) -> Vec<String> {
    effects.iter().map(|effect| effect.parameter.clone()).collect()
}

/// Mean regret over the budget of both arms, compared in pairs.
fn judge(landscape: &Landscape, treatment: &Arm, baseline: &Arm, budget: u64) -> Comparison {
    let run = |arm: &Arm| -> Vec<Replay> {
        let replay = |replicate| replay(landscape, arm, 5, replicate, budget).expect("runs");
        (0..REPLAYS).map(replay).collect()
    };
    let (treated, base) = (run(treatment), run(baseline));
    let scale = Scale::of(landscape, 500, 5, treated.iter().chain(&base)).expect("is not flat");
    let areas = |replays: &[Replay]| Curves::of(replays, &scale, budget).areas();
    let pairs = areas(&base).into_iter().zip(areas(&treated)).map(|(b, t)| (-b, -t)).collect();
    compare(&[pairs], 0.05, 5).expect("has pairs")
}

#[test]
fn where_importance_is_steep_importance_first_beats_reverse() {
    for (name, noise, budget) in
        [("steep-8", 0.0, 16), ("steep-6", 0.02, 12), ("linear-8", 0.0, 16), ("gated-6", 0.0, 12)]
    {
        let landscape = landscape(name, noise);
        let order = names(&total_effects(&landscape, 256, 1).expect("can be analysed"));
        let reversed = order.iter().rev().cloned().collect();
        let (first, last) = (Order::Given(order), Order::Given(reversed));
        let found = judge(&landscape, &arm("coordinate", first), &arm("coordinate", last), budget);
        assert_eq!(found.verdict, Judgement::Better, "{name}: {found:?}");
    }
}

#[test]
fn where_all_matter_alike_orders_are_equivalent() {
    for (name, noise, budget) in [("even-8", 0.0, 18), ("even-6", 0.05, 26), ("sphere-5", 0.0, 22)]
    {
        let landscape = landscape(name, noise);
        let order: Vec<_> = landscape.space.parameters.iter().map(|p| p.name.clone()).collect();
        let reversed = order.iter().rev().cloned().collect();
        let given = arm("coordinate", Order::Given(order));
        let reversed = arm("coordinate", Order::Given(reversed));
        let random = arm("coordinate", Order::Random);
        for other in [reversed, random] {
            let found = judge(&landscape, &given, &other, budget);
            assert_eq!(found.verdict, Judgement::Equivalent, "{name}: {found:?}");
        }
    }
}

#[test]
fn a_screening_is_paid_for_and_its_price_shows() {
    // All matter alike: whatever Morris finds is worth nothing, and his trajectory is a poor sample.
    let landscape = landscape("even-8", 0.0);
    let morris = ranker("morris").expect("exists");
    let screened = Order::Screened { ranker: morris, trials: 9 };
    let paid = arm("coordinate", screened);
    let free = Arm { unpaid: Some((morris, 9)), ..arm("coordinate", Order::Space) };
    let once = |arm: &Arm| replay(&landscape, arm, 0, 0, 26).expect("runs");
    assert_eq!((once(&paid).screening, once(&paid).spent, once(&paid).unpaid), (9, 26, 0));
    assert_eq!((once(&free).screening, once(&free).spent, once(&free).unpaid), (0, 26, 9));
    // Steep: an unread order costs a screening, so that the oracle is ahead of it.
    let steep = self::landscape("steep-8", 0.0);
    let oracle = names(&total_effects(&steep, 256, 1).expect("can be analysed"));
    let found = judge(&steep, &arm("coordinate", Order::Given(oracle)), &paid, 18);
    assert_eq!(found.verdict, Judgement::Better, "{found:?}");
}

#[test]
fn every_sampler_spends_exactly_its_budget() {
    let landscape = landscape("sobol-g", 0.1);
    for (name, _) in SAMPLERS {
        for times in [1, 2] {
            let mut arm = Arm { times, ..arm(name, Order::Random) };
            arm.options = SamplerOptions { grid_levels: Some(4), ..arm.options };
            let replay = replay(&landscape, &arm, 0, 3, 23).expect("runs");
            assert_eq!(replay.spent, 23 * times, "{name}");
            assert_eq!(replay.truths.len() as u64, replay.spent, "{name}");
            let scale = Scale { best: 0.0, typical: 1.0 };
            assert_eq!(Curves::of(&[replay], &scale, 23).quartiles().len(), 23);
        }
    }
    for ranker in RANKERS {
        for sampler in ["coordinate", "groups", "grow", "proportional"] {
            let order = Order::Screened { ranker: *ranker, trials: 10 };
            let replay = replay(&landscape, &arm(sampler, order), 0, 3, 23).expect("runs");
            assert_eq!((replay.spent, replay.screening), (23, 10), "{}", ranker.name);
        }
    }
}

#[test]
fn replays_are_functions_of_their_number() {
    let landscape = landscape("steep-5", 0.1);
    let arm = arm("proportional", Order::Random);
    let run = |replicate| replay(&landscape, &arm, 7, replicate, 20).expect("runs");
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
    // The curve never says worse than what is believed to be best; without noise it never rises.
    let quiet = self::landscape("steep-5", 0.0);
    let replay = replay(&quiet, &arm, 7, 3, 40).expect("runs");
    assert!(replay.truths.windows(2).all(|pair| pair[1] <= pair[0]), "{:?}", replay.truths);
}

#[test]
fn arms_of_a_replicate_start_at_one_point() {
    let landscape = landscape("steep-5", 0.0);
    let start = |sampler: &str, replicate| {
        let arm = arm(sampler, Order::Space);
        let mut search = Search::new(&landscape.space, &arm, 1, replicate, 5).expect("searches");
        search.ask().expect("has a first").0
    };
    for sampler in ["random", "tpe", "grow", "sobol"] {
        assert_eq!(start(sampler, 2), start("coordinate", 2), "{sampler}");
    }
    assert_ne!(start("random", 2), start("random", 3));
    let middle = Arm { start: Start::Default, ..arm("random", Order::Space) };
    let mut search = Search::new(&landscape.space, &middle, 1, 2, 5).expect("searches");
    let (first, _) = search.ask().expect("has a first");
    assert!(first.iter().all(|(_, value)| value == 0.5));
}

#[test]
fn rankers_find_who_matters_most() {
    let landscape = landscape("steep-5", 0.0);
    for ranker in RANKERS.iter().filter(|ranker| ranker.name != "chance") {
        let trials = 60;
        let design = (ranker.design)(&landscape.space, 3, trials);
        assert_eq!(design.len() as u64, trials, "{}", ranker.name);
        let told = |(number, configuration): (usize, Configuration)| Observation {
            number: number as u64,
            state: TrialState::Complete,
            loss: Some((landscape.truth)(&configuration)),
            configuration,
            last_step: 0,
        };
        let trials: Vec<_> = design.into_iter().enumerate().map(told).collect();
        let found = (ranker.importance)(&landscape.space, 3, &trials).expect("has enough");
        assert!((1..5).all(|other| found[0] > found[other]), "{}: {found:?}", ranker.name);
        // With too few it says so, and the search goes on in the space's order.
        let few = (ranker.importance)(&landscape.space, 3, &trials[..3]);
        assert!(few.is_none(), "{}", ranker.name);
    }
    assert!(ranker("nobody").is_none());
    assert_eq!(screening(&landscape.space), 10);
}

#[test]
fn a_copy_is_another_name_and_nothing_more() {
    let landscape = landscape("steep-4", 0.0);
    let (doubled, copy) = landscape.duplicated("x1").expect("can be copied");
    assert_eq!(copy, "x1.copy");
    let at = |a: f64, b: f64| (doubled.truth)(&doubled.space.at(&[a, 0.3, 0.3, 0.3, b]));
    assert!((at(0.2, 0.8) - at(0.8, 0.2)).abs() < 1e-12);
    let single = (landscape.truth)(&landscape.space.at(&[0.5, 0.3, 0.3, 0.3]));
    assert!((at(0.2, 0.8) - single).abs() < 1e-12);
    assert!(landscape.duplicated("nobody").is_none());
    let order = |first: &str, second: &str| {
        arm("coordinate", Order::Given([first, second].map(str::to_owned).to_vec()))
    };
    let found = judge(&doubled, &order("x1.copy", "x1"), &order("x1", "x1.copy"), 18);
    assert_eq!(found.verdict, Judgement::Equivalent, "{found:?}");
}

#[test]
fn a_narrowed_box_lies_around_its_centre_and_in_the_whole_one() {
    let landscape = landscape("mixed", 0.0);
    let whole = &landscape.space;
    let centre = whole.at(&vec![0.9; whole.parameters.len()]);
    let narrow = landscape.narrowed(&centre, 0.5);
    assert!(narrow.space.contains(&centre), "{centre:?} in {:?}", narrow.space);
    for step in 0..=20 {
        let at = narrow.space.at(&vec![f64::from(step) / 20.0; whole.parameters.len()]);
        assert!(whole.contains(&at), "{at:?}");
        assert_eq!((narrow.truth)(&at), (landscape.truth)(&at));
    }
    let width = |space: &Space, name: &str| {
        let distribution = &space.parameter(name).expect("is there").distribution;
        let whole = &whole.parameter(name).expect("is there").distribution;
        whole.position(distribution.at(1.0)) - whole.position(distribution.at(0.0))
    };
    for parameter in whole.parameters.iter().filter(|p| p.distribution.levels().is_none()) {
        let name = &parameter.name;
        assert!((width(&narrow.space, name) - 0.5).abs() < 1e-9, "{name}");
    }
}

#[test]
fn noise_is_normal_and_divergence_as_probable_as_it_says() {
    let space = Space {
        parameters: vec![Parameter {
            name: "x".into(),
            distribution: Distribution::Float { low: 0.0, high: 1.0, log: false, step: None },
            conditions: Vec::new(),
            default: None,
        }],
        ..Space::default()
    };
    let landscape = Landscape {
        divergence: Box::new(|_| 0.25),
        ..Landscape::of_function(space.clone(), |_| 3.0, 0.5, None)
    };
    let at = space.at(&[0.5]);
    let seen: Vec<_> = (0..4_000).filter_map(|seed| landscape.observe(&at, seed)).collect();
    assert!((seen.len() as f64 / 4_000.0 - 0.75).abs() < 0.03);
    let mean = seen.iter().sum::<f64>() / seen.len() as f64;
    let variance = seen.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / seen.len() as f64;
    assert!((mean - 3.0).abs() < 0.04 && (variance.sqrt() - 0.5).abs() < 0.03, "{mean} {variance}");
    assert_eq!(landscape.observe(&at, 9), landscape.observe(&at, 9));
    // A flat landscape has no scale.
    assert!(Scale::of(&landscape, 100, 0, []).is_none());
}

#[test]
fn ranks_are_means_over_replicates_and_ties_share_them() {
    let values = [vec![1.0, 1.0, 5.0, 2.0], vec![2.0, 1.0, 4.0, 2.0], vec![3.0, 3.0, 3.0, 3.0]];
    let ranks = mean_ranks(&values, 0);
    let means: Vec<f64> = ranks.iter().map(|rank| rank[0]).collect();
    assert_eq!(means, [(1.0 + 1.5 + 3.0 + 1.5) / 4.0, (2.0 + 1.5 + 2.0 + 1.5) / 4.0, 10.0 / 4.0]);
    assert!(ranks.iter().all(|rank| rank[1] <= rank[0] && rank[0] <= rank[2]));
    assert!(mean_ranks(&[Vec::new()], 0).is_empty());
}

/// Recorded trials of a function with noise, some of them three times, some diverged.
fn recorded(noise: f64, diverges: impl Fn(&Configuration) -> bool) -> (Space, Vec<Observation>) {
    let mut landscape = landscape("steep-3", noise);
    let words = ["a", "b"].map(|word| Choice::Text(word.into())).to_vec();
    landscape.space.parameters.push(Parameter {
        name: "word".into(),
        distribution: Distribution::Categorical { choices: words },
        conditions: Vec::new(),
        default: None,
    });
    let space = landscape.space.clone();
    let design = (ranker("fanova").expect("exists").design)(&space, 11, 120);
    let again = design[..12].iter().cloned().cycle().take(24);
    let told = |(number, configuration): (usize, Configuration)| {
        let numbers: Configuration = configuration
            .iter()
            .filter(|(name, _)| *name != "word")
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let extra = 0.3 * configuration.get("word").unwrap_or(0.0);
        let loss = landscape.observe(&numbers, number as u64).map(|loss| loss + extra);
        let diverged = diverges(&configuration);
        Observation {
            number: number as u64,
            state: if diverged { TrialState::Diverged } else { TrialState::Complete },
            loss: loss.filter(|_| !diverged),
            configuration,
            last_step: 0,
        }
    };
    let trials = design.iter().cloned().chain(again).enumerate().map(told).collect();
    (space, trials)
}

#[test]
fn a_surrogate_knows_the_mean_and_the_noise() {
    let (space, trials) = recorded(0.03, |_| false);
    let surrogate = Surrogate::fit(&space, &trials).expect("fits");
    assert_eq!((surrogate.complete, surrogate.diverged, surrogate.repeated_points), (144, 0, 12));
    assert!(surrogate.r_squared > 0.85 && surrogate.r_squared <= 1.0, "{}", surrogate.r_squared);
    assert!((surrogate.noise / 0.03 - 1.0).abs() < 0.4, "{}", surrogate.noise);
    // From few points near by: its order of size.
    assert!((0.5..2.0).contains(&(surrogate.noise_at(0.2) / 0.03)), "{}", surrogate.noise_at(0.2));
    assert!((0.8..=0.98).contains(&surrogate.coverage_90), "{}", surrogate.coverage_90);
    assert!((0.35..=0.75).contains(&surrogate.coverage_50), "{}", surrogate.coverage_50);
    assert!(surrogate.ceiling > surrogate.r_squared - 0.1);
    // The word is worth .3.
    let at = |word: f64| surrogate.truth(&space.at(&[0.5, 0.5, 0.5, word]));
    assert!((at(0.9) - at(0.1) - 0.3).abs() < 0.05, "{} {}", at(0.1), at(0.9));
    assert_eq!(surrogate.divergence(&space.at(&[0.5; 4])), 0.0);
    let order = total_effects(&surrogate.landscape(), 128, 0).expect("can be analysed");
    let mut first = names(&order[..2]);
    first.sort_unstable();
    assert_eq!(first, ["word", "x1"]);
}

#[test]
fn a_surrogate_knows_where_runs_diverge() {
    let (space, trials) = recorded(0.01, |at| at.get("x2").is_some_and(|x| x > 0.8));
    let surrogate = Surrogate::fit(&space, &trials).expect("fits");
    assert!(surrogate.diverged > 15);
    let at = |x: f64| surrogate.divergence(&space.at(&[0.5, x, 0.5, 0.1]));
    assert!(at(0.95) > 0.7 && at(0.3) < 0.2, "{} {}", at(0.95), at(0.3));
}

#[test]
fn too_few_or_equal_trials_make_no_surrogate() {
    let (space, trials) = recorded(0.0, |_| false);
    let error = Surrogate::fit(&space, &trials[..20]).err().expect("is refused");
    assert!(error.to_string().contains("20 complete trials are too few"), "{error}");
    let equal: Vec<_> =
        trials.iter().map(|trial| Observation { loss: Some(1.0), ..trial.clone() }).collect();
    assert_eq!(Surrogate::fit(&space, &equal).err(), Some(SurrogateError::Unfit));
}
