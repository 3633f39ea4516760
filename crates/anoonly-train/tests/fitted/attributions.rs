//! Tests of explanations: contributions of columns to scores.

use std::ops::Range;

use anoonly_models::AnyMethod;
use anoonly_train::{Attributions, BackendName, ComputeDevice, Detector, FittedDetector, ScoreError};
use ndarray::{Array1, Array2, ArrayView1, Axis, array, concatenate};

use crate::{detectors, fit, samples};

/// The training rows and rows outside their range.
fn rows() -> Array2<f32> {
    let rows = samples().features().clone();
    concatenate![Axis(0), rows.view(), array![[5.0, -3.0, 7.0], [0.3, 0.2, 7.5], [-40.0, 40.0, 7.0]]]
}

/// A row near the median of the normal rows.
const BASELINE: [f32; 3] = [0.01, -0.02, 7.0];

/// Each column as a part of its own.
fn columns() -> Vec<Range<usize>> {
    (0..BASELINE.len()).map(|column| column..column + 1).collect()
}

fn explain(fitted: &FittedDetector) -> Attributions {
    fitted.attributions(&rows(), &BASELINE, &columns()).unwrap()
}

fn sum(row: ArrayView1<'_, f32>) -> f64 {
    row.iter().map(|&cell| f64::from(cell)).sum()
}

/// The largest remainder, as a share of the difference and a share of the largest score.
///
/// Some methods need more than others. The scores of kNN and REPEN have a kink wherever a row gets another neighbour, which are
/// more kinks than intervals can isolate. The scores of DeepSVDD and DAGMM bend sharply near their kinks. The score of GANomaly
/// has a kink where a code equals the code of its reconstruction. In residual networks and transformers, large contributions
/// cancel, so the difference is small compared with them.
fn tolerance(detector: &Detector) -> (f64, f64) {
    match detector.method().info().name {
        "knn" | "repen" | "resnet" | "ft-transformer" | "deepsvdd" | "dagmm" | "ganomaly" => (1e-2, 1e-4),
        _ => (1e-3, 1e-5),
    }
}

/// For every method and strategy, the contributions sum to the difference of the scores within the tolerance, and the
/// remainders are the rest.
fn contributions_sum_to_the_difference(backend: BackendName) {
    for detector in detectors() {
        let fitted = detector.fit(&samples(), &ComputeDevice::new(backend, None).unwrap()).unwrap();
        let Attributions { baseline, scores, contributions, remainders } = explain(&fitted);
        assert_eq!(scores, fitted.score(&rows()).unwrap());
        assert_eq!(contributions.dim(), rows().dim());
        let largest = scores.iter().fold(baseline.abs(), |max, score| max.max(score.abs()));
        for ((row, &score), &remainder) in contributions.rows().into_iter().zip(&scores).zip(&remainders) {
            let remainder = f64::from(remainder);
            let difference = f64::from(score) - f64::from(baseline);
            let (share, rounding) = tolerance(&detector);
            assert!((difference - sum(row) - remainder).abs() <= 1e-6 * f64::from(largest), "{detector:?}");
            assert!(
                remainder.abs() <= share * difference.abs() + rounding * f64::from(largest),
                "{detector:?}: {remainder} of {difference}"
            );
        }
    }
}

#[test]
fn contributions_sum_to_the_difference_on_ndarray() {
    contributions_sum_to_the_difference(BackendName::Ndarray);
}

#[test]
fn contributions_sum_to_the_difference_on_flex() {
    contributions_sum_to_the_difference(BackendName::Flex);
}

/// The detectors of a method in its default configuration.
fn by_name(name: &str) -> Vec<Detector> {
    let wanted = AnyMethod::by_name(name).unwrap();
    let same_method = |detector: &Detector| format!("{detector:?}").contains(&format!("{wanted:?}"));
    detectors().into_iter().filter(same_method).collect()
}

/// The fitted detectors that are explained by gradients.
fn with_gradient() -> impl Iterator<Item = (Detector, FittedDetector)> {
    let fitted = detectors().into_iter().map(|detector| (detector.clone(), fit(&detector)));
    fitted.filter(|(_, fitted)| fitted.has_gradient())
}

