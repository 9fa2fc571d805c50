//! Convolution, bias, ReLU and 2x2 max-pool as one operation, forward and backward.

use super::conv_narrow_fir::{Differences, PartPlanes};
use super::conv_wide::Epilogue;
use super::conv_wide_fir::PartRecords;
use super::fast_fir::{self, Bounded, PackParts};
use super::pack::{self, Direction, PadImage, Transpose};
use super::parallel::{run_all, share};
use super::scratch::Scratch;
use super::shape::{ConvShape, Layout};
use super::width::Vectors;
use super::{conv_backward, conv_narrow, conv_narrow_fir, conv_wide, conv_wide_fir};

/// A convolution with what follows it.
#[derive(Clone, Copy, Debug)]
pub struct ConvBlock {
    /// Sizes of the convolution; ask [`ConvShape::supports`] first.
    pub shape: ConvShape,
    /// Whether ReLU follows.
    pub relu: bool,
    /// Whether a 2x2 max-pool with stride 2 follows; an odd last row or column is dropped.
    pub pool: bool,
    /// Layout of the input and of its gradient.
    pub input: Layout,
    /// Layout of the output and of its gradient.
    pub output: Layout,
    /// 1, or the number of shares for the current rayon pool. The result does not depend on it.
    pub threads: usize,
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    /// Input of the block.
    pub input: &'a [f32],
    /// Weights, `[out, in, row, column]`.
    pub weight: &'a [f32],
    /// Output of the block; it tells where ReLU was zero. Not read without ReLU.
    pub output: &'a [f32],
    /// Places of the maxima, as [`ConvBlock::forward`] wrote them. Not read without a pool.
    pub places: &'a [u8],
}

/// Where the backward pass writes; nothing is accumulated.
pub struct Gradients<'a> {
    /// Gradient of the input, if wanted.
    pub input: Option<&'a mut [f32]>,
    /// Gradient of the weights, `[out, in, row, column]`.
    pub weight: &'a mut [f32],
    /// Gradient of the bias, if wanted.
    pub bias: Option<&'a mut [f32]>,
}

impl ConvBlock {
    /// Rows and columns of the output.
    pub fn out_size(&self) -> [usize; 2] {
        self.shape.conv_size().map(|size| if self.pool { size / 2 } else { size })
    }

    /// Values in the output, and bytes of `places` with a pool.
    pub fn out_len(&self) -> usize {
        self.shape.batch * self.out_image_len()
    }

    pub(super) fn out_image_len(&self) -> usize {
        self.shape.out_channels * self.out_size()[0] * self.out_size()[1]
    }

    /// Computes the block.
    ///
    /// `weight` is `[out, in, row, column]`, `bias` `[out]`. `output` receives
    /// [`ConvBlock::out_len`] values in the layout `self.output`. With a pool, `places` receives
    /// as many bytes, always NHWC: where in its window each maximum was (0 to 3, row by row).
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn forward(
        &self,
        input: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        output: &mut [f32],
        places: &mut [u8],
    ) {
        let shape = &self.shape;
        assert!(shape.supports(), "{shape:?}");
        assert_eq!(input.len(), shape.input_len(), "input");
        assert_eq!(weight.len(), shape.weight_len(), "weight");
        assert!(bias.is_none_or(|bias| bias.len() == shape.out_channels), "bias");
        assert_eq!(output.len(), self.out_len(), "output");
        assert_eq!(places.len(), if self.pool { self.out_len() } else { 0 }, "places");
        if self.out_len() > 0 {
            let path = Path::new(self, Vectors::current(), weight);
            self.compute(path, input, weight, bias, output, places);
        }
    }

