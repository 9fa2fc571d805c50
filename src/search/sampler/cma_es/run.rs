//! A run of CMA-ES: generation after generation, and what to begin when nothing more comes.

use rand::{Rng, RngExt};

use super::super::Question;
use super::strategy::{self, Constants, Member};
use crate::search::space::{Configuration, Distribution, Parameter, Space};
use crate::search::trial::{Observation, TrialState};

/// Initial standard deviation in the unit cube, as in Optuna's `CmaEsSampler`.
const FIRST_SIGMA: f64 = 1.0 / 6.0;

/// How many generations later one counts although some of its trials still run.
const PATIENCE: u64 = 2;

/// How fast the probabilities of choices move.
const CHOICE_RATE: f64 = 0.3;

/// Standard deviation at which a continuous coordinate counts as converged: trials are better spent
/// elsewhere than on more digits.
const RESOLUTION: f64 = 1e-6;

/// Most times that the population is doubled.
const DOUBLINGS: u32 = 6;

/// A series of generations, after as many as are known.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Number of the first trial of the generation that is open.
    pub start: u64,
    pub constants: Constants,
    distribution: strategy::Distribution,
    /// Indices in the space of the hyperparameters that have a coordinate.
    ordered: Vec<usize>,
    /// The same of those that have choices.
    categorical: Vec<usize>,
    /// Probability of each choice.
    choices: Vec<Vec<f64>>,
    /// Best loss of each generation since the last restart.
    best: Vec<f64>,
    pub restarts: u32,
}

