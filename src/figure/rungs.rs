//! Survivors of early stopping: how many trials came how far, and what was decided at each rung.

use std::collections::BTreeMap;

use super::axis::{self, Axis};
use super::scatter;
use super::sheet::{Key, Label, Mark, Panel, Rows, Sheet, Stroke};
use super::study::{self, Study};
use super::tables::{Decision, Run, Status, Trial};
use super::theme::{self, Marker};
use super::{Figure, FigureError};

/// Most trials drawn with a stem each; more are points.
const STEMS: usize = 250;
/// Most points of the panel of rungs.
const POINTS: usize = 1800;
/// Most corners of all cutoffs.
const CORNERS: usize = 900;
/// Share of a rung's slot that its decisions spread over.
const SPREAD: f64 = 0.84;
/// Stems start here: under any axis of budget.
const GROUND: f64 = 1e-9;

/// Rungs and survivors.
pub(super) struct Rungs;

/// What was decided at one rung, in the order of the table.
struct Rung<'a> {
    at: f64,
    decisions: Vec<&'a Decision>,
}

impl Figure for Rungs {
    fn name(&self) -> &'static str {
        "rungs"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let study = Study::of(run);
        let reached = reached(&study);
        let rungs = rungs(&study);
        let stopped = study.count(Status::Pruned) > 0;
        if run.decisions.is_empty() || reached.len() < 2 || (rungs.is_empty() && !stopped) {
            return Ok(None);
        }
        let mut panels = vec![survivors(&study, &reached, &rungs)];
        panels.extend(decided(&study, &rungs));
        panels.push(budgets(&study, &reached));
        let cutoffs = run.decisions.iter().any(|d| d.rung.is_some() && d.cutoff.is_some());
        let caption = study.caption(&[
            study.counts(),
            format!(
                "Trials left: those that reported at that {} or later, whatever ended them.",
                study.unit()
            ),
            if rungs.is_empty() {
                String::new()
            } else {
                "Decisions at the rungs: one mark a trial, from left to right in the order of \
                 decisions.csv."
                    .to_owned()
            },
            if cutoffs {
                "Line: the cutoff that each had to reach.".to_owned()
            } else {
                String::new()
            },
            "Budget of each trial: its last report, by number of the trial.".to_owned(),
        ]);
        let (title, legend) = (title(&study, &reached), legend(&study, &rungs, cutoffs));
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// The budget that each trial used, where it used any.
fn reached<'a>(study: &Study<'a>) -> Vec<(&'a Trial, f64)> {
    let mut last: BTreeMap<u64, f64> = BTreeMap::new();
    for decision in &study.run.decisions {
        let step = last.entry(decision.trial).or_default();
        *step = step.max(decision.step as f64);
    }
    let used = study.trials.iter().map(|t| {
        let decided = last.get(&t.trial).copied().unwrap_or(0.0);
        (*t, t.epochs_run.unwrap_or(0.0).floor().max(decided))
    });
    used.filter(|(_, budget)| *budget >= 1.0).collect()
}

fn rungs<'a>(study: &Study<'a>) -> Vec<Rung<'a>> {
    let rungs = study.rungs().into_iter().map(|at| {
        let of_rung = study.run.decisions.iter().filter(|d| d.rung == Some(at));
        let mut decisions: Vec<&Decision> = of_rung.collect();
        // A trial that was paused and later called up is decided on twice: the last one counts.
        let mut last = BTreeMap::new();
        for (i, decision) in decisions.iter().enumerate() {
            last.insert(decision.trial, i);
        }
        let mut i = 0;
        decisions.retain(|decision| {
            i += 1;
            last.get(&decision.trial) == Some(&(i - 1))
        });
        Rung { at, decisions }
    });
    rungs.collect()
}

