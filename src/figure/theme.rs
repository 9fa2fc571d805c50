//! How every figure looks: fonts, sizes, colours, line styles and markers.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use super::FigureError;
use super::tables::Status;

/// Registered under the whole list, so that an SVG names its fallbacks: Verdana has the same
/// widths, and any sans-serif face comes close.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Width of every figure in pixels; at 7 inches across a page, 12 px are 7.4 pt.
pub(super) const WIDTH: f64 = 820.0;
/// Free space around and between the parts of a figure.
pub(super) const MARGIN: f64 = 16.0;
/// Text sizes in pixels per em.
pub(super) const TITLE: f64 = 15.5;
/// Panel titles.
pub(super) const HEADING: f64 = 13.0;
/// Axis labels, legend.
pub(super) const LABEL: f64 = 12.5;
/// Tick labels and panel subtitles.
pub(super) const TICK: f64 = 11.5;
/// Caption.
pub(super) const CAPTION: f64 = 11.0;

/// Red, green, blue.
pub(super) type Color = (u8, u8, u8);

/// Text and axes.
pub(super) const INK: Color = (34, 34, 34);
/// Captions, secondary lines.
pub(super) const MUTED: Color = (90, 90, 90);
/// What stands behind what counts.
pub(super) const FAINT: Color = (150, 150, 150);
/// Grid lines.
pub(super) const GRID: Color = (228, 228, 228);

/// Okabe and Ito, "Color universal design" (2008), without yellow, which vanishes on white.
const PALETTE: [Color; 7] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
    (0, 0, 0),
];

/// Viridis, sampled evenly, without its palest fifth: an order that survives grey print.
const RAMP: [Color; 5] =
    [(68, 1, 84), (64, 67, 135), (41, 120, 142), (34, 167, 132), (121, 209, 81)];

/// Pattern of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dash {
    Solid,
    Dashed,
    Dotted,
    Alternating,
}

impl Dash {
    /// Lengths of ink and gap in turn, in pixels.
    pub fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[6.0, 3.5],
            Self::Dotted => &[1.8, 2.6],
            Self::Alternating => &[7.0, 2.6, 1.8, 2.6],
        }
    }
}

/// Shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    /// A triangle on its tip.
    Down,
    Pentagon,
    /// An open circle.
    Ring,
    /// A diagonal cross.
    Cross,
    /// A circle of little ink and few bytes, for thousands of points.
    Dot,
    /// The same for a diamond.
    Speck,
}

const MARKERS: [Marker; 6] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Down,
    Marker::Pentagon,
];
const DASHES: [Dash; 4] = [Dash::Solid, Dash::Dashed, Dash::Alternating, Dash::Dotted];

/// The look of one series: colour alone never carries a distinction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub color: Color,
    pub marker: Marker,
    pub dash: Dash,
}

/// Look of arm `index`; the dash is left to tell splits apart.
pub(super) fn arm(index: usize) -> Look {
    let color = PALETTE[index % PALETTE.len()];
    Look { color, marker: MARKERS[index % MARKERS.len()], dash: Dash::Solid }
}

/// Look of layer `index` of `count`: distinct hues for a few, a ramp from input to output for many.
pub(super) fn layer(index: usize, count: usize) -> Look {
    let color = if count <= PALETTE.len() {
        PALETTE[index % PALETTE.len()]
    } else {
        let at = index as f64 / (count - 1) as f64 * (RAMP.len() - 1) as f64;
        let from = RAMP[at.floor() as usize];
        let to = RAMP[at.ceil() as usize];
        mix(to, from, at.fract())
    };
    Look { color, marker: MARKERS[index % MARKERS.len()], dash: DASHES[index % DASHES.len()] }
}

/// Look of a trial of a search by how it ended: the pruned majority recedes.
pub(super) fn status(status: Status) -> Look {
    let (color, marker) = match status {
        Status::Complete => (PALETTE[0], Marker::Circle),
        Status::Pruned | Status::Running => (FAINT, Marker::Diamond),
        Status::Diverged => (PALETTE[1], Marker::Cross),
        Status::Failed => (PALETTE[3], Marker::Triangle),
    };
    Look { color, marker, dash: Dash::Solid }
}

/// Colour of a class of ranks, 0 being good: dark to pale in grey print too.
pub(super) fn rank(class: usize) -> Color {
    [RAMP[0], mix(RAMP[2], (255, 255, 255), 0.8), (200, 200, 200)][class.min(2)]
}

