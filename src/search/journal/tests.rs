//! Journals as a whole: kept, shared and damaged.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;

use super::distribution::Known;
use super::record::{NewTrial, Stage};
use super::*;
use crate::search::TrialState;
use crate::search::space::{Choice, Condition, Configuration, Distribution, Parameter, Space};

pub(super) struct Folder {
    _folder: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Folder {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.journal");
        Self { _folder: folder, path }
    }

    pub(super) fn with(bytes: &[u8]) -> Self {
        let folder = Self::new();
        fs::write(&folder.path, bytes).unwrap();
        folder
    }

    pub(super) fn open(&self, worker: &str) -> Result<(Journal, Vec<String>), JournalError> {
        Journal::open(&self.path, "tune", Direction::Maximize, worker)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

fn parameter(name: &str, distribution: Distribution) -> Parameter {
    Parameter { name: name.to_owned(), distribution, conditions: Vec::new(), default: None }
}

pub(super) fn space() -> Space {
    let words = ["sgd", "adamw"].map(|word| Choice::Text(word.to_owned()));
    let mut momentum = parameter(
        "momentum",
        Distribution::Float { low: 0.0, high: 0.9, log: false, step: Some(0.1) },
    );
    momentum.conditions = vec![Condition { parameter: "optimizer".to_owned(), values: vec![0.0] }];
    Space {
        parameters: vec![
            parameter("optimizer", Distribution::Categorical { choices: words.into() }),
            parameter("lr", Distribution::Float { low: 1e-5, high: 0.1, log: true, step: None }),
            parameter("width", Distribution::Int { low: 1, high: 1000, log: true, step: 1 }),
            momentum,
            parameter("shift", Distribution::Normal { mean: 0.0, sd: 1.0 }),
        ],
        ..Space::default()
    }
}

pub(super) fn configuration(seed: u64) -> Configuration {
    space().configure(|parameter, _| {
        let u = (seed as f64 * 0.618_033_988_75 + parameter.name.len() as f64 * 0.37).fract();
        parameter.distribution.at(u)
    })
}

pub(super) fn create(journal: &mut Journal, seed: u64) -> u64 {
    let mut transaction = journal.lock().unwrap();
    let (user, system) = (Attributes::new(), Attributes::new());
    let number = transaction.create_trial(&configuration(seed), &space(), user, system).unwrap();
    transaction.commit(false).unwrap();
    number
}

pub(super) fn report(journal: &mut Journal, number: u64, step: u64, value: f64) {
    let mut transaction = journal.lock().unwrap();
    transaction.report(number, step, value).unwrap();
    transaction.commit(false).unwrap();
}

pub(super) fn finish(journal: &mut Journal, number: u64, state: TrialState, value: Option<f64>) {
    let mut transaction = journal.lock().unwrap();
    transaction.finish(number, state, value, None).unwrap();
    transaction.commit(true).unwrap();
}

/// A study with trials of all states, with attributes and non-finite reports.
fn begin(folder: &Folder) -> Journal {
    let (mut journal, notices) = folder.open("first").unwrap();
    assert!(notices.is_empty(), "{notices:?}");
    for number in 0..5 {
        assert_eq!(create(&mut journal, number), number);
        report(&mut journal, number, 1, 0.1 * number as f64);
    }
    report(&mut journal, 1, 2, f64::NAN);
    report(&mut journal, 2, 2, f64::NEG_INFINITY);
    report(&mut journal, 3, 2, 1.0 / 3.0);
    let mut transaction = journal.lock().unwrap();
    transaction.set_study_user_attribute("NaN", json!(["NaN, \"Infinity\"", "größer"]));
    transaction.set_user_attribute(0, "note", json!("-Infinity\\")).unwrap();
    transaction.set_system_attribute(0, "rung", json!({"1": 0.1, "3": [1, null]})).unwrap();
    transaction.finish(2, TrialState::Failed, None, Some("no memory")).unwrap();
    transaction.commit(false).unwrap();
    finish(&mut journal, 0, TrialState::Complete, Some(1.0 / 3.0));
    finish(&mut journal, 1, TrialState::Diverged, None);
    finish(&mut journal, 3, TrialState::Pruned, None);
    journal
}

pub(super) fn show(study: &JournalStudy) -> String {
    // Not by comparison: NaN differs from itself.
    format!("{:#?}", study.trials)
}

#[test]
fn what_is_written_is_read_again() {
    let folder = Folder::new();
    let live = begin(&folder);
    let (mut again, notices) = folder.open("second").unwrap();
    assert!(notices.is_empty());
    assert_eq!(show(again.study()), show(live.study()));
    assert_eq!(show(&read_studies(&folder.path).unwrap()[0]), show(live.study()));
    let study = again.study();
    assert_eq!(study.user_attributes["NaN"], json!(["NaN, \"Infinity\"", "größer"]));
    let states: Vec<&str> = study.trials.iter().map(JournalTrial::status).collect();
    assert_eq!(states, ["complete", "diverged", "failed", "pruned", "running"]);
    assert_eq!(study.trials[2].user_attributes[ERROR], "no memory");
    assert_eq!(study.trials[3].values, [1.0 / 3.0]);
    assert!(study.trials[0].completed >= study.trials[0].started);
    for trial in &study.trials {
        // Bit for bit, in the order of the space.
        assert_eq!(trial.configuration(&space()), configuration(trial.number));
        assert_eq!(trial.worker, "first");
    }
    let seen = study.trials[3].observation(&space(), Direction::Maximize).unwrap();
    assert_eq!((seen.loss, seen.last_step), (Some(-1.0 / 3.0), 2));
    assert_eq!(study.trials[1].observation(&space(), Direction::Maximize).unwrap().loss, None);
    let events = again.take_events();
    assert_eq!(events.len(), 5 + 8 + 2 + 1 + 2 + 1 + 1 + 1 + 1, "{events:?}");
    assert_eq!(events[0], Event::Started { number: 0 });
    assert_eq!(events[1], Event::Reported { number: 0, step: 1, value: 0.0 });
    let last = Event::Finished { number: 3, state: TrialState::Pruned };
    assert_eq!(events.last(), Some(&last));
    assert!(again.take_events().is_empty());
}

#[test]
fn any_cut_in_the_last_two_records_loses_no_earlier_trial() {
    let folder = Folder::new();
    let live = begin(&folder);
    let whole = folder.bytes();
    let ends: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] == b'\n').map(|i| i + 1).collect();
    let from = ends[ends.len() - 3];
    drop(live);
    for cut in from..whole.len() {
        let folder = Folder::with(&whole[..cut]);
        let tolerant = read_studies(&folder.path).unwrap();
        let (mut journal, notices) = folder.open("again").unwrap();
        assert_eq!(show(&tolerant[0]), show(journal.study()));
        let torn = repair::torn_path(&folder.path);
        if ends.contains(&cut) || ends.contains(&(cut + 1)) {
            assert!(notices.is_empty() && !torn.exists(), "{cut} {notices:?}");
            let kept =
                whole[..cut].iter().chain(if ends.contains(&cut) { &b""[..] } else { b"\n" });
            assert!(folder.bytes().iter().eq(kept));
        } else {
            let start = *ends.iter().rev().find(|&&end| end <= cut).unwrap();
            let bytes =
                format!("study.journal: the last record was cut off ({} bytes)", cut - start);
            assert!(notices.len() == 1 && notices[0].starts_with(&bytes), "{notices:?}");
            assert!(notices[0].ends_with("moved to study.journal.torn"));
            assert_eq!(folder.bytes(), whole[..start]);
            assert_eq!(fs::read(torn).unwrap(), [&whole[start..cut], b"\n"].concat());
        }
        assert_eq!(journal.study().trials.len(), 5);
        assert_eq!(journal.study().trials[0].values, [1.0 / 3.0]);
        assert_eq!(create(&mut journal, 9), 5);
        assert!(folder.open("third").unwrap().1.is_empty());
    }
}

