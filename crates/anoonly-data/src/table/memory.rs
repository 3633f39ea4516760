//! Samples in memory as a table.

use std::path::Path;

use polars_arrow::array::PrimitiveArray;

use super::batch::ArrayRef;
use super::{Table, TableOrigin, batch};
use crate::DataError;
use anoonly_core::{Label, Samples};

impl Table {
    /// Samples as a table with the columns `x0`, `x1`, … and `label`. A label is 1 for an anomaly, 0 for a normal row and missing
    /// for an unlabelled one. `name` stands for the file in errors.
    ///
    /// # Errors
    /// When there are no rows.
    pub fn of_samples(name: &Path, samples: &Samples) -> Result<Self, DataError> {
        let label = |label: &Label| match label {
            Label::Anomaly => Some(1),
            Label::Normal => Some(0),
            Label::Unlabelled => None,
        };
        let labels: PrimitiveArray<i32> = samples.labels().iter().map(label).collect();
        let features = samples.features().columns().into_iter().enumerate().map(|(place, values)| {
            let values: ArrayRef = PrimitiveArray::from_vec(values.to_vec()).boxed();
            (format!("x{place}"), values)
        });
        let columns = features.chain([("label".to_owned(), labels.boxed())]).collect();
        let batch = batch(name, samples.rows(), columns)?;
        let origin = TableOrigin { columns: batch.names().into(), delimiter: None };
        Self::checked(name, batch, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::LabelColumn;
    use ndarray::array;

    #[test]
    fn samples_survive_the_way_through_a_table() {
        let labels = vec![Label::Unlabelled, Label::Anomaly, Label::Normal];
        let samples = Samples::new(array![[1.5, -2.0], [0.1, 7.0], [3.0, 1e-9]], labels).unwrap();
        let table = Table::of_samples(Path::new("memory"), &samples).unwrap();
        assert_eq!(table.columns(), ["x0", "x1", "label"]);
        let back = table.samples(&LabelColumn::named("label")).unwrap();
        assert_eq!((back.features(), back.labels()), (samples.features(), samples.labels()));
    }
}
