//! Shows a study: a live table on a terminal, plain lines elsewhere, nothing when told to be quiet.

use std::collections::HashSet;
use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use super::space::short;
use super::study::{State, StudyTrial};
use super::trial::TrialState;

/// Time between two drawings.
const REDRAW: Duration = Duration::from_millis(250);
/// Lines on a terminal that are not rows of trials: status, best, rungs, header, rules.
const FRAME: usize = 8;

/// Progress of a study on standard error.
#[derive(Debug)]
pub struct Board {
    output: Output,
    /// Hyperparameters shown; all if empty.
    columns: Vec<String>,
    /// Metrics shown.
    metrics: Vec<String>,
    started: Instant,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
enum Output {
    Live(ProgressBar),
    Lines,
    Nothing,
}

#[derive(Debug, Default)]
struct Shown {
    drawn: Option<Instant>,
    /// Trials that have had their line.
    announced: HashSet<u64>,
    /// Trials that were finished before this process began.
    before: Option<usize>,
}

impl Board {
    /// A board with these hyperparameters (all if empty) and metrics; shows nothing if `quiet`.
    pub fn new(quiet: bool, columns: Vec<String>, metrics: Vec<String>) -> Self {
        let output = if quiet {
            Output::Nothing
        } else if stderr().is_terminal() {
            let style = ProgressStyle::with_template("{msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            Output::Live(ProgressBar::new_spinner().with_style(style))
        } else {
            Output::Lines
        };
        let (started, shown) = (Instant::now(), Mutex::default());
        Self { output, columns, metrics, started, shown }
    }

    /// Shows how the study stands now.
    pub fn update(&self, state: &State) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let finished = || state.trials().iter().filter(|trial| trial.state.is_finished());
        let before = *shown.before.get_or_insert_with(|| finished().count());
        match &self.output {
            Output::Nothing => {}
            Output::Live(bar) => {
                if shown.drawn.is_none_or(|at| at.elapsed() >= REDRAW) {
                    shown.drawn = Some(Instant::now());
                    bar.set_message(self.text(state, before));
                }
            }
            Output::Lines => {
                if shown.announced.is_empty() && before > 0 {
                    shown.announced.extend(finished().map(|trial| trial.number));
                }
                for trial in finished() {
                    if shown.announced.insert(trial.number) {
                        let line = self.line(state, trial);
                        say(&format!("{line}; {}", self.status(state, before)));
                    }
                }
            }
        }
    }

    /// Prints a line of its own.
    pub fn say(&self, line: &str) {
        match &self.output {
            Output::Live(bar) => bar.suspend(|| say(line)),
            Output::Lines => say(line),
            Output::Nothing => {}
        }
    }

    /// Leaves the last state of the table standing.
    pub fn finish(&self, state: &State) {
        if let Output::Live(bar) = &self.output {
            let before = self.shown.lock().unwrap_or_else(PoisonError::into_inner).before;
            bar.finish_and_clear();
            say(&self.text(state, before.unwrap_or(0)));
        }
    }

    /// Trials by state, speed, best so far.
    fn status(&self, state: &State, before: usize) -> String {
        let count =
            |wanted: TrialState| state.trials().iter().filter(|t| t.state == wanted).count();
        let finished = state.trials().iter().filter(|trial| trial.state.is_finished()).count();
        let paused = state.trials().iter().filter(|trial| trial.paused.is_some()).count();
        let mut text = format!("{finished}/{} trials", state.options.trials);
        for (number, word) in [
            (count(TrialState::Running) - paused, "running"),
            (paused, "paused"),
            (count(TrialState::Complete), "complete"),
            (count(TrialState::Pruned), "pruned"),
            (count(TrialState::Diverged), "diverged"),
            (count(TrialState::Failed), "failed"),
        ] {
            if number > 0 {
                text += &format!(", {number} {word}");
            }
        }
        let hours = self.started.elapsed().as_secs_f64() / 3600.0;
        let here = finished.saturating_sub(before);
        if here > 0 {
            text += &format!("; {:.0} trials/h", here as f64 / hours);
        }
        if let Some(best) = state.best() {
            let value = best.value.unwrap_or(f64::NAN);
            text += &format!(
                "; best: trial {}, {} {}",
                best.number,
                state.options.metric,
                short(value)
            );
        }
        text
    }

