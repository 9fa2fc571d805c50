//! The forward pass of a convolution block: which way it goes, and what each way needs.

use std::sync::atomic::{AtomicBool, Ordering};

use super::conv_block::ConvBlock;
use super::conv_narrow::Planes;
use super::conv_narrow_fir::PartPlanes;
#[cfg(target_arch = "x86_64")]
use super::conv_narrow_rows::{self, GROUP, Group, Image};
use super::conv_wide::Epilogue;
use super::conv_wide_fir::PartRecords;
use super::fast_fir::{self, Bounded, PackParts};
use super::pack::{self, Direction, PadImage};
use super::parallel::{run_all, share};
use super::scratch::Scratch;
use super::shape::{ConvShape, Layout};
use super::transpose::Transpose;
use super::width::Vectors;
use super::{conv_narrow, conv_narrow_fir, conv_wide, conv_wide_fir};

/// Computes what [`ConvBlock::forward`] documents; lengths are checked there.
pub(super) fn forward(
    block: &ConvBlock,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    places: &mut [u8],
) -> bool {
    let vectors = Vectors::current();
    let plain = Way::plain(block, vectors);
    let fast = Way::fast(block, vectors);
    let bounded = || vectors.run(Bounded(weight)) && vectors.run(Bounded(bias.unwrap_or_default()));
    let way = fast.filter(|_| bounded()).unwrap_or(plain);
    Pass { block, vectors, weight, bias }.run(way, input, output, places)
}

/// How to convolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Lanes are output channels: `conv_wide.rs`.
    Wide,
    /// The same by the fast FIR algorithm: `conv_wide_fir.rs`.
    WideFir,
    /// Lanes are pixels: `conv_narrow.rs`.
    Narrow,
    /// The same by the fast FIR algorithm: `conv_narrow_fir.rs`.
    NarrowFir,
    /// The same, four rows at once: `conv_narrow_rows.rs`.
    #[cfg(target_arch = "x86_64")]
    NarrowRows,
}

impl Way {
    /// For any values.
    fn plain(block: &ConvBlock, vectors: Vectors) -> Self {
        if conv_narrow::suits(&block.shape, vectors.lanes()) { Way::Narrow } else { Way::Wide }
    }

    /// Whether it is only for values that [`Bounded`] admits.
    fn is_fast(self) -> bool {
        !matches!(self, Way::Wide | Way::Narrow)
    }

    /// For values that [`Bounded`] admits, if one is faster.
    fn fast(block: &ConvBlock, vectors: Vectors) -> Option<Self> {
        let (shape, lanes) = (&block.shape, vectors.lanes());
        if !block.pool {
            return None;
        }
        match Way::plain(block, vectors) {
            #[cfg(target_arch = "x86_64")]
            Way::Narrow if conv_narrow_rows::pays(shape, lanes) => Some(Way::NarrowRows),
            Way::Narrow => conv_narrow_fir::pays(shape, lanes).then_some(Way::NarrowFir),
            _ => conv_wide_fir::pays(shape, lanes).then_some(Way::WideFir),
        }
    }

    /// The weights in the order in which this way reads them.
    fn pack(self, shape: &ConvShape, vectors: Vectors, weight: &[f32]) -> Scratch {
        let lanes = vectors.lanes();
        match self {
            Way::Wide => {
                let (outs, patch) = (shape.out_channels, shape.patch_len());
                let mut packed = Scratch::take(pack::weights_len(lanes, outs, patch));
                pack::pack_weights(lanes, shape, Direction::Forward, weight, &mut packed);
                packed
            }
            Way::WideFir => {
                let packed = Way::Wide.pack(shape, vectors, weight);
                let mut parts = Scratch::take(conv_wide_fir::weights_len(lanes, shape));
                conv_wide_fir::pack_parts(vectors, shape, &packed, &mut parts);
                parts
            }
            Way::Narrow => {
                let mut packed = Scratch::take(shape.weight_len());
                conv_narrow::pack_weights(shape, weight, &mut packed);
                packed
            }
            Way::NarrowFir => {
                let packed = Way::Narrow.pack(shape, vectors, weight);
                let taps = shape.in_channels * fast_fir::taps(shape);
                let mut parts = Scratch::take(taps * shape.out_channels);
                let (kernel, tap) = (shape.kernel, shape.out_channels);
                vectors.run(PackParts { kernel, tap, from: &packed, to: &mut parts });
                parts
            }
            #[cfg(target_arch = "x86_64")]
            Way::NarrowRows => {
                let mut packed = Scratch::take(conv_narrow_rows::weights_len(shape));
                conv_narrow_rows::pack_weights(shape, weight, &mut packed);
                packed
            }
        }
    }
}

