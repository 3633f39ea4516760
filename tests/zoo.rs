//! Scores of baselines and unsupervised methods match PyOD, scikit-learn and NumPy on three of the embedded data sets.
//! `xtask/golden/golden_zoo.py` computes the reference scores and describes how rows are split.

use std::path::Path;

use anoonly::data::table::{LabelColumn, Table};
use anoonly::prelude::*;
use ndarray::{Array2, Axis};
use serde_json::Value;

/// A set and its anomalous class: malignant, Chinstrap, the first cultivar.
const SETS: [(&str, &str); 3] = [("cancer", "0"), ("penguins", "1"), ("wine", "0")];

/// The samples to fit, the rows to score, and which of these rows are anomalies.
fn split(name: &str, anomaly: &str) -> (Samples, Array2<f32>, Vec<bool>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../crates/anoonly-data/data/{name}.npz"));
    let label = LabelColumn::named("y").with_anomaly(anomaly);
    let samples = Table::read(&path).unwrap().samples(&label).unwrap();
    let anomalous = |row: &usize| samples.labels()[*row] == Label::Anomaly;
    let (scored, others): (Vec<usize>, Vec<usize>) = (0..samples.rows()).partition(|row| row % 3 == 0);
    let (anomalies, unlabelled): (Vec<usize>, Vec<usize>) = others.into_iter().partition(anomalous);
    let fitted = [&unlabelled[..], &anomalies[..3]].concat();
    let labels = (0..fitted.len()).map(|row| if row < unlabelled.len() { Label::Unlabelled } else { Label::Anomaly });
    let select = |rows: &[usize]| samples.features().select(Axis(0), rows);
    let fitted = Samples::new(select(&fitted), labels.collect()).unwrap();
    (fitted, select(&scored), scored.iter().map(anomalous).collect())
}

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/zoo.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn scores(name: &str, seed: u64, fitted: &Samples, scored: &Array2<f32>) -> Vec<f32> {
    let detector = Detector::new(AnyMethod::by_name(name).unwrap(), Supervision::Full, Seed(seed)).unwrap();
    let fitted = detector.fit(fitted, &ComputeDevice::default()).unwrap();
    fitted.score(scored).unwrap()
}

/// How far a method's scores may differ from the reference, as a share of the largest reference score. Ours are of type f32, which
/// has seven digits. PCA divides by the share of the variance along each axis; the smallest is 1e-4. The one-class SVM stops
/// when its conditions are met to 1e-3; the reference continues to 1e-8.
fn tolerance(method: &str) -> f64 {
    match method {
        "ocsvm" => 2e-3,
        "pca" => 1e-4,
        _ => 1e-5,
    }
}

#[test]
fn deterministic_methods_match_the_reference_scores() {
    let golden = golden();
    let mut compared = 0;
    for (name, anomaly) in SETS {
        let (fitted, scored, _) = split(name, anomaly);
        for (method, expected) in golden[name]["exact"].as_object().unwrap() {
            let (ours, theirs) = (scores(method, 1, &fitted, &scored), numbers(expected));
            assert_eq!(ours.len(), theirs.len());
            let largest = theirs.iter().fold(0.0f64, |max, score| max.max(score.abs()));
            for (row, (&ours, &theirs)) in ours.iter().zip(&theirs).enumerate() {
                let miss = (f64::from(ours) - theirs).abs() / largest;
                assert!(
                    miss <= tolerance(method),
                    "{name}, {method}, row {row}: {ours}, but the reference is {theirs}"
                );
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 30);
}

/// Spearman's correlation of two lists without many ties.
fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let rank = |value: &f64| {
            let below = values.iter().filter(|other| *other < value).count();
            let up_to = values.iter().filter(|other| *other <= value).count();
            (below + up_to) as f64 / 2.0
        };
        values.iter().map(rank).collect()
    };
    let (a, b, middle) = (ranks(a), ranks(b), a.len() as f64 / 2.0);
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

/// Mean scores over 20 seeds rank the rows as PyOD's do, and the mean AUROC is within PyOD's range over seeds. LODA's ranks differ
/// more, because PyOD looks up a value one bin above its own.
#[test]
fn randomised_methods_rank_like_the_reference() {
    let golden = golden();
    let mut compared = 0;
    for (name, anomaly) in SETS {
        let (fitted, scored, truth) = split(name, anomaly);
        for (method, expected) in golden[name]["by_chance"].as_object().unwrap() {
            let seeds: Vec<Vec<f32>> = (0..20).map(|seed| scores(method, seed, &fitted, &scored)).collect();
            let mean = |row: usize| seeds.iter().map(|scores| f64::from(scores[row])).sum::<f64>();
            let means: Vec<f64> = (0..truth.len()).map(mean).collect();
            let correlation = rank_correlation(&means, &numbers(&expected["mean_scores"]));
            let least = if method == "loda" { 0.85 } else { 0.99 };
            assert!(correlation > least, "{name}, {method}: the ranks' correlation is {correlation}");
            let area = seeds.iter().map(|scores| auroc(scores, &truth).unwrap()).sum::<f64>() / 20.0;
            let theirs = numbers(&expected["auroc"]);
            assert!((theirs[0]..=theirs[1]).contains(&area), "{name}, {method}: {area}, but PyOD has {theirs:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 9);
}
