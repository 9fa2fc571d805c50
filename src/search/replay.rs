//! A scheduler over recorded reports, in virtual time: what would it have decided?
//!
//! Reports are given in the order of the file. Those of a trial that has been stopped or finished
//! are passed over; those of a paused trial are kept until the scheduler calls it up again, and then
//! given at once, until it pauses again or ends: its curve is a table, so that its next epochs cost
//! nothing. A trial whose reports are used up has ended by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::decisions::DecisionRow;
use super::scheduler::{Context, Report, Scheduler, Verdict};
use super::space::{Configuration, Space};
use super::trial::Direction;

/// What counts as time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayTime {
    /// The column `step`.
    #[default]
    Step,
    /// The number of the trial's reports so far, this one included.
    Report,
}

/// How reports are read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayOptions {
    /// Column of the metric.
    pub metric: String,
    /// Which way it is better.
    pub direction: Direction,
    /// What counts as time.
    pub time: ReplayTime,
    /// Seed of what the scheduler draws (brackets).
    pub seed: u64,
}

impl ReplayOptions {
    /// Options for one of the metrics of `curves.csv`: `loss` (to be small) or `accuracy` (to be
    /// large); none for any other name.
    pub fn for_metric(metric: &str) -> Option<Self> {
        let direction = match metric {
            "loss" => Direction::Minimize,
            "accuracy" => Direction::Maximize,
            _ => return None,
        };
        Some(Self { metric: metric.to_owned(), direction, time: ReplayTime::Step, seed: 0 })
    }
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// All decisions, in the order in which they fell.
    pub decisions: Vec<DecisionRow>,
    /// In short.
    pub summary: ReplaySummary,
}

/// A replay in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReplaySummary {
    /// Trials with at least one report.
    pub trials: u64,
    /// Stopped by the scheduler.
    pub stopped: u64,
    /// Finished at the scheduler's maximum.
    pub finished: u64,
    /// Ended because their reports were used up.
    pub ended: u64,
    /// Paused to the end.
    pub paused: u64,
    /// Steps that the trials were given, all together.
    pub budget_used: u64,
    /// Steps that were recorded, all together.
    pub budget_full: u64,
}

impl fmt::Display for ReplaySummary {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Self { trials, stopped, finished, ended, paused, budget_used, budget_full } = self;
        let share = 100.0 * *budget_used as f64 / (*budget_full).max(1) as f64;
        write!(
            out,
            "{trials} trials: {stopped} stopped, {finished} finished, {ended} ended by themselves, \
             {paused} left paused; {budget_used} of {budget_full} recorded steps used ({share:.1} %)"
        )
    }
}

/// Why recorded reports cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be read, or is no table.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: csv::Error,
    },
    /// A column is missing.
    #[error("{}: there is no column {column}; the first line names {found}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// Columns of the file.
        found: String,
    },
    /// A field is not what its column holds.
    #[error("{}, line {line}, column {column}: {text:?} is not {expected}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        text: String,
        /// What should.
        expected: &'static str,
    },
    /// There is nothing to replay.
    #[error(
        "{}: there is no report in it; needed are rows with trial, step and the metric, and \
         `validation` under split where there is such a column",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Recorded curves do not know what would have come of other hyperparameters.
    #[error(
        "this scheduler changes hyperparameters on the way, and recorded reports cannot show what \
         would have come of it; replay another one"
    )]
    Exploits,
}

/// A recorded report, in the metric's own sign.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Recorded {
    trial: u64,
    step: u64,
    value: Option<f64>,
}

/// Runs `scheduler` over the reports in the CSV file at `path`: columns `trial`, `step` and the
/// metric, in any order, beside any others. Where there is a column `split`, only rows with
/// `validation` count. An empty field is a missing metric; `NaN`, `inf` and `-inf` are read as such.
///
/// # Errors
/// When the file cannot be read or holds something else, with file, line and column; when the
/// scheduler is population-based training.
pub fn replay_reports(
    path: &Path,
    options: &ReplayOptions,
    scheduler: &mut dyn Scheduler,
) -> Result<Replay, ReplayError> {
    let reports = read(path, options)?;
    let mut course = Course::new(&reports, options, scheduler);
    for report in &reports {
        course.catch_up(report.trial)?;
    }
    Ok(course.finish())
}

