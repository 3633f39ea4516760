#![doc = include_str!("../../../README.md")]

pub use anoonly_core as core;
pub use anoonly_data as data;
pub use anoonly_eval as eval;
pub use anoonly_models as models;
pub use anoonly_train as train;

pub mod labelling;
pub mod pipeline;

pub use anoonly_core::{Label, Samples, Seed};
pub use anoonly_data::encode::{EncoderOptions, Unknown};
pub use anoonly_data::table::{LabelColumn, Table};
pub use anoonly_models::AnyMethod;
pub use anoonly_train::{ComputeDevice, Detector, FittedDetector, Supervision};
pub use pipeline::{Model, PipelineError, TableDetector, Threshold, ThresholdRule};

/// What a program needs to fit and score: a [`TableDetector`] for tables, and a [`Detector`] for samples.
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
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
