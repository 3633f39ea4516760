//! Model files: fitted detectors in one safetensors file, with whatever the layer above keeps beside them.
//!
//! The file's tensors are the values of the networks, named by the member they belong to and their place in it. Everything
//! else, the configurations, the scaling, the history and the pipeline of the layer above, stands as JSON in the file's
//! metadata, under the key [`MANIFEST`]. `docs/model-format.md` tells the format exactly.
//!
//! A file may come from anywhere: what is read is checked before a network is made of it, and neither the time nor the memory
//! that takes is more than the length of the file accounts for.

mod container;

use std::collections::BTreeMap;
use std::path::Path;

use anoonly_core::Seed;
use anoonly_core::scale::MinMaxScaler;
use anoonly_models::{AnyMethod, AnyNetworkMethod, MethodForm, NetworkMethod, SavedTensors, Shapes};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::container::{Container, Tensors};
use crate::backend::OnBackend;
use crate::detector::{Detector, History};
use crate::fitted::FittedDetector;
use crate::network::ReadyNetwork;
use crate::rule::ReadyRule;
use crate::{ComputeDevice, ModelFileError, Supervision};

/// The metadata key of the manifest.
pub const MANIFEST: &str = "anoonly";
/// The version of the format that is written, and the only one that is read.
pub const FORMAT: u32 = 1;

/// Everything in a model file that is no tensor. `M` is the configuration of the method, `P` what the layer above keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest<M = Value, P = Value> {
    /// The version of the format.
    pub format: u32,
    /// The version of the library that wrote the detectors.
    pub library: String,
    /// What is known of each detector; its tensors have its place in this list before their name.
    pub members: Vec<Member<M>>,
    /// What the layer above keeps.
    pub pipeline: P,
}

/// What is known of a fitted detector beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member<M = Value> {
    /// The configuration of its method, in the form its strategy trained.
    pub method: M,
    /// The strategy.
    pub supervision: Supervision,
    /// The seed of its weights and batches.
    pub seed: Seed,
    /// The scaling of its columns.
    pub scaler: MinMaxScaler,
    /// What the training loop saw.
    pub history: History,
}

/// What [`inspect`] tells of a model file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// Everything that is no tensor.
    pub manifest: Manifest,
    /// The shape of each tensor, by name.
    pub tensors: BTreeMap<String, Vec<usize>>,
}

/// Only the version, which is read before anything that depends on it.
#[derive(Deserialize)]
struct Version {
    format: u32,
    library: String,
}

/// Writes a model file of detectors fitted on the same columns, the members of an ensemble or a single one, with `pipeline`
/// beside them: to a temporary file in the same folder first, so that it is complete or not there at all.
///
/// # Errors
/// When there is no detector, they were fitted on different numbers of columns, one holds a value that is not finite, or the
/// file cannot be written.
pub fn write<P: Serialize>(path: &Path, members: &[FittedDetector], pipeline: &P) -> Result<(), ModelFileError> {
    let failed = |reason: String| ModelFileError::Write { path: path.into(), reason };
    let manifest = Manifest {
        format: FORMAT,
        library: env!("CARGO_PKG_VERSION").into(),
        members: members.iter().map(Member::of).collect(),
        pipeline,
    };
    manifest.check().map_err(failed)?;
    let manifest = serde_json::to_string(&manifest).map_err(|error| failed(error.to_string()))?;
    let mut tensors = Vec::new();
    for (index, member) in members.iter().enumerate() {
        for (name, tensor) in member.ready.save() {
            let name = format!("{index}.{name}");
            if tensor.values.iter().any(|value| !value.is_finite()) {
                return Err(failed(format!("tensor `{name}` holds a value that is not finite")));
            }
            let bytes: Vec<u8> = tensor.values.into_iter().flat_map(f32::to_le_bytes).collect();
            tensors.push((name, tensor.shape, bytes));
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        view.map(|view| (&name[..], view)).map_err(|error| failed(error.to_string()))
    });
    container::write(path, manifest, views.collect::<Result<_, _>>()?, None)
}

/// Reads the detectors of a model file onto a device, whose backend need not be the one they were fitted on, and what the
/// layer above keeps beside them.
///
/// # Errors
/// When the file cannot be read, is no model file or a damaged one, or is of another version of the format.
pub fn read<P: DeserializeOwned>(
    path: &Path,
    device: &ComputeDevice,
) -> Result<(Vec<FittedDetector>, P), ModelFileError> {
    let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
    let container = Container::open(path)?;
    let Manifest { members, pipeline, .. } = manifest::<AnyMethod, P>(path, &container)?;
    // All of them before the first network is made, which takes the memory its configuration asks for.
    let checked = members.into_iter().enumerate().map(|(index, member)| {
        let detector = member.detector()?;
        let saved = container.shapes(&index.to_string());
        if let MethodForm::Network(method) = member.method.form() {
            let (needed, found) = (method.weights(member.scaler.columns(), &saved), saved.values());
            if needed != found {
                return Err(format!("a network of {needed} values, but {found} are there"));
            }
        }
        Ok((detector, member, saved))
    });
    let checked: Vec<_> = checked.collect::<Result<_, String>>().map_err(malformed)?;
    let mut tensors = container.read()?;
    let mut fitted = Vec::new();
    for (index, (detector, member, saved)) in checked.into_iter().enumerate() {
        let Member { method, scaler, history, .. } = member;
        let columns = scaler.columns();
        fitted.push(match method.form() {
            MethodForm::Network(method) => {
                let network = RestoreNetwork { method, index, columns, saved, tensors: &mut tensors };
                let parts = Parts { detector, scaler, history };
                device.run(OnDevice { network, parts }).map_err(malformed)?
            }
            MethodForm::Rule(rule) => {
                let mut saved: SavedTensors = tensors.take_member(index).map_err(malformed)?;
                let mut own = saved.part(method.part());
                let restored = rule.restore(columns, &mut own).map_err(malformed)?;
                if let Some(name) = own.left().or(saved.left()) {
                    return Err(malformed(format!("tensor `{name}` belongs to no detector")));
                }
                FittedDetector::new(detector, scaler, history, ReadyRule::new(method.part(), columns, restored))
            }
        });
    }
    match tensors.left() {
        None => Ok((fitted, pipeline)),
        Some(name) => Err(malformed(format!("tensor `{name}` belongs to no detector"))),
    }
}

