//! TempBalance: layers whose weights look less trained, by the tail of their spectrum, learn faster.
//!
//! Zhou et al., "Temperature balancing, layer-wise weight analysis, and neural network training"
//! (NeurIPS 2023), and the authors' `tempbalance.py` with its defaults. Once an
//! epoch, first before the first step:
//!
//! - The eigenvalues λ of WᵀW are sorted; of a convolution, those of the matrices [out, in] at all
//!   kernel positions together. (The authors halve those of convolutions, which changes no ratio.)
//! - The upper half, from number ⌊n/2⌋ of n on, is fitted by a power law with Hill's estimator:
//!   α = 1 + k / Σ ln(λ_j / λ_min), k its size, λ_min its least.
//! - The rate is the base times 1/2 at the least α of the net, 3/2 at the greatest, linear between.
//! - The first and the last layer with a matrix take no part and keep the base, since their few
//!   eigenvalues say little. A batch norm follows the convolution of its name, bn → conv.
//!
//! Where the authors divide by zero, a layer keeps the base: if its tail is a single value, all
//! equal, or starts at 0, and if all α are equal, as in nets with fewer than two layers to balance.

use nalgebra::DMatrix;

use super::{
    Coefficient, Layer, RatesError, Rule, RuleKind, RuleMemory, StepView, overall_rate, vector,
};
use crate::net::LayerKind;

/// Multiples of the base at the least and the greatest exponent.
const RANGE: [f64; 2] = [0.5, 1.5];
/// An eigenvalue this far below the greatest is rounding.
const ZERO: f64 = 1e-24;
/// Iterations after which a spectrum is given up; usual are two a singular value.
const ITERATIONS: usize = 100_000;

#[derive(Debug)]
pub(super) struct TempBalance;

#[derive(Debug)]
struct Running {
    layers: Vec<Layer>,
    /// For each layer the one whose spectrum sets its rate.
    sources: Vec<Option<usize>>,
    /// Multiples of the base, as of the last look.
    multiples: Vec<f64>,
    /// Steps between two looks; 0 before the first.
    per_epoch: u64,
}

/// For each layer the one whose spectrum sets its rate.
fn sources(layers: &[Layer]) -> Vec<Option<usize>> {
    let is_norm = |layer: &Layer| matches!(layer.kind, LayerKind::BatchNorm { .. });
    let matrices: Vec<_> = (0..layers.len()).filter(|layer| !is_norm(&layers[*layer])).collect();
    let balanced = matrices.get(1..matrices.len().saturating_sub(1)).unwrap_or_default();
    let of_name = |name: &str| balanced.iter().copied().find(|index| layers[*index].name == name);
    let source = |layer: &Layer| {
        if is_norm(layer) {
            of_name(&layer.name.replace("bn", "conv"))
        } else {
            of_name(&layer.name)
        }
    };
    layers.iter().map(source).collect()
}

/// The eigenvalues of WᵀW, ascending; `None` where they cannot be found.
fn spectrum(layer: &Layer, values: &[f32]) -> Option<Vec<f64>> {
    let (positions, matrix): (usize, Box<dyn Fn(usize) -> DMatrix<f64>>) = match layer.kind {
        LayerKind::BatchNorm { .. } => return None,
        LayerKind::Linear { inputs, outputs } => {
            let at = move |row, column| f64::from(values[row * outputs + column]);
            (1, Box::new(move |_| DMatrix::from_fn(inputs, outputs, at)))
        }
        LayerKind::Conv { inputs, outputs, kernel, .. } => {
            let positions = kernel * kernel;
            let at = move |position| {
                move |row, column| f64::from(values[(row * inputs + column) * positions + position])
            };
            (positions, Box::new(move |p| DMatrix::from_fn(outputs, inputs, at(p))))
        }
    };
    let mut eigenvalues = Vec::new();
    for position in 0..positions {
        let found = matrix(position).try_svd_unordered(false, false, f64::EPSILON, ITERATIONS)?;
        eigenvalues.extend(found.singular_values.iter().map(|value| value * value));
    }
    eigenvalues.sort_by(f64::total_cmp);
    Some(eigenvalues)
}

