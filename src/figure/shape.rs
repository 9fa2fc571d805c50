//! The flat list of ink that both file formats are painted from.

use super::theme::{self, Color, Dash, Marker};

/// A point in pixels, y downwards.
pub(super) type Point = (f64, f64);

/// Opacity of bands: several overlap and stay readable.
pub(super) const BAND_OPACITY: f64 = 0.18;

/// Where text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// One piece of ink.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Line { points: Vec<Point>, color: Color, width: f64 },
    Fill { points: Vec<Point>, color: Color, opacity: f64 },
    Text(Text),
}

/// A line of text; `at` is on its baseline.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub at: Point,
    pub text: String,
    pub size: f64,
    pub bold: bool,
    pub color: Color,
    pub anchor: Anchor,
    /// Reads upwards.
    pub upwards: bool,
}

impl Text {
    /// The text itself, at the start of its line and in ink.
    pub fn new(at: Point, text: impl Into<String>, size: f64) -> Self {
        let (text, bold, color) = (text.into(), false, theme::INK);
        Self { at, text, size, bold, color, anchor: Anchor::Start, upwards: false }
    }

    /// Left, top, right and bottom.
    pub fn bounds(&self) -> (f64, f64, f64, f64) {
        let width = theme::text_width(&self.text, self.size, self.bold);
        let before = match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let (x, y) = self.at;
        let (rise, fall) = (self.size * 0.76, self.size * 0.24);
        if self.upwards {
            (x - rise, y + before - width, x + fall, y + before)
        } else {
            (x - before, y - rise, x - before + width, y + fall)
        }
    }
}

/// The straight line between two points.
pub(super) fn line(a: Point, b: Point, color: Color, width: f64) -> Shape {
    Shape::Line { points: vec![a, b], color, width }
}

/// An upright rectangle.
pub(super) fn rectangle(a: Point, b: Point, color: Color, opacity: f64) -> Shape {
    Shape::Fill { points: vec![a, (b.0, a.1), b, (a.0, b.1)], color, opacity }
}

/// A polyline in pieces, by its dash pattern.
pub(super) fn dashed(points: &[Point], color: Color, width: f64, dash: Dash) -> Vec<Shape> {
    let pattern = dash.pattern();
    if pattern.is_empty() {
        return vec![Shape::Line { points: points.to_vec(), color, width }];
    }
    let mut shapes = Vec::new();
    let mut piece: Vec<Point> = points.first().copied().into_iter().collect();
    let (mut index, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length <= left {
                left -= length;
                piece.push(to);
                break;
            }
            let share = left / length;
            from = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            piece.push(from);
            // Even entries of the pattern are ink.
            if index % 2 == 0 {
                shapes.push(Shape::Line { points: std::mem::take(&mut piece), color, width });
            }
            piece = vec![from];
            index = (index + 1) % pattern.len();
            left = pattern[index];
        }
    }
    if index % 2 == 0 && piece.len() > 1 {
        shapes.push(Shape::Line { points: piece, color, width });
    }
    shapes
}

/// A marker of about the same visual weight whatever its shape; filled ones get a thin white rim,
/// which keeps neighbours apart.
pub(super) fn marker(marker: Marker, (x, y): Point, radius: f64, color: Color) -> Vec<Shape> {
    let corners = |count: usize, radius: f64, turn: f64| -> Vec<Point> {
        let angle = |i: usize| (i as f64 / count as f64 + turn) * std::f64::consts::TAU;
        (0..count).map(|i| (x + radius * angle(i).cos(), y + radius * angle(i).sin())).collect()
    };
    let filled = |count, stretch: f64, turn| {
        let rim = corners(count, radius * stretch + 0.8 * stretch, turn);
        vec![
            Shape::Fill { points: rim, color: (255, 255, 255), opacity: 1.0 },
            Shape::Fill { points: corners(count, radius * stretch, turn), color, opacity: 1.0 },
        ]
    };
    match marker {
        Marker::Circle => filled(32, 1.0, 0.0),
        Marker::Square => filled(4, 1.25, 0.125),
        Marker::Triangle => filled(3, 1.4, -0.25),
        Marker::Diamond => filled(4, 1.3, 0.0),
        Marker::Down => filled(3, 1.4, 0.25),
        Marker::Pentagon => filled(5, 1.2, -0.25),
        Marker::Dot | Marker::Speck => {
            let count = if marker == Marker::Dot { 8 } else { 4 };
            vec![Shape::Fill { points: corners(count, radius, 0.0), color, opacity: 1.0 }]
        }
        Marker::Ring => {
            let mut points = corners(40, radius, 0.0);
            points.push(points[0]);
            vec![Shape::Line { points, color, width: 1.6 }]
        }
        Marker::Cross => {
            let r = radius * 0.8;
            let stroke = |sign: f64| line((x - r, y - r * sign), (x + r, y + r * sign), color, 1.5);
            vec![stroke(1.0), stroke(-1.0)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_cover_the_inked_share_of_a_line() {
        let points: Vec<Point> = (0..=100).map(|i| (f64::from(i), 0.0)).collect();
        let shapes = dashed(&points, theme::INK, 1.0, Dash::Dashed);
        let inked: f64 = shapes
            .iter()
            .map(|shape| match shape {
                Shape::Line { points, .. } => points[points.len() - 1].0 - points[0].0,
                _ => panic!("only lines"),
            })
            .sum();
        assert!((inked / 100.0 - 6.0 / 9.5).abs() < 0.05, "{inked}");
        assert!(dashed(&[], theme::INK, 1.0, Dash::Dotted).is_empty());
    }
}
