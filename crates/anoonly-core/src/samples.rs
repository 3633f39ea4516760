//! Rows of finite features, each with a label.

use ndarray::{Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

use crate::CoreError;
use crate::split::equal_rows;

/// What is known about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// Nothing is known. The row is most likely normal, but may be a hidden anomaly.
    Unlabelled,
    /// Known to be an anomaly.
    Anomaly,
    /// Known to be normal.
    Normal,
}

impl Label {
    /// Whether the row is known to be an anomaly.
    pub fn is_anomaly(self) -> bool {
        self == Label::Anomaly
    }
}

/// Rows to fit on or to evaluate with: a matrix of features and one label a row.
///
/// Every value is finite and every row has a label, so code that takes `Samples` need not check this again.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    features: Array2<f32>,
    labels: Vec<Label>,
}

impl Samples {
    /// Joins a matrix of shape `[rows, columns]` with its labels.
    ///
    /// # Errors
    /// When the numbers of rows differ, when there is no row or no column, or when a value is NaN or infinite.
    pub fn new(features: Array2<f32>, labels: Vec<Label>) -> Result<Self, CoreError> {
        let (rows, columns) = features.dim();
        if rows != labels.len() {
            return Err(CoreError::LabelCount { rows, labels: labels.len() });
        }
        if rows == 0 || columns == 0 {
            return Err(CoreError::Empty { rows, columns });
        }
        // The places are only needed for the error.
        if !features.iter().all(|value| value.is_finite())
            && let Some(((row, column), &value)) = features.indexed_iter().find(|(_, v)| !v.is_finite())
        {
            return Err(CoreError::NotFinite { row: row + 1, column: column + 1, value });
        }
        Ok(Self { features, labels })
    }

    /// The features, of shape `[rows, columns]`.
    pub fn features(&self) -> &Array2<f32> {
        &self.features
    }

    /// One label a row.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// For each row, whether it is known to be an anomaly.
    pub fn anomalous(&self) -> Vec<bool> {
        self.labels.iter().map(|label| label.is_anomaly()).collect()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.features.nrows()
    }

    /// The number of feature columns.
    pub fn columns(&self) -> usize {
        self.features.ncols()
    }

    /// One row.
    pub fn row(&self, row: usize) -> ArrayView1<'_, f32> {
        self.features.row(row)
    }

    /// The number of rows whose features equal those of an earlier row. 0 and -0 count as equal.
    pub fn repeated_rows(&self) -> usize {
        self.rows() - equal_rows(self).len()
    }

    /// The indices of the rows known to be anomalies, of all others, and of those among them known to be normal.
    pub fn by_class(&self) -> ByClass {
        ByClass::of(&self.labels)
    }

    /// The rows at the given indices, in that order; an index may repeat.
    ///
    /// # Panics
    /// When an index is not below the number of rows.
    pub fn select(&self, rows: &[usize]) -> Samples {
        Samples {
            features: self.features.select(Axis(0), rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
        }
    }

    /// Takes rows out, in the order of the indices; no index may repeat. The other rows stay as they are, in their order and in the same
    /// memory, as the first result.
    ///
    /// # Panics
    /// When an index is not below the number of rows, or no other row is left.
    pub fn take_out(self, rows: &[usize]) -> (Samples, Samples) {
        let taken = self.select(rows);
        let mut is_taken = vec![false; self.rows()];
        rows.iter().for_each(|&row| is_taken[row] = true);
        let columns = self.columns();
        let mut labels = self.labels;
        let mut cells = match self.features.is_standard_layout() {
            true => self.features.into_raw_vec_and_offset().0,
            false => self.features.iter().copied().collect(),
        };
        let mut left = 0;
        for row in (0..labels.len()).filter(|&row| !is_taken[row]) {
            cells.copy_within(row * columns..(row + 1) * columns, left * columns);
            labels[left] = labels[row];
            left += 1;
        }
        assert!(left > 0, "a row is left");
        cells.truncate(left * columns);
        labels.truncate(left);
        match Array2::from_shape_vec((left, columns), cells) {
            Ok(features) => (Samples { features, labels }, taken),
            Err(error) => unreachable!("every row has one cell for each column: {error}"),
        }
    }

    /// The same rows with other labels.
    ///
    /// # Errors
    /// When the number of labels differs from the number of rows.
    pub fn with_labels(self, labels: Vec<Label>) -> Result<Samples, CoreError> {
        match labels.len() == self.rows() {
            true => Ok(self.relabelled(labels)),
            false => Err(CoreError::LabelCount { rows: self.rows(), labels: labels.len() }),
        }
    }

    /// The same rows with other labels.
    ///
    /// # Panics
    /// When the number of labels differs from the number of rows.
    pub(crate) fn relabelled(self, labels: Vec<Label>) -> Samples {
        assert_eq!(labels.len(), self.rows());
        Samples { labels, ..self }
    }

    /// The same rows with other features, which must be finite.
    ///
    /// # Panics
    /// When the number of rows differs.
    #[cfg(feature = "trials")]
    pub(crate) fn with_features(self, features: Array2<f32>) -> Samples {
        assert_eq!(features.nrows(), self.rows());
        Samples { features, ..self }
    }
}

