//! What every method must keep.

use proptest::prelude::*;

use super::*;
use crate::objective::function::{Function, function};

/// Factors and values of an analytic function, at positions in its space.
pub(super) struct Subject {
    pub(super) factors: Vec<Factor>,
    function: Function,
}

impl Subject {
    pub(super) fn new(name: &str) -> Self {
        let function = function(name).unwrap();
        let factors = function.space().parameters.into_iter().map(|parameter| Factor {
            levels: parameter.distribution.levels(),
            name: parameter.name,
        });
        Self { factors: factors.collect(), function }
    }

    /// With a factor at the end that does nothing.
    pub(super) fn with_dummy(mut self) -> Self {
        self.factors.push(Factor { name: "dummy".to_owned(), levels: None });
        self
    }

    pub(super) fn at(&self, point: &[f64]) -> f64 {
        let space = self.function.space();
        let placed = space.parameters.iter().zip(point);
        let values: Vec<f64> = placed.map(|(it, &u)| it.distribution.at(u)).collect();
        self.function.evaluate(&values)
    }

    pub(super) fn values(&self, method: &dyn Method, options: &Options) -> Vec<Option<f64>> {
        let design = method.design(&self.factors, options).unwrap();
        design.iter().map(|point| Some(self.at(point))).collect()
    }

    pub(super) fn analyse(&self, method: &dyn Method, options: &Options) -> Analysis {
        method.analyse(&self.factors, options, &self.values(method, options)).unwrap()
    }
}

impl Analysis {
    /// The index of a parameter.
    pub(super) fn find(&self, parameter: &str, index: &str) -> &Index {
        let found = self.indices.iter().find(|it| it.parameter == parameter && it.index == index);
        found.unwrap_or_else(|| panic!("no {index} of {parameter}"))
    }
}

/// Samples of which each method has several blocks, without much work.
fn some_samples(method: &dyn Method) -> usize {
    match method.name() {
        "oat" => 5,
        "efast" => 600,
        _ => 12,
    }
}

fn options(method: &dyn Method) -> Options {
    Options { samples: some_samples(method), resamples: 100, ..Options::default() }
}

#[track_caller]
fn assert_sound(analysis: &Analysis, given: usize) {
    for index in &analysis.indices {
        assert!(index.value.is_finite(), "{index:?}");
        let Interval { low, high } = index.interval;
        assert!(low <= high && low <= index.value && index.value <= high, "{index:?}");
    }
    assert!(analysis.variance.is_finite() && analysis.variance >= 0.0);
    assert!(analysis.noise_variance.is_none_or(f64::is_finite));
    assert_eq!(analysis.used + analysis.left_out, given);
    if analysis.indices.is_empty() {
        assert!(!analysis.notes.is_empty(), "no indices and no word about it");
    }
}

#[test]
fn names_find_methods() {
    for known in METHODS {
        assert_eq!(method(known.name()).unwrap().name(), known.name());
        assert!(!known.about().is_empty());
    }
    let message = method("saltelli").err().unwrap().to_string();
    assert!(message.contains("there are oat, morris, sobol, efast, shapley"), "{message}");
}

#[test]
fn designs_have_their_runs_in_blocks_inside_the_cube() {
    let subject = Subject::new("mixed");
    for method in METHODS {
        let options = options(*method);
        let design = method.design(&subject.factors, &options).unwrap();
        let blocks = method.blocks(&subject.factors, &options).unwrap();
        assert_eq!(design.len(), method.runs(&subject.factors, &options));
        assert_eq!(design.len(), blocks.len());
        assert!(design.iter().all(|point| point.len() == 4));
        assert!(design.iter().flatten().all(|at| (0.0..=1.0).contains(at)));
        assert!(blocks[0] == 0 && blocks.windows(2).all(|pair| pair[1] - pair[0] <= 1));
        assert_eq!(design, method.design(&subject.factors, &options).unwrap());
        let other = Options { seed: 1, ..options };
        let is_random = method.name() != "oat";
        assert_eq!(design != method.design(&subject.factors, &other).unwrap(), is_random);
    }
}

