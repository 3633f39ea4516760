//! A model as an ONNX graph, which runs without this library.
//!
//! The graph computes what [`Model::score`] computes, in the same precision. Like the encoder, it takes numbers as 64-bit floats and
//! subtracts their medians. It scales features as the scaler does, and averages the scores of the members in 64 bits.

mod attributes;
mod features;
mod general;
mod inputs;
mod nodes;
mod p_value;
mod proto;

use std::path::Path;

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::write_whole;
use anoonly_data::encode::ColumnKind;
use prost::Message;
use serde::Serialize;

use self::features::{Features, features};
pub use self::inputs::{OnnxForm, OnnxInput};
use self::inputs::{declared, inputs, value};
use self::nodes::{ML_DOMAIN, Nodes};
use self::p_value::{add_p_value, apart};
use self::proto::{DataType, MetadataEntry, OperatorSetProto, ValueInfoProto};
use super::{Model, PipelineError};

/// The version of the ONNX operators: that of ONNX 1.8, which runtimes have read since 2021.
const OPSET: i64 = 13;
/// The version of the operators for machine learning: that of ONNX 1.0, which has trees and categories.
const ML_OPSET: i64 = 1;
/// The version of the file format of ONNX 1.8.
const IR_VERSION: i64 = 7;
/// The maximum size that readers of protocol buffers accept.
const MAX_BYTES: usize = i32::MAX as usize;

/// The name of the output with the score of each row.
const SCORE: &str = "score";
/// The name of the output with the p-value of each row.
const P_VALUE: &str = "p_value";
/// The name of the output that says whether each row is flagged.
const FLAGGED: &str = "flagged";
/// The names of all outputs.
const OUTPUTS: [&str; 3] = [SCORE, P_VALUE, FLAGGED];

/// A model as an ONNX graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnnxModel {
    /// How the graph takes the columns of a table.
    pub form: OnnxForm,
    /// The columns of the table.
    pub columns: Vec<String>,
    /// What the graph takes for each column, in the order of the columns.
    pub inputs: Vec<OnnxInput>,
    /// What the graph gives for each row.
    pub outputs: Vec<OnnxOutput>,
    /// The threshold of `flagged`.
    pub threshold: Option<f32>,
    /// The sets of operators that a runtime needs, and their versions.
    pub operators: Vec<OnnxOperators>,
    /// The number of bytes of the file.
    pub size: usize,
    #[serde(skip)]
    bytes: Vec<u8>,
}

/// An output of a graph, `[rows]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnnxOutput {
    /// Its name: `score`; `p_value`, if the model has held-out rows; and `flagged`, if it has a threshold that looks at one row at a time.
    pub name: &'static str,
    /// The type of the elements: `float32`, `float64` or `bool`.
    #[serde(rename = "type")]
    pub element: &'static str,
    /// What it says.
    pub description: String,
}

/// A set of operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OnnxOperators {
    /// Its name: `ai.onnx` for the standard operators, or `ai.onnx.ml`.
    pub domain: &'static str,
    /// The version.
    pub version: i64,
}

impl OnnxModel {
    /// The content of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes the file, completely or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PipelineError> {
        let failed = |error: std::io::Error| PipelineError::Output { path: path.into(), reason: error.to_string() };
        write_whole(path, &self.bytes).map_err(failed)
    }
}

impl Model {
    /// The model as an ONNX graph with an input for each column.
    ///
    /// # Errors
    /// If the method has no graph, or if the file would be larger than ONNX allows.
    pub fn to_onnx(&self) -> Result<OnnxModel, PipelineError> {
        self.to_onnx_as(OnnxForm::Columns)
    }

