//! Significance tests, corrections, curves and calibrations compared with SciPy and scikit-learn. `xtask/golden/golden_statistics.py`
//! makes `golden/statistics.json` and names the reference for each value.

use anoonly_eval::{
    Calibration, Comparison, StatisticsError, ThresholdError, WinTieLoss, benjamini_hochberg, critical_difference,
    discoveries, holm, kolmogorov_smirnov, precision_recall_curve, roc_curve, share_interval, wilcoxon,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    comparisons: Vec<Compared>,
    critical_differences: Vec<Critical>,
    signed_ranks: Vec<SignedRanks>,
    corrections: Vec<Corrected>,
    curves: Vec<Curves>,
    calibrations: Vec<Calibrated>,
    shares: Vec<Share>,
    two_samples: Vec<TwoSamples>,
}

#[derive(Deserialize)]
struct TwoSamples {
    first: Vec<f32>,
    second: Vec<f32>,
    distance: f64,
    p_value: f64,
}

#[derive(Deserialize)]
struct Share {
    part: usize,
    whole: usize,
    level: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Compared {
    values: Vec<Vec<f64>>,
    average_ranks: Vec<f64>,
    chi_square: f64,
    p_value: f64,
    /// `None` for infinity.
    f: Option<f64>,
    f_p_value: f64,
    nemenyi: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Critical {
    methods: usize,
    sets: usize,
    alpha: f64,
    difference: f64,
}

#[derive(Deserialize)]
struct SignedRanks {
    differences: Vec<f64>,
    statistic: f64,
    p_value: f64,
}

#[derive(Deserialize)]
struct Corrected {
    p_values: Vec<f64>,
    holm: Vec<f64>,
    benjamini_hochberg: Vec<f64>,
}

#[derive(Deserialize)]
struct Curves {
    scores: Vec<f32>,
    anomalous: Vec<u8>,
    false_positive_rate: Vec<f64>,
    true_positive_rate: Vec<f64>,
    roc_thresholds: Vec<f32>,
    recall: Vec<f64>,
    precision: Vec<f64>,
    thresholds: Vec<f32>,
}

#[derive(Deserialize)]
struct Calibrated {
    calibration: Vec<f32>,
    new: Vec<f32>,
    p_values: Vec<f64>,
    normal_scores: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/statistics.json")).unwrap()
}

/// Asserts a relative error below 1e-9, for small values relative to 1e-3.
#[track_caller]
fn close(ours: &[f64], theirs: &[f64], what: &str, case: usize) {
    assert_eq!(ours.len(), theirs.len(), "case {case}: {what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        let scale = theirs.abs().max(1e-3);
        assert!((ours - theirs).abs() < 1e-9 * scale, "case {case}: {what} is {ours}, the reference says {theirs}");
    }
}

#[test]
fn comparisons_agree_with_scipy() {
    for (i, case) in golden().comparisons.into_iter().enumerate() {
        let comparison = Comparison::new(case.values).unwrap();
        close(&comparison.average_ranks(), &case.average_ranks, "average rank", i);
        let friedman = comparison.friedman();
        close(&[friedman.chi_square, friedman.p_value], &[case.chi_square, case.p_value], "Friedman", i);
        match case.f {
            Some(f) => close(&[friedman.f, friedman.f_p_value], &[f, case.f_p_value], "Iman–Davenport", i),
            None => assert_eq!((friedman.f, friedman.f_p_value), (f64::INFINITY, 0.0), "case {i}"),
        }
        for (method, (ours, theirs)) in comparison.nemenyi().iter().zip(&case.nemenyi).enumerate() {
            close(ours, theirs, "Nemenyi", i);
            assert_eq!(ours[method], 1.0);
        }
    }
}

#[test]
fn critical_differences_agree_with_scipy_and_with_the_printed_table() {
    for (i, case) in golden().critical_differences.iter().enumerate() {
        close(&[critical_difference(case.methods, case.sets, case.alpha)], &[case.difference], "CD", i);
    }
    // Demšar 2006, table 5a: q₀.₀₅ for ten methods; with 11·10/6n = 1 the difference is q itself.
    let quantile = critical_difference(10, 55, 0.05) * 3.0_f64.sqrt();
    assert!((quantile - 3.164).abs() < 5e-4, "{quantile}");
}

#[test]
fn signed_ranks_agree_with_scipy() {
    let cases = golden().signed_ranks;
    let mut modes = [0; 2];
    for (i, case) in cases.iter().enumerate() {
        let test = wilcoxon(&case.differences).unwrap();
        close(&[test.statistic, test.p_value], &[case.statistic, case.p_value], "Wilcoxon", i);
        modes[usize::from(test.exact)] += 1;
    }
    assert!(modes.iter().all(|&count| count >= 30), "too few cases of a mode: {modes:?}");
}

#[test]
fn corrections_agree_with_the_closed_test_and_with_scipy() {
    for (i, case) in golden().corrections.iter().enumerate() {
        close(&holm(&case.p_values).unwrap(), &case.holm, "Holm", i);
        let adjusted = benjamini_hochberg(&case.p_values).unwrap();
        close(&adjusted, &case.benjamini_hochberg, "Benjamini–Hochberg", i);
        let found = discoveries(&case.p_values, 0.2).unwrap();
        assert_eq!(found, case.benjamini_hochberg.iter().map(|&p| p <= 0.2).collect::<Vec<_>>(), "case {i}");
    }
}

#[test]
fn curves_agree_with_scikit_learn() {
    for (i, case) in golden().curves.iter().enumerate() {
        let truth: Vec<bool> = case.anomalous.iter().map(|&y| y == 1).collect();
        let roc = roc_curve(&case.scores, &truth, None).unwrap();
        close(&roc.iter().map(|p| p.false_positive_rate).collect::<Vec<_>>(), &case.false_positive_rate, "FPR", i);
        close(&roc.iter().map(|p| p.true_positive_rate).collect::<Vec<_>>(), &case.true_positive_rate, "TPR", i);
        assert_eq!(roc.iter().filter_map(|p| p.threshold).collect::<Vec<_>>(), case.roc_thresholds);
        let curve = precision_recall_curve(&case.scores, &truth, None).unwrap();
        close(&curve.iter().map(|p| p.recall).collect::<Vec<_>>(), &case.recall, "recall", i);
        close(&curve.iter().map(|p| p.precision).collect::<Vec<_>>(), &case.precision, "precision", i);
        assert_eq!(curve.iter().filter_map(|p| p.threshold).collect::<Vec<_>>(), case.thresholds);
    }
}

#[test]
fn calibrations_agree_with_numpy_and_scipy() {
    for (i, case) in golden().calibrations.iter().enumerate() {
        let calibration = Calibration::new(&case.calibration).unwrap();
        let p: Vec<f64> = case.new.iter().map(|&score| calibration.p_value(score)).collect();
        assert_eq!(p, case.p_values, "case {i}");
        let normal: Vec<f64> = case.new.iter().map(|&score| calibration.normal_score(score)).collect();
        close(&normal, &case.normal_scores, "normal score", i);
    }
}

#[test]
fn intervals_of_shares_agree_with_scipy() {
    for (i, case) in golden().shares.iter().enumerate() {
        let interval = share_interval(case.part, case.whole, case.level).unwrap();
        close(&[interval.low, interval.high], &[case.low, case.high], "bounds", i);
        assert!(interval.low <= interval.estimate && interval.estimate <= interval.high, "case {i}");
    }
    assert_eq!(share_interval(0, 0, 0.95), None);
}

#[test]
fn groups_are_the_largest_runs_of_methods_without_a_difference() {
    // Twelve sets that agree except for one: average ranks 1, 2.08, 2.92, 4, 5.
    let mut values = vec![vec![5.0, 9.0, 8.0, 7.0, 6.0]; 12];
    values[0] = vec![5.0, 9.0, 7.0, 8.0, 6.0];
    let comparison = Comparison::new(values).unwrap();
    // The critical differences by SciPy are 1.76, 1.96, 0.93 and 3.44.
    assert_eq!(comparison.groups(0.05), [[1, 2], [2, 3], [3, 4], [4, 0]]);
    assert_eq!(comparison.groups(0.02), [vec![1, 2, 3], vec![2, 3, 4], vec![4, 0]]);
    assert_eq!(comparison.groups(0.6), [[2, 3]]);
    assert_eq!(comparison.groups(1e-6), [[1, 2, 3, 4], [2, 3, 4, 0]]);
    assert_eq!(Comparison::new(vec![vec![0.0; 3]; 2]).unwrap().groups(0.05), [[0, 1, 2]]);
}

#[test]
fn wins_count_ties_within_the_tolerance_and_pairs_are_corrected_together() {
    let values = vec![vec![0.5, 0.25, 0.0], vec![0.25, 0.5, 0.0], vec![0.75, 0.5, 0.0], vec![0.5, 0.5, 0.0]];
    let comparison = Comparison::new(values).unwrap();
    assert_eq!(comparison.wins(0, 1, 0.0), WinTieLoss { wins: 2, ties: 1, losses: 1 });
    assert_eq!(comparison.wins(0, 1, 0.25), WinTieLoss { wins: 0, ties: 4, losses: 0 });
    assert_eq!(comparison.wins(2, 0, 0.25), WinTieLoss { wins: 0, ties: 1, losses: 3 });
    let tests = comparison.wilcoxon(&[(0, 2), (1, 0)]);
    assert_eq!(tests[0].test, wilcoxon(&[0.5, 0.25, 0.75, 0.5]).unwrap());
    assert_eq!((tests[0].test.p_value, tests[0].adjusted_p_value), (0.125, 0.25));
    assert_eq!((tests[1].test.p_value, tests[1].test.nonzero, tests[1].adjusted_p_value), (1.0, 3, 1.0));
}

#[test]
fn invalid_comparisons_are_errors() {
    let error = |values: &[&[f64]]| Comparison::new(values.iter().map(|row| row.to_vec()).collect()).unwrap_err();
    assert_eq!(error(&[]), StatisticsError::TooFewSets { sets: 0 });
    assert_eq!(error(&[&[1.0, 2.0]]), StatisticsError::TooFewSets { sets: 1 });
    assert_eq!(error(&[&[1.0], &[2.0]]), StatisticsError::TooFewMethods { methods: 1 });
    let ragged = error(&[&[1.0, 2.0], &[1.0, 2.0, 3.0]]);
    assert_eq!(ragged, StatisticsError::Ragged { set: 2, values: 3, methods: 2 });
    let nan = error(&[&[1.0, 2.0], &[1.0, f64::NAN]]);
    assert_eq!(nan, StatisticsError::NotFinite { set: 2, method: 2 });
    assert_eq!(nan.to_string(), "the value of method 2 on data set 2 is not finite");

    assert_eq!(wilcoxon(&[]), Err(StatisticsError::NoValues));
    assert_eq!(wilcoxon(&[1.0, f64::INFINITY]), Err(StatisticsError::NotFiniteDifference { place: 2 }));
    let none = wilcoxon(&[0.0, -0.0]).unwrap();
    assert_eq!((none.statistic, none.p_value, none.nonzero), (0.0, 1.0, 0));

    let above = StatisticsError::BadPValue { place: 2, value: 1.5 };
    assert_eq!(holm(&[0.5, 1.5]), Err(above.clone()));
    assert_eq!(benjamini_hochberg(&[0.5, 1.5]), Err(above));
    assert!(holm(&[f64::NAN]).is_err());
    assert_eq!(holm(&[]), Ok(vec![]));
    for rate in [0.0, 1.0, -0.1] {
        assert_eq!(discoveries(&[0.5], rate), Err(StatisticsError::BadDiscoveryRate { rate }));
    }
}

#[test]
fn the_distance_of_two_samples_agrees_with_scipy() {
    for TwoSamples { first, second, distance, p_value } in golden().two_samples {
        let found = kolmogorov_smirnov(&first, &second).unwrap();
        assert!((found.distance - distance).abs() < 1e-12, "{} {distance}", found.distance);
        assert!((found.p_value - p_value).abs() <= 1e-9 + 1e-9 * p_value, "{} {p_value}", found.p_value);
    }
    assert!(matches!(kolmogorov_smirnov(&[], &[1.0]), Err(ThresholdError::NoScores)));
    assert!(matches!(kolmogorov_smirnov(&[1.0], &[f32::NAN]), Err(ThresholdError::NotFinite { .. })));
}
