//! Distributions as space files write them: `uniform = [0.0, 1.0]`.

use super::describe::in_words;
use super::source::{LARGEST, Node, Place};
use super::{Choice, Distribution, SpaceError, SpaceFault};

/// Distributions and how each is written.
pub(super) const DISTRIBUTIONS: &[(&str, &str)] = &[
    ("choice", "choice = [4, 8, 16]"),
    ("uniform", "uniform = [low, high]"),
    ("loguniform", "loguniform = [low, high]"),
    ("quniform", "quniform = [low, high, step]"),
    ("randint", "randint = [low, high] in whole numbers, the upper end excluded"),
    ("lograndint", "lograndint = [low, high] in whole numbers, the upper end excluded"),
    ("pow2", "pow2 = [first, last], exponents of two, both included"),
    ("normal", "normal = [mean, standard deviation]"),
];

/// What other systems call them.
const FOREIGN: &[(&str, &str)] = &[
    ("categorical", "choice"),
    ("grid_search", "choice"),
    ("values", "choice"),
    ("float", "uniform"),
    ("log", "loguniform"),
    ("int", "randint"),
    ("integer", "randint"),
    ("range", "randint"),
    ("randn", "normal"),
    ("gaussian", "normal"),
];

/// The names of all distributions.
pub(super) fn known() -> String {
    DISTRIBUTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Whether `key` names a distribution.
pub(super) fn is_distribution(key: &str) -> bool {
    DISTRIBUTIONS.iter().any(|(name, _)| *name == key)
}

/// The distribution that `key` most likely meant.
pub(super) fn nearest(key: &str) -> Option<String> {
    let foreign = FOREIGN.iter().find(|(name, _)| key.eq_ignore_ascii_case(name));
    let foreign = foreign.map(|(_, ours)| (*ours).to_owned());
    foreign.or_else(|| super::source::nearest(key, DISTRIBUTIONS.iter().map(|(name, _)| *name)))
}

/// Reads the distribution `key = node`; none where there is no such one.
pub(super) fn distribution(
    place: Place,
    key: &str,
    node: Node,
) -> Result<Option<Distribution>, SpaceError> {
    let Some(&(name, usage)) = DISTRIBUTIONS.iter().find(|(name, _)| *name == key) else {
        return Ok(None);
    };
    let arguments = Arguments { place: place.field(name), name, usage, node };
    let distribution = match name {
        "choice" => arguments.choice()?,
        "uniform" => arguments.uniform()?,
        "loguniform" => arguments.loguniform()?,
        "quniform" => arguments.quniform()?,
        "randint" => arguments.whole_numbers(false)?,
        "lograndint" => arguments.whole_numbers(true)?,
        "pow2" => arguments.powers()?,
        "normal" => arguments.normal()?,
        _ => return Ok(None),
    };
    Ok(Some(distribution))
}

/// What stands behind the name of a distribution.
struct Arguments<'a> {
    place: Place<'a>,
    name: &'static str,
    usage: &'static str,
    node: Node<'a>,
}

