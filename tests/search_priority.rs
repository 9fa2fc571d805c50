//! The binary `search_priority`: what is true by construction, ledgers, resuming, mistakes.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{interrupt_when, strata, timeless};

fn compare(flags: &str, out: &Path) -> assert_cmd::Command {
    let mut command = strata("search_priority");
    command.args(flags.split(' ')).arg("--quiet").arg("--out").arg(out);
    command
}

/// The rows of a table as maps from its columns.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// Verdict of `treatment` against `baseline`.
fn verdict(folder: &Path, treatment: &str, baseline: &str) -> String {
    let rows = rows(&folder.join("comparisons.csv"));
    let found =
        rows.iter().find(|row| row["treatment"] == treatment && row["baseline"] == baseline);
    found.unwrap_or_else(|| panic!("{treatment} against {baseline}"))["verdict"].clone()
}

/// Every replay spends what its arm claims, screening included.
fn check_ledger(folder: &Path) {
    let ledger = rows(&folder.join("ledger.csv"));
    assert!(!ledger.is_empty());
    let arms = rows(&folder.join("arms.csv"));
    for row in &ledger {
        let count = |column: &str| row[column].parse::<u64>().unwrap();
        assert_eq!(count("screening") + count("search"), count("evaluations"), "{row:?}");
        assert_eq!(count("evaluations"), count("claimed"), "{row:?}");
        let arm = arms.iter().find(|arm| arm["arm"] == row["arm"]).unwrap();
        assert_eq!(arm["screening"], row["screening"], "{row:?}");
        assert_eq!(arm["evaluations"], row["evaluations"], "{row:?}");
        assert_eq!(arm["epochs"], row["epochs"], "{row:?}");
    }
}

#[test]
fn steep_importance_makes_the_order_matter_and_a_screening_has_its_price() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    compare("--objective steep-8 --budget 20 --replays 150", &out).assert().success();
    assert_eq!(verdict(&out, "importance-first", "reverse"), "better");
    assert_eq!(verdict(&out, "importance-first", "random-order"), "better");
    assert_eq!(verdict(&out, "dummy-first", "dummy-last"), "worse");
    assert_eq!(verdict(&out, "copy-first", "original-first"), "equivalent");
    check_ledger(&out);
    let arms = rows(&out.join("arms.csv"));
    let arm = |name: &str| arms.iter().find(|arm| arm["arm"] == name).unwrap();
    assert_eq!((&*arm("fanova-first")["screening"], &*arm("random")["screening"]), ("10", "0"));
    assert_eq!((&*arm("random-2x")["evaluations"], &*arm("fanova-unpaid")["unpaid"]), ("40", "10"));
    assert_eq!(rows(&out.join("orders.csv"))[0]["parameter"], "x1");
    // What an order is worth for nothing, what a sample is worth, and what is left of both.
    let screening = rows(&out.join("screening.csv"));
    assert_eq!(screening.len(), 9);
    let page = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(page.contains("`importance-first` is better than `reverse`"), "{page}");
    assert!(page.contains("figures/regret.png") && page.contains("--objective steep-8"), "{page}");
    assert!(!page.contains("NaN") && !page.contains("inf]"), "{page}");
}

#[test]
fn where_all_matter_alike_the_report_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    compare("--objective even-6 --replays 300 --noise .02", &out).assert().success();
    assert_eq!(verdict(&out, "importance-first", "reverse"), "equivalent");
    assert_eq!(verdict(&out, "importance-first", "random-order"), "equivalent");
    check_ledger(&out);
    let page = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(page.contains("`importance-first` and `reverse` are equivalent"), "{page}");
}

#[test]
fn gates_that_hide_the_rest_have_to_be_opened_first() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    compare("--objective gated-6 --budget 14 --replays 200", &out).assert().success();
    assert_eq!(verdict(&out, "importance-first", "reverse"), "better");
}

