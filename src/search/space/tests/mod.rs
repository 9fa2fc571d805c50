//! Space files: good ones here, bad ones and arbitrary ones below.

mod faults;
mod properties;

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
