//! Batches: images gathered from bytes into buffers that the caller owns and reuses.

use super::augment::pad_crop_flip;
use super::pixels::{prefetch, scale_into};
use super::{Augmentation, DataError, IMAGE, Images};
use crate::random::{Purpose, stream};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// In which order an epoch shows the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the indices were given: evaluation, `--no-shuffle`.
    Sequential,
    /// Shuffled by the trial's own seed, differently in each epoch.
    Shuffled,
}

/// Batches of some images of a set, epoch by epoch.
///
/// ```
/// use strata::data::{Augmentation, Batches, Images, Order};
///
/// let images = Images { pixels: vec![255; 5 * 3072], labels: vec![0, 1, 2, 3, 4] };
/// let mut batches = Batches::new(&images, &[0, 1, 2, 3, 4], 2)?;
/// let (mut pixels, mut labels) = (Vec::new(), Vec::new());
/// batches.start_epoch(Order::Shuffled, Augmentation::None, 7, 0);
/// let mut sizes = Vec::new();
/// while let Some(size) = batches.next_into(&mut pixels, &mut labels) {
///     assert_eq!((pixels.len(), labels.len()), (size * 3072, size));
///     sizes.push(size);
/// }
/// assert_eq!(sizes, [2, 2, 1]);
/// # Ok::<(), strata::data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    images: &'a Images,
    indices: &'a [u32],
    batch_size: usize,
    /// This epoch's order.
    order: Vec<u32>,
    /// How many images this epoch has shown.
    shown: usize,
    augmentation: Augmentation,
    generator: ChaCha8Rng,
}

impl<'a> Batches<'a> {
    /// Batches of `batch_size` of the images at `indices`; the last batch of an epoch may be smaller.
    ///
    /// The first epoch is sequential until [`start_epoch`](Self::start_epoch) says otherwise.
    ///
    /// # Errors
    /// [`DataError::ZeroBatch`], or [`DataError::BatchTooLarge`] if there are fewer images.
    ///
    /// # Panics
    /// If an index is not below the number of images.
    pub fn new(
        images: &'a Images,
        indices: &'a [u32],
        batch_size: usize,
    ) -> Result<Self, DataError> {
        if batch_size == 0 {
            return Err(DataError::ZeroBatch);
        }
        if batch_size > indices.len() {
            return Err(DataError::BatchTooLarge { batch_size, images: indices.len() });
        }
        assert!(
            indices.iter().all(|&index| (index as usize) < images.len()),
            "image index out of range"
        );
        Ok(Self {
            images,
            indices,
            batch_size,
            order: indices.to_vec(),
            shown: 0,
            augmentation: Augmentation::None,
            generator: stream(0, Purpose::Augment, 0),
        })
    }

    /// Number of images in an epoch.
    pub fn images(&self) -> usize {
        self.indices.len()
    }

    /// Number of batches in an epoch.
    pub fn batches(&self) -> usize {
        self.indices.len().div_ceil(self.batch_size)
    }

    /// Starts an epoch, whatever was shown before. The order comes from the stream
    /// `(seed, Order, epoch)` and the augmentation from `(seed, Augment, epoch)`, so any epoch can be
    /// replayed alone; neither depends on the batch size.
    pub fn start_epoch(&mut self, order: Order, augmentation: Augmentation, seed: u64, epoch: u64) {
        self.order.copy_from_slice(self.indices);
        if order == Order::Shuffled {
            self.order.shuffle(&mut stream(seed, Purpose::Order, epoch));
        }
        self.augmentation = augmentation;
        self.generator = stream(seed, Purpose::Augment, epoch);
        self.shown = 0;
    }

