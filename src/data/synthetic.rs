//! The embedded data set: synthetic images that stand in for CIFAR-10 where it is not at hand.
//!
//! A class is one of five shapes filled with stripes in one of two directions, so that both the outline
//! and the fine structure have to be seen. Everything else is nuisance and says nothing about the class:
//! place, size, rotation, colours, contrast, period and phase of the stripes, background, clutter
//! behind and before, noise. A mirror image has the same class, as augmentation needs.
//!
//! The ranges below are tuned so that the tutorial net is in the place where it is on CIFAR-10. Mean test
//! accuracy in percent over three seeds after 5 epochs on 8,000 images (PyTorch, SGD, momentum .9, decay
//! 5e-4, cosine schedule):
//!
//! | rate | .0025 | .005 | .01 | .02 | .025 | .05 | .1 | .2 | .25 | .5 |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | batch 64 | – | 13.6 | 24.9 | 51.2 | – | 70.6 | 59.2 | 59.3 | – | 10.0 |
//! | batch 16 | 29.2 | – | 73.2 | – | 77.7 | 70.3 | – | – | 10.0 | – |

use super::{CHANNELS, CLASSES, Dataset, IMAGE, Images, PLANE, SIDE, digest_of};
use crate::random::{Purpose, stream};
use rand::{Rng, RngExt};
use std::ops::Range;

/// Names of the classes, by label: stripes `label % 2` on shape `label / 2`.
pub const CLASS_NAMES: [&str; CLASSES] = [
    "upright-striped disc",
    "level-striped disc",
    "upright-striped square",
    "level-striped square",
    "upright-striped triangle",
    "level-striped triangle",
    "upright-striped cross",
    "level-striped cross",
    "upright-striped ring",
    "level-striped ring",
];

/// The data set is one fixed set, as CIFAR-10 is: a study's seed does not change it.
const SEED: u64 = 0;
/// The first test image; training images never reach it, however many are made.
const FIRST_TEST: u64 = 1 << 32;

/// How many images to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Images to train and validate on.
    pub train: usize,
    /// Images to test on.
    pub test: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { train: 10_000, test: 2_000 }
    }
}

/// The embedded data set. A larger one begins with the images of a smaller one.
pub fn dataset(size: Size) -> Dataset {
    let train = images(SEED, 0..size.train as u64);
    let test = images(SEED, FIRST_TEST..FIRST_TEST + size.test as u64);
    Dataset {
        name: "synthetic",
        description: "synthetic".to_string(),
        classes: CLASS_NAMES,
        digest: digest_of([&train, &test]),
        train,
        test,
        folder: None,
    }
}

/// The images with these numbers under `seed`; the label of image `i` is `i mod 10`. Each image is drawn
/// from its own stream, so it does not depend on which others are made.
pub fn images(seed: u64, numbers: Range<u64>) -> Images {
    let count = numbers.clone().count();
    let mut images = Images { pixels: vec![0; count * IMAGE], labels: Vec::with_capacity(count) };
    for (number, pixels) in numbers.zip(images.pixels.chunks_exact_mut(IMAGE)) {
        let label = (number % CLASSES as u64) as u8;
        draw(label, &mut stream(seed, Purpose::Synthetic, number), pixels);
        images.labels.push(label);
    }
    images
}

type Colour = [f32; CHANNELS];

/// Draws one image of class `label`.
fn draw(label: u8, generator: &mut impl Rng, pixels: &mut [u8]) {
    let mut canvas = [0.0; IMAGE];
    let ground = background(&mut canvas, generator);
    for _ in 0..generator.random_range(CLUTTER) {
        clutter(&mut canvas, generator);
    }
    Figure::random(label, ground, generator).paint(&mut canvas);
    for _ in 0..generator.random_range(OCCLUSION) {
        clutter(&mut canvas, generator);
    }
    develop(&canvas, generator, pixels);
}

/// Levels of the background, and of clutter.
const GROUND: Range<f32> = 60.0..130.0;
const CLUTTER_LEVEL: Range<f32> = 50.0..210.0;
/// How much brighter the figure is than its background.
const CONTRAST: Range<f32> = 80.0..130.0;
/// How much darker the dark stripes are than the bright ones, in parts of the contrast.
const DEPTH: Range<f32> = 0.6..1.0;
/// How far a channel strays from a colour's level.
const TINT: f32 = 40.0;
/// How many pieces of clutter lie behind the figure.
const CLUTTER: Range<u32> = 1..4;
/// How many pieces of clutter lie before the figure.
const OCCLUSION: Range<u32> = 0..4;
/// Radius of the figure in pixels.
const RADIUS: Range<f32> = 8.0..13.0;
/// Largest rotation of the figure either way: the tangent of half its angle, so 0.4 radians.
const ROTATION: f32 = 0.2;
/// The same of the stripes: 0.66 radians. Their two directions lie a quarter turn apart, so they would
/// meet at π/4 = 0.79.
const GRAIN: f32 = 0.34;
/// Period of the stripes in pixels.
const PERIOD: Range<f32> = 3.5..6.0;
/// Largest noise of an image's pixels either way.
const NOISE: Range<f32> = 5.0..50.0;

