//! Independent draws from the distributions of the space.

use rand::RngExt;

use super::{Question, Sampler, SamplerError, SamplerOptions};
use crate::search::space::{Configuration, Parameter, Space};

struct Random;

/// Builds the sampler; it can search every space.
pub(super) fn build(_: &SamplerOptions, _: &Space) -> Result<Box<dyn Sampler>, SamplerError> {
    Ok(Box::new(Random))
}

/// A value of `parameter`, from its own stream.
pub(super) fn draw(question: &Question, parameter: &Parameter) -> f64 {
    parameter.distribution.at(question.draws("random", &parameter.name).random())
}

/// A configuration drawn at random, as model-based samplers begin.
pub(super) fn configuration(question: &Question) -> Configuration {
    question.space.configure(|parameter, _| draw(question, parameter))
}

impl Sampler for Random {
    fn looks_back(&self) -> bool {
        false
    }

    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        Some(configuration(question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::Distribution;

    fn space(names: &[&str]) -> Space {
        let distribution = Distribution::Float { low: 0.0, high: 1.0, log: false, step: None };
        let parameters = names.iter().map(|name| Parameter {
            name: (*name).to_owned(),
            distribution: distribution.clone(),
            conditions: Vec::new(),
            default: None,
        });
        Space { parameters: parameters.collect(), ..Space::default() }
    }

    fn ask(space: &Space, number: u64) -> Configuration {
        configuration(&Question { space, seed: 3, number, history: &[] })
    }

    #[test]
    fn another_hyperparameter_leaves_the_draws_of_the_others_alone() {
        let (few, many) = (space(&["a", "b"]), space(&["c", "b", "a"]));
        for number in 0..20 {
            let (few, many) = (ask(&few, number), ask(&many, number));
            assert_eq!(few.get("a"), many.get("a"));
            assert_eq!(few.get("b"), many.get("b"));
            assert_ne!(many.get("c"), many.get("a"));
        }
    }

    #[test]
    fn draws_are_uniform_and_independent() {
        let space = space(&["a", "b"]);
        let draws: Vec<_> = (0..2000).map(|number| ask(&space, number)).collect();
        let value = |draw: &Configuration, name| draw.get(name).expect("is active");
        let mean = |f: &dyn Fn(&Configuration) -> f64| draws.iter().map(f).sum::<f64>() / 2000.0;
        assert!((mean(&|draw| value(draw, "a")) - 0.5).abs() < 0.03);
        assert!((mean(&|draw| value(draw, "a").powi(2)) - 1.0 / 3.0).abs() < 0.03);
        assert!((mean(&|draw| value(draw, "a") * value(draw, "b")) - 0.25).abs() < 0.03);
    }

    /// A change here changes recorded studies, so it must be deliberate.
    #[test]
    fn first_draws_are_pinned() {
        let draw = ask(&space(&["lr"]), 0);
        assert_eq!(draw.get("lr"), Some(0.3386422945961587));
    }
}
