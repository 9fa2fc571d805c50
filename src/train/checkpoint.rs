//! Checkpoints: all that a run needs to go on bit for bit, in one safetensors file.
//!
//! Tensors are in this crate's own layout (`--export-weights` writes PyTorch's); the header's
//! metadata hold the progress and a SHA-256 over names, shapes and values, so that a damaged file
//! is refused instead of trained from. Data order and augmentation need no state: they are drawn
//! from the run's seed and the epoch.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::optimizer::{Memory, Optimizer};
use super::ruled::Ruled;
use super::{Progress, TrainError};
use crate::net::{HostTensor, Parameters, host, vector};
use crate::rates::rule::RuleMemory;
use crate::record::replace_file;

/// Version of the file's own format.
const FORMAT: u32 = 1;
/// Names of the vectors of a rule's memory begin so.
const RULE: &str = "rule/";
/// Names of the last step's gradients begin so.
const GRADIENT: &str = "gradient/";
const METADATA_KEY: &str = "strata_checkpoint";

/// What a checkpoint keeps beside weights, optimiser and rule.
#[derive(Debug)]
pub(super) struct Kept {
    /// Initial weights: the trained tensors in order.
    pub initial: Vec<HostTensor>,
    /// Gradients of the last step, as long as the diagnostics will ask for them: a vector for each
    /// trained tensor.
    pub gradients: Option<Vec<Vec<f32>>>,
    /// How far the run has come.
    pub progress: Progress,
}

/// What the header says.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    sha256: String,
    optimizer_steps: u64,
    /// The numbers of the rule's memory by their bits, so that none is rounded on its way.
    #[serde(default)]
    rule: Option<Vec<u64>>,
    batches_seen: Vec<u64>,
    progress: Progress,
}

/// Writes the state of a run to `path`, replacing the file in one step.
pub(super) fn save(
    path: &Path,
    parameters: &Parameters,
    optimizer: &Optimizer,
    rule: Option<RuleMemory>,
    kept: &Kept,
) -> Result<(), TrainError> {
    let mut tensors = parameters.to_host();
    for (parameter, memory) in parameters.trained.iter().zip(&optimizer.memory) {
        let Memory { velocity, moments } = memory;
        let (first, second) = match moments {
            Some((first, second)) => (Some(first), Some(second)),
            None => (None, None),
        };
        for (kind, state) in [("velocity", velocity.as_ref()), ("first", first), ("second", second)]
        {
            tensors.extend(state.map(|state| HostTensor {
                name: format!("{kind}/{}", parameter.spec.name),
                shape: vec![state.dims()[0]],
                values: host(state),
            }));
        }
    }
    let Kept { initial, gradients, progress } = kept;
    tensors.extend(
        initial.iter().map(|tensor| HostTensor {
            name: format!("initial/{}", tensor.name),
            ..tensor.clone()
        }),
    );
    let gradients = parameters.trained.iter().zip(gradients.iter().flatten());
    tensors.extend(gradients.map(|(parameter, values)| HostTensor {
        name: format!("{GRADIENT}{}", parameter.spec.name),
        shape: vec![values.len()],
        values: values.clone(),
    }));

    let rule = rule.map(|RuleMemory { numbers, vectors }| {
        let vectors = vectors.into_iter().enumerate();
        tensors.extend(vectors.map(|(index, values)| HostTensor {
            name: format!("{RULE}{index}"),
            shape: vec![values.len()],
            values,
        }));
        numbers.into_iter().map(f64::to_bits).collect()
    });
    let header = Header {
        rule,
        format: FORMAT,
        sha256: checksum(&tensors),
        optimizer_steps: optimizer.steps,
        batches_seen: parameters.running.iter().map(|running| running.batches).collect(),
        progress: progress.clone(),
    };
    let broken = |error: &dyn std::fmt::Display| TrainError::Checkpoint {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let header = serde_json::to_string(&header).map_err(|error| broken(&error))?;
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?;
            Ok((tensor.name.as_str(), view))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| broken(&error))?;
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), header)]);
    let file = serialize(views, Some(metadata)).map_err(|error| broken(&error))?;
    replace_file(path, &file)
        .map_err(|source| TrainError::WriteCheckpoint { path: path.to_owned(), source })
}

