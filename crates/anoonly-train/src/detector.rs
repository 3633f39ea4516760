//! Detectors before and after the fit.

use anoonly_data::scale::MinMaxScaler;
use anoonly_data::{Samples, Seed};
use anoonly_models::{AnyMethod, Network, Trainable, TrainingData};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::{FitError, ScoreError, Supervision, fit};

/// A method, the strategy that trains it and the seed of its weights and batches: all checked, ready to fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector<M = AnyMethod> {
    pub(crate) method: M,
    pub(crate) supervision: Supervision,
    pub(crate) seed: Seed,
}

/// What the training loop saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The mean training loss of each epoch, penalty included. Empty for a method that is not trained.
    pub losses: Vec<f64>,
    /// The epoch whose weights were kept, counted from 1; 0 for a method that is not trained.
    pub kept_epoch: usize,
}

/// A detector that can score rows, and that was fitted on backend `B`.
#[derive(Clone, Debug)]
pub struct FittedDetector<B: Backend, M: anoonly_models::Method = AnyMethod> {
    pub(crate) detector: Detector<M>,
    pub(crate) network: M::Network<B>,
    pub(crate) scaler: MinMaxScaler,
    pub(crate) history: History,
    pub(crate) device: B::Device,
}

impl<M: anoonly_models::Method> Detector<M> {
    /// Checks the configuration. The strategy puts the method into the form it trains.
    ///
    /// # Errors
    /// Names the first bad value.
    pub fn new(method: M, supervision: Supervision, seed: Seed) -> Result<Self, FitError> {
        let weight = supervision.normal_weight();
        if !(0.0..=1.0).contains(&weight) {
            return Err(FitError::BadWeight { weight });
        }
        let method = supervision.prepare(method);
        method.check()?;
        Ok(Self { method, supervision, seed })
    }

    /// Scales the features to [0, 1] and fits the method on them. Rows labelled normal count as unlabelled.
    ///
    /// The same samples, seed and backend give the same weights to the last bit, whatever else runs at the same time.
    ///
    /// # Errors
    /// When there is no labelled anomaly or no other row, or when the training diverges.
    pub fn fit<B: Backend>(&self, samples: &Samples, device: &B::Device) -> Result<FittedDetector<B, M>, FitError>
    where
        M: Trainable<Autodiff<B>>,
    {
        let classes = samples.by_class();
        if classes.anomalies.is_empty() {
            return Err(FitError::NoAnomalies);
        }
        if classes.others.is_empty() {
            return Err(FitError::OnlyAnomalies);
        }
        let scaler = MinMaxScaler::fit(samples.features());
        let rows = to_tensor(scaler.transform(samples.features()), device);
        let data = TrainingData { rows, unlabelled: classes.others, anomalies: classes.anomalies };
        let start = self.method.init(&data, &mut self.seed.stream(&["weights"]));
        let (network, history) = fit::train::<B, M>(&self.method, start, &data, self.supervision, self.seed)?;
        Ok(FittedDetector { detector: self.clone(), network, scaler, history, device: device.clone() })
    }
}

/// Rows scored at a time.
const BLOCK: usize = 8192;

impl<B: Backend, M: anoonly_models::Method> FittedDetector<B, M> {
    /// One anomaly score a row, for features of shape `[rows, columns]` in their original units; higher means more anomalous.
    ///
    /// # Errors
    /// When the number of columns is not that of the rows fitted on, or a value is NaN or infinite.
    pub fn score(&self, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
        if features.ncols() != self.scaler.columns() {
            return Err(ScoreError::Columns { expected: self.scaler.columns(), found: features.ncols() });
        }
        if let Some(((row, column), _)) = features.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(ScoreError::NotFinite { row: row + 1, column: column + 1 });
        }
        let blocks = features.axis_chunks_iter(Axis(0), BLOCK);
        Ok(blocks.flat_map(|block| self.score_block(block)).collect())
    }

    fn score_block(&self, features: ArrayView2<'_, f32>) -> Vec<f32> {
        let rows = to_tensor(self.scaler.transform(&features.to_owned()), &self.device);
        self.network.score(rows).into_data().iter::<f32>().collect()
    }

    /// What the training loop saw.
    pub fn history(&self) -> &History {
        &self.history
    }
}

fn to_tensor<B: Backend>(features: Array2<f32>, device: &B::Device) -> Tensor<B, 2> {
    let shape = [features.nrows(), features.ncols()];
    let values = features.as_standard_layout().into_owned().into_raw_vec_and_offset().0;
    Tensor::from_data(TensorData::new(values, shape), device)
}