/// What is cut off after some blocks is the design of fewer samples, and says the same.
#[test]
fn more_samples_continue_the_design() {
    let subject = Subject::new("ishigami");
    for name in ["morris", "sobol", "shapley"] {
        let method = method(name).unwrap();
        for second_order in [false, true] {
            let long = Options { second_order, ..options(method) };
            let short = Options { samples: 7, ..long.clone() };
            let design = method.design(&subject.factors, &long).unwrap();
            let begin = method.design(&subject.factors, &short).unwrap();
            assert_eq!(design[..begin.len()], begin);
            let mut values = subject.values(method, &long);
            values.truncate(begin.len());
            let cut_off = method.analyse(&subject.factors, &long, &values).unwrap();
            assert_eq!(cut_off, subject.analyse(method, &short));
            // A block that is cut off in the middle counts for nothing but the runs left out.
            let mut more = values.clone();
            more.push(Some(1.0));
            let more = method.analyse(&subject.factors, &long, &more).unwrap();
            assert_eq!((more.indices, more.left_out), (cut_off.indices, 1));
        }
    }
}

#[test]
fn values_without_spread_have_no_shares() {
    let subject = Subject::new("ishigami");
    for method in METHODS {
        let options = options(*method);
        for constant in [0.0, 0.1, -1e9, 1e-300] {
            let values = vec![Some(constant); method.runs(&subject.factors, &options)];
            let analysis = method.analyse(&subject.factors, &options, &values).unwrap();
            assert_sound(&analysis, values.len());
            let is_share = |index: &Index| ["S1", "ST", "S2", "Sh"].contains(&index.index);
            assert!(!analysis.indices.iter().any(is_share), "{}", method.name());
            assert!(analysis.indices.iter().all(|index| index.value.abs() < 1e-6));
            if method.name() != "oat" {
                assert!(analysis.notes.iter().any(|note| note.contains("alike")));
            }
        }
    }
}

#[test]
fn too_little_is_said_not_computed() {
    let subject = Subject::new("ishigami");
    for method in METHODS {
        let options = options(*method);
        let runs = method.runs(&subject.factors, &options);
        for values in [vec![], vec![None; runs], vec![Some(f64::NAN); runs]] {
            let analysis = method.analyse(&subject.factors, &options, &values).unwrap();
            assert_sound(&analysis, values.len());
            assert!(analysis.indices.is_empty() && analysis.used == 0);
        }
        // One block: estimates without intervals.
        let blocks = method.blocks(&subject.factors, &options).unwrap();
        let mut values = subject.values(*method, &options);
        values.truncate(blocks.iter().filter(|block| **block == 0).count());
        let analysis = method.analyse(&subject.factors, &options, &values).unwrap();
        assert_sound(&analysis, values.len());
        assert!(analysis.indices.iter().all(|index| index.interval.high == f64::INFINITY));
        let longer = vec![Some(1.0); runs + 1];
        let error = method.analyse(&subject.factors, &options, &longer).unwrap_err();
        assert!(error.to_string().contains("--samples"), "{error}");
    }
}

