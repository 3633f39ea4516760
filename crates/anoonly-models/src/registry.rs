//! Every method of the zoo by its name.

#![expect(clippy::large_enum_variant, reason = "networks are as many as fits, and the largest is of kilobytes")]

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
use crate::rules::cblof::{Cblof, CblofConfig};
use crate::rules::copod::{Copod, CopodConfig};
use crate::rules::ecod::{Ecod, EcodConfig};
use crate::rules::fisher::{Fisher, FisherConfig};
use crate::rules::gbdt::{Gbdt, GbdtConfig};
use crate::rules::hbos::{Hbos, HbosConfig};
use crate::rules::isolation_forest::{IsolationForest, IsolationForestConfig};
use crate::rules::knn::{Knn, KnnConfig};
use crate::rules::loda::{Loda, LodaConfig};
use crate::rules::lof::{Lof, LofConfig};
use crate::rules::logistic::{Logistic, LogisticConfig};
use crate::rules::mahalanobis::{Mahalanobis, MahalanobisConfig};
use crate::rules::mean_difference::{MeanDifference, MeanDifferenceConfig};
use crate::rules::ocsvm::{Ocsvm, OcsvmConfig};
use crate::rules::pca::{Pca, PcaConfig};
use crate::rules::quorum::{Quorum, QuorumConfig};
use crate::rules::random_forest::{RandomForest, RandomForestConfig};
use crate::rules::whitened_cosine::{WhitenedCosine, WhitenedCosineConfig};
use crate::rules::whitened_cosine_mahalanobis::{WhitenedCosineMahalanobis, WhitenedCosineMahalanobisConfig};
use crate::rules::xgbod::{Xgbod, XgbodConfig};
use crate::{Batch, ConfigError, LossTerms, Method, MethodInfo, Network, Norm, Shapes, TrainingData};

/// Makes [`AnyMethod`] and [`AnyNetwork`] from one line a method: its name in configuration files, configuration and network.
macro_rules! registry {
    ($($name:literal => $variant:ident($config:ty, $network:ident)),* $(,)?) => {
        /// The configuration of any method of the zoo; in a configuration file, the key `model` tells which.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model")]
        #[expect(missing_docs, reason = "each variant holds the documented configuration of its name")]
        pub enum AnyMethod {
            $(#[serde(rename = $name)] $variant($config),)*
        }

        /// The network of any method of the zoo.
        #[derive(Module, Debug)]
        #[expect(missing_docs, reason = "each variant holds the documented network of its name")]
        pub enum AnyNetwork<B: Backend> {
            $($variant($network<B>),)*
        }

        impl AnyMethod {
            /// Every method in its default configuration.
            pub fn all() -> Vec<AnyMethod> {
                vec![$(AnyMethod::$variant(Default::default()),)*]
            }

            /// Name, kind and source.
            pub fn info(&self) -> MethodInfo {
                match self {
                    $(AnyMethod::$variant(_) => <$config as Method>::INFO,)*
                }
            }

            /// Checks every value.
            ///
            /// # Errors
            /// Names the first option with a value that no fit could start from.
            pub fn check(&self) -> Result<(), ConfigError> {
                match self {
                    $(AnyMethod::$variant(method) => method.check(),)*
                }
            }
        }

        impl Method for AnyMethod {
            type Network<B: Backend> = AnyNetwork<B>;

            /// Of any method; [`AnyMethod::info`] tells of the one at hand.
            const INFO: MethodInfo = MethodInfo {
                name: "any",
                title: "Any method",
                kind: crate::Kind::FewLabels,
                source: "the registry",
            };

            fn check(&self) -> Result<(), ConfigError> {
                AnyMethod::check(self)
            }

            fn recipe(&self) -> Option<&Recipe> {
                match self {
                    $(AnyMethod::$variant(method) => method.recipe(),)*
                }
            }

            fn pretraining(&self) -> Option<&Recipe> {
                match self {
                    $(AnyMethod::$variant(method) => method.pretraining(),)*
                }
            }

            fn recipe_mut(&mut self) -> Option<&mut Recipe> {
                match self {
                    $(AnyMethod::$variant(method) => method.recipe_mut(),)*
                }
            }

            fn anomaly_only(self) -> Self {
                match self {
                    $(AnyMethod::$variant(method) => AnyMethod::$variant(method.anomaly_only()),)*
                }
            }

            fn with_norm(self, norm: Norm) -> Self {
                match self {
                    $(AnyMethod::$variant(method) => AnyMethod::$variant(method.with_norm(norm)),)*
                }
            }

            fn takes_strategy(&self) -> bool {
                match self {
                    $(AnyMethod::$variant(method) => method.takes_strategy(),)*
                }
            }

            fn weights(&self, columns: usize, saved: &Shapes) -> usize {
                match self {
                    $(AnyMethod::$variant(method) => method.weights(columns, &saved.within(stringify!($variant))),)*
                }
            }

            fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> AnyNetwork<B> {
                match self {
                    $(AnyMethod::$variant(method) => {
                        AnyNetwork::$variant(method.blank(columns, &saved.within(stringify!($variant)), device))
                    })*
                }
            }

            fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> AnyNetwork<B> {
                match self {
                    $(AnyMethod::$variant(method) => AnyNetwork::$variant(method.init(data, rng)),)*
                }
            }
        }

        impl<B: Backend> Network<B> for AnyNetwork<B> {
            fn terms(&self, batch: &Batch<B>) -> LossTerms<B> {
                match self {
                    $(AnyNetwork::$variant(network) => network.terms(batch),)*
                }
            }

            fn penalty(&self) -> Option<Tensor<B, 1>> {
                match self {
                    $(AnyNetwork::$variant(network) => Network::<B>::penalty(network),)*
                }
            }

            fn pretraining_loss(&self, batch: &Batch<B>) -> Tensor<B, 1> {
                match self {
                    $(AnyNetwork::$variant(network) => network.pretraining_loss(batch),)*
                }
            }

            fn pretrained(self, from: &Self) -> Self {
                match (self, from) {
                    $((AnyNetwork::$variant(network), AnyNetwork::$variant(from)) => {
                        AnyNetwork::$variant(network.pretrained(from))
                    })*
                    (network, _) => network,
                }
            }

            fn direct(&self, data: &TrainingData<B::InnerBackend>) -> Option<Box<dyn Direct>>
            where
                B: AutodiffBackend,
            {
                match self {
                    $(AnyNetwork::$variant(network) => network.direct(data),)*
                }
            }

            fn finish(self, data: &TrainingData<B>) -> Self {
                match self {
                    $(AnyNetwork::$variant(network) => AnyNetwork::$variant(network.finish(data)),)*
                }
            }

            fn norms_mut(&mut self) -> Vec<&mut NormLayer<B>> {
                match self {
                    $(AnyNetwork::$variant(network) => network.norms_mut(),)*
                }
            }

            fn representation(&self, rows: Tensor<B, 2>) -> Option<Tensor<B, 2>> {
                match self {
                    $(AnyNetwork::$variant(network) => network.representation(rows),)*
                }
            }

            fn smooth(&self) -> bool {
                match self {
                    $(AnyNetwork::$variant(network) => Network::<B>::smooth(network),)*
                }
            }

            fn graph(&self) -> Option<Graph> {
                match self {
                    $(AnyNetwork::$variant(network) => Network::<B>::graph(network),)*
                }
            }

            fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
                match self {
                    $(AnyNetwork::$variant(network) => network.score(rows),)*
                }
            }
        }
    };
}

