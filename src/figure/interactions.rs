//! What pairs of hyperparameters do only together.

use super::axis::{self, Axis};
use super::effects;
use super::rankings::{Estimate, distinct, sorted};
use super::sheet::{Panel, Rows, Sheet};
use super::tables::Run;
use super::theme;
use super::{Figure, FigureError};

/// Most hyperparameters on an axis.
const MOST: usize = 12;

/// A heat map: pairs off the diagonal, each alone on it.
pub(super) struct Interactions;

impl Figure for Interactions {
    fn name(&self) -> &'static str {
        "interactions"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let tables = &run.rankings;
        let second = || tables.indices.iter().filter(|e| e.index == "S2");
        let pairs = sorted(second().chain(&tables.interactions));
        let Some(first) = pairs.first() else { return Ok(None) };
        let alone: Vec<&Estimate> = match second().next() {
            Some(_) => tables.indices.iter().filter(|e| e.index == "S1").collect(),
            None => tables.importance.iter().filter(|e| e.method == first.method).collect(),
        };
        let mut names = distinct(sorted(alone.iter().copied()).iter().map(|e| &*e.parameter));
        let all = names.len();
        names.truncate(MOST);
        if names.len() < 2 {
            return Ok(None);
        }
        let value = |a: &str, b: &str| {
            let is = |e: &&&Estimate| {
                e.parameter.split_once(':').is_some_and(|p| p == (a, b) || p == (b, a))
            };
            match a == b {
                true => alone.iter().find(|e| e.parameter == a).and_then(|e| e.value),
                false => pairs.iter().find(is).and_then(|e| e.value),
            }
        };
        let greatest = names
            .iter()
            .flat_map(|a| names.iter().filter_map(|b| value(a, b)))
            .fold(1e-9, f64::max);
        let mut marks = Vec::new();
        let wide = names.len() <= 10;
        for (i, a) in names.iter().enumerate() {
            for (j, b) in names.iter().enumerate() {
                let Some(value) = value(a, b) else { continue };
                let text = axis::decimal(value, if wide { 3 } else { 2 });
                marks.extend(effects::cell(i as f64, j as f64, value / greatest, text));
            }
        }
        // Names stand beside the rows; below, their numbers would overlap.
        let numbered = (1..=names.len()).map(|number| number.to_string());
        let x = Axis::names("the same, by number", numbered);
        let label = |(i, name): (usize, &&str)| format!("{name}  {}", i + 1);
        let y = Axis::names("", names.iter().enumerate().map(label)).downwards();
        let height = names.len() as f64 * 30.0;
        let (title, subtitle) = (String::new(), String::new());
        let panels = vec![Panel { title, subtitle, x, y, marks, height, weight: 1.0 }];
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                format!(
                    "Method {}. Off the diagonal: share of the variance that two have only together; on it: \
                     that one has alone.",
                    first.method
                ),
                match all > names.len() {
                    true => format!("Shown are {} of {all} hyperparameters.", names.len()),
                    false => String::new(),
                },
            ],
        );
        let pair =
            theme::elide(&first.parameter.replacen(':', " and ", 1), 330.0, theme::TITLE, true);
        let title = format!("{pair}: {} only together", effects::in_words(first));
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows: Rows::Pairs, caption }))
    }
}
