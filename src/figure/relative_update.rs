//! How far each step moves each layer, relative to its weights.

use super::layer_series::LayerSeries;
use super::sheet::Sheet;
use super::tables::Run;
use super::{Figure, FigureError};

/// Relative update of each layer over the steps, one panel an arm.
pub(super) struct RelativeUpdate;

const SERIES: LayerSeries = LayerSeries {
    measure: |point| point.relative_update,
    name: "relative updates",
    labels: ["relative update ‖Δw‖ / ‖w‖ (log scale)", "‖Δw‖ / ‖w‖ (log scale)"],
    definition: "Relative update: norm of a step's change of a layer's parameters over the norm of \
                 the parameters.",
    expected: None,
};

impl Figure for RelativeUpdate {
    fn name(&self) -> &'static str {
        "relative_update"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        Ok(SERIES.plan(run))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::sheet::Mark;
    use super::*;

    #[test]
    fn each_arm_has_a_panel_with_a_line_a_layer() {
        let sheet = RelativeUpdate.plan(&Fixture::default().run()).unwrap().unwrap();
        assert_eq!((sheet.panels.len(), sheet.legend.len()), (2, 5));
        for panel in &sheet.panels {
            let lines = panel.marks.iter().filter(|m| matches!(m, Mark::Line { .. }));
            assert_eq!(lines.count(), 5);
        }
        // Two of twenty steps of three winners and five layers are zero, in each arm.
        assert!(sheet.caption.contains("60 empty, zero"), "{}", sheet.caption);
        assert!(sheet.title.starts_with("Late relative updates differ between layers by up to ×"));
    }

    #[test]
    fn only_the_models_that_were_measured_are_counted() {
        let mut run = Fixture { arms: vec!["a", "b", "c", "d"], ..Fixture::default() }.run();
        let measured = |trial: u64| trial % 15 == 12;
        run.layer_points.retain(|p| measured(p.trial));
        let sheet = RelativeUpdate.plan(&run).unwrap().unwrap();
        assert_eq!(sheet.panels.len(), 4);
        assert!(sheet.caption.starts_with("n = 1 retrained winner per arm."), "{}", sheet.caption);
    }

    #[test]
    fn only_zeros_are_no_figure() {
        let mut run = Fixture::default().run();
        run.layer_points.iter_mut().for_each(|p| p.relative_update = Some(0.0));
        assert!(RelativeUpdate.plan(&run).unwrap().is_none());
    }
}
