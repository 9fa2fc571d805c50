//! A run's folder: claimed by one run, locked by one process.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{RecordError, replace_file};

const MANIFEST: &str = "manifest.json";
const LOCK: &str = ".lock";
/// Folders that runs write into.
const OWN: [&str; 3] = ["figures", "checkpoints", "workers"];

/// How long a process that joins a run waits for the one that is opening or closing it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The folder that `--out` names, locked for this process until dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Whether a run is being resumed.
    pub resumed: bool,
    lock: File,
}

impl RunFolder {
    /// Claims `path` for a run described by the object `settings`; makes it if need be.
    ///
    /// # Errors
    /// When it cannot be written to; when it holds a run and `resume` is not set, or one with other
    /// settings; when there is nothing to resume; when it holds other files. Nothing that was there
    /// is changed then.
    pub fn claim(path: &Path, resume: bool, settings: &Value) -> Result<Self, RecordError> {
        let folder = Self::open(path, resume, settings, &[])?;
        match folder.lock.try_lock() {
            Ok(()) => {
                folder.begin(settings)?;
                Ok(folder)
            }
            Err(TryLockError::WouldBlock) => Err(RecordError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => {
                Err(RecordError::Unwritable { path: path.to_owned(), source })
            }
        }
    }

    /// Claims `path` for a run that several processes may work on. A folder without a run may be
    /// resumed if it holds one of the files `begun`: another program has begun there. The second
    /// value says whether no other process works there; this one then has the folder to itself
    /// until it calls [`admit_others`](Self::admit_others).
    ///
    /// # Errors
    /// As [`claim`](Self::claim), but a process beside this one is no error.
    pub fn claim_shared(
        path: &Path,
        resume: bool,
        settings: &Value,
        begun: &[&str],
    ) -> Result<(Self, bool), RecordError> {
        let folder = Self::open(path, resume, settings, begun)?;
        let alone = folder.try_alone()?;
        if !alone && !resume {
            return Err(RecordError::Locked { path: path.to_owned() });
        }
        match alone {
            true => folder.begin(settings)?,
            false => folder.admit_others()?,
        }
        Ok((folder, alone))
    }

    /// Leaves a first manifest: a process that is killed before it writes its own leaves a run that
    /// can be resumed, not a folder of strange files.
    fn begin(&self, settings: &Value) -> Result<(), RecordError> {
        // What another program has begun may turn out to be nothing of ours: it stays as it is.
        if self.resumed {
            return Ok(());
        }
        self.write_manifest(&serde_json::json!({"status": "running", "settings": settings}))
    }

    /// Lets other processes join the run.
    ///
    /// # Errors
    /// When another process keeps the folder to itself for too long.
    pub fn admit_others(&self) -> Result<(), RecordError> {
        let unwritable = |source| RecordError::Unwritable { path: self.path.clone(), source };
        let started = Instant::now();
        self.lock.unlock().map_err(unwritable)?;
        loop {
            match self.lock.try_lock_shared() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(source)) => return Err(unwritable(source)),
                Err(TryLockError::WouldBlock) if started.elapsed() > PATIENCE => {
                    return Err(RecordError::Locked { path: self.path.clone() });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Whether no other process works in the folder; if so, none can join from now on.
    ///
    /// # Errors
    /// When the lock cannot be asked.
    pub fn try_alone(&self) -> Result<bool, RecordError> {
        let unwritable = |source| RecordError::Unwritable { path: self.path.clone(), source };
        self.lock.unlock().map_err(unwritable)?;
        match self.lock.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => Err(unwritable(source)),
        }
    }

    /// Checks what is there and makes the folder if need be; locks nothing yet.
    fn open(
        path: &Path,
        resume: bool,
        settings: &Value,
        begun: &[&str],
    ) -> Result<Self, RecordError> {
        let unwritable = |source| RecordError::Unwritable { path: path.to_owned(), source };
        let known = Self::read_manifest(path)?;
        match (&known, resume) {
            (Some(manifest), false) => {
                let command = manifest["command"].as_str().unwrap_or("unknown command").to_owned();
                return Err(RecordError::Occupied { path: path.to_owned(), command });
            }
            (None, true) if begun.iter().any(|name| path.join(name).exists()) => {}
            (None, true) => {
                return Err(RecordError::NothingToResume { path: path.to_owned() });
            }
            (Some(manifest), true) => check_same(path, &manifest["settings"], settings)?,
            (None, false) => {
                fs::create_dir_all(path).map_err(unwritable)?;
                let entries = fs::read_dir(path).map_err(unwritable)?.flatten();
                // Other folders may stand in it, as those under results/layer_lr: a run touches none
                // but its own.
                let is_beside = |entry: &fs::DirEntry| {
                    let is_own = OWN.iter().any(|own| entry.file_name() == *own);
                    entry.path().is_dir() && !is_own
                };
                // What a process leaves that is killed while it writes its first manifest.
                let is_part = |name: &str| name.starts_with(MANIFEST) && name.ends_with(".part");
                let foreign = |entry: fs::DirEntry| {
                    let name = entry.file_name();
                    name != LOCK && !is_part(&name.to_string_lossy()) && !is_beside(&entry)
                };
                if entries.into_iter().any(foreign) {
                    return Err(RecordError::Foreign { path: path.to_owned() });
                }
            }
        }
        let lock = File::create(path.join(LOCK)).map_err(unwritable)?;
        Ok(Self { path: path.to_owned(), resumed: resume, lock })
    }

    /// The file called `name` in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the subfolder called `name`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf, RecordError> {
        let path = self.path.join(name);
        fs::create_dir_all(&path)
            .map_err(|source| RecordError::Unwritable { path: path.clone(), source })?;
        Ok(path)
    }

    /// Writes `manifest.json`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_manifest(&self, manifest: &Value) -> Result<(), RecordError> {
        self.write_json(MANIFEST, manifest)
    }

