//! Paints a page as SVG and as PNG with Plotters' backends.

use std::path::Path;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Polygon, Text as TextElement};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontTransform, RGBColor, ShapeStyle, TextStyle};

use super::layout::Page;
use super::shape::{Anchor, Point, Shape, Text};
use super::style::{Format, Style};
use super::theme::{self, Color};

/// Backends count in whole units: at four to the pixel, lines stay smooth.
const UNITS: f64 = 4.0;
/// Units averaged into one pixel of a PNG, each way: two pixels to a layout pixel, and edges
/// smoothed, which Plotters does only for text.
const AVERAGED: usize = 2;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The page as an SVG document, titled and described for screen readers.
pub(super) fn svg(
    page: &Page,
    style: &Style,
    title: &str,
    description: &str,
) -> Result<String, AnyError> {
    let mut text = String::new();
    // A zoom is the viewer's to apply: the drawing inside stays the same.
    let size = Brush { units: UNITS, style, format: Format::Svg }.size(page);
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        Brush { units: UNITS, style, format: Format::Svg }.paint(page, &area)?;
        area.present()?;
    }
    // Plotters' header shows units as pixels; ours scales them and names the contents.
    let body = text.split_once('\n').map_or("", |(_, body)| body);
    let [width, height] = [page.width, page.height].map(|side| (side * style.zoom).round());
    let (title, description) = (escape(title), escape(description));
    Ok(format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" role=\"img\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n<title>{title}</title>\n<desc>{description}</desc>\n\
         {body}",
        size.0, size.1
    ))
}

/// Writes the page as a PNG image to `path`, whose name must end in `.png`.
pub(super) fn png(page: &Page, style: &Style, path: &Path) -> Result<(), AnyError> {
    let brush = Brush { units: UNITS * style.zoom, style, format: Format::Png };
    let (width, height) = brush.size(page);
    let mut fine = vec![0; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut fine, (width, height)).into_drawing_area();
        brush.paint(page, &area)?;
        area.present()?;
    }
    let small = (width / AVERAGED as u32, height / AVERAGED as u32);
    let pixels = average(&fine, width as usize);
    let mut image = BitMapBackend::new(path, small);
    image.blit_bitmap((0, 0), small, &pixels)?;
    image.present()?;
    Ok(())
}

/// Means over squares of units.
fn average(fine: &[u8], width: usize) -> Vec<u8> {
    let row = width * 3;
    let mut pixels = Vec::with_capacity(fine.len() / (AVERAGED * AVERAGED));
    for rows in fine.chunks_exact(row * AVERAGED) {
        for x in 0..width / AVERAGED {
            for channel in 0..3 {
                let units = (0..AVERAGED * AVERAGED).map(|i| {
                    let at = (i / AVERAGED) * row + (x * AVERAGED + i % AVERAGED) * 3 + channel;
                    usize::from(rows[at])
                });
                pixels.push((units.sum::<usize>() / (AVERAGED * AVERAGED)) as u8);
            }
        }
    }
    pixels
}

/// Paints shapes in units of a size, in a style.
#[derive(Clone, Copy)]
struct Brush<'a> {
    /// Units to a pixel of the layout.
    units: f64,
    style: &'a Style,
    format: Format,
}

impl Brush<'_> {
    /// Size of the page in units, an even number of pixels.
    fn size(self, page: &Page) -> (u32, u32) {
        let whole = |side: f64| {
            let pixels = (side * self.units / AVERAGED as f64).round() as u32;
            pixels.max(1) * AVERAGED as u32
        };
        (whole(page.width), whole(page.height))
    }

    fn paint<B: DrawingBackend>(
        self,
        page: &Page,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&self.rgb((255, 255, 255)))?;
        for shape in &page.shapes {
            match shape {
                Shape::Fill { points, color, opacity } => {
                    let color = self.rgb(*color).mix(*opacity);
                    area.draw(&Polygon::new(self.all(points), color))?;
                }
                Shape::Line { points, color, width } if self.format == Format::Svg => {
                    let stroke_width = (width * self.units).round() as u32;
                    let color = self.rgb(*color).to_rgba();
                    let style = ShapeStyle { color, filled: false, stroke_width };
                    area.draw(&PathElement::new(self.all(points), style))?;
                }
                Shape::Line { points, color, width } => {
                    for piece in strokes(points, *width) {
                        area.draw(&Polygon::new(self.all(&piece), self.rgb(*color)))?;
                    }
                }
                Shape::Text(text) => area.draw(&self.text(text))?,
            }
        }
        Ok(())
    }

    fn text(self, text: &Text) -> TextElement<'static, (i32, i32), String> {
        // Plotters centres text on its point by another rule in each format; these are the distances
        // from that point down to the baseline, in em: half an x-height (0.5ex) in SVG, and half of
        // (1.24 − 1) in bitmaps.
        let drop = text.size * if self.format == Format::Svg { 0.2735 } else { 0.12 };
        let (x, y) = text.at;
        let at = if text.upwards { (x - drop, y) } else { (x, y - drop) };
        let across = match text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let turn = if text.upwards { FontTransform::Rotate270 } else { FontTransform::None };
        let style: TextStyle = theme::font(text.size * self.units, text.bold).into();
        let mut style = style.pos(Pos::new(across, VPos::Center)).transform(turn);
        style.color = self.rgb(text.color).to_backend_color();
        TextElement::new(text.text.clone(), self.unit(at), style)
    }

    fn unit(self, (x, y): Point) -> (i32, i32) {
        ((x * self.units).round() as i32, (y * self.units).round() as i32)
    }

    fn all(self, points: &[Point]) -> Vec<(i32, i32)> {
        points.iter().map(|point| self.unit(*point)).collect()
    }

    fn rgb(self, color: Color) -> RGBColor {
        let (red, green, blue) = self.style.theme.color(color);
        RGBColor(red, green, blue)
    }
}

/// A bitmap line as filled pieces, a quadrilateral for each segment and a disc at each joint:
/// Plotters' own thick lines grow spikes at sharp turns.
fn strokes(points: &[Point], width: f64) -> Vec<Vec<Point>> {
    let half = width / 2.0;
    let segments = points.windows(2).filter_map(|pair| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let (dx, dy) = ((x1 - x0) / length * half, (y1 - y0) / length * half);
        let corners =
            vec![(x0 - dy, y0 + dx), (x1 - dy, y1 + dx), (x1 + dy, y1 - dx), (x0 + dy, y0 - dx)];
        (length > 0.0).then_some(corners)
    });
    let joints = points.iter().skip(1).rev().skip(1).map(|&(x, y)| {
        let angle = |i: i32| f64::from(i) / 12.0 * std::f64::consts::TAU;
        (0..12).map(|i| (x + half * angle(i).cos(), y + half * angle(i).sin())).collect()
    });
    segments.chain(joints).collect()
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
