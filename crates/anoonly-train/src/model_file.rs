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
#[cfg(feature = "fit")]
mod on_device;
mod plain;
#[cfg(feature = "fit")]
mod writing;

use std::collections::BTreeMap;
use std::path::Path;

use anoonly_core::Seed;
use anoonly_core::scale::MinMaxScaler;
use anoonly_models::graph::SavedStep;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::warn;

use self::container::{Container, Tensors};
use crate::fitted::FittedDetector;
use crate::history::History;
use crate::{ModelFileError, Supervision};

#[cfg(feature = "fit")]
pub use on_device::{from_bytes, read};
pub use plain::{plain_from_bytes, read_plain};
#[cfg(feature = "fit")]
pub use writing::{rewrite_pipeline, to_bytes, write};

/// The metadata key of the manifest.
pub const MANIFEST: &str = "anoonly";
/// The metadata key of the digest.
pub const DIGEST: &str = "digest";
/// The version of the format that is written. Earlier versions are read, too.
pub const FORMAT: u32 = 3;
/// The version of the format without a digest.
const WITHOUT_DIGEST: u32 = 1;
/// The first version of the format with the steps of networks.
const WITH_STEPS: u32 = 3;

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
    /// The steps of its score, for a network whose score has plain steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<SavedStep>>,
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
            (WITHOUT_DIGEST, None) => {}
            (WITHOUT_DIGEST, Some(_)) => {
                return Err(malformed(format!("model format {WITHOUT_DIGEST} has no digest, but this file has one")));
            }
            (WITHOUT_DIGEST..=FORMAT, Some(_)) => {}
            (WITHOUT_DIGEST..=FORMAT, None) => return Err(malformed(format!("the metadata has no key `{DIGEST}`"))),
            _ => return Err(ModelFileError::Version { path: path.into(), format, library }),
        }
        let tensors = container.read()?;
        Ok(Self { container, tensors })
    }

    /// Reports a file without a digest as a warning of `tracing`.
    fn warn_without_digest(&self, path: &Path) {
        if self.container.digest.is_none() {
            warn!(
                "{}: model format {WITHOUT_DIGEST} has no digest, so damage to the file may go unnoticed",
                path.display()
            );
        }
    }
}

fn json(path: &Path, error: serde_json::Error) -> ModelFileError {
    ModelFileError::Malformed { path: path.into(), reason: format!("invalid manifest: {error}") }
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

fn unknown_tensor(name: &str) -> String {
    format!("tensor `{name}` belongs to no detector")
}

/// Refuses tensors that belong to no detector, and detectors that give a usual row no finite score.
fn checked(tensors: &Tensors, fitted: Vec<FittedDetector>) -> Result<Vec<FittedDetector>, String> {
    if let Some(name) = tensors.left() {
        return Err(unknown_tensor(name));
    }
    match fitted.iter().position(|detector| !detector.scores_a_usual_row()) {
        None => Ok(fitted),
        Some(index) => Err(format!("detector {index} gives a usual row no finite score")),
    }
}
