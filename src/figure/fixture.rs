//! Tables for tests: plausible ones, and ugly ones.

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use super::{Run, theme};

/// What the tables of a made-up run look like.
#[derive(Clone)]
pub(super) struct Fixture {
    pub arms: Vec<&'static str>,
    pub layers: Vec<String>,
    /// Independent searches of each arm.
    pub searches: usize,
    /// Trials of each search.
    pub search: usize,
    /// Retrained winners of each search.
    pub retrains: usize,
    pub epochs: usize,
    /// Rows of `layers.csv` for each trial and layer.
    pub steps: usize,
    /// Decades of rates searched.
    pub decades: f64,
    /// Every trial diverges.
    pub diverged: bool,
    /// Every number is the same.
    pub identical: bool,
    pub dataset: String,
    /// Whether there are a map, probes and a finder too.
    pub screening: bool,
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            arms: vec!["global", "free"],
            layers: ["conv1", "conv2", "fc1", "fc2", "fc3"].map(str::to_owned).to_vec(),
            searches: 1,
            search: 12,
            retrains: 3,
            epochs: 4,
            steps: 20,
            decades: 3.0,
            diverged: false,
            identical: false,
            dataset: "CIFAR-10 subset, 5,000 + 1,000 images".to_owned(),
            screening: false,
        }
    }
}

/// Names of a dozen arms.
const MANY: [&str; 12] = [
    "global",
    "global-plus",
    "type-groups",
    "depth-decay",
    "free",
    "lars",
    "lamb",
    "placebo",
    "hypergradient",
    "hypergradient/schedule",
    "hypergradient/vector",
    "curvature",
];

/// A run with every table.
pub(super) fn everything() -> Fixture {
    Fixture { screening: true, ..Fixture::default() }
}

/// A run that one would rather not have to draw, with a name for messages.
pub(super) fn ugly() -> Vec<(&'static str, Fixture)> {
    let plain = Fixture::default;
    let name = |i: usize| format!("features.stage{}.block{}.convolution.weight", i / 6, i % 6);
    let long = "full set, re-encoded as JPEG; ".repeat(20) + &"0123456789abcdef".repeat(12);
    vec![
        ("plain", plain()),
        ("everything", everything()),
        ("one run", Fixture { arms: vec![""], search: 1, retrains: 0, ..plain() }),
        ("one trial an arm", Fixture { search: 1, retrains: 1, ..plain() }),
        ("one layer", Fixture { layers: vec!["fc".to_owned()], ..everything() }),
        ("twenty layers", Fixture { layers: (0..20).map(name).collect(), ..everything() }),
        ("all diverged", Fixture { diverged: true, ..everything() }),
        ("identical", Fixture { identical: true, ..everything() }),
        ("many searches", Fixture { searches: 5, search: 6, retrains: 10, steps: 8, ..plain() }),
        ("screening alone", Fixture { search: 0, retrains: 0, ..everything() }),
        ("one epoch", Fixture { epochs: 1, steps: 1, ..plain() }),
        ("many rows", Fixture { search: 40, epochs: 300, steps: 300, ..plain() }),
        ("six decades", Fixture { decades: 6.5, ..plain() }),
        ("long description", Fixture { dataset: long, ..plain() }),
        ("empty", Fixture { search: 0, retrains: 0, ..plain() }),
        (
            "seven arms",
            Fixture {
                arms: vec![
                    "global",
                    "free",
                    "depth",
                    "type",
                    "momentum",
                    "a rather long name",
                    "<&>",
                ],
                ..plain()
            },
        ),
        (
            "twelve arms",
            Fixture {
                arms: (0..12).map(|i| MANY[i % MANY.len()]).collect(),
                searches: 3,
                search: 3,
                steps: 5,
                ..everything()
            },
        ),
    ]
}

