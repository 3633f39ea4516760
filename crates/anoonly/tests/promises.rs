//! What thresholds promise holds from the table to the flags, with a detector that is fitted each time, by simulation.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use anoonly::Detector;
use anoonly::core::{Label, Samples, Seed};
use anoonly::data::table::Table;
use anoonly::models::AnyMethod;
use anoonly::pipeline::ThresholdRule;
use ndarray::Array2;
use rand::{Rng, RngExt};

const ROUNDS: usize = 400;

/// Normal rows, about standard normal in three columns, and anomalies that lie three deviations off in each; the first are
/// the anomalies.
fn rows(anomalies: usize, normal: usize, label: Label, rng: &mut impl Rng) -> Samples {
    let cell = |(row, _)| {
        let gauss: f32 = (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        gauss + if row < anomalies { 3.0 } else { 0.0 }
    };
    let features = Array2::from_shape_fn((anomalies + normal, 3), cell);
    let labels = (0..anomalies + normal).map(|row| if row < anomalies { Label::Anomaly } else { label });
    Samples::new(features, labels.collect()).unwrap()
}

/// For each round, the share of 60 normal rows that is flagged, and the share of normal rows among those flagged of these and
/// 15 anomalies.
fn simulated(rule: ThresholdRule) -> [f64; 2] {
    let mut rng = Seed(3).stream(&["promises"]);
    let detector = Detector::new(AnyMethod::by_name("mean-difference").unwrap()).held_out(0.5);
    let mut sums = [0.0; 2];
    for round in 0..ROUNDS {
        let train = rows(5, 158, Label::Unlabelled, &mut rng);
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

/// With 79 held-out rows, the rate is ⌊0.1 · 80⌋ / 80 exactly, on average over held-out and new rows. In a round it is a draw
/// from Beta(8, 72), of standard deviation 0.033, and a binomial share of 60 rows, 0.039: the error of the mean is 0.0026.
#[test]
fn false_alarms_come_at_the_stated_rate() {
    let [alarms, _] = simulated(ThresholdRule::FalsePositiveRate(0.1));
    assert!((alarms - 0.1).abs() < 5.0 * 0.0026, "{alarms}");
}

/// The expected share is at most 0.25 times the share of normal rows, 60 of 75, and little below it; a round's share spreads by
/// about 0.12, so that the error of the mean is 0.006.
#[test]
fn false_discoveries_come_at_the_stated_rate() {
    let [_, false_share] = simulated(ThresholdRule::FalseDiscoveryRate(0.25));
    assert!((0.15..0.2 + 5.0 * 0.006).contains(&false_share), "{false_share}");
}
