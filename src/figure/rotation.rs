//! How far each step turns each layer's weights, and where weight decay should bring it.

use super::layer_series::{Expected, LayerSeries};
use super::sheet::Sheet;
use super::tables::{LayerPoint, Run};
use super::{Figure, FigureError};

/// Rotation of each layer per step over the steps, one panel an arm.
pub(super) struct Rotation;

const SERIES: LayerSeries = LayerSeries {
    measure: |point| point.rotation,
    name: "rotations",
    labels: ["rotation per step (radians, log scale)", "rotation (rad, log scale)"],
    definition: "Rotation: angle between a layer's weights before and after a step, in radians.",
    expected: Some(Expected {
        value: equilibrium,
        label: "predicted equilibrium",
        definition: "Dashed: the rotation √(2ηλ/(1+μ)) at which momentum SGD with rate η, weight \
                     decay λ and momentum μ settles where a batch norm follows the layer; least and \
                     greatest over such layers.",
    }),
};

impl Figure for Rotation {
    fn name(&self) -> &'static str {
        "rotation"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        Ok(SERIES.plan(run))
    }
}

/// The rotation per step at which step and decay balance for weights whose scale has no effect:
/// √(2ηλ/(1+μ)) (Wan et al., "Spherical motion dynamics", 2021).
fn equilibrium(run: &Run, point: &LayerPoint) -> Option<f64> {
    let momentum = run.manifest.momentum.filter(|_| is_normalised(&run.layers, point.layer))?;
    let squared = 2.0 * point.rate? * point.decay? / (1.0 + momentum);
    (squared > 0.0).then(|| squared.sqrt())
}

/// Whether the next layer is a batch norm and this one is none: then its scale has no effect.
fn is_normalised(layers: &[String], layer: usize) -> bool {
    let is_norm = |at: usize| {
        layers
            .get(at)
            .is_some_and(|name| name.rsplit('.').next().is_some_and(|last| last.starts_with("bn")))
    };
    !is_norm(layer) && is_norm(layer + 1)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::sheet::Mark;
    use super::*;

    fn run() -> Run {
        let layers = ["conv1", "bn1", "a.conv2", "a.bn2", "fc"].map(str::to_owned).to_vec();
        let mut run = Fixture { layers, ..Fixture::default() }.run();
        for point in &mut run.layer_points {
            point.rotation = point.relative_update;
            (point.rate, point.decay) = (Some(0.1), Some(0.00095));
        }
        run.manifest.momentum = Some(0.9);
        run
    }

    #[test]
    fn the_equilibrium_is_drawn_once_for_layers_of_one_rate() {
        let mut run = run();
        let point = run.layer_points[0].clone();
        assert!((equilibrium(&run, &point).unwrap() - 0.01).abs() < 1e-15);
        let lines = |run: &Run| {
            let sheet = Rotation.plan(run).unwrap().unwrap();
            assert_eq!(sheet.legend.len(), 6);
            let marks = sheet.panels[0].marks.iter();
            marks.filter(|m| matches!(m, Mark::Line { .. })).count()
        };
        assert_eq!(lines(&run), 5 + 1);
        run.layer_points.iter_mut().filter(|p| p.layer == 2).for_each(|p| p.rate = Some(0.2));
        assert_eq!(lines(&run), 5 + 2);
    }

    #[test]
    fn without_a_norm_or_momentum_nothing_is_predicted() {
        let mut run = run();
        run.manifest.momentum = None;
        let sheet = Rotation.plan(&run).unwrap().unwrap();
        assert!(sheet.legend.len() == 5 && !sheet.caption.contains("Dashed"));
        let names = ["conv1", "bn1", "fc"].map(str::to_owned);
        assert_eq!([0, 1, 2].map(|i| is_normalised(&names, i)), [true, false, false]);
    }
}
