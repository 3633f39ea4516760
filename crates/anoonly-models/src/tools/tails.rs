//! How far a row lies in the tails of its columns' distributions, compared with the training rows.

use pulp::Arch;

use crate::graph::{Combination, GeneralStep, Graph, LookupTable, Matrix, Value};
use crate::tools::columns::{transpose, transposed, transposed_of};
use crate::{RowBlock, RuleData, SavedTensors};

/// The empirical distribution of each column.
#[derive(Clone, Debug)]
pub struct Tails {
    /// The sorted values of each column, `[columns, rows]`.
    sorted: Vec<f32>,
    /// The sign of each column's skew, `[columns]`: −1 for a longer left tail, 1 for a longer right tail, 0 for neither.
    skews: Vec<f32>,
    /// The first of each [`PART`] sorted values of each column, `[columns, parts]`.
    firsts: Vec<f32>,
    /// `−ln` of the share of values, given how many there are besides the value itself, `[rows + 1]`.
    rarities: Vec<f64>,
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
/// The number of consecutive sorted values of a column that a search compares one by one. The first of each such part is kept apart.
const PART: usize = 16;
/// Values that are searched at a time: each step waits for the one before, and the waits of several searches overlap.
const TOGETHER: usize = 16;

impl Tails {
    /// The distributions of the unlabelled rows.
    pub(crate) fn of(data: &RuleData) -> Self {
        let mut sorted = transposed_of(&data.rows, data.columns, &data.others);
        let mut skews = Vec::with_capacity(data.columns);
        for column in sorted.chunks_exact_mut(data.others.len()) {
            column.sort_unstable_by(f32::total_cmp);
            skews.push(skew(column));
        }
        Self::new(sorted, skews)
    }

    /// From sorted values, `[columns, rows]`, and the signs of skews, `[columns]`.
    fn new(sorted: Vec<f32>, skews: Vec<f32>) -> Self {
        let known = sorted.len() / skews.len();
        let firsts = sorted.chunks_exact(known).flat_map(|column| column.iter().step_by(PART)).copied().collect();
        let rarity = |seen: usize| -((seen + 1) as f64 / (known + 1) as f64).ln();
        Self { sorted, skews, firsts, rarities: (0..=known).map(rarity).collect() }
    }

    /// The sum over the columns of each row of what `worth` makes of the column's tails.
    pub(crate) fn score(&self, rows: RowBlock<'_>, worth: impl Fn(Tail) -> f64) -> Vec<f32> {
        rows.blocks(BLOCK).flat_map(|block| self.score_block(block, &worth)).collect()
    }

