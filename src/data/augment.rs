//! Augmentation of training images: random crops of the padded image, and mirror images.

use super::pixels::scale;
use super::{CHANNELS, IMAGE, PLANE, SIDE};
use rand::Rng;

/// Pixels added on each side before a crop: PyTorch's usual `RandomCrop(32, padding=4)`.
const PADDING: usize = 4;
/// Places that a crop can have along one axis.
const PLACES: usize = 2 * PADDING + 1;

/// What is done to a training image each time that it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Augmentation {
    /// Nothing.
    #[default]
    None,
    /// Four black pixels on each side, a random 32×32 crop, mirrored with probability ½: torchvision's
    /// `RandomCrop(32, padding=4)` and `RandomHorizontalFlip()`, both before normalising.
    PadCropFlip,
}

impl Augmentation {
    /// The names that [`from_str`](std::str::FromStr::from_str) knows.
    pub const NAMES: [&'static str; 2] = ["none", "pad-crop-flip"];

    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl std::fmt::Display for Augmentation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl std::str::FromStr for Augmentation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "pad-crop-flip" => Ok(Self::PadCropFlip),
            _ => Err(format!("unknown augmentation `{text}`; known: {}", Self::NAMES.join(", "))),
        }
    }
}

/// One random view of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    /// First row and column of the crop in the padded image, 0 to 8; 4 is the middle.
    top: usize,
    left: usize,
    mirrored: bool,
}

impl View {
    /// Draws a view. Always one `u32`, so that the n-th image of an epoch has the n-th draw.
    fn draw(generator: &mut impl Rng) -> Self {
        let bits = generator.next_u32();
        // 31 bits onto 81 places: no place is favoured by more than 4e-8.
        let place = ((u64::from(bits >> 1) * (PLACES * PLACES) as u64) >> 31) as usize;
        Self { top: place / PLACES, left: place % PLACES, mirrored: bits & 1 == 1 }
    }

    /// Writes the view of `image`, scaled, to `out`; both have 3,072 values.
    fn write(self, image: &[u8], out: &mut [f32]) {
        let Self { top, left, mirrored } = self;
        // In coordinates of the image the crop starts at `top - 4`, `left - 4`.
        let columns = left.max(PADDING) - PADDING..(left + SIDE - PADDING).min(SIDE);
        // The column of the output where `columns` begins.
        let start = columns.start + PADDING - left;
        out.fill(scale(0));
        for channel in 0..CHANNELS {
            for row in top.max(PADDING) - PADDING..(top + SIDE - PADDING).min(SIDE) {
                let source = &image[channel * PLANE + row * SIDE..][..SIDE][columns.clone()];
                let target = &mut out[channel * PLANE + (row + PADDING - top) * SIDE..][..SIDE];
                if mirrored {
                    let target = &mut target[SIDE - start - source.len()..SIDE - start];
                    for (to, &from) in target.iter_mut().rev().zip(source) {
                        *to = scale(from);
                    }
                } else {
                    let target = &mut target[start..start + source.len()];
                    for (to, &from) in target.iter_mut().zip(source) {
                        *to = scale(from);
                    }
                }
            }
        }
    }
}

/// Writes a random view of `image` (3,072 bytes), scaled to [−1, 1], to `out` (3,072 values).
pub(super) fn pad_crop_flip(image: &[u8], out: &mut [f32], generator: &mut impl Rng) {
    debug_assert_eq!((image.len(), out.len()), (IMAGE, IMAGE));
    View::draw(generator).write(image, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    /// The plain reference: pad, crop, mirror, scale, one value at a time.
    fn reference(image: &[u8], view: View) -> Vec<f32> {
        let mut out = vec![0.0; IMAGE];
        for channel in 0..CHANNELS {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let from_x = if view.mirrored { SIDE - 1 - x } else { x } + view.left;
                    let from_y = y + view.top;
                    let inside = PADDING..PADDING + SIDE;
                    let value = if inside.contains(&from_x) && inside.contains(&from_y) {
                        image[channel * PLANE + (from_y - PADDING) * SIDE + from_x - PADDING]
                    } else {
                        0
                    };
                    out[channel * PLANE + y * SIDE + x] = scale(value);
                }
            }
        }
        out
    }

    #[test]
    fn every_view_equals_the_reference() {
        let image: Vec<u8> = (0..IMAGE).map(|i| (i * 7 % 251 + 1) as u8).collect();
        let mut out = vec![9.0; IMAGE];
        for top in 0..PLACES {
            for left in 0..PLACES {
                for mirrored in [false, true] {
                    let view = View { top, left, mirrored };
                    view.write(&image, &mut out);
                    assert_eq!(out, reference(&image, view), "{view:?}");
                }
            }
        }
    }

    #[test]
    fn views_are_uniform() {
        let mut generator = stream(0, Purpose::Augment, 0);
        let mut counts = [0_u32; 2 * PLACES * PLACES];
        let draws = 162_000;
        for _ in 0..draws {
            let view = View::draw(&mut generator);
            counts[(view.top * PLACES + view.left) * 2 + usize::from(view.mirrored)] += 1;
        }
        let expected = f64::from(draws) / counts.len() as f64;
        let chi2: f64 = counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        // 161 degrees of freedom: mean 161, standard deviation 18; four deviations above.
        assert!(chi2 < 233.0, "{chi2}");
    }

    #[test]
    fn names_round_trip() {
        for name in Augmentation::NAMES {
            assert_eq!(name.parse::<Augmentation>().unwrap().to_string(), name);
        }
        assert!("flip".parse::<Augmentation>().unwrap_err().contains("pad-crop-flip"));
    }
}
