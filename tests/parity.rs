//! The same training in PyTorch gives the same weights: references made by
//! `scripts/check_parity.py --write-test-data tests/data/parity`.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{strata, tensors};

/// As the script prints them.
const LAYER_RATES: &str = "conv1=0.005,conv2=0.01,fc1=0.02,fc2=0.007937,fc3=0.01587";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity")
}

/// The vector widths of the kernels; one that the machine lacks becomes its widest.
const WIDTHS: [&str; 3] = ["avx512", "avx2", "baseline"];

/// Weights after a training from the reference's start.
fn trained(method: &str, epochs: &str, width: &str) -> BTreeMap<String, Vec<f32>> {
    let work = tempfile::tempdir().unwrap();
    let weights = work.path().join("end.safetensors");
    strata("train")
        .env("STRATA_SIMD", width)
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
    tensors(&weights)
}

fn largest_error(method: &str, epochs: &str, width: &str) -> f64 {
    let wanted = tensors(&data().join(format!("{method}.safetensors")));
    let found = trained(method, epochs, width);
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
fn sgd_with_rates_per_layer_equals_pytorch_at_every_width() {
    for width in WIDTHS {
        let error = largest_error("sgd", "30", width);
        assert!(error < 1e-4, "{width}: {error}");
    }
}

#[test]
fn adamw_with_rates_per_layer_equals_pytorch_at_every_width() {
    for width in WIDTHS {
        let error = largest_error("adamw", "20", width);
        assert!(error < 1e-4, "{width}: {error}");
    }
}

#[test]
fn a_width_repeats_itself_to_the_bit() {
    for width in WIDTHS {
        assert_eq!(trained("sgd", "30", width), trained("sgd", "30", width), "{width}");
    }
}
