//! Tests of arms and their repetitions.

use super::*;
use crate::data::{Augmentation, Order};
use crate::net::{NetOptions, build};
use crate::objective::LayerGroups;
use crate::train::{OptimizerSettings, Schedule, Start};

fn arm(name: &str, space: &str, follows: &[Follow]) -> Arm {
    let layers = build("tutorial", &NetOptions::default()).unwrap().layers();
    let space = Space::parse(&format!("[space]\n{space}"), &LayerGroups(&layers)).unwrap();
    let settings = RunSettings {
        epochs: 1,
        batch_size: 4,
        optimizer: OptimizerSettings::default(),
        schedule: Schedule::Cosine,
        rates: LayerRates::uniform(0.1, &layers).unwrap(),
        rule: None,
        start: Start::default(),
        seed: 0,
        order: Order::Shuffled,
        augmentation: Augmentation::None,
        diagnostics_every: None,
    };
    let base = Base {
        net: "tutorial".into(),
        options: NetOptions::default(),
        settings,
        rate: 0.1,
        weight_decay: None,
        groups: space.groups.clone(),
    };
    Arm { name: name.into(), space, base, follows: follows.to_vec() }
}

fn protocol() -> Protocol {
    Protocol {
        sampler: "tpe".into(),
        trials: 12,
        retrains: 3,
        seed: 5,
        steps: 40,
        diagnostics_every: 7,
    }
}

/// Evaluates a plan: best near a rate of .05, and nothing above .8.
fn outcome(plan: &CnnTrial) -> TrialOutcome {
    let rates: Vec<_> = plan.settings.rates.iter().map(|(l, r)| (l.to_owned(), r)).collect();
    let mean = plan.settings.rates.geometric_mean();
    let value = (mean < 0.8).then(|| 1.0 - (mean / 0.05).ln().abs() / 10.0);
    let names = rates.iter().map(|(layer, _)| layer.clone()).collect();
    let points = vec![(0, vec![0.1; 5]), (30, vec![0.2, 0.1, 0.1, 0.1, 0.4])];
    let realised = plan.settings.diagnostics_every.map(|_| RateLog::new(names, points).unwrap());
    let row = TrialRow {
        trial: plan.trial,
        arm: plan.arm.clone(),
        replicate: plan.replicate,
        seed: plan.settings.seed,
        status: if value.is_some() { TrialStatus::Complete } else { TrialStatus::Diverged },
        error: String::new(),
        epochs_run: 1,
        images_trained: 4,
        seconds: 0.0,
        value,
        validation_loss: None,
        validation_accuracy: value,
        test_loss: None,
        test_accuracy: value.filter(|_| plan.test),
        hyperparameters: plan.hyperparameters.clone(),
        rates,
    };
    TrialOutcome { row, realised }
}

/// All plans of a repetition, the first `known` of them recalled.
fn plans(arm: &Arm, known: usize) -> Vec<CnnTrial> {
    let protocol = protocol();
    let mut whole = Vec::new();
    let mut repetition = Repetition::new(arm, &protocol, 2, 100).unwrap();
    while let Some(plan) = repetition.next() {
        let plan = plan.unwrap();
        repetition.hear(Ok(outcome(&plan)));
        whole.push(plan);
    }
    let mut repetition = Repetition::new(arm, &protocol, 2, 100).unwrap();
    let outcomes: Vec<_> = whole[..known].iter().map(outcome).collect();
    let recalled = repetition.recall(|trial| -> Result<_, ObjectiveError> {
        Ok(outcomes.iter().find(|outcome| outcome.row.trial == trial).cloned())
    });
    assert_eq!(recalled.unwrap(), known);
    let mut plans = whole[..known].to_vec();
    while let Some(plan) = repetition.next() {
        let plan = plan.unwrap();
        repetition.hear(Ok(outcome(&plan)));
        plans.push(plan);
    }
    plans
}

