//! The columns of a table as features, as the encoder makes them.
//!
//! Columns of one kind go through the same nodes, as a matrix with one line for each column: runtimes join columns to such a matrix, and
//! move its lines, without touching single cells. Only the matrix of all features is turned.

mod categories;
mod dates;

use anoonly_data::encode::{ColumnKind, EncodedColumn, Encoding};

use super::inputs::{MATRIX, OnnxForm, OnnxInput};
use super::nodes::{ConstantElement, Nodes, integer, integers};
use super::proto::DataType;

/// What the columns of a table become.
pub struct Features {
    /// 32-bit floats, `[rows, features]`.
    pub rows: String,
    /// Whether a row has a number that is infinite or very far from those of the training rows, `[rows]`. `None` if there are no numbers.
    pub far: Option<String>,
}

/// Features in the order in which they were made.
struct Block {
    /// The matrix, with one line for each entry of `features`, or one column in the form of a matrix.
    value: String,
    /// The place of each among all features; `None` for one that is not used.
    features: Vec<Option<usize>>,
}

/// A column with its input and the place of its first feature.
#[derive(Clone, Copy)]
struct Source<'a> {
    column: &'a EncodedColumn,
    input: &'a OnnxInput,
    place: usize,
    /// The place among the columns of the table.
    order: usize,
}

impl Source<'_> {
    /// The place of the feature that marks missing values.
    fn indicator(&self) -> Option<usize> {
        self.column.indicator.then(|| self.place + self.column.width() - 1)
    }
}

/// Builds the features.
struct Builder<'a> {
    nodes: &'a mut Nodes,
    form: OnnxForm,
    columns: usize,
    blocks: Vec<Block>,
}

/// Adds the features of columns with these inputs.
pub fn features(nodes: &mut Nodes, columns: &[EncodedColumn], inputs: &[OnnxInput], form: OnnxForm) -> Features {
    nodes.part = "columns".into();
    let mut width = 0;
    let mut sources = Vec::new();
    for (order, (column, input)) in columns.iter().zip(inputs).enumerate() {
        sources.push(Source { column, input, place: width, order });
        width += column.width();
    }
    let of_kind = |kind: ColumnKind| -> Vec<Source<'_>> {
        sources.iter().copied().filter(|source| source.input.kind == kind).collect()
    };
    let mut builder = Builder { nodes, form, columns: columns.len(), blocks: Vec::new() };
    let far = builder.numbers(&of_kind(ColumnKind::Number));
    builder.truths(&of_kind(ColumnKind::Truth));
    builder.dates(&of_kind(ColumnKind::Date));
    builder.categories(&of_kind(ColumnKind::Category));
    Features { rows: builder.joined(width), far }
}

