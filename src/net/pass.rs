//! One forward pass of a net through its parameters.

use burn::tensor::activation::relu;
use burn::tensor::{Gradients, Tensor};

use super::{Parameters, Role};
use crate::ops::{self, Activation, BatchStatistics, ConvGeometry};

/// A parameter in its shape; in a training pass, a leaf of the autodiff graph.
#[derive(Clone, Debug)]
enum Leaf {
    Vector(Tensor<1>),
    Matrix(Tensor<2>),
    Kernels(Tensor<4>),
}

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Batch statistics; gradients are recorded.
    Train,
    /// Running statistics, no graph.
    Evaluate,
    /// Batch statistics, no graph; notes which ReLU outputs are dead.
    Probe,
}

/// One forward pass: hands each layer's parameters to [`crate::ops`] by the layer's name.
///
/// Asking for a layer that the net did not list is a mistake in the net's own file and panics.
#[derive(Debug)]
pub struct Pass<'a> {
    parameters: &'a Parameters,
    leaves: Vec<Leaf>,
    mode: Mode,
    statistics: Vec<(usize, BatchStatistics, usize)>,
    dead: Vec<(usize, Tensor<1>)>,
}

impl<'a> Pass<'a> {
    /// A pass whose parameters are leaves of a new autodiff graph.
    pub fn training(parameters: &'a Parameters) -> Self {
        Self::new(parameters, Mode::Train)
    }

    /// A pass by the running statistics, without a graph.
    pub fn evaluation(parameters: &'a Parameters) -> Self {
        Self::new(parameters, Mode::Evaluate)
    }

    /// A pass by batch statistics, without a graph, that notes dead ReLU outputs.
    pub fn probe(parameters: &'a Parameters) -> Self {
        Self::new(parameters, Mode::Probe)
    }

    fn new(parameters: &'a Parameters, mode: Mode) -> Self {
        let leaves = parameters
            .trained
            .iter()
            .map(|parameter| {
                let value = parameter.value.clone();
                match *parameter.spec.shape.as_slice() {
                    [_] => Leaf::Vector(leaf(value, mode)),
                    [a, b] => Leaf::Matrix(leaf(value.reshape([a, b]), mode)),
                    [a, b, c, d] => Leaf::Kernels(leaf(value.reshape([a, b, c, d]), mode)),
                    ref shape => panic!("no layer kind has a parameter of shape {shape:?}"),
                }
            })
            .collect();
        Self { parameters, leaves, mode, statistics: Vec::new(), dead: Vec::new() }
    }

    /// The convolution called `layer` on `x` `[n, c, h, w]`, and `activation`.
    pub fn conv(
        &mut self,
        layer: &str,
        x: Tensor<4>,
        geometry: ConvGeometry,
        activation: Activation,
    ) -> Tensor<4> {
        let index = self.layer(layer);
        let Some(Leaf::Kernels(weight)) = self.leaf(index, Role::Weight) else {
            panic!("layer {layer} is no convolution");
        };
        let y = ops::conv_block(x, weight, self.vector(index, Role::Bias), geometry, activation);
        self.note_dead(index, &y, activation != Activation::Linear);
        y
    }

    /// The batch norm called `layer` on `x` `[n, c, h, w]`, and `activation`.
    pub fn batch_norm(&mut self, layer: &str, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let index = self.layer(layer);
        let parameters = (self.vector(index, Role::Weight), self.vector(index, Role::Bias));
        let (Some(gamma), Some(beta)) = parameters else {
            panic!("layer {layer} is no batch norm");
        };
        if self.mode == Mode::Evaluate {
            let statistics = self.running(index);
            return ops::batch_norm_inference(x, gamma, beta, statistics, activation);
        }
        let [batch, _, height, width] = x.dims();
        let (y, statistics) = ops::batch_norm_training(x, gamma, beta, activation);
        self.statistics.push((index, statistics, batch * height * width));
        self.note_dead(index, &y, activation != Activation::Linear);
        y
    }

