//! All combinations of levels, each once.
//!
//! Choices and whole numbers have their levels; a continuum gets a number of them, spread evenly
//! over its range, ends included (in the logarithm where the distribution is logarithmic; a normal
//! distribution: the middles of shares of equal probability). The first trial has the lowest level
//! of everything, and the last hyperparameter changes fastest. A hyperparameter whose conditions
//! do not hold takes no level, so that no combination of the active ones comes twice.

use super::{Question, Sampler, SamplerError, SamplerOptions};
use crate::search::space::{Configuration, Distribution, Parameter, Space};

struct Grid {
    /// Levels of a continuum.
    levels: u64,
    /// Where the last question was answered, since the next one is mostly one step further.
    place: Option<Place>,
}

/// A place in the order of combinations.
struct Place {
    parameters: Vec<Parameter>,
    /// How many combinations come before.
    index: u64,
    /// The level of each active hyperparameter, with their number of levels.
    levels: Vec<Option<(u64, u64)>>,
    /// There is no combination with this index, nor later.
    ended: bool,
}

/// Builds the sampler.
///
/// # Errors
/// A hyperparameter has a continuum of values and the options give it no levels.
pub(super) fn build(
    options: &SamplerOptions,
    space: &Space,
) -> Result<Box<dyn Sampler>, SamplerError> {
    let mut parameters = space.parameters.iter();
    match options.grid_levels {
        Some(0) => Err(SamplerError::ZeroLevels),
        Some(levels) => Ok(Box::new(Grid { levels, place: None })),
        None => match parameters.find(|parameter| parameter.distribution.levels().is_none()) {
            None => Ok(Box::new(Grid { levels: 1, place: None })),
            Some(Parameter { name, .. }) => Err(SamplerError::NoLevels { parameter: name.clone() }),
        },
    }
}

/// The value of a level, of as many.
pub(super) fn value(distribution: &Distribution, level: u64, levels: u64) -> f64 {
    let ends_included = distribution.levels().is_none()
        && !matches!(distribution, Distribution::Normal { .. })
        && levels > 1;
    let middle = (level as f64 + 0.5) / levels as f64;
    match *distribution {
        // Not by the share of the interval: log-uniform whole numbers have unequal ones.
        Distribution::Int { low, step, .. } => low as f64 + level as f64 * step.max(1) as f64,
        _ if ends_included => distribution.at(level as f64 / (levels - 1) as f64),
        _ => distribution.at(middle),
    }
}

impl Place {
    fn first(space: &Space, continuum: u64) -> Self {
        let levels = vec![None; space.parameters.len()];
        let mut place =
            Self { parameters: space.parameters.clone(), index: 0, levels, ended: false };
        place.lowest_from(0, space, continuum);
        place
    }

    /// Gives the hyperparameters from `start` on their lowest level where they are active.
    fn lowest_from(&mut self, start: usize, space: &Space, continuum: u64) {
        let mut configuration = self.configuration(start);
        for (slot, parameter) in self.levels.iter_mut().zip(&space.parameters).skip(start) {
            *slot = space.is_active(parameter, &configuration).then(|| {
                let levels = parameter.distribution.levels().unwrap_or(continuum);
                configuration.set(&parameter.name, value(&parameter.distribution, 0, levels));
                (0, levels)
            });
        }
    }

    /// The values of the first `count` hyperparameters.
    fn configuration(&self, count: usize) -> Configuration {
        let slots = self.parameters.iter().zip(&self.levels).take(count);
        let active = slots.filter_map(|(parameter, slot)| slot.map(|slot| (parameter, slot)));
        active
            .map(|(parameter, (level, levels))| {
                (parameter.name.clone(), value(&parameter.distribution, level, levels))
            })
            .collect()
    }

    /// Goes to the next combination.
    fn advance(&mut self, space: &Space, continuum: u64) {
        self.index += 1;
        for place in (0..self.levels.len()).rev() {
            if let Some((level, levels)) = &mut self.levels[place]
                && *level + 1 < *levels
            {
                *level += 1;
                self.lowest_from(place + 1, space, continuum);
                return;
            }
        }
        self.ended = true;
    }
}

