//! Flattening and a stack of linear layers as one operation.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexTensor};

use super::super::kernel::{Layout, Linear, LinearGradient, Mlp, transpose_images};
use super::reuse::{give, give_tensor, take};
use super::{Opened, Tracked, contiguous, image, open, sizes, stored, tensor, threads, values};

/// See [`crate::ops::classifier`]; none where the kernels do not apply.
pub(in super::super) fn classifier(
    x: &Tensor<4>,
    layers: &[(Tensor<2>, Tensor<1>)],
) -> Option<Tensor<2>> {
    let opened = layers.iter().map(|(weight, bias)| Some([open(weight)?, open(bias)?]));
    let opened = opened.collect::<Option<Vec<_>>>()?;
    match open(x)? {
        Opened::Plain(x) => {
            let plain = opened.into_iter().flatten().map(Opened::plain).collect::<Option<_>>()?;
            let state = State::forward(x, plain);
            Some(Tensor::from_primitive::<Flex>(state.logits()))
        }
        Opened::Tracked(x) => {
            let tracked: Vec<_> =
                opened.into_iter().flatten().map(Opened::tracked).collect::<Option<_>>()?;
            // One implementation for each number of nodes: the input, and two a layer.
            let logits = match tracked.len() {
                2 => run::<3>(x, tracked),
                4 => run::<5>(x, tracked),
                6 => run::<7>(x, tracked),
                8 => run::<9>(x, tracked),
                _ => return None,
            };
            Some(Tensor::from_primitive::<Autodiff<Flex>>(logits))
        }
    }
}

fn run<const N: usize>(x: Tracked, parameters: Vec<Tracked>) -> Tracked {
    let mut nodes = std::iter::once(x.node()).chain(parameters.iter().map(Tracked::node));
    let nodes: [NodeGuard; N] =
        std::array::from_fn(|_| nodes.next().expect("the caller chose N by their number"));
    let parameters = parameters.into_iter().map(Tracked::into_primitive).collect();
    let state = State::forward(x.into_primitive(), parameters);
    let logits = state.logits();
    match ClassifierBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(Arc::new(state), logits),
        OpsKind::UnTracked(prepared) => prepared.finish(logits),
    }
}

/// A forward pass and all that its backward pass needs.
#[derive(Debug)]
struct State {
    /// Sizes of the input before flattening, and how it lay in memory.
    sizes: [usize; 4],
    layout: Layout,
    /// Flattened input in PyTorch's order: channel, row, column.
    input: FlexTensor,
    /// Weight and bias of each layer.
    parameters: Vec<FlexTensor>,
    /// Outputs of all layers, one after the other.
    activations: Vec<f32>,
}

impl State {
    fn forward(x: FlexTensor, parameters: Vec<FlexTensor>) -> Self {
        let sizes = sizes(&x);
        let (x, layout) = stored(x);
        let input = match layout {
            Layout::Nchw => x,
            Layout::Nhwc => {
                let [batch, channels, height, width] = sizes;
                let pixels = height * width;
                let mut turned = take(values(&x).len());
                transpose_images(values(&x), pixels, channels, &mut turned);
                tensor(turned, &[batch, channels * pixels])
            }
        };
        let parameters = parameters.into_iter().map(contiguous).collect();
        let mut state = Self { sizes, layout, input, parameters, activations: Vec::new() };
        let layers = state.layers();
        let mlp = Mlp { layers: &layers, batch: sizes[0], threads: threads() };
        let mut activations = take(mlp.activations_len());
        mlp.forward(values(&state.input), &mut activations);
        drop(layers);
        state.activations = activations;
        state
    }

    fn layers(&self) -> Vec<Linear<'_>> {
        let pairs = self.parameters.chunks_exact(2);
        pairs.map(|pair| Linear { weight: values(&pair[0]), bias: values(&pair[1]) }).collect()
    }

    fn logits(&self) -> FlexTensor {
        let classes = self.parameters.last().map_or(0, |bias| values(bias).len());
        let batch = self.sizes[0];
        let logits = &self.activations[self.activations.len() - batch * classes..];
        tensor(logits.to_vec(), &[batch, classes])
    }
}

#[derive(Debug)]
struct ClassifierBackward;

impl<const N: usize> Backward<Flex, N> for ClassifierBackward {
    type State = Arc<State>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let state = ops.state;
        let layers = state.layers();
        let mlp = Mlp { layers: &layers, batch: state.sizes[0], threads: threads() };
        let mut to_parameters: Vec<Vec<f32>> =
            state.parameters.iter().map(|parameter| take(values(parameter).len())).collect();
        let mut to: Vec<_> = to_parameters
            .chunks_exact_mut(2)
            .map(|pair| {
                let [weight, bias] = pair else { unreachable!("chunks of two") };
                LinearGradient { weight, bias }
            })
            .collect();
        let mut nodes = ops.parents.into_iter();
        let input_node = nodes.next().flatten();
        let mut to_input = input_node.is_some().then(|| take(values(&state.input).len()));
        mlp.backward(
            values(&state.input),
            &state.activations,
            values(&gradient),
            &mut to,
            to_input.as_deref_mut(),
        );
        if let (Some(node), Some(to_input)) = (input_node, to_input) {
            let [_, channels, height, width] = state.sizes;
            let values = match state.layout {
                Layout::Nchw => to_input,
                Layout::Nhwc => {
                    let mut turned = take(to_input.len());
                    transpose_images(&to_input, channels, height * width, &mut turned);
                    give(to_input);
                    turned
                }
            };
            gradients.register::<Flex>(node.id, image(values, state.sizes, state.layout));
        }
        for ((node, values), parameter) in nodes.zip(to_parameters).zip(&state.parameters) {
            if let Some(node) = node {
                let shape: Vec<usize> = parameter.layout().shape().iter().copied().collect();
                gradients.register::<Flex>(node.id, tensor(values, &shape));
            }
        }
        drop(layers);
        give_tensor(gradient);
        if let Some(state) = Arc::into_inner(state) {
            give_tensor(state.input);
            give(state.activations);
        }
    }
}
