//! The rows of one training step.

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor};

use super::data::{TrainingData, index_tensor};
use crate::kernels::ExampleCounts;
use crate::members;

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

    /// The device of the rows.
    pub(crate) fn device(&self) -> B::Device {
        self.distinct.device()
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

/// A range of the first dimension. It may be empty.
pub(crate) fn section<B: Backend, const D: usize>(tensor: Tensor<B, D>, from: usize, count: usize) -> Tensor<B, D> {
    members::section(tensor, 1, from, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::cells;
    use burn::backend::Autodiff;
    use burn::tensor::TensorData;
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
}
