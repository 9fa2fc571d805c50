//! Differences of all arms to the baseline, with their intervals.

use super::axis::{self, Axis, Tick};
use super::sheet::{Key, Label, Mark, Panel, Rows, Sheet, Stroke};
use super::summary;
use super::tables::Run;
use super::theme::{self, Color, Dash, Marker};
use super::verdict::{CONFIDENCE, Comparison, Verdict};
use super::{Figure, FigureError};

/// Height of an arm's row: two lines of text.
const ROW: f64 = 37.0;
/// How far from the middle of a row its two lines stand, in rows.
const LINE: f64 = 0.21;
/// Intervals that reach this many times further than the median arm's leave the plot.
const FAR: f64 = 4.0;

/// One row an arm: its difference to the baseline.
pub(super) struct Forest;

/// A comparison with numbers to draw, in percentage points.
struct Row<'a> {
    comparison: &'a Comparison,
    difference: f64,
    interval: Option<(f64, f64)>,
    /// The interval over pairs, where it says something else.
    pairs: Option<(f64, f64)>,
}

impl Figure for Forest {
    fn name(&self) -> &'static str {
        "forest"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let Some(verdict) = &run.verdict else { return Ok(None) };
        let rows: Vec<Row> = verdict.comparisons.iter().flatten().filter_map(row).collect();
        let Some(first) = rows.first() else { return Ok(None) };
        let baseline = verdict.baseline.as_deref().or(first.comparison.baseline.as_deref());
        let baseline = baseline.unwrap_or("the baseline");
        let effect = verdict.smallest_effect.map(|e| e * 100.0).filter(|e| *e > 0.0);
        let panels = vec![panel(&rows, baseline, effect)];
        let caption =
            summary::caption(run, &sentences(&rows, verdict, baseline, effect, &panels[0].x));
        let (title, legend) = (title(&rows, baseline), legend(&rows, effect));
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

fn row(comparison: &Comparison) -> Option<Row<'_>> {
    let percent = |(low, high): (f64, f64)| (low * 100.0, high * 100.0);
    let interval = comparison.low.zip(comparison.high);
    let pairs = comparison.pairs_low.zip(comparison.pairs_high);
    let pairs =
        pairs.filter(|p| Some(*p) != interval && comparison.unit.as_deref() != Some("pair"));
    Some(Row {
        comparison,
        difference: comparison.difference.filter(|d| d.is_finite())? * 100.0,
        interval: interval.map(percent),
        pairs: pairs.map(percent),
    })
}

/// What `count` of `what` are called.
fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn outcome<'a>(row: &Row<'a>) -> &'a str {
    row.comparison.verdict.as_deref().unwrap_or("")
}

/// Filled where something was found out, open where not.
pub(super) fn marker(outcome: &str) -> (Marker, Color) {
    match outcome {
        "better" => (Marker::Circle, theme::arm(0).color),
        "worse" => (Marker::Diamond, theme::arm(1).color),
        "equivalent" => (Marker::Square, theme::INK),
        _ => (Marker::Ring, theme::MUTED),
    }
}

fn zero() -> Stroke {
    Stroke::solid(theme::INK, 1.2)
}

fn limit() -> Stroke {
    Stroke { color: theme::MUTED, width: 1.0, dash: Dash::Dashed, marker: None }
}

fn pairs_stroke(color: Color) -> Stroke {
    Stroke::solid(theme::pale(color), 1.8)
}

/// The values that the axis must reach: an arm that is off by far must not squeeze all others.
fn extent(rows: &[Row], effect: Option<f64>) -> Vec<f64> {
    let ends = |row: &Row| {
        let (low, high) = row.interval.unwrap_or((row.difference, row.difference));
        [low, high]
    };
    let size = |row: &Row| ends(row).into_iter().map(f64::abs).fold(0.0, f64::max);
    let sizes: Vec<f64> = rows.iter().map(size).collect();
    let effect = effect.unwrap_or(0.0);
    let most = (FAR * summary::median(&sizes).unwrap_or(0.0)).max(FAR * effect);
    let inner = rows.iter().filter(|r| size(r) <= most).flat_map(|row| {
        let pairs = row.pairs.map(|(low, high)| [low.max(-most), high.min(most)]);
        ends(row).into_iter().chain(pairs.into_iter().flatten())
    });
    inner.chain([-1.5 * effect, 1.5 * effect, 0.0]).collect()
}

