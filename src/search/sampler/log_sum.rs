//! Sums of exponentials at the speed of vectors.

use std::f64::consts::LOG2_E;

/// Logarithm of a sum of exponentials; overwrites its terms. In eight lanes, which compilers turn
/// into vectors.
pub(super) fn log_sum_exp(logs: &mut [f64]) -> f64 {
    let largest = logs.iter().fold(f64::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    for log in logs.iter_mut() {
        *log = exp(*log - largest);
    }
    let mut lanes = [0.0; 8];
    let chunks = logs.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, term) in lanes.iter_mut().zip(chunk) {
            *lane += term;
        }
    }
    largest + (lanes.iter().sum::<f64>() + rest).ln()
}

/// The exponential function without branches or tables, for loops that become vectors: to 1e-14
/// for arguments from -700 to 700, below which it stays at its value for -700.
fn exp(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52: adding it rounds to whole numbers
    let x = if x > -700.0 { x } else { -700.0 };
    let shifted = x * LOG2_E + SHIFT;
    // ln 2 in two parts, so that the product with the first is exact.
    const HIGH: f64 = 0.693_147_180_369_123_8;
    const LOW: f64 = 1.908_214_929_270_587_7e-10;
    let whole = shifted - SHIFT;
    let r = (x - whole * HIGH) - whole * LOW;
    let mut sum = 1.0 / 39_916_800.0;
    for inverse in [
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * r + inverse;
    }
    sum * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_standard_library() {
        for i in -70_000..70_000 {
            let x = f64::from(i) / 100.0 + 1e-5 * f64::from(i % 7);
            let (ours, known) = (exp(x), x.exp());
            assert!(x < -700.0 || (ours / known - 1.0).abs() < 1e-14, "{x} {ours} {known}");
        }
        assert!(exp(-1e9) > 0.0 && exp(f64::NEG_INFINITY) < 1e-300);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn sums_of_any_length_and_size_are_right() {
        for count in 1..40 {
            let logs: Vec<f64> = (0..count).map(|i| f64::from(i * 37 % 11) - 5e3).collect();
            let plain: f64 = logs.iter().map(|log| (log + 5e3).exp()).sum();
            let ours = log_sum_exp(&mut logs.clone());
            assert!((ours - (plain.ln() - 5e3)).abs() < 1e-11, "{count}");
        }
        assert_eq!(log_sum_exp(&mut [0.0, -1e300]), 0.0);
    }
}