registry! {
    "devnet" => DevNet(DevNetConfig, DevNet),
    "prenet" => PReNet(PReNetConfig, PReNet),
    "feawad" => Feawad(FeawadConfig, Feawad),
    "deepsad" => DeepSad(DeepSadConfig, DeepSad),
    "rosas" => Rosas(RosasConfig, Rosas),
    "repen" => Repen(RepenConfig, Repen),
    "mlp" => Mlp(MlpConfig, Mlp),
    "resnet" => ResNet(ResNetConfig, ResNet),
    "ft-transformer" => FtTransformer(FtTransformerConfig, FtTransformer),
    "quorum" => Quorum(QuorumConfig, Quorum),
    "random-forest" => RandomForest(RandomForestConfig, RandomForest),
    "gbdt" => Gbdt(GbdtConfig, Gbdt),
    "xgbod" => Xgbod(XgbodConfig, Xgbod),
    "logistic" => Logistic(LogisticConfig, Logistic),
    "mean-difference" => MeanDifference(MeanDifferenceConfig, MeanDifference),
    "mahalanobis" => Mahalanobis(MahalanobisConfig, Mahalanobis),
    "fisher" => Fisher(FisherConfig, Fisher),
    "whitened-cosine" => WhitenedCosine(WhitenedCosineConfig, WhitenedCosine),
    "whitened-cosine-mahalanobis" =>
        WhitenedCosineMahalanobis(WhitenedCosineMahalanobisConfig, WhitenedCosineMahalanobis),
    "knn" => Knn(KnnConfig, Knn),
    "isolation-forest" => IsolationForest(IsolationForestConfig, IsolationForest),
    "lof" => Lof(LofConfig, Lof),
    "ecod" => Ecod(EcodConfig, Ecod),
    "copod" => Copod(CopodConfig, Copod),
    "hbos" => Hbos(HbosConfig, Hbos),
    "pca" => Pca(PcaConfig, Pca),
    "cblof" => Cblof(CblofConfig, Cblof),
    "loda" => Loda(LodaConfig, Loda),
    "ocsvm" => Ocsvm(OcsvmConfig, Ocsvm),
    "autoencoder" => Autoencoder(AutoencoderConfig, Autoencoder),
    "deepsvdd" => DeepSvdd(DeepSvddConfig, DeepSvdd),
    "dagmm" => Dagmm(DagmmConfig, Dagmm),
    "ganomaly" => Ganomaly(GanomalyConfig, Ganomaly),
}

