//! The tree-structured Parzen estimator: propose what is likely among the best trials and unlikely
//! among the others.
//!
//! Of Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011), in the multivariate
//! form of Falkner et al., "BOHB" (2018), with the defaults of Optuna 5.0 as described by Watanabe
//! (arXiv 2304.11127): ten trials at random; then the best tenth of the finished trials, 25 at
//! most, make one density and all others another, and of 24 candidates from the first the one with
//! the largest ratio of the two is proposed.
//!
//! - Trials that run count among the others, so that parallel workers spread (constant liar).
//! - Pruned trials rank after complete ones, those that came further first, then by loss.
//! - Diverged and failed trials count among the others, whatever the share of the best: Optuna
//!   leaves them out, and proposes the like again.
//! - Hyperparameters with the same conditions make one group with joint densities; a group learns
//!   from the trials in which it was active. This is what Optuna's `group=True` comes to where the
//!   space is known in advance.
//! - A trial that lacks a value that it should have, or whose value is out of bounds, has the
//!   prior in its place.

use super::axis::Axis;
use super::column::Column;
use super::parzen::Estimator;
use super::{Question, Sampler, SamplerError, SamplerOptions, random};
use crate::search::space::{Configuration, Parameter, Space};
use crate::search::trial::{Observation, TrialState};

const STARTUP_TRIALS: u64 = 10;
const CANDIDATES: usize = 24;

struct Tpe {
    startup_trials: u64,
    /// The space that the groups are of.
    parameters: Vec<Parameter>,
    groups: Vec<Group>,
}

/// Hyperparameters that are always active together.
struct Group {
    names: Vec<String>,
    axes: Vec<Axis>,
    /// What was computed for earlier questions; serves where it is of the same values.
    columns: Vec<Column>,
}

/// Builds the sampler; it can search every space.
pub(super) fn build(options: &SamplerOptions, _: &Space) -> Result<Box<dyn Sampler>, SamplerError> {
    let startup_trials = options.startup_trials.unwrap_or(STARTUP_TRIALS);
    Ok(Box::new(Tpe { startup_trials, parameters: Vec::new(), groups: Vec::new() }))
}

