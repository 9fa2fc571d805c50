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
    for name in [
        "best_so_far",
        "difference",
        "forest",
        "layer_rates",
        "learning_curves",
        "rate_accuracy",
        "ratios",
        "relative_update",
        "rotation",
    ] {
        for format in ["svg", "png"] {
            assert!(out.join(format!("figures/{name}.{format}")).exists(), "{name}.{format}");
        }
    }
    let verdict: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("verdict.json")).unwrap()).unwrap();
    assert_eq!((&verdict["n"], &verdict["searches"]), (&4.into(), &2.into()));
    // Four pairs never carry a claim.
    assert_eq!(verdict["verdict"], "inconclusive");
    let arms =
        verdict["comparisons"].as_array().unwrap().iter().map(|c| c["arm"].as_str().unwrap());
    let wanted =
        ["free", "placebo", "hypergradient", "hypergradient/schedule", "hypergradient/vector"];
    assert_eq!(arms.collect::<Vec<_>>(), wanted);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["status"], "complete");
    // Two searches of three trials and two models each, a placebo and two replays.
    assert_eq!(manifest["trials"], 48);
    assert!(output.contains("48 trainings of 600 images"), "{output}");
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
    for kept in [0, 1, 5, 8, 12, 19, 30, 48] {
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
        "--searches",
        "1",
        "--arms",
        "global,free",
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

#[test]
fn a_run_can_be_extended_by_searches() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, grown) = (folder.path().join("whole"), folder.path().join("grown"));
    small_layer_lr(&whole).arg("--quiet").assert().success();
    small_layer_lr(&grown).args(["--quiet", "--searches", "1"]).assert().success();
    small_layer_lr(&grown).args(["--quiet", "--resume"]).assert().success();
    assert_same_tables(&whole, &grown);
}

#[test]
fn every_arm_runs() {
    let folder = tempfile::tempdir().unwrap();
    let arms = "global,global-plus,free,type-groups,depth-decay,depth-contrast,fan-in,\
                nested-contrasts,lars,lamb,hypergradient,l-dog,curvature,layca,freezeout,temp-balance";
    let out = folder.path().join("run");
    let data = ["--dataset", "synthetic", "--train-images", "300", "--validation-images", "100"];
    let sizes = ["--searches", "1", "--trials", "2", "--retrains", "1", "--epochs", "1"];
    let mut command = strata("layer_lr");
    command.args(data).args(sizes).args(["--batch-size", "20", "--quiet", "--arms", arms]);
    command.arg("--out").arg(&out).assert().success();
    let verdict: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("verdict.json")).unwrap()).unwrap();
    assert!(verdict["arms"].as_array().unwrap().len() >= 16);
}

#[test]
fn the_finder_suggests_rates() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let data = ["--dataset", "synthetic", "--train-images", "600", "--validation-images", "100"];
    let assert = strata("layer_lr")
        .arg("finder")
        .args(data)
        .args(["--batch-size", "20", "--searches", "1", "--quiet", "--out"])
        .arg(&out)
        .assert()
        .success();
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(output.contains("fc3:") && output.contains("additivity"), "{output}");
    let rows = |name: &str| {
        let mut table = csv::Reader::from_path(out.join(name)).unwrap();
        table.records().map(Result::unwrap).collect::<Vec<_>>()
    };
    let layers: Vec<_> = rows("suggestions.csv").iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(layers, ["conv1", "conv2", "fc1", "fc2", "fc3", "all"]);
    assert_eq!(rows("finder.csv").iter().filter(|row| &row[0] == "base").count(), 300);
    assert!(out.join("figures/finder.png").exists());
}

#[test]
fn the_map_is_whole_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let map = |out: &Path, extra: &[&str]| {
        let mut command = strata("layer_lr");
        command
            .arg("map")
            .args(["--dataset", "synthetic", "--train-images", "200", "--validation-images", "100"])
            .args(["--epochs", "1", "--batch-size", "20", "--trials", "3", "--retrains", "2"])
            .args(extra)
            .args(["--quiet", "--out"])
            .arg(out);
        command.assert().success();
    };
    map(&whole, &[]);
    let lines = fs::read_to_string(whole.join("map.csv")).unwrap().lines().count();
    // Five layers and all, five multipliers, two seeds; two bases for single layers.
    assert_eq!(lines, 1 + 5 * 5 * 2 * 2 + 5 * 2);
    assert!(whole.join("figures/rate_map.png").exists());
    for kept in [2, 3, 50] {
        let _ = fs::remove_dir_all(&cut);
        fs::create_dir(&cut).unwrap();
        for name in ["trials.csv", "curves.csv", "layers.csv", "manifest.json"] {
            fs::copy(whole.join(name), cut.join(name)).unwrap();
        }
        crash_after(&cut, kept);
        map(&cut, &["--resume"]);
        for name in ["trials.csv", "curves.csv"] {
            assert_eq!(common::timeless(&whole.join(name)), common::timeless(&cut.join(name)));
        }
        let text = |out: &Path| fs::read_to_string(out.join("map.csv")).unwrap();
        assert_eq!(text(&whole), text(&cut));
    }
}
