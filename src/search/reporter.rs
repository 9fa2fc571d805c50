//! Shows progress: a bar on a terminal, plain lines elsewhere, nothing when told to be quiet.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Progress of a run of many trials on standard error.
#[derive(Debug)]
pub struct Reporter {
    output: Output,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Output {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

#[derive(Debug, Default)]
struct State {
    /// Trials in all, and done (before a resume included).
    trials: u64,
    trials_done: u64,
    /// Epochs in all, done, and of these done by this process.
    epochs: u64,
    epochs_done: u64,
    epochs_here: u64,
    best: Option<f64>,
    phase: String,
}

impl Reporter {
    /// A reporter that shows nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let output = if quiet {
            Output::Nothing
        } else if stderr().is_terminal() {
            let style = ProgressStyle::with_template("{prefix} [{bar:24}] {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            let bar = ProgressBar::new(0).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(500));
            Output::Bar(bar)
        } else {
            Output::Lines
        };
        Self { output, started: Instant::now(), state: Mutex::default() }
    }

    /// Announces work: trials and epochs in all, and those done before this process began.
    pub fn expect(&self, trials: u64, epochs: u64) {
        self.change(|state| {
            state.trials = trials;
            state.epochs = epochs;
        });
    }

    /// Names what the following trials are for.
    pub fn phase(&self, name: &str) {
        self.change(|state| state.phase = name.to_owned());
    }

    /// A trial that was finished before this process began.
    pub fn trial_known(&self, epochs: u64, value: Option<f64>) {
        self.change(|state| {
            state.trials_done += 1;
            state.epochs_done += epochs;
            state.best = better(state.best, value);
        });
    }

    /// An epoch is done.
    pub fn epoch(&self) {
        self.change(|state| {
            state.epochs_done += 1;
            state.epochs_here += 1;
        });
    }

    /// A trial is done; `skipped` are the epochs it did not need (it diverged).
    pub fn trial(&self, line: &str, skipped: u64, value: Option<f64>) {
        let text = self.change(|state| {
            state.trials_done += 1;
            state.epochs_done += skipped;
            state.best = better(state.best, value);
        });
        if matches!(self.output, Output::Lines) {
            say(&format!("{line}; {text}"));
        }
    }

    /// Prints a line of its own.
    pub fn say(&self, line: &str) {
        match &self.output {
            Output::Bar(bar) => bar.suspend(|| say(line)),
            Output::Lines => say(line),
            Output::Nothing => {}
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Output::Bar(bar) = &self.output {
            bar.finish_and_clear();
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> String {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut state);
        let text = state.text(self.started.elapsed());
        if let Output::Bar(bar) = &self.output {
            bar.set_length(state.epochs.max(1));
            bar.set_position(state.epochs_done);
            bar.set_prefix(state.phase.clone());
            bar.set_message(text.clone());
        }
        text
    }
}

impl State {
    /// Trials done, best so far, time left.
    fn text(&self, elapsed: Duration) -> String {
        let mut text = format!("{}/{} trials", self.trials_done, self.trials);
        if let Some(best) = self.best {
            text += &format!(", best {:.2} %", 100.0 * best);
        }
        let left = self.epochs.saturating_sub(self.epochs_done);
        if self.epochs_here > 0 && left > 0 {
            let each = elapsed.as_secs_f64() / self.epochs_here as f64;
            let left = Duration::from_secs_f64((each * left as f64).ceil());
            text += &format!(", {} left", HumanDuration(left));
        }
        text
    }
}

/// A line on standard error; that nobody reads it is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

fn better(best: Option<f64>, value: Option<f64>) -> Option<f64> {
    // `None` is less than any value.
    if value > best { value } else { best }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_done_best_and_left() {
        let mut state = State { trials: 4, epochs: 8, ..State::default() };
        assert_eq!(state.text(Duration::ZERO), "0/4 trials");
        state.trials_done = 1;
        state.epochs_done = 2;
        state.epochs_here = 2;
        state.best = Some(0.5);
        let text = state.text(Duration::from_secs(20));
        assert_eq!(text, "1/4 trials, best 50.00 %, 60 seconds left");
    }

    #[test]
    fn a_missing_value_never_wins() {
        assert_eq!(better(Some(0.1), None), Some(0.1));
        assert_eq!(better(None, Some(0.1)), Some(0.1));
    }
}
