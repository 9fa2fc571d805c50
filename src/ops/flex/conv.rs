//! Convolution, bias, ReLU and max-pool as one operation.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexTensor};

use super::super::kernel::{ConvBlock, ConvShape, Gradients as KernelGradients, Layout, Saved};
use super::super::{Activation, ConvGeometry};
use super::reuse::{give_tensor, take};
use super::{
    Opened, Tracked, as_nhwc, contiguous, image, open, sizes, stored, tensor, threads, values,
};

/// See [`crate::ops::conv_block`]; none where the kernels do not apply.
pub(in super::super) fn conv_block(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    geometry: ConvGeometry,
    activation: Activation,
) -> Option<Tensor<4>> {
    let bias = match bias {
        Some(bias) => Some(open(bias)?),
        None => None,
    };
    match (open(x)?, open(weight)?) {
        (Opened::Plain(x), Opened::Plain(weight)) => {
            let bias = match bias {
                Some(bias) => Some(bias.plain()?),
                None => None,
            };
            let call = Call::new(x, weight, bias, geometry, activation)?;
            Some(Tensor::from_primitive::<Flex>(call.forward().0))
        }
        (Opened::Tracked(x), Opened::Tracked(weight)) => {
            let nodes = [x.node(), weight.node()];
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            let y = match bias {
                None => track(nodes, Call::new(x, weight, None, geometry, activation)?),
                Some(bias) => {
                    let bias = bias.tracked()?;
                    let [x_node, weight_node] = nodes;
                    let nodes = [x_node, weight_node, bias.node()];
                    let bias = Some(bias.into_primitive());
                    track(nodes, Call::new(x, weight, bias, geometry, activation)?)
                }
            };
            Some(Tensor::from_primitive::<Autodiff<Flex>>(y))
        }
        _ => None,
    }
}

/// Computes `call` and puts it on the graph behind `nodes`.
fn track<const N: usize>(nodes: [NodeGuard; N], call: Call) -> Tracked
where
    ConvBackward: Backward<Flex, N, State = Arc<State>>,
{
    let (y, state) = call.forward();
    match ConvBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

/// A convolution whose operands are contiguous.
struct Call {
    block: ConvBlock,
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
}

/// What the backward pass needs.
#[derive(Debug)]
struct State {
    block: ConvBlock,
    x: FlexTensor,
    weight: FlexTensor,
    y: FlexTensor,
    places: Vec<u8>,
    /// Input and weights were found to be finite.
    finite: bool,
}

impl Call {
    fn new(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        geometry: ConvGeometry,
        activation: Activation,
    ) -> Option<Self> {
        let [batch, in_channels, height, width] = sizes(&x);
        let [out_channels, _, kernel_height, kernel_width] = sizes(&weight);
        let (x, input) = stored(x);
        let shape = ConvShape {
            batch,
            in_channels,
            in_size: [height, width],
            out_channels,
            kernel: [kernel_height, kernel_width],
            stride: [geometry.stride; 2],
            padding: [geometry.padding; 2],
        };
        let block = ConvBlock {
            shape,
            relu: activation != Activation::Linear,
            pool: activation == Activation::ReluMaxPool,
            input,
            output: Layout::Nhwc,
            threads: threads(),
        };
        let weight = contiguous(weight);
        let bias = bias.map(contiguous);
        shape.supports().then_some(Self { block, x, weight, bias })
    }

    fn forward(self) -> (FlexTensor, Arc<State>) {
        let Self { block, x, weight, bias } = self;
        let mut output = take(block.out_len());
        let mut places = vec![0; if block.pool { block.out_len() } else { 0 }];
        let bias = bias.as_ref().map(values);
        let finite = block.forward(values(&x), values(&weight), bias, &mut output, &mut places);
        let [height, width] = block.out_size();
        let sizes = [block.shape.batch, block.shape.out_channels, height, width];
        let y = image(output, sizes, block.output);
        (y.clone(), Arc::new(State { block, x, weight, y, places, finite }))
    }
}

#[derive(Debug)]
struct ConvBackward;

/// With nodes of x and weight.
impl Backward<Flex, 2> for ConvBackward {
    type State = Arc<State>;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let [x, weight] = ops.parents;
        let to = State::backward(ops.state, gradient, x.is_some(), false);
        for (node, gradient) in [(x, to.x), (weight, Some(to.weight))] {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

/// With nodes of x, weight and bias.
impl Backward<Flex, 3> for ConvBackward {
    type State = Arc<State>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let [x, weight, bias] = ops.parents;
        let to = State::backward(ops.state, gradient, x.is_some(), bias.is_some());
        for (node, gradient) in [(x, to.x), (weight, Some(to.weight)), (bias, to.bias)] {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

/// Gradients of the operands; those that nobody wants are left out.
struct OperandGradients {
    x: Option<FlexTensor>,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
}

impl State {
    fn backward(
        state: Arc<Self>,
        gradient: FlexTensor,
        for_x: bool,
        for_bias: bool,
    ) -> OperandGradients {
        let block = state.block;
        let shape = &block.shape;
        let weight_sizes = sizes::<4>(&state.weight);
        let gradient = as_nhwc(gradient);
        let y = as_nhwc(state.y.clone());
        let mut to_x = for_x.then(|| take(shape.input_len()));
        let mut to_weight = take(shape.weight_len());
        let mut to_bias = for_bias.then(|| take(shape.out_channels));
        let saved = Saved {
            input: values(&state.x),
            weight: values(&state.weight),
            output: values(&y),
            places: &state.places,
            finite: state.finite,
        };
        let to = KernelGradients {
            input: to_x.as_deref_mut(),
            weight: &mut to_weight,
            bias: to_bias.as_deref_mut(),
        };
        block.backward(saved, values(&gradient), to);
        drop(state);
        give_tensor(gradient);
        give_tensor(y);
        let [height, width] = shape.in_size;
        let x_sizes = [shape.batch, shape.in_channels, height, width];
        OperandGradients {
            x: to_x.map(|to| image(to, x_sizes, block.input)),
            weight: tensor(to_weight, &weight_sizes),
            bias: to_bias.map(|to| tensor(to, &[shape.out_channels])),
        }
    }
}
