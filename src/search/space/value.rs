//! Between values as people write them and internal ones.

use super::{Choice, Distribution};

impl Choice {
    /// The value as a number; none for words, `true` and `false`.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// Whether two values mean the same: `1` and `1.0` do.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a == b,
                _ => self == other,
            },
        }
    }
}

impl Distribution {
    /// The internal value of what a person wrote; none where the distribution does not have it.
    /// The inverse of [`external`](Self::external).
    pub fn internal(&self, value: &Choice) -> Option<f64> {
        let internal = match self {
            Self::Categorical { choices } => {
                choices.iter().position(|choice| choice.is_same(value))? as f64
            }
            _ => value.number()?,
        };
        self.contains(internal).then_some(internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_found_by_what_they_mean() {
        let choices = vec![
            Choice::Int(1),
            Choice::Float(0.5),
            Choice::Text("1".into()),
            Choice::Bool(true),
            Choice::Int(i64::MAX),
        ];
        let distribution = Distribution::Categorical { choices: choices.clone() };
        for (index, choice) in choices.iter().enumerate() {
            assert_eq!(distribution.internal(choice), Some(index as f64));
            assert_eq!(distribution.external(index as f64), *choice);
        }
        assert_eq!(distribution.internal(&Choice::Float(1.0)), Some(0.0));
        assert_eq!(distribution.internal(&Choice::Bool(false)), None);
        // Apart by one, though equal as `f64`.
        assert_eq!(distribution.internal(&Choice::Int(i64::MAX - 1)), None);
    }

    #[test]
    fn numbers_must_lie_inside() {
        let whole = Distribution::Int { low: 2, high: 8, log: false, step: 2 };
        assert_eq!(whole.internal(&Choice::Int(4)), Some(4.0));
        assert_eq!(whole.internal(&Choice::Float(4.0)), Some(4.0));
        for wrong in [Choice::Int(5), Choice::Int(10), Choice::Float(4.5), Choice::Bool(true)] {
            assert_eq!(whole.internal(&wrong), None, "{wrong}");
        }
    }
}
