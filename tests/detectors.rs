//! Checks that every detector passes, under every strategy and on every CPU backend.

use anoonly::models::networks::devnet::Depth;
use anoonly::models::networks::feawad::FeawadConfig;
use anoonly::models::nng_mix::NngMix;
use anoonly::models::overrides::overridden;
use anoonly::models::recipe::Augmentation;
use anoonly::models::{MethodKind, Norm};
use anoonly::prelude::*;
use anoonly::train::{FitError, Fitter, ScoreError, model_file};
use ndarray::{Array2, Axis, array, concatenate, s};

use crate::conformance::with_false_alarms;

/// Makes a test of each check for each CPU backend.
macro_rules! battery {
    ($($check:ident)*) => {
        mod ndarray_backend {
            $(#[test] fn $check() { super::$check(&super::on(super::BackendName::Ndarray)) })*
        }
        mod flex_backend {
            $(#[test] fn $check() { super::$check(&super::on(super::BackendName::Flex)) })*
        }
    };
}

battery! {
    scores_are_finite_and_rank_clear_anomalies_first
    a_row_scores_the_same_alone_and_in_a_batch
    the_same_seed_gives_the_same_bits_on_every_thread
    another_seed_gives_another_fit_of_randomised_methods
    a_strategy_changes_exactly_the_methods_that_take_one
    unusable_samples_are_a_typed_fit_error
    unusable_rows_are_a_typed_score_error
    one_column_and_constant_columns_are_fine
    confirmed_normals_change_exactly_the_methods_that_learn_from_them
    methods_that_need_no_labels_are_fitted_without_them
    a_saved_detector_scores_the_same_bits
    the_representation_is_finite_and_differs_between_rows
}

/// Fits of one method that differ in their strategy share their pretraining. Their results are the same as those of separate fits.
#[test]
fn strategies_share_a_pretraining_and_give_the_same_bits() {
    let (samples, _) = clear();
    let scores = |fitted: FittedDetector| fitted.score(samples.features()).unwrap();
    let mut spared = 0;
    for pair in detectors(1).chunks_exact(2) {
        let mut fitter = Fitter::new(&samples, &ComputeDevice::default()).unwrap();
        for detector in pair {
            spared += usize::from(fitter.spared_seconds(detector) > 0.0);
            let together = scores(fitter.fit(detector).unwrap());
            assert_eq!(together, scores(fit(detector, &samples, &ComputeDevice::default())), "{detector:?}");
        }
    }
    assert_eq!(spared, 1, "only FEAWAD has a pretraining, and its second fit shares it");
}

/// FEAWAD's pretraining and training both change its scores.
#[test]
fn both_trainings_of_feawad_change_its_scores() {
    let (samples, _) = clear();
    let scores = |pretraining: usize, training: usize| {
        let mut method = FeawadConfig::default();
        method.pretraining.epochs = pretraining;
        method.recipe.epochs = training;
        let detector = Detector::new(AnyMethod::Feawad(method), Supervision::AnomalyOnly, Seed(1)).unwrap();
        fit(&detector, &samples, &ComputeDevice::default()).score(samples.features()).unwrap()
    };
    assert_ne!(scores(1, 1), scores(2, 1));
    assert_ne!(scores(1, 1), scores(1, 2));
}

/// Pseudo-anomalies work with every trained method under every strategy. They change the fit of the methods that learn from labels.
#[test]
fn nng_mix_works_with_every_host_and_strategy() {
    let (samples, _) = clear();
    let mut composed = 0;
    for detector in detectors(1) {
        let mut method = detector.method().clone();
        let Some(recipe) = method.recipe_mut() else { continue };
        recipe.augmentation = Augmentation::NngMix(NngMix::default());
        let mixed = Detector::new(method, detector.supervision(), Seed(1)).unwrap();
        let scores = |detector| fit(detector, &samples, &ComputeDevice::default()).score(samples.features()).unwrap();
        let (with, without) = (scores(&mixed), scores(&detector));
        assert!(with.iter().all(|score| score.is_finite()), "{mixed:?}");
        let learns = mixed.method().info().kind == MethodKind::FewLabels;
        assert_eq!(with != without, learns, "{mixed:?}");
        assert_eq!(with, scores(&mixed), "{mixed:?}");
        composed += 1;
    }
    assert!(composed >= 14, "{composed}");
}

/// Every method of the zoo under every strategy, and DevNet with other depths and another normalisation. Methods with long default
/// trainings train for fewer epochs here, with larger steps; GANomaly takes more than one step in each epoch. Each boosted tree uses
/// half of the columns: a single column separates labelled from hidden anomalies, and trees on all columns would use no other.
pub fn detectors(seed: u64) -> Vec<Detector> {
    let changes = "
        [devnet.recipe]
        epochs = 20
        optimiser.learning_rate = 1e-3
        [prenet.recipe]
        epochs = 5
        [deepsad.recipe]
        optimiser.learning_rate = 2e-3
        [rosas.recipe]
        epochs = 5
        [repen.recipe]
        epochs = 10
        [resnet.recipe]
        epochs = 5
        [ft-transformer]
        width = 16
        heads = 4
        hidden = 20
        recipe.epochs = 5
        recipe.optimiser.learning_rate = 3e-3
        [mlp.recipe]
        epochs = 5
        optimiser.learning_rate = 3e-3
        [deepsvdd.recipe]
        epochs = 20
        optimiser.learning_rate = 1e-3
        [ganomaly.recipe]
        batches.rows = 8
        [feawad]
        pretraining.epochs = 2
        recipe.epochs = 3
        recipe.optimiser.learning_rate = 1e-3
        [gbdt]
        columns = 0.5
        [xgbod]
        gbdt.columns = 0.25
    ";
    let mut methods = overridden(AnyMethod::all(), changes).unwrap();
    let AnyMethod::DevNet(devnet) = methods[0].clone() else { panic!("{:?}", methods[0]) };
    for depth in [Depth::One, Depth::Four] {
        let mut deep = DevNetConfig { depth, ..devnet.clone() };
        deep.recipe.epochs = 5;
        methods.push(AnyMethod::DevNet(deep));
    }
    methods.push(AnyMethod::DevNet(DevNetConfig { norm: Norm::Layer, ..devnet.clone() }));
    let strategies = [Supervision::Full, Supervision::AnomalyOnly];
    let both = |method: AnyMethod| strategies.map(|s| Detector::new(method.clone(), s, Seed(seed)).unwrap());
    methods.into_iter().flat_map(both).collect()
}

fn on(backend: BackendName) -> ComputeDevice {
    ComputeDevice::new(backend, None).unwrap()
}

fn fit(detector: &Detector, samples: &Samples, device: &ComputeDevice) -> FittedDetector {
    detector.fit(samples, device).unwrap()
}

/// 80 rows around 0 and 8 anomalies around 3 in each of four columns, with four anomalies labelled. The spread is a fixed sequence.
fn clear() -> (Samples, Vec<bool>) {
    let noise = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 1000) as f32 / 1000.0 - 0.5;
    let features = Array2::from_shape_fn((88, 4), |(r, c)| noise(r, c) + if r < 8 { 3.0 } else { 0.0 });
    let labels = (0..88).map(|row| if row < 4 { Label::Anomaly } else { Label::Unlabelled }).collect();
    (Samples::new(features, labels).unwrap(), (0..88).map(|row| row < 8).collect())
}

#[track_caller]
fn close(a: &[f32], b: &[f32], relative: f32, what: &str) {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    let worst = a.iter().zip(b).fold(0.0f32, |max, (a, b)| max.max((a - b).abs()));
    assert!(worst <= relative * scale, "{what}: scores differ by {worst}, the largest being {scale}");
}

fn scores_are_finite_and_rank_clear_anomalies_first(device: &ComputeDevice) {
    let (samples, truth) = clear();
    for detector in detectors(1) {
        let scores = fit(&detector, &samples, device).score(samples.features()).unwrap();
        assert_eq!(scores.len(), samples.rows());
        assert!(scores.iter().all(|score| score.is_finite()), "{detector:?}");
        let auroc = auroc(&scores, &truth).unwrap();
        assert!(auroc > 0.99, "{detector:?}: AUROC {auroc}");
    }
}

fn a_row_scores_the_same_alone_and_in_a_batch(device: &ComputeDevice) {
    let (samples, _) = clear();
    for detector in detectors(1) {
        let fitted = fit(&detector, &samples, device);
        let together = fitted.score(samples.features()).unwrap();
        let rows = samples.features().axis_chunks_iter(Axis(0), 1);
        let alone: Vec<f32> = rows.flat_map(|row| fitted.score(&row.to_owned()).unwrap()).collect();
        close(&together, &alone, 1e-5, &format!("{detector:?}"));
    }
}

fn the_same_seed_gives_the_same_bits_on_every_thread(device: &ComputeDevice) {
    let (samples, _) = clear();
    for detector in detectors(1) {
        let scores = || fit(&detector, &samples, device).score(samples.features()).unwrap();
        let here = scores();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(scores)).collect();
            for thread in threads {
                assert_eq!(here, thread.join().unwrap(), "{detector:?}");
            }
        });
    }
}

