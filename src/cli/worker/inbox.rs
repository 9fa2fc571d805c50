//! Lines from the engine: configurations to come, and commands for the trial that runs.

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::number_in;
use crate::search::Command;

/// How long a signal may go unnoticed while the worker waits for a line.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Lines that are read ahead; the engine waits in the pipe beyond that.
const AHEAD: usize = 1024;

/// A command for a running trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Control {
    /// The trial that it is for; the running one, if none is named.
    pub trial: Option<u64>,
    /// What to do after this epoch.
    pub command: Command,
}

/// What has come and was not used yet.
pub(super) struct Inbox {
    lines: Receiver<String>,
    waiting: VecDeque<String>,
    /// Commands that no one knows.
    pub strange_commands: usize,
}

impl Inbox {
    /// Reads standard input in a thread of its own.
    pub fn of_standard_input() -> Self {
        let (sender, lines) = sync_channel(AHEAD);
        thread::spawn(move || {
            // Bytes that are no text become a line that is no JSON, which is answered as such.
            for line in std::io::stdin().lock().split(b'\n') {
                let Ok(line) = line else { return };
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { lines, waiting: VecDeque::new(), strange_commands: 0 }
    }

    /// The next line that asks for something; none once the input has ended or `stop` is raised.
    /// Commands for a trial that has ended meanwhile are passed over.
    pub fn next_request(&mut self, stop: &AtomicBool) -> Option<String> {
        loop {
            let line = match self.waiting.pop_front() {
                Some(line) => line,
                None => self.wait(stop)?,
            };
            let is_late = matches!(control(&line), Some(Ok(_)));
            if !line.trim().is_empty() && !is_late {
                return Some(line);
            }
        }
    }

    /// The next command; with `wait` the worker waits for one, and there is none only if the input
    /// has ended or `stop` is raised. Other lines are kept for later.
    pub fn next_control(
        &mut self,
        wait: bool,
        stop: &AtomicBool,
    ) -> Option<Result<Control, String>> {
        loop {
            let line = match wait {
                true => self.wait(stop)?,
                false => match self.lines.try_recv() {
                    Ok(line) => line,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
                },
            };
            match control(&line) {
                Some(Err(reason)) => {
                    self.strange_commands += 1;
                    return Some(Err(reason));
                }
                Some(known) => return Some(known),
                None => self.waiting.push_back(line),
            }
        }
    }

    fn wait(&self, stop: &AtomicBool) -> Option<String> {
        while !stop.load(Ordering::Relaxed) {
            match self.lines.recv_timeout(LOOK_UP) {
                Ok(line) => return Some(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        None
    }
}

/// The command in a line; none where it asks for something else.
fn control(line: &str) -> Option<Result<Control, String>> {
    let line: Value = serde_json::from_str(line).ok()?;
    let name = line.get("command")?;
    let command = match name.as_str() {
        Some("continue") => Command::Continue,
        Some("stop") => Command::Stop,
        Some("pause") => Command::Pause,
        Some("describe") => return None,
        _ => {
            let known = "continue, stop, pause and describe";
            return Some(Err(format!("command {name}: there is {known}")));
        }
    };
    Some(Ok(Control { trial: number_in(&line), command }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(lines: &[&str]) -> Inbox {
        let (sender, receiver) = sync_channel(AHEAD);
        for line in lines {
            sender.send((*line).to_owned()).unwrap();
        }
        Inbox { lines: receiver, waiting: VecDeque::new(), strange_commands: 0 }
    }

    #[test]
    fn commands_and_configurations_are_kept_apart() {
        let stop = AtomicBool::new(false);
        let mut inbox = inbox(&[
            "{\"trial\": 2}",
            "{\"command\": \"pause\", \"trial\": 1}",
            "{\"command\": \"halt\"}",
            "{\"command\": \"stop\"}",
            "{\"trial\": 3}",
        ]);
        let pause = Control { trial: Some(1), command: Command::Pause };
        assert_eq!(inbox.next_control(false, &stop), Some(Ok(pause)));
        let strange = inbox.next_control(false, &stop).unwrap().unwrap_err();
        assert!(strange.contains("halt") && strange.contains("pause"), "{strange}");
        // The trial has ended: its late stop must not hit the next one.
        assert_eq!(inbox.next_request(&stop).as_deref(), Some("{\"trial\": 2}"));
        assert_eq!(inbox.next_request(&stop).as_deref(), Some("{\"trial\": 3}"));
        assert_eq!(inbox.next_request(&stop), None);
        assert_eq!(inbox.strange_commands, 1);
    }

    #[test]
    fn a_raised_stop_ends_waiting() {
        let stop = AtomicBool::new(true);
        assert_eq!(inbox(&["{}"]).next_control(true, &stop), None);
    }
}
