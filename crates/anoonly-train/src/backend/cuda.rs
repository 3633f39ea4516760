//! The devices that CUDA finds.

use burn_cuda::CudaDevice;
use cudarc::driver::{CudaContext, sys};

use super::Found;

/// Every device of the driver; none where there is no driver.
#[allow(unsafe_code, reason = "asking for the driver's library loads it")]
pub(super) fn devices() -> Vec<Found<CudaDevice>> {
    // SAFETY: loading the driver of the machine runs its initialisation, as the backend itself does at its first use.
    if !unsafe { sys::is_culib_present() } {
        return Vec::new();
    }
    let count = CudaContext::device_count().ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let name = |number| CudaContext::new(number).and_then(|context| context.name());
    let found = |number| name(number).ok().map(|name| Found { device: CudaDevice::new(number), name });
    (0..count).filter_map(found).collect()
}