#[test]
fn the_same_seed_gives_the_same_tables() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two, other] = ["one", "two", "other"].map(|name| folder.path().join(name));
    let flags = "--objective steep-4 --replays 20 --arms importance-first,random,tpe,fanova-first";
    compare(flags, &one).assert().success();
    compare(flags, &two).env("RAYON_NUM_THREADS", "1").assert().success();
    compare(flags, &other).args(["--seed", "1"]).assert().success();
    let table = |folder: &Path| fs::read_to_string(folder.join("replays.csv")).unwrap();
    assert_eq!(table(&one), table(&two));
    assert_ne!(table(&one), table(&other));
}

const NET: &str = "--dataset synthetic --train-images 300 --validation-images 100 --epochs 1 --points 40 \
                   --repeated 4 --budget 5 --screening 3 --replays 20 --confirm 2 --confirm-arms \
                   importance-first,reverse";

/// Interrupted while it records and while it confirms, it ends as if in one go.
#[test]
fn an_interrupted_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, out] = ["whole", "parts"].map(|name| folder.path().join(name));
    compare(NET, &whole).assert().success();
    let command = |flags: &[&str]| {
        let mut command = compare(NET, &out);
        command.args(flags);
        (command.get_program().to_owned(), command.get_args().map(Into::into).collect::<Vec<_>>())
    };
    let lines = |path: &Path| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let (program, arguments) = command(&[]);
    interrupt_when(&program, &arguments, || lines(&out.join("recorded/curves.csv")) > 8);
    let (program, arguments) = command(&["--resume"]);
    interrupt_when(&program, &arguments, || lines(&out.join("live/trials.csv")) > 3);
    compare(NET, &out).arg("--resume").assert().success();
    for table in ["recorded/trials.csv", "live/trials.csv", "replays.csv", "comparisons.csv"] {
        assert_eq!(timeless(&whole.join(table)), timeless(&out.join(table)), "{table}");
    }
    // 40 points, and 4 of them twice more; 2 arms of 5 evaluations and 3 tests, twice.
    assert_eq!(rows(&out.join("recorded/trials.csv")).len(), 48);
    let live = rows(&out.join("live/trials.csv"));
    assert_eq!(live.len(), 32);
    let tested = live.iter().filter(|row| !row["test_accuracy"].is_empty()).count();
    let search = live.iter().filter(|row| row["hp.phase"] == "search").count();
    assert!(tested <= 12 && search == 20, "{tested} {search}");
    check_ledger(&out);
    let page = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(page.contains("Confirmed live") && page.contains("surrogate only"), "{page}");
    assert!(page.contains("R² "), "{page}");
    // The recorded trials serve another comparison, without a training.
    let again = folder.path().join("again");
    let journal = whole.join("recorded/study.journal");
    let flags = "--dataset synthetic --train-images 300 --validation-images 100 --epochs 1 --budget 6 \
                 --screening 3 --replays 10 --confirm 0";
    compare(flags, &again).arg("--journal").arg(journal).assert().success();
    let page = fs::read_to_string(again.join("summary.md")).unwrap();
    assert!(page.contains("Nothing was confirmed live"), "{page}");
    assert!(!again.join("recorded").exists() && !again.join("live").exists());
}

#[test]
fn a_strategy_runs_from_tune_too() {
    let folder = tempfile::tempdir().unwrap();
    for (number, flags) in [
        "--sampler coordinate --order x2,x1",
        "--sampler coordinate --order fanova --screening 12",
        "--sampler grow --order random --stage-levels 2",
        "--sampler proportional --order morris",
        "--sampler groups --groups a=x1,x3;b=x*",
        "--sampler random --order x1",
        "--sampler coordinate --order x1,x1",
        "--sampler coordinate --order nobody",
        "--sampler coordinate --order fanova --screening 40",
        "--sampler grow --screening 4",
    ]
    .into_iter()
    .enumerate()
    {
        let out = folder.path().join(number.to_string());
        let mut command = strata("tune");
        command.args([
            "--objective",
            "steep-4",
            "--trials",
            "30",
            "--scheduler",
            "none",
            "--quiet",
        ]);
        command.args(flags.split(' ')).arg("--out").arg(&out);
        let refused = [
            "x1 is in two groups",
            "--order: sampler random does not look at it",
            "x1 is there twice",
            "--order nobody",
            "--trials 30: the screening",
            "only an estimated order has one",
        ];
        match number.checked_sub(4) {
            Some(mistake) => {
                let assert = command.assert().code(2);
                let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
                assert!(message.contains(refused[mistake]), "{message}");
            }
            None => {
                command.assert().success();
                assert_eq!(rows(&out.join("trials.csv")).len(), 30, "{flags}");
            }
        }
    }
}

