//! The answer in words.

use std::fmt::Write;

use strata::analysis::statistics::mean;
use strata::analysis::{Comparison, Judgement};

use super::arms::{IMPORTANCE, QUESTIONS, RANDOM_ORDER, REVERSE, Role};
use super::live::{LiveSearch, scores};
use super::replays::{Answered, Compared, NARROW, Replays};
use super::tables::{Agreement, Everything};

/// R² below which a surrogate is no witness.
const POOR: f64 = 0.5;

/// An interval, where it is known.
fn ends(low: f64, high: f64) -> String {
    match low.is_finite() && high.is_finite() {
        true => format!(" [{low:+.3}, {high:+.3}]"),
        false => " (too few for an interval)".to_owned(),
    }
}

/// A p-value as people write it.
fn p_in_words(p: f64) -> String {
    if p < 0.001 { "< .001".to_owned() } else { format!("{p:.3}") }
}

/// A comparison as a sentence; differences are of the mean regret over the budget.
fn sentence(answer: &Answered) -> String {
    let Answered { treatment, baseline, comparison: c, .. } = answer;
    let (low, high) = (c.low.abs().min(c.high.abs()), c.low.abs().max(c.high.abs()));
    let by = format!("{:.3}{}", c.difference.abs(), ends(low, high));
    match c.verdict {
        Judgement::Better => {
            format!("`{treatment}` is better than `{baseline}`: less regret by {by}")
        }
        Judgement::Worse => {
            format!("`{treatment}` is worse than `{baseline}`: more regret by {by}")
        }
        Judgement::Equivalent => format!(
            "`{treatment}` and `{baseline}` are equivalent: {:+.3}{} within ± {}",
            c.difference,
            ends(c.low, c.high),
            c.smallest_effect
        ),
        Judgement::Inconclusive => format!(
            "`{treatment}` against `{baseline}` is inconclusive: {:+.3}{}",
            c.difference,
            ends(c.low, c.high)
        ),
    }
}

/// Replays of each arm.
fn n_of(everything: &Everything) -> usize {
    everything.replays.arms.first().map_or(0, |compared| compared.replays.len())
}

/// The hyperparameters that lead by total effect, as far as intervals tell them apart.
fn leaders(replays: &Replays) -> String {
    let oracle = &replays.oracle;
    let Some(first) = oracle.first() else { return "There is nothing to search.".to_owned() };
    let level = oracle.iter().filter(|effect| effect.interval.high >= first.interval.low).count();
    let names: Vec<_> = oracle.iter().take(4).map(|effect| effect.parameter.as_str()).collect();
    match (oracle.len(), level) {
        (1, _) => format!("{} is the only hyperparameter.", first.parameter),
        (all, level) if level == all => {
            "No hyperparameter leads by its total effect: their intervals overlap.".to_owned()
        }
        (_, 1) => format!("By total effect, the first are {}.", names.join(", ")),
        (_, level) => format!(
            "By total effect, the first are {}; {level} of them lead with overlapping intervals.",
            names.join(", ")
        ),
    }
}

