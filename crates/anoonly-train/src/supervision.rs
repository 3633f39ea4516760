//! The AnoOnly strategy: which part of a loss trains.
//!
//! Zhou et al., "AnoOnly: Semi-Supervised Anomaly Detection with the Only Loss on Anomalies", arXiv 2305.18798.

use std::fmt;

use anoonly_models::Norm;
#[cfg(feature = "fit")]
use anoonly_models::kernels::{ExampleCounts, NormalWeights};
#[cfg(feature = "fit")]
use anoonly_models::members::sums;
#[cfg(feature = "fit")]
use anoonly_models::{LossTerms, NetworkMethod};
#[cfg(feature = "fit")]
use burn::tensor::Tensor;
#[cfg(feature = "fit")]
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// The strategy that decides how a method learns from labelled anomalies and unlabelled rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supervision {
    /// The method as its authors train it. Unlabelled rows are treated as normal, and both parts of the loss train.
    Full,
    /// AnoOnly: only the loss of the labelled rows trains. The unlabelled rows are still part of every batch, and act only through
    /// batch normalisation. Labelled anomalies and rows that are confirmed as normal weigh the same; the paper has no such rows.
    AnomalyOnly,
    /// For ablations: AnoOnly's form of the method, with any normalisation and with part of the loss on normal rows. AnoOnly's
    /// form may differ from the host's in more than the normalisation: DevNet's anomaly loss is unbounded in it.
    Blend {
        /// The weight λ of the loss on normal rows. It is 0 in AnoOnly. At 1, this loss counts as much as the loss on
        /// anomalies.
        normal_weight: f64,
        /// The normalisation. AnoOnly uses [`Norm::Batch`].
        norm: Norm,
    },
}

/// The name in options and results. A blend lists its values.
impl fmt::Display for Supervision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Supervision::Full => f.pad("host"),
            Supervision::AnomalyOnly => f.pad("anoonly"),
            Supervision::Blend { normal_weight, norm } => write!(f, "normal weight {normal_weight}, {norm:?} norm"),
        }
    }
}

#[cfg(feature = "fit")]
impl Supervision {
    /// Converts a method to the form that this strategy trains.
    pub fn prepare<M: NetworkMethod>(self, method: M) -> M {
        match self {
            Supervision::Full => method,
            Supervision::AnomalyOnly => method.anomaly_only(),
            Supervision::Blend { norm, .. } => method.anomaly_only().with_norm(norm),
        }
    }

    /// The weight λ of the loss on rows that are not labelled anomalies.
    pub fn normal_weight(self) -> f64 {
        match self {
            Supervision::Full => 1.0,
            Supervision::AnomalyOnly => 0.0,
            Supervision::Blend { normal_weight, .. } => normal_weight,
        }
    }

    /// The weight of each example's loss in a batch; that of an anomalous example is 1.
    ///
    /// The host's loss has the weight λ. If a batch has both unlabelled and confirmed normal examples, each kind gets half of this
    /// weight. AnoOnly's loss on confirmed normals has the weight 1 − λ, and they then weigh as much as all anomalous examples together.
    pub fn weights(self, counts: ExampleCounts) -> NormalWeights {
        let ExampleCounts { normal, confirmed, anomalous } = counts;
        let host = |kind: usize| match normal.min(confirmed) {
            0 => self.normal_weight(),
            _ => self.normal_weight() * (normal + confirmed) as f64 / (2 * kind) as f64,
        };
        let balanced = (1.0 - self.normal_weight()) * anomalous as f64 / confirmed.max(1) as f64;
        NormalWeights { normal: host(normal), confirmed: host(confirmed) + balanced }
    }

    /// The loss of a batch, `[1]`: `(ν·Σ normal + κ·Σ confirmed + Σ anomalous) / examples` with the [`weights`](Self::weights) ν and κ. A
    /// part without weight has a gradient of zero.
    pub fn loss<B: Backend>(self, terms: LossTerms<B>) -> Tensor<B, 1> {
        self.losses(terms, 1)
    }

    /// The [`loss`](Self::loss) of each member of a stack, `[members]`, whose batches have the same numbers of examples.
    pub fn losses<B: Backend>(self, terms: LossTerms<B>, members: usize) -> Tensor<B, 1> {
        let LossTerms { normal, confirmed, anomalous } = terms;
        let [normals, confirmations, anomalies] =
            [&normal, &confirmed, &anomalous].map(|part| part.dims()[0] / members);
        let counts = ExampleCounts { normal: normals, confirmed: confirmations, anomalous: anomalies };
        let weights = self.weights(counts);
        let mut sum = Tensor::zeros([members], &anomalous.device());
        if anomalies > 0 {
            sum = sum + sums(anomalous, members);
        }
        for (part, examples, weight) in
            [(normal, normals, weights.normal), (confirmed, confirmations, weights.confirmed)]
        {
            // In a batch without anomalies, the gradient must be zero and not missing: an optimiser with momentum still makes a
            // step.
            if examples > 0 && (weight > 0.0 || anomalies == 0) {
                sum = sum + sums(part, members).mul_scalar(weight);
            }
        }
        sum.div_scalar(counts.total().max(1) as f64)
    }

