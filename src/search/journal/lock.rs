//! The lock beside a journal: one writer at a time, among our processes and Optuna's.
//!
//! As in Optuna (`JournalFileSymlinkLock`), whoever makes the symbolic link `<file>.lock` has the
//! lock; release renames the link and removes it; a lock that nothing has been written under for
//! 30 s counts as left behind and is broken. Two additions keep a killed process from holding up
//! the next one for that long, unseen by Optuna:
//!
//! * Ours point the link at a file `.<file>.owner-<machine>` (named after this boot of this
//!   machine) and keep that file locked through the operating system while they hold the link; its
//!   text is the process number. The system drops that lock when a process dies, so whoever gets it
//!   and still finds the link pointing there knows that its maker is dead, and removes it at once.
//!   Links of Optuna, or from other machines, prove nothing, and the 30 s rule stays.
//! * The owner file is written anew for each lock, so that Optuna, which looks at the time of the
//!   file that the link points at, sees a busy lock as busy. The last one to close removes it.
//!
//! Where links cannot be made (some file systems, Windows), a plain file takes their place, as
//! Optuna's `JournalFileOpenLock` makes; both exclude each other.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::JournalError;

/// After so long without a sign of life a lock counts as left behind (Optuna's default).
const GRACE: Duration = Duration::from_secs(30);
/// After so long waiting for a living process of ours that shows no sign of life.
const PATIENCE: Duration = Duration::from_secs(120);
/// End of the name of a link that is no lock any more, as in Optuna.
const RENAMED: &str = ".rename";
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// What shows that a lock is alive: it changes whenever somebody else takes or uses the lock.
type Sign = (u64, Option<SystemTime>, Option<SystemTime>);

/// The lock of one journal, held or not.
#[derive(Debug)]
pub(super) struct FileLock {
    journal: PathBuf,
    link: PathBuf,
    /// What the link points at where there is no owner file.
    name: OsString,
    owner: Option<Owner>,
    /// The link that this one made, while it holds the lock.
    held: Option<u64>,
    pub grace: Duration,
    pub patience: Duration,
}

/// The file that proves whether the process that made the link lives.
#[derive(Debug)]
struct Owner {
    path: PathBuf,
    name: OsString,
    file: File,
}

impl FileLock {
    /// The lock of the journal at `path`; takes nothing yet.
    pub fn new(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_owned();
        let mut link = path.as_os_str().to_owned();
        link.push(".lock");
        let owner = machine().and_then(|machine| {
            let mut owner = OsString::from(".");
            owner.push(&name);
            owner.push(format!(".owner-{machine}"));
            Owner::open(path.with_file_name(&owner), owner).ok()
        });
        Self {
            journal: path.to_owned(),
            link: link.into(),
            name,
            owner,
            held: None,
            grace: GRACE,
            patience: PATIENCE,
        }
    }

    /// Waits for the lock.
    ///
    /// # Errors
    /// When the folder cannot be written to, or a living process keeps the lock for minutes.
    pub fn acquire(&mut self) -> Result<(), JournalError> {
        let path = self.journal.clone();
        let source = |source| JournalError::Lock { path: path.clone(), source };
        let mut wait = Wait::new();
        while !self.own().map_err(source)? {
            let owner = self.owner.as_ref();
            let sign = owner.and_then(|owner| fs::metadata(&owner.path).ok());
            if wait.pause(sign.map(|sign| sign_of(&sign, None))) > self.patience {
                let holder = owner.and_then(Owner::process);
                return Err(JournalError::Busy {
                    path: self.journal.clone(),
                    seconds: self.patience.as_secs(),
                    holder: holder.map_or(String::new(), |id| format!(" by process {id}")),
                });
            }
        }
        let taken = self.take_link();
        if taken.is_err() {
            self.disown();
        }
        self.held = Some(taken.map_err(source)?);
        Ok(())
    }

    /// Whether the lock is still there; another process may have broken it.
    pub fn is_held(&self) -> bool {
        let link = fs::symlink_metadata(&self.link).ok();
        self.held.is_some() && link.map(|link| inode(&link)) == self.held
    }

    /// Gives the lock back; nothing happens where it is not held, or no longer.
    pub fn release(&mut self) {
        if self.is_held() {
            // A failure leaves the link to whoever comes next, who finds its maker gone.
            let _ = remove(&self.link);
        }
        if self.held.take().is_some() {
            self.disown();
        }
    }

