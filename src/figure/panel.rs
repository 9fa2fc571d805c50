//! Draws one panel: heading, axes with ticks, marks.

use super::axis::{Axis, Tick};
use super::layout::centred_within;
use super::shape::{self, Anchor, Point, Shape, Text};
use super::sheet::{Label, Mark, Panel, Stroke};
use super::theme::{self, Color};

/// Radius of the markers along a line.
pub(super) const LINE_MARKER: f64 = 3.6;

/// Width of the labels of named ticks beside an axis, at most.
const LONGEST_NAME: f64 = 190.0;
/// Width of what stands beside a plot on its right, at most.
const LONGEST_VALUE: f64 = 260.0;
/// Thickness of a bar.
const BAR: f64 = 11.0;

/// Room between a plot without labels on its right and its panel's right edge.
pub(super) const FAR_ROOM: f64 = 8.0;

/// The place given to a panel.
pub(super) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    /// Top of the plot, under the headings of the row.
    pub plot: f64,
    /// Height of the plot.
    pub height: f64,
}

/// Height of a panel's heading.
pub(super) fn head(panel: &Panel) -> f64 {
    let line = |text: &str, size: f64| if text.is_empty() { 0.0 } else { size * 1.45 };
    line(&panel.title, theme::HEADING) + line(&panel.subtitle, theme::TICK) + 7.0
}

/// Width of the longest label.
fn widest(ticks: &[Tick], most: f64) -> f64 {
    let width = |t: &Tick| theme::text_width(&t.label, theme::TICK, false);
    ticks.iter().map(width).fold(0.0, f64::max).min(most)
}

/// Room between a panel's left edge and its plot: the labels of its y axis.
pub(super) fn near_room(y: &Axis) -> f64 {
    let label_room = if y.label.is_empty() { 0.0 } else { theme::LABEL * 1.5 };
    label_room + widest(&y.ticks, LONGEST_NAME) + 8.0
}

/// Room between a plot and its panel's right edge: the values beside the plot, or half a tick label.
pub(super) fn far_room(y: &Axis) -> f64 {
    if y.far.is_empty() { FAR_ROOM } else { widest(&y.far, LONGEST_VALUE) + 12.0 }
}

/// Draws `panel` into `frame`; returns its lower edge.
pub(super) fn draw(panel: &Panel, frame: &Frame, shapes: &mut Vec<Shape>) -> f64 {
    heading(panel, frame, shapes);
    let plot = Plot {
        left: frame.left + near_room(&panel.y),
        right: frame.right - far_room(&panel.y),
        top: frame.plot,
        bottom: frame.plot + frame.height,
        x: &panel.x,
        y: &panel.y,
    };
    grid(&plot, shapes);
    let mut taken = Vec::new();
    let dots = plot.dots(&panel.marks);
    for mark in &panel.marks {
        match mark {
            Mark::Label(label) => plot.label(label, frame, &dots, &mut taken, shapes),
            mark => plot.mark(mark, shapes),
        }
    }
    y_axis(&plot, frame, shapes);
    x_axis(&plot, frame, shapes)
}

fn heading(panel: &Panel, frame: &Frame, shapes: &mut Vec<Shape>) {
    let mut y = frame.top;
    let parts = [(&panel.title, theme::HEADING, true), (&panel.subtitle, theme::TICK, false)];
    for (text, size, bold) in parts {
        if !text.is_empty() {
            let text = theme::elide(text, frame.right - frame.left, size, bold);
            let text = Text::new((frame.left, y + size), text, size);
            shapes.push(Shape::Text(Text { bold, ..text }));
            y += size * 1.45;
        }
    }
}

/// Left, top, right and bottom.
type Bounds = (f64, f64, f64, f64);

/// The rectangle between the axes.
struct Plot<'a> {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: &'a Axis,
    y: &'a Axis,
}

