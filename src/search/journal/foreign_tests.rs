//! Journals that other programs wrote.

use std::fs;

use serde_json::json;

use super::tests::{Folder, configuration, create, finish, report, show, space};
use super::*;
use crate::search::TrialState;
use crate::search::space::{Choice, Distribution};

/// Files that Optuna 5.0.0 wrote (`scripts/check_journal.py --write-test-data`).
const MIXED: &[u8] = include_bytes!("../../../tests/data/journal/mixed.log");
const STUDIES: &[u8] = include_bytes!("../../../tests/data/journal/studies.log");
const OBJECTIVES: &[u8] = include_bytes!("../../../tests/data/journal/objectives.log");

#[test]
fn a_mixed_study_of_optuna() {
    let folder = Folder::with(MIXED);
    let open = |name, direction| Journal::open(&folder.path, name, direction, "ours");
    let (mut journal, notices) = open("mixed", Direction::Minimize).unwrap();
    assert!(notices.is_empty());
    let study = journal.study();
    assert_eq!(study.user_attributes["größe"], "Ω \"NaN\"");
    assert_eq!(study.user_attributes["limits"], json!(["NaN", "Infinity", "-Infinity", 1.5]));
    let states: Vec<&str> = study.trials.iter().map(JournalTrial::status).collect();
    let expected = [
        "complete", "failed", "failed", "pruned", "pruned", "pruned", "pruned", "running",
        "complete", "running", "waiting",
    ];
    assert_eq!(states, expected);
    let first = &study.trials[0];
    assert_eq!(first.user_attributes["note"], "trial 0 is not NaN");
    let names: Vec<&str> = first.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["optimizer", "lr", "width", "depth"]);
    assert_eq!(first.parameter("optimizer").unwrap().external(), Choice::Text("adamw".into()));
    assert_eq!(first.parameter("lr").unwrap().value, 5.5595654267125665e-05);
    assert_eq!(first.parameter("width").unwrap().external(), Choice::Int(7));
    let depth = Distribution::Int { low: 1, high: 9, log: false, step: 2 };
    assert_eq!(*first.parameter("depth").unwrap().distribution, depth);
    assert_eq!(first.values, [3.00038916957987]);
    assert!(study.trials[1].intermediate[&1].is_nan());
    assert_eq!(study.trials[6].values, [study.trials[6].last_report().unwrap().1]);
    assert_eq!(study.trials[8].values, [0.25]);
    assert_eq!(study.trials[8].intermediate[&1], f64::INFINITY);
    let start = study.trials[8].started.unwrap();
    assert_eq!(study.trials[8].completed, Some(start));

    // Choices are found by their values, not their places; what does not fit is left out.
    let seen = first.observation(&space(), Direction::Minimize).unwrap();
    let seen: Vec<(&str, f64)> = seen.configuration.iter().collect();
    assert_eq!(seen, [("optimizer", 1.0), ("lr", 5.5595654267125665e-05), ("width", 7.0)]);

    let mut turned = space();
    if let Distribution::Categorical { choices } = &mut turned.parameters[0].distribution {
        choices.reverse();
    }
    assert_eq!(first.configuration(&turned).get("optimizer"), Some(0.0));

    // The enqueued trial: `None` is no choice here, and `depth` no hyperparameter.
    let mut allowed = space();
    allowed.parameters.retain(|parameter| parameter.name != "optimizer");
    let (wish, misfits) = study.trials[10].enqueued(&space());
    assert_eq!(wish.iter().collect::<Vec<_>>(), [("width", 64.0)]);
    assert_eq!(misfits, ["optimizer = None", "depth = 4"]);
    let mut transaction = journal.lock().unwrap();
    transaction.claim(10, &wish, &allowed).unwrap();
    assert!(matches!(transaction.claim(10, &wish, &allowed), Err(JournalError::Taken { .. })));
    transaction.finish(10, TrialState::Complete, Some(0.5), None).unwrap();
    transaction.commit(true).unwrap();
    let claimed = &read_studies(&folder.path).unwrap()[0].trials[10];
    assert_eq!((claimed.status(), &*claimed.worker), ("complete", "ours"));
    assert_eq!(claimed.parameter("width").unwrap().value, 64.0);
    // Its choices differ from ours, which Optuna would not read.
    let mut transaction = journal.lock().unwrap();
    let created =
        transaction.create_trial(&configuration(1), &space(), Attributes::new(), Attributes::new());
    assert!(matches!(created, Err(JournalError::OtherDistribution { .. })));
}

