//! All arms on a landscape: replays, curves, and the comparisons that were fixed in advance.

use rayon::prelude::*;
use strata::analysis::priority::{
    Arm, Curves, Effect, Landscape, Outcome, Replay, Scale, Start, mean_ranks, replay, screening,
    total_effects,
};
use strata::analysis::statistics::{mean, quantile};
use strata::analysis::{Comparison, GroupedPairs, compare_all};
use strata::objective::DUMMY;
use strata::search::sampler::Order;
use strata::search::space::Space;

use super::arms::{self, COPIED, QUESTIONS, Role, Setting};

/// Base samples of the oracle's Sobol' design, and points that the scale of regret rests on.
const ORACLE: usize = 1_024;
const SCALE: u64 = 2_048;

/// The control that [`arms::DUMMY_FIRST`] is set against where the space has no dummy of its own.
const DUMMY_LAST: &str = "dummy-last";

/// Fewest evaluations of a search.
const LEAST_BUDGET: u64 = 4;

/// How replays are made.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// Evaluations of a search.
    pub budget: u64,
    /// Searches of each arm.
    pub replays: u64,
    /// Evaluations of a screening, if the user chose.
    pub screening: Option<u64>,
    /// Names of arms; all if empty.
    pub arms: &'a [String],
    /// Smallest difference of areas that matters.
    pub smallest_effect: f64,
    pub seed: u64,
}

/// An arm and what came of it.
pub struct Compared {
    pub role: Role,
    pub arm: Arm,
    pub replays: Vec<Replay>,
    pub curves: Curves,
    pub outcomes: Vec<Outcome>,
}

impl Compared {
    /// Mean regret over the budget, over all replays.
    pub fn area(&self) -> f64 {
        let areas: Vec<_> = self.outcomes.iter().map(|outcome| outcome.area).collect();
        mean(&areas)
    }

    /// Median regret after a quarter, half and all of the budget.
    pub fn medians(&self) -> [f64; 3] {
        std::array::from_fn(|share| {
            let mut all: Vec<_> = self.outcomes.iter().map(|o| o.regrets[share]).collect();
            all.sort_by(f64::total_cmp);
            quantile(&all, 0.5)
        })
    }
}

/// An answer to one of the questions.
pub struct Answered {
    pub treatment: String,
    pub baseline: String,
    pub asks: String,
    pub comparison: Comparison,
}

/// Everything that replays say.
pub struct Replays {
    pub budget: u64,
    pub screening: u64,
    /// Hyperparameters by their total effect.
    pub oracle: Vec<Effect>,
    pub scale: Scale,
    /// The regret that random search ends with, in the median.
    pub target: f64,
    pub arms: Vec<Compared>,
    /// Mean rank of each competing arm by its area, with its interval.
    pub ranks: Vec<(String, [f64; 3])>,
    pub answers: Vec<Answered>,
    /// The hyperparameter that was given a second name for the negative control.
    pub copied: Option<String>,
}

impl Replays {
    pub fn arm(&self, name: &str) -> Option<&Compared> {
        self.arms.iter().find(|compared| compared.arm.name == name)
    }

    pub fn answer(&self, treatment: &str, baseline: &str) -> Option<&Answered> {
        let is_it =
            |answer: &&Answered| answer.treatment == treatment && answer.baseline == baseline;
        self.answers.iter().find(is_it)
    }
}

/// A budget for spaces of this size: half of the hyperparameters get their turn.
pub fn default_budget(hyperparameters: usize) -> u64 {
    (2 * (hyperparameters as u64 + 1)).max(20)
}

/// Evaluations of a screening: as asked for, or so many that a third of the budget or more is left.
///
/// # Errors
/// When nothing of the budget would be left, or there is next to none.
pub fn screening_of(space: &Space, plan: &Plan) -> anyhow::Result<u64> {
    anyhow::ensure!(
        plan.budget >= LEAST_BUDGET,
        "--budget {}: with fewer than {LEAST_BUDGET} evaluations procedures hardly differ; give more",
        plan.budget
    );
    let usual = screening(space).min(plan.budget * 2 / 3);
    let wanted = plan.screening.unwrap_or(usual);
    anyhow::ensure!(
        wanted < plan.budget,
        "--screening {wanted}: it must leave some of the {} evaluations of --budget to the search",
        plan.budget
    );
    Ok(wanted)
}