/// Reads a checkpoint into `parameters` and `optimizer`, which are those of the same net and
/// method; gives what else it holds. Nothing changes unless the file fits.
pub(super) fn load(
    path: &Path,
    parameters: &mut Parameters,
    optimizer: &mut Optimizer,
    rule: Option<&mut Ruled>,
) -> Result<Kept, TrainError> {
    let bytes = fs::read(path)
        .map_err(|source| TrainError::ReadCheckpoint { path: path.to_owned(), source })?;
    let broken = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(e.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| broken(e.to_string()))?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(METADATA_KEY))
        .ok_or_else(|| broken("it is a safetensors file but no checkpoint of strata".into()))?;
    let header: Header = serde_json::from_str(header).map_err(|e| broken(e.to_string()))?;
    if header.format != FORMAT {
        let found = header.format;
        return Err(broken(format!("its format is {found}, this version reads {FORMAT}")));
    }

    let mut tensors = HashMap::new();
    for (name, view) in file.iter() {
        let (chunks, _) = view.data().as_chunks::<4>();
        let values = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let tensor = HostTensor { name: name.to_owned(), shape: view.shape().to_vec(), values };
        tensors.insert(name.to_owned(), tensor);
    }
    let all: Vec<_> = tensors.values().cloned().collect();
    if checksum(&all) != header.sha256 {
        return Err(broken("its checksum does not match its contents".into()));
    }

    let mut take = |name: &str, shape: &[usize]| -> Result<HostTensor, TrainError> {
        let tensor = tensors.remove(name).ok_or_else(|| broken(format!("it lacks {name}")))?;
        if tensor.shape != shape {
            return Err(broken(format!("{name} has shape {:?}, not {shape:?}", tensor.shape)));
        }
        Ok(HostTensor { name: name.rsplit('/').next().unwrap_or(name).to_owned(), ..tensor })
    };
    let known = parameters.to_host();
    let mut loaded = Vec::new();
    let mut initial = Vec::new();
    for tensor in &known {
        loaded.push(take(&tensor.name, &tensor.shape)?);
    }
    for tensor in &known[..parameters.trained.len()] {
        initial.push(take(&format!("initial/{}", tensor.name), &tensor.shape)?);
    }
    let mut memory = Vec::new();
    for parameter in &parameters.trained {
        let size = [parameter.value.dims()[0]];
        let mut state = |kind: &str| {
            let tensor = take(&format!("{kind}/{}", parameter.spec.name), &size).ok()?;
            Some(vector(tensor.values, &parameters.device))
        };
        let velocity = state("velocity");
        let moments = state("first").zip(state("second"));
        memory.push(Memory { velocity, moments });
    }
    let gradients = parameters
        .trained
        .iter()
        .map(|parameter| {
            let gradient = tensors.remove(&format!("{GRADIENT}{}", parameter.spec.name))?;
            Some(gradient.values)
        })
        .collect();
    if header.batches_seen.len() != parameters.running.len() {
        return Err(broken("it is of a net with other batch norms".into()));
    }

    match (rule, header.rule) {
        (None, None) => {}
        (Some(rule), Some(numbers)) => {
            let mut vectors = Vec::new();
            while let Some(vector) = tensors.remove(&format!("{RULE}{}", vectors.len())) {
                vectors.push(vector.values);
            }
            let numbers = numbers.into_iter().map(f64::from_bits).collect();
            if !rule.restore(&RuleMemory { numbers, vectors }) {
                return Err(broken("it is of another rule of rates".into()));
            }
        }
        (Some(_), None) => return Err(broken("it is of a run without a rule of rates".into())),
        (None, Some(_)) => return Err(broken("it is of a run with a rule of rates".into())),
    }
    parameters.load_host(loaded);
    for (running, batches) in parameters.running.iter_mut().zip(header.batches_seen) {
        running.batches = batches;
    }
    optimizer.memory = memory;
    optimizer.steps = header.optimizer_steps;
    Ok(Kept { initial, gradients, progress: header.progress })
}

/// SHA-256 over the tensors in the order of their names, in hexadecimal.
fn checksum(tensors: &[HostTensor]) -> String {
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    for tensor in sorted {
        hash.update(tensor.name.as_bytes());
        hash.update([0]);
        for size in &tensor.shape {
            hash.update((*size as u64).to_le_bytes());
        }
        for value in &tensor.values {
            hash.update(value.to_le_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
