//! Detector configurations and fits.

use std::fmt;
use std::ops::ControlFlow;

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::{ByClass, Samples, Seed};
use anoonly_models::{AnyMethod, FittedRule, MethodForm, NetworkMethod, RuleData, Shapes, TrainingData};
use burn::tensor::backend::Backend;
use ndarray::Array2;

use crate::backend::OnBackend;
use crate::fitted::FittedDetector;
use crate::history::History;
use crate::network::{NetworkFitter, NetworkFitting, to_tensor};
use crate::rule::ReadyRule;
use crate::{ComputeDevice, FitError, Supervision};

/// A checked configuration, ready to be fitted: a method, the strategy that trains it, and the seed of all its random numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    pub(crate) method: AnyMethod,
    pub(crate) supervision: Supervision,
    pub(crate) seed: Seed,
}

impl Detector {
    /// Checks the configuration and converts the method to the form that the strategy trains.
    ///
    /// # Errors
    /// When a value is invalid. The error names the first one.
    pub fn new(method: impl Into<AnyMethod>, supervision: Supervision, seed: Seed) -> Result<Self, FitError> {
        let weight = supervision.normal_weight();
        if !(0.0..=1.0).contains(&weight) {
            return Err(FitError::BadWeight { weight });
        }
        let method = method.into();
        let method = match method.form() {
            MethodForm::Network(network) => supervision.prepare(network).into(),
            MethodForm::Rule(_) => method,
        };
        method.check()?;
        Ok(Self { method, supervision, seed })
    }

    /// The method in the form that the strategy trains.
    pub fn method(&self) -> &AnyMethod {
        &self.method
    }

    /// The strategy.
    pub fn supervision(&self) -> Supervision {
        self.supervision
    }

    /// The seed.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Refuses a fit on rows with this number of columns that lacks labels or would take more memory than the limit.
    pub(crate) fn check_fit(&self, columns: usize, classes: &ByClass) -> Result<(), FitError> {
        let method = self.method.info().name;
        let rows = classes.anomalies.len() + classes.others.len();
        let bytes = match self.method.form() {
            MethodForm::Network(method) => {
                (method.weights(columns, &Shapes::default()) as u64).saturating_mul(BYTES_PER_WEIGHT)
            }
            MethodForm::Rule(rule) => rule.memory(rows, columns),
        };
        match () {
            () if bytes > MOST_MEMORY => Err(FitError::TooLarge { method, rows, columns, bytes, most: MOST_MEMORY }),
            () if classes.anomalies.is_empty() && self.method.needs_labels() => Err(FitError::NoAnomalies { method }),
            () if classes.others.is_empty() => Err(FitError::OnlyAnomalies),
            () => Ok(()),
        }
    }

    /// The detector around a fitted rule.
    pub(crate) fn with_rule(&self, scaler: &MinMaxScaler, rule: Box<dyn FittedRule>) -> FittedDetector {
        let ready = ReadyRule::new(self.method.part(), scaler.columns(), rule);
        FittedDetector::new(self.clone(), scaler.clone(), History::default(), ready)
    }

    /// Scales the features to [0, 1] and fits the method on them.
    ///
    /// The same samples, seed and backend give the same weights to the last bit, whatever the number of threads.
    ///
    /// # Errors
    /// When there is no labelled anomaly and the method needs one, or no other row, or when the training diverges.
    pub fn fit(&self, samples: &Samples, device: &ComputeDevice) -> Result<FittedDetector, FitError> {
        Fitter::new(samples, device)?.fit(self)
    }
}

/// An epoch that has just ended.
pub struct Epoch<'a> {
    history: &'a History,
    fitted: &'a dyn Fn() -> FittedDetector,
}

impl<'a> Epoch<'a> {
    pub(crate) fn new(history: &'a History, fitted: &'a dyn Fn() -> FittedDetector) -> Self {
        Self { history, fitted }
    }

    /// The number of the epoch, counted from 1.
    pub fn number(&self) -> usize {
        self.history.losses.len()
    }

    /// The detector that the fit returns if the training stops after this epoch.
    pub fn fitted(&self) -> FittedDetector {
        (self.fitted)()
    }
}

impl fmt::Debug for Epoch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoch").field("history", self.history).finish_non_exhaustive()
    }
}

/// A function that is called after each epoch and decides whether the training continues.
pub type EpochWatch<'a> = dyn FnMut(Epoch<'_>) -> ControlFlow<()> + 'a;

