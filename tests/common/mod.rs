//! What the tests of the binaries share.
#![allow(dead_code)] // Each test file uses its part.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::thread::sleep;
use std::time::Duration;

use assert_cmd::Command;
use safetensors::SafeTensors;

/// A binary of this package, without the caller's environment of data.
pub fn strata(binary: &str) -> Command {
    let mut command = Command::cargo_bin(binary).expect("the binary was built");
    command.env_remove("STRATA_DATA");
    command
}

/// Runs a program until `ready`, presses Ctrl-C, and checks that it stops as it should.
pub fn interrupt_when(program: &OsStr, arguments: &[OsString], ready: impl Fn() -> bool) {
    let mut child = process::Command::new(program)
        .args(arguments)
        .env_remove("STRATA_DATA")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        sleep(Duration::from_millis(2));
    }
    process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("--resume"), "{message}");
}

/// The smallest sensible `layer_lr` run on synthetic images.
pub fn small_layer_lr(out: &Path) -> Command {
    let mut command = strata("layer_lr");
    command
        .args(["--dataset", "synthetic", "--train-images", "300", "--validation-images", "100"])
        .args(["--epochs", "2", "--batch-size", "20", "--trials", "3", "--retrains", "2"])
        .args(["--searches", "2", "--arms", "global,free,hypergradient"])
        .arg("--out")
        .arg(out);
    command
}

/// CIFAR-10 files with `records` records each; pixels and labels count up.
pub fn write_cifar10(folder: &Path, records: usize) {
    fs::create_dir_all(folder).unwrap();
    let names = (1..=5).map(|index| format!("data_batch_{index}.bin"));
    for name in names.chain(["test_batch.bin".to_owned()]) {
        let record = |index: usize| {
            let pixels = (0..3072).map(move |pixel| (index * 31 + pixel * 7) as u8);
            std::iter::once((index % 10) as u8).chain(pixels)
        };
        let bytes: Vec<u8> = (0..records).flat_map(record).collect();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// The tensors of a safetensors file by name.
pub fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |data: &[u8]| {
        data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    file.iter().map(|(name, view)| (name.to_owned(), values(view.data()))).collect()
}

/// A table's rows, sorted, without the columns of time.
pub fn timeless(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let timed: Vec<bool> = reader.headers().unwrap().iter().map(|name| name == "seconds").collect();
    let mut rows: Vec<Vec<String>> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            row.iter()
                .zip(&timed)
                .filter(|(_, timed)| !**timed)
                .map(|(f, _)| f.to_owned())
                .collect()
        })
        .collect();
    rows.sort();
    rows
}

/// Asserts that two runs wrote the same trials and curves.
pub fn assert_same_tables(a: &Path, b: &Path) {
    for name in ["trials.csv", "curves.csv", "layers.csv"] {
        let (a, b) = (timeless(&a.join(name)), timeless(&b.join(name)));
        assert!(!a.is_empty(), "{name} is empty");
        assert_eq!(a, b, "{name}");
    }
}

/// Every file below `folder` with its bytes.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}
