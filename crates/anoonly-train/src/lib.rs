//! The AnoOnly strategy, batch samplers, the training loop and fitted detectors.
//!
//! [`Supervision`] is the paper in one short file: it decides which part of a method's loss trains. A [`Detector`] combines it
//! with a method and a seed. Its fit returns a [`FittedDetector`], which scores rows. This crate knows nothing about metrics or
//! reports.

mod attribution;
mod backend;
mod detector;
mod error;
mod fit;
mod fitted;
pub mod labelling;
mod learner;
pub mod model_file;
mod network;
mod optimiser;
mod rule;
mod sampler;
mod supervision;

#[cfg(all(test, any(feature = "wgpu", feature = "cuda")))]
mod agreement_tests;
#[cfg(test)]
mod golden_tests;

pub use attribution::Attributions;
pub use backend::{BackendName, ComputeDevice, matrix_product};
pub use detector::{Detector, Epoch, EpochWatch, Fitter, History};
pub use error::{BackendError, FitError, ModelFileError, ScoreError};
pub use fitted::FittedDetector;
pub use supervision::Supervision;

/// Runs the examples of the README as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
