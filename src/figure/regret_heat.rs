//! Which order for which budget: median regret of each arm at shares of the budget.

use super::axis::{self, Axis};
use super::effects;
use super::sheet::{Panel, Rows, Sheet};
use super::tables::Run;
use super::{Figure, FigureError};

/// Columns.
const SHARES: usize = 8;

/// A heat map: arms by budget.
pub(super) struct RegretHeat;

impl Figure for RegretHeat {
    fn name(&self) -> &'static str {
        "regret_heat"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let orders = &run.orders;
        let budget = orders.budget();
        let mut steps: Vec<u64> =
            (1..=SHARES).map(|k| (budget * k as u64).div_ceil(SHARES as u64)).collect();
        steps.dedup();
        let mut arms: Vec<_> = orders.arms.iter().filter(|arm| arm.area.is_some()).collect();
        arms.sort_by(|a, b| a.area.unwrap_or(0.0).total_cmp(&b.area.unwrap_or(0.0)));
        let at = |arm: &str, step: u64| {
            let is_it = |at: &&super::Regret| at.arm == arm && at.evaluation == step;
            orders.regret.iter().find(is_it).and_then(|at| at.quartiles[1])
        };
        let mut marks = Vec::new();
        let mut firsts: Vec<&str> = Vec::new();
        for (column, step) in steps.iter().enumerate() {
            let medians = arms.iter().filter(|arm| arm.role == "compared");
            let best = medians
                .filter_map(|arm| Some((arm.arm.as_str(), at(&arm.arm, *step)?)))
                .min_by(|a, b| a.1.total_cmp(&b.1));
            firsts.extend(best.map(|(name, _)| name));
            for (row, arm) in arms.iter().enumerate() {
                let Some(regret) = at(&arm.arm, *step) else { continue };
                // Little regret is dark: good stands out.
                let share = (1.0 - regret).clamp(0.0, 1.0).powi(2);
                let text = axis::decimal(regret, 2);
                marks.extend(effects::cell(column as f64, row as f64, share, text));
            }
        }
        let (Some(first), Some(last)) = (firsts.first(), firsts.last()) else { return Ok(None) };
        let title = match first == last {
            true => format!("{first} is best with little budget and with all of it"),
            false => format!("Best with little budget: {first}; with all of it: {last}"),
        };
        let x = Axis::names("evaluations", steps.iter().map(u64::to_string));
        let label = |arm: &&super::ComparedArm| match arm.role.as_str() {
            "compared" | "" => arm.arm.clone(),
            role => format!("{} ({role})", arm.arm),
        };
        let y = Axis::names("", arms.iter().map(label)).downwards();
        let height = (arms.len() as f64 * 20.0).max(40.0);
        let (heading, subtitle) = (String::new(), String::new());
        let panels = vec![Panel { title: heading, subtitle, x, y, marks, height, weight: 1.0 }];
        let what = "Cells: median regret; 0 is the best there is, 1 what a random configuration comes to. Arms by \
                    their mean over the budget. An arm with twice the budget is read at the same share of its own.";
        let caption = orders.caption(run, what);
        Ok(Some(Sheet { title, legend: Vec::new(), panels, rows: Rows::Pairs, caption }))
    }
}
