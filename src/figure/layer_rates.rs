//! The rate of each layer in each arm's winner, against the global rate.

use super::axis::{self, Axis, Tick};
use super::sheet::{Key, Mark, Panel, Rows, Sheet, Stroke};
use super::summary::{self, Finals};
use super::tables::Run;
use super::theme::{self, Dash};
use super::{Figure, FigureError};

/// Height of a layer's row.
const ROW: f64 = 22.0;
/// The arm that all others are compared with.
const GLOBAL: &str = "global";
/// The arm that the title is about, where there is one.
const FREE: &str = "free";
/// Rates closer together than this factor are equal rates with rounding.
const EQUAL: f64 = 1.01;

/// Bars of the winners' layer rates.
pub(super) struct LayerRates;

/// A layer's rate with its range over the winners.
struct Rate {
    layer: usize,
    rate: f64,
    low: f64,
    high: f64,
}

impl Figure for LayerRates {
    fn name(&self) -> &'static str {
        "layer_rates"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let mut finals = summary::finals(run);
        finals.retain(|f| !rates(run, f).is_empty());
        let global = finals.iter().find(|f| f.name == GLOBAL).and_then(Finals::overall_rate);
        // The global arm is the reference line of the others; alone, it is shown itself.
        if finals.len() > 1 {
            finals.retain(|f| f.name != GLOBAL);
        }
        // Where some arm's layers differ, those whose layers are alike need no bars.
        let mut alike = Vec::new();
        if finals.len() > 1 && finals.iter().any(|f| !is_alike(&rates(run, f))) {
            let (equal, varied) = finals.into_iter().partition(|f| is_alike(&rates(run, f)));
            (alike, finals) = (equal, varied);
        }
        let reference = |f: &Finals| global.or_else(|| f.overall_rate());
        let shared = finals.iter().flat_map(|f| {
            let rates = rates(run, f);
            let ends = rates.into_iter().flat_map(|r| [r.low, r.high]);
            ends.chain(reference(f)).collect::<Vec<_>>()
        });
        let x = Axis::log("learning rate (log scale)", shared);
        let panels: Vec<Panel> = finals
            .iter()
            .filter_map(|f| Some(panel(f, &rates(run, f), reference(f)?, &run.layers, &x)))
            .collect();
        let Some(title) = finals
            .iter()
            .find(|f| f.name == FREE)
            .or(finals.first())
            .and_then(|f| title(run, f, reference(f)?, global.is_some()))
        else {
            return Ok(None);
        };
        let line = match global {
            Some(rate) => format!("global winner: {}", axis::number(rate)),
            None => "geometric mean over layers".to_owned(),
        };
        let ranged = finals.iter().flat_map(|f| rates(run, f)).any(|r| r.low < r.high);
        let caption = summary::caption(
            run,
            &[
                summary::counts(&finals),
                format!(
                    "Bars run from the reference ({line}) to the layer's base rate, before any \
                     schedule; beside them its ratio to the reference, and the rate."
                ),
                if ranged {
                    "Bar: geometric mean over winners; whisker: least to greatest.".to_owned()
                } else {
                    String::new()
                },
                match alike.as_slice() {
                    [] => String::new(),
                    alike => {
                        let names: Vec<&str> = alike.iter().map(|f| f.name).collect();
                        format!("One rate for all layers: {}.", names.join(", "))
                    }
                },
            ],
        );
        let mut legend: Vec<Key> = finals
            .iter()
            .filter(|f| !f.name.is_empty())
            .map(|f| Key::marker(f.name, f.look.marker, f.look.color))
            .collect();
        legend.push(Key::stroke(line, reference_stroke()));
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}

fn reference_stroke() -> Stroke {
    Stroke { color: theme::INK, width: 1.4, dash: Dash::Dashed, marker: None }
}

fn rates(run: &Run, of_arm: &Finals) -> Vec<Rate> {
    let rate = |layer| {
        let (rate, low, high) = of_arm.layer_rate(layer)?;
        Some(Rate { layer, rate, low, high })
    };
    (0..run.layers.len()).filter_map(rate).collect()
}

/// Whether all layers learn at the same rate.
fn is_alike(rates: &[Rate]) -> bool {
    let ends: Vec<f64> = rates.iter().map(|r| r.rate).collect();
    summary::range(&ends).is_none_or(|(low, high)| high / low < EQUAL)
}

