//! Tests of settings: whatever number stands in a configuration, it is refused, or the fit works.

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_models::overrides::overridden;
use anoonly_train::{ComputeDevice, Detector, FitError, Supervision};
use ndarray::Array2;
use rayon::prelude::*;
use serde_json::Value;

use crate::{detectors, samples};

/// Numbers that no setting needs, as TOML.
const NUMBERS: [&str; 6] = ["1000000000", "9223372036854775807", "0", "-1", "nan", "1e300"];

/// The settings of a method that are numbers, as keys in TOML, and whether each is a list of numbers.
fn numbers(value: &Value, path: &str, found: &mut Vec<(String, bool)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                numbers(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found);
            }
        }
        Value::Number(_) => found.push((path.into(), false)),
        Value::Array(_) => found.push((path.into(), true)),
        _ => {}
    }
}

#[test]
fn every_number_in_every_setting_is_refused_or_works() {
    let methods: Vec<AnyMethod> =
        detectors().into_iter().step_by(2).map(|detector| detector.method().clone()).collect();
    assert_eq!(methods.len(), AnyMethod::all().len());
    let counts: Vec<[usize; 2]> = methods.par_iter().map(check).collect();
    let [refused, fitted] = [0, 1].map(|kind| counts.iter().map(|counts| counts[kind]).sum::<usize>());
    assert!(refused > 400 && fitted > 100, "{refused} {fitted}");
}

/// Fits the method with every number in every setting. Returns how many settings were refused, and how many were fitted.
fn check(method: &AnyMethod) -> [usize; 2] {
    let mut settings = Vec::new();
    numbers(&serde_json::to_value(method).unwrap(), "", &mut settings);
    let mut counts = [0, 0];
    for (setting, list) in settings {
        for number in NUMBERS {
            let value = if list { format!("[{number}]") } else { number.into() };
            let text = format!("[{}]\n{setting} = {value}\n", method.info().name);
            let Ok(mut changed) = overridden(vec![method.clone()], &text) else {
                counts[0] += 1;
                continue;
            };
            let detector = Detector::new(changed.remove(0), Supervision::AnomalyOnly, Seed(1)).unwrap();
            match detector.fit(&samples(), &ComputeDevice::default()) {
                Ok(fitted) => {
                    let scores = fitted.score(samples().features()).unwrap();
                    assert!(scores.iter().all(|score| score.is_finite()), "{text}");
                    let folder = tempfile::tempdir().unwrap();
                    let written = anoonly_train::model_file::write(&folder.path().join("model"), &[fitted], &());
                    assert!(written.is_ok(), "{text}: {written:?}");
                    counts[1] += 1;
                }
                Err(FitError::Diverged { .. } | FitError::TooLarge { .. }) => counts[0] += 1,
                Err(other) => panic!("{text}: {other}"),
            }
        }
    }
    counts
}

/// Sizes that are possible one by one, but not together, and covariances of too many columns, are refused before any memory is taken.
#[test]
fn fits_that_take_too_much_memory_are_refused_with_a_figure() {
    let changes = "[mlp]\nwidths = [16384, 16384, 16384]\n";
    let method = overridden(vec![AnyMethod::by_name("mlp").unwrap()], changes).unwrap().remove(0);
    let error = Detector::new(method, Supervision::AnomalyOnly, Seed(1))
        .unwrap()
        .fit(&samples(), &ComputeDevice::default())
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("mlp with these settings, on 44 rows and 3 features, would take about 12."),
        "{message}"
    );
    assert!(message.ends_with("GiB of memory; the limit is 8.0 GiB"), "{message}");
    let method = AnyMethod::by_name("lof").unwrap();
    let method = overridden(vec![method], "[lof]\nk = 1000000000\n").unwrap().remove(0);
    let labels = (0..30_000).map(|row| if row < 3 { Label::Anomaly } else { Label::Unlabelled }).collect();
    let many = Samples::new(Array2::zeros((30_000, 1)), labels).unwrap();
    let detector = Detector::new(method, Supervision::AnomalyOnly, Seed(1)).unwrap();
    assert!(matches!(detector.fit(&many, &ComputeDevice::default()), Err(FitError::TooLarge { .. })));
}
