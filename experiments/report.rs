//! Reports of runs, from their tables alone: figures again, one page, tables for papers, and the sections of
//! a README that come from tables.
//!
//! 1. Figures are drawn from the tables of each folder, in the formats, size and colours asked for.
//! 2. `report.html` shows summaries, figures and tables of all folders. It is one file without any request.
//! 3. Every table of at most 60 rows is written as Markdown and as LaTeX.
//! 4. With `--readme`, sections between markers are renewed; with `--check`, a difference is an error and
//!    nothing is written.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use strata::cli;
use strata::figure::{self, Drawn, Format, Style, Theme};
use strata::record::replace_file;
use strata::report::{Section, Selection, Table, csv_files, page, section, splice, tensorboard};

/// Tables of so many rows are for reading.
const READABLE: usize = 60;
/// And of so many columns.
const COLUMNS: usize = 14;

/// Draws the figures of runs again, and writes a self-contained page, tables for papers, or the sections of a
/// README, from tables alone.
///
/// Example: report results/layer_lr/standard-cifar10 --out results/report
#[derive(Debug, Parser)]
#[command(name = "report", version)]
struct Flags {
    /// Folders of runs, each with its tables. Example: report results/tune
    #[arg(value_name = "FOLDER", required_unless_present = "readme")]
    folders: Vec<PathBuf>,
    /// Where page, figures and tables go [default: the run's own folder, or results/report for several].
    /// Example: --out results/report
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Formats of figures. Example: --format svg
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Format::Svg, Format::Png])]
    format: Vec<Format>,
    /// Width of figures in pixels [default: 820], text and all; PNG files have twice as many. Example: --width 1200
    #[arg(long, value_name = "PIXELS", value_parser = width, conflicts_with = "font_size")]
    width: Option<f64>,
    /// Size of tick labels in pixels [default: 11.5]; figures grow as a whole. Example: --font-size 16
    #[arg(long, value_name = "PIXELS", value_parser = font_size)]
    font_size: Option<f64>,
    /// Colours: on white, on near black, or in greys. Example: --theme dark
    #[arg(long, value_enum, default_value_t)]
    theme: Theme,
    /// Title of the page [default: that of the run]. Example: --title "Layer rates"
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Also write an event file for each trial, with its curves, layers and hyperparameters, to DIR/tensorboard.
    /// Example: --tensorboard
    #[arg(long, conflicts_with_all = ["figures_only", "check"])]
    tensorboard: bool,
    /// Draw figures again and write nothing else. Example: --figures-only
    #[arg(long)]
    figures_only: bool,
    /// Renew the sections of these files between `<!-- report … -->` and `<!-- /report -->`; tables are named from
    /// the working directory on. Example: --readme README.md,docs/layer_rates.md
    #[arg(long, value_name = "FILE,…", value_delimiter = ',')]
    readme: Vec<PathBuf>,
    /// Write nothing: fail if figures or sections differ from what the tables give. Example: --readme README.md
    /// --check
    #[arg(long, conflicts_with = "out")]
    check: bool,
}

/// Parses a width that a figure can have.
fn width(text: &str) -> Result<f64, String> {
    size(text, 200.0, 8_000.0)
}

/// Parses a size that its text can have.
fn font_size(text: &str) -> Result<f64, String> {
    size(text, 3.0, 110.0)
}

fn size(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(size) if (least..=most).contains(&size) => Ok(size),
        _ => Err(format!("must be a number of pixels from {least} to {most}")),
    }
}

impl Flags {
    fn style(&self) -> Style {
        let zoom = match (self.width, self.font_size) {
            (Some(width), _) => Style::zoom_to_width(width),
            (None, Some(size)) => Style::zoom_to_font(size),
            (None, None) => 1.0,
        };
        Style { formats: self.format.clone(), zoom, theme: self.theme }
    }
}

fn main() -> ExitCode {
    cli::run(|| {
        let flags = Flags::parse();
        for folder in &flags.folders {
            let fault = if folder.exists() { "this is a file" } else { "there is no such folder" };
            anyhow::ensure!(
                folder.is_dir(),
                "{}: {fault}; name the output folder of an experiment",
                folder.display()
            );
        }
        if flags.check {
            return check(&flags);
        }
        // All of them, before one is written.
        let spliced: Result<Vec<_>, _> =
            flags.readme.iter().map(|readme| splice(readme, Path::new("."))).collect();
        for (readme, spliced) in flags.readme.iter().zip(spliced?) {
            replace_file(readme, spliced.text.as_bytes())
                .with_context(|| format!("writing {}", readme.display()))?;
            cli::say(format_args!(
                "{}: {} of {} sections renewed",
                readme.display(),
                spliced.changed.len(),
                spliced.sections
            ));
        }
        if flags.folders.is_empty() { Ok(()) } else { report(&flags) }
    })
}

/// Where things go, and the way from there to a run's folder.
fn target(flags: &Flags, folder: &Path) -> (PathBuf, PathBuf) {
    let out = match (&flags.out, flags.folders.as_slice()) {
        (Some(out), _) => out.clone(),
        (None, [only]) => only.clone(),
        (None, _) => PathBuf::from("results/report"),
    };
    let own = out == folder;
    let inside = match (own, flags.folders.len()) {
        (true, _) | (false, 1) => out.clone(),
        (false, _) => out.join(name(folder)),
    };
    (out, inside)
}

