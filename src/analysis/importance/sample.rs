//! Trials that count, made ready for methods, and resamples of them.

use std::sync::{Arc, OnceLock};

use rand::RngExt;

use super::assess::LEAST_FIT;
use super::forest::{Axis, Forest, Table};
use super::observations::{Observations, Parameter, Target};
use super::{FEWEST_TRIALS, ImportanceError, Options};
use crate::random::{Purpose, derived_seed, stream};

/// What this share of the trials has is a column of a view: the others get its start.
const NEARLY_ALL: f64 = 0.9;
/// Trees that show whether a view explains anything.
const FIT_TREES: usize = 32;
/// How many equally probable settings stand for a continuum.
const SETTINGS: usize = 64;

/// Hyperparameters that are active in the same trials, and those that (nearly) always are beside them.
#[derive(Debug)]
pub(super) struct View {
    /// Hyperparameters whose importance is read from this view.
    pub members: Vec<usize>,
    /// Hyperparameters that its table has as columns: the members and those that nearly all of these trials have.
    pub columns: Vec<usize>,
    /// The trials in which the members are active.
    pub table: Table,
    /// Rows of the table by trial.
    rows: Vec<Option<u32>>,
    /// Whether its columns explain anything. Where branches are left out of them, trees of full depth would fit
    /// what those do as if the members did it.
    pub explains: bool,
}

impl View {
    /// R² of a forest of its columns for trials that it has not seen.
    fn fit(&self) -> f64 {
        let rows: Vec<u32> = (0..self.table.len() as u32).collect();
        let forest = Forest::fit(&self.table, &rows, FIT_TREES, 0);
        forest.out_of_bag(&self.table, &rows).unwrap_or(0.0)
    }
}

#[derive(Debug)]
struct Base {
    parameters: Vec<Parameter>,
    axes: Vec<Axis>,
    /// Internal values by trial.
    values: Vec<Vec<Option<f64>>>,
    targets: Vec<f64>,
    /// Coordinates to start from, one a hyperparameter; they stand in for inactive ones too.
    start: Vec<f64>,
    /// First the hyperparameters that all trials have, then one view for each set of trials in which
    /// conditional ones are active; at the end all of them at once where that is not the first.
    views: Vec<View>,
    whole: usize,
}

/// Trials that count, each as often as a resample has it.
#[derive(Debug)]
pub struct Sample {
    base: Arc<Base>,
    trials: Vec<u32>,
    forests: Vec<OnceLock<(usize, u64, Arc<Forest>)>>,
}

impl Sample {
    /// The trials that count by `options`, and what was done about the others, in words.
    pub fn new(
        observations: &Observations,
        options: &Options,
    ) -> Result<(Self, Vec<String>), ImportanceError> {
        observations.check()?;
        let (targets, mut notes) = observations.targets(options)?;
        let (sample, more) = Self::of_targets(observations, &targets, options)?;
        notes.extend(more);
        Ok((sample, notes))
    }

    /// Trials with targets of any kind; observations must have been checked.
    pub(super) fn of_targets(
        observations: &Observations,
        targets: &[Target],
        options: &Options,
    ) -> Result<(Self, Vec<String>), ImportanceError> {
        if targets.len() < FEWEST_TRIALS {
            return Err(ImportanceError::TooFew { usable: targets.len(), least: FEWEST_TRIALS });
        }
        if targets.iter().all(|(_, target)| *target == targets[0].1) {
            let (trials, value) = (targets.len(), targets[0].1);
            return Err(ImportanceError::Constant { trials, value });
        }
        let parameters = observations.parameters.clone();
        let axes: Vec<Axis> = parameters.iter().map(|p| Axis::of(&p.distribution)).collect();
        let values: Vec<_> =
            targets.iter().map(|(row, _)| observations.rows[*row].values.clone()).collect();
        let start = start(&parameters, &axes, options)?;
        let losses: Vec<f64> = targets.iter().map(|(_, target)| *target).collect();
        let mut base =
            Base { parameters, axes, values, targets: losses, start, views: Vec::new(), whole: 0 };
        let notes = base.add_views()?;
        let trials = (0..targets.len() as u32).collect();
        Ok((Self::with(Arc::new(base), trials), notes))
    }

    fn with(base: Arc<Base>, trials: Vec<u32>) -> Self {
        let forests = base.views.iter().map(|_| OnceLock::new()).collect();
        Self { base, trials, forests }
    }

    /// As many trials drawn from these with replacement.
    pub fn resample(&self, seed: u64, index: u64) -> Self {
        let mut draws =
            stream(derived_seed(seed, Purpose::Bootstrap, 1), Purpose::Bootstrap, index);
        let count = self.trials.len();
        let trials = (0..count).map(|_| self.trials[draws.random_range(0..count)]).collect();
        Self::with(self.base.clone(), trials)
    }

    /// The hyperparameters.
    pub fn parameters(&self) -> &[Parameter] {
        &self.base.parameters
    }

