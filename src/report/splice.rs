//! Sections of a README that come from tables: between markers, with the command beside them.
//!
//! ```text
//! <!-- report results/importance/mine/importance.csv method=fanova columns=parameter,importance rows=5 -->
//! (replaced)
//! <!-- /report -->
//! ```

use std::path::Path;

use super::{ReportError, Selection, Table};

const BEGIN: &str = "<!-- report ";
const END: &str = "<!-- /report -->";

/// What came of splicing.
#[derive(Clone, Debug, PartialEq)]
pub struct Spliced {
    /// The whole text, sections renewed.
    pub text: String,
    /// Lines of the markers whose section has changed.
    pub changed: Vec<usize>,
    /// How many sections there are.
    pub sections: usize,
}

/// Renews the sections of the file at `path`; tables are named from the folder `root` on.
///
/// # Errors
/// When a marker cannot be understood, or a table is missing or lacks a column.
pub fn splice(path: &Path, root: &Path) -> Result<Spliced, ReportError> {
    let text = super::read(path)?;
    let fault = |line: usize, fault: String| ReportError::Marker {
        path: path.to_owned(),
        line: line + 1,
        fault,
    };
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut changed, mut sections) = (Vec::new(), Vec::new(), 0);
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        out.push(line.to_owned());
        let marker = line.trim().strip_prefix(BEGIN);
        at += 1;
        let Some(marker) = marker else {
            if line.trim() == END {
                return Err(fault(at - 1, format!("there is no {BEGIN}… before this marker")));
            }
            continue;
        };
        let begin = at - 1;
        let Some(marker) = marker.strip_suffix("-->") else {
            return Err(fault(begin, "the marker has no --> at its end".into()));
        };
        let length = lines[at..].iter().position(|line| line.trim() == END);
        let Some(length) = length else {
            return Err(fault(begin, format!("there is no {END} after this marker")));
        };
        let section = section(marker, root).map_err(|text| fault(begin, text))?;
        if lines[at..at + length].join("\n") != section.trim_end() {
            changed.push(begin + 1);
        }
        out.extend(section.lines().map(str::to_owned));
        out.push(lines[at + length].to_owned());
        at += length + 1;
        sections += 1;
    }
    if sections == 0 {
        return Err(fault(
            0,
            format!("the file has no section: put {BEGIN}TABLE.csv --> and {END} into it"),
        ));
    }
    let mut text = out.join("\n");
    text.push('\n');
    Ok(Spliced { text, changed, sections })
}

/// The section that a marker asks for, or what is wrong with it.
fn section(marker: &str, root: &Path) -> Result<String, String> {
    let mut words = words(marker).into_iter();
    let usage = "write <!-- report FOLDER/TABLE.csv columns=A,B COLUMN=VALUE rows=N digits=N percent=A sort=A -->";
    let file = words.next().ok_or_else(|| format!("no table is named: {usage}"))?;
    let mut selection = Selection::default();
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            return Err(format!("{word:?} has no '=': {usage}"));
        };
        let list = || value.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
        let count = || {
            let number = value.parse::<usize>();
            number.map_err(|_| format!("{word:?}: {value:?} is no whole number"))
        };
        match key {
            "columns" => selection.columns = list(),
            "rows" => selection.rows = Some(count()?),
            "digits" => selection.digits = Some(count()?),
            "percent" => selection.percent = list(),
            "sort" => selection.sort = Some(value.trim().to_owned()),
            column => selection.filters.push((column.to_owned(), list())),
        }
    }
    let path = root.join(&file);
    let table = Table::read(&path).and_then(|table| table.select(&selection));
    let table = table.map_err(|error| error.to_string())?;
    if table.rows.is_empty() {
        return Err(format!("no row of {file} is selected"));
    }
    let manifest = path.parent().map(|folder| folder.join("manifest.json"));
    let manifest = manifest.and_then(|manifest| std::fs::read_to_string(manifest).ok());
    let manifest: Option<serde_json::Value> =
        manifest.and_then(|text| serde_json::from_str(&text).ok());
    let command = manifest.as_ref().and_then(|manifest| manifest["command"].as_str());
    let command = command.map_or(String::new(), |command| format!("\n`{command}`\n"));
    Ok(format!("\n{}{command}", table.markdown()))
}

/// Words of a marker; what stands between double quotes is one.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            c if c.is_whitespace() && !is_quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(readme: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("is written");
        };
        write("README.md", readme);
        write("t.csv", "arm,kind,value,low,high\na,x,0.5,0.41,0.61\nb,y,0.25,0.2,0.3\n");
        write("manifest.json", r#"{"command": "tune --trials 3"}"#);
        folder
    }

    fn spliced(readme: &str) -> Result<Spliced, ReportError> {
        let folder = folder(readme);
        splice(&folder.path().join("README.md"), folder.path())
    }

    #[test]
    fn sections_are_renewed_and_stay_as_they_are() {
        let readme = "# A\n<!-- report t.csv \"columns=arm as the arm,value\" kind=x,z rows=4 -->\nold\n\
                      <!-- /report -->\nend\n";
        let first = spliced(readme).expect("is understood");
        assert_eq!((first.changed.as_slice(), first.sections), ([2].as_slice(), 1));
        let section =
            "\n| the arm | value |\n|---|---|\n| a | 0.50 [0.41, 0.61] |\n\n`tune --trials 3`\n";
        assert!(first.text.contains(section), "{}", first.text);
        assert!(first.text.starts_with("# A\n") && first.text.ends_with("<!-- /report -->\nend\n"));
        let again = spliced(&first.text).expect("is understood");
        assert_eq!((again.text, again.changed), (first.text, Vec::new()));
    }

    #[test]
    fn faults_name_file_and_line() {
        for (readme, words) in [
            ("\n<!-- report t.csv -->\n", "line 2: there is no <!-- /report -->"),
            ("<!-- report t.csv rows=many -->\n<!-- /report -->\n", "\"many\" is no whole number"),
            ("<!-- report t.csv what -->\n<!-- /report -->\n", "\"what\" has no '='"),
            ("<!-- report t.csv nobody=1 -->\n<!-- /report -->\n", "no column `nobody`"),
            ("<!-- report u.csv -->\n<!-- /report -->\n", "u.csv"),
            ("<!-- report t.csv\n", "no --> at its end"),
            ("a\n<!-- report t.csv kind=z -->\n<!-- /report -->\n", "line 2: no row of t.csv"),
            ("a\n<!-- /report -->\n", "line 2: there is no <!-- report"),
            ("a\n", "the file has no section"),
        ] {
            let error = spliced(readme).expect_err("is refused").to_string();
            assert!(error.contains(words), "{readme}: {error}");
        }
    }
}