    /// The [`loss`](Self::loss) of each member of a stack, `[members]`, whose batches have the given numbers of rows of each kind. Each part
    /// holds a value for every row ([`Batch::uneven`](anoonly_models::Batch::uneven)).
    pub fn uneven_losses<B: Backend>(self, terms: LossTerms<B>, counts: &[ExampleCounts]) -> Tensor<B, 1> {
        let LossTerms { normal, confirmed, anomalous } = terms;
        let device = anomalous.device();
        let mut factors = [(); 3].map(|()| Vec::with_capacity(anomalous.dims()[0]));
        for &counts in counts {
            let NormalWeights { normal, confirmed } = self.weights(counts);
            let examples = counts.total().max(1) as f64;
            let kinds = [(counts.normal, normal), (counts.confirmed, confirmed), (counts.anomalous, 1.0)];
            for (kind, (rows, weight)) in kinds.into_iter().enumerate() {
                for (part, factors) in factors.iter_mut().enumerate() {
                    let factor = if part == kind { weight / examples } else { 0.0 };
                    factors.extend(std::iter::repeat_n(factor as f32, rows));
                }
            }
        }
        let labelled = counts.iter().any(|counts| counts.anomalous > 0);
        let mut sum = Tensor::zeros([counts.len()], &device);
        for (part, factors) in [normal, confirmed, anomalous].into_iter().zip(factors) {
            // A part without weight may be infinite, so it is left out; without anomalies, it makes the gradient zero and not missing.
            if !labelled || factors.iter().any(|factor| *factor > 0.0) {
                sum = sum + sums(part * Tensor::from_data(factors.as_slice(), &device), counts.len());
            }
        }
        sum
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use anoonly_models::networks::devnet::DevNetConfig;
    use anoonly_models::{Batch, Network, NetworkMethod, TrainingData};
    use burn::backend::Autodiff;
    use burn::module::AutodiffModule;
    use burn::optim::{AdamConfig, GradientsParams, Optimizer};
    use burn::tensor::ElementConversion;
    use burn_ndarray::NdArray;

    /// The loss of a batch of two anomalies and two unlabelled rows. The unlabelled rows are shifted.
    fn loss(supervision: Supervision, shift: f32) -> f32 {
        let rows = [[shift, 1.0], [0.3 + shift, 0.2], [0.9, 0.1], [0.4, 0.8]];
        let data = TrainingData::<NdArray> {
            rows: Tensor::from_data(rows, &Default::default()),
            others: vec![0, 1],
            anomalies: vec![2, 3],
            normals: Vec::new(),
        };
        let method = supervision.prepare(DevNetConfig::default());
        let network = method.init(&data, &mut Seed(1).stream(&[]));
        let network = anoonly_models::networks::devnet::DevNet::<Autodiff<NdArray>>::from_inner(network);
        let terms = network.terms(&Batch::new(Tensor::from_inner(data.rows), 2));
        supervision.loss(terms).into_scalar().elem()
    }

    #[test]
    fn under_anoonly_unlabelled_rows_act_only_through_batch_normalisation() {
        let without = Supervision::Blend { normal_weight: 0.0, norm: Norm::None };
        assert_eq!(loss(without, 0.0), loss(without, 0.5));
        let layer = Supervision::Blend { normal_weight: 0.0, norm: Norm::Layer };
        assert_eq!(loss(layer, 0.0), loss(layer, 0.5));
        assert_ne!(loss(Supervision::AnomalyOnly, 0.0), loss(Supervision::AnomalyOnly, 0.5));
        assert_ne!(loss(Supervision::Full, 0.0), loss(Supervision::Full, 0.5));
    }

    #[test]
    fn a_blend_interpolates_between_anoonly_and_the_full_loss() {
        let blend = |normal_weight| loss(Supervision::Blend { normal_weight, norm: Norm::Batch }, 0.0);
        assert_eq!(blend(0.0), loss(Supervision::AnomalyOnly, 0.0));
        let half = (blend(0.0) + blend(1.0)) / 2.0;
        assert!((blend(0.5) - half).abs() < 1e-6 && blend(1.0) > blend(0.0));
    }

    #[test]
    fn an_empty_part_adds_no_loss_and_no_nan() {
        let part = |values: &[f32]| Tensor::<NdArray, 1>::from_data(values, &Default::default());
        let loss = |normal: &[f32], anomalous: &[f32]| {
            let terms = LossTerms { normal: part(normal), confirmed: part(&[]), anomalous: part(anomalous) };
            Supervision::AnomalyOnly.loss(terms).into_scalar()
        };
        assert_eq!(loss(&[1.0, 3.0], &[]), 0.0);
        assert_eq!(loss(&[], &[4.0, 6.0]), 5.0);
        assert_eq!(loss(&[], &[]), 0.0);
    }

    /// Four unlabelled examples, two confirmed normals and six anomalous ones.
    #[test]
    fn confirmed_normals_are_balanced_with_anomalies_or_with_unlabelled_rows() {
        let counts = ExampleCounts { normal: 4, confirmed: 2, anomalous: 6 };
        let weights = |supervision: Supervision, counts| {
            let NormalWeights { normal, confirmed } = supervision.weights(counts);
            (normal, confirmed)
        };
        assert_eq!(weights(Supervision::AnomalyOnly, counts), (0.0, 3.0));
        assert_eq!(weights(Supervision::Full, counts), (0.75, 1.5));
        let half = Supervision::Blend { normal_weight: 0.5, norm: Norm::Batch };
        assert_eq!(weights(half, counts), (0.375, 2.25));
        assert_eq!(weights(Supervision::Full, ExampleCounts { normal: 0, ..counts }).1, 1.0);
        assert_eq!(weights(Supervision::Full, ExampleCounts { confirmed: 0, ..counts }).0, 1.0);

        let part = |values: &[f32]| Tensor::<NdArray, 1>::from_data(values, &Default::default());
        let loss = |supervision: Supervision| {
            let (normal, confirmed, anomalous) = (part(&[1.0; 4]), part(&[2.0; 2]), part(&[5.0; 6]));
            supervision.loss(LossTerms { normal, confirmed, anomalous }).into_scalar()
        };
        assert_eq!(loss(Supervision::AnomalyOnly), (30.0 + 3.0 * 4.0) / 12.0);
        assert_eq!(loss(Supervision::Full), (30.0 + 0.75 * 4.0 + 1.5 * 4.0) / 12.0);
    }

    /// In an uneven batch, each part has a value for every row. The values of rows of another kind do not count.
    #[test]
    fn members_with_uneven_batches_have_their_own_losses() {
        let part = |values: &[f32]| Tensor::<NdArray, 1>::from_data(values, &Default::default());
        let [normal, confirmed, anomalous] = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [9.0, 10.0, 11.0, 12.0]];
        let both = |of: [f32; 4]| part(&[of, of].concat());
        let counts = |normal, confirmed, anomalous| ExampleCounts { normal, confirmed, anomalous };
        for counts in [[counts(2, 1, 1), counts(1, 0, 3)], [counts(3, 1, 0), counts(1, 1, 2)]] {
            for supervision in [Supervision::Full, Supervision::AnomalyOnly] {
                let terms = LossTerms { normal: both(normal), confirmed: both(confirmed), anomalous: both(anomalous) };
                let losses = supervision.uneven_losses(terms, &counts).into_data().to_vec::<f32>().unwrap();
                let alone = counts.map(|ExampleCounts { normal: unlabelled, confirmed: normals, .. }| {
                    let others = unlabelled + normals;
                    let terms = LossTerms {
                        normal: part(&normal[..unlabelled]),
                        confirmed: part(&confirmed[unlabelled..others]),
                        anomalous: part(&anomalous[others..]),
                    };
                    supervision.loss(terms).into_scalar()
                });
                assert!(losses.iter().zip(alone).all(|(a, b)| (a - b).abs() < 1e-6), "{losses:?} and {alone:?}");
            }
        }
    }

    #[test]
    fn a_batch_without_anomalies_has_a_gradient_of_zero() {
        let rows = Tensor::<NdArray, 2>::from_data([[0.1, 1.0], [0.3, 0.2]], &Default::default());
        let data = TrainingData { rows: rows.clone(), others: vec![0], anomalies: vec![1], normals: Vec::new() };
        let method = Supervision::AnomalyOnly.prepare(DevNetConfig::default());
        let start = method.init(&data, &mut Seed(1).stream(&[]));
        let network = anoonly_models::networks::devnet::DevNet::<Autodiff<NdArray>>::from_inner(start);
        let loss = Supervision::AnomalyOnly.loss(network.terms(&Batch::new(Tensor::from_inner(rows.clone()), 2)));
        let before = network.valid().score(rows.clone()).into_data();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        assert!(!gradients.is_empty(), "the gradient is missing, not zero");
        let adam = AdamConfig::new();
        let network = adam.init().step(0.1, network, gradients);
        assert_eq!(network.valid().score(rows).into_data(), before);
    }
}
