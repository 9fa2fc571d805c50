//! What rates per layer could gain over one global rate in the next step, by the loss's parabola.
//!
//! Layer l alone would move by u_l. If instead it moves by a_l·u_l, the loss changes by
//! Σ a_l·b_l + ½ΣΣ a_l·C_lm·a_m, with slopes b_l = ⟨g,u_l⟩ and curvatures C_lm = u_lᵀHu_m. The best
//! a is −C⁻¹b and gains ½bᵀC⁻¹b; the best a that is the same for all layers is −1ᵀb/1ᵀC1 and gains
//! ½(1ᵀb)²/1ᵀC1. The headroom is the ratio of the two gains, 1 or more.

use nalgebra::{Cholesky, DMatrix, DVector, SymmetricEigen};

use super::vector::dot;

/// Slopes and curvatures along one direction a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parabola {
    /// b_l.
    pub slopes: DVector<f64>,
    /// u_lᵀ(Hu_m) as measured by a difference along u_m: C but for errors, which are seen from where
    /// it is not symmetric.
    pub products: DMatrix<f64>,
}

/// The best step of each layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Best {
    /// a_l: what the layer's step should be multiplied by; 0 for a layer that does not move.
    pub scales: Vec<f64>,
    /// Its gain over that of the best global scale.
    pub headroom: f64,
}

/// Measures the parabola along `directions` on some chunks of images, each chunk by itself.
///
/// `gradients(Some((m, ε)))` gives, for each chunk, the gradient by layer after a step ε·u_m;
/// `steps` has the ε of each direction; without, it is not measured along.
pub(super) fn measure(
    directions: &[Vec<f32>],
    steps: &[Option<f64>],
    mut gradients: impl FnMut(Option<(usize, f64)>) -> Vec<Vec<Vec<f32>>>,
) -> Vec<Parabola> {
    let count = directions.len();
    let along = |gradient: &[Vec<f32>]| -> Vec<f64> {
        directions
            .iter()
            .zip(gradient)
            .map(|(direction, gradient)| dot(direction, gradient))
            .collect()
    };
    let here = gradients(None);
    let mut parabolas: Vec<Parabola> = here
        .iter()
        .map(|gradient| Parabola {
            slopes: DVector::from_vec(along(gradient)),
            products: DMatrix::zeros(count, count),
        })
        .collect();
    for (m, epsilon) in steps.iter().enumerate() {
        let Some(epsilon) = *epsilon else {
            // Along a direction of zeros nothing bends; along another nothing could be measured.
            if directions[m].iter().any(|value| *value != 0.0) {
                parabolas
                    .iter_mut()
                    .for_each(|parabola| parabola.products.column_mut(m).fill(f64::NAN));
            }
            continue;
        };
        let ahead: Vec<_> = gradients(Some((m, epsilon))).iter().map(|g| along(g)).collect();
        let behind: Vec<_> = gradients(Some((m, -epsilon))).iter().map(|g| along(g)).collect();
        for (parabola, (ahead, behind)) in parabolas.iter_mut().zip(ahead.iter().zip(behind)) {
            for (l, (ahead, behind)) in ahead.iter().zip(behind).enumerate() {
                parabola.products[(l, m)] = (ahead - behind) / (2.0 * epsilon);
            }
        }
    }
    parabolas
}