#[test]
fn one_factor_has_everything() {
    let subject = Subject::new("sphere-1");
    for method in METHODS {
        let analysis = subject.analyse(*method, &options(*method));
        assert_sound(&analysis, analysis.used);
        for index in analysis.indices.iter().filter(|index| ["ST", "Sh"].contains(&index.index)) {
            assert!((index.value - 1.0).abs() < 0.5, "{}: {index:?}", method.name());
        }
        let error = method.design(&[], &options(*method)).unwrap_err();
        assert!(error.to_string().contains("no hyperparameter"), "{error}");
        let error = method.design(&subject.factors, &Options { samples: 0, ..options(*method) });
        assert!(error.unwrap_err().to_string().contains("`--samples 0`"));
    }
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let many: Vec<_> = (0..51).map(|i| Factor { name: format!("x{i}"), levels: None }).collect();
    for name in ["sobol", "shapley"] {
        let error = method(name).unwrap().design(&many, &Options::default()).unwrap_err();
        assert!(error.to_string().contains("--method morris"), "{error}");
    }
    let few = &many[..3];
    let group = Group { name: "g".to_owned(), members: vec![0, 1] };
    for (name, options, expected) in [
        ("oat", Options { groups: vec![group.clone()], ..Options::default() }, "`--groups`"),
        ("efast", Options { groups: vec![group], ..Options::default() }, "`--groups`"),
        ("efast", Options { samples: 64, ..Options::default() }, "it takes 65 to"),
        ("efast", Options { harmonics: 0, ..Options::default() }, "harmonics is 0"),
        ("morris", Options { levels: 5, ..Options::default() }, "`--levels 5`"),
        ("oat", Options { base: vec![0.5], ..Options::default() }, "1 positions for 3"),
        ("oat", Options { base: vec![0.5, 2.0, 0.5], ..Options::default() }, "x1 at 2"),
    ] {
        let error = method(name).unwrap().design(few, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Shares do not depend on the units of the value; effects follow them.
#[test]
fn units_of_the_value_do_not_matter() {
    let subject = Subject::new("sobol-g");
    for method in METHODS {
        let options = options(*method);
        let values = subject.values(*method, &options);
        let changed: Vec<_> = values.iter().map(|v| v.map(|v| 100.0 - 8.0 * v)).collect();
        let plain = method.analyse(&subject.factors, &options, &values).unwrap();
        let changed = method.analyse(&subject.factors, &options, &changed).unwrap();
        for (ours, other) in plain.indices.iter().zip(&changed.indices) {
            let factor = match ours.index {
                "mu_star" | "sigma" | "range" => 8.0,
                "mu" | "slope" => -8.0,
                _ => 1.0,
            };
            let error = (factor * ours.value - other.value).abs();
            assert!(error < 1e-9 * (1.0 + other.value.abs()), "{ours:?} {other:?}");
        }
    }
}

/// A single group of each factor is the factor; all factors in one group have all of the variance.
#[test]
fn groups_are_judged_as_one() {
    let subject = Subject::new("ishigami");
    for name in ["sobol", "shapley"] {
        let method = method(name).unwrap();
        let group = |name: &str, members: &[usize]| Group {
            name: name.to_owned(),
            members: members.to_vec(),
        };
        let samples = 1024;
        let pair = Options { groups: vec![group("g", &[0, 2])], samples, ..Options::default() };
        let analysis = subject.analyse(method, &pair);
        // x2 is additive: the rest is the group's.
        for index in &analysis.indices {
            let truth = if index.parameter == "g" { 1.0 - 0.442411 } else { 0.442411 };
            assert!((index.value - truth).abs() < 0.03, "{index:?}");
        }
        assert_eq!(
            method.runs(&subject.factors, &pair),
            samples * (if name == "sobol" { 4 } else { 3 })
        );
        let all = Options { groups: vec![group("g", &[0, 1, 2])], samples, ..Options::default() };
        for index in subject.analyse(method, &all).indices {
            assert!((index.value - 1.0).abs() < 0.05, "{index:?}");
        }
    }
    let morris = method("morris").unwrap();
    let group = Group { name: "g".to_owned(), members: vec![0, 2] };
    let options = Options { groups: vec![group], samples: 50, ..Options::default() };
    let analysis = subject.analyse(morris, &options);
    let names: Vec<_> =
        analysis.indices.iter().map(|it| (it.parameter.as_str(), it.index)).collect();
    assert_eq!(names, [("g", "mu_star"), ("x2", "mu"), ("x2", "mu_star"), ("x2", "sigma")]);
    assert!(analysis.effects.iter().all(|it| it.parameter == "x2" || it.effect >= 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever fails, and whatever the values are, nothing is no number.
    #[test]
    fn nothing_is_no_number(
        which in 0..METHODS.len(),
        seed in 0_u64..1000,
        fails in prop::collection::vec(prop::bool::weighted(0.04), 97),
        scale in prop::sample::select(vec![0.0, 1e-200, 1e-9, 1.0, 1e12, 1e200]),
        noise in prop::sample::select(vec![Noise::None, Noise::Variance(0.3), Noise::Dummy(1)]),
        second_order: bool,
        discrete in 1_u64..7,
    ) {
        let method = METHODS[which];
        let mut factors = Subject::new("ishigami").factors;
        factors[0].levels = Some(discrete);
        let options =
            Options { seed, noise, second_order, resamples: 50, ..options(method) };
        let design = method.design(&factors, &options).unwrap();
        let value = |point: &[f64]| scale * (point[0] + (9.0 * point[2]).sin() + 1.0);
        let values: Vec<_> = design
            .iter()
            .enumerate()
            .map(|(run, point)| (!fails[run % 97]).then(|| value(point)))
            .collect();
        let analysis = method.analyse(&factors, &options, &values).unwrap();
        assert_sound(&analysis, values.len());
    }
}
