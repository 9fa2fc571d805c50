//! Every method's ranking with its uncertainty, and what the trials are enough for.

use std::collections::HashSet;

use rayon::prelude::*;

use super::ablation::{Step, path};
use super::fanova::{curves, variances};
use super::ranks::{interval, kendall_tau, kendall_w, rank_probabilities};
use super::sample::Sample;
use super::{ImportanceError, Method, Observations, Options, Row, known};
use crate::analysis::statistics::{Interval, mean, quantile};
use crate::random::{Purpose, derived_seed};

/// Trials a hyperparameter that a ranking needs at the least.
const TRIALS_A_PARAMETER: usize = 3;
/// R² on unseen trials below which a forest has learnt too little for a ranking.
pub(super) const LEAST_FIT: f64 = 0.1;
/// R² on unseen trials below which most of what moves the values is not what the forest has learnt.
const GOOD_FIT: f64 = 0.5;
/// Points on a marginal curve.
const POINTS: usize = 33;

/// Importance by several methods.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// One a method, in the order asked for.
    pub methods: Vec<MethodResult>,
    /// What pairs do only together (fANOVA), by importance, falling.
    pub interactions: Vec<Interaction>,
    /// Predictions along each hyperparameter (fANOVA), in their order.
    pub marginals: Vec<Marginal>,
    /// How far each two methods agree.
    pub agreement: Vec<Agreement>,
    /// From the default to the best trial (ablation).
    pub path: Vec<Step>,
    /// What was left out or counted otherwise, in words.
    pub notes: Vec<String>,
    /// R² of the forest on trials that its trees have not seen; below 0 if the mean predicts better.
    pub fit: f64,
    /// How many trials counted.
    pub trials: usize,
}

impl Assessment {
    /// Whether the forest has learnt less than half of what moves the values.
    pub fn fits_poorly(&self) -> bool {
        is_poor(self.fit)
    }
}

fn is_poor(fit: f64) -> bool {
    fit < GOOD_FIT
}

/// A ranking by one method.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodResult {
    /// Name of the method.
    pub method: &'static str,
    /// Hyperparameters by importance, falling.
    pub parameters: Vec<Ranked>,
    /// Kendall's W of the resampled rankings: 1 if all agree, near 0 if they are random.
    pub kendall_w: f64,
    /// Whether the ranking's first place can be believed: see `statement`.
    pub can_rank: bool,
    /// What can be said, in plain words.
    pub statement: String,
}

/// A hyperparameter's place in a ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Its name.
    pub parameter: String,
    /// Its importance, as the method defines it.
    pub importance: f64,
    /// Bootstrap interval over trials at the confidence asked for.
    pub interval: Interval,
    /// In which share of resamples it has just this rank.
    pub rank_probability: f64,
    /// The same for every rank, the first one first.
    pub rank_probabilities: Vec<f64>,
}

/// What two hyperparameters do only together.
#[derive(Clone, Debug, PartialEq)]
pub struct Interaction {
    /// One, earlier in the order of the hyperparameters.
    pub first: String,
    /// The other.
    pub second: String,
    /// Share of the variance.
    pub importance: f64,
    /// Bootstrap interval over trials.
    pub interval: Interval,
}

/// The predicted loss along a hyperparameter, averaged over all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Marginal {
    /// Its name.
    pub parameter: String,
    /// Along its range.
    pub points: Vec<MarginalPoint>,
}

/// A point of a marginal curve.
#[derive(Clone, Debug, PartialEq)]
pub struct MarginalPoint {
    /// Position in [0, 1], in the declared measure.
    pub position: f64,
    /// The setting there, as a person would write it.
    pub setting: String,
    /// Mean of the trees.
    pub mean: f64,
    /// Between which the middle share of the trees lies, as large as the confidence.
    pub band: Interval,
}

/// How far two methods agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// One method.
    pub first: &'static str,
    /// The other.
    pub second: &'static str,
    /// Kendall's τ-b of their importances; 0 where one has nothing but ties.
    pub tau: f64,
    /// Its bootstrap interval, over the same resamples for both.
    pub interval: Interval,
}

/// Importance by several methods, with intervals from the same resamples of the trials.
pub fn assess(
    observations: &Observations,
    methods: &[&dyn Method],
    options: &Options,
) -> Result<Assessment, ImportanceError> {
    if methods.is_empty() {
        return Err(ImportanceError::NoMethods { known: known() });
    }
    options.check()?;
    let (sample, mut notes) = Sample::new(observations, options)?;
    notes.extend(repeated(observations));
    let best = (options.gamma * sample.len() as f64).ceil();
    if best < FEWEST_BEST && methods.iter().any(|method| method.name() == "ped-anova") {
        notes.push(format!(
            "the best {} of the trials, as --gamma has it, are {best}: ped-anova looks at hardly anything",
            options.gamma
        ));
    }
    let seed = derived_seed(options.seed, Purpose::Bootstrap, 0);
    let resampled = resampled(&sample, methods, options, true);
    if resampled.len() < options.resamples {
        let missing = options.resamples - resampled.len();
        notes
            .push(format!("{missing} resamples had trials that were all alike, and were left out"));
    }
    let fit = fit(&sample, options, seed);
    if fit >= LEAST_FIT && is_poor(fit) {
        notes.push(format!(
            "the forest predicts unseen trials with R² {fit:.2} only: of most that moves the values it knows nothing; \
             more trials, or repeated ones to see the noise, would tell"
        ));
    }
    let rankings = rank(&sample, methods, options, seed, &resampled, fit)?;
    Ok(Assessment {
        interactions: interactions(&sample, options, seed, &resampled),
        marginals: marginals(&sample, options, seed),
        agreement: agreement(&rankings.estimates, methods, options, &resampled),
        path: path(&sample, options, seed),
        methods: rankings.results,
        notes,
        fit,
        trials: sample.len(),
    })
}

