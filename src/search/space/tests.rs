//! Space files, good, bad and arbitrary.

use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::random::{Purpose, stream};

/// Two schemes of a net with two layers.
struct Schemes;

impl Groups for Schemes {
    fn expand(&self, scheme: &str) -> Result<Vec<(String, Distribution, f64)>, String> {
        let log = |low, high| Distribution::Float { low, high, log: true, step: None };
        let rate = ("rate".to_owned(), log(1e-3, 1.0), 0.01);
        match scheme {
            "global" => Ok(vec![rate]),
            "free" => Ok(vec![
                rate,
                ("conv1".into(), log(0.125, 8.0), 1.0),
                ("fc1".into(), log(0.125, 8.0), 1.0),
            ]),
            _ => Err(format!("unknown scheme {scheme}; known are global, free")),
        }
    }
}

fn parse(text: &str) -> Space {
    Space::parse(text, &Schemes).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const GOOD: &str = r#"# Everything that a space file may hold.
[space]
optimizer = { choice = ["sgd", "adam", "rmsprop"] }
l1 = { choice = [4, 8, 16], default = 8 }
nesterov = { choice = [true, false], when = { optimizer = "sgd" } }
lr = { loguniform = [1e-4, 1e-1], default = 0.01 }
momentum = { uniform = [0, 0.99], when = { optimizer = ["sgd", "rmsprop"], l1 = 4 } }
dropout = { quniform = [0.0, 0.5, 0.1], default = 0.3 }
units = { randint = [4, 257] }
width = { lograndint = [
    4,
    257,
] }
l2 = { pow2 = [2, 8] }
shift = { normal = [0.0, 1.0] }
epochs = 20
name = "a"
rates = { scheme = "free", rate = { loguniform = [1e-3, 0.5] }, fc1 = 2, when = { units = [4, 5] } }

[space.depth]
randint = [1, 4]
when.nesterov = true

[[points]]
lr = 0.01
l1 = 8.0
dropout = 0.3

[[points]]
optimizer = "sgd"
units = 4
rates.rate = 0.02
"rates.conv1" = 1
nesterov = true
depth = 3
epochs = 20
"#;

#[test]
fn everything_is_read() {
    let space = parse(GOOD);
    let float = |low, high, log, step| Distribution::Float { low, high, log, step };
    let int = |low, high, log| Distribution::Int { low, high, log, step: 1 };
    let choices = |choices: &[Choice]| Distribution::Categorical { choices: choices.to_vec() };
    let text = |text: &str| Choice::Text(text.to_owned());
    let powers: Vec<_> = (2..=8).map(|exponent| Choice::Int(1 << exponent)).collect();
    let expected = [
        ("optimizer", choices(&[text("sgd"), text("adam"), text("rmsprop")]), None),
        ("l1", choices(&[Choice::Int(4), Choice::Int(8), Choice::Int(16)]), Some(1.0)),
        ("nesterov", choices(&[Choice::Bool(true), Choice::Bool(false)]), None),
        ("lr", float(1e-4, 0.1, true, None), Some(0.01)),
        ("momentum", float(0.0, 0.99, false, None), None),
        ("dropout", float(0.0, 0.5, false, Some(0.1)), Some(0.3)),
        ("units", int(4, 256, false), None),
        ("width", int(4, 256, true), None),
        ("l2", choices(&powers), None),
        ("shift", Distribution::Normal { mean: 0.0, sd: 1.0 }, None),
        ("epochs", choices(&[Choice::Int(20)]), None),
        ("name", choices(&[text("a")]), None),
        ("rates.rate", float(1e-3, 0.5, true, None), Some(0.01)),
        ("rates.conv1", float(0.125, 8.0, true, None), Some(1.0)),
        ("rates.fc1", choices(&[Choice::Int(2)]), None),
        ("depth", int(1, 3, false), None),
    ];
    assert_eq!(space.parameters.len(), expected.len());
    for (parameter, (name, distribution, default)) in space.parameters.iter().zip(expected) {
        assert_eq!(
            (parameter.name.as_str(), &parameter.distribution, parameter.default),
            (name, &distribution, default)
        );
    }
    let on = |parent: &str, values: &[f64]| Condition {
        parameter: parent.to_owned(),
        values: values.to_vec(),
    };
    let conditions = |name| &space.parameter(name).unwrap().conditions[..];
    assert_eq!(conditions("lr"), []);
    assert_eq!(conditions("momentum"), [on("optimizer", &[0.0, 2.0]), on("l1", &[0.0])]);
    assert_eq!(conditions("depth"), [on("nesterov", &[0.0])]);
    for name in ["rates.rate", "rates.conv1", "rates.fc1"] {
        assert_eq!(conditions(name), [on("units", &[4.0, 5.0])]);
    }
    let group = Group {
        name: "rates".into(),
        scheme: "free".into(),
        coefficients: vec!["rate".into(), "conv1".into(), "fc1".into()],
    };
    assert_eq!(space.groups, [group]);
    let point = |values: &[(&str, f64)]| -> Configuration {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    };
    let second = [
        ("optimizer", 0.0),
        ("nesterov", 0.0),
        ("units", 4.0),
        ("epochs", 0.0),
        ("rates.rate", 0.02),
        ("rates.conv1", 1.0),
        ("depth", 3.0),
    ];
    assert_eq!(
        space.points,
        [point(&[("l1", 1.0), ("lr", 0.01), ("dropout", 0.3)]), point(&second)]
    );
}

#[test]
fn spaces_are_described() {
    let lines = parse(GOOD).describe();
    for line in [
        "optimizer    one of \"sgd\", \"adam\", \"rmsprop\"",
        "l1           one of 4, 8, 16, starts at 8",
        "lr           log-uniform in [0.0001, 0.1], starts at 0.01",
        "momentum     uniform in [0.0, 0.99], where optimizer is \"sgd\" or \"rmsprop\" and l1 is 4",
        "dropout      uniform in [0.0, 0.5] in steps of 0.1, starts at 0.3",
        "units        whole numbers from 4 to 256",
        "width        log-uniform whole numbers from 4 to 256",
        "shift        normal with mean 0.0 and standard deviation 1.0",
        "epochs       always 20",
        "rates.fc1    always 2, where units is 4 or 5",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line}\n{}", lines.join("\n"));
    }
}