#[test]
fn a_cut_in_the_very_first_record_begins_anew() {
    let folder = Folder::new();
    drop(folder.open("w").unwrap());
    let whole = folder.bytes();
    for cut in 0..whole.len() {
        let folder = Folder::with(&whole[..cut]);
        let (mut journal, notices) = folder.open("w").unwrap();
        assert_eq!(notices.len(), usize::from(cut != 0 && cut + 1 != whole.len()), "{cut}");
        assert_eq!(create(&mut journal, 1), 0);
        assert_eq!(read_studies(&folder.path).unwrap().len(), 1);
    }
}

#[test]
fn zeros_at_the_end_are_a_torn_record() {
    let folder = Folder::new();
    let live = begin(&folder);
    for zeros in [&[0; 4096][..], b"{\"op_code\":7,\"work\0\0\0\0"] {
        let sound = folder.bytes();
        fs::write(&folder.path, [&sound, zeros].concat()).unwrap();
        let (journal, notices) = folder.open("again").unwrap();
        assert_eq!(notices.len(), 1);
        assert_eq!(folder.bytes(), sound);
        assert_eq!(show(journal.study()), show(live.study()));
    }
}

#[test]
fn a_process_killed_while_another_works_is_repaired_by_the_other() {
    let folder = Folder::new();
    let mut journal = begin(&folder);
    let mut torn = folder.bytes();
    torn.extend_from_slice(b"{\"op_code\":4,\"worker_id\":\"x\",\"stu");
    fs::write(&folder.path, torn).unwrap();
    assert_eq!(create(&mut journal, 7), 5);
    assert_eq!(journal.take_notices().len(), 1);
    assert!(journal.take_notices().is_empty());
    assert_eq!(show(folder.open("again").unwrap().0.study()), show(journal.study()));
}