impl Sampler for Grid {
    fn looks_back(&self) -> bool {
        false
    }

    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let index = question.design_index();
        let usable = self
            .place
            .take()
            .filter(|place| place.index <= index && place.parameters == question.space.parameters);
        let mut place = usable.unwrap_or_else(|| Place::first(question.space, self.levels));
        while place.index < index && !place.ended {
            place.advance(question.space, self.levels);
        }
        let answer = (!place.ended).then(|| place.configuration(place.parameters.len()));
        self.place = Some(place);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::{Choice, Condition};

    fn parameter(name: &str, distribution: Distribution, when: Option<(&str, f64)>) -> Parameter {
        let condition = |(parent, value): (&str, f64)| Condition {
            parameter: parent.into(),
            values: vec![value],
        };
        let conditions = when.map(condition).into_iter().collect();
        Parameter { name: name.into(), distribution, conditions, default: None }
    }

    fn choice(count: i64) -> Distribution {
        Distribution::Categorical { choices: (0..count).map(Choice::Int).collect() }
    }

    fn all(space: &Space, levels: Option<u64>) -> Vec<Vec<f64>> {
        let options = SamplerOptions { grid_levels: levels, ..SamplerOptions::default() };
        let mut grid = build(&options, space).expect("has levels");
        let ask = |number| grid.ask(&Question { space, seed: 0, number, history: &[] });
        let found = (0..1000).map_while(ask);
        found.map(|found| found.iter().map(|(_, value)| value).collect()).collect()
    }

    #[test]
    fn the_last_hyperparameter_changes_fastest() {
        let int = Distribution::Int { low: 1, high: 5, log: true, step: 1 };
        let parameters = vec![parameter("a", choice(2), None), parameter("b", int, None)];
        let space = Space { parameters, ..Space::default() };
        let expected: Vec<Vec<f64>> =
            (0..10).map(|i| vec![f64::from(i / 5), f64::from(i % 5 + 1)]).collect();
        assert_eq!(all(&space, None), expected);
    }

    #[test]
    fn combinations_of_what_is_inactive_come_once() {
        let parameters = vec![
            parameter("optimizer", choice(2), None),
            parameter("momentum", choice(3), Some(("optimizer", 1.0))),
            parameter("nesterov", choice(2), Some(("momentum", 2.0))),
            parameter("width", choice(2), None),
        ];
        let space = Space { parameters, ..Space::default() };
        let found = all(&space, None);
        let expected: &[&[f64]] = &[
            &[0.0, 0.0],
            &[0.0, 1.0],
            &[1.0, 0.0, 0.0],
            &[1.0, 0.0, 1.0],
            &[1.0, 1.0, 0.0],
            &[1.0, 1.0, 1.0],
            &[1.0, 2.0, 0.0, 0.0],
            &[1.0, 2.0, 0.0, 1.0],
            &[1.0, 2.0, 1.0, 0.0],
            &[1.0, 2.0, 1.0, 1.0],
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_continuum_gets_levels_with_both_ends() {
        let log = Distribution::Float { low: 1e-4, high: 1.0, log: true, step: None };
        let space = Space { parameters: vec![parameter("lr", log, None)], ..Space::default() };
        let found = all(&space, Some(5));
        for (found, expected) in found.iter().zip([1e-4, 1e-3, 1e-2, 1e-1, 1.0]) {
            assert!((found[0] / expected - 1.0).abs() < 1e-12, "{found:?}");
        }
        assert_eq!(found.len(), 5);
        let error = build(&SamplerOptions::default(), &space).err().expect("has no levels");
        let error = error.to_string();
        assert!(error.contains("`lr`") && error.contains("--grid-levels"), "{error}");
    }

    #[test]
    fn going_back_is_as_good_as_going_on() {
        let parameters = vec![parameter("a", choice(3), None), parameter("b", choice(4), None)];
        let space = Space { parameters, ..Space::default() };
        let mut grid = Grid { levels: 1, place: None };
        let mut ask = |number| grid.ask(&Question { space: &space, seed: 0, number, history: &[] });
        let forwards: Vec<_> = (0..14).map(&mut ask).collect();
        let backwards: Vec<_> = (0..14).rev().map(&mut ask).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()));
        assert_eq!(forwards.iter().flatten().count(), 12);
        let parameters = vec![parameter("b", choice(9), None)];
        let other = Space { parameters, ..Space::default() };
        let found = grid.ask(&Question { space: &other, seed: 0, number: 7, history: &[] });
        assert_eq!(found.and_then(|found| found.get("b")), Some(7.0));
    }
}
