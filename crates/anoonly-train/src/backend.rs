//! The only place where the name of a backend and its device become types.

use std::any::TypeId;
use std::fmt;
use std::str::FromStr;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use serde::{Deserialize, Serialize};

use crate::BackendError;

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "wgpu")]
mod wgpu;

/// The name of a burn backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// The CPU, through the crate `ndarray`.
    Ndarray,
    /// The CPU, with vectorised kernels. It is faster than `Ndarray`.
    #[default]
    Flex,
    /// A GPU, through Vulkan, Metal or DirectX.
    Wgpu,
    /// A GPU of NVIDIA, through CUDA.
    Cuda,
}

impl BackendName {
    /// All backends, including those that are not part of this build.
    pub const ALL: [BackendName; 4] = [BackendName::Ndarray, BackendName::Flex, BackendName::Wgpu, BackendName::Cuda];

    /// The name in options, configurations and results.
    pub fn name(self) -> &'static str {
        match self {
            BackendName::Ndarray => "ndarray",
            BackendName::Flex => "flex",
            BackendName::Wgpu => "wgpu",
            BackendName::Cuda => "cuda",
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

/// A task for a backend that is only known at run time.
pub(crate) trait OnBackend {
    /// The result of the task.
    type Output;

    /// Runs the task on backend `B`.
    fn run<B: Backend>(self, device: B::Device) -> Self::Output;
}

/// A device to compute on, of a backend that is part of this build. The default is the processor, through
/// [`BackendName::Flex`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComputeDevice(Place);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Place {
    Ndarray,
    #[default]
    Flex,
    #[cfg(feature = "wgpu")]
    Wgpu(Found<burn_wgpu::WgpuDevice>),
    #[cfg(feature = "cuda")]
    Cuda(Found<burn_cuda::CudaDevice>),
}

/// A device that was found on this machine.
#[cfg(any(feature = "wgpu", feature = "cuda", test))]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found<D> {
    device: D,
    name: String,
}

impl ComputeDevice {
    /// Chooses a device of a backend. `device` is a number, counted from 0, or a part of a name in any case; the first device
    /// whose name matches is chosen. `None` chooses the first device.
    ///
    /// # Errors
    /// When the backend is not part of this build, or there is no such device.
    pub fn new(backend: BackendName, device: Option<&str>) -> Result<Self, BackendError> {
        let processor = |place| match device {
            None => Ok(Self(place)),
            Some(_) => Err(BackendError::OneDevice { backend: backend.name() }),
        };
        match backend {
            BackendName::Ndarray => processor(Place::Ndarray),
            BackendName::Flex => processor(Place::Flex),
            #[cfg(feature = "wgpu")]
            BackendName::Wgpu => Ok(Self(Place::Wgpu(chosen(backend, wgpu::devices(), device)?))),
            #[cfg(feature = "cuda")]
            BackendName::Cuda => Ok(Self(Place::Cuda(chosen(backend, cuda::devices(), device)?))),
            #[cfg(not(all(feature = "wgpu", feature = "cuda")))]
            _ => Err(BackendError::NotBuilt { name: backend.name() }),
        }
    }

    /// The backend.
    pub fn backend(&self) -> BackendName {
        match self.0 {
            Place::Ndarray => BackendName::Ndarray,
            Place::Flex => BackendName::Flex,
            #[cfg(feature = "wgpu")]
            Place::Wgpu(_) => BackendName::Wgpu,
            #[cfg(feature = "cuda")]
            Place::Cuda(_) => BackendName::Cuda,
        }
    }

    /// Whether the device is a GPU, which many small networks share better than one.
    pub(crate) fn is_gpu(&self) -> bool {
        matches!(self.backend(), BackendName::Wgpu | BackendName::Cuda)
    }

    /// The name that the device reports; `None` for the processor.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Place::Ndarray | Place::Flex => None,
            #[cfg(feature = "wgpu")]
            Place::Wgpu(found) => Some(&found.name),
            #[cfg(feature = "cuda")]
            Place::Cuda(found) => Some(&found.name),
        }
    }

    /// Runs a task on the device.
    pub(crate) fn run<T: OnBackend>(&self, task: T) -> T::Output {
        match &self.0 {
            Place::Ndarray => task.run::<NdArray>(Default::default()),
            Place::Flex => task.run::<Flex>(Default::default()),
            #[cfg(feature = "wgpu")]
            Place::Wgpu(found) => task.run::<burn_wgpu::Wgpu>(found.device.clone()),
            #[cfg(feature = "cuda")]
            Place::Cuda(found) => task.run::<burn_cuda::Cuda>(found.device.clone()),
        }
    }
}

