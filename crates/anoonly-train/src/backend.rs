//! The one place where a backend's name becomes a type.

use std::fmt;
use std::str::FromStr;

use burn::tensor::backend::DeviceOps;
use serde::{Deserialize, Serialize};

use crate::BackendError;

pub use burn::tensor::backend::Backend;
pub use burn_flex::Flex;
pub use burn_ndarray::NdArray;

/// A burn backend by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// CPU, through the crate `ndarray`.
    Ndarray,
    /// CPU, with vectorised kernels; the faster of the two.
    #[default]
    Flex,
    /// GPU, through Vulkan, Metal or DirectX.
    Wgpu,
}

/// Something to do on a backend that is only known at run time.
pub trait OnBackend {
    /// What comes of it.
    type Output;

    /// Does it on backend `B`.
    fn run<B: Backend>(self, device: B::Device) -> Self::Output;
}

impl BackendName {
    /// All backends, built or not.
    pub const ALL: [BackendName; 3] = [BackendName::Ndarray, BackendName::Flex, BackendName::Wgpu];

    /// The name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            BackendName::Ndarray => "ndarray",
            BackendName::Flex => "flex",
            BackendName::Wgpu => "wgpu",
        }
    }

    /// Whether this program was built with it.
    ///
    /// # Errors
    /// When it was not.
    pub fn built(self) -> Result<Self, BackendError> {
        match self {
            BackendName::Wgpu if !cfg!(feature = "wgpu") => Err(BackendError::NotBuilt { name: self.name() }),
            _ => Ok(self),
        }
    }

    /// Does something on this backend and its default device.
    ///
    /// # Errors
    /// When the program was built without it.
    pub fn run<T: OnBackend>(self, task: T) -> Result<T::Output, BackendError> {
        fn on<B: Backend<Device: DeviceOps>, T: OnBackend>(task: T) -> Result<T::Output, BackendError> {
            Ok(task.run::<B>(B::Device::default()))
        }
        match self {
            BackendName::Ndarray => on::<NdArray, T>(task),
            BackendName::Flex => on::<Flex, T>(task),
            #[cfg(feature = "wgpu")]
            BackendName::Wgpu => on::<burn_wgpu::Wgpu, T>(task),
            #[cfg(not(feature = "wgpu"))]
            BackendName::Wgpu => Err(BackendError::NotBuilt { name: self.name() }),
        }
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BackendName {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, BackendError> {
        let named = BackendName::ALL.into_iter().find(|backend| backend.name() == name);
        named.ok_or_else(|| BackendError::Unknown { name: name.into() })
    }
}
