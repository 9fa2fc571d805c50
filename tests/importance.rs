//! The binary `importance`: journals and tables, known answers, mistakes.

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use common::strata;

/// Positions in [0, 1) that fill a square evenly: multiples of two irrational numbers.
fn position(trial: usize, which: usize) -> f64 {
    let step = [0.754_877_666_246_693, 0.569_840_290_998_053][which];
    (0.5 + step * (trial + 1) as f64).fract()
}

/// METHODS' log check: y = (log10 lr + 3)² + 3v on lr in [1e-5, 1], v in [0, 1]; lr's share is .881057
/// in log measure and .826375 in linear measure.
fn log_check(trial: usize) -> (f64, f64, f64) {
    let (log, v) = (-5.0 + 5.0 * position(trial, 0), position(trial, 1));
    (10f64.powf(log), v, (log + 3.0).powi(2) + 3.0 * v)
}

/// A journal as Optuna writes one: `trials` complete trials of the log check, then one pruned, one
/// failed and one running.
fn write_journal(path: &Path, trials: usize) {
    let mut text = String::new();
    let head = r#""worker_id":"w","study_id":0"#;
    text += "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"theirs\",\"directions\":[1]}\n";
    let float = |low: &str, high: &str, log: &str| {
        format!(
            r#""{{\"name\":\"FloatDistribution\",\"attributes\":{{\"step\":null,\"low\":{low},\"high\":{high},\"log\":{log}}}}}""#
        )
    };
    let time = "2026-01-01T00:00:00.000000+00:00";
    for trial in 0..trials + 3 {
        let (lr, v, value) = log_check(trial);
        writeln!(text, r#"{{"op_code":4,{head},"datetime_start":"{time}"}}"#).unwrap();
        for (name, value, distribution) in
            [("lr", lr, float("1e-05", "1.0", "true")), ("v", v, float("0.0", "1.0", "false"))]
        {
            writeln!(
                text,
                r#"{{"op_code":5,"worker_id":"w","trial_id":{trial},"param_name":"{name}","param_value_internal":{value:?},"distribution":{distribution}}}"#
            )
            .unwrap();
        }
        for step in 1..=2 {
            writeln!(
                text,
                r#"{{"op_code":7,"worker_id":"w","trial_id":{trial},"step":{step},"intermediate_value":{:?}}}"#,
                value + 1.0 / f64::from(step)
            )
            .unwrap();
        }
        let (state, values) = match trial.checked_sub(trials) {
            None => (1, format!("[{value:?}]")),
            Some(0) => (2, "null".to_owned()),
            Some(1) => (3, "null".to_owned()),
            _ => continue,
        };
        writeln!(
            text,
            r#"{{"op_code":6,"worker_id":"w","trial_id":{trial},"state":{state},"values":{values},"datetime_complete":"{time}"}}"#
        )
        .unwrap();
    }
    fs::write(path, text).unwrap();
}

fn importance(flags: &str, out: &Path) -> assert_cmd::Command {
    let mut command = strata("importance");
    command.args(flags.split(' ')).args(["--quiet", "--out"]).arg(out);
    command
}

/// `importance.csv` of one method: parameter, importance, low, high.
fn table(out: &Path, method: &str) -> Vec<(String, [f64; 4])> {
    let mut reader = csv::Reader::from_path(out.join("importance.csv")).unwrap();
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let wanted = ["method", "parameter", "importance", "low", "high", "rank_probability"];
    assert_eq!(header, wanted);
    let rows = reader.records().map(Result::unwrap).filter(|row| &row[0] == method);
    rows.map(|row| (row[1].to_owned(), [2, 3, 4, 5].map(|c| row[c].parse().unwrap()))).collect()
}

#[test]
fn a_journal_of_optuna_has_its_importance_in_log_measure() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, out) = (folder.path().join("s.journal"), folder.path().join("run"));
    write_journal(&journal, 400);
    let flags = format!(
        "--journal {} --method fanova,ped-anova,lpi,ablation,tuning-risk --resamples 20 --survivors-only",
        journal.display()
    );
    importance(&flags, &out).assert().success();
    let fanova = table(&out, "fanova");
    assert_eq!(fanova[0].0, "lr");
    let [share, low, high, sure] = fanova[0].1;
    assert!((share - 0.881).abs() < 0.03, "{share}");
    assert!(low <= share && share <= high && sure == 1.0, "[{low}, {high}], {sure}");
    for name in [
        "ranks",
        "interactions",
        "marginals",
        "agreement",
        "path",
        "importance_by_epoch",
        "importance_by_trials",
        "observations",
    ] {
        let text = fs::read_to_string(out.join(format!("{name}.csv"))).unwrap();
        assert!(text.lines().count() > 1, "{name}: {text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{name}: {text}");
    }
    let page = fs::read_to_string(out.join("summary.md")).unwrap();
    for words in
        ["402 trials (400 complete, 1 pruned, 0 diverged, 1 failed)", "1 trials are waiting"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    // Nobody knows how they were sampled.
    assert!(page.contains("is not recorded"), "{page}");
}

