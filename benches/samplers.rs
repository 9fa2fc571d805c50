//! How good and how fast samplers are, on functions that cost nothing.
//!
//! `cargo bench --bench samplers -- --seeds 30 --evaluations 100` prints one CSV row a search with
//! the best value it found; `scripts/compare_samplers.py` sets them beside Optuna's.
//! `cargo bench --bench samplers -- --time` prints what searches of 1,000 trials of 10 continuous
//! hyperparameters, and of 10 mixed ones, cost on one thread.

use std::time::Instant;

use clap::Parser;
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
    value: fn(&Configuration) -> f64,
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
    Space { parameters: parameters.into_iter().collect(), points: Vec::new() }
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

fn branin(configuration: &Configuration) -> f64 {
    use std::f64::consts::PI;
    let (x, y) = (value(configuration, "x1"), value(configuration, "x2"));
    let bowl = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    bowl * bowl + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

fn hartmann6(configuration: &Configuration) -> f64 {
    const ALPHA: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let x = values(configuration);
    let term = |i: usize| {
        let exponent: f64 = (0..6).map(|j| A[i][j] * (x[j] - P[i][j]).powi(2)).sum();
        ALPHA[i] * (-exponent).exp()
    };
    -(0..4).map(term).sum::<f64>()
}

fn ackley(configuration: &Configuration) -> f64 {
    let x = values(configuration);
    let mean = |f: fn(f64) -> f64| x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64;
    let (squares, waves) = (mean(|x| x * x), mean(|x| (2.0 * std::f64::consts::PI * x).cos()));
    20.0 - 20.0 * (-0.2 * squares.sqrt()).exp() + std::f64::consts::E - waves.exp()
}

fn rosenbrock(configuration: &Configuration) -> f64 {
    let x = values(configuration);
    x.windows(2).map(|x| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)).sum()
}

/// Like the tuning of a net: the best rate depends on the optimiser, some choices cost a little.
fn mixed(configuration: &Configuration) -> f64 {
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

fn mixed_space() -> Space {
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
    mixed(configuration) + 2.0 * sgd.unwrap_or(0.0) + 0.2 * adam.unwrap_or(0.0) + rest
}

fn conditional_space() -> Space {
    let mut space = mixed_space();
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
    let ranges = [("x1", -5.0, 10.0), ("x2", 0.0, 15.0)];
    let box_of_branin =
        space(ranges.map(|(name, low, high)| parameter(name, float(low, high, false))));
    vec![
        Function { name: "branin", space: box_of_branin, value: branin },
        Function { name: "hartmann6", space: boxed(6, 0.0, 1.0), value: hartmann6 },
        Function { name: "ackley-5", space: boxed(5, -32.768, 32.768), value: ackley },
        Function { name: "rosenbrock-4", space: boxed(4, -2.0, 2.0), value: rosenbrock },
        Function { name: "mixed", space: mixed_space(), value: mixed },
        Function { name: "conditional", space: conditional_space(), value: conditional },
    ]
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
    let sum = |configuration: &Configuration| values(configuration).iter().map(|x| x * x).sum();
    [
        Function { name: "continuous", space: boxed(10, -1.0, 1.0), value: sum },
        Function { name: "mixed", space: mixed, value: sum },
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
