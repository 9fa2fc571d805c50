//! Runs as event files, which TensorBoard reads: curves of every trial, series of layers and probes,
//! and hyperparameters for its HParams view.
//!
//! An event file is a sequence of TFRecords (length, its checksum, an `Event` message, its checksum).
//! Messages and their numbers are those of TensorFlow's `event.proto` and `summary.proto` and of
//! TensorBoard's `plugins/hparams/plugin_data.proto`, as far as they are needed; no crate that is kept
//! up writes them without `protoc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prost::Message;

use super::{ReportError, Table};

/// Tables of series: what names a series of theirs beside the column, and the column of steps.
const SERIES: [(&str, &[&str]); 3] = [
    ("curves.csv", &["split"]),
    ("layers.csv", &["layer"]),
    ("probes.csv", &["probe", "layer", "other"]),
];
/// Columns that are no series.
const NO_SERIES: [&str; 4] = ["trial", "step", "seconds", "images_trained"];
/// TensorBoard reads files whose names have this in them.
const FILE: &str = "events.out.tfevents.0.strata";

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin_data: Option<Plugin>,
}

#[derive(Clone, PartialEq, Message)]
struct Plugin {
    #[prost(string, tag = "1")]
    plugin_name: String,
    #[prost(bytes = "vec", tag = "2")]
    content: Vec<u8>,
}

/// What the HParams view knows of a trial: one of its beginning and its end.
#[derive(Clone, PartialEq, Message)]
struct Session {
    #[prost(message, optional, tag = "3")]
    start: Option<Start>,
    #[prost(message, optional, tag = "4")]
    end: Option<End>,
}

