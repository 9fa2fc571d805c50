//! What the figures of importance share: bars with intervals, curves of estimates, words.

use super::axis::{self, Axis, Tick};
use super::manifest::Parameter;
use super::rankings::{Estimate, distinct, is_dummy};
use super::sheet::{Key, Label, Mark, Panel, Stroke};
use super::study::Study;
use super::tables::Run;
use super::theme::{self, Color, Dash, Marker};

/// Height of a row.
const ROW: f64 = 19.0;
/// Hyperparameters whose boxes a caption tells.
const BOXES: usize = 4;
/// Curves that get a colour of their own.
pub(super) const COLOURED: usize = 6;
/// Unbounded axis.
const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// One way to see each hyperparameter in a panel of bars, beside others.
pub(super) struct Layer<'a> {
    pub estimates: Vec<&'a Estimate>,
    pub color: Color,
    pub marker: Marker,
}

/// Rows of `names`, a point with its interval for each layer; `floor` is a line across.
pub(super) fn bars(
    title: &str,
    label: &str,
    names: &[&str],
    layers: &[Layer],
    floor: Option<f64>,
) -> Panel {
    let all = || layers.iter().flat_map(|layer| &layer.estimates);
    let ends = all().flat_map(|e| [e.value, e.low, e.high]).flatten();
    let x = Axis::linear(label, ends.chain(floor).chain([0.0]), FREE);
    let mut y = Axis::names("", names.iter().map(|name| (*name).to_owned())).downwards();
    let mut marks = vec![Mark::Vertical { x: 0.0, stroke: Stroke::solid(theme::INK, 1.0) }];
    marks.extend(floor.map(|x| Mark::Vertical { x, stroke: floor_stroke() }));
    let spread = 0.44 / layers.len().max(1) as f64;
    for (i, layer) in layers.iter().enumerate() {
        let shift = (i as f64 - (layers.len() - 1) as f64 / 2.0) * spread;
        for (row, name) in names.iter().enumerate() {
            let found = layer.estimates.iter().find(|e| e.parameter == *name);
            let Some((estimate, value)) = found.and_then(|e| Some((e, e.value?))) else { continue };
            let (at, color) = (row as f64 + shift, shade(name, layer.color));
            if layers.len() == 1 {
                let color = theme::mix(color, (255, 255, 255), 0.35);
                marks.push(Mark::Bar { y: at, from: 0.0, to: value, color });
            }
            if let Some((low, high)) = estimate.low.zip(estimate.high) {
                let points = vec![(low, at), (high, at)];
                marks.push(Mark::Line { points, stroke: Stroke::solid(color, 2.4) });
            }
            let points = vec![(value, at)];
            marks.push(Mark::Points { points, marker: layer.marker, color, radius: 4.0 });
        }
    }
    if let Some(first) = layers.first() {
        // One below the other they have the same decimals, by the interval in the middle.
        let mut widths: Vec<f64> =
            first.estimates.iter().filter_map(|e| Some(e.high? - e.low?)).collect();
        widths.sort_by(f64::total_cmp);
        let decimals = widths.get(widths.len() / 2).and_then(|width| axis::decimals_of(*width, 2));
        let text = |name: &&str| {
            let found = first.estimates.iter().find(|e| e.parameter == **name)?;
            let (ends, value) = (found.low.zip(found.high), found.value);
            let alike =
                decimals.zip(ends).zip(value).and_then(|((decimals, (low, high)), value)| {
                    axis::estimate_with(value, low, high, decimals)
                });
            Some(alike.unwrap_or_else(|| in_words(found)))
        };
        let far = names
            .iter()
            .enumerate()
            .filter_map(|(row, name)| Some(Tick { at: row as f64, label: text(name)? }));
        y.far = far.collect();
    }
    Panel {
        title: title.to_owned(),
        subtitle: String::new(),
        x,
        y,
        marks,
        height: (names.len() as f64 * ROW).max(2.0 * ROW),
        weight: 1.0,
    }
}

