//! Losses, gradients, optimisers and normalisations compared with PyTorch. `golden/steps.py` makes `golden/steps.json`.

use anoonly_core::Seed;
use anoonly_models::networks::devnet::{AnomalyLoss, DevNet, DevNetConfig};
use anoonly_models::recipe::Optimiser;
use anoonly_models::{Batch, Network, NetworkMethod, Norm, StepRows, TrainingData};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor, TensorData};
use serde::Deserialize;

use crate::Supervision;
use crate::optimiser::{DirectStepper, Stepper};

const FEATURES: usize = 6;
const ROWS: usize = 12;
const UNLABELLED: usize = 7;

#[derive(Deserialize)]
struct Case {
    norm: Norm,
    normal_weight: f64,
    anomaly_loss: AnomalyLoss,
    optimiser: Optimiser,
    start: Vec<Vec<f32>>,
    batches: Vec<Vec<f32>>,
    losses: Vec<f32>,
    end: Vec<Vec<f32>>,
    probe: Vec<f32>,
    scores: Vec<f32>,
}

/// Puts values into the tensors of a network, in the order of its fields.
struct PutInOrder(std::vec::IntoIter<Vec<f32>>);

impl<B: Backend> ModuleMapper<B> for PutInOrder {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| {
            let values = self.0.next().expect("a value for every tensor");
            let new = Tensor::from_data(TensorData::new(values, tensor.shape()), &tensor.device());
            new.set_require_grad(tensor.is_require_grad())
        })
    }
}

/// Reads the values of the tensors of a network, in the order of its fields.
struct TakeInOrder(Vec<Vec<f32>>);

impl<B: Backend> ModuleVisitor<B> for TakeInOrder {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.push(param.val().into_data().iter::<f32>().collect());
    }
}

#[track_caller]
fn close(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= 2e-5 * (1.0 + b.abs()), "{what}: {a}, but PyTorch computes {b}");
    }
}

fn tensor<B: Backend>(values: &[f32], rows: usize) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [rows, FEATURES]), &B::Device::default())
}

/// Compares three steps through burn's graph.
fn check<B: Backend>(index: usize, case: Case) {
    let name = format!("case {index}, {:?}, {:?}, {:?}", case.norm, case.anomaly_loss, case.optimiser);
    let config = DevNetConfig { norm: case.norm, anomaly_loss: case.anomaly_loss, ..Default::default() };
    let data =
        TrainingData::<B> { rows: tensor(&case.probe, 4), others: vec![0], anomalies: vec![1], normals: Vec::new() };
    let network = config.init(&data, &mut Seed(1).stream(&[]));
    let mut network = DevNet::<Autodiff<B>>::from_inner(network).map(&mut PutInOrder(case.start.into_iter()));
    let mut stepper = Stepper::new(&case.optimiser);
    let supervision = Supervision::Blend { normal_weight: case.normal_weight, norm: case.norm };
    let mut losses = Vec::new();
    for batch in &case.batches {
        let terms = network.terms(&Batch::new(tensor(batch, ROWS), UNLABELLED));
        let loss = supervision.loss(terms) + network.penalty(1).expect("a hidden layer has a penalty");
        network = stepper.step(case.optimiser.learning_rate(), network, &loss);
        losses.push(loss.into_scalar().elem::<f32>());
    }
    close(&losses, &case.losses, &format!("losses of {name}"));
    let network = network.valid();
    let mut end = TakeInOrder(Vec::new());
    network.visit(&mut end);
    assert_eq!(end.0.len(), case.end.len(), "{name}");
    for (ours, theirs) in end.0.iter().zip(&case.end) {
        close(ours, theirs, &format!("weights of {name}"));
    }
    let scores: Vec<f32> = network.score(tensor(&case.probe, 4)).into_data().iter::<f32>().collect();
    close(&scores, &case.scores, &format!("scores of {name}"));
}

/// Compares three direct steps. The batches are joined to one training set, and each step selects its rows.
fn check_direct(index: usize, case: &Case) {
    type B = burn_flex::Flex;
    let name = format!("case {index}, {:?}, {:?}, {:?}", case.norm, case.anomaly_loss, case.optimiser);
    let config = DevNetConfig { norm: case.norm, anomaly_loss: case.anomaly_loss, ..Default::default() };
    let rows = tensor(&case.batches.concat(), ROWS * case.batches.len());
    let data = TrainingData::<B> { rows, others: vec![0], anomalies: vec![1], normals: Vec::new() };
    let network = config.init(&data, &mut Seed(1).stream(&[]));
    let network = DevNet::<Autodiff<B>>::from_inner(network).map(&mut PutInOrder(case.start.clone().into_iter()));
    let Some(mut direct) = network.direct(&data) else {
        assert_eq!(case.norm, Norm::Layer, "{name}: only layer normalisation has no direct steps");
        return;
    };
    let mut stepper = DirectStepper::new(&case.optimiser);
    for (step, loss) in case.losses.iter().enumerate() {
        let indices = (step * ROWS..(step + 1) * ROWS).collect();
        let batch = StepRows { indices, unlabelled: UNLABELLED, normals: 0 };
        let supervision = Supervision::Blend { normal_weight: case.normal_weight, norm: case.norm };
        close(&[direct.descend(&batch, &|counts| supervision.weights(counts))], &[*loss], &format!("losses of {name}"));
        stepper.step(case.optimiser.learning_rate(), direct.trained());
    }
    let network = network.valid().map(&mut anoonly_models::kernels::Put(direct.values()));
    let scores: Vec<f32> = network.score(tensor(&case.probe, 4)).into_data().iter::<f32>().collect();
    close(&scores, &case.scores, &format!("scores of {name}"));
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../golden/steps.json")).unwrap()
}

#[test]
fn three_steps_agree_with_pytorch_on_ndarray() {
    cases().into_iter().enumerate().for_each(|(index, case)| check::<burn_ndarray::NdArray>(index, case));
}

#[test]
fn three_steps_agree_with_pytorch_on_flex() {
    cases().into_iter().enumerate().for_each(|(index, case)| check::<burn_flex::Flex>(index, case));
}

#[test]
fn three_direct_steps_agree_with_pytorch() {
    cases().iter().enumerate().for_each(|(index, case)| check_direct(index, case));
}

/// Needs a Vulkan driver. Mesa's software driver (Debian's `mesa-vulkan-drivers`) is enough.
#[cfg(feature = "wgpu")]
#[test]
fn three_steps_agree_with_pytorch_on_wgpu() {
    cases().into_iter().enumerate().for_each(|(index, case)| check::<burn_wgpu::Wgpu>(index, case));
}