fn read(path: &Path, options: &ReplayOptions) -> Result<Vec<Recorded>, ReplayError> {
    let failed = |source| ReplayError::Read { path: path.to_owned(), source };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(failed)?;
    let headers = reader.headers().map_err(failed)?.clone();
    let find = |column: &str| headers.iter().position(|name| name == column);
    let need = |column: &str| {
        find(column).ok_or_else(|| ReplayError::Column {
            path: path.to_owned(),
            column: column.to_owned(),
            found: headers.iter().collect::<Vec<_>>().join(", "),
        })
    };
    let (trial, step, metric) = (need("trial")?, need("step")?, need(&options.metric)?);
    let split = find("split");
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let mut reports = Vec::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        if split.is_some_and(|split| &record[split] != "validation") {
            continue;
        }
        let wrong = |column: usize, expected: &'static str| ReplayError::Field {
            path: path.to_owned(),
            line: record.position().map_or(0, csv::Position::line),
            column: headers[column].to_owned(),
            text: record[column].to_owned(),
            expected,
        };
        let whole = |column: usize| {
            whole(&record[column]).ok_or_else(|| wrong(column, "a whole number from 0 up"))
        };
        let (trial, step) = (whole(trial)?, whole(step)?);
        let value = match &record[metric] {
            "" => None,
            text => Some(text.parse().map_err(|_| wrong(metric, "a number, NaN, inf or empty"))?),
        };
        let count = counts.entry(trial).or_default();
        *count += 1;
        let step = if options.time == ReplayTime::Report { *count } else { step };
        reports.push(Recorded { trial, step, value });
    }
    if reports.is_empty() {
        return Err(ReplayError::Empty { path: path.to_owned() });
    }
    Ok(reports)
}

/// A whole number; other programs write them with a decimal point too.
fn whole(text: &str) -> Option<u64> {
    let exact = || text.parse::<f64>().ok().filter(|x| *x >= 0.0 && *x < 9e15 && x.fract() == 0.0);
    text.parse().ok().or_else(|| exact().map(|number| number as u64))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    New,
    Running,
    Paused,
    Stopped,
    Finished,
    Ended,
}

/// The reports of one trial and how far they have been given.
#[derive(Default)]
struct Curve {
    reports: Vec<Recorded>,
    given: usize,
    phase: Phase,
}

/// A replay under way.
struct Course<'a> {
    options: &'a ReplayOptions,
    scheduler: &'a mut dyn Scheduler,
    space: Space,
    curves: BTreeMap<u64, Curve>,
    decisions: Vec<DecisionRow>,
}

impl<'a> Course<'a> {
    fn new(
        reports: &[Recorded],
        options: &'a ReplayOptions,
        scheduler: &'a mut dyn Scheduler,
    ) -> Self {
        let mut curves: BTreeMap<u64, Curve> = BTreeMap::new();
        for report in reports {
            curves.entry(report.trial).or_default().reports.push(*report);
        }
        Self { options, scheduler, space: Space::default(), curves, decisions: Vec::new() }
    }

    /// The file has come to a report of this trial: gives its next one unless it is not its turn,
    /// and then whatever the scheduler calls up.
    fn catch_up(&mut self, trial: u64) -> Result<(), ReplayError> {
        let context = Context { space: &self.space, seed: self.options.seed };
        let Some(curve) = self.curves.get_mut(&trial) else { return Ok(()) };
        if curve.phase == Phase::New {
            curve.phase = Phase::Running;
            self.scheduler.start(context, trial, &Configuration::default());
        }
        if curve.phase != Phase::Running {
            return Ok(());
        }
        self.give(trial);
        if self.curves[&trial].phase == Phase::Running {
            return Ok(());
        }
        // A worker is free.
        while let Some(trial) = self.resume()? {
            while self.curves[&trial].phase == Phase::Running {
                self.give(trial);
            }
        }
        Ok(())
    }

