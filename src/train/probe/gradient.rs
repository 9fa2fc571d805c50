//! Gradients by layer at given parameters, and second derivatives from their differences.
//!
//! Burn differentiates once, so products with the Hessian are central differences of gradients:
//! Hv = (g(w+εv) − g(w−εv))/2ε + O(ε²). ε is chosen so that a layer moves by [`RELATIVE_STEP`] of
//! its own norm: less, and the rounding of single-precision gradients shows; more, and ReLUs switch.

use burn::tensor::Tensor;

use super::vector::{dot, norm};
use crate::net::{Architecture, Parameters, Pass, host, vector};
use crate::ops;

/// ‖εv‖/‖w‖ of central differences.
pub(crate) const RELATIVE_STEP: f64 = 0.01;

/// Loss on some images, and its gradient by each layer's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerGradients {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Of each layer, input to output: the gradient of its weight, then of its bias, without weight
    /// decay. Zero where the net does not use a parameter.
    pub layers: Vec<Vec<f32>>,
}

/// Loss and gradient of `net` with `parameters` on `images` `[n, 3, 32, 32]` (outside any graph).
///
/// Batch norms go by the statistics of these images, as in training; nothing is changed. What is
/// not a number stays so.
pub fn layer_gradients(
    net: &dyn Architecture,
    parameters: &Parameters,
    images: Tensor<4>,
    labels: &[i64],
) -> LayerGradients {
    let mut pass = Pass::training(parameters);
    let logits = net.forward(&mut pass, images.autodiff());
    let loss = ops::cross_entropy(logits, labels);
    let gradients = pass.into_gradients(loss.backward());
    let gradients = parameters.trained.iter().zip(gradients).map(|(parameter, gradient)| {
        let size = parameter.value.dims()[0];
        gradient.map_or_else(|| vec![0.0; size], |gradient| host(&gradient))
    });
    let layers = by_layer(parameters, gradients);
    LayerGradients { loss: f64::from(loss.inner().into_scalar::<f32>()), layers }
}

/// gᵀH_ll g of each layer on these images: g is the layer's gradient there, H_ll the Hessian of the
/// loss by the parameters of the layer alone.
///
/// Costs 1 + 2·layers gradients. 0 where the gradient is 0, NaN where weights or gradient are no
/// finite numbers. Where a layer's gradient is tiny, as in early layers at the start of training,
/// units that switch within the difference matter more than the curvature between them: the figure
/// then says little, not even by its sign.
pub fn curvature_along_gradient(
    net: &dyn Architecture,
    parameters: &Parameters,
    images: Tensor<4>,
    labels: &[i64],
) -> Vec<f64> {
    let gradients = layer_gradients(net, parameters, images.clone(), labels).layers;
    curvature_along(net, parameters, images, labels, &gradients, RELATIVE_STEP)
}

pub(super) fn curvature_along(
    net: &dyn Architecture,
    parameters: &Parameters,
    images: Tensor<4>,
    labels: &[i64],
    gradients: &[Vec<f32>],
    relative_step: f64,
) -> Vec<f64> {
    let weights = by_layer(parameters, parameters.trained.iter().map(|p| host(&p.value)));
    let along = |(layer, gradient): (usize, &Vec<f32>)| {
        let epsilon = step_length(&weights[layer], gradient, relative_step);
        let slope_at = |epsilon: f64| {
            let moved = displaced(parameters, &[(layer, gradient)], epsilon);
            let there = layer_gradients(net, &moved, images.clone(), labels);
            dot(&there.layers[layer], gradient)
        };
        match epsilon {
            Some(epsilon) => (slope_at(epsilon) - slope_at(-epsilon)) / (2.0 * epsilon),
            None if gradient.iter().all(|value| *value == 0.0) => 0.0,
            None => f64::NAN,
        }
    };
    gradients.iter().enumerate().map(along).collect()
}

/// ε for which a layer moves along `direction` by the share `relative_step` of its norm (by
/// `relative_step` itself if its weights are zero); none if there is no such finite number.
pub(super) fn step_length(weights: &[f32], direction: &[f32], relative_step: f64) -> Option<f64> {
    let scale = match norm(weights) {
        0.0 => 1.0,
        scale => scale,
    };
    let epsilon = relative_step * scale / norm(direction);
    (epsilon.is_finite() && epsilon > 0.0).then_some(epsilon)
}

