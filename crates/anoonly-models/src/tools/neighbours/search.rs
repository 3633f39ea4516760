//! The search for the neighbours of a few rows that are near to each other.

use std::ops::Range;

use super::Neighbours;
use super::tree::Split;
use crate::kernels::boxes::{GROUP, near};

/// Rows whose neighbours are searched for together.
pub(super) struct Search<'a> {
    among: &'a Neighbours,
    slack: f32,
    /// Minus the mean, `[rows, columns]`.
    rows: Vec<f32>,
    /// The same, `[columns, GROUP]`.
    columns: Vec<f32>,
    squares: Vec<f32>,
    /// The leaf of each row.
    leaves: Vec<usize>,
    /// The places of the rows if they are indexed rows themselves.
    own: Option<Range<usize>>,
    found: Vec<Found>,
    /// What the search through packed rows compares with.
    bounds: Vec<f32>,
    /// What the distance from a box is compared with; no row is within minus infinity.
    reaches: [f32; GROUP],
}

impl<'a> Search<'a> {
    /// A search for `count` neighbours of rows `[rows, columns]`, from which the mean has been subtracted, given their squares and leaves.
    pub fn new(among: &'a Neighbours, count: usize, rows: Vec<f32>, squares: Vec<f32>, leaves: Vec<usize>) -> Self {
        let mut columns = vec![0.0; among.columns * GROUP];
        for (place, row) in rows.chunks_exact(among.columns).enumerate() {
            columns[place..].iter_mut().step_by(GROUP).zip(row).for_each(|(to, &cell)| *to = cell);
        }
        let found = (0..squares.len()).map(|_| Found::new(count)).collect();
        let (bounds, slack) = (vec![f32::INFINITY; squares.len()], super::slack(among.columns));
        let reaches = [f32::NEG_INFINITY; GROUP];
        Self { among, slack, rows, columns, squares, leaves, own: None, found, bounds, reaches }
    }

    /// The same for rows that are indexed at these places: none is its own neighbour.
    pub fn without(self, own: Range<usize>) -> Self {
        Self { own: Some(own), ..self }
    }

    /// The places of the rows that may be neighbours, for each row.
    pub fn run(mut self) -> Vec<Found> {
        // Bounds are tight once each row has been compared with those of its own leaf.
        let mut from = 0;
        for leaves in self.leaves.clone().chunk_by(|a, b| a == b) {
            let which: Vec<usize> = (from..from + leaves.len()).collect();
            self.compare(leaves[0], &which);
            from += leaves.len();
        }
        self.visit(0, (1 << self.squares.len()) - 1, 0);
        self.found
    }

    /// Compares the marked rows with those of a node, without their own leaves.
    fn visit(&mut self, node: usize, marks: u64, depth: usize) {
        let split = self.among.tree.node(node).split;
        // Checking every level costs more than it saves.
        let marks = if split.is_none() || depth % 2 == 1 { marks & self.near(node) } else { marks };
        if marks == 0 {
            return;
        }
        let Some(Split { column, value, right }) = split else {
            let (mut which, mut count) = ([0; GROUP], 0);
            for row in (0..self.leaves.len()).filter(|row| marks >> row & 1 == 1) {
                which[count] = row;
                count += usize::from(self.leaves[row] != node);
            }
            return self.compare(node, &which[..count]);
        };
        let first = self.rows[marks.trailing_zeros() as usize * self.among.columns + column];
        let children = [node + 1, right];
        for child in if first < value { children } else { [children[1], children[0]] } {
            self.visit(child, marks, depth + 1);
        }
    }

    /// Marks the rows whose bounds do not exclude a node.
    fn near(&self, node: usize) -> u64 {
        let [lowest, highest] = self.among.tree.bounds(node);
        near(&self.columns, lowest, highest, &self.reaches, self.slack * self.among.tree.node(node).square)
    }

    /// Compares some rows with those of a leaf.
    fn compare(&mut self, leaf: usize, which: &[usize]) {
        let Self { among, slack, rows, squares, own, found, bounds, reaches, .. } = self;
        let own = own.as_ref().map(|own| own.start);
        let places = among.tree.node(leaf).places.clone();
        among.packed.scan(places, rows, which, bounds, |row, place, value| {
            let (found, rest) = (&mut found[row], (1.0 - *slack) * squares[row]);
            let lower = value + rest;
            if own != place.checked_sub(row) || own.is_none() {
                found.add(place as u32, lower, lower + 2.0 * *slack * (squares[row] + among.squares[place]));
            }
            reaches[row] = found.bound + *slack * squares[row];
            found.bound - rest
        });
    }
}

/// The rows that may be among the nearest of one row.
pub(super) struct Found {
    /// The number of neighbours wanted.
    count: usize,
    /// The `count` smallest upper bounds of squared distances so far, smallest first.
    upper: Vec<f32>,
    /// The largest of these bounds once there are `count`: a row that is certainly farther is no neighbour.
    bound: f32,
    /// Lower bounds of squared distances, with the places of the rows.
    candidates: Vec<(f32, u32)>,
    /// The number of candidates at which those beyond the bound are dropped.
    full: usize,
}

impl Found {
    fn new(count: usize) -> Self {
        let full = 4 * count + 64;
        Self {
            count,
            upper: Vec::with_capacity(count + 1),
            bound: f32::INFINITY,
            candidates: Vec::with_capacity(full),
            full,
        }
    }

    fn add(&mut self, place: u32, lower: f32, upper: f32) {
        if lower > self.bound {
            return;
        }
        if upper < self.bound {
            let at = self.upper.partition_point(|&other| other <= upper);
            self.upper.insert(at, upper);
            self.upper.truncate(self.count);
            if self.upper.len() == self.count {
                self.bound = self.upper[self.count - 1];
            }
        }
        self.candidates.push((lower, place));
        if self.candidates.len() >= self.full {
            let bound = self.bound;
            self.candidates.retain(|&(lower, _)| lower <= bound);
            self.full = 2 * self.candidates.len() + 64;
        }
    }

    /// The places of the candidates that are left.
    pub fn left(&self) -> impl Iterator<Item = usize> {
        self.candidates.iter().filter(|(lower, _)| *lower <= self.bound).map(|&(_, place)| place as usize)
    }
}
