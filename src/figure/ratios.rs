//! How the rates that searches found differ between layers.

use super::axis::{self, Axis};
use super::multiples;
use super::searches;
use super::sheet::{Key, Mark, Panel, Sheet, Stroke};
use super::summary;
use super::tables::{Run, Trial};
use super::theme::{self, Dash, Look, Marker};
use super::{Figure, FigureError};

/// Ratios closer to 1 than this are equal rates with rounding.
const EQUAL: f64 = 1.01;

/// Each layer's rate over the geometric mean of the layers, for the winner of each search.
pub(super) struct Ratios;

/// The winners of one arm whose rates differ between layers.
struct Arm<'a> {
    name: &'a str,
    look: Look,
    /// Ratio of each layer, of each search's winner.
    winners: Vec<Vec<f64>>,
}

impl Arm<'_> {
    fn of_layer(&self, layer: usize) -> Vec<f64> {
        self.winners.iter().map(|ratios| ratios[layer]).collect()
    }

    /// The median over searches, in logarithms.
    fn median(&self, layer: usize) -> Option<f64> {
        let logs: Vec<f64> = self.of_layer(layer).into_iter().map(f64::ln).collect();
        summary::median(&logs).map(f64::exp)
    }
}

impl Figure for Ratios {
    fn name(&self) -> &'static str {
        "ratios"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let (varied, equal): (Vec<Arm>, Vec<Arm>) = arms(run)
            .into_iter()
            .partition(|arm| arm.winners.iter().flatten().any(|r| *r > EQUAL || *r < 1.0 / EQUAL));
        if varied.is_empty() {
            return Ok(None);
        }
        let all = varied.iter().flat_map(|a| a.winners.iter().flatten().copied());
        let x = Axis::ratios("rate ÷ geometric mean over layers (log scale)", all);
        let panels: Vec<Panel> = varied.iter().map(|arm| panel(arm, &run.layers, &x)).collect();
        let columns = multiples::columns(panels.len());
        let (panels, rows) = multiples::arrange(panels, columns);
        let most = varied.iter().map(|a| a.winners.len()).max().unwrap_or(0);
        let several = most > 1;
        let mut legend = vec![Key::marker(
            if several { "winner of a search" } else { "winner of the search" },
            Marker::Circle,
            theme::MUTED,
        )];
        if several {
            legend.push(Key::stroke("median over searches", median()));
        }
        legend.push(Key::stroke("equal rates", reference()));
        let equal: Vec<&str> = equal.iter().map(|a| a.name).filter(|n| !n.is_empty()).collect();
        let caption = summary::caption(
            run,
            &[
                counts(&varied),
                "Base rate of each layer, before any schedule, over the geometric mean of the \
                 winner's layer rates; a search's winner is its trial with the best validation \
                 accuracy, the earliest of equals."
                    .to_owned(),
                match equal.is_empty() {
                    true => String::new(),
                    false => format!("One rate for all layers: {}.", equal.join(", ")),
                },
            ],
        );
        let title = title(&varied, &run.layers);
        Ok(Some(Sheet { title, legend, panels, rows, caption }))
    }
}

fn arms(run: &Run) -> Vec<Arm<'_>> {
    let arms = run.arms().into_iter().enumerate().map(|(i, name)| {
        let searches = searches::searches(run, name);
        let winners = searches.iter().filter_map(|s| ratios(s.winner()?, run.layers.len()));
        Arm { name, look: theme::arm(i), winners: winners.collect() }
    });
    arms.filter(|arm| !arm.winners.is_empty()).collect()
}

/// The ratios of a trial that has a positive rate for every layer.
pub(super) fn ratios(trial: &Trial, layers: usize) -> Option<Vec<f64>> {
    let rates: Option<Vec<f64>> =
        trial.rates.iter().map(|rate| rate.filter(|r| *r > 0.0)).collect();
    let rates = rates.filter(|rates| rates.len() == layers && layers > 0)?;
    let mean = summary::overall_rate(trial)?;
    Some(rates.into_iter().map(|rate| rate / mean).collect())
}

fn median() -> Stroke {
    Stroke::solid(theme::INK, 2.4)
}

fn reference() -> Stroke {
    Stroke { color: theme::INK, width: 1.2, dash: Dash::Dashed, marker: None }
}