    /// The model as an ONNX graph that takes the columns of a table in a given form.
    ///
    /// # Errors
    /// As [`to_onnx`](Self::to_onnx), and if the columns do not all fit into a matrix of numbers.
    pub fn to_onnx_as(&self, form: OnnxForm) -> Result<OnnxModel, PipelineError> {
        let columns = self.encoder.columns();
        let inputs = inputs(columns, form);
        let not_numeric = |input: &&OnnxInput| !matches!(input.kind, ColumnKind::Number | ColumnKind::Truth);
        if let Some(input) = inputs.iter().find(not_numeric).filter(|_| form == OnnxForm::Matrix) {
            return Err(PipelineError::NotNumeric { column: input.column.clone(), kind: input.kind.name() });
        }
        let mut nodes = Nodes::default();
        let features = features(&mut nodes, columns, &inputs, form);
        self.add_score(&mut nodes, &features)?;
        if let Some(calibration) = &self.calibration {
            add_p_value(&mut nodes, calibration, SCORE, P_VALUE);
        }
        let threshold = self.threshold.as_ref().and_then(|threshold| threshold.score);
        if let Some(threshold) = threshold {
            nodes.part = FLAGGED.into();
            let held_out = self.calibration.as_ref().map(|calibration| calibration.scores()).unwrap_or_default();
            let constant = nodes.row(&[apart(threshold, held_out)]);
            nodes.named("GreaterOrEqual", &[SCORE, &constant], None, FLAGGED);
        }
        let mut operators = vec![OnnxOperators { domain: "ai.onnx", version: OPSET }];
        if nodes.nodes.iter().any(|node| node.domain == ML_DOMAIN) {
            operators.push(OnnxOperators { domain: ML_DOMAIN, version: ML_OPSET });
        }
        let outputs = self.outputs(threshold);
        let columns: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let graph = proto::GraphProto {
            node: nodes.nodes,
            name: "anoonly".into(),
            initializer: nodes.constants,
            input: declared(&inputs, form),
            output: outputs.iter().map(output).collect(),
        };
        let file = proto::ModelProto {
            ir_version: IR_VERSION,
            producer_name: "anoonly".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            doc_string: "Anomaly scores of the rows of a table, made by anoonly.".into(),
            graph: Some(graph),
            opset_import: operators.iter().map(operator_set).collect(),
            metadata_props: self.metadata(&columns, &inputs),
        };
        if file.encoded_len() > MAX_BYTES {
            let method = self.method_name();
            return Err(PipelineError::NotExportable { method, reason: "the file would be larger than 2 GiB" });
        }
        let bytes = file.encode_to_vec();
        Ok(OnnxModel { form, columns, inputs, outputs, threshold, operators, size: bytes.len(), bytes })
    }

    fn outputs(&self, threshold: Option<f32>) -> Vec<OnnxOutput> {
        let score = "Higher means more anomalous. A typical row scores 0; a row that scores 3 is three standard deviations above.";
        let mut outputs = vec![OnnxOutput { name: SCORE, element: "float32", description: score.into() }];
        if let Some(calibration) = &self.calibration {
            let rows = calibration.rows();
            let description = format!(
                "The conformal p-value: the share of rows, among the {rows} held-out rows and this one, whose score is at least \
                 this score."
            );
            outputs.push(OnnxOutput { name: P_VALUE, element: "float64", description });
        }
        if let Some(threshold) = threshold {
            let description = format!("Whether the score is at least {threshold}.");
            outputs.push(OnnxOutput { name: FLAGGED, element: "bool", description });
        }
        outputs
    }

