//! The eight opinions of [`Quorum`](super::Quorum).

mod graph;

use std::ops::Range;

use rand::Rng;

use crate::kernels::products::{StridedRows, dots};
use crate::tools::balance::ClassRows;
#[cfg(feature = "fit")]
use crate::tools::covariance::Covariance;
use crate::tools::neighbours::Neighbours;
use crate::tools::trees::{Classes, Forest, Splits};
use crate::tools::whitening::Whitening;
use crate::{RuleData, SavedTensors};

/// The number of opinions.
pub(super) const COUNT: usize = 8;
/// The groups of similar opinions; each group has one weight. How far a row lies from all unlabelled rows (Mahalanobis distance and
/// distance to the nearest whitened row), how closely its direction agrees with the labelled anomalies (three cosines), how few
/// unlabelled rows lie in its direction, and the trees (on the columns and on the axes of largest variance).
pub(super) const GROUPS: [Range<usize>; 4] = [0..2, 2..5, 5..6, 6..8];
/// Scalar products of a whitened row: one for the Mahalanobis distance and one for each cosine.
const AXES: usize = 4;
/// What each cosine adds to the variance along an axis before a row is divided by its square root, in median variances. The larger, the
/// less weight axes of small variance have.
const RIDGES: [f64; 3] = [10.0, 30.0, 100.0];
/// The same for the whitening of rows.
const RIDGE: f64 = 30.0;
/// The number of neighbours whose cosines are averaged.
const NEIGHBOURS: usize = 10;
/// The most axes that trees are grown on.
const WIDE: usize = 64;
/// The share of unlabelled rows among those that are no anomalies, from which confirmed normals count as such.
const UNLABELLED_SHARE: f64 = 0.1;
/// How much the mean cosine to the confirmed normals counts against that to the labelled anomalies.
const AWAY: f64 = 0.5;
/// The fewest rows in a leaf of a tree.
const LEAF: usize = 2;
/// Rows that are scored together.
pub(super) const BLOCK: usize = 512;

/// The training rows that opinions are fitted on, by what is known about them.
#[derive(Clone, Debug)]
pub(super) struct FitRows {
    pub unlabelled: Vec<usize>,
    pub normals: Vec<usize>,
    pub anomalies: Vec<usize>,
}

impl FitRows {
    /// All training rows. If nearly all rows that are no anomalies are confirmed as normal, they count as unlabelled: opinions need
    /// unlabelled rows to know the usual values.
    pub fn all(data: &RuleData) -> Self {
        let few = UNLABELLED_SHARE * (data.others.len() as f64) <= (data.others.len() - data.normals.len()) as f64;
        let normals = if few { &data.normals[..] } else { &[] };
        let unlabelled = |row: &&usize| normals.binary_search(row).is_err();
        Self {
            unlabelled: data.others.iter().filter(unlabelled).copied().collect(),
            normals: normals.to_vec(),
            anomalies: data.anomalies.clone(),
        }
    }
}

/// Opinions fitted on training rows.
#[derive(Clone, Debug)]
pub(super) struct Opinions {
    whitening: Whitening,
    /// For each scalar product, what a whitened row is multiplied with, `[AXES, width]`.
    directions: Vec<f32>,
    /// For each squared length, what the squares of a whitened row are multiplied with, `[AXES, width]`.
    squares: Vec<f32>,
    known: Known,
    /// Trees on the columns.
    forest: Forest,
    /// Trees on the axes of largest variance.
    turned: Forest,
}

