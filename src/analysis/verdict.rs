//! Is one arm better than another? A pre-declared rule on paired test accuracies.
//!
//! Two claims, kept apart. Of the **winners found**: would these configurations differ on new seeds?
//! The unit is the pair. Of the **procedure**: would searching anew differ again? The unit is the
//! search. With two or more searches the verdict is on the procedure, with one it can only be on the
//! winners.

use serde::Serialize;

use super::statistics::{
    Estimate, Interval, Levels, equivalence_p, holm, needed, probability_of_improvement,
    studentized_interval, wilcoxon_p,
};

/// Bootstrap resamples.
const RESAMPLES: usize = 10_000;
/// Fewest pairs for a claim: with 5, even five wins of five have probability 1/16 two-sided under
/// no difference, with 6 it is 1/32 < .05.
const FEWEST_PAIRS: usize = 6;
/// Level of all tests.
const LEVEL: f64 = 0.05;

/// What the numbers say about "treatment against baseline".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// The 95 % interval lies above 0 and the adjusted p is at most .05.
    Better,
    /// The 95 % interval lies below 0 and the adjusted p is at most .05.
    Worse,
    /// Within ± the smallest effect of interest (two one-sided tests at 5 %), even if surely not 0.
    Equivalent,
    /// None of these, or fewer than six pairs.
    Inconclusive,
}

impl Judgement {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Equivalent => "equivalent",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Test accuracies (baseline, treated) of models that share a seed, grouped by search.
pub type GroupedPairs = Vec<Vec<(f64, f64)>>;

/// What a claim generalises over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Searches: the claim is about the procedure.
    Search,
    /// Pairs of models that share a seed: the claim is about the winners found.
    Pair,
}

/// A comparison of paired values. Differences are treatment minus baseline; intervals are at 95 %,
/// and an infinite end (`null` in JSON) says that the data cannot bound the value.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Mean difference: the mean of the searches' means.
    pub difference: f64,
    /// Lower end of the interval that the verdict looks at.
    pub low: f64,
    /// Upper end of the interval that the verdict looks at.
    pub high: f64,
    /// p of "no difference": of one search Wilcoxon's signed ranks, of several Student's t over the
    /// searches or over the pairs within them, whichever is larger.
    pub p: f64,
    /// `p` adjusted for all arms compared in the experiment.
    pub holm_p: f64,
    /// What the interval, the p-values and the verdict generalise over.
    pub unit: Unit,
    /// Pairs.
    pub n: usize,
    /// Searches with at least one pair.
    pub searches: usize,
    /// Of the winners found: lower end of the difference's interval.
    pub pairs_low: f64,
    /// Of the winners found: upper end of the difference's interval.
    pub pairs_high: f64,
    /// Wilcoxon's signed-rank p over all pairs, as if of one search.
    pub wilcoxon_p: f64,
    /// Of the winners found: P(treated > baseline) with one seed for both, ties half.
    pub probability_of_improvement: f64,
    /// Its lower end.
    pub probability_of_improvement_low: f64,
    /// Its upper end.
    pub probability_of_improvement_high: f64,
    /// p of "they differ by the smallest effect of interest or more".
    pub tost_p: f64,
    /// Standard deviation of the pairs' differences within a search, pooled; none with one pair each.
    pub standard_deviation: Option<f64>,
    /// Standard deviation of the searches' mean differences; none for one search.
    pub standard_deviation_between_searches: Option<f64>,
    /// Smallest effect of interest, fixed in advance.
    pub smallest_effect: f64,
    /// The judgement.
    pub verdict: Judgement,
    /// Pairs that would show the smallest effect between winners with 80 % power, by
    /// `standard_deviation`.
    pub n_needed: Option<usize>,
    /// Searches that would show the smallest effect between procedures with 80 % power, at this
    /// number of pairs a search and by the larger of the two deviations of a search's mean.
    pub searches_needed: Option<usize>,
}

