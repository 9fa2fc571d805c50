//! The procedures that are compared, and which of them with which.

use strata::analysis::priority::{Arm, Start, ranker};
use strata::objective::DUMMY;
use strata::search::sampler::{Order, SamplerOptions};
use strata::search::space::Space;

/// What arms are made from.
pub struct Setting<'a> {
    pub space: &'a Space,
    /// Hyperparameters by their total effect on the landscape, the largest first.
    pub oracle: &'a [String],
    /// Evaluations of a screening.
    pub screening: u64,
}

impl Setting<'_> {
    fn oracle(&self) -> Order {
        Order::Given(self.oracle.to_vec())
    }

    fn screened(&self, name: &str) -> Option<Order> {
        Some(Order::Screened { ranker: ranker(name)?, trials: self.screening })
    }

    fn has(&self, name: &str) -> bool {
        self.space.parameter(name).is_some()
    }

    /// Those of these names and beginnings (`ratio.*`) that the space has, in this order.
    fn names(&self, patterns: &[&str]) -> Vec<String> {
        let fits = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        let all = self.space.parameters.iter().map(|parameter| parameter.name.clone());
        let all: Vec<_> = all.collect();
        let of = |pattern: &&str| all.iter().filter(|name| fits(pattern, name)).cloned().collect();
        patterns.iter().flat_map(|pattern| -> Vec<String> { of(pattern) }).collect()
    }

    /// Factors on the rates of layers.
    fn ratios(&self) -> Vec<String> {
        self.names(&["ratio.*"])
    }
}

/// What an arm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It competes.
    Compared,
    /// It competes with an order that nobody could have known before the search.
    Oracle,
    /// It shows what an estimated order would be worth for nothing.
    Unpaid,
    /// It must not win.
    Control,
}

impl Role {
    /// Whether it is ranked with the others.
    pub fn competes(self) -> bool {
        matches!(self, Self::Compared | Self::Oracle)
    }

    /// The name in `arms.csv`; tables do not tell an oracle from the others.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compared | Self::Oracle => "compared",
            Self::Unpaid => "unpaid",
            Self::Control => "control",
        }
    }
}

type Make = fn(&str, &str, &Setting) -> Option<Arm>;

