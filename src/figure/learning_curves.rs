//! Loss and accuracy of the final models as they learn.

use super::axis::{self, Axis};
use super::multiples;
use super::searches;
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::summary::{self, Averaging, Envelope, Finals};
use super::tables::{CurvePoint, Run, Split, Trial};
use super::theme::{self, Dash};
use super::{Figure, FigureError};

/// Up to so many runs are drawn one by one beside their median.
const FEW: usize = 5;
/// From so many models of each of many arms on, the band shows quartiles.
const QUARTILES: usize = 5;
/// More arms than this have a panel each.
const FEW_ARMS: usize = 3;
/// Where differences of a point count, the axis shows what is reached after this share of training.
const BEGINNING: f64 = 0.3;
/// Losses that span more than this factor are drawn on a logarithmic axis.
const WIDE: f64 = 30.0;
/// Training is dashed, validation solid.
const SPLITS: [(Split, Dash, &str); 2] =
    [(Split::Train, Dash::Dashed, "training"), (Split::Validation, Dash::Solid, "validation")];

type Measure = fn(&CurvePoint) -> Option<f64>;

/// Learning curves of each arm's final models.
pub(super) struct LearningCurves;

/// The curves of one arm on one split.
struct Series {
    arm: usize,
    split: usize,
    runs: Vec<Vec<(f64, f64)>>,
    envelope: Envelope,
}

impl Series {
    /// Validation only: training batches are noisy, and bands around them would hide the curves.
    fn has_band(&self) -> bool {
        SPLITS[self.split].0 == Split::Validation && self.runs.len() > 1
    }

    /// Every value that is drawn from `start` on, or the last one where it ended before.
    fn values(&self, start: f64) -> Vec<f64> {
        let start = self.envelope.median.last().map_or(start, |p| start.min(p.0));
        let Envelope { median, band } = &self.envelope;
        if self.has_band() {
            let late = band.iter().filter(|p| p.0 >= start);
            return late.flat_map(|&(_, low, high)| [low, high]).collect();
        }
        median.iter().filter(|p| p.0 >= start).map(|p| p.1).collect()
    }
}

impl Figure for LearningCurves {
    fn name(&self) -> &'static str {
        "learning_curves"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let mut finals = summary::finals(run);
        finals.retain(|f| f.trials.iter().any(|t| run.curves.iter().any(|p| p.trial == t.trial)));
        let epochs = finals.iter().flat_map(|f| &f.trials).all(|t| t.images_per_epoch().is_some());
        // A single run that breaks down must not stretch the small panels of many arms.
        let fewest = finals.iter().map(|f| f.trials.len()).min().unwrap_or(0);
        let quartiles = finals.len() > FEW_ARMS && fewest >= QUARTILES;
        let share = if quartiles { 0.25 } else { 0.0 };
        let accuracy = series(run, &finals, epochs, share, |p| p.accuracy.map(|a| a * 100.0));
        let loss = series(run, &finals, epochs, share, |p| p.loss);
        if accuracy.is_empty() && loss.is_empty() {
            return Ok(None);
        }
        let x_label = if epochs { "epochs" } else { "images trained" };
        if finals.len() > FEW_ARMS && !accuracy.is_empty() {
            return Ok(Some(apart(run, &finals, &accuracy, quartiles, x_label)));
        }
        let log_loss = spans_decades(&loss);
        let y_label = if log_loss { "loss (nats, log scale)" } else { "loss (nats)" };
        let panels = [
            panel(&finals, &loss, "Loss", x_label, |values| match log_loss {
                true => Axis::log(y_label, values),
                false => Axis::linear(y_label, values, (0.0, f64::INFINITY)),
            }),
            panel(&finals, &accuracy, "Accuracy", x_label, |values| {
                Axis::linear("accuracy (%)", values, (0.0, 100.0))
            }),
        ];
        let all = || loss.iter().chain(&accuracy);
        let several = all().any(|s| s.runs.len() > 1);
        let banded = all().any(Series::has_band);
        let single_lines = all().any(|s| s.has_band() && s.runs.len() <= FEW);
        let caption = summary::caption(
            run,
            &[
                summary::counts(&finals),
                "Training: means over the batches trained on since the point before; validation: \
                 all validation images."
                    .to_owned(),
                if several { "Line: median over seeds." } else { "" }.to_owned(),
                if banded { "Band: least to greatest." } else { "" }.to_owned(),
                if single_lines { "Thin lines: single runs." } else { "" }.to_owned(),
            ],
        );
        Ok(Some(Sheet {
            title: title(&finals, &accuracy, &loss),
            legend: legend(&finals, &loss, &accuracy, banded),
            panels: panels.into_iter().flatten().collect(),
            rows: Rows::Pairs,
            caption,
        }))
    }
}

