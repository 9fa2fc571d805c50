//! Question 1: should the learning rate be the same in every layer?
//!
//! The protocol:
//!
//! 1. A stratified, seeded split; tuning looks at validation images only.
//! 2. The arms of [`ARMS`]: procedures that find layer rates, each a space that is searched by the
//!    same sampler with the same number of trials, epochs and images. `global`, one rate, is the
//!    baseline. `global-plus` spends the dimensions of layer rates on momentum and weight decay
//!    instead, and `placebo` gives the ratios that `free` found to other layers: a gain that they
//!    share does not come from which layer has which rate.
//! 3. The whole search of every arm is repeated, independently. The winner of each search, by
//!    validation accuracy after the last epoch, is retrained on fresh seeds, the same for all arms,
//!    and each retrained model is tested once.
//! 4. Where a rule sets the rates during training, the rates that it realised are replayed on the
//!    same seeds, as a schedule and collapsed to one vector: what is lost was due to adapting.
//! 5. Differences of test accuracy to the baseline, paired by search and seed, get an interval over
//!    searches, p-values adjusted for the number of arms, an equivalence test, and a verdict: better,
//!    worse, equivalent (within the smallest effect of interest) or inconclusive. How often that
//!    verdict errs is simulated with the noise of the run itself.
//!
//! `layer_lr finder` and `layer_lr map` are quicker looks at the same question: see there.

#[path = "layer_lr/arms.rs"]
mod arms;
#[path = "layer_lr/compare.rs"]
mod compare;
#[path = "layer_lr/cost.rs"]
mod cost;
#[path = "layer_lr/finder.rs"]
mod finder;
#[path = "layer_lr/map.rs"]
mod map;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use strata::cli::{self, CommonFlags, Preset, PresetImages};
use strata::objective::arm::Follow;

const EXPERIMENT: &str = "layer_lr";

/// An arm: what it is called, what it does in a few words, the space that it searches (in the
/// language of `tune --space`), and what follows from its winner.
pub struct ArmText {
    name: &'static str,
    about: &'static str,
    space: &'static str,
    follows: &'static [Follow],
}

/// Every arm that `--arms` knows. The first is the baseline.
const ARMS: &[ArmText] = &[
    ArmText {
        name: "global",
        about: "one rate",
        space: r#"rates = { scheme = "global" }"#,
        follows: &[],
    },
    ArmText {
        name: "global-plus",
        about: "one rate, momentum and weight decay",
        space: r#"rates = { scheme = "global" }
                  momentum = { uniform = [0.5, 0.98] }
                  weight_decay = { loguniform = [1e-5, 1e-2] }"#,
        follows: &[],
    },
    ArmText {
        name: "free",
        about: "a rate for each layer",
        space: r#"rates = { scheme = "free" }"#,
        follows: &[Follow::Placebo],
    },
    ArmText {
        name: "type-groups",
        about: "rates by kind of layer, and for biases",
        space: r#"rates = { scheme = "type-groups" }"#,
        follows: &[],
    },
    ArmText {
        name: "depth-decay",
        about: "rates geometric in depth",
        space: r#"rates = { scheme = "depth-decay" }"#,
        follows: &[],
    },
    ArmText {
        name: "depth-contrast",
        about: "slope and curvature over depth",
        space: r#"rates = { scheme = "depth-contrast" }"#,
        follows: &[],
    },
    ArmText {
        name: "fan-in",
        about: "a power of the fan-in",
        space: r#"rates = { scheme = "fan-in" }"#,
        follows: &[],
    },
    ArmText {
        name: "nested-contrasts",
        about: "contrasts between layers, and biases",
        space: r#"rates = { scheme = "nested-contrasts" }"#,
        follows: &[],
    },
    ArmText {
        name: "lars",
        about: "rule: norm of weights over norm of gradient",
        space: r#"rates = { rule = "lars", rate = { loguniform = [0.1, 30.0] } }"#,
        follows: &[],
    },
    ArmText {
        name: "hypergradient",
        about: "rule: rates follow the gradients' cosine",
        space: r#"rates = { rule = "hypergradient", beta = { loguniform = [1e-4, 0.1] } }"#,
        follows: &[Follow::Replay],
    },
    ArmText {
        name: "lamb",
        about: "rule: norm of weights over norm of step",
        space: r#"rates = { rule = "lamb" }"#,
        follows: &[],
    },
    ArmText {
        name: "l-dog",
        about: "rule: distance over gradients, averaged",
        space: r#"rates = { rule = "l-dog" }"#,
        follows: &[],
    },
    ArmText {
        name: "curvature",
        about: "rule: gradient over curvature",
        space: r#"rates = { rule = "curvature" }"#,
        follows: &[Follow::Replay],
    },
    ArmText {
        name: "layca",
        about: "rule: equal rotation in every layer",
        space: r#"rates = { rule = "layca" }"#,
        follows: &[],
    },
    ArmText {
        name: "freezeout",
        about: "rule: early layers stop first",
        space: r#"rates = { rule = "freezeout" }"#,
        follows: &[],
    },
    ArmText {
        name: "temp-balance",
        about: "rule: by the spectrum of the weights",
        space: r#"rates = { rule = "temp-balance" }"#,
        follows: &[Follow::Replay],
    },
];

/// The arm that the headline is about, if it is among those compared.
const TREATMENT: &str = "free";

/// The sizes of a run.
#[derive(Clone, Debug)]
pub struct Budget {
    images: PresetImages,
    batch_size: usize,
    epochs: usize,
    searches: usize,
    trials: usize,
    retrains: usize,
    arms: &'static [&'static str],
}

