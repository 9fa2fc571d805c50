//! The operations by our own kernels, as Burn operations on Flex with hand-written backward passes.
//!
//! Each function gives `None` where the kernels do not apply (another backend, another element
//! type, tensors that are partly off the graph); the caller then uses Burn's own operations.
//!
//! Image tensors are `[n, c, h, w]` to Burn, but lie in memory as `[n, h, w, c]` between two of
//! our operations: a permuted view, so nothing is copied and any other operation still works.

mod classifier;
mod conv;
mod loss;
mod norm;
mod reuse;
mod update;

use burn::backend::Autodiff;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

use super::kernel::Layout;

pub(super) use classifier::classifier;
pub(super) use conv::conv_block;
pub(super) use loss::cross_entropy;
pub(super) use norm::batch_norm_training;
pub(super) use update::{adamw, sgd, takes};

/// A tensor of Flex on a graph.
type Tracked = FloatTensor<Autodiff<Flex>>;

/// A tensor of Flex, on a graph or off it.
#[derive(Clone, Debug)]
enum Opened {
    /// Off any graph.
    Plain(FlexTensor),
    /// On a graph, perhaps as a constant.
    Tracked(Tracked),
}

/// Takes a tensor of any rank out of its wrappers; none if it is not of Flex or not f32.
fn open<const D: usize>(tensor: &Tensor<D>) -> Option<Opened> {
    let tensor = tensor.clone();
    if tensor.dtype() != DType::F32 {
        return None;
    }
    if tensor.is_autodiff() {
        tensor.try_into_primitive::<Autodiff<Flex>>().ok().map(Opened::Tracked)
    } else {
        tensor.try_into_primitive::<Flex>().ok().map(Opened::Plain)
    }
}

impl Opened {
    fn plain(self) -> Option<FlexTensor> {
        match self {
            Self::Plain(tensor) => Some(tensor),
            Self::Tracked(_) => None,
        }
    }

    fn tracked(self) -> Option<Tracked> {
        match self {
            Self::Tracked(tensor) => Some(tensor),
            Self::Plain(_) => None,
        }
    }
}

/// The memory of a plain tensor that nothing else holds; none where there is none to be had.
pub(super) fn reclaim<const D: usize>(tensor: Tensor<D>) -> Option<Vec<f32>> {
    if tensor.dtype() != DType::F32 || tensor.is_autodiff() {
        return None;
    }
    into_vector(tensor.try_into_primitive::<Flex>().ok()?)
}

/// The memory of a contiguous tensor of `f32` that nothing else holds.
fn into_vector(tensor: FlexTensor) -> Option<Vec<f32>> {
    let movable = tensor.is_unique() && tensor.is_contiguous();
    if movable { tensor.into_data().try_into_vec().ok() } else { None }
}

/// A contiguous tensor of `values`.
fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape.to_vec())))
}

/// Values of a contiguous tensor.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("made contiguous before")
}

/// The tensor itself if it is contiguous, else a contiguous copy.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// The sizes of a tensor of known rank.
fn sizes<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    std::array::from_fn(|axis| tensor.layout().shape()[axis])
}

/// Finds how an image tensor lies in memory; gives its storage as a contiguous tensor.
fn stored(image: FlexTensor) -> (FlexTensor, Layout) {
    if image.is_contiguous() {
        return (image, Layout::Nchw);
    }
    let nhwc = image.permute(&[0, 2, 3, 1]);
    if nhwc.is_contiguous() { (nhwc, Layout::Nhwc) } else { (image.to_contiguous(), Layout::Nchw) }
}

/// The storage of an image tensor as `[n, h, w, c]`, copied if it lies otherwise.
fn as_nhwc(image: FlexTensor) -> FlexTensor {
    contiguous(image.permute(&[0, 2, 3, 1]))
}

/// An image tensor `[n, c, h, w]` from values in either layout.
fn image(
    values: Vec<f32>,
    [batch, channels, height, width]: [usize; 4],
    layout: Layout,
) -> FlexTensor {
    match layout {
        Layout::Nchw => tensor(values, &[batch, channels, height, width]),
        Layout::Nhwc => tensor(values, &[batch, height, width, channels]).permute(&[0, 3, 1, 2]),
    }
}

/// Shares of the work for the threads of the current pool; results do not depend on it.
fn threads() -> usize {
    rayon::current_num_threads()
}
