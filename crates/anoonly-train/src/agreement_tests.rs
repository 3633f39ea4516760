//! The GPU backends compared with ndarray: scores, gradients, the first steps and whole fits of the four hosts of the AnoOnly
//! paper under both strategies; scores of every network; rules, which run on the CPU whatever the backend.
//!
//! The tests of wgpu need a Vulkan driver. Mesa's software driver (Debian's `mesa-vulkan-drivers`) is enough. The tests of CUDA
//! need a GPU of NVIDIA.

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::recipe::{Batches, Recipe};
use anoonly_models::{AnyMethod, AnyNetwork, Batch, MethodForm, Network, NetworkMethod, StepRows, TrainingData};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::Array2;

use crate::backend::{BackendName, ComputeDevice, OnBackend};
use crate::network::to_tensor;
use crate::{Detector, Supervision, model_file};

/// The largest difference between the GPU and ndarray, as a share of the largest value.
const TOLERANCE: f32 = 1e-4;

/// The tolerance after training.
///
/// FEAWAD divides a residual by its own length, which amplifies rounding: on ndarray, a change of the last bit in the data
/// changes its scores by up to about 3e-3. PReNet's loss has a kink where the score of a pair meets its target, and rounding
/// decides on which side a pair is.
fn tolerance_of_training(name: &str) -> f32 {
    match name {
        "feawad" => 5e-2,
        "prenet" => 1e-3,
        _ => TOLERANCE,
    }
}

/// The tolerance of gradients.
fn tolerance_of_gradients(name: &str) -> f32 {
    if name == "feawad" { 1e-3 } else { TOLERANCE }
}

const ANOMALIES: usize = 8;

fn samples() -> Samples {
    let noise = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 1000) as f32 / 1000.0 - 0.5;
    let features = Array2::from_shape_fn((88, 4), |(r, c)| noise(r, c) + if r < ANOMALIES { 3.0 } else { 0.0 });
    let labels = (0..88).map(|row| if row < ANOMALIES { Label::Anomaly } else { Label::Unlabelled }).collect();
    Samples::new(features, labels).unwrap()
}

/// A method with this number of epochs and of steps in an epoch, if it is trained in epochs.
fn shortened(name: &str, epochs: usize, steps: usize) -> AnyMethod {
    let mut method = AnyMethod::by_name(name).unwrap();
    let shorten = |recipe: &mut Recipe| {
        recipe.epochs = epochs;
        match &mut recipe.batches {
            Batches::Balanced { steps: of, .. } => *of = steps,
            // All rows fit into one batch, so an epoch is one step.
            Batches::Shuffled { .. } | Batches::Unlabelled { .. } => recipe.epochs = epochs * steps,
        }
    };
    method.recipe_mut().into_iter().for_each(shorten);
    if let AnyMethod::Feawad(feawad) = &mut method {
        shorten(&mut feawad.pretraining);
    }
    method
}

fn detector(name: &str, supervision: Supervision, epochs: usize, steps: usize) -> Detector {
    Detector::new(shortened(name, epochs, steps), supervision, Seed(1)).unwrap()
}

/// The GPU backend that is tested, on its first device. In a build with both, the environment variable `ANOONLY_GPU` names one.
pub(crate) fn gpu() -> ComputeDevice {
    let backend = match std::env::var("ANOONLY_GPU") {
        Ok(name) => name.parse().unwrap(),
        Err(_) if cfg!(feature = "cuda") => BackendName::Cuda,
        Err(_) => BackendName::Wgpu,
    };
    ComputeDevice::new(backend, None).unwrap()
}

fn ndarray() -> ComputeDevice {
    ComputeDevice::new(BackendName::Ndarray, None).unwrap()
}

/// The scores of the training rows.
fn scores_of_a_fit(detector: &Detector, device: &ComputeDevice) -> Vec<f32> {
    detector.fit(&samples(), device).unwrap().score(samples().features()).unwrap()
}

#[track_caller]
fn close(gpu: &[f32], ndarray: &[f32], tolerance: f32, what: &str) {
    assert_eq!(gpu.len(), ndarray.len(), "{what}");
    let largest = ndarray.iter().fold(0.0f32, |max, value| max.max(value.abs()));
    let worst = gpu.iter().zip(ndarray).fold(0.0f32, |max, (a, b)| max.max((a - b).abs()));
    assert!(worst <= tolerance * largest, "{what}: {:e} of the largest value, {largest}", worst / largest);
}

/// Computes the gradient of the loss of one batch for each tensor of a new network.
struct Gradients(AnyMethod, Supervision);

impl OnBackend for Gradients {
    type Output = Vec<Vec<f32>>;

    fn run<B: Backend>(self, device: B::Device) -> Vec<Vec<f32>> {
        let Self(method, supervision) = self;
        let detector = Detector::new(method, supervision, Seed(1)).unwrap();
        let MethodForm::Network(method) = detector.method().form() else { panic!("a rule has no gradients") };
        let samples = samples();
        let rows = to_tensor::<B>(samples.features().clone(), &device);
        let data = TrainingData {
            rows,
            others: (ANOMALIES..88).collect(),
            anomalies: (0..ANOMALIES).collect(),
            normals: Vec::new(),
        };
        let network = method.init(&data, &mut Seed(1).stream(&["weights"]));
        let network = AnyNetwork::<Autodiff<B>>::from_inner(network);
        let indices: Vec<usize> = (ANOMALIES..40).chain((0..32).map(|row| row % ANOMALIES)).collect();
        let step = StepRows { indices, unlabelled: 32, normals: 0 };
        let loss = supervision.loss(network.terms(&Batch::gather(&data, &step)));
        let mut collected =
            CollectGradients { gradients: GradientsParams::from_grads(loss.backward(), &network), values: Vec::new() };
        network.visit(&mut collected);
        collected.values
    }
}

