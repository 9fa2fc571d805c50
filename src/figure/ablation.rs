//! Which single changes lead from the default to the best configuration.

use super::axis::{Axis, Tick};
use super::effects;
use super::sheet::{Mark, Panel, Rows, Sheet, Stroke};
use super::study::Study;
use super::tables::Run;
use super::theme::{self, Marker};
use super::{Figure, FigureError};

/// Most steps shown.
const MOST: usize = 15;

/// The path, a row a step.
pub(super) struct Ablation;

impl Figure for Ablation {
    fn name(&self) -> &'static str {
        "ablation"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let study = Study::of(run);
        let steps: Vec<_> = run
            .rankings
            .path
            .iter()
            .filter_map(|step| Some((step, study.shown(step.value?))))
            .take(MOST)
            .collect();
        if steps.len() < 2 {
            return Ok(None);
        }
        let free = (f64::NEG_INFINITY, f64::INFINITY);
        let x = Axis::linear(&study.axis([]).label, steps.iter().map(|step| step.1), free);
        let short = |text: &str| match text.parse::<f64>() {
            Ok(number) => super::axis::number(number),
            Err(_) => theme::elide(text, 90.0, theme::TICK, false),
        };
        let names = steps.iter().map(|(step, _)| match step.parameter.as_str() {
            "" => "default".to_owned(),
            name => name.to_owned(),
        });
        let mut y = Axis::names("", names).downwards();
        let change = |(row, (step, _)): (usize, &(&super::rankings::PathStep, f64))| {
            let label = match step.parameter.is_empty() {
                true => String::new(),
                false => format!("{} → {}", short(&step.from), short(&step.to)),
            };
            Tick { at: row as f64, label }
        };
        y.far = steps.iter().enumerate().map(change).collect();
        let points: Vec<_> =
            steps.iter().enumerate().map(|(row, step)| (step.1, row as f64)).collect();
        let color = theme::arm(0).color;
        let line = Stroke::solid(theme::pale(color), 2.0);
        let marks = vec![
            Mark::Line { points: points.clone(), stroke: line },
            Mark::Points { points, marker: Marker::Circle, color, radius: 4.5 },
        ];
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                "Each step changes the hyperparameter that helps most next, as a regression forest predicts it."
                    .to_owned(),
            ],
        );
        let helps = theme::elide(&steps[1].0.parameter, 220.0, theme::TITLE, true);
        let title = format!(
            "From the default {} to {}: {helps} first",
            study.words(steps[0].1),
            study.words(steps[steps.len() - 1].1),
        );
        let height = steps.len() as f64 * 22.0;
        let (heading, subtitle) = (String::new(), String::new());
        let panels = vec![Panel { title: heading, subtitle, x, y, marks, height, weight: 1.0 }];
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows: Rows::Pairs, caption }))
    }
}
