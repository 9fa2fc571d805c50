//! What a hyperparameter is drawn from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value of a categorical hyperparameter as a person wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Choice {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A word.
    Text(String),
}

impl Choice {
    /// In few characters, for people.
    pub fn short(&self) -> String {
        match self {
            Self::Float(value) => short(*value),
            other => other.to_string(),
        }
    }
}

/// A number in few characters: four digits that count.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e5).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Choice::Bool(value) => value.fmt(out),
            Choice::Int(value) => value.fmt(out),
            Choice::Float(value) => value.fmt(out),
            Choice::Text(value) => value.fmt(out),
        }
    }
}

/// A distribution over internal values (`f64`; choices by index).
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Real numbers in [low, high], uniform, or uniform in their logarithm.
    Float {
        /// Lower end, included.
        low: f64,
        /// Upper end, included.
        high: f64,
        /// Uniform in the logarithm.
        log: bool,
        /// Only `low + k * step`; never with `log`.
        step: Option<f64>,
    },
    /// Whole numbers in low..=high, uniform, or by the logarithm (as Optuna rounds).
    Int {
        /// Lower end, included.
        low: i64,
        /// Upper end, **included** (Ray's `randint` excludes it; the reader of spaces converts).
        high: i64,
        /// Uniform in the logarithm.
        log: bool,
        /// Only `low + k * step`; 1 with `log`.
        step: i64,
    },
    /// A normal distribution, cut off at [`NORMAL_CUT`](Self::NORMAL_CUT) standard deviations.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        sd: f64,
    },
    /// One of some values, all alike.
    Categorical {
        /// The values; the internal value is the index.
        choices: Vec<Choice>,
    },
}

impl Distribution {
    /// A normal distribution ends so many standard deviations from its mean.
    pub const NORMAL_CUT: f64 = 5.0;

    /// Internal value at `u` in [0, 1]: equal steps of `u` have equal probability. Categorical
    /// and whole-number values get equal shares of the interval.
    pub fn at(&self, u: f64) -> f64 {
        let u = u.clamp(0.0, 1.0);
        match *self {
            Self::Float { low, high, log: true, .. } => {
                (low.ln() + u * (high.ln() - low.ln())).exp().clamp(low, high)
            }
            Self::Float { low, high, step: None, .. } => (low + u * (high - low)).clamp(low, high),
            Self::Float { low, high, step: Some(step), .. } => {
                let count = self.levels().unwrap_or(1) as f64;
                // The last step may pass the end by rounding: 3 · 0.1 > 0.3.
                (low + (u * count).floor().min(count - 1.0) * step).min(high)
            }
            Self::Int { low, high, log: true, .. } => {
                // Optuna's convention: round a log-uniform draw from [low - ½, high + ½].
                let (from, to) = ((low as f64 - 0.5).ln(), (high as f64 + 0.5).ln());
                (from + u * (to - from)).exp().round().clamp(low as f64, high as f64)
            }
            Self::Int { low, step, .. } => {
                let count = self.levels().unwrap_or(1) as f64;
                low as f64 + (u * count).floor().min(count - 1.0) * step as f64
            }
            Self::Normal { mean, sd } => {
                let edge = normal_cdf(-Self::NORMAL_CUT);
                mean + sd * normal_quantile(edge + u * (1.0 - 2.0 * edge))
            }
            Self::Categorical { ref choices } => {
                (u * choices.len() as f64).floor().min(choices.len() as f64 - 1.0)
            }
        }
    }

    /// Where an internal value lies in [0, 1]; the inverse of [`at`](Self::at), in the middle of
    /// its share for values that have one.
    pub fn position(&self, value: f64) -> f64 {
        let position = match *self {
            Self::Float { low, high, .. } if low == high => 0.5,
            Self::Float { low, high, log: true, .. } => (value / low).ln() / (high / low).ln(),
            Self::Float { low, high, step: None, .. } => (value - low) / (high - low),
            Self::Float { low, step: Some(step), .. } => {
                (((value - low) / step).round() + 0.5) / self.levels().unwrap_or(1) as f64
            }
            Self::Int { low, high, log: true, .. } => {
                let (from, to) = ((low as f64 - 0.5).ln(), (high as f64 + 0.5).ln());
                (value.ln() - from) / (to - from)
            }
            Self::Int { low, step, .. } => {
                (((value - low as f64) / step as f64).round() + 0.5)
                    / self.levels().unwrap_or(1) as f64
            }
            Self::Normal { mean, sd } => {
                let edge = normal_cdf(-Self::NORMAL_CUT);
                (normal_cdf((value - mean) / sd) - edge) / (1.0 - 2.0 * edge)
            }
            Self::Categorical { ref choices } => (value + 0.5) / choices.len() as f64,
        };
        position.clamp(0.0, 1.0)
    }

    /// How many values there are; none where they are a continuum.
    pub fn levels(&self) -> Option<u64> {
        match *self {
            Self::Float { low, high, .. } if low == high => Some(1),
            Self::Float { low, high, step: Some(step), .. } => {
                // A step that does not divide the range by rounding alone still counts.
                Some(((high - low) / step + 1e-9).floor() as u64 + 1)
            }
            Self::Int { low, high, step, .. } => {
                Some((high.abs_diff(low)) / step.max(1) as u64 + 1)
            }
            Self::Categorical { ref choices } => Some(choices.len() as u64),
            Self::Float { .. } | Self::Normal { .. } => None,
        }
    }

