//! CIFAR-10's binary version: six files of 3,073-byte records, a label and 3,072 pixels
//! (<https://www.cs.toronto.edu/~kriz/cifar.html>, "Binary version").

use super::{CLASSES, DataError, Dataset, IMAGE, Images, digest_of, grouped, jpeg};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Names of the classes, by label.
pub const CLASS_NAMES: [&str; CLASSES] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
/// The subfolder that the official archive unpacks to.
pub const SUBFOLDER: &str = "cifar-10-batches-bin";
/// The files, test images last.
pub const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
/// A label and an image.
const RECORD: usize = 1 + IMAGE;
/// Training and test images of the full set.
const FULL: (usize, usize) = (50_000, 10_000);

/// Written by our own downloader beside files whose archive had the official checksum; holds the
/// [`Dataset::digest`]. The published sums are of the archives, not of the files within.
pub(super) const VERIFIED: &str = ".strata-verified";
/// An optional line of text by whoever made the files, shown with every result.
const SOURCE: &str = "SOURCE.txt";

/// Which of `folder` and its subfolder holds CIFAR-10: the first with all six files, else the first
/// with any of them.
pub fn find(folder: &Path) -> Option<PathBuf> {
    let candidates = [folder.join(SUBFOLDER), folder.to_path_buf()];
    let present = |folder: &Path| FILES.iter().filter(|file| folder.join(file).exists()).count();
    let first = |least| candidates.iter().find(|folder| present(folder) >= least).cloned();
    first(FILES.len()).or_else(|| first(1))
}

/// Reads the six files in `folder` or in its subfolder `cifar-10-batches-bin`.
///
/// Each file may hold any positive whole number of records.
///
/// # Errors
/// [`DataError`] with the file and record: a missing folder or file, a file in place of a folder or
/// the other way round, a file that is empty, cut off or unreadable, a label over 9.
pub fn read(folder: &Path) -> Result<Dataset, DataError> {
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(DataError::NotAFolder(folder.to_path_buf())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(DataError::MissingFolder(folder.to_path_buf()));
        }
        Err(source) => return Err(DataError::Unreadable { path: folder.to_path_buf(), source }),
    }
    // Listing tells a folder that may not be read from an empty one.
    if let Err(source) = fs::read_dir(folder) {
        return Err(DataError::Unreadable { path: folder.to_path_buf(), source });
    }
    let Some(folder) = find(folder) else {
        return Err(DataError::NothingThere(folder.to_path_buf()));
    };
    let missing: Vec<String> =
        FILES.iter().filter(|file| !folder.join(file).exists()).map(ToString::to_string).collect();
    if !missing.is_empty() {
        return Err(DataError::MissingFiles { folder, files: missing });
    }

    let (mut train, mut test) = (Images::default(), Images::default());
    let (test_file, train_files) = FILES.split_last().expect("six files");
    // Room for all of them at once: growing file by file would copy what is there, and hold it twice.
    let sizes = train_files.iter().filter_map(|file| fs::metadata(folder.join(file)).ok());
    let records = sizes.map(|file| file.len() as usize / RECORD).sum::<usize>();
    train.pixels.reserve_exact(records * IMAGE);
    train.labels.reserve_exact(records);
    for file in train_files {
        append(&mut train, &folder.join(file))?;
    }
    append(&mut test, &folder.join(test_file))?;

    let digest = digest_of([&train, &test]);
    let verified =
        fs::read_to_string(folder.join(VERIFIED)).is_ok_and(|text| text.trim() == digest);
    let description = describe(
        (train.len(), test.len()),
        verified,
        source_text(&folder).as_deref(),
        jpeg::looks_re_encoded(&train),
    );
    Ok(Dataset {
        name: "cifar10",
        description,
        classes: CLASS_NAMES,
        train,
        test,
        digest,
        folder: Some(folder),
    })
}

/// Appends the records of one file.
fn append(images: &mut Images, path: &Path) -> Result<(), DataError> {
    let bytes = fs::read(path)
        .map_err(|source| DataError::Unreadable { path: path.to_path_buf(), source })?;
    if bytes.is_empty() {
        return Err(DataError::EmptyFile(path.to_path_buf()));
    }
    let (record, present) = (bytes.len() / RECORD, bytes.len() % RECORD);
    if present != 0 {
        let path = path.to_path_buf();
        return Err(DataError::Truncated { path, bytes: bytes.len(), record, present });
    }
    images.pixels.reserve(record * IMAGE);
    images.labels.reserve(record);
    for (record, bytes) in bytes.chunks_exact(RECORD).enumerate() {
        let label = bytes[0];
        if usize::from(label) >= CLASSES {
            return Err(DataError::Label { path: path.to_path_buf(), record, label });
        }
        images.labels.push(label);
        images.pixels.extend_from_slice(&bytes[1..]);
    }
    Ok(())
}

