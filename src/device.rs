//! Where the tensors live: the backends that were compiled in, by the names `--device` takes.

use std::fmt;

use burn::tensor::Device;
use clap::ValueEnum;
use serde::Serialize;
use thiserror::Error;

/// A device by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The processor, by Burn Flex (feature `flex`, on by default).
    #[default]
    Cpu,
    /// The processor, by Burn's older ndarray backend (feature `ndarray`).
    NdArray,
    /// A GPU through WebGPU (feature `wgpu`).
    Wgpu,
    /// An NVIDIA GPU (feature `cuda`).
    Cuda,
}

impl DeviceKind {
    /// The Cargo feature that compiles it in.
    pub fn feature(self) -> &'static str {
        match self {
            Self::Cpu => "flex",
            Self::NdArray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// The name `--device` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            other => other.feature(),
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A device that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Its backend was not compiled in.
    #[error(
        "--device {kind}: this program was built without it; build with `cargo build --release --features {}`",
        kind.feature()
    )]
    NotCompiledIn {
        /// The device.
        kind: DeviceKind,
    },
    /// Its backend was compiled in but finds no hardware or driver.
    #[error(
        "--device {kind}: no such device was found on this machine; check its driver, or use --device cpu"
    )]
    NotFound {
        /// The device.
        kind: DeviceKind,
    },
}

/// A device that was found.
#[derive(Clone, Debug)]
pub struct ComputeDevice {
    /// Burn's handle, without autodiff.
    pub device: Device,
    /// Its kind.
    pub kind: DeviceKind,
}

impl ComputeDevice {
    /// Opens a device.
    ///
    /// # Errors
    /// When its backend was not compiled in (the message names the feature to build with) or finds
    /// nothing to run on.
    pub fn open(kind: DeviceKind) -> Result<Self, DeviceError> {
        let device = match kind {
            #[cfg(feature = "flex")]
            DeviceKind::Cpu => Device::flex(),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)]
            // Upstream prefers Flex; kept as a second opinion on results.
            DeviceKind::NdArray => Device::ndarray(),
            #[cfg(feature = "wgpu")]
            DeviceKind::Wgpu => first(kind, burn::tensor::DeviceType::Wgpu)?,
            #[cfg(feature = "cuda")]
            DeviceKind::Cuda => first(kind, burn::tensor::DeviceType::Cuda)?,
            #[allow(unreachable_patterns)]
            kind => return Err(DeviceError::NotCompiledIn { kind }),
        };
        Ok(Self { device, kind })
    }

    /// Steps after which losses are read: each read waits for a GPU, but costs nothing on a CPU.
    pub fn steps_between_reads(&self) -> usize {
        match self.kind {
            DeviceKind::Cpu | DeviceKind::NdArray => 1,
            DeviceKind::Wgpu | DeviceKind::Cuda => 16,
        }
    }
}

/// The first device of a type: constructing one that is not there would panic, so ask.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn first(kind: DeviceKind, of: burn::tensor::DeviceType) -> Result<Device, DeviceError> {
    Device::enumerate(of).into_iter().next().ok_or(DeviceError::NotFound { kind })
}

/// The device that tests run on.
#[cfg(test)]
pub(crate) fn test_device() -> Device {
    ComputeDevice::open(DeviceKind::Cpu).expect("tests need the feature flex").device
}
