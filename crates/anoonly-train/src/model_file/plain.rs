//! Reading the detectors of a file without a backend.

use std::path::Path;

#[cfg(feature = "fit")]
use anoonly_models::AnyMethod;
use anoonly_models::graph::Graph;
use anoonly_models::{AnyRule, NETWORK_NAMES};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::container::{Container, Tensors};
use super::{Manifest, Member, Opened, WITH_STEPS, checked, manifest};
use crate::ModelFileError;
use crate::fitted::{FittedDetector, Ready};
use crate::rule::ReadyRule;
use crate::steps::ReadySteps;

/// Reads the detectors and the pipeline of a model file. The detectors score and explain in plain memory, with the same bits as on the
/// default backend. A file without a digest, of format 1, is reported as a warning of `tracing`.
///
/// # Errors
/// When the file cannot be read, is not a model file, is damaged, or has another version of the format; or when it has a network
/// without the steps of its score.
pub fn read_plain<P: DeserializeOwned>(path: &Path) -> Result<(Vec<FittedDetector>, P), ModelFileError> {
    restore(path, Opened::new(path)?)
}

/// Reads the detectors and the pipeline of a model file that is held in memory, as [`read_plain`] does; `name` stands for the file in
/// errors.
///
/// # Errors
/// As [`read_plain`].
pub fn plain_from_bytes<P: DeserializeOwned>(
    name: &Path,
    bytes: &[u8],
) -> Result<(Vec<FittedDetector>, P), ModelFileError> {
    restore(name, Opened::checked(name, Container::of_bytes(name, bytes)?)?)
}

fn restore<P: DeserializeOwned>(path: &Path, opened: Opened) -> Result<(Vec<FittedDetector>, P), ModelFileError> {
    opened.warn_without_digest(path);
    let Opened { container, tensors } = opened;
    let Manifest { format, library, members, pipeline } = manifest::<Value, P>(path, &container)?;
    Ok((restored(path, tensors, members, format, &library)?, pipeline))
}

fn restored(
    path: &Path,
    mut tensors: Tensors,
    members: Vec<Member>,
    format: u32,
    library: &str,
) -> Result<Vec<FittedDetector>, ModelFileError> {
    let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
    let mut fitted = Vec::new();
    for (index, member) in members.into_iter().enumerate() {
        let method = member.method.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
        let columns = member.scaler.columns();
        fitted.push(match (NETWORK_NAMES.contains(&&method[..]), &member.steps) {
            (true, Some(steps)) => {
                let mut saved = tensors.take_member(index).map_err(malformed)?;
                #[cfg(feature = "fit")]
                let own = {
                    let mut own = saved.clone();
                    own.part(Graph::PART);
                    own
                };
                let graph = Graph::restore(steps, columns, &mut saved).map_err(malformed)?;
                let ready = ReadySteps::new(
                    graph,
                    columns,
                    #[cfg(feature = "fit")]
                    own,
                );
                member.fitted(ready).map_err(malformed)?
            }
            (true, None) if format < WITH_STEPS => {
                return Err(ModelFileError::WithoutSteps { path: path.into(), method, library: library.into() });
            }
            (true, None) => return Err(ModelFileError::NeedsBackend { path: path.into(), method }),
            (false, Some(_)) => {
                return Err(malformed(format!("the steps of detector {index} are not those of its method")));
            }
            (false, None) => {
                let rule = AnyRule::deserialize(&member.method).map_err(|error| malformed(error.to_string()))?;
                rule.check().map_err(|error| malformed(error.to_string()))?;
                let ready = tensors.take_rule(index, rule.part(), |saved| rule.restore(columns, saved));
                member.fitted(ReadyRule::new(rule.part(), columns, ready.map_err(malformed)?)).map_err(malformed)?
            }
        });
    }
    checked(&tensors, fitted).map_err(malformed)
}

impl Member {
    /// The detector that scores with `ready`.
    fn fitted(self, ready: impl Ready + 'static) -> Result<FittedDetector, String> {
        #[cfg(feature = "fit")]
        {
            let Member { method, supervision, seed, scaler, history, steps } = self;
            let method = AnyMethod::deserialize(&method).map_err(|error| error.to_string())?;
            let member = Member { method, supervision, seed, scaler, history, steps };
            let detector = member.detector()?;
            Ok(FittedDetector::new(detector, member.scaler, member.history, ready))
        }
        #[cfg(not(feature = "fit"))]
        Ok(FittedDetector {
            seed: self.seed,
            scaler: self.scaler,
            history: self.history,
            ready: std::sync::Arc::new(ready),
            unscaled: std::sync::Arc::default(),
        })
    }
}