fn another_seed_gives_another_fit_of_randomised_methods(device: &ComputeDevice) {
    let (samples, _) = clear();
    for (one, two) in detectors(1).iter().zip(detectors(2)) {
        let (one, two) = (fit(one, &samples, device), fit(&two, &samples, device));
        if one.history().kept_epoch > 0 {
            assert_ne!(one.score(samples.features()).unwrap(), two.score(samples.features()).unwrap());
        }
    }
}

fn a_strategy_changes_exactly_the_methods_that_take_one(device: &ComputeDevice) {
    let (samples, _) = clear();
    for pair in detectors(1).chunks_exact(2) {
        let [host, anoonly] = [0, 1].map(|at| fit(&pair[at], &samples, device).score(samples.features()).unwrap());
        assert_eq!(host != anoonly, pair[0].method().takes_strategy(), "{:?}", pair[0]);
    }
}

fn unusable_samples_are_a_typed_fit_error(device: &ComputeDevice) {
    let (samples, _) = clear();
    let labelled = |label| Samples::new(samples.features().clone(), vec![label; samples.rows()]).unwrap();
    for detector in detectors(1) {
        let error = |samples| detector.fit(&samples, device).unwrap_err();
        if detector.method().needs_labels() {
            let method = detector.method().info().name;
            assert_eq!(error(labelled(Label::Unlabelled)), FitError::NoAnomalies { method }, "{detector:?}");
        }
        assert_eq!(error(labelled(Label::Anomaly)), FitError::OnlyAnomalies, "{detector:?}");
    }
}

