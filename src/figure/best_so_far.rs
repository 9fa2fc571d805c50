//! The best validation accuracy found so far against the budget that a search has spent.

use super::axis::{self, Axis};
use super::multiples;
use super::searches::{self, Search};
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::summary::{self, Envelope};
use super::tables::{Run, Trial};
use super::theme::{self, Dash, Look};
use super::{Figure, FigureError};

/// More arms than this have a panel each.
const FEW_ARMS: usize = 3;
/// From so many searches on, the band shows quartiles: single odd searches say little then.
const QUARTILES: usize = 5;
/// The accuracy axis shows what is found after this share of the budget: the first trials of a
/// search may be arbitrarily bad.
const BEGINNING: f64 = 0.2;
/// And the bands after this share.
const SETTLED: f64 = 0.5;

/// How the best validation accuracy grows with the budget, for each arm.
pub(super) struct BestSoFar;

/// What a trial costs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Budget {
    Epochs,
    Images,
    Trials,
}

/// An arm's searches: median and band, as steps.
struct Arm<'a> {
    name: &'a str,
    look: Look,
    searches: Vec<Search<'a>>,
    median: Vec<(f64, f64)>,
    band: Vec<(f64, f64, f64)>,
}

impl Budget {
    /// Epochs, or what else every trial recorded.
    fn of<'a>(trials: impl Iterator<Item = &'a Trial> + Clone) -> Self {
        let every = |known: fn(&Trial) -> bool| trials.clone().all(known);
        match () {
            () if every(|t| t.images_per_epoch().is_some() || t.epochs_run == Some(0.0)) => {
                Self::Epochs
            }
            () if every(|t| t.images_trained.is_some()) => Self::Images,
            () => Self::Trials,
        }
    }

    fn cost(self, trial: &Trial) -> f64 {
        match self {
            Self::Epochs => trial.epochs_run.unwrap_or(0.0),
            Self::Images => trial.images_trained.unwrap_or(0.0),
            Self::Trials => 1.0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Epochs => "epochs",
            Self::Images => "images",
            Self::Trials => "trials",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Epochs => "epochs of search",
            Self::Images => "images trained on",
            Self::Trials => "trials",
        }
    }
}

impl Figure for BestSoFar {
    fn name(&self) -> &'static str {
        "best_so_far"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let budget = Budget::of(run.trials.iter().filter(|t| t.is_search()));
        let arms: Vec<Arm> = arms(run, budget);
        // One trial is a number, not a search.
        if !arms.iter().any(|a| a.searches.iter().any(|s| s.trials.len() > 1)) {
            return Ok(None);
        }
        let ends: Vec<f64> = arms.iter().filter_map(|a| Some(a.median.last()?.0)).collect();
        let x = Axis::linear(budget.label(), ends.iter().copied().chain([0.0]), (0.0, f64::MAX));
        let y = y_axis(&arms);
        let baseline = searches::baseline(run);
        let (panels, rows, legend) = if arms.len() > FEW_ARMS {
            let reference = arms.iter().find(|a| Some(a.name) == baseline);
            apart(&arms, reference, &x, &y)
        } else {
            together(&arms, &x, &y)
        };
        let fewest = arms.iter().map(|a| a.searches.len()).min().unwrap_or(0);
        let most = arms.iter().map(|a| a.searches.len()).max().unwrap_or(0);
        let caption = summary::caption(
            run,
            &[
                counts(&arms),
                format!(
                    "Best validation accuracy of the trials so far, in the order that they were \
                     tried in, against the {} that they took; diverged trials are charged. It is \
                     optimistic: winners are chosen by it.",
                    budget.name()
                ),
                match (most, fewest) {
                    (..=1, _) => String::new(),
                    (..QUARTILES, _) => {
                        "Line: median over searches; band: least to greatest.".to_owned()
                    }
                    (_, QUARTILES..) => "Line: median over searches; band: quartiles.".to_owned(),
                    _ => format!(
                        "Line: median over searches; band: quartiles of {QUARTILES} or more, else \
                         least to greatest."
                    ),
                },
                "Lines start when every search has a result; what lies under the axis is cut off."
                    .to_owned(),
            ],
        );
        let title = title(&arms, baseline, budget);
        Ok(Some(Sheet { title, legend, panels, rows, caption }))
    }
}

fn arms(run: &Run, budget: Budget) -> Vec<Arm<'_>> {
    let arms = run.arms().into_iter().enumerate().map(|(i, name)| {
        let searches = searches::searches(run, name);
        let paths: Vec<_> = searches.iter().map(|s| path(s, budget)).collect();
        let Envelope { median, band } = steps(&paths);
        Arm { name, look: theme::arm(i), searches, median, band }
    });
    arms.filter(|a| !a.median.is_empty()).collect()
}

