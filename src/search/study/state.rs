//! What follows from a journal's records.

use serde_json::Value;

use super::trial::{Progress, StudyTrial};
use super::{Job, StudyOptions, attribute};
use crate::random::{Purpose, derived_seed};
use crate::search::decisions::DecisionRow;
use crate::search::journal::{ERROR, Event, JournalStudy, Transaction};
use crate::search::lives::Lives;
use crate::search::objective::checkpoint_path;
use crate::search::sampler::{Question, Sampler};
use crate::search::scheduler::{Context, Report, Resumption, Scheduler, Verdict};
use crate::search::space::{Choice, Configuration, Space};
use crate::search::trial::TrialState;

/// Trials, decisions, sampler and scheduler of a study.
pub struct State {
    /// How the study is run.
    pub options: StudyOptions,
    /// What is searched.
    pub space: Space,
    sampler: Box<dyn Sampler>,
    scheduler: Box<dyn Scheduler>,
    trials: Vec<StudyTrial>,
    decisions: Vec<DecisionRow>,
    /// A resumption that was asked of the scheduler and is on its way to the journal.
    asked: Option<Resumption>,
    /// The sampler has nothing more to propose.
    exhausted: bool,
}

/// A configuration for a trial to start.
pub(super) struct Proposal {
    /// The trial that another program has queued; none for a new one.
    pub waiting: Option<u64>,
    pub configuration: Configuration,
}

impl State {
    /// A study without trials.
    pub fn new(
        options: StudyOptions,
        space: Space,
        sampler: Box<dyn Sampler>,
        scheduler: Box<dyn Scheduler>,
    ) -> Self {
        Self {
            options,
            space,
            sampler,
            scheduler,
            trials: Vec::new(),
            decisions: Vec::new(),
            asked: None,
            exhausted: false,
        }
    }

    /// All trials, by number.
    pub fn trials(&self) -> &[StudyTrial] {
        &self.trials
    }

    /// Whether the scheduler's decisions depend on the order in which reports came.
    pub fn depends_on_arrival(&self) -> bool {
        self.scheduler.depends_on_arrival()
    }

    /// The scheduler's decisions, in the order in which they fell.
    pub fn decisions(&self) -> &[DecisionRow] {
        &self.decisions
    }

    /// Trial `number`.
    pub fn trial(&self, number: u64) -> Option<&StudyTrial> {
        self.trials.get(number as usize)
    }

