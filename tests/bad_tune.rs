//! What a user gets wrong with `tune`: status 2, one message that names the thing and what to do, and
//! nothing lost.

mod common;

use std::fs;
use std::path::Path;

use common::{contents, strata};

/// Flags of `tune` (`@` stands for the test's folder) and what the message must contain.
type Mistake = (&'static str, &'static [&'static str]);

const MISTAKES: &[Mistake] = &[
    // What is searched, by whom, and by which measure.
    ("--objective parabola", &["--objective", "parabola", "branin"]),
    ("--objective ackley-0", &["--objective", "ackley-N"]),
    ("--objective branin --sampler oracle", &["oracle", "tpe"]),
    ("--objective branin --sampler grid", &["grid", "x1", "--grid-levels"]),
    ("--objective branin --sampler grid --grid-levels 0", &["--grid-levels", "at least 1"]),
    ("--objective branin --metric loss", &["--metric loss", "value"]),
    ("--objective branin --metrics speed", &["--metrics speed", "value"]),
    ("--objective branin --columns x3", &["--columns x3", "x1, x2"]),
    ("--objective branin --trials 0", &["--trials", "at least 1"]),
    ("--objective branin --parallel-asks 0", &["--parallel-asks", "at least 1"]),
    ("--objective branin --noise=-1", &["--noise"]),
    ("--dataset synthetic --metric f1", &["--metric f1", "loss, accuracy"]),
    // Schedulers.
    ("--objective branin --scheduler halving", &["--scheduler halving", "hyperband"]),
    ("--objective branin --epochs 3 --grace-period 5", &["--grace-period 5", "--max-t 3"]),
    ("--objective branin --max-t 3 --grace-period 5", &["--grace-period 5", "--max-t 3"]),
    ("--objective branin --max-t 0", &["--max-t", "at least 1"]),
    ("--objective branin --epochs 9 --reduction-factor 1.5", &["--reduction-factor", "2"]),
    ("--objective branin --epochs 9 --brackets 9", &["--brackets 9", "rungs"]),
    ("--objective branin --epochs 9 --mode asynchronous", &["--mode", "promotion"]),
    ("--objective branin --epochs 9 --scheduler pbt --perturbation-interval 0", &["interval"]),
    // Spaces: the parameter, the field, the line.
    ("--objective branin --space @/none.toml", &["@/none.toml"]),
    (
        "--dataset synthetic --space @/inverted.toml",
        &["@/inverted.toml", "line 2", "lr", "uniform"],
    ),
    ("--dataset synthetic --space @/log_zero.toml", &["line 2", "lr", "loguniform"]),
    ("--dataset synthetic --space @/empty_choice.toml", &["line 2", "l1", "choice"]),
    ("--dataset synthetic --space @/unknown.toml", &["line 2", "lr", "loguniform"]),
    ("--dataset synthetic --space @/no_parent.toml", &["line 3", "momentum", "optimizr"]),
    ("--dataset synthetic --space @/later.toml", &["line 2", "momentum", "optimizer"]),
    ("--dataset synthetic --space @/cycle.toml", &["cyclic"]),
    ("--dataset synthetic --space @/stranger.toml", &["--space", "dropout", "batch_size"]),
    ("--dataset synthetic --space @/momentum.toml", &["--space", "momentum", "below 1"]),
    ("--dataset synthetic --space @/scheme.toml", &["line 2", "pyramid", "depth-decay"]),
    ("--objective branin --space @/momentum.toml", &["--space", "momentum", "x1, x2"]),
    // Journals and folders.
    ("--objective branin --out @/study --resume --sampler tpe", &["sampler", "random", "tpe"]),
    ("--objective branin --out @/study", &["@/study", "--resume"]),
    ("--objective branin --out @/other --resume", &["\"mine\"", "study"]),
    (
        "--objective branin --out @/strange --resume --study-name strata",
        &["study.journal", "line 2"],
    ),
    ("--objective branin --out @/text --resume", &["study.journal", "no study journal"]),
    ("--objective branin --out @/none --resume", &["@/none", "--resume"]),
    // Replays.
    ("--replay @/none.csv", &["@/none.csv"]),
    ("--replay @/columns.csv", &["@/columns.csv", "loss"]),
    ("--replay @/field.csv", &["@/field.csv", "line 3", "step"]),
    ("--replay @/good.csv --metric f1", &["--metric f1", "accuracy"]),
    ("--replay @/good.csv --scheduler pbt", &["pbt"]),
];

const STUDY: &[&str] =
    &["--objective", "branin", "--trials", "3", "--scheduler", "none", "--quiet"];

fn prepare(folder: &Path) {
    let path = |name: &str| folder.join(name);
    let space = |text: &str| format!("[space]\n{text}\n");
    let optimizer = "optimizer = { choice = [\"sgd\", \"adamw\"] }";
    for (name, text) in [
        ("inverted.toml", space("lr = { uniform = [1.0, 0.1] }")),
        ("log_zero.toml", space("lr = { loguniform = [0.0, 0.1] }")),
        ("empty_choice.toml", space("l1 = { choice = [] }")),
        ("unknown.toml", space("lr = { loguniforme = [1e-3, 0.1] }")),
        (
            "no_parent.toml",
            space(&format!(
                "{optimizer}\nmomentum = {{ uniform = [0.0, 0.9], when = {{ optimizr = \"sgd\" }} }}"
            )),
        ),
        (
            "later.toml",
            space(&format!(
                "momentum = {{ uniform = [0.0, 0.9], when = {{ optimizer = \"sgd\" }} }}\n{optimizer}"
            )),
        ),
        (
            "cycle.toml",
            space(
                "a = { choice = [1, 2], when = { b = 1 } }\nb = { choice = [1, 2], when = { a = 1 } }",
            ),
        ),
        ("stranger.toml", space("dropout = { uniform = [0.0, 0.5] }")),
        ("momentum.toml", space("momentum = { uniform = [0.0, 1.5] }")),
        ("scheme.toml", space("rates = { scheme = \"pyramid\" }")),
        ("columns.csv", "trial,step,accuracy\n0,1,0.5\n".into()),
        ("field.csv", "trial,step,loss\n0,1,0.5\n0,x,0.4\n".into()),
        ("good.csv", "trial,step,loss,accuracy\n0,1,0.5,0.5\n".into()),
    ] {
        fs::write(path(name), text).unwrap();
    }
    strata("tune").args(STUDY).arg("--out").arg(path("study")).assert().success();
    // One study under another name, one with a record nobody knows, and no journal at all.
    let journal = fs::read_to_string(path("study/study.journal")).unwrap();
    let more = r#"{"op_code":0,"worker_id":"x","study_name":"theirs","directions":[1]}"#;
    let unknown = r#"{"op_code":77,"worker_id":"x"}"#;
    let first = journal.lines().next().unwrap();
    for (name, text) in [
        ("other", format!("{}\n{more}\n", first.replace("\"strata\"", "\"mine\""))),
        ("strange", format!("{first}\n{unknown}\n")),
        ("text", "a letter\n".to_owned()),
    ] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("study.journal"), text).unwrap();
    }
}

