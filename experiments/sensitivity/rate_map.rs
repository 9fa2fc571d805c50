//! `sensitivity --method rate-map`: accuracy by each layer's rate, around a tuned overall rate.
//!
//! Each layer's rate times ¼ to 4, with the others as they are and re-tuned
//! ([`strata::analysis::rate_map`]); `--samples` seeds, the same for all points. `layer_lr map` searches
//! the overall rate first and draws the same map.

use strata::analysis::rate_map::{ALL, COLUMNS, MULTIPLIERS, Point, points, rows};
use strata::record::write_table;
use strata::search::TrialState;

use super::problem::Design;
use super::{Flags, Net, default_samples};

pub const NAME: &str = "rate-map";

/// Trains what the map needs, writes `map.csv` and draws it.
pub fn run(flags: &Flags) -> anyhow::Result<()> {
    let (common, sweep) = (&flags.common, &flags.sweep);
    anyhow::ensure!(
        sweep.objective == "cnn" && sweep.space.is_none(),
        "--method {NAME}: it sweeps the layers of a net; leave --objective and --space out"
    );
    let net = Net::new(flags)?;
    let seeds = default_samples(NAME, Some(common.preset.unwrap_or_default()));
    let seeds = sweep.samples.unwrap_or(seeds);
    let layers: Vec<String> = net.layers.iter().map(|layer| layer.name.clone()).collect();
    let points = points(&layers);
    let space = net.space(&space(sweep.rate, &layers))?;
    let configuration = |point: &Point| {
        space.configure(|parameter, _| match parameter.name.strip_prefix("ratio.") {
            None if point.layer == ALL => sweep.rate * point.multiplier,
            None => sweep.rate * point.factor,
            Some(layer) if layer == point.layer => point.multiplier,
            Some(_) => 1.0,
        })
    };
    let configurations: Vec<_> = points.iter().map(configuration).collect();
    let design = Design {
        space: space.clone(),
        configurations: vec![configurations; seeds].concat(),
        samples: seeds,
        seed_blocks: (0..seeds * points.len()).map(|run| (run / points.len()) as u64).collect(),
    };
    let Some(end) = net.run(&design)? else { return Ok(()) };
    let state = end.study.state();
    let value = |point: &Point, seed: usize| {
        let place = points.iter().position(|known| known == point)?;
        let trial = state.trial((seed * points.len() + place) as u64)?;
        trial.value.filter(|_| trial.state == TrialState::Complete)
    };
    write_table(&end.folder.file("map.csv"), &COLUMNS, &rows(&layers, seeds, value))?;
    let page = format!(
        "# {} by each layer's rate\n\nAround the overall rate {}, on {seeds} seeds; {}. Each layer's rate was \
         multiplied by {} to {}, with the other layers as they are and with the overall rate re-tuned.\n\n\
         ```sh\n{}\n```\n",
        state.options.metric,
        sweep.rate,
        net.setup.dataset.description,
        MULTIPLIERS[0],
        MULTIPLIERS[MULTIPLIERS.len() - 1],
        end.manifest.command
    );
    end.finish(page, &format!("rate × layer map around {}: map.csv", sweep.rate))
}

/// A box that holds all points of the map.
fn space(rate: f64, layers: &[String]) -> String {
    let (least, most) = (MULTIPLIERS[0], MULTIPLIERS[MULTIPLIERS.len() - 1]);
    let (low, high) = (rate * least, rate * most);
    let mut text = format!("[space]\nlr = {{ loguniform = [{low:?}, {high:?}] }}\n");
    for layer in layers {
        text += &format!("\"ratio.{layer}\" = {{ loguniform = [{least:?}, {most:?}] }}\n");
    }
    text
}
