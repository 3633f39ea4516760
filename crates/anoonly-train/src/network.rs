//! Networks on a backend: training and fitted networks. The backend type ends here: what leaves this module does not have it.

use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anoonly_core::Seed;
use anoonly_core::scale::MinMaxScaler;
use anoonly_models::graph::{Graph, GraphGradient};
use anoonly_models::kernels::{Scorer, scorer};
use anoonly_models::layers::norm::NormLayer;
use anoonly_models::recipe::{Augmentation, Recipe};
use anoonly_models::{
    AnyNetwork, AnyNetworkMethod, Network, NetworkMethod, Norm, SavedTensor, SavedTensors, TrainingData, members,
};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use ndarray::Array2;

use crate::backend::on_cpu;
use crate::detector::{Detector, Epoch, EpochWatch};
use crate::fit::{MemberError, Objective, train};
use crate::fitted::{FittedDetector, GradientSource, Ready, StackedScore};
use crate::history::History;
use crate::member_rows::MemberRows;
use crate::steps::gradients_of_steps;
use crate::together::BYTES_PER_CELL;
use crate::{FitError, ScoreError, Supervision};

/// Fits networks on training rows that are on a device. It hides the type of the backend.
pub(crate) trait NetworkFitting: fmt::Debug + Send {
    /// Fits `method`, which is the method of `detector`.
    fn fit(
        &mut self,
        method: &AnyNetworkMethod,
        detector: &Detector,
        watch: &mut EpochWatch<'_>,
    ) -> Result<FittedDetector, FitError>;

    /// The seconds of pretraining that a fit saves because an earlier fit has spent them.
    fn spared_seconds(&self, method: &AnyNetworkMethod, seed: Seed) -> f64;
}

/// Training rows on a device, and the networks that have been pretrained on them.
#[derive(Debug)]
pub(crate) struct NetworkFitter<B: Backend> {
    scaler: MinMaxScaler,
    data: TrainingData<B>,
    pretrained: Vec<Pretrained<B>>,
}

/// A pretrained network, and what it depends on.
#[derive(Debug)]
struct Pretrained<B: Backend> {
    method: AnyNetworkMethod,
    seed: Seed,
    network: AnyNetwork<B>,
    seconds: f64,
}

impl<B: Backend> NetworkFitter<B> {
    /// `data` holds the scaled rows on the device.
    pub fn new(scaler: MinMaxScaler, data: TrainingData<B>) -> Self {
        Self { scaler, data, pretrained: Vec::new() }
    }

    /// The index of the pretrained network for this method and seed. The normalisation of the method does not matter.
    fn find_pretrained(&self, method: &AnyNetworkMethod, seed: Seed) -> Option<usize> {
        let method = without_norm(method);
        self.pretrained.iter().position(|known| known.seed == seed && known.method == method)
    }
}

/// The method without normalisation: pretraining is the same for all its normalisations.
fn without_norm(method: &AnyNetworkMethod) -> AnyNetworkMethod {
    method.clone().with_norm(Norm::None)
}

impl<B: Backend> NetworkFitting for NetworkFitter<B> {
    fn fit(
        &mut self,
        method: &AnyNetworkMethod,
        detector: &Detector,
        watch: &mut EpochWatch<'_>,
    ) -> Result<FittedDetector, FitError> {
        let seed = detector.seed;
        let augmented = match &method.recipe().augmentation {
            Augmentation::None => None,
            Augmentation::NngMix(mix) => Some(mix.augmented(&self.data, &mut seed.stream(&["augmentation"]))),
        };
        let pretrained = match method.pretraining() {
            None => None,
            Some(recipe) => {
                let known = match self.find_pretrained(method, seed) {
                    Some(known) => known,
                    None => {
                        let began = Instant::now();
                        let networks = pretrained(method, recipe, &MemberRows::all(&self.data, 1), &[seed]);
                        let network = networks.map_err(|(_, error)| error)?.swap_remove(0);
                        let (method, seconds) = (without_norm(method), began.elapsed().as_secs_f64());
                        self.pretrained.push(Pretrained { method, seed, network, seconds });
                        self.pretrained.len() - 1
                    }
                };
                Some(vec![self.pretrained[known].network.clone()])
            }
        };
        let rows = MemberRows::all(augmented.as_ref().unwrap_or(&self.data), 1);
        let detectors = [MemberDetector { detector, scaler: &self.scaler }];
        let fitted = trained(method, &detectors, &rows, pretrained, &mut |_, epoch| watch(epoch));
        Ok(fitted.map_err(|(_, error)| error)?.swap_remove(0))
    }

    fn spared_seconds(&self, method: &AnyNetworkMethod, seed: Seed) -> f64 {
        self.find_pretrained(method, seed).map_or(0.0, |known| self.pretrained[known].seconds)
    }
}

/// What the network of a member becomes a fitted detector with.
#[derive(Clone, Copy)]
pub(crate) struct MemberDetector<'a> {
    pub detector: &'a Detector,
    pub scaler: &'a MinMaxScaler,
}