    /// The best complete trial; the earliest of equals.
    pub fn best(&self) -> Option<&StudyTrial> {
        let loss = |trial: &StudyTrial| trial.value.map(|value| self.options.direction.loss(value));
        let complete = self.trials.iter().filter(|trial| trial.state == TrialState::Complete);
        let known = complete.filter_map(|trial| Some((loss(trial)?, trial)));
        known.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, trial)| trial)
    }

    /// Seed of all draws of trial `number`.
    pub fn seed_of(&self, number: u64) -> u64 {
        let block = self.options.seed_blocks.get(number as usize).copied();
        derived_seed(self.options.seed, Purpose::Trial, block.unwrap_or(number))
    }

    /// The active hyperparameters of a trial, as a person writes them.
    pub fn values(&self, trial: &StudyTrial) -> Vec<(String, Choice)> {
        self.space.values(&trial.configuration)
    }

    /// Units of budget used by all trials.
    pub fn spent(&self) -> u64 {
        self.trials.iter().map(|trial| trial.progress.step).sum()
    }

    /// Whether the budget is used up.
    pub fn is_spent(&self) -> bool {
        self.options.budget.is_some_and(|budget| self.spent() >= budget)
    }

    /// Whether all trials have been started and none is running.
    pub fn is_complete(&self) -> bool {
        let started = self.trials.len() as u64 >= self.options.trials || self.exhausted;
        started && !self.trials.iter().any(|trial| trial.is_active() || trial.waiting)
    }

    /// Whether running trials may still bring work for a free worker.
    pub(super) fn may_bring_more(&self) -> bool {
        self.trials.iter().any(|t| t.is_active() && t.owner.is_some() && !t.is_foreign())
    }

    /// Trials that are paused.
    pub(super) fn paused(&self) -> Vec<u64> {
        let paused = self
            .trials
            .iter()
            .filter(|trial| trial.state == TrialState::Running && trial.paused.is_some());
        paused.map(|trial| trial.number).collect()
    }

    /// A trial of ours that no living worker has in hand.
    pub(super) fn orphan(&self, lives: &Lives) -> Option<u64> {
        let orphaned = |trial: &&StudyTrial| {
            trial.is_active()
                && !trial.is_foreign()
                && trial.owner.as_ref().is_none_or(|owner| !lives.is_alive(owner))
        };
        self.trials.iter().find(orphaned).map(|trial| trial.number)
    }

    pub(super) fn job(&self, number: u64) -> Option<Job> {
        let trial = self.trial(number)?;
        Some(Job {
            trial: number,
            seed: self.seed_of(number),
            values: self.values(trial),
            resume: trial
                .checkpoint
                .map(|(of, step)| checkpoint_path(&self.options.checkpoints, of, step)),
        })
    }

    /// The paused trial that the scheduler wants to go on, if any. Nothing is asked while a trial
    /// that was told to pause is still saving: it could be called up, or its checkpoint wanted,
    /// before there is one.
    pub(super) fn ask_scheduler(&mut self) -> Option<Resumption> {
        let saving = |trial: &StudyTrial| trial.is_active() && trial.verdict == Verdict::Pause;
        if self.trials.iter().any(saving) {
            return None;
        }
        let context = Context { space: &self.space, seed: self.options.seed };
        let resumption = self.scheduler.resume(context)?;
        self.asked = Some(resumption.clone());
        Some(resumption)
    }

    /// A configuration for the next trial; none if there shall be no more, or not yet.
    pub(super) fn propose(&mut self) -> Option<Proposal> {
        let live = self.trials.iter().filter(|t| t.state == TrialState::Running && !t.waiting);
        let live = live.filter(|trial| !trial.is_foreign()).count() as u64;
        if self.scheduler.capacity().is_some_and(|capacity| live >= capacity) {
            return None;
        }
        let waiting = self.trials.iter().find(|trial| trial.waiting).map(|trial| trial.number);
        let number = waiting.unwrap_or(self.trials.len() as u64);
        if waiting.is_none() && (number >= self.options.trials || self.exhausted) {
            return None;
        }
        if self.sampler.looks_back() {
            let unsettled = |trial: &StudyTrial| {
                let awaited = trial.number + self.options.parallel_asks <= number;
                awaited && trial.is_active() && !trial.is_foreign()
            };
            if self.trials.iter().any(unsettled) {
                return None;
            }
        }
        let history = self.history(number);
        let question =
            Question { space: &self.space, seed: self.options.seed, number, history: &history };
        let Some(mut configuration) = self.sampler.ask(&question) else {
            self.exhausted = true;
            return None;
        };
        if let Some(number) = waiting {
            configuration = self.with_fixed(&configuration, &self.trials[number as usize]);
        }
        Some(Proposal { waiting, configuration })
    }

    /// A proposal under the values that a queued trial fixes.
    fn with_fixed(&self, proposal: &Configuration, queued: &StudyTrial) -> Configuration {
        self.space.configure(|parameter, _| {
            let fixed = queued.configuration.get(&parameter.name);
            let usable = fixed.filter(|value| parameter.distribution.contains(*value));
            let proposed = || proposal.get(&parameter.name);
            usable.or_else(proposed).unwrap_or_else(|| parameter.distribution.at(0.5))
        })
    }
}

/// Taking note of records, our own and those of others alike.
impl State {
    /// Takes up what others have written to the journal.
    pub(super) fn follow(&mut self, records: &mut Transaction) {
        for event in records.take_events() {
            self.apply(event, records.study());
        }
    }

    fn apply(&mut self, event: Event, study: &JournalStudy) {
        let recorded = |number: u64| study.trials.get(number as usize);
        match event {
            Event::Enqueued { number } => {
                let fixed = recorded(number).map(|trial| trial.enqueued(&self.space).0);
                let mut trial = StudyTrial::new(number, fixed.unwrap_or_default(), None);
                trial.waiting = true;
                self.trials.push(trial);
            }
            Event::Started { number } => {
                let Some(trial) = recorded(number) else { return };
                let (at, worker) = (trial.configuration(&self.space), trial.worker.clone());
                match self.trials.len() as u64 == number {
                    true => self.book_creation(number, at, &worker),
                    false => self.book_start(number, at, &worker),
                }
            }
            Event::Configured { number } => {
                let at = recorded(number).map(|trial| trial.configuration(&self.space));
                if let (Some(trial), Some(at)) = (self.trials.get_mut(number as usize), at) {
                    trial.configuration = at;
                }
            }
            Event::Reported { number, step, value } => {
                let known = self.trial(number).map(|trial| trial.reported);
                if known.is_some_and(|last| last < step) {
                    self.book_report(number, step, value);
                }
            }
            Event::Noted { number, attributes } => {
                for (key, value) in &attributes {
                    self.book_attribute(number, key, value);
                }
            }
            Event::Finished { number, state } => {
                let Some(trial) = recorded(number) else { return };
                // A pruned trial of another program may have its value in its reports only.
                let last = trial.last_report().map(|(_, value)| value);
                let reported = last.filter(|_| state == TrialState::Pruned);
                let value = trial.values.first().copied().or(reported);
                let error = trial.user_attributes.get(ERROR).and_then(Value::as_str);
                self.book_end(number, state, value, error.unwrap_or_default());
            }
        }
    }

