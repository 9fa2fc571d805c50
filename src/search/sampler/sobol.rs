//! Sobol' points: see [`crate::random::sobol`].
//!
//! A hyperparameter has the dimension of its place in the space; where it is inactive its
//! coordinate goes unused.

use super::{Question, Sampler, SamplerError, SamplerOptions, label};
use crate::random::sobol::{MOST_DIMENSIONS, scrambled_sobol, sobol};
use crate::random::{Purpose, derived_seed};
use crate::search::space::{Configuration, Space};

struct Sobol {
    scramble: bool,
}

/// Builds the sampler.
///
/// # Errors
/// The space has more hyperparameters than there are direction numbers for.
pub(super) fn build(
    options: &SamplerOptions,
    space: &Space,
) -> Result<Box<dyn Sampler>, SamplerError> {
    let parameters = space.parameters.len();
    if parameters > MOST_DIMENSIONS {
        return Err(SamplerError::TooManyDimensions { parameters, most: MOST_DIMENSIONS });
    }
    Ok(Box::new(Sobol { scramble: options.scramble }))
}

impl Sampler for Sobol {
    fn looks_back(&self) -> bool {
        false
    }

    fn ask(&mut self, question: &Question) -> Option<Configuration> {
        let index = u32::try_from(question.design_index()).ok()?;
        let names: Vec<_> = question.space.parameters.iter().map(|p| p.name.as_str()).collect();
        Some(question.space.configure(|parameter, _| {
            let dimension = names.iter().position(|name| *name == parameter.name).unwrap_or(0);
            // More dimensions than numbers: only in a space that the sampler was not built for.
            if dimension >= MOST_DIMENSIONS {
                return super::random::draw(question, parameter);
            }
            parameter.distribution.at(if self.scramble {
                let place = label("sobol", &dimension.to_string());
                let seed = derived_seed(question.seed, Purpose::Permutation, place);
                scrambled_sobol(index, dimension, seed)
            } else {
                sobol(index, dimension)
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_hyperparameters_are_an_error() {
        let parameter = crate::search::space::Parameter {
            name: "x".into(),
            distribution: crate::search::space::Distribution::Normal { mean: 0.0, sd: 1.0 },
            conditions: Vec::new(),
            default: None,
        };
        let space = Space { parameters: vec![parameter; 101], ..Space::default() };
        let error = build(&SamplerOptions::default(), &space).err().expect("is too large");
        assert!(error.to_string().contains("101"), "{error}");
    }
}
