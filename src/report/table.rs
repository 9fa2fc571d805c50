//! A CSV file as a table for people: Markdown, LaTeX, HTML.

use std::path::{Path, PathBuf};

use super::ReportError;
use crate::figure::estimate_in_words;

/// A table of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Where it was read.
    pub path: PathBuf,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, as long as `columns` each.
    pub rows: Vec<Vec<String>>,
}

/// What of a table is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Columns in this order, with other names if `name as title`; all if empty.
    pub columns: Vec<String>,
    /// Rows in which a column has one of these texts.
    pub filters: Vec<(String, Vec<String>)>,
    /// So many rows at most.
    pub rows: Option<usize>,
    /// Digits that count of a number.
    pub digits: Option<usize>,
    /// Column of numbers by which rows are sorted, the largest first; rows without a number come last.
    pub sort: Option<String>,
    /// Columns of shares that are shown in percent (or points), their intervals too.
    pub percent: Vec<String>,
}

/// Columns whose ends stand in `low` and `high` beside them.
const ESTIMATES: [&str; 7] =
    ["value", "importance", "difference", "total_effect", "mean_rank", "tau", "mean"];

/// Digits of a number unless told otherwise.
const DIGITS: usize = 3;

impl Table {
    /// Reads a CSV file with a header. Short rows are filled with empty cells.
    ///
    /// # Errors
    /// When it cannot be read or is no CSV.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let text = super::read(path)?;
        let broken = |source| ReportError::Csv { path: path.to_owned(), source };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().map_err(broken)?;
        let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let mut row: Vec<String> =
                record.iter().take(columns.len()).map(|cell| cell.trim().to_owned()).collect();
            row.resize(columns.len(), String::new());
            rows.push(row);
        }
        Ok(Self { path: path.to_owned(), columns, rows })
    }

    fn place(&self, column: &str) -> Result<usize, ReportError> {
        self.columns.iter().position(|known| known == column).ok_or_else(|| ReportError::Column {
            path: self.path.clone(),
            column: column.to_owned(),
            known: self.columns.join(", "),
        })
    }

    /// The part that is selected; an estimate and its interval become one column, numbers are rounded.
    ///
    /// # Errors
    /// When the table lacks a column.
    pub fn select(&self, selection: &Selection) -> Result<Self, ReportError> {
        let mut chosen: Vec<(usize, String)> = Vec::new();
        if selection.columns.is_empty() {
            chosen = self.columns.iter().cloned().enumerate().collect();
        }
        for column in &selection.columns {
            let (name, title) = column.split_once(" as ").unwrap_or((column, column));
            chosen.push((self.place(name.trim())?, title.trim().to_owned()));
        }
        let mut filters = Vec::new();
        for (column, texts) in &selection.filters {
            filters.push((self.place(column)?, texts));
        }
        let ends = self.place("low").ok().zip(self.place("high").ok());
        let digits = selection.digits.unwrap_or(DIGITS);
        // The ends are shown with what they are the ends of.
        let has_estimate = chosen.iter().any(|(place, _)| self.is_estimate(*place));
        let is_end = |place: usize| ends.is_some_and(|(low, high)| place == low || place == high);
        chosen.retain(|(place, _)| !(has_estimate && is_end(*place)));
        let mut percent = Vec::new();
        for column in &selection.percent {
            percent.push(self.place(column)?);
        }
        let cell = |row: &[String], place: usize| {
            let scaled = |at: usize| match (percent.contains(&place), row[at].parse::<f64>()) {
                (true, Ok(share)) => (100.0 * share).to_string(),
                _ => row[at].clone(),
            };
            let text = rounded(&scaled(place), digits);
            match ends.filter(|_| self.is_estimate(place) && !text.is_empty()) {
                Some((low, high)) if !row[low].is_empty() && !row[high].is_empty() => {
                    // The interval's width is known less well than its ends.
                    let known = digits.saturating_sub(1).clamp(1, 9) as u8;
                    let at = |at: usize| scaled(at).parse().unwrap_or(f64::NAN);
                    let words = estimate_in_words(at(place), at(low), at(high), known);
                    words.unwrap_or_else(|| {
                        let ends = [low, high].map(|at| rounded(&scaled(at), digits));
                        format!("{text} [{}, {}]", ends[0], ends[1])
                    })
                }
                _ => text,
            }
        };
        let is_kept =
            |row: &&Vec<String>| filters.iter().all(|(place, texts)| texts.contains(&row[*place]));
        let mut kept: Vec<&Vec<String>> = self.rows.iter().filter(is_kept).collect();
        if let Some(column) = &selection.sort {
            let place = self.place(column)?;
            let number = |row: &[String]| row[place].parse().unwrap_or(f64::NEG_INFINITY);
            kept.sort_by(|a, b| number(b).total_cmp(&number(a)));
        }
        let rows = kept
            .into_iter()
            .take(selection.rows.unwrap_or(usize::MAX))
            .map(|row| chosen.iter().map(|(place, _)| cell(row, *place)).collect())
            .collect();
        let columns = chosen.into_iter().map(|(_, title)| title).collect();
        Ok(Self { path: self.path.clone(), columns, rows })
    }

    fn is_estimate(&self, place: usize) -> bool {
        ESTIMATES.contains(&self.columns[place].as_str())
    }

    /// As Markdown (GitHub's tables).
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let escaped = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            format!("| {} |\n", escaped.collect::<Vec<_>>().join(" | "))
        };
        let rule = format!("|{}\n", "---|".repeat(self.columns.len()));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.columns) + &rule + &rows
    }

    /// As LaTeX (`booktabs`); numbers to the right.
    pub fn latex(&self) -> String {
        let is_number = |place: usize| {
            let cells = self.rows.iter().map(|row| row[place].as_str());
            let mut texts = cells.filter(|cell| !cell.is_empty()).peekable();
            texts.peek().is_some()
                && texts.all(|cell| {
                    let first = cell.split(' ').next().unwrap_or(cell);
                    first.replace('−', "-").parse::<f64>().is_ok()
                })
        };
        let alignment: String =
            (0..self.columns.len()).map(|place| if is_number(place) { 'r' } else { 'l' }).collect();
        let line = |cells: &[String]| {
            let escaped = cells.iter().map(|cell| latex_escape(cell));
            format!("{} \\\\\n", escaped.collect::<Vec<_>>().join(" & "))
        };
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!(
            "% needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{alignment}}}\n\\toprule\n{}\\midrule\n{rows}\
             \\bottomrule\n\\end{{tabular}}\n",
            line(&self.columns)
        )
    }
}

