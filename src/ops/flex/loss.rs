//! Cross-entropy as one operation.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexTensor};

use super::super::kernel;
use super::{Opened, contiguous, open, sizes, tensor, values};

/// See [`crate::ops::cross_entropy`]; none where the kernels do not apply.
pub(in super::super) fn cross_entropy(logits: &Tensor<2>, labels: &[i64]) -> Option<Tensor<1>> {
    match open(logits)? {
        Opened::Plain(logits) => {
            let (loss, _) = forward(logits, labels);
            Some(Tensor::from_primitive::<Flex>(loss))
        }
        Opened::Tracked(logits) => {
            let nodes = [logits.node()];
            let (loss, gradient) = forward(logits.into_primitive(), labels);
            let prepared = LossBackward.prepare::<NoCheckpointing>(nodes);
            let loss = match prepared.compute_bound().stateful() {
                OpsKind::Tracked(prepared) => prepared.finish(Arc::new(gradient), loss),
                OpsKind::UnTracked(prepared) => prepared.finish(loss),
            };
            Some(Tensor::from_primitive::<Autodiff<Flex>>(loss))
        }
    }
}

/// The loss `[1]`, and its gradient by the logits.
fn forward(logits: FlexTensor, labels: &[i64]) -> (FlexTensor, FlexTensor) {
    let shape = sizes::<2>(&logits);
    let logits = contiguous(logits);
    let mut gradient = vec![0.0; values(&logits).len()];
    let loss = kernel::cross_entropy(values(&logits), labels, &mut gradient);
    (tensor(vec![loss], &[1]), tensor(gradient, &shape))
}

#[derive(Debug)]
struct LossBackward;

impl Backward<Flex, 1> for LossBackward {
    type State = Arc<FlexTensor>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let scale = gradients.consume::<Flex>(&ops.node);
        let scale = values(&contiguous(scale))[0];
        let [Some(node)] = ops.parents else { return };
        let gradient = FlexTensor::clone(&ops.state);
        // A loss that is itself the end of the graph has gradient 1: nothing to scale.
        let gradient = if scale == 1.0 {
            gradient
        } else {
            let scaled = values(&gradient).iter().map(|value| value * scale).collect();
            tensor(scaled, &sizes::<2>(&gradient))
        };
        gradients.register::<Flex>(node.id, gradient);
    }
}
