//! `[[points]]`: configurations to try first.

use super::describe::in_words;
use super::source::{self, Entry, Node, Place};
use super::{Condition, Configuration, Parameter, Space, SpaceError, SpaceFault};

/// Reads the points; `space` has all its parameters.
pub(super) fn points(
    place: Place,
    section: &Entry,
    space: &Space,
) -> Result<Vec<Configuration>, SpaceError> {
    let Some(items) = section.node.items() else {
        return Err(place.error(section.at, SpaceFault::Points));
    };
    let points = items.into_iter().enumerate().map(|(index, item)| {
        let number = format!("point {}", index + 1);
        point(place.field(&number), item, space)
    });
    points.collect()
}

fn point(place: Place, node: Node, space: &Space) -> Result<Configuration, SpaceError> {
    let Some(entries) = node.entries() else {
        return Err(place.error(node.at, SpaceFault::Points));
    };
    if entries.is_empty() {
        return Err(place.error(node.at, SpaceFault::EmptyPoint));
    }
    let entries = source::flat(entries);
    let mut values = Configuration::default();
    for (name, entry) in &entries {
        let place = place.parameter(name);
        let Some(parameter) = space.parameter(name) else {
            let known: Vec<_> = space.parameters.iter().map(|p| p.name.as_str()).collect();
            let nearest = source::nearest(name, known.iter().copied());
            let fault = SpaceFault::UnknownInPoint { nearest, known: known.join(", ") };
            return Err(place.error(entry.at, fault));
        };
        let scalar = place.scalar(entry.node)?;
        let Some(value) = parameter.distribution.internal(&scalar) else {
            let (value, distribution) = (in_words(&scalar), parameter.distribution.describe());
            let fault = SpaceFault::PointValue { value, distribution };
            return Err(place.error(entry.node.at, fault));
        };
        values.set(name, value);
    }
    for (name, entry) in &entries {
        if let Some(fault) = space.parameter(name).and_then(|it| inactive(space, it, &values)) {
            return Err(place.parameter(name).error(entry.at, fault));
        }
    }
    let names = space.parameters.iter().map(|parameter| parameter.name.clone());
    Ok(names.filter_map(|name| values.get(&name).map(|value| (name, value))).collect())
}

/// Why a parameter that a point names is not sure to exist there; none if it is.
fn inactive(space: &Space, parameter: &Parameter, point: &Configuration) -> Option<SpaceFault> {
    parameter.conditions.iter().find_map(|condition| {
        let parent = space.parameter(&condition.parameter)?;
        let describe = || space.condition(condition);
        match point.get(&parent.name) {
            Some(value) if condition.values.contains(&value) => None,
            Some(value) => Some(SpaceFault::Inactive {
                condition: describe(),
                parent: parent.name.clone(),
                value: in_words(&parent.distribution.external(value)),
            }),
            // What the sampler fills in may only be left open if it cannot go wrong.
            None if always_holds(condition, parent) => inactive(space, parent, point),
            None => Some(SpaceFault::ParentMissing {
                condition: describe(),
                parent: parent.name.clone(),
            }),
        }
    })
}

/// Whether a condition allows all values of its parent.
fn always_holds(condition: &Condition, parent: &Parameter) -> bool {
    parent.distribution.levels() == Some(condition.values.len() as u64)
}
