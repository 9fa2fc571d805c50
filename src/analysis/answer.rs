//! The answer to question 1, as JSON for programs and as a page for people.

use std::fmt::Write;

use serde_json::{Value, json};

use super::arms::{SEARCH, diverged, searches, test_accuracies, trials, winners};
use super::statistics::{mean, standard_deviation};
use super::{Calibration, Comparison, Judgement, Unit};
use crate::record::{TrialRow, number};

/// An arm as the answer speaks of it.
#[derive(Clone, Debug)]
pub struct ArmInWords {
    /// Name in the tables.
    pub name: String,
    /// What it does, in a few words.
    pub about: String,
    /// Hyperparameters that it searches; none for an arm that follows from another's winner.
    pub dimensions: usize,
}

/// Everything that the answer says.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The arms; the first is the baseline.
    pub arms: &'a [ArmInWords],
    /// All trials.
    pub rows: &'a [TrialRow],
    /// Every other arm against the baseline; none if no pair of models finished.
    pub comparisons: Vec<(String, Option<Comparison>)>,
    /// The arm that the headline is about.
    pub treatment: &'a str,
    /// How often the verdict errs, by simulation with this run's noise.
    pub calibration: Option<Calibration>,
    /// Smallest effect of interest, a share.
    pub smallest_effect: f64,
    /// The data, as captions say it.
    pub dataset: &'a str,
    /// Net, budget, device: one paragraph.
    pub protocol: String,
    /// What a reader must know beside the numbers.
    pub notes: Vec<String>,
    /// The command that made it.
    pub command: &'a str,
    /// Names of the figures drawn.
    pub figures: Vec<String>,
}

