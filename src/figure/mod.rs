//! Figures of a run, drawn from its tables alone.
//!
//! [`draw_all`] reads the tables in a folder and writes `figures/NAME.svg` and
//! `figures/NAME.png` for each figure that they hold data for. Nothing here runs or measures
//! anything: a figure can be drawn again in a second, and the same tables give the same bytes.
//!
//! A new figure is one file with a type that implements [`Figure`], and one line in `FIGURES`,
//! which says for which kind of run it is drawn.
//! A figure only says what to show ([`Sheet`]: panels, marks, legend, caption); placing it on a
//! page (`layout`, `panel`) and painting it as SVG and PNG (`paint`) is common to all.

mod ablation;
mod agreement;
mod arm_ranks;
mod axis;
mod best_so_far;
mod difference;
mod edf;
mod effects;
mod error;
mod fates;
mod finder;
#[cfg(test)]
mod fixture;
mod forest;
mod headroom;
mod history;
mod hyperparameter;
mod importance;
mod importance_series;
mod indices;
mod interactions;
mod layer_rates;
mod layer_series;
mod layout;
mod learning_curves;
mod live_accuracy;
mod manifest;
mod morris;
mod multiples;
mod order_differences;
#[cfg(test)]
mod order_fixture;
mod orders;
mod paint;
mod panel;
mod parallel_coordinates;
mod rank_probability;
#[cfg(test)]
mod ranking_fixture;
mod rankings;
mod rate_accuracy;
mod rate_map;
mod ratios;
mod regret;
mod regret_heat;
mod relative_update;
mod responses;
mod rotation;
mod rows;
mod rungs;
mod scatter;
mod screening;
mod screening_value;
#[cfg(test)]
mod search_fixture;
mod searches;
mod shape;
mod sheet;
mod slice;
mod study;
mod style;
mod summary;
mod surrogate_fit;
mod tables;
mod theme;
mod tornado;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};

pub use axis::estimate_in_words;
pub use error::FigureError;
pub use manifest::{Manifest, Metric, Parameter, SearchSettings};
pub use orders::{ComparedArm, LiveTest, OrderComparison, Orders, Regret};
pub use rankings::{Estimate, PathStep, RankChance, Rankings, Response};
pub use screening::{MapPoint, Probe, RangePoint, Screening, Suggestion};
pub use sheet::Sheet;
pub use style::{Format, Style, Theme};
pub use tables::{CurvePoint, Decision, LayerPoint, Run, Split, Status, Trial};
pub use verdict::{Comparison, Verdict};

/// One kind of figure.
pub trait Figure: Sync {
    /// Name of its files.
    fn name(&self) -> &'static str;

    /// What to show of `run`, or none where its tables hold no data for this figure.
    ///
    /// # Errors
    /// When the tables contradict each other in a way that no drawing can show.
    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError>;
}

/// The kind of run that a figure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Arms with final models: `layer_lr`, `train`.
    Arms,
    /// One search: `tune`.
    Search,
    /// A sweep by design: `sensitivity`.
    Sweep,
    /// What recorded trials say: `importance`.
    Recorded,
    /// Search orders: `search_priority`.
    Orders,
}

impl Kind {
    /// The kind of `run`: the experiment that wrote its tables decides.
    fn of(run: &Run) -> Self {
        match run.manifest.experiment.as_str() {
            "tune" => Self::Search,
            "sensitivity" => Self::Sweep,
            "importance" => Self::Recorded,
            // The trials that it records are a study.
            "search_priority" if !run.orders.are_there => Self::Search,
            "search_priority" => Self::Orders,
            _ => Self::Arms,
        }
    }
}

/// Every figure with the kind of run that it is drawn for, in the order of a report.
const FIGURES: &[(Kind, &dyn Figure)] = &[
    (Kind::Arms, &learning_curves::LearningCurves),
    (Kind::Arms, &layer_rates::LayerRates),
    (Kind::Arms, &rate_accuracy::RateAccuracy),
    (Kind::Arms, &relative_update::RelativeUpdate),
    (Kind::Arms, &rotation::Rotation),
    (Kind::Arms, &difference::Difference),
    (Kind::Arms, &forest::Forest),
    (Kind::Arms, &best_so_far::BestSoFar),
    (Kind::Arms, &ratios::Ratios),
    (Kind::Arms, &headroom::Headroom),
    (Kind::Arms, &rate_map::RateMap),
    (Kind::Arms, &finder::Finder),
    (Kind::Search, &history::History),
    (Kind::Search, &slice::Slice),
    (Kind::Search, &parallel_coordinates::ParallelCoordinates),
    (Kind::Search, &rungs::Rungs),
    (Kind::Search, &fates::Fates),
    (Kind::Search, &edf::Edf),
    (Kind::Sweep, &indices::Indices),
    (Kind::Sweep, &morris::Morris),
    (Kind::Sweep, &interactions::Interactions),
    (Kind::Sweep, &tornado::Tornado),
    (Kind::Sweep, &responses::Sweep),
    (Kind::Sweep, &importance_series::ByRuns),
    (Kind::Sweep, &rate_map::RateMap),
    (Kind::Recorded, &importance::Importance),
    (Kind::Recorded, &rank_probability::RankProbability),
    (Kind::Recorded, &responses::Marginals),
    (Kind::Recorded, &interactions::Interactions),
    (Kind::Recorded, &importance_series::ByTrials),
    (Kind::Recorded, &importance_series::ByEpoch),
    (Kind::Recorded, &importance::Stability),
    (Kind::Recorded, &ablation::Ablation),
    (Kind::Recorded, &agreement::Agreement),
    (Kind::Orders, &regret::Regret),
    (Kind::Orders, &order_differences::OrderDifferences),
    (Kind::Orders, &arm_ranks::ArmRanks),
    (Kind::Orders, &regret_heat::RegretHeat),
    (Kind::Orders, &screening_value::ScreeningValue),
    (Kind::Orders, &live_accuracy::LiveAccuracy),
    (Kind::Orders, &order_differences::LiveDifferences),
    (Kind::Orders, &surrogate_fit::SurrogateFit),
];

