//! REPEN: learns a representation in which anomalies are far from their nearest neighbour in small samples of rows.
//!
//! Pang, Cao, Chen and Liu, "Learning Representations of Ultrahigh-dimensional Data for Random Distance-based Outlier Detection",
//! KDD 2018. The score is from Pang, Ting and Albrecht, "LeSiNN: Detecting Anomalies by Identifying Least Similar Nearest
//! Neighbours", ICDM Workshops 2015.

use std::sync::{Arc, OnceLock};

use burn::module::{
    AutodiffModule, Content, Devices, EmptyRecord, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor, Param,
};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::graph::{GeneralStep, Graph, Matrix, Step, Value};
use crate::layers::activation::{Activation, LENGTH_GAP, dense, length};
use crate::layers::host::{cells, parameter, places};
use crate::layers::init::{WeightInit, linear_weights};
use crate::network::{recipe_accessors, section};
use crate::recipe::{Batches, Optimiser, Recipe};
use crate::tools::neighbours::Neighbours;
use crate::{
    Batch, ConfigError, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, Shapes, TrainingData,
};

/// The configuration of REPEN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepenConfig {
    /// The width of the representation.
    pub width: usize,
    /// The margin by which the squared distance between an unlabelled row and an anomaly should exceed the squared distance between
    /// two unlabelled rows.
    pub margin: f64,
    /// The number of samples in which the nearest neighbour of a row is searched.
    pub samples: usize,
    /// The number of unlabelled rows in each sample, drawn with replacement.
    pub sample: usize,
    /// How the network is trained. A batch of `u` unlabelled rows and `a` labelled anomalies gives `min(u/2, a)` triplets.
    pub recipe: Recipe,
}

impl Default for RepenConfig {
    fn default() -> Self {
        Self {
            width: 20,
            margin: 1000.0,
            samples: 50,
            sample: 8,
            recipe: Recipe::new(
                Batches::Balanced { unlabelled: 512, anomalies: 256, steps: 20 },
                50,
                Optimiser::adam(1e-3, 0.0),
            ),
        }
    }
}

/// A bound that protects against model files that ask for too much memory.
const MOST_ROWS: usize = 1 << 16;

impl Method for RepenConfig {
    const INFO: MethodInfo = MethodInfo {
        name: "repen",
        title: "REPEN",
        kind: MethodKind::FewLabels,
        source: "Pang, Cao, Chen, Liu, KDD 2018",
    };

    fn check(&self) -> Result<(), ConfigError> {
        let rows = self.samples.saturating_mul(self.sample);
        Checks::of(Self::INFO.name)
            .width("width", self.width)
            .positive("margin", self.margin)
            .at_least_one("samples", self.samples)
            .at_least_one("sample", self.sample)
            .that(rows <= MOST_ROWS, "samples", self.samples, "such that all samples together are at most 65536 rows")
            .done()?;
        if let Batches::Balanced { unlabelled, anomalies, .. } = self.recipe.batches {
            Checks::of(Self::INFO.name)
                .that(unlabelled >= 2, "recipe.batches.unlabelled", unlabelled, "at least 2, for one triplet")
                .at_least_one("recipe.batches.anomalies", anomalies)
                .done()?;
        }
        self.recipe.check(Self::INFO.name)
    }
}

impl NetworkMethod for RepenConfig {
    type Network<B: Backend> = Repen<B>;

    recipe_accessors!();

    /// Each triplet contains a labelled anomaly, so the loss has no part on normal rows that a strategy could leave out.
    fn takes_strategy(&self) -> bool {
        false
    }

    /// There is no normalisation layer.
    fn with_norm(self, _norm: Norm) -> Self {
        self
    }

