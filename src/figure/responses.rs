//! The response along each hyperparameter: measured one at a time, or predicted by a forest.

use super::axis::Axis;
use super::effects;
use super::hyperparameter::{self, Hyperparameter};
use super::multiples;
use super::rankings::{Response, distinct, sorted};
use super::sheet::{Key, Mark, Panel, Sheet, Stroke};
use super::study::Study;
use super::tables::Run;
use super::theme::{self, Marker};
use super::{Figure, FigureError};

/// Most hyperparameters shown.
const MOST: usize = 12;
/// Most ticks of a rug: where there are more trials, quantiles of their settings.
const RUG: usize = 80;

/// What was measured along each axis, all others at the base point.
pub(super) struct Sweep;

/// What a forest predicts along each axis, averaged over all others.
pub(super) struct Marginals;

impl Figure for Sweep {
    fn name(&self) -> &'static str {
        "sweep"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let names = distinct(run.rankings.sweep.iter().map(|p| p.parameter.as_str()));
        let Some((panels, rows)) = panels(run, &run.rankings.sweep, &names, false) else {
            return Ok(None);
        };
        let study = Study::of(run);
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                "One hyperparameter at a time, the others at the base point; each mark is one run."
                    .to_owned(),
                shown(&names),
            ],
        );
        let title = format!("{} along each hyperparameter", study.measure());
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows, caption }))
    }
}

impl Figure for Marginals {
    fn name(&self) -> &'static str {
        "marginals"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let tables = &run.rankings;
        let ranked = sorted(tables.importance.iter().filter(|e| e.method == "fanova"));
        let known = distinct(tables.marginals.iter().map(|p| p.parameter.as_str()));
        let mut names = distinct(ranked.iter().map(|e| e.parameter.as_str()));
        names.retain(|name| known.contains(name));
        names.extend(known.iter().filter(|name| !ranked.iter().any(|e| e.parameter == **name)));
        let Some((panels, rows)) = panels(run, &tables.marginals, &names, true) else {
            return Ok(None);
        };
        let study = Study::of(run);
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                "Line: what a regression forest predicts at this setting, averaged over all others; band: \
                 the middle 95 % of its trees. Ticks at the bottom: quantiles of the trials' settings."
                    .to_owned(),
                shown(&names),
            ],
        );
        let color = theme::arm(0).color;
        let line = Stroke::solid(color, 2.0);
        let legend = vec![Key::stroke("predicted", line), Key::band("trees", color)];
        let title = marginal_title(&study, &tables.marginals);
        Ok(Some(Sheet { title, legend, panels, rows, caption }))
    }
}

