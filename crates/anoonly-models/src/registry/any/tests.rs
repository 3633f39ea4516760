//! What holds for every method of the registry.

use super::*;
use crate::layers::norm::NormLayer;
use crate::networks::deepsad::DeepSadConfig;
use crate::{MethodKind, Network, RuleData, SavedTensors, Shapes, TrainingData};
use anoonly_core::Seed;
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
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
            let data = TrainingData {
                rows,
                others: (0..unlabelled).collect(),
                anomalies: vec![unlabelled],
                normals: Vec::new(),
            };
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
    let data = TrainingData { rows, others: vec![0, 1], anomalies: vec![2], normals: Vec::new() };
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
    RuleData { rows, columns: 3, others: (0..19).collect(), anomalies: vec![19], normals: Vec::new() }
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
    assert_eq!(rules, 22);
}

/// The graph, which is used for export, gives the scores of the rule, also for rows far outside the training rows.
#[test]
fn a_graph_matches_its_rule() {
    let mut wrong = Vec::new();
    for (kind, data) in graph_data() {
        let columns = data.columns;
        let far = |place: usize| ((place * 7919 % 1009) as f32 / 1009.0 - 0.4) * 3f32.powi(place as i32 % 5);
        let rows: Vec<f32> = data.rows.iter().copied().chain((0..30 * columns).map(far)).collect();
        let mut dense = Vec::new();
        for method in AnyMethod::all() {
            let MethodForm::Rule(rule) = method.form() else { continue };
            if method.needs_labels() && data.anomalies.is_empty() {
                continue;
            }
            let name = method.info().name;
            let fitted = rule.fit(&data, &mut Seed(1).stream(&["weights"]));
            let scores = fitted.score(crate::RowBlock::new(&rows, columns));
            let graph = fitted.graph().unwrap();
            let evaluated = crate::graph::evaluate::evaluate(&graph, &rows, columns);
            let difference =
                |(&ours, theirs): (&f32, &f64)| (f64::from(ours) - theirs).abs() / f64::from(ours).abs().max(1.0);
            let largest = scores.iter().zip(&evaluated).map(difference).fold(0.0, f64::max);
            if largest.is_nan() || largest > tolerance(name, kind) {
                wrong.push(format!("{name}, {kind}: {largest:.1e}"));
            }
            if let Some(scorer) = fitted.scorer(columns) {
                let copy = |rows: &[f32], to: &mut [f32], stride: usize| {
                    for (row, to) in rows.chunks_exact(columns).zip(to.chunks_mut(stride)) {
                        to[..columns].copy_from_slice(row);
                    }
                    true
                };
                for (ours, theirs) in scorer.score(&rows, copy).unwrap().iter().zip(&scores) {
                    assert!((ours - theirs).abs() <= 1e-5 * (1.0 + theirs.abs()), "{name}: {ours} and {theirs}");
                }
                dense.push(name);
            }
        }
        if !data.anomalies.is_empty() {
            assert_eq!(dense, ["logistic", "mean-difference", "mahalanobis", "fisher", "whitened-cosine"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The largest difference, relative to the score where that is above 1. Where training values lie close together, a map to normal scores is
/// steep and amplifies the rounding errors of values in single precision. In a table with fewer rows than columns, all rows are at the same
/// Mahalanobis distance, apart from rounding.
fn tolerance(name: &str, kind: &str) -> f64 {
    match (name, kind) {
        ("whitened-cosine-mahalanobis" | "quorum", "wide") => 1.0,
        ("whitened-cosine-mahalanobis", _) => 1e-3,
        _ => 1e-5,
    }
}

/// Tables of different kinds with labels, without labels and with confirmed normals.
fn graph_data() -> Vec<(&'static str, RuleData)> {
    let made = |columns: usize, rows: usize, anomalies: usize, cell: &dyn Fn(usize, usize) -> f32| {
        let cells = (0..rows * columns).map(|place| {
            let (row, column) = (place / columns, place % columns);
            cell(row, column) + if row < anomalies { 0.3 } else { 0.0 }
        });
        RuleData {
            rows: cells.collect(),
            columns,
            anomalies: (0..anomalies).collect(),
            others: (anomalies..rows).collect(),
            normals: Vec::new(),
        }
    };
    let noise = |row: usize, column: usize| ((row * 7919 + column * 104_729 + row * row * 31) % 1009) as f32 / 1009.0;
    let confirmed = RuleData { normals: (30..60).collect(), ..made(4, 300, 8, &noise) };
    // A constant column, copies of rows and values that repeat.
    let discrete =
        |row: usize, column: usize| if column == 1 { 0.5 } else { ((row % 37 + column * 3) % 7) as f32 / 7.0 };
    vec![
        ("noise", made(4, 300, 8, &noise)),
        ("confirmed", confirmed),
        ("discrete", made(3, 200, 5, &discrete)),
        ("unlabelled", made(4, 300, 0, &noise)),
        ("unlabelled copies", made(3, 200, 0, &discrete)),
        ("one column", made(1, 200, 5, &noise)),
        ("one anomaly", made(4, 40, 1, &noise)),
        ("wide", made(1100, 12, 2, &noise)),
    ]
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
                let data = TrainingData {
                    rows: rows.clone(),
                    others: data.others,
                    anomalies: data.anomalies,
                    normals: Vec::new(),
                };
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
        let cells = (0..5).map(|row| std::array::from_fn(|column| ((row * 7 + column * 3 + shift) % 11) as f32 / 10.0));
        let cells: Vec<[f32; 3]> = [[0.0; 3]].into_iter().chain(cells).collect();
        Tensor::<B, 2>::from_data(TensorData::new(cells.concat(), [6, 3]), &Default::default())
    };
    let data = TrainingData { rows: rows(0), others: (0..4).collect(), anomalies: vec![4, 5], normals: Vec::new() };
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
