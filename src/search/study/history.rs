//! What samplers are shown of a study.

use super::State;
use crate::search::trial::{Observation, TrialState};

impl State {
    /// Observations for the proposal of trial `number`: results of trials up to
    /// `number − parallel_asks`, all later ones as still running.
    pub(super) fn history(&self, number: u64) -> Vec<Observation> {
        let direction = self.options.direction;
        let observe = |trial: &super::StudyTrial| {
            let shown = trial.number + self.options.parallel_asks <= number;
            let mut observation = Observation {
                number: trial.number,
                state: TrialState::Running,
                configuration: trial.configuration.clone(),
                loss: None,
                last_step: 0,
            };
            if !shown {
                return observation;
            }
            let finite = |value: f64| Some(direction.loss(value)).filter(|loss| loss.is_finite());
            match trial.state {
                // A paused trial has shown what a stopped one would have.
                TrialState::Running if trial.paused.is_some() => {
                    observation.loss = trial.last.and_then(|(_, value)| finite(value));
                    observation.last_step = trial.progress.step;
                    if observation.loss.is_some() {
                        observation.state = TrialState::Pruned;
                    }
                }
                TrialState::Running => {}
                TrialState::Complete | TrialState::Pruned => {
                    observation.loss = trial.value.and_then(finite);
                    observation.last_step = trial.last.map_or(0, |(step, _)| step);
                    // Without a usable value there is nothing to rank it by.
                    observation.state = match observation.loss {
                        Some(_) => trial.state,
                        None => TrialState::Failed,
                    };
                }
                ended => observation.state = ended,
            }
            observation
        };
        self.trials().iter().take_while(|trial| trial.number < number).map(observe).collect()
    }
}