/// The same trials as a table: their box is unknown and taken from the data, or from a space file.
#[test]
fn a_table_gets_its_boxes_from_a_space_or_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "lr,v,loss\n".to_owned();
    for trial in 0..400 {
        let (lr, v, value) = log_check(trial);
        writeln!(text, "{lr},{v},{value}").unwrap();
    }
    let path = folder.path().join("t.csv");
    fs::write(&path, text).unwrap();
    let out = folder.path().join("data");
    let flags = format!("--trials {} --target loss --resamples 10", path.display());
    importance(&flags, &out).assert().success();
    let [share, ..] = table(&out, "fanova")[0].1;
    assert!((share - 0.881).abs() < 0.03, "{share}");
    let page = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(
        page.contains("lr: its box is not recorded") && page.contains("], in log measure"),
        "{page}"
    );

    // Evenly spread numbers that happen to come near 0 are no log sample.
    assert!(page.contains("v: its box is not recorded") && page.contains("], in linear measure"));

    let space = folder.path().join("space.toml");
    fs::write(&space, "[space]\nlr = { uniform = [0.0, 1.0] }\nv = { uniform = [0.0, 1.0] }\n")
        .unwrap();
    let out = folder.path().join("space");
    let flags = format!("{flags} --space {}", space.display());
    importance(&flags, &out).assert().success();
    // In linear measure .826 of the variance is lr's, though a log-uniform sample is thin there.
    let linear = table(&out, "fanova");
    let lr = linear.iter().find(|row| row.0 == "lr").unwrap().1[0];
    assert!(lr < share - 0.01 && (lr - 0.826).abs() < 0.05, "{lr} for {share}");
}

/// What `tune` records is read with its box, its sampler and its conditions.
#[test]
fn a_study_of_tune_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (sampler, warned) in [("sobol", false), ("tpe", true)] {
        let (run, out) = (folder.path().join(sampler), folder.path().join(format!("{sampler}-i")));
        strata("tune")
            .args(["--objective", "mixed", "--trials", "60", "--scheduler", "none"])
            .args(["--sampler", sampler, "--quiet", "--out"])
            .arg(&run)
            .assert()
            .success();
        for flag in ["--journal", "--trials"] {
            let file = if flag == "--journal" { "study.journal" } else { "trials.csv" };
            let flags = format!("{flag} {} --resamples 10 --resume", run.join(file).display());
            let _ = fs::remove_dir_all(&out);
            importance(flags.trim_end_matches(" --resume"), &out).assert().success();
            let page = fs::read_to_string(out.join("summary.md")).unwrap();
            assert_eq!(page.contains("which looks at results"), warned, "{page}");
        }
    }
}

#[test]
fn mistakes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write_journal(&folder.path().join("few.journal"), 4);
    write_journal(&folder.path().join("good.journal"), 30);
    write(
        "empty.journal",
        "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"s\",\"directions\":[1]}\n",
    );
    let two = "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"s\",\"directions\":[1,2]}\n";
    let trial = "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null}\n";
    write("two.journal", &format!("{two}{trial}"));
    write("text.journal", "a letter\n");
    write("rows.csv", "lr,loss\n");
    write("word.csv", "lr,loss\n1,2\n2,good\n");
    let rows = |f: fn(usize) -> f64| -> String {
        (0..30).fold("lr,loss\n".to_owned(), |text, i| format!("{text}{i},{}\n", f(i)))
    };
    write("flat.csv", &rows(|_| 1.0));
    write("good.csv", &rows(|i| i as f64));
    write("only.csv", "loss\n1\n2\n");
    for (flags, wanted) in [
        ("--method fanova", vec!["--journal", "--trials"]),
        ("--journal none.journal", vec!["none.journal"]),
        ("--journal text.journal", vec!["text.journal"]),
        ("--journal empty.journal", vec!["empty.journal", "no trials"]),
        ("--journal few.journal", vec!["too few", "10"]),
        ("--journal two.journal", vec!["two.journal", "--target"]),
        ("--journal good.journal --target 3", vec!["--target"]),
        ("--journal good.journal --target loss", vec!["--target"]),
        ("--journal good.journal --study mine", vec!["--study mine", "theirs"]),
        ("--journal good.journal --method shap", vec!["--method", "shap", "ped-anova"]),
        ("--journal good.journal --gamma 2", vec!["--gamma"]),
        ("--journal good.journal --trees 0", vec!["--trees"]),
        ("--trials none.csv", vec!["none.csv"]),
        ("--trials rows.csv --target loss", vec!["rows.csv", "no trials"]),
        ("--trials word.csv --target loss", vec!["word.csv", "line 3", "loss", "good"]),
        ("--trials good.csv", vec!["good.csv", "value", "--target"]),
        ("--trials good.csv --target loss --parameters depth", vec!["depth", "--parameters"]),
        ("--trials good.csv --target loss --log depth", vec!["depth", "--log"]),
        ("--trials only.csv --target loss", vec!["only.csv", "--parameters"]),
        ("--trials flat.csv --target loss", vec!["all 30", "nothing can be important"]),
    ] {
        let out = folder.path().join("run");
        let assert = importance(flags, &out).current_dir(folder.path()).assert();
        let output = assert.get_output();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags}: {text}");
        assert!(wanted.iter().all(|part| text.contains(part)), "{flags}: {text}");
        assert!(!out.exists(), "{flags}: a folder was left");
    }
}
