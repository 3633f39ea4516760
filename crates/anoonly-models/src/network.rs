//! Methods that are trained by gradient descent: networks, losses per example, and batches.

use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData};
use rand::Rng;

use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::norm::NormLayer;
use crate::recipe::Recipe;
use crate::{Method, MethodKind, Norm, Shapes};

/// A method whose network is trained by gradient descent.
pub trait NetworkMethod: Method {
    /// The network that this configuration describes.
    type Network<B: Backend>: Network<B>;

    /// How the network is trained on [`Network::terms`].
    fn recipe(&self) -> &Recipe;

    /// Mutable access to [`recipe`](Self::recipe).
    fn recipe_mut(&mut self) -> &mut Recipe;

    /// How the network is pretrained on [`Network::pretraining_loss`]; `None` for a method without pretraining.
    fn pretraining(&self) -> Option<&Recipe> {
        None
    }

    /// Mutable access to [`pretraining`](Self::pretraining).
    fn pretraining_mut(&mut self) -> Option<&mut Recipe> {
        None
    }

    /// Whether a strategy decides which part of the loss trains. The loss of a method without labels has only one part.
    fn takes_strategy(&self) -> bool {
        Self::INFO.kind == MethodKind::FewLabels
    }

    /// The form that AnoOnly trains on the loss of the labelled anomalies only. It uses batch normalisation, through which the
    /// normal rows of a batch still influence the network, and whatever else the method changes for AnoOnly.
    fn anomaly_only(self) -> Self {
        if self.takes_strategy() { self.with_norm(Norm::Batch) } else { self }
    }

    /// The same method with another normalisation. A method without normalisation layers returns itself unchanged.
    fn with_norm(self, norm: Norm) -> Self;

    /// The number of values in all tensors of a network for rows with `columns` columns; `usize::MAX` on overflow.
    ///
    /// A network that keeps training rows reads their number from the saved shapes. A model file is checked against this number
    /// before memory for the network is allocated.
    fn weights(&self, columns: usize, saved: &Shapes) -> usize;

    /// A network with the saved shapes, whose values the caller replaces. A method whose network size depends on the training rows
    /// must override this default.
    fn blank<B: Backend>(&self, columns: usize, _saved: &Shapes, device: &B::Device) -> Self::Network<B> {
        let rows = Tensor::zeros([2, columns], device);
        let data = TrainingData { rows, others: vec![0], anomalies: vec![1], normals: Vec::new() };
        self.init(&data, &mut anoonly_core::Seed(0).stream(&["blank"]))
    }

    /// Creates the network for the given training rows. All weights are drawn from `rng`.
    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Self::Network<B>;
}

/// A network: it scores rows and computes the loss of each example.
pub trait Network<B: Backend>: Module<B> {
    /// The loss of each example of a batch, in two parts.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B>;

    /// A penalty on the weights, `[1]`. It is added to the mean loss under every strategy.
    fn penalty(&self) -> Option<Tensor<B, 1>> {
        None
    }

    /// The pretraining loss of each row of a batch of unlabelled rows, `[rows]`. It depends on no strategy and uses no
    /// normalisation layer.
    fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
        Tensor::zeros([batch.rows], &batch.distinct.device())
    }

    /// This network with the pretrained weights of another network of the same method and data. The two may differ in their
    /// normalisation.
    fn pretrained(self, _from: &Self) -> Self {
        self
    }

    /// The training steps of [`terms`](Self::terms) and [`penalty`](Self::penalty) in plain memory; `None` where this network
    /// and backend have no such shortcut.
    fn direct(&self, _data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
    where
        B: AutodiffBackend,
    {
        None
    }

    /// Computes what the network needs from the training rows after its weights are fitted.
    fn finish(self, _data: &TrainingData<B>) -> Self {
        self
    }

    /// The normalisation layers.
    fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
        Vec::new()
    }

    /// The output of the layer before the score: `[rows, columns]` to `[rows, width]`. `None` where the network has no such
    /// layer.
    fn representation(&self, _rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        None
    }

    /// The steps of [`score`](Self::score) as plain data, for fast scoring and export. A network with this default cannot be
    /// exported.
    fn graph(&self) -> Option<Graph> {
        None
    }

    /// The anomaly score of each row: `[rows, columns]` to `[rows]`. Higher means more anomalous.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1>;
}

