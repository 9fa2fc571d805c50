//! Probes: diagnostics of each layer that cost extra gradients.
//!
//! They look at the run between its epochs, on fixed images drawn from its training images
//! ([`Purpose::Probe`]), unaugmented and without weight decay, and leave the run as it was but for
//! the bill: [`super::Progress::probe_images`]. Each has its numbers in plain slices (`noise`,
//! `trace`, `headroom`) apart from the gradients that Burn computes (`bench`, `gradient`).
//!
//! A layer is all its parameters, weight and bias, since one rate moves them.

mod ahead;
mod bench;
mod gradient;
mod headroom;
mod interval;
mod noise;
mod rows;
mod spread;
#[cfg(test)]
mod tests;
mod trace;
mod undone;
mod vector;

use std::time::Instant;

use clap::ValueEnum;
use rand::seq::SliceRandom;

use super::{TrainError, TrainingRun};
use crate::net::host;
use crate::random::{Purpose, derived_seed, stream};
use bench::{Bench, Chunk, chunks};
use gradient::by_layer;
pub use gradient::{LayerGradients, curvature_along_gradient, layer_gradients};
use interval::{Interval, Resamples};
use rows::Rows;
pub use rows::{ProbeKind, ProbeRow};

/// Chunks of the probe batch, and batches of one draw for the noise scale: B = 8b.
const CHUNKS: usize = 8;
/// Least number of images in a chunk of the probe batch.
const CHUNK: usize = 64;

/// What is drawn for probes; the numbers are part of every recorded result.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum Drawn {
    Batch = 0,
    Noise = 1,
    Vectors = 2,
    Weights = 3,
    Resamples = 4,
}

impl TrainingRun<'_> {
    /// Measures at the present weights, each of `kinds` once, in the order of [`ProbeKind`]; between
    /// epochs or before the first. The work is added to [`super::Progress::probe_images`]: an image
    /// for each image's gradient, a third for each forward pass. Nothing else of the run changes.
    ///
    /// Figures are by layer, or of all layers together where the row names none:
    ///
    /// - `noise_gradient`, `noise_trace`, `noise_scale` (`other`: the batch size b): |G|², S and
    ///   S/|G|² of McCandlish et al., from ten draws, with replacement, of eight batches of the run's
    ///   size. The scale has no value where the estimate of |G|² is not positive, and no upper end
    ///   where its interval has none.
    /// - `hessian_trace`: tr H_ll, by Hutchinson's estimate from eight vectors; all layers together
    ///   are tr H. `hessian_trace_coarse`: the same vectors with differences twice as wide. Where
    ///   the two differ by more than their intervals allow, the loss is no parabola at this scale.
    /// - `slope`, `curvature` (`other`: the second layer), `best_scale`, `best_global_scale`,
    ///   `headroom`, `definiteness`: of the loss's parabola along the next steps u_l, where u_l is
    ///   minus the gradient on the probe batch times the layer's rate in the next step (biases by
    ///   their own factor), without momentum and decay. `curvature` has its two measurements, along either layer, as `low` and `high`;
    ///   `definiteness` is the least eigenvalue of the curvatures scaled to a unit diagonal, plus and
    ///   minus the error of measurement. Best scales and headroom have a value only where that is
    ///   above its error. The other intervals are bootstraps over the eight chunks of the probe
    ///   batch, with the directions held fixed. Of a rule, the rates are those of its last step;
    ///   before its first step there are none, and no rows.
    /// - `slice` (`other`: the multiplier s): the loss on the probe batch at w + s·u_l, exact for
    ///   that batch; at s = 0, the loss where the run stands. All layers together move by Σu_l.
    /// - `reinitialised`, `rerandomised`: the accuracy on the validation images when the layer goes
    ///   back to its own first weights, or to newly drawn ones (Zhang, Bengio & Singer, "Are all
    ///   layers created equal?", JMLR 2022), with Wilson's interval; batch norms keep their running
    ///   statistics. The row without a layer is the net as it is.
    /// - `cost` (`other`: the kind of probe): the bill, in images.
    ///
    /// The probe batch has eight chunks of the run's batch size, but of at least 64 images; batch
    /// norms go by the statistics of a chunk, as in training.
    ///
    /// # Errors
    /// When the data do not fit, which a run that could start excludes. Weights that are no numbers
    /// give rows without values.
    pub fn probe(&mut self, kinds: &[ProbeKind]) -> Result<Vec<ProbeRow>, TrainError> {
        let started = Instant::now();
        let names = self.parameters.layer_names();
        let mut rows = Rows::new(self.progress.steps, &names);
        let mut images = 0;
        for kind in ProbeKind::value_variants().iter().filter(|kind| kinds.contains(kind)) {
            let cost = match kind {
                ProbeKind::NoiseScale => self.probe_noise(&mut rows)?,
                ProbeKind::HessianTrace => self.probe_traces(&mut rows)?,
                ProbeKind::Headroom => self.probe_headroom(&mut rows)?,
                ProbeKind::LossSlices => self.probe_slices(&mut rows)?,
                ProbeKind::Robustness => self.probe_robustness(&mut rows)?,
            };
            rows.add("cost", None, kind.name(), cost as f64, Interval::default());
            images += cost;
        }
        let rows = rows.rows;
        self.progress.probe_images += images;
        self.progress.seconds += started.elapsed().as_secs_f64();
        Ok(rows)
    }

    /// [`Self::probe`] of [`ProbeKind::Robustness`]: which layers the trained net needs as they are.
    ///
    /// # Errors
    /// As there.
    pub fn robustness(&mut self) -> Result<Vec<ProbeRow>, TrainError> {
        self.probe(&[ProbeKind::Robustness])
    }

    /// Seed of what is drawn for one purpose of probes: the same at every step of the run.
    fn probe_seed(&self, drawn: Drawn) -> u64 {
        derived_seed(self.settings.seed, Purpose::Probe, drawn as u64)
    }

    fn resamples(&self, units: usize) -> Resamples {
        let seed = self.probe_seed(Drawn::Resamples);
        Resamples::draw(units, &mut stream(seed, Purpose::Probe, units as u64))
    }

    fn bench(&self, chunks: Vec<Chunk>) -> Bench<'_> {
        Bench::new(self.inputs.net, &self.parameters, chunks)
    }

    fn chunks(&self, indices: &[u32], size: usize) -> Result<Vec<Chunk>, TrainError> {
        Ok(chunks(&self.inputs.dataset.train, indices, size, self.inputs.device)?)
    }

    /// The fixed images of the run that probes but for the noise scale look at.
    fn probe_batch(&self) -> Result<Vec<Chunk>, TrainError> {
        let mut indices = self.inputs.split.train.clone();
        indices.shuffle(&mut stream(self.probe_seed(Drawn::Batch), Purpose::Probe, 0));
        let size = self.settings.batch_size.max(CHUNK).min(indices.len());
        indices.truncate(CHUNKS * size);
        self.chunks(&indices, size)
    }

    /// The present weights by layer.
    fn weights(&self) -> Vec<Vec<f32>> {
        by_layer(&self.parameters, self.parameters.trained.iter().map(|p| host(&p.value)))
    }
}
