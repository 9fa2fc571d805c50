//! placeholder until the probes are merged
use crate::net::{Architecture, Parameters};
use burn::tensor::Tensor;
pub(super) fn curvature_along_gradient(
    _: &dyn Architecture,
    p: &Parameters,
    _: Tensor<4>,
    _: &[i64],
) -> Vec<f64> {
    vec![f64::NAN; p.layers.len()]
}