/// The files that a person could lose: locks of the run and of its processes are none.
fn precious(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = contents(folder);
    files.retain(|(path, _)| {
        !path.ends_with(".lock") && path.parent().is_some_and(|folder| !folder.ends_with("workers"))
    });
    files
}

#[test]
fn every_mistake_is_explained_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let before = precious(folder.path());
    let here = folder.path().to_str().unwrap();
    let mut failures = Vec::new();
    for (flags, message) in MISTAKES {
        let outside = tempfile::tempdir().unwrap();
        let flags = flags.replace('@', here);
        let mut command = strata("tune");
        command.arg("--quiet");
        if !flags.contains("--out") {
            command.arg("--out").arg(outside.path().join("run"));
        }
        if flags.contains("@/study") || flags.contains("/study ") {
            command.args(["--trials", "3", "--scheduler", "none"]);
        }
        let assert = command.args(flags.split(' ')).current_dir(outside.path()).assert();
        let output = assert.get_output();
        let text = String::from_utf8_lossy(&output.stderr);
        let shown = format!("tune {flags}\n{text}");
        let mut wrong = Vec::new();
        wrong.extend((output.status.code() != Some(2)).then_some("the status is not 2"));
        wrong.extend((text.matches("error:").count() != 1).then_some("there is not one error"));
        wrong.extend(text.contains("panicked").then_some("it panicked"));
        let told = message.iter().all(|part| text.contains(&part.replace('@', here)));
        wrong.extend((!told).then_some("the message lacks something"));
        wrong.extend((precious(folder.path()) != before).then_some("files were changed"));
        let rows = outside.path().join("run/trials.csv").exists();
        wrong.extend(rows.then_some("rows were written"));
        if !wrong.is_empty() {
            failures.push(format!("{}; wanted {message:?}:\n{shown}", wrong.join(", ")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
