//! eFAST: S1 and ST from the spectrum of the response along search curves.
//!
//! A factor's curve is x_i(s) = ½ + arcsin(sin(ω_i s + φ_i)) / π (Saltelli, Tarantola & Chan 1999):
//! the factor itself swings with ω₀ = ⌊(N − 1) / 2M⌋, the others with frequencies up to ω₀ / 2M.
//! With Sp(f) the power at f, S1 = 2 Σ_{m ≤ M} Sp(mω₀) / V, ST = 1 − 2 Σ_{f ≤ ω₀/2} Sp(f) / V and
//! V = 2 Σ Sp(f); with the same phases they equal those of SALib 1.6.
//!
//! **Bias.** Harmonics beyond the M-th of the factor are not counted in S1, those of the others that
//! reach beyond ω₀ / 2 are counted in ST, and frequencies that coincide add up. More points do not
//! help: for Ishigami's function with M = 4, S1 of x1 stays .006 too small and ST of x2 .021 too
//! large. Jumps between the levels of a discrete factor have strong harmonics: S1 of a choice of three
//! with .95 of the variance is found as .86. Phases vary the last of these three only, so an interval
//! from several curves is one of the phases, about the biased index; it is made [`BIAS`] wider at both
//! ends, with which it holds for Ishigami's and Sobol's functions. It does not for a response that bends
//! more often than M harmonics can follow: S1 of x1 of Branin's function is .136 and found as .08, ST of
//! Rastrigin's (five waves across the box) .333 and found as .49.
//!
//! The points of a factor are spread over up to four curves of 16M² or more points with phases of
//! their own, as resampling in the paper; with fewer points there is one curve and no interval.

use std::f64::consts::{PI, TAU};

use rand::RngExt;

use super::draft::{checked, equal_blocks, whole_blocks};
use super::estimate::{Estimated, spread};
use super::unit::{check, without_groups};
use super::{Analysis, Factor, Method, Noise, Options, SensitivityError, draws};
use crate::analysis::statistics::{Estimate, Interval, mean};

/// Number of the draws for phases.
const PHASES: u64 = 4 << 32;

/// How far an index may be from the truth however many points there are (see the module's notes), at
/// either end of an interval.
const BIAS: f64 = 0.025;

/// More curves than this make them too short to keep frequencies apart.
const MOST_CURVES: usize = 4;

/// The extended Fourier amplitude sensitivity test.
pub(super) struct Efast;

