//! Importance by several methods, of hyperparameters and of what makes runs diverge.

use super::effects::{self, Layer, bars};
use super::multiples;
use super::rankings::{Estimate, distinct, sorted};
use super::sheet::{Panel, Rows, Sheet};
use super::tables::Run;
use super::theme;
use super::{Figure, FigureError};

/// Most hyperparameters shown.
const MOST: usize = 20;

/// A panel a method, hyperparameters in the order of the first.
pub(super) struct Importance;

/// The same for whether a run diverges.
pub(super) struct Stability;

impl Figure for Importance {
    fn name(&self) -> &'static str {
        "importance"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let measure = run.measure();
        Ok(sheet(run, &run.rankings.importance, |first| {
            format!(
                "Importance for {measure}: {} {}, the greatest",
                theme::elide(&first.parameter, 200.0, theme::TITLE, true),
                effects::in_words(first)
            )
        }))
    }
}

impl Figure for Stability {
    fn name(&self) -> &'static str {
        "stability"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        Ok(sheet(run, &run.rankings.stability, |first| {
            format!(
                "{} decides most whether a run diverges: {}",
                theme::elide(&first.parameter, 200.0, theme::TITLE, true),
                effects::in_words(first)
            )
        }))
    }
}

fn sheet(run: &Run, estimates: &[Estimate], title: impl Fn(&Estimate) -> String) -> Option<Sheet> {
    let methods = distinct(estimates.iter().map(|e| e.method.as_str()));
    let of = |method: &str| sorted(estimates.iter().filter(|e| e.method == method));
    let leading = of(methods.first()?);
    let first = leading.first()?;
    let names: Vec<&str> = leading.iter().map(|e| e.parameter.as_str()).collect();
    let all = names.len();
    let names = &names[..all.min(MOST)];
    let panels: Vec<Panel> = methods
        .iter()
        .enumerate()
        .map(|(i, method)| {
            let look = theme::arm(i);
            let (color, marker) = (look.color, look.marker);
            let layers = [Layer { estimates: of(method), color, marker }];
            bars(method, "importance", names, &layers, None)
        })
        .collect();
    let (panels, rows) = match panels.len() {
        1 => (panels, Rows::Pairs),
        n => (panels, Rows::Grid(multiples::columns(n).min(2))),
    };
    let caption = effects::caption(
        run,
        &[
            effects::counted(run),
            "Lines: 95 % intervals over bootstrap resamples of the trials; each method has a measure of its \
             own, fanova's is the share of the variance."
                .to_owned(),
            match all > names.len() {
                true => format!("Shown are the first {} of {all} hyperparameters.", names.len()),
                false => String::new(),
            },
        ],
    );
    Some(Sheet { title: title(first), legend: Vec::new(), panels, rows, caption })
}
