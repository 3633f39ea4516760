//! Steps beyond those of dense layers: trees, neighbours, step functions, and arithmetic in 64 bits.
//!
//! Only exported graphs have them. [`Scorer`](crate::kernels::Scorer) does not run them: a rule with such steps is scored by its own
//! code, and the steps describe what that computes.

use std::sync::Arc;

use super::{Graph, Matrix, Step, Value};

/// A step that only exported graphs have. A value with one column is broadcast over the columns of another.
#[derive(Clone, Debug, PartialEq)]
pub enum GeneralStep {
    /// Converts to 64-bit elements.
    Widen {
        /// The input.
        of: Value,
    },
    /// Converts to 32-bit elements.
    Narrow {
        /// The input.
        of: Value,
    },
    /// Applies a function to each cell.
    Map {
        /// The input.
        of: Value,
        /// The function.
        by: Function,
    },
    /// `factor · x + offset`, for 64-bit elements.
    Affine {
        /// The input `x`.
        of: Value,
        /// The factor.
        factor: f64,
        /// The offset.
        offset: f64,
    },
    /// The larger one of each cell and a constant.
    AtLeast {
        /// The input.
        of: Value,
        /// The constant.
        least: f64,
    },
    /// Combines two values cell by cell.
    Combine {
        /// The left value.
        left: Value,
        /// The right value.
        right: Value,
        /// How they are combined.
        by: Combination,
    },
    /// The cells of one value where a condition is above 0, and those of another elsewhere.
    Choose {
        /// The condition.
        condition: Value,
        /// The value where the condition is above 0.
        then: Value,
        /// The value elsewhere.
        otherwise: Value,
    },
    /// Selects columns.
    Select {
        /// The input.
        of: Value,
        /// The columns.
        columns: Vec<usize>,
    },
    /// The largest cell of each row, `[rows, 1]`.
    Largest {
        /// The input.
        of: Value,
    },
    /// The value of the leaf in which a row ends, for each tree, `[rows, trees]`.
    Trees {
        /// The input, with 32-bit elements.
        of: Value,
        /// At least one tree.
        trees: TreeNodes,
    },
    /// The number of knots of its column up to each cell, as an index.
    Rank {
        /// The input, with 32-bit elements.
        of: Value,
        /// The same number of knots for each column, in ascending order, `[columns, knots]`; at least one.
        knots: Matrix,
        /// Whether a knot that equals the cell counts.
        equal: bool,
    },
    /// The values of a table at indices, with 64-bit elements.
    Lookup {
        /// The indices.
        at: Value,
        /// One list of values for each column of the indices, or one for all columns, `[columns, values]`.
        table: LookupTable,
    },
    /// The indices of at least `count` rows that contain the nearest ones of each row, `[rows, more than count]`; all of them if there are
    /// fewer. They are found by matrix products, whose rounding leaves their order uncertain.
    Candidates {
        /// The input, with 32-bit elements.
        of: Value,
        /// The rows to find neighbours among, `[known, columns]`.
        known: Arc<Matrix>,
        /// The number of neighbours wanted.
        count: usize,
    },
    /// The squared distances to known rows at indices, with 64-bit elements, from the differences of their cells: exactly 0 for equal rows.
    SquaredDistances {
        /// The input, with 32-bit elements.
        of: Value,
        /// `[known, columns]`.
        known: Arc<Matrix>,
        /// The indices of known rows.
        at: Value,
    },
    /// The squared distances to all known rows, with 64-bit elements, `[rows, known]`, from matrix products.
    AllSquaredDistances {
        /// The input, with 32-bit elements.
        of: Value,
        /// `[known, columns]`.
        known: Arc<Matrix>,
    },
    /// The indices of the smallest cells of each row, smallest first and, among equal cells, in their order, `[rows, count]`.
    Smallest {
        /// The input.
        of: Value,
        /// The number of cells, at most the number of columns.
        count: usize,
    },
    /// The same cells in rows of another width: each row becomes several, or several become one.
    Reshape {
        /// The input.
        of: Value,
        /// The new width.
        width: usize,
    },
    /// Attention: the mean of the values of a row's tokens, weighted by the softmax over the tokens of `query · key`, for each head.
    Attention {
        /// What is compared, `[rows · queries, width]`. Each head has an equal part of the width.
        query: Value,
        /// What it is compared with, `[rows · tokens, width]`.
        key: Value,
        /// What is averaged, `[rows · tokens, width]`.
        value: Value,
        /// The numbers of queries and of tokens of a row.
        counts: [usize; 2],
        /// The number of heads, and the width of each.
        heads: [usize; 2],
    },
    /// The cells of each row at indices.
    Pick {
        /// The input.
        of: Value,
        /// The indices of columns.
        at: Value,
    },
}

/// A function of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `eˣ`.
    Exp,
    /// The natural logarithm.
    Log,
    /// The hyperbolic tangent.
    Tanh,
    /// The absolute value.
    Absolute,
}

/// A function of two cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// The sum.
    Sum,
    /// The product.
    Product,
    /// The larger one.
    Larger,
    /// The smaller one.
    Smaller,
}

