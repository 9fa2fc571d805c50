//! A procedure, a search by it, and its replay on a landscape.

use super::Landscape;
use crate::random::{Purpose, derived_seed, stream};
use crate::search::Observation;
use crate::search::sampler::{
    Order, Question, Ranker, Sampler, SamplerError, SamplerOptions, sampler,
};
use crate::search::space::{Configuration, Space};

/// Where a search starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// A point drawn from the space: the same for all arms of a replicate.
    #[default]
    Random,
    /// The space's defaults: what somebody with experience would start from.
    Default,
}

/// A procedure that is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub about: String,
    /// Its sampler.
    pub sampler: String,
    /// And how that is set.
    pub options: SamplerOptions,
    /// Where it starts.
    pub start: Start,
    /// Its evaluations, as a multiple of everyone's budget.
    pub times: u64,
    /// Estimates the order from so many evaluations that nobody pays for: shows what the order alone is
    /// worth.
    pub unpaid: Option<(Ranker, u64)>,
}

impl Arm {
    /// An arm with the usual budget and start.
    pub fn new(name: &str, about: &str, sampler: &str, order: Order) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            sampler: sampler.to_owned(),
            options: SamplerOptions { order, ..SamplerOptions::default() },
            start: Start::default(),
            times: 1,
            unpaid: None,
        }
    }

    /// How many of its evaluations are for screening, of as many in all. The first is the start.
    pub fn screening(&self, evaluations: u64) -> u64 {
        self.options.order.screening().min(evaluations.saturating_sub(1))
    }
}

/// One run of an arm: asks for configurations and hears their losses.
pub struct Search {
    space: Space,
    sampler: Box<dyn Sampler>,
    seed: u64,
    evaluations: u64,
    history: Vec<Observation>,
}

impl Search {
    /// A search of replicate `replicate` under the experiment's `seed`, over `evaluations` evaluations.
    ///
    /// Arms of a replicate share start point and seed.
    ///
    /// # Errors
    /// When the arm's sampler cannot search the space.
    pub fn new(
        space: &Space,
        arm: &Arm,
        seed: u64,
        replicate: u64,
        evaluations: u64,
    ) -> Result<Self, SamplerError> {
        let seed = derived_seed(seed, Purpose::Trial, replicate);
        let start = match arm.start {
            Start::Default => space.start(),
            Start::Random => space.draw(&mut stream(seed, Purpose::Configuration, 0)),
        };
        let space = Space { points: vec![start], ..space.clone() };
        let sampler = sampler(&arm.sampler, &arm.options, &space)?;
        Ok(Self { space, sampler, seed, evaluations, history: Vec::new() })
    }

    /// What to evaluate next, with a seed for that evaluation; none once the budget is spent.
    pub fn ask(&mut self) -> Option<(Configuration, u64)> {
        let number = self.history.len() as u64;
        if number >= self.evaluations {
            return None;
        }
        let question =
            Question { space: &self.space, seed: self.seed, number, history: &self.history };
        let configuration = self.sampler.ask(&question)?;
        Some((configuration, derived_seed(self.seed, Purpose::Noise, number)))
    }

    /// Hears the loss of the configuration that was asked for; none if it diverged.
    pub fn tell(&mut self, configuration: Configuration, loss: Option<f64>) {
        let number = self.history.len() as u64;
        self.history.push(Observation::ended(number, configuration, loss));
    }

    /// The best observed evaluation so far, the first of several.
    pub fn best(&self) -> Option<&Observation> {
        let known = self.history.iter().filter(|trial| trial.loss.is_some());
        known.min_by(|a, b| a.loss.unwrap_or(0.0).total_cmp(&b.loss.unwrap_or(0.0)))
    }

    /// All evaluations.
    pub fn history(&self) -> &[Observation] {
        &self.history
    }
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// The expected loss of the best observed configuration after each evaluation; of the start while
    /// nothing else has ended.
    pub truths: Vec<f64>,
    /// Evaluations for screening.
    pub screening: u64,
    /// Evaluations in all, screening included.
    pub spent: u64,
    /// Evaluations that nobody paid for.
    pub unpaid: u64,
    /// What was found.
    pub chosen: Configuration,
}

/// Replays a search of an arm on a landscape, with `budget` evaluations times the arm's multiple.
///
/// # Errors
/// When the arm's sampler cannot search the landscape's space.
pub fn replay(
    landscape: &Landscape,
    arm: &Arm,
    seed: u64,
    replicate: u64,
    budget: u64,
) -> Result<Replay, SamplerError> {
    let mut arm = arm.clone();
    let mut unpaid = 0;
    if let Some((ranker, trials)) = arm.unpaid {
        unpaid = trials;
        arm.options.order = Order::Given(order_of(landscape, ranker, trials, seed, replicate));
    }
    let evaluations = budget * arm.times;
    let mut search = Search::new(&landscape.space, &arm, seed, replicate, evaluations)?;
    let mut truths = Vec::new();
    let mut chosen = None;
    while let Some((configuration, seed)) = search.ask() {
        let loss = landscape.observe(&configuration, seed);
        if truths.is_empty() {
            chosen = Some(((landscape.truth)(&configuration), configuration.clone()));
        }
        let before = search.best().and_then(|best| best.loss);
        search.tell(configuration, loss);
        if let Some(best) = search.best().filter(|best| best.loss != before) {
            chosen = Some(((landscape.truth)(&best.configuration), best.configuration.clone()));
        }
        truths.push(chosen.as_ref().map_or(f64::NAN, |(truth, _)| *truth));
    }
    let spent = search.history().len() as u64;
    let chosen = chosen.map(|(_, configuration)| configuration).unwrap_or_default();
    Ok(Replay { truths, screening: arm.screening(spent), spent, unpaid, chosen })
}

/// Names of the hyperparameters as a ranker orders them from trials of its own.
fn order_of(
    landscape: &Landscape,
    ranker: Ranker,
    trials: u64,
    seed: u64,
    replicate: u64,
) -> Vec<String> {
    let seed = derived_seed(seed, Purpose::Trial, replicate);
    let design = (ranker.design)(&landscape.space, seed, trials);
    let observe = |(number, configuration): (u64, Configuration)| {
        // As a paid screening would see it, which begins after the start.
        let noise = derived_seed(seed, Purpose::Noise, number + 1);
        let loss = landscape.observe(&configuration, noise);
        Observation::ended(number, configuration, loss)
    };
    let trials: Vec<_> = (0..).zip(design).map(observe).collect();
    ranker.order(&landscape.space, seed, &trials)
}
