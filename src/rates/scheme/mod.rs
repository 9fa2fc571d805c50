//! Schemes: a few coefficients → one rate per layer.
//!
//! To add a scheme, write one file here and add one line to [`SCHEMES`].

mod contrasts;
mod depth_contrast;
mod depth_decay;
mod fan_in;
mod free;
mod global;
mod nested_contrasts;
mod type_groups;

use super::{LayerRates, RatesError};
use crate::net::Layer;

/// How a coefficient is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Uniformly.
    Linear,
    /// Uniformly in its logarithm; the coefficient is positive.
    Log,
}

/// One number that a scheme takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficient {
    /// Name, as in the columns `hp.<name>`.
    pub name: String,
    /// Lower end of the box that is searched.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it is searched.
    pub scale: Scale,
    /// The value at which the scheme gives one rate for all layers; for the rate itself, a usual
    /// one.
    pub neutral: f64,
}

impl Coefficient {
    /// Maps `u` in [0, 1) to the box.
    pub fn at(&self, u: f64) -> f64 {
        match self.scale {
            Scale::Linear => self.low + u * (self.high - self.low),
            Scale::Log => (self.low.ln() + u * (self.high / self.low).ln()).exp(),
        }
    }

    /// Where `value` lies in the box: 0 at its lower end, 1 at its upper.
    pub fn position(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }
}

/// Turns coefficients into layer rates. The first coefficient is always the overall `rate`.
pub trait Scheme: Sync {
    /// Name, as `--scheme` takes it.
    fn name(&self) -> &'static str;

    /// The coefficients for a net of `layers`, with their default boxes.
    fn coefficients(&self, layers: &[Layer]) -> Vec<Coefficient>;

    /// The rates of `layers`; `values` has one finite number a coefficient, in their order.
    ///
    /// # Errors
    /// When a coefficient makes no sense or a rate leaves the positive finite numbers.
    fn rates(&self, layers: &[Layer], values: &[f64]) -> Result<LayerRates, RatesError>;

    /// The coefficients that give `rates`, if any do; some numbers or none where there are none.
    fn guess(&self, layers: &[Layer], rates: &LayerRates) -> Option<Vec<f64>>;
}

impl dyn Scheme {
    /// The coefficients that give `rates`, or `None` where there are none.
    pub fn coefficients_of(&self, layers: &[Layer], rates: &LayerRates) -> Option<Vec<f64>> {
        self.guess(layers, rates).filter(|values| are_given(self, layers, values, rates))
    }
}

/// Every scheme.
pub const SCHEMES: &[&dyn Scheme] = &[
    &global::Global,
    &free::Free,
    &depth_decay::DepthDecay,
    &depth_contrast::DepthContrast,
    &fan_in::FanIn,
    &type_groups::TypeGroups,
    &nested_contrasts::NestedContrasts,
];

/// The scheme called `name`.
///
/// # Errors
/// When there is none; the message lists those that there are.
pub fn scheme(name: &str) -> Result<&'static dyn Scheme, RatesError> {
    let found = SCHEMES.iter().find(|scheme| scheme.name() == name);
    found.copied().ok_or_else(|| RatesError::UnknownScheme {
        name: name.to_owned(),
        known: SCHEMES.iter().map(|scheme| scheme.name()).collect(),
    })
}

/// The overall rate, common to all schemes.
fn rate_coefficient() -> Coefficient {
    Coefficient { name: "rate".into(), low: 1e-3, high: 1.0, scale: Scale::Log, neutral: 0.01 }
}

/// A factor on the rate of some layers; 1 leaves them alone.
fn factor_coefficient(name: &str) -> Coefficient {
    Coefficient { name: name.to_owned(), low: 0.125, high: 8.0, scale: Scale::Log, neutral: 1.0 }
}

/// A factor on the rate of biases; airbench94 (Jordan 2024) uses 64 for those of batch norms.
fn bias_coefficient() -> Coefficient {
    Coefficient { high: 64.0, ..factor_coefficient("bias") }
}

/// Whether `rates` are those that a scheme gives for `coefficients`, but for rounding.
fn are_given(
    scheme: &dyn Scheme,
    layers: &[Layer],
    coefficients: &[f64],
    rates: &LayerRates,
) -> bool {
    let Ok(given) = scheme.rates(layers, coefficients) else { return false };
    let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
    close(given.bias_factor(), rates.bias_factor())
        && given.iter().zip(rates.iter()).all(|((_, a), (_, b))| close(a, b))
}

