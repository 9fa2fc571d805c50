//! Reading a space from TOML.

use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::condition::Dependencies;
use super::describe::in_words;
use super::source::{self, Entry, Node, Place};
use super::{
    Distribution, Groups, Parameter, Space, SpaceError, SpaceFault, argument, group, point,
};

impl Space {
    /// Reads the space file at `path`, or `default`, the text of one, where none is named.
    ///
    /// # Errors
    /// As [`read`](Self::read) and [`parse`](Self::parse).
    pub fn read_or(
        path: Option<&Path>,
        default: &str,
        groups: &dyn Groups,
    ) -> Result<Self, SpaceError> {
        path.map_or_else(|| Self::parse(default, groups), |path| Self::read(path, groups))
    }

    /// Reads a space file; `groups` knows the schemes of per-layer rates.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`parse`](Self::parse).
    pub fn read(path: &Path, groups: &dyn Groups) -> Result<Self, SpaceError> {
        let bare = |line, fault| {
            let fault = Box::new(fault);
            SpaceError { file: None, line, parameter: None, field: None, fault }
        };
        let text = match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => {
                let line = source::line(error.as_bytes(), error.utf8_error().valid_up_to());
                Err(bare(Some(line), SpaceFault::NotUtf8))
            }
            Err(error) => Err(bare(None, SpaceFault::Unreadable(error))),
        };
        text.and_then(|text| Self::parse(&text, groups))
            .map_err(|error| SpaceError { file: Some(path.to_owned()), ..error })
    }

    /// Reads the text of a space file; `groups` knows the schemes of per-layer rates.
    ///
    /// # Errors
    /// At the first fault, with its line, hyperparameter and field.
    ///
    /// ```
    /// use strata::search::space::{NoGroups, Space};
    ///
    /// let space = Space::parse("[space]\nlr = { loguniform = [1e-4, 1e-1] }", &NoGroups)?;
    /// assert_eq!(space.describe(), ["lr  log-uniform in [0.0001, 0.1]"]);
    /// # Ok::<(), strata::search::space::SpaceError>(())
    /// ```
    pub fn parse(text: &str, groups: &dyn Groups) -> Result<Self, SpaceError> {
        let place = Place { text, parameter: None, field: None };
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().lines().collect::<Vec<_>>().join(" ");
            place.error(at, SpaceFault::Syntax { message })
        })?;
        let sections = source::entries(document.get_ref());
        let known = ["space", "points"];
        if let Some(section) = sections.iter().find(|section| !known.contains(&section.key)) {
            let nearest = source::nearest(section.key, known);
            let fault = SpaceFault::UnknownSection { key: section.key.to_owned(), nearest };
            return Err(place.error(section.at, fault));
        }
        let section = |name| sections.iter().find(|section| section.key == name);
        let Some(section_space) = section("space") else {
            return Err(place.error(0, SpaceFault::NoSpace));
        };
        let Some(entries) = section_space.node.entries() else {
            return Err(place.error(section_space.at, SpaceFault::SpaceNotATable));
        };
        if entries.is_empty() {
            return Err(place.error(section_space.at, SpaceFault::EmptySpace));
        }
        let mut space = Space::default();
        let dependencies = Dependencies::new(&entries);
        for entry in &entries {
            add(&mut space, place.parameter(entry.key), entry, &dependencies, groups)?;
        }
        if let Some(points) = section("points") {
            space.points = point::points(place.field("points"), points, &space)?;
        }
        Ok(space)
    }
}

