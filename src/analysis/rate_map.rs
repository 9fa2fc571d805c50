//! Rate × layer map: which trainings it needs, and its table.
//!
//! Each layer's rate is multiplied by ¼ to 4, on some seeds: with the other layers at the overall rate
//! ("tuned"), and with the overall rate tried at half and twice as well ("re-tuned"). A layer that only
//! wants another overall rate looks sensitive in the first and not in the second. Re-tuned, a seed
//! shows the overall rate that was best on the other seeds: nothing is chosen by the accuracy shown.

use crate::record::number;

/// What a layer's rate is multiplied by.
pub const MULTIPLIERS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// What the overall rate is multiplied by where it is tuned again; 1 is the rate that was found.
pub const FACTORS: [f64; 3] = [0.5, 1.0, 2.0];
/// All layers together.
pub const ALL: &str = "all";
/// Columns of `map.csv`.
pub const COLUMNS: [&str; 6] =
    ["layer", "multiplier", "base", "factor", "seed", "validation_accuracy"];

/// A training of the map: layer, its multiplier, factor of the overall rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The layer, or [`ALL`].
    pub layer: String,
    /// What its rate is multiplied by.
    pub multiplier: f64,
    /// What the rates of all layers are multiplied by.
    pub factor: f64,
}

impl Point {
    /// What the rate of `layer` is multiplied by.
    pub fn of_layer(&self, layer: &str) -> f64 {
        match self.layer == ALL || self.layer == layer {
            true => self.factor * self.multiplier,
            false => self.factor,
        }
    }
}

/// Points that differ as trainings: multiplying all layers is changing the overall rate, and a layer
/// times 1 is no change.
pub fn points(layers: &[String]) -> Vec<Point> {
    let mut points: Vec<_> = MULTIPLIERS
        .map(|multiplier| Point { layer: ALL.into(), multiplier, factor: 1.0 })
        .into_iter()
        .collect();
    for layer in layers {
        for multiplier in MULTIPLIERS.into_iter().filter(|m| *m != 1.0) {
            points.extend(FACTORS.map(|factor| Point { layer: layer.clone(), multiplier, factor }));
        }
    }
    points
}

/// The training that shows `layer` at `multiplier` under `factor`.
fn shown(layer: &str, multiplier: f64, factor: f64) -> Point {
    match multiplier == 1.0 {
        true => Point { layer: ALL.into(), multiplier: factor, factor: 1.0 },
        false => Point { layer: layer.into(), multiplier, factor },
    }
}

/// The rows of `map.csv`, one a layer, multiplier, base and seed; `value` is the validation accuracy of
/// a training on a seed, if it has one.
pub fn rows(
    layers: &[String],
    seeds: usize,
    value: impl Fn(&Point, usize) -> Option<f64>,
) -> Vec<Vec<String>> {
    // What diverged counts as nothing learned when overall rates are chosen.
    let elsewhere = |layer: &str, multiplier: f64, factor: f64, seed: usize| {
        let others = (0..seeds).filter(|other| *other != seed);
        let point = shown(layer, multiplier, factor);
        others.map(|other| value(&point, other).unwrap_or(0.0)).sum::<f64>()
    };
    let mut rows = Vec::new();
    let mut show = |layer: &str, multiplier: f64, base: &str, factor: f64, seed: usize| {
        let point = match layer == ALL {
            true => shown(ALL, multiplier, 1.0),
            false => shown(layer, multiplier, factor),
        };
        rows.push(vec![
            layer.to_owned(),
            number(multiplier),
            base.to_owned(),
            number(factor),
            seed.to_string(),
            number(value(&point, seed)),
        ]);
    };
    for layer in layers {
        for multiplier in MULTIPLIERS {
            for seed in 0..seeds {
                show(layer, multiplier, "tuned", 1.0, seed);
                let of = |factor: f64| elsewhere(layer, multiplier, factor, seed);
                let best = FACTORS.into_iter().max_by(|a, b| of(*a).total_cmp(&of(*b)));
                if let Some(factor) = best.filter(|_| seeds > 1) {
                    show(layer, multiplier, "re-tuned", factor, seed);
                }
            }
        }
    }
    for multiplier in MULTIPLIERS {
        for seed in 0..seeds {
            show(ALL, multiplier, "tuned", 1.0, seed);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_shown_is_trained_once() {
        let layers = ["a".to_owned(), "b".to_owned()];
        let trained = points(&layers);
        assert_eq!(trained.len(), 5 + 2 * 4 * 3);
        for (index, point) in trained.iter().enumerate() {
            assert!(!trained[..index].contains(point));
        }
        for layer in layers.iter().map(String::as_str).chain([ALL]) {
            for multiplier in MULTIPLIERS {
                for factor in FACTORS {
                    let wanted = if layer == ALL {
                        shown(layer, multiplier, 1.0)
                    } else {
                        shown(layer, multiplier, factor)
                    };
                    assert!(trained.contains(&wanted), "{layer} {multiplier} {factor}");
                }
            }
        }
    }

    #[test]
    fn a_seed_shows_the_overall_rate_that_was_best_on_the_others() {
        let layers = ["a".to_owned()];
        // Seed 0 likes half the rate, and more so than seeds 1 and 2 like twice it.
        let value = |point: &Point, seed: usize| {
            let factor = if point.layer == ALL { point.multiplier } else { point.factor };
            Some(if seed == 0 { 2.0 / factor } else { factor })
        };
        let rows = rows(&layers, 3, value);
        let retuned = |seed: &str| {
            let of_seed = |row: &&Vec<String>| row[2] == "re-tuned" && row[4] == seed;
            rows.iter().find(of_seed).map(|row| row[3].clone())
        };
        assert_eq!(retuned("0").as_deref(), Some("2"));
        // One other seed on each side: the one that likes it more decides.
        assert_eq!(retuned("1").as_deref(), Some("0.5"));
        assert_eq!(rows.len(), 5 * 3 * 2 + 5 * 3);
    }
}
