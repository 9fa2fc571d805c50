//! From a sweep's trials to indices, tables and words.

use std::fmt::Write;

use serde_json::json;
use strata::analysis::sensitivity::{Analysis, Index};
use strata::analysis::statistics::Interval;
use strata::cli::StudyOutcome;
use strata::objective::DUMMY;
use strata::record::{RunFolder, number, write_table};
use strata::search::{Direction, State, TrialState};

use super::problem::Problem;
use super::{Diverged, Flags};

/// Parts of the design from which the indices are estimated again.
const PARTS: [f64; 4] = [0.25, 0.5, 0.75, 1.0];

/// Values of the runs, as the analysis takes them.
struct Values {
    /// One a point of the design; none where the run failed, is missing, or was dropped.
    values: Vec<Option<f64>>,
    diverged: Vec<bool>,
    missing: usize,
    /// What diverged runs count as.
    stand_in: Option<f64>,
}

impl Values {
    fn of(state: &State, points: usize, policy: Diverged) -> Self {
        let trials: Vec<_> = (0..points).map(|point| state.trial(point as u64)).collect();
        let complete = |trial: &strata::search::StudyTrial| {
            trial.value.filter(|value| trial.state == TrialState::Complete && value.is_finite())
        };
        let loss = |value: &f64| state.options.direction.loss(*value);
        let known = trials.iter().flatten().filter_map(|trial| complete(trial));
        let worst = known.max_by(|a, b| loss(a).total_cmp(&loss(b)));
        let diverged: Vec<_> = trials
            .iter()
            .map(|trial| trial.is_some_and(|trial| trial.state == TrialState::Diverged))
            .collect();
        let any = diverged.iter().any(|diverged| *diverged);
        let stand_in = worst.filter(|_| any && policy == Diverged::Worst);
        let values: Vec<_> = trials
            .iter()
            .zip(&diverged)
            .map(|(trial, diverged)| match diverged {
                true => stand_in,
                false => trial.and_then(complete),
            })
            .collect();
        let missing = (0..points).filter(|&i| values[i].is_none() && !diverged[i]).count();
        Self { values, diverged, missing, stand_in }
    }
}

/// Analyses a sweep that ended, writes its tables and its page, and says how it went.
pub fn conclude(
    flags: &Flags,
    problem: &Problem,
    end: StudyOutcome,
    data: &str,
) -> anyhow::Result<()> {
    let state = end.study.state();
    let values = Values::of(state, problem.points.len(), flags.sweep.diverged);
    let analyse =
        |values: &[Option<f64>]| problem.method.analyse(&problem.factors, &problem.options, values);
    let analysis = match analyse(&values.values) {
        Ok(analysis) => analysis,
        // A sweep that was stopped early is no mistake: what there is stays, and it can go on.
        Err(reason) if !end.complete => {
            let page = format!("# Sensitivity\n\nNot enough runs yet: {reason}.\n");
            return end.finish(page, &format!("not enough runs yet: {reason}"));
        }
        Err(reason) => return Err(reason.into()),
    };
    write_indices(&end.folder, "indices.csv", problem, &analysis)?;
    write_effects(&end.folder, problem, &analysis)?;
    write_sweep(&end.folder, problem, &values, state)?;

    let mut by_runs = Vec::new();
    for part in PARTS {
        let used = used(problem, part);
        let part = match used == values.values.len() {
            true => Some(analysis.clone()),
            // Too small a part has no estimate.
            false => {
                let mut first = values.values.clone();
                first[used..].fill(None);
                analyse(&first).ok()
            }
        };
        if let Some(part) = part {
            by_runs.extend(part.indices.iter().map(|index| {
                let mut row = row(problem, index);
                row.insert(1, used.to_string());
                row
            }));
        }
    }
    let header = ["method", "runs", "parameter", "index", "value", "low", "high"];
    write_table(&end.folder.file("by_runs.csv"), &header, &by_runs)?;

    let is_diverged: Vec<_> =
        values.diverged.iter().map(|diverged| Some(f64::from(u8::from(*diverged)))).collect();
    let divergence = match values.diverged.contains(&true) {
        true => analyse(&is_diverged).ok(),
        false => None,
    };
    if let Some(divergence) = &divergence {
        write_indices(&end.folder, "divergence.csv", problem, divergence)?;
    }

    let mut manifest = json!(end.manifest);
    manifest["outcome"] = json!({
        "noise_variance": analysis.noise_variance,
        "noise_floor": noise_floor(problem, &analysis),
        "noise_is_taken_out": noise_is_taken_out(&analysis),
        "used": analysis.used,
        "left_out": analysis.left_out,
        "diverged": values.diverged.iter().filter(|diverged| **diverged).count(),
    });
    end.folder.write_manifest(&manifest)?;
    let page = page(problem, &values, &analysis, divergence.as_ref(), &end, data)?;
    let headline = headline(&analysis);
    end.finish(page, &headline)
}

