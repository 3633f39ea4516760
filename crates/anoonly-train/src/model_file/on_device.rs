//! Reading the detectors of a file onto a device.

use std::path::Path;

use anoonly_core::scale::MinMaxScaler;
use anoonly_models::{AnyMethod, AnyNetworkMethod, MethodForm, NetworkMethod, Shapes};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::de::DeserializeOwned;

use super::container::{Container, Tensors};
use super::{Manifest, Member, Opened, checked, manifest};
use crate::backend::OnBackend;
use crate::detector::Detector;
use crate::fitted::FittedDetector;
use crate::history::History;
use crate::network::ReadyNetwork;
use crate::rule::ReadyRule;
use crate::{ComputeDevice, ModelFileError};

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
    opened: Opened,
    device: &ComputeDevice,
) -> Result<(Vec<FittedDetector>, P), ModelFileError> {
    opened.warn_without_digest(path);
    let Opened { container, tensors } = opened;
    let Manifest { members, pipeline, .. } = manifest::<AnyMethod, P>(path, &container)?;
    Ok((restored(path, tensors, members, device)?, pipeline))
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
    let prepared = members.into_iter().enumerate().map(|(index, member)| {
        let detector = member.detector()?;
        let columns = member.scaler.columns();
        let steps = member.steps.as_ref().map(|steps| tensors.take_steps(index, steps, columns)).transpose()?;
        let saved = tensors.shapes(&index.to_string());
        if let MethodForm::Network(method) = member.method.form() {
            let (needed, found) = (method.weights(member.scaler.columns(), &saved), saved.values());
            if needed != found {
                return Err(format!("its method describes a network of {needed} values, but the file has {found}"));
            }
        }
        Ok((detector, member, saved, steps))
    });
    let prepared: Vec<_> = prepared.collect::<Result<_, String>>().map_err(malformed)?;
    let mut fitted = Vec::new();
    for (index, (detector, member, saved, steps)) in prepared.into_iter().enumerate() {
        let Member { method, scaler, history, .. } = member;
        let differ = || malformed(format!("the steps of detector {index} are not those of its method"));
        let columns = scaler.columns();
        fitted.push(match method.form() {
            MethodForm::Network(method) => {
                let tensors = &mut tensors;
                let task = RestoreNetwork { method, index, columns, saved, tensors, detector, scaler, history };
                let fitted = device.run(task).map_err(malformed)?;
                // A reader without a backend scores with the steps.
                if let Some(steps) = steps
                    && !fitted.ready.graph().is_some_and(|graph| graph.is_close_to(&steps))
                {
                    return Err(differ());
                }
                fitted
            }
            MethodForm::Rule(_) if steps.is_some() => return Err(differ()),
            MethodForm::Rule(rule) => {
                let part = method.part();
                let restored =
                    tensors.take_rule(index, part, |saved| rule.restore(columns, saved)).map_err(malformed)?;
                FittedDetector::new(detector, scaler, history, ReadyRule::new(part, columns, restored))
            }
        });
    }
    checked(&tensors, fitted).map_err(malformed)
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

impl Member<AnyMethod> {
    /// The checked configuration of the detector.
    pub(super) fn detector(&self) -> Result<Detector, String> {
        let detector = Detector::new(self.method.clone(), self.supervision, self.seed);
        let detector = detector.map_err(|error| error.to_string())?;
        match detector.method == self.method {
            true => Ok(detector),
            false => Err("the configuration of a method does not match its strategy".into()),
        }
    }
}
