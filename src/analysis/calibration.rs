//! How often the verdict errs: experiments simulated from the noise of a real one, judged by the same
//! rule.

use rand::{Rng, RngExt};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::Judgement;
use super::statistics::{Levels, Proportion, wilson};
use super::verdict::Reading;
use crate::random::{Purpose, derived_seed, stream};

/// Separates simulated experiments from the resamples inside them.
const EXPERIMENTS: u64 = 1;

/// How many experiments are simulated, and how.
#[derive(Clone, Copy, Debug)]
pub struct Simulations {
    /// Experiments.
    pub experiments: usize,
    /// Bootstrap resamples in each; 0 = Student's t alone for the interval of the winners.
    pub resamples: usize,
    /// Seed of all draws.
    pub seed: u64,
}

/// How often the rule says what, by simulation.
#[derive(Clone, Debug, Serialize)]
pub struct Characteristics {
    /// Simulated experiments behind each share.
    pub simulations: usize,
    /// `better` or `worse` where there is no difference. To be at most .05.
    pub false_positive_rate: Proportion,
    /// `equivalent` where the difference is the smallest effect of interest. To be at most .05.
    pub false_equivalence_rate: Proportion,
    /// `equivalent` where there is no difference.
    pub equivalence_power: Proportion,
    /// `better` where the difference is the smallest effect of interest.
    pub power: Proportion,
    /// `better` where the difference is twice the smallest effect of interest.
    pub power_at_twice: Proportion,
    /// Difference found `better` in 80 % of experiments; none if no difference is, or without a
    /// smallest effect of interest.
    pub detectable: Option<Detectable>,
}

/// A difference that is found in 80 % of experiments, a share of test accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detectable {
    /// The difference.
    pub effect: f64,
    /// Smaller differences are found less often, by the power's 95 % interval.
    pub low: f64,
    /// Larger differences are found more often, by the power's 95 % interval.
    pub high: f64,
}

/// How the verdict behaves on experiments of the same shape and noise as a real one.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// Searches of the experiment.
    pub searches: usize,
    /// Pairs of the experiment.
    pub pairs: usize,
    /// Deviation of a pair within its search, as simulated.
    pub seed_deviation: f64,
    /// Deviation of the searches' true differences, as simulated: the noise of the seeds taken out.
    pub search_deviation: f64,
    /// Smallest effect of interest.
    pub smallest_effect: f64,
    /// What the rule did.
    #[serde(flatten)]
    pub characteristics: Characteristics,
}

/// Simulates experiments with the noise and the shape of a real one: `noise` has its paired
/// differences grouped by search. None if no search has two pairs.
///
/// A simulated experiment draws an effect of each search and a residual of each pair from the real
/// ones, with replacement and random signs (under no difference the arms could be exchanged), both
/// scaled so that their variances are estimated without bias, and smoothed, because they are few:
/// three equal draws of three searches would pass for certainty.
pub fn calibrate(
    noise: &[Vec<f64>],
    smallest_effect: f64,
    simulations: Simulations,
) -> Option<Calibration> {
    let noise: Vec<&Vec<f64>> = noise.iter().filter(|search| !search.is_empty()).collect();
    let levels = Levels::of(&noise.iter().map(|search| (*search).clone()).collect::<Vec<_>>())?;
    let (within, effect) = (levels.within?, levels.search_effect());
    let residual = |(search, mean): (&&Vec<f64>, &f64)| -> Vec<f64> {
        // A residual of few pairs is too small by this factor.
        let grow = (search.len() as f64 / (search.len() as f64 - 1.0)).sqrt();
        search.iter().map(|value| (value - mean) * grow).collect()
    };
    let residuals = noise.iter().zip(&levels.means).filter(|(search, _)| search.len() > 1);
    let residuals = Pool::new(residuals.flat_map(residual).collect(), within);
    let effects = levels.means.iter().map(|mean| mean - levels.difference).collect();
    let effects = Pool::new(effects, effect);
    let draw = |experiment| {
        let random = &mut stream(
            derived_seed(simulations.seed, Purpose::Bootstrap, EXPERIMENTS),
            Purpose::Bootstrap,
            experiment,
        );
        let search = |search: &&Vec<f64>| {
            let effect = effects.draw(random);
            search.iter().map(|_| effect + residuals.draw(random)).collect()
        };
        noise.iter().map(search).collect()
    };
    Some(Calibration {
        searches: noise.len(),
        pairs: noise.iter().map(|search| search.len()).sum(),
        seed_deviation: within,
        search_deviation: effect,
        smallest_effect,
        characteristics: characterise(draw, smallest_effect, simulations),
    })
}

