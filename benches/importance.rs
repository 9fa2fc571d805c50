//! What importance costs, on trials that cost nothing.
//!
//! `cargo bench --bench importance` prints one CSV row a task; `--write DIR` also writes the trials,
//! which `scripts/check_importance.py --time DIR` gives to Optuna's fANOVA for comparison.

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use rand::RngExt;
use strata::analysis::importance::{
    METHODS, Method, Observations, Options, Outcome, Parameter, Row, Sample, assess, method,
};
use strata::random::{Purpose, stream};
use strata::search::space::{Choice, Distribution};

#[derive(Debug, Parser)]
struct Flags {
    /// Trials of each task; its own numbers without.
    #[arg(long)]
    trials: Option<u64>,
    /// Repetitions, of which the fastest counts.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Write the trials of each task as CSV into this folder.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Trials with `mixed` hyperparameters of all kinds, or continuous ones: a few matter, two interact.
fn trials(count: u64, parameters: usize, mixed: bool) -> Observations {
    let float = |low, high, log| Distribution::Float { low, high, log, step: None };
    let kinds = [
        float(0.0, 1.0, false),
        float(1e-5, 1.0, true),
        Distribution::Int { low: 1, high: 8, log: false, step: 1 },
        Distribution::Categorical { choices: (0..5).map(Choice::Int).collect() },
    ];
    let kind = |place: usize| kinds[if mixed { place % kinds.len() } else { 0 }].clone();
    let named = |place| Parameter { name: format!("x{place}"), distribution: kind(place) };
    let parameters: Vec<Parameter> = (0..parameters).map(named).collect();
    let row = |trial| {
        let mut draws = stream(0, Purpose::Configuration, trial);
        let u: Vec<f64> = parameters.iter().map(|_| draws.random()).collect();
        let noise: f64 = draws.random();
        let loss = 4.0 * (u[0] - 0.6).powi(2) + u[1] * u[2] + 0.3 * u[3] + 0.1 * noise;
        let at = |(parameter, u): (&Parameter, &f64)| Some(parameter.distribution.at(*u));
        let values = parameters.iter().zip(&u).map(at).collect();
        Row { trial, values, outcome: Outcome::Complete(loss), reports: Vec::new() }
    };
    Observations { rows: (0..count).map(row).collect(), parameters }
}

fn write(folder: &std::path::Path, name: &str, observations: &Observations) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_path(folder.join(format!("{name}.csv")))?;
    let names = observations.parameters.iter().map(|parameter| parameter.name.clone());
    table.write_record(names.chain(["loss".into()]))?;
    for row in &observations.rows {
        let values = row.values.iter().map(|value| value.unwrap_or_default());
        let numbers = values.chain([row.loss().unwrap_or_default()]);
        table.write_record(numbers.map(|number| number.to_string()))?;
    }
    Ok(table.flush()?)
}

/// The fastest of some runs, in seconds.
fn fastest<T>(repetitions: usize, mut task: impl FnMut() -> T) -> f64 {
    let time = |_| {
        let start = Instant::now();
        std::hint::black_box(task());
        start.elapsed().as_secs_f64()
    };
    (0..repetitions.max(1)).map(time).fold(f64::INFINITY, f64::min)
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    println!("task,trials,parameters,space,seconds");
    for (count, parameters, mixed) in [(1000, 10, false), (1000, 10, true), (10_000, 10, false)] {
        let count = flags.trials.unwrap_or(count);
        let observations = trials(count, parameters, mixed);
        let space = if mixed { "mixed" } else { "continuous" };
        if let Some(folder) = &flags.write {
            write(folder, &format!("{space}-{count}"), &observations)?;
        }
        let row = |task: &str, seconds: f64| {
            println!("{task},{count},{parameters},{space},{seconds:.4}");
        };
        let options = Options::default();
        // A new sample each time: forests are kept.
        let alone = |method: &dyn Method| -> anyhow::Result<f64> {
            let (sample, _) = Sample::new(&observations, &options)?;
            method.importance(&sample, &options, 1)?;
            Ok(fastest(flags.repetitions, || {
                let (sample, _) = Sample::new(&observations, &options)?;
                method.importance(&sample, &options, 1)
            }))
        };
        for method in METHODS {
            row(method.name(), alone(*method)?);
        }
        let pairs = Options { resamples: 0, ..options.clone() };
        let fanova = [method("fanova")?];
        row(
            "fanova, pairs, curves",
            fastest(flags.repetitions, || assess(&observations, &fanova, &pairs)),
        );
    }
    let observations = trials(flags.trials.unwrap_or(500), 15, true);
    let seconds = fastest(1, || assess(&observations, METHODS, &Options::default()));
    println!("all methods and 100 resamples,{},15,mixed,{seconds:.4}", observations.rows.len());
    Ok(())
}