fn name(folder: &Path) -> String {
    let parts = folder.components().filter_map(|part| match part {
        std::path::Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("-")
}

/// From the page's folder to a run's, as a link; the folder as it was named where there is no way.
fn link(from: &Path, to: &Path) -> String {
    let (Ok(from), Ok(to)) = (from.canonicalize(), to.canonicalize()) else {
        return to.display().to_string();
    };
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared).map(|c| c.as_os_str().to_string_lossy().into_owned());
    let steps: Vec<_> = up.chain(down).collect();
    if steps.is_empty() { ".".to_owned() } else { steps.join("/") }
}

/// Figures, tables and the page of the folders.
fn report(flags: &Flags) -> anyhow::Result<()> {
    let style = flags.style();
    let (mut sections, mut figures, mut tables, mut events) = (Vec::<Section>::new(), 0, 0, 0);
    let (out, _) = target(flags, &flags.folders[0]);
    std::fs::create_dir_all(&out)
        .with_context(|| format!("--out {}: this cannot be a folder", out.display()))?;
    for folder in &flags.folders {
        let (_, inside) = target(flags, folder);
        let drawn = figure::draw(folder, &inside.join("figures"), &style)?;
        figures += drawn.len();
        if flags.figures_only {
            continue;
        }
        tables += write_tables(folder, &inside.join("tables"))?;
        if flags.tensorboard {
            events += tensorboard(folder, &inside.join("tensorboard"))?;
        }
        // The page wants drawings in its own colours, whatever the files are.
        let scratch = inside.join(".page");
        let page_style = Style { formats: vec![Format::Svg], ..style.clone() };
        let for_page: Vec<Drawn> = match style.formats.contains(&Format::Svg) {
            true => drawn,
            false => figure::draw(folder, &scratch, &page_style)?,
        };
        let section = section(folder, &for_page, &link(&out, folder))?;
        for note in section.notes() {
            eprintln!("note: {}: {note}", folder.display());
        }
        sections.push(section);
        let _ = std::fs::remove_dir_all(&scratch);
    }
    let mut said = format!("{figures} figures");
    if !flags.figures_only {
        let title = match (&flags.title, sections.as_slice()) {
            (Some(title), _) => title.clone(),
            (None, [only]) => only.title().to_owned(),
            (None, _) => format!("{} runs", sections.len()),
        };
        let file = out.join("report.html");
        replace_file(&file, page(&title, &sections, flags.theme).as_bytes())
            .with_context(|| format!("writing {}", file.display()))?;
        said += &format!(", {tables} tables as Markdown and LaTeX, and {}", file.display());
    }
    cli::say(format_args!("{said}"));
    if flags.tensorboard {
        let (_, inside) = target(flags, &flags.folders[0]);
        let logs = if flags.folders.len() == 1 { inside.join("tensorboard") } else { out };
        cli::say(format_args!("{events} event files: tensorboard --logdir {}", logs.display()));
    }
    Ok(())
}

/// The tables of a folder that are for reading, as Markdown and as LaTeX; gives their number.
fn write_tables(folder: &Path, target: &Path) -> anyhow::Result<usize> {
    let mut written = 0;
    for path in csv_files(folder)? {
        let table = Table::read(&path)?;
        if table.rows.is_empty() || table.rows.len() > READABLE || table.columns.len() > COLUMNS {
            continue;
        }
        let table = table.select(&Selection::default())?;
        std::fs::create_dir_all(target).with_context(|| format!("making {}", target.display()))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (ending, text) in [("md", table.markdown()), ("tex", table.latex())] {
            let file = target.join(format!("{stem}.{ending}"));
            replace_file(&file, text.as_bytes())
                .with_context(|| format!("writing {}", file.display()))?;
        }
        written += 1;
    }
    Ok(written)
}

/// Compares what is there with what the tables give.
fn check(flags: &Flags) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for readme in &flags.readme {
        let spliced = splice(readme, Path::new("."))?;
        let name = readme.display();
        wrong.extend(
            spliced.changed.iter().map(|line| {
                format!("{name}, line {line}: the section is not what its table gives")
            }),
        );
        cli::say(format_args!("{name}: {} sections", spliced.sections));
    }
    let style = flags.style();
    for folder in &flags.folders {
        let scratch = std::env::temp_dir().join(format!("strata-report-{}", std::process::id()));
        let drawn = figure::draw(folder, &scratch, &style);
        let differing = drawn.map(|drawn| differing(folder, &drawn));
        let _ = std::fs::remove_dir_all(&scratch);
        let (figures, differing) = differing?;
        wrong.extend(differing);
        cli::say(format_args!("{}: {figures} figures", folder.display()));
    }
    anyhow::ensure!(
        wrong.is_empty(),
        "{}\nrun the same command without --check to renew them",
        wrong.join("\n")
    );
    Ok(())
}

/// How many figures there are, and which files of the run differ from those drawn.
fn differing(folder: &Path, drawn: &[Drawn]) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    for path in drawn.iter().flat_map(|figure| &figure.files) {
        let name = path.file_name().unwrap_or_default();
        let own = folder.join("figures").join(name);
        let (fresh, known) = (std::fs::read(path).ok(), std::fs::read(&own).ok());
        if known.is_none() {
            wrong.push(format!("{}: there is no such figure yet", own.display()));
        } else if fresh != known {
            wrong.push(format!("{}: not what the tables give", own.display()));
        }
    }
    (drawn.len(), wrong)
}