impl Answer<'_> {
    fn baseline(&self) -> &str {
        self.arms.first().map_or("", |arm| &arm.name)
    }

    fn comparison(&self, arm: &str) -> Option<&Comparison> {
        self.comparisons.iter().find(|(name, _)| name == arm)?.1.as_ref()
    }

    /// The columns of `differences.csv`.
    pub const DIFFERENCES: &'static [&'static str] = &[
        "arm",
        "about",
        "baseline",
        "unit",
        "searches",
        "n",
        "difference",
        "low",
        "high",
        "p",
        "holm_p",
        "tost_p",
        "verdict",
        "searches_needed",
    ];

    /// Every other arm against the baseline, a row each: differences are shares of test images.
    pub fn differences(&self) -> Vec<Vec<String>> {
        let about = |name: &str| {
            let arm = self.arms.iter().find(|arm| arm.name == name);
            arm.map_or(String::new(), |arm| arm.about.clone())
        };
        let row = |(arm, found): &(String, Option<Comparison>)| {
            let found = found.as_ref()?;
            let unit = match found.unit {
                Unit::Search => "search",
                Unit::Pair => "pair",
            };
            Some(vec![
                arm.clone(),
                about(arm),
                self.baseline().to_owned(),
                unit.to_owned(),
                found.searches.to_string(),
                found.n.to_string(),
                number(found.difference),
                number(found.low),
                number(found.high),
                number(found.p),
                number(found.holm_p),
                number(found.tost_p),
                found.verdict.name().to_owned(),
                found.searches_needed.map_or(String::new(), |needed| needed.to_string()),
            ])
        };
        self.comparisons.iter().filter_map(row).collect()
    }

    /// The verdict in one sentence.
    pub fn headline(&self) -> String {
        let data = self.dataset;
        let (arm, baseline) = (self.treatment, self.baseline());
        let Some(comparison) = self.comparison(arm) else {
            return format!("No verdict: an arm has no retrained model that finished ({data}).");
        };
        let what = match arm {
            "free" => "free rates per layer".to_owned(),
            other => format!("the rates of arm {other}"),
        };
        let base = match baseline {
            "global" => "one global rate".to_owned(),
            other => format!("those of arm {other}"),
        };
        let verdict = match comparison.verdict {
            Judgement::Better => format!("{what} were better than {base}"),
            Judgement::Worse => format!("{what} were worse than {base}"),
            Judgement::Equivalent => format!("{what} and {base} were equivalent"),
            Judgement::Inconclusive => format!("inconclusive: {what} against {base}"),
        };
        let more = match comparison.verdict {
            Judgement::Inconclusive => needed(comparison),
            _ => None,
        };
        let more = more.map(|more| format!(" ({more})")).unwrap_or_default();
        format!(
            "{}: {} points of test accuracy, 95 % interval {}, {}{more}. Data: {data}.",
            capitalised(&verdict),
            points(comparison.difference),
            interval(comparison.low, comparison.high),
            counted(comparison),
        )
    }

    /// `verdict.json`.
    pub fn json(&self) -> Value {
        let arm = |arm: &ArmInWords| {
            let tests = test_accuracies(self.rows, &arm.name);
            let search = trials(self.rows, &arm.name, SEARCH);
            let winners = winners(self.rows, &arm.name).into_iter().map(|(search, winner)| {
                let rates = winner.rates.iter().map(|(layer, rate)| (layer.clone(), json!(rate)));
                json!({
                    "search": search,
                    "trial": winner.trial,
                    "validation_accuracy": winner.value,
                    "rates": rates.collect::<Value>(),
                })
            });
            json!({
                "arm": arm.name,
                "about": arm.about,
                "dimensions": arm.dimensions,
                "searches": searches(self.rows, &arm.name).len(),
                "search_trials": search.len(),
                "search_diverged": diverged(self.rows, &arm.name),
                "images_searched": search.iter().map(|row| row.images_trained).sum::<u64>(),
                "retrains": tests.len(),
                "test_accuracy": (!tests.is_empty()).then(|| mean(&tests)),
                "test_accuracy_sd": (tests.len() > 1).then(|| standard_deviation(&tests)),
                "winners": winners.collect::<Vec<_>>(),
            })
        };
        let baseline = self.baseline();
        let comparisons = self.comparisons.iter().filter_map(|(arm, comparison)| {
            let mut entry = json!(comparison.as_ref()?);
            entry["arm"] = json!(arm);
            entry["baseline"] = json!(baseline);
            Some(entry)
        });
        let of = self.comparison(self.treatment);
        json!({
            "question": "Should the learning rate be the same in every layer?",
            "comparison": format!(
                "test accuracy, {} minus {baseline}, paired by seed", self.treatment
            ),
            "baseline": baseline,
            "arms": self.arms.iter().map(arm).collect::<Vec<_>>(),
            "difference": of.map(|c| c.difference),
            "low": of.map(|c| c.low),
            "high": of.map(|c| c.high),
            "interval": match of.map(|c| c.unit) {
                Some(Unit::Search) => "95 %, over independent searches",
                _ => "95 %, over pairs of models of one search",
            },
            "confidence": 0.95,
            "n": of.map_or(0, |c| c.n),
            "searches": of.map_or(0, |c| c.searches),
            "standard_deviation": of.map(|c| c.standard_deviation),
            "smallest_effect": self.smallest_effect,
            "verdict": of.map_or(Judgement::Inconclusive, |c| c.verdict),
            "n_needed": of.and_then(|c| c.n_needed),
            "searches_needed": of.and_then(|c| c.searches_needed),
            "comparisons": comparisons.collect::<Vec<_>>(),
            "calibration": self.calibration,
            "dataset": self.dataset,
            "notes": self.notes,
        })
    }

    /// `summary.md`.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# Should the learning rate be the same in every layer?\n\n**{}**\n\n{}\n\n",
            self.headline(),
            self.protocol
        );
        text += &self.arms_table();
        text += &self.comparisons_table();
        text += &self.rates_table();
        for note in &self.notes {
            let _ = writeln!(text, "\n> {note}");
        }
        let _ = writeln!(
            text,
            "\nHow to read it. Differences are in points of test accuracy against arm `{}`, between \
             models that share a seed. With two searches or more the interval and p are Student's t \
             over the searches, so they speak of the procedure: what searching anew would give; the \
             interval reaches at least as far as that over pairs, which takes the winners as given, \
             and p is the larger of both. With one search they speak of the two winners alone. \
             *Better* and *worse* need the interval \
             on one side of 0 and a p of at most .05 after Holm's correction over all arms; \
             *equivalent* needs two one-sided tests at 5 % within ±{} points, the smallest effect of \
             interest, fixed in advance; with fewer than six pairs nothing is claimed.",
            self.baseline(),
            100.0 * self.smallest_effect,
        );
        if let Some(calibration) = &self.calibration {
            text += &errs(calibration, self.treatment);
        }
        for name in &self.figures {
            let _ = writeln!(text, "\n![{}](figures/{name}.png)", name.replace('_', " "));
        }
        let _ = writeln!(text, "\nMade by `{}`.", self.command);
        text
    }

    fn arms_table(&self) -> String {
        let mut text =
            "| arm | what it does | searched | searches | trials (diverged) | best validation \
                        | n | test accuracy, mean ± sd |\n|---|---|---|---|---|---|---|---|\n"
                .to_owned();
        for ArmInWords { name, about, dimensions } in self.arms {
            let best = winners(self.rows, name).into_iter().filter_map(|(_, winner)| winner.value);
            let best = best.fold(None, |best: Option<f64>, value| {
                Some(best.map_or(value, |best| best.max(value)))
            });
            let tests = test_accuracies(self.rows, name);
            let accuracy = match tests.as_slice() {
                [] => "–".to_owned(),
                [only] => percent(*only),
                _ => {
                    format!("{} ± {:.2}", percent(mean(&tests)), 100.0 * standard_deviation(&tests))
                }
            };
            let _ = writeln!(
                text,
                "| {name} | {about} | {dimensions} | {} | {} ({}) | {} | {} | {accuracy} |",
                searches(self.rows, name).len(),
                trials(self.rows, name, SEARCH).len(),
                diverged(self.rows, name),
                best.map_or("–".to_owned(), percent),
                tests.len(),
            );
        }
        text
    }

    fn comparisons_table(&self) -> String {
        let mut text = format!(
            "\nAgainst `{}`:\n\n| arm | difference [95 %] | p (Holm) | of the winners alone [95 %] | \
             Wilcoxon p | P(better on a seed) | equivalence p | verdict | still needed |\n\
             |---|---|---|---|---|---|---|---|---|\n",
            self.baseline()
        );
        for (arm, comparison) in &self.comparisons {
            let Some(c) = comparison else {
                let _ = writeln!(text, "| {arm} | no pair finished | | | | | | inconclusive | |");
                continue;
            };
            let verdict = json!(c.verdict);
            let _ = writeln!(
                text,
                "| {arm} | {} {} | {} ({}) | {} | {} | {:.2} [{:.2}, {:.2}] | {} | {} | {} |",
                points(c.difference),
                interval(c.low, c.high),
                p_value(c.p),
                p_value(c.holm_p),
                interval(c.pairs_low, c.pairs_high),
                p_value(c.wilcoxon_p),
                c.probability_of_improvement,
                c.probability_of_improvement_low,
                c.probability_of_improvement_high,
                p_value(c.tost_p),
                verdict.as_str().unwrap_or_default(),
                match c.verdict {
                    Judgement::Inconclusive => needed(c).unwrap_or_default(),
                    _ => String::new(),
                },
            );
        }
        text
    }

    fn rates_table(&self) -> String {
        let found: Vec<_> = self
            .arms
            .iter()
            .flat_map(|arm| winners(self.rows, &arm.name).into_iter().map(move |w| (arm, w)))
            .collect();
        let Some((_, (_, first))) = found.first() else { return String::new() };
        let layers: Vec<_> = first.rates.iter().map(|(layer, _)| layer.as_str()).collect();
        let mut text = format!(
            "\nLearning rates of the winners (before schedule and rule):\n\n| arm | search | {} |\n\
             |---|---|{}\n",
            layers.join(" | "),
            "---|".repeat(layers.len())
        );
        for (arm, (search, winner)) in found {
            let rates: Vec<_> = winner.rates.iter().map(|(_, rate)| short(*rate)).collect();
            let _ = writeln!(text, "| {} | {search} | {} |", arm.name, rates.join(" | "));
        }
        text
    }
}