impl MemberDetector<'_> {
    /// The fitted detector around a finished network.
    fn fitted<B: Backend>(
        self,
        network: AnyNetwork<B>,
        columns: usize,
        device: B::Device,
        history: History,
    ) -> FittedDetector {
        let ready = ReadyNetwork::new(network, columns, device);
        FittedDetector::new(self.detector.clone(), self.scaler.clone(), history, ready)
    }
}

/// The networks of `method` before their training, one for each member.
fn starts<B: Backend>(method: &AnyNetworkMethod, rows: &MemberRows<'_, B>, seeds: &[Seed]) -> Vec<AnyNetwork<B>> {
    let start = |(member, seed): (usize, &Seed)| method.init(&rows.of(member), &mut seed.stream(&["weights"]));
    seeds.iter().enumerate().map(start).collect()
}

/// Pretrains a network for each member.
pub(crate) fn pretrained<B: Backend>(
    method: &AnyNetworkMethod,
    recipe: &Recipe,
    rows: &MemberRows<'_, B>,
    seeds: &[Seed],
) -> Result<Vec<AnyNetwork<B>>, MemberError> {
    let to_the_end = &mut |_: usize, _: &History, _: &dyn Fn() -> AnyNetwork<B>| ControlFlow::Continue(());
    let starts = starts(method, rows, seeds);
    let ended = train::<B, AnyNetworkMethod>(Objective::Pretrain, recipe, starts, rows, seeds, to_the_end)?;
    Ok(ended.into_iter().map(|(network, _)| network).collect())
}

/// Fits a detector for each member, with `method`, which is the method of all of them.
pub(crate) fn trained<B: Backend>(
    method: &AnyNetworkMethod,
    detectors: &[MemberDetector<'_>],
    rows: &MemberRows<'_, B>,
    pretrained: Option<Vec<AnyNetwork<B>>>,
    watch: &mut dyn FnMut(usize, Epoch<'_>) -> ControlFlow<()>,
) -> Result<Vec<FittedDetector>, MemberError> {
    let seeds: Vec<Seed> = detectors.iter().map(|of| of.detector.seed).collect();
    // Initialised again for each training, because burn does not train the parameters of a clone.
    let mut starts = starts(method, rows, &seeds);
    if let Some(pretrained) = pretrained {
        starts = starts.into_iter().zip(&pretrained).map(|(start, from)| start.pretrained(from)).collect();
    }
    let (columns, device) = rows.layout();
    let finish = |member: usize, network: AnyNetwork<B>| network.finish(&rows.of(member));
    let mut watch = |member: usize, history: &History, network: &dyn Fn() -> AnyNetwork<B>| {
        let fitted = || {
            let network = finish(member, network());
            detectors[member].fitted(network, columns, device.clone(), history.clone())
        };
        watch(member, Epoch::new(history, &fitted))
    };
    // A loss that cannot be split trains as a whole under every strategy.
    let supervision = if method.takes_strategy() { detectors[0].detector.supervision } else { Supervision::Full };
    let objective = Objective::Detect(supervision);
    let ended = train::<B, AnyNetworkMethod>(objective, method.recipe(), starts, rows, &seeds, &mut watch)?;
    let mut networks = Vec::with_capacity(ended.len());
    for (member, (network, history)) in ended.into_iter().enumerate() {
        networks.push((finish(member, network), history));
    }
    check_finite(&networks)?;
    let fitted = |((network, history), of): ((AnyNetwork<B>, History), &MemberDetector<'_>)| {
        of.fitted(network, columns, device.clone(), history)
    };
    Ok(networks.into_iter().zip(detectors).map(fitted).collect())
}

/// Refuses networks with a value that is not finite. All values are read from the device at once.
fn check_finite<B: Backend>(networks: &[(AnyNetwork<B>, History)]) -> Result<(), MemberError> {
    let values: Vec<Tensor<B, 1>> = networks.iter().map(|(network, _)| members::all_values(network)).collect();
    let each = values[0].dims()[0];
    let values = Tensor::cat(values, 0).into_data();
    match values.iter::<f32>().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => {
            let member = place / each;
            Err((member, FitError::Diverged { member: None, epoch: networks[member].1.losses.len() }))
        }
    }
}

/// A fitted network on a device.
pub(crate) struct ReadyNetwork<B: Backend> {
    /// Modules of burn can move between threads but cannot be shared by them. Every use takes a clone, which shares the
    /// weights.
    network: Mutex<AnyNetwork<B>>,
    device: B::Device,
    columns: usize,
    values: usize,
    /// The form that scores in plain memory. It is made when rows are first scored.
    scorer: OnceLock<Option<Scorer>>,
    /// The gradient of a network with a graph. It is made when rows are first explained.
    gradient: OnceLock<Option<GraphGradient>>,
}

impl<B: Backend> ReadyNetwork<B> {
    pub fn new(network: AnyNetwork<B>, columns: usize, device: B::Device) -> Self {
        let values = network.num_params();
        let (scorer, gradient) = (OnceLock::new(), OnceLock::new());
        Self { network: Mutex::new(network), device, columns, values, scorer, gradient }
    }

    /// A clone that shares the weights.
    fn network(&self) -> AnyNetwork<B> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<B: Backend> fmt::Debug for ReadyNetwork<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, columns, values, .. } = self;
        f.debug_struct("ReadyNetwork")
            .field("device", device)
            .field("columns", columns)
            .field("values", values)
            .finish_non_exhaustive()
    }
}

