//! The probes of how gradients spread: over images, and over the neighbourhood of the weights.

use rand::RngExt;

use super::gradient::RELATIVE_STEP;
use super::interval::{self, percentiles};
use super::noise::{Draw, Noise};
use super::rows::Rows;
use super::{CHUNKS, Drawn, bench, trace, vector};
use crate::random::{Purpose, stream};
use crate::train::{TrainError, TrainingRun};

/// Draws for the noise scale.
const DRAWS: usize = 10;

impl TrainingRun<'_> {
    pub(super) fn probe_noise(&self, rows: &mut Rows) -> Result<u64, TrainError> {
        let train = &self.inputs.split.train;
        let size = self.settings.batch_size;
        let layers = self.parameters.layers.len();
        // Of each draw: of each layer, and then of all.
        let mut draws: Vec<Vec<Draw>> = Vec::new();
        let mut images = 0;
        for index in 0..DRAWS {
            let mut random = stream(self.probe_seed(Drawn::Noise), Purpose::Probe, index as u64);
            let indices: Vec<u32> =
                (0..CHUNKS * size).map(|_| train[random.random_range(0..train.len())]).collect();
            let mut bench = self.bench(self.chunks(&indices, size)?);
            let batches = bench.gradients(&[], 0.0);
            images += bench.cost();
            let mean = bench::mean(batches.iter().map(|batch| batch.layers.as_slice()));
            let mut draw: Vec<Draw> = (0..layers)
                .map(|layer| {
                    let small = batches.iter().map(|batch| squared(&batch.layers[layer]));
                    Draw { small: small.sum::<f64>() / CHUNKS as f64, large: squared(&mean[layer]) }
                })
                .collect();
            draw.push(Draw {
                small: draw.iter().map(|draw| draw.small).sum(),
                large: draw.iter().map(|draw| draw.large).sum(),
            });
            draws.push(draw);
        }
        let (b, large) = (size as f64, (CHUNKS * size) as f64);
        let resamples = self.resamples(DRAWS);
        // The last is of all layers together.
        for layer in (0..layers).chain([layers]) {
            let estimate = |units: &[usize]| {
                Noise::estimate(units.iter().map(|&unit| draws[unit][layer]), b, large)
            };
            let all: Vec<usize> = (0..DRAWS).collect();
            let noise = estimate(&all);
            let resampled = resamples.map(estimate);
            let interval = |of: fn(&Noise) -> Option<f64>| percentiles(resampled.iter().map(of));
            let at = (layer < layers).then_some(layer);
            rows.add("noise_gradient", at, size, noise.gradient, interval(|n| Some(n.gradient)));
            rows.add("noise_trace", at, size, noise.trace, interval(|n| Some(n.trace)));
            rows.add("noise_scale", at, size, noise.scale(), interval(|n| n.scale()));
        }
        Ok(images)
    }

    pub(super) fn probe_traces(&self, rows: &mut Rows) -> Result<u64, TrainError> {
        let mut bench = self.bench(self.probe_batch()?);
        let weights = self.weights();
        for (probe, step) in
            [("hessian_trace", RELATIVE_STEP), ("hessian_trace_coarse", 2.0 * RELATIVE_STEP)]
        {
            let samples: Vec<Vec<f64>> = (0..trace::VECTORS)
                .map(|index| {
                    let seed = self.probe_seed(Drawn::Vectors);
                    let mut random = stream(seed, Purpose::Probe, index);
                    trace::traces(&weights, step, &mut random, |vector, step| {
                        let directions = vector.iter().map(Vec::as_slice).enumerate();
                        bench.gradient(&directions.collect::<Vec<_>>(), step)
                    })
                })
                .collect();
            for layer in 0..weights.len() {
                let of_layer: Vec<f64> = samples.iter().map(|sample| sample[layer]).collect();
                let (mean, interval) = interval::mean(&of_layer);
                rows.add(probe, layer, "", mean, interval);
            }
            let whole: Vec<f64> = samples.iter().map(|sample| sample.iter().sum()).collect();
            let (mean, interval) = interval::mean(&whole);
            rows.add(probe, None, "", mean, interval);
        }
        Ok(bench.cost())
    }
}

fn squared<A: Copy + Into<f64>>(vector: &[A]) -> f64 {
    vector::dot(vector, vector)
}