/// A colour of any hue whose channels lie around `level`, 0 to 255.
fn colour(level: f32, generator: &mut impl Rng) -> Colour {
    std::array::from_fn(|_| level + generator.random_range(-TINT..TINT))
}

/// Fills the canvas with a colour gradient and returns its middle colour.
fn background(canvas: &mut [f32; IMAGE], generator: &mut impl Rng) -> Colour {
    let middle = colour(generator.random_range(GROUND), generator);
    for (channel, plane) in canvas.chunks_exact_mut(PLANE).enumerate() {
        let (dx, dy) =
            (generator.random_range(-1.5..1.5_f32), generator.random_range(-1.5..1.5_f32));
        for (y, row) in plane.chunks_exact_mut(SIDE).enumerate() {
            let start = middle[channel] + dy * (y as f32 - 15.5) - dx * 15.5;
            for (x, value) in row.iter_mut().enumerate() {
                *value = start + dx * x as f32;
            }
        }
    }
    middle
}

/// Paints a short bar of any colour anywhere.
fn clutter(canvas: &mut [f32; IMAGE], generator: &mut impl Rng) {
    let paint = colour(generator.random_range(CLUTTER_LEVEL), generator);
    let (cx, cy) = (generator.random_range(0.0..32.0_f32), generator.random_range(0.0..32.0_f32));
    let (sin, cos) = turn(1.0, generator);
    let (length, width) =
        (generator.random_range(2.0..7.0_f32), generator.random_range(0.7..2.5_f32));
    over(canvas, (cx, cy), length.max(width) * 1.5 + 1.0, |dx, dy| {
        let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
        let depth = (length - u.abs()).min(width - v.abs());
        (coverage(depth), paint)
    });
}

/// Sine and cosine of a random angle; `limit` is the tangent of half the largest, so 1 is a quarter turn
/// either way. Arithmetic alone: `sin` and `hypot` differ between platforms, and so would the images.
fn turn(limit: f32, generator: &mut impl Rng) -> (f32, f32) {
    let half = generator.random_range(-limit..limit);
    let scale = 1.0 / (1.0 + half * half);
    (2.0 * half * scale, (1.0 - half * half) * scale)
}

/// How much of a pixel is covered whose centre lies `depth` pixels within an outline.
fn coverage(depth: f32) -> f32 {
    (depth + 0.5).clamp(0.0, 1.0)
}

/// Paints around a centre, within `reach` pixels: `shade` maps an offset to coverage and colour.
fn over(
    canvas: &mut [f32; IMAGE],
    (cx, cy): (f32, f32),
    reach: f32,
    shade: impl Fn(f32, f32) -> (f32, Colour),
) {
    let span = |centre: f32| {
        let first = (centre - reach).max(0.0) as usize;
        first..((centre + reach).max(0.0) as usize + 1).min(SIDE)
    };
    for y in span(cy) {
        for x in span(cx) {
            let (cover, paint) = shade(x as f32 - cx, y as f32 - cy);
            if cover > 0.0 {
                for (channel, paint) in paint.into_iter().enumerate() {
                    let value = &mut canvas[channel * PLANE + y * SIDE + x];
                    *value += cover * (paint - *value);
                }
            }
        }
    }
}

/// The figure that makes the class, with its nuisances.
struct Figure {
    label: u8,
    centre: (f32, f32),
    radius: f32,
    /// Sine and cosine of the rotation of the outline and of the stripes.
    outline: (f32, f32),
    grain: (f32, f32),
    period: f32,
    phase: f32,
    colours: [Colour; 2],
}

