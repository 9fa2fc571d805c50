//! An assessment in words.

use std::fmt::Write;

use strata::analysis::importance::{Assessment, METHODS, MethodResult, Outcome};
use strata::search::Direction;

use super::tables::Everything;

/// A line a method for the terminal.
pub fn headline(assessment: &Assessment) -> Vec<String> {
    let fit = match assessment.fits_poorly() {
        true => format!(" (its forest predicts unseen trials with R² {:.2} only)", assessment.fit),
        false => String::new(),
    };
    let line = |result: &MethodResult| {
        let fit = if result.method == "ped-anova" { "" } else { fit.as_str() };
        format!("{}: {}{fit}", result.method, result.statement)
    };
    assessment.methods.iter().map(line).collect()
}

/// `summary.md`, without its figures.
pub fn page(found: &Everything, command: &str) -> Result<String, std::fmt::Error> {
    let Everything { recorded, assessment, by_epoch, by_trials, stability } = found;
    let rows = &recorded.observations.rows;
    let count =
        |wanted: fn(&Outcome) -> bool| rows.iter().filter(|row| wanted(&row.outcome)).count();
    let mut text = String::new();
    writeln!(text, "# Which hyperparameters matter for {}?\n", recorded.target)?;
    for line in headline(assessment) {
        writeln!(text, "**{line}**\n")?;
    }
    let better = match recorded.direction {
        Direction::Minimize => "smaller is better",
        Direction::Maximize => "larger is better",
    };
    writeln!(
        text,
        "From {}: {} trials ({} complete, {} pruned, {} diverged, {} failed), of which {} count; {better}. The forest \
         predicts trials that it has not seen with R² {:.2}.\n",
        recorded.source,
        rows.len(),
        count(|outcome| matches!(outcome, Outcome::Complete(_))),
        count(|outcome| matches!(outcome, Outcome::Pruned(_))),
        count(|outcome| matches!(outcome, Outcome::Diverged)),
        count(|outcome| matches!(outcome, Outcome::Failed)),
        assessment.trials,
        assessment.fit,
    )?;
    match (recorded.adaptive, recorded.sampler.as_deref()) {
        (Some(false), Some(sampler)) => writeln!(text, "Sampled by {sampler}.\n")?,
        (Some(true), Some(sampler)) => writeln!(
            text,
            "> The trials were proposed by {sampler}, which looks at results: they crowd where results are good, and \
             importance is of that region more than of the box. For the box, sample with `--sampler sobol`.\n"
        )?,
        _ => writeln!(
            text,
            "> Who proposed the trials is not recorded. If their sampler looked at results (TPE, GP, CMA-ES), they \
             crowd where results are good, and importance is of that region more than of the box.\n"
        )?,
    }
    writeln!(
        text,
        "Importance is a property of the box and the measure: log hyperparameters in their logarithm.\n"
    )?;
    for parameter in &recorded.observations.parameters {
        writeln!(text, "- `{}`: {}", parameter.name, parameter.distribution.describe())?;
    }
    for result in &assessment.methods {
        let about = METHODS.iter().find(|method| method.name() == result.method);
        let about = about.map_or("", |method| method.about());
        writeln!(text, "\n## {}: {about}\n", result.method)?;
        ranking(&mut text, result)?;
        writeln!(text, "\nKendall's W of the resampled rankings: {:.2}.", result.kendall_w)?;
    }
    interactions(&mut text, assessment)?;
    if let Some(stability) = stability {
        writeln!(text, "\n## What makes trials diverge\n")?;
        for result in &stability.methods {
            writeln!(text, "{}: {}\n", result.method, result.statement)?;
            ranking(&mut text, result)?;
        }
    }
    for pair in &assessment.agreement {
        writeln!(
            text,
            "\n{} and {} agree with Kendall's τ {:.2} [{:.2}, {:.2}].",
            pair.first, pair.second, pair.tau, pair.interval.low, pair.interval.high
        )?;
    }
    let notes = recorded.notes.iter().chain(&assessment.notes);
    for note in notes.chain(&by_epoch.notes).chain(&by_trials.notes) {
        writeln!(text, "\n> {note}")?;
    }
    writeln!(text, "\n```sh\n{command}\n```")?;
    Ok(text)
}

fn ranking(text: &mut String, result: &MethodResult) -> std::fmt::Result {
    writeln!(
        text,
        "| rank | hyperparameter | importance | probability of this rank | of rank 1 | of the top 3 |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|")?;
    for (place, ranked) in result.parameters.iter().enumerate() {
        let percent = |p: f64| format!("{:.0} %", 100.0 * p);
        let chances = &ranked.rank_probabilities;
        writeln!(
            text,
            "| {} | {} | {:.3} [{:.3}, {:.3}] | {} | {} | {} |",
            place + 1,
            ranked.parameter,
            ranked.importance,
            ranked.interval.low,
            ranked.interval.high,
            percent(ranked.rank_probability),
            percent(chances.first().copied().unwrap_or(0.0)),
            percent(chances.iter().take(3).sum()),
        )?;
    }
    Ok(())
}

fn interactions(text: &mut String, assessment: &Assessment) -> std::fmt::Result {
    if assessment.interactions.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\n## What pairs do only together (fanova)\n\n| pair | importance |\n|---|---|"
    )?;
    for pair in assessment.interactions.iter().take(8) {
        writeln!(
            text,
            "| {} × {} | {:.3} [{:.3}, {:.3}] |",
            pair.first, pair.second, pair.importance, pair.interval.low, pair.interval.high
        )?;
    }
    Ok(())
}
