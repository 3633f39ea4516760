//! The options that choose the backend and the device.

use anoonly::train::{BackendError, BackendName, ComputeDevice};
use clap::Args;

use crate::note;

#[derive(Debug, Args)]
pub struct Compute {
    /// Backend to run on
    #[arg(long, default_value_t, value_name = "ndarray|flex|wgpu|cuda")]
    pub backend: BackendName,
    /// GPU to run on: its number, counted from 0, or a part of its name [default: the first]
    #[arg(long, value_name = "NUMBER|NAME")]
    pub device: Option<String>,
}

impl Compute {
    /// The device. Its name is printed on standard error if the backend offers several.
    pub fn device(&self) -> Result<ComputeDevice, BackendError> {
        let compute = ComputeDevice::new(self.backend, self.device.as_deref())?;
        if let Some(name) = compute.name() {
            note(&format!("running on {name}"));
        }
        Ok(compute)
    }
}
