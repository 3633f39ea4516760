//! Tests of damaged model files: reading one is an error and never a panic. The fuzzing is seeded and has a bounded number of
//! rounds.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anoonly_core::{Digest, Seed};
use anoonly_models::AnyMethod;
use anoonly_models::overrides::overridden;
use anoonly_train::model_file::{self, DIGEST, MANIFEST};
use anoonly_train::{ComputeDevice, Detector, FittedDetector, ModelFileError};
use ndarray::{Axis, array, concatenate};
use rand::{Rng, RngExt};
use serde_json::{Map, Value, json};

use crate::model_files::fixture;
use crate::{detectors, fit, samples};

/// A change of a file's header and data.
type Change<'a> = &'a dyn Fn(&mut Map<String, Value>, &mut Vec<u8>);

/// The environment variable that sets the number of damaged files in each test.
const ROUNDS_VARIABLE: &str = "ANOONLY_FUZZ_ROUNDS";
/// The number of damaged files without this variable.
const DEFAULT_ROUNDS: usize = 4000;

pub fn rounds() -> usize {
    std::env::var(ROUNDS_VARIABLE).map_or(DEFAULT_ROUNDS, |rounds| rounds.parse().expect("a number of rounds"))
}

/// A file in a temporary folder that holds one damaged model after the other.
pub struct Damaged {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
}

