//! The gauge freedom of ReLU nets: a layer made larger and the next one smaller, for the same
//! function.

use super::{Layer, LayerKind, NetError, Parameters, Role};

/// Multiplies weight and bias of `layer` by `factor` and the weight of the next layer by 1/factor.
///
/// Since ReLU and pools commute with positive factors, the net computes the same function as before
/// (to rounding; to the bit if `factor` is a power of two and nothing under- or overflows). The
/// gradient of `layer` shrinks by `factor`, so plain SGD needs factor² times its old rate to do what
/// it did, and 1/factor² times the next layer's.
///
/// # Errors
/// When the layer is unknown or the last one, when `factor` is not positive and finite, or when
/// more than ReLU and a pool stands between two layers: in nets with batch norm, whose output does
/// not depend on the size of the weights before it, and which shortcuts may bypass. The parameters
/// are then unchanged.
pub fn rescale(parameters: &mut Parameters, layer: &str, factor: f64) -> Result<(), NetError> {
    let refuse = |reason: String| NetError::Gauge { layer: layer.to_owned(), factor, reason };
    if !(factor.is_finite() && factor > 0.0) {
        return Err(refuse("the factor must be positive and finite".into()));
    }
    let layers = &parameters.layers;
    let norm = layers.iter().find(|layer| matches!(layer.kind, LayerKind::BatchNorm { .. }));
    if let Some(norm) = norm {
        return Err(refuse(format!(
            "this net has batch norms ({}), whose output does not change with the size of the \
             weights before them; use --net tutorial or vgg",
            norm.name
        )));
    }
    let Some(index) = layers.iter().position(|known| known.name == layer) else {
        let known: Vec<_> = layers.iter().map(|layer| layer.name.as_str()).collect();
        return Err(refuse(format!("the net's layers are {}", known.join(", "))));
    };
    let Some(next) = layers.get(index + 1) else {
        return Err(refuse("it is the last layer: no next one can undo the factor".into()));
    };
    if !follows(&layers[index], next) {
        return Err(refuse(format!("layer {} is not fed by it alone", next.name)));
    }
    for parameter in &mut parameters.trained {
        let by = match (parameter.layer.checked_sub(index), parameter.spec.role) {
            (Some(0), _) => factor,
            (Some(1), Role::Weight) => factor.recip(),
            _ => continue,
        };
        parameter.value = parameter.value.clone().mul_scalar(by);
    }
    Ok(())
}

/// Whether the outputs of `layer` are all the inputs of `next`, by their number.
fn follows(layer: &Layer, next: &Layer) -> bool {
    let outputs = match layer.kind {
        LayerKind::Conv { outputs, .. } | LayerKind::Linear { outputs, .. } => outputs,
        LayerKind::BatchNorm { channels } => channels,
    };
    match (layer.kind, next.kind) {
        (_, LayerKind::Conv { inputs, .. }) => inputs == outputs,
        // Flattened feature maps: some pixels of each channel.
        (LayerKind::Conv { .. }, LayerKind::Linear { inputs, .. }) => inputs % outputs == 0,
        (_, LayerKind::Linear { inputs, .. }) => inputs == outputs,
        (_, LayerKind::BatchNorm { .. }) => false,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Tensor, TensorData};
    use rand::RngExt;

    use super::*;
    use crate::net::{NetOptions, Pass, build, host};
    use crate::random::{Purpose, stream};

    fn images(count: usize) -> Tensor<4> {
        let mut random = stream(3, Purpose::Probe, 0);
        let pixels: Vec<f32> =
            (0..count * 3 * 32 * 32).map(|_| random.random_range(-1.0..1.0)).collect();
        let data = TensorData::new(pixels, [count, 3, 32, 32]);
        Tensor::from_data(data, &crate::device::test_device())
    }

    #[test]
    fn the_function_stays_in_every_net_that_has_the_gauge() {
        for (name, count) in [("tutorial", 5), ("vgg", 2)] {
            let net = build(name, &NetOptions::default()).unwrap();
            let device = crate::device::test_device();
            let mut parameters = Parameters::initialise(net.as_ref(), 1, &device);
            let images = images(count);
            let logits = |parameters: &Parameters| {
                let logits = net.forward(&mut Pass::evaluation(parameters), images.clone());
                logits.into_data().try_to_vec::<f32>().unwrap()
            };
            let before = logits(&parameters);
            let names = parameters.layer_names();
            for layer in &names[..names.len() - 1] {
                for factor in [4.0, 0.3] {
                    let mut scaled = parameters.clone();
                    rescale(&mut scaled, layer, factor).unwrap();
                    for (a, b) in before.iter().zip(logits(&scaled)) {
                        assert!((a - b).abs() < 1e-5, "{name} {layer}: {a} {b}");
                    }
                }
            }
            let old = host(&parameters.trained[0].value);
            rescale(&mut parameters, &names[0], 3.0).unwrap();
            assert_eq!(host(&parameters.trained[0].value)[0], old[0] * 3.0);
        }
    }

    #[test]
    fn where_there_is_no_gauge_an_error_says_so_and_nothing_changes() {
        let refused = |net: &str, layer: &str, factor: f64, wanted: &str| {
            let net = build(net, &NetOptions::default()).unwrap();
            let device = crate::device::test_device();
            let mut parameters = Parameters::initialise(net.as_ref(), 1, &device);
            let before = parameters.to_host();
            let error = rescale(&mut parameters, layer, factor).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.contains(layer), "{error}");
            assert_eq!(parameters.to_host(), before);
        };
        refused("tutorial", "fc3", 2.0, "last layer");
        refused("tutorial", "fc9", 2.0, "conv1, conv2");
        refused("vgg-bn", "conv1", 2.0, "batch norm");
        refused("resnet20", "layer1.0.conv1", 2.0, "batch norm");
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused("tutorial", "conv1", factor, "positive");
        }
    }
}
