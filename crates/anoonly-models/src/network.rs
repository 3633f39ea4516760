//! Methods that are trained by gradient descent: networks, losses per example, and batches.

use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData};
use rand::Rng;

use crate::graph::Graph;
use crate::kernels::{Direct, ExampleCounts};
use crate::layers::norm::NormLayer;
use crate::members;
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

    /// Whether a stack of networks ([`members`](crate::members)) can be trained as one network.
    fn stacks(&self) -> bool {
        false
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
    /// The loss of each example of a batch, in parts.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B>;

    /// A penalty on the weights of each member, `[members]`. It is added to the mean loss under every strategy.
    fn penalty(&self, _members: usize) -> Option<Tensor<B, 1>> {
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

    /// The training steps of [`pretraining_loss`](Self::pretraining_loss) in plain memory; `None` where there is no such shortcut.
    fn direct_pretraining(&self, _data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
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

/// The losses of one batch, one value per example. Each part may be empty.
#[derive(Clone, Debug)]
pub struct LossTerms<B: Backend> {
    /// Losses of the examples whose target is "normal" and that involve an unlabelled row, `[k]`.
    pub normal: Tensor<B, 1>,
    /// Losses of the examples whose target is "normal" and whose rows are all confirmed as normal, `[c]`.
    pub confirmed: Tensor<B, 1>,
    /// Losses of the examples that involve a labelled anomaly, `[m]`.
    pub anomalous: Tensor<B, 1>,
}

impl<B: Backend> LossTerms<B> {
    /// The losses of a method without labels.
    pub(crate) fn normal_only(normal: Tensor<B, 1>) -> Self {
        let none = Tensor::zeros([0], &normal.device());
        Self { anomalous: none.clone(), confirmed: none, normal }
    }

    /// The losses of a method whose examples are the rows of a batch: of its unlabelled rows and confirmed normals, and of its
    /// labelled anomalies.
    pub(crate) fn by_row(batch: &Batch<B>, normal: Tensor<B, 1>, anomalous: Tensor<B, 1>) -> Self {
        if batch.uneven.is_some() {
            return Self { confirmed: normal.clone(), normal, anomalous };
        }
        let unlabelled = batch.others - batch.normals;
        let confirmed = batch.section(normal.clone(), unlabelled, batch.normals);
        let normal = if batch.normals == 0 { normal } else { batch.section(normal, 0, unlabelled) };
        Self { normal, confirmed, anomalous }
    }
}

/// The indices of the rows of one training step: first unlabelled rows, then confirmed normals, then labelled anomalies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRows {
    /// The indices of training rows; one may repeat.
    pub indices: Vec<usize>,
    /// The number of unlabelled rows.
    pub unlabelled: usize,
    /// The number of confirmed normals.
    pub normals: usize,
}

impl StepRows {
    /// The number of rows that are not labelled anomalies.
    pub fn others(&self) -> usize {
        self.unlabelled + self.normals
    }

    /// The rows as examples.
    pub fn examples(&self) -> ExampleCounts {
        let anomalous = self.indices.len() - self.others();
        ExampleCounts { normal: self.unlabelled, confirmed: self.normals, anomalous }
    }
}

/// The rows of one training step: first the unlabelled rows, then the confirmed normals, then the labelled anomalies.
///
/// Labelled anomalies are few, so a batch contains the same one many times. What depends on a single row is computed once for all
/// its repetitions.
#[derive(Clone, Debug)]
pub struct Batch<B: Backend> {
    /// The distinct rows, `[distinct, columns]`.
    distinct: Tensor<B, 2>,
    /// The index of each row of the batch among the distinct rows; `None` where all rows are distinct.
    places: Option<Tensor<B, 1, Int>>,
    /// The number of rows of a member. A batch of one network has one member.
    rows: usize,
    /// The number of rows of a member that are not labelled anomalies.
    others: usize,
    /// The number of confirmed normals among them.
    normals: usize,
    members: usize,
    /// The numbers of examples of each member, if they differ. Every row of the batch is then in every part of the loss, and the strategy
    /// gives a row no weight in the parts that it does not belong to.
    uneven: Option<Vec<ExampleCounts>>,
}

/// The distinct rows of a batch: each labelled anomaly once.
#[derive(Clone, Debug)]
pub(crate) struct Distinct {
    /// Indices of training rows: those that are not anomalies in the order of the batch, then the anomalies.
    pub rows: Vec<usize>,
    /// The position of each row of the batch in `rows`; `None` where no anomaly is repeated.
    pub places: Option<Vec<usize>>,
}

impl Distinct {
    /// Finds the distinct rows of a batch. The first `others` indices are no labelled anomalies.
    pub fn of(indices: &[usize], others: usize) -> Self {
        let (first, drawn) = indices.split_at(others);
        let mut anomalies = drawn.to_vec();
        anomalies.sort_unstable();
        anomalies.dedup();
        if anomalies.len() == drawn.len() {
            return Self { rows: indices.to_vec(), places: None };
        }
        let place = |row: &usize| others + anomalies.partition_point(|anomaly| anomaly < row);
        let places = (0..others).chain(drawn.iter().map(place)).collect();
        Self { rows: [first, &anomalies].concat(), places: Some(places) }
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
        Self { distinct: rows, places: None, rows: count, others: unlabelled, normals: 0, members: 1, uneven: None }
    }

    /// The same batch, in which the last `normals` of the unlabelled rows are confirmed normals.
    ///
    /// # Panics
    /// When there are fewer than `normals` unlabelled rows.
    #[must_use]
    pub fn with_normals(self, normals: usize) -> Self {
        assert!(normals <= self.others, "confirmed normals are among the rows that are no anomalies");
        Self { normals, ..self }
    }

    /// A batch of unlabelled rows only, `[rows, columns]`.
    pub(crate) fn of_unlabelled(rows: Tensor<B, 2>) -> Self {
        let count = rows.dims()[0];
        Self::new(rows, count)
    }

    /// A batch of training rows.
    ///
    /// # Panics
    /// When there are fewer indices than unlabelled rows and confirmed normals, or an index is out of range.
    pub fn gather(data: &TrainingData<B::InnerBackend>, step: &StepRows) -> Self
    where
        B: AutodiffBackend,
    {
        let (indices, others, normals) = (&step.indices, step.others(), step.normals);
        let Distinct { rows, places } = Distinct::of(indices, others);
        // With fewer repetitions, spreading the distinct rows costs more than it saves.
        let worth = |places: &Vec<usize>| 4 * rows.len() <= 3 * places.len();
        let Some(places) = places.filter(worth) else {
            return Self::new(Tensor::from_inner(data.select(indices)), others).with_normals(normals);
        };
        let distinct = Tensor::from_inner(data.select(&rows));
        let places = Some(index_tensor(&places, &distinct.device()));
        Self { distinct, places, rows: indices.len(), others, normals, members: 1, uneven: None }
    }

    /// A batch of a stack: the rows of each member's step, `[members·rows, columns]`.
    ///
    /// # Panics
    /// When there is no step, or the numbers of rows differ.
    pub fn of_members(rows: Tensor<B, 2>, steps: &[StepRows]) -> Self {
        let (first, members) = (&steps[0], steps.len());
        let each = first.indices.len();
        assert!(steps.iter().all(|step| step.indices.len() == each), "the members of a stack have batches of one size");
        let (others, normals) = (first.others(), first.normals);
        let even = steps.iter().all(|step| (step.others(), step.normals) == (others, normals));
        let uneven = (!even).then(|| steps.iter().map(StepRows::examples).collect());
        Self { distinct: rows, places: None, rows: each, others, normals, members, uneven }
    }

    /// The number of members.
    pub fn members(&self) -> usize {
        self.members
    }

    /// The numbers of rows of each kind, if the members differ in them. Each part of a loss then holds a value for every row.
    pub fn uneven(&self) -> Option<&[ExampleCounts]> {
        self.uneven.as_deref()
    }

    /// A range of each member's part of values of the batch.
    pub(crate) fn section<const D: usize>(&self, values: Tensor<B, D>, from: usize, count: usize) -> Tensor<B, D> {
        members::section(values, self.members, from, count)
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of rows that are not labelled anomalies: unlabelled rows, and then confirmed normals.
    pub fn others(&self) -> usize {
        self.others
    }

    /// The number of confirmed normals.
    pub fn normals(&self) -> usize {
        self.normals
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

    /// The values of the confirmed normals among values of the rows that are no anomalies; `None` if the batch has no such rows.
    pub(crate) fn confirmed(&self, values: Tensor<B, 1>) -> Option<Tensor<B, 1>> {
        match &self.uneven {
            Some(counts) => counts.iter().any(|counts| counts.confirmed > 0).then_some(values),
            None => (self.normals > 0).then(|| self.section(values, self.others - self.normals, self.normals)),
        }
    }

    /// Splits one value per row, `[rows]`, into the values of the labelled anomalies, which come second, and those of all other rows. If the
    /// members of a stack differ in these numbers, both are the values of all rows.
    pub fn part(&self, values: Tensor<B, 1>) -> (Tensor<B, 1>, Tensor<B, 1>) {
        if self.uneven.is_some() {
            return (values.clone(), values);
        }
        let anomalies = self.rows - self.others;
        (self.section(values.clone(), 0, self.others), self.section(values, self.others, anomalies))
    }
}

fn index_tensor<B: Backend>(indices: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    Tensor::from_data(TensorData::new(values, [indices.len()]), device)
}

/// A range of the first dimension. It may be empty.
pub(crate) fn section<B: Backend, const D: usize>(tensor: Tensor<B, D>, from: usize, count: usize) -> Tensor<B, D> {
    members::section(tensor, 1, from, count)
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
        let step = StepRows { indices: indices.to_vec(), unlabelled: 2, normals: 0 };
        let batch = Batch::<B>::gather(&data, &step);
        assert_eq!((batch.rows(), batch.others(), batch.distinct.dims()[0]), (8, 2, 4));
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
        let step = StepRows { indices: vec![0, 1, 2, 3], unlabelled: 1, normals: 1 };
        let batch = Batch::<B>::gather(&data, &step);
        assert!(batch.places.is_none());
        assert_eq!((batch.others(), batch.normals()), (2, 1));
    }

    #[test]
    fn losses_by_row_are_those_of_each_kind_of_row() {
        let rows = Tensor::<NdArray, 2>::zeros([5, 1], &Default::default());
        let values = |values: &[f32]| Tensor::<NdArray, 1>::from_data(values, &Default::default());
        for (normals, unlabelled, confirmed) in [(0, &[1.0, 2.0, 3.0][..], &[][..]), (2, &[1.0], &[2.0, 3.0])] {
            let batch = Batch::new(rows.clone(), 3).with_normals(normals);
            let terms = LossTerms::by_row(&batch, values(&[1.0, 2.0, 3.0]), values(&[4.0, 5.0]));
            let parts = [terms.normal, terms.confirmed, terms.anomalous].map(cells);
            assert_eq!(parts, [unlabelled.to_vec(), confirmed.to_vec(), vec![4.0, 5.0]]);
        }
    }
}
