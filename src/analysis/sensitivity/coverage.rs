//! How often intervals hold the truth, over 200 seeds of the design, with and without noise.

use rand::RngExt;
use rayon::prelude::*;

use super::known::exact_mu_star;
use super::suite::Subject;
use super::*;

const SEEDS: u64 = 200;

/// What is analysed, and the true values of its indices.
struct Case {
    method: &'static str,
    function: &'static str,
    samples: usize,
    /// Variance of the noise, which is estimated from a dummy.
    noise: Option<f64>,
    truth: Vec<(&'static str, Vec<f64>)>,
}

/// Share of the seeds whose interval holds the truth, index by index.
fn coverage(case: &Case) -> Vec<(String, f64)> {
    let subject = Subject::new(case.function);
    let k = subject.factors.len();
    let subject = if case.noise.is_some() { subject.with_dummy() } else { subject };
    let hits: Vec<Vec<(String, bool)>> = (0..SEEDS)
        .into_par_iter()
        .map(|seed| {
            let noise = if case.noise.is_some() { Noise::Dummy(k) } else { Noise::None };
            let options = Options {
                samples: case.samples,
                second_order: case.truth.iter().any(|(index, _)| *index == "S2"),
                seed,
                noise,
                resamples: 200,
                ..Options::default()
            };
            let method = method(case.method).unwrap();
            let mut values = subject.values(method, &options);
            if let Some(variance) = case.noise {
                let mut random = stream(seed, Purpose::Noise, 0);
                let half = (3.0 * variance).sqrt();
                for value in values.iter_mut().flatten() {
                    *value += random.random_range(-half..half);
                }
            }
            let analysis = method.analyse(&subject.factors, &options, &values).unwrap();
            let mut hits = Vec::new();
            for (name, truth) in &case.truth {
                let found = analysis.indices.iter().filter(|it| it.index == *name);
                for (index, truth) in found.zip(truth.iter().chain(&[0.0])) {
                    let Interval { low, high } = index.interval;
                    // Printed truths have six digits.
                    let holds = low - 1e-6 <= *truth && *truth <= high + 1e-6;
                    hits.push((format!("{} {}", index.index, index.parameter), holds));
                }
            }
            hits
        })
        .collect();
    (0..hits[0].len())
        .map(|place| {
            let held = hits.iter().filter(|of_seed| of_seed[place].1).count();
            (hits[0][place].0.clone(), held as f64 / SEEDS as f64)
        })
        .collect()
}

#[test]
#[ignore = "a table"]
fn table() {
    for case in cases() {
        println!("{} {} {} {:?}", case.method, case.function, case.samples, case.noise);
        println!("   {:?}", coverage(&case).iter().map(|(n, c)| format!("{n} {c}")).collect::<Vec<_>>());
    }
}

fn cases() -> Vec<Case> {
    let ishigami = vec![
        ("S1", vec![0.313905, 0.442411, 0.0]),
        ("ST", vec![0.557589, 0.442411, 0.243684]),
    ];
    let small = 0.0000716;
    let g = vec![
        ("S1", vec![0.716192, 0.179048, 0.023676, 0.007162, small, small, small, small]),
        ("ST", vec![0.787144, 0.242198, 0.034317, 0.010460, 0.000105, 0.000105, 0.000105, 0.000105]),
    ];
    let shapley = vec![("Sh", vec![0.435747, 0.442411, 0.121842])];
    let mut cases = Vec::new();
    for noise in [false, true] {
        for samples in [16, 64, 256] {
            for (function, truth, variance) in
                [("ishigami", &ishigami, 13.844588), ("sobol-g", &g, 0.4654244)]
            {
                let noise = noise.then_some(0.25 * variance);
                cases.push(Case { method: "sobol", function, samples, noise, truth: truth.clone() });
            }
            let noise = noise.then_some(0.25 * 13.844588);
            let truth = shapley.clone();
            cases.push(Case { method: "shapley", function: "ishigami", samples, noise, truth });
        }
    }
    let pairs = vec![("S2", vec![0.0, 0.243684, 0.0])];
    cases.push(Case { method: "sobol", function: "ishigami", samples: 256, noise: None, truth: pairs });
    for samples in [6, 10, 20, 50] {
        for function in ["ishigami", "sobol-g"] {
            let truth = vec![("mu_star", exact_mu_star(&Subject::new(function)))];
            cases.push(Case { method: "morris", function, samples, noise: None, truth });
        }
    }
    cases
}
