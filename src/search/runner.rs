//! Executes jobs in parallel, one thread each.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Runs `work` on every job, `workers` at a time in the order given, and hands each result to
/// `done` on the calling thread as it comes. No new job starts once `stop` is raised.
///
/// Each worker has a thread pool of its own with one thread, so that whatever a job computes in
/// parallel stays on its thread, and results do not depend on the number of workers.
pub fn run_parallel<J: Sync, R: Send>(
    jobs: &[J],
    workers: usize,
    stop: &AtomicBool,
    work: impl Fn(&J) -> R + Sync,
    mut done: impl FnMut(R),
) {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers.min(jobs.len()) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
                let run = |job| match &pool {
                    Ok(pool) => pool.install(|| work(job)),
                    // No thread to be had: this one serves as well.
                    Err(_) => work(job),
                };
                while !stop.load(Ordering::Relaxed) {
                    let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    if sender.send(run(job)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        receiver.iter().for_each(&mut done);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_runs_once_whatever_the_number_of_workers() {
        let jobs: Vec<u64> = (0..100).collect();
        for workers in [1, 2, 7, 200] {
            let stop = AtomicBool::new(false);
            let mut squares = Vec::new();
            run_parallel(&jobs, workers, &stop, |job| job * job, |square| squares.push(square));
            squares.sort_unstable();
            assert_eq!(squares, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_job_sees_one_thread() {
        let stop = AtomicBool::new(false);
        let mut threads = Vec::new();
        run_parallel(&[(), ()], 2, &stop, |()| rayon::current_num_threads(), |n| threads.push(n));
        assert_eq!(threads, [1, 1]);
    }

    #[test]
    fn nothing_starts_after_a_stop() {
        let stop = AtomicBool::new(false);
        let mut results = 0;
        let work = |job: &u64| {
            if *job == 3 {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let jobs: Vec<u64> = (0..100).collect();
        run_parallel(&jobs, 1, &stop, work, |()| results += 1);
        assert_eq!(results, 4);
    }
}