impl<B: Backend> Ready for ReadyNetwork<B> {
    fn scorer(&self) -> Option<&Scorer> {
        self.scorer.get_or_init(|| scorer(&self.network(), self.columns)).as_ref()
    }

    fn score(&self, rows: Array2<f32>) -> Vec<f32> {
        let scores = self.network().score(to_tensor(rows, &self.device)).into_data();
        // The numbers of a backend may have another type than f32.
        scores.to_vec().unwrap_or_else(|_| scores.iter::<f32>().collect())
    }

    fn values(&self) -> usize {
        self.values
    }

    fn representation(&self, rows: Array2<f32>) -> Option<Array2<f32>> {
        let codes = self.network().representation(to_tensor(rows, &self.device))?;
        let shape = codes.dims();
        let cells = codes.into_data().iter::<f32>().collect();
        Some(Array2::from_shape_vec(shape, cells).expect("a tensor fills its shape"))
    }

    fn has_gradient(&self) -> bool {
        true
    }

    fn gradients(&self) -> Result<GradientSource<'_>, ScoreError> {
        let in_plain_memory =
            || self.graph().filter(Graph::is_dense).map(|graph| GraphGradient::new(&graph, self.columns));
        if let Some(gradient) = self.gradient.get_or_init(in_plain_memory) {
            return Ok(gradients_of_steps(gradient));
        }
        let mut network = AnyNetwork::<Autodiff<B>>::from_inner(self.network()).no_grad();
        network.norms_mut().into_iter().for_each(NormLayer::freeze);
        Ok(Box::new(move |points| {
            let shape = points.raw_dim();
            let points = Tensor::<Autodiff<B>, 2>::from_inner(to_tensor(points, &self.device)).require_grad();
            let scores = network.score(points.clone());
            let gradients = scores.clone().sum().backward();
            let gradients = points.grad(&gradients).ok_or(ScoreError::NoGradient)?;
            let cells = gradients.into_data().iter::<f32>().collect();
            let gradients = Array2::from_shape_vec(shape, cells).map_err(|_| ScoreError::NoGradient)?;
            Ok((scores.into_data().iter::<f32>().collect(), gradients))
        }))
    }

    fn graph(&self) -> Option<Graph> {
        self.network().graph()
    }

    fn is_on_gpu(&self) -> bool {
        !on_cpu::<B>()
    }

    fn stacked(&self, members: &[&dyn Ready]) -> Option<StackedScore> {
        let network = |member: &&dyn Ready| {
            let network: &Self = (*member as &dyn Any).downcast_ref()?;
            Some(network.network())
        };
        let networks = members.iter().map(network).collect::<Option<Vec<AnyNetwork<B>>>>()?;
        let count = networks.len();
        let bytes_of_a_row = count * members::cells_of_a_row(&networks[0]) * BYTES_PER_CELL as usize;
        let stack = members::stack::<Autodiff<B>, AnyNetwork<Autodiff<B>>>(networks).valid();
        let device = self.device.clone();
        let score = move |rows: Array2<f32>| {
            let rows = to_tensor::<B>(rows, &device).repeat_dim(0, count);
            stack.score(rows).into_data().iter::<f32>().collect()
        };
        Some((Box::new(score), (SCORED_BYTES / bytes_of_a_row.max(1)).clamp(MIN_SCORED, MAX_SCORED)))
    }

    fn save(&self) -> SavedTensors {
        let mut collected = Collect::default();
        self.network().visit(&mut collected);
        collected.tensors.into_iter().collect()
    }
}

/// The memory that a stack takes to score a block of rows: 1 GiB.
const SCORED_BYTES: usize = 1 << 30;
/// The smallest and the largest number of rows that a stack scores at a time.
const MIN_SCORED: usize = 64;
const MAX_SCORED: usize = 1 << 16;

/// Converts a matrix in standard layout to a tensor.
pub(crate) fn to_tensor<B: Backend>(features: Array2<f32>, device: &B::Device) -> Tensor<B, 2> {
    let shape = [features.nrows(), features.ncols()];
    let values = features.into_raw_vec_and_offset().0;
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Collects every tensor of a network, with its path.
#[derive(Default)]
struct Collect {
    path: Vec<String>,
    tensors: Vec<(String, SavedTensor)>,
}

impl<B: Backend> ModuleVisitor<B> for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().iter::<f32>().collect();
        self.tensors.push((self.path.join("."), SavedTensor { shape, values }));
    }
}