/// Adds what one key of `[space]` says: a hyperparameter or a group of them.
fn add(
    space: &mut Space,
    place: Place,
    entry: &Entry,
    dependencies: &Dependencies,
    groups: &dyn Groups,
) -> Result<(), SpaceError> {
    let name = entry.key;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(place.error(entry.at, SpaceFault::Name { name: name.to_owned() }));
    }
    let below = entry.node.entries().unwrap_or_default();
    let when = below.iter().find(|field| field.key == "when");
    let conditions = |space: &Space| match when {
        Some(when) => dependencies.conditions(place.field("when"), name, when.node, space),
        None => Ok(Vec::new()),
    };
    if let Some(scheme) = below.iter().find(|field| group::KEYS.contains(&field.key)) {
        // Faults in the conditions first, as they stand for all coefficients.
        let conditions = conditions(space)?;
        let (group, parameters) = group::group(place, scheme, &below, &conditions, groups)?;
        for parameter in parameters {
            if space.parameter(&parameter.name).is_some() {
                let fault = SpaceFault::NameTaken { group: name.to_owned() };
                return Err(place.parameter(&parameter.name).error(entry.at, fault));
            }
            space.parameters.push(parameter);
        }
        space.groups.push(group);
        return Ok(());
    }
    if space.parameter(name).is_some() {
        let owner = space.groups.iter().find(|group| group.owns(name));
        let group = owner.map(|group| group.name.clone()).unwrap_or_default();
        return Err(place.error(entry.at, SpaceFault::NameTaken { group }));
    }
    let fields = fields(place, entry.at, entry.node)?;
    let conditions = conditions(space)?;
    let Fields { distribution, default } = fields;
    space.parameters.push(Parameter { name: name.to_owned(), distribution, conditions, default });
    Ok(())
}

/// What stands in the table of a hyperparameter.
pub(super) struct Fields {
    pub distribution: Distribution,
    /// Internal value of `default`.
    pub default: Option<f64>,
}

/// Reads a hyperparameter: a table with a distribution, or a constant. `at` is where its key
/// stands. Its `when` is left to the caller.
pub(super) fn fields(place: Place, at: usize, node: Node) -> Result<Fields, SpaceError> {
    let Some(entries) = node.entries() else {
        if matches!(node.value, DeValue::Array(_) | DeValue::Datetime(_)) {
            let (written, known) = (place.written(node), argument::known());
            return Err(place.error(node.at, SpaceFault::NotAParameter { written, known }));
        }
        let distribution = Distribution::Categorical { choices: vec![place.scalar(node)?] };
        return Ok(Fields { distribution, default: None });
    };
    let is_extra = |key: &str| ["when", "default"].contains(&key);
    let mut named = entries.iter().filter(|entry| argument::is_distribution(entry.key));
    let first = named.next();
    if let (Some(first), Some(second)) = (first, named.next()) {
        let (first, key) = (first.key.to_owned(), second.key);
        let fault = SpaceFault::TwoDistributions { first, second: key.to_owned() };
        return Err(place.field(key).error(second.at, fault));
    }
    let unknown =
        entries.iter().find(|entry| !argument::is_distribution(entry.key) && !is_extra(entry.key));
    if let Some(unknown) = unknown {
        let fault = unknown_key(place, unknown, first.is_some());
        return Err(place.field(unknown.key).error(unknown.at, fault));
    }
    let distribution = match first {
        Some(entry) => argument::distribution(place, entry.key, entry.node)?,
        None => None,
    };
    let Some(distribution) = distribution else {
        let known = argument::known();
        return Err(place.error(at, SpaceFault::NoDistribution { known }));
    };
    let default = match entries.iter().find(|entry| entry.key == "default") {
        None => None,
        Some(entry) => {
            let place = place.field("default");
            let value = place.scalar(entry.node)?;
            let internal = distribution.internal(&value).ok_or_else(|| {
                let (value, distribution) = (in_words(&value), distribution.describe());
                place.error(entry.node.at, SpaceFault::Default { value, distribution })
            })?;
            Some(internal)
        }
    };
    Ok(Fields { distribution, default })
}

/// What is wrong with a key that is none of ours.
fn unknown_key(place: Place, entry: &Entry, has_distribution: bool) -> SpaceFault {
    let key = entry.key.to_owned();
    let extra = source::nearest(entry.key, ["when", "default", "scheme", "rule"]);
    if has_distribution {
        let known = "when and default".into();
        return SpaceFault::UnknownKey { key, nearest: extra, known };
    }
    if entry.node.value.is_table() {
        let parameter = place.parameter.unwrap_or_default().to_owned();
        return SpaceFault::Nested { parameter, key };
    }
    let nearest = argument::nearest(entry.key).or(extra);
    SpaceFault::UnknownDistribution { key, nearest, known: argument::known() }
}
