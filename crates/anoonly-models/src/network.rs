//! Methods that are trained by gradients: the network, the loss of each example, and the batches it is computed on.

use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData};
use rand::Rng;

use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::norm::NormLayer;
use crate::recipe::Recipe;
use crate::{Method, MethodKind, Norm, Shapes};

/// A method whose network is trained by gradients.
pub trait NetworkMethod: Method {
    /// The network that this configuration makes.
    type Network<B: Backend>: Network<B>;

    /// How the network is trained by its [`terms`](Network::terms).
    fn recipe(&self) -> &Recipe;

    /// The same recipe, to be changed.
    fn recipe_mut(&mut self) -> &mut Recipe;

    /// How the network is trained by its [`pretraining_loss`](Network::pretraining_loss) before that, if it is.
    fn pretraining(&self) -> Option<&Recipe> {
        None
    }

    /// The same recipe, to be changed.
    fn pretraining_mut(&mut self) -> Option<&mut Recipe> {
        None
    }

    /// Whether a strategy decides which part of the loss trains. The loss of a method that knows no labels has only one part.
    fn takes_strategy(&self) -> bool {
        Self::INFO.kind == MethodKind::FewLabels
    }

    /// The form that AnoOnly trains on the loss of the labelled anomalies alone: batch-normalised, so that the normal rows of a
    /// batch still take part, and with whatever else the method changes for it.
    fn anomaly_only(self) -> Self {
        if self.takes_strategy() { self.with_norm(Norm::Batch) } else { self }
    }

    /// The same method with another normalisation. A method without normalisation layers returns itself.
    fn with_norm(self, norm: Norm) -> Self;

    /// The number of values in all tensors of a network for rows of `columns` columns; `usize::MAX` where it does not fit. A
    /// network that keeps training rows takes their number from the shapes it was saved with. A model file is checked
    /// against it before a network is made.
    fn weights(&self, columns: usize, saved: &Shapes) -> usize;

    /// A network of the shape that was saved, whose tensors are still to be replaced. A network whose size depends on the
    /// training rows must override this default.
    fn blank<B: Backend>(&self, columns: usize, _saved: &Shapes, device: &B::Device) -> Self::Network<B> {
        let rows = Tensor::zeros([2, columns], device);
        let data = TrainingData { rows, unlabelled: vec![0], anomalies: vec![1] };
        self.init(&data, &mut anoonly_core::Seed(0).stream(&["blank"]))
    }

    /// Makes the network for the given training rows. Its weights are drawn from `rng` alone.
    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Self::Network<B>;
}

/// A network that scores rows and computes the loss of each example.
pub trait Network<B: Backend>: Module<B> {
    /// The loss of each example of a batch, split by its target.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B>;

    /// A penalty on the weights, of shape `[1]`, that is added to the mean loss whatever part of the loss trains.
    fn penalty(&self) -> Option<Tensor<B, 1>> {
        None
    }