/// The losses of one batch, one value per example. Either part may be empty.
#[derive(Clone, Debug)]
pub struct LossTerms<B: Backend> {
    /// Losses of the examples whose target is "normal", `[k]`.
    pub normal: Tensor<B, 1>,
    /// Losses of the examples that involve a labelled anomaly, `[m]`.
    pub anomalous: Tensor<B, 1>,
}

impl<B: Backend> LossTerms<B> {
    /// The losses of a method without labels.
    pub(crate) fn normal_only(normal: Tensor<B, 1>) -> Self {
        Self { anomalous: Tensor::zeros([0], &normal.device()), normal }
    }
}

/// The rows of one training step: first the unlabelled rows, then the labelled anomalies.
///
/// Labelled anomalies are few, so a batch contains the same one many times. What depends on a single row is computed once for all
/// its repetitions.
#[derive(Clone, Debug)]
pub struct Batch<B: Backend> {
    /// The distinct rows, `[distinct, columns]`.
    distinct: Tensor<B, 2>,
    /// The index of each row of the batch among the distinct rows; `None` where all rows are distinct.
    places: Option<Tensor<B, 1, Int>>,
    rows: usize,
    unlabelled: usize,
}

/// The distinct rows of a batch: each labelled anomaly once.
#[derive(Clone, Debug)]
pub(crate) struct Distinct {
    /// Indices of training rows: the unlabelled rows in the order of the batch, then the anomalies.
    pub rows: Vec<usize>,
    /// The position of each row of the batch in `rows`; `None` where no anomaly is repeated.
    pub places: Option<Vec<usize>>,
}

impl Distinct {
    /// Finds the distinct rows of a batch. The first `unlabelled` indices are unlabelled rows.
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

    /// The position of a row of the batch in `rows`.
    pub fn place(&self, row: usize) -> usize {
        self.places.as_ref().map_or(row, |places| places[row])
    }
}

impl<B: Backend> Batch<B> {
    /// A batch of rows, `[rows, columns]`: the first `unlabelled` are unlabelled, the others are labelled anomalies.
    ///
    /// # Panics
    /// When there are fewer than `unlabelled` rows.
    pub fn new(rows: Tensor<B, 2>, unlabelled: usize) -> Self {
        let count = rows.dims()[0];
        assert!(unlabelled <= count, "a batch cannot hold more unlabelled rows than rows");
        Self { distinct: rows, places: None, rows: count, unlabelled }
    }

    /// A batch of unlabelled rows only, `[rows, columns]`.
    pub(crate) fn of_unlabelled(rows: Tensor<B, 2>) -> Self {
        let count = rows.dims()[0];
        Self::new(rows, count)
    }

