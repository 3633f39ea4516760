//! Direct steps against the graph of burn's operations on another backend, of which they are a shorter form.

use anoonly_core::Seed;
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param, ParamId};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;

use crate::kernels::direct::{Put, read};
use crate::networks::deepsad::DeepSadConfig;
use crate::networks::devnet::{AnomalyLoss, Depth, DevNetConfig};
use crate::networks::prenet::PReNetConfig;
use crate::{AnyNetwork, AnyNetworkMethod, Batch, LossTerms, Network, NetworkMethod, Norm, TrainingData};

const COLUMNS: usize = 37;
const ANOMALIES: usize = 4;

fn data<B: Backend>() -> TrainingData<B> {
    let cells = (0..60 * COLUMNS).map(|i| (i * 7919 % 2003) as f32 / 2003.0);
    let cells = cells.enumerate().map(|(i, cell)| if i / COLUMNS < ANOMALIES { cell + 0.5 } else { cell });
    let rows = Tensor::from_data(TensorData::new(cells.collect(), [60, COLUMNS]), &Default::default());
    TrainingData { rows, unlabelled: (ANOMALIES..60).collect(), anomalies: (0..ANOMALIES).collect() }
}

/// Row indices and how many of them are unlabelled: with repeated anomalies and without, and of one kind alone.
fn batches() -> Vec<(Vec<usize>, usize)> {
    let unlabelled = 10..22;
    vec![
        (unlabelled.clone().chain([1, 3, 1, 1, 0, 3, 2, 1, 0]).collect(), 12),
        (unlabelled.clone().chain([2, 0]).collect(), 12),
        (unlabelled.clone().collect(), 12),
        (vec![0, 3, 3, 1, 0, 2, 2, 2], 0),
    ]
}

type Results = (f32, [Vec<Vec<f32>>; 2]);

/// Every value or gradient of a network, by its tensor.
struct Taken<'a, B: AutodiffBackend> {
    gradients: Option<&'a B::Gradients>,
    found: Vec<(ParamId, Vec<f32>)>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Taken<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let found = match self.gradients {
            Some(gradients) => param.val().grad(gradients).map(read),
            None => Some(read(param.val())),
        };
        self.found.extend(found.map(|found| (param.id, found)));
    }
}

fn taken<B: AutodiffBackend>(
    network: &impl Module<B>,
    gradients: Option<&B::Gradients>,
    wanted: impl Fn(&ParamId) -> bool,
) -> Vec<Vec<f32>> {
    let mut taken = Taken::<B> { gradients, found: Vec::new() };
    network.visit(&mut taken);
    taken.found.into_iter().filter(|(id, _)| wanted(id)).map(|(_, found)| found).collect()
}

fn network<B: Backend>(method: &AnyNetworkMethod, data: &TrainingData<B>) -> AnyNetwork<Autodiff<B>> {
    AnyNetwork::from_inner(method.init(data, &mut Seed(1).stream(&["weights"])))
}

/// The loss of a second batch, its gradients, and the network's values after it, running statistics among them.
fn by_graph(method: &AnyNetworkMethod, batch: &(Vec<usize>, usize), normal_weight: f32) -> Results {
    type B = Autodiff<NdArray>;
    let data = data::<NdArray>();
    let network = network(method, &data);
    assert!(network.direct(&data).is_none(), "not on this backend");
    let terms = |(rows, unlabelled): &(Vec<usize>, usize)| network.terms(&Batch::gather(&data, rows, *unlabelled));
    terms(&batches()[0]);
    let LossTerms { normal, anomalous } = terms(batch);
    let examples = (normal.dims()[0] + anomalous.dims()[0]).max(1);
    let sum = |terms: Tensor<B, 1>| match terms.dims() {
        [0] => Tensor::zeros([1], &Default::default()),
        _ => terms.sum(),
    };
    let mut loss = (sum(normal).mul_scalar(normal_weight) + sum(anomalous)).div_scalar(examples as f32);
    if let Some(penalty) = Network::<B>::penalty(&network) {
        loss = loss + penalty;
    }
    let gradients = taken(&network, Some(&loss.backward()), |_| true);
    // What a batch has put beside the running statistics is joined to them on this way.
    let values = taken(&AnyNetwork::<B>::from_inner(network.valid()), None, |_| true);
    (loss.into_scalar().elem(), [gradients, values])
}

