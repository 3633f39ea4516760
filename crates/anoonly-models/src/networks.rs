//! Methods that are trained by gradient descent: burn modules with a loss per example and a score, generic over the backend.

pub mod autoencoder;
pub mod dagmm;
pub mod deepsad;
pub mod deepsvdd;
pub mod devnet;
#[cfg(test)]
mod direct_tests;
pub mod feawad;
pub mod ft_transformer;
pub mod ganomaly;
pub mod mlp;
pub mod prenet;
pub mod repen;
pub mod resnet;
pub mod rosas;
