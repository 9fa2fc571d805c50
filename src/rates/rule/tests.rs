//! What the unit tests of rules share, and the contract of every rule.

use proptest::prelude::*;

use super::*;

/// A step of a few layers, to be changed as a test needs it.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) step: u64,
    pub(super) total: u64,
    pub(super) per_epoch: u64,
    pub(super) factor: f64,
    pub(super) base: Vec<f64>,
    pub(super) decay: Vec<f64>,
    pub(super) weights: Vec<Vec<f32>>,
    pub(super) gradients: Vec<Vec<f32>>,
    pub(super) direction: Vec<Vec<f32>>,
    pub(super) curvature: Vec<Option<f64>>,
}

impl Example {
    /// Step 0 of one layer at base rate 1.
    pub(super) fn new(weights: &[f32], gradient: &[f32]) -> Self {
        Self::of(vec![weights.to_vec()], vec![gradient.to_vec()])
    }

    /// Step 0 of several layers at base rate 1.
    pub(super) fn of(weights: Vec<Vec<f32>>, gradients: Vec<Vec<f32>>) -> Self {
        let layers = weights.len();
        Self {
            step: 0,
            total: 100,
            per_epoch: 10,
            factor: 1.0,
            base: vec![1.0; layers],
            decay: vec![0.0; layers],
            direction: gradients.clone(),
            weights,
            gradients,
            curvature: vec![None; layers],
        }
    }

    pub(super) fn rates(&self, rule: &mut dyn Rule) -> Vec<f64> {
        let views: Vec<_> = (0..self.weights.len())
            .map(|layer| LayerView {
                weights: &self.weights[layer],
                gradient: &self.gradients[layer],
                direction: if rule.wants_direction() { &self.direction[layer] } else { &[] },
                curvature: self.curvature[layer],
            })
            .collect();
        rule.rates(&StepView {
            step: self.step,
            total: self.total,
            per_epoch: self.per_epoch,
            factor: self.factor,
            base: &self.base,
            decay: &self.decay,
            layers: if rule.looks_at(self.step) { &views } else { &[] },
        })
    }
}

/// So many layers of two parameters each, without bias or batch norm.
pub(super) fn flat(layers: usize) -> Vec<Layer> {
    (0..layers).map(|l| Layer::conv_without_bias(&format!("conv{l}"), [1, 2], 1, 1)).collect()
}

/// Nets to try every rule on: of each kind of layer, of one layer, with and without batch norm.
fn nets() -> Vec<Vec<Layer>> {
    vec![
        vec![
            Layer::conv("conv1", [1, 2], 2, 4),
            Layer::conv("conv2", [2, 3], 3, 2),
            Layer::linear("fc1", [4, 3]),
            Layer::linear("fc2", [3, 2]),
        ],
        vec![
            Layer::conv_without_bias("conv1", [1, 2], 2, 4),
            Layer::batch_norm("bn1", 2, 4),
            Layer::conv_without_bias("conv2", [2, 3], 2, 2),
            Layer::batch_norm("bn2", 3, 2),
            Layer::linear("fc", [3, 2]),
        ],
        vec![Layer::linear("fc", [3, 2])],
        vec![Layer::conv_without_bias("conv", [1, 1], 1, 1)],
        vec![Layer::batch_norm("bn", 3, 1)],
    ]
}

/// Numbers that training can meet, most of them usual.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        12 => -2.0..2.0_f32,
        2 => Just(0.0_f32),
        1 => prop::sample::select(vec![f32::MAX, f32::MIN, 1e-45, -1e-38, f32::MIN_POSITIVE, 1e20]),
    ]
}

/// The vectors of all layers, one of them now and then all 0.
fn vectors(sizes: Vec<usize>) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let layers: Vec<_> = sizes
        .into_iter()
        .map(|size| {
            prop_oneof![
                5 => prop::collection::vec(number(), size),
                1 => Just(vec![0.0; size]),
            ]
        })
        .collect();
    layers
}