fn panel(rows: &[Row], baseline: &str, effect: Option<f64>) -> Panel {
    let label = format!("test accuracy minus that of {baseline} (percentage points)");
    let x = Axis::linear(&label, extent(rows, effect), (-100.0, 100.0));
    let mut y = Axis::names("", rows.iter().map(|_| String::new())).downwards();
    (y.bare, y.ticks) = (true, Vec::new());
    let edge = (-0.5, rows.len() as f64 - 0.5);
    let mut marks = Vec::new();
    if let Some(effect) = effect {
        let points = [-effect, effect].map(|x| (x, edge.0, edge.1)).to_vec();
        marks.push(Mark::Band { points, color: theme::FAINT });
        marks.extend([-effect, effect].map(|x| Mark::Vertical { x, stroke: limit() }));
    }
    marks.push(Mark::Vertical { x: 0.0, stroke: zero() });
    for (i, row) in rows.iter().enumerate() {
        let at = i as f64;
        let n = row.comparison.n.map(|n| plural(n, "pair", "pairs"));
        let searches = row.comparison.searches.map(|n| plural(n, "search", "searches"));
        let counts: Vec<String> = searches.into_iter().chain(n).collect();
        y.ticks.push(Tick { at: at - LINE, label: row.comparison.arm.clone() });
        y.ticks.push(Tick { at: at + LINE, label: counts.join(", ") });
        let interval = row.interval.map_or_else(String::new, |(low, high)| {
            let [low, high] = [low, high].map(|end| summary::points(end / 100.0));
            format!(" [{low}, {high}]")
        });
        let middle = summary::points(row.difference / 100.0);
        y.far.push(Tick { at: at - LINE, label: format!("{middle}{interval}") });
        y.far.push(Tick { at: at + LINE, label: conclusion(row) });
        marks.extend(intervals(row, at, &x));
    }
    Panel {
        title: String::new(),
        subtitle: String::new(),
        x,
        y,
        marks,
        height: rows.len() as f64 * ROW,
        weight: 1.0,
    }
}

/// `better, p = 0.003`.
fn conclusion(row: &Row) -> String {
    let p = row.comparison.holm_p.map(|p| match p {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p => format!("p = {}", axis::decimal(p, 3)),
    });
    let verdict = Some(outcome(row).to_owned()).filter(|v| !v.is_empty());
    verdict.into_iter().chain(p).collect::<Vec<_>>().join(", ")
}

fn intervals(row: &Row, at: f64, x: &Axis) -> Vec<Mark> {
    let (marker, color) = marker(outcome(row));
    let line = |(low, high): (f64, f64), at: f64, stroke| {
        let points = vec![(low, at), (high, at)];
        // What of it lies on the axis; it may reach beyond both ends.
        (x.place(low) < x.place(high)).then_some(Mark::Line { points, stroke })
    };
    let mut marks = Vec::new();
    marks.extend(row.pairs.and_then(|p| line(p, at + LINE, pairs_stroke(color))));
    marks.extend(row.interval.and_then(|i| line(i, at, Stroke::solid(color, 3.4))));
    if x.covers(row.difference) {
        let points = vec![(row.difference, at)];
        marks.push(Mark::Points { points, marker, color, radius: 5.0 });
    } else {
        // At the edge that it lies behind, with words: the numbers stand beside the row.
        let points = vec![(row.difference, at)];
        marks.push(Mark::Points { points, marker, color, radius: 5.0 });
        let text = "beyond the axis";
        let width = theme::text_width(text, theme::TICK, false);
        let shift = if row.difference < 0.0 { 10.0 } else { -10.0 - width };
        marks.push(Mark::Label(Label {
            at: (row.difference, at),
            shift: (shift, 0.0),
            text: text.to_owned(),
            room: width + 1.0,
            elsewhere: Vec::new(),
        }));
    }
    marks
}

fn legend(rows: &[Row], effect: Option<f64>) -> Vec<Key> {
    let known = ["better", "worse", "equivalent", "inconclusive"];
    let present = known.into_iter().filter(|v| rows.iter().any(|row| outcome(row) == *v));
    let mut keys: Vec<Key> = present
        .map(|verdict| {
            let (marker, color) = marker(verdict);
            Key::marker(verdict, marker, color)
        })
        .collect();
    if rows.iter().any(|row| row.pairs.is_some()) {
        keys.push(Key::stroke("interval over searches", Stroke::solid(theme::MUTED, 3.4)));
        keys.push(Key::stroke("interval over pairs", pairs_stroke(theme::MUTED)));
    }
    if let Some(effect) = effect {
        keys.push(Key::band(format!("±{} points", axis::number(effect)), theme::FAINT));
    }
    keys
}

