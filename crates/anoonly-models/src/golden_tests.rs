//! Compares losses, gradients and scores of networks with PyTorch. `golden/networks.py` generates the reference values in
//! `golden/networks.json` and defines the weights and rows.

use anoonly_core::Seed;
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use serde::Deserialize;

use crate::layers::host::{cells, tensor};
use crate::{AnyNetwork, AnyNetworkMethod, Batch, LossTerms, Network, NetworkMethod, TrainingData};

#[derive(Deserialize)]
struct Case {
    method: AnyNetworkMethod,
    columns: usize,
    unlabelled: usize,
    anomalies: usize,
    normal: Vec<f32>,
    anomalous: Vec<f32>,
    scores: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

/// `factor · sin(step · number)` for consecutive numbers, starting at `from`.
fn sines(from: usize, count: usize, step: f64, factor: f64) -> Vec<f32> {
    (from..from + count).map(|number| (factor * (step * number as f64).sin()) as f32).collect()
}

/// Sets the weights of a network; counts them.
struct SetWeights(usize);

impl<B: Backend> ModuleMapper<B> for SetWeights {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| {
            let count = tensor.shape().num_elements();
            let values = sines(self.0 + 1, count, 1.0, 0.5);
            self.0 += count;
            let new = Tensor::from_data(TensorData::new(values, tensor.shape()), &tensor.device());
            new.set_require_grad(tensor.is_require_grad())
        })
    }
}

/// Collects the gradients of all tensors.
struct Gradients<'a, B: AutodiffBackend>(&'a B::Gradients, Vec<Vec<f32>>);

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.1.push(cells(param.val().grad(self.0).expect("every tensor has a gradient")));
    }
}

#[track_caller]
fn close(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= 2e-5 * (0.1 + b.abs()), "{what}: {a}, but PyTorch says {b}");
    }
}

fn check<B: Backend>() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../golden/networks.json")).unwrap();
    for case in cases {
        let Case { method, columns, unlabelled, .. } = case;
        let count = unlabelled + case.anomalies;
        let rows = tensor::<B, 2>(sines(1, count * columns, 0.7, 1.0), [count, columns], &Default::default());
        let data = TrainingData {
            rows: rows.clone(),
            others: (0..unlabelled).collect(),
            anomalies: (unlabelled..count).collect(),
            normals: Vec::new(),
        };
        let network = method.init(&data, &mut Seed(1).stream(&[]));
        let network = AnyNetwork::<Autodiff<B>>::from_inner(network).map(&mut SetWeights(0));
        let batch = Batch::new(Tensor::from_inner(rows.clone()), unlabelled);
        let LossTerms { normal, anomalous, .. } = network.terms(&batch);
        close(&cells(normal.clone()), &case.normal, &format!("losses of unlabelled rows, {method:?}"));
        close(&cells(anomalous.clone()), &case.anomalous, &format!("losses of anomalies, {method:?}"));
        let sum = match case.anomalies {
            0 => normal.sum(),
            _ => normal.sum() + anomalous.sum(),
        };
        let gradients = sum.div_scalar(count as f64).backward();
        let mut ours = Gradients::<Autodiff<B>>(&gradients, Vec::new());
        network.visit(&mut ours);
        assert_eq!(ours.1.len(), case.gradients.len(), "{method:?}");
        for (at, (ours, theirs)) in ours.1.iter().zip(&case.gradients).enumerate() {
            close(ours, theirs, &format!("gradients of tensor {at}, {method:?}"));
        }
        close(&cells(network.valid().score(rows)), &case.scores, &format!("scores, {method:?}"));
    }
}

#[test]
fn networks_match_pytorch_on_ndarray() {
    check::<NdArray>();
}

#[test]
fn networks_match_pytorch_on_flex() {
    check::<Flex>();
}
