//! `train --worker` from end to end, by the real binary: the protocol, its schema, interruptions, and the values
//! of `tune`.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::strata;
use serde_json::{Value, json};

const SMALL: [&str; 8] = [
    "--dataset",
    "synthetic",
    "--train-images",
    "200",
    "--validation-images",
    "100",
    "--batch-size",
    "20",
];

/// A worker in conversation.
struct Worker {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    schema: Value,
}

impl Worker {
    fn start(flags: &[&str]) -> Self {
        let mut process = Command::new(strata("train").get_program())
            .arg("--worker")
            .args(flags)
            .env_remove("STRATA_DATA")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { input: process.stdin.take(), output, process, schema: schema() }
    }

    fn say(&mut self, line: &Value) {
        self.say_text(&line.to_string());
    }

    fn say_text(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line, which the schema must know.
    fn hear(&mut self) -> Value {
        let mut text = String::new();
        assert!(self.output.read_line(&mut text).unwrap() > 0, "the worker said nothing more");
        let line: Value = serde_json::from_str(&text).unwrap();
        let kind = line["type"].as_str().unwrap();
        check(&self.schema["$defs"][kind], &line, kind);
        line
    }

    /// All lines of a trial, its last included.
    fn hear_trial(&mut self) -> Vec<Value> {
        let mut lines = vec![self.hear()];
        while lines.last().unwrap()["type"] != "end" {
            lines.push(self.hear());
        }
        lines
    }

    /// Ends the input and gives the status.
    fn close(mut self) -> Option<i32> {
        drop(self.input.take());
        self.process.wait().unwrap().code()
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
    }
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/worker.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The part of JSON Schema that ours uses.
fn check(schema: &Value, value: &Value, place: &str) {
    if let Some(constant) = schema.get("const") {
        assert_eq!(value, constant, "{place}");
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{place}: {value}");
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{place}: the schema has the unknown type {other}"),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    assert!(kinds.is_empty() || kinds.iter().any(|kind| is(kind)), "{place}: {value}");
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(value.get(name).is_some(), "{place} has no {name}: {value}");
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => check(schema, value, &place),
            (None, Value::Bool(false)) => panic!("{place} is not in the schema"),
            (None, rest) => check(rest, value, &place),
        }
    }
    for value in value.as_array().into_iter().flatten() {
        check(&schema["items"], value, &format!("{place}[]"));
    }
}

/// What a line says of a trial's values: all but time and place.
fn values(line: &Value) -> Value {
    let mut line = line.clone();
    for key in ["seconds", "checkpoint", "resumed"] {
        line.as_object_mut().unwrap().remove(key);
    }
    line
}

fn epochs(lines: &[Value]) -> Vec<Value> {
    lines.iter().filter(|line| line["type"] == "epoch").map(values).collect()
}

/// Runs one configuration to its end.
fn straight(configuration: &Value) -> Vec<Value> {
    let mut worker = Worker::start(&SMALL);
    worker.say(configuration);
    let lines = worker.hear_trial();
    assert_eq!(worker.close(), Some(0));
    lines
}

#[test]
fn trials_follow_one_another_in_one_process() {
    let mut worker = Worker::start(&SMALL);
    worker.say(&json!({"trial": 1, "hyperparameters": {"lr": 0.02, "l1": 16}, "epochs": 2, "report_layers": true}));
    worker.say(&json!({"trial": 2, "layer_rates": {"conv1": 0.25}, "epochs": 1, "test": true}));
    worker
        .say(&json!({"trial": 3, "hyperparameters": {"lr": 1000, "momentum": 0.99}, "epochs": 2}));
    let first = worker.hear_trial();
    let kinds: Vec<_> = first.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["start", "epoch", "epoch", "end"]);
    assert_eq!(first[0]["rates"]["fc3"], 0.02);
    assert_eq!((&first[1]["epoch"], &first[1]["images_trained"]), (&json!(1), &json!(200)));
    assert_eq!(first[1]["layers"].as_array().unwrap().len(), 5, "{}", first[1]);
    assert_eq!(first[3]["status"], "complete");
    assert_eq!(first[3]["loss"], first[2]["loss"]);
    let second = worker.hear_trial();
    assert_eq!(
        (&second[0]["rates"]["conv1"], &second[0]["rates"]["fc1"]),
        (&json!(0.25), &json!(0.03))
    );
    assert!(second.last().unwrap()["test_accuracy"].is_number());
    assert!(second[1].get("layers").is_none());
    let third = worker.hear_trial();
    assert_eq!(third.last().unwrap()["status"], "diverged");
    assert!(third[third.len() - 2]["loss"].is_null());
    assert_eq!(worker.close(), Some(0));
}