/// A number with so many digits that count; other texts as they are.
pub(super) fn rounded(text: &str, digits: usize) -> String {
    let Ok(value) = text.parse::<f64>() else { return text.to_owned() };
    // Counts and seeds stay whole.
    if !value.is_finite() || !text.contains(['.', 'e', 'E']) {
        return text.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    if !(-5..7).contains(&exponent) {
        return format!("{value:.*e}", digits.saturating_sub(1));
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    let fixed = format!("{value:.decimals$}");
    match fixed.contains('.') {
        true => fixed.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => fixed,
    }
}

fn latex_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '\\' => escaped += "\\textbackslash{}",
            '−' => escaped += "$-$",
            '±' => escaped += "$\\pm$",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let texts = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        Table {
            path: "importance.csv".into(),
            columns: texts(&["method", "parameter", "importance", "low", "high"]),
            rows: vec![
                texts(&["fanova", "l_r", "0.26123", "0.22611", "0.30512"]),
                texts(&["fanova", "a|b", "0.00012", "", ""]),
                texts(&["lpi", "lr", "1", "0.5", "2"]),
            ],
        }
    }

    #[test]
    fn rows_are_sorted_by_a_number() {
        let selection =
            Selection { sort: Some("importance".into()), rows: Some(2), ..Selection::default() };
        let sorted = table().select(&selection).expect("has the column");
        let names: Vec<&str> = sorted.rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(names, ["lr", "l_r"]);
    }

    #[test]
    fn shares_are_shown_in_percent() {
        let selection = Selection {
            columns: vec!["parameter".into(), "importance".into()],
            percent: vec!["importance".into()],
            ..Selection::default()
        };
        let shown = table().select(&selection).expect("has the columns").markdown();
        assert!(shown.contains("| l_r | 26.1 [22.6, 30.5] |"), "{shown}");
        let missing = Selection { percent: vec!["share".into()], ..Selection::default() };
        assert!(table().select(&missing).is_err());
    }

    #[test]
    fn estimates_carry_their_intervals() {
        let selection = Selection {
            columns: vec!["parameter as hyperparameter".into(), "importance".into()],
            filters: vec![("method".into(), vec!["fanova".into()])],
            ..Selection::default()
        };
        let shown = table().select(&selection).expect("has the columns");
        let markdown = "| hyperparameter | importance |\n|---|---|\n| l_r | 0.261 [0.226, 0.305] |\n\
                        | a\\|b | 0.00012 |\n";
        assert_eq!(shown.markdown(), markdown);
        let latex = shown.latex();
        assert!(
            latex.contains("\\begin{tabular}{lr}") && latex.contains("l\\_r & 0.261"),
            "{latex}"
        );
    }

    #[test]
    fn a_missing_column_is_named() {
        let selection = Selection { columns: vec!["nobody".into()], ..Selection::default() };
        let error = table().select(&selection).expect_err("is missing").to_string();
        assert!(error.contains("importance.csv") && error.contains("`nobody`"), "{error}");
        assert!(error.contains("parameter, importance"), "{error}");
    }

    #[test]
    fn numbers_keep_their_digits_and_counts_stay_whole() {
        for (text, short) in [
            ("0.123456", "0.123"),
            ("123456", "123456"),
            ("1234.56", "1235"),
            ("0.5", "0.5"),
            ("-0.000123456", "-0.000123"),
            ("1.5e-9", "1.50e-9"),
            ("2.0", "2"),
            ("0.0", "0"),
            ("tpe", "tpe"),
            ("", ""),
        ] {
            assert_eq!(rounded(text, 3), short);
        }
    }
}