/// What the verdict's rule does on simulated experiments, in words.
fn errs(calibration: &Calibration, arm: &str) -> String {
    let Calibration { searches, pairs, smallest_effect, characteristics, .. } = calibration;
    let share = |share: &super::statistics::Proportion| {
        format!(
            "{:.1} % [{:.1}, {:.1}]",
            100.0 * share.share,
            100.0 * share.low,
            100.0 * share.high
        )
    };
    let detectable = match &characteristics.detectable {
        Some(found) => format!("{:.2} points are found in 80 %", 100.0 * found.effect),
        None => "no difference is found in 80 %".to_owned(),
    };
    format!(
        "\nHow often the verdict errs, in {} experiments simulated with the noise of `{arm}` in this \
         run ({searches} searches, {pairs} pairs): *better* or *worse* without a difference {}; \
         *better* at a difference of {} points {}, at twice that {}; {detectable}.\n",
        characteristics.simulations,
        share(&characteristics.false_positive_rate),
        100.0 * smallest_effect,
        share(&characteristics.power),
        share(&characteristics.power_at_twice),
    )
}

/// What would settle an open comparison.
fn needed(comparison: &Comparison) -> Option<String> {
    let Comparison { unit, n, searches, n_needed, searches_needed, .. } = comparison;
    match unit {
        Unit::Search => (*searches_needed)
            .filter(|needed| needed > searches)
            .map(|needed| format!("{needed} searches would show the smallest effect of interest")),
        Unit::Pair => (*n_needed)
            .filter(|needed| needed > n)
            .map(|needed| format!("{needed} pairs would show the smallest effect of interest")),
    }
}