/// Columns in one part have one contribution. With gradients, it is the sum of the contributions of the single columns. With
/// orders, the contributions and the remainder sum to the difference of the scores.
#[test]
fn parts_of_several_columns_have_one_contribution() {
    for detector in detectors() {
        let fitted = fit(&detector);
        let single = explain(&fitted);
        let joined = fitted.attributions(&rows(), &BASELINE, &[0..2, 2..3]).unwrap();
        assert_eq!(joined.contributions.dim(), (rows().nrows(), 2));
        let largest = single.scores.iter().fold(single.baseline.abs(), |max, score| max.max(score.abs()));
        for (row, (joint, singles)) in
            joined.contributions.rows().into_iter().zip(single.contributions.rows()).enumerate()
        {
            if fitted.has_gradient() {
                assert_eq!(joint.to_vec(), [singles[0] + singles[1], singles[2]], "{detector:?}");
            }
            let score = sum(joint) + f64::from(joined.baseline) + f64::from(joined.remainders[row]);
            assert!((score - f64::from(joined.scores[row])).abs() <= 1e-5 * f64::from(largest), "{detector:?}");
        }
    }
}

/// For a linear score, the contribution of a column is its weight times the step from the baseline. The weight is the change of
/// the score for a step of 1.
#[test]
fn a_linear_score_is_explained_by_its_weights() {
    for detector in ["logistic", "mean-difference", "fisher"].into_iter().flat_map(by_name) {
        let fitted = fit(&detector);
        let steps =
            Array2::from_shape_fn((4, 3), |(row, column)| BASELINE[column] + f32::from(u8::from(row == column)));
        let scores = fitted.score(&steps).unwrap();
        let weights = Array1::from_iter(scores[..3].iter().map(|score| score - scores[3]));
        let Attributions { contributions, .. } = explain(&fitted);
        for (row, cells) in contributions.rows().into_iter().zip(rows().rows()) {
            let steps = &cells - &Array1::from_iter(BASELINE);
            let largest = (&weights * &steps).iter().fold(0.0f32, |max, part| max.max(part.abs()));
            for ((part, weight), step) in row.iter().zip(&weights).zip(&steps) {
                assert!((part - weight * step).abs() <= 1e-4 * largest, "{detector:?}: {part} and {weight} · {step}");
            }
        }
    }
}

/// Over a short path, the contributions are the gradient times the step. Central differences give the same gradient, except for
/// the few rows with a kink nearby. Errors are measured as shares of the largest contribution.
#[test]
fn short_paths_are_explained_by_finite_differences() {
    let step = [0.001f32, -0.002, 0.0];
    let reach = 1e-3f32;
    for (detector, fitted) in with_gradient() {
        let score = |row: &Array1<f32>| f64::from(fitted.score(&row.clone().insert_axis(Axis(0))).unwrap()[0]);
        let (mut misses, mut largest) = (Vec::new(), 0.0f64);
        for row in samples().features().rows() {
            let moved = |by: f32| &row + &(Array1::from_iter(step) * by);
            let (start, end) = (moved(-0.5), moved(0.5));
            let explained =
                fitted.attributions(&end.insert_axis(Axis(0)), start.as_slice().unwrap(), &columns()).unwrap();
            let mut miss = 0.0f64;
            for (column, step) in step.into_iter().enumerate() {
                let mut ends = [row.to_owned(), row.to_owned()];
                ends[0][column] -= reach;
                ends[1][column] += reach;
                let [low, high] = ends.map(|end| score(&end));
                let expected = (high - low) / f64::from(2.0 * reach) * f64::from(step);
                miss = miss.max((f64::from(explained.contributions[[0, column]]) - expected).abs());
                largest = largest.max(expected.abs());
            }
            misses.push(miss);
        }
        let missed = misses.iter().filter(|&&miss| miss > 0.02 * largest).count();
        assert!(largest > 0.0 && missed * 10 <= misses.len(), "{detector:?}: {largest}, {misses:?}");
    }
}

