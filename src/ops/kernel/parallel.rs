//! One thread by default; the current rayon pool when asked.
//!
//! Sums over a batch are taken over chunks of [`CHUNK`] images and then added in the chunks'
//! order, so the result has the same bits whatever the number of threads.

/// Images whose weight gradients are summed before they are added to the total.
pub(super) const CHUNK: usize = 8;

/// Runs every task, on the current rayon pool if `threads` is more than one. The first task stays on
/// this thread, so a single one costs nothing more.
pub(super) fn run_all<T: Send>(
    threads: usize,
    mut tasks: impl Iterator<Item = T>,
    work: impl Fn(T) + Sync,
) {
    if threads <= 1 {
        return tasks.for_each(work);
    }
    let Some(first) = tasks.next() else { return };
    let Some(second) = tasks.next() else { return work(first) };
    let work = &work;
    rayon::in_place_scope(|scope| {
        for task in std::iter::once(second).chain(tasks) {
            scope.spawn(move |_| work(task));
        }
        work(first);
    });
}

/// Images in each of `threads` even shares of a batch; at least a chunk, since waking a thread
/// for less costs more than it saves.
pub(super) fn share(batch: usize, threads: usize) -> usize {
    batch.div_ceil(threads.max(1)).max(CHUNK)
}
