//! Importance of other targets: the loss at each epoch, the first trials, and whether a run diverges.

use super::assess::{MethodResult, fit, rank, resampled};
use super::observations::Target;
use super::sample::Sample;
use super::{ImportanceError, Method, Observations, Options, Outcome, known};
use crate::random::{Purpose, derived_seed};

/// Importance at several places, of which some cannot be judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What can be judged, in rising order.
    pub slices: Vec<Slice>,
    /// What cannot, and what was left out, in words.
    pub notes: Vec<String>,
}

/// Importance at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Epoch, or number of the first trials.
    pub at: u64,
    /// How many trials counted.
    pub trials: usize,
    /// One a method.
    pub methods: Vec<MethodResult>,
    /// R² of the forest on unseen trials.
    pub fit: f64,
}

fn begin(
    observations: &Observations,
    methods: &[&dyn Method],
    options: &Options,
) -> Result<(), ImportanceError> {
    if methods.is_empty() {
        return Err(ImportanceError::NoMethods { known: known() });
    }
    options.check()?;
    observations.check()
}

fn slice(
    at: u64,
    observations: &Observations,
    targets: &[Target],
    methods: &[&dyn Method],
    options: &Options,
) -> Result<Slice, ImportanceError> {
    let (sample, _) = Sample::of_targets(observations, targets, options)?;
    let seed = derived_seed(options.seed, Purpose::Bootstrap, 0);
    let resampled = resampled(&sample, methods, options, false);
    let fit = fit(&sample, options, seed);
    let methods = rank(&sample, methods, options, seed, &resampled, fit)?.results;
    Ok(Slice { at, trials: sample.len(), methods, fit })
}

impl Series {
    fn add(&mut self, name: &str, at: u64, slice: Result<Slice, ImportanceError>) {
        match slice {
            Ok(slice) => self.slices.push(slice),
            Err(error) => self.notes.push(format!("{name} {at}: {error}")),
        }
    }
}

/// Importance for the loss at each epoch that any trial reported, among the trials that reported a
/// finite loss there. With diverged trials counting (`survivors_only` off), one that diverged counts
/// as the worst of the epoch from its divergence on. Trials that were pruned before an epoch have no
/// loss there: later epochs are those of survivors, and `trials` says of how many.
pub fn by_epoch(
    observations: &Observations,
    methods: &[&dyn Method],
    options: &Options,
) -> Result<Series, ImportanceError> {
    begin(observations, methods, options)?;
    let reports = observations.rows.iter().flat_map(|row| &row.reports);
    let mut epochs: Vec<u64> = reports.map(|(epoch, _)| *epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    let mut series = Series::default();
    if epochs.is_empty() {
        series.notes.push("no trial reported a loss on the way".into());
    }
    for epoch in epochs {
        let finite = |row: &super::Row| row.report(epoch).filter(|loss| loss.is_finite());
        let losses = observations.rows.iter().filter_map(finite);
        let worst = losses.fold(f64::NEG_INFINITY, f64::max);
        let target = |(place, row): (usize, &super::Row)| {
            let counts = match row.outcome {
                Outcome::Failed => false,
                Outcome::Complete(_) => true,
                Outcome::Pruned(_) | Outcome::Diverged => !options.survivors_only,
            };
            let lost = row.outcome == Outcome::Diverged && worst.is_finite();
            let loss = finite(row).or(lost.then_some(worst));
            loss.filter(|_| counts).map(|loss| (place, loss))
        };
        let targets: Vec<Target> =
            observations.rows.iter().enumerate().filter_map(target).collect();
        series.add("epoch", epoch, slice(epoch, observations, &targets, methods, options));
    }
    Ok(series)
}

/// Importance from the first `counts` trials, in the order in which they were run.
pub fn by_trials(
    observations: &Observations,
    methods: &[&dyn Method],
    options: &Options,
    counts: &[usize],
) -> Result<Series, ImportanceError> {
    begin(observations, methods, options)?;
    let mut counts = counts.to_vec();
    counts.sort_unstable();
    counts.dedup();
    let mut series = Series::default();
    for count in counts {
        if count > observations.rows.len() {
            let trials = observations.rows.len();
            series.notes.push(format!("first trials {count}: there are only {trials}"));
            continue;
        }
        let first = Observations {
            parameters: observations.parameters.clone(),
            rows: observations.rows[..count].to_vec(),
        };
        let targets = match first.rows.is_empty() {
            true => Err(ImportanceError::NoTrials),
            false => first.targets(options),
        };
        let found = targets
            .and_then(|(targets, _)| slice(count as u64, &first, &targets, methods, options));
        series.add("first trials", count as u64, found);
    }
    Ok(series)
}

/// Importance for whether a run diverges: of the indicator 1 for diverged, 0 for complete and pruned
/// trials. None where no trial diverged, or all did.
pub fn stability(
    observations: &Observations,
    methods: &[&dyn Method],
    options: &Options,
) -> Result<Option<Slice>, ImportanceError> {
    begin(observations, methods, options)?;
    let target = |(place, row): (usize, &super::Row)| match row.outcome {
        Outcome::Complete(loss) if loss.is_finite() => Some((place, 0.0)),
        Outcome::Pruned(_) => Some((place, 0.0)),
        // A completed trial without a finite value has diverged too.
        Outcome::Complete(_) | Outcome::Diverged => Some((place, 1.0)),
        Outcome::Failed => None,
    };
    let targets: Vec<Target> = observations.rows.iter().enumerate().filter_map(target).collect();
    let first = targets.first().map(|target| target.1);
    if targets.iter().all(|target| Some(target.1) == first) {
        return Ok(None);
    }
    slice(0, observations, &targets, methods, options).map(Some)
}
