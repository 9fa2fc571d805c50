//! Depth decay: η · d^(L−1−l), so the last layer learns at η and each one before it at d times
//! the rate of its successor.
//!
//! Layer-wise rate decay of BEiT (Bao et al. 2022) and timm; ULMFiT (Howard & Ruder 2018) uses
//! 1/d = 2.6.

use super::{Coefficient, LayerRates, RatesError, Scale, Scheme, from_values, rate_coefficient};
use crate::net::Layer;

pub(super) struct DepthDecay;

impl Scheme for DepthDecay {
    fn name(&self) -> &'static str {
        "depth-decay"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        let decay = Coefficient {
            name: "decay".into(),
            low: 0.4,
            high: 2.5,
            scale: Scale::Log,
            neutral: 1.0,
        };
        vec![rate_coefficient(), decay]
    }

    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError> {
        let (rate, decay) = (values[0], values[1]);
        if !(decay.is_finite() && decay > 0.0) {
            return Err(RatesError::InvalidCoefficient {
                scheme: self.name(),
                name: "decay".into(),
                value: decay,
                wanted: "positive and finite",
            });
        }
        let depth = layers.len() as i32;
        from_values(rate, layers, (1..=depth).map(|l| rate * decay.powi(depth - l)))
    }

    fn guess(&self, _: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        let values: Vec<_> = rates.iter().map(|(_, rate)| rate).collect();
        let (first, last) = (*values.first()?, *values.last()?);
        let decay = match values.len() {
            1 => 1.0,
            depth => (first / last).powf(1.0 / (depth - 1) as f64),
        };
        Some(vec![last, decay])
    }
}