    pub(super) fn book_creation(&mut self, number: u64, at: Configuration, worker: &str) {
        debug_assert_eq!(number as usize, self.trials.len());
        let context = Context { space: &self.space, seed: self.options.seed };
        self.scheduler.start(context, number, &at);
        self.trials.push(StudyTrial::new(number, at, Some(worker.to_owned())));
    }

    pub(super) fn book_start(&mut self, number: u64, at: Configuration, worker: &str) {
        let context = Context { space: &self.space, seed: self.options.seed };
        self.scheduler.start(context, number, &at);
        if let Some(trial) = self.trials.get_mut(number as usize) {
            trial.waiting = false;
            trial.configuration = at;
            trial.owner = Some(worker.to_owned());
        }
    }

    pub(super) fn book_progress(&mut self, number: u64, progress: Progress) {
        if let Some(trial) = self.trials.get_mut(number as usize) {
            trial.progress = progress;
        }
    }

    /// Takes note of a report and asks the scheduler.
    pub(super) fn book_report(&mut self, number: u64, step: u64, value: f64) -> Verdict {
        let context = Context { space: &self.space, seed: self.options.seed };
        let direction = self.options.direction;
        let loss = Some(direction.loss(value));
        let decision = self.scheduler.report(context, &Report { trial: number, step, loss });
        let verdict = decision.verdict;
        self.decisions.push(DecisionRow::new(number, step, Some(value), &decision, direction));
        if let Some(trial) = self.trials.get_mut(number as usize) {
            trial.verdict = verdict;
            trial.reported = step;
            trial.progress.step = trial.progress.step.max(step);
            trial.last = Some((step, value));
        }
        verdict
    }

    pub(super) fn book_attribute(&mut self, number: u64, key: &str, value: &Value) {
        if key == attribute::RESUMED {
            return self.book_resumption(number, value);
        }
        let Some(trial) = self.trials.get_mut(number as usize) else { return };
        match key {
            attribute::OWNER => trial.owner = value.as_str().map(str::to_owned),
            attribute::PAUSED => {
                trial.paused = value.as_u64();
                trial.checkpoint = value.as_u64().map(|step| (number, step));
                trial.owner = None;
            }
            attribute::CHECKPOINT => {
                trial.checkpoint = value.as_u64().map(|step| (number, step));
            }
            attribute::PROGRESS => {
                if let Ok(progress) = serde_json::from_value(value.clone()) {
                    trial.progress = progress;
                }
            }
            attribute::ATTEMPT => {
                trial.attempts = value["attempt"].as_u64().unwrap_or(trial.attempts + 1);
                trial.error = value["error"].as_str().unwrap_or_default().to_owned();
            }
            _ => {}
        }
    }

    fn book_resumption(&mut self, number: u64, exploit: &Value) {
        // Here it has been asked already; what others asked, ours has to hear as well.
        let context = Context { space: &self.space, seed: self.options.seed };
        let asked = self.asked.take().or_else(|| self.scheduler.resume(context));
        let Some(trial) = self.trials.get_mut(number as usize) else { return };
        if let Some(grounds) = asked.and_then(|resumption| resumption.grounds) {
            let (step, value) =
                trial.last.map_or((trial.progress.step, None), |(s, v)| (s, Some(v)));
            let direction = self.options.direction;
            let row = DecisionRow::promotion(number, step, value, &grounds, direction);
            self.decisions.push(row);
        }
        if let (Some(source), Some(step)) = (exploit["source"].as_u64(), trial.paused) {
            trial.checkpoint = Some((source, step));
            if let Ok(at) = serde_json::from_value(exploit["configuration"].clone()) {
                trial.configuration = at;
            }
        }
        trial.paused = None;
        trial.verdict = Verdict::Continue;
    }

    pub(super) fn book_end(
        &mut self,
        number: u64,
        ended: TrialState,
        value: Option<f64>,
        error: &str,
    ) {
        let context = Context { space: &self.space, seed: self.options.seed };
        self.scheduler.end(context, number);
        if let Some(trial) = self.trials.get_mut(number as usize) {
            trial.state = ended;
            trial.value = value;
            error.clone_into(&mut trial.error);
            trial.owner = None;
            trial.paused = None;
            trial.waiting = false;
        }
    }
}
