//! Batch normalisation in training mode, with ReLU and 2x2 max-pool, forward and backward.
//!
//! Formulas and defaults are PyTorch's (`torch.nn.BatchNorm2d`): a batch is normalised with its
//! biased variance; the running variance takes the unbiased one.

use super::norm_image::{Backward, GradientSums, Image, InputGradient, Moments, Normalise};
use super::parallel::run_all;
use super::scratch::Scratch;
use super::width::Vectors;

/// Batch normalisation of NHWC images and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Images.
    pub batch: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Whether ReLU follows.
    pub relu: bool,
    /// Whether a 2x2 max-pool with stride 2 follows; an odd last row or column is dropped.
    pub pool: bool,
    /// Added to the variance; PyTorch's default is 1e-5.
    pub epsilon: f32,
    /// 1, or more to use the current rayon pool. The result does not depend on it.
    pub threads: usize,
}

/// Learnt values, `[channels]` each.
#[derive(Clone, Copy)]
pub struct Affine<'a> {
    /// Factors (gamma).
    pub weight: &'a [f32],
    /// Offsets (beta).
    pub bias: &'a [f32],
}

/// Statistics of a batch, `[channels]` each.
pub struct Statistics<'a> {
    /// Mean.
    pub mean: &'a mut [f32],
    /// Biased variance.
    pub variance: &'a mut [f32],
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Copy)]
pub struct NormSaved<'a> {
    /// Input, NHWC.
    pub input: &'a [f32],
    /// Factor of each channel.
    pub weight: &'a [f32],
    /// Output, NHWC; it tells where ReLU was zero. Not read without ReLU.
    pub output: &'a [f32],
    /// Places of the maxima, as the forward pass wrote them. Not read without a pool.
    pub places: &'a [u8],
    /// Mean of the batch.
    pub mean: &'a [f32],
    /// Biased variance of the batch.
    pub variance: &'a [f32],
}

/// Where the backward pass writes; nothing is accumulated.
pub struct NormGradients<'a> {
    /// Gradient of the input, NHWC.
    pub input: &'a mut [f32],
    /// Gradient of the factors.
    pub weight: &'a mut [f32],
    /// Gradient of the offsets.
    pub bias: &'a mut [f32],
}

impl BatchNorm {
    /// Values in the output, and bytes of `places` with a pool.
    pub fn out_len(&self) -> usize {
        self.batch * self.out_image_len()
    }

    fn image(&self) -> Image {
        Image { size: self.size, channels: self.channels, relu: self.relu, pool: self.pool }
    }

    fn image_len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    fn out_image_len(&self) -> usize {
        let [height, width] = self.image().out_size();
        height * width * self.channels
    }

    /// Values of each channel.
    fn count(&self) -> usize {
        self.batch * self.size[0] * self.size[1]
    }

