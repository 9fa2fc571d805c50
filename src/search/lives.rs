//! Which processes still work on a study.
//!
//! Each process holds a lock on a file of its own while it lives; the system lets go of it whatever
//! way the process ends. So a trial whose process was killed is taken up by the next at once, and a
//! trial whose process runs is left alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::study::WORKER_PREFIX;
use crate::record::RecordError;

/// This process among those that work on a study.
#[derive(Clone, Debug)]
pub struct Lives {
    folder: PathBuf,
    name: String,
    /// Locked until the last clone is gone.
    _lock: Arc<File>,
}

impl Lives {
    /// Enters this process in `folder`.
    ///
    /// # Errors
    /// When its file cannot be made and locked.
    pub fn begin(folder: &Path) -> Result<Self, RecordError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        // Process numbers are used again; with the time they are not.
        let name = format!("{WORKER_PREFIX}{}-{now:x}", std::process::id());
        let path = folder.join(&name);
        let failed = |source| RecordError::Write { path: path.clone(), source };
        let file = File::create(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Self { folder: folder.to_owned(), name, _lock: Arc::new(file) })
    }

    /// Name of this process in the journal.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process called `name` still runs.
    pub fn is_alive(&self, name: &str) -> bool {
        name == self.name
            || File::open(self.folder.join(name)).is_ok_and(|file| file.try_lock_shared().is_err())
    }

    /// Removes the files of all processes: none works on the study any more.
    pub fn clear(&self) {
        // What stays behind is only litter.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_its_lock_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lives::begin(folder.path()).unwrap();
        let second = Lives::begin(folder.path()).unwrap();
        assert_ne!(first.name(), second.name());
        assert!(second.is_alive(first.name()) && first.is_alive(first.name()));
        let (name, copy) = (first.name().to_owned(), first.clone());
        drop(first);
        assert!(second.is_alive(&name));
        drop(copy);
        assert!(!second.is_alive(&name));
        assert!(!second.is_alive("strata-1-0"));
    }
}
