//! The smallest net with layers in depth: one hidden layer of `l1` units on the image's pixels.

use burn::tensor::Tensor;

use super::{Architecture, IMAGE_CHANNELS, IMAGE_EDGE, Layer, NetError, NetOptions, Pass};

#[derive(Debug)]
struct Mlp {
    hidden: usize,
}

/// Builds the net with `l1` hidden units.
///
/// # Errors
/// When the hidden layer would be empty.
pub fn build(options: &NetOptions) -> Result<Box<dyn Architecture>, NetError> {
    match options.l1 {
        0 => Err(NetError::EmptyLayer { option: "--l1" }),
        hidden => Ok(Box::new(Mlp { hidden })),
    }
}

impl Architecture for Mlp {
    fn layers(&self) -> Vec<Layer> {
        let pixels = IMAGE_CHANNELS * IMAGE_EDGE * IMAGE_EDGE;
        vec![Layer::linear("fc1", [pixels, self.hidden]), Layer::linear("fc2", [self.hidden, 10])]
    }

    fn forward(&self, pass: &mut Pass, images: Tensor<4>) -> Tensor<2> {
        pass.classifier(&["fc1", "fc2"], images)
    }
}