    /// The linear layers called `layers` on `x` `[n, c, h, w]`, flattened, with ReLU between them.
    pub fn classifier(&mut self, layers: &[&str], x: Tensor<4>) -> Tensor<2> {
        let mut stack = Vec::with_capacity(layers.len());
        for layer in layers {
            let index = self.layer(layer);
            let bias = self.vector(index, Role::Bias);
            let (Some(Leaf::Matrix(weight)), Some(bias)) = (self.leaf(index, Role::Weight), bias)
            else {
                panic!("layer {layer} is no linear layer");
            };
            stack.push((weight, bias));
        }
        if self.mode == Mode::Probe {
            self.probe_hidden(layers, x.clone(), &stack);
        }
        ops::classifier(x, stack)
    }

    /// Looks at the hidden units layer by layer.
    fn probe_hidden(&mut self, names: &[&str], x: Tensor<4>, stack: &[(Tensor<2>, Tensor<1>)]) {
        let mut x = x;
        for (name, layer) in names.iter().zip(stack).take(names.len().saturating_sub(1)) {
            let hidden = relu(ops::classifier(x, vec![layer.clone()]));
            self.note_dead(self.layer(name), &hidden, true);
            let [batch, units] = hidden.dims();
            x = hidden.reshape([batch, units, 1, 1]);
        }
    }

    /// Removes the gradients from `gradients`: one flat vector a parameter, in their order.
    ///
    /// A parameter that the forward pass did not use has no gradient: `None`.
    pub fn into_gradients(self, mut gradients: Gradients) -> Vec<Option<Tensor<1>>> {
        self.leaves
            .into_iter()
            .map(|leaf| match leaf {
                Leaf::Vector(leaf) => leaf.grad_remove(&mut gradients),
                Leaf::Matrix(leaf) => leaf.grad_remove(&mut gradients).map(flat),
                Leaf::Kernels(leaf) => leaf.grad_remove(&mut gradients).map(flat),
            })
            .collect()
    }

    /// Takes what [`Parameters::update_running`] wants to know of this pass.
    pub fn take_statistics(&mut self) -> Vec<(usize, BatchStatistics, usize)> {
        std::mem::take(&mut self.statistics)
    }

    /// Of a probe: layer and the share of its ReLU outputs (channel × position, after a pool) that
    /// are zero for every image of the batch.
    pub fn into_dead_fractions(self) -> Vec<(usize, Tensor<1>)> {
        self.dead
    }

    fn layer(&self, name: &str) -> usize {
        let known = self.parameters.layers.iter().position(|layer| layer.name == name);
        known.unwrap_or_else(|| panic!("the net uses layer {name:?} but does not list it"))
    }

    fn leaf(&self, layer: usize, role: Role) -> Option<Leaf> {
        let trained = &self.parameters.trained;
        let position = trained.iter().position(|p| p.layer == layer && p.spec.role == role)?;
        Some(self.leaves[position].clone())
    }

    fn vector(&self, layer: usize, role: Role) -> Option<Tensor<1>> {
        match self.leaf(layer, role) {
            Some(Leaf::Vector(vector)) => Some(vector),
            _ => None,
        }
    }

    fn running(&self, layer: usize) -> BatchStatistics {
        let running = self.parameters.running.iter().find(|running| running.layer == layer);
        let running = running.expect("every batch norm has running statistics");
        BatchStatistics { mean: running.mean.clone(), variance: running.variance.clone() }
    }

    fn note_dead<const D: usize>(&mut self, layer: usize, y: &Tensor<D>, relu: bool) {
        if self.mode == Mode::Probe && relu {
            let silent = y.clone().max_dim(0).lower_equal_elem(0.0);
            self.dead.push((layer, silent.float().mean()));
        }
    }
}

fn leaf<const D: usize>(value: Tensor<D>, mode: Mode) -> Tensor<D> {
    match mode {
        Mode::Train => value.autodiff().require_grad(),
        Mode::Evaluate | Mode::Probe => value,
    }
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let size = tensor.shape().num_elements();
    tensor.reshape([size])
}