    /// Normalises a batch by its own statistics.
    ///
    /// `input` and `output` are NHWC. `statistics` receives what the backward pass and
    /// the running statistics need. With a pool, `places` receives [`BatchNorm::out_len`] bytes, NHWC:
    /// where in its window each maximum was (0 to 3, row by row).
    ///
    /// # Panics
    /// If a slice has the wrong length or the input is empty.
    pub fn forward(
        &self,
        input: &[f32],
        affine: Affine,
        statistics: Statistics,
        output: &mut [f32],
        places: &mut [u8],
    ) {
        assert!(self.count() * self.channels > 0, "{self:?}");
        assert_eq!(input.len(), self.batch * self.image_len(), "input");
        assert_eq!(output.len(), self.out_len(), "output");
        assert_eq!(places.len(), if self.pool { self.out_len() } else { 0 }, "places");
        let Statistics { mean, variance } = statistics;
        for values in [affine.weight, affine.bias, mean, variance] {
            assert_eq!(values.len(), self.channels, "values for each channel");
        }
        let (vectors, image) = (Vectors::current(), self.image());

        let mut partial = Scratch::take(self.batch * 2 * self.channels);
        let tasks =
            input.chunks_exact(self.image_len()).zip(partial.chunks_exact_mut(2 * self.channels));
        run_all(self.threads, tasks, |(input, partial)| {
            let (mean, squares) = partial.split_at_mut(self.channels);
            vectors.run(Moments { image, input, mean, squares });
        });
        self.combine(&partial, mean, variance);

        let mut scale = Scratch::take(self.channels);
        let mut shift = Scratch::take(self.channels);
        for channel in 0..self.channels {
            scale[channel] = affine.weight[channel] * self.inverse_deviation(variance[channel]);
            shift[channel] = affine.bias[channel] - mean[channel] * scale[channel];
        }
        if self.out_len() == 0 {
            return;
        }
        let (scale, shift) = (&*scale, &*shift);
        let images =
            input.chunks_exact(self.image_len()).zip(output.chunks_exact_mut(self.out_image_len()));
        // Without a pool there are no places to share out; every image then gets none.
        let places = places
            .chunks_exact_mut(self.out_image_len())
            .map(Some)
            .chain(std::iter::repeat_with(|| None));
        run_all(self.threads, images.zip(places), |((input, output), places)| {
            let places = places.unwrap_or_default();
            vectors.run(Normalise { image, input, scale, shift, output, places });
        });
    }

    /// Merges the images' means and squared deviations in their order (Chan, Golub and LeVeque
    /// 1983): one pass over memory, and no difference of large numbers.
    fn combine(&self, partial: &[f32], mean: &mut [f32], variance: &mut [f32]) {
        let count = (self.size[0] * self.size[1]) as f64;
        for channel in 0..self.channels {
            let (mut average, mut squares) = (0.0, 0.0);
            for (index, partial) in partial.chunks_exact(2 * self.channels).enumerate() {
                let (before, images) = (index as f64, index as f64 + 1.0);
                let difference = f64::from(partial[channel]) - average;
                average += difference / images;
                squares += f64::from(partial[self.channels + channel])
                    + difference * difference * count * before / images;
            }
            mean[channel] = average as f32;
            variance[channel] = (squares / self.count() as f64) as f32;
        }
    }

    fn inverse_deviation(&self, variance: f32) -> f32 {
        1.0 / (variance + self.epsilon).sqrt()
    }

