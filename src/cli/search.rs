//! What trials of a search start from, whoever runs them: `tune`, or an engine through
//! `train --worker`. So the same configuration and seed give the same values in both.

use serde_json::{Value, json};

use super::{CommonFlags, Preset, PresetImages, Setup};
use crate::objective::Base;
use crate::rates::{LayerRates, RatesError};
use crate::search::space::Group;
use crate::train::RunSettings;

/// Rate where the space searches none.
const RATE: f64 = 0.03;

/// Images a step unless told otherwise.
const BATCH_SIZE: usize = 64;

/// The sizes of a search.
#[derive(Clone, Copy, Debug)]
pub struct SearchBudget {
    /// Images of a trial.
    pub images: PresetImages,
    /// Its epochs.
    pub epochs: usize,
    /// Trials in all.
    pub trials: usize,
}

impl SearchBudget {
    /// The budget of a preset, with the epochs of the flags.
    pub fn new(flags: &CommonFlags) -> Self {
        let preset = Self::of(flags.preset.unwrap_or_default());
        Self { epochs: flags.epochs.unwrap_or(preset.epochs), ..preset }
    }

    fn of(preset: Preset) -> Self {
        let images = |train, validation| PresetImages { train, validation };
        match preset {
            // The classic example's epochs and, nearly, its images.
            Preset::Quick => Self { images: images(8_000, 2_000), epochs: 10, trials: 20 },
            Preset::Standard => Self { images: images(20_000, 5_000), epochs: 10, trials: 100 },
            Preset::Full => Self { images: images(45_000, 5_000), epochs: 20, trials: 200 },
        }
    }
}

/// The space that is searched where no file is named.
pub fn default_space(net: &str) -> &'static str {
    match net {
        "tutorial" => include_str!("../../experiments/spaces/classic.toml"),
        _ => include_str!("../../experiments/spaces/training.toml"),
    }
}

impl Setup {
    /// What the trials of a search of `epochs` epochs start from; `groups` are those of the space.
    ///
    /// # Errors
    /// When the net has no layers with rates.
    pub fn search_base(
        &self,
        flags: &CommonFlags,
        epochs: usize,
        groups: Vec<Group>,
    ) -> Result<Base, RatesError> {
        let batch_size = flags.batch_size.unwrap_or(BATCH_SIZE);
        let rates = LayerRates::uniform(RATE, &self.net.layers())?;
        let run = RunSettings {
            diagnostics_every: Some(flags.diagnostics_every(batch_size)),
            ..self.run_settings(flags, epochs, batch_size, rates)
        };
        Ok(self.base(flags, run, RATE, groups))
    }

    /// Settings that the values of a search's trials depend on.
    pub fn search_settings(&self, flags: &CommonFlags, epochs: usize) -> Value {
        let mut settings = self.settings(flags);
        settings["epochs"] = json!(epochs);
        settings["batch_size"] = json!(flags.batch_size.unwrap_or(BATCH_SIZE));
        settings
    }
}