fn curvature() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        4 => (-1.0..5.0_f64).prop_map(Some),
        1 => Just(None),
        1 => prop::sample::select(vec![0.0, 1e300, -1e300, 1e-300]).prop_map(Some),
    ]
}

/// A run of some steps of one of [`nets`], or of every fourth or twentieth, so that rules which look
/// now and then look often.
fn run() -> impl Strategy<Value = (Vec<Layer>, Vec<Example>)> {
    let strides = prop::sample::select(vec![1, 4, 20]);
    (prop::sample::select(nets()), 1..14_usize, strides).prop_flat_map(|(layers, steps, stride)| {
        let sizes: Vec<_> = layers.iter().map(Layer::parameter_count).collect();
        let count = layers.len();
        let one = (
            vectors(sizes.clone()),
            vectors(sizes.clone()),
            vectors(sizes),
            prop::collection::vec(curvature(), count),
            0.0..=1.0_f64,
        );
        let steps = prop::collection::vec(one, steps).prop_map(move |steps| {
            let example = |(step, (weights, gradients, direction, curvature, factor))| Example {
                step: step as u64 * stride,
                total: 14 * stride,
                per_epoch: 4,
                factor,
                base: vec![0.1; count],
                decay: vec![5e-4; count],
                weights,
                gradients,
                direction,
                curvature,
            };
            steps.into_iter().enumerate().map(example).collect::<Vec<_>>()
        });
        (Just(layers), steps)
    })
}