/// How many trials came at least as far, over the budget.
fn survivors(study: &Study, reached: &[(&Trial, f64)], rungs: &[Rung]) -> Panel {
    let mut budgets: Vec<f64> = reached.iter().map(|(_, budget)| *budget).collect();
    budgets.sort_by(f64::total_cmp);
    let left = |at: f64| budgets.len() - budgets.partition_point(|b| *b < at);
    let mut steps = budgets.clone();
    steps.dedup();
    let mut corners = vec![(1.0, budgets.len() as f64)];
    for (i, step) in steps.iter().enumerate() {
        let before = left(*step) as f64;
        let after = steps.get(i + 1).map_or(before, |next| left(*next) as f64);
        corners.extend([(*step, before), (*step, after)]);
    }
    let corners = scatter::stride(corners, CORNERS);
    let x = study.budget_axis(&format!("{}s", study.unit()), budgets.iter().copied().chain([1.0]));
    let y = Axis::whole("trials left", [0.0, budgets.len() as f64 * 1.06], (0.0, f64::INFINITY));
    let ink = theme::status(Status::Complete).color;
    let band = corners.iter().map(|(x, y)| (*x, 0.0, *y)).collect();
    let mut marks = vec![
        Mark::Band { points: band, color: ink },
        Mark::Line { points: corners, stroke: Stroke::solid(ink, 1.8) },
    ];
    let at = rungs.iter().map(|r| r.at).chain(steps.last().copied());
    let mut at: Vec<f64> = at.filter(|at| *at >= 1.0 && left(*at) > 0).collect();
    at.dedup();
    let points: Vec<(f64, f64)> = at.iter().map(|at| (*at, left(*at) as f64)).collect();
    marks.push(Mark::Points {
        points: scatter::stride(points.clone(), 100),
        marker: Marker::Circle,
        color: ink,
        radius: 3.2,
    });
    marks.extend(points.into_iter().map(|at| {
        let text = study::thousands(at.1 as usize);
        Mark::Label(Label { at, shift: (5.0, -9.0), text, room: 60.0, elsewhere: Vec::new() })
    }));
    Panel {
        title: "Trials left".to_owned(),
        subtitle: String::new(),
        x,
        y,
        marks,
        height: 230.0,
        weight: 0.8,
    }
}

/// What was reported at each rung, and whether it was enough.
fn decided(study: &Study, rungs: &[Rung]) -> Option<Panel> {
    let values = || {
        let decisions = rungs.iter().flat_map(|r| &r.decisions);
        decisions.filter_map(|d| Some(study.shown(d.value?)))
    };
    values().next()?;
    let y = study.axis(values());
    let names = rungs.iter().map(|r| axis::number(r.at));
    let x = Axis::names(&format!("rung ({}s)", study.unit()), names);
    let (mut stopped, mut passed, mut cutoffs) = (Vec::new(), Vec::new(), Vec::new());
    for (slot, rung) in rungs.iter().enumerate() {
        let n = rung.decisions.len() as f64;
        let mut line = Vec::new();
        for (i, decision) in rung.decisions.iter().enumerate() {
            let at = slot as f64 + ((i as f64 + 0.5) / n - 0.5) * SPREAD;
            if let Some(value) = decision.value {
                let points = if decision.passed { &mut passed } else { &mut stopped };
                points.push((at, study.shown(value)));
            }
            line.extend(decision.cutoff.map(|cutoff| (at, study.shown(cutoff))));
        }
        cutoffs.push(scatter::stride(line, CORNERS / rungs.len()));
    }
    let many = stopped.len() + passed.len() > POINTS / 4;
    let mut marks = Vec::new();
    for (points, (marker, color, radius)) in
        [(stopped, stopped_look(many)), (passed, passed_look(many))]
    {
        let points = scatter::thin(points, &x, &y, POINTS / 2);
        marks.push(Mark::Points { points, marker, color, radius });
    }
    let drawn = cutoffs.into_iter().filter(|line| line.len() > 1);
    marks.extend(drawn.map(|points| Mark::Line { points, stroke: cutoff_stroke() }));
    Some(Panel {
        title: "Decisions at the rungs".to_owned(),
        subtitle: String::new(),
        x,
        y,
        marks,
        height: 230.0,
        weight: 1.2,
    })
}

fn stopped_look(many: bool) -> (Marker, theme::Color, f64) {
    let look = theme::status(Status::Pruned);
    if many { (Marker::Speck, look.color, 2.0) } else { (look.marker, look.color, 2.9) }
}

fn passed_look(many: bool) -> (Marker, theme::Color, f64) {
    let look = theme::status(Status::Complete);
    if many { (Marker::Dot, look.color, 2.2) } else { (look.marker, look.color, 3.2) }
}

fn cutoff_stroke() -> Stroke {
    Stroke::solid(theme::INK, 1.4)
}