/// The contributions along short pieces of a path, which are integrated more finely, sum to those of the whole path, column by
/// column. The tolerance is relative to the contributions, which can be much larger than the difference that they sum to.
#[test]
fn the_pieces_of_a_path_sum_to_the_whole_column_by_column() {
    const PIECES: usize = 40;
    for (detector, fitted) in with_gradient() {
        let whole = explain(&fitted);
        let rows = rows();
        for row in [0, 1, 20, 43, 44, 46] {
            let base = Array1::from_iter(BASELINE);
            let at = |piece: usize| &base + &((&rows.row(row) - &base) * (piece as f32 / PIECES as f32));
            let mut sums = Array1::<f64>::zeros(3);
            for piece in 0..PIECES {
                let end = at(piece + 1).insert_axis(Axis(0));
                let explained = fitted.attributions(&end, at(piece).as_slice().unwrap(), &columns()).unwrap();
                sums += &explained.contributions.row(0).mapv(f64::from);
            }
            let difference = whole.contributions.row(row).iter().map(|part| f64::from(part.abs())).sum::<f64>();
            let largest = f64::from(whole.scores[row].abs().max(whole.baseline.abs()));
            let (share, rounding) = tolerance(&detector);
            for (whole, sum) in whole.contributions.row(row).iter().zip(&sums) {
                let miss = (f64::from(*whole) - sum).abs();
                assert!(
                    miss <= 3.0 * share * difference + 2.0 * rounding * largest,
                    "{detector:?}, row {row}: {whole} and {sum}"
                );
            }
        }
    }
}

#[test]
fn values_equal_to_the_baseline_contribute_nothing() {
    for detector in detectors() {
        let fitted = fit(&detector);
        let explained = explain(&fitted);
        for (contributions, cells) in explained.contributions.rows().into_iter().zip(rows().rows()) {
            for (column, contribution) in contributions.iter().enumerate() {
                assert!(contribution.is_finite());
                assert!(cells[column] != BASELINE[column] || *contribution == 0.0, "{detector:?}, column {column}");
            }
        }
        let same = fitted.attributions(&array![BASELINE], &BASELINE, &columns()).unwrap();
        assert_eq!((same.contributions, same.remainders), (Array2::zeros((1, 3)), vec![0.0]), "{detector:?}");
        let none = fitted.attributions(&Array2::zeros((0, 3)), &BASELINE, &columns()).unwrap();
        assert_eq!((none.contributions.dim(), none.scores.len(), none.remainders.len()), ((0, 3), 0, 0));
    }
}

/// Explanations have the same bits on one thread and on several.
#[test]
fn explanations_do_not_depend_on_the_number_of_threads() {
    for detector in detectors() {
        let fitted = fit(&detector);
        let many = concatenate![Axis(0), rows(), rows(), rows()];
        let all = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fitted.attributions(&many, &BASELINE, &columns()).unwrap())
        };
        let (one, three) = (all(1), all(3));
        assert_eq!(one, three, "{detector:?}");
    }
}

#[test]
fn invalid_rows_and_baselines_are_typed_errors() {
    let fitted = fit(&detectors()[0]);
    let error = |rows: &Array2<f32>, baseline: &[f32]| fitted.attributions(rows, baseline, &columns()).unwrap_err();
    let columns = ScoreError::Columns { expected: 3, found: 2 };
    assert_eq!(error(&rows(), &BASELINE[..2]), ScoreError::Baseline(Box::new(columns.clone())));
    assert_eq!(error(&Array2::zeros((1, 2)), &BASELINE), columns);
    let bad = ScoreError::NotFinite { row: 1, column: 2 };
    assert_eq!(error(&rows(), &[0.0, f32::NAN, 0.0]), ScoreError::Baseline(Box::new(bad.clone())));
    assert_eq!(error(&array![[0.0, f32::INFINITY, 0.0]], &BASELINE), bad);
    let message = error(&rows(), &[]).to_string();
    assert_eq!(message, "baseline row: the rows have 0 features, but the detector was fitted on 3");
}
