//! Weights as safetensors files under PyTorch's names and layouts.
//!
//! Linear weights are `[out, in]` there and `[in, out]` here; batch norms carry `running_mean`,
//! `running_var` and `num_batches_tracked`. `torch.nn.Module.load_state_dict` takes what
//! [`export_weights`] writes.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::parameters::HostTensor;
use super::{LayerKind, Parameters, Role, WeightsError};
use crate::record::replace_file;

const BATCHES_SUFFIX: &str = ".num_batches_tracked";

/// Writes the weights of `parameters` to `path`, replacing the file in one step.
///
/// # Errors
/// When the file cannot be written.
pub fn export_weights(parameters: &Parameters, path: &Path) -> Result<(), WeightsError> {
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for tensor in parameters.to_host() {
        let (shape, values) = if is_linear_weight(parameters, &tensor.name) {
            let [rows, columns] = [tensor.shape[0], tensor.shape[1]];
            (vec![columns, rows], transpose(&tensor.values, rows))
        } else {
            (tensor.shape, tensor.values)
        };
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push((tensor.name, Dtype::F32, shape, bytes));
    }
    for running in &parameters.running {
        let name = format!("{}{BATCHES_SUFFIX}", running.name);
        let bytes = (running.batches as i64).to_le_bytes().to_vec();
        tensors.push((name, Dtype::I64, Vec::new(), bytes));
    }
    let format = |reason: String| WeightsError::Format { path: path.to_owned(), reason };
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|error| format(error.to_string()))?;
    let file = serialize(views, None).map_err(|error| format(error.to_string()))?;
    replace_file(path, &file)
        .map_err(|source| WeightsError::Write { path: path.to_owned(), source })
}

/// Replaces the weights of `parameters` by those in `path`.
///
/// Nothing changes unless the whole file fits; `num_batches_tracked` may be absent.
///
/// # Errors
/// When the file cannot be read, is damaged, holds other tensors than the net, or other shapes.
pub fn import_weights(parameters: &mut Parameters, path: &Path) -> Result<(), WeightsError> {
    let bytes =
        fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| WeightsError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;

    let known = parameters.to_host();
    let expected: Vec<_> = known.iter().map(|tensor| tensor.name.clone()).collect();
    for name in file.names() {
        if !expected.iter().any(|e| e == name) && !name.ends_with(BATCHES_SUFFIX) {
            return Err(WeightsError::Unexpected { path: path.to_owned(), name: name.to_string() });
        }
    }
    let loaded = known
        .into_iter()
        .map(|tensor| {
            let linear = is_linear_weight(parameters, &tensor.name);
            read_tensor(&file, path, tensor, linear, &expected)
        })
        .collect::<Result<Vec<_>, _>>()?;
    parameters.load_host(loaded);
    for running in &mut parameters.running {
        running.batches = file
            .tensor(&format!("{}{BATCHES_SUFFIX}", running.name))
            .ok()
            .and_then(|view| view.data().try_into().ok().map(u64::from_le_bytes))
            .unwrap_or(0);
    }
    Ok(())
}

/// Reads the tensor that takes the place of `tensor`.
fn read_tensor(
    file: &SafeTensors,
    path: &Path,
    tensor: HostTensor,
    linear: bool,
    expected_names: &[String],
) -> Result<HostTensor, WeightsError> {
    let HostTensor { name, shape, .. } = tensor;
    let view = file.tensor(&name).map_err(|_| WeightsError::Missing {
        path: path.to_owned(),
        name: name.clone(),
        expected: expected_names.to_vec(),
    })?;
    if view.dtype() != Dtype::F32 {
        let found = format!("{:?}", view.dtype());
        return Err(WeightsError::ElementType { path: path.to_owned(), name, found });
    }
    let expected = if linear { vec![shape[1], shape[0]] } else { shape.clone() };
    if view.shape() != expected {
        let found = view.shape().to_vec();
        return Err(WeightsError::Shape { path: path.to_owned(), name, found, expected });
    }
    let (chunks, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(WeightsError::NonFinite { path: path.to_owned(), name });
    }
    let values = if linear { transpose(&values, expected[0]) } else { values };
    Ok(HostTensor { name, shape, values })
}

fn is_linear_weight(parameters: &Parameters, name: &str) -> bool {
    parameters.trained.iter().any(|parameter| {
        parameter.spec.name == name
            && parameter.spec.role == Role::Weight
            && matches!(parameters.layers[parameter.layer].kind, LayerKind::Linear { .. })
    })
}

/// Transposes a row-major matrix of `rows` rows.
fn transpose(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows;
    (0..values.len()).map(|i| values[i % rows * columns + i / rows]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NETS, NetOptions};

    fn parameters(net: &str, seed: u64) -> Parameters {
        let net = crate::net::build(net, &NetOptions::default()).unwrap();
        Parameters::initialise(net.as_ref(), seed, &crate::device::test_device())
    }

    #[test]
    fn every_net_survives_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        for (net, _) in NETS {
            let path = folder.path().join("weights.safetensors");
            let written = parameters(net, 1);
            export_weights(&written, &path).unwrap();
            let mut read = parameters(net, 2);
            assert_ne!(read.to_host(), written.to_host());
            import_weights(&mut read, &path).unwrap();
            assert_eq!(read.to_host(), written.to_host(), "{net}");
        }
    }

    #[test]
    fn another_nets_file_names_what_does_not_fit_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        export_weights(&parameters("vgg", 1), &path).unwrap();
        let mut tutorial = parameters("tutorial", 2);
        let before = tutorial.to_host();
        let message = import_weights(&mut tutorial, &path).unwrap_err().to_string();
        assert!(message.contains("weights.safetensors"), "{message}");
        assert_eq!(tutorial.to_host(), before);
    }

    #[test]
    fn linear_weights_are_transposed() {
        assert_eq!(transpose(&[1., 2., 3., 4., 5., 6.], 2), [1., 4., 2., 5., 3., 6.]);
    }
}