impl Plot<'_> {
    fn at_x(&self, x: f64) -> f64 {
        self.left + (self.right - self.left) * self.x.place(x)
    }

    fn at_y(&self, y: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * self.y.place(y)
    }

    fn at(&self, (x, y): (f64, f64)) -> Point {
        (self.at_x(x), self.at_y(y))
    }

    fn mark(&self, mark: &Mark, shapes: &mut Vec<Shape>) {
        match mark {
            Mark::Line { points, stroke } => self.line(points, *stroke, shapes),
            Mark::Band { points, color } => {
                let upper = points.iter().map(|&(x, _, high)| self.at((x, high)));
                let lower = points.iter().rev().map(|&(x, low, _)| self.at((x, low)));
                let points = upper.chain(lower).collect();
                shapes.push(Shape::Fill { points, color: *color, opacity: shape::BAND_OPACITY });
            }
            Mark::Cell { from, to, color } => {
                shapes.push(shape::rectangle(self.at(*from), self.at(*to), *color, 1.0));
            }
            Mark::Points { points, marker, color, radius } => {
                for point in points {
                    shapes.extend(shape::marker(*marker, self.at(*point), *radius, *color));
                }
            }
            Mark::Bar { y, from, to, color } => {
                let ((x0, y), x1) = (self.at((*from, *y)), self.at_x(*to));
                let (a, b) = ((x0.min(x1), y - BAR / 2.0), (x0.max(x1), y + BAR / 2.0));
                shapes.push(shape::rectangle(a, b, theme::pale(*color), 1.0));
            }
            Mark::Interval { a, b, color } => {
                self.interval(self.at(*a), self.at(*b), *color, shapes)
            }
            Mark::Vertical { x, stroke } => {
                let x = self.at_x(*x);
                let ends = [(x, self.bottom), (x, self.top)];
                shapes.extend(shape::dashed(&ends, stroke.color, stroke.width, stroke.dash));
            }
            Mark::Horizontal { y, stroke } => {
                let y = self.at_y(*y);
                let ends = [(self.left, y), (self.right, y)];
                shapes.extend(shape::dashed(&ends, stroke.color, stroke.width, stroke.dash));
            }
            // Placed by `label`, which knows the labels before it.
            Mark::Label(_) => {}
        }
    }

    /// The places of all points.
    fn dots(&self, marks: &[Mark]) -> Vec<Bounds> {
        let mut dots = Vec::new();
        for mark in marks {
            if let Mark::Points { points, radius, .. } = mark {
                dots.extend(points.iter().map(|&point| {
                    let (x, y) = self.at(point);
                    (x - radius, y - radius, x + radius, y + radius)
                }));
            }
        }
        dots
    }

    /// Draws a label on a ground that keeps it legible, unless it would touch an earlier one or
    /// leave the plot.
    fn label(
        &self,
        label: &Label,
        frame: &Frame,
        dots: &[Bounds],
        taken: &mut Vec<Bounds>,
        shapes: &mut Vec<Shape>,
    ) {
        let (x, y) = self.at(label.at);
        let words = theme::elide(&label.text, label.room, theme::TICK, false);
        let place = |shift: &(f64, f64), avoided: &[Bounds]| {
            let at = (x + shift.0, y + shift.1 + theme::TICK * 0.36);
            let text = Text::new(at, words.clone(), theme::TICK);
            let (left, top, right, bottom) = text.bounds();
            let inside = left >= self.left && right <= frame.right && bottom <= self.bottom;
            let touches = |b: &Bounds| left < b.2 && b.0 < right && top < b.3 && b.1 < bottom;
            let free = !taken.iter().chain(avoided).any(touches);
            (inside && top >= frame.plot && free).then_some(text)
        };
        let choose = |avoided: &[Bounds]| {
            let mut shifts = std::iter::once(&label.shift).chain(&label.elsewhere);
            shifts.find_map(|shift| place(shift, avoided))
        };
        // Where there is a choice, clear of all points too.
        let dots = if label.elsewhere.is_empty() { &[] } else { dots };
        let Some(text) = choose(dots).or_else(|| choose(&[])) else { return };
        let (left, top, right, bottom) = text.bounds();
        taken.push((left, top, right, bottom));
        let ground = (left - 1.5, top - 0.5);
        shapes.push(shape::rectangle(ground, (right + 1.5, bottom), (255, 255, 255), 0.8));
        shapes.push(Shape::Text(text));
    }

    fn line(&self, points: &[(f64, f64)], stroke: Stroke, shapes: &mut Vec<Shape>) {
        let points: Vec<Point> = points.iter().map(|&p| self.at(p)).collect();
        if points.len() > 1 {
            shapes.extend(shape::dashed(&points, stroke.color, stroke.width, stroke.dash));
        }
        let Some(last) = points.len().checked_sub(1) else { return };
        // A single point has no line: its marker must show it.
        let marker = stroke.marker.or((last == 0).then_some(theme::Marker::Circle));
        if let Some(marker) = marker {
            let mut places: Vec<usize> = (0..=8).map(|i| i * last / 8).collect();
            places.dedup();
            for i in places {
                shapes.extend(shape::marker(marker, points[i], LINE_MARKER, stroke.color));
            }
        }
    }

    fn interval(&self, a: Point, b: Point, color: Color, shapes: &mut Vec<Shape>) {
        let cap = if a.0 == b.0 { (5.0, 0.0) } else { (0.0, 3.5) };
        shapes.push(shape::line(a, b, color, 1.8));
        for (x, y) in [a, b] {
            let (from, to) = ((x - cap.0, y - cap.1), (x + cap.0, y + cap.1));
            shapes.push(shape::line(from, to, color, 1.8));
        }
    }
}