/// Training rows for any number of fits.
///
/// Fits of the same method and seed under different strategies share their pretraining, which does not depend on the strategy.
/// The results are the same as those of separate fits.
#[derive(Debug)]
pub struct Fitter<'a> {
    samples: &'a Samples,
    scaler: MinMaxScaler,
    classes: ByClass,
    device: ComputeDevice,
    /// The scaled rows for rules, made by the first fit of a rule.
    rules: Option<RuleData>,
    /// The scaled rows on the device, put there by the first fit of a network.
    networks: Option<Box<dyn NetworkFitting>>,
}

/// The purpose of the random numbers of a rule.
pub(crate) const WEIGHTS: &str = "weights";
/// The largest number of bytes that a fit may take besides the rows: 8 GiB.
pub(crate) const MOST_MEMORY: u64 = 8 << 30;
/// A weight, its gradient, two averages of the optimiser, and the weights of the best epoch and of the step before.
pub(crate) const BYTES_PER_WEIGHT: u64 = 6 * size_of::<f32>() as u64;

impl<'a> Fitter<'a> {
    /// Prepares fits on these rows.
    ///
    /// # Errors
    /// When every row is labelled an anomaly.
    pub fn new(samples: &'a Samples, device: &ComputeDevice) -> Result<Self, FitError> {
        let classes = samples.by_class().for_fit();
        if classes.others.is_empty() {
            return Err(FitError::OnlyAnomalies);
        }
        let scaler = MinMaxScaler::fit(samples.features());
        Ok(Self { samples, scaler, classes, device: device.clone(), rules: None, networks: None })
    }

    /// Scales the features to [0, 1] and fits a detector on them.
    ///
    /// # Errors
    /// When there is no labelled anomaly and the method needs one, when the fit would take more memory than the limit of 8 GiB, or when
    /// the training diverges.
    pub fn fit(&mut self, detector: &Detector) -> Result<FittedDetector, FitError> {
        self.fit_watched(detector, |_| ControlFlow::Continue(()))
    }

    /// As [`fit`](Self::fit), with `watch` called after each epoch. When it breaks, the training stops and the detector fitted
    /// so far is returned. A rule has no epochs, so `watch` is never called.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_watched(
        &mut self,
        detector: &Detector,
        mut watch: impl FnMut(Epoch<'_>) -> ControlFlow<()>,
    ) -> Result<FittedDetector, FitError> {
        self.fit_by(detector, &mut watch)
    }

    /// Not generic over `watch`: a generic function is compiled again, with every network on every backend, by each crate that
    /// calls it.
    fn fit_by(&mut self, detector: &Detector, watch: &mut EpochWatch<'_>) -> Result<FittedDetector, FitError> {
        detector.check_fit(self.samples.columns(), &self.classes)?;
        let Self { samples, scaler, classes, device, rules, networks } = self;
        match detector.method.form() {
            MethodForm::Network(method) => {
                let fitter = networks.get_or_insert_with(|| {
                    let (scaler, rows) = (scaler.clone(), scaler.transform(samples.features().view()));
                    device.run(RowsToDevice { scaler, rows, classes: classes.clone() })
                });
                fitter.fit(&method, detector, watch)
            }
            MethodForm::Rule(rule) => {
                let data = rules.get_or_insert_with(|| {
                    let rows = scaler.transform(samples.features().view()).into_raw_vec_and_offset().0;
                    let ByClass { anomalies, others, normals } = classes.clone();
                    RuleData { rows, columns: scaler.columns(), anomalies, others, normals }
                });
                let fitted = rule.fit(data, &mut detector.seed.stream(&[WEIGHTS]));
                Ok(detector.with_rule(scaler, fitted))
            }
        }
    }

    /// The seconds of pretraining that a fit of the detector saves because an earlier fit has spent them.
    pub fn spared_seconds(&self, detector: &Detector) -> f64 {
        match (&self.networks, detector.method.form()) {
            (Some(fitter), MethodForm::Network(method)) => fitter.spared_seconds(&method, detector.seed),
            _ => 0.0,
        }
    }
}

/// Puts the training rows on a device.
struct RowsToDevice {
    scaler: MinMaxScaler,
    rows: Array2<f32>,
    classes: ByClass,
}

impl OnBackend for RowsToDevice {
    type Output = Box<dyn NetworkFitting>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let Self { scaler, rows, classes: ByClass { anomalies, others, normals } } = self;
        let data = TrainingData::<B> { rows: to_tensor(rows, &device), anomalies, others, normals };
        Box::new(NetworkFitter::new(scaler, data))
    }
}
