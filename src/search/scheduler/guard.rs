//! What every scheduler can rely on.

use std::collections::BTreeSet;

use super::{Context, Decision, Report, Resumption, Scheduler, Verdict};
use crate::search::space::Configuration;

/// Keeps from a scheduler what comes after a trial's end: a report that was under way when the trial
/// was given up is told to stop and changes nothing; a second end is no end.
pub(super) struct Guard {
    inner: Box<dyn Scheduler>,
    ended: BTreeSet<u64>,
}

impl Guard {
    pub(super) fn new(inner: Box<dyn Scheduler>) -> Self {
        Self { inner, ended: BTreeSet::new() }
    }
}

impl Scheduler for Guard {
    fn start(&mut self, context: Context, trial: u64, at: &Configuration) {
        self.inner.start(context, trial, at);
    }

    fn report(&mut self, context: Context, report: &Report) -> Decision {
        if self.ended.contains(&report.trial) {
            return Decision { verdict: Verdict::Stop, ..Decision::CONTINUE };
        }
        self.inner.report(context, report)
    }

    fn end(&mut self, context: Context, trial: u64) {
        if self.ended.insert(trial) {
            self.inner.end(context, trial);
        }
    }

    fn resume(&mut self, context: Context) -> Option<Resumption> {
        self.inner.resume(context)
    }

    fn capacity(&self) -> Option<u64> {
        self.inner.capacity()
    }

    fn depends_on_arrival(&self) -> bool {
        self.inner.depends_on_arrival()
    }
}
