//! Numbers that several figures share: winners, medians, bands, captions.

use super::axis;
use super::tables::{Run, Status, Trial};
use super::theme::{self, Look};

/// Points kept of each series; more than the plot has room for hides the curve in its noise.
const POINTS: usize = 240;

/// The final models of one arm.
pub(super) struct Finals<'a> {
    pub name: &'a str,
    pub look: Look,
    /// The retrained winners, or the best trial of the search where none was retrained.
    pub trials: Vec<&'a Trial>,
    pub retrained: bool,
}

impl Finals<'_> {
    /// `free (n = 5)`; a run without arms is just that.
    pub fn label(&self) -> String {
        match (self.name, self.trials.len()) {
            ("", 1) => "this run".to_owned(),
            ("", n) => format!("all runs (n = {n})"),
            (name, n) => format!("{name} (n = {n})"),
        }
    }

    /// The geometric mean over the retrained winners of each layer's rate, with its range.
    pub fn layer_rate(&self, layer: usize) -> Option<(f64, f64, f64)> {
        let rates = self.trials.iter().filter_map(|t| t.rates.get(layer).copied().flatten());
        let rates: Vec<f64> = rates.filter(|r| *r > 0.0).collect();
        let (low, high) = range(&rates)?;
        let mean = geometric_mean(&rates)?;
        Some((mean, low, high))
    }

    /// The geometric mean over trials and layers.
    pub fn overall_rate(&self) -> Option<f64> {
        let rates: Vec<f64> = self.trials.iter().filter_map(|t| overall_rate(t)).collect();
        geometric_mean(&rates)
    }
}

/// The final models of each arm that has any.
pub(super) fn finals(run: &Run) -> Vec<Finals<'_>> {
    let arms = run.arms().into_iter().enumerate();
    let finals = arms.map(|(i, name)| {
        let of_arm = run.trials.iter().filter(|t| t.arm == name);
        let rows: Vec<&Trial> = of_arm.filter(|t| t.is_search() || t.is_retrain()).collect();
        let retrains: Vec<&Trial> = rows.iter().copied().filter(|t| t.is_retrain()).collect();
        let retrained = !retrains.is_empty();
        let trials = match rows.as_slice() {
            _ if retrained => retrains,
            // The only run of all is shown however it ended.
            [only] if run.trials.len() == 1 => vec![*only],
            rows => best(rows.iter().copied()).into_iter().collect(),
        };
        Finals { name, look: theme::arm(i), trials, retrained }
    });
    finals.filter(|f| !f.trials.is_empty()).collect()
}

/// The complete trial with the greatest score; the first of equals.
pub(super) fn best<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Option<&'a Trial> {
    let scored = trials.into_iter().filter(|t| t.status == Status::Complete && t.score().is_some());
    scored.reduce(|best, t| if t.score() > best.score() { t } else { best })
}

/// The geometric mean of a trial's layer rates.
pub(super) fn overall_rate(trial: &Trial) -> Option<f64> {
    let rates: Vec<f64> = trial.rates.iter().copied().flatten().filter(|r| *r > 0.0).collect();
    geometric_mean(&rates)
}

/// Least and greatest.
pub(super) fn range(values: &[f64]) -> Option<(f64, f64)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(low, high), v| (low.min(*v), high.max(*v))))
}

/// The mean.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn geometric_mean(positive: &[f64]) -> Option<f64> {
    // Equal rates must stay equal to the last digit: no detour through logarithms.
    if let Some((low, high)) = range(positive).filter(|(low, high)| low == high) {
        return Some(low.midpoint(high));
    }
    let logs: Vec<f64> = positive.iter().map(|v| v.ln()).collect();
    mean(&logs).map(f64::exp)
}

/// The middle value; the mean of the two middle ones for an even number.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(sorted[middle - 1].midpoint(sorted[middle])),
    }
}

/// The value below which a share of the values lies, between neighbours by linear interpolation.
pub(super) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

/// How neighbouring points of a long series are averaged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Averaging {
    /// For linear axes.
    Arithmetic,
    /// For logarithmic axes; values must be positive.
    Geometric,
}

