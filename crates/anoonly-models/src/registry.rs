//! The registry of all methods, with one line per method.

#![expect(clippy::large_enum_variant, reason = "there is one network per fit, and the largest takes kilobytes")]

use std::fmt::Debug;

use anoonly_core::closest_names;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::graph::Graph;
use crate::kernels::Direct;
use crate::layers::norm::NormLayer;
use crate::networks::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::networks::dagmm::{Dagmm, DagmmConfig};
use crate::networks::deepsad::{DeepSad, DeepSadConfig};
use crate::networks::deepsvdd::{DeepSvdd, DeepSvddConfig};
use crate::networks::devnet::{DevNet, DevNetConfig};
use crate::networks::feawad::{Feawad, FeawadConfig};
use crate::networks::ft_transformer::{FtTransformer, FtTransformerConfig};
use crate::networks::ganomaly::{Ganomaly, GanomalyConfig};
use crate::networks::mlp::{Mlp, MlpConfig};
use crate::networks::prenet::{PReNet, PReNetConfig};
use crate::networks::repen::{Repen, RepenConfig};
use crate::networks::resnet::{ResNet, ResNetConfig};
use crate::networks::rosas::{Rosas, RosasConfig};
use crate::recipe::Recipe;
use crate::rules::cblof::CblofConfig;
use crate::rules::copod::CopodConfig;
use crate::rules::ecod::EcodConfig;
use crate::rules::fisher::FisherConfig;
use crate::rules::gbdt::GbdtConfig;
use crate::rules::hbos::HbosConfig;
use crate::rules::isolation_forest::IsolationForestConfig;
use crate::rules::knn::KnnConfig;
use crate::rules::loda::LodaConfig;
use crate::rules::lof::LofConfig;
use crate::rules::logistic::LogisticConfig;
use crate::rules::mahalanobis::MahalanobisConfig;
use crate::rules::mean_difference::MeanDifferenceConfig;
use crate::rules::ocsvm::OcsvmConfig;
use crate::rules::pca::PcaConfig;
use crate::rules::quorum::QuorumConfig;
use crate::rules::random_forest::RandomForestConfig;
use crate::rules::whitened_cosine::WhitenedCosineConfig;
use crate::rules::whitened_cosine_mahalanobis::WhitenedCosineMahalanobisConfig;
use crate::rules::xgbod::XgbodConfig;
use crate::{
    Batch, ConfigError, FittedRule, LossTerms, Method, MethodInfo, MethodKind, Network, NetworkMethod, Norm, RuleData,
    RuleMethod, SavedTensors, Shapes, TrainingData,
};

