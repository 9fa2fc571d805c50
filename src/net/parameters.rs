//! The parameters of a net: one flat tensor each, owned by exactly one layer.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;

use super::{Architecture, Layer, LayerKind, ParameterSpec, Role};
use crate::ops::BatchStatistics;
use crate::random::{Purpose, stream};

/// Share of the new batch in the running statistics: PyTorch's `momentum` of 0.1.
const RUNNING_MOMENTUM: f64 = 0.1;

/// A trained tensor.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Name, role and shape.
    pub spec: ParameterSpec,
    /// Index of its layer.
    pub layer: usize,
    /// Its values, flattened, outside of any autodiff graph.
    ///
    /// Flat, so that optimisers treat all ranks alike; a [`super::Pass`] gives it its shape.
    pub value: Tensor<1>,
}

/// Running mean and variance of one batch norm; both `[channels]`.
#[derive(Clone, Debug)]
pub struct RunningStatistics {
    /// Index of the layer.
    pub layer: usize,
    /// Its name.
    pub name: String,
    /// Running mean.
    pub mean: Tensor<1>,
    /// Running unbiased variance.
    pub variance: Tensor<1>,
    /// Batches seen.
    pub batches: u64,
}

/// Everything that training changes in a net.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The layers from input to output.
    pub layers: Vec<Layer>,
    /// Trained tensors in the order of the layers, weight before bias.
    pub trained: Vec<Parameter>,
    /// Running statistics in the order of the layers.
    pub running: Vec<RunningStatistics>,
    /// Where the tensors live.
    pub device: Device,
}

/// A tensor copied to the host, as files hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// PyTorch's name: `conv1.weight`, `bn1.running_mean`.
    pub name: String,
    /// Shape in memory.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

impl Parameters {
    /// Draws PyTorch's default initialisation, each layer from its own stream of `seed`.
    ///
    /// Convolutions and linear layers: weight and bias uniform on ±1/√fan_in (`kaiming_uniform_`
    /// with a = √5, `torch/nn/modules/{conv,linear}.py`). Batch norms: scale 1, shift 0.
    pub fn initialise(net: &dyn Architecture, seed: u64, device: &Device) -> Self {
        let layers = net.layers();
        let mut trained = Vec::new();
        let mut running = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let bound = 1.0 / (layer.fan_in() as f32).sqrt();
            let mut random = stream(seed, Purpose::Weights, index as u64);
            let norm = matches!(layer.kind, LayerKind::BatchNorm { .. });
            for spec in layer.parameters() {
                let size = spec.shape.iter().product();
                let values: Vec<f32> = match (norm, spec.role) {
                    (true, Role::Weight) => vec![1.0; size],
                    (true, Role::Bias) => vec![0.0; size],
                    (false, _) => (0..size).map(|_| random.random_range(-bound..bound)).collect(),
                };
                let value = vector(values, device);
                trained.push(Parameter { spec, layer: index, value });
            }
            if let LayerKind::BatchNorm { channels } = layer.kind {
                running.push(RunningStatistics {
                    layer: index,
                    name: layer.name.clone(),
                    mean: vector(vec![0.0; channels], device),
                    variance: vector(vec![1.0; channels], device),
                    batches: 0,
                });
            }
        }
        Self { layers, trained, running, device: device.clone() }
    }

    /// Moves the running statistics towards those of a batch of `count` values a channel.
    ///
    /// The variance enters without bias (n/(n−1)), as in PyTorch.
    pub fn update_running(&mut self, batches: Vec<(usize, BatchStatistics, usize)>) {
        for (layer, statistics, count) in batches {
            let Some(running) = self.running.iter_mut().find(|r| r.layer == layer) else {
                continue;
            };
            let unbiased = count as f64 / (count.max(2) - 1) as f64;
            let blend = |old: &Tensor<1>, new: Tensor<1>, scale: f64| {
                old.clone().mul_scalar(1.0 - RUNNING_MOMENTUM)
                    + new.mul_scalar(RUNNING_MOMENTUM * scale)
            };
            running.mean = blend(&running.mean, statistics.mean, 1.0);
            running.variance = blend(&running.variance, statistics.variance, unbiased);
            running.batches += 1;
        }
    }

    /// Multiplies the weights of convolutions and linear layers, not their biases, by `factor`.
    pub fn scale_weights(&mut self, factor: f64) {
        for parameter in &mut self.trained {
            let norm = matches!(self.layers[parameter.layer].kind, LayerKind::BatchNorm { .. });
            if parameter.spec.role == Role::Weight && !norm {
                parameter.value = parameter.value.clone().mul_scalar(factor);
            }
        }
    }

    /// Names of the layers from input to output.
    pub fn layer_names(&self) -> Vec<String> {
        self.layers.iter().map(|layer| layer.name.clone()).collect()
    }

    /// Copies all tensors to the host: trained ones first, then running statistics.
    pub fn to_host(&self) -> Vec<HostTensor> {
        let trained = self.trained.iter().map(|parameter| HostTensor {
            name: parameter.spec.name.clone(),
            shape: parameter.spec.shape.clone(),
            values: host(&parameter.value),
        });
        let running = self.running.iter().flat_map(|running| {
            [("running_mean", &running.mean), ("running_var", &running.variance)].map(
                |(suffix, value)| HostTensor {
                    name: format!("{}.{suffix}", running.name),
                    shape: value.dims().to_vec(),
                    values: host(value),
                },
            )
        });
        trained.chain(running).collect()
    }

    /// Takes the values of `tensors`, which must be those of [`Self::to_host`] in the same order.
    pub fn load_host(&mut self, tensors: Vec<HostTensor>) {
        let mut values = tensors.into_iter().map(|tensor| vector(tensor.values, &self.device));
        let mut next = |slot: &mut Tensor<1>| {
            if let Some(value) = values.next() {
                *slot = value;
            }
        };
        for parameter in &mut self.trained {
            next(&mut parameter.value);
        }
        for running in &mut self.running {
            next(&mut running.mean);
            next(&mut running.variance);
        }
    }
}

/// A vector on `device`.
pub fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let size = values.len();
    Tensor::from_data(TensorData::new(values, [size]), device)
}

/// Copies a vector to the host.
pub fn host(value: &Tensor<1>) -> Vec<f32> {
    value.to_data().try_to_vec().expect("tensors of this crate are f32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NetOptions, build};

    #[test]
    fn the_same_stream_gives_the_same_weights_within_pytorchs_bounds() {
        let net = build("tutorial", &NetOptions::default()).unwrap();
        let device = crate::device::test_device();
        let draw = |seed| Parameters::initialise(net.as_ref(), seed, &device).to_host();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let conv1 = &draw(1)[0];
        let bound = 1.0 / 75f32.sqrt();
        assert!(conv1.values.iter().all(|w| w.abs() <= bound));
        assert!(conv1.values.iter().any(|w| w.abs() > 0.9 * bound));
    }
}
