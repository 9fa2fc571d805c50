//! Tables of a comparison of search orders for tests: plausible ones, and ugly ones.

use std::fmt::Write as _;
use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::theme;

/// What the tables look like.
#[derive(Clone)]
pub(super) struct OrderFixture {
    pub arms: Vec<String>,
    pub evaluations: u64,
    /// Regret of an arm after a share of the budget.
    pub regret: fn(usize, f64) -> f64,
    /// Half the length of intervals.
    pub spread: f64,
    pub live: u64,
    pub trials: usize,
    pub objective: &'static str,
}

fn cell(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

impl Default for OrderFixture {
    fn default() -> Self {
        let arms = ["importance-first", "reverse", "random-order", "sample-first", "random", "tpe"];
        Self {
            arms: arms.map(str::to_owned).to_vec(),
            evaluations: 20,
            regret: |arm, share| (1.0 - share) * 0.8 + 0.05 * arm as f64,
            spread: 0.05,
            live: 4,
            trials: 50,
            objective: "cnn",
        }
    }
}

impl OrderFixture {
    /// Writes the folder.
    pub fn write(&self) -> TempDir {
        theme::load_fonts().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        let manifest = json!({
            "experiment": "search_priority",
            "dataset": {"description": "CIFAR-10 subset, 5,000 + 1,000 images"},
            "net": "tutorial",
            "device": "cpu",
            "settings": {
                "metric": "accuracy", "objective": self.objective,
                "space": {"lr": {"kind": "float", "low": 0.001, "high": 0.1, "log": true}},
            },
        });
        write("manifest.json", manifest.to_string());
        let ends =
            |value: f64| [value, value - self.spread, value + self.spread].map(cell).join(",");
        let mut arms = "arm,role,sampler,replays,area\n".to_owned();
        let mut regret = "arm,evaluation,q1,median,q3\n".to_owned();
        let mut ranks = "arm,mean_rank,low,high\n".to_owned();
        let mut comparisons =
            "treatment,baseline,source,n,difference,low,high,smallest_effect,verdict\n".to_owned();
        let mut live = "arm,replicate,share,test_accuracy\n".to_owned();
        for (place, arm) in self.arms.iter().enumerate() {
            let sampler = if place < 4 { "coordinate" } else { "random" };
            let role = if place % 5 == 4 { "control" } else { "compared" };
            let area = cell((self.regret)(place, 0.5));
            writeln!(arms, "{arm},{role},{sampler},400,{area}").unwrap();
            for step in 1..=self.evaluations {
                let median = (self.regret)(place, step as f64 / self.evaluations as f64);
                let [q1, q2, q3] = [median - self.spread, median, median + self.spread].map(cell);
                writeln!(regret, "{arm},{step},{q1},{q2},{q3}").unwrap();
            }
            writeln!(ranks, "{arm},{}", ends(place as f64 + 1.0)).unwrap();
            let verdict = ["better", "worse", "equivalent", "inconclusive"][place % 4];
            let difference = ends((self.regret)(place, 0.3) - 0.5);
            for source in if self.live > 0 { vec!["surrogate", "live"] } else { vec!["surrogate"] }
            {
                writeln!(comparisons, "{arm},reverse,{source},400,{difference},0.05,{verdict}")
                    .unwrap();
            }
            for replicate in 0..self.live {
                for share in [0.25, 0.5, 1.0] {
                    let test = cell((self.regret)(place, share).clamp(0.0, 1.0));
                    writeln!(live, "{arm},{replicate},{share},{test}").unwrap();
                }
            }
        }
        write("arms.csv", arms);
        write("regret.csv", regret);
        write("mean_ranks.csv", ranks);
        write("comparisons.csv", comparisons);
        let mut screening = "ranker,part,difference,low,high\n".to_owned();
        for ranker in ["morris", "fanova"] {
            for part in ["its order, for nothing", "its sample, unread"] {
                writeln!(screening, "{ranker},\"{part}\",{}", ends(0.2)).unwrap();
            }
        }
        write("screening.csv", screening);
        if self.live > 0 {
            write("live.csv", live);
        }
        let mut surrogate = "observed,predicted,sd\n".to_owned();
        for trial in 0..self.trials {
            let seen = (trial as f64 * 0.618).fract();
            writeln!(surrogate, "{seen},{},0.1", seen * 0.9 + 0.03).unwrap();
        }
        write("surrogate.csv", surrogate);
        folder
    }
}

/// Tables that one would rather not have to draw, with names for messages.
pub(super) fn ugly() -> Vec<(String, OrderFixture)> {
    let plain = OrderFixture::default;
    let long = |i: usize| format!("a-procedure-with-a-very-long-name-that-does-not-end-{i}");
    let cases = [
        ("plain", plain()),
        ("one arm", OrderFixture { arms: vec!["random".into()], ..plain() }),
        ("no arms", OrderFixture { arms: Vec::new(), ..plain() }),
        (
            "40 arms",
            OrderFixture { arms: (0..40).map(|i| format!("arm-{i}")).collect(), ..plain() },
        ),
        ("long names", OrderFixture { arms: (0..9).map(long).collect(), ..plain() }),
        ("one evaluation", OrderFixture { evaluations: 1, ..plain() }),
        ("500 evaluations", OrderFixture { evaluations: 500, ..plain() }),
        ("huge", OrderFixture { regret: |arm, _| 1e9 * (arm + 1) as f64, ..plain() }),
        ("zero", OrderFixture { regret: |_, _| 0.0, spread: 0.0, ..plain() }),
        ("empty cells", OrderFixture { regret: |_, _| f64::NAN, ..plain() }),
        ("no intervals", OrderFixture { spread: f64::INFINITY, ..plain() }),
        ("nothing live", OrderFixture { live: 0, ..plain() }),
        ("many live", OrderFixture { live: 60, ..plain() }),
        ("10,000 trials", OrderFixture { trials: 10_000, ..plain() }),
        ("no trials", OrderFixture { trials: 0, objective: "steep-8", live: 0, ..plain() }),
    ];
    cases.map(|(case, fixture)| (format!("orders: {case}"), fixture)).to_vec()
}
