//! Methods without gradients: fitted on rows in plain memory, ready to score, and saved as named tensors.

use std::fmt::Debug;

use anoonly_core::ByClass;
use rand::Rng;

use crate::graph::Graph;
use crate::kernels::Scorer;
#[cfg(feature = "fit")]
use crate::kernels::products::StridedRows;
use crate::{Method, SavedTensors};

/// A method that is fitted without gradients.
pub trait RuleMethod: Method {
    /// The fitted rule.
    type Fitted: FittedRule;

    /// Fits the rule. Everything random is drawn from `rng`.
    #[cfg(feature = "fit")]
    fn fit(&self, data: &RuleData, rng: &mut impl Rng) -> Self::Fitted;

    /// Fits on the same rows under changing labels. A method that works out much that does not depend on labels overrides the default,
    /// which fits from scratch.
    #[cfg(feature = "fit")]
    fn refits(&self, data: RuleData) -> Box<dyn RuleRefits>
    where
        Self::Fitted: 'static,
    {
        Box::new(RefitsFromScratch { method: self.clone(), data })
    }

    /// The number of bytes that a fit on this number of rows takes at most, besides the rows. The default is for methods that take no more
    /// than a few times the memory of the rows.
    #[cfg(feature = "fit")]
    fn memory(&self, _rows: usize, _columns: usize) -> u64 {
        0
    }

    /// Restores a fitted rule for rows with `columns` columns from the tensors that [`FittedRule::save`] returns.
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong shape, or a value is impossible, such as an index out of range. The file may be untrusted:
    /// whatever finite values it holds, restoring and scoring must neither panic nor loop forever, and memory is bounded by the file.
    fn restore(&self, columns: usize, saved: &mut SavedTensors) -> Result<Self::Fitted, String>;
}

/// Fits of a rule on the same rows, whose labels change.
pub trait RuleRefits: Debug + Send {
    /// Fits with these labels. The result depends on them and on `rng` alone, and not on earlier fits.
    fn refit(&mut self, classes: &ByClass, rng: &mut dyn Rng) -> RefittedRule;
}

/// A rule fitted again, and the scores of the rows that it was fitted on.
#[derive(Debug)]
pub struct RefittedRule {
    /// The rule.
    pub rule: Box<dyn FittedRule>,
    /// The score of each row. A method that knows what it has seen of an unlabelled row may score it by the parts that have not seen it.
    pub scores: Vec<f32>,
}

/// Fits that share nothing.
#[derive(Debug)]
struct RefitsFromScratch<M> {
    method: M,
    data: RuleData,
}

#[cfg(feature = "fit")]
impl<M: RuleMethod<Fitted: 'static>> RuleRefits for RefitsFromScratch<M> {
    fn refit(&mut self, classes: &ByClass, mut rng: &mut dyn Rng) -> RefittedRule {
        let ByClass { anomalies, others, normals } = classes.clone();
        self.data = RuleData {
            rows: std::mem::take(&mut self.data.rows),
            columns: self.data.columns,
            anomalies,
            others,
            normals,
        };
        let rule = self.method.fit(&self.data, &mut rng);
        let scores = rule.score(RowBlock::new(&self.data.rows, self.data.columns));
        RefittedRule { rule: Box::new(rule), scores }
    }
}

/// A fitted rule, prepared for scoring.
pub trait FittedRule: Debug + Send + Sync {
    /// The anomaly score of each row. Higher means more anomalous. A row's score does not depend on the other rows.
    fn score(&self, rows: RowBlock<'_>) -> Vec<f32>;

    /// The tensors that [`RuleMethod::restore`] needs besides the configuration.
    fn save(&self) -> SavedTensors;

    /// The gradient of the score. `None` for scores without a gradient, such as those of ranks or trees.
    fn gradient(&self) -> Option<&dyn RuleGradient> {
        None
    }

    /// The steps of [`score`](Self::score) as plain data, for export. A rule with this default cannot be exported.
    fn graph(&self) -> Option<Graph> {
        None
    }

    /// The form that scales and scores rows with `columns` columns in one pass, for a rule whose steps are all dense.
    fn scorer(&self, _columns: usize) -> Option<Scorer> {
        None
    }
}

/// The gradient of a rule's score.
pub trait RuleGradient {
    /// The gradient of each row's score with respect to its cells, `[rows, columns]`, row by row. It may be NaN or infinite where the
    /// score is not differentiable.
    fn gradient(&self, rows: RowBlock<'_>) -> Vec<f32>;
}

/// Rows in memory, `[rows, columns]`, row by row.
#[derive(Clone, Copy, Debug)]
pub struct RowBlock<'a> {
    cells: &'a [f32],
    columns: usize,
}

impl<'a> RowBlock<'a> {
    /// Rows with `columns` columns.
    ///
    /// # Panics
    /// When there is no column, or the cells do not fill whole rows.
    pub fn new(cells: &'a [f32], columns: usize) -> Self {
        assert!(columns > 0 && cells.len().is_multiple_of(columns), "cells fill whole rows");
        Self { cells, columns }
    }

