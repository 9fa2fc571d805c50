//! Test accuracy of the retrained winners, and the paired difference between two arms.

use super::axis::{self, Axis};
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::summary::{self, Finals};
use super::tables::{Run, Trial};
use super::theme::{self, Dash, Marker};
use super::verdict::Verdict;
use super::{Figure, FigureError};

/// More pairs than this are a thicket of lines.
const PAIRS_SHOWN: usize = 30;

/// The answer in numbers: points by seed, means, and the difference with its interval.
pub(super) struct Difference;

/// One arm's final models that were tested.
struct Tested<'a> {
    of_arm: Finals<'a>,
    trials: Vec<(&'a Trial, f64)>,
}

impl Figure for Difference {
    fn name(&self) -> &'static str {
        "difference"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let arms = tested(run);
        if arms.len() < 2 {
            return Ok(None);
        }
        let pairs = pairs(&arms);
        let verdict = run.verdict.as_ref().filter(|v| v.difference.is_some());
        let mut panels = vec![accuracy(&arms, &pairs)];
        panels.extend(verdict.and_then(|v| difference(v, &pairs)));
        let mut legend: Vec<Key> = arms
            .iter()
            .map(|a| Key::marker(label(a), a.of_arm.look.marker, theme::pale(a.of_arm.look.color)))
            .collect();
        legend.push(Key::stroke("mean", mean_stroke()));
        let paired = !pairs.is_empty() && pairs.len() <= PAIRS_SHOWN;
        if paired {
            legend.push(Key::stroke("paired runs", Stroke::solid(pair_color(), 1.0)));
        }
        let finals: Vec<Finals> = arms.into_iter().map(|a| a.of_arm).collect();
        let caption = summary::caption(
            run,
            &[
                summary::counts(&finals),
                "Points: test accuracy of one model each, measured once, after all choices."
                    .to_owned(),
                verdict.map_or_else(
                    || "No verdict was recorded.".to_owned(),
                    |v| {
                        let n = v.n.map_or_else(String::new, |n| format!(" over n = {n} pairs"));
                        format!("Difference: free minus global{n}; bar: {}.", interval_name(v))
                    },
                ),
            ],
        );
        let title = title(&finals, verdict);
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

fn tested(run: &Run) -> Vec<Tested<'_>> {
    let arms = summary::finals(run).into_iter().map(|mut of_arm| {
        of_arm.trials.retain(|t| t.test_accuracy.is_some());
        let trials = of_arm.trials.iter().filter_map(|t| Some((*t, t.test_accuracy?))).collect();
        Tested { of_arm, trials }
    });
    arms.filter(|arm| !arm.trials.is_empty()).collect()
}

