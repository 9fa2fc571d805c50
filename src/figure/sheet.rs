//! What a figure says, before any pixel: panels with axes and marks, a legend, a caption.

use super::axis::Axis;
use super::theme::{Color, Dash, Marker};

/// A figure on its page.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// What is seen, in one sentence.
    pub(super) title: String,
    /// The legend, in a row between title and panels, so that it never covers data.
    pub(super) legend: Vec<Key>,
    /// Panels, in rows.
    pub(super) panels: Vec<Panel>,
    /// How the panels are set in rows.
    pub(super) rows: Rows,
    /// n, measure, interval, data set, net and device.
    pub(super) caption: String,
}

/// How panels are set in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Two beside each other; an odd last one has the whole width.
    Pairs,
    /// So many beside each other, each as wide as the one above it.
    Grid(usize),
}

/// An entry of the legend.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub label: String,
    pub sample: Sample,
}

/// What the legend shows beside a label.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sample {
    Stroke(Stroke),
    Marker(Marker, Color, f64),
    Band(Color),
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub color: Color,
    /// In pixels.
    pub width: f64,
    pub dash: Dash,
    /// A few markers along the line, for readers who cannot tell its colour.
    pub marker: Option<Marker>,
}

/// One pair of axes with its marks, drawn in order.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub title: String,
    /// A plain second line under the title.
    pub subtitle: String,
    pub x: Axis,
    pub y: Axis,
    pub marks: Vec<Mark>,
    /// Height between the axes, in pixels.
    pub height: f64,
    /// Share of the page's width among its neighbours.
    pub weight: f64,
}

/// Ink in a panel; positions are values of its axes.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    Line {
        points: Vec<(f64, f64)>,
        stroke: Stroke,
    },
    /// The area between the two y values at each x.
    Band {
        points: Vec<(f64, f64, f64)>,
        color: Color,
    },
    /// A cell of a heat map between two corners, opaque.
    Cell {
        from: (f64, f64),
        to: (f64, f64),
        color: Color,
    },
    Points {
        points: Vec<(f64, f64)>,
        marker: Marker,
        color: Color,
        radius: f64,
    },
    /// A horizontal bar at height `y`.
    Bar {
        y: f64,
        from: f64,
        to: f64,
        color: Color,
    },
    /// An error bar with caps, from `a` to `b`, which share one coordinate.
    Interval {
        a: (f64, f64),
        b: (f64, f64),
        color: Color,
    },
    /// A line across the panel at this x.
    Vertical {
        x: f64,
        stroke: Stroke,
    },
    /// A line across the panel at this y.
    Horizontal {
        y: f64,
        stroke: Stroke,
    },
    Label(Label),
}

/// Words within a plot; left out where they would touch earlier ones or leave the plot.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub at: (f64, f64),
    /// From there to the start of the text and the middle of its height, in pixels.
    pub shift: (f64, f64),
    pub text: String,
    /// Greatest width in pixels; longer text is shortened.
    pub room: f64,
    /// Other shifts, tried in turn where the first is taken.
    pub elsewhere: Vec<(f64, f64)>,
}

impl Stroke {
    /// A solid line without markers.
    pub fn solid(color: Color, width: f64) -> Self {
        Self { color, width, dash: Dash::Solid, marker: None }
    }
}

impl Key {
    /// A legend entry for a line.
    pub fn stroke(label: impl Into<String>, stroke: Stroke) -> Self {
        Self { label: label.into(), sample: Sample::Stroke(stroke) }
    }

    /// A legend entry for points.
    pub fn marker(label: impl Into<String>, marker: Marker, color: Color) -> Self {
        Self::sized(label, marker, color, 4.5)
    }

    /// A legend entry for points of this radius.
    pub fn sized(label: impl Into<String>, marker: Marker, color: Color, radius: f64) -> Self {
        Self { label: label.into(), sample: Sample::Marker(marker, color, radius) }
    }

    /// A legend entry for an area.
    pub fn band(label: impl Into<String>, color: Color) -> Self {
        Self { label: label.into(), sample: Sample::Band(color) }
    }
}
