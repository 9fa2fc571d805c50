//! What a run will cost, said before it begins.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use strata::cli::{self, Setup};
use strata::data::Split;
use strata::train::{EpochEnd, RunInputs, RunSettings, TrainingRun};

/// Steps that are timed.
const TIMED_STEPS: usize = 40;

/// Trainings and images of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Trainings in all.
    pub trainings: usize,
    /// Of these, known from before.
    pub done: usize,
    /// Images of a training, repeats counted.
    pub images: usize,
}

impl Cost {
    /// Images per second and worker, from a few steps.
    fn speed(setup: &Setup, settings: &RunSettings) -> anyhow::Result<f64> {
        let images = (TIMED_STEPS * settings.batch_size).min(setup.split.train.len());
        let split = Split {
            train: setup.split.train[..images].to_vec(),
            validation: setup.split.validation[..1].to_vec(),
        };
        let never = AtomicBool::new(false);
        let inputs = RunInputs { split: &split, ..setup.inputs(&never) };
        let settings = RunSettings { epochs: 2, ..settings.clone() };
        let mut run = TrainingRun::new(inputs, settings)?;
        // The first epoch warms up.
        let mut seconds = f64::NAN;
        for _ in 0..2 {
            let started = Instant::now();
            if matches!(run.epoch(), EpochEnd::Done(_)) {
                seconds = started.elapsed().as_secs_f64();
            }
        }
        Ok(images as f64 / seconds)
    }

    /// Says how much work is ahead and about how long it takes.
    ///
    /// # Errors
    /// When the settings do not fit the data.
    pub fn announce(self, what: &str, setup: &Setup, settings: &RunSettings) -> anyhow::Result<()> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let speed = match &pool {
            Ok(pool) => pool.install(|| Self::speed(setup, settings))?,
            Err(_) => Self::speed(setup, settings)?,
        };
        // Validation after each epoch is a forward pass, a third of a training step.
        let validated = settings.epochs as usize * setup.split.validation.len() / 3;
        let left = (self.trainings - self.done) * (self.images + validated);
        let seconds = left as f64 / (speed * setup.workers as f64);
        let done = match self.done {
            0 => String::new(),
            done => format!(" ({done} of them done before)"),
        };
        cli::say(format_args!(
            "{what}: {} trainings{done} of {} images, {:.1} M images in all; about {} at {speed:.0} \
             images/s on each of {} workers",
            self.trainings,
            self.images,
            (self.trainings * self.images) as f64 / 1e6,
            duration(seconds),
            setup.workers,
        ));
        Ok(())
    }
}

/// Seconds as people say them.
fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "an unknown time".to_owned(),
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_said_in_their_unit() {
        let said = [5.2, 100.0, 3_000.0, 7_200.0, f64::NAN].map(duration);
        assert_eq!(said, ["5 s", "2 min", "50 min", "2.0 h", "an unknown time"]);
    }
}
