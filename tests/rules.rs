//! The rules of layer rates against NumPy transcriptions of their papers and original systems:
//! numbers that `scripts/check_rules.py` made, in `tests/data/rules.json` or in the file that
//! `STRATA_RULES_FIXTURE` names.

use serde::Deserialize;
use strata::net::Layer;
use strata::rates::rule::{LayerView, RULES, StepView, rule};

/// Largest relative difference.
const TOLERANCE: f64 = 1e-5;

type Vectors = Vec<Vec<f32>>;

#[derive(Deserialize)]
struct Fixture {
    total: u64,
    per_epoch: u64,
    layers: Vec<LayerFixture>,
    base: Vec<f64>,
    decay: Vec<f64>,
    /// Before each step, and after the last.
    weights: Vec<Vectors>,
    gradients: Vec<Vectors>,
    directions: Vec<Vectors>,
    curvatures: Vec<Vec<Option<f64>>>,
    factors: Vec<f64>,
    rules: std::collections::BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum LayerFixture {
    Conv { name: String, inputs: usize, outputs: usize, kernel: usize, bias: bool },
    Linear { name: String, inputs: usize, outputs: usize },
    Norm { name: String, channels: usize },
}

#[derive(Deserialize)]
struct Expected {
    values: Vec<f64>,
    rates: Vec<Vec<f64>>,
    /// Weights after a step, where they are given.
    #[serde(default)]
    corrected: Vec<Option<Vectors>>,
    /// Averaged weights after a step, where they are given.
    #[serde(default)]
    averages: Vec<Option<Vectors>>,
}

impl LayerFixture {
    fn layer(&self) -> Layer {
        match self {
            Self::Conv { name, inputs, outputs, kernel, bias: true } => {
                Layer::conv(name, [*inputs, *outputs], *kernel, 1)
            }
            Self::Conv { name, inputs, outputs, kernel, bias: false } => {
                Layer::conv_without_bias(name, [*inputs, *outputs], *kernel, 1)
            }
            Self::Linear { name, inputs, outputs } => Layer::linear(name, [*inputs, *outputs]),
            Self::Norm { name, channels } => Layer::batch_norm(name, *channels, 1),
        }
    }
}

fn fixture() -> Fixture {
    let checked_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rules.json");
    let path = std::env::var("STRATA_RULES_FIXTURE").unwrap_or_else(|_| checked_in.to_owned());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares vectors relative to the size of their values.
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let squares: f64 = expected.iter().map(|value| f64::from(*value).powi(2)).sum();
    let size = (squares / expected.len() as f64).sqrt();
    for (found, expected) in found.iter().zip(expected) {
        let difference = f64::from(found - expected).abs();
        let allowed = TOLERANCE * size.max(f64::from(*expected).abs());
        assert!(difference <= allowed, "{what}: {found} is not {expected}");
    }
}

/// Runs one rule over the fixture.
fn check(fixture: &Fixture, name: &str) {
    let expected = &fixture.rules[name];
    let layers: Vec<_> = fixture.layers.iter().map(LayerFixture::layer).collect();
    let mut rule = rule(name).unwrap().start(&layers, &expected.values).unwrap();
    for step in 0..fixture.gradients.len() {
        let views: Vec<_> = (0..layers.len())
            .map(|layer| LayerView {
                weights: &fixture.weights[step][layer],
                gradient: &fixture.gradients[step][layer],
                direction: if rule.wants_direction() {
                    &fixture.directions[step][layer]
                } else {
                    &[]
                },
                curvature: fixture.curvatures[step][layer],
            })
            .collect();
        let rates = rule.rates(&StepView {
            step: step as u64,
            total: fixture.total,
            per_epoch: fixture.per_epoch,
            factor: fixture.factors[step],
            base: &fixture.base,
            decay: &fixture.decay,
            layers: &views,
        });
        assert_eq!(rates.len(), layers.len(), "{name}");
        for (layer, (rate, expected)) in rates.iter().zip(&expected.rates[step]).enumerate() {
            assert!(
                (rate - expected).abs() <= TOLERANCE * expected.abs(),
                "{name}, step {step}, layer {layer}: rate {rate} is not {expected}"
            );
        }
        if let Some(Some(corrected)) = expected.corrected.get(step) {
            for (layer, corrected) in corrected.iter().enumerate() {
                let before = &fixture.weights[step][layer];
                let moves = before.iter().zip(&fixture.directions[step][layer]);
                let mut after: Vec<f32> = moves.map(|(w, d)| w - rates[layer] as f32 * d).collect();
                assert!(rule.correct(layer, before, &mut after, rates[layer]));
                assert_close(&after, corrected, &format!("{name}, step {step}, layer {layer}"));
            }
        }
        if rule.averages() {
            let moved: Vec<_> = fixture.weights[step + 1].iter().map(Vec::as_slice).collect();
            rule.moved(&moved);
        }
        if let Some(Some(averages)) = expected.averages.get(step) {
            for (found, expected) in rule.averaged().unwrap().iter().zip(averages) {
                assert_close(found, expected, &format!("{name}, average of step {step}"));
            }
        }
    }
}

#[test]
fn every_rule_is_in_the_fixture() {
    let fixture = fixture();
    let mut names: Vec<_> = RULES.iter().map(|rule| rule.name()).collect();
    names.sort_unstable();
    assert_eq!(fixture.rules.keys().collect::<Vec<_>>(), names);
}

#[test]
fn rules_do_what_their_papers_and_original_systems_do() {
    let fixture = fixture();
    for name in fixture.rules.keys() {
        check(&fixture, name);
    }
}
