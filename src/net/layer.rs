//! What a layer is: its name, kind, parameters, and what it costs.

use std::fmt;

/// What a layer computes, with the sizes that fix its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Square convolution.
    Conv {
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
        /// Kernel edge in pixels.
        kernel: usize,
        /// Whether it adds a bias (not before a batch norm).
        bias: bool,
    },
    /// Fully connected, with bias.
    Linear {
        /// Features in.
        inputs: usize,
        /// Features out.
        outputs: usize,
    },
    /// Batch norm with scale and shift.
    BatchNorm {
        /// Channels.
        channels: usize,
    },
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conv { inputs, outputs, kernel, .. } => {
                write!(f, "conv {inputs}→{outputs} {kernel}×{kernel}")
            }
            Self::Linear { inputs, outputs } => write!(f, "linear {inputs}→{outputs}"),
            Self::BatchNorm { channels } => write!(f, "batch norm {channels}"),
        }
    }
}

/// A named module with parameters: the unit that has its own learning rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name, as in PyTorch's `state_dict` up to the last dot: `conv1`, `fc3`.
    pub name: String,
    /// Kind and sizes.
    pub kind: LayerKind,
    /// Edge of its square output in pixels; 1 for a linear layer.
    pub output_edge: usize,
}

/// Role of a parameter within its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Convolution kernels, a linear matrix, or a batch norm's scale.
    Weight,
    /// A bias, or a batch norm's shift.
    Bias,
}

/// One parameter of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// `LAYER.weight` or `LAYER.bias`.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Shape in memory; linear weights are `[in, out]`.
    pub shape: Vec<usize>,
}

impl Layer {
    /// A convolution whose output is `output_edge` pixels wide and high.
    pub fn conv(
        name: &str,
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        output_edge: usize,
    ) -> Self {
        let kind = LayerKind::Conv { inputs, outputs, kernel, bias: true };
        Self { name: name.to_owned(), kind, output_edge }
    }

    /// The same without bias, as it stands before a batch norm.
    pub fn conv_without_bias(
        name: &str,
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        output_edge: usize,
    ) -> Self {
        let kind = LayerKind::Conv { inputs, outputs, kernel, bias: false };
        Self { name: name.to_owned(), kind, output_edge }
    }

    /// A fully connected layer.
    pub fn linear(name: &str, [inputs, outputs]: [usize; 2]) -> Self {
        let kind = LayerKind::Linear { inputs, outputs };
        Self { name: name.to_owned(), kind, output_edge: 1 }
    }

    /// A batch norm over feature maps of `output_edge` pixels.
    pub fn batch_norm(name: &str, channels: usize, output_edge: usize) -> Self {
        let kind = LayerKind::BatchNorm { channels };
        Self { name: name.to_owned(), kind, output_edge }
    }

    /// Inputs that each output sums over; 1 for a batch norm.
    pub fn fan_in(&self) -> usize {
        match self.kind {
            LayerKind::Conv { inputs, kernel, .. } => inputs * kernel * kernel,
            LayerKind::Linear { inputs, .. } => inputs,
            LayerKind::BatchNorm { .. } => 1,
        }
    }

    /// The layer's parameters, weight first.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let parameter = |role, suffix, shape| ParameterSpec {
            name: format!("{}.{suffix}", self.name),
            role,
            shape,
        };
        let weight = |shape| parameter(Role::Weight, "weight", shape);
        let bias = |size| parameter(Role::Bias, "bias", vec![size]);
        match self.kind {
            LayerKind::Conv { inputs, outputs, kernel, bias: with_bias } => {
                let kernels = weight(vec![outputs, inputs, kernel, kernel]);
                if with_bias { vec![kernels, bias(outputs)] } else { vec![kernels] }
            }
            LayerKind::Linear { inputs, outputs } => {
                vec![weight(vec![inputs, outputs]), bias(outputs)]
            }
            LayerKind::BatchNorm { channels } => vec![weight(vec![channels]), bias(channels)],
        }
    }

    /// Number of trained values.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|p| p.shape.iter().product::<usize>()).sum()
    }

    /// Multiply-accumulates of one image's forward pass (bias and norms not counted).
    pub fn macs(&self) -> usize {
        match self.kind {
            LayerKind::Conv { outputs, .. } => {
                self.output_edge * self.output_edge * outputs * self.fan_in()
            }
            LayerKind::Linear { inputs, outputs } => inputs * outputs,
            LayerKind::BatchNorm { .. } => 0,
        }
    }
}
