//! Searches a part of the hyperparameters at a time, in an order, and leaves the others where the best
//! trial so far has them.
//!
//! Three of these exist, which differ in what a stage sets free:
//!
//! - `coordinate`: one hyperparameter after the other, as people tune by hand (Bengio 2012, "Practical
//!   recommendations", § 3.3);
//! - `groups`: one group after the other, all its members together (grouped sequential tuning,
//!   arXiv:2503.05106);
//! - `grow`: the first three, then the first five, eight, and all.
//!
//! A stage has `levels` trials for each hyperparameter that is new in it. Its trials are spread evenly
//! over each free hyperparameter (a Latin hypercube); a single one with few values tries each of the
//! others. After the last stage the next pass begins in windows half as wide around the best. Trials are
//! compared as they were observed: a lucky one is believed, as it would be by hand.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::order::{Order, Ranking, Remembered};
use super::{Question, Sampler, SamplerError, SamplerOptions, grid, random};
use crate::search::space::{Configuration, Parameter, Space};
use crate::search::trial::Observation;

/// Sizes of the growing space before it is whole.
const GROWTH: [usize; 3] = [3, 5, 8];

/// Members of a group where none are named.
const GROUP: usize = 3;

/// Passes whose windows narrow; then they are wide again.
const PASSES: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Coordinate,
    Groups,
    Grow,
}

/// Hyperparameters that are free at a time.
#[derive(Clone, Debug, PartialEq)]
struct Stage {
    /// Their places in the space.
    free: Vec<usize>,
    /// Its first trial, counted from the first stage's.
    first: u64,
    trials: u64,
    /// Width of the windows around the best, 1 for all of the box.
    window: f64,
    /// Tells its draws from those of other stages.
    number: u64,
}

struct Staged {
    plan: Plan,
    order: Order,
    levels: u64,
    groups: Vec<Vec<String>>,
    remembered: Remembered,
}

fn build(plan: Plan, options: &SamplerOptions) -> Box<dyn Sampler> {
    Box::new(Staged {
        plan,
        order: options.order.clone(),
        levels: options.stage_levels.unwrap_or(SamplerOptions::STAGE_LEVELS).max(1),
        groups: options.groups.iter().map(|(_, members)| members.clone()).collect(),
        remembered: Remembered::default(),
    })
}

/// One hyperparameter at a time; it can search every space.
pub(super) fn coordinate(
    options: &SamplerOptions,
    _: &Space,
) -> Result<Box<dyn Sampler>, SamplerError> {
    Ok(build(Plan::Coordinate, options))
}

/// One group at a time; it can search every space.
pub(super) fn groups(
    options: &SamplerOptions,
    space: &Space,
) -> Result<Box<dyn Sampler>, SamplerError> {
    for (name, members) in &options.groups {
        if let Some(stranger) = members.iter().find(|member| space.parameter(member).is_none()) {
            return Err(SamplerError::Unsupported {
                sampler: "groups",
                reason: format!("group {name}: the space has no hyperparameter `{stranger}`"),
            });
        }
    }
    Ok(build(Plan::Groups, options))
}

/// A growing space; it can search every space.
pub(super) fn grow(options: &SamplerOptions, _: &Space) -> Result<Box<dyn Sampler>, SamplerError> {
    Ok(build(Plan::Grow, options))
}

/// The best observed configuration among the trials before `end`; the defaults where there is none.
pub(super) fn incumbent(question: &Question, end: u64) -> Configuration {
    let is_known = |trial: &&Observation| trial.number < end && trial.loss.is_some();
    let loss = |trial: &Observation| trial.loss.unwrap_or(f64::INFINITY);
    let known = question.history.iter().filter(is_known);
    // The first of several: `min_by` keeps it.
    let best = known.min_by(|a, b| loss(a).total_cmp(&loss(b)));
    best.map_or_else(|| question.space.start(), |best| best.configuration.clone())
}

impl Staged {
    /// Trials that a stage spends on a hyperparameter: not more than it has other values.
    fn trials_of(&self, parameter: &Parameter) -> u64 {
        let others = parameter.distribution.levels().map(|levels| levels.saturating_sub(1));
        others.map_or(self.levels, |others| others.min(self.levels))
    }