impl Arguments<'_> {
    fn error(&self, fault: SpaceFault) -> SpaceError {
        self.place.error(self.node.at, fault)
    }

    /// Exactly `N` items.
    fn items<const N: usize>(&self) -> Result<[Node<'_>; N], SpaceError> {
        let items = self.node.items().and_then(|items| items.try_into().ok());
        items.ok_or_else(|| {
            let written = self.place.written(self.node);
            self.error(SpaceFault::Arguments { written, usage: self.usage })
        })
    }

    /// Exactly `N` finite numbers.
    fn numbers<const N: usize>(&self) -> Result<[f64; N], SpaceError> {
        let mut numbers = [0.0; N];
        for (number, item) in numbers.iter_mut().zip(self.items::<N>()?) {
            *number = self.place.number(item, self.usage)?;
        }
        Ok(numbers)
    }

    /// Exactly two whole numbers.
    fn pair(&self) -> Result<[i64; 2], SpaceError> {
        let [low, high] = self.items()?;
        Ok([self.place.whole(low, self.usage)?, self.place.whole(high, self.usage)?])
    }

    fn parameter(&self) -> String {
        self.place.parameter.unwrap_or_default().to_owned()
    }

    /// Ends in the wrong order; `rest` is what is written behind them.
    fn inverted(&self, low: String, high: String, rest: &str) -> SpaceError {
        let instead = format!("{} = [{high}, {low}{rest}]", self.name);
        self.error(SpaceFault::Inverted { low, high, instead })
    }

    /// Ends in their order and not too far apart.
    fn check_ends(&self, low: f64, high: f64, rest: &str) -> Result<(), SpaceError> {
        if low == high {
            let (parameter, value) = (self.parameter(), format!("{low:?}"));
            return Err(self.error(SpaceFault::Equal { parameter, value }));
        }
        if low > high {
            return Err(self.inverted(format!("{low:?}"), format!("{high:?}"), rest));
        }
        if !(high - low).is_finite() {
            return Err(self.too_wide(low, high));
        }
        Ok(())
    }

    fn too_wide(&self, low: f64, high: f64) -> SpaceError {
        self.error(SpaceFault::TooWide { low: format!("{low:?}"), high: format!("{high:?}") })
    }

    fn uniform(&self) -> Result<Distribution, SpaceError> {
        let [low, high] = self.numbers()?;
        self.check_ends(low, high, "")?;
        Ok(Distribution::Float { low, high, log: false, step: None })
    }

    fn loguniform(&self) -> Result<Distribution, SpaceError> {
        let [low, high] = self.numbers()?;
        // Before the order: whoever wrote `[1, 0]` meant an end that no logarithm has.
        let smallest = low.min(high);
        if smallest <= 0.0 {
            let low = format!("{smallest:?}");
            return Err(self.error(SpaceFault::LogOfNothing { low, linear: "uniform" }));
        }
        self.check_ends(low, high, "")?;
        if !(high / low).is_finite() {
            return Err(self.too_wide(low, high));
        }
        Ok(Distribution::Float { low, high, log: true, step: None })
    }

    fn quniform(&self) -> Result<Distribution, SpaceError> {
        let [low, high, step] = self.numbers()?;
        let write = |value: f64| format!("{value:?}");
        if step <= 0.0 {
            return Err(self.error(SpaceFault::Step { step: write(step) }));
        }
        self.check_ends(low, high, &format!(", {step:?}"))?;
        let (written_low, written_high) = (write(low), write(high));
        let steps = (high - low) / step;
        if steps < 1.0 - 1e-9 {
            let (step, low, high) = (write(step), written_low, written_high);
            return Err(self.error(SpaceFault::StepTooLarge { step, low, high }));
        }
        // Rounding of the ends must stay far below the tolerance of `Distribution::contains`.
        if steps > 1e6 || low.abs().max(high.abs()) / step > 1e6 {
            let (step, low, high) = (write(step), written_low, written_high);
            return Err(self.error(SpaceFault::StepTooSmall { step, low, high }));
        }
        // As exact as `Distribution::contains` asks for.
        if (steps - steps.round()).abs() >= 1e-9 {
            // What people would write, without the noise of binary fractions.
            let tidy = |steps: f64| {
                let value = low + steps * step;
                format!("{value:.12e}").parse::<f64>().map_or(write(value), write)
            };
            return Err(self.error(SpaceFault::StepMisses {
                below: tidy(steps.floor()),
                above: tidy(steps.ceil()),
                step: write(step),
                low: written_low,
                high: written_high,
            }));
        }
        Ok(Distribution::Float { low, high, log: false, step: Some(step) })
    }

    fn whole_numbers(&self, log: bool) -> Result<Distribution, SpaceError> {
        let [low, high] = self.pair()?;
        if log && low.min(high) < 1 {
            let low = low.min(high).to_string();
            return Err(self.error(SpaceFault::LogOfNothing { low, linear: "randint" }));
        }
        if low > high {
            return Err(self.inverted(low.to_string(), high.to_string(), ""));
        }
        if low == high {
            return Err(self.error(SpaceFault::NoWholeNumbers { name: self.name, low, high }));
        }
        if high - low > LARGEST {
            return Err(self.too_wide(low as f64, high as f64));
        }
        Ok(Distribution::Int { low, high: high - 1, log, step: 1 })
    }

    fn powers(&self) -> Result<Distribution, SpaceError> {
        let [first, last] = self.pair()?;
        if let Some(&exponent) = [first, last].iter().find(|end| !(0..=62).contains(*end)) {
            return Err(self.error(SpaceFault::Exponent { exponent }));
        }
        if first > last {
            return Err(self.inverted(first.to_string(), last.to_string(), ""));
        }
        let choices = (first..=last).map(|exponent| Choice::Int(1 << exponent)).collect();
        Ok(Distribution::Categorical { choices })
    }

    fn normal(&self) -> Result<Distribution, SpaceError> {
        let [mean, sd] = self.numbers()?;
        if sd <= 0.0 {
            return Err(self.error(SpaceFault::Deviation { sd: format!("{sd:?}") }));
        }
        let reach = Distribution::NORMAL_CUT * sd;
        let (low, high) = (mean - reach, mean + reach);
        if !(high - low).is_finite() {
            return Err(self.too_wide(low, high));
        }
        if sd < mean.abs() * 1e-8 || sd < f64::MIN_POSITIVE {
            let (sd, mean) = (format!("{sd:?}"), format!("{mean:?}"));
            let parameter = self.parameter();
            return Err(self.error(SpaceFault::DeviationTooSmall { sd, mean, parameter }));
        }
        Ok(Distribution::Normal { mean, sd })
    }

    fn choice(&self) -> Result<Distribution, SpaceError> {
        let Some(items) = self.node.items() else {
            let written = self.place.written(self.node);
            return Err(self.error(SpaceFault::Arguments { written, usage: self.usage }));
        };
        if items.is_empty() {
            return Err(self.error(SpaceFault::EmptyChoice));
        }
        let mut choices: Vec<Choice> = Vec::with_capacity(items.len());
        for item in items {
            let choice = self.place.scalar(item)?;
            if choices.iter().any(|known| known.is_same(&choice)) {
                let value = in_words(&choice);
                return Err(self.place.error(item.at, SpaceFault::Duplicate { value }));
            }
            choices.push(choice);
        }
        Ok(Distribution::Categorical { choices })
    }
}
