//! How far a row lies in the tails of its columns' distributions, compared with the training rows.

use crate::graph::{Combination, GeneralStep, Graph, LookupTable, Matrix, Value};
use crate::{RowBlock, RuleData, SavedTensors};

/// The empirical distribution of each column.
#[derive(Clone, Debug)]
pub struct Tails {
    /// The sorted values of each column, `[columns, rows]`.
    sorted: Vec<f32>,
    /// The sign of each column's skew, `[columns]`: −1 for a longer left tail, 1 for a longer right tail, 0 for neither.
    skews: Vec<f32>,
}

/// How rare it is to be as far out as a value, by the left tail, the right tail, and the tail that the column is skewed to.
pub(crate) struct Tail {
    /// `−ln` of the share of values up to this one.
    pub left: f64,
    /// `−ln` of the share of values from this one on.
    pub right: f64,
    /// `left` or `right`, whichever is on the side of the skew, and their sum for a column without skew.
    pub skewed: f64,
}

/// Rows whose columns are compared together: a column's sorted values stay in the cache from row to row.
const BLOCK: usize = 1024;

impl Tails {
    /// The distributions of the unlabelled rows.
    pub(crate) fn of(data: &RuleData) -> Self {
        let mut sorted = transposed(&data.other_rows(), data.columns);
        let mut skews = Vec::with_capacity(data.columns);
        for column in sorted.chunks_exact_mut(data.others.len()) {
            column.sort_unstable_by(f32::total_cmp);
            skews.push(skew(column));
        }
        Self { sorted, skews }
    }

    /// The sum over the columns of each row of what `worth` makes of the column's tails.
    pub(crate) fn score(&self, rows: RowBlock<'_>, worth: impl Fn(Tail) -> f64) -> Vec<f32> {
        rows.blocks(BLOCK).flat_map(|block| self.score_block(block, &worth)).collect()
    }

    fn score_block(&self, block: RowBlock<'_>, worth: impl Fn(Tail) -> f64) -> Vec<f32> {
        let known = self.known();
        let mut scores = vec![0.0f64; block.count()];
        let rows = transposed(block.cells(), block.columns());
        let columns = self.sorted.chunks_exact(known).zip(&self.skews).zip(rows.chunks_exact(block.count()));
        for ((sorted, &skew), column) in columns {
            for (score, &value) in scores.iter_mut().zip(column) {
                // The value itself counts as one more.
                let rarity = |seen: usize| -((seen + 1) as f64 / (known + 1) as f64).ln();
                let left = rarity(sorted.partition_point(|&other| other <= value));
                let right = rarity(known - sorted.partition_point(|&other| other < value));
                let skewed = match skew {
                    _ if skew < 0.0 => left,
                    _ if skew > 0.0 => right,
                    _ => left + right,
                };
                *score += worth(Tail { left, right, skewed });
            }
        }
        scores.into_iter().map(|score| score as f32).collect()
    }

    /// Adds the rarities to a graph, by the left tail, the right tail and the tail of the skew, `[rows, columns]` each, with 64-bit
    /// elements.
    pub(crate) fn describe(&self, graph: &mut Graph) -> [Value; 3] {
        let (known, columns) = (self.known(), self.skews.len());
        let knots = Matrix { shape: [columns, known], cells: self.sorted.clone() };
        let rarity = |seen: usize| -((seen + 1) as f64 / (known + 1) as f64).ln();
        let mut side = |equal: bool, seen: &dyn Fn(usize) -> usize| {
            let rank = graph.general(GeneralStep::Rank { of: Graph::ROWS, knots: knots.clone(), equal });
            let table =
                LookupTable { shape: [1, known + 1], cells: (0..=known).map(|place| rarity(seen(place))).collect() };
            graph.general(GeneralStep::Lookup { at: rank, table })
        };
        let [left, right] = [side(true, &|place| place), side(false, &|place| known - place)];
        let share =
            |counts: fn(f32) -> bool| self.skews.iter().map(|&skew| f32::from(u8::from(counts(skew)))).collect();
        let of_left = graph.multiply(left, share(|skew| skew <= 0.0));
        let of_right = graph.multiply(right, share(|skew| skew >= 0.0));
        let skewed = graph.combine(of_left, Combination::Sum, of_right);
        [left, right, skewed]
    }

