//! Compares training steps in plain memory with the autodiff graph of burn's operations on another backend.

use anoonly_core::Seed;
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param, ParamId};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;

use crate::kernels::direct::{ExampleCounts, NormalWeights, Put};
use crate::layers::host::cells;
use crate::networks::deepsad::DeepSadConfig;
use crate::networks::devnet::{AnomalyLoss, Depth, DevNetConfig};
use crate::networks::feawad::{ErrorTerms, FeawadConfig};
use crate::networks::mlp::MlpConfig;
use crate::networks::prenet::PReNetConfig;
use crate::networks::resnet::ResNetConfig;
use crate::{AnyNetwork, AnyNetworkMethod, Batch, LossTerms, Network, NetworkMethod, Norm, StepRows, TrainingData};

const COLUMNS: usize = 37;
const ANOMALIES: usize = 4;

fn data<B: Backend>() -> TrainingData<B> {
    let values = (0..60 * COLUMNS).map(|i| (i * 7919 % 2003) as f32 / 2003.0);
    let values = values.enumerate().map(|(i, cell)| if i / COLUMNS < ANOMALIES { cell + 0.5 } else { cell });
    let rows = Tensor::from_data(TensorData::new(values.collect(), [60, COLUMNS]), &Default::default());
    TrainingData { rows, others: (ANOMALIES..60).collect(), anomalies: (0..ANOMALIES).collect(), normals: Vec::new() }
}

/// Batches with and without repeated anomalies, with confirmed normals, and of a single kind of rows.
fn batches() -> Vec<StepRows> {
    let others = 10..22;
    let step = |indices: Vec<usize>, unlabelled, normals| StepRows { indices, unlabelled, normals };
    vec![
        step(others.clone().chain([1, 3, 1, 1, 0, 3, 2, 1, 0]).collect(), 12, 0),
        step(others.clone().chain([2, 0]).collect(), 12, 0),
        step(others.clone().collect(), 12, 0),
        step(vec![0, 3, 3, 1, 0, 2, 2, 2], 0, 0),
        step(others.clone().chain([1, 3, 1, 1, 0, 3, 2, 1, 0]).collect(), 7, 5),
        step(others.clone().chain([2, 0]).collect(), 0, 12),
    ]
}

/// Weights that depend on all counts.
fn weights(normal_weight: f64) -> impl Fn(ExampleCounts) -> NormalWeights {
    move |ExampleCounts { normal, confirmed, anomalous }| NormalWeights {
        normal: normal_weight,
        confirmed: normal_weight * normal as f64 / 10.0 + anomalous as f64 / confirmed.max(1) as f64,
    }
}

type Results = (f32, [Vec<Vec<f32>>; 2]);

/// Collects the values or the gradients of a network's tensors.
struct Collect<'a, B: AutodiffBackend> {
    gradients: Option<&'a B::Gradients>,
    found: Vec<(ParamId, Vec<f32>)>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Collect<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let found = match self.gradients {
            Some(gradients) => param.val().grad(gradients).map(cells),
            None => Some(cells(param.val())),
        };
        self.found.extend(found.map(|found| (param.id, found)));
    }
}

fn collect<B: AutodiffBackend>(
    network: &impl Module<B>,
    gradients: Option<&B::Gradients>,
    wanted: impl Fn(&ParamId) -> bool,
) -> Vec<Vec<f32>> {
    let mut collect = Collect::<B> { gradients, found: Vec::new() };
    network.visit(&mut collect);
    collect.found.into_iter().filter(|(id, _)| wanted(id)).map(|(_, found)| found).collect()
}

fn network<B: Backend>(method: &AnyNetworkMethod, data: &TrainingData<B>) -> AnyNetwork<Autodiff<B>> {
    AnyNetwork::from_inner(method.init(data, &mut Seed(1).stream(&["weights"])))
}