    /// A batch of the training rows at the given indices: the first `unlabelled` are unlabelled, the others are labelled anomalies.
    ///
    /// # Panics
    /// When there are fewer than `unlabelled` indices, or an index is out of range.
    pub fn gather(data: &TrainingData<B::InnerBackend>, indices: &[usize], unlabelled: usize) -> Self
    where
        B: AutodiffBackend,
    {
        let Distinct { rows, places } = Distinct::of(indices, unlabelled);
        // With fewer repetitions, spreading the distinct rows costs more than it saves.
        let worth = |places: &Vec<usize>| 4 * rows.len() <= 3 * places.len();
        let Some(places) = places.filter(worth) else {
            return Self::new(Tensor::from_inner(data.select(indices)), unlabelled);
        };
        let distinct = Tensor::from_inner(data.select(&rows));
        let places = Some(index_tensor(&places, &distinct.device()));
        Self { distinct, places, rows: indices.len(), unlabelled }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of unlabelled rows.
    pub fn unlabelled(&self) -> usize {
        self.unlabelled
    }

    /// Applies `f` to the rows, `[rows, columns]` to `[rows, width]`. `f` must treat each row independently, as a linear layer does.
    /// Batch normalisation does not.
    pub fn by_row(&self, f: impl FnOnce(Tensor<B, 2>) -> Tensor<B, 2>) -> Tensor<B, 2> {
        let output = f(self.distinct.clone());
        match &self.places {
            Some(places) => output.select(0, places.clone()),
            None => output,
        }
    }

    /// Splits one value per row, `[rows]`, into the values of the unlabelled rows and those of the anomalies.
    pub fn part(&self, values: Tensor<B, 1>) -> (Tensor<B, 1>, Tensor<B, 1>) {
        let anomalies = self.rows - self.unlabelled;
        (section(values.clone(), 0, self.unlabelled), section(values, self.unlabelled, anomalies))
    }
}

fn index_tensor<B: Backend>(indices: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    Tensor::from_data(TensorData::new(values, [indices.len()]), device)
}

/// A range of the first dimension. It may be empty, which burn's `narrow` does not allow.
pub(crate) fn section<B: Backend, const D: usize>(tensor: Tensor<B, D>, from: usize, count: usize) -> Tensor<B, D> {
    if count > 0 {
        return tensor.narrow(0, from, count);
    }
    let mut shape = tensor.dims();
    shape[0] = 0;
    Tensor::zeros(shape, &tensor.device())
}

/// The training rows, on the device.
#[derive(Clone, Debug)]
pub struct TrainingData<B: Backend> {
    /// All rows, scaled, `[rows, columns]`.
    pub rows: Tensor<B, 2>,
    /// Indices of the labelled anomalies, in ascending order.
    pub anomalies: Vec<usize>,
    /// Indices of all other rows, in ascending order. Confirmed normals are among them.
    pub others: Vec<usize>,
    /// Indices of the confirmed normals, in ascending order.
    pub normals: Vec<usize>,
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

/// A method whose network can be trained on the autodiff backend `B`. Every method can; this trait only names the bound.
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

/// The recipe of a [`NetworkMethod`] that keeps it in its field `recipe`.
macro_rules! recipe_accessors {
    () => {
        fn recipe(&self) -> &Recipe {
            &self.recipe
        }

        fn recipe_mut(&mut self) -> &mut Recipe {
            &mut self.recipe
        }
    };
}

pub(crate) use recipe_accessors;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::cells;
    use burn::backend::Autodiff;
    use burn_ndarray::NdArray;

    type B = Autodiff<NdArray>;

    /// Repeated anomalies are computed once. Values and gradients are the same as if each repetition were computed.
    #[test]
    fn a_batch_with_repetitions_gives_the_results_of_a_batch_of_all_rows() {
        let rows =
            Tensor::<NdArray, 2>::from_data([[0.1, 2.0], [0.4, 0.3], [0.7, -1.0], [0.2, 0.5]], &Default::default());
        let data = TrainingData { rows, others: vec![0, 1], anomalies: vec![2, 3], normals: Vec::new() };
        let indices = [1, 0, 3, 2, 3, 3, 2, 3];
        let batch = Batch::<B>::gather(&data, &indices, 2);
        assert_eq!((batch.rows(), batch.unlabelled(), batch.distinct.dims()[0]), (8, 2, 4));
        let whole = Batch::<B>::new(Tensor::from_inner(data.select(&indices)), 2);
        let results = |batch: &Batch<B>| {
            let weight = Tensor::<B, 2>::from_data([[0.5, 1.0, -0.3], [2.0, 0.1, 0.9]], &Default::default());
            let weight = weight.require_grad();
            let output = batch.by_row(|rows| rows.matmul(weight.clone()).exp());
            let factors: Vec<f32> = (0..24).map(|cell| cell as f32 - 9.0).collect();
            let factors = Tensor::<B, 2>::from_data(TensorData::new(factors, [8, 3]), &Default::default());
            let gradients = (output.clone() * factors).sum().backward();
            [cells(output), cells(weight.grad(&gradients).unwrap())]
        };
        let [output, gradient] = results(&batch);
        let [whole_output, whole_gradient] = results(&whole);
        assert_eq!(output, whole_output);
        for (a, b) in gradient.iter().zip(whole_gradient) {
            assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} and {b}");
        }
    }

    #[test]
    fn a_batch_of_distinct_rows_is_not_changed() {
        let rows = Tensor::<NdArray, 2>::zeros([4, 1], &Default::default());
        let data = TrainingData { rows, others: vec![0, 1], anomalies: vec![2, 3], normals: Vec::new() };
        assert!(Batch::<B>::gather(&data, &[0, 1, 2, 3], 2).places.is_none());
    }
}