    /// Removes what processes of this machine left when they were killed between renaming a link
    /// and removing it.
    pub fn sweep(&self) {
        let folder = self.link.parent().filter(|folder| !folder.as_os_str().is_empty());
        let Ok(files) = fs::read_dir(folder.unwrap_or(Path::new("."))) else { return };
        let link = self.link.file_name().unwrap_or_default().to_string_lossy();
        let ours = format!("{link}{}-", machine().unwrap_or("x"));
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&ours) && name.ends_with(RENAMED) {
                // A living process that is about to remove it does not mind.
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Tries to lock the owner file; true also where there is none.
    fn own(&mut self) -> io::Result<bool> {
        let Some(owner) = &mut self.owner else { return Ok(true) };
        match owner.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(_)) => {
                // The file system has no such locks; the link alone must do.
                self.owner = None;
                return Ok(true);
            }
        }
        // Somebody may have removed the file, and others made a new one.
        let current = fs::metadata(&owner.path).ok().map(|file| inode(&file));
        if current != Some(inode(&owner.file.metadata()?)) {
            *owner = Owner::open(owner.path.clone(), owner.name.clone())?;
            return Ok(false);
        }
        // A full disk must not keep anybody from the lock.
        let written = owner.file.set_len(0).and_then(|()| owner.file.rewind());
        let _ = written.and_then(|()| writeln!(owner.file, "{}", std::process::id()));
        Ok(true)
    }

    /// Whether the link was made by a process of this machine that is dead: this one has the owner
    /// file, as its maker had.
    fn is_left_behind(&self) -> bool {
        let points = fs::read_link(&self.link).ok();
        let owner = self.owner.as_ref();
        owner.is_some_and(|owner| points.is_some_and(|at| at == Path::new(&owner.name)))
    }

    fn disown(&mut self) {
        if let Some(owner) = &self.owner {
            let _ = owner.file.unlock();
        }
    }

    /// Makes the link, and waits or removes one that was left behind; gives its inode.
    fn take_link(&self) -> io::Result<u64> {
        let target = self.owner.as_ref().map_or(&self.name, |owner| &owner.name);
        let mut wait = Wait::new();
        loop {
            match make(Path::new(target), &self.link) {
                Ok(()) => return fs::symlink_metadata(&self.link).map(|link| inode(&link)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if self.is_left_behind() {
                clear(&self.link)?;
                continue;
            }
            let Ok(link) = fs::symlink_metadata(&self.link) else { continue };
            let sign = sign_of(&link, fs::metadata(&self.link).ok().as_ref());
            if wait.pause(Some(sign)) >= self.grace {
                clear(&self.link)?;
                wait = Wait::new();
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        self.release();
        // Only when nobody uses it; who still has it open sees that it is gone and makes another.
        if self.owner.is_some() && self.own().unwrap_or(false) {
            // Without the file that it points at, Optuna would wait for a link for ever.
            if self.is_left_behind() {
                let _ = remove(&self.link);
            }
            if let Some(owner) = &self.owner {
                let _ = fs::remove_file(&owner.path);
            }
            self.disown();
        }
    }
}

impl Owner {
    fn open(path: PathBuf, name: OsString) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
        Ok(Self { path, name, file })
    }

    /// The process that locked it last.
    fn process(&self) -> Option<u32> {
        let mut text = String::new();
        File::open(&self.path).ok()?.read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }
}

/// Waiting with growing pauses, and how long nothing has changed.
struct Wait {
    pause: Duration,
    since: Instant,
    sign: Option<Sign>,
}

impl Wait {
    fn new() -> Self {
        Self { pause: Duration::from_micros(200), since: Instant::now(), sign: None }
    }

    /// Pauses, and says for how long there has been no other sign.
    fn pause(&mut self, sign: Option<Sign>) -> Duration {
        if sign != self.sign {
            self.sign = sign;
            self.since = Instant::now();
        }
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.since.elapsed()
    }
}

fn sign_of(link: &Metadata, target: Option<&Metadata>) -> Sign {
    (inode(link), link.modified().ok(), target.and_then(|target| target.modified().ok()))
}

/// Removes a link by way of another name, so that of several processes only one removes it.
fn remove(link: &Path) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut away = link.as_os_str().to_owned();
    away.push(format!("{}-{}-{count}{RENAMED}", machine().unwrap_or("x"), std::process::id()));
    fs::rename(link, &away)?;
    fs::remove_file(&away)
}

/// Removes a link that was left behind, unless somebody else just did.
fn clear(link: &Path) -> io::Result<()> {
    match remove(link) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn make(target: &Path, link: &Path) -> io::Result<()> {
    match make_link(target, link) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).create_new(true).open(link).map(drop)
        }
        made => made,
    }
}

