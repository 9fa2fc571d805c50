//! One self-contained HTML page of one or several runs: the summary first, figures with captions and the
//! command that made them, tables that sort and filter, values on hover, links to the CSV files.
//!
//! The page needs no network and no server: styles, script, figures and tables are in it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};
use serde_json::{Value, json};

use super::{ReportError, Table};
use crate::figure::{Drawn, Theme};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Tables that hold a row a trial, or what comes nearest to it: the first that is there is shown open,
/// and explored.
const MAIN: [&str; 6] =
    ["trials.csv", "observations.csv", "arms.csv", "replays.csv", "importance.csv", "indices.csv"];
/// Rows of other tables that the page holds; the rest is in the CSV file.
const ROWS: usize = 1_000;
/// Rows of the main table that the page holds.
const MAIN_ROWS: usize = 20_000;
/// Tables of so many rows are no reading: only their link is there.
const TOO_MANY: usize = 20_000;

/// What the page shows of one run.
#[derive(Clone, Debug)]
pub struct Section {
    title: String,
    /// `summary.md` as HTML, without its figures; a sentence where there is none.
    summary: String,
    command: String,
    figures: Vec<(String, String, String)>,
    tables: Vec<Shown>,
    /// Name of the run in links and anchors.
    name: String,
    /// From the page to the run's folder.
    link: String,
    /// The folder as the user named it.
    folder: String,
    /// What a reader has to know of the files.
    notes: Vec<String>,
}

/// A table on the page.
#[derive(Clone, Debug)]
struct Shown {
    file: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Rows of the file.
    all: usize,
    is_main: bool,
    /// Cells that are no numbers, in words.
    fault: Option<String>,
}