fn sentences(
    rows: &[Row],
    verdict: &Verdict,
    baseline: &str,
    effect: Option<f64>,
    x: &Axis,
) -> Vec<String> {
    let n: Vec<f64> = rows.iter().filter_map(|r| Some(r.comparison.n? as f64)).collect();
    let n = match summary::range(&n) {
        Some((low, high)) if low == high => format!("n = {low} pairs per arm"),
        Some((low, high)) => format!("n = {low} to {high} pairs per arm"),
        None => "n = not recorded".to_owned(),
    };
    let confidence = axis::number(verdict.confidence.unwrap_or(CONFIDENCE) * 100.0);
    let over_searches = rows.iter().any(|r| r.comparison.unit.as_deref() == Some("search"));
    let mut sentences = vec![
        format!(
            "{n}: test accuracy of an arm's retrained winner minus that of {baseline} on the same \
             seed, each model tested once."
        ),
        if over_searches {
            format!(
                "Thick: {confidence} % interval over independent searches; thin: over pairs, which \
                 takes the winners found as given; the thick one covers it, so an arm whose bars \
                 are alike has one."
            )
        } else {
            format!("Bar: {confidence} % interval over pairs.")
        },
    ];
    if let Some(effect) = effect {
        sentences.push(format!(
            "Shaded: ±{} points, the smallest effect of interest, fixed in advance.",
            axis::number(effect)
        ));
    }
    let ends = rows.iter().flat_map(|r| [r.interval, r.pairs]).flatten();
    if ends.into_iter().any(|(low, high)| !x.covers(low) || !x.covers(high)) {
        sentences.push("Bars that end at an edge go on beyond it: see the numbers.".to_owned());
    }
    if rows.iter().any(|r| r.comparison.holm_p.is_some()) {
        sentences.push("p: after Holm's correction over the arms.".to_owned());
    }
    sentences
}

/// Who was better, or that nobody was.
fn title(rows: &[Row], baseline: &str) -> String {
    let of = |wanted: &str| -> Vec<String> {
        let wanted = rows.iter().filter(|r| outcome(r) == wanted);
        wanted.map(|r| r.comparison.arm.clone()).collect()
    };
    let list = |names: Vec<String>| match names.len() {
        0..=3 => names.join(", "),
        n => format!("{n} of {} arms", rows.len()),
    };
    let parts = ["better", "worse", "equivalent"]
        .map(|verdict| (verdict, of(verdict)))
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(verdict, names)| format!("{verdict}: {}", list(names)));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return format!("No arm differs from {baseline} beyond doubt");
    }
    format!("Against {baseline}, {}", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn run() -> Run {
        let arms = vec!["global", "free", "placebo", "lars"];
        Fixture { arms, searches: 3, ..Fixture::default() }.run()
    }

    #[test]
    fn every_arm_has_a_row_with_both_intervals_and_its_verdict() {
        let sheet = Forest.plan(&run()).unwrap().unwrap();
        let panel = &sheet.panels[0];
        let lines = panel.marks.iter().filter(|m| matches!(m, Mark::Line { .. }));
        assert_eq!(lines.count(), 3 * 2);
        let words: Vec<&str> = panel.y.far.iter().map(|t| t.label.as_str()).collect();
        assert_eq!(words[..2], ["+0.40 [−0.10, +0.90]", "inconclusive, p = 0.040"]);
        assert_eq!(panel.y.ticks[1].label, "3 searches, 9 pairs");
        assert_eq!(sheet.title, "Against global, better: placebo; worse: lars");
        assert!(sheet.caption.contains("n = 9 pairs") && sheet.caption.contains("±0.3 points"));
    }

    #[test]
    fn an_arm_that_is_off_by_far_is_named_at_the_edge() {
        let mut run = run();
        let verdict = run.verdict.as_mut().unwrap();
        let lars = &mut verdict.comparisons.as_mut().unwrap()[2];
        (lars.difference, lars.low, lars.high) = (Some(-0.5), Some(-0.6), Some(-0.4));
        (lars.pairs_low, lars.pairs_high) = (None, None);
        let panel = &Forest.plan(&run).unwrap().unwrap().panels[0];
        assert!(!panel.x.covers(-40.0) && panel.x.covers(2.9));
        let words = panel.marks.iter().filter(|m| matches!(m, Mark::Label(_)));
        assert_eq!(words.count(), 1);
    }

    #[test]
    fn an_interval_beyond_both_ends_crosses_the_plot() {
        let mut run = run();
        let verdict = run.verdict.as_mut().unwrap();
        let lars = &mut verdict.comparisons.as_mut().unwrap()[2];
        (lars.low, lars.high) = (Some(-0.6), Some(0.6));
        (lars.pairs_low, lars.pairs_high) = (Some(-0.6), Some(0.6));
        let sheet = Forest.plan(&run).unwrap().unwrap();
        let lines = sheet.panels[0].marks.iter().filter(|m| matches!(m, Mark::Line { .. }));
        assert_eq!(lines.count(), 2 * 2 + 1);
        assert!(sheet.caption.contains("go on beyond it"), "{}", sheet.caption);
    }

    #[test]
    fn old_verdicts_have_no_forest() {
        let mut run = run();
        run.verdict.as_mut().unwrap().comparisons = None;
        assert!(Forest.plan(&run).unwrap().is_none());
    }
}