/// The worker is `tune` by other means: the same configuration and seed give the same values.
#[test]
fn a_trial_has_the_values_that_tune_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("tune");
    let space = folder.path().join("space.toml");
    let text = "[space]\nrates = { scheme = \"free\" }\nbatch_size = { choice = [10, 20] }\n\
                optimizer = { choice = [\"sgd\", \"adamw\"] }\n\
                momentum = { uniform = [0.0, 0.9], when = { optimizer = \"sgd\" } }\n";
    fs::write(&space, text).unwrap();
    strata("tune")
        .args(SMALL)
        .args(["--epochs", "2", "--trials", "3", "--scheduler", "none", "--no-test", "--quiet"])
        .args(["--seed", "5", "--space"])
        .arg(&space)
        .arg("--out")
        .arg(&out)
        .assert()
        .success();
    let mut worker = Worker::start(&SMALL);
    worker.say(&json!({"command": "describe", "space": space, "trials": 3, "study_seed": 5}));
    let description = worker.hear();
    let settings: Value =
        serde_json::from_str(&fs::read_to_string(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(description["manifest"]["settings"]["space"], settings["settings"]["space"]);
    assert_eq!(description["groups"], json!({"rates": "free"}));

    let mut trials = csv::Reader::from_path(out.join("trials.csv")).unwrap();
    let columns = trials.headers().unwrap().clone();
    let rows: Vec<_> = trials.records().map(Result::unwrap).collect();
    let mut curves = csv::Reader::from_path(out.join("curves.csv")).unwrap();
    let curves: Vec<_> = curves.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    for row in &rows {
        let field = |name: &str| &row[columns.iter().position(|column| column == name).unwrap()];
        let number: u64 = field("trial").parse().unwrap();
        assert_eq!(description["seeds"][number as usize].to_string(), field("seed"));
        let hyperparameters: serde_json::Map<_, _> = columns
            .iter()
            .filter_map(|column| column.strip_prefix("hp."))
            .filter(|name| !field(&format!("hp.{name}")).is_empty())
            .map(|name| {
                let text = field(&format!("hp.{name}"));
                let number = text.parse::<f64>().map(|number| json!(number));
                (name.to_owned(), number.unwrap_or_else(|_| json!(text)))
            })
            .collect();
        worker.say(&json!({
            "trial": number, "hyperparameters": hyperparameters, "groups": {"rates": "free"},
            "study_seed": 5, "epochs": 2,
        }));
        let lines = worker.hear_trial();
        for (layer, rate) in lines[0]["rates"].as_object().unwrap() {
            assert_eq!(rate.as_f64(), field(&format!("rate.{layer}")).parse().ok());
        }
        for line in lines.iter().filter(|line| line["type"] == "epoch") {
            for (split, loss, accuracy) in
                [("validation", "loss", "accuracy"), ("train", "train_loss", "train_accuracy")]
            {
                let steps = line["steps"].to_string();
                let row = curves
                    .iter()
                    .find(|row| &row[0] == field("trial") && row[1] == steps && &row[2] == split)
                    .unwrap();
                assert_eq!(line[loss].as_f64(), row[3].parse().ok(), "{line}");
                assert_eq!(line[accuracy].as_f64(), row[4].parse().ok(), "{line}");
            }
        }
    }
    assert_eq!(worker.close(), Some(0));
}

/// SIGTERM, and a plain SIGKILL: whatever ends the worker, the trial goes on from its last checkpoint
/// to the very same values.
#[cfg(unix)]
#[test]
fn a_trial_that_was_interrupted_comes_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let plain = json!({
        "trial": 4, "hyperparameters": {"lr": 0.03, "momentum": 0.8}, "seed": 9, "epochs": 40,
        // Never the first step of an epoch: a row there needs the gradient before, which is not saved.
        "report_layers": true, "optimizer": "adamw", "diagnostics_every": 41,
    });
    let whole = straight(&plain);
    for (signal, status, every) in
        [("-TERM", Some(130), 1), ("-TERM", Some(130), 7), ("-KILL", None, 3)]
    {
        let mut saved = plain.clone();
        saved["checkpoints"] = json!(folder.path().join(format!("{signal}-{every}")));
        saved["checkpoint_every"] = json!(every);
        saved["resume"] = json!(true);
        let mut worker = Worker::start(&SMALL);
        worker.say(&saved);
        let mut heard = vec![worker.hear()];
        assert!(heard[0]["resumed"].is_null());
        while heard.iter().filter(|line| line["type"] == "epoch").count() < 8 {
            heard.push(worker.hear());
        }
        worker.signal(signal);
        if status.is_some() {
            while heard.last().unwrap()["type"] != "end" {
                heard.push(worker.hear());
            }
            let end = heard.last().unwrap();
            assert_eq!(end["status"], "paused");
            // Whatever it was in the middle of, what it says is saved.
            assert!(Path::new(end["checkpoint"].as_str().unwrap()).exists());
        }
        assert_eq!(worker.close(), status, "{signal}");

        let mut worker = Worker::start(&SMALL);
        worker.say(&saved);
        let rest = worker.hear_trial();
        assert_eq!(worker.close(), Some(0));
        let first = rest[0]["epoch"].as_u64().unwrap() as usize;
        assert!((6..40).contains(&first), "{signal} {every}: it went on from epoch {first}");
        assert_eq!(epochs(&rest), epochs(&whole)[first..], "{signal} {every}");
        assert_eq!(epochs(&heard), epochs(&whole)[..epochs(&heard).len()]);
        assert_eq!(values(rest.last().unwrap()), values(whole.last().unwrap()));
        // The last two states stay, no more.
        let folder = Path::new(saved["checkpoints"].as_str().unwrap()).read_dir().unwrap();
        assert_eq!(folder.count(), 2);
    }
}

