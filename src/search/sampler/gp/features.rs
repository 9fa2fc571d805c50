//! Configurations as points of the Gaussian process.

use crate::search::space::{Configuration, Distribution, Space};
use rand::{Rng, RngExt};

/// A coordinate where an ordered hyperparameter that does not exist is put.
const ABSENT: f64 = 0.5;

/// The level of a categorical hyperparameter that does not exist: unlike all others.
const ABSENT_LEVEL: f64 = -1.0;

/// A discrete hyperparameter with more levels than this is searched as if it were continuous, and
/// rounded in the end.
const FINE: u64 = 64;

/// How the hyperparameters of a space become coordinates: **ordered ones first**, by
/// [`Distribution::position`], then categorical ones, by their index. Those with a single value
/// have none.
///
/// A *latent* point has a value for every coordinate, also of hyperparameters that do not exist
/// there; a *canonical* one has [`ABSENT`] for those and rounds discrete ones, so equal
/// configurations have equal canonical points.
pub(super) struct Features<'a> {
    space: &'a Space,
    /// Index of the hyperparameter of each coordinate.
    parameters: Vec<usize>,
    /// Coordinates of ordered hyperparameters.
    ordered: usize,
    /// Coordinate of each hyperparameter.
    coordinates: Vec<Option<usize>>,
    conditional: bool,
}

impl<'a> Features<'a> {
    pub(super) fn new(space: &'a Space) -> Self {
        let varied = |ordered: bool| {
            let parameters = space.parameters.iter().enumerate();
            parameters
                .filter(move |(_, parameter)| parameter.distribution.is_ordered() == ordered)
                .filter(|(_, parameter)| parameter.distribution.levels() != Some(1))
                .map(|(index, _)| index)
        };
        let mut parameters: Vec<usize> = varied(true).collect();
        let ordered = parameters.len();
        parameters.extend(varied(false));
        let mut coordinates = vec![None; space.parameters.len()];
        for (coordinate, &parameter) in parameters.iter().enumerate() {
            coordinates[parameter] = Some(coordinate);
        }
        let conditional = space.parameters.iter().any(|p| !p.conditions.is_empty());
        Self { space, parameters, ordered, coordinates, conditional }
    }

    /// Number of coordinates.
    pub(super) fn len(&self) -> usize {
        self.parameters.len()
    }

    /// Number of ordered coordinates.
    pub(super) fn ordered(&self) -> usize {
        self.ordered
    }

