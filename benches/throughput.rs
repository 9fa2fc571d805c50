//! Training throughput: images a second, and where a step's time goes.
//!
//! `cargo bench --bench throughput -- --threads 1 --batch-sizes 4,16,64,128 --net tutorial`
//!
//! Prints the columns of the PyTorch peer (`scripts/pytorch_throughput.py`), measured the same way:
//! forward, cross-entropy, backward and a momentum update on images that are already in memory,
//! after a warm-up. Further columns split the step, and say what gathering a batch from the data set
//! costs on top.

use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use clap::Parser;
use strata::data::{Augmentation, Batches, Order, synthetic};
use strata::device::{ComputeDevice, DeviceKind};
use strata::net::{Architecture, NetOptions, Parameters, Pass, build};
use strata::ops;
use strata::rates::LayerRates;
use strata::train::{Optimizer, OptimizerSettings};

/// Steps before the clock starts, as in the peer.
const WARM_UP: u32 = 10;

#[derive(Debug, Parser)]
struct Flags {
    /// Threads of the one run.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Images a step.
    #[arg(long, default_value = "4,16,64,128", value_delimiter = ',')]
    batch_sizes: Vec<usize>,
    /// Seconds a batch size.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Net.
    #[arg(long, default_value = "tutorial")]
    net: String,
    /// Device.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceKind,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Seconds spent in each part of the steps.
#[derive(Default)]
struct Parts {
    forward: f64,
    backward: f64,
    optimiser: f64,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let device = ComputeDevice::open(flags.device)?;
    let net = build(&flags.net, &NetOptions::default())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(flags.threads).build()?;
    eprintln!("{}: {}", flags.net, ops::implementation(&device));
    println!(
        "framework,threads,batch_size,images_per_second,microseconds_per_step,\
         forward_microseconds,backward_microseconds,optimiser_microseconds,data_microseconds"
    );
    for batch_size in flags.batch_sizes {
        let (steps, seconds, parts) =
            pool.install(|| measure(net.as_ref(), &device, batch_size, flags.seconds));
        let data = pool.install(|| gather(batch_size, flags.seconds / 4.0));
        let each = 1e6 / f64::from(steps);
        println!(
            "strata-{},{},{batch_size},{:.0},{:.0},{:.0},{:.0},{:.0},{data:.1}",
            env!("CARGO_PKG_VERSION"),
            flags.threads,
            f64::from(steps) * batch_size as f64 / seconds,
            seconds * each,
            parts.forward * each,
            parts.backward * each,
            parts.optimiser * each,
        );
    }
    Ok(())
}

/// Steps done, seconds they took, and their parts.
fn measure(
    net: &dyn Architecture,
    device: &ComputeDevice,
    batch_size: usize,
    wanted: f64,
) -> (u32, f64, Parts) {
    let mut parameters = Parameters::initialise(net, 0, &device.device);
    let rates = LayerRates::uniform(1e-3, &parameters.layers).expect("a usable rate");
    let settings = OptimizerSettings { weight_decay: 0.0, ..OptimizerSettings::default() };
    let mut optimizer = Optimizer::new(settings, &rates, &parameters).expect("rates of this net");
    // Values without structure, as the peer's normal ones.
    let noise = |i: usize| ((i * 2_654_435_761) % 1_000_003) as f32 / 250_000.0 - 2.0;
    let pixels: Vec<f32> = (0..batch_size * 3072).map(noise).collect();
    let images = TensorData::new(pixels, [batch_size, 3, 32, 32]);
    let images = Tensor::<4>::from_data(images, &device.device);
    let labels: Vec<i64> = (0..batch_size as i64).map(|i| i % 10).collect();

    let mut parts = Parts::default();
    let mut started = Instant::now();
    let mut steps = 0;
    for step in 0.. {
        if step == WARM_UP {
            started = Instant::now();
            parts = Parts::default();
        }
        let clock = Instant::now();
        let mut pass = Pass::training(&parameters);
        let logits = net.forward(&mut pass, images.clone().autodiff());
        let loss = ops::cross_entropy(logits, &labels);
        parts.forward += clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        let gradients = loss.backward();
        let statistics = pass.take_statistics();
        let gradients = pass.into_gradients(gradients);
        drop(loss);
        parts.backward += clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        parameters.update_running(statistics);
        let applied = optimizer.applied(&optimizer.scheduled(1.0), 1.0);
        optimizer.step(&mut parameters, gradients, &applied);
        parts.optimiser += clock.elapsed().as_secs_f64();
        steps = (step + 1u32).saturating_sub(WARM_UP);
        if steps > 0 && started.elapsed().as_secs_f64() > wanted {
            break;
        }
    }
    // What a GPU still has in hand belongs to the time.
    let _ = device.device.sync();
    (steps, started.elapsed().as_secs_f64(), parts)
}

/// Microseconds that gathering one shuffled batch takes.
fn gather(batch_size: usize, wanted: f64) -> f64 {
    let images = synthetic::images(0, 0..2_000);
    let indices: Vec<u32> = (0..2_000).collect();
    let mut batches = Batches::new(&images, &indices, batch_size).expect("a small batch");
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let started = Instant::now();
    let mut gathered = 0u32;
    for epoch in 0.. {
        batches.start_epoch(Order::Shuffled, Augmentation::None, 0, epoch);
        while batches.next_into(&mut pixels, &mut labels).is_some() {
            gathered += 1;
        }
        if started.elapsed().as_secs_f64() > wanted {
            break;
        }
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(gathered)
}
