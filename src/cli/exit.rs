//! From a result to an exit status.

use std::io::Write;
use std::process::ExitCode;

use super::{STOPPED_STATUS, Stopped, WorkerStopped};

/// Status of every error that a user can cause.
const ERROR_STATUS: u8 = 2;

/// Runs a binary: prints an error in one line with its causes and exits with status 2, or with 130
/// if the run was interrupted.
pub fn run(main: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    match main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Stopped>() || error.is::<WorkerStopped>() => {
            say_error(format_args!("{error}"));
            ExitCode::from(STOPPED_STATUS)
        }
        Err(error) => {
            say_error(format_args!("error: {}", with_causes(&error)));
            ExitCode::from(ERROR_STATUS)
        }
    }
}

/// Prints a line of results. That nobody reads on (`| head -1`) is no reason to fail.
pub fn say(line: std::fmt::Arguments) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The same for standard error.
pub fn say_error(line: std::fmt::Arguments) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An error and its causes, each said once: many of our messages already quote their cause.
pub(super) fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        said if said.contains(&cause) => text,
        said => format!("{said}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write x: disk full");
        assert_eq!(with_causes(&error), "cannot write x: disk full");
        assert_eq!(with_causes(&error.context("--out")), "--out: cannot write x: disk full");
    }
}
