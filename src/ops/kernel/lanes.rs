//! Arithmetic on `[f32; N]`, each array meant to live in one vector register.

/// `a * b + c`, fused where that is one instruction.
#[inline(always)]
pub(super) fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `sum += factor * vector`.
#[inline(always)]
pub(super) fn add_scaled<const N: usize, const FMA: bool>(
    sum: &mut [f32; N],
    factor: f32,
    vector: &[f32; N],
) {
    for lane in 0..N {
        sum[lane] = multiply_add::<FMA>(factor, vector[lane], sum[lane]);
    }
}

/// `left - right`.
#[inline(always)]
pub(super) fn minus<const N: usize>(left: &[f32; N], right: &[f32; N]) -> [f32; N] {
    let mut difference = [0.0; N];
    for lane in 0..N {
        difference[lane] = left[lane] - right[lane];
    }
    difference
}

/// The first `N` values of a slice.
#[inline(always)]
pub(super) fn load<const N: usize>(from: &[f32]) -> [f32; N] {
    *from.first_chunk().expect("a full vector")
}

/// The `N` values from `start` on, without a check.
///
/// # Safety
/// `start + N` must not exceed the length of `from`.
#[inline(always)]
pub(super) unsafe fn load_unchecked<const N: usize>(from: &[f32], start: usize) -> [f32; N] {
    debug_assert!(start + N <= from.len());
    // SAFETY: the caller's promise; an array of `f32` has the alignment of `f32`.
    unsafe { *from.as_ptr().add(start).cast::<[f32; N]>() }
}

/// The first `V` vectors of a slice.
#[inline(always)]
pub(super) fn load_all<const N: usize, const V: usize>(from: &[f32]) -> [[f32; N]; V] {
    let from = &from[..V * N];
    let mut vectors = [[0.0; N]; V];
    // A loop rather than `array::from_fn`: its closure is not always inlined, and outside the
    // wrapper it would be compiled without the wide instructions.
    for v in 0..V {
        vectors[v] = load(&from[v * N..]);
    }
    vectors
}

/// Writes a vector to the start of `to`, or as much of it as fits.
#[inline(always)]
pub(super) fn store<const N: usize>(to: &mut [f32], vector: &[f32; N]) {
    match to.first_chunk_mut() {
        Some(whole) => *whole = *vector,
        None => to.iter_mut().zip(vector).for_each(|(to, &from)| *to = from),
    }
}

/// ReLU as Burn and PyTorch define it: NaN stays NaN, `-0.0` becomes `0.0`.
#[inline(always)]
pub(super) fn relu<const N: usize>(vector: &mut [f32; N]) {
    for value in vector {
        *value = if *value <= 0.0 { 0.0 } else { *value };
    }
}

/// Maximum of a 2x2 window and its place (0..4, row by row): the first of equals wins, but NaN
/// beats everything and the last NaN counts, as in PyTorch and Burn.
#[inline(always)]
pub(super) fn window_max<const N: usize>(window: [&[f32; N]; 4]) -> ([f32; N], [u32; N]) {
    let mut best = *window[0];
    let mut place = [0; N];
    for (candidate, values) in window.into_iter().enumerate().skip(1) {
        for lane in 0..N {
            let take = (values[lane] > best[lane]) | values[lane].is_nan();
            best[lane] = if take { values[lane] } else { best[lane] };
            place[lane] = if take { candidate as u32 } else { place[lane] };
        }
    }
    (best, place)
}