/// A network that is to be made again from the tensors of a file.
struct RestoreNetwork<'a> {
    method: AnyNetworkMethod,
    index: usize,
    columns: usize,
    saved: Shapes,
    tensors: &'a mut Tensors,
}

/// The rest of a fitted detector.
struct Parts {
    detector: Detector,
    scaler: MinMaxScaler,
    history: History,
}

struct OnDevice<'a> {
    network: RestoreNetwork<'a>,
    parts: Parts,
}

impl OnBackend for OnDevice<'_> {
    type Output = Result<FittedDetector, String>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let RestoreNetwork { method, index, columns, saved, tensors } = self.network;
        let blank = method.blank::<B>(columns, &saved, &device);
        let mut restore = Restore { tensors, path: vec![index.to_string()], problem: None };
        let network = blank.map(&mut restore);
        if let Some(problem) = restore.problem {
            return Err(problem);
        }
        let Parts { detector, scaler, history } = self.parts;
        Ok(FittedDetector::new(detector, scaler, history, ReadyNetwork::new(network, columns, device)))
    }
}

/// What a model file holds, without its tensors: no network is made.
///
/// # Errors
/// As [`read`], as far as the manifest and the list of the tensors go.
pub fn inspect(path: &Path) -> Result<Inspection, ModelFileError> {
    let container = Container::open(path)?;
    let manifest = manifest(path, &container)?;
    let tensors = container.tensors.into_iter().map(|(name, tensor)| (name, tensor.shape)).collect();
    Ok(Inspection { manifest, tensors })
}

/// Puts another pipeline into a model file, and leaves the detectors as they are. The file is replaced at once, as by
/// [`write()`], and keeps its permissions.
///
/// # Errors
/// As [`inspect`], or when the file cannot be written.
pub fn rewrite_pipeline<P: Serialize>(path: &Path, pipeline: &P) -> Result<(), ModelFileError> {
    let failed = |reason: String| ModelFileError::Write { path: path.into(), reason };
    let container = Container::open(path)?;
    let Manifest::<Value, Value> { format, library, members, .. } = manifest(path, &container)?;
    let manifest = Manifest { format, library, members, pipeline };
    let manifest = serde_json::to_string(&manifest).map_err(|error| failed(error.to_string()))?;
    let permissions = container.permissions();
    let tensors = container.read()?;
    let views = tensors.views().map_err(|error| failed(error.to_string()))?;
    container::write(path, manifest, views, permissions)
}

/// The manifest of a file, checked.
fn manifest<M: DeserializeOwned, P: DeserializeOwned>(
    path: &Path,
    container: &Container,
) -> Result<Manifest<M, P>, ModelFileError> {
    let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
    let json = |error: serde_json::Error| malformed(format!("its manifest: {error}"));
    let Version { format, library } = serde_json::from_str(&container.manifest).map_err(json)?;
    if format != FORMAT {
        return Err(ModelFileError::Version { path: path.into(), format, library });
    }
    let manifest: Manifest<M, P> = serde_json::from_str(&container.manifest).map_err(json)?;
    manifest.check().map_err(malformed)?;
    Ok(manifest)
}

impl<M, P> Manifest<M, P> {
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
    fn of(fitted: &FittedDetector) -> Self {
        let Detector { method, supervision, seed } = fitted.detector.clone();
        Member { method, supervision, seed, scaler: fitted.scaler.clone(), history: fitted.history.clone() }
    }

    /// The detector before its fit.
    fn detector(&self) -> Result<Detector, String> {
        let detector = Detector::new(self.method.clone(), self.supervision, self.seed);
        let detector = detector.map_err(|error| error.to_string())?;
        match detector.method == self.method {
            true => Ok(detector),
            false => Err("a method is not in the form of its strategy".into()),
        }
    }
}

/// Puts the tensors of a file into a network; keeps the first thing that does not fit.
struct Restore<'a> {
    tensors: &'a mut Tensors,
    path: Vec<String>,
    problem: Option<String>,
}

impl<B: Backend> ModuleMapper<B> for Restore<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let shape = param.val().dims();
        let found = self.tensors.take(&self.path.join("."), &shape);
        param.map(|tensor| match found {
            Ok(values) => Tensor::from_data(TensorData::new(values, shape), &tensor.device()),
            Err(problem) => {
                self.problem.get_or_insert(problem);
                tensor
            }
        })
    }
}
