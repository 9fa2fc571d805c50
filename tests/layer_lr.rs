//! `layer_lr` from end to end, by the real binary.

mod common;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use common::{assert_same_tables, interrupt_when, small_layer_lr, strata};

#[test]
fn a_small_run_writes_all_tables_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let assert = small_layer_lr(&out).assert().success();
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(output.contains("synthetic"), "{output}");
    for name in ["difference", "layer_rates", "learning_curves", "rate_accuracy", "relative_update"]
    {
        for format in ["svg", "png"] {
            assert!(out.join(format!("figures/{name}.{format}")).exists(), "{name}.{format}");
        }
    }
    let verdict: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("verdict.json")).unwrap()).unwrap();
    assert_eq!(verdict["n"], 2);
    // Two pairs never carry a claim.
    assert_eq!(verdict["verdict"], "inconclusive");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["status"], "complete");
    assert_eq!(manifest["trials"], 10);
    let summary = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(summary.contains("synthetic") && summary.contains("figures/difference.png"));

    // Test accuracy appears for final models only.
    let mut trials = csv::Reader::from_path(out.join("trials.csv")).unwrap();
    let header = trials.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (phase, test) = (column("hp.phase"), column("test_accuracy"));
    for row in trials.records() {
        let row = row.unwrap();
        assert_eq!(&row[phase] == "retrain", !row[test].is_empty(), "{row:?}");
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    small_layer_lr(&one).args(["--workers", "1", "--quiet"]).assert().success();
    small_layer_lr(&two).args(["--workers", "2", "--quiet"]).assert().success();
    assert_same_tables(&one, &two);
}

#[test]
fn another_seed_changes_the_trials() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    small_layer_lr(&one).arg("--quiet").assert().success();
    small_layer_lr(&two).args(["--quiet", "--seed", "1"]).assert().success();
    let trials = |out: &Path| common::timeless(&out.join("trials.csv"));
    assert_ne!(trials(&one), trials(&two));
}

/// Cuts the tables as a crash after `kept` trials would leave them: the next trial has a part of
/// its curves, and every file ends in the middle of a row.
fn crash_after(out: &Path, kept: usize) {
    for (name, ahead) in [("trials.csv", 0), ("curves.csv", 2), ("layers.csv", 7)] {
        let path = out.join(name);
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let finished = |line: &&&str| {
            let trial = line.split(',').next().and_then(|trial| trial.parse::<usize>().ok());
            trial.is_none_or(|trial| trial < kept)
        };
        let whole = (lines.iter().filter(finished).count() + ahead).min(lines.len());
        let torn = lines.get(whole).map_or("", |line| &line[..line.len() / 2]);
        fs::write(path, lines[..whole].concat() + torn).unwrap();
    }
}

#[test]
fn a_crash_at_any_trial_and_resume_give_the_same_tables() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    small_layer_lr(&whole).arg("--quiet").assert().success();
    for kept in 0..=10 {
        let out = folder.path().join(format!("cut{kept}"));
        fs::create_dir(&out).unwrap();
        for name in ["trials.csv", "curves.csv", "layers.csv", "manifest.json"] {
            fs::copy(whole.join(name), out.join(name)).unwrap();
        }
        crash_after(&out, kept);
        small_layer_lr(&out).args(["--quiet", "--resume"]).assert().success();
        assert_same_tables(&whole, &out);
        assert!(out.join("verdict.json").exists());
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_cleanly_and_resume_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("cut"));
    let flags = [
        "--dataset",
        "synthetic",
        "--train-images",
        "2000",
        "--validation-images",
        "100",
        "--epochs",
        "2",
        "--batch-size",
        "20",
        "--trials",
        "4",
        "--retrains",
        "2",
    ];
    strata("layer_lr").args(flags).arg("--quiet").arg("--out").arg(&whole).assert().success();

    let mut arguments: Vec<OsString> = flags.map(Into::into).to_vec();
    arguments.extend(["--out".into(), out.clone().into()]);
    // Until the first trial has its row.
    interrupt_when(strata("layer_lr").get_program(), &arguments, || {
        fs::read_to_string(out.join("trials.csv")).is_ok_and(|text| text.lines().count() > 1)
    });
    let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"stopped\""), "{manifest}");

    strata("layer_lr")
        .args(flags)
        .args(["--quiet", "--resume"])
        .arg("--out")
        .arg(&out)
        .assert()
        .success();
    assert_same_tables(&whole, &out);
}
