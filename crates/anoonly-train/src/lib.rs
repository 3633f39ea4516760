//! The AnoOnly strategy, batch samplers, the training loop and fitted detectors.
//!
//! [`Supervision`] is the paper in one short file: it decides which part of a method's loss trains. A [`Detector`] combines it
//! with a method and a seed. Its fit returns a [`FittedDetector`], which scores rows. This crate knows nothing about metrics or
//! reports.
//!
//! Without the feature `fit`, the crate only reads model files: their detectors score and explain in plain memory.

mod attribution;
#[cfg(feature = "fit")]
mod backend;
#[cfg(feature = "fit")]
mod detector;
mod error;
#[cfg(feature = "fit")]
mod fit;
mod fitted;
mod history;
#[cfg(feature = "fit")]
pub mod labelling;
#[cfg(feature = "fit")]
mod learner;
#[cfg(feature = "fit")]
mod member_rows;
pub mod model_file;
#[cfg(feature = "fit")]
mod network;
#[cfg(feature = "fit")]
mod optimiser;
mod rule;
#[cfg(feature = "fit")]
mod sampler;
mod steps;
mod supervision;
#[cfg(feature = "fit")]
mod together;

#[cfg(all(test, any(feature = "wgpu", feature = "cuda")))]
mod agreement_tests;
#[cfg(test)]
#[cfg(feature = "fit")]
mod golden_tests;
#[cfg(test)]
#[cfg(feature = "fit")]
mod together_tests;

pub use attribution::Attributions;
#[cfg(feature = "fit")]
pub use backend::{BackendName, ComputeDevice, matrix_product};
#[cfg(feature = "fit")]
pub use detector::{Detector, Epoch, EpochWatch, Fitter};
#[cfg(feature = "fit")]
pub use error::{BackendError, FitError};
pub use error::{ModelFileError, ScoreError};
pub use fitted::FittedDetector;
pub use history::History;
pub use supervision::Supervision;
#[cfg(feature = "fit")]
pub use together::{MemberFit, MemberWatch, fit_members, score_members};

/// Runs the examples of the README as documentation tests.
#[cfg(all(doctest, feature = "fit"))]
#[doc = include_str!("../README.md")]
struct Readme;
