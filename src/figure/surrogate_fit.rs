//! How far a surrogate can be believed: what it predicts of trials that it has not seen.

use super::axis::{self, Axis};
use super::scatter;
use super::sheet::{Mark, Panel, Rows, Sheet, Stroke};
use super::tables::Run;
use super::theme::{self, Dash, Marker};
use super::{Figure, FigureError, effects};

/// Most points drawn.
const MOST: usize = 1_500;

/// Observed against predicted.
pub(super) struct SurrogateFit;

impl Figure for SurrogateFit {
    fn name(&self) -> &'static str {
        "surrogate_fit"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let all = &run.orders.surrogate;
        let n = all.len() as f64;
        if all.len() < 2 {
            return Ok(None);
        }
        let mean = all.iter().map(|(seen, _)| seen).sum::<f64>() / n;
        let errors: f64 = all.iter().map(|(seen, predicted)| (seen - predicted).powi(2)).sum();
        let spread: f64 = all.iter().map(|(seen, _)| (seen - mean).powi(2)).sum();
        let title = match spread > 0.0 {
            true => {
                let share = axis::decimal(1.0 - errors / spread, 2);
                format!("Trials predict one another with R² {share}")
            }
            false => "All trials are alike".to_owned(),
        };
        let free = (f64::NEG_INFINITY, f64::INFINITY);
        let ends = || all.iter().flat_map(|(seen, predicted)| [*seen, *predicted]);
        let measure = run.measure();
        let x = Axis::linear(&format!("predicted from the others: {measure}"), ends(), free);
        let y = Axis::linear(&format!("observed: {measure}"), ends(), free);
        let (low, high) = x.ends();
        let line = Stroke { color: theme::MUTED, width: 1.2, dash: Dash::Dashed, marker: None };
        let points = all.iter().map(|(seen, predicted)| (*predicted, *seen)).collect();
        let points = scatter::thin(points, &x, &y, MOST);
        let marks = vec![
            Mark::Line { points: vec![(low, low), (high, high)], stroke: line },
            Mark::Points { points, marker: Marker::Dot, color: theme::arm(0).color, radius: 2.3 },
        ];
        let caption = effects::caption(
            run,
            &[
                format!("n = {} trials that were recorded once.", all.len()),
                "Each is predicted by a Gaussian process from all others. Dashed: right predictions; what noise \
                 alone does to them is in summary.md."
                    .to_owned(),
            ],
        );
        let (heading, subtitle) = (String::new(), String::new());
        let panels =
            vec![Panel { title: heading, subtitle, x, y, marks, height: 380.0, weight: 1.0 }];
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows: Rows::Pairs, caption }))
    }
}
