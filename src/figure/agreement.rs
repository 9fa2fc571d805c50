//! Do methods rank hyperparameters alike? Kendall's τ between every two.

use super::axis::{self, Axis};
use super::effects;
use super::rankings::distinct;
use super::sheet::{Panel, Rows, Sheet};
use super::tables::Run;
use super::{Figure, FigureError};

/// A heat map: methods by methods.
pub(super) struct Agreement;

impl Figure for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let pairs = &run.rankings.agreement;
        let known: Vec<_> = pairs
            .iter()
            .filter_map(|pair| Some((pair.parameter.split_once(':')?, pair, pair.value?)))
            .collect();
        let names = distinct(known.iter().flat_map(|((a, b), ..)| [*a, *b]));
        let least = known.iter().min_by(|a, b| a.2.total_cmp(&b.2));
        let Some(((first, second), pair, _)) = least else { return Ok(None) };
        let place = |name: &str| names.iter().position(|known| *known == name).unwrap_or(0) as f64;
        let mut marks = Vec::new();
        for ((a, b), pair, tau) in &known {
            // A negative τ is as far from agreement as none.
            let text = effects::in_words(pair);
            for (x, y) in [(place(a), place(b)), (place(b), place(a))] {
                // Each cell once: τ above the diagonal, its interval too below it.
                let text = if x > y { axis::decimal(*tau, 2) } else { text.clone() };
                marks.extend(effects::cell(x, y, tau.max(0.0), text));
            }
        }
        let x = Axis::names("", names.iter().map(|name| (*name).to_owned()));
        let y = Axis::names("", names.iter().map(|name| (*name).to_owned())).downwards();
        let title = format!(
            "The methods that agree least, {first} and {second}, have τ {}",
            effects::in_words(pair)
        );
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                "Kendall's τ between rankings: 1 for the same order, 0 for none in common. Left below the \
                 diagonal with its 95 % interval over bootstrap resamples of the trials."
                    .to_owned(),
            ],
        );
        let height = (names.len() as f64 * 34.0).max(68.0);
        let (heading, subtitle) = (String::new(), String::new());
        let panels = vec![Panel { title: heading, subtitle, x, y, marks, height, weight: 1.0 }];
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows: Rows::Pairs, caption }))
    }
}
