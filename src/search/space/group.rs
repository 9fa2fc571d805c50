//! Groups: hyperparameters that come from one key, the coefficients of a scheme or rule.

use super::describe::in_words;
use super::parse::{Fields, fields};
use super::source::{self, Entry, Place};
use super::{Choice, Condition, Distribution, Parameter, SpaceError, SpaceFault};

/// The keys that name what the coefficients are of; both kinds of name are taken after either.
pub(super) const KEYS: [&str; 2] = ["scheme", "rule"];

/// Hyperparameters that together are the coefficients of a scheme of per-layer rates, or of
/// a rule that sets them during training.
///
/// The hyperparameter of coefficient `c` is called `NAME.c`. Its value as a person would write it
/// is always a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name, as in the space file.
    pub name: String,
    /// The scheme or rule.
    pub scheme: String,
    /// Names of the coefficients, in the scheme's order.
    pub coefficients: Vec<String>,
}

impl Group {
    /// Names of the hyperparameters, in the order of the coefficients.
    pub fn parameters(&self) -> impl Iterator<Item = String> {
        self.coefficients.iter().map(|coefficient| format!("{}.{coefficient}", self.name))
    }

    /// Whether the hyperparameter called `parameter` is one of its coefficients.
    pub fn owns(&self, parameter: &str) -> bool {
        self.parameters().any(|name| name == parameter)
    }
}

/// Knows schemes. Given from outside, since spaces know neither nets nor rates.
pub trait Groups {
    /// The coefficients of a scheme: name, distribution unless the file overrides it, and the
    /// neutral value, which becomes the default.
    ///
    /// # Errors
    /// With a message for people where there is no such scheme, or it does not fit.
    fn expand(&self, scheme: &str) -> Result<Vec<(String, Distribution, f64)>, String>;
}

/// No schemes: what is searched has no layers.
#[derive(Clone, Copy, Debug)]
pub struct NoGroups;

impl Groups for NoGroups {
    fn expand(&self, scheme: &str) -> Result<Vec<(String, Distribution, f64)>, String> {
        Err(format!(
            "the scheme {scheme} cannot be used: this objective has no layers; \
             write a distribution instead"
        ))
    }
}

/// Reads a group from the entries of its table, of which `scheme` is one (its key is in [`KEYS`]). `conditions` are those
/// of all its coefficients.
pub(super) fn group(
    place: Place,
    scheme: &Entry,
    entries: &[Entry],
    conditions: &[Condition],
    groups: &dyn Groups,
) -> Result<(Group, Vec<Parameter>), SpaceError> {
    let scheme_place = place.field(scheme.key);
    let Some(name) = scheme.node.value.as_str() else {
        let written = place.written(scheme.node);
        return Err(scheme_place.error(scheme.node.at, SpaceFault::SchemeName { written }));
    };
    let coefficients = groups
        .expand(name)
        .map_err(|message| scheme_place.error(scheme.node.at, SpaceFault::Scheme(message)))?;
    let names: Vec<_> = coefficients.iter().map(|(name, ..)| name.as_str()).collect();
    let others = entries.iter().filter(|entry| entry.key != "when" && !KEYS.contains(&entry.key));
    for entry in others.clone() {
        if !names.contains(&entry.key) {
            let fault = SpaceFault::UnknownCoefficient {
                scheme: name.to_owned(),
                key: entry.key.to_owned(),
                nearest: source::nearest(entry.key, names.iter().copied()),
                known: names.join(", "),
            };
            return Err(place.field(entry.key).error(entry.at, fault));
        }
    }
    let group = Group {
        name: place.parameter.unwrap_or_default().to_owned(),
        scheme: name.to_owned(),
        coefficients: names.iter().map(|&name| name.to_owned()).collect(),
    };
    let mut parameters = Vec::with_capacity(coefficients.len());
    for (parameter, (coefficient, distribution, neutral)) in group.parameters().zip(&coefficients) {
        let Fields { distribution, default } =
            match others.clone().find(|entry| entry.key == coefficient) {
                Some(entry) => overridden(place.parameter(&parameter), entry)?,
                None => Fields { distribution: distribution.clone(), default: None },
            };
        let neutral = distribution.internal(&Choice::Float(*neutral));
        let (name, conditions) = (parameter, conditions.to_vec());
        parameters.push(Parameter { name, distribution, conditions, default: default.or(neutral) });
    }
    Ok((group, parameters))
}

/// What the file says of a coefficient instead of the scheme.
fn overridden(place: Place, entry: &Entry) -> Result<Fields, SpaceError> {
    let below = entry.node.entries().unwrap_or_default();
    if let Some(when) = below.iter().find(|field| field.key == "when") {
        return Err(place.field("when").error(when.at, SpaceFault::CoefficientCondition));
    }
    let fields = fields(place, entry.at, entry.node)?;
    if let Distribution::Categorical { choices } = &fields.distribution
        && let Some(word) = choices.iter().find(|choice| choice.number().is_none())
    {
        let value = in_words(word);
        return Err(place.error(entry.node.at, SpaceFault::CoefficientValue { value }));
    }
    Ok(fields)
}
