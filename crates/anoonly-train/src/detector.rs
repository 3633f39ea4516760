//! Detectors before and after the fit.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Instant;

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::{Samples, Seed};
use anoonly_models::graph::Graph;
use anoonly_models::kernels::{Scorer, scorer};
use anoonly_models::recipe::Augmentation;
use anoonly_models::{AnyMethod, Network, Norm, Trainable, TrainingData};
use burn::backend::Autodiff;
use burn::module::Module;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::fit::{Objective, train};
use crate::{FitError, ScoreError, Supervision};

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
    pub(crate) scorer: OnceLock<Option<Scorer>>,
}

impl<M: anoonly_models::Method> Detector<M> {
    /// The method, in the form that the strategy trains.
    pub fn method(&self) -> &M {
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
        Fitter::new(samples, device)?.fit(self)
    }
}

/// An epoch of a training that has ended.
pub struct Epoch<'a, B: Backend, M: anoonly_models::Method = AnyMethod> {
    history: &'a History,
    fitted: &'a dyn Fn() -> FittedDetector<B, M>,
}

impl<B: Backend, M: anoonly_models::Method> Epoch<'_, B, M> {
    /// Its number, counted from 1.
    pub fn number(&self) -> usize {
        self.history.losses.len()
    }

    /// What the fit gives if it ends here.
    pub fn fitted(&self) -> FittedDetector<B, M> {
        (self.fitted)()
    }
}

/// Training rows on the device, for as many fits as wanted. Fits of one method and seed that differ in their strategy share
/// their pretraining, in which no strategy has a say; what they give is the same as apart.
#[derive(Debug)]
pub struct Fitter<B: Backend, M: anoonly_models::Method = AnyMethod> {
    scaler: MinMaxScaler,
    data: TrainingData<B>,
    pretrained: Vec<Pretrained<B, M>>,
}

#[derive(Debug)]
struct Pretrained<B: Backend, M: anoonly_models::Method> {
    method: M,
    seed: Seed,
    network: M::Network<B>,
    seconds: f64,
}

impl<B: Backend, M: Trainable<Autodiff<B>>> Fitter<B, M> {
    /// Scales the features to [0, 1] and puts them on the device. Rows labelled normal count as unlabelled.
    ///
    /// # Errors
    /// When there is no labelled anomaly or no other row.
    pub fn new(samples: &Samples, device: &B::Device) -> Result<Self, FitError> {
        let classes = samples.by_class();
        if classes.anomalies.is_empty() {
            return Err(FitError::NoAnomalies);
        }
        if classes.others.is_empty() {
            return Err(FitError::OnlyAnomalies);
        }
        let scaler = MinMaxScaler::fit(samples.features());
        let rows = to_tensor(scaler.transform(samples.features().view()), device);
        let data = TrainingData { rows, unlabelled: classes.others, anomalies: classes.anomalies };
        Ok(Self { scaler, data, pretrained: Vec::new() })
    }

    /// Fits a detector on the rows.
    ///
    /// # Errors
    /// When the training diverges.
    pub fn fit(&mut self, detector: &Detector<M>) -> Result<FittedDetector<B, M>, FitError> {
        self.fit_watched(detector, |_| ControlFlow::Continue(()))
    }

