//! `when`: under which values of earlier hyperparameters one exists.

use super::describe::in_words;
use super::source::{self, Entry, Node, Place};
use super::{Condition, Distribution, Space, SpaceError, SpaceFault};

/// Which keys of `[space]` name which ones in their `when`, known before any is read in full.
pub(super) struct Dependencies<'a> {
    keys: Vec<Key<'a>>,
}

struct Key<'a> {
    name: &'a str,
    is_group: bool,
    /// Names in `when`.
    parents: Vec<String>,
}

impl<'a> Dependencies<'a> {
    /// From the entries of `[space]`.
    pub fn new(entries: &[Entry<'a>]) -> Self {
        let keys = entries.iter().map(|entry| {
            let below = entry.node.entries().unwrap_or_default();
            let when = below.iter().find(|field| field.key == "when");
            let when = when.and_then(|when| when.node.entries()).unwrap_or_default();
            Key {
                name: entry.key,
                is_group: below.iter().any(|field| super::group::KEYS.contains(&field.key)),
                parents: source::flat(when).into_iter().map(|(name, _)| name).collect(),
            }
        });
        Self { keys: keys.collect() }
    }

    /// The key that makes the hyperparameter called `name`.
    fn owner(&self, name: &str) -> Option<usize> {
        let exact = self.keys.iter().position(|key| key.name == name);
        exact.or_else(|| {
            self.keys.iter().position(|key| {
                let rest = name.strip_prefix(key.name);
                key.is_group && rest.is_some_and(|rest| rest.starts_with('.'))
            })
        })
    }

    /// A chain of needs from one key to another, both included.
    fn chain(&self, from: usize, to: usize) -> Option<Vec<String>> {
        let mut before: Vec<Option<usize>> = vec![None; self.keys.len()];
        let mut open = vec![from];
        while let Some(key) = open.pop() {
            for parent in self.keys[key].parents.iter().filter_map(|name| self.owner(name)) {
                if before[parent].is_none() && parent != from {
                    before[parent] = Some(key);
                    open.push(parent);
                }
            }
        }
        before[to]?;
        let mut chain = vec![to];
        while let Some(key) = chain.last().and_then(|&last| before[last]) {
            chain.push(key);
        }
        Some(chain.into_iter().rev().map(|key| self.keys[key].name.to_owned()).collect())
    }

    /// Reads `when` of the hyperparameter or group called `name`; `space` holds what is above.
    pub fn conditions(
        &self,
        place: Place,
        name: &str,
        when: Node,
        space: &Space,
    ) -> Result<Vec<Condition>, SpaceError> {
        let entries = when.entries().filter(|entries| !entries.is_empty());
        let Some(entries) = entries else {
            return Err(no_condition(place, when));
        };
        let conditions = source::flat(entries).into_iter().map(|(parent, entry)| {
            let Some(parameter) = space.parameter(&parent) else {
                return Err(place.error(entry.at, self.missing(name, parent, space)));
            };
            let values = values(place, entry.node, &parent, &parameter.distribution)?;
            Ok(Condition { parameter: parent, values })
        });
        conditions.collect()
    }

    /// Why `parent` is not above `name`.
    fn missing(&self, name: &str, parent: String, space: &Space) -> SpaceFault {
        match (self.owner(name), self.owner(&parent)) {
            (Some(here), Some(there)) if here == there => SpaceFault::SelfParent,
            (Some(here), Some(there)) if there > here => match self.chain(there, here) {
                Some(chain) => {
                    let ring = std::iter::once(name.to_owned()).chain(chain).collect();
                    SpaceFault::Cyclic { ring }
                }
                None => SpaceFault::LaterParent { parent },
            },
            _ => {
                let known: Vec<_> = space.parameters.iter().map(|p| p.name.as_str()).collect();
                let nearest = source::nearest(&parent, known.iter().copied());
                let known = match &known[..] {
                    [] => "none".to_owned(),
                    known => known.join(", "),
                };
                SpaceFault::UnknownParent { parent, nearest, known }
            }
        }
    }
}

fn no_condition(place: Place, node: Node) -> SpaceError {
    let written = place.written(node);
    place.error(node.at, SpaceFault::Condition { written })
}

/// The internal values of one condition: a single one or a list.
fn values(
    place: Place,
    node: Node,
    parent: &str,
    distribution: &Distribution,
) -> Result<Vec<f64>, SpaceError> {
    let parent = parent.to_owned();
    if matches!(distribution, Distribution::Float { .. } | Distribution::Normal { .. }) {
        let distribution = distribution.describe();
        return Err(place.error(node.at, SpaceFault::ContinuousParent { parent, distribution }));
    }
    if node.value.is_table() {
        return Err(no_condition(place, node));
    }
    let items = node.items().unwrap_or_else(|| vec![node]);
    if items.is_empty() {
        return Err(no_condition(place, node));
    }
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let scalar = place.scalar(item)?;
        let value = in_words(&scalar);
        let Some(internal) = distribution.internal(&scalar) else {
            let distribution = distribution.describe();
            let fault = SpaceFault::ParentValue { parent, value, distribution };
            return Err(place.error(item.at, fault));
        };
        if values.contains(&internal) {
            return Err(place.error(item.at, SpaceFault::Duplicate { value }));
        }
        values.push(internal);
    }
    Ok(values)
}
