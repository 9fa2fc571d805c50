//! The binary `tune`: the same study whatever interrupts it and however many work on it.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{strata, timeless};
use strata::search::sampler::SAMPLERS;
use strata::search::scheduler::SCHEDULERS;

/// A search that costs nothing but its journal: an analytic function with a learning curve.
const SMALL: [&str; 12] = [
    "--objective",
    "mixed",
    "--trials",
    "40",
    "--epochs",
    "6",
    "--sampler",
    "tpe",
    "--scheduler",
    "none",
    "--seed",
    "3",
];

fn small(out: &Path) -> assert_cmd::Command {
    let mut command = strata("tune");
    command.args(SMALL).arg("--quiet").arg("--out").arg(out);
    command
}

fn trials(out: &Path) -> Vec<Vec<String>> {
    timeless(&out.join("trials.csv"))
}

fn assert_same_study(a: &Path, b: &Path) {
    for name in ["trials.csv", "decisions.csv"] {
        let (a, b) = (timeless(&a.join(name)), timeless(&b.join(name)));
        assert!(!a.is_empty(), "{name} is empty");
        assert_eq!(a, b, "{name}");
    }
}

/// A process of its own, as a user starts it.
fn spawn(flags: &[&str], out: &Path) -> Child {
    Command::new(strata("tune").get_program())
        .args(SMALL)
        .args(flags)
        .arg("--quiet")
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |workers: &str| folder.path().join(workers);
    for workers in ["1", "2", "5"] {
        small(&path(workers)).args(["--workers", workers]).assert().success();
    }
    assert_same_study(&path("1"), &path("2"));
    assert_same_study(&path("1"), &path("5"));
    assert_eq!(trials(&path("1")).len(), 40);
}

#[test]
fn every_sampler_and_scheduler_runs_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    for (sampler, _) in SAMPLERS {
        let out = folder.path().join(sampler);
        // A grid ends by itself.
        let (count, flags) = match *sampler {
            "grid" => (9, vec!["--grid-levels", "2", "--trials", "9"]),
            _ => (15, vec!["--trials", "15"]),
        };
        small(&out).args(["--sampler", sampler]).args(flags).assert().success();
        assert_eq!(trials(&out).len(), count, "{sampler}");
    }
    for (scheduler, _) in SCHEDULERS {
        let out = folder.path().join(format!("by-{scheduler}"));
        small(&out).args(["--sampler", "random", "--scheduler", scheduler]).assert().success();
        assert_eq!(trials(&out).len(), 40, "{scheduler}");
        // All of these files, whatever happened.
        for name in
            ["best.json", "summary.md", "manifest.json", "study.journal", "figures/history.svg"]
        {
            assert!(out.join(name).exists(), "{scheduler}: {name}");
        }
    }
    for mode in ["ray", "optuna", "promotion"] {
        let out = folder.path().join(format!("asha-{mode}"));
        small(&out).args(["--scheduler", "asha", "--mode", mode]).assert().success();
        let rows = trials(&out);
        assert_eq!(rows.len(), 40, "{mode}");
        let stopped = rows.iter().flatten().filter(|field| *field == "pruned").count();
        assert!((1..40).contains(&stopped), "{mode} stopped {stopped}");
    }
}

#[test]
fn population_based_training_does_not_depend_on_workers() {
    let folder = tempfile::tempdir().unwrap();
    let path = |workers: &str| folder.path().join(workers);
    for workers in ["1", "3"] {
        let flags =
            ["--scheduler", "pbt", "--population", "6", "--trials", "6", "--workers", workers];
        small(&path(workers)).args(["--sampler", "random"]).args(flags).assert().success();
    }
    assert_eq!(trials(&path("1")), trials(&path("3")));
}