/// A panel for each arm's accuracy, with the baseline's in each of the others.
fn apart(
    run: &Run,
    finals: &[Finals],
    accuracy: &[Series],
    quartiles: bool,
    x_label: &str,
) -> Sheet {
    let baseline = searches::baseline(run);
    let validation = |s: &&Series| SPLITS[s.split].0 == Split::Validation;
    let reference = accuracy.iter().filter(validation);
    let reference = reference.clone().find(|s| Some(finals[s.arm].name) == baseline);
    let dotted = Stroke { color: theme::MUTED, width: 1.4, dash: Dash::Dotted, marker: None };
    let xs = accuracy.iter().flat_map(|s| s.envelope.median.iter().map(|p| p.0));
    let x = Axis::linear(x_label, xs.chain([0.0]), (0.0, f64::INFINITY));
    let end = accuracy.iter().filter_map(|s| s.envelope.median.last()).map(|p| p.0);
    let start = end.fold(0.0, f64::max) * BEGINNING;
    let late = accuracy.iter().flat_map(|s| s.values(start));
    let y = Axis::linear("accuracy (%)", late, (0.0, 100.0));
    let cut = values(accuracy).into_iter().any(|v| !y.covers(v));
    let panels = finals.iter().enumerate().map(|(arm, of_arm)| {
        let own: Vec<&Series> = accuracy.iter().filter(|s| s.arm == arm).collect();
        let color = of_arm.look.color;
        let bands = own.iter().filter(|s| s.has_band());
        let mut marks: Vec<Mark> = bands
            .map(|s| {
                let points = s.envelope.band.iter().copied().filter(|p| y.covers(p.2)).collect();
                Mark::Band { points, color }
            })
            .collect();
        let line = |s: &Series, stroke| {
            let points = s.envelope.median.iter().copied().filter(|p| y.covers(p.1));
            Mark::Line { points: points.collect(), stroke }
        };
        marks.extend(reference.filter(|s| s.arm != arm).map(|s| line(s, dotted)));
        let plain = |s: &Series| Stroke { marker: None, ..stroke(of_arm, s.split) };
        marks.extend(own.iter().map(|s| line(s, plain(s))));
        Panel {
            title: of_arm.name.to_owned(),
            subtitle: format!("n = {}", of_arm.trials.len()),
            x: x.clone(),
            y: y.clone(),
            marks,
            height: 150.0,
            weight: 1.0,
        }
    });
    let (panels, rows) = multiples::arrange(panels.collect(), multiples::columns(finals.len()));
    let shown = SPLITS.iter().enumerate().filter(|(i, _)| accuracy.iter().any(|s| s.split == *i));
    let mut legend: Vec<Key> = shown
        .map(|(_, &(_, dash, name))| {
            Key::stroke(name, Stroke { dash, ..Stroke::solid(theme::MUTED, 1.8) })
        })
        .collect();
    if accuracy.iter().any(Series::has_band) {
        let band = if quartiles { "quartiles" } else { "least to greatest" };
        legend.push(Key::band(format!("{band} over models"), theme::MUTED));
    }
    if let Some(reference) = reference {
        legend.push(Key::stroke(format!("{}, validation", finals[reference.arm].name), dotted));
    }
    let caption = summary::caption(
        run,
        &[
            summary::counts(finals),
            "Accuracy: training, means over the batches trained on since the point before; \
             validation, all validation images. Line: median over models."
                .to_owned(),
            match cut {
                true => "The first steps lie under the axis.".to_owned(),
                false => String::new(),
            },
        ],
    );
    Sheet { title: title(finals, accuracy, &[]), legend, panels, rows, caption }
}

fn series(run: &Run, finals: &[Finals], epochs: bool, share: f64, measure: Measure) -> Vec<Series> {
    let mut all = Vec::new();
    for (arm, of_arm) in finals.iter().enumerate() {
        for (split, &(wanted, ..)) in SPLITS.iter().enumerate() {
            let curve = |trial: &&Trial| {
                let scale = trial.images_per_epoch().filter(|_| epochs).unwrap_or(1.0);
                let rows =
                    run.curves.iter().filter(|p| p.trial == trial.trial && p.split == wanted);
                let points = rows.filter_map(|p| Some((p.images_trained? / scale, measure(p)?)));
                summary::thin(points.collect(), Averaging::Arithmetic)
            };
            let runs: Vec<_> = of_arm.trials.iter().map(curve).filter(|r| !r.is_empty()).collect();
            let envelope = summary::envelope(&runs, share);
            if !runs.is_empty() {
                all.push(Series { arm, split, runs, envelope });
            }
        }
    }
    all
}

fn values(series: &[Series]) -> Vec<f64> {
    series.iter().flat_map(|s| s.values(0.0)).collect()
}

fn spans_decades(series: &[Series]) -> bool {
    summary::range(&values(series)).is_some_and(|(low, high)| low > 0.0 && high / low > WIDE)
}