/// Lines under the data at each numeric tick, and above the strip for what has no value.
fn grid(plot: &Plot, shapes: &mut Vec<Shape>) {
    if !plot.x.names {
        for tick in &plot.x.ticks {
            let x = plot.at_x(tick.at);
            shapes.push(shape::line((x, plot.top), (x, plot.bottom), theme::GRID, 0.8));
        }
    }
    if !plot.y.names {
        let strip = plot.y.strip.map(|strip| strip.at);
        for tick in plot.y.ticks.iter().filter(|t| Some(t.at) != strip) {
            let y = plot.at_y(tick.at);
            shapes.push(shape::line((plot.left, y), (plot.right, y), theme::GRID, 0.8));
        }
    }
    if let Some(strip) = plot.y.strip {
        let y = plot.at_y(strip.edge);
        shapes.push(shape::line((plot.left, y), (plot.right, y), theme::MUTED, 0.8));
    }
}

fn y_axis(plot: &Plot, frame: &Frame, shapes: &mut Vec<Shape>) {
    if !plot.y.bare {
        let bottom = (plot.left, plot.bottom);
        shapes.push(shape::line((plot.left, plot.top), bottom, theme::INK, 1.0));
    }
    let near = (&plot.y.ticks, plot.left - 7.0, Anchor::End, LONGEST_NAME);
    let far = (&plot.y.far, plot.right + 8.0, Anchor::Start, LONGEST_VALUE);
    for (ticks, x, anchor, room) in [near, far] {
        let mut free = f64::INFINITY;
        // From the bottom up; a label that would touch the one before is left out.
        let mut ticks: Vec<&Tick> = ticks.iter().collect();
        ticks.sort_by(|a, b| plot.at_y(b.at).total_cmp(&plot.at_y(a.at)));
        for tick in ticks {
            let y = plot.at_y(tick.at);
            if y + theme::TICK * 0.5 > free {
                continue;
            }
            free = y - theme::TICK * 0.6;
            if anchor == Anchor::End && !plot.y.bare {
                shapes.push(shape::line((plot.left - 4.0, y), (plot.left, y), theme::INK, 1.0));
            }
            // Panels that share the axis of a neighbour have its ticks without labels.
            if tick.label.is_empty() {
                continue;
            }
            let label = theme::elide(&tick.label, room, theme::TICK, false);
            let text = Text::new((x, y + theme::TICK * 0.36), label, theme::TICK);
            shapes.push(Shape::Text(Text { anchor, ..text }));
        }
    }
    if !plot.y.label.is_empty() {
        let at = (frame.left + theme::LABEL * 0.85, plot.top.midpoint(plot.bottom));
        let label = theme::elide(&plot.y.label, plot.bottom - plot.top, theme::LABEL, false);
        let text = Text::new(at, label, theme::LABEL);
        shapes.push(Shape::Text(Text { anchor: Anchor::Middle, upwards: true, ..text }));
    }
}