impl Run {
    pub(super) fn new(space: &Space, start: u64) -> Self {
        let varied = |ordered: bool| {
            let parameters = space.parameters.iter().enumerate();
            let varied = parameters.filter(move |(_, parameter)| {
                let distribution = &parameter.distribution;
                distribution.is_ordered() == ordered && distribution.levels() != Some(1)
            });
            varied.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let (ordered, categorical) = (varied(true), varied(false));
        let middle = |&index: &usize| {
            let Parameter { distribution, default, .. } = &space.parameters[index];
            let default = default.filter(|default| distribution.contains(*default));
            default.map_or(0.5, |default| distribution.position(default))
        };
        let mean: Vec<f64> = ordered.iter().map(middle).collect();
        let coordinates = mean.len().max(1);
        let population = Constants::default_population(coordinates);
        Self {
            start,
            constants: Constants::new(coordinates, population),
            distribution: strategy::Distribution::new(mean, FIRST_SIGMA),
            choices: uniform_choices(space, &categorical),
            ordered,
            categorical,
            best: Vec::new(),
            restarts: 0,
        }
    }

    /// Takes in all generations that are known well enough.
    pub(super) fn follow(&mut self, question: &Question) {
        loop {
            let population = self.constants.population as u64;
            let end = self.start + population;
            if end > question.number {
                break;
            }
            let first = question.history.partition_point(|trial| trial.number < self.start);
            let last = question.history.partition_point(|trial| trial.number < end);
            let trials = &question.history[first..last];
            let running = trials.iter().filter(|trial| trial.state == TrialState::Running).count();
            // What half of a generation tells is worth more than waiting for the other half.
            let waits = 2 * running > trials.len() && question.number < end + PATIENCE * population;
            if waits {
                break;
            }
            self.tell(question, trials);
            self.start = end;
            if self.is_exhausted(question.space) {
                self.restart(question);
            }
        }
    }

    /// Takes in a generation.
    fn tell(&mut self, question: &Question, trials: &[Observation]) {
        let mut order: Vec<&Observation> = trials.iter().collect();
        let loss = |trial: &Observation| trial.loss.filter(|loss| loss.is_finite());
        order.sort_by(|a, b| {
            let key = |trial| (loss(trial).is_none(), trial.state == TrialState::Running);
            let by_loss = loss(a).partial_cmp(&loss(b)).unwrap_or(std::cmp::Ordering::Equal);
            key(a).cmp(&key(b)).then(by_loss)
        });
        let mut ranked: Vec<Member> =
            order.iter().map(|trial| self.member(question, trial)).collect();
        // Trials that are unknown altogether, as of a study that another program began.
        while ranked.len() < self.constants.population {
            let point = self.distribution.mean.clone();
            ranked.push(Member { point, told: false, bad: false, foreign: false });
        }
        self.tell_choices(question.space, &order);
        if !self.ordered.is_empty() {
            self.distribution.update(&self.constants, &ranked);
        }
        self.best.extend(order.first().and_then(|trial| loss(trial)));
    }

    fn member(&self, question: &Question, trial: &Observation) -> Member {
        let (proposed, mut point) = self.propose(question, trial.number);
        let foreign = proposed != trial.configuration;
        if foreign {
            for (x, &index) in point.iter_mut().zip(&self.ordered) {
                let Parameter { name, distribution, .. } = &question.space.parameters[index];
                let value = trial.configuration.get(name);
                if let Some(value) = value.filter(|value| distribution.contains(*value)) {
                    *x = distribution.position(value);
                }
            }
        }
        let told = trial.loss.is_some_and(f64::is_finite);
        let bad = !told && trial.state.is_finished();
        Member { point, told, bad, foreign }
    }

    /// Moves the probabilities of choices towards those of the parents.
    fn tell_choices(&mut self, space: &Space, order: &[&Observation]) {
        let count = self.categorical.len() as f64;
        for (probabilities, &index) in self.choices.iter_mut().zip(&self.categorical) {
            let Parameter { name, distribution, .. } = &space.parameters[index];
            let mut shares = vec![0.0; probabilities.len()];
            let parents = order.iter().take(self.constants.parents);
            for (trial, weight) in parents.zip(&self.constants.weights) {
                let value = trial.configuration.get(name);
                let value = value.filter(|value| distribution.contains(*value));
                if let Some(value) = value.filter(|_| trial.loss.is_some()) {
                    shares[value as usize] += weight;
                }
            }
            let total: f64 = shares.iter().sum();
            if total <= 0.0 {
                continue;
            }
            let least = 0.27 / (count * (shares.len() as f64 - 1.0)).max(1.0);
            let least = least.min(0.5 / shares.len() as f64);
            for (probability, share) in probabilities.iter_mut().zip(&shares) {
                *probability += CHOICE_RATE * (share / total - *probability);
                *probability = probability.max(least);
            }
            let total: f64 = probabilities.iter().sum();
            probabilities.iter_mut().for_each(|probability| *probability /= total);
        }
    }

    /// Whether nothing more is to be expected of this distribution. Judged by ranks and widths, so
    /// that a monotone transform of the loss changes nothing.
    fn is_exhausted(&self, space: &Space) -> bool {
        if self.ordered.is_empty() {
            return false;
        }
        let narrow = self.ordered.iter().enumerate().all(|(coordinate, &index)| {
            let levels = space.parameters[index].distribution.levels();
            let resolution = levels.map_or(RESOLUTION, |levels| 0.01 / levels as f64);
            self.distribution.deviation(coordinate) < resolution
        });
        let (ratio, largest) = self.distribution.axis_ratio();
        let window = 10 + (30 * self.ordered.len()).div_ceil(self.constants.population);
        let recent = &self.best[self.best.len().saturating_sub(window)..];
        let flat = recent.len() == window && recent.iter().all(|best| *best == recent[0]);
        // Also true for NaN.
        let broken = !(ratio < 1e7 && largest < 1e3);
        narrow || flat || broken
    }

    /// A new distribution elsewhere, with a larger population.
    fn restart(&mut self, question: &Question) {
        let question = Question { number: self.start, ..*question };
        let mut generator = question.draws("cma-es", "restart");
        let mean = self.ordered.iter().map(|_| generator.random()).collect();
        self.restarts += 1;
        let coordinates = self.ordered.len().max(1);
        let population = Constants::default_population(coordinates);
        self.constants = Constants::new(coordinates, population << self.restarts.min(DOUBLINGS));
        self.distribution = strategy::Distribution::new(mean, FIRST_SIGMA);
        self.choices = uniform_choices(question.space, &self.categorical);
        self.best.clear();
    }

    /// What the distribution gives for a trial: a configuration, and its point before rounding.
    pub(super) fn propose(&self, question: &Question, number: u64) -> (Configuration, Vec<f64>) {
        let question = Question { number, ..*question };
        let mut generator = question.draws("cma-es", "point");
        let point = self.draw(&mut generator);
        let mut coordinates = point.iter().enumerate();
        let mut position_of = vec![0.5; question.space.parameters.len()];
        for (&index, (coordinate, x)) in self.ordered.iter().zip(&mut coordinates) {
            let distribution = &question.space.parameters[index].distribution;
            position_of[index] = self.with_margin(coordinate, distribution, *x);
        }
        for (&index, probabilities) in self.categorical.iter().zip(&self.choices) {
            let mut left = generator.random::<f64>();
            let passed = probabilities.iter().take_while(|probability| {
                left -= **probability;
                left >= 0.0
            });
            let level = passed.count().min(probabilities.len() - 1);
            position_of[index] = (level as f64 + 0.5) / probabilities.len() as f64;
        }
        let mut configuration = Configuration::default();
        for (parameter, position) in question.space.parameters.iter().zip(position_of) {
            if question.space.is_active(parameter, &configuration) {
                configuration.set(&parameter.name, parameter.distribution.at(position));
            }
        }
        (configuration, point)
    }

    /// A point of the unit cube.
    fn draw(&self, generator: &mut impl Rng) -> Vec<f64> {
        let standard = Distribution::Normal { mean: 0.0, sd: 1.0 };
        let mut attempt = || {
            let normal: Vec<f64> =
                self.ordered.iter().map(|_| standard.at(generator.random())).collect();
            self.distribution.point(&normal)
        };
        for _ in 0..10 * self.ordered.len() {
            let point = attempt();
            if point.iter().all(|x| (0.0..=1.0).contains(x)) {
                return point;
            }
        }
        attempt().into_iter().map(|x| x.clamp(0.0, 1.0)).collect()
    }

    /// A discrete coordinate moved away from the mean so far that the nearest other level keeps
    /// its probability.
    fn with_margin(&self, coordinate: usize, distribution: &Distribution, x: f64) -> f64 {
        let mean = self.distribution.mean[coordinate].clamp(0.0, 1.0);
        let Some((below, above)) = borders(distribution, mean) else { return x };
        let nearest =
            [below, above].into_iter().filter(|border| (1e-9..1.0 - 1e-9).contains(border));
        let nearest = nearest.map(|border| (border - mean).abs()).fold(f64::INFINITY, f64::min);
        let dimensions = (self.ordered.len() * self.constants.population) as f64;
        let reach = Distribution::Normal { mean: 0.0, sd: 1.0 }.at(1.0 - 1.0 / dimensions.max(4.0));
        let least = nearest / reach;
        let deviation = self.distribution.deviation(coordinate);
        if least.is_finite() && least > deviation && deviation > 0.0 {
            (mean + (x - mean) * least / deviation).clamp(0.0, 1.0)
        } else {
            x
        }
    }
}

fn uniform_choices(space: &Space, categorical: &[usize]) -> Vec<Vec<f64>> {
    let levels = |&index: &usize| space.parameters[index].distribution.levels().unwrap_or(1);
    let uniform = |levels: u64| vec![1.0 / levels as f64; levels as usize];
    categorical.iter().map(|index| uniform(levels(index))).collect()
}

/// Where the level at a position ends, below and above; `None` in a continuum.
fn borders(distribution: &Distribution, position: f64) -> Option<(f64, f64)> {
    let levels = distribution.levels()? as f64;
    if let Distribution::Int { log: true, .. } = distribution {
        let value = distribution.at(position);
        return Some((distribution.position(value - 0.5), distribution.position(value + 0.5)));
    }
    let level = (position * levels).floor().min(levels - 1.0);
    Some((level / levels, (level + 1.0) / levels))
}
