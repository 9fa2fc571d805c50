//! How population-based training changes values.

use rand::{Rng, RngExt};

use crate::search::space::{Configuration, Distribution, Space};

/// Factors that numbers are changed by.
const FACTORS: [f64; 2] = [0.8, 1.2];

/// `values` changed, as Ray Tune's `explore`: each hyperparameter is drawn anew with a probability,
/// else a number is multiplied by 0.8 or 1.2 (whether its distribution is logarithmic or not) and
/// brought back into its distribution, and a choice moves to one of its neighbours. One that has
/// become active is drawn anew; one that has become inactive is gone. Those that are `fixed` stay.
pub(super) fn explore(
    space: &Space,
    values: &Configuration,
    resample_probability: f64,
    fixed: &[String],
    draws: &mut impl Rng,
) -> Configuration {
    space.configure(|parameter, _| {
        let distribution = &parameter.distribution;
        // Three draws each, used or not, so that one hyperparameter does not move another's.
        let [anew, at, up] = [(); 3].map(|()| draws.random::<f64>());
        match values.get(&parameter.name) {
            Some(value) if fixed.contains(&parameter.name) => value,
            Some(value) if anew >= resample_probability => perturb(distribution, value, up < 0.5),
            _ => distribution.at(at),
        }
    })
}

fn perturb(distribution: &Distribution, value: f64, up: bool) -> f64 {
    match *distribution {
        Distribution::Categorical { ref choices } => {
            let moved = if up { value + 1.0 } else { value - 1.0 };
            moved.clamp(0.0, choices.len() as f64 - 1.0)
        }
        Distribution::Float { low, high, step: None, .. } => {
            (value * FACTORS[usize::from(up)]).clamp(low, high)
        }
        Distribution::Normal { mean, sd } => {
            let reach = Distribution::NORMAL_CUT * sd;
            (value * FACTORS[usize::from(up)]).clamp(mean - reach, mean + reach)
        }
        // To the nearest value on the grid.
        _ => distribution.at(distribution.position(value * FACTORS[usize::from(up)])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use crate::search::space::{Choice, Condition, Parameter};
    use proptest::prelude::*;

    fn parameter(name: &str, distribution: Distribution) -> Parameter {
        Parameter { name: name.into(), distribution, conditions: Vec::new(), default: None }
    }

    pub(in crate::search::scheduler) fn mixed_space() -> Space {
        let choices = vec![Choice::Int(4), Choice::Int(8), Choice::Text("x".into())];
        let mut parameters = vec![
            parameter("rate", Distribution::Float { low: 1e-4, high: 0.1, log: true, step: None }),
            parameter(
                "decay",
                Distribution::Float { low: -1.0, high: 2.0, log: false, step: None },
            ),
            parameter(
                "grid",
                Distribution::Float { low: 0.0, high: 0.9, log: false, step: Some(0.3) },
            ),
            parameter("units", Distribution::Int { low: 4, high: 200, log: true, step: 1 }),
            parameter("even", Distribution::Int { low: -2, high: 8, log: false, step: 2 }),
            parameter("noise", Distribution::Normal { mean: 1.0, sd: 0.1 }),
            parameter("kind", Distribution::Categorical { choices }),
            parameter("inner", Distribution::Float { low: 0.5, high: 1.0, log: false, step: None }),
        ];
        let condition = Condition { parameter: "kind".into(), values: vec![0.0, 2.0] };
        parameters[7].conditions.push(condition);
        Space { parameters, ..Space::default() }
    }

    proptest! {
        #[test]
        fn stays_in_the_space(seed: u64, index: u64, resample in 0.0..=1.0) {
            let space = mixed_space();
            let mut draws = stream(seed, Purpose::Scheduler, index);
            let mut values = space.configure(|parameter, _| parameter.distribution.at(draws.random()));
            for _ in 0..20 {
                values = explore(&space, &values, resample, &[], &mut draws);
                prop_assert!(space.contains(&values), "{values:?}");
            }
        }
    }

    #[test]
    fn numbers_move_by_a_fifth_and_choices_by_one() {
        let space = mixed_space();
        let at: Configuration = [("rate", 0.01), ("decay", -0.5), ("units", 100.0), ("kind", 1.0)]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..50 {
            let mut draws = stream(0, Purpose::Scheduler, index);
            let new = explore(&space, &at, 0.0, &[], &mut draws);
            let get = |name: &str| new.get(name).unwrap();
            assert!([0.01 * 0.8, 0.01 * 1.2].contains(&get("rate")));
            assert!([-0.5 * 0.8, -0.5 * 1.2].contains(&get("decay")));
            assert!([80.0, 120.0].contains(&get("units")));
            assert!([0.0, 2.0].contains(&get("kind")));
            seen.insert((get("rate") > 0.01, get("units") > 100.0, get("kind") > 1.0));
        }
        assert_eq!(seen.len(), 8, "independent of each other");
    }

    #[test]
    fn what_is_fixed_stays() {
        let space = mixed_space();
        let fixed = ["units".to_owned(), "kind".to_owned()];
        for index in 0..50 {
            let mut draws = stream(0, Purpose::Scheduler, index);
            let at = space.configure(|parameter, _| parameter.distribution.at(0.4));
            let new = explore(&space, &at, 0.5, &fixed, &mut draws);
            assert_eq!(new.get("units"), at.get("units"));
            assert_eq!(new.get("kind"), at.get("kind"));
            assert_ne!(new.get("rate"), at.get("rate"));
        }
    }

    #[test]
    fn values_stop_at_the_edge() {
        let float = Distribution::Float { low: 1e-4, high: 0.1, log: true, step: None };
        assert_eq!(perturb(&float, 0.09, true), 0.1);
        assert_eq!(perturb(&float, 1.1e-4, false), 1e-4);
        let choices = vec![Choice::Int(1), Choice::Int(2)];
        assert_eq!(perturb(&Distribution::Categorical { choices }, 1.0, true), 1.0);
        let int = Distribution::Int { low: 1, high: 5, log: false, step: 1 };
        assert_eq!(perturb(&int, 5.0, true), 5.0);
        assert_eq!(perturb(&int, 5.0, false), 4.0);
    }
}
