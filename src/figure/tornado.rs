//! One hyperparameter at a time: how far each moves the result.

use super::axis::{Axis, Tick};
use super::effects;
use super::rankings::{distinct, is_dummy};
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::study::Study;
use super::summary;
use super::tables::Run;
use super::theme::{self, Dash};
use super::{Figure, FigureError};

/// A bar from the least to the greatest response along each axis.
pub(super) struct Tornado;

impl Figure for Tornado {
    fn name(&self) -> &'static str {
        "tornado"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let study = Study::of(run);
        let sweep = &run.rankings.sweep;
        let reach = |name: &&str| {
            let values: Vec<f64> = sweep
                .iter()
                .filter(|point| point.parameter == **name)
                .filter_map(|point| Some(study.shown(point.value?)))
                .collect();
            Some((name.to_string(), summary::range(&values)?))
        };
        let mut bars: Vec<_> =
            distinct(sweep.iter().map(|p| p.parameter.as_str())).iter().filter_map(reach).collect();
        bars.sort_by(|a, b| (b.1.1 - b.1.0).total_cmp(&(a.1.1 - a.1.0)));
        let Some((first, (low, high))) = bars.first() else { return Ok(None) };
        // The run that all axes share.
        let base = run.trials.iter().find(|t| t.trial == 0).and_then(|t| study.value(t));
        let ends = bars.iter().flat_map(|bar| [bar.1.0, bar.1.1]);
        let free = (f64::NEG_INFINITY, f64::INFINITY);
        let x = Axis::linear(&study.measure(), ends.chain(base), free);
        let mut y = Axis::names("", bars.iter().map(|bar| bar.0.clone())).downwards();
        let mut marks = Vec::new();
        for (row, (name, (low, high))) in bars.iter().enumerate() {
            let color = if is_dummy(name) { theme::FAINT } else { theme::arm(0).color };
            marks.push(Mark::Bar { y: row as f64, from: *low, to: *high, color });
            let label = format!("{} to {}", study.words(*low), study.words(*high));
            y.far.push(Tick { at: row as f64, label });
        }
        let stroke = Stroke { color: theme::INK, width: 1.2, dash: Dash::Dashed, marker: None };
        marks.extend(base.map(|x| Mark::Vertical { x, stroke }));
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                "Each bar: least to greatest result while one hyperparameter moves through its box and the \
                 others stay at the base point. Single runs: differences as small as the dummy's are noise."
                    .to_owned(),
            ],
        );
        let name = theme::elide(first, 200.0, theme::TITLE, true);
        let (least, most) = (study.words(*low), study.words(*high));
        let title = format!("{name} alone moves {} from {least} to {most}", study.measure());
        let legend = base.map(|_| Key::stroke("base point", stroke)).into_iter().collect();
        let height = bars.len() as f64 * 19.0;
        let (heading, subtitle) = (String::new(), String::new());
        let panels = vec![Panel { title: heading, subtitle, x, y, marks, height, weight: 1.0 }];
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}