/// Generates [`AnyMethod`], [`AnyNetworkMethod`] and [`AnyNetwork`] from one line per method: its name in configuration files, its
/// configuration and, for a network, its module.
macro_rules! registry {
    (
        networks { $($network_name:literal => $network:ident($network_config:ty, $module:ident)),* $(,)? }
        rules { $($rule_name:literal => $rule:ident($rule_config:ty)),* $(,)? }
    ) => {
        /// The configuration of any method. In serialised form, the key `model` names the method.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant contains the documented configuration of the same name")]
        pub enum AnyMethod {
            $(#[serde(rename = $network_name)] $network($network_config),)*
            $(#[serde(rename = $rule_name)] $rule($rule_config),)*
        }

        /// The configuration of any method that is trained by gradient descent.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant contains the documented configuration of the same name")]
        pub enum AnyNetworkMethod {
            $(#[serde(rename = $network_name)] $network($network_config),)*
        }

        /// The network of any method that is trained by gradient descent.
        #[derive(Module, Debug)]
        #[expect(missing_docs, reason = "each variant contains the documented network of the same name")]
        pub enum AnyNetwork<B: Backend> {
            $($network($module<B>),)*
        }

        $(
            impl From<$network_config> for AnyMethod {
                fn from(config: $network_config) -> Self {
                    AnyMethod::$network(config)
                }
            }
        )*

        $(
            impl From<$rule_config> for AnyMethod {
                fn from(config: $rule_config) -> Self {
                    AnyMethod::$rule(config)
                }
            }
        )*

        impl From<AnyNetworkMethod> for AnyMethod {
            fn from(method: AnyNetworkMethod) -> Self {
                match method {
                    $(AnyNetworkMethod::$network(config) => AnyMethod::$network(config),)*
                }
            }
        }

        impl AnyMethod {
            /// Every method in its default configuration, sorted by kind. Methods that learn from few labels come first.
            pub fn all() -> Vec<AnyMethod> {
                let mut all = vec![
                    $(AnyMethod::$network(Default::default()),)*
                    $(AnyMethod::$rule(Default::default()),)*
                ];
                all.sort_by_key(|method| method.info().kind);
                all
            }

            /// Name, kind and source.
            pub fn info(&self) -> MethodInfo {
                match self {
                    $(AnyMethod::$network(_) => <$network_config as Method>::INFO,)*
                    $(AnyMethod::$rule(_) => <$rule_config as Method>::INFO,)*
                }
            }

            /// Checks every value.
            ///
            /// # Errors
            /// Names the first invalid option.
            pub fn check(&self) -> Result<(), ConfigError> {
                match self {
                    $(AnyMethod::$network(method) => method.check(),)*
                    $(AnyMethod::$rule(method) => method.check(),)*
                }
            }

            /// How the method is fitted.
            pub fn form(&self) -> MethodForm {
                match self {
                    $(AnyMethod::$network(method) => MethodForm::Network(AnyNetworkMethod::$network(method.clone())),)*
                    $(AnyMethod::$rule(method) => MethodForm::Rule(Box::new(method.clone())),)*
                }
            }

            /// The name of the method in the tensor paths of a model file.
            pub fn part(&self) -> &'static str {
                match self {
                    $(AnyMethod::$network(_) => stringify!($network),)*
                    $(AnyMethod::$rule(_) => stringify!($rule),)*
                }
            }

            /// How the method is trained; `None` for a rule.
            pub fn recipe(&self) -> Option<&Recipe> {
                match self {
                    $(AnyMethod::$network(method) => Some(method.recipe()),)*
                    $(AnyMethod::$rule(_) => None,)*
                }
            }

            /// Mutable access to [`recipe`](Self::recipe).
            pub fn recipe_mut(&mut self) -> Option<&mut Recipe> {
                match self {
                    $(AnyMethod::$network(method) => Some(method.recipe_mut()),)*
                    $(AnyMethod::$rule(_) => None,)*
                }
            }

            /// How the method is pretrained; `None` for a method without pretraining.
            pub fn pretraining(&self) -> Option<&Recipe> {
                match self {
                    $(AnyMethod::$network(method) => method.pretraining(),)*
                    $(AnyMethod::$rule(_) => None,)*
                }
            }

            /// Mutable access to [`pretraining`](Self::pretraining).
            pub fn pretraining_mut(&mut self) -> Option<&mut Recipe> {
                match self {
                    $(AnyMethod::$network(method) => method.pretraining_mut(),)*
                    $(AnyMethod::$rule(_) => None,)*
                }
            }

            /// Whether a strategy decides which part of the loss trains. A rule has no loss.
            pub fn takes_strategy(&self) -> bool {
                match self {
                    $(AnyMethod::$network(method) => method.takes_strategy(),)*
                    $(AnyMethod::$rule(_) => false,)*
                }
            }

            /// The form that AnoOnly trains ([`NetworkMethod::anomaly_only`]). A rule is returned unchanged.
            pub fn anomaly_only(self) -> Self {
                match self {
                    $(AnyMethod::$network(method) => AnyMethod::$network(method.anomaly_only()),)*
                    rule => rule,
                }
            }

            /// The same method with another normalisation ([`NetworkMethod::with_norm`]). A rule is returned unchanged.
            pub fn with_norm(self, norm: Norm) -> Self {
                match self {
                    $(AnyMethod::$network(method) => AnyMethod::$network(method.with_norm(norm)),)*
                    rule => rule,
                }
            }
        }

        impl AnyNetworkMethod {
            /// Every method that is trained by gradient descent, in its default configuration.
            pub fn all() -> Vec<AnyNetworkMethod> {
                vec![$(AnyNetworkMethod::$network(Default::default()),)*]
            }
        }

        impl Method for AnyNetworkMethod {
            /// A placeholder; [`AnyMethod::info`] describes the actual method.
            const INFO: MethodInfo =
                MethodInfo { name: "any", title: "Any method", kind: MethodKind::FewLabels, source: "the registry" };

            fn check(&self) -> Result<(), ConfigError> {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.check(),)*
                }
            }
        }

        impl NetworkMethod for AnyNetworkMethod {
            type Network<B: Backend> = AnyNetwork<B>;

            fn recipe(&self) -> &Recipe {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.recipe(),)*
                }
            }

            fn recipe_mut(&mut self) -> &mut Recipe {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.recipe_mut(),)*
                }
            }

            fn pretraining(&self) -> Option<&Recipe> {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.pretraining(),)*
                }
            }

            fn pretraining_mut(&mut self) -> Option<&mut Recipe> {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.pretraining_mut(),)*
                }
            }

            fn takes_strategy(&self) -> bool {
                match self {
                    $(AnyNetworkMethod::$network(method) => method.takes_strategy(),)*
                }
            }

            fn anomaly_only(self) -> Self {
                match self {
                    $(AnyNetworkMethod::$network(method) => AnyNetworkMethod::$network(method.anomaly_only()),)*
                }
            }

            fn with_norm(self, norm: Norm) -> Self {
                match self {
                    $(AnyNetworkMethod::$network(method) => AnyNetworkMethod::$network(method.with_norm(norm)),)*
                }
            }

            fn weights(&self, columns: usize, saved: &Shapes) -> usize {
                match self {
                    $(AnyNetworkMethod::$network(method) => {
                        method.weights(columns, &saved.within(stringify!($network)))
                    })*
                }
            }

            fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> AnyNetwork<B> {
                match self {
                    $(AnyNetworkMethod::$network(method) => {
                        AnyNetwork::$network(method.blank(columns, &saved.within(stringify!($network)), device))
                    })*
                }
            }

            fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> AnyNetwork<B> {
                match self {
                    $(AnyNetworkMethod::$network(method) => AnyNetwork::$network(method.init(data, rng)),)*
                }
            }
        }

        impl<B: Backend> Network<B> for AnyNetwork<B> {
            fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
                match self {
                    $(AnyNetwork::$network(network) => network.terms(batch),)*
                }
            }

            fn penalty(&self) -> Option<Tensor<B, 1>> {
                match self {
                    $(AnyNetwork::$network(network) => Network::<B>::penalty(network),)*
                }
            }

            fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
                match self {
                    $(AnyNetwork::$network(network) => network.pretraining_loss(batch),)*
                }
            }

            fn pretrained(self, from: &Self) -> Self {
                match (self, from) {
                    $((AnyNetwork::$network(network), AnyNetwork::$network(from)) => {
                        AnyNetwork::$network(network.pretrained(from))
                    })*
                    (network, _) => network,
                }
            }

            fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
            where
                B: AutodiffBackend,
            {
                match self {
                    $(AnyNetwork::$network(network) => network.direct(data),)*
                }
            }

            fn finish(self, data: &TrainingData<B>) -> Self {
                match self {
                    $(AnyNetwork::$network(network) => AnyNetwork::$network(network.finish(data)),)*
                }
            }

            fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
                match self {
                    $(AnyNetwork::$network(network) => network.norms_mut(),)*
                }
            }

            fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
                match self {
                    $(AnyNetwork::$network(network) => network.representation(rows),)*
                }
            }

            fn graph(&self) -> Option<Graph> {
                match self {
                    $(AnyNetwork::$network(network) => Network::<B>::graph(network),)*
                }
            }

            fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
                match self {
                    $(AnyNetwork::$network(network) => network.score(rows),)*
                }
            }
        }
    };
}

