//! What is swept where no space is named.

use strata::net::Layer;

/// The space that is swept unless the user names one: training, widths of the tutorial net, and a
/// factor on the rate of each layer that has one of its own.
pub fn for_training(net: &str, layers: &[Layer]) -> String {
    let mut text = include_str!("../spaces/sensitivity.toml").to_owned();
    if net == "tutorial" {
        text += "l1 = { lograndint = [16, 257], default = 120 }\n\
                 l2 = { lograndint = [16, 257], default = 84 }\n";
    }
    for layer in layers {
        let name = &layer.name;
        text += &format!("\"ratio.{name}\" = {{ loguniform = [0.25, 4.0], default = 1.0 }}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use strata::net::{NetOptions, build};
    use strata::objective::LayerGroups;
    use strata::search::space::Space;

    use super::*;

    #[test]
    fn the_file_for_the_tutorial_net_is_what_is_swept() {
        let layers = build("tutorial", &NetOptions::default()).unwrap().layers();
        let swept = Space::parse(&for_training("tutorial", &layers), &LayerGroups(&layers));
        let file = include_str!("../spaces/sensitivity_tutorial.toml");
        assert_eq!(swept.unwrap(), Space::parse(file, &LayerGroups(&layers)).unwrap());
    }
}
