//! Simulations of the guarantees of thresholds, from the table to the flags, with a new fit in every round.

use std::path::Path;

use anoonly::TableDetector;
use anoonly::core::{Label, Samples, Seed};
use anoonly::data::table::Table;
use anoonly::models::AnyMethod;
use anoonly::pipeline::ThresholdRule;
use ndarray::Array2;
use rand::{Rng, RngExt};

const ROUNDS: usize = 400;

/// Rows that are about standard normal in three columns, after anomalies that are shifted by three standard deviations in each.
fn rows(anomalies: usize, normal: usize, label: Label, rng: &mut impl Rng) -> Samples {
    let cell = |(row, _)| {
        let gauss: f32 = (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        gauss + if row < anomalies { 3.0 } else { 0.0 }
    };
    let features = Array2::from_shape_fn((anomalies + normal, 3), cell);
    let labels = (0..anomalies + normal).map(|row| if row < anomalies { Label::Anomaly } else { label });
    Samples::new(features, labels.collect()).unwrap()
}

/// The mean over all rounds of two shares: the share of 60 normal rows that are flagged, and the share of normal rows among the
/// flagged rows of these and 15 anomalies.
fn simulate(rule: ThresholdRule, method: &str, labelled: usize) -> [f64; 2] {
    let mut rng = Seed(3).stream(&["promises"]);
    let detector = TableDetector::new(AnyMethod::by_name(method).unwrap()).held_out(0.5);
    let mut sums = [0.0; 2];
    for round in 0..ROUNDS {
        let train = rows(labelled, 158, Label::Unlabelled, &mut rng);
        let table = Table::of_samples(Path::new("train"), &train).unwrap();
        let mut model = detector.clone().seed(Seed(round as u64)).fit(&table, "label").unwrap();
        assert_eq!(model.calibration().unwrap().rows(), 79);
        model.set_threshold(model.threshold_by(rule).unwrap());
        let new = Table::of_samples(Path::new("new"), &rows(15, 60, Label::Normal, &mut rng)).unwrap();
        let flags = model.flags(&model.score(&new).unwrap()).unwrap().unwrap();
        let alarms = flags[15..].iter().filter(|&&flag| flag).count() as f64;
        let flagged = flags.iter().filter(|&&flag| flag).count() as f64;
        sums[0] += alarms / 60.0 / ROUNDS as f64;
        sums[1] += alarms / flagged.max(1.0) / ROUNDS as f64;
    }
    sums
}

/// With 79 held-out rows, the expected rate is exactly ⌊0.1 · 80⌋ / 80, averaged over held-out and new rows. In one round, the rate
/// is a draw from Beta(8, 72), whose standard deviation is 0.033, and the share of 60 rows adds 0.039. The standard error of the mean
/// is therefore 0.0026.
#[test]
fn false_positives_occur_at_the_stated_rate() {
    // The label column is empty where no anomaly is labelled.
    for (method, labelled) in [("mean-difference", 5), ("mahalanobis", 0)] {
        let [alarms, _] = simulate(ThresholdRule::FalsePositiveRate(0.1), method, labelled);
        assert!((alarms - 0.1).abs() < 5.0 * 0.0026, "{method}: {alarms}");
    }
}

/// The expected share is slightly below 0.25 times the share of normal rows, which is 60 of 75. The standard deviation in one round is
/// about 0.12, and the standard error of the mean 0.006.
#[test]
fn false_discoveries_occur_at_the_stated_rate() {
    let [_, false_share] = simulate(ThresholdRule::FalseDiscoveryRate(0.25), "mean-difference", 5);
    assert!((0.15..0.2 + 5.0 * 0.006).contains(&false_share), "{false_share}");
}
