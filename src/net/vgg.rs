//! A small VGG (Simonyan & Zisserman 2015): three times (conv, conv, pool) with 32, 64 and 128
//! channels of 3×3 kernels, then one linear layer; with and without batch norm.

use burn::tensor::Tensor;

use super::{Architecture, Layer, NetError, NetOptions, Pass};
use crate::ops::{Activation, ConvGeometry};

const SAME: ConvGeometry = ConvGeometry { stride: 1, padding: 1 };

/// (index, channels in, channels out, output edge) of the six convolutions.
const CONVOLUTIONS: [(usize, usize, usize, usize); 6] = [
    (1, 3, 32, 32),
    (2, 32, 32, 32),
    (3, 32, 64, 16),
    (4, 64, 64, 16),
    (5, 64, 128, 8),
    (6, 128, 128, 8),
];

#[derive(Debug)]
struct Vgg {
    batch_norm: bool,
}

/// Builds it without batch norm.
///
/// # Errors
/// Never.
pub fn build(_: &NetOptions) -> Result<Box<dyn Architecture>, NetError> {
    Ok(Box::new(Vgg { batch_norm: false }))
}

/// Builds it with a batch norm after each convolution, which then has no bias.
///
/// # Errors
/// Never.
pub fn build_with_batch_norm(_: &NetOptions) -> Result<Box<dyn Architecture>, NetError> {
    Ok(Box::new(Vgg { batch_norm: true }))
}

impl Architecture for Vgg {
    fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        for (index, inputs, outputs, edge) in CONVOLUTIONS {
            let name = format!("conv{index}");
            if self.batch_norm {
                layers.push(Layer::conv_without_bias(&name, [inputs, outputs], 3, edge));
                layers.push(Layer::batch_norm(&format!("bn{index}"), outputs, edge));
            } else {
                layers.push(Layer::conv(&name, [inputs, outputs], 3, edge));
            }
        }
        layers.push(Layer::linear("fc", [128 * 4 * 4, 10]));
        layers
    }

    fn forward(&self, pass: &mut Pass, images: Tensor<4>) -> Tensor<2> {
        let x = CONVOLUTIONS.iter().fold(images, |x, (index, ..)| {
            let activation =
                if index % 2 == 0 { Activation::ReluMaxPool } else { Activation::Relu };
            let name = format!("conv{index}");
            if self.batch_norm {
                let x = pass.conv(&name, x, SAME, Activation::Linear);
                pass.batch_norm(&format!("bn{index}"), x, activation)
            } else {
                pass.conv(&name, x, SAME, activation)
            }
        });
        pass.classifier(&["fc"], x)
    }
}
