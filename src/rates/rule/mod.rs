//! Rules: layer rates that are set during training, from weights, gradients and steps.
//!
//! A rule works on plain slices on the host, in f64, so that it gives the same rates on every
//! device and can be checked against a transcription of its paper. It always sets rates and never
//! scales gradients: under momentum and Adam the two differ.
//!
//! To add a rule, write one file here and add one line to [`RULES`].

mod curvature;
mod freezeout;
mod hypergradient;
mod l_dog;
mod lamb;
mod lars;
mod layca;
mod temp_balance;
pub(crate) mod vector;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

use super::{Coefficient, RatesError, Scale};
use crate::net::Layer;

/// A layer as a rule sees it before a step. A layer's vector is all its parameters, its weight and
/// then its bias, since one rate moves them all.
#[derive(Clone, Copy, Debug)]
pub struct LayerView<'a> {
    /// Parameters before the step.
    pub weights: &'a [f32],
    /// Gradient of the loss, without decay; as long as `weights`.
    pub gradient: &'a [f32],
    /// By how much the optimiser would move the parameters per unit of rate, downhill, decay
    /// included: the step is `−rate · direction`. Empty unless [`Rule::wants_direction`].
    pub direction: &'a [f32],
    /// gᵀHg of this layer alone on the batch of the step. None unless [`Rule::curvature_every`] says
    /// that this step has it.
    pub curvature: Option<f64>,
}

/// All that a rule sees of a step.
#[derive(Clone, Copy, Debug)]
pub struct StepView<'a> {
    /// Number of the step, from 0.
    pub step: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Steps of an epoch.
    pub per_epoch: u64,
    /// What the schedule multiplies all rates by in this step.
    pub factor: f64,
    /// Rate of each layer before rule and schedule.
    pub base: &'a [f64],
    /// Weight decay λ of each layer.
    pub decay: &'a [f64],
    /// The layers from input to output.
    pub layers: &'a [LayerView<'a>],
}

/// What a rule remembers, for checkpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleMemory {
    /// Numbers, in an order of the rule's own; kept to the last bit.
    pub numbers: Vec<f64>,
    /// Vectors, each as long as its layer, in an order of the rule's own.
    pub vectors: Vec<Vec<f32>>,
}

/// A rule at work in one run.
pub trait Rule: Debug + Send {
    /// The rate that each layer moves by in this step, the schedule's factor included; 0 leaves a
    /// layer as it is. A number that is not finite or is negative ends the run as diverged.
    ///
    /// Called once a step, in order, before the optimiser moves.
    fn rates(&mut self, step: &StepView) -> Vec<f64>;

    /// Whether [`LayerView::direction`] is looked at.
    fn wants_direction(&self) -> bool {
        false
    }

    /// Whether weights and gradients are looked at in step `step`; without, a step costs nothing, and
    /// [`StepView::layers`] may be empty.
    fn looks_at(&self, step: u64) -> bool {
        let _ = step;
        true
    }

    /// Steps between two looks at [`LayerView::curvature`], which costs two gradients a layer.
    fn curvature_every(&self) -> Option<u64> {
        None
    }

    /// Changes what the optimiser made of a layer: `before` and `after` the step at `rate`. Gives
    /// whether it changed `after`.
    fn correct(&mut self, layer: usize, before: &[f32], after: &mut [f32], rate: f64) -> bool {
        let _ = (layer, before, after, rate);
        false
    }

    /// Called after each step with all layers' parameters, if it returns true from
    /// [`Self::averages`].
    fn moved(&mut self, weights: &[&[f32]]) {
        let _ = weights;
    }

    /// Whether the rule keeps averaged parameters, which are then the ones to validate and test.
    fn averages(&self) -> bool {
        false
    }

    /// The averaged parameters of each layer, if it keeps some.
    fn averaged(&self) -> Option<&[Vec<f32>]> {
        None
    }

    /// All that [`Self::restore`] needs.
    fn memory(&self) -> RuleMemory;

    /// Goes on from a memory of the same rule and net; false if it does not fit.
    #[must_use]
    fn restore(&mut self, memory: &RuleMemory) -> bool;
}

/// A kind of rule: its name, what can be set of it, and how it starts.
pub trait RuleKind: Debug + Sync {
    /// Name, as `--rule` takes it.
    fn name(&self) -> &'static str;

    /// What can be searched, with default boxes. The first is always the overall `rate`, in the
    /// rule's own measure; the others have their usual value as `neutral`.
    fn coefficients(&self, layers: &[Layer]) -> Vec<Coefficient>;

    /// Whether its `rate` is measured as the optimiser's own, so that both are searched in one box.
    fn has_plain_rate(&self) -> bool {
        false
    }

    /// A rule for a net of `layers`; `values` has one finite number a coefficient, in their order.
    /// (The rate comes with each step, as [`StepView::base`].)
    ///
    /// # Errors
    /// When a coefficient makes no sense.
    fn start(&self, layers: &[Layer], values: &[f64]) -> Result<Box<dyn Rule>, RatesError>;
}

/// Every rule.
pub const RULES: &[&dyn RuleKind] = &[
    &lars::Lars,
    &lamb::Lamb,
    &hypergradient::Hypergradient,
    &l_dog::LDog,
    &curvature::Curvature,
    &layca::Layca,
    &freezeout::FreezeOut,
    &temp_balance::TempBalance,
];

/// The rule called `name`.
///
/// # Errors
/// When there is none; the message lists those that there are.
pub fn rule(name: &str) -> Result<&'static dyn RuleKind, RatesError> {
    let found = RULES.iter().find(|rule| rule.name() == name);
    found.copied().ok_or_else(|| RatesError::UnknownRule {
        name: name.to_owned(),
        known: RULES.iter().map(|rule| rule.name()).collect(),
    })
}

/// The overall rate of a rule that takes it in the measure of plain SGD.
fn overall_rate() -> Coefficient {
    Coefficient { name: "rate".into(), low: 1e-3, high: 1.0, scale: Scale::Log, neutral: 0.01 }
}

/// The coefficient at `index`; NaN, which no rule takes, where there is none.
fn value(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(f64::NAN)
}

/// The error of a coefficient that is not as `wanted`.
fn refused(
    kind: &dyn RuleKind,
    layers: &[Layer],
    index: usize,
    value: f64,
    wanted: &'static str,
) -> RatesError {
    let name = kind.coefficients(layers).swap_remove(index).name;
    RatesError::InvalidCoefficient { scheme: kind.name(), name, value, wanted }
}

/// The coefficient at `index`, which may not be negative.
fn non_negative(
    kind: &dyn RuleKind,
    layers: &[Layer],
    values: &[f64],
    index: usize,
) -> Result<f64, RatesError> {
    let value = value(values, index);
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(refused(kind, layers, index, value, "zero or positive and finite"))
}