impl AnyMethod {
    /// The method of this name in its default configuration.
    ///
    /// # Errors
    /// When there is none; the nearest name is told.
    pub fn by_name(name: &str) -> Result<AnyMethod, ConfigError> {
        let all = AnyMethod::all();
        if let Some(method) = all.iter().find(|method| method.info().name == name) {
            return Ok(method.clone());
        }
        let nearest = nearest(name, all.iter().map(|method| method.info().name));
        Err(ConfigError::UnknownMethod { name: name.into(), nearest })
    }
}

/// The name most like the wanted one.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let likeness = |name: &str| strsim::jaro_winkler(&wanted.to_lowercase(), name);
    names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default().to_owned()
}

impl Default for AnyMethod {
    /// [`DevNetConfig`].
    fn default() -> Self {
        AnyMethod::DevNet(DevNetConfig::default())
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

    /// What a model file is held against is what the network holds, for every method, depth and normalisation.
    #[test]
    fn every_method_knows_the_size_of_its_network() {
        let mut methods = AnyMethod::all();
        for depth in [crate::networks::devnet::Depth::One, crate::networks::devnet::Depth::Four] {
            methods.push(AnyMethod::DevNet(DevNetConfig { depth, ..Default::default() }));
        }
        methods.push(AnyMethod::DeepSad(DeepSadConfig { widths: vec![4], ..Default::default() }));
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
            // But for trees, the size grows with the columns.
            if method.weights(1, &saved) != method.weights(2, &saved) {
                assert_eq!(method.weights(usize::MAX, &saved), usize::MAX, "{method:?}");
            }
        }
    }

    /// Another labelled anomaly in the place of one makes no difference to a method that knows no labels.
    #[test]
    fn methods_without_labels_do_not_look_at_labelled_anomalies() {
        let scores = |method: &AnyMethod, anomaly: f32| -> Vec<f32> {
            let cell = |row: usize, column: usize| ((row * 7 + column * 5) % 13) as f32 / 12.0;
            let mut cells: Vec<f32> = (0..60).map(|place| cell(place / 3, place % 3)).collect();
            cells[57..].fill(anomaly);
            let rows = Tensor::<NdArray, 2>::from_data(TensorData::new(cells, [20, 3]), &Default::default());
            let data = TrainingData { rows: rows.clone(), unlabelled: (0..19).collect(), anomalies: vec![19] };
            let network = method.init(&data, &mut Seed(1).stream(&["weights"])).finish(&data);
            network.score(rows.narrow(0, 0, 19)).into_data().iter::<f32>().collect()
        };
        let unsupervised = |method: &AnyMethod| method.info().kind == crate::Kind::Unsupervised;
        let methods: Vec<AnyMethod> = AnyMethod::all().into_iter().filter(unsupervised).collect();
        assert!(methods.len() >= 13);
        for method in methods {
            assert_eq!(scores(&method, 0.3), scores(&method, 0.9), "{method:?}");
        }
    }

    /// With frozen norms a network on a differentiating backend scores as the one it was made of, by running statistics
    /// that stay as they are; its gradient is finite, also at zero rows, which FEAWAD's first weights reproduce exactly.
    fn frozen_norms_score_as_without_gradients<B: Backend>() {
        let rows = |shift: usize| {
            let cells =
                (0..5).map(|row| std::array::from_fn(|column| ((row * 7 + column * 3 + shift) % 11) as f32 / 10.0));
            let cells: Vec<[f32; 3]> = [[0.0; 3]].into_iter().chain(cells).collect();
            Tensor::<B, 2>::from_data(TensorData::new(cells.concat(), [6, 3]), &Default::default())
        };
        let data = TrainingData { rows: rows(0), unlabelled: (0..4).collect(), anomalies: vec![4, 5] };
        let norms = [Norm::None, Norm::Batch, Norm::Layer];
        for method in AnyMethod::all().into_iter().flat_map(|method| norms.map(|norm| method.clone().with_norm(norm))) {
            let network = method.init(&data, &mut Seed(1).stream(&["weights"])).finish(&data);
            let mut network = AnyNetwork::<Autodiff<B>>::from_inner(network);
            if !Network::<Autodiff<B>>::smooth(&network) {
                continue;
            }
            // Statistics other than those at the start.
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
    fn frozen_norms_score_as_without_gradients_on_ndarray() {
        frozen_norms_score_as_without_gradients::<NdArray>();
    }

    #[test]
    fn frozen_norms_score_as_without_gradients_on_flex() {
        frozen_norms_score_as_without_gradients::<Flex>();
    }

    #[test]
    fn unknown_names_suggest_the_nearest() {
        let message = AnyMethod::by_name("DevNett").unwrap_err().to_string();
        assert_eq!(message, "unknown model `DevNett`; did you mean devnet? (`anoonly models` lists them all)");
    }

    #[test]
    fn a_file_gives_only_what_differs_and_bad_values_are_named() {
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