impl Builder<'_> {
    /// The axis of the columns.
    fn axis(&self) -> i64 {
        i64::from(self.form == OnnxForm::Matrix)
    }

    /// A constant with one value for each column.
    fn constants<T: ConstantElement>(&mut self, values: &[T]) -> String {
        match self.form {
            OnnxForm::Columns => self.nodes.constant(&[values.len(), 1], values),
            OnnxForm::Matrix => self.nodes.row(values),
        }
    }

    /// Adds a node that combines a matrix with one constant for each column.
    fn with_constants<T: ConstantElement>(&mut self, operator: &str, of: &str, values: &[T]) -> String {
        let constants = self.constants(values);
        self.nodes.node(operator, &[of, &constants], None)
    }

    /// Adds a node that picks columns of a matrix, unless they are all of its `count` columns in their order.
    fn picked(&mut self, of: &str, count: usize, columns: &[usize]) -> String {
        if columns.iter().copied().eq(0..count) {
            return of.into();
        }
        let columns: Vec<i64> = columns.iter().map(|&column| column as i64).collect();
        let columns = self.nodes.row(&columns);
        self.nodes.node("Gather", &[of, &columns], [integer("axis", self.axis())])
    }

    /// The cells of columns of one kind as a matrix.
    fn cells(&mut self, sources: &[Source<'_>]) -> String {
        match self.form {
            OnnxForm::Columns => {
                let names: Vec<&str> = sources.iter().map(|source| source.input.name.as_str()).collect();
                self.stacked(&names)
            }
            OnnxForm::Matrix => {
                let columns: Vec<usize> = sources.iter().map(|source| source.order).collect();
                self.picked(MATRIX, self.columns, &columns)
            }
        }
    }

    /// Values `[rows]` as the lines of a matrix.
    fn stacked(&mut self, values: &[&str]) -> String {
        let all = match values {
            [one] => (*one).to_owned(),
            _ => self.nodes.node("Concat", values, [integer("axis", 0)]),
        };
        let shape = self.nodes.row(&[values.len() as i64, -1]);
        self.nodes.node("Reshape", &[&all, &shape], None)
    }

    /// Adds the features of numbers; returns which rows have one that is very far from those of the training rows.
    fn numbers(&mut self, sources: &[Source<'_>]) -> Option<String> {
        if sources.is_empty() {
            return None;
        }
        let cells = self.cells(sources);
        let distance = self.distance(&cells, sources);
        // After the cast, because not every runtime implements `IsNaN` for 64-bit floats.
        let missing = self.nodes.node("IsNaN", &[&distance], None);
        let zero = self.nodes.row(&[0.0f32]);
        let values = self.nodes.node("Where", &[&missing, &zero, &distance], None);
        self.add(values, sources.iter().map(|source| Some(source.place)));
        self.add_indicators(&missing, sources);

        // Infinite numbers are far even where the range of the training rows is unknown.
        let bounds = |source: &Source<'_>| source.column.far_bounds().unwrap_or([f64::MIN, f64::MAX]);
        let lowest: Vec<f64> = sources.iter().map(|source| bounds(source)[0].max(f64::MIN)).collect();
        let highest: Vec<f64> = sources.iter().map(|source| bounds(source)[1].min(f64::MAX)).collect();
        let below = self.with_constants("Less", &cells, &lowest);
        let above = self.with_constants("Greater", &cells, &highest);
        let outside = self.nodes.node("Or", &[&below, &above], None);
        let outside = self.nodes.cast(&outside, DataType::Float);
        let axes = self.nodes.row(&[self.axis()]);
        let count = self.nodes.node("ReduceSum", &[&outside, &axes], [integer("keepdims", 0)]);
        Some(self.nodes.with_row("Greater", &count, &[0.0f32]))
    }

    /// Adds the features of truth values. A number other than 0 and 1 counts as missing.
    fn truths(&mut self, sources: &[Source<'_>]) {
        if sources.is_empty() {
            return;
        }
        let cells = self.cells(sources);
        let [no, yes] = [0.0f64, 1.0].map(|truth| self.nodes.with_row("Equal", &cells, &[truth]));
        let known = self.nodes.node("Or", &[&no, &yes], None);
        let distance = self.distance(&cells, sources);
        let zero = self.nodes.row(&[0.0f32]);
        let values = self.nodes.node("Where", &[&known, &distance, &zero], None);
        self.add(values, sources.iter().map(|source| Some(source.place)));
        if sources.iter().any(|source| source.column.indicator) {
            let missing = self.nodes.node("Not", &[&known], None);
            self.add_indicators(&missing, sources);
        }
    }

    /// The distances of cells from the medians of their columns, in the units of the columns.
    fn distance(&mut self, cells: &str, sources: &[Source<'_>]) -> String {
        let number = |source: &Source<'_>| match source.column.encoding {
            Encoding::Number { median, unit } => (median, unit),
            _ => (0.0, 1.0),
        };
        let (medians, units): (Vec<f64>, Vec<f64>) = sources.iter().map(number).unzip();
        let mut distance = self.with_constants("Sub", cells, &medians);
        if units.iter().any(|&unit| unit != 1.0) {
            distance = self.with_constants("Div", &distance, &units);
        }
        self.nodes.cast(&distance, DataType::Float)
    }

    /// Adds the features that mark missing values, of columns that have one.
    fn add_indicators(&mut self, missing: &str, sources: &[Source<'_>]) {
        if sources.iter().any(|source| source.column.indicator) {
            let marks = self.nodes.cast(missing, DataType::Float);
            self.add(marks, sources.iter().map(Source::indicator));
        }
    }

    fn add(&mut self, value: String, features: impl Iterator<Item = Option<usize>>) {
        self.blocks.push(Block { value, features: features.collect() });
    }

    /// All features in their order, `[rows, features]`.
    fn joined(&mut self, width: usize) -> String {
        let values: Vec<&str> = self.blocks.iter().map(|block| block.value.as_str()).collect();
        let all = match values.as_slice() {
            [one] => (*one).to_owned(),
            values => self.nodes.node("Concat", values, [integer("axis", self.axis())]),
        };
        let made: Vec<Option<usize>> = self.blocks.iter().flat_map(|block| block.features.iter().copied()).collect();
        let mut order = vec![0; width];
        made.iter().enumerate().for_each(|(line, feature)| {
            if let Some(feature) = feature {
                order[*feature] = line;
            }
        });
        let ordered = self.picked(&all, made.len(), &order);
        match self.form {
            OnnxForm::Columns => self.nodes.node("Transpose", &[&ordered], [integers("perm", vec![1, 0])]),
            OnnxForm::Matrix => ordered,
        }
    }
}
