//! The assignment of rows to the nearest of centres that move.

use super::squared_distance;
use crate::kernels::panels::packed_rows::{Centres, NewCentre, PackedRows};
use crate::kernels::products::StridedRows;
use crate::kernels::vectorised;
use crate::tools::neighbours::{slack, squares};

/// Rows that are assigned to centres.
///
/// While centres move less than half as far as the rows of a panel are closer to their own centre than to the next, these rows stay with their
/// centres: Hamerly, "Making k-means Even Faster", SDM 2010.
pub(super) struct Assignment<'a> {
    pub rows: StridedRows<'a>,
    /// The index of the row at each place, if the rows were reordered.
    order: Option<Vec<usize>>,
    packed: PackedRows,
    /// The squared distance of each row from the origin, and padding.
    squares: Vec<f32>,
    /// The cluster of each row, and padding.
    clusters: Vec<f32>,
    /// How much closer each row was to its own centre than to any other when it was last compared, and padding. Once rows are reordered, only
    /// those of panels that were compared since.
    margins: Vec<f32>,
    /// For each panel, how far centres had moved in all when its rows were last compared with them. As `margins`.
    compared: Vec<f64>,
    /// For each panel, how far centres may move in all before its rows are compared with them again.
    until: Vec<f64>,
    /// How far they have moved.
    moved: f64,
}

/// Panels that are compared with centres together.
const PANELS: usize = 64;

impl<'a> Assignment<'a> {
    /// Of all rows, packed in their order.
    pub fn new(rows: StridedRows<'a>, packed: PackedRows) -> Self {
        assert!(rows.indices.is_none(), "the rows have their own order");
        let mut origin = [NewCentre::new(packed.origin())];
        packed.nearest(&packed.no_centre(), &mut origin);
        let [NewCentre { squares, .. }] = origin;
        let (cells, until) = (vec![0.0; packed.stride()], vec![0.0; packed.stride() / packed.lanes()]);
        let (clusters, compared) = (cells.clone(), until.clone());
        Self { rows, order: None, packed, squares, clusters, margins: cells, compared, until, moved: 0.0 }
    }

    /// The cluster of each row.
    pub fn by_row(&self) -> Vec<usize> {
        let mut clusters: Vec<usize> =
            self.clusters[..self.rows.len()].iter().map(|&cluster| cluster as usize).collect();
        if let Some(order) = &self.order {
            order.iter().zip(&self.clusters).for_each(|(&row, &cluster)| clusters[row] = cluster as usize);
        }
        clusters
    }

    /// Puts rows with similar margins together, so that one near two centres does not have others compared that are not. At most once.
    pub fn reorder(&mut self) {
        assert!(self.order.is_none(), "margins are in the order of the rows");
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        // An eighth of a power of two apart.
        order.sort_by_key(|&row| self.margins[row].max(0.0).to_bits() >> 20);
        let lanes = self.packed.lanes();
        let limits: Vec<f64> =
            order.iter().map(|&row| limit(self.compared[row / lanes], &self.margins[row..=row])).collect();
        for (until, limits) in self.until.iter_mut().zip(limits.chunks(lanes)) {
            *until = limits.iter().copied().fold(f64::INFINITY, f64::min);
        }
        for cells in [&mut self.squares, &mut self.clusters] {
            let old = cells.clone();
            cells.iter_mut().zip(&order).for_each(|(cell, &row)| *cell = old[row]);
        }
        self.packed.fill(StridedRows { indices: Some(&order), ..self.rows });
        self.order = Some(order);
    }