/// `0.31 [0.27, 0.35]`.
pub(super) fn in_words(estimate: &Estimate) -> String {
    let short = |value: f64| axis::number_of(value, 2);
    let Some(value) = estimate.value else { return String::new() };
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => axis::estimate_in_words(value, low, high, 2)
            .unwrap_or_else(|| format!("{} [{}, {}]", short(value), short(low), short(high))),
        _ => short(value),
    }
}

/// A ranking in words: what stands clear of noise, and how large the first is.
///
/// Where noise is part of the index, an interval stands clear above the floor, which is what the dummy
/// shows; where it was taken out, above 0, if the value is no less than the end of the dummy's interval.
pub(super) fn title(ranked: &[&Estimate], index: &str, run: &Run) -> String {
    /// More names would not fit.
    const NAMED: usize = 4;
    let (floor, is_taken_out) = (run.manifest.noise_floor, run.manifest.noise_is_taken_out);
    let is_clear = |of: &&&Estimate| match (of.low, floor) {
        // Without an interval and a floor nothing is known of noise.
        (None, None) => true,
        (low, None) => low.is_some_and(|low| low > 0.0),
        (low, Some(floor)) if is_taken_out => {
            low.is_some_and(|low| low > 0.0) && of.value.is_some_and(|value| value > floor)
        }
        (low, Some(floor)) => low.is_some_and(|low| low > floor),
    };
    let Some(first) = ranked.first() else { return String::new() };
    let name = |of: &Estimate| theme::elide(&of.parameter, 130.0, theme::TITLE, true);
    let (words, measure) = (in_words(first), run.measure());
    let clear: Vec<String> = ranked.iter().filter(is_clear).map(|of| name(of)).collect();
    match (clear.as_slice(), floor) {
        ([], _) => {
            let name = name(first);
            format!("Nothing stands clear of noise for {measure}; {name} has {index} {words}")
        }
        (_, None) | ([_], _) => format!("{} leads for {measure}: {index} {words}", name(first)),
        (clear, Some(_)) => {
            let more = clear.len().saturating_sub(NAMED);
            let named = &clear[..clear.len() - more];
            let named = match (more, named) {
                (0, [others @ .., last]) => format!("{} and {last}", others.join(", ")),
                _ => format!("{} and {more} more", named.join(", ")),
            };
            format!("{named} move {measure}: {index} of the first {words}")
        }
    }
}

/// A cell of a heat map at a place of two named axes: its ground by a share from 0 to 1, and its number.
pub(super) fn cell(x: f64, y: f64, share: f64, text: String) -> [Mark; 2] {
    let (from, to) = ((x - 0.5, y - 0.5), (x + 0.5, y + 0.5));
    // The root makes small shares visible; the darkest ground still shows its number.
    let share = 0.75 * share.clamp(0.0, 1.0).sqrt();
    let color = theme::mix(theme::arm(0).color, (255, 255, 255), share);
    let width = theme::text_width(&text, theme::TICK, false);
    let (at, shift, room) = ((x, y), (-width / 2.0, 0.0), width + 1.0);
    let label = Label { at, shift, text, room, elsewhere: Vec::new() };
    [Mark::Cell { from, to, color }, Mark::Label(label)]
}

/// What does nothing is grey.
fn shade(name: &str, color: Color) -> Color {
    if is_dummy(name) { theme::FAINT } else { color }
}

pub(super) fn floor_stroke() -> Stroke {
    Stroke { color: theme::MUTED, width: 1.4, dash: Dash::Dashed, marker: None }
}

/// The legend's word for the noise floor.
pub(super) fn floor_key() -> Key {
    Key::stroke("noise floor: the dummy", floor_stroke())
}