/// Bad files: a text, and what the message must contain, the line first. A text without `[space]`
/// at its front gets that line, so that its own lines count from 2.
const BAD: &[(&str, &[&str])] = &[
    // The file.
    ("", &["line 1: ", "there is no [space]"]),
    ("[[points]]\nlr = 1\n", &["line 1: ", "there is no [space]"]),
    ("\nlr = { uniform = [0, 1] }", &["line 2: ", "unknown key \"lr\"", "below [space]"]),
    ("[space]\n", &["line 1: ", "[space] is empty", "loguniform"]),
    ("space = 3", &["line 1: ", "space is not a table"]),
    ("[[space]]\na = 1", &["line 1: ", "space is not a table"]),
    ("a = 1\n\n[point]\na = 1", &["line 4: ", "\"point\"", "did you mean points?"]),
    ("a = 1\nb = [1,\n", &["line 3: ", "not valid TOML", "unclosed array"]),
    ("a = 1\nb = = 2\n", &["line 3: ", "not valid TOML"]),
    ("a = 1\na = 2\n", &["line 3: ", "not valid TOML", "duplicate key"]),
    ("b = 1\n\"l r\" = 2", &["line 3, parameter l r: ", "\"l r\" may only have", "rename"]),
    ("\"\" = 2", &["line 2, parameter : ", "rename"]),
    ("lernräte = 2", &["line 2", "not valid TOML"]),
    // The table of a hyperparameter.
    ("a = 1\nl1 = [4, 8]", &["line 3, parameter l1: ", "[4, 8] is not", "{ choice = [4, 8, 16] }"]),
    ("a = 2020-01-01", &["line 2, parameter a: ", "2020-01-01 is not a distribution"]),
    ("a = {}", &["line 2, parameter a: ", "no distribution", "lograndint"]),
    ("a = { default = 1 }", &["line 2, parameter a: ", "no distribution"]),
    (
        "a = { unifrom = [0, 1] }",
        &[
            "line 2, parameter a, unifrom: ",
            "unknown distribution \"unifrom\"",
            "did you mean uniform?",
            "known are choice, uniform, loguniform, quniform, randint, lograndint, pow2, normal",
        ],
    ),
    (
        "a = { log_uniform = [0, 1] }",
        &["line 2, parameter a, log_uniform: ", "did you mean loguniform?"],
    ),
    ("a = { categorical = [0, 1] }", &["did you mean choice?"]),
    ("a = { defualt = 1 }", &["did you mean default?"]),
    ("a = { xyzzy = [0, 1] }", &["unknown distribution \"xyzzy\"; known are choice"]),
    ("a.b = { uniform = [0, 1] }", &["line 2, parameter a, b: ", "\"a.b\" = …"]),
    (
        "[space.a]\nuniform = [0, 1]\nchoice = [1]",
        &["line 4, parameter a, choice: ", "two distributions, uniform and choice"],
    ),
    (
        "a = { uniform = [0, 1], defualt = 1 }",
        &["line 2, parameter a, defualt: ", "unknown key", "did you mean default?"],
    ),
    (
        "a = { uniform = [0, 1], log = true }",
        &["line 2, parameter a, log: ", "unknown key \"log\"; beside"],
    ),
    // Arguments.
    (
        "a = { uniform = [0] }",
        &["line 2, parameter a, uniform: ", "[0] has the wrong form", "uniform = [low, high]"],
    ),
    ("a = { uniform = 3 }", &["line 2, parameter a, uniform: ", "3 has the wrong form"]),
    ("a = { quniform = [0, 1] }", &["parameter a, quniform: ", "[low, high, step]"]),
    ("a = { choice = 3 }", &["parameter a, choice: ", "choice = [4, 8, 16]"]),
    (
        "a = { uniform = [0,\n\"x\"] }",
        &["line 3, parameter a, uniform: ", "\"x\" is not a number", "[low, high]"],
    ),
    ("a = { uniform = [false, 1] }", &["line 2, parameter a, uniform: ", "false is not a number"]),
    ("a = { randint = [1.5, 3] }", &["parameter a, randint: ", "1.5 is not a whole number"]),
    ("a = { randint = [1, 1e17] }", &["parameter a, randint: ", "1e17 is too large"]),
    (
        "a = { randint = [-9007199254740992, 9007199254740992] }",
        &["parameter a, randint: ", "too wide"],
    ),
    ("a = 99999999999999999999", &["line 2, parameter a: ", "too large"]),
    (
        "a = { uniform = [0, nan] }",
        &["line 2, parameter a, uniform: ", "nan is not a finite number"],
    ),
    ("a = { uniform = [-inf, 0] }", &["parameter a, uniform: ", "-inf is not a finite number"]),
    ("a = { uniform = [0, 1e999] }", &["line 2", "1e999"]),
    ("a = { choice = [1, nan] }", &["line 2, parameter a, choice: ", "nan is not a finite number"]),
    ("b = 1\na = inf", &["line 3, parameter a: ", "inf is not a finite number"]),
    (
        "a = { choice = [1, [2]] }",
        &["line 2, parameter a, choice: ", "[2] is not a number, a word"],
    ),
    ("a = { choice = [] }", &["line 2, parameter a, choice: ", "the list is empty"]),
    (
        "a = { choice = [1,\n2,\n1.0] }",
        &["line 4, parameter a, choice: ", "1.0 stands there twice"],
    ),
    // Ranges.
    (
        "a = { uniform = [1, 0.5] }",
        &[
            "line 2, parameter a, uniform: ",
            "lower end 1.0 is above the upper end 0.5",
            "uniform = [0.5, 1.0]",
        ],
    ),
    (
        "a = { uniform = [1, 1] }",
        &["line 2, parameter a, uniform: ", "both ends are 1.0", "a = 1.0"],
    ),
    ("a = { uniform = [-1e308, 1e308] }", &["parameter a, uniform: ", "too wide"]),
    (
        "a = { loguniform = [0, 1] }",
        &["line 2, parameter a, loguniform: ", "0.0", "above 0", "uniform instead"],
    ),
    ("a = { loguniform = [-1, 1] }", &["parameter a, loguniform: ", "-1.0", "above 0"]),
    ("a = { loguniform = [1, 0] }", &["parameter a, loguniform: ", "0.0", "above 0"]),
    (
        "a = { loguniform = [1e-1, 1e-4] }",
        &["parameter a, loguniform: ", "loguniform = [0.0001, 0.1]"],
    ),
    ("a = { loguniform = [1e-300, 1e300] }", &["parameter a, loguniform: ", "too wide"]),
    ("a = { quniform = [0, 1, 0] }", &["parameter a, quniform: ", "step 0.0 must be above 0"]),
    ("a = { quniform = [0, 1, -0.1] }", &["parameter a, quniform: ", "step -0.1 must be above 0"]),
    (
        "a = { quniform = [0, 1, 2] }",
        &["parameter a, quniform: ", "step 2.0 is larger than the range"],
    ),
    ("a = { quniform = [1, 0, 0.1] }", &["parameter a, quniform: ", "quniform = [0.0, 1.0, 0.1]"]),
    ("a = { quniform = [1, 1, 0.1] }", &["parameter a, quniform: ", "both ends"]),
    ("a = { quniform = [0, 1, 1e-12] }", &["parameter a, quniform: ", "too small"]),
    ("a = { quniform = [1e9, 1000000001, 0.1] }", &["parameter a, quniform: ", "too small"]),
    (
        "a = { quniform = [0.0, 0.55, 0.1] }",
        &["parameter a, quniform: ", "reach 0.5, not 0.55", "0.6"],
    ),
    (
        "a = { randint = [4, 4] }",
        &["line 2, parameter a, randint: ", "no whole number", "excluded", "randint = [4, 5]"],
    ),
    ("a = { randint = [5, 4] }", &["parameter a, randint: ", "randint = [4, 5]"]),
    ("a = { lograndint = [0, 4] }", &["parameter a, lograndint: ", "above 0", "randint instead"]),
    (
        "a = { lograndint = [4, 4] }",
        &["parameter a, lograndint: ", "no whole number", "lograndint = [4, 5]"],
    ),
    ("a = { pow2 = [-1, 4] }", &["line 2, parameter a, pow2: ", "-1 is outside 0..=62"]),
    ("a = { pow2 = [0, 63] }", &["parameter a, pow2: ", "63 is outside 0..=62"]),
    ("a = { pow2 = [4, 2] }", &["parameter a, pow2: ", "pow2 = [2, 4]"]),
    ("a = { normal = [0, 0] }", &["line 2, parameter a, normal: ", "0.0 must be above 0"]),
    ("a = { normal = [0, -1] }", &["parameter a, normal: ", "-1.0 must be above 0"]),
    ("a = { normal = [1e16, 1] }", &["parameter a, normal: ", "too small beside the mean 1e16"]),
    ("a = { normal = [0, 1e308] }", &["parameter a, normal: ", "too wide"]),
    // Defaults.
    (
        "a = { uniform = [0, 1], default = 2 }",
        &["line 2, parameter a, default: ", "default 2 is not in", "uniform in [0.0, 1.0]"],
    ),
    ("a = { uniform = [0, 1], default = \"x\" }", &["parameter a, default: ", "\"x\" is not in"]),
    ("a = { uniform = [0, 1], default = nan }", &["parameter a, default: ", "not a finite number"]),
    (
        "a = { quniform = [0, 1, 0.1], default = 0.25 }",
        &["parameter a, default: ", "0.25 is not in"],
    ),
    (
        "a = { choice = [\"x\"], default = 0 }",
        &["parameter a, default: ", "default 0 is not in", "always \"x\""],
    ),
    (
        "a = { randint = [0, 3], default = 3 }",
        &["parameter a, default: ", "whole numbers from 0 to 2"],
    ),
    // Conditions.
    (
        "x = 1\na = { choice = [1], when = { y = 1 } }",
        &["line 3, parameter a, when: ", "no hyperparameter \"y\"", "known above this one are x"],
    ),
    (
        "optimizer = 1\na = { choice = [1], when = { optimiser = 1 } }",
        &["line 3", "did you mean optimizer?"],
    ),
    (
        "a = { choice = [1], when = { b = 1 } }\nb = 1",
        &["line 2, parameter a, when: ", "b stands below"],
    ),
    (
        "a = { choice = [1], when = { a = 1 } }",
        &["line 2, parameter a, when: ", "depends on itself"],
    ),
    (
        "a = { choice = [1], when = { b = 1 } }\nb = { choice = [1], when = { a = 1 } }",
        &["line 2, parameter a, when: ", "cyclic: a needs b needs a"],
    ),
    (
        "x = 1\na = { choice = [1], when = { x = 1, b = 1 } }\nc = { choice = [1], when = { a = 1 } }\nb = { choice = [1], when = { c = 1 } }",
        &["line 3, parameter a, when: ", "cyclic: a needs b needs c needs a"],
    ),
    (
        "a = { choice = [1], when = { b = 1 } }\nb = { choice = [1], when = { b = 1 } }",
        &["line 2, parameter a, when: ", "b stands below"],
    ),
    (
        "a = { choice = [1, 2] }\nb = { choice = [1], when = { a = 3 } }",
        &["line 3, parameter b, when: ", "a is never 3", "one of 1, 2"],
    ),
    (
        "a = { choice = [1, 2] }\nb = { choice = [1], when = { a = [1,\n\"1\"] } }",
        &["line 4, parameter b, when: ", "a is never \"1\""],
    ),
    (
        "a = { randint = [1, 3] }\nb = { choice = [1], when = { a = 3 } }",
        &["line 3, parameter b, when: ", "a is never 3"],
    ),
    (
        "a = { uniform = [1, 3] }\nb = { choice = [1], when = { a = 2 } }",
        &["line 3, parameter b, when: ", "a is continuous", "single values"],
    ),
    ("a = { normal = [1, 3] }\nb = { choice = [1], when = { a = 2 } }", &["a is continuous"]),
    (
        "a = 1\nb = { choice = [1], when = { a = [] } }",
        &["line 3, parameter b, when: ", "[] is not a condition"],
    ),
    (
        "a = 1\nb = { choice = [1], when = { a = {} } }",
        &["parameter b, when: ", "{} is not a condition"],
    ),
    (
        "a = 1\nb = { choice = [1], when = { a = [1, 1] } }",
        &["parameter b, when: ", "1 stands there twice"],
    ),
    (
        "a = 1\nb = { choice = [1], when = {} }",
        &["parameter b, when: ", "{} is not a condition", "when = { optimizer"],
    ),
    (
        "a = 1\nb = { choice = [1], when = \"a\" }",
        &["line 3, parameter b, when: ", "\"a\" is not a condition"],
    ),
    // Groups.
    ("r = { scheme = 1 }", &["line 2, parameter r, scheme: ", "1 is not the name of a scheme"]),
    (
        "r = { scheme = \"fre\" }",
        &["line 2, parameter r, scheme: ", "unknown scheme fre", "global, free"],
    ),
    (
        "[space.r]\nscheme = \"free\"\nconv2 = 1",
        &[
            "line 4, parameter r, conv2: ",
            "free has no coefficient \"conv2\", did you mean conv1?",
            "rate, conv1, fc1",
        ],
    ),
    (
        "r = { scheme = \"free\", rate = \"x\" }",
        &["line 2, parameter r.rate: ", "\"x\" is not a number"],
    ),
    (
        "r = { scheme = \"free\", rate = { choice = [1, true] } }",
        &["line 2, parameter r.rate: ", "true is not a number"],
    ),
    (
        "r = { scheme = \"free\", rate = { uniform = [2, 1] } }",
        &["line 2, parameter r.rate, uniform: ", "above"],
    ),
    (
        "a = 1\nr = { scheme = \"free\", rate = { uniform = [1, 2], when = { a = 1 } } }",
        &["line 3, parameter r.rate, when: ", "beside scheme"],
    ),
    (
        "r = { scheme = \"free\", when = { r.rate = 1 } }",
        &["line 2, parameter r, when: ", "depends on itself"],
    ),
    (
        "a = { choice = [1], when = { \"r.rate\" = 1 } }\nr = { scheme = \"free\", when = { a = 1 } }",
        &["line 2, parameter a, when: ", "cyclic: a needs r needs a"],
    ),
    (
        "r = { scheme = \"free\" }\na = { choice = [1], when = { r = 1 } }",
        &["line 3, parameter a, when: ", "no hyperparameter \"r\"", "r.rate"],
    ),
    (
        "\"r.fc1\" = 1\nr = { scheme = \"free\" }",
        &["line 3, parameter r.fc1: ", "taken", "group r"],
    ),
    (
        "r = { scheme = \"free\" }\n\"r.fc1\" = 1",
        &["line 3, parameter r.fc1: ", "taken", "group r"],
    ),
    // Points.
    ("a = 1\n[points]\na = 1", &["line 3, points: ", "[[points]]"]),
    ("points = [1]\n[space]\na = 1", &["line 1, point 1: ", "[[points]]"]),
    ("a = 1\n[[points]]\na = 1\n[[points]]\n", &["line 5, point 2: ", "is empty"]),
    (
        "rate = 1\n[[points]]\nrat = 1",
        &["line 4, parameter rat, point 1: ", "no such", "did you mean rate?"],
    ),
    (
        "a = { uniform = [0, 1] }\n[[points]]\na = 1\n[[points]]\na = 1.5",
        &["line 6, parameter a, point 2: ", "1.5 is not in", "uniform in [0.0, 1.0]"],
    ),
    (
        "a = { choice = [0, 1] }\n[[points]]\na = [1]",
        &["line 4, parameter a, point 1: ", "[1] is not a number, a word"],
    ),
    (
        "a = { choice = [0, 1] }\nb = { choice = [3], when = { a = 1 } }\n[[points]]\na = 0\nb = 3",
        &["line 6, parameter b, point 1: ", "exists only where a is 1, and here a is 0"],
    ),
    (
        "a = { choice = [0, 1] }\nb = { choice = [3], when = { a = 1 } }\n[[points]]\nb = 3",
        &[
            "line 5, parameter b, point 1: ",
            "exists only where a is 1; write a in the point as well",
        ],
    ),
    (
        "a = { choice = [0, 1] }\nb = { choice = [3], when = { a = 1 } }\nc = { choice = [0], when = { b = 3 } }\n[[points]]\na = 0\nc = 0",
        &["line 7, parameter c, point 1: ", "here a is 0"],
    ),
    (
        "r = { scheme = \"free\" }\n[[points]]\nr.rate = 9",
        &["line 4, parameter r.rate, point 1: ", "9 is not in"],
    ),
    (
        "r = { scheme = \"free\" }\n[[points]]\nr = 0.1",
        &["line 4, parameter r, point 1: ", "no such", "r.rate"],
    ),
];

