//! The kernels against Burn's own operations: values and all gradients, over random shapes, layouts
//! and vector widths.

use ::burn::tensor::{Device, Tensor, TensorData, Tolerance};
use proptest::prelude::*;

use super::kernel::testing::at_width;
use super::{Activation, ConvGeometry, Width, burn, flex};
use crate::device::test_device;

/// Relative error that is allowed in f32.
const LIMIT: f32 = 1e-5;

const ACTIVATIONS: [Activation; 3] =
    [Activation::Linear, Activation::Relu, Activation::ReluMaxPool];

/// Values in (−1, 1) without structure, so that maxima are unique and no sum is near zero by rule.
fn noise(seed: u64, size: usize) -> Vec<f32> {
    use rand::RngExt;
    let mut random = crate::random::stream(seed, crate::random::Purpose::Probe, 0);
    (0..size).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn random<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let size = shape.iter().product();
    Tensor::from_data(TensorData::new(noise(seed, size), shape), device)
}

/// The largest difference relative to the largest value.
fn error<const D: usize>(found: &Tensor<D>, wanted: &Tensor<D>) -> f32 {
    error_above(found, wanted, 1e-3)
}

/// The same where rounding of operands of size 1 shows in results smaller than `floor`.
fn error_above<const D: usize>(found: &Tensor<D>, wanted: &Tensor<D>, floor: f32) -> f32 {
    assert_eq!(found.dims(), wanted.dims());
    let (found, wanted) = (found.to_data(), wanted.to_data());
    let (found, wanted) = (found.as_slice::<f32>().unwrap(), wanted.as_slice::<f32>().unwrap());
    let scale = wanted.iter().fold(floor, |scale, value| scale.max(value.abs()));
    found.iter().zip(wanted).fold(0.0, |worst, (a, b)| {
        let difference = if a.is_nan() && b.is_nan() || a == b { 0.0 } else { (a - b).abs() };
        // A NaN on one side only must count.
        if difference.is_nan() { f32::INFINITY } else { worst.max(difference / scale) }
    })
}

/// An image tensor with these values that lies in memory as `[n, h, w, c]`, or in no usual order.
fn relaid(x: Tensor<4>, layout: u8) -> Tensor<4> {
    let moved = |x: Tensor<4>, axes: [isize; 4], back: [isize; 4]| {
        let dims = x.clone().permute(axes).dims();
        let data = x.permute(axes).into_data();
        Tensor::from_data(TensorData::new(data.try_to_vec::<f32>().unwrap(), dims), &test_device())
            .permute(back)
    };
    match layout {
        0 => x,
        1 => moved(x, [0, 2, 3, 1], [0, 3, 1, 2]),
        _ => moved(x, [3, 0, 1, 2], [1, 2, 3, 0]),
    }
}

#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    channels: [usize; 2],
    size: [usize; 2],
    kernel: usize,
    geometry: ConvGeometry,
    activation: Activation,
    bias: bool,
    layout: u8,
    width: Width,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (1..6usize, 1..20usize, 1..20usize, 2..13usize, 2..13usize, 1..6usize);
    let rest = (1..4usize, 0..4usize, 0..3usize, any::<bool>(), 0..3u8, any::<u64>());
    let widths = prop::sample::select(Width::available());
    (sizes, rest, widths).prop_filter_map("the kernel fits the image", |(sizes, rest, width)| {
        let (batch, inputs, outputs, height, columns, kernel) = sizes;
        let (stride, padding, activation, bias, layout, seed) = rest;
        let activation = ACTIVATIONS[activation];
        let out = |size: usize| (size + 2 * padding).checked_sub(kernel).map(|s| s / stride + 1);
        let smallest = out(height)?.min(out(columns)?);
        (activation != Activation::ReluMaxPool || smallest >= 2).then_some(Case {
            batch,
            channels: [inputs, outputs],
            size: [height, columns],
            kernel,
            geometry: ConvGeometry { stride, padding },
            activation,
            bias,
            layout,
            width,
            seed,
        })
    })
}

/// Operands as leaves of a new graph, in the layout that the case wants.
struct Operands {
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
}

fn operands(case: &Case) -> Operands {
    let device = test_device();
    let Case { batch, channels: [inputs, outputs], size: [height, width], kernel, seed, .. } =
        *case;
    let x = relaid(random(seed, [batch, inputs, height, width], &device), case.layout);
    let weight: Tensor<4> = random(seed ^ 1, [outputs, inputs, kernel, kernel], &device);
    let bias: Tensor<1> = random(seed ^ 2, [outputs], &device);
    Operands {
        x: x.autodiff().require_grad(),
        weight: weight.autodiff().require_grad(),
        bias: case.bias.then(|| bias.autodiff().require_grad()),
    }
}

