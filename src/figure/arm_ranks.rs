//! Which procedure comes first: mean ranks over the searches.

use super::effects::{Layer, bars};
use super::rankings::Estimate;
use super::sheet::{Rows, Sheet};
use super::tables::Run;
use super::theme;
use super::{Figure, FigureError};

/// A row an arm, the best at the top.
pub(super) struct ArmRanks;

impl Figure for ArmRanks {
    fn name(&self) -> &'static str {
        "arm_ranks"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let mut ranks: Vec<&Estimate> =
            run.orders.ranks.iter().filter(|rank| rank.value.is_some()).collect();
        ranks.sort_by(|a, b| a.value.unwrap_or(0.0).total_cmp(&b.value.unwrap_or(0.0)));
        let Some(first) = ranks.first() else { return Ok(None) };
        let names: Vec<&str> = ranks.iter().map(|rank| rank.parameter.as_str()).collect();
        let clear = ranks.get(1).and_then(|second| Some(first.high? < second.low?));
        let title = match clear {
            Some(true) => format!("{} ranks first of {}", first.parameter, names.len()),
            _ => format!("{} leads of {}, but not clearly", first.parameter, names.len()),
        };
        let look = theme::arm(0);
        let layers = [Layer { estimates: ranks.clone(), color: look.color, marker: look.marker }];
        let panels =
            vec![bars("", "mean rank by mean regret over the budget", &names, &layers, None)];
        let what = "Arms under one budget and from the same random start points, ranked within each replicate by mean \
                    regret; ties share their rank. Lines: 95 % intervals over bootstrap resamples of replicates.";
        let caption = run.orders.caption(run, what);
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows: Rows::Pairs, caption }))
    }
}