/// Replays every arm.
///
/// # Errors
/// When an arm is unknown or cannot search the space, or the landscape is flat.
pub fn run(landscape: &Landscape, plan: &Plan) -> anyhow::Result<Replays> {
    let screening = screening_of(&landscape.space, plan)?;
    let oracle = total_effects(landscape, ORACLE, plan.seed)?;
    let names: Vec<_> = oracle.iter().map(|effect| effect.parameter.clone()).collect();
    let setting = Setting { space: &landscape.space, oracle: &names, screening };
    let arms = arms::arms(&setting, plan.arms)?;
    let mut all = Vec::new();
    for (role, arm) in arms {
        let replays = replay_all(landscape, &arm, plan)?;
        all.push((role, arm, replays));
    }
    let every = all.iter().flat_map(|(.., replays)| replays);
    let scale = Scale::of(landscape, SCALE, plan.seed, every);
    let scale =
        scale.ok_or_else(|| anyhow::anyhow!("the objective is flat: no order is any good"))?;
    let curves = all.iter().map(|(.., replays)| Curves::of(replays, &scale, plan.budget));
    let curves: Vec<Curves> = curves.collect();
    let random = all.iter().position(|(_, arm, _)| arm.name == arms::RANDOM).unwrap_or(0);
    let target = curves.get(random).and_then(|curves| Some(curves.quartiles().last()?[1]));
    let target = target.unwrap_or(0.0);
    let arms: Vec<Compared> = all
        .into_iter()
        .zip(curves)
        .map(|((role, arm, replays), curves)| {
            let outcomes = curves.outcomes(target);
            Compared { role, arm, replays, curves, outcomes }
        })
        .collect();
    let ranks = ranks(&arms, plan.seed);
    let (answers, copied) = answers(landscape, &names, &arms, &scale, plan)?;
    Ok(Replays {
        budget: plan.budget,
        screening,
        oracle,
        scale,
        target,
        arms,
        ranks,
        answers,
        copied,
    })
}

fn replay_all(landscape: &Landscape, arm: &Arm, plan: &Plan) -> anyhow::Result<Vec<Replay>> {
    // Each replay is a function of its number, so the threads that share the work change nothing.
    let replays: Result<Vec<_>, _> = (0..plan.replays)
        .into_par_iter()
        .map(|replicate| replay(landscape, arm, plan.seed, replicate, plan.budget))
        .collect();
    Ok(replays?)
}

/// Ranks of the arms that compete under one budget and from one start.
fn ranks(arms: &[Compared], seed: u64) -> Vec<(String, [f64; 3])> {
    let is_fair = |compared: &&Compared| {
        compared.role.competes() && compared.arm.times == 1 && compared.arm.start == Start::Random
    };
    let competing: Vec<_> = arms.iter().filter(is_fair).collect();
    let areas: Vec<_> = competing.iter().map(|compared| compared.curves.areas()).collect();
    let names = competing.iter().map(|compared| compared.arm.name.clone());
    let mut ranks: Vec<_> = names.zip(mean_ranks(&areas, seed)).collect();
    ranks.sort_by(|a, b| a.1[0].total_cmp(&b.1[0]));
    ranks
}

/// Pairs of areas, less regret being the larger value.
fn pairs(baseline: &Curves, treatment: &Curves) -> GroupedPairs {
    let areas = baseline.areas().into_iter().zip(treatment.areas());
    vec![areas.map(|(baseline, treatment)| (-baseline, -treatment)).collect()]
}