/// Fewest best trials that ped-anova can say something of.
const FEWEST_BEST: f64 = 5.0;

/// What repeated configurations do, in words, where they are many.
fn repeated(observations: &Observations) -> Option<String> {
    let bits = |row: &Row| row.values.iter().map(|v| v.map(f64::to_bits)).collect::<Vec<_>>();
    let seen: HashSet<_> = observations.rows.iter().map(bits).collect();
    let repeats = observations.rows.len() - seen.len();
    // A few replicates do no harm.
    (repeats * 5 > observations.rows.len()).then(|| {
        format!(
            "{repeats} of {} trials repeat a configuration: there are {} different ones, and intervals take all for \
             independent, so they are too short",
            observations.rows.len(),
            seen.len()
        )
    })
}

/// What one resample gives.
pub(super) struct Resampled {
    /// Importances by method.
    importances: Vec<Vec<f64>>,
    /// Pairs, in the order of [`variances`].
    pairs: Vec<f64>,
}

/// Importances in each resample; those in which nothing varies are left out.
pub(super) fn resampled(
    sample: &Sample,
    methods: &[&dyn Method],
    options: &Options,
    pairs: bool,
) -> Vec<Resampled> {
    let smaller = Options { trees: options.resample_trees, ..options.clone() };
    let one = |index: u64| {
        let resample = sample.resample(options.seed, index);
        let first = resample.iter().next().map(|(target, _)| target);
        if resample.iter().all(|(target, _)| Some(target) == first) {
            return None;
        }
        // 0 is the seed of the estimate itself.
        let seed = derived_seed(options.seed, Purpose::Bootstrap, 1 + index);
        let importances = methods.iter().map(|method| method.importance(&resample, &smaller, seed));
        let importances = importances.collect::<Result<_, _>>().ok()?;
        let pairs = if pairs { variances(&resample, &smaller, seed, true).pairs } else { vec![] };
        Some(Resampled { importances, pairs: pairs.into_iter().map(|pair| pair.2).collect() })
    };
    (0..options.resamples as u64).into_par_iter().filter_map(one).collect()
}

/// Rankings, and importances in the order of the hyperparameters.
pub(super) struct Rankings {
    pub results: Vec<MethodResult>,
    pub estimates: Vec<Vec<f64>>,
}

/// R² of the forest of all hyperparameters on unseen trials; 0 where there is none.
pub(super) fn fit(sample: &Sample, options: &Options, seed: u64) -> f64 {
    let (whole, view) = sample.whole();
    let forest = sample.forest(whole, options, seed);
    forest.and_then(|forest| forest.out_of_bag(&view.table, &sample.rows(whole))).unwrap_or(0.0)
}

pub(super) fn rank(
    sample: &Sample,
    methods: &[&dyn Method],
    options: &Options,
    seed: u64,
    resampled: &[Resampled],
    fit: f64,
) -> Result<Rankings, ImportanceError> {
    let (mut results, mut estimates) = (Vec::new(), Vec::new());
    for (place, method) in methods.iter().enumerate() {
        let estimate = method.importance(sample, options, seed)?;
        let rankings: Vec<Vec<f64>> =
            resampled.iter().map(|resample| resample.importances[place].clone()).collect();
        let probabilities = rank_probabilities(&rankings, estimate.len());
        let mut order: Vec<usize> = (0..estimate.len()).collect();
        order.sort_by(|a, b| estimate[*b].total_cmp(&estimate[*a]).then(a.cmp(b)));
        let ranked = |(rank, &parameter): (usize, &usize)| Ranked {
            parameter: sample.parameters()[parameter].name.clone(),
            importance: estimate[parameter],
            interval: interval(
                estimate[parameter],
                rankings.iter().map(|importances| importances[parameter]).collect(),
                options.confidence,
            ),
            rank_probability: probabilities[parameter][rank],
            rank_probabilities: probabilities[parameter].clone(),
        };
        let parameters: Vec<Ranked> = order.iter().enumerate().map(ranked).collect();
        let (can_rank, statement) =
            verdict(&parameters, sample.len(), rankings.len(), fit, options);
        let kendall_w = kendall_w(&rankings);
        let method = method.name();
        results.push(MethodResult { method, parameters, kendall_w, can_rank, statement });
        estimates.push(estimate);
    }
    Ok(Rankings { results, estimates })
}