/// A series in order of x, averaged over neighbours where it is long.
pub(super) fn thin(mut points: Vec<(f64, f64)>, averaging: Averaging) -> Vec<(f64, f64)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = points.len().div_ceil(POINTS).max(1);
    let one = |group: &[(f64, f64)]| {
        let (xs, ys): (Vec<f64>, Vec<f64>) = group.iter().copied().unzip();
        let y = match averaging {
            _ if ys.len() == 1 => ys.first().copied(),
            Averaging::Arithmetic => mean(&ys),
            Averaging::Geometric => geometric_mean(&ys),
        };
        mean(&xs).zip(y)
    };
    points.chunks(size).filter_map(one).collect()
}

/// The median of several runs with a band around it, over x.
#[derive(Default)]
pub(super) struct Envelope {
    pub median: Vec<(f64, f64)>,
    pub band: Vec<(f64, f64, f64)>,
}

/// Puts runs that were measured at different x on one grid, each interpolated within its own
/// range, so that a run that ended early counts only as far as it went. The band leaves out this
/// share of the runs at either side: 0 for least to greatest.
pub(super) fn envelope(runs: &[Vec<(f64, f64)>], share: f64) -> Envelope {
    let mut grid: Vec<f64> = runs.iter().flatten().map(|p| p.0).collect();
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    let stride = grid.len().div_ceil(2 * POINTS).max(1);
    let last = grid.len().saturating_sub(1);
    let mut envelope = Envelope::default();
    for (i, &x) in grid.iter().enumerate() {
        if i % stride != 0 && i != last {
            continue;
        }
        let values: Vec<f64> = runs.iter().filter_map(|run| interpolate(run, x)).collect();
        let ends = quantile(&values, share).zip(quantile(&values, 1.0 - share));
        if let Some((middle, (low, high))) = median(&values).zip(ends) {
            envelope.median.push((x, middle));
            envelope.band.push((x, low, high));
        }
    }
    envelope
}

fn interpolate(run: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = run.partition_point(|p| p.0 < x);
    let right = run.get(after)?;
    if right.0 == x {
        return Some(right.1);
    }
    let left = run.get(after.checked_sub(1)?)?;
    Some(left.1 + (right.1 - left.1) * (x - left.0) / (right.0 - left.0))
}

/// The last sentences of every caption: what the numbers were measured on.
pub(super) fn caption(run: &Run, sentences: &[String]) -> String {
    let manifest = &run.manifest;
    let named = |what: &str, text: &str| match text {
        "" => format!("{what}: not recorded"),
        text => format!("{what}: {text}"),
    };
    let mut parts: Vec<String> = sentences.iter().filter(|s| !s.is_empty()).cloned().collect();
    let source = [
        named("Data", &manifest.dataset),
        named("net", &manifest.net),
        named("device", &manifest.device),
    ];
    parts.push(format!("{}.", source.join("; ")));
    if !manifest.preset.is_empty() {
        parts.push(format!("Preset: {}.", manifest.preset));
    }
    parts.join(" ")
}

/// How many of the final models diverged.
pub(super) fn diverged(finals: &[Finals]) -> usize {
    let all = finals.iter().flat_map(|f| &f.trials);
    all.filter(|t| t.status == Status::Diverged).count()
}

/// `n = 5 retrained winners per arm.`, or each arm's own n where they differ.
pub(super) fn counts(finals: &[Finals]) -> String {
    let diverged = match diverged(finals) {
        0 => String::new(),
        n => format!(", {n} diverged"),
    };
    let what = match finals {
        [only] if only.name.is_empty() => "run",
        _ if finals.iter().all(|f| f.retrained) => "retrained winner",
        _ => "final model",
    };
    // Retrained winners of one search are alike in what they were chosen for.
    let of_searches = |f: &Finals| {
        let mut numbers: Vec<_> = f.trials.iter().filter_map(|t| t.search).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len()
    };
    let searches: Vec<usize> = finals.iter().map(of_searches).collect();
    let diverged = match searches.as_slice() {
        [first, rest @ ..] if *first > 1 && rest.iter().all(|n| n == first) => {
            format!(", of {first} searches{diverged}")
        }
        _ => diverged,
    };
    let ns: Vec<usize> = finals.iter().map(|f| f.trials.len()).collect();
    let s = if ns.iter().all(|n| *n == 1) { "" } else { "s" };
    match ns.as_slice() {
        [n] => format!("n = {n} {what}{s}{diverged}."),
        [first, rest @ ..] if rest.iter().all(|n| n == first) => {
            format!("n = {first} {what}{s} per arm{diverged}.")
        }
        _ => {
            let each: Vec<String> =
                finals.iter().map(|f| format!("{} {}", f.trials.len(), f.name)).collect();
            format!("n = {} {what}{s}{diverged}.", each.join(", "))
        }
    }
}

