//! Changes the best configuration so far in a few hyperparameters, important ones more often; now and
//! then draws from the whole space instead.
//!
//! In the manner of importance-guided search (GIF, arXiv:2606.10068): the budget of changes goes to
//! hyperparameters in proportion to their importance, and the fallback to the full space keeps a wrong
//! ranking from locking others out for good.

use rand::RngExt;

use super::order::{Order, Remembered};
use super::staged::incumbent;
use super::{Question, Sampler, SamplerError, SamplerOptions, random};
use crate::search::space::{Configuration, Space};

/// Share of the trials that are drawn from the whole space.
const FALLBACK: f64 = 0.2;

/// Hyperparameters that a trial changes on average.
const CHANGES: f64 = 2.0;

struct Proportional {
    order: Order,
    remembered: Remembered,
}

/// Builds the sampler; it can search every space.
pub(super) fn build(options: &SamplerOptions, _: &Space) -> Result<Box<dyn Sampler>, SamplerError> {
    let order = options.order.clone();
    Ok(Box::new(Proportional { order, remembered: Remembered::default() }))
}

impl Sampler for Proportional {
    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let space = question.space;
        let start = (space.points.len() as u64).max(1);
        let Some(index) = question.number.checked_sub(start) else {
            return Some(space.start());
        };
        if index < self.order.screening() {
            return Some(self.remembered.screen(&self.order, question, index));
        }
        let weights = &self.remembered.ranking(&self.order, question, start).weights;
        let mut draws = question.draws("proportional", "");
        let sum: f64 = weights.iter().sum();
        let falls_back = draws.random::<f64>() < FALLBACK;
        if falls_back || sum.is_nan() || sum <= 0.0 {
            return Some(random::configuration(question));
        }
        // One is sure to change, so that no trial is the same again.
        let mut at = draws.random::<f64>() * sum;
        let chosen = weights.iter().position(|weight| {
            at -= weight;
            at < 0.0
        });
        let base = incumbent(question, question.number);
        let more = (CHANGES - 1.0) / sum;
        Some(space.configure(|parameter, _| {
            let place = space.parameters.iter().position(|known| known.name == parameter.name);
            let weight = place.map_or(0.0, |place| weights[place]);
            let is_changed = draws.random::<f64>() < weight * more || place == chosen;
            let kept = base.get(&parameter.name).filter(|_| !is_changed);
            let kept = kept.filter(|value| parameter.distribution.contains(*value));
            kept.unwrap_or_else(|| random::draw(question, parameter))
        }))
    }
}