    fn score_block(&self, block: RowBlock<'_>, worth: impl Fn(Tail) -> f64) -> Vec<f32> {
        let known = self.known();
        let mut scores = vec![0.0f64; block.count()];
        let mut rows = vec![0.0; block.cells().len()];
        transpose(block.cells(), block.columns(), &mut rows);
        let (sorted, firsts) = (self.sorted.chunks_exact(known), self.firsts.chunks_exact(known.div_ceil(PART)));
        let columns = sorted.zip(firsts).zip(&self.skews).zip(rows.chunks_exact(block.count()));
        let mut ranks = vec![[0; 2]; block.count()];
        for (((sorted, firsts), &skew), column) in columns {
            Arch::new().dispatch(|| find_ranks(sorted, firsts, column, &mut ranks));
            for (score, &[below, up_to]) in scores.iter_mut().zip(&ranks) {
                let (left, right) = (self.rarities[up_to], self.rarities[known - below]);
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
        let mut side = |equal: bool, seen: &dyn Fn(usize) -> usize| {
            let rank = graph.general(GeneralStep::Rank { of: Graph::ROWS, knots: knots.clone(), equal });
            let table = LookupTable {
                shape: [1, known + 1],
                cells: (0..=known).map(|place| self.rarities[seen(place)]).collect(),
            };
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
        let tails = Self::new(transposed(&sorted, columns), saved.take("skews", &[columns])?);
        if let Some(path) = saved.left() {
            return Err(format!("distributions of columns have no tensor `{path}`"));
        }
        match tails.sorted.chunks_exact(tails.known()).position(|column| !column.is_sorted()) {
            None => Ok(tails),
            Some(column) => Err(format!("the values of column {column} are not sorted")),
        }
    }
}

/// Writes, for each value, how many sorted values are less, and how many are not more. `firsts` has the first of each [`PART`] of them.
#[inline(always)]
fn find_ranks(sorted: &[f32], firsts: &[f32], values: &[f32], ranks: &mut [[usize; 2]]) {
    for (values, ranks) in values.chunks(TOGETHER).zip(ranks.chunks_mut(TOGETHER)) {
        let mut sought = [0.0; TOGETHER];
        sought[..values.len()].copy_from_slice(values);
        let parts = parts_below(firsts, &sought);
        for ((rank, &value), &parts) in ranks.iter_mut().zip(values).zip(&parts) {
            let start = parts.saturating_sub(1) * PART;
            let next = parts * PART;
            let [below, up_to] = match sorted[start..].first_chunk::<PART>() {
                Some(part) if parts > 0 => counts(part, value),
                _ => counts(&sorted[start..next.min(sorted.len())], value),
            };
            // Equal values may go on in the next part.
            let up_to = match sorted.get(next) {
                Some(&first) if first == value => next + sorted[next..].partition_point(|&other| other <= value),
                _ => start + up_to,
            };
            *rank = [start + below, up_to];
        }
    }
}

/// How many of the ascending values are less than each of those sought.
#[inline(always)]
fn parts_below(firsts: &[f32], sought: &[f32; TOGETHER]) -> [usize; TOGETHER] {
    let (mut starts, mut left) = ([0; TOGETHER], firsts.len());
    while left > 1 {
        let half = left / 2;
        for (start, &value) in starts.iter_mut().zip(sought) {
            // There is no branch that depends on the value.
            *start += half * usize::from(firsts[*start + half - 1] < value);
        }
        left -= half;
    }
    let last = |start: usize, value: f32| start + usize::from(firsts.get(start).is_some_and(|&first| first < value));
    std::array::from_fn(|place| last(starts[place], sought[place]))
}

/// How many values are less than another one, and how many are not more.
#[inline(always)]
fn counts(values: &[f32], value: f32) -> [usize; 2] {
    let (mut below, mut up_to) = (0u32, 0u32);
    for &other in values {
        below += u32::from(other < value);
        up_to += u32::from(other <= value);
    }
    [below as usize, up_to as usize]
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

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    #[test]
    fn a_skew_has_the_sign_of_the_longer_tail() {
        let skews = [&[0.0, 1.0, 1.0][..], &[0.0, 0.0, 1.0], &[0.0, 1.0, 2.0], &[0.1, 0.1], &[0.3]].map(skew);
        assert_eq!(skews, [-1.0, 1.0, 0.0, 0.0, 0.0]);
    }

    /// Few different values, so that equal ones lie in several parts; and all different ones.
    #[test]
    fn ranks_are_those_of_a_plain_search() {
        for (count, distinct) in [(1, 1), (15, 5), (16, 16), (17, 2), (33, 1), (64, 64), (500, 7), (1000, 1000)] {
            let mut sorted: Vec<f32> = (0..count).map(|place| (place * 7919 % distinct) as f32).collect();
            sorted.sort_by(f32::total_cmp);
            let firsts: Vec<f32> = sorted.iter().step_by(PART).copied().collect();
            let values: Vec<f32> = (-1..=2 * distinct).map(|value| value as f32 / 2.0).collect();
            let mut ranks = vec![[0; 2]; values.len()];
            find_ranks(&sorted, &firsts, &values, &mut ranks);
            for (&value, rank) in values.iter().zip(ranks) {
                let plain =
                    [sorted.partition_point(|&other| other < value), sorted.partition_point(|&other| other <= value)];
                assert_eq!(rank, plain, "{value} among {count} values, {distinct} different ones");
            }
        }
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
