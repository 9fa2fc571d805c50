//! Every comparison of search orders that was fixed in advance, with its interval.

use super::axis::{self, Axis, Tick};
use super::forest;
use super::orders::OrderComparison;
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::tables::Run;
use super::theme;
use super::{Figure, FigureError};

/// Height of a row: two lines of text.
const ROW: f64 = 31.0;
/// How far from the middle of a row its two lines stand, in rows.
const LINE: f64 = 0.21;
/// Unbounded axis.
const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// A row a comparison: the difference in mean regret.
pub(super) struct OrderDifferences;

/// The same live: the difference in test accuracy.
pub(super) struct LiveDifferences;

impl Figure for OrderDifferences {
    fn name(&self) -> &'static str {
        "order_differences"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let what = "Difference in mean regret over the budget, positive where the first of a row is better; bars: 95 % \
                    intervals; verdicts after Holm's correction over all rows. Shaded: the smallest difference \
                    that matters.";
        Ok(sheet(run, "less regret of the first", 1.0, what, |row| row.source != "live"))
    }
}

impl Figure for LiveDifferences {
    fn name(&self) -> &'static str {
        "live_differences"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let what = "Whole searches on the net: mean test accuracy of what is chosen after 25, 50 and 100 % of the \
                    budget, trained again on a fresh seed; the first of a row minus the second, in pairs; bars: \
                    95 % intervals; verdicts after Holm's correction over all rows. Shaded: the smallest \
                    difference that matters, in points.";
        let label = "test accuracy of the first minus the second (points)";
        Ok(sheet(run, label, 100.0, what, |row| row.source == "live"))
    }
}

fn sheet(
    run: &Run,
    label: &str,
    unit: f64,
    what: &str,
    wanted: impl Fn(&OrderComparison) -> bool,
) -> Option<Sheet> {
    let rows = run.orders.comparisons.iter().filter(|row| wanted(row));
    let rows: Vec<(&OrderComparison, f64)> =
        rows.filter_map(|row| Some((row, row.difference? * unit))).collect();
    let (first, _) = rows.first()?;
    let effect = first.smallest_effect.filter(|effect| *effect > 0.0).map(|effect| effect * unit);
    let ends = |(row, difference): &(&OrderComparison, f64)| {
        [row.low, row.high].map(|end| end.map_or(*difference, |end| end * unit))
    };
    let reach = rows.iter().flat_map(ends).chain(effect.iter().flat_map(|e| [-e, *e]));
    let x = Axis::linear(label, reach.chain([0.0]), FREE);
    let mut y = Axis::names("", rows.iter().map(|_| String::new())).downwards();
    (y.bare, y.ticks) = (true, Vec::new());
    let edge = (-0.5, rows.len() as f64 - 0.5);
    let mut marks = Vec::new();
    if let Some(effect) = effect {
        let points = [-effect, effect].map(|x| (x, edge.0, edge.1)).to_vec();
        marks.push(Mark::Band { points, color: theme::FAINT });
    }
    marks.push(Mark::Vertical { x: 0.0, stroke: Stroke::solid(theme::INK, 1.2) });
    for (place, (row, difference)) in rows.iter().enumerate() {
        let at = place as f64;
        let (marker, color) = forest::marker(&row.verdict);
        let [low, high] = ends(&(row, *difference));
        let points = vec![(low, at), (high, at)];
        marks.push(Mark::Line { points, stroke: Stroke::solid(color, 3.0) });
        let points = vec![(*difference, at)];
        marks.push(Mark::Points { points, marker, color, radius: 4.5 });
        let decimals = if unit > 1.0 { 2 } else { 3 };
        let short = |value: f64| axis::decimal(value, decimals);
        let text = format!("{} [{}, {}]", short(*difference), short(low), short(high));
        y.ticks.push(Tick { at: at - LINE, label: row.treatment.clone() });
        y.ticks.push(Tick { at: at + LINE, label: format!("vs {}", row.baseline) });
        y.far.push(Tick { at: at - LINE, label: text });
        y.far.push(Tick { at: at + LINE, label: row.verdict.clone() });
    }
    let known = ["better", "worse", "equivalent", "inconclusive"];
    let present = known.into_iter().filter(|v| rows.iter().any(|(row, _)| row.verdict == *v));
    let mut legend: Vec<Key> = present
        .map(|verdict| {
            let (marker, color) = forest::marker(verdict);
            Key::marker(verdict, marker, color)
        })
        .collect();
    legend
        .extend(effect.map(|effect| Key::band(format!("±{}", axis::number(effect)), theme::FAINT)));
    let better = rows.iter().filter(|(row, _)| row.verdict == "better").count();
    let title = match rows.iter().find(|(row, _)| row.baseline == "reverse") {
        Some((row, _)) if row.verdict == "better" => {
            format!("The order matters: {} is better than {}", row.treatment, row.baseline)
        }
        Some((row, _)) => format!("{} against {}: {}", row.treatment, row.baseline, row.verdict),
        None => format!("{better} of {} comparisons: the first is better", rows.len()),
    };
    let height = (rows.len() as f64 * ROW).max(2.0 * ROW);
    let (heading, subtitle) = (String::new(), String::new());
    let panels = vec![Panel { title: heading, subtitle, x, y, marks, height, weight: 1.0 }];
    let caption = match first.source.as_str() {
        "live" => {
            let n: Vec<u64> = rows.iter().filter_map(|(row, _)| row.n).collect();
            let n =
                n.iter().min().map_or("n = not recorded".to_owned(), |n| format!("n = {n} pairs"));
            super::effects::caption(run, &[format!("{n}."), what.to_owned()])
        }
        _ => run.orders.caption(run, what),
    };
    Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption })
}
