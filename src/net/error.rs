//! Errors of nets and weight files.

use std::path::PathBuf;

use thiserror::Error;

/// A net that cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetError {
    /// No net of that name.
    #[error("unknown net {name:?}: choose one of {}", known_nets())]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// A hidden layer without units.
    #[error("{option} 0: a hidden layer needs at least one unit")]
    EmptyLayer {
        /// The flag.
        option: &'static str,
    },
    /// A layer that cannot be rescaled without changing the function.
    #[error("cannot rescale layer {layer:?} by {factor}: {reason}")]
    Gauge {
        /// The layer.
        layer: String,
        /// The factor asked for.
        factor: f64,
        /// Why.
        reason: String,
    },
}

fn known_nets() -> String {
    let names: Vec<_> = super::NETS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// A weight file that cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file cannot be read.
    #[error("cannot read weights from {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write weights to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("{} is not a readable safetensors file ({reason}); write it anew with PyTorch's safetensors.torch.save_file or with --export-weights", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the format's reader says.
        reason: String,
    },
    /// A tensor of the net is not in the file.
    #[error("{} has no tensor {name:?}; this net needs: {}", path.display(), expected.join(", "))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// All tensors that the net needs.
        expected: Vec<String>,
    },
    /// The file holds a tensor that the net does not have.
    #[error("{} holds a tensor {name:?} that this net does not have; is it another net's file (see --net)?", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor of another shape.
    #[error("{}: tensor {name:?} has shape {found:?}, this net needs {expected:?} (see --net, --l1, --l2)", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape needed, in PyTorch's layout.
        expected: Vec<usize>,
    },
    /// A tensor of another element type.
    #[error("{}: tensor {name:?} holds {found}, only F32 is read; convert it with .float() in PyTorch", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type.
        found: String,
    },
    /// A weight that is NaN or infinite.
    #[error("{}: tensor {name:?} holds a NaN or an infinity; these weights cannot be trained from", path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
}
