//! How many pairs or searches would show an effect.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::gamma::ln_gamma;

use super::t_quantile;

/// More than anyone runs: beyond it the answer is "none".
const MOST: usize = 100_000;
/// Steps of Simpson's rule.
const STEPS: usize = 2_000;

/// Probability that a two-sided t-test at 5 % over `n` ≥ 2 independent values of standard deviation
/// `deviation` shows an `effect` in its direction.
///
/// The noncentral t-distribution, as its definition: P(Z + δ > t·s) averaged over s = √(χ²/ν), by
/// Simpson's rule.
pub fn power(effect: f64, deviation: f64, n: usize) -> f64 {
    if deviation == 0.0 {
        return if effect > 0.0 { 1.0 } else { 0.0 };
    }
    let freedom = (n - 1) as f64;
    let critical = t_quantile(0.975, n - 1);
    let shift = effect / deviation * (n as f64).sqrt();
    let normal = Normal::standard();
    let scale = (freedom / 2.0) * (freedom / 2.0).ln() - ln_gamma(freedom / 2.0) + 2.0_f64.ln();
    let at = |s: f64| {
        let rise = if n == 2 { 0.0 } else { (freedom - 1.0) * s.ln() };
        (scale + rise - freedom * s * s / 2.0).exp() * normal.cdf(shift - critical * s)
    };
    // s has mean near 1 and standard deviation below 1/√(2ν); this far out nothing is left.
    let reach = 10.0 / (2.0 * freedom).sqrt();
    let (low, high) = ((1.0 - reach).max(0.0), 1.0 + reach);
    let step = (high - low) / STEPS as f64;
    let weight = |i| if i == 0 || i == STEPS { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
    let sum: f64 = (0..=STEPS).map(|i| weight(i) * at(low + step * i as f64)).sum();
    (sum * step / 3.0).clamp(0.0, 1.0)
}

/// Fewest values, at least `fewest` (and 2), that show `effect` with 80 % power by [`power`]; none if
/// that is more than 100,000 or the effect is not positive. The deviation is taken as known.
pub fn needed(effect: f64, deviation: f64, fewest: usize) -> Option<usize> {
    let fewest = fewest.max(2);
    let enough = |n| power(effect, deviation, n) >= 0.8;
    if effect.is_nan() || effect <= 0.0 || !enough(MOST) {
        return None;
    }
    let (mut below, mut above) = (fewest - 1, fewest);
    while !enough(above) {
        (below, above) = (above, (2 * above).min(MOST));
    }
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if enough(middle) { above = middle } else { below = middle }
    }
    Some(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers() {
        // An effect of one deviation: 10 pairs; of half of one: 34 (as in Cohen's tables).
        assert_eq!(needed(1.0, 1.0, 2), Some(10));
        assert_eq!(needed(0.5, 1.0, 2), Some(34));
        assert_eq!(needed(0.005, 0.0, 6), Some(6));
        assert_eq!(needed(1.0, 1.0, 12), Some(12));
        assert_eq!((needed(0.0, 1.0, 2), needed(1e-6, 1.0, 2)), (None, None));
    }
}
