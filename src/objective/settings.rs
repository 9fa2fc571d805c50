//! Hyperparameters by name → what a training run does.

use crate::data::Augmentation;
use crate::net::{Architecture, Layer, NetOptions, build};
use crate::rates::{LayerRates, RULES, SCHEMES, Scale, rule, scheme};
use crate::search::ObjectiveError;
use crate::search::space::{Choice, Distribution, Group, Groups};
use crate::train::{DecayMode, Method, RuleChoice, RunSettings, Schedule};
use clap::ValueEnum;

/// Where the search's hyperparameters are set: everything that they leave alone stays as it is here.
#[derive(Clone, Debug)]
pub struct Base {
    /// Net by name.
    pub net: String,
    /// Its options.
    pub options: NetOptions,
    /// The run; its rates are replaced.
    pub settings: RunSettings,
    /// Overall rate where the space searches none.
    pub rate: f64,
    /// λ where the space searches none; the optimiser's default if none is given.
    pub weight_decay: Option<f64>,
    /// Groups of layer rates in the space.
    pub groups: Vec<Group>,
}

/// Schemes and rules of layer rates as groups of hyperparameters, for a net with these layers.
#[derive(Clone, Copy, Debug)]
pub struct LayerGroups<'a>(pub &'a [Layer]);

impl Groups for LayerGroups<'_> {
    fn expand(&self, name: &str) -> Result<Vec<(String, Distribution, f64)>, String> {
        if self.0.is_empty() {
            return Err("there are no layers here: groups of rates are for nets".into());
        }
        let coefficients = match (scheme(name), rule(name)) {
            (Ok(scheme), _) => scheme.coefficients(self.0),
            (_, Ok(rule)) => rule.coefficients(self.0),
            (Err(no_scheme), Err(no_rule)) => return Err(format!("{no_scheme}; {no_rule}")),
        };
        let distribution = |c: crate::rates::Coefficient| {
            let log = c.scale == Scale::Log;
            let range = Distribution::Float { low: c.low, high: c.high, log, step: None };
            (c.name, range, c.neutral)
        };
        Ok(coefficients.into_iter().map(distribution).collect())
    }
}

/// A run's settings in the making.
struct Draft {
    net: String,
    options: NetOptions,
    settings: RunSettings,
    rate: f64,
    weight_decay: Option<f64>,
}

type Set = fn(&mut Draft, &Choice) -> Result<(), String>;

/// Hyperparameters that can be searched, beside groups of layer rates, `lr.<layer>`, `ratio.<layer>` and dummies.
const HYPERPARAMETERS: &[(&str, Set)] = &[
    ("lr", |draft, value| set(&mut draft.rate, positive(value))),
    ("batch_size", |draft, value| set(&mut draft.settings.batch_size, count(value))),
    ("l1", |draft, value| set(&mut draft.options.l1, count(value))),
    ("l2", |draft, value| set(&mut draft.options.l2, count(value))),
    ("epochs", |draft, value| set(&mut draft.settings.epochs, count(value).map(|n| n as u64))),
    ("momentum", |draft, value| {
        let momentum = real(value).and_then(|mu| match (0.0..1.0).contains(&mu) {
            true => Ok(mu),
            false => Err("must be at least 0 and below 1".into()),
        });
        set(&mut draft.settings.optimizer.momentum, momentum)
    }),
    ("nesterov", |draft, value| set(&mut draft.settings.optimizer.nesterov, boolean(value))),
    ("weight_decay", |draft, value| {
        let decay = real(value).and_then(|decay| match decay >= 0.0 {
            true => Ok(Some(decay)),
            false => Err("must not be negative".into()),
        });
        set(&mut draft.weight_decay, decay)
    }),
    ("optimizer", |draft, value| set(&mut draft.settings.optimizer.method, word::<Method>(value))),
    ("decay_mode", |draft, value| {
        set(&mut draft.settings.optimizer.decay_mode, word::<DecayMode>(value))
    }),
    ("schedule", |draft, value| set(&mut draft.settings.schedule, word::<Schedule>(value))),
    ("net", |draft, value| set(&mut draft.net, Ok(value.to_string()))),
    ("init_scale", |draft, value| set(&mut draft.settings.start.scale, positive(value))),
    ("augment", |draft, value| {
        set(&mut draft.settings.augmentation, value.to_string().parse::<Augmentation>())
    }),
];

/// Hyperparameters that decide the shapes of a net's tensors: a checkpoint fits its own values of these only.
pub const SHAPING: [&str; 3] = ["net", "l1", "l2"];
/// Prefix of the rate of one layer: `lr.conv1`.
const LAYER_RATE: &str = "lr.";
/// Prefix of a factor on the rate of one layer, whatever it is: `ratio.conv1`.
const LAYER_RATIO: &str = "ratio.";
/// Hyperparameters whose names begin so do nothing: they show how much noise looks like effect.
pub const DUMMY: &str = "dummy";