    /// What the stages of a pass set free, and what is new in each.
    fn sets(&self, space: &Space, ranking: &Ranking) -> Vec<(Vec<usize>, Vec<usize>)> {
        let order = &ranking.order;
        match self.plan {
            Plan::Coordinate => order.iter().map(|&place| (vec![place], vec![place])).collect(),
            Plan::Grow => {
                let sizes = GROWTH.iter().copied().filter(|size| *size < order.len());
                let mut sizes: Vec<_> = sizes.chain([order.len()]).collect();
                sizes.dedup();
                let mut before = 0;
                let stage = |size: usize| {
                    let new = order[before..size].to_vec();
                    before = size;
                    (order[..size].to_vec(), new)
                };
                sizes.into_iter().map(stage).collect()
            }
            Plan::Groups if self.groups.is_empty() => {
                order.chunks(GROUP).map(|chunk| (chunk.to_vec(), chunk.to_vec())).collect()
            }
            // A group comes where its first member comes; what is in none is a group by itself.
            Plan::Groups => {
                let mut sets: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
                for &place in order {
                    if sets.iter().any(|(free, _)| free.contains(&place)) {
                        continue;
                    }
                    let name = &space.parameters[place].name;
                    let group = self.groups.iter().find(|members| members.contains(name));
                    let is_member = |place: &usize| {
                        group
                            .is_some_and(|members| members.contains(&space.parameters[*place].name))
                    };
                    let members: Vec<_> = match group {
                        Some(_) => order.iter().copied().filter(is_member).collect(),
                        None => vec![place],
                    };
                    sets.push((members.clone(), members));
                }
                sets
            }
        }
    }

    /// The stage of trial `index`, counted from the first stage's first; none where no stage has any
    /// trials.
    fn stage(&self, space: &Space, ranking: &Ranking, index: u64) -> Option<Stage> {
        let sets = self.sets(space, ranking);
        let trials = |new: &[usize]| -> u64 {
            new.iter().map(|&place| self.trials_of(&space.parameters[place])).sum()
        };
        let pass: u64 = sets.iter().map(|(_, new)| trials(new)).sum();
        if pass == 0 {
            return None;
        }
        // The growing space is whole after its first pass: then all are searched together.
        let passes = index / pass;
        let window = 0.5_f64.powi((passes % u64::from(PASSES)) as i32);
        let mut first = passes * pass;
        for (number, (free, new)) in sets.iter().enumerate() {
            let trials = trials(new);
            if index < first + trials {
                let free = match self.plan {
                    Plan::Grow if passes > 0 => ranking.order.clone(),
                    _ => free.clone(),
                };
                let number = passes * sets.len() as u64 + number as u64;
                return Some(Stage { free, first, trials, window, number });
            }
            first += trials;
        }
        None
    }
}

/// A value for a free hyperparameter in trial `place` of a stage.
fn value(
    question: &Question,
    stage: &Stage,
    parameter: &Parameter,
    base: &Configuration,
    place: u64,
) -> f64 {
    let distribution = &parameter.distribution;
    // One stream for the whole stage: its trials share the permutation.
    let draws = |purpose: &str, number: u64| {
        Question { number, ..*question }.draws(purpose, &parameter.name)
    };
    let centre = base.get(&parameter.name).filter(|value| distribution.contains(*value));
    let centre = centre.unwrap_or_else(|| parameter.start());
    let few = distribution.levels().filter(|levels| {
        stage.free.len() == 1
            && (levels.saturating_sub(1) <= stage.trials || !distribution.is_ordered())
    });
    if let Some(levels) = few {
        let mut others: Vec<f64> =
            (0..levels).map(|level| grid::value(distribution, level, levels)).collect();
        others.retain(|value| *value != centre);
        others.shuffle(&mut draws("staged levels", stage.number));
        return others.get(place as usize).copied().unwrap_or(centre);
    }
    let mut strata: Vec<u64> = (0..stage.trials).collect();
    strata.shuffle(&mut draws("staged strata", stage.number));
    let within: f64 = draws("staged", question.number).random();
    let stratum = strata.get(place as usize).copied().unwrap_or(0);
    let share = (stratum as f64 + within) / stage.trials as f64;
    // Choices have no neighbours, so no window either.
    let window = if distribution.is_ordered() { stage.window } else { 1.0 };
    let low = (distribution.position(centre) - window / 2.0).clamp(0.0, 1.0 - window);
    distribution.at(low + window * share)
}