    /// The same, with a word to say after each epoch of the training: a break ends it there, and what was fitted so far is
    /// given back. A method that is not trained has no epochs.
    ///
    /// # Errors
    /// When the training diverges.
    pub fn fit_watched(
        &mut self,
        detector: &Detector<M>,
        mut watch: impl FnMut(Epoch<'_, B, M>) -> ControlFlow<()>,
    ) -> Result<FittedDetector<B, M>, FitError> {
        let Detector { method, supervision, seed } = detector;
        let augmented = match method.recipe().map(|recipe| &recipe.augmentation) {
            None | Some(Augmentation::None) => None,
            Some(Augmentation::NngMix(mix)) => Some(mix.augmented(&self.data, &mut seed.stream(&["augmentation"]))),
        };
        // Made anew for each training: burn takes the parameters of a clone for constants.
        let start = |data| method.init(data, &mut seed.stream(&["weights"]));
        let mut network = start(augmented.as_ref().unwrap_or(&self.data));
        if let Some(recipe) = method.pretraining() {
            let known = match self.known(detector) {
                Some(known) => known,
                None => {
                    let begun = Instant::now();
                    let on = &mut |_: &History, _: &dyn Fn() -> M::Network<B>| ControlFlow::Continue(());
                    let (network, _) =
                        train::<B, M>(Objective::Pretrain, recipe, start(&self.data), &self.data, *seed, on)?;
                    let (method, seconds) = (apart_from_norm(method), begun.elapsed().as_secs_f64());
                    self.pretrained.push(Pretrained { method, seed: *seed, network, seconds });
                    self.pretrained.len() - 1
                }
            };
            network = network.pretrained(&self.pretrained[known].network);
        }
        let data = augmented.as_ref().unwrap_or(&self.data);
        let Some(recipe) = method.recipe() else {
            return Ok(self.fitted(detector, network, data, History::default()));
        };
        let mut watch = |history: &History, network: &dyn Fn() -> M::Network<B>| {
            watch(Epoch { history, fitted: &|| self.fitted(detector, network(), data, history.clone()) })
        };
        // The loss of a method that no strategy has a say in is one.
        let objective = Objective::Detect(if method.takes_strategy() { *supervision } else { Supervision::Full });
        let (network, history) = train::<B, M>(objective, recipe, network, data, *seed, &mut watch)?;
        Ok(self.fitted(detector, network, data, history))
    }

    fn fitted(
        &self,
        detector: &Detector<M>,
        network: M::Network<B>,
        data: &TrainingData<B>,
        history: History,
    ) -> FittedDetector<B, M> {
        let (scaler, device) = (self.scaler.clone(), self.data.rows.device());
        let (detector, network) = (detector.clone(), network.finish(data));
        FittedDetector { detector, network, scaler, history, device, scorer: OnceLock::new() }
    }

    /// The seconds of pretraining that a fit of the detector need not spend any more, because another one has.
    pub fn spared_seconds(&self, detector: &Detector<M>) -> f64 {
        self.known(detector).map_or(0.0, |known| self.pretrained[known].seconds)
    }

    fn known(&self, detector: &Detector<M>) -> Option<usize> {
        let method = apart_from_norm(&detector.method);
        self.pretrained.iter().position(|known| known.seed == detector.seed && known.method == method)
    }
}

/// What two strategies' forms of a method have in common.
fn apart_from_norm<M: anoonly_models::Method>(method: &M) -> M {
    method.clone().with_norm(Norm::None)
}

/// Rows scored at a time, at most and at least.
const BLOCK: std::ops::RangeInclusive<usize> = 64..=2048;
/// Cells scored at a time, half a MiB: they stay in the cache of a core while a network looks at them.
const CELLS: usize = 1 << 17;

impl<B: Backend, M: anoonly_models::Method> FittedDetector<B, M> {
    /// One anomaly score a row, for features of shape `[rows, columns]` in their original units; higher means more anomalous.
    /// Blocks of rows are scored in parallel, on the threads of the rayon pool this is called in; the scores do not depend on
    /// their number.
    ///
    /// # Errors
    /// When the number of columns is not that of the rows fitted on, or a value or a score is NaN or infinite.
    pub fn score(&self, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
        if let Some(score) = self.scorer() {
            let blocks = self.blocks(features, PART / self.columns())?;
            return all_scores(blocks.into_par_iter().map(score).collect(), features);
        }
        let blocks = self.blocks(features, self.block())?;
        // A network may move between threads, but not be shared by them; a clone shares the weights.
        let parts = (self.network.clone(), &self.scaler, &self.device);
        let scores = blocks
            .into_par_iter()
            .map_with(parts, |(network, scaler, device), block| score_block::<B, M>(network, scaler, device, block));
        all_scores(scores.collect(), features)
    }

    /// The same scores on the calling thread alone, as wanted where many detectors are at work side by side.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_on_one_thread(&self, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
        if let Some(score) = self.scorer() {
            let blocks = self.blocks(features, features.nrows())?;
            return all_scores(blocks.into_iter().map(score).collect(), features);
        }
        let blocks = self.blocks(features, self.block())?.into_iter();
        let scores = blocks.map(|block| score_block::<B, M>(&self.network, &self.scaler, &self.device, block));
        all_scores(scores.collect(), features)
    }

