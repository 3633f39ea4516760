//! Fits of one detector on the same rows under changing labels.

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::{ByClass, Label, Samples};
use anoonly_models::rules::isolation_forest::IsolationForestConfig;
use anoonly_models::{AnyMethod, MethodForm, RefittedRule, RuleData, RuleRefits};
use ndarray::Array2;

use crate::detector::WEIGHTS;
use crate::fitted::make_finite;
use crate::{ComputeDevice, Detector, FitError, FittedDetector, Supervision};

/// Fits one detector again and again on the same rows, whose labels change, and scores all rows after each fit.
///
/// A fit depends on the labels alone, and not on earlier fits. As long as no row is labelled an anomaly, a detector that needs one is
/// replaced by an isolation forest.
#[derive(Debug)]
pub struct Refitter {
    samples: Samples,
    fits: Fits,
    /// The ranking until the first anomaly; `None` for a detector that needs no label.
    start: Option<Fits>,
    device: ComputeDevice,
    fitted: Option<FittedDetector>,
}

/// Fits of one detector.
#[derive(Debug)]
struct Fits {
    detector: Detector,
    /// For a rule, what its fits share.
    shared: Option<(MinMaxScaler, Box<dyn RuleRefits>)>,
}

impl Refitter {
    /// Prepares fits on the features of these samples. Their labels do not matter.
    ///
    /// # Errors
    /// When the detector cannot be fitted on these rows.
    pub fn new(samples: Samples, detector: Detector, device: &ComputeDevice) -> Result<Self, FitError> {
        let start = match detector.method().needs_labels() {
            true => {
                let forest = AnyMethod::IsolationForest(IsolationForestConfig::default());
                Some(Fits::new(&samples, Detector::new(forest, Supervision::Full, detector.seed())?))
            }
            false => None,
        };
        let fits = Fits::new(&samples, detector);
        Ok(Self { samples, fits, start, device: device.clone(), fitted: None })
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
        let Self { samples, fits, start, device, fitted } = self;
        let fits = start.as_mut().filter(|_| !labels.contains(&Label::Anomaly)).unwrap_or(fits);
        let (detector, scores) = fits.fit(samples, labels, device)?;
        *fitted = Some(detector);
        Ok(scores)
    }

    /// The detector of the last fit, which explains its scores. `None` before the first fit.
    pub fn fitted(&self) -> Option<&FittedDetector> {
        self.fitted.as_ref()
    }
}

impl Fits {
    fn new(samples: &Samples, detector: Detector) -> Self {
        let shared = match detector.method().form() {
            MethodForm::Rule(rule) => {
                let scaler = MinMaxScaler::fit(samples.features());
                let rows = scaler.transform(samples.features().view()).into_raw_vec_and_offset().0;
                let others = (0..samples.rows()).collect();
                let columns = samples.columns();
                let data = RuleData { rows, columns, anomalies: Vec::new(), others, normals: Vec::new() };
                Some((scaler, rule.refits(data)))
            }
            MethodForm::Network(_) => None,
        };
        Self { detector, shared }
    }

    /// The fitted detector, and the scores of the rows that it was fitted on.
    fn fit(
        &mut self,
        samples: &Samples,
        labels: &[Label],
        device: &ComputeDevice,
    ) -> Result<(FittedDetector, Vec<f32>), FitError> {
        let miscounted = || FitError::LabelCount { rows: samples.rows(), labels: labels.len() };
        let Self { detector, shared } = self;
        let Some((scaler, rule)) = shared.as_mut().filter(|_| labels.len() == samples.rows()) else {
            let labelled = samples.clone().with_labels(labels.to_vec()).map_err(|_| miscounted())?;
            let fitted = detector.fit(&labelled, device)?;
            let scores = fitted.score(samples.features())?;
            return Ok((fitted, scores));
        };
        let classes = ByClass::of(labels).for_fit();
        detector.check_fit(samples.columns(), &classes)?;
        let RefittedRule { rule, mut scores } = rule.refit(&classes, &mut detector.seed().stream(&[WEIGHTS]));
        make_finite(&mut scores);
        Ok((detector.with_rule(scaler, rule), scores))
    }
}
