//! An arm of an experiment: a procedure that finds layer rates, repeated as a whole.
//!
//! One repetition is a chain of trials: a search, in which each trial may depend on those before it;
//! then the winner on fresh seeds; then what follows from the winner, a placebo or a replay.
//! Everything in it is a function of the experiment's seed, the arm and the repetition's number, so
//! repetitions run beside each other and go on after an interruption bit for bit.

use std::sync::Arc;

use rand::seq::SliceRandom;

use super::settings::Base;
use super::{CnnTrial, TrialError};
use crate::random::{Purpose, derived_seed, stream};
use crate::rates::{LayerRates, RateLog};
use crate::record::{TrialRow, TrialStatus};
use crate::search::sampler::{Question, Sampler, SamplerError, SamplerOptions, sampler};
use crate::search::space::{Configuration, Parameter, Space};
use crate::search::{Chain, ObjectiveError, Observation, TrialState};
use crate::train::{RuleChoice, RunSettings};

/// The phase of trials that look for the arm's best configuration.
pub const SEARCH: &str = "search";
/// The phase of trials that train the winner anew on fresh seeds, to be tested once each.
pub const RETRAIN: &str = "retrain";

/// Seeds of retrained models start here, far from those of searches.
const RETRAIN_SEED: u64 = 1_000_000;

/// What is done with a search's winner beside retraining it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The winner's ratios between layers are dealt to other layers and the overall rate is searched
    /// again, with as many trials: what is left of the gain has nothing to do with which layer has
    /// which rate.
    Placebo,
    /// The rates that the winner's rule realised are replayed on the same seeds: as a schedule, and
    /// collapsed to one vector.
    Replay,
}

/// A procedure that finds layer rates: a space to search and what follows.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Name, as in the tables.
    pub name: String,
    /// What is searched.
    pub space: Space,
    /// What the space leaves alone.
    pub base: Base,
    /// What follows a search.
    pub follows: Vec<Follow>,
}

/// How every arm is searched.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Sampler by name.
    pub sampler: String,
    /// Trials a search.
    pub trials: usize,
    /// Fresh seeds for each winner.
    pub retrains: usize,
    /// Seed of the experiment.
    pub seed: u64,
    /// Optimiser steps of a training.
    pub steps: u64,
    /// Steps between the rows of layers that the first retrained model of each winner leaves.
    pub diagnostics_every: u64,
}

/// A part of a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Search,
    Retrain,
    PlaceboSearch,
    PlaceboRetrain,
    Schedule,
    Vector,
}

impl Arm {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::Search, Stage::Retrain];
        for follow in &self.follows {
            stages.extend(match follow {
                Follow::Placebo => [Stage::PlaceboSearch, Stage::PlaceboRetrain],
                Follow::Replay => [Stage::Schedule, Stage::Vector],
            });
        }
        stages
    }

    /// The name under which a stage's trials stand in the tables.
    fn label(&self, stage: Stage) -> String {
        match stage {
            Stage::Search | Stage::Retrain => self.name.clone(),
            Stage::PlaceboSearch | Stage::PlaceboRetrain if self.name == "free" => "placebo".into(),
            Stage::PlaceboSearch | Stage::PlaceboRetrain => format!("{}/placebo", self.name),
            Stage::Schedule => format!("{}/schedule", self.name),
            Stage::Vector => format!("{}/vector", self.name),
        }
    }

    /// Names of all arms that come of this one, itself first.
    pub fn labels(&self) -> Vec<String> {
        let mut labels: Vec<_> = self.stages().into_iter().map(|stage| self.label(stage)).collect();
        labels.dedup();
        labels
    }

    /// Trials of one repetition.
    pub fn trials(&self, protocol: &Protocol) -> usize {
        self.stages().into_iter().map(|stage| protocol.jobs(stage)).sum()
    }
}

impl Protocol {
    fn jobs(&self, stage: Stage) -> usize {
        match stage {
            Stage::Search | Stage::PlaceboSearch => self.trials,
            _ => self.retrains,
        }
    }
}

/// A configuration that can be trained.
#[derive(Clone, Debug)]
struct Candidate {
    hyperparameters: Vec<(String, String)>,
    settings: RunSettings,
}

/// A search under way.
struct Searching {
    space: Space,
    sampler: Box<dyn Sampler>,
    seed: u64,
    history: Vec<Observation>,
    best: Option<(f64, Candidate)>,
}

impl Searching {
    fn new(space: Space, protocol: &Protocol, seed: u64) -> Result<Self, SamplerError> {
        let sampler = sampler(&protocol.sampler, &SamplerOptions::default(), &space)?;
        Ok(Self { space, sampler, seed, history: Vec::new(), best: None })
    }

    fn ask(&mut self) -> Option<Configuration> {
        let Self { space, sampler, seed, history, .. } = self;
        let number = history.len() as u64;
        sampler.ask(&Question { space, seed: *seed, number, history })
    }

