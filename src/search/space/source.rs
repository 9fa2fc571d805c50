//! The text of a space file: its values and where they stand.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Choice, SpaceError, SpaceFault};

/// A TOML table as it is written.
pub(super) type Table<'a> = DeTable<'a>;

/// Whole numbers beyond this (2⁵³) have no exact `f64`.
pub(super) const LARGEST: i64 = 1 << 53;

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub value: &'a DeValue<'a>,
    /// Byte where it starts.
    pub at: usize,
    end: usize,
}

/// A key of a table with its value.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub key: &'a str,
    /// Byte where the key starts.
    pub at: usize,
    pub node: Node<'a>,
}

/// The entries of a table in the order of the file.
pub(super) fn entries<'a>(table: &'a Table<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref(),
            at: key.span().start,
            node: node(value.get_ref(), value.span()),
        })
        .collect();
    // The parser sorts by name.
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn node<'a>(value: &'a DeValue<'a>, span: Range<usize>) -> Node<'a> {
    Node { value, at: span.start, end: span.end }
}

impl<'a> Node<'a> {
    /// The items, where it is a list.
    pub fn items(self) -> Option<Vec<Node<'a>>> {
        let items = self.value.as_array()?.iter();
        Some(items.map(|item| node(item.get_ref(), item.span())).collect())
    }

    /// The entries, where it is a table.
    pub fn entries(self) -> Option<Vec<Entry<'a>>> {
        self.value.as_table().map(entries)
    }
}

/// Where in the file something is read, for errors.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub text: &'a str,
    /// Parameter, if one is being read.
    pub parameter: Option<&'a str>,
    /// Key below the parameter, if one is being read.
    pub field: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// The same place below a key.
    pub fn field(self, field: &'a str) -> Self {
        Self { field: Some(field), ..self }
    }

    /// The same place below a parameter.
    pub fn parameter(self, parameter: &'a str) -> Self {
        Self { parameter: Some(parameter), ..self }
    }

    /// A fault at byte `at`.
    pub fn error(self, at: usize, fault: SpaceFault) -> SpaceError {
        SpaceError {
            file: None,
            line: Some(line(self.text.as_bytes(), at)),
            parameter: self.parameter.map(str::to_owned),
            field: self.field.map(str::to_owned),
            fault: Box::new(fault),
        }
    }

    /// What stands there, shortened to a line.
    pub fn written(self, node: Node) -> String {
        let text = self.text.get(node.at..node.end).unwrap_or_default();
        let words: Vec<_> = text.split_whitespace().collect();
        let text = words.join(" ");
        match text.char_indices().nth(60) {
            Some((cut, _)) => format!("{}…", &text[..cut]),
            None => text,
        }
    }

    /// A number, a word, `true` or `false`.
    pub fn scalar(self, node: Node) -> Result<Choice, SpaceError> {
        let scalar = match node.value {
            DeValue::Boolean(value) => Some(Choice::Bool(*value)),
            DeValue::String(value) => Some(Choice::Text(value.to_string())),
            DeValue::Integer(value) => {
                let value = i64::from_str_radix(value.as_str(), value.radix()).ok();
                return value.map(Choice::Int).ok_or_else(|| self.too_large(node));
            }
            DeValue::Float(value) => match value.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => Some(Choice::Float(value)),
                _ => {
                    let written = self.written(node);
                    return Err(self.error(node.at, SpaceFault::NotFinite { written }));
                }
            },
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        };
        scalar.ok_or_else(|| {
            self.error(node.at, SpaceFault::NotAScalar { written: self.written(node) })
        })
    }

    fn too_large(self, node: Node) -> SpaceError {
        self.error(node.at, SpaceFault::TooLarge { written: self.written(node) })
    }

    /// A finite number.
    pub fn number(self, node: Node, usage: &'static str) -> Result<f64, SpaceError> {
        let number = match node.value {
            DeValue::Integer(_) | DeValue::Float(_) => self.scalar(node)?.number(),
            _ => None,
        };
        number.ok_or_else(|| {
            let written = self.written(node);
            self.error(node.at, SpaceFault::NotANumber { written, usage })
        })
    }

    /// A whole number with an exact `f64`; `1e3` is one.
    pub fn whole(self, node: Node, usage: &'static str) -> Result<i64, SpaceError> {
        let number = self.number(node, usage)?;
        if number.fract() != 0.0 {
            let written = self.written(node);
            return Err(self.error(node.at, SpaceFault::NotWhole { written, usage }));
        }
        if number.abs() > LARGEST as f64 {
            return Err(self.too_large(node));
        }
        Ok(number as i64)
    }
}

/// Entries with those of tables below them, whose names are joined by dots: `rates.rate = 0.1`
/// and `rates = { rate = 0.1 }` both name `rates.rate`.
pub(super) fn flat<'a>(entries: Vec<Entry<'a>>) -> Vec<(String, Entry<'a>)> {
    let mut names = Vec::new();
    for entry in entries {
        match entry.node.entries() {
            Some(below) if !below.is_empty() => names.extend(
                flat(below).into_iter().map(|(name, leaf)| (format!("{}.{name}", entry.key), leaf)),
            ),
            _ => names.push((entry.key.to_owned(), entry)),
        }
    }
    names
}

/// Number of the line, from 1, that byte `at` stands in.
pub(super) fn line(text: &[u8], at: usize) -> usize {
    text.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// The one of `known` that `written` most likely meant.
pub(super) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let lower = written.to_lowercase();
    let distances = known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    let close = distance <= 1 + name.len().min(written.len()) / 4;
    (!lower.is_empty() && (close || name.to_lowercase().starts_with(&lower)))
        .then(|| name.to_owned())
}
