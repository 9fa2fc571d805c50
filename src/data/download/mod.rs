//! Fetches CIFAR-10: resumes, checks, unpacks, renames into place.

mod fetch;
mod meter;
#[cfg(test)]
mod server;
mod unpack;

use super::cifar10::{self, SUBFOLDER};
use super::{DataError, hexadecimal};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The archive's official address.
pub const OFFICIAL_URL: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
/// SHA-256 of the official archive of 170,052,171 bytes.
pub const OFFICIAL_SHA256: &str =
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";
/// The unfinished archive in the folder that is downloaded to.
const PART: &str = "cifar-10-binary.tar.gz.part";

/// An archive to fetch.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it is.
    pub url: String,
    /// What it must be: SHA-256 in hexadecimal.
    pub sha256: String,
    /// Pause before the second attempt; doubled before each later one.
    pub pause: Duration,
}

impl Archive {
    /// The official archive, byte for byte, from another address.
    pub fn from_url(url: impl Into<String>) -> Self {
        let (url, sha256) = (url.into(), OFFICIAL_SHA256.to_string());
        Self { url, sha256, pause: Duration::from_secs(1) }
    }
}

impl Default for Archive {
    /// The official archive from its official address.
    fn default() -> Self {
        Self::from_url(OFFICIAL_URL)
    }
}

/// Whether progress is shown on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A bar on a terminal, a line every tenth otherwise.
    Shown,
    /// Nothing.
    Quiet,
}

/// Puts CIFAR-10's files into `folder/cifar-10-batches-bin`, unless `folder` holds a sound set
/// already, and returns the folder of the files.
///
/// The archive goes to `folder/cifar-10-binary.tar.gz.part`, which a later call continues. It is
/// unpacked only if its checksum is right, into a temporary folder that is then renamed. A
/// `cifar-10-batches-bin` that is not sound is set aside as `cifar-10-batches-bin.old` (`.old2` …).
///
/// # Errors
/// [`DataError`] of the address, the connection, the checksum, the archive or the file system. What
/// was fetched is kept, except for an archive with a wrong checksum.
pub fn download(
    archive: &Archive,
    folder: &Path,
    progress: Progress,
) -> Result<PathBuf, DataError> {
    if folder.exists() && !folder.is_dir() {
        return Err(DataError::NotAFolder(folder.to_path_buf()));
    }
    if let Some(found) = cifar10::find(folder)
        && cifar10::read(&found).is_ok()
    {
        return Ok(found);
    }
    fs::create_dir_all(folder).map_err(unwritable(folder))?;
    let part = folder.join(PART);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&part)
        .map_err(unwritable(&part))?;
    // Two processes that append to one file would spoil it for both.
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        return Err(DataError::Busy(part));
    }
    fetch::fetch(archive, &mut file, &part, progress)?;
    check(archive, &mut file, &part)?;

    let temporary = folder.join(format!(".cifar-10-unpacking-{}", std::process::id()));
    // Left over from a process of the same number that was killed.
    let _ = fs::remove_dir_all(&temporary);
    let target = folder.join(SUBFOLDER);
    let placed = unpack::unpack(archive, &mut file, &temporary, &part)
        .and_then(|()| unpack::put_in_place(&temporary, &target));
    if placed.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    placed?;
    fs::remove_file(&part).map_err(unwritable(&part))?;
    Ok(target)
}

/// Turns an I/O error into one that names what could not be written.
fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    move |source| DataError::Unwritable { path: path.to_path_buf(), source }
}

