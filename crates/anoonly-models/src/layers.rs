//! Layers and helpers that several networks use.

pub(crate) mod activation;
pub(crate) mod cross_entropy;
pub(crate) mod draws;
pub(crate) mod hidden;
pub(crate) mod host;
pub mod init;
pub mod norm;
pub(crate) mod standard;
