//! The tables of a comparison of orders.

use serde_json::{Value, json};
use strata::analysis::priority::{Arm, Surrogate};
use strata::analysis::{Comparison, Judgement};
use strata::record::{RunFolder, number, write_table};
use strata::search::Direction;

use super::live::{LiveSearch, SHARES};
use super::replays::{Answered, Compared, Replays, median_reached};

/// Everything that was found.
pub struct Everything<'a> {
    pub replays: &'a Replays,
    /// The same in a narrower box; none where it is flat there.
    pub nearby: Option<&'a Replays>,
    /// None for analytic functions.
    pub surrogate: Option<&'a Surrogate>,
    pub direction: Direction,
    pub live: &'a [LiveSearch],
    /// Of the same comparisons that replays made, those that were repeated live.
    pub confirmed: &'a [Confirmed],
    /// Epochs of an evaluation.
    pub epochs: u64,
    /// Images of an evaluation, repeats counted.
    pub images: u64,
}

/// A comparison that was repeated on the net itself.
pub struct Confirmed {
    pub treatment: String,
    pub baseline: String,
    /// Of the mean test accuracy over the shares of the budget.
    pub comparison: Comparison,
    /// Of the test accuracy after each share alone. Its intervals say how a difference changes with the budget; they
    /// are no verdicts, as the tests were not planned.
    pub by_share: [Option<Comparison>; SHARES.len()],
}

/// Whether a live comparison agrees with the replays' one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// The same verdict, live.
    Confirmed,
    /// A verdict in the other direction.
    Contradicted,
    /// Live runs cannot tell.
    Open,
    /// Not repeated live.
    Untried,
}

impl Agreement {
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed live",
            Self::Contradicted => "contradicted live",
            Self::Open => "not confirmed: live runs cannot tell",
            Self::Untried => "surrogate only",
        }
    }
}

