//! The eight opinions of [`Quorum`](super::Quorum).

mod graph;

use std::collections::BTreeMap;
use std::ops::Range;

use rand::Rng;

use super::known::Known;
use crate::kernels::products::{StridedRows, dots};
use crate::tools::balance::ClassRows;
#[cfg(feature = "fit")]
use crate::tools::covariance::Covariance;
use crate::tools::trees::{Classes, Forest, Splits, TreeRows, isolation};
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
/// The most axes that trees are grown on.
const WIDE: usize = 64;
/// The share of unlabelled rows among those that are no anomalies, from which confirmed normals count as such.
const UNLABELLED_SHARE: f64 = 0.1;
/// How much the mean cosine to the confirmed normals counts against that to the labelled anomalies.
const AWAY: f64 = 0.5;
/// The fewest rows in a leaf of a tree, up to [`MANY`] anomalies and with more. In a leaf of its own, a single odd or wrong label decides.
const LEAVES: [usize; 2] = [5, 3];
const MANY: usize = 50;
/// Up to this many labelled anomalies, the trees on the columns are isolation trees.
const ISOLATED: usize = 2;
/// The number of rows that each isolation tree is grown from.
const SAMPLE: usize = 256;
/// How many times as often as all unlabelled rows together isolation trees draw all confirmed normals: often enough that a few of them pull
/// down the rows that resemble them.
const NORMAL_SHARE: f64 = 3.0;
/// The fewest and the most rows that are scored together: many, as trees that are larger than a cache are read from memory for them.
const BLOCK: [usize; 2] = [512, 2048];
/// The number of cells of these rows, between the two limits.
const CELLS: usize = 1 << 17;

/// The number of rows that are scored together.
pub(super) fn block(columns: usize) -> usize {
    let [fewest, most] = BLOCK;
    (CELLS / columns).clamp(fewest, most)
}

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

/// The rows that opinions are fitted on. Only the covariance comes from more of them.
#[derive(Clone, Debug)]
pub(super) struct OpinionRows {
    /// The unlabelled rows that trees are grown from.
    pub unlabelled: Vec<usize>,
    /// The places in `unlabelled` of those that are kept as neighbours, in ascending order.
    pub neighbours: Vec<usize>,
    /// The confirmed normals that trees are grown from and that are kept as neighbours.
    pub normals: Vec<usize>,
    /// The labelled anomalies.
    pub anomalies: Vec<usize>,
    /// How far the label of each anomaly is trusted. The largest is 1.
    pub trust: Vec<f64>,
}