/// The exponent α of the upper half of a spectrum; `None` where there is none.
fn exponent(eigenvalues: &[f64]) -> Option<f64> {
    let tail = &eigenvalues[eigenvalues.len() / 2..];
    let (least, greatest) = (*tail.first()?, *tail.last()?);
    if least <= greatest * ZERO {
        return None;
    }
    let logs: f64 = tail.iter().map(|value| (value / least).ln()).sum();
    Some(1.0 + tail.len() as f64 / logs).filter(|exponent| exponent.is_finite())
}

impl RuleKind for TempBalance {
    fn name(&self) -> &'static str {
        "temp-balance"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        vec![overall_rate()]
    }

    fn has_plain_rate(&self) -> bool {
        true
    }

    fn start(&self, layers: &[Layer], _: &[f64]) -> Result<Box<dyn Rule>, RatesError> {
        Ok(Box::new(Running {
            layers: layers.to_vec(),
            sources: sources(layers),
            multiples: vec![1.0; layers.len()],
            per_epoch: 0,
        }))
    }
}

impl Running {
    fn look(&mut self, step: &StepView) {
        // What is not finite has no spectrum, and looking for one might not end.
        let broken = |layer: usize| vector::norm(step.layers[layer].weights).is_nan();
        let exponents: Vec<_> = (0..self.layers.len())
            .map(|layer| {
                let balanced = self.sources[layer] == Some(layer) && !broken(layer);
                let spectrum = balanced
                    .then(|| spectrum(&self.layers[layer], step.layers[layer].weights))
                    .flatten();
                spectrum.and_then(|spectrum| exponent(&spectrum))
            })
            .collect();
        let known = || exponents.iter().flatten().copied();
        let least = known().fold(f64::INFINITY, f64::min);
        let greatest = known().fold(f64::NEG_INFINITY, f64::max);
        let multiple = |exponent: f64| {
            let position = (exponent - least) / (greatest - least);
            RANGE[0] + position * (RANGE[1] - RANGE[0])
        };
        self.multiples = (0..self.layers.len())
            .map(|layer| {
                let source = self.sources[layer].unwrap_or(layer);
                if broken(layer) || broken(source) {
                    return f64::NAN;
                }
                exponents[source].filter(|_| greatest > least).map_or(1.0, multiple)
            })
            .collect();
    }
}