/// What the verdict looks at.
///
/// A claim about procedures rests on Student's t over the searches *and* holds of the winners found:
/// the interval is nowhere shorter than theirs, and p is the larger of both. Of three searches whose
/// means agree by luck, t alone would be absurdly sure. This costs hardly any power (71 % stay 71 %
/// for three searches and a difference of five standard errors), and where searches are alike it
/// brings the false positives from 5 % down to 1–3 %. The noise of the seeds as a floor under the
/// spread of the searches in t would be safer still, but leaves 57 %, and two searches could then show
/// nothing.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    unit: Unit,
    /// Those that must agree.
    estimates: Vec<Estimate>,
    interval: Interval,
    /// Of the winners found.
    winners: Interval,
    pairs: usize,
    /// The pairs' differences if they are the unit.
    differences: Vec<f64>,
}

impl Reading {
    /// Reads differences grouped by search; none if there is none.
    pub(super) fn of(searches: &[Vec<f64>], resamples: usize, seed: u64) -> Option<Self> {
        let levels = Levels::of(searches)?;
        let seeds = levels.winners();
        let winners = studentized_interval(searches, 0.95, resamples, seed);
        let (unit, estimates, interval) = match levels.procedures() {
            None => (Unit::Pair, vec![seeds], winners),
            // With one pair a search, the seeds' noise is not known apart.
            Some(own) if seeds.freedom == 0 => (Unit::Search, vec![own], own.interval(0.95)),
            Some(own) => (Unit::Search, vec![own, seeds], own.interval(0.95).hull(winners)),
        };
        let differences = if unit == Unit::Pair { searches.concat() } else { Vec::new() };
        let pairs = searches.iter().map(Vec::len).sum();
        Some(Self { unit, estimates, interval, winners, pairs, differences })
    }

    /// As if every difference were larger by `by`.
    pub(super) fn shifted(&self, by: f64) -> Self {
        Self {
            unit: self.unit,
            estimates: self.estimates.iter().map(|estimate| estimate.shifted(by)).collect(),
            interval: self.interval.shifted(by),
            winners: self.winners.shifted(by),
            pairs: self.pairs,
            differences: self.differences.iter().map(|difference| difference + by).collect(),
        }
    }

    /// p of "no difference".
    pub(super) fn p(&self) -> f64 {
        match self.unit {
            Unit::Search => self.largest(|estimate| estimate.p(0.0)),
            Unit::Pair => wilcoxon_p(&self.differences),
        }
    }

    /// p of "a difference of `effect` or more".
    pub(super) fn tost_p(&self, effect: f64) -> f64 {
        self.largest(|estimate| equivalence_p(estimate, effect))
    }

    fn largest(&self, p: impl Fn(&Estimate) -> f64) -> f64 {
        self.estimates.iter().map(p).fold(0.0, f64::max)
    }

    /// Whether the interval lies above or below 0.
    pub(super) fn excludes_zero(&self) -> bool {
        self.interval.low > 0.0 || self.interval.high < 0.0
    }

    /// The rule. Better and equivalent at once is a tiny but sure difference: equivalent.
    pub(super) fn judge(&self, holm_p: f64, tost_p: f64) -> Judgement {
        if self.pairs < FEWEST_PAIRS {
            Judgement::Inconclusive
        } else if tost_p <= LEVEL {
            Judgement::Equivalent
        } else if holm_p > LEVEL {
            Judgement::Inconclusive
        } else if self.interval.low > 0.0 {
            Judgement::Better
        } else if self.interval.high < 0.0 {
            Judgement::Worse
        } else {
            Judgement::Inconclusive
        }
    }
}

/// Compares one arm with its baseline: pairs (baseline, treated) grouped by search; none without
/// pairs. `seed` is for the bootstrap.
pub fn compare(
    searches: &[Vec<(f64, f64)>],
    smallest_effect: f64,
    seed: u64,
) -> Option<Comparison> {
    let [(_, comparison)] = compare_all(&[("", searches.to_vec())], smallest_effect, seed)
        .try_into()
        .expect("one arm gives one comparison");
    comparison
}

