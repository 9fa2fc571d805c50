//! The flags that give one run its layer rates.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{CommonFlags, LayerValues, positive_rate};
use crate::net::Layer;
use crate::objective::read_rate_log;
use crate::rates::{Coefficient, LayerRates, rule, scheme};
use crate::train::{Method, RuleChoice, RunSettings};

/// How realised rates are replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReplayAs {
    /// Step by step, as they were.
    #[default]
    Schedule,
    /// One rate a layer under `--schedule`, with the same sum over the run.
    Vector,
}

/// Overall rate, scheme, rule, replay, single layers.
#[derive(Clone, Debug, Args)]
pub struct RateFlags {
    /// Overall learning rate [default: 0.03 with SGD, 0.001 with AdamW; with a rule, its usual one].
    /// Example: --lr .01
    #[arg(long, value_name = "RATE", value_parser = positive_rate, help_heading = "Rates")]
    pub lr: Option<f64>,
    /// Rates of single layers, instead of what the scheme gives them. Example: --layer-lr
    /// conv1=.001,fc3=.02
    #[arg(long, value_name = "LAYER=RATE,…", help_heading = "Rates")]
    pub layer_lr: Option<LayerValues>,
    /// Layers that keep their initial weights. Example: --freeze conv1,conv2
    #[arg(long, value_name = "LAYER,…", value_delimiter = ',', help_heading = "Rates")]
    pub freeze: Vec<String>,
    /// Scheme that makes the layer rates from the overall one: global, free, depth-decay,
    /// depth-contrast, fan-in, type-groups, nested-contrasts. Example: --scheme depth-decay --decay .8
    #[arg(long, default_value = "global", help_heading = "Rates")]
    pub scheme: String,
    /// Coefficient of depth-decay: each layer's rate over that of the next. Example: --decay .8
    #[arg(long, value_name = "D", value_parser = positive_rate, help_heading = "Rates")]
    pub decay: Option<f64>,
    /// Coefficients of the scheme; 1 (or 0 for a contrast) where not given. Example: --scheme
    /// type-groups --coefficients hidden=2,head=.5
    #[arg(long, value_name = "NAME=VALUE,…", help_heading = "Rates")]
    pub coefficients: Option<Coefficients>,
    /// Rule that changes the rates during training: lars, lamb, hypergradient, l-dog, curvature,
    /// layca, freezeout, temp-balance. Example: --rule lars
    #[arg(long, value_name = "RULE", help_heading = "Rates")]
    pub rule: Option<String>,
    /// Coefficients of the rule; its usual ones where not given. Example: --rule hypergradient
    /// --rule-coefficients beta=.01
    #[arg(long, value_name = "NAME=VALUE,…", requires = "rule", help_heading = "Rates")]
    pub rule_coefficients: Option<Coefficients>,
    /// Train with the rates that another run realised, from its layers.csv. Example: --replay-rates
    /// results/train/layers.csv --replay-trial 0
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rule", "lr", "layer_lr"], help_heading = "Rates")]
    pub replay_rates: Option<PathBuf>,
    /// Trial whose rates are replayed. Example: --replay-trial 3
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Rates")]
    pub replay_trial: u64,
    /// Replay the rates as a schedule, or collapsed to one vector. Example: --replay-as vector
    #[arg(long, value_enum, default_value_t, help_heading = "Rates")]
    pub replay_as: ReplayAs,
}

