//! The CNN of PyTorch's CIFAR-10 tutorial and of Ray Tune's CIFAR example.
//!
//! conv 3→6 5×5, ReLU, pool; conv 6→16 5×5, ReLU, pool; fc 400→l1→l2→10. 62,006 parameters at
//! 120/84.

use burn::tensor::Tensor;

use super::{Architecture, Layer, NetError, NetOptions, Pass};
use crate::ops::{Activation, ConvGeometry};

const VALID: ConvGeometry = ConvGeometry { stride: 1, padding: 0 };

#[derive(Debug)]
struct Tutorial {
    l1: usize,
    l2: usize,
}

/// Builds the net with `l1` and `l2` hidden units.
///
/// # Errors
/// When a hidden layer would be empty.
pub fn build(options: &NetOptions) -> Result<Box<dyn Architecture>, NetError> {
    for (option, units) in [("--l1", options.l1), ("--l2", options.l2)] {
        if units == 0 {
            return Err(NetError::EmptyLayer { option });
        }
    }
    Ok(Box::new(Tutorial { l1: options.l1, l2: options.l2 }))
}

impl Architecture for Tutorial {
    fn layers(&self) -> Vec<Layer> {
        vec![
            Layer::conv("conv1", [3, 6], 5, 28),
            Layer::conv("conv2", [6, 16], 5, 10),
            Layer::linear("fc1", [400, self.l1]),
            Layer::linear("fc2", [self.l1, self.l2]),
            Layer::linear("fc3", [self.l2, 10]),
        ]
    }

    fn forward(&self, pass: &mut Pass, images: Tensor<4>) -> Tensor<2> {
        let x = pass.conv("conv1", images, VALID, Activation::ReluMaxPool);
        let x = pass.conv("conv2", x, VALID, Activation::ReluMaxPool);
        pass.classifier(&["fc1", "fc2", "fc3"], x)
    }
}