#[cfg(unix)]
fn make_link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn make_link(_target: &Path, _link: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn inode(file: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

#[cfg(not(unix))]
fn inode(_file: &Metadata) -> u64 {
    0
}

/// Names this boot of this machine; `None` where the system does not tell.
fn machine() -> Option<&'static str> {
    static MACHINE: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let id = if cfg!(target_os = "linux") {
            fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?
        } else if cfg!(target_os = "macos") {
            let mut command = std::process::Command::new("/usr/sbin/sysctl");
            let answer = command.args(["-n", "kern.bootsessionuuid"]).output().ok()?;
            String::from_utf8(answer.stdout).ok()?
        } else {
            return None;
        };
        let id: String = id.chars().filter(char::is_ascii_hexdigit).take(12).collect();
        (id.len() == 12).then_some(id)
    };
    MACHINE.get_or_init(find).as_deref()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn journal() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.journal");
        fs::write(&path, "").unwrap();
        (folder, path)
    }

    fn files(folder: &tempfile::TempDir) -> Vec<String> {
        let names = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let (folder, path) = journal();
        let counter = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let mut lock = FileLock::new(&path);
                        lock.acquire().unwrap();
                        assert!(lock.is_held());
                        assert_eq!(counter.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        assert_eq!(counter.fetch_sub(1, Ordering::SeqCst), 1);
                        lock.release();
                        assert!(!lock.is_held());
                    }
                });
            }
        });
        assert_eq!(files(&folder), ["study.journal"]);
    }

    #[test]
    fn the_link_of_a_dead_process_is_removed_at_once() {
        let (folder, path) = journal();
        let mut lock = FileLock::new(&path);
        // Longer than any test may take: only the proof helps.
        lock.grace = Duration::from_secs(100_000);
        let owner = lock.owner.as_ref().expect("this system names its boots").name.clone();
        let half_gone = format!("study.journal.lock{}-1-2{RENAMED}", machine().unwrap());
        fs::write(folder.path().join(half_gone), "").unwrap();
        symlink(owner, &lock.link).unwrap();
        lock.acquire().unwrap();
        assert_eq!(lock.owner.as_ref().and_then(Owner::process), Some(std::process::id()));
        lock.sweep();
        lock.release();
        // Another one dies while this one does not work.
        symlink(&lock.owner.as_ref().unwrap().name, &lock.link).unwrap();
        drop(lock);
        assert_eq!(files(&folder), ["study.journal"]);
    }

    #[test]
    fn a_foreign_lock_is_waited_for_and_broken_after_the_grace_period() {
        let (_folder, path) = journal();
        for target in ["study.journal", "nowhere/study.journal", ".study.journal.owner-elsewhere"] {
            let mut lock = FileLock::new(&path);
            symlink(target, &lock.link).unwrap();
            lock.grace = Duration::from_millis(5);
            lock.acquire().unwrap();
        }
        // Released by its owner.
        let mut lock = FileLock::new(&path);
        lock.grace = Duration::from_secs(100_000);
        let link = lock.link.clone();
        fs::write(&link, "").unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| lock.acquire().map(|()| lock.is_held()));
            thread::sleep(Duration::from_millis(20));
            fs::remove_file(&link).unwrap();
            assert!(waiting.join().unwrap().unwrap());
        });
    }

    #[test]
    fn a_living_owner_is_never_robbed() {
        let (_folder, path) = journal();
        let (mut first, mut second) = (FileLock::new(&path), FileLock::new(&path));
        first.acquire().unwrap();
        (second.grace, second.patience) = (Duration::ZERO, Duration::from_millis(50));
        let error = second.acquire().unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(first.is_held());
        first.release();
        second.acquire().unwrap();
    }

    #[test]
    fn a_broken_lock_is_noticed_and_the_new_one_respected() {
        let (_folder, path) = journal();
        let mut lock = FileLock::new(&path);
        lock.acquire().unwrap();
        // Kept, so that the next link cannot get its inode.
        fs::rename(&lock.link, path.with_file_name("taken")).unwrap();
        symlink("study.journal", &lock.link).unwrap();
        assert!(!lock.is_held());
        lock.release();
        assert!(fs::symlink_metadata(&lock.link).is_ok());
    }
}
