//! How validation accuracy changes with the rate of one layer, others kept or tuned again.

use std::collections::BTreeMap;

use super::axis::{self, Axis};
use super::multiples;
use super::sheet::{Key, Label, Mark, Panel, Sheet, Stroke};
use super::summary;
use super::tables::Run;
use super::theme::{self, Color, Dash, Marker};
use super::{Figure, FigureError};

/// All layers together.
const ALL: &str = "all";
/// What the other layers' rate is: value of the column `base`, and its look.
const BASES: [(&str, &str, Marker, Dash); 2] = [
    ("tuned", "other layers kept", Marker::Circle, Dash::Solid),
    ("re-tuned", "overall rate tuned again", Marker::Square, Dash::Dashed),
];
/// Changes of this many times the typical size leave the plot: a rate that breaks training must
/// not flatten what others do.
const FAR: f64 = 6.0;

/// Rate × layer: one panel a layer.
pub(super) struct RateMap;

/// A change at one multiplier, in percentage points.
#[derive(Clone, Copy)]
struct Change {
    multiplier: f64,
    mean: f64,
    low: f64,
    high: f64,
    seeds: usize,
}

/// One layer under one base.
struct Series {
    layer: String,
    base: usize,
    changes: Vec<Change>,
}

/// Score by seed at each multiplier (by its bits: they are positive, so in order) of a layer and
/// base.
type Scores = BTreeMap<u64, BTreeMap<u64, f64>>;

impl Figure for RateMap {
    fn name(&self) -> &'static str {
        "rate_map"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let series = series(run);
        let Some(y_range) = range(&series) else { return Ok(None) };
        let changes = || series.iter().flat_map(|s| &s.changes);
        let x = Axis::ratios("rate multiplier", changes().map(|c| c.multiplier));
        let y = Axis::linear("change (points)", y_range, (-100.0, 100.0));
        let mut layers: Vec<&str> = vec![ALL];
        layers.extend(run.layers.iter().map(String::as_str));
        layers.retain(|layer| series.iter().any(|s| s.layer == *layer));
        let count = layers.len();
        let of_layer = |layer: &str| series.iter().filter(|s| s.layer == layer).collect::<Vec<_>>();
        let panels = layers.iter().map(|layer| panel(layer, &of_layer(layer), count, &x, &y));
        let (panels, rows) = multiples::arrange(panels.collect(), multiples::columns(count));
        let seeds = changes().map(|c| c.seeds).max().unwrap_or(0);
        let diverged = run.screening.map.iter().filter(|point| point.accuracy.is_none());
        let caption = summary::caption(
            run,
            &[
                format!(
                    "n = {seeds} seed{} per point. Change of validation accuracy, in percentage \
                     points, against multiplier 1 on the same seed. Line: mean; band: least to \
                     greatest over seeds.",
                    if seeds == 1 { "" } else { "s" }
                ),
                "Kept: the other layers at the tuned global rate; tuned again: at the overall rate, of \
                 half, once and twice the tuned one, that was best on the other seeds."
                    .to_owned(),
                match diverged.count() {
                    0 => String::new(),
                    n => format!("{n} points of diverged trials are left out."),
                },
                match changes().any(|c| !y.covers(c.mean)) {
                    true => "Numbers at an edge: means beyond the axis.".to_owned(),
                    false => String::new(),
                },
            ],
        );
        let bases = BASES.iter().enumerate().filter(|(i, _)| series.iter().any(|s| s.base == *i));
        let mut legend: Vec<Key> = bases.map(|(i, base)| Key::stroke(base.1, stroke(i))).collect();
        if seeds > 1 {
            legend.push(Key::band("least to greatest", theme::MUTED));
        }
        Ok(Some(Sheet { title: title(&series), legend, panels, rows, caption }))
    }
}

