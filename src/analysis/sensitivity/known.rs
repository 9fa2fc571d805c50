//! Known answers: exact indices of analytic functions, and what SALib 1.6 prints.

use std::f64::consts::TAU;

use super::suite::Subject;
use super::*;

fn analyse(name: &str, function: &str, change: impl Fn(&mut Options)) -> Analysis {
    let mut options = Options { resamples: 100, ..Options::default() };
    change(&mut options);
    Subject::new(function).analyse(method(name).unwrap(), &options)
}

/// The values of an index, factor by factor.
fn all(analysis: &Analysis, index: &str) -> Vec<f64> {
    analysis.indices.iter().filter(|it| it.index == index).map(|it| it.value).collect()
}

#[track_caller]
fn assert_near(ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= tolerance, "{ours} is not {theirs}");
    }
}

/// `salib.sample.sobol.sample(N=1024, scramble=False)` and `sobol.analyze`.
#[test]
fn unscrambled_sobol_is_salibs() {
    let plain = |second_order| {
        move |options: &mut Options| {
            *options = Options {
                samples: 1024,
                scramble: false,
                second_order,
                resamples: 10,
                ..options.clone()
            };
        }
    };
    let ishigami = analyse("sobol", "ishigami", plain(false));
    let first = [0.3329550751794263, 0.441313938544067, 0.018578412958719353];
    let total = [0.5581790457114659, 0.4432845840303481, 0.24214937335496534];
    assert_near(&all(&ishigami, "S1"), &first, 1e-12);
    assert_near(&all(&ishigami, "ST"), &total, 1e-12);
    // With pairs, the mean that is taken off is one over more points.
    let pairs = analyse("sobol", "ishigami", plain(true));
    let first = [0.33295510535317324, 0.4413139385440669, 0.018578437929572516];
    let second = [-4.955281413510093e-05, 0.22760710553788024, 0.0048765516488903544];
    assert_near(&all(&pairs, "S1"), &first, 1e-12);
    assert_near(&all(&pairs, "ST"), &total, 1e-12);
    assert_near(&all(&pairs, "S2"), &second, 1e-12);
    assert_eq!(pairs.find("x1:x3", "S2").value, all(&pairs, "S2")[1]);
    let g = analyse("sobol", "sobol-g", plain(false));
    let total = [0.7656211638, 0.2346407695, 0.0315442095, 0.0104744918];
    assert_near(&all(&g, "ST")[..4], &total, 1e-9);
}

/// `salib.sample.fast_sampler` with `numpy.random.default_rng(42)`, and `fast.analyze`.
#[test]
fn efast_with_given_phases_is_salibs() {
    let subject = Subject::new("ishigami");
    let shares = [0.7739560485559633, 0.4388784397520523, 0.8585979199113825];
    let indices: Vec<(f64, f64)> = (0..3)
        .map(|factor| {
            let points = efast::curve(factor, 1000, 4, &[TAU * shares[factor]; 3]);
            let values: Vec<f64> = points.iter().map(|point| subject.at(point)).collect();
            efast::indices(&values, 4, 0.0).unwrap()
        })
        .collect();
    let (first, total): (Vec<f64>, Vec<f64>) = indices.into_iter().unzip();
    assert_near(&first, &[0.3092921332, 0.4424307605, 0.0], 1e-9);
    assert_near(&total, &[0.5542906147, 0.4693904413, 0.2393256211], 1e-9);
}

pub(super) const G_FIRST: [f64; 8] =
    [0.716192, 0.179048, 0.023676, 0.007162, 0.0000716, 0.0000716, 0.0000716, 0.0000716];
pub(super) const G_TOTAL: [f64; 8] =
    [0.787144, 0.242198, 0.034317, 0.010460, 0.000105, 0.000105, 0.000105, 0.000105];

