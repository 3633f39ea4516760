//! The guarantees of thresholds, calibrations, curves and intervals, by simulation and for arbitrary scores.

use anoonly_eval::{
    Calibration, Inference, StatisticsError, ThresholdError, auroc, discoveries, hierarchical_bootstrap,
    precision_recall_curve, roc_curve, share_threshold,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An approximately standard normal value: the sum of twelve uniform values minus its mean.
fn gauss(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// Over calibration samples the rate is ⌊α(n+1)⌋/(n+1), here within five standard errors. For one sample it is a draw from
/// Beta(k, n+1−k), whose standard deviation is 0.022, 0.017 and 0.09. There are 2000 samples with 20 new rows each.
#[test]
fn the_false_positive_rate_is_the_stated_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for (rows, rate, expected, error) in
        [(99, 0.05, 0.05, 0.006), (150, 0.05, 7.0 / 151.0, 0.006), (9, 0.1, 0.1, 0.0125)]
    {
        let mut alarms = 0;
        for _ in 0..2000 {
            let scores: Vec<f32> = (0..rows).map(|_| rng.random()).collect();
            let threshold = Calibration::new(&scores).unwrap().threshold(rate).unwrap();
            alarms += (0..20).filter(|_| rng.random::<f32>() >= threshold).count();
        }
        let measured = alarms as f64 / 40_000.0;
        assert!((measured - expected).abs() < error, "{rows} rows: {measured}, not {expected}");
    }
}

/// 40 normal rows and 10 anomalies, shifted by two and a half standard deviations, with one calibration sample of 300 rows. The rate
/// must be 0.2 times 40/50, minus a little because p-values are discrete. The standard error over 1500 samples is 0.004.
#[test]
fn the_false_discovery_rate_is_the_stated_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (mut false_share, mut found_share) = (0.0, 0.0);
    for _ in 0..1500 {
        let scores: Vec<f32> = (0..300).map(|_| gauss(&mut rng) as f32).collect();
        let calibration = Calibration::new(&scores).unwrap();
        let p_values: Vec<f64> = (0..50)
            .map(|row| calibration.p_value((gauss(&mut rng) + if row < 40 { 0.0 } else { 2.5 }) as f32))
            .collect();
        let found = discoveries(&p_values, 0.2).unwrap();
        let count = |rows: &[bool]| rows.iter().filter(|&&found| found).count() as f64;
        false_share += count(&found[..40]) / count(&found).max(1.0) / 1500.0;
        found_share += count(&found[40..]) / 10.0 / 1500.0;
    }
    assert!((0.14..=0.18).contains(&false_share), "{false_share}");
    assert!(found_share > 0.5, "{found_share}");
}

#[test]
fn a_rate_needs_enough_held_out_rows() {
    let calibration = Calibration::new(&[0.0; 50]).unwrap();
    let error = calibration.threshold(0.01).unwrap_err();
    assert_eq!(error, ThresholdError::TooFewRows { rate: 0.01, needed: 99, rows: 50 });
    for (place, rate) in (2..2000).map(|place| (place, 1.0 / f64::from(place))).chain([(3, 0.4), (12, 0.09)]) {
        let needed = place - 1;
        let scores = vec![0.0; needed as usize];
        assert!(Calibration::new(&scores).unwrap().threshold(rate).is_ok(), "{needed} rows are enough for {rate}");
        if needed > 1 {
            let error = Calibration::new(&scores[1..]).unwrap().threshold(rate).unwrap_err();
            assert_eq!(error, ThresholdError::TooFewRows { rate, needed: needed as usize, rows: needed as usize - 1 });
        }
    }
}

#[test]
fn invalid_scores_shares_and_rates_are_errors() {
    assert_eq!(Calibration::new(&[]), Err(ThresholdError::NoScores));
    assert_eq!(Calibration::new(&[0.0, f32::INFINITY]), Err(ThresholdError::NotFinite { row: 2 }));
    assert_eq!(share_threshold(&[f32::NAN], 0.5), Err(ThresholdError::NotFinite { row: 1 }));
    for bad in [0.0, 1.0, -1.0] {
        assert_eq!(share_threshold(&[0.0], bad), Err(ThresholdError::BadShare { share: bad }));
        let error = Calibration::new(&[0.0]).unwrap().threshold(bad).unwrap_err();
        assert_eq!(error, ThresholdError::BadRate { rate: bad });
    }
    assert!(share_threshold(&[0.0], f64::NAN).is_err());
    assert!(Calibration::new(&[0.0]).unwrap().p_value(f32::NAN).is_nan());
    assert!(Calibration::new(&[0.0]).unwrap().normal_score(f32::NAN).is_nan());
}

