//! The probe that undoes the training of one layer at a time.

use super::bench::cost;
use super::rows::Rows;
use super::{Drawn, interval};
use crate::net::Parameters;
use crate::train::{RunInputs, TrainError, TrainingRun, evaluate};

impl TrainingRun<'_> {
    pub(super) fn probe_robustness(&self, rows: &mut Rows) -> Result<u64, TrainError> {
        let trained = self.averaged().unwrap_or_else(|| self.parameters.clone());
        let mut initial = trained.clone();
        let running = trained.to_host().split_off(trained.trained.len());
        initial.load_host(self.initial.iter().cloned().chain(running).collect());
        let seed = self.probe_seed(Drawn::Weights);
        let mut drawn = Parameters::initialise(self.inputs.net, seed, &trained.device);
        self.settings.start.apply(&mut drawn)?;
        let images = &self.inputs.dataset.train;
        let validation = &self.inputs.split.validation;
        let mut evaluations = 0;
        let mut accuracy = |parameters: &Parameters| {
            evaluations += 1;
            let RunInputs { net, device, .. } = self.inputs;
            evaluate(net, parameters, images, validation, device)
        };
        let as_it_is = accuracy(&trained);
        for (probe, replacement) in [("reinitialised", &initial), ("rerandomised", &drawn)] {
            for layer in (0..trained.layers.len()).map(Some).chain([None]) {
                let at = match layer {
                    None => as_it_is,
                    Some(layer) => {
                        let mut undone = trained.clone();
                        for (slot, other) in undone.trained.iter_mut().zip(&replacement.trained) {
                            if slot.layer == layer {
                                slot.value = other.value.clone();
                            }
                        }
                        accuracy(&undone)
                    }
                };
                // A loss that is no number has an accuracy, but one that says nothing.
                let value = at.loss.is_finite().then_some(at.accuracy);
                let interval = interval::share(at.accuracy, validation.len());
                rows.add(probe, layer, "", value, interval);
            }
        }
        Ok(cost(0, evaluations * validation.len() as u64))
    }
}