    /// Computes the gradients from that of the output, which is NHWC.
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn backward(&self, saved: NormSaved, gradient: &[f32], to: NormGradients) {
        assert_eq!(saved.input.len(), self.batch * self.image_len(), "input");
        assert_eq!(gradient.len(), self.out_len(), "gradient");
        assert!(!self.relu || saved.output.len() == self.out_len(), "output");
        assert!(!self.pool || saved.places.len() == self.out_len(), "places");
        assert_eq!(to.input.len(), saved.input.len(), "input gradient");
        for values in [saved.weight, saved.mean, saved.variance, to.weight, to.bias] {
            assert_eq!(values.len(), self.channels, "values for each channel");
        }
        let vectors = Vectors::current();
        let (image_len, out_len) = (self.image_len(), self.out_image_len());
        let of = |index: usize| Backward {
            image: self.image(),
            input: &saved.input[index * image_len..][..image_len],
            output: if self.relu { &saved.output[index * out_len..][..out_len] } else { &[] },
            places: if self.pool { &saved.places[index * out_len..][..out_len] } else { &[] },
            gradient: &gradient[index * out_len..][..out_len],
            mean: saved.mean,
        };

        let mut partial = Scratch::take(self.batch * 2 * self.channels);
        let tasks = partial.chunks_exact_mut(2 * self.channels).enumerate();
        run_all(self.threads, tasks, |(index, partial)| {
            let (units, products) = partial.split_at_mut(self.channels);
            vectors.run(GradientSums { of: of(index), units, products });
        });

        let [mut scale, mut mean_unit, mut slope] = [0; 3].map(|_| Scratch::take(self.channels));
        for channel in 0..self.channels {
            let sum = |at: usize| {
                partial
                    .iter()
                    .skip(at)
                    .step_by(2 * self.channels)
                    .map(|&v| f64::from(v))
                    .sum::<f64>()
            };
            let (units, products) = (sum(channel), sum(self.channels + channel));
            let inverse = f64::from(self.inverse_deviation(saved.variance[channel]));
            to.bias[channel] = units as f32;
            to.weight[channel] = (products * inverse) as f32;
            scale[channel] = saved.weight[channel] * inverse as f32;
            mean_unit[channel] = (units / self.count() as f64) as f32;
            slope[channel] = (products * inverse * inverse / self.count() as f64) as f32;
        }
        let (scale, mean_unit, slope) = (&*scale, &*mean_unit, &*slope);
        run_all(self.threads, to.input.chunks_exact_mut(image_len).enumerate(), |(index, to)| {
            vectors.run(InputGradient { of: of(index), scale, mean_unit, slope, to });
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Values, assert_close, each_width};
    use super::*;

    struct Results {
        output: Vec<f32>,
        places: Vec<u8>,
        mean: Vec<f32>,
        variance: Vec<f32>,
        input: Vec<f32>,
        weight: Vec<f32>,
        bias: Vec<f32>,
    }

    fn fast(norm: &BatchNorm, [input, weight, bias, gradient]: [&[f32]; 4]) -> Results {
        let channels = || vec![0.5; norm.channels];
        let (mut mean, mut variance, mut to_weight, mut to_bias) =
            (channels(), channels(), channels(), channels());
        let (mut output, mut to_input) = (vec![0.5; norm.out_len()], vec![0.5; input.len()]);
        let mut places = vec![9; if norm.pool { norm.out_len() } else { 0 }];
        let statistics = Statistics { mean: &mut mean, variance: &mut variance };
        norm.forward(input, Affine { weight, bias }, statistics, &mut output, &mut places);
        let saved = NormSaved {
            input,
            weight,
            output: &output,
            places: &places,
            mean: &mean,
            variance: &variance,
        };
        let to = NormGradients { input: &mut to_input, weight: &mut to_weight, bias: &mut to_bias };
        norm.backward(saved, gradient, to);
        Results {
            output,
            places,
            mean,
            variance,
            input: to_input,
            weight: to_weight,
            bias: to_bias,
        }
    }

    /// The definition in double precision; ReLU and places are taken from `found`.
    fn plain(
        norm: &BatchNorm,
        [input, weight, bias, gradient]: [&[f32]; 4],
        found: &Results,
    ) -> Results {
        let (channels, count) = (norm.channels, norm.count() as f64);
        let wide =
            |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
        let x = wide(input);
        let channel_sum = |values: &dyn Fn(usize) -> f64, channel: usize| -> f64 {
            (channel..input.len()).step_by(channels).map(values).sum()
        };
        let mean: Vec<f64> = (0..channels).map(|c| channel_sum(&|i| x[i], c) / count).collect();
        let variance: Vec<f64> =
            (0..channels).map(|c| channel_sum(&|i| (x[i] - mean[c]).powi(2), c) / count).collect();
        let inverse: Vec<f64> =
            variance.iter().map(|v| 1.0 / (v + f64::from(norm.epsilon)).sqrt()).collect();
        let hat: Vec<f64> = x
            .iter()
            .enumerate()
            .map(|(i, x)| (x - mean[i % channels]) * inverse[i % channels])
            .collect();
        let value =
            |i: usize| hat[i] * f64::from(weight[i % channels]) + f64::from(bias[i % channels]);

        let mut unit = vec![0.0; input.len()];
        let mut output = vec![0.0; norm.out_len()];
        let [rows, columns] = norm.image().out_size();
        for (at, output) in output.iter_mut().enumerate() {
            let (channel, pixel) = (at % channels, at / channels);
            let (x, y, n) = (pixel % columns, pixel / columns % rows, pixel / columns / rows);
            let place = if norm.pool { usize::from(found.places[at]) } else { 0 };
            let scale = if norm.pool { 2 } else { 1 };
            let source = |place: usize| {
                let (y, x) = (scale * y + place / 2, scale * x + place % 2);
                ((n * norm.size[0] + y) * norm.size[1] + x) * channels + channel
            };
            *output = value(source(place));
            if norm.pool {
                let best =
                    (0..4).map(|place| value(source(place))).fold(f64::NEG_INFINITY, f64::max);
                assert!((best - *output).abs() < 1e-4, "place {place}");
            }
            if norm.relu {
                *output = output.max(0.0);
            }
            let dead = norm.relu && found.output[at] <= 0.0;
            unit[source(place)] = if dead { 0.0 } else { f64::from(gradient[at]) };
        }
        let to_bias: Vec<f64> = (0..channels).map(|c| channel_sum(&|i| unit[i], c)).collect();
        let to_weight: Vec<f64> =
            (0..channels).map(|c| channel_sum(&|i| unit[i] * hat[i], c)).collect();
        let to_input: Vec<f64> = (0..input.len())
            .map(|i| {
                let c = i % channels;
                f64::from(weight[c])
                    * inverse[c]
                    * (unit[i] - to_bias[c] / count - hat[i] * to_weight[c] / count)
            })
            .collect();
        Results {
            output: narrow(&output),
            places: vec![],
            mean: narrow(&mean),
            variance: narrow(&variance),
            input: narrow(&to_input),
            weight: narrow(&to_weight),
            bias: narrow(&to_bias),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn equals_the_definition_with_any_number_of_threads(
            (batch, height, width, channels) in (1..12usize, 1..9usize, 1..9usize, 1..40usize),
            (relu, pool, seed) in any::<(bool, bool, u64)>(),
        ) {
            prop_assume!(batch * height * width > 2);
            let size = [height, width];
            let norm = BatchNorm { batch, size, channels, relu, pool, epsilon: 1e-5, threads: 1 };
            let mut values = Values::normal(seed);
            let input: Vec<f32> = values.take(batch * norm.image_len()).iter().map(|x| x + 3.0).collect();
            let (weight, bias) = (values.take(channels), values.take(channels));
            let gradient = values.take(norm.out_len());
            let operands = [&input[..], &weight, &bias, &gradient];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
            each_width(|| {
                let found = fast(&norm, operands);
                let expected = plain(&norm, operands, &found);
                let count = norm.count();
                assert_close("mean", &found.mean, &expected.mean, 1);
                assert_close("variance", &found.variance, &expected.variance, 1);
                assert_close("output", &found.output, &expected.output, 9);
                assert_close("weight gradient", &found.weight, &expected.weight, count);
                assert_close("bias gradient", &found.bias, &expected.bias, count);
                assert_close("input gradient", &found.input, &expected.input, 9);
                let two = pool.install(|| fast(&BatchNorm { threads: 2, ..norm }, operands));
                assert!(two.output == found.output && two.input == found.input && two.places == found.places);
                assert!(two.weight == found.weight && two.bias == found.bias);
            });
        }
    }

    #[test]
    fn nan_spoils_its_channel_only() {
        let norm = BatchNorm {
            batch: 2,
            size: [4, 4],
            channels: 3,
            relu: true,
            pool: true,
            epsilon: 1e-5,
            threads: 1,
        };
        let mut values = Values::normal(5);
        let mut input = values.take(96);
        input[1] = f32::INFINITY;
        let (one, gradient) = (vec![1.0; 3], values.take(norm.out_len()));
        each_width(|| {
            let found = fast(&norm, [&input, &one, &one, &gradient]);
            for (index, value) in found.output.iter().chain(&found.input).enumerate() {
                assert_eq!(value.is_nan(), index % 3 == 1);
            }
        });
    }
}
