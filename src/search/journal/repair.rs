//! The end of a journal after a crash: a last line without its end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::number::parse;

/// How every record begins, ours as well as Optuna's.
const BEGIN: &[u8] = br#"{"op_code":"#;

/// What a last line without end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// A whole record: only its line end is missing.
    Whole,
    /// The beginning of a record, or zeros that a power failure left.
    Torn,
    /// Not from a journal.
    Foreign,
}

/// What `tail` is; after sound lines (`follows`), whatever is no record is a torn one.
pub(super) fn examine(tail: &[u8], follows: bool) -> Tail {
    // The beginning of an object is never a whole object.
    let whole = parse::<Value>(tail).is_ok_and(|(value, _)| value.get("op_code").is_some());
    let length = tail.len().min(BEGIN.len());
    // Optuna puts a space after colons and commas nowhere, so a record begins like this.
    let begun = tail[..length] == BEGIN[..length] || tail.iter().all(|&byte| byte == 0);
    match (whole, follows || begun) {
        (true, _) => Tail::Whole,
        (false, true) => Tail::Torn,
        (false, false) => Tail::Foreign,
    }
}

/// Where torn ends are kept.
pub(super) fn torn_path(journal: &Path) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push(".torn");
    path.into()
}

/// Moves `tail`, which begins at byte `start` of the journal, to the file beside it; says so.
/// The caller holds the lock.
///
/// # Errors
/// When either file cannot be written; the journal is then as it was.
pub(super) fn set_aside(path: &Path, file: &File, start: u64, tail: &[u8]) -> io::Result<String> {
    let torn = torn_path(path);
    let mut kept = OpenOptions::new().append(true).create(true).open(&torn)?;
    kept.write_all(tail)?;
    kept.write_all(b"\n")?;
    kept.sync_all()?;
    file.set_len(start)?;
    file.sync_all()?;
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(format!(
        "{}: the last record was cut off ({} bytes); moved to {}",
        name(path),
        tail.len(),
        name(&torn)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_torn_and_foreign_ends() {
        let record =
            br#"{"op_code":7,"worker_id":"w","trial_id":0,"step":1,"intermediate_value":NaN}"#;
        assert_eq!(examine(record, true), Tail::Whole);
        for length in 1..record.len() {
            assert_eq!(examine(&record[..length], false), Tail::Torn, "{length}");
        }
        assert_eq!(examine(&[0; 100], false), Tail::Torn);
        for text in ["trial,arm", "{}", "[1]", "{\"op\":1}", "\u{feff}{\"op_code\":0"] {
            assert_eq!(examine(text.as_bytes(), false), Tail::Foreign, "{text}");
            assert_eq!(examine(text.as_bytes(), true), Tail::Torn, "{text}");
        }
    }
}
