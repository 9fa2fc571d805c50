//! Hyperparameters of the Gaussian process: the most probable ones given the observations.

use super::super::linear::{Cholesky, dot};
use super::descent::{Effort, minimize};
use super::kernel::{Kernel, matern_and_derivative};

/// Least noise variance of standardised losses; also keeps the covariance invertible.
const LEAST_NOISE: f64 = 1e-6;

/// Noise variance that every fit starts from.
const FIRST_NOISE: f64 = 1e-2;

/// The kernel that maximises marginal likelihood times prior.
///
/// Always from the same start, so the answer does not depend on earlier fits.
pub(super) fn fit(points: &[Vec<f64>], ordered: usize, values: &[f64]) -> Kernel {
    let coordinates = points.first().map_or(0, Vec::len);
    let mut start = vec![0.0; coordinates + 2];
    start[coordinates + 1] = FIRST_NOISE.ln();
    // So low that the least noise can be reached.
    let low = vec![-25.0; coordinates + 2];
    let high = vec![10.0; coordinates + 2];
    let effort = Effort { steps: 40, gradient: 1e-2 };
    let (best, _) = minimize(&start, &low, &high, effort, |logs, gradient| {
        negative_log_posterior(points, ordered, values, logs, gradient)
    });
    kernel(&best, ordered)
}

/// From the logarithms of inverse squared length scales, signal variance and noise above the least.
fn kernel(logs: &[f64], ordered: usize) -> Kernel {
    let (inverse_squares, rest) = logs.split_at(logs.len() - 2);
    Kernel {
        inverse_squares: inverse_squares.iter().map(|log| log.exp()).collect(),
        ordered,
        scale: rest[0].exp(),
        noise: rest[1].exp() + LEAST_NOISE,
    }
}

/// Minus the logarithm of the marginal likelihood (Rasmussen and Williams 2006, equations 2.30 and
/// 5.9) and of the prior, up to a constant; NaN where the covariance cannot be factored.
///
/// Priors as in Optuna 5's `GPSampler`: exp(−(1/w + w)/10) for an inverse squared length scale w,
/// Gamma(2, 1) for the signal variance and Gamma(1.1, 30) for the noise variance.
fn negative_log_posterior(
    points: &[Vec<f64>],
    ordered: usize,
    values: &[f64],
    logs: &[f64],
    gradient: &mut [f64],
) -> f64 {
    let n = points.len();
    let kernel = kernel(logs, ordered);
    let coordinates = kernel.inverse_squares.len();
    let mut matrix = vec![0.0; n * n];
    // Derivatives of the covariances by the squared distance.
    let mut derivatives = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            let square = kernel.distance(&points[i], &points[j]);
            let (value, derivative) = matern_and_derivative(square);
            matrix[i * n + j] = kernel.scale * value;
            derivatives[i * n + j] = kernel.scale * derivative;
        }
        matrix[i * n + i] = kernel.scale + kernel.noise;
    }
    let Some(factor) = Cholesky::new(matrix.clone(), n) else {
        gradient.fill(0.0);
        return f64::NAN;
    };
    let mut weights = values.to_vec();
    factor.solve_lower(&mut weights);
    let fit = dot(&weights, &weights);
    factor.solve_upper(&mut weights);
    let inverse = factor.inverse();

    // Of the log likelihood: by scale and noise, and by each logarithm of w.
    let (mut by_scale, mut by_noise) = (0.0, 0.0);
    let mut by_weight = vec![0.0; coordinates];
    for i in 0..n {
        let diagonal = weights[i] * weights[i] - inverse[i * n + i];
        by_noise += 0.5 * diagonal;
        by_scale += 0.5 * diagonal * kernel.scale;
        let (a, row) = (&points[i], i * n);
        for j in 0..i {
            let sensitivity = weights[i] * weights[j] - inverse[row + j];
            by_scale += sensitivity * matrix[row + j];
            let slope = sensitivity * derivatives[row + j];
            let b = &points[j];
            for (k, by_weight) in by_weight[..ordered].iter_mut().enumerate() {
                *by_weight += slope * (a[k] - b[k]) * (a[k] - b[k]);
            }
            for k in ordered..coordinates {
                if a[k] != b[k] {
                    by_weight[k] += slope;
                }
            }
        }
    }
    let mut negative = 0.5 * (fit + factor.log_determinant());
    for (k, weight) in kernel.inverse_squares.iter().enumerate() {
        negative += 0.1 * (1.0 / weight + weight);
        gradient[k] = -by_weight[k] * weight + 0.1 * (weight - 1.0 / weight);
    }
    negative += kernel.scale - kernel.scale.ln();
    gradient[coordinates] = kernel.scale - 1.0 - by_scale;
    negative += 30.0 * kernel.noise - 0.1 * kernel.noise.ln();
    gradient[coordinates + 1] =
        (30.0 - 0.1 / kernel.noise - by_noise) * (kernel.noise - LEAST_NOISE);
    negative
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    /// Log marginal likelihood by NumPy on the dense matrices, for the example of `kernel.rs`.
    #[test]
    fn likelihood_of_three_points_equals_the_closed_form() {
        let points = vec![vec![0.1, 0.2, 0.0], vec![0.5, 0.9, 1.0], vec![0.8, 0.3, 0.0]];
        let logs = [4.0_f64.ln(), 0.0, 0.5_f64.ln(), 1.5_f64.ln(), (0.01 - LEAST_NOISE).ln()];
        let negative = negative_log_posterior(&points, 2, &[0.3, -1.2, 0.7], &logs, &mut [0.0; 5]);
        let likelihood = -4.409668274746446 + 1.5 * (2.0 * std::f64::consts::PI).ln();
        let prior = -0.1 * (4.0 + 0.25 + 1.0 + 1.0 + 0.5 + 2.0) + 1.5_f64.ln() - 1.5
            + 0.1 * 0.01_f64.ln()
            - 0.3;
        assert!((negative + likelihood + prior).abs() < 1e-12, "{negative}");
    }

    fn example(n: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut generator = stream(3, Purpose::Sampler, 0);
        let points: Vec<Vec<f64>> = (0..n)
            .map(|_| {
                let mut u = || generator.random::<f64>();
                vec![u(), u(), (3.0 * u()).floor()]
            })
            .collect();
        let values =
            points.iter().map(|p| (6.0 * p[0]).sin() + 0.1 * p[1] + 0.5 * p[2] - 0.5).collect();
        (points, values)
    }

    #[test]
    fn gradient_equals_finite_differences() {
        let (points, values) = example(12);
        let logs = [1.3, -0.4, 0.2, 0.5, -4.0];
        let mut gradient = [0.0; 5];
        negative_log_posterior(&points, 2, &values, &logs, &mut gradient);
        for k in 0..5 {
            let moved = |by: f64| {
                let mut logs = logs;
                logs[k] += by;
                negative_log_posterior(&points, 2, &values, &logs, &mut [0.0; 5])
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((gradient[k] - difference).abs() < 1e-6 * difference.abs().max(1.0), "{k}");
        }
    }

    #[test]
    fn length_scales_tell_which_coordinate_matters() {
        let (points, values) = example(40);
        let kernel = fit(&points, 2, &values);
        assert!(kernel.inverse_squares[0] > 10.0 * kernel.inverse_squares[1], "{kernel:?}");
        assert!(kernel.noise < 1e-3, "{kernel:?}");
        assert_eq!(kernel, fit(&points, 2, &values));
    }
}
