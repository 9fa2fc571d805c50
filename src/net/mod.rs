//! CNNs with named layers.
//!
//! A net is an [`Architecture`]: it lists its layers and computes logits from images. Its
//! parameters live apart from it, in [`Parameters`], so that optimisers, diagnostics, checkpoints
//! and PyTorch's weight files treat all nets alike. To add a net, write one file beside
//! `tutorial.rs` and add one line to [`NETS`].

mod alike;
mod error;
mod gauge;
mod layer;
mod mlp;
mod parameters;
mod pass;
mod resnet20;
mod tutorial;
mod vgg;
mod weights;

use burn::tensor::Tensor;

pub use error::{NetError, WeightsError};
pub use gauge::rescale;
pub use layer::{Layer, LayerKind, ParameterSpec, Role};
pub use parameters::{HostTensor, Parameters, RunningStatistics, host, vector};
pub use pass::Pass;
pub use weights::{export_weights, import_weights};

/// Edge of the square input images in pixels.
pub const IMAGE_EDGE: usize = 32;
/// Colour channels of the input images.
pub const IMAGE_CHANNELS: usize = 3;

/// A network: its layers and its forward pass.
pub trait Architecture: std::fmt::Debug + Send + Sync {
    /// The layers from input to output; names are unique.
    fn layers(&self) -> Vec<Layer>;

    /// Logits `[batch, 10]` of images `[batch, 3, 32, 32]` scaled to [−1, 1].
    fn forward(&self, pass: &mut Pass, images: Tensor<4>) -> Tensor<2>;
}

/// What can be chosen about a net besides its name; each net takes what concerns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetOptions {
    /// Units of the tutorial net's first hidden layer.
    pub l1: usize,
    /// Units of the tutorial net's second hidden layer.
    pub l2: usize,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self { l1: 120, l2: 84 }
    }
}

type Build = fn(&NetOptions) -> Result<Box<dyn Architecture>, NetError>;

/// Every net by the name that `--net` takes.
pub const NETS: &[(&str, Build)] = &[
    ("tutorial", tutorial::build),
    ("vgg", vgg::build),
    ("vgg-bn", vgg::build_with_batch_norm),
    ("resnet20", resnet20::build),
    ("mlp", mlp::build),
    ("alike", alike::build),
];

/// Builds the net called `name`.
///
/// # Errors
/// When there is no such net (the message lists those that there are) or an option does not fit.
pub fn build(name: &str, options: &NetOptions) -> Result<Box<dyn Architecture>, NetError> {
    let (_, build) = NETS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| NetError::Unknown { name: name.to_owned() })?;
    build(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_published_ones() {
        let size = |name: &str| {
            let layers = build(name, &NetOptions::default()).unwrap().layers();
            let parameters: usize = layers.iter().map(Layer::parameter_count).sum();
            let macs: usize = layers.iter().map(Layer::macs).sum();
            (parameters, macs)
        };
        // Published: tutorial 62,006 parameters, .652 M MAC; ResNet-20 269,722 and 40.55 M.
        assert_eq!(size("tutorial"), (62_006, 651_720));
        assert_eq!(size("resnet20"), (269_722, 40_551_040));
    }

    #[test]
    fn layer_names_are_unique_in_every_net() {
        for (name, build) in NETS {
            let layers = build(&NetOptions::default()).unwrap().layers();
            let mut names: Vec<_> = layers.iter().map(|layer| &layer.name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), layers.len(), "{name}");
        }
    }

    #[test]
    fn an_unknown_net_lists_the_known_ones() {
        let message = build("alexnet", &NetOptions::default()).unwrap_err().to_string();
        assert!(message.contains("alexnet") && message.contains("vgg-bn"), "{message}");
    }
}
