//! Regret against the budget: how far the best found is from the best there is.

use super::axis::Axis;
use super::orders::{ComparedArm, Orders};
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::tables::Run;
use super::theme::{self, Dash};
use super::{Figure, FigureError};

/// Arms that are told apart, where they are there: the ones that the questions are about.
const NAMED: [&[&str]; 2] = [
    &["importance-first", "reverse", "random-order", "fanova-first", "default-start"],
    &["random", "tpe", "groups", "proportional-fanova", "random-2x"],
];
/// So many arms of a panel get a colour.
const COLOURED: usize = 5;
/// Unbounded above.
const FROM_ZERO: (f64, f64) = (0.0, f64::INFINITY);
/// A regret that is drawn at the edge: worse than what a random configuration comes to by half.
const MOST: f64 = 1.5;

/// Medians with quartiles: one hyperparameter after the other, and everything else.
pub(super) struct Regret;

impl Figure for Regret {
    fn name(&self) -> &'static str {
        "regret"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let orders = &run.orders;
        let competing = || orders.arms.iter().filter(|arm| arm.role == "compared");
        let singly: Vec<_> = competing().filter(|arm| arm.sampler == "coordinate").collect();
        let others: Vec<_> = competing().filter(|arm| arm.sampler != "coordinate").collect();
        let (mut panels, mut legend, mut best) = (Vec::new(), Vec::new(), None::<&ComparedArm>);
        let kinds = [("One hyperparameter after the other", singly), ("Several at once", others)];
        for (kind, (title, arms)) in kinds.into_iter().enumerate() {
            let sorted = by_area(arms);
            let Some(first) = sorted.first() else { continue };
            let (panel, keys) = panel(orders, title, &sorted, kind);
            panels.push(panel);
            legend.extend(keys);
            let is_better = best.is_none_or(|best| first.area < best.area);
            best = if is_better { Some(*first) } else { best };
        }
        let Some(best) = best else { return Ok(None) };
        let title = format!("{} comes closest over the budget", best.arm);
        let caption = orders.caption(
            run,
            "Lines: median over the searches of an arm; band: quartiles of the first named one of a panel. Regret \
             0 is the best there is, 1 what a random configuration comes to in the median. An arm with twice the \
             budget is drawn at the same share of its own.",
        );
        legend.push(Key::stroke("other arms", Stroke::solid(theme::FAINT, 1.2)));
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// Arms by their mean regret, those without one left out.
fn by_area(mut arms: Vec<&ComparedArm>) -> Vec<&ComparedArm> {
    arms.retain(|arm| arm.area.is_some());
    arms.sort_by(|a, b| a.area.unwrap_or(0.0).total_cmp(&b.area.unwrap_or(0.0)));
    arms
}

/// The arms that are told apart: those named, and others by their regret where there are too few.
fn coloured<'a>(arms: &[&'a ComparedArm], kind: usize) -> Vec<&'a ComparedArm> {
    let named = NAMED[kind].iter().filter_map(|name| arms.iter().find(|arm| arm.arm == *name));
    let mut chosen: Vec<&ComparedArm> = named.copied().collect();
    for arm in arms {
        if chosen.len() < COLOURED && !chosen.iter().any(|known| known.arm == arm.arm) {
            chosen.push(arm);
        }
    }
    chosen
}

fn panel(orders: &Orders, title: &str, arms: &[&ComparedArm], kind: usize) -> (Panel, Vec<Key>) {
    let of = |arm: &ComparedArm| {
        let name = arm.arm.clone();
        orders.regret.iter().filter(move |at| at.arm == name)
    };
    let medians = |arm: &ComparedArm| -> Vec<(f64, f64)> {
        of(arm).filter_map(|at| Some((at.evaluation as f64, at.quartiles[1]?))).collect()
    };
    // Both panels have the same axes.
    let banded = |arm: &str| NAMED.iter().any(|names| names.first() == Some(&arm));
    let upper = orders.regret.iter().filter(|at| banded(&at.arm)).filter_map(|at| at.quartiles[2]);
    let medians_of_all = orders.regret.iter().filter_map(|at| at.quartiles[1]);
    let shown = medians_of_all.chain(upper).filter(|y| *y < MOST);
    let x = Axis::whole("evaluations", [1.0, orders.budget() as f64], FROM_ZERO);
    let y = Axis::linear("regret", shown.chain([0.0]), FROM_ZERO);
    let chosen = coloured(arms, kind);
    let is_chosen = |arm: &&&ComparedArm| chosen.iter().any(|known| known.arm == arm.arm);
    let mut marks: Vec<Mark> = arms
        .iter()
        .filter(|arm| !is_chosen(arm))
        .map(|arm| Mark::Line { points: medians(arm), stroke: Stroke::solid(theme::FAINT, 1.2) })
        .collect();
    let (mut bands, mut lines, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for (place, arm) in chosen.iter().enumerate() {
        let look = theme::arm(place);
        if place == 0 {
            let quartiles = of(arm)
                .filter_map(|at| Some((at.evaluation as f64, at.quartiles[0]?, at.quartiles[2]?)));
            let points: Vec<_> = quartiles.collect();
            if points.len() > 1 {
                bands.push(Mark::Band { points, color: look.color });
            }
        }
        let dash = if kind == 0 { Dash::Solid } else { Dash::Dashed };
        let stroke = Stroke { color: look.color, width: 2.0, dash, marker: Some(look.marker) };
        lines.push(Mark::Line { points: medians(arm), stroke });
        keys.push(Key::stroke(arm.arm.clone(), stroke));
    }
    bands.append(&mut marks);
    let marks = bands.into_iter().chain(lines).collect();
    let (title, subtitle) = (title.to_owned(), String::new());
    (Panel { title, subtitle, x, y, marks, height: 270.0, weight: 1.0 }, keys)
}