impl Damaged {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("model"), _folder: folder }
    }

    pub fn read(&self, bytes: &[u8]) -> Result<Vec<FittedDetector>, ModelFileError> {
        fs::write(&self.path, bytes).unwrap();
        model_file::read::<Value>(&self.path, &ComputeDevice::default()).map(|(members, _)| members)
    }

    /// Reads the file and scores with its detectors. Returns whether it is still a model. Without a backend, it may be one all the same.
    pub fn is_still_a_model(&self, bytes: &[u8]) -> bool {
        if let Ok((members, _)) = model_file::plain_from_bytes::<Value>(&self.path, bytes) {
            self.scores_are_finite(&members);
        }
        let Ok(members) = self.read(bytes) else { return false };
        model_file::inspect(&self.path).unwrap();
        self.scores_are_finite(&members);
        true
    }

    fn scores_are_finite(&self, members: &[FittedDetector]) {
        let far = array![[f32::MAX, f32::MIN, 1e20], [1e30, -1e30, f32::MIN_POSITIVE / 2.0]];
        let rows = concatenate![Axis(0), samples().features().view(), far];
        for member in members.iter().filter(|member| member.columns() == rows.ncols()) {
            assert!(member.score(&rows).unwrap().iter().all(|score| score.is_finite()));
        }
    }

    /// Reads the file and checks that it is refused for this reason.
    #[track_caller]
    pub fn refuses(&self, bytes: &[u8], reason: &str) {
        match self.read(bytes) {
            Err(ModelFileError::Malformed { reason: found, .. }) => assert!(found.contains(reason), "{found}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
}

/// The header and the data of a file. The manifest in the header is JSON here, not text. A file with a digest is given the right
/// one for its contents.
#[derive(Clone)]
pub struct Parts {
    pub header: Value,
    pub data: Vec<u8>,
}

impl Parts {
    pub fn of(bytes: &[u8]) -> Self {
        let (length, rest) = bytes.split_at(8);
        let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let mut header: Value = serde_json::from_slice(header).unwrap();
        let manifest = &mut header["__metadata__"][MANIFEST];
        *manifest = serde_json::from_str(manifest.as_str().unwrap()).unwrap();
        Self { header, data: data.to_vec() }
    }

    pub fn manifest(&mut self) -> &mut Value {
        &mut self.header["__metadata__"][MANIFEST]
    }

    fn member(&mut self) -> &mut Value {
        &mut self.manifest()["members"][0]
    }

    /// The bytes of the file. A manifest that was removed stays removed.
    pub fn bytes(mut self) -> Vec<u8> {
        if let Some(manifest) = self.header.pointer_mut(&format!("/__metadata__/{MANIFEST}")) {
            *manifest = Value::String(manifest.to_string());
        }
        if let Some(digest) = digest(&self.header, &self.data)
            && let Some(stated) = self.header.pointer_mut(&format!("/__metadata__/{DIGEST}"))
        {
            *stated = Value::String(digest.to_string());
        }
        file(&self.header.to_string(), &self.data)
    }
}

/// The digest of a file by its specification in `docs/model-format.md`; `None` if the header is not that of a model file.
fn digest(header: &Value, data: &[u8]) -> Option<Digest> {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, number: usize| bytes.extend((number as u64).to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &[u8]| {
        number(bytes, text.len());
        bytes.extend(text);
    };
    text(&mut bytes, header["__metadata__"][MANIFEST].as_str()?.as_bytes());
    // In the order of their names, as all keys of `serde_json`.
    let tensors: Vec<_> = header.as_object()?.iter().filter(|(name, _)| *name != "__metadata__").collect();
    number(&mut bytes, tensors.len());
    for (name, tensor) in tensors {
        text(&mut bytes, name.as_bytes());
        text(&mut bytes, tensor["dtype"].as_str()?.as_bytes());
        let shape = tensor["shape"].as_array()?;
        number(&mut bytes, shape.len());
        for length in shape {
            number(&mut bytes, length.as_u64()? as usize);
        }
        let [start, end] = [0, 1].map(|place| tensor["data_offsets"][place].as_u64().map(|offset| offset as usize));
        text(&mut bytes, data.get(start?..end?)?);
    }
    Some(Digest::of(&bytes))
}

pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// The bytes of the fixture of format 1.
fn fixture_bytes() -> Vec<u8> {
    fs::read(&fixture(1)[0]).unwrap()
}

/// Every method under both strategies, with few trees and histograms.
pub fn small_detectors() -> Vec<Detector> {
    let changes = "
        [quorum]
        trees = 3
        [random-forest]
        trees = 3
        [extra-trees]
        trees = 3
        [gbdt]
        trees = 3
        [isolation-forest]
        trees = 3
        sample = 8
        [loda]
        cuts = 3
        [xgbod]
        gbdt.trees = 2
        isolation_forest = { trees = 2, sample = 8 }
    ";
    let small = |detector: Detector| {
        let method = overridden(vec![detector.method().clone()], changes).unwrap().remove(0);
        Detector::new(method, detector.supervision(), detector.seed()).unwrap()
    };
    detectors().into_iter().map(small).collect()
}

/// The file of a detector.
pub fn file_of(detector: &Detector) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let pipeline = json!({"columns": ["a", "b", "c"], "threshold": [1.5, null]});
    model_file::write(&path, &[fit(detector)], &pipeline).unwrap();
    fs::read(&path).unwrap()
}

/// A file for every method and strategy.
pub fn files() -> Vec<Vec<u8>> {
    small_detectors().iter().map(file_of).collect()
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let (damaged, whole) = (Damaged::new(), fixture_bytes());
    assert!(damaged.is_still_a_model(&whole));
    for length in 0..whole.len() {
        let read = damaged.read(&whole[..length]);
        assert!(matches!(read, Err(ModelFileError::Malformed { .. })), "the first {length} bytes were read");
    }
    damaged.refuses(&[&whole[..], &[0]].concat(), "tensors take 1448 bytes, but the file has 1449");
}

/// Bits are flipped in the whole file and, more often, in its header. A file without a digest, of format 1, may still be a model.
#[test]
fn flipped_bits_are_an_error_or_still_a_model() {
    let damaged = Damaged::new();
    let mut rng = Seed(1).stream(&["flipped bits"]);
    let (files, old) = (files(), fixture_bytes());
    let mut models = 0;
    for round in 0..rounds() {
        let mut bytes = if round % 2 == 0 { old.clone() } else { files[round % files.len()].clone() };
        let header = bytes.len() - Parts::of(&bytes).data.len();
        for _ in 0..rng.random_range(1..4) {
            let end = if rng.random_bool(0.8) { header } else { bytes.len() };
            bytes[rng.random_range(0..end)] ^= 1 << rng.random_range(0..8);
        }
        models += usize::from(damaged.is_still_a_model(&bytes));
    }
    assert!(models > rounds() / 100 && models < rounds() / 2, "{models}");
}

/// The length of the header is changed, and values of tensors become not finite, huge or subnormal.
#[test]
fn odd_numbers_are_an_error_or_still_a_model() {
    let (damaged, whole) = (Damaged::new(), fixture_bytes());
    for length in [0, 1, 7, 100_000_000, 100_000_001, u64::from(u32::MAX), i64::MAX as u64, u64::MAX - 7, u64::MAX] {
        let bytes = [&length.to_le_bytes(), &whole[8..]].concat();
        assert!(matches!(damaged.read(&bytes), Err(ModelFileError::Malformed { .. })), "{length}");
    }
    let start = whole.len() - Parts::of(&whole).data.len();
    for at in (start..whole.len()).step_by(4) {
        let with = |value: f32| [&whole[..at], &value.to_le_bytes(), &whole[at + 4..]].concat();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            damaged.refuses(&with(value), "holds a value that is not finite");
        }
        for value in [f32::MIN_POSITIVE / 8.0, -0.0] {
            assert!(damaged.is_still_a_model(&with(value)));
        }
        // Where every score overflows, the file is refused.
        for value in [f32::MAX, f32::MIN] {
            damaged.is_still_a_model(&with(value));
        }
    }
}

/// Any part of the header, including the manifest, is replaced, removed or duplicated.
#[test]
fn changed_headers_are_an_error_or_still_a_model() {
    let damaged = Damaged::new();
    let mut rng = Seed(1).stream(&["changed headers"]);
    let files: Vec<_> = files().into_iter().chain([fixture_bytes()]).map(|bytes| Parts::of(&bytes)).collect();
    let mut models = 0;
    for round in 0..rounds() {
        let mut parts = files[round % files.len()].clone();
        for _ in 0..rng.random_range(1..3) {
            // Half of the changes are in the configuration of the method, which decides the network.
            let place = if rng.random_bool(0.5) { "/__metadata__/anoonly/members/0/method" } else { "" };
            if let Some(value) = parts.header.pointer_mut(place) {
                change(value, &mut rng);
            }
        }
        models += usize::from(damaged.is_still_a_model(&parts.bytes()));
    }
    assert!(models > rounds() / 100 && models < rounds(), "{models}");
}

/// Changes one place in a JSON value.
fn change(value: &mut Value, rng: &mut impl Rng) {
    let deeper = rng.random_bool(0.85);
    match value {
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let key = fields.keys().nth(rng.random_range(0..fields.len())).unwrap().clone();
            match rng.random_range(0..12) {
                0 => drop(fields.remove(&key)),
                1 => drop(fields.insert(format!("{key}s"), fields[&key].clone())),
                _ => change(&mut fields[&key], rng),
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = rng.random_range(0..items.len());
            match rng.random_range(0..4) {
                0 => drop(items.remove(at)),
                1 => items.insert(at, items[at].clone()),
                _ => change(&mut items[at], rng),
            }
        }
        value => *value = odd(rng),
    }
}

/// A value that is unlikely in its place.
fn odd(rng: &mut impl Rng) -> Value {
    let values = json!([
        null, true, -1, 0, 1, 2, 3, 4, 255, 256, 1_000_000_000, u64::MAX, i64::MIN, -0.0, 0.5, 1.0, 1e-300, -1e300,
        1e300, "", "devnet", "knn", "batch", "layer", "none", "full", "F32", "F64", "0.x", [], {}, [1], [1, 1],
        [1_000_000_000, 1_000_000_000, 1_000_000_000], [[[]]], {"model": "logistic"}, {"kind": "constant"},
        {"blend": {"normal_weight": 2.0, "norm": "batch"}}
    ]);
    values[rng.random_range(0..values.as_array().unwrap().len())].clone()
}

/// A network is refused by its number of values before it is made, because these would take more memory than any machine has. A
/// rule is refused by the shapes of its tensors.
#[test]
fn a_configuration_that_does_not_fit_the_tensors_is_refused() {
    const NETWORK: &str = "values, but the file has";
    const RULE: &str = "has shape [";
    let damaged = Damaged::new();
    for bytes in files() {
        let parts = Parts::of(&bytes);
        let model = parts.clone().member()["method"]["model"].as_str().unwrap().to_owned();

        let mut tampered = parts.clone();
        let method = &mut tampered.member()["method"];
        let reason = match &model[..] {
            "hbos" | "loda" => {
                method["bins"] = json!(10_000);
                RULE
            }
            "prenet" => {
                method["width"] = json!(16_384);
                NETWORK
            }
            "deepsad" => {
                method["widths"] = json!([16_384, 16_384]);
                NETWORK
            }
            "devnet" => {
                method["depth"] = json!(4);
                NETWORK
            }
            _ => {
                *method = json!({"model": "deepsad", "widths": [16_384, 3]});
                NETWORK
            }
        };
        damaged.refuses(&tampered.bytes(), reason);

        // The tensors of a forest do not depend on the number of columns.
        if ["isolation-forest", "random-forest", "extra-trees", "gbdt", "pu-forest"].contains(&&model[..]) {
            continue;
        }
        let mut tampered = parts;
        let width = 100_000;
        tampered.member()["scaler"] = json!({"minimum": vec![0.0; width], "scale": vec![1.0; width]});
        // The steps of a network's score are checked first, and their tensors have shapes.
        let has_steps = !tampered.member()["steps"].is_null();
        let is_network = AnyMethod::by_name(&model).unwrap().recipe().is_some();
        damaged.refuses(&tampered.bytes(), if is_network && !has_steps { NETWORK } else { RULE });
    }
    let mut deep = Parts::of(&fixture_bytes());
    deep.member()["method"] = json!({"model": "deepsad", "widths": vec![1; 1_000_000]});
    damaged.refuses(&deep.bytes(), "at most 64 widths");
}

/// A file with changes in its tensors.
struct TensorChanges(Vec<u8>);

impl TensorChanges {
    fn with(&self, change: Change<'_>) -> Vec<u8> {
        let mut parts = Parts::of(&self.0);
        change(parts.header.as_object_mut().unwrap(), &mut parts.data);
        parts.bytes()
    }

    fn renamed(&self, from: &str, to: &str) -> Vec<u8> {
        self.with(&|header, _| {
            let tensor = header.remove(from).unwrap();
            header.insert(to.into(), tensor);
        })
    }

    /// With one more tensor, of one value.
    fn with_extra(&self, name: &str) -> Vec<u8> {
        self.with(&|header, data| {
            let at = data.len();
            header.insert(name.into(), json!({"dtype": "F32", "shape": [1], "data_offsets": [at, at + 4]}));
            data.extend([0; 4]);
        })
    }

    /// With one more tensor, of no values.
    fn with_empty(&self, name: &str) -> Vec<u8> {
        self.with(&|header, _| {
            header.insert(name.into(), json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}));
        })
    }

    fn with_field(&self, name: &str, field: &str, value: &Value) -> Vec<u8> {
        self.with(&|header, _| header[name][field] = value.clone())
    }
}

