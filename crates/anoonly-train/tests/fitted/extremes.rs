//! Tests of extreme values: every row of finite features has a finite score.

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_train::{ComputeDevice, Detector, FittedDetector, Supervision};
use ndarray::{Array2, Axis, concatenate};
use rayon::prelude::*;

use crate::{detectors, fit, samples};

/// Values at the ends of the range of `f32`, and values whose squares overflow.
const EXTREMES: [f32; 8] = [f32::MAX, f32::MIN, 1e30, -1e30, 1e20, -1e20, f32::MIN_POSITIVE / 8.0, 1e-45];

/// Rows with an extreme value in one, some and all columns.
fn extreme_rows() -> Array2<f32> {
    let mut rows = Vec::new();
    for value in EXTREMES {
        for columns in [&[0][..], &[2], &[0, 1], &[0, 1, 2]] {
            let cell = |column: usize| if columns.contains(&column) { value } else { [0.1, 0.2, 7.0][column] };
            rows.extend((0..3).map(cell));
        }
    }
    rows.extend([f32::MAX, f32::MIN, 0.0, f32::MIN, 1e20, 1e30]);
    Array2::from_shape_vec((rows.len() / 3, 3), rows).unwrap()
}

/// Extreme rows have finite scores, and do not change the scores of the rows between them.
fn check(detector: &Detector, fitted: &FittedDetector) {
    let (usual, extreme) = (samples().features().clone(), extreme_rows());
    let expected = fitted.score(&usual).unwrap();
    let all = concatenate![Axis(0), extreme, usual, extreme];
    for scores in [fitted.score(&all).unwrap(), fitted.score_on_one_thread(&all).unwrap()] {
        assert!(scores.iter().all(|score| score.is_finite()), "{detector:?}");
        assert_eq!(scores[extreme.nrows()..][..usual.nrows()], expected, "{detector:?}");
        assert_eq!(scores[..extreme.nrows()], scores[extreme.nrows() + usual.nrows()..], "{detector:?}");
    }
}

#[test]
fn extreme_rows_have_finite_scores_and_do_not_change_others() {
    detectors().par_iter().for_each(|detector| check(detector, &fit(detector)));
}

/// The training rows themselves contain extreme values, in unlabelled rows and in labelled anomalies; or they hardly differ.
#[test]
fn fits_on_extreme_rows_have_finite_scores() {
    let labels = samples().labels().to_vec();
    let mut tables = Vec::new();
    for value in [f32::MAX, -1e30, 1e20, 1e-45] {
        let mut features = samples().features().clone();
        features[[30, 0]] = value;
        features[[31, 2]] = value;
        features.row_mut(2).fill(-value);
        tables.push(features);
    }
    tables.push(Array2::from_elem((44, 3), f32::MAX));
    tables.push(Array2::from_shape_fn((44, 3), |(row, _)| (row % 5) as f32 * 1e-45));
    tables.push(Array2::from_shape_fn((44, 3), |(row, _)| if row % 7 == 0 { f32::MAX } else { f32::MIN }));
    for features in tables {
        let samples = Samples::new(features, labels.clone()).unwrap();
        detectors().par_iter().for_each(|detector| {
            check(detector, &detector.fit(&samples, &ComputeDevice::default()).unwrap());
        });
    }
}

/// A row that is extreme in every column has the highest score of methods that measure distances, and of Quorum.
#[test]
fn rows_that_are_extreme_in_every_column_rank_highest() {
    let names = [
        "quorum",
        "mahalanobis",
        "knn",
        "lof",
        "whitened-cosine-mahalanobis",
        "pca",
        "ecod",
        "copod",
        "hbos",
        "cblof",
        "autoencoder",
    ];
    for name in names {
        let detector = Detector::new(AnyMethod::by_name(name).unwrap(), Supervision::AnomalyOnly, Seed(1)).unwrap();
        let fitted = fit(&detector);
        let usual = samples().features().clone();
        let usual = fitted.score(&usual).unwrap().into_iter().fold(f32::MIN, f32::max);
        for value in [f32::MAX, f32::MIN, 1e30, -1e30, 1e20, 1e10] {
            let score = fitted.score(&Array2::from_elem((1, 3), value)).unwrap()[0];
            assert!(score >= usual, "{name}: {value} has the score {score}, a training row {usual}");
        }
    }
}

/// Explanations of extreme rows are finite, too.
#[test]
fn extreme_rows_are_explained() {
    let rows = extreme_rows();
    for name in ["quorum", "devnet", "mahalanobis", "knn", "ecod"] {
        let detector = Detector::new(AnyMethod::by_name(name).unwrap(), Supervision::AnomalyOnly, Seed(1)).unwrap();
        let explained = fit(&detector).attributions(&rows, &[0.0, 0.0, 7.0], &[0..1, 1..3]).unwrap();
        let finite = explained.contributions.iter().chain(&explained.remainders).all(|value| value.is_finite());
        assert!(finite, "{name}: {explained:?}");
    }
}

/// A table of more columns than rows, wide enough that covariances are computed in the space of the rows: methods that use them
/// score what their file scores, and rank the labelled anomalies first.
#[test]
fn wide_tables_are_fitted_in_the_space_of_their_rows() {
    const COLUMNS: usize = 1200;
    let cell = |(row, column): (usize, usize)| {
        let spread = ((row * 7919 + column * 104_729 + row * column % 89) % 1000) as f32 / 1000.0;
        spread + if row < 4 && column % 3 == 0 { 0.8 } else { 0.0 }
    };
    let labels = (0..40).map(|row| if row < 3 { Label::Anomaly } else { Label::Unlabelled }).collect();
    let samples = Samples::new(Array2::from_shape_fn((40, COLUMNS), cell), labels).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["quorum", "mahalanobis", "fisher", "whitened-cosine", "whitened-cosine-mahalanobis", "pca"] {
        let detector = Detector::new(AnyMethod::by_name(name).unwrap(), Supervision::AnomalyOnly, Seed(1)).unwrap();
        let fitted = detector.fit(&samples, &ComputeDevice::default()).unwrap();
        let scores = fitted.score(samples.features()).unwrap();
        assert!(scores.iter().all(|score| score.is_finite()), "{name}");
        if !["mahalanobis", "pca"].contains(&name) {
            let highest = scores[4..].iter().copied().fold(f32::MIN, f32::max);
            assert!(scores[..3].iter().all(|score| *score > highest), "{name}: {scores:?}");
        }
        let path = folder.path().join(name);
        anoonly_train::model_file::write(&path, &[fitted], &()).unwrap();
        // The covariance of all columns alone would have this size.
        assert!(std::fs::metadata(&path).unwrap().len() < 4 * (COLUMNS * COLUMNS) as u64, "{name}");
        let (read, ()) = anoonly_train::model_file::read(&path, &ComputeDevice::default()).unwrap();
        assert_eq!(read[0].score(samples.features()).unwrap(), scores, "{name}");
    }
}
