//! The classic CIFAR search of Ray Tune, as a plain loop: the yardstick of `scripts/compare_ray.sh`.
//!
//! `cargo bench --bench classic_search -- --data-dir DIR --trials 10 --epochs 10`
//!
//! Random search over l1, l2 in 2^{2..8}, a rate log-uniform in [1e-4, 1e-1] and a batch size in
//! {2, 4, 8, 16}; SGD with momentum .9; asynchronous successive halving (grace 1, factor 2) on the
//! validation loss; one thread a trial. Prints the columns of the peer, and what a trial costs that
//! does nothing.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Parser;
use rand::RngExt;
use strata::data::{self, Augmentation, Choice, Order, Split, synthetic};
use strata::device::{ComputeDevice, DeviceKind};
use strata::net::{NetOptions, build};
use strata::random::{Purpose, stream};
use strata::rates::LayerRates;
use strata::search::run_parallel;
use strata::train::{
    EpochEnd, OptimizerSettings, RunInputs, RunSettings, RunStatus, Schedule, Start, TrainingRun,
};

#[derive(Debug, Parser)]
struct Flags {
    /// CIFAR-10's binary files; synthetic images without.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    #[arg(long, default_value_t = 10)]
    trials: u64,
    #[arg(long, default_value_t = 10)]
    epochs: u64,
    #[arg(long, default_value_t = 8_000)]
    train_images: usize,
    #[arg(long, default_value_t = 2_000)]
    validation_images: usize,
    #[arg(long, default_value_t = 2)]
    workers: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one trial came to.
struct Outcome {
    epochs: u64,
    loss: f64,
    accuracy: f64,
}

/// Losses recorded at each rung: 1, 2, 4, 8 … epochs.
type Rungs = Mutex<Vec<Vec<f64>>>;

/// Whether a trial goes on: its loss is in the better half of those recorded at this rung so far.
fn goes_on(rungs: &Rungs, epoch: u64, loss: f64) -> bool {
    if !epoch.is_power_of_two() {
        return true;
    }
    let rung = epoch.trailing_zeros() as usize;
    let mut rungs = rungs.lock().expect("no trial panics here");
    let reached = rungs.len().max(rung + 1);
    rungs.resize(reached, Vec::new());
    let better = rungs[rung].iter().filter(|other| **other < loss).count();
    let first = rungs[rung].is_empty();
    rungs[rung].push(loss);
    first || 2 * better < rungs[rung].len()
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let choice = if flags.data_dir.is_some() { Choice::Cifar10 } else { Choice::Synthetic };
    let dataset = data::load(choice, flags.data_dir.as_deref(), synthetic::Size::default())?;
    let (train, validation) = (Some(flags.train_images), Some(flags.validation_images));
    let split = Split::in_order(dataset.train.len(), train, validation)?;
    let device = ComputeDevice::open(DeviceKind::Cpu)?;
    let stop = AtomicBool::new(false);
    let rungs = Rungs::default();

    let net = build("tutorial", &NetOptions::default())?;
    let inputs = RunInputs {
        dataset: &dataset,
        split: &split,
        net: net.as_ref(),
        device: &device,
        stop: &stop,
    };
    let run = |trial: &u64| -> anyhow::Result<Outcome> {
        let mut random = stream(flags.seed, Purpose::Configuration, *trial);
        let mut units = || 1 << random.random_range(2..9);
        let options = NetOptions { l1: units(), l2: units() };
        let rate = 10f64.powf(random.random_range(-4.0..-1.0));
        let net = build("tutorial", &options)?;
        let settings = RunSettings {
            epochs: flags.epochs,
            batch_size: 2 << random.random_range(0..4),
            optimizer: OptimizerSettings { weight_decay: 0.0, ..OptimizerSettings::default() },
            schedule: Schedule::Constant,
            rates: LayerRates::uniform(rate, &net.layers())?,
            seed: *trial,
            order: Order::Shuffled,
            augmentation: Augmentation::None,
            diagnostics_every: None,
            rule: None,
            start: Start::default(),
        };
        let mut run = TrainingRun::new(RunInputs { net: net.as_ref(), ..inputs }, settings)?;
        let mut outcome = Outcome { epochs: 0, loss: f64::INFINITY, accuracy: 0.0 };
        while run.progress().status == RunStatus::Running {
            let EpochEnd::Done(report) = run.epoch() else { break };
            let Some(at) = report.validation else { break };
            outcome =
                Outcome { epochs: report.progress.epochs, loss: at.loss, accuracy: at.accuracy };
            if !goes_on(&rungs, outcome.epochs, at.loss) {
                break;
            }
        }
        Ok(outcome)
    };

    let started = Instant::now();
    let trials: Vec<u64> = (0..flags.trials).collect();
    let mut outcomes = Vec::new();
    run_parallel(&trials, flags.workers, &stop, run, |outcome| outcomes.push(outcome));
    let seconds = started.elapsed().as_secs_f64();
    let outcomes = outcomes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let epochs: u64 = outcomes.iter().map(|outcome| outcome.epochs).sum();
    let best = outcomes.iter().min_by(|a, b| a.loss.total_cmp(&b.loss));
    let (loss, accuracy) = best.map_or((f64::NAN, 0.0), |best| (best.loss, best.accuracy));

    // A trial that does nothing but start: its net, weights, optimiser and first batch.
    let nothing = |_: &u64| {
        let rates = LayerRates::uniform(1e-3, &net.layers()).expect("a usable rate");
        let settings = RunSettings {
            epochs: 1,
            batch_size: 4,
            optimizer: OptimizerSettings::default(),
            schedule: Schedule::Constant,
            rates,
            seed: 0,
            order: Order::Shuffled,
            augmentation: Augmentation::None,
            diagnostics_every: None,
            rule: None,
            start: Start::default(),
        };
        TrainingRun::new(inputs, settings).map(drop)
    };
    let idle: Vec<u64> = (0..200).collect();
    let clock = Instant::now();
    run_parallel(&idle, flags.workers, &stop, nothing, drop);
    let empty = clock.elapsed().as_secs_f64() * 1e3 * flags.workers as f64 / idle.len() as f64;

    println!(
        "trials,epochs_run,init_seconds,seconds,trials_per_hour,images_per_second,best_loss,\
         best_accuracy,empty_trial_milliseconds"
    );
    println!(
        "{},{epochs},0,{seconds:.1},{:.0},{:.0},{loss:.4},{accuracy:.4},{empty:.2}",
        outcomes.len(),
        outcomes.len() as f64 * 3600.0 / seconds,
        epochs as f64 * flags.train_images as f64 / seconds,
    );
    Ok(())
}
