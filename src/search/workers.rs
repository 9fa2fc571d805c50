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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::search::journal::Journal;
    use crate::search::sampler::{SamplerOptions, sampler};
    use crate::search::scheduler::{SchedulerOptions, scheduler};
    use crate::search::space::{NoGroups, Space};
    use crate::search::{
        Direction, Ending, Lives, ObjectiveError, State, StudyOptions, TrialState,
    };

    /// Trial 1 panics, trial 2 fails at its first attempt, trial 3 always, trial 4 diverges.
    #[derive(Default)]
    struct Moody {
        attempts: AtomicU64,
    }

    impl Objective for Moody {
        fn metrics(&self) -> &[(&'static str, Direction)] {
            &[("loss", Direction::Minimize)]
        }

        fn evaluate(
            &self,
            task: &Task,
            report: &mut dyn FnMut(&Step) -> Command,
        ) -> Result<Ending, ObjectiveError> {
            match task.trial {
                1 => panic!("out of cheese"),
                2 if self.attempts.fetch_add(1, Ordering::Relaxed) == 0 => Err("a hiccup".into()),
                3 => Err("no such file".into()),
                4 => Ok(Ending::Diverged),
                trial => {
                    let metrics = vec![("loss", trial as f64)];
                    report(&Step { step: 1, metrics, images_trained: 8, seconds: 0.5 });
                    Ok(Ending::Complete)
                }
            }
        }
    }

    fn study(folder: &Path, retries: u64) -> Study {
        let space = Space::parse("[space]\nx = { uniform = [0.0, 1.0] }", &NoGroups).unwrap();
        let lives = Lives::begin(folder).unwrap();
        let path = folder.join("study.journal");
        let (journal, _) = Journal::open(&path, "test", Direction::Minimize, lives.name()).unwrap();
        let options = StudyOptions {
            seed: 0,
            seed_blocks: Vec::new(),
            metric: "loss".into(),
            direction: Direction::Minimize,
            trials: 6,
            parallel_asks: 4,
            retries,
            budget: None,
            checkpoints: folder.to_owned(),
        };
        let sampler = sampler("random", &SamplerOptions::default(), &space).unwrap();
        let scheduler = scheduler("none", &SchedulerOptions::default()).unwrap();
        Study::new(journal, lives, State::new(options, space, sampler, scheduler)).unwrap()
    }

    fn run(folder: &Path, retries: u64) -> Study {
        let study = Mutex::new(study(folder, retries));
        let workers = Workers { count: 2, threads: 1, seconds: None };
        let stop = AtomicBool::new(false);
        let end = workers.run(&study, &Moody::default(), &stop, &|_| {}).unwrap();
        assert_eq!(end, StudyEnd::Done);
        study.into_inner().unwrap()
    }

    #[test]
    fn whatever_befalls_a_trial_is_a_row_and_the_study_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let first = run(folder.path(), 1);
        let check = |study: &Study| {
            let trials = study.state().trials();
            let states: Vec<_> = trials.iter().map(|trial| trial.state).collect();
            use TrialState::{Complete, Diverged, Failed};
            assert_eq!(states, [Complete, Failed, Complete, Failed, Diverged, Complete]);
            assert!(trials[1].error.contains("out of cheese"), "{}", trials[1].error);
            assert_eq!(trials[3].error, "no such file");
            assert_eq!((trials[2].attempts, trials[3].attempts), (1, 1));
            assert_eq!(trials[5].value, Some(5.0));
            assert_eq!(trials[5].progress.images_trained, 8);
            assert_eq!(study.state().best().unwrap().number, 0);
        };
        check(&first);
        // The journal alone gives the same.
        check(&self::study(folder.path(), 1));
    }

    #[test]
    fn without_retries_a_hiccup_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(folder.path(), 0).state().trials()[2].state, TrialState::Failed);
    }

    #[test]
    fn a_raised_stop_starts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let study = Mutex::new(study(folder.path(), 0));
        let workers = Workers { count: 2, threads: 1, seconds: None };
        let stop = AtomicBool::new(true);
        let end = workers.run(&study, &Moody::default(), &stop, &|_| {}).unwrap();
        assert_eq!(end, StudyEnd::Stopped);
        assert!(study.into_inner().unwrap().state().trials().is_empty());
    }
}