    /// The end of one trial.
    fn line(&self, state: &State, trial: &StudyTrial) -> String {
        let mut text =
            format!("trial {} {} at step {}", trial.number, word(trial), trial.progress.step);
        for name in &self.metrics {
            if let Some(value) = trial.progress.metric(name) {
                text += &format!(", {name} {}", short(value));
            }
        }
        let values: Vec<_> = state
            .values(trial)
            .into_iter()
            .filter(|(name, _)| self.columns.is_empty() || self.columns.contains(name))
            .map(|(name, value)| format!("{name} {}", value.short()))
            .collect();
        text += &format!(" ({})", values.join(", "));
        if !trial.error.is_empty() {
            text += &format!(": {}", trial.error);
        }
        text
    }

    fn text(&self, state: &State, before: usize) -> String {
        let height = console::Term::stderr().size_checked().map_or(24, |(rows, _)| rows.into());
        let rows = usize::saturating_sub(height, FRAME).max(3);
        let mut lines = vec![self.status(state, before)];
        if let Some(best) = state.best() {
            let values = state.values(best).into_iter();
            let values: Vec<_> = values.map(|(name, v)| format!("{name} {}", v.short())).collect();
            lines.push(format!("best configuration: {}", values.join(", ")));
        }
        lines.extend(rungs(state));
        lines.push(self.table(state, rows));
        lines.join("\n")
    }

    /// Running trials, then the best, then the latest.
    fn table(&self, state: &State, rows: usize) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let parameters = state.space.parameters.iter().map(|parameter| &parameter.name);
        let columns: Vec<_> = parameters
            .filter(|name| self.columns.is_empty() || self.columns.contains(name))
            .collect();
        let mut header = vec!["trial".to_owned(), "status".to_owned(), "step".to_owned()];
        header.extend(columns.iter().map(|name| (*name).clone()));
        header.extend(self.metrics.iter().cloned());
        table.set_header(header);
        for trial in chosen(state, rows) {
            let values = state.values(trial);
            let value = |name: &String| {
                values
                    .iter()
                    .find(|(known, _)| known == name)
                    .map_or(String::new(), |v| v.1.short())
            };
            let metric = |name: &String| trial.progress.metric(name).map_or(String::new(), short);
            let mut row = vec![trial.number.to_string(), word(trial).to_owned()];
            row.push(trial.progress.step.to_string());
            row.extend(columns.iter().map(|name| value(name)));
            row.extend(self.metrics.iter().map(metric));
            table.add_row(row);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if index != 1 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }
}

/// What a trial is doing, or how it ended.
fn word(trial: &StudyTrial) -> &'static str {
    match trial.state {
        TrialState::Running if trial.waiting => "waiting",
        TrialState::Running if trial.paused.is_some() => "paused",
        TrialState::Running => "running",
        TrialState::Complete => "complete",
        TrialState::Pruned => "pruned",
        TrialState::Diverged => "diverged",
        TrialState::Failed => "failed",
    }
}

/// At most `rows` trials worth a look.
fn chosen(state: &State, rows: usize) -> Vec<&StudyTrial> {
    let trials = state.trials();
    let mut chosen: Vec<&StudyTrial> = trials.iter().filter(|trial| trial.is_active()).collect();
    let loss = |trial: &StudyTrial| {
        trial.value.map_or(f64::INFINITY, |value| state.options.direction.loss(value))
    };
    let mut best: Vec<_> = trials.iter().filter(|t| t.state == TrialState::Complete).collect();
    best.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
    chosen.extend(best.into_iter().take(rows.saturating_sub(chosen.len()) / 2));
    for trial in trials.iter().rev() {
        if chosen.len() >= rows {
            break;
        }
        if chosen.iter().all(|known| known.number != trial.number) {
            chosen.push(trial);
        }
    }
    chosen.truncate(rows);
    chosen
}

/// How many trials came to each rung, and how many went on.
fn rungs(state: &State) -> Option<String> {
    let mut rungs: Vec<(f64, usize, usize)> = Vec::new();
    for decision in state.decisions() {
        let Some(rung) = decision.rung.filter(|_| decision.decision != "promote") else { continue };
        let at = match rungs.iter().position(|(known, ..)| *known == rung) {
            Some(at) => at,
            None => {
                rungs.push((rung, 0, 0));
                rungs.len() - 1
            }
        };
        rungs[at].1 += 1;
        rungs[at].2 += usize::from(decision.decision == "stop");
    }
    rungs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let parts: Vec<_> = rungs
        .iter()
        .map(|(rung, reached, stopped)| format!("step {rung}: {stopped} of {reached} stopped"))
        .collect();
    (!parts.is_empty()).then(|| format!("rungs: {}", parts.join(", ")))
}

/// A line on standard error; that nobody reads it is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