/// The comparisons, all adjusted for each other, and the hyperparameter that was copied.
fn answers(
    landscape: &Landscape,
    oracle: &[String],
    arms: &[Compared],
    scale: &Scale,
    plan: &Plan,
) -> anyhow::Result<(Vec<Answered>, Option<String>)> {
    let arm = |name: &str| arms.iter().find(|compared| compared.arm.name == name);
    let mut asked = Vec::new();
    for question in QUESTIONS {
        if let Some((treatment, baseline)) = arm(question.treatment).zip(arm(question.baseline)) {
            let names = [question.treatment, question.baseline, question.asks].map(str::to_owned);
            asked.push((names, pairs(&baseline.curves, &treatment.curves)));
        }
    }
    // The negative controls: a hyperparameter that does nothing, and one under two names.
    let is_all = plan.arms.is_empty();
    let control = |landscape: &Landscape, order: Vec<String>| -> anyhow::Result<Curves> {
        let arm = Arm::new("control", "", "coordinate", Order::Given(order));
        Ok(Curves::of(&replay_all(landscape, &arm, plan)?, scale, plan.budget))
    };
    if is_all && !oracle.iter().any(|name| name.starts_with(DUMMY)) {
        let with_dummy = landscape.with_dummy(DUMMY);
        let last = [oracle, &[DUMMY.to_owned()]].concat();
        let first = [&[DUMMY.to_owned()], oracle].concat();
        let asks = "Control: what does a useless hyperparameter first cost?";
        let names = [arms::DUMMY_FIRST, DUMMY_LAST, asks].map(str::to_owned);
        let (last, first) = (control(&with_dummy, last)?, control(&with_dummy, first)?);
        asked.push((names, pairs(&last, &first)));
    }
    let copied = oracle.iter().find_map(|name| Some((name, landscape.duplicated(name)?)));
    let copied = copied.filter(|_| is_all);
    if let Some((name, (doubled, copy))) = &copied {
        let rest: Vec<_> = oracle.iter().filter(|other| other != name).cloned().collect();
        let order = |first: &String, second: &String| {
            [&[first.clone(), second.clone()], rest.as_slice()].concat()
        };
        let original = control(doubled, order(name, copy))?;
        let swapped = control(doubled, order(copy, name))?;
        let asks = format!("Control: {name} under two names, in either order (must be equivalent)");
        let names = [COPIED.1.to_owned(), COPIED.0.to_owned(), asks];
        asked.push((names, pairs(&original, &swapped)));
    }
    // Two arms that did the same every time are not two: nothing is learned of them.
    let differ = |(_, pairs): &([String; 3], GroupedPairs)| {
        pairs.iter().flatten().any(|(baseline, treatment)| baseline != treatment)
    };
    asked.retain(differ);
    let grouped = asked.iter().map(|(names, pairs)| (names[0].as_str(), pairs.clone()));
    let grouped: Vec<_> = grouped.collect();
    let compared = compare_all(&grouped, plan.smallest_effect, plan.seed);
    let answers = asked.iter().zip(compared).filter_map(|((names, _), (_, comparison))| {
        let [treatment, baseline, asks] = names.clone();
        Some(Answered { treatment, baseline, asks, comparison: comparison? })
    });
    Ok((answers.collect(), copied.map(|(name, _)| name.clone())))
}

/// The width of the narrower box, as a share of each range.
pub const NARROW: f64 = 0.5;

/// The same arms in a box half as wide, around the best configuration that any search has found: near a
/// good incumbent, does the order still matter? Without controls.
///
/// # Errors
/// As [`run`].
pub fn nearby(landscape: &Landscape, found: &Replays, plan: &Plan) -> anyhow::Result<Replays> {
    let every = found.arms.iter().flat_map(|compared| &compared.replays);
    let truth = |replay: &&Replay| replay.truths.last().copied().unwrap_or(f64::INFINITY);
    let best = every.min_by(|a, b| truth(a).total_cmp(&truth(b)));
    let centre = best.map(|best| best.chosen.clone()).unwrap_or_default();
    let arms: Vec<_> = found.arms.iter().map(|compared| compared.arm.name.clone()).collect();
    // Named arms have no controls beside them.
    let plan = Plan { screening: Some(found.screening), arms: &arms, ..*plan };
    run(&landscape.narrowed(&centre, NARROW), &plan)
}

/// The median of counts of which some are unknown because they were never reached; none if it is one of
/// those.
pub fn median_reached(counts: &[Option<u64>]) -> Option<f64> {
    let mut all: Vec<f64> =
        counts.iter().map(|count| count.map_or(f64::INFINITY, |count| count as f64)).collect();
    all.sort_by(f64::total_cmp);
    if all.is_empty() {
        return None;
    }
    // Between a number and infinity there is none.
    let median = quantile(&all, 0.5);
    median.is_finite().then_some(median)
}