fn panel(arm: &Arm, layers: &[String], x: &Axis) -> Panel {
    let y = Axis::names("", layers.iter().cloned()).downwards();
    let mut marks = vec![Mark::Vertical { x: 1.0, stroke: reference() }];
    let count = arm.winners.len();
    for layer in 0..layers.len() {
        let at = layer as f64;
        // One search above the next, so that equal ones stay visible.
        let place = |i: usize| at + 0.5 * ((i as f64 + 0.5) / count as f64 - 0.5);
        let points = arm.of_layer(layer).into_iter().enumerate();
        let points = points.map(|(i, ratio)| (ratio, place(i))).collect();
        let (marker, color) = (Marker::Circle, arm.look.color);
        marks.push(Mark::Points { points, marker, color, radius: 3.6 });
        if let Some(middle) = arm.median(layer).filter(|_| count > 1) {
            let points = vec![(middle, at - 0.38), (middle, at + 0.38)];
            marks.push(Mark::Line { points, stroke: median() });
        }
    }
    Panel {
        title: arm.name.to_owned(),
        subtitle: format!("n = {count} search{}", if count == 1 { "" } else { "es" }),
        x: x.clone(),
        y,
        marks,
        height: (layers.len() as f64 * if layers.len() > 8 { 17.0 } else { 26.0 }).max(60.0),
        weight: 1.0,
    }
}

fn counts(arms: &[Arm]) -> String {
    let counts: Vec<f64> = arms.iter().map(|a| a.winners.len() as f64).collect();
    match summary::range(&counts) {
        Some((1.0, 1.0)) => "n = 1 search winner per arm.".to_owned(),
        Some((low, high)) if low == high => format!("n = {low} search winners per arm."),
        Some((low, high)) => format!("n = {low} to {high} search winners per arm."),
        None => String::new(),
    }
}

/// The slowest and the fastest layer of the arm with the most freedom.
fn title(arms: &[Arm], layers: &[String]) -> String {
    let Some(arm) = arms.iter().find(|a| a.name == "free").or(arms.first()) else {
        return String::new();
    };
    let medians = layers.iter().enumerate().filter_map(|(i, name)| Some((name, arm.median(i)?)));
    let medians: Vec<(&String, f64)> = medians.collect();
    let least = medians.iter().copied().reduce(|a, b| if b.1 < a.1 { b } else { a });
    let most = medians.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
    let Some((least, most)) = least.zip(most) else { return String::new() };
    let told = |(name, ratio): (&String, f64)| {
        let name = theme::elide(name, 200.0, theme::TITLE, true);
        format!("×{} ({name})", axis::number_of(ratio, 2))
    };
    let arm = if arm.name.is_empty() { String::new() } else { format!(", {}", arm.name) };
    format!("Found layer rates{arm}: {} to {} of their mean", told(least), told(most))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn each_winner_is_a_point_a_layer_and_medians_are_marked() {
        let mut run = Fixture { searches: 3, ..Fixture::default() }.run();
        for trial in &mut run.trials {
            let search = trial.search.unwrap() as f64;
            trial.rates.fill(Some(0.01));
            if trial.arm == "free" {
                // Ratios 1/4 and 4 for two layers, and twice that for one search.
                trial.rates[0] = Some(0.0025 * (1.0 + search).min(2.0));
                trial.rates[4] = Some(0.04 / (1.0 + search).min(2.0));
            }
        }
        let sheet = Ratios.plan(&run).unwrap().unwrap();
        assert_eq!(sheet.panels.len(), 1);
        assert!(sheet.caption.contains("n = 3 search winners"), "{}", sheet.caption);
        assert!(sheet.caption.contains("One rate for all layers: global."));
        assert!(sheet.title.contains("×0.5 (conv1) to ×2 (fc3)"), "{}", sheet.title);
        let points: Vec<_> = sheet.panels[0]
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Points { points, .. } => Some(points.len()),
                _ => None,
            })
            .collect();
        assert_eq!(points, [3; 5]);
    }

    #[test]
    fn equal_rates_are_no_figure() {
        let mut run = Fixture::default().run();
        run.trials.iter_mut().for_each(|t| t.rates.fill(Some(0.3)));
        assert!(Ratios.plan(&run).unwrap().is_none());
    }
}