/// The loss of a second batch, its gradients, and the values of the network after it, including running statistics.
fn by_graph(method: &AnyNetworkMethod, batch: &StepRows, normal_weight: f64) -> Results {
    type B = Autodiff<NdArray>;
    let data = data::<NdArray>();
    let network = network(method, &data);
    assert!(network.direct(&data).is_none(), "this backend has no direct steps");
    let terms = |step: &StepRows| network.terms(&Batch::gather(&data, step));
    terms(&batches()[0]);
    let LossTerms { normal, confirmed, anomalous } = terms(batch);
    let [normals, confirmations, anomalies] = [&normal, &confirmed, &anomalous].map(|part| part.dims()[0]);
    let counts = ExampleCounts { normal: normals, confirmed: confirmations, anomalous: anomalies };
    let weights = weights(normal_weight)(counts);
    let sum = |terms: Tensor<B, 1>| match terms.dims() {
        [0] => Tensor::zeros([1], &Default::default()),
        _ => terms.sum(),
    };
    let normal = sum(normal).mul_scalar(weights.normal) + sum(confirmed).mul_scalar(weights.confirmed);
    let mut loss = (normal + sum(anomalous)).div_scalar(counts.total().max(1) as f32);
    if let Some(penalty) = Network::<B>::penalty(&network, 1) {
        loss = loss + penalty;
    }
    let gradients = collect(&network, Some(&loss.backward()), |_| true);
    // Moving the network to the plain backend and back applies pending updates of the running statistics.
    let values = collect(&AnyNetwork::<B>::from_inner(network.valid()), None, |_| true);
    (loss.into_scalar().elem(), [gradients, values])
}

/// The same results by direct steps; `None` where a network has none.
fn by_direct_steps(method: &AnyNetworkMethod, batch: &StepRows, normal_weight: f64) -> Option<Results> {
    type B = Autodiff<Flex>;
    let data = data::<Flex>();
    let network = network(method, &data);
    let mut direct = network.direct(&data)?;
    direct.descend(&batches()[0], &weights(0.5));
    let loss = direct.descend(batch, &weights(normal_weight));
    let with = |values| AnyNetwork::<B>::from_inner(network.valid()).map(&mut Put(values));
    let values = collect(&with(direct.values()), None, |_| true);
    // Written into the network in place of the values, the gradients are collected in the order of the network.
    let mut ids = Vec::new();
    for trained in direct.trained() {
        trained.values.clone_from(&trained.gradient);
        ids.push(trained.id);
    }
    let gradients = collect(&with(direct.values()), None, |id| ids.contains(id));
    Some((loss, [gradients, values]))
}

/// Where all examples of a batch have the same gradient, batch normalisation cancels it. What remains is a rounding error relative to
/// the other gradients, so the tolerance depends on the largest gradient, too.
#[track_caller]
fn close(graph: &[Vec<f32>], direct: &[Vec<f32>], what: &str) {
    let largest = |values: &[f32]| values.iter().fold(0.0f32, |max, value| max.max(value.abs()));
    let largest_of_all = graph.iter().map(|values| largest(values)).fold(0.0, f32::max);
    assert_eq!(graph.len(), direct.len(), "{what}");
    for (index, (graph, direct)) in graph.iter().zip(direct).enumerate() {
        assert_eq!(graph.len(), direct.len(), "{what}, {index}");
        let tolerance = 1e-4 * largest(graph) + 5e-5 * largest_of_all;
        for (graph, direct) in graph.iter().zip(direct) {
            assert!((graph - direct).abs() <= tolerance, "{what}, {index}: {graph} and {direct}, within {tolerance}");
        }
    }
}

fn devnet(depth: Depth, anomaly_loss: AnomalyLoss) -> AnyNetworkMethod {
    AnyNetworkMethod::DevNet(DevNetConfig { depth, anomaly_loss, ..Default::default() })
}

