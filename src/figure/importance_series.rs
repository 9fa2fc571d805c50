//! How estimates settle: by runs of a sweep, by trials, by epochs.

use super::axis::Axis;
use super::effects::{self, curves};
use super::rankings::{Estimate, distinct, leading};
use super::sheet::{Rows, Sheet};
use super::tables::Run;
use super::{Figure, FigureError};

/// Unbounded above.
const FROM_ZERO: (f64, f64) = (0.0, f64::INFINITY);

/// Indices of a sweep against the number of runs.
pub(super) struct ByRuns;
/// Importance against the number of trials.
pub(super) struct ByTrials;
/// Importance against the epoch.
pub(super) struct ByEpoch;

impl Figure for ByRuns {
    fn name(&self) -> &'static str {
        "indices_by_runs"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let Some((index, words)) = leading(&run.rankings.by_runs) else { return Ok(None) };
        let of_index: Vec<&Estimate> =
            run.rankings.by_runs.iter().filter(|e| e.index == index).collect();
        let what = "The same design, cut off after so many runs.";
        Ok(sheet(run, &of_index, ("runs", words), "Would more runs change the ranking?", what))
    }
}

impl Figure for ByTrials {
    fn name(&self) -> &'static str {
        "importance_by_trials"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let all: Vec<&Estimate> = run.rankings.by_trials.iter().collect();
        let what = "Importance from the first trials alone.";
        let title = "Would more trials change the ranking?";
        Ok(sheet(run, &all, ("trials", "importance"), title, what))
    }
}

impl Figure for ByEpoch {
    fn name(&self) -> &'static str {
        "importance_by_epoch"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let all: Vec<&Estimate> = run.rankings.by_epoch.iter().collect();
        let what = "Importance for what the trials reported after each epoch.";
        let title = "What matters early, and what late?";
        Ok(sheet(run, &all, ("epoch", "importance"), title, what))
    }
}

/// The curves of the first method, whose ranking the colours follow; none where there is only one x.
fn sheet(
    run: &Run,
    estimates: &[&Estimate],
    (x, y): (&str, &str),
    title: &str,
    what: &str,
) -> Option<Sheet> {
    let methods = distinct(estimates.iter().map(|e| e.method.as_str()));
    let of = |method: &str| -> (Vec<&Estimate>, Vec<f64>) {
        let own: Vec<&Estimate> =
            estimates.iter().copied().filter(|e| e.method == method).collect();
        let mut places: Vec<f64> = own.iter().filter_map(|e| e.at).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        (own, places)
    };
    let shown = methods.iter().map(|method| (method, of(method)));
    let (method, (own, places)) = shown.into_iter().find(|(_, (_, places))| places.len() > 1)?;
    let heading = if methods.len() > 1 { method } else { "" };
    let axis = Axis::whole(x, places, FROM_ZERO);
    let (panel, legend) = curves(heading, axis, y, &own, 260.0);
    let caption = effects::caption(
        run,
        &[
            effects::counted(run),
            format!("Method {method}. {what} Bands: 95 % intervals of the first two."),
        ],
    );
    let panels = vec![panel];
    Some(Sheet { title: title.to_owned(), legend, panels, rows: Rows::Pairs, caption })
}
