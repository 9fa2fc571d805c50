//! The binary `sensitivity`: known answers, resuming, nets, mistakes.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{interrupt_when, strata, timeless};

/// The values of `indices.csv` by parameter and index.
fn indices(folder: &Path) -> BTreeMap<(String, String), [f64; 3]> {
    let mut reader = csv::Reader::from_path(folder.join("indices.csv")).unwrap();
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, ["method", "parameter", "index", "value", "low", "high"]);
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| {
        let number = |column: usize| row[column].parse().unwrap_or(f64::NAN);
        ((row[1].to_owned(), row[2].to_owned()), [number(3), number(4), number(5)])
    })
    .collect()
}

fn sweep(flags: &str, out: &Path) -> assert_cmd::Command {
    let mut command = strata("sensitivity");
    command.args(flags.split(' ')).arg("--quiet").arg("--out").arg(out);
    command
}

/// SALib 1.6, `sobol.sample(…, 1024, scramble=False, calc_second_order=False)`, `sobol.analyze`.
#[test]
fn unscrambled_sobol_indices_are_those_of_salib() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let flags = "--objective ishigami --method sobol --samples 1024 --unscrambled";
    sweep(flags, &out).assert().success();
    let found = indices(&out);
    for (parameter, index, known) in [
        ("x1", "S1", 0.3329550752),
        ("x2", "S1", 0.4413139385),
        ("x3", "S1", 0.0185784130),
        ("x1", "ST", 0.5581790457),
        ("x2", "ST", 0.4432845840),
        ("x3", "ST", 0.2421493734),
    ] {
        let [value, low, high] = found[&(parameter.to_owned(), index.to_owned())];
        assert!((value - known).abs() < 1e-9, "{parameter} {index}: {value}");
        assert!(low < value && value < high);
    }
    let page = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(page.contains("| x1 |") && page.contains("5120 runs"), "{page}");
    let parts = fs::read_to_string(out.join("by_runs.csv")).unwrap();
    assert!(parts.lines().any(|line| line.starts_with("sobol,1280,x1,S1,")), "{parts}");
}

/// With noise, a dummy joins in: its total effect is nothing but noise, which is taken out.
#[test]
fn noise_is_seen_by_the_dummy_and_taken_out() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    sweep("--objective ishigami --method sobol --samples 512 --noise 2 --seed 5", &out)
        .assert()
        .success();
    let found = indices(&out);
    let total = |parameter: &str| found[&(parameter.to_owned(), "ST".to_owned())];
    let [_, low, high] = total("dummy");
    assert!(low <= 0.0 && 0.0 <= high, "dummy [{low}, {high}]");
    let [value, low, high] = total("x1");
    assert!(low < 0.557589 && 0.557589 < high, "x1 {value} [{low}, {high}]");
    let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let noise = manifest["outcome"]["noise_variance"].as_f64().unwrap();
    assert!((noise - 4.0).abs() < 1.0, "{noise}");
}

/// Ctrl-C, then the same command with --resume: the same tables as in one go.
#[test]
fn an_interrupted_sweep_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let flags = "--dataset synthetic --train-images 300 --validation-images 100 --epochs 1 \
                 --method morris --samples 4 --seed 2";
    let flags: Vec<_> = flags.split_whitespace().collect();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    strata("sensitivity").args(&flags).arg("--quiet").arg("--out").arg(&whole).assert().success();
    let mut arguments: Vec<std::ffi::OsString> = flags.iter().map(Into::into).collect();
    arguments.extend(["--quiet".into(), "--out".into(), cut.clone().into()]);
    let journal = cut.join("study.journal");
    let begun = || fs::read_to_string(&journal).is_ok_and(|text| text.lines().count() > 12);
    interrupt_when(strata("sensitivity").get_program(), &arguments, begun);
    strata("sensitivity").args(&arguments).arg("--resume").assert().success();
    for table in ["trials.csv", "indices.csv", "effects.csv"] {
        assert_eq!(timeless(&whole.join(table)), timeless(&cut.join(table)), "{table}");
    }
    // 14 hyperparameters and a dummy: 16 runs a trajectory.
    let rows = timeless(&whole.join("trials.csv"));
    assert_eq!(rows.len(), 4 * 16);
    assert!(rows.iter().flatten().all(|cell| cell != "failed"), "{rows:?}");
}

#[test]
fn groups_oat_and_rate_maps_of_nets_have_their_tables() {
    let folder = tempfile::tempdir().unwrap();
    let net = "--dataset synthetic --train-images 300 --validation-images 50 --epochs 1";
    let grouped = folder.path().join("groups");
    let groups = "--groups rates=lr,ratio.*;widths=l1,l2 --samples 2";
    sweep(&format!("{net} {groups}"), &grouped).assert().success();
    let found = indices(&grouped);
    for name in ["rates", "widths", "dummy"] {
        assert!(found.contains_key(&(name.to_owned(), "mu_star".to_owned())), "{name}");
    }
    assert!(!found.contains_key(&("ratio.conv1".to_owned(), "mu_star".to_owned())));

    let oat = folder.path().join("oat");
    sweep(&format!("{net} --method oat --samples 3 --metric loss"), &oat).assert().success();
    let text = fs::read_to_string(oat.join("sweep.csv")).unwrap();
    assert!(text.starts_with("parameter,layer,level,position,setting,value,trial\n"));
    assert!(text.lines().any(|line| line.starts_with("ratio.fc1,fc1,")), "{text}");

    let map = folder.path().join("map");
    let flags = format!("{net} --method rate-map --samples 2 --rate .05");
    sweep(&flags, &map).assert().success();
    let text = fs::read_to_string(map.join("map.csv")).unwrap();
    assert!(text.contains("\nfc3,4,re-tuned,"), "{text}");
    assert!(map.join("figures/rate_map.png").exists());
}

#[test]
fn mistakes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, wanted) in [
        ("--objective ishigami --method sobl", vec!["sobl", "morris", "rate-map"]),
        ("--objective parabola", vec!["--objective", "ishigami"]),
        ("--objective ishigami --metric loss", vec!["--metric loss", "value"]),
        ("--objective ishigami --groups a", vec!["--groups", "no '='"]),
        ("--objective ishigami --groups a=x9", vec!["--groups", "x9", "x1, x2, x3"]),
        ("--objective ishigami --groups a=x1;b=x*", vec!["--groups", "x1", "two groups"]),
        ("--objective ishigami --samples 0", vec!["--samples"]),
        ("--objective ishigami --levels 3", vec!["--levels"]),
        ("--objective ishigami --second-order", vec!["--second-order", "--method sobol"]),
        ("--objective ishigami --method oat --unscrambled", vec!["--unscrambled", "shapley"]),
        ("--objective ishigami --noise-variance -1", vec!["--noise-variance"]),
        ("--objective ishigami --method rate-map", vec!["rate-map", "--objective"]),
        ("--objective ishigami --space none.toml", vec!["none.toml"]),
    ] {
        let out = folder.path().join("run");
        let mut command = strata("sensitivity");
        let flags: Vec<_> = flags.split(' ').map(|flag| flag.replace("-1", "=-1")).collect();
        let assert = command
            .args(flags.join(" ").replace(" =", "=").split(' '))
            .args(["--quiet", "--out"])
            .arg(&out)
            .current_dir(folder.path())
            .assert();
        let output = assert.get_output();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
        assert!(wanted.iter().all(|part| text.contains(part)), "{flags:?}: {text}");
        assert!(!out.join("trials.csv").exists(), "{flags:?}");
    }
}