/// The same directly; `None` where a network has no direct steps.
fn directly(method: &AnyNetworkMethod, batch: &(Vec<usize>, usize), normal_weight: f32) -> Option<Results> {
    type B = Autodiff<Flex>;
    let data = data::<Flex>();
    let network = network(method, &data);
    let mut direct = network.direct(&data)?;
    let (rows, unlabelled) = &batches()[0];
    direct.descend(rows, *unlabelled, 0.5);
    let loss = direct.descend(&batch.0, batch.1, normal_weight);
    let with = |values| AnyNetwork::<B>::from_inner(network.valid()).map(&mut Put(values));
    let values = taken(&with(direct.values()), None, |_| true);
    // In the place of their tensors, the gradients come out in the order of the network.
    let mut ids = Vec::new();
    for trained in direct.trained() {
        trained.values.clone_from(&trained.gradient);
        ids.push(trained.id);
    }
    let gradients = taken(&with(direct.values()), None, |id| ids.contains(id));
    Some((loss, [gradients, values]))
}

/// Of a batch whose examples pull alike, what passes a batch normalisation cancels, and rounding of the size of the other
/// gradients is left.
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
fn direct_steps_agree_with_the_graph() {
    let methods = [
        devnet(Depth::Two, AnomalyLoss::Absolute),
        devnet(Depth::Two, AnomalyLoss::Unbounded),
        devnet(Depth::Four, AnomalyLoss::Hinge),
        AnyNetworkMethod::PReNet(PReNetConfig::default()),
        AnyNetworkMethod::DeepSad(DeepSadConfig::default()),
        AnyNetworkMethod::DeepSad(DeepSadConfig { widths: vec![6], ..Default::default() }),
        AnyNetworkMethod::DeepSad(DeepSadConfig { widths: vec![300, 7], eta: 2.0, ..Default::default() }),
    ];
    let mut moved = 0;
    for method in methods.iter().flat_map(|method| [Norm::None, Norm::Batch].map(|norm| method.clone().with_norm(norm)))
    {
        for (batch, normal_weight) in batches().iter().flat_map(|batch| [0.0, 0.3, 1.0].map(|weight| (batch, weight))) {
            let what = format!("{method:?}, {batch:?}, {normal_weight}");
            let (loss, graph) = by_graph(&method, batch, normal_weight);
            let (direct_loss, direct) = directly(&method, batch, normal_weight).expect(&what);
            assert!((loss - direct_loss).abs() <= 1e-5 * loss.abs().max(1.0), "{what}: {loss} and {direct_loss}");
            for (what, (graph, direct)) in
                ["gradient", "value"].map(|part| format!("{part} of {what}")).iter().zip(graph.iter().zip(&direct))
            {
                close(graph, direct, what);
            }
            moved += usize::from(graph[0].iter().all(|gradient| gradient.iter().any(|cell| *cell != 0.0)));
        }
    }
    assert!(moved > 100, "most cases move every tensor: {moved}");
}

/// What has no direct steps says so, and is trained by the graph.
#[test]
fn what_is_not_known_is_left_to_the_graph() {
    let layered = AnyNetworkMethod::all().into_iter().map(|method| method.with_norm(Norm::Layer));
    let others = [devnet(Depth::One, AnomalyLoss::Absolute), AnyNetworkMethod::Feawad(Default::default())];
    for method in layered.chain(others) {
        assert!(directly(&method, &batches()[0], 1.0).is_none(), "{method:?}");
    }
}

/// A value that is not a number reaches the loss, so that a fit that diverges is seen.
#[test]
fn not_a_number_reaches_the_loss() {
    let data = data::<Flex>();
    for anomaly_loss in [AnomalyLoss::Absolute, AnomalyLoss::Unbounded, AnomalyLoss::Hinge] {
        let mut direct = network(&devnet(Depth::Two, anomaly_loss), &data).direct(&data).unwrap();
        direct.trained()[0].values[3] = f32::NAN;
        assert!(direct.descend(&[0, 1], 0, 1.0).is_nan(), "{anomaly_loss:?}");
    }
}
