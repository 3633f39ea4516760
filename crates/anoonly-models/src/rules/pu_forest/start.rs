//! The score as long as no anomaly is labelled.

use rand::Rng;
use rand::seq::SliceRandom;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::tools::neighbours::Neighbours;
use crate::tools::normal_scores::NormalScores;
use crate::tools::trees::{Forest, NODE, isolation};
use crate::{RowBlock, SavedTensors};

/// The number of bytes that a start takes for each row, besides the row.
pub(super) const BYTES_PER_ROW: u64 = 2 * TREES as u64 + 24;
/// The trees of the isolation forest, and the rows that each is grown from: the paper's.
pub(super) const TREES: usize = 100;
const SAMPLE: usize = 256;
/// The neighbour to which the distance is measured.
pub(super) const NEIGHBOUR: usize = 5;
/// Rows whose leaves are found at a time.
const BLOCK: usize = 1024;
/// The most rows that are kept as neighbours.
const MOST_KNOWN: usize = 5000;
/// What a row loses, in standard deviations, if all trees put it into the leaf of a confirmed normal.
pub(super) const REPULSION: f64 = 3.0;
/// How many rows the isolation forest puts first for each row that the neighbours put first.
pub(super) const ISOLATION_FIRST: f64 = 2.0;

/// An unsupervised score that confirmed normals pull down.
///
/// Two scores are mapped to normal scores: that of an isolation forest, and the distance to the fifth nearest neighbour. Both lose by the
/// share of the isolation trees in which the row lies in the leaf of a confirmed normal. The score is `−ln` of the smaller one of the
/// shares of training rows above the row; that of the neighbours counts double. So the rows that either of the two puts first come first
/// by turns, two of the isolation forest and one of the neighbours.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) forest: Forest,
    /// Whether each node is a leaf with a confirmed normal.
    pub(super) refuted: Vec<bool>,
    pub(super) known: Neighbours,
    pub(super) isolation: NormalScores,
    pub(super) distance: NormalScores,
}

/// A start on its training rows, before any label.
#[derive(Debug)]
pub(super) struct StartRows {
    start: Start,
    /// The normal scores of each training row, by isolation and by distance.
    levels: Vec<[f32; 2]>,
    /// The leaves of each training row, `[rows, TREES]`. A tree of 256 rows has at most 511 nodes, so 16 bits hold the index of a node.
    leaves: Vec<u16>,
}

impl StartRows {
    /// Fitted on rows, `[rows, columns]`.
    pub fn of(rows: &[f32], columns: usize, rng: &mut impl Rng) -> Self {
        let forest = isolation::grow(rows, columns, TREES, SAMPLE, rng);
        let count = rows.len() / columns;
        let mut kept: Vec<usize> = (0..count).collect();
        if count > MOST_KNOWN {
            kept = kept.partial_shuffle(rng, MOST_KNOWN).0.to_vec();
            kept.sort_unstable();
        }
        let known = kept.iter().flat_map(|&row| &rows[row * columns..][..columns]).copied().collect();
        let known = Neighbours::new(known, columns);
        let all = RowBlock::new(rows, columns);
        let isolated = isolation::scores(&forest, all);
        let mut distances = to_neighbour(&known, rows);
        // A kept row is not its own neighbour.
        let others = known.of_each(NEIGHBOUR);
        for (&row, (_, nearest)) in kept.iter().zip(others.by_row()) {
            distances[row] = nearest.last().map_or(0.0, |&distance| distance as f32);
        }
        let [isolation, distance] = [&isolated, &distances].map(|values| NormalScores::of(values));
        let level = |(&isolated, &far): (&f32, &f32)| [isolation.of_value(isolated), distance.of_value(far)];
        let levels = isolated.iter().zip(&distances).map(level).collect();
        let leaves = all.blocks(BLOCK).flat_map(|rows| forest.leaves(rows.into())).map(|leaf| leaf as u16).collect();
        let refuted = vec![false; forest.nodes().len() / NODE];
        Self { start: Start { forest, refuted, known, isolation, distance }, levels, leaves }
    }