    fn weights(&self, columns: usize, _: &Shapes) -> usize {
        let rows = self.samples.saturating_mul(self.sample);
        linear_weights(columns, self.width, true).saturating_add(columns.saturating_mul(rows))
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Repen<B> {
        let (columns, device) = (data.columns(), data.rows.device());
        let layer = WeightInit::PytorchUniform.linear(columns, self.width, true, rng, &device);
        let draw = |_| data.others[rng.random_range(0..data.others.len())];
        let drawn: Vec<usize> = (0..self.samples * self.sample).map(draw).collect();
        let sampled = parameter(cells(data.select(&drawn)), [drawn.len(), columns], &device);
        Repen { layer, sampled, sample: self.sample, margin: self.margin, prepared: Prepared::default() }
    }
}

/// The representation `ReLU(Linear(x))`, and the rows of all samples.
#[derive(Module, Debug)]
pub struct Repen<B: Backend> {
    layer: Linear<B>,
    /// The rows of all samples, `[rows, columns]`.
    sampled: Param<Tensor<B, 2>>,
    /// The number of rows in a sample.
    sample: usize,
    margin: f64,
    prepared: Prepared<B>,
}

impl<B: Backend> Repen<B> {
    fn represent(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        dense(rows, &self.layer, Activation::Relu)
    }

    /// The representations of the samples, computed now.
    fn represent_samples(&self) -> Vec<Sample<B>> {
        let codes = self.represent(self.sampled.val());
        let [rows, width] = codes.dims();
        let sample = |from| {
            let codes = codes.clone().narrow(0, from, self.sample);
            Sample { neighbours: Neighbours::new(cells(codes.clone()), width), codes }
        };
        (0..rows).step_by(self.sample).map(sample).collect()
    }

    /// The mean distance of codes, `[rows, width]`, from their nearest neighbours in the samples.
    fn mean_distance(codes: Tensor<B, 2>, samples: &[Sample<B>]) -> Tensor<B, 1> {
        let queries = cells(codes.clone());
        let distance = |sample: &Sample<B>| -> Tensor<B, 1> {
            let nearest = sample.neighbours.of(&queries, 1).places;
            // The distance to the nearest row is computed on the device, so that it has a gradient.
            let nearest = sample.codes.clone().select(0, places(nearest.into_iter(), &codes.device()));
            length(codes.clone() - nearest, LENGTH_GAP).squeeze_dim(1)
        };
        let sum = samples.iter().map(distance).reduce(|sum, distance| sum + distance);
        sum.expect("there is at least one sample").div_scalar(samples.len() as f64)
    }
}

impl<B: Backend> Network<B> for Repen<B> {
    /// `max(0, m + ‖f(q) − f(p)‖² − ‖f(q) − f(a)‖²)` of triplets of two unlabelled rows `q`, `p` and a labelled anomaly `a` (equation 4
    /// of the paper). Where rows are confirmed as normal, `p` is one of them.
    fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
        let codes = batch.by_row(|rows| self.represent(rows));
        let none = Tensor::zeros([0], &codes.device());
        let others = batch.others();
        let triplets = (others / 2).min(batch.rows() - others);
        if triplets == 0 {
            // Shuffled batches may contain no anomaly. The gradient must then be zero, not missing.
            return LossTerms::normal_only(codes.mean_dim(1).squeeze_dim::<1>(1).mul_scalar(0.0));
        }
        // Confirmed normals are the last of the other rows.
        let near = if batch.normals() > 0 { others - triplets } else { triplets };
        let [query, near, far] = [0, near, others].map(|start| section(codes.clone(), start, triplets));
        let squared = |other: Tensor<B, 2>| (query.clone() - other).square().sum_dim(1).squeeze_dim::<1>(1);
        let anomalous = relu((squared(near) - squared(far)).add_scalar(self.margin));
        LossTerms { normal: none.clone(), confirmed: none, anomalous }
    }

