//! The one place where the names of a backend and of its device become types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::BackendError;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::Flex;
use burn_ndarray::NdArray;

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "wgpu")]
mod wgpu;

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
    /// GPU of NVIDIA, through CUDA.
    Cuda,
}

impl BackendName {
    /// All backends, built or not.
    pub const ALL: [BackendName; 4] = [BackendName::Ndarray, BackendName::Flex, BackendName::Wgpu, BackendName::Cuda];

    /// The name on the command line and in results.
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

/// Something to do on a backend that is only known at run time.
pub(crate) trait OnBackend {
    /// What comes of it.
    type Output;

    /// Does it on backend `B`.
    fn run<B: Backend>(self, device: B::Device) -> Self::Output;
}

/// A backend this program was built with, and the device of it that computes. The default is the processor, through
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

/// A device of a machine that may have several.
#[cfg(any(feature = "wgpu", feature = "cuda", test))]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found<D> {
    device: D,
    name: String,
}

impl ComputeDevice {
    /// The device of a backend that computes: its first one, or the one of this number, counted from 0, or the first whose
    /// name has these letters, small or capital.
    ///
    /// # Errors
    /// When this program was built without the backend, or there is no such device.
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

    /// What the device calls itself; `None` of the processor.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Place::Ndarray | Place::Flex => None,
            #[cfg(feature = "wgpu")]
            Place::Wgpu(found) => Some(&found.name),
            #[cfg(feature = "cuda")]
            Place::Cuda(found) => Some(&found.name),
        }
    }

    /// Does something there.
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

/// A product of two matrices of ones, `[m, k] · [k, n]`, by the kernels of [`BackendName::Flex`], to be repeated by whoever measures a
/// machine.
pub fn matrix_product([m, k, n]: [usize; 3]) -> impl FnMut() {
    let device = Default::default();
    let (a, b) = (Tensor::<Flex, 2>::ones([m, k], &device), Tensor::<Flex, 2>::ones([k, n], &device));
    move || {
        std::hint::black_box(a.clone().matmul(b.clone()));
    }
}

/// Takes the device that is meant out of all that were found.
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
    fn a_backend_is_named_as_it_is_read() {
        for backend in BackendName::ALL {
            assert_eq!(backend.name().parse(), Ok(backend));
            assert_eq!(serde_json::to_string(&backend).unwrap(), format!("\"{backend}\""));
        }
        let told = "tpu".parse::<BackendName>().unwrap_err().to_string();
        assert_eq!(told, "unknown backend `tpu`: use ndarray, flex, wgpu, cuda");
    }

    #[test]
    fn the_processor_is_one_device() {
        for backend in [BackendName::Ndarray, BackendName::Flex] {
            let here = ComputeDevice::new(backend, None).unwrap();
            assert_eq!((here.backend(), here.name()), (backend, None));
            let told = ComputeDevice::new(backend, Some("1")).unwrap_err().to_string();
            assert!(told.contains("only one device"), "{told}");
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
            let told = chosen(Some(unknown)).unwrap_err().to_string();
            assert!(told.contains(unknown) && told.contains("0: Radeon; 1: GeForce RTX 4090; 2: llvmpipe"), "{told}");
        }
    }

    #[test]
    fn a_machine_without_a_device_is_told_what_to_do() {
        for backend in [BackendName::Wgpu, BackendName::Cuda] {
            let told = chosen::<()>(backend, Vec::new(), None).unwrap_err().to_string();
            assert!(told.contains("driver"), "{told}");
        }
    }
}
