//! Methods that are trained by gradient descent: networks, losses per example, and batches.

mod batch;
mod data;

use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;

use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::norm::NormLayer;
use crate::recipe::Recipe;
use crate::{Method, MethodKind, Norm, Shapes};

pub use batch::{Batch, StepRows};
pub(crate) use batch::{Distinct, section};
pub use data::TrainingData;

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
        Tensor::zeros([batch.rows()], &batch.device())
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
        if batch.uneven().is_some() {
            return Self { confirmed: normal.clone(), normal, anomalous };
        }
        let unlabelled = batch.others() - batch.normals();
        let confirmed = batch.section(normal.clone(), unlabelled, batch.normals());
        let normal = if batch.normals() == 0 { normal } else { batch.section(normal, 0, unlabelled) };
        Self { normal, confirmed, anomalous }
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
    use burn_ndarray::NdArray;

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