impl Method for Efast {
    fn name(&self) -> &'static str {
        "efast"
    }

    fn about(&self) -> &'static str {
        "shares of the variance alone and in total, from spectra; samples · factors runs"
    }

    fn runs(&self, factors: &[Factor], options: &Options) -> usize {
        let Curves { count, points } = Curves::of(options);
        count.saturating_mul(points).saturating_mul(factors.len())
    }

    fn design(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<Vec<f64>>, SensitivityError> {
        self.check(factors, options)?;
        let curves = Curves::of(options);
        let mut all = Vec::with_capacity(self.runs(factors, options));
        for replicate in 0..curves.count {
            for factor in 0..factors.len() {
                let number = (replicate * factors.len() + factor) as u64;
                let mut random = draws(options.seed, PHASES, number);
                let phases: Vec<f64> =
                    factors.iter().map(|_| TAU * random.random::<f64>()).collect();
                all.extend(curve(factor, curves.points, options.harmonics, &phases));
            }
        }
        Ok(all)
    }

    /// A block is a set of curves, one for each factor.
    fn blocks(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<usize>, SensitivityError> {
        self.check(factors, options)?;
        let size = Curves::of(options).points * factors.len();
        Ok(equal_blocks(self.runs(factors, options), size))
    }

    /// A run without a value takes its curve along.
    fn analyse(
        &self,
        factors: &[Factor],
        options: &Options,
        values: &[Option<f64>],
    ) -> Result<Analysis, SensitivityError> {
        self.check(factors, options)?;
        let values = checked(self, self.runs(factors, options), values)?;
        let points = Curves::of(options).points;
        let curves = whole_blocks(&values, points);
        let mut analysis = Analysis::of_runs(&values, curves.len() * points, "curve");
        if curves.is_empty() {
            return Ok(analysis);
        }
        let noise = match options.noise {
            Noise::Variance(variance) => variance,
            Noise::Dummy(place) => seen_by_dummy(&curves, factors.len(), place, options.harmonics),
            Noise::None => 0.0,
        };
        analysis.noise_variance = (noise > 0.0).then_some(noise);
        let all = || curves.iter().flat_map(|(_, values)| values.iter().copied());
        analysis.variance = (spread(all()).1 - noise).max(0.0);
        if !analysis.has_variance() {
            return Ok(analysis);
        }
        for (place, factor) in factors.iter().enumerate() {
            let own = curves.iter().filter(|(number, _)| number % factors.len() == place);
            let indices: Vec<(f64, f64)> =
                own.filter_map(|(_, values)| indices(values, options.harmonics, noise)).collect();
            if indices.is_empty() {
                let name = &factor.name;
                analysis.note(format!("{name} has no whole curve along which values vary"));
                continue;
            }
            let first: Vec<f64> = indices.iter().map(|(first, _)| *first).collect();
            let total: Vec<f64> = indices.iter().map(|(_, total)| *total).collect();
            for (index, values) in [("S1", first), ("ST", total)] {
                let Interval { low, high } = Estimate::of(&values).interval(options.confidence);
                let interval = Interval { low: low - BIAS, high: high + BIAS };
                let value = mean(&values);
                analysis.push(&factor.name, index, Estimated { value, interval });
            }
        }
        analysis.note(match curves.len() > factors.len() {
            true => format!(
                "the intervals of efast are those of its random phases and {BIAS} more at both ends, for a bias that \
                 does not shrink with more samples; for discrete hyperparameters, and where the response bends often \
                 along one, it can be greater than that and the interval miss: sobol has no such bias"
            ),
            false => {
                let enough = 2 * shortest(options.harmonics);
                format!("efast has one curve a factor, hence no intervals; --samples {enough} has")
            }
        });
        Ok(analysis)
    }
}

/// Variance of the noise by the dummy's curves: it has no effect, so that what looks like one is noise (and
/// what leaks from others, which is no part of the rest either).
fn seen_by_dummy(
    curves: &[(usize, Vec<f64>)],
    factors: usize,
    dummy: usize,
    harmonics: usize,
) -> f64 {
    let own = curves.iter().filter(|(number, _)| number % factors == dummy);
    let parts: Vec<f64> = own
        .filter_map(|(_, values)| {
            let (_, total) = indices(values, harmonics, 0.0)?;
            Some(total * spread(values.iter().copied()).1)
        })
        .collect();
    if parts.is_empty() { 0.0 } else { mean(&parts).max(0.0) }
}

impl Efast {
    fn check(&self, factors: &[Factor], options: &Options) -> Result<(), SensitivityError> {
        if !(1..=100).contains(&options.harmonics) {
            let (what, range) = ("the number of harmonics", "1 to 100; 4 is usual");
            let given = options.harmonics as f64;
            return Err(SensitivityError::Number { what, given, range });
        }
        let least = 4 * options.harmonics * options.harmonics + 1;
        check(self, factors, options, least, "points on the curves of a factor")?;
        without_groups(self, options)
    }
}

/// How the samples of a factor are spread over curves.
#[derive(Clone, Copy)]
struct Curves {
    count: usize,
    points: usize,
}

impl Curves {
    fn of(options: &Options) -> Self {
        let count = options.samples / shortest(options.harmonics).max(1);
        let count = count.clamp(1, MOST_CURVES);
        Self { count, points: options.samples / count }
    }
}

/// Fewest points of a curve where there are several: four times what frequencies need.
fn shortest(harmonics: usize) -> usize {
    16 * harmonics.saturating_mul(harmonics)
}

/// Frequency of the factor whose curve it is.
fn own_frequency(points: usize, harmonics: usize) -> usize {
    (points - 1) / (2 * harmonics)
}

/// The frequencies of `count` other factors: spread over 1..=ω₀/2M, in turns where they are many.
fn other_frequencies(count: usize, own: usize, harmonics: usize) -> Vec<usize> {
    let most = (own / (2 * harmonics)).max(1);
    match count {
        0 | 1 => vec![1; count],
        // Only integers, so that no rounding decides.
        _ if most >= count => {
            (0..count).map(|place| 1 + place * (most - 1) / (count - 1)).collect()
        }
        _ => (0..count).map(|place| place % most + 1).collect(),
    }
}

/// The points of the curve of one factor; a phase for each factor, in radians.
pub(super) fn curve(
    factor: usize,
    points: usize,
    harmonics: usize,
    phases: &[f64],
) -> Vec<Vec<f64>> {
    let own = own_frequency(points, harmonics);
    let mut frequencies = other_frequencies(phases.len() - 1, own, harmonics);
    frequencies.insert(factor, own);
    (0..points)
        .map(|place| {
            let s = TAU / points as f64 * place as f64;
            let swings = frequencies.iter().zip(phases);
            let position = |(frequency, phase): (&usize, &f64)| {
                0.5 + (*frequency as f64 * s + phase).sin().asin() / PI
            };
            swings.map(position).map(|position| position.clamp(0.0, 1.0)).collect()
        })
        .collect()
}

/// Power at frequency `f` of values at equal steps.
fn power(values: &[f64], f: usize) -> f64 {
    let n = values.len();
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (place, value) in values.iter().enumerate() {
        // The whole turns are taken out in integers, which keeps the angle's digits.
        let angle = TAU * ((place * f % n) as f64 / n as f64);
        real += value * angle.cos();
        imaginary += value * angle.sin();
    }
    (real * real + imaginary * imaginary) / (n * n) as f64
}

/// First and total index of the factor whose curve the values are from; none where nothing but noise
/// varies along it.
pub(super) fn indices(values: &[f64], harmonics: usize, noise: f64) -> Option<(f64, f64)> {
    let n = values.len();
    let (middle, whole) = spread(values.iter().copied());
    let centred: Vec<f64> = values.iter().map(|value| value - middle).collect();
    let own = own_frequency(n, harmonics);
    // By Parseval's theorem the power of all frequencies is the variance; an even number of points
    // has one more at the end that pairs with none and does not count.
    let last = if n.is_multiple_of(2) { power(&centred, n / 2) } else { 0.0 };
    // White noise has an equal part at each of the frequencies.
    let at_each = noise / n as f64;
    let sum = |frequencies: &mut dyn Iterator<Item = usize>| {
        frequencies.map(|f| 2.0 * (power(&centred, f) - at_each)).sum::<f64>()
    };
    let variance = whole - last - at_each * (2 * n.div_ceil(2) - 2) as f64;
    let first = sum(&mut (1..=harmonics).map(|harmonic| harmonic * own));
    let others = sum(&mut (1..=own / 2));
    (whole > 0.0 && variance > 0.0).then(|| (first / variance, 1.0 - others / variance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sensitivity::suite::Subject;
    use crate::random::{Purpose, stream};

    /// Of `salib.sample.fast_sampler`: omega[1:].
    #[test]
    fn frequencies_are_salibs() {
        assert_eq!(own_frequency(1000, 4), 124);
        assert_eq!(other_frequencies(7, 124, 4), [1, 3, 5, 8, 10, 12, 15]);
        assert_eq!(other_frequencies(2, 124, 4), [1, 15]);
        assert_eq!(other_frequencies(1, 124, 4), [1]);
        assert_eq!(other_frequencies(4, 16, 4), [1, 2, 1, 2]);
        assert!(other_frequencies(0, 16, 4).is_empty());
    }

    #[test]
    fn points_are_spread_over_curves() {
        let of = |samples| {
            let Curves { count, points } = Curves::of(&Options { samples, ..Options::default() });
            (count, points)
        };
        assert_eq!(
            [of(65), of(511), of(513), of(1024), of(4096)].map(|(count, _)| count),
            [1, 1, 2, 4, 4]
        );
        assert_eq!((of(513).1, of(1024).1), (256, 256));
        let subject = Subject::new("ishigami");
        let with = |samples| {
            let analysis = subject.analyse(&Efast, &Options { samples, ..Options::default() });
            (analysis.find("x1", "S1").interval, analysis.notes)
        };
        let (interval, notes) = with(300);
        assert_eq!(interval.high, f64::INFINITY);
        assert!(notes[0].contains("--samples 512"), "{notes:?}");
        let (interval, notes) = with(1024);
        assert!(interval.high - interval.low < 0.1 && notes[0].contains("bias"), "{notes:?}");
    }

    /// White noise that is known leaves the indices where they are without it.
    #[test]
    fn noise_is_taken_out() {
        let subject = Subject::new("ishigami").with_dummy();
        let plain = Options { samples: 4096, ..Options::default() };
        let exact = subject.values(&Efast, &plain);
        let clean = Efast.analyse(&subject.factors, &plain, &exact).unwrap();
        let mut random = stream(1, Purpose::Noise, 0);
        let noisy: Vec<_> =
            exact.iter().map(|v| v.map(|v| v + random.random_range(-3.0..3.0))).collect();
        let known = Options { noise: Noise::Variance(3.0), ..plain.clone() };
        let corrected = Efast.analyse(&subject.factors, &known, &noisy).unwrap();
        for (ours, clean) in corrected.indices.iter().zip(&clean.indices) {
            assert!((ours.value - clean.value).abs() < 0.03, "{ours:?} {clean:?}");
        }
        let raw = Efast.analyse(&subject.factors, &plain, &noisy).unwrap();
        assert!(raw.find("dummy", "ST").value > 0.1);
    }

    #[test]
    fn power_is_parsevals() {
        for n in [8, 9] {
            let values: Vec<f64> = (0..n).map(|i| f64::from(i * i % 7)).collect();
            let (middle, variance) = spread(values.iter().copied());
            let centred: Vec<f64> = values.iter().map(|value| value - middle).collect();
            let all: f64 = (1..n as usize).map(|f| power(&centred, f)).sum();
            assert!((all - variance).abs() < 1e-12);
        }
    }
}
