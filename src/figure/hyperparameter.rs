//! Where a trial stands on the axis of one hyperparameter.

use std::collections::HashMap;

use super::axis::{self, Axis};
use super::manifest::Parameter;
use super::study::Study;
use super::tables::Trial;

/// A searched quantity of a study.
pub(super) struct Hyperparameter<'a> {
    pub name: &'a str,
    /// Its place in [`Trial::settings`].
    column: usize,
    scale: Scale,
}

enum Scale {
    Number { log: bool, whole: bool, range: (f64, f64) },
    Names { names: Vec<String>, slots: HashMap<String, usize> },
}

/// The hyperparameters of a study that its trials have a column for, in the order of the columns.
///
/// What the manifest does not describe is judged by its cells: numbers or words.
pub(super) fn all<'a>(study: &Study<'a>) -> Vec<Hyperparameter<'a>> {
    let space = &study.settings.space;
    let columns = study.run.hyperparameters.iter().enumerate();
    let described = columns.map(|(i, name)| (i, name, space.iter().find(|p| p.name == *name)));
    // Columns outside the space hold what was the same for every trial.
    let searched = described.filter(|(.., parameter)| space.is_empty() || parameter.is_some());
    searched.map(|(i, name, parameter)| Hyperparameter::new(study, i, name, parameter)).collect()
}

impl<'a> Hyperparameter<'a> {
    fn new(study: &Study<'a>, column: usize, name: &'a str, parameter: Option<&Parameter>) -> Self {
        let cells = || {
            let cells = study.trials.iter().filter_map(|t| t.settings.get(column));
            cells.map(String::as_str).filter(|cell| !cell.is_empty())
        };
        let numeric = match parameter.map_or("", |p| p.kind.as_str()) {
            "categorical" => false,
            "float" | "int" | "normal" => true,
            _ => cells().all(|cell| cell.parse::<f64>().is_ok()),
        };
        let scale = if numeric {
            let numbers = cells().filter_map(number);
            let range = parameter.and_then(|p| p.range).unwrap_or_else(|| {
                numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                    (low.min(v), high.max(v))
                })
            });
            let log = parameter.is_some_and(|p| p.log) && range.0 > 0.0;
            Scale::Number { log, whole: parameter.is_some_and(|p| p.kind == "int"), range }
        } else {
            let mut names: Vec<String> = Vec::new();
            let mut slots = HashMap::new();
            let choices = parameter.into_iter().flat_map(|p| p.choices.iter().map(String::as_str));
            for name in choices.chain(cells()) {
                slots.entry(key(name)).or_insert_with(|| {
                    names.push(name.to_owned());
                    names.len() - 1
                });
            }
            Scale::Names { names, slots }
        };
        Self { name, column, scale }
    }

    /// Its axis, as wide as its box, with one slot for each choice.
    pub fn axis(&self, label: &str) -> Axis {
        let free = (f64::NEG_INFINITY, f64::INFINITY);
        match &self.scale {
            Scale::Number { log, whole, range: (low, high) } => {
                let axis = match log {
                    true => Axis::log(label, [*low, *high]),
                    false => Axis::linear(label, [*low, *high], free),
                };
                if *whole { axis.with_whole_ticks() } else { axis }
            }
            Scale::Names { names, .. } => Axis::names(label, names.iter().cloned()),
        }
    }

    /// Whether its axis is logarithmic.
    pub fn is_log(&self) -> bool {
        matches!(self.scale, Scale::Number { log: true, .. })
    }

    /// Whether it is one of some choices.
    pub fn is_categorical(&self) -> bool {
        matches!(self.scale, Scale::Names { .. })
    }

    /// The trial's position on the axis; none where the hyperparameter is inactive. Choices are
    /// spread over `jitter` of their slot by the number of the trial, so that trials are seen one
    /// by one.
    pub fn position(&self, trial: &Trial, jitter: f64) -> Option<f64> {
        let cell = trial.settings.get(self.column).filter(|cell| !cell.is_empty())?;
        let place = self.place(cell)?;
        match &self.scale {
            Scale::Number { .. } => Some(place),
            Scale::Names { .. } => {
                let spread = spread(trial.trial) - 0.5;
                Some(place + jitter * spread)
            }
        }
    }

    /// The position of a setting on the axis; none where it has no place there.
    pub fn place(&self, cell: &str) -> Option<f64> {
        match &self.scale {
            Scale::Number { .. } => number(cell),
            Scale::Names { slots, .. } => slots.get(&key(cell)).map(|slot| *slot as f64),
        }
    }

    /// The trial's value as a reader would write it; none where the hyperparameter is inactive.
    pub fn words(&self, trial: &Trial) -> Option<String> {
        let cell = trial.settings.get(self.column).filter(|cell| !cell.is_empty())?;
        match &self.scale {
            Scale::Number { .. } => number(cell).map(axis::number),
            Scale::Names { .. } => Some(cell.clone()),
        }
    }
}

/// A place in [0, 1) for a trial: multiples of the golden ratio, modulo one, are evenly spread however
/// many there are, and whatever sequence the trials are of.
pub(super) fn spread(trial: u64) -> f64 {
    (trial as f64 * 0.618_033_988_749_895).fract()
}

fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|v: &f64| v.is_finite())
}

/// The same for `8`, `8.0` and `+8`.
fn key(cell: &str) -> String {
    number(cell).map_or_else(|| cell.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::search_fixture::SearchFixture;
    use super::*;

    #[test]
    fn positions_follow_the_space() {
        let run = SearchFixture::default().run();
        let study = Study::of(&run);
        let all = all(&study);
        let names: Vec<&str> = all.iter().map(|h| h.name).collect();
        assert_eq!(names, ["l1", "lr", "optimizer", "momentum", "warmup"]);
        assert!(all[0].is_categorical() && all[1].is_log() && !all[3].is_log());
        // Ticks are the choices in their order, seen or not.
        let choices: Vec<String> = all[0].axis("").ticks.into_iter().map(|t| t.label).collect();
        assert_eq!(choices, ["4", "8", "16", "32", "64", "128", "256"]);
        for trial in &study.trials {
            assert_eq!(all[3].position(trial, 0.0).is_none(), trial.trial % 3 == 0);
            let (still, moved) = (all[0].position(trial, 0.0), all[0].position(trial, 0.6));
            assert!((still.unwrap() - moved.unwrap()).abs() <= 0.3);
            assert_eq!(choices[still.unwrap() as usize], trial.settings[0]);
        }
    }

    #[test]
    fn numbers_are_choices_however_they_are_written() {
        let space =
            vec![("x".to_owned(), json!({"kind": "categorical", "choices": [8, 16.0, "a"]}))];
        let mut run = SearchFixture { space, ..SearchFixture::default() }.run();
        for (trial, cell) in run.trials.iter_mut().zip(["8.0", "16", "a", "new"]) {
            trial.settings[0] = cell.to_owned();
        }
        let study = Study::of(&run);
        let places = study.trials.iter().take(4).map(|t| all(&study)[0].position(t, 0.0).unwrap());
        assert_eq!(places.collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0]);
    }
}