impl Base {
    /// The net and the run that these hyperparameters ask for.
    ///
    /// # Errors
    /// When a hyperparameter is unknown (the message lists the known ones) or a value makes no
    /// sense.
    pub fn resolve(
        &self,
        values: &[(String, Choice)],
        seed: u64,
    ) -> Result<(Box<dyn Architecture>, RunSettings), ObjectiveError> {
        let mut draft = Draft {
            net: self.net.clone(),
            options: self.options.clone(),
            settings: self.settings.clone(),
            rate: self.rate,
            weight_decay: self.weight_decay,
        };
        let mut layer_rates = Vec::new();
        let mut ratios = Vec::new();
        for (name, value) in values {
            let named = |reason: String| format!("hyperparameter {name} = {value}: {reason}");
            if let Some((_, set)) = HYPERPARAMETERS.iter().find(|(known, _)| known == name) {
                set(&mut draft, value).map_err(named)?;
            } else if let Some(layer) = name.strip_prefix(LAYER_RATE) {
                layer_rates.push((layer.to_owned(), positive(value).map_err(named)?));
            } else if let Some(layer) = name.strip_prefix(LAYER_RATIO) {
                ratios.push((layer.to_owned(), positive(value).map_err(named)?));
            } else if !name.starts_with(DUMMY) && !self.groups.iter().any(|group| group.owns(name))
            {
                return Err(self.unknown(name).into());
            }
        }
        let net = build(&draft.net, &draft.options)?;
        let layers = net.layers();
        let mut rates = LayerRates::uniform(draft.rate, &layers)?;
        let mut chosen = None;
        for group in &self.groups {
            let coefficient = |coefficient: &String| {
                let name = format!("{}.{coefficient}", group.name);
                let (_, value) = values.iter().find(|(known, _)| *known == name)?;
                Some(real(value).map_err(|reason| format!("hyperparameter {name}: {reason}")))
            };
            // A group under a condition that does not hold has no values at all.
            let found: Option<Vec<_>> = group.coefficients.iter().map(coefficient).collect();
            if let Some(found) = found {
                let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
                match scheme(&group.scheme) {
                    Ok(scheme) => rates = scheme.rates(&layers, &found)?,
                    // A rule starts from one rate for all layers.
                    Err(_) => {
                        let kind = rule(&group.scheme)?;
                        rates = LayerRates::uniform(found[0], &layers)?;
                        let choice = RuleChoice::Rule { kind, values: found };
                        choice.start(&layers)?;
                        chosen = Some(choice);
                    }
                }
            }
        }
        let mut settings = draft.settings;
        settings.rule = chosen.or(settings.rule);
        settings.rates = rates.with_overrides(&layer_rates)?.with_factors(&ratios)?;
        settings.seed = seed;
        let method = settings.optimizer.method;
        settings.optimizer.weight_decay =
            draft.weight_decay.unwrap_or(method.default_weight_decay());
        Ok((net, settings))
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<_> = HYPERPARAMETERS.iter().map(|(name, _)| *name).collect();
        format!(
            "the net has no hyperparameter {name:?}; it has {}, lr.LAYER, ratio.LAYER (a factor on the layer's rate), a group of layer rates \
             ({name} = {{ scheme = \"free\" }}; schemes: {}; rules: {}), and dummies (names that \
             begin with {DUMMY:?})",
            known.join(", "),
            SCHEMES.iter().map(|scheme| scheme.name()).collect::<Vec<_>>().join(", "),
            RULES.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", "),
        )
    }
}

fn set<T>(slot: &mut T, value: Result<T, String>) -> Result<(), String> {
    *slot = value?;
    Ok(())
}

fn real(value: &Choice) -> Result<f64, String> {
    match *value {
        Choice::Float(value) if value.is_finite() => Ok(value),
        Choice::Int(value) => Ok(value as f64),
        _ => Err("must be a finite number".into()),
    }
}

fn positive(value: &Choice) -> Result<f64, String> {
    real(value).and_then(|number| match number > 0.0 {
        true => Ok(number),
        false => Err("must be positive".into()),
    })
}

fn count(value: &Choice) -> Result<usize, String> {
    let number = real(value)?;
    let whole = number >= 1.0 && number.fract() == 0.0 && number <= 1e9;
    if whole { Ok(number as usize) } else { Err("must be a whole number from 1 up".into()) }
}

fn boolean(value: &Choice) -> Result<bool, String> {
    match value {
        Choice::Bool(value) => Ok(*value),
        _ => Err("must be true or false".into()),
    }
}

fn word<T: ValueEnum>(value: &Choice) -> Result<T, String> {
    let text = value.to_string();
    T::from_str(&text, false).map_err(|_| {
        let known: Vec<_> = T::value_variants()
            .iter()
            .filter_map(|known| Some(known.to_possible_value()?.get_name().to_owned()))
            .collect();
        format!("is none of {}", known.join(", "))
    })
}
