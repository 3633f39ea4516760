//! Model files: fitted detectors and the pipeline of the layer above in one safetensors file.
//!
//! The tensors of the file are the values of the fitted detectors. The name of a tensor is the index of its detector in the
//! file and the path of the tensor in the detector. Everything else is JSON in the metadata of the file, under the key
//! [`MANIFEST`]: the configurations, the scaling, the history and the pipeline of the layer above. `docs/model-format.md`
//! specifies the format.
//!
//! A digest covers the manifest and the tensors. Files of format 1 have none, so damage to them may go unnoticed.
//!
//! A file may come from an untrusted source, which can compute a digest, too. The contents are therefore also checked before a
//! detector is made from them, and the time and memory that reading takes are bounded by the length of the file.

mod container;

use std::collections::BTreeMap;
use std::path::Path;

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::{Seed, write_whole};
use anoonly_models::{AnyMethod, AnyNetworkMethod, MethodForm, NetworkMethod, SavedTensors, Shapes};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::warn;

use self::container::{Container, Tensors};
use crate::backend::OnBackend;
use crate::detector::{Detector, History};
use crate::fitted::FittedDetector;
use crate::network::ReadyNetwork;
use crate::rule::ReadyRule;
use crate::{ComputeDevice, ModelFileError, Supervision};

/// The metadata key of the manifest.
pub const MANIFEST: &str = "anoonly";
/// The metadata key of the digest.
pub const DIGEST: &str = "digest";
/// The version of the format that is written. Earlier versions are read, too.
pub const FORMAT: u32 = 2;
/// The version of the format without a digest.
const WITHOUT_DIGEST: u32 = 1;

/// Everything in a model file except the tensors. `M` is the configuration of a method, `P` the pipeline of the layer above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest<M = Value, P = Value> {
    /// The version of the format.
    pub format: u32,
    /// The version of the library that wrote the detectors.
    pub library: String,
    /// The detectors. The names of a detector's tensors start with its index in this list.
    pub members: Vec<Member<M>>,
    /// The pipeline of the layer above.
    pub pipeline: P,
}

/// Everything about a fitted detector except its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member<M = Value> {
    /// The configuration of its method, in the form that its strategy trained.
    pub method: M,
    /// The strategy.
    pub supervision: Supervision,
    /// The seed of its weights and batches.
    pub seed: Seed,
    /// The scaling of its features.
    pub scaler: MinMaxScaler,
    /// The record of its training loop.
    pub history: History,
}

/// The contents of a model file without the values of its tensors; see [`inspect`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// Everything except the tensors.
    pub manifest: Manifest,
    /// The shape of each tensor, by name.
    pub tensors: BTreeMap<String, Vec<usize>>,
    /// Whether the file has a digest, and its contents match it. A file of format 1 has none; damage to it may go unnoticed.
    pub verified: bool,
}

/// The version of a manifest, which is read before anything that depends on it.
#[derive(Deserialize)]
struct Version {
    format: u32,
    library: String,
}

/// Writes a model file with one detector or the members of an ensemble, all fitted on the same columns, and with `pipeline`.
///
/// The data goes to a temporary file in the same folder first, so the file is either complete or absent. A file that is replaced
/// keeps its permissions.
///
/// # Errors
/// When there is no detector, the detectors were fitted on different numbers of columns, a tensor holds a value that is not
/// finite, or the file cannot be written.
pub fn write<P: Serialize>(path: &Path, members: &[FittedDetector], pipeline: &P) -> Result<(), ModelFileError> {
    let failed = |reason: String| ModelFileError::Write { path: path.into(), reason };
    let bytes = to_bytes(members, pipeline).map_err(failed)?;
    write_whole(path, &bytes).map_err(|error| failed(error.to_string()))
}

/// The bytes of the file that [`write()`] writes.
///
/// # Errors
/// The reason, when there is no detector, the detectors were fitted on different numbers of columns, or a tensor holds a value that
/// is not finite.
pub fn to_bytes<P: Serialize>(members: &[FittedDetector], pipeline: &P) -> Result<Vec<u8>, String> {
    let manifest = Manifest {
        format: FORMAT,
        library: env!("CARGO_PKG_VERSION").into(),
        members: members.iter().map(Member::of).collect(),
        pipeline,
    };
    manifest.check()?;
    let manifest = serde_json::to_string(&manifest).map_err(|error| error.to_string())?;
    bytes_of_members(members, manifest)
}

fn bytes_of_members(members: &[FittedDetector], manifest: String) -> Result<Vec<u8>, String> {
    let mut tensors = Vec::new();
    for (index, member) in members.iter().enumerate() {
        for (name, tensor) in member.ready.save() {
            let name = format!("{index}.{name}");
            if tensor.values.iter().any(|value| !value.is_finite()) {
                return Err(format!("tensor `{name}` holds a value that is not finite"));
            }
            let bytes: Vec<u8> = tensor.values.into_iter().flat_map(f32::to_le_bytes).collect();
            tensors.push((name, tensor.shape, bytes));
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        view.map(|view| (&name[..], view)).map_err(|error| error.to_string())
    });
    container::bytes(manifest, views.collect::<Result<_, _>>()?)
}

