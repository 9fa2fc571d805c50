//! What can go wrong with images, and what to do about it.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the `data` module. Every message names the file, record or flag and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The data folder does not exist.
    #[error(
        "data folder {} does not exist; give an existing one with --data-dir, \
         or add --download to fetch CIFAR-10 into it",
        .0.display()
    )]
    MissingFolder(PathBuf),

    /// The data folder is a file.
    #[error(
        "{} is a file, not a folder; --data-dir takes the folder that holds \
         data_batch_1.bin to data_batch_5.bin and test_batch.bin",
        .0.display()
    )]
    NotAFolder(PathBuf),

    /// The folder exists but holds nothing of CIFAR-10.
    #[error(
        "no CIFAR-10 in {}: data_batch_1.bin to data_batch_5.bin and test_batch.bin were looked \
         for there and in its subfolder cifar-10-batches-bin; give another folder with \
         --data-dir, or add --download",
        .0.display()
    )]
    NothingThere(PathBuf),

    /// CIFAR-10 was asked for, no folder was given, and the default one has none.
    #[error(
        "--dataset cifar10, but there is no CIFAR-10 in {}; give its folder with --data-dir, \
         add --download to fetch it (170 MB), or use --dataset synthetic",
        .0.display()
    )]
    NotFound(PathBuf),

    /// Some of the six files are missing.
    #[error(
        "{} lacks {}; copy what is missing there, or add --download to fetch the whole set",
        folder.display(), files.join(", ")
    )]
    MissingFiles {
        /// The folder that holds the others.
        folder: PathBuf,
        /// Names of the files that are not there.
        files: Vec<String>,
    },

    /// A file cannot be opened or read.
    #[error(
        "cannot read {}: {source}; check that it is a file and that you may read it",
        path.display()
    )]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A file has no records.
    #[error("{} is empty; replace it, or move it away and add --download", .0.display())]
    EmptyFile(PathBuf),

    /// A file ends within a record.
    #[error(
        "{} is cut off: it has {bytes} bytes, so record {record} (counted from 0) has only \
         {present} of its 3073; replace the file, or move it away and add --download",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        bytes: usize,
        /// The 0-based record that is incomplete.
        record: usize,
        /// How many bytes of that record there are.
        present: usize,
    },

    /// A record's label is not a class.
    #[error(
        "{}, record {record} (counted from 0): label {label} is not one of 0 to 9; the file is \
         damaged or is not CIFAR-10's binary version: replace it",
        path.display()
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// The 0-based record.
        record: usize,
        /// The label found.
        label: u8,
    },

    /// A flag that counts images is zero.
    #[error("{flag} is 0 ({available} images can be shared out); give at least 1")]
    NoImages {
        /// The flag.
        flag: &'static str,
        /// How many images there are.
        available: usize,
    },

    /// More images are asked for than there are.
    #[error(
        "--train-images {train} and --validation-images {validation} together ask for \
         {} images, but there are {available}; lower one of the two",
        train.saturating_add(*validation)
    )]
    TooManyImages {
        /// Training images asked for.
        train: usize,
        /// Validation images asked for.
        validation: usize,
        /// How many images there are to share out.
        available: usize,
    },

    /// A batch of no images.
    #[error("--batch-size is 0; give at least 1")]
    ZeroBatch,

    /// A batch larger than the data.
    #[error(
        "--batch-size {batch_size} is larger than the data ({images} images); give at most {images}"
    )]
    BatchTooLarge {
        /// Images in a batch.
        batch_size: usize,
        /// Images there are.
        images: usize,
    },

    /// The download address cannot be used.
    #[error("cannot download from {url}: {message}; check the address given with --download-url")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        message: String,
    },

    /// The server answered with an error.
    #[error(
        "{url} answered HTTP {status}; try again later, or give another address with \
         --download-url{}",
        kept(part, *bytes)
    )]
    Http {
        /// The address.
        url: String,
        /// HTTP status code.
        status: u16,
        /// The file that holds what was fetched before.
        part: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },

    /// The connection failed in every attempt.
    #[error(
        "the download of {url} broke off {attempts} times, last because: {message}; check the \
         connection and run the same command again{}",
        kept(part, *bytes)
    )]
    Connection {
        /// The address.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt said.
        message: String,
        /// The file that holds what was fetched.
        part: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },

    /// The archive is not the one expected.
    #[error(
        "the archive from {url} has SHA-256 {found}, expected {expected}; nothing was unpacked \
         and {} was removed, so the next try starts afresh",
        part.display()
    )]
    Checksum {
        /// The address.
        url: String,
        /// The sum that was expected, in hexadecimal.
        expected: String,
        /// The sum of what was fetched, in hexadecimal.
        found: String,
        /// The file that was removed.
        part: PathBuf,
    },

    /// The archive cannot be unpacked.
    #[error("the archive from {url} cannot be unpacked: {message}; nothing was put in place")]
    Archive {
        /// The address.
        url: String,
        /// What is wrong with it.
        message: String,
    },

    /// Another process is downloading to the same folder.
    #[error("{} is being written by another process; wait until it is done, then run again", .0.display())]
    Busy(PathBuf),

    /// A file or folder cannot be written.
    #[error(
        "cannot write {}: {source}; check the permissions and the free space, or choose another \
         folder with --data-dir",
        path.display()
    )]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What became of the bytes of an interrupted download.
fn kept(part: &Path, bytes: u64) -> String {
    let mut text = String::new();
    if bytes > 0 {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            " ({bytes} bytes are kept in {}; running again resumes there)",
            part.display()
        );
    }
    text
}
