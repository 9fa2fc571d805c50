//! Executes a study: workers that take trials, evaluate them and report.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::objective::{Command, Objective, Step, Task};
use super::study::{Job, Next, Study, StudyError};

/// How long a worker without work waits before it looks again for what other processes did.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a study is executed in this process.
#[derive(Clone, Copy, Debug)]
pub struct Workers {
    /// Trials at a time.
    pub count: usize,
    /// Threads that each trial may use.
    pub threads: usize,
    /// Seconds after which running trials are saved and the study stops.
    pub seconds: Option<f64>,
}

/// How [`Workers::run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudyEnd {
    /// Nothing is left to do.
    Done,
    /// It was told to stop, or its time was up; running trials have been saved.
    Stopped,
}

impl Workers {
    /// Evaluates trials until none is left, `stop` is raised, or the time is up. Running trials end
    /// their epoch first and are saved. `observe` hears of every change.
    ///
    /// # Errors
    /// When the journal cannot be read or written; running trials then stop at their next report.
    pub fn run(
        self,
        study: &Mutex<Study>,
        objective: &dyn Objective,
        stop: &AtomicBool,
        observe: &(dyn Fn(&Study) + Sync),
    ) -> Result<StudyEnd, StudyError> {
        let started = Instant::now();
        let shared = Shared {
            study,
            objective,
            observe,
            failure: Mutex::new(None),
            changed: Condvar::new(),
            halt: &|| {
                let late =
                    self.seconds.is_some_and(|limit| started.elapsed().as_secs_f64() >= limit);
                late || stop.load(Ordering::Relaxed)
            },
        };
        thread::scope(|scope| {
            for _ in 0..self.count {
                scope.spawn(|| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build();
                    match &pool {
                        Ok(pool) => pool.install(|| shared.work()),
                        // No threads to be had: this one serves as well.
                        Err(_) => shared.work(),
                    }
                });
            }
        });
        let halted = shared.halted();
        match shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None if halted => Ok(StudyEnd::Stopped),
            None => Ok(StudyEnd::Done),
        }
    }
}

/// What the workers of one process share.
struct Shared<'a> {
    study: &'a Mutex<Study>,
    objective: &'a dyn Objective,
    observe: &'a (dyn Fn(&Study) + Sync),
    /// The first error that makes going on useless.
    failure: Mutex<Option<StudyError>>,
    changed: Condvar,
    halt: &'a (dyn Fn() -> bool + Sync),
}

impl Shared<'_> {
    fn halted(&self) -> bool {
        (self.halt)() || lock(&self.failure).is_some()
    }

    fn work(&self) {
        while !self.halted() {
            let mut study = lock(self.study);
            match study.next_job() {
                Ok(Next::Run(job)) => {
                    (self.observe)(&study);
                    drop(study);
                    self.evaluate(&job);
                }
                Ok(Next::Wait) => {
                    // Woken by any change here; what other processes change shows by looking.
                    drop(self.changed.wait_timeout(study, LOOK_AGAIN));
                }
                Ok(Next::Done) => {
                    (self.observe)(&study);
                    return;
                }
                Err(error) => return self.fail(error),
            }
        }
    }

    fn evaluate(&self, job: &Job) {
        let mut failed = false;
        let checkpoints = lock(self.study).state().options.checkpoints.clone();
        let mut go_on = || {
            let mut report = |at: &Step| {
                let mut study = lock(self.study);
                let command = match study.report(job.trial, at) {
                    Ok(command) => command,
                    Err(error) => {
                        drop(study);
                        self.fail(error);
                        failed = true;
                        return Command::Stop;
                    }
                };
                (self.observe)(&study);
                drop(study);
                self.changed.notify_all();
                match command {
                    Command::Continue if self.halted() => Command::Pause,
                    command => command,
                }
            };
            let task = Task {
                trial: job.trial,
                seed: job.seed,
                values: &job.values,
                resume: job.resume.as_deref(),
                checkpoints: &checkpoints,
            };
            self.objective.evaluate(&task, &mut report)
        };
        let ending = match catch_unwind(AssertUnwindSafe(&mut go_on)) {
            Ok(ending) => ending.map_err(|error| error.to_string()),
            Err(panic) => Err(panic_text(panic.as_ref())),
        };
        if failed {
            return;
        }
        let mut study = lock(self.study);
        if let Err(error) = study.end(job.trial, ending) {
            drop(study);
            return self.fail(error);
        }
        (self.observe)(&study);
        drop(study);
        self.changed.notify_all();
    }

    fn fail(&self, error: StudyError) {
        lock(&self.failure).get_or_insert(error);
        self.changed.notify_all();
    }
}

/// A study whose other user panicked is still what its journal says.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the trial panicked: {}", text.unwrap_or_else(|| "no message".into()))
}