impl Fixture {
    /// Writes the tables into a new temporary folder.
    pub fn write(&self) -> TempDir {
        let mut noise = Noise(1);
        let mut trials = "trial,arm,replicate,seed,status,error,epochs_run,images_trained,seconds,\
            value,validation_loss,validation_accuracy,test_loss,test_accuracy,hp.phase,hp.search,hp.layer,\
            hp.multiplier,hp.base"
            .to_owned();
        self.layers.iter().for_each(|layer| write!(trials, ",rate.{layer}").unwrap());
        trials.push('\n');
        let mut curves = "trial,step,split,loss,accuracy,images_trained,seconds\n".to_owned();
        let mut layers = "trial,step,layer,rate,decay,weight_norm,gradient_norm,relative_update,\
            rotation,distance_from_init,gradient_cosine,dead_fraction\n"
            .to_owned();
        let mut trial = 0;
        for arm in &self.arms {
            for (search, replicate) in self.replicates() {
                let retrain = replicate >= self.search;
                let mut draw = || if self.identical { 0.5 } else { noise.next() };
                let rate = 10f64.powf(-self.decades * draw());
                let accuracy = 0.6 - 0.05 * (rate.log10() + 1.5).powi(2) + 0.01 * draw();
                // Every fifth trial diverges, and its cells are as bad as a table's can be.
                let bad = self.diverged || (replicate % 5 == 4 && !retrain);
                let number = if bad { "NaN".to_owned() } else { format!("{accuracy:.4}") };
                let status = if bad { "diverged" } else { "complete" };
                let (phase, test) = if retrain { ("retrain", &*number) } else { ("search", "") };
                let images = self.epochs * 1000;
                write!(
                    trials,
                    "{trial},{arm},{replicate},{replicate},{status},,{},{images},1.5,{number},inf,\
                     {number},,{test},{phase},{search},,,",
                    self.epochs
                )
                .unwrap();
                self.layers
                    .iter()
                    .for_each(|_| write!(trials, ",{}", rate * (0.5 + draw())).unwrap());
                trials.push('\n');
                for epoch in 1..=self.epochs {
                    for split in ["train", "validation"] {
                        let (loss, images) = (2.3 / epoch as f64 + 0.1 * draw(), epoch * 1000);
                        let loss = if bad { f64::INFINITY } else { loss };
                        writeln!(curves, "{trial},{epoch},{split},{loss},{number},{images},1")
                            .unwrap();
                    }
                }
                for step in 1..=self.steps {
                    for layer in &self.layers {
                        let update = if step % 7 == 0 { 0.0 } else { rate * (0.5 + draw()) };
                        writeln!(
                            layers,
                            "{trial},{step},{layer},{rate},0.0005,1,1,{update},{update},,,"
                        )
                        .unwrap();
                    }
                }
                trial += 1;
            }
        }
        let manifest = serde_json::json!({
            "dataset": {"description": self.dataset}, "net": "tutorial", "device": "cpu",
            "preset": null, "settings": {"optimizer": {"method": "sgd", "momentum": 0.9}}
        });
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("trials.csv", trials),
            ("curves.csv", curves),
            ("layers.csv", layers),
            ("verdict.json", self.verdict().to_string()),
            ("manifest.json", manifest.to_string()),
        ];
        let screening = if self.screening { self.screen(&mut noise) } else { Vec::new() };
        for (name, text) in files.into_iter().chain(screening) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    /// `map.csv` of two seeds.
    fn map(&self, noise: &mut Noise) -> String {
        let mut rows = "layer,multiplier,base,factor,seed,validation_accuracy\n".to_owned();
        let layers = self.layers.iter().map(String::as_str).chain(["all"]);
        let cells = layers.flat_map(|layer| {
            let bases = ["tuned", "re-tuned"].into_iter();
            bases.flat_map(move |base| [0.25, 0.5, 1.0, 2.0, 4.0].map(|m| (layer, base, m)))
        });
        for ((layer, base, multiplier), seed) in
            cells.flat_map(|cell| [0, 1].map(|seed| (cell, seed)))
        {
            let mut draw = || if self.identical { 0.5 } else { noise.next() };
            let accuracy = if self.diverged { f64::NAN } else { 0.5 + 0.1 * draw() };
            writeln!(rows, "{layer},{multiplier},{base},1,{seed},{accuracy}").unwrap();
        }
        rows
    }

    /// `probes.csv`, `finder.csv` and `suggestions.csv`.
    fn screen(&self, noise: &mut Noise) -> Vec<(&'static str, String)> {
        let map = self.map(noise);
        let mut draw = || if self.identical { 0.5 } else { noise.next() };
        let mut probes = "trial,step,probe,layer,other,value,low,high\n".to_owned();
        let mut finder = "layer,step,rate,loss,smoothed_loss\n".to_owned();
        let mut suggestions = "layer,steepest,minimum,suggestion\n".to_owned();
        for layer in ["base", "all"].into_iter().chain(self.layers.iter().map(String::as_str)) {
            for step in 0..40 {
                let rate = 1e-6 * 10f64.powf(f64::from(step) / 40.0 * self.decades * 2.0);
                let loss = if self.diverged { f64::NAN } else { 2.3 - draw() + rate * 9.0 };
                writeln!(finder, "{layer},{step},{rate},{loss},{}", loss + 0.1).unwrap();
                if step % 10 == 0 {
                    writeln!(probes, "0,{step},best_scale,{layer},,{},,", draw() - 0.2).unwrap();
                }
            }
            writeln!(suggestions, "{layer},{},,{}", 1e-4 * draw(), 1e-3 * draw()).unwrap();
        }
        vec![
            ("probes.csv", probes),
            ("finder.csv", finder),
            ("suggestions.csv", suggestions),
            ("map.csv", map),
        ]
    }

    /// Number of the search, empty if it is the only one, and number within it, of each trial.
    fn replicates(&self) -> impl Iterator<Item = (String, usize)> {
        let of_search = self.search + self.retrains;
        let name = |s: usize| if self.searches > 1 { s.to_string() } else { String::new() };
        (0..self.searches).flat_map(move |s| (0..of_search).map(move |i| (name(s), i)))
    }

    /// One comparison for each arm but the first, each with another outcome.
    fn verdict(&self) -> serde_json::Value {
        let outcomes = ["inconclusive", "better", "worse", "equivalent"];
        let comparison = |(i, arm): (usize, &&str)| {
            let difference = 0.004 + 0.02 * (i % 3) as f64;
            serde_json::json!({
                "arm": arm, "baseline": self.arms[0], "difference": difference,
                "low": difference - 0.005, "high": difference + 0.005, "unit": "search",
                "n": self.searches * self.retrains, "searches": self.searches,
                "pairs_low": difference - 0.003, "pairs_high": difference + 0.003,
                "holm_p": 0.04, "verdict": outcomes[i % 4]
            })
        };
        serde_json::json!({
            "difference": 0.004, "low": -0.001, "high": 0.009, "n": 3, "verdict": "inconclusive",
            "confidence": 0.95, "baseline": self.arms[0], "smallest_effect": 0.003,
            "comparisons":
                self.arms.iter().skip(1).enumerate().map(comparison).collect::<Vec<_>>()
        })
    }

    /// The tables, written and read back.
    pub fn run(&self) -> Run {
        theme::load_fonts().unwrap();
        Run::read(self.write().path()).unwrap()
    }
}

/// Uniform numbers from 0 to 1 that need no crate: Knuth's MMIX generator.
pub(super) struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
