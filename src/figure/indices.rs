//! Indices of a sweep: how much of the result each hyperparameter moves.

use super::effects::{self, Layer, bars};
use super::rankings::{leading, sorted};
use super::sheet::{Key, Rows, Sheet};
use super::tables::Run;
use super::theme::{self, Marker};
use super::{Figure, FigureError};

/// One row a hyperparameter, the most important first.
pub(super) struct Indices;

impl Figure for Indices {
    fn name(&self) -> &'static str {
        "indices"
    }

    fn plan(&self, run: &Run) -> Result<Option<Sheet>, FigureError> {
        let indices = &run.rankings.indices;
        let Some((index, words)) = leading(indices) else { return Ok(None) };
        let of = |name: &str| sorted(indices.iter().filter(|e| e.index == name));
        let ranked = of(index);
        let Some(first) = ranked.first() else { return Ok(None) };
        let names: Vec<&str> = ranked.iter().map(|e| e.parameter.as_str()).collect();
        let total = theme::arm(0);
        let mut layers =
            vec![Layer { estimates: ranked.clone(), color: total.color, marker: total.marker }];
        let mut legend =
            vec![Key::marker(index.replace("mu_star", "μ*"), total.marker, total.color)];
        let alone = of("S1");
        let mut label = words.to_owned();
        if index == "ST" && !alone.is_empty() {
            let color = theme::arm(1).color;
            layers.push(Layer { estimates: alone, color, marker: Marker::Diamond });
            legend.push(Key::marker("S1, alone", Marker::Diamond, color));
            label = "share of the variance".to_owned();
        }
        let floor = run.manifest.noise_floor;
        legend.extend(floor.map(|_| effects::floor_key()));
        let panels = vec![bars("", &label, &names, &layers, floor)];
        let caption = effects::caption(
            run,
            &[
                effects::counted(run),
                format!("Method {}. Lines: 95 % bootstrap intervals.", first.method),
                match floor {
                    Some(_) if run.manifest.noise_is_taken_out => {
                        "Noise is taken out; the floor is the end of the dummy's interval. What lies below it, or whose interval \
                         begins at 0, has not been shown to matter."
                            .to_owned()
                    }
                    Some(_) => {
                        "What does not stand clear of the noise floor has not been shown to matter."
                            .to_owned()
                    }
                    None => String::new(),
                },
            ],
        );
        let shown = if index == "mu_star" { "μ*" } else { index };
        let title = effects::title(&ranked, shown, run);
        Ok(Some(Sheet { title, legend, panels, rows: Rows::Pairs, caption }))
    }
}
