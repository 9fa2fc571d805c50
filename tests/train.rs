//! `train` from end to end, by the real binary.

mod common;

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use common::{assert_same_tables, interrupt_when, strata, tensors};

fn train(out: &Path) -> Command {
    let mut command = strata("train");
    command
        .args(["--dataset", "synthetic", "--train-images", "400", "--validation-images", "100"])
        .args(["--batch-size", "20", "--lr", "0.02", "--quiet"])
        .arg("--out")
        .arg(out);
    command
}

#[cfg(unix)]
#[test]
fn a_run_that_was_interrupted_and_resumed_equals_a_straight_one() {
    let folder = tempfile::tempdir().unwrap();
    let (straight, cut) = (folder.path().join("straight"), folder.path().join("cut"));
    let flags = ["--epochs", "12", "--diagnostics-every", "1", "--momentum", "0.8"];
    train(&straight).args(flags).assert().success();
    let mut arguments: Vec<_> = train(&cut).get_args().map(ToOwned::to_owned).collect();
    arguments.extend(flags.map(Into::into));
    let curves = cut.join("curves.csv");
    interrupt_when(strata("train").get_program(), &arguments, || {
        fs::read_to_string(&curves).is_ok_and(|text| text.lines().count() > 4)
    });
    assert!(fs::read_to_string(&curves).unwrap().lines().count() < 20, "it was too fast to stop");
    train(&cut).args(flags).arg("--resume").assert().success();
    assert_same_tables(&straight, &cut);
    let weights = |out: &Path| tensors(&out.join("checkpoints/last.safetensors"));
    assert_eq!(weights(&straight), weights(&cut));
}

#[test]
fn weights_go_out_and_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("w.safetensors");
    train(&folder.path().join("a"))
        .args(["--epochs", "1", "--export-weights"])
        .arg(&weights)
        .assert()
        .success();
    let again = folder.path().join("v.safetensors");
    train(&folder.path().join("b"))
        .args(["--epochs", "1", "--lr", "1e-30", "--weight-decay", "0", "--import-weights"])
        .arg(&weights)
        .arg("--export-weights")
        .arg(&again)
        .assert()
        .success();
    assert_eq!(tensors(&weights), tensors(&again));
    assert_eq!(tensors(&weights)["fc1.weight"].len(), 120 * 400);
}

#[test]
fn a_diverging_run_ends_at_once_as_diverged() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let assert = train(&out)
        .args(["--epochs", "3", "--lr", "1000", "--momentum", "0.99"])
        .assert()
        .success();
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(output.contains("diverged"), "{output}");
    let trials = fs::read_to_string(out.join("trials.csv")).unwrap();
    assert!(trials.contains(",diverged,"), "{trials}");
}

#[test]
fn a_layer_rate_moves_its_layer_only_as_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    train(&out).args(["--epochs", "1", "--layer-lr", "conv1=0.001,fc3=0.04"]).assert().success();
    let trials = fs::read_to_string(out.join("trials.csv")).unwrap();
    assert!(trials.trim_end().ends_with(",0.001,0.02,0.02,0.02,0.04"), "{trials}");
}

#[test]
fn every_scheme_and_net_trains() {
    let folder = tempfile::tempdir().unwrap();
    for scheme in ["global", "free", "depth-decay", "type-groups"] {
        train(&folder.path().join(scheme))
            .args(["--epochs", "1", "--scheme", scheme])
            .assert()
            .success();
    }
    for net in ["vgg", "vgg-bn", "resnet20"] {
        train(&folder.path().join(net))
            .args([
                "--epochs",
                "1",
                "--net",
                net,
                "--train-images",
                "40",
                "--validation-images",
                "20",
            ])
            .assert()
            .success();
    }
}

#[test]
fn a_config_file_gives_flags_and_the_command_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("run.toml");
    fs::write(&config, "epochs = 3\nlr = 0.5\nlayer_lr = { fc3 = 0.25 }\n").unwrap();
    let out = folder.path().join("run");
    train(&out).args(["--epochs", "1", "--config"]).arg(&config).assert().success();
    let trials = fs::read_to_string(out.join("trials.csv")).unwrap();
    let row = trials.lines().nth(1).unwrap();
    assert!(row.contains(",complete,,1,400,"), "{row}");
    assert!(row.ends_with(",0.02,0.02,0.02,0.02,0.25"), "{row}");
}