/// `64.1 % (free) and 63.2 % (global)`: one number for each arm, at most three of them.
pub(super) fn by_arm(values: &[(&str, String)]) -> String {
    let shown: Vec<String> = values
        .iter()
        .take(3)
        .map(
            |(name, value)| {
                if name.is_empty() { value.clone() } else { format!("{value} ({name})") }
            },
        )
        .collect();
    let more = if values.len() > 3 { " …" } else { "" };
    match shown.as_slice() {
        [first, second] => format!("{first} and {second}"),
        shown => shown.join(", ") + more,
    }
}

/// The same where there may be many arms: of more than three, the first and the greatest.
pub(super) fn by_many_arms(values: &[(&str, f64, String)]) -> String {
    let greatest = values.iter().reduce(|a, b| if b.1 > a.1 { b } else { a });
    match (values, greatest) {
        ([first, _, _, _, ..], Some(most)) => {
            let rank = format!("{} ({}, greatest of {})", most.2, most.0, values.len());
            if first.0 == most.0 { rank } else { format!("{} ({}) and {rank}", first.2, first.0) }
        }
        _ => {
            let told: Vec<_> = values.iter().map(|v| (v.0, v.2.clone())).collect();
            by_arm(&told)
        }
    }
}

/// A signed number of percentage points: `+0.84`.
pub(super) fn points(fraction: f64) -> String {
    let text = axis::decimal(fraction * 100.0, 2);
    if fraction > 0.0 && text != "0.00" { format!("+{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(quantile(&[5.0, 1.0, 2.0, 4.0, 3.0], 0.25), Some(2.0));
        assert_eq!(quantile(&[1.0, 2.0], 0.75), Some(1.75));
        assert_eq!(quantile(&[], 0.5), None);
        assert!((geometric_mean(&[0.001, 0.1]).unwrap() - 0.01).abs() < 1e-15);
    }

    #[test]
    fn runs_on_different_grids_meet() {
        let long: Vec<(f64, f64)> = (0..=4).map(|i| (f64::from(i), f64::from(i))).collect();
        let short = vec![(0.0, 10.0), (2.0, 12.0)];
        let envelope = envelope(&[long, short], 0.0);
        assert_eq!(envelope.median[1], (1.0, 6.0));
        assert_eq!(envelope.band[1], (1.0, 1.0, 11.0));
        // Past the end of the short run only the long one counts.
        assert_eq!(envelope.band[4], (4.0, 4.0, 4.0));
    }

    #[test]
    fn long_series_keep_their_mean_and_order() {
        let points: Vec<(f64, f64)> = (0..10_000).rev().map(|i| (f64::from(i), 2.0)).collect();
        let thinned = thin(points, Averaging::Geometric);
        assert!(thinned.len() <= POINTS && thinned.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(thinned.iter().all(|p| (p.1 - 2.0).abs() < 1e-12));
        assert!(envelope(&[], 0.0).median.is_empty());
    }

    #[test]
    fn of_many_arms_the_first_and_the_greatest_are_told() {
        let values = [("a", 1.0), ("b", 3.0), ("c", 2.0), ("d", 0.0)];
        let values = values.map(|(name, value)| (name, value, format!("{value} %")));
        assert_eq!(by_many_arms(&values), "1 % (a) and 3 % (b, greatest of 4)");
        assert_eq!(by_many_arms(&values[1..]), "3 % (b), 2 % (c), 0 % (d)");
        assert_eq!(by_many_arms(&values[..2]), "1 % (a) and 3 % (b)");
    }

    #[test]
    fn signs_are_shown_but_not_of_zero() {
        assert_eq!(points(0.0084), "+0.84");
        assert_eq!(points(-0.0084), "−0.84");
        assert_eq!(points(0.000_001), "0.00");
    }
}
