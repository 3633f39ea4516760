//! Detectors that are read without a backend: they score and explain with the same bits, and networks without steps are refused.

use std::fs;

use anoonly_train::model_file::{self, MANIFEST};
use anoonly_train::{ComputeDevice, FittedDetector, ModelFileError};
use serde_json::{Value, json};

use crate::damaged_files::{Damaged, Parts};
use crate::model_files::fixture;
use crate::{detectors, fit, samples};

/// The methods whose scores are no plain steps.
const NEED_A_BACKEND: [&str; 4] = ["dagmm", "ft-transformer", "ganomaly", "repen"];

#[test]
fn scores_and_reasons_are_those_of_the_default_backend() {
    let mut refused = Vec::new();
    for detector in detectors() {
        let name = detector.method().info().name;
        let bytes = model_file::to_bytes(&[fit(&detector)], &json!("pipeline")).unwrap();
        let (expected, _) =
            model_file::from_bytes::<Value>("model".as_ref(), &bytes, &ComputeDevice::default()).unwrap();
        let (plain, pipeline) = match model_file::plain_from_bytes::<Value>("model".as_ref(), &bytes) {
            Ok(read) => read,
            Err(ModelFileError::NeedsBackend { method, .. }) => {
                assert_eq!(method, name);
                refused.push(name);
                continue;
            }
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!(pipeline, "pipeline");
        let bits = |detector: &FittedDetector| {
            let scores = detector.score(samples().features()).unwrap();
            scores.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(bits(&plain[0]), bits(&expected[0]), "{name}");
        let explained = |detector: &FittedDetector| {
            let (samples, parts) = (samples(), [0..1, 1..2, 2..3]);
            detector.attributions(samples.features(), &samples.features().row(9).to_vec(), &parts).unwrap()
        };
        assert_eq!(explained(&plain[0]), explained(&expected[0]), "{name}");
        // It has all that the file had.
        assert_eq!(model_file::to_bytes(&plain, &json!("pipeline")).unwrap(), bytes, "{name}");
    }
    refused.sort_unstable();
    refused.dedup();
    assert_eq!(refused, NEED_A_BACKEND);
}

#[test]
fn a_network_of_an_earlier_format_has_no_steps() {
    for format in [1, 2] {
        let [file, _] = fixture(format);
        let error = model_file::read_plain::<Value>(&file).unwrap_err();
        assert!(matches!(&error, ModelFileError::WithoutSteps { method, .. } if method == "devnet"), "{error}");
        let (members, pipeline) = model_file::read::<Value>(&file, &ComputeDevice::default()).unwrap();
        let saved = model_file::to_bytes(&members, &pipeline).unwrap();
        let (plain, _) = model_file::plain_from_bytes::<Value>(&file, &saved).unwrap();
        let scores = |detector: &FittedDetector| detector.score(samples().features()).unwrap();
        assert_eq!(scores(&plain[0]), scores(&members[0]));
    }
}

/// Both ways of reading refuse steps that are not possible.
#[test]
fn impossible_steps_are_refused() {
    let detector = detectors().into_iter().find(|detector| detector.method().info().name == "deepsad").unwrap();
    let parts = Parts::of(&model_file::to_bytes(&[fit(&detector)], &Value::Null).unwrap());
    let damaged = Damaged::new();
    let refuses = |change: &dyn Fn(&mut Vec<Value>), reason: &str| {
        let mut parts = parts.clone();
        change(parts.manifest()["members"][0]["steps"].as_array_mut().unwrap());
        let bytes = parts.bytes();
        damaged.refuses(&bytes, reason);
        match model_file::plain_from_bytes::<Value>("model".as_ref(), &bytes) {
            Err(ModelFileError::Malformed { reason: found, .. }) => assert!(found.contains(reason), "{found}"),
            other => panic!("{reason}: {other:?}"),
        }
    };
    refuses(&|steps| steps.clear(), "from 1 to 1000 steps");
    refuses(&|steps| steps[0]["of"] = json!(9), "comes after it");
    refuses(&|steps| steps[0]["of"] = json!(-1), "invalid manifest");
    refuses(&|steps| steps[0]["step"] = json!("loop"), "invalid manifest");
    refuses(&|steps| steps[0]["more"] = json!(1), "invalid manifest");
    refuses(&|steps| steps[0]["weight"] = json!("none"), "none");
    refuses(&|steps| steps.push(json!({"step": "concat", "of": [1, 1]})), "one value for a row");
    let doubled = |steps: &mut Vec<Value>| {
        *steps = (0..60).map(|of| json!({"step": "concat", "of": [of, of]})).collect();
    };
    refuses(&doubled, "values for a row");
    assert!(parts.header["__metadata__"].get(MANIFEST).is_some());
    fs::write(&damaged.path, parts.bytes()).unwrap();
    assert!(model_file::read_plain::<Value>(&damaged.path).is_ok());
}
