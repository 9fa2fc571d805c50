//! Losses as the Gaussian process sees them.

/// How far above the median a loss can go, in distances from the median to the best loss.
const CEILING: f64 = 5.0;

/// Standardised losses, in the order given; `None` stands for a trial without one and becomes the
/// worst that is known.
///
/// Losses above the median are first compressed: one that lies u times as far above the median as
/// the best lies below it is moved to u / (1 + u / 5) times that distance. This keeps their order
/// and their slope at the median and bounds them, so that a configuration that all but diverged
/// does not flatten the rest.
pub(super) fn standardise(losses: &[Option<f64>]) -> Vec<f64> {
    let mut known: Vec<f64> = losses.iter().copied().flatten().collect();
    known.sort_by(f64::total_cmp);
    let Some(&best) = known.first() else { return vec![0.0; losses.len()] };
    // The lower median, so that a few good losses are enough to set a scale.
    let median = known[(known.len() - 1) / 2];
    // Where at least half are equally good the next larger loss sets the scale.
    let next = known.iter().copied().find(|loss| *loss > best);
    let unit = if median > best { median - best } else { next.unwrap_or(best + 1.0) - best };
    let compress = |loss: f64| {
        // Divided first: differences of huge losses overflow.
        let u = loss / unit - median / unit;
        if u > 0.0 { if u.is_finite() { u / (1.0 + u / CEILING) } else { CEILING } } else { u }
    };
    let worst = compress(*known.last().unwrap_or(&best));
    let mut values: Vec<f64> = losses.iter().map(|loss| loss.map_or(worst, compress)).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    values.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n)
    }

    #[test]
    fn order_is_kept_and_moments_are_standard() {
        let losses = [3.0, 0.5, 1e30, 2.0, 7.0, 1.0, 1.5].map(Some);
        let values = standardise(&losses);
        let (mean, variance) = moments(&values);
        assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12);
        for (a, x) in losses.iter().zip(&values) {
            for (b, y) in losses.iter().zip(&values) {
                assert_eq!(a < b, x < y);
            }
        }
        // Good losses stay apart in spite of the outlier.
        assert!(values[3] - values[1] > 0.5, "{values:?}");
    }

    #[test]
    fn trials_without_a_loss_count_as_the_worst() {
        let values = standardise(&[Some(1.0), None, Some(4.0), Some(2.0)]);
        assert_eq!(values[1], values[2]);
        assert!(values[0] < values[3] && values[3] < values[2]);
    }

    #[test]
    fn degenerate_losses_give_finite_values() {
        for losses in [
            vec![None, None],
            vec![Some(2.0)],
            vec![Some(2.0), Some(2.0), Some(2.0)],
            vec![Some(0.0), Some(0.0), Some(0.0), Some(1e-300)],
            vec![Some(-f64::MAX), Some(f64::MAX), Some(0.0)],
            vec![Some(f64::MIN_POSITIVE), Some(f64::MAX)],
        ] {
            let values = standardise(&losses);
            assert!(values.iter().all(|value| value.is_finite()), "{losses:?} {values:?}");
        }
    }
}