    /// Assigns each row to the nearest centre, by [`squared_distance`], given how far a centre has moved at most. Calls `changed` with
    /// each row whose cluster changes, and with the old and the new cluster.
    pub fn update(&mut self, centres: &[f32], moved: f64, mut changed: impl FnMut(&[f32], usize, usize)) {
        self.moved += moved;
        let cells = self.packed.centred(centres);
        let squares = squares(&cells, self.rows.width);
        let largest = squares.iter().fold(0.0f32, |most, &square| most.max(square));
        // The errors of both ways to compute the distances of two centres, also those of subtracting the origin.
        let given = Centres { cells: &cells, squares: &squares, error: 4.0 * slack(self.rows.width), largest };
        let mut from = 0;
        while from < self.until.len() {
            let due = |panel: &usize| self.until[*panel] <= self.moved;
            let Some(start) = (from..self.until.len()).find(due) else { break };
            let most = self.until.len().min(start + PANELS);
            from = (start..most).find(|panel| !due(panel)).unwrap_or(most);
            let mut others = Vec::new();
            let rows = StridedRows { indices: self.order.as_deref(), ..self.rows };
            let other = |place, cluster, certain| {
                rows.fetch(place..place + 1);
                others.push((place, cluster, certain));
            };
            self.packed.compare(start..from, given, &self.squares, &self.clusters, &mut self.margins, other);
            vectorised!(for &(place, cluster, certain) in &others {
                let row = rows.row(place);
                let cluster = if certain { cluster } else { nearest(row, centres) };
                let before = self.clusters[place] as usize;
                if cluster != before {
                    changed(row, before, cluster);
                    self.clusters[place] = cluster as f32;
                }
            });
            let lanes = self.packed.lanes();
            let margins = self.margins[start * lanes..from * lanes].chunks_exact(lanes);
            for (until, margins) in self.until[start..from].iter_mut().zip(margins) {
                *until = limit(self.moved, margins);
            }
            self.compared[start..from].fill(self.moved);
        }
    }
}

/// How far centres may move in all before rows with these margins are compared with them again. They had moved by `moved` when the margins
/// were found.
fn limit(moved: f64, margins: &[f32]) -> f64 {
    // A margin that is not known is none.
    let margin = margins.iter().fold(f32::INFINITY, |least, margin| least.min(margin.max(0.0)));
    // Either distance may change by what a centre moves. A little less than half, for rounding.
    moved + 0.499 * f64::from(margin)
}

/// The index of the nearest centre, and of the first one if there are several.
#[inline(always)]
fn nearest(row: &[f32], centres: &[f32]) -> usize {
    let (mut nearest, mut least) = (0, f64::INFINITY);
    for (cluster, centre) in centres.chunks_exact(row.len()).enumerate() {
        let square = squared_distance(row, centre);
        (nearest, least) = if square < least { (cluster, square) } else { (nearest, least) };
    }
    nearest
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use anoonly_core::Seed;
    use rand::RngExt;

    use super::*;

    /// Centres that wander, so that rows change their cluster long after they were last compared. Rows are in the order of their first column,
    /// so that those of a panel have similar margins, and some panels are left alone before the rows are reordered, too.
    #[test]
    fn every_row_is_with_its_nearest_centre_before_and_after_rows_are_reordered() {
        let mut rng = Seed(2).stream(&["wandering centres"]);
        let rows: Vec<f32> = (0..500).flat_map(|row| [row as f32 / 500.0, rng.random_range(0.0..0.2)]).collect();
        let all = StridedRows::all(&rows, 2);
        let mut centres = vec![0.1, 0.1, 0.5, 0.1, 0.9, 0.1];
        let mut assignment = Assignment::new(all, PackedRows::new(all, vec![0.5, 0.1]));
        let (mut moved, mut changes, mut left_alone) = (0.0, 0, false);
        for round in 0..60 {
            if round == 20 {
                assignment.reorder();
            }
            assignment.update(&centres, moved, |_, _, _| changes += usize::from(round >= 20));
            left_alone |= round < 20 && assignment.compared.iter().any(|compared| *compared < assignment.moved);
            let expected: Vec<usize> = rows.chunks_exact(2).map(|row| nearest(row, &centres)).collect();
            assert_eq!(assignment.by_row(), expected, "round {round}");
            centres.iter_mut().step_by(2).for_each(|cell| *cell += 0.004);
            moved = 0.004001;
        }
        assert!(left_alone && changes > 100, "{changes}");
    }
}