/// The series that have a change to show.
fn series(run: &Run) -> Vec<Series> {
    let mut scores: BTreeMap<(String, usize), Scores> = BTreeMap::new();
    for point in &run.screening.map {
        let base = BASES.iter().position(|base| point.base == base.0).unwrap_or(0);
        let multiplier = point.multiplier.filter(|m| m.is_finite() && *m > 0.0);
        let known = point.accuracy.zip(multiplier.zip(point.seed));
        let Some((score, (multiplier, seed))) = known else { continue };
        let of_series = scores.entry((point.layer.clone(), base)).or_default();
        of_series.entry(multiplier.to_bits()).or_default().insert(seed, score);
    }
    let one = 1.0f64.to_bits();
    let series = scores.iter().map(|((layer, base), of_series)| {
        // At multiplier 1 all layers are alike: the row may stand under `all` only.
        let all = || scores.get(&(ALL.to_owned(), *base)).and_then(|s| s.get(&one));
        let reference = of_series.get(&one).or_else(all);
        let changes = of_series.iter().filter_map(|(multiplier, by_seed)| {
            let change =
                |(seed, score): (&u64, &f64)| Some((score - reference?.get(seed)?) * 100.0);
            let values: Vec<f64> = by_seed.iter().filter_map(change).collect();
            let ((low, high), mean) = summary::range(&values).zip(summary::mean(&values))?;
            let multiplier = f64::from_bits(*multiplier);
            Some(Change { multiplier, mean, low, high, seeds: values.len() })
        });
        Series { layer: layer.clone(), base: *base, changes: changes.collect() }
    });
    series.filter(|s| s.changes.len() > 1).collect()
}

/// The values that the axis must reach; none without series.
fn range(series: &[Series]) -> Option<Vec<f64>> {
    let changed = series.iter().flat_map(|s| &s.changes).filter(|c| c.multiplier != 1.0);
    let sizes: Vec<f64> = changed.clone().map(|c| c.mean.abs()).collect();
    let most = (FAR * summary::median(&sizes)?).max(1.0);
    let ends = changed.flat_map(|c| [c.low, c.high]).map(|v| v.clamp(-most, most));
    Some(ends.chain([0.0]).collect())
}

fn color(base: usize) -> Color {
    theme::arm(base).color
}

fn stroke(base: usize) -> Stroke {
    let (_, _, marker, dash) = BASES[base];
    Stroke { color: color(base), width: 1.9, dash, marker: Some(marker) }
}

fn panel(layer: &str, series: &[&Series], panels: usize, x: &Axis, y: &Axis) -> Panel {
    let bands = series.iter().filter(|s| s.changes.iter().any(|c| c.seeds > 1)).map(|s| {
        let points = s.changes.iter().map(|c| (c.multiplier, c.low, c.high)).collect();
        Mark::Band { points, color: color(s.base) }
    });
    let mut marks: Vec<Mark> = bands.collect();
    marks.push(Mark::Horizontal { y: 0.0, stroke: Stroke::solid(theme::MUTED, 1.0) });
    for series in series {
        let points = series.changes.iter().map(|c| (c.multiplier, c.mean)).collect();
        marks.push(Mark::Line { points, stroke: stroke(series.base) });
        for change in series.changes.iter().filter(|c| !y.covers(c.mean)) {
            let text = axis::decimal(change.mean, 1);
            let width = theme::text_width(&text, theme::TICK, false);
            let across = if change.multiplier > 1.0 { -7.0 - width } else { 7.0 };
            marks.push(Mark::Label(Label {
                at: (change.multiplier, change.mean),
                shift: (across, if change.mean < 0.0 { -8.0 } else { 8.0 }),
                text,
                room: 60.0,
                elsewhere: Vec::new(),
            }));
        }
    }
    Panel {
        title: if layer == ALL { "all layers".to_owned() } else { layer.to_owned() },
        subtitle: String::new(),
        x: x.clone(),
        y: y.clone(),
        marks,
        height: if panels > 4 { 130.0 } else { 200.0 },
        weight: 1.0,
    }
}