/// Which hyperparameter moves the prediction most, from where to where.
fn marginal_title(study: &Study, marginals: &[Response]) -> String {
    let measure = study.measure();
    let range = |name: &str| {
        let of = marginals.iter().filter(|p| p.parameter == name).filter_map(|p| p.value);
        of.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let names = distinct(marginals.iter().map(|p| p.parameter.as_str()));
    let ranges = names.into_iter().map(|name| (name, range(name))).filter(|(_, (a, b))| a < b);
    let widest = ranges.max_by(|a, b| (a.1.1 - a.1.0).total_cmp(&(b.1.1 - b.1.0)));
    let Some((name, (low, high))) = widest else {
        return format!("Predicted {measure} by each hyperparameter, averaged over the others");
    };
    let name = theme::elide(name, 200.0, theme::TITLE, true);
    let words = |value: f64| study.words(study.shown(value));
    format!("{name} moves predicted {measure} most: from {} to {}", words(low), words(high))
}

fn shown(names: &[&str]) -> String {
    match names.len() > MOST {
        true => format!("Shown are {MOST} of {} hyperparameters.", names.len()),
        false => String::new(),
    }
}

/// A panel a hyperparameter, in the order of `names`.
fn panels(
    run: &Run,
    responses: &[Response],
    names: &[&str],
    predicted: bool,
) -> Option<(Vec<Panel>, super::sheet::Rows)> {
    let study = Study::of(run);
    let all = hyperparameter::all(&study);
    let known = |name: &&str| all.iter().find(|h| h.name == *name);
    let shown: Vec<&Hyperparameter> = names.iter().filter_map(known).take(MOST).collect();
    let values: Vec<f64> = responses
        .iter()
        .filter(|point| shown.iter().any(|h| h.name == point.parameter))
        .flat_map(|point| [point.value, point.low, point.high])
        .flatten()
        .map(|value| study.shown(value))
        .collect();
    if shown.is_empty() || values.is_empty() {
        return None;
    }
    let mut y = Axis::linear(&study.measure(), values, (f64::NEG_INFINITY, f64::INFINITY));
    // Panels are low: the last word of the measure, with its unit.
    let (measure, label) = (study.measure(), study.axis([]).label);
    let word = measure.rsplit(' ').next().unwrap_or_default();
    y.label = label.replacen(&measure, word, 1);
    let panels = shown.iter().map(|h| panel(&study, h, responses, &y, predicted));
    let columns = multiples::wide_columns(shown.len());
    let panels: Vec<Panel> = panels.collect();
    // Each has an x axis of its own, whose label is its name: only the y axis is shared.
    let labels: Vec<String> = panels.iter().map(|panel| panel.x.label.clone()).collect();
    let (mut panels, rows) = multiples::arrange(panels, columns);
    panels.iter_mut().zip(labels).for_each(|(panel, label)| panel.x.label = label);
    Some((panels, rows))
}

fn panel(
    study: &Study,
    along: &Hyperparameter,
    responses: &[Response],
    y: &Axis,
    predicted: bool,
) -> Panel {
    let scale = if along.is_log() { " (log scale)" } else { "" };
    let name = theme::elide(along.name, 120.0, theme::LABEL, false);
    let x = along.axis(&format!("{name}{scale}"));
    let of_name = responses.iter().filter(|point| point.parameter == along.name);
    let mut points: Vec<(f64, &Response)> = of_name
        .filter_map(|point| Some((along.place(&point.setting)?, point)))
        .filter(|(_, point)| point.value.is_some())
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let color = theme::arm(0).color;
    let pale = theme::pale(color);
    let value = |point: &Response| point.value.map(|value| study.shown(value));
    let ends = |point: &Response| Some((study.shown(point.low?), study.shown(point.high?)));
    let line: Vec<_> = points.iter().filter_map(|(at, p)| Some((*at, value(p)?))).collect();
    let mut marks = Vec::new();
    if along.is_categorical() {
        for (at, point) in &points {
            if let Some((low, high)) = ends(point) {
                marks.push(Mark::Interval { a: (*at, low), b: (*at, high), color: pale });
            }
        }
    } else {
        let band: Vec<_> =
            points.iter().filter_map(|(at, p)| ends(p).map(|(l, h)| (*at, l, h))).collect();
        if band.len() > 1 {
            marks.push(Mark::Band { points: band, color });
        }
        marks.push(Mark::Line { points: line.clone(), stroke: Stroke::solid(color, 2.0) });
    }
    if !predicted || along.is_categorical() {
        marks.push(Mark::Points { points: line, marker: Marker::Circle, color, radius: 3.6 });
    }
    if predicted && !along.is_categorical() {
        let mut places: Vec<f64> =
            study.trials.iter().filter_map(|trial| along.position(trial, 0.7)).collect();
        places.sort_by(f64::total_cmp);
        if places.len() > RUG {
            let last = places.len() - 1;
            places = (0..RUG).map(|i| places[i * last / (RUG - 1)]).collect();
        }
        let low = bottom(y);
        for at in places {
            let points = vec![(at, low.0), (at, low.1)];
            marks.push(Mark::Line { points, stroke: Stroke::solid(theme::FAINT, 0.7) });
        }
    }
    let (title, subtitle) = (String::new(), String::new());
    Panel { title, subtitle, x, y: y.clone(), marks, height: 130.0, weight: 1.0 }
}

/// The lowest part of an axis, for a rug.
fn bottom(y: &Axis) -> (f64, f64) {
    let (low, high) = y.ends();
    (low, low + 0.05 * (high - low))
}
