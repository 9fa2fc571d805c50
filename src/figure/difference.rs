//! Test accuracy of the retrained winners of two arms, and their paired difference.

use super::axis::{self, Axis};
use super::searches;
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::summary::{self, Finals};
use super::tables::{Run, Trial};
use super::theme::{self, Dash, Marker};
use super::verdict::{CONFIDENCE, Verdict};
use super::{Figure, FigureError};

/// More pairs than this are a thicket of lines.
const PAIRS_SHOWN: usize = 30;
/// The arm that is compared with the baseline, where there is one.
const FREE: &str = "free";

/// The answer in numbers: points by seed, means, and the difference with its interval.
pub(super) struct Difference;

/// One arm's final models that were tested.
struct Tested<'a> {
    of_arm: Finals<'a>,
    trials: Vec<(&'a Trial, f64)>,
}

/// Test accuracies of two models on the same seed, the baseline's first.
struct Pair {
    search: Option<u64>,
    accuracies: (f64, f64),
}

/// A difference as the verdict has it.
struct Outcome<'a> {
    difference: f64,
    interval: Option<(f64, f64)>,
    n: Option<u64>,
    verdict: Option<&'a str>,
    /// What the bar is.
    bar: String,
}

impl Figure for Difference {
    fn name(&self) -> &'static str {
        "difference"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let Some(arms) = two_arms(run) else { return Ok(None) };
        let pairs = pairs(&arms);
        let names = [arms[0].of_arm.name, arms[1].of_arm.name];
        let outcome = run.verdict.as_ref().and_then(|v| outcome(v, names));
        let mut panels = vec![accuracy(&arms, &pairs)];
        panels.extend(outcome.as_ref().map(|o| difference(o, &pairs, names)));
        let mut legend: Vec<Key> = arms
            .iter()
            .map(|a| Key::marker(label(a), a.of_arm.look.marker, theme::pale(a.of_arm.look.color)))
            .collect();
        legend.push(Key::stroke("mean", mean_stroke()));
        if !pairs.is_empty() && pairs.len() <= PAIRS_SHOWN {
            legend.push(Key::stroke("paired runs", Stroke::solid(pair_color(), 1.0)));
        }
        let several = by_search(&pairs).len() > 1;
        let finals: Vec<Finals> = arms.into_iter().map(|a| a.of_arm).collect();
        let others = summary::finals(run).len() - finals.len();
        let caption = summary::caption(
            run,
            &[
                summary::counts(&finals),
                "Points: test accuracy of one model each, measured once, after all choices."
                    .to_owned(),
                if several { "Columns of points: one for each search." } else { "" }.to_owned(),
                outcome.as_ref().map_or_else(
                    || "No verdict was recorded.".to_owned(),
                    |o| {
                        let n = o.n.map_or_else(String::new, |n| format!(" over n = {n} pairs"));
                        let [baseline, other] = names;
                        format!("Difference: {other} minus {baseline}{n}; bar: {}.", o.bar)
                    },
                ),
                match others {
                    0 => String::new(),
                    n => format!("Other arms: {n}, not shown here."),
                },
            ],
        );
        let title = title(&finals, outcome.as_ref());
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// The baseline and the arm of interest: the free one, or the first of the others.
fn two_arms(run: &Run) -> Option<[Tested<'_>; 2]> {
    let arms = summary::finals(run).into_iter().map(|mut of_arm| {
        of_arm.trials.retain(|t| t.test_accuracy.is_some());
        let trials = of_arm.trials.iter().filter_map(|t| Some((*t, t.test_accuracy?))).collect();
        Tested { of_arm, trials }
    });
    let mut arms: Vec<Tested> = arms.filter(|arm| !arm.trials.is_empty()).collect();
    let baseline = searches::baseline(run);
    let first = arms.iter().position(|a| Some(a.of_arm.name) == baseline).unwrap_or(0);
    if arms.len() < 2 {
        return None;
    }
    let baseline = arms.remove(first);
    let other = arms.iter().position(|a| a.of_arm.name == FREE).unwrap_or(0);
    Some([baseline, arms.remove(other)])
}

/// Pairs of the same search and seed, or of the same replicate where the arms share no seed.
fn pairs([first, second]: &[Tested; 2]) -> Vec<Pair> {
    let keys: [fn(&Trial) -> Option<u64>; 2] = [|t| t.seed, |t| t.replicate];
    let by = |key: fn(&Trial) -> Option<u64>| -> Vec<Pair> {
        let pair = |(trial, a): &(&Trial, f64)| {
            let wanted = (trial.search, Some(key(trial)?));
            let partner = second.trials.iter().find(|(t, _)| (t.search, key(t)) == wanted)?;
            Some(Pair { search: trial.search, accuracies: (*a, partner.1) })
        };
        first.trials.iter().filter_map(pair).collect()
    };
    keys.into_iter().map(by).find(|pairs| !pairs.is_empty()).unwrap_or_default()
}

/// The differences of each search's pairs, in percentage points, in order of the searches.
fn by_search(pairs: &[Pair]) -> Vec<Vec<f64>> {
    let mut searches: Vec<_> = pairs.iter().map(|p| p.search).collect();
    searches.sort_unstable();
    searches.dedup();
    let of_search = |search: &Option<u64>| {
        let pairs = pairs.iter().filter(|p| p.search == *search);
        pairs.map(|p| (p.accuracies.1 - p.accuracies.0) * 100.0).collect()
    };
    searches.iter().map(of_search).collect()
}

/// What the verdict says of the second arm against the first. Verdicts with one comparison only
/// have it at their top.
fn outcome<'a>(verdict: &'a Verdict, [baseline, other]: [&str; 2]) -> Option<Outcome<'a>> {
    let confident = |confidence: Option<f64>, words: &str| match confidence {
        Some(confidence) => format!("{} % {words}", axis::number(confidence * 100.0)),
        None => words.to_owned(),
    };
    if let Some(comparison) = verdict.comparison(other) {
        let same = comparison.baseline.as_deref().is_none_or(|name| name == baseline);
        let over_searches = comparison.unit.as_deref() == Some("search");
        let words = if over_searches { "interval over searches" } else { PAIRED_INTERVAL };
        return Some(Outcome {
            difference: comparison.difference.filter(|_| same)?,
            interval: comparison.low.zip(comparison.high),
            n: comparison.n,
            verdict: comparison.verdict.as_deref(),
            bar: confident(verdict.confidence.or(Some(CONFIDENCE)), words),
        });
    }
    Some(Outcome {
        difference: verdict.difference?,
        interval: verdict.low.zip(verdict.high),
        n: verdict.n,
        verdict: verdict.verdict.as_deref(),
        bar: confident(verdict.confidence, PAIRED_INTERVAL),
    })
}