/// `share` of `color` over `ground`.
pub(super) fn mix(color: Color, ground: Color, share: f64) -> Color {
    let channel = |c: u8, g: u8| {
        (f64::from(g) + (f64::from(c) - f64::from(g)) * share).round().clamp(0.0, 255.0) as u8
    };
    (channel(color.0, ground.0), channel(color.1, ground.1), channel(color.2, ground.2))
}

/// A paler `color`, opaque: overlapping strokes do not darken.
pub(super) fn pale(color: Color) -> Color {
    mix(color, (255, 255, 255), 0.45)
}

/// Hands the embedded fonts to Plotters, once in a process.
pub(super) fn load_fonts() -> Result<(), FigureError> {
    static LOADED: OnceLock<Result<(), &'static str>> = OnceLock::new();
    let fonts: [(&str, FontStyle, &'static [u8]); 2] = [
        ("DejaVuSans.ttf", FontStyle::Normal, include_bytes!("font/DejaVuSans.ttf")),
        ("DejaVuSans-Bold.ttf", FontStyle::Bold, include_bytes!("font/DejaVuSans-Bold.ttf")),
    ];
    let loaded = LOADED.get_or_init(|| {
        fonts.into_iter().try_for_each(|(name, style, bytes)| {
            register_font(FAMILY, style, bytes).map_err(|_| name)
        })
    });
    loaded.map_err(FigureError::Font)
}

/// The font of Plotters for text of `size` pixels per em.
pub(super) fn font(size: f64, bold: bool) -> FontDesc<'static> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    // Plotters counts 1.24 em as the size of a font (see font/README.md).
    FontDesc::new(FontFamily::Name(FAMILY), size * 1.24, style)
}

/// Width of `text` in pixels.
pub(super) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    // Widths come back as whole pixels: measure large, then shrink.
    const ZOOM: f64 = 16.0;
    match font(size * ZOOM, bold).box_size(text) {
        Ok((width, _)) => f64::from(width) / ZOOM,
        // Only without fonts, which `load_fonts` reports first; a wide guess keeps a layout sane.
        Err(_) => text.chars().count() as f64 * size * 0.7,
    }
}

/// `text` on one line of at most `width` pixels: the middle gives way to `…`, since the ends of
/// layer names (`stage3.block2.conv1`) tell them apart.
pub(super) fn elide(text: &str, width: f64, size: f64, bold: bool) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text_width(&clean, size, bold) <= width {
        return clean;
    }
    let chars: Vec<char> = clean.chars().collect();
    let shortened = |kept: usize| {
        let head = &chars[..kept.div_ceil(2)];
        let tail = &chars[chars.len() - kept / 2..];
        head.iter().chain(['…'].iter()).chain(tail).collect::<String>()
    };
    // Longest text that fits, by bisection: descriptions may be long.
    let (mut fits, mut too_long) = (0, chars.len());
    while too_long - fits > 1 {
        let kept = fits.midpoint(too_long);
        if text_width(&shortened(kept), size, bold) <= width {
            fits = kept;
        } else {
            too_long = kept;
        }
    }
    shortened(fits)
}

/// `text` in lines of at most `width` pixels, broken between words.
pub(super) fn wrap(text: &str, width: f64, size: f64, bold: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = elide(word, width, size, bold);
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match longer.filter(|line| text_width(line, size, bold) <= width) {
            Some(line) => *lines.last_mut().expect("a line to lengthen") = line,
            None => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fits_where_it_is_told_to() {
        load_fonts().unwrap();
        assert!(text_width("iiii", TICK, false) < text_width("WWWW", TICK, false));
        let name = "features.stage3.block2.conv1.weight";
        let short = elide(name, 90.0, TICK, false);
        assert!(text_width(&short, TICK, false) <= 90.0);
        assert!(short.starts_with("fea") && short.ends_with("ght") && short.contains('…'));
        assert_eq!(elide("fc1", 90.0, TICK, false), "fc1");
        assert_eq!(elide("a\u{7}b", 90.0, TICK, false), "a b");
        let lines = wrap(&"word ".repeat(60), 200.0, CAPTION, false);
        assert!(lines.len() > 5 && lines.iter().all(|l| text_width(l, CAPTION, false) <= 200.0));
    }

    #[test]
    fn series_differ_in_more_than_colour() {
        for count in [1, 5, 7, 8, 20] {
            let looks: Vec<Look> = (0..count).map(|i| layer(i, count)).collect();
            for (i, a) in looks.iter().enumerate() {
                assert!(looks[i + 1..].iter().all(|b| a.color != b.color));
            }
            assert!(looks.windows(2).all(|w| w[0].dash != w[1].dash && w[0].marker != w[1].marker));
        }
        assert_ne!(arm(0).marker, arm(1).marker);
    }
}