impl Everything<'_> {
    fn with_standing(&self, answer: &Answered) -> String {
        let mut text = format!("{} (n = {}", sentence(answer), answer.comparison.n);
        if self.surrogate.is_some() {
            let _ = write!(text, "; {}", self.agreement(answer).in_words());
        }
        text + ")"
    }

    /// What is said first, a line each.
    pub fn headline(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let of = |treatment, baseline| self.replays.answer(treatment, baseline);
        lines.push(leaders(self.replays));
        let pairs = [
            (IMPORTANCE, REVERSE),
            (IMPORTANCE, RANDOM_ORDER),
            ("fanova-first", "sample-first"),
            (IMPORTANCE, "random"),
            ("tpe", "random"),
        ];
        for (treatment, baseline) in pairs {
            if let Some(answer) = of(treatment, baseline) {
                lines.push(format!("{} {}.", answer.asks, self.with_standing(answer)));
            }
        }
        let ranks = &self.replays.ranks;
        let said = |(name, [rank, low, high]): &(String, [f64; 3])| {
            format!("`{name}`, mean rank {rank:.1} [{low:.1}, {high:.1}]")
        };
        let is_oracle = |name: &str| {
            let mut arms = self.replays.arms.iter();
            arms.any(|compared| compared.arm.name == name && compared.role == Role::Oracle)
        };
        let known = ranks.iter().find(|(name, _)| !is_oracle(name));
        if let (Some(known), [best, second, ..]) = (known, ranks.as_slice()) {
            let [.., high] = best.1;
            let [_, low, _] = second.1;
            let mut line = format!(
                "Best of {} procedures under one budget{}: {}",
                ranks.len(),
                if high < low { "" } else { ", but not clearly" },
                said(best)
            );
            if best.0 != known.0 {
                line += &format!(
                    ", which knows the order beforehand; of those that have to find it: {}",
                    said(known)
                );
            }
            lines.push(line + ".");
        }
        lines
    }

    /// `summary.md`, without its figures: `protocol` says what was searched (data, net and device, or the
    /// function).
    pub fn page(&self, protocol: &str, command: &str) -> Result<String, std::fmt::Error> {
        let mut text = String::from("# In what order should hyperparameters be searched?\n\n");
        for line in self.headline() {
            writeln!(text, "**{line}**\n")?;
        }
        writeln!(text, "{protocol}\n")?;
        self.method(&mut text)?;
        self.surrogate_in_words(&mut text)?;
        self.order(&mut text)?;
        self.answers(&mut text)?;
        self.nearby_in_words(&mut text)?;
        self.arms_in_words(&mut text)?;
        self.live_in_words(&mut text)?;
        writeln!(text, "\n```sh\n{command}\n```")?;
        Ok(text)
    }

    fn method(&self, text: &mut String) -> std::fmt::Result {
        let replays = self.replays;
        let n = n_of(self);
        writeln!(
            text,
            "Each arm searches {n} times with {} evaluations ({} epochs); a screening has {} of them. The arms \
             of a replicate share start point and seeds. After each evaluation the best *observed* configuration \
             is judged by its *expected* loss: regret 0 is the best there is, 1 what a random configuration comes \
             to in the median. Arms are compared by the mean regret over the budget, in pairs: Wilcoxon's test, \
             adjusted for all {} comparisons (Holm), a 95 % interval, and two one-sided tests against ± {} for \
             \"equivalent\".\n",
            replays.budget,
            replays.budget * self.epochs,
            replays.screening,
            replays.answers.len(),
            replays.answers.first().map_or(0.05, |answer| answer.comparison.smallest_effect),
        )
    }

    fn surrogate_in_words(&self, text: &mut String) -> std::fmt::Result {
        let Some(s) = self.surrogate else {
            let note = match n_of(self) < 30 {
                true => "\n> Fewer than 30 searches of each arm: a trial run, not an answer.\n",
                false => "",
            };
            return writeln!(text, "The searches ran on the function itself.\n{note}");
        };
        writeln!(
            text,
            "The replays run on a surrogate, a Gaussian process over {} recorded trials ({} diverged). Trials \
             predict one another with R² {:.2}, of {:.2} that noise leaves possible; {:.0} % lie within the central \
             50 % of their prediction and {:.0} % within the central 90 %. The noise of a run has a standard \
             deviation of {:.4}, {}.\n",
            s.complete + s.diverged,
            s.diverged,
            s.r_squared,
            s.ceiling,
            100.0 * s.coverage_50,
            100.0 * s.coverage_90,
            s.noise,
            match s.repeated_points {
                0 => "as the process has it: no point was recorded twice".to_owned(),
                points => format!("from {points} points that were recorded several times"),
            },
        )?;
        if n_of(self) < 30 {
            writeln!(text, "> Fewer than 30 replays of each arm: a trial run, not an answer.\n")?;
        }
        if s.r_squared < POOR {
            writeln!(
                text,
                "> R² below {POOR}: the surrogate is a poor witness. Record more trials, or fewer hyperparameters.\n"
            )?;
        }
        Ok(())
    }

    fn order(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "## The order by importance\n")?;
        writeln!(text, "| rank | hyperparameter | total effect |\n|---|---|---|")?;
        for (place, effect) in self.replays.oracle.iter().enumerate() {
            writeln!(
                text,
                "| {} | {} | {:.3} [{:.3}, {:.3}] |",
                place + 1,
                effect.parameter,
                effect.total,
                effect.interval.low,
                effect.interval.high
            )?;
        }
        Ok(())
    }

    fn answers(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n## Answers\n")?;
        writeln!(
            text,
            "Differences of mean regret, positive where the first is better; the interval is that of {}.\n",
            if self.surrogate.is_some() { "replays, and so of the surrogate" } else { "searches" }
        )?;
        writeln!(
            text,
            "| question | first | second | difference | Holm p | TOST p | verdict | standing |\n\
             |---|---|---|---|---|---|---|---|"
        )?;
        for answer in &self.replays.answers {
            let c = &answer.comparison;
            writeln!(
                text,
                "| {} | {} | {} | {:+.3}{} | {} | {} | {} | {} |",
                answer.asks,
                answer.treatment,
                answer.baseline,
                c.difference,
                ends(c.low, c.high),
                p_in_words(c.holm_p),
                p_in_words(c.tost_p),
                c.verdict.name(),
                if self.surrogate.is_some() { self.agreement(answer).in_words() } else { "itself" },
            )?;
        }
        let left = QUESTIONS.len() + 1 - self.replays.answers.len().min(QUESTIONS.len() + 1);
        if left > 0 {
            writeln!(
                text,
                "\n{left} comparisons are left out: their arms are not in this space, were not asked for, or did the same in every \
                 search."
            )?;
        }
        Ok(())
    }

    fn nearby_in_words(&self, text: &mut String) -> std::fmt::Result {
        let Some(nearby) = self.nearby else { return Ok(()) };
        writeln!(
            text,
            "\n## Near a good configuration\n\nThe same arms in a box of {:.0} % of each range, around the best \
             configuration that any search found; regret is measured anew there (1: a random configuration of that \
             box). The first by total effect are {}.\n",
            100.0 * NARROW,
            nearby
                .oracle
                .iter()
                .take(4)
                .map(|e| e.parameter.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        )?;
        writeln!(
            text,
            "| first | second | whole box | near the best | Holm p | verdict there |\n|---|---|---|---|---|---|"
        )?;
        for answer in &nearby.answers {
            let whole = self.replays.answer(&answer.treatment, &answer.baseline);
            let whole =
                whole.map_or(String::new(), |whole| format!("{:+.3}", whole.comparison.difference));
            let c = &answer.comparison;
            writeln!(
                text,
                "| {} | {} | {whole} | {:+.3}{} | {} | {} |",
                answer.treatment,
                answer.baseline,
                c.difference,
                ends(c.low, c.high),
                p_in_words(c.holm_p),
                c.verdict.name()
            )?;
        }
        Ok(())
    }

    fn arms_in_words(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n## Arms\n")?;
        writeln!(
            text,
            "Median regret after a quarter, half and all of the budget.\n\n\
             | arm | what it is | 25 % | 50 % | 100 % | mean over the budget | role |\n|---|---|---|---|---|---|---|"
        )?;
        let mut arms: Vec<&Compared> = self.replays.arms.iter().collect();
        arms.sort_by(|a, b| a.area().total_cmp(&b.area()));
        for compared in arms {
            let [quarter, half, all] = compared.medians();
            writeln!(
                text,
                "| {} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {} |",
                compared.arm.name,
                compared.arm.about,
                quarter,
                half,
                all,
                compared.area(),
                match compared.role {
                    Role::Compared | Role::Oracle => "",
                    role => role.name(),
                },
            )?;
        }
        Ok(())
    }

    fn live_in_words(&self, text: &mut String) -> std::fmt::Result {
        if self.live.is_empty() {
            if self.surrogate.is_some() {
                writeln!(
                    text,
                    "\nNothing was confirmed live: every statement rests on the surrogate alone."
                )?;
            }
            return Ok(());
        }
        writeln!(text, "\n## Confirmed live\n")?;
        let mut names: Vec<&str> = Vec::new();
        for LiveSearch { arm, .. } in self.live {
            if !names.contains(&arm.as_str()) {
                names.push(arm);
            }
        }
        writeln!(
            text,
            "Whole searches on the net, with start points and seeds that no replay used. What each would choose \
             after a quarter, half and all of its budget was trained again on a fresh seed and tested once; arms \
             are compared by the mean of the three.\n\n\
             | arm | searches | test accuracy, mean of three | at 25 % | at 50 % | at 100 % |\n|---|---|---|---|---|---|"
        )?;
        for name in names {
            let scores: Vec<_> =
                scores(self.live, name, LiveSearch::mean_test).into_iter().map(|it| it.1).collect();
            let at = |share: usize| {
                let tests = self.live.iter().filter(|search| search.arm == name);
                let tests: Vec<_> = tests.filter_map(|search| search.tests[share]).collect();
                if tests.is_empty() { f64::NAN } else { 100.0 * mean(&tests) }
            };
            let all = if scores.is_empty() { f64::NAN } else { 100.0 * mean(&scores) };
            writeln!(
                text,
                "| {name} | {} | {all:.2} % | {:.2} % | {:.2} % | {:.2} % |",
                scores.len(),
                at(0),
                at(1),
                at(2)
            )?;
        }
        writeln!(
            text,
            "\n| first | second | difference in points, of the mean | Holm p | verdict | of 25 % alone | of 50 % | of 100 % |\n\
             |---|---|---|---|---|---|---|---|"
        )?;
        for live in self.confirmed {
            let c: &Comparison = &live.comparison;
            writeln!(
                text,
                "| {} | {} | {}, n = {} | {} | {} | {} | {} | {} |",
                live.treatment,
                live.baseline,
                points(c),
                c.n,
                p_in_words(c.holm_p),
                c.verdict.name(),
                at_share(&live.by_share[0]),
                at_share(&live.by_share[1]),
                at_share(&live.by_share[2]),
            )?;
        }
        let count = |wanted| {
            let answers = self.replays.answers.iter();
            answers.filter(|answer| self.agreement(answer) == wanted).count()
        };
        writeln!(
            text,
            "\nOf {} answers {} were confirmed live, {} contradicted, {} left open, and {} rest on the surrogate alone.",
            self.replays.answers.len(),
            count(Agreement::Confirmed),
            count(Agreement::Contradicted),
            count(Agreement::Open),
            count(Agreement::Untried),
        )
    }
}

/// A difference of accuracies in points, with its interval.
fn points(comparison: &Comparison) -> String {
    let Comparison { difference, low, high, .. } = comparison;
    let interval = match low.is_finite() && high.is_finite() {
        true => format!(" [{:+.2}, {:+.2}]", 100.0 * low, 100.0 * high),
        false => " (too few for an interval)".to_owned(),
    };
    format!("{:+.2}{interval}", 100.0 * difference)
}

/// [`points`], or a dash where nothing was tested.
fn at_share(comparison: &Option<Comparison>) -> String {
    comparison.as_ref().map_or_else(|| "–".to_owned(), points)
}