    /// The start that these confirmed normals pull down.
    pub fn start(&self, normals: &[usize]) -> Start {
        Start { refuted: self.refuted(normals), ..self.start.clone() }
    }

    /// The scores of the training rows.
    pub fn scores(&self, normals: &[usize]) -> Vec<f32> {
        let refuted = self.refuted(normals);
        let score = |(row, &levels): (usize, &[f32; 2])| {
            let shared = self.leaves_of(row).iter().filter(|&&leaf| refuted[leaf as usize]).count();
            joined(levels, shared)
        };
        self.levels.iter().enumerate().map(score).collect()
    }

    /// Whether each node is a leaf with one of these rows.
    fn refuted(&self, normals: &[usize]) -> Vec<bool> {
        let mut refuted = vec![false; self.start.refuted.len()];
        normals.iter().flat_map(|&row| self.leaves_of(row)).for_each(|&leaf| refuted[usize::from(leaf)] = true);
        refuted
    }

    fn leaves_of(&self, row: usize) -> &[u16] {
        &self.leaves[row * TREES..][..TREES]
    }
}

impl Start {
    /// The score of each row.
    pub fn score(&self, rows: RowBlock<'_>) -> Vec<f32> {
        let distances = to_neighbour(&self.known, rows.cells());
        let isolated = isolation::scores(&self.forest, rows);
        let leaves = self.forest.leaves(rows.into());
        let score = |((isolated, far), leaves): ((f32, f32), &[u32])| {
            let levels = [self.isolation.of_value(isolated), self.distance.of_value(far)];
            joined(levels, leaves.iter().filter(|&&leaf| self.refuted[leaf as usize]).count())
        };
        isolated.into_iter().zip(distances).zip(leaves.chunks_exact(TREES)).map(score).collect()
    }

    /// The isolation forest as `forest`; `refuted`, `[nodes]`, 1 for a leaf with a confirmed normal and 0 for another node; the
    /// neighbours as `rows`, `[rows, columns]`; and both maps as `isolation` and `distance`.
    pub fn save(&self) -> SavedTensors {
        let refuted: Vec<f32> = self.refuted.iter().map(|&refuted| f32::from(u8::from(refuted))).collect();
        let shape = [self.known.rows(), self.known.columns()];
        SavedTensors::default()
            .with_part("forest", self.forest.save())
            .with("refuted", &[refuted.len()], refuted)
            .with("rows", &shape, self.known.given().to_vec())
            .with_part("isolation", self.isolation.save())
            .with_part("distance", self.distance.save())
    }

    /// The start that [`save`](Self::save) saved.
    pub fn restore(columns: usize, saved: &mut SavedTensors) -> Result<Self, String> {
        let forest = Forest::restore(columns, TREES..=TREES, &mut saved.part("forest"))?;
        let refuted = saved.take("refuted", &[forest.nodes().len() / NODE])?;
        if refuted.iter().any(|&value| value != 0.0 && value != 1.0) {
            return Err("tensor `refuted` has a value that is neither 0 nor 1".into());
        }
        Ok(Self {
            forest,
            refuted: refuted.into_iter().map(|value| value == 1.0).collect(),
            known: Neighbours::restore(saved, "rows", columns)?,
            isolation: NormalScores::restore(&mut saved.part("isolation"))?,
            distance: NormalScores::restore(&mut saved.part("distance"))?,
        })
    }
}

/// The distance of each row to its fifth nearest neighbour, or to the farthest one if there are fewer.
fn to_neighbour(known: &Neighbours, rows: &[f32]) -> Vec<f32> {
    let nearest = known.of(rows, NEIGHBOUR);
    nearest.by_row().map(|(_, distances)| distances.last().map_or(0.0, |&distance| distance as f32)).collect()
}

/// The score of a row with these normal scores, by isolation and by distance, that shares its leaf with a confirmed normal in `shared`
/// trees.
fn joined(levels: [f32; 2], shared: usize) -> f32 {
    let lost = REPULSION * shared as f64 / TREES as f64;
    let [isolated, far] = levels.map(|level| Normal::standard().cdf(lost - f64::from(level)));
    -isolated.min(ISOLATION_FIRST * far).max(f64::MIN_POSITIVE).ln() as f32
}