/// The groups of a space. Hyperparameters with one value belong to none.
fn groups(parameters: &[Parameter]) -> Vec<Group> {
    let mut groups: Vec<(&Parameter, Group)> = Vec::new();
    for parameter in parameters {
        let Some(axis) = Axis::new(&parameter.distribution) else { continue };
        let known = groups.iter().position(|(first, _)| first.conditions == parameter.conditions);
        let place = known.unwrap_or_else(|| {
            let group = Group { names: Vec::new(), axes: Vec::new(), columns: Vec::new() };
            groups.push((parameter, group));
            groups.len() - 1
        });
        let group = &mut groups[place].1;
        group.names.push(parameter.name.clone());
        group.axes.push(axis);
        group.columns.push(Column::default());
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// How many trials make the density of the best, of `finished` ones.
fn best_count(finished: usize) -> usize {
    finished.div_ceil(10).min(25)
}

/// Which trials are among the best.
fn split(history: &[Observation]) -> Vec<bool> {
    let finished = history.iter().filter(|trial| trial.state.is_finished()).count();
    // Complete trials by loss, then pruned ones by step and loss, then pruned ones without.
    let rank = |trial: &Observation| match (trial.state, trial.loss) {
        (TrialState::Complete, Some(loss)) => Some((0, 0, loss)),
        (TrialState::Pruned, Some(loss)) => Some((1, u64::MAX - trial.last_step, loss)),
        (TrialState::Pruned, None) => Some((2, 0, 0.0)),
        _ => None,
    };
    let ranks = history.iter().enumerate();
    let mut ranks: Vec<_> =
        ranks.filter_map(|(place, trial)| Some((rank(trial)?, place))).collect();
    let count = best_count(finished).min(ranks.len());
    if (1..ranks.len()).contains(&count) {
        ranks.select_nth_unstable_by(count - 1, |((a, b, x), place), ((c, d, y), other)| {
            (a, b).cmp(&(c, d)).then(x.total_cmp(y)).then(place.cmp(other))
        });
    }
    let mut best = vec![false; history.len()];
    for (_, place) in &ranks[..count] {
        best[*place] = true;
    }
    best
}

impl Group {
    /// Takes in the values of the history.
    fn update(&mut self, history: &[Observation]) {
        for ((name, axis), column) in self.names.iter().zip(&self.axes).zip(&mut self.columns) {
            // Where the name was in the trial before: mostly it is there again.
            let mut hint = 0;
            let value = |trial: &Observation| {
                let configuration = &trial.configuration;
                let mut values = configuration.iter();
                if let Some((known, value)) = values.nth(hint)
                    && known == name
                {
                    return Some(value);
                }
                let place = configuration.iter().position(|(known, _)| known == name)?;
                hint = place;
                configuration.iter().nth(place).map(|(_, value)| value)
            };
            column.update(axis, history.iter().map(value));
        }
    }

    /// A value for each hyperparameter of the group.
    fn propose(&mut self, question: &Question, best: &[bool]) -> Vec<f64> {
        self.update(question.history);
        let active = (0..best.len()).filter(|place| self.columns.iter().any(|c| c.knows(*place)));
        let (below, above): (Vec<usize>, Vec<usize>) = active.partition(|place| best[*place]);
        let below = Estimator::new(&self.axes, &mut self.columns, &below);
        let above = Estimator::new(&self.axes, &mut self.columns, &above);
        let mut draws = question.draws("tpe kernel", &self.names[0]);
        let kernels = below.draw_kernels(CANDIDATES, &mut draws);
        let axes = self.names.iter().zip(&self.axes).enumerate();
        let candidates = axes.map(|(place, (name, axis))| {
            below.draw_values(place, axis, &kernels, &mut question.draws("tpe", name))
        });
        let candidates: Vec<Vec<f64>> = candidates.collect();
        let likely = below.log_densities(&self.axes, &mut self.columns, &candidates);
        let unlikely = above.log_densities(&self.axes, &mut self.columns, &candidates);
        let mut chosen = (0, f64::NEG_INFINITY);
        for (place, (likely, unlikely)) in likely.iter().zip(&unlikely).enumerate() {
            if likely - unlikely > chosen.1 {
                chosen = (place, likely - unlikely);
            }
        }
        candidates.iter().map(|values| values[chosen.0]).collect()
    }
}

impl Sampler for Tpe {
    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let finished = question.history.iter().filter(|trial| trial.state.is_finished()).count();
        let nothing_to_rank = question.history.iter().all(|trial| trial.loss.is_none());
        if (finished as u64) < self.startup_trials || nothing_to_rank {
            return Some(random::configuration(question));
        }
        if self.parameters != question.space.parameters {
            self.parameters = question.space.parameters.clone();
            self.groups = groups(&self.parameters);
        }
        let best = split(question.history);
        let mut proposed = Configuration::default();
        Some(question.space.configure(|parameter, _| {
            if proposed.get(&parameter.name).is_none() {
                let mut groups = self.groups.iter_mut();
                match groups.find(|group| group.names.contains(&parameter.name)) {
                    None => return parameter.distribution.at(0.5),
                    Some(group) => {
                        for (place, value) in group.propose(question, &best).into_iter().enumerate()
                        {
                            proposed.set(&group.names[place], value);
                        }
                    }
                }
            }
            proposed.get(&parameter.name).unwrap_or_else(|| parameter.distribution.at(0.5))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::{Choice, Condition, Distribution};

    fn parameter(name: &str, low: f64, high: f64) -> Parameter {
        let distribution = Distribution::Float { low, high, log: false, step: None };
        Parameter { name: name.into(), distribution, conditions: Vec::new(), default: None }
    }

    fn trial(number: u64, state: TrialState, loss: Option<f64>, last_step: u64) -> Observation {
        Observation { number, state, configuration: Configuration::default(), loss, last_step }
    }

    fn tpe() -> Tpe {
        Tpe { startup_trials: STARTUP_TRIALS, parameters: Vec::new(), groups: Vec::new() }
    }

    #[test]
    fn a_tenth_rounded_up_and_25_at_most_are_the_best() {
        let known = [(0, 0), (1, 1), (10, 1), (11, 2), (100, 10), (250, 25), (1000, 25)];
        assert!(known.into_iter().all(|(finished, count)| best_count(finished) == count));
    }

    #[test]
    fn complete_trials_rank_first_then_pruned_ones_that_came_far() {
        use TrialState::{Complete, Diverged, Failed, Pruned, Running};
        let some = [
            trial(0, Pruned, Some(-9.0), 3),
            trial(1, Complete, Some(5.0), 0),
            trial(2, Pruned, Some(1.0), 7),
            trial(3, Pruned, None, 0),
            trial(4, Diverged, None, 0),
            trial(5, Running, None, 0),
            trial(6, Complete, Some(2.0), 0),
            trial(7, Pruned, Some(0.5), 7),
            trial(8, Failed, None, 0),
        ];
        let order = [6, 1, 7, 2, 0, 3];
        for count in 1..=8 {
            // As many more diverged trials as it takes for so many to be the best.
            let mut history = some.to_vec();
            let more = (count * 10_usize).saturating_sub(8);
            history.extend((0..more).map(|i| trial(9 + i as u64, Diverged, None, 0)));
            let best = split(&history);
            let mut found: Vec<usize> = (0..history.len()).filter(|place| best[*place]).collect();
            let mut expected = order[..count.min(6)].to_vec();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{count}");
        }
    }

    #[test]
    fn what_is_active_together_is_one_group() {
        let when = |mut parameter: Parameter, value: f64| {
            let condition = Condition { parameter: "kind".into(), values: vec![value] };
            parameter.conditions.push(condition);
            parameter
        };
        let mut kind = parameter("kind", 0.0, 1.0);
        kind.distribution =
            Distribution::Categorical { choices: vec![Choice::Int(0), Choice::Int(1)] };
        let parameters = [
            kind,
            when(parameter("a", 0.0, 1.0), 0.0),
            parameter("b", 0.0, 1.0),
            parameter("constant", 1.0, 1.0),
            when(parameter("c", 0.0, 1.0), 1.0),
            when(parameter("d", 0.0, 1.0), 0.0),
        ];
        let groups: Vec<_> = groups(&parameters).into_iter().map(|group| group.names).collect();
        assert_eq!(groups, [vec!["kind", "b"], vec!["a", "d"], vec!["c"]]);
    }

    /// Searches and gives the best loss; NaN is a trial that diverges.
    fn search(space: &Space, seed: u64, trials: u64, loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let mut sampler = tpe();
        let mut history: Vec<Observation> = Vec::new();
        let mut losses = Vec::new();
        for number in 0..trials {
            let question = Question { space, seed, number, history: &history };
            let configuration = sampler.ask(&question).expect("never ends");
            let values: Vec<f64> = configuration.iter().map(|(_, value)| value).collect();
            let loss = loss(&values);
            losses.push(loss);
            let (state, loss) = match loss.is_nan() {
                true => (TrialState::Diverged, None),
                false => (TrialState::Complete, Some(loss)),
            };
            history.push(Observation { number, state, configuration, loss, last_step: 0 });
        }
        losses
    }

    fn two() -> Space {
        let parameters = vec![parameter("x", -1.0, 1.0), parameter("y", -1.0, 1.0)];
        Space { parameters, points: Vec::new() }
    }

    #[test]
    fn it_closes_in_on_the_optimum() {
        let bowl = |x: &[f64]| (x[0] - 0.3).powi(2) + (x[1] + 0.5).powi(2);
        let best = |seed| search(&two(), seed, 60, bowl).into_iter().fold(f64::INFINITY, f64::min);
        let mut best: Vec<f64> = (0..11).map(best).collect();
        best.sort_by(f64::total_cmp);
        // Random search has a median of about 0.015 here.
        assert!(best[5] < 0.006, "{best:?}");
    }

    #[test]
    fn it_keeps_away_from_where_trials_diverge() {
        let cliff = |x: &[f64]| if x[0] > 0.0 { f64::NAN } else { x[1].powi(2) };
        let diverged = |seed| {
            let late = search(&two(), seed, 80, cliff).split_off(40);
            late.iter().filter(|loss| loss.is_nan()).count()
        };
        let diverged: usize = (0..5).map(diverged).sum();
        assert!(diverged < 40, "{diverged} of 200, where 100 would at random");
    }

    #[test]
    fn running_trials_push_proposals_away() {
        let space = two();
        let mut history = Vec::new();
        for number in 0..30 {
            let question = Question { space: &space, seed: 1, number, history: &history };
            let configuration = tpe().ask(&question).expect("never ends");
            let loss = configuration.iter().map(|(_, value)| value * value).sum();
            let (state, loss) = (TrialState::Complete, Some(loss));
            history.push(Observation { number, state, configuration, loss, last_step: 0 });
        }
        let ask = |history: &[Observation]| {
            tpe()
                .ask(&Question { space: &space, seed: 1, number: 38, history })
                .expect("never ends")
        };
        let alone = ask(&history);
        let running = (30..38).map(|number| {
            let configuration = alone.clone();
            let state = TrialState::Running;
            Observation { number, state, configuration, loss: None, last_step: 0 }
        });
        history.extend(running);
        let beside = ask(&history);
        let distance = alone.iter().zip(beside.iter()).map(|((_, a), (_, b))| (a - b).abs());
        assert!(distance.sum::<f64>() > 0.02, "{alone:?} {beside:?}");
    }
}
