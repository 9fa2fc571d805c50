//! The evolution strategy itself: a normal distribution and how a ranked generation moves it.

use super::super::linear::{dot, eigen_decomposition};

/// Constants of a run (Hansen 2016, "The CMA evolution strategy: a tutorial", table 1; negative
/// weights included).
#[derive(Clone, Debug)]
pub(super) struct Constants {
    /// Trials in a generation.
    pub population: usize,
    /// How many of them the mean moves to.
    pub parents: usize,
    /// By rank; the first `parents` are positive and sum to 1, the others negative.
    pub weights: Vec<f64>,
    parents_effective: f64,
    c_sigma: f64,
    d_sigma: f64,
    c_path: f64,
    c_one: f64,
    c_rank: f64,
    /// Expected length of a standard normal vector.
    expected_length: f64,
}

impl Constants {
    /// The population that the tutorial suggests for so many coordinates.
    pub(super) fn default_population(coordinates: usize) -> usize {
        4 + (3.0 * (coordinates.max(1) as f64).ln()) as usize
    }

    pub(super) fn new(coordinates: usize, population: usize) -> Self {
        let n = coordinates as f64;
        let parents = population / 2;
        let raw: Vec<f64> = (1..=population)
            .map(|rank| ((population as f64 + 1.0) / 2.0).ln() - (rank as f64).ln())
            .collect();
        let effective = |weights: &[f64]| {
            let sum: f64 = weights.iter().sum();
            sum * sum / dot(weights, weights)
        };
        let parents_effective = effective(&raw[..parents]);
        let rest_effective = effective(&raw[parents..]);
        let c_one = 2.0 / ((n + 1.3).powi(2) + parents_effective);
        let c_rank = (2.0 * (parents_effective - 2.0 + 1.0 / parents_effective)
            / ((n + 2.0).powi(2) + parents_effective))
            .min(1.0 - c_one - 1e-8);
        let least = (1.0 + c_one / c_rank)
            .min(1.0 + 2.0 * rest_effective / (parents_effective + 2.0))
            .min((1.0 - c_one - c_rank) / (n * c_rank));
        let positive: f64 = raw.iter().filter(|weight| **weight > 0.0).sum();
        let negative: f64 = raw.iter().filter(|weight| **weight < 0.0).sum();
        let weights = raw
            .iter()
            .map(
                |weight| {
                    if *weight >= 0.0 { weight / positive } else { -least * weight / negative }
                },
            )
            .collect();
        let c_sigma = (parents_effective + 2.0) / (n + parents_effective + 5.0);
        let excess = ((parents_effective - 1.0) / (n + 1.0)).sqrt() - 1.0;
        Self {
            population,
            parents,
            weights,
            parents_effective,
            c_sigma,
            d_sigma: 1.0 + 2.0 * excess.max(0.0) + c_sigma,
            c_path: (4.0 + parents_effective / n) / (n + 4.0 + 2.0 * parents_effective / n),
            c_one,
            c_rank,
            expected_length: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        }
    }
}

/// A trial of a generation: its point, in ranks from the best.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub point: Vec<f64>,
    /// Whether it has a loss; without one it attracts nothing.
    pub told: bool,
    /// Whether it is known to be bad: it diverged or failed. Where it merely is not finished, it
    /// does not repel either.
    pub bad: bool,
    /// Whether the point was not drawn from this distribution, so that its distance from the mean
    /// is to be limited (Hansen 2011, "Injecting external solutions into CMA-ES").
    pub foreign: bool,
}

/// The distribution N(mean, sigma²·C) and its paths.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    pub mean: Vec<f64>,
    pub sigma: f64,
    /// C, row-major.
    pub covariance: Vec<f64>,
    path_sigma: Vec<f64>,
    path_covariance: Vec<f64>,
    generation: i32,
    /// Eigenvectors of C as rows.
    basis: Vec<f64>,
    /// Square roots of the eigenvalues of C.
    scales: Vec<f64>,
}