    fn tell(&mut self, configuration: Configuration, candidate: Candidate, row: &TrialRow) {
        let value = row.value.filter(|_| row.status == TrialStatus::Complete);
        self.history.push(Observation {
            number: self.history.len() as u64,
            state: if value.is_some() { TrialState::Complete } else { TrialState::Diverged },
            configuration,
            loss: value.map(|value| -value),
            last_step: row.epochs_run,
        });
        // The earlier of equal ones wins.
        if let Some(value) = value.filter(|v| self.best.as_ref().is_none_or(|(best, _)| v > best)) {
            self.best = Some((value, candidate));
        }
    }

    fn winner(&self) -> Option<&Candidate> {
        self.best.as_ref().map(|(_, candidate)| candidate)
    }
}

/// What a trial left.
#[derive(Clone, Debug)]
pub struct TrialOutcome {
    /// Its row.
    pub row: TrialRow,
    /// The rates that it realised, if its layers were looked at.
    pub realised: Option<RateLog>,
}

/// One repetition of an arm: a chain of trials.
pub struct Repetition<'a> {
    arm: &'a Arm,
    protocol: &'a Protocol,
    /// Number of the repetition.
    index: u64,
    /// Number of its first trial.
    first_trial: u64,
    stages: Vec<Stage>,
    /// Stage and number in it of the next trial.
    at: (usize, usize),
    search: Searching,
    placebo: Option<Searching>,
    /// The trial under way, if it belongs to a search.
    asked: Option<(Configuration, Candidate)>,
    realised: Option<Arc<RateLog>>,
}

impl<'a> Repetition<'a> {
    /// The repetition of `arm` with the number `index`, whose trials are numbered from `first_trial`.
    ///
    /// # Errors
    /// When the sampler cannot search the arm's space.
    pub fn new(
        arm: &'a Arm,
        protocol: &'a Protocol,
        index: u64,
        first_trial: u64,
    ) -> Result<Self, SamplerError> {
        let seed = derived_seed(protocol.seed, Purpose::Trial, first_trial);
        let search = Searching::new(arm.space.clone(), protocol, seed)?;
        Ok(Self {
            arm,
            protocol,
            index,
            first_trial,
            stages: arm.stages(),
            at: (0, 0),
            search,
            placebo: None,
            asked: None,
            realised: None,
        })
    }

    /// Goes past the trials that `outcome` knows by their numbers; gives how many.
    ///
    /// # Errors
    /// Those of `outcome`.
    pub fn recall<E: From<ObjectiveError>>(
        &mut self,
        mut outcome: impl FnMut(u64) -> Result<Option<TrialOutcome>, E>,
    ) -> Result<usize, E> {
        let mut known = 0;
        while let Some(trial) = self.coming() {
            let Some(outcome) = outcome(trial)? else { break };
            if self.plan()?.is_none() {
                break;
            }
            self.hear(Ok(outcome));
            known += 1;
        }
        Ok(known)
    }

    /// Number of the next trial; none at the end.
    fn coming(&mut self) -> Option<u64> {
        loop {
            let stage = *self.stages.get(self.at.0)?;
            let jobs = self.protocol.jobs(stage);
            if self.at.1 < jobs && self.is_possible(stage) {
                let before: usize =
                    self.stages[..self.at.0].iter().map(|s| self.protocol.jobs(*s)).sum();
                return Some(self.first_trial + (before + self.at.1) as u64);
            }
            self.at = (self.at.0 + 1, 0);
        }
    }

    /// Without a winner nothing follows.
    fn is_possible(&self, stage: Stage) -> bool {
        match stage {
            Stage::Search => true,
            Stage::Retrain | Stage::PlaceboSearch => self.search.winner().is_some(),
            Stage::PlaceboRetrain => self.placebo.as_ref().is_some_and(|p| p.winner().is_some()),
            Stage::Schedule | Stage::Vector => self.realised.is_some(),
        }
    }

    /// The next trial; none at the end.
    fn plan(&mut self) -> Result<Option<CnnTrial>, ObjectiveError> {
        let Some(trial) = self.coming() else { return Ok(None) };
        let (stage, number) = (self.stages[self.at.0], self.at.1);
        let searches = matches!(stage, Stage::Search | Stage::PlaceboSearch);
        let mut candidate = match stage {
            Stage::Search => {
                let Some(configuration) = self.search.ask() else { return Ok(None) };
                let candidate = self.candidate(&configuration)?;
                self.asked = Some((configuration, candidate.clone()));
                candidate
            }
            Stage::PlaceboSearch => {
                let asked = self.ask_placebo()?;
                let candidate = asked.1.clone();
                self.asked = Some(asked);
                candidate
            }
            Stage::Retrain => self.search.winner().cloned().ok_or("no winner")?,
            Stage::PlaceboRetrain => {
                self.placebo.as_ref().and_then(Searching::winner).cloned().ok_or("no winner")?
            }
            Stage::Schedule | Stage::Vector => self.replayed(stage)?,
        };
        let (phase, seed) = if searches {
            (SEARCH, 1 + self.index * self.protocol.trials as u64)
        } else {
            (RETRAIN, RETRAIN_SEED + self.index * self.protocol.retrains as u64)
        };
        let head = [("phase", phase.to_owned()), ("search", self.index.to_string())];
        let head = head.map(|(name, value)| (name.to_owned(), value));
        candidate.hyperparameters.splice(0..0, head);
        candidate.settings.seed = self.protocol.seed.wrapping_add(seed + number as u64);
        let looked_at = !searches && number == 0;
        candidate.settings.diagnostics_every = looked_at.then_some(self.protocol.diagnostics_every);
        Ok(Some(CnnTrial {
            trial,
            arm: self.arm.label(stage),
            replicate: number as u64,
            hyperparameters: candidate.hyperparameters,
            settings: candidate.settings,
            test: !searches,
        }))
    }