#[test]
fn a_damaged_line_in_the_middle_is_an_error_and_nothing_changes() {
    let folder = Folder::new();
    let mut journal = begin(&folder);
    let whole = folder.bytes();
    // Optuna appends to a torn record.
    let joined = [&whole[..whole.len() - 30], &whole[..]].concat();
    let mut zeros = whole.clone();
    zeros[300..310].fill(0);
    let blank = [&whole[..], b"\n", &whole[..]].concat();
    for bytes in [joined, zeros, blank] {
        fs::write(&folder.path, &bytes).unwrap();
        let text = folder.open("again").unwrap_err().to_string();
        let line = text.split("line ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let line: usize = line.parse().unwrap();
        assert!(text.contains(&format!("head -n {}", line - 1)), "{text}");
        assert!(read_studies(&folder.path).is_err());
        assert_eq!(folder.bytes(), bytes);
    }
    // A handle that was open notices what was appended, and goes on once the file is mended.
    journal.take_events();
    let sound = b"{\"op_code\":7,\"trial_id\":4,\"step\":9,\"intermediate_value\":0.5}\n";
    fs::write(&folder.path, [&whole[..], sound, b"{\"op_code\":7}\n"].concat()).unwrap();
    assert!(matches!(journal.lock(), Err(JournalError::Damaged { .. })));
    assert!(matches!(journal.lock(), Err(JournalError::Damaged { .. })));
    fs::write(&folder.path, [&whole[..], sound].concat()).unwrap();
    assert_eq!(create(&mut journal, 7), 5);
    let events = journal.take_events();
    assert_eq!(events, [Event::Reported { number: 4, step: 9, value: 0.5 }], "once");
    fs::write(&folder.path, &whole[..100]).unwrap();
    assert!(matches!(journal.lock(), Err(JournalError::Shrunk { .. })));
    assert_eq!(journal.study().trials.len(), 6);
}

#[test]
fn two_handles_see_each_other_and_number_in_turn() {
    let folder = Folder::new();
    let (mut one, _) = folder.open("one").unwrap();
    let (mut two, _) = folder.open("two").unwrap();
    for round in 0..4 {
        assert_eq!(create(&mut one, round), 2 * round);
        assert_eq!(create(&mut two, round), 2 * round + 1);
        report(&mut one, 2 * round, 1, 0.5);
        finish(&mut two, 2 * round + 1, TrialState::Complete, Some(0.25));
    }
    drop(one.lock().unwrap());
    assert_eq!(show(one.study()), show(two.study()));
    let events = one.take_events();
    let expected = (0..4).flat_map(|round| {
        let number = 2 * round + 1;
        [Event::Started { number }, Event::Finished { number, state: TrialState::Complete }]
    });
    assert_eq!(events, expected.collect::<Vec<_>>(), "own records are left out");
    // Who comes too late is told.
    let mut late = one.lock().unwrap();
    let error = late.report(1, 2, 0.1).unwrap_err();
    assert!(matches!(error, JournalError::Taken { number: 1, state: "complete", .. }), "{error}");
    assert!(matches!(late.report(99, 2, 0.1), Err(JournalError::NoTrial { .. })));
}

#[test]
fn many_threads_lose_nothing_and_share_no_number() {
    let folder = Folder::new();
    let numbers = std::thread::scope(|scope| {
        let work = |worker: u64| {
            let (mut journal, _) = folder.open(&format!("worker-{worker}")).unwrap();
            (0..100)
                .map(|round| {
                    let number = create(&mut journal, worker * 100 + round);
                    report(&mut journal, number, 1, worker as f64);
                    finish(
                        &mut journal,
                        number,
                        TrialState::Complete,
                        Some((worker * 100 + round) as f64),
                    );
                    (number, worker * 100 + round)
                })
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|worker| scope.spawn(move || work(worker))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut sorted: Vec<u64> = numbers.iter().map(|(number, _)| *number).collect();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..400));
    let study = &read_studies(&folder.path).unwrap()[0];
    for (number, seed) in numbers {
        let trial = &study.trials[number as usize];
        assert_eq!(trial.values, [seed as f64]);
        assert_eq!(trial.intermediate[&1], (seed / 100) as f64);
        assert_eq!(trial.configuration(&space()), configuration(seed));
        assert_eq!(trial.worker, format!("worker-{}", seed / 100));
    }
}

#[test]
fn what_is_not_committed_is_forgotten() {
    let folder = Folder::new();
    let mut journal = begin(&folder);
    let (bytes, before) = (folder.bytes(), show(journal.study()));
    journal.take_events();
    let mut transaction = journal.lock().unwrap();
    transaction.report(4, 2, 0.5).unwrap();
    assert_eq!(transaction.study().trials[4].intermediate[&2], 0.5, "visible at once");
    transaction.finish(4, TrialState::Pruned, None, None).unwrap();
    drop(transaction);
    drop(journal.lock().unwrap());
    assert_eq!(show(journal.study()), before);
    assert!(journal.take_events().is_empty());
    assert_eq!(folder.bytes(), bytes);
    // Nor is anything written by one whose lock was broken, or beside whom another wrote.
    let mut transaction = journal.lock().unwrap();
    transaction.report(4, 2, 0.5).unwrap();
    fs::write(&folder.path, [&bytes[..], b"{\"op_code\":10}\n"].concat()).unwrap();
    assert!(matches!(transaction.commit(true), Err(JournalError::LockLost { .. })));
    report(&mut journal, 4, 2, 0.75);
    assert_eq!(read_studies(&folder.path).unwrap()[0].trials[4].intermediate[&2], 0.75);
}

#[test]
fn wrong_records_are_refused() {
    let folder = Folder::new();
    let mut journal = begin(&folder);
    let mut transaction = journal.lock().unwrap();
    for value in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let error = transaction.finish(4, TrialState::Complete, value, None).unwrap_err();
        assert!(error.to_string().contains("diverged"), "{error}");
    }
    assert!(matches!(
        transaction.finish(0, TrialState::Failed, None, None),
        Err(JournalError::Taken { .. })
    ));
    assert!(matches!(
        transaction.claim(4, &configuration(0), &space()),
        Err(JournalError::Taken { .. })
    ));
    let mut other = space();
    other.parameters[1].distribution =
        Distribution::Float { low: 0.0, high: 1.0, log: false, step: None };
    let mut wish = Configuration::default();
    wish.set("lr", 0.5);
    let mut create = |wish: &Configuration, space: &Space| {
        transaction.create_trial(wish, space, Attributes::new(), Attributes::new())
    };
    let error = create(&wish, &other).unwrap_err().to_string();
    assert!(error.contains("lr was recorded as") && error.contains("another name"), "{error}");
    other.parameters.remove(1);
    assert!(matches!(create(&wish, &other), Err(JournalError::NotInSpace { .. })));
}

fn real() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let entry = ("[NaIinfty\"\\\\\\PC]{0,8}", any::<i32>(), "\\PC{0,8}");
    let object = |(key, number, text)| Attributes::from_iter([(key, json!([number, text, null]))]);
    entry.prop_map(object)
}