#[cfg(unix)]
#[test]
fn killed_at_any_moment_and_resumed_it_is_the_same_study() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let clock = std::time::Instant::now();
    small(&whole).assert().success();
    let usual = clock.elapsed().as_secs_f64();
    let out = folder.path().join("killed");
    // Each life is a random part of the usual one; later lives begin further on.
    let mut flags: &[&str] = &[];
    let mut lives = 0;
    for life in 0..12u32 {
        let mut child = spawn(flags, &out);
        let share = f64::from(life.wrapping_mul(2_654_435_761) % 1000) / 1000.0;
        sleep(Duration::from_secs_f64(0.02 + usual * share * 0.5));
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        // Killed before it had claimed the folder, it has to begin once more.
        flags = if out.join("manifest.json").exists() { &["--resume"] } else { &[] };
        if ended {
            break;
        }
        lives += 1;
    }
    assert!(lives > 0, "it was never killed");
    // On a busy machine all lives may have been too short to claim the folder.
    small(&out).args(flags).assert().success();
    assert_same_study(&whole, &out);
}

#[test]
fn a_journal_cut_at_any_byte_of_its_last_records_loses_no_earlier_trial() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    small(&whole).args(["--trials", "6"]).assert().success();
    let journal = fs::read(whole.join("study.journal")).unwrap();
    let ends: Vec<_> = (0..journal.len()).filter(|&at| journal[at] == b'\n').collect();
    // From the end of the third-last record on.
    let from = ends[ends.len() - 3] + 1;
    for cut in (from..journal.len()).step_by(7).chain([journal.len() - 1]) {
        let out = folder.path().join(format!("cut{cut}"));
        fs::create_dir(&out).unwrap();
        fs::copy(whole.join("manifest.json"), out.join("manifest.json")).unwrap();
        fs::write(out.join("study.journal"), &journal[..cut]).unwrap();
        small(&out).args(["--trials", "6", "--resume"]).assert().success();
        assert_eq!(trials(&out), trials(&whole), "cut at {cut}");
    }
}

#[cfg(unix)]
#[test]
fn two_processes_share_a_study() {
    let folder = tempfile::tempdir().unwrap();
    let (alone, shared) = (folder.path().join("alone"), folder.path().join("shared"));
    small(&alone).assert().success();
    let mut first = spawn(&["--workers", "1"], &shared);
    while !shared.join("study.journal").exists() {
        sleep(Duration::from_millis(2));
    }
    let mut second = spawn(&["--workers", "1", "--resume"], &shared);
    assert!(first.wait().unwrap().success());
    assert!(second.wait().unwrap().success());
    // Whoever left last has written the tables; if both left at once, a third look does.
    if !shared.join("figures").exists() {
        small(&shared).arg("--resume").assert().success();
    }
    assert_same_study(&alone, &shared);
}

#[test]
fn a_study_can_be_extended() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, grown) = (folder.path().join("whole"), folder.path().join("grown"));
    small(&whole).assert().success();
    small(&grown).args(["--trials", "17"]).assert().success();
    assert_eq!(trials(&grown).len(), 17);
    small(&grown).arg("--resume").assert().success();
    assert_same_study(&whole, &grown);
}

#[test]
fn the_net_s_search_resumes_to_the_same_study() {
    let folder = tempfile::tempdir().unwrap();
    let search = |out: &Path| {
        let mut command = strata("tune");
        command
            .args(["--dataset", "synthetic", "--train-images", "300", "--validation-images", "100"])
            .args(["--epochs", "3", "--trials", "6", "--scheduler", "none", "--quiet", "--out"])
            .arg(out);
        command
    };
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    search(&whole).assert().success();
    search(&parts).args(["--epoch-budget", "7"]).assert().success();
    assert!(trials(&parts).len() < 6);
    search(&parts).arg("--resume").assert().success();
    common::assert_same_tables(&whole, &parts);
    let best = |out: &Path| fs::read_to_string(out.join("best.json")).unwrap();
    assert_eq!(best(&whole), best(&parts));
    assert!(best(&whole).contains("\"accuracy\""));
}