const PAIRED_INTERVAL: &str = "paired bootstrap interval";

/// Places for the columns of searches around a tick, so many of them.
fn column(index: usize, count: usize) -> f64 {
    0.5 * ((index as f64 + 0.5) / count as f64 - 0.5)
}

fn label(arm: &Tested) -> String {
    if arm.of_arm.name.is_empty() { "runs".to_owned() } else { arm.of_arm.name.to_owned() }
}

fn mean_stroke() -> Stroke {
    Stroke::solid(theme::INK, 2.4)
}

fn pair_color() -> theme::Color {
    theme::mix(theme::INK, (255, 255, 255), 0.3)
}

fn accuracy(arms: &[Tested; 2], pairs: &[Pair]) -> Panel {
    let all = arms.iter().flat_map(|a| a.trials.iter().map(|t| t.1 * 100.0));
    let mut marks = Vec::new();
    let mut searches: Vec<_> =
        arms.iter().flat_map(|a| a.trials.iter().map(|t| t.0.search)).collect();
    searches.sort_unstable();
    searches.dedup();
    let place = |search: Option<u64>| {
        let index = searches.iter().position(|s| *s == search).unwrap_or(0);
        column(index, searches.len())
    };
    if pairs.len() <= PAIRS_SHOWN {
        marks.extend(pairs.iter().map(|pair| {
            let (shift, (a, b)) = (place(pair.search), pair.accuracies);
            let points = vec![(shift, a * 100.0), (1.0 + shift, b * 100.0)];
            Mark::Line { points, stroke: Stroke::solid(pair_color(), 1.0) }
        }));
    }
    for (i, arm) in arms.iter().enumerate() {
        let (at, look) = (i as f64, arm.of_arm.look);
        let points = arm.trials.iter().map(|t| (at + place(t.0.search), t.1 * 100.0)).collect();
        let color = theme::pale(look.color);
        marks.push(Mark::Points { points, marker: look.marker, color, radius: 4.0 });
        let values: Vec<f64> = arm.trials.iter().map(|t| t.1 * 100.0).collect();
        if let Some(mean) = summary::mean(&values) {
            let half = if searches.len() > 1 { 0.3 } else { 0.16 };
            let points = vec![(at - half, mean), (at + half, mean)];
            marks.push(Mark::Line { points, stroke: mean_stroke() });
        }
    }
    Panel {
        title: "Test accuracy of the final models".to_owned(),
        subtitle: String::new(),
        x: Axis::names("", arms.iter().map(label)),
        y: Axis::linear("test accuracy (%)", all, (0.0, 100.0)),
        marks,
        height: 290.0,
        weight: 1.5,
    }
}

