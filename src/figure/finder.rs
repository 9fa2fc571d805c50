//! The layer range test: loss against the growing rate of one layer at a time.

use super::axis::{self, Axis};
use super::multiples;
use super::screening::{RangePoint, Suggestion};
use super::sheet::{Key, Mark, Panel, Sheet, Stroke};
use super::summary;
use super::tables::Run;
use super::theme::{self, Dash, Marker};
use super::{Figure, FigureError};

/// The run whose rates stay as they are.
const BASE: &str = "base";
/// All layers together.
const ALL: &str = "all";
/// A loss that has grown by this share of what the run had gained is shown no further: a test ends in an explosion.
const ROOM: f64 = 1.0;

/// One panel a layer.
pub(super) struct Finder;

/// The test of one layer.
struct Test<'a> {
    layer: &'a str,
    raw: Vec<(f64, f64)>,
    smooth: Vec<(f64, f64)>,
    suggestion: Option<&'a Suggestion>,
}

impl Figure for Finder {
    fn name(&self) -> &'static str {
        "finder"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let mut tests = read_tests(run);
        tests.retain(|t| t.smooth.len() > 1);
        let base = tests.iter().position(|t| t.layer == BASE).map(|at| tests.remove(at));
        if tests.is_empty() {
            return Ok(None);
        }
        let x = x_axis(&tests);
        let y = y_axis(&tests);
        let panels: Vec<Panel> =
            tests.iter().map(|t| panel(t, base.as_ref(), &x, &y, tests.len())).collect();
        let columns = multiples::columns(panels.len());
        let (panels, rows) = multiples::arrange(panels, columns);
        let caption = summary::caption(
            run,
            &[
                format!(
                    "n = 1 run per panel. Training loss while the rate of one layer grows \
                     exponentially and the others keep theirs{}; thin: single batches, thick: \
                     smoothed.",
                    if tests.iter().any(|t| t.layer == ALL) {
                        " (all: of every layer)"
                    } else {
                        ""
                    }
                ),
                match base {
                    Some(_) => "Dashed: the run whose rates all stay, at the same step.".to_owned(),
                    None => String::new(),
                },
                "No interval: one pass is a screening, not a measurement.".to_owned(),
            ],
        );
        let title = title(&tests);
        Ok(Some(Sheet { title, legend: legend(&tests, base.is_some()), panels, rows, caption }))
    }
}

fn read_tests(run: &Run) -> Vec<Test<'_>> {
    let screening = &run.screening;
    let mut names: Vec<&str> = Vec::new();
    for point in &screening.finder {
        if !names.contains(&point.layer.as_str()) {
            names.push(&point.layer);
        }
    }
    let test = |layer| {
        let of_layer = screening.finder.iter().filter(|p| p.layer == layer);
        let series = |loss: fn(&RangePoint) -> Option<f64>| {
            let points = of_layer.clone().filter_map(|p| Some((p.rate?, loss(p)?)));
            points.filter(|p| p.0 > 0.0).collect::<Vec<_>>()
        };
        let (raw, smooth) = (series(|p| p.loss), series(|p| p.smoothed_loss.or(p.loss)));
        let suggestion = screening.suggestions.iter().find(|s| s.layer == layer);
        Test { layer, raw, smooth, suggestion }
    };
    names.into_iter().map(test).collect()
}

fn x_axis(tests: &[Test]) -> Axis {
    let rates = tests.iter().flat_map(|t| t.raw.iter().map(|p| p.0));
    Axis::log("rate of the layer (log scale)", rates)
}

/// From the least smoothed loss to some way above where the tests start.
fn y_axis(tests: &[Test]) -> Axis {
    let smooth = || tests.iter().flat_map(|t| t.smooth.iter().map(|p| p.1));
    let starts: Vec<f64> = tests.iter().filter_map(|t| t.smooth.first()).map(|p| p.1).collect();
    let least = smooth().fold(f64::INFINITY, f64::min);
    let start = starts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let most = start + (start - least).max(start.abs() * 0.05) * ROOM;
    Axis::linear("loss (nats)", smooth().map(|y| y.min(most)), (f64::NEG_INFINITY, f64::INFINITY))
}

/// What of a line lies on the axis; it ends at the edge where it leaves.
fn shown(points: &[(f64, f64)], y: &Axis) -> Vec<(f64, f64)> {
    let last = points.iter().rposition(|p| y.covers(p.1)).map_or(0, |i| i + 2);
    points.iter().take(last).copied().collect()
}

fn look() -> (Stroke, Stroke, Stroke) {
    let color = theme::arm(0).color;
    let base = Stroke { color: theme::MUTED, width: 1.2, dash: Dash::Dashed, marker: None };
    (Stroke::solid(theme::mix(color, (255, 255, 255), 0.35), 0.7), Stroke::solid(color, 2.2), base)
}

fn suggested() -> Stroke {
    Stroke { color: theme::arm(1).color, width: 1.8, dash: Dash::Alternating, marker: None }
}