impl Opinions {
    /// Fitted on all rows for the covariance, on all labelled anomalies, and for the other opinions on the `kept` unlabelled rows and
    /// on `normals`, the confirmed normals that are kept.
    #[cfg(feature = "fit")]
    pub fn of(
        data: &RuleData,
        rows: &FitRows,
        [kept, normals]: [&[usize]; 2],
        trees: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let columns = data.columns;
        let (kept, normal, anomalous) = (data.select(kept), data.select(normals), data.select(&rows.anomalies));
        let others = [&rows.unlabelled[..], &rows.normals].concat();
        let covariance = Covariance::ledoit_wolf(&data.select(&others), columns).spanning(&anomalous);
        let variances = covariance.coordinates();
        let median = covariance.median_variance();
        let deviations = |ridge: f64| variances.iter().map(move |variance| (variance + ridge * median).sqrt());
        let scales: Vec<f64> = deviations(RIDGE).collect();
        let whitening = Whitening::new(&covariance, RIDGE * median);
        let width = whitening.width();
        let [white_kept, white_normals, white_anomalies] =
            [&kept, &normal, &anomalous].map(|rows| whitening.apply(rows));
        let known = Neighbours::new([&white_kept[..], &white_normals].concat(), width);
        let known = Known::new(known, rows.anomalies.is_empty());
        let mut directions = vec![0.0; width * AXES];
        let mut squares = vec![0.0; width * AXES];
        for (column, (scale, variance)) in scales.iter().zip(&variances).enumerate() {
            squares[column] = (scale * scale / variance) as f32;
        }
        for (axis, ridge) in RIDGES.into_iter().enumerate() {
            let factors: Vec<f64> = deviations(ridge).zip(&scales).map(|(to, from)| from / to).collect();
            let mut direction = vec![0.0; width];
            for (rows, share) in [(&white_anomalies, 1.0), (&white_normals, -AWAY)] {
                let count = (rows.len() / width) as f64;
                for row in rows.chunks_exact(width) {
                    let scaled: Vec<f64> =
                        row.iter().zip(&factors).map(|(&cell, factor)| f64::from(cell) * factor).collect();
                    let length = scaled.iter().map(|cell| cell * cell).sum::<f64>().sqrt().max(1e-12);
                    direction.iter_mut().zip(scaled).for_each(|(sum, cell)| *sum += share * (cell / length / count));
                }
            }
            let from = (1 + axis) * width;
            for (column, (cell, factor)) in direction.into_iter().zip(&factors).enumerate() {
                directions[from + column] = (cell * factor) as f32;
                squares[from + column] = (factor * factor) as f32;
            }
        }
        let classes = Classes { trees, leaf: LEAF, splits: Splits::Random };
        let forest =
            classes.grow(ClassRows { unlabelled: &kept, normals: &normal, anomalies: &anomalous }, columns, rng);
        let [wide_kept, wide_normals, wide_anomalies] =
            [&white_kept, &white_normals, &white_anomalies].map(|rows| wide(rows, width));
        let turned = ClassRows { unlabelled: &wide_kept, normals: &wide_normals, anomalies: &wide_anomalies };
        let turned = classes.grow(turned, width.min(WIDE), rng);
        Self { whitening, directions, squares, known, forest, turned }
    }

    /// The values of each opinion on rows `[rows, columns]`; higher means more anomalous. A row's values do not depend on the other rows.
    pub fn values(&self, rows: &[f32]) -> [Vec<f32>; COUNT] {
        let (columns, width) = (self.whitening.columns(), self.whitening.width());
        let white = self.whitening.apply(rows);
        let products = |rows: &[f32], vectors: &[f32]| {
            let mut products = vec![0.0; rows.len() / width * AXES];
            dots(StridedRows::all(rows, width), StridedRows::all(vectors, width), &mut products);
            products
        };
        let along = products(&white, &self.directions);
        let squares: Vec<f32> = white.iter().map(|cell| cell * cell).collect();
        let squared = products(&squares, &self.squares);
        let distances = self.known.distances(&white);
        let cosines = self.known.cosines(&white);

        let mut values: [Vec<f32>; COUNT] = Default::default();
        for (row, (plain, white)) in rows.chunks_exact(columns).zip(white.chunks_exact(width)).enumerate() {
            let of_row = row * AXES..(row + 1) * AXES;
            values[0].push(squared[of_row.start]);
            values[1].push(distances[row]);
            let pairs = along[of_row.clone()].iter().zip(&squared[of_row]).skip(1);
            for (axis, (&product, &square)) in pairs.enumerate() {
                // A row at the mean has no direction; its cosines are 0.
                values[2 + axis].push(product / square.max(1e-12).sqrt());
            }
            values[5].push(-cosines[row]);
            values[6].push(self.forest.mean(plain) as f32);
            values[7].push(self.turned.mean(widest(white)) as f32);
        }
        values
    }

    /// The tensors of `whitening`, `directions` and `squares`, `[width, AXES]`, the whitened neighbours as `rows`, `[rows, width]`, and the
    /// trees as `forest` and `turned`. Where equal rows are no neighbours, also `equal_left_out`, `[1]`, which is 1.
    pub fn save(&self) -> SavedTensors {
        let width = self.whitening.width();
        let saved = match self.known.equal_left_out {
            true => SavedTensors::default().with("equal_left_out", &[1], vec![1.0]),
            false => SavedTensors::default(),
        };
        saved
            .with_part("whitening", self.whitening.save())
            .with("directions", &[width, AXES], transposed(&self.directions, width))
            .with("squares", &[width, AXES], transposed(&self.squares, width))
            .with("rows", &[self.known.rows().len() / width, width], self.known.rows().to_vec())
            .with_part("forest", self.forest.save())
            .with_part("turned", self.turned.save())
    }

    /// The opinions with this number of trees that [`save`](Self::save) saved.
    pub fn restore(columns: usize, trees: usize, saved: &mut SavedTensors) -> Result<Self, String> {
        let whitening = Whitening::restore(columns, &mut saved.part("whitening"))?;
        let width = whitening.width();
        let equal_left_out = saved.entries("equal_left_out") > 0;
        if equal_left_out && saved.take("equal_left_out", &[1])? != [1.0] {
            return Err("tensor `equal_left_out` is not 1".into());
        }
        Ok(Self {
            directions: transposed(&saved.take("directions", &[width, AXES])?, AXES),
            squares: transposed(&saved.take("squares", &[width, AXES])?, AXES),
            known: Known::new(Neighbours::restore(saved, "rows", width)?, equal_left_out),
            forest: Forest::restore(columns, trees..=trees, &mut saved.part("forest"))?,
            turned: Forest::restore(width.min(WIDE), trees..=trees, &mut saved.part("turned"))?,
            whitening,
        })
    }
}

