//! The inputs of a graph: what a caller gives for each column.

use std::collections::HashSet;

use anoonly_data::encode::{ColumnKind, EncodedColumn, Encoding};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::OUTPUTS;
use super::proto::{DataType, DimensionProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto};

/// The name of the input with all columns.
pub const MATRIX: &str = "input";

/// How a graph takes the columns of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnnxForm {
    /// An input for each column, `[rows]`.
    #[default]
    Columns,
    /// One matrix of all columns, `[rows, columns]`, which have to be numbers or truth values. A runtime needs less time to take one
    /// input than many, which counts when few rows are scored at a time.
    Matrix,
}

/// A column of a table as a graph takes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnnxInput {
    /// The name of the input. It is that of the column, unless the column is named like an output. In the form of a matrix, all columns
    /// have the same input.
    pub name: String,
    /// The column.
    pub column: String,
    /// What its values are.
    pub kind: ColumnKind,
    /// The type of the elements: `float64`, `int64` or `string`.
    #[serde(rename = "type")]
    pub element: &'static str,
    /// What a value counts: `seconds since 1970-01-01 00:00` for dates, and nothing for other columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    /// The element that stands for a missing value: `"NaN"`, the lowest integer, or the empty text.
    pub missing: Json,
}

/// The inputs for the columns of an encoder.
pub fn inputs(columns: &[EncodedColumn], form: OnnxForm) -> Vec<OnnxInput> {
    let mut used: HashSet<String> = OUTPUTS.iter().map(|&output| output.into()).collect();
    let mut name = |column: &str| {
        // Values inside of the graph have names with slashes.
        let mut name = if column.is_empty() || column.contains('/') { format!("{column}_in") } else { column.into() };
        while !used.insert(name.clone()) {
            name.push_str("_in");
        }
        name
    };
    let input = |column: &EncodedColumn| {
        let kind = kind(column);
        let (_, element, missing) = element(kind);
        OnnxInput {
            name: if form == OnnxForm::Matrix { MATRIX.into() } else { name(&column.name) },
            column: column.name.clone(),
            kind,
            element,
            unit: (kind == ColumnKind::Date).then_some("seconds since 1970-01-01 00:00"),
            missing,
        }
    };
    columns.iter().map(input).collect()
}

/// What the values of a column are, by their encoding.
fn kind(column: &EncodedColumn) -> ColumnKind {
    match column.encoding {
        Encoding::Number { .. } if column.kind == ColumnKind::Truth => ColumnKind::Truth,
        Encoding::Number { .. } => ColumnKind::Number,
        Encoding::Date { .. } => ColumnKind::Date,
        Encoding::OneHot { .. } | Encoding::Frequency { .. } => ColumnKind::Category,
    }
}

/// The type of the elements of a column, its name, and the element that stands for a missing value.
fn element(kind: ColumnKind) -> (DataType, &'static str, Json) {
    match kind {
        ColumnKind::Number | ColumnKind::Truth => (DataType::Double, "float64", json!("NaN")),
        ColumnKind::Date => (DataType::Int64, "int64", json!(i64::MIN)),
        ColumnKind::Category => (DataType::String, "string", json!("")),
    }
}

/// The inputs as the file declares them.
pub fn declared(inputs: &[OnnxInput], form: OnnxForm) -> Vec<ValueInfoProto> {
    if form == OnnxForm::Matrix {
        let names: Vec<&str> = inputs.iter().map(|input| input.column.as_str()).collect();
        let truths = inputs.iter().filter(|input| input.kind == ColumnKind::Truth);
        let truths: Vec<&str> = truths.map(|input| input.column.as_str()).collect();
        let mut description = format!("Columns, in this order: {}. NaN where a value is missing.", names.join(", "));
        if !truths.is_empty() {
            description.push_str(&format!(" Truth values, as 0 and 1: {}.", truths.join(", ")));
        }
        return vec![value(MATRIX, DataType::Double, Some(inputs.len()), description)];
    }
    let declare = |input: &OnnxInput| value(&input.name, element(input.kind).0, None, describe(input));
    inputs.iter().map(declare).collect()
}

fn describe(input: &OnnxInput) -> String {
    let is = match input.kind {
        ColumnKind::Number => "a number; NaN where it is missing",
        ColumnKind::Truth => "0 for false, 1 for true; NaN where it is missing",
        ColumnKind::Date => "a local time in seconds since 1970-01-01 00:00; the lowest integer where it is missing",
        ColumnKind::Category => "a category; an empty text where it is missing",
    };
    format!("Column {}: {is}.", input.column)
}

/// An input or output with one row or one value for each row of the table.
pub fn value(name: &str, element: DataType, columns: Option<usize>, description: String) -> ValueInfoProto {
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