/// Reads the detectors and the pipeline of a model file. The detectors score on `device`, whose backend may differ from the one
/// they were fitted on. A file without a digest, of format 1, is reported as a warning of `tracing`.
///
/// # Errors
/// When the file cannot be read, is not a model file, is damaged, or has another version of the format.
pub fn read<P: DeserializeOwned>(
    path: &Path,
    device: &ComputeDevice,
) -> Result<(Vec<FittedDetector>, P), ModelFileError> {
    restore(path, Opened::new(path)?, device)
}

/// Reads the detectors and the pipeline of a model file that is held in memory, as [`read`] does; `name` stands for the file in
/// errors.
///
/// # Errors
/// As [`read`].
pub fn from_bytes<P: DeserializeOwned>(
    name: &Path,
    bytes: &[u8],
    device: &ComputeDevice,
) -> Result<(Vec<FittedDetector>, P), ModelFileError> {
    restore(name, Opened::checked(name, Container::of_bytes(name, bytes)?)?, device)
}

/// The detectors and the pipeline of an open file.
fn restore<P: DeserializeOwned>(
    path: &Path,
    Opened { container, tensors }: Opened,
    device: &ComputeDevice,
) -> Result<(Vec<FittedDetector>, P), ModelFileError> {
    if container.digest.is_none() {
        warn!(
            "{}: model format {WITHOUT_DIGEST} has no digest, so damage to the file may go unnoticed",
            path.display()
        );
    }
    let Manifest { members, pipeline, .. } = manifest::<AnyMethod, P>(path, &container)?;
    Ok((restored(path, tensors, members, device)?, pipeline))
}

/// A file whose length, version and digest are right.
struct Opened {
    container: Container,
    tensors: Tensors,
}

impl Opened {
    fn new(path: &Path) -> Result<Self, ModelFileError> {
        Self::checked(path, Container::open(path)?)
    }

    fn checked(path: &Path, mut container: Container) -> Result<Self, ModelFileError> {
        let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
        let Version { format, library } =
            serde_json::from_str(&container.manifest).map_err(|error| json(path, error))?;
        match (format, container.digest) {
            (FORMAT, Some(_)) | (WITHOUT_DIGEST, None) => {}
            (FORMAT, None) => return Err(malformed(format!("the metadata has no key `{DIGEST}`"))),
            (WITHOUT_DIGEST, Some(_)) => {
                return Err(malformed(format!("model format {WITHOUT_DIGEST} has no digest, but this file has one")));
            }
            _ => return Err(ModelFileError::Version { path: path.into(), format, library }),
        }
        let tensors = container.read()?;
        Ok(Self { container, tensors })
    }
}

fn json(path: &Path, error: serde_json::Error) -> ModelFileError {
    ModelFileError::Malformed { path: path.into(), reason: format!("invalid manifest: {error}") }
}

/// The detectors of a file. Not generic over the pipeline: a generic function is compiled again, with every network on every
/// backend, by each crate that calls it.
fn restored(
    path: &Path,
    mut tensors: Tensors,
    members: Vec<Member<AnyMethod>>,
    device: &ComputeDevice,
) -> Result<Vec<FittedDetector>, ModelFileError> {
    let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
    // All detectors are checked before the first network is made, because a network takes the memory that its configuration
    // asks for.
    let checked = members.into_iter().enumerate().map(|(index, member)| {
        let detector = member.detector()?;
        let saved = tensors.shapes(&index.to_string());
        if let MethodForm::Network(method) = member.method.form() {
            let (needed, found) = (method.weights(member.scaler.columns(), &saved), saved.values());
            if needed != found {
                return Err(format!("its method describes a network of {needed} values, but the file has {found}"));
            }
        }
        Ok((detector, member, saved))
    });
    let checked: Vec<_> = checked.collect::<Result<_, String>>().map_err(malformed)?;
    let mut fitted = Vec::new();
    for (index, (detector, member, saved)) in checked.into_iter().enumerate() {
        let Member { method, scaler, history, .. } = member;
        let columns = scaler.columns();
        fitted.push(match method.form() {
            MethodForm::Network(method) => {
                let tensors = &mut tensors;
                let task = RestoreNetwork { method, index, columns, saved, tensors, detector, scaler, history };
                device.run(task).map_err(malformed)?
            }
            MethodForm::Rule(rule) => {
                let mut saved: SavedTensors = tensors.take_member(index).map_err(malformed)?;
                let part = method.part();
                let mut own = saved.part(part);
                let restored = rule.restore(columns, &mut own).map_err(malformed)?;
                if let Some(path) = own.left() {
                    return Err(malformed(unknown_tensor(&format!("{index}.{part}.{path}"))));
                }
                if let Some(path) = saved.left() {
                    return Err(malformed(unknown_tensor(&format!("{index}.{path}"))));
                }
                FittedDetector::new(detector, scaler, history, ReadyRule::new(part, columns, restored))
            }
        });
    }
    if let Some(name) = tensors.left() {
        return Err(malformed(unknown_tensor(name)));
    }
    match fitted.iter().position(|detector| !detector.scores_a_usual_row()) {
        None => Ok(fitted),
        Some(index) => Err(malformed(format!("detector {index} gives a usual row no finite score"))),
    }
}