/// A checkpoint of other settings is no checkpoint of this trial; one that a disk damaged is passed over.
#[test]
fn a_trial_goes_on_from_its_own_checkpoints_only() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = |lr: f64| json!({"hyperparameters": {"lr": lr}, "epochs": 3, "checkpoints": folder.path(), "resume": true});
    let mut worker = Worker::start(&SMALL);
    worker.say(&configuration(0.01));
    let first = worker.hear_trial();
    worker.say(&configuration(0.02));
    assert_eq!(worker.hear_trial()[0]["epoch"], 0);
    let last = first.last().unwrap()["checkpoint"].as_str().unwrap().to_owned();
    fs::write(&last, "half a file").unwrap();
    worker.say(&configuration(0.01));
    let again = worker.hear_trial();
    assert_eq!(again[0]["epoch"], 2);
    assert_eq!(epochs(&again), epochs(&first)[2..]);
    // By its name, a damaged one is an error.
    fs::write(&last, "half a file").unwrap();
    let mut named = configuration(0.01);
    named["resume"] = json!(last);
    worker.say(&named);
    let refused = worker.hear();
    assert!(refused["message"].as_str().unwrap().contains("checkpoint"), "{refused}");
    assert_eq!(worker.close(), Some(2));
}

#[test]
fn in_lockstep_the_engine_decides_after_each_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = |trial: u64| json!({"trial": trial, "epochs": 4, "lockstep": true, "checkpoints": folder.path(), "checkpoint_every": 9});
    let mut worker = Worker::start(&SMALL);
    worker.say(&configuration(1));
    assert_eq!(worker.hear()["type"], "start");
    assert_eq!(worker.hear()["epoch"], 1);
    // A command for another trial is none for this one.
    worker.say(&json!({"command": "stop", "trial": 7}));
    worker.say(&json!({"command": "halt"}));
    let error = worker.hear();
    assert!(error["message"].as_str().unwrap().contains("continue, stop, pause"), "{error}");
    worker.say(&json!({"command": "continue", "trial": 1}));
    assert_eq!(worker.hear()["epoch"], 2);
    worker.say(&json!({"command": "pause"}));
    let paused = worker.hear();
    assert_eq!((&paused["status"], &paused["epoch"]), (&json!("paused"), &json!(2)));
    // Late: there is nothing left to stop, and the next trial is not meant.
    worker.say(&json!({"command": "stop"}));
    let mut on = configuration(2);
    on["resume"] = paused["checkpoint"].clone();
    worker.say(&on);
    assert_eq!(worker.hear()["epoch"], 2);
    assert_eq!(worker.hear()["epoch"], 3);
    worker.say(&json!({"command": "stop"}));
    assert_eq!(worker.hear()["status"], "stopped");
    // An engine that goes away leaves a trial that is saved.
    worker.say(&configuration(3));
    assert_eq!(worker.hear()["type"], "start");
    assert_eq!(worker.hear()["epoch"], 1);
    drop(worker.input.take());
    let left = worker.hear();
    assert_eq!(left["status"], "paused");
    assert!(Path::new(left["checkpoint"].as_str().unwrap()).exists());
    // One of the commands was nonsense.
    assert_eq!(worker.close(), Some(2));
}

