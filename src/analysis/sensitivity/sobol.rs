//! Sobol' indices from Saltelli's design: the share of the variance that a factor has alone (S1),
//! with all its interactions (ST), and in a pair (S2).
//!
//! Each base sample is two points a and b of a Sobol' sequence of 2k dimensions, and a with factor
//! j from b, ab_j, for each j; with pairs also b with factor j from a (Saltelli 2002). The estimators
//! are S1 = mean b(ab_j − a) / V (Saltelli et al. 2010), ST = mean (a − ab_j)² / 2V (Jansen 1999)
//! and S2 = mean(ba_i · ab_j − a·b) / V − S1_i − S1_j (Saltelli 2002), over values less their mean;
//! with the same points they equal those of SALib 1.6. Noise of variance σ² that is known is taken
//! out: (mean (a − ab_j)² / 2 − σ²) / (V − σ²), and V − σ² below the others.

use super::draft::{checked, equal_blocks, whole_blocks};
use super::estimate::{Estimated, mean_of, ratio_of, spread};
use super::pairs::Pairs;
use super::unit::{Unit, check, count, dummy, units};
use super::{Analysis, Factor, Method, Noise, Options, SensitivityError};
use crate::analysis::statistics::{Interval, mean};

/// Variance-based indices of first, total and second order.
pub(super) struct Sobol;

