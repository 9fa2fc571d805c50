//! What the tests of this folder share: operands, comparisons, and a turn for every vector width.

use std::sync::{Mutex, PoisonError};

use super::width::Width;

/// A stream of numbers from a seed (SplitMix64).
pub(super) struct Values {
    state: u64,
    exact: bool,
}

impl Values {
    /// Multiples of 1/4 between -2 and 2.
    pub(super) fn exact(seed: u64) -> Self {
        Values { state: seed, exact: true }
    }

    /// About normal, standard deviation 1.
    pub(super) fn normal(seed: u64) -> Self {
        Values { state: seed, exact: false }
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> f32 {
        let bits = self.bits();
        if self.exact {
            (bits % 17) as f32 / 4.0 - 2.0
        } else {
            // Four uniform numbers: near enough to a normal one.
            let sum: f32 = (0..4).map(|part| (bits >> (16 * part) & 0xffff) as f32 / 65536.0).sum();
            (sum - 2.0) * 1.732
        }
    }

    /// Replaces up to three values by NaN and infinities.
    pub(super) fn spoil(seed: u64, values: &mut [f32]) {
        let mut stream = Values::exact(seed ^ values.len() as u64);
        for _ in 0..1 + stream.bits() % 3 {
            let place = stream.bits() as usize % values.len();
            values[place] =
                [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][stream.bits() as usize % 3];
        }
    }
}

/// Runs `test` at each width that this machine has.
pub(super) fn each_width(mut test: impl FnMut()) {
    for width in Width::available() {
        at_width(width, &mut test);
    }
}

/// Runs `test` at one width. The width is one for the process, so tests that set it take turns.
pub(in super::super) fn at_width<R>(width: Width, test: impl FnOnce() -> R) -> R {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Width::set(Some(width));
    let result = test();
    Width::set(None);
    result
}

/// Bitwise equality, except that all NaN are one and both zeros are one.
pub(super) fn assert_same(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found == expected || found.is_nan() && expected.is_nan();
        assert!(same, "{what}[{index}]: {found} instead of {expected} ({:?})", Width::current());
    }
}

/// Differences of at most 1e-5, relative to the largest value or to the size that a sum of `terms`
/// normal products usually has, whichever is larger: a sum may cancel to nothing.
pub(super) fn assert_close(what: &str, found: &[f32], expected: &[f32], terms: usize) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let usual = (terms as f32).sqrt();
    let scale = expected.iter().fold(usual, |largest, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let close = (found - expected).abs() <= 1e-5 * scale;
        assert!(close, "{what}[{index}]: {found} instead of {expected} ({:?})", Width::current());
    }
}