    /// How many trials there are.
    pub fn len(&self) -> usize {
        self.trials.len()
    }

    /// Whether there are none; never so for a sample that could be made.
    pub fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// Target and internal values of each trial.
    pub fn iter(&self) -> impl Iterator<Item = (f64, &[Option<f64>])> {
        let base = &self.base;
        self.trials
            .iter()
            .map(|&trial| (base.targets[trial as usize], base.values[trial as usize].as_slice()))
    }

    /// Coordinates to start from.
    pub(super) fn start(&self) -> &[f64] {
        &self.base.start
    }

    /// Coordinates of some internal values; where one is inactive, that to start from.
    pub(super) fn point(&self, values: &[Option<f64>]) -> Vec<f64> {
        (0..values.len()).map(|parameter| self.base.coordinate(parameter, values)).collect()
    }

    /// Internal values of the trial with the lowest target, the first of several.
    pub(super) fn incumbent(&self) -> &[Option<f64>] {
        let lowest = |a: &&u32, b: &&u32| {
            let (a, b) = (**a, **b);
            let targets = &self.base.targets;
            targets[a as usize].total_cmp(&targets[b as usize]).then(a.cmp(&b))
        };
        self.trials.iter().min_by(lowest).map_or(&[], |trial| &self.base.values[*trial as usize])
    }

    /// Views that give each hyperparameter its variance: see [`View`].
    pub(super) fn views(&self) -> &[View] {
        let own = self.base.views.iter().filter(|view| !view.members.is_empty()).count();
        &self.base.views[..own]
    }

    /// Rows of a view's table, as often as the sample has them.
    pub(super) fn rows(&self, view: usize) -> Vec<u32> {
        let rows = &self.base.views[view].rows;
        self.trials.iter().filter_map(|trial| rows[*trial as usize]).collect()
    }

    /// The forest of a view; none if its trials are all alike in this resample. Methods that ask
    /// with the same seed share it.
    pub(super) fn forest(&self, view: usize, options: &Options, seed: u64) -> Option<Arc<Forest>> {
        let table = &self.base.views[view].table;
        let rows = self.rows(view);
        let first = table.targets[*rows.first()? as usize];
        if rows.iter().all(|row| table.targets[*row as usize] == first) {
            return None;
        }
        let grow = || {
            let own = derived_seed(seed, Purpose::Bootstrap, 2 + view as u64);
            Arc::new(Forest::fit(table, &rows, options.trees, own))
        };
        let (trees, known, forest) =
            self.forests[view].get_or_init(|| (options.trees, seed, grow()));
        let same = (*trees, *known) == (options.trees, seed);
        Some(if same { forest.clone() } else { grow() })
    }

    /// The view that has all hyperparameters at once.
    pub(super) fn whole(&self) -> (usize, &View) {
        (self.base.whole, &self.base.views[self.base.whole])
    }

    /// What share of the variance of the targets lies among the trials of a view, around their
    /// mean: P(active) · V(target | active) / V(target).
    pub(super) fn variance_share(&self, view: usize) -> f64 {
        let targets = |trials: &mut dyn Iterator<Item = u32>| -> Vec<f64> {
            trials.map(|trial| self.base.targets[trial as usize]).collect()
        };
        let all = squares(&targets(&mut self.trials.iter().copied()));
        let rows = &self.base.views[view].rows;
        let active = |trial: &u32| rows[*trial as usize].is_some();
        let inside = squares(&targets(&mut self.trials.iter().copied().filter(active)));
        if all > 0.0 { inside / all } else { 0.0 }
    }

    /// Equally probable coordinates of a hyperparameter: its levels, or the middles of 64 shares of
    /// its range.
    pub(super) fn settings(&self, parameter: usize) -> Vec<f64> {
        if let Axis::Choices(count) = self.base.axes[parameter] {
            return (0..count).map(|choice| choice as f64).collect();
        }
        let levels = match (self.base.axes[parameter], &self.base.parameters[parameter]) {
            (Axis::Ordered, known) => known.distribution.levels(),
            _ => None,
        };
        let count = levels.map_or(SETTINGS, |levels| levels.min(SETTINGS as u64) as usize);
        (0..count).map(|index| (index as f64 + 0.5) / count as f64).collect()
    }

    /// A coordinate as a position in [0, 1].
    pub(super) fn position(&self, parameter: usize, coordinate: f64) -> f64 {
        match self.base.axes[parameter] {
            Axis::Choices(count) => (coordinate + 0.5) / count as f64,
            _ => coordinate,
        }
    }

    /// A coordinate as a person would write it.
    pub(super) fn setting(&self, parameter: usize, coordinate: f64) -> String {
        self.base.parameters[parameter].setting(self.position(parameter, coordinate))
    }
}

