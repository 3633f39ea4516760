//! Fits of one detector on the same rows under changing labels.

use anoonly_core::{Label, Samples};
use anoonly_models::AnyMethod;
use anoonly_models::rules::isolation_forest::IsolationForestConfig;
use ndarray::Array2;

use crate::{ComputeDevice, Detector, FitError, FittedDetector, Supervision};

/// Fits one detector again and again on the same rows, whose labels change, and scores all rows after each fit.
///
/// A fit depends on the labels alone, and not on earlier fits. As long as no row is labelled an anomaly, a detector that needs one is
/// replaced by an isolation forest.
#[derive(Debug)]
pub struct Refitter {
    samples: Samples,
    detector: Detector,
    start: Detector,
    device: ComputeDevice,
    fitted: Option<FittedDetector>,
}

impl Refitter {
    /// Prepares fits on the features of these samples. Their labels do not matter.
    ///
    /// # Errors
    /// When the detector cannot be fitted on these rows.
    pub fn new(samples: Samples, detector: Detector, device: &ComputeDevice) -> Result<Self, FitError> {
        let start = AnyMethod::IsolationForest(IsolationForestConfig::default());
        let start = Detector::new(start, Supervision::Full, detector.seed())?;
        Ok(Self { samples, detector, start, device: device.clone(), fitted: None })
    }

    /// The features of all rows, `[rows, columns]`.
    pub fn features(&self) -> &Array2<f32> {
        self.samples.features()
    }

    /// Fits with one label a row, and returns the anomaly score of each row. Scores of different fits cannot be compared.
    ///
    /// # Errors
    /// When the number of labels is not that of the rows, or the fit fails.
    pub fn refit(&mut self, labels: &[Label]) -> Result<Vec<f32>, FitError> {
        let samples = self.samples.clone().with_labels(labels.to_vec());
        let samples = samples.map_err(|_| FitError::LabelCount { rows: self.samples.rows(), labels: labels.len() })?;
        let detector = match labels.contains(&Label::Anomaly) || !self.detector.method().needs_labels() {
            true => &self.detector,
            false => &self.start,
        };
        let fitted = self.fitted.insert(detector.fit(&samples, &self.device)?);
        Ok(fitted.score(samples.features())?)
    }

    /// The detector of the last fit, which explains its scores. `None` before the first fit.
    pub fn fitted(&self) -> Option<&FittedDetector> {
        self.fitted.as_ref()
    }
}