/// Output and gradients of a sum in which every output has its own random weight.
fn run_conv(case: &Case, kernels: bool) -> (Tensor<4>, Tensor<4>, Tensor<4>, Option<Tensor<1>>) {
    let Operands { x, weight, bias } = operands(case);
    let Case { geometry, activation, .. } = *case;
    let y = if kernels {
        flex::conv_block(&x, &weight, bias.as_ref(), geometry, activation)
            .expect("the kernels take all of these")
    } else {
        burn::conv_block(x.clone(), weight.clone(), bias.clone(), geometry, activation)
    };
    let factors: Tensor<4> = random(case.seed ^ 3, y.dims(), &test_device());
    let mut gradients = (y.clone() * factors.autodiff()).sum().backward();
    let of_x = x.grad_remove(&mut gradients).unwrap();
    let of_weight = weight.grad_remove(&mut gradients).unwrap();
    let of_bias = bias.map(|bias| bias.grad_remove(&mut gradients).unwrap());
    (y.inner(), of_x, of_weight, of_bias)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn conv_block_equals_burns(case in cases()) {
        at_width(case.width, || {
        let (y, x, weight, bias) = run_conv(&case, true);
        let (y2, x2, weight2, bias2) = run_conv(&case, false);
        prop_assert!(error(&y, &y2) < LIMIT, "output {}", error(&y, &y2));
        prop_assert!(error(&x, &x2) < LIMIT, "gradient of x {}", error(&x, &x2));
        prop_assert!(error(&weight, &weight2) < LIMIT, "gradient of weight {}", error(&weight, &weight2));
        if let (Some(bias), Some(bias2)) = (bias, bias2) {
            prop_assert!(error(&bias, &bias2) < LIMIT, "gradient of bias {}", error(&bias, &bias2));
        }
        // Off the graph the same values come out, bit for bit.
        let Operands { x, weight, bias } = operands(&case);
        let bias = bias.map(Tensor::inner);
        let plain = flex::conv_block(&x.inner(), &weight.inner(), bias.as_ref(), case.geometry, case.activation);
        plain.unwrap().to_data().assert_approx_eq::<f32>(&y.to_data(), Tolerance::absolute(0.0));
        Ok(())
        })?;
    }

    #[test]
    fn non_finite_inputs_spread_as_in_burn(case in cases(), place in any::<prop::sample::Index>(), odd in 0..3usize) {
        let value = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][odd];
        let device = test_device();
        let forward = |kernels: bool| {
            let Operands { x, weight, bias } = operands(&case);
            let dims = x.dims();
            let mut values = x.inner().into_data().try_to_vec::<f32>().unwrap();
            let at = place.index(values.len());
            values[at] = value;
            let x: Tensor<4> = Tensor::from_data(TensorData::new(values, dims), &device);
            let (weight, bias) = (weight.inner(), bias.map(Tensor::inner));
            if kernels {
                flex::conv_block(&x, &weight, bias.as_ref(), case.geometry, case.activation).unwrap()
            } else {
                burn::conv_block(x, weight, bias, case.geometry, case.activation)
            }
        };
        let class = |value: &f32| (value.is_nan(), value.is_infinite(), value.is_sign_negative() && value.is_infinite());
        let classes = |y: Tensor<4>| y.to_data().as_slice::<f32>().unwrap().iter().map(class).collect::<Vec<_>>();
        let fast = at_width(case.width, || classes(forward(true)));
        prop_assert_eq!(fast, classes(forward(false)));
    }

    #[test]
    fn classifier_and_loss_equal_burns(
        batch in 1..20usize,
        image in (1..5usize, 1..4usize, 1..4usize),
        hidden in prop::collection::vec(1..40usize, 0..3),
        layout in 0..3u8,
        width in prop::sample::select(Width::available()),
        seed: u64,
    ) {
        let device = test_device();
        let (channels, height, columns) = image;
        let classes = 10;
        let sizes: Vec<usize> = std::iter::once(channels * height * columns)
            .chain(hidden).chain([classes]).collect();
        let labels: Vec<i64> = (0..batch as i64).map(|i| (i * 7 + 3) % classes as i64).collect();
        let run = |kernels: bool| {
            let x = relaid(random(seed, [batch, channels, height, columns], &device), layout);
            let x = x.autodiff().require_grad();
            let layers: Vec<(Tensor<2>, Tensor<1>)> = sizes.windows(2).zip(1..).map(|(pair, i)| {
                let weight: Tensor<2> = random(seed ^ i, [pair[0], pair[1]], &device);
                let bias: Tensor<1> = random(seed ^ (i << 8), [pair[1]], &device);
                (weight.autodiff().require_grad(), bias.autodiff().require_grad())
            }).collect();
            let (logits, loss) = if kernels {
                let logits = flex::classifier(&x, &layers).unwrap();
                let loss = flex::cross_entropy(&logits, &labels).unwrap();
                (logits, loss)
            } else {
                let logits = burn::classifier(x.clone(), layers.clone());
                let loss = burn::cross_entropy(logits.clone(), &labels);
                (logits, loss)
            };
            // Scaled, so that a gradient that ignores what comes after the loss is caught.
            let mut gradients = loss.clone().mul_scalar(3.0).backward();
            let of_x = x.grad_remove(&mut gradients).unwrap();
            let of_layers: Vec<_> = layers.iter().map(|(weight, bias)| {
                (weight.grad_remove(&mut gradients).unwrap(), bias.grad_remove(&mut gradients).unwrap())
            }).collect();
            (logits.inner(), loss.inner(), of_x, of_layers)
        };
        let (fast, slow) = (at_width(width, || run(true)), run(false));
        prop_assert!(error(&fast.0, &slow.0) < LIMIT, "logits");
        prop_assert!(error(&fast.1, &slow.1) < LIMIT, "loss");
        prop_assert!(error(&fast.2, &slow.2) < LIMIT, "gradient of x");
        for ((weight, bias), (weight2, bias2)) in fast.3.iter().zip(&slow.3) {
            // The one unit of a narrow layer may be all but off: what is left of terms of size 1.
            prop_assert!(error_above(weight, weight2, 1e-2) < LIMIT, "gradient of a weight");
            prop_assert!(error(bias, bias2) < LIMIT, "gradient of a bias");
        }
    }

    #[test]
    fn batch_norm_equals_burns(
        batch in 2..8usize,
        channels in 1..40usize,
        size in (2..9usize, 2..9usize),
        activation in prop::sample::select(ACTIVATIONS.to_vec()),
        layout in 0..3u8,
        width in prop::sample::select(Width::available()),
        seed: u64,
    ) {
        let device = test_device();
        let run = |kernels: bool| {
            let x = relaid(random(seed, [batch, channels, size.0, size.1], &device), layout);
            let x = (x * 2.0 + 0.5).autodiff().require_grad();
            let gamma: Tensor<1> = random(seed ^ 1, [channels], &device) + 1.5;
            let beta: Tensor<1> = random(seed ^ 2, [channels], &device);
            let (gamma, beta) = (gamma.autodiff().require_grad(), beta.autodiff().require_grad());
            let (y, statistics) = if kernels {
                flex::batch_norm_training(&x, &gamma, &beta, activation).unwrap()
            } else {
                burn::batch_norm_training(x.clone(), gamma.clone(), beta.clone(), activation)
            };
            let factors: Tensor<4> = random(seed ^ 3, y.dims(), &device);
            let mut gradients = (y.clone() * factors.autodiff()).sum().backward();
            let of_x = x.grad_remove(&mut gradients).unwrap();
            let of_gamma = gamma.grad_remove(&mut gradients).unwrap();
            let of_beta = beta.grad_remove(&mut gradients).unwrap();
            (y.inner(), of_x, of_gamma, of_beta, statistics)
        };
        let (fast, slow) = (at_width(width, || run(true)), run(false));
        prop_assert!(error(&fast.0, &slow.0) < LIMIT, "output {}", error(&fast.0, &slow.0));
        prop_assert!(error(&fast.1, &slow.1) < 2.0 * LIMIT, "gradient of x {}", error(&fast.1, &slow.1));
        prop_assert!(error(&fast.2, &slow.2) < LIMIT, "gradient of gamma {}", error(&fast.2, &slow.2));
        prop_assert!(error(&fast.3, &slow.3) < LIMIT, "gradient of beta {}", error(&fast.3, &slow.3));
        prop_assert!(error(&fast.4.mean, &slow.4.mean) < LIMIT, "mean");
        prop_assert!(error(&fast.4.variance, &slow.4.variance) < LIMIT, "variance");
    }
}

