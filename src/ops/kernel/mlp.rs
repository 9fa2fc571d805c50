//! A stack of linear layers with ReLU between them, forward and backward.

use super::matmul::{Left, Product};
use super::scratch::Scratch;
use super::transpose::Transpose;
use super::width::Vectors;

/// One linear layer.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// Weights, `[in, out]`, row by row.
    pub weight: &'a [f32],
    /// Bias, `[out]`: its length is the layer's width.
    pub bias: &'a [f32],
}

/// Where the backward pass writes one layer's gradients; nothing is accumulated.
pub struct LinearGradient<'a> {
    /// Gradient of the weights, `[in, out]`.
    pub weight: &'a mut [f32],
    /// Gradient of the bias, `[out]`.
    pub bias: &'a mut [f32],
}

/// Linear layers, each but the last followed by ReLU.
#[derive(Clone, Copy, Debug)]
pub struct Mlp<'a> {
    /// The layers, first to last.
    pub layers: &'a [Linear<'a>],
    /// Rows of the input.
    pub batch: usize,
    /// 1, or the number of shares for the current rayon pool. The result does not depend on it.
    pub threads: usize,
}

impl Mlp<'_> {
    /// Values in all layers' outputs together.
    pub fn activations_len(&self) -> usize {
        self.layers.iter().map(|layer| self.batch * layer.bias.len()).sum()
    }

    /// Computes every layer.
    ///
    /// `input` is `[batch, in]`. `activations` receives the layers' outputs `[batch, out]` one
    /// after the other, after ReLU; the last are the logits.
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn forward(&self, input: &[f32], activations: &mut [f32]) {
        assert_eq!(activations.len(), self.activations_len(), "activations");
        let vectors = Vectors::current();
        let (mut input, mut rest) = (input, activations);
        for (index, layer) in self.layers.iter().enumerate() {
            let (depth, columns) = (self.inputs(index, input.len()), layer.bias.len());
            let output;
            (output, rest) = rest.split_at_mut(self.batch * columns);
            let product = Product {
                order: Left::Rows,
                left: input,
                step: depth,
                right: layer.weight,
                rows: self.batch,
                depth,
                columns,
                bias: Some(layer.bias),
                relu: index + 1 < self.layers.len(),
            };
            product.share(self.threads, vectors, output);
            input = output;
        }
    }

    /// Computes all gradients from that of the logits.
    ///
    /// `input` and `activations` as in [`Mlp::forward`]; `gradient` is `[batch, out]` of the last
    /// layer, `to` has one entry for each layer, `to_input` receives `[batch, in]` if wanted.
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn backward(
        &self,
        input: &[f32],
        activations: &[f32],
        gradient: &[f32],
        to: &mut [LinearGradient],
        to_input: Option<&mut [f32]>,
    ) {
        assert_eq!(activations.len(), self.activations_len(), "activations");
        assert_eq!(to.len(), self.layers.len(), "one gradient for each layer");
        let vectors = Vectors::current();
        let widest = self.layers.iter().map(|layer| layer.bias.len()).max().unwrap_or(0);
        let mut upper = Scratch::take(self.batch * widest);
        let mut lower = Scratch::take(self.batch * widest);
        let last = self.layers.last().map_or(0, |layer| layer.bias.len());
        upper[..self.batch * last].copy_from_slice(gradient);

        let mut end = activations.len() - self.batch * last;
        let mut to_input = to_input;
        for (index, (layer, to)) in self.layers.iter().zip(to).enumerate().rev() {
            let columns = layer.bias.len();
            let gradient = &upper[..self.batch * columns];
            let below = match index.checked_sub(1) {
                Some(below) => self.batch * self.layers[below].bias.len(),
                None => input.len(),
            };
            let layer_input = if index > 0 { &activations[end - below..end] } else { input };
            let depth = self.inputs(index, below);
            assert_eq!(to.weight.len(), depth * columns, "weight gradient of layer {index}");
            assert_eq!(to.bias.len(), columns, "bias gradient of layer {index}");

            let weight_gradient = Product {
                order: Left::Columns,
                left: layer_input,
                step: depth,
                right: gradient,
                rows: depth,
                depth: self.batch,
                columns,
                bias: None,
                relu: false,
            };
            weight_gradient.share(self.threads, vectors, to.weight);
            to.bias.fill(0.0);
            for row in gradient.chunks_exact(columns) {
                to.bias.iter_mut().zip(row).for_each(|(to, from)| *to += from);
            }

            if index == 0 && to_input.is_none() {
                break;
            }
            let mut transposed = Scratch::take(depth * columns);
            vectors.run(Transpose {
                from: layer.weight,
                rows: depth,
                columns,
                to: &mut transposed,
            });
            let input_gradient = Product {
                order: Left::Rows,
                left: gradient,
                step: columns,
                right: &transposed,
                rows: self.batch,
                depth: columns,
                columns: depth,
                bias: None,
                relu: false,
            };
            if index > 0 {
                let lower = &mut lower[..below];
                input_gradient.share(self.threads, vectors, lower);
                for (gradient, &output) in lower.iter_mut().zip(layer_input) {
                    *gradient = if output <= 0.0 { 0.0 } else { *gradient };
                }
                end -= below;
            } else if let Some(to_input) = to_input.take() {
                input_gradient.share(self.threads, vectors, to_input);
            }
            std::mem::swap(&mut upper, &mut lower);
        }
    }

    /// Inputs of layer `index`, from the length of its input.
    fn inputs(&self, index: usize, len: usize) -> usize {
        let inputs = len / self.batch;
        let expected = inputs * self.layers[index].bias.len();
        assert_eq!(inputs * self.batch, len, "input of layer {index}");
        assert_eq!(self.layers[index].weight.len(), expected, "weight of layer {index}");
        inputs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Values, assert_same, each_width};
    use super::*;

    /// Rows x columns times columns x depth, by definition; exact for the values used here.
    fn multiply(
        rows: usize,
        depth: usize,
        columns: usize,
        at: impl Fn(usize, usize, usize) -> f32,
    ) -> Vec<f32> {
        (0..rows * columns)
            .map(|i| (0..depth).map(|k| at(i / columns, k, i % columns)).sum())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// Two layers on small multiples of 1/4, where every sum is exact; with `which`, a NaN or
        /// infinity in the input, which must spread as through Burn's operations.
        #[test]
        fn equals_the_definition_with_any_number_of_threads(
            (batch, inputs, hidden, outputs) in (1..30usize, 1..20usize, 1..50usize, 1..12usize),
            seed in any::<u64>(),
            spoilt in 0..4u8,
        ) {
            let mut values = Values::exact(seed);
            let mut input = values.take(batch * inputs);
            if spoilt == 0 {
                Values::spoil(seed, &mut input);
            }
            let weights = [values.take(inputs * hidden), values.take(hidden * outputs)];
            let biases = [values.take(hidden), values.take(outputs)];
            let gradient = values.take(batch * outputs);

            let mut middle = multiply(batch, inputs, hidden, |r, k, c| input[r * inputs + k] * weights[0][k * hidden + c]);
            for (index, value) in middle.iter_mut().enumerate() {
                *value += biases[0][index % hidden];
                *value = if *value <= 0.0 { 0.0 } else { *value };
            }
            let mut logits = multiply(batch, hidden, outputs, |r, k, c| middle[r * hidden + k] * weights[1][k * outputs + c]);
            logits.iter_mut().enumerate().for_each(|(index, value)| *value += biases[1][index % outputs]);
            let to_last = multiply(hidden, batch, outputs, |r, k, c| middle[k * hidden + r] * gradient[k * outputs + c]);
            let mut below = multiply(batch, outputs, hidden, |r, k, c| gradient[r * outputs + k] * weights[1][c * outputs + k]);
            for (gradient, &output) in below.iter_mut().zip(&middle) {
                *gradient = if output <= 0.0 { 0.0 } else { *gradient };
            }
            let to_first = multiply(inputs, batch, hidden, |r, k, c| input[k * inputs + r] * below[k * hidden + c]);
            let to_bias = multiply(1, batch, hidden, |_, k, c| below[k * hidden + c]);
            let to_input = multiply(batch, hidden, inputs, |r, k, c| below[r * hidden + k] * weights[0][c * hidden + k]);

            let layers = [0, 1].map(|i| Linear { weight: &weights[i], bias: &biases[i] });
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
            each_width(|| for threads in [1, 2] {
                let mlp = Mlp { layers: &layers, batch, threads };
                let mut activations = vec![0.5; mlp.activations_len()];
                let mut weight = weights.clone().map(|weight| vec![0.5; weight.len()]);
                let mut bias = biases.clone().map(|bias| vec![0.5; bias.len()]);
                let mut found_input = vec![0.5; input.len()];
                pool.install(|| {
                    mlp.forward(&input, &mut activations);
                    let mut to: Vec<_> = weight
                        .iter_mut()
                        .zip(&mut bias)
                        .map(|(weight, bias)| LinearGradient { weight, bias })
                        .collect();
                    mlp.backward(&input, &activations, &gradient, &mut to, Some(&mut found_input));
                });
                assert_same("hidden layer", &activations[..middle.len()], &middle);
                assert_same("logits", &activations[middle.len()..], &logits);
                assert_same("last weights", &weight[1], &to_last);
                assert_same("first weights", &weight[0], &to_first);
                assert_same("first bias", &bias[0], &to_bias);
                assert_same("input", &found_input, &to_input);
            });
        }
    }
}