/// Every arm: name, role, what it is, and how it is made; none where the space has nothing for it.
const ARMS: &[(&str, Role, &str, Make)] = &[
    (
        RANDOM_ORDER,
        Role::Compared,
        "one hyperparameter after the other, in an order drawn anew for each replicate",
        |name, about, _| Some(Arm::new(name, about, "coordinate", Order::Random)),
    ),
    (
        IMPORTANCE,
        Role::Oracle,
        "one after the other, the largest total effect first (an oracle: nobody has to find it)",
        |name, about, at| Some(Arm::new(name, about, "coordinate", at.oracle())),
    ),
    (REVERSE, Role::Oracle, "the same backwards", |name, about, at| {
        let reversed = at.oracle.iter().rev().cloned().collect();
        Some(Arm::new(name, about, "coordinate", Order::Given(reversed)))
    }),
    (
        "expert",
        Role::Compared,
        "Ng's list: rate, then momentum, batch and widths, then schedule, then the rest",
        |name, about, at| {
            let list = ["lr", "momentum", "batch_size", "l1", "l2", "schedule", "weight_decay"];
            let order = Order::Given(at.names(&list));
            at.has("lr").then(|| Arm::new(name, about, "coordinate", order))
        },
    ),
    (
        "playbook",
        Role::Compared,
        "the tuning playbook's ladder: rate, momentum, schedule, decay, augmentation, then the rest",
        |name, about, at| {
            let list = ["lr", "momentum", "schedule", "weight_decay", "augment", "batch_size"];
            let order = Order::Given(at.names(&list));
            at.has("lr").then(|| Arm::new(name, about, "coordinate", order))
        },
    ),
    (
        SAMPLE,
        Role::Compared,
        "a screening whose sample nobody reads, then a random order: what the sample alone is worth",
        |name, about, at| Some(Arm::new(name, about, "coordinate", at.screened("chance")?)),
    ),
    (
        "morris-first",
        Role::Compared,
        "Morris' screening, paid for, then in the order that it found",
        |name, about, at| Some(Arm::new(name, about, "coordinate", at.screened("morris")?)),
    ),
    (
        "fanova-first",
        Role::Compared,
        "a sample, paid for, then in the order that fANOVA found in it",
        |name, about, at| Some(Arm::new(name, about, "coordinate", at.screened("fanova")?)),
    ),
    (
        "ped-anova-first",
        Role::Compared,
        "a sample, paid for, then in the order that PED-ANOVA found in it",
        |name, about, at| Some(Arm::new(name, about, "coordinate", at.screened("ped-anova")?)),
    ),
    (
        "several-passes",
        Role::Oracle,
        "by importance, two trials a hyperparameter and pass instead of four",
        |name, about, at| {
            let arm = Arm::new(name, about, "coordinate", at.oracle());
            let options = SamplerOptions { stage_levels: Some(2), ..arm.options };
            Some(Arm { options, ..arm })
        },
    ),
    (
        "groups",
        Role::Oracle,
        "by importance, three hyperparameters at a time",
        |name, about, at| Some(Arm::new(name, about, "groups", at.oracle())),
    ),
    (
        "ratios-together",
        Role::Oracle,
        "by importance, one after the other, but the rates of the layers as one group",
        |name, about, at| {
            let arm = Arm::new(name, about, "groups", at.oracle());
            let groups = vec![("ratios".to_owned(), at.ratios())];
            let options = SamplerOptions { groups, ..arm.options };
            (at.ratios().len() > 1).then_some(Arm { options, ..arm })
        },
    ),
    (
        "grow",
        Role::Oracle,
        "the three most important together, then five, eight and all",
        |name, about, at| Some(Arm::new(name, about, "grow", at.oracle())),
    ),
    (
        "proportional",
        Role::Oracle,
        "changes to the best, important hyperparameters more often; one trial in five anywhere",
        |name, about, at| Some(Arm::new(name, about, "proportional", at.oracle())),
    ),
    (
        "proportional-fanova",
        Role::Compared,
        "the same, with weights from a screening by fANOVA, paid for",
        |name, about, at| Some(Arm::new(name, about, "proportional", at.screened("fanova")?)),
    ),
    (RANDOM, Role::Compared, "random search over everything at once", |name, about, _| {
        Some(Arm::new(name, about, "random", Order::Space))
    }),
    ("sobol", Role::Compared, "Sobol' points over everything at once", |name, about, _| {
        Some(Arm::new(name, about, "sobol", Order::Space))
    }),
    ("tpe", Role::Compared, "tree-structured Parzen estimators", |name, about, _| {
        Some(Arm::new(name, about, "tpe", Order::Space))
    }),
    ("random-2x", Role::Compared, "random search with twice the budget", |name, about, _| {
        Some(Arm { times: 2, ..Arm::new(name, about, "random", Order::Space) })
    }),
    (
        DEFAULT_START,
        Role::Oracle,
        "by importance, from the space's defaults instead of a random point",
        |name, about, at| {
            let arm = Arm::new(name, about, "coordinate", at.oracle());
            Some(Arm { start: Start::Default, ..arm })
        },
    ),
    ("morris-unpaid", Role::Unpaid, "Morris' order, found for nothing", |name, about, at| {
        unpaid(name, about, at, "morris")
    }),
    ("fanova-unpaid", Role::Unpaid, "fANOVA's order, found for nothing", |name, about, at| {
        unpaid(name, about, at, "fanova")
    }),
    (
        "ped-anova-unpaid",
        Role::Unpaid,
        "PED-ANOVA's order, found for nothing",
        |name, about, at| unpaid(name, about, at, "ped-anova"),
    ),
    (
        DUMMY_FIRST,
        Role::Control,
        "by importance, but a hyperparameter that does nothing first",
        |name, about, at| {
            let is_dummy = |name: &&String| name.starts_with(DUMMY);
            let dummy = at.oracle.iter().find(is_dummy)?;
            let order = [dummy].into_iter().chain(at.oracle).cloned().collect();
            Some(Arm::new(name, about, "coordinate", Order::Given(order)))
        },
    ),
];

pub const RANDOM_ORDER: &str = "random-order";
pub const IMPORTANCE: &str = "importance-first";
pub const REVERSE: &str = "reverse";
pub const RANDOM: &str = "random";
const SAMPLE: &str = "sample-first";
pub const DEFAULT_START: &str = "default-start";
pub const DUMMY_FIRST: &str = "dummy-first";

/// Names of the negative control that swaps a hyperparameter and its copy.
pub const COPIED: (&str, &str) = ("original-first", "copy-first");