impl Method for Sobol {
    fn name(&self) -> &'static str {
        "sobol"
    }

    fn about(&self) -> &'static str {
        "shares of the variance, alone, in pairs and in total; samples · (factors + 2) runs"
    }

    fn runs(&self, factors: &[Factor], options: &Options) -> usize {
        options.samples.saturating_mul(block_size(count(factors, options), options))
    }

    fn design(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<Vec<f64>>, SensitivityError> {
        let units = self.checked_units(factors, options)?;
        let pairs = Pairs::new(self, factors.len(), options)?;
        let mut points = Vec::with_capacity(self.runs(factors, options));
        for number in 0..options.samples {
            let (a, b) = pairs.at(number);
            let exchanged = |from: &[f64], unit: &Unit, other: &[f64]| {
                let mut point = from.to_vec();
                unit.members.iter().for_each(|&member| point[member] = other[member]);
                point
            };
            points.push(a.clone());
            points.extend(units.iter().map(|unit| exchanged(&a, unit, &b)));
            if options.second_order {
                points.extend(units.iter().map(|unit| exchanged(&b, unit, &a)));
            }
            points.push(b);
        }
        Ok(points)
    }

    fn blocks(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<usize>, SensitivityError> {
        let size = block_size(self.checked_units(factors, options)?.len(), options);
        Ok(equal_blocks(self.runs(factors, options), size))
    }

    fn analyse(
        &self,
        factors: &[Factor],
        options: &Options,
        values: &[Option<f64>],
    ) -> Result<Analysis, SensitivityError> {
        let units = self.checked_units(factors, options)?;
        let values = checked(self, self.runs(factors, options), values)?;
        let size = block_size(units.len(), options);
        let blocks: Vec<Vec<f64>> =
            whole_blocks(&values, size).into_iter().map(|(_, block)| block).collect();
        let mut analysis = Analysis::of_runs(&values, blocks.len() * size, "base sample");
        if !blocks.is_empty() {
            estimate(&mut analysis, blocks, &units, options);
        }
        Ok(analysis)
    }
}

impl Sobol {
    fn checked_units(
        &self,
        factors: &[Factor],
        options: &Options,
    ) -> Result<Vec<Unit>, SensitivityError> {
        check(self, factors, options, 1, "base samples")?;
        Pairs::new(self, factors.len(), options)?;
        units(factors, options)
    }
}

fn block_size(units: usize, options: &Options) -> usize {
    if options.second_order { 2 * units + 2 } else { units + 2 }
}

/// The indices from whole blocks, at least one.
fn estimate(analysis: &mut Analysis, blocks: Vec<Vec<f64>>, units: &[Unit], options: &Options) {
    let size = block_size(units.len(), options);
    // The estimators are biased where the mean is far from 0: see Saltelli et al. 2010.
    let (middle, _) = spread(blocks.iter().flatten().copied());
    let centred: Vec<Vec<f64>> = blocks
        .into_iter()
        .map(|block| block.iter().map(|value| value - middle).collect())
        .collect();
    let a = |block: &[f64]| block[0];
    let b = |block: &[f64]| block[size - 1];
    let ab = |block: &[f64], unit: usize| block[1 + unit];
    let ba = |block: &[f64], unit: usize| block[1 + units.len() + unit];
    let over =
        |of: &dyn Fn(&[f64]) -> f64| centred.iter().map(|block| of(block)).collect::<Vec<_>>();

    let total = |unit: usize| over(&|block| (a(block) - ab(block, unit)).powi(2) / 2.0);
    let dummy = dummy(units, options);
    let noise: Vec<f64> = match (options.noise, dummy) {
        (Noise::Variance(variance), _) => vec![variance; centred.len()],
        (_, Some(unit)) => total(unit),
        _ => vec![0.0; centred.len()],
    };
    let (ab_middle, spread) = spread(centred.iter().flat_map(|block| [a(block), b(block)]));
    let squares =
        over(&|block| ((a(block) - ab_middle).powi(2) + (b(block) - ab_middle).powi(2)) / 2.0);
    let less_noise = |values: Vec<f64>| -> Vec<f64> {
        values.iter().zip(&noise).map(|(value, noise)| value - noise).collect()
    };
    let variances = less_noise(squares);
    analysis.noise_variance = (options.noise != Noise::None).then(|| mean(&noise));
    analysis.variance = if spread == 0.0 { 0.0 } else { mean(&variances).max(0.0) };
    if !analysis.has_variance() {
        return;
    }
    let mut statistic = 0;
    let mut share = |numerators: &[f64]| {
        statistic += 1;
        ratio_of(numerators, &variances, options, statistic)
    };
    let first = |unit: usize| over(&|block| b(block) * (ab(block, unit) - a(block)));
    for (place, unit) in units.iter().enumerate() {
        analysis.push(&unit.name, "S1", share(&first(place)));
        let total = match dummy == Some(place) {
            true => nothing(&noise, analysis.variance, options),
            false => share(&less_noise(total(place))),
        };
        analysis.push(&unit.name, "ST", total);
    }
    if options.second_order {
        for i in 0..units.len() {
            for j in i + 1..units.len() {
                let (first_i, first_j) = (first(i), first(j));
                let closed = over(&|block| ba(block, i) * ab(block, j) - a(block) * b(block));
                let alone = first_i.iter().zip(&first_j).map(|(i, j)| i + j);
                let pair: Vec<f64> =
                    closed.iter().zip(alone).map(|(both, one)| both - one).collect();
                let name = format!("{}:{}", units[i].name, units[j].name);
                analysis.push(&name, "S2", share(&pair));
            }
        }
    }
    analysis.note_few(centred.len(), 64, "base samples");
    if let Some(place) = dummy {
        analysis.note(format!(
            "noise was estimated from {0} and taken out, so the total of {0} is 0; its interval is \
             what a factor without effect may show",
            units[place].name
        ));
    }
}

/// The total index of the dummy that the noise was estimated from: 0 by construction. The interval
/// is that of the difference between two such estimates.
fn nothing(noise: &[f64], variance: f64, options: &Options) -> Estimated {
    let Estimated { value, interval } = mean_of(noise, options, 0);
    let scale = 2.0_f64.sqrt() / variance;
    let half = (interval.high - value).max(value - interval.low) * scale;
    Estimated { value: 0.0, interval: Interval { low: -half, high: half } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sensitivity::suite::Subject;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    #[test]
    fn blocks_exchange_one_factor() {
        let factors = Subject::new("ishigami").factors;
        let options = Options { samples: 8, second_order: true, ..Options::default() };
        for block in Sobol.design(&factors, &options).unwrap().chunks(8) {
            let (a, b) = (&block[0], &block[7]);
            for j in 0..3 {
                for i in 0..3 {
                    let (plain, other) = if i == j { (b, a) } else { (a, b) };
                    assert_eq!((block[1 + j][i], block[4 + j][i]), (plain[i], other[i]));
                }
            }
        }
    }

    #[test]
    fn a_failed_run_costs_its_base_sample() {
        let subject = Subject::new("ishigami");
        let options = Options { samples: 16, ..Options::default() };
        let mut values = subject.values(&Sobol, &options);
        (values[7], values[23]) = (None, Some(f64::INFINITY));
        let analysis = Sobol.analyse(&subject.factors, &options, &values).unwrap();
        assert_eq!((analysis.used, analysis.left_out), (70, 10));
        assert!(analysis.notes[0].starts_with("2 runs have no value; with them 10 runs"));
        // What the rest of those base samples has got does not matter.
        (values[5], values[21]) = (Some(1e9), Some(-1e9));
        let other = Sobol.analyse(&subject.factors, &options, &values).unwrap();
        assert_eq!(analysis, other);
    }

    /// Without the correction, noise is in every total index: (ST + ρ) / (1 + ρ).
    #[test]
    fn noise_is_taken_out() {
        let subject = Subject::new("ishigami").with_dummy();
        let plain = Options { samples: 4096, resamples: 10, ..Options::default() };
        let mut random = stream(1, Purpose::Noise, 0);
        let exact = subject.values(&Sobol, &plain);
        let noisy: Vec<_> =
            exact.iter().map(|v| v.map(|v| v + random.random_range(-3.0..3.0))).collect();
        let of = |noise, values: &[Option<f64>]| {
            let options = Options { noise, ..plain.clone() };
            Sobol.analyse(&subject.factors, &options, values).unwrap()
        };
        let (clean, raw) = (of(Noise::None, &exact), of(Noise::None, &noisy));
        let rho = 3.0 / clean.variance;
        for total in clean.indices.iter().filter(|index| index.index == "ST") {
            let raw = raw.find(&total.parameter, "ST").value;
            assert!((raw - (total.value + rho) / (1.0 + rho)).abs() < 0.025, "{total:?} {raw}");
        }
        for noise in [Noise::Variance(3.0), Noise::Dummy(3)] {
            let corrected = of(noise, &noisy);
            assert!((corrected.noise_variance.unwrap() - 3.0).abs() < 0.1);
            for (ours, clean) in corrected.indices.iter().zip(&clean.indices) {
                assert!((ours.value - clean.value).abs() < 0.025, "{ours:?} {clean:?}");
            }
        }
        // √2 · 1.96 standard errors of the noise's estimate, √(12.6 / 4096), over the variance.
        let inert = of(Noise::Dummy(3), &noisy).find("dummy", "ST").clone();
        assert_eq!((inert.value, inert.interval.low), (0.0, -inert.interval.high));
        assert!((0.009..0.014).contains(&inert.interval.high), "{inert:?}");
        let all_noise = of(Noise::Variance(100.0), &noisy);
        assert!(all_noise.indices.is_empty() && all_noise.notes[0].contains("all of the variance"));
    }
}