#[test]
fn faults_are_named_with_place_and_remedy() {
    let mut wrong = String::new();
    for (text, expected) in BAD {
        let has_space = text.is_empty()
            || text.contains("space]") && !text.starts_with("[space.")
            || text.contains("space =")
            || text.starts_with("[[points")
            || text.starts_with("\nlr");
        let text = if has_space { (*text).to_owned() } else { format!("[space]\n{text}") };
        let message = match Space::parse(&text, &Schemes) {
            Ok(space) => format!("was accepted as {space:?}"),
            Err(error) => error.to_string(),
        };
        let in_place = message.starts_with("line ") && !message.contains('\n');
        let line = expected.iter().filter(|part| part.starts_with("line"));
        let line_in_front = line.clone().all(|part| message.starts_with(part));
        if !(in_place && line_in_front && expected.iter().all(|part| message.contains(part))) {
            wrong += &format!("{text}\n  expected {expected:?}\n  got {message:?}\n\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("space.toml");
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = Space::read(&path, &NoGroups).unwrap_err().to_string();
        error.strip_prefix(path.to_str().unwrap()).expect("the path in front").to_owned()
    };
    let broken = message(b"[space]\na = { uniform = [1, 0] }");
    assert!(broken.starts_with(", line 2, parameter a, uniform: "), "{broken}");
    let latin = message(b"[space]\n\n# B\xe4ume\na = 1");
    assert!(latin.starts_with(", line 3: is not UTF-8"), "{latin}");
    let scheme = message(b"[space]\nr = { scheme = \"free\" }");
    assert!(scheme.contains("no layers"), "{scheme}");
    let missing = Space::read(&folder.path().join("none"), &NoGroups).unwrap_err().to_string();
    assert!(missing.contains("none: cannot be read"), "{missing}");
    std::fs::write(&path, "\u{feff}[space]\r\na = 1\r\n").unwrap();
    assert_eq!(Space::read(&path, &NoGroups).unwrap().parameters.len(), 1);
}

#[test]
fn a_point_may_leave_open_what_cannot_go_wrong() {
    let text = "[space]\na = { choice = [1, 2] }\nb = { choice = [3], when = { a = [2, 1] } }\n\
                [[points]]\nb = 3";
    assert_eq!(parse(text).points.len(), 1);
}

/// Draws are inside, come back from what people would write, and make valid configurations.
fn check_draws(space: &Space) {
    let mut generator = stream(1, Purpose::Configuration, 0);
    for _ in 0..20 {
        let configuration = space.configure(|parameter, _| {
            let distribution = &parameter.distribution;
            let value = distribution.at(generator.random());
            assert!(distribution.contains(value), "{value:?} {parameter:?}");
            assert_eq!(distribution.internal(&distribution.external(value)), Some(value));
            value
        });
        assert!(space.contains(&configuration), "{configuration:?} {space:?}");
    }
    for parameter in &space.parameters {
        let distribution = &parameter.distribution;
        for u in [0.0, 1.0] {
            let value = distribution.at(u);
            assert!(distribution.contains(value), "{u} {value:?} {parameter:?}");
        }
        assert!(parameter.default.is_none_or(|value| distribution.contains(value)));
    }
}

#[test]
fn draws_from_a_read_space_belong_to_it() {
    check_draws(&parse(GOOD));
}

/// A number as it might be written.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (-5..300_i64).prop_map(|n| n.to_string()),
        (-2.0..2.0_f64).prop_map(|x| format!("{x:?}")),
        any::<f64>().prop_map(|x| format!("{x:?}").to_lowercase()),
        prop::sample::select(vec!["0.1", "0.3", "1e-4", "inf", "nan", "true", "\"x\"", "[]", "{}"])
            .prop_map(str::to_owned),
    ]
}

