//! Functions whose shares of the variance are known.

use std::f64::consts::PI;

use super::super::fanova::variances;
use super::super::sample::Sample;
use super::super::{Observations, Options, method};
use super::{choices, drawn, float, int};

fn singles(observations: &Observations) -> Vec<f64> {
    let options = Options::default();
    let (sample, _) = Sample::new(observations, &options).unwrap();
    method("fanova").unwrap().importance(&sample, &options, 1).unwrap()
}

fn near(found: f64, known: f64, tolerance: f64) {
    assert!((found - known).abs() < tolerance, "{found}, not {known} ± {tolerance}");
}

#[test]
fn a_log_parameter_is_averaged_over_its_logarithm() {
    let space = || vec![float(1e-5, 1.0, true), float(0.0, 1.0, false)];
    let wave = |x: &[f64]| -(-(x[0].log10() + 3.0).powi(2) / 0.5).exp() + 0.6 * x[1];
    let found = singles(&drawn(space(), 2000, 1, wave));
    near(found[0], 0.792, 0.03);
    let bowl = |x: &[f64]| (x[0].log10() + 3.0).powi(2) + 3.0 * x[1];
    let found = singles(&drawn(space(), 2000, 2, bowl));
    near(found[0], 0.881057, 0.03);
}

#[test]
fn choices_count_by_their_number() {
    let space = vec![choices(3), float(0.0, 1.0, false)];
    let found = singles(&drawn(space, 1000, 3, |x| [0.0, 1.0, 3.0][x[0] as usize] + x[1]));
    near(found[0], 0.949153, 0.01);
    near(found[1], 1.0 - 0.949153, 0.01);
}

#[test]
fn whole_numbers_count_by_their_shares() {
    // Levels 0 … 4 of equal shares: variance 2; and a linear term of variance 2.
    let space = vec![int(0, 4, false), float(0.0, 24_f64.sqrt(), false)];
    let found = singles(&drawn(space, 2000, 4, |x| x[0] + x[1]));
    near(found[0], 0.5, 0.03);
    // By the logarithm: 1 has ln 3 / ln 9 = ½ of the measure.
    let space = vec![int(1, 4, true), float(0.0, 1.0, false)];
    let jump = |x: &[f64]| f64::from(u8::from(x[0] > 1.0)) + 3_f64.sqrt() * x[1];
    let found = singles(&drawn(space, 2000, 5, jump));
    near(found[0], 0.5, 0.03);
}

#[test]
fn ishigami_and_its_pair() {
    let ishigami =
        |x: &[f64]| x[0].sin() + 7.0 * x[1].sin().powi(2) + 0.1 * x[2].powi(4) * x[0].sin();
    let sample = drawn(vec![float(-PI, PI, false); 3], 8000, 6, ishigami);
    let options = Options::default();
    let (sample, _) = Sample::new(&sample, &options).unwrap();
    let found = variances(&sample, &options, 1, true);
    for (share, known) in found.singles.iter().zip([0.313905, 0.442411, 0.0]) {
        // Trees smooth the four waves of x1: .40 from 8,000 trials.
        near(*share, known, 0.05);
    }
    let pair = found.pairs.iter().find(|pair| (pair.0, pair.1) == (0, 2)).unwrap();
    near(pair.2, 0.243684, 0.05);
}

#[test]
fn sobol_g() {
    let a = [0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0];
    let g = move |x: &[f64]| {
        x.iter().zip(a).map(|(x, a)| ((4.0 * x - 2.0).abs() + a) / (1.0 + a)).product::<f64>()
    };
    let found = singles(&drawn(vec![float(0.0, 1.0, false); 8], 8000, 7, g));
    let known =
        [0.716192, 0.179048, 0.023676, 0.007162, 0.0000716, 0.0000716, 0.0000716, 0.0000716];
    for (share, known) in found.into_iter().zip(known) {
        near(share, known, 0.05);
    }
}

#[test]
fn a_pure_interaction_is_the_pair() {
    let product = |x: &[f64]| (x[0] - 0.5) * (x[1] - 0.5);
    let sample = drawn(vec![float(0.0, 1.0, false); 2], 4000, 8, product);
    let options = Options::default();
    let (sample, _) = Sample::new(&sample, &options).unwrap();
    let found = variances(&sample, &options, 1, true);
    assert!(found.singles.iter().all(|share| *share < 0.02), "{found:?}");
    near(found.pairs[0].2, 1.0, 0.03);
}

#[test]
fn duplicates_share_what_one_would_have() {
    let mut sample = drawn(vec![float(0.0, 1.0, false); 3], 500, 9, |x| x[0] + 0.3 * x[2]);
    for row in &mut sample.rows {
        row.values[1] = row.values[0];
    }
    let found = singles(&sample);
    assert!((found[0] - found[1]).abs() < 0.15, "{found:?}");
    assert!(found[0] > found[2] && found[1] > found[2], "{found:?}");
}

#[test]
fn ped_anova_of_a_line_nears_its_limit() {
    // (γ′)² (1/γ′ − 1) = .09; kernels and the prior smooth it.
    let sample = drawn(vec![float(0.0, 1.0, false)], 20_000, 10, |x| x[0]);
    let options = Options::default();
    let (sample, _) = Sample::new(&sample, &options).unwrap();
    let found = method("ped-anova").unwrap().importance(&sample, &options, 0).unwrap();
    near(found[0], 0.09, 0.005);
}