    /// Gathers the next batch and returns its size, or nothing at the end of the epoch.
    ///
    /// `pixels` becomes `size × 3 × 32 × 32` (NCHW) values in [−1, 1], `labels` the `size` classes. Both
    /// keep their capacity: after the first batch nothing is allocated.
    pub fn next_into(&mut self, pixels: &mut Vec<f32>, labels: &mut Vec<i64>) -> Option<usize> {
        let size = self.batch_size.min(self.order.len() - self.shown);
        if size == 0 {
            return None;
        }
        let left = &self.order[self.shown..];
        let batch = &left[..size];
        self.shown += size;
        pixels.resize(size * IMAGE, 0.0);
        // Two images ahead, into the next batch too.
        let mut ahead = left.iter().skip(2);
        for (&index, out) in batch.iter().zip(pixels.chunks_exact_mut(IMAGE)) {
            if let Some(&next) = ahead.next() {
                prefetch(self.images.image(next as usize));
            }
            let image = self.images.image(index as usize);
            match self.augmentation {
                Augmentation::None => scale_into(image, out),
                Augmentation::PadCropFlip => pad_crop_flip(image, out, &mut self.generator),
            }
        }
        labels.clear();
        labels.extend(batch.iter().map(|&index| i64::from(self.images.labels[index as usize])));
        Some(size)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pixels::scale;
    use super::*;
    use proptest::prelude::*;

    /// `n` images, each of one grey that tells it apart (n ≤ 256).
    fn greys(n: usize) -> Images {
        let pixels = (0..n).flat_map(|i| [i as u8; IMAGE]).collect();
        Images { pixels, labels: (0..n).map(|i| (i % 10) as u8).collect() }
    }

    /// First pixels and labels of an epoch, and its batch sizes.
    fn epoch(batches: &mut Batches) -> (Vec<f32>, Vec<i64>, Vec<usize>) {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        let (mut all, mut classes, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(size) = batches.next_into(&mut pixels, &mut labels) {
            assert_eq!((pixels.len(), labels.len()), (size * IMAGE, size));
            all.extend(pixels.chunks_exact(IMAGE).map(|image| image[0]));
            classes.extend(&labels);
            sizes.push(size);
        }
        (all, classes, sizes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn an_epoch_shows_each_image_once(n in 1_usize..40, size in 1_usize..40, seed: u64, number in 0_u64..9) {
            let images = greys(40);
            let indices: Vec<u32> = (40 - n as u32..40).collect();
            let size = size.min(n);
            let mut batches = Batches::new(&images, &indices, size).unwrap();
            batches.start_epoch(Order::Shuffled, Augmentation::None, seed, number);
            let (shown, labels, sizes) = epoch(&mut batches);
            prop_assert_eq!(sizes.len(), batches.batches());
            prop_assert_eq!(sizes.iter().sum::<usize>(), n);
            prop_assert!(sizes[..sizes.len() - 1].iter().all(|&s| s == size));
            let mut seen: Vec<u32> = Vec::new();
            for (value, label) in shown.iter().zip(&labels) {
                let image = ((value + 1.0) * 127.5).round() as u32;
                prop_assert_eq!(i64::from(images.labels[image as usize]), *label);
                seen.push(image);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, indices);
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_epoch_only() {
        let images = greys(50);
        let indices: Vec<u32> = (0..50).collect();
        let run = |size, order, seed, number| {
            let mut batches = Batches::new(&images, &indices, size).unwrap();
            batches.start_epoch(order, Augmentation::None, seed, number);
            epoch(&mut batches).0
        };
        let reference = run(7, Order::Shuffled, 1, 4);
        assert_eq!(reference, run(50, Order::Shuffled, 1, 4));
        assert_ne!(reference, run(7, Order::Shuffled, 1, 5));
        assert_ne!(reference, run(7, Order::Shuffled, 2, 4));
        let plain: Vec<f32> = (0..50).map(scale).collect();
        assert_eq!(run(8, Order::Sequential, 1, 4), plain);
        assert_ne!(reference, plain);
    }

    #[test]
    fn augmentation_depends_on_seed_and_epoch_only() {
        let images = greys(20);
        let indices: Vec<u32> = (0..20).collect();
        let run = |size, seed, epochs: &[u64]| {
            let mut batches = Batches::new(&images, &indices, size).unwrap();
            let (mut all, mut pixels, mut labels) = (Vec::new(), Vec::new(), Vec::new());
            for &epoch in epochs {
                batches.start_epoch(Order::Sequential, Augmentation::PadCropFlip, seed, epoch);
                all.clear();
                while batches.next_into(&mut pixels, &mut labels).is_some() {
                    all.extend_from_slice(&pixels);
                }
            }
            all
        };
        let reference = run(3, 3, &[1]);
        assert_eq!(reference, run(20, 3, &[1]));
        assert_eq!(reference, run(3, 3, &[0, 1]));
        assert_ne!(reference, run(3, 3, &[2]));
        assert_ne!(reference, run(3, 4, &[1]));
    }

    #[test]
    fn buffers_are_reused() {
        let images = greys(10);
        let indices: Vec<u32> = (0..10).collect();
        let mut batches = Batches::new(&images, &indices, 4).unwrap();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        batches.next_into(&mut pixels, &mut labels);
        let places = (pixels.as_ptr(), labels.as_ptr());
        while batches.next_into(&mut pixels, &mut labels).is_some() {}
        assert_eq!(places, (pixels.as_ptr(), labels.as_ptr()));
    }

    #[test]
    fn bad_batch_sizes_are_errors() {
        let images = greys(3);
        assert!(matches!(Batches::new(&images, &[0, 1], 0), Err(DataError::ZeroBatch)));
        let text = Batches::new(&images, &[0, 1], 3).unwrap_err().to_string();
        assert!(text.contains("--batch-size 3") && text.contains("2 images"), "{text}");
    }
}
