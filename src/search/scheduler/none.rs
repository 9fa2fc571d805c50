//! No early stopping: every trial gets the full budget.

use super::{Context, Decision, Report, Scheduler, SchedulerError, SchedulerOptions};

struct FullBudget {
    max_t: u64,
}

pub(super) fn build(options: &SchedulerOptions) -> Result<Box<dyn Scheduler>, SchedulerError> {
    Ok(Box::new(FullBudget { max_t: options.max_t }))
}

impl Scheduler for FullBudget {
    fn report(&mut self, _: Context, report: &Report) -> Decision {
        Decision::unless_spent(report.step, self.max_t)
    }

    fn depends_on_arrival(&self) -> bool {
        false
    }
}
