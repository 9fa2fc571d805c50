//! One training run: epochs of steps under given layer rates, with validation after each epoch.
//!
//! The caller drives: [`TrainingRun::epoch`] runs one epoch and reports, so a caller can record,
//! checkpoint, pause or stop between epochs. Everything random comes from the run's own seed, so a
//! run gives the same numbers alone, beside others, and after a resume.

mod checkpoint;
mod diagnostics;
mod error;
mod evaluation;
mod finder;
mod optimizer;
mod probe;
mod ruled;
mod schedule;
mod start;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::data::{Augmentation, Batches, Dataset, IMAGE, Images, Order, Split};
use crate::device::ComputeDevice;
use crate::net::{Architecture, HostTensor, IMAGE_CHANNELS, IMAGE_EDGE, Parameters, Pass};
use crate::ops;
use crate::rates::LayerRates;

use checkpoint::Kept;
use diagnostics::Diagnostics;
pub use diagnostics::LayerRow;
pub use error::TrainError;
use evaluation::Tally;
pub use evaluation::{Evaluation, evaluate};
pub use optimizer::{Applied, DecayMode, Method, Optimizer, OptimizerSettings};
pub use probe::{LayerGradients, ProbeKind, ProbeRow, curvature_along_gradient, layer_gradients};
pub use ruled::RuleChoice;
use ruled::{Place, Ruled};
pub use schedule::Schedule;
pub use start::Start;

/// Steps between two rows of per-layer diagnostics, unless told otherwise: 50, and more for small
/// batches, whose steps are so short that looking at every 50th would slow a run down.
pub fn default_diagnostics_every(batch_size: usize) -> u64 {
    (3_200 / batch_size.max(1) as u64).max(50)
}

/// What a run does, apart from the data and the net.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// Passes over the training images.
    pub epochs: u64,
    /// Images a step.
    pub batch_size: usize,
    /// Optimiser without its rates.
    pub optimizer: OptimizerSettings,
    /// Factor on all rates by the step.
    pub schedule: Schedule,
    /// Rate of each layer.
    pub rates: LayerRates,
    /// What changes these rates during the run, if anything does.
    pub rule: Option<RuleChoice>,
    /// What is done to the initial weights.
    pub start: Start,
    /// Seed of initial weights, data order and augmentation.
    pub seed: u64,
    /// Order of the training images.
    pub order: Order,
    /// Augmentation of the training images.
    pub augmentation: Augmentation,
    /// Steps between two rows of per-layer diagnostics; none to leave them out.
    pub diagnostics_every: Option<u64>,
}

/// What a run works on; shared by all runs of a study.
#[derive(Clone, Copy, Debug)]
pub struct RunInputs<'a> {
    /// The images.
    pub dataset: &'a Dataset,
    /// Which of them train and which validate.
    pub split: &'a Split,
    /// The net.
    pub net: &'a dyn Architecture,
    /// Where it computes.
    pub device: &'a ComputeDevice,
    /// Raised when the run shall stop at its next step.
    pub stop: &'a AtomicBool,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Epochs are left.
    Running,
    /// All epochs are done.
    Complete,
    /// A loss turned NaN or infinite.
    Diverged,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// How the run stands.
    pub status: RunStatus,
    /// Epochs done.
    pub epochs: u64,
    /// Optimiser steps done.
    pub steps: u64,
    /// Images trained on, repeats counted.
    pub images_trained: u64,
    /// What probes cost, in images trained on.
    #[serde(default)]
    pub probe_images: u64,
    /// Wall-clock seconds spent.
    pub seconds: f64,
    /// Last validation.
    pub validation: Option<Evaluation>,
    /// Epoch and accuracy of the best validation so far.
    pub best: Option<(u64, f64)>,
}

/// What one epoch gave.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// Where the run stands after it.
    pub progress: Progress,
    /// Mean over the epoch's batches, each as it was before its step.
    pub train: Evaluation,
    /// On the validation images; none if the run diverged.
    pub validation: Option<Evaluation>,
    /// Per-layer diagnostics of the epoch.
    pub layers: Vec<LayerRow>,
    /// Whether this is the best validation accuracy so far.
    pub is_best: bool,
}

/// How a call of [`TrainingRun::epoch`] ended.
#[derive(Clone, Debug)]
pub enum EpochEnd {
    /// The epoch is done, or the run diverged in it.
    Done(Box<EpochReport>),
    /// The run was told to stop; the unfinished epoch counts for nothing.
    Stopped,
}

/// A run in progress.
#[derive(Debug)]
pub struct TrainingRun<'a> {
    inputs: RunInputs<'a>,
    settings: RunSettings,
    batches: Batches<'a>,
    parameters: Parameters,
    optimizer: Optimizer,
    rule: Option<Ruled>,
    /// Rates of the layers in the rule's last step.
    ruled_rates: Option<Vec<f64>>,
    initial: Vec<HostTensor>,
    diagnostics: Option<Diagnostics>,
    progress: Progress,
}