/// Collects the gradients of the tensors of a network.
struct CollectGradients {
    gradients: GradientsParams,
    values: Vec<Vec<f32>>,
}

impl<B: Backend> ModuleVisitor<Autodiff<B>> for CollectGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
        if let Some(gradient) = self.gradients.get::<B, D>(param.id) {
            self.values.push(gradient.into_data().iter::<f32>().collect());
        }
    }
}

fn the_same_weights_score_alike(name: &str, supervision: Supervision) {
    let fitted = detector(name, supervision, 1, 20).fit(&samples(), &ndarray()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let scores = fitted.score(samples().features()).unwrap();
    model_file::write(&path, &[fitted], &()).unwrap();
    let (members, ()) = model_file::read(&path, &gpu()).unwrap();
    close(&members[0].score(samples().features()).unwrap(), &scores, TOLERANCE, name);
}

fn gradients_are_alike(name: &str, supervision: Supervision) {
    let gradients = || Gradients(AnyMethod::by_name(name).unwrap(), supervision);
    let (on_gpu, on_ndarray) = (gpu().run(gradients()), ndarray().run(gradients()));
    assert!(on_gpu.len() >= 2 && on_gpu.len() == on_ndarray.len(), "{name}");
    for (tensor, (gpu, ndarray)) in on_gpu.iter().zip(&on_ndarray).enumerate() {
        assert!(ndarray.iter().any(|value| *value != 0.0), "tensor {tensor} of {name} has no gradient");
        close(gpu, ndarray, tolerance_of_gradients(name), &format!("gradient of tensor {tensor} of {name}"));
    }
}

fn twenty_steps_are_alike(name: &str, supervision: Supervision) {
    let scores = |device: ComputeDevice| scores_of_a_fit(&detector(name, supervision, 1, 20), &device);
    close(&scores(gpu()), &scores(ndarray()), tolerance_of_training(name), name);
}

fn a_whole_fit_is_alike(name: &str, supervision: Supervision) {
    let scores = |device: ComputeDevice| scores_of_a_fit(&detector(name, supervision, 10, 20), &device);
    close(&scores(gpu()), &scores(ndarray()), tolerance_of_training(name), name);
}

/// Defines a test for each check, method and strategy.
macro_rules! agreement {
    ($($method:ident)*) => {
        mod gpu {
            $(mod $method {
                mod host { agreement!(stringify!($method), crate::Supervision::Full); }
                mod anoonly { agreement!(stringify!($method), crate::Supervision::AnomalyOnly); }
            })*
        }
    };
    ($method:expr, $supervision:expr) => {
        agreement!(@ $method, $supervision,
            the_same_weights_score_alike gradients_are_alike twenty_steps_are_alike a_whole_fit_is_alike);
    };
    (@ $method:expr, $supervision:expr, $($check:ident)*) => {
        $(#[test] fn $check() { $crate::agreement_tests::$check($method, $supervision) })*
    };
}

agreement! { devnet prenet feawad deepsad }

mod gpu_every_method {
    use super::*;

    /// Every network is fitted on the CPU and scores on both.
    #[test]
    fn scores_alike() {
        for method in AnyMethod::all().into_iter().filter(|method| method.recipe().is_some()) {
            the_same_weights_score_alike(method.info().name, Supervision::Full);
        }
    }

    /// Differences are measured against the largest gradient of all tensors. The gradient of a bias before a batch
    /// normalisation, or of the keys of an attention, is 0 except for rounding and has no scale of its own.
    #[test]
    fn has_gradients_that_are_alike() {
        for method in AnyMethod::all().into_iter().filter(|method| method.recipe().is_some()) {
            let name = method.info().name;
            let strategies = [Supervision::Full, Supervision::AnomalyOnly];
            for supervision in &strategies[..if method.takes_strategy() { 2 } else { 1 }] {
                let gradients = || Gradients(method.clone(), *supervision);
                let (on_gpu, on_ndarray) = (gpu().run(gradients()), ndarray().run(gradients()));
                assert_eq!(on_gpu.len(), on_ndarray.len(), "{name}");
                close(&on_gpu.concat(), &on_ndarray.concat(), tolerance_of_gradients(name), name);
            }
        }
    }

    /// A rule is fitted and scores on the CPU, so its scores are the same bits.
    #[test]
    fn without_gradients_does_not_depend_on_the_backend() {
        for method in AnyMethod::all().into_iter().filter(|method| method.recipe().is_none()) {
            let detector = Detector::new(method, Supervision::Full, Seed(1)).unwrap();
            assert_eq!(scores_of_a_fit(&detector, &gpu()), scores_of_a_fit(&detector, &ndarray()), "{detector:?}");
        }
    }
}