    /// The loss of each row of a batch of unlabelled rows in pretraining, of shape `[rows]`. No strategy has a say in it, and
    /// no normalisation layer a part.
    fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
        Tensor::zeros([batch.rows], &batch.distinct.device())
    }

    /// This network with what pretraining has made of another one of the same method and data, whichever its normalisation.
    fn pretrained(self, _from: &Self) -> Self {
        self
    }

    /// The same steps as by [`terms`](Self::terms) and [`penalty`](Self::penalty) in plain memory, where there is that short
    /// cut for this network and backend.
    fn direct(&self, _data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        None
    }

    /// What the network still wants to know of the training rows once its weights are fitted.
    fn finish(self, _data: &TrainingData<B>) -> Self {
        self
    }

    /// The normalisation layers.
    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        Vec::new()
    }

    /// What the layer before the score makes of each row: `[rows, columns]` to `[rows, width]`. A network whose score is not
    /// that of a layer keeps this default.
    fn representation(&self, _rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        None
    }

    /// The steps of [`score`](Self::score) as plain data, for export. A network that keeps this default cannot be exported.
    fn graph(&self) -> Option<Graph> {
        None
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

/// Rows of one training step: first the unlabelled, then the labelled anomalies. Anomalies are few, and are drawn into a
/// batch over and over: what is made of a row alone is worked out once for all of its repetitions.
#[derive(Clone, Debug)]
pub struct Batch<B: Backend> {
    /// The distinct rows, `[distinct, columns]`.
    distinct: Tensor<B, 2>,
    /// The place of each row of the batch among them; none where all are distinct.
    places: Option<Tensor<B, 1, Int>>,
    rows: usize,
    unlabelled: usize,
}

/// The rows of a batch, each anomaly once.
#[derive(Clone, Debug)]
pub(crate) struct Distinct {
    /// The training rows: the unlabelled as they come, then the anomalies.
    pub rows: Vec<usize>,
    /// The place of each row of the batch among them; none where no anomaly comes twice.
    pub places: Option<Vec<usize>>,
}

impl Distinct {
    /// Of the indices of a batch's rows, of which the first `unlabelled` are unlabelled.
    pub fn of(indices: &[usize], unlabelled: usize) -> Self {
        let (normals, drawn) = indices.split_at(unlabelled);
        let mut anomalies = drawn.to_vec();
        anomalies.sort_unstable();
        anomalies.dedup();
        if anomalies.len() == drawn.len() {
            return Self { rows: indices.to_vec(), places: None };
        }
        let place = |row: &usize| unlabelled + anomalies.partition_point(|anomaly| anomaly < row);
        let places = (0..unlabelled).chain(drawn.iter().map(place)).collect();
        Self { rows: [normals, &anomalies].concat(), places: Some(places) }
    }

    /// The place of a row of the batch.
    pub fn place(&self, row: usize) -> usize {
        self.places.as_ref().map_or(row, |places| places[row])
    }
}

impl<B: Backend> Batch<B> {
    /// Rows, `[rows, columns]`, of which the first `unlabelled` are unlabelled and the others labelled anomalies.
    ///
    /// # Panics
    /// When there are fewer rows than that.
    pub fn new(rows: Tensor<B, 2>, unlabelled: usize) -> Self {
        let count = rows.dims()[0];
        assert!(unlabelled <= count, "a batch cannot hold more unlabelled rows than rows");
        Self { distinct: rows, places: None, rows: count, unlabelled }
    }

    /// The training rows of the given indices, of which the first `unlabelled` are unlabelled.
    ///
    /// # Panics
    /// When there are fewer indices than that, or an index has no row.
    pub fn gather(data: &TrainingData<B::InnerBackend>, indices: &[usize], unlabelled: usize) -> Self
    where
        B: AutodiffBackend,
    {
        let Distinct { rows, places } = Distinct::of(indices, unlabelled);
        // Below that, what is saved does not make up for the spreading.
        let worth = |places: &Vec<usize>| 4 * rows.len() <= 3 * places.len();
        let Some(places) = places.filter(worth) else {
            return Self::new(Tensor::from_inner(data.select(indices)), unlabelled);
        };
        let distinct = Tensor::from_inner(data.select(&rows));
        let places = Some(index_tensor(&places, &distinct.device()));
        Self { distinct, places, rows: indices.len(), unlabelled }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Unlabelled rows.
    pub fn unlabelled(&self) -> usize {
        self.unlabelled
    }

    /// What `f` makes of the rows, `[rows, columns]` to `[rows, width]`. It has to treat each row by itself, as a layer does,
    /// and batch normalisation does not.
    pub fn by_row(&self, f: impl FnOnce(Tensor<B, 2>) -> Tensor<B, 2>) -> Tensor<B, 2> {
        let made = f(self.distinct.clone());
        match &self.places {
            Some(places) => made.select(0, places.clone()),
            None => made,
        }
    }

    /// Parts one value a row, `[rows]`, into those of the unlabelled rows and those of the anomalies.
    pub fn part(&self, values: Tensor<B, 1>) -> (Tensor<B, 1>, Tensor<B, 1>) {
        let anomalies = self.rows - self.unlabelled;
        (section(values.clone(), 0, self.unlabelled), section(values, self.unlabelled, anomalies))
    }
}

fn index_tensor<B: Backend>(indices: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    Tensor::from_data(TensorData::new(values, [indices.len()]), device)
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
        self.rows.clone().select(0, index_tensor(indices, &self.rows.device()))
    }
}

/// A method whose network can be trained on the differentiating backend `B`. Every method is; this only spells the bound.
pub trait Trainable<B: AutodiffBackend>:
    NetworkMethod<Network<B>: AutodiffModule<B, InnerModule = <Self as NetworkMethod>::Network<B::InnerBackend>>>
{
}

impl<B, M> Trainable<B> for M
where
    B: AutodiffBackend,
    M: NetworkMethod,
    M::Network<B>: AutodiffModule<B, InnerModule = M::Network<B::InnerBackend>>,
{
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn_ndarray::NdArray;

    type B = Autodiff<NdArray>;

    fn cells<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    /// Repeated anomalies are worked out once: the values and gradients are those of a batch that holds them all.
    #[test]
    fn a_batch_with_repetitions_is_worth_one_that_holds_every_row() {
        let rows =
            Tensor::<NdArray, 2>::from_data([[0.1, 2.0], [0.4, 0.3], [0.7, -1.0], [0.2, 0.5]], &Default::default());
        let data = TrainingData { rows, unlabelled: vec![0, 1], anomalies: vec![2, 3] };
        let indices = [1, 0, 3, 2, 3, 3, 2, 3];
        let batch = Batch::<B>::gather(&data, &indices, 2);
        assert_eq!((batch.rows(), batch.unlabelled(), batch.distinct.dims()[0]), (8, 2, 4));
        let whole = Batch::<B>::new(Tensor::from_inner(data.select(&indices)), 2);
        let results = |batch: &Batch<B>| {
            let weight = Tensor::<B, 2>::from_data([[0.5, 1.0, -0.3], [2.0, 0.1, 0.9]], &Default::default());
            let weight = weight.require_grad();
            let made = batch.by_row(|rows| rows.matmul(weight.clone()).exp());
            let factors: Vec<f32> = (0..24).map(|cell| cell as f32 - 9.0).collect();
            let factors = Tensor::<B, 2>::from_data(TensorData::new(factors, [8, 3]), &Default::default());
            let gradients = (made.clone() * factors).sum().backward();
            [cells(made), cells(weight.grad(&gradients).unwrap())]
        };
        let [made, gradient] = results(&batch);
        let [whole_made, whole_gradient] = results(&whole);
        assert_eq!(made, whole_made);
        for (a, b) in gradient.iter().zip(whole_gradient) {
            assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} and {b}");
        }
    }

    #[test]
    fn a_batch_of_distinct_rows_is_taken_as_it_is() {
        let rows = Tensor::<NdArray, 2>::zeros([4, 1], &Default::default());
        let data = TrainingData { rows, unlabelled: vec![0, 1], anomalies: vec![2, 3] };
        assert!(Batch::<B>::gather(&data, &[0, 1, 2, 3], 2).places.is_none());
    }
}
