//! Places the parts of a sheet on a page: title, legend, panels, caption, from top to bottom.

use super::panel::{self, Frame};
use super::shape::{self, Anchor, Shape, Text};
use super::sheet::{Key, Panel, Rows, Sample, Sheet};
use super::theme::{self, MARGIN, WIDTH};

/// A page ready for painting.
pub(super) struct Page {
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Shape>,
}

/// Space between one line of text and the next, in units of its size.
const LEADING: f64 = 1.35;
/// Length of a legend's sample.
const SAMPLE: f64 = 26.0;
/// Longest label of a legend.
const LONGEST_KEY: f64 = 250.0;
/// Lays `sheet` out on a page as high as it needs.
pub(super) fn layout(sheet: &Sheet) -> Page {
    let mut shapes = Vec::new();
    let mut y = MARGIN;
    let across = WIDTH - 2.0 * MARGIN;
    for line in theme::wrap(&sheet.title, across, theme::TITLE, true) {
        let text = Text::new((MARGIN, y + theme::TITLE * 0.8), line, theme::TITLE);
        shapes.push(Shape::Text(Text { bold: true, ..text }));
        y += theme::TITLE * LEADING;
    }
    y += 6.0;
    y = legend(&sheet.legend, y, &mut shapes);
    let columns = match sheet.rows {
        Rows::Pairs => 2,
        Rows::Grid(columns) => columns.max(1),
    };
    for row in sheet.panels.chunks(columns) {
        // A row that is not full keeps the widths of the first, or has the page for itself.
        let model = if sheet.rows == Rows::Pairs { row } else { &sheet.panels };
        let model = &model[..columns.min(model.len())];
        y = panels(row, model, y, &mut shapes) + MARGIN;
    }
    for line in theme::wrap(&sheet.caption, across, theme::CAPTION, false) {
        let text = Text::new((MARGIN, y + theme::CAPTION * 0.8), line, theme::CAPTION);
        shapes.push(Shape::Text(Text { color: theme::MUTED, ..text }));
        y += theme::CAPTION * LEADING;
    }
    Page { width: WIDTH, height: (y + MARGIN - 4.0).ceil(), shapes }
}

/// A row of panels under `top`, as wide as those of `model`; returns where it ends.
fn panels(row: &[Panel], model: &[Panel], top: f64, shapes: &mut Vec<Shape>) -> f64 {
    // One head height for the row, so that its plots start level.
    let head = row.iter().map(panel::head).fold(0.0, f64::max);
    let height = row.iter().map(|p| p.height).fold(0.0, f64::max);
    let weights: f64 = model.iter().map(|p| p.weight).sum();
    let across = WIDTH - MARGIN * (model.len() + 1) as f64;
    let mut left = MARGIN;
    let mut bottom = top;
    for panel in row {
        let width = across * panel.weight / weights;
        let frame = Frame { left, right: left + width, top, plot: top + head, height };
        bottom = f64::max(bottom, panel::draw(panel, &frame, shapes));
        left += width + MARGIN;
    }
    bottom
}

/// Legend entries from left to right, in as many lines as they need.
fn legend(keys: &[Key], top: f64, shapes: &mut Vec<Shape>) -> f64 {
    if keys.is_empty() {
        return top;
    }
    let gap = 18.0;
    let line_height = theme::LABEL * 1.5;
    let label = |key: &Key| theme::elide(&key.label, LONGEST_KEY, theme::LABEL, false);
    let labels: Vec<String> = keys.iter().map(label).collect();
    let width = |label: &String| SAMPLE + 6.0 + theme::text_width(label, theme::LABEL, false) + gap;
    let widths: Vec<f64> = labels.iter().map(width).collect();
    // What needs several lines is set in columns.
    let across = WIDTH - 2.0 * MARGIN + gap;
    let column =
        (widths.iter().sum::<f64>() > across).then(|| widths.iter().copied().fold(0.0, f64::max));
    let (mut x, mut middle) = (MARGIN, top + line_height / 2.0);
    for ((key, label), width) in keys.iter().zip(labels).zip(widths) {
        let width = column.unwrap_or(width);
        if x > MARGIN && x + width > MARGIN + across {
            (x, middle) = (MARGIN, middle + line_height);
        }
        sample(key.sample, x, middle, shapes);
        let at = (x + SAMPLE + 6.0, middle + theme::LABEL * 0.36);
        shapes.push(Shape::Text(Text::new(at, label, theme::LABEL)));
        x += width;
    }
    middle + line_height / 2.0 + 8.0
}

fn sample(sample: Sample, x: f64, y: f64, shapes: &mut Vec<Shape>) {
    let middle = (x + SAMPLE / 2.0, y);
    match sample {
        Sample::Stroke(stroke) => {
            let ends = [(x, y), (x + SAMPLE, y)];
            shapes.extend(shape::dashed(&ends, stroke.color, stroke.width, stroke.dash));
            if let Some(marker) = stroke.marker {
                shapes.extend(shape::marker(marker, middle, panel::LINE_MARKER, stroke.color));
            }
        }
        Sample::Marker(marker, color, radius) => {
            shapes.extend(shape::marker(marker, middle, radius, color));
        }
        Sample::Band(color) => {
            let (a, b) = ((x, y - 5.0), (x + SAMPLE, y + 5.0));
            shapes.push(shape::rectangle(a, b, color, shape::BAND_OPACITY * 1.6));
        }
    }
}

/// Text that is centred on a point but stays between two edges.
pub(super) fn centred_within(text: Text, left: f64, right: f64) -> Text {
    let half = theme::text_width(&text.text, text.size, text.bold) / 2.0;
    let x = text.at.0.min(right - half).max(left + half);
    Text { at: (x, text.at.1), anchor: Anchor::Middle, ..text }
}
