#![cfg_attr(feature = "fit", doc = include_str!("../../../README.md"))]
#![cfg_attr(not(feature = "fit"), doc = "Scores rows of plain values with a [`Model`] file.")]

pub use anoonly_core as core;
pub use anoonly_data as data;
pub use anoonly_eval as eval;
pub use anoonly_models as models;
pub use anoonly_train as train;

mod error;
#[cfg(feature = "fit")]
pub mod labelling;
mod model;
#[cfg(feature = "fit")]
pub mod pipeline;
mod provenance;
mod rows;
mod threshold;

pub use anoonly_core::{Label, Samples, Seed};
pub use anoonly_data::encode::{EncoderOptions, RowColumns, RowError, RowValue, Unknown, ValueContext};
#[cfg(feature = "fit")]
pub use anoonly_data::table::{LabelColumn, Table};
#[cfg(feature = "fit")]
pub use anoonly_models::AnyMethod;
#[cfg(feature = "fit")]
pub use anoonly_train::{ComputeDevice, Detector};
pub use anoonly_train::{FittedDetector, Supervision};
pub use error::{PipelineError, TableSetting};
pub use model::{Model, ScoreScale};
#[cfg(feature = "fit")]
pub use pipeline::TableDetector;
pub use provenance::{Provenance, RowCounts, Stopping, Validation};
pub use rows::{Reason, RowReasons, ScoredRow};
pub use threshold::{Threshold, ThresholdRule};

/// What a program needs to fit and score: a [`TableDetector`] for tables, and a [`Detector`] for samples.
#[cfg(feature = "fit")]
pub mod prelude {
    pub use anoonly_core::budget::LabelBudget;
    pub use anoonly_core::protocol::{Protocol, Trial};
    pub use anoonly_core::{Dataset, Label, Samples, Seed};
    pub use anoonly_data::catalogue::Source;
    pub use anoonly_data::encode::{EncoderOptions, Unknown};
    pub use anoonly_data::table::{LabelColumn, Table};
    pub use anoonly_eval::{auroc, average_precision, best_f1, precision_at_k};
    pub use anoonly_models::AnyMethod;
    pub use anoonly_models::networks::devnet::DevNetConfig;
    pub use anoonly_train::{BackendName, ComputeDevice, Detector, FittedDetector, Supervision};

    pub use crate::pipeline::{Model, PipelineError, TableDetector, Threshold, ThresholdRule};
}

/// The examples of the README are run with those of the documentation.
#[cfg(all(doctest, feature = "fit"))]
#[doc = include_str!("../README.md")]
struct Readme;
