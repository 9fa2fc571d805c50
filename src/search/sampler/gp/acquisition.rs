//! Expected improvement, in logarithms, and where it is largest.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use rand::{Rng, RngExt};

use super::descent::{Effort, minimize};
use super::features::Features;
use super::kernel::Posterior;
use crate::search::space::Distribution;

/// Candidates drawn all over the space.
const WIDE: usize = 1024;
/// Candidates drawn around the best observations.
const NEAR: usize = 256;
/// Candidates that a local search starts from, besides the best observation.
const STARTS: usize = 6;
/// Candidates evaluated at once.
const LANES: usize = 8;

/// ln(φ(z) + z·Φ(z)), Φ(z) / (φ(z) + z·Φ(z)) and φ(z) / (φ(z) + z·Φ(z)), accurate for every z
/// (Ament et al. 2023, section 4.1; beyond −25 by the asymptotic series of Mills' ratio).
fn log_improvement(z: f64) -> (f64, f64, f64) {
    let log_density = -0.5 * z * z - 0.5 * (2.0 * PI).ln();
    if z > -25.0 {
        let density = log_density.exp();
        let probability = 0.5 * libm::erfc(-z * FRAC_1_SQRT_2);
        let improvement = density + z * probability;
        return (improvement.ln(), probability / improvement, density / improvement);
    }
    let s = 1.0 / (z * z);
    let improvement = s * (1.0 - s * (3.0 - s * (15.0 - s * (105.0 - 945.0 * s))));
    let probability = (1.0 - s * (1.0 - s * (3.0 - s * (15.0 - 105.0 * s)))) / -z;
    (log_density + improvement.ln(), probability / improvement, 1.0 / improvement)
}

/// Keeps the standard deviation off zero where a point has been observed.
const LEAST_VARIANCE: f64 = 1e-12;

/// Logarithm of the expected improvement below `best` (Jones et al. 1998).
fn log_expected_improvement(mean: f64, variance: f64, best: f64) -> f64 {
    let deviation = (variance + LEAST_VARIANCE).sqrt();
    log_improvement((best - mean) / deviation).0 + deviation.ln()
}

/// What is maximised: log expected improvement of a Gaussian process over configurations.
pub(super) struct Acquisition<'a> {
    pub features: &'a Features<'a>,
    pub posterior: &'a Posterior,
    /// What is to be improved on.
    pub best: f64,
}

