//! Loss and accuracy.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::on_device;
use crate::data::{Batches, Images};
use crate::device::ComputeDevice;
use crate::net::{Architecture, Parameters, Pass};
use crate::ops;

/// Images a batch of an evaluation: large enough to be fast, small enough for the caches.
const EVALUATION_BATCH: usize = 250;

/// How well a model does on some images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Share of images whose largest logit is that of their class.
    pub accuracy: f64,
}

/// Evaluates `parameters` on the images at `indices` (at least one).
pub fn evaluate(
    net: &dyn Architecture,
    parameters: &Parameters,
    images: &Images,
    indices: &[u32],
    device: &ComputeDevice,
) -> Evaluation {
    let size = EVALUATION_BATCH.min(indices.len());
    let mut batches = Batches::new(images, indices, size)
        .expect("a batch no larger than the images is always possible");
    let mut tally = Tally::new(device.steps_between_reads());
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    while batches.next_into(&mut pixels, &mut labels).is_some() {
        let images = on_device(std::mem::take(&mut pixels), device);
        let logits = net.forward(&mut Pass::evaluation(parameters), images.clone());
        pixels = ops::reclaim(images);
        let loss = ops::cross_entropy(logits.clone(), &labels);
        labels = tally.add(loss, logits, labels);
    }
    tally.finish()
}

/// Sums loss and hits of batches, reading them from the device only now and then.
pub(super) struct Tally {
    every: usize,
    pending: Vec<(Tensor<1>, Tensor<2>, Vec<i64>)>,
    /// Memory for the classes of later batches.
    spare: Vec<Vec<i64>>,
    loss: f64,
    hits: u64,
    images: u64,
}

impl Tally {
    /// Reads after every `every` batches.
    pub(super) fn new(every: usize) -> Self {
        Self { every, pending: Vec::new(), spare: Vec::new(), loss: 0.0, hits: 0, images: 0 }
    }

    /// Adds a batch's mean loss, logits `[n, classes]` and classes; gives memory for the classes of
    /// the next batch.
    pub(super) fn add(&mut self, loss: Tensor<1>, logits: Tensor<2>, labels: Vec<i64>) -> Vec<i64> {
        self.pending.push((loss, logits, labels));
        if self.pending.len() >= self.every {
            self.read();
        }
        self.spare.pop().unwrap_or_default()
    }

    /// Whether a loss read so far was NaN or infinite.
    pub(super) fn is_broken(&self) -> bool {
        !self.loss.is_finite()
    }

    /// Means over all images added.
    pub(super) fn finish(mut self) -> Evaluation {
        self.read();
        let images = self.images.max(1) as f64;
        Evaluation { loss: self.loss / images, accuracy: self.hits as f64 / images }
    }

    fn read(&mut self) {
        for (loss, logits, labels) in self.pending.drain(..) {
            let [size, classes] = logits.dims();
            self.loss += f64::from(loss.into_scalar::<f32>()) * size as f64;
            self.images += size as u64;
            let logits = logits.into_data();
            let logits = logits.as_slice::<f32>().expect("logits are f32");
            for (row, &label) in logits.chunks_exact(classes).zip(&labels) {
                // The first of equal maxima, as PyTorch's argmax on the CPU.
                let best =
                    (1..classes).fold(0, |best, i| if row[i] > row[best] { i } else { best });
                self.hits += u64::from(best as i64 == label);
            }
            self.spare.push(labels);
        }
    }
}