/// Runs the rule, for a single comparison, on experiments drawn under no difference: `draw` gives the
/// differences of the experiment with a number, grouped by search, at least one. The same experiments
/// serve for every true difference.
pub fn characterise(
    draw: impl Fn(u64) -> Vec<Vec<f64>>,
    smallest_effect: f64,
    Simulations { experiments, resamples, seed }: Simulations,
) -> Characteristics {
    let readings: Vec<Reading> = (0..experiments as u64)
        .filter_map(|number| {
            let seed = derived_seed(seed, Purpose::Bootstrap, number);
            Reading::of(&draw(number), resamples, seed)
        })
        .collect();
    let share = |effect: f64, wanted: &[Judgement]| {
        let judge = |reading: &&Reading| {
            let shifted = reading.shifted(effect);
            // p costs most and then cannot matter.
            let p = if shifted.excludes_zero() { shifted.p() } else { 1.0 };
            wanted.contains(&shifted.judge(p, shifted.tost_p(smallest_effect)))
        };
        wilson(readings.iter().filter(judge).count() as f64, readings.len())
    };
    let better = |effect| share(effect, &[Judgement::Better]);
    let detectable = |of: fn(Proportion) -> f64| {
        smallest_where(smallest_effect, |effect| of(better(effect)) >= 0.8)
    };
    let ends = [|p: Proportion| p.share, |p: Proportion| p.high, |p: Proportion| p.low];
    let [effect, low, high] = ends.map(detectable);
    Characteristics {
        simulations: readings.len(),
        false_positive_rate: share(0.0, &[Judgement::Better, Judgement::Worse]),
        false_equivalence_rate: share(smallest_effect, &[Judgement::Equivalent]),
        equivalence_power: share(0.0, &[Judgement::Equivalent]),
        power: better(smallest_effect),
        power_at_twice: better(2.0 * smallest_effect),
        detectable: (|| Some(Detectable { effect: effect?, low: low?, high: high? }))(),
    }
}

