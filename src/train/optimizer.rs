//! SGD and AdamW with a rate per layer.

use burn::tensor::Tensor;
use clap::ValueEnum;
use serde::Serialize;

use crate::net::{Parameters, Role};
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
    /// Every step shrinks the weights of every layer by η·λ of themselves, with η the overall rate
    /// before any schedule or rule: outside the gradient and so outside the momentum (Loshchilov &
    /// Hutter 2019, with a constant schedule multiplier).
    DecayFixed,
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
    /// Learning rate, schedule and rule included; 0 leaves the layer as it is.
    pub rate: f64,
    /// λ: a step shrinks the weights by rate · λ.
    pub decay: f64,
}

/// An optimiser at work.
#[derive(Clone, Debug)]
pub struct Optimizer {
    settings: OptimizerSettings,
    /// Rate of each layer before schedule and rule.
    rates: Vec<f64>,
    /// Overall rate.
    base: f64,
    bias_factor: f64,
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
        let memory = vec![Memory::default(); owners.len()];
        let (base, bias_factor) = (rates.base(), rates.bias_factor());
        let rates = rates.iter().map(|(_, rate)| rate).collect();
        Ok(Self { settings, rates, base, bias_factor, owners, memory, steps: 0 })
    }

    /// Rates of the layers before schedule and rule.
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// Rates by the schedule alone, for a step in which it multiplies all rates by `factor`.
    pub fn scheduled(&self, factor: f64) -> Vec<f64> {
        self.rates.iter().map(|rate| rate * factor).collect()
    }

    /// What a step does to each layer when its rate is that of `rates` and the schedule multiplies
    /// all rates by `factor`.
    pub fn applied(&self, rates: &[f64], factor: f64) -> Vec<Applied> {
        let decay = |rate: f64| match self.settings.decay_mode {
            _ if rate == 0.0 => 0.0,
            DecayMode::Coupled => self.settings.weight_decay,
            DecayMode::RateDecayFixed => self.settings.weight_decay * self.base * factor / rate,
            DecayMode::DecayFixed => self.settings.weight_decay * self.base / rate,
        };
        rates.iter().map(|&rate| Applied { rate, decay: decay(rate) }).collect()
    }

    /// One step: moves each parameter by its layer's rate.
    ///
    /// A parameter without gradient stays as it is, and so does a layer of rate 0.
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        gradients: Vec<Option<Tensor<1>>>,
        applied: &[Applied],
    ) {
        self.steps += 1;
        for (index, gradient) in gradients.into_iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let Applied { rate, decay } = applied[self.owners[index]];
            if rate == 0.0 {
                continue;
            }
            let is_bias = parameters.trained[index].spec.role == Role::Bias;
            let rate = if is_bias { rate * self.bias_factor } else { rate };
            let slot = &mut parameters.trained[index].value;
            // Taken out, so that the tensor has one owner and can be updated in place.
            let mut value = std::mem::replace(slot, Tensor::empty([0], &parameters.device));
            let mut weight_decay = decay;
            if self.settings.decay_mode == DecayMode::DecayFixed {
                value = value.mul_scalar(1.0 - self.base * self.settings.weight_decay);
                weight_decay = 0.0;
            }
            *slot = self.moved(index, value, gradient, rate, weight_decay);
        }
    }

    /// How far a step would move each parameter per unit of its layer's rate, downhill, and books
    /// the step: [`Self::follow`] makes it. Decay is that of the layers' rates before any rule; a
    /// fixed decay is no part of the direction.
    pub(super) fn directions(
        &mut self,
        parameters: &Parameters,
        gradients: Vec<Option<Tensor<1>>>,
        applied: &[Applied],
    ) -> Vec<Option<Tensor<1>>> {
        self.steps += 1;
        let direction = |(index, gradient): (usize, Option<Tensor<1>>)| {
            let gradient = gradient?;
            let value = &parameters.trained[index].value;
            let decay = value.clone().mul_scalar(applied[self.owners[index]].decay);
            let zero = value.zeros_like();
            let is_sgd = self.settings.method == Method::Sgd;
            let is_fixed = self.settings.decay_mode == DecayMode::DecayFixed;
            let decayed = if is_sgd && !is_fixed { gradient + decay.clone() } else { gradient };
            // From zero with rate −1 and no decay, a step ends at its own direction.
            let direction = self.moved(index, zero, decayed, -1.0, 0.0);
            Some(if is_sgd || is_fixed { direction } else { direction + decay })
        };
        gradients.into_iter().enumerate().map(direction).collect()
    }

    /// Moves each parameter along its direction by its layer's rate.
    pub(super) fn follow(
        &self,
        parameters: &mut Parameters,
        directions: Vec<Option<Tensor<1>>>,
        rates: &[f64],
    ) {
        for (index, direction) in directions.into_iter().enumerate() {
            let (Some(direction), rate) = (direction, rates[self.owners[index]]) else { continue };
            if rate == 0.0 {
                continue;
            }
            let is_bias = parameters.trained[index].spec.role == Role::Bias;
            let rate = if is_bias { rate * self.bias_factor } else { rate };
            let slot = &mut parameters.trained[index].value;
            let kept = match self.settings.decay_mode {
                DecayMode::DecayFixed => 1.0 - self.base * self.settings.weight_decay,
                _ => 1.0,
            };
            *slot = slot.clone().mul_scalar(kept) - direction.mul_scalar(rate);
        }
    }

    fn moved(
        &mut self,
        index: usize,
        value: Tensor<1>,
        gradient: Tensor<1>,
        rate: f64,
        weight_decay: f64,
    ) -> Tensor<1> {
        let memory = &mut self.memory[index];
        match self.settings.method {
            Method::Sgd => SgdStep {
                rate,
                weight_decay,
                momentum: self.settings.momentum,
                nesterov: self.settings.nesterov,
            }
            .apply(value, gradient, &mut memory.velocity),
            Method::AdamW => AdamWStep {
                rate,
                weight_decay,
                betas: self.settings.betas,
                epsilon: self.settings.epsilon,
                step: self.steps,
            }
            .apply(value, gradient, &mut memory.moments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NetOptions, build, host};

    /// How far one plain SGD step without a gradient shrinks each layer's first weight, and λ as it is
    /// recorded, by layer rates, a schedule's factor and a decay mode.
    fn shrunk(mode: DecayMode, factor: f64) -> Vec<(f64, f64)> {
        let net = build("mlp", &NetOptions::default()).unwrap();
        let device = crate::device::test_device();
        let mut parameters = Parameters::initialise(net.as_ref(), 1, &device);
        let rates = LayerRates::uniform(0.1, &net.layers()).unwrap();
        let rates = rates.with_overrides(&[("fc2".into(), 0.4)]).unwrap();
        let settings = OptimizerSettings {
            momentum: 0.0,
            weight_decay: 0.5,
            decay_mode: mode,
            ..OptimizerSettings::default()
        };
        let mut optimizer = Optimizer::new(settings, &rates, &parameters).unwrap();
        let first = |parameters: &Parameters| {
            [0, 2].map(|index| f64::from(host(&parameters.trained[index].value)[0]))
        };
        let before = first(&parameters);
        let gradients = parameters.trained.iter().map(|p| Some(p.value.zeros_like())).collect();
        let applied = optimizer.applied(&optimizer.scheduled(factor), factor);
        optimizer.step(&mut parameters, gradients, &applied);
        let after = first(&parameters);
        (0..2).map(|l| (1.0 - after[l] / before[l], applied[l].decay)).collect()
    }

    fn assert_close(found: &[(f64, f64)], wanted: [(f64, f64); 2]) {
        for ((shrunk, decay), (by, lambda)) in found.iter().zip(wanted) {
            assert!((shrunk - by).abs() < 1e-5 && (decay - lambda).abs() < 1e-12, "{found:?}");
        }
    }

    /// Rates .1 (the overall one) and .4, λ = .5, halved by the schedule.
    #[test]
    fn decay_modes_shrink_as_they_say() {
        assert_close(&shrunk(DecayMode::Coupled, 0.5), [(0.025, 0.5), (0.1, 0.5)]);
        assert_close(&shrunk(DecayMode::RateDecayFixed, 0.5), [(0.025, 0.5), (0.025, 0.125)]);
        assert_close(&shrunk(DecayMode::DecayFixed, 0.5), [(0.05, 1.0), (0.05, 0.25)]);
        assert_close(&shrunk(DecayMode::DecayFixed, 1.0), [(0.05, 0.5), (0.05, 0.125)]);
    }

    #[test]
    fn a_layer_of_rate_0_stays_and_biases_have_their_factor() {
        let net = build("mlp", &NetOptions::default()).unwrap();
        let device = crate::device::test_device();
        let start = Parameters::initialise(net.as_ref(), 1, &device);
        let rates = LayerRates::uniform(0.1, &net.layers()).unwrap();
        let rates = rates.with_bias_factor(3.0).unwrap().with_frozen(&["fc1".into()]).unwrap();
        let settings = OptimizerSettings { weight_decay: 0.0, ..OptimizerSettings::default() };
        let mut optimizer = Optimizer::new(settings, &rates, &start).unwrap();
        let mut parameters = start.clone();
        let gradients = start.trained.iter().map(|p| Some(p.value.ones_like())).collect();
        let applied = optimizer.applied(&optimizer.scheduled(1.0), 1.0);
        optimizer.step(&mut parameters, gradients, &applied);
        let moved = |index: usize| {
            host(&start.trained[index].value)[0] - host(&parameters.trained[index].value)[0]
        };
        assert_eq!((moved(0), moved(1)), (0.0, 0.0));
        assert!((moved(2) - 0.1).abs() < 1e-6 && (moved(3) - 0.3).abs() < 1e-6);
    }

    /// The step of rules that look at directions is the step of those that do not.
    #[test]
    fn following_directions_is_stepping() {
        let net = build("mlp", &NetOptions::default()).unwrap();
        let device = crate::device::test_device();
        let start = Parameters::initialise(net.as_ref(), 1, &device);
        let rates = LayerRates::uniform(0.1, &net.layers()).unwrap();
        for method in [Method::Sgd, Method::AdamW] {
            for decay_mode in [DecayMode::Coupled, DecayMode::DecayFixed] {
                let settings = OptimizerSettings { method, decay_mode, ..Default::default() };
                let mut one = Optimizer::new(settings, &rates, &start).unwrap();
                let mut other = one.clone();
                let (mut stepped, mut followed) = (start.clone(), start.clone());
                for _ in 0..3 {
                    let gradients =
                        || start.trained.iter().map(|p| Some(p.value.clone())).collect();
                    let applied = one.applied(&one.scheduled(1.0), 1.0);
                    one.step(&mut stepped, gradients(), &applied);
                    let directions = other.directions(&followed, gradients(), &applied);
                    other.follow(&mut followed, directions, &other.scheduled(1.0));
                }
                for (a, b) in stepped.to_host().iter().zip(followed.to_host()) {
                    for (a, b) in a.values.iter().zip(b.values) {
                        assert!((a - b).abs() < 1e-6, "{method:?} {decay_mode:?}: {a} {b}");
                    }
                }
            }
        }
    }
}