impl Distribution {
    pub(super) fn new(mean: Vec<f64>, sigma: f64) -> Self {
        let n = mean.len();
        let mut identity = vec![0.0; n * n];
        identity.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal = 1.0);
        Self {
            mean,
            sigma,
            covariance: identity.clone(),
            path_sigma: vec![0.0; n],
            path_covariance: vec![0.0; n],
            generation: 0,
            basis: identity,
            scales: vec![1.0; n],
        }
    }

    /// The point that a standard normal vector is mapped to.
    pub(super) fn point(&self, normal: &[f64]) -> Vec<f64> {
        let mut point = self.mean.clone();
        for (axis, (scale, z)) in self.axes().zip(self.scales.iter().zip(normal)) {
            let length = self.sigma * scale * z;
            point.iter_mut().zip(axis).for_each(|(x, axis)| *x += length * axis);
        }
        point
    }

    fn axes(&self) -> impl Iterator<Item = &[f64]> {
        self.basis.chunks_exact(self.mean.len().max(1))
    }

    /// Standard deviation of a coordinate.
    pub(super) fn deviation(&self, coordinate: usize) -> f64 {
        self.sigma * self.covariance[coordinate * (self.mean.len() + 1)].max(0.0).sqrt()
    }

    /// Largest over smallest standard deviation along the axes, and the largest.
    pub(super) fn axis_ratio(&self) -> (f64, f64) {
        let largest = self.scales.iter().copied().fold(0.0, f64::max);
        let smallest = self.scales.iter().copied().fold(f64::INFINITY, f64::min);
        (largest / smallest, self.sigma * largest)
    }

    /// C^(−½)·y.
    fn whiten(&self, y: &[f64]) -> Vec<f64> {
        let mut white = vec![0.0; y.len()];
        for (axis, scale) in self.axes().zip(&self.scales) {
            let length = dot(axis, y) / scale;
            white.iter_mut().zip(axis).for_each(|(w, axis)| *w += length * axis);
        }
        white
    }

    /// Moves to a generation, best first. Nothing happens if no parent has a loss.
    pub(super) fn update(&mut self, constants: &Constants, ranked: &[Member]) {
        let n = self.mean.len();
        let c = constants;
        let mut weights = c.weights.clone();
        for (rank, (weight, member)) in weights.iter_mut().zip(ranked).enumerate() {
            let counts = if rank < c.parents { member.told } else { member.told || member.bad };
            if !counts {
                *weight = 0.0;
            }
        }
        let attraction: f64 = weights[..c.parents].iter().sum();
        if attraction <= 0.0 {
            return;
        }
        weights[..c.parents].iter_mut().for_each(|weight| *weight /= attraction);

        let limit = (n as f64).sqrt() + 2.0 * n as f64 / (n as f64 + 2.0);
        let mut lengths = Vec::with_capacity(ranked.len());
        let steps: Vec<Vec<f64>> = ranked
            .iter()
            .map(|member| {
                let step = member.point.iter().zip(&self.mean).map(|(x, m)| (x - m) / self.sigma);
                let mut step: Vec<f64> = step.collect();
                let white = self.whiten(&step);
                let mut length = dot(&white, &white).sqrt();
                if member.foreign && length > limit {
                    step.iter_mut().for_each(|step| *step *= limit / length);
                    length = limit;
                }
                lengths.push(length);
                step
            })
            .collect();

        let mut shift = vec![0.0; n];
        for (step, weight) in steps[..c.parents].iter().zip(&weights) {
            shift.iter_mut().zip(step).for_each(|(shift, step)| *shift += weight * step);
        }
        self.mean.iter_mut().zip(&shift).for_each(|(mean, shift)| *mean += self.sigma * shift);

        let white = self.whiten(&shift);
        let gain = (c.c_sigma * (2.0 - c.c_sigma) * c.parents_effective).sqrt();
        for (path, white) in self.path_sigma.iter_mut().zip(&white) {
            *path = (1.0 - c.c_sigma) * *path + gain * white;
        }
        let length = dot(&self.path_sigma, &self.path_sigma).sqrt();
        let exponent = c.c_sigma / c.d_sigma * (length / c.expected_length - 1.0);
        self.sigma *= exponent.min(1.0).exp();
        self.generation += 1;
        let settled = (1.0 - (1.0 - c.c_sigma).powi(2 * (self.generation + 1))).sqrt();
        let short = length / settled < (1.4 + 2.0 / (n as f64 + 1.0)) * c.expected_length;

        let gain = (c.c_path * (2.0 - c.c_path) * c.parents_effective).sqrt();
        for (path, shift) in self.path_covariance.iter_mut().zip(&shift) {
            *path = (1.0 - c.c_path) * *path + if short { gain * shift } else { 0.0 };
        }
        let lost = if short { 0.0 } else { c.c_path * (2.0 - c.c_path) };
        let total: f64 = weights.iter().sum();
        let keep = 1.0 + c.c_one * lost - c.c_one - c.c_rank * total;
        self.covariance.iter_mut().for_each(|entry| *entry *= keep);
        add_square(&mut self.covariance, c.c_one, &self.path_covariance);
        for ((step, weight), length) in steps.iter().zip(&weights).zip(&lengths) {
            let scale = if *weight < 0.0 { n as f64 / (length * length + 1e-8) } else { 1.0 };
            add_square(&mut self.covariance, c.c_rank * weight * scale, step);
        }
        let (values, basis) = eigen_decomposition(self.covariance.clone(), n);
        // Rounding may take the smallest eigenvalue below zero.
        let least = 1e-20 * values.iter().copied().fold(0.0, f64::max);
        self.scales = values.iter().map(|value| value.max(least).sqrt()).collect();
        self.basis = basis;
    }
}