    /// `f(x)`.
    fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        Some(self.represent(rows))
    }

    fn graph(&self) -> Option<Graph> {
        let mut graph = Graph::default();
        let code = graph.dense(Graph::ROWS, &self.layer, Activation::Relu);
        let codes = self.represent(self.sampled.val());
        let ([rows, width], sample) = (codes.dims(), self.sample);
        let known = Arc::new(Matrix { shape: [rows, width], cells: cells(codes) });
        let squares = graph.general(GeneralStep::AllSquaredDistances { of: code, known });
        let negative = graph.affine(squares, -1.0, 0.0);
        let nearest = (0..rows).step_by(sample).map(|from| {
            let of = graph.select(negative, from..from + sample);
            graph.general(GeneralStep::Largest { of })
        });
        let nearest: Vec<Value> = nearest.collect();
        let count = nearest.len() as f64;
        let joined = graph.then(Step::Concat { of: nearest });
        let squares = graph.affine(joined, -1.0, 0.0);
        let squares = graph.at_least(squares, 0.0);
        let squares = graph.affine(squares, 1.0, LENGTH_GAP);
        let distances = graph.then(Step::Root { of: squares });
        let sum = graph.sum(distances);
        let mean = graph.affine(sum, 1.0 / count, 0.0);
        graph.narrow(mean);
        Some(graph)
    }

    /// The mean over the samples of the distance to the nearest row.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let codes = self.represent(rows);
        if self.layer.weight.val().is_require_grad() {
            // The representations of the samples need a gradient, too.
            return Self::mean_distance(codes, &self.represent_samples());
        }
        Self::mean_distance(codes, self.prepared.get(|| self.represent_samples()))
    }
}

/// The representations of a sample, `[rows, width]`, and their index.
#[derive(Clone, Debug)]
struct Sample<B: Backend> {
    codes: Tensor<B, 2>,
    neighbours: Neighbours,
}

/// The samples of a network in the form that scoring needs. They are computed when rows are scored for the first time.
///
/// Clones of a network share them. Whatever may change a network's weights or its backend drops them: every such operation of
/// [`Module`] and [`AutodiffModule`] returns an empty value.
#[derive(Clone, Debug)]
struct Prepared<B: Backend>(Arc<OnceLock<Vec<Sample<B>>>>);

impl<B: Backend> Default for Prepared<B> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<B: Backend> Prepared<B> {
    /// The samples, computed by `make` at the first call.
    fn get(&self, make: impl FnOnce() -> Vec<Sample<B>>) -> &[Sample<B>] {
        match self.0.get() {
            Some(samples) => samples,
            // Outside of the cell's lock: `make` may run on the thread pool, whose threads may score rows meanwhile.
            None => {
                let samples = make();
                self.0.get_or_init(|| samples)
            }
        }
    }
}

impl<B: Backend> Module<B> for Prepared<B> {
    type Record = EmptyRecord;

    fn collect_devices(&self, devices: Devices<B>) -> Devices<B> {
        devices
    }

    fn fork(self, _: &B::Device) -> Self {
        Self::default()
    }

    fn to_device(self, _: &B::Device) -> Self {
        Self::default()
    }

    fn visit<V: ModuleVisitor<B>>(&self, _: &mut V) {}

    fn map<M: ModuleMapper<B>>(self, _: &mut M) -> Self {
        Self::default()
    }

    fn load_record(self, _: EmptyRecord) -> Self {
        Self::default()
    }

    fn into_record(self) -> EmptyRecord {
        EmptyRecord::new()
    }
}

impl<B: AutodiffBackend> AutodiffModule<B> for Prepared<B> {
    type InnerModule = Prepared<B::InnerBackend>;

    fn valid(&self) -> Self::InnerModule {
        Prepared::default()
    }

    fn from_inner(_: Self::InnerModule) -> Self {
        Self::default()
    }
}

impl<B: Backend> ModuleDisplayDefault for Prepared<B> {
    fn content(&self, content: Content) -> Option<Content> {
        content.optional()
    }
}

