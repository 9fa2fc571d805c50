//! How far each step moves each layer, relative to its weights.

use super::axis::{self, Axis};
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::summary::{self, Averaging, Envelope, Finals};
use super::tables::{Run, Trial};
use super::theme;
use super::{Figure, FigureError};

/// Bands of more layers than this would cover each other.
const FEW_LAYERS: usize = 7;

/// Updates below this share of a layer's median are left out: the last steps of a cosine schedule
/// would stretch the axis over decades that say nothing.
const FAINT: f64 = 0.01;

/// Relative update of each layer over the steps, one panel an arm.
pub(super) struct RelativeUpdate;

/// One layer in one arm.
struct Series {
    layer: usize,
    runs: usize,
    envelope: Envelope,
}

impl Figure for RelativeUpdate {
    fn name(&self) -> &'static str {
        "relative_update"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let mut arms: Vec<(Finals, Vec<Series>)> = summary::finals(run)
            .into_iter()
            .map(|f| {
                let s = series(run, &f);
                (f, s)
            })
            .collect();
        arms.retain(|(_, series)| !series.is_empty());
        if arms.is_empty() {
            return Ok(None);
        }
        let all = || arms.iter().flat_map(|(_, series)| series);
        let banded = run.layers.len() <= FEW_LAYERS && all().any(|s| s.runs > 1);
        let ys = all().flat_map(|s| {
            let band = s.envelope.band.iter().flat_map(|&(_, low, high)| [low, high]);
            let median = s.envelope.median.iter().map(|p| p.1);
            // Only what is drawn may stretch the axis.
            if banded { band.collect::<Vec<_>>() } else { median.collect() }
        });
        let y = Axis::log("relative update ‖Δw‖ / ‖w‖ (log scale)", ys);
        let xs = all().flat_map(|s| s.envelope.median.iter().map(|p| p.0));
        let x = Axis::linear("optimiser steps", xs.chain([0.0]), (0.0, f64::INFINITY));
        let panels = arms.iter().map(|(f, series)| panel(run, f, series, banded, &x, &y)).collect();
        let legend = (0..run.layers.len())
            .filter(|layer| all().any(|s| s.layer == *layer))
            .map(|layer| Key::stroke(run.layers[layer].as_str(), stroke(run, layer)))
            .collect();
        let finals: Vec<Finals> = arms.into_iter().map(|(f, _)| f).collect();
        let several = finals.iter().any(|f| f.trials.len() > 1);
        let caption = summary::caption(
            run,
            &[
                summary::counts(&finals),
                "Relative update: norm of a step's change of a layer's parameters over the norm of \
                 the parameters; long series are averaged geometrically over neighbouring steps. Steps \
                 below a hundredth of their layer's median, as at a schedule's end, are left out."
                    .to_owned(),
                match (several, banded) {
                    (true, true) => "Line: median over seeds; band: least to greatest.".to_owned(),
                    (true, false) => "Line: median over seeds.".to_owned(),
                    _ => String::new(),
                },
                left_out(run, &finals),
            ],
        );
        let title = title(run, &finals);
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

/// The positive values of one trial and layer, in order of steps.
fn positive(run: &Run, trial: &Trial, layer: usize) -> Vec<(f64, f64)> {
    let rows = run.layer_points.iter().filter(|p| p.trial == trial.trial && p.layer == layer);
    let points = rows.filter_map(|p| Some((p.step as f64, p.relative_update?)));
    let mut points: Vec<_> = points.filter(|p| p.1 > 0.0).collect();
    let mut values: Vec<_> = points.iter().map(|p| p.1).collect();
    values.sort_by(f64::total_cmp);
    let median = values.get(values.len() / 2).copied().unwrap_or(0.0);
    points.retain(|p| p.1 >= FAINT * median);
    points
}

fn series(run: &Run, of_arm: &Finals) -> Vec<Series> {
    let one = |layer| {
        let runs = of_arm
            .trials
            .iter()
            .map(|trial| summary::thin(positive(run, trial, layer), Averaging::Geometric));
        let runs: Vec<_> = runs.filter(|r| !r.is_empty()).collect();
        let envelope = summary::envelope(&runs);
        (!runs.is_empty()).then_some(Series { layer, runs: runs.len(), envelope })
    };
    (0..run.layers.len()).filter_map(one).collect()
}

fn stroke(run: &Run, layer: usize) -> Stroke {
    let look = theme::layer(layer, run.layers.len());
    Stroke { color: look.color, width: 1.6, dash: look.dash, marker: Some(look.marker) }
}

fn panel(run: &Run, of_arm: &Finals, series: &[Series], banded: bool, x: &Axis, y: &Axis) -> Panel {
    let mut marks = Vec::new();
    if banded {
        marks.extend(series.iter().filter(|s| s.runs > 1).map(|s| Mark::Band {
            points: s.envelope.band.clone(),
            color: stroke(run, s.layer).color,
        }));
    }
    marks.extend(
        series.iter().map(|s| Mark::Line {
            points: s.envelope.median.clone(),
            stroke: stroke(run, s.layer),
        }),
    );
    Panel {
        title: of_arm.label(),
        subtitle: String::new(),
        x: x.clone(),
        y: y.clone(),
        marks,
        height: 290.0,
        weight: 1.0,
    }
}

/// Counts what a logarithmic axis cannot show.
fn left_out(run: &Run, finals: &[Finals]) -> String {
    let shown = |trial| finals.iter().flat_map(|f| &f.trials).any(|t| t.trial == trial);
    let rows = run.layer_points.iter().filter(|p| shown(p.trial));
    match rows.filter(|p| p.relative_update.is_none_or(|u| u <= 0.0)).count() {
        0 => String::new(),
        n => format!("{n} empty, zero or non-finite values are not shown."),
    }
}

/// How far the layers lie apart over the second half of training, when rates have settled.
fn title(run: &Run, finals: &[Finals]) -> String {
    let spread = |of_arm: &Finals| {
        let late = |layer| {
            let values = of_arm.trials.iter().flat_map(|trial| {
                let points = positive(run, trial, layer);
                let last = points.iter().map(|p| p.0).fold(0.0, f64::max);
                points.into_iter().filter(move |p| p.0 >= last / 2.0).map(|p| p.1)
            });
            summary::median(&values.collect::<Vec<_>>())
        };
        let medians: Vec<f64> = (0..run.layers.len()).filter_map(late).collect();
        let (low, high) = summary::range(&medians)?;
        (medians.len() > 1).then(|| axis::number((high / low * 10.0).round() / 10.0))
    };
    let spreads: Vec<(&str, String)> =
        finals.iter().filter_map(|f| Some((f.name, format!("×{}", spread(f)?)))).collect();
    if spreads.is_empty() {
        return "Relative update over the steps".to_owned();
    }
    let by_arm = summary::by_arm(&spreads);
    format!("Late relative updates differ between layers by up to {by_arm}")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn each_arm_has_a_panel_with_a_line_a_layer() {
        let sheet = RelativeUpdate.plan(&Fixture::default().run()).unwrap().unwrap();
        assert_eq!((sheet.panels.len(), sheet.legend.len()), (2, 5));
        for panel in &sheet.panels {
            let lines = panel.marks.iter().filter(|m| matches!(m, Mark::Line { .. }));
            assert_eq!(lines.count(), 5);
        }
        // Two of twenty steps of three winners and five layers are zero, in each arm.
        assert!(sheet.caption.contains("60 empty, zero"), "{}", sheet.caption);
    }

    #[test]
    fn only_zeros_are_no_figure() {
        let mut run = Fixture::default().run();
        run.layer_points.iter_mut().for_each(|p| p.relative_update = Some(0.0));
        assert!(RelativeUpdate.plan(&run).unwrap().is_none());
    }
}