/// Adds `factor`·v·vᵀ to a matrix.
fn add_square(matrix: &mut [f64], factor: f64, v: &[f64]) {
    for (row, a) in matrix.chunks_exact_mut(v.len()).zip(v) {
        row.iter_mut().zip(v).for_each(|(entry, b)| *entry += factor * a * b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Generation `g` of seven made-up points of three coordinates, best first.
    fn generation(g: i32) -> Vec<Member> {
        let coordinate = |k: i32, j: i32| {
            0.5 + 0.3 * (f64::from(g) * 7.1 + f64::from(k) * 1.7 + f64::from(j) * 2.3).sin()
        };
        let point = |k| (0..3).map(|j| coordinate(k, j)).collect();
        let member = |k| Member { point: point(k), told: true, bad: false, foreign: false };
        (0..7).map(member).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    /// Numbers by version 0.13 of the Python package `cmaes`, an independent implementation.
    #[test]
    fn four_generations_equal_an_independent_implementation() {
        let constants = Constants::new(3, 7);
        assert_eq!((constants.population, constants.parents), (7, 3));
        close(
            &constants.weights,
            &[
                0.585645106509765,
                0.2928225532548825,
                0.12153234023535245,
                0.0,
                -0.4241269418431741,
                -0.7706638857059224,
                -1.0636566969842556,
            ],
        );
        let mut distribution = Distribution::new(vec![0.5; 3], 0.2);
        for g in 0..4 {
            distribution.update(&constants, &generation(g));
        }
        close(&distribution.mean, &[0.5223635273940699, 0.3739275828733648, 0.6456345295584602]);
        close(&[distribution.sigma], &[0.1512074718761199]);
        close(
            &distribution.covariance,
            &[
                0.8630039389631932,
                0.038039375022487804,
                -0.035399632529796374,
                0.038039375022487804,
                0.9157270951611631,
                -0.08792125115635002,
                -0.035399632529796374,
                -0.08792125115635002,
                1.0308530286598974,
            ],
        );
    }

    #[test]
    fn points_have_the_covariance() {
        let constants = Constants::new(3, 7);
        let mut distribution = Distribution::new(vec![0.5; 3], 0.2);
        (0..4).for_each(|g| distribution.update(&constants, &generation(g)));
        // The images of unit vectors are the columns of a root of the covariance.
        let mut sum = vec![0.0; 9];
        for i in 0..3 {
            let unit: Vec<f64> = (0..3).map(|j| f64::from(i == j)).collect();
            let point = distribution.point(&unit);
            let step: Vec<f64> = point.iter().zip(&distribution.mean).map(|(x, m)| x - m).collect();
            add_square(&mut sum, distribution.sigma.powi(-2), &step);
        }
        close(&sum, &distribution.covariance);
    }

    #[test]
    fn what_has_no_loss_attracts_nothing() {
        let constants = Constants::new(3, 7);
        let told = |count: usize, bad: bool| {
            let mut members = generation(1);
            for member in &mut members[count..] {
                (member.told, member.bad) = (false, bad);
                member.point = vec![0.9; 3];
            }
            let mut distribution = Distribution::new(vec![0.5; 3], 0.2);
            distribution.update(&constants, &members);
            distribution
        };
        // A single parent: the mean moves there, whatever became of the others.
        close(&told(1, true).mean, &generation(1)[0].point);
        assert_eq!(told(1, true).mean, told(1, false).mean);
        // Those known to be bad repel: the variance along (1, 1, 1) shrinks.
        let along = |distribution: &Distribution| distribution.covariance.iter().sum::<f64>();
        assert!(along(&told(3, true)) < along(&told(3, false)));
        assert_eq!(told(0, true).mean, [0.5; 3]);
    }

    #[test]
    fn points_from_elsewhere_move_the_mean_a_limited_way() {
        let constants = Constants::new(3, 7);
        let moved = |foreign: bool| {
            let mut members = generation(2);
            members[0].point = vec![100.0; 3];
            members[0].foreign = foreign;
            let mut distribution = Distribution::new(vec![0.5; 3], 0.2);
            distribution.update(&constants, &members);
            distribution.mean[0] - 0.5
        };
        assert!(moved(false) > 50.0 && moved(true) < 0.5, "{}", moved(true));
    }
}
