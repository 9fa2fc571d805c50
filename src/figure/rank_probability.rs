//! How sure the ranking is: the probability of each rank of each hyperparameter.

use super::axis::{self, Axis};
use super::effects;
use super::rankings::distinct;
use super::sheet::{Panel, Rows, Sheet};
use super::tables::Run;
use super::theme;
use super::{Figure, FigureError};

/// Most hyperparameters, and ranks, shown.
const MOST: usize = 12;

/// A heat map a method: hyperparameters by ranks.
pub(super) struct RankProbability;

impl Figure for RankProbability {
    fn name(&self) -> &'static str {
        "rank_probability"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let ranks = &run.rankings.ranks;
        let methods = distinct(ranks.iter().map(|r| r.method.as_str()));
        let panels: Vec<Panel> = methods.iter().map(|method| panel(run, method)).collect();
        let Some(first) = methods.first() else { return Ok(None) };
        let best = ranks
            .iter()
            .filter(|r| r.method == *first && r.rank == 1)
            .max_by(|a, b| a.probability.unwrap_or(0.0).total_cmp(&b.probability.unwrap_or(0.0)));
        let Some(best) = best else { return Ok(None) };
        let title = format!(
            "{} is first with probability {} ({first})",
            theme::elide(&best.parameter, 220.0, theme::TITLE, true),
            axis::percent(best.probability.unwrap_or(0.0)),
        );
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                "Cells: in how many percent of the bootstrap resamples of the trials a hyperparameter has a \
                 rank; below 1 % left out. Hyperparameters in the order of all trials."
                    .to_owned(),
            ],
        );
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows: Rows::Pairs, caption }))
    }
}

fn panel(run: &Run, method: &str) -> Panel {
    let cells = || run.rankings.ranks.iter().filter(|r| r.method == method);
    let mut names = distinct(cells().map(|r| r.parameter.as_str()));
    names.truncate(MOST);
    let ranks = cells().map(|r| r.rank).max().unwrap_or(1).min(MOST as u64);
    let x = Axis::names("rank", (1..=ranks).map(|rank| rank.to_string()));
    let y = Axis::names("", names.iter().map(|name| (*name).to_owned())).downwards();
    let mut marks = Vec::new();
    for cell in cells().filter(|cell| cell.rank <= ranks && cell.rank > 0) {
        let Some(row) = names.iter().position(|name| *name == cell.parameter) else { continue };
        let Some(probability) = cell.probability.filter(|p| *p >= 0.01) else { continue };
        let text = axis::decimal(probability * 100.0, 0);
        marks.extend(effects::cell(cell.rank as f64 - 1.0, row as f64, probability, text));
    }
    Panel {
        title: method.to_owned(),
        subtitle: String::new(),
        x,
        y,
        marks,
        height: (names.len() as f64 * 21.0).max(42.0),
        weight: 1.0,
    }
}
