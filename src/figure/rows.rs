//! Reading one CSV table cell by cell, with errors that name file, line and column.

use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use super::FigureError;

/// The header of a table: where each column is.
pub(super) struct Header {
    names: Vec<String>,
}

impl Header {
    /// Columns whose name starts with `prefix`, in file order, without the prefix.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.names.iter().filter_map(move |n| n.strip_prefix(prefix))
    }
}

/// One line of a table.
pub(super) struct Row<'a> {
    path: &'a Path,
    header: &'a Header,
    record: &'a csv::StringRecord,
    line: u64,
}

impl<'a> Row<'a> {
    /// The header of the table.
    pub fn header(&self) -> &'a Header {
        self.header
    }

    /// The trimmed text of a cell; empty where the table has no such column.
    pub fn text(&self, column: &str) -> &'a str {
        let at = self.header.names.iter().position(|name| name == column);
        at.and_then(|i| self.record.get(i)).unwrap_or("").trim()
    }

    /// A whole number, or none where the cell is empty.
    pub fn whole(&self, column: &str) -> Result<Option<u64>, FigureError> {
        self.parse(column, "a whole number")
    }

    /// A whole number that must be there.
    pub fn id(&self, column: &str) -> Result<u64, FigureError> {
        let whole = self.whole(column)?;
        whole.ok_or_else(|| self.wrong(column, "a whole number"))
    }

    /// A finite number. Empty cells and `NaN`, `inf` are none: neither has a place on an axis.
    pub fn number(&self, column: &str) -> Result<Option<f64>, FigureError> {
        let number: Option<f64> = self.parse(column, "a number")?;
        Ok(number.filter(|x| x.is_finite()))
    }

    /// The error for this cell.
    pub fn wrong(&self, column: &str, expected: &'static str) -> FigureError {
        FigureError::Cell {
            path: self.path.to_path_buf(),
            line: self.line,
            column: column.to_owned(),
            expected,
            value: self.text(column).to_owned(),
        }
    }

    fn parse<T: FromStr>(
        &self,
        column: &str,
        expected: &'static str,
    ) -> Result<Option<T>, FigureError> {
        match self.text(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| self.wrong(column, expected)),
        }
    }
}

/// Reads every row of `path` with `parse`; none where the file does not exist.
pub(super) fn read<T>(
    path: &Path,
    required: &[&str],
    mut parse: impl FnMut(&Row) -> Result<T, FigureError>,
) -> Result<Option<Vec<T>>, FigureError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(FigureError::Io { action: "read", path: path.to_path_buf(), source });
        }
    };
    let broken = |source| FigureError::Csv { path: path.to_path_buf(), source: Box::new(source) };
    let mut reader = csv::Reader::from_reader(file);
    let names = reader.headers().map_err(broken)?;
    let names = names.iter().map(|name| name.trim().to_owned()).collect();
    let header = Header { names };
    if let Some(column) = required.iter().find(|&&c| !header.names.iter().any(|n| n == c)) {
        let column = (*column).to_owned();
        let hint = match header.names.as_slice() {
            [] => "; the file is empty",
            [only] if only.is_empty() => "; the file is empty",
            [only] if only.contains([';', '\t']) => "; separate cells by commas",
            _ => {
                ": a table of another program or version (`importance --trials FILE --target COLUMN` reads any table \
                 with a row a run)"
            }
        };
        return Err(FigureError::Column { path: path.to_path_buf(), column, hint });
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(parse(&Row { path, header: &header, record: &record, line })?);
    }
    Ok(Some(rows))
}
