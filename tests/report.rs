//! The binary `report`: pages, figures in a style, tables for papers, sections of a README, mistakes.

mod common;

use std::fs;
use std::path::Path;

use common::strata;

/// A small run with tables and figures of its own.
fn run(out: &Path) {
    strata("search_priority")
        .args(["--objective", "steep-3", "--replays", "30", "--quiet", "--out"])
        .arg(out)
        .assert()
        .success();
}

fn report() -> assert_cmd::Command {
    strata("report")
}

fn failure(assert: &assert_cmd::assert::Assert) -> String {
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(!message.contains("panicked"), "{message}");
    message
}

#[test]
fn a_page_is_one_file_and_asks_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    run(&one);
    run(&two);
    report().arg(&one).assert().success();
    let page = fs::read_to_string(one.join("report.html")).unwrap();
    for words in [
        "In what order should hyperparameters be searched?",
        "<svg ",
        "arms.csv",
        "--objective steep-3",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // The name space of SVG is no request.
    let requests = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!requests.contains("http://") && !requests.contains("https://"));
    assert!(page.len() < 10_000_000);
    let tables = one.join("tables");
    assert!(fs::read_to_string(tables.join("arms.md")).is_err(), "too wide to read");
    let markdown = fs::read_to_string(tables.join("orders.md")).unwrap();
    assert!(markdown.starts_with("| rank | parameter | total_effect |"), "{markdown}");
    let latex = fs::read_to_string(tables.join("orders.tex")).unwrap();
    assert!(latex.contains("\\toprule") && latex.contains("x1"), "{latex}");
    // Two runs on one page, elsewhere.
    let both = folder.path().join("both");
    report().args([&one, &two]).arg("--out").arg(&both).assert().success();
    let page = fs::read_to_string(both.join("report.html")).unwrap();
    assert!(page.contains("<nav>") && page.contains("href=\"../one/arms.csv\""), "{page:.3000}");
}

#[test]
fn figures_come_in_the_style_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    run(&out);
    let drawn = folder.path().join("drawn");
    report()
        .arg(&out)
        .args(["--figures-only", "--format", "svg", "--theme", "dark", "--width", "410", "--out"])
        .arg(&drawn)
        .assert()
        .success();
    let svg = fs::read_to_string(drawn.join("figures/regret.svg")).unwrap();
    assert!(svg.starts_with("<svg width=\"410\""), "{svg:.200}");
    assert!(svg.contains("#16181D") || svg.contains("#16181d"), "{svg:.900}");
    assert!(!drawn.join("figures/regret.png").exists() && !drawn.join("report.html").exists());
    // A figure of the run itself is drawn again to the byte, and a changed one is found.
    report().arg(&out).arg("--check").assert().success();
    let figure = out.join("figures/regret.svg");
    let text = fs::read_to_string(&figure).unwrap();
    fs::write(&figure, text.replace("regret", "regrets")).unwrap();
    let message = failure(&report().arg(&out).arg("--check").assert().code(2));
    assert!(message.contains("regret.svg: not what the tables give"), "{message}");
    fs::remove_file(&figure).unwrap();
    let message = failure(&report().arg(&out).arg("--check").assert().code(2));
    assert!(message.contains("there is no such figure yet"), "{message}");
}

#[test]
fn sections_of_a_readme_are_renewed_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    run(&out);
    let readme = folder.path().join("README.md");
    let marker = "<!-- report run/orders.csv columns=parameter,total_effect rows=2 -->";
    fs::write(&readme, format!("# A\n{marker}\n<!-- /report -->\n")).unwrap();
    let command = |flags: &[&str]| {
        let mut command = report();
        command.current_dir(folder.path()).args(["--readme", "README.md"]).args(flags);
        command
    };
    let message = failure(&command(&["--check"]).assert().code(2));
    assert!(message.contains("README.md, line 2"), "{message}");
    command(&[]).assert().success();
    let text = fs::read_to_string(&readme).unwrap();
    assert!(text.contains("| x1 | ") && text.contains("--objective steep-3"), "{text}");
    command(&["--check"]).assert().success();
    // Several files at once; the one that is wrong is named.
    let second = folder.path().join("second.md");
    fs::write(&second, format!("{marker}\nold\n<!-- /report -->\n")).unwrap();
    let mut both = report();
    both.current_dir(folder.path()).args(["--readme", "README.md,second.md", "--check"]);
    let message = failure(&both.assert().code(2));
    assert!(message.contains("second.md, line 1") && !message.contains("README.md, line"));
}

