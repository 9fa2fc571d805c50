//! The value of each trial against each of its hyperparameters.

use super::hyperparameter::{self, Hyperparameter};
use super::multiples;
use super::panel;
use super::sheet::{Panel, Rows, Sheet};
use super::study::Study;
use super::tables::Run;
use super::theme::{self, MARGIN, WIDTH};
use super::{Figure, FigureError};

/// Most hyperparameters shown.
const MOST: usize = 12;
/// Most hyperparameters of the best trial in the title.
const NAMED: usize = 5;
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
        let columns = multiples::wide_columns(count);
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
        let (title, legend) = (title(&study, &shown), study.keys(count));
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Grid(columns), caption }))
    }
}

/// Name and scale; a long name gives way, so that the scale is always told.
fn label(hyperparameter: &Hyperparameter, room: f64) -> String {
    let scale = if hyperparameter.is_log() { " (log scale)" } else { "" };
    let rest = room - theme::text_width(scale, theme::LABEL, false);
    let name = theme::elide(hyperparameter.name, rest.max(30.0), theme::LABEL, false);
    format!("{name}{scale}")
}

/// The best trial and its hyperparameters, as many as a title takes.
fn title(study: &Study, shown: &[Hyperparameter]) -> String {
    let Some((best, _)) = study.best() else { return study.title() };
    let active = shown.iter().filter_map(|h| {
        let name = theme::elide(h.name, 130.0, theme::TITLE, true);
        let value = theme::elide(&h.words(best)?, 130.0, theme::TITLE, true);
        Some(format!("{name} = {value}"))
    });
    let active: Vec<String> = active.collect();
    let more = if active.len() > NAMED { " …" } else { "" };
    let settings = active[..active.len().min(NAMED)].join(", ");
    if settings.is_empty() { study.title() } else { format!("{}; {settings}{more}", study.title()) }
}

#[cfg(test)]
mod tests {
    use super::super::search_fixture::SearchFixture;
    use super::super::sheet::Mark;
    use super::super::theme::Marker;
    use super::*;

    #[test]
    fn each_hyperparameter_has_a_panel_with_the_trials_it_was_active_in() {
        let sheet = Slice.plan(&SearchFixture::default().run()).unwrap().unwrap();
        let pruned = |panel: &Panel| -> usize {
            let marks = panel.marks.iter().map(|mark| match mark {
                Mark::Points { points, marker: Marker::Diamond, .. } => points.len(),
                _ => 0,
            });
            marks.sum()
        };
        let counts: Vec<usize> = sheet.panels.iter().map(pruned).collect();
        assert_eq!(counts, [21, 21, 21, 14, 21]);
        assert!(sheet.caption.contains("hyperparameter was inactive"));
        assert_eq!(sheet.panels[1].x.label, "lr (log scale)");
        assert!(sheet.title.contains("optimizer = "), "{}", sheet.title);
    }

    #[test]
    fn plots_of_a_row_are_equally_wide_and_a_dozen_is_enough() {
        let number = serde_json::json!({"kind": "float", "low": 0.0, "high": 1.0});
        let space = (0..40).map(|i| (format!("x{i}"), number.clone())).collect();
        let run = SearchFixture { space, ..SearchFixture::default() }.run();
        let sheet = Slice.plan(&run).unwrap().unwrap();
        assert_eq!((sheet.panels.len(), sheet.rows), (12, Rows::Grid(3)));
        assert!(sheet.caption.contains("the first 12 of 40"));
        let width = |panel: &Panel| panel.weight - panel::near_room(&panel.y);
        assert!((width(&sheet.panels[0]) - width(&sheet.panels[1])).abs() < 1e-9);
    }
}
