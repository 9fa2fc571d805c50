//! Where probes measure: a net at some parameters, on fixed images, with a count of the work done.

use burn::tensor::Tensor;

use super::gradient::{LayerGradients, displaced, layer_gradients};
use crate::data::{Batches, DataError, Images};
use crate::device::ComputeDevice;
use crate::net::{Architecture, Parameters, Pass};
use crate::ops;
use crate::train::on_device;

/// Some images and their classes, in one batch.
pub(super) type Chunk = (Tensor<4>, Vec<i64>);

/// The images at `indices` (which may repeat) in chunks of `size`; what is left over is left out.
///
/// # Errors
/// When there are fewer images than one chunk has.
pub(super) fn chunks(
    images: &Images,
    indices: &[u32],
    size: usize,
    device: &ComputeDevice,
) -> Result<Vec<Chunk>, DataError> {
    let whole = indices.len() - indices.len() % size.max(1);
    let mut batches = Batches::new(images, &indices[..whole], size)?;
    let mut chunks = Vec::new();
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    while batches.next_into(&mut pixels, &mut labels).is_some() {
        chunks.push((on_device(std::mem::take(&mut pixels), device), std::mem::take(&mut labels)));
    }
    Ok(chunks)
}

/// A net at some parameters, on chunks of images of one size.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub net: &'a dyn Architecture,
    pub parameters: &'a Parameters,
    pub chunks: Vec<Chunk>,
    gradients: u64,
    forwards: u64,
}

impl<'a> Bench<'a> {
    pub fn new(net: &'a dyn Architecture, parameters: &'a Parameters, chunks: Vec<Chunk>) -> Self {
        Self { net, parameters, chunks, gradients: 0, forwards: 0 }
    }

    /// The gradient on each chunk, after the layers have moved by `factor` times these directions.
    pub fn gradients(
        &mut self,
        directions: &[(usize, &[f32])],
        factor: f64,
    ) -> Vec<LayerGradients> {
        let moved = displaced(self.parameters, directions, factor);
        let gradient = |(images, labels): &Chunk| {
            self.gradients += labels.len() as u64;
            layer_gradients(self.net, &moved, images.clone(), labels)
        };
        self.chunks.iter().map(gradient).collect()
    }

    /// The gradient on all chunks together.
    pub fn gradient(&mut self, directions: &[(usize, &[f32])], factor: f64) -> Vec<Vec<f64>> {
        let chunks = self.gradients(directions, factor);
        mean(chunks.iter().map(|chunk| chunk.layers.as_slice()))
    }

    /// The loss on all chunks together, in nats, without a gradient. Batch norms go by each chunk's
    /// statistics, as in training.
    pub fn loss(&mut self, directions: &[(usize, &[f32])], factor: f64) -> f64 {
        let moved = displaced(self.parameters, directions, factor);
        let mut sum = 0.0;
        for (images, labels) in &self.chunks {
            self.forwards += labels.len() as u64;
            // A probe by batch statistics also looks for dead units, which costs a little.
            let mut pass = match moved.running.is_empty() {
                true => Pass::evaluation(&moved),
                false => Pass::probe(&moved),
            };
            let logits = self.net.forward(&mut pass, images.clone());
            sum += f64::from(ops::cross_entropy(logits, labels).into_scalar::<f32>());
        }
        sum / self.chunks.len() as f64
    }

    /// The work done so far, in images trained on: [`cost`].
    pub fn cost(&self) -> u64 {
        cost(self.gradients, self.forwards)
    }
}

/// What so many gradients and forward passes of an image cost, in images trained on: a forward pass
/// is a third of a gradient, rounded up.
pub(super) fn cost(gradients: u64, forwards: u64) -> u64 {
    gradients + forwards.div_ceil(3)
}

/// Mean of gradients by layer (of at least one).
pub(super) fn mean<'g>(gradients: impl IntoIterator<Item = &'g [Vec<f32>]>) -> Vec<Vec<f64>> {
    let mut sums: Vec<Vec<f64>> = Vec::new();
    let mut count = 0.0;
    for gradient in gradients {
        count += 1.0;
        if sums.is_empty() {
            sums = gradient.iter().map(|layer| vec![0.0; layer.len()]).collect();
        }
        for (sum, layer) in sums.iter_mut().zip(gradient) {
            sum.iter_mut().zip(layer).for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }
    sums.iter_mut().flatten().for_each(|sum| *sum /= count);
    sums
}
