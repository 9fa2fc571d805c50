//! Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter
//! Tuning", MLSys 2020), as Ray Tune decides, as Optuna decides, and as the paper says.
//!
//! | mode | at a rung | what survives |
//! |---|---|---|
//! | `ray` | stops what is worse than a quantile of those that came before | the first arrival always, then too many: a trial that looked good early is never looked at again at that rung |
//! | `optuna` | stops what is not among the best 1/η, itself included | the best so far always |
//! | `promotion` | pauses; goes on once among the best ⌊n/η⌋ | exactly ⌊n/η⌋, whatever the order |

mod optuna;
mod promotion;
mod ray;
mod rungs;

pub(super) use optuna::Halving;
pub(super) use rungs::quantile;

use super::{AshaMode, Scheduler, SchedulerError, SchedulerOptions};

pub(super) fn build(options: &SchedulerOptions) -> Result<Box<dyn Scheduler>, SchedulerError> {
    Ok(match options.mode {
        AshaMode::Ray => Box::new(ray::Ray::new(options)?),
        AshaMode::Optuna => Box::new(optuna::Optuna::new(options)),
        AshaMode::Promotion => Box::new(promotion::Promotion::new(options)),
    })
}
