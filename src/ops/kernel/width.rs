//! How wide the vectors are: found at run time, so that one binary runs everywhere.
//!
//! A kernel is written once, as plain loops over `[f32; N]`. [`Kernel::run`] is inlined into three
//! wrappers, two of which enable the processor's wide instructions for everything inlined in them;
//! the compiler then turns each array into one register.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// Vector width that the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// What the compilation target guarantees: 4 lanes (SSE2 on x86-64, NEON on ARM).
    Baseline,
    /// 8 lanes with fused multiply-add.
    Avx2,
    /// 16 lanes with fused multiply-add and 32 registers.
    Avx512,
}

impl Width {
    /// The name that `STRATA_SIMD` takes and that a run's manifest records.
    pub fn name(self) -> &'static str {
        match self {
            Width::Baseline => "baseline",
            Width::Avx2 => "avx2",
            Width::Avx512 => "avx512",
        }
    }

    /// The widths that this machine can run, narrowest first.
    pub fn available() -> Vec<Width> {
        [Width::Baseline, Width::Avx2, Width::Avx512]
            .into_iter()
            .filter(|&width| width <= detected())
            .collect()
    }

    /// The width in use: the last [`Width::set`], else `STRATA_SIMD`, else the widest available.
    pub fn current() -> Width {
        match FORCED.load(Ordering::Relaxed) {
            0 => chosen_at_start(),
            1 => Width::Baseline,
            2 => Width::Avx2,
            _ => Width::Avx512,
        }
    }

    /// Sets the width for the whole process; a width that the machine lacks becomes its widest.
    /// `None` goes back to the choice made at start-up. Results differ between widths by rounding.
    pub fn set(width: Option<Width>) {
        let code = match width.map(|width| width.min(detected())) {
            None => 0,
            Some(Width::Baseline) => 1,
            Some(Width::Avx2) => 2,
            Some(Width::Avx512) => 3,
        };
        FORCED.store(code, Ordering::Relaxed);
    }
}

static FORCED: AtomicU8 = AtomicU8::new(0);

fn chosen_at_start() -> Width {
    static CHOSEN: OnceLock<Width> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let wanted = match std::env::var("STRATA_SIMD").as_deref() {
            Ok("baseline") => Width::Baseline,
            Ok("avx2") => Width::Avx2,
            _ => Width::Avx512,
        };
        wanted.min(detected())
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Width {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        Width::Baseline
    } else if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
        Width::Avx512
    } else {
        Width::Avx2
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Width {
    Width::Baseline
}

/// A computation that is compiled once for each vector width.
///
/// `run` and everything that it calls must be `#[inline(always)]`: only code inlined into the
/// wrappers below is compiled for the wide instructions.
pub(super) trait Kernel {
    /// What the computation returns.
    type Output;

    /// Runs over vectors of `N` lanes; `FMA` says whether `mul_add` is one instruction (without
    /// it, `mul_add` is a slow library call).
    fn run<const N: usize, const FMA: bool>(self) -> Self::Output;
}

/// True where the compilation target itself guarantees fused multiply-add.
const BASELINE_FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// The vector width of one operation, read once so that all its parts agree.
#[derive(Clone, Copy)]
pub(super) struct Vectors(Width);

impl Vectors {
    /// The width in use now.
    #[inline]
    pub(super) fn current() -> Self {
        Vectors(Width::current())
    }

    /// Values in a vector.
    pub(super) fn lanes(self) -> usize {
        match self.0 {
            Width::Baseline => 4,
            Width::Avx2 => 8,
            Width::Avx512 => 16,
        }
    }

    /// Runs a computation with this width.
    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: `Vectors` is only made from `Width::current`, which never exceeds what
            // `detected` found on this machine.
            #[cfg(target_arch = "x86_64")]
            Width::Avx512 => unsafe { run_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Width::Avx2 => unsafe { run_avx2(kernel) },
            _ => kernel.run::<4, BASELINE_FMA>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Vectors {
    /// Runs a computation that exists with 16 lanes only.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub(super) fn run_widest<K: Kernel>(self, kernel: K) -> K::Output {
        assert_eq!(self.0, Width::Avx512, "see `lanes`");
        // SAFETY: as in `run`.
        unsafe { run_avx512(kernel) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<16, true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<8, true>()
}

#[cfg(test)]
mod tests {
    use super::super::testing::each_width;
    use super::*;

    #[test]
    fn every_width_runs_and_none_exceeds_the_machine() {
        each_width(|| {
            let lanes = Vectors::current().lanes();
            assert_eq!(Vectors::current().run(Lanes), lanes);
            Width::set(Some(Width::Avx512));
            assert!(Width::available().contains(&Width::current()));
        });
    }

    struct Lanes;

    impl Kernel for Lanes {
        type Output = usize;

        #[inline(always)]
        fn run<const N: usize, const FMA: bool>(self) -> usize {
            N
        }
    }
}