impl Section {
    /// What the run is about: the heading of its summary, or its name.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What a reader has to know of the files: what is missing, and cells that are no numbers.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Reads what a page shows of the run in `folder`: `drawn` are its figures, among them SVG files;
/// `link` leads from the page to the folder.
///
/// # Errors
/// When a figure or a table cannot be read.
pub fn section(folder: &Path, drawn: &[Drawn], link: &str) -> Result<Section, ReportError> {
    let manifest = fs::read_to_string(folder.join("manifest.json")).ok();
    let manifest: Option<Value> = manifest.and_then(|text| serde_json::from_str(&text).ok());
    let text = |key: &str| {
        let value = manifest.as_ref().and_then(|manifest| manifest[key].as_str());
        value.unwrap_or_default().to_owned()
    };
    let name = folder.file_name().map_or("run".into(), |name| name.to_string_lossy().into_owned());
    let (title, summary) = match fs::read_to_string(folder.join("summary.md")) {
        Ok(summary) => from_markdown(&summary),
        Err(_) => (None, "<p>This run has no summary.md.</p>".to_owned()),
    };
    let experiment = text("experiment");
    let fallback =
        if experiment.is_empty() { name.clone() } else { format!("{experiment}: {name}") };
    let mut figures = Vec::new();
    for figure in drawn {
        let is_svg = |path: &&std::path::PathBuf| path.extension().is_some_and(|e| e == "svg");
        if let Some(path) = figure.files.iter().find(is_svg) {
            let svg = super::read(path)?;
            figures.push((figure.name.to_owned(), svg, figure.caption.clone()));
        }
    }
    let tables = tables(folder)?;
    let mut notes = Vec::new();
    if manifest.is_none() {
        notes.push(
            "there is no manifest.json: figures cannot say what was run, on what data, on which device"
                .to_owned(),
        );
    }
    notes.extend(tables.iter().filter_map(|table| table.fault.clone()));
    Ok(Section {
        title: title.unwrap_or(fallback),
        notes,
        summary,
        command: text("command"),
        figures,
        tables,
        name,
        link: link.to_owned(),
        folder: folder.display().to_string(),
    })
}

/// The CSV files of a folder, the main one first.
fn tables(folder: &Path) -> Result<Vec<Shown>, ReportError> {
    let paths = super::csv_files(folder)?;
    let names = paths.iter().filter_map(|path| path.file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let main = MAIN.iter().find(|main| names.iter().any(|name| name == *main));
    names.sort_by_key(|name| Some(&name.as_str()) != main);
    let mut shown = Vec::new();
    for file in names {
        let Table { columns, mut rows, .. } = Table::read(&folder.join(&file))?;
        let is_main = Some(&file.as_str()) == main;
        let all = rows.len();
        let fault = not_finite(&file, &columns, &rows);
        let most = match (is_main, all > TOO_MANY) {
            (true, _) => MAIN_ROWS,
            (false, true) => 0,
            (false, false) => ROWS,
        };
        rows.truncate(most);
        shown.push(Shown { file, columns, rows, all, is_main, fault });
    }
    Ok(shown)
}

/// Says how many cells of a table are NaN or infinite, and where the first stands: nothing is drawn of them.
fn not_finite(file: &str, columns: &[String], rows: &[Vec<String>]) -> Option<String> {
    let is_bad = |cell: &String| cell.parse::<f64>().is_ok_and(|number| !number.is_finite());
    let mut bad = rows.iter().enumerate().flat_map(|(row, cells)| {
        let places = cells.iter().enumerate().filter(|(_, cell)| is_bad(cell));
        places.map(move |(place, _)| (row, place))
    });
    let (row, place) = bad.next()?;
    let count = 1 + bad.count();
    let (line, column, cell) = (row + 2, &columns[place], &rows[row][place]);
    Some(format!(
        "{file}: {count} cells are no numbers (the first is `{cell}` in line {line}, column {column}); figures leave them out"
    ))
}

/// The first heading of a Markdown text, and the rest as HTML without its pictures.
fn from_markdown(text: &str) -> (Option<String>, String) {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES);
    let (mut title, mut events) = (None::<String>, Vec::new());
    let (mut in_title, mut in_image) = (false, false);
    for event in parser {
        match event {
            Event::Start(Tag::Heading { level: pulldown_cmark::HeadingLevel::H1, .. })
                if title.is_none() =>
            {
                (in_title, title) = (true, Some(String::new()));
            }
            Event::End(TagEnd::Heading(pulldown_cmark::HeadingLevel::H1)) if in_title => {
                in_title = false;
            }
            Event::Text(part) | Event::Code(part) if in_title => {
                title.get_or_insert_default().push_str(&part);
            }
            Event::Start(Tag::Image { .. }) => in_image = true,
            Event::End(TagEnd::Image) => in_image = false,
            _ if in_image || in_title => {}
            // A page is no place for what a table's author put between angle brackets.
            Event::Html(part) | Event::InlineHtml(part) => events.push(Event::Text(part)),
            event => events.push(event),
        }
    }
    let mut page = String::new();
    html::push_html(&mut page, events.into_iter());
    // Tables may be wider than a phone.
    let page = page
        .replace("<p></p>\n", "")
        .replace("<table>", "<div class=\"wide\"><table>")
        .replace("</table>", "</table></div>");
    (title.filter(|title| !title.is_empty()), page)
}

/// The page of these sections, called `title`, in the colours of its figures: the light theme follows the reader's
/// browser.
pub fn page(title: &str, sections: &[Section], theme: Theme) -> String {
    let scheme = match theme {
        Theme::Light => "",
        Theme::Dark => " data-theme=\"dark\"",
        Theme::Print => " data-theme=\"light\"",
    };
    let mut body = String::new();
    let _ = write!(body, "<header><h1>{}</h1>", escape(title));
    if sections.len() > 1 {
        body += "<nav>";
        for section in sections {
            let _ = write!(
                body,
                "<a href=\"#{}\">{}</a> ",
                anchor(&section.name),
                escape(&section.title)
            );
        }
        body += "</nav>";
    }
    body += "</header>\n<main>\n";
    let mut data = Vec::new();
    for section in sections {
        run(&mut body, section, sections.len() > 1, &mut data);
    }
    body += "</main>\n";
    // No text of a table may end the script.
    let data = json!(data).to_string().replace("</", "<\\/");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"{scheme}>\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<link rel=\"icon\" \
         href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}<script \
         type=\"application/json\" id=\"tables\">{data}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(title)
    )
}

