//! The training rows of networks that are trained together.

use std::borrow::Cow;

use anoonly_core::ByClass;
use anoonly_core::scale::MinMaxScaler;
use anoonly_models::{Batch, StepRows, TrainingData};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::sampler::RowClasses;

/// The training rows of one or more members. All rows are on the device once.
pub(crate) struct MemberRows<'a, B: Backend> {
    shared: &'a TrainingData<B>,
    members: usize,
    /// The part of the rows that each member is fitted on; `None` if it is all rows, which are scaled then.
    folds: Option<OnFolds<'a, B>>,
}

/// A part of the rows, with its own scaling and classes, as if there were no other rows.
#[derive(Clone, Debug)]
pub(crate) struct FoldRows {
    /// Row indices, in ascending order.
    pub rows: Vec<usize>,
    /// Positions in `rows`.
    pub classes: ByClass,
    pub scaler: MinMaxScaler,
    /// The factors of the scaling in `f32`.
    pub scale: Vec<f32>,
}

struct OnFolds<'a, B: Backend> {
    /// The fold of each member.
    of: Vec<&'a FoldRows>,
    /// The scaling of each member, `[members, 1, columns]`: what is subtracted from a row, and the factor that follows.
    minimum: Tensor<B, 3>,
    scale: Tensor<B, 3>,
}

impl<'a, B: Backend> MemberRows<'a, B> {
    /// Members that are fitted on all rows, which are scaled.
    pub fn all(shared: &'a TrainingData<B>, members: usize) -> Self {
        Self { shared, members, folds: None }
    }

    /// Members that are fitted on a fold each. The rows are not scaled.
    pub fn of_folds(shared: &'a TrainingData<B>, of: Vec<&'a FoldRows>) -> Self {
        let members = of.len();
        let by_member = |values: &dyn Fn(&'a FoldRows) -> &'a [f32]| {
            let cells: Vec<f32> = of.iter().flat_map(|fold| values(fold)).copied().collect();
            Tensor::from_data(TensorData::new(cells, [members, 1, shared.columns()]), &shared.rows.device())
        };
        let (minimum, scale) = (by_member(&|fold| fold.scaler.minimum()), by_member(&|fold| &fold.scale));
        Self { shared, members, folds: Some(OnFolds { of, minimum, scale }) }
    }

    /// The number of columns, and the device.
    pub fn layout(&self) -> (usize, B::Device) {
        (self.shared.columns(), self.shared.rows.device())
    }

    /// The number of members.
    pub fn members(&self) -> usize {
        self.members
    }

    /// The rows of a member by class, as positions among its own rows.
    pub fn classes(&self, member: usize) -> RowClasses<'_> {
        match &self.folds {
            None => {
                let TrainingData { others, normals, anomalies, .. } = self.shared;
                RowClasses { others, normals, anomalies }
            }
            Some(folds) => {
                let ByClass { others, normals, anomalies } = &folds.of[member].classes;
                RowClasses { others, normals, anomalies }
            }
        }
    }

    /// The training rows that a member has alone.
    pub fn of(&self, member: usize) -> Cow<'_, TrainingData<B>> {
        let Some(folds) = &self.folds else { return Cow::Borrowed(self.shared) };
        let fold = folds.of[member];
        let part = |of: &Tensor<B, 3>| of.clone().narrow(0, member, 1).squeeze_dim::<2>(0);
        let rows = (self.shared.select(&fold.rows) - part(&folds.minimum)) * part(&folds.scale);
        let ByClass { anomalies, others, normals } = fold.classes.clone();
        Cow::Owned(TrainingData { rows, anomalies, others, normals })
    }

    /// The batch of one step of each member.
    pub fn batch(&self, steps: &[StepRows]) -> Batch<Autodiff<B>> {
        match (&self.folds, steps) {
            (None, [step]) => Batch::gather(self.shared, step),
            (None, steps) => {
                let indices: Vec<usize> = steps.iter().flat_map(|step| &step.indices).copied().collect();
                Batch::of_members(Tensor::from_inner(self.shared.select(&indices)), steps)
            }
            (Some(folds), steps) => {
                let of_fold = |(fold, step): (&&'a FoldRows, &StepRows)| -> Vec<usize> {
                    step.indices.iter().map(|&place| fold.rows[place]).collect()
                };
                let indices: Vec<usize> = folds.of.iter().zip(steps).flat_map(of_fold).collect();
                let shape = [indices.len(), self.shared.columns()];
                let apart = [self.members, indices.len() / self.members, shape[1]];
                let rows = self.shared.select(&indices).reshape(apart);
                let scaled = (rows - folds.minimum.clone()) * folds.scale.clone();
                Batch::of_members(Tensor::from_inner(scaled.reshape(shape)), steps)
            }
        }
    }
}