/// The first line of `SOURCE.txt`, fit for a caption, if there is one.
fn source_text(folder: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(folder.join(SOURCE)).ok()?.take(1_000).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // Captions end up in SVG, HTML and Markdown: only characters that mean nothing there.
    let allowed = |c: char| c.is_alphanumeric() || " .,;:-/()+%=".contains(c);
    let line: String = text.lines().next()?.chars().filter(|&c| allowed(c)).take(80).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

/// What images read from files may be called.
fn describe(images: (usize, usize), verified: bool, source: Option<&str>, jpeg: bool) -> String {
    let counts = format!("{} + {} images", grouped(images.0), grouped(images.1));
    let title = if images == FULL {
        "CIFAR-10".to_string()
    } else if images.0 <= FULL.0 && images.1 <= FULL.1 {
        format!("CIFAR-10 subset, {counts}")
    } else {
        format!("images in CIFAR-10's format, {counts}")
    };
    let mut notes: Vec<&str> = source.into_iter().collect();
    if jpeg && !source.is_some_and(|text| text.to_lowercase().contains("jpeg")) {
        notes.push("re-encoded as JPEG");
    }
    if notes.is_empty() && images == FULL && !verified {
        notes.push("not verified as the official bytes");
    }
    if notes.is_empty() { title } else { format!("{title} ({})", notes.join("; ")) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tempfile::TempDir;

    /// Bytes of a file with these labels; pixels differ between records.
    pub(crate) fn records(labels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (record, &label) in labels.iter().enumerate() {
            bytes.push(label);
            bytes.extend((0..IMAGE).map(|i| (i * 31 + record * 17) as u8));
        }
        bytes
    }

    /// A folder with two records in each file.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (number, file) in (0..).zip(FILES) {
            fs::write(folder.path().join(file), records(&[number, 9])).unwrap();
        }
        folder
    }

    fn message(folder: &Path) -> String {
        read(folder).unwrap_err().to_string()
    }

    #[test]
    fn files_are_read_in_order() {
        let folder = folder();
        let data = read(folder.path()).unwrap();
        assert_eq!(data.train.labels, [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
        assert_eq!(data.test.labels, [5, 9]);
        assert_eq!(data.train.image(3)[2], 62 + 17);
        assert_eq!(data.train.pixels.len(), 10 * IMAGE);
        assert_eq!(data.description, "CIFAR-10 subset, 10 + 2 images");
        assert_eq!((data.name, data.folder.as_deref()), ("cifar10", Some(folder.path())));
        let mut all = Vec::new();
        for file in FILES {
            all.extend(fs::read(folder.path().join(file)).unwrap());
        }
        use sha2::Digest;
        assert_eq!(data.digest, super::super::hexadecimal(&sha2::Sha256::digest(&all)));
    }

    #[test]
    fn the_subfolder_of_the_archive_is_found() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join(SUBFOLDER);
        fs::rename(folder().keep(), &inner).unwrap();
        assert_eq!(read(outer.path()).unwrap().folder.unwrap(), inner);
        // A whole set in the subfolder comes before leftovers beside it.
        fs::write(outer.path().join(FILES[0]), b"x").unwrap();
        assert!(read(outer.path()).is_ok());
        // Even before six damaged files, or a download could not mend them.
        for file in FILES {
            fs::write(outer.path().join(file), b"x").unwrap();
        }
        assert!(read(outer.path()).is_ok());
    }

    #[test]
    fn missing_things_are_named() {
        let folder = folder();
        let path = folder.path();
        assert!(message(&path.join("no")).contains("no does not exist"));
        let file = path.join(FILES[2]);
        assert!(message(&file).contains("data_batch_3.bin is a file, not a folder"));
        fs::remove_file(file).unwrap();
        assert!(message(path).contains("lacks data_batch_3.bin;"), "{}", message(path));
        for file in FILES {
            let _ = fs::remove_file(path.join(file));
        }
        assert!(message(path).contains("no CIFAR-10 in"));
    }

    #[test]
    fn damaged_files_are_named_with_the_record() {
        let folder = folder();
        let file = folder.path().join("data_batch_4.bin");
        let mut bytes = records(&[1, 2, 3]);
        fs::write(&file, &bytes[..7_000]).unwrap();
        let text = message(folder.path());
        assert!(text.contains("data_batch_4.bin is cut off: it has 7000 bytes"), "{text}");
        assert!(text.contains("record 2 (counted from 0) has only 854 of its 3073"), "{text}");

        bytes[RECORD] = 10;
        fs::write(&file, &bytes).unwrap();
        let text = message(folder.path());
        assert!(
            text.contains("data_batch_4.bin, record 1 ") && text.contains("label 10"),
            "{text}"
        );

        fs::write(&file, b"").unwrap();
        assert!(message(folder.path()).contains("data_batch_4.bin is empty"));

        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let text = message(folder.path());
        assert!(text.contains("cannot read") && text.contains("data_batch_4.bin"), "{text}");
    }

    #[test]
    fn a_name_says_what_the_data_is() {
        assert_eq!(describe(FULL, true, None, false), "CIFAR-10");
        assert_eq!(
            describe(FULL, false, None, false),
            "CIFAR-10 (not verified as the official bytes)"
        );
        assert_eq!(describe(FULL, false, None, true), "CIFAR-10 (re-encoded as JPEG)");
        assert_eq!(
            describe(FULL, false, Some("re-encoded as JPEG"), true),
            "CIFAR-10 (re-encoded as JPEG)"
        );
        assert_eq!(
            describe((5_000, 1_000), false, Some("first thousand"), true),
            "CIFAR-10 subset, 5,000 + 1,000 images (first thousand; re-encoded as JPEG)"
        );
        assert_eq!(
            describe((60_000, 10), false, None, false),
            "images in CIFAR-10's format, 60,000 + 10 images"
        );
    }

    #[test]
    fn the_source_line_is_made_safe() {
        let folder = folder();
        fs::write(folder.path().join(SOURCE), "a <b>\tlarge|set\u{7}  (v2)\nmore").unwrap();
        let data = read(folder.path()).unwrap();
        assert_eq!(data.description, "CIFAR-10 subset, 10 + 2 images (a blargeset (v2))");
    }
}