fn run(body: &mut String, section: &Section, has_heading: bool, data: &mut Vec<Value>) {
    let _ = writeln!(body, "<section class=\"run\" id=\"{}\">", anchor(&section.name));
    if has_heading {
        let _ = writeln!(body, "<h2>{}</h2>", escape(&section.title));
    }
    for note in &section.notes {
        let _ = writeln!(body, "<p class=\"note\">Note: {}.</p>", escape(note));
    }
    contents(body, section);
    // What came out, the figures, then the summary's details.
    let cut = section.summary.find("<h2>").unwrap_or(section.summary.len());
    let (head, details) = section.summary.split_at(cut);
    let _ = writeln!(body, "<div class=\"summary\">{head}</div>");
    // The summary may have said it.
    if !section.command.is_empty() && !section.summary.contains(&escape(&section.command)) {
        let command = escape(&section.command);
        let _ = writeln!(body, "<p class=\"command\">Made by <code>{command}</code></p>");
    }
    if section.figures.is_empty() {
        *body += "<p>The tables hold no data for a figure.</p>\n";
    }
    let redraw = format!("report {}", section.folder);
    for (name, svg, caption) in &section.figures {
        // The drawing names itself; two of one name on a page would not.
        let svg = svg
            .replace("<svg ", &format!("<svg class=\"figure\" aria-label=\"{}\" ", escape(name)));
        let _ = writeln!(
            body,
            "<figure id=\"{}-{name}\"><div class=\"wide\">{svg}</div><figcaption><span class=\"caption\">{}</span> <span>Redraw: \
             <code>{}</code>.</span></figcaption></figure>",
            anchor(&section.name),
            escape(caption),
            escape(&redraw),
        );
    }
    if !details.is_empty() {
        let _ = writeln!(body, "<div class=\"summary\">{details}</div>");
    }
    for table in &section.tables {
        let number = data.len();
        let href = escape(&format!("{}/{}", section.link, table.file));
        let open = if table.is_main { " open" } else { "" };
        let cut = match table.rows.len() < table.all {
            true => format!("; the page holds the first {}", table.rows.len()),
            false => String::new(),
        };
        let _ = write!(
            body,
            "<details{open} id=\"{2}-{3}\"><summary>{0}: {1} rows{cut}</summary><p><a href=\"{href}\">{0}</a></p>",
            escape(&table.file),
            table.all,
            anchor(&section.name),
            anchor(&table.file),
        );
        let explored = if table.is_main && !table.rows.is_empty() { " data-explore" } else { "" };
        let _ = writeln!(
            body,
            "<div class=\"table\" data-table=\"{number}\"{explored}></div></details>"
        );
        data.push(json!({
            "file": table.file,
            "columns": table.columns,
            "rows": table.rows,
        }));
    }
    *body += "</section>\n";
}

/// Links to the figures and tables of a section.
fn contents(body: &mut String, section: &Section) {
    let run = anchor(&section.name);
    let link = |name: &str, shown: &str| format!("<a href=\"#{run}-{name}\">{}</a>", escape(shown));
    let figures = section.figures.iter().map(|(name, ..)| link(name, &name.replace('_', " ")));
    let tables = section.tables.iter().map(|table| link(&anchor(&table.file), &table.file));
    for (what, links) in [("Figures", figures.collect::<Vec<_>>()), ("Tables", tables.collect())] {
        if !links.is_empty() {
            let _ = writeln!(body, "<nav class=\"contents\">{what}: {}</nav>", links.join(" "));
        }
    }
}

fn anchor(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(summary: &str, tables: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("is written");
        };
        write("summary.md", summary);
        tables.iter().for_each(|(name, text)| write(name, text));
        folder
    }

    #[test]
    fn a_page_is_whole_and_nothing_in_a_table_breaks_it() {
        let summary = "# What *came* out\n\nBetter <script>alert(1)</script>.\n\n![x](figures/x.png)\n\n\
                       | a | b |\n|---|---|\n| 1 | 2 |\n";
        let evil = "trial,name\n0,\"</script><b>\"\n1,\"a\"\"b\"\n";
        let folder = folder(summary, &[("trials.csv", evil), ("curves.csv", "trial\n")]);
        let section = section(folder.path(), &[], "here").expect("is read");
        assert_eq!(section.title, "What came out");
        let page = page("T & T", &[section], Theme::Dark);
        assert_eq!(page.matches("</script>").count(), 2, "{page}");
        assert!(page.contains("<title>T &amp; T</title>") && !page.contains("<script>alert"));
        assert!(page.contains("<div class=\"wide\"><table>") && !page.contains("figures/x.png"));
        assert!(page.contains("trials.csv: 2 rows") && page.contains("curves.csv: 0 rows"));
        assert!(page.contains("no data for a figure") && page.contains("no manifest.json"));
        assert!(page.contains("<html lang=\"en\" data-theme=\"dark\">"));
        assert!(page.contains(">curves.csv</a>"), "{page:.2000}");
        // Nothing is asked of a network.
        assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    }

    #[test]
    fn large_tables_are_cut_and_say_so() {
        let rows: String = (0..1_500).map(|row| format!("{row}\n")).collect();
        let tables = [("a.csv", format!("x\n{rows}")), ("trials.csv", format!("x\n{rows}"))];
        let tables: Vec<_> = tables.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let folder = folder("no heading", &tables);
        let section = section(folder.path(), &[], "x").expect("is read");
        let page = page("t", &[section.clone(), section], Theme::Light);
        assert!(page.contains("a.csv: 1500 rows; the page holds the first 1000"), "{page:.500}");
        assert!(page.contains("trials.csv: 1500 rows<"), "{page:.500}");
        assert!(page.contains("<nav>"));
    }
}
