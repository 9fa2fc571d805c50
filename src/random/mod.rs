//! Named random streams: every random draw of the project comes from one seed.
//!
//! A stream is ChaCha8 under a key made of the seed and a [`Purpose`]; the stream number is the
//! index (an epoch, a trial, a class, an image). So a draw depends on what it is for and never on
//! what was drawn before it: a resumed study, or one with other workers, continues bit for bit.

pub mod sobol;
mod sobol_directions;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the draws are for.
///
/// The numbers are part of every recorded result: add new ones at the end, never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Purpose {
    /// Which images train and which validate; index = class.
    Split = 1,
    /// The synthetic images; index = image.
    Synthetic = 2,
    /// Initial weights; index = layer.
    Weights = 3,
    /// Order of the training images; index = epoch.
    Order = 4,
    /// Augmentation; index = epoch.
    Augment = 5,
    /// Sampled configurations; index = trial.
    Configuration = 6,
    /// Bootstrap resamples; index = statistic.
    Bootstrap = 7,
    /// Seeds of the trials of a study; index = trial.
    Trial = 8,
    /// Permutations, as of ratios across layers in the placebo arm; index = replicate.
    Permutation = 9,
    /// Seeds of probe batches, vectors and the like, and what is drawn with them; index = what, and
    /// then its number.
    Probe = 10,
    /// What samplers draw; index = trial.
    Sampler = 11,
    /// What schedulers draw; index = trial or generation.
    Scheduler = 12,
    /// Noise of analytic objectives; index = trial.
    Noise = 13,
    /// Designs of sensitivity analyses; index = trajectory, dimension and the like.
    Design = 14,
}

/// Separates our keys from those of any other user of ChaCha with small integer seeds.
const DOMAIN: &[u8; 16] = b"strata streams 1";

/// The stream of draws for one purpose and index under `seed`.
///
/// Distinct arguments give distinct (key, stream number) pairs, so streams never overlap.
///
/// ```
/// use rand::Rng;
/// use strata::random::{Purpose, stream};
///
/// let mut first = stream(7, Purpose::Order, 0);
/// let mut again = stream(7, Purpose::Order, 0);
/// let mut other = stream(7, Purpose::Order, 1);
/// let value = first.next_u64();
/// assert_eq!(value, again.next_u64());
/// assert_ne!(value, other.next_u64());
/// ```
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..].copy_from_slice(DOMAIN);
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(index);
    generator
}

/// A seed for something that has a seed of its own, such as a trial of a study.
pub fn derived_seed(seed: u64, purpose: Purpose, index: u64) -> u64 {
    stream(seed, purpose, index).next_u64()
}

/// A standard normal number from two uniform ones in [0, 1) (Box & Muller).
pub fn normal(u: f64, v: f64) -> f64 {
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand::seq::SliceRandom;

    /// Known answers: a change here changes every recorded result, so it must be deliberate.
    #[test]
    fn first_draws_are_pinned() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        assert_eq!(first(0, Purpose::Split, 0), 0xd53b_11f2_5a01_fafb);
        assert_eq!(first(0, Purpose::Order, 0), 0x4bc3_120b_d0e8_b634);
        assert_eq!(first(1, Purpose::Order, 0), 0x1dbe_809d_4d73_7161);
        assert_eq!(first(1, Purpose::Order, 1), 0x7175_32eb_29a6_b8d0);
        assert_eq!(first(u64::MAX, Purpose::Bootstrap, u64::MAX), 0x7d8c_fd38_6d8b_0f1e);
    }

    /// `rand` may change how it turns bits into values; this is what we use of it.
    #[test]
    fn derived_values_are_pinned() {
        let mut generator = stream(42, Purpose::Configuration, 3);
        assert_eq!(generator.random::<f64>(), 0.44951739781379174);
        assert_eq!(generator.random_range(0..1000_u32), 112);
        assert_eq!(generator.random_range(0.0..1.0_f32), 0.8103553);
        let mut order: Vec<u32> = (0..8).collect();
        order.shuffle(&mut generator);
        assert_eq!(order, [5, 1, 6, 2, 7, 4, 0, 3]);
    }

    #[test]
    fn streams_differ_in_seed_purpose_and_index() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..5 {
            for purpose in [Purpose::Split, Purpose::Order, Purpose::Probe] {
                for index in 0..5 {
                    assert!(seen.insert(derived_seed(seed, purpose, index)));
                }
            }
        }
    }
}
