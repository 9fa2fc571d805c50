//! What a study needs to know before its first trial: the space as Strata reads it, seeds, layers, and a
//! manifest to record the run with.

use serde_json::{Map, Value, json};

use super::lines::PROTOCOL;
use super::request::{Description, seed_of};
use crate::cli::{SearchBudget, Setup, default_space};
use crate::objective::{CnnObjective, LayerGroups, check_space};
use crate::search::space::{Configuration, Parameter, Space};

/// The line that answers a question.
///
/// # Errors
/// When the space cannot be read or the net does not have its hyperparameters.
pub(super) fn description(setup: &Setup, wanted: &Description) -> anyhow::Result<Value> {
    let Description { question, common, .. } = wanted;
    let layers = setup.net.layers();
    let groups = LayerGroups(&layers);
    let space = Space::read_or(question.space.as_deref(), default_space(&common.net), &groups)?;
    let budget = SearchBudget::new(common);
    let base = setup.search_base(common, budget.epochs, space.groups.clone())?;
    check_space(&base, &space).map_err(|error| anyhow::anyhow!("space: {error}"))?;
    let mut settings = setup.search_settings(common, budget.epochs);
    settings["space"] = space.settings();
    let metrics: Map<_, _> = CnnObjective::METRICS
        .iter()
        .map(|(name, direction)| ((*name).to_owned(), json!(direction.name())))
        .collect();
    let schemes: Map<_, _> =
        space.groups.iter().map(|g| (g.name.clone(), json!(g.scheme))).collect();
    Ok(json!({
        "type": "description",
        "protocol": PROTOCOL,
        "parameters": space.parameters.iter().map(|p| parameter(&space, p)).collect::<Vec<_>>(),
        "points": space.points.iter().map(|point| values(&space, point)).collect::<Vec<_>>(),
        "groups": schemes,
        "layers": layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(),
        "metrics": metrics,
        "epochs": budget.epochs,
        "trials": budget.trials,
        "seeds": (0..question.trials).map(|n| seed_of(common.seed, n)).collect::<Vec<_>>(),
        "manifest": setup.manifest("tune", common, &settings),
    }))
}

/// A hyperparameter: its distribution, what it starts from, and when it exists.
fn parameter(space: &Space, parameter: &Parameter) -> Value {
    let mut entry = parameter.distribution.settings();
    entry["name"] = json!(parameter.name);
    let default = parameter.default.map(|value| parameter.distribution.external(value));
    entry["default"] = json!(default);
    let when = parameter.conditions.iter().filter_map(|condition| {
        let parent = &space.parameter(&condition.parameter)?.distribution;
        let values: Vec<_> = condition.values.iter().map(|v| parent.external(*v)).collect();
        Some((condition.parameter.clone(), json!(values)))
    });
    entry["when"] = Value::Object(when.collect());
    entry
}

/// A configuration as a person writes it.
fn values(space: &Space, at: &Configuration) -> Value {
    space.values(at).into_iter().map(|(name, value)| (name, json!(value))).collect()
}