#[test]
fn missing_unknown_and_wrong_tensors_of_a_network_are_refused() {
    let (damaged, file) = (Damaged::new(), TensorChanges(fixture_bytes()));
    let bias = "0.DevNet.output.bias";
    damaged.refuses(&file.renamed(bias, "0.DevNet.output.bia"), "no tensor `0.DevNet.output.bias`");
    // Without the value of this tensor, the number of values is wrong. So it is with an additional value.
    let moved = file.renamed(bias, "2.DevNet.output.bias");
    damaged.refuses(&moved, "a network of 181 values, but the file has 180");
    damaged.refuses(&file.with_extra("0.bias"), "a network of 181 values, but the file has 182");
    damaged.refuses(&file.with_empty("0.none"), "tensor `0.none` belongs to no detector");
    for unknown in ["2.DevNet.output.bias", "bias"] {
        damaged.refuses(&file.with_extra(unknown), &format!("tensor `{unknown}` belongs to no detector"));
    }
    damaged.refuses(&file.with_field("0.DevNet.output.weight", "dtype", &json!("I32")), "holds I32, not F32");
    let transposed = file.with_field("0.DevNet.hidden.0.linear.weight", "shape", &json!([20, 3]));
    damaged.refuses(&transposed, "has shape [20, 3], needs [3, 20]");
    let variance = file.with(&|header, data| {
        let start = header["0.DevNet.hidden.0.norm.batch.running_var"]["data_offsets"][0].as_u64().unwrap() as usize;
        data[start..start + 4].copy_from_slice(&(-1.0f32).to_le_bytes());
    });
    damaged.refuses(&variance, "running_var` holds a negative variance");
    let overlapping = file.with_field("0.DevNet.output.weight", "data_offsets", &json!([640, 720]));
    damaged.refuses(&overlapping, "offset");
}

