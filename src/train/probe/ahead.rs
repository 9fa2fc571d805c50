//! The probes that look along each layer's next step: headroom and loss slices.

use super::bench::Bench;
use super::gradient::{RELATIVE_STEP, step_length};
use super::headroom::{self, Best, Parabola};
use super::interval::{Interval, percentiles};
use super::rows::Rows;
use crate::net::Role;
use crate::train::{TrainError, TrainingRun};

/// Multipliers of the step in loss slices are 2 to the power of these.
const POWERS: std::ops::RangeInclusive<i32> = -4..=4;

impl TrainingRun<'_> {
    pub(super) fn probe_headroom(&self, rows: &mut Rows) -> Result<u64, TrainError> {
        let mut bench = self.bench(self.probe_batch()?);
        let Some(directions) = self.next_steps(&mut bench) else { return Ok(0) };
        let weights = self.weights();
        let steps: Vec<Option<f64>> = weights
            .iter()
            .zip(&directions)
            .map(|(weights, direction)| step_length(weights, direction, RELATIVE_STEP))
            .collect();
        let parabolas = headroom::measure(&directions, &steps, |moved| {
            let chunks = match moved {
                None => bench.gradients(&[], 0.0),
                Some((layer, epsilon)) => bench.gradients(&[(layer, &directions[layer])], epsilon),
            };
            chunks.into_iter().map(|chunk| chunk.layers).collect()
        });
        let whole = Parabola::mean(&parabolas);
        let resamples = self.resamples(parabolas.len());
        let resampled = resamples.map(|units| {
            let parabola = Parabola::mean(units.iter().map(|&unit| &parabolas[unit]));
            let best = parabola.best();
            (parabola, best)
        });
        report_parabola(rows, &whole, &resampled);
        Ok(bench.cost())
    }

    pub(super) fn probe_slices(&self, rows: &mut Rows) -> Result<u64, TrainError> {
        let mut bench = self.bench(self.probe_batch()?);
        let Some(directions) = self.next_steps(&mut bench) else { return Ok(0) };
        let all: Vec<(usize, &[f32])> = directions.iter().map(Vec::as_slice).enumerate().collect();
        rows.add("slice", None, 0, bench.loss(&[], 0.0), Interval::default());
        let single = all.chunks(1).enumerate().map(|(layer, moved)| (Some(layer), moved));
        for (layer, moved) in single.chain([(None, all.as_slice())]) {
            for power in POWERS {
                let scale = 2f64.powi(power);
                rows.add("slice", layer, scale, bench.loss(moved, scale), Interval::default());
            }
        }
        Ok(bench.cost())
    }

    /// u_l of each layer: see [`Self::probe`]. None if a rule has not set rates yet.
    fn next_steps(&self, bench: &mut Bench) -> Option<Vec<Vec<f32>>> {
        let total = self.settings.epochs * self.batches.batches() as u64;
        // After the last step there is no next one: its own factor, for many schedules end at 0.
        let step = self.progress.steps.min(total.saturating_sub(1));
        let rates = match self.rule {
            None => self.optimizer.scheduled(self.settings.schedule.factor(step, total)),
            Some(_) => self.ruled_rates.clone()?,
        };
        let bias_factor = self.settings.rates.bias_factor();
        let gradient = bench.gradient(&[], 0.0);
        let mut moves: Vec<Vec<f32>> = vec![Vec::new(); gradient.len()];
        for parameter in &self.parameters.trained {
            let layer = parameter.layer;
            let factor = if parameter.spec.role == Role::Bias { bias_factor } else { 1.0 };
            let from = moves[layer].len();
            let values = gradient[layer][from..].iter().take(parameter.value.dims()[0]);
            moves[layer].extend(values.map(|value| (-rates[layer] * factor * value) as f32));
        }
        Some(moves)
    }
}

/// A parabola of resampled chunks, with the best steps on it, if it has any.
type Resampled = (Parabola, Option<Best>);

/// The rows of a parabola with intervals from resampled ones.
fn report_parabola(rows: &mut Rows, parabola: &Parabola, resampled: &[Resampled]) {
    let layers = parabola.slopes.len();
    let over = |of: &dyn Fn(&Resampled) -> Option<f64>| percentiles(resampled.iter().map(of));
    for l in 0..layers {
        rows.add("slope", l, "", parabola.slopes[l], over(&|(at, _)| Some(at.slopes[l])));
    }
    for l in 0..layers {
        for m in l..layers {
            let two = [parabola.products[(l, m)], parabola.products[(m, l)]];
            let interval = match l == m {
                true => over(&|(at, _)| Some(at.curvature(l, l))),
                false => Interval {
                    low: two.into_iter().reduce(f64::min),
                    high: two.into_iter().reduce(f64::max),
                },
            };
            rows.add("curvature", l, rows.name(m), parabola.curvature(l, m), interval);
        }
    }
    let best = parabola.best();
    // Where more than a few resamples have no best scales, their interval would be that of a choice.
    let solved = resampled.iter().filter(|(_, best)| best.is_some()).count();
    for l in 0..layers {
        let scales = resampled.iter().filter_map(|(_, best)| Some(Some(best.as_ref()?.scales[l])));
        let interval = match 40 * solved >= 39 * resampled.len() {
            true => percentiles(scales),
            false => Interval::default(),
        };
        rows.add("best_scale", l, "", best.as_ref().map(|best| best.scales[l]), interval);
    }
    let global = over(&|(at, _)| at.best_global_scale());
    rows.add("best_global_scale", None, "", parabola.best_global_scale(), global);
    let headroom = over(&|(_, best)| Some(best.as_ref()?.headroom));
    rows.add("headroom", None, "", best.map(|best| best.headroom), headroom);
    let (least, error) = parabola.definiteness().unzip();
    let ends = least.zip(error).map(|(least, error)| (least - error, least + error)).unzip();
    rows.add("definiteness", None, "", least, Interval { low: ends.0, high: ends.1 });
}