/// Estimates over x, a line with its band for each parameter: the last value decides who is coloured.
pub(super) fn curves(
    title: &str,
    x: Axis,
    y: &str,
    estimates: &[&Estimate],
    height: f64,
) -> (Panel, Vec<Key>) {
    let values = estimates.iter().flat_map(|e| [e.value, e.low, e.high]).flatten();
    let y = Axis::linear(y, values.chain([0.0]), FREE);
    let mut names = distinct(estimates.iter().map(|e| e.parameter.as_str()));
    let last = |name: &str| {
        let mut of_name: Vec<_> = estimates.iter().filter(|e| e.parameter == name).collect();
        of_name.sort_by(|a, b| a.at.unwrap_or(0.0).total_cmp(&b.at.unwrap_or(0.0)));
        of_name.last().and_then(|e| e.value).unwrap_or(0.0)
    };
    names.sort_by(|a, b| last(b).total_cmp(&last(a)));
    let (mut bands, mut back, mut front, mut keys) = (vec![], vec![], vec![], vec![]);
    for (i, name) in names.iter().enumerate() {
        let mut of_name: Vec<_> =
            estimates.iter().filter(|e| e.parameter == *name && e.at.is_some()).collect();
        of_name.sort_by(|a, b| a.at.unwrap_or(0.0).total_cmp(&b.at.unwrap_or(0.0)));
        let points: Vec<_> = of_name.iter().filter_map(|e| Some((e.at?, e.value?))).collect();
        if i >= COLOURED || is_dummy(name) {
            let stroke = Stroke::solid(theme::FAINT, 1.0);
            back.push(Mark::Line { points, stroke });
            continue;
        }
        let look = theme::arm(i);
        let band: Vec<_> = of_name.iter().filter_map(|e| Some((e.at?, e.low?, e.high?))).collect();
        if i < 2 && band.len() > 1 {
            bands.push(Mark::Band { points: band, color: look.color });
        }
        let stroke =
            Stroke { color: look.color, width: 2.0, dash: look.dash, marker: Some(look.marker) };
        front.push(Mark::Line { points, stroke });
        keys.push(Key::stroke(*name, stroke));
    }
    if !back.is_empty() {
        keys.push(Key::stroke("others", Stroke::solid(theme::FAINT, 1.0)));
    }
    let marks = bands.into_iter().chain(back).chain(front).collect();
    let (title, subtitle) = (title.to_owned(), String::new());
    (Panel { title, subtitle, x, y, marks, height, weight: 1.0 }, keys)
}

/// The whole caption: `sentences`, the box and its measure, and what was measured.
pub(super) fn caption(run: &Run, sentences: &[String]) -> String {
    let mut all = sentences.to_vec();
    let space = &run.manifest.search.space;
    if !space.is_empty() {
        let names: Vec<&str> = match run.orders.importance.is_empty() {
            true => distinct(run.rankings.order()),
            false => run.orders.importance.iter().map(String::as_str).collect(),
        };
        let mut described: Vec<&Parameter> =
            names.iter().filter_map(|name| space.iter().find(|p| p.name == **name)).collect();
        if described.is_empty() {
            described = space.iter().collect();
        }
        let boxes: Vec<_> = described.iter().take(BOXES).map(|p| in_box(p)).collect();
        let more = if described.len() > BOXES { "; others in manifest.json" } else { "" };
        all.push(format!("Box: {}{more}; log hyperparameters in log measure.", boxes.join(", ")));
    }
    Study::of(run).caption(&all)
}

/// `lr 0.001 to 0.1 (log)`.
fn in_box(parameter: &Parameter) -> String {
    let name = theme::elide(&parameter.name, 120.0, theme::CAPTION, false);
    let range = match (parameter.range, parameter.choices.as_slice()) {
        (Some((low, high)), _) => format!("{} to {}", axis::number(low), axis::number(high)),
        (None, []) => "unbounded".to_owned(),
        (None, choices) => format!("{} choices", choices.len()),
    };
    format!("{name} {range}{}", if parameter.log { " (log)" } else { "" })
}

/// `n = 320 runs`, with what did not end well.
pub(super) fn counted(run: &Run) -> String {
    let study = Study::of(run);
    study.counts()
}