#[test]
fn direct_steps_match_the_graph() {
    let methods = [
        devnet(Depth::Two, AnomalyLoss::Absolute),
        devnet(Depth::Two, AnomalyLoss::Unbounded),
        devnet(Depth::Four, AnomalyLoss::Hinge),
        AnyNetworkMethod::PReNet(PReNetConfig::default()),
        AnyNetworkMethod::DeepSad(DeepSadConfig::default()),
        AnyNetworkMethod::DeepSad(DeepSadConfig { widths: vec![6], ..Default::default() }),
        AnyNetworkMethod::DeepSad(DeepSadConfig { widths: vec![300, 7], eta: 2.0, ..Default::default() }),
        AnyNetworkMethod::Feawad(FeawadConfig::default()),
        AnyNetworkMethod::Feawad(FeawadConfig { error_terms: ErrorTerms::Judge, margin: 0.5, ..Default::default() }),
        AnyNetworkMethod::Mlp(MlpConfig { widths: vec![100], ..Default::default() }),
        AnyNetworkMethod::Mlp(MlpConfig { widths: vec![20, 300], ..Default::default() }),
        AnyNetworkMethod::ResNet(ResNetConfig::default()),
        AnyNetworkMethod::ResNet(ResNetConfig { dropout: 0.0, blocks: 1, ..Default::default() }),
    ];
    let mut with_all_gradients = 0;
    for method in methods.iter().flat_map(|method| [Norm::None, Norm::Batch].map(|norm| method.clone().with_norm(norm)))
    {
        for (batch, normal_weight) in batches().iter().flat_map(|batch| [0.0, 0.3, 1.0].map(|weight| (batch, weight))) {
            let what = format!("{method:?}, {batch:?}, {normal_weight}");
            let (loss, graph) = by_graph(&method, batch, normal_weight);
            let direct = by_direct_steps(&method, batch, normal_weight);
            if direct.is_none() && matches!(method, AnyNetworkMethod::ResNet(ResNetConfig { norm: Norm::None, .. })) {
                continue;
            }
            let (direct_loss, direct) = direct.expect(&what);
            assert!((loss - direct_loss).abs() <= 1e-5 * loss.abs().max(1.0), "{what}: {loss} and {direct_loss}");
            for (what, (graph, direct)) in
                ["gradient", "value"].map(|part| format!("{part} of {what}")).iter().zip(graph.iter().zip(&direct))
            {
                close(graph, direct, what);
            }
            with_all_gradients += usize::from(graph[0].iter().all(|gradient| gradient.iter().any(|cell| *cell != 0.0)));
        }
    }
    assert!(with_all_gradients > 100, "in most cases every tensor has a gradient: {with_all_gradients}");
}

/// The steps of pretraining, with which only the autoencoder changes.
#[test]
fn direct_pretraining_matches_the_graph() {
    let method = AnyNetworkMethod::Feawad(FeawadConfig::default());
    let indices = vec![10, 20, 11, 20, 31];
    let step = StepRows { unlabelled: indices.len(), normals: 0, indices };
    let data_of_graph = data::<NdArray>();
    let by_graph = network(&method, &data_of_graph);
    assert!(by_graph.direct_pretraining(&data_of_graph).is_none(), "this backend has no direct steps");
    let loss = by_graph.pretraining_loss(&Batch::gather(&data_of_graph, &step)).mean();
    let expected = collect(&by_graph, Some(&loss.backward()), |_| true);
    let loss: f32 = loss.into_scalar().elem();

    let data = data::<Flex>();
    let network = network(&method, &data);
    let mut direct = network.direct_pretraining(&data).unwrap();
    let direct_loss = direct.descend(&step, &weights(1.0));
    assert!((loss - direct_loss).abs() <= 1e-5 * loss, "{loss} and {direct_loss}");
    let mut ids = Vec::new();
    for trained in direct.trained() {
        trained.values.clone_from(&trained.gradient);
        ids.push(trained.id);
    }
    let network = AnyNetwork::<Autodiff<Flex>>::from_inner(network.valid()).map(&mut Put(direct.values()));
    let found = collect(&network, None, |id| ids.contains(id));
    assert!(found.len() == 10 && found.iter().all(|cells| cells.iter().any(|cell| *cell != 0.0)));
    close(&expected, &found, "pretraining");
}

/// Networks without direct steps return `None` and are trained through the graph.
#[test]
fn unsupported_networks_have_no_direct_steps() {
    let layered = AnyNetworkMethod::all().into_iter().map(|method| method.with_norm(Norm::Layer));
    let others = [devnet(Depth::One, AnomalyLoss::Absolute)];
    for method in layered.chain(others) {
        assert!(by_direct_steps(&method, &batches()[0], 1.0).is_none(), "{method:?}");
    }
}

/// NaN reaches the loss, so that a diverging fit is detected.
#[test]
fn nan_reaches_the_loss() {
    let data = data::<Flex>();
    for anomaly_loss in [AnomalyLoss::Absolute, AnomalyLoss::Unbounded, AnomalyLoss::Hinge] {
        let mut direct = network(&devnet(Depth::Two, anomaly_loss), &data).direct(&data).unwrap();
        direct.trained()[0].values[3] = f32::NAN;
        let step = StepRows { indices: vec![0, 1], unlabelled: 0, normals: 0 };
        assert!(direct.descend(&step, &weights(1.0)).is_nan(), "{anomaly_loss:?}");
    }
}