/// What a run makes of a step: rates, corrected weights, averages; bits, so that NaN equals NaN.
fn outcome(layers: &[Layer], rule: &mut dyn Rule, example: &Example) -> Vec<Vec<u64>> {
    let rates = example.rates(rule);
    assert_eq!(rates.len(), layers.len());
    let mut moved = Vec::new();
    for (layer, rate) in rates.iter().enumerate() {
        let before = &example.weights[layer];
        let step = before.iter().zip(&example.direction[layer]);
        let mut after: Vec<f32> = step.map(|(w, d)| w - *rate as f32 * d).collect();
        let plain = after.clone();
        let changed = rule.correct(layer, before, &mut after, *rate);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert!(changed || bits(&plain) == bits(&after), "a change that is not told");
        moved.push(after);
    }
    if rule.averages() {
        rule.moved(&moved.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let averaged = rule.averaged().unwrap();
        assert!(averaged.iter().map(Vec::len).eq(moved.iter().map(Vec::len)));
        moved.extend_from_slice(averaged);
    }
    let bits = |values: &Vec<f32>| values.iter().map(|v| u64::from(v.to_bits())).collect();
    let rates = vec![rates.iter().map(|rate| rate.to_bits()).collect()];
    rates.into_iter().chain(moved.iter().map(bits)).collect()
}

fn neutral(kind: &dyn RuleKind, layers: &[Layer]) -> Box<dyn Rule> {
    let values: Vec<_> = kind.coefficients(layers).iter().map(|c| c.neutral).collect();
    kind.start(layers, &values).unwrap()
}

fn same(a: &RuleMemory, b: &RuleMemory) -> bool {
    let numbers = |m: &RuleMemory| m.numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
    let vectors = |m: &RuleMemory| {
        let bits = |v: &Vec<f32>| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        m.vectors.iter().map(bits).collect::<Vec<_>>()
    };
    numbers(a) == numbers(b) && vectors(a) == vectors(b)
}

proptest! {
    /// From finite numbers, however odd, come finite rates that are not negative.
    #[test]
    fn finite_numbers_give_finite_rates((layers, steps) in run()) {
        for kind in RULES {
            let mut rule = neutral(*kind, &layers);
            for step in &steps {
                let rates = step.rates(rule.as_mut());
                prop_assert_eq!(rates.len(), layers.len());
                prop_assert!(rates.iter().all(|rate| !rate.is_nan() && *rate >= 0.0),
                    "{} in step {}: {rates:?}", kind.name(), step.step);
                outcome(&layers, rule.as_mut(), step);
            }
        }
    }

    /// A layer whose numbers are broken does not get a rate that looks right.
    #[test]
    fn broken_numbers_are_found(
        (layers, steps) in run(),
        odd in prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]),
        at in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        unknown in any::<bool>(),
    ) {
        for kind in RULES {
            let mut rule = neutral(*kind, &layers);
            for (index, step) in steps.iter().enumerate() {
                let mut step = step.clone();
                if index + 1 == steps.len() {
                    let layer = at.index(layers.len());
                    let place = place.index(step.weights[layer].len());
                    step.gradients[layer][place] = odd;
                    step.direction[layer][place] = odd;
                    if kind.name() == "temp-balance" {
                        step.weights[layer][place] = odd;
                    }
                    if unknown {
                        step.curvature[layer] = Some(f64::from(odd));
                    } else {
                        step.curvature[layer] = step.curvature[layer].or(Some(1.0));
                    }
                    let rates = step.rates(rule.as_mut());
                    prop_assert!(!rule.looks_at(step.step) || !rates[layer].is_finite(),
                        "{}: {rates:?}", kind.name());
                }
                outcome(&layers, rule.as_mut(), &step);
            }
        }
    }

    /// A rule that is restored in the middle goes on as if nothing had been.
    #[test]
    fn a_restored_rule_goes_on_bit_for_bit((layers, steps) in run(), at in any::<prop::sample::Index>()) {
        let at = at.index(steps.len() + 1);
        for kind in RULES {
            let mut rule = neutral(*kind, &layers);
            for step in &steps[..at] {
                outcome(&layers, rule.as_mut(), step);
            }
            let memory = rule.memory();
            let mut again = neutral(*kind, &layers);
            // Not a fresh one, so that what is not restored shows.
            for step in steps[at..].iter().rev() {
                outcome(&layers, again.as_mut(), step);
            }
            prop_assert!(again.restore(&memory), "{}", kind.name());
            prop_assert!(same(&again.memory(), &memory), "{}", kind.name());
            for step in &steps[at..] {
                prop_assert_eq!(rule.looks_at(step.step), again.looks_at(step.step));
                prop_assert_eq!(
                    outcome(&layers, rule.as_mut(), step),
                    outcome(&layers, again.as_mut(), step),
                    "{} in step {}", kind.name(), step.step
                );
            }
            let average = |rule: &dyn Rule| rule.averaged().map(<[Vec<f32>]>::to_vec);
            prop_assert_eq!(format!("{:?}", average(rule.as_ref())), format!("{:?}", average(again.as_ref())));
        }
    }

    /// A memory of another net, or one that was cut or grew, is refused and changes nothing.
    #[test]
    fn a_memory_that_does_not_fit_is_refused((layers, steps) in run(), other in prop::sample::select(nets())) {
        for kind in RULES {
            let mut rule = neutral(*kind, &layers);
            for step in &steps {
                outcome(&layers, rule.as_mut(), step);
            }
            let memory = rule.memory();
            let mut odd = Vec::new();
            for change in 0..4 {
                let mut memory = memory.clone();
                let changed = match change {
                    0 => { memory.numbers.push(1.0); true }
                    1 => { memory.vectors.push(vec![0.0; 77]); true }
                    2 => memory.numbers.pop().is_some(),
                    _ => memory.vectors.first_mut().is_some_and(|vector| { vector.push(0.0); true }),
                };
                if changed {
                    odd.push(memory);
                }
            }
            if !memory.numbers.is_empty() && layers.len() != other.len() {
                odd.push(neutral(*kind, &other).memory());
            }
            if kind.name() != "l-dog" && !memory.numbers.is_empty() {
                odd.push(RuleMemory::default());
            }
            for odd in odd {
                // A rule that has not begun has no layers in its memory yet.
                if kind.name() == "l-dog" && odd.numbers.len() == 1 {
                    continue;
                }
                prop_assert!(!rule.restore(&odd), "{}: {odd:?}", kind.name());
                prop_assert!(same(&rule.memory(), &memory), "{}", kind.name());
            }
        }
    }

    /// The schedule scales every rule but the one that is a schedule itself.
    #[test]
    fn rates_scale_with_the_schedule((layers, steps) in run(), factor in 0.01..1.0_f64) {
        for kind in RULES {
            let (mut plain, mut scaled) = (neutral(*kind, &layers), neutral(*kind, &layers));
            let scale = if kind.name() == "freezeout" { 1.0 } else { factor };
            for step in &steps {
                let mut step = step.clone();
                step.factor = 1.0;
                let expected = step.rates(plain.as_mut());
                step.factor = factor;
                for (rate, expected) in step.rates(scaled.as_mut()).iter().zip(expected) {
                    prop_assert!((rate - scale * expected).abs() <= 1e-12 * rate.abs(),
                        "{}: {rate} is not {scale} of {expected}", kind.name());
                }
            }
        }
    }

    /// Rates scale with the base of their layer and of no other.
    #[test]
    fn rates_scale_with_their_own_base((layers, steps) in run(), at in any::<prop::sample::Index>()) {
        let at = at.index(layers.len());
        for kind in RULES {
            let (mut plain, mut scaled) = (neutral(*kind, &layers), neutral(*kind, &layers));
            for step in &steps {
                let expected = step.rates(plain.as_mut());
                let mut step = step.clone();
                step.base[at] *= 3.0;
                for (layer, rate) in step.rates(scaled.as_mut()).iter().enumerate() {
                    let expected = expected[layer] * if layer == at { 3.0 } else { 1.0 };
                    prop_assert!((rate - expected).abs() <= 1e-12 * rate.abs(), "{}", kind.name());
                }
            }
        }
    }
}

