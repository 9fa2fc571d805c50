//! Memory of tensors that nobody needs any more, for the next ones of the same size.
//!
//! A training step makes the same tensors again and again. Taken from the allocator they would have to be
//! zeroed first, and would lie elsewhere each time, out of the cache.

use std::cell::RefCell;

use burn_flex::FlexTensor;

use super::into_vector;

/// Values from which this pays.
const LEAST: usize = 1 << 10;

/// Vectors that a thread keeps: those of a step of a net with some ten layers. The oldest go first.
const MOST: usize = 32;

thread_local! {
    static IDLE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A vector of `len` values that **holds whatever was left in it**.
pub(super) fn take(len: usize) -> Vec<f32> {
    let idle = (len >= LEAST)
        .then(|| {
            IDLE.with_borrow_mut(|idle| {
                let place = idle.iter().rposition(|vector| vector.len() == len)?;
                Some(idle.remove(place))
            })
        })
        .flatten();
    idle.unwrap_or_else(|| vec![0.0; len])
}

/// Keeps a vector for [`take`].
pub(super) fn give(vector: Vec<f32>) {
    if vector.len() < LEAST {
        return;
    }
    // A thread that is ending has no store any more; the vector is then simply freed.
    let _ = IDLE.try_with(|idle| {
        let mut idle = idle.borrow_mut();
        if idle.len() == MOST {
            idle.remove(0);
        }
        idle.push(vector);
    });
}

/// Keeps the memory of a contiguous tensor, unless something else holds it.
pub(super) fn give_tensor(tensor: FlexTensor) {
    if tensor.layout().num_elements() >= LEAST
        && let Some(vector) = into_vector(tensor)
    {
        give(vector);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tensor;
    use super::*;

    #[test]
    fn memory_comes_back_unless_something_holds_it() {
        let mut vector = take(LEAST);
        assert_eq!(vector, [0.0; LEAST]);
        vector[3] = 7.0;
        let address = vector.as_ptr();
        give_tensor(tensor(vector, &[LEAST]));
        assert_eq!(take(LEAST + 1), [0.0; LEAST + 1]);
        let vector = take(LEAST);
        assert_eq!((vector.as_ptr(), vector[3]), (address, 7.0));

        let tensor = tensor(vector, &[LEAST]);
        let held = tensor.clone();
        give_tensor(tensor);
        assert_eq!(take(LEAST), [0.0; LEAST]);
        drop(held);
    }

    #[test]
    fn the_oldest_go_first() {
        for number in 0..=MOST {
            give(vec![0.5; LEAST + number]);
        }
        assert_eq!(take(LEAST)[0], 0.0);
        assert_eq!(take(LEAST + MOST)[0], 0.5);
    }
}