impl<'a> TrainingRun<'a> {
    /// A run from newly drawn weights.
    ///
    /// # Errors
    /// When the batch does not fit the data or the rates do not fit the net.
    pub fn new(inputs: RunInputs<'a>, settings: RunSettings) -> Result<Self, TrainError> {
        let RunInputs { dataset, split, net, device, .. } = inputs;
        let batches = Batches::new(&dataset.train, &split.train, settings.batch_size)?;
        let mut parameters = Parameters::initialise(net, settings.seed, &device.device);
        settings.start.apply(&mut parameters)?;
        let optimizer = Optimizer::new(settings.optimizer.clone(), &settings.rates, &parameters)?;
        let rule = settings.rule.as_ref();
        let rule = rule.map(|choice| Ruled::start(choice, &parameters.layers)).transpose()?;
        let progress = Progress {
            status: RunStatus::Running,
            epochs: 0,
            steps: 0,
            images_trained: 0,
            probe_images: 0,
            seconds: 0.0,
            validation: None,
            best: None,
        };
        let mut run = Self {
            inputs,
            settings,
            batches,
            parameters,
            optimizer,
            rule,
            ruled_rates: None,
            initial: Vec::new(),
            diagnostics: None,
            progress,
        };
        let initial = run.trained_on_host();
        run.start_diagnostics(initial);
        Ok(run)
    }

    /// Starts from the weights in a safetensors file instead.
    ///
    /// # Errors
    /// When the file does not fit the net.
    pub fn import_weights(&mut self, path: &Path) -> Result<(), TrainError> {
        crate::net::import_weights(&mut self.parameters, path)?;
        let initial = self.trained_on_host();
        self.start_diagnostics(initial);
        Ok(())
    }

    /// Goes on from a checkpoint that [`Self::save_checkpoint`] wrote under the same settings.
    ///
    /// # Errors
    /// When it is damaged or of another run.
    pub fn resume(&mut self, path: &Path) -> Result<(), TrainError> {
        let Kept { initial, gradients, progress } =
            checkpoint::load(path, &mut self.parameters, &mut self.optimizer, self.rule.as_mut())?;
        self.start_diagnostics(initial);
        if let Some((diagnostics, gradients)) = self.diagnostics.as_mut().zip(gradients) {
            diagnostics.restore(progress.steps, gradients);
        }
        self.progress = progress;
        Ok(())
    }

