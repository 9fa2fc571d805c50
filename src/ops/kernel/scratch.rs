//! Working memory that outlives a call: a thread keeps its buffers and lends them again, so that
//! the hot path allocates nothing but results.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Values per cache line; a vector that straddles two lines costs two loads.
const LINE: usize = 16;

thread_local! {
    static IDLE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of `len` values that starts on a cache line and **holds whatever was left in it**.
pub(super) struct Scratch {
    memory: Vec<f32>,
    start: usize,
    len: usize,
}

impl Scratch {
    /// Borrows a buffer from this thread; dropping it gives it back.
    pub(super) fn take(len: usize) -> Self {
        let mut memory = IDLE.with_borrow_mut(Vec::pop).unwrap_or_default();
        if memory.len() < len + LINE {
            memory.resize(len + LINE, 0.0);
        }
        let start = memory.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        Scratch { memory, start, len }
    }

    /// The same, filled with zeros.
    pub(super) fn zeroed(len: usize) -> Self {
        let mut scratch = Self::take(len);
        scratch.fill(0.0);
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        // A thread that is ending has no store any more; the buffer is then simply freed.
        let _ = IDLE.try_with(|idle| idle.borrow_mut().push(memory));
    }
}

impl Deref for Scratch {
    type Target = [f32];
    #[inline(always)]
    fn deref(&self) -> &[f32] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Scratch {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_lent_again() {
        let first = Scratch::zeroed(100);
        let address = first.as_ptr();
        assert_eq!(address as usize % 64, 0);
        assert_eq!(first.len(), 100);
        drop(first);
        assert_eq!(Scratch::take(50).as_ptr(), address);
    }
}
