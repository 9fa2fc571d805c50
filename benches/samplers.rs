//! How good and how fast samplers are, on functions that cost nothing.
//!
//! `cargo bench --bench samplers -- --seeds 30 --evaluations 100` prints one CSV row a search with
//! the best value it found; `scripts/compare_samplers.py` sets them beside Optuna's.
//! `cargo bench --bench samplers -- --time` prints what searches of 1,000 trials of 10 continuous
//! hyperparameters, and of 10 mixed ones, cost on one thread.

use std::time::Instant;

use clap::Parser;
use strata::objective::function::function;
use strata::search::sampler::{Question, SAMPLERS, SamplerOptions, sampler};
use strata::search::space::{Choice, Condition, Configuration, Distribution, Parameter, Space};
use strata::search::{Observation, TrialState};

#[derive(Debug, Parser)]
struct Flags {
    /// Functions to minimise; all without.
    #[arg(long, value_delimiter = ',')]
    functions: Vec<String>,
    /// Samplers to try; all without.
    #[arg(long, value_delimiter = ',')]
    samplers: Vec<String>,
    /// Searches a function and sampler, with seeds from 0 up.
    #[arg(long, default_value_t = 30)]
    seeds: u64,
    /// Evaluations a search.
    #[arg(long, default_value_t = 100)]
    evaluations: u64,
    /// Measure what proposals cost instead.
    #[arg(long)]
    time: bool,
    /// With `--time`: trials a search.
    #[arg(long, default_value_t = 1000)]
    trials: u64,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A function to minimise and its box.
struct Function {
    name: &'static str,
    space: Space,
    value: Box<dyn Fn(&Configuration) -> f64>,
}

fn parameter(name: &str, distribution: Distribution) -> Parameter {
    Parameter { name: name.into(), distribution, conditions: Vec::new(), default: None }
}

fn float(low: f64, high: f64, log: bool) -> Distribution {
    Distribution::Float { low, high, log, step: None }
}

fn int(low: i64, high: i64, log: bool) -> Distribution {
    Distribution::Int { low, high, log, step: 1 }
}

fn choices(count: i64) -> Distribution {
    Distribution::Categorical { choices: (0..count).map(Choice::Int).collect() }
}

fn space(parameters: impl IntoIterator<Item = Parameter>) -> Space {
    Space { parameters: parameters.into_iter().collect(), ..Space::default() }
}

fn boxed(count: usize, low: f64, high: f64) -> Space {
    space((1..=count).map(|i| parameter(&format!("x{i}"), float(low, high, false))))
}

fn values(configuration: &Configuration) -> Vec<f64> {
    configuration.iter().map(|(_, value)| value).collect()
}

fn value(configuration: &Configuration, name: &str) -> f64 {
    configuration.get(name).unwrap_or(f64::NAN)
}

/// Like the tuning of a net: the best rate depends on the optimiser, some choices cost a little.
fn tuning(configuration: &Configuration) -> f64 {
    let get = |name| value(configuration, name);
    let optimizer = get("optimizer") as usize;
    let rate = (get("lr").log10() - [-1.0, -3.0, -2.0][optimizer]).powi(2);
    let width = (get("width").log2() - 7.0).powi(2);
    let activation = [0.3, 0.1, 0.0, 0.2, 0.4][get("activation") as usize];
    let dropout = (get("dropout") - 0.3).powi(2);
    let depth = (get("depth") - 4.0).abs();
    let optimizer = [0.1, 0.0, 0.3][optimizer];
    optimizer + 0.5 * rate + 0.05 * width + activation + 2.0 * dropout + 0.1 * depth
}

fn tuning_space() -> Space {
    space([
        parameter("optimizer", choices(3)),
        parameter("lr", float(1e-6, 1.0, true)),
        parameter("width", int(8, 1024, true)),
        parameter("activation", choices(5)),
        parameter("dropout", float(0.0, 0.9, false)),
        parameter("depth", int(1, 8, false)),
    ])
}

/// The same with hyperparameters that only one optimiser has.
fn conditional(configuration: &Configuration) -> f64 {
    let sgd = configuration.get("momentum").map(|momentum| (momentum - 0.8).powi(2));
    let adam = configuration.get("beta").map(|beta| (beta.log10() + 2.0).powi(2));
    let rest = if sgd.is_none() && adam.is_none() { 0.5 } else { 0.0 };
    tuning(configuration) + 2.0 * sgd.unwrap_or(0.0) + 0.2 * adam.unwrap_or(0.0) + rest
}

fn conditional_space() -> Space {
    let mut space = tuning_space();
    let mut add = |name: &str, distribution, optimizer: f64| {
        let mut parameter = parameter(name, distribution);
        let condition = Condition { parameter: "optimizer".into(), values: vec![optimizer] };
        parameter.conditions.push(condition);
        space.parameters.push(parameter);
    };
    add("momentum", float(0.0, 0.99, false), 0.0);
    add("beta", float(1e-4, 1.0, true), 1.0);
    space
}

fn functions() -> Vec<Function> {
    let known = ["branin", "hartmann6", "ackley-5", "rosenbrock-4"].map(|name| {
        let function = function(name).expect("a function of this crate");
        let value = move |at: &Configuration| function.at(at).unwrap_or(f64::NAN);
        Function { name, space: function.space(), value: Box::new(value) }
    });
    let own = [
        Function { name: "tuning", space: tuning_space(), value: Box::new(tuning) },
        Function { name: "conditional", space: conditional_space(), value: Box::new(conditional) },
    ];
    known.into_iter().chain(own).collect()
}

/// The best value of a search.
fn search(name: &str, function: &Function, seed: u64, evaluations: u64) -> anyhow::Result<f64> {
    let space = &function.space;
    let options = SamplerOptions { grid_levels: Some(3), ..SamplerOptions::default() };
    let mut sampler = sampler(name, &options, space)?;
    let mut history = Vec::new();
    let mut best = f64::INFINITY;
    for number in 0..evaluations {
        let question = Question { space, seed, number, history: &history };
        let Some(configuration) = sampler.ask(&question) else { break };
        let loss = (function.value)(&configuration);
        best = best.min(loss);
        let (state, loss) = (TrialState::Complete, Some(loss));
        history.push(Observation { number, state, configuration, loss, last_step: 0 });
    }
    Ok(best)
}

/// Ten continuous hyperparameters, and ten of all kinds.
fn timed() -> [Function; 2] {
    let kinds = [
        float(1e-5, 1.0, true),
        float(0.0, 1.0, false),
        int(8, 1024, true),
        choices(4),
        int(1, 8, false),
    ];
    let kinds = kinds.iter().cycle().take(10).enumerate();
    let mixed = space(kinds.map(|(i, kind)| parameter(&format!("x{i}"), kind.clone())));
    let sum = |at: &Configuration| values(at).iter().map(|x| x * x).sum();
    [
        Function { name: "continuous", space: boxed(10, -1.0, 1.0), value: Box::new(sum) },
        Function { name: "mixed", space: mixed, value: Box::new(sum) },
    ]
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let known: Vec<&str> = SAMPLERS.iter().map(|(name, _)| *name).collect();
    let mut samplers: Vec<&str> = flags.samplers.iter().map(String::as_str).collect();
    if samplers.is_empty() {
        samplers = known.into_iter().filter(|name| *name != "grid").collect();
    }
    if flags.time {
        println!("sampler,space,trials,parameters,seconds");
        for name in samplers {
            for function in timed() {
                let start = Instant::now();
                search(name, &function, 0, flags.trials)?;
                let seconds = start.elapsed().as_secs_f64();
                let parameters = function.space.parameters.len();
                println!("{name},{},{},{parameters},{seconds:.4}", function.name, flags.trials);
            }
        }
        return Ok(());
    }
    println!("function,sampler,seed,evaluations,best");
    let mut functions = functions();
    if let Some(name) = flags.functions.iter().find(|n| functions.iter().all(|f| f.name != **n)) {
        anyhow::bail!("--functions: there is no `{name}`");
    }
    functions.retain(|f| flags.functions.is_empty() || flags.functions.iter().any(|n| n == f.name));
    for function in &functions {
        for name in &samplers {
            for seed in 0..flags.seeds {
                let best = search(name, function, seed, flags.evaluations)?;
                println!("{},{name},{seed},{},{best}", function.name, flags.evaluations);
            }
        }
    }
    Ok(())
}
