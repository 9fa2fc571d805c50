//! The same training in PyTorch gives the same weights: references made by
//! `scripts/check_parity.py --write-test-data tests/data/parity`.

mod common;

use std::path::{Path, PathBuf};

use common::{strata, tensors};

/// As the script prints them.
const LAYER_RATES: &str = "conv1=0.005,conv2=0.01,fc1=0.02,fc2=0.007937,fc3=0.01587";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity")
}

fn largest_error(method: &str, epochs: &str) -> f64 {
    let work = tempfile::tempdir().unwrap();
    let weights = work.path().join("end.safetensors");
    strata("train")
        .args(["--dataset", "cifar10", "--no-shuffle", "--schedule", "constant", "--quiet"])
        .args(["--train-images", "16", "--validation-images", "14", "--batch-size", "16"])
        .args(["--l1", "12", "--l2", "11", "--lr", "0.01", "--layer-lr", LAYER_RATES])
        .args(["--optimizer", method, "--epochs", epochs])
        .arg("--data-dir")
        .arg(data().join("images"))
        .arg("--import-weights")
        .arg(data().join("start.safetensors"))
        .arg("--export-weights")
        .arg(&weights)
        .arg("--out")
        .arg(work.path().join("out"))
        .assert()
        .success();
    let wanted = tensors(&data().join(format!("{method}.safetensors")));
    let found = tensors(&weights);
    assert_eq!(wanted.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    let error = |name: &String| {
        let distance = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        let zeros = vec![0.0; wanted[name].len()];
        distance(&found[name], &wanted[name]) / distance(&wanted[name], &zeros)
    };
    wanted.keys().map(error).fold(0.0, f64::max)
}

#[test]
fn sgd_with_rates_per_layer_equals_pytorch() {
    let error = largest_error("sgd", "30");
    assert!(error < 1e-4, "{error}");
}

#[test]
fn adamw_with_rates_per_layer_equals_pytorch() {
    let error = largest_error("adamw", "20");
    assert!(error < 1e-4, "{error}");
}