registry! {
    networks {
        "devnet" => DevNet(DevNetConfig, DevNet),
        "prenet" => PReNet(PReNetConfig, PReNet),
        "feawad" => Feawad(FeawadConfig, Feawad),
        "deepsad" => DeepSad(DeepSadConfig, DeepSad),
        "rosas" => Rosas(RosasConfig, Rosas),
        "repen" => Repen(RepenConfig, Repen),
        "mlp" => Mlp(MlpConfig, Mlp),
        "resnet" => ResNet(ResNetConfig, ResNet),
        "ft-transformer" => FtTransformer(FtTransformerConfig, FtTransformer),
        "autoencoder" => Autoencoder(AutoencoderConfig, Autoencoder),
        "deepsvdd" => DeepSvdd(DeepSvddConfig, DeepSvdd),
        "dagmm" => Dagmm(DagmmConfig, Dagmm),
        "ganomaly" => Ganomaly(GanomalyConfig, Ganomaly),
    }
    rules {
        "quorum" => Quorum(QuorumConfig),
        "random-forest" => RandomForest(RandomForestConfig),
        "gbdt" => Gbdt(GbdtConfig),
        "xgbod" => Xgbod(XgbodConfig),
        "logistic" => Logistic(LogisticConfig),
        "mean-difference" => MeanDifference(MeanDifferenceConfig),
        "mahalanobis" => Mahalanobis(MahalanobisConfig),
        "fisher" => Fisher(FisherConfig),
        "whitened-cosine" => WhitenedCosine(WhitenedCosineConfig),
        "whitened-cosine-mahalanobis" => WhitenedCosineMahalanobis(WhitenedCosineMahalanobisConfig),
        "knn" => Knn(KnnConfig),
        "isolation-forest" => IsolationForest(IsolationForestConfig),
        "lof" => Lof(LofConfig),
        "ecod" => Ecod(EcodConfig),
        "copod" => Copod(CopodConfig),
        "hbos" => Hbos(HbosConfig),
        "pca" => Pca(PcaConfig),
        "cblof" => Cblof(CblofConfig),
        "loda" => Loda(LodaConfig),
        "ocsvm" => Ocsvm(OcsvmConfig),
    }
}

