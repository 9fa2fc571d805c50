//! Space files that nobody would write.

use proptest::prelude::*;

use super::*;

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