#[test]
fn mistakes_are_named_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let fails = |flags: &str, words: &[&str]| {
        let assert = compare(flags, &out).assert().code(2);
        let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        for word in words {
            assert!(message.contains(word), "{flags}: {message}");
        }
        assert!(!message.contains("panicked"), "{message}");
    };
    fails("--objective nobody", &["--objective", "nobody", "steep"]);
    fails("--objective steep-4 --arms nobody", &["--arms nobody", "importance-first"]);
    fails("--objective steep-4 --screening 20 --budget 20", &["--screening 20", "--budget"]);
    fails("--objective steep-4 --budget 2", &["--budget 2", "give more"]);
    fails("--objective steep-4 --points 9", &["leave out --points"]);
    fails("--objective steep-4 --noise -1", &["--noise"]);
    fails("--dataset synthetic --arms nobody", &["--arms nobody"]);
    fails("--dataset synthetic --confirm-arms tpe,tpe", &["--confirm-arms", "tpe is there twice"]);
    fails("--dataset synthetic --points 9", &["--points 9", "30 points or more"]);
    assert!(!out.exists(), "nothing was begun");
    fails("--objective steep-4 --confirm 3", &["no --journal", "leave them out"]);
    fails("--objective steep-4 --metric loss", &["--metric loss", "value"]);
    fails("--dataset synthetic --metric train_loss", &["--metric train_loss"]);
    fails(
        "--dataset synthetic --train-images 200",
        &["--train-images 200", "batch_size up to 256"],
    );
    fails("--dataset synthetic --journal nowhere.journal", &["nowhere.journal"]);
    fails("--dataset synthetic --points 10 --journal x", &["--points", "--journal"]);
    assert!(!out.join("summary.md").exists());
    // A sampler that looks at results is no sample of the box.
    let tuned = folder.path().join("tuned");
    strata("tune")
        .args(["--dataset", "synthetic", "--train-images", "300", "--validation-images", "50"])
        .args(["--epochs", "1", "--trials", "3", "--sampler", "tpe", "--metric", "accuracy"])
        .args(["--scheduler", "none", "--no-test", "--quiet", "--out"])
        .arg(&tuned)
        .assert()
        .success();
    let journal = tuned.join("study.journal");
    let flags = "--dataset synthetic --train-images 300 --validation-images 50 --confirm 0 --out";
    let assert = strata("search_priority")
        .args(flags.split(' '))
        .arg(folder.path().join("other"))
        .arg("--journal")
        .arg(&journal)
        .assert()
        .code(2);
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("looks at results"), "{message}");
    // Trials of other data would be confirmed on something else.
    let assert = strata("search_priority")
        .args(["--dataset", "synthetic", "--train-images", "400", "--quiet", "--out"])
        .arg(folder.path().join("third"))
        .arg("--journal")
        .arg(&journal)
        .assert()
        .code(2);
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("another split") && message.contains("--train-images"), "{message}");
}

#[test]
fn a_dry_run_says_the_cost_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let assert = compare(&format!("{NET} --dry-run"), &out).assert().success();
    let said = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    // 48 recorded, 2 × 2 × 8 live.
    assert!(said.contains("80 trainings of 300 images"), "{said}");
    assert!(!out.exists());
}
