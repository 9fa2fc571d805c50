//! A rule at work in a training run: from tensors to the slices that rules see, and back.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::optimizer::Optimizer;
use crate::net::{Layer, Parameters, host, vector};
use crate::rates::rule::{LayerView, Rule, RuleKind, RuleMemory, StepView};
use crate::rates::{RateLog, RatesError, Replay};

/// Which rule changes the rates during a run.
#[derive(Clone, Debug)]
pub enum RuleChoice {
    /// One of [`crate::rates::RULES`] with one number a coefficient.
    Rule {
        /// The rule.
        kind: &'static dyn RuleKind,
        /// Its coefficients.
        values: Vec<f64>,
    },
    /// The rates that a rule realised in another run.
    Replay(Arc<RateLog>),
}

impl RuleChoice {
    /// The rule at its start.
    ///
    /// # Errors
    /// When a coefficient makes no sense, or the log is of other layers.
    pub fn start(&self, layers: &[Layer]) -> Result<Box<dyn Rule>, RatesError> {
        match self {
            Self::Rule { kind, values } => kind.start(layers, values),
            Self::Replay(log) => {
                let names = layers.iter().map(|layer| &layer.name);
                if !log.layers().iter().eq(names) {
                    let reason = format!("they are of the layers {}", log.layers().join(", "));
                    return Err(RatesError::Log { reason });
                }
                Ok(Box::new(Replay(Arc::clone(log))))
            }
        }
    }

    /// Name, for the record.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rule { kind, .. } => kind.name(),
            Self::Replay(_) => "replay",
        }
    }
}

/// Where in the run a step stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// From 0.
    pub step: u64,
    pub total: u64,
    pub per_epoch: u64,
    /// The schedule's.
    pub factor: f64,
}

/// A rule with what it needs at hand.
#[derive(Debug)]
pub(super) struct Ruled {
    rule: Box<dyn Rule>,
}

impl Ruled {
    pub fn start(choice: &RuleChoice, layers: &[Layer]) -> Result<Self, RatesError> {
        Ok(Self { rule: choice.start(layers)? })
    }

    pub fn memory(&self) -> RuleMemory {
        self.rule.memory()
    }

    pub fn restore(&mut self, memory: &RuleMemory) -> bool {
        self.rule.restore(memory)
    }

    /// One step. Gives the rate that each layer moved by, or none if the rule broke; then nothing
    /// moved. `curvature` is asked for only where the rule wants it.
    pub fn step(
        &mut self,
        place: Place,
        parameters: &mut Parameters,
        optimizer: &mut Optimizer,
        gradients: Vec<Option<Tensor<1>>>,
        curvature: impl FnOnce(&Parameters) -> Vec<f64>,
    ) -> Option<Vec<f64>> {
        let scheduled = optimizer.scheduled(place.factor);
        let unruled = optimizer.applied(&scheduled, place.factor);
        let looks = self.rule.looks_at(place.step);
        let count = parameters.layers.len();
        let curvature = match self.rule.curvature_every() {
            Some(every) if place.step.is_multiple_of(every) => {
                curvature(parameters).into_iter().map(Some).collect()
            }
            _ => vec![None; count],
        };
        let empty = || vec![Vec::new(); count];
        let values = |parameters: &Parameters| {
            of_layers(parameters, parameters.trained.iter().map(|p| Some(&p.value)))
        };
        let weights = if looks { values(parameters) } else { empty() };
        let gradient = if looks {
            of_layers(parameters, gradients.iter().map(Option::as_ref))
        } else {
            empty()
        };
        let mut open = Some(gradients);
        let directed = open.take_if(|_| self.rule.wants_direction());
        let directions =
            directed.map(|gradients| optimizer.directions(parameters, gradients, &unruled));
        let direction = match &directions {
            Some(all) => of_layers(parameters, all.iter().map(Option::as_ref)),
            None => empty(),
        };
        let views: Vec<_> = (0..count)
            .map(|layer| LayerView {
                weights: &weights[layer],
                gradient: &gradient[layer],
                direction: &direction[layer],
                curvature: curvature[layer],
            })
            .collect();
        let decay: Vec<_> = unruled.iter().map(|applied| applied.decay).collect();
        let rates = self.rule.rates(&StepView {
            step: place.step,
            total: place.total,
            per_epoch: place.per_epoch,
            factor: place.factor,
            base: optimizer.rates(),
            decay: &decay,
            layers: &views,
        });
        if rates.len() != count || rates.iter().any(|rate| !(rate.is_finite() && *rate >= 0.0)) {
            return None;
        }
        match (directions, open) {
            (Some(directions), _) => optimizer.follow(parameters, directions, &rates),
            (None, gradients) => {
                let applied = optimizer.applied(&rates, place.factor);
                optimizer.step(parameters, gradients.unwrap_or_default(), &applied);
            }
        }
        if self.rule.wants_direction() || self.rule.averages() {
            let mut after = values(parameters);
            for layer in 0..count {
                if self.rule.correct(layer, &weights[layer], &mut after[layer], rates[layer]) {
                    put(parameters, layer, &after[layer]);
                }
            }
            if self.rule.averages() {
                let after: Vec<_> = after.iter().map(Vec::as_slice).collect();
                self.rule.moved(&after);
            }
        }
        Some(rates)
    }

    /// The parameters to validate and test: averaged ones, if the rule keeps some.
    pub fn averaged(&self, parameters: &Parameters) -> Option<Parameters> {
        let averaged = self.rule.averaged()?;
        let mut copy = parameters.clone();
        for (layer, values) in averaged.iter().enumerate() {
            put(&mut copy, layer, values);
        }
        Some(copy)
    }
}

/// Each layer's vector: weight, then bias; zeros where a tensor is missing.
fn of_layers<'t>(
    parameters: &Parameters,
    tensors: impl IntoIterator<Item = Option<&'t Tensor<1>>>,
) -> Vec<Vec<f32>> {
    let mut layers = vec![Vec::new(); parameters.layers.len()];
    for (parameter, tensor) in parameters.trained.iter().zip(tensors) {
        let vector: &mut Vec<f32> = &mut layers[parameter.layer];
        match tensor {
            Some(tensor) => vector.extend(host(tensor)),
            None => vector.resize(vector.len() + parameter.value.dims()[0], 0.0),
        }
    }
    layers
}

/// Sets the parameters of a layer from its vector.
fn put(parameters: &mut Parameters, layer: usize, values: &[f32]) {
    let mut rest = values;
    let device = parameters.device.clone();
    for parameter in parameters.trained.iter_mut().filter(|p| p.layer == layer) {
        let (own, others) = rest.split_at(parameter.value.dims()[0].min(rest.len()));
        parameter.value = vector(own.to_vec(), &device);
        rest = others;
    }
}
