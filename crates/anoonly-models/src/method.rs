//! What a method of the zoo is.

use std::fmt::Debug;

use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor};
use rand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::norm::NormLayer;
use crate::recipe::Recipe;
use crate::{ConfigError, Norm};

/// A method's configuration: plain data from which its network is made.
pub trait Method: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The network this makes.
    type Network<B: Backend>: Network<B>;

    /// Name, kind and source.
    const INFO: MethodInfo;

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first option with a value that no fit could start from.
    fn check(&self) -> Result<(), ConfigError>;

    /// How the network wants to be trained, stage by stage. A floor has no stage: its [`init`](Self::init) already gives the
    /// fitted network, and this and the next three functions keep their defaults.
    fn stages(&self) -> Vec<Stage<'_>> {
        Vec::new()
    }

    /// The recipe of the stage that learns from labelled anomalies, to change it from outside.
    fn recipe_mut(&mut self) -> Option<&mut Recipe> {
        None
    }

    /// The form that is trained on the anomalies' loss alone: batch-normalised, so that the normal rows of a batch still
    /// have a say, and with whatever else the method changes for it.
    fn anomaly_only(self) -> Self {
        self
    }

    /// The same method with another normalisation.
    fn with_norm(self, _norm: Norm) -> Self {
        self
    }

    /// Makes the network for the given training rows, drawing its weights from `rng` alone.
    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Self::Network<B>;
}

/// A training by one recipe and one loss. The next stage starts from its weights, with a new optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage<'a> {
    /// Which loss is trained.
    pub objective: Objective,
    /// How.
    pub recipe: &'a Recipe,
}

/// Which loss a stage trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// [`Network::pretraining_loss`], on unlabelled rows. No strategy has a say in it.
    Pretrain,
    /// [`Network::terms`], of which the strategy takes its part.
    Detect,
}

/// What a method tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// The name on the command line, in configuration files and in results.
    pub name: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// What it learns from, and how.
    pub kind: Kind,
    /// Where it comes from.
    pub source: &'static str,
}

/// What a method learns from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Trained on labelled anomalies and unlabelled rows, by a loss that a strategy can take apart.
    FewLabels,
    /// A simple rule without training, beside which a trained method has to show its worth.
    Floor,
}

/// A network that scores rows and can say what its loss is.
pub trait Network<B: Backend>: Module<B> {
    /// The loss of each example of a batch, parted by what its target is. A method without a recipe is not trained and keeps
    /// this default: no example has a loss.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let none = Tensor::zeros([0], &batch.rows.device());
        LossTerms { normal: none.clone(), anomalous: none }
    }

    /// A penalty on the weights, of shape `[1]`, that is added to the mean loss whatever part of the loss trains.
    fn penalty(&self) -> Option<Tensor<B, 1>> {
        None
    }

    /// The loss of each row of a batch in a stage that pretrains, of shape `[rows]`.
    fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
        Tensor::zeros([batch.rows.dims()[0]], &batch.rows.device())
    }

    /// What the network still wants to know of the training rows once its weights are fitted.
    fn finish(self, _data: &TrainingData<B>) -> Self {
        self
    }

    /// The normalisation layers.
    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        Vec::new()
    }

    /// The anomaly score of each row: `[rows, columns]` to `[rows]`, higher meaning more anomalous.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1>;
}

/// The losses of one batch, one value an example; either part may be empty.
#[derive(Clone, Debug)]
pub struct LossTerms<B: Backend> {
    /// Examples whose target is "normal", of shape `[k]`.
    pub normal: Tensor<B, 1>,
    /// Examples that involve a labelled anomaly, of shape `[m]`.
    pub anomalous: Tensor<B, 1>,
}

/// Rows of one training step, of shape `[rows, columns]`: first the unlabelled, then the labelled anomalies.
#[derive(Clone, Debug)]
pub struct Batch<B: Backend> {
    rows: Tensor<B, 2>,
    unlabelled: usize,
}

impl<B: Backend> Batch<B> {
    /// Rows of which the first `unlabelled` are unlabelled and the others labelled anomalies.
    ///
    /// # Panics
    /// When there are fewer rows than that.
    pub fn new(rows: Tensor<B, 2>, unlabelled: usize) -> Self {
        assert!(unlabelled <= rows.dims()[0], "a batch cannot hold more unlabelled rows than rows");
        Self { rows, unlabelled }
    }

    /// The unlabelled rows.
    pub fn unlabelled(&self) -> Tensor<B, 2> {
        section(self.rows.clone(), 0, self.unlabelled)
    }

    /// The labelled anomalies.
    pub fn anomalies(&self) -> Tensor<B, 2> {
        section(self.rows.clone(), self.unlabelled, self.rows.dims()[0] - self.unlabelled)
    }

    /// All rows.
    pub fn rows(&self) -> Tensor<B, 2> {
        self.rows.clone()
    }

    /// Parts one value a row, `[rows]`, into those of the unlabelled rows and those of the anomalies.
    pub fn part(&self, values: Tensor<B, 1>) -> (Tensor<B, 1>, Tensor<B, 1>) {
        let anomalies = self.rows.dims()[0] - self.unlabelled;
        (section(values.clone(), 0, self.unlabelled), section(values, self.unlabelled, anomalies))
    }
}

/// So many elements of the first dimension, perhaps none (burn's `narrow` takes at least one).
pub(crate) fn section<B: Backend, const D: usize>(tensor: Tensor<B, D>, from: usize, count: usize) -> Tensor<B, D> {
    if count > 0 {
        return tensor.narrow(0, from, count);
    }
    let mut shape = tensor.dims();
    shape[0] = 0;
    Tensor::zeros(shape, &tensor.device())
}

/// The rows a fit works on, already on the device.
#[derive(Clone, Debug)]
pub struct TrainingData<B: Backend> {
    /// All rows, of shape `[rows, columns]`, scaled.
    pub rows: Tensor<B, 2>,
    /// Indices of the unlabelled rows.
    pub unlabelled: Vec<usize>,
    /// Indices of the labelled anomalies.
    pub anomalies: Vec<usize>,
}

impl<B: Backend> TrainingData<B> {
    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.rows.dims()[1]
    }

    /// The rows at the given indices, `[indices, columns]`.
    pub fn select(&self, indices: &[usize]) -> Tensor<B, 2> {
        let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        let indices = Tensor::<B, 1, Int>::from_data(indices.as_slice(), &self.rows.device());
        self.rows.clone().select(0, indices)
    }
}

/// A method whose network can be trained on the differentiating backend `B`. Every method is; this only spells the bound.
pub trait Trainable<B: AutodiffBackend>:
    Method<Network<B>: AutodiffModule<B, InnerModule = <Self as Method>::Network<B::InnerBackend>>>
{
}

impl<B, M> Trainable<B> for M
where
    B: AutodiffBackend,
    M: Method,
    M::Network<B>: AutodiffModule<B, InnerModule = M::Network<B::InnerBackend>>,
{
}
