//! Ctrl-C: the first stops cleanly, the second at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

/// Status of an interrupted program, by convention 128 + SIGINT.
pub const STOPPED_STATUS: u8 = 130;

/// The run was interrupted and can be resumed.
#[derive(Debug, Error)]
#[error("stopped; what is done is kept. Run the same command with --resume to go on")]
pub struct Stopped;

/// A flag that Ctrl-C raises; a second Ctrl-C ends the process on the spot.
pub fn stop_on_interrupt() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let handler = || {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(STOPPED_STATUS.into());
            }
        };
        // Without a handler Ctrl-C just kills the process, and --resume still works.
        let _ = ctrlc::set_handler(handler);
    });
    &STOP
}
