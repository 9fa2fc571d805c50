//! What curvature predicts of each layer's rate before a search, against what the search found.

use super::axis::{self, Axis};
use super::ratios;
use super::searches;
use super::sheet::{Key, Label, Mark, Panel, Rows, Sheet, Stroke};
use super::summary;
use super::tables::Run;
use super::theme::{self, Dash, Marker};
use super::{Figure, FigureError};

/// The probe whose values are best scales of the layers' steps.
const PROBE: &str = "best_scale";
/// The arm that searches all rates.
const FREE: &str = "free";

/// One labelled point a layer: predicted and found ratio.
pub(super) struct Headroom;

/// A layer's ratios to the geometric mean over layers, with least and greatest.
struct Point<'a> {
    layer: &'a str,
    predicted: (f64, f64, f64),
    found: (f64, f64, f64),
}

impl Figure for Headroom {
    fn name(&self) -> &'static str {
        "headroom"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let predicted = predicted(run);
        let winners: Vec<Vec<f64>> = searches::searches(run, FREE)
            .iter()
            .filter_map(|s| ratios::ratios(s.winner()?, run.layers.len()))
            .collect();
        let points = run.layers.iter().zip(&predicted).enumerate().filter_map(|(i, (layer, p))| {
            let found: Vec<f64> = winners.iter().map(|ratios| ratios[i]).collect();
            Some(Point {
                layer,
                predicted: spread(p, summary::mean)?,
                found: spread(&found, summary::median)?,
            })
        });
        let points: Vec<Point> = points.collect();
        if points.len() < 2 {
            return Ok(None);
        }
        let rows = predicted.iter().map(Vec::len).max().unwrap_or(0);
        let caption = summary::caption(
            run,
            &[
                format!(
                    "n = {} layers, {} search winner{} of the free arm, {rows} probe{}.",
                    points.len(),
                    winners.len(),
                    if winners.len() == 1 { "" } else { "s" },
                    if rows == 1 { "" } else { "s" }
                ),
                "Predicted: best scale of the layer's step by a local quadratic model, over the \
                 geometric mean of the layers with a positive one; mean over probes in logarithms. \
                 Found: the winner's rate over the geometric mean of its layers; median over \
                 searches. Bars: least to greatest."
                    .to_owned(),
                left_out(run, &points),
            ],
        );
        let legend = vec![
            Key::marker("layer", Marker::Circle, theme::arm(0).color),
            Key::stroke("least to greatest", bar()),
            Key::stroke("found as predicted", identity()),
        ];
        let panels = vec![panel(&points)];
        Ok(Some(Sheet { title: title(&points), legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// For each layer, its ratio in each probe.
fn predicted(run: &Run) -> Vec<Vec<f64>> {
    let mut ratios = vec![Vec::new(); run.layers.len()];
    let positive = run.screening.probes.iter().filter(|p| p.probe == PROBE);
    let positive: Vec<_> = positive
        .filter_map(|p| Some(((p.trial, p.step), p.layer.as_str(), p.value.filter(|v| *v > 0.0)?)))
        .collect();
    let mut times: Vec<_> = positive.iter().map(|p| p.0).collect();
    times.sort_unstable();
    times.dedup();
    for time in times {
        let of_time = positive.iter().filter(|p| p.0 == time);
        let logs: Vec<f64> = of_time.clone().map(|p| p.2.ln()).collect();
        let Some(mean) = summary::mean(&logs) else { continue };
        for (_, layer, value) in of_time {
            if let Some(at) = run.layers.iter().position(|name| name == layer) {
                ratios[at].push((value.ln() - mean).exp());
            }
        }
    }
    ratios
}

/// Middle in logarithms, least and greatest.
fn spread(ratios: &[f64], middle: fn(&[f64]) -> Option<f64>) -> Option<(f64, f64, f64)> {
    let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
    let (low, high) = summary::range(ratios)?;
    Some((middle(&logs)?.exp(), low, high))
}

fn bar() -> Stroke {
    Stroke::solid(theme::mix(theme::arm(0).color, (255, 255, 255), 0.4), 1.2)
}

fn identity() -> Stroke {
    Stroke { color: theme::INK, width: 1.2, dash: Dash::Dashed, marker: None }
}

fn panel(points: &[Point]) -> Panel {
    let all = || points.iter().flat_map(|p| [p.predicted, p.found]);
    let ends: Vec<f64> = all().flat_map(|(_, low, high)| [low, high]).collect();
    let x = Axis::ratios("predicted ratio to the mean over layers (log scale)", ends.clone());
    let y = Axis::ratios("found ratio (log scale)", ends.clone());
    let (low, high) = summary::range(&ends).unwrap_or((1.0, 1.0));
    let (low, high) = (low.min(0.5), high.max(2.0));
    let mut marks = vec![Mark::Line { points: vec![(low, low), (high, high)], stroke: identity() }];
    for point in points {
        let ((x, left, right), (y, below, above)) = (point.predicted, point.found);
        marks.push(Mark::Line { points: vec![(left, y), (right, y)], stroke: bar() });
        marks.push(Mark::Line { points: vec![(x, below), (x, above)], stroke: bar() });
    }
    let points_at = points.iter().map(|p| (p.predicted.0, p.found.0)).collect();
    let color = theme::arm(0).color;
    marks.push(Mark::Points { points: points_at, marker: Marker::Circle, color, radius: 5.0 });
    marks.extend(points.iter().map(|point| {
        let text = theme::elide(point.layer, 130.0, theme::TICK, false);
        let width = theme::text_width(&text, theme::TICK, false);
        let left = -8.0 - width;
        Mark::Label(Label {
            at: (point.predicted.0, point.found.0),
            shift: (8.0, -9.0),
            text,
            room: 131.0,
            elsewhere: vec![(left, -9.0), (8.0, 9.0), (left, 9.0), (8.0, -22.0), (left, 22.0)],
        })
    }));
    let (title, subtitle) = (String::new(), String::new());
    Panel { title, subtitle, x, y, marks, height: 420.0, weight: 1.0 }
}

fn left_out(run: &Run, points: &[Point]) -> String {
    let missing = run.layers.iter().filter(|layer| !points.iter().any(|p| p.layer == *layer));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    match missing.is_empty() {
        true => String::new(),
        false => format!("Without a positive prediction: {}.", missing.join(", ")),
    }
}

/// Ranks, the mean one for equals.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|v| *v < value).count() as f64;
        let equal = values.iter().filter(|v| *v == value).count() as f64;
        below + (equal - 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

/// Spearman's rank correlation; none where one side has only equals.
fn rank_correlation(points: &[Point]) -> Option<f64> {
    let a = ranks(&points.iter().map(|p| p.predicted.0).collect::<Vec<_>>());
    let b = ranks(&points.iter().map(|p| p.found.0).collect::<Vec<_>>());
    let middle = (points.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum()
    };
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| product(&a, &b) / scale)
}

fn title(points: &[Point]) -> String {
    match rank_correlation(points) {
        Some(correlation) => format!(
            "Predicted and found layer rates: rank correlation {} over {} layers",
            axis::decimal(correlation, 2),
            points.len()
        ),
        None => "Predicted and found layer rates".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::screening::Probe;
    use super::*;

    /// Free winners of rates 1, 2, 4, 8, 16 per mille; probes with the values given.
    fn run(values: [f64; 5]) -> Run {
        let mut run = Fixture::default().run();
        for trial in run.trials.iter_mut().filter(|t| t.arm == FREE) {
            trial.rates = (0..5).map(|i| Some(0.001 * 2f64.powi(i))).collect();
        }
        for step in [0, 100] {
            run.screening.probes.extend(run.layers.iter().zip(values).map(|(layer, value)| {
                let (probe, layer) = (PROBE.to_owned(), layer.clone());
                // Another overall scale at each step: only ratios count.
                Probe { trial: 0, step, probe, layer, value: Some(value * (1.0 + step as f64)) }
            }));
        }
        run
    }

    #[test]
    fn perfect_predictions_lie_on_the_line() {
        let run = run([1.0, 2.0, 4.0, 8.0, 16.0]);
        let sheet = Headroom.plan(&run).unwrap().unwrap();
        assert!(sheet.title.contains("1.00 over 5 layers"), "{}", sheet.title);
        let at = sheet.panels[0].marks.iter().find_map(|mark| match mark {
            Mark::Points { points, .. } => Some(points.clone()),
            _ => None,
        });
        let expected = [0.25, 0.5, 1.0, 2.0, 4.0];
        for ((x, y), expected) in at.unwrap().into_iter().zip(expected) {
            assert!((x - expected).abs() < 1e-9 && (y - expected).abs() < 1e-9, "{x} {y}");
        }
    }

    #[test]
    fn layers_without_a_positive_scale_are_named() {
        let sheet = Headroom.plan(&run([16.0, 8.0, -1.0, 4.0, 2.0])).unwrap().unwrap();
        assert!(sheet.title.contains("−1.00 over 4 layers"), "{}", sheet.title);
        assert!(sheet.caption.contains("Without a positive prediction: fc1."), "{}", sheet.caption);
    }

    #[test]
    fn ties_share_a_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0]), [1.5, 0.0, 1.5]);
        let sheet = Headroom.plan(&run([1.0; 5])).unwrap().unwrap();
        assert_eq!(sheet.title, "Predicted and found layer rates");
        assert!(Headroom.plan(&Fixture::default().run()).unwrap().is_none());
    }
}
