//! What the figures of one search share: values, ranks, axes, looks and words.

use super::axis::{self, Axis, End};
use super::manifest::{Metric, SearchSettings};
use super::tables::{Run, Status, Trial};
use super::theme;

/// Bulks that span more than this factor are drawn on a logarithmic axis.
const WIDE: f64 = 10.0;
/// From so many values on, the worst tenth may lie beyond the axis.
const MANY: usize = 10;
/// The statuses of finished trials, from the background to what must be seen.
pub(super) const STATUSES: [Status; 4] =
    [Status::Pruned, Status::Complete, Status::Failed, Status::Diverged];

/// The trials of one search, seen through its settings.
pub(super) struct Study<'a> {
    pub run: &'a Run,
    pub settings: &'a SearchSettings,
    /// The finished trials, in the order in which they were proposed.
    pub trials: Vec<&'a Trial>,
}

impl<'a> Study<'a> {
    /// The search that `run` is.
    pub fn of(run: &'a Run) -> Self {
        let mut trials: Vec<&Trial> =
            run.trials.iter().filter(|t| t.status != Status::Running).collect();
        trials.sort_by_key(|t| t.trial);
        Self { run, settings: &run.manifest.search, trials }
    }

    /// What was searched by, in the unit that it is shown in; none where the trial diverged,
    /// failed, or recorded no finite value.
    pub fn value(&self, trial: &Trial) -> Option<f64> {
        let valued = matches!(trial.status, Status::Complete | Status::Pruned);
        trial.value.filter(|_| valued).map(|value| self.shown(value))
    }

    /// A recorded metric in the unit that it is shown in.
    pub fn shown(&self, recorded: f64) -> f64 {
        if self.settings.metric == Metric::Accuracy { recorded * 100.0 } else { recorded }
    }

    /// A number that is small where `value` is good.
    pub fn loss(&self, value: f64) -> f64 {
        if self.settings.maximize { -value } else { value }
    }

    /// Trials with a value, best first; pruned ones after all complete ones, by how far they came.
    pub fn ranked(&self) -> Vec<(&'a Trial, f64)> {
        let valued = self.trials.iter().filter_map(|t| Some((*t, self.value(t)?)));
        let mut ranked: Vec<(&Trial, f64)> = valued.collect();
        let progress = |t: &Trial| match t.status {
            Status::Complete => f64::INFINITY,
            _ => t.epochs_run.unwrap_or(0.0),
        };
        ranked.sort_by(|(a, x), (b, y)| {
            let further = progress(b).total_cmp(&progress(a));
            further.then(self.loss(*x).total_cmp(&self.loss(*y))).then(a.trial.cmp(&b.trial))
        });
        ranked
    }

    /// The best complete trial; the first of equals.
    pub fn best(&self) -> Option<(&'a Trial, f64)> {
        let complete = self.trials.iter().filter(|t| t.status == Status::Complete);
        let valued = complete.filter_map(|t| Some((*t, self.value(t)?)));
        valued.reduce(|best, next| if self.loss(next.1) < self.loss(best.1) { next } else { best })
    }

    /// How many trials ended so.
    pub fn count(&self, status: Status) -> usize {
        self.trials.iter().filter(|t| t.status == status).count()
    }

    /// What was searched by, in words: `validation loss`.
    pub fn measure(&self) -> String {
        match self.settings.metric {
            Metric::Loss => "validation loss".to_owned(),
            Metric::Accuracy => "validation accuracy".to_owned(),
            Metric::Value if self.is_function() => {
                let name = theme::elide(&self.settings.objective, 180.0, theme::LABEL, false);
                format!("{name} value")
            }
            Metric::Value if !self.settings.target.is_empty() => {
                theme::elide(&self.settings.target, 180.0, theme::LABEL, false)
            }
            Metric::Value => "value".to_owned(),
        }
    }

    /// A value in words: `1.213`, `64.1 %`.
    pub fn words(&self, value: f64) -> String {
        match self.settings.metric {
            Metric::Accuracy => axis::percent(value / 100.0),
            _ => axis::number_of(value, 4),
        }
    }

    /// `Trial 17 is best: validation loss 1.213`, or how the trials ended instead.
    pub fn title(&self) -> String {
        match self.best() {
            Some((trial, value)) => {
                let (measure, words) = (self.measure(), self.words(value));
                format!("Trial {} is best: {measure} {words}", trial.trial)
            }
            None => format!("No trial was completed: {}", self.ends()),
        }
    }

