//! Detectors before the fit, and the fit.

use std::fmt;
use std::ops::ControlFlow;

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::{ByClass, Samples, Seed};
use anoonly_models::{AnyMethod, MethodForm, RuleData, TrainingData};
use burn::tensor::backend::Backend;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::backend::OnBackend;
use crate::fitted::FittedDetector;
use crate::network::{NetworkFitter, NetworkFitting, to_tensor};
use crate::rule::ReadyRule;
use crate::{ComputeDevice, FitError, Supervision};

/// A method, the strategy that trains it and the seed of its weights and batches: checked and ready to be fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    pub(crate) method: AnyMethod,
    pub(crate) supervision: Supervision,
    pub(crate) seed: Seed,
}

/// What the training loop recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The mean training loss of each epoch, penalty included. Empty for a rule.
    pub losses: Vec<f64>,
    /// The epoch whose weights were kept, counted from 1; 0 for a rule.
    pub kept_epoch: usize,
}

impl Detector {
    /// Checks the configuration. The strategy puts the method into the form it trains.
    ///
    /// # Errors
    /// Names the first bad value.
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

    /// The method, in the form that the strategy trains.
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

    /// Scales the features to [0, 1] and fits the method on them. Rows labelled normal count as unlabelled.
    ///
    /// The same samples, seed and backend give the same weights to the last bit, whatever else runs at the same time.
    ///
    /// # Errors
    /// When there is no labelled anomaly or no other row, or when the training diverges.
    pub fn fit(&self, samples: &Samples, device: &ComputeDevice) -> Result<FittedDetector, FitError> {
        Fitter::new(samples, device)?.fit(self)
    }
}

/// An epoch of a training that has ended.
pub struct Epoch<'a> {
    history: &'a History,
    fitted: &'a dyn Fn() -> FittedDetector,
}

impl<'a> Epoch<'a> {
    pub(crate) fn new(history: &'a History, fitted: &'a dyn Fn() -> FittedDetector) -> Self {
        Self { history, fitted }
    }

    /// Its number, counted from 1.
    pub fn number(&self) -> usize {
        self.history.losses.len()
    }

    /// The detector that the fit returns if it ends here.
    pub fn fitted(&self) -> FittedDetector {
        (self.fitted)()
    }
}

impl fmt::Debug for Epoch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoch").field("history", self.history).finish_non_exhaustive()
    }
}

/// The caller's part in a training: called after each epoch, and decides whether the training goes on.
pub type EpochWatch<'a> = dyn FnMut(Epoch<'_>) -> ControlFlow<()> + 'a;

/// Training rows, for any number of fits. Fits of one method and seed that differ only in their strategy share their
/// pretraining, which is the same for every strategy; the results are the same as those of separate fits.
#[derive(Debug)]
pub struct Fitter<'a> {
    samples: &'a Samples,
    scaler: MinMaxScaler,
    unlabelled: Vec<usize>,
    anomalies: Vec<usize>,
    device: ComputeDevice,
    /// Made by the first fit of a rule.
    rows: Option<RuleData>,
    /// Made by the first fit of a network, which puts the rows on the device.
    networks: Option<Box<dyn NetworkFitting>>,
}

impl<'a> Fitter<'a> {
    /// Rows labelled normal count as unlabelled.
    ///
    /// # Errors
    /// When there is no labelled anomaly or no other row.
    pub fn new(samples: &'a Samples, device: &ComputeDevice) -> Result<Self, FitError> {
        let ByClass { anomalies, others: unlabelled } = samples.by_class();
        if anomalies.is_empty() {
            return Err(FitError::NoAnomalies);
        }
        if unlabelled.is_empty() {
            return Err(FitError::OnlyAnomalies);
        }
        let scaler = MinMaxScaler::fit(samples.features());
        Ok(Self { samples, scaler, unlabelled, anomalies, device: device.clone(), rows: None, networks: None })
    }

    /// Fits a detector on the rows, whose features are scaled to [0, 1].
    ///
    /// # Errors
    /// When the training diverges.
    pub fn fit(&mut self, detector: &Detector) -> Result<FittedDetector, FitError> {
        self.fit_watched(detector, |_| ControlFlow::Continue(()))
    }

    /// The same; `watch` is called after each epoch. A break ends the training there, and the detector fitted so far is
    /// returned. A rule has no epochs.
    ///
    /// # Errors
    /// When the training diverges.
    pub fn fit_watched(
        &mut self,
        detector: &Detector,
        mut watch: impl FnMut(Epoch<'_>) -> ControlFlow<()>,
    ) -> Result<FittedDetector, FitError> {
        match detector.method.form() {
            MethodForm::Network(method) => {
                if self.networks.is_none() {
                    let (scaler, rows) = (self.scaler.clone(), self.scaled());
                    let (unlabelled, anomalies) = (self.unlabelled.clone(), self.anomalies.clone());
                    self.networks = Some(self.device.run(OnDevice { scaler, rows, unlabelled, anomalies }));
                }
                let Some(fitter) = &mut self.networks else { unreachable!("it was made above") };
                fitter.fit(&method, detector, &mut watch)
            }
            MethodForm::Rule(rule) => {
                if self.rows.is_none() {
                    let rows = self.scaled().into_raw_vec_and_offset().0;
                    let (unlabelled, anomalies) = (self.unlabelled.clone(), self.anomalies.clone());
                    self.rows = Some(RuleData { rows, columns: self.scaler.columns(), unlabelled, anomalies });
                }
                let Some(rows) = &self.rows else { unreachable!("they were made above") };
                let fitted = rule.fit(rows, &mut detector.seed.stream(&["weights"]));
                let ready = ReadyRule::new(detector.method.part(), rows.columns, fitted);
                Ok(FittedDetector::new(detector.clone(), self.scaler.clone(), History::default(), ready))
            }
        }
    }

    /// The scaled rows, `[rows, columns]`.
    fn scaled(&self) -> Array2<f32> {
        self.scaler.transform(self.samples.features().view())
    }

    /// The seconds of pretraining that a fit of the detector does not spend again, because an earlier fit already has.
    pub fn spared_seconds(&self, detector: &Detector) -> f64 {
        match (&self.networks, detector.method.form()) {
            (Some(fitter), MethodForm::Network(method)) => fitter.spared_seconds(&method, detector.seed),
            _ => 0.0,
        }
    }
}

/// Puts the training rows on a device.
struct OnDevice {
    scaler: MinMaxScaler,
    rows: Array2<f32>,
    unlabelled: Vec<usize>,
    anomalies: Vec<usize>,
}

impl OnBackend for OnDevice {
    type Output = Box<dyn NetworkFitting>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let Self { scaler, rows, unlabelled, anomalies } = self;
        let data = TrainingData::<B> { rows: to_tensor(rows, &device), unlabelled, anomalies };
        Box::new(NetworkFitter::new(scaler, data))
    }
}