#[test]
fn several_studies_in_a_file() {
    let folder = Folder::with(STUDIES);
    let studies = read_studies(&folder.path).unwrap();
    let names: Vec<&str> = studies.iter().map(|study| study.name.as_str()).collect();
    assert_eq!(names, ["second", "third"]);
    assert_eq!(studies[0].trials.len(), 3);
    assert_eq!(studies[0].trials[2].values, [-0.41819052217411135]);
    assert_eq!(studies[1].trials[1].values, [0.09446449835144466]);
    let open = |name, direction| Journal::open(&folder.path, name, direction, "ours");
    let (mut third, _) = open("third", Direction::Minimize).unwrap();
    assert_eq!(third.take_events().len(), 6, "only its own");
    assert_eq!(create(&mut third, 3), 2);
    report(&mut third, 2, 1, 0.5);
    finish(&mut third, 2, TrialState::Complete, Some(0.5));
    let studies = read_studies(&folder.path).unwrap();
    assert_eq!(studies[1].trials[2].values, [0.5]);
    assert_eq!(studies[0].trials.len(), 3);

    // Nothing but errors from here on.
    let before = folder.bytes();
    let error = open("gone", Direction::Minimize).unwrap_err().to_string();
    assert!(error.contains(r#"the study "second", "third", not "gone""#), "{error}");
    let error = open("second", Direction::Minimize).unwrap_err().to_string();
    assert!(error.contains("maximize its objective, not to minimize"), "{error}");
    assert_eq!(folder.bytes(), before);
    let deletion = b"{\"op_code\":1,\"worker_id\":\"x\",\"study_id\":2}\n";
    fs::write(&folder.path, [&before[..], deletion].concat()).unwrap();
    assert!(matches!(third.lock(), Err(JournalError::Deleted { .. })));
}

#[test]
fn files_that_are_no_journal_of_ours() {
    let open = |bytes: &[u8], name: &str| {
        let folder = Folder::with(bytes);
        let error = Journal::open(&folder.path, name, Direction::Minimize, "ours").unwrap_err();
        assert_eq!(folder.bytes(), bytes, "nothing changes");
        assert!(!repair::torn_path(&folder.path).exists());
        error
    };
    let error = open(OBJECTIVES, "pair");
    assert!(matches!(error, JournalError::SeveralObjectives { count: 2, .. }), "{error}");
    let newer = [MIXED, b"{\"op_code\":11,\"worker_id\":\"x\"}\n"].concat();
    let error = open(&newer, "mixed");
    let line = MIXED.iter().filter(|&&byte| byte == b'\n').count() + 1;
    assert!(error.to_string().contains(&format!("line {line}: unknown op_code 11")), "{error}");
    for text in ["trial,arm\n0,1\n", "no end", "{}\n", "\n", "{}", "PK\x03\x04\0\0"] {
        let error = open(text.as_bytes(), "tune");
        assert!(matches!(error, JournalError::Foreign { .. }), "{text:?} {error}");
    }
    let code = b"{\"op_code\":0,\"worker_id\":\"x\",\"study_name\":\"s\",\"directions\":[0]}\n";
    assert!(open(code, "s").to_string().contains("direction"));
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| Journal::open(path, "s", Direction::Minimize, "w").unwrap_err();
    assert!(matches!(open(folder.path()), JournalError::Write { .. }));
    assert!(matches!(open(&folder.path().join("a/b")), JournalError::Write { .. }));
}

#[test]
fn records_that_optuna_ignores_are_ignored() {
    let folder = Folder::new();
    let (mut journal, _) = folder.open("ours").unwrap();
    create(&mut journal, 0);
    finish(&mut journal, 0, TrialState::Complete, Some(0.5));
    create(&mut journal, 1);
    let lines = [
        // On a finished trial, on none, on another study.
        r#"{"op_code":7,"worker_id":"x","trial_id":0,"step":1,"intermediate_value":1}"#,
        r#"{"op_code":6,"worker_id":"x","trial_id":0,"state":3,"values":null,"datetime_complete":"2026-01-01T00:00:00+00:00"}"#,
        r#"{"op_code":8,"worker_id":"x","trial_id":77,"user_attr":{"a":1}}"#,
        r#"{"op_code":4,"worker_id":"x","study_id":5,"datetime_start":null}"#,
        // A study of the same name.
        r#"{"op_code":0,"worker_id":"x","study_name":"tune","directions":[1]}"#,
        // A hyperparameter of another kind.
        r#"{"op_code":5,"worker_id":"x","trial_id":1,"param_name":"lr","param_value_internal":1,"distribution":"{\"name\": \"IntDistribution\", \"attributes\": {\"low\": 1, \"high\": 2}}"}"#,
        // A trial that already runs.
        r#"{"op_code":6,"worker_id":"x","trial_id":1,"state":0,"values":null,"datetime_start":"2026-01-01T00:00:00+00:00"}"#,
        r#"{"op_code":10,"worker_id":"x"}"#,
    ];
    let before = show(journal.study());
    journal.take_events();
    fs::write(&folder.path, [&folder.bytes()[..], lines.join("\r\n").as_bytes(), b"\n"].concat())
        .unwrap();
    drop(journal.lock().unwrap());
    assert_eq!(show(journal.study()), before);
    assert!(journal.take_events().is_empty());
    assert_eq!(create(&mut journal, 2), 2);
    assert_eq!(show(folder.open("again").unwrap().0.study()), show(journal.study()));
}