    fn compute(
        &self,
        path: Path,
        input: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        output: &mut [f32],
        places: &mut [u8],
    ) {
        let shape = &self.shape;
        let packed = path.pack(shape, weight);
        let mut padded_bias = Scratch::zeroed(shape.out_channels + 32);
        if let Some(bias) = bias {
            padded_bias[..bias.len()].copy_from_slice(bias);
        }
        let shared = Shared { path, packed: &packed, padded_bias: &padded_bias, weight, bias };
        let images = share(shape.batch, self.threads);
        let places_len = if self.pool { images * self.out_image_len() } else { 1 };
        let tasks = input
            .chunks(images * shape.image_len())
            .zip(output.chunks_mut(images * self.out_image_len()));
        // Without a pool there are no places to share out; every task then gets none.
        let places = places.chunks_mut(places_len).map(Some).chain(std::iter::repeat_with(|| None));
        run_all(self.threads, tasks.zip(places), |((input, output), places)| {
            forward_images(self, shared, input, output, places.unwrap_or_default());
        });
    }

    /// Computes the gradients from that of the output.
    ///
    /// Values that are not finite spread as in Burn and PyTorch: zero times infinity is NaN. The
    /// fast path skips zeros, so a plain loop takes over when the input, the weights or the
    /// gradient hold one.
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn backward(&self, saved: Saved, gradient: &[f32], to: Gradients) {
        let shape = &self.shape;
        assert!(shape.supports(), "{shape:?}");
        assert_eq!(saved.input.len(), shape.input_len(), "input");
        assert_eq!(saved.weight.len(), shape.weight_len(), "weight");
        assert_eq!(gradient.len(), self.out_len(), "gradient");
        assert!(!self.relu || saved.output.len() == self.out_len(), "output");
        assert!(!self.pool || saved.places.len() == self.out_len(), "places");
        assert!(to.input.as_ref().is_none_or(|to| to.len() == shape.input_len()), "input gradient");
        assert_eq!(to.weight.len(), shape.weight_len(), "weight gradient");
        assert!(to.bias.as_ref().is_none_or(|to| to.len() == shape.out_channels), "bias gradient");

        conv_backward::backward(self, saved, gradient, to);
    }
}

/// How a forward pass is computed; every image of a call starts on the same path.
#[derive(Clone, Copy)]
struct Path {
    vectors: Vectors,
    /// Lanes are pixels, else output channels.
    narrow: bool,
    /// By the fast FIR algorithm.
    fast: bool,
}

impl Path {
    fn new(block: &ConvBlock, vectors: Vectors, weight: &[f32]) -> Self {
        let narrow = conv_narrow::suits(&block.shape, vectors.lanes());
        let pays = if narrow { conv_narrow_fir::pays } else { conv_wide_fir::pays };
        let fast = block.pool && pays(&block.shape, vectors.lanes());
        Path { vectors, narrow, fast: fast && vectors.run(Bounded(weight)) }
    }

    /// The weights in the order in which this path reads them.
    fn pack(self, shape: &ConvShape, weight: &[f32]) -> Scratch {
        let lanes = self.vectors.lanes();
        let mut packed = Scratch::take(if self.narrow {
            shape.weight_len()
        } else {
            pack::weights_len(lanes, shape.out_channels, shape.patch_len())
        });
        if self.narrow {
            conv_narrow::pack_weights(shape, weight, &mut packed);
        } else {
            pack::pack_weights(lanes, shape, Direction::Forward, weight, &mut packed);
        }
        if !self.fast {
            return packed;
        }
        if !self.narrow {
            let mut parts = Scratch::take(conv_wide_fir::weights_len(lanes, shape));
            conv_wide_fir::pack_parts(self.vectors, shape, &packed, &mut parts);
            return parts;
        }
        let taps = shape.in_channels * fast_fir::taps(shape);
        let mut parts = Scratch::take(taps * shape.out_channels);
        self.vectors.run(PackParts {
            kernel: shape.kernel,
            tap: shape.out_channels,
            from: &packed,
            to: &mut parts,
        });
        parts
    }
}