/// Vectors of the trained tensors, in their order, as vectors of the layers: weight, then bias.
pub(super) fn by_layer(
    parameters: &Parameters,
    tensors: impl IntoIterator<Item = Vec<f32>>,
) -> Vec<Vec<f32>> {
    let mut layers = vec![Vec::new(); parameters.layers.len()];
    for (parameter, tensor) in parameters.trained.iter().zip(tensors) {
        layers[parameter.layer].extend(tensor);
    }
    layers
}

/// A copy of `parameters` in which each of these layers has moved by `factor` times its direction
/// (weight, then bias).
pub(super) fn displaced(
    parameters: &Parameters,
    directions: &[(usize, &[f32])],
    factor: f64,
) -> Parameters {
    let mut moved = parameters.clone();
    for (layer, direction) in directions {
        let mut rest = *direction;
        for parameter in moved.trained.iter_mut().filter(|p| p.layer == *layer) {
            let (own, others) = rest.split_at(parameter.value.dims()[0]);
            rest = others;
            let by = vector(own.to_vec(), &parameters.device).mul_scalar(factor);
            parameter.value = parameter.value.clone() + by;
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic::{Size, dataset};
    use crate::data::{Batches, IMAGE};
    use crate::net::{NetOptions, build};
    use burn::tensor::TensorData;

    fn images(count: u32) -> (Tensor<4>, Vec<i64>) {
        let data = dataset(Size { train: count as usize, test: 1 });
        let indices: Vec<u32> = (0..count).collect();
        let mut batches = Batches::new(&data.train, &indices, count as usize).unwrap();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        batches.next_into(&mut pixels, &mut labels);
        let shape = [pixels.len() / IMAGE, 3, 32, 32];
        let data = TensorData::new(pixels, shape);
        (Tensor::from_data(data, &crate::device::test_device()), labels)
    }

    /// The directional derivative of the loss, by differences of losses.
    #[test]
    fn gradients_are_those_of_the_loss_layer_by_layer() {
        for name in ["tutorial", "vgg-bn"] {
            let net = build(name, &NetOptions::default()).unwrap();
            let device = crate::device::test_device();
            let parameters = Parameters::initialise(net.as_ref(), 3, &device);
            let (images, labels) = images(8);
            let at = layer_gradients(net.as_ref(), &parameters, images.clone(), &labels);
            let sizes: Vec<_> = parameters.layers.iter().map(|l| l.parameter_count()).collect();
            assert_eq!(at.layers.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
            for (layer, gradient) in at.layers.iter().enumerate() {
                let length = dot(gradient, gradient).sqrt();
                // Too little slope to measure by losses in single precision.
                if length < 1e-2 {
                    continue;
                }
                let step = 1e-3 / length;
                let loss = |factor: f64| {
                    let moved = displaced(&parameters, &[(layer, gradient)], factor);
                    layer_gradients(net.as_ref(), &moved, images.clone(), &labels).loss
                };
                let slope = (loss(step) - loss(-step)) / (2.0 * step);
                let exact = length * length;
                assert!((slope / exact - 1.0).abs() < 0.03, "{name} {layer}: {slope} {exact}");
            }
        }
    }

    #[test]
    fn weights_that_are_no_numbers_have_no_curvature() {
        let net = build("tutorial", &NetOptions::default()).unwrap();
        let net = net.as_ref();
        let mut parameters = Parameters::initialise(net, 3, &crate::device::test_device());
        let (images, labels) = images(8);
        let net_curvature = |gradients: &[Vec<f32>]| {
            let images = images.clone();
            curvature_along(net, &parameters, images, &labels, gradients, RELATIVE_STEP)
        };
        let zero: Vec<Vec<f32>> =
            parameters.layers.iter().map(|l| vec![0.0; l.parameter_count()]).collect();
        assert_eq!(net_curvature(&zero), [0.0; 5]);
        let broken = &mut parameters.trained[2].value;
        *broken = broken.clone().mul_scalar(f64::NAN);
        let at = layer_gradients(net, &parameters, images.clone(), &labels);
        assert!(at.loss.is_nan());
        let along = curvature_along_gradient(net, &parameters, images, &labels);
        assert!(along[1].is_nan(), "{along:?}");
    }
}