impl Sampler for Staged {
    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let space = question.space;
        // The point to start from: the first of the space's, or else the defaults.
        let start = (space.points.len() as u64).max(1);
        let Some(index) = question.number.checked_sub(start) else {
            return Some(space.start());
        };
        if let Some(left) = self.order.screening().checked_sub(index).filter(|left| *left > 0) {
            let index = self.order.screening() - left;
            return Some(self.remembered.screen(&self.order, question, index));
        }
        let offset = start + self.order.screening();
        let index = index - self.order.screening();
        let ranking = self.remembered.ranking(&self.order, question, start).clone();
        let Some(stage) = self.stage(space, &ranking, index) else {
            return Some(random::configuration(question));
        };
        let base = incumbent(question, offset + stage.first);
        let mut is_moved = false;
        let configuration = space.configure(|parameter, _| {
            let place = space.parameters.iter().position(|known| known.name == parameter.name);
            if place.is_some_and(|place| stage.free.contains(&place)) {
                is_moved = true;
                return value(question, &stage, parameter, &base, index - stage.first);
            }
            let kept = base.get(&parameter.name);
            let kept = kept.filter(|value| parameter.distribution.contains(*value));
            kept.unwrap_or_else(|| parameter.start())
        });
        // None of the free ones exists beside the best: better something new than the same again.
        Some(if is_moved { configuration } else { random::configuration(question) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::{Choice, Distribution};
    use crate::search::trial::TrialState;

    fn space(count: usize) -> Space {
        let parameter = |place| Parameter {
            name: format!("x{place}"),
            distribution: Distribution::Float { low: 0.0, high: 1.0, log: false, step: None },
            conditions: Vec::new(),
            default: Some(0.5),
        };
        Space { parameters: (0..count).map(parameter).collect(), ..Space::default() }
    }

    /// Runs a study whose loss is the sum of the values.
    fn study(sampler: &mut dyn Sampler, space: &Space, trials: u64) -> Vec<Observation> {
        let mut history: Vec<Observation> = Vec::new();
        for number in 0..trials {
            let question = Question { space, seed: 3, number, history: &history };
            let configuration = sampler.ask(&question).expect("never ends");
            let loss = Some(configuration.iter().map(|(_, value)| value).sum());
            history.push(Observation {
                number,
                state: TrialState::Complete,
                configuration,
                loss,
                last_step: 0,
            });
        }
        history
    }

    /// Which hyperparameters differ from the best trial before `from`.
    fn moved(history: &[Observation], space: &Space, trial: usize, from: usize) -> Vec<usize> {
        let question =
            Question { space, seed: 3, number: trial as u64, history: &history[..trial] };
        let base = incumbent(&question, from as u64);
        let at = |place: &usize| {
            let name = &space.parameters[*place].name;
            history[trial].configuration.get(name) != base.get(name)
        };
        (0..space.parameters.len()).filter(at).collect()
    }

    #[test]
    fn coordinates_are_searched_one_after_the_other_in_the_order() {
        let space = space(4);
        let given = ["x2", "x0", "not there"].map(str::to_owned).to_vec();
        let options = SamplerOptions { order: Order::Given(given), ..SamplerOptions::default() };
        let history = study(&mut *coordinate(&options, &space).expect("builds"), &space, 17);
        for (stage, place) in [2, 0, 1, 3].into_iter().enumerate() {
            let first = 1 + 4 * stage;
            for trial in first..first + 4 {
                assert_eq!(moved(&history, &space, trial, first), [place], "trial {trial}");
            }
            // Four trials in four quarters.
            let mut quarters: Vec<_> = history[first..first + 4]
                .iter()
                .map(|t| (t.configuration.get(&format!("x{place}")).unwrap_or(9.0) * 4.0) as usize)
                .collect();
            quarters.sort_unstable();
            assert_eq!(quarters, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn later_passes_look_closer_around_the_best() {
        let space = space(2);
        let options = SamplerOptions::default();
        let history = study(&mut *coordinate(&options, &space).expect("builds"), &space, 60);
        for trial in 9..13 {
            let question = Question { space: &space, seed: 3, number: 9, history: &history };
            let best = incumbent(&question, 9).get("x0").unwrap_or(9.0);
            let low = (best - 0.25).clamp(0.0, 0.5);
            let value = history[trial].configuration.get("x0").unwrap_or(9.0);
            assert!((low..=low + 0.5).contains(&value), "{value} around {best}");
        }
        let best = history.iter().filter_map(|trial| trial.loss).fold(f64::INFINITY, f64::min);
        assert!(best < 0.02, "{best}");
    }

    #[test]
    fn growth_frees_three_then_five_then_all() {
        let space = space(7);
        let options = SamplerOptions::default();
        let history = study(&mut *grow(&options, &space).expect("builds"), &space, 40);
        for (first, trials, free) in [(1, 12, 3), (13, 8, 5), (21, 8, 7)] {
            for trial in first..first + trials {
                let expected: Vec<_> = (0..free).collect();
                assert_eq!(moved(&history, &space, trial, first), expected, "trial {trial}");
            }
        }
    }

    #[test]
    fn groups_move_together_and_come_where_their_first_member_does() {
        let space = space(5);
        let options = SamplerOptions {
            order: Order::Given(vec!["x3".into()]),
            groups: vec![("pair".into(), vec!["x1".into(), "x3".into()])],
            ..SamplerOptions::default()
        };
        let history = study(&mut *groups(&options, &space).expect("builds"), &space, 14);
        for trial in 1..9 {
            assert_eq!(moved(&history, &space, trial, 1), [1, 3]);
        }
        assert_eq!(moved(&history, &space, 9, 9), [0]);
        let strange = vec![("g".to_owned(), vec!["nowhere".to_owned()])];
        let options = SamplerOptions { groups: strange, ..SamplerOptions::default() };
        let error = super::groups(&options, &space).err().expect("is refused").to_string();
        assert!(error.contains("nowhere"), "{error}");
    }

    #[test]
    fn few_values_are_each_tried_once() {
        let mut space = space(1);
        let words = ["a", "b", "c"].map(|word| Choice::Text(word.into())).to_vec();
        space.parameters[0].distribution = Distribution::Categorical { choices: words };
        space.parameters[0].default = Some(1.0);
        let options = SamplerOptions::default();
        let history = study(&mut *coordinate(&options, &space).expect("builds"), &space, 3);
        let mut values: Vec<_> =
            history.iter().map(|trial| trial.configuration.get("x0").unwrap_or(9.0)).collect();
        values.sort_by(f64::total_cmp);
        assert_eq!(values, [0.0, 1.0, 2.0]);
    }

    #[test]
    fn the_screening_comes_first_and_decides_the_order() {
        fn design(space: &Space, _: u64, trials: u64) -> Vec<Configuration> {
            (0..trials).map(|trial| space.at(&[trial as f64 / 10.0; 3])).collect()
        }
        fn importance(_: &Space, _: u64, trials: &[Observation]) -> Option<Vec<f64>> {
            assert_eq!(trials.len(), 5, "all of the screening, and nothing else");
            Some(vec![0.1, 0.7, 0.2])
        }
        let ranker = Ranker { name: "test", fewest: |_| 5, design, importance };
        let space = space(3);
        let options = SamplerOptions {
            order: Order::Screened { ranker, trials: 5 },
            ..SamplerOptions::default()
        };
        let history = study(&mut *coordinate(&options, &space).expect("builds"), &space, 14);
        for trial in 0..5 {
            assert_eq!(history[1 + trial].configuration.get("x0"), Some(trial as f64 / 10.0));
        }
        assert_eq!(moved(&history, &space, 6, 6), [1]);
        assert_eq!(moved(&history, &space, 10, 10), [2]);
    }

    use super::super::order::Ranker;
}