/// What all images of a forward pass share.
#[derive(Clone, Copy)]
struct Shared<'a> {
    path: Path,
    packed: &'a [f32],
    padded_bias: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
}

fn forward_images(
    block: &ConvBlock,
    shared: Shared,
    input: &[f32],
    output: &mut [f32],
    places: &mut [u8],
) {
    let shape = &block.shape;
    let Path { vectors, narrow, fast } = shared.path;
    let planes = conv_narrow::Planes::new(shape, block.pool && !fast);
    let part_planes = PartPlanes::new(shape, vectors.lanes());
    let records = PartRecords::new(shape);
    let layout = if narrow && fast { Layout::Nchw } else { Layout::Nhwc };
    let as_it_is = block.input == layout && shape.padding == [0, 0];
    let mut buffer = Scratch::take(match (narrow, as_it_is) {
        (true, false) => planes.buffer_len(vectors.lanes()),
        (true, true) if !fast => planes.buffer_len(vectors.lanes()),
        (false, false) => shape.padded_len(),
        (_, true) => 0,
    });
    let mut parts = Scratch::take(match (narrow, fast) {
        (_, false) => 0,
        (true, true) => part_planes.buffer_len(vectors.lanes()),
        (false, true) => records.buffer_len(),
    });
    let out_len = block.out_image_len();
    let mut nhwc = Scratch::take(if block.output == Layout::Nchw { out_len } else { 0 });
    let epilogue = Epilogue { bias: shared.padded_bias, relu: block.relu, pool: block.pool };
    let weights = shared.packed;
    let images = input.chunks_exact(shape.image_len()).zip(output.chunks_exact_mut(out_len));
    for (index, (input, output)) in images.enumerate() {
        let places = if block.pool { &mut places[index * out_len..][..out_len] } else { &mut [] };
        if fast && !vectors.run(Bounded(input)) {
            let one = ConvBlock { shape: ConvShape { batch: 1, ..*shape }, threads: 1, ..*block };
            let path = Path { fast: false, ..shared.path };
            one.compute(path, input, shared.weight, shared.bias, output, places);
            continue;
        }
        let target = if block.output == Layout::Nchw { &mut *nhwc } else { &mut *output };
        if narrow && fast {
            let mut image = input;
            if !as_it_is {
                let to = &mut *buffer;
                let layout = block.input;
                vectors.run(conv_narrow::Fill { planes, shape, layout, image, to });
                image = &buffer;
            }
            let planes = part_planes;
            vectors.run(Differences { planes, shape, image, to: &mut parts });
            vectors.run(conv_narrow_fir::ForwardImage {
                shape,
                planes,
                image: &parts,
                weights,
                epilogue,
                output: target,
                places,
            });
        } else if narrow {
            let to = &mut *buffer;
            vectors.run(conv_narrow::Fill { planes, shape, layout: block.input, image: input, to });
            vectors.run(conv_narrow::ForwardImage {
                shape,
                planes,
                image: &buffer,
                weights,
                epilogue,
                output: target,
                places,
            });
        } else {
            let mut image = input;
            if !as_it_is {
                let to = &mut *buffer;
                vectors.run(PadImage { shape, layout: block.input, image: input, to });
                image = &buffer;
            }
            if fast {
                let to = &mut *parts;
                vectors.run(conv_wide_fir::Differences { records, shape, image, to });
                vectors.run(conv_wide_fir::ForwardImage {
                    shape,
                    records,
                    image: &parts,
                    weights,
                    epilogue,
                    output: target,
                    places,
                });
            } else {
                vectors.run(conv_wide::ForwardImage {
                    shape,
                    image,
                    weights,
                    epilogue,
                    output: target,
                    places,
                });
            }
        }
        if block.output == Layout::Nchw {
            let (rows, columns) = (out_len / shape.out_channels, shape.out_channels);
            vectors.run(Transpose { from: &nhwc, rows, columns, to: output });
        }
    }
}
