//! The value of each trial against each of its hyperparameters.

use super::hyperparameter::{self, Hyperparameter};
use super::panel;
use super::sheet::{Panel, Rows, Sheet};
use super::study::Study;
use super::tables::Run;
use super::theme::{self, MARGIN, WIDTH};
use super::{Figure, FigureError};

/// Most hyperparameters shown.
const MOST: usize = 12;
/// Share of a slot over which the trials of a choice are spread.
const JITTER: f64 = 0.6;

/// One panel a hyperparameter.
pub(super) struct Slice;

impl Figure for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let study = Study::of(run);
        let mut shown = hyperparameter::all(&study);
        let all = shown.len();
        shown.truncate(MOST);
        if study.trials.len() < 2 || shown.is_empty() {
            return Ok(None);
        }
        let count = shown.len();
        let columns = match count {
            1 | 2 => count,
            4 => 2,
            _ => 3,
        };
        let values = || study.trials.iter().filter_map(|t| study.value(t));
        let mut y = study.axis(values());
        let beyond = study.beyond(&y, values());
        let (height, share) = if columns < 3 { (220.0, 0.13) } else { (165.0, 0.18) };
        let strip = study.add_strip(&mut y, share);
        // Only the first panel of a row has labels; its extra width keeps the plots alike.
        let mut unlabelled = y.clone();
        unlabelled.label.clear();
        unlabelled.ticks.iter_mut().for_each(|tick| tick.label.clear());
        let (first, other) = (panel::near_room(&y), panel::near_room(&unlabelled));
        let across = WIDTH - MARGIN * (columns + 1) as f64;
        let rooms = first + other * (columns - 1) as f64 + panel::FAR_ROOM * columns as f64;
        let plot = (across - rooms) / columns as f64;
        let panels: Vec<Panel> = shown
            .iter()
            .enumerate()
            .map(|(i, hyperparameter)| {
                let leads = i % columns == 0;
                let y = if leads { &y } else { &unlabelled };
                let near = if leads { first } else { other };
                let x = hyperparameter.axis(&label(hyperparameter, plot));
                let marks = study.points(&x, y, count, |trial| {
                    let at = hyperparameter.position(trial, JITTER)?;
                    Some((at, study.value(trial).or(strip)?))
                });
                let (title, subtitle) = (String::new(), String::new());
                let weight = plot + near + panel::FAR_ROOM;
                Panel { title, subtitle, x, y: y.clone(), marks, height, weight }
            })
            .collect();
        let inactive =
            shown.iter().any(|h| study.trials.iter().any(|t| h.position(t, 0.0).is_none()));
        let caption = study.caption(&[
            study.counts(),
            "Each mark is one trial; the other hyperparameters differ between the trials of a panel."
                .to_owned(),
            if shown.iter().any(Hyperparameter::is_categorical) {
                "Choices are spread sideways by the number of the trial.".to_owned()
            } else {
                String::new()
            },
            if inactive {
                "A trial is missing where a hyperparameter was inactive.".to_owned()
            } else {
                String::new()
            },
            if all > count {
                format!("Shown are the first {count} of {all} hyperparameters.")
            } else {
                String::new()
            },
            study.pruned_values(),
            beyond,
            study.thinned(count),
        ]);
        let (title, legend) = (title(&study), study.keys(count));
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Grid(columns), caption }))
    }
}

/// Name and scale; a long name gives way, so that the scale is always told.
pub(super) fn label(hyperparameter: &Hyperparameter, room: f64) -> String {
    let scale = if hyperparameter.is_log() { " (log scale)" } else { "" };
    let rest = room - theme::text_width(scale, theme::LABEL, false);
    let name = theme::elide(hyperparameter.name, rest.max(30.0), theme::LABEL, false);
    format!("{name}{scale}")
}

fn title(study: &Study) -> String {
    match study.best() {
        Some((best, value)) => {
            let (measure, words) = (study.measure(), study.words(value));
            format!("Where {measure} is good: trial {} is best with {words}", best.trial)
        }
        None => study.title(),
    }
}