#[test]
fn tensors_on_and_off_the_graph_are_left_to_burn() {
    let device = test_device();
    let x: Tensor<4> = random(1, [2, 3, 8, 8], &device);
    let weight: Tensor<4> = random(2, [4, 3, 3, 3], &device);
    let weight = weight.autodiff().require_grad();
    let geometry = ConvGeometry { stride: 1, padding: 1 };
    assert!(flex::conv_block(&x, &weight, None, geometry, Activation::Relu).is_none());
}

#[test]
fn a_batch_s_memory_comes_back_once_nothing_else_holds_it() {
    let device = test_device();
    let memory = noise(0, 2 * 3 * 8 * 8);
    let address = memory.as_ptr();
    let x = Tensor::<4>::from_data(TensorData::new(memory, [2, 3, 8, 8]), &device);
    let weight = random(1, [6, 3, 3, 3], &device).autodiff().require_grad();
    let geometry = ConvGeometry { stride: 1, padding: 0 };
    let y = super::conv_block(x.clone().autodiff(), weight, None, geometry, ACTIVATIONS[2]);
    let held = x.clone();
    assert!(super::reclaim(held).is_empty(), "the graph still needs it");
    drop(y.sum().backward());
    let back = super::reclaim(x);
    assert_eq!(back.as_ptr(), address);
}