#[test]
fn missing_unknown_and_wrong_tensors_of_a_rule_are_refused() {
    let is_fisher = |detector: &&Detector| detector.method().info().name == "fisher";
    let damaged = Damaged::new();
    model_file::write(&damaged.path, &[fit(detectors().iter().find(is_fisher).unwrap())], &Value::Null).unwrap();
    let file = TensorChanges(fs::read(&damaged.path).unwrap());
    let [direction, offset] = ["0.Fisher.direction", "0.Fisher.offset"];
    assert!(damaged.is_still_a_model(&file.0));
    damaged.refuses(&file.renamed(direction, "0.Fisher.directions"), "no tensor `direction`");
    damaged.refuses(&file.renamed(direction, "1.Fisher.direction"), "no tensor `direction`");
    for unknown in ["0.Fisher.direction.0", "0.bias", "1.Fisher.direction", "bias"] {
        let reason = format!("tensor `{unknown}` belongs to no detector");
        damaged.refuses(&file.with_extra(unknown), &reason);
        damaged.refuses(&file.with_empty(unknown), &reason);
    }
    damaged.refuses(&file.with_field(offset, "dtype", &json!("I32")), "holds I32, not F32");
    let turned = file.with_field(direction, "shape", &json!([3, 1]));
    damaged.refuses(&turned, "tensor `direction` has shape [3, 1], needs [3]");
}