impl RateFlags {
    /// Rates by the scheme, then those of single layers, and the rule on top, for a run of `steps`
    /// steps with a net of `layers`.
    ///
    /// # Errors
    /// When a scheme, rule, coefficient or layer is unknown (the message lists the known ones), a
    /// number makes no sense, or the rates to replay cannot be read.
    pub fn resolve(
        &self,
        common: &CommonFlags,
        layers: &[Layer],
        steps: u64,
    ) -> anyhow::Result<(LayerRates, Option<RuleChoice>)> {
        if let Some(path) = &self.replay_rates {
            let log = read_rate_log(path, self.replay_trial, layers).context("--replay-rates")?;
            let factors: Vec<_> = (0..steps).map(|s| common.schedule.factor(s, steps)).collect();
            let vector = log.vector(&factors).context("--replay-rates")?;
            let rates = vector.with_frozen(&self.freeze).context("--freeze")?;
            return Ok(match self.replay_as {
                ReplayAs::Vector => (rates, None),
                ReplayAs::Schedule => (rates, Some(RuleChoice::Replay(Arc::new(log)))),
            });
        }
        let kind = self.rule.as_deref().map(rule).transpose().context("--rule")?;
        let of_rule = kind.map(|kind| kind.coefficients(layers));
        let usual = match (&of_rule, common.optimizer) {
            (Some(coefficients), _) => coefficients[0].neutral,
            (None, Method::Sgd) => 0.03,
            (None, Method::AdamW) => 0.001,
        };
        let rate = self.lr.unwrap_or(usual);

        let scheme = scheme(&self.scheme).context("--scheme")?;
        let mut given = self.coefficients.clone().unwrap_or_default().0;
        given.extend(self.decay.map(|decay| ("decay".to_owned(), decay)));
        let values = filled(&scheme.coefficients(layers), rate, given)
            .with_context(|| format!("--scheme {}", self.scheme))?;
        let overrides = self.layer_lr.clone().unwrap_or_default();
        let rates = scheme.rates(layers, &values)?.with_overrides(&overrides.0);
        let rates = rates.context("--layer-lr")?.with_frozen(&self.freeze).context("--freeze")?;

        let choice = match kind.zip(of_rule) {
            None => None,
            Some((kind, coefficients)) => {
                let given = self.rule_coefficients.clone().unwrap_or_default().0;
                let values = filled(&coefficients, rate, given)
                    .with_context(|| format!("--rule {}", kind.name()))?;
                let choice = RuleChoice::Rule { kind, values };
                choice.start(layers).context("--rule-coefficients")?;
                Some(choice)
            }
        };
        Ok((rates, choice))
    }

    /// The rule of `run` for the record.
    pub fn rule_settings(&self, run: &RunSettings) -> Value {
        match &run.rule {
            None => Value::Null,
            Some(RuleChoice::Rule { kind, values }) => {
                json!({"name": kind.name(), "coefficients": values})
            }
            Some(RuleChoice::Replay(_)) => {
                json!({"name": "replay", "file": self.replay_rates, "trial": self.replay_trial})
            }
        }
    }
}

/// The values of `known`: the rate, then what is given, else neutral ones.
fn filled(known: &[Coefficient], rate: f64, given: Vec<(String, f64)>) -> anyhow::Result<Vec<f64>> {
    let mut values: Vec<f64> = known.iter().map(|coefficient| coefficient.neutral).collect();
    values[0] = rate;
    for (name, value) in given {
        let position = known.iter().skip(1).position(|coefficient| coefficient.name == name);
        let Some(position) = position else {
            let names: Vec<_> = known.iter().skip(1).map(|c| c.name.clone()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            bail!("it has no coefficient {name:?}; beside --lr it has: {names}");
        };
        values[position + 1] = value;
    }
    Ok(values)
}

/// A list like `hidden=2,contrast1=-.5`: any finite numbers.
#[derive(Clone, Debug, Default)]
pub struct Coefficients(pub Vec<(String, f64)>);

impl FromStr for Coefficients {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=')?;
            let value = value.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
            Some((name.trim().to_owned(), value))
        };
        let pairs = text.split(',').map(|part| {
            pair(part).ok_or_else(|| format!("{part:?} is not NAME=NUMBER, as in hidden=2,head=.5"))
        });
        Ok(Self(pairs.collect::<Result<_, _>>()?))
    }
}