/// Row indices by what is known about the row. Each list is in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByClass {
    /// Rows labelled [`Label::Anomaly`].
    pub anomalies: Vec<usize>,
    /// All other rows: those labelled [`Label::Normal`] and [`Label::Unlabelled`].
    pub others: Vec<usize>,
    /// Rows labelled [`Label::Normal`]. They are among the others.
    pub normals: Vec<usize>,
}

impl ByClass {
    /// The rows with these labels.
    pub fn of(labels: &[Label]) -> Self {
        let (anomalies, others) = (0..labels.len()).partition(|&row| labels[row].is_anomaly());
        let normals = (0..labels.len()).filter(|&row| labels[row] == Label::Normal).collect();
        Self { anomalies, others, normals }
    }

    /// The classes that a fit distinguishes. Confirmed normals stand out only among unlabelled rows: if every row that is no anomaly is
    /// labelled normal, as in a table that is labelled throughout, none of them counts as confirmed.
    pub fn for_fit(self) -> Self {
        match self.normals.len() == self.others.len() {
            true => Self { normals: Vec::new(), ..self },
            false => self,
        }
    }
}

/// A named data set in which every row has its true label.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The name, such as `CIFAR10_0`.
    pub name: String,
    /// The family, such as `CIFAR10`; results are averaged over its members.
    pub family: String,
    /// The rows and their true labels.
    pub samples: Samples,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn invalid_values_are_refused_with_their_position() {
        let labels = vec![Label::Normal, Label::Anomaly];
        let error = Samples::new(array![[0.0, 1.0], [f32::NAN, 2.0]], labels.clone()).unwrap_err();
        assert_eq!(error.to_string(), "row 2, feature column 1: NaN is not a finite number");
        assert!(matches!(
            Samples::new(array![[0.0]], labels.clone()).unwrap_err(),
            CoreError::LabelCount { rows: 1, labels: 2 }
        ));
        assert!(matches!(
            Samples::new(Array2::zeros((2, 0)), labels).unwrap_err(),
            CoreError::Empty { rows: 2, columns: 0 }
        ));
        assert!(matches!(Samples::new(Array2::zeros((0, 3)), vec![]).unwrap_err(), CoreError::Empty { .. }));
    }

    #[test]
    fn select_keeps_order_and_repeats() {
        let samples =
            Samples::new(array![[0.0], [1.0], [2.0]], vec![Label::Normal, Label::Anomaly, Label::Normal]).unwrap();
        let picked = samples.select(&[2, 1, 1]);
        assert_eq!(picked.features(), &array![[2.0], [1.0], [1.0]]);
        assert_eq!(picked.labels(), &[Label::Normal, Label::Anomaly, Label::Anomaly]);
        assert_eq!((samples.repeated_rows(), picked.repeated_rows()), (0, 1));
        assert_eq!(picked.by_class(), ByClass { anomalies: vec![1, 2], others: vec![0], normals: vec![0] });
    }

    #[test]
    fn rows_are_taken_out_in_any_order_and_layout() {
        let labels = [Label::Normal, Label::Anomaly, Label::Unlabelled, Label::Normal];
        let features = array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]];
        let by_column = Array2::from_shape_fn((2, 4), |(column, row)| features[[row, column]]).reversed_axes();
        for features in [features, by_column] {
            let samples = Samples::new(features, labels.to_vec()).unwrap();
            let (left, taken) = samples.clone().take_out(&[3, 0]);
            assert_eq!((&left, &taken), (&samples.select(&[1, 2]), &samples.select(&[3, 0])));
            assert_eq!(samples.clone().take_out(&[]).0, samples);
        }
    }
}
