//! The convolution kernels against their plain definition: any shape, every vector width.

use proptest::prelude::*;

use super::conv_block::{ConvBlock, Gradients, Saved};
use super::conv_plain;
use super::shape::{ConvShape, Layout};
use super::testing::{Values, assert_close, assert_same, each_width};

fn layouts() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::Nchw), Just(Layout::Nhwc)]
}

/// Any block, and in one case of three a pooled one of the kind that has a fast algorithm.
fn blocks() -> impl Strategy<Value = ConvBlock> {
    prop_oneof![2 => any_blocks(), 1 => pooled_blocks()]
}

fn pooled_blocks() -> impl Strategy<Value = ConvBlock> {
    let sizes = (1..4usize, prop_oneof![2..7usize, 14..20usize, 32..34usize], 1..12usize);
    let in_size = (8..24usize, prop_oneof![Just(8usize), Just(16), Just(32), 8..24usize]);
    let rows = prop_oneof![3..6usize, Just(5)];
    let shape = (sizes, in_size, rows, 3..6usize, 0..2usize);
    (shape, any::<bool>(), layouts(), layouts()).prop_map(|(shape, relu, input, output)| {
        let (sizes, in_size, height, width, border) = shape;
        ConvBlock {
            shape: ConvShape {
                batch: sizes.0,
                in_channels: sizes.2,
                in_size: [in_size.0, in_size.1 - 2 * border],
                out_channels: sizes.1,
                kernel: [height, width],
                stride: [1, 1],
                padding: [border, border],
            },
            relu,
            pool: true,
            input,
            output,
            threads: 1,
        }
    })
}

fn any_blocks() -> impl Strategy<Value = ConvBlock> {
    let sizes = (1..20usize, 1..40usize, 1..20usize, 1..15usize, 1..15usize);
    let kernel = ([1..7usize, 1..6], [1..4usize, 1..3], [0..4usize, 0..3], 0..4);
    let flags = (any::<bool>(), any::<bool>(), layouts(), layouts());
    (sizes, kernel, flags)
        .prop_map(|(sizes, (kernel, stride, padding, unit_stride), flags)| ConvBlock {
            shape: ConvShape {
                batch: sizes.0,
                in_channels: if sizes.2 > 16 { 3 } else { sizes.2 },
                in_size: [sizes.3, sizes.4],
                out_channels: sizes.1,
                kernel,
                stride: if unit_stride > 0 { [1, 1] } else { stride },
                padding,
            },
            relu: flags.0,
            pool: flags.1,
            input: flags.2,
            output: flags.3,
            threads: 1,
        })
        .prop_filter("kernel larger than the input", |block| block.shape.supports())
}

/// Everything that a forward and a backward pass compute.
struct Results {
    output: Vec<f32>,
    places: Vec<u8>,
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Results {
    fn new(block: &ConvBlock) -> Self {
        Results {
            output: vec![0.5; block.out_len()],
            places: vec![9; if block.pool { block.out_len() } else { 0 }],
            input: vec![0.5; block.shape.input_len()],
            weight: vec![0.5; block.shape.weight_len()],
            bias: vec![0.5; block.shape.out_channels],
        }
    }

    fn gradients(&mut self) -> Gradients<'_> {
        Gradients {
            input: Some(&mut self.input),
            weight: &mut self.weight,
            bias: Some(&mut self.bias),
        }
    }
}

struct Operands {
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    gradient: Vec<f32>,
}

impl Operands {
    fn new(block: &ConvBlock, mut values: Values) -> Self {
        Operands {
            input: values.take(block.shape.input_len()),
            weight: values.take(block.shape.weight_len()),
            bias: values.take(block.shape.out_channels),
            gradient: values.take(block.out_len()),
        }
    }

    fn fast(&self, block: &ConvBlock) -> Results {
        let mut results = Results::new(block);
        let Operands { input, weight, bias, gradient } = self;
        let finite =
            block.forward(input, weight, Some(bias), &mut results.output, &mut results.places);
        let (output, places) = (results.output.clone(), results.places.clone());
        let saved = Saved { input, weight, output: &output, places: &places, finite };
        block.backward(saved, gradient, results.gradients());
        results
    }