/// Budget spent and best percentage so far after each trial of a search; the first points, before
/// anything was found, are left out.
fn path(search: &Search, budget: Budget) -> Vec<(f64, f64)> {
    let (mut spent, mut best) = (0.0, None);
    let after = search.trials.iter().filter_map(|trial| {
        spent += budget.cost(trial);
        let found = summary::best([*trial]).and_then(Trial::score).map(|s| s * 100.0);
        best = best.into_iter().chain(found).reduce(f64::max);
        Some((spent, best?))
    });
    after.collect()
}

/// Median and band of step functions, from where each has a value; one that has ended keeps its
/// last value, as a search that stops keeps its best.
fn steps(paths: &[Vec<(f64, f64)>]) -> Envelope {
    let mut xs: Vec<f64> = paths.iter().flatten().map(|p| p.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let at = |path: &Vec<(f64, f64)>, x: f64| {
        let before = path.partition_point(|p| p.0 <= x);
        before.checked_sub(1).map(|i| path[i].1)
    };
    let Envelope { mut median, mut band } = Envelope::default();
    for x in xs {
        let values: Option<Vec<f64>> = paths.iter().map(|path| at(path, x)).collect();
        let Some(values) = values else { continue };
        let share = if values.len() >= QUARTILES { 0.25 } else { 0.0 };
        let ends = summary::quantile(&values, share).zip(summary::quantile(&values, 1.0 - share));
        let Some((middle, (low, high))) = summary::median(&values).zip(ends) else { continue };
        if let Some((&(_, y), &(_, l, h))) = median.last().zip(band.last()) {
            median.push((x, y));
            band.push((x, l, h));
        }
        median.push((x, middle));
        band.push((x, low, high));
    }
    Envelope { median, band }
}

fn y_axis(arms: &[Arm]) -> Axis {
    let end = arms.iter().filter_map(|a| Some(a.median.last()?.0)).fold(0.0, f64::max);
    let values = arms.iter().flat_map(|arm| {
        let late = arm.median.iter().filter(move |p| p.0 >= end * BEGINNING).map(|p| p.1);
        // An unlucky search may take longer: of the bands, only what they come to.
        let settled = arm.band.iter().filter(move |p| p.0 >= end * SETTLED);
        let settled = settled.chain(arm.band.last()).flat_map(|&(_, low, high)| [low, high]);
        late.chain(settled)
    });
    let label =
        if arms.len() > FEW_ARMS { "best so far (%)" } else { "best validation accuracy (%)" };
    Axis::linear(label, values, (0.0, 100.0))
}

/// The marks of one arm: what lies under the axis is cut off.
fn marks(arm: &Arm, stroke: Stroke, banded: bool, y: &Axis) -> Vec<Mark> {
    let shown = |value: f64| y.covers(value);
    let band: Vec<_> = arm.band.iter().copied().filter(|p| shown(p.2)).collect();
    let points = arm.median.iter().copied().filter(|p| shown(p.1)).collect();
    let mut marks = Vec::new();
    if banded && arm.searches.len() > 1 && band.len() > 1 {
        marks.push(Mark::Band { points: band, color: stroke.color });
    }
    marks.push(Mark::Line { points, stroke });
    marks
}

fn stroke(look: Look) -> Stroke {
    Stroke { color: look.color, width: 2.0, dash: Dash::Solid, marker: Some(look.marker) }
}

/// A panel for each arm, with the baseline's median in each of the others.
fn apart(arms: &[Arm], baseline: Option<&Arm>, x: &Axis, y: &Axis) -> (Vec<Panel>, Rows, Vec<Key>) {
    let dashed = Stroke { color: theme::MUTED, width: 1.3, dash: Dash::Dashed, marker: None };
    let panels = arms.iter().map(|arm| {
        let other = baseline.filter(|b| b.name != arm.name);
        let mut under: Vec<Mark> =
            other.into_iter().flat_map(|b| marks(b, dashed, false, y)).collect();
        let plain = Stroke { marker: None, ..stroke(arm.look) };
        under.extend(marks(arm, plain, true, y));
        let best = arm.median.last().map_or_else(String::new, |p| axis::percent(p.1 / 100.0));
        panel(arm.name, format!("{best} at the end"), under, x, y, 140.0)
    });
    let panels: Vec<Panel> = panels.collect();
    let columns = multiples::columns(panels.len());
    let (panels, rows) = multiples::arrange(panels, columns);
    let mut legend = vec![
        Key::stroke("median of the arm's searches", Stroke::solid(theme::MUTED, 2.0)),
        Key::band("its band", theme::MUTED),
    ];
    if let Some(baseline) = baseline {
        legend.push(Key::stroke(format!("median of {}", baseline.name), dashed));
    }
    (panels, rows, legend)
}

/// All arms in one panel.
fn together(arms: &[Arm], x: &Axis, y: &Axis) -> (Vec<Panel>, Rows, Vec<Key>) {
    let all = arms.iter().flat_map(|arm| marks(arm, stroke(arm.look), true, y));
    // Lines over all bands.
    let (mut bands, lines): (Vec<Mark>, Vec<Mark>) =
        all.partition(|mark| matches!(mark, Mark::Band { .. }));
    bands.extend(lines);
    let key = |arm: &Arm| {
        let searches = searches::counts(&arm.searches);
        let name = if arm.name.is_empty() { "search" } else { arm.name };
        Key::stroke(format!("{name} ({searches})"), stroke(arm.look))
    };
    let panel = panel("", String::new(), bands, x, y, 300.0);
    (vec![panel], Rows::Pairs, arms.iter().map(key).collect())
}

fn panel(
    title: &str,
    subtitle: String,
    marks: Vec<Mark>,
    x: &Axis,
    y: &Axis,
    height: f64,
) -> Panel {
    let (x, y) = (x.clone(), y.clone());
    Panel { title: title.to_owned(), subtitle, x, y, marks, height, weight: 1.0 }
}

fn counts(arms: &[Arm]) -> String {
    let each: Vec<String> = arms.iter().map(|a| searches::counts(&a.searches)).collect();
    match each.as_slice() {
        [first, rest @ ..] if rest.iter().all(|c| c == first) => {
            let per_arm = if rest.is_empty() { "" } else { " per arm" };
            format!("n = {first}{per_arm}.")
        }
        _ => {
            let named = arms.iter().zip(&each).map(|(a, c)| format!("{} {c}", a.name));
            format!("n = {}.", named.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The arm that found most, and the baseline.
fn title(arms: &[Arm], baseline: Option<&str>, budget: Budget) -> String {
    let mut ends: Vec<(&str, f64, f64)> =
        arms.iter().filter_map(|a| a.median.last().map(|p| (a.name, p.0, p.1))).collect();
    ends.sort_by(|a, b| b.2.total_cmp(&a.2));
    let spent = ends.iter().map(|e| e.1).fold(0.0, f64::max);
    let told = ends.iter().enumerate().filter(|(i, e)| *i == 0 || Some(e.0) == baseline);
    let told: Vec<_> = told.map(|(_, e)| (e.0, axis::percent(e.2 / 100.0))).collect();
    format!(
        "Best validation accuracy after {} {}: {}",
        axis::decimal(spent, 0),
        budget.name(),
        summary::by_arm(&told)
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::tables::Status;
    use super::*;

    #[test]
    fn the_best_so_far_never_falls_and_starts_when_all_have_one() {
        let paths = [
            vec![(1.0, 50.0), (2.0, 40.0), (3.0, 60.0)],
            vec![(2.0, 10.0)],
            vec![(1.0, 0.0), (5.0, 100.0)],
        ];
        let Envelope { median, band } = steps(&paths);
        assert_eq!(median[0], (2.0, 10.0));
        assert_eq!(band[0], (2.0, 0.0, 40.0));
        // The searches that have ended count with what they had.
        assert_eq!(median.last(), Some(&(5.0, 60.0)));
        assert_eq!(band.last(), Some(&(5.0, 10.0, 100.0)));
        assert!(steps(&[]).median.is_empty());
    }

    #[test]
    fn trials_that_diverge_are_charged_and_find_nothing() {
        let mut run = Fixture { search: 3, ..Fixture::default() }.run();
        let scores = [Some(0.4), None, Some(0.3)];
        for (trial, score) in run.trials.iter_mut().filter(|t| t.arm == "free").zip(scores) {
            trial.value = score;
            trial.status = if score.is_some() { Status::Complete } else { Status::Diverged };
        }
        let found = path(&searches::searches(&run, "free")[0], Budget::Epochs);
        let best: Vec<_> = found.iter().map(|p| (p.0, p.1.round())).collect();
        assert_eq!(best, [(4.0, 40.0), (8.0, 40.0), (12.0, 40.0)]);
    }

    #[test]
    fn few_arms_share_a_panel_and_many_have_one_each() {
        let sheet = BestSoFar.plan(&Fixture::default().run()).unwrap().unwrap();
        assert_eq!((sheet.panels.len(), sheet.legend.len()), (1, 2));
        let many =
            Fixture { arms: vec!["global", "a", "b", "c"], searches: 3, ..Fixture::default() };
        let sheet = BestSoFar.plan(&many.run()).unwrap().unwrap();
        assert_eq!(sheet.panels.len(), 4);
        let lines =
            |panel: &Panel| panel.marks.iter().filter(|m| matches!(m, Mark::Line { .. })).count();
        assert_eq!(sheet.panels.iter().map(lines).collect::<Vec<_>>(), [1, 2, 2, 2]);
        assert!(sheet.caption.contains("n = 3 searches of 12 trials per arm"));
        assert!(sheet.caption.contains("least to greatest"), "{}", sheet.caption);
    }

    #[test]
    fn one_trial_is_no_search() {
        let run = Fixture { search: 1, ..Fixture::default() }.run();
        assert!(BestSoFar.plan(&run).unwrap().is_none());
    }
}
