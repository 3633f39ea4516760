//! Rows in memory as a table.

use std::path::Path;

use polars::prelude::*;

use super::Table;
use crate::DataError;
use anoonly_core::{Label, Samples};

impl Table {
    /// Samples as a table, with columns `x0`, `x1`, … and one named `label`, in which 1 is an anomaly, 0 a normal row and nothing
    /// an unlabelled one. `name` stands for the file in errors.
    ///
    /// # Errors
    /// When there is no row.
    pub fn of_samples(name: &Path, samples: &Samples) -> Result<Self, DataError> {
        let features = samples.features();
        let column = |place: usize| Column::new(format!("x{place}").into(), features.column(place).to_vec());
        let label = |label: &Label| match label {
            Label::Anomaly => Some(1),
            Label::Normal => Some(0),
            Label::Unlabelled => None,
        };
        let labels: Vec<Option<i32>> = samples.labels().iter().map(label).collect();
        let columns = (0..features.ncols()).map(column).chain([Column::new("label".into(), labels)]).collect();
        let frame = DataFrame::new(samples.rows(), columns).map_err(|error| super::malformed(name, error))?;
        Self::checked(name, frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::LabelColumn;
    use ndarray::array;

    #[test]
    fn samples_come_back_as_they_were() {
        let labels = vec![Label::Unlabelled, Label::Anomaly, Label::Normal];
        let samples = Samples::new(array![[1.5, -2.0], [0.1, 7.0], [3.0, 1e-9]], labels).unwrap();
        let table = Table::of_samples(Path::new("memory"), &samples).unwrap();
        assert_eq!(table.columns(), ["x0", "x1", "label"]);
        let back = table.samples(&LabelColumn::named("label")).unwrap();
        assert_eq!((back.features(), back.labels()), (samples.features(), samples.labels()));
    }
}
