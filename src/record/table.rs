//! A CSV table that grows by whole rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::{RecordError, replace_file};

/// Writes a whole table, replacing the file at `path` in one step.
///
/// # Errors
/// When it cannot be written.
pub fn write_table<H: AsRef<str>>(
    path: &Path,
    header: &[H],
    rows: &[Vec<String>],
) -> Result<(), RecordError> {
    let mut text = csv::Writer::from_writer(Vec::new());
    let header = header.iter().map(AsRef::as_ref);
    text.write_record(header).expect("writing to memory does not fail");
    for row in rows {
        text.write_record(row).expect("writing to memory does not fail");
    }
    let bytes = text.into_inner().expect("writing to memory does not fail");
    replace_file(path, &bytes)
        .map_err(|source| RecordError::Write { path: path.to_owned(), source })
}

/// A CSV table open for appending. Each row goes to the file as it is added.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    columns: Vec<String>,
    file: File,
}

impl Table {
    /// Starts a table with its header, replacing what is at `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, columns: Vec<String>) -> Result<Self, RecordError> {
        Self::write(path, columns, &[])
    }

    /// Opens a table for going on: keeps the rows that `keep` wants, drops a last row that was cut
    /// off in the middle. A missing file is a new table.
    ///
    /// # Errors
    /// When the file cannot be read or written, or has other columns.
    pub fn reopen(
        path: &Path,
        columns: Vec<String>,
        keep: impl Fn(&StringRecord) -> bool,
    ) -> Result<Self, RecordError> {
        if !path.exists() {
            return Self::create(path, columns);
        }
        let rows = Self::read(path, &columns)?;
        let kept: Vec<_> = rows.into_iter().filter(keep).collect();
        Self::write(path, columns, &kept)
    }

    /// Reads the complete rows of the table at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or its header is not `columns`.
    pub fn read(path: &Path, columns: &[String]) -> Result<Vec<StringRecord>, RecordError> {
        let mut text =
            fs::read(path).map_err(|source| RecordError::Read { path: path.to_owned(), source })?;
        // A row that was cut off by a crash has no line end.
        let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        text.truncate(complete);
        let damaged = |reason: String| RecordError::Damaged { path: path.to_owned(), reason };
        let mut reader = csv::Reader::from_reader(text.as_slice());
        let header = reader.headers().map_err(|error| damaged(error.to_string()))?;
        if !text.is_empty() && header.iter().ne(columns.iter().map(String::as_str)) {
            return Err(damaged(format!("its columns are not {}", columns.join(","))));
        }
        reader.records().map(|row| row.map_err(|error| damaged(error.to_string()))).collect()
    }

    /// Appends a row with one field a column.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, fields: &[String]) -> Result<(), RecordError> {
        self.append_all(std::slice::from_ref(&fields))
    }

    /// Appends several rows at once.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append_all<R: AsRef<[String]>>(&mut self, rows: &[R]) -> Result<(), RecordError> {
        let mut text = csv::Writer::from_writer(Vec::new());
        for row in rows {
            debug_assert_eq!(row.as_ref().len(), self.columns.len(), "{}", self.path.display());
            text.write_record(row.as_ref()).expect("writing to memory does not fail");
        }
        let bytes = text.into_inner().expect("writing to memory does not fail");
        // One write for whole rows: what a crash leaves is at most one cut row at the end.
        self.file
            .write_all(&bytes)
            .map_err(|source| RecordError::Write { path: self.path.clone(), source })
    }

    /// Opens a table for appending while another process has it open: nothing is rewritten.
    ///
    /// # Errors
    /// When the file is missing, or has other columns.
    pub fn join(path: &Path, columns: Vec<String>) -> Result<Self, RecordError> {
        Self::read(path, &columns)?;
        let failed = |source| RecordError::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), columns, file })
    }

    /// Sorts the rows by their first column, a number, keeping the order among equals; of rows that
    /// agree in the columns `key`, the last is kept, in the place of the first.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn sort_unique(self, key: &[&str]) -> Result<(), RecordError> {
        let key: Vec<usize> = (0..self.columns.len())
            .filter(|&column| key.contains(&self.columns[column].as_str()))
            .collect();
        let mut places = HashMap::new();
        let mut rows: Vec<StringRecord> = Vec::new();
        for row in Self::read(&self.path, &self.columns)? {
            let name: Vec<String> =
                key.iter().map(|&column| row.get(column).unwrap_or("").to_owned()).collect();
            match places.entry(name) {
                Entry::Occupied(place) => rows[*place.get()] = row,
                Entry::Vacant(place) => {
                    place.insert(rows.len());
                    rows.push(row);
                }
            }
        }
        rows.sort_by_key(|row| row.get(0).and_then(|field| field.parse::<u64>().ok()));
        Self::write(&self.path, self.columns, &rows).map(drop)
    }

    fn write(
        path: &Path,
        columns: Vec<String>,
        rows: &[StringRecord],
    ) -> Result<Self, RecordError> {
        let mut text = csv::Writer::from_writer(Vec::new());
        text.write_record(&columns).expect("writing to memory does not fail");
        for row in rows {
            text.write_record(row).expect("writing to memory does not fail");
        }
        let bytes = text.into_inner().expect("writing to memory does not fail");
        let failed = |source| RecordError::Write { path: path.to_owned(), source };
        replace_file(path, &bytes).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), columns, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<String> {
        ["trial", "name"].map(String::from).to_vec()
    }

    fn row(trial: u32, name: &str) -> Vec<String> {
        vec![trial.to_string(), name.to_owned()]
    }

    #[test]
    fn a_cut_row_is_dropped_and_the_rest_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let mut table = Table::create(&path, columns()).unwrap();
        table.append(&row(2, "a, \"quoted\"")).unwrap();
        table.append(&row(1, "b")).unwrap();
        let whole = fs::read(&path).unwrap();
        // Whatever byte the crash cut at, the complete rows before it survive.
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let complete = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let rows = Table::read(&path, &columns()).unwrap();
            assert_eq!(rows.len(), complete.saturating_sub(1), "cut at {cut}");
        }
        fs::write(&path, &whole[..whole.len() - 2]).unwrap();
        let mut table = Table::reopen(&path, columns(), |_| true).unwrap();
        table.append(&row(1, "c")).unwrap();
        table.append(&row(1, "c")).unwrap();
        table.append(&row(1, "b")).unwrap();
        table.sort_unique(&["trial", "name"]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "trial,name\n1,c\n1,b\n2,\"a, \"\"quoted\"\"\"\n");
    }

    #[test]
    fn other_columns_are_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        fs::write(&path, "x,y\n1,2\n").unwrap();
        let error = Table::reopen(&path, columns(), |_| true).unwrap_err().to_string();
        assert!(error.contains("t.csv") && error.contains("trial,name"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "x,y\n1,2\n");
    }
}