impl Rule for Running {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        if self.looks_at(step.step) && step.layers.len() == self.layers.len() {
            self.per_epoch = step.per_epoch.max(1);
            self.look(step);
        }
        let layers = self.multiples.iter().zip(step.base);
        layers.map(|(multiple, base)| base * step.factor * multiple).collect()
    }

    fn looks_at(&self, step: u64) -> bool {
        self.per_epoch == 0 || step.is_multiple_of(self.per_epoch)
    }

    fn memory(&self) -> RuleMemory {
        let numbers = [self.per_epoch as f64].into_iter().chain(self.multiples.iter().copied());
        RuleMemory { numbers: numbers.collect(), vectors: Vec::new() }
    }

    fn restore(&mut self, memory: &RuleMemory) -> bool {
        let Some((per_epoch, multiples)) = memory.numbers.split_first() else { return false };
        let fits = *per_epoch >= 0.0
            && per_epoch.fract() == 0.0
            && multiples.len() == self.multiples.len()
            && memory.vectors.is_empty();
        if fits {
            self.per_epoch = *per_epoch as u64;
            self.multiples = multiples.to_vec();
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Example;
    use super::*;

    /// A linear layer's vector with the given singular values, turned so that no entry is special.
    fn linear(values: &[f64]) -> (Layer, Vec<f32>) {
        let n = values.len();
        let (sine, cosine) = 0.7_f64.sin_cos();
        let mut matrix = DMatrix::from_fn(n, n, |r, c| if r == c { values[r] } else { 0.0 });
        for index in 1..n {
            let mut turn = DMatrix::identity(n, n);
            turn[(0, 0)] = cosine;
            turn[(index, index)] = cosine;
            turn[(0, index)] = -sine;
            turn[(index, 0)] = sine;
            matrix = &turn * matrix * &turn;
        }
        let rows = (0..n).flat_map(|r| (0..n).map(move |c| (r, c)));
        let mut vector: Vec<f32> = rows.map(|at| matrix[at] as f32).collect();
        vector.extend(vec![5.0; n]);
        (Layer::linear(&format!("fc{n}"), [n, n]), vector)
    }

    #[test]
    fn the_exponent_of_a_known_spectrum() {
        // The upper half is e², e⁴, e⁶: k = 3, Σ ln = 0 + 2 + 4.
        let (layer, values) = linear(&[1.0, 0.5, 0.2, 1_f64.exp(), 2_f64.exp(), 3_f64.exp()]);
        let spectrum = spectrum(&layer, &values).unwrap();
        assert!((exponent(&spectrum).unwrap() - 1.5).abs() < 1e-5, "{spectrum:?}");
        assert_eq!(exponent(&[1.0, 2.0]), None);
        assert_eq!(exponent(&[1.0, 1.0, 1.0, 1.0]), None);
        assert_eq!(exponent(&[0.0, 0.0, 0.0, 1.0]), None);
        assert_eq!(exponent(&[]), None);
    }

    #[test]
    fn a_convolution_has_a_matrix_at_each_kernel_position() {
        // 1×1 and 2×2 kernels on one channel: values are singular values.
        let layer = Layer::conv("conv", [1, 1], 2, 1);
        assert_eq!(spectrum(&layer, &[3.0, -1.0, 2.0, 0.5, 9.0]).unwrap(), [0.25, 1.0, 4.0, 9.0]);
        // From 1 to 2 channels: at the first position stands (3, 4), of norm 5.
        let layer = Layer::conv_without_bias("conv", [1, 2], 2, 1);
        let found = spectrum(&layer, &[3.0, 0.0, 1.0, 0.0, 4.0, 0.0, 0.0, 2.0]).unwrap();
        assert!(found.iter().zip([0.0, 1.0, 4.0, 25.0]).all(|(f, e)| (f - e).abs() < 1e-12));
    }

    /// Middle layers with α = 1.5, 2 and 3 between two others.
    fn example() -> (Vec<Layer>, Example) {
        let tail = |step: f64| linear(&[0.5, 0.5, 0.5, 1.0, step.exp(), (2.0 * step).exp()]);
        let mut parts =
            vec![linear(&[1.0, 2.0]), tail(1.0), tail(0.5), tail(0.25), linear(&[1.0, 3.0])];
        for (index, (layer, _)) in parts.iter_mut().enumerate() {
            layer.name = format!("conv{index}");
        }
        parts.insert(2, (Layer::batch_norm("bn1", 1, 1), vec![1.0, 0.0]));
        let (layers, weights): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (layers, Example::of(weights.clone(), weights))
    }

    #[test]
    fn exponents_are_mapped_linearly_and_norms_follow() {
        let (layers, example) = example();
        let mut rule = TempBalance.start(&layers, &[0.1]).unwrap();
        let rates = example.rates(rule.as_mut());
        let expected = [1.0, 0.5, 0.5, 0.5 + 1.0 / 3.0, 1.5, 1.0];
        assert!(rates.iter().zip(&expected).all(|(r, e)| (r - e).abs() < 1e-5), "{rates:?}");
    }

    #[test]
    fn spectra_are_looked_at_once_an_epoch() {
        let (layers, mut example) = example();
        let mut rule = TempBalance.start(&layers, &[0.1]).unwrap();
        let first = example.rates(rule.as_mut());
        example.weights.swap(1, 4);
        for step in 1..10 {
            example.step = step;
            assert!(!rule.looks_at(step));
            assert_eq!(example.rates(rule.as_mut()), first);
        }
        example.step = 10;
        assert!(rule.looks_at(10));
        assert_ne!(example.rates(rule.as_mut()), first);
    }

    #[test]
    fn a_layer_without_exponent_keeps_the_base_and_a_broken_one_is_found() {
        let (layers, mut example) = example();
        let mut rule = TempBalance.start(&layers, &[0.1]).unwrap();
        example.weights[1].fill(0.0);
        let rates = example.rates(rule.as_mut());
        assert!(rates[1] == 1.0 && rates[2] == 1.0 && rates[3] == 0.5 && rates[4] == 1.5);
        example.weights[1][0] = f32::NAN;
        let rates = example.rates(rule.as_mut());
        assert!(rates[1].is_nan() && rates[2].is_nan() && rates[3] == 0.5, "{rates:?}");
    }
}
