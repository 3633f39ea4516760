//! Metrics compared with scikit-learn, SciPy and NumPy. `golden/metrics.py` makes `golden/metrics.json`.

use anoonly_eval::{
    MetricError, auroc, average_precision, average_precision_normal, best_f1, bootstrap, mean_interval, precision_at_k,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    means: Vec<Mean>,
}

#[derive(Deserialize)]
struct Case {
    scores: Vec<f32>,
    anomalous: Vec<u8>,
    auroc: f64,
    ap: f64,
    ap_normal: f64,
    best_f1: f64,
    threshold: f32,
    k: usize,
    precision_at_k: f64,
}

#[derive(Deserialize)]
struct Mean {
    values: Vec<f64>,
    level: f64,
    low: f64,
    high: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/metrics.json")).unwrap()
}

#[track_caller]
fn close(ours: f64, theirs: f64, what: &str, case: usize) {
    assert!((ours - theirs).abs() < 1e-12, "case {case}: {what} is {ours}, scikit-learn says {theirs}");
}

#[test]
fn metrics_agree_with_scikit_learn() {
    let cases = golden().cases;
    assert!(cases.len() >= 200);
    for (i, case) in cases.iter().enumerate() {
        let (scores, truth) = (&case.scores[..], &case.anomalous.iter().map(|&y| y == 1).collect::<Vec<_>>()[..]);
        close(auroc(scores, truth).unwrap(), case.auroc, "AUROC", i);
        close(average_precision(scores, truth).unwrap(), case.ap, "AP", i);
        close(average_precision_normal(scores, truth).unwrap(), case.ap_normal, "AP of the normal class", i);
        close(precision_at_k(scores, truth, case.k).unwrap(), case.precision_at_k, "precision@k", i);
        let best = best_f1(scores, truth).unwrap();
        close(best.f1, case.best_f1, "best F1", i);
        assert_eq!(best.threshold, case.threshold, "case {i}");
    }
}

#[test]
fn mean_intervals_agree_with_scipy() {
    for (i, case) in golden().means.iter().enumerate() {
        let interval = mean_interval(&case.values, case.level).unwrap();
        assert!(
            (interval.low - case.low).abs() < 1e-6 && (interval.high - case.high).abs() < 1e-6,
            "case {i}: {interval:?}"
        );
    }
    assert_eq!(mean_interval(&[], 0.95), None);
    assert_eq!(mean_interval(&[1.0], 0.95).unwrap().high, f64::INFINITY);
}

#[test]
fn invalid_input_is_an_error() {
    for metric in [auroc, average_precision, average_precision_normal] {
        assert_eq!(metric(&[1.0], &[true, false]), Err(MetricError::Lengths { scores: 1, truths: 2 }));
        assert_eq!(metric(&[1.0, f32::NAN], &[true, false]), Err(MetricError::NanScore { row: 2 }));
        assert_eq!(metric(&[1.0, 2.0], &[true, true]), Err(MetricError::OneClass { anomalies: 2, rows: 2 }));
        assert_eq!(metric(&[1.0, 2.0], &[false, false]), Err(MetricError::OneClass { anomalies: 0, rows: 2 }));
        assert_eq!(metric(&[], &[]), Err(MetricError::OneClass { anomalies: 0, rows: 0 }));
    }
    assert_eq!(precision_at_k(&[1.0, 2.0], &[true, false], 3), Err(MetricError::BadK { k: 3, rows: 2 }));
    assert_eq!(precision_at_k(&[1.0, 2.0], &[true, false], 0), Err(MetricError::BadK { k: 0, rows: 2 }));
}

#[test]
fn infinite_scores_and_signed_zeros_are_ranked() {
    assert_eq!(auroc(&[f32::INFINITY, f32::NEG_INFINITY], &[true, false]), Ok(1.0));
    assert_eq!(auroc(&[-0.0, 0.0], &[true, false]), Ok(0.5));
}

/// For two unit Gaussians at distance 1 the area is Φ(1/√2). The 90 % interval must contain it in about 90 % of the samples. With
/// 200 samples, five standard errors of that share are 0.11.
#[test]
fn bootstrap_intervals_have_their_stated_coverage() {
    use rand::{RngExt, SeedableRng};
    let truth = 0.760_249_938_906_523_3;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut gauss = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    let anomalous: Vec<bool> = (0..120).map(|row| row < 40).collect();
    let covered = (0..200)
        .filter(|&sample| {
            let scores: Vec<f32> = anomalous.iter().map(|&a| (gauss() + f64::from(u8::from(a))) as f32).collect();
            let interval = bootstrap(auroc, &scores, &anomalous, 300, 0.9, sample).unwrap();
            assert_eq!(interval, bootstrap(auroc, &scores, &anomalous, 300, 0.9, sample).unwrap());
            interval.low <= truth && truth <= interval.high
        })
        .count();
    assert!((158..=200).contains(&covered), "{covered} of 200 intervals contain the truth");
}

proptest! {
    #[test]
    fn flipping_scores_mirrors_the_area(rows in prop::collection::vec((-5i8..5, any::<bool>()), 2..60)) {
        let scores: Vec<f32> = rows.iter().map(|row| f32::from(row.0)).collect();
        let flipped: Vec<f32> = scores.iter().map(|score| -score).collect();
        let truth: Vec<bool> = rows.iter().map(|row| row.1).collect();
        prop_assume!(truth.contains(&true) && truth.contains(&false));
        let sum = auroc(&scores, &truth).unwrap() + auroc(&flipped, &truth).unwrap();
        prop_assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_order_of_rows_does_not_matter(rows in prop::collection::vec((-3i8..3, any::<bool>()), 2..60)) {
        let truth: Vec<bool> = rows.iter().map(|row| row.1).collect();
        prop_assume!(truth.contains(&true) && truth.contains(&false));
        let metrics = |rows: &[(i8, bool)]| {
            let scores: Vec<f32> = rows.iter().map(|row| f32::from(row.0)).collect();
            let truth: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let k = rows.len() / 2;
            (auroc(&scores, &truth), average_precision(&scores, &truth), precision_at_k(&scores, &truth, k), best_f1(&scores, &truth))
        };
        let mut reversed = rows.clone();
        reversed.reverse();
        prop_assert_eq!(metrics(&rows), metrics(&reversed));
    }
}
