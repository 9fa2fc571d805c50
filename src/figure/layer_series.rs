//! A quantity of each layer over the steps: what several figures of `layers.csv` share.

use std::collections::HashMap;

use super::axis::{self, Axis};
use super::multiples;
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::summary::{self, Averaging, Envelope, Finals};
use super::tables::{LayerPoint, Run};
use super::theme;

/// Bands of more layers than this would cover each other.
const FEW_LAYERS: usize = 7;
/// Up to so many arms have a large panel each.
const FEW_ARMS: usize = 2;
/// Values below this share of a layer's median are left out: the last steps of a cosine schedule
/// would stretch the axis over decades that say nothing.
const FAINT: f64 = 0.01;

/// What is drawn, and in which words.
pub(super) struct LayerSeries {
    /// The column; only positive values have a place.
    pub measure: fn(&LayerPoint) -> Option<f64>,
    /// In lower case and the plural: `relative updates`.
    pub name: &'static str,
    /// Of the y axis, large and small.
    pub labels: [&'static str; 2],
    /// What is measured, as sentences of the caption.
    pub definition: &'static str,
    /// What theory expects of a row, where it says something.
    pub expected: Option<Expected>,
}

/// Predicted values beside the measured ones.
pub(super) struct Expected {
    /// Of one row.
    pub value: fn(&Run, &LayerPoint) -> Option<f64>,
    /// In the legend.
    pub label: &'static str,
    /// A sentence of the caption.
    pub definition: &'static str,
}

/// One layer in one arm.
struct Series {
    layer: usize,
    runs: usize,
    envelope: Envelope,
    /// The median over the second half of training, when rates have settled.
    late: Option<f64>,
}

/// One arm with what was measured in it.
struct Arm<'a> {
    finals: Finals<'a>,
    series: Vec<Series>,
    /// Least and greatest expected value at each step.
    expected: Vec<(f64, f64, f64)>,
}

/// Values by trial and layer, in order of steps.
type Values = HashMap<(u64, usize), Vec<(f64, f64)>>;

impl LayerSeries {
    /// One panel an arm, or none where nothing was measured.
    pub fn plan(&self, run: &Run) -> Option<Sheet> {
        let values = self.values(run);
        let arms = summary::finals(run).into_iter().map(|mut finals| {
            // A few of the final models may be all that was measured.
            finals.trials.retain(|t| values.keys().any(|(trial, _)| *trial == t.trial));
            let series = series(run, &finals, &values);
            let expected = self.expected(run, &finals, &series);
            Arm { finals, series, expected }
        });
        let arms: Vec<Arm> = arms.filter(|arm| !arm.series.is_empty()).collect();
        if arms.is_empty() {
            return None;
        }
        let all = || arms.iter().flat_map(|arm| &arm.series);
        let banded = run.layers.len() <= FEW_LAYERS && all().any(|s| s.runs > 1);
        let (x, y) = self.axes(&arms, banded);
        let large = arms.len() <= FEW_ARMS;
        let marked = large || run.layers.len() <= FEW_LAYERS;
        let panels = arms.iter().map(|arm| {
            let marks = marks(run, arm, banded, marked, &y);
            let (title, subtitle) = match (large, arm.finals.trials.len()) {
                (true, _) => (arm.finals.label(), String::new()),
                (false, n) => (arm.finals.name.to_owned(), format!("n = {n}")),
            };
            let (x, y, height) = (x.clone(), y.clone(), if large { 290.0 } else { 180.0 });
            Panel { title, subtitle, x, y, marks, height, weight: 1.0 }
        });
        let panels: Vec<Panel> = panels.collect();
        let (panels, rows) = match panels.len() {
            ..=FEW_ARMS => (panels, Rows::Pairs),
            count => multiples::arrange(panels, multiples::columns(count)),
        };
        let mut legend: Vec<Key> = (0..run.layers.len())
            .filter(|layer| all().any(|s| s.layer == *layer))
            .map(|layer| Key::stroke(run.layers[layer].as_str(), stroke(run, layer, marked)))
            .collect();
        let expected = self.expected.as_ref().filter(|_| arms.iter().any(|a| a.has_expected()));
        legend.extend(expected.map(|e| Key::stroke(e.label, expected_stroke())));
        let title = self.title(&arms);
        let finals: Vec<Finals> = arms.into_iter().map(|arm| arm.finals).collect();
        let several = finals.iter().any(|f| f.trials.len() > 1);
        let sentences = [
            summary::counts(&finals),
            self.definition.to_owned(),
            "Long series are averaged geometrically over neighbouring steps. Steps below a \
             hundredth of their layer's median, as at a schedule's end, are left out."
                .to_owned(),
            match (several, banded) {
                (true, true) => "Line: median over seeds; band: least to greatest.".to_owned(),
                (true, false) => "Line: median over seeds.".to_owned(),
                _ => String::new(),
            },
            expected.map_or_else(String::new, |e| e.definition.to_owned()),
            self.left_out(run, &finals),
        ];
        let caption = summary::caption(run, &sentences);
        Some(Sheet { title, legend, panels, rows, caption })
    }