/// The figures for the kind of run that `run` is.
fn figures(run: &Run) -> impl Iterator<Item = &'static dyn Figure> {
    let wanted = Kind::of(run);
    FIGURES.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, figure)| *figure)
}

/// Draws every figure that the tables in `folder` hold data for, as SVG and PNG under
/// `folder/figures`, and returns the files written.
///
/// Files are replaced by rename: an interrupted call leaves each of them old or new, never torn.
///
/// # Errors
/// As [`draw`].
pub fn draw_all(folder: &Path) -> Result<Vec<PathBuf>, FigureError> {
    let drawn = draw(folder, &folder.join("figures"), &Style::default())?;
    Ok(drawn.into_iter().flat_map(|figure| figure.files).collect())
}

/// A figure that was drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Its name: that of its files.
    pub name: &'static str,
    /// What is seen, in one sentence.
    pub title: String,
    /// n, measure, interval, data set, net and device.
    pub caption: String,
    /// Its files, in the order of the formats.
    pub files: Vec<PathBuf>,
}

/// Draws every figure that the tables in `folder` hold data for into the folder `target`, in a style.
///
/// # Errors
/// When `trials.csv` is missing, a table cannot be understood (the message names file, line and
/// column), or a file cannot be written.
pub fn draw(folder: &Path, target: &Path, style: &Style) -> Result<Vec<Drawn>, FigureError> {
    theme::load_fonts()?;
    let run = Run::read(folder)?;
    let mut drawn = Vec::new();
    for figure in figures(&run) {
        if let Some(sheet) = figure.plan(&run)? {
            drawn.push(write(sheet, figure.name(), target, style)?);
        }
    }
    Ok(drawn)
}

/// Writes one figure in the formats of a style.
fn write(
    sheet: Sheet,
    name: &'static str,
    folder: &Path,
    style: &Style,
) -> Result<Drawn, FigureError> {
    let page = layout::layout(&sheet);
    let failed = |source| FigureError::Draw { figure: name, source };
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    let mut files = Vec::new();
    for format in &style.formats {
        files.push(match format {
            Format::Svg => replace(folder, &format!("{name}.svg"), |temporary| {
                let text =
                    paint::svg(&page, style, &sheet.title, &sheet.caption).map_err(failed)?;
                fs::write(temporary, text).map_err(io_error("write", temporary))
            })?,
            Format::Png => replace(folder, &format!("{name}.png"), |temporary| {
                paint::png(&page, style, temporary).map_err(failed)
            })?,
        });
    }
    Ok(Drawn { name, title: sheet.title, caption: sheet.caption, files })
}