/// A forward pass.
#[derive(Clone, Copy)]
struct Pass<'a> {
    block: &'a ConvBlock,
    vectors: Vectors,
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
}

impl Pass<'_> {
    /// Gives whether all values were looked at and found to be finite.
    fn run(self, way: Way, input: &[f32], output: &mut [f32], places: &mut [u8]) -> bool {
        let block = self.block;
        let shape = &block.shape;
        let packed = way.pack(shape, self.vectors, self.weight);
        let mut bias = Scratch::zeroed(shape.out_channels + 32);
        if let Some(from) = self.bias {
            bias[..from.len()].copy_from_slice(from);
        }
        let epilogue = Epilogue { bias: &bias, relu: block.relu, pool: block.pool };
        let images = share(shape.batch, block.threads);
        let places_len = if block.pool { images * block.out_image_len() } else { 1 };
        let tasks = input
            .chunks(images * shape.image_len())
            .zip(output.chunks_mut(images * block.out_image_len()));
        // Without a pool there are no places to share out; every task then gets none.
        let places = places.chunks_mut(places_len).map(Some).chain(std::iter::repeat_with(|| None));
        let finite = AtomicBool::new(way.is_fast());
        run_all(block.threads, tasks.zip(places), |((input, output), places)| {
            let images = Images { input, output, places: places.unwrap_or_default() };
            let all_fast = match way {
                #[cfg(target_arch = "x86_64")]
                Way::NarrowRows => self.by_rows(&packed, epilogue, images),
                _ => self.one_by_one(way, &packed, epilogue, images),
            };
            finite.fetch_and(all_fast, Ordering::Relaxed);
        });
        finite.into_inner()
    }

    /// One image by the way for any values.
    fn plainly(self, input: &[f32], output: &mut [f32], places: &mut [u8]) {
        let shape = ConvShape { batch: 1, ..self.block.shape };
        let block = &ConvBlock { shape, threads: 1, ..*self.block };
        Pass { block, ..self }.run(Way::plain(block, self.vectors), input, output, places);
    }

    /// Gives whether every image could go this way.
    fn one_by_one(self, way: Way, weights: &[f32], epilogue: Epilogue, images: Images) -> bool {
        let Pass { block, vectors, .. } = self;
        let shape = &block.shape;
        let lanes = vectors.lanes();
        let planes = Planes::new(shape, block.pool && way == Way::Narrow);
        let part_planes = PartPlanes::new(shape, lanes);
        let records = PartRecords::new(shape);
        // What a way reads, and whether the input is that already.
        let read = if way == Way::NarrowFir { Layout::Nchw } else { Layout::Nhwc };
        let as_it_is = way != Way::Narrow && block.input == read && shape.padding == [0, 0];
        let mut buffer = Scratch::take(match way {
            _ if as_it_is => 0,
            Way::Wide | Way::WideFir => shape.padded_len(),
            _ => planes.buffer_len(lanes),
        });
        let mut parts = Scratch::take(match way {
            Way::NarrowFir => part_planes.buffer_len(lanes),
            Way::WideFir => records.buffer_len(),
            _ => 0,
        });
        let out_len = block.out_image_len();
        let mut nhwc = Scratch::take(if block.output == Layout::Nchw { out_len } else { 0 });
        let Images { input, output, places } = images;
        let mut all = true;
        let images = input.chunks_exact(shape.image_len()).zip(output.chunks_exact_mut(out_len));
        for (index, (input, output)) in images.enumerate() {
            let places =
                if block.pool { &mut places[index * out_len..][..out_len] } else { &mut [] };
            if way.is_fast() && !vectors.run(Bounded(input)) {
                self.plainly(input, output, places);
                all = false;
                continue;
            }
            let mut image = input;
            if !as_it_is {
                let (layout, to) = (block.input, &mut *buffer);
                match way {
                    Way::Wide | Way::WideFir => vectors.run(PadImage { shape, layout, image, to }),
                    _ => vectors.run(conv_narrow::Fill { planes, shape, layout, image, to }),
                }
                image = &buffer;
            }
            let to = &mut *parts;
            match way {
                Way::WideFir => {
                    vectors.run(conv_wide_fir::Differences { records, shape, image, to });
                    image = &parts;
                }
                Way::NarrowFir => {
                    let planes = part_planes;
                    vectors.run(conv_narrow_fir::Differences { planes, shape, image, to });
                    image = &parts;
                }
                _ => {}
            }
            let nhwc_of_way = if block.output == Layout::Nchw { &mut *nhwc } else { &mut *output };
            match way {
                Way::Wide => vectors.run(conv_wide::ForwardImage {
                    shape,
                    image,
                    weights,
                    epilogue,
                    output: nhwc_of_way,
                    places,
                }),
                Way::WideFir => vectors.run(conv_wide_fir::ForwardImage {
                    shape,
                    records,
                    image,
                    weights,
                    epilogue,
                    output: nhwc_of_way,
                    places,
                }),
                Way::NarrowFir => vectors.run(conv_narrow_fir::ForwardImage {
                    shape,
                    planes: part_planes,
                    image,
                    weights,
                    epilogue,
                    output: nhwc_of_way,
                    places,
                }),
                _ => vectors.run(conv_narrow::ForwardImage {
                    shape,
                    planes,
                    image,
                    weights,
                    epilogue,
                    output: nhwc_of_way,
                    places,
                }),
            }
            if block.output == Layout::Nchw {
                self.turn(&nhwc, output);
            }
        }
        all
    }

    /// NHWC to NCHW.
    fn turn(self, from: &[f32], to: &mut [f32]) {
        let columns = self.block.shape.out_channels;
        let rows = from.len() / columns;
        self.vectors.run(Transpose { from, rows, columns, to });
    }

    #[cfg(target_arch = "x86_64")]
    fn by_rows(self, weights: &[f32], epilogue: Epilogue, images: Images) -> bool {
        let Pass { block, vectors, .. } = self;
        let shape = &block.shape;
        let planes = Planes::new(shape, false);
        let as_it_is = block.input == Layout::Nchw && shape.padding == [0, 0];
        let padded_len = if as_it_is { 0 } else { planes.buffer_len(vectors.lanes()) };
        let mut padded = Scratch::take(GROUP * padded_len);
        let out_len = block.out_image_len();
        let turned = block.output == Layout::Nchw;
        let mut nhwc = Scratch::take(if turned { GROUP * out_len } else { 0 });
        let Images { input, output, places } = images;
        let mut all = true;
        let groups = input
            .chunks(GROUP * shape.image_len())
            .zip(output.chunks_mut(GROUP * out_len))
            .zip(places.chunks_mut(GROUP * out_len));
        for ((input, output), places) in groups {
            let mut group: [Image; GROUP] = Default::default();
            let mut to_turn = [const { None }; GROUP];
            let mut count = 0;
            let mut padded = padded.chunks_exact_mut(padded_len.max(1));
            let mut nhwc = nhwc.chunks_exact_mut(out_len);
            let images = input
                .chunks_exact(shape.image_len())
                .zip(output.chunks_exact_mut(out_len))
                .zip(places.chunks_exact_mut(out_len));
            for ((input, output), places) in images {
                if !vectors.run(Bounded(input)) {
                    self.plainly(input, output, places);
                    all = false;
                    continue;
                }
                let image = match padded.next() {
                    None => input,
                    Some(to) => {
                        let (layout, image) = (block.input, input);
                        vectors.run(conv_narrow::Fill {
                            planes,
                            shape,
                            layout,
                            image,
                            to: &mut *to,
                        });
                        &to[..shape.padded_len()]
                    }
                };
                let output = match nhwc.next() {
                    None => output,
                    Some(nhwc) => {
                        to_turn[count] = Some(output);
                        nhwc
                    }
                };
                group[count] = Image { image, output, places };
                count += 1;
            }
            let images = &mut group[..count];
            Group { shape, images, weights, epilogue }.forward(vectors);
            for (output, image) in to_turn.into_iter().flatten().zip(&group) {
                self.turn(image.output, output);
            }
        }
        all
    }
}

/// Some images of the batch.
struct Images<'a> {
    input: &'a [f32],
    output: &'a mut [f32],
    places: &'a mut [u8],
}