/// Test accuracies of the first two arms on the same seed, or in the same replicate where the
/// arms share no seed.
fn pairs(arms: &[Tested]) -> Vec<(f64, f64)> {
    let [first, second, ..] = arms else { return Vec::new() };
    let keys: [fn(&Trial) -> Option<u64>; 2] = [|t| t.seed, |t| t.replicate];
    let by = |key: fn(&Trial) -> Option<u64>| -> Vec<(f64, f64)> {
        let partner = |trial: &Trial| {
            let wanted = key(trial)?;
            second.trials.iter().find(|(other, _)| key(other) == Some(wanted)).map(|p| p.1)
        };
        first.trials.iter().filter_map(|(trial, a)| Some((*a, partner(trial)?))).collect()
    };
    keys.into_iter().map(by).find(|pairs| !pairs.is_empty()).unwrap_or_default()
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

fn accuracy(arms: &[Tested], pairs: &[(f64, f64)]) -> Panel {
    let all = arms.iter().flat_map(|a| a.trials.iter().map(|t| t.1 * 100.0));
    let mut marks = Vec::new();
    if pairs.len() <= PAIRS_SHOWN {
        marks.extend(pairs.iter().map(|(a, b)| Mark::Line {
            points: vec![(0.0, a * 100.0), (1.0, b * 100.0)],
            stroke: Stroke::solid(pair_color(), 1.0),
        }));
    }
    for (i, arm) in arms.iter().enumerate() {
        let (at, look) = (i as f64, arm.of_arm.look);
        let points = arm.trials.iter().map(|t| (at, t.1 * 100.0)).collect();
        let color = theme::pale(look.color);
        marks.push(Mark::Points { points, marker: look.marker, color, radius: 4.0 });
        let values: Vec<f64> = arm.trials.iter().map(|t| t.1 * 100.0).collect();
        if let Some(mean) = summary::mean(&values) {
            let points = vec![(at - 0.16, mean), (at + 0.16, mean)];
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

fn difference(verdict: &Verdict, pairs: &[(f64, f64)]) -> Option<Panel> {
    let middle = verdict.difference? * 100.0;
    // Single differences are shown only if they are what the verdict averages.
    let single: Vec<f64> = pairs.iter().map(|(a, b)| (b - a) * 100.0).collect();
    let same = summary::mean(&single).is_some_and(|m| (m - middle).abs() < 1e-3);
    let single = if same { single } else { Vec::new() };
    let ends = verdict.low.zip(verdict.high).map(|(low, high)| (low * 100.0, high * 100.0));
    let values = single.iter().copied().chain([0.0, middle]);
    let values: Vec<f64> = values.chain(ends.into_iter().flat_map(|(a, b)| [a, b])).collect();
    let zero = Stroke { color: theme::INK, width: 1.2, dash: Dash::Dashed, marker: None };
    let mut marks = vec![Mark::Horizontal { y: 0.0, stroke: zero }];
    let points = single.iter().map(|d| (0.0, *d)).collect();
    marks.push(Mark::Points { points, marker: Marker::Ring, color: theme::MUTED, radius: 3.2 });
    let at = if single.is_empty() { 0.0 } else { 1.0 };
    if let Some((low, high)) = ends {
        marks.push(Mark::Interval { a: (at, low), b: (at, high), color: theme::INK });
    }
    let points = vec![(at, middle)];
    marks.push(Mark::Points { points, marker: Marker::Diamond, color: theme::INK, radius: 5.0 });
    let names = ["each pair", "mean"].map(str::to_owned).into_iter();
    Some(Panel {
        title: "Difference, free − global".to_owned(),
        subtitle: String::new(),
        x: Axis::names("", names.skip(usize::from(single.is_empty()))),
        y: Axis::linear("difference (percentage points)", values, (-100.0, 100.0)),
        marks,
        height: 290.0,
        weight: 1.0,
    })
}

fn interval_name(verdict: &Verdict) -> String {
    match verdict.confidence {
        Some(confidence) => {
            format!("{} % paired bootstrap interval", axis::number(confidence * 100.0))
        }
        None => "paired bootstrap interval of verdict.json".to_owned(),
    }
}

fn title(finals: &[Finals], verdict: Option<&Verdict>) -> String {
    let Some((verdict, difference)) = verdict.and_then(|v| Some((v, v.difference?))) else {
        let mean = |f: &Finals| {
            let values: Vec<f64> = f.trials.iter().filter_map(|t| t.test_accuracy).collect();
            summary::mean(&values).map(axis::percent)
        };
        let means: Vec<_> = finals.iter().filter_map(|f| Some((f.name, mean(f)?))).collect();
        return format!("Mean test accuracy: {}", summary::by_arm(&means));
    };
    let interval = match verdict.low.zip(verdict.high) {
        Some((low, high)) => format!(" [{}, {}]", summary::points(low), summary::points(high)),
        None => String::new(),
    };
    let outcome = verdict.verdict.as_deref().map_or_else(String::new, |v| format!(": {v}"));
    let difference = summary::points(difference);
    format!("Free minus global rates: {difference}{interval} points of test accuracy{outcome}")
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
        assert!(sheet.caption.contains("95 % paired bootstrap interval"));
        run.verdict = None;
        let sheet = Difference.plan(&run).unwrap().unwrap();
        assert_eq!(sheet.panels.len(), 1);
        assert!(sheet.title.starts_with("Mean test accuracy"));
    }

    #[test]
    fn pairs_share_a_seed_or_else_a_replicate() {
        let mut run = Fixture::default().run();
        assert_eq!(pairs(&tested(&run)).len(), 3);
        run.trials.iter_mut().for_each(|t| t.seed = Some(t.trial));
        assert_eq!(pairs(&tested(&run)).len(), 3);
        run.trials.iter_mut().for_each(|t| t.replicate = None);
        assert!(pairs(&tested(&run)).is_empty());
    }

    #[test]
    fn one_arm_has_nothing_to_differ_from() {
        let run = Fixture { arms: vec![""], ..Fixture::default() }.run();
        assert!(Difference.plan(&run).unwrap().is_none());
    }
}
