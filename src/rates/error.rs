//! Errors of layer rates.

use thiserror::Error;

/// Layer rates that make no sense.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RatesError {
    /// A rate that is not positive and finite.
    #[error("{what}: a learning rate must be positive and finite, not {rate}")]
    Invalid {
        /// Whose rate.
        what: String,
        /// The rate.
        rate: f64,
    },
    /// A layer that the net does not have.
    #[error("unknown layer {layer:?}: this net has {}", known.join(", "))]
    UnknownLayer {
        /// The layer named.
        layer: String,
        /// The layers of the net.
        known: Vec<String>,
    },
    /// A layer named twice.
    #[error("layer {layer:?} is named twice: give each layer one rate")]
    Repeated {
        /// The layer.
        layer: String,
    },
    /// Every layer is frozen.
    #[error("all layers are frozen: leave one out, so that something can learn")]
    AllFrozen,
    /// A log of rates that cannot be replayed.
    #[error("these rates cannot be replayed: {reason}")]
    Log {
        /// What is wrong.
        reason: String,
    },
    /// A parameter that belongs to no layer.
    #[error("parameter {parameter:?} belongs to no layer: the layers are {}", known.join(", "))]
    Unassigned {
        /// The parameter.
        parameter: String,
        /// The layers with a rate.
        known: Vec<String>,
    },
    /// A scheme that does not exist.
    #[error("unknown scheme {name:?}: choose one of {}", known.join(", "))]
    UnknownScheme {
        /// The scheme named.
        name: String,
        /// The schemes.
        known: Vec<&'static str>,
    },
    /// A rule that does not exist.
    #[error("unknown rule {name:?}: choose one of {}", known.join(", "))]
    UnknownRule {
        /// The rule named.
        name: String,
        /// The rules.
        known: Vec<&'static str>,
    },
    /// A coefficient that the scheme does not have.
    #[error("scheme {scheme} has no coefficient {name:?}: for this net it has {}", known.join(", "))]
    UnknownCoefficient {
        /// The scheme.
        scheme: &'static str,
        /// The coefficient named.
        name: String,
        /// Its coefficients.
        known: Vec<String>,
    },
    /// A coefficient that is not a usable number.
    #[error("coefficient {name} of {scheme}: {value} is not {wanted}")]
    InvalidCoefficient {
        /// The scheme or rule.
        scheme: &'static str,
        /// The coefficient.
        name: String,
        /// Its value.
        value: f64,
        /// What it must be.
        wanted: &'static str,
    },
}
