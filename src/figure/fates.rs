//! The learning curve of every trial, by how it ended.

use std::collections::BTreeMap;

use super::manifest::Metric;
use super::scatter;
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::study::{self, Study};
use super::summary::{self, Averaging};
use super::tables::{Run, Split, Status};
use super::theme::{self, Color, Marker};
use super::{Figure, FigureError};

/// Most curves drawn of each status.
const CURVES: usize = 100;
/// Most points drawn in all.
const POINTS: usize = 40_000;

/// Learning curves by fate.
pub(super) struct Fates;

/// The curve of a trial.
type Curve = Vec<(f64, f64)>;

impl Figure for Fates {
    fn name(&self) -> &'static str {
        "fates"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let study = Study::of(run);
        let curves = curves(&study);
        let ended = |status| -> Vec<&Curve> {
            let of_status = study.trials.iter().filter(|t| t.status == status);
            of_status.filter_map(|t| curves.get(&t.trial)).filter(|c| !c.is_empty()).collect()
        };
        let by_status: Vec<(Status, Vec<&Curve>)> =
            study::STATUSES.into_iter().map(|status| (status, ended(status))).collect();
        let total: usize = by_status.iter().map(|(_, curves)| curves.len()).sum();
        let longest = by_status.iter().flat_map(|(_, c)| c).map(|c| c.len()).max();
        // Points alone are the history.
        if total < 2 || longest < Some(2) {
            return Ok(None);
        }
        let all = || by_status.iter().flat_map(|(_, curves)| curves).flat_map(|c| c.iter());
        let x = study.budget_axis(&format!("{}s", study.unit()), all().map(|p| p.0));
        let y = study.axis(all().map(|p| p.1));
        let drawn = by_status.iter().map(|(_, c)| c.len().min(CURVES)).sum::<usize>();
        let each = (POINTS / drawn.max(1)).max(12);
        let mut marks = Vec::new();
        let mut legend = Vec::new();
        for (status, curves) in &by_status {
            let (color, stroke) = look(*status, curves.len());
            let shown = scatter::stride(curves.clone(), CURVES);
            let mut ends = Vec::new();
            for curve in &shown {
                ends.extend(curve.last());
                let points = scatter::stride((*curve).clone(), each);
                if points.len() > 1 {
                    marks.push(Mark::Line { points, stroke });
                }
            }
            let marker = theme::status(*status).marker;
            marks.push(Mark::Points { points: ends, marker, color, radius: 2.6 });
            if !shown.is_empty() {
                let name =
                    format!("{} (n = {})", study::name(*status), study::thousands(curves.len()));
                legend.push(Key::stroke(name, Stroke { marker: Some(marker), ..stroke }));
            }
        }
        // The background was drawn first; a reader looks for the others first.
        let pruned = by_status.first().is_some_and(|(_, curves)| !curves.is_empty());
        legend.rotate_left(usize::from(pruned));
        let best = study.best().and_then(|(trial, _)| Some((trial, curves.get(&trial.trial)?)));
        if let Some((trial, curve)) = best {
            let stroke = Stroke::solid(theme::INK, 2.6);
            let (marker, color, radius) = (Marker::Ring, theme::INK, 6.5);
            let points = curve.last().copied().into_iter().collect();
            marks.push(Mark::Points { points, marker, color, radius });
            marks.push(Mark::Line {
                points: summary::thin(curve.clone(), Averaging::Arithmetic),
                stroke,
            });
            legend.push(Key::stroke(format!("best, trial {}", trial.trial), stroke));
        }
        let thinned = by_status.iter().any(|(_, curves)| curves.len() > CURVES);
        let unit = study.unit();
        let caption = study.caption(&[
            study.counts(),
            format!(
                "Each line is one trial, from its first report to its last; its mark is where it \
                 ended. Measured after each {unit}."
            ),
            match study.trials.len() - total {
                0 => String::new(),
                n => format!("Without a finite report: {}.", study::thousands(n)),
            },
            if thinned {
                format!("Of each kind at most {CURVES} trials are drawn, evenly spaced by number.")
            } else {
                String::new()
            },
            study.beyond(&x, all().map(|p| p.0)),
            match all().filter(|p| !y.covers(p.1)).count() {
                0 => String::new(),
                n => format!(
                    "{} reports beyond the axis are drawn at its edge.",
                    study::thousands(n)
                ),
            },
        ]);
        let panel = Panel {
            title: String::new(),
            subtitle: String::new(),
            x,
            y,
            marks,
            height: 330.0,
            weight: 1.0,
        };
        let (title, panels) = (title(&study), vec![panel]);
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// Colour and line of a status; where lines are many, each has less ink.
fn look(status: Status, count: usize) -> (Color, Stroke) {
    let color = theme::status(status).color;
    let (color, width) = match status {
        Status::Pruned => (theme::mix(color, (255, 255, 255), 0.75), 0.9),
        Status::Complete => (color, 1.3),
        _ => (color, 1.1),
    };
    (color, Stroke::solid(color, if count > 40 { width * 0.65 } else { width }))
}

/// The metric over each trial's budget: from its learning curve, or from what the scheduler saw
/// where the objective has none.
fn curves(study: &Study) -> BTreeMap<u64, Curve> {
    let mut curves: BTreeMap<u64, Curve> = BTreeMap::new();
    let run = study.run;
    let per_epoch: Vec<f64> = study.trials.iter().filter_map(|t| t.images_per_epoch()).collect();
    // Every trial trains on the same images; one that broke off within an epoch counts it whole.
    let per_epoch = summary::median(&per_epoch);
    if let Some(images) = per_epoch.filter(|_| study.settings.metric != Metric::Value) {
        let accuracy = study.settings.metric == Metric::Accuracy;
        for point in run.curves.iter().filter(|p| p.split == Split::Validation) {
            let value = if accuracy { point.accuracy } else { point.loss };
            if let Some((x, value)) = point.images_trained.zip(value) {
                curves.entry(point.trial).or_default().push((x / images, study.shown(value)));
            }
        }
    }
    if curves.is_empty() {
        for decision in &run.decisions {
            if let Some(value) = decision.value {
                let at = (decision.step as f64, study.shown(value));
                curves.entry(decision.trial).or_default().push(at);
            }
        }
    }
    for curve in curves.values_mut() {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Calling up a paused trial is a decision without a new report.
        curve.dedup();
    }
    curves
}

fn title(study: &Study) -> String {
    let n = study::thousands(study.trials.len());
    match study.count(Status::Pruned) {
        0 => study.title(),
        pruned => {
            format!(
                "{}; {} of {n} trials were stopped early",
                study.title(),
                study::thousands(pruned)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::search_fixture::{FULL, SearchFixture};
    use super::*;

    #[test]
    fn curves_end_where_the_trials_did() {
        let run = SearchFixture::default().run();
        let curves = curves(&Study::of(&run));
        let end = |trial: u64| curves[&trial].last().unwrap().0;
        assert_eq!((end(0), end(3), end(4)), (9.0, FULL as f64, 1.0));
        // The report that diverged has no place.
        assert_eq!(end(6), 1.0);
        let sheet = Fates.plan(&run).unwrap().unwrap();
        let names: Vec<&str> = sheet.legend.iter().map(|key| key.label.as_str()).collect();
        assert_eq!(names[..3], ["complete (n = 3)", "diverged (n = 3)", "pruned (n = 21)"]);
        assert!(names[3].starts_with("best, trial "));
        assert!(sheet.title.ends_with("21 of 30 trials were stopped early"));
    }

    #[test]
    fn a_function_is_seen_through_its_scheduler() {
        let fixture =
            SearchFixture { objective: "branin", metric: "value", ..SearchFixture::default() };
        let mut run = fixture.run();
        run.curves.clear();
        assert_eq!(curves(&Study::of(&run))[&3].len(), FULL);
        run.decisions.clear();
        assert!(Fates.plan(&run).unwrap().is_none());
    }
}