fn squares(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Coordinates to start from: the defaults given, else the middle of a range and the first choice.
fn start(
    parameters: &[Parameter],
    axes: &[Axis],
    options: &Options,
) -> Result<Vec<f64>, ImportanceError> {
    let given = |place: usize| options.defaults.get(place).copied().flatten();
    let start = |(place, (parameter, axis)): (usize, (&Parameter, &Axis))| {
        let distribution = &parameter.distribution;
        let value = match given(place) {
            Some(value) if distribution.contains(value) => value,
            Some(value) => {
                return Err(ImportanceError::Default { parameter: parameter.name.clone(), value });
            }
            None if matches!(axis, Axis::Choices(_)) => 0.0,
            None => distribution.at(0.5),
        };
        Ok(axis.coordinate(distribution, value))
    };
    parameters.iter().zip(axes).enumerate().map(start).collect()
}

impl Base {
    fn coordinate(&self, parameter: usize, values: &[Option<f64>]) -> f64 {
        let place = |value| {
            self.axes[parameter].coordinate(&self.parameters[parameter].distribution, value)
        };
        values[parameter].map_or(self.start[parameter], place)
    }

    /// Whether a hyperparameter has several coordinates among trials that all have it.
    fn varies(&self, parameter: usize, trials: &[usize]) -> bool {
        let mut coordinates =
            trials.iter().map(|trial| self.coordinate(parameter, &self.values[*trial]));
        let first = coordinates.next();
        coordinates.any(|coordinate| Some(coordinate) != first)
    }

    /// Sorts the hyperparameters into views; says in words what cannot be judged.
    fn add_views(&mut self) -> Result<Vec<String>, ImportanceError> {
        let mut notes = Vec::new();
        let all: Vec<usize> = (0..self.values.len()).collect();
        let has = |parameter: usize, trial: &usize| self.values[*trial][parameter].is_some();
        // Sets of trials with the hyperparameters that are active in just these.
        let mut sets: Vec<(Vec<usize>, Vec<usize>)> = vec![(all.clone(), Vec::new())];
        for parameter in 0..self.parameters.len() {
            let name = &self.parameters[parameter].name;
            let active: Vec<usize> =
                all.iter().copied().filter(|trial| has(parameter, trial)).collect();
            if active.is_empty() {
                notes.push(format!("`{name}` has no value in any usable trial: importance 0"));
            } else if !self.varies(parameter, &active) {
                notes.push(format!("`{name}` has one value in all usable trials: importance 0"));
            } else if active.len() < FEWEST_TRIALS {
                notes.push(format!(
                    "`{name}` is active in {} usable trials, too few to judge: importance 0",
                    active.len()
                ));
            } else if active.iter().all(|t| self.targets[*t] == self.targets[active[0]]) {
                notes.push(format!(
                    "all usable trials with `{name}` have the same value: importance 0"
                ));
            } else {
                match sets.iter_mut().find(|(trials, _)| *trials == active) {
                    Some((_, members)) => members.push(parameter),
                    None => sets.push((active, vec![parameter])),
                }
            }
        }
        let mut varying: Vec<usize> =
            sets.iter().flat_map(|(_, members)| members.clone()).collect();
        if varying.is_empty() {
            return Err(ImportanceError::NothingVaries);
        }
        varying.sort_unstable();
        let mut views = Vec::new();
        for (trials, members) in sets.into_iter().filter(|(_, members)| !members.is_empty()) {
            // What a few trials lack is a column as well; a branch is not, since a forest would tell the branches
            // apart by it.
            let share = |parameter: usize| {
                trials.iter().filter(|trial| has(parameter, trial)).count() as f64
                    / trials.len() as f64
            };
            let varying_here = varying.iter().copied().filter(|p| self.varies(*p, &trials));
            let (columns, left_out): (Vec<_>, Vec<_>) =
                varying_here.partition(|parameter| share(*parameter) >= NEARLY_ALL);
            let mut view = self.view(members, columns, &trials);
            if !left_out.is_empty() && view.fit() < LEAST_FIT {
                view.explains = false;
                let names = view.members.iter().map(|p| format!("`{}`", self.parameters[*p].name));
                notes.push(format!(
                    "{} explain nothing that these trials would show beside what only some of them have: share of the \
                     variance 0",
                    names.collect::<Vec<_>>().join(", ")
                ));
            }
            views.push(view);
        }
        if views[0].table.len() < all.len() || views[0].columns != varying {
            self.whole = views.len();
            views.push(self.view(Vec::new(), varying, &all));
        }
        self.views = views;
        Ok(notes)
    }

    fn view(&self, members: Vec<usize>, columns: Vec<usize>, trials: &[usize]) -> View {
        let mut rows = vec![None; self.values.len()];
        for (row, trial) in trials.iter().enumerate() {
            rows[*trial] = Some(row as u32);
        }
        let column = |parameter: &usize| {
            trials.iter().map(|trial| self.coordinate(*parameter, &self.values[*trial])).collect()
        };
        let table = Table::new(
            columns.iter().map(|parameter| self.axes[*parameter]).collect(),
            columns.iter().map(column).collect(),
            trials.iter().map(|trial| self.targets[*trial]).collect(),
        );
        View { members, columns, table, rows, explains: true }
    }
}
