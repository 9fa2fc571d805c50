//! What a user chooses of a figure's looks: formats, size, colours.

use clap::ValueEnum;

use super::theme::{Color, INK, TICK, WIDTH};

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Scalable, text stays text.
    Svg,
    /// Two pixels to each of the figure's.
    Png,
}

/// Colours of a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// Colours on white.
    #[default]
    Light,
    /// Light colours on near black, for dark pages and slides.
    Dark,
    /// Greys on white: what a black-and-white printer makes of the light theme, but on purpose.
    Print,
}

/// How figures are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// Files to write of each figure.
    pub formats: Vec<Format>,
    /// Size of the figure, 1 for 820 pixels across; text grows with it.
    pub zoom: f64,
    /// Its colours.
    pub theme: Theme,
}

impl Default for Style {
    fn default() -> Self {
        Self { formats: vec![Format::Svg, Format::Png], zoom: 1.0, theme: Theme::Light }
    }
}

/// Ground and ink of the dark theme.
const NIGHT: Color = (22, 24, 29);
const CHALK: Color = (232, 232, 232);

impl Style {
    /// The zoom that makes figures so many pixels wide.
    pub fn zoom_to_width(width: f64) -> f64 {
        width / WIDTH
    }

    /// The zoom that gives tick labels so many pixels.
    pub fn zoom_to_font(size: f64) -> f64 {
        size / TICK
    }
}

impl Theme {
    /// What becomes of a colour of the light theme.
    pub(super) fn color(self, color: Color) -> Color {
        match self {
            Self::Light => color,
            Self::Print => {
                let luminance = luminance(color);
                (luminance, luminance, luminance)
            }
            Self::Dark => night(color),
        }
    }
}

/// Luma of Rec. 601.
fn luminance((red, green, blue): Color) -> u8 {
    (0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue)).round() as u8
}

/// White becomes the ground, ink becomes chalk; tints, which lie behind, get nearly as dark as the ground,
/// and colours of lines light, each in its hue.
fn night(color: Color) -> Color {
    let channels = [color.0, color.1, color.2].map(|channel| f64::from(channel) / 255.0);
    let most = channels.iter().copied().fold(0.0, f64::max);
    let least = channels.iter().copied().fold(1.0, f64::min);
    let (lightness, chroma) = (f64::midpoint(most, least), most - least);
    let line = |from: f64, to: f64, share: f64| from + (to - from) * share.clamp(0.0, 1.0);
    let target = match lightness {
        l if l > 0.7 => line(0.5, 0.1, (l - 0.7) / 0.3),
        l => line(0.75, 0.6, l / 0.7),
    };
    let ink = f64::from(INK.0) / 255.0;
    let value = |place: usize, ground: u8, chalk: u8| {
        let (ground, chalk) = (f64::from(ground) / 255.0, f64::from(chalk) / 255.0);
        let value = match chroma < 0.04 {
            true => line(chalk, ground, (lightness - ink) / (1.0 - ink)),
            // The hue and saturation at another lightness (HSL).
            false => {
                let saturation = chroma / (1.0 - (2.0 * lightness - 1.0).abs());
                let other = saturation.min(1.0) * (1.0 - (2.0 * target - 1.0).abs());
                target + ((channels[place] - least) / chroma - 0.5) * other
            }
        };
        (255.0 * value).round().clamp(0.0, 255.0) as u8
    };
    (value(0, NIGHT.0, CHALK.0), value(1, NIGHT.1, CHALK.1), value(2, NIGHT.2, CHALK.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_turns_white_into_the_ground_and_ink_into_chalk() {
        assert_eq!(Theme::Dark.color((255, 255, 255)), NIGHT);
        assert_eq!(Theme::Dark.color(INK), CHALK);
        let contrast =
            |color: Color| luminance(Theme::Dark.color(color)).abs_diff(luminance(NIGHT));
        // Every colour of a line stays clear of the ground.
        for color in [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (0, 0, 0)] {
            assert!(contrast(color) > 70, "{color:?} {:?}", Theme::Dark.color(color));
        }
        assert_eq!(Theme::Light.color((1, 2, 3)), (1, 2, 3));
        assert_eq!(Theme::Print.color((255, 0, 0)), (76, 76, 76));
    }

    #[test]
    fn zooms_are_of_the_usual_size() {
        assert_eq!(Style::zoom_to_width(WIDTH), 1.0);
        assert_eq!(Style::zoom_to_font(2.0 * TICK), 2.0);
    }
}