    /// The cells, row by row.
    pub fn cells(self) -> &'a [f32] {
        self.cells
    }

    /// The number of columns.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// The number of rows.
    pub fn count(self) -> usize {
        self.cells.len() / self.columns
    }

    /// An iterator over the rows.
    pub fn iter(self) -> std::slice::ChunksExact<'a, f32> {
        self.cells.chunks_exact(self.columns)
    }

    /// The same rows in blocks of at most `rows`.
    pub fn blocks(self, rows: usize) -> impl Iterator<Item = RowBlock<'a>> {
        self.cells.chunks(rows.max(1) * self.columns).map(move |cells| Self { cells, columns: self.columns })
    }
}

/// The rows that a rule is fitted on, scaled.
#[derive(Clone, Debug)]
pub struct RuleData {
    /// All rows, `[rows, columns]`, row by row.
    pub rows: Vec<f32>,
    /// The number of columns.
    pub columns: usize,
    /// Indices of the labelled anomalies, in ascending order. A method without labels ignores them.
    pub anomalies: Vec<usize>,
    /// Indices of all other rows, in ascending order. Confirmed normals are among them.
    pub others: Vec<usize>,
    /// Indices of the confirmed normals, in ascending order.
    pub normals: Vec<usize>,
}

impl RuleData {
    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.rows[row * self.columns..][..self.columns]
    }

    /// The rows at the given indices, where they are.
    #[cfg(feature = "fit")]
    pub(crate) fn at<'a>(&'a self, rows: &'a [usize]) -> StridedRows<'a> {
        StridedRows { cells: &self.rows, width: self.columns, indices: Some(rows) }
    }

    /// The cells of the rows at the given indices, row by row.
    pub fn select(&self, rows: &[usize]) -> Vec<f32> {
        let mut cells = Vec::with_capacity(rows.len() * self.columns);
        rows.iter().for_each(|&row| cells.extend(self.row(row)));
        cells
    }

    /// The cells of the rows that are not labelled anomalies.
    pub fn other_rows(&self) -> Vec<f32> {
        self.select(&self.others)
    }

    /// The cells of the rows without a label.
    pub fn unlabelled_rows(&self) -> Vec<f32> {
        self.select(&self.unlabelled())
    }

    /// The cells of the confirmed normals.
    pub fn normal_rows(&self) -> Vec<f32> {
        self.select(&self.normals)
    }

    /// The cells of the labelled anomalies.
    pub fn anomalous_rows(&self) -> Vec<f32> {
        self.select(&self.anomalies)
    }

    /// The mean of the rows at the given indices, `[columns]`.
    pub fn mean(&self, rows: &[usize]) -> Vec<f64> {
        let mut sums = vec![0.0f64; self.columns];
        for &row in rows {
            sums.iter_mut().zip(self.row(row)).for_each(|(sum, &cell)| *sum += f64::from(cell));
        }
        sums.into_iter().map(|sum| sum / rows.len() as f64).collect()
    }

    /// The mean of the rows that are not labelled anomalies, `[columns]`. If only some of them are confirmed as normal, the mean of those
    /// and the mean of the unlabelled rows count the same.
    pub fn usual_mean(&self) -> Vec<f64> {
        let unlabelled = self.unlabelled();
        if self.normals.is_empty() || unlabelled.is_empty() {
            return self.mean(&self.others);
        }
        let means = self.mean(&unlabelled).into_iter().zip(self.mean(&self.normals));
        means.map(|(unlabelled, confirmed)| (unlabelled + confirmed) / 2.0).collect()
    }

    /// The indices of the rows without a label.
    pub fn unlabelled(&self) -> Vec<usize> {
        self.others.iter().copied().filter(|row| self.normals.binary_search(row).is_err()).collect()
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
pub(crate) mod tests {
    use super::*;

    /// Compares the gradient with central differences of the score with the given step. The tolerance is relative to the largest
    /// difference.
    pub(crate) fn check_gradient(rule: &impl FittedRule, rows: RowBlock<'_>, step: f32, tolerance: f64) {
        let gradient = rule.gradient().expect("the rule has a gradient").gradient(rows);
        assert_eq!(gradient.len(), rows.cells().len());
        let difference = |cell: usize| {
            let row = cell / rows.columns() * rows.columns();
            let mut cells = rows.cells()[row..][..rows.columns()].to_vec();
            let mut score = |by: f32| {
                cells[cell - row] = rows.cells()[cell] + by;
                (f64::from(cells[cell - row]), f64::from(rule.score(RowBlock::new(&cells, rows.columns()))[0]))
            };
            let ((above, higher), (below, lower)) = (score(step), score(-step));
            (higher - lower) / (above - below)
        };
        let differences: Vec<f64> = (0..gradient.len()).map(difference).collect();
        let largest = differences.iter().fold(0.0f64, |largest, slope| largest.max(slope.abs()));
        assert!(largest > 0.0, "the score is constant");
        for (&ours, &slope) in gradient.iter().zip(&differences) {
            let error = (f64::from(ours) - slope).abs();
            assert!(error <= tolerance * largest, "gradient {ours}, difference {slope}");
        }
    }

    #[test]
    fn confirmed_normals_count_as_much_as_unlabelled_rows_in_a_mean() {
        let rows = vec![0.0, 1.0, 2.0, 3.0, 9.0];
        let data = |normals: &[usize]| RuleData {
            rows: rows.clone(),
            columns: 1,
            anomalies: vec![4],
            others: vec![0, 1, 2, 3],
            normals: normals.to_vec(),
        };
        let some = data(&[3]);
        assert_eq!(
            (some.unlabelled_rows(), some.normal_rows(), some.usual_mean()),
            (vec![0.0, 1.0, 2.0], vec![3.0], vec![2.0])
        );
        assert_eq!(data(&[]).usual_mean(), [1.5]);
        assert_eq!(data(&[0, 1, 2, 3]).usual_mean(), [1.5]);
    }

    /// Deterministic rows between 0 and 1, `[count, columns]`.
    pub(crate) fn cells(count: usize, columns: usize) -> Vec<f32> {
        (0..count * columns).map(|cell| ((cell * 7919 + cell / columns * 104_729) % 1009) as f32 / 1009.0).collect()
    }

    /// Rows of [`cells`]; the labelled anomalies come first, each cell larger by 0.4.
    pub(crate) fn data(unlabelled: usize, anomalies: usize, columns: usize) -> RuleData {
        let mut rows = cells(unlabelled + anomalies, columns);
        rows[..anomalies * columns].iter_mut().for_each(|cell| *cell += 0.4);
        RuleData {
            rows,
            columns,
            others: (anomalies..unlabelled + anomalies).collect(),
            anomalies: (0..anomalies).collect(),
            normals: Vec::new(),
        }
    }

    /// Checks that a restored rule returns the same bits, and that a row's score does not depend on other rows.
    pub(crate) fn check_saving<M: RuleMethod>(method: &M, data: &RuleData, names: &[(&str, &[usize])]) {
        use anoonly_core::Seed;
        let fitted = method.fit(data, &mut Seed(3).stream(&[]));
        let rows = RowBlock::new(&data.rows, data.columns);
        let scores = fitted.score(rows);
        assert_eq!(scores.len(), rows.count());
        let alone: Vec<f32> = rows.iter().map(|row| fitted.score(RowBlock::new(row, data.columns))[0]).collect();
        assert_eq!(alone, scores);
        let mut saved = fitted.save();
        let shapes: Vec<_> = saved.clone().into_iter().map(|(path, tensor)| (path, tensor.shape)).collect();
        let expected: Vec<_> = names.iter().map(|(path, shape)| ((*path).to_owned(), shape.to_vec())).collect();
        assert_eq!(shapes, expected);
        let restored = method.restore(data.columns, &mut saved).unwrap();
        assert_eq!((restored.score(rows), saved.left()), (scores, None));
        assert_eq!(restored.save(), fitted.save());
        assert!(method.restore(data.columns + 1, &mut fitted.save()).is_err(), "of another number of columns");
    }
}
