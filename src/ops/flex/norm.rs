//! Batch norm by the batch's own statistics, ReLU and max-pool as one operation.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexTensor};

use super::super::kernel::{Affine, BatchNorm, Layout, NormGradients, NormSaved, Statistics};
use super::super::{Activation, BATCH_NORM_EPSILON, BatchStatistics};
use super::reuse::{give_tensor, take};
use super::{Opened, as_nhwc, contiguous, image, open, sizes, tensor, threads, values};

/// See [`crate::ops::batch_norm_training`]; none where the kernels do not apply.
pub(in super::super) fn batch_norm_training(
    x: &Tensor<4>,
    gamma: &Tensor<1>,
    beta: &Tensor<1>,
    activation: Activation,
) -> Option<(Tensor<4>, BatchStatistics)> {
    match (open(x)?, open(gamma)?, open(beta)?) {
        (Opened::Plain(x), Opened::Plain(gamma), Opened::Plain(beta)) => {
            let (y, state) = forward(x, gamma, beta, activation)?;
            Some((Tensor::from_primitive::<Flex>(y), state.statistics()))
        }
        (Opened::Tracked(x), Opened::Tracked(gamma), Opened::Tracked(beta)) => {
            let nodes = [x.node(), gamma.node(), beta.node()];
            let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
            let (y, state) = forward(x.into_primitive(), gamma, beta, activation)?;
            let statistics = state.statistics();
            let prepared = NormBackward.prepare::<NoCheckpointing>(nodes);
            let y = match prepared.compute_bound().stateful() {
                OpsKind::Tracked(prepared) => prepared.finish(Arc::new(state), y),
                OpsKind::UnTracked(prepared) => prepared.finish(y),
            };
            Some((Tensor::from_primitive::<Autodiff<Flex>>(y), statistics))
        }
        _ => None,
    }
}

/// What the backward pass needs.
#[derive(Debug)]
struct State {
    norm: BatchNorm,
    /// Input as `[n, h, w, c]`.
    x: FlexTensor,
    gamma: FlexTensor,
    /// Output as `[n, h, w, c]`.
    y: FlexTensor,
    places: Vec<u8>,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

fn forward(
    x: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    activation: Activation,
) -> Option<(FlexTensor, State)> {
    let [batch, channels, height, width] = sizes(&x);
    let pool = activation == Activation::ReluMaxPool;
    if batch * channels * height * width == 0 || (pool && (height < 2 || width < 2)) {
        return None;
    }
    let norm = BatchNorm {
        batch,
        size: [height, width],
        channels,
        relu: activation != Activation::Linear,
        pool,
        epsilon: BATCH_NORM_EPSILON as f32,
        threads: threads(),
    };
    let (x, gamma, beta) = (as_nhwc(x), contiguous(gamma), contiguous(beta));
    let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
    let mut output = take(norm.out_len());
    let mut places = vec![0; if pool { norm.out_len() } else { 0 }];
    norm.forward(
        values(&x),
        Affine { weight: values(&gamma), bias: values(&beta) },
        Statistics { mean: &mut mean, variance: &mut variance },
        &mut output,
        &mut places,
    );
    let [height, width] = if pool { [height / 2, width / 2] } else { [height, width] };
    let y = image(output, [batch, channels, height, width], Layout::Nhwc);
    let state = State { norm, x, gamma, y: as_nhwc(y.clone()), places, mean, variance };
    Some((y, state))
}

impl State {
    fn statistics(&self) -> BatchStatistics {
        let vector = |values: &[f32]| {
            Tensor::from_primitive::<Flex>(tensor(values.to_vec(), &[values.len()]))
        };
        BatchStatistics { mean: vector(&self.mean), variance: vector(&self.variance) }
    }
}

#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 3> for NormBackward {
    type State = Arc<State>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = as_nhwc(gradients.consume::<Flex>(&ops.node));
        let State { norm, x, gamma, y, places, mean, variance } = &*ops.state;
        let mut to_x = take(values(x).len());
        let (mut to_gamma, mut to_beta) = (vec![0.0; norm.channels], vec![0.0; norm.channels]);
        let saved = NormSaved {
            input: values(x),
            weight: values(gamma),
            output: values(y),
            places,
            mean,
            variance,
        };
        let to = NormGradients { input: &mut to_x, weight: &mut to_gamma, bias: &mut to_beta };
        norm.backward(saved, values(&gradient), to);
        give_tensor(gradient);
        let [height, width] = norm.size;
        let shape = [norm.batch, norm.channels, height, width];
        let [x, gamma, beta] = ops.parents;
        let vector = |values| tensor(values, &[norm.channels]);
        for (node, gradient) in [
            (x, image(to_x, shape, Layout::Nhwc)),
            (gamma, vector(to_gamma)),
            (beta, vector(to_beta)),
        ] {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}
