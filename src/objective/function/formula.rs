//! The formulas. Each takes a point of the right dimension; points outside the bounds are
//! evaluated as well.

use std::f64::consts::{E, PI};

/// Dixon and Szegő, Towards Global Optimisation 2 (1978), with the usual constants.
pub(super) fn branin(x: &[f64]) -> f64 {
    let [x1, x2] = [x[0], x[1]];
    let curve = x2 - 5.1 / (4.0 * PI * PI) * x1 * x1 + 5.0 / PI * x1 - 6.0;
    curve * curve + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x1.cos() + 10.0
}

/// Weights of Hartmann's four wells.
const ALPHA: [f64; 4] = [1.0, 1.2, 3.0, 3.2];

fn hartmann<const D: usize>(x: &[f64], steepness: [[f64; D]; 4], centre: [[f64; D]; 4]) -> f64 {
    let wells = ALPHA.iter().zip(steepness.iter().zip(&centre)).map(|(alpha, (a, p))| {
        // Centres are printed in units of 1e-4.
        let exponent: f64 = (0..D).map(|axis| a[axis] * (x[axis] - p[axis] * 1e-4).powi(2)).sum();
        alpha * (-exponent).exp()
    });
    -wells.sum::<f64>()
}

/// Hartmann's function of three variables: Dixon and Szegő (1978).
pub(super) fn hartmann3(x: &[f64]) -> f64 {
    hartmann(
        x,
        [[3.0, 10.0, 30.0], [0.1, 10.0, 35.0], [3.0, 10.0, 30.0], [0.1, 10.0, 35.0]],
        [
            [3689.0, 1170.0, 2673.0],
            [4699.0, 4387.0, 7470.0],
            [1091.0, 8732.0, 5547.0],
            [381.0, 5743.0, 8828.0],
        ],
    )
}

/// Hartmann's function of six variables: Dixon and Szegő (1978).
pub(super) fn hartmann6(x: &[f64]) -> f64 {
    hartmann(
        x,
        [
            [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
            [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
            [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
            [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
        ],
        [
            [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
            [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
            [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
            [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
        ],
    )
}

/// Rosenbrock, The Computer Journal 3 (1960), as a chain over the variables.
pub(super) fn rosenbrock(x: &[f64]) -> f64 {
    let links = x.windows(2);
    links.map(|pair| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2)).sum()
}

/// Ackley, A Connectionist Machine for Genetic Hillclimbing (1987), with a = 20, b = 0.2, c = 2π.
pub(super) fn ackley(x: &[f64]) -> f64 {
    let dimension = x.len() as f64;
    let square = x.iter().map(|x| x * x).sum::<f64>() / dimension;
    let cosine = x.iter().map(|x| (2.0 * PI * x).cos()).sum::<f64>() / dimension;
    -20.0 * (-0.2 * square.sqrt()).exp() - cosine.exp() + 20.0 + E
}

/// Rastrigin (1974), in the form for any dimension of Mühlenbein, Schomisch and Born, Parallel
/// Computing 17 (1991).
pub(super) fn rastrigin(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x - 10.0 * (2.0 * PI * x).cos() + 10.0).sum()
}

/// Ishigami and Homma, ISUMA (1990), with a = 7, b = 0.1.
pub(super) fn ishigami(x: &[f64]) -> f64 {
    x[0].sin() + 7.0 * x[1].sin().powi(2) + 0.1 * x[2].powi(4) * x[0].sin()
}

/// How little the variables of [`sobol_g`] matter: the larger, the less.
const G_COEFFICIENTS: [f64; 8] = [0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0];

/// Sobol's G function: Saltelli and Sobol', Reliability Engineering and System Safety 50 (1995).
pub(super) fn sobol_g(x: &[f64]) -> f64 {
    let factors =
        x.iter().zip(G_COEFFICIENTS).map(|(x, a)| ((4.0 * x - 2.0).abs() + a) / (1.0 + a));
    factors.product()
}

/// The sum of squares.
pub(super) fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// Our own stand-in for tuning a network; see [`mixed`](super::mixed).
///
/// With l = log₁₀ lr and b = log₂ units − 5:
/// offset + 0.06 (l − centre + 0.15 b)² + 0.01 b² + 0.4 (dropout − 0.3 − 0.05 b)²,
/// where the optimiser sets the offset and the centre.
pub(super) fn mixed(x: &[f64]) -> f64 {
    /// Offset and log₁₀ of the best learning rate of each optimiser.
    const OPTIMIZERS: [(f64, f64); 4] = [(0.12, -1.0), (0.08, -1.5), (0.05, -3.0), (0.09, -3.25)];
    let (offset, centre) = OPTIMIZERS[(x[0].max(0.0) as usize).min(OPTIMIZERS.len() - 1)];
    let size = x[2].log2() - 5.0;
    let rate = x[1].log10() - centre + 0.15 * size;
    let dropout = x[3] - 0.3 - 0.05 * size;
    offset + 0.06 * rate * rate + 0.01 * size * size + 0.4 * dropout * dropout
}
