//! Statistics against SciPy, and how often the verdict errs.
//!
//! The numbers in `tests/data/statistics.json` are made by `scripts/check_statistics.py --cases 12
//! --write tests/data/statistics.json`; run without `--write`, it draws new ones and runs these tests
//! on them.

use std::path::PathBuf;

use rand::{Rng, RngExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use strata::analysis::calibration::{Characteristics, Simulations, characterise};
use strata::analysis::statistics::{
    Estimate, Interval, Levels, bootstrap_t, equivalence_p, holm, needed, power,
    studentized_interval, t_quantile, wilcoxon_p, wilson,
};
use strata::analysis::{Judgement, Unit, compare, compare_all};
use strata::random::{Purpose, stream};

/// One kind of cases of the fixture.
fn cases<T: DeserializeOwned>(kind: &str) -> Vec<T> {
    let path = std::env::var_os("STRATA_STATISTICS_FIXTURE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/statistics.json"),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut all: Value = serde_json::from_str(&text).unwrap();
    let cases: Vec<T> = serde_json::from_value(all[kind].take()).unwrap();
    assert!(!cases.is_empty(), "{kind}");
    cases
}

#[track_caller]
fn assert_close(ours: f64, theirs: f64, tolerance: f64, case: &dyn std::fmt::Debug) {
    let scale = theirs.abs().max(1e-3);
    assert!((ours - theirs).abs() <= tolerance * scale, "{ours} is not {theirs}: {case:?}");
}

#[derive(Debug, Deserialize)]
struct Wilcoxon {
    values: Vec<f64>,
    p: f64,
}

#[test]
fn wilcoxon_is_scipys() {
    for case in cases::<Wilcoxon>("wilcoxon") {
        assert_close(wilcoxon_p(&case.values), case.p, 1e-9, &case);
    }
}

#[derive(Debug, Deserialize)]
struct Student {
    values: Vec<f64>,
    bound: f64,
    p: f64,
    low: f64,
    high: f64,
    above: f64,
    below: f64,
    equivalence: f64,
}

#[test]
fn t_tests_intervals_and_equivalence_are_scipys() {
    for case in cases::<Student>("student") {
        let estimate = Estimate::of(&case.values);
        let Interval { low, high } = estimate.interval(0.95);
        assert_close(low, case.low, 1e-9, &case);
        assert_close(high, case.high, 1e-9, &case);
        assert_close(estimate.p(0.0), case.p, 1e-9, &case);
        assert_close(estimate.p_above(case.bound), case.above, 1e-9, &case);
        assert_close(estimate.p_below(case.bound), case.below, 1e-9, &case);
        assert_close(equivalence_p(&estimate, case.bound), case.equivalence, 1e-9, &case);
        // The verdict on one search tests equivalence by its pairs.
        let pairs = case.values.iter().map(|d| (0.0, *d)).collect();
        let comparison = compare(&[pairs], case.bound, 0).unwrap();
        assert_close(comparison.tost_p, case.equivalence, 1e-9, &case);
        assert_eq!(comparison.p, wilcoxon_p(&case.values));
        // It is nowhere shorter than Student's, up to rounding.
        let Interval { low, high } = Interval { low: low + 1e-12, high: high - 1e-12 };
        assert!(comparison.low <= low && high <= comparison.high, "{case:?}");
    }
}

#[derive(Debug, Deserialize)]
struct Comparison {
    searches: Vec<Vec<f64>>,
    bound: f64,
    difference: f64,
    low: f64,
    high: f64,
    p: f64,
    equivalence: f64,
    within: f64,
    between: f64,
    winners_low: f64,
    winners_high: f64,
    winners_rule: bool,
}

#[test]
fn verdicts_on_searches_read_what_scipys_t_says() {
    let all = cases::<Comparison>("comparison");
    assert!(all.iter().any(|case| case.winners_rule) && all.iter().any(|case| !case.winners_rule));
    for case in all {
        let pair = |search: &Vec<f64>| search.iter().map(|d| (0.0, *d)).collect();
        let pairs: Vec<_> = case.searches.iter().map(pair).collect();
        let ours = compare(&pairs, case.bound, 0).unwrap();
        assert_eq!((ours.unit, ours.searches), (Unit::Search, case.searches.len()));
        for (ours, theirs) in [
            (ours.difference, case.difference),
            (ours.p, case.p),
            (ours.holm_p, case.p),
            (ours.tost_p, case.equivalence),
            (ours.standard_deviation.unwrap(), case.within),
            (ours.standard_deviation_between_searches.unwrap(), case.between),
        ] {
            assert_close(ours, theirs, 1e-9, &case);
        }
        // The interval is Student's over searches, or the winners' where that reaches further.
        assert_close(ours.low, case.low.min(ours.pairs_low), 1e-9, &case);
        assert_close(ours.high, case.high.max(ours.pairs_high), 1e-9, &case);
        assert!(ours.pairs_low <= case.winners_low + 1e-12, "{case:?}");
        assert!(ours.pairs_high >= case.winners_high - 1e-12, "{case:?}");
    }
}

#[derive(Debug, Deserialize)]
struct Quantile {
    probability: f64,
    freedom: usize,
    value: f64,
}

#[test]
fn quantiles_are_scipys() {
    for case in cases::<Quantile>("quantile") {
        assert_close(t_quantile(case.probability, case.freedom), case.value, 1e-9, &case);
    }
}

#[derive(Debug, Deserialize)]
struct Holm {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[test]
fn holm_is_its_definition() {
    for case in cases::<Holm>("holm") {
        for (ours, theirs) in holm(&case.p).into_iter().zip(&case.adjusted) {
            assert_close(ours, *theirs, 1e-12, &case);
        }
    }
}

#[derive(Debug, Deserialize)]
struct Wilson {
    hits: f64,
    n: usize,
    low: f64,
    high: f64,
}

#[test]
fn wilson_is_scipys() {
    for case in cases::<Wilson>("wilson") {
        let ours = wilson(case.hits, case.n);
        assert_close(ours.low, case.low, 1e-9, &case);
        assert_close(ours.high, case.high, 1e-9, &case);
    }
}

#[derive(Debug, Deserialize)]
struct Power {
    effect: f64,
    deviation: f64,
    n: usize,
    power: f64,
    needed: usize,
}

#[test]
fn power_is_that_of_scipys_noncentral_t() {
    for case in cases::<Power>("power") {
        assert_close(power(case.effect, case.deviation, case.n), case.power, 1e-7, &case);
        assert_eq!(needed(case.effect, case.deviation, 2), Some(case.needed), "{case:?}");
    }
}

#[derive(Debug, Deserialize)]
struct Bootstrap {
    searches: Vec<Vec<f64>>,
    low: [f64; 2],
    high: [f64; 2],
}

/// The slow reference goes through every resample there is; ours draws 200,000.
#[test]
fn the_bootstrap_draws_what_all_resamples_say() {
    for case in cases::<Bootstrap>("bootstrap") {
        let Interval { low, high } = bootstrap_t(&case.searches, 0.95, 200_000, 3);
        let within = |end: f64, [low, high]: [f64; 2]| low - 1e-12 <= end && end <= high + 1e-12;
        assert!(within(low, case.low) && within(high, case.high), "{low} {high}: {case:?}");
    }
}

/// Shapes of noise, of mean 0 and variance 1.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Normal,
    /// Student's t with 5 degrees of freedom.
    Heavy,
    /// Gamma with shape 4: skewness 1.
    Skewed,
    /// Exponential: skewness 2.
    VerySkewed,
}

const SHAPES: [Shape; 4] = [Shape::Normal, Shape::Heavy, Shape::Skewed, Shape::VerySkewed];

impl Shape {
    fn draw(self, random: &mut impl Rng) -> f64 {
        let exponential = |random: &mut _| -f64::ln(uniform(random));
        match self {
            Self::Normal => normal(random),
            Self::Heavy => {
                let pairs = exponential(random) + exponential(random);
                let square = 2.0 * pairs + normal(random).powi(2);
                normal(random) / (square / 3.0).sqrt()
            }
            Self::Skewed => {
                let sum: f64 = (0..4).map(|_| exponential(random)).sum();
                (sum - 4.0) / 2.0
            }
            Self::VerySkewed => exponential(random) - 1.0,
        }
    }

    /// Pairs of deviation 1 in searches whose effects have `ratio` times the deviation that the
    /// seeds give a search's mean.
    fn experiment(self, searches: usize, pairs: usize, ratio: f64, number: u64) -> Vec<Vec<f64>> {
        // Other draws for every kind of experiment.
        let kind = (self as usize * 100 + searches) * 1000 + pairs * 10 + (2.0 * ratio) as usize;
        let mut random = stream(kind as u64, Purpose::Probe, number);
        let scale = ratio / (pairs as f64).sqrt();
        let mut search = |_| {
            let effect = scale * self.draw(&mut random);
            (0..pairs).map(|_| effect + self.draw(&mut random)).collect()
        };
        (0..searches).map(&mut search).collect()
    }
}

fn uniform(random: &mut impl Rng) -> f64 {
    random.random_range(f64::EPSILON..1.0)
}

fn normal(random: &mut impl Rng) -> f64 {
    let angle = std::f64::consts::TAU * uniform(random);
    (-2.0 * uniform(random).ln()).sqrt() * angle.cos()
}

/// Prints the error rates of the verdict (one comparison) over numbers of searches and pairs, shapes
/// of noise and spreads of searches:
///
/// `cargo test --release --test statistics -- --ignored --nocapture error_rates_of_the_verdict`
///
/// For several searches the bootstrap is left out, which can only add claims: these are upper bounds.
#[test]
#[ignore = "minutes"]
fn error_rates_of_the_verdict() {
    const EXPERIMENTS: usize = 5000;
    let simulations = Simulations { experiments: EXPERIMENTS, resamples: 0, seed: 0 };
    println!("{EXPERIMENTS} experiments a cell; better or worse without a difference | equivalent");
    println!(
        "at a difference of the smallest effect (4 standard errors); in per cent, for searches"
    );
    println!("whose effects have 0, .5, 1, 2 times the deviation that seeds give a search's mean");
    let mut worst: [f64; 2] = [0.0; 2];
    for shape in SHAPES {
        for searches in [1, 2, 3, 5, 10] {
            for pairs in [4, 6, 10, 30] {
                let mut line = format!("{shape:?} R={searches} n={pairs}:");
                for ratio in [0.0_f64, 0.5, 1.0, 2.0] {
                    if searches == 1 && ratio > 0.0 {
                        continue;
                    }
                    let error = f64::hypot(1.0, ratio) / ((searches * pairs) as f64).sqrt();
                    let draw = |number| shape.experiment(searches, pairs, ratio, number);
                    let of = |smallest, resamples| {
                        characterise(draw, smallest, Simulations { resamples, ..simulations })
                    };
                    let Characteristics { false_positive_rate, .. } =
                        of(0.0, if searches == 1 { 499 } else { 0 });
                    let Characteristics { false_equivalence_rate, .. } = of(4.0 * error, 0);
                    let shares = [false_positive_rate.share, false_equivalence_rate.share];
                    line += &format!(" {:.1} | {:.1}", 100.0 * shares[0], 100.0 * shares[1]);
                    worst = [worst[0].max(shares[0]), worst[1].max(shares[1])];
                }
                println!("{line}");
            }
        }
    }
    println!("worst: {:.1} | {:.1} %", 100.0 * worst[0], 100.0 * worst[1]);
}

/// Prints how often any of three arms that share a baseline is called better or worse without a
/// difference: `cargo test --release --test statistics -- --ignored --nocapture three_arms`
#[test]
#[ignore = "a minute"]
fn error_rates_of_three_arms_together() {
    const EXPERIMENTS: u64 = 1000;
    for (searches, pairs) in [(1, 10), (1, 30), (3, 5), (5, 10)] {
        let wrong = (0..EXPERIMENTS).filter(|experiment| {
            let draw = |arm| {
                // Of one search the verdict is on its winners, which must not differ.
                let ratio = if searches == 1 { 0.0 } else { 1.0 };
                Shape::Heavy.experiment(searches, pairs, ratio, 4 * experiment + arm)
            };
            let baseline = draw(0);
            let arms = [1, 2, 3].map(|arm| {
                let pair = |(of, with): (&Vec<f64>, &Vec<f64>)| {
                    of.iter().copied().zip(with.iter().copied()).collect()
                };
                ("arm", baseline.iter().zip(&draw(arm)).map(pair).collect())
            });
            let verdicts = compare_all(&arms, 0.0, *experiment);
            let claims = |of: &Judgement| matches!(of, Judgement::Better | Judgement::Worse);
            verdicts.iter().flat_map(|(_, comparison)| comparison).any(|c| claims(&c.verdict))
        });
        let share = wilson(wrong.count() as f64, EXPERIMENTS as usize);
        println!("R={searches} n={pairs}: {share:?}");
        assert!(share.low <= 0.05);
    }
}

/// Prints how often 95 % intervals of the winners' difference miss it:
/// `cargo test --release --test statistics -- --ignored --nocapture intervals_of_winners`
#[test]
#[ignore = "a minute"]
fn intervals_of_winners_miss_as_often_as_they_say() {
    const EXPERIMENTS: u64 = 2000;
    println!("missed in per cent: Student's t, bootstrap-t, the wider of both at each end (ours)");
    for shape in SHAPES {
        for (searches, pairs) in [(1, 6), (1, 10), (1, 30), (3, 4), (5, 4), (5, 10)] {
            let mut missed = [0; 3];
            for number in 0..EXPERIMENTS {
                let noise = shape.experiment(searches, pairs, 0.0, number);
                let intervals = [
                    Levels::of(&noise).unwrap().winners().interval(0.95),
                    bootstrap_t(&noise, 0.95, 999, number),
                    studentized_interval(&noise, 0.95, 999, number),
                ];
                for (missed, Interval { low, high }) in missed.iter_mut().zip(intervals) {
                    *missed += usize::from(low > 0.0 || high < 0.0);
                }
            }
            let shares = missed.map(|missed| 100.0 * missed as f64 / EXPERIMENTS as f64);
            println!("{shape:?} R={searches} n={pairs}: {shares:.1?}");
        }
    }
}