    /// What a coordinate is drawn from.
    pub(super) fn distribution(&self, coordinate: usize) -> &'a Distribution {
        &self.space.parameters[self.parameters[coordinate]].distribution
    }

    /// The canonical point of a configuration; `None` if a hyperparameter that exists in this
    /// space is missing or lies outside its distribution.
    pub(super) fn encode(&self, configuration: &Configuration) -> Option<Vec<f64>> {
        let mut point = vec![ABSENT; self.len()];
        point[self.ordered..].fill(ABSENT_LEVEL);
        for (parameter, coordinate) in self.space.parameters.iter().zip(&self.coordinates) {
            if !self.space.is_active(parameter, configuration) {
                continue;
            }
            let distribution = &parameter.distribution;
            let value = configuration.get(&parameter.name);
            let value = value.filter(|value| distribution.contains(*value))?;
            if let Some(coordinate) = *coordinate {
                point[coordinate] =
                    if coordinate < self.ordered { distribution.position(value) } else { value };
            }
        }
        Some(point)
    }

    /// The configuration at a latent point.
    pub(super) fn decode(&self, latent: &[f64]) -> Configuration {
        let mut configuration = Configuration::default();
        for (parameter, coordinate) in self.space.parameters.iter().zip(&self.coordinates) {
            if self.space.is_active(parameter, &configuration) {
                let value = match *coordinate {
                    Some(coordinate) if coordinate >= self.ordered => latent[coordinate],
                    Some(coordinate) => parameter.distribution.at(latent[coordinate]),
                    None => parameter.distribution.at(0.5),
                };
                configuration.set(&parameter.name, value);
            }
        }
        configuration
    }

    /// The canonical point of a latent one.
    pub(super) fn canonical(&self, latent: &[f64]) -> Vec<f64> {
        if self.conditional {
            // What `decode` builds always fits.
            return self.encode(&self.decode(latent)).unwrap_or_else(|| latent.to_vec());
        }
        let mut point = latent.to_vec();
        for (coordinate, value) in point[..self.ordered].iter_mut().enumerate() {
            let distribution = self.distribution(coordinate);
            if distribution.levels().is_some() {
                *value = distribution.position(distribution.at(*value));
            }
        }
        point
    }

    /// Which continuous coordinates, or such with very many levels, exist at a latent point.
    pub(super) fn continuous(&self, latent: &[f64]) -> Vec<usize> {
        let configuration = self.conditional.then(|| self.decode(latent));
        let exists = |coordinate: &usize| {
            let name = &self.space.parameters[self.parameters[*coordinate]].name;
            configuration.as_ref().is_none_or(|configuration| configuration.get(name).is_some())
        };
        (0..self.ordered)
            .filter(|&coordinate| self.distribution(coordinate).levels().is_none_or(|n| n > FINE))
            .filter(exists)
            .collect()
    }

    /// The other coordinates, and how many levels they have.
    pub(super) fn discrete(&self) -> Vec<(usize, u64)> {
        let levels = |coordinate| self.distribution(coordinate).levels();
        let few = |at: usize| {
            let categorical = at >= self.ordered;
            levels(at).filter(|&n| n <= FINE || categorical).map(|n| (at, n))
        };
        (0..self.len()).filter_map(few).collect()
    }

    /// A latent value for level `level` of a discrete coordinate.
    pub(super) fn level(&self, coordinate: usize, level: u64) -> f64 {
        match *self.distribution(coordinate) {
            Distribution::Categorical { .. } => level as f64,
            ref distribution @ Distribution::Int { low, step, .. } => {
                distribution.position((low + level as i64 * step.max(1)) as f64)
            }
            ref distribution => (level as f64 + 0.5) / distribution.levels().unwrap_or(1) as f64,
        }
    }

    /// The level of a discrete coordinate at a latent value.
    pub(super) fn level_at(&self, coordinate: usize, latent: f64) -> u64 {
        match *self.distribution(coordinate) {
            Distribution::Categorical { .. } => latent as u64,
            ref distribution @ Distribution::Int { low, step, .. } => {
                ((distribution.at(latent) - low as f64) / step.max(1) as f64).round() as u64
            }
            ref distribution => {
                let levels = distribution.levels().unwrap_or(1);
                ((latent * levels as f64) as u64).min(levels - 1)
            }
        }
    }

    /// A latent point drawn uniformly.
    pub(super) fn draw(&self, generator: &mut impl Rng) -> Vec<f64> {
        (0..self.len())
            .map(|coordinate| {
                let u = generator.random::<f64>();
                if coordinate < self.ordered { u } else { self.distribution(coordinate).at(u) }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use crate::search::space::{Choice, Condition, Parameter};

    fn space() -> Space {
        let parameter = |name: &str, distribution, conditions| Parameter {
            name: name.to_owned(),
            distribution,
            conditions,
            default: None,
        };
        let choices = vec![Choice::Text("sgd".into()), Choice::Text("adam".into())];
        let sgd = vec![Condition { parameter: "optimizer".to_owned(), values: vec![0.0] }];
        let float = |low, high, log| Distribution::Float { low, high, log, step: None };
        Space {
            parameters: vec![
                parameter("optimizer", Distribution::Categorical { choices }, vec![]),
                parameter("lr", float(1e-4, 1.0, true), vec![]),
                parameter("fixed", float(2.0, 2.0, false), vec![]),
                parameter("momentum", float(0.0, 1.0, false), sgd),
                parameter(
                    "layers",
                    Distribution::Int { low: 1, high: 9, log: true, step: 1 },
                    vec![],
                ),
                parameter(
                    "width",
                    Distribution::Int { low: 4, high: 16, log: false, step: 4 },
                    vec![],
                ),
            ],
            ..Space::default()
        }
    }

    #[test]
    fn configurations_and_points_map_back_and_forth() {
        let space = space();
        let features = Features::new(&space);
        assert_eq!((features.len(), features.ordered()), (5, 4));
        let mut generator = stream(1, Purpose::Sampler, 0);
        for _ in 0..200 {
            let latent = features.draw(&mut generator);
            let configuration = features.decode(&latent);
            assert!(space.contains(&configuration));
            let point = features.encode(&configuration).unwrap();
            assert_eq!(point, features.canonical(&latent));
            for ((_, back), (_, value)) in features.decode(&point).iter().zip(configuration.iter())
            {
                assert!((back - value).abs() < 1e-12 * value.abs().max(1.0));
            }
            let sgd = configuration.get("optimizer") == Some(0.0);
            assert_eq!(point[1] == ABSENT, !sgd);
            assert_eq!(features.continuous(&latent), if sgd { vec![0, 1] } else { vec![0] });
        }
    }

    #[test]
    fn levels_map_back_and_forth() {
        let space = space();
        let features = Features::new(&space);
        assert_eq!(features.discrete(), [(2, 9), (3, 4), (4, 2)]);
        for (coordinate, levels) in features.discrete() {
            for level in 0..levels {
                let latent = features.level(coordinate, level);
                assert_eq!(features.level_at(coordinate, latent), level, "{coordinate} {level}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_has_no_point() {
        let space = space();
        let features = Features::new(&space);
        let mut configuration = features.decode(&features.canonical(&[0.5; 5].map(|_| 0.0)));
        assert!(features.encode(&configuration).is_some());
        configuration.set("unknown", 3.0);
        assert!(features.encode(&configuration).is_some());
        configuration.set("lr", 2.0);
        assert!(features.encode(&configuration).is_none());
        assert!(features.encode(&Configuration::default()).is_none());
    }
}