fn parameter() -> impl Strategy<Value = String> {
    let distributions: Vec<_> = argument::DISTRIBUTIONS.iter().map(|(name, _)| *name).collect();
    let condition = prop::option::of((0..4_usize, number()));
    let default = prop::option::of(number());
    (prop::sample::select(distributions), prop::collection::vec(number(), 0..4), condition, default)
        .prop_map(|(name, arguments, condition, default)| {
            let mut text = format!("{{ {name} = [{}]", arguments.join(", "));
            if let Some((parent, value)) = condition {
                text += &format!(", when = {{ p{parent} = {value} }}");
            }
            if let Some(default) = default {
                text += &format!(", default = {default}");
            }
            text + " }"
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), beside in "[a-z0-9={}\\[\\]\". \n,]{0,80}") {
        for text in [&text, &beside, &format!("[space]\n{text}"), &format!("[space]\n{beside}")] {
            if let Err(error) = Space::parse(text, &Schemes) {
                prop_assert!(error.line.is_some() && !error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn damaged_spaces_never_panic(at in 0..GOOD.len(), len in 0..20_usize, put in "[a-z0-9={}\\[\\]\". \n,]{0,5}") {
        let end = (at + len).min(GOOD.len());
        let text = format!("{}{put}{}", &GOOD[..at], &GOOD[end..]);
        if let Ok(space) = Space::parse(&text, &Schemes) {
            check_draws(&space);
        }
    }

    #[test]
    fn whatever_is_accepted_can_be_drawn_from(parameters in prop::collection::vec(parameter(), 1..4)) {
        let mut text = String::from("[space]\np0 = { choice = [1, 2, \"x\", true] }\n");
        for (index, parameter) in parameters.iter().enumerate() {
            text += &format!("p{} = {parameter}\n", index + 1);
        }
        if let Ok(space) = Space::parse(&text, &Schemes) {
            check_draws(&space);
        }
    }

    #[test]
    fn ranges_that_are_accepted_can_be_drawn_from(
        a in any::<f64>(), b in any::<f64>(), near in 0.0..2.0_f64, steps in 1..1000_u32
    ) {
        let high = a + near * a.abs();
        let step = (b - a) / f64::from(steps);
        for text in [
            format!("uniform = [{a:?}, {b:?}]"), format!("uniform = [{a:?}, {high:?}]"),
            format!("loguniform = [{a:?}, {b:?}]"), format!("loguniform = [{a:?}, {high:?}]"),
            format!("normal = [{a:?}, {b:?}]"), format!("normal = [{a:?}, {near:?}]"),
            format!("quniform = [{a:?}, {b:?}, {step:?}]"),
            format!("quniform = [0, {near:?}, {:?}]", near / f64::from(steps)),
        ] {
            let text = format!("[space]\na = {{ {} }}", text.to_lowercase());
            if let Ok(space) = Space::parse(&text, &Schemes) {
                check_draws(&space);
            }
        }
    }
}
