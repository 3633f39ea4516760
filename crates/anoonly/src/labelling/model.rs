//! The model that a session ends with.

use std::ops::ControlFlow;
use std::sync::Arc;

use anoonly_core::{Label, Samples};
use anoonly_data::encode::{Encoder, LeftOut};
use anoonly_data::table::Table;
use anoonly_train::ComputeDevice;
use ndarray::Array2;

use super::LabellingError;
use crate::pipeline::Prepared;
use crate::{Model, TableDetector};

/// The fit of a model with the answers that a session has now. Another thread may run it while the session takes further answers.
#[derive(Debug)]
pub struct ModelJob {
    pub(super) detector: TableDetector,
    pub(super) table: Table,
    pub(super) encoder: Arc<Encoder>,
    pub(super) left_out: Vec<LeftOut>,
    /// The label column, if the table has one.
    pub(super) label: Option<String>,
    pub(super) filled: usize,
    pub(super) features: Arc<Array2<f32>>,
    pub(super) labels: Vec<Label>,
    pub(super) held_out: Vec<usize>,
    pub(super) device: ComputeDevice,
}

impl ModelJob {
    /// Fits the model on all rows but those that are held out. Their scores calibrate its p-values and thresholds.
    ///
    /// # Errors
    /// When no row is an anomaly and the method needs one, or the training diverges.
    pub fn run(self) -> Result<Model, LabellingError> {
        let samples = Samples::new((*self.features).clone(), self.labels)?;
        let prepared = Prepared {
            encoder: (*self.encoder).clone(),
            samples,
            left_out: self.left_out,
            label: self.label,
            filled: self.filled,
        };
        let watch = |_| ControlFlow::Continue(());
        Ok(self.detector.fit_without(self.table.path(), prepared, &self.held_out, &self.device, &watch)?)
    }
}
