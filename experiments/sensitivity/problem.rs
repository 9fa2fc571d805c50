//! What is swept: hyperparameters, their positions in the design, and groups of them.

use anyhow::Context;
use strata::analysis::sensitivity::{Factor, Group, Method, Noise, Options};
use strata::objective::DUMMY;
use strata::search::space::{Configuration, Parameter, Space};

use super::{Flags, Seeds};

/// A sweep that is laid out.
pub struct Problem {
    /// What is swept.
    pub space: Space,
    /// Its hyperparameters as the method sees them.
    pub factors: Vec<Factor>,
    /// How the method works.
    pub options: Options,
    /// The method.
    pub method: &'static dyn Method,
    /// Where each run lies: a position in [0, 1] for each hyperparameter.
    pub points: Vec<Vec<f64>>,
    /// The sample or trajectory of each run.
    pub blocks: Vec<usize>,
}

impl Problem {
    /// Lays out the design.
    ///
    /// # Errors
    /// When the method cannot sweep this space, or a group names what is not there.
    pub fn new(
        flags: &Flags,
        method: &'static dyn Method,
        space: Space,
        samples: usize,
    ) -> anyhow::Result<Self> {
        let sweep = &flags.sweep;
        for (flag, is_set, methods) in [
            ("--second-order", sweep.second_order, &["sobol"] as &[&str]),
            ("--unscrambled", sweep.unscrambled, &["sobol", "shapley"]),
        ] {
            anyhow::ensure!(
                !is_set || methods.contains(&method.name()),
                "{flag}: {} has no such thing; give it with --method {}",
                method.name(),
                methods.join(" or ")
            );
        }
        let factors = Factor::all(&space);
        let dummy = factors.iter().position(|factor| factor.name.starts_with(DUMMY));
        let noise = match (sweep.noise_variance, dummy) {
            (Some(variance), _) => Noise::Variance(variance),
            (None, Some(dummy)) if sweep.seeds == Seeds::Fresh => Noise::Dummy(dummy),
            _ => Noise::None,
        };
        let options = Options {
            samples,
            levels: sweep.levels,
            scramble: !sweep.unscrambled,
            second_order: sweep.second_order,
            groups: groups(flags, &factors).context("--groups")?,
            base: base(&space),
            seed: flags.common.seed,
            resamples: sweep.resamples,
            noise,
            ..Options::default()
        };
        let points = method.design(&factors, &options)?;
        let blocks = method.blocks(&factors, &options)?;
        Ok(Self { space, factors, options, method, points, blocks })
    }

    /// Names of the hyperparameters.
    pub fn names(&self) -> Vec<&str> {
        self.factors.iter().map(|factor| factor.name.as_str()).collect()
    }

    /// The runs.
    pub fn design(&self, flags: &Flags) -> Design {
        Design {
            space: self.space.clone(),
            configurations: self.points.iter().map(|point| self.space.at(point)).collect(),
            samples: self.options.samples,
            seed_blocks: match flags.sweep.seeds {
                Seeds::Fresh => Vec::new(),
                Seeds::Common => self.blocks.iter().map(|block| *block as u64).collect(),
            },
        }
    }
}

/// The runs of a sweep, as a study takes them.
pub struct Design {
    /// What is swept.
    pub space: Space,
    /// The configuration of each run.
    pub configurations: Vec<Configuration>,
    /// Size of the design.
    pub samples: usize,
    /// Runs with the same number have the same seed; each has its own if there are none.
    pub seed_blocks: Vec<u64>,
}

impl Design {
    /// Names of the hyperparameters.
    pub fn names(&self) -> Vec<&str> {
        self.space.parameters.iter().map(|parameter| parameter.name.as_str()).collect()
    }

    /// The space with the design's points, which a study then takes one a trial.
    pub fn study_space(&self) -> Space {
        Space { points: self.configurations.clone(), ..self.space.clone() }
    }
}

/// The point around which one hyperparameter at a time is moved: the space's first point, else its
/// defaults, else the middle of the box.
fn base(space: &Space) -> Vec<f64> {
    let position = |parameter: &Parameter| {
        let named = space.points.first().and_then(|point| point.get(&parameter.name));
        named.or(parameter.default).map_or(0.5, |value| parameter.distribution.position(value))
    };
    space.parameters.iter().map(position).collect()
}

/// The groups that `--groups` names.
fn groups(flags: &Flags, factors: &[Factor]) -> anyhow::Result<Vec<Group>> {
    let names: Vec<_> = factors.iter().map(|factor| factor.name.as_str()).collect();
    let groups = flags.sweep.groups.members(&names)?;
    Ok(groups.into_iter().map(|(name, members)| Group { name, members }).collect())
}

/// A function's space, with a dummy where noise is to be seen.
pub fn with_dummy(mut space: Space, wanted: bool) -> Space {
    if wanted {
        space.parameters.push(Parameter::unit(DUMMY));
    }
    space
}
