//! The options that choose what computes.

use anoonly::train::{BackendError, BackendName, ComputeDevice};
use clap::Args;

#[derive(Debug, Args)]
pub struct Compute {
    /// What computes
    #[arg(long, default_value_t, value_name = "ndarray|flex|wgpu|cuda")]
    pub backend: BackendName,
    /// Which GPU computes: its number, counted from 0, or a part of its name [default: the first]
    #[arg(long, value_name = "NUMBER|NAME")]
    pub device: Option<String>,
}

impl Compute {
    /// The device, told on standard error where there is a choice.
    pub fn device(&self) -> Result<ComputeDevice, BackendError> {
        let compute = ComputeDevice::new(self.backend, self.device.as_deref())?;
        if let Some(name) = compute.name() {
            eprintln!("computing on {name}");
        }
        Ok(compute)
    }
}