/// Fewest resamples that say how sure a rank is.
const FEWEST_RESAMPLES: usize = 20;

/// Whether the first place can be believed, and what can be said.
///
/// It takes three trials a hyperparameter, a forest that predicts unseen trials at all (R² of .1), an
/// importance above 0, and the leader first in a share `sure` of the resamples. The forest is asked
/// of every method, also of those that do not use it: where nothing can be predicted from the
/// hyperparameters, whatever differs between them is chance, and resamples of the same trials would
/// only repeat it.
fn verdict(
    parameters: &[Ranked],
    trials: usize,
    resamples: usize,
    fit: f64,
    options: &Options,
) -> (bool, String) {
    let Some(leader) = parameters.first() else { return (false, "nothing to rank".into()) };
    let need = TRIALS_A_PARAMETER * parameters.len();
    let sure = leader.rank_probabilities.first().copied().unwrap_or(0.0);
    let top = leader.rank_probabilities.iter().take(3).sum::<f64>();
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let name = &leader.parameter;
    let few = |why: String| (false, format!("not enough trials to rank: {why}"));
    if leader.importance <= 0.0 {
        return (false, format!("no hyperparameter matters for this method in {trials} trials"));
    }
    if parameters.len() == 1 {
        return (true, format!("`{name}` is the only hyperparameter ({trials} trials)"));
    }
    if trials < need {
        return few(format!(
            "{trials} for {} hyperparameters, {need} at the least",
            parameters.len()
        ));
    }
    if fit < LEAST_FIT {
        return few(format!(
            "values of unseen trials cannot be predicted from {trials} (out-of-bag R² {fit:.2})"
        ));
    }
    if resamples < FEWEST_RESAMPLES {
        let few = if resamples == 0 { "no".to_owned() } else { format!("only {resamples}") };
        return (false, format!("{few} resamples, so nobody knows how sure the ranking is"));
    }
    if sure < options.sure {
        let three = if parameters.len() > 3 {
            format!(" and among the first three in {}", percent(top))
        } else {
            String::new()
        };
        return few(format!(
            "`{name}` leads, but is first in only {} of the resamples of {trials} trials{three}",
            percent(sure)
        ));
    }
    let second = &parameters[1];
    let rest = if second.importance > 0.0 && second.rank_probability >= options.sure {
        format!("`{}` is second in {}", second.parameter, percent(second.rank_probability))
    } else {
        "the order of the others is not sure".into()
    };
    let first = percent(sure);
    (true, format!("`{name}` is first in {first} of the resamples of {trials} trials; {rest}"))
}

fn interactions(
    sample: &Sample,
    options: &Options,
    seed: u64,
    resampled: &[Resampled],
) -> Vec<Interaction> {
    let name = |parameter: usize| sample.parameters()[parameter].name.clone();
    let pairs = variances(sample, options, seed, true).pairs;
    let interaction = |(place, (first, second, importance)): (usize, (usize, usize, f64))| {
        let values = resampled.iter().filter_map(|resample| resample.pairs.get(place).copied());
        let interval = interval(importance, values.collect(), options.confidence);
        Interaction { first: name(first), second: name(second), importance, interval }
    };
    let mut found: Vec<_> = pairs.into_iter().enumerate().map(interaction).collect();
    found.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    found
}

fn marginals(sample: &Sample, options: &Options, seed: u64) -> Vec<Marginal> {
    let tail = (1.0 - options.confidence) / 2.0;
    let marginal = |parameter: usize| {
        let mut at = sample.settings(parameter);
        if at.len() > POINTS && sample.parameters()[parameter].distribution.is_ordered() {
            at = (0..POINTS).map(|point| point as f64 / (POINTS - 1) as f64).collect();
        }
        let trees = curves(sample, parameter, &at, options, seed);
        if trees.is_empty() {
            return None;
        }
        let point = |(place, &at): (usize, &f64)| {
            let mut values: Vec<f64> = trees.iter().map(|tree| tree[place]).collect();
            values.sort_by(f64::total_cmp);
            MarginalPoint {
                position: sample.position(parameter, at),
                setting: sample.setting(parameter, at),
                mean: mean(&values),
                band: Interval {
                    low: quantile(&values, tail),
                    high: quantile(&values, 1.0 - tail),
                },
            }
        };
        let points = at.iter().enumerate().map(point).collect();
        Some(Marginal { parameter: sample.parameters()[parameter].name.clone(), points })
    };
    (0..sample.parameters().len()).filter_map(marginal).collect()
}

fn agreement(
    estimates: &[Vec<f64>],
    methods: &[&dyn Method],
    options: &Options,
    resampled: &[Resampled],
) -> Vec<Agreement> {
    let mut all = Vec::new();
    for first in 0..methods.len() {
        for second in first + 1..methods.len() {
            let tau = kendall_tau(&estimates[first], &estimates[second]);
            let taus = resampled.iter().map(|resample| {
                kendall_tau(&resample.importances[first], &resample.importances[second])
            });
            let interval = interval(tau, taus.collect(), options.confidence);
            let (first, second) = (methods[first].name(), methods[second].name());
            all.push(Agreement { first, second, tau, interval });
        }
    }
    all
}