    fn values(&self, run: &Run) -> Values {
        let mut values = Values::new();
        for point in &run.layer_points {
            if let Some(value) = (self.measure)(point).filter(|v| *v > 0.0) {
                let key = (point.trial, point.layer);
                values.entry(key).or_default().push((point.step as f64, value));
            }
        }
        for points in values.values_mut() {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let middle: Vec<f64> = points.iter().map(|p| p.1).collect();
            let least = FAINT * summary::median(&middle).unwrap_or(0.0);
            points.retain(|p| p.1 >= least);
        }
        values
    }

    /// Least and greatest over layers of the median expected value, where some were measured.
    fn expected(&self, run: &Run, finals: &Finals, series: &[Series]) -> Vec<(f64, f64, f64)> {
        let Some(expected) = &self.expected else { return Vec::new() };
        let xs = || series.iter().flat_map(|s| s.envelope.median.iter().map(|p| p.0));
        let (Some(first), Some(last)) = (xs().reduce(f64::min), xs().reduce(f64::max)) else {
            return Vec::new();
        };
        let mut steps: Vec<(f64, usize, f64)> = Vec::new();
        for point in &run.layer_points {
            let step = point.step as f64;
            if finals.trials.iter().any(|t| t.trial == point.trial)
                && (first..=last).contains(&step)
            {
                steps.extend((expected.value)(run, point).map(|v| (step, point.layer, v)));
            }
        }
        steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let of_step = |points: &[(f64, usize, f64)]| {
            let of_layer = points.chunk_by(|a, b| a.1 == b.1).filter_map(|layer| {
                summary::median(&layer.iter().map(|p| p.2).collect::<Vec<_>>())
            });
            let (low, high) = summary::range(&of_layer.collect::<Vec<_>>())?;
            Some((points[0].0, low, high))
        };
        steps.chunk_by(|a, b| a.0 == b.0).filter_map(of_step).collect()
    }

    fn axes(&self, arms: &[Arm], banded: bool) -> (Axis, Axis) {
        let all = || arms.iter().flat_map(|arm| &arm.series);
        let ys = all().flat_map(|s| {
            let band = s.envelope.band.iter().flat_map(|&(_, low, high)| [low, high]);
            let median = s.envelope.median.iter().map(|p| p.1);
            // Only what is drawn may stretch the axis.
            if banded { band.collect::<Vec<_>>() } else { median.collect() }
        });
        let label = self.labels[usize::from(arms.len() > FEW_ARMS)];
        let y = Axis::log(label, ys);
        let xs = all().flat_map(|s| s.envelope.median.iter().map(|p| p.0));
        (Axis::linear("optimiser steps", xs.chain([0.0]), (0.0, f64::INFINITY)), y)
    }

