//! `mixed`: a stand-in for tuning a network, our own.
//!
//! Four variables of four kinds: `optimizer` (one of four), `lr` (log-uniform in [1e-5, 1]),
//! `units` (whole numbers 1..=64, by the logarithm), and `dropout` (uniform in [0, 1]). As in
//! tuning, each optimiser wants a learning rate of its own, larger nets want smaller rates and more
//! dropout, and the learning rate matters most. All terms but the optimiser's offset are squares,
//! so the one minimum is where they vanish: adam, lr = 0.001, units = 32, dropout = 0.3, with the
//! value 0.05.

use super::formula;
use super::{Dimension, Family};
use crate::search::space::{Choice, Distribution, Parameter, Space};

pub(super) const MIXED: Family = Family {
    name: "mixed",
    description: "stand-in for tuning a network: a choice, a rate, a size and a fraction",
    dimension: Dimension::Fixed(4),
    minimum: 0.05,
    bounds: |_| vec![(0.0, 3.0), (1e-5, 1.0), (1.0, 64.0), (0.0, 1.0)],
    minimizers: |_| vec![vec![2.0, 1e-3, 32.0, 0.3]],
    evaluate: formula::mixed,
    space: Some(space),
};

fn space() -> Space {
    let optimizers = ["sgd", "momentum", "adam", "rmsprop"];
    let choices = optimizers.iter().map(|&name| Choice::Text(name.to_owned())).collect();
    let parameters = [
        ("optimizer", Distribution::Categorical { choices }),
        ("lr", Distribution::Float { low: 1e-5, high: 1.0, log: true, step: None }),
        ("units", Distribution::Int { low: 1, high: 64, log: true, step: 1 }),
        ("dropout", Distribution::Float { low: 0.0, high: 1.0, log: false, step: None }),
    ];
    let parameters = parameters.into_iter().map(|(name, distribution)| Parameter {
        name: name.to_owned(),
        distribution,
        conditions: Vec::new(),
        default: None,
    });
    Space { parameters: parameters.collect(), ..Space::default() }
}