/// The most that one layer's rate gains and costs where the others are kept.
fn title(series: &[Series]) -> String {
    let single = series.iter().filter(|s| s.layer != ALL && s.base == 0);
    let changes: Vec<(&str, Change)> =
        single.flat_map(|s| s.changes.iter().map(|c| (s.layer.as_str(), *c))).collect();
    let most = changes.iter().reduce(|a, b| if b.1.mean > a.1.mean { b } else { a });
    let least = changes.iter().reduce(|a, b| if b.1.mean < a.1.mean { b } else { a });
    let Some((most, least)) = most.zip(least) else {
        return "Validation accuracy against the rate of one layer".to_owned();
    };
    let told = |(layer, change): &(&str, Change)| {
        let layer = theme::elide(layer, 180.0, theme::TITLE, true);
        let times = axis::number(change.multiplier);
        format!("{} points ({layer} ×{times})", summary::points(change.mean / 100.0))
    };
    format!("One layer's rate alone: {} to {}", told(least), told(most))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::screening::MapPoint;
    use super::*;

    /// Accuracy falls by the squared logarithm of the multiplier, twice as fast for `conv1`.
    fn run() -> Run {
        let mut run = Fixture { search: 1, retrains: 0, ..Fixture::default() }.run();
        for layer in [ALL, "conv1", "fc3"] {
            for (base, ..) in BASES {
                for multiplier in [0.25, 0.5, 1.0, 2.0, 4.0f64] {
                    for seed in 0..3 {
                        let fall = if layer == "conv1" { 0.002 } else { 0.001 };
                        let score = 0.6 + 0.01 * seed as f64 - fall * multiplier.log2().powi(2);
                        run.screening.map.push(MapPoint {
                            layer: layer.to_owned(),
                            multiplier: Some(multiplier),
                            base: base.to_owned(),
                            seed: Some(seed),
                            accuracy: Some(score),
                        });
                    }
                }
            }
        }
        run
    }

    #[test]
    fn changes_are_paired_by_seed() {
        let series = series(&run());
        assert_eq!(series.len(), 3 * 2);
        let conv1 = series.iter().find(|s| s.layer == "conv1" && s.base == 0).unwrap();
        let means: Vec<f64> = conv1.changes.iter().map(|c| c.mean).collect();
        let expected = [-0.8, -0.2, 0.0, -0.2, -0.8];
        assert!(means.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{means:?}");
        // The seeds differ by whole points, their changes do not.
        assert!(conv1.changes.iter().all(|c| c.high - c.low < 1e-9 && c.seeds == 3));
    }

    #[test]
    fn each_layer_has_a_panel_of_two_lines() {
        let sheet = RateMap.plan(&run()).unwrap().unwrap();
        let titles: Vec<&str> = sheet.panels.iter().map(|p| p.title.as_str()).collect();
        assert_eq!(titles, ["all layers", "conv1", "fc3"]);
        for panel in &sheet.panels {
            assert_eq!(panel.marks.iter().filter(|m| matches!(m, Mark::Line { .. })).count(), 2);
        }
        assert!(sheet.caption.starts_with("n = 3 seeds per point."), "{}", sheet.caption);
        assert!(sheet.title.starts_with("One layer's rate alone: −0.80 points (conv1 ×"));
    }

    #[test]
    fn a_missing_reference_is_taken_from_all_and_collapse_leaves_the_axis() {
        let mut run = run();
        run.screening.map.retain(|p| p.layer == ALL || p.multiplier != Some(1.0));
        let collapsed = |p: &&mut MapPoint| p.layer == "fc3" && p.multiplier == Some(4.0);
        run.screening.map.iter_mut().filter(collapsed).for_each(|p| p.accuracy = Some(0.1));
        assert_eq!(series(&run).len(), 3 * 2);
        let sheet = RateMap.plan(&run).unwrap().unwrap();
        assert!(sheet.panels.iter().all(|p| !p.y.covers(-20.0)));
        let words = sheet.panels[2].marks.iter().filter(|m| matches!(m, Mark::Label(_)));
        assert_eq!(words.count(), 2);
    }

    #[test]
    fn searches_are_no_map() {
        assert!(RateMap.plan(&Fixture::default().run()).unwrap().is_none());
    }
}
