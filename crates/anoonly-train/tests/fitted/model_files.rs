//! Tests of model files: detectors that are read score the same bits as those that were written.

use std::fs;
use std::path::{Path, PathBuf};

use anoonly_core::{Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_models::networks::devnet::DevNetConfig;
use anoonly_train::model_file::{self, FORMAT};
use anoonly_train::{BackendName, ComputeDevice, Detector, FittedDetector, ModelFileError, Supervision};
use ndarray::s;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{fit, samples};

/// The pipeline of a layer above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pipeline {
    columns: Vec<String>,
    threshold: Option<f64>,
}

fn pipeline() -> Pipeline {
    Pipeline { columns: vec!["a".into(), "b".into(), "c".into()], threshold: Some(0.1) }
}

/// DevNet under AnoOnly with two seeds, after a short training.
fn pair() -> Vec<FittedDetector> {
    let mut method = DevNetConfig::default();
    method.recipe.epochs = 2;
    let detector = |seed| Detector::new(AnyMethod::DevNet(method.clone()), Supervision::AnomalyOnly, Seed(seed));
    [1, 2].map(|seed| fit(&detector(seed).unwrap())).into()
}

fn scores(members: &[FittedDetector]) -> Vec<Vec<f32>> {
    members.iter().map(|member| member.score(samples().features()).unwrap()).collect()
}

/// The bytes of a file after the header.
fn tensors(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].to_vec()
}

/// The model file of a version of the format, and the file with the scores of its first rows.
pub fn fixture(format: u32) -> [PathBuf; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    ["anoonly", "json"].map(|ending| folder.join(format!("format-{format}.{ending}")))
}

/// Makes the fixture of this version of the format. It must not run after the release of the version, because the fixture then
/// stands for the files of older programs.
#[test]
#[ignore = "writes into the source tree"]
fn make_the_fixture() {
    let [model, figures] = fixture(FORMAT);
    model_file::write(&model, &pair(), &pipeline()).unwrap();
    let first: Vec<_> = scores(&pair()).into_iter().map(|scores| scores[..8].to_vec()).collect();
    fs::write(figures, serde_json::to_string_pretty(&first).unwrap() + "\n").unwrap();
}

#[test]
fn a_file_of_every_version_scores_as_before() {
    for format in 1..=FORMAT {
        let [model, figures] = fixture(format);
        let figures: Vec<Vec<f32>> = serde_json::from_slice(&fs::read(figures).unwrap()).unwrap();
        let (members, kept): (Vec<FittedDetector>, Pipeline) =
            model_file::read(&model, &ComputeDevice::new(BackendName::Ndarray, None).unwrap()).unwrap();
        assert_eq!(kept, pipeline());
        assert_eq!((members.len(), figures.len()), (2, 2));
        for (member, figures) in members.iter().zip(figures) {
            let scores = member.score(samples().features()).unwrap();
            assert_eq!(figures.len(), 8);
            for (now, before) in scores.iter().zip(figures) {
                assert!((now - before).abs() <= 1e-4 * before.abs(), "{now}, but it was {before}");
            }
        }
    }
}

#[test]
fn members_and_pipeline_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    // More than ten members, because their names then sort in another order than their numbers.
    let members: Vec<_> = [pair(), pair(), pair(), pair(), pair(), pair()].concat();
    model_file::write(&one, &members, &pipeline()).unwrap();
    model_file::write(&two, &members, &pipeline()).unwrap();
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap(), "the same detectors make the same file");
    let (read, kept): (Vec<FittedDetector>, Pipeline) = model_file::read(&one, &ComputeDevice::default()).unwrap();
    assert_eq!(kept, pipeline());
    assert_eq!(scores(&read), scores(&members));
    for (read, member) in read.iter().zip(&members) {
        assert_eq!(read.history(), member.history());
    }
}

#[test]
fn a_file_is_inspected_without_its_tensors() {
    let [model, _] = fixture(1);
    let inspection = model_file::inspect(&model).unwrap();
    let manifest = &inspection.manifest;
    assert_eq!((manifest.format, &manifest.library[..]), (1, "0.1.0"));
    assert_eq!(manifest.pipeline, json!({"columns": ["a", "b", "c"], "threshold": 0.1}));
    assert_eq!(manifest.members.len(), 2);
    for (member, seed) in manifest.members.iter().zip([1, 2]) {
        assert_eq!(member.method["model"], "devnet");
        assert_eq!((member.supervision, member.seed), (Supervision::AnomalyOnly, Seed(seed)));
        assert_eq!((member.scaler.columns(), member.history.losses.len()), (3, 2));
    }
    assert_eq!((inspection.tensors.len(), inspection.verified), (16, false));
    assert!(model_file::inspect(&fixture(2)[0]).unwrap().verified);
    assert_eq!(inspection.tensors["1.DevNet.hidden.0.linear.weight"], [3, 20]);
}

