//! Covariance of the Gaussian process and its posterior.

use super::super::linear::{Cholesky, dot};

/// Matérn covariance with ν = 5/2 and a length scale for every coordinate (Rasmussen and Williams
/// 2006, equation 4.17). Categorical coordinates are at distance 1 where they differ, else at 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    /// One over the squared length scale, by coordinate; ordered coordinates first.
    pub inverse_squares: Vec<f64>,
    /// How many coordinates are ordered.
    pub ordered: usize,
    /// Signal variance.
    pub scale: f64,
    /// Noise variance, added on the diagonal.
    pub noise: f64,
}

/// √5·r and exp(−√5·r) for a squared distance r².
fn matern_parts(square: f64) -> (f64, f64) {
    let root = (5.0 * square).sqrt();
    (root, (-root).exp())
}

/// Matérn correlation at a squared distance.
pub(super) fn matern(square: f64) -> f64 {
    let (root, decay) = matern_parts(square);
    (1.0 + root + 5.0 / 3.0 * square) * decay
}

/// The correlation and its derivative by the squared distance.
pub(super) fn matern_and_derivative(square: f64) -> (f64, f64) {
    let (root, decay) = matern_parts(square);
    ((1.0 + root + 5.0 / 3.0 * square) * decay, -5.0 / 6.0 * (1.0 + root) * decay)
}

impl Kernel {
    /// Squared distance in length scales.
    pub(super) fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        let weights = &self.inverse_squares;
        let mut sum = 0.0;
        for i in 0..self.ordered {
            sum += weights[i] * (a[i] - b[i]) * (a[i] - b[i]);
        }
        for i in self.ordered..weights.len() {
            if a[i] != b[i] {
                sum += weights[i];
            }
        }
        sum
    }
}

/// A Gaussian process given observations, and running points that only lower the variance: a value
/// equal to the mean is believed of them (kriging believer, Ginsbourger et al. 2010), which leaves
/// the mean as it is.
pub(super) struct Posterior {
    kernel: Kernel,
    /// Observed points, then running ones.
    points: Vec<Vec<f64>>,
    factor: Cholesky,
    /// C⁻¹·y of the observed points.
    weights: Vec<f64>,
}

impl Posterior {
    /// `None` where the covariance is not positive definite in floating point.
    pub(super) fn new(
        kernel: Kernel,
        observed: &[Vec<f64>],
        values: &[f64],
        running: &[Vec<f64>],
    ) -> Option<Self> {
        let points: Vec<Vec<f64>> = observed.iter().chain(running).cloned().collect();
        let mut weights = values.to_vec();
        let of_observed = Cholesky::new(covariance(&kernel, observed), observed.len())?;
        of_observed.solve_lower(&mut weights);
        of_observed.solve_upper(&mut weights);
        let factor = if running.is_empty() {
            of_observed
        } else {
            Cholesky::new(covariance(&kernel, &points), points.len())?
        };
        Some(Self { kernel, points, factor, weights })
    }

    pub(super) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Mean and standard deviation, noise included, of each observed value as the others predict it
    /// (Rasmussen and Williams 2006, equations 5.10 to 5.12). Without running points only.
    pub(super) fn leave_one_out(&self, values: &[f64]) -> Vec<(f64, f64)> {
        let (n, inverse) = (values.len(), self.factor.inverse());
        let at = |i: usize| {
            let precision = inverse[i * n + i];
            (values[i] - self.weights[i] / precision, (1.0 / precision).sqrt())
        };
        (0..n).map(at).collect()
    }

    /// Mean alone: it costs no more than a distance to each known point.
    pub(super) fn mean_at(&self, point: &[f64]) -> f64 {
        let known = self.points.iter().zip(&self.weights);
        known
            .map(|(known, weight)| {
                self.kernel.scale * matern(self.kernel.distance(known, point)) * weight
            })
            .sum()
    }

    /// Mean and variance of the noise-free function at a point.
    pub(super) fn at(&self, point: &[f64]) -> (f64, f64) {
        let [(mean, variance)] = self.at_lanes([point]);
        (mean, variance)
    }

    /// Mean and variance at several points at once.
    pub(super) fn at_lanes<const LANES: usize>(
        &self,
        points: [&[f64]; LANES],
    ) -> [(f64, f64); LANES] {
        let mut columns: Vec<[f64; LANES]> = Vec::with_capacity(self.points.len());
        for known in &self.points {
            columns.push(
                points.map(|point| self.kernel.scale * matern(self.kernel.distance(known, point))),
            );
        }
        let mut mean = [0.0; LANES];
        for (column, weight) in columns.iter().zip(&self.weights) {
            for lane in 0..LANES {
                mean[lane] += column[lane] * weight;
            }
        }
        self.factor.solve_lower_lanes(&mut columns);
        let mut variance = [self.kernel.scale; LANES];
        for column in &columns {
            for lane in 0..LANES {
                variance[lane] -= column[lane] * column[lane];
            }
        }
        std::array::from_fn(|lane| (mean[lane], variance[lane].max(0.0)))
    }

