//! Writing model files.

use std::path::Path;

use anoonly_core::write_whole;
use anoonly_models::graph::SavedStep;
use anoonly_models::{AnyMethod, SavedTensors};
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use serde_json::Value;

use super::{FORMAT, Manifest, Member, Opened, WITHOUT_DIGEST, container, manifest};
use crate::ModelFileError;
use crate::detector::Detector;
use crate::fitted::FittedDetector;

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
    let (entries, saved): (Vec<Member<AnyMethod>>, Vec<SavedTensors>) = members.iter().map(saved).unzip();
    let library = env!("CARGO_PKG_VERSION").into();
    let manifest = Manifest { format: FORMAT, library, members: entries, pipeline };
    manifest.check()?;
    let manifest = serde_json::to_string(&manifest).map_err(|error| error.to_string())?;
    bytes_of_members(saved, manifest)
}

/// The entry of a detector in a manifest, and its tensors.
fn saved(fitted: &FittedDetector) -> (Member<AnyMethod>, SavedTensors) {
    let saved = fitted.ready.save();
    let graph = match fitted.detector.method.recipe() {
        Some(_) => fitted.ready.graph().filter(|graph| graph.is_dense() && graph.can_be_saved(fitted.columns())),
        None => None,
    };
    let Some(graph) = graph else {
        return (Member::of(fitted, None), saved);
    };
    let (steps, added) = graph.save(&saved);
    (Member::of(fitted, Some(steps)), saved.into_iter().chain(added).collect())
}

fn bytes_of_members(members: Vec<SavedTensors>, manifest: String) -> Result<Vec<u8>, String> {
    let mut tensors = Vec::new();
    for (index, saved) in members.into_iter().enumerate() {
        for (name, tensor) in saved {
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

/// Replaces the pipeline in a model file and leaves the detectors unchanged. The file is replaced as a whole, as by
/// [`write()`]. A file without a digest, of format 1, becomes one of format 2.
///
/// # Errors
/// As [`inspect`](super::inspect), or when the file cannot be written.
pub fn rewrite_pipeline<P: Serialize>(path: &Path, pipeline: &P) -> Result<(), ModelFileError> {
    let failed = |reason: String| ModelFileError::Write { path: path.into(), reason };
    let Opened { container, tensors } = Opened::new(path)?;
    let Manifest::<Value, Value> { format, library, members, .. } = manifest(path, &container)?;
    let manifest = Manifest { format: format.max(WITHOUT_DIGEST + 1), library, members, pipeline };
    let manifest = serde_json::to_string(&manifest).map_err(|error| failed(error.to_string()))?;
    let views = tensors.views().map_err(|error| failed(error.to_string()))?;
    container::write(path, manifest, views)
}

impl Member<AnyMethod> {
    /// The entry of a detector in a manifest.
    fn of(fitted: &FittedDetector, steps: Option<Vec<SavedStep>>) -> Self {
        let Detector { method, supervision, seed } = fitted.detector.clone();
        let (scaler, history) = (fitted.scaler.clone(), fitted.history.clone());
        Member { method, supervision, seed, scaler, history, steps }
    }
}
