//! The opinions and their joint score as steps of a graph.

use super::{COUNT, GROUPS, Opinions};
use crate::graph::{Combination, GeneralStep, Graph, LookupTable, Matrix, Step, Value};
use crate::rules::quorum::held_out::Joining;
use crate::rules::quorum::known::{EQUAL, NEIGHBOURS, SHORTEST};
use crate::tools::neighbours::Neighbours;
use crate::tools::normal_scores::NormalScores;

impl Opinions {
    /// Adds [`values`](Self::values) to a graph, with 32-bit elements.
    fn describe(&self, graph: &mut Graph) -> [Value; COUNT] {
        let width = self.whitening.width();
        let white = self.whitening.describe(graph);
        let wide = graph.widen(white);
        let squares = graph.combine(wide, Combination::Product, wide);
        let [along, squared] = [(wide, &self.directions), (squares, &self.squares)].map(|(of, vectors)| {
            let cells = super::transposed(vectors, width);
            let products = graph.linear(of, Matrix { shape: [width, super::AXES], cells }, None);
            std::array::from_fn::<Value, { super::AXES }, _>(|axis| graph.select(products, [axis]))
        });
        let cosines = [1, 2, 3].map(|axis| {
            let square = graph.at_least(squared[axis], 1e-12);
            let length = graph.then(Step::Root { of: square });
            graph.then(Step::Divide { left: along[axis], right: length })
        });
        let distance = self.describe_distance(graph, white);
        let crowd = self.describe_crowd(graph, wide);
        let forest = self.forest.describe_mean(graph, Graph::ROWS);
        let widest = graph.select(white, width.saturating_sub(super::WIDE)..width);
        let turned = self.turned.describe_mean(graph, widest);
        [squared[0], distance, cosines[0], cosines[1], cosines[2], crowd, forest, turned].map(|of| graph.narrow(of))
    }

    /// Adds the distance of each whitened row to the nearest known one.
    fn describe_distance(&self, graph: &mut Graph, white: Value) -> Value {
        let known = Neighbours::new(self.known.rows().to_vec(), self.whitening.width());
        let count = if self.known.equal_left_out() { 2.min(known.rows()) } else { 1 };
        let [_, squares] = known.describe(graph, white, count);
        let first = graph.select(squares, [0]);
        let nearest = match count {
            1 => first,
            _ => {
                let second = graph.select(squares, [1]);
                // Whitening elsewhere rounds otherwise, so that equal rows are not exactly equal.
                let wide = graph.widen(white);
                let square = graph.then(Step::SumOfSquares { of: wide });
                let equal = graph.affine(square, EQUAL, 0.0);
                let condition = graph.then(Step::Subtract { left: first, right: equal });
                graph.general(GeneralStep::Choose { condition, then: first, otherwise: second })
            }
        };
        graph.then(Step::Root { of: nearest })
    }

    /// Adds minus the mean of the largest cosines of each whitened row, with 64-bit elements, with known ones.
    fn describe_crowd(&self, graph: &mut Graph, wide: Value) -> Value {
        let square = graph.then(Step::SumOfSquares { of: wide });
        let length = graph.then(Step::Root { of: square });
        let points = graph.affine(length, 1.0, -SHORTEST);
        let unit = graph.then(Step::Divide { left: wide, right: length });
        let zeros = graph.affine(wide, 0.0, 0.0);
        let unit = graph.general(GeneralStep::Choose { condition: points, then: unit, otherwise: zeros });
        let unit = graph.narrow(unit);
        let (units, directed) = self.known.units();
        let units = Neighbours::new(units, self.whitening.width());
        let [places, squares] = units.describe(graph, unit, NEIGHBOURS);
        let cosines = graph.affine(squares, -0.5, 1.0);
        let cells: Vec<f64> = directed.into_iter().map(|directed| f64::from(u8::from(directed))).collect();
        let known =
            graph.general(GeneralStep::Lookup { at: places, table: LookupTable { shape: [1, cells.len()], cells } });
        let cosines = graph.combine(cosines, Combination::Product, known);
        let sum = graph.sum(cosines);
        let mean = graph.affine(sum, -1.0 / NEIGHBOURS.min(units.rows()) as f64, 0.0);
        let zero = graph.affine(mean, 0.0, 0.0);
        graph.general(GeneralStep::Choose { condition: points, then: mean, otherwise: zero })
    }

    /// The steps of the joint score.
    pub fn graph(&self, scales: &[NormalScores; COUNT], joining: &Joining) -> Graph {
        let mut graph = Graph::default();
        let values = self.describe(&mut graph);
        let levels: Vec<Value> =
            values.iter().zip(scales).map(|(&value, scale)| scale.describe(&mut graph, value)).collect();
        let mut parts = Vec::new();
        for (group, [width, weight]) in GROUPS.into_iter().zip(joining.groups) {
            let joined = graph.then(Step::Concat { of: levels[group].to_vec() });
            let sum = graph.sum(joined);
            let ratio = graph.affine(sum, 1.0 / f64::from(width), 0.0);
            let bent = graph.softplus(ratio);
            parts.push(graph.affine(bent, f64::from(weight), 0.0));
        }
        let parts = graph.then(Step::Concat { of: parts });
        let score = graph.sum(parts);
        graph.narrow(score);
        graph
    }
}