fn unusable_rows_are_a_typed_score_error(device: &ComputeDevice) {
    let (samples, _) = clear();
    for detector in detectors(1) {
        let fitted = fit(&detector, &samples, device);
        let narrow = samples.features().slice(s![.., ..3]).to_owned();
        assert_eq!(fitted.score(&narrow), Err(ScoreError::Columns { expected: 4, found: 3 }));
        let bad = array![[0.0, 0.0, 0.0, 0.0], [0.0, f32::NAN, 0.0, 0.0]];
        assert_eq!(fitted.score(&bad), Err(ScoreError::NotFinite { row: 2, column: 2 }));
        assert_eq!(fitted.score(&(bad / 0.0)), Err(ScoreError::NotFinite { row: 1, column: 1 }));
        assert_eq!(fitted.score(&Array2::zeros((0, 4))), Ok(vec![]), "{detector:?}");
    }
}

fn one_column_and_constant_columns_are_fine(device: &ComputeDevice) {
    let (samples, _) = clear();
    let labels = samples.labels().to_vec();
    let constant = Array2::ones((samples.rows(), 2));
    let one = samples.features().slice(s![.., ..1]).to_owned();
    let padded = concatenate![Axis(1), samples.features().view(), constant.view()];
    for features in [one, padded, constant] {
        let samples = Samples::new(features, labels.clone()).unwrap();
        for detector in detectors(1) {
            let scores = fit(&detector, &samples, device).score(samples.features()).unwrap();
            assert!(scores.iter().all(|score| score.is_finite()), "{detector:?}");
        }
    }
}

/// False alarms are confirmed as normal. The classes overlap, and the rows are new: trees that separate their training rows without error
/// give them scores that do not depend on weights.
fn confirmed_normals_change_exactly_the_methods_that_learn_from_them(device: &ComputeDevice) {
    let [without, with] = [false, true].map(|confirmed| with_false_alarms(confirmed, 0).0);
    let new = without.features().mapv(|cell| 0.9 * cell + 0.05);
    for detector in detectors(1) {
        let [before, after] = [&without, &with].map(|samples| fit(&detector, samples, device).score(&new).unwrap());
        assert!(after.iter().all(|score| score.is_finite()), "{detector:?}");
        assert_eq!(before != after, detector.method().learns_from_normals(), "{detector:?}");
    }
}

