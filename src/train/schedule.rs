//! How all rates change together over a run.

use clap::ValueEnum;
use serde::Serialize;

/// A factor on every layer's rate, by the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// From 1 to 0 along half a cosine (Loshchilov & Hutter 2017), stepped every batch.
    #[default]
    Cosine,
    /// 1, then 1/10 from half of the steps, then 1/100 from three quarters (He et al. 2016).
    Step,
}

impl Schedule {
    /// The factor of step `step` (from 0) out of `total`.
    pub fn factor(self, step: u64, total: u64) -> f64 {
        let progress = step as f64 / total.max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            Self::Step if progress < 0.5 => 1.0,
            Self::Step if progress < 0.75 => 0.1,
            Self::Step => 0.01,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_at_known_steps() {
        assert_eq!(Schedule::Constant.factor(99, 100), 1.0);
        assert_eq!(Schedule::Cosine.factor(0, 100), 1.0);
        assert!((Schedule::Cosine.factor(50, 100) - 0.5).abs() < 1e-12);
        assert!(Schedule::Cosine.factor(99, 100) > 0.0);
        let steps = [0, 49, 50, 74, 75, 99].map(|step| Schedule::Step.factor(step, 100));
        assert_eq!(steps, [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]);
    }
}