fn panel(of_arm: &Finals, rates: &[Rate], reference: f64, layers: &[String], x: &Axis) -> Panel {
    let mut y = Axis::names("", rates.iter().map(|r| layers[r.layer].clone())).downwards();
    let mut marks = Vec::new();
    let mut tips = vec![Mark::Vertical { x: reference, stroke: reference_stroke() }];
    for (row, rate) in rates.iter().enumerate() {
        let at = row as f64;
        let color = of_arm.look.color;
        let label = format!("×{} ({})", ratio(rate.rate / reference), axis::number(rate.rate));
        y.far.push(Tick { at, label });
        marks.push(Mark::Bar { y: at, from: reference, to: rate.rate, color });
        if rate.low < rate.high {
            tips.push(Mark::Interval { a: (rate.low, at), b: (rate.high, at), color });
        }
        let (points, marker) = (vec![(rate.rate, at)], of_arm.look.marker);
        tips.push(Mark::Points { points, marker, color, radius: 4.0 });
    }
    // Over the bars, so that none hides the line that they start from.
    marks.append(&mut tips);
    Panel {
        title: of_arm.label(),
        subtitle: format!(
            "overall (geometric mean) {}",
            of_arm.overall_rate().map_or_else(String::new, axis::number)
        ),
        x: x.clone(),
        y,
        marks,
        height: (rates.len() as f64 * ROW).max(60.0),
        weight: 1.0,
    }
}

/// Two digits, but no more decimals than anyone reads.
fn ratio(ratio: f64) -> String {
    match ratio {
        r if r >= 9.95 => axis::number(r.round()),
        r if r >= 0.095 => axis::decimal(r, if r < 0.995 { 2 } else { 1 }),
        r => axis::number(r),
    }
}

fn title(run: &Run, of_arm: &Finals, reference: f64, is_global: bool) -> Option<String> {
    let rates = rates(run, of_arm);
    let fastest = rates.iter().reduce(|a, b| if b.rate > a.rate { b } else { a })?;
    let slowest = rates.iter().reduce(|a, b| if b.rate < a.rate { b } else { a })?;
    if is_alike(&rates) {
        return Some(format!("All layers learn at the rate {}", axis::number(fastest.rate)));
    }
    let name = |r: &Rate| theme::elide(&run.layers[r.layer], 220.0, theme::TITLE, true);
    let times = |r: &Rate| ratio(r.rate / reference);
    let of_what = if is_global { "the global rate" } else { "their geometric mean" };
    let arm = if of_arm.name.is_empty() {
        "Layer rates".to_owned()
    } else {
        format!("Layer rates, {}", of_arm.name)
    };
    Some(format!(
        "{arm}: {} ({}) to {} ({}) times {of_what}",
        times(slowest),
        name(slowest),
        times(fastest),
        name(fastest)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn every_layer_has_a_bar_from_the_global_rate() {
        let mut run = Fixture::default().run();
        for trial in &mut run.trials {
            let rate = if trial.arm == GLOBAL { 0.01 } else { 0.02 };
            trial.rates.fill(Some(rate));
        }
        run.trials.last_mut().unwrap().rates[0] = Some(0.04);
        let sheet = LayerRates.plan(&run).unwrap().unwrap();
        assert_eq!(sheet.panels.len(), 1);
        let panel = &sheet.panels[0];
        let bars =
            panel.marks.iter().filter(|m| matches!(m, Mark::Bar { from, .. } if *from == 0.01));
        assert_eq!(bars.count(), 5);
        assert_eq!(panel.y.far[1].label, "×2.0 (0.02)");
        // The one winner that differs shows as a whisker.
        assert_eq!(panel.marks.iter().filter(|m| matches!(m, Mark::Interval { .. })).count(), 1);
        assert!(sheet.title.contains("2.0 (conv2) to 2.5 (conv1) times"), "{}", sheet.title);
    }

    #[test]
    fn arms_with_one_rate_for_all_layers_are_named_in_the_caption() {
        let arms = vec!["global", "lars", "type-groups", "free"];
        let mut run = Fixture { arms, ..Fixture::default() }.run();
        for trial in run.trials.iter_mut().filter(|t| t.arm == "lars") {
            trial.rates.fill(Some(0.02));
        }
        let sheet = LayerRates.plan(&run).unwrap().unwrap();
        let titles: Vec<&str> = sheet.panels.iter().map(|p| p.title.as_str()).collect();
        assert_eq!(titles, ["type-groups (n = 3)", "free (n = 3)"]);
        assert!(sheet.title.starts_with("Layer rates, free"), "{}", sheet.title);
        assert!(sheet.caption.contains("One rate for all layers: lars."), "{}", sheet.caption);
    }

    #[test]
    fn ratios_are_short() {
        assert_eq!([12.34, 3.21, 0.321, 0.032].map(ratio), ["12", "3.2", "0.32", "0.032"]);
    }
}
