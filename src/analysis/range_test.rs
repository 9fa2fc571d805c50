//! Layer range tests: what rate each layer takes, read off the losses of ramped runs.
//!
//! The range test of Smith (2017), one layer at a time: the layer's rate is ramped exponentially
//! while the others stay at a base rate. Since the others learn meanwhile, a layer's curve is read
//! against a run without any ramp on the same batches.

use serde::Serialize;

/// Memory of the smoothed loss: each step counts for 1 − this.
const MEMORY: f64 = 0.95;
/// A smoothed loss of this many times the first one ends a ramp.
const BLOWN: f64 = 2.0;

/// Exponential moving average of `losses` without the bias of its start (Kingma & Ba 2015, §3).
pub fn smoothed(losses: &[f64]) -> Vec<f64> {
    let mut average = 0.0;
    let mut weight = 1.0;
    let smooth = |loss: &f64| {
        average = MEMORY * average + (1.0 - MEMORY) * loss;
        weight *= MEMORY;
        average / (1.0 - weight)
    };
    losses.iter().map(smooth).collect()
}

/// What a ramp says of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// Rate at which the loss falls fastest, compared with the run without a ramp.
    pub steepest: f64,
    /// Rate at which the loss is lowest, compared with the run without a ramp.
    pub minimum: f64,
    /// What to try: between the two in log, as the minimum lags behind the rate that made it and the
    /// steepest point is a cautious choice.
    pub suggestion: f64,
}

/// Steps of a ramp before it blew up.
fn usable(ramped: &[f64]) -> usize {
    let first = ramped.first().copied().unwrap_or(f64::NAN);
    ramped.iter().position(|loss| *loss > BLOWN * first).unwrap_or(ramped.len())
}

/// Reads a ramp: smoothed losses of the run without (`base`) and with (`ramped`) it, and the ramped
/// rate of each step. None where the ramp never lowered the loss below the run without.
pub fn suggest(base: &[f64], ramped: &[f64], rates: &[f64]) -> Option<Suggestion> {
    let count = usable(ramped).min(base.len()).min(rates.len());
    let excess: Vec<f64> = (0..count).map(|i| ramped[i] - base[i]).collect();
    let lowest = (0..count).min_by(|a, b| excess[*a].total_cmp(&excess[*b]))?;
    if excess[lowest] >= 0.0 {
        return None;
    }
    // Slopes over windows as long as the average's memory, up to the minimum.
    let window = (1.0 / (1.0 - MEMORY)).round() as usize;
    let slope = |i: &usize| excess[i + window] - excess[*i];
    let steepest =
        (0..(lowest + 1).saturating_sub(window)).min_by(|a, b| slope(a).total_cmp(&slope(b)));
    let steepest = rates[steepest.map_or(lowest, |start| start + window / 2)];
    let minimum = rates[lowest];
    Some(Suggestion { steepest, minimum, suggestion: (steepest * minimum).sqrt() })
}

/// How far ramping all layers together does what the single ramps do in sum: 1 where layers act
/// alone, 0 or less where they do not. Of smoothed losses; none without a step that all ramps share.
pub fn additivity(base: &[f64], single: &[Vec<f64>], all: &[f64]) -> Option<f64> {
    let ramps = single.iter().map(|ramp| usable(ramp)).chain([usable(all), base.len()]);
    let count = ramps.min()?;
    let gain = |ramp: &[f64], i: usize| base[i] - ramp[i];
    let (mut missed, mut total) = (0.0, 0.0);
    for i in 0..count {
        let sum: f64 = single.iter().map(|ramp| gain(ramp, i)).sum();
        missed += (gain(all, i) - sum).powi(2);
        total += gain(all, i).powi(2);
    }
    (total > 0.0).then(|| 1.0 - missed / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_loss_is_smooth_already() {
        assert!(smoothed(&[2.0; 10]).iter().all(|loss| (loss - 2.0).abs() < 1e-12));
    }

    #[test]
    fn the_minimum_of_a_bowl_is_found() {
        let rates: Vec<f64> = (0..200).map(|i| 1e-3 * 10f64.powf(i as f64 / 50.0)).collect();
        let base = vec![2.0; 200];
        // Lowest at step 120, and blown up after 190.
        let ramped: Vec<f64> = (0..200)
            .map(|i| if i > 190 { 9.0 } else { 1.5 + ((i as f64 - 120.0) / 120.0).powi(2) })
            .collect();
        let found = suggest(&base, &ramped, &rates).unwrap();
        assert_eq!(found.minimum, rates[120]);
        assert!(found.steepest < found.minimum && found.steepest < found.suggestion);
        assert!(suggest(&base, &[3.0; 200], &rates).is_none());
        assert!(suggest(&base, &[], &rates).is_none());
    }

    #[test]
    fn gains_that_add_up_are_additive() {
        let base = vec![2.0; 50];
        let one: Vec<f64> = (0..50).map(|i| 2.0 - i as f64 / 100.0).collect();
        let both: Vec<f64> = (0..50).map(|i| 2.0 - i as f64 / 50.0).collect();
        let score = additivity(&base, &[one.clone(), one.clone()], &both).unwrap();
        assert!((score - 1.0).abs() < 1e-12);
        // Ramping both does no more than ramping one.
        assert!(additivity(&base, &[one.clone(), one.clone()], &one).unwrap() < 0.1);
        assert!(additivity(&base, &[one], &base).is_none());
    }
}
