//! Validation accuracy of every search trial against its overall rate.

use super::axis::{self, Axis};
use super::multiples;
use super::sheet::{Key, Mark, Panel, Rows, Sheet};
use super::summary;
use super::tables::{Run, Status, Trial};
use super::theme::{self, Look, Marker};
use super::{Figure, FigureError};

/// Radius of the ring around a winner.
const WINNER: f64 = 7.5;
/// More arms than this have small panels.
const FEW_ARMS: usize = 4;
/// Radius of trials that were stopped early.
const PRUNED: f64 = 2.6;

/// Scatter of rate and accuracy, one panel an arm.
pub(super) struct RateAccuracy;

/// A search trial that has a place on the rate axis.
struct Placed<'a> {
    trial: &'a Trial,
    rate: f64,
}

/// The search trials of one arm.
struct Arm<'a> {
    name: &'a str,
    look: Look,
    placed: Vec<Placed<'a>>,
    /// Trials of the search with no rates at all, or that failed before they had a value.
    left_out: usize,
}

impl Arm<'_> {
    fn points(&self, wanted: impl Fn(&Trial) -> bool) -> Vec<(f64, f64)> {
        let wanted =
            self.placed.iter().filter(|p| p.trial.status != Status::Diverged && wanted(p.trial));
        wanted.filter_map(|p| Some((p.rate, p.trial.score()? * 100.0))).collect()
    }

    fn diverged(&self) -> Vec<f64> {
        let diverged = self.placed.iter().filter(|p| p.trial.status == Status::Diverged);
        diverged.map(|p| p.rate).collect()
    }

    /// The winner of each search.
    fn winners(&self) -> Vec<&Placed<'_>> {
        let mut numbers: Vec<Option<u64>> = self.placed.iter().map(|p| p.trial.search).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let winner = |number: Option<u64>| {
            let of_search = self.placed.iter().map(|p| p.trial).filter(|t| t.search == number);
            let best = summary::best(of_search)?;
            self.placed.iter().find(|p| p.trial.trial == best.trial)
        };
        numbers.into_iter().filter_map(winner).collect()
    }

    /// The best trial of all its searches.
    fn winner(&self) -> Option<&Placed<'_>> {
        let best = summary::best(self.placed.iter().map(|p| p.trial))?;
        self.placed.iter().find(|p| p.trial.trial == best.trial)
    }
}

impl Figure for RateAccuracy {
    fn name(&self) -> &'static str {
        "rate_accuracy"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let arms = arms(run);
        let total: usize = arms.iter().map(|a| a.placed.len()).sum();
        // One trial is a number, not a scatter.
        if total < 2 {
            return Ok(None);
        }
        let rates = arms.iter().flat_map(|a| a.placed.iter().map(|p| p.rate));
        let many = arms.len() > FEW_ARMS;
        let label = match many {
            true => "mean rate (log scale)",
            false => "learning rate, geometric mean over layers (log scale)",
        };
        let x = Axis::log(label, rates);
        let scores = arms.iter().flat_map(|a| a.points(|_| true)).map(|p| p.1);
        let label = if many { "accuracy (%)" } else { "validation accuracy (%)" };
        let mut y = Axis::linear(label, scores, (0.0, 100.0));
        let diverged: usize = arms.iter().map(|a| a.diverged().len()).sum();
        let strip = (diverged > 0).then(|| y.add_strip("diverged"));
        let pruned = arms.iter().any(|a| !a.points(|t| t.status == Status::Pruned).is_empty());
        let left_out: usize = arms.iter().map(|a| a.left_out).sum();
        let caption = summary::caption(
            run,
            &[
                match diverged {
                    0 => format!("n = {total} search trials, none diverged."),
                    n => format!(
                        "n = {total} search trials, {n} of them diverged (crosses, no accuracy)."
                    ),
                },
                "Each point is one trial's validation accuracy, which the search maximises."
                    .to_owned(),
                if arms.iter().any(|a| a.winner().is_some()) {
                    "It is optimistic for the ringed winners, which were chosen by it.".to_owned()
                } else {
                    String::new()
                },
                if pruned { "Small open points: trials stopped early." } else { "" }.to_owned(),
                match left_out {
                    0 => String::new(),
                    n => format!("Not shown, for want of a rate or a value: {n}."),
                },
            ],
        );
        let panels: Vec<Panel> = arms.iter().map(|arm| panel(arm, &x, &y, strip, many)).collect();
        let (panels, rows) = match panels.len() {
            count if many => multiples::arrange(panels, multiples::columns(count)),
            _ => (panels, Rows::Pairs),
        };
        let (title, legend) = (title(&arms), legend(&arms, pruned, many));
        Ok(Some(Sheet { title, legend, panels, rows, caption }))
    }
}

fn arms(run: &Run) -> Vec<Arm<'_>> {
    let arms = run.arms().into_iter().enumerate().map(|(i, name)| {
        let search = run.trials.iter().filter(|t| t.arm == name && t.is_search());
        let search: Vec<&Trial> = search.filter(|t| t.status != Status::Running).collect();
        let place = |trial: &&'_ Trial| {
            let drawn = trial.status == Status::Diverged || trial.score().is_some();
            summary::overall_rate(trial).filter(|_| drawn)
        };
        let placed: Vec<Placed> =
            search.iter().filter_map(|t| place(t).map(|rate| Placed { trial: t, rate })).collect();
        let left_out = search.len() - placed.len();
        Arm { name, look: theme::arm(i), placed, left_out }
    });
    arms.filter(|arm| !arm.placed.is_empty()).collect()
}