#[test]
fn ugly_folders_are_named_or_shown_for_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let message = failure(&report().arg("nowhere").assert().code(2));
    assert!(message.contains("nowhere: there is no such folder"), "{message}");
    failure(&report().assert().code(2));
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let message = failure(&report().arg(&empty).assert().code(2));
    assert!(message.contains("trials.csv"), "{message}");
    // A table of another program: no figures of ours fit it, but the page has it.
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let trials =
        "trial,arm,status,value,validation_accuracy,test_accuracy,hp.lr\n0,a,diverged,,,,0.1\n";
    fs::write(foreign.join("trials.csv"), trials).unwrap();
    fs::write(foreign.join("other.csv"), "a,b\n1\nNaN,inf\n").unwrap();
    report().arg(&foreign).assert().success();
    let page = fs::read_to_string(foreign.join("report.html")).unwrap();
    assert!(
        page.contains("trials.csv: 1 rows") && page.contains("other.csv: 2 rows"),
        "{page:.500}"
    );
    // Another program's table under our name, and tables with nothing in them.
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("trials.csv"), "run,lr,acc\n1,.1,.5\n").unwrap();
    let message = failure(&report().arg(&other).assert().code(2));
    assert!(
        message.contains("column `trial` is missing") && message.contains("importance --trials")
    );
    for rows in ["", "0,a,complete,NaN,inf,,NaN\n", "0,a,diverged,,,,.1\n1,a,failed,,,,\n"] {
        let trials =
            format!("trial,arm,status,value,validation_accuracy,test_accuracy,hp.lr\n{rows}");
        fs::write(other.join("trials.csv"), trials).unwrap();
        report().arg(&other).arg("--tensorboard").assert().success();
        let page = fs::read_to_string(other.join("report.html")).unwrap();
        let count = rows.lines().count();
        assert!(page.contains(&format!("trials.csv: {count} rows")), "{rows}");
        assert!(rows.contains("diverged") || page.contains("no data for a figure"), "{rows}");
        let events = fs::read_dir(other.join("tensorboard")).map_or(0, Iterator::count);
        assert_eq!(events, count, "{rows}");
        let _ = fs::remove_dir_all(other.join("tensorboard"));
    }
    let message = failure(&report().arg(&foreign).args(["--width", "99999"]).assert().code(2));
    assert!(message.contains("--width"), "{message}");
}

/// Ten thousand trials make a page that still loads.
#[test]
fn ten_thousand_trials_fit_on_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    strata("tune")
        .args([
            "--objective",
            "branin",
            "--trials",
            "1500",
            "--scheduler",
            "none",
            "--quiet",
            "--out",
        ])
        .arg(&out)
        .assert()
        .success();
    // The study's rows again and again, with numbers of their own.
    let table = fs::read_to_string(out.join("trials.csv")).unwrap();
    let (header, rows) = table.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let mut text = format!("{header}\n");
    for number in 0..10_000 {
        let row = rows[number % rows.len()];
        let (_, rest) = row.split_once(',').unwrap();
        text += &format!("{number},{rest}\n");
    }
    fs::write(out.join("trials.csv"), text).unwrap();
    report().arg(&out).assert().success();
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("trials.csv: 10000 rows<"), "it is whole");
    assert!(page.len() < 10_000_000, "{}", page.len());
}
