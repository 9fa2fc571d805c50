//! The value of each trial in the order of the trials, and the best so far.

use super::axis::Axis;
use super::scatter;
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::study::Study;
use super::tables::{Run, Status};
use super::theme;
use super::{Figure, FigureError};

/// The optimisation history of a search.
pub(super) struct History;

impl Figure for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let study = Study::of(run);
        // One trial is a number, not a history.
        if study.trials.len() < 2 {
            return Ok(None);
        }
        let numbers = study.trials.iter().map(|t| t.trial as f64);
        let x = Axis::whole("trial", numbers, (f64::NEG_INFINITY, f64::INFINITY));
        let values = || study.trials.iter().filter_map(|t| study.value(t));
        let mut y = study.axis(values());
        let beyond = study.beyond(&y, values());
        let strip = study.add_strip(&mut y, 0.11);
        let mut marks = study
            .points(&x, &y, 1, |trial| Some((trial.trial as f64, study.value(trial).or(strip)?)));
        let stroke = Stroke::solid(theme::INK, 1.6);
        let best = best_so_far(&study);
        let mut legend = study.keys(1);
        if best.len() > 1 {
            marks.insert(0, Mark::Line { points: best, stroke });
            legend.push(Key::stroke("best so far", stroke));
        }
        let caption = study.caption(&[
            study.counts(),
            "Each mark is one trial, in the order in which they were proposed; the line is the best \
             value of a complete trial so far."
                .to_owned(),
            study.pruned_values(),
            beyond,
            study.thinned(1),
        ]);
        let panel = Panel {
            title: String::new(),
            subtitle: String::new(),
            x,
            y,
            marks,
            height: 300.0,
            weight: 1.0,
        };
        let (title, panels) = (study.title(), vec![panel]);
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// Corners of the step line, up to the last trial.
fn best_so_far(study: &Study) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for trial in study.trials.iter().filter(|t| t.status == Status::Complete) {
        let Some(value) = study.value(trial) else { continue };
        let at = trial.trial as f64;
        match corners.last() {
            Some(&(_, best)) if study.loss(value) >= study.loss(best) => {}
            Some(&(_, best)) => corners.extend([(at, best), (at, value)]),
            None => corners.push((at, value)),
        }
    }
    let last = study.trials.last().map(|t| t.trial as f64);
    let end = corners.last().map(|corner| corner.1).zip(last);
    corners.extend(end.map(|(best, last)| (last, best)));
    // A search may improve thousands of times; its line may not have as many corners.
    scatter::stride(corners, 2000)
}

#[cfg(test)]
mod tests {
    use super::super::search_fixture::SearchFixture;
    use super::super::theme::Marker;
    use super::*;

    #[test]
    fn every_trial_is_a_mark_and_the_line_only_falls() {
        let values = |i: usize, _| [9.0, 9.0, 9.0, 5.0, 9.0][i % 5] - i as f64 / 10.0;
        let fixture = SearchFixture { value: values, ..SearchFixture::default() };
        let run = fixture.run();
        let sheet = History.plan(&run).unwrap().unwrap();
        let count = |wanted: Marker| -> usize {
            let marks = sheet.panels[0].marks.iter().map(|mark| match mark {
                Mark::Points { points, marker, .. } if *marker == wanted => points.len(),
                _ => 0,
            });
            marks.sum()
        };
        // The best of the three complete ones is drawn again, in a ring.
        let marks =
            [Marker::Circle, Marker::Ring, Marker::Diamond, Marker::Cross, Marker::Triangle];
        assert_eq!(marks.map(count), [3 + 1, 1, 21, 3, 3]);
        let Mark::Line { points, .. } = &sheet.panels[0].marks[0] else { panic!("no line") };
        assert_eq!(points.first(), Some(&(3.0, 4.7)));
        assert_eq!(points.last(), Some(&(29.0, 2.7)));
        assert!(points.windows(2).all(|pair| pair[1].1 <= pair[0].1));
        assert!(sheet.caption.contains("n = 30 trials: 3 complete"));
    }

    #[test]
    fn without_a_complete_trial_there_is_no_best() {
        let fixture = SearchFixture { fate: |_| ("diverged", 2), ..SearchFixture::default() };
        let sheet = History.plan(&fixture.run()).unwrap().unwrap();
        assert_eq!(sheet.title, "No trial was completed: 30 diverged");
        assert_eq!(sheet.legend.len(), 1);
    }
}
