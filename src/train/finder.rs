//! Layer range tests: the loss of each batch while rates are ramped.

use super::{Moved, Place, RunStatus, TrainingRun};
use crate::ops;

impl TrainingRun<'_> {
    /// Trains for `steps` steps without validating and gives the loss of each batch before its step,
    /// in nats; fewer where the run diverged or was told to stop. The run's rule and schedule apply,
    /// the latter as if the run had `steps` steps. The run's progress is not booked: it is of no use
    /// afterwards.
    ///
    /// # Panics
    /// If the run has ended before.
    pub fn losses(mut self, steps: u64) -> Vec<f64> {
        assert_eq!(self.progress.status, RunStatus::Running, "the run has ended");
        let per_epoch = self.batches.batches() as u64;
        let (order, augmentation) = (self.settings.order, self.settings.augmentation);
        let mut losses = Vec::new();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for epoch in 0.. {
            self.batches.start_epoch(order, augmentation, self.settings.seed, epoch);
            while self.batches.next_into(&mut pixels, &mut labels).is_some() {
                let step = losses.len() as u64;
                if step == steps || self.inputs.stop.load(std::sync::atomic::Ordering::Relaxed) {
                    return losses;
                }
                let factor = self.settings.schedule.factor(step, steps);
                let place = Place { step, total: steps, per_epoch, factor };
                let batch = super::on_device(std::mem::take(&mut pixels), self.inputs.device);
                let Moved { loss, is_broken, .. } = self.step(place, batch.clone(), &labels);
                pixels = ops::reclaim(batch);
                let loss = f64::from(loss.into_scalar::<f32>());
                if is_broken || !loss.is_finite() {
                    return losses;
                }
                losses.push(loss);
            }
        }
        losses
    }
}