fn methods_that_need_no_labels_are_fitted_without_them(device: &ComputeDevice) {
    let (samples, truth) = clear();
    let labelled = |label| samples.clone().with_labels(vec![label; samples.rows()]).unwrap();
    let mut fitted = 0;
    for detector in detectors(1).into_iter().filter(|detector| !detector.method().needs_labels()) {
        let scores = fit(&detector, &labelled(Label::Unlabelled), device).score(samples.features()).unwrap();
        // Rows that are all labelled normal are no more certain than rows that are all unlabelled.
        assert_eq!(scores, fit(&detector, &labelled(Label::Normal), device).score(samples.features()).unwrap());
        assert!(scores.iter().all(|score| score.is_finite()), "{detector:?}");
        let quality = auroc(&scores, &truth).unwrap();
        assert!(quality > 0.5, "{detector:?}: {quality}");
        fitted += 1;
    }
    assert!(fitted >= 34, "{fitted} fits of 17 methods under two strategies");
}

fn a_saved_detector_scores_the_same_bits(device: &ComputeDevice) {
    let (samples, _) = clear();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.anoonly");
    for detector in detectors(1) {
        let fitted = fit(&detector, &samples, device);
        let fitted = [fitted];
        model_file::write(&path, &fitted, &()).unwrap();
        let (loaded, ()) = model_file::read(&path, device).unwrap();
        let scores = |detector: &FittedDetector| detector.score(samples.features());
        assert_eq!(scores(&loaded[0]), scores(&fitted[0]), "{detector:?}");
        assert_eq!(loaded[0].history(), fitted[0].history());
    }
}

fn the_representation_is_finite_and_differs_between_rows(device: &ComputeDevice) {
    let (samples, _) = clear();
    for detector in detectors(1) {
        let fitted = fit(&detector, &samples, device);
        let layer = fitted.representation(samples.features()).unwrap();
        // Rules have no such layer, and neither has the linear DevNet.
        let description = format!("{detector:?}");
        let width = match detector.method().info().name {
            "devnet" if description.contains("depth: One") => None,
            "devnet" | "prenet" | "repen" => Some(20),
            "feawad" => Some(33),
            "deepsad" => Some(10),
            "mlp" => Some(100),
            "resnet" => Some(128),
            "ft-transformer" => Some(16),
            "ganomaly" => Some(2),
            "autoencoder" | "deepsvdd" | "rosas" => Some(32),
            "dagmm" => Some(3),
            _ => None,
        };
        assert_eq!(layer.as_ref().map(|layer| layer.ncols()), width, "{description}");
        let Some(layer) = layer else { continue };
        assert_eq!(layer.nrows(), samples.rows());
        assert!(layer.iter().all(|cell| cell.is_finite()), "{description}");
        assert_ne!(layer.row(0), layer.row(87), "{description}");
        // Some of the rows alone have the same values.
        let part = fitted.representation(&samples.features().slice(s![10..13, ..]).to_owned()).unwrap().unwrap();
        close(part.as_slice().unwrap(), layer.slice(s![10..13, ..]).to_owned().as_slice().unwrap(), 1e-5, "a part");
        assert_eq!(fitted.representation(&Array2::zeros((1, 3))), Err(ScoreError::Columns { expected: 4, found: 3 }));
        let bad = array![[0.0, 0.0, 0.0, 0.0], [0.0, f32::NAN, 0.0, 0.0]];
        assert_eq!(fitted.representation(&bad), Err(ScoreError::NotFinite { row: 2, column: 2 }));
    }
}

/// On real rows, a detector scores the same on both backends, within 1e-4 of the largest score.
#[test]
fn one_fitted_detector_scores_alike_on_ndarray_and_flex() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.anoonly");
    for name in ["cancer", "wine"] {
        let dataset = Source::Embedded.select(&[name.into()]).unwrap()[0].load().unwrap();
        let split = Protocol::Clean.split(&dataset, Seed(1)).unwrap();
        let trial = Trial::new(&dataset, &split, LabelBudget::Ratio(0.1), Seed(1)).unwrap();
        for detector in detectors(1) {
            let flex = fit(&detector, &trial.train, &ComputeDevice::default());
            let scores = flex.score(trial.test.features()).unwrap();
            model_file::write(&path, &[flex], &()).unwrap();
            let (ndarray, ()) = model_file::read(&path, &on(BackendName::Ndarray)).unwrap();
            let others = ndarray[0].score(trial.test.features()).unwrap();
            close(&scores, &others, 1e-4, &format!("{name}, {detector:?}"));
        }
    }
}
