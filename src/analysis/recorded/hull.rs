//! One distribution for a hyperparameter that different trials drew from different ones.

use crate::search::space::Distribution;

/// The smallest distribution that holds both; none where they are of different kinds. Steps survive
/// only where both agree in all but the upper end.
pub(super) fn hull(a: &Distribution, b: &Distribution) -> Option<Distribution> {
    use Distribution::{Float, Int};
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (
            Float { low, high, log, step },
            Float { low: other_low, high: other_high, log: other_log, step: other_step },
        ) if log == other_log => Some(Float {
            low: low.min(*other_low),
            high: high.max(*other_high),
            log: *log,
            step: step.filter(|_| step == other_step && low == other_low),
        }),
        (
            Int { low, high, log, step },
            Int { low: other_low, high: other_high, log: other_log, step: other_step },
        ) if log == other_log => Some(Int {
            low: *low.min(other_low),
            high: *high.max(other_high),
            log: *log,
            step: if step == other_step && low == other_low { *step } else { 1 },
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::space::Choice;

    #[test]
    fn boxes_that_grew_are_one_box() {
        let float = |low, high, step| Distribution::Float { low, high, log: false, step };
        assert_eq!(
            hull(&float(0.0, 1.0, None), &float(0.5, 2.0, None)),
            Some(float(0.0, 2.0, None))
        );
        assert_eq!(
            hull(&float(0.0, 1.0, Some(0.5)), &float(0.0, 2.0, Some(0.5))),
            Some(float(0.0, 2.0, Some(0.5)))
        );
        assert_eq!(
            hull(&float(0.0, 1.0, Some(0.5)), &float(0.25, 2.25, Some(0.5))),
            Some(float(0.0, 2.25, None))
        );
        let int = Distribution::Int { low: 1, high: 9, log: false, step: 1 };
        assert_eq!(hull(&int, &float(0.0, 1.0, None)), None);
        let words =
            |word: &str| Distribution::Categorical { choices: vec![Choice::Text(word.into())] };
        assert_eq!(hull(&words("a"), &words("b")), None);
    }
}
