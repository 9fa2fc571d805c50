//! A net whose layers are all alike: the sum of four linear maps of the same image.
//!
//! A control for experiments on layer rates. The function depends on the sum of the maps alone, and
//! under SGD, without decay or with decay mode `decay-fixed`, what the sum learns depends on the sum
//! of the layers' rates alone: no choice of rates per layer does what one global rate cannot. A
//! procedure that finds them better errs.

use burn::tensor::Tensor;

use super::{Architecture, IMAGE_CHANNELS, IMAGE_EDGE, Layer, NetError, NetOptions, Pass};

const LAYERS: [&str; 4] = ["map1", "map2", "map3", "map4"];

#[derive(Debug)]
struct Alike;

/// Builds the net; it has no options.
///
/// # Errors
/// Never.
pub fn build(_: &NetOptions) -> Result<Box<dyn Architecture>, NetError> {
    Ok(Box::new(Alike))
}

impl Architecture for Alike {
    fn layers(&self) -> Vec<Layer> {
        let pixels = IMAGE_CHANNELS * IMAGE_EDGE * IMAGE_EDGE;
        LAYERS.iter().map(|name| Layer::linear(name, [pixels, 10])).collect()
    }

    fn forward(&self, pass: &mut Pass, images: Tensor<4>) -> Tensor<2> {
        let [first, others @ ..] = LAYERS;
        let start = pass.classifier(&[first], images.clone());
        others.iter().fold(start, |sum, layer| sum + pass.classifier(&[layer], images.clone()))
    }
}
