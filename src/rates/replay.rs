//! Replay of the rates that a rule realised: as a schedule, or collapsed to one vector.
//!
//! Training with the realised rates fixed tells what adapting gave from what the ratios gave: if
//! the replayed schedule does as well as the rule, adapting to the run at hand was worth nothing,
//! and if the vector does, neither was the course of the ratios over time.

use std::sync::Arc;

use super::rule::{Rule, RuleMemory, StepView};
use super::{LayerRates, RatesError};

/// Rates of each layer at some steps of a run, schedule included.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLog {
    layers: Vec<String>,
    /// Step from 0 and the layers' rates; steps ascend.
    points: Vec<(u64, Vec<f64>)>,
}

impl RateLog {
    /// A log of `layers` with at least one point; points of equal steps count once.
    ///
    /// # Errors
    /// When there is no point, a point has not one rate a layer, or a rate is negative or not
    /// finite.
    pub fn new(layers: Vec<String>, mut points: Vec<(u64, Vec<f64>)>) -> Result<Self, RatesError> {
        points.sort_by_key(|(step, _)| *step);
        points.dedup_by_key(|(step, _)| *step);
        if points.is_empty() {
            return Err(RatesError::Log { reason: "it has no steps".into() });
        }
        for (step, rates) in &points {
            if rates.len() != layers.len() {
                let reason = format!("step {step} lacks the rate of a layer");
                return Err(RatesError::Log { reason });
            }
            let odd = rates.iter().position(|rate| !(rate.is_finite() && *rate >= 0.0));
            if let Some(layer) = odd {
                let reason =
                    format!("step {step}: layer {} has rate {}", layers[layer], rates[layer]);
                return Err(RatesError::Log { reason });
            }
        }
        Ok(Self { layers, points })
    }

    /// The layers.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// Rates in step `step`: geometric between logged steps, as rates change by factors, and linear
    /// where one of them is 0.
    pub fn at(&self, step: u64) -> Vec<f64> {
        let after = self.points.partition_point(|(at, _)| *at <= step);
        let before = &self.points[after.saturating_sub(1)];
        let Some(after) =
            self.points.get(after).filter(|(at, _)| *at > before.0 && step > before.0)
        else {
            return before.1.clone();
        };
        let share = (step - before.0) as f64 / (after.0 - before.0) as f64;
        let between = |(a, b): (&f64, &f64)| {
            if *a > 0.0 && *b > 0.0 { a * (b / a).powf(share) } else { a + share * (b - a) }
        };
        before.1.iter().zip(&after.1).map(between).collect()
    }

    /// One rate a layer that, under a schedule of these factors, gives each layer the same sum of
    /// rates over the run. `factors` has one number a step.
    ///
    /// # Errors
    /// When a layer never learned.
    pub fn vector(&self, factors: &[f64]) -> Result<LayerRates, RatesError> {
        let mut sums = vec![0.0; self.layers.len()];
        for step in 0..factors.len() as u64 {
            sums.iter_mut().zip(self.at(step)).for_each(|(sum, rate)| *sum += rate);
        }
        let total: f64 = factors.iter().sum();
        let rates: Vec<_> =
            self.layers.iter().cloned().zip(sums.iter().map(|s| s / total)).collect();
        let logs: f64 = rates.iter().map(|(_, rate)| rate.ln()).sum();
        LayerRates::new((logs / rates.len() as f64).exp(), rates)
    }
}

/// Sets the rates of a log, whatever the schedule says.
#[derive(Clone, Debug)]
pub struct Replay(pub Arc<RateLog>);

impl Rule for Replay {
    fn rates(&mut self, step: &StepView) -> Vec<f64> {
        self.0.at(step.step)
    }

    fn looks_at(&self, _: u64) -> bool {
        false
    }

    fn memory(&self) -> RuleMemory {
        RuleMemory::default()
    }

    fn restore(&mut self, memory: &RuleMemory) -> bool {
        *memory == RuleMemory::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> RateLog {
        let names = vec!["a".into(), "b".into()];
        RateLog::new(names, vec![(10, vec![0.4, 0.0]), (0, vec![0.1, 0.2])]).unwrap()
    }

    #[test]
    fn rates_between_points_are_geometric_and_linear_at_zero() {
        let log = log();
        assert_eq!(log.at(0), [0.1, 0.2]);
        let middle = log.at(5);
        assert!((middle[0] - 0.2).abs() < 1e-12 && (middle[1] - 0.1).abs() < 1e-12);
        assert_eq!(log.at(99), [0.4, 0.0]);
    }

    #[test]
    fn the_vector_has_the_same_sum_of_rates() {
        let log = log();
        let factors: Vec<_> = (0..12).map(|step| 1.0 - step as f64 / 12.0).collect();
        let vector = log.vector(&factors).unwrap();
        for (layer, (_, rate)) in vector.iter().enumerate() {
            let replayed: f64 = (0..12).map(|step| log.at(step)[layer]).sum();
            let fixed: f64 = factors.iter().map(|factor| rate * factor).sum();
            assert!((replayed - fixed).abs() < 1e-12);
        }
    }

    #[test]
    fn a_log_without_sense_is_refused() {
        let names = || vec!["a".to_owned()];
        assert!(RateLog::new(names(), vec![]).is_err());
        assert!(RateLog::new(names(), vec![(0, vec![0.1, 0.2])]).is_err());
        assert!(RateLog::new(names(), vec![(0, vec![f64::NAN])]).is_err());
        assert!(RateLog::new(names(), vec![(0, vec![-1.0])]).is_err());
        let never = RateLog::new(names(), vec![(0, vec![0.0])]).unwrap();
        assert!(never.vector(&[1.0]).is_err());
    }
}