/// A line and what its answer must contain.
const MISTAKES: &[(&str, &[&str])] = &[
    ("rubbish", &["no JSON", "rubbish"]),
    ("[1]", &["JSON object"]),
    ("\"\\u0000\"", &["JSON object"]),
    ("{\"epoch\": 3}", &["unknown field \"epoch\"", "hyperparameters", "epochs"]),
    ("{\"quiet\": true}", &["unknown field \"quiet\""]),
    ("{\"command\": \"halt\"}", &["halt", "describe"]),
    ("{\"command\": \"describe\", \"space\": \"/none.toml\"}", &["/none.toml"]),
    (
        "{\"command\": \"describe\", \"sapce\": \"/none.toml\"}",
        &["unknown field \"sapce\"", "space"],
    ),
    ("{\"trial\": -1}", &["trial", "-1"]),
    ("{\"seed\": 0.5}", &["seed", "0.5"]),
    ("{\"study_seed\": \"x\"}", &["study_seed"]),
    ("{\"hyperparameters\": {\"lr\": -1}}", &["lr = -1", "positive"]),
    ("{\"hyperparameters\": {\"lr\": null}}", &["lr", "null"]),
    ("{\"hyperparameters\": {\"lr\": \"fast\"}}", &["lr = fast", "number"]),
    ("{\"hyperparameters\": {\"dropout\": 0.5}}", &["dropout", "batch_size"]),
    ("{\"hyperparameters\": 3}", &["hyperparameters"]),
    ("{\"hyperparameters\": {\"batch_size\": 1000000}}", &["1000000"]),
    ("{\"layer_rates\": {\"conv9\": 0.1}}", &["conv9", "conv1"]),
    ("{\"layer_rates\": {\"conv1\": 0}}", &["conv1", "positive"]),
    ("{\"groups\": {\"rates\": \"pyramid\"}}", &["pyramid", "free"]),
    ("{\"epochs\": 0}", &["--epochs", "at least 1"]),
    ("{\"epochs\": null}", &["epochs", "null"]),
    ("{\"net\": \"alexnet\"}", &["alexnet", "tutorial"]),
    ("{\"device\": \"tpu\"}", &["tpu", "cuda"]),
    ("{\"dataset\": \"cifar10\", \"data_dir\": \"/none\"}", &["/none", "--download"]),
    ("{\"checkpoint_every\": 0}", &["checkpoint_every", "at least 1"]),
    ("{\"threads\": 0}", &["threads", "at least 1"]),
    ("{\"resume\": true}", &["resume", "checkpoints"]),
    ("{\"resume\": \"/none\"}", &["/none"]),
    ("{\"resume\": 3}", &["resume"]),
    ("{\"checkpoints\": \"/dev/null/x\"}", &["checkpoints /dev/null/x"]),
    ("{\"nesterov\": 3}", &["nesterov", "true or false"]),
];

#[test]
fn mistakes_are_answered_and_the_worker_goes_on() {
    let mut worker = Worker::start(&SMALL);
    for (line, wanted) in MISTAKES {
        worker.say_text(line);
        let answer = worker.hear();
        assert_eq!(answer["status"], "failed", "{line}: {answer}");
        let message = answer["message"].as_str().unwrap();
        for part in *wanted {
            assert!(message.contains(part), "{line}: {message}");
        }
        assert!(!message.contains('\n') && !message.contains("panicked"), "{line}: {message}");
    }
    worker.say(&json!({"trial": 5, "epochs": 1}));
    assert_eq!(worker.hear_trial().last().unwrap()["status"], "complete");
    // A failure anywhere shows in the status, for shells.
    assert_eq!(worker.close(), Some(2));
    let flags = strata("train").args(["--worker", "--lr", "0.1"]).assert().code(2);
    assert!(String::from_utf8_lossy(&flags.get_output().stderr).contains("--lr"));
}

/// The schema knows the fields that the worker knows, no more and no fewer.
#[test]
fn the_schema_lists_the_fields() {
    let mut worker = Worker::start(&SMALL);
    worker.say(&json!({"nothing": 1}));
    let message = worker.hear()["message"].as_str().unwrap().to_owned();
    let (_, list) = message.split_once("the fields are ").unwrap();
    let list = list.replace("and those of the flags: ", "");
    let mut told: Vec<_> = list.split(", ").collect();
    told.sort_unstable();
    let schema = schema();
    let fields = &schema["$defs"]["configuration"]["properties"];
    let known: Vec<_> = fields.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(told, known);
    drop(worker.input.take());
    assert_eq!(worker.close(), Some(2));
}

/// The example of docs/worker.md works as it stands there.
#[cfg(unix)]
#[test]
fn the_shell_example_works() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/worker.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```sh\n").unwrap();
    let (script, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let binary = strata("train").get_program().to_owned();
    let path = format!("{}:{}", Path::new(&binary).parent().unwrap().display(), env!("PATH"));
    let output = Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env_remove("STRATA_DATA")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["status"], "complete", "{text}");
}