impl Parabola {
    /// The mean of some of them (at least one).
    pub fn mean<'p>(parabolas: impl IntoIterator<Item = &'p Self>) -> Self {
        let mut parabolas = parabolas.into_iter();
        let mut sum = parabolas.next().expect("a mean of at least one").clone();
        let mut count = 1.0;
        for parabola in parabolas {
            sum.slopes += &parabola.slopes;
            sum.products += &parabola.products;
            count += 1.0;
        }
        Self { slopes: sum.slopes / count, products: sum.products / count }
    }

    /// C_lm: the mean of the two ways to measure it.
    pub fn curvature(&self, l: usize, m: usize) -> f64 {
        0.5 * (self.products[(l, m)] + self.products[(m, l)])
    }

    /// −1ᵀb/1ᵀC1; none unless 1ᵀC1 is positive, that is unless the whole step has a best length.
    pub fn best_global_scale(&self) -> Option<f64> {
        let curvature = self.products.sum();
        let scale = -self.slopes.sum() / curvature;
        (curvature > 0.0 && scale.is_finite()).then_some(scale)
    }

    /// The least eigenvalue of C over layers that move, scaled to a diagonal of ±1, and how far the
    /// measurement's error could shift it: the norm of C's antisymmetric part in the same scale.
    /// None if a number is not finite, or if there is no layer.
    pub fn definiteness(&self) -> Option<(f64, f64)> {
        let (moving, scaled) = self.scaled()?;
        let error = (0.5 * (&scaled - scaled.transpose())).norm();
        if moving.is_empty() {
            return None;
        }
        let symmetric = 0.5 * (&scaled + scaled.transpose());
        let eigen = SymmetricEigen::try_new(symmetric, f64::EPSILON, 10_000)?;
        Some((eigen.eigenvalues.min(), error))
    }

    /// The best scales and the headroom, over the layers that move. None unless C is positive
    /// definite beyond the measurement's error: the parabola has no lowest point then, or none that
    /// could be told, and no finite scales are best.
    pub fn best(&self) -> Option<Best> {
        let (least, error) = self.definiteness()?;
        if least <= error {
            return None;
        }
        let (moving, scaled) = self.scaled()?;
        let factor = Cholesky::new(0.5 * (&scaled + scaled.transpose()))?;
        let root = |l: usize| self.products[(l, l)].sqrt();
        let slopes =
            DVector::from_iterator(moving.len(), moving.iter().map(|&l| self.slopes[l] / root(l)));
        let solved = factor.solve(&slopes);
        let mut scales = vec![0.0; self.slopes.len()];
        for (&layer, solved) in moving.iter().zip(solved.iter()) {
            scales[layer] = -solved / root(layer);
        }
        let slope = self.slopes.sum();
        let headroom = slopes.dot(&solved) * self.products.sum() / (slope * slope);
        let finite = headroom.is_finite() && scales.iter().all(|scale| scale.is_finite());
        finite.then_some(Best { scales, headroom })
    }

    /// The layers that move, and their products over √|C_ll·C_mm|; none if a number is not finite.
    fn scaled(&self) -> Option<(Vec<usize>, DMatrix<f64>)> {
        let numbers = self.products.iter().chain(self.slopes.iter());
        if numbers.into_iter().any(|number| !number.is_finite()) {
            return None;
        }
        let moves = |&l: &usize| self.slopes[l] != 0.0 || self.products[(l, l)] != 0.0;
        let moving: Vec<usize> = (0..self.slopes.len()).filter(moves).collect();
        let roots: Vec<f64> = moving.iter().map(|&l| self.products[(l, l)].abs().sqrt()).collect();
        if roots.contains(&0.0) {
            return None;
        }
        let scaled = DMatrix::from_fn(moving.len(), moving.len(), |l, m| {
            self.products[(moving[l], moving[m])] / (roots[l] * roots[m])
        });
        Some((moving, scaled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The parabola of ½wᵀHw at w along the negative gradient of each layer times its rate; layers
    /// of two, two and one values.
    fn quadratic(hessian: [[f64; 5]; 5], w: [f64; 5], rates: [f64; 3]) -> Parabola {
        let split = |vector: [f64; 5]| -> Vec<Vec<f32>> {
            let vector = vector.map(|value| value as f32);
            [0..2, 2..4, 4..5].map(|layer| vector[layer].to_vec()).to_vec()
        };
        let gradient = |w: [f64; 5]| split(hessian.map(|row| dot(&row, &w)));
        let mut directions = gradient(w);
        for (direction, rate) in directions.iter_mut().zip(rates) {
            direction.iter_mut().for_each(|value| *value *= -rate as f32);
        }
        let steps = rates.map(|rate| (rate > 0.0).then_some(1.0));
        let mut chunks = measure(&directions, &steps, |moved| {
            let mut at = w;
            if let Some((layer, epsilon)) = moved {
                for (value, by) in at[2 * layer..].iter_mut().zip(&directions[layer]) {
                    *value += epsilon * f64::from(*by);
                }
            }
            vec![gradient(at)]
        });
        chunks.pop().unwrap()
    }

    const W: [f64; 5] = [1.0, -2.0, 0.5, 1.0, 2.0];

    fn diagonal(values: [f64; 5]) -> [[f64; 5]; 5] {
        std::array::from_fn(|row| {
            std::array::from_fn(|col| if row == col { values[row] } else { 0.0 })
        })
    }

    #[test]
    fn known_answers_of_a_separable_quadratic() {
        // Layer l has curvature h_l: its best step is 1/h_l, so its best scale 1/(h_l·rate_l).
        let parabola = quadratic(diagonal([4.0, 4.0, 1.0, 1.0, 0.5]), W, [0.1, 0.5, 1.0]);
        let best = parabola.best().unwrap();
        for (scale, exact) in best.scales.iter().zip([2.5, 2.0, 2.0]) {
            assert!((scale - exact).abs() < 1e-5, "{best:?}");
        }
        // Gains: Σ‖g_l‖²/h_l = 80/4 + 1.25/1 + 1/.5 = 23.25. Slopes −8, −.625, −1; curvatures
        // 3.2, .3125, .5: (9.625)²/4.0125.
        let headroom = 23.25 * 4.0125 / 9.625f64.powi(2);
        assert!((best.headroom - headroom).abs() < 1e-5, "{best:?} {headroom}");
        let global = parabola.best_global_scale().unwrap();
        assert!((global - 9.625 / 4.0125).abs() < 1e-5, "{global}");
        assert!(
            (parabola.curvature(0, 0) - 3.2).abs() < 1e-5 && parabola.curvature(0, 1).abs() < 1e-5
        );
        let (least, error) = parabola.definiteness().unwrap();
        assert!((least - 1.0).abs() < 1e-5 && error < 1e-5);
    }

    #[test]
    fn one_best_rate_for_all_means_no_headroom() {
        // Rates that are each layer's best up to one factor.
        let parabola = quadratic(diagonal([4.0, 4.0, 1.0, 1.0, 0.5]), W, [0.025, 0.1, 0.2]);
        assert!((parabola.best().unwrap().headroom - 1.0).abs() < 1e-5);
    }

    #[test]
    fn without_a_lowest_point_there_is_no_answer() {
        let saddle = quadratic(diagonal([4.0, 4.0, -1.0, -1.0, 0.5]), W, [0.1, 0.1, 0.1]);
        assert_eq!(saddle.best(), None);
        assert!((saddle.definiteness().unwrap().0 + 1.0).abs() < 1e-5);
        assert!(saddle.best_global_scale().is_some());
        let hill = quadratic(diagonal([-1.0; 5]), W, [0.1, 0.1, 0.1]);
        assert_eq!((hill.best(), hill.best_global_scale()), (None, None));
        let flat = quadratic(diagonal([0.0; 5]), W, [0.1, 0.1, 0.1]);
        assert_eq!(
            (flat.best(), flat.best_global_scale(), flat.definiteness()),
            (None, None, None)
        );
        for broken in [f64::NAN, f64::INFINITY] {
            let broken = quadratic(diagonal([broken; 5]), W, [0.1, 0.1, 0.1]);
            assert_eq!((broken.best(), broken.best_global_scale()), (None, None));
        }
        // Two layers that do the same: C is singular, and what is left is the measurement's error.
        let alike = Parabola {
            slopes: DVector::from_vec(vec![-1.0, -1.001]),
            products: DMatrix::from_row_slice(2, 2, &[1.0, 0.9990, 1.0004, 1.0]),
        };
        assert_eq!(alike.best(), None);
    }

    #[test]
    fn a_layer_that_does_not_move_is_left_out() {
        let with = quadratic(diagonal([4.0, 4.0, 1.0, 1.0, 0.5]), W, [0.1, 0.0, 1.0]);
        let best = with.best().unwrap();
        assert_eq!(best.scales[1], 0.0);
        assert!((best.scales[0] - 2.5).abs() < 1e-5 && (best.scales[2] - 2.0).abs() < 1e-5);
    }

    proptest! {
        /// Cauchy and Schwarz: never below 1; and it is the best of all scales.
        #[test]
        fn no_scales_gain_more(
            entries in proptest::collection::vec(-1.0..1.0_f64, 9),
            slopes in proptest::collection::vec(-1.0..1.0_f64, 3),
            shift in proptest::collection::vec(-0.5..0.5_f64, 3),
        ) {
            let root = DMatrix::from_row_slice(3, 3, &entries);
            let products = &root * root.transpose() + DMatrix::identity(3, 3) * 0.1;
            let parabola = Parabola { slopes: DVector::from_vec(slopes), products };
            if let Some(best) = parabola.best() {
                let change = |scales: &[f64]| {
                    let scales = DVector::from_row_slice(scales);
                    parabola.slopes.dot(&scales) + 0.5 * (scales.transpose() * &parabola.products * &scales)[0]
                };
                let lowest = change(&best.scales);
                let other: Vec<f64> = best.scales.iter().zip(shift).map(|(a, b)| a + b).collect();
                prop_assert!(change(&other) >= lowest - 1e-9);
                let global = change(&[parabola.best_global_scale().unwrap(); 3]);
                prop_assert!(best.headroom >= 1.0 - 1e-9);
                prop_assert!((lowest / global - best.headroom).abs() <= 1e-5 * best.headroom);
            }
        }
    }
}