fn unknown_tensor(name: &str) -> String {
    format!("tensor `{name}` belongs to no detector")
}

/// Restores a network from the tensors of a file, as a fitted detector.
struct RestoreNetwork<'a> {
    method: AnyNetworkMethod,
    index: usize,
    columns: usize,
    saved: Shapes,
    tensors: &'a mut Tensors,
    detector: Detector,
    scaler: MinMaxScaler,
    history: History,
}

impl OnBackend for RestoreNetwork<'_> {
    type Output = Result<FittedDetector, String>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let Self { method, index, columns, saved, tensors, detector, scaler, history } = self;
        let blank = method.blank::<B>(columns, &saved, &device);
        let mut restore = PutSavedTensors { tensors, path: vec![index.to_string()], problem: None };
        let network = blank.map(&mut restore);
        if let Some(problem) = restore.problem {
            return Err(problem);
        }
        Ok(FittedDetector::new(detector, scaler, history, ReadyNetwork::new(network, columns, device)))
    }
}

/// Reads the manifest of a model file and the shapes of its tensors, and checks its digest. No detector is made.
///
/// # Errors
/// As [`read`], for the manifest and the list of tensors.
pub fn inspect(path: &Path) -> Result<Inspection, ModelFileError> {
    let Opened { container, tensors } = Opened::new(path)?;
    let manifest = manifest(path, &container)?;
    Ok(Inspection { manifest, tensors: tensors.by_name(), verified: container.digest.is_some() })
}

/// Replaces the pipeline in a model file and leaves the detectors unchanged. The file is replaced as a whole, as by
/// [`write()`]. A file of an earlier format becomes one of the current format.
///
/// # Errors
/// As [`inspect`], or when the file cannot be written.
pub fn rewrite_pipeline<P: Serialize>(path: &Path, pipeline: &P) -> Result<(), ModelFileError> {
    let failed = |reason: String| ModelFileError::Write { path: path.into(), reason };
    let Opened { container, tensors } = Opened::new(path)?;
    let Manifest::<Value, Value> { library, members, .. } = manifest(path, &container)?;
    let manifest = Manifest { format: FORMAT, library, members, pipeline };
    let manifest = serde_json::to_string(&manifest).map_err(|error| failed(error.to_string()))?;
    let views = tensors.views().map_err(|error| failed(error.to_string()))?;
    container::write(path, manifest, views)
}

/// Reads and checks the manifest of a file.
fn manifest<M: DeserializeOwned, P: DeserializeOwned>(
    path: &Path,
    container: &Container,
) -> Result<Manifest<M, P>, ModelFileError> {
    let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
    let manifest: Manifest<M, P> = serde_json::from_str(&container.manifest).map_err(|error| json(path, error))?;
    manifest.check().map_err(malformed)?;
    Ok(manifest)
}

impl<M, P> Manifest<M, P> {
    /// Checks that there are detectors, with valid scalings of the same columns.
    fn check(&self) -> Result<(), String> {
        let first = self.members.first().ok_or("there is no detector")?.scaler.columns();
        for Member { scaler, .. } in &self.members {
            scaler.check()?;
            if scaler.columns() != first {
                return Err(format!("one detector has {first} columns, another has {}", scaler.columns()));
            }
        }
        Ok(())
    }
}

impl Member<AnyMethod> {
    /// The entry of a detector in a manifest.
    fn of(fitted: &FittedDetector) -> Self {
        let Detector { method, supervision, seed } = fitted.detector.clone();
        Member { method, supervision, seed, scaler: fitted.scaler.clone(), history: fitted.history.clone() }
    }

    /// The checked configuration of the detector.
    fn detector(&self) -> Result<Detector, String> {
        let detector = Detector::new(self.method.clone(), self.supervision, self.seed);
        let detector = detector.map_err(|error| error.to_string())?;
        match detector.method == self.method {
            true => Ok(detector),
            false => Err("the configuration of a method does not match its strategy".into()),
        }
    }
}

/// Puts the tensors of a file into a network, and keeps the first error.
struct PutSavedTensors<'a> {
    tensors: &'a mut Tensors,
    path: Vec<String>,
    problem: Option<String>,
}

impl<B: Backend> ModuleMapper<B> for PutSavedTensors<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let shape = param.val().dims();
        let mut found = self.tensors.take(&self.path.join("."), &shape);
        // The variance of a batch normalisation.
        if self.path.last().is_some_and(|name| name == "running_var")
            && found.iter().flatten().any(|value| *value < 0.0)
        {
            found = Err(format!("tensor `{}` holds a negative variance", self.path.join(".")));
        }
        param.map(|tensor| match found {
            Ok(values) => Tensor::from_data(TensorData::new(values, shape), &tensor.device()),
            Err(problem) => {
                self.problem.get_or_insert(problem);
                tensor
            }
        })
    }
}
