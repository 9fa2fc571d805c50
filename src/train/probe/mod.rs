//! Probes: diagnostics of each layer that cost extra gradients.

mod gradient;
mod vector;

pub use gradient::{LayerGradients, curvature_along_gradient, layer_gradients};
