//! How the final values are distributed.

use super::axis::Axis;
use super::scatter;
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::study::{self, Study};
use super::summary;
use super::tables::{Run, Status};
use super::theme::{self, Dash};
use super::{Figure, FigureError};

/// The half of fewer trials is not worth a title.
const FEW: usize = 5;
/// Most corners of a line.
const CORNERS: usize = 3000;

/// The empirical distribution function of the trials' values.
pub(super) struct Edf;

/// Some trials' values.
struct Sample {
    name: &'static str,
    stroke: Stroke,
    sorted: Vec<f64>,
}

impl Figure for Edf {
    fn name(&self) -> &'static str {
        "edf"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let study = Study::of(run);
        let samples = samples(&study);
        let values = || samples.iter().flat_map(|s| s.sorted.iter().copied());
        // One value has no distribution.
        if samples.iter().all(|s| s.sorted.len() < 2) {
            return Ok(None);
        }
        let x = study.axis(values());
        let y = Axis::linear("share of trials (%)", [0.0, 100.0], (0.0, 100.0));
        let shares = |sample: &Sample| -> Vec<(f64, f64)> {
            let n = sample.sorted.len() as f64;
            let steps = sample.sorted.iter().enumerate();
            let corners = steps.flat_map(|(i, value)| {
                [(*value, i as f64 / n * 100.0), (*value, (i + 1) as f64 / n * 100.0)]
            });
            scatter::stride(corners.collect(), CORNERS)
        };
        let marks = samples.iter().map(|s| Mark::Line { points: shares(s), stroke: s.stroke });
        let legend = samples
            .iter()
            .map(|s| {
                let n = study::thousands(s.sorted.len());
                Key::stroke(format!("{} (n = {n})", s.name), s.stroke)
            })
            .collect();
        let panel = Panel {
            title: String::new(),
            subtitle: String::new(),
            x: x.clone(),
            y,
            marks: marks.collect(),
            height: 290.0,
            weight: 1.0,
        };
        let missing = study.trials.iter().filter(|t| study.value(t).is_none()).count();
        let all = samples.last().map_or(&[][..], |s| &s.sorted);
        let caption = study.caption(&[
            study.counts(),
            "At each value: the share of trials whose value is at most as large.".to_owned(),
            study.pruned_values(),
            match missing {
                0 => String::new(),
                n => format!("Not counted, for want of a value: {}.", study::thousands(n)),
            },
            study.beyond(&x, all.iter().copied()),
        ]);
        let title = title(&study, &samples[0]);
        Ok(Some(Sheet { title, legend, panels: vec![panel], rows: Rows::Pairs, caption }))
    }
}

/// Complete trials, and complete and pruned ones where there are both.
fn samples(study: &Study) -> Vec<Sample> {
    let sorted = |statuses: &[Status]| -> Vec<f64> {
        let wanted = study.trials.iter().filter(|t| statuses.contains(&t.status));
        let mut values: Vec<f64> = wanted.filter_map(|t| study.value(t)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let complete = theme::status(Status::Complete).color;
    let both = Stroke { color: theme::MUTED, width: 1.6, dash: Dash::Dashed, marker: None };
    let samples = [
        ("complete", Stroke::solid(complete, 2.2), sorted(&[Status::Complete])),
        ("complete and pruned", both, sorted(&[Status::Complete, Status::Pruned])),
    ];
    let pruned = study.count(Status::Pruned) > 0;
    samples
        .into_iter()
        .filter(|(name, _, sorted)| !sorted.is_empty() && (pruned || *name == "complete"))
        .map(|(name, stroke, sorted)| Sample { name, stroke, sorted })
        .collect()
}

fn title(study: &Study, sample: &Sample) -> String {
    let n = study::thousands(sample.sorted.len());
    let trials = match sample.name {
        "complete" => format!("{n} complete trials"),
        name => format!("{n} {name} trials"),
    };
    let measure = study.measure();
    match summary::median(&sample.sorted) {
        Some(middle) if sample.sorted.len() >= FEW => {
            format!("Half of the {trials} reach {measure} {} or better", study.words(middle))
        }
        _ => study.title(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::search_fixture::SearchFixture;
    use super::*;

    #[test]
    fn each_value_is_a_step_of_its_share() {
        let complete = |i: usize| if i < 5 { ("complete", 1) } else { ("pruned", 1) };
        let values = |i: usize, _| i as f64;
        let fixture =
            SearchFixture { trials: 8, fate: complete, value: values, ..SearchFixture::default() };
        let sheet = Edf.plan(&fixture.run()).unwrap().unwrap();
        let Mark::Line { points, .. } = &sheet.panels[0].marks[0] else { panic!("no line") };
        assert_eq!(points[..4], [(0.0, 0.0), (0.0, 20.0), (1.0, 20.0), (1.0, 40.0)]);
        assert_eq!(sheet.legend[1].label, "complete and pruned (n = 8)");
        assert_eq!(sheet.title, "Half of the 5 complete trials reach validation loss 2 or better");
    }

    #[test]
    fn one_value_has_no_distribution() {
        let fixture = SearchFixture { trials: 1, ..SearchFixture::default() };
        assert!(Edf.plan(&fixture.run()).unwrap().is_none());
    }
}
