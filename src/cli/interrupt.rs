//! Ctrl-C and SIGTERM: the first stops cleanly, the second at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

/// Status of an interrupted program, by convention 128 + SIGINT.
pub const STOPPED_STATUS: u8 = 130;

/// The run was interrupted and can be resumed.
#[derive(Debug, Error)]
#[error("stopped; what is done is kept. Run the same command with --resume to go on")]
pub struct Stopped;

/// A flag that Ctrl-C raises, and SIGTERM, by which batch systems announce that they will kill. A
/// second one ends the process on the spot.
pub fn stop_on_interrupt() -> &'static AtomicBool {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    STOP.get_or_init(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let raised = stop.clone();
        let handler = move || {
            if raised.swap(true, Ordering::Relaxed) {
                std::process::exit(STOPPED_STATUS.into());
            }
        };
        // Without a handler the signal just kills the process, and --resume still works.
        let _ = ctrlc::set_handler(handler);
        #[cfg(unix)]
        {
            use signal_hook::{consts::SIGTERM, flag};
            // Not by ctrlc's own feature, which takes SIGHUP too: a run under nohup would stop with it.
            // The first finds the flag down and raises it; the second finds it up.
            let status = STOPPED_STATUS.into();
            let _ = flag::register_conditional_shutdown(SIGTERM, status, stop.clone());
            let _ = flag::register(SIGTERM, stop.clone());
        }
        stop
    })
}