    /// `9 complete, 48 pruned, 3 diverged`.
    fn ends(&self) -> String {
        let order = [Status::Complete, Status::Pruned, Status::Diverged, Status::Failed];
        let counted = order.map(|status| (self.count(status), name(status)));
        let counted = counted.iter().filter(|(n, _)| *n > 0);
        counted.map(|(n, name)| format!("{} {name}", thousands(*n))).collect::<Vec<_>>().join(", ")
    }

    /// What a caption says first: n, the measure, and what has no value.
    pub fn counts(&self) -> String {
        let n = self.trials.len();
        let trials = if n == 1 { "trial" } else { "trials" };
        let aim = if self.settings.maximize { "maximised" } else { "minimised" };
        let running = match self.run.trials.len() - n {
            0 => String::new(),
            running => format!(" ({} more were running)", thousands(running)),
        };
        let (n, measure) = (thousands(n), self.measure());
        format!("n = {n} {trials}{running}: {}. Value: {measure}, {aim}.", self.ends())
    }

    /// What a pruned trial's value is, where there are any.
    pub fn pruned_values(&self) -> String {
        match self.count(Status::Pruned) {
            0 => String::new(),
            _ => "A pruned trial's value is its last report, after less training.".to_owned(),
        }
    }

    /// The whole caption: `sentences`, then what was searched, how, and on what.
    pub fn caption(&self, sentences: &[String]) -> String {
        let (manifest, settings) = (&self.run.manifest, self.settings);
        let named = |what: &str, text: &str| match text {
            "" => format!("{what}: not recorded"),
            text => format!("{what}: {text}"),
        };
        let mut source = match self.is_function() {
            true => vec![format!("Objective: analytic function {}", settings.objective)],
            false => vec![named("Data", &manifest.dataset), named("net", &manifest.net)],
        };
        source.push(named("device", &manifest.device));
        // Only one search has one sampler and one scheduler.
        for (what, text) in [("sampler", &settings.sampler), ("scheduler", &settings.scheduler)] {
            if !text.is_empty() || manifest.experiment == "tune" {
                source.push(named(what, text));
            }
        }
        let mut parts: Vec<String> = sentences.iter().filter(|s| !s.is_empty()).cloned().collect();
        parts.push(format!("{}.", source.join("; ")));
        if !manifest.preset.is_empty() {
            parts.push(format!("Preset: {}.", manifest.preset));
        }
        parts.join(" ")
    }

    fn is_function(&self) -> bool {
        !matches!(self.settings.objective.as_str(), "" | "cnn")
    }

    /// One unit of a trial's budget.
    pub fn unit(&self) -> &'static str {
        if self.is_function() { "step" } else { "epoch" }
    }

    /// An axis for values: logarithmic where most of them span a decade or more. A few that are
    /// far worse than the rest do not stretch it; they are drawn at its edge.
    pub fn axis(&self, values: impl IntoIterator<Item = f64>) -> Axis {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(|a, b| self.loss(*a).total_cmp(&self.loss(*b)));
        let bulk = if values.len() < MANY { values.len() } else { values.len() * 9 / 10 };
        let (best, most) = match values.get(..bulk) {
            Some([first, .., last]) => (*first, *last),
            _ => (0.0, 0.0),
        };
        let (least, greatest) = (best.min(most), best.max(most));
        let accuracy = self.settings.metric == Metric::Accuracy;
        let log = !accuracy && least > 0.0 && greatest / least >= WIDE;
        let place = |v: f64| if log { self.loss(v.log10()) } else { self.loss(v) };
        let limit = place(best) + 3.0 * (place(most) - place(best));
        if limit > place(best) && values.len() >= MANY {
            values.retain(|v| place(*v) <= limit);
        }
        let unit = match self.settings.metric {
            Metric::Loss if log => " (nats, log scale)",
            Metric::Loss => " (nats)",
            Metric::Accuracy => " (%)",
            Metric::Value if log => " (log scale)",
            Metric::Value => "",
        };
        let label = format!("{}{unit}", self.measure());
        let empty = values.is_empty();
        let mut axis = match log {
            true => Axis::log(&label, values),
            false if accuracy => Axis::linear(&label, values, (0.0, 100.0)),
            false => Axis::linear(&label, values, (f64::NEG_INFINITY, f64::INFINITY)),
        };
        if empty {
            // Numbers beside no data would suggest some.
            axis.ticks.clear();
        }
        axis
    }

    /// The end of a value axis where bad values lie.
    pub fn bad_end(&self) -> End {
        if self.settings.maximize { End::Low } else { End::High }
    }

    /// Adds a strip for trials without a value to the axis, where there are such.
    pub fn add_strip(&self, axis: &mut Axis, share: f64) -> Option<f64> {
        let missing = self.trials.iter().any(|t| self.value(t).is_none());
        missing.then(|| axis.add_strip_at(self.bad_end(), "no value", share))
    }

    /// Counts what lies beyond an axis.
    pub fn beyond(&self, axis: &Axis, values: impl IntoIterator<Item = f64>) -> String {
        match values.into_iter().filter(|v| !axis.covers(*v)).count() {
            0 => String::new(),
            1 => "One value beyond the axis is drawn at its edge.".to_owned(),
            n => format!("{} values beyond the axis are drawn at its edge.", thousands(n)),
        }
    }

    /// An axis of budget, in epochs or steps; logarithmic, with rungs for ticks, where rungs are
    /// far apart.
    pub fn budget_axis(&self, label: &str, budgets: impl IntoIterator<Item = f64>) -> Axis {
        let budgets: Vec<f64> = budgets.into_iter().filter(|b| *b >= 1.0).collect();
        let last = budgets.iter().copied().fold(1.0, f64::max);
        let mut ticks = self.rungs();
        ticks.push(last);
        ticks.dedup();
        let first = ticks[0].max(1.0);
        if ticks.len() > 2 && last / first >= WIDE {
            let axis = Axis::log(&format!("{label} (log scale)"), budgets);
            let few = ticks.len() <= 9;
            return if few { axis.with_ticks(ticks) } else { axis };
        }
        Axis::whole(label, budgets.into_iter().chain([0.0]), (0.0, f64::INFINITY))
    }

    /// The rungs that a scheduler decided at, in order.
    pub fn rungs(&self) -> Vec<f64> {
        let mut rungs: Vec<f64> = self.run.decisions.iter().filter_map(|d| d.rung).collect();
        rungs.sort_by(f64::total_cmp);
        rungs.dedup();
        rungs
    }
}