#[test]
fn coefficients_make_sense() {
    for layers in nets() {
        for kind in RULES {
            let coefficients = kind.coefficients(&layers);
            assert_eq!(coefficients[0].name, "rate", "{}", kind.name());
            for c in &coefficients {
                assert!(c.low < c.high && c.low <= c.neutral && c.neutral <= c.high, "{c:?}");
                assert!(c.scale == Scale::Linear || c.low > 0.0, "{c:?}");
            }
            for end in [0.0, 1.0] {
                let values: Vec<_> = coefficients.iter().map(|c| c.at(end)).collect();
                assert!(kind.start(&layers, &values).is_ok(), "{} at {values:?}", kind.name());
            }
        }
    }
}

#[test]
fn what_a_rule_needs_is_what_its_kind_says() {
    for kind in RULES {
        let rule = neutral(*kind, &nets()[0]);
        let name = kind.name();
        assert_eq!(rule.wants_direction(), ["lamb", "layca"].contains(&name), "{name}");
        assert_eq!(rule.averages(), name == "l-dog");
        assert_eq!(rule.curvature_every().is_some(), name == "curvature");
        let looks = (1..100).filter(|step| rule.looks_at(*step)).count();
        let expected = match name {
            "freezeout" => 0,
            "curvature" => 4,
            _ => 99,
        };
        assert_eq!(looks, expected, "{name}");
    }
}

#[test]
fn names_are_unique_and_an_unknown_one_lists_them() {
    for (index, kind) in RULES.iter().enumerate() {
        assert!(RULES[..index].iter().all(|other| other.name() != kind.name()));
        assert_eq!(rule(kind.name()).unwrap().name(), kind.name());
    }
    let error = rule("larz").unwrap_err().to_string();
    assert!(error.contains("larz") && RULES.iter().all(|r| error.contains(r.name())), "{error}");
}
