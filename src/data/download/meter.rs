//! Shows how far a download is.

use super::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};

/// A bar on a terminal, plain lines elsewhere, or nothing.
pub(super) struct Meter {
    bar: ProgressBar,
    lines: bool,
    quiet: bool,
}

impl Meter {
    pub fn new(progress: Progress) -> Self {
        let quiet = progress == Progress::Quiet;
        let terminal = io::stderr().is_terminal();
        let target = if terminal && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(
            "CIFAR-10 {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
        );
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style.expect("the template is constant and valid"));
        Self { bar, lines: !terminal && !quiet, quiet }
    }

    /// Says something above the bar.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{text}"));
        }
    }

    /// An attempt begins at a byte of so many, if their number is known.
    pub fn begin(&self, at: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(at);
        // What was there before says nothing about the speed.
        self.bar.reset_eta();
        if self.lines {
            let total = total.map_or("an unknown number of".to_string(), |n| n.to_string());
            eprintln!("download: from byte {at} of {total} bytes");
        }
    }

    /// So many bytes are there.
    pub fn advance(&self, at: u64) {
        let tenth = |at: u64| self.bar.length().map_or(0, |total| at * 10 / total.max(1));
        if self.lines && tenth(at) > tenth(self.bar.position()) {
            eprintln!("download: {} %", 10 * tenth(at));
        }
        self.bar.set_position(at);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
