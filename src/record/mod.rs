//! What a run writes: its folder, its tables and its manifest.
//!
//! Rows are appended as they happen; whole files are replaced by rename, so a reader never sees a
//! half-written one and a crash loses at most the row in flight.

mod error;
mod folder;
mod manifest;
mod table;
mod trials;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

pub use error::RecordError;
pub use folder::RunFolder;
pub use manifest::{DatasetRecord, Manifest, SourceRevision, machine};
pub use table::{Table, write_table};
pub use trials::{TrialRow, TrialStatus, trial_columns};

/// Columns of `curves.csv`.
pub const CURVE_COLUMNS: &[&str] =
    &["trial", "step", "split", "loss", "accuracy", "images_trained", "seconds"];

/// Columns of `layers.csv`. Norms are Euclidean over all parameters of the layer, `rotation` is in
/// radians.
pub const LAYER_COLUMNS: &[&str] = &[
    "trial",
    "step",
    "layer",
    "rate",
    "decay",
    "weight_norm",
    "gradient_norm",
    "relative_update",
    "rotation",
    "distance_from_init",
    "gradient_cosine",
    "dead_fraction",
    "init_cosine",
    "gradient_product",
];

/// Columns of `probes.csv`. `layer` is empty for all layers together; `other` is a second layer, a
/// multiplier of the step, a batch size, or a kind of probe; `low` and `high` are the ends of a 95 %
/// interval. The figures are those of [`crate::train::TrainingRun::probe`].
pub const PROBE_COLUMNS: &[&str] =
    &["trial", "step", "probe", "layer", "other", "value", "low", "high"];

/// A number as a table's field: the shortest text that reads back the same; empty for none and for
/// what is not finite.
pub fn number(value: impl Into<Option<f64>>) -> String {
    match value.into() {
        Some(value) if value.is_finite() => value.to_string(),
        _ => String::new(),
    }
}

/// Replaces the file at `path` in one step: writes beside it, flushes to disk, renames.
///
/// # Errors
/// When the folder is missing or cannot be written to; the old file then stays as it was.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = (|| {
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&part, path)
    })();
    if written.is_err() {
        // The first error is the one to report; a leftover part is only litter.
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_the_same() {
        for value in [0.1, 1e-7, 123456.789, 1.0 / 3.0] {
            assert_eq!(number(value).parse::<f64>().unwrap(), value);
        }
        assert_eq!(number(f64::NAN), "");
        assert_eq!(number(None), "");
    }

    #[test]
    fn a_file_that_cannot_be_replaced_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        replace_file(&path, b"old").unwrap();
        assert!(replace_file(&folder.path().join("none/table.csv"), b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        replace_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