fn panel(arm: &Arm, x: &Axis, y: &Axis, strip: Option<f64>, small: bool) -> Panel {
    let Look { color, marker, .. } = arm.look;
    // The panel's title says which arm it is.
    let (marker, radius) = if small { (Marker::Circle, 2.6) } else { (marker, 3.8) };
    let mut marks = vec![
        Mark::Points {
            points: arm.points(|t| t.status == Status::Pruned),
            marker: Marker::Ring,
            color,
            radius: PRUNED,
        },
        Mark::Points { points: arm.points(|t| t.status != Status::Pruned), marker, color, radius },
    ];
    let diverged = arm.diverged();
    if let Some(strip) = strip {
        let points = diverged.iter().map(|rate| (*rate, strip)).collect();
        marks.push(Mark::Points { points, marker: Marker::Cross, color, radius: 4.0 });
    }
    let mut subtitle = "no trial was completed".to_owned();
    let winners = arm.winners();
    let points = winners.iter().filter_map(|w| Some((w.rate, w.trial.score()? * 100.0))).collect();
    let (ring, width) = (Marker::Ring, if small { WINNER * 0.7 } else { WINNER });
    marks.push(Mark::Points { points, marker: ring, color: theme::INK, radius: width });
    if let Some((winner, score)) = arm.winner().and_then(|w| Some((w, w.trial.score()?))) {
        subtitle = format!("best {} at {}", axis::percent(score), axis::number(winner.rate));
    }
    if small {
        subtitle = format!("n = {}, {} diverged", arm.placed.len(), diverged.len());
    } else if !diverged.is_empty() {
        subtitle = format!("{subtitle}; {} of {} diverged", diverged.len(), arm.placed.len());
    }
    let name = if arm.name.is_empty() { "search" } else { arm.name };
    Panel {
        title: if small { name.to_owned() } else { format!("{name} (n = {})", arm.placed.len()) },
        subtitle,
        x: x.clone(),
        y: y.clone(),
        marks,
        height: if small { 140.0 } else { 270.0 },
        weight: 1.0,
    }
}

fn legend(arms: &[Arm], pruned: bool, small: bool) -> Vec<Key> {
    let named = arms.iter().filter(|_| !small).map(|arm| {
        let label = if arm.name.is_empty() { "trial" } else { arm.name };
        Key::marker(label, arm.look.marker, arm.look.color)
    });
    let mut keys: Vec<Key> = named.collect();
    if small {
        keys.push(Key::sized("trial", Marker::Circle, theme::MUTED, 2.6));
    }
    if pruned {
        keys.push(Key::sized("stopped early", Marker::Ring, theme::MUTED, PRUNED));
    }
    if arms.iter().any(|a| !a.diverged().is_empty()) {
        keys.push(Key::marker("diverged", Marker::Cross, theme::MUTED));
    }
    if arms.iter().any(|a| a.winner().is_some()) {
        let several = arms.iter().any(|a| a.winners().len() > 1);
        let winner = if several { "winner of a search" } else { "winner" };
        keys.push(Key::sized(winner, Marker::Ring, theme::INK, WINNER));
    }
    keys
}

fn title(arms: &[Arm]) -> String {
    let best: Vec<(&str, f64, String)> = arms
        .iter()
        .filter_map(|arm| {
            let winner = arm.winner()?;
            let score = winner.trial.score()?;
            let text = format!("{} at {}", axis::percent(score), axis::number(winner.rate));
            Some((arm.name, score, text))
        })
        .collect();
    if best.is_empty() {
        return "No search trial was completed".to_owned();
    }
    format!("Best validation accuracy and rate: {}", summary::by_many_arms(&best))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn points(sheet: &Sheet, wanted: impl Fn(Marker, f64) -> bool) -> usize {
        let marks = sheet.panels.iter().flat_map(|p| &p.marks);
        let sizes = marks.map(|mark| match mark {
            Mark::Points { points, marker, radius, .. } if wanted(*marker, *radius) => points.len(),
            _ => 0,
        });
        sizes.sum()
    }

    #[test]
    fn every_search_trial_is_a_point_or_a_cross_and_each_arm_has_a_winner() {
        let sheet = RateAccuracy.plan(&Fixture::default().run()).unwrap().unwrap();
        assert_eq!(points(&sheet, |m, _| m == Marker::Cross), 2 * 2);
        assert_eq!(points(&sheet, |m, _| !matches!(m, Marker::Cross | Marker::Ring)), 2 * 10);
        assert_eq!(points(&sheet, |m, radius| m == Marker::Ring && radius == WINNER), 2);
        assert!(sheet.caption.contains("n = 24 search trials, 4 of them diverged"));
    }

    #[test]
    fn diverged_trials_alone_are_shown_too() {
        let run = Fixture { diverged: true, ..Fixture::default() }.run();
        let sheet = RateAccuracy.plan(&run).unwrap().unwrap();
        assert_eq!(sheet.title, "No search trial was completed");
        assert_eq!(points(&sheet, |m, _| m == Marker::Cross), 24);
    }
}