/// How far each trial came, in the order in which they were proposed.
fn budgets(study: &Study, reached: &[(&Trial, f64)]) -> Panel {
    let numbers = reached.iter().map(|(t, _)| t.trial as f64);
    let x = Axis::whole("trial", numbers, (f64::NEG_INFINITY, f64::INFINITY));
    let label = format!("{}s run", study.unit());
    let y = study.budget_axis(&label, reached.iter().map(|(_, budget)| *budget).chain([1.0]));
    let stems = reached.len() <= STEMS;
    let mut marks = Vec::new();
    for status in study::STATUSES {
        let of_status = reached.iter().filter(|(t, _)| t.status == status);
        let points: Vec<(f64, f64)> = of_status.map(|(t, b)| (t.trial as f64, *b)).collect();
        let look = theme::status(status);
        if stems {
            let color = theme::pale(look.color);
            let width = (560.0 / reached.len() as f64).clamp(0.8, 5.0);
            marks.extend(points.iter().map(|&(x, budget)| Mark::Line {
                points: vec![(x, GROUND), (x, budget)],
                stroke: Stroke::solid(color, width),
            }));
        }
        let (marker, radius) = match (look.marker, stems) {
            (Marker::Circle, false) => (Marker::Dot, 2.2),
            (Marker::Diamond, false) => (Marker::Speck, 2.0),
            (marker, _) => (marker, 3.0),
        };
        let points = scatter::thin(points, &x, &y, POINTS / 2);
        marks.push(Mark::Points { points, marker, color: look.color, radius });
    }
    Panel {
        title: "Budget of each trial".to_owned(),
        subtitle: String::new(),
        x,
        y,
        marks,
        height: 170.0,
        weight: 1.0,
    }
}

fn legend(study: &Study, rungs: &[Rung], cutoffs: bool) -> Vec<Key> {
    let mut keys = Vec::new();
    if !rungs.is_empty() {
        let ((marker, color, radius), pruned) = (passed_look(false), stopped_look(false));
        keys.push(Key::sized("went on, or complete", marker, color, radius));
        keys.push(Key::sized("stopped, or pruned", pruned.0, pruned.1, pruned.2));
    } else {
        for status in [Status::Complete, Status::Pruned] {
            let look = theme::status(status);
            keys.push(Key::sized(study::name(status), look.marker, look.color, 3.2));
        }
    }
    for status in [Status::Diverged, Status::Failed] {
        if study.count(status) > 0 {
            let look = theme::status(status);
            keys.push(Key::sized(study::name(status), look.marker, look.color, 3.2));
        }
    }
    if cutoffs {
        keys.push(Key::stroke("cutoff", cutoff_stroke()));
    }
    keys
}

/// What early stopping saved.
fn title(study: &Study, reached: &[(&Trial, f64)]) -> String {
    let most = reached.iter().map(|(_, budget)| *budget).fold(0.0, f64::max);
    let spent: f64 = reached.iter().map(|(_, budget)| *budget).sum();
    let last = reached.iter().filter(|(_, budget)| *budget == most).count();
    let (last, n) = (study::thousands(last), study::thousands(reached.len()));
    let share = axis::number_of(spent / (most * reached.len() as f64) * 100.0, 2);
    let unit = study.unit();
    format!(
        "{last} of {n} trials reached {unit} {most}, with {share} % of the {unit}s that all in full \
         would take"
    )
}

#[cfg(test)]
mod tests {
    use super::super::search_fixture::SearchFixture;
    use super::*;

    #[test]
    fn survivors_are_counted_at_each_rung() {
        let run = SearchFixture::default().run();
        let sheet = Rungs.plan(&run).unwrap().unwrap();
        assert_eq!(sheet.panels.len(), 3);
        let labels: Vec<&str> = sheet.panels[0]
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Label(label) => Some(label.text.as_str()),
                _ => None,
            })
            .collect();
        // Three failed before their first report; of ten, two come to 3, one to 9, one to 27.
        assert_eq!(labels, ["27", "12", "6", "3"]);
        assert!(sheet.title.starts_with("3 of 27 trials reached epoch 27"), "{}", sheet.title);
    }

    #[test]
    fn a_trial_that_was_called_up_again_has_passed() {
        let mut run = SearchFixture::default().run();
        let first = run.decisions.iter().position(|d| d.rung == Some(1.0) && !d.passed).unwrap();
        let stopped = |run: &Run| -> usize {
            rungs(&Study::of(run))[0].decisions.iter().filter(|d| !d.passed).count()
        };
        let before = stopped(&run);
        run.decisions.push(Decision { passed: true, ..run.decisions[first].clone() });
        assert_eq!(stopped(&run), before - 1);
    }

    #[test]
    fn without_early_stopping_there_is_no_figure() {
        let mut run = SearchFixture::default().run();
        run.decisions.clear();
        assert!(Rungs.plan(&run).unwrap().is_none());
    }
}
