//! What searches of the net itself choose, by arm and budget.

use super::axis::{self, Axis};
use super::effects;
use super::rankings::distinct;
use super::sheet::{Key, Mark, Panel, Rows, Sheet};
use super::summary;
use super::tables::Run;
use super::theme;
use super::{Figure, FigureError};

/// Points a search, means over them.
pub(super) struct LiveAccuracy;

impl Figure for LiveAccuracy {
    fn name(&self) -> &'static str {
        "live_accuracy"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let live = &run.orders.live;
        let tested = || live.iter().filter_map(|t| Some((t, t.share?, t.test_accuracy? * 100.0)));
        let mut shares: Vec<f64> = tested().map(|(_, share, _)| share).collect();
        shares.sort_by(f64::total_cmp);
        shares.dedup();
        let arms = distinct(tested().map(|(test, ..)| test.arm.as_str()));
        if arms.is_empty() {
            return Ok(None);
        }
        let percent = (0.0, 100.0);
        let y = Axis::linear("test accuracy (%)", tested().map(|(_, _, test)| test), percent);
        let labels = shares.iter().map(|share| format!("{} %", axis::decimal(share * 100.0, 0)));
        let x = Axis::names("of the budget", labels);
        let (mut marks, mut legend) = (Vec::new(), Vec::new());
        let mut last: Vec<f64> = Vec::new();
        for (place, arm) in arms.iter().enumerate() {
            let look = theme::arm(place);
            let shift = (place as f64 + 0.5) / arms.len() as f64 * 0.8 - 0.4;
            for (column, share) in shares.iter().enumerate() {
                let of = tested().filter(|(test, at, _)| test.arm == **arm && at == share);
                let values: Vec<f64> = of.map(|(.., value)| value).collect();
                let Some(mean) = summary::mean(&values) else { continue };
                let at = column as f64 + shift;
                let points = values.iter().map(|value| (at, *value)).collect();
                let color = theme::pale(look.color);
                marks.push(Mark::Points { points, marker: look.marker, color, radius: 2.4 });
                let quartiles = [0.25, 0.75].map(|share| summary::quantile(&values, share));
                if let [Some(low), Some(high)] = quartiles {
                    let (a, b) = ((at, low), (at, high));
                    marks.push(Mark::Interval { a, b, color: look.color });
                }
                let (points, marker) = (vec![(at, mean)], look.marker);
                marks.push(Mark::Points { points, marker, color: look.color, radius: 4.6 });
                if column + 1 == shares.len() {
                    last.push(mean);
                }
            }
            legend.push(Key::marker(*arm, look.marker, look.color));
        }
        last.sort_by(f64::total_cmp);
        // The greatest of means that nobody tested is no winner.
        let title = match last.as_slice() {
            [least, .., most] => format!(
                "Live, what arms choose in the end comes to {} to {} %",
                axis::decimal(*least, 1),
                axis::decimal(*most, 1)
            ),
            _ => "What live searches choose".to_owned(),
        };
        let mut replicates: Vec<u64> = live.iter().map(|test| test.replicate).collect();
        replicates.sort_unstable();
        replicates.dedup();
        let caption = effects::caption(
            run,
            &[
                format!("n = {} searches of each arm on the net itself.", replicates.len()),
                "What a search chooses after a share of its budget is trained again on a fresh seed and tested once. \
                 Pale: a search; full: the mean, between quartiles. Differences in pairs, with intervals: live_differences."
                    .to_owned(),
            ],
        );
        let (heading, subtitle) = (String::new(), String::new());
        let panels =
            vec![Panel { title: heading, subtitle, x, y, marks, height: 300.0, weight: 1.0 }];
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}