impl Everything<'_> {
    /// The live counterpart of an answer.
    pub fn live_of(&self, answer: &Answered) -> Option<&Confirmed> {
        let is_it = |live: &&Confirmed| {
            live.treatment == answer.treatment && live.baseline == answer.baseline
        };
        self.confirmed.iter().find(is_it)
    }

    pub fn agreement(&self, answer: &Answered) -> Agreement {
        let Some(live) = self.live_of(answer) else { return Agreement::Untried };
        let (said, seen) = (answer.comparison.verdict, live.comparison.verdict);
        match (said, seen) {
            _ if said == seen && said != Judgement::Inconclusive => Agreement::Confirmed,
            (Judgement::Better, Judgement::Worse) | (Judgement::Worse, Judgement::Better) => {
                Agreement::Contradicted
            }
            _ => Agreement::Open,
        }
    }

    /// Writes all tables.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &RunFolder) -> anyhow::Result<()> {
        let write = |name: &str, header: &[&str], rows: Vec<Vec<String>>| {
            write_table(&folder.file(name), header, &rows)
        };
        write("orders.csv", &["rank", "parameter", "total_effect", "low", "high"], self.orders())?;
        let arms = [
            "arm",
            "role",
            "sampler",
            "order",
            "start",
            "evaluations",
            "screening",
            "unpaid",
            "epochs",
            "replays",
            "area",
            "regret_25",
            "regret_50",
            "regret_100",
            "to_target",
            "reached",
            "about",
        ];
        write("arms.csv", &arms, self.arms())?;
        let regret = ["arm", "role", "evaluation", "epochs", "q1", "median", "q3"];
        write("regret.csv", &regret, self.regret())?;
        let compared = [
            "treatment",
            "baseline",
            "question",
            "source",
            "n",
            "difference",
            "low",
            "high",
            "p",
            "holm_p",
            "tost_p",
            "smallest_effect",
            "verdict",
            "standing",
        ];
        write("comparisons.csv", &compared, self.comparisons())?;
        if let Some(nearby) = self.nearby {
            write("nearby.csv", &compared, nearby.answers.iter().map(nearby_row).collect())?;
        }
        write("mean_ranks.csv", &["arm", "mean_rank", "low", "high"], self.ranks())?;
        let ledger = [
            "arm",
            "replicate",
            "screening",
            "search",
            "evaluations",
            "epochs",
            "images",
            "claimed",
        ];
        write("ledger.csv", &ledger, self.ledger())?;
        let replays =
            ["arm", "replicate", "area", "regret_25", "regret_50", "regret_100", "to_target"];
        write("replays.csv", &replays, self.outcomes())?;
        write("screening.csv", &["ranker", "part", "difference", "low", "high"], self.screening())?;
        if let Some(surrogate) = self.surrogate {
            let rows = surrogate.calibration.iter().map(|[seen, mean, sd]| {
                let (seen, mean) = (self.direction.loss(*seen), self.direction.loss(*mean));
                [seen, mean, *sd].map(number).to_vec()
            });
            write("surrogate.csv", &["observed", "predicted", "sd"], rows.collect())?;
        }
        if !self.live.is_empty() {
            let header = ["arm", "replicate", "share", "test_accuracy"];
            write("live.csv", &header, self.live_tests())?;
            let header = ["treatment", "baseline", "share", "n", "difference", "low", "high"];
            write("live_shares.csv", &header, self.live_shares())?;
            let header = ["arm", "replicate", "evaluation", "best"];
            write("live_best.csv", &header, self.live_best())?;
        }
        folder.write_json("verdict.json", &self.verdict())?;
        Ok(())
    }

    fn orders(&self) -> Vec<Vec<String>> {
        let effects = self.replays.oracle.iter().enumerate();
        effects
            .map(|(place, effect)| {
                let numbers = [effect.total, effect.interval.low, effect.interval.high].map(number);
                [(place + 1).to_string(), effect.parameter.clone()]
                    .into_iter()
                    .chain(numbers)
                    .collect()
            })
            .collect()
    }

    /// Evaluations that an arm claims, its multiple of the budget counted.
    fn claimed(&self, arm: &Arm) -> u64 {
        self.replays.budget * arm.times
    }

    fn arms(&self) -> Vec<Vec<String>> {
        let row = |compared: &Compared| {
            let Compared { role, arm, replays, outcomes, .. } = compared;
            let [quarter, half, all] = compared.medians().map(number);
            let counts: Vec<_> = outcomes.iter().map(|outcome| outcome.to_target).collect();
            let reached = counts.iter().flatten().count() as f64 / counts.len().max(1) as f64;
            let evaluations = self.claimed(arm);
            vec![
                arm.name.clone(),
                role.name().to_owned(),
                arm.sampler.clone(),
                arm.options.order.in_words(),
                format!("{:?}", arm.start).to_lowercase(),
                evaluations.to_string(),
                arm.screening(evaluations).to_string(),
                arm.unpaid.map_or(0, |(_, trials)| trials).to_string(),
                (evaluations * self.epochs).to_string(),
                replays.len().to_string(),
                number(compared.area()),
                quarter,
                half,
                all,
                number(median_reached(&counts)),
                number(reached),
                arm.about.clone(),
            ]
        };
        self.replays.arms.iter().map(row).collect()
    }

    fn regret(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for compared in &self.replays.arms {
            let times = compared.arm.times;
            for (step, quartiles) in compared.curves.quartiles().into_iter().enumerate() {
                let evaluation = step as u64 + 1;
                let mut row = vec![
                    compared.arm.name.clone(),
                    compared.role.name().to_owned(),
                    evaluation.to_string(),
                    (evaluation * times * self.epochs).to_string(),
                ];
                row.extend(quartiles.map(number));
                rows.push(row);
            }
        }
        rows
    }

    fn comparisons(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for answer in &self.replays.answers {
            let standing = match self.surrogate {
                Some(_) => self.agreement(answer).in_words(),
                None => "on the function itself",
            };
            let source = if self.surrogate.is_some() { "surrogate" } else { "function" };
            let names = [&answer.treatment, &answer.baseline, &answer.asks].map(Clone::clone);
            rows.push(comparison(names, source, &answer.comparison, standing));
            if let Some(live) = self.live_of(answer) {
                let names = [&answer.treatment, &answer.baseline, &answer.asks].map(Clone::clone);
                rows.push(comparison(names, "live", &live.comparison, standing));
            }
        }
        rows
    }

    fn ranks(&self) -> Vec<Vec<String>> {
        let row = |(arm, rank): &(String, [f64; 3])| {
            [arm.clone()].into_iter().chain(rank.map(number)).collect()
        };
        self.replays.ranks.iter().map(row).collect()
    }

    fn ledger(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for Compared { arm, replays, .. } in &self.replays.arms {
            for (replicate, replay) in replays.iter().enumerate() {
                let counts = [
                    replicate as u64,
                    replay.screening,
                    replay.spent - replay.screening,
                    replay.spent,
                    replay.spent * self.epochs,
                    replay.spent * self.images,
                    self.claimed(arm),
                ];
                let counts = counts.iter().map(u64::to_string);
                rows.push([arm.name.clone()].into_iter().chain(counts).collect());
            }
        }
        rows
    }

    fn outcomes(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for Compared { arm, outcomes, .. } in &self.replays.arms {
            for (replicate, outcome) in outcomes.iter().enumerate() {
                let [quarter, half, all] = outcome.regrets;
                let mut row = vec![arm.name.clone(), replicate.to_string()];
                row.extend([outcome.area, quarter, half, all].map(number));
                row.push(outcome.to_target.map_or(String::new(), |count| count.to_string()));
                rows.push(row);
            }
        }
        rows
    }

    /// What a screening costs and earns back, against a random order.
    fn screening(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for (ranker, paid, free) in SCREENED {
            let parts = [
                ("its order, for nothing", free, "random-order"),
                ("its sample, unread", "sample-first", "random-order"),
                ("its order on top of the sample", paid, "sample-first"),
            ];
            for (part, treatment, baseline) in parts {
                let Some(answer) = self.replays.answer(treatment, baseline) else { continue };
                let c = &answer.comparison;
                let mut row = vec![ranker.to_owned(), part.to_owned()];
                row.extend([c.difference, c.low, c.high].map(number));
                rows.push(row);
            }
        }
        rows
    }

    fn live_tests(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for search in self.live {
            for (share, test) in SHARES.iter().zip(&search.tests) {
                let share = number(*share);
                let (arm, replicate) = (search.arm.clone(), search.replicate.to_string());
                rows.push(vec![arm, replicate, share, number(*test)]);
            }
        }
        rows
    }

    fn live_shares(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for live in self.confirmed {
            for (share, comparison) in SHARES.iter().zip(&live.by_share) {
                let Some(found) = comparison else { continue };
                let mut row = vec![live.treatment.clone(), live.baseline.clone(), number(*share)];
                row.push(found.n.to_string());
                row.extend([found.difference, found.low, found.high].map(number));
                rows.push(row);
            }
        }
        rows
    }

    fn live_best(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for search in self.live {
            for (step, best) in search.best.iter().enumerate() {
                let (arm, replicate) = (search.arm.clone(), search.replicate.to_string());
                rows.push(vec![arm, replicate, (step + 1).to_string(), number(*best)]);
            }
        }
        rows
    }

    fn verdict(&self) -> Value {
        let answer = |answer: &Answered| {
            json!({
                "question": answer.asks,
                "treatment": answer.treatment,
                "baseline": answer.baseline,
                "replays": answer.comparison,
                "live": self.live_of(answer).map(|live| &live.comparison),
                "standing": self.surrogate.map(|_| self.agreement(answer).in_words()),
            })
        };
        json!({
            "question": "In what order should hyperparameters be searched?",
            "measure": "mean regret over the budget; 0 is the best there is, 1 a random configuration",
            "live_measure": "mean test accuracy of what is chosen after 25, 50 and 100 % of the budget",
            "budget": self.replays.budget,
            "screening": self.replays.screening,
            "scale": {
                "best": self.direction.loss(self.replays.scale.best),
                "typical": self.direction.loss(self.replays.scale.typical),
            },
            "target_regret": self.replays.target,
            "copied": self.replays.copied,
            "order": self.replays.oracle.iter().map(|effect| &effect.parameter).collect::<Vec<_>>(),
            "surrogate": self.surrogate.map(|s| json!({
                "r_squared": s.r_squared,
                "ceiling": s.ceiling,
                "noise": s.noise,
                "coverage_50": s.coverage_50,
                "coverage_90": s.coverage_90,
                "trials": s.complete,
                "diverged": s.diverged,
                "repeated_points": s.repeated_points,
            })),
            "answers": self.replays.answers.iter().map(answer).collect::<Vec<_>>(),
            "nearby": self.nearby.map(|nearby| nearby.answers.iter().map(|answer| json!({
                "treatment": answer.treatment,
                "baseline": answer.baseline,
                "replays": answer.comparison,
            })).collect::<Vec<_>>()),
        })
    }
}

/// Rankers with their arms, paid and for nothing.
const SCREENED: [(&str, &str, &str); 3] = [
    ("morris", "morris-first", "morris-unpaid"),
    ("fanova", "fanova-first", "fanova-unpaid"),
    ("ped-anova", "ped-anova-first", "ped-anova-unpaid"),
];

fn nearby_row(answer: &Answered) -> Vec<String> {
    let names = [&answer.treatment, &answer.baseline, &answer.asks].map(Clone::clone);
    comparison(names, "nearby", &answer.comparison, "narrower box, not tried live")
}

fn comparison(names: [String; 3], source: &str, c: &Comparison, standing: &str) -> Vec<String> {
    let mut row = names.to_vec();
    row.extend([source.to_owned(), c.n.to_string()]);
    let numbers = [c.difference, c.low, c.high, c.p, c.holm_p, c.tost_p, c.smallest_effect];
    row.extend(numbers.map(number));
    row.extend([c.verdict.name(), standing].map(str::to_owned));
    row
}
