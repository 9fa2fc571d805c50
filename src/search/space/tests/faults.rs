//! Every fault of a space file, with what its message must say.

use super::*;

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
