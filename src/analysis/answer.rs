//! The answer to question 1, as JSON for programs and as a page for people.

use std::fmt::Write;

use serde_json::{Value, json};

use super::arms::{SEARCH, diverged, test_accuracies, trials, winner};
use super::statistics::{mean, standard_deviation};
use super::{Comparison, Judgement};
use crate::record::TrialRow;

/// Everything that the answer says.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The baseline, then the treatment.
    pub arms: [&'a str; 2],
    /// All trials.
    pub rows: &'a [TrialRow],
    /// The comparison; none if no pair of models finished.
    pub comparison: Option<Comparison>,
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
    /// The verdict in one sentence.
    pub fn headline(&self) -> String {
        let data = self.dataset;
        let Some(comparison) = &self.comparison else {
            return format!("No verdict: an arm has no retrained model that finished ({data}).");
        };
        let verdict = match comparison.verdict {
            Judgement::Better => "Free rates per layer were better than one global rate",
            Judgement::Worse => "Free rates per layer were worse than one global rate",
            Judgement::Equivalent => "Free rates per layer and one global rate were equivalent",
            Judgement::Inconclusive => "Inconclusive: free rates per layer against one global rate",
        };
        let Comparison { difference, low, high, n, .. } = comparison;
        let [difference, low, high] = [difference, low, high].map(|value| 100.0 * value);
        let open = comparison.verdict == Judgement::Inconclusive;
        let more = match comparison.n_needed.filter(|needed| open && needed > n) {
            Some(needed) => format!(" ({needed} would show the smallest effect of interest)"),
            None => String::new(),
        };
        format!(
            "{verdict}: {difference:+.2} points of test accuracy, 95 % interval [{low:+.2}, \
             {high:+.2}], n = {n} pairs{more}. Data: {data}."
        )
    }

    /// `verdict.json`.
    pub fn json(&self) -> Value {
        let arm = |arm: &&str| {
            let tests = test_accuracies(self.rows, arm);
            let search = trials(self.rows, arm, SEARCH);
            let rates = winner(self.rows, arm).map(|winner| {
                winner.rates.iter().map(|(layer, rate)| (layer.clone(), json!(rate))).collect()
            });
            json!({
                "arm": arm,
                "search_trials": search.len(),
                "search_diverged": diverged(self.rows, arm),
                "images_searched": search.iter().map(|row| row.images_trained).sum::<u64>(),
                "retrains": tests.len(),
                "test_accuracy": (!tests.is_empty()).then(|| mean(&tests)),
                "test_accuracy_sd": (tests.len() > 1).then(|| standard_deviation(&tests)),
                "rates": rates.unwrap_or(Value::Null),
            })
        };
        let of = self.comparison.as_ref();
        let [baseline, treatment] = self.arms;
        json!({
            "question": "Should the learning rate be the same in every layer?",
            "comparison": format!("test accuracy, {treatment} minus {baseline}, paired by seed"),
            "arms": self.arms.iter().map(arm).collect::<Vec<_>>(),
            "difference": of.map(|c| c.difference),
            "low": of.map(|c| c.low),
            "high": of.map(|c| c.high),
            "interval": "95 % percentile bootstrap over pairs",
            "n": of.map_or(0, |c| c.n),
            "standard_deviation": of.map(|c| c.standard_deviation),
            "smallest_effect": self.smallest_effect,
            "verdict": of.map_or(Judgement::Inconclusive, |c| c.verdict),
            "n_needed": of.and_then(|c| c.n_needed),
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
        text += "| arm | search trials (diverged) | best validation | n | test accuracy, mean ± sd |\n\
                 |---|---|---|---|---|\n";
        for arm in self.arms {
            let best = winner(self.rows, arm).and_then(|winner| winner.value);
            let tests = test_accuracies(self.rows, arm);
            let accuracy = match tests.as_slice() {
                [] => "–".to_owned(),
                [only] => percent(*only),
                _ => {
                    format!("{} ± {:.2}", percent(mean(&tests)), 100.0 * standard_deviation(&tests))
                }
            };
            let _ = writeln!(
                text,
                "| {arm} | {} ({}) | {} | {} | {accuracy} |",
                trials(self.rows, arm, SEARCH).len(),
                diverged(self.rows, arm),
                best.map_or("–".to_owned(), percent),
                tests.len(),
            );
        }
        text += &self.rates_table();
        for note in &self.notes {
            let _ = writeln!(text, "\n> {note}");
        }
        let _ = writeln!(
            text,
            "\nThe interval is a 95 % bootstrap over the pairs of models that share a seed. \
             *Equivalent* means that the 90 % interval lies within ±{} points, the smallest effect \
             of interest, fixed in advance; with fewer than six pairs nothing is claimed. One search \
             an arm: the verdict is on these two winners, not on all that other searches might find.",
            100.0 * self.smallest_effect,
        );
        for name in &self.figures {
            let _ = writeln!(text, "\n![{}](figures/{name}.png)", name.replace('_', " "));
        }
        let _ = writeln!(text, "\nMade by `{}`.", self.command);
        text
    }

    fn rates_table(&self) -> String {
        let winners: Vec<_> = self.arms.iter().filter_map(|arm| winner(self.rows, arm)).collect();
        let Some(first) = winners.first() else { return String::new() };
        let layers: Vec<_> = first.rates.iter().map(|(layer, _)| layer.as_str()).collect();
        let mut text = format!(
            "\nLearning rates of the winners:\n\n| arm | {} |\n|---|{}\n",
            layers.join(" | "),
            "---|".repeat(layers.len())
        );
        for winner in winners {
            let rates: Vec<_> = winner.rates.iter().map(|(_, rate)| format!("{rate:.3}")).collect();
            let _ = writeln!(text, "| {} | {} |", winner.arm, rates.join(" | "));
        }
        text
    }
}

/// A share as per cent with two digits.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::super::arms::{RETRAIN, tests::row};
    use super::super::{arms, compare};
    use super::*;

    fn answer(rows: &[TrialRow]) -> Answer<'_> {
        let pairs = arms::paired_tests(rows, "global", "free");
        Answer {
            arms: ["global", "free"],
            rows,
            comparison: compare(&[pairs], 0.003, 0),
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
        let answer = answer(&rows);
        assert!(answer.headline().contains("better"), "{}", answer.headline());
        assert!(
            answer.headline().contains("n = 8 pairs. Data: synthetic."),
            "{}",
            answer.headline()
        );
        assert_eq!(answer.json()["verdict"], "better");
        assert_eq!(answer.json()["n"], 8);
        let page = answer.markdown();
        assert!(page.contains("> A note.") && page.contains("figures/difference.png"), "{page}");
    }

    #[test]
    fn nothing_finished_is_no_verdict() {
        let rows = [row(0, "global", SEARCH, 0, None), row(1, "free", SEARCH, 0, None)];
        let answer = answer(&rows);
        assert!(answer.headline().starts_with("No verdict"));
        assert_eq!(answer.json()["verdict"], "inconclusive");
        assert!(answer.markdown().contains("| global | 1 (1) | – | 0 | – |"));
    }
}