/// Draws the x axis; returns the lower edge of its label.
fn x_axis(plot: &Plot, frame: &Frame, shapes: &mut Vec<Shape>) -> f64 {
    let y = plot.bottom;
    if !plot.x.bare {
        shapes.push(shape::line((plot.left, y), (plot.right, y), theme::INK, 1.0));
    }
    let baseline = y + 6.0 + theme::TICK;
    let slot = (plot.right - plot.left) / plot.x.ticks.len().max(1) as f64 - 8.0;
    let room = if plot.x.names { slot.max(24.0) } else { LONGEST_NAME };
    let labels = plot.x.ticks.iter().map(|tick| {
        let label = theme::elide(&tick.label, room, theme::TICK, false);
        let text = Text::new((plot.at_x(tick.at), baseline), label, theme::TICK);
        centred_within(text, frame.left, frame.right + theme::MARGIN * 0.4)
    });
    let labels: Vec<Text> = labels.collect();
    for tick in plot.x.ticks.iter().filter(|_| !plot.x.bare) {
        let x = plot.at_x(tick.at);
        shapes.push(shape::line((x, y), (x, y + 4.0), theme::INK, 1.0));
    }
    // Every label, or every second one, or third …: the first choice in which none touch.
    let apart = |stride: &usize| {
        let shown: Vec<_> = labels.iter().step_by(*stride).map(Text::bounds).collect();
        shown.windows(2).all(|pair| pair[0].2 + 5.0 <= pair[1].0)
    };
    let stride = (1..labels.len()).find(apart).unwrap_or(labels.len().max(1));
    shapes.extend(labels.into_iter().step_by(stride).map(Shape::Text));
    if plot.x.label.is_empty() {
        return baseline + 4.0;
    }
    let label = theme::elide(&plot.x.label, frame.right - frame.left, theme::LABEL, false);
    let at = (plot.left.midpoint(plot.right), baseline + 6.0 + theme::LABEL);
    let text = centred_within(Text::new(at, label, theme::LABEL), frame.left, frame.right);
    shapes.push(Shape::Text(text));
    at.1 + 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_touch_or_leave_the_plot_are_left_out() {
        theme::load_fonts().unwrap();
        let label = |x: f64, text: &str| {
            let text = text.to_owned();
            let (shift, elsewhere) = ((0.0, 0.0), Vec::new());
            Mark::Label(Label { at: (x, 0.5), shift, text, room: 60.0, elsewhere })
        };
        let free = (0.0, 1.0);
        let axis = Axis::linear("", [0.0, 1.0], free);
        let panel = Panel {
            title: String::new(),
            subtitle: String::new(),
            x: axis.clone(),
            y: axis,
            marks: vec![
                label(0.1, "first"),
                label(0.12, "over it"),
                label(0.5, "apart"),
                label(1.0, "outside"),
            ],
            height: 100.0,
            weight: 1.0,
        };
        let frame = Frame { left: 10.0, right: 310.0, top: 10.0, plot: 10.0, height: 100.0 };
        let mut shapes = Vec::new();
        draw(&panel, &frame, &mut shapes);
        let words = shapes.iter().filter_map(|shape| match shape {
            Shape::Text(text) if text.text.starts_with(char::is_alphabetic) => Some(&*text.text),
            _ => None,
        });
        assert_eq!(words.collect::<Vec<_>>(), ["first", "apart"]);
    }
}