proptest! {
    #[test]
    fn any_record_survives(
        worker in "\\PC{0,8}", name in "\\PC{0,8}", values in prop::collection::vec(real(), 1..3),
        reports in prop::collection::btree_map(any::<u64>(), real(), 0..4), value in real(),
        user in attributes(), system in attributes(), seconds in 0..4_000_000_000_i64,
    ) {
        let parameters = configuration(seconds as u64).iter().map(|(name, value)| {
            let distribution = space().parameter(name).unwrap().distribution.clone();
            let distribution = record::as_recorded(&distribution, &mut Known::new());
            JournalParameter { name: name.to_owned(), value, distribution }
        }).collect::<Vec<_>>();
        let time = Some(seconds * 1_000_001);
        let new = NewTrial {
            study: 3, stage: Stage::Complete, values: values.clone(), started: None, completed: time,
            parameters: parameters.clone(), user_attributes: user.clone(),
            system_attributes: system.clone(), intermediate: reports.into_iter().collect(),
        };
        let parameter = JournalParameter { name: name.clone(), value, ..parameters[0].clone() };
        for record in [
            Record::CreateStudy { name, directions: vec![Direction::Minimize, Direction::Maximize] },
            Record::DeleteStudy { study: 7 },
            Record::StudyUserAttribute { study: 1, attributes: user.clone() },
            Record::StudySystemAttribute { study: 1, attributes: system.clone() },
            Record::CreateTrial(Box::new(new)),
            Record::Parameter { trial: 9, parameter },
            Record::Stage { trial: 2, stage: Stage::Pruned, values: Some(values), time },
            Record::Stage { trial: 2, stage: Stage::Running, values: None, time },
            Record::Intermediate { trial: 1, step: u64::MAX, value },
            Record::UserAttribute { trial: 1, attributes: user },
            Record::SystemAttribute { trial: 1, attributes: system },
            Record::Nothing,
        ] {
            let mut line = String::new();
            record.write(&worker, &mut line);
            prop_assert_eq!(line.matches('\n').count(), 1, "{}", line);
            let (by, back) = record::read(line.as_bytes(), &mut Known::new()).unwrap();
            prop_assert_eq!(by, worker.clone());
            // Not by comparison: NaN differs from itself.
            prop_assert_eq!(format!("{back:?}"), format!("{record:?}"), "{}", line);
        }
    }
}
