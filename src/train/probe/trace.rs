//! Traces of the Hessian's diagonal blocks by random probes (Hutchinson 1990), from gradients alone.

use rand::{Rng, RngExt};

use super::vector::{dot, norm};

/// Random vectors whose products estimate the traces.
pub(super) const VECTORS: u64 = 8;

/// An unbiased estimate of tr H_ll for each layer, from one random vector.
///
/// `gradient(v, ε)` is the gradient by layer at w + εv. The vector's entries in layer l are
/// ±s_l with s_l = ‖w_l‖/√n_l (1/√n_l for a layer of zeros), so that w ± εv moves every layer by the
/// share ε = `step` of its own norm; then tr H_ll = E[v_lᵀ(Hv)_l]/s_l², with Hv by the central
/// difference of two gradients.
pub(super) fn traces(
    weights: &[Vec<f32>],
    step: f64,
    random: &mut impl Rng,
    mut gradient: impl FnMut(&[Vec<f32>], f64) -> Vec<Vec<f64>>,
) -> Vec<f64> {
    let scale = |layer: &Vec<f32>| match norm(layer) / (layer.len().max(1) as f64).sqrt() {
        0.0 => 1.0 / (layer.len().max(1) as f64).sqrt(),
        scale => scale,
    };
    let scales: Vec<f64> = weights.iter().map(scale).collect();
    let layers = weights.iter().zip(&scales);
    let vector: Vec<Vec<f32>> = layers
        .map(|(layer, scale)| {
            let sign = |_| if random.random::<bool>() { *scale as f32 } else { -*scale as f32 };
            (0..layer.len()).map(sign).collect()
        })
        .collect();
    let ahead = gradient(&vector, step);
    let behind = gradient(&vector, -step);
    let slope =
        |layer: usize| dot(&vector[layer], &ahead[layer]) - dot(&vector[layer], &behind[layer]);
    // As rounded to single precision, for then the estimate is exact where H is diagonal.
    let squared = |layer: usize| f64::from(scales[layer] as f32).powi(2);
    (0..weights.len()).map(|layer| slope(layer) / (2.0 * step * squared(layer))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    /// Two layers of two values; ½wᵀHw has the gradient Hw.
    fn quadratic(hessian: [[f64; 4]; 4], seed: u64) -> Vec<f64> {
        let weights = vec![vec![3.0, 4.0], vec![0.0, 0.0]];
        let gradient = |vector: &[Vec<f32>], factor: f64| {
            let moved = weights.concat().into_iter().zip(vector.concat());
            let at: Vec<f64> = moved.map(|(w, v)| f64::from(w) + factor * f64::from(v)).collect();
            let row = |row: [f64; 4]| dot(&row, &at);
            hessian.map(row).chunks(2).map(<[f64]>::to_vec).collect()
        };
        traces(&weights, 0.01, &mut stream(1, Purpose::Probe, seed), gradient)
    }

    #[test]
    fn the_trace_of_a_diagonal_hessian_is_exact() {
        let mut hessian = [[0.0; 4]; 4];
        for (at, value) in [2.0, 5.0, -1.0, 0.25].into_iter().enumerate() {
            hessian[at][at] = value;
        }
        for seed in 0..5 {
            let found = quadratic(hessian, seed);
            assert!((found[0] - 7.0).abs() < 1e-9 && (found[1] + 0.75).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn the_mean_over_vectors_is_the_trace_of_each_block() {
        let hessian = [
            [2.0, 1.0, 0.3, 0.0],
            [1.0, 5.0, 0.0, -0.7],
            [0.3, 0.0, 1.0, 2.0],
            [0.0, -0.7, 2.0, 3.0],
        ];
        let count = 4_000;
        let mut sums = [0.0; 2];
        for seed in 0..count {
            let found = quadratic(hessian, seed);
            sums = [sums[0] + found[0], sums[1] + found[1]];
        }
        let means = sums.map(|sum| sum / count as f64);
        // Standard errors: √(2²·1² + …)/√4000 ≈ .05 and .11.
        assert!((means[0] - 7.0).abs() < 0.2 && (means[1] - 4.0).abs() < 0.5, "{means:?}");
    }
}
