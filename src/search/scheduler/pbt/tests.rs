use super::*;
use crate::search::scheduler::scheduler;
use crate::search::space::{Distribution, Parameter, Space};

fn space() -> Space {
    let distribution = Distribution::Float { low: 0.001, high: 1.0, log: true, step: None };
    let rate =
        Parameter { name: "rate".into(), distribution, conditions: Vec::new(), default: None };
    Space { parameters: vec![rate], ..Space::default() }
}

fn options(population: u64, trials: Option<u64>) -> SchedulerOptions {
    SchedulerOptions {
        max_t: 6,
        population,
        trials,
        perturbation_interval: 2,
        resample_probability: 0.0,
        ..SchedulerOptions::default()
    }
}

fn at(rate: f64) -> Configuration {
    [("rate".to_owned(), rate)].into_iter().collect()
}

fn report(pbt: &mut dyn Scheduler, context: Context, trial: u64, step: u64, loss: f64) -> Verdict {
    pbt.report(context, &Report { trial, step, loss: Some(loss) }).verdict
}

/// Runs a population whose loss is its trial number, its reports in the order given; returns all
/// resumptions of the first generation.
fn generation(order: &[u64]) -> Vec<Resumption> {
    let space = space();
    let context = Context { space: &space, seed: 5 };
    let mut pbt = scheduler("pbt", &options(8, None)).unwrap();
    for trial in 0..8 {
        pbt.start(context, trial, &at(0.01 * (trial + 1) as f64));
    }
    for (index, trial) in order.iter().enumerate() {
        assert_eq!(report(&mut *pbt, context, *trial, 1, 9.0), Verdict::Continue);
        assert!(pbt.resume(context).is_none(), "only {index} have paused");
        assert_eq!(report(&mut *pbt, context, *trial, 2, *trial as f64), Verdict::Pause);
    }
    std::iter::from_fn(|| pbt.resume(context)).collect()
}

#[test]
fn the_worst_quarter_takes_over_from_the_best_whoever_comes_first() {
    let resumed = generation(&[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(resumed, generation(&[7, 3, 5, 0, 1, 6, 2, 4]));
    let trials: Vec<_> = resumed.iter().map(|resumption| resumption.trial).collect();
    assert_eq!(trials, [0, 1, 2, 3, 4, 5, 6, 7]);
    for resumption in &resumed {
        assert_eq!(resumption.exploit.is_some(), resumption.trial >= 6);
        let Some(exploit) = &resumption.exploit else { continue };
        assert!(exploit.source < 2);
        let rate = exploit.configuration.get("rate").unwrap();
        let old = 0.01 * (exploit.source + 1) as f64;
        assert!([0.8, 1.2].contains(&(rate / old)) || (rate / old - 1.0).abs() < 0.2 + 1e-12);
        assert_ne!(rate, old);
    }
}

#[test]
fn a_population_waits_for_its_members_but_not_for_ended_ones() {
    let space = space();
    let context = Context { space: &space, seed: 0 };
    let mut pbt = scheduler("pbt", &options(3, Some(4))).unwrap();
    assert_eq!(pbt.capacity(), Some(3));
    pbt.start(context, 0, &at(0.1));
    assert_eq!(report(&mut *pbt, context, 0, 2, 1.0), Verdict::Pause);
    assert!(pbt.resume(context).is_none(), "two have not started");
    pbt.start(context, 1, &at(0.2));
    pbt.start(context, 2, &at(0.3));
    assert_eq!(report(&mut *pbt, context, 1, 2, f64::NAN), Verdict::Pause);
    assert!(pbt.resume(context).is_none());
    pbt.end(context, 2);
    assert_eq!(pbt.resume(context).map(|resumption| resumption.trial), Some(0));
    let second = pbt.resume(context).unwrap();
    assert_eq!(second.exploit.map(|exploit| exploit.source), Some(0), "NaN ranks last");
    // The next population is the rest of the trials: one.
    pbt.start(context, 3, &at(0.3));
    assert_eq!(report(&mut *pbt, context, 3, 2, 1.0), Verdict::Pause);
    assert_eq!(pbt.resume(context).map(|resumption| resumption.trial), Some(3));
    assert_eq!(report(&mut *pbt, context, 0, 4, 1.0), Verdict::Pause);
    assert!(pbt.resume(context).is_none(), "the first population waits for its own");
    assert_eq!(report(&mut *pbt, context, 1, 4, 2.0), Verdict::Pause);
    assert_eq!(pbt.resume(context).map(|resumption| resumption.trial), Some(0));
    assert_eq!(report(&mut *pbt, context, 0, 6, 1.0), Verdict::Finish);
}

#[test]
fn a_source_has_a_checkpoint_at_the_same_step() {
    let space = space();
    let context = Context { space: &space, seed: 0 };
    let mut pbt = scheduler("pbt", &options(2, None)).unwrap();
    pbt.start(context, 0, &at(0.1));
    pbt.start(context, 1, &at(0.2));
    report(&mut *pbt, context, 0, 3, 1.0);
    report(&mut *pbt, context, 1, 2, 5.0);
    let first = pbt.resume(context).unwrap();
    assert_eq!((first.trial, first.exploit), (1, None));
    assert_eq!(pbt.resume(context).map(|resumption| resumption.trial), Some(0));
    // After a gap the next pause is at the next multiple.
    assert_eq!(report(&mut *pbt, context, 0, 4, 1.0), Verdict::Pause);
}

#[test]
fn what_has_ended_does_not_go_on() {
    let space = space();
    let context = Context { space: &space, seed: 0 };
    let mut pbt = scheduler("pbt", &options(3, None)).unwrap();
    for trial in 0..3 {
        pbt.start(context, trial, &at(0.1));
        report(&mut *pbt, context, trial, 2, 1.0);
    }
    assert_eq!(pbt.resume(context).map(|resumption| resumption.trial), Some(0));
    pbt.end(context, 1);
    assert_eq!(pbt.resume(context).map(|resumption| resumption.trial), Some(2));
    assert_eq!(pbt.resume(context), None);
}
