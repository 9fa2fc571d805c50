//! What moves at once: factors, or groups of them; and what all methods ask of the options.

use super::{Factor, Method, Noise, Options, SensitivityError};

/// Factors that move together, or one alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) members: Vec<usize>,
    /// A group's effects have no sign, also where it has one member.
    pub(super) is_group: bool,
}

/// The units in the order of their first factors.
pub(super) fn units(factors: &[Factor], options: &Options) -> Result<Vec<Unit>, SensitivityError> {
    let mut owner: Vec<Option<usize>> = vec![None; factors.len()];
    for (place, group) in options.groups.iter().enumerate() {
        let fault = |fault: String| SensitivityError::Group { group: group.name.clone(), fault };
        if group.members.is_empty() {
            return Err(fault("it has no members; name some, or leave it out".to_owned()));
        }
        let is_taken = factors
            .iter()
            .enumerate()
            .any(|(index, factor)| factor.name == group.name && group.members != [index]);
        if is_taken || options.groups[..place].iter().any(|other| other.name == group.name) {
            return Err(fault("the name is taken already; choose another one".to_owned()));
        }
        for &member in &group.members {
            let Some(slot) = owner.get_mut(member) else {
                let count = factors.len();
                return Err(fault(format!("there is no hyperparameter {member} of {count}")));
            };
            if let Some(first) = slot.replace(place) {
                let (name, first) = (&factors[member].name, &options.groups[first].name);
                let fault_text = format!("{name} is in {first} already; name it once");
                return Err(fault(fault_text));
            }
        }
    }
    let alone = |index: usize| Unit {
        name: factors[index].name.clone(),
        members: vec![index],
        is_group: false,
    };
    Ok((0..factors.len())
        .filter_map(|index| match owner[index] {
            None => Some(alone(index)),
            Some(place) => {
                let group = &options.groups[place];
                let is_first = owner.iter().position(|owner| *owner == Some(place)) == Some(index);
                is_first.then(|| Unit {
                    name: group.name.clone(),
                    members: group.members.clone(),
                    is_group: true,
                })
            }
        })
        .collect())
}

/// How many units there are; as many as factors where the groups are wrong, which the design says.
pub(super) fn count(factors: &[Factor], options: &Options) -> usize {
    units(factors, options).map_or(factors.len(), |units| units.len())
}

/// Which unit is the dummy, if there is one.
pub(super) fn dummy(units: &[Unit], options: &Options) -> Option<usize> {
    let Noise::Dummy(factor) = options.noise else { return None };
    units.iter().position(|unit| unit.members == [factor])
}

/// Checks what all methods ask for; `what` is a sample of the method.
pub(super) fn check(
    method: &dyn Method,
    factors: &[Factor],
    options: &Options,
    least: usize,
    what: &'static str,
) -> Result<(), SensitivityError> {
    /// Beyond it nothing is ever run, and sizes stay far from overflowing.
    const MOST_SAMPLES: usize = 1 << 31;
    let method = method.name();
    if factors.is_empty() {
        return Err(SensitivityError::NoFactors { method });
    }
    let given = options.samples;
    if !(least..=MOST_SAMPLES).contains(&given) {
        let most = MOST_SAMPLES as u64;
        return Err(SensitivityError::Samples { method, given, least, most, what });
    }
    if !(options.confidence > 0.0 && options.confidence < 1.0) {
        let (what, range) = ("the level of the intervals", "a number between 0 and 1, such as .95");
        return Err(SensitivityError::Number { what, given: options.confidence, range });
    }
    match options.noise {
        Noise::Variance(given) if !(given.is_finite() && given >= 0.0) => {
            let (what, range) = ("the variance of the noise", "0 or more");
            Err(SensitivityError::Number { what, given, range })
        }
        Noise::Dummy(place) if place >= factors.len() => {
            let fault = format!("has the place {place} among {}; give one there is", factors.len());
            Err(SensitivityError::Dummy { fault })
        }
        Noise::Dummy(place) => {
            let grouped = options
                .groups
                .iter()
                .find(|group| group.members.contains(&place) && group.members.len() > 1);
            match grouped {
                Some(group) => {
                    let fault =
                        format!("is in the group {}; take it out of `--groups`", group.name);
                    Err(SensitivityError::Dummy { fault })
                }
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Refuses groups where factors can only move one by one.
pub(super) fn without_groups(
    method: &dyn Method,
    options: &Options,
) -> Result<(), SensitivityError> {
    match options.groups.is_empty() {
        true => Ok(()),
        false => Err(SensitivityError::NoGroups { method: method.name() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sensitivity::{Group, method};

    fn factors() -> Vec<Factor> {
        ["a", "b", "c"].map(|name| Factor { name: name.to_owned(), levels: None }).to_vec()
    }

    fn grouped(groups: &[(&str, &[usize])]) -> Options {
        let group = |&(name, members): &(&str, &[usize])| Group {
            name: name.to_owned(),
            members: members.to_vec(),
        };
        Options { groups: groups.iter().map(group).collect(), ..Options::default() }
    }

    #[test]
    fn groups_stand_at_their_first_factor() {
        let units = units(&factors(), &grouped(&[("g", &[2, 0])])).unwrap();
        let names: Vec<_> = units.iter().map(|unit| (unit.name.as_str(), unit.is_group)).collect();
        assert_eq!(names, [("g", true), ("b", false)]);
        assert_eq!(units[0].members, [2, 0]);
    }

    #[test]
    fn faults_of_groups_say_what_to_do() {
        for (groups, expected) in [
            (grouped(&[("g", &[])]), "g: it has no members"),
            (grouped(&[("g", &[3])]), "no hyperparameter 3 of 3"),
            (grouped(&[("g", &[0]), ("h", &[1, 0])]), "h: a is in g already"),
            (grouped(&[("g", &[0, 0])]), "g: a is in g already"),
            (grouped(&[("b", &[0, 2])]), "b: the name is taken"),
            (grouped(&[("g", &[0]), ("g", &[1])]), "g: the name is taken"),
        ] {
            let message = units(&factors(), &groups).unwrap_err().to_string();
            assert!(message.starts_with("`--groups`: ") && message.contains(expected), "{message}");
        }
    }

    #[test]
    fn faults_of_options_name_them() {
        let of = |options: Options| {
            let result = check(method("morris").unwrap(), &factors(), &options, 1, "trajectories");
            result.unwrap_err().to_string()
        };
        let with = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            of(options)
        };
        assert!(with(|o| o.samples = 0).contains("`--samples 0`"));
        assert!(with(|o| o.confidence = 1.0).contains("such as .95"));
        assert!(with(|o| o.confidence = f64::NAN).contains("NaN"));
        assert!(with(|o| o.noise = Noise::Variance(-1.0)).contains("variance of the noise is -1"));
        assert!(with(|o| o.noise = Noise::Dummy(3)).contains("place 3"));
        let in_group = Options { noise: Noise::Dummy(0), ..grouped(&[("g", &[0, 1])]) };
        assert!(of(in_group).contains("out of `--groups`"));
    }
}