/// Exact first and total indices; all that a method finds of them is near, the more so with
/// scrambled points.
#[test]
fn exact_indices_are_found() {
    let linear: Vec<f64> =
        (1..=10).map(|i| 0.25_f64.powi(i) * 3.0 / (1.0 - 0.25_f64.powi(10))).collect();
    let cases: [(&str, f64, Vec<f64>, Vec<f64>); 7] = [
        ("ishigami", 13.844588, vec![0.313905, 0.442411, 0.0], vec![0.557589, 0.442411, 0.243684]),
        ("sobol-g", 0.4654244, G_FIRST.to_vec(), G_TOTAL.to_vec()),
        (
            "bratley-5",
            0.05724746,
            vec![0.688031, 0.142155, 0.051176, 0.005686, 0.005686],
            vec![0.766023, 0.220147, 0.098842, 0.017971, 0.017971],
        ),
        ("linear-10", 1.0 / 12.0 * (1.0 - 0.25_f64.powi(10)) / 3.0, linear.clone(), linear),
        ("interaction", 1.0 / 144.0, vec![0.0, 0.0], vec![1.0, 1.0]),
        (
            "categorical-sum",
            14.0 / 9.0 + 1.0 / 12.0,
            vec![0.949153, 1.0 - 0.949153],
            vec![0.949153, 1.0 - 0.949153],
        ),
        (
            "log-check",
            0.75 / (1.0 - 0.881057),
            vec![0.881057, 1.0 - 0.881057],
            vec![0.881057, 1.0 - 0.881057],
        ),
    ];
    for (function, variance, first, total) in cases {
        let found = analyse("sobol", function, |options| options.samples = 4096);
        let error = (found.variance / variance - 1.0).abs();
        assert!(error < 0.02, "{function}: {} {variance}", found.variance);
        assert_near(&all(&found, "S1"), &first, 0.02);
        assert_near(&all(&found, "ST"), &total, 0.02);
        let found = analyse("efast", function, |options| options.samples = 4096);
        // Its bias: jumps have harmonics that fall slowly.
        let bias = if function == "categorical-sum" { 0.1 } else { 0.03 };
        assert_near(&all(&found, "S1"), &first, bias);
        assert_near(&all(&found, "ST"), &total, bias);
    }
}

/// Exact Shapley effects: half of each pair's share goes to each of the two.
#[test]
fn shapley_effects_are_found() {
    let cases = [
        ("ishigami", vec![0.435747, 0.442411, 0.121842]),
        ("interaction", vec![0.5, 0.5]),
        ("categorical-sum", vec![0.949153, 1.0 - 0.949153]),
        ("log-check", vec![0.881057, 1.0 - 0.881057]),
    ];
    for (function, truth) in cases {
        let found = analyse("shapley", function, |options| options.samples = 8192);
        assert_near(&all(&found, "Sh"), &truth, 0.02);
        assert!((all(&found, "Sh").iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    // Between the share alone and the share in total.
    let found = analyse("shapley", "sobol-g", |options| options.samples = 4096);
    for (share, (first, total)) in all(&found, "Sh").iter().zip(G_FIRST.iter().zip(G_TOTAL)) {
        assert!(first - 0.01 < *share && *share < total + 0.01, "{first} {share} {total}");
    }
}

/// Mean, mean size and deviation of all elementary effects on a grid of four levels.
pub(super) fn exact_effects(subject: &Subject) -> Vec<[f64; 3]> {
    let k = subject.factors.len();
    let mut sums = vec![[0.0; 4]; k];
    for number in 0..4_usize.pow(k as u32) {
        let levels: Vec<usize> = (0..k).map(|j| number / 4_usize.pow(j as u32) % 4).collect();
        let mut point: Vec<f64> = levels.iter().map(|level| *level as f64 / 3.0).collect();
        let value = subject.at(&point);
        for j in (0..k).filter(|j| levels[*j] < 2) {
            point[j] += 2.0 / 3.0;
            let effect = (subject.at(&point) - value) / (2.0 / 3.0);
            let terms = [effect, effect.abs(), effect * effect, 1.0];
            sums[j].iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            point[j] = levels[j] as f64 / 3.0;
        }
    }
    let of = |[sum, size, square, count]: [f64; 4]| {
        let mu = sum / count;
        [mu, size / count, (square / count - mu * mu).max(0.0).sqrt()]
    };
    sums.into_iter().map(of).collect()
}

/// Mean size of all elementary effects.
fn exact_mu_star(subject: &Subject) -> Vec<f64> {
    exact_effects(subject).into_iter().map(|[_, size, _]| size).collect()
}

#[test]
fn all_elementary_effects_have_the_known_means() {
    let ishigami = exact_mu_star(&Subject::new("ishigami"));
    assert_near(&ishigami, &[7.7041, 7.8750, 6.2488], 5e-5);
    let g = exact_mu_star(&Subject::new("sobol-g"));
    let known = [2.59151, 1.48086, 0.59234, 0.33439, 0.03444, 0.03444, 0.03444, 0.03444];
    assert_near(&g, &known, 5e-6);
    for (name, exact) in [("ishigami", ishigami), ("sobol-g", g)] {
        let found = analyse("morris", name, |options| options.samples = 10_000);
        for (ours, exact) in all(&found, "mu_star").iter().zip(exact) {
            assert!((ours / exact - 1.0).abs() < 0.03, "{name}: {ours} {exact}");
        }
    }
}
