//! The devices of the CUDA backend.

use burn_cuda::CudaDevice;
use cudarc::driver::{CudaContext, sys};

use super::Found;

/// Every device that the driver knows; none on a machine without the driver.
#[allow(unsafe_code, reason = "the check loads the library of the driver")]
pub(super) fn devices() -> Vec<Found<CudaDevice>> {
    // SAFETY: this loads the driver of the machine and runs its initialisation, as the backend itself does when it is first
    // used.
    if !unsafe { sys::is_culib_present() } {
        return Vec::new();
    }
    let count = CudaContext::device_count().ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let name = |number| CudaContext::new(number).and_then(|context| context.name());
    let found = |number| name(number).ok().map(|name| Found { device: CudaDevice::new(number), name });
    (0..count).filter_map(found).collect()
}
