//! Executes chains of jobs in parallel: within a chain each job may depend on the results of those
//! before it, and chains know nothing of each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

/// A sequence of jobs in which each may depend on the results of those before it.
pub trait Chain: Send {
    /// What a worker does.
    type Job: Send + Sync;
    /// What came of it.
    type Outcome: Send;

    /// The next job; none at the end.
    fn next(&mut self) -> Option<Self::Job>;

    /// Hears of the result of the last job.
    fn hear(&mut self, outcome: Self::Outcome);
}

/// Chains that wait for a worker (none at the place of those at work), and how many are at work.
struct Waiting<C> {
    chains: Vec<Option<C>>,
    at_work: usize,
}

/// [`try_chains`] for work that always gives something; where `done` makes nothing of it, the chain ends.
fn run_chains<C: Chain, R: Send>(
    chains: Vec<C>,
    workers: usize,
    stop: &AtomicBool,
    work: impl Fn(&C::Job) -> R + Sync,
    mut done: impl FnMut(C::Job, R) -> Option<C::Outcome>,
) {
    let workers = workers.min(chains.len());
    let waiting =
        Mutex::new(Waiting { chains: chains.into_iter().map(Some).collect(), at_work: 0 });
    let changed = Condvar::new();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, waiting, changed, work) = (sender.clone(), &waiting, &changed, &work);
            scope.spawn(move || {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
                let run = |job: &C::Job| match &pool {
                    Ok(pool) => pool.install(|| work(job)),
                    // No thread to be had: this one serves as well.
                    Err(_) => work(job),
                };
                while let Some((index, mut chain)) = take(waiting, changed, stop) {
                    let Some(job) = chain.next() else {
                        give(waiting, changed, None);
                        continue;
                    };
                    let result = run(&job);
                    if sender.send((index, chain, job, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (index, mut chain, job, result) in receiver {
            let back = done(job, result).map(|outcome| {
                chain.hear(outcome);
                (index, chain)
            });
            give(&waiting, &changed, back);
        }
    });
}

/// Runs all chains, `workers` jobs at a time, and hands each result of `work` to `done` on the calling
/// thread as it comes; what `done` makes of it goes to the chain.
///
/// A worker always takes the first chain that waits, so earlier chains end first. Each worker has a
/// thread pool of its own with one thread, so results do not depend on the number of workers.
///
/// Work can fail or be told to stop half-way (`None`): the first failure raises `stop`, since there is no
/// use in going on, and is given back; else whether anything was stopped. No new job starts once `stop` is
/// raised.
///
/// # Errors
/// The first failure of `work`.
pub fn try_chains<C: Chain, R: Send, E: Send>(
    chains: Vec<C>,
    workers: usize,
    stop: &AtomicBool,
    work: impl Fn(&C::Job) -> Result<Option<R>, E> + Sync,
    mut done: impl FnMut(R) -> C::Outcome,
) -> Result<bool, E> {
    let (mut failure, mut stopped) = (None, false);
    run_chains(chains, workers, stop, work, |_, end| match end {
        Ok(Some(result)) => Some(done(result)),
        Ok(None) => {
            stopped = true;
            None
        }
        Err(error) => {
            stop.store(true, Ordering::Relaxed);
            failure.get_or_insert(error);
            None
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(stopped || stop.load(Ordering::Relaxed)),
    }
}

/// The first chain that waits; waits for one while others are at work that may come back.
fn take<C>(
    waiting: &Mutex<Waiting<C>>,
    changed: &Condvar,
    stop: &AtomicBool,
) -> Option<(usize, C)> {
    let mut state = lock(waiting);
    loop {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let next = state.chains.iter_mut().enumerate();
        let next = next.filter_map(|(index, chain)| Some((index, chain.take()?))).next();
        if next.is_some() {
            state.at_work += 1;
            return next;
        }
        if state.at_work == 0 {
            return None;
        }
        state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Puts a chain back, or books that it ended.
fn give<C>(waiting: &Mutex<Waiting<C>>, changed: &Condvar, back: Option<(usize, C)>) {
    let mut state = lock(waiting);
    state.at_work -= 1;
    if let Some((index, chain)) = back {
        state.chains[index] = Some(chain);
    }
    changed.notify_all();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Doubles its last result until it is large.
    struct Doubling {
        last: u64,
        limit: u64,
    }

    impl Chain for Doubling {
        type Job = u64;
        type Outcome = u64;

        fn next(&mut self) -> Option<u64> {
            (self.last < self.limit).then_some(self.last)
        }

        fn hear(&mut self, outcome: u64) {
            self.last = outcome;
        }
    }

    fn chains() -> Vec<Doubling> {
        (1..20).map(|first| Doubling { last: first, limit: 1000 }).collect()
    }

    #[test]
    fn every_chain_hears_its_own_results_whatever_the_number_of_workers() {
        let run = |workers| {
            let stop = AtomicBool::new(false);
            let mut seen = Vec::new();
            run_chains(
                chains(),
                workers,
                &stop,
                |job| job * 2,
                |job, result| {
                    seen.push((job, result));
                    Some(result)
                },
            );
            seen.sort_unstable();
            seen
        };
        let serial = run(1);
        assert!(serial.len() > 100);
        for workers in [2, 7, 100] {
            assert_eq!(run(workers), serial);
        }
    }

    #[test]
    fn a_stop_ends_all_and_a_refusal_ends_one_chain() {
        let stop = AtomicBool::new(false);
        let mut jobs = 0;
        run_chains(
            chains(),
            2,
            &stop,
            |job| *job,
            |_, result| {
                jobs += 1;
                stop.store(jobs >= 5, Ordering::Relaxed);
                Some(result * 2)
            },
        );
        // Workers may be some results ahead of `done`, but not at the end of all.
        assert!((5..100).contains(&jobs), "{jobs}");

        let never = AtomicBool::new(false);
        let mut jobs = 0;
        run_chains(
            chains(),
            3,
            &never,
            |job| *job,
            |_, _| {
                jobs += 1;
                None
            },
        );
        assert_eq!(jobs, 19);
    }

    #[test]
    fn no_chains_are_no_work() {
        let stop = AtomicBool::new(false);
        run_chains(Vec::<Doubling>::new(), 4, &stop, |job| *job, |_, result| Some(result));
    }
}
