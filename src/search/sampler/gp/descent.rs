//! Minimisation of a smooth function in a box: L-BFGS with projected steps.
//!
//! Two-loop recursion and curvature condition as in Nocedal and Wright, Numerical Optimization,
//! section 7.2; coordinates that a bound holds are left out of a step and the line search follows
//! the projected path (Bertsekas 1982). A crate for this would bring a framework with it.

use super::super::linear::dot;

/// Steps whose curvature is remembered.
const MEMORY: usize = 8;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Most steps.
    pub steps: usize,
    /// Ends where no free coordinate of the gradient is larger.
    pub gradient: f64,
}

/// Lowest point found from `start` within the bounds `low` and `high`, and the value there.
///
/// `function` gives the value at a point and writes the gradient; NaN counts as too high.
pub(super) fn minimize(
    start: &[f64],
    low: &[f64],
    high: &[f64],
    effort: Effort,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> (Vec<f64>, f64) {
    let n = start.len();
    let project = |x: &mut [f64]| {
        for ((x, low), high) in x.iter_mut().zip(low).zip(high) {
            *x = x.clamp(*low, *high);
        }
    };
    let mut x = start.to_vec();
    project(&mut x);
    let mut gradient = vec![0.0; n];
    let mut value = function(&x, &mut gradient);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    let mut next_gradient = vec![0.0; n];
    for _ in 0..effort.steps {
        let held: Vec<bool> = (0..n)
            .map(|i| {
                (x[i] <= low[i] && gradient[i] > 0.0) || (x[i] >= high[i] && gradient[i] < 0.0)
            })
            .collect();
        let free = |i: usize| if held[i] { 0.0 } else { gradient[i] };
        let steepest: Vec<f64> = (0..n).map(free).collect();
        let largest = steepest.iter().fold(0.0, |largest: f64, g| largest.max(g.abs()));
        if largest <= effort.gradient {
            break;
        }
        let mut direction = quasi_newton(&steepest, &pairs);
        for (direction, held) in direction.iter_mut().zip(&held) {
            if *held {
                *direction = 0.0;
            }
        }
        // False for NaN too.
        let descends = dot(&direction, &steepest) < 0.0;
        if !descends {
            pairs.clear();
            direction = steepest.iter().map(|g| -g).collect();
        }
        // Without curvature a first step of length one at most.
        let mut length: f64 = if pairs.is_empty() { (1.0 / largest).min(1.0) } else { 1.0 };
        let mut accepted = None;
        for _ in 0..12 {
            let mut next: Vec<f64> =
                x.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            project(&mut next);
            let next_value = function(&next, &mut next_gradient);
            let slope: f64 = (0..n).map(|i| gradient[i] * (next[i] - x[i])).sum();
            if next_value <= value + 1e-4 * slope && slope < 0.0 {
                accepted = Some((next, next_value));
                break;
            }
            // The lowest point of the parabola through what is known, if it makes sense.
            let best = -slope * length / (2.0 * (next_value - value - slope));
            length = if best.is_finite() {
                best.clamp(0.1 * length, 0.5 * length)
            } else {
                0.1 * length
            };
        }
        let Some((next, next_value)) = accepted else {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        };
        let s: Vec<f64> = next.iter().zip(&x).map(|(next, x)| next - x).collect();
        let y: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(next, g)| next - g).collect();
        let curvature = dot(&s, &y);
        if curvature > 1e-10 * dot(&y, &y) {
            if pairs.len() == MEMORY {
                pairs.remove(0);
            }
            pairs.push((s, y, 1.0 / curvature));
        }
        let gain = value - next_value;
        (x, value) = (next, next_value);
        gradient.copy_from_slice(&next_gradient);
        if gain <= 1e-9 * value.abs().max(1.0) {
            break;
        }
    }
    (x, value)
}

/// −H·g for the inverse Hessian H that the pairs (s, y, 1/sᵀy) describe.
fn quasi_newton(gradient: &[f64], pairs: &[(Vec<f64>, Vec<f64>, f64)]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut factors = vec![0.0; pairs.len()];
    for (factor, (s, y, inverse)) in factors.iter_mut().zip(pairs).rev() {
        *factor = inverse * dot(s, &q);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= *factor * y);
    }
    if let Some((_, y, inverse)) = pairs.last() {
        let scale = 1.0 / (inverse * dot(y, y));
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for (factor, (s, y, inverse)) in factors.iter().zip(pairs) {
        let change = factor - inverse * dot(y, &q);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += change * s);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        gradient[0] = -2.0 * a - 400.0 * x[0] * b;
        gradient[1] = 200.0 * b;
        a * a + 100.0 * b * b
    }

    const EFFORT: Effort = Effort { steps: 200, gradient: 1e-9 };

    #[test]
    fn finds_the_valley_of_rosenbrock() {
        let (x, value) = minimize(&[-1.2, 1.0], &[-5.0; 2], &[5.0; 2], EFFORT, rosenbrock);
        assert!(value < 1e-12 && (x[0] - 1.0).abs() < 1e-5, "{x:?} {value}");
    }

    #[test]
    fn stops_at_the_bounds() {
        // Along x = ½ the best is y = ¼; both bounds hold or one of them.
        let (x, _) = minimize(&[-1.2, 1.0], &[-5.0; 2], &[0.5, 5.0], EFFORT, rosenbrock);
        assert!((x[0] - 0.5).abs() < 1e-12 && (x[1] - 0.25).abs() < 1e-6, "{x:?}");
        let (x, _) = minimize(&[-1.2, 1.0], &[-5.0; 2], &[0.5, 0.1], EFFORT, rosenbrock);
        assert!(x[0] < 0.5 && x[1] == 0.1, "{x:?}");
    }

    #[test]
    fn walls_of_nan_are_too_high() {
        let (x, _) = minimize(&[0.5], &[0.0], &[9.0], EFFORT, |x, gradient| {
            gradient[0] = 2.0 * (x[0] - 2.0);
            if x[0] > 2.5 { f64::NAN } else { (x[0] - 2.0).powi(2) }
        });
        assert!((x[0] - 2.0).abs() < 1e-8);
    }
}
