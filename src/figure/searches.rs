//! The independent searches of each arm, their order and their winners.

use super::summary;
use super::tables::{Run, Trial};

/// The arm that others are compared with, where the verdict names none.
const GLOBAL: &str = "global";

/// One search of one arm.
pub(super) struct Search<'a> {
    /// Its trials in the order that they were tried in.
    pub trials: Vec<&'a Trial>,
}

impl<'a> Search<'a> {
    /// The trial that the search ends with: the best one, the earliest of equals.
    pub fn winner(&self) -> Option<&'a Trial> {
        summary::best(self.trials.iter().copied())
    }
}

/// The searches of `arm` in order of their number; a run that numbers none has one.
pub(super) fn searches<'a>(run: &'a Run, arm: &str) -> Vec<Search<'a>> {
    let trials = run.trials.iter().filter(|t| t.arm == arm && t.is_search());
    let trials: Vec<&Trial> = trials.collect();
    let mut numbers: Vec<Option<u64>> = trials.iter().map(|t| t.search).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let one = |number| {
        let of_search = trials.iter().copied().filter(|t| t.search == number);
        let mut trials: Vec<&Trial> = of_search.collect();
        trials.sort_by_key(|t| (t.replicate, t.trial));
        Search { trials }
    };
    numbers.into_iter().map(one).collect()
}

/// The arm that the others are compared with: what the verdict says, `global`, or the first one.
pub(super) fn baseline(run: &Run) -> Option<&str> {
    let arms = run.arms();
    let said = run.verdict.as_ref().and_then(|v| v.baseline.as_deref());
    let known = |name: &&str| arms.contains(name);
    said.filter(known).or(Some(GLOBAL).filter(known)).or(arms.first().copied())
}

/// `3 searches of 25 trials`, with the range where they differ; empty without searches.
pub(super) fn counts<'a>(searches: impl IntoIterator<Item = &'a Search<'a>>) -> String {
    let sizes: Vec<f64> = searches.into_iter().map(|s| s.trials.len() as f64).collect();
    let Some((low, high)) = summary::range(&sizes) else { return String::new() };
    let trials = if low == high { format!("{low}") } else { format!("{low} to {high}") };
    let (es, s) = (if sizes.len() == 1 { "" } else { "es" }, if high == 1.0 { "" } else { "s" });
    format!("{} search{es} of {trials} trial{s}", sizes.len())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn the_winner_of_a_search_is_its_best_and_of_equals_the_first_tried() {
        let mut run = Fixture { searches: 3, ..Fixture::default() }.run();
        let of_first = |t: &&mut Trial| t.arm == "free" && t.search == Some(0) && t.is_search();
        let mut first: Vec<&mut Trial> = run.trials.iter_mut().filter(of_first).collect();
        // Tried third and second, and recorded in the other order.
        (first[0].value, first[0].replicate) = (Some(0.9), Some(2));
        (first[2].value, first[2].replicate) = (Some(0.9), Some(0));
        let expected = first[2].trial;
        let searches = searches(&run, "free");
        assert_eq!(searches.len(), 3);
        assert_eq!(searches[0].winner().unwrap().trial, expected);
        assert_eq!(counts(&searches), "3 searches of 12 trials");
        assert_eq!(baseline(&run), Some("global"));
    }

    #[test]
    fn a_run_without_numbered_searches_has_one() {
        let run = Fixture::default().run();
        assert_eq!(searches(&run, "free").len(), 1);
        assert!(searches(&run, "nobody").is_empty());
    }
}