/// How a method is fitted.
#[derive(Debug)]
pub enum MethodForm {
    /// By gradient descent.
    Network(AnyNetworkMethod),
    /// In plain memory.
    Rule(Box<dyn AnyRuleMethod>),
}

/// An object-safe form of [`RuleMethod`].
pub trait AnyRuleMethod: Debug + Send + Sync {
    /// Fits the rule ([`RuleMethod::fit`]).
    fn fit(&self, data: &RuleData, rng: &mut dyn Rng) -> Box<dyn FittedRule>;

    /// Restores a fitted rule ([`RuleMethod::restore`]).
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong shape.
    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Box<dyn FittedRule>, String>;
}

impl<M: RuleMethod<Fitted: 'static>> AnyRuleMethod for M {
    fn fit(&self, data: &RuleData, mut rng: &mut dyn Rng) -> Box<dyn FittedRule> {
        Box::new(RuleMethod::fit(self, data, &mut rng))
    }

    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Box<dyn FittedRule>, String> {
        Ok(Box::new(RuleMethod::restore(self, columns, saved)?))
    }
}

impl AnyMethod {
    /// The method of this name in its default configuration.
    ///
    /// # Errors
    /// When there is no such method. The error contains the most similar name.
    pub fn by_name(name: &str) -> Result<AnyMethod, ConfigError> {
        let all = AnyMethod::all();
        if let Some(method) = all.iter().find(|method| method.info().name == name) {
            return Ok(method.clone());
        }
        let nearest = closest(name, all.iter().map(|method| method.info().name));
        Err(ConfigError::UnknownMethod { name: name.into(), nearest })
    }
}

/// The most similar name.
pub(crate) fn closest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    closest_names(wanted, names, 1).concat()
}

impl Default for AnyMethod {
    /// [`DevNetConfig`].
    fn default() -> Self {
        AnyMethod::DevNet(DevNetConfig::default())
    }
}

