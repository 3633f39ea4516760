//! How far a row lies in the tails of its columns' distributions, compared with the training rows.

use crate::graph::{Combination, GeneralStep, Graph, LookupTable, Matrix, Value};
use crate::kernels::vectorised;
use crate::tools::columns::{transpose, transposed, transposed_of};
use crate::{RowBlock, RuleData, SavedTensors};

/// The empirical distribution of each column.
#[derive(Clone, Debug)]
pub struct Tails {
    /// The sorted values of each column, `[columns, rows]`.
    sorted: Vec<f32>,
    /// The sign of each column's skew, `[columns]`: −1 for a longer left tail, 1 for a longer right tail, 0 for neither.
    skews: Vec<f32>,
    /// Where the sorted values of each column lie.
    buckets: Vec<Buckets>,
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

/// Sorted values by their place between the smallest and the largest one, in buckets of equal width.
#[derive(Clone, Debug)]
struct Buckets {
    /// The smallest value.
    low: f32,
    /// The number of buckets in a unit.
    scale: f32,
    /// How many values the buckets before each one have, and the number of all values, `[buckets + 1]`.
    starts: Vec<u32>,
}

/// Cells of rows whose columns are compared together: a column's sorted values stay in the cache from row to row.
const BLOCK_CELLS: usize = 1 << 20;
/// The mean number of values in a bucket. Most values of a column may lie in a small part of its range.
const PER_BUCKET: usize = 2;
/// The number of values, from the first of a bucket on, that are compared one by one. In a longer bucket, values are searched.
const WINDOW: usize = 8;
/// The number of values whose places are found at a time.
const TOGETHER: usize = 64;

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
        let buckets = sorted.chunks_exact(known).map(Buckets::new).collect();
        let rarity = |seen: usize| -((seen + 1) as f64 / (known + 1) as f64).ln();
        Self { sorted, skews, buckets, rarities: (0..=known).map(rarity).collect() }
    }

    /// The sum over the columns of each row of what `worth` makes of the column's tails.
    pub(crate) fn score(&self, rows: RowBlock<'_>, worth: impl Fn(Tail) -> f64) -> Vec<f32> {
        let count = (BLOCK_CELLS / rows.columns()).max(TOGETHER);
        rows.blocks(count).flat_map(|block| self.score_block(block, &worth)).collect()
    }

    fn score_block(&self, block: RowBlock<'_>, worth: impl Fn(Tail) -> f64) -> Vec<f32> {
        let known = self.known();
        let mut scores = vec![0.0f64; block.count()];
        let mut rows = vec![0.0; block.cells().len()];
        transpose(block.cells(), block.columns(), &mut rows);
        let columns = self.sorted.chunks_exact(known).zip(&self.buckets).zip(&self.skews);
        for (((sorted, buckets), &skew), column) in columns.zip(rows.chunks_exact(block.count())) {
            let add = |score: &mut f64, [below, up_to]: [usize; 2]| {
                let (left, right) = (self.rarities[up_to], self.rarities[known - below]);
                let skewed = match skew {
                    _ if skew < 0.0 => left,
                    _ if skew > 0.0 => right,
                    _ => left + right,
                };
                *score += worth(Tail { left, right, skewed });
            };
            vectorised!({
                for (values, scores) in column.chunks(TOGETHER).zip(scores.chunks_mut(TOGETHER)) {
                    let ranks = buckets.ranks(sorted, values);
                    scores.iter_mut().zip(ranks).for_each(|(score, ranks)| add(score, ranks));
                }
            });
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

impl Buckets {
    /// Of sorted values, at least one.
    fn new(sorted: &[f32]) -> Self {
        let (low, count) = (sorted[0], (sorted.len() / PER_BUCKET).max(1));
        // Where the range has no width, or overflows, all values lie in the first bucket or in the last one.
        let scale = count as f32 / (sorted[sorted.len() - 1] - low);
        let mut buckets = Self { low, scale, starts: vec![0; count + 1] };
        sorted.iter().for_each(|&value| {
            let bucket = buckets.of(value);
            buckets.starts[bucket + 1] += 1;
        });
        let mut sum = 0;
        buckets.starts.iter_mut().for_each(|start| {
            sum += *start;
            *start = sum;
        });
        buckets
    }

    /// The bucket of a value. A larger value has the same or a later one, because differences and products are rounded to the nearest
    /// number and the conversion stays within the range of integers.
    #[inline(always)]
    fn of(&self, value: f32) -> usize {
        let bucket = ((value - self.low) * self.scale) as u32;
        (bucket as usize).min(self.starts.len() - 2)
    }

    /// How many sorted values are less than each value, and how many are not more, for up to [`TOGETHER`] values.
    #[inline(always)]
    fn ranks(&self, sorted: &[f32], values: &[f32]) -> [[usize; 2]; TOGETHER] {
        let (mut places, mut ranks) = ([0; TOGETHER], [[0; 2]; TOGETHER]);
        places.iter_mut().zip(values).for_each(|(place, &value)| *place = self.of(value));
        for ((rank, &value), place) in ranks.iter_mut().zip(values).zip(places) {
            let start = self.starts[place] as usize;
            *rank = match sorted[start..].first_chunk::<WINDOW>() {
                Some(window) if window[WINDOW - 1] > value => counts(window, value).map(|count| start + count),
                _ => self.search(sorted, place, value),
            };
        }
        ranks
    }

    /// The same of one value, given its bucket.
    #[inline(never)]
    fn search(&self, sorted: &[f32], bucket: usize, value: f32) -> [usize; 2] {
        let (start, end) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
        let below = start + sorted[start..end].partition_point(|&other| other < value);
        [below, below + sorted[below..end].partition_point(|&other| other <= value)]
    }
}

/// How many values are less than another one, and how many are not more.
#[inline(always)]
fn counts(values: &[f32; WINDOW], value: f32) -> [usize; 2] {
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

    /// Few different values, so that buckets are longer than a window; all different ones; values far from the others, so that these
    /// share a bucket; and values between which the difference overflows or is too small for a bucket.
    #[test]
    fn ranks_are_those_of_a_plain_search() {
        let spread = |count: usize, distinct: usize| -> Vec<f32> {
            (0..count).map(|place| (place * 7919 % distinct) as f32).collect()
        };
        let mut columns: Vec<Vec<f32>> =
            [(1, 1), (2, 2), (7, 7), (15, 5), (16, 16), (17, 2), (33, 1), (64, 64), (500, 7), (1000, 1000)]
                .map(|(count, distinct)| spread(count, distinct))
                .to_vec();
        columns.push([spread(300, 300), vec![1e30, -1e30, 1e6]].concat());
        columns.push([spread(30, 30), vec![f32::MAX, f32::MIN]].concat());
        columns.push((0..40).map(|place| place as f32 * f32::from_bits(1)).collect());
        columns.push(vec![1.0, 1.0f32.next_up(), 1.0f32.next_up().next_up(), 1.0]);
        columns.push(vec![-0.0, 0.0, -0.0, 0.0, 1.0, -1.0]);
        for mut sorted in columns {
            sorted.sort_by(f32::total_cmp);
            let near = sorted.iter().flat_map(|&value| [value.next_down(), value, value.next_up(), value + 0.5]);
            let values: Vec<f32> = near.chain([f32::MAX, f32::MIN, 0.0]).filter(|value| value.is_finite()).collect();
            let buckets = Buckets::new(&sorted);
            for values in values.chunks(TOGETHER) {
                for (&value, rank) in values.iter().zip(buckets.ranks(&sorted, values)) {
                    let plain = [
                        sorted.partition_point(|&other| other < value),
                        sorted.partition_point(|&other| other <= value),
                    ];
                    assert_eq!(rank, plain, "{value} among {sorted:?}");
                }
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
