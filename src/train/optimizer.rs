//! SGD and AdamW with a rate per layer.

use burn::tensor::Tensor;
use clap::ValueEnum;
use serde::Serialize;

use crate::net::Parameters;
use crate::ops::{AdamWStep, SgdStep};
use crate::rates::{LayerRates, RatesError};

/// Which optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Method {
    /// Stochastic gradient descent with momentum.
    #[default]
    Sgd,
    /// Adam with decoupled weight decay.
    AdamW,
}

impl Method {
    /// λ unless told otherwise: 5e-4 with SGD, as CIFAR recipes use; PyTorch's 1e-2 with AdamW.
    pub fn default_weight_decay(self) -> f64 {
        match self {
            Self::Sgd => 5e-4,
            Self::AdamW => 1e-2,
        }
    }
}

/// What a layer's rate does to its weight decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DecayMode {
    /// λ is the same in every layer, so that a layer with a higher rate decays faster (PyTorch's
    /// way).
    #[default]
    Coupled,
    /// Rate × λ is the same in every layer: λ_l = λ·η/η_l, with η the overall rate.
    RateDecayFixed,
}

/// Everything about an optimiser but its rates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OptimizerSettings {
    /// Which one.
    pub method: Method,
    /// μ of SGD.
    pub momentum: f64,
    /// Nesterov's look-ahead for SGD.
    pub nesterov: bool,
    /// λ.
    pub weight_decay: f64,
    /// How λ goes with the rates.
    pub decay_mode: DecayMode,
    /// β₁ and β₂ of AdamW.
    pub betas: (f64, f64),
    /// ε of AdamW.
    pub epsilon: f64,
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            method: Method::Sgd,
            momentum: 0.9,
            nesterov: false,
            weight_decay: Method::Sgd.default_weight_decay(),
            decay_mode: DecayMode::Coupled,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
        }
    }
}

/// What the optimiser remembers of one parameter; flat, like the parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// SGD's velocity.
    pub velocity: Option<Tensor<1>>,
    /// AdamW's first and second moments.
    pub moments: Option<(Tensor<1>, Tensor<1>)>,
}

/// Rate and weight decay of one layer in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Applied {
    /// Learning rate, schedule included.
    pub rate: f64,
    /// λ.
    pub decay: f64,
}

/// An optimiser at work.
#[derive(Clone, Debug)]
pub struct Optimizer {
    settings: OptimizerSettings,
    /// Unscheduled rate and decay of each layer.
    layers: Vec<Applied>,
    /// Layer of each parameter.
    owners: Vec<usize>,
    pub(super) memory: Vec<Memory>,
    pub(super) steps: u64,
}

impl Optimizer {
    /// An optimiser for `parameters` under `rates`.
    ///
    /// # Errors
    /// When a parameter belongs to no layer that has a rate.
    pub fn new(
        settings: OptimizerSettings,
        rates: &LayerRates,
        parameters: &Parameters,
    ) -> Result<Self, RatesError> {
        let owners = rates.assign(parameters.trained.iter().map(|p| p.spec.name.as_str()))?;
        let layers = rates
            .iter()
            .map(|(_, rate)| Applied {
                rate,
                decay: match settings.decay_mode {
                    DecayMode::Coupled => settings.weight_decay,
                    DecayMode::RateDecayFixed => settings.weight_decay * rates.base() / rate,
                },
            })
            .collect();
        let memory = vec![Memory::default(); owners.len()];
        Ok(Self { settings, layers, owners, memory, steps: 0 })
    }

    /// Rate and decay of `layer` when the schedule multiplies all rates by `factor`.
    pub fn applied(&self, layer: usize, factor: f64) -> Applied {
        let Applied { rate, decay } = self.layers[layer];
        Applied { rate: rate * factor, decay }
    }

    /// One step: moves each parameter by its layer's rate times `factor`.
    ///
    /// A parameter without gradient stays as it is.
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        gradients: Vec<Option<Tensor<1>>>,
        factor: f64,
    ) {
        self.steps += 1;
        for (index, gradient) in gradients.into_iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let Applied { rate, decay } = self.applied(self.owners[index], factor);
            let slot = &mut parameters.trained[index].value;
            // Taken out, so that the tensor has one owner and can be updated in place.
            let value = std::mem::replace(slot, Tensor::empty([0], &parameters.device));
            let memory = &mut self.memory[index];
            *slot = match self.settings.method {
                Method::Sgd => SgdStep {
                    rate,
                    weight_decay: decay,
                    momentum: self.settings.momentum,
                    nesterov: self.settings.nesterov,
                }
                .apply(value, gradient, &mut memory.velocity),
                Method::AdamW => AdamWStep {
                    rate,
                    weight_decay: decay,
                    betas: self.settings.betas,
                    epsilon: self.settings.epsilon,
                    step: self.steps,
                }
                .apply(value, gradient, &mut memory.moments),
            };
        }
    }
}