#[cfg(feature = "fit")]
impl OpinionRows {
    /// Trusts the labels of these rows by the probability that they are right.
    pub fn trust_labels(&mut self, rows: &[usize], right: &[f64]) {
        let of_row: BTreeMap<usize, f64> = rows.iter().copied().zip(right.iter().copied()).collect();
        let most = right.iter().copied().fold(0.0, f64::max);
        for (row, trust) in self.anomalies.iter().zip(&mut self.trust) {
            *trust = of_row.get(row).map_or(1.0, |right| right / most);
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
    /// Trees on the columns: isolation trees with few labelled anomalies.
    forest: Forest,
    /// Trees on the axes of largest variance.
    turned: Forest,
}

impl Opinions {
    /// Fitted on these rows, given the covariance of all rows that are no anomalies.
    #[cfg(feature = "fit")]
    pub fn of(data: &RuleData, rows: &OpinionRows, covariance: Covariance, trees: usize, rng: &mut impl Rng) -> Self {
        let columns = data.columns;
        let [usual, normal, anomalous] =
            [&rows.unlabelled, &rows.normals, &rows.anomalies].map(|rows| data.select(rows));
        let covariance = covariance.spanning(&anomalous);
        let variances = covariance.coordinates();
        let median = covariance.median_variance();
        let deviations = |ridge: f64| variances.iter().map(move |variance| (variance + ridge * median).sqrt());
        let scales: Vec<f64> = deviations(RIDGE).collect();
        let whitening = Whitening::new(&covariance, RIDGE * median);
        let width = whitening.width();
        let [white_usual, white_normals, white_anomalies] =
            [&usual, &normal, &anomalous].map(|rows| whitening.apply(rows));
        let neighbours = rows.neighbours.iter().flat_map(|place| &white_usual[place * width..][..width]);
        let known = neighbours.chain(&white_normals).copied().collect();
        let known = Known::new(known, width, rows.anomalies.is_empty());
        let mut directions = vec![0.0; width * AXES];
        let mut squares = vec![0.0; width * AXES];
        for (column, (scale, variance)) in scales.iter().zip(&variances).enumerate() {
            squares[column] = (scale * scale / variance) as f32;
        }
        for (axis, ridge) in RIDGES.into_iter().enumerate() {
            let factors: Vec<f64> = deviations(ridge).zip(&scales).map(|(to, from)| from / to).collect();
            let mut direction = vec![0.0; width];
            let even = vec![1.0; rows.normals.len()];
            for (rows, trust, share) in [(&white_anomalies, &rows.trust, 1.0), (&white_normals, &even, -AWAY)] {
                let count: f64 = trust.iter().sum();
                for (row, trust) in rows.chunks_exact(width).zip(trust) {
                    let share = share * trust;
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
        // The folds have fewer anomalies than all rows, and the same kind of trees.
        let labelled = data.anomalies.len();
        let classes = Classes { trees, leaf: LEAVES[usize::from(labelled > MANY)], splits: Splits::Random };
        let forest = if labelled <= ISOLATED {
            let rows = isolated_rows(rows.unlabelled.len(), rows.normals.len());
            let cells = [&usual[..], &normal].concat();
            isolation::negated(&isolation::grow_from(rows, &cells, columns, trees, SAMPLE, rng))
        } else {
            let forest = ClassRows { unlabelled: &usual, normals: &normal, anomalies: &anomalous };
            classes.grow_trusting(forest, &rows.trust, columns, rng)
        };
        let [wide_usual, wide_normals, wide_anomalies] =
            [&white_usual, &white_normals, &white_anomalies].map(|rows| wide(rows, width));
        let turned = ClassRows { unlabelled: &wide_usual, normals: &wide_normals, anomalies: &wide_anomalies };
        let turned = classes.grow_trusting(turned, &rows.trust, width.min(WIDE), rng);
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
        let resembled = self.known.resemblances(&white);
        let trees = self.forest.means(TreeRows { cells: rows, stride: columns, skipped: 0 });
        let skipped = width.saturating_sub(WIDE);
        let turned = self.turned.means(TreeRows { cells: &white, stride: width, skipped });

        let mut values: [Vec<f32>; COUNT] = Default::default();
        values[0] = squared.iter().step_by(AXES).copied().collect();
        values[1] = resembled.iter().map(|resembled| resembled.distance).collect();
        for axis in 1..AXES {
            let pairs = along.iter().zip(&squared).skip(axis).step_by(AXES);
            // A row at the mean has no direction; its cosines are 0.
            values[1 + axis] = pairs.map(|(product, square)| product / square.max(1e-12).sqrt()).collect();
        }
        values[5] = resembled.iter().map(|resembled| -resembled.cosine).collect();
        values[6] = trees.into_iter().map(|mean| mean as f32).collect();
        values[7] = turned.into_iter().map(|mean| mean as f32).collect();
        values
    }

    /// The tensors of `whitening`, `directions` and `squares`, `[width, AXES]`, the whitened neighbours as `rows`, `[rows, width]`, and the
    /// trees as `forest` and `turned`. Where equal rows are no neighbours, also `equal_left_out`, `[1]`, which is 1.
    pub fn save(&self) -> SavedTensors {
        let width = self.whitening.width();
        let saved = match self.known.equal_left_out() {
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
            known: Known::restore(saved, width, equal_left_out)?,
            forest: Forest::restore(columns, trees..=trees, &mut saved.part("forest"))?,
            turned: Forest::restore(width.min(WIDE), trees..=trees, &mut saved.part("turned"))?,
            whitening,
        })
    }
}

/// The rows that isolation trees are grown from, as indices of unlabelled rows and of confirmed normals behind them. Each confirmed normal
/// comes several times.
#[cfg(feature = "fit")]
fn isolated_rows(unlabelled: usize, normals: usize) -> Vec<u32> {
    let times = (NORMAL_SHARE * unlabelled as f64 / normals.max(1) as f64).round().max(1.0) as usize;
    let normals = unlabelled as u32..(unlabelled + normals) as u32;
    (0..unlabelled as u32).chain(std::iter::repeat_n(normals, times).flatten()).collect()
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