fn preset(preset: Preset) -> Budget {
    let images = |train, validation| PresetImages { train, validation };
    match preset {
        Preset::Quick => Budget {
            images: images(4_000, 1_000),
            // Small batches: with few images, steps are what is scarce.
            batch_size: 16,
            epochs: 5,
            searches: 3,
            trials: 10,
            retrains: 4,
            arms: &["global", "free", "depth-decay", "hypergradient"],
        },
        // The whole data set. Independent searches are what the verdict generalises over, so epochs
        // are spent on them.
        Preset::Standard => Budget {
            images: images(45_000, 5_000),
            batch_size: 64,
            epochs: 5,
            searches: 5,
            trials: 25,
            retrains: 10,
            arms: &[
                "global",
                "global-plus",
                "free",
                "type-groups",
                "depth-decay",
                "lars",
                "hypergradient",
            ],
        },
        Preset::Full => Budget {
            images: images(45_000, 5_000),
            batch_size: 64,
            epochs: 20,
            searches: 8,
            trials: 60,
            retrains: 20,
            arms: &[
                "global",
                "global-plus",
                "free",
                "type-groups",
                "depth-decay",
                "depth-contrast",
                "fan-in",
                "lars",
                "hypergradient",
                "l-dog",
                "curvature",
                "layca",
                "freezeout",
                "temp-balance",
            ],
        },
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Search, retrain and compare the arms.
    #[default]
    Compare,
    /// Layer range test: ramp the rate of one layer after the other, then of all together.
    Finder,
    /// Rate × layer map: each layer's rate times ¼ to 4, at the tuned overall rate and re-tuned.
    Map,
}

/// Question 1: should the learning rate be the same in every layer?
///
/// `compare` tunes one global rate, free rates per layer and other arms by repeated searches at equal
/// budget, retrains all winners on fresh seeds, tests each model once, and writes tables, figures and
/// a verdict. `finder` and `map` are quicker looks at how sensitive each layer is.
///
/// Example: layer_lr --preset quick --dataset cifar10 --data-dir DIR --out results/mine
#[derive(Debug, Parser)]
#[command(name = EXPERIMENT, version)]
pub struct Flags {
    /// What to do. Example: layer_lr finder
    #[arg(value_enum, default_value_t)]
    mode: Mode,
    #[command(flatten)]
    common: CommonFlags,
    /// Arms to compare, the baseline first [default: as the preset says]. All: global, global-plus,
    /// free (with placebo), type-groups, depth-decay, depth-contrast, fan-in, nested-contrasts, lars,
    /// lamb, hypergradient, l-dog, curvature, layca, freezeout, temp-balance. Example: --arms
    /// global,free
    #[arg(long, value_name = "ARM,…", value_delimiter = ',', help_heading = "Protocol")]
    arms: Vec<String>,
    /// Sampler of all searches: random, sobol, tpe, gp, cma-es. Example: --sampler random
    #[arg(long, value_name = "NAME", default_value = "tpe", help_heading = "Protocol")]
    sampler: String,
    /// Independent searches of each arm; the verdict generalises over them. A run can be resumed
    /// with more, if that was decided before looking. Example: --searches 5
    #[arg(long, value_name = "N", value_parser = cli::count, help_heading = "Protocol")]
    searches: Option<usize>,
    /// Trials of each search. Example: --trials 40
    #[arg(long, value_name = "N", value_parser = cli::count, help_heading = "Protocol")]
    trials: Option<usize>,
    /// Fresh seeds on which each winner is retrained. Example: --retrains 10
    #[arg(long, value_name = "N", value_parser = cli::count, help_heading = "Protocol")]
    retrains: Option<usize>,
    /// Lowest overall rate searched [default: 0.002 with SGD, 0.0001 with AdamW; rules have their own
    /// box]. Example: --rate-low .001
    #[arg(long, value_name = "RATE", value_parser = cli::positive_rate, help_heading = "Protocol")]
    rate_low: Option<f64>,
    /// Highest overall rate searched [default: 0.5 with SGD, 0.03 with AdamW; rules have their own
    /// box]. Example: --rate-high .2
    #[arg(long, value_name = "RATE", value_parser = cli::positive_rate, help_heading = "Protocol")]
    rate_high: Option<f64>,
    /// How far one coefficient alone may move a ratio between layers: widens the boxes of schemes
    /// [default: 8]. Example: --reach 32
    #[arg(long, value_name = "FACTOR", value_parser = above_one, help_heading = "Protocol")]
    reach: Option<f64>,
    /// Smallest difference in test accuracy that matters, in points; fixed before looking.
    /// Example: --smallest-effect .5
    #[arg(long, value_name = "POINTS", default_value_t = 0.3, value_parser = cli::positive_rate, help_heading = "Protocol")]
    smallest_effect: f64,
    /// Print what the run would cost, and end. Example: --preset full --dry-run
    #[arg(long, help_heading = "Protocol")]
    dry_run: bool,
}

fn above_one(text: &str) -> Result<f64, String> {
    match cli::positive_rate(text)? {
        factor if factor > 1.0 => Ok(factor),
        factor => Err(format!("must be above 1, not {factor}")),
    }
}

fn main() -> ExitCode {
    cli::run(|| {
        let flags: Flags = cli::parse_with_config()?;
        match flags.mode {
            Mode::Compare => compare::run(&flags),
            Mode::Finder => finder::run(&flags),
            Mode::Map => map::run(&flags),
        }
    })
}
