//! A model as an ONNX graph, which runs without this library.
//!
//! The graph computes what [`Model::score`] computes, in the same precision. Like the encoder, it takes columns as 64-bit floats and
//! subtracts their medians. It scales in 64 bits, runs the networks in 32 bits, and averages their scores in 64 bits.

mod attributes;
mod general;
mod nodes;
mod proto;

use std::path::Path;

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::write_whole;
use anoonly_data::encode::{ColumnKind, Encoder, Encoding};
use prost::Message;
use serde::Serialize;

use self::nodes::{ML_DOMAIN, Nodes, integer};
use self::proto::{
    DataType, DimensionProto, MetadataEntry, OperatorSetProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use super::{Model, PipelineError};

/// The version of the ONNX operators: that of ONNX 1.8, which runtimes have read since 2021.
const OPSET: i64 = 13;
/// The version of the operators for machine learning: that of ONNX 1.0, which has trees and categories.
const ML_OPSET: i64 = 1;
/// The version of the file format of ONNX 1.8.
const IR_VERSION: i64 = 7;
/// The maximum size that readers of protocol buffers accept.
const MAX_BYTES: usize = i32::MAX as usize;

/// The name of the input.
const INPUT: &str = "input";
/// The name of the output with the score of each row.
const SCORE: &str = "score";
/// The name of the output that says whether each row is flagged.
const FLAGGED: &str = "flagged";

/// A model as an ONNX graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnnxModel {
    /// The version of the ONNX operators.
    pub opset: i64,
    /// The name of the input: 64-bit floats, `[rows, columns]`.
    pub input: &'static str,
    /// The columns of the table, in the order of the input's columns.
    pub columns: Vec<String>,
    /// The names of the outputs, each with one value for each row: `score`, 32-bit floats, and, if the model has a threshold that looks
    /// at one row at a time, `flagged`, truth values.
    pub outputs: Vec<&'static str>,
    /// The threshold of `flagged`.
    pub threshold: Option<f32>,
    #[serde(skip)]
    bytes: Vec<u8>,
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
    /// The model as an ONNX graph. Its input has columns of numbers and of truth values, which are 0 and 1. NaN marks a missing value.
    ///
    /// # Errors
    /// If a column is of another kind, if the method has no graph (such as kNN, which would have to carry all training rows), or if the
    /// file would be larger than ONNX allows.
    pub fn to_onnx(&self) -> Result<OnnxModel, PipelineError> {
        let medians = medians(&self.encoder)?;
        let mut nodes = Nodes::default();
        let features = features(&mut nodes, &self.encoder, &medians);
        self.add_score(&mut nodes, &features)?;
        let mut outputs = vec![SCORE];
        let threshold = self.threshold.as_ref().and_then(|threshold| threshold.score);
        if let Some(threshold) = threshold {
            let constant = nodes.row(&[threshold]);
            nodes.named("GreaterOrEqual", &[SCORE, &constant], None, FLAGGED);
            outputs.push(FLAGGED);
        }
        let columns: Vec<String> = self.encoder.columns().iter().map(|column| column.name.clone()).collect();
        let mut operators = vec![("", OPSET)];
        if nodes.nodes.iter().any(|node| node.domain == ML_DOMAIN) {
            operators.push((ML_DOMAIN, ML_OPSET));
        }
        let operator_set = |&(domain, version): &(&str, i64)| OperatorSetProto { domain: Some(domain.into()), version };
        let graph = proto::GraphProto {
            node: nodes.nodes,
            name: "anoonly".into(),
            initializer: nodes.constants,
            input: vec![self.input()],
            output: outputs.iter().map(|&name| output(name, threshold)).collect(),
        };
        let file = proto::ModelProto {
            ir_version: IR_VERSION,
            producer_name: "anoonly".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            doc_string: "Anomaly scores of the rows of a table, made by anoonly.".into(),
            graph: Some(graph),
            opset_import: operators.iter().map(operator_set).collect(),
            metadata_props: self.metadata(&columns),
        };
        if file.encoded_len() > MAX_BYTES {
            let method = self.method_name();
            return Err(PipelineError::NotExportable { method, reason: "the file would be larger than 2 GiB" });
        }
        Ok(OnnxModel { opset: OPSET, input: INPUT, columns, outputs, threshold, bytes: file.encode_to_vec() })
    }

    /// Adds the members' scores of the features, which are 32-bit floats, and their mean.
    fn add_score(&self, nodes: &mut Nodes, features: &str) -> Result<(), PipelineError> {
        let mut scaled: Option<(&MinMaxScaler, String)> = None;
        let mut sum: Option<String> = None;
        for (index, (member, scale)) in self.members().enumerate() {
            let method = || member.detector().method().info().name.to_owned();
            let reason = "its score is not available as a graph";
            let graph = member.graph().ok_or_else(|| PipelineError::NotExportable { method: method(), reason })?;
            // The members of one fit have the same scaling.
            let rows = match scaled {
                Some((scaler, rows)) if scaler == member.scaler() => rows,
                _ => {
                    nodes.part = format!("scaling_{}", index + 1);
                    scaling(nodes, member.scaler(), features)
                }
            };
            nodes.part = format!("member_{}", index + 1);
            let score = nodes.network(&graph, &rows);
            let wide = nodes.cast(&score, DataType::Double);
            let centred = nodes.with_row("Sub", &wide, &[scale.mean]);
            let standardised = nodes.with_row("Div", &centred, &[scale.deviation]);
            sum = Some(match sum {
                Some(sum) => nodes.node("Add", &[&sum, &standardised], None),
                None => standardised,
            });
            scaled = Some((member.scaler(), rows));
        }
        nodes.part = "score".into();
        let mean = nodes.with_row("Div", &sum.unwrap_or_default(), &[self.members.len() as f64]);
        let column = nodes.cast(&mean, DataType::Float);
        let axes = nodes.row(&[1i64]);
        nodes.named("Squeeze", &[&column, &axes], None, SCORE);
        Ok(())
    }

    fn method_name(&self) -> String {
        self.members.first().map(|member| member.detector().method().info().name.to_owned()).unwrap_or_default()
    }

    fn input(&self) -> ValueInfoProto {
        let columns = self.encoder.columns();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let truths: Vec<&str> = columns
            .iter()
            .filter(|column| column.kind == ColumnKind::Truth)
            .map(|column| column.name.as_str())
            .collect();
        let mut description = format!("Columns, in this order: {}. NaN where a value is missing.", names.join(", "));
        if !truths.is_empty() {
            description.push_str(&format!(" Truth values, as 0 and 1: {}.", truths.join(", ")));
        }
        value(INPUT, DataType::Double, Some(columns.len()), description)
    }

    fn metadata(&self, columns: &[String]) -> Vec<MetadataEntry> {
        let mut entries = vec![
            ("columns", serde_json::json!(columns).to_string()),
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

/// The median of each column. All columns have to be numbers or truth values.
fn medians(encoder: &Encoder) -> Result<Vec<f64>, PipelineError> {
    let median = |column: &anoonly_data::encode::EncodedColumn| match column.encoding {
        Encoding::Number { median, unit: 1.0 } => Ok(median),
        Encoding::Number { .. } => Err(PipelineError::NotSingle { column: column.name.clone() }),
        _ => Err(PipelineError::NotNumeric { column: column.name.clone(), kind: column.kind.name() }),
    };
    encoder.columns().iter().map(median).collect()
}

/// Adds the encoding of the input as features: 32-bit floats, `[rows, features]`.
fn features(nodes: &mut Nodes, encoder: &Encoder, medians: &[f64]) -> String {
    nodes.part = "columns".into();
    let distance = nodes.with_row("Sub", INPUT, medians);
    let distance = nodes.cast(&distance, DataType::Float);
    // After the cast, because not every runtime implements `IsNaN` for 64-bit floats.
    let missing = nodes.node("IsNaN", &[&distance], None);
    let zero = nodes.row(&[0.0f32]);
    let values = nodes.node("Where", &[&missing, &zero, &distance], None);
    if encoder.width() == medians.len() {
        return values;
    }
    let indicators = nodes.cast(&missing, DataType::Float);
    let both = nodes.concat(&[&values, &indicators]);
    let places = encoder.columns().iter().enumerate().flat_map(|(place, column)| {
        let indicator = column.indicator.then_some(place + medians.len());
        [place].into_iter().chain(indicator).map(|place| place as i64)
    });
    let places = nodes.row(&places.collect::<Vec<_>>());
    nodes.node("Gather", &[&both, &places], Some(integer("axis", 1)))
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
    let [low, high] = [f32::MIN, f32::MAX].map(|bound| nodes.constant(&[], &[f64::from(bound)]));
    let clipped = nodes.node("Clip", &[&scaled, &low, &high], None);
    nodes.cast(&clipped, DataType::Float)
}

fn output(name: &str, threshold: Option<f32>) -> ValueInfoProto {
    match threshold {
        Some(threshold) if name == FLAGGED => {
            value(name, DataType::Bool, None, format!("Whether the score is at least {threshold}."))
        }
        _ => {
            let description = "Higher means more anomalous. A typical row scores 0; a row that scores 3 is three standard deviations above.";
            value(name, DataType::Float, None, description.into())
        }
    }
}

/// An input or output with one row or one value for each row of the table.
fn value(name: &str, element: DataType, columns: Option<usize>, description: String) -> ValueInfoProto {
    let rows = DimensionProto { dim_value: None, dim_param: Some("rows".into()) };
    let columns = columns.map(|columns| DimensionProto { dim_value: Some(columns as i64), dim_param: None });
    let shape = TensorShapeProto { dim: [rows].into_iter().chain(columns).collect() };
    let tensor_type = TensorTypeProto { elem_type: element as i32, shape: Some(shape) };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
        doc_string: description,
    }
}
