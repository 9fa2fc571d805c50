//! What a screening costs and earns back.

use super::effects::{Layer, bars};
use super::multiples;
use super::rankings::{Estimate, distinct};
use super::sheet::{Panel, Rows, Sheet};
use super::tables::Run;
use super::theme;
use super::{Figure, FigureError};

/// A panel a ranker: its order for nothing, its sample unread, its order on top of the sample.
pub(super) struct ScreeningValue;

/// The arm whose sample nobody reads: what reading is compared with.
const UNREAD: &str = "sample-first";

impl Figure for ScreeningValue {
    fn name(&self) -> &'static str {
        "screening_value"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let all = &run.orders.screening;
        let rankers = distinct(all.iter().map(|part| part.method.as_str()));
        if rankers.is_empty() {
            return Ok(None);
        }
        let parts = distinct(all.iter().map(|part| part.parameter.as_str()));
        let panels: Vec<Panel> = rankers
            .iter()
            .enumerate()
            .map(|(i, ranker)| {
                let look = theme::arm(i);
                let estimates: Vec<&Estimate> =
                    all.iter().filter(|part| part.method == *ranker).collect();
                let layers = [Layer { estimates, color: look.color, marker: look.marker }];
                bars(ranker, "less mean regret", &parts, &layers, None)
            })
            .collect();
        let paid: Vec<&str> = rankers
            .iter()
            .copied()
            .filter(|ranker| {
                let arm = format!("{ranker}-first");
                run.orders.comparisons.iter().any(|c| {
                    c.treatment == arm
                        && c.baseline == UNREAD
                        && c.source != "live"
                        && c.verdict == "better"
                })
            })
            .collect();
        let title = match paid.as_slice() {
            [] => {
                "Reading the screening's sample earns nothing beyond the sample itself".to_owned()
            }
            names => format!("Reading the sample pays with {}", names.join(" and ")),
        };
        let what = "Against a random order: an order found for nothing, and a first sample that nobody reads; and what \
                    reading that sample adds. Positive: less mean regret over the budget, of which the sample is \
                    a part. Lines: 95 % intervals.";
        let caption = run.orders.caption(run, what);
        let columns = multiples::columns(panels.len()).min(1);
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows: Rows::Grid(columns), caption }))
    }
}
