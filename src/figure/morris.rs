//! Morris' plane: how large elementary effects are, and how much they depend on where one stands.

use super::axis::Axis;
use super::effects;
use super::rankings::{is_dummy, sorted};
use super::sheet::{Key, Label, Mark, Panel, Rows, Sheet, Stroke};
use super::tables::Run;
use super::theme::{self, Dash, Marker};
use super::{Figure, FigureError};

/// Ends of intervals leave the plot from so many times the greatest value on.
const REACH: f64 = 1.6;
/// Unbounded above.
const FROM_ZERO: (f64, f64) = (0.0, f64::INFINITY);

/// μ* against σ, a point a hyperparameter.
pub(super) struct Morris;

impl Figure for Morris {
    fn name(&self) -> &'static str {
        "morris"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let of =
            |index: &'static str| run.rankings.indices.iter().filter(move |e| e.index == index);
        let points: Vec<_> = sorted(of("mu_star"))
            .into_iter()
            .filter_map(|mean| {
                let spread = of("sigma").find(|e| e.parameter == mean.parameter)?;
                Some((mean, mean.value?, spread, spread.value?))
            })
            .collect();
        if points.is_empty() {
            return Ok(None);
        }
        let means: Vec<_> = points.iter().map(|point| point.0).collect();
        // A few trajectories bound σ badly: the ends of their intervals must not squeeze all points.
        let within = |values: Vec<f64>, ends: Vec<Option<f64>>| {
            let most = REACH * values.iter().copied().fold(0.0, f64::max);
            let ends = ends.into_iter().flatten().map(move |end| end.min(most));
            values.into_iter().chain(ends).collect::<Vec<_>>()
        };
        let xs =
            within(points.iter().map(|p| p.1).collect(), points.iter().map(|p| p.0.high).collect());
        let ys =
            within(points.iter().map(|p| p.3).collect(), points.iter().map(|p| p.2.high).collect());
        let x = Axis::linear(
            "μ*: mean size of an elementary effect",
            xs.into_iter().chain([0.0]),
            FROM_ZERO,
        );
        let y = Axis::linear("σ: spread of the effects", ys.into_iter().chain([0.0]), FROM_ZERO);
        let most = points.iter().map(|p| p.1.max(p.3)).fold(0.0, f64::max);
        let equal = Stroke { color: theme::FAINT, width: 1.2, dash: Dash::Dotted, marker: None };
        let mut marks = vec![Mark::Line { points: vec![(0.0, 0.0), (most, most)], stroke: equal }];
        let floor = run.manifest.noise_floor;
        marks.extend(floor.map(|x| Mark::Vertical { x, stroke: effects::floor_stroke() }));
        for (mean, at, spread, height) in &points {
            let color = if is_dummy(&mean.parameter) { theme::FAINT } else { theme::arm(0).color };
            let pale = theme::pale(color);
            if let Some((low, high)) = mean.low.zip(mean.high) {
                marks.push(Mark::Interval { a: (low, *height), b: (high, *height), color: pale });
            }
            if let Some((low, high)) = spread.low.zip(spread.high) {
                marks.push(Mark::Interval { a: (*at, low), b: (*at, high), color: pale });
            }
            let points = vec![(*at, *height)];
            marks.push(Mark::Points { points, marker: Marker::Circle, color, radius: 4.5 });
        }
        marks.extend(points.iter().map(|(mean, at, _, height)| {
            let width = theme::text_width(&mean.parameter, theme::TICK, false).min(150.0) + 1.0;
            Mark::Label(Label {
                at: (*at, *height),
                shift: (8.0, -8.0),
                text: mean.parameter.clone(),
                room: width,
                elsewhere: vec![(8.0, 9.0), (-8.0 - width, -8.0), (-8.0 - width, 9.0), (8.0, 0.0)],
            })
        }));
        let (title, subtitle) = (String::new(), String::new());
        let panels = vec![Panel { title, subtitle, x, y, marks, height: 380.0, weight: 1.0 }];
        let mut legend = vec![Key::stroke("σ = μ*", equal)];
        legend.extend(floor.map(|_| effects::floor_key()));
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                match run.manifest.noise_is_taken_out {
                    true => "Noise is taken out; the floor is the end of the dummy's interval.",
                    false => "",
                }
                .to_owned(),
                "Bars: 95 % bootstrap intervals over trajectories. Above the dotted line effects depend on \
                 the other hyperparameters, or on noise, more than they add up."
                    .to_owned(),
            ],
        );
        let title = effects::title(&means, "μ*", run);
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}