fn from_values(
    base: f64,
    layers: &[Layer],
    values: impl IntoIterator<Item = f64>,
) -> Result<LayerRates, RatesError> {
    LayerRates::new(base, layers.iter().map(|layer| layer.name.clone()).zip(values).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NETS, NetOptions};
    use proptest::prelude::*;

    fn all_layers() -> Vec<Vec<Layer>> {
        let nets = NETS.iter().map(|(_, build)| build(&NetOptions::default()).unwrap());
        nets.map(|net| net.layers()).collect()
    }

    proptest! {
        /// The contract of every scheme on every net: rates for all layers in order, coefficients
        /// back from rates, and rates back from those.
        #[test]
        fn coefficients_and_rates_map_back_and_forth(units in prop::collection::vec(0.0..1.0f64, 64)) {
            for layers in all_layers() {
                for scheme in SCHEMES {
                    let coefficients = scheme.coefficients(&layers);
                    let values: Vec<_> = coefficients.iter().zip(&units).map(|(c, u)| c.at(*u)).collect();
                    let rates = scheme.rates(&layers, &values).unwrap();
                    let names: Vec<_> = rates.iter().map(|(layer, _)| layer.to_owned()).collect();
                    prop_assert_eq!(names, layers.iter().map(|l| l.name.clone()).collect::<Vec<_>>());
                    let back = scheme.coefficients_of(&layers, &rates).unwrap();
                    for ((value, back), coefficient) in values.iter().zip(&back).zip(&coefficients) {
                        prop_assert!((value - back).abs() <= 1e-9 * value.abs().max(1.0),
                            "{} {}: {value} came back as {back}", scheme.name(), coefficient.name);
                    }
                }
            }
        }
    }

    /// Nets of one and two layers have schemes too.
    #[test]
    fn shallow_nets_have_all_schemes() {
        let layers = [Layer::linear("fc1", [8, 4]), Layer::linear("fc2", [4, 2])];
        for layers in [&layers[..1], &layers[..]] {
            for scheme in SCHEMES {
                let coefficients = scheme.coefficients(layers);
                let values: Vec<_> = coefficients.iter().map(|c| c.at(0.3)).collect();
                let rates = scheme.rates(layers, &values).unwrap();
                assert_eq!(rates.iter().count(), layers.len());
                let back = scheme.coefficients_of(layers, &rates);
                assert!(back.is_some(), "{} with {} layers", scheme.name(), layers.len());
            }
        }
    }

    #[test]
    fn neutral_coefficients_give_one_rate() {
        for layers in all_layers() {
            for scheme in SCHEMES {
                let neutral: Vec<_> =
                    scheme.coefficients(&layers).iter().map(|c| c.neutral).collect();
                let rates = scheme.rates(&layers, &neutral).unwrap();
                assert!(rates.iter().all(|(_, r)| (r - 0.01).abs() < 1e-15), "{}", scheme.name());
            }
        }
    }

    #[test]
    fn rates_outside_a_scheme_have_no_coefficients() {
        let layers = &all_layers()[0];
        let odd = LayerRates::uniform(0.1, layers).unwrap();
        let odd = odd.with_overrides(&[("conv2".into(), 0.7)]).unwrap();
        assert!(scheme("global").unwrap().coefficients_of(layers, &odd).is_none());
        assert!(scheme("depth-decay").unwrap().coefficients_of(layers, &odd).is_none());
        assert!(scheme("type-groups").unwrap().coefficients_of(layers, &odd).is_none());
        assert!(scheme("depth-contrast").unwrap().coefficients_of(layers, &odd).is_none());
        assert!(scheme("fan-in").unwrap().coefficients_of(layers, &odd).is_none());
        assert!(scheme("free").unwrap().coefficients_of(layers, &odd).is_some());
        // Rates of biases of their own are outside all schemes but two.
        let biased = LayerRates::uniform(0.1, layers).unwrap().with_bias_factor(2.0).unwrap();
        for scheme in SCHEMES {
            let inside = ["type-groups", "nested-contrasts"].contains(&scheme.name());
            assert_eq!(
                scheme.coefficients_of(layers, &biased).is_some(),
                inside,
                "{}",
                scheme.name()
            );
        }
    }

    #[test]
    fn positions_in_the_box_run_from_0_to_1() {
        let rate = rate_coefficient();
        assert!((rate.position(rate.at(0.25)) - 0.25).abs() < 1e-12);
        assert!(rate.position(rate.low).abs() < 1e-12);
    }
}
