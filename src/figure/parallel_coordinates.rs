//! Every trial as a line across its hyperparameters to its value.

use super::axis::{self, Axis, Tick};
use super::hyperparameter::{self, Hyperparameter};
use super::scatter;
use super::sheet::{Key, Label, Mark, Panel, Rows, Sheet, Stroke};
use super::study::{self, Study};
use super::tables::{Run, Status, Trial};
use super::theme::{self, Color, MARGIN, WIDTH};
use super::{Figure, FigureError};

/// Most hyperparameters shown: each needs room for its name and numbers.
const MOST: usize = 8;
/// Most lines of one class; more are a solid area.
const LINES: usize = 60;
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

impl Class<'_> {
    /// Where lines are many, each has less ink.
    fn stroke(&self) -> Stroke {
        let share = if self.trials.len() > LINES / 2 { 0.6 } else { 1.0 };
        Stroke::solid(self.color, self.width * share)
    }
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
            let stroke = class.stroke();
            let lines = scatter::stride(class.trials.clone(), LINES).into_iter();
            marks.extend(lines.map(|t| Mark::Line { points: corners(t), stroke }));
        }
        let used = classes.iter().flat_map(|c| &c.trials).flat_map(|t| corners(t));
        let lane = used.into_iter().any(|corner| corner.1 == LANE);
        let last = shown.len() as f64;
        let distance = (WIDTH - 2.0 * MARGIN - 60.0) / (last + 0.5 + AFTER);
        let mut names: Vec<String> = shown
            .iter()
            .map(|h| {
                let scale = if h.is_log() { " (log scale)" } else { "" };
                fitting([format!("{}{scale}", h.name), h.name.to_owned()], distance - 3.0)
            })
            .collect();
        let measure = study.measure();
        let word = measure.rsplit(' ').next().unwrap_or("value").to_owned();
        names.push(fitting([value_axis.label.clone(), measure, word], distance - 3.0));
        if lane {
            let points = vec![(-0.5, LANE), (last, LANE)];
            marks.insert(0, Mark::Line { points, stroke: Stroke::solid(theme::GRID, 0.8) });
        }
        for (i, axis) in axes.iter().enumerate() {
            let at = i as f64;
            let points = vec![(at, 0.0), (at, 1.0)];
            marks.push(Mark::Line { points, stroke: Stroke::solid(theme::INK, 1.2) });
            for tick in spread(&axis.ticks, axis) {
                let height = axis.place(tick.at);
                let points = vec![(at - 0.02, height), (at + 0.02, height)];
                marks.push(Mark::Line { points, stroke: Stroke::solid(theme::INK, 1.2) });
                let room = distance * if at == last { AFTER } else { 0.8 } - 8.0;
                let text = fitting([tick.label.clone(), short(tick)], room);
                let at = (at, height);
                marks.push(Mark::Label(Label {
                    at,
                    shift: (6.0, 0.0),
                    text,
                    room,
                    elsewhere: Vec::new(),
                }));
            }
        }
        let mut x = Axis::names("", names).between(-0.5, last + AFTER);
        let bottom = if lane { LANE - 0.05 } else { -0.02 };
        let mut y = Axis::names("", []).between(bottom, 1.02);
        (x.bare, y.bare) = (true, true);
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
        let legend = classes.iter().map(|c| Key::stroke(c.name.clone(), c.stroke())).collect();
        let (title, panels) = (study.title(), vec![panel]);
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// The first of the texts that fits, or the last one shortened.
fn fitting<const N: usize>(texts: [String; N], room: f64) -> String {
    let fits = |text: &&String| theme::text_width(text, theme::TICK, false) <= room;
    match texts.iter().find(fits).or(texts.last()) {
        Some(text) => theme::elide(text, room, theme::TICK, false),
        None => String::new(),
    }
}

/// A shorter label for a tick with many zeros; words have none.
fn short(tick: &Tick) -> String {
    let number = tick.label.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '−'));
    if number { axis::scientific(tick.at, 2) } else { tick.label.clone() }
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
        ("rest of the best tenth", theme::rank(0), 1.7, top),
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

#[cfg(test)]
mod tests {
    use super::super::search_fixture::SearchFixture;
    use super::*;

    fn lines(sheet: &Sheet, corners: usize) -> Vec<(&Vec<(f64, f64)>, Stroke)> {
        let lines = sheet.panels[0].marks.iter().filter_map(|mark| match mark {
            Mark::Line { points, stroke } if points.len() == corners => Some((points, *stroke)),
            _ => None,
        });
        lines.collect()
    }

    #[test]
    fn every_trial_is_a_line_and_the_best_is_on_top() {
        let run = SearchFixture::default().run();
        let sheet = ParallelCoordinates.plan(&run).unwrap().unwrap();
        let lines = lines(&sheet, 6);
        assert_eq!(lines.len(), 30);
        assert_eq!(lines[29].1.color, theme::INK);
        // Momentum is inactive in every third trial; diverged and failed ones have no value.
        let in_lane = |i: usize| lines.iter().filter(|(points, _)| points[i].1 == LANE).count();
        assert_eq!((in_lane(0), in_lane(3), in_lane(5)), (0, 10, 6));
        let names: Vec<&str> = sheet.legend.iter().map(|key| key.label.as_str()).collect();
        let expected = ["best (1)", "rest of the best tenth (2)", "rest of the better half (9)"];
        assert_eq!(names[..3], expected);
    }

    #[test]
    fn labels_give_way_before_they_are_cut() {
        theme::load_fonts().unwrap();
        let texts = || ["0.000001".to_owned(), "10⁻⁶".to_owned()];
        assert_eq!(fitting(texts(), 200.0), "0.000001");
        assert_eq!(fitting(texts(), 40.0), "10⁻⁶");
        assert!(fitting(["abcdefghijkl".to_owned()], 40.0).contains('…'));
    }
}
