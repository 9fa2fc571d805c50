//! Analytic test functions: cheap objectives with known minima.
//!
//! They are named as on the command line: `branin`, or with a number of variables, `ackley-5`. To
//! add one, write its formula and add it to [`FUNCTIONS`]; the tests then run over it. Bounds and
//! minima are those of Surjanovic and Bingham's Virtual Library of Simulation Experiments, unless
//! noted; the papers stand at the formulas.

mod formula;
mod mixed;
mod planted;
mod shares;

use std::f64::consts::PI;

use crate::search::space::{Configuration, Distribution, Parameter, Space};

/// More variables than anyone searches; keeps mistyped names from filling the memory.
const MOST_VARIABLES: usize = 1000;

/// How many variables a function has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Always so many.
    Fixed(usize),
    /// Two, or as many as the name says (`ackley-5`), from this number up.
    From(usize),
}

/// A test function of one or of any number of variables.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Name, without a number of variables.
    pub name: &'static str,
    /// What is hard about it, in a few words.
    pub description: &'static str,
    /// How many variables it has.
    pub dimension: Dimension,
    /// The smallest value within the bounds, the same for all dimensions.
    pub minimum: f64,
    /// Ends of each variable, both included; internal values of the space.
    bounds: fn(usize) -> Vec<(f64, f64)>,
    /// Points where the minimum is taken: all of them, or one of each kind where they are many.
    minimizers: fn(usize) -> Vec<Vec<f64>>,
    evaluate: fn(&[f64]) -> f64,
    /// The space, where it is not a box of real numbers.
    space: Option<fn() -> Space>,
}

/// Every function.
pub const FUNCTIONS: &[Family] = &[
    Family {
        name: "branin",
        description: "smooth, three equal minima",
        dimension: Dimension::Fixed(2),
        // 10 / 8π.
        minimum: 0.397887357729738,
        bounds: |_| vec![(-5.0, 10.0), (0.0, 15.0)],
        minimizers: |_| vec![vec![-PI, 12.275], vec![PI, 2.275], vec![3.0 * PI, 2.475]],
        evaluate: formula::branin,
        space: None,
    },
    Family {
        name: "hartmann3",
        description: "smooth, four local minima in three variables",
        dimension: Dimension::Fixed(3),
        // Printed as -3.86278; more digits by minimising from the printed point.
        minimum: -3.862779787332663,
        bounds: |_| vec![(0.0, 1.0); 3],
        minimizers: |_| vec![vec![0.11458888597, 0.5556488953913, 0.8525469851222]],
        evaluate: formula::hartmann3,
        space: None,
    },
    Family {
        name: "hartmann6",
        description: "smooth, six local minima in six variables",
        dimension: Dimension::Fixed(6),
        // Printed as -3.32237; more digits by minimising from the printed point.
        minimum: -3.322368011415515,
        bounds: |_| vec![(0.0, 1.0); 6],
        minimizers: |_| {
            vec![vec![
                0.2016895116,
                0.1500106941,
                0.4768739715,
                0.2753324306,
                0.3116516162,
                0.6573005318,
            ]]
        },
        evaluate: formula::hartmann6,
        space: None,
    },
    Family {
        name: "rosenbrock",
        description: "a narrow curved valley",
        dimension: Dimension::From(2),
        minimum: 0.0,
        bounds: |dimension| vec![(-5.0, 10.0); dimension],
        minimizers: |dimension| vec![vec![1.0; dimension]],
        evaluate: formula::rosenbrock,
        space: None,
    },
    Family {
        name: "ackley",
        description: "flat and rippled far away, steep at the minimum",
        dimension: Dimension::From(1),
        minimum: 0.0,
        bounds: |dimension| vec![(-32.768, 32.768); dimension],
        minimizers: |dimension| vec![vec![0.0; dimension]],
        evaluate: formula::ackley,
        space: None,
    },
    Family {
        name: "rastrigin",
        description: "a bowl with a grid of local minima",
        dimension: Dimension::From(1),
        minimum: 0.0,
        bounds: |dimension| vec![(-5.12, 5.12); dimension],
        minimizers: |dimension| vec![vec![0.0; dimension]],
        evaluate: formula::rastrigin,
        space: None,
    },
    Family {
        name: "ishigami",
        description: "strong interaction of two variables; for sensitivity",
        dimension: Dimension::Fixed(3),
        // -(1 + 0.1 π⁴), where sin x1 = -1, sin x2 = 0 and x3 is at an end.
        minimum: -10.740909103400242,
        bounds: |_| vec![(-PI, PI); 3],
        minimizers: |_| {
            [-PI, 0.0, PI]
                .iter()
                .flat_map(|&x2| [vec![-PI / 2.0, x2, -PI], vec![-PI / 2.0, x2, PI]])
                .collect()
        },
        evaluate: formula::ishigami,
        space: None,
    },
    Family {
        name: "sobol-g",
        description: "eight variables from important to irrelevant; for sensitivity",
        dimension: Dimension::Fixed(8),
        minimum: 0.0,
        bounds: |_| vec![(0.0, 1.0); 8],
        // Wherever the first is ½, whatever the others are.
        minimizers: |_| vec![vec![0.5; 8], vec![0.5, 0.1, 0.9, 0.0, 1.0, 0.3, 0.2, 0.7]],
        evaluate: formula::sobol_g,
        space: None,
    },
    Family {
        name: "sphere",
        description: "a bowl",
        dimension: Dimension::From(1),
        minimum: 0.0,
        bounds: |dimension| vec![(-5.12, 5.12); dimension],
        minimizers: |dimension| vec![vec![0.0; dimension]],
        evaluate: formula::sphere,
        space: None,
    },
    mixed::MIXED,
    shares::BRATLEY,
    shares::LINEAR,
    shares::INTERACTION,
    shares::CATEGORICAL_SUM,
    shares::LOG_CHECK,
    planted::STEEP,
    planted::EVEN,
    planted::GATED,
];

