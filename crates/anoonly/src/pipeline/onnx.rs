//! A model as an ONNX graph, which runs without this library.
//!
//! The graph does what [`Model::score`] does, in the same precision: it takes columns as 64-bit floats and each one's
//! distance to its median there, as the encoder does; scales in 64 bits; runs the networks in 32 bits; and averages their
//! scores in 64 bits.

mod nodes;
mod proto;

use std::path::Path;

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::write_whole;
use anoonly_data::encode::{ColumnKind, Encoder, Encoding};
use prost::Message;
use serde::Serialize;

use self::nodes::{Nodes, integer};
use self::proto::{DataType, Dimension, Entry, OperatorSet, Shape, TensorType, Type, ValueInfo};
use super::{Model, PipelineError};

/// The version of the ONNX operators that is written: that of ONNX 1.8, which runtimes read since 2021.
const OPSET: i64 = 13;
/// The version of the file format that came with it.
const IR_VERSION: i64 = 7;
/// What readers of protocol buffers take at most.
const MOST_BYTES: usize = i32::MAX as usize;

/// The input.
const INPUT: &str = "input";
/// The score of each row.
const SCORE: &str = "score";
/// Whether each row is flagged.
const FLAGGED: &str = "flagged";

/// A model as an ONNX graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnnxModel {
    /// The version of the ONNX operators.
    pub opset: i64,
    /// The name of the input: 64-bit floats, `[rows, columns]`.
    pub input: &'static str,
    /// The columns of the table in the order in which the input takes them.
    pub columns: Vec<String>,
    /// The names of the outputs, each with one value a row: `score`, 32-bit floats, and, where the model has a threshold
    /// that looks at one row at a time, `flagged`, truth values.
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

    /// Writes the file, complete or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PipelineError> {
        // Only the kind: the whole message would name the temporary file.
        let failed =
            |error: std::io::Error| PipelineError::Output { path: path.into(), reason: error.kind().to_string() };
        write_whole(path, &self.bytes, None).map_err(failed)
    }
}

