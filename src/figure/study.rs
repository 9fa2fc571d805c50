//! What the figures of one search share: values, ranks, axes, looks and words.

use std::collections::HashSet;

use super::axis::{self, Axis, End};
use super::manifest::{Metric, SearchSettings};
use super::sheet::{Key, Mark};
use super::tables::{Run, Status, Trial};
use super::theme::{self, Color, Marker};

/// Most points that are drawn as full markers; more become dots.
const FEW: usize = 400;
/// Most points of one figure: more cover each other, and files grow.
const MOST: usize = 5000;
/// Radius of the ring around the best trial.
const BEST: f64 = 7.5;
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
                theme::elide(&self.settings.objective, 200.0, theme::LABEL, false)
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
        source.push(named("sampler", &settings.sampler));
        source.push(named("scheduler", &settings.scheduler));
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
        match log {
            true => Axis::log(&label, values),
            false if accuracy => Axis::linear(&label, values, (0.0, 100.0)),
            false => Axis::linear(&label, values, (f64::NEG_INFINITY, f64::INFINITY)),
        }
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

    /// The trials as points, by how they ended, the best one ringed; `place` says where.
    pub fn points(
        &self,
        x: &Axis,
        y: &Axis,
        panels: usize,
        place: impl Fn(&Trial) -> Option<(f64, f64)>,
    ) -> Vec<Mark> {
        let dotted = self.dotted(panels);
        let most = MOST / panels.max(1) / STATUSES.len();
        let mut marks: Vec<Mark> = STATUSES
            .into_iter()
            .map(|status| {
                let of_status = self.trials.iter().filter(|t| t.status == status);
                let points = of_status.filter_map(|t| place(t)).collect();
                let (marker, color, radius) = marker(status, dotted);
                Mark::Points { points: thin(points, x, y, most), marker, color, radius }
            })
            .collect();
        if let Some(at) = self.best().and_then(|(trial, _)| place(trial)) {
            let (_, color, radius) = marker(Status::Complete, false);
            let points = vec![at];
            // Drawn again: it may lie under others, or have been thinned out.
            marks.push(Mark::Points {
                points: points.clone(),
                marker: Marker::Circle,
                color,
                radius,
            });
            marks.push(Mark::Points {
                points,
                marker: Marker::Ring,
                color: theme::INK,
                radius: BEST,
            });
        }
        marks
    }

    /// Whether a figure of so many panels shows its trials as dots.
    pub fn dotted(&self, panels: usize) -> bool {
        self.trials.len() * panels > FEW
    }

    /// Says that not every point is drawn, where that is so.
    pub fn thinned(&self, panels: usize) -> String {
        let most = MOST / panels.max(1) / STATUSES.len();
        match STATUSES.iter().any(|status| self.count(*status) > most) {
            true => "Of points that would cover each other one is drawn.".to_owned(),
            false => String::new(),
        }
    }

    /// Legend entries for what [`points`](Self::points) draws.
    pub fn keys(&self, panels: usize) -> Vec<Key> {
        let dotted = self.dotted(panels);
        let order = [Status::Complete, Status::Pruned, Status::Diverged, Status::Failed];
        let present = order.into_iter().filter(|status| self.count(*status) > 0);
        let mut keys: Vec<Key> = present
            .map(|status| {
                let (marker, color, radius) = marker(status, dotted);
                Key::sized(name(status), marker, color, radius)
            })
            .collect();
        if self.best().is_some() {
            keys.push(Key::sized("best", Marker::Ring, theme::INK, BEST));
        }
        keys
    }
}

/// Marker, colour and radius of a trial's point.
fn marker(status: Status, dotted: bool) -> (Marker, Color, f64) {
    let look = theme::status(status);
    match (status, dotted) {
        (Status::Complete, true) => (Marker::Dot, look.color, 2.3),
        (Status::Pruned, true) => (Marker::Speck, look.color, 2.0),
        (_, true) => (look.marker, look.color, 2.6),
        (Status::Pruned, false) => (look.marker, look.color, 2.9),
        (_, false) => (look.marker, look.color, 3.8),
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

/// At most `most` of the points: of several in one cell of a grid, the first. The grid is as fine
/// as it can be, so that outliers and the outline of a cloud remain.
pub(super) fn thin(points: Vec<(f64, f64)>, x: &Axis, y: &Axis, most: usize) -> Vec<(f64, f64)> {
    let mut cells = 512.0;
    let mut kept = points.clone();
    while kept.len() > most.max(1) && cells >= 1.0 {
        let mut taken = HashSet::new();
        let cell =
            |(a, b): (f64, f64)| ((x.place(a) * cells) as u32, (y.place(b) * cells / 2.0) as u32);
        kept = points.iter().copied().filter(|point| taken.insert(cell(*point))).collect();
        cells /= 1.25;
    }
    kept
}

/// At most `most` of the items, evenly spaced, first and last among them.
pub(super) fn stride<T>(items: Vec<T>, most: usize) -> Vec<T> {
    let (n, most) = (items.len(), most.max(2));
    if n <= most {
        return items;
    }
    let wanted: HashSet<usize> = (0..most).map(|i| i * (n - 1) / (most - 1)).collect();
    items
        .into_iter()
        .enumerate()
        .filter(|(i, _)| wanted.contains(i))
        .map(|(_, item)| item)
        .collect()
}