    /// Gives the trial's next report to the scheduler.
    fn give(&mut self, trial: u64) {
        let context = Context { space: &self.space, seed: self.options.seed };
        let Some(curve) = self.curves.get_mut(&trial) else { return };
        if let Some(&Recorded { step, value, .. }) = curve.reports.get(curve.given) {
            curve.given += 1;
            let direction = self.options.direction;
            let loss = value.map(|value| direction.loss(value));
            let decision = self.scheduler.report(context, &Report { trial, step, loss });
            self.decisions.push(DecisionRow::new(trial, step, value, &decision, direction));
            curve.phase = match decision.verdict {
                Verdict::Continue => Phase::Running,
                Verdict::Pause => Phase::Paused,
                Verdict::Stop => Phase::Stopped,
                Verdict::Finish => Phase::Finished,
            };
        }
        if curve.phase == Phase::Running && curve.given == curve.reports.len() {
            curve.phase = Phase::Ended;
        }
        if matches!(curve.phase, Phase::Stopped | Phase::Finished | Phase::Ended) {
            self.scheduler.end(context, trial);
        }
    }

    /// The paused trial that goes on, if any.
    fn resume(&mut self) -> Result<Option<u64>, ReplayError> {
        let context = Context { space: &self.space, seed: self.options.seed };
        let Some(resumption) = self.scheduler.resume(context) else { return Ok(None) };
        if resumption.exploit.is_some() {
            return Err(ReplayError::Exploits);
        }
        let trial = resumption.trial;
        let Some(curve) = self.curves.get_mut(&trial) else { return Ok(None) };
        curve.phase = Phase::Running;
        let last = curve.given.checked_sub(1).map(|last| curve.reports[last]);
        if let (Some(last), Some(grounds)) = (last, resumption.grounds) {
            let (step, value) = (last.step, last.value);
            let direction = self.options.direction;
            self.decisions.push(DecisionRow::promotion(trial, step, value, &grounds, direction));
        }
        Ok(Some(trial))
    }