/// The transposed matrix, `[rows, width]` to `[width, rows]`.
fn transposed(cells: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| cells[column..].iter().step_by(width)).copied().collect()
}

/// The coordinates of whitened rows along the axes of largest variance, `[rows, at most WIDE]`.
fn wide(rows: &[f32], columns: usize) -> Vec<f32> {
    rows.chunks_exact(columns).flat_map(widest).copied().collect()
}

/// The coordinates of one whitened row along the axes of largest variance, which are the last ones.
fn widest(row: &[f32]) -> &[f32] {
    &row[row.len().saturating_sub(WIDE)..]
}

/// Whitened unlabelled rows, indexed for neighbour search.
#[derive(Clone, Debug)]
struct Known {
    rows: Neighbours,
    /// Whether a known row that is equal to the row in question is no neighbour. Without labelled anomalies, the distance decides much,
    /// and the rows of the training table, which are known rows themselves, are those that are looked at.
    equal_left_out: bool,
    /// The same rows scaled to length 1.
    units: Neighbours,
    /// Whether each row has a direction, `[rows]`.
    directed: Vec<bool>,
}

impl Known {
    fn new(rows: Neighbours, equal_left_out: bool) -> Self {
        let (units, directed) = units(rows.given(), rows.columns());
        Self { units: Neighbours::new(units, rows.columns()), rows, equal_left_out, directed }
    }

    /// The rows, `[rows, columns]`.
    fn rows(&self) -> &[f32] {
        self.rows.given()
    }

    /// The distance of each row to the nearest known row. If equal rows are left out, this leaves out one of them.
    fn distances(&self, rows: &[f32]) -> Vec<f32> {
        let nearest = self.rows.of(rows, if self.equal_left_out { 2 } else { 1 });
        let distance = |distances: &[f64]| match *distances {
            [0.0, second, ..] => second,
            [first, ..] => first,
            [] => 0.0,
        };
        nearest.by_row().map(|(_, distances)| distance(distances) as f32).collect()
    }

    /// For each row, the mean of its largest cosines with known rows.
    fn cosines(&self, rows: &[f32]) -> Vec<f32> {
        let (units, directed) = units(rows, self.rows.columns());
        let nearest = self.units.of(&units, NEIGHBOURS);
        let mean = |((places, distances), directed): ((&[u32], &[f64]), bool)| {
            // For rows of length 1, |x − t|² = 2 − 2xt. Without a direction the cosine counts as 0.
            let cosine = |(&place, distance): (&u32, &f64)| match directed && self.directed[place as usize] {
                true => 1.0 - distance * distance / 2.0,
                false => 0.0,
            };
            (places.iter().zip(distances).map(cosine).sum::<f64>() / places.len() as f64) as f32
        };
        nearest.by_row().zip(directed).map(mean).collect()
    }
}

/// Rows scaled to length 1, and whether each has a direction. A row without one becomes zeros.
fn units(rows: &[f32], columns: usize) -> (Vec<f32>, Vec<bool>) {
    let length = |row: &[f32]| row.iter().map(|&cell| f64::from(cell).powi(2)).sum::<f64>().sqrt();
    let lengths: Vec<f64> = rows.chunks_exact(columns).map(length).collect();
    let scaled = rows.chunks_exact(columns).zip(&lengths).flat_map(|(row, &length)| {
        let scale = if length > SHORTEST { 1.0 / length } else { 0.0 };
        row.iter().map(move |&cell| (f64::from(cell) * scale) as f32)
    });
    (scaled.collect(), lengths.iter().map(|&length| length > SHORTEST).collect())
}

/// A row up to this length has no direction.
const SHORTEST: f64 = 1e-6;

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    /// By hand: the row (3, 4) has the cosines 0.6 and 0.8 with the axes; a row of zeros has no direction.
    #[test]
    fn distances_and_cosines_agree_with_those_by_hand() {
        let known = |equal_left_out| Known::new(Neighbours::new(vec![2.0, 0.0, 0.0, 7.0, 0.0, 0.0], 2), equal_left_out);
        let rows = [2.0, 0.0, 3.0, 4.0, 0.0, 0.0];
        let close = |ours: Vec<f32>, expected: [f32; 3]| {
            assert!(ours.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{ours:?}, not {expected:?}");
        };
        close(known(false).distances(&rows), [0.0, 17f32.sqrt(), 0.0]);
        // The first and the last row are equal to a known row.
        close(known(true).distances(&rows), [2.0, 17f32.sqrt(), 2.0]);
        close(known(false).cosines(&rows), [1.0 / 3.0, (0.6 + 0.8) / 3.0, 0.0]);
    }
}