/// Whether a backend computes on the processor.
pub(crate) fn on_cpu<B: Backend>() -> bool {
    [TypeId::of::<NdArray>(), TypeId::of::<Flex>()].contains(&TypeId::of::<B>())
}

/// Returns a function that multiplies two matrices of ones, `[m, k] · [k, n]`, with the kernels of [`BackendName::Flex`]. It
/// measures the speed of a machine.
pub fn matrix_product([m, k, n]: [usize; 3]) -> impl FnMut() {
    let device = Default::default();
    let (a, b) = (Tensor::<Flex, 2>::ones([m, k], &device), Tensor::<Flex, 2>::ones([k, n], &device));
    move || {
        std::hint::black_box(a.clone().matmul(b.clone()));
    }
}

/// Chooses one of the devices that were found, as described at [`ComputeDevice::new`].
#[cfg(any(feature = "wgpu", feature = "cuda", test))]
fn chosen<D>(backend: BackendName, found: Vec<Found<D>>, wanted: Option<&str>) -> Result<Found<D>, BackendError> {
    if found.is_empty() {
        return Err(BackendError::NoDevice { backend });
    }
    let names: Vec<String> = found.iter().map(|found| found.name.clone()).collect();
    let numbered = |wanted: &str| wanted.parse().ok().filter(|number| *number < names.len());
    let named = |part: &str| names.iter().position(|name| name.to_lowercase().contains(&part.to_lowercase()));
    let place = wanted.map_or(Some(0), |wanted| numbered(wanted).or_else(|| named(wanted)));
    let known = || names.iter().enumerate().map(|(number, name)| format!("{number}: {name}")).collect::<Vec<_>>();
    let unknown = || BackendError::UnknownDevice {
        backend: backend.name(),
        device: wanted.unwrap_or_default().into(),
        known: known().join("; "),
    };
    place.and_then(|place| found.into_iter().nth(place)).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_has_the_same_name_in_options_and_files() {
        for backend in BackendName::ALL {
            assert_eq!(backend.name().parse(), Ok(backend));
            assert_eq!(serde_json::to_string(&backend).unwrap(), format!("\"{backend}\""));
        }
        let message = "tpu".parse::<BackendName>().unwrap_err().to_string();
        assert_eq!(message, "unknown backend `tpu`: use ndarray, flex, wgpu, cuda");
    }

    #[test]
    fn the_processor_is_a_single_device() {
        for backend in [BackendName::Ndarray, BackendName::Flex] {
            let here = ComputeDevice::new(backend, None).unwrap();
            assert_eq!((here.backend(), here.name()), (backend, None));
            let message = ComputeDevice::new(backend, Some("1")).unwrap_err().to_string();
            assert!(message.contains("only one device"), "{message}");
        }
    }

    #[test]
    fn a_device_is_chosen_by_number_or_by_a_part_of_its_name() {
        let found =
            || ["Radeon", "GeForce RTX 4090", "llvmpipe"].map(|name| Found { device: (), name: name.into() }).into();
        let chosen = |wanted| chosen::<()>(BackendName::Wgpu, found(), wanted).map(|found| found.name);
        assert_eq!(chosen(None).unwrap(), "Radeon");
        for wanted in ["1", "rtx", "4090"] {
            assert_eq!(chosen(Some(wanted)).unwrap(), "GeForce RTX 4090");
        }
        assert_eq!(chosen(Some("LLVM")).unwrap(), "llvmpipe");
        for unknown in ["3", "arc"] {
            let message = chosen(Some(unknown)).unwrap_err().to_string();
            let devices = "0: Radeon; 1: GeForce RTX 4090; 2: llvmpipe";
            assert!(message.contains(unknown) && message.contains(devices), "{message}");
        }
    }

    #[test]
    fn the_error_for_a_missing_device_says_what_to_install() {
        for backend in [BackendName::Wgpu, BackendName::Cuda] {
            let message = chosen::<()>(backend, Vec::new(), None).unwrap_err().to_string();
            assert!(message.contains("driver"), "{message}");
        }
    }
}
