//! Model files: a fitted detector in one safetensors file.
//!
//! The weights are the file's tensors, named by their place in the network. Everything else, the configuration, the scaling
//! and the history, stands as JSON in the file's metadata, under the key [`MANIFEST`].

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use anoonly_data::Seed;
use anoonly_data::scale::MinMaxScaler;
use anoonly_models::{Method, TrainingData};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::detector::{Detector, FittedDetector, History};
use crate::{ModelFileError, Supervision};

/// The metadata key of the manifest.
pub const MANIFEST: &str = "anoonly";
/// The version of the format that is written, and the only one that is read.
pub const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Manifest<M> {
    format: u32,
    library: String,
    method: M,
    supervision: Supervision,
    seed: Seed,
    scaler: MinMaxScaler,
    history: History,
}

/// Only the version, which is read before anything that depends on it.
#[derive(Deserialize)]
struct Version {
    format: u32,
    library: String,
}

impl<B: Backend, M: Method> FittedDetector<B, M> {
    /// Writes a model file: to a temporary file beside it first, so that it is complete or not there at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelFileError> {
        let failed = |reason: String| ModelFileError::Write { path: path.into(), reason };
        let manifest = Manifest {
            format: FORMAT,
            library: env!("CARGO_PKG_VERSION").into(),
            method: &self.detector.method,
            supervision: self.detector.supervision,
            seed: self.detector.seed,
            scaler: self.scaler.clone(),
            history: self.history.clone(),
        };
        let manifest = serde_json::to_string(&manifest).map_err(|error| failed(error.to_string()))?;
        let mut collected = Collect::default();
        self.network.visit(&mut collected);
        let views = collected.tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            view.map(|view| (name, view)).map_err(|error| failed(error.to_string()))
        });
        let views: Vec<_> = views.collect::<Result<_, _>>()?;
        let metadata = HashMap::from([(MANIFEST.to_owned(), manifest)]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(error.kind().to_string()))?;
        file.write_all(&bytes).map_err(|error| failed(error.to_string()))?;
        file.persist(path).map_err(|error| failed(error.error.to_string()))?;
        Ok(())
    }

    /// Reads a model file onto a device, which need not be of the backend it was fitted on.
    ///
    /// # Errors
    /// When the file cannot be read, is no model file, is of another format version, or its tensors do not fit the network.
    pub fn load(path: &Path, device: &B::Device) -> Result<Self, ModelFileError> {
        let bytes = std::fs::read(path).map_err(|error| ModelFileError::Read { path: path.into(), source: error })?;
        let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| malformed(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| malformed(error.to_string()))?;
        let manifest = header.metadata().as_ref().and_then(|metadata| metadata.get(MANIFEST));
        let manifest = manifest.ok_or_else(|| malformed(format!("no `{MANIFEST}` in its metadata")))?;
        let json = |error: serde_json::Error| malformed(format!("its manifest: {error}"));
        let Version { format, library } = serde_json::from_str(manifest).map_err(json)?;
        if format != FORMAT {
            return Err(ModelFileError::Version { path: path.into(), format, library });
        }
        let Manifest { method, supervision, seed, scaler, history, .. }: Manifest<M> =
            serde_json::from_str(manifest).map_err(json)?;
        method.check().map_err(|error| malformed(error.to_string()))?;
        scaler.check().map_err(malformed)?;

        // A network of the right shape, whose every tensor is then replaced.
        let rows = Tensor::zeros([2, scaler.columns()], device);
        let data = TrainingData { rows, unlabelled: vec![0], anomalies: vec![1] };
        let network = method.init(&data, &mut seed.stream(&["weights"]));
        let mut restore = Restore { tensors: &tensors, path: Vec::new(), problem: None };
        let network = network.map(&mut restore);
        if let Some(problem) = restore.problem {
            return Err(malformed(problem));
        }
        let detector = Detector { method, supervision, seed };
        Ok(FittedDetector { detector, network, scaler, history, device: device.clone() })
    }
}

/// Every tensor of a network with its name, shape and little-endian bytes.
#[derive(Default)]
struct Collect {
    path: Vec<String>,
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl<B: Backend> ModuleVisitor<B> for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        let bytes = tensor.into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
        self.tensors.push((self.path.join("."), shape, bytes));
    }
}

/// Puts the tensors of a file into a network; keeps the first thing that does not fit.
struct Restore<'a> {
    tensors: &'a SafeTensors<'a>,
    path: Vec<String>,
    problem: Option<String>,
}

impl Restore<'_> {
    fn find(&self, shape: &[usize]) -> Result<(Vec<usize>, Vec<f32>), String> {
        let name = self.path.join(".");
        let view = self.tensors.tensor(&name).map_err(|_| format!("no tensor `{name}`"))?;
        if view.dtype() != Dtype::F32 {
            return Err(format!("tensor `{name}` holds {:?}, not F32", view.dtype()));
        }
        // A matrix of one row stands for one with as many rows as there were in training.
        let rows_are_free = shape.len() == 2 && shape[0] == 1;
        let found = view.shape();
        let fits = found.len() == shape.len()
            && found.iter().zip(shape).enumerate().all(|(i, (a, b))| a == b || (i == 0 && rows_are_free && *a > 0));
        if !fits {
            return Err(format!("tensor `{name}` has shape {found:?}, needs {shape:?}"));
        }
        let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let values: Vec<f32> = view.data().chunks_exact(4).map(value).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("tensor `{name}` holds a value that is not finite"));
        }
        Ok((found.to_vec(), values))
    }
}

impl<B: Backend> ModuleMapper<B> for Restore<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let found = self.find(&param.val().dims());
        param.map(|tensor| match found {
            Ok((shape, values)) => Tensor::from_data(TensorData::new(values, shape), &tensor.device()),
            Err(problem) => {
                self.problem.get_or_insert(problem);
                tensor
            }
        })
    }
}