/// How a trial ended, in a word.
pub(super) fn name(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Complete => "complete",
        Status::Diverged => "diverged",
        Status::Failed => "failed",
        Status::Pruned => "pruned",
    }
}

/// A count for people.
pub(super) fn thousands(n: usize) -> String {
    axis::decimal(n as f64, 0)
}

#[cfg(test)]
mod tests {
    use super::super::search_fixture::{FULL, SearchFixture};
    use super::*;

    #[test]
    fn the_best_trial_is_complete_and_depends_on_the_direction() {
        let fixture = SearchFixture { value: |i, _| i as f64 + 1.0, ..SearchFixture::default() };
        let mut run = fixture.run();
        let study = Study::of(&run);
        // Trial 0 has the least loss, but was pruned.
        assert_eq!(study.title(), "Trial 3 is best: validation loss 4");
        let order: Vec<u64> = study.ranked().iter().map(|(t, _)| t.trial).collect();
        assert_eq!(order[..6], [3, 13, 23, 0, 10, 20]);
        assert!(study.counts().starts_with("n = 30 trials: 3 complete, 21 pruned, 3 diverged, 3"));
        run.manifest.search.maximize = true;
        assert_eq!(Study::of(&run).best().unwrap().0.trial, 23);
        run.trials[23].value = None;
        assert_eq!(Study::of(&run).best().unwrap().0.trial, 13);
    }

    #[test]
    fn a_wild_value_does_not_stretch_an_axis_but_decades_do() {
        let run = SearchFixture::default().run();
        let study = Study::of(&run);
        let mut values: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i) * 0.03).collect();
        values.push(1e6);
        let axis = study.axis(values.clone());
        assert!(!axis.label.contains("log") && axis.covers(1.0) && !axis.covers(1e6));
        assert!(study.beyond(&axis, values).starts_with("One value beyond"));
        let decades = (0..40).map(|i| 10f64.powf(f64::from(i) / 10.0));
        let axis = study.axis(decades.clone());
        assert!(axis.label.contains("log scale") && decades.into_iter().all(|v| axis.covers(v)));
    }

    #[test]
    fn a_function_has_no_data_set() {
        let fixture =
            SearchFixture { objective: "branin", metric: "value", ..SearchFixture::default() };
        let run = fixture.run();
        let caption = Study::of(&run).caption(&[]);
        assert!(caption.contains("analytic function branin") && !caption.contains("CIFAR"));
        assert!(caption.contains("sampler: random; scheduler: asha"));
        assert_eq!(Study::of(&run).unit(), "step");
    }

    #[test]
    fn budgets_have_rungs_for_ticks() {
        let run = SearchFixture::default().run();
        let axis = Study::of(&run).budget_axis("epochs", [1.0, FULL as f64]);
        let labels: Vec<&str> = axis.ticks.iter().map(|t| t.label.as_str()).collect();
        assert_eq!(labels, ["1", "3", "9", "27"]);
    }
}