    /// Writes all that [`Self::resume`] needs, replacing the file in one step.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_checkpoint(&self, path: &Path) -> Result<(), TrainError> {
        let rule = self.rule.as_ref().map(Ruled::memory);
        let noted = self.diagnostics.as_ref().and_then(|it| it.noted(self.progress.steps));
        let kept = Kept {
            initial: self.initial.clone(),
            gradients: noted.map(<[_]>::to_vec),
            progress: self.progress.clone(),
        };
        checkpoint::save(path, &self.parameters, &self.optimizer, rule, &kept)
    }

    /// Writes the weights in PyTorch's layout: averaged ones, if the rule keeps some.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn export_weights(&self, path: &Path) -> Result<(), TrainError> {
        let averaged = self.averaged();
        Ok(crate::net::export_weights(averaged.as_ref().unwrap_or(&self.parameters), path)?)
    }

    fn averaged(&self) -> Option<Parameters> {
        self.rule.as_ref()?.averaged(&self.parameters)
    }

    /// Where the run stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Loss and accuracy on the test images: to be asked once, of the final model.
    pub fn test(&self) -> Evaluation {
        let test = &self.inputs.dataset.test;
        let all: Vec<u32> = (0..test.len() as u32).collect();
        self.evaluate(test, &all)
    }

    /// Runs one epoch and validates.
    ///
    /// # Panics
    /// If the run is not [`RunStatus::Running`].
    pub fn epoch(&mut self) -> EpochEnd {
        assert_eq!(self.progress.status, RunStatus::Running, "the run has ended");
        let started = Instant::now();
        let per_epoch = self.batches.batches() as u64;
        let total = self.settings.epochs * per_epoch;
        let RunSettings { order, augmentation, seed, .. } = self.settings;
        self.batches.start_epoch(order, augmentation, seed, self.progress.epochs);

        let mut tally = Tally::new(self.inputs.device.steps_between_reads());
        let mut layers = Vec::new();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        let mut step = self.progress.steps;
        let mut images = self.progress.images_trained;
        let mut broken = false;
        while let Some(size) = self.batches.next_into(&mut pixels, &mut labels) {
            if self.inputs.stop.load(Ordering::Relaxed) {
                return EpochEnd::Stopped;
            }
            let factor = self.settings.schedule.factor(step, total);
            step += 1;
            images += size as u64;
            let batch = on_device(std::mem::take(&mut pixels), self.inputs.device);
            let place = Place { step: step - 1, total, per_epoch, factor };
            let moved = self.step(place, batch.clone(), &labels);
            // The next batch goes where this one was: nothing is allocated for it.
            pixels = ops::reclaim(batch);
            let Moved { loss, logits, rows, is_broken } = moved;
            layers.extend(rows);
            labels = tally.add(loss, logits, labels);
            broken = is_broken || tally.is_broken();
            if broken {
                break;
            }
        }
        let train = tally.finish();
        self.progress.steps = step;
        self.progress.images_trained = images;
        let validation = (train.loss.is_finite() && !broken)
            .then(|| self.evaluate(&self.inputs.dataset.train, &self.inputs.split.validation));
        self.progress.seconds += started.elapsed().as_secs_f64();
        EpochEnd::Done(Box::new(self.report(train, validation, layers)))
    }

    /// Books an epoch and reports it.
    fn report(
        &mut self,
        train: Evaluation,
        validation: Option<Evaluation>,
        layers: Vec<LayerRow>,
    ) -> EpochReport {
        let validation = validation.filter(|validation| validation.loss.is_finite());
        let progress = &mut self.progress;
        let mut is_best = false;
        match validation {
            None => progress.status = RunStatus::Diverged,
            Some(Evaluation { accuracy, .. }) => {
                progress.epochs += 1;
                if progress.epochs == self.settings.epochs {
                    progress.status = RunStatus::Complete;
                }
                is_best = progress.best.is_none_or(|(_, best)| accuracy > best);
                if is_best {
                    progress.best = Some((progress.epochs, accuracy));
                }
            }
        }
        progress.validation = validation;
        EpochReport { progress: progress.clone(), train, validation, layers, is_best }
    }

    /// One optimiser step.
    fn step(&mut self, place: Place, images: Tensor<4>, labels: &[i64]) -> Moved {
        let net = self.inputs.net;
        let number = place.step + 1;
        let mut pass = Pass::training(&self.parameters);
        let logits = net.forward(&mut pass, images.clone().autodiff());
        let loss = ops::cross_entropy(logits.clone(), labels);
        let gradients = loss.backward();
        let statistics = pass.take_statistics();
        let gradients = pass.into_gradients(gradients);

        if let Some(diagnostics) = &mut self.diagnostics {
            let images = images.clone();
            diagnostics.before_step(number, &self.parameters, &gradients, || {
                let mut probe = Pass::probe(&self.parameters);
                net.forward(&mut probe, images);
                probe.into_dead_fractions()
            });
        }
        self.parameters.update_running(statistics);
        let rates = match &mut self.rule {
            None => {
                let rates = self.optimizer.scheduled(place.factor);
                let applied = self.optimizer.applied(&rates, place.factor);
                self.optimizer.step(&mut self.parameters, gradients, &applied);
                Some(rates)
            }
            Some(rule) => {
                let (parameters, optimizer) = (&mut self.parameters, &mut self.optimizer);
                let rates = rule.step(place, parameters, optimizer, gradients, |parameters| {
                    probe::curvature_along_gradient(net, parameters, images, labels)
                });
                self.ruled_rates.clone_from(&rates);
                rates
            }
        };
        let is_broken = rates.is_none();
        let rows = self.diagnostics.as_mut().zip(rates).map(|(diagnostics, rates)| {
            let applied = self.optimizer.applied(&rates, place.factor);
            diagnostics.after_step(number, &self.parameters, |layer| applied[layer])
        });
        let rows = rows.unwrap_or_default();
        Moved { loss: loss.inner(), logits: logits.inner(), rows, is_broken }
    }

    fn evaluate(&self, images: &Images, indices: &[u32]) -> Evaluation {
        let RunInputs { net, device, .. } = self.inputs;
        let averaged = self.averaged();
        evaluate(net, averaged.as_ref().unwrap_or(&self.parameters), images, indices, device)
    }

    fn trained_on_host(&self) -> Vec<HostTensor> {
        let mut tensors = self.parameters.to_host();
        tensors.truncate(self.parameters.trained.len());
        tensors
    }

    fn start_diagnostics(&mut self, initial: Vec<HostTensor>) {
        let every = self.settings.diagnostics_every;
        self.diagnostics = every.map(|every| Diagnostics::new(every, &initial));
        self.initial = initial;
    }
}

/// What a step did.
struct Moved {
    loss: Tensor<1>,
    logits: Tensor<2>,
    rows: Vec<LayerRow>,
    /// The rule gave rates that are no rates.
    is_broken: bool,
}

/// Images `[n, 3, 32, 32]` on the device, outside any graph.
fn on_device(pixels: Vec<f32>, device: &ComputeDevice) -> Tensor<4> {
    let shape = [pixels.len() / IMAGE, IMAGE_CHANNELS, IMAGE_EDGE, IMAGE_EDGE];
    Tensor::from_data(TensorData::new(pixels, shape), &device.device)
}