/// Single pairs, means of searches, and the mean with its interval.
fn difference(outcome: &Outcome, pairs: &[Pair], [baseline, other]: [&str; 2]) -> Panel {
    let middle = outcome.difference * 100.0;
    // Single differences are shown only if they are what the verdict averages.
    let mut searches = by_search(pairs);
    let single: Vec<f64> = searches.iter().flatten().copied().collect();
    if !summary::mean(&single).is_some_and(|m| (m - middle).abs() < 1e-3) {
        searches.clear();
    }
    let single = searches.iter().flatten().copied();
    let ends = outcome.interval.map(|(low, high)| (low * 100.0, high * 100.0));
    let values = single.chain([0.0, middle]);
    let values: Vec<f64> = values.chain(ends.into_iter().flat_map(|(a, b)| [a, b])).collect();
    let zero = Stroke { color: theme::INK, width: 1.2, dash: Dash::Dashed, marker: None };
    let mut marks = vec![Mark::Horizontal { y: 0.0, stroke: zero }];
    let (count, color) = (searches.len(), theme::MUTED);
    let points = searches.iter().enumerate();
    let points = points.flat_map(|(i, ds)| ds.iter().map(move |d| (column(i, count), *d)));
    let points = points.collect();
    marks.push(Mark::Points { points, marker: Marker::Ring, color, radius: 3.2 });
    let mut names = Vec::new();
    if count > 0 {
        names.push("each pair");
    }
    if count > 1 {
        let means = searches.iter().filter_map(|ds| summary::mean(ds)).enumerate();
        let points = means.map(|(i, mean)| (names.len() as f64 + column(i, count), mean)).collect();
        marks.push(Mark::Points { points, marker: Marker::Square, color, radius: 4.0 });
        names.push("each search");
    }
    let at = names.len() as f64;
    names.push("mean");
    if let Some((low, high)) = ends {
        marks.push(Mark::Interval { a: (at, low), b: (at, high), color: theme::INK });
    }
    let points = vec![(at, middle)];
    marks.push(Mark::Points { points, marker: Marker::Diamond, color: theme::INK, radius: 5.0 });
    Panel {
        title: format!("Difference, {other} − {baseline}"),
        subtitle: String::new(),
        x: Axis::names("", names.into_iter().map(str::to_owned)),
        y: Axis::linear("difference (percentage points)", values, (-100.0, 100.0)),
        marks,
        height: 290.0,
        weight: 1.0,
    }
}