    fn candidate(&self, configuration: &Configuration) -> Result<Candidate, ObjectiveError> {
        let values = self.arm.space.values(configuration);
        let (_, settings) = self.arm.base.resolve(&values, 0)?;
        let hyperparameters =
            values.into_iter().map(|(name, value)| (column(&name).to_owned(), value.to_string()));
        Ok(Candidate { hyperparameters: hyperparameters.collect(), settings })
    }

    /// The next trial of the placebo: the winner's ratios on other layers, at a rate to be searched.
    fn ask_placebo(&mut self) -> Result<(Configuration, Candidate), ObjectiveError> {
        let winner = self.search.winner().cloned().ok_or("no winner")?;
        if self.placebo.is_none() {
            let is_rate = |parameter: &&Parameter| column(&parameter.name) == "rate";
            let rate = self.arm.space.parameters.iter().find(is_rate);
            let rate = rate.cloned().ok_or("a placebo needs an arm with an overall rate")?;
            let space = Space { parameters: vec![rate], ..Space::default() };
            let seed = derived_seed(self.search.seed, Purpose::Permutation, 0);
            self.placebo = Some(Searching::new(space, self.protocol, seed)?);
        }
        let placebo = self.placebo.as_mut().ok_or("no placebo")?;
        let configuration = placebo.ask().ok_or("the sampler has no more trials")?;
        let (_, rate) = configuration.iter().next().ok_or("no rate")?;
        let dealt = dealt(&winner.settings.rates, self.search.seed)?.with_geometric_mean(rate)?;
        let settings = RunSettings { rates: dealt, ..winner.settings };
        let hyperparameters = vec![("rate".to_owned(), rate.to_string())];
        Ok((configuration, Candidate { hyperparameters, settings }))
    }

    fn replayed(&self, stage: Stage) -> Result<Candidate, ObjectiveError> {
        let log = self.realised.clone().ok_or("no rates were realised")?;
        let mut candidate = self.search.winner().cloned().ok_or("no winner")?;
        let settings = &mut candidate.settings;
        let steps = self.protocol.steps;
        let factors: Vec<_> = (0..steps).map(|s| settings.schedule.factor(s, steps)).collect();
        settings.rates = log.vector(&factors)?;
        settings.rule = match stage {
            Stage::Schedule => Some(RuleChoice::Replay(log)),
            _ => None,
        };
        Ok(candidate)
    }
}

impl Chain for Repetition<'_> {
    type Job = Result<CnnTrial, ObjectiveError>;
    type Outcome = Result<TrialOutcome, TrialError>;

    fn next(&mut self) -> Option<Self::Job> {
        self.plan().transpose()
    }

    fn hear(&mut self, outcome: Self::Outcome) {
        let Ok(outcome) = outcome else { return };
        let stage = self.stages.get(self.at.0).copied();
        if let Some((configuration, candidate)) = self.asked.take() {
            let search = match stage {
                Some(Stage::PlaceboSearch) => self.placebo.as_mut(),
                _ => Some(&mut self.search),
            };
            if let Some(search) = search {
                search.tell(configuration, candidate, &outcome.row);
            }
        }
        if stage == Some(Stage::Retrain) && self.at.1 == 0 {
            let complete = outcome.row.status == TrialStatus::Complete;
            self.realised = outcome.realised.filter(|_| complete).map(Arc::new);
        }
        self.at.1 += 1;
    }
}

/// The column `hp.<name>` of a hyperparameter: coefficients of the group `rates` go by their own
/// names.
pub fn column(parameter: &str) -> &str {
    parameter.strip_prefix("rates.").unwrap_or(parameter)
}

/// The same rates on other layers: a permutation that moves something, unless all are alike.
fn dealt(rates: &LayerRates, seed: u64) -> Result<LayerRates, ObjectiveError> {
    let names: Vec<_> = rates.iter().map(|(layer, _)| layer.to_owned()).collect();
    let values: Vec<_> = rates.iter().map(|(_, rate)| rate).collect();
    let alike = values.iter().all(|value| *value == values[0]);
    let mut random = stream(seed, Purpose::Permutation, 1);
    let mut order = values.clone();
    while !alike && order == values {
        order.shuffle(&mut random);
    }
    let dealt = LayerRates::new(rates.base(), names.into_iter().zip(order).collect())?;
    Ok(dealt.with_bias_factor(rates.bias_factor())?)
}

#[cfg(test)]
mod tests;
