//! Gets an archive's bytes over HTTP, going on where an earlier attempt ended.

use super::meter::Meter;
use super::{Archive, DataError, Progress, sum, unwritable};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

/// How often a download is tried before giving up.
const ATTEMPTS: u32 = 5;
/// A connection that is silent for so long counts as cut.
const SILENCE: Duration = Duration::from_secs(30);

/// How an attempt ended, if not well.
enum Failure {
    /// Worth another attempt.
    Passing(String),
    /// Not worth one.
    Final(DataError),
}

/// Fetches what `file` (at `part`) lacks of the archive, in several attempts.
pub(super) fn fetch(
    archive: &Archive,
    file: &mut File,
    part: &Path,
    progress: Progress,
) -> Result<(), DataError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("strata/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let meter = Meter::new(progress);
    let mut message = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            meter.note(&format!("download: {message}; attempt {} of {ATTEMPTS}", attempt + 1));
            std::thread::sleep(archive.pause * 2_u32.pow(attempt - 1));
        }
        match attempt_once(&agent, archive, file, part, &meter) {
            Ok(()) => return Ok(()),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(reason)) => message = reason,
        }
    }
    Err(DataError::Connection {
        url: archive.url.clone(),
        attempts: ATTEMPTS,
        message,
        part: part.to_path_buf(),
        bytes: length(file, part)?,
    })
}

fn length(file: &File, part: &Path) -> Result<u64, DataError> {
    Ok(file.metadata().map_err(unwritable(part))?.len())
}

/// Asks for the rest of the archive and appends it to the file.
fn attempt_once(
    agent: &ureq::Agent,
    archive: &Archive,
    file: &mut File,
    part: &Path,
    meter: &Meter,
) -> Result<(), Failure> {
    let broken = |source| Failure::Final(unwritable(part)(source));
    let have = length(file, part).map_err(Failure::Final)?;
    let mut request = agent.get(&archive.url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(|error| failure(archive, error))?;
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let start = match status {
        206 if have > 0 => {
            // "bytes 100-199/200" (RFC 9110, section 14.4).
            let range = header("content-range").and_then(|text| text.strip_prefix("bytes "));
            let first = range.and_then(|range| range.split('-').next()?.parse::<u64>().ok());
            if first != Some(have) {
                file.set_len(0).map_err(broken)?;
                return Err(Failure::Passing("the server sent another range".to_string()));
            }
            have
        }
        // All of it: the server does not resume, or there was nothing to resume.
        200 => 0,
        416 if have > 0 => {
            // There is no more: the file is whole, which its checksum tells, or not this archive's.
            if sum(file).map_err(broken)?.eq_ignore_ascii_case(&archive.sha256) {
                return Ok(());
            }
            file.set_len(0).map_err(broken)?;
            return Err(Failure::Passing("the server could not resume".to_string()));
        }
        // Too many requests, and the troubles of proxies.
        429 | 502..=504 => return Err(Failure::Passing(format!("HTTP {status}"))),
        _ => {
            let (url, part) = (archive.url.clone(), part.to_path_buf());
            return Err(Failure::Final(DataError::Http { url, status, part, bytes: have }));
        }
    };
    let rest = header("content-length").and_then(|text| text.parse::<u64>().ok());
    let total = rest.map(|rest| start + rest);
    file.set_len(start).map_err(broken)?;
    file.seek(SeekFrom::Start(start)).map_err(broken)?;
    meter.begin(start, total);

    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut at = start;
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Also when the connection closes before all that was promised has come.
            Err(error) => return Err(Failure::Passing(error.to_string())),
        };
        file.write_all(&buffer[..count]).map_err(broken)?;
        at += count as u64;
        meter.advance(at);
    }
    file.sync_all().map_err(broken)
}

/// Whether an error of the request is worth another attempt.
fn failure(archive: &Archive, error: ureq::Error) -> Failure {
    use ureq::Error::{BadUri, Http, InvalidProxyUrl};
    match error {
        BadUri(_) | Http(_) | InvalidProxyUrl => Failure::Final(DataError::Address {
            url: archive.url.clone(),
            message: error.to_string(),
        }),
        other => Failure::Passing(other.to_string()),
    }
}