/// A test function with its number of variables.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    family: &'static Family,
    dimension: usize,
}

/// The function called `name`, as `branin` or `ackley-5`.
///
/// # Errors
/// When there is none, or not with so many variables.
///
/// ```
/// use strata::objective::function::function;
///
/// let ackley = function("ackley-5")?;
/// assert_eq!(ackley.dimension(), 5);
/// assert!(ackley.evaluate(&[0.0; 5]).abs() < 1e-12);
/// # Ok::<(), strata::objective::function::UnknownFunction>(())
/// ```
pub fn function(name: &str) -> Result<Function, UnknownFunction> {
    let family = |name| FUNCTIONS.iter().find(|family| family.name == name);
    if let Some(family) = family(name) {
        let dimension = match family.dimension {
            Dimension::Fixed(dimension) => dimension,
            Dimension::From(_) => 2,
        };
        return Ok(Function { family, dimension });
    }
    let unknown = || UnknownFunction::Name {
        name: name.to_owned(),
        known: FUNCTIONS.iter().map(Family::usage).collect(),
    };
    let (stem, number) = name.rsplit_once('-').ok_or_else(unknown)?;
    let family = family(stem).ok_or_else(unknown)?;
    match (family.dimension, number.parse()) {
        (Dimension::Fixed(fixed), Ok(dimension)) if dimension == fixed => {
            Ok(Function { family, dimension })
        }
        (Dimension::Fixed(dimension), _) => {
            Err(UnknownFunction::FixedDimension { name: family.name, dimension })
        }
        (Dimension::From(least), Ok(dimension))
            if (least..=MOST_VARIABLES).contains(&dimension) =>
        {
            Ok(Function { family, dimension })
        }
        (Dimension::From(least), _) => {
            Err(UnknownFunction::Dimension { name: family.name, given: number.to_owned(), least })
        }
    }
}

impl Family {
    /// How the name is written.
    pub fn usage(&self) -> String {
        match self.dimension {
            Dimension::Fixed(_) => self.name.to_owned(),
            Dimension::From(_) => format!("{0} or {0}-N", self.name),
        }
    }
}

impl Function {
    /// Name, with the number of variables where it is one of several.
    pub fn name(&self) -> String {
        match self.family.dimension {
            Dimension::Fixed(_) => self.family.name.to_owned(),
            Dimension::From(_) => format!("{}-{}", self.family.name, self.dimension),
        }
    }

    /// What is hard about it, in a few words.
    pub fn description(&self) -> &'static str {
        self.family.description
    }

    /// Number of variables.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The smallest value within the bounds.
    pub fn minimum(&self) -> f64 {
        self.family.minimum
    }

    /// Ends of each variable, both included; indices for choices.
    pub fn bounds(&self) -> Vec<(f64, f64)> {
        (self.family.bounds)(self.dimension)
    }

    /// Points where the minimum is taken: all of them, or some where they are a continuum.
    pub fn minimizers(&self) -> Vec<Vec<f64>> {
        (self.family.minimizers)(self.dimension)
    }

    /// The value at a point of internal values, one a variable.
    ///
    /// # Panics
    /// When the point has another number of variables: a fault of the caller, not of a user.
    pub fn evaluate(&self, point: &[f64]) -> f64 {
        assert_eq!(point.len(), self.dimension, "variables of {}", self.name());
        (self.family.evaluate)(point)
    }

    /// The value at a configuration of [`space`](Self::space); none where it lacks a variable.
    pub fn at(&self, configuration: &Configuration) -> Option<f64> {
        let space = self.space();
        let values = space.parameters.iter().map(|parameter| configuration.get(&parameter.name));
        values.collect::<Option<Vec<_>>>().map(|point| self.evaluate(&point))
    }

    /// What is searched: `x1`, `x2`, … uniform within the bounds, or the function's own space.
    pub fn space(&self) -> Space {
        if let Some(space) = self.family.space {
            return space();
        }
        let parameters = self.bounds().into_iter().enumerate().map(|(index, (low, high))| {
            let distribution = Distribution::Float { low, high, log: false, step: None };
            let name = format!("x{}", index + 1);
            Parameter { name, distribution, conditions: Vec::new(), default: None }
        });
        Space { parameters: parameters.collect(), ..Space::default() }
    }
}

/// Why a name is no function's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFunction {
    /// No function has that name.
    #[error("unknown function {name:?}; known are {}", known.join(", "))]
    Name {
        /// The name.
        name: String,
        /// How the names of all functions are written.
        known: Vec<String>,
    },
    /// A number of variables for a function that has only one.
    #[error("{name} always has {dimension} variables; write {name}")]
    FixedDimension {
        /// The function.
        name: &'static str,
        /// Its number of variables.
        dimension: usize,
    },
    /// A number of variables that the function cannot have.
    #[error(
        "{given:?} is no number of variables for {name}; write {name}-N with N from {least} to \
         {MOST_VARIABLES}, or {name} for two"
    )]
    Dimension {
        /// The function.
        name: &'static str,
        /// What was written.
        given: String,
        /// The smallest number of variables that it has.
        least: usize,
    },
}

#[cfg(test)]
mod tests;
