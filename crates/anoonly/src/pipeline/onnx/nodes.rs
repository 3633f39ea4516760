//! Builds the nodes and constants of an ONNX graph.

use anoonly_models::graph::{Element, Graph, Matrix, Step, Value};

use super::proto::{AttributeProto, DataType, NodeProto, TensorProto};

pub use super::attributes::{float, floats, integer, integers, texts};

/// The domain of ONNX's operators for machine learning, such as trees and categories.
pub const ML_DOMAIN: &str = "ai.onnx.ml";

/// The nodes and constants added so far.
#[derive(Default)]
pub struct Nodes {
    pub nodes: Vec<NodeProto>,
    pub constants: Vec<TensorProto>,
    /// The prefix of the names of the next nodes.
    pub part: String,
    /// The addresses and names of constants that several steps use.
    pub shared: Vec<(usize, String)>,
}

/// The element type of a constant.
pub trait ConstantElement: Copy {
    const TYPE: DataType;

    fn bytes(self) -> impl IntoIterator<Item = u8>;
}

impl ConstantElement for f32 {
    const TYPE: DataType = DataType::Float;

    fn bytes(self) -> impl IntoIterator<Item = u8> {
        self.to_le_bytes()
    }
}

impl ConstantElement for f64 {
    const TYPE: DataType = DataType::Double;

    fn bytes(self) -> impl IntoIterator<Item = u8> {
        self.to_le_bytes()
    }
}

impl ConstantElement for i64 {
    const TYPE: DataType = DataType::Int64;

    fn bytes(self) -> impl IntoIterator<Item = u8> {
        self.to_le_bytes()
    }
}

impl Nodes {
    /// Adds a node with one output and returns the name of the output.
    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: impl IntoIterator<Item = AttributeProto>,
    ) -> String {
        let output = format!("{}/{operator}_{}", self.part, self.nodes.len());
        self.named(operator, inputs, attributes, &output);
        output
    }

    /// Adds a node of the operators for machine learning, [`ML_DOMAIN`], with one output and returns the name of the output.
    pub fn ml_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: impl IntoIterator<Item = AttributeProto>,
    ) -> String {
        let output = self.node(operator, inputs, attributes);
        self.nodes.iter_mut().next_back().into_iter().for_each(|node| node.domain = ML_DOMAIN.into());
        output
    }

    /// Adds a node whose output has a given name.
    pub fn named(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: impl IntoIterator<Item = AttributeProto>,
        output: &str,
    ) {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.into()],
            name: output.into(),
            op_type: operator.into(),
            attribute: attributes.into_iter().collect(),
            domain: String::new(),
        });
    }

    /// Adds a constant of any shape, with its values in row-major order, and returns its name.
    pub fn constant<T: ConstantElement>(&mut self, shape: &[usize], values: &[T]) -> String {
        let name = format!("{}/constant_{}", self.part, self.constants.len());
        self.constants.push(TensorProto {
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: T::TYPE as i32,
            name: name.clone(),
            raw_data: values.iter().flat_map(|value| value.bytes()).collect(),
        });
        name
    }

    /// Adds a constant with one value for each column.
    pub fn row<T: ConstantElement>(&mut self, values: &[T]) -> String {
        self.constant(&[values.len()], values)
    }

    /// Adds a node that converts a value to another type.
    pub fn cast(&mut self, of: &str, to: DataType) -> String {
        self.node("Cast", &[of], Some(integer("to", to as i64)))
    }

    /// Adds a node that combines a value with a row of constants.
    pub fn with_row<T: ConstantElement>(&mut self, operator: &str, of: &str, values: &[T]) -> String {
        let row = self.row(values);
        self.node(operator, &[of, &row], None)
    }

    /// Adds the steps of a method with the input `rows`, and returns the name of its score, `[rows, 1]`.
    pub fn network(&mut self, graph: &Graph, rows: &str) -> String {
        // Another graph may have constants at the addresses of these.
        self.shared.clear();
        let mut made = vec![rows.to_owned()];
        let elements = graph.elements();
        for step in graph.steps() {
            let of = |value: &Value| made[value.index()].clone();
            let double = |value: &Value| elements[value.index()] == Element::Double;
            made.push(match step {
                Step::General(step) => self.general(step, &of, step.takes().first().is_some_and(double)),
                Step::Linear { of: rows, weight, bias } => {
                    let weight = self.matrix(weight, double(rows));
                    match bias {
                        // Not every runtime has `Gemm` for 64-bit elements.
                        Some(bias) if double(rows) => {
                            let product = self.node("MatMul", &[&of(rows), &weight], None);
                            let bias = self.list(bias, true);
                            self.node("Add", &[&product, &bias], None)
                        }
                        Some(bias) => {
                            let bias = self.row(bias);
                            self.node("Gemm", &[&of(rows), &weight, &bias], None)
                        }
                        None => self.node("MatMul", &[&of(rows), &weight], None),
                    }
                }
                Step::LeakyRelu { of: rows, slope } if *slope == 0.0 => self.node("Relu", &[&of(rows)], None),
                Step::LeakyRelu { of: rows, slope } => {
                    self.node("LeakyRelu", &[&of(rows)], Some(float("alpha", *slope)))
                }
                Step::Add { of: rows, constants } => {
                    let constants = self.list(constants, double(rows));
                    self.node("Add", &[&of(rows), &constants], None)
                }
                Step::Multiply { of: rows, constants } => {
                    let constants = self.list(constants, double(rows));
                    self.node("Mul", &[&of(rows), &constants], None)
                }
                Step::Subtract { left, right } => self.node("Sub", &[&of(left), &of(right)], None),
                Step::Divide { left, right } => self.node("Div", &[&of(left), &of(right)], None),
                Step::Root { of: rows } => self.node("Sqrt", &[&of(rows)], None),
                Step::Sum { of: rows } => self.sum(&of(rows)),
                Step::SumOfSquares { of: rows } => {
                    let squares = self.node("Mul", &[&of(rows), &of(rows)], None);
                    self.sum(&squares)
                }
                Step::Concat { of: parts } => {
                    let parts: Vec<String> = parts.iter().map(of).collect();
                    self.concat(&parts.iter().map(String::as_str).collect::<Vec<_>>())
                }
            });
        }
        made.pop().unwrap_or_default()
    }

    /// Adds a matrix of constants that multiplies a value with 32-bit or 64-bit elements.
    fn matrix(&mut self, matrix: &Matrix, double: bool) -> String {
        let constant = self.constant(&matrix.shape, &matrix.cells);
        if double { self.cast(&constant, DataType::Double) } else { constant }
    }

    /// Adds one constant for each column of a value with 32-bit or 64-bit elements.
    fn list(&mut self, constants: &[f32], double: bool) -> String {
        let constant = self.row(constants);
        if double { self.cast(&constant, DataType::Double) } else { constant }
    }

    /// Adds a node that concatenates columns.
    pub fn concat(&mut self, parts: &[&str]) -> String {
        self.node("Concat", parts, Some(integer("axis", 1)))
    }

    /// Adds the sum of the columns, `[rows, 1]`.
    pub fn sum(&mut self, of: &str) -> String {
        let axes = self.row(&[1i64]);
        // `keepdims` is 1 by default: the sum is a column.
        self.node("ReduceSum", &[of, &axes], None)
    }
}