impl<B: Backend> ModuleDisplay for Prepared<B> {}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn::backend::Autodiff;
    use burn_ndarray::NdArray;

    fn network() -> Repen<NdArray> {
        let rows = Tensor::from_data([[0.0, 1.0], [2.0, 0.5], [1.0, 1.0]], &Default::default());
        let data = TrainingData { rows, others: vec![0, 1], anomalies: vec![2], normals: Vec::new() };
        RepenConfig { samples: 2, sample: 2, ..Default::default() }.init(&data, &mut Seed(3).stream(&[]))
    }

    fn code(network: &Repen<NdArray>, row: [f32; 2]) -> Vec<f32> {
        cells(network.represent(Tensor::from_data([row], &Default::default())))
    }

    fn squared(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
    }

    #[test]
    fn triplets_and_scores_match_the_formula() {
        let network = network();
        let rows = [[0.2, 0.7], [0.9, 0.1], [0.4, 0.4], [3.0, -1.0], [5.0, 2.0]];
        let codes = rows.map(|row| code(&network, row));
        let batch = Batch::new(Tensor::from_data(rows, &Default::default()), 3);
        let LossTerms { normal, anomalous, .. } = network.terms(&batch);
        assert_eq!(normal.dims(), [0]);
        // Three unlabelled rows give one triplet.
        let expected = 1000.0 + squared(&codes[0], &codes[1]) - squared(&codes[0], &codes[3]);
        let loss = cells(anomalous);
        assert!(loss.len() == 1 && (loss[0] - expected).abs() < 1e-3, "{loss:?}, expected {expected}");
        // The third row is confirmed as normal.
        let loss = cells(network.terms(&batch.with_normals(1)).anomalous)[0];
        let expected = 1000.0 + squared(&codes[0], &codes[2]) - squared(&codes[0], &codes[3]);
        assert!((loss - expected).abs() < 1e-3, "{loss}, expected {expected}");

        let known: Vec<Vec<f32>> =
            cells(network.sampled.val()).chunks(2).map(|row| code(&network, [row[0], row[1]])).collect();
        let scores = cells(network.score(Tensor::from_data(rows, &Default::default())));
        for (code, score) in codes.iter().zip(scores) {
            let nearest = |sample: &[Vec<f32>]| {
                sample.iter().map(|known| squared(code, known).sqrt()).fold(f32::INFINITY, f32::min)
            };
            let expected = known.chunks(2).map(nearest).sum::<f32>() / 2.0;
            assert!((score - expected).abs() < 1e-5, "{score}, expected {expected}");
        }
    }

    /// Multiplies all tensors by two.
    struct Double;

    impl<B: Backend> ModuleMapper<B> for Double {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            param.map(|tensor| {
                let requires_gradient = tensor.is_require_grad();
                tensor.detach().mul_scalar(2.0).set_require_grad(requires_gradient)
            })
        }
    }

    /// Clones share the samples. A network with other weights or on another backend computes its own.
    #[test]
    fn prepared_samples_belong_to_one_set_of_weights() {
        let rows = || Tensor::<NdArray, 2>::from_data([[0.2, 0.7], [5.0, 2.0]], &Default::default());
        // burn treats the weights of a clone as constants, so this network is not one.
        let trainable = network();
        let network = network();
        let prepared = |network: &Repen<NdArray>| network.prepared.0.get().is_some();
        assert!(!prepared(&network));
        let scores = cells(network.score(rows()));
        assert!(prepared(&network) && prepared(&network.clone()));
        assert_eq!(cells(network.score(rows())), scores);

        let doubled = network.clone().map(&mut Double);
        assert!(!prepared(&doubled));
        let fresh = Repen { prepared: Prepared::default(), ..doubled.clone() };
        assert_ne!(cells(doubled.score(rows())), scores);
        assert_eq!(cells(doubled.score(rows())), cells(fresh.score(rows())));

        // With weights that are trained, nothing is kept; with constant weights, scores are the same and their gradient exists.
        let trained = Repen::<Autodiff<NdArray>>::from_inner(trainable);
        assert_eq!(cells(trained.score(Tensor::from_inner(rows()))), scores);
        assert!(trained.prepared.0.get().is_none() && !prepared(&trained.valid()));
        let constant = trained.no_grad();
        for _ in 0..2 {
            let input = Tensor::<Autodiff<NdArray>, 2>::from_inner(rows()).require_grad();
            let output = constant.score(input.clone());
            assert_eq!(cells(output.clone()), scores);
            let gradient = cells(input.grad(&output.sum().backward()).unwrap());
            assert!(gradient.iter().any(|cell| *cell != 0.0));
        }
        assert!(constant.prepared.0.get().is_some());
    }
}