/// Compares several arms with one baseline, the p-values adjusted for their number (Holm). An arm
/// without pairs is not compared and does not count.
pub fn compare_all(
    arms: &[(&str, GroupedPairs)],
    smallest_effect: f64,
    seed: u64,
) -> Vec<(String, Option<Comparison>)> {
    let mut readings = Vec::new();
    for (_, searches) in arms {
        let differences: Vec<Vec<f64>> = searches
            .iter()
            .map(|pairs| pairs.iter().map(|(baseline, treated)| treated - baseline).collect())
            .collect();
        // One seed for all: what is said of an arm must not hang on the arms beside it.
        let reading = Reading::of(&differences, RESAMPLES, seed);
        readings.push(reading.map(|reading| (differences, reading)));
    }
    let p: Vec<f64> = readings.iter().flatten().map(|(_, reading)| reading.p()).collect();
    let mut adjusted = p.iter().copied().zip(holm(&p));
    arms.iter()
        .zip(&readings)
        .map(|((arm, _), reading)| {
            let comparison = reading.as_ref().and_then(|(differences, reading)| {
                describe(differences, reading, adjusted.next()?, smallest_effect)
            });
            ((*arm).to_owned(), comparison)
        })
        .collect()
}

fn describe(
    searches: &[Vec<f64>],
    reading: &Reading,
    (p, holm_p): (f64, f64),
    smallest_effect: f64,
) -> Option<Comparison> {
    let levels = Levels::of(searches)?;
    let differences = searches.concat();
    let improvement = probability_of_improvement(&differences);
    let tost_p = reading.tost_p(smallest_effect);
    let n = reading.pairs;
    // So many searches of this size hold six pairs.
    let fewest_searches = (FEWEST_PAIRS * levels.means.len()).div_ceil(n);
    let search_deviation = levels.search_deviation();
    Some(Comparison {
        difference: levels.difference,
        low: reading.interval.low,
        high: reading.interval.high,
        p,
        holm_p,
        unit: reading.unit,
        n,
        searches: levels.means.len(),
        pairs_low: reading.winners.low,
        pairs_high: reading.winners.high,
        wilcoxon_p: wilcoxon_p(&differences),
        probability_of_improvement: improvement.share,
        probability_of_improvement_low: improvement.low,
        probability_of_improvement_high: improvement.high,
        tost_p,
        standard_deviation: levels.within,
        standard_deviation_between_searches: levels.between,
        smallest_effect,
        verdict: reading.judge(holm_p, tost_p),
        n_needed: levels.within.and_then(|sd| needed(smallest_effect, sd, FEWEST_PAIRS)),
        searches_needed: search_deviation
            .and_then(|sd| needed(smallest_effect, sd, fewest_searches)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: [f64; 6] = [0.02, 0.021, 0.019, 0.022, 0.02, 0.018];
    const TINY: [f64; 6] = [0.0005, -0.0004, 0.0002, -0.0006, 0.0, 0.0003];

    fn pairs(differences: &[f64]) -> Vec<(f64, f64)> {
        differences.iter().map(|d| (0.6, 0.6 + d)).collect()
    }

    fn judge(searches: &[&[f64]]) -> Judgement {
        let searches: Vec<_> = searches.iter().map(|search| pairs(search)).collect();
        compare(&searches, 0.003, 0).unwrap().verdict
    }

    #[test]
    fn verdicts_of_one_search() {
        assert_eq!(judge(&[&CLEAR]), Judgement::Better);
        assert_eq!(judge(&[&CLEAR.map(|d| -d)]), Judgement::Worse);
        assert_eq!(judge(&[&TINY]), Judgement::Equivalent);
        assert_eq!(judge(&[&[0.03, -0.04, 0.02, -0.01, 0.01, 0.0]]), Judgement::Inconclusive);
    }

    #[test]
    fn verdicts_of_several_searches_are_on_the_procedure() {
        let better = [0.019, 0.02, 0.022].map(|d| [d, d + 0.001]);
        let better: Vec<&[f64]> = better.iter().map(|search| search.as_slice()).collect();
        assert_eq!(judge(&better), Judgement::Better);
        // Every pair is a win, but the searches found gains of .2, 1 and 3 points.
        let wide = [0.002, 0.01, 0.03].map(|d| [d, d + 1e-4, d - 1e-4, d + 2e-4]);
        let searches = wide.map(|search| pairs(&search));
        let comparison = compare(&searches, 0.003, 0).unwrap();
        assert_eq!((comparison.unit, comparison.verdict), (Unit::Search, Judgement::Inconclusive));
        assert!(comparison.low < 0.0 && comparison.pairs_low > 0.013);
        assert!(comparison.wilcoxon_p < 0.001 && comparison.searches_needed > Some(3));
    }

    #[test]
    fn a_tiny_but_sure_difference_is_equivalent() {
        let tiny = CLEAR.map(|d| d / 100.0);
        assert_eq!(judge(&[&tiny]), Judgement::Equivalent);
        assert!(compare(&[pairs(&tiny)], 0.003, 0).unwrap().low > 0.0);
    }

    #[test]
    fn five_pairs_are_too_few_for_any_claim() {
        assert_eq!(judge(&[&[0.02; 5]]), Judgement::Inconclusive);
        assert_eq!(judge(&[&[0.0; 2], &[0.0; 3]]), Judgement::Inconclusive);
        assert_eq!(judge(&[&[0.0; 3], &[0.0; 3]]), Judgement::Equivalent);
        assert!(compare(&[vec![], vec![]], 0.003, 0).is_none());
    }

    #[test]
    fn arms_are_adjusted_for_each_other_and_not_otherwise_touched() {
        let (clear, tiny) = (vec![pairs(&CLEAR)], vec![pairs(&TINY)]);
        let arms = [("a", clear.clone()), ("none", vec![]), ("b", tiny), ("c", clear.clone())];
        let all = compare_all(&arms, 0.003, 0);
        assert_eq!(
            all.iter().map(|(arm, _)| arm.as_str()).collect::<Vec<_>>(),
            ["a", "none", "b", "c"]
        );
        assert!(all[1].1.is_none());
        let (alone, among) = (compare(&clear, 0.003, 0).unwrap(), all[0].1.clone().unwrap());
        assert_eq!((alone.p, alone.holm_p, alone.verdict), (0.03125, 0.03125, Judgement::Better));
        // Six pairs cannot show it in one of three comparisons.
        assert_eq!((among.holm_p, among.verdict), (0.09375, Judgement::Inconclusive));
        assert_eq!((alone.low, alone.high), (among.low, among.high));
        assert_eq!(all[2].1.as_ref().unwrap().verdict, Judgement::Equivalent);
    }

    #[test]
    fn the_needed_number_follows_the_deviation() {
        // Effect and deviation equal: 10 pairs (`power`).
        let differences: Vec<_> =
            [0.005, -0.005].iter().cycle().take(50).map(|d| d * 0.9899495).collect();
        let comparison = compare(&[pairs(&differences)], 0.005, 0).unwrap();
        assert!((comparison.standard_deviation.unwrap() - 0.005).abs() < 1e-6);
        assert_eq!((comparison.n_needed, comparison.searches_needed), (Some(10), None));
    }

    #[test]
    fn unknown_ends_are_null_in_json() {
        let json = serde_json::to_value(compare(&[pairs(&[0.01])], 0.003, 0).unwrap()).unwrap();
        assert!(json["low"].is_null() && json["standard_deviation"].is_null());
        assert_eq!((&json["unit"], &json["verdict"]), (&"pair".into(), &"inconclusive".into()));
        assert_eq!(json["p"], 1.0);
    }
}