impl Default for AnyNetworkMethod {
    /// [`DevNetConfig`].
    fn default() -> Self {
        AnyNetworkMethod::DevNet(DevNetConfig::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn::backend::Autodiff;
    use burn::module::{AutodiffModule, ModuleVisitor, Param};
    use burn::tensor::TensorData;
    use burn_flex::Flex;
    use burn_ndarray::NdArray;

    #[test]
    fn names_are_unique_and_the_same_in_files() {
        let all = AnyMethod::all();
        for method in &all {
            let name = method.info().name;
            assert_eq!(&AnyMethod::by_name(name).unwrap(), method);
            assert_eq!(serde_json::to_value(method).unwrap()["model"], name);
            assert_eq!(all.iter().filter(|other| other.info().name == name).count(), 1);
            method.check().unwrap();
        }
    }

    fn shapes<B: Backend>(network: &AnyNetwork<B>) -> Shapes {
        struct Collect(Vec<String>, Vec<(String, Vec<usize>)>);

        impl<B: Backend> ModuleVisitor<B> for Collect {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.0.push(name.into());
            }

            fn exit_module(&mut self, _: &str, _: &str) {
                self.0.pop();
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
                self.1.push((self.0.join("."), param.val().dims().to_vec()));
            }
        }

        let mut collected = Collect(Vec::new(), Vec::new());
        network.visit(&mut collected);
        Shapes::new(collected.1)
    }

    /// Model files are checked against `weights`, which must be the size of the network for every method, depth and normalisation.
    #[test]
    fn every_network_method_states_the_size_of_its_network() {
        let mut methods = AnyNetworkMethod::all();
        for depth in [crate::networks::devnet::Depth::One, crate::networks::devnet::Depth::Four] {
            methods.push(AnyNetworkMethod::DevNet(DevNetConfig { depth, ..Default::default() }));
        }
        methods.push(AnyNetworkMethod::DeepSad(DeepSadConfig { widths: vec![4], ..Default::default() }));
        let norms = [Norm::None, Norm::Batch, Norm::Layer];
        for method in methods.into_iter().flat_map(|method| norms.map(|norm| method.clone().with_norm(norm))) {
            let mut saved = Shapes::default();
            for (columns, unlabelled) in [(1, 1), (3, 5), (300, 2)] {
                let rows = Tensor::<NdArray, 2>::zeros([unlabelled + 1, columns], &Default::default());
                let data = TrainingData { rows, unlabelled: (0..unlabelled).collect(), anomalies: vec![unlabelled] };
                let network = method.init(&data, &mut Seed(1).stream(&["weights"]));
                saved = shapes(&network);
                assert_eq!(method.weights(columns, &saved), network.num_params(), "{method:?}, {columns} columns");
                let blank = method.blank::<NdArray>(columns, &saved, &Default::default());
                assert_eq!(shapes(&blank), saved, "{method:?}, {columns} columns");
            }
            assert_eq!(method.weights(usize::MAX, &saved), usize::MAX, "{method:?}");
        }
    }

    /// Without batch normalisation, unlabelled rows would not influence the training under AnoOnly.
    #[test]
    fn every_method_that_takes_a_strategy_has_a_batch_normalised_form() {
        let rows = Tensor::<NdArray, 2>::zeros([3, 4], &Default::default());
        let data = TrainingData { rows, unlabelled: vec![0, 1], anomalies: vec![2] };
        let mut taking = 0;
        for method in AnyNetworkMethod::all().into_iter().filter(NetworkMethod::takes_strategy) {
            let mut network = method.clone().anomaly_only().init(&data, &mut Seed(1).stream(&["weights"]));
            let batch_norms = network.norms_mut().into_iter().filter(|norm| norm.batch().is_some()).count();
            assert!(batch_norms > 0, "{method:?} has no batch normalisation under AnoOnly");
            taking += 1;
        }
        assert_eq!(taking, 8);
    }

    fn rule_data(anomaly: f32) -> RuleData {
        let cell = |row: usize, column: usize| ((row * 7 + column * 5) % 13) as f32 / 12.0;
        let mut rows: Vec<f32> = (0..60).map(|place| cell(place / 3, place % 3)).collect();
        rows[57..].fill(anomaly);
        RuleData { rows, columns: 3, unlabelled: (0..19).collect(), anomalies: vec![19] }
    }

    /// A saved rule can be restored. Without one of its tensors, it cannot.
    #[test]
    fn a_restored_rule_scores_the_same_bits() {
        let data = rule_data(0.7);
        let mut rules = 0;
        for method in AnyMethod::all() {
            let MethodForm::Rule(rule) = method.form() else { continue };
            let fitted = rule.fit(&data, &mut Seed(1).stream(&["weights"]));
            let saved = fitted.save();
            let mut left = saved.clone();
            let restored = rule.restore(3, &mut left).unwrap();
            assert_eq!((left.left(), restored.save()), (None, saved.clone()), "{method:?}");
            let rows = crate::RowBlock::new(&data.rows, 3);
            assert_eq!(restored.score(rows), fitted.score(rows), "{method:?}");
            for (missing, _) in saved.clone() {
                let mut others: SavedTensors = saved.clone().into_iter().filter(|(path, _)| *path != missing).collect();
                assert!(rule.restore(3, &mut others).is_err(), "{method:?} without {missing}");
            }
            rules += 1;
        }
        assert_eq!(rules, 20);
    }

    /// The graph, which is used for export and fast scoring, gives the scores of the rule.
    #[test]
    fn a_graph_matches_its_rule() {
        let data = rule_data(0.7);
        let mut names = Vec::new();
        for method in AnyMethod::all() {
            let MethodForm::Rule(rule) = method.form() else { continue };
            let fitted = rule.fit(&data, &mut Seed(1).stream(&["weights"]));
            let Some(graph) = fitted.graph() else { continue };
            let copy = |rows: &[f32], to: &mut [f32], stride: usize| {
                for (row, to) in rows.chunks_exact(3).zip(to.chunks_mut(stride)) {
                    to[..3].copy_from_slice(row);
                }
                true
            };
            let scores = crate::kernels::Scorer::new(&graph, 3).score(&data.rows, copy).unwrap();
            for (ours, theirs) in scores.iter().zip(fitted.score(crate::RowBlock::new(&data.rows, 3))) {
                assert!((ours - theirs).abs() <= 1e-5 * (1.0 + theirs.abs()), "{method:?}: {ours} and {theirs}");
            }
            names.push(method.info().name);
        }
        assert_eq!(names, ["logistic", "mean-difference", "mahalanobis", "fisher", "whitened-cosine"]);
    }

    /// Replacing a labelled anomaly by another one does not change the scores of a method without labels.
    #[test]
    fn unsupervised_methods_ignore_labelled_anomalies() {
        let scores = |method: &AnyMethod, anomaly: f32| -> Vec<f32> {
            let data = rule_data(anomaly);
            let mut rng = Seed(1).stream(&["weights"]);
            match method.form() {
                MethodForm::Rule(rule) => rule.fit(&data, &mut rng).score(crate::RowBlock::new(&data.rows[..57], 3)),
                MethodForm::Network(network) => {
                    let rows = TensorData::new(data.rows, [20, 3]);
                    let rows = Tensor::<NdArray, 2>::from_data(rows, &Default::default());
                    let data =
                        TrainingData { rows: rows.clone(), unlabelled: data.unlabelled, anomalies: data.anomalies };
                    let network = network.init(&data, &mut rng).finish(&data);
                    network.score(rows.narrow(0, 0, 19)).into_data().iter::<f32>().collect()
                }
            }
        };
        let unsupervised = |method: &AnyMethod| method.info().kind == MethodKind::Unsupervised;
        let methods: Vec<AnyMethod> = AnyMethod::all().into_iter().filter(unsupervised).collect();
        assert!(methods.len() >= 13);
        for method in methods {
            assert_eq!(scores(&method, 0.3), scores(&method, 0.9), "{method:?}");
        }
    }

    /// With frozen normalisation, a network on an autodiff backend has the scores of the plain network and does not update its running
    /// statistics. Its gradient is finite, also for rows of zeros, which the initial weights of FEAWAD reconstruct exactly.
    fn frozen_norms_give_the_scores_of_the_plain_network<B: Backend>() {
        let rows = |shift: usize| {
            let cells =
                (0..5).map(|row| std::array::from_fn(|column| ((row * 7 + column * 3 + shift) % 11) as f32 / 10.0));
            let cells: Vec<[f32; 3]> = [[0.0; 3]].into_iter().chain(cells).collect();
            Tensor::<B, 2>::from_data(TensorData::new(cells.concat(), [6, 3]), &Default::default())
        };
        let data = TrainingData { rows: rows(0), unlabelled: (0..4).collect(), anomalies: vec![4, 5] };
        let norms = [Norm::None, Norm::Batch, Norm::Layer];
        for method in
            AnyNetworkMethod::all().into_iter().flat_map(|method| norms.map(|norm| method.clone().with_norm(norm)))
        {
            let network = method.init(&data, &mut Seed(1).stream(&["weights"])).finish(&data);
            let mut network = AnyNetwork::<Autodiff<B>>::from_inner(network);
            // Changes the running statistics.
            network.score(Tensor::from_inner(rows(1)));
            let plain = |network: &AnyNetwork<Autodiff<B>>| -> Vec<f32> {
                network.valid().score(rows(2)).into_data().iter::<f32>().collect()
            };
            let unfrozen = plain(&network);
            network.norms_mut().into_iter().for_each(NormLayer::freeze);
            let before = plain(&network);
            let input = Tensor::from_inner(rows(2)).require_grad();
            let scores = network.score(input.clone());
            let gradients = scores.clone().sum().backward();
            let gradient: Vec<f32> = input.grad(&gradients).unwrap().into_data().iter::<f32>().collect();
            assert!(gradient.iter().all(|cell| cell.is_finite()), "{method:?}: {gradient:?}");
            assert!(gradient.iter().any(|cell| *cell != 0.0), "{method:?}");
            assert_eq!(plain(&network), before, "{method:?}");
            for (ours, plain) in scores.into_data().iter::<f32>().zip(unfrozen) {
                assert!((ours - plain).abs() <= 1e-5 * (1.0 + plain.abs()), "{method:?}: {ours} and {plain}");
            }
        }
    }

    #[test]
    fn frozen_norms_give_the_scores_of_the_plain_network_on_ndarray() {
        frozen_norms_give_the_scores_of_the_plain_network::<NdArray>();
    }

    #[test]
    fn frozen_norms_give_the_scores_of_the_plain_network_on_flex() {
        frozen_norms_give_the_scores_of_the_plain_network::<Flex>();
    }

    #[test]
    fn unknown_names_suggest_the_most_similar_name() {
        let message = AnyMethod::by_name("DevNett").unwrap_err().to_string();
        assert_eq!(message, "unknown model `DevNett`; did you mean devnet?");
    }

    #[test]
    fn missing_settings_have_defaults_and_invalid_values_are_named() {
        let method: AnyMethod = serde_json::from_str(r#"{"model": "devnet", "depth": 4}"#).unwrap();
        let AnyMethod::DevNet(config) = &method else { panic!("{method:?}") };
        assert_eq!(config, &DevNetConfig { depth: crate::networks::devnet::Depth::Four, ..Default::default() });
        assert!(serde_json::from_str::<AnyMethod>(r#"{"model": "devnet", "depth": 3}"#).is_err());
        assert!(serde_json::from_str::<AnyMethod>(r#"{"model": "devnet", "dept": 2}"#).is_err());
        let bad = AnyMethod::DevNet(DevNetConfig { margin: -1.0, ..Default::default() });
        let message = bad.check().unwrap_err().to_string();
        assert_eq!(message, "devnet: option `margin` is -1, must be a finite number above 0");
    }
}