    /// Counts what a logarithmic axis cannot show.
    fn left_out(&self, run: &Run, finals: &[Finals]) -> String {
        let shown = |trial| finals.iter().flat_map(|f| &f.trials).any(|t| t.trial == trial);
        let rows = run.layer_points.iter().filter(|p| shown(p.trial));
        match rows.filter(|p| (self.measure)(p).is_none_or(|u| u <= 0.0)).count() {
            0 => String::new(),
            n => format!("{n} empty, zero or non-finite values are not shown."),
        }
    }

    /// How far the layers lie apart late in training.
    fn title(&self, arms: &[Arm]) -> String {
        let spread = |arm: &Arm| {
            let medians: Vec<f64> = arm.series.iter().filter_map(|s| s.late).collect();
            let (low, high) = summary::range(&medians)?;
            (medians.len() > 1).then_some((high / low * 10.0).round() / 10.0)
        };
        let told = |arm: &Arm| spread(arm).map(|s| (s, format!("×{}", axis::number(s))));
        let spreads = arms.iter().filter_map(|a| told(a).map(|(s, text)| (a.finals.name, s, text)));
        let spreads: Vec<(&str, f64, String)> = spreads.collect();
        let name = self.name;
        if spreads.is_empty() {
            let first: String = name.chars().take(1).flat_map(char::to_uppercase).collect();
            return format!("{first}{} over the steps", &name[1..]);
        }
        let by_arm = summary::by_many_arms(&spreads);
        format!("Late {name} differ between layers by up to {by_arm}")
    }
}

impl Arm<'_> {
    fn has_expected(&self) -> bool {
        self.expected.len() > 1
    }
}

fn series(run: &Run, finals: &Finals, values: &Values) -> Vec<Series> {
    let one = |layer| {
        let of_trial = finals.trials.iter().filter_map(|trial| values.get(&(trial.trial, layer)));
        let late = of_trial.clone().flat_map(|points| {
            let last = points.last().map_or(0.0, |p| p.0);
            points.iter().filter(move |p| p.0 >= last / 2.0).map(|p| p.1)
        });
        let late = summary::median(&late.collect::<Vec<_>>());
        let runs = of_trial.map(|points| summary::thin(points.clone(), Averaging::Geometric));
        let runs: Vec<_> = runs.filter(|r| !r.is_empty()).collect();
        let envelope = summary::envelope(&runs, 0.0);
        (!runs.is_empty()).then_some(Series { layer, runs: runs.len(), envelope, late })
    };
    (0..run.layers.len()).filter_map(one).collect()
}

/// Markers are for large panels, and for the legend.
fn stroke(run: &Run, layer: usize, marked: bool) -> Stroke {
    let look = theme::layer(layer, run.layers.len());
    let marker = Some(look.marker).filter(|_| marked);
    Stroke { color: look.color, width: 1.6, dash: look.dash, marker }
}

fn expected_stroke() -> Stroke {
    Stroke { color: theme::INK, width: 1.3, dash: theme::Dash::Dashed, marker: None }
}

fn marks(run: &Run, arm: &Arm, banded: bool, marked: bool, y: &Axis) -> Vec<Mark> {
    let mut marks = Vec::new();
    if banded {
        marks.extend(arm.series.iter().filter(|s| s.runs > 1).map(|s| Mark::Band {
            points: s.envelope.band.clone(),
            color: stroke(run, s.layer, false).color,
        }));
    }
    marks.extend(arm.series.iter().map(|s| Mark::Line {
        points: s.envelope.median.clone(),
        stroke: stroke(run, s.layer, marked),
    }));
    if arm.has_expected() {
        let line = |value: fn(&(f64, f64, f64)) -> f64| Mark::Line {
            points: arm
                .expected
                .iter()
                .map(|p| (p.0, value(p)))
                .filter(|p| y.covers(p.1))
                .collect(),
            stroke: expected_stroke(),
        };
        marks.push(line(|p| p.1));
        // Layers of one rate share one line.
        if arm.expected.iter().any(|p| p.2 > p.1 * 1.01) {
            marks.push(line(|p| p.2));
        }
    }
    marks
}
