//! An image cut so that no vector of a patch straddles two cache lines.
//!
//! A row of a patch starts anywhere in an NHWC image, and most vectors loaded from there straddle
//! two cache lines, which costs two loads: the sums over patches are then bound by loads. Here a
//! *strip* is a column of the image 8 values wide, and each of its cache lines holds one row of it
//! and of its right neighbour. Any 8 values of a row lie within one line, at the price of storing
//! each value twice.

use super::lanes::load_unchecked;
use super::shape::ConvShape;
use super::width::{Kernel, Vectors};

/// Values by which strips are apart; a vector must not be longer.
pub(super) const STRIP: usize = 8;

/// Values of a strip's row: a cache line.
pub(super) const LINE: usize = 2 * STRIP;

/// Where the values of an image lie: `[strip][row][line]`.
#[derive(Clone, Copy)]
pub(super) struct Strips {
    count: usize,
    rows: usize,
    image_row: usize,
    /// Distance from one strip to the next.
    pub next: usize,
}

impl Strips {
    pub fn new(shape: &ConvShape) -> Self {
        let rows = shape.padded_size()[0];
        let last = (shape.conv_size()[1] - 1) * shape.stride[1] * shape.in_channels;
        Strips {
            count: last / STRIP + shape.patch_row().div_ceil(STRIP),
            rows,
            image_row: shape.padded_row(),
            // An odd number of lines: neighbours fall into different sets of the cache.
            next: (rows | 1) * LINE,
        }
    }

    /// Values of the whole image.
    pub fn len(&self) -> usize {
        self.count * self.next
    }

    /// Place of a value of the first row, and of the next ones as long as they fit a vector. Its
    /// right neighbours follow in the next strips, the rows below in the next lines.
    #[inline(always)]
    pub fn place(&self, value: usize) -> usize {
        value / STRIP * self.next + value % STRIP
    }
}

/// Cuts an image into strips.
pub(super) struct Cut<'a> {
    pub strips: Strips,
    /// Padded NHWC and [`super::conv_sparse::SLACK`].
    pub image: &'a [f32],
    /// [`Strips::len`] values.
    pub to: &'a mut [f32],
}

impl Kernel for Cut<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize, const FMA: bool>(self) {
        let Cut { strips: Strips { count, rows, image_row, next }, image, to } = self;
        let most = (rows - 1) * image_row + (count - 1) * STRIP + LINE;
        assert!(most <= image.len());
        for (strip, to) in to.chunks_exact_mut(next).take(count).enumerate() {
            let mut from = strip * STRIP;
            for line in &mut to.as_chunks_mut::<LINE>().0[..rows] {
                // SAFETY: rows and strips are below `rows` and `count`; `most` covers the last.
                *line = unsafe { load_unchecked(image, from) };
                from += image_row;
            }
        }
    }
}

/// Runs a computation with vectors that are no longer than a strip.
///
/// With 16 lanes the compiler joins neighbouring vectors of 8 by shuffles, which costs a third of
/// the speed; compiled for AVX2 the same loop multiplies at the full rate.
pub(super) fn run_narrow<K: Kernel>(vectors: Vectors, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if vectors.lanes() > STRIP {
        // SAFETY: `Vectors` has more than 8 lanes only where the machine has AVX-512, which
        // includes AVX2; `detected` demands FMA for both.
        return unsafe { run_avx2(kernel) };
    }
    vectors.run(kernel)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<STRIP, true>()
}