fn described(plans: &[CnnTrial]) -> Vec<String> {
    let describe = |plan: &CnnTrial| {
        let rule = plan.settings.rule.as_ref().map(RuleChoice::name);
        let rates: Vec<_> = plan.settings.rates.iter().map(|(_, rate)| rate).collect();
        format!("{} {} {} {rates:?} {rule:?}", plan.trial, plan.arm, plan.settings.seed)
    };
    plans.iter().map(describe).collect()
}

#[test]
fn a_repetition_goes_on_wherever_it_was_interrupted() {
    let free = arm("free", "rates = { scheme = \"free\" }", &[Follow::Placebo]);
    let ruled = arm("r", "rates = { rule = \"hypergradient\" }", &[Follow::Replay]);
    for (arm, count) in [(&free, 2 * (12 + 3)), (&ruled, 12 + 3 * 3)] {
        let whole = described(&plans(arm, 0));
        assert_eq!((whole.len(), arm.trials(&protocol())), (count, count));
        for known in [1, 11, 12, 13, 15, 16, count - 1, count] {
            assert_eq!(described(&plans(arm, known)), whole, "{known}");
        }
    }
}

#[test]
fn the_placebo_has_the_winners_ratios_on_other_layers() {
    let free = arm("free", "rates = { scheme = \"free\" }", &[Follow::Placebo]);
    let plans = plans(&free, 0);
    let ratios = |plan: &CnnTrial| {
        let mean = plan.settings.rates.geometric_mean();
        plan.settings.rates.iter().map(|(_, rate)| rate / mean).collect::<Vec<_>>()
    };
    let (winner, placebo) = (ratios(&plans[12]), ratios(&plans[15]));
    assert_eq!(plans[15].arm, "placebo");
    assert!(winner.iter().zip(&placebo).any(|(a, b)| (a / b - 1.0).abs() > 1e-3));
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    for (a, b) in sorted(winner).iter().zip(sorted(placebo)) {
        assert!((a / b - 1.0).abs() < 1e-9);
    }
    // Its overall rate is searched anew.
    assert!(
        ratios(&plans[16]).iter().zip(ratios(&plans[15])).all(|(a, b)| (a / b - 1.0).abs() < 1e-9)
    );
    let mean = |plan: &CnnTrial| plan.settings.rates.geometric_mean();
    assert!((mean(&plans[16]) / mean(&plans[15]) - 1.0).abs() > 1e-3);
}

#[test]
fn replays_share_the_seeds_of_their_rule() {
    let ruled = arm("r", "rates = { rule = \"hypergradient\" }", &[Follow::Replay]);
    let plans = plans(&ruled, 0);
    let seeds = |label: &str| {
        let of_arm = plans.iter().filter(|plan| plan.arm == label && plan.test);
        of_arm.map(|plan| plan.settings.seed).collect::<Vec<_>>()
    };
    assert_eq!(seeds("r"), seeds("r/schedule"));
    assert_eq!(seeds("r"), seeds("r/vector"));
    let vector = plans.iter().find(|plan| plan.arm == "r/vector").unwrap();
    assert!(vector.settings.rule.is_none());
    let rates: Vec<_> = vector.settings.rates.iter().map(|(_, rate)| rate).collect();
    assert!(rates[4] > rates[0] && rates[0] > rates[1]);
}

#[test]
fn without_a_winner_nothing_follows() {
    let space = "rates = { scheme = \"global\", rate = { loguniform = [0.9, 1.0] } }";
    let hopeless = arm("free", space, &[Follow::Placebo]);
    assert_eq!(plans(&hopeless, 0).len(), 12);
}

#[test]
fn searches_of_an_arm_differ_and_share_no_seed() {
    let free = arm("free", "rates = { scheme = \"free\" }", &[]);
    let protocol = protocol();
    let first = |index| {
        let mut repetition = Repetition::new(&free, &protocol, index, 50 * index).unwrap();
        repetition.next().unwrap().unwrap()
    };
    let (a, b) = (first(0), first(1));
    assert_ne!(a.settings.seed, b.settings.seed);
    assert_ne!(a.settings.rates, b.settings.rates);
}
