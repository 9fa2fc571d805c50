//! What is done to newly drawn weights.

use crate::net::{NetError, Parameters};

/// What is done to the initial weights before training.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Factor on all initial weights of convolutions and linear layers.
    pub scale: f64,
    /// Layers whose initial weights are rescaled together with the next layer's, so that the net
    /// computes the same but wants other rates: a planted problem with a known answer
    /// ([`crate::net::rescale`]).
    pub planted: Vec<(String, f64)>,
}

impl Default for Start {
    fn default() -> Self {
        Self { scale: 1.0, planted: Vec::new() }
    }
}

impl Start {
    /// As drawn, but for these layers.
    pub fn planted(planted: Vec<(String, f64)>) -> Self {
        Self { planted, ..Self::default() }
    }

    /// Does it.
    ///
    /// # Errors
    /// When a layer cannot be rescaled.
    pub fn apply(&self, parameters: &mut Parameters) -> Result<(), NetError> {
        if self.scale != 1.0 {
            parameters.scale_weights(self.scale);
        }
        for (layer, factor) in &self.planted {
            crate::net::rescale(parameters, layer, *factor)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::net::{NetOptions, build};

    #[test]
    fn a_scale_multiplies_weights_alone() {
        let net = build("tutorial", &NetOptions::default()).unwrap();
        let device = Device::default();
        let drawn = Parameters::initialise(net.as_ref(), 3, &device);
        let mut scaled = Parameters::initialise(net.as_ref(), 3, &device);
        Start { scale: 0.5, ..Start::default() }.apply(&mut scaled).unwrap();
        for (before, after) in drawn.to_host().iter().zip(scaled.to_host()) {
            let factor = if before.name.ends_with("weight") { 0.5 } else { 1.0 };
            let expected: Vec<_> = before.values.iter().map(|value| value * factor).collect();
            assert_eq!(after.values, expected, "{}", before.name);
        }
    }
}