    /// The definition; the backward pass starts from `forward`'s output where one is given.
    fn plain(&self, block: &ConvBlock, forward: Option<&Results>) -> Results {
        let mut results = Results::new(block);
        let Operands { input, weight, bias, gradient } = self;
        conv_plain::forward(
            block,
            input,
            weight,
            Some(bias),
            &mut results.output,
            &mut results.places,
        );
        let start = forward.unwrap_or(&results);
        let (output, places) = (start.output.clone(), start.places.clone());
        let finite = false;
        let saved = Saved { input, weight, output: &output, places: &places, finite };
        conv_plain::backward(block, saved, gradient, results.gradients());
        results
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Small multiples of 1/4: every sum is exact, so ties between maxima are frequent and both
    /// sides must choose the same place, and every value must be equal.
    #[test]
    fn exact_values_are_equal(block in blocks(), seed in any::<u64>()) {
        let operands = Operands::new(&block, Values::exact(seed));
        let expected = operands.plain(&block, None);
        each_width(|| {
            let found = operands.fast(&block);
            assert_same("output", &found.output, &expected.output);
            assert_eq!(&found.places, &expected.places);
            assert_same("input gradient", &found.input, &expected.input);
            assert_same("weight gradient", &found.weight, &expected.weight);
            assert_same("bias gradient", &found.bias, &expected.bias);
        });
    }

    #[test]
    fn real_values_are_close(block in blocks(), seed in any::<u64>()) {
        let operands = Operands::new(&block, Values::normal(seed));
        each_width(|| {
            let found = operands.fast(&block);
            let expected = operands.plain(&block, Some(&found));
            let shape = &block.shape;
            let units = block.out_len() / shape.out_channels;
            assert_close("output", &found.output, &expected.output, shape.patch_len());
            assert_close("input gradient", &found.input, &expected.input, shape.out_channels);
            assert_close("weight gradient", &found.weight, &expected.weight, units);
            assert_close("bias gradient", &found.bias, &expected.bias, units);
        });
    }

    /// NaN and infinities, in one or several of the operands.
    #[test]
    fn values_that_are_not_finite_spread_alike(block in blocks(), seed in any::<u64>(), which in 1..16u8) {
        let mut operands = Operands::new(&block, Values::exact(seed));
        let Operands { input, weight, bias, gradient } = &mut operands;
        for (bit, values) in [input, weight, bias, gradient].into_iter().enumerate() {
            if which >> bit & 1 == 1 && !values.is_empty() {
                Values::spoil(seed, values);
            }
        }
        let expected = operands.plain(&block, None);
        each_width(|| {
            let found = operands.fast(&block);
            assert_same("output", &found.output, &expected.output);
            assert_eq!(&found.places, &expected.places);
            assert_same("input gradient", &found.input, &expected.input);
            assert_same("weight gradient", &found.weight, &expected.weight);
            assert_same("bias gradient", &found.bias, &expected.bias);
        });
    }

    /// One value so large that every other vanishes beside it, in the input or the weights: a sum
    /// or difference that it has no part in must not contain it.
    #[test]
    fn huge_values_stay_in_their_place(block in blocks(), seed in any::<u64>(), in_weight in any::<bool>()) {
        let mut operands = Operands::new(&block, Values::exact(seed));
        let values = if in_weight { &mut operands.weight } else { &mut operands.input };
        let place = seed as usize % values.len();
        values[place] = 2f32.powi(100);
        let expected = operands.plain(&block, None);
        each_width(|| {
            let found = operands.fast(&block);
            assert_same("output", &found.output, &expected.output);
            assert_eq!(&found.places, &expected.places);
        });
    }

    #[test]
    fn threads_do_not_change_a_bit(block in blocks(), seed in any::<u64>()) {
        let operands = Operands::new(&block, Values::normal(seed));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
        each_width(|| {
            let one = operands.fast(&block);
            let two = pool.install(|| operands.fast(&ConvBlock { threads: 2, ..block }));
            assert!(one.output == two.output && one.places == two.places && one.input == two.input);
            assert!(one.weight == two.weight && one.bias == two.bias);
        });
    }
}

/// Larger than what the sums behind a pool take at once: many channels, tall or wide images.
#[test]
fn sizes_beyond_a_band_or_a_group_are_equal() {
    for (in_channels, in_size, out_channels, kernel) in [
        (1, [75, 6], 3, [3, 3]),
        (2, [5, 150], 5, [2, 4]),
        (3, [9, 8], 70, [5, 5]),
        (9, [72, 7], 130, [4, 3]),
        (17, [8, 9], 66, [7, 2]),
    ] {
        let shape = ConvShape {
            batch: 2,
            in_channels,
            in_size,
            out_channels,
            kernel,
            stride: [1, 1],
            padding: [1, 1],
        };
        let (input, output) = (Layout::Nhwc, Layout::Nhwc);
        let block = ConvBlock { shape, relu: true, pool: true, input, output, threads: 1 };
        let operands = Operands::new(&block, Values::exact(7));
        let expected = operands.plain(&block, None);
        each_width(|| {
            let found = operands.fast(&block);
            assert_same("input gradient", &found.input, &expected.input);
            assert_same("weight gradient", &found.weight, &expected.weight);
            assert_same("bias gradient", &found.bias, &expected.bias);
        });
    }
}

#[test]
fn nothing_is_computed_for_gradients_that_are_not_wanted() {
    let shape = ConvShape {
        batch: 2,
        in_channels: 3,
        in_size: [8, 8],
        out_channels: 6,
        kernel: [5, 5],
        stride: [1, 1],
        padding: [0, 0],
    };
    let block = ConvBlock {
        shape,
        relu: true,
        pool: true,
        input: Layout::Nchw,
        output: Layout::Nhwc,
        threads: 1,
    };
    let operands = Operands::new(&block, Values::normal(1));
    let full = operands.fast(&block);
    let mut weight = vec![0.0; shape.weight_len()];
    let saved = Saved {
        input: &operands.input,
        weight: &operands.weight,
        output: &full.output,
        places: &full.places,
        finite: true,
    };
    block.backward(
        saved,
        &operands.gradient,
        Gradients { input: None, weight: &mut weight, bias: None },
    );
    assert_eq!(weight, full.weight);
}
