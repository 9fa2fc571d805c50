//! Unpacks a checked archive and renames it into place.

use super::super::cifar10::{self, FILES, VERIFIED};
use super::{Archive, DataError, OFFICIAL_SHA256, unwritable};
use flate2::read::GzDecoder;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Unpacks the expected files, and nothing else, to the new folder `to`.
pub(super) fn unpack(
    archive: &Archive,
    file: &mut File,
    to: &Path,
    part: &Path,
) -> Result<(), DataError> {
    let refused = |message: String| DataError::Archive { url: archive.url.clone(), message };
    let damaged = |error: io::Error| refused(error.to_string());
    file.seek(SeekFrom::Start(0)).map_err(unwritable(part))?;
    fs::create_dir_all(to).map_err(unwritable(to))?;
    let mut unpacker = tar::Archive::new(GzDecoder::new(io::BufReader::new(file)));
    for entry in unpacker.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !path.components().all(inside) {
            return Err(refused(format!("its entry {} leads out of it", path.display())));
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let expected = FILES.contains(&name) || name == "batches.meta.txt";
        if expected && entry.header().entry_type().is_file() {
            // Copied by hand, so that no link, owner or mode of the archive is followed.
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(damaged)?;
            let target = to.join(name);
            if target.exists() {
                return Err(refused(format!("it has {name} twice")));
            }
            fs::write(&target, bytes).map_err(unwritable(&target))?;
        }
    }
    if let Some(missing) = FILES.iter().find(|name| !to.join(name).exists()) {
        return Err(refused(format!("it has no {missing}")));
    }
    let data = cifar10::read(to).map_err(|error| refused(error.to_string()))?;
    if archive.sha256.eq_ignore_ascii_case(OFFICIAL_SHA256) {
        let marker = to.join(VERIFIED);
        fs::write(&marker, data.digest + "\n").map_err(unwritable(&marker))?;
    }
    Ok(())
}

/// Renames a folder into place; what was there is set aside.
pub(super) fn put_in_place(from: &Path, to: &Path) -> Result<(), DataError> {
    let mut aside = None;
    if to.symlink_metadata().is_ok() {
        let free = (1..)
            .map(|n: u32| if n == 1 { String::new() } else { n.to_string() })
            .map(|n| PathBuf::from(format!("{}.old{n}", to.display())))
            .find(|path| path.symlink_metadata().is_err())
            .expect("numbers do not run out");
        fs::rename(to, &free).map_err(unwritable(&free))?;
        aside = Some(free);
    }
    fs::rename(from, to).map_err(|source| {
        if let Some(aside) = aside {
            // The first error is the one to report; the folder is safe under either name.
            let _ = fs::rename(aside, to);
        }
        unwritable(to)(source)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::cifar10::tests::records;
    use super::*;
    use std::io::Write;

    /// Names and contents of a set of one image a file.
    pub fn six_files() -> Vec<(String, Vec<u8>)> {
        let path = |name: &str| format!("cifar-10-batches-bin/{name}");
        (0..).zip(FILES).map(|(label, name)| (path(name), records(&[label]))).collect()
    }

    /// A `.tar.gz` of these files.
    pub fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(gzip);
        for (path, contents) in files {
            let mut header = tar::Header::new_ustar();
            // Written past the builder's own check, as an attacker would.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(contents.len() as u64);
            header.set_mode(0o600);
            header.set_cksum();
            builder.append(&header, &contents[..]).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    /// Unpacks these bytes to `to/new`.
    fn unpack_bytes(bytes: &[u8], to: &Path, sha256: &str) -> Result<(), DataError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut source = Archive::from_url("http://example.org/x");
        source.sha256 = sha256.to_string();
        unpack(&source, &mut file, &to.join("new"), Path::new("part"))
    }

    fn refusal(files: &[(String, Vec<u8>)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let text = unpack_bytes(&archive(files), &inner, "").unwrap_err().to_string();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing outside: {text}");
        text
    }

    #[test]
    fn only_the_expected_files_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = six_files();
        files.push(("cifar-10-batches-bin/batches.meta.txt".to_string(), b"cat\n".to_vec()));
        files.push(("cifar-10-batches-bin/run.sh".to_string(), b"no\n".to_vec()));
        unpack_bytes(&archive(&files), folder.path(), "").unwrap();
        let new = folder.path().join("new");
        assert_eq!(fs::read_dir(&new).unwrap().count(), 7);
        assert_eq!(fs::read(new.join("batches.meta.txt")).unwrap(), b"cat\n");
    }

    #[test]
    fn the_marker_vouches_for_the_official_archive_only() {
        for (sha256, marked) in [("", false), (OFFICIAL_SHA256, true)] {
            let folder = tempfile::tempdir().unwrap();
            unpack_bytes(&archive(&six_files()), folder.path(), sha256).unwrap();
            let new = folder.path().join("new");
            let marker = fs::read_to_string(new.join(VERIFIED)).unwrap_or_default();
            let digest = cifar10::read(&new).unwrap().digest;
            assert_eq!(marker.trim() == digest, marked);
        }
    }

    #[test]
    fn entries_that_lead_out_are_refused() {
        for path in ["../data_batch_1.bin", "a/../../data_batch_1.bin", "/data_batch_1.bin"] {
            let mut files = six_files();
            files[0].0 = path.to_string();
            let text = refusal(&files);
            assert!(text.contains("leads out of it") && text.contains(path), "{text}");
        }
    }

    #[test]
    fn odd_archives_are_refused() {
        assert!(refusal(&six_files()[..5]).contains("no test_batch.bin"));
        let twice = [six_files(), six_files()].concat();
        assert!(refusal(&twice).contains("data_batch_1.bin twice"));
        let mut short = six_files();
        short[2].1.pop();
        assert!(refusal(&short).contains("data_batch_3.bin is cut off"));
        let folder = tempfile::tempdir().unwrap();
        let whole = archive(&six_files());
        for bytes in [&b"no archive at all"[..], &whole[..whole.len() / 2]] {
            let text = unpack_bytes(bytes, folder.path(), "").unwrap_err().to_string();
            assert!(text.contains("cannot be unpacked"), "{text}");
            let _ = fs::remove_dir_all(folder.path().join("new"));
        }
    }

    #[test]
    fn a_failed_rename_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        fs::create_dir(&to).unwrap();
        fs::write(to.join("mine"), b"x").unwrap();
        assert!(put_in_place(&folder.path().join("missing"), &to).is_err());
        assert!(to.join("mine").exists());
    }
}
