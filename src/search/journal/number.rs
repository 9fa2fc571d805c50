//! JSON as Python writes it: numbers may be bare `NaN`, `Infinity` and `-Infinity`.
//!
//! `serde_json` knows none of them. Before parsing, such tokens outside strings become marked
//! strings, which [`Real`] reads as numbers; in attributes they turn into plain strings
//! ([`unmark`]), as a JSON value cannot hold them.

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Visitor};
use serde_json::Value;

/// Stands before the name of a number that was bare; no program writes a string like that.
const MARK: &str = "\0";
const NAMES: [(&str, f64); 3] =
    [("NaN", f64::NAN), ("-Infinity", f64::NEG_INFINITY), ("Infinity", f64::INFINITY)];

/// Parses JSON with bare non-finite numbers; the flag says whether there were any.
///
/// # Errors
/// Where the text is no such JSON, or not of the type asked for.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<(T, bool)> {
    match mark(text) {
        Some(marked) => serde_json::from_slice(&marked).map(|value| (value, true)),
        None => serde_json::from_slice(text).map(|value| (value, false)),
    }
}

/// The text with bare non-finite numbers as marked strings; `None` where it has none.
fn mark(text: &[u8]) -> Option<Vec<u8>> {
    // The names begin with letters that no other bare token has in capitals.
    let candidate = |window: &[u8]| window == b"NaN" || window == b"Inf";
    if !text.windows(3).any(candidate) {
        return None;
    }
    let (mut marked, mut found, mut inside) = (Vec::with_capacity(text.len() + 32), false, false);
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        if !inside
            && matches!(byte, b'N' | b'I' | b'-')
            && let Some((name, _)) =
                NAMES.iter().find(|(name, _)| rest.starts_with(name.as_bytes()))
        {
            marked.extend_from_slice(format!("\"\\u0000{name}\"").as_bytes());
            rest = &rest[name.len()..];
            found = true;
            continue;
        }
        let length = if inside && byte == b'\\' { 2.min(rest.len()) } else { 1 };
        inside ^= byte == b'"';
        marked.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
    }
    found.then_some(marked)
}

fn marked_number(text: &str) -> Option<f64> {
    let name = text.strip_prefix(MARK)?;
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Marked numbers in a value become the plain strings `NaN`, `Infinity` and `-Infinity`.
pub(super) fn unmark(value: &mut Value) {
    match value {
        Value::String(text) if marked_number(text).is_some() => {
            text.remove(0);
        }
        Value::Array(values) => values.iter_mut().for_each(unmark),
        Value::Object(values) => values.values_mut().for_each(unmark),
        _ => {}
    }
}

/// The number that an item of a parsed value is, marked ones included.
pub(super) fn as_real(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => marked_number(text),
        _ => value.as_f64(),
    }
}

/// A number as Python reads it; bit for bit the same when read again.
pub(super) fn number(value: f64) -> String {
    if value.is_finite() {
        format!("{value:?}")
    } else {
        let name = NAMES.iter().find(|(_, known)| known.total_cmp(&value).is_eq());
        // A NaN with other bits is written like any NaN.
        name.map_or("NaN", |(name, _)| name).to_owned()
    }
}

/// A number that may be NaN or infinite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Real(pub f64);

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Real;

            fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
                out.write_str("a number")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Real, E> {
                Ok(Real(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Real, E> {
                Ok(Real(value as f64))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Real, E> {
                Ok(Real(value as f64))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Real, E> {
                let number = marked_number(text).map(Real);
                number.ok_or_else(|| E::invalid_type(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bare_numbers_are_read_and_strings_left_alone() {
        let text = br#"[NaN, -Infinity,Infinity, 1, -2.5]"#;
        let (numbers, _) = parse::<Vec<Real>>(text).unwrap();
        assert!(numbers[0].0.is_nan());
        let rest: Vec<f64> = numbers[1..].iter().map(|number| number.0).collect();
        assert_eq!(rest, [f64::NEG_INFINITY, f64::INFINITY, 1.0, -2.5]);

        let text = br#"{"NaN":"NaN, \"NaN, -Infinity\\","x":{"y":[NaN,"\\",Infinity]}}"#;
        let (mut value, _) = parse::<Value>(text).unwrap();
        unmark(&mut value);
        assert_eq!(value["NaN"], "NaN, \"NaN, -Infinity\\");
        assert_eq!(value["x"]["y"], serde_json::json!(["NaN", "\\", "Infinity"]));
        for text in ["\"NaN\"", "NaNs", "nan", "-NaN", "Info", "[NaN", "\"NaN"] {
            assert!(parse::<Real>(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_keep_their_bits(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let (back, _) = parse::<Real>(number(value).as_bytes()).unwrap();
            prop_assert!(back.0.to_bits() == bits || value.is_nan() && back.0.is_nan());
        }

        #[test]
        fn any_string_survives(text in r#"[NaIinfty"\\ ,\PC]{0,20}"#) {
            let line = format!("[{},NaN]", serde_json::to_string(&text).unwrap());
            let (mut value, _) = parse::<Value>(line.as_bytes()).unwrap();
            unmark(&mut value);
            prop_assert_eq!(value, serde_json::json!([text, "NaN"]));
        }
    }
}