fn panel(test: &Test, base: Option<&Test>, x: &Axis, y: &Axis, panels: usize) -> Panel {
    let (raw, smooth, dashed) = look();
    // Raw losses scatter beyond the axis: only those on it are drawn.
    let on_axis = shown(&test.raw, y).into_iter().filter(|p| y.covers(p.1)).collect();
    let mut marks = vec![Mark::Line { points: on_axis, stroke: raw }];
    marks.extend(base.map(|b| {
        // At the same step: its own rate does not grow.
        let points = test.smooth.iter().zip(&b.smooth).map(|(t, b)| (t.0, b.1)).collect();
        Mark::Line { points, stroke: dashed }
    }));
    marks.push(Mark::Line { points: shown(&test.smooth, y), stroke: smooth });
    let mut subtitle = String::new();
    if let Some(suggestion) = test.suggestion {
        let at = |rate: f64| {
            let nearest = test
                .smooth
                .iter()
                .min_by(|a, b| (a.0 / rate).ln().abs().total_cmp(&(b.0 / rate).ln().abs()));
            nearest.map(|p| (rate, p.1))
        };
        if let Some(rate) = suggestion.suggestion.filter(|r| *r > 0.0) {
            marks.push(Mark::Vertical { x: rate, stroke: suggested() });
            subtitle = format!("suggested {}", axis::number_of(rate, 2));
        }
        let pairs = [(suggestion.steepest, Marker::Triangle), (suggestion.minimum, Marker::Circle)];
        for (rate, marker) in pairs {
            if let Some(point) = rate.filter(|r| *r > 0.0).and_then(at) {
                let points = vec![point];
                marks.push(Mark::Points { points, marker, color: theme::INK, radius: 4.2 });
            }
        }
    }
    Panel {
        title: if test.layer == ALL { "all layers".to_owned() } else { test.layer.to_owned() },
        subtitle,
        x: x.clone(),
        y: y.clone(),
        marks,
        height: if panels > 4 { 130.0 } else { 200.0 },
        weight: 1.0,
    }
}

fn legend(tests: &[Test], base: bool) -> Vec<Key> {
    let (raw, smooth, dashed) = look();
    let mut keys = vec![Key::stroke("smoothed loss", smooth), Key::stroke("batches", raw)];
    if base {
        keys.push(Key::stroke("all rates kept", dashed));
    }
    let has = |mark: fn(&Suggestion) -> Option<f64>| {
        tests.iter().filter_map(|t| t.suggestion).any(|s| mark(s).is_some())
    };
    if has(|s| s.steepest) {
        keys.push(Key::marker("steepest", Marker::Triangle, theme::INK));
    }
    if has(|s| s.minimum) {
        keys.push(Key::marker("least loss", Marker::Circle, theme::INK));
    }
    if has(|s| s.suggestion) {
        keys.push(Key::stroke("suggested", suggested()));
    }
    keys
}

/// How far the suggestions of the layers lie apart.
fn title(tests: &[Test]) -> String {
    let layers = tests.iter().filter(|t| t.layer != ALL);
    let rates = layers.filter_map(|t| Some((t.layer, t.suggestion?.suggestion?)));
    let rates: Vec<(&str, f64)> = rates.filter(|r| r.1 > 0.0).collect();
    let least = rates.iter().copied().reduce(|a, b| if b.1 < a.1 { b } else { a });
    let most = rates.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
    let Some((least, most)) = least.zip(most).filter(|_| rates.len() > 1) else {
        return "Loss against the growing rate of a layer".to_owned();
    };
    let told = |(name, rate): (&str, f64)| {
        let name = theme::elide(name, 200.0, theme::TITLE, true);
        format!("{} ({name})", axis::number_of(rate, 2))
    };
    format!("Suggested rates from {} to {}", told(least), told(most))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn run() -> Run {
        let mut run = Fixture { search: 0, retrains: 0, ..Fixture::default() }.run();
        for layer in [BASE, ALL, "conv1", "fc"] {
            for step in 0..30 {
                let rate = 1e-5 * 2f64.powi(step);
                let loss = Some(if step > 25 { 1e6 } else { 2.3 - 0.02 * f64::from(step) });
                let (layer, rate) = (layer.to_owned(), Some(rate));
                run.screening.finder.push(RangePoint { layer, rate, loss, smoothed_loss: loss });
            }
            let (rate, layer) = (if layer == "fc" { 0.04 } else { 0.01 }, layer.to_owned());
            run.screening.suggestions.push(Suggestion {
                layer,
                steepest: Some(rate),
                minimum: Some(rate * 2.0),
                suggestion: Some(rate),
            });
        }
        run
    }

    #[test]
    fn every_layer_has_a_panel_with_the_base_run_and_its_marks() {
        let sheet = Finder.plan(&run()).unwrap().unwrap();
        let titles: Vec<&str> = sheet.panels.iter().map(|p| p.title.as_str()).collect();
        assert_eq!(titles, ["all layers", "conv1", "fc"]);
        assert_eq!(sheet.title, "Suggested rates from 0.01 (conv1) to 0.04 (fc)");
        for panel in &sheet.panels {
            let lines = panel.marks.iter().filter(|m| matches!(m, Mark::Line { .. }));
            let points = panel.marks.iter().filter(|m| matches!(m, Mark::Points { .. }));
            assert_eq!((lines.count(), points.count()), (3, 2));
            // The explosion at the end does not flatten the rest.
            assert!(panel.y.covers(2.5) && !panel.y.covers(10.0));
        }
        assert_eq!(sheet.legend.len(), 6);
    }

    #[test]
    fn without_its_table_there_is_no_figure() {
        let mut run = run();
        run.screening.suggestions.clear();
        let sheet = Finder.plan(&run).unwrap().unwrap();
        assert_eq!((sheet.legend.len(), sheet.panels[0].marks.len()), (3, 3));
        run.screening.finder.clear();
        assert!(Finder.plan(&run).unwrap().is_none());
    }
}