    fn finish(self) -> Replay {
        let mut summary =
            ReplaySummary { trials: self.curves.len() as u64, ..ReplaySummary::default() };
        let furthest = |reports: &[Recorded]| reports.iter().map(|report| report.step).max();
        for curve in self.curves.values() {
            summary.budget_full += furthest(&curve.reports).unwrap_or(0);
            summary.budget_used += furthest(&curve.reports[..curve.given]).unwrap_or(0);
            match curve.phase {
                Phase::Stopped => summary.stopped += 1,
                Phase::Finished => summary.finished += 1,
                Phase::Paused => summary.paused += 1,
                Phase::New | Phase::Running | Phase::Ended => summary.ended += 1,
            }
        }
        Replay { decisions: self.decisions, summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::scheduler::{AshaMode, SchedulerOptions, scheduler};

    fn run(
        text: &str,
        metric: &str,
        name: &str,
        options: &SchedulerOptions,
        time: ReplayTime,
    ) -> Result<Replay, ReplayError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.csv");
        std::fs::write(&path, text).unwrap();
        let replay = ReplayOptions { time, ..ReplayOptions::for_metric(metric).unwrap() };
        replay_reports(&path, &replay, &mut *scheduler(name, options).unwrap())
    }

    fn asha(mode: AshaMode) -> SchedulerOptions {
        SchedulerOptions { max_t: 4, reduction_factor: 2.0, mode, ..SchedulerOptions::default() }
    }

    fn words(replay: &Replay) -> Vec<(u64, u64, &'static str)> {
        replay.decisions.iter().map(|row| (row.trial, row.step, row.decision)).collect()
    }

    #[test]
    fn columns_may_stand_anywhere_and_only_validation_counts() {
        let text = "note,accuracy,split,step,trial\n\
                    a,.9,train,1,0\na,.5,validation,1,0\nb,.4,validation,1,1\n\
                    c,.4,validation,2,1\nc,,validation,2.0,0\nd,NaN,validation,3,0\n\
                    e,inf,validation,4,0\nf,.6,validation,5,0\n";
        let replay = run(text, "accuracy", "asha", &asha(AshaMode::Ray), ReplayTime::Step).unwrap();
        let expected = [
            (0, 1, "continue"),
            (1, 1, "stop"),
            (0, 2, "continue"),
            (0, 3, "continue"),
            (0, 4, "finish"),
        ];
        assert_eq!(words(&replay), expected);
        assert_eq!(replay.decisions[1].cutoff, Some(0.5));
        assert_eq!(replay.decisions[2].value, None);
        let summary = replay.summary;
        assert_eq!((summary.trials, summary.stopped, summary.finished), (2, 1, 1));
        assert_eq!((summary.budget_used, summary.budget_full), (5, 7));
    }

    #[test]
    fn time_may_be_the_count_of_reports() {
        let text = "trial,step,loss\n0,100,1\n0,200,1\n1,100,2\n";
        let replay = run(text, "loss", "asha", &asha(AshaMode::Ray), ReplayTime::Report).unwrap();
        assert_eq!(words(&replay), [(0, 1, "continue"), (0, 2, "continue"), (1, 1, "stop")]);
    }

    #[test]
    fn promoted_trials_run_on_from_the_table() {
        let mut text = "trial,step,loss\n".to_owned();
        for trial in 0..3 {
            (1..=4).for_each(|step| text += &format!("{trial},{step},{}\n", trial + 1));
        }
        let options = asha(AshaMode::Promotion);
        let replay = run(&text, "loss", "asha", &options, ReplayTime::Step).unwrap();
        let expected = [
            (0, 1, "pause"),
            (1, 1, "pause"),
            // Two at the rung: the better one goes on to the next rung, and waits there.
            (0, 1, "promote"),
            (0, 2, "pause"),
            (2, 1, "pause"),
        ];
        assert_eq!(words(&replay), expected);
        assert_eq!((replay.decisions[2].cutoff, replay.decisions[2].competitors), (Some(1.0), 2));
        assert_eq!(replay.summary.paused, 3);
        assert_eq!((replay.summary.budget_used, replay.summary.budget_full), (4, 12));
    }

    #[test]
    fn errors_name_file_line_and_column() {
        let options = asha(AshaMode::Ray);
        let refusal = |text: &str| {
            let outcome = run(text, "loss", "asha", &options, ReplayTime::Step);
            outcome.unwrap_err().to_string()
        };
        let message = refusal("trial,step,loss\n0,1,2\n0,x,2\n");
        assert!(message.ends_with("line 3, column step: \"x\" is not a whole number from 0 up"));
        assert!(message.contains("curves.csv"));
        let message = refusal("trial,step,loss\n0,1,bad\n");
        assert!(message.contains("line 2, column loss: \"bad\""), "{message}");
        let message = refusal("trial,step\n0,1\n");
        assert!(message.contains("no column loss; the first line names trial, step"), "{message}");
        assert!(refusal("trial,step,loss\n0,1\n").contains("line: 2"));
        assert!(refusal("trial,step,loss,split\n0,1,2,train\n").contains("no report"));
        let missing = replay_reports(
            Path::new("nowhere.csv"),
            &ReplayOptions::for_metric("loss").unwrap(),
            &mut *scheduler("none", &options).unwrap(),
        );
        assert!(missing.unwrap_err().to_string().starts_with("nowhere.csv: "));
    }

    #[test]
    fn population_based_training_is_refused() {
        let mut text = "trial,step,loss\n".to_owned();
        for step in 1..=4 {
            (0..4).for_each(|trial| text += &format!("{trial},{step},{trial}\n"));
        }
        let options = SchedulerOptions { population: 4, ..SchedulerOptions::default() };
        let outcome = run(&text, "loss", "pbt", &options, ReplayTime::Step);
        assert!(matches!(outcome, Err(ReplayError::Exploits)));
    }
}
