//! What holds for every method, and known answers.

mod answers;
mod contract;
mod edges;

use rand::RngExt;

use super::{Observations, Outcome, Parameter, Row};
use crate::random::{Purpose, stream};
use crate::search::space::{Choice, Distribution};

pub(super) fn float(low: f64, high: f64, log: bool) -> Distribution {
    Distribution::Float { low, high, log, step: None }
}

pub(super) fn int(low: i64, high: i64, log: bool) -> Distribution {
    Distribution::Int { low, high, log, step: 1 }
}

pub(super) fn choices(count: usize) -> Distribution {
    Distribution::Categorical { choices: (0..count as i64).map(Choice::Int).collect() }
}

pub(super) fn parameters(distributions: Vec<Distribution>) -> Vec<Parameter> {
    let named = |(place, distribution)| Parameter { name: format!("x{place}"), distribution };
    distributions.into_iter().enumerate().map(named).collect()
}

/// Complete trials drawn at random, with the loss of a function of the internal values.
pub(super) fn drawn(
    distributions: Vec<Distribution>,
    count: u64,
    seed: u64,
    loss: impl Fn(&[f64]) -> f64,
) -> Observations {
    let parameters = parameters(distributions);
    let row = |trial| {
        let mut draws = stream(seed, Purpose::Configuration, trial);
        let values: Vec<f64> = parameters
            .iter()
            .map(|parameter| parameter.distribution.at(draws.random::<f64>()))
            .collect();
        let outcome = Outcome::Complete(loss(&values));
        Row { trial, values: values.into_iter().map(Some).collect(), outcome, reports: vec![] }
    };
    Observations { rows: (0..count).map(row).collect(), parameters }
}