/// SHA-256 of a whole file in hexadecimal.
fn sum(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Compares the checksum; a wrong file is removed, since resuming it could never help.
fn check(archive: &Archive, file: &mut File, part: &Path) -> Result<(), DataError> {
    let found = sum(file).map_err(unwritable(part))?;
    if found.eq_ignore_ascii_case(&archive.sha256) {
        return Ok(());
    }
    fs::remove_file(part).map_err(unwritable(part))?;
    Err(DataError::Checksum {
        url: archive.url.clone(),
        expected: archive.sha256.clone(),
        found,
        part: part.to_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::cifar10::FILES;
    use super::cifar10::tests::records;
    use super::server::{Answer, serve};
    use super::*;

    /// A small archive with the layout of the official one.
    fn bytes() -> Vec<u8> {
        unpack::tests::archive(&unpack::tests::six_files())
    }

    /// Downloads from a server that gives these answers in turn; the Range of each request.
    fn run(folder: &Path, answers: &[Answer]) -> (Result<PathBuf, DataError>, Vec<Option<u64>>) {
        run_for(folder, answers, hexadecimal(&Sha256::digest(bytes())))
    }

    fn run_for(
        folder: &Path,
        answers: &[Answer],
        sha256: String,
    ) -> (Result<PathBuf, DataError>, Vec<Option<u64>>) {
        let server = serve(bytes(), answers);
        let archive = Archive { url: server.url.clone(), sha256, pause: Duration::ZERO };
        let result = download(&archive, folder, Progress::Quiet);
        (result, server.ranges())
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_whole_archive_is_put_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/data");
        let (result, ranges) = run(&path, &[Answer::Whole]);
        assert_eq!(result.unwrap(), path.join(SUBFOLDER));
        assert_eq!(ranges, [None]);
        assert_eq!(names(&path), [SUBFOLDER]);
        let data = cifar10::read(&path).unwrap();
        assert_eq!(data.train.labels, [0, 1, 2, 3, 4]);
        assert_eq!(data.description, "CIFAR-10 subset, 5 + 1 images");
        // A second call finds it and asks nobody.
        let (result, ranges) = run(&path, &[]);
        assert_eq!(result.unwrap(), path.join(SUBFOLDER));
        assert!(ranges.is_empty());
    }

    #[test]
    fn a_cut_connection_is_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let (result, ranges) =
            run(folder.path(), &[Answer::Cut(100), Answer::Cut(50), Answer::Whole]);
        result.unwrap();
        assert_eq!(ranges, [None, Some(100), Some(150)]);
        assert!(cifar10::read(folder.path()).is_ok());
    }

    #[test]
    fn a_connection_that_is_always_cut_keeps_what_came() {
        let folder = tempfile::tempdir().unwrap();
        let (result, ranges) = run(folder.path(), &[Answer::Cut(10); 5]);
        let text = result.unwrap_err().to_string();
        assert_eq!(ranges.len(), 5);
        assert!(text.contains("broke off 5 times"), "{text}");
        assert!(text.contains("50 bytes are kept in"), "{text}");
        assert!(text.contains(PART) && text.contains("running again resumes there"), "{text}");
        assert_eq!(fs::read(folder.path().join(PART)).unwrap(), bytes()[..50]);
        let (result, ranges) = run(folder.path(), &[Answer::Whole]);
        result.unwrap();
        assert_eq!(ranges, [Some(50)]);
    }

    #[test]
    fn a_server_without_ranges_sends_it_all_again() {
        let folder = tempfile::tempdir().unwrap();
        let (result, ranges) = run(folder.path(), &[Answer::Cut(100), Answer::IgnoreRange]);
        result.unwrap();
        assert_eq!(ranges, [None, Some(100)]);
        // What is there may even be longer than the archive.
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(PART), [bytes(), bytes()].concat()).unwrap();
        run(folder.path(), &[Answer::IgnoreRange]).0.unwrap();
    }

    #[test]
    fn a_range_that_cannot_be_had_starts_afresh() {
        for odd in [Answer::Status(416), Answer::WrongRange] {
            let folder = tempfile::tempdir().unwrap();
            let (result, ranges) = run(folder.path(), &[Answer::Cut(100), odd, Answer::Whole]);
            result.unwrap();
            assert_eq!(ranges, [None, Some(100), None]);
        }
    }

    #[test]
    fn an_archive_that_was_whole_already_is_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(PART), bytes()).unwrap();
        run(folder.path(), &[Answer::Status(416)]).0.unwrap();
        assert!(cifar10::read(folder.path()).is_ok());
    }

    #[test]
    fn a_wrong_checksum_unpacks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), b"mine").unwrap();
        let (result, _) = run_for(folder.path(), &[Answer::Whole], "ab".repeat(32));
        let text = result.unwrap_err().to_string();
        assert!(text.contains(&"ab".repeat(32)), "{text}");
        assert!(text.contains(&hexadecimal(&Sha256::digest(bytes()))), "{text}");
        assert!(text.contains("the next try starts afresh"), "{text}");
        assert_eq!(names(folder.path()), ["notes.txt"]);
    }

    #[test]
    fn http_errors_name_the_status_and_keep_what_came() {
        let folder = tempfile::tempdir().unwrap();
        for status in [404, 500] {
            let (result, ranges) = run(folder.path(), &[Answer::Status(status)]);
            let text = result.unwrap_err().to_string();
            assert!(text.contains(&format!("answered HTTP {status};")), "{text}");
            assert_eq!(ranges.len(), 1);
        }
        let (result, _) = run(folder.path(), &[Answer::Cut(70), Answer::Status(404)]);
        let text = result.unwrap_err().to_string();
        assert!(text.contains("70 bytes are kept"), "{text}");
        // 503 may pass.
        let (result, ranges) = run(folder.path(), &[Answer::Status(503), Answer::Whole]);
        result.unwrap();
        assert_eq!(ranges, [Some(70), Some(70)]);
    }

    #[test]
    fn damaged_files_are_set_aside_and_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join(SUBFOLDER);
        for round in [1, 2] {
            let _ = fs::create_dir(&target);
            let damaged = [&records(&[1])[..], &[round]].concat();
            fs::write(target.join(FILES[0]), damaged).unwrap();
            run(folder.path(), &[Answer::Whole]).0.unwrap();
            assert!(cifar10::read(folder.path()).is_ok());
        }
        let old = |name: &str| fs::read(folder.path().join(name).join(FILES[0])).unwrap();
        assert_eq!(old("cifar-10-batches-bin.old").last(), Some(&1));
        assert_eq!(old("cifar-10-batches-bin.old2").last(), Some(&2));
    }

    #[test]
    fn a_target_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"x").unwrap();
        let text = run(&file, &[]).0.unwrap_err().to_string();
        assert!(text.contains("file is a file, not a folder"), "{text}");
        let text = run(&file.join("below"), &[]).0.unwrap_err().to_string();
        assert!(text.contains("cannot write") && text.contains("file/below"), "{text}");
        fs::create_dir(folder.path().join(PART)).unwrap();
        let text = run(folder.path(), &[]).0.unwrap_err().to_string();
        assert!(text.contains("cannot write") && text.contains(PART), "{text}");
    }

    #[test]
    fn two_downloads_to_one_folder_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let part = File::create(folder.path().join(PART)).unwrap();
        part.lock().unwrap();
        let error = run(folder.path(), &[]).0.unwrap_err();
        assert!(matches!(error, DataError::Busy(_)), "{error}");
    }

    #[test]
    fn an_address_that_is_none_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for url in ["", "nonsense", "http://", "ftp://127.0.0.1/x"] {
            let archive = Archive { pause: Duration::ZERO, ..Archive::from_url(url) };
            let text = download(&archive, folder.path(), Progress::Quiet).unwrap_err().to_string();
            assert!(text.contains("--download-url"), "{url}: {text}");
        }
    }
}