    /// Adds the mean of the members' scores of the features. As in [`score`](Self::score), the highest score there is takes the place of
    /// a member's score that is not finite, and of the mean where a number is very far from those of the training rows.
    fn add_score(&self, nodes: &mut Nodes, features: &Features) -> Result<(), PipelineError> {
        let mut scaled: Option<(&MinMaxScaler, String)> = None;
        let mut sum: Option<String> = None;
        nodes.part = SCORE.into();
        let [infinity, highest] = [f32::INFINITY, f32::MAX].map(|value| nodes.row(&[value]));
        for (index, (member, scale)) in self.members().enumerate() {
            let method = || member.detector().method().info().name.to_owned();
            let reason = "its score is not available as a graph";
            let graph = member.graph().ok_or_else(|| PipelineError::NotExportable { method: method(), reason })?;
            // The members of one fit have the same scaling.
            let rows = match scaled {
                Some((scaler, rows)) if scaler == member.scaler() => rows,
                _ => {
                    nodes.part = format!("scaling_{}", index + 1);
                    scaling(nodes, member.scaler(), &features.rows)
                }
            };
            nodes.part = format!("member_{}", index + 1);
            let score = nodes.network(&graph, &rows);
            let size = nodes.node("Abs", &[&score], None);
            let finite = nodes.node("Less", &[&size, &infinity], None);
            let score = nodes.node("Where", &[&finite, &score, &highest], None);
            let wide = nodes.cast(&score, DataType::Double);
            let centred = nodes.with_row("Sub", &wide, &[scale.mean]);
            let standardised = nodes.with_row("Div", &centred, &[scale.deviation]);
            sum = Some(match sum {
                Some(sum) => nodes.node("Add", &[&sum, &standardised], None),
                None => standardised,
            });
            scaled = Some((member.scaler(), rows));
        }
        nodes.part = SCORE.into();
        let mean = nodes.with_row("Div", &sum.unwrap_or_default(), &[self.members.len() as f64]);
        let mean = clipped(nodes, &mean);
        let axes = nodes.row(&[1i64]);
        let mean = nodes.node("Squeeze", &[&mean, &axes], None);
        // Deviations from a file may be so small that two infinite scores cancel each other.
        let mut extreme = nodes.node("IsNaN", &[&mean], None);
        if let Some(far) = &features.far {
            extreme = nodes.node("Or", &[&extreme, far], None);
        }
        nodes.named("Where", &[&extreme, &highest, &mean], None, SCORE);
        Ok(())
    }

    fn method_name(&self) -> String {
        self.members.first().map(|member| member.detector().method().info().name.to_owned()).unwrap_or_default()
    }

    fn metadata(&self, columns: &[String], inputs: &[OnnxInput]) -> Vec<MetadataEntry> {
        let mut entries = vec![
            ("columns", serde_json::json!(columns).to_string()),
            ("inputs", serde_json::json!(inputs).to_string()),
            ("method", self.method_name()),
            ("members", self.members.len().to_string()),
            ("table", self.provenance.table.clone()),
            ("fingerprint", self.provenance.fingerprint.clone()),
        ];
        if let Some(threshold) = &self.threshold {
            entries.extend(threshold.score.map(|score| ("threshold", score.to_string())));
            entries.push(("threshold_promise", threshold.promise()));
        }
        entries.into_iter().map(|(key, value)| MetadataEntry { key: key.into(), value }).collect()
    }
}

/// Adds the scaling of the features, with the rounding of [`MinMaxScaler`]: ranks and trees compare scaled values with those of training
/// rows, which are equal to the last bit.
fn scaling(nodes: &mut Nodes, scaler: &MinMaxScaler, features: &str) -> String {
    if let Some(scale) = scaler.short_scale() {
        let above = nodes.with_row("Sub", features, scaler.minimum());
        let scaled = nodes.with_row("Mul", &above, &scale);
        let [low, high] = [f32::MIN, f32::MAX].map(|bound| nodes.constant(&[], &[bound]));
        return nodes.node("Clip", &[&scaled, &low, &high], None);
    }
    let wide = nodes.cast(features, DataType::Double);
    let minimum: Vec<f64> = scaler.minimum().iter().map(|&lowest| lowest.into()).collect();
    let above = nodes.with_row("Sub", &wide, &minimum);
    let scaled = nodes.with_row("Mul", &above, scaler.scale());
    clipped(nodes, &scaled)
}

/// Adds the nearest 32-bit float of a 64-bit float.
fn clipped(nodes: &mut Nodes, value: &str) -> String {
    let [low, high] = [f32::MIN, f32::MAX].map(|bound| nodes.constant(&[], &[f64::from(bound)]));
    let clipped = nodes.node("Clip", &[value, &low, &high], None);
    nodes.cast(&clipped, DataType::Float)
}

fn operator_set(operators: &OnnxOperators) -> OperatorSetProto {
    // The standard operators have no domain in a file.
    let domain = if operators.domain == ML_DOMAIN { ML_DOMAIN } else { "" };
    OperatorSetProto { domain: Some(domain.into()), version: operators.version }
}

/// The output as the file declares it.
fn output(output: &OnnxOutput) -> ValueInfoProto {
    let element = match output.name {
        FLAGGED => DataType::Bool,
        P_VALUE => DataType::Double,
        _ => DataType::Float,
    };
    value(output.name, element, None, output.description.clone())
}