impl Figure {
    fn random(label: u8, ground: Colour, generator: &mut impl Rng) -> Self {
        let radius = generator.random_range(RADIUS);
        // Most of the figure stays within the image.
        let free = 15.5 - 0.85 * radius;
        let place = |generator: &mut _| 15.5 + RngExt::random_range(generator, -free..free);
        let level = ground.iter().sum::<f32>() / CHANNELS as f32;
        let contrast = generator.random_range(CONTRAST);
        let depth = generator.random_range(DEPTH);
        let first = colour(level + contrast, generator);
        let second = first.map(|value| value - depth * contrast);
        let (sin, cos) = turn(GRAIN, generator);
        Self {
            label,
            centre: (place(generator), place(generator)),
            radius,
            outline: turn(ROTATION, generator),
            // A quarter turn more for the second direction.
            grain: if label.is_multiple_of(2) { (sin, cos) } else { (cos, -sin) },
            period: generator.random_range(PERIOD),
            phase: generator.random(),
            colours: [first, second],
        }
    }

    fn paint(&self, canvas: &mut [f32; IMAGE]) {
        let turned =
            |(sin, cos): (f32, f32), dx: f32, dy: f32| (cos * dx + sin * dy, cos * dy - sin * dx);
        over(canvas, self.centre, 1.3 * self.radius + 1.0, |dx, dy| {
            let (u, v) = turned(self.outline, dx, dy);
            let cover =
                coverage(self.radius * depth(self.label / 2, u / self.radius, v / self.radius));
            let mix = wave(turned(self.grain, dx, dy).0 / self.period + self.phase);
            let mix = (3.0 * (mix - 0.5) + 0.5).clamp(0.0, 1.0);
            let [a, b] = self.colours;
            (cover, std::array::from_fn(|channel| a[channel] + mix * (b[channel] - a[channel])))
        });
    }
}

/// Triangle wave of period 1 between 0 and 1.
fn wave(x: f32) -> f32 {
    2.0 * (x - x.floor() - 0.5).abs()
}

/// How deep a point lies within an outline of radius about 1, areas being about equal; negative outside.
fn depth(shape: u8, u: f32, v: f32) -> f32 {
    match shape {
        0 => 0.9 - (u * u + v * v).sqrt(),
        1 => 0.8 - u.abs().max(v.abs()),
        2 => (0.55 - v).min(0.55 + 0.5 * v - 0.866 * u.abs()),
        3 => {
            let (long, short) = (u.abs().max(v.abs()), u.abs().min(v.abs()));
            (1.05 - long).min(0.34 - short)
        }
        _ => 0.28 - ((u * u + v * v).sqrt() - 0.8).abs(),
    }
}

/// Adds noise and turns the canvas into bytes.
fn develop(canvas: &[f32; IMAGE], generator: &mut impl Rng, pixels: &mut [u8]) {
    let strength = generator.random_range(NOISE) / 255.0;
    let mut noise = [0_u8; 2 * IMAGE];
    generator.fill_bytes(&mut noise);
    for ((pixel, &value), pair) in pixels.iter_mut().zip(canvas).zip(noise.chunks_exact(2)) {
        // The sum of two uniform draws: near enough to a bell for noise, and cheap.
        let noise = (i16::from(pair[0]) + i16::from(pair[1]) - 255) as f32;
        *pixel = (value + strength * noise).round().clamp(0.0, 255.0) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_depends_on_its_number_and_seed_only() {
        let some = images(3, 0..30);
        let one = images(3, 17..18);
        assert_eq!(some.image(17), one.image(0));
        assert_eq!(one.labels, [7]);
        assert_ne!(images(4, 17..18), one);
        assert_ne!(some.image(17), some.image(7));
    }

    #[test]
    fn classes_are_balanced_and_the_test_images_are_others() {
        let data = dataset(Size { train: 200, test: 100 });
        for class in 0..CLASSES as u8 {
            assert_eq!(data.train.labels.iter().filter(|&&label| label == class).count(), 20);
        }
        assert_eq!((data.train.len(), data.test.len()), (200, 100));
        for test in 0..100 {
            assert!((0..200).all(|train| data.train.image(train) != data.test.image(test)));
        }
        assert_eq!(data.description, "synthetic");
    }

    /// Known answer: results on the embedded set stay comparable between versions.
    #[test]
    fn the_set_is_pinned() {
        assert_eq!(
            dataset(Size { train: 50, test: 50 }).digest,
            "f6f27d101bd092510dd00317e5bef31afb19327d4f03c0bc94a2adac586b89f8"
        );
    }

    #[test]
    fn mean_and_spread_leave_room_for_the_net() {
        let images = images(0, 0..500);
        let n = images.pixels.len() as f64;
        let mean = images.pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance =
            images.pixels.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        assert!((110.0..145.0).contains(&mean), "{mean}");
        assert!((45.0..80.0).contains(&variance.sqrt()), "{}", variance.sqrt());
    }
}