fn title(finals: &[Finals], outcome: Option<&Outcome>) -> String {
    let Some(outcome) = outcome else {
        let mean = |f: &Finals| {
            let values: Vec<f64> = f.trials.iter().filter_map(|t| t.test_accuracy).collect();
            summary::mean(&values).map(axis::percent)
        };
        let means: Vec<_> = finals.iter().filter_map(|f| Some((f.name, mean(f)?))).collect();
        return format!("Mean test accuracy: {}", summary::by_arm(&means));
    };
    let interval = match outcome.interval {
        Some((low, high)) => format!(" [{}, {}]", summary::points(low), summary::points(high)),
        None => String::new(),
    };
    let verdict = outcome.verdict.map_or_else(String::new, |v| format!(": {v}"));
    let difference = summary::points(outcome.difference);
    let names: Vec<&str> = finals.iter().rev().map(|f| f.name).collect();
    let names = names.join(" minus ");
    format!("Test accuracy, {names}: {difference}{interval} points{verdict}")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn the_verdict_is_drawn_beside_the_accuracies() {
        let mut run = Fixture::default().run();
        let sheet = Difference.plan(&run).unwrap().unwrap();
        assert_eq!(sheet.panels.len(), 2);
        assert!(sheet.title.contains("+0.40 [−0.10, +0.90]"), "{}", sheet.title);
        assert!(sheet.caption.contains("bar: 95 % interval over searches"));
        run.verdict = None;
        let sheet = Difference.plan(&run).unwrap().unwrap();
        assert_eq!(sheet.panels.len(), 1);
        assert!(sheet.title.starts_with("Mean test accuracy"));
    }

    #[test]
    fn pairs_share_a_seed_or_else_a_replicate() {
        let count = |run: &Run| pairs(&two_arms(run).unwrap()).len();
        let mut run = Fixture::default().run();
        assert_eq!(count(&run), 3);
        run.trials.iter_mut().for_each(|t| t.seed = Some(t.trial));
        assert_eq!(count(&run), 3);
        run.trials.iter_mut().for_each(|t| t.replicate = None);
        assert_eq!(count(&run), 0);
    }

    #[test]
    fn of_many_arms_free_is_compared_with_the_baseline_search_by_search() {
        let arms = vec!["global", "lars", "free"];
        let mut run = Fixture { arms, searches: 2, ..Fixture::default() }.run();
        for trial in run.trials.iter_mut().filter(|t| t.is_retrain()) {
            // The same seeds in both searches, which differ by a point and three.
            let gain = if trial.search == Some(0) { 0.01 } else { 0.03 };
            let noise = 0.002 * trial.seed.unwrap() as f64;
            trial.test_accuracy = Some(0.6 + noise + if trial.arm == "free" { gain } else { 0.0 });
        }
        let differences = by_search(&pairs(&two_arms(&run).unwrap()));
        let means: Vec<f64> =
            differences.iter().map(|ds| (summary::mean(ds).unwrap() * 1e6).round() / 1e6).collect();
        assert_eq!(means, [1.0, 3.0]);
        let verdict = run.verdict.as_mut().unwrap();
        verdict.comparisons.as_mut().unwrap()[1].difference = Some(0.02);
        let sheet = Difference.plan(&run).unwrap().unwrap();
        let names: Vec<&str> = sheet.panels[1].x.ticks.iter().map(|t| t.label.as_str()).collect();
        assert_eq!(names, ["each pair", "each search", "mean"]);
        assert!(
            sheet.title.starts_with("Test accuracy, free minus global: +2.00"),
            "{}",
            sheet.title
        );
        assert!(sheet.caption.contains("Other arms: 1"), "{}", sheet.caption);
    }

    #[test]
    fn one_arm_has_nothing_to_differ_from() {
        let run = Fixture { arms: vec![""], ..Fixture::default() }.run();
        assert!(Difference.plan(&run).unwrap().is_none());
    }
}