fn counted(comparison: &Comparison) -> String {
    let Comparison { n, searches, .. } = comparison;
    match searches {
        1 => format!("n = {n} pairs of one search"),
        _ => format!("n = {n} pairs of {searches} searches"),
    }
}

/// A difference of shares in points.
fn points(share: f64) -> String {
    format!("{:+.2}", 100.0 * share)
}

fn interval(low: f64, high: f64) -> String {
    let end = |end: f64| if end.is_finite() { points(end) } else { "unbounded".to_owned() };
    format!("[{}, {}]", end(low), end(high))
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "< .001".to_owned() } else { format!("{p:.3}") }
}

/// Three significant digits.
fn short(rate: f64) -> String {
    let digits = (2 - rate.abs().log10().floor() as i32).clamp(0, 8) as usize;
    format!("{rate:.digits$}")
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A share as per cent with two digits.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::super::arms::{RETRAIN, tests::row};
    use super::super::{arms, compare_all};
    use super::*;

    fn arms_in_words() -> Vec<ArmInWords> {
        let arm = |name: &str| ArmInWords {
            name: name.into(),
            about: format!("about {name}"),
            dimensions: 1,
        };
        vec![arm("global"), arm("free")]
    }

    fn answer<'a>(arms: &'a [ArmInWords], rows: &'a [TrialRow]) -> Answer<'a> {
        let pairs = arms::paired_tests(rows, "global", "free");
        Answer {
            arms,
            rows,
            comparisons: compare_all(&[("free", pairs)], 0.003, 0),
            treatment: "free",
            calibration: None,
            smallest_effect: 0.003,
            dataset: "synthetic",
            protocol: "One epoch.".into(),
            notes: vec!["A note.".into()],
            command: "layer_lr --quiet",
            figures: vec!["difference".into()],
        }
    }

    #[test]
    fn a_clear_win_is_said_plainly_and_with_its_data() {
        let mut rows = Vec::new();
        for seed in 0..8 {
            let wobble = seed as f64 * 1e-4;
            rows.push(row(seed, "global", RETRAIN, seed, Some(0.60 + wobble)));
            rows.push(row(10 + seed, "free", RETRAIN, seed, Some(0.65 - wobble)));
        }
        let arms = arms_in_words();
        let answer = answer(&arms, &rows);
        let headline = answer.headline();
        assert!(headline.starts_with("Free rates per layer were better"), "{headline}");
        assert!(headline.contains("n = 8 pairs of one search. Data: synthetic."), "{headline}");
        assert_eq!(answer.json()["verdict"], "better");
        assert_eq!(answer.json()["n"], 8);
        assert_eq!(answer.json()["comparisons"][0]["arm"], "free");
        let page = answer.markdown();
        assert!(page.contains("> A note.") && page.contains("figures/difference.png"), "{page}");
    }

    #[test]
    fn nothing_finished_is_no_verdict() {
        let rows = [row(0, "global", SEARCH, 0, None), row(1, "free", SEARCH, 0, None)];
        let arms = arms_in_words();
        let answer = answer(&arms, &rows);
        assert!(answer.headline().starts_with("No verdict"));
        assert_eq!(answer.json()["verdict"], "inconclusive");
        let page = answer.markdown();
        assert!(page.contains("| global | about global | 1 | 1 | 1 (1) | – | 0 | – |"), "{page}");
    }

    #[test]
    fn rates_have_three_digits() {
        assert_eq!(
            [0.012345, 0.5, 12.34, 0.00012345].map(short),
            ["0.0123", "0.500", "12.3", "0.000123"]
        );
    }
}