    /// The number of values in each column.
    fn known(&self) -> usize {
        self.sorted.len() / self.skews.len()
    }

    /// `sorted`, `[rows, columns]`, and `skews`, `[columns]`.
    pub(crate) fn save(&self) -> SavedTensors {
        let (rows, columns) = (self.known(), self.skews.len());
        let sorted = transposed(&self.sorted, rows);
        SavedTensors::default().with("sorted", &[rows, columns], sorted).with("skews", &[columns], self.skews.clone())
    }

    /// The distributions that [`save`](Self::save) saved, of at least one row.
    pub(crate) fn restore(columns: usize, saved: &mut SavedTensors) -> Result<Self, String> {
        let sorted = saved.take_rows("sorted", columns)?;
        if sorted.is_empty() {
            return Err("tensor `sorted` has no rows".into());
        }
        let tails = Self { sorted: transposed(&sorted, columns), skews: saved.take("skews", &[columns])? };
        if let Some(path) = saved.left() {
            return Err(format!("distributions of columns have no tensor `{path}`"));
        }
        match tails.sorted.chunks_exact(tails.known()).position(|column| !column.is_sorted()) {
            None => Ok(tails),
            Some(column) => Err(format!("the values of column {column} are not sorted")),
        }
    }
}

/// The sign of the third central moment of sorted values.
fn skew(sorted: &[f32]) -> f32 {
    if sorted.first() == sorted.last() {
        return 0.0;
    }
    let mean = sorted.iter().map(|&value| f64::from(value)).sum::<f64>() / sorted.len() as f64;
    let moment: f64 = sorted.iter().map(|&value| (f64::from(value) - mean).powi(3)).sum();
    if moment == 0.0 { 0.0 } else { moment.signum() as f32 }
}

/// The transposed matrix of rows, `[rows, columns]` to `[columns, rows]`.
fn transposed(cells: &[f32], columns: usize) -> Vec<f32> {
    let rows = cells.len() / columns;
    let mut transposed = vec![0.0; cells.len()];
    for (row, cells) in cells.chunks_exact(columns).enumerate() {
        cells.iter().enumerate().for_each(|(column, &cell)| transposed[column * rows + row] = cell);
    }
    transposed
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    #[test]
    fn a_skew_has_the_sign_of_the_longer_tail() {
        let skews = [&[0.0, 1.0, 1.0][..], &[0.0, 0.0, 1.0], &[0.0, 1.0, 2.0], &[0.1, 0.1], &[0.3]].map(skew);
        assert_eq!(skews, [-1.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_matrix_transposed_twice_is_the_same() {
        let cells: Vec<f32> = (0..6).map(|cell| cell as f32).collect();
        assert_eq!(transposed(&cells, 3), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(transposed(&transposed(&cells, 3), 2), cells);
    }

    #[test]
    fn saved_distributions_are_restored_and_empty_ones_refused() {
        let rows: Vec<f32> = (0..12).map(|cell| (cell * 5 % 7) as f32).collect();
        let data = RuleData {
            rows: rows.clone(),
            columns: 3,
            others: vec![0, 1, 2, 3],
            anomalies: Vec::new(),
            normals: Vec::new(),
        };
        let tails = Tails::of(&data);
        let score = |tails: &Tails| tails.score(RowBlock::new(&rows, 3), |tail| tail.left + 2.0 * tail.skewed);
        let restored = Tails::restore(3, &mut tails.save()).unwrap();
        assert_eq!(score(&restored), score(&tails));
        assert_eq!(restored.save(), tails.save());
        let empty = SavedTensors::default().with("sorted", &[0, 3], Vec::new()).with("skews", &[3], vec![0.0; 3]);
        assert!(Tails::restore(3, &mut empty.clone()).is_err());
        let unsorted = SavedTensors::default().with("sorted", &[2, 2], vec![0.0, 5.0, 1.0, 4.0]);
        let unsorted = unsorted.with("skews", &[2], vec![0.0; 2]);
        assert_eq!(Tails::restore(2, &mut unsorted.clone()).unwrap_err(), "the values of column 1 are not sorted");
    }
}
