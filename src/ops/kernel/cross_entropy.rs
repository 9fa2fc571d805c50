//! Cross-entropy of a softmax, with its gradient.

/// Mean over the batch of `-log softmax(logits)[label]`; `gradient` receives
/// `(softmax - one_hot) / batch`.
///
/// `logits` and `gradient` are `[batch, classes]`. Labels may be of any integer type.
///
/// # Panics
/// If a slice has the wrong length or a label is not a class.
pub fn cross_entropy<L: Copy + TryInto<usize>>(
    logits: &[f32],
    labels: &[L],
    gradient: &mut [f32],
) -> f32 {
    assert_eq!(gradient.len(), logits.len(), "gradient");
    let batch = labels.len();
    assert!(
        batch > 0 && logits.len().is_multiple_of(batch),
        "{} logits for {batch} labels",
        logits.len()
    );
    let classes = logits.len() / batch;
    let scale = 1.0 / batch as f32;
    let mut loss = 0.0;
    for ((logits, gradient), &label) in
        logits.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes)).zip(labels)
    {
        let label = label.try_into().ok().filter(|&label| label < classes).expect("a class");
        // NaN is lost here but not in the sum of exponentials.
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for (exponential, &logit) in gradient.iter_mut().zip(logits) {
            *exponential = (logit - largest).exp();
            sum += *exponential;
        }
        loss += f64::from(sum.ln() - (logits[label] - largest));
        let factor = scale / sum;
        gradient.iter_mut().for_each(|value| *value *= factor);
        gradient[label] -= scale;
    }
    (loss / batch as f64) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Values, assert_close};
    use super::*;

    proptest! {
        #[test]
        fn equals_the_definition((batch, classes) in (1..20usize, 1..15usize), seed in any::<u64>()) {
            let mut values = Values::normal(seed);
            let logits: Vec<f32> = values.take(batch * classes).iter().map(|logit| 10.0 * logit).collect();
            let labels: Vec<i64> = (0..batch).map(|_| (values.bits() % classes as u64) as i64).collect();
            let mut gradient = vec![0.5; logits.len()];
            let loss = cross_entropy(&logits, &labels, &mut gradient);
            let (mut expected_loss, mut expected) = (0.0, vec![]);
            for (logits, &label) in logits.chunks(classes).zip(&labels) {
                let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
                for (class, &logit) in logits.iter().enumerate() {
                    let own = if class as i64 == label { 1.0 } else { 0.0 };
                    expected.push(((f64::from(logit).exp() / sum - own) / batch as f64) as f32);
                }
                expected_loss += (sum.ln() - f64::from(logits[label as usize])) / batch as f64;
            }
            assert_close("loss", &[loss], &[expected_loss as f32], 1);
            assert_close("gradient", &gradient, &expected, 1);
        }
    }

    #[test]
    fn nan_and_infinity_give_nan() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut gradient = [0.0; 4];
            assert!(cross_entropy(&[1.0, bad, 0.0, 0.0], &[0u32, 1], &mut gradient).is_nan());
            assert!(gradient[0].is_nan() && gradient[1].is_nan() && !gradient[2].is_nan());
        }
    }

    #[test]
    #[should_panic(expected = "a class")]
    fn a_label_that_is_no_class_is_refused() {
        cross_entropy(&[1.0, 2.0], &[-1i64], &mut [0.0; 2]);
    }
}