fn unpaid(name: &str, about: &str, at: &Setting, by: &str) -> Option<Arm> {
    let arm = Arm::new(name, about, "coordinate", Order::Space);
    Some(Arm { unpaid: Some((ranker(by)?, at.screening)), ..arm })
}

/// Checks names of arms before anything runs.
///
/// # Errors
/// When a name is no arm's, or is there twice.
pub fn check(flag: &str, wanted: &[String]) -> anyhow::Result<()> {
    let known = || ARMS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    for (place, name) in wanted.iter().enumerate() {
        let is_known = ARMS.iter().any(|(known, ..)| known == name);
        anyhow::ensure!(is_known, "{flag} {name}: there is {}", known());
        anyhow::ensure!(!wanted[..place].contains(name), "{flag}: {name} is there twice");
    }
    Ok(())
}

/// The arms that this space has, those named or all.
///
/// # Errors
/// When a name is no arm's.
pub fn arms(setting: &Setting, wanted: &[String]) -> anyhow::Result<Vec<(Role, Arm)>> {
    check("--arms", wanted)?;
    let chosen = ARMS
        .iter()
        .filter(|(name, ..)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
    let made = chosen.map(|(name, role, about, make)| (name, *role, make(name, about, setting)));
    let made: Vec<_> = made.collect();
    let missing = made
        .iter()
        .find(|(name, _, arm)| arm.is_none() && wanted.iter().any(|wanted| wanted == *name));
    if let Some((name, ..)) = missing {
        let names: Vec<_> = setting.space.parameters.iter().map(|p| p.name.as_str()).collect();
        anyhow::bail!(
            "--arms {name}: this space has nothing for it; it has {}; leave the arm out, or search another space",
            names.join(", ")
        );
    }
    Ok(made.into_iter().filter_map(|(_, role, arm)| Some((role, arm?))).collect())
}

/// A comparison that is fixed before anything runs.
pub struct Question {
    pub treatment: &'static str,
    pub baseline: &'static str,
    pub asks: &'static str,
}

const fn question(treatment: &'static str, baseline: &'static str, asks: &'static str) -> Question {
    Question { treatment, baseline, asks }
}

/// Every comparison; those whose arms do not run are passed over.
pub const QUESTIONS: &[Question] = &[
    question(IMPORTANCE, REVERSE, "Does the order matter?"),
    question(IMPORTANCE, RANDOM_ORDER, "Is importance first better than any order?"),
    question("expert", RANDOM_ORDER, "Is Ng's list better than any order?"),
    question("playbook", RANDOM_ORDER, "Is the playbook's ladder better than any order?"),
    question("morris-unpaid", RANDOM_ORDER, "What is Morris' order worth, found for nothing?"),
    question("fanova-unpaid", RANDOM_ORDER, "What is fANOVA's order worth, found for nothing?"),
    question("ped-anova-unpaid", RANDOM_ORDER, "What is PED-ANOVA's worth, found for nothing?"),
    question(SAMPLE, RANDOM_ORDER, "What is a first sample worth that nobody reads?"),
    question("morris-first", SAMPLE, "Does Morris' order pay, against an unread sample?"),
    question("fanova-first", SAMPLE, "Does reading the sample with fANOVA pay?"),
    question("ped-anova-first", SAMPLE, "Does reading the sample with PED-ANOVA pay?"),
    question("fanova-first", IMPORTANCE, "What does it cost not to know the order?"),
    question("several-passes", IMPORTANCE, "Several quick passes or one?"),
    question("groups", IMPORTANCE, "Three at a time or one?"),
    question("ratios-together", IMPORTANCE, "Rates of layers as a group or singly?"),
    question("grow", IMPORTANCE, "A growing space or one after the other?"),
    question("proportional", IMPORTANCE, "In proportion to importance or one after the other?"),
    question("proportional-fanova", RANDOM, "Does importance that is paid for beat random search?"),
    question(IMPORTANCE, RANDOM, "One after the other, best order, or all at once at random?"),
    question(RANDOM_ORDER, RANDOM, "One after the other, any order, or all at once at random?"),
    question("sobol", RANDOM, "Sobol' points or random ones?"),
    question("tpe", RANDOM, "TPE or random search?"),
    question("tpe", IMPORTANCE, "TPE or one after the other in the best order?"),
    question("random-2x", RANDOM, "What is twice the budget worth?"),
    question(DEFAULT_START, IMPORTANCE, "Does a sane start matter?"),
    question(DUMMY_FIRST, IMPORTANCE, "Control: what does a useless hyperparameter first cost?"),
];