/// A matrix of 64-bit constants.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupTable {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// The cells, row by row.
    pub cells: Vec<f64>,
}

/// Trees of splits, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeNodes {
    /// Four values a node: the column that it compares; the threshold, up to which a row goes to the first child; the index of the first
    /// child, which the second follows, counted from the root of the tree, or 0 at a leaf; the value of a leaf.
    pub nodes: Vec<[f32; 4]>,
    /// The number of nodes of each tree.
    pub sizes: Vec<usize>,
}

/// The type of a value's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats.
    Single,
    /// 64-bit floats.
    Double,
    /// Indices.
    Index,
}

impl GeneralStep {
    /// The inputs of the step.
    pub fn takes(&self) -> Vec<Value> {
        use GeneralStep::*;
        match self {
            Widen { of }
            | Narrow { of }
            | Map { of, .. }
            | Affine { of, .. }
            | AtLeast { of, .. }
            | Select { of, .. }
            | Largest { of }
            | Trees { of, .. }
            | Rank { of, .. }
            | Lookup { at: of, .. }
            | Candidates { of, .. }
            | AllSquaredDistances { of, .. }
            | Reshape { of, .. }
            | Smallest { of, .. } => vec![*of],
            Attention { query, key, value, .. } => vec![*query, *key, *value],
            Combine { left, right, .. } => vec![*left, *right],
            Choose { condition, then, otherwise } => vec![*condition, *then, *otherwise],
            SquaredDistances { of, at, .. } | Pick { of, at } => vec![*of, *at],
        }
    }

    /// The type of the result's elements, given that of an input.
    fn element(&self, of: impl Fn(&Value) -> Element) -> Element {
        use GeneralStep::*;
        match self {
            Narrow { .. } | Trees { .. } | Attention { .. } => Element::Single,
            Widen { .. } | Affine { .. } | Lookup { .. } | SquaredDistances { .. } | AllSquaredDistances { .. } => {
                Element::Double
            }
            Rank { .. } | Candidates { .. } | Smallest { .. } => Element::Index,
            Map { of: value, .. }
            | AtLeast { of: value, .. }
            | Reshape { of: value, .. }
            | Select { of: value, .. }
            | Largest { of: value }
            | Pick { of: value, .. } => of(value),
            Combine { left, .. } | Choose { then: left, .. } => of(left),
        }
    }
}

impl Graph {
    /// The type of each value's elements: of the rows and of each step's result. Dense steps keep the type of their first input.
    pub fn elements(&self) -> Vec<Element> {
        let mut elements = vec![Element::Single];
        for step in self.steps() {
            let of = |value: &Value| elements[value.index()];
            elements.push(match step {
                Step::General(step) => step.element(of),
                dense => dense.takes().first().map_or(Element::Single, of),
            });
        }
        elements
    }

    /// Adds a step beyond those of dense layers.
    pub fn general(&mut self, step: GeneralStep) -> Value {
        self.then(Step::General(step))
    }

    /// Adds a conversion to 64-bit elements.
    pub fn widen(&mut self, of: Value) -> Value {
        self.general(GeneralStep::Widen { of })
    }

    /// Adds a conversion to 32-bit elements.
    pub fn narrow(&mut self, of: Value) -> Value {
        self.general(GeneralStep::Narrow { of })
    }

    /// Adds a function of each cell.
    pub fn map(&mut self, of: Value, by: Function) -> Value {
        self.general(GeneralStep::Map { of, by })
    }

    /// Adds `factor · x + offset`, with 64-bit elements.
    pub fn affine(&mut self, of: Value, factor: f64, offset: f64) -> Value {
        self.general(GeneralStep::Affine { of, factor, offset })
    }

    /// Adds a combination of two values.
    pub fn combine(&mut self, left: Value, by: Combination, right: Value) -> Value {
        self.general(GeneralStep::Combine { left, right, by })
    }

    /// Adds the larger one of each cell and a constant.
    pub fn at_least(&mut self, of: Value, least: f64) -> Value {
        self.general(GeneralStep::AtLeast { of, least })
    }

    /// Adds a selection of columns.
    pub fn select(&mut self, of: Value, columns: impl IntoIterator<Item = usize>) -> Value {
        self.general(GeneralStep::Select { of, columns: columns.into_iter().collect() })
    }

    /// Adds the sum of each row's cells, `[rows, 1]`.
    pub fn sum(&mut self, of: Value) -> Value {
        self.then(Step::Sum { of })
    }

    /// Adds `ln(1 + eˣ)`, with 64-bit elements.
    pub fn softplus(&mut self, of: Value) -> Value {
        let size = self.map(of, Function::Absolute);
        let down = self.affine(size, -1.0, 0.0);
        let power = self.map(down, Function::Exp);
        let above_one = self.affine(power, 1.0, 1.0);
        let log = self.map(above_one, Function::Log);
        let positive = self.at_least(of, 0.0);
        self.combine(positive, Combination::Sum, log)
    }
}
