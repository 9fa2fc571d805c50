//! CMA-ES: a normal distribution over the unit cube that moves towards what did well.
//!
//! - Coordinates are the positions of ordered hyperparameters, from `Distribution::position`; the
//!   mean begins at their defaults, or in the middle, with a standard deviation of 1/6. Points
//!   outside the cube are drawn again, in the end put on its border.
//! - Generations are given by trial number: after [`START_UP`] random ones and the points of the
//!   space each λ trials are one. The state is rebuilt from the history. A generation counts once
//!   half of its trials have ended, or two generations after its end; until then proposals
//!   go on from the one before, so parallel workers never wait. Trials that still run neither
//!   attract nor repel; when they end, the state is what it would be had they been known.
//! - Only ranks matter. Pruned trials count with their last loss; diverged and failed ones are
//!   worst and attract nothing.
//! - Discrete hyperparameters are rounded, and drawn so widely that the next level keeps a
//!   probability of 1/(dλ) (after Hamano et al. 2022, "CMA-ES with margin"). Those that do not
//!   exist have a coordinate without effect.
//! - Categorical hyperparameters have a probability for each choice, moved towards the parents'
//!   and kept off zero (after Hamano et al. 2024, "CatCMA").
//! - Once the distribution is degenerate or progress ends, a new one starts at a random place
//!   with twice the population (IPOP, Auger and Hansen 2005).
//!
//! Crates weighed: `cmaes` 0.2.2 evaluates the objective itself; `optimizer` 1.0.1 draws from a
//! running generator, has no restarts and ignores categorical hyperparameters.

mod run;
mod strategy;

use self::run::Run;
use super::{Question, Sampler, SamplerError, SamplerOptions, random};
use crate::search::space::{Configuration, Space};
use crate::search::trial::Observation;

/// Random trials before the first generation.
const START_UP: u64 = 1;

struct CmaEs {
    start_up: u64,
    /// The last state, with what it was made from; only saves time.
    cache: Option<Cache>,
}

struct Cache {
    space: Space,
    seed: u64,
    /// Number of the trial it was made for.
    number: u64,
    history: Vec<Observation>,
    run: Run,
}

/// Builds the sampler; it can search every space.
pub(super) fn build(options: &SamplerOptions, _: &Space) -> Result<Box<dyn Sampler>, SamplerError> {
    Ok(Box::new(CmaEs { start_up: options.startup_trials.unwrap_or(START_UP), cache: None }))
}

impl Sampler for CmaEs {
    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let start = self.start_up.max(question.space.points.len() as u64);
        if question.number < start {
            return Some(random::configuration(question));
        }
        let known = self.cache.take().filter(|cache| cache.fits(question));
        let mut cache = known.unwrap_or_else(|| Cache {
            space: question.space.clone(),
            seed: question.seed,
            number: 0,
            history: Vec::new(),
            run: Run::new(question.space, start),
        });
        cache.run.follow(question);
        let (configuration, _) = cache.run.propose(question, question.number);
        let end = question.history.partition_point(|trial| trial.number < cache.run.start);
        cache.history.extend_from_slice(&question.history[cache.history.len()..end]);
        cache.number = question.number;
        self.cache = Some(cache);
        Some(configuration)
    }
}

