//! One rate for all layers: the baseline.

use super::{Coefficient, LayerRates, RatesError, Scheme, rate_coefficient};
use crate::net::Layer;

pub(super) struct Global;

impl Scheme for Global {
    fn name(&self) -> &'static str {
        "global"
    }

    fn coefficients(&self, _: &[Layer]) -> Vec<Coefficient> {
        vec![rate_coefficient()]
    }

    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError> {
        LayerRates::uniform(values[0], layers)
    }

    fn guess(&self, _: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        let (_, first) = rates.iter().next()?;
        Some(vec![first])
    }
}
