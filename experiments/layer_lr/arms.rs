//! From the table of arms to spaces that can be searched.

use anyhow::{Context, bail, ensure};
use strata::cli::{CommonFlags, Setup};
use strata::net::Layer;
use strata::objective::arm::{Arm, column};
use strata::objective::{Base, LayerGroups, check_space};
use strata::rates::{LayerRates, RULES};
use strata::search::space::{Distribution, Group, Space};
use strata::train::Method;

use super::{ARMS, ArmText, Budget, Flags};

/// Overall rate where an arm searches none.
const RATE: f64 = 0.03;

/// What all runs of the experiment do, before an arm says otherwise.
pub fn base(setup: &Setup, common: &CommonFlags, budget: &Budget) -> anyhow::Result<Base> {
    let rates = LayerRates::uniform(RATE, &setup.net.layers())?;
    let settings = setup.run_settings(common, budget.epochs, budget.batch_size, rates);
    Ok(setup.base(common, settings, RATE, Vec::new()))
}

/// The arms that the flags or the preset name, with their texts.
pub fn chosen(flags: &Flags, budget: &Budget) -> anyhow::Result<Vec<&'static ArmText>> {
    let names: Vec<&str> = match flags.arms.as_slice() {
        [] => budget.arms.to_vec(),
        given => given.iter().map(String::as_str).collect(),
    };
    let mut chosen: Vec<&ArmText> = Vec::new();
    for name in names {
        let Some(arm) = ARMS.iter().find(|arm| arm.name == name) else {
            let known: Vec<_> = ARMS.iter().map(|arm| arm.name).collect();
            bail!("--arms: there is no arm {name:?}; choose among {}", known.join(", "));
        };
        ensure!(
            chosen.iter().all(|known| known.name != name),
            "--arms: {name} is named twice; name each arm once"
        );
        chosen.push(arm);
    }
    Ok(chosen)
}

/// The arms with their spaces in the boxes that the flags say.
pub fn build(
    texts: &[&ArmText],
    flags: &Flags,
    layers: &[Layer],
    base: &Base,
) -> anyhow::Result<Vec<Arm>> {
    let (low, high) = rate_box(flags);
    ensure!(low < high, "--rate-low {low} must be below --rate-high {high}");
    let build = |text: &&ArmText| {
        let named = || format!("arm {}", text.name);
        let source = format!("[space]\n{}", text.space);
        let mut space = Space::parse(&source, &LayerGroups(layers)).with_context(named)?;
        widen(&mut space, flags);
        let base = Base { groups: space.groups.clone(), ..base.clone() };
        check_space(&base, &space)
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(named)?;
        let follows = if flags.no_follow_ups { Vec::new() } else { text.follows.to_vec() };
        Ok(Arm { name: text.name.to_owned(), space, base, follows })
    };
    texts.iter().map(build).collect()
}

/// The box of the overall rate of schemes.
pub fn rate_box(flags: &Flags) -> (f64, f64) {
    let (low, high) = match flags.common.optimizer {
        Method::Sgd => (0.002, 0.5),
        Method::AdamW => (1e-4, 0.03),
    };
    (flags.rate_low.unwrap_or(low), flags.rate_high.unwrap_or(high))
}

/// Sets the boxes that flags speak of. Rules that measure their rate in their own way keep their box.
fn widen(space: &mut Space, flags: &Flags) {
    let of_rule = |group: &Group| RULES.iter().find(|rule| rule.name() == group.scheme);
    let rule = space.groups.iter().find_map(of_rule);
    let has_plain_rate = rule.is_none_or(|rule| rule.has_plain_rate());
    for parameter in &mut space.parameters {
        let is_coefficient = parameter.name.starts_with("rates.");
        let Distribution::Float { low, high, log, .. } = &mut parameter.distribution else {
            continue;
        };
        match (column(&parameter.name), flags.reach) {
            ("rate", _) if has_plain_rate => (*low, *high) = rate_box(flags),
            (name, Some(reach)) if is_coefficient && rule.is_none() && name != "rate" => {
                // A scheme's power of the fan-in is no ratio.
                if *log {
                    (*low, *high) = (1.0 / reach, reach);
                } else if name != "power" {
                    (*low, *high) = (-reach.ln(), reach.ln());
                }
            }
            _ => {}
        }
    }
}