impl Cache {
    fn fits(&self, question: &Question) -> bool {
        self.seed == question.seed
            && self.number <= question.number
            && question.history.starts_with(&self.history)
            && self.space == *question.space
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::{Choice, Distribution, Parameter};
    use crate::search::trial::TrialState;

    fn parameter(name: &str, distribution: Distribution) -> Parameter {
        Parameter { name: name.into(), distribution, conditions: Vec::new(), default: None }
    }

    fn float(name: &str) -> Parameter {
        parameter(name, Distribution::Float { low: -5.0, high: 5.0, log: false, step: None })
    }

    fn space(parameters: Vec<Parameter>) -> Space {
        Space { parameters, ..Space::default() }
    }

    fn sampler() -> CmaEs {
        CmaEs { start_up: START_UP, cache: None }
    }

    fn ended(number: u64, configuration: Configuration, loss: f64) -> Observation {
        let state = TrialState::Complete;
        Observation { number, state, configuration, loss: Some(loss), last_step: 0 }
    }

    /// A study of one worker.
    fn study(
        sampler: &mut CmaEs,
        space: &Space,
        seed: u64,
        trials: u64,
        loss: impl Fn(&Configuration) -> f64,
    ) -> Vec<Observation> {
        let mut history = Vec::new();
        for number in 0..trials {
            let question = Question { space, seed, number, history: &history };
            let configuration = sampler.ask(&question).expect("never ends");
            let loss = loss(&configuration);
            history.push(ended(number, configuration, loss));
        }
        history
    }

    fn best(history: &[Observation]) -> f64 {
        history.iter().filter_map(|trial| trial.loss).fold(f64::INFINITY, f64::min)
    }

    /// Axes from 1 to 1,000, off the middle.
    fn ellipsoid(configuration: &Configuration) -> f64 {
        let terms = configuration.iter().enumerate();
        terms.map(|(i, (_, x))| 10_f64.powf(i as f64 * 1.5) * (x - 1.3).powi(2)).sum()
    }

    fn five() -> Space {
        space(["a", "b", "c", "d", "e"].map(float).to_vec())
    }

    #[test]
    fn converges_on_an_ellipsoid() {
        for seed in 0..5 {
            let history = study(&mut sampler(), &five(), seed, 2000, ellipsoid);
            assert!(best(&history) < 1e-8, "seed {seed}: {}", best(&history));
        }
    }

    #[test]
    fn monotone_transforms_of_the_loss_change_nothing() {
        let plain = study(&mut sampler(), &five(), 3, 300, ellipsoid);
        let other = study(&mut sampler(), &five(), 3, 300, |x| ellipsoid(x).ln() * 7.0 - 100.0);
        for (plain, other) in plain.iter().zip(&other) {
            assert_eq!(plain.configuration, other.configuration);
        }
    }

    #[test]
    fn what_is_cached_changes_nothing() {
        let space = five();
        let mut seasoned = sampler();
        let mut history: Vec<Observation> = Vec::new();
        for number in 0..150_u64 {
            let question = Question { space: &space, seed: 1, number, history: &history };
            let answer = seasoned.ask(&question);
            assert_eq!(answer, sampler().ask(&question), "trial {number}");
            let mut trial = ended(number, answer.expect("never ends"), 0.0);
            (trial.state, trial.loss) = (TrialState::Running, None);
            history.push(trial);
            // Six workers, of which some are slow.
            for (k, trial) in history.iter_mut().enumerate() {
                let age = number - k as u64;
                if trial.state == TrialState::Running && age >= 5 + (k as u64 % 4) * 6 {
                    trial.state = TrialState::Complete;
                    trial.loss = Some(ellipsoid(&trial.configuration));
                }
            }
        }
    }

    #[test]
    fn a_trial_that_never_ends_is_not_waited_for() {
        let space = five();
        let mut history = study(&mut sampler(), &space, 2, 9, ellipsoid);
        for trial in &mut history[1..] {
            (trial.state, trial.loss) = (TrialState::Running, None);
        }
        let mut run = Run::new(&space, START_UP);
        let mut follow = |history: &[Observation]| {
            let number = history.len() as u64;
            run.follow(&Question { space: &space, seed: 2, number, history });
            run.start
        };
        assert_eq!(follow(&history), 1);
        for number in 9..25 {
            history.push(ended(number, history[0].configuration.clone(), 1.0));
        }
        assert_eq!(follow(&history[..24]), 1);
        assert_eq!(follow(&history), 25);
    }

    #[test]
    fn flat_losses_end_in_restarts_with_larger_populations() {
        let space = five();
        let history = study(&mut sampler(), &space, 1, 800, |_| 1.0);
        let mut run = Run::new(&space, START_UP);
        run.follow(&Question { space: &space, seed: 1, number: 800, history: &history });
        assert!(run.restarts >= 1 && run.constants.population == 8 << run.restarts);
    }

    #[test]
    fn restarts_leave_poor_valleys() {
        // Two valleys; the search begins in the worse one.
        let begin = |name| Parameter { default: Some(-3.5), ..float(name) };
        let two = space(["a", "b"].map(begin).to_vec());
        let loss = |x: &Configuration| {
            let bowl = |at: f64| x.iter().map(|(_, x)| (x - at).powi(2)).sum::<f64>();
            (bowl(-3.5) + 1.0).min(bowl(3.5))
        };
        let mut caught = 0;
        for seed in 0..4 {
            let history = study(&mut sampler(), &two, seed, 2500, loss);
            caught += u32::from((0.99..1.01).contains(&best(&history[..250])));
            assert!(best(&history) < 1e-3, "seed {seed}: {}", best(&history));
        }
        assert!(caught >= 2, "{caught}");
    }

    #[test]
    fn what_diverges_is_worst() {
        let two = space(["a", "b"].map(float).to_vec());
        let mut sampler = sampler();
        let mut history: Vec<Observation> = Vec::new();
        for number in 0..400 {
            let question = Question { space: &two, seed: 5, number, history: &history };
            let configuration = sampler.ask(&question).expect("never ends");
            let bowl: f64 = configuration.iter().map(|(_, x)| (x - 1.3).powi(2)).sum();
            let mut trial = ended(number, configuration, bowl);
            // Next to the best place, and half of the box.
            if trial.configuration.get("a").is_some_and(|a| a < 1.25) {
                (trial.state, trial.loss) = (TrialState::Diverged, None);
            }
            history.push(trial);
        }
        assert!(best(&history) < 1e-8, "{}", best(&history));
    }

    #[test]
    fn choices_and_levels_are_found_and_never_given_up() {
        let choices = ["x", "y", "z"].map(|word| Choice::Text(word.into())).to_vec();
        let mixed = space(vec![
            float("a"),
            parameter("choice", Distribution::Categorical { choices }),
            parameter("level", Distribution::Int { low: 1, high: 20, log: false, step: 1 }),
        ]);
        let loss = |x: &Configuration| {
            let value = |name| x.get(name).unwrap_or(0.0);
            let choice = if value("choice") == 1.0 { 0.0 } else { 5.0 };
            value("a").powi(2) + choice + (value("level") - 17.0).abs()
        };
        let history = study(&mut sampler(), &mixed, 4, 400, loss);
        let late = &history[300..];
        let share = |name: &str, wanted: f64| {
            late.iter().filter(|trial| trial.configuration.get(name) == Some(wanted)).count()
        };
        assert!((60..100).contains(&share("choice", 1.0)), "{}", share("choice", 1.0));
        assert!((50..100).contains(&share("level", 17.0)), "{}", share("level", 17.0));
        assert!(best(&history) < 1e-3, "{}", best(&history));
    }
}
