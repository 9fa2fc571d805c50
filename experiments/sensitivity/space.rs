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