#[test]
fn a_stored_calibration_is_checked_when_read() {
    let calibration = Calibration::new(&[0.3, -1.5, 0.1]).unwrap();
    let stored = serde_json::to_string(&calibration).unwrap();
    assert_eq!(stored, r#"{"sorted":[-1.5,0.1,0.3]}"#);
    assert_eq!(serde_json::from_str::<Calibration>(&stored).unwrap(), calibration);
    for (bad, why) in [
        (r#"{"sorted":[]}"#, "no scores"),
        (r#"{"sorted":[2,1]}"#, "calibration score 2"),
        (r#"{"sorted":[1,1e39]}"#, "out of range"),
        (r#"{"sorted":[1],"more":1}"#, "unknown field"),
    ] {
        let error = serde_json::from_str::<Calibration>(bad).unwrap_err().to_string();
        assert!(error.contains(why), "{bad}: {error}");
    }
}

/// Families have a standard deviation of 1 around 0, sets of 0.5 around their family and runs of 0.3 around their set. The target of
/// an interval is 0 if families are resampled, and else the mean of what is fixed. Over 300 experiments, four standard errors of the
/// coverage of a 90 % interval are 0.07.
#[test]
fn hierarchical_intervals_have_their_stated_coverage() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for (inference, families, sets, runs) in
        [(Inference::Families, 30, 2, 2), (Inference::Sets, 4, 20, 2), (Inference::Seeds, 3, 3, 20)]
    {
        let covered = (0..300)
            .filter(|&experiment| {
                let mut truth = 0.0;
                let values: Vec<Vec<Vec<f64>>> = (0..families)
                    .map(|_| {
                        let family = gauss(&mut rng);
                        truth += if inference == Inference::Sets { family / f64::from(families) } else { 0.0 };
                        let set = |_| {
                            let set = family + 0.5 * gauss(&mut rng);
                            truth += if inference == Inference::Seeds { set / f64::from(families * sets) } else { 0.0 };
                            (0..runs).map(|_| set + 0.3 * gauss(&mut rng)).collect()
                        };
                        (0..sets).map(set).collect()
                    })
                    .collect();
                let interval = hierarchical_bootstrap(&values, inference, 100, 0.9, experiment).unwrap();
                interval.low <= truth && truth <= interval.high
            })
            .count();
        assert!((249..=291).contains(&covered), "{inference:?}: {covered} of 300 intervals contain the truth");
    }
}

#[test]
fn the_hierarchy_gives_families_equal_weight_and_checks_its_input() {
    let families = vec![vec![vec![1.0, 3.0], vec![6.0]], vec![vec![0.0]]];
    let interval = |inference| hierarchical_bootstrap(&families, inference, 500, 0.9, 3).unwrap();
    assert_eq!(interval(Inference::Families), interval(Inference::Families));
    assert_eq!(interval(Inference::Families).estimate, 2.0);
    // A narrower inference has a narrower interval. The bounds are quantiles of all possible draws, enumerated by hand.
    let bounds = |inference| (interval(inference).low, interval(inference).high);
    assert_eq!(bounds(Inference::Seeds), (1.75, 2.25));
    assert_eq!(bounds(Inference::Sets), (0.75, 3.0));
    assert_eq!(bounds(Inference::Families), (0.0, 5.0));

    let infinite = |families: &[Vec<Vec<f64>>], inference| {
        let interval = hierarchical_bootstrap(families, inference, 10, 0.9, 3).unwrap();
        (interval.low, interval.high) == (f64::NEG_INFINITY, f64::INFINITY)
    };
    assert!(infinite(&families[..1], Inference::Families) && !infinite(&families[..1], Inference::Sets));
    assert!(infinite(&families[1..], Inference::Sets) && infinite(&families[1..], Inference::Seeds));

    let error = |families: &[Vec<Vec<f64>>]| hierarchical_bootstrap(families, Inference::Sets, 1, 0.9, 3).unwrap_err();
    assert_eq!(error(&[]), StatisticsError::NoValues);
    assert_eq!(error(&[vec![vec![1.0]], vec![]]), StatisticsError::EmptyFamily { family: 2 });
    assert_eq!(error(&[vec![vec![1.0], vec![]]]), StatisticsError::EmptySet { family: 1, set: 2 });
    let nan = error(&[vec![vec![1.0], vec![0.0, f64::NAN]]]);
    assert_eq!(nan, StatisticsError::NotFiniteRun { family: 1, set: 2, run: 2 });
}

fn scores(rows: &[(i8, bool)]) -> (Vec<f32>, Vec<bool>) {
    rows.iter().map(|&(score, anomalous)| (f32::from(score), anomalous)).unzip()
}

proptest! {
    #[test]
    fn p_values_agree_with_their_definition_and_with_the_threshold(
        rows in prop::collection::vec(-6i8..6, 1..50),
        hundredths in 1u32..100,
    ) {
        let rows: Vec<f32> = rows.into_iter().map(f32::from).collect();
        let calibration = Calibration::new(&rows).unwrap();
        let rate = f64::from(hundredths) / 100.0;
        let threshold = calibration.threshold(rate);
        for score in (-14..14).map(|half| half as f32 / 2.0) {
            let at_or_above = rows.iter().filter(|&&row| row >= score).count();
            let p = (1 + at_or_above) as f64 / (1 + rows.len()) as f64;
            prop_assert_eq!(calibration.p_value(score), p);
            prop_assert_eq!(threshold.as_ref().is_ok_and(|&threshold| score >= threshold), p <= rate);
        }
    }

    #[test]
    fn a_share_threshold_is_the_lowest_that_keeps_the_share(
        rows in prop::collection::vec(-6i8..6, 1..120),
        hundredths in 1u32..100,
    ) {
        let rows: Vec<f32> = rows.into_iter().map(f32::from).collect();
        let flagged = |threshold: f32| rows.iter().filter(|&&row| row >= threshold).count();
        let threshold = share_threshold(&rows, f64::from(hundredths) / 100.0).unwrap();
        let most = hundredths as usize * rows.len() / 100;
        prop_assert!(flagged(threshold) <= most);
        if let Some(next) = rows.iter().copied().filter(|&row| row < threshold).reduce(f32::max) {
            prop_assert!(flagged(next) > most);
        }
        let distinct: Vec<f32> = (0..rows.len()).map(|row| row as f32).collect();
        let threshold = share_threshold(&distinct, f64::from(hundredths) / 100.0).unwrap();
        prop_assert_eq!(distinct.iter().filter(|&&row| row >= threshold).count(), most);
    }

    #[test]
    fn thinned_curves_are_subsets_of_the_whole(
        rows in prop::collection::vec((-100i8..100, any::<bool>()), 2..80),
        most in 2usize..20,
    ) {
        let (scores, truth) = scores(&rows);
        prop_assume!(truth.contains(&true) && truth.contains(&false));
        let (whole, thinned) = (
            roc_curve(&scores, &truth, None).unwrap(),
            roc_curve(&scores, &truth, Some(most)).unwrap(),
        );
        prop_assert_eq!(thinned.len() < whole.len(), whole.len() > most);
        prop_assert!(thinned.len() <= most.max(2));
        prop_assert_eq!((thinned[0], thinned[thinned.len() - 1]), (whole[0], whole[whole.len() - 1]));
        let mut rest = whole.iter();
        prop_assert!(thinned.iter().all(|point| rest.any(|other| other == point)));
        let area: f64 = whole
            .windows(2)
            .map(|pair| {
                (pair[1].false_positive_rate - pair[0].false_positive_rate)
                    * (pair[1].true_positive_rate + pair[0].true_positive_rate) / 2.0
            })
            .sum();
        prop_assert!((area - auroc(&scores, &truth).unwrap()).abs() < 1e-12);

        let curve = precision_recall_curve(&scores, &truth, Some(most)).unwrap();
        prop_assert!(curve.len() <= most);
        prop_assert_eq!((curve[0].recall, curve[0].precision, curve[curve.len() - 1].recall), (0.0, 1.0, 1.0));
    }
}