impl Acquisition<'_> {
    /// At a latent point, rounded.
    fn at(&self, latent: &[f64]) -> f64 {
        let (mean, variance) = self.posterior.at(&self.features.canonical(latent));
        log_expected_improvement(mean, variance, self.best)
    }

    fn at_all(&self, latents: &[Vec<f64>]) -> Vec<f64> {
        let mut values = Vec::with_capacity(latents.len());
        for chunk in latents.chunks(LANES) {
            let points: Vec<Vec<f64>> =
                chunk.iter().map(|latent| self.features.canonical(latent)).collect();
            // The last chunk may be short: its empty lanes repeat its first point.
            let lanes: [&[f64]; LANES] =
                std::array::from_fn(|lane| points.get(lane).unwrap_or(&points[0]).as_slice());
            let found = self.posterior.at_lanes(lanes);
            values.extend(
                found[..chunk.len()]
                    .iter()
                    .map(|(mean, variance)| log_expected_improvement(*mean, *variance, self.best)),
            );
        }
        values
    }

    /// The latent point with the largest value found, whose canonical point `taken` does not hold
    /// unless nothing else is left.
    ///
    /// Candidates from all over the space and from around the observations in `incumbents` (best
    /// first); from the best of them, and from the best observation, local searches.
    pub(super) fn maximize(
        &self,
        incumbents: &[Vec<f64>],
        taken: &[Vec<f64>],
        generator: &mut impl Rng,
    ) -> Vec<f64> {
        let mut candidates: Vec<Vec<f64>> =
            (0..WIDE).map(|_| self.features.draw(generator)).collect();
        for _ in 0..NEAR {
            let wide = self.features.draw(generator);
            match incumbents.get(generator.random_range(0..incumbents.len().max(1))) {
                Some(near) => candidates.push(self.neighbour(near, generator)),
                None => candidates.push(wide),
            }
        }
        let values = self.at_all(&candidates);
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        // Half of the starts are the best of all, half the best of those from all over.
        let mut starts: Vec<usize> = order[..STARTS / 2].to_vec();
        let wide = order.iter().copied().filter(|&index| index < WIDE && !starts.contains(&index));
        let wide: Vec<usize> = wide.take(STARTS - STARTS / 2).collect();
        starts.extend(wide);
        let starts = starts.into_iter().map(|index| candidates[index].clone());
        let mut found: Vec<(f64, Vec<f64>)> =
            starts.chain(incumbents.first().cloned()).map(|start| self.climb(start)).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let found = found.into_iter().map(|(_, latent)| latent);
        let mut in_order = found.chain(order.into_iter().map(|index| candidates[index].clone()));
        let first = in_order.next().unwrap_or_else(|| self.features.draw(generator));
        let new = |latent: &Vec<f64>| !taken.contains(&self.features.canonical(latent));
        if new(&first) { first } else { in_order.find(new).unwrap_or(first) }
    }

    /// A point near another: each coordinate is moved by about a tenth of its length scale.
    fn neighbour(&self, near: &[f64], generator: &mut impl Rng) -> Vec<f64> {
        let ordered = self.features.ordered();
        let spread = 0.1 * 4.0_f64.powf(generator.random::<f64>() * 2.0 - 1.0);
        let mut latent = self.features.draw(generator);
        for (coordinate, value) in latent.iter_mut().enumerate() {
            let fresh = *value;
            let change = generator.random::<f64>() < 0.2;
            if coordinate >= ordered {
                // An absent level must be drawn.
                *value = if change || near[coordinate] < 0.0 { fresh } else { near[coordinate] };
                continue;
            }
            let scale = self.posterior.kernel().inverse_squares[coordinate].sqrt().recip().min(1.0);
            let normal = Distribution::Normal { mean: 0.0, sd: 1.0 }.at(fresh);
            *value = (near[coordinate] + spread * scale * normal).clamp(0.0, 1.0);
        }
        latent
    }

    /// Local maximum near a latent point: gradient steps in the continuous coordinates, in units
    /// of their length scales, and one discrete coordinate after the other, in turns.
    fn climb(&self, start: Vec<f64>) -> (f64, Vec<f64>) {
        let mut latent = start;
        // A categorical hyperparameter that did not exist may come to exist: it needs a level.
        latent[self.features.ordered()..].iter_mut().for_each(|level| *level = level.max(0.0));
        let mut value = self.at(&latent);
        for _ in 0..5 {
            let moved = self.climb_continuous(&mut latent, &mut value);
            let switched = self.climb_discrete(&mut latent, &mut value);
            if !switched || !moved && self.features.ordered() == 0 {
                break;
            }
        }
        (value, latent)
    }

    fn climb_continuous(&self, latent: &mut Vec<f64>, value: &mut f64) -> bool {
        let coordinates = self.features.continuous(latent);
        if coordinates.is_empty() {
            return false;
        }
        let kernel = self.posterior.kernel();
        let scale = |coordinate: &usize| kernel.inverse_squares[*coordinate].sqrt().recip();
        let scales: Vec<f64> = coordinates.iter().map(scale).collect();
        let start: Vec<f64> =
            coordinates.iter().zip(&scales).map(|(&c, s)| latent[c] / s).collect();
        let high: Vec<f64> = scales.iter().map(|scale| 1.0 / scale).collect();
        let low = vec![0.0; high.len()];
        let mut point = self.features.canonical(latent);
        let effort = Effort { steps: 40, gradient: 1e-3 };
        let (best, _) = minimize(&start, &low, &high, effort, |scaled, gradient| {
            for ((&coordinate, scaled), scale) in coordinates.iter().zip(scaled).zip(&scales) {
                point[coordinate] = scaled * scale;
            }
            let found = self.posterior.gradient(&point, &coordinates);
            let deviation = (found.variance + LEAST_VARIANCE).sqrt();
            let (log, probability, density) = log_improvement((self.best - found.mean) / deviation);
            for (slot, gradient) in gradient.iter_mut().enumerate() {
                let by_deviation = found.variance_slopes[slot] / (2.0 * deviation);
                *gradient = (probability * found.mean_slopes[slot] - density * by_deviation)
                    / deviation
                    * scales[slot];
            }
            -(log + deviation.ln())
        });
        let mut next = latent.clone();
        for ((&coordinate, scaled), scale) in coordinates.iter().zip(&best).zip(&scales) {
            next[coordinate] = (scaled * scale).clamp(0.0, 1.0);
        }
        let next_value = self.at(&next);
        let better = next_value > *value;
        if better {
            (*latent, *value) = (next, next_value);
        }
        better
    }

    fn climb_discrete(&self, latent: &mut [f64], value: &mut f64) -> bool {
        let mut switched = false;
        for (coordinate, levels) in self.features.discrete() {
            let mut tries: Vec<Vec<f64>> = Vec::new();
            let now = self.features.level_at(coordinate, latent[coordinate]);
            for level in (0..levels).filter(|&level| level != now) {
                let mut other = latent.to_vec();
                other[coordinate] = self.features.level(coordinate, level);
                tries.push(other);
            }
            let values = self.at_all(&tries);
            let best = (0..tries.len()).max_by(|a, b| values[*a].total_cmp(&values[*b]));
            if let Some(best) = best.filter(|&best| values[best] > *value) {
                *value = values[best];
                latent.copy_from_slice(&tries[best]);
                switched = true;
            }
        }
        switched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ∫ max(best − y, 0)·N(y; mean, variance) dy by the trapezoidal rule.
    fn integrated(mean: f64, variance: f64, best: f64) -> f64 {
        let deviation = variance.sqrt();
        let (from, steps) = (mean - 12.0 * deviation, 200_000);
        let width = (best - from) / f64::from(steps);
        let term = |k: u32| {
            let y = from + f64::from(k) * width;
            let z = (y - mean) / deviation;
            (best - y) * (-0.5 * z * z).exp() / (deviation * (2.0 * PI).sqrt())
        };
        width * (term(0) / 2.0 + (1..steps).map(term).sum::<f64>())
    }

    #[test]
    fn expected_improvement_equals_the_integral() {
        for (mean, variance, best) in
            [(0.0, 1.0, 0.0), (1.0, 0.25, 0.3), (-2.0, 4.0, 1.0), (3.0, 0.5, -0.5)]
        {
            let exact = integrated(mean, variance, best);
            let found = log_expected_improvement(mean, variance, best).exp();
            assert!((found / exact - 1.0).abs() < 1e-6, "{found} {exact}");
        }
    }

    /// Numbers by mpmath with 50 digits.
    #[test]
    fn the_logarithm_is_accurate_far_out() {
        for (z, log) in [
            (-1000.0, -500014.73445209116),
            (-100.0, -5010.12957880025),
            (-30.0, -457.724653760598),
            (-25.5, -332.525884462205),
            (-24.5, -307.4462538577302),
            (-10.0, -55.55312203612236),
            (-1.0, -2.4851210257126413),
            (0.0, -0.9189385332046727),
            (5.0, 1.6094379231264314),
        ] {
            let found = log_improvement(z).0;
            assert!((found / log - 1.0).abs() < 1e-10, "{z} {found} {log}");
        }
    }

    #[test]
    fn its_slope_is_the_probability_ratio_and_continuous() {
        for z in [-60.0, -25.001, -24.999, -8.0, -1.0, 0.0, 2.0] {
            let slope = (log_improvement(z + 1e-5).0 - log_improvement(z - 1e-5).0) / 2e-5;
            let (_, probability, density) = log_improvement(z);
            assert!((probability / slope - 1.0).abs() < 1e-6, "{z}");
            // φ + z·Φ over itself.
            assert!((density + z * probability - 1.0).abs() < 1e-6 * density, "{z}");
        }
    }
}