fn panel(
    finals: &[Finals],
    series: &[Series],
    title: &str,
    x_label: &str,
    y_axis: impl Fn(Vec<f64>) -> Axis,
) -> Option<Panel> {
    if series.is_empty() {
        return None;
    }
    let xs = series.iter().flat_map(|s| s.envelope.median.iter().map(|p| p.0));
    let x = Axis::linear(x_label, xs.chain([0.0]), (0.0, f64::INFINITY));
    let look = |s: &Series| finals[s.arm].look;
    let banded = series.iter().filter(|s| s.has_band());
    let bands = banded
        .clone()
        .map(|s| Mark::Band { points: s.envelope.band.clone(), color: look(s).color });
    let single = banded.filter(|s| s.runs.len() <= FEW).flat_map(|s| {
        let stroke = Stroke::solid(theme::pale(look(s).color), 0.8);
        s.runs.iter().map(move |run| Mark::Line { points: run.clone(), stroke })
    });
    let medians = series.iter().map(|s| Mark::Line {
        points: s.envelope.median.clone(),
        stroke: stroke(&finals[s.arm], s.split),
    });
    Some(Panel {
        title: title.to_owned(),
        subtitle: String::new(),
        x,
        y: y_axis(values(series)),
        marks: bands.chain(single).chain(medians).collect(),
        height: 270.0,
        weight: 1.0,
    })
}

fn stroke(of_arm: &Finals, split: usize) -> Stroke {
    let (kind, dash, _) = SPLITS[split];
    // Markers only on the line that counts: eight of them on each would hide the rest.
    let marker = (kind == Split::Validation).then_some(of_arm.look.marker);
    Stroke { color: of_arm.look.color, width: 1.8, dash, marker }
}

fn legend(finals: &[Finals], loss: &[Series], accuracy: &[Series], banded: bool) -> Vec<Key> {
    let mut keys = Vec::new();
    for (arm, of_arm) in finals.iter().enumerate() {
        for (split, (_, _, name)) in SPLITS.iter().enumerate() {
            if loss.iter().chain(accuracy).any(|s| (s.arm, s.split) == (arm, split)) {
                let label = match of_arm.name {
                    "" => (*name).to_owned(),
                    arm => format!("{arm}, {name}"),
                };
                keys.push(Key::stroke(label, stroke(of_arm, split)));
            }
        }
    }
    if banded {
        keys.push(Key::band("least to greatest over seeds", theme::MUTED));
    }
    keys
}

fn title(finals: &[Finals], accuracy: &[Series], loss: &[Series]) -> String {
    // The measure that says most of those there are.
    let candidates = [
        (accuracy, Split::Validation, "Validation accuracy ends at"),
        (loss, Split::Validation, "Validation loss ends at"),
        (accuracy, Split::Train, "Training accuracy ends at"),
        (loss, Split::Train, "Training loss ends at"),
    ];
    for (all, split, words) in candidates {
        let of_split = all.iter().filter(|s| SPLITS[s.split].0 == split);
        let ends: Vec<(&str, f64, String)> = of_split
            .filter_map(|s| {
                let last: Vec<f64> = s.runs.iter().filter_map(|r| r.last()).map(|p| p.1).collect();
                let end = summary::median(&last)?;
                let accuracy = words.contains("accuracy");
                let text = if accuracy { axis::percent(end / 100.0) } else { axis::number(end) };
                Some((finals[s.arm].name, end, text))
            })
            .collect();
        if !ends.is_empty() {
            let diverged = match summary::diverged(finals) {
                0 => "",
                1 => "; one run diverged",
                _ => "; several runs diverged",
            };
            return format!("{words} {}{diverged}", summary::by_many_arms(&ends));
        }
    }
    "Learning curves".to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn lines(sheet: &Sheet) -> usize {
        let marks = sheet.panels.iter().flat_map(|p| &p.marks);
        marks.filter(|m| matches!(m, Mark::Line { .. })).count()
    }

    #[test]
    fn each_arm_has_a_line_a_split_and_a_thin_one_a_run() {
        let sheet = LearningCurves.plan(&Fixture::default().run()).unwrap().unwrap();
        // Two panels of two arms: medians of two splits, and three single validation runs.
        assert_eq!(lines(&sheet), 2 * 2 * (2 + 3));
        assert_eq!(sheet.legend.len(), 2 * 2 + 1);
        assert_eq!(sheet.panels[0].x.label, "epochs");
    }

    #[test]
    fn many_arms_have_a_panel_each_beside_the_baseline() {
        let arms = vec!["global", "free", "lars", "placebo"];
        let sheet = LearningCurves.plan(&Fixture { arms, ..Fixture::default() }.run()).unwrap();
        let sheet = sheet.unwrap();
        assert_eq!((sheet.panels.len(), sheet.legend.len()), (4, 4));
        // Two splits an arm, and the baseline in three panels.
        assert_eq!(lines(&sheet), 4 * 2 + 3);
    }

    #[test]
    fn a_single_run_is_drawn_without_bands() {
        let one = Fixture { arms: vec![""], search: 1, retrains: 0, ..Fixture::default() };
        let sheet = LearningCurves.plan(&one.run()).unwrap().unwrap();
        assert_eq!((lines(&sheet), sheet.legend.len()), (4, 2));
        assert!(!sheet.caption.contains("Band"), "{}", sheet.caption);
    }

    #[test]
    fn without_curves_there_is_no_figure() {
        let mut run = Fixture::default().run();
        run.curves.clear();
        assert!(LearningCurves.plan(&run).unwrap().is_none());
    }
}