    /// What scores a block in plain memory, made when rows are scored for the first time; none where the network has no such form.
    fn scorer(&self) -> Option<impl Fn(ArrayView2<'_, f32>) -> Option<Vec<f32>> + Send + Sync> {
        let scorer = self.scorer.get_or_init(|| scorer(&self.network, self.columns())).as_ref()?;
        let scaler = self.scaler.by_row();
        Some(move |block: ArrayView2<'_, f32>| {
            scorer.score(&standard(block), |rows, to, stride| scaler.scale(rows, to, stride))
        })
    }

    /// What the layer before the score makes of each row, `[rows, width]`; none for a method without such a layer.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn representation(&self, features: &Array2<f32>) -> Result<Option<Array2<f32>>, ScoreError> {
        let (mut cells, mut width) = (Vec::new(), 0);
        for block in self.blocks(features, self.block())? {
            let scaled = self.scaler.transform_finite(block).ok_or_else(|| not_finite(features))?;
            let rows = to_tensor(scaled, &self.device);
            let Some(made) = self.network.representation(rows) else { return Ok(None) };
            width = made.dims()[1];
            cells.extend(made.into_data().iter::<f32>());
        }
        let made = Array2::from_shape_vec((features.nrows(), width), cells);
        Ok(Some(made.expect("the layer makes one row of each row")))
    }

    fn blocks<'a>(&self, features: &'a Array2<f32>, rows: usize) -> Result<Vec<ArrayView2<'a, f32>>, ScoreError> {
        match features.ncols() == self.scaler.columns() {
            true => Ok(features.axis_chunks_iter(Axis(0), rows.max(1)).collect()),
            false => Err(ScoreError::Columns { expected: self.scaler.columns(), found: features.ncols() }),
        }
    }

    /// The rows of a block: of a network that is larger than [`CELLS`], one that keeps rows, say, as many that going
    /// through it once a block is little beside what they cost.
    fn block(&self) -> usize {
        let cells = CELLS.max(self.network.num_params());
        (cells / self.columns()).clamp(*BLOCK.start(), *BLOCK.end())
    }

    /// The columns of the rows it was fitted on and can score.
    pub fn columns(&self) -> usize {
        self.scaler.columns()
    }

    /// The scaling that stands before the network.
    pub fn scaler(&self) -> &MinMaxScaler {
        &self.scaler
    }

    /// The steps from a scaled row to its score as plain data; none for a method that does not tell them.
    pub fn graph(&self) -> Option<Graph> {
        self.network.graph()
    }

    /// Whether the score has a gradient, by which [`attributions`](Self::attributions) explains it.
    pub fn has_gradient(&self) -> bool {
        self.network.smooth()
    }

    /// What was fitted.
    pub fn detector(&self) -> &Detector<M> {
        &self.detector
    }

    /// What the training loop saw.
    pub fn history(&self) -> &History {
        &self.history
    }
}

/// Cells that are scored in plain memory at a time, in parallel.
const PART: usize = 1 << 20;

/// The cells of a block, row by row.
fn standard(block: ArrayView2<'_, f32>) -> Cow<'_, [f32]> {
    match block.to_slice() {
        Some(cells) => Cow::Borrowed(cells),
        None => Cow::Owned(block.iter().copied().collect()),
    }
}

/// The scores of a block; none where a value is not finite.
fn score_block<B: Backend, M: anoonly_models::Method>(
    network: &M::Network<B>,
    scaler: &MinMaxScaler,
    device: &B::Device,
    block: ArrayView2<'_, f32>,
) -> Option<Vec<f32>> {
    let rows = to_tensor(scaler.transform_finite(block)?, device);
    let scores = network.score(rows).into_data();
    // A backend may compute in another type.
    Some(scores.to_vec().unwrap_or_else(|_| scores.iter::<f32>().collect()))
}

fn all_scores(blocks: Option<Vec<Vec<f32>>>, features: &Array2<f32>) -> Result<Vec<f32>, ScoreError> {
    let scores = blocks.map(|blocks| blocks.concat()).ok_or_else(|| not_finite(features))?;
    match scores.iter().position(|score| !score.is_finite()) {
        None => Ok(scores),
        Some(row) => Err(ScoreError::NoScore { row: row + 1 }),
    }
}

/// Tells the first value that is not finite.
fn not_finite(features: &Array2<f32>) -> ScoreError {
    let bad = features.indexed_iter().find(|(_, value)| !value.is_finite());
    let (row, column) = bad.map_or((0, 0), |((row, column), _)| (row + 1, column + 1));
    ScoreError::NotFinite { row, column }
}

/// A matrix in standard layout as a tensor.
pub(crate) fn to_tensor<B: Backend>(features: Array2<f32>, device: &B::Device) -> Tensor<B, 2> {
    let shape = [features.nrows(), features.ncols()];
    let values = features.into_raw_vec_and_offset().0;
    Tensor::from_data(TensorData::new(values, shape), device)
}