#[derive(Clone, PartialEq, Message)]
struct Start {
    #[prost(btree_map = "string, message", tag = "1")]
    hparams: BTreeMap<String, Setting>,
    #[prost(string, tag = "4")]
    group_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct End {
    /// 1: success, 2: failure.
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Setting {
    #[prost(double, optional, tag = "2")]
    number: Option<f64>,
    #[prost(string, optional, tag = "3")]
    text: Option<String>,
}

/// Writes an event file for each trial of the run in `folder` to a folder of its own in `target`; gives
/// their number.
///
/// Cells without a finite number are left out. Wall time is the trial's seconds.
///
/// # Errors
/// A table cannot be read, or a file not be written.
pub fn tensorboard(folder: &Path, target: &Path) -> Result<usize, ReportError> {
    let mut trials: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
    let path = folder.join("trials.csv");
    if path.is_file() {
        sessions(&Table::read(&path)?, &mut trials);
    }
    for (name, keys) in SERIES {
        let path = folder.join(name);
        if path.is_file() {
            series(&Table::read(&path)?, keys, &mut trials);
        }
    }
    let width = trials.keys().next_back().map_or(1, |last| last.to_string().len());
    for (trial, events) in &trials {
        let folder = target.join(format!("trial_{trial:0width$}"));
        let path = folder.join(FILE);
        let fault = |source| ReportError::Io { action: "write", path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(fault)?;
        let version = Event { file_version: Some("brain.Event:2".to_owned()), ..Event::default() };
        let mut bytes = Vec::new();
        for event in std::iter::once(&version).chain(events) {
            record(&mut bytes, &event.encode_to_vec());
        }
        fs::write(&path, bytes).map_err(fault)?;
    }
    Ok(trials.len())
}

/// Hyperparameters and outcome of each trial of `trials.csv`.
fn sessions(table: &Table, trials: &mut BTreeMap<u64, Vec<Event>>) {
    let of = |row: &[String], name: &str| {
        let place = table.columns.iter().position(|column| column == name)?;
        Some(row[place].clone()).filter(|cell| !cell.is_empty())
    };
    for row in &table.rows {
        let Some(trial) = of(row, "trial").and_then(|cell| cell.parse().ok()) else { continue };
        let settings = table.columns.iter().zip(row).filter_map(|(column, cell)| {
            let name = column.strip_prefix("hp.").filter(|_| !cell.is_empty())?;
            let number = finite(cell);
            let text = number.is_none().then(|| cell.clone());
            Some((name.to_owned(), Setting { number, text }))
        });
        let start = Start { hparams: settings.collect(), group_name: format!("trial {trial}") };
        let status = match of(row, "status").as_deref() {
            Some("failed" | "diverged") => 2,
            _ => 1,
        };
        let session = |tag: &str, session: Session| Value {
            tag: format!("_hparams_/{tag}"),
            simple_value: None,
            metadata: Some(Metadata {
                plugin_data: Some(Plugin {
                    plugin_name: "hparams".to_owned(),
                    content: session.encode_to_vec(),
                }),
            }),
        };
        let mut value = vec![
            session("session_start_info", Session { start: Some(start), end: None }),
            session("session_end_info", Session { start: None, end: Some(End { status }) }),
        ];
        for name in ["value", "validation_accuracy", "test_accuracy"] {
            let number = of(row, name).and_then(|cell| finite(&cell));
            value.extend(number.map(|number| scalar(format!("final/{name}"), number)));
        }
        let summary = Some(Summary { value });
        trials.entry(trial).or_default().push(Event { summary, ..Event::default() });
    }
}

/// Every column of numbers as a series of its trial, named by the row's keys.
fn series(table: &Table, keys: &[&str], trials: &mut BTreeMap<u64, Vec<Event>>) {
    let place = |name: &str| table.columns.iter().position(|column| column == name);
    let (Some(trial), Some(step)) = (place("trial"), place("step")) else { return };
    let keys: Vec<usize> = keys.iter().filter_map(|key| place(key)).collect();
    let seconds = place("seconds");
    for row in &table.rows {
        let (Ok(trial), Some(step)) = (row[trial].parse(), finite(&row[step])) else { continue };
        let named: Vec<&str> =
            keys.iter().map(|key| row[*key].as_str()).filter(|key| !key.is_empty()).collect();
        let value: Vec<Value> = table
            .columns
            .iter()
            .zip(row)
            .enumerate()
            .filter(|(at, (column, _))| !keys.contains(at) && !NO_SERIES.contains(&column.as_str()))
            .filter_map(|(_, (column, cell))| {
                let tag = std::iter::once(column.as_str()).chain(named.iter().copied());
                Some(scalar(tag.collect::<Vec<_>>().join("/"), finite(cell)?))
            })
            .collect();
        if value.is_empty() {
            continue;
        }
        trials.entry(trial).or_default().push(Event {
            wall_time: seconds.and_then(|at| finite(&row[at])).unwrap_or(0.0),
            step: step as i64,
            file_version: None,
            summary: Some(Summary { value }),
        });
    }
}

fn scalar(tag: String, value: f64) -> Value {
    Value { tag, simple_value: Some(value as f32), metadata: None }
}

fn finite(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A TFRecord.
fn record(bytes: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    bytes.extend(length);
    bytes.extend(masked(&length).to_le_bytes());
    bytes.extend(data);
    bytes.extend(masked(data).to_le_bytes());
}

/// The checksum as TFRecords have it: CRC-32C, rotated and displaced.
fn masked(data: &[u8]) -> u32 {
    static CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    CRC.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a file, their checksums compared.
    fn events(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).expect("is there");
        let (mut at, mut found) = (0, Vec::new());
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight")) as usize;
            assert_eq!(word(at + 8), masked(&bytes[at..at + 8]));
            let data = &bytes[at + 12..at + 12 + length];
            assert_eq!(word(at + 12 + length), masked(data));
            found.push(Event::decode(data).expect("is an event"));
            at += length + 16;
        }
        found
    }

    /// RFC 3720, B.4: 32 bytes of zeros; and the empty message's mask.
    #[test]
    fn checksums_are_castagnolis() {
        let unmasked = masked(&[0; 32]).wrapping_sub(0xa282_ead8).rotate_left(15);
        assert_eq!(unmasked, 0x8a91_36aa);
        assert_eq!(masked(&[]), 0xa282_ead8);
    }

    #[test]
    fn tables_become_series_of_trials() {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("is written");
        write(
            "trials.csv",
            "trial,status,value,hp.lr,hp.net,hp.l1\n3,complete,.5,.01,vgg,\n12,diverged,,.1,vgg,2\n",
        );
        write(
            "curves.csv",
            "trial,step,split,loss,accuracy,images_trained,seconds\n3,10,train,2.5,,640,1.5\n",
        );
        write("layers.csv", "trial,step,layer,rate,norm\n3,1,conv1,.01,NaN\nx,1,conv1,1,1\n");
        write("probes.csv", "no,columns,of,ours\n1,2,3,4\n");
        let target = folder.path().join("tb");
        assert_eq!(tensorboard(folder.path(), &target).expect("is written"), 2);
        let found = events(&target.join("trial_03").join(FILE));
        assert_eq!(found[0].file_version.as_deref(), Some("brain.Event:2"));
        let tags: Vec<Vec<(String, Option<f32>)>> = found[1..]
            .iter()
            .map(|event| {
                let values = &event.summary.as_ref().expect("has one").value;
                values.iter().map(|value| (value.tag.clone(), value.simple_value)).collect()
            })
            .collect();
        assert_eq!(tags[0][2], ("final/value".to_owned(), Some(0.5)));
        assert_eq!(
            tags[1..],
            [
                vec![("loss/train".to_owned(), Some(2.5))],
                vec![("rate/conv1".to_owned(), Some(0.01))]
            ]
        );
        assert_eq!((found[2].wall_time, found[2].step), (1.5, 10));
        let session = |event: &Event, place: usize| {
            let value = event.summary.as_ref().expect("has one").value[place].clone();
            let plugin = value.metadata.and_then(|of| of.plugin_data).expect("is a session");
            Session::decode(plugin.content.as_slice()).expect("is a session")
        };
        let start = session(&found[1], 0).start.expect("has one");
        let settings: Vec<_> = start.hparams.into_iter().collect();
        let number = |value| Setting { number: Some(value), text: None };
        let text = Setting { number: None, text: Some("vgg".to_owned()) };
        assert_eq!(settings, [("lr".to_owned(), number(0.01)), ("net".to_owned(), text)]);
        let diverged = events(&target.join("trial_12").join(FILE));
        assert_eq!(session(&diverged[1], 1).end, Some(End { status: 2 }));
    }
}
