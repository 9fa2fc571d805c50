//! A server on loopback for the tests: one answer a connection, then it is gone.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server does with a request.
#[derive(Clone, Copy)]
pub enum Answer {
    /// Sends all that was asked for.
    Whole,
    /// Promises all, sends so many bytes and closes.
    Cut(usize),
    /// Sends everything with status 200.
    IgnoreRange,
    /// Sends everything as if it were a range from byte 1 on.
    WrongRange,
    /// An error.
    Status(u16),
}

pub struct Server {
    pub url: String,
    ranges: Arc<Mutex<Vec<Option<u64>>>>,
}

impl Server {
    /// The first byte that each request so far asked for.
    pub fn ranges(&self) -> Vec<Option<u64>> {
        self.ranges.lock().unwrap().clone()
    }
}

/// Serves `bytes`, giving the answers in turn.
pub fn serve(bytes: Vec<u8>, answers: &[Answer]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/cifar.tar.gz", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let (seen, answers) = (ranges.clone(), answers.to_vec());
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((stream, _)) = listener.accept() else { return };
            let range = range(&stream);
            seen.lock().unwrap().push(range);
            reply(stream, &bytes, range, answer);
        }
    });
    Server { url, ranges }
}

/// Reads a request and returns the start of its Range.
fn range(stream: &TcpStream) -> Option<u64> {
    let mut range = None;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("range: bytes=") {
            range = Some(value.trim_end_matches('-').parse().unwrap());
        }
    }
    range
}

fn reply(mut stream: TcpStream, bytes: &[u8], range: Option<u64>, answer: Answer) {
    let start = match answer {
        Answer::IgnoreRange | Answer::WrongRange => 0,
        _ => range.unwrap_or(0) as usize,
    };
    let body = &bytes[start.min(bytes.len())..];
    let partial = range.is_some() && !matches!(answer, Answer::IgnoreRange);
    let status = match answer {
        Answer::Status(status) => status,
        _ if partial => 206,
        _ => 200,
    };
    let mut head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n");
    if partial {
        let start = if matches!(answer, Answer::WrongRange) { 1 } else { start };
        head += &format!("Content-Range: bytes {start}-{0}/{0}\r\n", bytes.len());
    }
    let body = if matches!(answer, Answer::Status(_)) { &b"oops"[..] } else { body };
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    let sent = if let Answer::Cut(bytes) = answer { bytes } else { body.len() };
    // The client may hang up first; the test looks at what it made of it.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body[..sent]);
}
