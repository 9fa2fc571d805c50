//! Fast FIR algorithm: a convolution at stride 1 with fewer multiplications.
//!
//! A filter of `K` taps takes `2 K` multiplications for two neighbouring outputs. Split the taps
//! into even ones `H0` and odd ones `H1`, the samples into even ones `E` and odd ones `O`:
//!
//! ```text
//! y[2n]     = H0 E[n] + H1 O[n]   = (H0 + H1) O[n] + H0 (E[n] - O[n])
//! y[2n + 1] = H0 O[n] + H1 E[n+1] = (H0 + H1) O[n] + H1 (E[n+1] - O[n])
//! ```
//!
//! The first product on the right serves both outputs, so five taps take 3 + 3 + 2 = 8
//! multiplications instead of 10, and down and across together 64 instead of 100. Those four
//! outputs are the pooling window. The sub-filters' sums are formed once for all images, the
//! differences of samples once for all output channels. All of it is plain addition, so the error
//! stays that of an ordinary sum.
//!
//! Mou and Duhamel, "Short-length FIR filters and their use in fast nonrecursive filtering", IEEE
//! Transactions on Signal Processing 39 (1991); in this transposed form: Parhi, "VLSI Digital
//! Signal Processing Systems" (1999), chapter 9.

use super::shape::ConvShape;
use super::width::Kernel;

/// The three products of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `(H0 + H1) O`, in both outputs.
    Both,
    /// `H0 (E - O)`, in the even output.
    Even,
    /// `H1 (E⁺ - O)`, in the odd output; `E⁺` is the even sample after `O`.
    Odd,
}

/// The parts of one dimension, in the order in which everything is stored.
pub(super) const PARTS: [Part; 3] = [Part::Both, Part::Even, Part::Odd];

impl Part {
    /// Taps of the sub-filter of a filter with `taps`.
    #[inline(always)]
    pub(super) const fn taps(self, taps: usize) -> usize {
        match self {
            Part::Both | Part::Even => taps.div_ceil(2),
            Part::Odd => taps / 2,
        }
    }

    /// The taps of the whole filter that tap `index` of the sub-filter sums: one or two.
    pub(super) fn sources(self, index: usize, taps: usize) -> std::ops::Range<usize> {
        match self {
            Part::Both => 2 * index..taps.min(2 * index + 2),
            Part::Even => 2 * index..2 * index + 1,
            Part::Odd => 2 * index + 1..2 * index + 2,
        }
    }
}

/// Multiplications for a pooling window of one input channel: all parts' taps.
pub(super) const fn taps(shape: &ConvShape) -> usize {
    parts_taps(shape.kernel[0]) * parts_taps(shape.kernel[1])
}

/// Multiplications for two neighbouring outputs of a filter with `taps`.
pub(super) const fn parts_taps(taps: usize) -> usize {
    2 * taps.div_ceil(2) + taps / 2
}

/// Multiplications that a pooling window saves for one input and one output channel.
pub(super) const fn saved(shape: &ConvShape) -> usize {
    4 * shape.kernel[0] * shape.kernel[1] - taps(shape)
}

/// Most values of an image's parts: beyond, they leave the cache before they are used.
pub(super) const MOST_SAMPLES: usize = 1 << 16;

/// Largest magnitude of an input or weight for which no difference, sum or product of the parts
/// can overflow where the plain sum does not: 40 `LARGEST²` for each value under the kernel.
/// Beyond, infinity minus infinity would give NaN, so such images take the plain path.
const LARGEST: f32 = 1e15;

/// Whether every value is finite and small enough for the parts.
pub(super) struct Bounded<'a>(pub &'a [f32]);

impl Kernel for Bounded<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) -> bool {
        // As integers, magnitudes are ordered like the numbers; infinity and NaN come last.
        let mut largest = 0;
        for value in self.0 {
            largest = largest.max(value.to_bits() & 0x7fff_ffff);
        }
        largest <= LARGEST.to_bits()
    }
}

/// Transforms packed weights into `[part down][part across]` blocks of sub-filters.
pub(super) struct PackParts<'a> {
    pub kernel: [usize; 2],
    /// Values that follow one tap and belong to it.
    pub tap: usize,
    /// `[outer, row, column][tap]`.
    pub from: &'a [f32],
    /// Receives, for each part down and across, `[outer, row, column][tap]`.
    pub to: &'a mut [f32],
}

impl Kernel for PackParts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let PackParts { kernel: [height, width], tap, from, to } = self;
        let mut to = to.chunks_exact_mut(tap);
        for down in PARTS {
            for across in PARTS {
                for filter in from.chunks_exact(height * width * tap) {
                    for y in 0..down.taps(height) {
                        for x in 0..across.taps(width) {
                            let Some(to) = to.next() else { return };
                            to.fill(0.0);
                            for y in down.sources(y, height) {
                                for x in across.sources(x, width) {
                                    let from = &filter[(y * width + x) * tap..][..tap];
                                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
