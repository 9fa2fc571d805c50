//! Dense linear algebra for small symmetric matrices, as the Gaussian process and CMA-ES need it.
//!
//! Matrices are row-major slices of n × n. Everything here is sums in a fixed order, so results do
//! not depend on the processor, which a library that picks kernels at run time cannot promise.

/// Inner product, in eight interleaved sums so that it runs in vector registers.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest
}

/// Lower triangular L with L·Lᵀ = A.
#[derive(Clone, Debug)]
pub(super) struct Cholesky {
    n: usize,
    /// Rows of L; entries above the diagonal are not read.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Of the matrix whose lower triangle is in `matrix`; `None` if it is not positive definite.
    pub(super) fn new(mut matrix: Vec<f64>, n: usize) -> Option<Self> {
        debug_assert_eq!(matrix.len(), n * n);
        for i in 0..n {
            let (above, row) = matrix.split_at_mut(i * n);
            for j in 0..i {
                let other = &above[j * n..j * n + j + 1];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let square = row[i] - dot(&row[..i], &row[..i]);
            // Also false for NaN.
            if !(square > 0.0 && square.is_finite()) {
                return None;
            }
            row[i] = square.sqrt();
        }
        Some(Self { n, lower: matrix })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.lower[i * self.n..i * self.n + i + 1]
    }

    /// L⁻¹·b in place.
    pub(super) fn solve_lower(&self, b: &mut [f64]) {
        for i in 0..self.n {
            let row = self.row(i);
            b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
        }
    }

    /// L⁻ᵀ·b in place.
    pub(super) fn solve_upper(&self, b: &mut [f64]) {
        for i in (0..self.n).rev() {
            let row = self.row(i);
            let value = b[i] / row[i];
            b[i] = value;
            for (b, l) in b[..i].iter_mut().zip(row) {
                *b -= value * l;
            }
        }
    }

    /// L⁻¹·B in place for `LANES` right-hand sides at once: `b[i]` holds entry i of each.
    pub(super) fn solve_lower_lanes<const LANES: usize>(&self, b: &mut [[f64; LANES]]) {
        for i in 0..self.n {
            let row = self.row(i);
            let (known, rest) = b.split_at_mut(i);
            let mut sums = rest[0];
            for (known, l) in known.iter().zip(row) {
                for lane in 0..LANES {
                    sums[lane] -= l * known[lane];
                }
            }
            rest[0] = sums.map(|sum| sum / row[i]);
        }
    }

    /// Logarithm of the determinant of A.
    pub(super) fn log_determinant(&self) -> f64 {
        2.0 * (0..self.n).map(|i| self.row(i)[i].ln()).sum::<f64>()
    }

    /// The lower triangle of A⁻¹, in rows of n.
    pub(super) fn inverse(&self) -> Vec<f64> {
        let n = self.n;
        // Row c holds column c of L⁻¹, so that every sum below runs along rows.
        let mut columns = vec![0.0; n * n];
        for (c, column) in columns.chunks_exact_mut(n).enumerate() {
            column[c] = 1.0 / self.row(c)[c];
            for i in c + 1..n {
                let row = self.row(i);
                column[i] = -dot(&row[c..i], &column[c..i]) / row[i];
            }
        }
        let mut inverse = vec![0.0; n * n];
        for a in 0..n {
            for b in 0..=a {
                inverse[a * n + b] =
                    dot(&columns[a * n + a..][..n - a], &columns[b * n + a..][..n - a]);
            }
        }
        inverse
    }
}

/// Eigenvalues of a symmetric matrix and its eigenvectors as rows, by Jacobi's rotations (Golub and
/// Van Loan, Matrix Computations, section 8.5). In no particular order.
pub(super) fn eigen_decomposition(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    for i in 0..n {
        vectors[i * n + i] = 1.0;
    }
    // Convergence is quadratic; more sweeps than this mean that the matrix holds NaN.
    for _ in 0..30 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j].powi(2))
            .sum();
        let on: f64 = (0..n).map(|i| a[i * n + i].powi(2)).sum();
        if off <= 1e-32 * on {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    a[k * n + p] = c * x - s * y;
                    a[k * n + q] = s * x + c * y;
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    a[p * n + k] = c * x - s * y;
                    a[q * n + k] = s * x + c * y;
                    let (x, y) = (vectors[p * n + k], vectors[q * n + k]);
                    vectors[p * n + k] = c * x - s * y;
                    vectors[q * n + k] = s * x + c * y;
                }
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    /// A random positive definite matrix: B·Bᵀ + I/10.
    fn positive_definite(n: usize) -> Vec<f64> {
        let mut generator = stream(n as u64, Purpose::Sampler, 0);
        let b: Vec<f64> = (0..n * n).map(|_| generator.random::<f64>() - 0.5).collect();
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = (0..n).map(|k| b[i * n + k] * b[j * n + k]).sum();
            }
            a[i * n + i] += 0.1;
        }
        a
    }

    fn product(a: &[f64], x: &[f64], n: usize) -> Vec<f64> {
        (0..n).map(|i| (0..n).map(|j| a[i * n + j] * x[j]).sum()).collect()
    }

    #[test]
    fn solutions_and_inverses_multiply_back() {
        for n in [1, 2, 7, 8, 19] {
            let a = positive_definite(n);
            let factor = Cholesky::new(a.clone(), n).unwrap();
            let b: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
            let mut x = b.clone();
            factor.solve_lower(&mut x);
            let mut lanes: Vec<[f64; 4]> = b.iter().map(|b| [*b, 2.0 * b, 0.0, -b]).collect();
            factor.solve_lower_lanes(&mut lanes);
            for (x, lanes) in x.iter().zip(&lanes) {
                for (lane, factor) in lanes.iter().zip([1.0, 2.0, 0.0, -1.0]) {
                    assert!((lane - factor * x).abs() < 1e-12);
                }
            }
            factor.solve_upper(&mut x);
            let back = product(&a, &x, n);
            assert!(back.iter().zip(&b).all(|(back, b)| (back - b).abs() < 1e-12), "{n}");
            let lower = factor.inverse();
            let inverse: Vec<f64> =
                (0..n * n).map(|k| lower[(k / n).max(k % n) * n + (k / n).min(k % n)]).collect();
            let other = product(&inverse, &b, n);
            assert!(other.iter().zip(&x).all(|(other, x)| (other - x).abs() < 1e-11), "{n}");
        }
    }

    #[test]
    fn determinants_of_known_matrices() {
        let factor = Cholesky::new(vec![4.0, 0.0, 2.0, 3.0], 2).unwrap();
        assert!((factor.log_determinant() - 8.0_f64.ln()).abs() < 1e-15);
        assert!(Cholesky::new(vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::new(vec![f64::NAN], 1).is_none());
    }

    #[test]
    fn eigenvectors_are_orthonormal_and_scaled_by_the_matrix() {
        for n in [1, 2, 5, 12] {
            let a = positive_definite(n);
            let (values, vectors) = eigen_decomposition(a.clone(), n);
            for i in 0..n {
                let vector = &vectors[i * n..(i + 1) * n];
                for (image, entry) in product(&a, vector, n).iter().zip(vector) {
                    assert!((image - values[i] * entry).abs() < 1e-12);
                }
                for j in 0..n {
                    let inner = dot(vector, &vectors[j * n..(j + 1) * n]);
                    assert!((inner - f64::from(i == j)).abs() < 1e-12);
                }
            }
        }
    }
}
