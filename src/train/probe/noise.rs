//! Gradient noise scale from gradients at two batch sizes (McCandlish et al., "An empirical model of
//! large-batch training", arXiv 1812.06162, appendix A.1).

/// Squared norms of gradients in one draw: `small` is the mean of those of some batches of b
/// images, `large` that of the mean of their gradients, which is a batch of B images.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Draw {
    pub small: f64,
    pub large: f64,
}

/// What the draws say about gradients over all images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise {
    /// |G|², G the gradient over all images.
    pub gradient: f64,
    /// S = tr Σ, Σ the covariance of the gradient of one image.
    pub trace: f64,
}

impl Noise {
    /// Unbiased estimates from draws with batches of `b` and B = `large` images, b < B:
    /// |G|² = (B|G_B|² − b|G_b|²)/(B−b) and S = (|G_b|² − |G_B|²)/(1/b − 1/B), each averaged over
    /// the draws before any division.
    pub fn estimate(draws: impl IntoIterator<Item = Draw>, b: f64, large: f64) -> Self {
        let (mut count, mut sum) = (0.0, Draw::default());
        for draw in draws {
            count += 1.0;
            sum.small += draw.small;
            sum.large += draw.large;
        }
        let mean = Draw { small: sum.small / count, large: sum.large / count };
        Self {
            gradient: (large * mean.large - b * mean.small) / (large - b),
            trace: (mean.small - mean.large) / (1.0 / b - 1.0 / large),
        }
    }

    /// S/|G|² in images: the batch size at which noise and gradient are alike. None if the estimate
    /// of |G|² is not positive: the scale is then larger than these draws can tell.
    pub fn scale(self) -> Option<f64> {
        (self.gradient > 0.0).then(|| self.trace / self.gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    /// Gradients of images: G plus noise, uniform on ±√3·σ in each of four directions.
    fn simulate(draws: usize, b: usize, batches: usize, index: u64) -> Vec<Draw> {
        let (gradient, sigma) = ([0.3, -0.2, 0.1, 0.0], [1.0, 0.5, 2.0, 0.1]);
        let mut random = stream(4, Purpose::Probe, index);
        let mut batch = || -> [f64; 4] {
            let mut sum = gradient.map(|_| 0.0);
            for _ in 0..b {
                for ((sum, mean), sigma) in sum.iter_mut().zip(gradient).zip(sigma) {
                    let bound = f64::sqrt(3.0) * sigma;
                    *sum += (mean + random.random_range(-bound..bound)) / b as f64;
                }
            }
            sum
        };
        let squared = |vector: &[f64; 4]| vector.iter().map(|value| value * value).sum::<f64>();
        let draw = |_| {
            let all: Vec<_> = (0..batches).map(|_| batch()).collect();
            let count = batches as f64;
            let mean: [f64; 4] =
                std::array::from_fn(|at| all.iter().map(|batch| batch[at]).sum::<f64>() / count);
            Draw { small: all.iter().map(squared).sum::<f64>() / count, large: squared(&mean) }
        };
        (0..draws).map(draw).collect()
    }

    /// The truth: |G|² = .14, S = 1 + .25 + 4 + .01 = 5.26.
    #[test]
    fn estimates_are_unbiased_at_any_pair_of_batch_sizes() {
        for (index, (b, batches)) in [(1, 2), (4, 8), (16, 4)].into_iter().enumerate() {
            let draws = simulate(20_000, b, batches, index as u64);
            let noise = Noise::estimate(draws.clone(), b as f64, (b * batches) as f64);
            // Five standard errors of the mean over draws.
            let one = |draw: &Draw| Noise::estimate([*draw], b as f64, (b * batches) as f64);
            let error = |of: fn(Noise) -> f64, mean: f64| {
                let squares: f64 = draws.iter().map(|draw| (of(one(draw)) - mean).powi(2)).sum();
                5.0 * squares.sqrt() / draws.len() as f64
            };
            let (gradient, trace) = (error(|n| n.gradient, 0.14), error(|n| n.trace, 5.26));
            assert!((noise.gradient - 0.14).abs() < gradient, "{b} {noise:?} {gradient}");
            assert!((noise.trace - 5.26).abs() < trace, "{b} {noise:?} {trace}");
            assert!(trace < 0.2, "the test says little: {trace}");
        }
    }

    #[test]
    fn without_a_gradient_there_is_no_scale() {
        let pure_noise = Draw { small: 1.0, large: 0.1 };
        assert_eq!(Noise::estimate([pure_noise], 1.0, 8.0).scale(), None);
        let none = Noise::estimate([Draw { small: 2.0, large: 2.0 }], 1.0, 8.0);
        assert_eq!((none.gradient, none.trace, none.scale()), (2.0, 0.0, Some(0.0)));
        assert_eq!(Noise::estimate([Draw { small: f64::NAN, large: 1.0 }], 1.0, 8.0).scale(), None);
    }
}