    /// Whether an internal value belongs to the distribution.
    pub fn contains(&self, value: f64) -> bool {
        match *self {
            Self::Float { low, high, step, .. } => {
                let on_grid = step.is_none_or(|step| {
                    let steps = (value - low) / step;
                    (steps - steps.round()).abs() < 1e-8
                });
                (low..=high).contains(&value) && on_grid
            }
            Self::Int { low, high, step, .. } => {
                let inside = (low as f64..=high as f64).contains(&value);
                inside && value.fract() == 0.0 && (value as i64 - low) % step.max(1) == 0
            }
            Self::Normal { mean, sd } => {
                // A hair more than the cut, for rounding.
                (value - mean).abs() <= (Self::NORMAL_CUT + 1e-6) * sd
            }
            Self::Categorical { ref choices } => {
                value.fract() == 0.0 && (0.0..choices.len() as f64).contains(&value)
            }
        }
    }

    /// Whether values have an order; choices have none.
    pub fn is_ordered(&self) -> bool {
        !matches!(self, Self::Categorical { .. })
    }

    /// The distribution as a run's manifest records it.
    pub fn settings(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Float { low, high, log, step } => {
                json!({"kind": "float", "low": low, "high": high, "log": log, "step": step})
            }
            Self::Int { low, high, log, step } => {
                json!({"kind": "int", "low": low, "high": high, "log": log, "step": step})
            }
            Self::Normal { mean, sd } => json!({"kind": "normal", "mean": mean, "sd": sd}),
            Self::Categorical { choices } => json!({"kind": "categorical", "choices": choices}),
        }
    }

    /// The distribution that [`settings`](Self::settings) wrote; none where it is something else.
    pub fn from_settings(entry: &serde_json::Value) -> Option<Self> {
        let number = |key: &str| entry[key].as_f64();
        let log = entry["log"].as_bool().unwrap_or(false);
        Some(match entry["kind"].as_str()? {
            "float" => Self::Float {
                low: number("low")?,
                high: number("high")?,
                log,
                step: number("step"),
            },
            "int" => Self::Int {
                low: entry["low"].as_i64()?,
                high: entry["high"].as_i64()?,
                log,
                step: entry["step"].as_i64()?,
            },
            "normal" => Self::Normal { mean: number("mean")?, sd: number("sd")? },
            "categorical" => Self::Categorical {
                choices: serde_json::from_value(entry["choices"].clone()).ok()?,
            },
            _ => return None,
        })
    }

    /// The value as a person would write it.
    pub fn external(&self, value: f64) -> Choice {
        match self {
            Self::Float { .. } | Self::Normal { .. } => Choice::Float(value),
            Self::Int { .. } => Choice::Int(value as i64),
            Self::Categorical { choices } => {
                choices.get(value as usize).cloned().unwrap_or(Choice::Float(value))
            }
        }
    }
}

/// Distribution function of the standard normal distribution.
fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// Its inverse: Acklam's rational approximation and one step of Halley's method, to about 1e-15.
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] =
        [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
    let polynomial = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / (polynomial(&D, q) * q + 1.0)
    };
    let x = if p < 0.02425 {
        tail(p)
    } else if p > 1.0 - 0.02425 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        polynomial(&A, r) * q / (polynomial(&B, r) * r + 1.0)
    };
    let error = normal_cdf(x) - p;
    let u = error * (2.0 * std::f64::consts::PI).sqrt() * (x * x / 2.0).exp();
    x - u / (1.0 + x * u / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Distribution> {
        let choices = vec![Choice::Int(4), Choice::Text("x".into()), Choice::Bool(true)];
        vec![
            Distribution::Float { low: -1.0, high: 3.0, log: false, step: None },
            Distribution::Float { low: 1e-5, high: 0.1, log: true, step: None },
            Distribution::Float { low: 0.1, high: 0.9, log: false, step: Some(0.1) },
            Distribution::Float { low: 0.0, high: 0.3, log: false, step: Some(0.1) },
            Distribution::Int { low: -2, high: 7, log: false, step: 3 },
            Distribution::Int { low: 1, high: 1000, log: true, step: 1 },
            Distribution::Normal { mean: 2.0, sd: 0.5 },
            Distribution::Categorical { choices },
        ]
    }

    #[test]
    fn positions_and_values_map_back_and_forth() {
        for distribution in all() {
            for i in 0..=1000 {
                let value = distribution.at(f64::from(i) / 1000.0);
                assert!(distribution.contains(value), "{distribution:?} {value}");
                let back = distribution.at(distribution.position(value));
                assert!((back - value).abs() < 1e-9 * value.abs().max(1.0), "{distribution:?}");
            }
        }
    }

    #[test]
    fn settings_read_back_the_same() {
        for distribution in all() {
            let back = Distribution::from_settings(&distribution.settings());
            assert_eq!(back, Some(distribution));
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.012345, "0.01235"),
            (123.456, "123.5"),
            (12_345.6, "12346"),
            (1e-5, "1.00e-5"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn levels_get_equal_shares() {
        let distribution = Distribution::Float { low: 0.1, high: 0.9, log: false, step: Some(0.1) };
        assert_eq!(distribution.levels(), Some(9));
        let mut counts = std::collections::BTreeMap::new();
        for i in 0..9000 {
            let value = distribution.at((f64::from(i) + 0.5) / 9000.0);
            *counts.entry((value * 10.0).round() as i64).or_insert(0) += 1;
        }
        assert!(counts.values().all(|&count| count == 1000), "{counts:?}");
    }

    #[test]
    fn the_normal_quantile_is_the_inverse_of_the_distribution_function() {
        for (p, x) in [(0.5, 0.0), (0.975, 1.959963984540054), (0.001, -3.090232306167813)] {
            assert!((normal_quantile(p) - x).abs() < 1e-12, "{p}");
        }
    }
}
