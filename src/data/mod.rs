//! Images: CIFAR-10 from its binary files or a download, an embedded synthetic stand-in, stratified
//! splits, and batches with augmentation.
//!
//! Everything random is drawn from named streams of one seed ([`crate::random`]). A [`Dataset`]
//! knows what it may be called: its [`description`](Dataset::description) goes into every caption.

pub mod augment;
pub mod batch;
pub mod cifar10;
pub mod download;
pub mod error;
mod jpeg;
mod load;
mod pixels;
pub mod split;
pub mod synthetic;

pub use augment::Augmentation;
pub use batch::{Batches, Order};
pub use download::{Archive, Progress, download};
pub use error::DataError;
pub use load::{Choice, DEFAULT_FOLDER, load};
pub use split::Split;

use sha2::{Digest, Sha256};

/// Classes of every data set here.
pub const CLASSES: usize = 10;
/// Height and width of an image in pixels.
pub const SIDE: usize = 32;
/// Pixels of one colour plane.
pub const PLANE: usize = SIDE * SIDE;
/// Colour planes of an image: red, green, blue.
pub const CHANNELS: usize = 3;
/// Values of one image.
pub const IMAGE: usize = CHANNELS * PLANE;

/// Labelled 32×32 colour images, as CIFAR-10 stores them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// `n × 3072` values 0 to 255: the red, green and blue planes of an image, each row by row.
    pub pixels: Vec<u8>,
    /// `n` classes, 0 to 9.
    pub labels: Vec<u8>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The 3,072 values of one image.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * IMAGE..][..IMAGE]
    }
}

/// Training and test images with what a caption and a manifest have to say about them.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// `cifar10` or `synthetic`, as in `--dataset`.
    pub name: &'static str,
    /// What the data may be called wherever a result appears, such as `CIFAR-10`,
    /// `CIFAR-10 (re-encoded as JPEG)`, `CIFAR-10 subset, 5,000 + 1,000 images` or `synthetic`.
    pub description: String,
    /// Names of the classes, by label.
    pub classes: [&'static str; CLASSES],
    /// Images to train and validate on.
    pub train: Images,
    /// Images to test final models on, once.
    pub test: Images,
    /// SHA-256, in hexadecimal, over all records (label byte, then 3,072 pixel bytes): training
    /// images, then test images. For CIFAR-10 that is the sum over its six files one after another.
    pub digest: String,
    /// The folder that the files were read from; none for synthetic images.
    pub folder: Option<std::path::PathBuf>,
}

/// SHA-256 over the records of some image sets, in hexadecimal.
fn digest_of(sets: [&Images; 2]) -> String {
    let mut hash = Sha256::new();
    for images in sets {
        for (label, pixels) in images.labels.iter().zip(images.pixels.chunks_exact(IMAGE)) {
            hash.update([*label]);
            hash.update(pixels);
        }
    }
    hexadecimal(&hash.finalize())
}

/// Lower-case hexadecimal digits of some bytes.
fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A number with commas between groups of three digits, as captions print it.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(5_000), "5,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn the_digest_is_the_sum_over_the_records() {
        let images = Images { pixels: vec![5; IMAGE], labels: vec![3] };
        let mut record = vec![3];
        record.extend([5; IMAGE]);
        assert_eq!(digest_of([&images, &Images::default()]), hexadecimal(&Sha256::digest(&record)));
        // Known answer of the empty message (FIPS 180-4).
        assert_eq!(
            digest_of([&Images::default(), &Images::default()]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
