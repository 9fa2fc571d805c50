//! ResNet-20 for CIFAR-10 (He et al. 2016, section 4.2): three stages of three basic blocks with
//! 16, 32 and 64 channels, and option A shortcuts (stride 2 and zero channels, no parameters).

use burn::tensor::activation::relu;
use burn::tensor::{DType, Tensor};

use super::{Architecture, Layer, NetError, NetOptions, Pass};
use crate::ops::{Activation, ConvGeometry};

#[derive(Debug)]
struct ResNet20;

/// A basic block: its name and sizes.
struct Block {
    name: String,
    inputs: usize,
    outputs: usize,
    edge: usize,
    stride: usize,
}

/// Builds it.
///
/// # Errors
/// Never.
pub fn build(_: &NetOptions) -> Result<Box<dyn Architecture>, NetError> {
    Ok(Box::new(ResNet20))
}

fn blocks() -> impl Iterator<Item = Block> {
    (0..9).map(|index| {
        let (stage, position) = (index / 3, index % 3);
        let first_of_stage = stage > 0 && position == 0;
        let outputs = 16 << stage;
        Block {
            name: format!("layer{}.{position}", stage + 1),
            inputs: if first_of_stage { outputs / 2 } else { outputs },
            outputs,
            edge: 32 >> stage,
            stride: if first_of_stage { 2 } else { 1 },
        }
    })
}

/// Option A: every second pixel, and zeros for the channels that are new.
fn shortcut(x: Tensor<4>, block: &Block) -> Tensor<4> {
    if block.stride == 1 {
        return x;
    }
    let [batch, channels, height, width] = x.dims();
    // A stride of 2 as a reshape and a slice: [h, w] → [h/2, 2, w/2, 2], then index 0 of the twos.
    let x = x
        .reshape([batch * channels, height / 2, 2, width / 2 * 2])
        .slice([0..batch * channels, 0..height / 2, 0..1, 0..width])
        .reshape([batch * channels, height / 2, width / 2, 2])
        .slice([0..batch * channels, 0..height / 2, 0..width / 2, 0..1])
        .reshape([batch, channels, height / 2, width / 2]);
    let added = (block.outputs - block.inputs) / 2;
    let zeros =
        Tensor::<4>::zeros([batch, added, height / 2, width / 2], (&x.device(), DType::F32));
    Tensor::cat(vec![zeros.clone(), x, zeros], 1)
}

impl Architecture for ResNet20 {
    fn layers(&self) -> Vec<Layer> {
        let mut layers = vec![
            Layer::conv_without_bias("conv1", [3, 16], 3, 32),
            Layer::batch_norm("bn1", 16, 32),
        ];
        for block in blocks() {
            let Block { name, inputs, outputs, edge, .. } = &block;
            for (index, inputs) in [(1, *inputs), (2, *outputs)] {
                let conv = format!("{name}.conv{index}");
                layers.push(Layer::conv_without_bias(&conv, [inputs, *outputs], 3, *edge));
                layers.push(Layer::batch_norm(&format!("{name}.bn{index}"), *outputs, *edge));
            }
        }
        layers.push(Layer::linear("fc", [64, 10]));
        layers
    }

    fn forward(&self, pass: &mut Pass, images: Tensor<4>) -> Tensor<2> {
        let stride = |stride| ConvGeometry { stride, padding: 1 };
        let x = pass.conv("conv1", images, stride(1), Activation::Linear);
        let x = pass.batch_norm("bn1", x, Activation::Relu);
        let x = blocks().fold(x, |x, block| {
            let name = &block.name;
            let skip = shortcut(x.clone(), &block);
            let y =
                pass.conv(&format!("{name}.conv1"), x, stride(block.stride), Activation::Linear);
            let y = pass.batch_norm(&format!("{name}.bn1"), y, Activation::Relu);
            let y = pass.conv(&format!("{name}.conv2"), y, stride(1), Activation::Linear);
            let y = pass.batch_norm(&format!("{name}.bn2"), y, Activation::Linear);
            relu(y + skip)
        });
        // Global average pool over the 8×8 maps.
        let x = x.mean_dim(3).mean_dim(2);
        pass.classifier(&["fc"], x)
    }
}