/// The mean of the training rows, which are scaled to [0, 1], cannot be so large that every score overflows.
#[test]
fn values_with_which_every_score_overflows_are_refused() {
    let is_quorum = |detector: &&Detector| detector.method().info().name == "quorum";
    let damaged = Damaged::new();
    let file = TensorChanges(file_of(small_detectors().iter().find(is_quorum).unwrap()));
    let bytes = file.with(&|header, data| {
        let offsets = &header["0.Quorum.whitening.mean"]["data_offsets"];
        let [start, end] = [0, 1].map(|place| offsets[place].as_u64().unwrap() as usize);
        data[start..end].as_chunks_mut::<4>().0.fill(3.4e38f32.to_le_bytes());
    });
    damaged.refuses(&bytes, "detector 0 gives a usual row no finite score");
}

#[test]
fn a_key_that_is_listed_twice_is_refused() {
    let (damaged, bytes) = (Damaged::new(), fixture_bytes());
    let data = Parts::of(&bytes).data;
    let header = std::str::from_utf8(&bytes[8..bytes.len() - data.len()]).unwrap().trim_end();
    let manifest = r#"{"__metadata__":{"anoonly":"{}"}"#;
    damaged.refuses(&file(&header.replacen('{', &format!("{manifest},"), 1), &data), "`__metadata__` is listed twice");
    let second = header.replacen(r#"{"anoonly":"#, r#"{"anoonly":"","anoonly":"#, 1);
    damaged.refuses(&file(&second, &data), "`anoonly` is listed twice");
    let bias = r#""1.DevNet.output.bias":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let second = header.replacen('{', &format!("{{{bias},"), 1);
    damaged.refuses(&file(&second, &data), "`1.DevNet.output.bias` is listed twice");
    let second = header.replacen(r#"\"seed\":1"#, r#"\"seed\":1,\"seed\":1"#, 1);
    damaged.refuses(&file(&second, &data), "duplicate field `seed`");
}

#[test]
fn values_that_no_fit_writes_are_refused() {
    let (damaged, bytes) = (Damaged::new(), fixture_bytes());
    let refuses = |pointer: &str, value: Value, reason: &str| {
        let mut parts = Parts::of(&bytes);
        *parts.manifest().pointer_mut(pointer).unwrap() = value;
        damaged.refuses(&parts.bytes(), reason);
    };
    refuses("/members", json!([]), "there is no detector");
    refuses("/members/0/scaler", json!({"minimum": [], "scale": []}), "no columns");
    refuses("/members/0/scaler/scale/0", json!(0.0), "not positive");
    refuses("/members/0/scaler/minimum/0", json!(1e300), "invalid manifest");
    refuses("/members/1/scaler", json!({"minimum": [0.0], "scale": [1.0]}), "another has 1");
    refuses("/members/0/seed", json!(-1), "invalid value");
    refuses("/members/0/method/norm_settings/epsilon", json!(0.0), "norm_settings.epsilon");
    refuses("/members/0/method/anomaly_loss", json!("absolute"), "does not match its strategy");
    let blend = json!({"blend": {"normal_weight": 1.5, "norm": "batch"}});
    refuses("/members/0/supervision", blend, "must be from 0 to 1");
    refuses("/members/0/method", json!({"model": "unheard-of"}), "unknown variant");
    refuses("/format", json!(-1), "invalid manifest");
    refuses("/format", json!(1e300), "invalid manifest");
    for deep in [1000, 1_000_000] {
        let nested = "[".repeat(deep) + &"]".repeat(deep);
        let header =
            json!({"__metadata__": {"anoonly": format!("{{\"format\":1,\"library\":\"\",\"members\":{nested}}}")}});
        damaged.refuses(&file(&header.to_string(), &[]), "invalid manifest");
        damaged.refuses(&file(&format!("{{\"0.x\":{nested}}}"), &[]), "invalid header");
    }
    for not_a_model in [&b""[..], b"PK\x03\x04", b"\x89PNG\r\n\x1a\n and so on", b"a,b,c\n1,2,3\n4,5,6\n7,8,9\n"] {
        assert!(matches!(damaged.read(not_a_model), Err(ModelFileError::Malformed { .. })));
    }
    damaged.refuses(&file("{}", &[]), "the metadata has no key `anoonly`");
    let with = |key: &str, text: &str| {
        let mut parts = Parts::of(&bytes);
        parts.header["__metadata__"][key] = json!(text);
        parts.bytes()
    };
    damaged.refuses(&with("note", "by hand"), "an unknown key `note`");
    damaged.refuses(&with(DIGEST, "0"), "model format 1 has no digest, but this file has one");
}

#[test]
fn the_error_for_another_version_names_it() {
    let damaged = Damaged::new();
    let mut parts = Parts::of(&fixture_bytes());
    *parts.manifest() = json!({"format": 4, "library": "9.0.0", "detectors": []});
    let error = damaged.read(&parts.bytes()).unwrap_err();
    assert!(matches!(error, ModelFileError::Version { format: 4, .. }));
    assert!(
        error.to_string().ends_with("model format 4, written by anoonly 9.0.0; this version reads formats 1 to 3"),
        "{error}"
    );
    assert!(matches!(model_file::inspect(&damaged.path), Err(ModelFileError::Version { .. })));
    assert!(matches!(model_file::rewrite_pipeline(&damaged.path, &()), Err(ModelFileError::Version { .. })));
}

/// A file of huge or endless length is refused by its header alone.
#[test]
fn a_huge_file_and_a_path_that_is_not_a_file_are_refused() {
    let damaged = Damaged::new();
    fs::write(&damaged.path, fixture_bytes()).unwrap();
    // A sparse file takes no space on the disk.
    File::options().write(true).open(&damaged.path).unwrap().set_len(1 << 40).unwrap();
    let read = |path: &Path| model_file::read::<Value>(path, &ComputeDevice::default());
    assert!(matches!(read(&damaged.path), Err(ModelFileError::Malformed { .. })));
    let folder = damaged.path.parent().unwrap();
    for not_a_file in [folder, &folder.join("none")] {
        assert!(matches!(read(not_a_file), Err(ModelFileError::Read { .. })));
    }
    #[cfg(unix)]
    assert!(matches!(read(Path::new("/dev/zero")), Err(ModelFileError::Malformed { .. })));
}