/// Lets `write` fill a temporary file, then gives it its name; nothing is left of a failure.
fn replace(
    folder: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<(), FigureError>,
) -> Result<PathBuf, FigureError> {
    let path = folder.join(name);
    // The ending stays: the PNG encoder goes by it.
    let temporary = folder.join(format!(".{}-{name}", std::process::id()));
    let renamed = write(&temporary)
        .and_then(|()| fs::rename(&temporary, &path).map_err(io_error("rename", &path)));
    match renamed {
        Ok(()) => Ok(path),
        Err(error) => {
            // The first failure is the one to report.
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FigureError {
    let path = path.to_path_buf();
    move |source| FigureError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::fixture::{self, Fixture};
    use super::order_fixture::{self, OrderFixture};
    use super::ranking_fixture::{self, RankingFixture};
    use super::search_fixture::{self, SearchFixture};
    use super::shape::Shape;
    use super::*;

    /// Plain folders of each kind of run.
    fn plain() -> [(Kind, TempDir); 5] {
        [
            (Kind::Arms, fixture::everything().write()),
            (Kind::Search, SearchFixture::default().write()),
            (Kind::Sweep, RankingFixture::new("sensitivity").write()),
            (Kind::Recorded, RankingFixture::new("importance").write()),
            (Kind::Orders, OrderFixture::default().write()),
        ]
    }

    /// Folders of each kind that one would rather not have to draw.
    fn ugly() -> impl Iterator<Item = (String, TempDir)> {
        let arms = fixture::ugly().into_iter().map(|(case, f)| (case.to_owned(), f.write()));
        let searches = search_fixture::ugly().into_iter();
        let searches = searches.map(|(case, fixture)| (case.to_owned(), fixture.write()));
        let rankings = ranking_fixture::ugly().into_iter();
        let rankings = rankings.map(|(case, fixture)| (case, fixture.write()));
        let orders = order_fixture::ugly().into_iter().map(|(case, f)| (case, f.write()));
        arms.chain(searches).chain(rankings).chain(orders)
    }

    #[test]
    fn each_kind_of_run_has_its_own_figures() {
        for (kind, folder) in plain() {
            let names: Vec<String> = draw_all(folder.path())
                .unwrap()
                .iter()
                .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
            let of_kind = FIGURES.iter().filter(|(of, _)| *of == kind);
            let expected: Vec<&str> =
                of_kind.flat_map(|(_, figure)| [figure.name(), figure.name()]).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn drawing_twice_gives_the_same_bytes_and_leaves_nothing_else() {
        for (_, folder) in plain() {
            let first = draw_all(folder.path()).unwrap();
            let bytes = |paths: &[PathBuf]| -> Vec<Vec<u8>> {
                paths.iter().map(|path| fs::read(path).unwrap()).collect()
            };
            let before = bytes(&first);
            let second = draw_all(folder.path()).unwrap();
            assert_eq!(first, second);
            assert!(before == bytes(&second));
            let files = fs::read_dir(folder.path().join("figures")).unwrap().count();
            assert_eq!(files, first.len());
        }
    }

    #[test]
    fn files_are_a_described_svg_and_a_png_of_twice_its_size() {
        for (_, folder) in plain() {
            for pair in draw_all(folder.path()).unwrap().chunks(2) {
                let svg = fs::read_to_string(&pair[0]).unwrap();
                assert!(svg.starts_with("<svg width=\"820\" height=\""));
                assert!(svg.ends_with("</svg>\n"));
                let words = ["n = ", "CIFAR-10 subset", "net: tutorial", "device: cpu"];
                assert!(words.iter().all(|word| svg.contains(word)), "{svg:.600}");
                let png = fs::read(&pair[1]).unwrap();
                assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
                let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
                assert_eq!(side(16), 1640);
                assert!(svg.contains(&format!("height=\"{}\"", side(20) / 2)));
            }
        }
    }

    #[test]
    fn no_table_makes_text_overlap_or_leave_the_page() {
        theme::load_fonts().unwrap();
        for (case, folder) in ugly() {
            let run = Run::read(folder.path()).unwrap();
            for figure in figures(&run) {
                let Some(sheet) = figure.plan(&run).unwrap() else { continue };
                let page = layout::layout(&sheet);
                let inside = |x: f64, y: f64| {
                    (0.0..=page.width).contains(&x) && (0.0..=page.height).contains(&y)
                };
                let mut boxes: Vec<(String, (f64, f64, f64, f64))> = Vec::new();
                for shape in &page.shapes {
                    match shape {
                        Shape::Line { points, .. } | Shape::Fill { points, .. } => {
                            assert!(
                                points.iter().all(|p| inside(p.0, p.1)),
                                "{case}, {}",
                                figure.name()
                            );
                        }
                        Shape::Text(text) => {
                            let (left, top, right, bottom) = text.bounds();
                            let name = figure.name();
                            assert!(
                                inside(left, top) && inside(right, bottom),
                                "{case}, {name}: {text:?}"
                            );
                            boxes.push((text.text.clone(), (left, top, right, bottom)));
                        }
                    }
                }
                for (i, (first, a)) in boxes.iter().enumerate() {
                    for (second, b) in &boxes[i + 1..] {
                        let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
                        assert!(apart, "{case}, {}: `{first}` over `{second}`", figure.name());
                    }
                }
            }
        }
    }

    #[test]
    fn every_ugly_table_can_be_painted() {
        for (case, folder) in ugly() {
            for path in draw_all(folder.path()).unwrap_or_else(|error| panic!("{case}: {error}")) {
                let size = fs::metadata(&path).unwrap().len();
                let kind = Kind::of(&Run::read(folder.path()).unwrap());
                // A page with a dozen figures must load.
                let drawing = path.extension().is_some_and(|e| e == "svg");
                assert!(
                    kind == Kind::Arms || !drawing || size < 1_000_000,
                    "{case}: {path:?} {size}"
                );
            }
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_named() {
        let folder = Fixture::default().write();
        fs::write(folder.path().join("figures"), "in the way").unwrap();
        let message = draw_all(folder.path()).unwrap_err().to_string();
        assert!(message.contains("figures"), "{message}");
    }
}