impl Model {
    /// The model as an ONNX graph of columns of numbers and truth values, these as 0 and 1. NaN stands for a missing
    /// value.
    ///
    /// # Errors
    /// When a column is something else, a method does not tell its score as a graph (kNN, which would carry all training
    /// rows along), or the file would be larger than ONNX allows.
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
        let graph = proto::Graph {
            node: nodes.nodes,
            name: "anoonly".into(),
            initializer: nodes.constants,
            input: vec![self.input()],
            output: outputs.iter().map(|&name| output(name, threshold)).collect(),
        };
        let file = proto::Model {
            ir_version: IR_VERSION,
            producer_name: "anoonly".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            doc_string: "Anomaly scores of the rows of a table, made by anoonly.".into(),
            graph: Some(graph),
            opset_import: vec![OperatorSet { domain: Some(String::new()), version: OPSET }],
            metadata_props: self.metadata(&columns),
        };
        if file.encoded_len() > MOST_BYTES {
            let method = self.method_name();
            return Err(PipelineError::NotExportable { method, reason: "the file would have more than 2 GiB" });
        }
        Ok(OnnxModel { opset: OPSET, input: INPUT, columns, outputs, threshold, bytes: file.encode_to_vec() })
    }

    /// Adds all members' scores of the features, 32-bit floats, and their mean.
    fn add_score(&self, nodes: &mut Nodes, features: &str) -> Result<(), PipelineError> {
        let mut scaled: Option<(&MinMaxScaler, String)> = None;
        let mut sum: Option<String> = None;
        for (index, (member, standard)) in self.members().enumerate() {
            let method = || member.detector().method().info().name.to_owned();
            let reason = "it does not tell its score as a graph; `anoonly score` computes it";
            let graph = member.graph().ok_or_else(|| PipelineError::NotExportable { method: method(), reason })?;
            // Members of one fit have the same scaling.
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
            let centred = nodes.with_row("Sub", &wide, &[standard.mean]);
            let standardised = nodes.with_row("Div", &centred, &[standard.deviation]);
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

    fn input(&self) -> ValueInfo {
        let columns = self.encoder.columns();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let truths: Vec<&str> = columns
            .iter()
            .filter(|column| column.kind == ColumnKind::Truth)
            .map(|column| column.name.as_str())
            .collect();
        let mut told = format!("Columns, in this order: {}. NaN where a value is missing.", names.join(", "));
        if !truths.is_empty() {
            told.push_str(&format!(" Truth values, as 0 and 1: {}.", truths.join(", ")));
        }
        value(INPUT, DataType::Double, Some(columns.len()), told)
    }

    fn metadata(&self, columns: &[String]) -> Vec<Entry> {
        let mut entries = vec![
            ("columns", serde_json::json!(columns).to_string()),
            ("method", self.method_name()),
            ("members", self.members.len().to_string()),
            ("table", self.about.table.clone()),
            ("fingerprint", self.about.fingerprint.clone()),
        ];
        if let Some(threshold) = &self.threshold {
            entries.extend(threshold.score.map(|score| ("threshold", score.to_string())));
            entries.push(("threshold_promise", threshold.promise()));
        }
        entries.into_iter().map(|(key, value)| Entry { key: key.into(), value }).collect()
    }
}

/// The median of each column, which all have to be numbers or truth values.
fn medians(encoder: &Encoder) -> Result<Vec<f64>, PipelineError> {
    let median = |column: &anoonly_data::encode::EncodedColumn| match column.encoding {
        Encoding::Number { median } => Ok(median),
        _ => Err(PipelineError::NotNumeric { column: column.name.clone(), kind: column.kind.name() }),
    };
    encoder.columns().iter().map(median).collect()
}

/// Adds the features that the encoder makes of the input, 32-bit floats, `[rows, features]`.
fn features(nodes: &mut Nodes, encoder: &Encoder, medians: &[f64]) -> String {
    nodes.part = "columns".into();
    let distance = nodes.with_row("Sub", INPUT, medians);
    let distance = nodes.cast(&distance, DataType::Float);
    // After the cast: not every runtime knows this of 64-bit floats.
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

/// Adds the scaling of features.
fn scaling(nodes: &mut Nodes, scaler: &MinMaxScaler, features: &str) -> String {
    let wide = nodes.cast(features, DataType::Double);
    let minimum: Vec<f64> = scaler.minimum().iter().map(|&lowest| lowest.into()).collect();
    let above = nodes.with_row("Sub", &wide, &minimum);
    let scaled = nodes.with_row("Mul", &above, scaler.scale());
    let [low, high] = [f32::MIN, f32::MAX].map(|bound| nodes.constant(&[], &[f64::from(bound)]));
    let clipped = nodes.node("Clip", &[&scaled, &low, &high], None);
    nodes.cast(&clipped, DataType::Float)
}

fn output(name: &str, threshold: Option<f32>) -> ValueInfo {
    match threshold {
        Some(threshold) if name == FLAGGED => {
            value(name, DataType::Bool, None, format!("Whether the score is at least {threshold}."))
        }
        _ => {
            let told = "Higher means more anomalous: 0 is usual, 3 is three standard deviations above.";
            value(name, DataType::Float, None, told.into())
        }
    }
}

/// An input or output with one row, or one value, for each row of the table.
fn value(name: &str, element: DataType, columns: Option<usize>, told: String) -> ValueInfo {
    let rows = Dimension { dim_value: None, dim_param: Some("rows".into()) };
    let columns = columns.map(|columns| Dimension { dim_value: Some(columns as i64), dim_param: None });
    let shape = Shape { dim: [rows].into_iter().chain(columns).collect() };
    let tensor_type = TensorType { elem_type: element as i32, shape: Some(shape) };
    ValueInfo { name: name.into(), r#type: Some(Type { tensor_type: Some(tensor_type) }), doc_string: told }
}