/// How many runs the first `part` of the design has, by whole samples.
fn used(problem: &Problem, part: f64) -> usize {
    let blocks = problem.blocks.iter().max().map_or(0, |last| last + 1);
    let wanted = (blocks as f64 * part).ceil() as usize;
    problem.blocks.iter().filter(|block| **block < wanted).count()
}

/// The index by which hyperparameters are ranked.
const LEADING: [&str; 4] = ["ST", "mu_star", "Sh", "range"];

/// Indices that rank hyperparameters, the largest first.
fn ranking(analysis: &Analysis) -> Vec<&Index> {
    let leading = LEADING.iter().find(|name| analysis.indices.iter().any(|i| i.index == **name));
    let mut ranked: Vec<_> =
        analysis.indices.iter().filter(|index| Some(&index.index) == leading).collect();
    ranked.sort_by(|a, b| b.value.total_cmp(&a.value));
    ranked
}

/// What a hyperparameter without effect may show. An index from which noise was taken out is 0 for the
/// dummy by construction: there it is the upper end of its interval.
fn noise_floor(problem: &Problem, analysis: &Analysis) -> Option<f64> {
    let dummy = problem.names().into_iter().find(|name| name.starts_with(DUMMY))?.to_owned();
    let dummy = ranking(analysis).into_iter().find(|index| index.parameter == dummy)?;
    let high = Some(dummy.interval.high).filter(|high| high.is_finite());
    let high = high.filter(|_| noise_is_taken_out(analysis));
    Some(high.unwrap_or(dummy.value))
}

/// Whether the index that ranks hyperparameters is corrected for noise.
fn noise_is_taken_out(analysis: &Analysis) -> bool {
    let leading = ranking(analysis).first().map(|index| index.index);
    leading.is_some_and(|index| index != "range") && analysis.noise_variance.is_some()
}

fn headline(analysis: &Analysis) -> String {
    let ranked = ranking(analysis);
    let Some(first) = ranked.first() else {
        return "no index could be estimated: see summary.md".to_owned();
    };
    let words: Vec<_> = ranked.iter().take(5).map(|index| in_words(index)).collect();
    format!("by {}: {}", first.index, words.join(", "))
}

fn in_words(index: &Index) -> String {
    let Interval { low, high } = index.interval;
    match low.is_finite() && high.is_finite() {
        true => format!("{} {:.3} [{low:.3}, {high:.3}]", index.parameter, index.value),
        false => format!("{} {:.3} (no interval)", index.parameter, index.value),
    }
}

fn row(problem: &Problem, index: &Index) -> Vec<String> {
    let finite = |value: f64| number(Some(value).filter(|value| value.is_finite()));
    vec![
        problem.method.name().to_owned(),
        index.parameter.clone(),
        index.index.to_owned(),
        finite(index.value),
        finite(index.interval.low),
        finite(index.interval.high),
    ]
}

fn write_indices(
    folder: &RunFolder,
    name: &str,
    problem: &Problem,
    analysis: &Analysis,
) -> anyhow::Result<()> {
    let header = ["method", "parameter", "index", "value", "low", "high"];
    let rows: Vec<_> = analysis.indices.iter().map(|index| row(problem, index)).collect();
    Ok(write_table(&folder.file(name), &header, &rows)?)
}

fn write_effects(folder: &RunFolder, problem: &Problem, analysis: &Analysis) -> anyhow::Result<()> {
    if problem.method.name() != "morris" {
        return Ok(());
    }
    let rows: Vec<_> = analysis
        .effects
        .iter()
        .map(|effect| {
            vec![
                effect.parameter.clone(),
                effect.trajectory.to_string(),
                number(Some(effect.effect)),
            ]
        })
        .collect();
    let header = ["parameter", "trajectory", "effect"];
    Ok(write_table(&folder.file("effects.csv"), &header, &rows)?)
}