    /// Mean and variance, and their derivatives by some ordered coordinates.
    pub(super) fn gradient(&self, point: &[f64], coordinates: &[usize]) -> Gradient {
        let n = self.points.len();
        let mut covariances = vec![0.0; n];
        let mut slopes = vec![0.0; n];
        for (i, known) in self.points.iter().enumerate() {
            let (value, derivative) = matern_and_derivative(self.kernel.distance(known, point));
            covariances[i] = self.kernel.scale * value;
            slopes[i] = self.kernel.scale * derivative;
        }
        let mean = dot(&covariances, &self.weights);
        let mut solved = covariances;
        self.factor.solve_lower(&mut solved);
        let variance = (self.kernel.scale - dot(&solved, &solved)).max(0.0);
        self.factor.solve_upper(&mut solved);
        let mut mean_slopes = vec![0.0; coordinates.len()];
        let mut variance_slopes = vec![0.0; coordinates.len()];
        for (i, known) in self.points.iter().enumerate() {
            let weight = self.weights.get(i).copied().unwrap_or(0.0);
            for (slot, &coordinate) in coordinates.iter().enumerate() {
                let step = point[coordinate] - known[coordinate];
                let slope = slopes[i] * 2.0 * self.kernel.inverse_squares[coordinate] * step;
                mean_slopes[slot] += slope * weight;
                variance_slopes[slot] -= 2.0 * slope * solved[i];
            }
        }
        Gradient { mean, variance, mean_slopes, variance_slopes }
    }
}

/// Mean and variance at a point, and their derivatives by some coordinates.
pub(super) struct Gradient {
    pub mean: f64,
    pub variance: f64,
    pub mean_slopes: Vec<f64>,
    pub variance_slopes: Vec<f64>,
}

/// Lower triangle of the covariance of noisy observations.
fn covariance(kernel: &Kernel, points: &[Vec<f64>]) -> Vec<f64> {
    let n = points.len();
    let mut matrix = vec![0.0; n * n];
    for (i, a) in points.iter().enumerate() {
        for (j, b) in points[..i].iter().enumerate() {
            matrix[i * n + j] = kernel.scale * matern(kernel.distance(a, b));
        }
        matrix[i * n + i] = kernel.scale + kernel.noise;
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Kernel, Vec<Vec<f64>>, Vec<f64>) {
        let kernel =
            Kernel { inverse_squares: vec![4.0, 1.0, 0.5], ordered: 2, scale: 1.5, noise: 0.01 };
        let points = vec![vec![0.1, 0.2, 0.0], vec![0.5, 0.9, 1.0], vec![0.8, 0.3, 0.0]];
        (kernel, points, vec![0.3, -1.2, 0.7])
    }

    /// Numbers by NumPy's `solve` on the dense matrices.
    #[test]
    fn posterior_of_three_points_equals_the_closed_form() {
        let (kernel, points, values) = example();
        let posterior = Posterior::new(kernel, &points, &values, &[]).unwrap();
        for (point, mean, variance) in [
            ([0.4, 0.6, 0.0], -0.036828730888040076, 0.41444109763519377),
            ([0.4, 0.6, 1.0], -0.8993756839391069, 0.22824721944738213),
            ([0.1, 0.2, 0.0], 0.29587408378854557, 0.009920377581013717),
        ] {
            let found = posterior.at(&point);
            assert!((found.0 - mean).abs() < 1e-13 && (found.1 - variance).abs() < 1e-13);
        }
    }

    #[test]
    fn slopes_equal_finite_differences() {
        let (kernel, points, values) = example();
        let running = vec![vec![0.3, 0.35, 1.0]];
        let posterior = Posterior::new(kernel, &points, &values, &running).unwrap();
        let point = [0.4, 0.6, 0.0];
        let gradient = posterior.gradient(&point, &[1, 0]);
        let (mean, variance) = posterior.at(&point);
        assert!(
            (gradient.mean - mean).abs() < 1e-14 && (gradient.variance - variance).abs() < 1e-14
        );
        for (slot, coordinate) in [1, 0].into_iter().enumerate() {
            let moved = |by: f64| {
                let mut point = point;
                point[coordinate] += by;
                posterior.at(&point)
            };
            let (up, down) = (moved(1e-5), moved(-1e-5));
            assert!((gradient.mean_slopes[slot] - (up.0 - down.0) / 2e-5).abs() < 1e-8);
            assert!((gradient.variance_slopes[slot] - (up.1 - down.1) / 2e-5).abs() < 1e-8);
        }
    }

    #[test]
    fn running_points_lower_the_variance_and_keep_the_mean() {
        let (kernel, points, values) = example();
        let place = vec![0.4, 0.6, 0.0];
        let without = Posterior::new(kernel.clone(), &points, &values, &[]).unwrap();
        let with =
            Posterior::new(kernel.clone(), &points, &values, std::slice::from_ref(&place)).unwrap();
        let (mean, variance) = without.at(&place);
        let (same, less) = with.at(&place);
        assert!((mean - same).abs() < 1e-14 && less < kernel.noise && variance > 0.1);
        // As if the mean had been observed there.
        let (mut all, mut told) = (points, values);
        all.push(place);
        told.push(mean);
        let believed = Posterior::new(kernel, &all, &told, &[]).unwrap();
        let elsewhere = [0.9, 0.1, 1.0];
        let (a, b) = (with.at(&elsewhere), believed.at(&elsewhere));
        assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12);
    }
}