#[test]
fn replacing_the_pipeline_leaves_the_detectors_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let members = pair();
    model_file::write(&path, &members, &pipeline()).unwrap();
    let (before, inspected) = (tensors(&path), model_file::inspect(&path).unwrap());
    #[cfg(unix)]
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let changed = Pipeline { threshold: None, ..pipeline() };
    model_file::rewrite_pipeline(&path, &changed).unwrap();
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o640);
    assert_eq!(tensors(&path), before);
    let mut expected = inspected;
    expected.manifest.pipeline = json!({"columns": ["a", "b", "c"], "threshold": null});
    assert_eq!(model_file::inspect(&path).unwrap(), expected);
    let (read, kept): (Vec<FittedDetector>, Pipeline) = model_file::read(&path, &ComputeDevice::default()).unwrap();
    assert_eq!(kept, changed);
    assert_eq!(scores(&read), scores(&members));
}

/// Replacing the pipeline gives a file of the first format a digest.
#[test]
fn a_file_of_the_first_format_becomes_one_of_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    fs::copy(&fixture(1)[0], &path).unwrap();
    let (before, _): (Vec<FittedDetector>, Pipeline) = model_file::read(&path, &ComputeDevice::default()).unwrap();
    model_file::rewrite_pipeline(&path, &pipeline()).unwrap();
    let inspection = model_file::inspect(&path).unwrap();
    assert_eq!((inspection.manifest.format, inspection.verified), (2, true));
    let (after, kept): (Vec<FittedDetector>, Pipeline) = model_file::read(&path, &ComputeDevice::default()).unwrap();
    assert_eq!((scores(&after), kept), (scores(&before), pipeline()));
    assert_eq!(tensors(&path), tensors(&fixture(1)[0]));
}

#[test]
fn a_file_is_written_completely_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let members = pair();
    let write = |path: &Path| model_file::write(path, &members, &());
    let path = folder.path().join("model");
    write(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain), "a model file has the permissions of any new file");
        fs::remove_file(plain).unwrap();
    }
    // The path is a folder, or is in a folder that does not exist.
    fs::create_dir(folder.path().join("folder")).unwrap();
    for place in ["folder", "none/model"] {
        let error = write(&folder.path().join(place)).unwrap_err();
        assert!(matches!(error, ModelFileError::Write { .. }), "{error}");
        // The folder of the test has a temporary name too.
        let message = error.to_string().replace(folder.path().to_str().unwrap(), "");
        assert!(message.contains(&format!("{place}: ")) && !message.contains(".tmp"), "{message}");
    }
    let mut remaining: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    remaining.sort();
    assert_eq!(remaining, ["folder", "model"]);
}

#[test]
fn writing_invalid_members_or_pipelines_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let message = |members: &[FittedDetector]| model_file::write(&path, members, &()).unwrap_err().to_string();
    assert!(message(&[]).ends_with("there is no detector"));
    let narrow = Samples::new(samples().features().slice(s![.., ..2]).to_owned(), samples().labels().to_vec()).unwrap();
    let detector = Detector::new(AnyMethod::by_name("logistic").unwrap(), Supervision::Full, Seed(1)).unwrap();
    let narrow = detector.fit(&narrow, &ComputeDevice::default()).unwrap();
    assert!(message(&[fit(&detector), narrow]).ends_with("one detector has 3 columns, another has 2"));
    let unwritable = std::collections::HashMap::from([((1, 2), "a key that is not text")]);
    let pair = pair();
    assert!(matches!(model_file::write(&path, &pair, &unwritable), Err(ModelFileError::Write { .. })));
    model_file::write(&path, &pair, &()).unwrap();
    assert!(matches!(model_file::rewrite_pipeline(&path, &unwritable), Err(ModelFileError::Write { .. })));
    assert_eq!(model_file::inspect(&path).unwrap().manifest.pipeline, Value::Null);
}