/// One at a time: what each setting gave. The base point stands in the rows of every hyperparameter.
fn write_sweep(
    folder: &RunFolder,
    problem: &Problem,
    values: &Values,
    state: &State,
) -> anyhow::Result<()> {
    if problem.method.name() != "oat" {
        return Ok(());
    }
    let base = &problem.options.base;
    let mut rows = Vec::new();
    for (axis, factor) in problem.factors.iter().enumerate() {
        let parameter = &problem.space.parameters[axis];
        let mut on_axis: Vec<_> = (0..problem.points.len())
            .filter(|&run| {
                let elsewhere = |i: usize| i != axis && problem.points[run][i] != base[i];
                !(0..base.len()).any(elsewhere)
            })
            .collect();
        on_axis.sort_by(|a, b| problem.points[*a][axis].total_cmp(&problem.points[*b][axis]));
        for (level, run) in on_axis.into_iter().enumerate() {
            let position = problem.points[run][axis];
            let setting = parameter.distribution.external(parameter.distribution.at(position));
            let layer = factor.name.strip_prefix("ratio.").unwrap_or_default();
            rows.push(vec![
                factor.name.clone(),
                layer.to_owned(),
                level.to_string(),
                number(Some(position)),
                setting.to_string(),
                number(values.values[run]),
                state.trial(run as u64).map_or(String::new(), |trial| trial.number.to_string()),
            ]);
        }
    }
    let header = ["parameter", "layer", "level", "position", "setting", "value", "trial"];
    Ok(write_table(&folder.file("sweep.csv"), &header, &rows)?)
}

/// `summary.md`, without its figures.
fn page(
    problem: &Problem,
    values: &Values,
    analysis: &Analysis,
    divergence: Option<&Analysis>,
    end: &StudyOutcome,
    data: &str,
) -> anyhow::Result<String> {
    let options = &end.study.state().options;
    let better = match options.direction {
        Direction::Minimize => "smaller is better",
        Direction::Maximize => "larger is better",
    };
    let mut text = String::new();
    writeln!(text, "# Which hyperparameters matter for {}?\n", options.metric)?;
    writeln!(text, "**{}**\n", headline(analysis))?;
    writeln!(
        text,
        "Method {}: {}. {} runs on {data}, seed {}; {better}. Used: {}, left out: {}.\n",
        problem.method.name(),
        problem.method.about(),
        problem.points.len(),
        options.seed,
        analysis.used,
        analysis.left_out,
    )?;
    writeln!(
        text,
        "Importance is a property of the box, and of the measure in it: log hyperparameters are \
         spread evenly in their logarithm.\n"
    )?;
    for line in problem.space.describe() {
        writeln!(text, "- `{line}`")?;
    }
    writeln!(text)?;
    table(&mut text, analysis)?;
    writeln!(
        text,
        "\nEstimates with 95 % intervals. Variance of {} over the design: {:.4e}.",
        options.metric, analysis.variance
    )?;
    match analysis.noise_variance {
        Some(noise) => writeln!(text, "The noise of the seeds has a variance of {noise:.4e}.",)?,
        None => writeln!(text, "Noise of the seeds was not estimated and is part of the indices.")?,
    }
    let diverged = values.diverged.iter().filter(|diverged| **diverged).count();
    if diverged > 0 {
        let counted = match values.stand_in {
            Some(worst) => format!("count as the worst complete run, {worst:.4}"),
            None => "are left out".to_owned(),
        };
        writeln!(text, "\n{diverged} of {} runs diverged and {counted}.", problem.points.len())?;
    }
    if values.missing > 0 {
        writeln!(text, "\n{} runs failed or are missing.", values.missing)?;
    }
    if let Some(divergence) = divergence {
        writeln!(text, "\nWhat makes runs diverge ({}):\n", problem.method.name())?;
        table(&mut text, divergence)?;
    }
    for note in &analysis.notes {
        writeln!(text, "\n> {note}")?;
    }
    writeln!(text, "\n```sh\n{}\n```", end.manifest.command)?;
    Ok(text)
}

/// A row a hyperparameter, group or pair, a column an index, the most important first.
fn table(text: &mut String, analysis: &Analysis) -> Result<(), std::fmt::Error> {
    let mut columns: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = ranking(analysis).iter().map(|i| i.parameter.as_str()).collect();
    for index in &analysis.indices {
        if !columns.contains(&index.index) {
            columns.push(index.index);
        }
        if !names.contains(&index.parameter.as_str()) {
            names.push(&index.parameter);
        }
    }
    writeln!(text, "| hyperparameter | {} |", columns.join(" | "))?;
    writeln!(text, "|---{}|", "|---".repeat(columns.len()))?;
    for name in names {
        let cell = |column: &&str| {
            let mut indices = analysis.indices.iter();
            let found = indices.find(|i| i.parameter == name && i.index == *column);
            found.map_or(String::new(), |index| {
                let end = |value: f64| match value.is_finite() {
                    true => format!("{value:.4}"),
                    false => "?".to_owned(),
                };
                let (low, high) = (end(index.interval.low), end(index.interval.high));
                format!("{:.4} [{low}, {high}]", index.value)
            })
        };
        let cells: Vec<_> = columns.iter().map(cell).collect();
        writeln!(text, "| {name} | {} |", cells.join(" | "))?;
    }
    Ok(())
}
