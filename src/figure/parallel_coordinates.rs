//! Every trial as a line across its hyperparameters to its value.

use super::axis::{Axis, Tick};
use super::hyperparameter::{self, Hyperparameter};
use super::sheet::{Key, Label, Mark, Panel, Rows, Sheet, Stroke};
use super::study::{self, Study};
use super::tables::{Run, Status, Trial};
use super::theme::{self, Color, MARGIN, WIDTH};
use super::{Figure, FigureError};

/// Most hyperparameters shown: each needs room for its name and numbers.
const MOST: usize = 10;
/// Most lines of one class; more are a solid area.
const LINES: usize = 250;
/// Share of a slot over which the trials of a choice are spread.
const JITTER: f64 = 0.4;
/// Height between the top of the axes and the bottom of the plot.
const HEIGHT: f64 = 330.0;
/// Where the lane for what has no place on its axis lies; the axes run from 0 to 1.
const LANE: f64 = -0.1;
/// Room beyond the last axis for its numbers, in distances between axes.
const AFTER: f64 = 0.62;

/// Parallel coordinates.
pub(super) struct ParallelCoordinates;

/// A class of trials that look alike.
struct Class<'a> {
    name: String,
    color: Color,
    width: f64,
    trials: Vec<&'a Trial>,
}

impl Figure for ParallelCoordinates {
    fn name(&self) -> &'static str {
        "parallel_coordinates"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let study = Study::of(run);
        let mut shown = hyperparameter::all(&study);
        let all = shown.len();
        shown.truncate(MOST);
        if study.trials.len() < 2 || shown.is_empty() {
            return Ok(None);
        }
        let values = || study.trials.iter().filter_map(|t| study.value(t));
        let value_axis = study.axis(values());
        let axes: Vec<Axis> =
            shown.iter().map(|h| h.axis("")).chain([value_axis.clone()]).collect();
        let corners = |trial: &Trial| -> Vec<(f64, f64)> {
            let positions = shown.iter().map(|h| h.position(trial, JITTER));
            let positions = positions.chain([study.value(trial)]);
            let heights = positions
                .zip(&axes)
                .map(|(position, axis)| position.map_or(LANE, |position| axis.place(position)));
            heights.enumerate().map(|(i, height)| (i as f64, height)).collect()
        };
        let classes = classes(&study);
        let mut marks: Vec<Mark> = Vec::new();
        // The best on top.
        for class in classes.iter().rev() {
            let stroke = Stroke::solid(class.color, class.width);
            let lines = study::stride(class.trials.clone(), LINES).into_iter();
            marks.extend(lines.map(|t| Mark::Line { points: corners(t), stroke }));
        }
        let used = classes.iter().flat_map(|c| &c.trials).flat_map(|t| corners(t));
        let lane = used.into_iter().any(|corner| corner.1 == LANE);
        let last = shown.len() as f64;
        let distance = (WIDTH - 2.0 * MARGIN - 60.0) / (last + 0.5 + AFTER);
        let mut names: Vec<String> =
            shown.iter().map(|h| super::slice::label(h, f64::INFINITY)).collect();
        names.push(value_axis.label.clone());
        for (i, axis) in axes.iter().enumerate() {
            let at = i as f64;
            let points = vec![(at, 0.0), (at, 1.0)];
            marks.push(Mark::Line { points, stroke: Stroke::solid(theme::INK, 1.2) });
            for tick in spread(&axis.ticks, axis) {
                let height = axis.place(tick.at);
                let points = vec![(at - 0.02, height), (at + 0.02, height)];
                marks.push(Mark::Line { points, stroke: Stroke::solid(theme::INK, 1.2) });
                let room = distance * if at == last { AFTER } else { 0.8 } - 8.0;
                let (at, text) = ((at, height), tick.label.clone());
                marks.push(Mark::Label(Label { at, shift: (6.0, 0.0), text, room }));
            }
        }
        let short = |name: &String| theme::elide(name, distance - 9.0, theme::TICK, false);
        let x = Axis::names("", names.iter().map(short)).between(-0.5, last + AFTER);
        let bottom = if lane { LANE - 0.05 } else { -0.02 };
        let mut y = Axis::names("", []).between(bottom, 1.02);
        y.bare = true;
        if lane {
            y.ticks.push(Tick { at: LANE, label: "none".to_owned() });
        }
        let panel = Panel {
            title: String::new(),
            subtitle: String::new(),
            x,
            y,
            marks,
            height: HEIGHT,
            weight: 1.0,
        };
        let thinned = classes.iter().any(|c| c.trials.len() > LINES);
        let categorical = shown.iter().any(Hyperparameter::is_categorical);
        let caption = study.caption(&[
            study.counts(),
            "Each line is one trial, from its hyperparameters to its value on the last axis. Trials \
             are ranked by value, pruned ones after all complete ones by how far they came; darker \
             is better."
                .to_owned(),
            if lane {
                "Lane `none`: the hyperparameter was inactive, or the trial has no value."
            } else {
                ""
            }
            .to_owned(),
            if categorical { "Choices are spread by the number of the trial." } else { "" }
                .to_owned(),
            if thinned {
                format!("Of each class at most {LINES} trials are drawn, evenly spaced by rank.")
            } else {
                String::new()
            },
            if all > shown.len() {
                format!("Shown are the first {} of {all} hyperparameters.", shown.len())
            } else {
                String::new()
            },
            study.beyond(&value_axis, values()),
        ]);
        let legend = classes
            .iter()
            .map(|c| Key::stroke(c.name.clone(), Stroke::solid(c.color, c.width)))
            .collect();
        let (title, panels) = (study.title(), vec![panel]);
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// Trials by rank, best first.
fn classes<'a>(study: &Study<'a>) -> Vec<Class<'a>> {
    let mut ranked: Vec<&Trial> = study.ranked().into_iter().map(|(trial, _)| trial).collect();
    let n = ranked.len();
    let missing = study.trials.iter().filter(|t| study.value(t).is_none()).copied().collect();
    // Only a complete trial can be the best one.
    let best = usize::from(study.best().is_some());
    let worse = ranked.split_off(n.div_ceil(2).max(best));
    let better = ranked.split_off(n.div_ceil(10).max(best).min(ranked.len()));
    let top = ranked.split_off(best);
    let all = [
        ("best", theme::INK, 2.8, ranked),
        ("best tenth", theme::rank(0), 1.7, top),
        ("rest of the better half", theme::rank(1), 1.1, better),
        ("worse half", theme::rank(2), 0.9, worse),
        ("no value", theme::pale(theme::status(Status::Diverged).color), 0.9, missing),
    ];
    let classes = all.into_iter().map(|(name, color, width, trials)| {
        let name = format!("{name} ({})", study::thousands(trials.len()));
        Class { name, color, width, trials }
    });
    classes.filter(|class| !class.trials.is_empty()).collect()
}

/// Ticks whose labels do not touch, from the bottom up.
fn spread<'a>(ticks: &'a [Tick], axis: &Axis) -> Vec<&'a Tick> {
    let mut ticks: Vec<&Tick> = ticks.iter().collect();
    ticks.sort_by(|a, b| axis.place(a.at).total_cmp(&axis.place(b.at)));
    let apart = theme::TICK * 1.3 / (HEIGHT * 0.85);
    let mut free = 0.0;
    ticks.retain(|tick| {
        let height = axis.place(tick.at);
        let fits = height >= free;
        if fits {
            free = height + apart;
        }
        fits
    });
    ticks
}