    /// Writes an object as indented JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, name: &str, value: &Value) -> Result<(), RecordError> {
        let path = self.file(name);
        let text = format!("{value:#}\n");
        replace_file(&path, text.as_bytes()).map_err(|source| RecordError::Write { path, source })
    }

    /// The manifest as the folder holds it.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn manifest(&self) -> Result<Option<Value>, RecordError> {
        Self::read_manifest(&self.path)
    }

    /// Wall-clock seconds that the run took in earlier processes: to be read before this one writes its manifest.
    ///
    /// # Errors
    /// When the manifest is there and cannot be read.
    pub fn seconds_before(&self) -> Result<f64, RecordError> {
        Ok(self.manifest()?.and_then(|it| it["wall_seconds"].as_f64()).unwrap_or(0.0))
    }

    /// Whether a run has begun in the folder at `path`.
    pub fn is_begun(path: &Path) -> bool {
        path.join(MANIFEST).exists()
    }

    fn read_manifest(folder: &Path) -> Result<Option<Value>, RecordError> {
        let path = folder.join(MANIFEST);
        if folder.exists() && !folder.is_dir() {
            let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            return Err(RecordError::Unwritable { path: folder.to_owned(), source });
        }
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
            Err(source) => return Err(RecordError::Read { path, source }),
        };
        let parsed = serde_json::from_slice(&text);
        parsed.map(Some).map_err(|error| RecordError::Damaged { path, reason: error.to_string() })
    }
}

/// Compares the settings of a run with those it is to be resumed with.
fn check_same(path: &Path, old: &Value, new: &Value) -> Result<(), RecordError> {
    let empty = serde_json::Map::new();
    let old = old.as_object().unwrap_or(&empty);
    let new = new.as_object().unwrap_or(&empty);
    for key in old.keys().chain(new.keys()) {
        let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
        let (old, new) = (old.get(key), new.get(key));
        if old != new {
            return Err(RecordError::Changed {
                path: path.to_owned(),
                key: key.clone(),
                old: show(old),
                new: show(new),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_folder_belongs_to_one_run() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/run");
        let settings = json!({"epochs": 3, "rate": 0.1});
        let claim = |resume, settings: &Value| {
            RunFolder::claim(&path, resume, settings).map_err(|error| error.to_string())
        };
        assert!(claim(true, &settings).unwrap_err().contains("holds no run"));
        let first = claim(false, &settings).unwrap();
        first.write_manifest(&json!({"command": "train --x", "settings": settings})).unwrap();
        assert!(claim(true, &settings).unwrap_err().contains("another process"));
        drop(first);
        assert!(claim(false, &settings).unwrap_err().contains("train --x"));
        let other = claim(true, &json!({"epochs": 4, "rate": 0.1})).unwrap_err();
        assert!(other.contains("epochs = 3, not 4"), "{other}");
        assert!(claim(true, &settings).unwrap().resumed);
    }

    #[test]
    fn foreign_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.tex"), "x").unwrap();
        let error = RunFolder::claim(folder.path(), false, &json!({})).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // A folder that a run would write into is in its way too.
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("figures")).unwrap();
        let error = RunFolder::claim(folder.path(), false, &json!({})).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
    }

    #[test]
    fn other_folders_are_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let beside = folder.path().join("control");
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("control.csv"), "a table").unwrap();
        RunFolder::claim(folder.path(), false, &json!({})).unwrap();
        assert_eq!(fs::read_to_string(beside.join("control.csv")).unwrap(), "a table");
    }

    #[test]
    fn a_run_killed_while_it_began_can_be_begun_or_resumed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("manifest.json.77.part"), "{").unwrap();
        drop(RunFolder::claim(folder.path(), false, &json!({"a": 1})).unwrap());
        assert!(RunFolder::claim(folder.path(), true, &json!({"a": 1})).unwrap().resumed);
        assert!(RunFolder::claim(folder.path(), true, &json!({"a": 2})).is_err());
    }
}