/// The smallest effect, to one part in a thousand, from which on `holds`; none if not even at a
/// million times `scale` or if that is not positive.
fn smallest_where(scale: f64, holds: impl Fn(f64) -> bool) -> Option<f64> {
    if scale.is_nan() || scale <= 0.0 {
        return None;
    }
    let (mut low, mut high) = (0.0, scale);
    while !holds(high) {
        (low, high) = (high, 2.0 * high);
        if high > 1e6 * scale {
            return None;
        }
    }
    while high - low > 1e-3 * high {
        let middle = f64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// Noise to draw from: values around 0.
#[derive(Debug)]
struct Pool {
    values: Vec<f64>,
    deviation: f64,
    /// Deviation of the smoothing kernel, in units of `deviation`.
    bandwidth: f64,
}

impl Pool {
    /// The values, at least one, scaled to the root mean square `deviation`; zeros stay zeros.
    fn new(values: Vec<f64>, deviation: f64) -> Self {
        let count = values.len() as f64;
        let square: f64 = values.iter().map(|value| value * value).sum();
        let now = (square / count).sqrt();
        let (factor, deviation) = if now > 0.0 { (deviation / now, deviation) } else { (0.0, 0.0) };
        let values = values.into_iter().map(|value| value * factor).collect();
        // Silverman (1986), eq. 3.28: the best width of a normal kernel for normal values.
        Self { values, deviation, bandwidth: 1.06 * count.powf(-0.2) }
    }

    /// One of the values with a random sign, smoothed by a normal kernel and shrunk so that the
    /// variance stays (Silverman & Young 1987).
    fn draw(&self, random: &mut impl Rng) -> f64 {
        let value = self.values[random.random_range(0..self.values.len())];
        let value = if random.random() { value } else { -value };
        let smooth = self.bandwidth * self.deviation * normal(random);
        (value + smooth) / self.bandwidth.hypot(1.0)
    }
}

fn normal(random: &mut impl Rng) -> f64 {
    Normal::standard().inverse_cdf(random.random_range(f64::EPSILON..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::statistics::{mean, standard_deviation};

    const QUICK: Simulations = Simulations { experiments: 400, resamples: 200, seed: 5 };

    /// Five searches of eight pairs whose deviations are about .004 within and .003 between.
    fn noise() -> Vec<Vec<f64>> {
        let mut random = stream(9, Purpose::Probe, 0);
        let mut draw = move |deviation| deviation * normal(&mut random);
        (0..5)
            .map(|_| {
                let effect = draw(0.003);
                (0..8).map(|_| 0.05 + effect + draw(0.004)).collect()
            })
            .collect()
    }

    #[test]
    fn errors_are_rare_and_effects_are_found() {
        let calibration = calibrate(&noise(), 0.004, QUICK).unwrap();
        let Characteristics { false_positive_rate, false_equivalence_rate, detectable, .. } =
            &calibration.characteristics;
        assert!(false_positive_rate.low <= 0.05, "{calibration:?}");
        assert!(false_equivalence_rate.low <= 0.05, "{calibration:?}");
        let Detectable { effect, low, high } = detectable.unwrap();
        assert!(0.0 < low && low < effect && effect < high && high < 0.02, "{calibration:?}");
        assert_eq!((calibration.searches, calibration.pairs), (5, 40));
    }

    /// The mean of the real differences is the effect, which a simulation under the null must not have.
    #[test]
    fn only_the_noise_counts() {
        let moved: Vec<Vec<f64>> =
            noise().iter().map(|search| search.iter().map(|d| d - 0.05).collect()).collect();
        let of = |noise| calibrate(noise, 0.004, QUICK).unwrap().characteristics;
        let (first, second) = (of(&noise()), of(&moved));
        assert_eq!(first.false_positive_rate, second.false_positive_rate);
        let shares = (first.power.share, second.power.share);
        assert!((shares.0 - shares.1).abs() < 0.01, "{shares:?}");
    }

    #[test]
    fn drawn_noise_has_the_deviation_of_the_pool_and_no_direction() {
        let pool = Pool::new(vec![1.0, -3.0, 2.0], 0.004);
        let mut random = stream(1, Purpose::Probe, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| pool.draw(&mut random)).collect();
        let deviation = standard_deviation(&draws);
        assert!((deviation / 0.004 - 1.0).abs() < 0.03, "{deviation}");
        assert!((mean(&draws) / 0.004).abs() < 4.0 / 20_000_f64.sqrt());
        assert_eq!(Pool::new(vec![0.0, 0.0], 1.0).draw(&mut random), 0.0);
    }

    #[test]
    fn one_search_and_no_noise() {
        let single = calibrate(&noise()[..1], 0.004, QUICK).unwrap();
        assert_eq!(single.search_deviation, 0.0);
        assert!(single.characteristics.false_positive_rate.low <= 0.05);
        assert!(calibrate(&[vec![0.1], vec![0.2]], 0.004, QUICK).is_none());
        assert!(calibrate(&[], 0.004, QUICK).is_none());
        let still = calibrate(&[vec![0.1; 4], vec![0.1; 4]], 0.004, QUICK).unwrap();
        assert_eq!(still.characteristics.false_positive_rate.share, 0.0);
        assert_eq!(still.characteristics.equivalence_power.share, 1.0);
        // Too few pairs for a claim: no difference is large enough.
        let few = calibrate(&[vec![0.1, 0.2, 0.3]], 0.004, QUICK).unwrap();
        assert_eq!(few.characteristics.detectable, None);
    }
}
