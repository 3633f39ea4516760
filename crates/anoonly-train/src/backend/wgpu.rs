//! The devices of the wgpu backend.

use burn_wgpu::WgpuDevice;
use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
use wgpu::{DeviceType, Instance, InstanceDescriptor};

use super::Found;

/// Every adapter of the system's graphics interface: discrete GPUs first, then integrated and virtual ones, then software.
pub(super) fn devices() -> Vec<Found<WgpuDevice>> {
    let graphics = AutoGraphicsApi::backend();
    let instance = Instance::new(InstanceDescriptor {
        backends: graphics.into(),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let mut counts = [0; 3];
    let mut next = |kind: usize| {
        counts[kind] += 1;
        counts[kind] - 1
    };
    let mut found: Vec<(u8, Found<WgpuDevice>)> = Vec::new();
    for adapter in pollster::block_on(instance.enumerate_adapters(graphics.into())) {
        let about = adapter.get_info();
        // The backend numbers the adapters of each kind in this order.
        let (rank, device) = match about.device_type {
            DeviceType::DiscreteGpu => (0, WgpuDevice::DiscreteGpu(next(0))),
            DeviceType::IntegratedGpu => (1, WgpuDevice::IntegratedGpu(next(1))),
            DeviceType::VirtualGpu => (2, WgpuDevice::VirtualGpu(next(2))),
            DeviceType::Cpu if found.iter().all(|(rank, _)| *rank != 3) => (3, WgpuDevice::Cpu),
            DeviceType::Cpu | DeviceType::Other => continue,
        };
        found.push((rank, Found { device, name: format!("{} ({graphics:?})", about.name) }));
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, found)| found).collect()
}
